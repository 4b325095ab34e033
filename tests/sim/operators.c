/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People and rollout systems: they create deployments, start what the verdict allows and
 * sometimes what it does not, reset, withdraw and finish, and retire, exclude and take
 * back hosts.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/sim/sim.h"

enum { ACTIVE_MOST = 3 };

bool sim_is_reported(uint32_t deployment)
{
	return deployment % 4 == 1;
}

const char *sim_deployment_name(uint32_t deployment)
{
	static char names[SIM_DEPLOYMENTS_MAX][8];

	if (names[deployment][0] == '\0')
		snprintf(names[deployment], sizeof(names[deployment]), "d%02u", deployment % 100);
	return names[deployment];
}

const char *sim_ring_name(uint32_t ring)
{
	static const char *const names[SIM_RINGS] = {"r0", "r1", "r2"};

	return names[ring];
}

/* Every act is an input, and moves the observing clock. */
static struct rw_core *act_on(struct sim *sim)
{
	sim_model_advance(sim);
	return sim->collector.core;
}

/* Whether it was done, also when the store has not taken all of it yet. */
static bool is_done(struct sim *sim, const struct rw_act_result *result)
{
	if (result->status == -ENOMEM)
		sim_fail(sim, SIM_OK_COUNTS, "an act says: %s", result->message);
	return result->changed && (result->status == 0 || result->status == -EIO);
}

/* ---- deployments ---------------------------------------------------------------- */

static void create(struct sim *sim, uint32_t deployment)
{
	struct rw_deployment_row spec = {.exposure = RW_EXPOSURE_FIXED, .ring_count = SIM_RINGS};

	if (sim_is_reported(deployment)) {
		spec.exposure = RW_EXPOSURE_REPORTED;
		rw_copy_text(spec.match, sizeof(spec.match), "marker:sim");
	}
	rw_copy_text(spec.id, sizeof(spec.id), sim_deployment_name(deployment));
	rw_copy_text(spec.component, sizeof(spec.component), "driver");
	rw_copy_text(spec.version, sizeof(spec.version), sim_deployment_name(deployment));
	for (uint32_t ring = 0; ring < SIM_RINGS; ring++)
		rw_copy_text(spec.rings[ring], RW_CORE_NAME_BYTES, sim_ring_name(ring));

	struct rw_act_result result = rw_core_deploy_create(act_on(sim), &spec, sim_now(sim));

	if (is_done(sim, &result))
		sim_judge_set_state(sim, deployment, RW_DEPLOYMENT_ACTIVE);
}

static void start(struct sim *sim, uint32_t deployment, uint32_t ring, uint32_t step, bool allowed)
{
	struct rw_act_result result =
		rw_core_deploy_start(act_on(sim), sim_deployment_name(deployment),
				     sim_ring_name(ring), step, sim_now(sim));
	bool open = false;

	for (uint32_t i = 0; i < SIM_RINGS; i++)
		open = open || sim->judge.runs[deployment][i].open;
	if (result.status == 0 && result.changed && open)
		sim_fail(sim, SIM_OK_VERDICT, "%s %s was started beside an open breaker",
			 sim_deployment_name(deployment), sim_ring_name(ring));
	if (allowed && result.status != 0 && result.status != -EIO && result.status != -EPERM)
		sim_fail(sim, SIM_OK_VERDICT, "start of %s %s step %u: %s",
			 sim_deployment_name(deployment), sim_ring_name(ring), step,
			 result.message);
	if (is_done(sim, &result)) {
		sim_say(sim, "%s %s step %u starts", sim_deployment_name(deployment),
			sim_ring_name(ring), step);
		sim_judge_started(sim, deployment, ring, step);
	}
}

static void reset(struct sim *sim, uint32_t deployment, uint32_t ring)
{
	struct rw_act_result result = rw_core_deploy_reset(
		act_on(sim), sim_deployment_name(deployment), sim_ring_name(ring), sim_now(sim));

	if (!is_done(sim, &result))
		return;
	sim->figures->resets++;
	sim_say(sim, "%s %s is reset", sim_deployment_name(deployment), sim_ring_name(ring));
	sim_judge_reset(sim, deployment, ring);
}

