/* SPDX-License-Identifier: Apache-2.0 */
/* Events leave a spool only after their ack, in order, and never twice. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/fleet/spool.h"

static void add(struct rw_fleet_spool *spool, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct rw_fleet_event event = {.variant = i};
		assert_int_equal(rw_fleet_spool_add(spool, &event), 0);
	}
}

static void expect(const struct rw_fleet_spool *spool, uint64_t first, size_t count)
{
	assert_int_equal(spool->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(rw_fleet_spool_at(spool, i)->sequence, first + i);
}

static void numbers_from_one_and_keeps_until_acked(void **state)
{
	(void)state;
	struct rw_fleet_spool spool = {0};

	add(&spool, 20);
	expect(&spool, 1, 20);
	assert_int_equal(rw_fleet_spool_ack(&spool, 7), 0);
	expect(&spool, 8, 13);
	assert_int_equal(rw_fleet_spool_ack(&spool, 3), 0); /* an old ack says nothing new */
	expect(&spool, 8, 13);
	assert_int_equal(spool.acked, 7);
	rw_fleet_spool_release(&spool);
}

static void wraps_around_without_losing_any(void **state)
{
	(void)state;
	struct rw_fleet_spool spool = {0};
	uint64_t acked = 0;

	add(&spool, 5);
	for (int i = 0; i < 200; i++) {
		add(&spool, 3);
		acked += i % 2 == 0 ? 2 : 3;
		assert_int_equal(rw_fleet_spool_ack(&spool, acked), 0);
		expect(&spool, acked + 1, (size_t)(spool.last - acked));
	}
	rw_fleet_spool_release(&spool);
}

static void an_ack_of_what_never_was_is_refused(void **state)
{
	(void)state;
	struct rw_fleet_spool spool = {0};

	assert_int_equal(rw_fleet_spool_ack(&spool, 0), 0);
	assert_int_equal(rw_fleet_spool_ack(&spool, 1), -EINVAL);
	add(&spool, 2);
	assert_int_equal(rw_fleet_spool_ack(&spool, 3), -EINVAL);
	expect(&spool, 1, 2);
	rw_fleet_spool_release(&spool);
}

static void is_bounded_and_owns_nothing_when_empty(void **state)
{
	(void)state;
	struct rw_fleet_spool spool = {0};
	struct rw_fleet_event event = {0};

	add(&spool, RW_FLEET_SPOOL_MAX);
	assert_int_equal(rw_fleet_spool_add(&spool, &event), -ENOSPC);
	assert_int_equal(spool.last, RW_FLEET_SPOOL_MAX);
	assert_int_equal(rw_fleet_spool_ack(&spool, RW_FLEET_SPOOL_MAX), 0);
	assert_null(spool.events);
	add(&spool, 1);
	expect(&spool, RW_FLEET_SPOOL_MAX + 1, 1);
	rw_fleet_spool_release(&spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_from_one_and_keeps_until_acked),
		cmocka_unit_test(wraps_around_without_losing_any),
		cmocka_unit_test(an_ack_of_what_never_was_is_refused),
		cmocka_unit_test(is_bounded_and_owns_nothing_when_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
