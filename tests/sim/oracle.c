/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be so, looked at after each input and each tick: the core against the model
 * and the judge, who count naively what was delivered, and against the truth of hosts and
 * network.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

enum {
	RECONNECT_MS = 75000, /* a live and linked host is heard again after any trouble */
	LATE_MS = 8500, /* its bytes may be on their way, or its Hello wait for an older session */
	TICKS_MS = 2 * SIM_STEP_MS,
	SAVE_MS = 5250 + TICKS_MS,
};

void sim_fail(struct sim *sim, enum sim_family family, const char *fmt, ...)
{
	va_list arguments;

	if (sim->failed)
		return;
	sim->failed = true;
	sim->failed_family = family;
	va_start(arguments, fmt);
	if (vsnprintf(sim->fault, sizeof(sim->fault), fmt, arguments) < 0)
		sim->fault[0] = '\0';
	va_end(arguments);
}

struct rw_run *sim_core_run(const struct sim *sim, uint32_t deployment, uint32_t ring)
{
	const struct rw_core *core = sim->collector.core;
	int index = rw_core_deployment_find(core, sim_deployment_name(deployment));

	return index < 0 ? NULL : rw_run_find(core->deployments[index], core, sim_ring_name(ring));
}

/* ---- the breaker --------------------------------------------------------------------- */

/* The first rule whose limit is crossed by what the judge counted. */
static enum rw_rule crossed(const struct sim *sim, uint32_t ring, const struct sim_counts *counts,
			    bool hidden)
{
	const struct rw_ring_policy *policy = &sim->collector.policy.rings[ring];
	const uint64_t failed[][2] = {
		{RW_RULE_CRASHED, counts->crashed},
		{RW_RULE_OFFLINE, hidden ? 0 : counts->offline},
		{RW_RULE_FAILED, hidden ? counts->crashed : counts->failed},
	};

	for (size_t i = 0; i < 3 && !policy->open_on_evidence; i++) {
		const struct rw_limit *limit = &policy->limits[failed[i][0]];

		if (limit->judged && failed[i][1] >= policy->least_hosts &&
		    failed[i][1] * RW_PPM > limit->ppm * counts->at_risk)
			return (enum rw_rule)failed[i][0];
	}
	return RW_RULE_NONE;
}

static void keep_delay(struct sim *sim, uint64_t ms)
{
	struct sim_figures *figures = sim->figures;

	if (figures->delay_count == figures->delay_room) {
		figures->delay_room = figures->delay_room == 0 ? 256 : figures->delay_room * 2;
		figures->delays = realloc(figures->delays, figures->delay_room * sizeof(uint32_t));
		if (figures->delays == NULL)
			abort();
	}
	figures->delays[figures->delay_count++] = (uint32_t)ms;
}

/* What a trip rests on, in truth. */
static void keep_trip(struct sim *sim, uint32_t deployment, uint32_t ring)
{
	uint64_t first_ms = UINT64_MAX;
	bool silent = false, early = false;

	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_exposed *e = &sim->judge.of[deployment][i];
		uint64_t struck_ms = sim->judge.struck_ms[deployment][i];

		if (!e->exposed || e->ring != ring)
			continue;
		if (struck_ms != 0 && struck_ms < first_ms)
			first_ms = struck_ms;
		silent = silent || sim->model.of[i].presence == RW_OFFLINE || e->left_offline;
		/* It had died before, and nobody could know that yet. */
		early = early ||
			(e->crashed && sim->hosts[i].struck_ms < e->base_ms + TICKS_MS &&
			 sim->hosts[i].struck_ms +
					 2 * sim->collector.policy.timing.offline_after_ms >
				 e->base_ms);
	}
	sim_say(sim, "the breaker of %s %s opens", sim_deployment_name(deployment),
		sim_ring_name(ring));
	if (first_ms != UINT64_MAX) {
		sim->figures->trips++;
		keep_delay(sim, sim->now_ms - first_ms);
	} else if (silent) {
		sim->figures->silent_trips++;
	} else if (early) {
		sim->figures->early_trips++;
	} else {
		sim->figures->false_trips++;
		sim_say(sim, "and none of its hosts has failed");
	}
}

