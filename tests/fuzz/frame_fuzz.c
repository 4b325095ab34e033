/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer's stream. The first byte says who sends and in which pieces the rest
 * arrives; the rest goes through the splitter and each frame through the
 * decoder. What is accepted must be unpacked by the arena, hold what the
 * limits promise, and be accepted again after it has been packed anew.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rw_arena *arena;
static struct rw_arena *second_arena;
static uint8_t packed[RW_FRAME_HEAD + RW_FRAME_MAX];

static void demand(int truth, const char *what, const char *detail)
{
	if (truth)
		return;
	fprintf(stderr, "broken: %s (%s)\n", what, detail);
	abort();
}

static void check_again(const Ringwatch__V1__Frame *frame, enum rw_wire_side from)
{
	char detail[RW_WIRE_ERROR_BYTES];
	Ringwatch__V1__Frame *again = NULL;
	long length = rw_wire_encode(frame, packed, sizeof(packed));

	demand(length > RW_FRAME_HEAD, "an accepted frame is packed", "");
	enum rw_wire_error error =
		rw_wire_decode(second_arena, packed + RW_FRAME_HEAD, (size_t)length - RW_FRAME_HEAD,
			       from, &again, detail);
	demand(error == RW_WIRE_OK, "a packed frame is accepted again", detail);
	demand(again->body_case == frame->body_case, "and is the same kind", "");
	demand(ringwatch__v1__frame__get_packed_size(again) == (size_t)length - RW_FRAME_HEAD,
	       "and is as long", "");
}

static int on_frame(void *context, const uint8_t *message, size_t length)
{
	enum rw_wire_side from = *(enum rw_wire_side *)context;
	char detail[RW_WIRE_ERROR_BYTES];
	Ringwatch__V1__Frame *frame = NULL;
	enum rw_wire_error error = rw_wire_decode(arena, message, length, from, &frame, detail);

	demand(error < RW_WIRE_ERROR_COUNT, "an error is one of the list", detail);
	if (error != RW_WIRE_OK) {
		demand(strnlen(detail, sizeof(detail)) < sizeof(detail), "a detail ends", "");
		demand(strchr(detail, ':') != NULL, "a detail names a field", detail);
		demand(strstr(detail, "unpacker") == NULL, "the unpacker takes what is valid", "");
		demand(error != RW_WIRE_OUT_OF_MEMORY, "the arena holds what is valid", detail);
		return 1; /* as a session: the first bad frame ends it */
	}
	check_again(frame, from);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rw_frame_reader reader;
	int err = 0;

	if (size == 0)
		return 0;
	if (arena == NULL) {
		arena = rw_arena_new(RW_ARENA_BYTES);
		second_arena = rw_arena_new(RW_ARENA_BYTES);
		demand(arena != NULL && second_arena != NULL, "there is memory", "");
	}
	enum rw_wire_side from = (data[0] & 1) != 0 ? RW_FROM_SENSOR : RW_FROM_COLLECTOR;
	size_t piece = (data[0] >> 1) == 0 ? size : data[0] >> 1;

	rw_frame_reader_init(&reader);
	for (size_t at = 1; at < size && err == 0; at += piece) {
		size_t length = size - at < piece ? size - at : piece;
		err = rw_frame_reader_feed(&reader, data + at, length, on_frame, &from);
	}
	demand(err <= 1, "the reader returns an error or the callback's value", "");
	rw_frame_reader_release(&reader);
	return 0;
}
