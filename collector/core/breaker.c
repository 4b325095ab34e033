/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement: one breaker for each ring of each deployment.
 *
 * n is the run's hosts at risk, k those of them that failed. Each rule looks at its own
 * part of them (exposure.c says which hosts those are):
 *   crashed        hosts that crashed since their exposure, back or not
 *   offline        hosts that are offline now
 *   failed         hosts that are either, each once
 *   module_failed  hosts that failed to load a module as they never had before
 *   exposure       opens when more hosts are exposed than the ring's step allows, and
 *                  with the first when the ring was not started
 * When several are crossed at once, the first in this list is named.
 *
 * There are two grades.
 *
 * `limit`: k / n is strictly above the rule's limit, and k is at least `least_hosts`.
 * That is the protocol's literal reading: with a limit of 0.1 % and least_hosts 1, one
 * failed host of 999 opens it, and one of 1,000 does not. Shares are compared as whole
 * numbers, so nothing is rounded. A ring with `open_on: evidence` waits for the other
 * grade; `exposure` opens there, too, for it is no estimate.
 *
 * `evidence`: what happened cannot be chance, so it opens even below the limit, on any of
 *   share       k >= 2, and the exact one-sided 95 % lower bound of the share is above
 *               the limit, and there are more failures an hour than in control (p < 5 %,
 *               left out where there is no control)
 *   signature   two exposed hosts share a crash signature that no host had in the week
 *               before and none of control has
 *   boot_loop   an exposed host reboots unexpectedly three times within half an hour, and
 *               never did in the week before
 * The last two are found in history.c, and prove() is told. An open breaker of the grade
 * `limit` rises to `evidence` when it is found.
 *
 * The bound looks at a number of hosts that does not depend on how they fare: with `fixed`
 * exposure all of them; with `reported` exposure all of them by the bound that holds at
 * any time, and besides each step's cohort, of the size that the step was to have, so that
 * fresh hosts never dilute what befell the old ones. k only grows while hosts fail, so
 * looking at each failure is one look, at the last.
 *
 * Silence counts for nothing while it is hidden: the observer is blind, or in a blackout
 * (silence.c). Then only crashes are judged, also under `failed`, and everything once it
 * sees again. Where neither control nor a witness can tell hosts' silence from a
 * network's, silence is no evidence either, only a limit.
 *
 * It is judged at each change of its counts, so it opens in the same call as the
 * transition that crossed. An open breaker stays open, whatever recovers, until it is
 * reset.
 */
#include "collector/core/internal.h"
#include "collector/core/statistics.h"

bool rw_breaker_is_above(const struct rw_limit *limit, uint32_t least_hosts, uint64_t failed,
			 uint64_t of)
{
	return limit->judged && failed >= least_hosts && failed * RW_PPM > limit->ppm * of;
}

double rw_breaker_chance(const struct rw_run *run, uint64_t failed)
{
	/* They may all have died at once. */
	uint64_t exposed_ms = run->exposed_host_ms > 0 ? run->exposed_host_ms : 1;

	return rw_stat_more_than_control(failed, (double)exposed_ms, run->control_failed,
					 (double)run->control_host_ms);
}

/* The rules that have a limit, in the order of precedence. */
static const enum rw_rule ruled[] = {RW_RULE_CRASHED, RW_RULE_OFFLINE, RW_RULE_FAILED,
				     RW_RULE_MODULE_FAILED};
enum { RULED = sizeof(ruled) / sizeof(ruled[0]) };

/* k of that rule; without what silence alone says, when that is `hidden`. */
static uint64_t failed_by(const struct rw_tally *tally, enum rw_rule rule, bool hidden)
{
	if (hidden && rule == RW_RULE_OFFLINE)
		return 0;
	if (hidden && rule == RW_RULE_FAILED)
		return tally->by[RW_RULE_CRASHED];
	return tally->by[rule];
}

/* ---- the grade `limit` ---------------------------------------------------------- */

static enum rw_rule crossed_rule(const struct rw_core *core, const struct rw_run *run, bool hidden)
{
	const struct rw_ring_policy *policy = rw_run_policy(core, run);

	for (int i = 0; i < RULED && run->step > 0 && !policy->open_on_evidence; i++) {
		if (rw_breaker_is_above(&policy->limits[ruled[i]], policy->least_hosts,
					failed_by(&run->counts.all, ruled[i], hidden),
					run->counts.all.at_risk))
			return ruled[i];
	}
	if (run->deployment->row.exposure == RW_EXPOSURE_REPORTED &&
	    run->counts.exposed > rw_bake_room(core, run))
		return RW_RULE_EXPOSURE;
	return RW_RULE_NONE;
}

/* ---- the grade `evidence` --------------------------------------------------------- */

static double share_of(const struct rw_limit *limit)
{
	return (double)limit->ppm / RW_PPM;
}

/* Of a number of hosts that was fixed beforehand: the lower bound is above the limit. */
static bool is_proved(uint64_t failed, uint64_t of, const struct rw_limit *limit)
{
	return failed >= 2 && rw_stat_at_least(failed, of, share_of(limit)) < RW_ERROR;
}

