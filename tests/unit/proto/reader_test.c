/* SPDX-License-Identifier: Apache-2.0 */
/* A stream gives the same frames however it is cut; a bad length ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire.h"

struct seen {
	size_t frames;
	size_t lengths[16];
	uint32_t sum;   /* over all bytes, in order */
	size_t stop_at; /* 0: never */
};

static int note_frame(void *context, const uint8_t *message, size_t length)
{
	struct seen *seen = context;

	assert_true(seen->frames < 16);
	seen->lengths[seen->frames++] = length;
	for (size_t i = 0; i < length; i++)
		seen->sum = seen->sum * 31 + message[i];
	return seen->stop_at == seen->frames ? 42 : 0;
}

static size_t put_frame(uint8_t *out, size_t length, uint8_t seed)
{
	out[0] = (uint8_t)(length >> 24);
	out[1] = (uint8_t)(length >> 16);
	out[2] = (uint8_t)(length >> 8);
	out[3] = (uint8_t)length;
	for (size_t i = 0; i < length; i++)
		out[4 + i] = (uint8_t)(seed + i * 7);
	return 4 + length;
}

/* Feeds a copy of exactly the piece, so that the sanitizer sees a read behind it. */
static int feed(struct rw_frame_reader *reader, const uint8_t *bytes, size_t length,
		struct seen *seen)
{
	uint8_t *copy = malloc(length == 0 ? 1 : length);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	int err = rw_frame_reader_feed(reader, copy, length, note_frame, seen);
	free(copy);
	return err;
}

static uint8_t stream[512];

static size_t make_stream(void)
{
	size_t used = 0;

	used += put_frame(stream + used, 1, 1);
	used += put_frame(stream + used, 60, 2);
	used += put_frame(stream + used, 2, 3);
	used += put_frame(stream + used, 100, 4);
	return used;
}

static void expect_stream(const struct seen *seen, uint32_t sum)
{
	assert_int_equal(seen->frames, 4);
	assert_int_equal(seen->lengths[0], 1);
	assert_int_equal(seen->lengths[1], 60);
	assert_int_equal(seen->lengths[2], 2);
	assert_int_equal(seen->lengths[3], 100);
	assert_int_equal(seen->sum, sum);
}

static void each_two_cuts_give_the_same_frames(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen whole = {0};
	size_t length = make_stream();

	rw_frame_reader_init(&reader);
	assert_int_equal(feed(&reader, stream, length, &whole), 0);
	for (size_t first = 0; first <= length; first++) {
		for (size_t second = first; second <= length; second++) {
			struct seen seen = {0};
			assert_int_equal(feed(&reader, stream, first, &seen), 0);
			assert_int_equal(feed(&reader, stream + first, second - first, &seen), 0);
			assert_int_equal(feed(&reader, stream + second, length - second, &seen), 0);
			expect_stream(&seen, whole.sum);
			assert_false(rw_frame_reader_is_pending(&reader));
		}
	}
}

static void byte_by_byte_gives_the_same_frames(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen whole = {0};
	struct seen seen = {0};
	size_t length = make_stream();

	rw_frame_reader_init(&reader);
	assert_int_equal(feed(&reader, stream, length, &whole), 0);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(feed(&reader, stream + i, 1, &seen), 0);
	expect_stream(&seen, whole.sum);
}

static void an_idle_reader_owns_no_memory(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen seen = {0};
	size_t length = make_stream();

	rw_frame_reader_init(&reader);
	assert_int_equal(feed(&reader, stream, length - 1, &seen), 0);
	assert_true(rw_frame_reader_is_pending(&reader));
	assert_non_null(reader.bytes);
	assert_int_equal(feed(&reader, stream + length - 1, 1, &seen), 0);
	assert_false(rw_frame_reader_is_pending(&reader));
	assert_null(reader.bytes);
	assert_int_equal(reader.size, 0);
}

static void memory_follows_what_came_not_what_was_claimed(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen seen = {0};

	rw_frame_reader_init(&reader);
	assert_int_equal(feed(&reader, (const uint8_t *)"\x00\x01\x00\x00zz", 6, &seen), 0);
	assert_true(rw_frame_reader_is_pending(&reader));
	assert_true(reader.size <= 1024);
	rw_frame_reader_release(&reader);
	assert_false(rw_frame_reader_is_pending(&reader));
	assert_null(reader.bytes);
}

