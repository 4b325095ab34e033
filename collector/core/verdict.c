/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict: one answer from what the other files keep, and how much it proves. O(1)
 * in hosts.
 *
 * abort    when any breaker of the deployment is open, whatever else is; and while a
 *          drill of it is on, which is the only reason that an abort ever has.
 * hold     else, with every reason that applies, in the order of enum rw_reason.
 *          Of a deployment that has ended only that is said, and how the
 *          observer is: nothing of it is judged any more.
 * proceed  else.
 *
 * Two questions. `advance`: may the rollout go beyond what this ring's step has
 * now? `enter`: may one more host of this ring be exposed now? The second leaves
 * out what is about the hosts that are exposed already (none, too few, coverage,
 * bake) and asks instead whether the step has room. A step without room holds as
 *   bake_incomplete  while its bake is not complete;
 *   not_started      when it is, and the next step has to be started first.
 * After the last step's bake nothing is left to limit, so it proceeds. With
 * `fixed` exposure all hosts of a ring are exposed at its start, so `enter` holds
 * there until the last step has baked.
 *
 * A proceed rests on rows: the deployment's, this ring's and the previous ring's.
 * It is only said when all of them are on disk; until then it holds as
 * store_failed.
 */
#include <string.h>

#include "collector/core/internal.h"
#include "collector/core/statistics.h"

static void add_reason(struct rw_verdict *out, bool applies, enum rw_reason reason)
{
	if (applies && out->reason_count < RW_CORE_REASONS_MAX)
		out->reasons[out->reason_count++] = reason;
}

static void add_warning(struct rw_verdict *out, bool applies, enum rw_warning warning)
{
	if (applies && out->warning_count < RW_CORE_WARNINGS_MAX)
		out->warnings[out->warning_count++] = warning;
}

/* ---- figures ---------------------------------------------------------------- */

/* Off by more than a tenth of what the policy claims, and by more than one host. */
static bool share_is_off(const struct rw_core *core, uint32_t ring)
{
	uint64_t share_ppm = core->policy.rings[ring].fleet_share_ppm;
	uint64_t claimed = core->enrolled * share_ppm; /* in millionths of a host */
	uint64_t real = core->rings[ring].enrolled * RW_PPM;
	uint64_t apart = real > claimed ? real - claimed : claimed - real;

	return share_ppm != 0 && apart > RW_PPM && apart > claimed / 10;
}

static uint32_t shown_limit_ppm(const struct rw_ring_policy *policy)
{
	static const enum rw_rule order[] = {RW_RULE_FAILED, RW_RULE_CRASHED, RW_RULE_OFFLINE};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (policy->limits[order[i]].judged)
			return policy->limits[order[i]].ppm;
	}
	return RW_PPM;
}

static void fill_ring(const struct rw_core *core, uint32_t index, struct rw_verdict *out)
{
	const struct rw_ring_policy *policy = &core->policy.rings[index];
	const struct rw_ring *ring = &core->rings[index];

	out->enrolled = ring->enrolled;
	memcpy(out->presence, ring->presence, sizeof(out->presence));
	out->steps = policy->step_count;
	out->required_ms = policy->bake_ms;
	out->limit_ppm = shown_limit_ppm(policy);
	out->min_coverage_ppm = policy->min_coverage_ppm;
	out->max_exposed_hosts = rw_bake_allowed_hosts(policy, out->step, ring->enrolled);
	out->control_hosts = core->control.hosts;
	out->upper95 = 1.0;
	out->p = 1.0;
	add_warning(out, share_is_off(core, index), RW_WARNING_RING_SHARE);
	add_warning(out, ring->unregistered > 0, RW_WARNING_UNREGISTERED_CHANGE);
	add_warning(out, rw_presence_has_jumped(core, index), RW_WARNING_ENROLMENT_JUMP);
	add_warning(out, ring->duplicates > 0, RW_WARNING_DUPLICATE_IDENTITY);
	out->proved_wall_ms = ring->proved_wall_ms;
}

/* The fewest failed hosts of n that open a rule with this limit. */
static uint64_t fewest(uint64_t n, uint32_t limit_ppm, uint32_t least_hosts)
{
	uint64_t above = n * limit_ppm / RW_PPM + 1;

	return above > least_hosts ? above : least_hosts;
}

/*
 * What the fleet's own failures would do to n hosts in one bake: before the start, to
 * those that the ring has.
 */
static void fill_noise(const struct rw_core *core, uint32_t ring, struct rw_verdict *out)
{
	const struct rw_ring_policy *policy = &core->policy.rings[ring];
	uint64_t n = out->step > 0 ? out->at_risk : out->max_exposed_hosts;

	out->detection_power = rw_stat_detectable(n, 1.0 - RW_ERROR);
	if (core->control.natural_host_ms > 0)
		out->expected_natural = (double)core->control.natural_failures *
					((double)n * (double)policy->bake_ms) /
					(double)core->control.natural_host_ms;
	if (n > 0)
		out->false_trip = rw_stat_poisson_at_least(
			fewest(n, out->limit_ppm, policy->least_hosts), out->expected_natural);
	add_warning(out, !policy->open_on_evidence && out->false_trip > 0.1,
		    RW_WARNING_LIMIT_BELOW_NOISE);
}

