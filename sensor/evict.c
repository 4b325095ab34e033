/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes first; see evict.h.
 *
 * The most repeated go first: there is a level, and what a signature has above
 * it goes. The highest level that wins enough is searched for.
 */
#include "sensor/evict.h"

#include <stdlib.h>

enum { SLOTS = 2 * RW_EVICT_SIGNATURES, KEPT = 2 /* the first and the last */ };

struct row {
	uint64_t signature;
	uint64_t first;
	uint64_t last;
	uint64_t bytes;
	uint64_t first_bytes;
	uint64_t last_bytes;
	uint64_t budget; /* of those between first and last */
	uint32_t count;  /* 0: the row is free */
	uint8_t severity;
};

struct rw_evict {
	uint32_t rows;
	uint64_t bytes[RW_EVICT_SEVERITIES];
	bool all[RW_EVICT_SEVERITIES];
	uint64_t oldest[RW_EVICT_SEVERITIES]; /* bytes to be won from the oldest */
	struct row row[SLOTS];
};

struct rw_evict *rw_evict_new(void)
{
	return calloc(1, sizeof(struct rw_evict));
}

void rw_evict_free(struct rw_evict *e)
{
	free(e);
}

/* FNV-1a. A collision only means that two signatures are thinned out as one. */
uint64_t rw_evict_hash(const char *signature)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *c = signature; *c != '\0'; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3;
	return hash;
}

/* Its row, or the free one where it would stand. */
static struct row *find(struct rw_evict *e, const struct rw_evict_event *event)
{
	uint64_t at = (event->signature ^ event->severity) % SLOTS;

	while (e->row[at].count > 0 &&
	       (e->row[at].signature != event->signature || e->row[at].severity != event->severity))
		at = (at + 1) % SLOTS;
	return &e->row[at];
}

void rw_evict_count(struct rw_evict *e, const struct rw_evict_event *event)
{
	struct row *r = find(e, event);

	e->bytes[event->severity] += event->bytes;
	if (r->count == 0) {
		if (e->rows == RW_EVICT_SIGNATURES)
			return;
		e->rows++;
		r->signature = event->signature;
		r->severity = event->severity;
		r->first = event->sequence;
		r->first_bytes = event->bytes;
	}
	r->count++;
	r->bytes += event->bytes;
	r->last = event->sequence;
	r->last_bytes = event->bytes;
}

static uint64_t middle_bytes(const struct row *r)
{
	return r->count <= KEPT ? 0 : r->bytes - r->first_bytes - r->last_bytes;
}

/* What this row gives when it is brought down to `level` events. */
static uint64_t above(const struct row *r, uint32_t level)
{
	if (r->count <= level || r->count <= KEPT)
		return 0;
	uint64_t between = r->count - KEPT;
	return (middle_bytes(r) * (r->count - level) + between - 1) / between;
}

static uint64_t all_above(const struct rw_evict *e, uint8_t severity, uint32_t level)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SLOTS; i++) {
		if (e->row[i].severity == severity)
			sum += above(&e->row[i], level);
	}
	return sum;
}

static uint32_t highest(const struct rw_evict *e, uint8_t severity)
{
	uint32_t most = KEPT;

	for (uint32_t i = 0; i < SLOTS; i++) {
		if (e->row[i].severity == severity && e->row[i].count > most)
			most = e->row[i].count;
	}
	return most;
}

/* Less than all of a severity has to go. */
static void thin_out(struct rw_evict *e, uint8_t severity, uint64_t bytes)
{
	uint32_t low = KEPT; /* gives the most */
	uint32_t high = highest(e, severity);
	uint64_t most = all_above(e, severity, KEPT);

	while (low < high) {
		uint32_t level = low + (high - low + 1) / 2;
		if (all_above(e, severity, level) >= bytes)
			low = level;
		else
			high = level - 1;
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (e->row[i].severity == severity)
			e->row[i].budget = above(&e->row[i], low);
	}
	e->oldest[severity] = most < bytes ? bytes - most : 0;
}

uint64_t rw_evict_plan(struct rw_evict *e, uint64_t bytes, uint8_t most_severe)
{
	for (uint8_t i = 0; i < RW_EVICT_SEVERITIES && i <= most_severe && bytes > 0; i++) {
		if (e->bytes[i] <= bytes) {
			e->all[i] = true;
			bytes -= e->bytes[i];
		} else {
			thin_out(e, i, bytes);
			bytes = 0;
		}
	}
	return bytes;
}

static uint64_t minus(uint64_t budget, uint64_t bytes)
{
	return budget > bytes ? budget - bytes : 0;
}

bool rw_evict_takes(struct rw_evict *e, const struct rw_evict_event *event)
{
	uint64_t *budget = &e->oldest[event->severity];

	if (e->all[event->severity])
		return true;
	struct row *r = find(e, event);
	if (r->count > 0 && event->sequence != r->first && event->sequence != r->last)
		budget = &r->budget;
	if (*budget == 0)
		return false;
	*budget = minus(*budget, event->bytes);
	return true;
}
