/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log that goes with an event: what is asked for is there, what is oldest
 * goes first, and nothing that comes back can be larger than was said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/events/excerpt.h"

static char plain[RW_LOG_PLAIN_MAX + 1];

static void add(struct rw_excerpt *e, uint64_t sequence, uint64_t usec, const char *text)
{
	rw_excerpt_line(e, sequence, usec, text, strlen(text));
}

/* What a packed excerpt says, as a string. */
static const char *unpack(const struct rw_log_excerpt *log)
{
	assert_true(log->packed_bytes > 0);
	long length = rw_excerpt_unpack(log->packed, log->packed_bytes, log->plain_bytes, plain);
	assert_int_equal(length, log->plain_bytes);
	plain[length] = '\0';
	return plain;
}

static void test_the_lines_asked_for_with_their_times(void **state)
{
	struct rw_excerpt *e = rw_excerpt_new();
	struct rw_log_excerpt log;

	(void)state;
	assert_non_null(e);
	assert_int_equal(rw_excerpt_cut(e, 0, UINT64_MAX, &log), -ENOENT);
	add(e, 7, 12345678, "before");
	add(e, 8, 12345679, "BUG: kernel NULL pointer dereference, address: 0\n");
	add(e, 9, 12400000, "Oops: 0002 [#1] SMP\x1b[31m");
	add(e, 12, 100000000000, "");
	add(e, 13, UINT64_MAX, "after");
	assert_int_equal(rw_excerpt_cut(e, 8, 12, &log), 0);
	assert_string_equal(unpack(&log),
			    "[   12.345679] BUG: kernel NULL pointer dereference, address: 0\n"
			    "[   12.400000] Oops: 0002 [#1] SMP\x1b[31m\n"
			    "[100000.000000] \n");
	assert_int_equal(rw_excerpt_cut(e, 10, 11, &log), -ENOENT);
	assert_int_equal(log.packed_bytes, 0);
	assert_int_equal(rw_excerpt_cut(e, 14, UINT64_MAX, &log), -ENOENT);
	rw_excerpt_free(e);
	rw_excerpt_free(NULL);
}

static void test_the_oldest_lines_go_and_memory_is_bounded(void **state)
{
	struct rw_excerpt *e = rw_excerpt_new();
	struct rw_log_excerpt log;
	char text[3000];

	(void)state;
	assert_non_null(e);
	for (uint64_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "line %06u", (unsigned int)i);
		add(e, i, i, text);
	}
	assert_int_equal(rw_excerpt_cut(e, 0, 3000, &log), -ENOENT);
	assert_int_equal(rw_excerpt_cut(e, 4900, 4999, &log), 0);
	assert_non_null(strstr(unpack(&log), "line 004900\n"));
	assert_non_null(strstr(plain, "line 004999\n"));

	/* a line of any length, and more of them than there is room */
	memset(text, 'x', sizeof(text));
	for (uint64_t i = 5000; i < 5100; i++)
		rw_excerpt_line(e, i, i, text, sizeof(text));
	assert_int_equal(rw_excerpt_cut(e, 5099, 5099, &log), 0);
	assert_true(strlen(unpack(&log)) <= 2100);
	assert_int_equal(rw_excerpt_cut(e, 0, 4999, &log), -ENOENT);
	rw_excerpt_free(e);
}

/* Text that zlib can make nothing of. */
static void fill_noise(char *out, size_t length)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
	uint32_t x = 2463534242;

	for (size_t i = 0; i < length; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		out[i] = i % 80 == 79 ? '\n' : letters[x % 64];
	}
}

