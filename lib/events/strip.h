/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of a kernel log as somebody has kept it, without what was put before
 * it. The form is found for each line by itself:
 *
 *   console, dmesg     "[   12.345678] TEXT", with a caller "[   12.345678][  T7] TEXT"
 *   dmesg -r, pstore   "<4>[   12.345678] TEXT"
 *   dmesg -x           "kern  :warn  : [   12.345678] TEXT"
 *   dmesg -T, -e, -d   "[Sat Nov 23 05:12:01 2024] TEXT" and its like
 *   journal, syslog    "Nov 23 05:12:01 HOST kernel: TEXT", with or without fractions,
 *                      ISO 8601 or "[   12.345678]" for the time; the text may carry a stamp
 *   /dev/kmsg          "4,1234,12345678,-;TEXT", its \xNN undone
 *   netconsole         the same, with ",ncfrag=0/1200" when a record was cut in pieces
 *   pstore             the head of a part, "Panic#1 Part2"
 *   journalctl         "-- Boot 0123… --" between two boots
 *   anything else      TEXT
 *
 * Only one stamp is taken off: what stands behind it is the kernel's, even when
 * it looks like another. A stamp proves nothing: a log that is text can hold
 * whatever its writer liked, and only /dev/kmsg itself tells who spoke. Where a
 * form says that user space spoke, `is_kernel` is false.
 *
 * Pure.
 */
#ifndef RINGWATCH_LIB_EVENTS_STRIP_H
#define RINGWATCH_LIB_EVENTS_STRIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rw_log_clock {
	RW_LOG_CLOCK_NONE = 0,
	RW_LOG_CLOCK_BOOT, /* since boot, as the kernel wrote it */
	RW_LOG_CLOCK_WALL, /* only differences mean something */
};

enum { RW_LOG_REASON_BYTES = 16 };

struct rw_log_line {
	bool is_kernel;
	bool new_boot; /* a line between two boots; it has no text */
	enum rw_log_clock clock;
	uint64_t usec;
	bool has_sequence;
	uint64_t sequence;
	uint32_t fragment_at; /* netconsole: where in its record the text stands, */
	uint32_t fragment_of; /* and how long that is; 0: the text is whole */
	uint32_t part;        /* pstore: a head, without text; the newest part is 1. 0: no head */
	uint32_t dump;        /* pstore: which one */
	char reason[RW_LOG_REASON_BYTES]; /* pstore: "Panic" */
	const char *text;                 /* within the line given; not NUL-terminated */
	size_t length;
};

/* `line` has no newline. It may be changed: escapes are undone in place. */
void rw_log_strip(char *line, size_t length, struct rw_log_line *out);

/*
 * Undoes in place how /dev/kmsg and netconsole's extended form write control
 * bytes, what is not ASCII and the backslash: \xNN, in lower case. What is no
 * whole escape stays as it is; what an escape gives is not looked at again.
 * Returns the bytes left, at most `length`; any byte can be among them, NUL too.
 */
size_t rw_log_undo_escapes(char *text, size_t length);

#endif
