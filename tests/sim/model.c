/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Presence, blindness and blackout once more, the naive way: every host is looked at in
 * every tick, and every group is counted from its hosts. It is fed with what the collector
 * took in, before the core is, and knows docs/signal.md but nothing of the core's lists.
 * The oracle compares each host's presence with the core's after each tick.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { STALL_MS = 2 * SIM_STEP_MS };

static const struct rw_timing *timing(const struct sim *sim)
{
	return &sim->collector.policy.timing;
}

void sim_model_begin(struct sim *sim)
{
	sim->model.of = calloc(sim->host_count, sizeof(*sim->model.of));
	assert(sim->model.of != NULL);
	sim->model.last_ms = sim->now_ms;
	sim->model.listening_ms = timing(sim)->offline_after_ms;
}

void sim_model_end(struct sim *sim)
{
	free(sim->model.of);
}

/* ---- the observing clock ------------------------------------------------------------- */

void sim_model_advance(struct sim *sim)
{
	struct sim_model *model = &sim->model;
	uint64_t gap_ms = sim->now_ms - model->last_ms;

	model->last_ms = sim->now_ms;
	if (model->sick)
		return;
	if (gap_ms <= STALL_MS) {
		model->obs_ms += gap_ms;
		return;
	}
	model->obs_ms += SIM_STEP_MS;
	model->stall_obs_ms = model->obs_ms;
	model->stalled = true;
}

void sim_model_set_sick(struct sim *sim, bool sick)
{
	struct sim_model *model = &sim->model;

	sim_model_advance(sim);
	if (model->sick && !sick) {
		model->stalled = true;
		model->stall_obs_ms = model->obs_ms;
	}
	model->sick = sick;
}

bool sim_model_blind(const struct sim *sim)
{
	const struct sim_model *model = &sim->model;
	uint64_t gap_ms = sim->now_ms - model->last_ms;
	uint64_t obs_ms = model->obs_ms + (gap_ms <= STALL_MS ? gap_ms : SIM_STEP_MS);

	return model->sick || gap_ms > STALL_MS ||
	       obs_ms - model->listen_obs_ms < model->listening_ms ||
	       (model->stalled && obs_ms - model->stall_obs_ms < timing(sim)->suspect_after_ms);
}

bool sim_model_hidden(const struct sim *sim)
{
	return sim->model.blackout || sim_model_blind(sim);
}

rw_host_handle sim_model_handle(struct sim *sim, uint32_t number)
{
	struct sim_known *known = &sim->model.of[number];

	if (known->handle == 0)
		known->handle = rw_core_host_find(sim->collector.core, sim->hosts[number].id) + 1;
	return known->handle - 1;
}

/* ---- restart ------------------------------------------------------------------------------ */

/* What was on disk is the core's word: that it is right is the disk's own check. */
static void adopt(struct sim *sim, uint32_t number)
{
	struct sim_known *known = &sim->model.of[number];
	const struct rw_core *core = sim->collector.core;
	rw_host_handle handle = rw_core_host_find(core, sim->hosts[number].id);
	struct rw_host_row row;

	struct sim_known before = *known;

	*known = (struct sim_known){0};
	memcpy(known->ends, before.ends, sizeof(known->ends));
	if (!rw_core_host_at(core, handle, &row))
		return;
	known->known = true;
	known->excluded = row.excluded;
	known->presence = row.presence;
	known->retired = row.presence == RW_RETIRED;
	known->goodbye = row.goodbye;
	known->ring = (uint32_t)rw_core_ring_find(core, row.ring);
	known->order = row.boot_order;
	memcpy(&known->boot, row.boot_id + 8, sizeof(known->boot));
	known->heard_wall_ms = row.heard_wall_ms;
	known->mark_obs_ms = sim->model.obs_ms;
	known->lost = rw_table_at(&core->table, handle)->lost;
	if (row.presence == RW_UNKNOWN) /* until listening is over */
		known->mark_obs_ms += sim->model.listening_ms - timing(sim)->offline_after_ms;

	const struct rw_trouble *trouble =
		rw_trouble_at(core, rw_table_at(&core->table, handle)->trouble);

	if (trouble != NULL) {
		known->maintenance_wall_ms = trouble->maintenance_until_wall_ms;
		known->excused_order = trouble->excused_boot_order;
	}
	if (row.presence != RW_PLANNED)
		return;

	uint64_t now_ms = sim_now(sim).wall_ms;
	uint64_t left_ms = row.back_by_wall_ms > now_ms ? row.back_by_wall_ms - now_ms : 0;
	uint64_t most_ms = row.goodbye == RW_BYE_POWER_OFF ? timing(sim)->power_off_grace_ms
							   : timing(sim)->max_planned_ms;

	if (left_ms < timing(sim)->offline_after_ms)
		left_ms = timing(sim)->offline_after_ms;
	known->mark_obs_ms += left_ms < most_ms ? left_ms : most_ms;
}

