/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control: the enrolled hosts that are exposed to no active deployment, whatever their
 * ring. What befalls them is not a change's doing, so it is what a change is measured
 * by.
 *
 * For each run they are counted from its start, or its last reset, which is an *epoch*
 * of its own: how long hosts of control were watched since (online or suspect), and how
 * many of them failed, each once: it crashed, or fell silent and is silent since. A
 * host's trouble keeps the epoch of its last crash and of its silence, and so one look
 * at it says for which runs it counts. Heard again in the same boot it was no failure.
 *
 * Over all time the same makes the natural rate of failure, halved each RW_HISTORY_MS
 * so that it follows the fleet.
 *
 * Cost: a failure O(active runs); a tick O(active runs).
 */
#include "collector/core/internal.h"

bool rw_control_is(const struct rw_host *host)
{
	return host->exposure_count == 0 && !host->excluded && host->presence != RW_RETIRED;
}

/* ---- failures --------------------------------------------------------------------- */

static bool failed_since(const struct rw_trouble *trouble, const struct rw_run *run)
{
	return run->epoch > 0 &&
	       (trouble->crash_epoch >= run->epoch || trouble->silence_epoch >= run->epoch);
}

static void count_failure(struct rw_core *core, const struct rw_trouble *trouble, uint64_t by)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		if (deployment->row.state != RW_DEPLOYMENT_ACTIVE)
			continue;
		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			if (failed_since(trouble, &deployment->runs[j]))
				deployment->runs[j].control_failed += by;
		}
	}
}

static void set_epochs(struct rw_core *core, struct rw_trouble *trouble, uint32_t crash,
		       uint32_t silence, struct rw_now now)
{
	if (trouble->crash_epoch == crash && trouble->silence_epoch == silence)
		return;
	count_failure(core, trouble, UINT64_MAX);
	trouble->crash_epoch = crash;
	trouble->silence_epoch = silence;
	count_failure(core, trouble, 1);
	rw_tell_trouble(core, trouble, now);
}

void rw_control_crashed(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_trouble *trouble = rw_trouble_of(core, handle);

	if (trouble == NULL || !rw_control_is(rw_table_at(&core->table, handle)))
		return;
	/* Its silence was this crash, and is counted. */
	if (trouble->silence_epoch == 0) {
		core->control.natural_failures++;
		core->control.to_tell = true;
	}
	set_epochs(core, trouble, core->control.epoch, 0, now);
}

void rw_control_went_offline(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_trouble *trouble;

	if (!rw_control_is(rw_table_at(&core->table, handle)))
		return;
	trouble = rw_trouble_of(core, handle);
	if (trouble == NULL)
		return;
	core->control.natural_failures++;
	core->control.to_tell = true;
	set_epochs(core, trouble, trouble->crash_epoch, core->control.epoch, now);
}

void rw_control_is_back(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_trouble *trouble =
		rw_trouble_at(core, rw_table_at(&core->table, handle)->trouble);

	if (trouble == NULL || trouble->silence_epoch == 0)
		return;
	if (core->control.natural_failures > 0)
		core->control.natural_failures--;
	core->control.to_tell = true;
	set_epochs(core, trouble, trouble->crash_epoch, 0, now);
}

void rw_control_forget(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_trouble *trouble =
		rw_trouble_at(core, rw_table_at(&core->table, handle)->trouble);

	rw_control_is_back(core, handle, now);
	if (trouble != NULL)
		set_epochs(core, trouble, 0, 0, now);
}

/* ---- runs ------------------------------------------------------------------------------ */

void rw_control_begin(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	core->control.epoch++;
	run->epoch = core->control.epoch;
	run->exposed_host_ms = 0;
	run->control_host_ms = 0;
	run->control_failed = 0;
	rw_tell_life(core, now);
}

void rw_control_recount(const struct rw_core *core, struct rw_run *run)
{
	run->control_failed = 0;
	if (run->deployment->row.state != RW_DEPLOYMENT_ACTIVE)
		return;
	for (uint32_t number = 1; number <= core->trouble_count; number++)
		run->control_failed += failed_since(rw_trouble_at(core, number), run);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void age(struct rw_control *control, uint64_t span_ms)
{
	control->natural_host_ms += control->group.watched * span_ms;
	control->natural_watched_ms += span_ms;
	if (control->natural_watched_ms < RW_HISTORY_MS)
		return;
	control->natural_watched_ms = 0;
	control->natural_host_ms /= 2;
	control->natural_failures /= 2;
	control->to_tell = true;
}

void rw_control_tick(struct rw_core *core, struct rw_now now)
{
	struct rw_control *control = &core->control;
	uint64_t span_ms = core->obs_ms - core->tick_obs_ms;

	age(control, span_ms);
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			struct rw_run *run = &deployment->runs[j];

			if (run->epoch == 0 || deployment->row.state != RW_DEPLOYMENT_ACTIVE)
				continue;
			run->exposed_host_ms += run->counts.group.watched * span_ms;
			run->control_host_ms += control->group.watched * span_ms;
			rw_verdict_prepare(run);
		}
	}
	if (control->to_tell || core->obs_ms - control->told_obs_ms >= RW_HOUR_MS)
		rw_tell_life(core, now);
}
