/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's end of the sessions: the rules of collector/ingest/protocol.c and
 * events.c, without sockets. One live session a host; a newer one of the same boot takes
 * its place, one of another boot waits 5 s for what the older one says; each event once;
 * an Ack when it is on disk; what the store does not take is left alone, and so is all
 * behind it until it comes again.
 *
 * Each input goes to the model first, to the core second, and then they are compared.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { CONTEST_MS = 5000, IDLE_MS = 120000, RETIRED_RETRY_MS = 20000 };

static void answer(struct sim *sim, uint32_t host, uint64_t session, enum sim_kind kind)
{
	sim_to_sensor(sim, (struct sim_message){.kind = kind, .host = host, .session = session});
}

/* ---- spools ----------------------------------------------------------------------- */

static struct sim_mark *mark_of(struct sim_entry *entry, uint32_t spool)
{
	struct sim_mark *oldest = &entry->marks[0];

	for (int i = 0; i < SIM_SPOOLS; i++) {
		if (entry->marks[i].received > 0 && entry->marks[i].spool == spool)
			return &entry->marks[i];
		if (entry->marks[i].received == 0 || entry->marks[i].spool < oldest->spool)
			oldest = &entry->marks[i];
	}
	*oldest = (struct sim_mark){.spool = spool};
	return oldest;
}

void sim_ingest_durable(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		for (int j = 0; j < SIM_SPOOLS; j++) {
			struct sim_mark *mark = &sim->collector.entries[i].marks[j];

			mark->durable = mark->received;
		}
	}
}

static void send_ack(struct sim *sim, uint32_t host, const struct sim_mark *mark)
{
	sim_to_sensor(sim, (struct sim_message){.kind = SIM_ACK,
						.host = host,
						.session = sim->collector.entries[host].live,
						.spool = mark->spool,
						.sequence = mark->committed});
}

void sim_ingest_committed(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_entry *entry = &sim->collector.entries[i];

		for (int j = 0; j < SIM_SPOOLS; j++) {
			struct sim_mark *mark = &entry->marks[j];

			if (mark->committed == mark->durable)
				continue;
			mark->committed = mark->durable;
			if (entry->live != 0)
				send_ack(sim, i, mark);
		}
	}
}

/* The process is gone: only what was durable is known to the next one. */
void sim_ingest_forget(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_entry *entry = &sim->collector.entries[i];

		/* The kernel ends its connections, if that gets through. */
		if (entry->live != 0 && !sim_once_in(sim, 5))
			answer(sim, i, entry->live, SIM_RESET);
		entry->live = 0;
		entry->contested = false;
		entry->handle = RW_NO_HOST;
		entry->version = 0;
		for (int j = 0; j < SIM_SPOOLS; j++) {
			struct sim_mark *mark = &entry->marks[j];

			mark->received = mark->durable;
			mark->committed = mark->durable;
			mark->refused = 0;
		}
	}
}

/* ---- Hello ---------------------------------------------------------------------------- */

static void go_live(struct sim *sim, const struct sim_message *hello)
{
	struct sim_entry *entry = &sim->collector.entries[hello->host];
	struct rw_boot boot = {.order = hello->boot_order, .boot_ms = hello->boot_ms};
	const char *id = sim->hosts[hello->host].id;

	memcpy(boot.id, &hello->host, sizeof(hello->host));
	memcpy(boot.id + 8, &hello->boot, sizeof(hello->boot));
	sim_model_hello(sim, hello);
	int status = rw_core_hello(sim->collector.core, id, sim_ring_name(hello->ring), &boot,
				   hello->end, sim_now(sim), &entry->handle);
	sim_oracle_input(sim);
	if (status == -EPERM) {
		sim_to_sensor(sim, (struct sim_message){.kind = SIM_RESET,
							.host = hello->host,
							.session = hello->session,
							.retry_ms = RETIRED_RETRY_MS});
		return;
	}
	entry->live = hello->session;
	entry->live_boot = hello->boot;
	entry->live_heard_ms = sim->now_ms;
	for (int j = 0; j < SIM_SPOOLS; j++)
		entry->marks[j].refused = 0;

	const struct sim_mark *mark = mark_of(entry, hello->spool);

	sim_to_sensor(sim, (struct sim_message){.kind = SIM_WELCOME,
						.host = hello->host,
						.session = hello->session,
						.spool = hello->spool,
						.sequence = mark->committed});
}

static void take_hello(struct sim *sim, const struct sim_message *hello)
{
	struct sim_entry *entry = &sim->collector.entries[hello->host];

	if (entry->live != 0 && entry->live_boot != hello->boot) {
		if (entry->contested)
			answer(sim, hello->host, entry->newcomer.session, SIM_RESET);
		entry->contested = true;
		entry->contest_ms = sim->now_ms + CONTEST_MS;
		entry->newcomer = *hello;
		answer(sim, hello->host, entry->live, SIM_PROBE);
		return;
	}
	if (entry->live != 0)
		answer(sim, hello->host, entry->live, SIM_RESET);
	go_live(sim, hello);
}

void sim_ingest_tick(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count && !sim->failed; i++) {
		struct sim_entry *entry = &sim->collector.entries[i];

		if (entry->live != 0 && sim->now_ms > entry->live_heard_ms + IDLE_MS) {
			answer(sim, i, entry->live, SIM_RESET);
			entry->live = 0;
		}
		if (!entry->contested || (entry->live != 0 && sim->now_ms < entry->contest_ms))
			continue;
		entry->contested = false;
		if (entry->live != 0)
			answer(sim, i, entry->live, SIM_RESET);
		go_live(sim, &entry->newcomer);
	}
}

