/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's process: it takes messages in, ticks its core, and writes what the core
 * tells in commits of its own time. Killed, it loses what was not committed.
 *
 * The disk is a table of the last committed row of each thing.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* ---- the disk ------------------------------------------------------------------- */

struct row {
	struct rw_change change;
	uint64_t key; /* 0: gone */
};
struct sim_disk {
	struct row *rows; /* in the order of first writing */
	uint32_t count, room;
	uint32_t *index; /* open addressing; rows' numbers from 1 */
	uint32_t index_room;
	struct rw_change *pending; /* told, and not committed */
	uint32_t pending_count, pending_room;
	uint32_t marks[SIM_HOSTS_MAX];
	bool fails; /* takes nothing */
};

static uint64_t hash(const char *a, const char *b, const char *c, enum rw_change_type type)
{
	return (rw_hash_text(a) * 31 + rw_hash_text(b) * 131 + rw_hash_text(c) * 1031 + type) | 1;
}

static uint64_t key_of(const struct rw_change *change)
{
	switch (change->type) {
	case RW_CHANGE_HOST:
		return hash(change->host.id, "", "", change->type);
	case RW_CHANGE_DEPLOYMENT:
		return hash(change->deployment.id, "", "", change->type);
	case RW_CHANGE_RUN:
		return hash(change->run.deployment, change->run.ring, "", change->type);
	case RW_CHANGE_EXPOSURE:
		return hash(change->exposure.deployment, change->exposure.host, "", change->type);
	case RW_CHANGE_EVIDENCE:
		return hash(change->evidence.deployment, change->evidence.host,
			    change->evidence.kind, change->type);
	case RW_CHANGE_TROUBLE:
		return hash(change->trouble.host, "", "", change->type);
	case RW_CHANGE_SIGNATURE:
	case RW_CHANGE_SIGNATURE_GONE:
		return hash(change->signature.text, "", "", RW_CHANGE_SIGNATURE);
	case RW_CHANGE_SIGHTING:
		return hash(change->sighting.deployment, change->sighting.signature, "",
			    change->type);
	case RW_CHANGE_LIFE:
		return hash("", "", "", change->type);
	case RW_CHANGE_EVIDENCE_CLEARED:
		break;
	}
	return 0;
}

static void index_rows(struct sim_disk *disk)
{
	free(disk->index);
	disk->index_room = disk->room * 2;
	disk->index = calloc(disk->index_room, sizeof(*disk->index));
	assert(disk->index != NULL);
	for (uint32_t i = 0; i < disk->count; i++) {
		uint64_t at = disk->rows[i].key % disk->index_room;

		while (disk->index[at] != 0)
			at = (at + 1) % disk->index_room;
		disk->index[at] = i + 1;
	}
}

static struct row *find_row(struct sim_disk *disk, uint64_t key)
{
	if (disk->count == disk->room) {
		disk->room = disk->room == 0 ? 1024 : disk->room * 2;
		disk->rows = realloc(disk->rows, disk->room * sizeof(*disk->rows));
		assert(disk->rows != NULL);
		index_rows(disk);
	}

	uint64_t at = key % disk->index_room;

	while (disk->index[at] != 0) {
		if (disk->rows[disk->index[at] - 1].key == key)
			return &disk->rows[disk->index[at] - 1];
		at = (at + 1) % disk->index_room;
	}
	disk->index[at] = ++disk->count;
	disk->rows[disk->count - 1].key = key;
	return &disk->rows[disk->count - 1];
}

static void clear_evidence(struct sim_disk *disk, const struct rw_run_row *run)
{
	for (uint32_t i = 0; i < disk->count; i++) {
		struct rw_change *row = &disk->rows[i].change;

		if (row->type == RW_CHANGE_EVIDENCE &&
		    strcmp(row->evidence.deployment, run->deployment) == 0 &&
		    strcmp(row->evidence.ring, run->ring) == 0)
			row->type = RW_CHANGE_EVIDENCE_CLEARED; /* stands for nothing */
	}
}

