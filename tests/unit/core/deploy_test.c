/* SPDX-License-Identifier: Apache-2.0 */
/* What people and rollout systems may do, what is refused, and what is the same again. */
#include "tests/unit/core/fixture.h"

static void creating_the_same_again_changes_nothing(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(3));
	struct rw_deployment_row spec = fx_spec("d", 3);
	struct rw_act_result first, again;

	/* Rings given in any order stand in rollout order. */
	rw_copy_text(spec.rings[0], sizeof(spec.rings[0]), "r2");
	rw_copy_text(spec.rings[2], sizeof(spec.rings[2]), "r0");
	first = rw_core_deploy_create(f->core, &spec, f->now);
	assert_int_equal(first.status, 0);
	assert_true(first.changed);
	assert_int_equal(first.sequence, 1);
	struct rw_deployment_row row;
	assert_true(rw_core_deployment_at(f->core, 0, &row));
	assert_false(rw_core_deployment_at(f->core, 1, &row)); /* lists go on until then */
	assert_string_equal(row.rings[0], "r0");
	assert_string_equal(row.rings[2], "r2");
	assert_int_equal(row.state, RW_DEPLOYMENT_ACTIVE);

	spec = fx_spec("d", 3);
	again = rw_core_deploy_create(f->core, &spec, f->now);
	assert_int_equal(again.status, 0);
	assert_false(again.changed);
	assert_int_equal(again.sequence, 1); /* still to be waited for */
	assert_int_equal(f->journal_count, 1);
	fx_free(f);
}

static void a_deployment_that_cannot_be_is_refused_with_a_sentence(void **state)
{
	struct rw_deployment_row spec;
	struct fixture *f = fx_new(fx_policy(2));

	(void)state;
	fx_create(f, "d", 2);
	struct {
		const char *what;
		int status;
	} rows[] = {{"other version", -EEXIST}, {"other rings", -EEXIST}, {"no ring", -EINVAL},
		    {"one twice", -EINVAL},     {"unknown", -ENOENT},     {"no name", -EINVAL},
		    {"no exposure", -EINVAL}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		spec = fx_spec(i < 2 ? "d" : "e", 2);
		switch (i) {
		case 0:
			spec.version[0] = '9';
			break;
		case 1:
			spec.ring_count = 1;
			break;
		case 2:
			spec.ring_count = 0;
			break;
		case 3:
			spec.rings[1][1] = '0';
			break;
		case 4:
			spec.rings[1][1] = '7';
			break;
		case 5:
			spec.id[0] = '\0';
			break;
		default:
			spec.exposure = 0;
			break;
		}
		struct rw_act_result result = rw_core_deploy_create(f->core, &spec, f->now);
		if (result.status != rows[i].status || result.message[0] == '\0')
			fail_msg("%s: %d '%s'", rows[i].what, result.status, result.message);
	}
	assert_int_equal(rw_core_deployment_count(f->core), 1);
	assert_int_equal(f->journal_count, 1);
	fx_free(f);
}

static struct fixture *with_all_deployments(void)
{
	struct fixture *f = fx_new(fx_policy(1));
	char id[16];

	for (unsigned i = 0; i < RW_CORE_DEPLOYMENTS_MAX; i++) {
		snprintf(id, sizeof(id), "d%u", i);
		fx_create(f, id, 1);
	}
	return f;
}

static void there_is_an_end_to_active_deployments(void **state)
{
	(void)state;
	struct fixture *f = with_all_deployments();
	struct rw_deployment_row spec = fx_spec("one-more", 1);

	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, -ENOSPC);
	assert_int_equal(rw_core_deployment_count(f->core), RW_CORE_DEPLOYMENTS_MAX);
	fx_free(f);
}

