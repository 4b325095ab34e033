/* SPDX-License-Identifier: Apache-2.0 */
/* When silence is the observer's fault: each row of silence.c's table, and its edges. */
#include "tests/unit/core/fixture.h"

enum { EXPOSED = 20, CONTROL = 20 };

static uint32_t asked;

static void take_question(void *context)
{
	(void)context;
	asked++;
}

static void rebuild(struct fixture *f)
{
	struct rw_core_sink sink = {f, fx_take_change, fx_take_probe, take_question};

	rw_core_free(f->core);
	assert_int_equal(rw_core_new(&f->policy, &sink, FX_HOSTS_MAX, f->now, &f->core), 0);
	asked = 0;
}

/* Hosts 0 … in r0 with the deployment, the others in r1 without. */
static struct fixture *fleet(uint32_t exposed, uint32_t others, bool witness)
{
	struct rw_policy policy = fx_policy(2);

	policy.has_witness = witness;
	struct fixture *f = fx_new(policy);

	rebuild(f);
	fx_enrol(f, 0, exposed, "r0");
	fx_enrol(f, exposed, others, "r1");
	fx_listen(f);
	fx_create(f, "d", 2);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 10000);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: bake_incomplete");
	return f;
}

static void silence(struct fixture *f, uint32_t first, uint32_t count)
{
	for (uint32_t host = first; host < first + count; host++)
		f->hosts[host].beats = false;
}

static void speak(struct fixture *f, uint32_t first, uint32_t count)
{
	for (uint32_t host = first; host < first + count; host++)
		f->hosts[host].beats = true;
}

static bool holds_for(struct fixture *f, enum rw_reason reason)
{
	struct rw_verdict *v = fx_verdict(f, "d", "r0");

	for (uint32_t i = 0; i < v->reason_count; i++) {
		if (v->reasons[i] == reason)
			return true;
	}
	return false;
}

static bool is_open(struct fixture *f)
{
	return fx_verdict(f, "d", "r0")->breaker_open;
}

static uint32_t offline(struct fixture *f)
{
	uint32_t count = 0;

	for (uint32_t host = 0; host < rw_core_host_count(f->core); host++)
		count += fx_presence(f, host) == RW_OFFLINE;
	return count;
}

/* ---- the rows ----------------------------------------------------------------------- */

static void the_exposed_fall_silent_and_control_reports(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, 0, EXPOSED);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_false(is_open(f));
	assert_false(holds_for(f, RW_REASON_BLACKOUT));
	fx_run(f, RW_CORE_TICK_MS);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_OFFLINE);
	assert_int_equal(fx_verdict(f, "d", "r0")->grade, RW_GRADE_EVIDENCE);
	fx_free(f);
}

static void all_fall_silent_together(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, 0, EXPOSED + CONTROL);
	fx_run(f, 12000);
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	/* One offline_after more, from then on. */
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_int_equal(offline(f), 0);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(offline(f), EXPOSED + CONTROL);
	assert_false(is_open(f));
	fx_run(f, 3600000); /* however long */
	assert_false(is_open(f));
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	fx_check(f);

	/* Control is back: only then, and one offline_after later, is silence judged. */
	speak(f, EXPOSED, CONTROL);
	while (fx_presence(f, EXPOSED) != RW_ONLINE)
		fx_run(f, RW_CORE_TICK_MS);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_false(is_open(f));
	fx_run(f, RW_CORE_TICK_MS);
	assert_false(holds_for(f, RW_REASON_BLACKOUT));
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->offline, EXPOSED);
	fx_free(f);
}

static void an_episode_extends_once(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, 0, EXPOSED + CONTROL);
	fx_run(f, 43000);
	assert_int_equal(offline(f), EXPOSED + CONTROL);
	/* Some come back and go again in the same episode: no more time for these. */
	speak(f, 0, 5);
	fx_run(f, 10000);
	assert_int_equal(offline(f), EXPOSED + CONTROL - 5);
	silence(f, 0, 5);
	fx_run(f, 30000);
	assert_int_equal(offline(f), EXPOSED + CONTROL);
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	fx_free(f);
}

static void a_short_blackout_leaves_nothing_behind(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);
	uint64_t baked = fx_verdict(f, "d", "r0")->observed_ms;

	silence(f, 0, EXPOSED + CONTROL);
	fx_run(f, 36000);
	assert_int_equal(fx_verdict(f, "d", "r0")->bake, RW_BAKE_PAUSED);
	assert_in_range(fx_verdict(f, "d", "r0")->observed_ms, baked, baked + 12000);
	speak(f, 0, EXPOSED + CONTROL);
	fx_run(f, 5000);
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	fx_run(f, 30000);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: bake_incomplete");
	assert_int_equal(fx_verdict(f, "d", "r0")->bake, RW_BAKE_BAKING);
	assert_int_equal(fx_verdict(f, "d", "r0")->recovered, 0);
	fx_free(f);
}