static void opened(struct sim *sim, uint32_t deployment, uint32_t ring, const struct rw_run *run)
{
	struct sim_run *mine = &sim->judge.runs[deployment][ring];
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	bool hidden = sim_model_hidden(sim);
	enum rw_rule rule = crossed(sim, ring, counts, hidden);

	sim_judge_touch(sim, mine, sizeof(*mine));
	mine->open = true;
	keep_trip(sim, deployment, ring);
	if (run->grade == RW_GRADE_LIMIT && rule == RW_RULE_NONE)
		sim_fail(sim, SIM_OK_BREAKER,
			 "%s %s opened by rule %s with k=%llu (offline %llu, crashed %llu) of "
			 "n=%llu, %s: no limit is crossed",
			 sim_deployment_name(deployment), sim_ring_name(ring),
			 rw_rule_name(run->rule), (unsigned long long)counts->failed,
			 (unsigned long long)counts->offline, (unsigned long long)counts->crashed,
			 (unsigned long long)counts->at_risk, hidden ? "hidden" : "seen");
	if (run->grade == RW_GRADE_EVIDENCE && counts->failed == 0)
		sim_fail(sim, SIM_OK_BREAKER, "%s %s opened on evidence of nothing",
			 sim_deployment_name(deployment), sim_ring_name(ring));
}

static void check_counts_of(struct sim *sim, uint32_t deployment, uint32_t ring,
			    const struct rw_run *run)
{
	const struct sim_counts *mine = &sim->judge.counts[deployment][ring];
	const uint64_t *by = run->counts.all.by;

	if (run->counts.exposed == mine->exposed && run->counts.all.at_risk == mine->at_risk &&
	    by[RW_RULE_OFFLINE] == mine->offline && by[RW_RULE_CRASHED] == mine->crashed &&
	    by[RW_RULE_FAILED] == mine->failed && run->counts.retired == mine->retired)
		return;
	sim_fail(sim, SIM_OK_BREAKER,
		 "%s %s: the core counts exposed %llu, n %llu, offline %llu, crashed %llu, failed "
		 "%llu, retired %llu; counted anew they are %llu, %llu, %llu, %llu, %llu, %llu",
		 sim_deployment_name(deployment), sim_ring_name(ring),
		 (unsigned long long)run->counts.exposed,
		 (unsigned long long)run->counts.all.at_risk,
		 (unsigned long long)by[RW_RULE_OFFLINE], (unsigned long long)by[RW_RULE_CRASHED],
		 (unsigned long long)by[RW_RULE_FAILED], (unsigned long long)run->counts.retired,
		 (unsigned long long)mine->exposed, (unsigned long long)mine->at_risk,
		 (unsigned long long)mine->offline, (unsigned long long)mine->crashed,
		 (unsigned long long)mine->failed, (unsigned long long)mine->retired);
}

static void check_run(struct sim *sim, uint32_t deployment, uint32_t ring, const struct rw_run *run,
		      bool at_tick)
{
	const struct sim_run *mine = &sim->judge.runs[deployment][ring];
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	bool active = sim->judge.state[deployment] == RW_DEPLOYMENT_ACTIVE;

	sim->figures->checks[SIM_OK_BREAKER]++;
	if (run->step != mine->step || run->deployment->row.state != sim->judge.state[deployment]) {
		sim_fail(sim, SIM_OK_BREAKER,
			 "%s %s is not in the state and step that it was put in",
			 sim_deployment_name(deployment), sim_ring_name(ring));
		return;
	}
	if (active) {
		check_counts_of(sim, deployment, ring, run);
		sim_evidence_check(sim, deployment, ring, run);
	}
	if (run->breaker_open && !mine->open) {
		opened(sim, deployment, ring, run);
		return;
	}
	if (!run->breaker_open && mine->open)
		sim_fail(sim, SIM_OK_BREAKER,
			 "the open breaker of %s %s is closed, and nobody reset it",
			 sim_deployment_name(deployment), sim_ring_name(ring));
	/* What was hidden at the last tick is judged at the next. */
	if (run->breaker_open || !active || run->step == 0 || counts->failed == 0 ||
	    (!at_tick && sim->model.was_hidden))
		return;
	enum rw_rule rule = crossed(sim, ring, counts, sim_model_hidden(sim));
	if (rule != RW_RULE_NONE)
		sim_fail(sim, SIM_OK_BREAKER,
			 "%s %s: rule %s is crossed with k=%llu of n=%llu, and the breaker is "
			 "closed",
			 sim_deployment_name(deployment), sim_ring_name(ring), rw_rule_name(rule),
			 (unsigned long long)counts->failed, (unsigned long long)counts->at_risk);
}

