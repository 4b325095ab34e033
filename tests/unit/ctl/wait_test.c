/* SPDX-License-Identifier: Apache-2.0 */
/* What is said while a verdict is waited for, and for what there is no use to wait. */
#include "ctl/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

static json_t *load(const char *json)
{
	json_t *answer = json_loads(json, 0, NULL);

	assert_non_null(answer);
	return answer;
}

static void says(const char *json, const char *expected)
{
	json_t *answer = load(json);

	assert_string_equal(rw_wait_words(answer).text, expected);
	json_decref(answer);
}

static void figures_stand_behind_the_reasons(void **state)
{
	(void)state;
	says("{\"reasons\":[\"bake_incomplete\"],\"bake\":{\"state\":\"baking\",\"observed_"
	     "seconds\":43200,\"required_seconds\":172800},\"failed\":{\"count\":1,\"hosts\":"
	     "1000}}",
	     "bake_incomplete; baked 12h 00m of 48h 00m, 36h 00m left; 1 of 1,000 failed");
	/* More was observed than is required. */
	says("{\"reasons\":[\"blind\"],\"bake\":{\"state\":\"complete\",\"observed_seconds\":9,"
	     "\"required_seconds\":5},\"failed\":{\"count\":0,\"hosts\":1}}",
	     "blind; baked 9s of 5s, 0s left; 0 of 1 failed");
}

static void what_has_not_begun_has_no_figures(void **state)
{
	(void)state;
	says("{\"reasons\":[\"not_started\"],\"bake\":{\"state\":\"not_started\","
	     "\"required_seconds\":5}}",
	     "not_started");
	says("{\"reasons\":[\"unknown_deployment\"],\"bake\":{\"required_seconds\":0}}",
	     "unknown_deployment");
	says("{}", "");
}

static void text_is_escaped_and_cut(void **state)
{
	json_t *words = json_array();
	json_t *answer;

	(void)state;
	says("{\"reasons\":[\"a\\u001b[2J\\n\"]}", "a\\x1b[2J\\x0a");
	for (int i = 0; i < 200; i++)
		assert_int_equal(json_array_append_new(words, json_string("reason")), 0);
	answer = json_pack("{s:o, s:{s:i}}", "reasons", words, "bake", "required_seconds", 5);
	assert_non_null(answer);
	assert_true(strlen(rw_wait_words(answer).text) < RW_VIEW_BYTES);
	json_decref(answer);
}

static void only_an_ended_deployment_is_final(void **state)
{
	static const struct {
		const char *json;
		bool final;
	} cases[] = {
		{"{\"reasons\":[\"withdrawn\"]}", true},
		{"{\"reasons\":[\"finished\"]}", true},
		{"{\"reasons\":[\"blind\",\"withdrawn\"]}", true},
		{"{\"reasons\":[\"bake_incomplete\"]}", false},
		{"{\"reasons\":[\"unknown_deployment\"]}", false},
		{"{\"reasons\":[null,7]}", false},
		{"{\"reasons\":[]}", false},
		{"{}", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *answer = load(cases[i].json);
		assert_int_equal(rw_wait_is_final(answer), cases[i].final);
		json_decref(answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_stand_behind_the_reasons),
		cmocka_unit_test(what_has_not_begun_has_no_figures),
		cmocka_unit_test(text_is_escaped_and_cut),
		cmocka_unit_test(only_an_ended_deployment_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
