/* SPDX-License-Identifier: Apache-2.0 */
/* Times as they stand in answers read back to the same millisecond. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/clock.h"

static void writes_rfc_3339(void **state)
{
	(void)state;
	char out[RW_TIME_TEXT_BYTES];

	assert_string_equal(rw_clock_format_wall(1721362140000, out), "2024-07-19T04:09:00.000Z");
	assert_string_equal(rw_clock_format_wall(1, out), "1970-01-01T00:00:00.001Z");
	assert_string_equal(rw_clock_format_wall(253402300799999, out), "9999-12-31T23:59:59.999Z");
}

static void writes_nothing_for_no_time(void **state)
{
	(void)state;
	char out[RW_TIME_TEXT_BYTES];

	assert_string_equal(rw_clock_format_wall(0, out), "");
	assert_string_equal(rw_clock_format_wall(253402300800000, out), ""); /* the year 10000 */
	assert_string_equal(rw_clock_format_wall(UINT64_MAX, out), "");
}

static void reads_what_it_writes(void **state)
{
	(void)state;
	static const uint64_t times[] = {1, 1721362140123, 951782400000 /* 29 February 2000 */,
					 4102444800999, 253402300799999};
	char out[RW_TIME_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		uint64_t back = 0;
		assert_int_equal(rw_clock_parse_wall(rw_clock_format_wall(times[i], out), &back),
				 0);
		assert_int_equal(back, times[i]);
	}
}

static void milliseconds_may_be_left_off(void **state)
{
	(void)state;
	uint64_t ms = 0;

	assert_int_equal(rw_clock_parse_wall("2024-07-19T04:09:00Z", &ms), 0);
	assert_int_equal(ms, 1721362140000);
}

static void refuses_every_other_form(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"2024-07-19",
		"2024-07-19T04:09:00",
		"2024-07-19t04:09:00Z",
		"2024-07-19 04:09:00Z",
		" 2024-07-19T04:09:00Z",
		"2024-07-19T04:09:00Z ",
		"2024-07-19T04:09:00+00:00",
		"2024-7-19T04:09:00Z",
		"2024- 7-19T04:09:00Z",
		"2024-07-19T 4:09:00Z",
		"2024-07-19T04:09:00.Z",
		"2024-07-19T04:09:00.1Z",
		"2024-07-19T04:09:00.1234Z",
		"2024-02-30T04:09:00Z",
		"2023-02-29T04:09:00Z",
		"2024-13-01T04:09:00Z",
		"2024-00-01T04:09:00Z",
		"2024-07-00T04:09:00Z",
		"2024-07-19T24:00:00Z",
		"2024-07-19T04:60:00Z",
		"2024-07-19T04:09:60Z",
		"1969-12-31T23:59:59Z",
		"-024-07-19T04:09:00Z",
	};
	uint64_t ms = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rw_clock_parse_wall(bad[i], &ms), -EINVAL);
	assert_int_equal(ms, 77);
}

static void clocks_go_on(void **state)
{
	(void)state;
	uint64_t before_ns = rw_clock_boot_ns();
	uint64_t between_ms = rw_clock_boot_ms();
	uint64_t after_ns = rw_clock_boot_ns();

	assert_true(before_ns / 1000000 <= between_ms);
	assert_true(between_ms <= after_ns / 1000000);
	assert_true(rw_clock_wall_ms() > 1700000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_rfc_3339),
		cmocka_unit_test(writes_nothing_for_no_time),
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(milliseconds_may_be_left_off),
		cmocka_unit_test(refuses_every_other_form),
		cmocka_unit_test(clocks_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
