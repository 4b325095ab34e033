/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which versions each host says it runs, and what becomes of that: the core hears of
 * each, and a change that no deployment names is audited.
 *
 * Thousands of hosts run the same: each set of (subject, value) is kept once.
 *
 * Owner: the loop's thread.
 */
#ifndef RINGWATCH_INGEST_VERSIONS_H
#define RINGWATCH_INGEST_VERSIONS_H

#include "collector/hub.h"
#include "proto/ringwatch.pb-c.h"

enum {
	/* Of one host; subjects beyond are forgotten, those unseen for longest first. */
	RW_VERSIONS_KEPT = 2 * RW_VERSIONS_MAX,
	/* A sensor looks once a second. Who changes again and again, faster, is sent away for
	 * a while; what it says next time counts. */
	RW_VERSIONS_BURST = 60,
	RW_VERSIONS_PER_SECOND = 1,
	RW_VERSIONS_RETRY_MS = 10000,
};

struct rw_version_table;
struct rw_version_set;
struct rw_host_entry;
struct rw_session;

struct rw_version_table *rw_version_table_new(void); /* NULL: no memory */
/* What hosts still hold lives on until they let it go. */
void rw_version_table_free(struct rw_version_table *table);
/* How many different sets are kept. */
uint32_t rw_version_sets(const struct rw_version_table *table);

struct rw_named_version {
	const char *subject, *value;
};

/* The set with these, in this order; with one user more. NULL: no memory. */
struct rw_version_set *rw_version_set_share(struct rw_version_table *table,
					    const struct rw_named_version *versions, size_t count);
void rw_version_set_free(struct rw_version_set *set); /* NULL, here and below: an empty one */
uint32_t rw_version_set_count(const struct rw_version_set *set);
/* Lives as long as the set. */
struct rw_named_version rw_version_set_at(const struct rw_version_set *set, uint32_t index);
/* NULL: it holds no such subject. */
const char *rw_version_set_find(const struct rw_version_set *set, const char *subject);

/* Of each subject the last value that was not empty: of `now`, else as `before` has it. */
struct rw_version_set *rw_version_set_remember(struct rw_version_table *table,
					       const struct rw_version_set *before,
					       const struct rw_version_set *now);

/* What the host of a live session reports. May end the session. */
void rw_versions_take(struct rw_session *session, const Ringwatch__V1__Versions *versions);

/* Fills `version_count` and `versions`. */
void rw_versions_facts(const struct rw_version_set *set, struct rw_host_facts *out);

#endif
