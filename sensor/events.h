/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the two sources say to events.
 *
 * The BPF programs and the kernel log speak of the same things. Both are folded
 * into one event: same kind, same CPU (or one of them does not know it), at most
 * a second apart. An event leaves as soon as BPF has told begin and detail, or
 * the log has told all of it; whatever confirms it later is swallowed. What is
 * unfinished leaves after RW_EVENTS_HOLD_MS with what is known.
 *
 * Storms: of one signature a few go out at once, the rest is counted and goes
 * out as one event when its window ends; a lasting storm's windows grow longer.
 *
 * Pure: time comes in as an argument, events go out through a callback.
 * Owner: one thread. Memory: only while something is held back.
 */
#ifndef RINGWATCH_SENSOR_EVENTS_H
#define RINGWATCH_SENSOR_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/record.h"
#include "sensor/event.h"
#include "sensor/klog.h"
#include "sensor/symbols.h"

enum {
	RW_EVENTS_HOLD_MS = 300,    /* unfinished: no detail yet, or a log block has no end */
	RW_EVENTS_CONFIRM_MS = 50,  /* complete in the log; BPF may still come */
	RW_EVENTS_MODULE_MS = 1000, /* the log names the cause before the system call returns */
	RW_EVENTS_APART_MS = 1000,  /* two sources, one thing */
	RW_EVENTS_AT_ONCE = 4,      /* of one signature in a window; the rest is counted */
	RW_EVENTS_STORM_MS = 10000, /* the window */
	RW_EVENTS_HEAVY = 100,      /* counted in a window: the next one is twice as long, */
	RW_EVENTS_STORM_MAX_MS = 300000, /* up to this */
	RW_EVENTS_KINDS = 16,
};

struct rw_events_time {
	uint64_t boot_ms;
	uint64_t wall_ms;
};

/* `log_position`: once this event is durable, nothing of the kernel log at or
 * before it is needed again; UINT64_MAX when no line was read yet. */
typedef void rw_events_fn(void *context, struct rw_event *event, uint64_t log_position);
/* rw_symbols_resolve, or a test's. */
typedef int rw_events_resolve_fn(const uint64_t *addresses, uint32_t count, struct rw_symbol *out);

struct rw_events_config {
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	uint64_t boot_order;
	rw_events_resolve_fn *resolve;
	rw_events_fn *fn;
	void *context;
};

struct rw_events;

struct rw_events *rw_events_new(const struct rw_events_config *config); /* NULL: no memory */
void rw_events_free(struct rw_events *events);
/* A BPF hook is live for this kind: what the log tells is held a moment for it. */
void rw_events_set_in_bpf(struct rw_events *events, Ringwatch__V1__Kind kind);

/*
 * An event of this boot that an earlier life of the sensor has spooled from BPF
 * alone, shortly before it ended. The log may still tell of it: such lines of
 * the backlog make no second event. Before the first line.
 */
void rw_events_recall(struct rw_events *events, const struct rw_event *event);

/* A BPF record. */
void rw_events_record(struct rw_events *events, const struct rw_record *record,
		      struct rw_events_time now);

/* A kernel log line: its sequence number and when it was written (boot clock).
 * `backlog`: it is from before the BPF programs were there to confirm it. */
void rw_events_line(struct rw_events *events, const struct rw_klog_fact *fact, uint64_t sequence,
		    uint64_t line_boot_ms, bool backlog, struct rw_events_time now);

/*
 * Sends what is ready or overdue. Call it after both sources were drained and
 * when the returned boot time comes; UINT64_MAX: nothing is held.
 */
uint64_t rw_events_flush(struct rw_events *events, struct rw_events_time now);
/* Sends all that is held: the sensor stops. */
void rw_events_flush_all(struct rw_events *events, struct rw_events_time now);

/* Lines of the kernel log up to here are dealt with; UINT64_MAX for none. */
uint64_t rw_events_log_position(const struct rw_events *events);

#endif
