/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel log around an event; see excerpt.h.
 *
 * Lines lie one behind the other in one buffer, the oldest first, each behind a
 * small head. When there is no room the oldest quarter goes at once, so that a
 * storm of lines does not move the buffer for each of them.
 *
 * zlib gets a window of 16 KiB, which is all that an excerpt can hold, and a
 * small hash: less than 100 KiB while something is being packed.
 */
#include "lib/events/excerpt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	LINE_BYTES = 2048, /* of one line; longer ones are cut */
	STAMP_BYTES = 32,  /* "[   12.345678] ", whatever the number */
	DROP_BYTES = RW_EXCERPT_KEPT_BYTES / 4,
	WINDOW_BITS = 14,
	HASH_LEVEL = 5,
	GAP_BYTES = 48, /* "[... 123 bytes left out ...]\n" */
	TRIES = 16,     /* (7/8)^16 of the most is less than zlib makes of noise */
};
_Static_assert(1 << WINDOW_BITS >= RW_LOG_PLAIN_MAX, "the window must hold all of an excerpt");
_Static_assert(LINE_BYTES + STAMP_BYTES < DROP_BYTES, "dropping makes room for any line");

struct head {
	uint64_t sequence;
	uint32_t length; /* with the stamp and the newline */
};

struct rw_excerpt {
	char *lines; /* RW_EXCERPT_KEPT_BYTES; NULL before the first */
	size_t used;
};

struct rw_excerpt *rw_excerpt_new(void)
{
	return calloc(1, sizeof(struct rw_excerpt));
}

void rw_excerpt_free(struct rw_excerpt *excerpt)
{
	if (excerpt == NULL)
		return;
	free(excerpt->lines);
	free(excerpt);
}

/* The line at `at`, and where the next one is. */
static size_t read_head(const struct rw_excerpt *e, size_t at, struct head *head)
{
	memcpy(head, e->lines + at, sizeof(*head));
	return at + sizeof(*head) + head->length;
}

static void make_room(struct rw_excerpt *e, size_t bytes)
{
	struct head head;
	size_t at = 0;

	if (RW_EXCERPT_KEPT_BYTES - e->used >= bytes)
		return;
	while (at < DROP_BYTES && at < e->used)
		at = read_head(e, at, &head);
	e->used -= at;
	memmove(e->lines, e->lines + at, e->used);
}

void rw_excerpt_line(struct rw_excerpt *e, uint64_t sequence, uint64_t usec, const char *text,
		     size_t length)
{
	char stamp[STAMP_BYTES];

	if (e->lines == NULL)
		e->lines = malloc(RW_EXCERPT_KEPT_BYTES);
	if (e->lines == NULL)
		return; /* a line less to read; the next one asks again */
	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > LINE_BYTES)
		length = LINE_BYTES;
	int n = snprintf(stamp, sizeof(stamp), "[%5" PRIu64 ".%06" PRIu64 "] ", usec / 1000000,
			 usec % 1000000);
	size_t stamp_length = n > 0 && (size_t)n < sizeof(stamp) ? (size_t)n : 0;
	struct head head = {.sequence = sequence, .length = (uint32_t)(stamp_length + length + 1)};

	make_room(e, sizeof(head) + head.length);
	char *to = e->lines + e->used;
	memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	memcpy(to, stamp, stamp_length);
	to += stamp_length;
	if (length > 0)
		memcpy(to, text, length);
	to[length] = '\n';
	e->used += sizeof(head) + head.length;
}

/* ---- packing ----------------------------------------------------------------------- */

/* 0, -ENOSPC when it does not fit, with in `fits` how much of the text may; -ENOMEM. */
static int deflate_all(const char *text, size_t length, struct rw_log_excerpt *out, size_t *fits)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)text,
		      .avail_in = (uInt)length,
		      .next_out = out->packed,
		      .avail_out = sizeof(out->packed)};

	if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW_BITS, HASH_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	bool whole = deflate(&z, Z_FINISH) == Z_STREAM_END;
	size_t taken = length - z.avail_in;
	out->packed_bytes = (uint32_t)(sizeof(out->packed) - z.avail_out);
	out->plain_bytes = (uint32_t)length;
	deflateEnd(&z);
	if (whole)
		return 0;
	out->packed_bytes = 0;
	/* some of what zlib has taken in it has not put out yet */
	*fits = taken - taken / 8;
	return -ENOSPC;
}

