/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true for a user who reads what is left: the severe is there, and of
 * each signature its first and its last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sensor/evict.h"

enum { EVENTS_MAX = 4096, BYTES = 100 };

static struct rw_evict_event events[EVENTS_MAX];
static bool gone[EVENTS_MAX];
static unsigned count;

static void add(uint8_t severity, uint64_t signature, unsigned times)
{
	for (; times > 0; times--, count++)
		events[count] = (struct rw_evict_event){severity, signature, count + 1, BYTES};
}

static int set_up(void **state)
{
	(void)state;
	count = 0;
	memset(gone, 0, sizeof(gone));
	return 0;
}

/* Evicts; the bytes that could not be won. */
static uint64_t evict(uint64_t bytes, uint8_t most_severe)
{
	struct rw_evict *e = rw_evict_new();
	uint64_t won = 0;

	assert_non_null(e);
	for (unsigned i = 0; i < count; i++)
		rw_evict_count(e, &events[i]);
	uint64_t left = rw_evict_plan(e, bytes, most_severe);
	for (unsigned i = 0; i < count; i++) {
		gone[i] = rw_evict_takes(e, &events[i]);
		won += gone[i] ? BYTES : 0;
	}
	rw_evict_free(e);
	assert_true(won + left >= bytes);
	return left;
}

static unsigned left_of(uint8_t severity, uint64_t signature)
{
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++)
		left += events[i].severity == severity && events[i].signature == signature &&
			!gone[i];
	return left;
}

static void test_the_least_severe_go_first(void **state)
{
	(void)state;
	add(3, 1, 50);
	add(1, 2, 10);
	add(2, 3, 50);
	assert_int_equal(evict(12 * BYTES, 3), 0);
	assert_int_equal(left_of(1, 2), 0);
	assert_int_equal(left_of(2, 3), 48);
	assert_int_equal(left_of(3, 1), 50);
}

static void test_what_is_more_severe_is_not_touched(void **state)
{
	(void)state;
	add(3, 1, 50);
	add(2, 2, 5);
	assert_int_equal(evict(20 * BYTES, 2), 15 * BYTES);
	assert_int_equal(left_of(3, 1), 50);
	assert_int_equal(left_of(2, 2), 0);
}

static void test_the_most_repeated_are_thinned_out(void **state)
{
	(void)state;
	add(2, 1, 100);
	add(2, 2, 30);
	add(2, 3, 3);
	add(2, 1, 100);
	add(2, 4, 1);
	assert_int_equal(evict(150 * BYTES, 2), 0);
	assert_int_equal(left_of(2, 1), 50);
	assert_int_equal(left_of(2, 2), 30);
	assert_int_equal(left_of(2, 3), 3);
	assert_int_equal(left_of(2, 4), 1);
	/* the oldest of them went, but not the first */
	assert_false(gone[0]);
	assert_true(gone[1]);
	assert_false(gone[count - 2]);
}

static void test_first_and_last_stay_to_the_end(void **state)
{
	(void)state;
	for (uint64_t signature = 1; signature <= 20; signature++)
		add(2, signature, 10);
	assert_int_equal(evict(160 * BYTES, 2), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(gone[i], i % 10 != 0 && i % 10 != 9);
	/* then the oldest */
	assert_int_equal(evict(165 * BYTES, 2), 0);
	assert_int_equal(left_of(2, 1), 0);
	assert_int_equal(left_of(2, 2), 0);
	assert_int_equal(left_of(2, 3), 1);
	assert_int_equal(left_of(2, 4), 2);
	assert_int_equal(left_of(2, 20), 2);
}

/* More signatures than the table has rows: still as much goes as has to. */
static void test_too_many_signatures(void **state)
{
	(void)state;
	for (uint64_t signature = 1; signature <= 2000; signature++)
		add(2, signature * 0x9e3779b97f4a7c15, 1);
	add(2, 0x9e3779b97f4a7c15, 1000);
	assert_int_equal(evict(1500 * BYTES, 2), 0);
	assert_int_equal(left_of(2, 0x9e3779b97f4a7c15), 1);
	assert_false(gone[count - 1]);
	unsigned left = 0;
	for (unsigned i = 0; i < count; i++)
		left += !gone[i];
	assert_int_equal(left, 1500);
}

static void test_nothing_goes_for_nothing(void **state)
{
	(void)state;
	add(1, 1, 100);
	assert_int_equal(evict(0, 3), 0);
	assert_int_equal(left_of(1, 1), 100);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_least_severe_go_first),
		TEST(test_what_is_more_severe_is_not_touched),
		TEST(test_the_most_repeated_are_thinned_out),
		TEST(test_first_and_last_stay_to_the_end),
		TEST(test_too_many_signatures),
		TEST(test_nothing_goes_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
