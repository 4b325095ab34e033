/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store of an earlier schema, brought up to this one in one transaction:
 * after a failure or a kill at any instant it is what it was. What stands here
 * is frozen: schema.sql may change with the next number, this may not.
 *
 * What schema 2 did not know is taken so that nothing is judged more lightly
 * than it was: all hosts of a run are of the cohort of its present step, and
 * were watched for no longer than that; a run has begun in epoch 1.
 */
#include "collector/store/internal.h"

static const char to_3[] =
	/* Rows stay where they are: adding a column at the end rewrites none. */
	"ALTER TABLE hosts ADD COLUMN excluded INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hosts ADD COLUMN by_age INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hosts ADD COLUMN unregistered INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE deployments ADD COLUMN match TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE runs ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE runs ADD COLUMN step_targets TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE runs ADD COLUMN watched_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE runs ADD COLUMN watched_from_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE runs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE runs ADD COLUMN exposed_host_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE runs ADD COLUMN control_host_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE exposures ADD COLUMN at_wall_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE exposures ADD COLUMN watched_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE exposures ADD COLUMN step INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE exposures ADD COLUMN module_failed INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE exposures ADD COLUMN left_offline INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE exposures ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE sightings (\n"
	"  row_id INTEGER PRIMARY KEY,\n"
	"  deployment TEXT NOT NULL,\n"
	"  signature TEXT NOT NULL,\n"
	"  host TEXT NOT NULL,\n"
	"  shared INTEGER NOT NULL,\n"
	"  UNIQUE (deployment, signature)\n"
	") STRICT;\n"
	"CREATE TABLE troubles (\n"
	"  host TEXT NOT NULL PRIMARY KEY,\n"
	"  crashes TEXT NOT NULL,\n"
	"  modules TEXT NOT NULL,\n"
	"  maintenance_until_wall_ms INTEGER NOT NULL,\n"
	"  crash_epoch INTEGER NOT NULL,\n"
	"  silence_epoch INTEGER NOT NULL,\n"
	"  excused_boot_order INTEGER NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE fleet_signatures (\n"
	"  signature TEXT NOT NULL PRIMARY KEY,\n"
	"  before_wall_ms INTEGER NOT NULL,\n"
	"  since_wall_ms INTEGER NOT NULL,\n"
	"  last_wall_ms INTEGER NOT NULL,\n"
	"  control_wall_ms INTEGER NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE life (\n"
	"  only INTEGER PRIMARY KEY CHECK (only = 1),\n"
	"  told_wall_ms INTEGER NOT NULL,\n"
	"  listened_ms INTEGER NOT NULL,\n"
	"  epoch INTEGER NOT NULL,\n"
	"  blackout INTEGER NOT NULL,\n"
	"  natural_host_ms INTEGER NOT NULL,\n"
	"  natural_failures INTEGER NOT NULL,\n"
	"  natural_watched_ms INTEGER NOT NULL\n"
	") STRICT;\n"
	"CREATE TRIGGER audit_keeps_its_rows BEFORE DELETE ON audit BEGIN\n"
	"  SELECT RAISE(ABORT, 'the audit trail is append-only');\n"
	"END;\n"
	"CREATE TRIGGER audit_keeps_its_words BEFORE UPDATE ON audit BEGIN\n"
	"  SELECT RAISE(ABORT, 'the audit trail is append-only');\n"
	"END;\n"
	"CREATE TRIGGER audit_keeps_its_places BEFORE INSERT ON audit\n"
	"  WHEN EXISTS (SELECT 1 FROM audit WHERE row_id = NEW.row_id) BEGIN\n"
	"  SELECT RAISE(ABORT, 'the audit trail is append-only');\n"
	"END;\n"
	/* The target of each step up to the present one: that of the present one. */
	"UPDATE runs SET watched_ms=observed_ms, epoch=1,"
	" step_targets=rtrim(replace(printf('%.*c', step, 'x'), 'x', target || ' '))"
	" WHERE step > 0;"
	"UPDATE exposures SET step=r.step, at_wall_ms=r.started_wall_ms FROM runs r"
	" WHERE r.deployment=exposures.deployment AND r.ring=exposures.ring;"
	"INSERT INTO life SELECT 1, 0, 0, 1, 0, 0, 0, 0 WHERE EXISTS"
	" (SELECT 1 FROM runs WHERE step > 0);"
	"PRAGMA user_version=3;";