static void check_runs(struct sim *sim, bool at_tick, bool ended_too)
{
	struct rw_core *core = sim->collector.core;

	sim_judge_settle(sim);
	for (uint32_t d = 0; d < sim->deployment_count; d++) {
		bool active = sim->judge.state[d] == RW_DEPLOYMENT_ACTIVE;
		int index = -1;

		if (active || (ended_too && sim->judge.state[d] != 0))
			index = rw_core_deployment_find(core, sim_deployment_name(d));
		for (uint32_t r = 0; r < SIM_RINGS && index >= 0; r++)
			check_run(sim, d, r, &core->deployments[index]->runs[r], at_tick);
		if (active && index < 0)
			sim_fail(sim, SIM_OK_BREAKER, "%s is not known", sim_deployment_name(d));
	}
	sim_judge_settle(sim);
}

void sim_oracle_input(struct sim *sim)
{
	if (!sim->failed)
		check_runs(sim, false, false);
}

/* ---- presence ------------------------------------------------------------------------ */

static void check_presence_of(struct sim *sim, uint32_t number)
{
	const struct sim_known *known = &sim->model.of[number];
	const struct rw_host *host =
		rw_table_at(&sim->collector.core->table, sim_model_handle(sim, number));

	if (host != NULL && host->presence == known->presence && host->lost == known->lost &&
	    host->gasping == known->gasping && host->excluded == known->excluded &&
	    host->ring == known->ring)
		return;
	sim_fail(sim, SIM_OK_PRESENCE,
		 "%s is %s%s%s to the core; by what was heard it is %s%s%s (last heard or due at "
		 "%llu, observed until %llu)",
		 sim->hosts[number].id,
		 host == NULL ? "nothing" : rw_presence_name((enum rw_presence)host->presence),
		 host != NULL && host->lost ? ", lost" : "",
		 host != NULL && host->gasping ? ", gasping" : "",
		 rw_presence_name(known->presence), known->lost ? ", lost" : "",
		 known->gasping ? ", gasping" : "", (unsigned long long)known->mark_obs_ms,
		 (unsigned long long)sim->model.obs_ms);
}

static void check_observer(struct sim *sim)
{
	const struct rw_core *core = sim->collector.core;
	const char *blind = rw_core_blind_reason(core, sim_now(sim));

	if ((blind != NULL) != sim_model_blind(sim))
		sim_fail(sim, SIM_OK_PRESENCE, "the core is %s, and should %sbe blind",
			 blind == NULL ? "not blind" : blind, blind == NULL ? "" : "not ");
	if (core->silence.blackout != sim->model.blackout)
		sim_fail(sim, SIM_OK_PRESENCE, "the core is %sin a blackout, and should %sbe",
			 core->silence.blackout ? "" : "not ",
			 core->silence.blackout ? "not " : "");
	if (core->obs_ms - core->listen_obs_ms != sim->model.obs_ms - sim->model.listen_obs_ms)
		sim_fail(sim, SIM_OK_PRESENCE, "the observing clock is %llu ms, and should be %llu",
			 (unsigned long long)(core->obs_ms - core->listen_obs_ms),
			 (unsigned long long)(sim->model.obs_ms - sim->model.listen_obs_ms));
}

/* ---- the truth -------------------------------------------------------------------------- */

static uint64_t latest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Who died is let go in time, whatever happened to the collector meanwhile. */
static void check_dead(struct sim *sim, const struct sim_host *host, const struct sim_known *known)
{
	const struct sim_model *model = &sim->model;
	uint64_t from_ms = latest(host->gone_obs_ms, model->listen_obs_ms);
	uint64_t due_ms;

	if (!host->gone || (known->presence != RW_ONLINE && known->presence != RW_SUSPECT &&
			    known->presence != RW_UNKNOWN))
		return;
	if (known->presence == RW_UNKNOWN)
		from_ms = latest(from_ms, known->mark_obs_ms);
	due_ms = from_ms + sim->collector.policy.timing.offline_after_ms + LATE_MS + TICKS_MS;
	if (model->obs_ms > latest(due_ms, model->extended_obs_ms + TICKS_MS))
		sim_fail(sim, SIM_OK_TRUTH, "%s died %llu ms of observing ago and is still %s",
			 host->id, (unsigned long long)(model->obs_ms - host->gone_obs_ms),
			 rw_presence_name(known->presence));
}

