/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lasting changes on their way out, and back in after a restart.
 *
 * Each row is the whole present state of one thing, so the last row of each
 * thing, and all lines of evidence since the last clearing, are the state. The
 * sink is called in the midst of a change: it must not call the core.
 *
 * When the sink refuses a row (its queue is full), what it holds is no longer
 * what is. From then on verdicts hold as store_failed, no act is begun, and
 * ticks tell everything again, RW_RESYNC_PER_TICK rows at a time, until one
 * whole pass was taken.
 */
#include <errno.h>
#include <string.h>

#include "collector/core/internal.h"

/* ---- out ----------------------------------------------------------------------- */

/* The row's number; 0 when it was refused. */
static uint64_t tell(struct rw_core *core, struct rw_change *change, struct rw_now now)
{
	change->at_wall_ms = now.wall_ms;
	uint64_t sequence = core->sink.change(core->sink.context, change);

	if (sequence != 0) {
		core->last_sequence = sequence;
		return sequence;
	}
	if (core->resync.needed)
		core->resync.again = true;
	else
		core->resync = (struct rw_resync){.needed = true};
	return 0;
}

static void rest_on(uint64_t *sequence, uint64_t told)
{
	if (told > *sequence)
		*sequence = told;
}

void rw_fill_host_row(const struct rw_core *core, const struct rw_host *host,
		      struct rw_host_row *out)
{
	*out = (struct rw_host_row){
		.presence = host->presence,
		.previous = host->presence,
		.boot_order = host->boot_order,
		.since_wall_ms = host->since_wall_ms,
		.heard_wall_ms = host->heard_wall_ms,
		.goodbye = host->goodbye,
		.back_by_wall_ms = host->presence == RW_PLANNED && host->mark_obs_ms > core->obs_ms
					   ? core->last_wall_ms + host->mark_obs_ms - core->obs_ms
					   : 0,
		.excluded = host->excluded,
		.by_age = host->by_age,
		.unregistered = host->unregistered,
	};
	rw_copy_text(out->id, sizeof(out->id), host->id);
	rw_copy_text(out->ring, sizeof(out->ring), core->policy.rings[host->ring].name);
	memcpy(out->boot_id, host->boot_id, sizeof(out->boot_id));
}

void rw_tell_host(struct rw_core *core, rw_host_handle handle, enum rw_presence previous,
		  struct rw_now now)
{
	struct rw_change change = {.type = RW_CHANGE_HOST};

	rw_fill_host_row(core, rw_table_at(&core->table, handle), &change.host);
	change.host.previous = previous;
	tell(core, &change, now);
}

void rw_tell_deployment(struct rw_core *core, struct rw_deployment *deployment, struct rw_now now)
{
	struct rw_change change = {.type = RW_CHANGE_DEPLOYMENT, .deployment = deployment->row};

	rest_on(&deployment->sequence, tell(core, &change, now));
}

static struct rw_run_row run_row(const struct rw_core *core, const struct rw_run *run)
{
	struct rw_run_row row = {
		.step = run->step,
		.started_wall_ms = run->started_wall_ms,
		.target = run->target,
		.observed_ms = run->observed_ms,
		.breaker_open = run->breaker_open,
		.rule = run->rule,
		.grade = run->grade,
		.opened_wall_ms = run->opened_wall_ms,
		.opened_failed = run->opened_failed,
		.opened_at_risk = run->opened_at_risk,
		.proof = run->proof,
		.watched_ms = run->watched_ms,
		.watched_from_ms = run->watched_from_ms,
		.epoch = run->epoch,
		.exposed_host_ms = run->exposed_host_ms,
		.control_host_ms = run->control_host_ms,
	};

	memcpy(row.step_targets, run->step_targets, sizeof(row.step_targets));

	rw_copy_text(row.deployment, sizeof(row.deployment), run->deployment->row.id);
	rw_copy_text(row.ring, sizeof(row.ring), rw_run_policy(core, run)->name);
	return row;
}

void rw_tell_progress(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	run->told_obs_ms = core->obs_ms;
	struct rw_change change = {.type = RW_CHANGE_RUN, .run = run_row(core, run)};

	tell(core, &change, now);
}

void rw_tell_run(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	run->told_obs_ms = core->obs_ms;
	struct rw_change change = {.type = RW_CHANGE_RUN, .run = run_row(core, run)};

	rest_on(&run->sequence, tell(core, &change, now));
}

