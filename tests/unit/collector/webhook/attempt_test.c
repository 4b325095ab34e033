/* SPDX-License-Identifier: Apache-2.0 */
/* The signature against values that OpenSSL's and Python's own tools say, and what an end means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/webhook/attempt.h"

static void a_signature_is_the_hmac_of_time_and_body(void **state)
{
	char out[RW_WEBHOOK_SIGNATURE_BYTES];

	(void)state;
	/* printf '1721361540.{"id":"1"}' | openssl dgst -sha256 -hmac 'a key that both know' */
	assert_true(rw_webhook_sign("a key that both know", 1721361540, "{\"id\":\"1\"}", out));
	assert_string_equal(
		out,
		"t=1721361540,v1=b1c1dcf626aef764d04e2a8f98e3c57d60946cff9e4e50eef09a606a7ec5dd5f");
	assert_true(rw_webhook_sign("k", UINT64_MAX, "", out));
	assert_int_equal(strlen(out), strlen("t=18446744073709551615,v1=") + 64);
}

static enum rw_delivery_state judge(long status, uint64_t attempts, uint64_t age_ms,
				    uint64_t retry_after_s, uint32_t dice, uint64_t *again_ms)
{
	const struct rw_webhook_end end = {.status = status,
					   .retry_after_s = retry_after_s,
					   .attempts = attempts,
					   .age_ms = age_ms,
					   .dice = dice};

	return rw_webhook_judge(&end, again_ms);
}

static void a_status_says_whether_to_come_again(void **state)
{
	static const struct {
		long status;
		enum rw_delivery_state expected;
	} cases[] = {
		{200, RW_DELIVERY_DELIVERED}, {202, RW_DELIVERY_DELIVERED},
		{299, RW_DELIVERY_DELIVERED}, {0, RW_DELIVERY_PENDING},
		{199, RW_DELIVERY_PENDING},   {301, RW_DELIVERY_PENDING},
		{399, RW_DELIVERY_PENDING},   {400, RW_DELIVERY_DEAD},
		{401, RW_DELIVERY_DEAD},      {404, RW_DELIVERY_DEAD},
		{408, RW_DELIVERY_PENDING},   {410, RW_DELIVERY_DEAD},
		{425, RW_DELIVERY_PENDING},   {429, RW_DELIVERY_PENDING},
		{499, RW_DELIVERY_DEAD},      {500, RW_DELIVERY_PENDING},
		{503, RW_DELIVERY_PENDING},   {600, RW_DELIVERY_PENDING},
	};
	uint64_t again_ms;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (judge(cases[i].status, 1, 0, 0, 0, &again_ms) != cases[i].expected)
			fail_msg("%ld is not %s", cases[i].status,
				 rw_delivery_state_name(cases[i].expected));
	}
}

static void it_waits_twice_as_long_each_time_up_to_a_limit(void **state)
{
	uint64_t least, most, expected = RW_WEBHOOK_FIRST_MS;

	(void)state;
	for (uint64_t attempts = 1; attempts < 400; attempts++) {
		judge(500, attempts, 0, 0, 0, &least);
		judge(500, attempts, 0, 0, (uint32_t)(expected / 2), &most);
		assert_int_equal(least, expected / 2);
		assert_int_equal(most, expected);
		expected =
			2 * expected > RW_WEBHOOK_SLOWEST_MS ? RW_WEBHOOK_SLOWEST_MS : 2 * expected;
	}
	assert_int_equal(expected, 300000);
}

static void it_waits_as_it_is_told_but_not_for_ever(void **state)
{
	uint64_t again_ms;

	(void)state;
	judge(429, 1, 0, 30, 0, &again_ms);
	assert_int_equal(again_ms, 30000);
	judge(503, 1, 0, UINT64_MAX, 0, &again_ms);
	assert_int_equal(again_ms, RW_WEBHOOK_RETRY_AFTER_MAX_MS);
	judge(503, 12, 0, 1, 0, &again_ms); /* its own wait is longer */
	assert_int_equal(again_ms, RW_WEBHOOK_SLOWEST_MS / 2);
}

static void after_a_day_it_is_dead_unless_it_arrived(void **state)
{
	uint64_t again_ms;

	(void)state;
	assert_int_equal(judge(0, 99, RW_WEBHOOK_GIVE_UP_MS - 1, 0, 0, &again_ms),
			 RW_DELIVERY_PENDING);
	assert_int_equal(judge(0, 99, RW_WEBHOOK_GIVE_UP_MS, 0, 0, &again_ms), RW_DELIVERY_DEAD);
	/* It was down for the day: that is not the receiver's fault. */
	assert_int_equal(
		judge(0, RW_WEBHOOK_GIVE_UP_ATTEMPTS - 1, RW_WEBHOOK_GIVE_UP_MS, 0, 0, &again_ms),
		RW_DELIVERY_PENDING);
	assert_int_equal(judge(200, 99, RW_WEBHOOK_GIVE_UP_MS, 0, 0, &again_ms),
			 RW_DELIVERY_DELIVERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_is_the_hmac_of_time_and_body),
		cmocka_unit_test(a_status_says_whether_to_come_again),
		cmocka_unit_test(it_waits_twice_as_long_each_time_up_to_a_limit),
		cmocka_unit_test(it_waits_as_it_is_told_but_not_for_ever),
		cmocka_unit_test(after_a_day_it_is_dead_unless_it_arrived),
	};

	return cmocka_run_group_tests_name("webhook_attempt", tests, NULL, NULL);
}
