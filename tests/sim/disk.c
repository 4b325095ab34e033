/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk: a table of the last committed row of each thing. What the core tells is
 * pending until the writer's turn makes it durable, and is reported later still; a
 * collector that is killed loses what was pending.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

struct row {
	struct rw_change change;
	uint64_t key;
	bool gone;
};
struct sim_disk {
	struct row *rows; /* in the order of their first writing */
	uint32_t count, room;
	uint32_t *index; /* of rows, from 1: open addressing */
	struct rw_change *pending;
	uint32_t pending_count, pending_room;
	uint64_t sequence, durable, reported;
	bool fails;
};

/* ---- rows ------------------------------------------------------------------------- */

static uint64_t key_of_texts(enum rw_change_type type, const char *a, const char *b, const char *c)
{
	uint64_t key = rw_hash_text(a) + (uint64_t)type;

	key = key * UINT64_C(0x9e3779b97f4a7c15) + rw_hash_text(b);
	return key * UINT64_C(0x9e3779b97f4a7c15) + rw_hash_text(c);
}

static uint64_t key_of(const struct rw_change *change)
{
	switch (change->type) {
	case RW_CHANGE_HOST:
		return key_of_texts(change->type, change->host.id, "", "");
	case RW_CHANGE_DEPLOYMENT:
	case RW_CHANGE_DEPLOYMENT_GONE: /* never: there are fewer than a core holds */
		return key_of_texts(change->type, change->deployment.id, "", "");
	case RW_CHANGE_RUN:
	case RW_CHANGE_EVIDENCE_CLEARED:
		return key_of_texts(RW_CHANGE_RUN, change->run.deployment, change->run.ring, "");
	case RW_CHANGE_EXPOSURE:
		return key_of_texts(change->type, change->exposure.deployment,
				    change->exposure.host, change->exposure.ring);
	case RW_CHANGE_EVIDENCE:
		return key_of_texts(change->type, change->evidence.deployment,
				    change->evidence.host, change->evidence.kind);
	case RW_CHANGE_TROUBLE:
		return key_of_texts(change->type, change->trouble.host, "", "");
	case RW_CHANGE_SIGNATURE:
	case RW_CHANGE_SIGNATURE_GONE:
		return key_of_texts(RW_CHANGE_SIGNATURE, change->signature.text, "", "");
	case RW_CHANGE_SIGHTING:
		return key_of_texts(change->type, change->sighting.deployment,
				    change->sighting.signature, "");
	case RW_CHANGE_LIFE:
		return key_of_texts(change->type, "", "", "");
	}
	abort();
}

static uint32_t *find_place(const struct sim_disk *disk, uint64_t key)
{
	uint64_t at = key % (disk->room * 2);

	while (disk->index[at] != 0 && disk->rows[disk->index[at] - 1].key != key)
		at = (at + 1) % (disk->room * 2);
	return &disk->index[at];
}

static void grow(struct sim_disk *disk)
{
	disk->room = disk->room == 0 ? 2048 : disk->room * 2;
	disk->rows = realloc(disk->rows, disk->room * sizeof(*disk->rows));
	free(disk->index);
	disk->index = calloc((size_t)disk->room * 2, sizeof(*disk->index));
	assert(disk->rows != NULL && disk->index != NULL);
	for (uint32_t i = 0; i < disk->count; i++)
		*find_place(disk, disk->rows[i].key) = i + 1;
}

static void clear_evidence(struct sim_disk *disk, const struct rw_run_row *run)
{
	for (uint32_t i = 0; i < disk->count; i++) {
		struct rw_change *row = &disk->rows[i].change;

		if (row->type == RW_CHANGE_EVIDENCE &&
		    strcmp(row->evidence.deployment, run->deployment) == 0 &&
		    strcmp(row->evidence.ring, run->ring) == 0)
			disk->rows[i].gone = true;
	}
}

