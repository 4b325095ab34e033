/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the collector loses when it is killed, the judge loses too: each fact is put back
 * to what it was at the last commit. Of a disk that held only a part of what was told, the
 * core's reading is taken.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { UNDO_BYTES = 64 };
struct sim_undo {
	void *place;
	size_t size;
	unsigned char old[UNDO_BYTES];
};

void sim_judge_begin(struct sim *sim)
{
	sim->judge.of = calloc(SIM_DEPLOYMENTS_MAX, sizeof(*sim->judge.of));
	sim->judge.struck_ms = calloc(SIM_DEPLOYMENTS_MAX, sizeof(*sim->judge.struck_ms));
	assert(sim->judge.of != NULL && sim->judge.struck_ms != NULL);
}

void sim_judge_end(struct sim *sim)
{
	free(sim->judge.of);
	free(sim->judge.struck_ms);
	free(sim->judge.undo);
}

void sim_judge_touch(struct sim *sim, void *place, size_t size)
{
	struct sim_judge *judge = &sim->judge;

	judge->stale = true;
	assert(size <= UNDO_BYTES);
	if (judge->undo_count == judge->undo_room) {
		judge->undo_room = judge->undo_room == 0 ? 256 : judge->undo_room * 2;
		judge->undo = realloc(judge->undo, judge->undo_room * sizeof(*judge->undo));
		assert(judge->undo != NULL);
	}
	struct sim_undo *undo = &judge->undo[judge->undo_count++];
	undo->place = place;
	undo->size = size;
	memcpy(undo->old, place, size);
}

void sim_judge_durable(struct sim *sim)
{
	sim->judge.undo_count = 0;
}

void sim_judge_lost(struct sim *sim, bool damaged)
{
	struct sim_judge *judge = &sim->judge;

	while (judge->undo_count > 0) {
		const struct sim_undo *undo = &judge->undo[--judge->undo_count];

		memcpy(undo->place, undo->old, undo->size);
	}
	judge->damaged = damaged;
	judge->stale = true;
}

static struct rw_exposure *core_exposure(const struct sim *sim, uint32_t deployment, uint32_t host)
{
	const struct rw_core *core = sim->collector.core;
	int index = rw_core_deployment_find(core, sim_deployment_name(deployment));
	const struct rw_host *of =
		rw_table_at(&core->table, rw_core_host_find(core, sim->hosts[host].id));

	return index < 0 || of == NULL ? NULL : rw_exposure_find(of, core->deployments[index]);
}

void sim_judge_adopt(struct sim *sim, uint32_t deployment, uint32_t host)
{
	struct sim_exposed *e = &sim->judge.of[deployment][host];
	const struct rw_exposure *truth = core_exposure(sim, deployment, host);

	if (truth == NULL) {
		*e = (struct sim_exposed){0};
		return;
	}
	if (!e->exposed)
		e->base_ms = truth->at_wall_ms - (sim_now(sim).wall_ms - sim->now_ms);
	e->exposed = true;
	e->ring = (uint8_t)truth->run->ring;
	e->step = truth->step;
	e->heard = truth->heard;
	e->alive = truth->alive;
	e->crashed = truth->crashed;
	e->acknowledged = truth->acknowledged;
	e->left_offline = truth->left_offline;
	e->order = truth->boot_order;
}

static void adopt_deployment(struct sim *sim, uint32_t deployment)
{
	const struct rw_core *core = sim->collector.core;
	int index = rw_core_deployment_find(core, sim_deployment_name(deployment));

	sim->judge.state[deployment] = index < 0 ? 0 : core->deployments[index]->row.state;
	sim->judge.proofs[deployment].spoiled = true;
	for (uint32_t ring = 0; ring < SIM_RINGS; ring++) {
		const struct rw_run *run = sim_core_run(sim, deployment, ring);
		struct sim_run *mine = &sim->judge.runs[deployment][ring];

		mine->step = run == NULL ? 0 : run->step;
		mine->open = run != NULL && run->breaker_open;
		mine->proved = run != NULL && run->grade == RW_GRADE_EVIDENCE;
		mine->baked_ms = run == NULL ? 0 : run->observed_ms;
	}
	for (uint32_t i = 0; i < sim->host_count; i++)
		sim_judge_adopt(sim, deployment, i);
}

void sim_judge_restarted(struct sim *sim)
{
	struct sim_judge *judge = &sim->judge;

	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		if (judge->damaged)
			adopt_deployment(sim, d);
		for (uint32_t i = 0; i < sim->host_count; i++)
			judge->of[d][i].placed = false;
		for (uint32_t r = 0; r < SIM_RINGS; r++)
			judge->runs[d][r].baking = false;
	}
	sim_verdicts_restarted(sim);
	judge->damaged = false;
	judge->stale = true;
	judge->bake_obs_ms = sim->model.obs_ms;
}
