/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is exposed, at risk and failed, once more and naively: every count is a walk over
 * all hosts. Whether an oops or a panic came after an exposure is told by when it truly
 * happened; what lies too near to be told apart by a host's clock is taken from the core.
 */
#include <string.h>

#include "tests/sim/sim.h"

/* A clock known by heartbeats alone may be one of them and a slow link behind. */
enum { DOUBT_BEFORE_MS = 8000, DOUBT_AFTER_MS = 3000 };

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

static void is_first_exposed(struct sim *sim, uint32_t deployment)
{
	uint64_t *first_ms = &sim->judge.first_ms[deployment];

	if (*first_ms != 0)
		return;
	sim_judge_touch(sim, first_ms, sizeof(*first_ms));
	*first_ms = sim->now_ms;
}

void sim_judge_started(struct sim *sim, uint32_t deployment, uint32_t ring, uint32_t step)
{
	struct sim_run *run = &sim->judge.runs[deployment][ring];

	sim_judge_settle(sim);
	sim_judge_touch(sim, run, sizeof(*run));
	run->step = step;
	is_first_exposed(sim, deployment);
	run->target = sim->judge.enrolled[ring] *
		      sim->collector.policy.rings[ring].step_ppm[step - 1] / RW_PPM;
	if (run->target == 0)
		run->target = 1;
	begin_bake(sim, run);
	for (uint32_t i = 0; i < sim->host_count && !sim_is_reported(deployment); i++) {
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
			.timed = known->timed,
			.ring = (uint8_t)ring,
			.step = (uint8_t)step,
			.order = known->order,
			.base_ms = sim->now_ms,
			.base_obs_ms = sim->model.obs_ms,
		};
		sim_host_upgraded(sim, i, deployment);
	}
}

void sim_judge_version(struct sim *sim, uint32_t host, uint32_t deployment)
{
	struct sim_exposed *e = &sim->judge.of[deployment][host];
	const struct sim_known *known = &sim->model.of[host];

	if (!sim_is_reported(deployment) || e->exposed ||
	    sim->judge.state[deployment] != RW_DEPLOYMENT_ACTIVE || known->presence == RW_RETIRED)
		return;
	is_first_exposed(sim, deployment);
	sim_judge_touch(sim, e, sizeof(*e));
	*e = (struct sim_exposed){
		.exposed = true,
		.heard = true,
		.alive = true,
		.timed = known->timed,
		.ring = (uint8_t)known->ring,
		.step = (uint8_t)sim->judge.runs[deployment][known->ring].step,
		.order = known->order,
		.base_ms = sim->now_ms,
		.base_obs_ms = sim->model.obs_ms,
	};
}

static bool is_offline(const struct sim_exposed *e, const struct sim_known *known)
{
	return e->heard && !e->acknowledged && (known->presence == RW_OFFLINE || e->left_offline);
}

void sim_judge_reset(struct sim *sim, uint32_t deployment, uint32_t ring)
{
	struct sim_run *run = &sim->judge.runs[deployment][ring];

	sim_judge_settle(sim);
	sim_judge_touch(sim, run, sizeof(*run));
	if (sim->judge.counts[deployment][ring].exposed > run->target)
		run->target = sim->judge.counts[deployment][ring].exposed;
	run->open = false;
	run->proved = false;
	begin_bake(sim, run);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_exposed *e = &sim->judge.of[deployment][i];
		const struct sim_known *known = &sim->model.of[i];

		if (!e->exposed || e->ring != ring)
			continue;
		if (!e->crashed && !is_offline(e, known))
			continue;
		sim->judge.struck_ms[deployment][i] = 0;
		sim_judge_touch(sim, e, sizeof(*e));
		e->acknowledged = true;
		e->crashed = false;
		e->order = known->order;
		e->base_ms = sim->now_ms;
		e->base_obs_ms = sim->model.obs_ms;
		e->alive = is_heard_now(known);
		e->timed = known->timed;
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
		     bool died, bool unwatched)
{
	struct sim_exposed *e;

	if (died)
		sim_evidence_end_of_boot(sim, hello->host, old_order);
	for (uint32_t d = 0; (e = next_exposed(sim, hello->host, &d)) != NULL;) {
		bool crashed = (died || (unwatched && e->left_offline)) &&
			       !sim->model.of[hello->host].excluded && end_counts(e, old_order);

		if (!e->heard && !e->alive && e->placed) {
			sim_judge_touch(sim, e, sizeof(*e));
			e->doubtful = is_doubtful(e, hello->truth_booted_ms);
			sim->judge.doubts = sim->judge.doubts || e->doubtful;
			if (hello->truth_booted_ms <= e->base_ms) {
				e->order = hello->boot_order;
				e->timed = true;
				e->alive = true;
			}
		}
		takes_heard(sim, hello->host, e);
		if (crashed)
			crashes(sim, e);
	}
}

/*
 * The core cannot place it: it is of a boot that was first heard after the base; or of the
 * base's own, and that boot's clock was not known then, because the collector was new.
 */
static bool is_untimed(const struct sim_message *message, const struct sim_exposed *e)
{
	if (message->event.boot_order == e->order)
		return !e->timed;
	return message->event.boot_order > e->order && message->event.truth_ms <= e->base_ms;
}

static bool event_surely_counts(const struct sim *sim, const struct sim_message *message,
				uint32_t deployment)
{
	const struct sim_exposed *e = &sim->judge.of[deployment][message->host];

	return e->exposed && sim->judge.state[deployment] == RW_DEPLOYMENT_ACTIVE &&
	       !sim->model.of[message->host].excluded && !is_doubtful(e, message->event.truth_ms) &&
	       !is_untimed(message, e) && message->event.truth_ms > e->base_ms;
}

void sim_judge_event(struct sim *sim, const struct sim_message *message)
{
	const struct sim_event *event = &message->event;
	struct sim_exposed *e;

	if (event->kind != SIM_KIND_REBOOT)
		sim_evidence_signature(sim, message);
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
		if (is_doubtful(e, event->truth_ms) || is_untimed(message, e)) {
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
				sim_judge_adopt(sim, d, i);
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
	memset(judge->enrolled, 0, sizeof(judge->enrolled));
	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_known *known = &sim->model.of[i];

		judge->enrolled[known->ring] += known->known && known->presence != RW_RETIRED;
	}
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		for (uint32_t i = 0; i < sim->host_count && judge->state[d] == RW_DEPLOYMENT_ACTIVE;
		     i++)
			count(sim, d, i);
	}
}

void sim_judge_struck(struct sim *sim, uint32_t host)
{
	sim->hosts[host].struck_ms = sim->now_ms;
	sim->hosts[host].struck_obs_ms = sim->model.obs_ms;
	sim->hosts[host].struck_order = sim->hosts[host].order;
	for (uint32_t d = 0; next_exposed(sim, host, &d) != NULL;) {
		uint64_t *struck_ms = &sim->judge.struck_ms[d - 1][host];

		if (*struck_ms == 0)
			*struck_ms = sim->now_ms;
	}
}
