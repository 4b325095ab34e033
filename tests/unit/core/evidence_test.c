/* SPDX-License-Identifier: Apache-2.0 */
/* The grade `evidence`, and the rules beside the share of failed hosts. */
#include "tests/unit/core/fixture.h"

static bool is_open(struct fixture *f)
{
	return fx_verdict(f, "d", "r0")->breaker_open;
}

/* A limit alone opens nothing. */
static struct rw_policy evidence_only(uint32_t rings)
{
	struct rw_policy policy = fx_policy(rings);

	for (uint32_t i = 0; i < rings; i++)
		policy.rings[i].open_on_evidence = true;
	return policy;
}

/* `count` in r0 with the deployment, `others` in r1 without. */
static struct fixture *with_control(struct rw_policy policy, uint32_t count, uint32_t others)
{
	struct fixture *f = fx_new(policy);

	fx_enrol(f, 0, count, "r0");
	fx_enrol(f, count, others, "r1");
	fx_listen(f);
	fx_create(f, "d", 2);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);
	return f;
}

/* ---- the share --------------------------------------------------------------------- */

static void as_few_as_cannot_be_chance_open_it(void **state)
{
	static const struct {
		uint32_t hosts, opens_at;
	} rows[] = {{100, 2}, {500, 3}, {1000, 4}, {4000, 9}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fx_started(evidence_only(1), rows[i].hosts);

		for (uint32_t host = 0; host < rows[i].opens_at; host++) {
			assert_false(is_open(f));
			fx_oops(f, host);
		}
		struct rw_verdict *v = fx_verdict(f, "d", "r0");
		assert_true(v->breaker_open);
		assert_int_equal(v->grade, RW_GRADE_EVIDENCE);
		assert_int_equal(v->proof, RW_PROOF_SHARE);
		assert_int_equal(v->rule, RW_RULE_CRASHED);
		fx_free(f);
	}
}

static void one_host_is_a_limit_and_never_evidence(void **state)
{
	(void)state;
	struct fixture *f = fx_started(evidence_only(1), 50);

	fx_oops(f, 0);
	assert_true(fx_verdict(f, "d", "r0")->lower95 > 0.001);
	assert_false(is_open(f));
	fx_free(f);

	f = fx_started(fx_policy(1), 50);
	fx_oops(f, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->grade, RW_GRADE_LIMIT);
	assert_int_equal(fx_verdict(f, "d", "r0")->proof, RW_PROOF_NONE);
	/* And rises when it is proved. */
	fx_oops(f, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->grade, RW_GRADE_EVIDENCE);
	assert_int_equal(fx_verdict(f, "d", "r0")->opened_wall_ms,
			 fx_last(f, RW_CHANGE_RUN)->run.opened_wall_ms);
	assert_int_equal(fx_last(f, RW_CHANGE_RUN)->run.opened_failed, 1);
	fx_free(f);
}

static void what_befalls_control_as_often_is_not_the_changes_doing(void **state)
{
	(void)state;
	struct fixture *f = with_control(evidence_only(2), 100, 100);

	/* Three there, three here: in as many hours. */
	for (uint32_t host = 0; host < 3; host++)
		fx_oops(f, 100 + host);
	for (uint32_t host = 0; host < 3; host++)
		fx_oops(f, host);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_false(v->breaker_open);
	assert_int_equal(v->control_hosts, 100);
	assert_int_equal(v->control_failed, 3);
	assert_true(v->p > 0.4);
	assert_true(v->lower95 > 0.001);
	fx_check(f);
	/* The same host of control once more is no more than once. */
	fx_run(f, 1000);
	fx_oops(f, 100);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_failed, 3);
	/* Many more here: not chance. 12 of 15 in half of the hours is 1.8 %. */
	for (uint32_t host = 3; host < 12; host++)
		fx_oops(f, host);
	assert_true(is_open(f));
	assert_true(fx_verdict(f, "d", "r0")->p < 0.05);
	fx_free(f);
}

