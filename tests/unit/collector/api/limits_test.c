/* SPDX-License-Identifier: Apache-2.0 */
/* How often a client may ask, by a clock moved by hand, and that nothing grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/limits.h"

static const struct rw_rates rates = {.of = {[RW_CLIENT_TOKEN] = {10, 20},
					     [RW_CLIENT_ADDRESS] = {2, 3},
					     [RW_CLIENT_PROBE] = {1, 1}}};

/* How many of `asked` requests are let in at once. */
static unsigned let_in(struct rw_limits *limits, enum rw_client_class class, const char *client,
		       uint64_t now_ms, unsigned asked)
{
	unsigned taken = 0;
	uint32_t retry_s;

	for (unsigned i = 0; i < asked; i++)
		taken += rw_limits_take(limits, class, client, now_ms, &retry_s);
	return taken;
}

static void test_a_burst_and_then_the_rate(void **state)
{
	struct rw_limits *limits = rw_limits_new(&rates);

	(void)state;
	assert_int_equal(let_in(limits, RW_CLIENT_TOKEN, "ci", 5000, 100), 20);
	assert_int_equal(let_in(limits, RW_CLIENT_TOKEN, "ci", 5099, 100), 0);
	assert_int_equal(let_in(limits, RW_CLIENT_TOKEN, "ci", 5100, 100), 1);
	assert_int_equal(let_in(limits, RW_CLIENT_TOKEN, "ci", 6100, 100), 10);
	/* a long rest fills it, and no more */
	assert_int_equal(let_in(limits, RW_CLIENT_TOKEN, "ci", UINT64_MAX / 2, 100), 20);
	assert_int_equal(let_in(limits, RW_CLIENT_TOKEN, "ci", UINT64_MAX, 100), 20);
	rw_limits_free(limits);
}

static void test_clients_and_classes_are_apart(void **state)
{
	struct rw_limits *limits = rw_limits_new(&rates);

	(void)state;
	assert_int_equal(let_in(limits, RW_CLIENT_ADDRESS, "192.0.2.1", 0, 9), 3);
	assert_int_equal(let_in(limits, RW_CLIENT_ADDRESS, "192.0.2.2", 0, 9), 3);
	assert_int_equal(let_in(limits, RW_CLIENT_PROBE, "192.0.2.1", 0, 9), 1);
	assert_int_equal(let_in(limits, RW_CLIENT_TOKEN, "192.0.2.1", 0, 99), 20);
	rw_limits_free(limits);
}

static void test_it_says_when_there_is_room_again(void **state)
{
	static const struct rw_rates slow = {.of = {[RW_CLIENT_TOKEN] = {1, 1},
						    [RW_CLIENT_ADDRESS] = {20, 1},
						    [RW_CLIENT_PROBE] = {1, 1}}};
	struct rw_limits *limits = rw_limits_new(&slow);
	uint32_t retry_s = 0;

	(void)state;
	assert_true(rw_limits_take(limits, RW_CLIENT_TOKEN, "ci", 1000, &retry_s));
	assert_false(rw_limits_take(limits, RW_CLIENT_TOKEN, "ci", 1000, &retry_s));
	assert_in_range(retry_s, 1, 2);
	assert_true(rw_limits_take(limits, RW_CLIENT_TOKEN, "ci", 1000 + 1000 * retry_s, &retry_s));
	assert_true(rw_limits_take(limits, RW_CLIENT_ADDRESS, "a", 1000, &retry_s));
	assert_false(rw_limits_take(limits, RW_CLIENT_ADDRESS, "a", 1000, &retry_s));
	assert_int_equal(retry_s, 1);
	rw_limits_free(limits);
}

static void test_a_clock_that_goes_back_stands(void **state)
{
	struct rw_limits *limits = rw_limits_new(&rates);

	(void)state;
	assert_int_equal(let_in(limits, RW_CLIENT_ADDRESS, "a", 9000, 9), 3);
	assert_int_equal(let_in(limits, RW_CLIENT_ADDRESS, "a", 1000, 9), 0);
	assert_int_equal(let_in(limits, RW_CLIENT_ADDRESS, "a", 9000, 9), 0);
	assert_int_equal(let_in(limits, RW_CLIENT_ADDRESS, "a", 9500, 9), 1);
	rw_limits_free(limits);
}

/* More clients than places: each is served, and one that keeps asking stays known. */
static void test_many_clients_do_not_free_the_one_that_asks(void **state)
{
	struct rw_limits *limits = rw_limits_new(&rates);
	unsigned taken = 0;
	char client[RW_CLIENT_BYTES];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(client, sizeof(client), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(let_in(limits, RW_CLIENT_ADDRESS, client, 1 + i / 1000, 1), 1);
		taken += let_in(limits, RW_CLIENT_ADDRESS, "192.0.2.1", 1 + i / 1000, 1);
	}
	assert_int_equal(taken, 3);
	rw_limits_free(limits);
}

static void is_client(const char *address, const char *expected)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
	char client[RW_CLIENT_BYTES];

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1)
		storage.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1)
		storage.ss_family = AF_INET6;
	rw_limits_client_of(&storage, client);
	assert_string_equal(client, expected);
}

static void test_an_ipv6_client_is_its_network(void **state)
{
	(void)state;
	is_client("192.0.2.17", "192.0.2.17");
	is_client("::ffff:192.0.2.17", "192.0.2.17");
	is_client("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
	is_client("2001:db8:1:2:ffff::", "2001:db8:1:2::");
	is_client("2001:db8:1:3::", "2001:db8:1:3::");
	is_client("none", "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_burst_and_then_the_rate),
		cmocka_unit_test(test_clients_and_classes_are_apart),
		cmocka_unit_test(test_it_says_when_there_is_room_again),
		cmocka_unit_test(test_a_clock_that_goes_back_stands),
		cmocka_unit_test(test_many_clients_do_not_free_the_one_that_asks),
		cmocka_unit_test(test_an_ipv6_client_is_its_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
