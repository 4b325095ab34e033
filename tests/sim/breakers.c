/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be so of breakers: each counts what the judge counts, opens when a limit is
 * crossed by that and at no other time, and stays open until it is reset.
 */
#include <stdlib.h>

#include "tests/sim/sim.h"

enum { TICKS_MS = 2 * SIM_STEP_MS };

struct rw_run *sim_core_run(const struct sim *sim, uint32_t deployment, uint32_t ring)
{
	const struct rw_core *core = sim->collector.core;
	int index = rw_core_deployment_find(core, sim_deployment_name(deployment));

	return index < 0 ? NULL : rw_run_find(core->deployments[index], core, sim_ring_name(ring));
}

/* How many the step allows, of those that are enrolled now. */
static uint64_t allowed_now(const struct sim *sim, uint32_t ring, const struct rw_run *run)
{
	if (run->step == 0)
		return 0;

	uint64_t hosts = sim->judge.enrolled[ring] *
			 sim->collector.policy.rings[ring].step_ppm[run->step - 1] / RW_PPM;

	return hosts > 0 ? hosts : 1;
}

/* That; after a reset, and as the ring shrinks, as many as there were. */
static uint64_t room(const struct sim *sim, uint32_t ring, const struct rw_run *run)
{
	uint64_t allowed = allowed_now(sim, ring, run);

	return allowed > run->target ? allowed : run->target;
}

/* The first rule whose limit is crossed by what the judge counted. */
static enum rw_rule crossed(const struct sim *sim, uint32_t deployment, uint32_t ring,
			    const struct rw_run *run, bool hidden)
{
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	const struct rw_ring_policy *policy = &sim->collector.policy.rings[ring];
	const uint64_t failed[][2] = {
		{RW_RULE_CRASHED, counts->crashed},
		{RW_RULE_OFFLINE, hidden ? 0 : counts->offline},
		{RW_RULE_FAILED, hidden ? counts->crashed : counts->failed},
	};

	for (size_t i = 0; i < 3 && !policy->open_on_evidence && run->step > 0; i++) {
		const struct rw_limit *limit = &policy->limits[failed[i][0]];

		if (limit->judged && failed[i][1] >= policy->least_hosts &&
		    failed[i][1] * RW_PPM > limit->ppm * counts->at_risk)
			return (enum rw_rule)failed[i][0];
	}
	if (sim_is_reported(deployment) && counts->exposed > room(sim, ring, run))
		return RW_RULE_EXPOSURE;
	return RW_RULE_NONE;
}

static void keep_delay(struct sim *sim, uint64_t ms)
{
	struct sim_figures *figures = sim->figures;

	if (figures->delay_count == figures->delay_room) {
		figures->delay_room = figures->delay_room == 0 ? 256 : figures->delay_room * 2;
		figures->delays = realloc(figures->delays, figures->delay_room * sizeof(uint32_t));
		if (figures->delays == NULL)
			abort();
	}
	figures->delays[figures->delay_count++] = (uint32_t)ms;
}

/* What a trip rests on, in truth. */
static void keep_trip(struct sim *sim, uint32_t deployment, uint32_t ring, const struct rw_run *run)
{
	uint64_t first_ms = UINT64_MAX;
	bool silent = false, early = false;

	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_exposed *e = &sim->judge.of[deployment][i];
		uint64_t struck_ms = sim->judge.struck_ms[deployment][i];

		if (!e->exposed || e->ring != ring)
			continue;
		if (struck_ms != 0 && struck_ms < first_ms)
			first_ms = struck_ms;
		/* Or it left in good order while nobody watched, and was offline then. */
		silent = silent || sim->model.of[i].presence == RW_OFFLINE || e->left_offline ||
			 (e->crashed && sim->hosts[i].previous_end != RW_END_UNEXPECTED);
		/* It had died before, and nobody could know that yet: just before, or in a
		 * boot that nobody had heard of. */
		early = early ||
			(e->crashed && sim->hosts[i].struck_ms < e->base_ms + TICKS_MS &&
			 (sim->hosts[i].struck_order > e->order ||
			  sim->hosts[i].struck_obs_ms +
					  2 * sim->collector.policy.timing.offline_after_ms >
				  e->base_obs_ms));
	}
	sim_say(sim, "the breaker of %s %s opens", sim_deployment_name(deployment),
		sim_ring_name(ring));
	if (first_ms != UINT64_MAX) {
		sim->figures->trips++;
		keep_delay(sim, sim->now_ms - first_ms);
	} else if (run->rule == RW_RULE_EXPOSURE) {
		sim->figures->exposure_trips++;
	} else if (silent) {
		sim->figures->silent_trips++;
	} else if (early) {
		sim->figures->early_trips++;
	} else {
		sim->figures->false_trips++;
		sim_fail(sim, SIM_OK_BREAKER, "%s %s opened, and none of its hosts has failed",
			 sim_deployment_name(deployment), sim_ring_name(ring));
	}
}

