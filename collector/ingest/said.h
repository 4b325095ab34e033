/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host said of itself in its last Hello, and how many hosts of each ring
 * can see what.
 *
 * Thousands of hosts run the same kernel and say the same words: each set of
 * words is kept once. A ring's counts move with each Hello, so that reading them
 * costs the same whatever the number of hosts.
 *
 * Owner: the loop's thread.
 */
#ifndef RINGWATCH_INGEST_SAID_H
#define RINGWATCH_INGEST_SAID_H

#include "collector/hub.h"
#include "proto/ringwatch.pb-c.h"

struct rw_said_table;
struct rw_host_said;

struct rw_said_table *rw_said_table_new(void); /* NULL: no memory */
/* What hosts still hold lives on until they let it go. */
void rw_said_table_free(struct rw_said_table *table);

/* NULL: no memory. In no ring yet. */
struct rw_host_said *rw_host_said_new(struct rw_said_table *table,
				      const Ringwatch__V1__Hello *hello);
void rw_host_said_free(struct rw_host_said *said); /* NULL is fine */
/* From now on it counts in the ring of this index in the policy. */
void rw_host_said_count(struct rw_host_said *said, uint32_t ring);
/* Bits (1 << kind) of what it says it cannot see at all. */
uint32_t rw_host_said_blind_kinds(const struct rw_host_said *said);
void rw_host_said_heartbeat(struct rw_host_said *said, const Ringwatch__V1__Heartbeat *heartbeat);
/* NULL, here and below: nothing was said. */
void rw_host_said_marks(const struct rw_host_said *said, struct rw_host_marks *out);
/* Fills all but `connected`. */
void rw_host_said_facts(const struct rw_host_said *said, struct rw_host_facts *out);

/* How many different sets of words are kept. */
uint32_t rw_said_sets(const struct rw_said_table *table);

void rw_said_coverage(const struct rw_said_table *table, uint32_t ring,
		      struct rw_ring_coverage *out);

#endif
