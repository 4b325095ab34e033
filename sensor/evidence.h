/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel log that belongs to an event follows it: the event leaves at once,
 * and when its lines have all come they are cut out, packed and sent behind it
 * as an event of kind LOG_EXCERPT whose `about` is its sequence.
 *
 * Bounded: the events of the last moments, and the lines that lib/events/excerpt.h
 * keeps. What falls out of either has no excerpt.
 *
 * Owner: one thread.
 */
#ifndef RINGWATCH_SENSOR_EVIDENCE_H
#define RINGWATCH_SENSOR_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/events/event.h"
#include "sensor/kmsg.h"

enum {
	RW_EVIDENCE_PENDING = 32,
	RW_EVIDENCE_LINES_BEFORE = 10, /* what the kernel said just before is of interest too */
};

struct rw_evidence;

struct rw_evidence *rw_evidence_new(void); /* NULL: no memory */
void rw_evidence_free(struct rw_evidence *evidence);

void rw_evidence_line(struct rw_evidence *evidence, const struct rw_kmsg_record *record);

/* An event has been kept under its sequence; `token` is the fold's name for it. */
void rw_evidence_kept(struct rw_evidence *evidence, uint64_t token, const struct rw_event *event);

/*
 * The log of the event `token` is complete, from line `first` to `last`. Fills
 * `out`, the excerpt event; its log lives until the next call. False: there is
 * no such event, or nothing left of its lines.
 */
bool rw_evidence_complete(struct rw_evidence *evidence, uint64_t token, uint64_t first,
			  uint64_t last, struct rw_event *out);

#endif
