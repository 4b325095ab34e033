/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows out, at the start: each table once, from its begin to its end, in the
 * order that a restore wants. Nothing is taken that could not have been
 * written: a row that cannot be stops the load, by its table, key and column.
 *
 * Cost: a step and a copy a row. Nothing is sorted but what belongs to one host.
 */
#include "collector/store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES = 48 }; /* of a value, in a line that says what is wrong */

/* A host's spools, the one that was used last at the end. */
struct spools {
	char host[RW_CORE_NAME_BYTES];
	uint32_t count;
	struct spool {
		uint8_t id[16];
		uint64_t sequence, used_wall_ms;
	} of[RW_STORE_SPOOLS_PER_HOST];
};

struct load {
	const struct rw_store_loader *loader;
	sqlite3_stmt *row;
	int next;
	int bad; /* the first column that does not hold what it must; -1: none */
	struct rw_change change;
	struct spools spools;
};

static void blame(struct load *load, int column)
{
	if (load->bad < 0)
		load->bad = column;
}

static void take_text(struct load *load, char *out, size_t size)
{
	int column = load->next++;
	const char *text = (const char *)sqlite3_column_text(load->row, column);
	size_t length = (size_t)sqlite3_column_bytes(load->row, column);

	if (text == NULL || length >= size || memchr(text, '\0', length) != NULL) {
		blame(load, column);
		out[0] = '\0';
		return;
	}
	memcpy(out, text, length + 1);
}

#define TAKE_TEXT(load, array) take_text((load), (array), sizeof(array))

/* One of a host: any number. */
static uint64_t take_u64(struct load *load)
{
	return (uint64_t)sqlite3_column_int64(load->row, load->next++);
}

static int64_t take_within(struct load *load, int64_t min, int64_t max)
{
	int column = load->next++;
	int64_t value = sqlite3_column_int64(load->row, column);

	if (value < min || value > max) {
		blame(load, column);
		return min;
	}
	return value;
}

/* A time, a duration or a count. */
static uint64_t take_count(struct load *load)
{
	return (uint64_t)take_within(load, 0, INT64_MAX);
}

static uint32_t take_u32(struct load *load)
{
	return (uint32_t)take_within(load, 0, UINT32_MAX);
}

static int take_choice(struct load *load, int min, int max)
{
	return (int)take_within(load, min, max);
}

static bool take_bool(struct load *load)
{
	return take_within(load, 0, 1) != 0;
}

static void take_id(struct load *load, uint8_t out[16])
{
	int column = load->next++;
	const void *blob = sqlite3_column_blob(load->row, column);

	if (blob == NULL || sqlite3_column_bytes(load->row, column) != 16)
		blame(load, column);
	else
		memcpy(out, blob, 16);
}