static void end(struct sim *sim, uint32_t deployment, bool withdraw)
{
	const char *name = sim_deployment_name(deployment);
	struct rw_act_result result =
		withdraw ? rw_core_deploy_withdraw(act_on(sim), name, "it is bad", sim_now(sim))
			 : rw_core_deploy_finish(act_on(sim), name, sim_now(sim));

	if (is_done(sim, &result))
		sim_judge_set_state(sim, deployment,
				    withdraw ? RW_DEPLOYMENT_WITHDRAWN : RW_DEPLOYMENT_FINISHED);
}

/* What comes after (ring, step); false: nothing. */
static bool next_step(const struct sim *sim, uint32_t *ring, uint32_t *step)
{
	if (*step < sim->collector.policy.rings[*ring].step_count) {
		(*step)++;
		return true;
	}
	(*ring)++;
	*step = 1;
	return *ring < SIM_RINGS;
}

static void goes_on(struct sim *sim, uint32_t deployment)
{
	struct rw_verdict verdict;
	uint32_t ring = 0;

	while (ring + 1 < SIM_RINGS && sim->judge.runs[deployment][ring + 1].step > 0)
		ring++;

	uint32_t step = sim->judge.runs[deployment][ring].step;

	rw_core_verdict(sim->collector.core, sim_deployment_name(deployment), sim_ring_name(ring),
			RW_FOR_ADVANCE, sim_now(sim), &verdict);
	if (verdict.decision == RW_ABORT) {
		if (sim_once_in(sim, 12))
			end(sim, deployment, true);
		else if (sim_once_in(sim, 8))
			reset(sim, deployment, sim_pick(sim, SIM_RINGS));
		return;
	}
	if (step == 0 || sim_once_in(sim, 60)) { /* and some do not ask */
		start(sim, deployment, ring, step == 0 ? 1 : step + 1, step == 0);
		return;
	}
	if (verdict.decision != RW_PROCEED)
		return;
	sim->figures->proceeds++;
	if (next_step(sim, &ring, &step))
		start(sim, deployment, ring, step, true);
	else if (sim_once_in(sim, 4))
		end(sim, deployment, false);
}

/* How many of the ring are marked, whether they have said so or not. */
static uint64_t marked(const struct sim *sim, uint32_t deployment, uint32_t ring)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < sim->host_count; i++)
		count += sim->hosts[i].version == deployment + 1 && sim->hosts[i].ring == ring;
	return count;
}

/*
 * A rollout tool marks hosts in the ring that it is in, up to what the step allows; once
 * in a while one more, or one of another ring.
 */
static void rolls_out(struct sim *sim, uint32_t deployment)
{
	struct sim_host *host = &sim->hosts[sim_pick(sim, sim->host_count)];
	bool errs = sim_once_in(sim, 40000);
	struct rw_verdict verdict;

	if (host->version == deployment + 1 || host->power != SIM_RUNNING)
		return;
	rw_core_verdict(sim->collector.core, sim_deployment_name(deployment),
			sim_ring_name(host->ring), RW_FOR_ENTER, sim_now(sim), &verdict);
	if (!errs && (verdict.decision == RW_ABORT || verdict.step == 0 ||
		      verdict.exposed >= verdict.max_exposed_hosts ||
		      marked(sim, deployment, host->ring) >= verdict.max_exposed_hosts))
		return;
	host->version = deployment + 1;
	sim_host_upgraded(sim, host->number, deployment);
}

/* ---- hosts ----------------------------------------------------------------------------- */

static void retire(struct sim *sim, uint32_t host)
{
	struct sim_entry *entry = &sim->collector.entries[host];
	struct rw_act_result result =
		rw_core_host_retire(act_on(sim), sim->hosts[host].id, sim_now(sim));

	if (!is_done(sim, &result))
		return;
	sim_judge_retired(sim, host);
	sim_model_enter(sim, host, RW_RETIRED);
	sim->model.of[host].retired = true;
	if (entry->live != 0)
		sim_to_sensor(sim, (struct sim_message){.kind = SIM_RESET,
							.host = host,
							.session = entry->live,
							.retry_ms = 20000});
	entry->live = 0;
}

