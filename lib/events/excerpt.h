/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel log around an event, for the people who will read it.
 *
 * A small memory of the last lines of the kernel log, as text "[   12.345678] …",
 * bounded by RW_EXCERPT_KEPT_BYTES; from it a stretch of lines is cut and packed
 * with zlib. Control bytes are kept as the kernel wrote them: whoever shows it
 * escapes it.
 *
 * Also the way back: unpacking, bounded.
 *
 * Owner: one thread. Memory: RW_EXCERPT_KEPT_BYTES from the first line on, and
 * zlib's own (below 100 KiB) only while something is being packed.
 */
#ifndef RINGWATCH_LIB_EVENTS_EXCERPT_H
#define RINGWATCH_LIB_EVENTS_EXCERPT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/events/event.h"

enum { RW_EXCERPT_KEPT_BYTES = 32 * 1024 };

struct rw_excerpt;

struct rw_excerpt *rw_excerpt_new(void); /* NULL: no memory */
void rw_excerpt_free(struct rw_excerpt *excerpt);

/* A line; what is oldest goes. */
void rw_excerpt_line(struct rw_excerpt *excerpt, uint64_t sequence, uint64_t usec, const char *text,
		     size_t length);

/*
 * Packs the lines from `first` to `last` that are still there, newest kept when
 * they are too many. 0; -ENOENT when none of them is left; -ENOMEM.
 */
int rw_excerpt_cut(const struct rw_excerpt *excerpt, uint64_t first, uint64_t last,
		   struct rw_log_excerpt *out);

/* Packs any text, cut at line ends to fit; its head (where a crash is named) and
 * its tail are kept. 0 or -ENOMEM. */
int rw_excerpt_pack(const char *text, size_t length, struct rw_log_excerpt *out);
/* Unpacks into `out`, which holds RW_LOG_PLAIN_MAX bytes; its length, or -EBADMSG when
 * it is damaged, does not end, or is longer than `plain_bytes`; -ENOMEM. */
long rw_excerpt_unpack(const uint8_t *packed, size_t packed_bytes, uint32_t plain_bytes, char *out);

#endif