/* Who lives and can be heard is online. */
static void check_alive(struct sim *sim, const struct sim_host *host, const struct sim_known *known)
{
	uint64_t since_ms = latest(host->good_ms, sim->collector.calm_ms);

	if (host->good_ms == UINT64_MAX || known->presence == RW_RETIRED ||
	    sim->now_ms < latest(since_ms, known->acted_ms) + RECONNECT_MS)
		return;
	if (!known->known || known->presence != RW_ONLINE)
		sim_fail(sim, SIM_OK_TRUTH, "%s is alive and linked since %llu ms, and is %s",
			 host->id, (unsigned long long)(sim->now_ms - since_ms),
			 known->known ? rw_presence_name(known->presence) : "not known");
}

static void check_rings(struct sim *sim)
{
	uint64_t presence[SIM_RINGS][RW_PRESENCE_COUNT] = {0}, enrolled[SIM_RINGS] = {0};

	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_known *known = &sim->model.of[i];

		if (!known->known)
			continue;
		presence[known->ring][known->presence]++;
		enrolled[known->ring] += known->presence != RW_RETIRED;
	}
	for (uint32_t r = 0; r < SIM_RINGS; r++) {
		struct rw_ring_view view;

		rw_core_ring_at(sim->collector.core, r, &view);
		if (view.enrolled != enrolled[r] ||
		    memcmp(view.presence, presence[r], sizeof(view.presence)) != 0)
			sim_fail(sim, SIM_OK_COUNTS, "ring %s is not the sum of its hosts",
				 sim_ring_name(r));
	}
}

/* ---- time ----------------------------------------------------------------------------------- */

void sim_oracle_ticked(struct sim *sim)
{
	if (sim->failed)
		return;
	check_observer(sim);
	for (uint32_t i = 0; i < sim->host_count && !sim->failed; i++) {
		if (sim->model.of[i].known)
			check_presence_of(sim, i);
	}
	sim->figures->checks[SIM_OK_PRESENCE] += sim->host_count;
	if (!sim->failed)
		check_runs(sim, true, false);
	if (!sim->failed)
		sim_verdicts_ticked(sim);
}

void sim_oracle_second(struct sim *sim)
{
	const char *fault;

	if (sim->collector.core == NULL || sim->now_ms < sim->collector.stalled_ms)
		return;
	for (uint32_t i = 0; i < sim->host_count && !sim->failed; i++) {
		if (sim->model.of[i].known)
			check_dead(sim, &sim->hosts[i], &sim->model.of[i]);
		check_alive(sim, &sim->hosts[i], &sim->model.of[i]);
	}
	sim->figures->checks[SIM_OK_TRUTH] += sim->host_count;
	check_runs(sim, false, true);
	check_rings(sim);
	sim->figures->checks[SIM_OK_COUNTS]++;
	if (sim_once_in(sim, 10) && (fault = rw_core_check(sim->collector.core)) != NULL)
		sim_fail(sim, SIM_OK_COUNTS, "%s", fault);
	if (!sim->failed)
		sim_verdicts_second(sim);
}

void sim_oracle_acked(struct sim *sim, uint32_t host, uint32_t spool, uint64_t sequence)
{
	sim->figures->checks[SIM_OK_DISK]++;
	for (int i = 0; i < SIM_SPOOLS; i++) {
		const struct sim_mark *mark = &sim->collector.entries[host].marks[i];

		if (mark->spool == spool && mark->received > 0 && mark->durable < sequence)
			sim_fail(sim, SIM_OK_DISK, "%s has an ack for %llu, and the disk has %llu",
				 sim->hosts[host].id, (unsigned long long)sequence,
				 (unsigned long long)mark->durable);
	}
}

void sim_oracle_converged(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count && !sim->failed; i++) {
		const struct sim_host *host = &sim->hosts[i];
		const struct sim_known *known = &sim->model.of[i];

		sim->figures->checks[SIM_OK_CONVERGENCE]++;
		if (!known->known || known->presence == RW_RETIRED)
			continue;
		if (host->good_ms != UINT64_MAX &&
		    sim->now_ms > latest(host->good_ms, known->acted_ms) + RECONNECT_MS &&
		    known->presence != RW_ONLINE)
			sim_fail(sim, SIM_OK_CONVERGENCE, "%s lives, and ends as %s", host->id,
				 rw_presence_name(known->presence));
		if (host->power == SIM_DEAD &&
		    (known->presence == RW_ONLINE || known->presence == RW_SUSPECT ||
		     known->presence == RW_UNKNOWN))
			sim_fail(sim, SIM_OK_CONVERGENCE, "%s is dead, and ends as %s", host->id,
				 rw_presence_name(known->presence));
	}
}