void rw_tell_exposure(struct rw_core *core, const struct rw_exposure *exposure, struct rw_now now)
{
	struct rw_run *run = exposure->run;
	struct rw_change change = {
		.type = RW_CHANGE_EXPOSURE,
		.exposure = {.boot_order = exposure->boot_order,
			     .boot_ms = exposure->boot_ms,
			     .at_wall_ms = exposure->at_wall_ms,
			     .watched_ms = exposure->watched_ms,
			     .step = exposure->step,
			     .module_failed = exposure->module_failed,
			     .left_offline = exposure->left_offline,
			     .left_out = exposure->left_out,
			     .alive = exposure->alive,
			     .heard = exposure->heard,
			     .crashed = exposure->crashed,
			     .recovered = exposure->recovered,
			     .acknowledged = exposure->acknowledged},
	};

	rw_copy_text(change.exposure.deployment, RW_CORE_NAME_BYTES, run->deployment->row.id);
	rw_copy_text(change.exposure.ring, RW_CORE_NAME_BYTES, rw_run_policy(core, run)->name);
	rw_copy_text(change.exposure.host, RW_CORE_NAME_BYTES,
		     rw_table_at(&core->table, exposure->host)->id);
	rest_on(&run->sequence, tell(core, &change, now));
}

void rw_tell_evidence(struct rw_core *core, struct rw_run *run, const struct rw_evidence_row *row,
		      struct rw_now now)
{
	struct rw_change change = {.type = RW_CHANGE_EVIDENCE, .evidence = *row};

	rest_on(&run->sequence, tell(core, &change, now));
}

void rw_tell_evidence_cleared(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	struct rw_change change = {.type = RW_CHANGE_EVIDENCE_CLEARED, .run = run_row(core, run)};

	rest_on(&run->sequence, tell(core, &change, now));
}

void rw_tell_trouble(struct rw_core *core, const struct rw_trouble *trouble, struct rw_now now)
{
	struct rw_change change = {
		.type = RW_CHANGE_TROUBLE,
		.trouble = {.maintenance_until_wall_ms = trouble->maintenance_until_wall_ms,
			    .excused_boot_order = trouble->excused_boot_order,
			    .crash_epoch = trouble->crash_epoch,
			    .silence_epoch = trouble->silence_epoch},
	};

	rw_copy_text(change.trouble.host, RW_CORE_NAME_BYTES,
		     rw_table_at(&core->table, trouble->host)->id);
	memcpy(change.trouble.crashes, trouble->crashes, sizeof(trouble->crashes));
	memcpy(change.trouble.modules, trouble->modules, sizeof(trouble->modules));
	tell(core, &change, now);
}

bool rw_tell_deployment_gone(struct rw_core *core, const struct rw_deployment *deployment,
			     struct rw_now now)
{
	struct rw_change change = {.type = RW_CHANGE_DEPLOYMENT_GONE,
				   .deployment = deployment->row};

	return tell(core, &change, now) != 0;
}

void rw_tell_signature(struct rw_core *core, const struct rw_signature *signature, bool gone,
		       struct rw_now now)
{
	struct rw_change change = {
		.type = gone ? RW_CHANGE_SIGNATURE_GONE : RW_CHANGE_SIGNATURE,
		.signature = signature->row,
	};

	tell(core, &change, now);
}

void rw_tell_sighting(struct rw_core *core, const struct rw_deployment *deployment,
		      const struct rw_sighting *sighting, struct rw_now now)
{
	struct rw_change change = {.type = RW_CHANGE_SIGHTING,
				   .sighting = {.shared = sighting->shared}};

	rw_copy_text(change.sighting.deployment, RW_CORE_NAME_BYTES, deployment->row.id);
	rw_copy_text(change.sighting.signature, RW_CORE_TEXT_BYTES, sighting->text);
	rw_copy_text(change.sighting.host, RW_CORE_NAME_BYTES,
		     rw_table_at(&core->table, sighting->host)->id);
	tell(core, &change, now);
}

