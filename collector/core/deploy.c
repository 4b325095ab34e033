/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments and what people do to them: create, start, finish, withdraw,
 * reset. Each may be asked again and is then answered as the first time, with
 * changed = false.
 *
 * `fixed` exposure: the start of a ring's step exposes every host that is
 * enrolled in that ring now and is not yet exposed to this deployment, wherever
 * it was when it was exposed. Hosts that enrol later, or move in, are not
 * exposed until a later step starts. Exposures are only added to, and end with
 * the deployment.
 *
 * Nothing is changed unless all of it can be: memory is taken first, and no act
 * is begun while the sink refuses changes.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/internal.h"

/* ---- records --------------------------------------------------------------------- */

const struct rw_ring_policy *rw_run_policy(const struct rw_core *core, const struct rw_run *run)
{
	return &core->policy.rings[run->ring];
}

bool rw_run_is_judged(const struct rw_run *run)
{
	return run->step > 0 && run->deployment->row.state == RW_DEPLOYMENT_ACTIVE;
}

struct rw_run *rw_run_find(struct rw_deployment *deployment, const struct rw_core *core,
			   const char *ring)
{
	for (uint32_t i = 0; i < deployment->row.ring_count; i++) {
		if (strcmp(rw_run_policy(core, &deployment->runs[i])->name, ring) == 0)
			return &deployment->runs[i];
	}
	return NULL;
}

const struct rw_run *rw_run_previous(const struct rw_run *run)
{
	return run == run->deployment->runs ? NULL : run - 1;
}

bool rw_run_ring_is_unhealthy(const struct rw_core *core, const struct rw_run *run)
{
	const struct rw_ring_policy *policy = rw_run_policy(core, run);
	const struct rw_ring *ring = &core->rings[run->ring];
	uint64_t offline = ring->presence[RW_OFFLINE];

	return run->step == 0 &&
	       (rw_breaker_is_above(&policy->limits[RW_RULE_OFFLINE], policy->least_hosts, offline,
				    ring->enrolled) ||
		rw_breaker_is_above(&policy->limits[RW_RULE_FAILED], policy->least_hosts, offline,
				    ring->enrolled));
}

/* The policy's numbers of the named rings, in rollout order. */
static int order_rings(const struct rw_core *core, const struct rw_deployment_row *row,
		       uint32_t rings[RW_CORE_RINGS_MAX])
{
	uint32_t count = 0;

	if (row->ring_count < 1 || row->ring_count > RW_CORE_RINGS_MAX)
		return -EINVAL;
	for (uint32_t ring = 0; ring < core->policy.ring_count; ring++) {
		uint32_t named = 0;

		for (uint32_t i = 0; i < row->ring_count; i++)
			named += strcmp(row->rings[i], core->policy.rings[ring].name) == 0;
		if (named > 1)
			return -EINVAL;
		if (named == 1)
			rings[count++] = ring;
	}
	return count == row->ring_count ? 0 : -ENOENT;
}

int rw_deployment_add(struct rw_core *core, const struct rw_deployment_row *row,
		      struct rw_deployment **out)
{
	uint32_t rings[RW_CORE_RINGS_MAX];
	int status = order_rings(core, row, rings);

	if (status != 0)
		return status;
	if (core->deployment_count == RW_CORE_DEPLOYMENTS_MAX)
		return -ENOSPC;

	struct rw_deployment *deployment =
		calloc(1, sizeof(*deployment) + row->ring_count * sizeof(deployment->runs[0]));

	if (deployment == NULL)
		return -ENOMEM;
	deployment->row = *row;
	for (uint32_t i = 0; i < row->ring_count; i++) {
		rw_copy_text(deployment->row.rings[i], RW_CORE_NAME_BYTES,
			     core->policy.rings[rings[i]].name);
		deployment->runs[i].deployment = deployment;
		deployment->runs[i].ring = rings[i];
		deployment->runs[i].crash_kinds = core->policy.rings[rings[i]].crash_kinds;
	}
	deployment->number = ++core->last_number;
	core->deployments[core->deployment_count++] = deployment;
	*out = deployment;
	return 0;
}