static struct rw_bounds bounds_now(const struct rw_run *run)
{
	const struct rw_counts *counts = &run->counts;
	struct rw_bounds now = {
		.failed = counts->all.by[RW_RULE_FAILED],
		.at_risk = counts->all.at_risk,
		.full_failed = counts->full_failed,
		.full = counts->full,
	};
	/* The same k and n as are shown: see fill_run(). */
	if (run->breaker_open && run->deployment->row.state != RW_DEPLOYMENT_ACTIVE) {
		now.failed = run->opened_failed;
		now.at_risk = run->opened_at_risk;
	}
	const struct rw_bounds *known = &run->bounds;

	if (known->failed == now.failed && known->at_risk == now.at_risk &&
	    known->full_failed == now.full_failed && known->full == now.full &&
	    known->upper95 > 0.0)
		return *known;
	now.lower95 = rw_stat_lower(now.failed, now.at_risk, 1.0 - RW_ERROR);
	now.upper95 = rw_stat_upper(now.full_failed, now.full, 1.0 - RW_ERROR);
	return now;
}

void rw_verdict_prepare(struct rw_run *run)
{
	run->bounds = bounds_now(run);
}

static void fill_bounds(const struct rw_run *run, struct rw_verdict *out)
{
	struct rw_bounds bounds = bounds_now(run);

	out->lower95 = bounds.lower95;
	out->observed_full = bounds.full;
	out->upper95 = bounds.upper95;
	out->certified = out->upper95 * RW_PPM <= out->limit_ppm;
	if (run->deployment->row.state != RW_DEPLOYMENT_ACTIVE)
		return; /* control is not followed beyond the end */
	out->control_failed = run->control_failed;
	out->control_host_ms = run->control_host_ms;
	out->exposed_host_ms = run->exposed_host_ms;
	out->p = rw_breaker_chance(run, out->failed);
}

static void fill_run(const struct rw_core *core, const struct rw_run *run, bool hidden,
		     struct rw_verdict *out)
{
	const struct rw_counts *counts = &run->counts;

	out->step = run->step;
	out->bake = rw_bake_state(core, run, hidden);
	out->observed_ms = run->observed_ms;
	out->started_wall_ms = run->started_wall_ms;
	out->exposed = counts->exposed;
	out->unheard = counts->exposed - counts->all.at_risk;
	out->at_risk = counts->all.at_risk;
	out->failed = counts->all.by[RW_RULE_FAILED];
	out->offline = counts->all.by[RW_RULE_OFFLINE];
	out->crashed = counts->all.by[RW_RULE_CRASHED];
	out->module_failed = counts->all.by[RW_RULE_MODULE_FAILED];
	out->looping = counts->looping;
	out->recovered = counts->recovered;
	out->covered = counts->covered;
	/* Who is offline is not followed beyond the end: what opened it still stands. */
	if (run->breaker_open && run->deployment->row.state != RW_DEPLOYMENT_ACTIVE) {
		out->at_risk = run->opened_at_risk;
		out->failed = run->opened_failed;
	}
	if (run->step > 0)
		out->max_exposed_hosts = rw_bake_room(core, run);
	fill_bounds(run, out);
	add_warning(out, counts->overlapped > 0, RW_WARNING_OVERLAP);
	add_warning(out, counts->blind > 0, RW_WARNING_COVERAGE_OF_HOOKS);
}

static void fill_breaker(const struct rw_core *core, const struct rw_run *run,
			 struct rw_verdict *out)
{
	rw_copy_text(out->open_ring, sizeof(out->open_ring),
		     run->breaker_open ? rw_run_policy(core, run)->name : "");
	out->breaker_open = run->breaker_open;
	out->grade = run->grade;
	out->rule = run->rule;
	out->proof = run->proof;
	out->opened_wall_ms = run->opened_wall_ms;
	out->evidence_count = run->evidence_count;
	if (run->evidence_count > 0)
		memcpy(out->evidence, run->evidence,
		       run->evidence_count * sizeof(run->evidence[0]));
}

/* The asked ring's breaker, or another of the deployment that is open. */
static const struct rw_run *shown_breaker(const struct rw_deployment *deployment,
					  const struct rw_run *asked)
{
	if (asked != NULL && asked->breaker_open)
		return asked;
	for (uint32_t i = 0; i < deployment->row.ring_count; i++) {
		if (deployment->runs[i].breaker_open)
			return &deployment->runs[i];
	}
	return asked;
}

/* ---- reasons ------------------------------------------------------------------- */

static bool rests_on_disk(const struct rw_core *core, const struct rw_run *run)
{
	const struct rw_run *previous = rw_run_previous(run);

	return run->deployment->sequence <= core->committed && run->sequence <= core->committed &&
	       (previous == NULL || previous->sequence <= core->committed);
}

