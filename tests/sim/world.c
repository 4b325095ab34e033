/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts: their kernels crash, boot, loop, sleep, are switched off, move and flap. What
 * happens here is the truth that the oracle holds the core against.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

uint64_t sim_boot_clock(const struct sim *sim, const struct sim_host *host)
{
	uint64_t ms = sim->now_ms - host->booted_ms;

	return ms + (uint64_t)((int64_t)ms * host->drift_ppm / 1000000);
}

bool sim_host_runs(const struct sim *sim, const struct sim_host *host)
{
	return host->power == SIM_RUNNING && sim->now_ms >= host->frozen_ms;
}

void sim_host_owes(struct sim *sim, struct sim_host *host, uint32_t kind, uint32_t signature)
{
	if (host->owed_count == SIM_OWED_MAX)
		return;
	host->owed[host->owed_count++] = (struct sim_event){
		.kind = kind,
		.signature = signature,
		.sequence = host->next_sequence++,
		.boot_order = host->order,
		.boot_ms = sim_boot_clock(sim, host),
		.truth_ms = sim->now_ms,
	};
}

/* ---- boots and ends ---------------------------------------------------------------- */

static void boots(struct sim *sim, struct sim_host *host)
{
	host->power = SIM_RUNNING;
	host->boot++;
	host->order += sim_between(sim, 1, 5);
	host->booted_ms = sim->now_ms;
	host->frozen_ms = 0;
	host->gone = false;
	/* The sensor's disk is gone now and then, and with it what it owed. */
	if (host->boot > 1 && !sim->calm && sim_once_in(sim, 200)) {
		host->previous_end = RW_END_NONE;
		host->owed_count = 0;
		host->spool++;
		host->next_sequence = 1;
	}
	sim_sensor_starts(sim, host, sim_between(sim, 1000, 8000));
}

/* Its kernel dies. It boots again after `down_ms`, or, with 0, never. */
static void crashes(struct sim *sim, struct sim_host *host, uint32_t kind, uint32_t signature,
		    uint64_t down_ms)
{
	bool watched = host->sensor != SIM_KILLED;

	if (kind != 0) /* pstore tells it to the next boot */
		sim_host_owes(sim, host, kind, signature);
	if (watched && sim_once_in(sim, 2))
		sim_host_owes(sim, host, SIM_KIND_REBOOT, 0);
	if (kind != 0 && host->sensor == SIM_LIVE && sim_once_in(sim, 2))
		sim_to_collector(sim, (struct sim_message){.kind = SIM_GASP, .host = host->number});
	sim_sensor_ends(sim, host, false);
	host->previous_end = watched || kind != 0 ? RW_END_UNEXPECTED : RW_END_UNKNOWN;
	host->power = down_ms == 0 ? SIM_DEAD : SIM_CRASHED;
	/* Some of those that died for good are replaced, in the same name. */
	host->until_ms = sim->now_ms + (down_ms != 0          ? down_ms
					: sim_once_in(sim, 2) ? sim_between(sim, 600000, 5400000)
							      : UINT64_MAX / 2);
	host->gone = true;
	host->gone_obs_ms = sim->model.obs_ms;
	sim_judge_struck(sim, host->number);
	sim_say(sim, "%s dies for %llu ms", host->id, (unsigned long long)down_ms);
}

static uint64_t down_time(struct sim *sim)
{
	if (sim_once_in(sim, 6))
		return 0;
	return sim_once_in(sim, 3) ? sim_between(sim, 2000, 15000)
				   : sim_between(sim, 15000, 150000);
}

/* In good order: with a goodbye, or its session only ends. */
static void leaves(struct sim *sim, struct sim_host *host)
{
	bool off = sim_once_in(sim, 4);
	uint64_t away_ms = off ? sim_between(sim, 5 * SIM_MINUTE_MS, 180 * SIM_MINUTE_MS)
			       : sim_between(sim, 5000, sim_once_in(sim, 2) ? 20000 : 180000);
	/* Some are not back when they said. */
	uint64_t back_in_ms = sim_once_in(sim, 5) ? away_ms / 2 : away_ms + 60000;

	host->previous_end = host->sensor == SIM_KILLED ? RW_END_UNKNOWN : RW_END_ORDERLY;
	if (sim_once_in(sim, 6))
		sim_sensor_ends(sim, host, true);
	else
		sim_sensor_says_goodbye(sim, host, off ? RW_BYE_POWER_OFF : RW_BYE_REBOOT,
					back_in_ms);
	host->power = off ? SIM_OFF : SIM_CRASHED;
	host->until_ms = sim->now_ms + away_ms;
}

/* ---- the bad driver ------------------------------------------------------------------- */

void sim_host_upgraded(struct sim *sim, uint32_t number, uint32_t deployment)
{
	struct sim_host *host = &sim->hosts[number];

	/* Every third deployment is bad, if any is. */
	if (deployment % 3 != 0 || sim_pick(sim, 100) >= sim->scenario.driver_of_100)
		return;
	host->driver_deployment = deployment;
	host->driver_at_ms = sim->now_ms + sim_between(sim, 1000, 15 * SIM_MINUTE_MS);
	host->loops_left = sim->scenario.loops != 0 ? sim_pick(sim, 6) : 0;
}

static void driver_strikes(struct sim *sim, struct sim_host *host)
{
	uint32_t signature = SIM_DRIVER_SIGNATURE + host->driver_deployment;

	host->driver_at_ms = 0;
	if (host->loops_left > 0) {
		host->loops_left--;
		host->driver_at_ms = sim->now_ms + sim_between(sim, 40000, 5 * SIM_MINUTE_MS);
	}
	if (sim_once_in(sim, 4)) {
		sim_host_owes(sim, host, SIM_KIND_OOPS, signature);
		sim_judge_struck(sim, host->number);
		return;
	}
	crashes(sim, host, sim_once_in(sim, 5) ? 0 : SIM_KIND_PANIC, signature, down_time(sim));
}