void rw_tell_life(struct rw_core *core, struct rw_now now)
{
	struct rw_control *control = &core->control;
	struct rw_change change = {
		.type = RW_CHANGE_LIFE,
		.life = {.told_wall_ms = now.wall_ms,
			 .listened_ms =
				 core->listens && core->obs_ms - core->listen_obs_ms >=
							  core->policy.timing.suspect_after_ms
					 ? core->listened_ms + core->obs_ms - core->listen_obs_ms
				 : core->listens ? core->listened_ms
						 : 0,
			 .epoch = control->epoch,
			 .blackout = core->silence.blackout,
			 .natural_host_ms = control->natural_host_ms,
			 .natural_failures = control->natural_failures,
			 .natural_watched_ms = control->natural_watched_ms},
	};

	control->to_tell = false;
	control->told_obs_ms = core->obs_ms;
	tell(core, &change, now);
}

/* ---- telling everything again ---------------------------------------------------------- */

enum {
	RESYNC_DEPLOYMENTS,
	RESYNC_HOSTS,
	RESYNC_TROUBLES,
	RESYNC_SIGNATURES,
	RESYNC_RUNS,
	RESYNC_DONE
};

static void tell_run_again(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	rw_tell_evidence_cleared(core, run, now);
	for (uint32_t i = 0; i < run->evidence_count; i++)
		rw_tell_evidence(core, run, &run->evidence[i], now);
	rw_tell_run(core, run, now);
}

/* One row, or the handful of a run; and the place moves on. */
static void resync_runs(struct rw_core *core, struct rw_resync *at, struct rw_now now)
{
	if (at->index >= core->deployment_count) {
		*at = (struct rw_resync){.needed = true, .again = at->again, .stage = RESYNC_DONE};
		return;
	}

	struct rw_deployment *deployment = core->deployments[at->index];

	if (at->run >= deployment->row.ring_count) {
		for (uint32_t i = 0; i < deployment->sighting_count; i++)
			rw_tell_sighting(core, deployment, &deployment->sightings[i], now);
		at->index++;
		at->run = 0;
		return;
	}

	struct rw_run *run = &deployment->runs[at->run];
	const struct rw_exposure *exposure = rw_exposure_at(run, at->item);

	if (exposure != NULL) {
		rw_tell_exposure(core, exposure, now);
		at->item++;
		return;
	}
	/* The epoch is of its start, or of a reset without one. */
	if (run->epoch > 0 || run->breaker_open || run->target > 0)
		tell_run_again(core, run, now);
	at->run++;
	at->item = 0;
}

static void resync_step(struct rw_core *core, struct rw_resync *at, struct rw_now now)
{
	switch (at->stage) {
	case RESYNC_DEPLOYMENTS:
		if (at->index < core->deployment_count) {
			rw_tell_deployment(core, core->deployments[at->index++], now);
			return;
		}
		at->index = 0;
		at->stage = RESYNC_HOSTS;
		return;
	case RESYNC_HOSTS:
		if (at->index < core->table.count) {
			rw_tell_host(core, at->index,
				     rw_table_at(&core->table, at->index)->presence, now);
			at->index++;
			return;
		}
		at->index = 0;
		at->stage = RESYNC_TROUBLES;
		return;
	case RESYNC_TROUBLES:
		if (at->index < core->trouble_count) {
			at->index++;
			rw_tell_trouble(core, rw_trouble_at(core, at->index), now);
			return;
		}
		at->index = 0;
		at->stage = RESYNC_SIGNATURES;
		return;
	case RESYNC_SIGNATURES:
		if (at->index < core->signature_count) {
			rw_tell_signature(core, &core->signatures[at->index++], false, now);
			return;
		}
		rw_tell_life(core, now);
		at->index = 0;
		at->stage = RESYNC_RUNS;
		return;
	default:
		resync_runs(core, at, now);
		return;
	}
}

void rw_resync_tick(struct rw_core *core, struct rw_now now)
{
	struct rw_resync *at = &core->resync;

	if (!at->needed)
		return;
	/* What was refused in this pass, or since the last tick, starts another. */
	for (uint32_t i = 0; i < RW_RESYNC_PER_TICK && at->stage != RESYNC_DONE && !at->again; i++)
		resync_step(core, at, now);
	if (at->again)
		*at = (struct rw_resync){.needed = true};
	else if (at->stage == RESYNC_DONE)
		*at = (struct rw_resync){0};
}

/* ---- in ------------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
	return text[0] != '\0' && memchr(text, '\0', RW_CORE_NAME_BYTES) != NULL;
}

static uint64_t left_ms(uint64_t by_wall_ms, struct rw_now now, uint64_t least, uint64_t most)
{
	uint64_t left = by_wall_ms > now.wall_ms ? by_wall_ms - now.wall_ms : 0;

	if (left < least)
		return least;
	return left < most ? left : most;
}

/*
 * When a planned host is overdue is known by the wall clock alone after a
 * restart. So the time left is kept within what a goodbye may ask for, and is
 * at least one offline_after of listening.
 */
