/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many events of one signature: the first few leave at once, the rest is counted
 * and leaves as one event, the last of them with their count, when a window
 * ends. A storm that lasts has longer windows. So no first and no last is lost,
 * all counts are exact, and an oops loop leaves a few events a minute.
 *
 * What only says again that a thing which was told still lasts (a task that
 * hangs at each scan) never leaves at once, and waits for the longest window.
 *
 * Bounded: RW_STORMS signatures at a time. One more ends the oldest window
 * before its time; nothing of it is lost.
 *
 * Pure: time comes in as an argument. Owner: one thread.
 */
#ifndef RINGWATCH_LIB_EVENTS_STORM_H
#define RINGWATCH_LIB_EVENTS_STORM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/events/event.h"

enum {
	RW_STORMS = 32,
	RW_STORM_AT_ONCE = 4,       /* of one signature in a window; the rest is counted */
	RW_STORM_MS = 10000,        /* the window */
	RW_STORM_HEAVY = 100,       /* counted in a window: the next one is twice as long, */
	RW_STORM_MAX_MS = 300000,   /* up to this */
	RW_STORM_AGAIN_MS = 300000, /* the window of what still lasts */
};

struct rw_storms;

/* What has been counted leaves; the event is the callee's to change until it returns. */
typedef void rw_storms_fn(void *context, struct rw_event *event);

struct rw_storms *rw_storms_new(rw_storms_fn *fn, void *context); /* NULL: no memory */
void rw_storms_free(struct rw_storms *storms);

/*
 * True: the event is to leave at once, and the caller sends it. False: it is
 * counted, and a copy of it may leave later. `again`: it says again what was
 * told. Without memory for the copy it leaves at once.
 */
bool rw_storms_take(struct rw_storms *storms, const struct rw_event *event, bool again,
		    uint64_t now_ms);

/* Ends the windows that are over. Returns when the next one is to end that has something in
 * it; UINT64_MAX: none. */
uint64_t rw_storms_flush(struct rw_storms *storms, uint64_t now_ms);
/* Ends all windows: the sensor stops. */
void rw_storms_end(struct rw_storms *storms);

#endif
