/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from hosts reaches a terminal as text, and as nothing else. */
#include "ctl/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

static void prints(const char *text, const char *expected)
{
	char *out = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&out, &size);

	assert_non_null(file);
	assert_true(rw_view_print_lines(file, text, "> "));
	assert_int_equal(fclose(file), 0);
	assert_string_equal(out, expected);
	free(out);
}

static void a_log_is_printed_line_by_line(void **state)
{
	(void)state;
	prints("", "");
	prints("one", "> one\n");
	prints("one\n\ntwo\n", "> one\n> \n> two\n");
}

static void a_log_cannot_move_the_cursor_or_end_a_line(void **state)
{
	(void)state;
	prints("a\x1b[2Jb\rc\td\x7f\xc2\x9b\n", "> a\\x1b[2Jb\\x0dc\\x09d\\x7f\\xc2\\x9b\n");
	prints("\xe2\x80\xae right to left", "> \\xe2\\x80\\xae right to left\n");
	prints("\xff\xfe", "> \\xff\\xfe\n");
	prints("caf\xc3\xa9", "> caf\xc3\xa9\n");
}

static void the_longest_log_is_printed_whole(void **state)
{
	const size_t length = 64 * 1024;
	char *text = malloc(length + 1);
	char *expected = malloc(4 * length + 8);

	(void)state;
	assert_non_null(text);
	assert_non_null(expected);
	memset(text, 0x01, length);
	text[length] = '\0';
	memcpy(expected, "> ", 2);
	size_t used = 2;
	for (size_t i = 0; i < length; i++) {
		memcpy(expected + used, "\\x01", 4);
		used += 4;
	}
	memcpy(expected + used, "\n", 2);
	prints(text, expected);
	free(text);
	free(expected);
}

static void numbers_are_grouped_by_thousands(void **state)
{
	(void)state;
	assert_string_equal(rw_view_number(0).text, "0");
	assert_string_equal(rw_view_number(999).text, "999");
	assert_string_equal(rw_view_number(1000).text, "1,000");
	assert_string_equal(rw_view_number(19000).text, "19,000");
	assert_string_equal(rw_view_number(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_is_printed_line_by_line),
		cmocka_unit_test(a_log_cannot_move_the_cursor_or_end_a_line),
		cmocka_unit_test(the_longest_log_is_printed_whole),
		cmocka_unit_test(numbers_are_grouped_by_thousands),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
