/* SPDX-License-Identifier: Apache-2.0 */
/* What the two questions are answered, and that no answer rests on less than it says. */
#include "tests/unit/core/fixture.h"

#include "collector/core/statistics.h"

static void expect(struct fixture *f, const char *ring, enum rw_question question, const char *text)
{
	const char *said = fx_say(fx_ask(f, "d", ring, question));

	if (strcmp(said, text) != 0)
		fail_msg("for=%s: wanted '%s', got '%s'",
			 question == RW_FOR_ENTER ? "enter" : "advance", text, said);
}

static void unknown_names_hold(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(2));

	expect(f, "r9", RW_FOR_ADVANCE, "hold: unknown_deployment unknown_ring blind");
	expect(f, "r0", RW_FOR_ADVANCE, "hold: unknown_deployment blind");
	fx_create(f, "d", 1);
	fx_listen(f);
	expect(f, "r9", RW_FOR_ADVANCE, "hold: unknown_ring");
	expect(f, "r1", RW_FOR_ENTER, "hold: unknown_ring"); /* known, but not this deployment's */
	struct rw_verdict *v = fx_verdict(f, "d", "r9");
	assert_string_equal(v->deployment, "d");
	assert_string_equal(v->ring, "r9");
	assert_int_equal(v->evaluated_wall_ms, f->now.wall_ms);
	fx_free(f);
}

static void every_reason_is_given_and_in_order(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(2);
	policy.rings[1].least_hosts = 3;
	struct fixture *f = fx_new(policy);
	fx_enrol(f, 0, 2, "r0");
	fx_enrol(f, 10, 5, "r1");
	f->hosts[12].beats = false;
	f->hosts[13].beats = false;
	f->hosts[14].beats = false;
	fx_run(f, 31000);
	fx_create(f, "d", 2);
	rw_core_set_store_failed(f->core, true);
	fx_sleep(f, 10000);
	fx_tick(f);
	expect(f, "r1", RW_FOR_ADVANCE,
	       "hold: blind store_failed not_started previous_ring_not_passed ring_unhealthy "
	       "no_exposed_hosts too_few_hosts bake_incomplete");
	expect(f, "r1", RW_FOR_ENTER,
	       "hold: blind store_failed not_started previous_ring_not_passed ring_unhealthy");
	rw_core_set_store_failed(f->core, false);
	fx_run(f, 12000);
	expect(f, "r0", RW_FOR_ADVANCE,
	       "hold: not_started no_exposed_hosts too_few_hosts bake_incomplete");
	expect(f, "r0", RW_FOR_ENTER, "hold: not_started");
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "", f->now).status, 0);
	expect(f, "r1", RW_FOR_ADVANCE, "hold: withdrawn");
	fx_free(f);
}

static void a_ring_after_another_waits_for_it(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(2));
	fx_enrol(f, 0, 3, "r0");
	fx_enrol(f, 10, 3, "r1");
	fx_listen(f);
	fx_create(f, "d", 2);
	fx_start(f, "d", "r0", 1);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: coverage_low too_few_hosts bake_incomplete");
	fx_run(f, 5000);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: bake_incomplete");
	fx_run(f, FX_BAKE_MS);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	expect(f, "r1", RW_FOR_ENTER, "hold: not_started");
	fx_start(f, "d", "r1", 1);
	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r1", RW_FOR_ADVANCE, "proceed");
	expect(f, "r1", RW_FOR_ENTER, "proceed");
	fx_oops(f, 0);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	fx_tick(f);
	expect(f, "r1", RW_FOR_ADVANCE, "hold: previous_ring_not_passed");
	fx_free(f);
}