static uint64_t planned_left_ms(const struct rw_timing *timing, const struct rw_host_row *row,
				struct rw_now now)
{
	uint64_t most = row->goodbye == RW_BYE_POWER_OFF ? timing->power_off_grace_ms
							 : timing->max_planned_ms;

	return left_ms(row->back_by_wall_ms, now, timing->offline_after_ms, most);
}

static int restore_host(struct rw_core *core, const struct rw_host_row *row, struct rw_now now)
{
	int ring = is_name(row->ring) ? rw_core_ring_find(core, row->ring) : -ENOENT;

	if (ring < 0 || !is_name(row->id) || (unsigned)row->presence >= RW_PRESENCE_COUNT ||
	    (unsigned)row->goodbye > RW_BYE_SENSOR_STOP)
		return -EINVAL;

	rw_host_handle handle = rw_table_find(&core->table, row->id);

	if (handle == RW_NO_HOST) {
		int status = rw_presence_enrol(core, row->id, (uint32_t)ring, &handle);

		if (status != 0)
			return status;
	}

	struct rw_host *host = rw_table_at(&core->table, handle);
	bool was_heard_live = row->presence == RW_ONLINE || row->presence == RW_SUSPECT;
	bool was_silent = row->presence == RW_OFFLINE && core->silence.blackout;

	if (host->ring != ring)
		rw_presence_move(core, host, (uint32_t)ring);
	rw_exposure_uncount_all(host);
	rw_presence_uncount(core, host);
	host->excluded = row->excluded;
	host->by_age = row->by_age;
	host->unregistered = row->unregistered;
	rw_presence_count(core, host);
	rw_exposure_count_all(host);
	memcpy(host->boot_id, row->boot_id, sizeof(host->boot_id));
	host->boot_order = row->boot_order;
	host->clock_known = false;
	host->goodbye = (unsigned)row->goodbye & 15u;
	if (row->presence == RW_PLANNED)
		host->mark_obs_ms = core->obs_ms + planned_left_ms(&core->policy.timing, row, now);
	else
		host->mark_obs_ms = core->obs_ms;
	if (was_silent) /* and is so until it is back: see silence.c */
		rw_presence_lose(core, handle, now);
	else if (was_heard_live)
		rw_presence_miss(core, handle, now);
	else
		rw_presence_enter(core, handle, row->presence, now);
	host->since_wall_ms = was_heard_live ? now.wall_ms : row->since_wall_ms;
	host->heard_wall_ms = row->heard_wall_ms;
	return 0;
}

static int restore_deployment(struct rw_core *core, const struct rw_deployment_row *row,
			      struct rw_now now)
{
	if (!is_name(row->id) || row->state < RW_DEPLOYMENT_ACTIVE ||
	    row->state > RW_DEPLOYMENT_WITHDRAWN || row->exposure < RW_EXPOSURE_FIXED ||
	    row->exposure > RW_EXPOSURE_REPORTED)
		return -EINVAL;

	int index = rw_core_deployment_find(core, row->id);

	if (index >= 0) {
		struct rw_deployment *deployment = core->deployments[index];
		bool ends = deployment->row.state == RW_DEPLOYMENT_ACTIVE &&
			    row->state != RW_DEPLOYMENT_ACTIVE;

		deployment->row.state = row->state;
		deployment->row.ended_wall_ms = row->ended_wall_ms;
		rw_copy_text(deployment->row.reason, sizeof(deployment->row.reason), row->reason);
		if (ends)
			rw_deployment_end(core, deployment, now);
		return 0;
	}

	struct rw_deployment *deployment;
	int status = rw_deployment_add(core, row, &deployment);

	return status == -ENOENT ? -EINVAL : status;
}

static struct rw_run *find_run(struct rw_core *core, const char *id, const char *ring)
{
	int index = is_name(id) && is_name(ring) ? rw_core_deployment_find(core, id) : -ENOENT;

	return index < 0 ? NULL : rw_run_find(core->deployments[index], core, ring);
}

