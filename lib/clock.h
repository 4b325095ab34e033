/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks. Decisions use CLOCK_BOOTTIME milliseconds; the wall clock is
 * only printed. The programs read them here and hand them down; nothing in
 * collector/core reads a clock.
 */
#ifndef RINGWATCH_LIB_CLOCK_H
#define RINGWATCH_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t rw_clock_boot_ms(void);
uint64_t rw_clock_boot_ns(void);
uint64_t rw_clock_wall_ms(void);

/* A moment of CLOCK_MONOTONIC, `ms` from now: the deadline of a timed wait. */
struct timespec rw_clock_monotonic_in(uint64_t ms);

enum { RW_TIME_TEXT_BYTES = 32 };
/* RFC 3339 UTC with milliseconds, "2024-07-19T04:09:00.000Z"; "" for 0, which
 * means "has not happened". Returns `out`. */
char *rw_clock_format_wall(uint64_t wall_ms, char out[RW_TIME_TEXT_BYTES]);
/* The other way; -EINVAL when the text is not exactly that form (milliseconds may be left off). */
int rw_clock_parse_wall(const char *text, uint64_t *wall_ms);

#endif
