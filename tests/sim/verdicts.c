/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be so of bakes and verdicts, and of a second core that is read back from the
 * disk beside the one that runs.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

enum {
	TICKS_MS = 2 * SIM_STEP_MS,
	BAKE_LOST_MS = RW_BAKE_SAVE_MS + 6000, /* by a restart: unsaved, and uncommitted */
};

static bool any_is_open(const struct sim *sim, uint32_t deployment)
{
	bool open = false;

	for (uint32_t r = 0; r < SIM_RINGS; r++)
		open = open || sim->judge.runs[deployment][r].open;
	return open;
}

/* ---- bakes ------------------------------------------------------------------------- */

static bool is_covered(const struct sim *sim, uint32_t deployment, uint32_t ring)
{
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	uint64_t covered = 0;

	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_exposed *e = &sim->judge.of[deployment][i];
		const struct sim_known *known = &sim->model.of[i];
		const struct rw_host *host;

		if (!e->exposed || e->ring != ring || !e->heard || known->excluded ||
		    (known->presence != RW_ONLINE && known->presence != RW_SUSPECT))
			continue;
		host = rw_table_at(&sim->collector.core->table, known->handle - 1);
		covered += host != NULL && !host->looping && !host->duplicate;
	}
	return covered * RW_PPM >= sim->collector.policy.rings[ring].min_coverage_ppm *
					   (counts->exposed - counts->retired);
}

static bool may_bake(const struct sim *sim, uint32_t deployment, uint32_t ring,
		     const struct rw_run *run)
{
	const struct sim_run *mine = &sim->judge.runs[deployment][ring];
	const struct rw_ring_policy *policy = &sim->collector.policy.rings[ring];
	uint64_t exposed = sim->judge.counts[deployment][ring].exposed;

	return !mine->open && !sim_model_hidden(sim) && exposed > 0 &&
	       mine->baked_ms < policy->bake_ms &&
	       exposed * RW_PPM >= policy->min_exposed_ppm * run->target &&
	       is_covered(sim, deployment, ring);
}

static void bake(struct sim *sim, uint32_t deployment, uint32_t ring, uint64_t span_ms)
{
	const struct rw_run *run = sim_core_run(sim, deployment, ring);
	struct sim_run *mine = &sim->judge.runs[deployment][ring];
	bool bakes = may_bake(sim, deployment, ring, run);

	if (mine->baking && bakes)
		mine->baked_ms += span_ms;
	mine->baking = bakes;
	if (mine->baked_ms > sim->collector.policy.rings[ring].bake_ms)
		mine->baked_ms = sim->collector.policy.rings[ring].bake_ms;
	if (run->observed_ms > mine->baked_ms + TICKS_MS ||
	    run->observed_ms + TICKS_MS < mine->baked_ms)
		sim_fail(sim, SIM_OK_VERDICT,
			 "%s %s has baked %llu ms; it may have for %llu ms of observing",
			 sim_deployment_name(deployment), sim_ring_name(ring),
			 (unsigned long long)run->observed_ms, (unsigned long long)mine->baked_ms);
}

void sim_verdicts_ticked(struct sim *sim)
{
	uint64_t span_ms = sim->model.obs_ms - sim->judge.bake_obs_ms;

	sim->judge.bake_obs_ms = sim->model.obs_ms;
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		if (sim->judge.state[d] != RW_DEPLOYMENT_ACTIVE)
			continue;
		for (uint32_t r = 0; r < SIM_RINGS && !sim->failed; r++) {
			if (sim->judge.runs[d][r].step > 0)
				bake(sim, d, r, span_ms);
		}
	}
}

/* A restart takes a little of a bake, and never adds to it. */
void sim_verdicts_restarted(struct sim *sim)
{
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		for (uint32_t r = 0; r < SIM_RINGS; r++) {
			const struct rw_run *run = sim_core_run(sim, d, r);
			struct sim_run *mine = &sim->judge.runs[d][r];
			uint64_t observed_ms = run == NULL ? 0 : run->observed_ms;

			if (sim->judge.state[d] == RW_DEPLOYMENT_ACTIVE && mine->step > 0 &&
			    (observed_ms > mine->baked_ms + TICKS_MS ||
			     (sim->scenario.store_s == 0 &&
			      observed_ms + BAKE_LOST_MS < mine->baked_ms)))
				sim_fail(sim, SIM_OK_DISK,
					 "%s %s had baked %llu ms before a restart, %llu ms after",
					 sim_deployment_name(d), sim_ring_name(r),
					 (unsigned long long)mine->baked_ms,
					 (unsigned long long)observed_ms);
			mine->baked_ms = observed_ms;
		}
	}
}

