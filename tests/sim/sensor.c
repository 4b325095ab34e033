/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's sensor, as sensor/uplink.c: connects, says Hello, beats, answers probes, and
 * sends what it owes until that is acknowledged. Its back-off is capped by a third of
 * offline_after; a peer that takes no bytes for 15 s, answers no Hello for 10 s or
 * acknowledges nothing for 30 s is given up.
 */
#include "tests/sim/sim.h"

enum {
	BACKOFF_FIRST_MS = 100,
	GREETING_MS = 10000,
	USER_TIMEOUT_MS = 15000,
	ACK_MS = 30000,
};

static uint64_t cap_ms(const struct sim *sim)
{
	return sim->collector.policy.timing.offline_after_ms / 3;
}

static void send(struct sim *sim, struct sim_host *host, struct sim_message message)
{
	message.host = host->number;
	message.boot = host->boot;
	message.session = host->session;
	message.boot_order = host->order;
	message.boot_ms = sim_boot_clock(sim, host);
	message.truth_booted_ms = host->booted_ms;
	message.spool = host->spool;
	sim_to_collector(sim, message);
}

/* ---- life ----------------------------------------------------------------------- */

static void retries(struct sim *sim, struct sim_host *host)
{
	host->sensor = SIM_IDLE;
	host->session = 0;
	host->next_ms = sim->now_ms + sim_between(sim, host->backoff_ms / 2, host->backoff_ms);
	host->backoff_ms = host->backoff_ms * 2 < cap_ms(sim) ? host->backoff_ms * 2 : cap_ms(sim);
}

void sim_sensor_starts(struct sim *sim, struct sim_host *host, uint64_t in_ms)
{
	host->sensor = SIM_KILLED;
	host->sensor_back_ms = sim->now_ms + in_ms;
	host->session = 0;
}

void sim_sensor_ends(struct sim *sim, struct sim_host *host, bool fin)
{
	if (fin && host->session != 0)
		send(sim, host, (struct sim_message){.kind = SIM_FIN});
	host->sensor = SIM_KILLED;
	host->sensor_back_ms = UINT64_MAX;
	host->session = 0;
}

void sim_sensor_says_goodbye(struct sim *sim, struct sim_host *host, enum rw_goodbye kind,
			     uint64_t back_in_ms)
{
	if (host->sensor == SIM_LIVE)
		send(sim, host,
		     (struct sim_message){
			     .kind = SIM_GOODBYE, .goodbye = kind, .back_in_ms = back_in_ms});
	sim_sensor_ends(sim, host, true);
}

/* ---- the session ------------------------------------------------------------------- */

static void connects(struct sim *sim, struct sim_host *host)
{
	bool refused = sim->collector.core == NULL;

	if (sim->now_ms < host->cut_ms || refused) {
		retries(sim, host);
		if (!refused) /* nobody answers at all */
			host->next_ms += sim_between(sim, 1000, GREETING_MS);
		return;
	}
	host->session = ++sim->session_number;
	host->sensor = SIM_GREETING;
	host->next_ms = sim->now_ms + GREETING_MS;
	send(sim, host,
	     (struct sim_message){
		     .kind = SIM_HELLO, .ring = host->ring, .end = host->previous_end});
}

static void sends_owed(struct sim *sim, struct sim_host *host)
{
	if (sim->now_ms < host->hold_ms)
		return;
	for (uint32_t i = 0; i < host->owed_count; i++) {
		if (host->owed[i].sequence <= host->sent)
			continue;
		if (host->unanswered_ms == UINT64_MAX)
			host->unanswered_ms = sim->now_ms;
		host->sent = host->owed[i].sequence;
		send(sim, host, (struct sim_message){.kind = SIM_EVENT, .event = host->owed[i]});
	}
}

/* What it runs, in each session once, and when it changes. */
static void says_version(struct sim *sim, struct sim_host *host)
{
	if (host->version == host->version_said)
		return;
	host->version_said = host->version;
	send(sim, host, (struct sim_message){.kind = SIM_VERSION, .version = host->version});
}

