/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's life, its observing clock, and its tick.
 *
 * The observing clock runs with CLOCK_BOOTTIME, but a gap of more than two
 * ticks between two inputs moves it by one tick only: in the gap the observer
 * was not looking, so nobody's silence in it means anything. Deadlines and
 * bakes are counted on this clock.
 *
 * The core is blind, which holds every verdict that does not abort,
 *   "listening"  until one offline_after was observed since it was made or
 *                restored: before that it cannot tell a dead host from one that
 *                has not come back yet. Lives that were too short for it are added
 *                up, when they follow each other within ten offline_after and lasted
 *                one suspect_after: by then every live host has connected again, so
 *                that much every life takes;
 *   "stalled"    until one suspect_after was observed since a stall: by then
 *                every live host could have sent again;
 *   "witness"    while the witness does not answer for the network (silence.c);
 *   and for whatever rw_core_set_sick was told.
 * In the last two the observing clock stands, and when they end it is as after a stall.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/internal.h"

#define OBSERVING_BEGINS_MS (UINT64_C(1) << 40)

void rw_copy_text(char *out, size_t size, const char *text)
{
	size_t length = strnlen(text, size);

	if (length == size) {
		length = size - 1;
		while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	memmove(out, text, length);
	out[length] = '\0';
}

/* ---- the observing clock --------------------------------------------------- */

static uint64_t gap_ms(const struct rw_core *core, struct rw_now now)
{
	return now.boot_ms > core->last_boot_ms ? now.boot_ms - core->last_boot_ms : 0;
}

void rw_core_advance(struct rw_core *core, struct rw_now now)
{
	uint64_t gap = gap_ms(core, now);

	core->last_boot_ms += gap;
	core->last_wall_ms = now.wall_ms;
	if (core->sick != NULL || core->silence.dark)
		return;
	if (gap <= RW_STALL_MS) {
		core->obs_ms += gap;
		return;
	}
	core->obs_ms += RW_CORE_TICK_MS;
	rw_core_mark_stall(core);
}

void rw_core_mark_stall(struct rw_core *core)
{
	core->stall_obs_ms = core->obs_ms;
	core->stalled = true;
}

void rw_core_set_sick(struct rw_core *core, const char *reason, struct rw_now now)
{
	rw_core_advance(core, now);
	if (core->sick != NULL && reason == NULL)
		rw_core_mark_stall(core);
	core->sick = reason;
}

uint64_t rw_core_listening_ms(const struct rw_core *core)
{
	const struct rw_timing *timing = &core->policy.timing;

	if (core->listened_ms + timing->suspect_after_ms >= timing->offline_after_ms)
		return timing->suspect_after_ms;
	return timing->offline_after_ms - core->listened_ms;
}

/* What a next life may add up; each second is soon enough. */
static void tick_listening(struct rw_core *core, struct rw_now now)
{
	uint64_t listened_ms = core->obs_ms - core->listen_obs_ms;

	if (!core->listens || listened_ms < core->policy.timing.suspect_after_ms)
		return;
	core->listens = listened_ms < rw_core_listening_ms(core);
	if (core->listens && core->obs_ms - core->listen_told_obs_ms < 1000)
		return;
	core->listen_told_obs_ms = core->obs_ms;
	rw_tell_life(core, now);
}

const char *rw_core_blind_reason(const struct rw_core *core, struct rw_now now)
{
	uint64_t gap = gap_ms(core, now);
	bool stalls = gap > RW_STALL_MS;
	uint64_t obs_ms = core->obs_ms + (stalls ? RW_CORE_TICK_MS : gap);

	if (core->sick != NULL)
		return core->sick;
	if (core->silence.dark)
		return "witness";
	if (obs_ms - core->listen_obs_ms < rw_core_listening_ms(core))
		return "listening";
	if (stalls)
		return "stalled";
	if (core->stalled && obs_ms - core->stall_obs_ms < core->policy.timing.suspect_after_ms)
		return "stalled";
	return NULL;
}

/* ---- life ------------------------------------------------------------------- */

int rw_core_new(const struct rw_policy *policy, const struct rw_core_sink *sink, uint32_t hosts_max,
		struct rw_now now, struct rw_core **out)
{
	int ring;

	if (rw_policy_fault(policy, &ring) != NULL || sink->change == NULL)
		return -EINVAL;

	struct rw_core *core = calloc(1, sizeof(*core));

	if (core == NULL)
		return -ENOMEM;
	core->policy = *policy;
	core->sink = *sink;
	core->last_boot_ms = now.boot_ms;
	core->last_wall_ms = now.wall_ms;
	/* So that a moment before the start is a number, too. */
	core->obs_ms = OBSERVING_BEGINS_MS;
	core->tick_obs_ms = core->obs_ms;
	core->listen_obs_ms = core->obs_ms;
	core->listens = true;
	core->was_hidden = true;
	core->control.epoch = 1; /* 0 says never: a host may fail before the first start */
	rw_table_init(&core->table, hosts_max);
	rw_presence_init(core);
	*out = core;
	return 0;
}

void rw_core_free(struct rw_core *core)
{
	if (core == NULL)
		return;
	for (uint32_t i = 0; i < core->deployment_count; i++)
		rw_deployment_free(core->deployments[i]);
	rw_table_release(&core->table);
	rw_history_free(core);
	free(core);
}

void rw_core_restored(struct rw_core *core, struct rw_now now)
{
	if (now.boot_ms > core->last_boot_ms)
		core->last_boot_ms = now.boot_ms;
	core->last_wall_ms = now.wall_ms;
	core->listen_obs_ms = core->obs_ms;
	core->listens = true;
	if (now.wall_ms > core->listened_wall_ms + 10 * core->policy.timing.offline_after_ms)
		core->listened_ms = 0;
	rw_presence_restored(core);
	core->tick_obs_ms = core->obs_ms;
	core->stalled = false;
	core->was_hidden = true;
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			rw_control_recount(core, &deployment->runs[j]);
			rw_exposure_mature(core, &deployment->runs[j]);
		}
	}
}

void rw_core_tick(struct rw_core *core, struct rw_now now)
{
	rw_core_advance(core, now);
	/* All that are late are suspect, and what their silence means is known, before
	 * the first of them turns offline. */
	rw_presence_tick_late(core, now);
	rw_silence_tick(core, now);
	rw_breaker_gather(core);
	rw_presence_tick_due(core, now);
	rw_breaker_judge_gathered(core, now);
	rw_history_tick(core);
	tick_listening(core, now);

	/* What was left unjudged while silence was hidden is judged when sight returns. */
	bool hidden = rw_silence_hides(core, now);

	if (core->was_hidden && !hidden)
		rw_breaker_judge_all(core, now);
	core->was_hidden = hidden;

	rw_bake_tick(core, hidden, now);
	rw_control_tick(core, now);
	core->tick_obs_ms = core->obs_ms;
	rw_resync_tick(core, now);
}

/* ---- the store ---------------------------------------------------------------- */

void rw_core_committed(struct rw_core *core, uint64_t sequence)
{
	if (sequence > core->committed)
		core->committed = sequence;
}

void rw_core_set_store_failed(struct rw_core *core, bool failed)
{
	core->store_failed = failed;
}