void rw_deployment_end(struct rw_core *core, struct rw_deployment *deployment, struct rw_now now)
{
	for (uint32_t i = 0; i < deployment->row.ring_count; i++) {
		deployment->runs[i].baking = false;
		deployment->runs[i].control_failed = 0;
		rw_exposure_leave_out(core, &deployment->runs[i], now);
		rw_exposure_release(core, &deployment->runs[i]);
	}
}

void rw_deployment_free(struct rw_deployment *deployment)
{
	if (deployment == NULL)
		return;
	for (uint32_t i = 0; i < deployment->row.ring_count; i++) {
		struct rw_run *run = &deployment->runs[i];

		for (uint32_t j = 0; j < run->chunk_count; j++)
			free(run->chunks[j]);
		free(run->chunks);
		free(run->evidence);
	}
	free(deployment->sightings);
	free(deployment);
}

void rw_deployment_forget(struct rw_core *core, uint32_t index)
{
	rw_deployment_free(core->deployments[index]);
	core->deployment_count--;
	memmove(&core->deployments[index], &core->deployments[index + 1],
		(core->deployment_count - index) * sizeof(core->deployments[0]));
}

/* ---- results ------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static struct rw_act_result refuse(int status,
									 const char *fmt, ...)
{
	struct rw_act_result result = {.status = status};
	va_list arguments;

	va_start(arguments, fmt);
	if (vsnprintf(result.message, sizeof(result.message), fmt, arguments) < 0)
		result.message[0] = '\0';
	va_end(arguments);
	return result;
}

static void add_reason(struct rw_act_result *result, bool applies, enum rw_reason reason)
{
	if (applies && result->reason_count < RW_CORE_REASONS_MAX)
		result->reasons[result->reason_count++] = reason;
}

static struct rw_act_result refuse_for(enum rw_reason reason, const char *message)
{
	struct rw_act_result result = refuse(-EPERM, "%s", message);

	add_reason(&result, true, reason);
	return result;
}

/* So already; the caller still waits for the rows that made it so. */
static struct rw_act_result unchanged(uint64_t sequence)
{
	return (struct rw_act_result){.sequence = sequence};
}

static struct rw_act_result changed(const struct rw_core *core)
{
	if (core->resync.needed) {
		struct rw_act_result result =
			refuse(-EIO, "done, but the store could not take all of it yet; ask again");

		result.changed = true;
		return result;
	}
	return (struct rw_act_result){.changed = true, .sequence = core->last_sequence};
}

static struct rw_act_result refuse_behind(void)
{
	return refuse(-EIO, "the store does not take changes at the moment; nothing was done");
}

static struct rw_deployment *find_deployment(const struct rw_core *core, const char *id)
{
	int index = rw_core_deployment_find(core, id);

	return index < 0 ? NULL : core->deployments[index];
}

static struct rw_act_result refuse_deployment(const char *id)
{
	return refuse(-ENOENT, "there is no deployment '%.63s'", id);
}

/* ---- create --------------------------------------------------------------------------- */

static bool is_same(const struct rw_core *core, const struct rw_deployment *known,
		    const struct rw_deployment_row *spec)
{
	if (strcmp(known->row.component, spec->component) != 0 ||
	    strcmp(known->row.version, spec->version) != 0 ||
	    strcmp(known->row.match, spec->match) != 0 || known->row.exposure != spec->exposure ||
	    known->row.ring_count != spec->ring_count)
		return false;

	uint32_t rings[RW_CORE_RINGS_MAX];

	if (order_rings(core, spec, rings) != 0)
		return false;
	for (uint32_t i = 0; i < spec->ring_count; i++) {
		if (known->runs[i].ring != rings[i])
			return false;
	}
	return true;
}

