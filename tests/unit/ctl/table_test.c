/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "ctl/view.h"

static const struct rw_column columns[] = {{"HOST", false}, {"N", true}, {"WHAT", false}};

/* What a table prints, as a text that the caller frees. */
static char *print(const struct rw_listing *table, const char *indent)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);

	assert_non_null(memory);
	assert_true(rw_listing_print(table, memory, indent, "no host"));
	assert_int_equal(fclose(memory), 0);
	return text;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	struct rw_listing *table = rw_listing_new(columns, 3);

	(void)state;
	rw_listing_add(table, "web-17");
	rw_listing_addf(table, "%d", 5);
	rw_listing_add(table, "oops");
	rw_listing_add_styled(table, "a", RW_BAD);
	rw_listing_add(table, "1234");
	rw_listing_add(table, "");
	rw_listing_add(table, "é");
	rw_listing_add(table, "");
	rw_listing_add(table, "z");
	assert_int_equal(rw_listing_rows(table), 3);
	char *text = print(table, "> ");
	/* No colour: it is no terminal. Nothing trails the last column. */
	assert_string_equal(text, "> HOST       N  WHAT\n"
				  "> web-17     5  oops\n"
				  "> a       1234  -\n"
				  "> é          -  z\n");
	free(text);
	rw_listing_free(table);
}

static void an_empty_table_says_so(void **state)
{
	struct rw_listing *table = rw_listing_new(columns, 3);

	(void)state;
	char *text = print(table, "  ");
	assert_string_equal(text, "  no host\n");
	free(text);
	rw_listing_free(table);
	rw_listing_free(NULL);
}

static void foreign_text_cannot_drive_the_terminal_or_forge_a_row(void **state)
{
	struct rw_listing *table = rw_listing_new(columns, 3);
	char large[2000];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	rw_listing_add(table, "\033[2Ja\nb");
	rw_listing_add(table, "\xe2\x80\xae");
	rw_listing_add(table, large);
	char *text = print(table, "");
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "\\x1b[2Ja\\x0ab"));
	assert_non_null(strstr(text, "\\xe2\\x80\\xae"));
	size_t lines = 0;
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 2);
	assert_true(strlen(text) < 1000);
	free(text);
	rw_listing_free(table);
}

static void styles_are_empty_without_colour(void **state)
{
	(void)state;
	for (enum rw_style style = RW_PLAIN; style <= RW_BAD; style++) {
		assert_string_equal(rw_style_on(style, false), "");
		assert_string_equal(rw_style_off(style, false), "");
	}
	assert_string_equal(rw_style_on(RW_BAD, true), "\033[1;31m");
	assert_string_equal(rw_style_off(RW_BAD, true), "\033[0m");
	assert_string_equal(rw_style_off(RW_PLAIN, true), "");
}

static void figures_read_well(void **state)
{
	(void)state;
	assert_string_equal(rw_view_share(0.001).text, "0.1%");
	assert_string_equal(rw_view_share(0.0010030090).text, "0.1003%");
	assert_string_equal(rw_view_share(0).text, "0%");
	assert_string_equal(rw_view_share(2.0 / 3).text, "66.67%");
	assert_string_equal(rw_view_share(0.9995).text, "99.95%");
	assert_string_equal(rw_view_share(1e-9).text, "<0.0001%");
	assert_string_equal(rw_view_share(1).text, "100%");
	assert_string_equal(rw_view_share(0.9).text, "90%");
	assert_string_equal(rw_view_share(1e300).text + strlen(rw_view_share(1e300).text) - 1, "%");
	assert_string_equal(rw_view_time("2024-07-19T04:09:00.123Z").text, "2024-07-19 04:09:00Z");
	assert_string_equal(rw_view_time("").text, "");
	assert_string_equal(rw_view_time("\033[2J").text, "\\x1b[2J");
	assert_string_equal(rw_view_seconds(172800).text, "48h 00m");
}

static void missing_and_mistyped_fields_read_as_nothing(void **state)
{
	json_t *object = json_pack("{s:s, s:i, s:i, s:n, s:[s,i,s]}", "text", "a", "number", 5,
				   "less", -1, "null", "words", "a\n", 7, "b");

	(void)state;
	assert_string_equal(rw_view_text(object, "text"), "a");
	assert_string_equal(rw_view_text(object, "number"), "");
	assert_string_equal(rw_view_text(object, "null"), "");
	assert_string_equal(rw_view_text(object, "nothing"), "");
	assert_string_equal(rw_view_text(NULL, "text"), "");
	assert_int_equal(rw_view_count(object, "number"), 5);
	assert_int_equal(rw_view_count(object, "less"), 0);
	assert_int_equal(rw_view_count(object, "text"), 0);
	assert_string_equal(rw_view_words(json_object_get(object, "words")).text, "a\\x0a, b");
	assert_string_equal(rw_view_words(NULL).text, "");
	json_decref(object);
}

static void many_words_are_cut_not_overrun(void **state)
{
	json_t *words = json_array();

	(void)state;
	for (int i = 0; i < 200; i++)
		assert_int_equal(json_array_append_new(words, json_string("reason")), 0);
	assert_true(strlen(rw_view_words(words).text) < RW_VIEW_BYTES);
	json_decref(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(an_empty_table_says_so),
		cmocka_unit_test(foreign_text_cannot_drive_the_terminal_or_forge_a_row),
		cmocka_unit_test(styles_are_empty_without_colour),
		cmocka_unit_test(figures_read_well),
		cmocka_unit_test(missing_and_mistyped_fields_read_as_nothing),
		cmocka_unit_test(many_words_are_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
