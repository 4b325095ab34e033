/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows by key in a hash table, and by kind in the order of their first coming,
 * which is the order of enrolment. What is gone stays in its place, marked so.
 */
#include "ctl/replay/ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = RW_CHANGE_DEPLOYMENT_GONE + 1, SLOTS_LEAST = 4096 };

struct row {
	struct row *next;   /* of the same slot */
	struct row *within; /* of the same kind, in order */
	uint64_t hash;
	uint64_t at_wall_ms;
	enum rw_change_type type;
	bool gone;
	/* then the change's own row, and the key */
	char bytes[];
};

struct rw_ledger {
	uint64_t sequence;
	struct row **slots;
	size_t slot_count, row_count;
	struct row *first[KINDS], **end[KINDS];
};

struct key {
	const char *part[4];
};

struct rw_ledger *rw_ledger_new(void)
{
	struct rw_ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger == NULL)
		return NULL;
	ledger->slot_count = SLOTS_LEAST;
	ledger->slots = calloc(ledger->slot_count, sizeof(struct row *));
	for (int kind = 0; kind < KINDS; kind++)
		ledger->end[kind] = &ledger->first[kind];
	if (ledger->slots == NULL) {
		free(ledger);
		return NULL;
	}
	return ledger;
}

void rw_ledger_free(struct rw_ledger *ledger)
{
	if (ledger == NULL)
		return;
	for (int kind = 0; kind < KINDS; kind++) {
		for (struct row *row = ledger->first[kind], *next; row != NULL; row = next) {
			next = row->within;
			free(row);
		}
	}
	free(ledger->slots);
	free(ledger);
}

/* ---- keys ------------------------------------------------------------------------ */

/* What the row is about, by which the next one of it is known. */
static struct key key_of(const struct rw_change *change)
{
	switch (change->type) {
	case RW_CHANGE_HOST:
		return (struct key){{change->host.id}};
	case RW_CHANGE_DEPLOYMENT:
	case RW_CHANGE_DEPLOYMENT_GONE:
		return (struct key){{change->deployment.id}};
	case RW_CHANGE_RUN:
		return (struct key){{change->run.deployment, change->run.ring}};
	case RW_CHANGE_EXPOSURE:
		return (struct key){{change->exposure.deployment, change->exposure.ring,
				     change->exposure.host}};
	case RW_CHANGE_EVIDENCE:
		return (struct key){{change->evidence.deployment, change->evidence.ring,
				     change->evidence.host, change->evidence.kind}};
	case RW_CHANGE_TROUBLE:
		return (struct key){{change->trouble.host}};
	case RW_CHANGE_SIGNATURE:
	case RW_CHANGE_SIGNATURE_GONE:
		return (struct key){{change->signature.text}};
	case RW_CHANGE_SIGHTING:
		return (struct key){{change->sighting.deployment, change->sighting.signature}};
	case RW_CHANGE_EVIDENCE_CLEARED:
	case RW_CHANGE_LIFE:
		break;
	}
	return (struct key){{""}};
}

static size_t row_bytes(enum rw_change_type type)
{
	switch (type) {
	case RW_CHANGE_HOST:
		return sizeof(struct rw_host_row);
	case RW_CHANGE_DEPLOYMENT:
		return sizeof(struct rw_deployment_row);
	case RW_CHANGE_RUN:
		return sizeof(struct rw_run_row);
	case RW_CHANGE_EXPOSURE:
		return sizeof(struct rw_exposure_row);
	case RW_CHANGE_EVIDENCE:
		return sizeof(struct rw_evidence_row);
	case RW_CHANGE_TROUBLE:
		return sizeof(struct rw_trouble_row);
	case RW_CHANGE_SIGNATURE:
		return sizeof(struct rw_signature_row);
	case RW_CHANGE_SIGHTING:
		return sizeof(struct rw_sighting_row);
	case RW_CHANGE_LIFE:
		return sizeof(struct rw_life_row);
	case RW_CHANGE_EVIDENCE_CLEARED:
	case RW_CHANGE_SIGNATURE_GONE:
	case RW_CHANGE_DEPLOYMENT_GONE:
		break;
	}
	return 0;
}

static uint64_t hash_of(enum rw_change_type type, const struct key *key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) + type;

	for (size_t i = 0; i < 4 && key->part[i] != NULL; i++) {
		for (const char *at = key->part[i]; *at != '\0'; at++)
			hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
		hash = (hash ^ 0xff) * UINT64_C(0x100000001b3);
	}
	return hash;
}

/* ---- rows ------------------------------------------------------------------------ */

static void to_change(const struct row *row, struct rw_change *out)
{
	out->type = row->type;
	out->at_wall_ms = row->at_wall_ms;
	memcpy(&out->host, row->bytes, row_bytes(row->type));
}