/* A rack that goes dark in one tick, half of it exposed: whoever is looked at first. */
static void who_falls_silent_at_once_is_weighed_together(void **state)
{
	(void)state;
	struct fixture *f = with_control(fx_policy(2), 100, 100);

	for (uint32_t host = 0; host < 6; host++)
		f->hosts[host].beats = f->hosts[100 + host].beats = false;
	for (int i = 0; i < 400 && !is_open(f); i++)
		fx_run(f, RW_CORE_TICK_MS);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_true(v->breaker_open);
	assert_int_equal(v->failed, 6);
	assert_int_equal(v->control_failed, 6);
	assert_true(v->p > 0.4);
	assert_int_equal(v->grade, RW_GRADE_LIMIT);
	assert_int_equal(fx_last(f, RW_CHANGE_RUN)->run.opened_failed, 6);
	assert_int_equal(v->evidence_count, 6);
	fx_check(f);
	fx_free(f);
}

static void controls_silence_counts_until_it_is_back(void **state)
{
	(void)state;
	struct fixture *f = with_control(evidence_only(2), 100, 100);

	f->hosts[150].beats = false;
	fx_run(f, 40000);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_failed, 1);
	fx_check(f);
	f->hosts[150].beats = true;
	fx_run(f, 5000);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_failed, 0);
	/* Silence that was a death stays one. */
	f->hosts[151].beats = false;
	fx_run(f, 40000);
	fx_reboots(f, 151);
	fx_hello_end(f, 151, "r1", RW_END_UNEXPECTED);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_failed, 1);
	fx_check(f);
	fx_free(f);
}

static void a_reset_begins_a_new_comparison(void **state)
{
	(void)state;
	struct fixture *f = with_control(fx_policy(2), 100, 100);

	fx_oops(f, 150);
	fx_oops(f, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_failed, 1);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->control_failed, 0);
	assert_int_equal(v->control_host_ms, 0);
	assert_int_equal(v->exposed_host_ms, 0);
	assert_int_equal(v->grade, RW_GRADE_NONE);
	fx_run(f, 1000);
	assert_int_equal(fx_verdict(f, "d", "r0")->control_host_ms, 100 * 1000);
	fx_free(f);
}

static void a_comparison_without_hours_proves_nothing_yet(void **state)
{
	(void)state;
	struct fixture *f = with_control(evidence_only(2), 100, 100);

	/* In the moment of a reset nobody was watched since; three of control fail just then. */
	fx_oops(f, 50);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	for (uint32_t host = 0; host < 3; host++) {
		fx_oops(f, 100 + host);
		fx_oops(f, host);
	}
	assert_false(is_open(f));
	fx_run(f, 60000);
	assert_false(is_open(f));
	fx_free(f);
}

/* Those who are silent are watched no longer, so their hours fall behind control's. */
static void time_that_passes_without_a_failure_proves_nothing(void **state)
{
	(void)state;
	struct fixture *f = with_control(evidence_only(2), 10, 10);

	for (uint32_t host = 0; host < 4; host++)
		f->hosts[host].beats = false;
	fx_run(f, 40000);
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 4);
	assert_true(fx_verdict(f, "d", "r0")->p > 0.05);
	fx_run(f, 10 * 60 * 1000);
	assert_true(fx_verdict(f, "d", "r0")->p < 0.05);
	assert_false(is_open(f));
	/* It is weighed with the next failure. */
	fx_oops(f, 4);
	assert_int_equal(fx_verdict(f, "d", "r0")->proof, RW_PROOF_SHARE);
	fx_free(f);
}

