/* SPDX-License-Identifier: Apache-2.0 */
/* The fold's life, and what leaves it; see fold.h and fold_internal.h. */
#include "lib/events/fold.h"

#include <stdlib.h>

#include "lib/events/fold_internal.h"
#include "lib/events/sign.h"

/* ---- leaving ---------------------------------------------------------------------- */

static void send(struct rw_events *ev, struct rw_event *e, uint64_t token)
{
	ev->config.fn(ev->config.context, e, rw_events_log_position(ev), token);
}

/* A storm's window is over: nobody asks for the log of what was counted. */
static void on_counted(void *context, struct rw_event *e)
{
	send(context, e, 0);
}

static void remember(struct rw_events *ev, const struct rw_held *h, struct rw_like like)
{
	/* what is counted was remembered as it came in, but for a mere announcement */
	if (rw_fold_is_counted(h->event.kind) && !h->announced)
		return;
	struct rw_past *p = rw_fold_remember(ev, like, h->begun_ms);
	p->like.pid = h->event.pid;
	p->bpf = h->bpf;
	p->log = h->log;
}

/* The event has left under this token: its lines are told when they are all there. */
static void follow_with_log(struct rw_events *ev, const struct rw_held *h, struct rw_like like,
			    bool in_block, uint64_t token)
{
	if (in_block)
		ev->block.token = token;
	else if (h->log)
		rw_fold_tell_log(ev, token, h->log_first, h->log_last);
	else
		ev->left[ev->left_count++ % RW_FOLD_LEFT] = (struct rw_left){
			.used = true,
			.like = like,
			.begun_ms = h->begun_ms,
			.token = token,
		};
}

/* The slot's event goes. */
static void release(struct rw_events *ev, size_t slot, struct rw_events_time now)
{
	struct rw_held *h = ev->held[slot];
	bool in_block = ev->block.open && ev->block.held == h;

	ev->held[slot] = NULL;
	if (in_block)
		ev->block.held = NULL;
	/* by what the sources call it, which is not always who is to blame */
	struct rw_like like = rw_fold_like_of(&h->event);
	rw_sign_blame(&h->event);
	remember(ev, h, like);
	rw_fold_finish(ev, h, &h->event, now);
	if (rw_storms_take(ev->storms, &h->event, rw_fold_lasts(ev, h), now.boot_ms)) {
		uint64_t token = ++ev->last_token;
		send(ev, &h->event, token);
		follow_with_log(ev, h, like, in_block, token);
	}
	free(h);
}

/* ---- holding back ------------------------------------------------------------------- */

struct rw_held *rw_fold_hold(struct rw_events *ev, Ringwatch__V1__Kind kind, uint64_t at_ms,
			     uint64_t deadline_ms, struct rw_events_time now)
{
	size_t slot = 0;

	ev->told[kind]++;
	for (size_t i = 0; i < RW_FOLD_HELD; i++) {
		if (ev->held[i] == NULL) {
			slot = i;
			break;
		}
		if (ev->held[i]->begun_ms < ev->held[slot]->begun_ms)
			slot = i;
	}
	if (ev->held[slot] != NULL)
		release(ev, slot, now);
	struct rw_held *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL; /* a kernel in trouble; the next event may find memory again */
	h->begun_ms = at_ms;
	h->deadline_ms = deadline_ms;
	h->event.kind = kind;
	h->event.boot_ms = at_ms;
	h->event.cpu = RW_CPU_UNKNOWN;
	ev->held[slot] = h;
	return h;
}

struct rw_held *rw_fold_hold_line(struct rw_events *ev, Ringwatch__V1__Kind kind, uint64_t for_ms,
				  const struct rw_line_at *at)
{
	struct rw_held *h = rw_fold_hold(ev, kind, at->ms, at->now.boot_ms + for_ms, at->now);

	if (h == NULL)
		return NULL;
	rw_fold_mark_log(h, at);
	h->confirmable = !at->backlog && ev->in_bpf[kind];
	return h;
}

void rw_fold_mark_log(struct rw_held *h, const struct rw_line_at *at)
{
	if (!h->log)
		h->log_first = at->sequence;
	h->log_last = at->sequence;
	h->log = true;
}

/* ---- life ------------------------------------------------------------------------------ */

struct rw_events *rw_events_new(const struct rw_events_config *config)
{
	struct rw_events *ev = calloc(1, sizeof(*ev));