static void control_falls_silent_and_the_exposed_report(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, EXPOSED, CONTROL);
	silence(f, 0, 1);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	assert_int_equal(offline(f), 0);
	fx_run(f, RW_CORE_TICK_MS); /* no more time, for it is not this change */
	assert_int_equal(offline(f), CONTROL + 1);
	assert_false(is_open(f));
	fx_free(f);
}

static void a_crash_in_a_blackout_is_told_and_judged(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, 1, EXPOSED + CONTROL - 1);
	fx_run(f, 60000);
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	assert_false(is_open(f));
	fx_oops(f, 0);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_CRASHED);
	assert_int_equal(fx_verdict(f, "d", "r0")->grade, RW_GRADE_LIMIT);
	fx_free(f);
}

static void nobody_to_compare_with_and_no_witness(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, 2, false); /* two could never be silent */

	silence(f, 0, EXPOSED + 2);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_false(is_open(f));
	fx_run(f, RW_CORE_TICK_MS);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->grade, RW_GRADE_LIMIT);
	assert_int_equal(asked, 0);
	fx_free(f);
}

static void the_witness_answers_for_the_network(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, 0, true);

	silence(f, 0, EXPOSED);
	fx_run(f, 12000 - RW_CORE_TICK_MS);
	assert_int_equal(asked, 0);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(asked, 1);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "witness");
	rw_core_witness(f->core, true, f->now);
	fx_run(f, 5000);
	assert_int_equal(asked, 2);
	fx_run(f, 13000);
	assert_int_equal(offline(f), EXPOSED);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->grade, RW_GRADE_EVIDENCE);
	fx_free(f);
}

static void the_witness_is_not_reached_either(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, 0, true);

	silence(f, 0, EXPOSED);
	fx_run(f, 12000);
	rw_core_witness(f->core, false, f->now);
	fx_run(f, 3600000);
	assert_int_equal(offline(f), 0);
	assert_false(is_open(f));
	assert_true(holds_for(f, RW_REASON_BLIND));
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "witness");
	assert_in_range(asked, 719, 721); /* every 5 s */
	/* The network is back, the hosts are not. */
	rw_core_witness(f->core, true, f->now);
	fx_run(f, 18000 - RW_CORE_TICK_MS);
	assert_false(is_open(f));
	fx_run(f, 2 * RW_CORE_TICK_MS);
	assert_true(is_open(f));
	fx_check(f);
	fx_free(f);
}

static void what_the_witness_said_holds_for_its_episode_only(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, 0, true);

	silence(f, 0, EXPOSED);
	fx_run(f, 12000);
	rw_core_witness(f->core, true, f->now);
	speak(f, 0, EXPOSED);
	fx_run(f, 60000);
	assert_null(rw_core_blind_reason(f->core, f->now));
	/* Silent again, and nobody has answered yet. */
	silence(f, 0, EXPOSED);
	fx_run(f, 12000);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "witness");
	fx_free(f);
}

static void hosts_that_are_back_need_no_witness(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, 0, true);

	silence(f, 0, EXPOSED);
	fx_run(f, 20000);
	speak(f, 0, EXPOSED);
	fx_run(f, 5000);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "stalled");
	fx_run(f, 12000);
	assert_null(rw_core_blind_reason(f->core, f->now));
	assert_int_equal(offline(f), 0);
	fx_free(f);
}

static void a_sick_observer_makes_nobody_offline(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, 0, EXPOSED + CONTROL);
	rw_core_set_sick(f->core, "saturated", f->now);
	fx_run(f, 600000);
	assert_int_equal(offline(f), 0);
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "saturated");
	assert_false(holds_for(f, RW_REASON_BLACKOUT));
	assert_true(holds_for(f, RW_REASON_BLIND));
	/* A crash is told all the same. */
	fx_oops(f, 3);
	assert_true(is_open(f));
	rw_core_set_sick(f->core, NULL, f->now);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "stalled");
	speak(f, 0, EXPOSED + CONTROL);
	fx_run(f, 12000);
	assert_null(rw_core_blind_reason(f->core, f->now));
	assert_int_equal(offline(f), 0);
	fx_free(f);
}

/* ---- the edges --------------------------------------------------------------------------- */

