/* SPDX-License-Identifier: Apache-2.0 */
/* What operators do to single hosts, and what marks a host as not to be counted on. */
#include "tests/unit/core/fixture.h"

enum { MINUTE_MS = 60 * 1000 };

/* A few failures open nothing, so that counts can be watched. */
static struct rw_policy roomy(uint32_t rings)
{
	struct rw_policy policy = fx_policy(rings);

	for (uint32_t i = 0; i < rings; i++) {
		for (int rule = RW_RULE_OFFLINE; rule <= RW_RULE_MODULE_FAILED; rule++)
			policy.rings[i].limits[rule].ppm = 500000;
	}
	return policy;
}

static bool is_warned(struct fixture *f, const char *ring, enum rw_warning warning)
{
	const struct rw_verdict *v = fx_verdict(f, "d", ring);

	fx_check(f);
	for (uint32_t i = 0; i < v->warning_count; i++) {
		if (v->warnings[i] == warning)
			return true;
	}
	return false;
}

static void expect_counts(struct fixture *f, uint64_t at_risk, uint64_t failed, uint64_t enrolled)
{
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");

	fx_check(f);
	assert_int_equal(v->at_risk, at_risk);
	assert_int_equal(v->failed, failed);
	assert_int_equal(v->enrolled, enrolled);
}

static void act(struct rw_act_result result)
{
	if (result.status != 0)
		fail_msg("refused: %s", result.message);
	assert_true(result.changed);
}

static void retire(struct fixture *f, uint32_t host)
{
	act(rw_core_host_retire(f->core, fx_name(host), f->now));
}

static void enrol(struct fixture *f, uint32_t host)
{
	act(rw_core_host_enrol(f->core, fx_name(host), f->now));
}

static void exclude(struct fixture *f, uint32_t host)
{
	act(rw_core_host_exclude(f->core, fx_name(host), f->now));
}

static int try_hello(struct fixture *f, uint32_t host)
{
	struct rw_boot boot = fx_boot(f, host);
	rw_host_handle handle;

	return rw_core_hello(f->core, fx_name(host), "r0", &boot, RW_END_ORDERLY, f->now, &handle);
}

static void unexpected_reboot(struct fixture *f, uint32_t host)
{
	fx_reboots(f, host);
	fx_hello_end(f, host, "r0", RW_END_UNEXPECTED);
}

/* ---- retirement ---------------------------------------------------------------------- */

static void retiring_hosts_changes_neither_n_nor_k(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(1), 10);

	fx_oops(f, 0);
	f->hosts[1].beats = false;
	fx_run(f, 31000);
	expect_counts(f, 10, 2, 10);
	for (uint32_t host = 0; host < 3; host++)
		retire(f, host);
	expect_counts(f, 10, 2, 7);
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->exposed, 10);
	assert_int_equal(v->covered, 7);
	assert_int_equal(v->offline, 1);
	assert_int_equal(v->crashed, 1);
	fx_run(f, MINUTE_MS); /* its bytes say nothing any more */
	assert_int_equal(fx_presence(f, 2), RW_RETIRED);
	fx_restart(f);
	fx_listen(f);
	expect_counts(f, 10, 2, 7);
	fx_free(f);
}

static void a_retired_host_is_refused_until_it_is_enrolled_again(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(1), 10);

	f->hosts[0].beats = false;
	fx_run(f, 31000);
	retire(f, 0);
	assert_false(rw_core_host_retire(f->core, fx_name(0), f->now).changed);
	assert_int_equal(try_hello(f, 0), -EPERM);
	assert_int_equal(fx_presence(f, 0), RW_RETIRED);
	expect_counts(f, 10, 1, 9);
	enrol(f, 0);
	assert_false(rw_core_host_enrol(f->core, fx_name(0), f->now).changed);
	expect_counts(f, 10, 1, 10); /* nothing was heard of it yet */
	fx_hello(f, 0, "r0");
	expect_counts(f, 10, 0, 10);
	assert_int_equal(rw_core_host_retire(f->core, "nobody", f->now).status, -ENOENT);
	assert_int_equal(rw_core_host_enrol(f->core, "nobody", f->now).status, -ENOENT);
	fx_free(f);
}

static void a_retired_host_is_in_no_share(void **state)
{
	(void)state;
	struct rw_policy policy = roomy(1);
	policy.rings[0].step_count = 2;
	policy.rings[0].step_ppm[0] = 100000;
	policy.rings[0].step_ppm[1] = RW_PPM;
	struct fixture *f = fx_new(policy);

	fx_enrol(f, 0, 30, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->max_exposed_hosts, 3);
	retire(f, 29);
	assert_int_equal(fx_verdict(f, "d", "r0")->max_exposed_hosts, 2);
	enrol(f, 29);
	assert_int_equal(fx_verdict(f, "d", "r0")->max_exposed_hosts, 3);
	fx_free(f);
}

