/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dump tells: which boot it is of, and the crash in it as events that are
 * like those that were seen live, because its lines go through the same parser
 * and the same fold.
 */
#ifndef RINGWATCH_SENSOR_CRASHES_H
#define RINGWATCH_SENSOR_CRASHES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/events/event.h"
#include "sensor/boot.h"
#include "sensor/dump.h"

enum {
	RW_CRASHES_MAX = 6,
	RW_CRASHES_LINES_BEFORE = 10, /* what the kernel said just before is of interest too */
	/* Clocks of one host agree so far: granularity, small steps. */
	RW_CRASHES_SLACK_MS = 60 * 1000,
	/* A crash kernel writes the log before or after the memory, which takes its time. */
	RW_CRASHES_KDUMP_LATE_MS = 2 * 3600 * 1000,
	/* Older than so long before the end was seen by the sensor that still ran. */
	RW_CRASHES_NEWS_MS = 30 * 1000,
};

struct rw_crashes {
	uint32_t count;
	struct rw_event events[RW_CRASHES_MAX]; /* in the order of their time, without log */
	size_t begins[RW_CRASHES_MAX];          /* in the dump's text */
};

/*
 * Whether a dump, that was not there when the last archive was made, can be of
 * this boot and of no other. True when it was written while that boot is known to
 * have lived, or when the boot that wrote it began when that boot began (when it
 * was written, less what its kernel's clock showed). Of a dump that does not say
 * when it was written: when that boot was not seen alive after its last line.
 * Pure.
 */
bool rw_crashes_are_of(const struct rw_dump *dump, const struct rw_boot_state *boot);

/*
 * The panic, and other critical events, that the dump's text tells of; those alone
 * that came near the end of that boot, for what was before the sensor has seen
 * live. `boot` NULL: all of them, of no boot. 0 or -ENOMEM.
 */
int rw_crashes_find(const struct rw_dump *dump, const struct rw_boot_state *boot,
		    struct rw_crashes *out);

/* Packs the log of one of them: from a few lines before it to the dump's end. */
int rw_crashes_pack(const struct rw_dump *dump, const struct rw_crashes *crashes, uint32_t which,
		    struct rw_log_excerpt *out);

#endif