static void who_dies_as_soon_as_it_is_back_has_no_hours_to_excuse_it(void **state)
{
	(void)state;
	struct fixture *f = with_control(evidence_only(2), 5, 50);

	for (uint32_t host = 0; host < 5; host++)
		f->hosts[host].beats = false;
	fx_run(f, 40000);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	fx_run(f, 60000);
	assert_false(is_open(f));
	for (uint32_t host = 0; host < 5; host++) {
		fx_reboots(f, host);
		fx_hello(f, host, "r0");
		fx_oops(f, host);
	}
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed_host_ms, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->proof, RW_PROOF_SHARE);
	fx_free(f);
}

/* ---- signatures ------------------------------------------------------------------------ */

static const char same[] = "oops:acme_write+0x12:acme";
enum { DAY_MS = 24 * 3600 * 1000 };

/* A thousand hosts, so that two failures prove nothing by their number; more in r1. */
static struct fixture *thousand(void)
{
	return with_control(evidence_only(2), 1000, 50);
}

static void a_crash_that_two_hosts_share_and_nobody_had_before(void **state)
{
	(void)state;
	struct fixture *f = thousand();

	fx_oops_signed(f, 3, same);
	fx_oops_signed(f, 3, same);
	assert_false(is_open(f));
	fx_restart(f); /* the first is remembered */
	fx_listen(f);
	fx_oops_signed(f, 4, "oops:other");
	assert_false(is_open(f));
	fx_oops_signed(f, 5, same);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_true(v->breaker_open);
	assert_int_equal(v->grade, RW_GRADE_EVIDENCE);
	assert_int_equal(v->proof, RW_PROOF_SIGNATURE);
	assert_int_equal(v->rule, RW_RULE_CRASHED);
	assert_int_equal(v->failed, 3);
	fx_free(f);
}

static void seen_within_the_week_before_it_is_not_new(void **state)
{
	static const struct {
		uint64_t days_before, days_after;
		bool opens;
	} rows[] = {{6, 0, false}, {8, 0, true}, {6, 8, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fx_new(evidence_only(2));

		fx_enrol(f, 0, 1000, "r0");
		fx_listen(f);
		fx_oops_signed(f, 0, same);
		fx_sleep(f, rows[i].days_before * DAY_MS);
		fx_listen(f);
		fx_create(f, "d", 2);
		fx_start(f, "d", "r0", 1);
		fx_run(f, 5000);
		fx_sleep(f, rows[i].days_after * DAY_MS);
		fx_listen(f);
		fx_oops_signed(f, 1, same);
		fx_oops_signed(f, 2, same);
		assert_int_equal(is_open(f), rows[i].opens);
		fx_check(f);
		fx_free(f);
	}
}

static void seen_by_control_meanwhile_it_is_not_the_changes(void **state)
{
	(void)state;
	struct fixture *f = thousand();

	fx_oops_signed(f, 1000, same);
	fx_oops_signed(f, 3, same);
	fx_oops_signed(f, 5, same);
	assert_false(is_open(f));
	fx_free(f);
}

static void the_signature_unseen_for_longest_makes_room_on_disk_too(void **state)
{
	(void)state;
	struct fixture *f = thousand();

	for (int i = 0; i < RW_CORE_SIGNATURES_MAX + 1; i++) {
		char signature[32];

		snprintf(signature, sizeof(signature), "oops:%d", i);
		fx_oops_signed(f, 7, signature);
		fx_sleep(f, 1);
	}
	assert_string_equal(fx_last(f, RW_CHANGE_SIGNATURE_GONE)->signature.text, "oops:0");
	fx_free(f);
}

static void how_a_boot_ended_is_no_signature(void **state)
{
	(void)state;
	struct fixture *f = thousand();

	for (uint32_t host = 0; host < 2; host++)
		fx_event_signed(f, host, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot",
				f->hosts[host].boot, 1000, "unexpected_reboot");
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 2);
	assert_false(is_open(f));
	fx_free(f);
}

/* ---- boot loops ---------------------------------------------------------------------------- */

