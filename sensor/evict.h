/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events go when there is no room for all: the least severe first. Of one
 * severity the most repeated signatures are thinned out first, each from its
 * oldest on, and the first and the last event of a signature stay as long as
 * there is anything else of this severity; then the oldest go.
 *
 * Two passes over the same events in the same order, oldest first: each is
 * counted, a plan is made, and then each is asked for. Pure.
 *
 * Memory: a table of RW_EVICT_SIGNATURES rows, while a plan is being made and
 * carried out. Signatures that find it full are not thinned out: their events go
 * with the oldest.
 */
#ifndef RINGWATCH_SENSOR_EVICT_H
#define RINGWATCH_SENSOR_EVICT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RW_EVICT_SIGNATURES = 512,
	RW_EVICT_SEVERITIES = 4, /* by number, 1 … 3 */
};

struct rw_evict_event {
	uint8_t severity;
	uint64_t signature; /* rw_evict_hash */
	uint64_t sequence;
	uint64_t bytes; /* what is won when it goes */
};

struct rw_evict;

struct rw_evict *rw_evict_new(void); /* NULL: no memory */
void rw_evict_free(struct rw_evict *evict);

uint64_t rw_evict_hash(const char *signature);

void rw_evict_count(struct rw_evict *evict, const struct rw_evict_event *event);
/* To win `bytes` from what is at most so severe. The bytes that cannot be won. */
uint64_t rw_evict_plan(struct rw_evict *evict, uint64_t bytes, uint8_t most_severe);
/* Whether this one goes. */
bool rw_evict_takes(struct rw_evict *evict, const struct rw_evict_event *event);

#endif
