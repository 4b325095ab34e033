/* SPDX-License-Identifier: Apache-2.0 */
/* A storm is told in a few events; nothing of it is lost, neither first nor last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/events/storm.h"

static struct {
	struct rw_storms *storms;
	uint64_t now_ms;
	uint64_t told; /* counts included */
	uint32_t at_once;
	uint32_t counted; /* events that stand for more */
	char last[RW_DETAIL_MAX + 1];
} t;

static void on_counted(void *context, struct rw_event *event)
{
	(void)context;
	t.told += event->count;
	t.counted++;
	snprintf(t.last, sizeof(t.last), "%s", event->detail);
}

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.now_ms = 100000;
	t.storms = rw_storms_new(on_counted, NULL);
	return t.storms == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	rw_storms_free(t.storms);
	return 0;
}

static void take(const char *signature, uint64_t number, bool again)
{
	struct rw_event e = {.count = 1};

	snprintf(e.signature, sizeof(e.signature), "%s", signature);
	snprintf(e.detail, sizeof(e.detail), "number %llu", (unsigned long long)number);
	if (!rw_storms_take(t.storms, &e, again, t.now_ms))
		return;
	t.at_once++;
	t.told++;
	snprintf(t.last, sizeof(t.last), "%s", e.detail);
}

static void pass(uint64_t ms)
{
	t.now_ms += ms;
	rw_storms_flush(t.storms, t.now_ms);
}

/* An oops loop: 100,000 in a hundred seconds. */
static void test_a_hundred_thousand_are_a_handful(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 100000; i++) {
		take("oops:crash+0x1:m", i, false);
		pass(1);
	}
	assert_int_equal(t.at_once, RW_STORM_AT_ONCE);
	assert_true(t.counted <= 4); /* windows of 10, 20, 40 s, and what is not over */
	for (int i = 0; i < 20; i++)
		pass(60000);
	assert_int_equal(t.told, 100000);
	assert_string_equal(t.last, "number 100000");
	assert_true(t.counted <= 5);
}

static void test_windows_grow_to_a_limit_and_calm_ends_them(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 7200; i++) { /* two hours, a burst each second */
		for (int burst = 0; burst < 40; burst++)
			take("w", i, false);
		pass(1000);
	}
	assert_int_equal(t.at_once, RW_STORM_AT_ONCE);
	/* 10 + 20 + 40 + 80 + 160 s, then one each 300 s */
	assert_in_range(t.counted, 25, 30);
	for (int i = 0; i < 10; i++)
		pass(300000);
	assert_int_equal(t.told, 7200 * 40);

	uint32_t before = t.at_once;
	take("w", 1, false);
	assert_int_equal(t.at_once, before + 1);
}

static void test_a_drizzle_is_told_at_once_for_ever(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		take("w", i, false);
		pass(3000);
	}
	assert_int_equal(t.at_once, 200);
	assert_int_equal(t.counted, 0);
}

static void test_signatures_do_not_count_for_one_another(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		take("loud", i, false);
	take("quiet", 1, false);
	assert_int_equal(t.at_once, RW_STORM_AT_ONCE + 1);
}

static void test_more_signatures_than_fit_lose_nothing(void **state)
{
	char name[32];

	(void)state;
	for (uint64_t round = 0; round < 10; round++) {
		for (int i = 0; i < 3 * RW_STORMS; i++) {
			snprintf(name, sizeof(name), "sig %d", i);
			for (int k = 0; k < RW_STORM_AT_ONCE + 2; k++)
				take(name, round, false);
		}
		pass(1);
	}
	rw_storms_end(t.storms);
	assert_int_equal(t.told, 10 * 3 * RW_STORMS * (RW_STORM_AT_ONCE + 2));
}

static void test_the_end_sends_what_was_counted(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		take("w", i, false);
	rw_storms_end(t.storms);
	assert_int_equal(t.told, 10);
	assert_int_equal(t.counted, 1);
	assert_string_equal(t.last, "number 10");
	rw_storms_end(t.storms);
	assert_int_equal(t.told, 10);
}

/* A task that hangs for an hour, seen every two minutes. */
static void test_what_lasts_is_told_every_five_minutes(void **state)
{
	(void)state;
	take("hung_task:f:m", 1, false);
	for (uint64_t i = 2; i <= 31; i++) {
		for (int second = 0; second < 120; second++)
			pass(1000);
		take("hung_task:f:m", i, true);
	}
	assert_int_equal(t.at_once, 1);
	rw_storms_end(t.storms);
	assert_int_equal(t.told, 31);
	assert_in_range(t.counted, 8, 12);
	assert_string_equal(t.last, "number 31");
}

static void test_something_new_is_told_while_the_old_lasts(void **state)
{
	(void)state;
	take("hung_task:f:m", 1, false);
	pass(20000);
	take("hung_task:f:m", 2, true);
	pass(20000);
	take("hung_task:f:m", 3, false); /* another task in the same place */
	assert_int_equal(t.at_once, 2);
}

static void test_flush_says_when_it_has_something_to_do(void **state)
{
	(void)state;
	assert_true(rw_storms_flush(t.storms, t.now_ms) == UINT64_MAX);
	take("w", 1, false);
	assert_true(rw_storms_flush(t.storms, t.now_ms) == UINT64_MAX);
	for (uint64_t i = 0; i < RW_STORM_AT_ONCE; i++)
		take("w", i, false);
	assert_int_equal(rw_storms_flush(t.storms, t.now_ms), 100000 + RW_STORM_MS);
	pass(RW_STORM_MS);
	assert_int_equal(t.told, RW_STORM_AT_ONCE + 1);
	assert_true(rw_storms_flush(t.storms, t.now_ms) == UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_hundred_thousand_are_a_handful),
		TEST(test_windows_grow_to_a_limit_and_calm_ends_them),
		TEST(test_a_drizzle_is_told_at_once_for_ever),
		TEST(test_signatures_do_not_count_for_one_another),
		TEST(test_more_signatures_than_fit_lose_nothing),
		TEST(test_the_end_sends_what_was_counted),
		TEST(test_what_lasts_is_told_every_five_minutes),
		TEST(test_something_new_is_told_while_the_old_lasts),
		TEST(test_flush_says_when_it_has_something_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
