/* SPDX-License-Identifier: Apache-2.0 */
/* Staged failures in the sensor: which line of user space counts, and when it is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sensor/drill.h"

static const uint8_t name[RW_DRILL_BYTES] = {0x01, 0xff};
#define LINE "ringwatch: drill 01ff0000000000000000000000000000"

static bool hears(struct rw_drill *d, const char *line, struct rw_drill_news *news)
{
	return rw_drill_line(d, line, strlen(line), 1200, news);
}

/* /dev/null stands for a kernel log that takes a line; what comes back the test says. */
static void test_only_the_line_that_was_asked_for_counts_and_once(void **state)
{
	struct rw_drill *d = rw_drill_open("/dev/null");
	struct rw_drill_news news;

	(void)state;
	assert_non_null(d);
	assert_false(hears(d, LINE, &news)); /* nobody has asked */
	rw_drill_ask(d, name, 1000);
	assert_false(hears(d, "ringwatch: drill 01ff", &news));
	assert_false(hears(d, LINE "0", &news));
	assert_false(hears(d, "x" LINE, &news));
	assert_false(hears(d, "ringwatch: drill 02ff0000000000000000000000000000", &news));
	assert_false(rw_drill_has_failed(d, 1200, &news));
	assert_true(hears(d, LINE, &news));
	assert_string_equal(news.name, "01ff0000000000000000000000000000");
	assert_string_equal(news.trouble, "");
	assert_int_equal(news.took_ms, 200);
	assert_false(hears(d, LINE, &news));
	assert_false(rw_drill_has_failed(d, 1000 + RW_DRILL_WAIT_MS, &news));
	rw_drill_close(d);
}

static void test_one_a_second_is_enough(void **state)
{
	static const uint8_t second[RW_DRILL_BYTES] = {0x02};
	struct rw_drill *d = rw_drill_open("/dev/null");
	struct rw_drill_news news;

	(void)state;
	rw_drill_ask(d, name, 1000);
	rw_drill_ask(d, second, 1000 + RW_DRILL_EVERY_MS - 1); /* left alone */
	assert_true(hears(d, LINE, &news));
	rw_drill_ask(d, second, 1000 + RW_DRILL_EVERY_MS);
	assert_false(hears(d, LINE, &news));
	assert_true(hears(d, "ringwatch: drill 02000000000000000000000000000000", &news));
	rw_drill_close(d);
}

static void test_a_line_that_does_not_come_back_is_given_up(void **state)
{
	struct rw_drill *d = rw_drill_open("/dev/null");
	struct rw_drill_news news;

	(void)state;
	rw_drill_ask(d, name, 1000);
	assert_false(rw_drill_has_failed(d, 1000 + RW_DRILL_WAIT_MS - 1, &news));
	assert_true(rw_drill_has_failed(d, 1000 + RW_DRILL_WAIT_MS, &news));
	assert_string_equal(news.trouble, "the line did not come back out of the kernel log");
	assert_false(hears(d, LINE, &news));
	assert_false(rw_drill_has_failed(d, 9000, &news)); /* it is told once */
	rw_drill_close(d);
}

static void test_why_a_kernel_log_cannot_be_written_is_told_at_once(void **state)
{
	static const struct {
		const char *path, *trouble;
	} cases[] = {
		{"/etc/passwd", "what is read as the kernel log is none: it cannot be written"},
		{"/nowhere", "what is read as the kernel log is none: it cannot be written"},
		{"/dev/full", "the kernel log cannot be written: No space left on device"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rw_drill *d = rw_drill_open(cases[i].path);
		struct rw_drill_news news;
		rw_drill_ask(d, name, 1000);
		assert_false(hears(d, LINE, &news));
		assert_true(rw_drill_has_failed(d, 1000, &news));
		assert_string_equal(news.trouble, cases[i].trouble);
		assert_string_equal(news.name, "01ff0000000000000000000000000000");
		rw_drill_close(d);
	}
	rw_drill_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_line_that_was_asked_for_counts_and_once),
		cmocka_unit_test(test_one_a_second_is_enough),
		cmocka_unit_test(test_a_line_that_does_not_come_back_is_given_up),
		cmocka_unit_test(test_why_a_kernel_log_cannot_be_written_is_told_at_once),
	};

	return cmocka_run_group_tests_name("drill", tests, NULL, NULL);
}