static void dies(struct fixture *f, uint32_t host)
{
	fx_reboots(f, host);
	fx_hello_end(f, host, "r0", RW_END_UNEXPECTED);
}

static void three_deaths_in_half_an_hour_are_a_loop(void **state)
{
	static const struct {
		uint64_t apart_min;
		bool opens;
	} rows[] = {{15, true}, {16, false}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = thousand();

		dies(f, 7);
		fx_run(f, rows[i].apart_min * 60000);
		dies(f, 7);
		assert_false(is_open(f));
		fx_run(f, rows[i].apart_min * 60000);
		dies(f, 7);
		assert_int_equal(is_open(f), rows[i].opens);
		if (rows[i].opens)
			assert_int_equal(fx_verdict(f, "d", "r0")->proof, RW_PROOF_BOOT_LOOP);
		assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
		fx_check(f);
		fx_free(f);
	}
}

static void deaths_that_only_their_events_tell_of_are_a_loop_too(void **state)
{
	(void)state;
	struct fixture *f = thousand();

	for (int death = 0; death < 3; death++) {
		assert_false(is_open(f));
		fx_reboots(f, 7);
		/* Its Hello does not know how the boot before ended; the event does. */
		fx_hello_end(f, 7, "r0", RW_END_UNKNOWN);
		fx_event_at(f, 7, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot",
			    f->hosts[7].boot - 1, 0);
		fx_run(f, 60000);
	}
	assert_int_equal(fx_verdict(f, "d", "r0")->proof, RW_PROOF_BOOT_LOOP);
	fx_free(f);
}

static void a_wall_clock_at_its_very_beginning_hides_no_loop(void **state)
{
	(void)state;
	struct fixture *f = thousand();

	f->now.wall_ms = 0;
	fx_oops(f, 7);
	fx_reboots(f, 7);
	fx_hello(f, 7, "r0");
	fx_oops(f, 7);
	assert_int_equal(fx_verdict(f, "d", "r0")->looping, 1);
	fx_free(f);
}

static void a_host_that_did_so_before_proves_nothing(void **state)
{
	(void)state;
	struct fixture *f = fx_new(evidence_only(2));

	fx_enrol(f, 0, 1000, "r0");
	fx_listen(f);
	dies(f, 7);
	fx_run(f, 60000);
	fx_create(f, "d", 2);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);
	for (int death = 0; death < 3; death++) {
		dies(f, 7);
		fx_run(f, 60000);
	}
	assert_false(is_open(f));
	fx_free(f);
}

/* ---- modules --------------------------------------------------------------------------------- */

static void a_module_that_never_failed_so_before(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 20, "r0");
	fx_listen(f);
	fx_module_failed(f, 0, "nvidia", -ENOENT);
	fx_run(f, 10000);
	fx_create(f, "d", 1);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);
	/* The same again; and what machines do every day. */
	fx_module_failed(f, 0, "nvidia", -ENOENT);
	fx_module_failed(f, 1, "acme", -EEXIST);
	fx_module_failed(f, 1, "acme", -EBUSY);
	fx_module_failed(f, 1, "acme", -ENODEV);
	assert_false(is_open(f));
	fx_module_failed(f, 0, "nvidia", -EINVAL);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->module_failed, 1);
	assert_int_equal(v->failed, 0);
	assert_true(v->breaker_open);
	assert_int_equal(v->rule, RW_RULE_MODULE_FAILED);
	assert_int_equal(v->grade, RW_GRADE_LIMIT);
	assert_int_equal(v->evidence_count, 1);
	assert_string_equal(v->evidence[0].kind, "module_load_failed");
	fx_module_failed(f, 0, "nvidia", -EPERM);
	assert_int_equal(fx_verdict(f, "d", "r0")->module_failed, 1);
	/* Acknowledged, it takes yet another way. */
	fx_run(f, 5000);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	fx_run(f, 5000);
	assert_int_equal(fx_verdict(f, "d", "r0")->module_failed, 0);
	fx_module_failed(f, 0, "nvidia", -EPERM);
	assert_false(is_open(f));
	fx_module_failed(f, 0, "nvidia", -ENOEXEC);
	assert_true(is_open(f));
	fx_check(f);
	fx_free(f);
}

