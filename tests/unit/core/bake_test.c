/* SPDX-License-Identifier: Apache-2.0 */
/* The bake counts only what was really watched. */
#include "tests/unit/core/fixture.h"

static uint64_t observed(struct fixture *f)
{
	return fx_verdict(f, "d", "r0")->observed_ms;
}

static enum rw_bake_state bake(struct fixture *f)
{
	return fx_verdict(f, "d", "r0")->bake;
}

static void it_completes_after_exactly_its_time_and_stays_complete(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 3, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	assert_int_equal(bake(f), RW_BAKE_NOT_STARTED);
	fx_start(f, "d", "r0", 1);
	assert_int_equal(bake(f), RW_BAKE_PAUSED); /* nobody was heard since the exposure */
	for (uint32_t i = 0; i < 3; i++)
		fx_beat(f, i);
	assert_int_equal(bake(f), RW_BAKE_BAKING);
	fx_tick(f);
	fx_run(f, FX_BAKE_MS - RW_CORE_TICK_MS);
	assert_int_equal(bake(f), RW_BAKE_BAKING);
	assert_int_equal(observed(f), FX_BAKE_MS - RW_CORE_TICK_MS);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: bake_incomplete");
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(bake(f), RW_BAKE_COMPLETE);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "proceed");

	f->hosts[0].beats = false;
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_REBOOT, 600000, f->now);
	fx_run(f, 60000);
	assert_int_equal(bake(f), RW_BAKE_COMPLETE);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: coverage_low");
	fx_free(f);
}

static void it_pauses_while_coverage_is_low(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 20);
	uint64_t before = observed(f);

	/* One of 20 away is 95 %: enough. Two are not. */
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_REBOOT, 300000, f->now);
	f->hosts[0].beats = false;
	fx_run(f, 10000);
	assert_int_equal(bake(f), RW_BAKE_BAKING);
	assert_int_equal(observed(f), before + 10000);
	rw_core_goodbye(f->core, fx_handle(f, 1), RW_BYE_REBOOT, 300000, f->now);
	f->hosts[1].beats = false;
	fx_run(f, 10000);
	assert_int_equal(bake(f), RW_BAKE_PAUSED);
	assert_int_equal(observed(f), before + 10000);
	fx_reboots(f, 1);
	fx_hello(f, 1, "r0");
	assert_int_equal(bake(f), RW_BAKE_BAKING);
	fx_tick(f);
	fx_run(f, 10000);
	assert_int_equal(observed(f), before + 20000);
	fx_free(f);
}

static void suspects_are_still_covered(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 2);

	f->hosts[0].beats = false;
	fx_run(f, 20000);
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	assert_int_equal(fx_verdict(f, "d", "r0")->covered, 2);
	assert_int_equal(bake(f), RW_BAKE_BAKING);
	fx_free(f);
}

static void a_stall_and_what_follows_it_add_nothing(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	uint64_t before = observed(f);

	fx_sleep(f, 3600000);
	fx_tick(f);
	assert_int_equal(observed(f), before);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: blind bake_incomplete");
	fx_run(f, 12000);
	assert_int_equal(observed(f), before);
	fx_run(f, 10000);
	assert_int_equal(observed(f), before + 10000);
	fx_free(f);
}

static void downtime_of_the_collector_adds_nothing_and_costs_5_s_at_most(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 12000; at += 1750) {
		struct fixture *f = fx_started(fx_policy(1), 3);

		fx_run(f, at);
		uint64_t before = observed(f);
		fx_sleep(f, 600000);
		fx_restart(f);
		assert_in_range(observed(f) + RW_BAKE_SAVE_MS, before, before + RW_BAKE_SAVE_MS);
		uint64_t after = observed(f);
		fx_run(f, 30000); /* blind */
		assert_int_equal(observed(f), after);
		assert_int_equal(bake(f), RW_BAKE_BAKING);
		fx_run(f, 5000);
		assert_int_equal(observed(f), after + 5000);
		fx_free(f);
	}
}

static void too_few_exposed_of_the_target_pause_it(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	/* As when a store lost exposures: 8 of a target of 10. */
	struct rw_run *run = &f->core->deployments[0]->runs[0];
	run->target = 12;
	fx_run(f, 1000);
	assert_int_equal(bake(f), RW_BAKE_PAUSED);
	run->target = 11;
	assert_int_equal(bake(f), RW_BAKE_BAKING);
	fx_free(f);
}

