/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much is listened to those who send datagrams: a bucket a source, and one
 * for all together. A fixed table: who was not heard for longest is forgotten, so
 * that a flood of made-up sources costs no memory and meets the limit of all.
 *
 * Owner: the loop's thread.
 */
#ifndef RINGWATCH_INGEST_GASP_SOURCES_H
#define RINGWATCH_INGEST_GASP_SOURCES_H

#include "collector/ingest/gasp_bindings.h"

enum { RW_SOURCES_KEPT = 2048 }; /* a power of two */

struct rw_bucket_limit {
	uint64_t burst;
	uint64_t per_second;
};

enum rw_sources_answer { RW_SOURCES_TAKE, RW_SOURCES_OVER_ITS_LIMIT, RW_SOURCES_OVER_ALL };

struct rw_sources;

/* NULL: no memory. */
struct rw_sources *rw_sources_new(struct rw_bucket_limit each, struct rw_bucket_limit all,
				  uint64_t hash_key);
void rw_sources_free(struct rw_sources *sources);
/* Whether one more datagram of it may be looked at. */
enum rw_sources_answer rw_sources_take(struct rw_sources *sources, const struct rw_source *source,
				       uint64_t now_ms);
uint32_t rw_sources_count(const struct rw_sources *sources);

#endif