static void opened(struct sim *sim, uint32_t deployment, uint32_t ring, const struct rw_run *run)
{
	struct sim_run *mine = &sim->judge.runs[deployment][ring];
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	bool hidden = sim_model_hidden(sim);
	enum rw_rule rule = crossed(sim, deployment, ring, run, hidden);

	sim_judge_touch(sim, mine, sizeof(*mine));
	mine->open = true;
	keep_trip(sim, deployment, ring, run);
	if (run->grade == RW_GRADE_LIMIT && rule == RW_RULE_NONE)
		sim_fail(sim, SIM_OK_BREAKER,
			 "%s %s opened by rule %s with k=%llu (offline %llu, crashed %llu) of "
			 "n=%llu, %s: no limit is crossed",
			 sim_deployment_name(deployment), sim_ring_name(ring),
			 rw_rule_name(run->rule), (unsigned long long)counts->failed,
			 (unsigned long long)counts->offline, (unsigned long long)counts->crashed,
			 (unsigned long long)counts->at_risk, hidden ? "hidden" : "seen");
	if (run->grade == RW_GRADE_EVIDENCE && counts->failed == 0)
		sim_fail(sim, SIM_OK_BREAKER, "%s %s opened on evidence of nothing",
			 sim_deployment_name(deployment), sim_ring_name(ring));
}

static void check_counts_of(struct sim *sim, uint32_t deployment, uint32_t ring,
			    const struct rw_run *run)
{
	const struct sim_counts *mine = &sim->judge.counts[deployment][ring];
	const uint64_t *by = run->counts.all.by;

	if (run->counts.exposed == mine->exposed && run->counts.all.at_risk == mine->at_risk &&
	    by[RW_RULE_OFFLINE] == mine->offline && by[RW_RULE_CRASHED] == mine->crashed &&
	    by[RW_RULE_FAILED] == mine->failed && run->counts.retired == mine->retired)
		return;
	sim_fail(sim, SIM_OK_BREAKER,
		 "%s %s: the core counts exposed %llu, n %llu, offline %llu, crashed %llu, failed "
		 "%llu, retired %llu; counted anew they are %llu, %llu, %llu, %llu, %llu, %llu",
		 sim_deployment_name(deployment), sim_ring_name(ring),
		 (unsigned long long)run->counts.exposed,
		 (unsigned long long)run->counts.all.at_risk,
		 (unsigned long long)by[RW_RULE_OFFLINE], (unsigned long long)by[RW_RULE_CRASHED],
		 (unsigned long long)by[RW_RULE_FAILED], (unsigned long long)run->counts.retired,
		 (unsigned long long)mine->exposed, (unsigned long long)mine->at_risk,
		 (unsigned long long)mine->offline, (unsigned long long)mine->crashed,
		 (unsigned long long)mine->failed, (unsigned long long)mine->retired);
}

static void check_run(struct sim *sim, uint32_t deployment, uint32_t ring, const struct rw_run *run,
		      bool at_tick)
{
	struct sim_run *mine = &sim->judge.runs[deployment][ring];
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	bool active = sim->judge.state[deployment] == RW_DEPLOYMENT_ACTIVE;

	sim->figures->checks[SIM_OK_BREAKER]++;
	/* Who was let in, or taken back, while there was room stays in when the ring shrinks. */
	if (mine->step > 0 && run->target > mine->target && run->target <= counts->exposed &&
	    (run->target <= allowed_now(sim, ring, run) || run->target <= mine->allowed)) {
		sim_judge_touch(sim, mine, sizeof(*mine));
		mine->target = run->target;
	}
	mine->allowed = allowed_now(sim, ring, run);
	if (run->step != mine->step || run->target != mine->target ||
	    run->deployment->row.state != sim->judge.state[deployment]) {
		sim_fail(sim, SIM_OK_BREAKER,
			 "%s %s is not in the state and step that it was put in",
			 sim_deployment_name(deployment), sim_ring_name(ring));
		return;
	}
	if (active) {
		check_counts_of(sim, deployment, ring, run);
		sim_evidence_check(sim, deployment, ring, run);
	}
	if (run->breaker_open && !mine->open) {
		opened(sim, deployment, ring, run);
		return;
	}
	if (!run->breaker_open && mine->open)
		sim_fail(sim, SIM_OK_BREAKER,
			 "the open breaker of %s %s is closed, and nobody reset it",
			 sim_deployment_name(deployment), sim_ring_name(ring));
	/* Room that shrinks under those who were let in crosses nothing. */
	bool is_new = counts->exposed > mine->exposed;

	mine->exposed = counts->exposed;
	/* What was hidden at the last tick is judged at the next. */
	if (run->breaker_open || !active || (counts->failed == 0 && !sim_is_reported(deployment)) ||
	    (!at_tick && sim->model.was_hidden))
		return;
	enum rw_rule rule = crossed(sim, deployment, ring, run, sim_model_hidden(sim));
	if (rule != RW_RULE_NONE && (rule != RW_RULE_EXPOSURE || is_new))
		sim_fail(sim, SIM_OK_BREAKER,
			 "%s %s: rule %s is crossed with k=%llu of n=%llu, and the breaker is "
			 "closed",
			 sim_deployment_name(deployment), sim_ring_name(ring), rw_rule_name(rule),
			 (unsigned long long)counts->failed, (unsigned long long)counts->at_risk);
}

void sim_breakers_check(struct sim *sim, bool at_tick, bool ended_too)
{
	struct rw_core *core = sim->collector.core;

	sim_judge_settle(sim);
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		bool active = sim->judge.state[d] == RW_DEPLOYMENT_ACTIVE;
		int index = -1;

		if (active || (ended_too && sim->judge.state[d] != 0))
			index = rw_core_deployment_find(core, sim_deployment_name(d));
		for (uint32_t r = 0; r < SIM_RINGS && index >= 0; r++)
			check_run(sim, d, r, &core->deployments[index]->runs[r], at_tick);
		if (active && index < 0)
			sim_fail(sim, SIM_OK_BREAKER, "%s is not known", sim_deployment_name(d));
	}
	sim_judge_settle(sim);
}