/* Of d3, d7 and d5, which ended in this order, d3 goes first, and only when it must. */
static void the_deployment_that_ended_first_makes_room(void **state)
{
	(void)state;
	struct fixture *f = with_all_deployments();
	static const char *const ended[] = {"d3", "d7", "d5"};

	for (size_t i = 0; i < 3; i++) {
		fx_run(f, 1000);
		assert_int_equal(rw_core_deploy_finish(f->core, ended[i], f->now).status, 0);
	}
	struct rw_deployment_row known = fx_spec("d9", 1), spec = fx_spec("one-more", 1);
	assert_int_equal(rw_core_deploy_create(f->core, &known, f->now).status, 0);
	assert_true(rw_core_deployment_find(f->core, "d3") >= 0);

	struct rw_deployment_row bad = fx_spec("bad", 1);
	rw_copy_text(bad.rings[0], RW_CORE_NAME_BYTES, "nowhere");
	assert_int_equal(rw_core_deploy_create(f->core, &bad, f->now).status, -ENOENT);
	assert_true(rw_core_deployment_find(f->core, "d3") >= 0);

	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
	assert_int_equal(rw_core_deployment_find(f->core, "d3"), -ENOENT);
	assert_true(rw_core_deployment_find(f->core, "d7") >= 0);
	assert_true(rw_core_deployment_find(f->core, "d255") >= 0);
	assert_int_equal(rw_core_deployment_count(f->core), RW_CORE_DEPLOYMENTS_MAX);

	fx_restart(f);
	assert_int_equal(rw_core_deployment_find(f->core, "d3"), -ENOENT);
	assert_int_equal(rw_core_deployment_count(f->core), RW_CORE_DEPLOYMENTS_MAX);
	fx_free(f);
}

/* A store that refuses keeps both as they were. */
static void no_deployment_is_forgotten_that_the_store_keeps(void **state)
{
	(void)state;
	struct fixture *f = with_all_deployments();
	struct rw_deployment_row spec = fx_spec("one-more", 1);

	assert_int_equal(rw_core_deploy_finish(f->core, "d3", f->now).status, 0);
	f->refuse_from = f->sequence + 1;
	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, -EIO);
	assert_true(rw_core_deployment_find(f->core, "d3") >= 0);
	assert_int_equal(rw_core_deployment_find(f->core, "one-more"), -ENOENT);
	fx_free(f);
}

/* What a host said before the deployment came: it is exposed, but nobody has heard it. */
static void a_version_that_is_known_exposes_without_hearing(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	struct rw_deployment_row spec = fx_spec("d", 1);
	struct rw_host_row host;

	spec.exposure = RW_EXPOSURE_REPORTED;
	rw_copy_text(spec.match, sizeof(spec.match), "marker:driver");
	fx_enrol(f, 0, 3, "r0");
	fx_listen(f);
	f->hosts[2].beats = false;
	fx_run(f, 2 * f->policy.timing.offline_after_ms);
	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
	rw_core_version_known(f->core, fx_handle(f, 0), "marker:driver", "other", f->now);
	rw_core_version_known(f->core, fx_handle(f, 0), "kernel", spec.version, f->now);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 0);
	for (uint32_t i = 1; i < 3; i++)
		rw_core_version_known(f->core, fx_handle(f, i), "marker:driver", spec.version,
				      f->now);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 2);
	assert_int_equal(fx_verdict(f, "d", "r0")->at_risk, 0);
	assert_true(rw_core_host_at(f->core, fx_handle(f, 2), &host));
	assert_int_equal(host.presence, RW_OFFLINE);
	assert_false(host.unregistered);
	fx_check(f);

	fx_run(f, 5000); /* a heartbeat */
	assert_int_equal(fx_verdict(f, "d", "r0")->at_risk, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 0);
	fx_check(f);
	rw_core_version_known(f->core, RW_NO_HOST, "marker:driver", spec.version, f->now);
	fx_free(f);
}

static void expect_refusal(struct rw_act_result result, int status, int reason)
{
	assert_int_equal(result.status, status);
	assert_false(result.changed);
	assert_int_not_equal(result.message[0], '\0');
	if (reason < 0) {
		assert_int_equal(result.reason_count, 0);
		return;
	}
	for (uint32_t i = 0; i < result.reason_count; i++) {
		if (result.reasons[i] == (enum rw_reason)reason)
			return;
	}
	fail_msg("%s is not among the reasons", rw_reason_name((enum rw_reason)reason));
}

#define START(f, d, r, s) rw_core_deploy_start((f)->core, d, r, s, (f)->now)