/* ---- verdicts ---------------------------------------------------------------------- */

static const char *fault_of_proceed(const struct sim *sim, uint32_t deployment, uint32_t ring,
				    const struct rw_verdict *verdict)
{
	const struct sim_run *mine = &sim->judge.runs[deployment][ring];
	bool advance = verdict->question == RW_FOR_ADVANCE;

	if (sim->judge.state[deployment] != RW_DEPLOYMENT_ACTIVE)
		return "it is not active";
	if (sim_model_blind(sim))
		return "the collector is blind";
	if (sim->model.blackout)
		return "there is a blackout";
	if (sim->collector.fails_ms != 0)
		return "the store fails";
	if (mine->step == 0)
		return "it was not started";
	if (mine->baked_ms + TICKS_MS < sim->collector.policy.rings[ring].bake_ms &&
	    (advance || verdict->exposed >= verdict->max_exposed_hosts))
		return "its bake is not complete";
	if (advance && !is_covered(sim, deployment, ring))
		return "its coverage is low";
	for (uint32_t r = 0; r < ring; r++) {
		if (sim->judge.runs[deployment][r].step !=
		    sim->collector.policy.rings[r].step_count)
			return "a ring before it was not walked to its end";
	}
	return NULL;
}

static void check_verdict(struct sim *sim, uint32_t deployment, uint32_t ring,
			  enum rw_question question)
{
	struct rw_verdict verdict;
	const char *name = sim_deployment_name(deployment);
	const char *fault;

	rw_core_verdict(sim->collector.core, name, sim_ring_name(ring), question, sim_now(sim),
			&verdict);
	sim->figures->checks[SIM_OK_VERDICT]++;
	if ((verdict.decision == RW_ABORT) != any_is_open(sim, deployment))
		sim_fail(sim, SIM_OK_VERDICT, "%s %s: the verdict is %s, and a breaker is %sopen",
			 name, sim_ring_name(ring), rw_decision_name(verdict.decision),
			 any_is_open(sim, deployment) ? "" : "not ");
	if (verdict.decision == RW_HOLD && verdict.reason_count == 0)
		sim_fail(sim, SIM_OK_VERDICT, "%s %s holds without a reason", name,
			 sim_ring_name(ring));
	if (verdict.decision == RW_PROCEED &&
	    (fault = fault_of_proceed(sim, deployment, ring, &verdict)) != NULL)
		sim_fail(sim, SIM_OK_VERDICT, "%s %s step %u proceeds, and %s", name,
			 sim_ring_name(ring), verdict.step, fault);
	if (verdict.lower95 > verdict.upper95 || verdict.upper95 > 1.0 || verdict.lower95 < 0.0)
		sim_fail(sim, SIM_OK_VERDICT, "%s %s: the bounds are %f and %f", name,
			 sim_ring_name(ring), verdict.lower95, verdict.upper95);
}

/* ---- the disk ----------------------------------------------------------------------- */

static uint64_t drop_change(void *context, const struct rw_change *change)
{
	(void)context, (void)change;
	return 1;
}

static const char *host_differs(const struct rw_core *core, const struct rw_core *twin,
				rw_host_handle handle)
{
	const struct rw_host *a = rw_table_at(&core->table, handle);
	const struct rw_host *b = rw_table_at(&twin->table, handle);
	bool heard = a->presence == RW_ONLINE || a->presence == RW_SUSPECT;

	if (b == NULL || strcmp(a->id, b->id) != 0)
		return "name";
	if (b->presence != (heard ? RW_UNKNOWN : a->presence))
		return "presence";
	if (a->ring != b->ring || a->excluded != b->excluded || a->by_age != b->by_age ||
	    a->unregistered != b->unregistered)
		return "ring or mark";
	if (memcmp(a->boot_id, b->boot_id, sizeof(a->boot_id)) != 0 ||
	    a->boot_order != b->boot_order)
		return "boot";
	if (a->exposure_count != b->exposure_count || a->unheard_count != b->unheard_count)
		return "exposures";
	if (core->silence.blackout && a->lost && !b->lost)
		return "part in the blackout";
	return NULL;
}