static bool is_key(const struct row *row, const struct key *key)
{
	struct rw_change change;

	to_change(row, &change);
	struct key own = key_of(&change);
	for (size_t i = 0; i < 4 && key->part[i] != NULL; i++) {
		if (strcmp(own.part[i], key->part[i]) != 0)
			return false;
	}
	return true;
}

static struct row *find(const struct rw_ledger *ledger, enum rw_change_type type,
			const struct key *key, uint64_t hash)
{
	struct row *row = ledger->slots[hash % ledger->slot_count];

	while (row != NULL && (row->hash != hash || row->type != type || !is_key(row, key)))
		row = row->next;
	return row;
}

/* More slots; staying as it is only makes it slower. */
static void spread(struct rw_ledger *ledger)
{
	size_t count = ledger->slot_count * 4;
	struct row **slots = calloc(count, sizeof(struct row *));

	if (slots == NULL)
		return;
	free(ledger->slots);
	ledger->slots = slots;
	ledger->slot_count = count;
	for (int kind = 0; kind < KINDS; kind++) {
		for (struct row *row = ledger->first[kind]; row != NULL; row = row->within) {
			row->next = slots[row->hash % count];
			slots[row->hash % count] = row;
		}
	}
}

static struct row *add(struct rw_ledger *ledger, enum rw_change_type type, uint64_t hash)
{
	struct row *row = calloc(1, sizeof(*row) + row_bytes(type));

	if (row == NULL)
		return NULL;
	row->hash = hash;
	row->type = type;
	*ledger->end[type] = row;
	ledger->end[type] = &row->within;
	row->next = ledger->slots[hash % ledger->slot_count];
	ledger->slots[hash % ledger->slot_count] = row;
	if (++ledger->row_count > ledger->slot_count)
		spread(ledger);
	return row;
}

/* All rows that name it: key.part[0] of each but the hosts' own. */
static void forget_deployment(struct rw_ledger *ledger, const char *deployment)
{
	static const enum rw_change_type kinds[] = {RW_CHANGE_DEPLOYMENT, RW_CHANGE_RUN,
						    RW_CHANGE_EXPOSURE, RW_CHANGE_EVIDENCE,
						    RW_CHANGE_SIGHTING};
	struct rw_change change;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (struct row *row = ledger->first[kinds[i]]; row != NULL; row = row->within) {
			to_change(row, &change);
			row->gone = row->gone || strcmp(key_of(&change).part[0], deployment) == 0;
		}
	}
}

static void clear_evidence(struct rw_ledger *ledger, const struct rw_run_row *run)
{
	struct rw_change change;

	for (struct row *row = ledger->first[RW_CHANGE_EVIDENCE]; row != NULL; row = row->within) {
		to_change(row, &change);
		row->gone =
			row->gone || (strcmp(change.evidence.deployment, run->deployment) == 0 &&
				      strcmp(change.evidence.ring, run->ring) == 0);
	}
}

uint64_t rw_ledger_take(struct rw_ledger *ledger, const struct rw_change *change)
{
	if (change->type == RW_CHANGE_EVIDENCE_CLEARED) {
		clear_evidence(ledger, &change->run);
		return ++ledger->sequence;
	}
	if (change->type == RW_CHANGE_DEPLOYMENT_GONE) {
		forget_deployment(ledger, change->deployment.id);
		return ++ledger->sequence;
	}

	bool goes = change->type == RW_CHANGE_SIGNATURE_GONE;
	enum rw_change_type type = goes ? RW_CHANGE_SIGNATURE : change->type;
	struct key key = key_of(change);
	uint64_t hash = hash_of(type, &key);
	struct row *row = find(ledger, type, &key, hash);

	if (row == NULL && !goes)
		row = add(ledger, type, hash);
	if (row == NULL && !goes)
		return 0;
	if (row != NULL) {
		row->gone = goes;
		row->at_wall_ms = change->at_wall_ms;
		memcpy(row->bytes, &change->host, row_bytes(type));
	}
	return ++ledger->sequence;
}

uint64_t rw_ledger_sequence(const struct rw_ledger *ledger)
{
	return ledger->sequence;
}

int rw_ledger_restore(const struct rw_ledger *ledger, struct rw_core *core, struct rw_now now)
{
	static const enum rw_change_type order[] = {
		RW_CHANGE_LIFE,     RW_CHANGE_HOST,     RW_CHANGE_DEPLOYMENT,
		RW_CHANGE_RUN,      RW_CHANGE_TROUBLE,  RW_CHANGE_SIGNATURE,
		RW_CHANGE_EXPOSURE, RW_CHANGE_SIGHTING, RW_CHANGE_EVIDENCE,
	};
	struct rw_change change;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		for (const struct row *row = ledger->first[order[i]]; row != NULL;
		     row = row->within) {
			if (row->gone)
				continue;
			to_change(row, &change);
			int status = rw_core_restore(core, &change, now);
			if (status != 0)
				return status;
		}
	}
	return 0;
}
