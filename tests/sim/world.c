/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: their kernels die and boot, their sensors connect, beat and send what they owe. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { BACKOFF_FIRST_MS = 250, SENSOR_START_MS = 3000, MINUTE_MS = 60000 };

/* ---- chance ------------------------------------------------------------------ */

/* xorshift64*, S. Vigna 2016. */
uint32_t sim_pick(struct sim *sim, uint32_t below)
{
	sim->random ^= sim->random >> 12;
	sim->random ^= sim->random << 25;
	sim->random ^= sim->random >> 27;
	return (uint32_t)((sim->random * UINT64_C(2685821657736338717)) >> 33) % below;
}

bool sim_once_in(struct sim *sim, uint32_t times)
{
	return sim_pick(sim, times) == 0;
}

/* ---- the kernel ------------------------------------------------------------------ */

static void boots(struct sim *sim, struct sim_host *host)
{
	host->life = SIM_UP;
	host->order += 1 + sim_pick(sim, 5);
	host->booted_ms = sim->now_ms;
	host->connect_ms = sim->now_ms + SENSOR_START_MS + sim_pick(sim, 2000);
	host->backoff_ms = BACKOFF_FIRST_MS;
	host->session = false;
}

static void owe(struct sim *sim, struct sim_host *host, uint32_t kind, uint32_t signature)
{
	if (host->owed_count == SIM_EVENTS_MAX)
		return;
	host->owed[host->owed_count++] = (struct sim_event){
		.sequence = host->next_sequence++,
		.kind = kind,
		.boot_order = host->order,
		.boot_ms = sim->now_ms - host->booted_ms,
		.truth_ms = sim->now_ms,
		.signature = signature,
	};
}

void sim_host_dies(struct sim *sim, struct sim_host *host, uint32_t kind, uint64_t down_ms)
{
	/* What the kernel said last is found by the next boot, if there is one. */
	if (kind != 0 && down_ms != 0)
		owe(sim, host, kind, 1 + sim_pick(sim, 1000));
	host->life = down_ms == 0 ? SIM_DEAD : SIM_DOWN;
	host->until_ms = sim->now_ms + down_ms;
	host->last_end = RW_END_UNEXPECTED;
	host->session = false;
	host->reachable_ms = UINT64_MAX;
	host->died_ms = sim->now_ms;
}

void sim_host_gets_driver(struct sim *sim, struct sim_host *host)
{
	if (!sim->bad_driver || !sim_once_in(sim, 20))
		return;
	host->driver_bad = true;
	host->driver_at_ms = sim->now_ms + sim_pick(sim, 20 * MINUTE_MS);
	host->loops_left = sim->loops ? 1 + sim_pick(sim, 4) : 0;
}

static void leaves(struct sim *sim, struct sim_host *host, enum rw_goodbye kind, uint64_t away_ms)
{
	struct sim_message bye = {
		.at_ms = sim->now_ms + host->latency_ms,
		.host = (uint32_t)(host - sim->hosts),
		.kind = SIM_GOODBYE,
		.goodbye = kind,
		.back_in_ms = away_ms + 60000,
		.session = sim->collector.sessions[host - sim->hosts],
	};

	if (host->session && host->link)
		sim_send(sim, &bye);
	host->life = kind == RW_BYE_POWER_OFF ? SIM_OFF : SIM_DOWN;
	host->until_ms = sim->now_ms + away_ms;
	host->last_end = RW_END_ORDERLY;
	host->session = false;
	host->reachable_ms = UINT64_MAX;
}

/* What befalls it by itself, looked at once a minute. */
static void fate(struct sim *sim, struct sim_host *host)
{
	if (sim->calm)
		return;
	if (sim->natural_hours > 0 && sim_once_in(sim, sim->natural_hours * 60))
		sim_host_dies(sim, host, sim_once_in(sim, 2) ? SIM_KIND_PANIC : 0,
			      sim_once_in(sim, 10) ? 0 : 20000 + sim_pick(sim, 2 * MINUTE_MS));
	else if (sim_once_in(sim, 6 * 60))
		leaves(sim, host, RW_BYE_REBOOT, 20000 + sim_pick(sim, MINUTE_MS));
	else if (sim_once_in(sim, 24 * 60))
		leaves(sim, host, RW_BYE_POWER_OFF,
		       10 * MINUTE_MS + sim_pick(sim, 120 * MINUTE_MS));
	else if (sim->cuts && sim_once_in(sim, 4 * 60))
		sim_cut(host, sim->now_ms + 500 + sim_pick(sim, 90000));
}

static void runs(struct sim *sim, struct sim_host *host)
{
	if (host->driver_bad && sim->now_ms >= host->driver_at_ms && !sim->calm) {
		bool survives = sim_once_in(sim, 4);

		host->driver_bad = host->loops_left > 0;
		host->driver_at_ms = sim->now_ms + 90000 + sim_pick(sim, 60000);
		host->loops_left -= host->loops_left > 0;
		if (survives)
			owe(sim, host, SIM_KIND_OOPS, 7);
		else
			sim_host_dies(sim, host, SIM_KIND_PANIC,
				      sim_once_in(sim, 8) ? 0 : 15000 + sim_pick(sim, 30000));
		return;
	}
	if (sim->now_ms % MINUTE_MS == (uint64_t)(host - sim->hosts) * 250 % MINUTE_MS)
		fate(sim, host);
}

/* ---- the sensor -------------------------------------------------------------------- */

void sim_cut(struct sim_host *host, uint64_t until_ms)
{
	host->link = false;
	host->reachable_ms = UINT64_MAX;
	if (until_ms > host->link_back_ms)
		host->link_back_ms = until_ms;
}