static void takes_the_largest_frame_and_no_more_memory(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen seen = {0};
	uint8_t *bytes = malloc(RW_FRAME_HEAD + RW_FRAME_MAX);

	assert_non_null(bytes);
	rw_frame_reader_init(&reader);
	size_t length = put_frame(bytes, RW_FRAME_MAX, 5);
	for (size_t at = 0; at < length; at += 1000) {
		assert_int_equal(
			feed(&reader, bytes + at, length - at < 1000 ? length - at : 1000, &seen),
			0);
		assert_true(reader.size <= RW_FRAME_HEAD + RW_FRAME_MAX);
	}
	assert_int_equal(seen.frames, 1);
	assert_int_equal(seen.lengths[0], RW_FRAME_MAX);
	free(bytes);
}

static void a_length_of_zero_ends_the_stream(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen seen = {0};

	rw_frame_reader_init(&reader);
	assert_int_equal(feed(&reader, (const uint8_t *)"\0\0\0\0", 4, &seen),
			 -RW_WIRE_EMPTY_FRAME);
	rw_frame_reader_release(&reader);
	assert_int_equal(feed(&reader, (const uint8_t *)"\0\0", 2, &seen), 0);
	assert_int_equal(feed(&reader, (const uint8_t *)"\0\0", 2, &seen), -RW_WIRE_EMPTY_FRAME);
	rw_frame_reader_release(&reader);
	assert_int_equal(seen.frames, 0);
}

static void a_length_above_the_bound_ends_the_stream(void **state)
{
	(void)state;
	static const uint8_t heads[][4] = {
		{0, 1, 0, 1}, {0xff, 0xff, 0xff, 0xff}, {'G', 'E', 'T', ' '}};
	struct rw_frame_reader reader;
	struct seen seen = {0};

	for (size_t i = 0; i < 3; i++) {
		rw_frame_reader_init(&reader);
		assert_int_equal(feed(&reader, heads[i], 4, &seen), -RW_WIRE_OVERSIZED_FRAME);
		rw_frame_reader_release(&reader);
		assert_int_equal(feed(&reader, heads[i], 3, &seen), 0);
		assert_int_equal(feed(&reader, heads[i] + 3, 1, &seen), -RW_WIRE_OVERSIZED_FRAME);
		rw_frame_reader_release(&reader);
	}
}

static void frames_before_a_bad_length_are_handed_on(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen seen = {0};
	size_t length = make_stream();

	rw_frame_reader_init(&reader);
	memset(stream + length, 0, 4);
	assert_int_equal(feed(&reader, stream, length + 4, &seen), -RW_WIRE_EMPTY_FRAME);
	assert_int_equal(seen.frames, 4);
	rw_frame_reader_release(&reader);
}

static void the_callback_can_stop_the_feeding(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen seen = {.stop_at = 2};
	size_t length = make_stream();

	rw_frame_reader_init(&reader);
	assert_int_equal(feed(&reader, stream, length, &seen), 42);
	assert_int_equal(seen.frames, 2);
	rw_frame_reader_release(&reader);

	/* The same when the frame came in two pieces. */
	seen = (struct seen){.stop_at = 2};
	assert_int_equal(feed(&reader, stream, 20, &seen), 0);
	assert_int_equal(feed(&reader, stream + 20, length - 20, &seen), 42);
	assert_int_equal(seen.frames, 2);
	assert_false(rw_frame_reader_is_pending(&reader));
	rw_frame_reader_release(&reader);
}

static void nothing_is_fed_for_nothing(void **state)
{
	(void)state;
	struct rw_frame_reader reader;
	struct seen seen = {0};

	rw_frame_reader_init(&reader);
	assert_int_equal(rw_frame_reader_feed(&reader, NULL, 0, note_frame, &seen), 0);
	assert_int_equal(seen.frames, 0);
	rw_frame_reader_release(&reader);
	rw_frame_reader_release(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_two_cuts_give_the_same_frames),
		cmocka_unit_test(byte_by_byte_gives_the_same_frames),
		cmocka_unit_test(an_idle_reader_owns_no_memory),
		cmocka_unit_test(memory_follows_what_came_not_what_was_claimed),
		cmocka_unit_test(takes_the_largest_frame_and_no_more_memory),
		cmocka_unit_test(a_length_of_zero_ends_the_stream),
		cmocka_unit_test(a_length_above_the_bound_ends_the_stream),
		cmocka_unit_test(frames_before_a_bad_length_are_handed_on),
		cmocka_unit_test(the_callback_can_stop_the_feeding),
		cmocka_unit_test(nothing_is_fed_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