static void enter_asks_for_room_not_for_the_bake(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].step_count = 2;
	policy.rings[0].step_ppm[0] = 500000;
	policy.rings[0].step_ppm[1] = RW_PPM;
	struct fixture *f = fx_started(policy, 4);

	assert_int_equal(fx_verdict(f, "d", "r0")->max_exposed_hosts, 2);
	expect(f, "r0", RW_FOR_ENTER, "hold: bake_incomplete"); /* 4 of 2 exposed */
	fx_enrol(f, 100, 6, "r0");                              /* now 5 of 10 are allowed */
	assert_int_equal(fx_verdict(f, "d", "r0")->max_exposed_hosts, 5);
	fx_tick(f);
	expect(f, "r0", RW_FOR_ENTER, "proceed");
	expect(f, "r0", RW_FOR_ADVANCE, "hold: bake_incomplete");
	for (uint32_t i = 102; i < 106; i++) /* coverage of the exposed is none of its business */
		fx_hello(f, i, "r0");
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_REBOOT, 300000, f->now);
	f->hosts[0].beats = false;
	fx_tick(f);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: coverage_low bake_incomplete");
	expect(f, "r0", RW_FOR_ENTER, "proceed");
	fx_reboots(f, 0);
	fx_hello(f, 0, "r0");
	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	fx_start(f, "d", "r0", 2);
	fx_run(f, 5000);
	expect(f, "r0", RW_FOR_ENTER, "hold: bake_incomplete"); /* all 10 of 10 */
	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r0", RW_FOR_ENTER, "proceed");
	fx_free(f);

	f = fx_started(policy, 4);
	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	expect(f, "r0", RW_FOR_ENTER, "hold: not_started"); /* the next step makes the room */
	fx_free(f);
}

static void proceed_needs_what_it_rests_on_to_be_on_disk(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	f->holds_commits = true;
	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: store_failed");
	rw_core_committed(f->core, f->sequence - 1);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: store_failed");
	rw_core_committed(f->core, f->sequence);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	rw_core_set_store_failed(f->core, true);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: store_failed");
	expect(f, "r0", RW_FOR_ENTER, "hold: store_failed");
	rw_core_set_store_failed(f->core, false);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	/* The presence of some other host is nothing that it rests on. */
	fx_hello(f, 50, "r0");
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	fx_free(f);
}

static void proceed_rests_on_the_ring_before_too(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(2);
	for (int rule = RW_RULE_OFFLINE; rule < RW_RULE_COUNT; rule++)
		policy.rings[0].limits[rule].ppm = 500000;
	struct fixture *f = fx_started(policy, 3);
	fx_enrol(f, 10, 3, "r1");
	fx_run(f, FX_BAKE_MS + 5000);
	fx_start(f, "d", "r1", 1);
	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r1", RW_FOR_ADVANCE, "proceed");
	f->holds_commits = true;
	fx_oops(f, 0); /* 1 of 3 there: within its limit */
	expect(f, "r1", RW_FOR_ADVANCE, "hold: store_failed");
	rw_core_committed(f->core, f->sequence);
	expect(f, "r1", RW_FOR_ADVANCE, "proceed");
	fx_free(f);
}

static void abort_needs_no_disk_and_no_sight(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	f->holds_commits = true;
	fx_oops(f, 0);
	rw_core_set_store_failed(f->core, true);
	fx_sleep(f, 100000);
	expect(f, "r0", RW_FOR_ADVANCE, "abort");
	expect(f, "r0", RW_FOR_ENTER, "abort");
	expect(f, "r9", RW_FOR_ADVANCE, "abort");
	fx_free(f);
}

static void a_restart_holds_until_it_has_listened(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	fx_restart(f);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: blind coverage_low");
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: blind");
	expect(f, "r0", RW_FOR_ENTER, "hold: blind");
	fx_run(f, RW_CORE_TICK_MS);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	fx_free(f);
}

static void a_loop_that_does_not_turn_is_blind_before_its_next_tick(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	fx_sleep(f, RW_STALL_MS + 1);
	expect(f, "r0", RW_FOR_ADVANCE, "hold: blind");
	fx_free(f);
}

static void asking_changes_nothing(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_core copy = *f->core;

	for (int i = 0; i < 10; i++) {
		fx_sleep(f, 10000);
		fx_verdict(f, "d", "r0");
		fx_ask(f, "x", "y", RW_FOR_ENTER);
	}
	assert_memory_equal(&copy, f->core, sizeof(copy));
	fx_free(f);
}

static void the_figures_add_up(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	f->hosts[0].beats = false;
	fx_run(f, 15000);
	rw_core_goodbye(f->core, fx_handle(f, 1), RW_BYE_REBOOT, 300000, f->now);
	f->hosts[1].beats = false;
	fx_hello(f, 50, "r0");
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	uint64_t total = 0;

	for (int presence = 0; presence < RW_PRESENCE_COUNT; presence++)
		total += v->presence[presence];
	assert_int_equal(total, v->enrolled);
	assert_int_equal(v->enrolled, 11);
	assert_int_equal(v->presence[RW_SUSPECT], 1);
	assert_int_equal(v->presence[RW_PLANNED], 1);
	assert_int_equal(v->covered, 9);
	assert_int_equal(v->limit_ppm, 1000);
	assert_int_equal(v->required_ms, FX_BAKE_MS);
	assert_int_equal(v->min_coverage_ppm, 950000);
	fx_free(f);
}