static struct rw_act_result refuse_create(int status, const struct rw_deployment_row *spec)
{
	switch (status) {
	case -EINVAL:
		return refuse(status, "a deployment names 1 to 32 rings, each once");
	case -ENOENT:
		return refuse(status, "deployment '%s' names a ring that the policy does not have",
			      spec->id);
	case -ENOSPC:
		return refuse(status,
			      "there are %d active deployments already; finish or "
			      "withdraw one",
			      RW_CORE_DEPLOYMENTS_MAX);
	default:
		return refuse(status, "there is no memory for another deployment");
	}
}

/*
 * Room for one more, where there was none: the deployment that ended first is forgotten.
 * False: the store does not take that now.
 */
static bool make_room(struct rw_core *core, struct rw_now now)
{
	uint32_t oldest = core->deployment_count;

	for (uint32_t i = 0; i < core->deployment_count; i++) {
		const struct rw_deployment_row *row = &core->deployments[i]->row;

		if (row->state != RW_DEPLOYMENT_ACTIVE &&
		    (oldest == core->deployment_count ||
		     row->ended_wall_ms < core->deployments[oldest]->row.ended_wall_ms))
			oldest = i;
	}
	if (core->deployment_count < RW_CORE_DEPLOYMENTS_MAX || oldest == core->deployment_count)
		return true;
	if (!rw_tell_deployment_gone(core, core->deployments[oldest], now))
		return false;
	rw_deployment_forget(core, oldest);
	return true;
}

struct rw_act_result rw_core_deploy_create(struct rw_core *core,
					   const struct rw_deployment_row *spec, struct rw_now now)
{
	rw_core_advance(core, now);
	if (core->resync.needed)
		return refuse_behind();
	if (spec->id[0] == '\0')
		return refuse(-EINVAL, "a deployment has a name");
	if ((spec->exposure != RW_EXPOSURE_REPORTED || spec->match[0] == '\0') &&
	    (spec->exposure != RW_EXPOSURE_FIXED || spec->match[0] != '\0'))
		return refuse(-EINVAL, "exposure is fixed, or reported with a match");

	struct rw_deployment *deployment = find_deployment(core, spec->id);

	if (deployment != NULL && is_same(core, deployment, spec))
		return unchanged(deployment->sequence);
	if (deployment != NULL)
		return refuse(-EEXIST, "deployment '%s' exists with other content", spec->id);

	struct rw_deployment_row row = *spec;

	row.state = RW_DEPLOYMENT_ACTIVE;
	row.created_wall_ms = now.wall_ms;
	row.ended_wall_ms = 0;
	row.reason[0] = '\0';
	if (order_rings(core, spec, (uint32_t[RW_CORE_RINGS_MAX]){0}) == 0 && !make_room(core, now))
		return refuse_behind();
	int status = rw_deployment_add(core, &row, &deployment);
	if (status != 0)
		return refuse_create(status, spec);
	rw_tell_deployment(core, deployment, now);
	return changed(core);
}

/* ---- start ------------------------------------------------------------------------------ */

static struct rw_act_result may_start(const struct rw_core *core, const struct rw_run *run,
				      uint32_t step)
{
	const struct rw_deployment *deployment = run->deployment;
	const struct rw_run *previous = rw_run_previous(run);
	struct rw_act_result result = {0};

	add_reason(&result, deployment->row.state == RW_DEPLOYMENT_WITHDRAWN, RW_REASON_WITHDRAWN);
	add_reason(&result, deployment->row.state == RW_DEPLOYMENT_FINISHED, RW_REASON_FINISHED);
	add_reason(&result, previous != NULL && !rw_bake_has_passed(core, previous),
		   RW_REASON_PREVIOUS_RING_NOT_PASSED);
	add_reason(&result, rw_run_ring_is_unhealthy(core, run), RW_REASON_RING_UNHEALTHY);
	add_reason(&result, core->rings[run->ring].enrolled == 0, RW_REASON_NO_EXPOSED_HOSTS);
	add_reason(&result, step > 1 && (run->step + 1 != step || !rw_bake_is_complete(core, run)),
		   RW_REASON_BAKE_INCOMPLETE);
	if (result.reason_count > 0) {
		result.status = -EPERM;
		rw_copy_text(result.message, sizeof(result.message), "this step may not start now");
		return result;
	}
	for (uint32_t i = 0; i < deployment->row.ring_count; i++) {
		if (deployment->runs[i].breaker_open)
			return refuse(-EPERM, "the breaker of ring '%s' is open",
				      rw_run_policy(core, &deployment->runs[i])->name);
	}
	return result;
}