/* Where the first line begins that is at or behind `at`. */
static size_t line_at(const char *text, size_t length, size_t at)
{
	if (at == 0 || at >= length)
		return at < length ? at : length;
	const char *newline = memchr(text + at - 1, '\n', length - at + 1);
	return newline == NULL ? length : (size_t)(newline + 1 - text);
}

/* Where the last line begins that is at or before `at`; so that [0, it) is whole lines. */
static size_t line_before(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}

/* `text` holds whole lines. The newest stay. */
static int pack_newest(const char *text, size_t length, struct rw_log_excerpt *out)
{
	size_t most = RW_LOG_PLAIN_MAX;

	for (int i = 0; i < TRIES; i++) {
		size_t from = length > most ? line_at(text, length, length - most) : 0;
		if (from == length)
			from = length - most; /* one line that is longer than all */
		int err = deflate_all(text + from, length - from, out, &most);
		if (err != -ENOSPC)
			return err;
	}
	return -ENOMEM; /* cannot be: each try is shorter by an eighth at least */
}

int rw_excerpt_cut(const struct rw_excerpt *e, uint64_t first, uint64_t last,
		   struct rw_log_excerpt *out)
{
	struct head head;
	size_t used = 0;

	*out = (struct rw_log_excerpt){0};
	char *text = e->used > 0 ? malloc(e->used) : NULL;
	if (text == NULL)
		return e->used > 0 ? -ENOMEM : -ENOENT;
	for (size_t at = 0, next; at < e->used; at = next) {
		next = read_head(e, at, &head);
		if (head.sequence < first || head.sequence > last)
			continue;
		memcpy(text + used, e->lines + at + sizeof(head), head.length);
		used += head.length;
	}
	int err = used > 0 ? pack_newest(text, used, out) : -ENOENT;
	free(text);
	return err;
}

/* Head and tail of the text in `most` bytes, with a line between that says how much
 * is not there. Returns the length. */
static size_t put_ends(const char *text, size_t length, size_t most, char *out)
{
	size_t each = (most - GAP_BYTES) / 2;
	size_t head = line_before(text, each);
	size_t tail = line_at(text, length, length - each);

	if (head == 0)
		head = each; /* one long line */
	if (tail == length)
		tail = length - each;
	memcpy(out, text, head);
	int n = snprintf(out + head, GAP_BYTES, "[... %zu bytes left out ...]\n", tail - head);
	size_t used = head + (n > 0 ? (size_t)n : 0);
	memcpy(out + used, text + tail, length - tail);
	return used + length - tail;
}

int rw_excerpt_pack(const char *text, size_t length, struct rw_log_excerpt *out)
{
	size_t most = RW_LOG_PLAIN_MAX;
	char *part = NULL;
	int err = -ENOSPC;

	*out = (struct rw_log_excerpt){0};
	if (length <= most)
		err = deflate_all(text, length, out, &most);
	if (err != -ENOSPC)
		return err;
	part = malloc(RW_LOG_PLAIN_MAX);
	if (part == NULL)
		return -ENOMEM;
	for (int i = 0; i < TRIES && err == -ENOSPC; i++)
		err = deflate_all(part, put_ends(text, length, most, part), out, &most);
	free(part);
	return err == -ENOSPC ? -ENOMEM : err;
}

/* ---- and back ------------------------------------------------------------------------ */

long rw_excerpt_unpack(const uint8_t *packed, size_t packed_bytes, uint32_t plain_bytes, char *out)
{
	uint8_t none;
	z_stream z = {.next_in = packed_bytes > 0 ? (Bytef *)(uintptr_t)packed : &none,
		      .avail_in = (uInt)packed_bytes,
		      .next_out = (Bytef *)out,
		      .avail_out = plain_bytes};

	if (packed_bytes > RW_LOG_PACKED_MAX || plain_bytes > RW_LOG_PLAIN_MAX)
		return -EBADMSG;
	int err = inflateInit(&z);
	if (err != Z_OK)
		return err == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	err = inflate(&z, Z_FINISH);
	long length = (long)(plain_bytes - z.avail_out);
	bool whole = err == Z_STREAM_END && z.avail_in == 0;
	inflateEnd(&z);
	if (err == Z_MEM_ERROR)
		return -ENOMEM;
	return whole ? length : -EBADMSG;
}