void sim_model_restarted(struct sim *sim)
{
	struct sim_model *model = &sim->model;

	model->last_ms = sim->now_ms;
	model->listen_obs_ms = model->obs_ms;
	model->listening_ms = rw_core_listening_ms(sim->collector.core);
	model->stalled = false;
	model->sick = false;
	model->extended = false;
	model->extended_obs_ms = 0;
	model->blackout = sim->collector.core->silence.blackout;
	model->back_obs_ms = UINT64_MAX;
	model->was_hidden = true;
	for (uint32_t i = 0; i < sim->host_count; i++)
		adopt(sim, i);
	sim_judge_restarted(sim);
}

/* ---- what is heard ----------------------------------------------------------------------------
 */

void sim_model_enter(struct sim *sim, uint32_t number, enum rw_presence to)
{
	struct sim_known *known = &sim->model.of[number];

	sim->judge.stale = true;
	/* Unknown for another reason than a restart, it was not heard lately. */
	known->lost = to == RW_OFFLINE && (known->presence != RW_UNKNOWN || known->lost);
	known->presence = to;
	known->gasping = false;
	if (to == RW_OFFLINE)
		known->mark_obs_ms = sim->model.obs_ms;
}

static void is_heard(struct sim *sim, uint32_t number)
{
	struct sim_known *known = &sim->model.of[number];

	known->heard_wall_ms = sim_now(sim).wall_ms;
	if (known->presence != RW_ONLINE)
		sim_model_enter(sim, number, RW_ONLINE);
	known->mark_obs_ms = sim->model.obs_ms;
}

void sim_model_heard(struct sim *sim, uint32_t number, bool beat)
{
	const struct sim_known *known = &sim->model.of[number];

	sim_model_advance(sim);
	if (known->presence == RW_RETIRED ||
	    (!beat && (known->presence == RW_PLANNED || known->presence == RW_ABSENT)))
		return;
	sim->model.of[number].timed = known->timed || beat;
	is_heard(sim, number);
	sim_judge_heard(sim, number);
}

static bool is_dead_by_word(enum rw_boot_end end, enum rw_presence presence)
{
	switch (end) {
	case RW_END_ORDERLY:
		return false;
	case RW_END_UNEXPECTED:
		return true;
	case RW_END_NONE:
		return presence != RW_PLANNED && presence != RW_ABSENT;
	case RW_END_UNKNOWN:
		return presence == RW_OFFLINE;
	}
	return true;
}

/* Last heard in maintenance, and back soon after it. */
static bool is_excused(const struct sim *sim, const struct sim_known *known)
{
	return known->maintenance_wall_ms != 0 &&
	       known->heard_wall_ms <= known->maintenance_wall_ms &&
	       sim_now(sim).wall_ms <= known->maintenance_wall_ms + timing(sim)->max_planned_ms;
}

void sim_model_hello(struct sim *sim, const struct sim_message *hello)
{
	struct sim_known *known = &sim->model.of[hello->host];

	sim_model_advance(sim);
	if (known->presence == RW_RETIRED && known->retired)
		return;

	enum rw_presence from = known->presence;
	bool new_boot = known->known && known->boot != hello->boot;
	bool died = new_boot && is_dead_by_word(hello->end, from);
	uint64_t old_order = known->order;

	if (died && is_excused(sim, known)) {
		died = false;
		known->excused_order = old_order;
	}
	sim->judge.stale = true; /* it may have moved */
	known->known = true;
	known->timed = true;
	known->boot = hello->boot;
	known->order = hello->boot_order;
	known->ring = hello->ring;
	is_heard(sim, hello->host);
	sim_judge_hello(sim, hello, old_order, died, new_boot && hello->end == RW_END_UNKNOWN);
}

