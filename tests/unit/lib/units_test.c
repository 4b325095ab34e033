/* SPDX-License-Identifier: Apache-2.0 */
/* A quantity is read exactly as written, or refused; it is never guessed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/units.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void reads_durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t wanted;
	} cases[] = {
		{"0s", 0},
		{"250ms", 250},
		{"30s", 30000},
		{"10m", 600000},
		{"48h", 172800000},
		{"7d", 604800000},
		{"3653d", 3653ull * 86400000},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ms = 1;
		assert_int_equal(rw_units_parse_duration(cases[i].text, &ms), 0);
		assert_int_equal(ms, cases[i].wanted);
	}
}

static void refuses_other_durations(void **state)
{
	(void)state;
	static const char *const bad[] = {"",    "30",   "s",    "1.5h", "-1s",   "+1s",
					  " 1s", "1s ",  "1 s",  "01s",  "1h30m", "1S",
					  "1w",  "1sec", "none", "0x10s"};
	static const char *const wide[] = {"3654d", "99999999999999999999s",
					   "18446744073709551615d"};
	uint64_t ms = 77;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(rw_units_parse_duration(bad[i], &ms), -EINVAL);
	for (size_t i = 0; i < COUNT(wide); i++)
		assert_int_equal(rw_units_parse_duration(wide[i], &ms), -ERANGE);
	assert_int_equal(ms, 77);
}

static void reads_ratios_exactly(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t wanted;
	} cases[] = {
		{"0%", 0},
		{"0.0001%", 1},
		{"0.1%", 1000},
		{"1%", 10000},
		{"33.3333%", 333333},
		{"90%", 900000},
		{"99.9999%", 999999},
		{"100%", 1000000},
		{"100.0000%", 1000000},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t ppm = 1;
		assert_int_equal(rw_units_parse_ratio(cases[i].text, &ppm), 0);
		assert_int_equal(ppm, cases[i].wanted);
	}
}

static void refuses_other_ratios(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",          "%",        "1",     "0.1",
		"100.0001%", "101%",     "-1%",   "1.%",
		".5%",       "0.00001%", "1e-3%", " 1%",
		"1% ",       "01%",      "1,5%",  "99999999999999999999%"};
	uint32_t ppm = 77;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(rw_units_parse_ratio(bad[i], &ppm), -EINVAL);
	assert_int_equal(ppm, 77);
}

static void reads_sizes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t wanted;
	} cases[] = {
		{"0B", 0},           {"65536B", 65536},    {"64KiB", 65536},
		{"16MiB", 16777216}, {"1GiB", 1073741824}, {"18446744073709551615B", UINT64_MAX},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t bytes = 1;
		assert_int_equal(rw_units_parse_bytes(cases[i].text, &bytes), 0);
		assert_int_equal(bytes, cases[i].wanted);
	}
}

static void refuses_other_sizes(void **state)
{
	(void)state;
	static const char *const bad[] = {"",       "1",   "1kB",   "1KB",   "1kib",
					  "1.5MiB", "-1B", "1 MiB", "010KiB"};
	uint64_t bytes = 77;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(rw_units_parse_bytes(bad[i], &bytes), -EINVAL);
	assert_int_equal(rw_units_parse_bytes("18446744073709551616B", &bytes), -ERANGE);
	assert_int_equal(rw_units_parse_bytes("18446744073709551615KiB", &bytes), -ERANGE);
	assert_int_equal(bytes, 77);
}

static void reads_plain_numbers(void **state)
{
	(void)state;
	static const char *const bad[] = {"",   " ",   "-1", "+1",  "1 ",
					  "1a", "010", "00", "0x1", "1.0"};
	uint64_t value = 77;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(rw_units_parse_uint(bad[i], &value), -EINVAL);
	assert_int_equal(rw_units_parse_uint("18446744073709551616", &value), -ERANGE);
	assert_int_equal(value, 77);
	assert_int_equal(rw_units_parse_uint("0", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(rw_units_parse_uint("18446744073709551615", &value), 0);
	assert_int_equal(value, UINT64_MAX);
}

static void writes_durations_for_people(void **state)
{
	(void)state;
	static const struct {
		uint64_t ms;
		const char *wanted;
	} cases[] = {
		{0, "0s"},
		{999, "0s"},
		{1000, "1s"},
		{59999, "59s"},
		{60000, "1m 00s"},
		{185000, "3m 05s"},
		{3599999, "59m 59s"},
		{3600000, "1h 00m"},
		{169920000, "47h 12m"},
		{UINT64_MAX, "5124095576030h 25m"},
	};
	char out[RW_DURATION_TEXT_BYTES];

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(rw_units_format_duration(cases[i].ms, out), cases[i].wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(refuses_other_durations),
		cmocka_unit_test(reads_ratios_exactly),
		cmocka_unit_test(refuses_other_ratios),
		cmocka_unit_test(reads_sizes),
		cmocka_unit_test(refuses_other_sizes),
		cmocka_unit_test(reads_plain_numbers),
		cmocka_unit_test(writes_durations_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
