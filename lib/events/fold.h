/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the two sources say to events.
 *
 * The BPF programs and the kernel log speak of the same things. Both are folded
 * into one event: same kind, same CPU or task or device (as far as both know it),
 * at most a second apart. An event leaves as soon as BPF has told all that it
 * will, or the log has; whatever confirms it later is swallowed. What is
 * unfinished leaves after RW_EVENTS_HOLD_MS with what is known.
 *
 * Storms: of one signature a few go out at once, the rest is counted and goes
 * out as one event when its window ends (storm.h). A hang that lasts is told
 * once, and then counted.
 *
 * What the event is called: sign.h.
 *
 * Works without BPF and on a log alone, old and cut short at either end as it may
 * be: with no boot id, no `resolve`, every line as backlog, and at the end
 * rw_events_flush_all().
 *
 * Pure: time comes in as an argument, events go out through callbacks.
 * Owner: one thread. Memory: 20 KiB, and 6 KiB for each event that is held back
 * or counted, of which there are never more than 16 and 32.
 */
#ifndef RINGWATCH_LIB_EVENTS_FOLD_H
#define RINGWATCH_LIB_EVENTS_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/record.h"
#include "lib/events/event.h"
#include "lib/events/line.h"
#include "lib/events/symbol.h"

enum {
	RW_EVENTS_HOLD_MS = 300,    /* unfinished: no detail yet, or a log block has no end */
	RW_EVENTS_CONFIRM_MS = 50,  /* complete in the log; BPF may still come */
	RW_EVENTS_MODULE_MS = 1000, /* the log names the cause before the system call returns */
	RW_EVENTS_APART_MS = 1000,  /* two sources, one thing */
	RW_EVENTS_BLOCK_MS = 1000,  /* no more of its lines: what the log tells of it is over */
	RW_EVENTS_KINDS = 32,
};

struct rw_events_time {
	uint64_t boot_ms;
	uint64_t wall_ms;
};

/*
 * An event leaves. `log_position`: once it is durable, nothing of the kernel log
 * at or before that is needed again; UINT64_MAX when no line was read yet.
 * `token`: its name for rw_events_log_fn, never given twice; 0: its log will not
 * be told of.
 */
typedef void rw_events_fn(void *context, struct rw_event *event, uint64_t log_position,
			  uint64_t token);
/*
 * All that the kernel log tells of an event has come, and the event has left: its
 * lines are those from sequence `first` to `last`, both included. What the
 * kernel says last of a report may be among them or not; what it said before is
 * not. Called at most once for an event, after its rw_events_fn, and never for
 * what a storm has counted or the log has not told. Must not call back.
 */
typedef void rw_events_log_fn(void *context, uint64_t token, uint64_t first, uint64_t last);
/* rw_symbols_resolve, or a test's. */
typedef int rw_events_resolve_fn(const uint64_t *addresses, uint32_t count, struct rw_symbol *out);

struct rw_events_config {
	char boot_id[RW_BOOT_ID_LENGTH + 1]; /* "" when nobody knows */
	uint64_t boot_order;
	rw_events_resolve_fn *resolve; /* NULL: addresses stay without names */
	rw_events_fn *fn;
	rw_events_log_fn *log_fn; /* NULL: nobody asks */
	void *context;
};

struct rw_events;

struct rw_events *rw_events_new(const struct rw_events_config *config); /* NULL: no memory */
void rw_events_free(struct rw_events *events);
/* A BPF hook is live for this kind: what the log tells is held a moment for it. */
void rw_events_set_in_bpf(struct rw_events *events, Ringwatch__V1__Kind kind);

/* The taint flags that were set when the sensor came (/proc/sys/kernel/tainted): no news. */
void rw_events_set_taint(struct rw_events *events, uint64_t mask);

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

/*
 * How many of a kind both sources have told so far, what is held or counted in
 * a storm included, each once however many told it; what the kernel's own
 * counters are compared with.
 */
uint64_t rw_events_told(const struct rw_events *events, Ringwatch__V1__Kind kind);

/* Lines of the kernel log up to here are dealt with; UINT64_MAX for none. */
uint64_t rw_events_log_position(const struct rw_events *events);

#endif
