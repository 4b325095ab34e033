/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever bytes a host sends, a terminal and a log line stay whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/text.h"

/* RFC 3629: each bound of the encoding from both sides. */
static void knows_valid_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t given;
		size_t wanted;
	} cases[] = {
		{"a", 1, 1},
		{"\0", 1, 1},
		{"\x7f", 1, 1},
		{"\x80", 1, 0},     /* a continuation alone */
		{"\xc1\xbf", 2, 0}, /* overlong */
		{"\xc2\x80", 2, 2},
		{"\xdf\xbf", 2, 2},
		{"\xc3", 1, 0}, /* cut short */
		{"\xc3(", 2, 0},
		{"\xe0\x9f\xbf", 3, 0}, /* overlong */
		{"\xe0\xa0\x80", 3, 3},
		{"\xed\x9f\xbf", 3, 3},
		{"\xed\xa0\x80", 3, 0}, /* surrogate */
		{"\xed\xbf\xbf", 3, 0},
		{"\xee\x80\x80", 3, 3},
		{"\xe2\x82", 2, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0}, /* overlong */
		{"\xf0\x90\x80\x80", 4, 4},
		{"\xf4\x8f\xbf\xbf", 4, 4}, /* U+10FFFF */
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
		{"", 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(rw_utf8_length(cases[i].text, cases[i].given), cases[i].wanted);
}

static void clean_text_has_no_nul_and_no_bad_byte(void **state)
{
	(void)state;
	assert_true(rw_text_is_clean("", 0));
	assert_true(rw_text_is_clean("caf\xc3\xa9 \x1b[31m", 10));
	assert_false(rw_text_is_clean("a\0b", 3));
	assert_false(rw_text_is_clean("a\xff", 2));
	assert_false(rw_text_is_clean("a\xc3", 2));
}

static void expect_escaped(const char *text, size_t length, const char *wanted)
{
	char out[256];
	size_t used = rw_text_escape(out, sizeof(out), text, length);

	assert_string_equal(out, wanted);
	assert_int_equal(used, strlen(wanted));
}

static void nothing_drives_a_terminal(void **state)
{
	(void)state;
	expect_escaped("plain text", 10, "plain text");
	expect_escaped("\x1b[31mred", 8, "\\x1b[31mred");
	expect_escaped("two\nlines\r", 10, "two\\x0alines\\x0d");
	expect_escaped("a\0b", 3, "a\\x00b");
	expect_escaped("\x7f", 1, "\\x7f");
	expect_escaped("\xc2\x9b"
		       "31m",
		       5, "\\xc2\\x9b31m"); /* C1 CSI */
	expect_escaped("\xe2\x80\xae"
		       "evil",
		       7,
		       "\\xe2\\x80\\xae"
		       "evil");                               /* U+202E */
	expect_escaped("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8"); /* line separator */
	expect_escaped("\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6"); /* U+2066 */
	expect_escaped("\xd8\x9c", 2, "\\xd8\\x9c");          /* U+061C */
	expect_escaped("\xff\xfe", 2, "\\xff\\xfe");
	expect_escaped("caf\xc3\xa9 \xe2\x82\xac", 9, "caf\xc3\xa9 \xe2\x82\xac");
}

static void for_protobuf_only_the_impossible_is_escaped(void **state)
{
	(void)state;
	char out[64];

	assert_int_equal(rw_text_to_utf8(out, sizeof(out), "a\nb\x1b\0\xff", 6), 12);
	assert_string_equal(out, "a\nb\x1b\\x00\\xff");
	assert_true(rw_text_is_clean(out, strlen(out)));
}

/* For each size of the buffer: no byte behind it, always an end, no half character. */
static void a_small_buffer_cuts_between_characters(void **state)
{
	(void)state;
	static const char text[] = "ab\xc3\xa9\x1b\xf0\x9f\x98\x80z";

	assert_int_equal(rw_text_escape(NULL, 0, text, sizeof(text) - 1), 0);
	for (size_t size = 1; size <= 32; size++) {
		char *out = malloc(size);
		assert_non_null(out);
		size_t used = rw_text_escape(out, size, text, sizeof(text) - 1);
		assert_true(used < size);
		assert_int_equal(out[used], '\0');
		assert_true(rw_text_is_clean(out, used));
		if (size > 14)
			assert_string_equal(out, "ab\xc3\xa9\\x1b\xf0\x9f\x98\x80z");
		free(out);
	}
}

static void each_byte_grows_at_most_to_four(void **state)
{
	(void)state;
	char text[256];
	char out[4 * sizeof(text) + 1];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	size_t used = rw_text_escape(out, sizeof(out), text, sizeof(text));
	assert_true(rw_text_is_clean(out, used));
	assert_memory_equal(out + used - 4, "\\xff", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_valid_utf8),
		cmocka_unit_test(clean_text_has_no_nul_and_no_bad_byte),
		cmocka_unit_test(nothing_drives_a_terminal),
		cmocka_unit_test(for_protobuf_only_the_impossible_is_escaped),
		cmocka_unit_test(a_small_buffer_cuts_between_characters),
		cmocka_unit_test(each_byte_grows_at_most_to_four),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
