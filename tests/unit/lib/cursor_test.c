/* SPDX-License-Identifier: Apache-2.0 */
/* A read that does not fit fails and leaves the cursor where it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cursor.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6};

static void reads_in_order(void **state)
{
	(void)state;
	struct rw_cursor c = rw_cursor_of(bytes, sizeof(bytes));
	uint32_t word = 0;
	uint8_t byte = 0;

	assert_true(rw_cursor_u8(&c, &byte));
	assert_int_equal(byte, 1);
	assert_true(rw_cursor_be32(&c, &word));
	assert_int_equal(word, 0x02030405);
	assert_int_equal(rw_cursor_left(&c), 1);
	assert_true(rw_cursor_skip(&c, 1));
	assert_int_equal(rw_cursor_left(&c), 0);
}

static void a_failed_read_changes_nothing(void **state)
{
	(void)state;
	struct rw_cursor c = rw_cursor_of(bytes, 3);
	struct rw_cursor part = {0};
	uint8_t out[4] = {9, 9, 9, 9};
	uint32_t word = 77;

	assert_false(rw_cursor_be32(&c, &word));
	assert_false(rw_cursor_read(&c, out, 4));
	assert_false(rw_cursor_skip(&c, 4));
	assert_false(rw_cursor_skip(&c, SIZE_MAX));
	assert_false(rw_cursor_split(&c, 4, &part));
	assert_int_equal(rw_cursor_left(&c), 3);
	assert_int_equal(word, 77);
	assert_int_equal(out[0], 9);
	assert_null(part.at);
}

static void a_part_ends_where_it_ends(void **state)
{
	(void)state;
	struct rw_cursor c = rw_cursor_of(bytes, sizeof(bytes));
	struct rw_cursor part;
	uint8_t byte = 0;

	assert_true(rw_cursor_split(&c, 2, &part));
	assert_int_equal(rw_cursor_left(&part), 2);
	assert_int_equal(rw_cursor_left(&c), 4);
	assert_true(rw_cursor_skip(&part, 2));
	assert_false(rw_cursor_u8(&part, &byte));
	assert_true(rw_cursor_u8(&c, &byte));
	assert_int_equal(byte, 3);
}

static void nothing_can_be_read_from_nothing(void **state)
{
	(void)state;
	struct rw_cursor c = rw_cursor_of(NULL, 0);
	uint8_t byte;

	assert_int_equal(rw_cursor_left(&c), 0);
	assert_false(rw_cursor_u8(&c, &byte));
	assert_true(rw_cursor_read(&c, &byte, 0));
	assert_true(rw_cursor_skip(&c, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_in_order),
		cmocka_unit_test(a_failed_read_changes_nothing),
		cmocka_unit_test(a_part_ends_where_it_ends),
		cmocka_unit_test(nothing_can_be_read_from_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
