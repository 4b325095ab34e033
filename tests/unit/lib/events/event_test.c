/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside stays one clean line; facts stand once each, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/events/event.h"
#include "lib/events/names.h"
#include "lib/text.h"

static void test_a_name_cannot_begin_a_line_of_its_own(void **state)
{
	char out[64];

	(void)state;
	rw_event_print(out, sizeof(out), "killed %s", "a\nkind=oops\r\n ");
	assert_string_equal(out, "killed a kind=oops");
}

static void test_no_character_is_cut_in_two(void **state)
{
	char out[8];

	(void)state;
	rw_event_print(out, sizeof(out), "12345%s", "\xe2\x82\xac"); /* three bytes, two fit */
	assert_string_equal(out, "12345");
	rw_event_print(out, sizeof(out), "1234%s", "\xe2\x82\xac");
	assert_string_equal(out, "1234\xe2\x82\xac");
}

static void test_bytes_that_are_no_text_are_escaped(void **state)
{
	char out[16];

	(void)state;
	rw_event_print(out, sizeof(out), "a%cb", 0xff);
	assert_string_equal(out, "a\\xffb");
	assert_true(rw_text_is_clean(out, strlen(out)));
}

static void test_text_may_go_into_itself(void **state)
{
	char out[32] = "Fatal exception";

	(void)state;
	rw_event_print(out, sizeof(out), "%s (after %s)", out, "oops:x");
	assert_string_equal(out, "Fatal exception (after oops:x)");
}

static void test_facts_stand_once_in_order(void **state)
{
	struct rw_event e = {0};

	(void)state;
	rw_event_set_fact(&e, FACT_LINE, "%d", 55);
	rw_event_set_fact(&e, FACT_TYPE, "page_fault");
	rw_event_set_fact(&e, FACT_FILE, "/build/crash.c");
	rw_event_set_fact(&e, FACT_LINE, "%d", 56);
	assert_int_equal(e.fact_count, 3);
	assert_int_equal(e.facts[0].name, FACT_TYPE);
	assert_int_equal(e.facts[1].name, FACT_FILE);
	assert_int_equal(e.facts[2].name, FACT_LINE);
	assert_string_equal(rw_event_fact(&e, FACT_LINE), "56");
	assert_string_equal(rw_event_fact(&e, FACT_CAUSE), "");
}

static void test_an_empty_fact_is_none(void **state)
{
	struct rw_event e = {0};

	(void)state;
	rw_event_set_fact(&e, FACT_CGROUP, "%s", "");
	rw_event_set_fact(&e, FACT_CGROUP, "\n ");
	assert_int_equal(e.fact_count, 0);
	rw_event_set_fact(&e, FACT_CGROUP, "web");
	rw_event_set_fact(&e, FACT_CGROUP, "%s", "");
	assert_string_equal(rw_event_fact(&e, FACT_CGROUP), "web");
}

static void test_a_long_fact_is_cut_and_too_many_are_left_off(void **state)
{
	struct rw_event e = {0};
	char longest[RW_FACT_VALUE_MAX + 50];

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int name = FACT_TYPE; name < FACT_TYPE + RW_FACTS_MAX + 3; name++)
		rw_event_set_fact(&e, (Ringwatch__V1__FactName)name, "%s", longest);
	assert_int_equal(e.fact_count, RW_FACTS_MAX);
	assert_int_equal(strlen(e.facts[RW_FACTS_MAX - 1].value), RW_FACT_VALUE_MAX);
	/* what stands can still be replaced */
	rw_event_set_fact(&e, FACT_TYPE, "other");
	assert_string_equal(rw_event_fact(&e, FACT_TYPE), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_cannot_begin_a_line_of_its_own),
		cmocka_unit_test(test_no_character_is_cut_in_two),
		cmocka_unit_test(test_bytes_that_are_no_text_are_escaped),
		cmocka_unit_test(test_text_may_go_into_itself),
		cmocka_unit_test(test_facts_stand_once_in_order),
		cmocka_unit_test(test_an_empty_fact_is_none),
		cmocka_unit_test(test_a_long_fact_is_cut_and_too_many_are_left_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
