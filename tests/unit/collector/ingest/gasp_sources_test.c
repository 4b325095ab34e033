/* SPDX-License-Identifier: Apache-2.0 */
/* How much is listened to each, and to all: a flood costs others nothing but the limit of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/ingest/gasp_sources.h"

static const struct rw_bucket_limit each = {10, 2}, all = {100, 20}, no_limit = {1000000, 1000000};

static struct rw_sources *make(struct rw_bucket_limit one, struct rw_bucket_limit together)
{
	struct rw_sources *sources = rw_sources_new(one, together, UINT64_C(0xfedcba9876543210));

	assert_non_null(sources);
	return sources;
}

/* The nth of many sources, on different addresses and ports. */
static struct rw_source nth(uint32_t n)
{
	return (struct rw_source){
		.address = {10, (uint8_t)(n >> 12), (uint8_t)(n >> 4), 1},
		.port = (uint16_t)(6660 + n % 16),
	};
}

static enum rw_sources_answer take(struct rw_sources *sources, uint32_t n, uint64_t now_ms)
{
	struct rw_source source = nth(n);

	return rw_sources_take(sources, &source, now_ms);
}

/* How many of so many datagrams of it may be looked at; the others are over `limit`. */
static uint32_t takes(struct rw_sources *sources, uint32_t n, uint32_t datagrams, uint64_t now_ms,
		      enum rw_sources_answer limit)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < datagrams; i++) {
		enum rw_sources_answer answer = take(sources, n, now_ms);
		if (answer == RW_SOURCES_TAKE)
			taken++;
		else
			assert_int_equal(answer, limit);
	}
	return taken;
}

static void test_a_source_has_its_burst_and_then_its_rate(void **state)
{
	struct rw_sources *sources = make(each, no_limit);
	uint64_t now_ms = 5000;

	(void)state;
	assert_int_equal(takes(sources, 1, 30, now_ms, RW_SOURCES_OVER_ITS_LIMIT), 10);
	now_ms += 499;
	assert_int_equal(take(sources, 1, now_ms), RW_SOURCES_OVER_ITS_LIMIT);
	now_ms += 1;
	assert_int_equal(takes(sources, 1, 5, now_ms, RW_SOURCES_OVER_ITS_LIMIT), 1);
	now_ms += 2000;
	assert_int_equal(takes(sources, 1, 30, now_ms, RW_SOURCES_OVER_ITS_LIMIT), 4);
	rw_sources_free(sources);
}

/* However often it asks: a part of a datagram is not lost, and none is won. */
static void test_asking_often_changes_nothing_of_the_rate(void **state)
{
	struct rw_sources *sources = make(each, no_limit);
	uint32_t taken = 0;

	(void)state;
	assert_int_equal(takes(sources, 1, 10, 1000, RW_SOURCES_OVER_ITS_LIMIT), 10);
	for (uint64_t now_ms = 1001; now_ms <= 11000; now_ms++)
		taken += take(sources, 1, now_ms) == RW_SOURCES_TAKE;
	assert_int_equal(taken, 20);
	rw_sources_free(sources);
}

static void test_a_bucket_holds_no_more_than_its_burst(void **state)
{
	struct rw_sources *sources = make(each, no_limit);

	(void)state;
	assert_int_equal(takes(sources, 1, 30, 1000, RW_SOURCES_OVER_ITS_LIMIT), 10);
	assert_int_equal(takes(sources, 1, 30, 6000, RW_SOURCES_OVER_ITS_LIMIT), 10);
	assert_int_equal(takes(sources, 1, 30, 100 * 1000, RW_SOURCES_OVER_ITS_LIMIT), 10);
	assert_int_equal(takes(sources, 1, 30, UINT64_MAX, RW_SOURCES_OVER_ITS_LIMIT), 10);
	rw_sources_free(sources);
}

static void test_sources_do_not_share_a_bucket(void **state)
{
	struct rw_sources *sources = make(each, no_limit);

	(void)state;
	/* 16 ports of an address, and then another address */
	for (uint32_t n = 0; n < 32; n++)
		assert_int_equal(takes(sources, n, 20, 1000, RW_SOURCES_OVER_ITS_LIMIT), 10);
	assert_int_equal(rw_sources_count(sources), 32);
	rw_sources_free(sources);
}