static void test_what_does_not_fit_is_cut_at_line_ends_newest_kept(void **state)
{
	struct rw_excerpt *e = rw_excerpt_new();
	struct rw_log_excerpt log;
	char noise[79 * 300];

	(void)state;
	assert_non_null(e);
	fill_noise(noise, sizeof(noise));
	for (uint64_t i = 0; i < 300; i++)
		rw_excerpt_line(e, i, i, noise + 79 * i, 60);
	assert_int_equal(rw_excerpt_cut(e, 0, 299, &log), 0);
	const char *text = unpack(&log);
	assert_true(log.packed_bytes > RW_LOG_PACKED_MAX / 2);
	assert_int_equal(text[0], '[');
	assert_non_null(strstr(text, "[    0.000299] "));
	assert_null(strstr(text, "[    0.000000] "));
	rw_excerpt_free(e);
}

static void test_a_whole_text_keeps_its_head_and_its_tail(void **state)
{
	static char text[200000];
	struct rw_log_excerpt log;

	(void)state;
	assert_int_equal(rw_excerpt_pack("one\ntwo\n", 8, &log), 0);
	assert_string_equal(unpack(&log), "one\ntwo\n");
	assert_int_equal(rw_excerpt_pack("", 0, &log), 0);
	assert_int_equal(log.plain_bytes, 0);

	fill_noise(text, sizeof(text));
	memcpy(text, "BUG: first line\n", 16);
	memcpy(text + sizeof(text) - 17, "\nlast of all....\n", 17);
	assert_int_equal(rw_excerpt_pack(text, sizeof(text), &log), 0);
	const char *back = unpack(&log);
	assert_true(strncmp(back, "BUG: first line\n", 16) == 0);
	assert_string_equal(back + strlen(back) - 17, "\nlast of all....\n");
	assert_non_null(strstr(back, "\n[... "));

	/* that packs well, but is too long */
	memset(text, 'a', sizeof(text));
	assert_int_equal(rw_excerpt_pack(text, sizeof(text), &log), 0);
	assert_true(strlen(unpack(&log)) <= RW_LOG_PLAIN_MAX);
	/* a little too long: never longer than it was */
	for (size_t length = RW_LOG_PLAIN_MAX - 2; length < RW_LOG_PLAIN_MAX + 200; length++) {
		text[length - 1] = '\n';
		assert_int_equal(rw_excerpt_pack(text, length, &log), 0);
		assert_true(strlen(unpack(&log)) <= RW_LOG_PLAIN_MAX);
	}
}

static void test_what_comes_back_is_never_more_than_was_said(void **state)
{
	struct rw_log_excerpt log;
	char *small = test_malloc(100);
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(rw_excerpt_pack(text, sizeof(text), &log), 0);
	assert_int_equal(rw_excerpt_unpack(log.packed, log.packed_bytes, 100, small), -EBADMSG);
	assert_int_equal(rw_excerpt_unpack(log.packed, log.packed_bytes, 999, plain), -EBADMSG);
	assert_int_equal(rw_excerpt_unpack(log.packed, log.packed_bytes, 1000, plain), 1000);
	assert_int_equal(
		rw_excerpt_unpack(log.packed, log.packed_bytes, RW_LOG_PLAIN_MAX + 1, plain),
		-EBADMSG);
	for (uint32_t n = 0; n < log.packed_bytes; n++)
		assert_int_equal(rw_excerpt_unpack(log.packed, n, 1000, plain), -EBADMSG);
	log.packed[log.packed_bytes] = 0;
	assert_int_equal(rw_excerpt_unpack(log.packed, log.packed_bytes + 1, 1000, plain),
			 -EBADMSG);
	log.packed[log.packed_bytes / 2] ^= 0x40;
	assert_int_equal(rw_excerpt_unpack(log.packed, log.packed_bytes, 1000, plain), -EBADMSG);
	test_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_lines_asked_for_with_their_times),
		cmocka_unit_test(test_the_oldest_lines_go_and_memory_is_bounded),
		cmocka_unit_test(test_what_does_not_fit_is_cut_at_line_ends_newest_kept),
		cmocka_unit_test(test_a_whole_text_keeps_its_head_and_its_tail),
		cmocka_unit_test(test_what_comes_back_is_never_more_than_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