static const char to_4[] = "ALTER TABLE events ADD COLUMN drill TEXT NOT NULL DEFAULT '';"
			   "CREATE TABLE bake_samples (\n"
			   "  deployment TEXT NOT NULL,\n"
			   "  ring TEXT NOT NULL,\n"
			   "  at_wall_ms INTEGER NOT NULL,\n"
			   "  step INTEGER NOT NULL,\n"
			   "  verdict INTEGER NOT NULL,\n"
			   "  breaker_open INTEGER NOT NULL,\n"
			   "  exposed INTEGER NOT NULL,\n"
			   "  at_risk INTEGER NOT NULL,\n"
			   "  failed INTEGER NOT NULL,\n"
			   "  unheard INTEGER NOT NULL,\n"
			   "  coverage INTEGER NOT NULL,\n"
			   "  observed_ms INTEGER NOT NULL,\n"
			   "  PRIMARY KEY (deployment, ring, at_wall_ms)\n"
			   ") STRICT, WITHOUT ROWID;\n"
			   "CREATE TABLE deliveries (\n"
			   "  row_id INTEGER PRIMARY KEY,\n"
			   "  delivery TEXT NOT NULL UNIQUE,\n"
			   "  target TEXT NOT NULL,\n"
			   "  kind TEXT NOT NULL,\n"
			   "  deployment TEXT NOT NULL,\n"
			   "  ring TEXT NOT NULL,\n"
			   "  created_wall_ms INTEGER NOT NULL,\n"
			   "  body TEXT NOT NULL,\n"
			   "  state INTEGER NOT NULL,\n"
			   "  attempts INTEGER NOT NULL,\n"
			   "  next_wall_ms INTEGER NOT NULL,\n"
			   "  ended_wall_ms INTEGER NOT NULL,\n"
			   "  error TEXT NOT NULL\n"
			   ") STRICT;\n"
			   "CREATE INDEX deliveries_by_state ON deliveries (state, next_wall_ms);\n"
			   "CREATE TABLE drills (\n"
			   "  row_id INTEGER PRIMARY KEY,\n"
			   "  drill TEXT NOT NULL UNIQUE,\n"
			   "  deployment TEXT NOT NULL,\n"
			   "  ring TEXT NOT NULL,\n"
			   "  host TEXT NOT NULL,\n"
			   "  actor TEXT NOT NULL,\n"
			   "  started_wall_ms INTEGER NOT NULL,\n"
			   "  proved_wall_ms INTEGER NOT NULL,\n"
			   "  ended_wall_ms INTEGER NOT NULL,\n"
			   "  detail TEXT NOT NULL\n"
			   ") STRICT;\n"
			   "CREATE TABLE fleetlock_slots (\n"
			   "  ring TEXT NOT NULL,\n"
			   "  id TEXT NOT NULL,\n"
			   "  reserved_wall_ms INTEGER NOT NULL,\n"
			   "  PRIMARY KEY (ring, id)\n"
			   ") STRICT, WITHOUT ROWID;\n"
			   "PRAGMA user_version=4;";

static const char views[] =
#include "store_views.h"
	;

int rw_journal_migrate(struct rw_journal *journal, int64_t from)
{
	int code = sqlite3_exec(journal->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (code == SQLITE_OK && from == 2)
		code = sqlite3_exec(journal->db, to_3, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(journal->db, to_4, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(journal->db, views, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(journal->db, "COMMIT", NULL, NULL, NULL);
	return code;
}