static void a_start_exposes_who_is_enrolled_then_and_nobody_later(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(2));
	fx_enrol(f, 0, 5, "r0");
	fx_enrol(f, 5, 5, "r1");
	fx_listen(f);
	fx_create(f, "d", 2);
	struct rw_act_result first = START(f, "d", "r0", 1);
	assert_int_equal(first.status, 0);
	assert_true(first.changed);
	assert_int_equal(first.sequence, f->sequence);
	size_t rows = f->journal_count;

	fx_enrol(f, 20, 3, "r0");
	fx_run(f, 5000);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->enrolled, 8);
	assert_int_equal(v->exposed, 5);
	assert_int_equal(v->at_risk, 5);
	assert_int_equal(v->unheard, 0);

	struct rw_act_result again = START(f, "d", "r0", 1);
	assert_int_equal(again.status, 0);
	assert_false(again.changed);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 5);
	assert_true(f->journal_count > rows);
	fx_check(f);
	fx_free(f);
}

static void a_start_that_may_not_be_says_why(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(2));
	fx_create(f, "d", 2);
	expect_refusal(START(f, "x", "r0", 1), -ENOENT, -1);
	expect_refusal(START(f, "d", "r9", 1), -ENOENT, -1);
	expect_refusal(START(f, "d", "r0", 0), -EINVAL, -1);
	expect_refusal(START(f, "d", "r0", 2), -EINVAL, -1);
	expect_refusal(START(f, "d", "r0", 1), -EPERM, RW_REASON_NO_EXPOSED_HOSTS);

	fx_enrol(f, 0, 4, "r0");
	fx_enrol(f, 4, 4, "r1");
	fx_listen(f);
	expect_refusal(START(f, "d", "r1", 1), -EPERM, RW_REASON_PREVIOUS_RING_NOT_PASSED);
	f->hosts[0].beats = false;
	fx_run(f, 31000);
	expect_refusal(START(f, "d", "r0", 1), -EPERM, RW_REASON_RING_UNHEALTHY);
	f->hosts[0].beats = true;
	fx_run(f, 5000);
	fx_start(f, "d", "r0", 1);
	fx_run(f, FX_BAKE_MS + 10000);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "proceed");
	fx_oops(f, 1); /* it had passed; now its breaker is open */
	expect_refusal(START(f, "d", "r1", 1), -EPERM, RW_REASON_PREVIOUS_RING_NOT_PASSED);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "bad driver", f->now).status, 0);
	expect_refusal(START(f, "d", "r1", 1), -EPERM, RW_REASON_WITHDRAWN);
	expect_refusal(START(f, "d", "r0", 1), -EPERM, RW_REASON_WITHDRAWN);
	fx_free(f);
}

static void steps_are_walked_one_by_one_with_a_closed_breaker(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].step_count = 3;
	policy.rings[0].step_ppm[0] = 100000;
	policy.rings[0].step_ppm[1] = 500000;
	policy.rings[0].step_ppm[2] = RW_PPM;
	struct fixture *f = fx_new(policy);
	fx_enrol(f, 0, 10, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	expect_refusal(START(f, "d", "r0", 2), -EPERM, RW_REASON_BAKE_INCOMPLETE);
	fx_start(f, "d", "r0", 1);
	expect_refusal(START(f, "d", "r0", 2), -EPERM, RW_REASON_BAKE_INCOMPLETE);
	fx_run(f, FX_BAKE_MS + 10000);
	expect_refusal(START(f, "d", "r0", 3), -EPERM, RW_REASON_BAKE_INCOMPLETE);
	fx_enrol(f, 10, 2, "r0");
	fx_start(f, "d", "r0", 2);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 12); /* those who came since, too */
	expect_refusal(START(f, "d", "r0", 1), -EINVAL, -1);
	fx_run(f, FX_BAKE_MS + 10000);
	fx_oops(f, 3);
	expect_refusal(START(f, "d", "r0", 3), -EPERM, -1); /* complete, but the breaker is open */
	fx_free(f);
}

