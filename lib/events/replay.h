/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel log that somebody has kept, from its first byte to its last, to the
 * events that it tells of: strip.h, line.h and fold.h one behind the other.
 *
 * A new boot begins where the log says so, where its clock goes back or becomes
 * another one, and with "Linux version". The parts of one pstore dump may stand
 * in any order; they are kept back, RW_REPLAY_PARTS_BYTES at most, until another
 * dump or the end. Of a line that is longer than RW_REPLAY_LINE_BYTES the rest
 * is left out; of a netconsole record in pieces the first is read.
 *
 * Time is what the log says; nothing else is asked. Pure but for memory.
 */
#ifndef RINGWATCH_LIB_EVENTS_REPLAY_H
#define RINGWATCH_LIB_EVENTS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/events/event.h"

enum {
	RW_REPLAY_LINE_BYTES = 8192,
	RW_REPLAY_PARTS_BYTES = 1024 * 1024,
	RW_REPLAY_PARTS = 64,
};

struct rw_replay;

/* `has_time`: boot_ms of the event is the kernel's own; else the log had no such clock,
 * and it means nothing. boot_id, boot_order and wall_ms are never filled. */
typedef void rw_replay_fn(void *context, const struct rw_event *event, bool has_time);

struct rw_replay *rw_replay_new(rw_replay_fn *fn, void *context); /* NULL: no memory */
void rw_replay_free(struct rw_replay *replay);

/* The next bytes, cut anywhere. 0 or -ENOMEM, after which only free makes sense. */
int rw_replay_feed(struct rw_replay *replay, const char *bytes, size_t length);
/* No more will come: what is unfinished is told as far as it is known. 0 or -ENOMEM. */
int rw_replay_end(struct rw_replay *replay);

#endif