/* ---- reported exposure
 * --------------------------------------------------------------------------- */

static struct fixture *reported(struct rw_policy policy, uint32_t hosts)
{
	struct fixture *f = fx_new(policy);
	struct rw_deployment_row spec = fx_spec("d", 1);

	fx_enrol(f, 0, hosts, "r0");
	fx_listen(f);
	spec.exposure = RW_EXPOSURE_REPORTED;
	rw_copy_text(spec.match, sizeof(spec.match), "marker:acme");
	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
	return f;
}

static enum rw_version_fate reports(struct fixture *f, uint32_t host, const char *subject,
				    const char *value)
{
	return rw_core_version(f->core, fx_handle(f, host), subject, value, true, f->now);
}

static struct rw_policy in_steps(void)
{
	struct rw_policy policy = fx_policy(1);

	policy.rings[0].step_count = 2;
	policy.rings[0].step_ppm[0] = 100000;
	policy.rings[0].step_ppm[1] = RW_PPM;
	return policy;
}

static void hosts_are_exposed_as_they_report(void **state)
{
	(void)state;
	struct fixture *f = reported(in_steps(), 100);

	fx_start(f, "d", "r0", 1);
	assert_int_equal(reports(f, 0, "marker:acme", "1.2.4"), RW_VERSION_UNREGISTERED);
	assert_int_equal(reports(f, 0, "kernel", "1.2.3"), RW_VERSION_UNREGISTERED);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 0);
	for (uint32_t host = 0; host < 10; host++)
		assert_int_equal(reports(f, host, "marker:acme", "1.2.3"), RW_VERSION_EXPOSED);
	assert_int_equal(reports(f, 0, "marker:acme", "1.2.3"), RW_VERSION_PLAIN);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->exposed, 10);
	assert_int_equal(v->at_risk, 10);
	assert_int_equal(v->max_exposed_hosts, 10);
	assert_string_equal(fx_say(v), "hold: bake_incomplete");
	assert_string_equal(fx_say(fx_ask(f, "d", "r0", RW_FOR_ENTER)), "hold: bake_incomplete");
	/* One more than the step allows. */
	reports(f, 10, "marker:acme", "1.2.3");
	v = fx_verdict(f, "d", "r0");
	assert_true(v->breaker_open);
	assert_int_equal(v->rule, RW_RULE_EXPOSURE);
	/* Acknowledged, these are allowed, and no more. */
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	fx_run(f, 1000);
	assert_false(is_open(f));
	reports(f, 11, "marker:acme", "1.2.3");
	assert_true(is_open(f));
	fx_check(f);
	fx_free(f);
}

static void who_was_let_in_stays_in_when_the_ring_shrinks(void **state)
{
	(void)state;
	struct fixture *f = reported(in_steps(), 100);

	fx_start(f, "d", "r0", 1);
	fx_enrol(f, 100, 10, "r0"); /* room for one more */
	for (uint32_t host = 0; host < 11; host++)
		reports(f, host, "marker:acme", "1.2.3");
	assert_false(is_open(f));
	assert_int_equal(rw_core_host_retire(f->core, "h109", f->now).status, 0);
	f->hosts[109].beats = false;
	fx_run(f, 10000);
	assert_false(is_open(f));
	fx_restart(f);
	fx_listen(f);
	assert_int_equal(fx_verdict(f, "d", "r0")->max_exposed_hosts, 11);
	reports(f, 11, "marker:acme", "1.2.3");
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_EXPOSURE);
	fx_free(f);
}