static void a_moved_host_counts_where_it_was_exposed_and_once(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(2));
	fx_enrol(f, 0, 4, "r0");
	fx_enrol(f, 4, 4, "r1");
	fx_listen(f);
	fx_create(f, "d", 2);
	fx_start(f, "d", "r0", 1);
	fx_run(f, FX_BAKE_MS + 10000);
	fx_hello(f, 0, "r1");
	fx_start(f, "d", "r1", 1);
	fx_run(f, 5000);
	assert_int_equal(fx_verdict(f, "d", "r1")->exposed, 4);
	assert_int_equal(fx_verdict(f, "d", "r1")->enrolled, 5);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 4);
	fx_oops(f, 0);
	struct rw_verdict *v = fx_verdict(f, "d", "r1");
	assert_int_equal(v->decision, RW_ABORT);
	assert_int_equal(v->failed, 0);
	assert_string_equal(v->open_ring, "r0"); /* whose breaker is shown */
	assert_int_equal(v->evidence_count, 1);
	fx_check(f);
	fx_free(f);
}

static void a_failure_counts_in_each_deployment_of_the_host(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	fx_create(f, "e", 1);
	assert_int_equal(rw_core_proved(f->core, "r0", f->now.wall_ms), 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->warning_count, 0);
	fx_start(f, "e", "r0", 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->warning_count, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->warnings[0], RW_WARNING_OVERLAP);
	assert_int_equal(fx_verdict(f, "e", "r0")->warnings[0], RW_WARNING_OVERLAP);
	fx_oops(f, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	assert_int_equal(fx_verdict(f, "e", "r0")->decision, RW_ABORT);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "e", "", f->now).status, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->warning_count, 0);
	fx_check(f);
	fx_free(f);
}

static void an_end_is_final_and_no_longer_judged(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_deployment_row row;

	struct rw_act_result result = rw_core_deploy_finish(f->core, "d", f->now);
	assert_int_equal(result.status, 0);
	assert_true(result.changed);
	assert_true(rw_core_deployment_at(f->core, 0, &row));
	assert_int_equal(row.state, RW_DEPLOYMENT_FINISHED);
	assert_int_equal(row.ended_wall_ms, f->now.wall_ms);
	assert_false(rw_core_deploy_finish(f->core, "d", f->now).changed);
	expect_refusal(rw_core_deploy_withdraw(f->core, "d", "x", f->now), -EPERM,
		       RW_REASON_FINISHED);
	expect_refusal(rw_core_deploy_reset(f->core, "d", "r0", f->now), -EPERM,
		       RW_REASON_FINISHED);
	expect_refusal(rw_core_deploy_finish(f->core, "x", f->now), -ENOENT, -1);

	fx_oops(f, 0);
	f->hosts[1].beats = false;
	fx_run(f, 40000);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_string_equal(fx_say(v), "hold: finished");
	assert_int_equal(v->exposed, 3);
	assert_int_equal(v->failed, 0);
	fx_check(f);
	fx_free(f);
}

static void a_withdrawn_deployment_still_says_what_opened_its_breaker(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	f->hosts[2].beats = false;
	fx_run(f, 31000);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "it killed h2", f->now).status, 0);
	for (int restarted = 0; restarted < 2; restarted++) {
		struct rw_verdict *v = fx_verdict(f, "d", "r0");

		assert_int_equal(v->decision, RW_ABORT);
		assert_int_equal(v->failed, 1);
		assert_int_equal(v->at_risk, 3);
		assert_int_equal(v->exposed, 3);
		assert_string_equal(v->evidence[0].host, "h2");
		fx_restart(f);
	}
	struct rw_deployment_row row;
	assert_true(rw_core_deployment_at(f->core, 0, &row));
	assert_string_equal(row.reason, "it killed h2");
	fx_free(f);
}