static void a_ring_that_is_not_the_share_it_claims_is_a_warning(void **state)
{
	static const struct {
		uint32_t canaries;
		bool warned;
	} rows[] = {{20, false}, {22, false}, {24, true}, {16, true}, {0, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_policy policy = fx_policy(2);
		policy.rings[0].fleet_share_ppm = 100000;
		struct fixture *f = fx_new(policy);

		fx_enrol(f, 0, rows[i].canaries, "r0");
		fx_enrol(f, 100, 200 - rows[i].canaries, "r1");
		fx_create(f, "d", 2);
		assert_int_equal(rw_core_proved(f->core, "r0", f->now.wall_ms), 0);
		assert_int_equal(rw_core_proved(f->core, "r1", f->now.wall_ms), 0);
		struct rw_verdict *v = fx_verdict(f, "d", "r0");
		assert_int_equal(v->warning_count, rows[i].warned);
		if (rows[i].warned)
			assert_int_equal(v->warnings[0], RW_WARNING_RING_SHARE);
		assert_int_equal(fx_verdict(f, "d", "r1")->warning_count, 0); /* claims nothing */
		fx_free(f);
	}
}

static bool is_warned(struct fixture *f, const char *deployment, const char *ring)
{
	const struct rw_verdict *v = fx_verdict(f, deployment, ring);

	fx_check(f);
	for (uint32_t i = 0; i < v->warning_count; i++) {
		if (v->warnings[i] == RW_WARNING_COVERAGE_OF_HOOKS)
			return true;
	}
	return false;
}

static void an_exposed_host_that_cannot_see_a_crash_is_a_warning_and_no_more(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	assert_false(is_warned(f, "d", "r0"));
	rw_core_set_blind_kinds(f->core, fx_handle(f, 1), 1u << KIND_WARNING);
	assert_false(is_warned(f, "d", "r0")); /* which this policy does not count */
	rw_core_set_blind_kinds(f->core, fx_handle(f, 1), 1u << KIND_WARNING | 1u << KIND_PANIC);
	assert_true(is_warned(f, "d", "r0"));
	rw_core_set_blind_kinds(f->core, fx_handle(f, 2), 1u << KIND_OOPS);
	rw_core_set_blind_kinds(f->core, fx_handle(f, 1), 0);
	assert_true(is_warned(f, "d", "r0"));
	fx_run(f, FX_BAKE_MS + 5000);
	expect(f, "r0", RW_FOR_ADVANCE, "proceed");
	rw_core_set_blind_kinds(f->core, fx_handle(f, 2), 0);
	assert_false(is_warned(f, "d", "r0"));

	/* One that is not exposed is none of this deployment's business. */
	fx_hello(f, 50, "r0");
	rw_core_set_blind_kinds(f->core, fx_handle(f, 50), UINT32_MAX);
	assert_false(is_warned(f, "d", "r0"));
	rw_core_set_blind_kinds(f->core, fx_handle(f, 0), UINT32_MAX);
	assert_true(is_warned(f, "d", "r0"));
	assert_int_equal(rw_core_deploy_finish(f->core, "d", f->now).status, 0);
	assert_false(is_warned(f, "d", "r0"));
	rw_core_set_blind_kinds(f->core, 4711, UINT32_MAX); /* no such host */
	fx_free(f);
}

static void every_state_has_a_word(void **state)
{
	(void)state;
	for (int i = 0; i < RW_REASON_COUNT; i++)
		assert_string_not_equal(rw_reason_name((enum rw_reason)i), "unknown");
	for (int i = 0; i < RW_WARNING_COUNT; i++)
		assert_string_not_equal(rw_warning_name((enum rw_warning)i), "unknown");
	for (int i = 1; i < RW_PRESENCE_COUNT; i++)
		assert_string_not_equal(rw_presence_name((enum rw_presence)i), "unknown");
	for (int i = 0; i < RW_RULE_COUNT; i++)
		assert_string_not_equal(rw_rule_name((enum rw_rule)i), "unknown");
	assert_string_equal(rw_presence_name(RW_UNKNOWN), "unknown");
	assert_string_equal(rw_grade_name(RW_GRADE_LIMIT), "limit");
	assert_string_equal(rw_decision_name(RW_ABORT), "abort");
	assert_string_equal(rw_bake_state_name(RW_BAKE_NOT_STARTED), "not_started");
	assert_string_equal(rw_deployment_state_name(RW_DEPLOYMENT_WITHDRAWN), "withdrawn");
	assert_string_equal(rw_core_goodbye_name(RW_BYE_POWER_OFF), "power_off");
	assert_string_equal(rw_deployment_state_name((enum rw_deployment_state)77), "unknown");
}

static void the_limit_that_is_shown_is_that_of_failed_or_the_first_judged(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(3);
	for (int i = 0; i < 3; i++) {
		policy.rings[i].limits[RW_RULE_FAILED] = (struct rw_limit){i < 1, 5000};
		policy.rings[i].limits[RW_RULE_CRASHED] = (struct rw_limit){i < 2, 3000};
		policy.rings[i].limits[RW_RULE_OFFLINE] = (struct rw_limit){true, 2000};
	}
	struct fixture *f = fx_new(policy);

	fx_create(f, "d", 3);
	assert_int_equal(fx_verdict(f, "d", "r0")->limit_ppm, 5000);
	assert_int_equal(fx_verdict(f, "d", "r1")->limit_ppm, 3000);
	assert_int_equal(fx_verdict(f, "d", "r2")->limit_ppm, 2000);
	fx_free(f);
}

/* ---- honest figures ---------------------------------------------------------------- */

static void near(double value, double wanted, double slack)
{
	if (value < wanted - slack || value > wanted + slack)
		fail_msg("wanted %g, got %g", wanted, value);
}

/* Every rule of r0 opens above 10 %, so that a few dozen hosts certify it. */
static struct rw_policy a_tenth(uint32_t rings)
{
	struct rw_policy policy = fx_policy(rings);

	for (int rule = RW_RULE_OFFLINE; rule <= RW_RULE_MODULE_FAILED; rule++)
		policy.rings[0].limits[rule].ppm = 100000;
	return policy;
}

static void a_limit_is_certified_by_hosts_observed_for_the_whole_bake(void **state)
{
	/* 0 of 29 has the upper bound 9.8 %, 0 of 28 has 10.1 %. */
	static const struct {
		uint32_t hosts;
		bool certified;
	} rows[] = {{28, false}, {29, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fx_started(a_tenth(1), rows[i].hosts);
		const struct rw_verdict *v;

		fx_run(f, FX_BAKE_MS - 10000);
		v = fx_verdict(f, "d", "r0");
		assert_int_equal(v->observed_full, 0);
		near(v->upper95, 1.0, 0.0);
		assert_false(v->certified);
		fx_run(f, 15000);
		v = fx_verdict(f, "d", "r0");
		assert_int_equal(v->observed_full, rows[i].hosts);
		near(v->upper95, rw_stat_upper(0, rows[i].hosts, 0.95), 1e-9);
		assert_int_equal(v->certified, rows[i].certified);
		assert_string_equal(fx_say(v), "proceed"); /* which does not ask for it */
		fx_free(f);
	}
}

static void a_host_heard_late_was_not_observed_for_the_whole_bake(void **state)
{
	(void)state;
	struct fixture *f = fx_new(a_tenth(1));

	fx_enrol(f, 0, 29, "r0");
	fx_listen(f);
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_POWER_OFF, 0, f->now);
	f->hosts[0].beats = false;
	fx_create(f, "d", 1);
	fx_start(f, "d", "r0", 1);
	fx_run(f, FX_BAKE_MS / 2);
	assert_int_equal(fx_verdict(f, "d", "r0")->unheard, 1);
	fx_hello(f, 0, "r0");
	fx_run(f, FX_BAKE_MS / 2 + 5000);
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_string_equal(fx_say(v), "proceed");
	assert_int_equal(v->at_risk, 29);
	assert_int_equal(v->observed_full, 28);
	assert_false(v->certified);
	fx_free(f);
}

static void a_reset_has_the_whole_bake_observed_anew(void **state)
{
	(void)state;
	struct fixture *f = fx_started(a_tenth(1), 29);

	fx_run(f, FX_BAKE_MS + 5000);
	assert_true(fx_verdict(f, "d", "r0")->certified);
	for (uint32_t host = 0; host < 3; host++)
		fx_oops(f, host);
	assert_true(fx_verdict(f, "d", "r0")->breaker_open);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	fx_run(f, FX_BAKE_MS / 2);
	assert_int_equal(fx_verdict(f, "d", "r0")->observed_full, 0);
	assert_false(fx_verdict(f, "d", "r0")->certified);
	fx_run(f, FX_BAKE_MS / 2 + 5000);
	assert_int_equal(fx_verdict(f, "d", "r0")->observed_full, 29);
	assert_true(fx_verdict(f, "d", "r0")->certified);
	fx_free(f);
}

static void both_bounds_are_those_of_what_failed(void **state)
{
	(void)state;
	struct fixture *f = fx_started(a_tenth(1), 30);

	near(fx_verdict(f, "d", "r0")->lower95, 0.0, 0.0);
	fx_oops(f, 0);
	near(fx_verdict(f, "d", "r0")->lower95, rw_stat_lower(1, 30, 0.95), 1e-9);
	fx_run(f, FX_BAKE_MS + 5000);
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");
	near(v->lower95, rw_stat_lower(1, 30, 0.95), 1e-9);
	near(v->upper95, rw_stat_upper(1, 30, 0.95), 1e-9);
	assert_false(v->certified);
	fx_free(f);
}

static void control_is_shown_with_its_hours_and_what_befell_it(void **state)
{
	(void)state;
	struct fixture *f = fx_new(a_tenth(2));
	const struct rw_verdict *v;

	fx_enrol(f, 0, 30, "r0");
	fx_enrol(f, 100, 10, "r1");
	fx_listen(f);
	fx_create(f, "d", 2);
	fx_oops(f, 109); /* before the start: it says nothing of this deployment */
	fx_start(f, "d", "r0", 1);
	fx_run(f, 60000);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->control_hosts, 10);
	assert_int_equal(v->control_failed, 0);
	assert_int_equal(v->exposed_host_ms, 30 * 60000);
	assert_int_equal(v->control_host_ms, 10 * 60000);
	fx_oops(f, 100);
	fx_oops(f, 0);
	fx_oops(f, 1);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->control_failed, 1);
	near(v->p, rw_stat_more_than_control(2, 30.0, 1, 10.0), 1e-9);
	fx_free(f);

	f = fx_started(a_tenth(1), 30); /* and none to compare with proves nothing */
	fx_oops(f, 0);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->control_hosts, 0);
	near(v->p, 1.0, 0.0);
	fx_free(f);
}

