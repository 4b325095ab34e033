/* SPDX-License-Identifier: Apache-2.0 */
/* Only a clear `proceed` to the question that was asked may ever exit with 0. */
#include "ctl/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verdict_has_its_exit_status),
		cmocka_unit_test(anything_else_could_not_be_asked),
		cmocka_unit_test(a_proceed_that_contradicts_itself_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