static bool is_proved_while_growing(uint64_t failed, uint64_t of, const struct rw_limit *limit)
{
	return failed >= 2 && rw_stat_anytime(failed, of, share_of(limit)) >= 1.0 / RW_ERROR;
}

/* How many hosts the step was to expose beyond those of the step before. */
static uint64_t planned_cohort(const struct rw_run *run, uint32_t step)
{
	uint64_t before = step > 1 ? run->step_targets[step - 2] : 0;
	uint64_t target = run->step_targets[step - 1];

	return target > before ? target - before : 0;
}

static bool cohort_proves(const struct rw_run *run, enum rw_rule rule, const struct rw_limit *limit,
			  bool hidden)
{
	for (uint32_t step = 1; step <= run->step; step++) {
		const struct rw_tally *cohort = &run->counts.cohorts[step];
		uint64_t planned = planned_cohort(run, step);
		uint64_t of = cohort->at_risk > planned ? cohort->at_risk : planned;

		if (is_proved(failed_by(cohort, rule, hidden), of, limit))
			return true;
	}
	return false;
}

static bool is_more_than_control(const struct rw_core *core, const struct rw_run *run,
				 enum rw_rule rule, uint64_t failed)
{
	/* What modules control failed to load is not counted. */
	if (rule == RW_RULE_MODULE_FAILED)
		return true;
	/* A control that has no hours yet is none to compare with, and no proof either. */
	if (run->control_host_ms == 0 && core->control.group.watched == 0)
		return true;
	return rw_breaker_chance(run, failed) < RW_ERROR;
}

/* The rule under which the share is proved to be above its limit; NONE. */
static enum rw_rule proved_rule(const struct rw_core *core, const struct rw_run *run, bool hidden)
{
	bool grows = run->deployment->row.exposure == RW_EXPOSURE_REPORTED;
	const struct rw_tally *all = &run->counts.all;

	for (int i = 0; i < RULED && run->step > 0; i++) {
		const struct rw_limit *limit = &rw_run_policy(core, run)->limits[ruled[i]];
		uint64_t failed = failed_by(all, ruled[i], hidden);

		if (!limit->judged || failed < 2 ||
		    !is_more_than_control(core, run, ruled[i], failed))
			continue;
		if (grows ? is_proved_while_growing(failed, all->at_risk, limit) ||
				    cohort_proves(run, ruled[i], limit, hidden)
			  : is_proved(failed, all->at_risk, limit))
			return ruled[i];
	}
	return RW_RULE_NONE;
}

/* ---- opening ------------------------------------------------------------------------ */

static void open_breaker(struct rw_core *core, struct rw_run *run, enum rw_rule rule,
			 enum rw_proof proof, struct rw_now now)
{
	bool was_open = run->breaker_open;

	run->proof = proof;
	run->grade = proof == RW_PROOF_NONE ? RW_GRADE_LIMIT : RW_GRADE_EVIDENCE;
	if (!was_open) {
		run->breaker_open = true;
		run->rule = rule;
		run->opened_wall_ms = now.wall_ms;
		run->opened_failed = run->counts.all.by[RW_RULE_FAILED];
		run->opened_at_risk = run->counts.all.at_risk;
	}
	rw_tell_run(core, run, now);
	if (!was_open)
		rw_evidence_add_silent(core, run, now);
}

static bool is_active(const struct rw_run *run)
{
	return run->deployment->row.state == RW_DEPLOYMENT_ACTIVE && run->counts.exposed > 0;
}

void rw_breaker_judge(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	if (core->gathers)
		run->to_judge = true;
	if (core->gathers || !is_active(run) || run->grade == RW_GRADE_EVIDENCE)
		return;

	bool hidden = rw_silence_hides(core, now);
	enum rw_rule crossed = crossed_rule(core, run, hidden);
	enum rw_rule proved = proved_rule(core, run, hidden || !rw_silence_is_evidence(core));

	if (proved != RW_RULE_NONE)
		open_breaker(core, run, crossed == RW_RULE_NONE ? proved : crossed, RW_PROOF_SHARE,
			     now);
	else if (crossed != RW_RULE_NONE && !run->breaker_open)
		open_breaker(core, run, crossed, RW_PROOF_NONE, now);
}

void rw_breaker_prove(struct rw_core *core, struct rw_run *run, enum rw_proof proof,
		      struct rw_now now)
{
	if (is_active(run) && run->step > 0 && run->grade != RW_GRADE_EVIDENCE)
		open_breaker(core, run, RW_RULE_CRASHED, proof, now);
}

void rw_breaker_judge_all(struct rw_core *core, struct rw_now now)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; j < deployment->row.ring_count; j++)
			rw_breaker_judge(core, &deployment->runs[j], now);
	}
}

void rw_breaker_gather(struct rw_core *core)
{
	core->gathers = true;
}

void rw_breaker_judge_gathered(struct rw_core *core, struct rw_now now)
{
	core->gathers = false;
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			if (!deployment->runs[j].to_judge)
				continue;
			deployment->runs[j].to_judge = false;
			rw_breaker_judge(core, &deployment->runs[j], now);
		}
	}
}
