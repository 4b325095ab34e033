/* SPDX-License-Identifier: Apache-2.0 */
/* The few queries that are answered, and the many that are refused, each with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/promql.h"
#include "collector/api/series.h"

static struct rw_promql parsed(const char *text)
{
	static struct rw_promql query;
	char error[RW_PROMQL_ERROR_BYTES] = "";

	if (rw_promql_parse(text, &query, error) != 0)
		fail_msg("%s: %s", text, error);
	return query;
}

static void test_vector_of_a_number(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double number;
	} cases[] = {{"vector(1)", 1}, {" vector ( 2.5 ) ", 2.5}, {"vector(-1e3)", -1000}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rw_promql query = parsed(cases[i].text);

		assert_true(query.is_vector);
		assert_true(query.number == cases[i].number);
	}
}

static void test_a_name_with_labels(void **state)
{
	(void)state;
	static struct rw_promql query;
	static const char *const texts[] = {
		"ringwatch_verdict{deployment=\"d1\",ring=\"canary\"}",
		"  ringwatch_verdict  { deployment = \"d1\" , ring = 'canary' , }  ",
		"{__name__=\"ringwatch_verdict\",deployment=`d1`,ring=\"canary\"}",
	};
	char error[RW_PROMQL_ERROR_BYTES];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(rw_promql_parse(texts[i], &query, error), 0);
		assert_false(query.is_vector);
		assert_string_equal(query.series, "ringwatch_verdict");
		assert_int_equal(query.matcher_count, 2);
		assert_string_equal(query.matchers[0].name, "deployment");
		assert_string_equal(query.matchers[0].value, "d1");
		assert_string_equal(query.matchers[1].name, "ring");
		assert_string_equal(query.matchers[1].value, "canary");
	}
	assert_int_equal(rw_promql_parse("ALERTS", &query, error), 0);
	assert_string_equal(query.series, "ALERTS");
	assert_int_equal(query.matcher_count, 0);
	assert_int_equal(rw_promql_parse("ALERTS{}", &query, error), 0);
	assert_int_equal(rw_promql_parse("a{b=\"q\\\"\\\\\\n\"}", &query, error), 0);
	assert_string_equal(query.matchers[0].value, "q\"\\\n");
}

static void test_everything_else_is_refused_with_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned place;
	} cases[] = {
		{"", 1},
		{"   ", 4},
		{"1", 1},
		{"1 + 1", 1},
		{"{}", 3},
		{"{ring=\"a\"}", 11},
		{"up == 1", 4},
		{"ringwatch_verdict > 0", 19},
		{"ringwatch_verdict[5m]", 18},
		{"rate(ringwatch_frames_total[5m])", 5},
		{"sum(ALERTS)", 4},
		{"a{b!=\"c\"}", 4},
		{"a{b=~\"c\"}", 5},
		{"a{b!~\"c\"}", 4},
		{"a{b=c}", 5},
		{"a{b=\"c}", 8},
		{"a{b=\"c\"", 8},
		{"a{b=\"c\" d=\"e\"}", 9},
		{"a{,}", 3},
		{"a{1=\"c\"}", 3},
		{"a{b=\"\\x41\"}", 6},
		{"a{__name__=\"b\"}", 15},
		{"a b", 3},
		{"a offset 5m", 3},
		{"vector", 7},
		{"vector()", 8},
		{"vector(a)", 8},
		{"vector(nan)", 8},
		{"vector(1e999)", 8},
		{"vector(1", 9},
		{"vector(1) ", 0},
		{"vector(1))", 10},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rw_promql query;
		char error[RW_PROMQL_ERROR_BYTES] = "";
		char place[48];
		int err = rw_promql_parse(cases[i].text, &query, error);

		snprintf(place, sizeof(place), "parse error at char %u: expected ", cases[i].place);
		if (cases[i].place == 0)
			assert_int_equal(err, 0);
		else if (err != -EINVAL || strncmp(error, place, strlen(place)) != 0)
			fail_msg("'%s': %d '%s'", cases[i].text, err, error);
	}
}

static void test_it_is_bounded(void **state)
{
	(void)state;
	static struct rw_promql query;
	static char text[4096];
	char error[RW_PROMQL_ERROR_BYTES];

	memset(text, 'a', RW_PROMQL_TEXT_MAX);
	assert_int_equal(rw_promql_parse(text, &query, error), 0);
	memset(text, 'a', RW_PROMQL_TEXT_MAX + 1);
	assert_int_equal(rw_promql_parse(text, &query, error), -EINVAL);
	assert_non_null(strstr(error, "1024"));
	for (size_t labels = 16; labels <= 17; labels++) {
		int used = snprintf(text, sizeof(text), "a{");

		for (size_t i = 0; i < labels; i++)
			used += snprintf(text + used, sizeof(text) - (size_t)used, "l%zu=\"\",", i);
		snprintf(text + used, sizeof(text) - (size_t)used, "}");
		assert_int_equal(rw_promql_parse(text, &query, error), labels == 16 ? 0 : -EINVAL);
	}
}

static void test_labels_are_compared_as_prometheus_does(void **state)
{
	(void)state;
	const struct rw_label labels[] = {{"deployment", "d1"}, {"ring", "canary"}};
	static const struct {
		const char *text;
		bool matches;
	} cases[] = {
		{"a", true},
		{"a{ring=\"canary\"}", true},
		{"a{ring=\"canary\",deployment=\"d1\"}", true},
		{"a{ring=\"canary\",deployment=\"d2\"}", false},
		{"a{ring=\"Canary\"}", false},
		{"a{ring=\"\"}", false},
		{"a{colour=\"\"}", true},
		{"a{colour=\"red\"}", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct rw_promql query;
		char error[RW_PROMQL_ERROR_BYTES];

		assert_int_equal(rw_promql_parse(cases[i].text, &query, error), 0);
		assert_int_equal(rw_promql_matches(&query, labels, 2), cases[i].matches);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector_of_a_number),
		cmocka_unit_test(test_a_name_with_labels),
		cmocka_unit_test(test_everything_else_is_refused_with_its_place),
		cmocka_unit_test(test_it_is_bounded),
		cmocka_unit_test(test_labels_are_compared_as_prometheus_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