void sim_model_goodbye(struct sim *sim, const struct sim_message *message)
{
	struct sim_known *known = &sim->model.of[message->host];
	const struct rw_timing *t = timing(sim);
	uint64_t excused_ms = message->back_in_ms;

	sim_model_advance(sim);
	if (known->presence == RW_RETIRED)
		return;
	is_heard(sim, message->host);
	sim_judge_heard(sim, message->host);
	if (excused_ms > t->max_planned_ms)
		excused_ms = t->max_planned_ms;
	if (excused_ms < t->offline_after_ms)
		excused_ms = t->offline_after_ms;
	if (message->goodbye == RW_BYE_POWER_OFF)
		excused_ms = t->power_off_grace_ms;
	sim_model_enter(sim, message->host, RW_PLANNED);
	known->goodbye = message->goodbye;
	known->mark_obs_ms = sim->model.obs_ms + excused_ms;
}

void sim_model_gasp(struct sim *sim, uint32_t number)
{
	struct sim_known *known = &sim->model.of[number];
	uint64_t obs_ms = sim->model.obs_ms;
	bool suspect = known->presence == RW_SUSPECT;

	sim_model_advance(sim);
	obs_ms = sim->model.obs_ms;
	if (!known->known || known->gasping || known->gasp_obs_ms > obs_ms)
		return;
	if (!suspect && known->presence != RW_ONLINE && known->presence != RW_PLANNED)
		return;
	/* It has less time than that. */
	if (suspect &&
	    known->mark_obs_ms + timing(sim)->offline_after_ms <= obs_ms + RW_CORE_GASP_MS)
		return;
	if (known->presence == RW_PLANNED)
		known->mark_obs_ms = obs_ms;
	sim_model_enter(sim, number, RW_SUSPECT);
	known->gasping = true;
	known->gasp_obs_ms = obs_ms + RW_CORE_GASP_MS;
}

void sim_model_event(struct sim *sim, const struct sim_message *message)
{
	sim_model_heard(sim, message->host, false);
	if (message->event.kind == SIM_KIND_REBOOT &&
	    sim->model.of[message->host].excused_order == message->event.boot_order)
		return;
	sim_judge_event(sim, message);
}

/* ---- deadlines
 * --------------------------------------------------------------------------------------- */

static void goes_offline(struct sim *sim, uint32_t number)
{
	struct sim_known *known = &sim->model.of[number];
	uint64_t now_ms = sim_now(sim).wall_ms;

	if (known->maintenance_wall_ms > now_ms) {
		sim_model_enter(sim, number, RW_PLANNED);
		known->goodbye = RW_BYE_SENSOR_STOP;
		known->mark_obs_ms = sim->model.obs_ms + known->maintenance_wall_ms - now_ms;
		return;
	}
	sim_model_enter(sim, number, RW_OFFLINE);
	sim_judge_went_offline(sim, number);
}

static void tick_host(struct sim *sim, uint32_t number)
{
	struct sim_known *known = &sim->model.of[number];
	uint64_t obs_ms = sim->model.obs_ms, silent_ms = obs_ms - known->mark_obs_ms;
	bool waits = obs_ms < sim->model.extended_obs_ms;

	if (known->gasping) {
		if (known->gasp_obs_ms <= obs_ms)
			goes_offline(sim, number);
	} else if (known->presence == RW_SUSPECT || known->presence == RW_UNKNOWN) {
		if (!waits && silent_ms >= timing(sim)->offline_after_ms)
			goes_offline(sim, number);
	} else if (known->presence == RW_PLANNED && !waits && known->mark_obs_ms <= obs_ms) {
		if (known->goodbye == RW_BYE_POWER_OFF)
			sim_model_enter(sim, number, RW_ABSENT);
		else
			goes_offline(sim, number);
	} else if (known->lost && !sim->model.blackout &&
		   silent_ms >= timing(sim)->suspect_after_ms) {
		known->lost = false;
	}
}

void sim_model_tick(struct sim *sim)
{
	sim_model_advance(sim);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_known *known = &sim->model.of[i];

		if (known->known && known->presence == RW_ONLINE &&
		    sim->model.obs_ms - known->mark_obs_ms >= timing(sim)->suspect_after_ms)
			sim_model_enter(sim, i, RW_SUSPECT);
	}
	sim_model_tick_silence(sim);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		if (sim->model.of[i].known)
			tick_host(sim, i);
	}
	sim->model.was_hidden = sim_model_hidden(sim);
}