static void who_stays_away_is_retired_by_age_until_its_next_hello(void **state)
{
	(void)state;
	struct rw_policy policy = roomy(1);
	policy.timing.retire_after_ms = 2 * RW_HOUR_MS;
	struct fixture *f = fx_new(policy);

	fx_enrol(f, 0, 5, "r0");
	fx_listen(f);
	f->hosts[0].beats = false;
	fx_run(f, 119 * MINUTE_MS);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	fx_run(f, 63 * MINUTE_MS); /* looked at once an hour */
	assert_int_equal(fx_presence(f, 0), RW_RETIRED);
	fx_hello(f, 0, "r0");
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);

	/* By an operator's word, too, it is refused. */
	f->hosts[0].beats = false;
	fx_run(f, 3 * RW_HOUR_MS + MINUTE_MS);
	assert_int_equal(fx_presence(f, 0), RW_RETIRED);
	retire(f, 0);
	assert_int_equal(try_hello(f, 0), -EPERM);
	fx_free(f);
}

static void nobody_is_retired_by_age_while_a_deployment_counts_it(void **state)
{
	(void)state;
	struct rw_policy policy = roomy(1);
	policy.timing.retire_after_ms = 2 * RW_HOUR_MS;
	struct fixture *f = fx_started(policy, 5);

	f->hosts[0].beats = false;
	fx_run(f, 4 * RW_HOUR_MS);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	expect_counts(f, 5, 1, 5);
	act(rw_core_deploy_finish(f->core, "d", f->now));
	fx_run(f, RW_HOUR_MS + MINUTE_MS);
	assert_int_equal(fx_presence(f, 0), RW_RETIRED);
	fx_free(f);
}

/* Offline, retired and taken back: what it says of itself then is still to be heard. */
static struct fixture *taken_back_offline(void)
{
	struct fixture *f = fx_started(roomy(1), 10);

	f->hosts[0].beats = false;
	fx_run(f, 31000);
	retire(f, 0);
	enrol(f, 0);
	return f;
}

static void who_is_taken_back_and_heard_in_the_same_boot_has_recovered(void **state)
{
	(void)state;
	struct fixture *f = taken_back_offline();

	fx_hello(f, 0, "r0");
	expect_counts(f, 10, 0, 10);
	assert_int_equal(fx_verdict(f, "d", "r0")->recovered, 1);
	fx_free(f);
}

static void who_is_taken_back_and_heard_in_a_new_boot_without_a_clean_end_has_crashed(void **state)
{
	static const enum rw_boot_end ends[] = {RW_END_UNEXPECTED, RW_END_NONE, RW_END_UNKNOWN};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct fixture *f = taken_back_offline();

		fx_reboots(f, 0);
		fx_hello_end(f, 0, "r0", ends[i]);
		expect_counts(f, 10, 1, 10);
		assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
		fx_free(f);
	}
}

/* ---- exclusion ------------------------------------------------------------------------- */

static void an_excluded_host_counts_in_nothing_until_it_is_enrolled(void **state)
{
	(void)state;
	struct fixture *f = fx_new(roomy(2));

	fx_enrol(f, 0, 10, "r0");
	fx_enrol(f, 10, 10, "r1");
	fx_listen(f);
	fx_create(f, "d", 2);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);
	fx_oops(f, 0);
	expect_counts(f, 10, 1, 10);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_hosts, 10);
	exclude(f, 0);
	exclude(f, 15);
	assert_false(rw_core_host_exclude(f->core, fx_name(0), f->now).changed);
	assert_int_equal(rw_core_host_exclude(f->core, "nobody", f->now).status, -ENOENT);
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->at_risk, 9);
	assert_int_equal(v->failed, 0);
	assert_int_equal(v->exposed, 9);
	assert_int_equal(v->covered, 9);
	assert_int_equal(v->control_hosts, 9);
	fx_oops(f, 15);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_failed, 0);
	enrol(f, 0);
	enrol(f, 15);
	expect_counts(f, 10, 1, 10);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_hosts, 10);
	fx_free(f);
}

static void a_crash_told_by_an_excluded_host_is_not_believed_later_either(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	exclude(f, 0);
	fx_oops(f, 0);
	unexpected_reboot(f, 0);
	expect_counts(f, 9, 0, 10);
	enrol(f, 0);
	expect_counts(f, 10, 0, 10);
	assert_false(fx_verdict(f, "d", "r0")->breaker_open);
	fx_oops(f, 0);
	assert_true(fx_verdict(f, "d", "r0")->breaker_open);
	exclude(f, 0); /* what is open stays so */
	expect_counts(f, 9, 0, 10);
	assert_true(fx_verdict(f, "d", "r0")->breaker_open);
	fx_free(f);
}