/* ---- fate -------------------------------------------------------------------------------- */

/* One of those that run, or NULL, about each `mean_s` for each host. */
static struct sim_host *struck(struct sim *sim, uint32_t mean_s)
{
	uint64_t steps = (uint64_t)mean_s * SIM_SECOND_MS / SIM_STEP_MS / sim->host_count;

	if (mean_s == 0 || sim->calm || !sim_once_in(sim, steps > 0 ? steps : 1))
		return NULL;

	struct sim_host *host = &sim->hosts[sim_pick(sim, sim->host_count)];

	return sim_host_runs(sim, host) ? host : NULL;
}

static void rack_loses_power(struct sim *sim)
{
	uint32_t first = sim_pick(sim, sim->host_count);
	uint32_t count = 1 + sim_pick(sim, sim->host_count / 4);
	uint64_t down_ms = sim_once_in(sim, 5) ? 0 : sim_between(sim, 20000, 20 * SIM_MINUTE_MS);

	for (uint32_t i = 0; i < count; i++) {
		struct sim_host *host = &sim->hosts[(first + i) % sim->host_count];

		if (host->power == SIM_RUNNING)
			crashes(sim, host, 0, 0,
				down_ms == 0 ? 0 : down_ms + sim_between(sim, 0, 30000));
	}
}

static void single_fates(struct sim *sim)
{
	const struct sim_scenario *s = &sim->scenario;
	struct sim_host *host;

	if ((host = struck(sim, s->host_crash_s)) != NULL) {
		if (sim_once_in(sim, 4)) { /* it survives */
			sim_host_owes(sim, host, SIM_KIND_OOPS, sim_pick(sim, 40));
			sim_judge_struck(sim, host->number);
		} else {
			crashes(sim, host, sim_once_in(sim, 2) ? SIM_KIND_PANIC : 0,
				sim_pick(sim, 40), down_time(sim));
		}
	}
	if ((host = struck(sim, s->host_leaves_s)) != NULL)
		leaves(sim, host);
	if ((host = struck(sim, s->host_cut_s)) != NULL) {
		sim_cut(sim, host->number, sim->now_ms + sim_between(sim, 500, 120000));
		host->flaps = sim_once_in(sim, 4);
	}
	if ((host = struck(sim, s->host_sleep_s)) != NULL)
		host->frozen_ms = sim->now_ms + sim_between(sim, 1000, 8 * SIM_MINUTE_MS);
	if ((host = struck(sim, s->host_move_s)) != NULL) {
		host->ring = sim_pick(sim, SIM_RINGS);
		sim_sensor_ends(sim, host, true);
		sim_sensor_starts(sim, host, sim_between(sim, 500, 3000));
	}
	if ((host = struck(sim, s->sensor_killed_s)) != NULL) {
		sim_sensor_ends(sim, host, true);
		if (sim_once_in(sim, 3)) /* it reboots, and nobody watches */
			leaves(sim, host);
		else
			sim_sensor_starts(sim, host, sim_between(sim, 500, 20 * SIM_MINUTE_MS));
	}
}

/* ---- time -------------------------------------------------------------------------------------
 */

static void flap(struct sim *sim, struct sim_host *host)
{
	if (sim->now_ms < host->cut_ms || !sim_once_in(sim, 40))
		return;
	sim_cut(sim, host->number, sim->now_ms + sim_between(sim, 300, 25000));
	host->flaps = !sim_once_in(sim, 20) && !sim->calm;
}

static void step(struct sim *sim, struct sim_host *host)
{
	bool waits =
		host->power == SIM_UNBORN || host->power == SIM_CRASHED || host->power == SIM_OFF;

	if (waits && sim->now_ms >= host->until_ms)
		boots(sim, host);
	if (sim_host_runs(sim, host) && host->driver_at_ms != 0 &&
	    sim->now_ms >= host->driver_at_ms && !sim->calm)
		driver_strikes(sim, host);
	if (host->flaps)
		flap(sim, host);
	if (sim_host_runs(sim, host))
		sim_sensor_step(sim, host);

	bool good = sim_host_runs(sim, host) && host->sensor != SIM_KILLED &&
		    sim->now_ms >= host->cut_ms;

	if (!good)
		host->good_ms = UINT64_MAX;
	else if (host->good_ms == UINT64_MAX)
		host->good_ms = sim->now_ms;
}

void sim_world_step(struct sim *sim)
{
	single_fates(sim);
	if (!sim->calm && sim->scenario.rack_s != 0 &&
	    sim_once_in(sim, sim->scenario.rack_s * (SIM_SECOND_MS / SIM_STEP_MS)))
		rack_loses_power(sim);
	sim_net_faults(sim);
	for (uint32_t i = 0; i < sim->host_count; i++)
		step(sim, &sim->hosts[i]);
}

void sim_world_begin(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_host *host = &sim->hosts[i];

		snprintf(host->id, sizeof(host->id), "h%04u", i);
		host->number = i;
		host->ring = i % 10 == 0 ? 0 : i % 10 < 4 ? 1 : 2;
		host->drift_ppm = (int32_t)sim_pick(sim, 101) - 50;
		host->previous_end = RW_END_NONE;
		host->order = sim_between(sim, 1000, 2000);
		host->next_sequence = 1;
		host->good_ms = UINT64_MAX;
		host->until_ms = sim->now_ms;
		if (sim_once_in(sim, 12)) /* enrols later */
			host->until_ms += sim_between(sim, 0, (sim->calm_ms - sim->begin_ms) / 2);
	}
}
