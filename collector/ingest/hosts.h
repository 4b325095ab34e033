/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the collector keeps of each host beside the judgement: its session,
 * what it said of itself, how far its spools have been received, its quota of
 * events. By rw_host_handle; the loop's thread only.
 */
#ifndef RINGWATCH_INGEST_HOSTS_H
#define RINGWATCH_INGEST_HOSTS_H

#include "collector/hub.h"
#include "collector/ingest/said.h"
#include "collector/ingest/versions.h"
#include "proto/limits.h"

enum { RW_HOST_SPOOLS_MAX = 8 }; /* the longest unused is forgotten */

struct rw_session;
/* How far one spool has come: `committed` is on disk, `received` at least queued. */
struct rw_spool_mark {
	struct rw_spool_mark *next;
	uint8_t id[16];
	uint64_t received;
	uint64_t committed;
	/* Of this session: the first event that was not taken, 0 if all were. What
	 * lies behind it is not taken either: an Ack would cover the gap. */
	uint64_t refused;
};

/* A bucket that fills with time; full before it is first used. */
struct rw_quota {
	uint64_t filled_ms; /* boot clock */
	uint64_t milli;     /* thousandths of what may still be taken */
};

struct rw_host_entry {
	struct rw_session *session;  /* the live one, or NULL */
	struct rw_host_said *said;   /* by its last Hello since the start, or NULL */
	struct rw_version_set *runs; /* by its last report since the start, or NULL */
	struct rw_version_set *ran;  /* of each subject the last value that was not empty */
	struct rw_spool_mark *marks; /* last used first */
	struct rw_quota events;
	struct rw_quota versions; /* changes of what it runs */
};

struct rw_hosts;

struct rw_hosts *rw_hosts_new(void);
void rw_hosts_free(struct rw_hosts *hosts);
/* What all hosts have said of themselves. */
struct rw_said_table *rw_hosts_said(struct rw_hosts *hosts);
/* What they run. */
struct rw_version_table *rw_hosts_versions(struct rw_hosts *hosts);
/* The entry, made when there is none yet; NULL: no memory. Valid until the next call. */
struct rw_host_entry *rw_hosts_at(struct rw_hosts *hosts, rw_host_handle host);

/* NULL when it is not known. */
struct rw_spool_mark *rw_spool_mark_find(struct rw_host_entry *entry, const uint8_t id[16]);
/* Found or made, and moved to the front; NULL: no memory. */
struct rw_spool_mark *rw_spool_mark_use(struct rw_host_entry *entry, const uint8_t id[16]);

/* A new session sends again whatever is not acknowledged. */
void rw_spool_marks_begin_session(struct rw_host_entry *entry);

/* Takes one from the quota, if `spare` more would be left; false: it is used up. */
bool rw_quota_take(struct rw_quota *quota, uint64_t burst, uint64_t per_second, uint64_t spare,
		   uint64_t boot_ms);

#endif