/* ---- maintenance ------------------------------------------------------------------------- */

static void maintain(struct fixture *f, uint32_t host, uint64_t ms)
{
	act(rw_core_host_maintenance(f->core, fx_name(host), ms, f->now));
}

static void silence_in_maintenance_is_planned_until_it_is_over(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	maintain(f, 0, 5 * MINUTE_MS);
	f->hosts[0].beats = false;
	fx_run(f, 31000);
	assert_int_equal(fx_presence(f, 0), RW_PLANNED);
	fx_run(f, 4 * MINUTE_MS);
	assert_int_equal(fx_presence(f, 0), RW_PLANNED);
	expect_counts(f, 10, 0, 10);
	fx_run(f, 30000);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	expect_counts(f, 10, 1, 10);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	fx_free(f);
}

static void maintenance_excuses_a_reboot_and_no_oops_or_panic(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(1), 10);

	for (uint32_t host = 0; host < 3; host++)
		maintain(f, host, 5 * MINUTE_MS);
	for (uint32_t host = 0; host < 4; host++) {
		uint64_t died = f->hosts[host].boot;

		unexpected_reboot(f, host);
		fx_event_at(f, host, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", died, 0);
		assert_int_equal(fx_verdict(f, "d", "r0")->crashed, host == 3);
	}
	fx_oops(f, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 2);
	fx_event_at(f, 1, KIND_PANIC, "panic", f->hosts[1].boot, fx_boot_ms(f, 1));
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 3);
	fx_free(f);
}

static void maintenance_ends_when_it_is_over_or_when_an_operator_says_so(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(1), 10);

	maintain(f, 0, 5 * MINUTE_MS);
	maintain(f, 1, 5 * MINUTE_MS);
	maintain(f, 1, 0);
	fx_run(f, 5000);
	unexpected_reboot(f, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_run(f, 5 * MINUTE_MS + 5000);
	unexpected_reboot(f, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 2);
	fx_free(f);
}

static void maintenance_is_for_what_comes_and_for_a_week_at_most(void **state)
{
	static const uint64_t week_ms = 7 * 24 * RW_HOUR_MS;

	(void)state;
	struct fixture *f = fx_started(roomy(1), 10);

	f->hosts[0].beats = false;
	fx_run(f, 15000);
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	assert_int_equal(rw_core_host_maintenance(f->core, fx_name(0), 1000, f->now).status,
			 -EPERM);
	fx_run(f, 16000);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	assert_int_equal(rw_core_host_maintenance(f->core, fx_name(0), 1000, f->now).status,
			 -EPERM);
	retire(f, 1);
	assert_int_equal(rw_core_host_maintenance(f->core, fx_name(1), 1000, f->now).status,
			 -EPERM);
	assert_int_equal(rw_core_host_maintenance(f->core, "nobody", 1000, f->now).status, -ENOENT);
	assert_int_equal(rw_core_host_maintenance(f->core, fx_name(2), week_ms + 1, f->now).status,
			 -EINVAL);
	maintain(f, 2, week_ms);
	fx_free(f);
}

/* ---- not to be counted on ------------------------------------------------------------------ */

static void crash_and_come_back(struct fixture *f, uint32_t host)
{
	fx_oops(f, host);
	fx_reboots(f, host);
	fx_hello(f, host, "r0");
}

static void two_crashes_in_half_an_hour_are_a_loop_that_covers_nothing(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(1), 10);

	crash_and_come_back(f, 0);
	crash_and_come_back(f, 1);
	fx_run(f, 30 * MINUTE_MS);
	assert_int_equal(fx_verdict(f, "d", "r0")->looping, 0);
	crash_and_come_back(f, 0);
	fx_run(f, RW_CORE_TICK_MS);
	crash_and_come_back(f, 1); /* too late for that */
	const struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->looping, 1);
	assert_int_equal(v->covered, 9);
	assert_string_equal(fx_say(v), "hold: coverage_low");
	fx_run(f, 30 * MINUTE_MS - 2 * RW_CORE_TICK_MS);
	assert_int_equal(fx_verdict(f, "d", "r0")->looping, 1);
	fx_run(f, RW_CORE_TICK_MS);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->looping, 0);
	assert_int_equal(v->covered, 10);
	fx_check(f);
	fx_free(f);
}