static void test_all_together_have_their_burst_and_their_rate(void **state)
{
	struct rw_sources *sources = make(each, all);
	uint32_t taken = 0;

	(void)state;
	for (uint32_t n = 0; n < 20; n++)
		taken += takes(sources, n, 9, 1000, RW_SOURCES_OVER_ALL);
	assert_int_equal(taken, 100);
	assert_int_equal(take(sources, 100, 1000), RW_SOURCES_OVER_ALL);
	taken = 0;
	for (uint32_t n = 200; n < 260; n++)
		taken += takes(sources, n, 1, 2000, RW_SOURCES_OVER_ALL);
	assert_int_equal(taken, 20);
	rw_sources_free(sources);
}

static void test_the_loud_do_not_use_up_what_is_for_all(void **state)
{
	struct rw_sources *sources = make(each, all);

	(void)state;
	assert_int_equal(takes(sources, 1, 100000, 1000, RW_SOURCES_OVER_ITS_LIMIT), 10);
	for (uint32_t n = 2; n < 11; n++)
		assert_int_equal(takes(sources, n, 10, 1000, RW_SOURCES_OVER_ALL), 10);
	assert_int_equal(take(sources, 11, 1000), RW_SOURCES_OVER_ALL);
	rw_sources_free(sources);
}

static void test_when_the_table_is_full_the_longest_unheard_is_forgotten(void **state)
{
	struct rw_sources *sources = make(each, no_limit);

	(void)state;
	for (uint32_t n = 0; n < RW_SOURCES_KEPT; n++)
		assert_int_equal(takes(sources, n, 11, 1000, RW_SOURCES_OVER_ITS_LIMIT), 10);
	assert_int_equal(rw_sources_count(sources), RW_SOURCES_KEPT);
	/* the eldest is heard again, so the second makes room */
	assert_int_equal(take(sources, 0, 1000), RW_SOURCES_OVER_ITS_LIMIT);
	assert_int_equal(take(sources, RW_SOURCES_KEPT, 1000), RW_SOURCES_TAKE);
	assert_int_equal(rw_sources_count(sources), RW_SOURCES_KEPT);
	assert_int_equal(take(sources, 0, 1000), RW_SOURCES_OVER_ITS_LIMIT);
	assert_int_equal(take(sources, 2, 1000), RW_SOURCES_OVER_ITS_LIMIT);
	assert_int_equal(take(sources, 1, 1000), RW_SOURCES_TAKE); /* as one never heard */
	rw_sources_free(sources);
}

/* Whoever speaks from made-up sources meets the limit of all, and no memory is used. */
static void test_a_flood_of_made_up_sources_meets_the_limit_of_all(void **state)
{
	enum { SOURCES = 50 * RW_SOURCES_KEPT };
	struct rw_sources *sources = make(each, all);
	uint32_t taken = 0;

	(void)state;
	for (uint32_t n = 0; n < SOURCES; n++)
		taken += take(sources, n, 1000) == RW_SOURCES_TAKE;
	assert_int_equal(taken, all.burst);
	assert_int_equal(rw_sources_count(sources), RW_SOURCES_KEPT);
	/* the last of them are all there, and found */
	for (uint32_t n = SOURCES - RW_SOURCES_KEPT; n < SOURCES; n++)
		assert_int_equal(takes(sources, n, 9, 1000, RW_SOURCES_OVER_ALL), 0);
	for (uint32_t n = SOURCES - RW_SOURCES_KEPT; n < SOURCES; n++)
		assert_int_equal(take(sources, n, 1000), RW_SOURCES_OVER_ITS_LIMIT);
	rw_sources_free(sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_source_has_its_burst_and_then_its_rate),
		cmocka_unit_test(test_asking_often_changes_nothing_of_the_rate),
		cmocka_unit_test(test_a_bucket_holds_no_more_than_its_burst),
		cmocka_unit_test(test_sources_do_not_share_a_bucket),
		cmocka_unit_test(test_all_together_have_their_burst_and_their_rate),
		cmocka_unit_test(test_the_loud_do_not_use_up_what_is_for_all),
		cmocka_unit_test(test_when_the_table_is_full_the_longest_unheard_is_forgotten),
		cmocka_unit_test(test_a_flood_of_made_up_sources_meets_the_limit_of_all),
	};

	return cmocka_run_group_tests_name("gasp_sources", tests, NULL, NULL);
}