static void enrol(struct sim *sim, uint32_t host)
{
	struct sim_known *known = &sim->model.of[host];
	struct rw_act_result result =
		rw_core_host_enrol(act_on(sim), sim->hosts[host].id, sim_now(sim));

	if (!is_done(sim, &result))
		return;
	if (known->presence == RW_RETIRED) {
		sim_model_enter(sim, host, RW_UNKNOWN);
		known->mark_obs_ms = sim->model.obs_ms;
	}
	known->retired = false;
	known->excluded = false;
	known->acted_ms = sim->now_ms;
	sim->judge.stale = true;
}

static void exclude(struct sim *sim, uint32_t host)
{
	struct rw_act_result result =
		rw_core_host_exclude(act_on(sim), sim->hosts[host].id, sim_now(sim));

	if (!is_done(sim, &result))
		return;
	sim->model.of[host].excluded = true;
	sim->judge.stale = true;
}

static void maintain(struct sim *sim, uint32_t host)
{
	uint64_t ms = sim_between(sim, 0, 20 * SIM_MINUTE_MS);
	struct rw_act_result result =
		rw_core_host_maintenance(act_on(sim), sim->hosts[host].id, ms, sim_now(sim));

	if (is_done(sim, &result))
		sim->model.of[host].maintenance_wall_ms = ms > 0 ? sim_now(sim).wall_ms + ms : 0;
}

/* Who stays away is looked for, and retired. */
static void retires_the_lost(struct sim *sim)
{
	uint32_t host = sim_pick(sim, sim->host_count);
	const struct sim_known *known = &sim->model.of[host];

	if (known->known && known->presence == RW_OFFLINE && !known->lost)
		retire(sim, host);
	else if (known->known && known->presence == RW_RETIRED && sim_once_in(sim, 10))
		enrol(sim, host);
}

static void acts_on_host(struct sim *sim)
{
	uint32_t host = sim_pick(sim, sim->host_count);
	const struct sim_known *known = &sim->model.of[host];

	if (!known->known)
		return;
	if (known->presence == RW_RETIRED || known->excluded)
		enrol(sim, host);
	else if (sim_once_in(sim, 3))
		maintain(sim, host);
	else if (sim_once_in(sim, 4))
		exclude(sim, host);
	else
		retire(sim, host);
}

/* ---- time ---------------------------------------------------------------------------------- */

void sim_operators_step(struct sim *sim)
{
	uint32_t active = 0;

	if (sim->collector.core == NULL || sim->now_ms > sim->model.last_ms + 500 ||
	    sim->now_ms < sim->operator_ms)
		return;
	sim->operator_ms = sim->now_ms + sim_between(sim, 1000, 20000);
	for (uint32_t d = 0; d < sim->deployment_count && !sim->failed; d++) {
		if (sim->judge.state[d] == 0 && !sim->calm)
			create(sim, d);
		if (sim->judge.state[d] != RW_DEPLOYMENT_ACTIVE)
			continue;
		active++;
		goes_on(sim, d);
		if (sim_is_reported(d) && !sim->failed &&
		    sim->judge.state[d] == RW_DEPLOYMENT_ACTIVE)
			for (uint32_t i = 0; i < sim->host_count / 4; i++)
				rolls_out(sim, d);
		sim_oracle_input(sim);
	}
	if (!sim->calm && active < ACTIVE_MOST && sim->deployment_count < SIM_DEPLOYMENTS_MAX &&
	    sim->now_ms > sim->begin_ms + SIM_MINUTE_MS && sim_once_in(sim, active == 0 ? 3 : 60))
		create(sim, sim->deployment_count++);
	if (!sim->calm && !sim->failed && sim->scenario.operator_s != 0 &&
	    sim_once_in(sim, sim->scenario.operator_s / 10 + 1))
		acts_on_host(sim);
	for (uint32_t i = 0; i < sim->host_count / 20 && !sim->failed && !sim->calm; i++)
		retires_the_lost(sim);
	if (!sim->failed)
		sim_oracle_input(sim);
}