static void a_name_that_two_claim_is_not_covered_until_its_next_hello(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(2), 10);

	rw_core_duplicate(f->core, fx_handle(f, 0), f->now);
	fx_run(f, 10000); /* heartbeats do not end it */
	assert_true(is_warned(f, "r0", RW_WARNING_DUPLICATE_IDENTITY));
	assert_false(is_warned(f, "r1", RW_WARNING_DUPLICATE_IDENTITY));
	assert_int_equal(fx_verdict(f, "d", "r0")->covered, 9);
	fx_hello(f, 0, "r0");
	assert_false(is_warned(f, "r0", RW_WARNING_DUPLICATE_IDENTITY));
	assert_int_equal(fx_verdict(f, "d", "r0")->covered, 10);
	fx_free(f);
}

static void more_than_a_hundredth_new_within_an_hour_is_a_warning(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(2), 300);

	fx_run(f, 62 * MINUTE_MS);
	fx_enrol(f, 1000, 3, "r0");
	assert_false(is_warned(f, "r0", RW_WARNING_ENROLMENT_JUMP));
	fx_enrol(f, 1003, 1, "r0");
	assert_true(is_warned(f, "r0", RW_WARNING_ENROLMENT_JUMP));
	assert_false(is_warned(f, "r1", RW_WARNING_ENROLMENT_JUMP));
	fx_run(f, 50 * MINUTE_MS);
	assert_true(is_warned(f, "r0", RW_WARNING_ENROLMENT_JUMP));
	fx_run(f, 20 * MINUTE_MS);
	assert_false(is_warned(f, "r0", RW_WARNING_ENROLMENT_JUMP));
	fx_free(f);
}

static void a_change_that_no_deployment_names_is_marked_until_one_does(void **state)
{
	(void)state;
	struct fixture *f = fx_started(roomy(2), 10);
	struct rw_deployment_row spec = fx_spec("m", 1);
	struct rw_host_row row;

	spec.exposure = RW_EXPOSURE_REPORTED;
	rw_copy_text(spec.match, sizeof(spec.match), "marker:driver");
	act(rw_core_deploy_create(f->core, &spec, f->now));
	/* The first report of a host is no change. */
	assert_int_equal(
		rw_core_version(f->core, fx_handle(f, 0), "marker:driver", "9", false, f->now),
		RW_VERSION_PLAIN);
	assert_false(is_warned(f, "r0", RW_WARNING_UNREGISTERED_CHANGE));
	assert_int_equal(
		rw_core_version(f->core, fx_handle(f, 0), "marker:driver", "10", true, f->now),
		RW_VERSION_UNREGISTERED);
	assert_true(is_warned(f, "r0", RW_WARNING_UNREGISTERED_CHANGE));
	assert_false(is_warned(f, "r1", RW_WARNING_UNREGISTERED_CHANGE));
	assert_true(rw_core_host_at(f->core, fx_handle(f, 0), &row));
	assert_true(row.unregistered);
	fx_restart(f);
	assert_true(is_warned(f, "r0", RW_WARNING_UNREGISTERED_CHANGE));
	assert_int_equal(
		rw_core_version(f->core, fx_handle(f, 0), "marker:driver", "1.2.3", true, f->now),
		RW_VERSION_EXPOSED);
	assert_false(is_warned(f, "r0", RW_WARNING_UNREGISTERED_CHANGE));
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retiring_hosts_changes_neither_n_nor_k),
		cmocka_unit_test(a_retired_host_is_refused_until_it_is_enrolled_again),
		cmocka_unit_test(a_retired_host_is_in_no_share),
		cmocka_unit_test(who_stays_away_is_retired_by_age_until_its_next_hello),
		cmocka_unit_test(nobody_is_retired_by_age_while_a_deployment_counts_it),
		cmocka_unit_test(who_is_taken_back_and_heard_in_the_same_boot_has_recovered),
		cmocka_unit_test(
			who_is_taken_back_and_heard_in_a_new_boot_without_a_clean_end_has_crashed),
		cmocka_unit_test(an_excluded_host_counts_in_nothing_until_it_is_enrolled),
		cmocka_unit_test(a_crash_told_by_an_excluded_host_is_not_believed_later_either),
		cmocka_unit_test(silence_in_maintenance_is_planned_until_it_is_over),
		cmocka_unit_test(maintenance_excuses_a_reboot_and_no_oops_or_panic),
		cmocka_unit_test(maintenance_ends_when_it_is_over_or_when_an_operator_says_so),
		cmocka_unit_test(maintenance_is_for_what_comes_and_for_a_week_at_most),
		cmocka_unit_test(two_crashes_in_half_an_hour_are_a_loop_that_covers_nothing),
		cmocka_unit_test(a_name_that_two_claim_is_not_covered_until_its_next_hello),
		cmocka_unit_test(more_than_a_hundredth_new_within_an_hour_is_a_warning),
		cmocka_unit_test(a_change_that_no_deployment_names_is_marked_until_one_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