/* 500 hosts in a ring that bakes for 48 h, of a fleet that was watched for years. */
static struct fixture *with_history(struct rw_policy policy, uint64_t failures, uint64_t host_years)
{
	struct fixture *f = fx_new(policy);
	struct rw_change life = {.type = RW_CHANGE_LIFE};

	life.life.told_wall_ms = f->now.wall_ms;
	life.life.natural_failures = failures;
	life.life.natural_host_ms = host_years * 8766 * RW_HOUR_MS;
	assert_int_equal(rw_core_restore(f->core, &life, f->now), 0);
	rw_core_restored(f->core, f->now);
	fx_enrol(f, 0, 500, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	return f;
}

static bool is_below_noise(const struct rw_verdict *v)
{
	for (uint32_t i = 0; i < v->warning_count; i++) {
		if (v->warnings[i] == RW_WARNING_LIMIT_BELOW_NOISE)
			return true;
	}
	return false;
}

static void a_limit_that_the_fleets_own_failures_reach_is_a_warning_before_the_start(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].bake_ms = 48 * RW_HOUR_MS;
	struct fixture *f = with_history(policy, 1000, 1000);
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");

	near(v->expected_natural, 2.738, 0.001);
	near(v->false_trip, 0.935, 0.001);
	assert_true(is_below_noise(v));
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);
	v = fx_verdict(f, "d", "r0");
	near(v->false_trip, 0.935, 0.001);
	assert_true(is_below_noise(v));
	assert_string_equal(fx_say(v), "hold: bake_incomplete"); /* and no more than that */
	fx_free(f);

	/* One that takes evidence does not open by itself. */
	policy.rings[0].open_on_evidence = true;
	f = with_history(policy, 1000, 1000);
	assert_false(is_below_noise(fx_verdict(f, "d", "r0")));
	fx_free(f);
}

