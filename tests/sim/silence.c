/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether silence is the observer's fault, the naive way: each group is counted from its
 * hosts in every tick.
 */
#include "tests/sim/sim.h"

enum { LEAST_SILENT = 3, SILENT_OF = 5 };
struct group {
	uint64_t online, silent;
};

static void add(struct group *group, const struct sim_known *known)
{
	group->online += known->presence == RW_ONLINE;
	group->silent += known->presence == RW_SUSPECT || known->lost;
}

static bool is_silent(const struct group *group)
{
	return group->silent >= LEAST_SILENT &&
	       group->silent * SILENT_OF >= group->online + group->silent;
}

/* Counts anew: control, and whether the exposed of any run are silent, or are at all. */
static void count_groups(const struct sim *sim, struct group *control, bool *exposed_silent,
			 bool *any_exposed)
{
	struct group runs[SIM_DEPLOYMENTS_MAX][SIM_RINGS] = {0};

	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_known *known = &sim->model.of[i];
		bool exposed = false;

		for (uint32_t d = 0; known->known && d < sim->deployment_count; d++) {
			const struct sim_exposed *e = &sim->judge.of[d][i];

			if (sim->judge.state[d] != RW_DEPLOYMENT_ACTIVE || !e->exposed)
				continue;
			exposed = true;
			if (known->excluded)
				continue;
			add(&runs[d][e->ring], known);
			*any_exposed = *any_exposed || sim->judge.runs[d][e->ring].step > 0;
		}
		if (known->known && !exposed && !known->excluded && known->presence != RW_RETIRED)
			add(control, known);
	}
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		for (uint32_t r = 0; r < SIM_RINGS; r++)
			*exposed_silent = *exposed_silent || is_silent(&runs[d][r]);
	}
}

void sim_model_tick_silence(struct sim *sim)
{
	struct sim_model *model = &sim->model;
	struct group control = {0};
	bool exposed_silent = false, any_exposed = false;
	uint64_t offline_after_ms = sim->collector.policy.timing.offline_after_ms;

	if (sim_model_blind(sim))
		return;
	count_groups(sim, &control, &exposed_silent, &any_exposed);
	if (is_silent(&control)) {
		if (!model->blackout && !any_exposed)
			return;
		model->extended = model->blackout && model->extended;
		model->blackout = true;
		model->back_obs_ms = UINT64_MAX;
		if (exposed_silent && !model->extended) {
			model->extended = true;
			model->extended_obs_ms = model->obs_ms + offline_after_ms;
		}
		return;
	}
	if (!model->blackout)
		return;
	if (model->back_obs_ms == UINT64_MAX)
		model->back_obs_ms = model->obs_ms;
	if (model->obs_ms - model->back_obs_ms >= offline_after_ms)
		model->blackout = false;
}