void sim_ingest_probe(struct sim *sim, rw_host_handle handle)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_entry *entry = &sim->collector.entries[i];

		if (entry->live != 0 && entry->handle == handle)
			answer(sim, i, entry->live, SIM_PROBE);
	}
}

/* ---- frames of a live session ----------------------------------------------------------- */

static void tell_event(struct sim *sim, struct sim_entry *entry, const struct sim_message *message)
{
	const struct sim_event *event = &message->event;
	char id[64], signature[32] = "";

	snprintf(id, sizeof(id), "%s/%u/%llu", sim->hosts[message->host].id, message->spool,
		 (unsigned long long)event->sequence);
	if (event->kind != SIM_KIND_REBOOT)
		snprintf(signature, sizeof(signature), "oops:f%u", event->signature);

	struct rw_core_event input = {
		.kind = event->kind,
		.kind_name = event->kind == SIM_KIND_OOPS    ? "oops"
			     : event->kind == SIM_KIND_PANIC ? "panic"
							     : "unexpected_reboot",
		.id = id,
		.signature = signature,
		.module = "",
		.boot_order = event->boot_order,
		.boot_ms = event->boot_ms,
	};

	sim->figures->events++;
	sim_model_event(sim, message);
	rw_core_event(sim->collector.core, entry->handle, &input, sim_now(sim));
	sim_oracle_input(sim);
}

static void take_event(struct sim *sim, struct sim_entry *entry, const struct sim_message *message)
{
	struct sim_mark *mark = mark_of(entry, message->spool);
	uint64_t sequence = message->event.sequence;

	if ((mark->refused != 0 && sequence > mark->refused) || sim_disk_fails(sim)) {
		if (mark->refused == 0 || sequence < mark->refused)
			mark->refused = sequence;
		answer(sim, message->host, entry->live, SIM_THROTTLE);
		return;
	}
	mark->refused = 0;
	if (sequence > mark->received) {
		mark->received = sequence;
		tell_event(sim, entry, message);
	} else if (mark->committed >= sequence) {
		send_ack(sim, message->host, mark);
	}
}

static void take_reply(struct sim *sim, struct sim_entry *entry, const struct sim_message *message)
{
	if (!entry->contested)
		return;
	entry->contested = false;
	rw_core_duplicate(sim->collector.core, entry->handle, sim_now(sim));
	sim_to_sensor(sim, (struct sim_message){
				   .kind = SIM_RESET,
				   .host = message->host,
				   .session = entry->newcomer.session,
				   .retry_ms = sim->collector.policy.timing.offline_after_ms});
}

static void take_version(struct sim *sim, struct sim_entry *entry,
			 const struct sim_message *message)
{
	const char *name = sim_deployment_name(message->version - 1);
	bool changed = entry->version != 0 && entry->version != message->version;

	entry->version = message->version;
	sim_model_heard(sim, message->host, false);
	sim_judge_version(sim, message->host, message->version - 1);
	rw_core_version(sim->collector.core, entry->handle, "marker:sim", name, changed,
			sim_now(sim));
	sim_oracle_input(sim);
}

static void take_live(struct sim *sim, struct sim_entry *entry, const struct sim_message *message)
{
	struct rw_core *core = sim->collector.core;

	entry->live_heard_ms = sim->now_ms;
	sim_model_heard(sim, message->host, false);
	rw_core_heard(core, entry->handle, sim_now(sim));
	sim_oracle_input(sim);
	switch (message->kind) {
	case SIM_BEAT:
		sim_model_heard(sim, message->host, true);
		rw_core_heartbeat(core, entry->handle, message->boot_ms, sim_now(sim));
		sim_oracle_input(sim);
		return;
	case SIM_EVENT:
		take_event(sim, entry, message);
		return;
	case SIM_VERSION:
		take_version(sim, entry, message);
		return;
	case SIM_PROBE_REPLY:
		take_reply(sim, entry, message);
		return;
	case SIM_GOODBYE:
		sim_model_goodbye(sim, message);
		rw_core_goodbye(core, entry->handle, message->goodbye, message->back_in_ms,
				sim_now(sim));
		sim_oracle_input(sim);
		entry->live = 0;
		return;
	default:
		return;
	}
}

void sim_ingest_take(struct sim *sim, const struct sim_message *message)
{
	struct sim_entry *entry = &sim->collector.entries[message->host];
	struct rw_core *core = sim->collector.core;

	if (message->kind == SIM_GASP) {
		sim_model_gasp(sim, message->host);
		rw_core_gasp(core, rw_core_host_find(core, sim->hosts[message->host].id),
			     sim_now(sim));
		sim_oracle_input(sim);
	} else if (message->kind == SIM_HELLO) {
		take_hello(sim, message);
	} else if (message->kind == SIM_FIN) {
		if (entry->contested && message->session == entry->newcomer.session)
			entry->contested = false;
		else if (message->session == entry->live)
			entry->live = 0;
	} else if (entry->live != 0 && message->session == entry->live) {
		take_live(sim, entry, message);
	} else {
		answer(sim, message->host, message->session, SIM_RESET);
	}
}
