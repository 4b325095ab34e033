/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of text that is eaten from its front. Each rw_scan_take_* function eats
 * what it names, or leaves the line as it was and returns false. Pure; nothing
 * is read at or behind `end`, and nothing needs a NUL.
 */
#ifndef RINGWATCH_LIB_EVENTS_SCAN_H
#define RINGWATCH_LIB_EVENTS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rw_scan {
	const char *at;
	const char *end;
};

static inline size_t rw_scan_left(const struct rw_scan *s)
{
	return (size_t)(s->end - s->at);
}

static inline bool rw_scan_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool rw_scan_is_hex(char c)
{
	return rw_scan_is_digit(c) || (c >= 'a' && c <= 'f');
}

static inline bool rw_scan_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What the name of a module, a driver or a parameter is made of. */
static inline bool rw_scan_is_word(char c)
{
	return rw_scan_is_letter(c) || rw_scan_is_digit(c) || c == '_' || c == '-';
}

bool rw_scan_take(struct rw_scan *s, const char *text);
bool rw_scan_begins(const struct rw_scan *s, const char *text);
/* Cuts it from the line's end. */
bool rw_scan_take_end(struct rw_scan *s, const char *text);
/* Eats up to and with the first `text`. */
bool rw_scan_take_past(struct rw_scan *s, const char *text);

/* Decimal, no sign. */
bool rw_scan_take_u32(struct rw_scan *s, uint32_t *out);
bool rw_scan_take_u64(struct rw_scan *s, uint64_t *out);
/* `least` … `most` lower-case hex digits; the next byte is none. */
bool rw_scan_take_hex(struct rw_scan *s, size_t least, size_t most, uint64_t *out);
/* A decimal number that the line ends with. */
bool rw_scan_take_end_u32(struct rw_scan *s, uint32_t *out);
/* 1 … `most` bytes that `accept` likes; the next byte is none of them. */
bool rw_scan_take_run(struct rw_scan *s, bool (*accept)(char), size_t most, struct rw_scan *out);

/* Clean UTF-8, cut to fit. */
void rw_scan_copy(const struct rw_scan *s, char *out, size_t size);

#endif