/* It comes back into the figures while there is room, and the ring shrinks after that. */
static void who_was_excluded_and_is_back_stays_in_as_well(void **state)
{
	(void)state;
	struct fixture *f = reported(fx_policy(1), 30);

	fx_start(f, "d", "r0", 1);
	for (uint32_t host = 0; host < 29; host++)
		reports(f, host, "marker:acme", "1.2.3");
	assert_int_equal(rw_core_host_exclude(f->core, "h0", f->now).status, 0);
	reports(f, 29, "marker:acme", "1.2.3");
	assert_int_equal(rw_core_host_enrol(f->core, "h0", f->now).status, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 30);
	assert_int_equal(rw_core_host_retire(f->core, "h5", f->now).status, 0);
	fx_oops(f, 7); /* whatever is judged next */
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_CRASHED);
	fx_check(f);
	fx_free(f);
}

static void a_ring_that_was_not_started_allows_nobody(void **state)
{
	(void)state;
	struct fixture *f = reported(evidence_only(1), 100);

	reports(f, 0, "marker:acme", "1.2.3");
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_EXPOSURE);
	assert_int_equal(rw_core_deploy_start(f->core, "d", "r0", 1, f->now).status, -EPERM);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	fx_start(f, "d", "r0", 1);
	fx_check(f);
	fx_free(f);
}

/* The store, which refused a while, is told of it with the rest. */
static void what_a_reset_allowed_before_the_start_is_told_again(void **state)
{
	(void)state;
	struct fixture *f = reported(evidence_only(1), 100);

	reports(f, 0, "marker:acme", "1.2.3");
	assert_true(is_open(f));
	f->refuse_from = f->sequence + 1;
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, -EIO);
	f->refuse_from = 0;
	fx_run(f, 1000);
	fx_restart(f);
	assert_false(is_open(f));
	fx_free(f);
}

static void a_growing_number_takes_more_to_prove_than_a_fixed_one(void **state)
{
	(void)state;
	struct rw_policy policy = evidence_only(1);
	struct fixture *f = reported(policy, 2000);

	/* The whole ring is one cohort of 2,000: there 5 fail; of the 1,000 that have it so
	 * far, 4 would do if their number had been fixed. */
	fx_start(f, "d", "r0", 1);
	for (uint32_t host = 0; host < 1000; host++)
		reports(f, host, "marker:acme", "1.2.3");
	fx_run(f, RW_CORE_TICK_MS);
	for (uint32_t host = 0; host < 5; host++)
		fx_oops(f, host);
	assert_true(fx_verdict(f, "d", "r0")->lower95 > 0.001);
	assert_false(is_open(f));
	fx_oops(f, 5);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->proof, RW_PROOF_SHARE);
	fx_free(f);
}

static void the_size_that_a_step_was_to_have_outlives_a_restart(void **state)
{
	(void)state;
	struct fixture *f = reported(evidence_only(1), 2000);

	fx_start(f, "d", "r0", 1);
	for (uint32_t host = 0; host < 1000; host++)
		reports(f, host, "marker:acme", "1.2.3");
	fx_restart(f);
	fx_listen(f);
	for (uint32_t host = 0; host < 5; host++)
		fx_oops(f, host);
	/* 4 of 1,000 would prove it, and 5 of the 2,000 that it was to have do not. */
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 5);
	assert_false(is_open(f));
	fx_oops(f, 5);
	assert_true(is_open(f));
	fx_free(f);
}

static void fresh_hosts_do_not_dilute_an_old_cohort(void **state)
{
	(void)state;
	struct rw_policy policy = in_steps();
	policy.rings[0].open_on_evidence = true;
	policy.rings[0].bake_ms = 10000;
	struct fixture *f = reported(policy, 1000);

	fx_start(f, "d", "r0", 1);
	for (uint32_t host = 0; host < 100; host++)
		reports(f, host, "marker:acme", "1.2.3");
	fx_run(f, 15000);
	fx_oops(f, 0);
	fx_start(f, "d", "r0", 2);
	for (uint32_t host = 100; host < 1000; host++)
		reports(f, host, "marker:acme", "1.2.3");
	/* Two of 1,000 are nothing; two of the first 100 are. */
	fx_oops(f, 500);
	assert_false(is_open(f));
	fx_oops(f, 1);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->proof, RW_PROOF_SHARE);
	fx_check(f);
	fx_free(f);
}

