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

/* ---- inputs --------------------------------------------------------------------------- */

void sim_oracle_input(struct sim *sim)
{
	if (!sim->failed)
		sim_breakers_check(sim, false, false);
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
		sim_breakers_check(sim, true, false);
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
	sim_breakers_check(sim, false, true);
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
