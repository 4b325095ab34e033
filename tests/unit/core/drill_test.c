/* SPDX-License-Identifier: Apache-2.0 */
/* A staged failure in the judgement: an abort that is marked, changes nothing, and goes. */
#include "tests/unit/core/fixture.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static bool is_warned(struct fixture *f, const char *ring)
{
	const struct rw_verdict *v = fx_verdict(f, "d", ring);

	for (uint32_t i = 0; i < v->warning_count; i++) {
		if (v->warnings[i] == RW_WARNING_DRILL_STALE)
			return true;
	}
	return false;
}

static void every_verdict_on_the_deployment_aborts_until_it_is_over(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(2), 5);
	size_t rows = f->journal_count;

	fx_create(f, "other", 2);
	fx_start(f, "other", "r0", 1);
	rows = f->journal_count;
	assert_int_equal(rw_core_drill(f->core, "d", f->now.boot_ms + 10000), 0);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "abort: drill");
	assert_string_equal(fx_say(fx_verdict(f, "d", "r1")), "abort: drill");
	assert_string_equal(fx_say(fx_ask(f, "d", "r0", RW_FOR_ENTER)), "abort: drill");
	assert_int_equal(fx_verdict(f, "other", "r0")->decision, RW_HOLD);
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_false(v->breaker_open);
	assert_int_equal(v->failed, 0);
	assert_int_equal(v->evidence_count, 0);
	assert_int_equal(f->journal_count, rows); /* it is nothing that a store has to know */

	fx_run(f, 9000);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	fx_run(f, 1000);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: bake_incomplete");
	assert_int_equal(fx_verdict(f, "d", "r0")->observed_ms, 10000); /* the bake went on */
	fx_free(f);
}

static void a_real_failure_stands_beside_it_and_stays(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);

	assert_int_equal(rw_core_drill(f->core, "d", f->now.boot_ms + 10000), 0);
	fx_oops(f, 0);
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_string_equal(fx_say(v), "abort"); /* the breaker's, which needs no reason */
	assert_true(v->breaker_open);
	assert_int_equal(rw_core_drill(f->core, "d", 0), 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	fx_free(f);
}

static void it_ends_with_its_deployment_and_with_the_core(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);

	assert_int_equal(rw_core_drill(f->core, "nothing", f->now.boot_ms + 10000), -ENOENT);
	assert_int_equal(rw_core_drill(f->core, "d", f->now.boot_ms + 60000), 0);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "bad", f->now).status, 0);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: withdrawn");

	fx_create(f, "e", 1);
	assert_int_equal(rw_core_drill(f->core, "e", f->now.boot_ms + 60000), 0);
	assert_int_equal(fx_verdict(f, "e", "r0")->decision, RW_ABORT);
	fx_restart(f);
	assert_int_equal(fx_verdict(f, "e", "r0")->decision, RW_HOLD);
	fx_free(f);
}

static void a_ring_that_no_drill_has_proved_for_a_day_is_warned_of(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(2), 5);

	assert_true(is_warned(f, "r0"));
	assert_int_equal(fx_verdict(f, "d", "r0")->proved_wall_ms, 0);
	uint64_t proved = f->now.wall_ms;
	assert_int_equal(rw_core_proved(f->core, "r0", proved), 0);
	assert_int_equal(rw_core_proved(f->core, "r9", proved), -ENOENT);
	assert_int_equal(fx_verdict(f, "d", "r0")->proved_wall_ms, proved);
	assert_false(is_warned(f, "r0"));
	assert_true(is_warned(f, "r1"));

	f->now.wall_ms = proved + DAY_MS - 1;
	assert_false(is_warned(f, "r0"));
	f->now.wall_ms = proved + DAY_MS;
	assert_true(is_warned(f, "r0"));
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verdict_on_the_deployment_aborts_until_it_is_over),
		cmocka_unit_test(a_real_failure_stands_beside_it_and_stays),
		cmocka_unit_test(it_ends_with_its_deployment_and_with_the_core),
		cmocka_unit_test(a_ring_that_no_drill_has_proved_for_a_day_is_warned_of),
	};

	return cmocka_run_group_tests_name("drill", tests, NULL, NULL);
}