static void send(struct sim *sim, struct sim_host *host, struct sim_message message)
{
	message.at_ms = sim->now_ms + host->latency_ms;
	message.host = (uint32_t)(host - sim->hosts);
	message.session = sim->collector.sessions[message.host];
	sim_send(sim, &message);
}

static void connects(struct sim *sim, struct sim_host *host)
{
	uint32_t cap_ms = (uint32_t)(sim->collector.policy.timing.offline_after_ms / 3);
	uint32_t number = (uint32_t)(host - sim->hosts);

	if (!host->link || sim->collector.core == NULL) {
		host->backoff_ms = host->backoff_ms * 2 < cap_ms ? host->backoff_ms * 2 : cap_ms;
		host->connect_ms = sim->now_ms + host->backoff_ms / 2 +
				   sim_pick(sim, (uint32_t)host->backoff_ms / 2 + 1);
		return;
	}
	host->session = true;
	host->backoff_ms = BACKOFF_FIRST_MS;
	host->latency_ms = 5 + sim_pick(sim, SIM_LATENCY_MAX_MS);
	sim->collector.sessions[number] = ++sim->collector.connection;
	host->sent = host->acked;
	host->beat_ms = sim->now_ms + sim_pick(sim, 5000);
	send(sim, host,
	     (struct sim_message){.kind = SIM_HELLO,
				  .boot_order = host->order,
				  .boot_ms = sim->now_ms - host->booted_ms,
				  .end = host->last_end});
}

static void talks(struct sim *sim, struct sim_host *host)
{
	if (!sim_connection_lives(sim, host)) {
		host->session = false;
		host->connect_ms = sim->now_ms + sim_pick(sim, BACKOFF_FIRST_MS);
		return;
	}
	for (uint32_t i = 0; i < host->owed_count; i++) {
		if (host->owed[i].sequence < host->sent)
			continue;
		host->sent = host->owed[i].sequence + 1;
		send(sim, host, (struct sim_message){.kind = SIM_EVENT, .event = host->owed[i]});
	}
	if (sim->now_ms < host->beat_ms)
		return;
	host->beat_ms = sim->now_ms + 5000;
	send(sim, host,
	     (struct sim_message){.kind = SIM_BEAT, .boot_ms = sim->now_ms - host->booted_ms});
}

void sim_host_acked(struct sim_host *host, uint32_t sequence)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < host->owed_count; i++) {
		if (host->owed[i].sequence > sequence)
			host->owed[kept++] = host->owed[i];
	}
	host->owed_count = kept;
	if (sequence + 1 > host->acked)
		host->acked = sequence + 1;
}

/* ---- all hosts ----------------------------------------------------------------------- */

void sim_world_begin(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_host *host = &sim->hosts[i];

		snprintf(host->id, sizeof(host->id), "h%04u", i);
		host->ring = i % 10 == 0 ? 0 : i % 10 < 4 ? 1 : 2;
		host->link = true;
		host->order = 1000;
		host->next_sequence = 1;
		host->reachable_ms = UINT64_MAX;
		boots(sim, host);
		host->connect_ms = sim->now_ms + sim_pick(sim, 5000);
		host->last_end = RW_END_NONE;
	}
}

static void rack_loses_power(struct sim *sim)
{
	uint32_t first = sim_pick(sim, sim->host_count);
	uint64_t down_ms = 60000 + sim_pick(sim, 20 * MINUTE_MS);

	for (uint32_t i = 0; i < sim->host_count / 8; i++) {
		struct sim_host *host = &sim->hosts[(first + i * 7) % sim->host_count];

		if (host->life == SIM_UP)
			sim_host_dies(sim, host, 0, down_ms + sim_pick(sim, 20000));
	}
}

static void network_parts(struct sim *sim)
{
	bool all = sim_once_in(sim, 3);
	uint64_t until_ms = sim->now_ms + 5000 + sim_pick(sim, 3 * MINUTE_MS);
	uint32_t first = sim_pick(sim, sim->host_count);
	uint32_t count = all ? sim->host_count : 1 + sim_pick(sim, sim->host_count);

	for (uint32_t i = 0; i < count; i++)
		sim_cut(&sim->hosts[(first + i) % sim->host_count], until_ms);
}

static void step(struct sim *sim, struct sim_host *host)
{
	if (!host->link && sim->now_ms >= host->link_back_ms)
		host->link = true;
	if ((host->life == SIM_DOWN || host->life == SIM_OFF) && sim->now_ms >= host->until_ms) {
		bool dies = host->driver_bad && host->loops_left > 0 && !sim->calm;

		boots(sim, host);
		if (dies) { /* again, before its sensor spoke */
			host->driver_at_ms = sim->now_ms + sim_pick(sim, 30000);
		}
	}
	if (host->life != SIM_UP)
		return;
	runs(sim, host);
	if (host->life != SIM_UP)
		return;
	if (host->session)
		talks(sim, host);
	else if (sim->now_ms >= host->connect_ms)
		connects(sim, host);
	if (!host->link || !host->session || sim->collector.core == NULL)
		host->reachable_ms = UINT64_MAX;
	else if (host->reachable_ms == UINT64_MAX)
		host->reachable_ms = sim->now_ms;
}

void sim_world_step(struct sim *sim)
{
	if (!sim->calm && sim->racks && sim_once_in(sim, 4 * 3600 * 2))
		rack_loses_power(sim);
	if (!sim->calm && sim->cuts && sim_once_in(sim, 4 * 3600))
		network_parts(sim);
	for (uint32_t i = 0; i < sim->host_count; i++)
		step(sim, &sim->hosts[i]);
}