static void write_row(struct sim_disk *disk, const struct rw_change *change)
{
	if (change->type == RW_CHANGE_EVIDENCE_CLEARED)
		clear_evidence(disk, &change->run);
	else
		find_row(disk, key_of(change))->change = *change;
}

static void commit(struct sim *sim)
{
	struct sim_collector *collector = &sim->collector;
	struct sim_disk *disk = collector->disk;

	for (uint32_t i = 0; i < disk->pending_count; i++)
		write_row(disk, &disk->pending[i]);
	disk->pending_count = 0;
	memcpy(disk->marks, collector->marks, sizeof(disk->marks));
	sim_oracle_committed(sim);
	if (collector->core == NULL)
		return;
	rw_core_committed(collector->core, collector->sequence);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		if (sim->hosts[i].session && sim->hosts[i].link && sim->hosts[i].live &&
		    disk->marks[i] > 0)
			sim_host_acked(&sim->hosts[i], disk->marks[i]);
	}
}

/* ---- the core's sink -------------------------------------------------------------------- */

static uint64_t take_change(void *context, const struct rw_change *change)
{
	struct sim *sim = context;
	struct sim_disk *disk = sim->collector.disk;

	if (disk->fails)
		return 0;
	if (disk->pending_count == disk->pending_room) {
		disk->pending_room = disk->pending_room == 0 ? 256 : disk->pending_room * 2;
		disk->pending = realloc(disk->pending, disk->pending_room * sizeof(*disk->pending));
		assert(disk->pending != NULL);
	}
	disk->pending[disk->pending_count++] = *change;
	return ++sim->collector.sequence;
}

static uint64_t drop_change(void *context, const struct rw_change *change)
{
	(void)context, (void)change;
	return 1;
}

/* A host that lives and is linked answers at once: that is a byte heard. */
static void take_probe(void *context, rw_host_handle handle)
{
	struct sim *sim = context;
	struct rw_host_row row;

	if (!rw_core_host_at(sim->collector.core, handle, &row))
		return;
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct sim_host *host = &sim->hosts[i];

		if (strcmp(host->id, row.id) == 0 && host->life == SIM_UP && host->link &&
		    host->session && host->live)
			host->beat_ms = sim->now_ms; /* its answer goes out with the next step */
	}
}

/* ---- life --------------------------------------------------------------------------------- */

struct rw_now sim_now(const struct sim *sim)
{
	return (struct rw_now){sim->now_ms, UINT64_C(1700000000000) + sim->now_ms};
}

static struct rw_core *rebuild(struct sim *sim, const struct rw_core_sink *sink)
{
	static const enum rw_change_type order[] = {
		RW_CHANGE_LIFE,     RW_CHANGE_DEPLOYMENT, RW_CHANGE_HOST,
		RW_CHANGE_RUN,      RW_CHANGE_EXPOSURE,   RW_CHANGE_SIGHTING,
		RW_CHANGE_EVIDENCE, RW_CHANGE_TROUBLE,    RW_CHANGE_SIGNATURE,
	};
	struct sim_disk *disk = sim->collector.disk;
	struct rw_core *core;

	if (rw_core_new(&sim->collector.policy, sink, SIM_HOSTS_MAX, sim_now(sim), &core) != 0)
		abort();
	for (size_t o = 0; o < sizeof(order) / sizeof(order[0]); o++) {
		for (uint32_t i = 0; i < disk->count; i++) {
			const struct rw_change *row = &disk->rows[i].change;

			if (row->type == order[o] && rw_core_restore(core, row, sim_now(sim)) != 0)
				sim_fail(sim, "a committed row is refused: type %d", row->type);
		}
	}
	rw_core_restored(core, sim_now(sim));
	return core;
}

static void start(struct sim *sim)
{
	struct sim_collector *collector = &sim->collector;
	const struct rw_core_sink sink = {sim, take_change, take_probe, NULL};

	collector->core = rebuild(sim, &sink);
	rw_core_committed(collector->core, collector->sequence);
	memcpy(collector->marks, collector->disk->marks, sizeof(collector->marks));
	collector->tick_ms = sim->now_ms;
	sim->oracle.up_obs_ms = sim->oracle.obs_ms;
	sim->oracle.tick_ms = sim->now_ms;
}

