/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing connection from inside: what opening, writing, sweeping and
 * loading share; and what the files that read beside it do. Nothing outside of collector/store/
 * includes it.
 */
#ifndef RINGWATCH_STORE_INTERNAL_H
#define RINGWATCH_STORE_INTERNAL_H

#include <sqlite3.h>

#include "collector/store/journal.h"
#include "proto/limits.h"

enum {
	RW_STORE_DAY_MS = 24 * 60 * 60 * 1000, /* of quotas */
	RW_STORE_SPOOLS_PER_HOST = 8,          /* older ones are forgotten */
	RW_STORE_RINGS_BYTES = RW_CORE_RINGS_MAX * RW_CORE_NAME_BYTES,
	/* Of a column that holds numbers, parted by single spaces; see rw_bind_numbers(). */
	RW_STORE_NUMBERS_MAX = 3 * RW_CORE_MODULE_FAILURES_KEPT,
	RW_STORE_NUMBER_BYTES = 21,
	RW_STORE_NUMBERS_BYTES = RW_STORE_NUMBERS_MAX * RW_STORE_NUMBER_BYTES + 1,
};

/* The signature of the row that counts what was beyond a quota. */
#define RW_STORE_OVER_QUOTA "over quota"

/* The last verdict that each target was told of each deployment and ring. */
#define RW_STORE_LAST_TOLD                                                                         \
	"SELECT max(row_id) FROM deliveries WHERE kind<>'" RW_DELIVERY_BREAKER                     \
	"' GROUP BY target, deployment, ring"

enum rw_statement {
	S_BEGIN,
	S_COMMIT,
	S_ROLLBACK,
	S_HOST,
	S_TRANSITION,
	S_DEPLOYMENT,
	S_RUN,
	S_EXPOSURE,
	S_EVIDENCE,
	S_EVIDENCE_CLEAR,
	S_SIGHTING,
	S_TROUBLE,
	S_FORGET_DEPLOYMENT,
	S_FORGET_RUNS,
	S_FORGET_EXPOSURES,
	S_FORGET_EVIDENCE,
	S_FORGET_SIGHTINGS,
	S_FORGET_SAMPLES,
	S_FLEET_SIGNATURE,
	S_FLEET_SIGNATURE_GONE,
	S_LIFE,
	S_EVENT,
	S_SIGNATURE_KNOWN,
	S_SIGNATURE_NEW,
	S_EXCERPT_FIND,
	S_EXCERPT_DAY,
	S_EXCERPT,
	S_OVERFLOW_ADD,
	S_OVERFLOW_NEW,
	S_SPOOL_RAISE,
	S_SPOOL_NEW,
	S_SPOOL_FORGET,
	S_AUDIT,
	S_SAMPLE,
	S_SLOT_TAKEN,
	S_SLOT_RETURNED,
	S_DRILL,
	S_DELIVERY_OVERTAKE,
	S_DELIVERY_CROWD,
	S_DELIVERY_NEW,
	S_DELIVERY_RESULT,
	S_DELIVERY_RETRY,
	S_SWEEP_EVENTS,
	S_SWEEP_EXCERPTS,
	S_SWEEP_OVERFLOWS,
	S_SWEEP_SIGNATURES,
	S_SWEEP_EXCERPT_DAYS,
	S_SWEEP_TRANSITIONS,
	S_SWEEP_EXPOSURES,
	S_SWEEP_SAMPLES,
	S_SWEEP_DRILLS,
	S_SWEEP_DELIVERIES,
	S_SWEEP_NEXT,
	S_COUNT
};

/* SQL, by number. */
extern const char *const rw_statements[S_COUNT];

struct rw_journal {
	sqlite3 *db;
	sqlite3_stmt *prepared[S_COUNT];
	int lock_fd;
	bool is_ready; /* opened to the end: what is closed now was closed in order */
	char *path;
	bool in_transaction;
	struct rw_journal_counts counts; /* of the transaction */
	char error[RW_STORE_ERROR_BYTES];
};

/* A connection of its own, which cannot write. */
struct rw_store_reader {
	sqlite3 *db;
};

/* ---- binding: statements.c ------------------------------------------------ */

/* Binds in order; the first error sticks, so that a row is one straight list. */
struct rw_binder {
	sqlite3_stmt *statement;
	int next;
	int code;
};

struct rw_binder rw_bind_to(struct rw_journal *journal, enum rw_statement which);
void rw_bind_text(struct rw_binder *b, const char *text);
void rw_bind_u64(struct rw_binder *b, uint64_t value);
void rw_bind_i64(struct rw_binder *b, int64_t value);
void rw_bind_id(struct rw_binder *b, const uint8_t id[16]);
void rw_bind_blob(struct rw_binder *b, const void *bytes, uint32_t length);
/* At most RW_STORE_NUMBERS_MAX numbers as one text, in decimal, parted by single
 * spaces; zeros at the end are left off. */
void rw_bind_numbers(struct rw_binder *b, const uint64_t *numbers, size_t count);

/* Steps a statement that returns no rows, and makes it ready for the next. */
int rw_binder_run(struct rw_binder *b);
/* Steps a statement that returns one row or none; a row stays until put_back. */
int rw_binder_look(struct rw_binder *b, bool *found);
void rw_binder_put_back(struct rw_binder *b);
/* One without values. */
int rw_run_plain(struct rw_journal *journal, enum rw_statement which);

/* ---- drills.c -------------------------------------------------------------- */

int rw_journal_load_drills(struct rw_journal *journal, const struct rw_store_loader *loader,
			   char error[RW_STORE_ERROR_BYTES]);
/* The columns of RW_DRILL_COLUMNS, from this one on. False: one is no text, or too long. */
bool rw_drill_row_read(sqlite3_stmt *statement, int first, struct rw_drill_row *out);
#define RW_DRILL_COLUMNS                                                                           \
	"drill, deployment, ring, host, actor, started_wall_ms, proved_wall_ms, ended_wall_ms,"    \
	" detail"

/* ---- opening: open.c, migrate.c ------------------------------------------- */

/*
 * Brings a database of schema `from` (2 or 3) to RW_STORE_SCHEMA, all of it or nothing. Returns
 * SQLite's code; after an error the connection is only to be closed, which takes back what was
 * done.
 */
int rw_journal_migrate(struct rw_journal *journal, int64_t from);

/* Damage was met: the next opening is to look through all of the file. */
void rw_journal_suspect(struct rw_journal *journal);

#endif
