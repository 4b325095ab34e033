/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When silence is the observer's fault.
 *
 * A group of hosts is *silent* when at least three of them, and at least a fifth of
 * those that were heard one offline_after ago, are not heard now: suspect, offline since
 * less than suspect_after, or not heard again since a restart. That is judged on suspects,
 * before the first of them is let go offline; the timing of a sound policy leaves room
 * for it.
 *
 *   a run's exposed   control       witness      what follows
 *   silent            reporting     -            ordinary rules: the strongest evidence
 *   silent            silent        -            blackout
 *   reporting         silent        -            blackout, without more time
 *   silent            none          none         ordinary rules, silence is no evidence
 *   silent            none          reachable    ordinary rules
 *   silent            none          does not     dark: the observing clock stands, and
 *                                   answer       with it every deadline, until it does
 *
 * Control is *none* when fewer than three of it could be silent.
 *
 * In a *blackout* every verdict that does not abort holds, and silence is not judged.
 * Once an episode, when a run's exposed are silent too, nobody turns offline for one more
 * offline_after; then hosts do, for the state tells the truth. It ends when control has
 * not been silent for one offline_after; hosts that fell silent in it are counted as
 * silent until they are back or retired, however long that takes.
 *
 * None of this is looked at while the observer is blind. Crashes, which are told and not
 * inferred, are judged throughout.
 */
#include "collector/core/internal.h"

enum { LEAST_SILENT = 3, SILENT_OF = 5 };

static bool is_silent(const struct rw_group *group)
{
	return group->silent >= LEAST_SILENT &&
	       group->silent * SILENT_OF >= group->online + group->silent;
}

bool rw_silence_has_control(const struct rw_core *core)
{
	const struct rw_group *group = &core->control.group;

	return group->online + group->silent >= LEAST_SILENT;
}

static bool some_exposed_are_silent(const struct rw_core *core)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		const struct rw_deployment *deployment = core->deployments[i];

		if (deployment->row.state != RW_DEPLOYMENT_ACTIVE)
			continue;
		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			if (is_silent(&deployment->runs[j].counts.group))
				return true;
		}
	}
	return false;
}

static bool has_exposed(const struct rw_core *core)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		const struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			if (rw_run_is_judged(&deployment->runs[j]) &&
			    deployment->runs[j].counts.exposed > 0)
				return true;
		}
	}
	return false;
}

/* ---- blackout --------------------------------------------------------------------------- */

static void begin_blackout(struct rw_core *core, struct rw_now now)
{
	core->silence.blackout = true;
	core->silence.was_extended = false;
	core->silence.back_obs_ms = UINT64_MAX;
	rw_tell_life(core, now);
}

static void tick_blackout(struct rw_core *core, bool exposed_silent, struct rw_now now)
{
	struct rw_silence *silence = &core->silence;
	uint64_t offline_after_ms = core->policy.timing.offline_after_ms;

	if (is_silent(&core->control.group)) {
		if (!silence->blackout && !has_exposed(core))
			return; /* there is nothing to hold */
		if (!silence->blackout)
			begin_blackout(core, now);
		silence->back_obs_ms = UINT64_MAX;
		if (exposed_silent && !silence->was_extended) {
			silence->was_extended = true;
			silence->extended_obs_ms = core->obs_ms + offline_after_ms;
		}
		return;
	}
	if (!silence->blackout)
		return;
	if (silence->back_obs_ms == UINT64_MAX)
		silence->back_obs_ms = core->obs_ms;
	if (core->obs_ms - silence->back_obs_ms < offline_after_ms)
		return;
	silence->blackout = false;
	rw_tell_life(core, now);
}

/* ---- the witness ------------------------------------------------------------------------- */

static void ask(struct rw_core *core, struct rw_now now)
{
	struct rw_silence *silence = &core->silence;

	silence->was_asked = true;
	silence->asked_boot_ms = now.boot_ms;
	if (core->sink.ask_witness != NULL)
		core->sink.ask_witness(core->sink.context);
}

static void set_dark(struct rw_core *core, bool dark)
{
	if (core->silence.dark && !dark)
		rw_core_mark_stall(core);
	core->silence.dark = dark;
}

static void tick_witness(struct rw_core *core, bool is_needed, struct rw_now now)
{
	struct rw_silence *silence = &core->silence;

	if (!is_needed) {
		silence->was_asked = false;
		silence->reachable = false;
		set_dark(core, false);
		return;
	}
	if (!silence->was_asked || now.boot_ms - silence->asked_boot_ms >= RW_CORE_WITNESS_EVERY_MS)
		ask(core, now);
	set_dark(core, !silence->reachable);
}

void rw_core_witness(struct rw_core *core, bool reachable, struct rw_now now)
{
	rw_core_advance(core, now);
	if (!core->silence.was_asked)
		return;
	core->silence.reachable = reachable;
	set_dark(core, !reachable);
}

/* ---- time ------------------------------------------------------------------------------------ */

void rw_silence_tick(struct rw_core *core, struct rw_now now)
{
	const char *blind = rw_core_blind_reason(core, now);
	bool exposed_silent = some_exposed_are_silent(core);

	if (blind == NULL)
		tick_blackout(core, exposed_silent, now);
	if (blind == NULL || core->silence.was_asked)
		tick_witness(core,
			     core->policy.has_witness && exposed_silent &&
				     !rw_silence_has_control(core),
			     now);
}

bool rw_silence_waits(const struct rw_core *core)
{
	return core->silence.dark || core->obs_ms < core->silence.extended_obs_ms;
}

bool rw_silence_hides(const struct rw_core *core, struct rw_now now)
{
	return core->silence.blackout || rw_core_blind_reason(core, now) != NULL;
}

bool rw_silence_is_evidence(const struct rw_core *core)
{
	return rw_silence_has_control(core) ||
	       (core->policy.has_witness && core->silence.reachable);
}