static int restore_run(struct rw_core *core, const struct rw_run_row *row)
{
	struct rw_run *run = find_run(core, row->deployment, row->ring);

	if (run == NULL || (unsigned)row->rule >= RW_RULE_COUNT ||
	    (unsigned)row->grade > RW_GRADE_EVIDENCE || (unsigned)row->proof >= RW_PROOF_COUNT)
		return -EINVAL;
	/* A policy that has lost steps since: the ring is in its last one. */
	uint32_t steps = rw_run_policy(core, run)->step_count;

	run->step = row->step < steps ? row->step : steps;
	run->started_wall_ms = row->started_wall_ms;
	run->target = row->target;
	run->observed_ms = row->observed_ms;
	run->saved_ms = row->observed_ms;
	run->breaker_open = row->breaker_open;
	run->rule = row->rule;
	run->grade = row->grade;
	run->opened_wall_ms = row->opened_wall_ms;
	run->opened_failed = row->opened_failed;
	run->opened_at_risk = row->opened_at_risk;
	run->proof = row->proof;
	memcpy(run->step_targets, row->step_targets, sizeof(run->step_targets));
	run->watched_ms = row->watched_ms;
	run->watched_from_ms = row->watched_from_ms;
	run->full_due_ms = 0;
	run->told_obs_ms = core->obs_ms;
	run->epoch = row->epoch;
	run->exposed_host_ms = row->exposed_host_ms;
	run->control_host_ms = row->control_host_ms;
	return 0;
}

static void take_facts(struct rw_exposure *e, const struct rw_exposure_row *row)
{
	e->boot_order = row->boot_order;
	e->boot_ms = row->boot_ms;
	e->at_wall_ms = row->at_wall_ms;
	e->watched_ms = row->watched_ms;
	e->step = (uint8_t)row->step;
	e->module_failed = row->module_failed;
	e->left_offline = row->left_offline;
	e->left_out = row->left_out;
	e->alive = row->alive;
	e->heard = row->heard;
	e->crashed = row->crashed;
	e->recovered = row->recovered;
	e->acknowledged = row->acknowledged;
}

static int restore_exposure(struct rw_core *core, const struct rw_exposure_row *row)
{
	struct rw_run *run = find_run(core, row->deployment, row->ring);
	rw_host_handle handle =
		is_name(row->host) ? rw_table_find(&core->table, row->host) : RW_NO_HOST;

	if (run == NULL || handle == RW_NO_HOST || row->step > RW_CORE_STEPS_MAX)
		return -EINVAL;

	if (run->deployment->row.state != RW_DEPLOYMENT_ACTIVE) {
		struct rw_exposure past = {0};

		take_facts(&past, row);
		rw_exposure_count_ended(run, &past);
		return 0;
	}

	struct rw_host *host = rw_table_at(&core->table, handle);
	struct rw_exposure *e = rw_exposure_find(host, run->deployment);

	if (e != NULL && e->run != run)
		return -EINVAL;
	if (e == NULL) {
		if (rw_exposure_reserve(run, 1) != 0)
			return -ENOMEM;
		e = rw_exposure_add(core, run, handle, row->step);
	}
	rw_exposure_uncount(e, host);
	host->unheard_count = (uint16_t)(host->unheard_count + e->heard - row->heard);
	take_facts(e, row);
	rw_exposure_count(e, host);
	rw_exposure_take_first(core, run, e);
	return 0;
}

static int restore_evidence(struct rw_core *core, const struct rw_evidence_row *row)
{
	struct rw_run *run = find_run(core, row->deployment, row->ring);

	if (run == NULL || !is_name(row->host) || !is_name(row->kind))
		return -EINVAL;
	return rw_evidence_merge(run, row) == RW_EVIDENCE_DROPPED ? -ENOMEM : 0;
}

static int restore_cleared(struct rw_core *core, const struct rw_run_row *row)
{
	struct rw_run *run = find_run(core, row->deployment, row->ring);

	if (run == NULL)
		return -EINVAL;
	run->evidence_count = 0;
	return 0;
}

static int restore_trouble(struct rw_core *core, const struct rw_trouble_row *row,
			   struct rw_now now)
{
	rw_host_handle handle =
		is_name(row->host) ? rw_table_find(&core->table, row->host) : RW_NO_HOST;

	if (handle == RW_NO_HOST)
		return -EINVAL;

	struct rw_trouble *trouble = rw_trouble_of(core, handle);