static void noise_is_what_opens_more_often_than_one_time_in_ten(void **state)
{
	/* The expectation at 10 % is 0.10536: 385 failures in 10,000 host-years. */
	static const struct {
		uint64_t failures;
		bool warned;
	} rows[] = {{0, false}, {380, false}, {390, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_policy policy = fx_policy(1);
		policy.rings[0].bake_ms = 48 * RW_HOUR_MS;
		struct fixture *f = with_history(policy, rows[i].failures, 10000);
		const struct rw_verdict *v = fx_verdict(f, "d", "r0");

		assert_int_equal(is_below_noise(v), rows[i].warned);
		fx_free(f);
	}
}

static void a_rule_that_asks_for_more_hosts_trips_less_often(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].bake_ms = 48 * RW_HOUR_MS;
	policy.rings[0].least_hosts = 3;
	struct fixture *f = with_history(policy, 1000, 1000);

	near(fx_verdict(f, "d", "r0")->false_trip, rw_stat_poisson_at_least(3, 2.7379), 0.001);
	fx_free(f);
	policy.rings[0].least_hosts = 1;
	policy.rings[0].limits[RW_RULE_FAILED].ppm = 10000; /* 5 of 500 are allowed */
	f = with_history(policy, 1000, 1000);
	near(fx_verdict(f, "d", "r0")->false_trip, rw_stat_poisson_at_least(6, 2.7379), 0.001);
	fx_free(f);
}

