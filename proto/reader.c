/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame splitter; see wire.h. A frame that lies whole in the caller's bytes
 * is handed on from there and costs no copy and no memory. Memory follows the
 * bytes that have come, not the length that a peer claims.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cursor.h"
#include "proto/wire.h"

enum { FIRST_BYTES = 256 };

void rw_frame_reader_init(struct rw_frame_reader *reader)
{
	*reader = (struct rw_frame_reader){0};
}

void rw_frame_reader_release(struct rw_frame_reader *reader)
{
	free(reader->bytes);
	*reader = (struct rw_frame_reader){0};
}

int rw_frame_reader_is_pending(const struct rw_frame_reader *reader)
{
	return reader->used > 0;
}

static int check_length(uint32_t length)
{
	if (length == 0)
		return -RW_WIRE_EMPTY_FRAME;
	if (length > RW_FRAME_MAX)
		return -RW_WIRE_OVERSIZED_FRAME;
	return 0;
}

static int make_room(struct rw_frame_reader *reader, size_t need)
{
	size_t size = reader->size == 0 ? FIRST_BYTES : reader->size;

	if (need <= reader->size)
		return 0;
	while (size < need)
		size *= 2;
	if (size > RW_FRAME_HEAD + RW_FRAME_MAX)
		size = RW_FRAME_HEAD + RW_FRAME_MAX;
	uint8_t *larger = realloc(reader->bytes, size);
	if (larger == NULL)
		return -RW_WIRE_OUT_OF_MEMORY;
	reader->bytes = larger;
	reader->size = size;
	return 0;
}

/* Moves bytes over until the reader holds `target` of them or none is left. */
static int take(struct rw_frame_reader *reader, struct rw_cursor *in, size_t target)
{
	size_t length = target - reader->used;

	if (length > rw_cursor_left(in))
		length = rw_cursor_left(in);
	if (length == 0)
		return 0;
	int err = make_room(reader, reader->used + length);
	if (err != 0)
		return err;
	if (!rw_cursor_read(in, reader->bytes + reader->used, length))
		return -RW_WIRE_TRUNCATED;
	reader->used += length;
	return 0;
}

/* Goes on with the frame that is pending; hands it on when it is whole. */
static int feed_pending(struct rw_frame_reader *reader, struct rw_cursor *in, rw_frame_fn *fn,
			void *context)
{
	uint32_t length;
	int err = 0;

	if (reader->used < RW_FRAME_HEAD)
		err = take(reader, in, RW_FRAME_HEAD);
	if (err != 0 || reader->used < RW_FRAME_HEAD)
		return err;
	struct rw_cursor head = rw_cursor_of(reader->bytes, RW_FRAME_HEAD);
	if (!rw_cursor_be32(&head, &length))
		return -RW_WIRE_TRUNCATED;
	err = check_length(length);
	if (err == 0)
		err = take(reader, in, RW_FRAME_HEAD + (size_t)length);
	if (err != 0 || reader->used < RW_FRAME_HEAD + (size_t)length)
		return err;
	err = fn(context, reader->bytes + RW_FRAME_HEAD, length);
	rw_frame_reader_release(reader);
	return err;
}

/* Hands on one whole frame from the caller's bytes; *taken is false when it is not whole. */
static int feed_direct(struct rw_cursor *in, rw_frame_fn *fn, void *context, bool *taken)
{
	struct rw_cursor rest = *in;
	struct rw_cursor message;
	uint32_t length;

	*taken = false;
	if (!rw_cursor_be32(&rest, &length))
		return 0;
	int err = check_length(length);
	if (err != 0)
		return err;
	if (!rw_cursor_split(&rest, length, &message))
		return 0;
	*taken = true;
	*in = rest;
	return fn(context, message.at, length);
}

int rw_frame_reader_feed(struct rw_frame_reader *reader, const uint8_t *bytes, size_t length,
			 rw_frame_fn *fn, void *context)
{
	struct rw_cursor in = rw_cursor_of(bytes, length);

	while (rw_cursor_left(&in) > 0) {
		bool taken = false;
		int err = 0;

		if (reader->used == 0)
			err = feed_direct(&in, fn, context, &taken);
		if (err == 0 && !taken)
			err = feed_pending(reader, &in, fn, context);
		if (err != 0)
			return err;
	}
	return 0;
}
