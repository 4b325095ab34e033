/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bake clock of a ring's step: how long the deployment was watched there.
 *
 * It runs, on the observing clock and from tick to tick, only while
 *   the deployment is active, the step started, and this ring's breaker closed,
 *   at least min_exposed of the step's target is exposed,
 *   at least min_coverage of the exposed hosts that are not retired are covered,
 *   and the observer is neither blind nor in a blackout.
 * Else it pauses; it never goes back but by a reset. A span between two ticks
 * counts only when all that held at both its ends. At `bake_ms` the step is
 * complete and stays so.
 *
 * Its progress is told each RW_BAKE_SAVE_MS and whenever it pauses, so that a
 * killed collector loses no more than that, and its downtime adds nothing. The hours
 * that hosts were watched (control.c) are told with it, and each RW_HOURS_SAVE_MS while
 * it stands.
 */
#include "collector/core/internal.h"

uint64_t rw_bake_allowed_hosts(const struct rw_ring_policy *policy, uint32_t step,
			       uint64_t enrolled)
{
	uint64_t share_ppm = policy->step_ppm[step == 0 ? 0 : step - 1];
	uint64_t hosts = enrolled * share_ppm / RW_PPM;

	return hosts > 0 ? hosts : 1;
}

uint64_t rw_bake_room(const struct rw_core *core, const struct rw_run *run)
{
	if (run->step == 0)
		return run->target;

	uint64_t allowed = rw_bake_allowed_hosts(rw_run_policy(core, run), run->step,
						 core->rings[run->ring].enrolled);

	return allowed > run->target ? allowed : run->target;
}

bool rw_bake_is_complete(const struct rw_core *core, const struct rw_run *run)
{
	return run->step > 0 && run->observed_ms >= rw_run_policy(core, run)->bake_ms;
}

bool rw_bake_has_passed(const struct rw_core *core, const struct rw_run *run)
{
	return run->step == rw_run_policy(core, run)->step_count &&
	       rw_bake_is_complete(core, run) && !run->breaker_open;
}

bool rw_bake_coverage_is_low(const struct rw_core *core, const struct rw_run *run)
{
	return run->counts.covered * RW_PPM < rw_run_policy(core, run)->min_coverage_ppm *
						      (run->counts.exposed - run->counts.retired);
}

static bool runs_now(const struct rw_core *core, const struct rw_run *run, bool hidden)
{
	uint64_t least_ppm = rw_run_policy(core, run)->min_exposed_ppm;

	return rw_run_is_judged(run) && !run->breaker_open && !hidden && run->counts.exposed > 0 &&
	       run->counts.exposed * RW_PPM >= least_ppm * run->target &&
	       !rw_bake_coverage_is_low(core, run) && !rw_bake_is_complete(core, run);
}

enum rw_bake_state rw_bake_state(const struct rw_core *core, const struct rw_run *run, bool hidden)
{
	if (run->step == 0)
		return RW_BAKE_NOT_STARTED;
	if (rw_bake_is_complete(core, run))
		return RW_BAKE_COMPLETE;
	return runs_now(core, run, hidden) ? RW_BAKE_BAKING : RW_BAKE_PAUSED;
}

void rw_bake_begin(const struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	run->observed_ms = 0;
	run->saved_ms = 0;
	/* The span up to the next tick began before this step did. */
	run->baking = core->tick_obs_ms == core->obs_ms &&
		      runs_now(core, run, rw_silence_hides(core, now));
}

static void tick_run(struct rw_core *core, struct rw_run *run, bool hidden, struct rw_now now)
{
	bool baked = run->baking;
	bool bakes = runs_now(core, run, hidden);

	run->baking = bakes;
	if (baked && bakes) {
		uint64_t required_ms = rw_run_policy(core, run)->bake_ms;
		uint64_t span_ms = core->obs_ms - core->tick_obs_ms;

		if (run->observed_ms + span_ms > required_ms)
			span_ms = required_ms - run->observed_ms;
		run->observed_ms += span_ms;
		run->watched_ms += span_ms;
		if (run->observed_ms >= required_ms) {
			run->baking = false;
			run->saved_ms = run->observed_ms;
			rw_exposure_mature(core, run);
			rw_tell_run(core, run, now); /* complete: a `proceed` rests on it */
			return;
		}
	}
	if (baked != bakes || run->observed_ms - run->saved_ms >= RW_BAKE_SAVE_MS ||
	    core->obs_ms - run->told_obs_ms >= RW_HOURS_SAVE_MS) {
		run->saved_ms = run->observed_ms;
		rw_exposure_mature(core, run);
		rw_tell_progress(core, run, now);
	}
}

void rw_bake_tick(struct rw_core *core, bool hidden, struct rw_now now)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		if (deployment->row.state != RW_DEPLOYMENT_ACTIVE)
			continue;
		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			if (deployment->runs[j].step > 0)
				tick_run(core, &deployment->runs[j], hidden, now);
		}
	}
}