static void a_group_is_silent_from_three_and_a_fifth_on(void **state)
{
	static const struct {
		uint32_t of, silent;
		bool blackout;
	} rows[] = {{3, 2, false},  {3, 3, true},  {15, 2, false}, {15, 3, true},
		    {16, 3, false}, {20, 4, true}, {21, 4, false}, {25, 5, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fleet(EXPOSED, rows[i].of, false);

		silence(f, EXPOSED, rows[i].silent);
		fx_run(f, 12000);
		assert_int_equal(holds_for(f, RW_REASON_BLACKOUT), rows[i].blackout);
		fx_run(f, 18000);
		assert_int_equal(offline(f), rows[i].silent);
		fx_free(f);
	}
}

static void hosts_that_said_goodbye_are_not_silent(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	for (uint32_t host = EXPOSED; host < EXPOSED + CONTROL; host++)
		rw_core_goodbye(f->core, fx_handle(f, host), RW_BYE_REBOOT, 300000, f->now);
	silence(f, EXPOSED, CONTROL);
	fx_run(f, 60000);
	assert_false(holds_for(f, RW_REASON_BLACKOUT));
	fx_free(f);
}

static void a_rack_that_never_comes_back_holds_until_it_is_retired(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, EXPOSED, 5);
	fx_run(f, 3600000);
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	fx_restart(f); /* is no way out */
	fx_listen(f);
	fx_run(f, 60000);
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	fx_check(f);
	for (uint32_t host = EXPOSED; host < EXPOSED + 2; host++)
		assert_int_equal(rw_core_host_retire(f->core, fx_name(host), f->now).status, 0);
	fx_run(f, 30000 + RW_CORE_TICK_MS); /* 3 of 18 are not a fifth */
	assert_false(holds_for(f, RW_REASON_BLACKOUT));
	fx_free(f);
}

static void who_is_missing_after_a_restart_is_silent(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, 0, EXPOSED + CONTROL);
	fx_restart(f);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_true(holds_for(f, RW_REASON_BLIND));
	assert_false(holds_for(f, RW_REASON_BLACKOUT));
	fx_run(f, RW_CORE_TICK_MS);
	assert_false(holds_for(f, RW_REASON_BLIND));
	assert_true(holds_for(f, RW_REASON_BLACKOUT));
	assert_int_equal(offline(f), 0);
	fx_run(f, 30000);
	assert_int_equal(offline(f), EXPOSED + CONTROL);
	assert_false(is_open(f));
	fx_free(f);
}

static void with_nothing_under_way_there_is_nothing_to_hold(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "", f->now).status, 0);
	silence(f, 0, EXPOSED + CONTROL);
	fx_run(f, 30000);
	assert_int_equal(offline(f), EXPOSED + CONTROL);
	assert_false(holds_for(f, RW_REASON_BLACKOUT));
	fx_free(f);
}

static void one_lost_host_outside_of_a_blackout_is_judged(void **state)
{
	(void)state;
	struct fixture *f = fleet(EXPOSED, CONTROL, false);

	silence(f, 0, 1);
	silence(f, EXPOSED, 3); /* of 20 */
	fx_run(f, 30000);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->offline, 1);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exposed_fall_silent_and_control_reports),
		cmocka_unit_test(all_fall_silent_together),
		cmocka_unit_test(an_episode_extends_once),
		cmocka_unit_test(a_short_blackout_leaves_nothing_behind),
		cmocka_unit_test(control_falls_silent_and_the_exposed_report),
		cmocka_unit_test(a_crash_in_a_blackout_is_told_and_judged),
		cmocka_unit_test(nobody_to_compare_with_and_no_witness),
		cmocka_unit_test(the_witness_answers_for_the_network),
		cmocka_unit_test(the_witness_is_not_reached_either),
		cmocka_unit_test(what_the_witness_said_holds_for_its_episode_only),
		cmocka_unit_test(hosts_that_are_back_need_no_witness),
		cmocka_unit_test(a_sick_observer_makes_nobody_offline),
		cmocka_unit_test(a_group_is_silent_from_three_and_a_fifth_on),
		cmocka_unit_test(hosts_that_said_goodbye_are_not_silent),
		cmocka_unit_test(a_rack_that_never_comes_back_holds_until_it_is_retired),
		cmocka_unit_test(who_is_missing_after_a_restart_is_silent),
		cmocka_unit_test(with_nothing_under_way_there_is_nothing_to_hold),
		cmocka_unit_test(one_lost_host_outside_of_a_blackout_is_judged),
	};

	return cmocka_run_group_tests_name("silence", tests, NULL, NULL);
}