/* A decimal number at *text, which moves behind it. False: there is none, or too large a one. */
static bool read_number(const char **text, uint64_t *out)
{
	const char *c = *text;
	uint64_t value = 0;

	for (; *c >= '0' && *c <= '9'; c++) {
		unsigned digit = (unsigned)(*c - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	bool any = c != *text;
	*text = c;
	*out = value;
	return any;
}

/* What rw_bind_numbers() wrote; `out` holds `count` zeros. */
static void take_numbers(struct load *load, uint64_t *out, size_t count)
{
	int column = load->next++;
	const char *text = (const char *)sqlite3_column_text(load->row, column);

	if (text == NULL) {
		blame(load, column);
		return;
	}
	for (size_t i = 0; *text != '\0'; i++) {
		if (i == count || (i > 0 && *text++ != ' ') || !read_number(&text, &out[i])) {
			blame(load, column);
			return;
		}
	}
}

static void take_rings(struct load *load, struct rw_deployment_row *row)
{
	int column = load->next;
	char text[RW_STORE_RINGS_BYTES];
	char *rest = text;

	TAKE_TEXT(load, text);
	while (rest != NULL && *rest != '\0') {
		const char *name = strsep(&rest, " ");
		size_t length = strlen(name);
		if (length == 0 || length >= RW_CORE_NAME_BYTES ||
		    row->ring_count == RW_CORE_RINGS_MAX) {
			blame(load, column);
			return;
		}
		memcpy(row->rings[row->ring_count++], name, length + 1);
	}
}

/* ---- rows ---------------------------------------------------------------------- */

static void load_life(struct load *load)
{
	struct rw_life_row *row = &load->change.life;

	row->told_wall_ms = take_count(load);
	row->listened_ms = take_count(load);
	row->epoch = take_u32(load);
	row->blackout = take_bool(load);
	row->natural_host_ms = take_count(load);
	row->natural_failures = take_count(load);
	row->natural_watched_ms = take_count(load);
	load->change.at_wall_ms = row->told_wall_ms;
}

static void load_deployment(struct load *load)
{
	struct rw_deployment_row *row = &load->change.deployment;

	TAKE_TEXT(load, row->id);
	TAKE_TEXT(load, row->component);
	TAKE_TEXT(load, row->version);
	row->exposure =
		(enum rw_exposure_mode)take_choice(load, RW_EXPOSURE_FIXED, RW_EXPOSURE_REPORTED);
	row->state = (enum rw_deployment_state)take_choice(load, RW_DEPLOYMENT_ACTIVE,
							   RW_DEPLOYMENT_WITHDRAWN);
	row->created_wall_ms = take_count(load);
	row->ended_wall_ms = take_count(load);
	TAKE_TEXT(load, row->reason);
	take_rings(load, row);
	TAKE_TEXT(load, row->match);
	load->change.at_wall_ms = row->created_wall_ms;
}

static void load_host(struct load *load)
{
	struct rw_host_row *row = &load->change.host;

	TAKE_TEXT(load, row->id);
	TAKE_TEXT(load, row->ring);
	row->presence = (enum rw_presence)take_choice(load, 0, RW_PRESENCE_COUNT - 1);
	row->previous = row->presence;
	take_id(load, row->boot_id);
	row->boot_order = take_u64(load);
	row->since_wall_ms = take_count(load);
	row->heard_wall_ms = take_count(load);
	row->goodbye = (enum rw_goodbye)take_choice(load, 0, RW_BYE_SENSOR_STOP);
	row->back_by_wall_ms = take_count(load);
	row->excluded = take_bool(load);
	row->by_age = take_bool(load);
	row->unregistered = take_bool(load);
	load->change.at_wall_ms = row->since_wall_ms;
}

static void load_run(struct load *load)
{
	struct rw_run_row *row = &load->change.run;

	TAKE_TEXT(load, row->deployment);
	TAKE_TEXT(load, row->ring);
	row->step = (uint32_t)take_choice(load, 0, RW_CORE_STEPS_MAX);
	row->started_wall_ms = take_count(load);
	row->target = take_count(load);
	row->observed_ms = take_count(load);
	row->breaker_open = take_bool(load);
	row->rule = (enum rw_rule)take_choice(load, 0, RW_RULE_COUNT - 1);
	row->grade = (enum rw_grade)take_choice(load, 0, RW_GRADE_EVIDENCE);
	row->opened_wall_ms = take_count(load);
	row->opened_failed = take_count(load);
	row->opened_at_risk = take_count(load);
	row->proof = (enum rw_proof)take_choice(load, 0, RW_PROOF_COUNT - 1);
	take_numbers(load, row->step_targets, RW_CORE_STEPS_MAX);
	row->watched_ms = take_count(load);
	row->watched_from_ms = take_count(load);
	row->epoch = take_u32(load);
	row->exposed_host_ms = take_count(load);
	row->control_host_ms = take_count(load);
	load->change.at_wall_ms = row->started_wall_ms;
}

static void load_exposure(struct load *load)
{
	struct rw_exposure_row *row = &load->change.exposure;

	TAKE_TEXT(load, row->deployment);
	TAKE_TEXT(load, row->host);
	TAKE_TEXT(load, row->ring);
	row->boot_order = take_u64(load);
	row->boot_ms = take_u64(load);
	row->alive = take_bool(load);
	row->heard = take_bool(load);
	row->crashed = take_bool(load);
	row->recovered = take_bool(load);
	row->acknowledged = take_bool(load);
	row->at_wall_ms = take_count(load);
	row->watched_ms = take_count(load);
	row->step = (uint32_t)take_choice(load, 0, RW_CORE_STEPS_MAX);
	row->module_failed = take_bool(load);
	row->left_offline = take_bool(load);
	row->left_out = take_bool(load);
	load->change.at_wall_ms = row->at_wall_ms;
}

static void load_sighting(struct load *load)
{
	struct rw_sighting_row *row = &load->change.sighting;

	TAKE_TEXT(load, row->deployment);
	TAKE_TEXT(load, row->signature);
	TAKE_TEXT(load, row->host);
	row->shared = take_bool(load);
}

static void load_evidence(struct load *load)
{
	struct rw_evidence_row *row = &load->change.evidence;

	TAKE_TEXT(load, row->deployment);
	TAKE_TEXT(load, row->ring);
	TAKE_TEXT(load, row->host);
	TAKE_TEXT(load, row->kind);
	TAKE_TEXT(load, row->event);
	TAKE_TEXT(load, row->signature);
	row->at_wall_ms = take_count(load);
	load->change.at_wall_ms = row->at_wall_ms;
}

static void load_trouble(struct load *load)
{
	struct rw_trouble_row *row = &load->change.trouble;
	uint64_t crashes[3 * RW_CORE_CRASHES_KEPT] = {0};
	uint64_t modules[3 * RW_CORE_MODULE_FAILURES_KEPT] = {0};

	TAKE_TEXT(load, row->host);
	int column = load->next;
	take_numbers(load, crashes, sizeof(crashes) / sizeof(crashes[0]));
	for (size_t i = 0; i < RW_CORE_CRASHES_KEPT; i++) {
		row->crashes[i].boot_order = crashes[3 * i];
		row->crashes[i].wall_ms = crashes[3 * i + 1];
		row->crashes[i].unexpected = crashes[3 * i + 2] != 0;
		if (crashes[3 * i + 1] > INT64_MAX || crashes[3 * i + 2] > 1)
			blame(load, column);
	}
	take_numbers(load, modules, sizeof(modules) / sizeof(modules[0]));
	for (size_t i = 0; i < RW_CORE_MODULE_FAILURES_KEPT; i++) {
		row->modules[i].pair = modules[3 * i];
		row->modules[i].boot_order = modules[3 * i + 1];
		row->modules[i].boot_ms = modules[3 * i + 2];
	}
	row->maintenance_until_wall_ms = take_count(load);
	row->crash_epoch = take_u32(load);
	row->silence_epoch = take_u32(load);
	row->excused_boot_order = take_u64(load);
}

static void load_signature(struct load *load)
{
	struct rw_signature_row *row = &load->change.signature;

	TAKE_TEXT(load, row->text);
	row->before_wall_ms = take_count(load);
	row->since_wall_ms = take_count(load);
	row->last_wall_ms = take_count(load);
	row->control_wall_ms = take_count(load);
	load->change.at_wall_ms = row->last_wall_ms;
}

/* ---- tables -------------------------------------------------------------------- */

/* In the order that rw_core_restore() wants. `take` NULL: the spools. */
static const struct table {
	const char *name;
	const char *sql;
	int keys; /* so many columns name a row, and stand first */
	enum rw_change_type type;
	size_t row_bytes;
	void (*take)(struct load *load);
} tables[] = {
	{"life",
	 "SELECT told_wall_ms, listened_ms, epoch, blackout, natural_host_ms, natural_failures,"
	 " natural_watched_ms FROM life",
	 0, RW_CHANGE_LIFE, sizeof(struct rw_life_row), load_life},
	{"deployments",
	 "SELECT deployment, component, version, exposure, state, created_wall_ms, ended_wall_ms,"
	 " reason, rings, match FROM deployments ORDER BY row_id",
	 1, RW_CHANGE_DEPLOYMENT, sizeof(struct rw_deployment_row), load_deployment},
	{"hosts",
	 "SELECT host, ring, presence, boot_id, boot_order, since_wall_ms, heard_wall_ms, goodbye,"
	 " back_by_wall_ms, excluded, by_age, unregistered FROM hosts ORDER BY row_id",
	 1, RW_CHANGE_HOST, sizeof(struct rw_host_row), load_host},
	{"spools", "SELECT host, spool_id, sequence, used_wall_ms FROM spools ORDER BY host", 1, 0,
	 0, NULL},
	{"runs",
	 "SELECT deployment, ring, step, started_wall_ms, target, observed_ms, breaker_open, rule,"
	 " grade, opened_wall_ms, opened_failed, opened_at_risk, proof, step_targets, watched_ms,"
	 " watched_from_ms, epoch, exposed_host_ms, control_host_ms FROM runs",
	 2, RW_CHANGE_RUN, sizeof(struct rw_run_row), load_run},
	{"exposures",
	 "SELECT deployment, host, ring, boot_order, boot_ms, alive, heard, crashed, recovered,"
	 " acknowledged, at_wall_ms, watched_ms, step, module_failed, left_offline, left_out"
	 " FROM exposures",
	 3, RW_CHANGE_EXPOSURE, sizeof(struct rw_exposure_row), load_exposure},
	{"sightings", "SELECT deployment, signature, host, shared FROM sightings ORDER BY row_id",
	 2, RW_CHANGE_SIGHTING, sizeof(struct rw_sighting_row), load_sighting},
	{"evidence",
	 "SELECT deployment, ring, host, kind, event, signature, at_wall_ms FROM evidence"
	 " ORDER BY row_id",
	 4, RW_CHANGE_EVIDENCE, sizeof(struct rw_evidence_row), load_evidence},
	{"troubles",
	 "SELECT host, crashes, modules, maintenance_until_wall_ms, crash_epoch, silence_epoch,"
	 " excused_boot_order FROM troubles",
	 1, RW_CHANGE_TROUBLE, sizeof(struct rw_trouble_row), load_trouble},
	{"fleet_signatures",
	 "SELECT signature, before_wall_ms, since_wall_ms, last_wall_ms, control_wall_ms"
	 " FROM fleet_signatures",
	 1, RW_CHANGE_SIGNATURE, sizeof(struct rw_signature_row), load_signature},
};

/* A column's value as part of a line: cut, and plain. */
static const char *shown(struct load *load, int column, char out[SHOWN_BYTES])
{
	const char *text = (const char *)sqlite3_column_text(load->row, column);

	snprintf(out, SHOWN_BYTES, "%s", text == NULL ? "nothing" : text);
	for (char *c = out; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
	}
	return out;
}

static int bad_row(struct rw_journal *journal, struct load *load, const struct table *table,
		   char error[RW_STORE_ERROR_BYTES])
{
	char keys[4 * SHOWN_BYTES] = "", value[SHOWN_BYTES];
	size_t used = 0;

	for (int i = 0; i < table->keys; i++)
		used += (size_t)snprintf(keys + used, sizeof(keys) - used, " %s",
					 shown(load, i, value));
	const char *name = sqlite3_column_name(load->row, load->bad);
	snprintf(error, RW_STORE_ERROR_BYTES,
		 "%s: the store is damaged (table %s, row%s: column %s cannot hold '%s')",
		 journal->path, table->name, table->keys == 0 ? " 1" : keys,
		 name == NULL ? "?" : name, shown(load, load->bad, value));
	return -EUCLEAN;
}

static int give_spools(struct load *load)
{
	const struct rw_store_loader *loader = load->loader;
	const struct spools *spools = &load->spools;
	int err = 0;

	for (uint32_t i = 0; err == 0 && loader->spool != NULL && i < spools->count; i++)
		err = loader->spool(loader->context, spools->host, spools->of[i].id,
				    spools->of[i].sequence);
	load->spools.count = 0;
	return err;
}

/* Where it belongs by its use; what was used before all that there is room for goes. */
static void add_spool(struct spools *spools, const struct spool *spool)
{
	uint32_t at = spools->count;

	while (at > 0 && spools->of[at - 1].used_wall_ms > spool->used_wall_ms)
		at--;
	if (spools->count < RW_STORE_SPOOLS_PER_HOST) {
		memmove(&spools->of[at + 1], &spools->of[at],
			(spools->count - at) * sizeof(*spool));
		spools->count++;
	} else if (at > 0) {
		at--;
		memmove(&spools->of[0], &spools->of[1], at * sizeof(*spool));
	} else {
		return;
	}
	spools->of[at] = *spool;
}

/* They come sorted by host; to let SQLite sort each host's takes twice as long. */
static int take_spool(struct rw_journal *journal, struct load *load, const struct table *table,
		      char error[RW_STORE_ERROR_BYTES])
{
	char host[RW_CORE_NAME_BYTES];
	struct spool spool = {0};
	int err = 0;

	TAKE_TEXT(load, host);
	take_id(load, spool.id);
	spool.sequence = take_u64(load);
	spool.used_wall_ms = take_count(load);
	if (load->bad >= 0)
		return bad_row(journal, load, table, error);
	if (strcmp(host, load->spools.host) != 0) {
		err = give_spools(load);
		memcpy(load->spools.host, host, sizeof(host));
	}
	add_spool(&load->spools, &spool);
	return err;
}

static int give_row(struct rw_journal *journal, struct load *load, const struct table *table,
		    char error[RW_STORE_ERROR_BYTES])
{
	const struct rw_store_loader *loader = load->loader;

	load->next = 0;
	load->bad = -1;
	if (table->take == NULL)
		return take_spool(journal, load, table, error);
	/* Not all of it: a deployment is large, and a million hosts are many. */
	memset(&load->change.host, 0, table->row_bytes);
	load->change.at_wall_ms = 0;
	table->take(load);
	if (load->bad >= 0)
		return bad_row(journal, load, table, error);
	return loader->row == NULL ? 0 : loader->row(loader->context, &load->change);
}

static int load_table(struct rw_journal *journal, struct load *load, const struct table *table,
		      char error[RW_STORE_ERROR_BYTES])
{
	int code = sqlite3_prepare_v2(journal->db, table->sql, -1, &load->row, NULL);
	int err = 0;

	load->change.type = table->type;
	if (code == SQLITE_OK) {
		while (err == 0 && (code = sqlite3_step(load->row)) == SQLITE_ROW)
			err = give_row(journal, load, table, error);
	}
	if (err == 0 && code != SQLITE_DONE) {
		err = rw_journal_errno(code);
		snprintf(error, RW_STORE_ERROR_BYTES,
			 err == -EUCLEAN ? "%s: the store is damaged (table %s: %s)"
					 : "%s: cannot read table %s: %s",
			 journal->path, table->name, rw_journal_error(journal));
	}
	sqlite3_finalize(load->row);
	load->row = NULL;
	return err != 0 ? err : give_spools(load);
}

int rw_journal_load(struct rw_journal *journal, const struct rw_store_loader *loader,
		    char error[RW_STORE_ERROR_BYTES])
{
	struct load load = {.loader = loader};

	error[0] = '\0';
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		int err = load_table(journal, &load, &tables[i], error);
		if (err == -EUCLEAN)
			rw_journal_suspect(journal);
		if (err != 0)
			return err;
	}
	return loader->drill == NULL ? 0 : rw_journal_load_drills(journal, loader, error);
}