static void talks(struct sim *sim, struct sim_host *host)
{
	bool unanswered =
		host->unanswered_ms != UINT64_MAX && sim->now_ms > host->unanswered_ms + ACK_MS;

	if (host->cut_ms <= sim->now_ms)
		host->next_ms = sim->now_ms; /* when its bytes passed, last */
	if (sim->now_ms > host->next_ms + USER_TIMEOUT_MS || unanswered) {
		send(sim, host, (struct sim_message){.kind = SIM_FIN});
		retries(sim, host);
		return;
	}
	sends_owed(sim, host);
	says_version(sim, host);
	if (sim->now_ms < host->beat_ms)
		return;
	host->beat_ms += sim->collector.policy.timing.heartbeat_every_ms;
	if (host->beat_ms < sim->now_ms) /* it was frozen */
		host->beat_ms = sim->now_ms + sim->collector.policy.timing.heartbeat_every_ms;
	send(sim, host, (struct sim_message){.kind = SIM_BEAT});
}

void sim_sensor_step(struct sim *sim, struct sim_host *host)
{
	switch (host->sensor) {
	case SIM_KILLED:
		if (sim->now_ms < host->sensor_back_ms)
			return;
		host->sensor = SIM_IDLE;
		host->next_ms = sim->now_ms;
		host->backoff_ms = BACKOFF_FIRST_MS;
		return;
	case SIM_IDLE:
		if (sim->now_ms >= host->next_ms)
			connects(sim, host);
		return;
	case SIM_GREETING:
		if (sim->now_ms >= host->next_ms) {
			send(sim, host, (struct sim_message){.kind = SIM_FIN});
			retries(sim, host);
		}
		return;
	case SIM_LIVE:
		talks(sim, host);
		return;
	}
}

/* ---- what the collector says ---------------------------------------------------------- */

static void acknowledged(struct sim *sim, struct sim_host *host, const struct sim_message *message)
{
	uint32_t kept = 0;

	if (message->spool != host->spool)
		return;
	sim_oracle_acked(sim, host->number, message->spool, message->sequence);
	for (uint32_t i = 0; i < host->owed_count; i++) {
		if (host->owed[i].sequence > message->sequence)
			host->owed[kept++] = host->owed[i];
	}
	host->owed_count = kept;
	host->unanswered_ms = UINT64_MAX;
	for (uint32_t i = 0; i < kept; i++) {
		if (host->owed[i].sequence <= host->sent)
			host->unanswered_ms = sim->now_ms;
	}
}

void sim_sensor_takes(struct sim *sim, const struct sim_message *message)
{
	struct sim_host *host = &sim->hosts[message->host];

	if (host->power != SIM_RUNNING || host->session == 0 || host->session != message->session)
		return;
	switch (message->kind) {
	case SIM_WELCOME:
		host->sensor = SIM_LIVE;
		host->backoff_ms = BACKOFF_FIRST_MS;
		host->beat_ms = sim->now_ms + sim_between(sim, 0, 5000);
		host->next_ms = sim->now_ms;
		host->hold_ms = 0;
		host->sent = 0;
		host->version_said = 0;
		acknowledged(sim, host, message);
		host->unanswered_ms = UINT64_MAX;
		return;
	case SIM_ACK:
		acknowledged(sim, host, message);
		return;
	case SIM_PROBE:
		send(sim, host, (struct sim_message){.kind = SIM_PROBE_REPLY});
		return;
	case SIM_THROTTLE:
		host->hold_ms = sim->now_ms + 1000;
		host->sent = 0; /* all that is owed comes again */
		host->unanswered_ms = UINT64_MAX;
		return;
	case SIM_RESET:
		retries(sim, host);
		if (message->retry_ms > 0)
			host->next_ms = sim->now_ms + message->retry_ms + sim_pick(sim, 100);
		return;
	default:
		return;
	}
}
