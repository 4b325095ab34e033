/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is exposed, at risk and failed, once more and naively: every count is a walk over
 * all hosts. Whether an oops or a panic came after an exposure is told by when it truly
 * happened; what lies too near to be told apart by a host's clock is taken from the core.
 *
 * What the collector loses when it is killed is lost here too: each fact is put back to
 * what it was at the last commit.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* A clock known by heartbeats alone may be one of them and a slow link behind. */
enum { DOUBT_BEFORE_MS = 8000, DOUBT_AFTER_MS = 3000, UNDO_BYTES = 64 };
struct sim_undo {
	void *place;
	size_t size;
	unsigned char old[UNDO_BYTES];
};

/* ---- what is lost ------------------------------------------------------------------- */

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

static void adopt_exposure(struct sim *sim, uint32_t deployment, uint32_t host)
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
		adopt_exposure(sim, deployment, i);
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

/* ---- acts ------------------------------------------------------------------------------- */

static bool is_heard_now(const struct sim_known *known)
{
	return known->presence == RW_ONLINE || known->presence == RW_SUSPECT;
}

/* The span up to the next tick began before the bake did, unless a tick was just now. */
static void begin_bake(const struct sim *sim, struct sim_run *run)
{
	run->baked_ms = 0;
	run->baking = sim->judge.bake_obs_ms == sim->model.obs_ms;
}

void sim_judge_started(struct sim *sim, uint32_t deployment, uint32_t ring, uint32_t step)
{
	struct sim_run *run = &sim->judge.runs[deployment][ring];

	sim_judge_touch(sim, run, sizeof(*run));
	run->step = step;
	begin_bake(sim, run);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_exposed *e = &sim->judge.of[deployment][i];
		const struct sim_known *known = &sim->model.of[i];

		if (!known->known || known->ring != ring || known->presence == RW_RETIRED ||
		    e->exposed)
			continue;
		sim_judge_touch(sim, e, sizeof(*e));
		*e = (struct sim_exposed){
			.exposed = true,
			.placed = true,
			.alive = is_heard_now(known),
			.ring = (uint8_t)ring,
			.step = (uint8_t)step,
			.order = known->order,
			.base_ms = sim->now_ms,
		};
		sim_host_upgraded(sim, i, deployment);
	}
}

static bool is_offline(const struct sim_exposed *e, const struct sim_known *known)
{
	return e->heard && !e->acknowledged && (known->presence == RW_OFFLINE || e->left_offline);
}

void sim_judge_reset(struct sim *sim, uint32_t deployment, uint32_t ring)
{
	struct sim_run *run = &sim->judge.runs[deployment][ring];

	sim_judge_touch(sim, run, sizeof(*run));
	run->open = false;
	run->proved = false;
	begin_bake(sim, run);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_exposed *e = &sim->judge.of[deployment][i];
		const struct sim_known *known = &sim->model.of[i];

		if (!e->exposed || e->ring != ring)
			continue;
		sim->judge.struck_ms[deployment][i] = 0;
		if (!e->crashed && !is_offline(e, known))
			continue;
		sim_judge_touch(sim, e, sizeof(*e));
		e->acknowledged = true;
		e->crashed = false;
		e->order = known->order;
		e->base_ms = sim->now_ms;
		e->alive = is_heard_now(known);
	}
}

void sim_judge_set_state(struct sim *sim, uint32_t deployment, enum rw_deployment_state state)
{
	sim_judge_touch(sim, &sim->judge.state[deployment], sizeof(state));
	sim->judge.state[deployment] = state;
}

/* ---- what is heard ------------------------------------------------------------------------ */

/* Each exposure of a host to what is active; NULL: no more. */
static struct sim_exposed *next_exposed(struct sim *sim, uint32_t host, uint32_t *deployment)
{
	for (; *deployment < sim->deployment_count; (*deployment)++) {
		struct sim_exposed *e = &sim->judge.of[*deployment][host];

		if (!e->exposed || sim->judge.state[*deployment] != RW_DEPLOYMENT_ACTIVE)
			continue;
		(*deployment)++;
		return e;
	}
	return NULL;
}

bool sim_judge_is_exposed(const struct sim *sim, uint32_t host)
{
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		if (sim->judge.state[d] == RW_DEPLOYMENT_ACTIVE && sim->judge.of[d][host].exposed)
			return true;
	}
	return false;
}

void sim_judge_retired(struct sim *sim, uint32_t host)
{
	struct sim_exposed *e;

	for (uint32_t d = 0; (e = next_exposed(sim, host, &d)) != NULL;) {
		sim_judge_touch(sim, e, sizeof(*e));
		e->left_offline = sim->model.of[host].presence == RW_OFFLINE;
	}
}

static void takes_heard(struct sim *sim, uint32_t host, struct sim_exposed *e)
{
	bool alive = e->alive || sim->model.of[host].order == e->order;

	if (e->heard && !e->left_offline && e->alive == alive)
		return;
	sim_judge_touch(sim, e, sizeof(*e));
	e->heard = true;
	e->left_offline = false;
	e->alive = alive;
}

void sim_judge_heard(struct sim *sim, uint32_t host)
{
	struct sim_exposed *e;

	for (uint32_t d = 0; (e = next_exposed(sim, host, &d)) != NULL;)
		takes_heard(sim, host, e);
}

void sim_judge_went_offline(struct sim *sim, uint32_t host)
{
	struct sim_exposed *e;

	sim->judge.stale = true;
	for (uint32_t d = 0; (e = next_exposed(sim, host, &d)) != NULL;) {
		if (!e->heard || !e->acknowledged)
			continue;
		sim_judge_touch(sim, e, sizeof(*e));
		e->acknowledged = false;
	}
}

