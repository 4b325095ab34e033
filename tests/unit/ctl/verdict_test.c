/* SPDX-License-Identifier: Apache-2.0 */
/* Only a clear `proceed` to the question that was asked may ever exit with 0. */
#include "ctl/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "ctl/commands.h"

static void check(const char *json, int expected)
{
	json_t *answer = json_loads(json, 0, NULL);

	assert_non_null(answer);
	assert_int_equal(rw_verdict_status(answer, "d", "r", NULL), expected);
	json_decref(answer);
}

#define ASKED "\"deployment\":\"d\",\"ring\":\"r\",\"for\":\"advance\","
#define CLOSED "\"reasons\":[],\"breaker\":{\"state\":\"closed\"}"

static void each_verdict_has_its_exit_status(void **state)
{
	(void)state;
	check("{" ASKED "\"verdict\":\"proceed\"," CLOSED "}", 0);
	check("{" ASKED "\"verdict\":\"hold\"," CLOSED "}", 10);
	check("{" ASKED "\"verdict\":\"abort\"," CLOSED "}", 20);
}

static void anything_else_could_not_be_asked(void **state)
{
	static const char *const answers[] = {
		"{}",
		"{" ASKED CLOSED "}",
		"{" ASKED "\"verdict\":null," CLOSED "}",
		"{" ASKED "\"verdict\":true," CLOSED "}",
		"{" ASKED "\"verdict\":[\"proceed\"]," CLOSED "}",
		"{" ASKED "\"verdict\":\"PROCEED\"," CLOSED "}",
		"{" ASKED "\"verdict\":\"proceed \"," CLOSED "}",
		"{" ASKED "\"verdict\":\"\"," CLOSED "}",
		"{\"verdict\":\"proceed\"," CLOSED "}",
		"{\"deployment\":\"d\",\"ring\":\"x\",\"for\":\"advance\",\"verdict\":"
		"\"proceed\"," CLOSED "}",
		"{\"deployment\":\"x\",\"ring\":\"r\",\"for\":\"advance\",\"verdict\":"
		"\"proceed\"," CLOSED "}",
		"{\"deployment\":\"d\",\"ring\":\"r\",\"for\":\"enter\",\"verdict\":"
		"\"proceed\"," CLOSED "}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		check(answers[i], 1);
}

static void a_proceed_that_contradicts_itself_is_none(void **state)
{
	(void)state;
	check("{" ASKED "\"verdict\":\"proceed\",\"reasons\":[\"blind\"],"
	      "\"breaker\":{\"state\":\"closed\"}}",
	      1);
	check("{" ASKED "\"verdict\":\"proceed\",\"reasons\":[],\"breaker\":{\"state\":\"open\"}}",
	      1);
	check("{" ASKED "\"verdict\":\"proceed\",\"reasons\":[]}", 1);
}

typedef void say_fn(FILE *to, const json_t *answer);

static void says(say_fn *say, const char *json, const char *expected)
{
	json_t *answer = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(answer);
	assert_non_null(to);
	say(to, answer);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(text, expected);
	free(text);
	json_decref(answer);
}

#define FAILED(observed, count, lower, upper, certified)                                           \
	"{\"failed\":{\"hosts\":9999,\"observed_full\":" observed ",\"count\":" count              \
	",\"limit\":0.001,\"lower95\":" lower ",\"upper95\":" upper ",\"certified\":" certified    \
	"}}"

static void the_bounds_say_what_is_certified_and_what_that_takes(void **state)
{
	(void)state;
	says(rw_verdict_bounds, FAILED("0", "0", "0.0", "1.0", "false"),
	     "no host was observed for a whole bake yet (limit 0.1%): not certified, that takes "
	     "2,995 hosts");
	says(rw_verdict_bounds, FAILED("500", "0", "0.0", "0.006", "false"),
	     "0 of 500 failed: no more than 0.6% with 95% (limit 0.1%): not certified, that takes "
	     "2,995 hosts");
	says(rw_verdict_bounds, FAILED("2995", "0", "0.0", "0.000999", "true"),
	     "0 of 2,995 failed: no more than 0.0999% with 95% (limit 0.1%): certified");
	says(rw_verdict_bounds, FAILED("500", "3", "0.0016", "0.0155", "false"),
	     "at least 0.16% fail with 95%, and no more than 1.55% of the 500 observed for a whole "
	     "bake (limit 0.1%): not certified");
	/* A limit that no number of hosts certifies. */
	says(rw_verdict_bounds,
	     "{\"failed\":{\"observed_full\":7,\"count\":0,\"limit\":0.0,\"upper95\":0.35,"
	     "\"certified\":false}}",
	     "0 of 7 failed: no more than 35% with 95% (limit 0%): not certified");
}

static void control_and_noise_are_sentences(void **state)
{
	(void)state;
	says(rw_verdict_control,
	     "{\"control\":{\"hosts\":9500,\"failed\":2,\"host_hours\":19000.4,\"p\":0.003}}",
	     "2 of 9,500 hosts failed in 19,000 host-hours, p = 0.003");
	says(rw_verdict_control,
	     "{\"control\":{\"hosts\":1,\"failed\":0,\"host_hours\":0.25,\"p\":1.0}}",
	     "0 of 1 hosts failed in 0.2 host-hours, p = 1");
	says(rw_verdict_control,
	     "{\"control\":{\"hosts\":0,\"failed\":0,\"host_hours\":0.0,\"p\":1.0}}",
	     "none: there is no host that is exposed to nothing");
	says(rw_verdict_noise,
	     "{\"noise\":{\"expected_natural\":2.74,\"false_trip_probability\":0.935,"
	     "\"detection_power\":0.006}}",
	     "2.7 failures expected in a bake anyhow, which alone open the breaker with 93.5%; "
	     "finds a change that kills 0.6% of hosts");
	says(rw_verdict_noise,
	     "{\"noise\":{\"expected_natural\":1500.5,\"false_trip_probability\":1.0,"
	     "\"detection_power\":0.00003}}",
	     "1,501 failures expected in a bake anyhow, which alone open the breaker with 100%; "
	     "finds a change that kills 0.003% of hosts");
}

static void what_a_breaker_rests_on_is_said_in_words(void **state)
{
	(void)state;
	says(rw_verdict_grade, "{\"grade\":\"limit\",\"proof\":\"none\"}", "limit");
	says(rw_verdict_grade, "{\"grade\":\"evidence\",\"proof\":\"share\"}",
	     "evidence: more failed than the limit allows and than elsewhere, by exact tests");
	says(rw_verdict_grade, "{\"grade\":\"evidence\",\"proof\":\"signature\"}",
	     "evidence: hosts share a crash that no other host has shown");
	says(rw_verdict_grade, "{\"grade\":\"evidence\",\"proof\":\"boot_loop\"}",
	     "evidence: a host that never did so before reboots again and again");
	/* Of a newer collector. */
	says(rw_verdict_grade, "{\"grade\":\"evidence\",\"proof\":\"omen\"}", "evidence");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verdict_has_its_exit_status),
		cmocka_unit_test(anything_else_could_not_be_asked),
		cmocka_unit_test(a_proceed_that_contradicts_itself_is_none),
		cmocka_unit_test(the_bounds_say_what_is_certified_and_what_that_takes),
		cmocka_unit_test(control_and_noise_are_sentences),
		cmocka_unit_test(what_a_breaker_rests_on_is_said_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