static void hold_for_step(const struct rw_core *core, const struct rw_run *run,
			  struct rw_verdict *out)
{
	bool advance = out->question == RW_FOR_ADVANCE;
	bool complete = rw_bake_is_complete(core, run);
	bool full = !advance && run->step > 0 && run->counts.exposed >= out->max_exposed_hosts;
	bool is_last = run->step == rw_run_policy(core, run)->step_count;
	const struct rw_run *previous = rw_run_previous(run);

	add_reason(out, run->step == 0 || (full && complete && !is_last), RW_REASON_NOT_STARTED);
	add_reason(out, previous != NULL && !rw_bake_has_passed(core, previous),
		   RW_REASON_PREVIOUS_RING_NOT_PASSED);
	add_reason(out, rw_run_ring_is_unhealthy(core, run), RW_REASON_RING_UNHEALTHY);
	add_reason(out, advance && run->counts.exposed == 0, RW_REASON_NO_EXPOSED_HOSTS);
	add_reason(out, advance && rw_bake_coverage_is_low(core, run), RW_REASON_COVERAGE_LOW);
	add_reason(out, advance && run->counts.all.at_risk < rw_run_policy(core, run)->least_hosts,
		   RW_REASON_TOO_FEW_HOSTS);
	add_reason(out, (advance || full) && !complete, RW_REASON_BAKE_INCOMPLETE);
}

static void hold_reasons(const struct rw_core *core, const struct rw_deployment *deployment,
			 const struct rw_run *run, bool ring_is_known, bool blind,
			 struct rw_verdict *out)
{
	add_reason(out, deployment == NULL, RW_REASON_UNKNOWN_DEPLOYMENT);
	add_reason(out, !ring_is_known || (deployment != NULL && run == NULL),
		   RW_REASON_UNKNOWN_RING);
	if (deployment != NULL) {
		add_reason(out, deployment->row.state == RW_DEPLOYMENT_WITHDRAWN,
			   RW_REASON_WITHDRAWN);
		add_reason(out, deployment->row.state == RW_DEPLOYMENT_FINISHED,
			   RW_REASON_FINISHED);
	}
	add_reason(out, blind, RW_REASON_BLIND);
	add_reason(out, core->silence.blackout, RW_REASON_BLACKOUT);
	add_reason(out, core->store_failed || core->resync.needed, RW_REASON_STORE_FAILED);
	if (run != NULL && deployment->row.state == RW_DEPLOYMENT_ACTIVE)
		hold_for_step(core, run, out);
	/* A commit under way is no reason of its own, only none to proceed yet. */
	add_reason(out, out->reason_count == 0 && !rests_on_disk(core, run),
		   RW_REASON_STORE_FAILED);
}

/* ---- the answer -------------------------------------------------------------------- */

void rw_core_verdict(const struct rw_core *core, const char *deployment_id, const char *ring,
		     enum rw_question question, struct rw_now now, struct rw_verdict *out)
{
	int deployment_index = rw_core_deployment_find(core, deployment_id);
	int ring_index = rw_core_ring_find(core, ring);
	struct rw_deployment *deployment =
		deployment_index < 0 ? NULL : core->deployments[deployment_index];
	const struct rw_run *run = deployment == NULL ? NULL : rw_run_find(deployment, core, ring);
	/* Between the end of blindness and the tick that judges what was hidden in it nothing
	 * is known yet. */
	bool blind = rw_core_blind_reason(core, now) != NULL ||
		     (core->was_hidden && !core->silence.blackout);

	memset(out, 0, sizeof(*out));
	rw_copy_text(out->deployment, sizeof(out->deployment), deployment_id);
	rw_copy_text(out->ring, sizeof(out->ring), ring);
	out->question = question;
	out->evaluated_wall_ms = now.wall_ms;
	if (run != NULL)
		out->step = run->step;
	if (ring_index >= 0)
		fill_ring(core, (uint32_t)ring_index, out);
	if (run != NULL)
		fill_run(core, run, rw_silence_hides(core, now), out);
	if (ring_index >= 0) {
		fill_noise(core, (uint32_t)ring_index, out);
		add_warning(out, rw_drill_is_stale(&core->rings[ring_index], now),
			    RW_WARNING_DRILL_STALE);
	}

	const struct rw_run *shown = deployment == NULL ? NULL : shown_breaker(deployment, run);

	if (shown != NULL)
		fill_breaker(core, shown, out);
	if (out->breaker_open) {
		out->decision = RW_ABORT;
		return;
	}
	if (deployment != NULL && rw_drill_holds(deployment, now)) {
		add_reason(out, true, RW_REASON_DRILL);
		out->decision = RW_ABORT;
		return;
	}
	hold_reasons(core, deployment, run, ring_index >= 0, blind, out);
	out->decision = out->reason_count > 0 ? RW_HOLD : RW_PROCEED;
}