void sim_collector_begin(struct sim *sim)
{
	sim->collector.disk = calloc(1, sizeof(*sim->collector.disk));
	assert(sim->collector.disk != NULL);
	start(sim);
}

void sim_collector_end(struct sim *sim)
{
	struct sim_disk *disk = sim->collector.disk;

	rw_core_free(sim->collector.core);
	free(disk->rows);
	free(disk->index);
	free(disk->pending);
	free(disk);
}

void sim_collector_crash(struct sim *sim, uint64_t down_ms)
{
	rw_core_free(sim->collector.core);
	sim->collector.core = NULL;
	sim->collector.up_ms = sim->now_ms + down_ms;
	sim->collector.stall_ms = 0;
	sim->collector.disk->pending_count = 0;
	sim->collector.disk->fails = false;
	sim->collector.restarts++;
	for (uint32_t i = 0; i < sim->host_count; i++) {
		sim->hosts[i].live = false;
		sim->hosts[i].reachable_ms = UINT64_MAX;
		sim->collector.sessions[i] = 0;
	}
	sim_oracle_collector_died(sim);
}

struct rw_core *sim_collector_twin(struct sim *sim)
{
	const struct rw_core_sink sink = {sim, drop_change, NULL, NULL};

	commit(sim);
	return rebuild(sim, &sink);
}

bool sim_connection_lives(const struct sim *sim, const struct sim_host *host)
{
	/* Behind a cut nobody says that the other end is gone. */
	return !host->link ||
	       (sim->collector.core != NULL && sim->collector.sessions[host - sim->hosts] != 0);
}

/* ---- messages ----------------------------------------------------------------------------- */

static bool is_before(const struct sim *sim, uint32_t a, uint32_t b)
{
	if (sim->queue[a].at_ms != sim->queue[b].at_ms)
		return sim->queue[a].at_ms < sim->queue[b].at_ms;
	return sim->queue_numbers[a] < sim->queue_numbers[b];
}

static void swap(struct sim *sim, uint32_t a, uint32_t b)
{
	struct sim_message message = sim->queue[a];
	uint64_t number = sim->queue_numbers[a];

	sim->queue[a] = sim->queue[b];
	sim->queue[b] = message;
	sim->queue_numbers[a] = sim->queue_numbers[b];
	sim->queue_numbers[b] = number;
}

void sim_send(struct sim *sim, const struct sim_message *message)
{
	uint32_t at = sim->queue_count++;

	if (at == sim->queue_room) {
		sim->queue_room = sim->queue_room == 0 ? 1024 : sim->queue_room * 2;
		sim->queue = realloc(sim->queue, sim->queue_room * sizeof(*sim->queue));
		sim->queue_numbers =
			realloc(sim->queue_numbers, sim->queue_room * sizeof(uint64_t));
		assert(sim->queue != NULL && sim->queue_numbers != NULL);
	}
	sim->queue[at] = *message;
	sim->queue_numbers[at] = ++sim->queue_number;
	for (; at > 0 && is_before(sim, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(sim, at, (at - 1) / 2);
}

static struct sim_message take_first(struct sim *sim)
{
	struct sim_message first = sim->queue[0];

	swap(sim, 0, --sim->queue_count);
	for (uint32_t at = 0;;) {
		uint32_t least = at;

		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < sim->queue_count && is_before(sim, child, least))
				least = child;
		}
		if (least == at)
			return first;
		swap(sim, at, least);
		at = least;
	}
}

static void take_event(struct sim *sim, struct sim_host *host, const struct sim_message *message)
{
	uint32_t number = message->host;
	char id[64], signature[64];

	if (message->event.sequence <= sim->collector.marks[number]) {
		rw_core_heard(sim->collector.core, host->handle, sim_now(sim));
		return;
	}
	sim->collector.marks[number] = message->event.sequence;
	snprintf(id, sizeof(id), "%s/s/%u", host->id, message->event.sequence);
	snprintf(signature, sizeof(signature), "oops:f%u", message->event.signature);
	struct rw_core_event event = {
		.kind = message->event.kind,
		.kind_name = message->event.kind == SIM_KIND_OOPS ? "oops" : "panic",
		.id = id,
		.signature = signature,
		.module = "",
		.boot_order = message->event.boot_order,
		.boot_ms = message->event.boot_ms,
	};
	rw_core_event(sim->collector.core, host->handle, &event, sim_now(sim));
}