static void detection_power_is_the_share_of_dying_hosts_that_a_ring_finds(void **state)
{
	(void)state;
	struct fixture *f = fx_new(a_tenth(1));

	fx_enrol(f, 0, 59, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	near(fx_verdict(f, "d", "r0")->detection_power, 0.0495, 0.0001); /* 1 - 0.05^(1/59) */
	fx_free(f);
}

static void the_hosts_that_a_step_may_expose_are_rounded_down_and_one_at_least(void **state)
{
	static const struct {
		uint32_t hosts;
		uint64_t allowed;
	} rows[] = {{1, 1}, {9, 1}, {10, 1}, {19, 1}, {20, 2}, {25, 2}, {100, 10}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_policy policy = fx_policy(1);
		policy.rings[0].step_count = 2;
		policy.rings[0].step_ppm[0] = 100000;
		policy.rings[0].step_ppm[1] = RW_PPM;
		struct fixture *f = fx_new(policy);

		fx_enrol(f, 0, rows[i].hosts, "r0");
		fx_create(f, "d", 1);
		assert_int_equal(fx_verdict(f, "d", "r0")->max_exposed_hosts, rows[i].allowed);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_names_hold),
		cmocka_unit_test(every_reason_is_given_and_in_order),
		cmocka_unit_test(a_ring_after_another_waits_for_it),
		cmocka_unit_test(enter_asks_for_room_not_for_the_bake),
		cmocka_unit_test(proceed_needs_what_it_rests_on_to_be_on_disk),
		cmocka_unit_test(proceed_rests_on_the_ring_before_too),
		cmocka_unit_test(abort_needs_no_disk_and_no_sight),
		cmocka_unit_test(a_restart_holds_until_it_has_listened),
		cmocka_unit_test(a_loop_that_does_not_turn_is_blind_before_its_next_tick),
		cmocka_unit_test(asking_changes_nothing),
		cmocka_unit_test(the_figures_add_up),
		cmocka_unit_test(a_ring_that_is_not_the_share_it_claims_is_a_warning),
		cmocka_unit_test(an_exposed_host_that_cannot_see_a_crash_is_a_warning_and_no_more),
		cmocka_unit_test(every_state_has_a_word),
		cmocka_unit_test(the_limit_that_is_shown_is_that_of_failed_or_the_first_judged),
		cmocka_unit_test(a_limit_is_certified_by_hosts_observed_for_the_whole_bake),
		cmocka_unit_test(a_host_heard_late_was_not_observed_for_the_whole_bake),
		cmocka_unit_test(a_reset_has_the_whole_bake_observed_anew),
		cmocka_unit_test(both_bounds_are_those_of_what_failed),
		cmocka_unit_test(control_is_shown_with_its_hours_and_what_befell_it),
		cmocka_unit_test(
			a_limit_that_the_fleets_own_failures_reach_is_a_warning_before_the_start),
		cmocka_unit_test(noise_is_what_opens_more_often_than_one_time_in_ten),
		cmocka_unit_test(a_rule_that_asks_for_more_hosts_trips_less_often),
		cmocka_unit_test(detection_power_is_the_share_of_dying_hosts_that_a_ring_finds),
		cmocka_unit_test(
			the_hosts_that_a_step_may_expose_are_rounded_down_and_one_at_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
