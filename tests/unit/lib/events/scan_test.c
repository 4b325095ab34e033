/* SPDX-License-Identifier: Apache-2.0 */
/* Eating a line: what does not fit is left as it was, and nothing is read behind the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/events/scan.h"

static struct rw_scan scan_of(const char *text)
{
	return (struct rw_scan){text, text + strlen(text)};
}

static void test_numbers_end_where_they_are_too_large(void **state)
{
	struct rw_scan s = scan_of("18446744073709551615,");
	uint64_t wide = 0;
	uint32_t narrow = 7;

	(void)state;
	assert_true(rw_scan_take_u64(&s, &wide));
	assert_true(wide == UINT64_MAX && rw_scan_left(&s) == 1);
	s = scan_of("18446744073709551616");
	assert_false(rw_scan_take_u64(&s, &wide));
	assert_int_equal(rw_scan_left(&s), 20);
	s = scan_of("4294967296");
	assert_false(rw_scan_take_u32(&s, &narrow));
	assert_int_equal(narrow, 7);
	assert_int_equal(rw_scan_left(&s), 10);
	s = scan_of("4294967295");
	assert_true(rw_scan_take_u32(&s, &narrow) && narrow == UINT32_MAX);
	s = scan_of("x1");
	assert_false(rw_scan_take_u32(&s, &narrow));
}

static void test_hex_has_a_least_and_a_most(void **state)
{
	struct rw_scan s = scan_of("ffff8000deadbeef ");
	uint64_t value;

	(void)state;
	assert_true(rw_scan_take_hex(&s, 1, 16, &value) && value == 0xffff8000deadbeef);
	s = scan_of("0123456789abcdef0");
	assert_false(rw_scan_take_hex(&s, 1, 16, &value));
	s = scan_of("12g");
	assert_false(rw_scan_take_hex(&s, 4, 4, &value));
	assert_true(rw_scan_take_hex(&s, 2, 2, &value) && value == 0x12);
	s = scan_of("AB");
	assert_false(rw_scan_take_hex(&s, 1, 2, &value));
}

static void test_ends_are_eaten_from_behind(void **state)
{
	struct rw_scan s = scan_of("task a:12 for 120 s");
	uint32_t number;

	(void)state;
	assert_false(rw_scan_take_end(&s, " m"));
	assert_true(rw_scan_take_end(&s, " s"));
	assert_true(rw_scan_take_end_u32(&s, &number) && number == 120);
	assert_true(rw_scan_take_end(&s, " for "));
	assert_true(rw_scan_take_end_u32(&s, &number) && number == 12);
	assert_false(rw_scan_take_end_u32(&s, &number));
	assert_true(rw_scan_take_end(&s, "task a:"));
	assert_int_equal(rw_scan_left(&s), 0);
	assert_false(rw_scan_take_end_u32(&s, &number));
	assert_false(rw_scan_take_end(&s, "x"));
	assert_true(rw_scan_take_end(&s, ""));
}

static void test_runs_are_bounded(void **state)
{
	struct rw_scan s = scan_of("ab_1-2 rest");
	struct rw_scan run;

	(void)state;
	assert_false(rw_scan_take_run(&s, rw_scan_is_word, 5, &run));
	assert_true(rw_scan_take_run(&s, rw_scan_is_word, 6, &run));
	assert_int_equal(rw_scan_left(&run), 6);
	assert_false(rw_scan_take_run(&s, rw_scan_is_word, 6, &run));
	assert_true(rw_scan_take_past(&s, "es"));
	assert_int_equal(rw_scan_left(&s), 1);
	assert_false(rw_scan_take_past(&s, "es"));
	assert_int_equal(rw_scan_left(&s), 1);
}

/* The sanitizer sees a byte read behind the end. */
static void test_nothing_is_read_behind_the_end(void **state)
{
	char *text = test_malloc(3);
	uint64_t wide;

	(void)state;
	memcpy(text, "12f", 3);
	for (size_t n = 0; n <= 3; n++) {
		struct rw_scan s = {text, text + n};
		assert_false(rw_scan_take(&s, "12f4"));
		assert_false(rw_scan_take_past(&s, "f4"));
		assert_int_equal(rw_scan_take_hex(&s, 1, 16, &wide), n > 0);
		assert_int_equal(rw_scan_left(&s), 0);
	}
	test_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_end_where_they_are_too_large),
		cmocka_unit_test(test_hex_has_a_least_and_a_most),
		cmocka_unit_test(test_ends_are_eaten_from_behind),
		cmocka_unit_test(test_runs_are_bounded),
		cmocka_unit_test(test_nothing_is_read_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
