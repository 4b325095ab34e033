/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking into a bounded arena, and packing; see wire.h. */
#include "proto/wire.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rw_wire_error_name(enum rw_wire_error error)
{
	static const char *const names[RW_WIRE_ERROR_COUNT] = {
		[RW_WIRE_OK] = "ok",
		[RW_WIRE_EMPTY_FRAME] = "empty_frame",
		[RW_WIRE_OVERSIZED_FRAME] = "oversized_frame",
		[RW_WIRE_TRUNCATED] = "truncated",
		[RW_WIRE_BAD_VARINT] = "bad_varint",
		[RW_WIRE_BAD_WIRE_TYPE] = "bad_wire_type",
		[RW_WIRE_UNKNOWN_FIELD] = "unknown_field",
		[RW_WIRE_DUPLICATE_FIELD] = "duplicate_field",
		[RW_WIRE_MISSING_FIELD] = "missing_field",
		[RW_WIRE_UNKNOWN_ENUM] = "unknown_enum",
		[RW_WIRE_BAD_BOOL] = "bad_bool",
		[RW_WIRE_BAD_TEXT] = "bad_text",
		[RW_WIRE_TOO_LONG] = "too_long",
		[RW_WIRE_TOO_MANY] = "too_many",
		[RW_WIRE_BAD_VALUE] = "bad_value",
		[RW_WIRE_WRONG_DIRECTION] = "wrong_direction",
		[RW_WIRE_OUT_OF_MEMORY] = "out_of_memory",
	};

	if ((unsigned)error >= RW_WIRE_ERROR_COUNT)
		return "unknown";
	return names[error];
}

/* ---- the arena ----------------------------------------------------------- */

struct rw_arena {
	size_t size;
	size_t used;
	bool exhausted;
	alignas(max_align_t) uint8_t bytes[];
};

struct rw_arena *rw_arena_new(size_t bytes)
{
	struct rw_arena *arena;
	size_t total;

	if (__builtin_add_overflow(sizeof(*arena), bytes, &total))
		return NULL;
	arena = malloc(total);
	if (arena == NULL)
		return NULL;
	arena->size = bytes;
	arena->used = 0;
	arena->exhausted = false;
	return arena;
}

void rw_arena_free(struct rw_arena *arena)
{
	free(arena);
}

static void *arena_take(void *context, size_t size)
{
	struct rw_arena *arena = context;
	size_t aligned;

	if (__builtin_add_overflow(size, alignof(max_align_t) - 1, &aligned))
		aligned = SIZE_MAX;
	aligned &= ~(alignof(max_align_t) - 1);
	if (aligned > arena->size - arena->used) {
		arena->exhausted = true;
		return NULL;
	}
	void *taken = arena->bytes + arena->used;
	arena->used += aligned;
	memset(taken, 0, size);
	return taken;
}

static void arena_give(void *context, void *pointer)
{
	(void)context; /* all is given back at once, by the next decode */
	(void)pointer;
}

enum rw_wire_error rw_wire_decode(struct rw_arena *arena, const uint8_t *message, size_t length,
				  enum rw_wire_side from, Ringwatch__V1__Frame **out,
				  char detail[RW_WIRE_ERROR_BYTES])
{
	ProtobufCAllocator allocator = {arena_take, arena_give, arena};
	enum rw_wire_error error = rw_wire_validate(message, length, from, detail);

	if (error != RW_WIRE_OK)
		return error;
	arena->used = 0;
	arena->exhausted = false;
	Ringwatch__V1__Frame *frame = ringwatch__v1__frame__unpack(&allocator, length, message);
	if (frame == NULL) {
		error = arena->exhausted ? RW_WIRE_OUT_OF_MEMORY : RW_WIRE_BAD_VALUE;
		snprintf(detail, RW_WIRE_ERROR_BYTES, "frame: %s",
			 arena->exhausted ? "does not fit the arena"
					  : "is refused by the unpacker");
		return error;
	}
	*out = frame;
	return RW_WIRE_OK;
}

/* ---- packing ------------------------------------------------------------- */

long rw_wire_encode(const Ringwatch__V1__Frame *frame, uint8_t *out, size_t size)
{
	size_t length = ringwatch__v1__frame__get_packed_size(frame);

	if (length == 0 || length > RW_FRAME_MAX || size < RW_FRAME_HEAD ||
	    length > size - RW_FRAME_HEAD)
		return -EMSGSIZE;
	out[0] = (uint8_t)(length >> 24);
	out[1] = (uint8_t)(length >> 16);
	out[2] = (uint8_t)(length >> 8);
	out[3] = (uint8_t)length;
	return (long)(RW_FRAME_HEAD + ringwatch__v1__frame__pack(frame, out + RW_FRAME_HEAD));
}