static void a_reset_forgives_what_was_and_nothing_that_comes(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);
	expect_refusal(rw_core_deploy_reset(f->core, "d", "r7", f->now), -ENOENT, -1);
	assert_false(
		rw_core_deploy_reset(f->core, "d", "r0", f->now).changed); /* nothing to forgive */

	uint64_t first_oops = fx_boot_ms(f, 0);
	fx_oops(f, 0);
	f->hosts[1].beats = false;
	fx_run(f, 31000);
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 2);
	assert_true(rw_core_deploy_reset(f->core, "d", "r0", f->now).changed);
	for (int restarted = 0; restarted < 2; restarted++) {
		struct rw_verdict *v = fx_verdict(f, "d", "r0");

		assert_int_not_equal(v->decision, RW_ABORT);
		assert_int_equal(v->failed, 0);
		assert_int_equal(v->at_risk, 10);
		assert_int_equal(v->evidence_count, 0);
		assert_int_equal(v->observed_ms, 0);
		fx_restart(f);
	}
	/* What was acknowledged, told again or told late, stays acknowledged. */
	fx_event_at(f, 0, KIND_OOPS, "oops", 10, first_oops);
	fx_reboots(f, 1);
	fx_hello_end(f, 1, "r0", RW_END_UNEXPECTED);
	fx_event_at(f, 1, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", 10, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 0);
	/* What is new is not. */
	fx_run(f, 2000);
	fx_oops(f, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	fx_check(f);
	fx_free(f);
}

static void an_acknowledged_silence_counts_again_when_it_begins_anew(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	f->hosts[1].beats = false;
	fx_run(f, 31000);
	assert_true(rw_core_deploy_reset(f->core, "d", "r0", f->now).changed);
	fx_run(f, 60000);
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 0);
	f->hosts[1].beats = true;
	fx_run(f, 5000);
	f->hosts[1].beats = false;
	fx_run(f, 31000);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);

	/* And a boot that was heard after the reset may die of it. */
	assert_true(rw_core_deploy_reset(f->core, "d", "r0", f->now).changed);
	fx_beat(f, 1);
	fx_reboots(f, 1);
	fx_hello_end(f, 1, "r0", RW_END_UNEXPECTED);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_check(f);
	fx_free(f);
}

static void a_deployment_names_no_more_rings_than_it_counts(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(2));
	struct rw_deployment_row spec = fx_spec("d", 2);

	spec.ring_count = 1; /* the second name is of nothing */
	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r1")), "hold: unknown_ring blind");
	fx_free(f);
}

static void a_deployment_may_name_every_ring_there_can_be(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(RW_CORE_RINGS_MAX));

	fx_create(f, "d", RW_CORE_RINGS_MAX);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r31")),
			    "hold: blind not_started previous_ring_not_passed no_exposed_hosts "
			    "too_few_hosts bake_incomplete");
	fx_free(f);
}

static void a_reason_too_long_is_cut_at_a_character(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	struct rw_deployment_row row;
	char reason[2 * RW_CORE_TEXT_BYTES];

	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	fx_create(f, "d", 1);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", reason, f->now).status, 0);
	assert_true(rw_core_deployment_at(f->core, 0, &row));
	assert_int_equal(strnlen(row.reason, sizeof(row.reason)), RW_CORE_TEXT_BYTES - 1);

	/* An é whose second byte does not fit goes with it. */
	memcpy(reason + RW_CORE_TEXT_BYTES - 2, "\xc3\xa9", 2);
	fx_create(f, "e", 1);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "e", reason, f->now).status, 0);
	assert_true(rw_core_deployment_at(f->core, 1, &row));
	assert_int_equal(strnlen(row.reason, sizeof(row.reason)), RW_CORE_TEXT_BYTES - 2);
	fx_free(f);
}

static void an_ended_deployment_remembers_who_recovered_and_crashed(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	for (int rule = RW_RULE_OFFLINE; rule < RW_RULE_COUNT; rule++)
		policy.rings[0].limits[rule].judged = false;
	struct fixture *f = fx_started(policy, 5);

	f->hosts[0].beats = f->hosts[1].beats = false;
	fx_run(f, 35000);
	f->hosts[0].beats = f->hosts[1].beats = true;
	fx_run(f, 5000);
	fx_oops(f, 2);
	assert_int_equal(rw_core_deploy_finish(f->core, "d", f->now).status, 0);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->exposed, 5);
	assert_int_equal(v->at_risk, 5);
	assert_int_equal(v->recovered, 2);
	assert_int_equal(v->crashed, 1);
	fx_free(f);
}