	if (ev == NULL)
		return NULL;
	ev->storms = rw_storms_new(on_counted, ev);
	if (ev->storms == NULL) {
		free(ev);
		return NULL;
	}
	ev->config = *config;
	ev->log_last = UINT64_MAX;
	ev->looked_ms = UINT64_MAX;
	return ev;
}

void rw_events_free(struct rw_events *ev)
{
	if (ev == NULL)
		return;
	for (size_t i = 0; i < RW_FOLD_HELD; i++)
		free(ev->held[i]);
	rw_storms_free(ev->storms);
	free(ev);
}

void rw_events_set_in_bpf(struct rw_events *ev, Ringwatch__V1__Kind kind)
{
	if (kind > 0 && (size_t)kind < RW_EVENTS_KINDS)
		ev->in_bpf[kind] = true;
}

void rw_events_set_taint(struct rw_events *ev, uint64_t mask)
{
	ev->tainted |= mask;
}

uint64_t rw_events_told(const struct rw_events *ev, Ringwatch__V1__Kind kind)
{
	return kind > 0 && (size_t)kind < RW_EVENTS_KINDS ? ev->told[kind] : 0;
}

uint64_t rw_events_log_position(const struct rw_events *ev)
{
	uint64_t position = ev->log_last;

	for (size_t i = 0; i < RW_FOLD_HELD; i++) {
		const struct rw_held *h = ev->held[i];
		if (h == NULL || !h->log || h->log_first > position)
			continue;
		if (h->log_first == 0)
			return UINT64_MAX;
		position = h->log_first - 1;
	}
	return position;
}

static void forget(struct rw_events *ev, uint64_t now_ms)
{
	for (size_t i = 0; i < RW_FOLD_PAST; i++) {
		struct rw_past *p = &ev->past[i];
		if (p->used && p->begun_ms + RW_FOLD_FORGET_MS < now_ms)
			p->used = false;
	}
}

/* A machine that panics will tell no more: all leaves, what led to it first. */
static bool is_dying(const struct rw_events *ev)
{
	for (size_t i = 0; i < RW_FOLD_HELD; i++) {
		if (ev->held[i] != NULL && ev->held[i]->event.kind == KIND_PANIC &&
		    ev->held[i]->ready)
			return true;
	}
	return false;
}

static bool is_due(const struct rw_held *h, uint64_t now_ms)
{
	return h != NULL && (h->ready || h->deadline_ms <= now_ms);
}

static void release_due(struct rw_events *ev, struct rw_events_time now)
{
	uint64_t due_ms = is_dying(ev) ? UINT64_MAX : now.boot_ms;

	for (;;) {
		size_t first = RW_FOLD_HELD;
		for (size_t i = 0; i < RW_FOLD_HELD; i++) {
			if (is_due(ev->held[i], due_ms) &&
			    (first == RW_FOLD_HELD ||
			     ev->held[i]->begun_ms < ev->held[first]->begun_ms))
				first = i;
		}
		if (first == RW_FOLD_HELD)
			return;
		release(ev, first, now);
	}
}

/* When the block that is being read is over at the latest; UINT64_MAX: nobody waits for it. */
static uint64_t block_ends_ms(const struct rw_events *ev)
{
	if (!ev->block.open || (ev->block.held == NULL && ev->block.token == 0))
		return UINT64_MAX;
	return ev->block.last_seen_ms + RW_EVENTS_BLOCK_MS;
}

uint64_t rw_events_flush(struct rw_events *ev, struct rw_events_time now)
{
	if (ev->block.open && ev->block.last_seen_ms + RW_EVENTS_BLOCK_MS <= now.boot_ms)
		rw_fold_close_block(ev, now.boot_ms);
	release_due(ev, now);
	forget(ev, now.boot_ms);
	ev->looked_ms = now.boot_ms;

	uint64_t next = rw_storms_flush(ev->storms, now.boot_ms);
	if (block_ends_ms(ev) < next)
		next = block_ends_ms(ev);
	for (size_t i = 0; i < RW_FOLD_HELD; i++) {
		if (ev->held[i] != NULL && ev->held[i]->deadline_ms < next)
			next = ev->held[i]->deadline_ms;
	}
	return next;
}

void rw_events_flush_all(struct rw_events *ev, struct rw_events_time now)
{
	rw_fold_close_block(ev, now.boot_ms);
	for (size_t i = 0; i < RW_FOLD_HELD; i++) {
		if (ev->held[i] != NULL)
			ev->held[i]->ready = true;
	}
	release_due(ev, now);
	rw_storms_end(ev->storms);
}