static void a_kernels_version_is_its_release_or_that_and_its_build(void **state)
{
	static const struct {
		const char *version, *value;
		bool matches;
	} rows[] = {
		{"6.12.1", "6.12.1 deadbeef", true}, {"6.12.1 deadbeef", "6.12.1 deadbeef", true},
		{"6.12", "6.12.1 deadbeef", false},  {"6.12.1 dead", "6.12.1 deadbeef", false},
		{"6.12.1", "6.12.1", true},          {"6.12.1 deadbeef", "6.12.1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fx_new(fx_policy(1));
		struct rw_deployment_row spec = fx_spec("d", 1);

		fx_enrol(f, 0, 2, "r0");
		spec.exposure = RW_EXPOSURE_REPORTED;
		rw_copy_text(spec.match, sizeof(spec.match), "kernel");
		rw_copy_text(spec.version, sizeof(spec.version), rows[i].version);
		assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
		assert_int_equal(rw_core_version(f->core, fx_handle(f, 0), "kernel", rows[i].value,
						 false, f->now) == RW_VERSION_EXPOSED,
				 rows[i].matches);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_few_as_cannot_be_chance_open_it),
		cmocka_unit_test(one_host_is_a_limit_and_never_evidence),
		cmocka_unit_test(what_befalls_control_as_often_is_not_the_changes_doing),
		cmocka_unit_test(who_falls_silent_at_once_is_weighed_together),
		cmocka_unit_test(controls_silence_counts_until_it_is_back),
		cmocka_unit_test(a_reset_begins_a_new_comparison),
		cmocka_unit_test(a_comparison_without_hours_proves_nothing_yet),
		cmocka_unit_test(time_that_passes_without_a_failure_proves_nothing),
		cmocka_unit_test(who_dies_as_soon_as_it_is_back_has_no_hours_to_excuse_it),
		cmocka_unit_test(who_was_let_in_stays_in_when_the_ring_shrinks),
		cmocka_unit_test(a_crash_that_two_hosts_share_and_nobody_had_before),
		cmocka_unit_test(seen_within_the_week_before_it_is_not_new),
		cmocka_unit_test(seen_by_control_meanwhile_it_is_not_the_changes),
		cmocka_unit_test(the_signature_unseen_for_longest_makes_room_on_disk_too),
		cmocka_unit_test(how_a_boot_ended_is_no_signature),
		cmocka_unit_test(three_deaths_in_half_an_hour_are_a_loop),
		cmocka_unit_test(deaths_that_only_their_events_tell_of_are_a_loop_too),
		cmocka_unit_test(a_wall_clock_at_its_very_beginning_hides_no_loop),
		cmocka_unit_test(a_host_that_did_so_before_proves_nothing),
		cmocka_unit_test(a_module_that_never_failed_so_before),
		cmocka_unit_test(hosts_are_exposed_as_they_report),
		cmocka_unit_test(who_was_excluded_and_is_back_stays_in_as_well),
		cmocka_unit_test(a_ring_that_was_not_started_allows_nobody),
		cmocka_unit_test(what_a_reset_allowed_before_the_start_is_told_again),
		cmocka_unit_test(a_growing_number_takes_more_to_prove_than_a_fixed_one),
		cmocka_unit_test(the_size_that_a_step_was_to_have_outlives_a_restart),
		cmocka_unit_test(fresh_hosts_do_not_dilute_an_old_cohort),
		cmocka_unit_test(a_kernels_version_is_its_release_or_that_and_its_build),
	};

	return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