static bool is_to_be_exposed(const struct rw_host *host, const struct rw_run *run)
{
	return host->ring == run->ring && host->presence != RW_RETIRED &&
	       rw_exposure_find(host, run->deployment) == NULL;
}

/* One host, now. There must be room. */
static struct rw_exposure *expose(struct rw_core *core, struct rw_run *run, rw_host_handle handle,
				  uint32_t step, struct rw_now now)
{
	struct rw_exposure *e = rw_exposure_add(core, run, handle, step);

	rw_exposure_set_base(e, rw_table_at(&core->table, handle), now);
	e->at_wall_ms = now.wall_ms;
	e->watched_ms = run->watched_ms;
	rw_exposure_take_first(core, run, e);
	return e;
}

static int expose_ring(struct rw_core *core, struct rw_run *run, uint32_t step, struct rw_now now)
{
	uint32_t count = 0;

	for (rw_host_handle handle = 0; handle < core->table.count; handle++)
		count += is_to_be_exposed(rw_table_at(&core->table, handle), run);
	if (rw_exposure_reserve(run, count) != 0)
		return -ENOMEM;

	for (rw_host_handle handle = 0; handle < core->table.count; handle++) {
		const struct rw_host *host = rw_table_at(&core->table, handle);

		if (!is_to_be_exposed(host, run))
			continue;
		rw_tell_exposure(core, expose(core, run, handle, step, now), now);
	}
	return 0;
}

struct rw_act_result rw_core_deploy_start(struct rw_core *core, const char *id, const char *ring,
					  uint32_t step, struct rw_now now)
{
	struct rw_deployment *deployment = find_deployment(core, id);
	struct rw_run *run = deployment == NULL ? NULL : rw_run_find(deployment, core, ring);

	rw_core_advance(core, now);
	if (core->resync.needed)
		return refuse_behind();
	if (deployment == NULL)
		return refuse_deployment(id);
	if (run == NULL)
		return refuse(-ENOENT, "deployment '%.63s' has no ring '%.63s'", id, ring);

	const struct rw_ring_policy *policy = rw_run_policy(core, run);

	if (step < 1 || step > policy->step_count)
		return refuse(-EINVAL, "ring '%s' has steps 1 to %u", policy->name,
			      policy->step_count);
	if (step < run->step)
		return refuse(-EINVAL, "ring '%s' is in step %u already", policy->name, run->step);
	if (rw_run_is_judged(run) && run->step == step)
		return unchanged(run->sequence);

	struct rw_act_result result = may_start(core, run, step);

	if (result.status != 0)
		return result;
	if (deployment->row.exposure == RW_EXPOSURE_FIXED && expose_ring(core, run, step, now) != 0)
		return refuse(-ENOMEM, "there is no memory to expose the hosts of ring '%s'",
			      policy->name);
	if (run->step == 0)
		rw_control_begin(core, run, now);
	run->step = step;
	run->started_wall_ms = now.wall_ms;
	run->target = rw_bake_allowed_hosts(policy, step, core->rings[run->ring].enrolled);
	run->step_targets[step - 1] = run->target;
	/* Hosts may have reported the version, and failed, before the start. */
	rw_breaker_judge(core, run, now);
	rw_bake_begin(core, run, now);
	rw_tell_run(core, run, now);
	return changed(core);
}

/* ---- reported exposure ----------------------------------------------------------------- */