static void put(struct sim_disk *disk, const struct rw_change *change)
{
	uint64_t key = key_of(change);

	if (change->type == RW_CHANGE_EVIDENCE_CLEARED) {
		clear_evidence(disk, &change->run);
		return;
	}
	if (disk->count == disk->room)
		grow(disk);

	uint32_t *place = find_place(disk, key);

	if (*place == 0) {
		*place = ++disk->count;
		disk->rows[*place - 1].key = key;
	}
	disk->rows[*place - 1].change = *change;
	disk->rows[*place - 1].gone = change->type == RW_CHANGE_SIGNATURE_GONE;
}

/* ---- what is told ---------------------------------------------------------------------- */

uint64_t sim_disk_change(void *context, const struct rw_change *change)
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
	return ++disk->sequence;
}

bool sim_disk_fails(const struct sim *sim)
{
	return sim->collector.disk->fails;
}

void sim_disk_set_fails(struct sim *sim, bool fails)
{
	sim->collector.disk->fails = fails;
}

static void make_durable(struct sim *sim)
{
	struct sim_disk *disk = sim->collector.disk;

	for (uint32_t i = 0; i < disk->pending_count; i++)
		put(disk, &disk->pending[i]);
	disk->pending_count = 0;
	disk->durable = disk->sequence;
	sim_ingest_durable(sim);
	sim_judge_durable(sim);
}

static void report(struct sim *sim)
{
	struct sim_disk *disk = sim->collector.disk;

	disk->reported = disk->durable;
	rw_core_committed(sim->collector.core, disk->reported);
	sim_ingest_committed(sim);
}

void sim_disk_step(struct sim *sim)
{
	if (sim->collector.fails_ms != 0)
		return;
	if (sim_once_in(sim, 2))
		make_durable(sim);
	if (sim_once_in(sim, 2))
		report(sim);
}

void sim_disk_flush(struct sim *sim)
{
	make_durable(sim);
	report(sim);
}

void sim_disk_lose(struct sim *sim)
{
	struct sim_disk *disk = sim->collector.disk;

	disk->pending_count = 0;
	disk->sequence = disk->durable;
	disk->fails = false;
}

/* ---- read back ---------------------------------------------------------------------------- */

struct rw_core *sim_disk_restore(struct sim *sim, const struct rw_core_sink *sink)
{
	static const enum rw_change_type order[] = {
		RW_CHANGE_LIFE,     RW_CHANGE_DEPLOYMENT, RW_CHANGE_RUN,
		RW_CHANGE_HOST,     RW_CHANGE_EXPOSURE,   RW_CHANGE_SIGHTING,
		RW_CHANGE_EVIDENCE, RW_CHANGE_TROUBLE,    RW_CHANGE_SIGNATURE,
	};
	const struct sim_disk *disk = sim->collector.disk;
	struct rw_core *core;

	if (rw_core_new(&sim->collector.policy, sink, SIM_HOSTS_MAX, sim_now(sim), &core) != 0)
		abort();
	for (size_t o = 0; o < sizeof(order) / sizeof(order[0]); o++) {
		for (uint32_t i = 0; i < disk->count; i++) {
			const struct row *row = &disk->rows[i];

			if (row->change.type != order[o] || row->gone)
				continue;
			if (rw_core_restore(core, &row->change, sim_now(sim)) != 0)
				sim_fail(sim, SIM_OK_DISK, "a committed row of type %d is refused",
					 (int)row->change.type);
		}
	}
	rw_core_restored(core, sim_now(sim));
	return core;
}

void sim_disk_begin(struct sim *sim)
{
	sim->collector.disk = calloc(1, sizeof(*sim->collector.disk));
	assert(sim->collector.disk != NULL);
	grow(sim->collector.disk);
}

void sim_disk_end(struct sim *sim)
{
	struct sim_disk *disk = sim->collector.disk;

	free(disk->rows);
	free(disk->index);
	free(disk->pending);
	free(disk);
}