static void an_open_breaker_stops_it_and_a_reset_begins_anew(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_run(f, 20000);
	fx_oops(f, 0);
	uint64_t before = observed(f);
	assert_true(before >= 20000);
	fx_run(f, 20000);
	assert_int_equal(observed(f), before);
	assert_int_equal(bake(f), RW_BAKE_PAUSED);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	assert_int_equal(observed(f), 0);
	assert_int_equal(bake(f), RW_BAKE_BAKING);
	fx_run(f, FX_BAKE_MS);
	assert_int_equal(bake(f), RW_BAKE_COMPLETE);
	fx_free(f);
}

static void each_step_bakes_for_itself(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].step_count = 2;
	policy.rings[0].step_ppm[0] = 250000;
	policy.rings[0].step_ppm[1] = RW_PPM;
	struct fixture *f = fx_started(policy, 8);

	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->max_exposed_hosts, 2);
	assert_int_equal(v->steps, 2);
	fx_run(f, FX_BAKE_MS);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "proceed");
	fx_start(f, "d", "r0", 2);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->step, 2);
	assert_int_equal(v->observed_ms, 0);
	assert_int_equal(v->max_exposed_hosts, 8);
	assert_string_equal(fx_say(v), "hold: bake_incomplete");
	fx_run(f, FX_BAKE_MS);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "proceed");
	fx_free(f);
}

static void hosts_that_count_in_another_ring_are_missing_from_the_target(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(2), 10);

	fx_enrol(f, 100, 6, "r1");
	for (uint32_t i = 0; i < 4; i++)
		fx_hello(f, i, "r1"); /* exposed in r0, and still counted there */
	fx_run(f, FX_BAKE_MS);
	fx_start(f, "d", "r1", 1);
	fx_run(f, 5000);
	struct rw_verdict *v = fx_verdict(f, "d", "r1");
	assert_int_equal(v->enrolled, 10);
	assert_int_equal(v->exposed, 6);
	assert_int_equal(v->bake, RW_BAKE_PAUSED);
	assert_int_equal(v->observed_ms, 0);
	fx_free(f);
}

static void a_reset_between_two_ticks_begins_at_0(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_oops(f, 0);
	fx_tick(f);
	fx_sleep(f, RW_CORE_TICK_MS - 50);
	assert_true(rw_core_deploy_reset(f->core, "d", "r0", f->now).changed);
	fx_sleep(f, 50);
	fx_tick(f);
	assert_in_range(observed(f), 0, 50);
	fx_run(f, 1000);
	assert_in_range(observed(f), 1000, 1050);
	fx_free(f);
}

static void a_ring_of_one_host_bakes_too(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 1);

	fx_run(f, FX_BAKE_MS);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "proceed");
	fx_free(f);
}

static void even_a_bake_of_0_is_not_complete_before_its_step(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].bake_ms = 0;
	struct fixture *f = fx_new(policy);

	fx_enrol(f, 0, 3, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")),
			    "hold: not_started no_exposed_hosts too_few_hosts bake_incomplete");
	fx_free(f);
}

static void a_bake_has_a_name_for_each_state(void **state)
{
	(void)state;
	assert_string_equal(rw_bake_state_name(RW_BAKE_NOT_STARTED), "not_started");
	assert_string_equal(rw_bake_state_name(RW_BAKE_BAKING), "baking");
	assert_string_equal(rw_bake_state_name(RW_BAKE_PAUSED), "paused");
	assert_string_equal(rw_bake_state_name(RW_BAKE_COMPLETE), "complete");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_completes_after_exactly_its_time_and_stays_complete),
		cmocka_unit_test(it_pauses_while_coverage_is_low),
		cmocka_unit_test(suspects_are_still_covered),
		cmocka_unit_test(a_stall_and_what_follows_it_add_nothing),
		cmocka_unit_test(downtime_of_the_collector_adds_nothing_and_costs_5_s_at_most),
		cmocka_unit_test(too_few_exposed_of_the_target_pause_it),
		cmocka_unit_test(an_open_breaker_stops_it_and_a_reset_begins_anew),
		cmocka_unit_test(each_step_bakes_for_itself),
		cmocka_unit_test(hosts_that_count_in_another_ring_are_missing_from_the_target),
		cmocka_unit_test(a_reset_between_two_ticks_begins_at_0),
		cmocka_unit_test(a_ring_of_one_host_bakes_too),
		cmocka_unit_test(even_a_bake_of_0_is_not_complete_before_its_step),
		cmocka_unit_test(a_bake_has_a_name_for_each_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
