/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's process: it takes what arrives, ticks its core each 250 ms, and is
 * killed, stalled, suspended, saturated, or out of disk.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

struct rw_now sim_now(const struct sim *sim)
{
	return (struct rw_now){sim->now_ms, UINT64_C(1700000000000) + sim->now_ms};
}

/* ---- life ----------------------------------------------------------------------- */

static void take_probe(void *context, rw_host_handle handle)
{
	sim_ingest_probe(context, handle);
}

static void start(struct sim *sim)
{
	const struct rw_core_sink sink = {sim, sim_disk_change, take_probe, NULL};
	struct sim_collector *collector = &sim->collector;

	collector->core = sim_disk_restore(sim, &sink);
	collector->stalled_ms = 0;
	collector->sick_ms = 0;
	collector->fails_ms = 0;
	collector->calm_ms = sim->now_ms;
	sim_model_restarted(sim);
	sim_disk_flush(sim);
}

void sim_collector_begin(struct sim *sim)
{
	sim->collector.entries = calloc(sim->host_count, sizeof(*sim->collector.entries));
	assert(sim->collector.entries != NULL);
	sim_disk_begin(sim);
	start(sim);
}

void sim_collector_end(struct sim *sim)
{
	rw_core_free(sim->collector.core);
	sim_disk_end(sim);
	free(sim->collector.entries);
}

void sim_collector_kill(struct sim *sim, uint64_t down_ms)
{
	struct sim_collector *collector = &sim->collector;
	/* What the store had refused, it may hold in part: only the core knew the rest. */
	bool damaged = collector->core->resync.needed;

	sim_say(sim, "the collector is killed for %llu ms", (unsigned long long)down_ms);
	rw_core_free(collector->core);
	collector->core = NULL;
	collector->up_ms = sim->now_ms + down_ms;
	collector->restarts++;
	sim->figures->restarts++;
	sim_ingest_forget(sim);
	sim_disk_lose(sim);
	sim_judge_lost(sim, damaged);
}

/* ---- faults ----------------------------------------------------------------------- */

static bool strikes(struct sim *sim, uint32_t mean_s)
{
	return mean_s != 0 && !sim->calm &&
	       sim_once_in(sim, (uint64_t)mean_s * SIM_SECOND_MS / SIM_STEP_MS);
}

static void set_sick(struct sim *sim, const char *reason)
{
	sim_model_set_sick(sim, reason != NULL);
	rw_core_set_sick(sim->collector.core, reason, sim_now(sim));
	sim_oracle_input(sim);
}

static void faults_end(struct sim *sim)
{
	struct sim_collector *collector = &sim->collector;

	if (collector->sick_ms != 0 && (sim->now_ms >= collector->sick_ms || sim->calm)) {
		collector->sick_ms = 0;
		collector->calm_ms = sim->now_ms;
		set_sick(sim, NULL);
	}
	if (collector->fails_ms != 0 && (sim->now_ms >= collector->fails_ms || sim->calm)) {
		collector->fails_ms = 0;
		sim_disk_set_fails(sim, false);
		rw_core_set_store_failed(collector->core, false);
	}
}

static void faults_begin(struct sim *sim)
{
	const struct sim_scenario *s = &sim->scenario;
	struct sim_collector *collector = &sim->collector;
	/* Once more, just when it is back. */
	bool again = s->kill_s != 0 && !sim->calm && collector->restarts > 0 &&
		     sim->now_ms < collector->up_ms + 40000 && sim_once_in(sim, 320);

	if (strikes(sim, s->kill_s) || again) {
		sim_collector_kill(sim, sim_once_in(sim, 4)
						? sim_between(sim, 20000, 5 * SIM_MINUTE_MS)
						: sim_between(sim, 250, 8000));
		return;
	}
	if (strikes(sim, s->stall_s)) {
		collector->stalled_ms =
			sim->now_ms + (sim_once_in(sim, 4)
					       ? sim_between(sim, 30000, 5 * SIM_MINUTE_MS)
					       : sim_between(sim, 300, 20000));
		collector->calm_ms = collector->stalled_ms;
		sim_say(sim, "the collector stalls for %llu ms",
			(unsigned long long)(collector->stalled_ms - sim->now_ms));
	}
	if (strikes(sim, s->sick_s) && collector->sick_ms == 0) {
		collector->sick_ms = sim->now_ms + sim_between(sim, 500, 40000);
		set_sick(sim, "saturated");
	}
	if (strikes(sim, s->store_s) && collector->fails_ms == 0) {
		collector->fails_ms = sim->now_ms + sim_between(sim, 500, 60000);
		sim_disk_set_fails(sim, sim_once_in(sim, 2));
		rw_core_set_store_failed(collector->core, true);
	}
}

/* ---- time -------------------------------------------------------------------------- */

static void tick(struct sim *sim)
{
	sim_model_tick(sim);
	rw_core_tick(sim->collector.core, sim_now(sim));
	sim_oracle_ticked(sim);
	sim_ingest_tick(sim);
}

static bool is_stalled(const struct sim *sim)
{
	return sim->now_ms < sim->collector.stalled_ms;
}

/* What waits for the process is taken when it runs again, in order. */
static void deliver(struct sim *sim, uint64_t until_ms)
{
	struct sim_message message;

	while (!sim->failed && sim_net_take(sim, until_ms, &message)) {
		if (message.at_ms > sim->now_ms)
			sim->now_ms = message.at_ms;
		if (message.kind >= SIM_WELCOME)
			sim_sensor_takes(sim, &message);
		else if (sim->collector.core != NULL)
			sim_ingest_take(sim, &message);
		else if (message.kind != SIM_GASP && message.kind != SIM_FIN)
			sim_to_sensor(sim, (struct sim_message){.kind = SIM_RESET,
								.host = message.host,
								.session = message.session});
	}
}

void sim_collector_step(struct sim *sim)
{
	struct sim_collector *collector = &sim->collector;
	uint64_t until_ms = sim->step_ms + SIM_STEP_MS;

	if (collector->core == NULL && sim->now_ms >= collector->up_ms)
		start(sim);
	if (is_stalled(sim) && collector->core != NULL)
		return;
	/* After a stall the timer may be due before what has arrived is read. */
	if (collector->core != NULL && sim_once_in(sim, 3))
		tick(sim);
	deliver(sim, until_ms);
	if (sim->failed)
		return;
	if (until_ms > sim->now_ms)
		sim->now_ms = until_ms;
	if (collector->core == NULL)
		return;
	/* A tick that comes late is none that is missed: two make a stall. */
	if (!sim_once_in(sim, 40))
		tick(sim);
	if (sim->failed)
		return;
	faults_end(sim);
	sim_disk_step(sim);
	faults_begin(sim);
}
