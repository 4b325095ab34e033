/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what comes too often; see storm.h. */
#include "lib/events/storm.h"

#include <stdlib.h>
#include <string.h>

struct storm {
	bool used;
	char signature[RW_SIGNATURE_MAX + 1];
	uint64_t begun_ms;
	uint64_t ends_ms;
	uint64_t window_ms;
	uint32_t sent;
	uint64_t kept;         /* how many `last` stands for */
	struct rw_event *last; /* NULL: none was counted */
};

struct rw_storms {
	rw_storms_fn *fn;
	void *context;
	struct storm storms[RW_STORMS];
};

struct rw_storms *rw_storms_new(rw_storms_fn *fn, void *context)
{
	struct rw_storms *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->fn = fn;
	all->context = context;
	return all;
}

void rw_storms_free(struct rw_storms *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < RW_STORMS; i++)
		free(all->storms[i].last);
	free(all);
}

static void send_counted(struct rw_storms *all, struct storm *s)
{
	struct rw_event *last = s->last;

	if (last == NULL)
		return;
	last->count = s->kept < UINT32_MAX ? (uint32_t)s->kept : UINT32_MAX;
	s->last = NULL;
	s->kept = 0;
	all->fn(all->context, last);
	free(last);
}

static struct storm *storm_of(struct rw_storms *all, const char *signature, uint64_t now_ms)
{
	struct storm *oldest = &all->storms[0];

	for (size_t i = 0; i < RW_STORMS; i++) {
		struct storm *s = &all->storms[i];
		if (s->used && strcmp(s->signature, signature) == 0)
			return s;
		if (!s->used || (oldest->used && s->begun_ms < oldest->begun_ms))
			oldest = s;
	}
	if (oldest->used)
		send_counted(all, oldest);
	*oldest = (struct storm){
		.used = true,
		.begun_ms = now_ms,
		.ends_ms = now_ms + RW_STORM_MS,
		.window_ms = RW_STORM_MS,
	};
	memcpy(oldest->signature, signature, strnlen(signature, RW_SIGNATURE_MAX));
	return oldest;
}

bool rw_storms_take(struct rw_storms *all, const struct rw_event *event, bool again,
		    uint64_t now_ms)
{
	struct storm *s = storm_of(all, event->signature, now_ms);

	if (!again && s->sent < RW_STORM_AT_ONCE) {
		s->sent++;
		return true;
	}
	if (s->last == NULL)
		s->last = malloc(sizeof(*s->last));
	if (s->last == NULL)
		return true;
	if (again && s->kept == 0 && s->ends_ms < now_ms + RW_STORM_AGAIN_MS)
		s->ends_ms = now_ms + RW_STORM_AGAIN_MS;
	*s->last = *event;
	s->kept += event->count;
	return false;
}

/* A window ends: what was counted leaves. A real storm gets a longer one, in
 * which all is counted; a drizzle gets a new one of the usual length. */
static void end_window(struct rw_storms *all, struct storm *s, uint64_t now_ms)
{
	bool heavy = s->kept >= RW_STORM_HEAVY;

	s->used = s->last != NULL;
	send_counted(all, s);
	if (heavy) {
		s->window_ms *= 2;
		if (s->window_ms > RW_STORM_MAX_MS)
			s->window_ms = RW_STORM_MAX_MS;
	} else {
		s->sent = 0;
		s->window_ms = RW_STORM_MS;
	}
	s->begun_ms = now_ms;
	s->ends_ms = now_ms + s->window_ms;
}

uint64_t rw_storms_flush(struct rw_storms *all, uint64_t now_ms)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < RW_STORMS; i++) {
		struct storm *s = &all->storms[i];
		if (!s->used)
			continue;
		if (now_ms >= s->ends_ms)
			end_window(all, s, now_ms);
		if (s->used && s->last != NULL && s->ends_ms < next)
			next = s->ends_ms;
	}
	return next;
}

void rw_storms_end(struct rw_storms *all)
{
	for (size_t i = 0; i < RW_STORMS; i++)
		send_counted(all, &all->storms[i]);
}