static void take_hello(struct sim *sim, struct sim_host *host, const struct sim_message *message)
{
	struct rw_boot boot = {.order = message->boot_order, .boot_ms = message->boot_ms};

	memcpy(boot.id, &message->host, sizeof(message->host));
	memcpy(boot.id + 8, &message->boot_order, sizeof(message->boot_order));
	int status = rw_core_hello(sim->collector.core, host->id, sim_ring_name(host->ring), &boot,
				   message->end, sim_now(sim), &host->handle);
	host->live = status == 0;
	if (status != 0) /* retired: refused, and asks again */
		sim->collector.sessions[message->host] = 0;
}

static void take(struct sim *sim, const struct sim_message *message)
{
	struct sim_host *host = &sim->hosts[message->host];

	/* A connection that is no more: its bytes are lost, and sent again by another. */
	if (message->session == 0 || message->session != sim->collector.sessions[message->host])
		return;
	if (message->kind != SIM_HELLO && !host->live)
		return;
	sim_oracle_heard(sim, message);
	switch (message->kind) {
	case SIM_HELLO:
		take_hello(sim, host, message);
		return;
	case SIM_BEAT:
		rw_core_heartbeat(sim->collector.core, host->handle, message->boot_ms,
				  sim_now(sim));
		return;
	case SIM_EVENT:
		take_event(sim, host, message);
		return;
	case SIM_GOODBYE:
		rw_core_goodbye(sim->collector.core, host->handle, message->goodbye,
				message->back_in_ms, sim_now(sim));
		host->live = false;
		sim->collector.sessions[message->host] = 0;
		return;
	}
}

/* Bytes that wait behind a cut come when it is mended. */
static void deliver(struct sim *sim)
{
	while (sim->queue_count > 0 && sim->queue[0].at_ms <= sim->now_ms && !sim->failed) {
		struct sim_message message = take_first(sim);
		const struct sim_host *host = &sim->hosts[message.host];

		if (!host->link) {
			message.at_ms = host->link_back_ms + host->latency_ms;
			sim_send(sim, &message);
			continue;
		}
		if (sim->collector.core != NULL)
			take(sim, &message);
	}
}

/* ---- time --------------------------------------------------------------------------------------
 */

static void faults(struct sim *sim)
{
	struct sim_disk *disk = sim->collector.disk;

	if (sim->calm) {
		disk->fails = false;
		rw_core_set_store_failed(sim->collector.core, false);
		return;
	}
	if (sim->restarts && sim_once_in(sim, 4 * 1800)) {
		sim_collector_crash(sim, 250 * (1 + sim_pick(sim, 240)));
		return;
	}
	/* And again, just when it is back. */
	if (sim->restarts && sim->now_ms < sim->collector.up_ms + 20000 && sim_once_in(sim, 100)) {
		sim_collector_crash(sim, 250 * (1 + sim_pick(sim, 20)));
		return;
	}
	if (sim->stalls && sim_once_in(sim, 4 * 900))
		sim->collector.stall_ms = sim->now_ms + 500 + sim_pick(sim, 40000);
	if (sim->stalls && sim_once_in(sim, 4 * 3600)) {
		disk->fails = !disk->fails;
		rw_core_set_store_failed(sim->collector.core, disk->fails);
	}
}

void sim_collector_step(struct sim *sim)
{
	struct sim_collector *collector = &sim->collector;

	if (collector->core == NULL) {
		if (sim->now_ms < collector->up_ms)
			return;
		start(sim);
	}
	if (sim->now_ms < collector->stall_ms)
		return;
	deliver(sim);
	if (sim->failed)
		return;
	rw_core_tick(collector->core, sim_now(sim));
	sim_oracle_ticked(sim);
	if (sim_once_in(sim, 3) && !collector->disk->fails)
		commit(sim);
	if (!sim->failed)
		faults(sim);
}
