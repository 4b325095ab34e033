/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing that a host sends can forge a line or a field of the log. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"

/* What one call of rw_log writes to stderr. */
static void catch_line(const char *value, char *out, size_t size)
{
	int ends[2];
	int kept = dup(STDERR_FILENO);

	assert_true(kept >= 0);
	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	rw_log(RW_LOG_WARNING, "event=test value=%s", value);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	close(ends[1]);
	ssize_t length = read(ends[0], out, size - 1);
	close(ends[0]);
	assert_true(length > 0);
	out[length] = '\0';
}

static void one_line_with_its_priority(void **state)
{
	char line[256];

	(void)state;
	catch_line("plain", line, sizeof(line));
	assert_string_equal(line, "<4>level=warning event=test value=plain\n");
}

static void line_breaks_and_escapes_cannot_forge_a_line(void **state)
{
	char line[256];

	(void)state;
	catch_line("a\n<0>level=error event=fake\x1b[2J", line, sizeof(line));
	assert_string_equal(line, "<4>level=warning event=test "
				  "value=a\\x0a<0>level=error event=fake\\x1b[2J\n");
}

static void a_quoted_value_cannot_end_its_field(void **state)
{
	char quoted[RW_LOG_QUOTED_BYTES];

	(void)state;
	assert_string_equal(rw_log_quoted("x\" level=\\", quoted), "\"x\\x22 level=\\x5c\"");
	assert_string_equal(rw_log_quoted("", quoted), "\"\"");
}

static void a_long_value_is_cut_and_still_quoted(void **state)
{
	char text[2 * RW_LOG_QUOTED_BYTES];
	char quoted[RW_LOG_QUOTED_BYTES];

	(void)state;
	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	rw_log_quoted(text, quoted);
	assert_true(strlen(quoted) < sizeof(quoted));
	assert_int_equal(quoted[0], '"');
	assert_int_equal(quoted[strlen(quoted) - 1], '"');
	assert_null(memchr(quoted + 1, '"', strlen(quoted) - 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_with_its_priority),
		cmocka_unit_test(line_breaks_and_escapes_cannot_forge_a_line),
		cmocka_unit_test(a_quoted_value_cannot_end_its_field),
		cmocka_unit_test(a_long_value_is_cut_and_still_quoted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