	if (trouble == NULL)
		return -ENOMEM;
	memcpy(trouble->crashes, row->crashes, sizeof(trouble->crashes));
	memcpy(trouble->modules, row->modules, sizeof(trouble->modules));
	trouble->maintenance_until_wall_ms = row->maintenance_until_wall_ms;
	trouble->excused_boot_order = row->excused_boot_order;
	trouble->crash_epoch = row->crash_epoch;
	trouble->silence_epoch = row->silence_epoch;
	rw_history_restored(core, trouble, now);
	return 0;
}

static bool is_text(const char text[RW_CORE_TEXT_BYTES])
{
	return text[0] != '\0' && memchr(text, '\0', RW_CORE_TEXT_BYTES) != NULL;
}

static int restore_signature(struct rw_core *core, const struct rw_signature_row *row,
			     struct rw_now now)
{
	if (!is_text(row->text))
		return -EINVAL;

	struct rw_signature *place = rw_history_signature_place(core, row->text, now);

	if (place == NULL)
		return -ENOMEM;
	place->row = *row;
	return 0;
}

static int restore_deployment_gone(struct rw_core *core, const struct rw_deployment_row *row)
{
	int index = rw_core_deployment_find(core, row->id);

	if (index < 0 || core->deployments[index]->row.state == RW_DEPLOYMENT_ACTIVE)
		return -ENOENT;
	rw_deployment_forget(core, (uint32_t)index);
	return 0;
}

static int restore_signature_gone(struct rw_core *core, const struct rw_signature_row *row)
{
	if (!is_text(row->text))
		return -EINVAL;
	rw_history_signature_remove(core, row->text);
	return 0;
}

static int restore_sighting(struct rw_core *core, const struct rw_sighting_row *row)
{
	int index =
		is_name(row->deployment) ? rw_core_deployment_find(core, row->deployment) : -ENOENT;
	rw_host_handle handle =
		is_name(row->host) ? rw_table_find(&core->table, row->host) : RW_NO_HOST;

	if (index < 0 || handle == RW_NO_HOST || !is_text(row->signature))
		return -EINVAL;

	struct rw_deployment *deployment = core->deployments[index];

	if (deployment->row.state != RW_DEPLOYMENT_ACTIVE)
		return 0; /* nothing is new to it any more */
	struct rw_sighting *sighting = rw_history_sighting(deployment, row->signature);
	if (sighting == NULL)
		sighting = rw_history_sighting_add(deployment, row->signature, handle);
	if (sighting == NULL)
		return -ENOMEM;
	sighting->shared = row->shared;
	return 0;
}

static int restore_life(struct rw_core *core, const struct rw_life_row *row)
{
	core->listened_ms = row->listened_ms;
	core->listened_wall_ms = row->told_wall_ms;
	core->control.epoch = row->epoch > 0 ? row->epoch : 1;
	core->control.natural_host_ms = row->natural_host_ms;
	core->control.natural_failures = row->natural_failures;
	core->control.natural_watched_ms = row->natural_watched_ms;
	core->silence.blackout = row->blackout;
	core->silence.back_obs_ms = UINT64_MAX;
	return 0;
}

int rw_core_restore(struct rw_core *core, const struct rw_change *row, struct rw_now now)
{
	switch (row->type) {
	case RW_CHANGE_HOST:
		return restore_host(core, &row->host, now);
	case RW_CHANGE_DEPLOYMENT:
		return restore_deployment(core, &row->deployment, now);
	case RW_CHANGE_RUN:
		return restore_run(core, &row->run);
	case RW_CHANGE_EXPOSURE:
		return restore_exposure(core, &row->exposure);
	case RW_CHANGE_EVIDENCE:
		return restore_evidence(core, &row->evidence);
	case RW_CHANGE_EVIDENCE_CLEARED:
		return restore_cleared(core, &row->run);
	case RW_CHANGE_TROUBLE:
		return restore_trouble(core, &row->trouble, now);
	case RW_CHANGE_SIGNATURE:
		return restore_signature(core, &row->signature, now);
	case RW_CHANGE_SIGNATURE_GONE:
		return restore_signature_gone(core, &row->signature);
	case RW_CHANGE_SIGHTING:
		return restore_sighting(core, &row->sighting);
	case RW_CHANGE_LIFE:
		return restore_life(core, &row->life);
	case RW_CHANGE_DEPLOYMENT_GONE:
		return restore_deployment_gone(core, &row->deployment);
	}
	return -EINVAL;
}