static const char *run_differs(const struct rw_run *a, const struct rw_run *b)
{
	bool active = a->deployment->row.state == RW_DEPLOYMENT_ACTIVE;

	if (b->deployment->row.state != a->deployment->row.state)
		return "state";
	if (a->step != b->step || a->target != b->target || a->epoch != b->epoch ||
	    a->started_wall_ms != b->started_wall_ms ||
	    (active && a->first_wall_ms != b->first_wall_ms))
		return "step";
	if (a->breaker_open != b->breaker_open || a->rule != b->rule || a->grade != b->grade ||
	    a->proof != b->proof || a->opened_wall_ms != b->opened_wall_ms ||
	    a->opened_failed != b->opened_failed || a->opened_at_risk != b->opened_at_risk)
		return "breaker";
	if (b->observed_ms > a->observed_ms ||
	    b->observed_ms + RW_BAKE_SAVE_MS + TICKS_MS < a->observed_ms)
		return "bake";
	if (a->counts.exposed != b->counts.exposed ||
	    a->counts.all.at_risk != b->counts.all.at_risk)
		return "n";
	if (active && memcmp(a->counts.all.by, b->counts.all.by, sizeof(a->counts.all.by)) != 0)
		return "k";
	if (active && a->control_failed != b->control_failed)
		return "control's failures";
	if (a->counts.recovered != b->counts.recovered)
		return "recovered hosts";
	if (a->evidence_count != b->evidence_count)
		return "lines of evidence";
	return NULL;
}

static void compare(struct sim *sim, const struct rw_core *twin)
{
	const struct rw_core *core = sim->collector.core;
	const char *what = rw_core_check(twin);

	sim->figures->checks[SIM_OK_DISK]++;
	if (what != NULL)
		sim_fail(sim, SIM_OK_DISK, "read back from the disk: %s", what);
	if (core->silence.blackout != twin->silence.blackout ||
	    core->deployment_count != twin->deployment_count ||
	    core->table.count != twin->table.count)
		sim_fail(sim, SIM_OK_DISK, "read back from the disk it is another fleet");
	for (rw_host_handle i = 0; i < core->table.count && !sim->failed; i++) {
		if ((what = host_differs(core, twin, i)) != NULL)
			sim_fail(sim, SIM_OK_DISK, "read back from the disk %s differs in its %s",
				 rw_table_at(&core->table, i)->id, what);
	}
	for (uint32_t d = 0; d < core->deployment_count && !sim->failed; d++) {
		const struct rw_deployment *a = core->deployments[d], *b = twin->deployments[d];

		if (a->sighting_count != b->sighting_count && a->row.state == RW_DEPLOYMENT_ACTIVE)
			sim_fail(sim, SIM_OK_DISK,
				 "read back from the disk %s differs in sightings", a->row.id);
		for (uint32_t r = 0; r < a->row.ring_count && !sim->failed; r++) {
			if ((what = run_differs(&a->runs[r], &b->runs[r])) != NULL)
				sim_fail(sim, SIM_OK_DISK,
					 "read back from the disk %s %s differs in its %s",
					 a->row.id, sim_ring_name(r), what);
		}
	}
}

static void check_disk(struct sim *sim)
{
	const struct rw_core_sink sink = {sim, drop_change, NULL, NULL};

	if (sim->collector.fails_ms != 0 || sim->collector.core->resync.needed)
		return;
	sim_disk_flush(sim);

	struct rw_core *twin = sim_disk_restore(sim, &sink);

	if (!sim->failed)
		compare(sim, twin);
	rw_core_free(twin);
}

void sim_verdicts_second(struct sim *sim)
{
	if (sim_once_in(sim, 5)) {
		uint32_t ring = sim_pick(sim, SIM_RINGS);

		for (uint32_t d = 0; d < sim->deployment_count && !sim->failed; d++) {
			if (sim->judge.state[d] == 0)
				continue;
			check_verdict(sim, d, ring, RW_FOR_ADVANCE);
			check_verdict(sim, d, ring, RW_FOR_ENTER);
		}
	}
	if (!sim->failed && sim_once_in(sim, 90))
		check_disk(sim);
}