static void a_reset_leaves_nothing_of_the_breaker(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_oops(f, 0);
	assert_true(rw_core_deploy_reset(f->core, "d", "r0", f->now).changed);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_false(v->breaker_open);
	assert_int_equal(v->rule, RW_RULE_NONE);
	assert_int_equal(v->grade, RW_GRADE_NONE);
	assert_int_equal(v->opened_wall_ms, 0);
	assert_int_equal(v->evidence_count, 0);

	size_t last = f->journal_count - 1;
	while (f->journal[last].type != RW_CHANGE_RUN)
		last--;
	assert_false(f->journal[last].run.breaker_open);
	assert_int_equal(f->journal[last].run.opened_failed, 0);
	assert_int_equal(f->journal[last].run.opened_at_risk, 0);
	fx_free(f);
}

static void a_deployment_begins_without_a_reason_to_end(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	struct rw_deployment_row spec = fx_spec("d", 1), row;

	rw_copy_text(spec.reason, sizeof(spec.reason), "none of the caller's");
	spec.ended_wall_ms = 7;
	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
	assert_true(rw_core_deployment_at(f->core, 0, &row));
	assert_string_equal(row.reason, "");
	assert_int_equal(row.ended_wall_ms, 0);
	assert_int_equal(row.state, RW_DEPLOYMENT_ACTIVE);
	fx_free(f);
}

static void a_grade_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(rw_grade_name(RW_GRADE_NONE), "none");
	assert_string_equal(rw_grade_name(RW_GRADE_LIMIT), "limit");
	assert_string_equal(rw_grade_name(RW_GRADE_EVIDENCE), "evidence");
}

static void a_ring_is_unhealthy_by_either_rule_about_silence(void **state)
{
	static const enum rw_rule rules[] = {RW_RULE_OFFLINE, RW_RULE_FAILED};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rw_policy policy = fx_policy(1);
		policy.rings[0].limits[rules[i]].judged = false;
		struct fixture *f = fx_new(policy);

		fx_enrol(f, 0, 3, "r0");
		f->hosts[0].beats = false;
		fx_run(f, 40000);
		fx_create(f, "d", 1);
		expect_refusal(rw_core_deploy_start(f->core, "d", "r0", 1, f->now), -EPERM,
			       RW_REASON_RING_UNHEALTHY);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creating_the_same_again_changes_nothing),
		cmocka_unit_test(a_deployment_that_cannot_be_is_refused_with_a_sentence),
		cmocka_unit_test(there_is_an_end_to_active_deployments),
		cmocka_unit_test(the_deployment_that_ended_first_makes_room),
		cmocka_unit_test(no_deployment_is_forgotten_that_the_store_keeps),
		cmocka_unit_test(a_version_that_is_known_exposes_without_hearing),
		cmocka_unit_test(a_start_exposes_who_is_enrolled_then_and_nobody_later),
		cmocka_unit_test(a_start_that_may_not_be_says_why),
		cmocka_unit_test(steps_are_walked_one_by_one_with_a_closed_breaker),
		cmocka_unit_test(a_moved_host_counts_where_it_was_exposed_and_once),
		cmocka_unit_test(a_failure_counts_in_each_deployment_of_the_host),
		cmocka_unit_test(an_end_is_final_and_no_longer_judged),
		cmocka_unit_test(a_withdrawn_deployment_still_says_what_opened_its_breaker),
		cmocka_unit_test(a_reset_forgives_what_was_and_nothing_that_comes),
		cmocka_unit_test(an_acknowledged_silence_counts_again_when_it_begins_anew),
		cmocka_unit_test(a_deployment_names_no_more_rings_than_it_counts),
		cmocka_unit_test(a_deployment_may_name_every_ring_there_can_be),
		cmocka_unit_test(a_reason_too_long_is_cut_at_a_character),
		cmocka_unit_test(an_ended_deployment_remembers_who_recovered_and_crashed),
		cmocka_unit_test(a_reset_leaves_nothing_of_the_breaker),
		cmocka_unit_test(a_deployment_begins_without_a_reason_to_end),
		cmocka_unit_test(a_grade_has_its_name),
		cmocka_unit_test(a_ring_is_unhealthy_by_either_rule_about_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
