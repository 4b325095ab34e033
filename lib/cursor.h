/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading bytes that came from outside: a cursor carries its end, every read
 * is checked, and a failed read leaves the cursor where it was. No other code
 * does arithmetic on such bytes.
 */
#ifndef RINGWATCH_LIB_CURSOR_H
#define RINGWATCH_LIB_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rw_cursor {
	const uint8_t *at;
	const uint8_t *end;
};

static inline struct rw_cursor rw_cursor_of(const void *bytes, size_t length)
{
	const uint8_t *start = bytes;
	return (struct rw_cursor){start, length == 0 ? start : start + length};
}

static inline size_t rw_cursor_left(const struct rw_cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline bool rw_cursor_skip(struct rw_cursor *c, size_t length)
{
	if (rw_cursor_left(c) < length)
		return false;
	c->at += length;
	return true;
}

static inline bool rw_cursor_read(struct rw_cursor *c, void *out, size_t length)
{
	if (rw_cursor_left(c) < length)
		return false;
	if (length == 0)
		return true; /* memcpy and NULL + 0 are undefined for an empty cursor of NULL */
	memcpy(out, c->at, length);
	c->at += length;
	return true;
}

/* Splits off the next `length` bytes as a cursor of their own. */
static inline bool rw_cursor_split(struct rw_cursor *c, size_t length, struct rw_cursor *out)
{
	if (rw_cursor_left(c) < length)
		return false;
	*out = (struct rw_cursor){c->at, c->at + length};
	c->at += length;
	return true;
}

static inline bool rw_cursor_u8(struct rw_cursor *c, uint8_t *out)
{
	return rw_cursor_read(c, out, 1);
}

static inline bool rw_cursor_be32(struct rw_cursor *c, uint32_t *out)
{
	uint8_t b[4];
	if (!rw_cursor_read(c, b, sizeof(b)))
		return false;
	*out = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	return true;
}

#endif
