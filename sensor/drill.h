/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A staged failure. A collector asks for it; the sensor writes a line into the
 * kernel log, and what its own reader takes out of that log becomes an event of
 * KIND_DRILL. So the way of a real failure, from the kernel's log to the verdict,
 * is walked and not only believed in.
 *
 * The line is one of user space (facility 1), which is no evidence of anything:
 * here it is compared with what was asked for, and otherwise left alone.
 *
 * One at a time, and one a second: a newer one takes the older one's place. A line that cannot be
 * written, or does not come back within RW_DRILL_WAIT_MS, makes an event all the
 * same, of SOURCE_SENSOR, that says why: it proves nothing, and the collector
 * knows that.
 */
#ifndef RINGWATCH_SENSOR_DRILL_H
#define RINGWATCH_SENSOR_DRILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum {
	RW_DRILL_WAIT_MS = 2000,
	RW_DRILL_EVERY_MS = 1000, /* what is asked for sooner than that is left alone */
	RW_DRILL_WORDS_BYTES = 128,
};

struct rw_drill_news {
	char name[2 * RW_DRILL_BYTES + 1];  /* in hexadecimal digits */
	uint64_t took_ms;                   /* from the question to now */
	char trouble[RW_DRILL_WORDS_BYTES]; /* ""; else why the log did not tell */
};

struct rw_drill;

/* Opens `kmsg` for writing, while there are rights to. When it is no kernel's device, or
 * cannot be written, each drill says so. NULL: no memory. */
struct rw_drill *rw_drill_open(const char *kmsg);
void rw_drill_close(struct rw_drill *drill);

/* The collector asks. Boot clock, here and below. */
void rw_drill_ask(struct rw_drill *drill, const uint8_t name[RW_DRILL_BYTES], uint64_t now_ms);
/* A line of user space. True when it is the one that is waited for: it is waited for no more. */
bool rw_drill_line(struct rw_drill *drill, const char *text, size_t length, uint64_t now_ms,
		   struct rw_drill_news *out);
/* True when one has failed: it is waited for no more. */
bool rw_drill_has_failed(struct rw_drill *drill, uint64_t now_ms, struct rw_drill_news *out);

#endif