/* The kernel's value is its release and its build id; a version may name the first alone. */
static bool is_version(const char *version, const char *value)
{
	size_t length = strlen(version);

	return strncmp(version, value, length) == 0 &&
	       (value[length] == '\0' || (value[length] == ' ' && strchr(version, ' ') == NULL));
}

void rw_run_let_in(struct rw_core *core, struct rw_run *run, uint64_t room, struct rw_now now)
{
	if (run->deployment->row.exposure != RW_EXPOSURE_REPORTED || run->step == 0 ||
	    run->counts.exposed > room || run->counts.exposed <= run->target)
		return;
	run->target = run->counts.exposed;
	rw_tell_run(core, run, now);
}

static bool expose_reported(struct rw_core *core, struct rw_deployment *deployment,
			    rw_host_handle handle, bool is_heard, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	for (uint32_t i = 0; i < deployment->row.ring_count; i++) {
		struct rw_run *run = &deployment->runs[i];

		if (!is_to_be_exposed(host, run) || rw_exposure_reserve(run, 1) != 0)
			continue;
		uint64_t room = rw_bake_room(core, run);
		struct rw_exposure *e = expose(core, run, handle, run->step, now);

		rw_run_let_in(core, run, room, now);
		if (is_heard) {
			rw_exposure_heard(core, e, false, now);
		} else {
			rw_tell_exposure(core, e, now);
			rw_breaker_judge(core, run, now);
		}
		return true;
	}
	return false;
}

struct version_fate {
	bool named, exposed;
};

static struct version_fate match_version(struct rw_core *core, rw_host_handle handle,
					 const char *subject, const char *value, bool is_heard,
					 struct rw_now now)
{
	struct version_fate fate = {.named = value[0] == '\0'};

	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		if (!is_version(deployment->row.version, value) ||
		    (deployment->row.match[0] != '\0' &&
		     strcmp(deployment->row.match, subject) != 0))
			continue;
		fate.named = true;
		if (deployment->row.exposure == RW_EXPOSURE_REPORTED &&
		    deployment->row.state == RW_DEPLOYMENT_ACTIVE)
			fate.exposed = expose_reported(core, deployment, handle, is_heard, now) ||
				       fate.exposed;
	}
	return fate;
}

enum rw_version_fate rw_core_version(struct rw_core *core, rw_host_handle handle,
				     const char *subject, const char *value, bool is_changed,
				     struct rw_now now)
{
	rw_core_heard(core, handle, now);
	if (rw_table_at(&core->table, handle) == NULL)
		return RW_VERSION_PLAIN;

	struct version_fate fate = match_version(core, handle, subject, value, true, now);

	if (value[0] != '\0' && (is_changed || fate.named))
		rw_presence_set_unregistered(core, handle, !fate.named, now);
	if (fate.exposed)
		return RW_VERSION_EXPOSED;
	return is_changed && !fate.named ? RW_VERSION_UNREGISTERED : RW_VERSION_PLAIN;
}

void rw_core_version_known(struct rw_core *core, rw_host_handle handle, const char *subject,
			   const char *value, struct rw_now now)
{
	rw_core_advance(core, now);
	if (rw_table_at(&core->table, handle) != NULL && value[0] != '\0' &&
	    match_version(core, handle, subject, value, false, now).named)
		rw_presence_set_unregistered(core, handle, false, now);
}

/* ---- the ends ------------------------------------------------------------------------------ */

static struct rw_act_result end(struct rw_core *core, const char *id,
				enum rw_deployment_state state, const char *reason,
				struct rw_now now)
{
	struct rw_deployment *deployment = find_deployment(core, id);

	rw_core_advance(core, now);
	if (core->resync.needed)
		return refuse_behind();
	if (deployment == NULL)
		return refuse_deployment(id);
	if (deployment->row.state == state)
		return unchanged(deployment->sequence);
	if (deployment->row.state == RW_DEPLOYMENT_WITHDRAWN)
		return refuse_for(RW_REASON_WITHDRAWN, "the deployment was withdrawn");
	if (deployment->row.state == RW_DEPLOYMENT_FINISHED)
		return refuse_for(RW_REASON_FINISHED, "the deployment is finished");