static bool end_counts(const struct sim_exposed *e, uint64_t order)
{
	return order > e->order || (order == e->order && e->alive);
}

static void crashes(struct sim *sim, struct sim_exposed *e)
{
	sim_judge_touch(sim, e, sizeof(*e));
	e->heard = true;
	e->crashed = true;
	e->acknowledged = false;
}

static bool is_doubtful(const struct sim_exposed *e, uint64_t truth_ms)
{
	return truth_ms + DOUBT_BEFORE_MS > e->base_ms && truth_ms < e->base_ms + DOUBT_AFTER_MS;
}

void sim_judge_hello(struct sim *sim, const struct sim_message *hello, uint64_t old_order,
		     bool died)
{
	struct sim_exposed *e;

	if (died)
		sim_evidence_end_of_boot(sim, hello->host, old_order);
	for (uint32_t d = 0; (e = next_exposed(sim, hello->host, &d)) != NULL;) {
		bool crashed = died && end_counts(e, old_order);

		if (!e->heard && !e->alive && e->placed) {
			sim_judge_touch(sim, e, sizeof(*e));
			e->doubtful = is_doubtful(e, hello->truth_booted_ms);
			sim->judge.doubts = sim->judge.doubts || e->doubtful;
			if (hello->truth_booted_ms <= e->base_ms) {
				e->order = hello->boot_order;
				e->alive = true;
			}
		}
		takes_heard(sim, hello->host, e);
		if (crashed)
			crashes(sim, e);
	}
}

/* Of a boot that nobody heard but its successor nothing says when it was. */
static bool is_of_unheard_boot(const struct sim *sim, const struct sim_message *message,
			       const struct sim_exposed *e)
{
	return message->event.boot_order > e->order &&
	       message->event.boot_order != sim->model.of[message->host].order;
}

static bool event_surely_counts(const struct sim *sim, const struct sim_message *message,
				uint32_t deployment)
{
	const struct sim_exposed *e = &sim->judge.of[deployment][message->host];

	return e->exposed && sim->judge.state[deployment] == RW_DEPLOYMENT_ACTIVE &&
	       !sim->model.of[message->host].excluded && !is_doubtful(e, message->event.truth_ms) &&
	       !is_of_unheard_boot(sim, message, e) && message->event.truth_ms > e->base_ms;
}

void sim_judge_event(struct sim *sim, const struct sim_message *message)
{
	const struct sim_event *event = &message->event;
	struct sim_exposed *e;

	for (uint32_t d = 0; d < sim->deployment_count && event->kind != SIM_KIND_REBOOT; d++)
		sim_evidence_event(sim, message, d, event_surely_counts(sim, message, d));
	if (event->kind == SIM_KIND_REBOOT)
		sim_evidence_end_of_boot(sim, message->host, event->boot_order);
	if (sim->model.of[message->host].excluded)
		return;
	for (uint32_t d = 0; (e = next_exposed(sim, message->host, &d)) != NULL;) {
		if (event->kind == SIM_KIND_REBOOT) {
			if (end_counts(e, event->boot_order))
				crashes(sim, e);
			continue;
		}
		if (is_doubtful(e, event->truth_ms) || is_of_unheard_boot(sim, message, e)) {
			sim_judge_touch(sim, e, sizeof(*e));
			e->doubtful = true;
			sim->judge.doubts = true;
		} else if (event->truth_ms > e->base_ms) {
			crashes(sim, e);
		}
	}
}

/* ---- counts -----------------------------------------------------------------------------------
 */

static void settle_doubts(struct sim *sim)
{
	sim->judge.doubts = false;
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		for (uint32_t i = 0; i < sim->host_count; i++) {
			if (!sim->judge.of[d][i].doubtful)
				continue;
			sim->judge.of[d][i].doubtful = false;
			if (sim->judge.state[d] == RW_DEPLOYMENT_ACTIVE)
				adopt_exposure(sim, d, i);
		}
	}
}

static void count(struct sim *sim, uint32_t deployment, uint32_t host)
{
	const struct sim_exposed *e = &sim->judge.of[deployment][host];
	const struct sim_known *known = &sim->model.of[host];
	struct sim_counts *counts = &sim->judge.counts[deployment][e->ring];
	bool offline = is_offline(e, known);

	if (!e->exposed || known->excluded)
		return;
	counts->exposed++;
	counts->at_risk += e->heard;
	counts->offline += offline;
	counts->crashed += e->crashed;
	counts->failed += offline || e->crashed;
	counts->retired += known->presence == RW_RETIRED;
}

void sim_judge_settle(struct sim *sim)
{
	struct sim_judge *judge = &sim->judge;

	if (judge->doubts)
		settle_doubts(sim);
	if (!judge->stale)
		return;
	judge->stale = false;
	memset(judge->counts, 0, sizeof(judge->counts));
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		for (uint32_t i = 0; i < sim->host_count && judge->state[d] == RW_DEPLOYMENT_ACTIVE;
		     i++)
			count(sim, d, i);
	}
}

void sim_judge_struck(struct sim *sim, uint32_t host)
{
	sim->hosts[host].struck_ms = sim->now_ms;
	for (uint32_t d = 0; next_exposed(sim, host, &d) != NULL;) {
		uint64_t *struck_ms = &sim->judge.struck_ms[d - 1][host];

		if (*struck_ms == 0)
			*struck_ms = sim->now_ms;
	}
}