	/* What is released below cannot be told again. */
	for (uint32_t i = 0; i < deployment->row.ring_count; i++)
		rw_exposure_leave_out(core, &deployment->runs[i], now);
	if (core->resync.needed)
		return refuse_behind();

	deployment->row.state = state;
	deployment->row.ended_wall_ms = now.wall_ms;
	rw_copy_text(deployment->row.reason, sizeof(deployment->row.reason), reason);
	rw_deployment_end(core, deployment, now);
	rw_tell_deployment(core, deployment, now);
	return changed(core);
}

struct rw_act_result rw_core_deploy_finish(struct rw_core *core, const char *deployment,
					   struct rw_now now)
{
	return end(core, deployment, RW_DEPLOYMENT_FINISHED, "", now);
}

struct rw_act_result rw_core_deploy_withdraw(struct rw_core *core, const char *deployment,
					     const char *reason, struct rw_now now)
{
	return end(core, deployment, RW_DEPLOYMENT_WITHDRAWN, reason, now);
}

/* ---- reset ----------------------------------------------------------------------------------- */

/* Each failed host leaves k; only what it does from now on counts. */
static void acknowledge(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	for (uint32_t i = 0; i < run->exposure_count; i++) {
		struct rw_exposure *e = rw_exposure_at(run, i);
		const struct rw_host *host = rw_table_at(&core->table, e->host);

		if (!rw_exposure_has_failed(e, host) && !e->module_failed)
			continue;
		rw_exposure_uncount(e, host);
		e->acknowledged = true;
		e->crashed = false;
		e->module_failed = false;
		rw_exposure_set_base(e, host, now);
		rw_exposure_count(e, host);
		rw_tell_exposure(core, e, now);
	}
}

struct rw_act_result rw_core_deploy_reset(struct rw_core *core, const char *id, const char *ring,
					  struct rw_now now)
{
	struct rw_deployment *deployment = find_deployment(core, id);
	struct rw_run *run = deployment == NULL ? NULL : rw_run_find(deployment, core, ring);

	rw_core_advance(core, now);
	if (core->resync.needed)
		return refuse_behind();
	if (deployment == NULL)
		return refuse_deployment(id);
	if (run == NULL)
		return refuse(-ENOENT, "deployment '%.63s' has no ring '%.63s'", id, ring);
	if (deployment->row.state == RW_DEPLOYMENT_WITHDRAWN)
		return refuse_for(RW_REASON_WITHDRAWN, "the deployment was withdrawn");
	if (deployment->row.state == RW_DEPLOYMENT_FINISHED)
		return refuse_for(RW_REASON_FINISHED, "the deployment is finished");
	if (run->step == 0 && !run->breaker_open)
		return refuse_for(RW_REASON_NOT_STARTED, "the ring was not started");
	if (!run->breaker_open && run->counts.all.by[RW_RULE_FAILED] == 0 &&
	    run->counts.all.by[RW_RULE_MODULE_FAILED] == 0)
		return unchanged(run->sequence);

	acknowledge(core, run, now);
	run->evidence_count = 0;
	rw_tell_evidence_cleared(core, run, now);
	run->breaker_open = false;
	run->rule = RW_RULE_NONE;
	run->grade = RW_GRADE_NONE;
	run->proof = RW_PROOF_NONE;
	run->opened_wall_ms = 0;
	run->opened_failed = 0;
	run->opened_at_risk = 0;
	/* More than were allowed are exposed, and that is acknowledged, too. */
	if (run->counts.exposed > run->target)
		run->target = run->counts.exposed;
	run->watched_from_ms = run->watched_ms;
	run->full_due_ms = 0;
	rw_exposure_mature(core, run);
	rw_control_begin(core, run, now);
	rw_bake_begin(core, run, now);
	rw_tell_run(core, run, now);
	return changed(core);
}
