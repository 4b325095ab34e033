/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables in, tables out; see journal.h. All statements are prepared once, so
 * that a write costs a bind and a step.
 *
 * A damaged file, a file of another program or of another schema is refused
 * and left as it is: what a collector has acknowledged is never thrown away by
 * starting it.
 */
#include "collector/store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "proto/limits.h"

static const char schema[] =
#include "store_schema.h"
	;

enum {
	APPLICATION_ID = 0x72777374, /* "rwst", in the file's header */
	SPOOLS_PER_HOST = 8,         /* older ones are forgotten */
	EXCERPT_ROWS = 256,          /* a host's last ones, of which one may get its log */
	SWEEP_ROWS = 2000,           /* rows looked at in one piece */
	SWEEP_DAY_ROWS = 20000,      /* rows of quotas that are past, likewise */
	DAY_MS = 24 * 60 * 60 * 1000,
	RINGS_TEXT_BYTES = RW_CORE_RINGS_MAX * RW_CORE_NAME_BYTES,
};

#define OVER_QUOTA "over quota"

_Static_assert((int)RW_STORE_EXCERPTS_A_DAY *(int)RW_LOG_PACKED_MAX <= 256 * 1024,
	       "what store.h promises");

enum statement {
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
	S_SWEEP_EVENTS,
	S_SWEEP_EXCERPTS,
	S_SWEEP_OVERFLOWS,
	S_SWEEP_SIGNATURES,
	S_SWEEP_EXCERPT_DAYS,
	S_SWEEP_TRANSITIONS,
	S_SWEEP_NEXT,
	S_COUNT
};

static const char *const statements[S_COUNT] = {
	[S_BEGIN] = "BEGIN IMMEDIATE",
	[S_COMMIT] = "COMMIT",
	[S_ROLLBACK] = "ROLLBACK",
	[S_HOST] =
		"INSERT INTO hosts (host, ring, presence, boot_id, boot_order, since_wall_ms,"
		" heard_wall_ms, goodbye, back_by_wall_ms) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)"
		" ON CONFLICT (host) DO UPDATE SET ring=?2, presence=?3, boot_id=?4, boot_order=?5,"
		" since_wall_ms=?6, heard_wall_ms=?7, goodbye=?8, back_by_wall_ms=?9",
	[S_TRANSITION] = "INSERT INTO transitions (at_wall_ms, host, ring, was, is_now)"
			 " VALUES (?1,?2,?3,?4,?5)",
	[S_DEPLOYMENT] =
		"INSERT INTO deployments (deployment, component, version, exposure, state,"
		" created_wall_ms, ended_wall_ms, reason, rings) VALUES "
		"(?1,?2,?3,?4,?5,?6,?7,?8,?9)"
		" ON CONFLICT (deployment) DO UPDATE SET component=?2, version=?3, exposure=?4,"
		" state=?5, created_wall_ms=?6, ended_wall_ms=?7, reason=?8, rings=?9",
	[S_RUN] = "INSERT INTO runs (deployment, ring, step, started_wall_ms, target, observed_ms,"
		  " breaker_open, rule, grade, opened_wall_ms, opened_failed, opened_at_risk)"
		  " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
		  " ON CONFLICT (deployment, ring) DO UPDATE SET step=?3, started_wall_ms=?4, "
		  "target=?5,"
		  " observed_ms=?6, breaker_open=?7, rule=?8, grade=?9, opened_wall_ms=?10,"
		  " opened_failed=?11, opened_at_risk=?12",
	[S_EXPOSURE] =
		"INSERT INTO exposures (deployment, host, ring, boot_order, boot_ms, alive,"
		" heard, crashed, recovered, acknowledged) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"
		" ON CONFLICT (deployment, host, ring) DO UPDATE SET boot_order=?4, boot_ms=?5,"
		" alive=?6, heard=?7, crashed=?8, recovered=?9, acknowledged=?10",
	[S_EVIDENCE] = "INSERT INTO evidence (deployment, ring, host, kind, event, signature,"
		       " at_wall_ms) VALUES (?1,?2,?3,?4,?5,?6,?7)"
		       " ON CONFLICT (deployment, ring, host, kind) DO UPDATE SET event=?5,"
		       " signature=?6, at_wall_ms=?7",
	[S_EVIDENCE_CLEAR] = "DELETE FROM evidence WHERE deployment=?1 AND ring=?2",
	[S_EVENT] =
		"INSERT INTO events (host, ring, kind, severity, source, boot_id, comm,"
		" signature, symbol, module, detail, stack, facts, spool_id, sequence, at_wall_ms,"
		" received_wall_ms, host_wall_ms, boot_order, boot_ms, cpu, pid, error, count)"
		" VALUES "
		"(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,"
		"?22,?23,?24)",
	[S_SIGNATURE_KNOWN] = "SELECT 1 FROM signatures"
			      " WHERE day=?1 AND host=?2 AND severity=?3 AND signature=?4",
	[S_SIGNATURE_NEW] =
		"INSERT INTO signatures (day, host, severity, signature) SELECT ?1,?2,?3,?4 WHERE "
		"?5 >"
		" (SELECT count(*) FROM signatures WHERE day=?1 AND host=?2 AND severity=?3)",
	/* An excerpt comes soon after its event, and an index by sequence would halve
	 * the rate of all events: so only the host's last ones are looked at. */
	[S_EXCERPT_FIND] =
		"SELECT row_id, severity FROM (SELECT row_id, severity, spool_id, sequence,"
		" signature FROM events WHERE host=?1 ORDER BY row_id DESC LIMIT ?4)"
		" WHERE sequence=?2 AND spool_id=?3 AND signature<>'" OVER_QUOTA "' AND NOT EXISTS"
		" (SELECT 1 FROM excerpts WHERE event_row_id=row_id) LIMIT 1",
	[S_EXCERPT_DAY] = "INSERT INTO excerpt_days (day, host, severity, excerpts)"
			  " VALUES (?1,?2,?3,1) ON CONFLICT (day, host, severity) DO UPDATE"
			  " SET excerpts=excerpts+1 WHERE excerpts < ?4",
	[S_EXCERPT] = "INSERT INTO excerpts (event_row_id, log, log_bytes) VALUES (?1,?2,?3)",
	[S_OVERFLOW_ADD] = "UPDATE events SET count=min(count+?4, 4294967295), received_wall_ms=?5"
			   " WHERE row_id=(SELECT event_row_id FROM overflows WHERE host=?1 AND "
			   "kind=?2 AND day=?3)"
			   /* row ids come again after a sweep */
			   " AND host=?1 AND kind=?2 AND signature='" OVER_QUOTA "'",
	[S_OVERFLOW_NEW] =
		"INSERT INTO overflows (host, kind, day, event_row_id) VALUES (?1,?2,?3,?4)"
		" ON CONFLICT (day, host, kind) DO UPDATE SET event_row_id=?4",
	/* A mark never goes down; the row counts as changed even when it stays. */
	[S_SPOOL_RAISE] = "UPDATE spools SET sequence=max(sequence, ?3), used_wall_ms=?4"
			  " WHERE host=?1 AND spool_id=?2",
	[S_SPOOL_NEW] = "INSERT INTO spools (host, spool_id, sequence, used_wall_ms)"
			" VALUES (?1,?2,?3,?4)",
	[S_SPOOL_FORGET] =
		"DELETE FROM spools WHERE host=?1 AND spool_id NOT IN (SELECT spool_id FROM spools"
		" WHERE host=?1 ORDER BY (spool_id=?2) DESC, used_wall_ms DESC LIMIT ?3)",
	[S_AUDIT] = "INSERT INTO audit (at_wall_ms, actor, action, subject, detail)"
		    " VALUES (?1,?2,?3,?4,?5)",
	[S_SWEEP_EVENTS] = "DELETE FROM events WHERE row_id BETWEEN ?1 AND ?2 AND received_wall_ms "
			   "< ?3 AND NOT"
			   " EXISTS (SELECT 1 FROM deployments d CROSS JOIN exposures x ON "
			   "x.deployment=d.deployment"
			   " WHERE d.state=?4 AND x.host=events.host)",
	[S_SWEEP_EXCERPTS] =
		"DELETE FROM excerpts WHERE event_row_id BETWEEN ?1 AND ?2 AND NOT EXISTS"
		" (SELECT 1 FROM events WHERE row_id=event_row_id)",
	[S_SWEEP_OVERFLOWS] = "DELETE FROM overflows WHERE (day, host, kind) IN"
			      " (SELECT day, host, kind FROM overflows WHERE day < ?1 LIMIT ?2)",
	[S_SWEEP_SIGNATURES] = "DELETE FROM signatures WHERE (day, host, severity, signature) IN"
			       " (SELECT day, host, severity, signature FROM signatures"
			       " WHERE day < ?1 LIMIT ?2)",
	[S_SWEEP_EXCERPT_DAYS] =
		"DELETE FROM excerpt_days WHERE (day, host, severity) IN"
		" (SELECT day, host, severity FROM excerpt_days WHERE day < ?1 LIMIT ?2)",
	[S_SWEEP_TRANSITIONS] =
		"DELETE FROM transitions WHERE row_id IN (SELECT row_id FROM transitions"
		" WHERE row_id BETWEEN ?1 AND ?2 AND at_wall_ms < ?3)",
	[S_SWEEP_NEXT] =
		"SELECT min(id) FROM (SELECT * FROM (SELECT row_id AS id, received_wall_ms AS at"
		" FROM events WHERE row_id > ?1 ORDER BY row_id LIMIT 1) UNION ALL SELECT * FROM"
		" (SELECT row_id AS id, at_wall_ms AS at FROM transitions WHERE row_id > ?1"
		" ORDER BY row_id LIMIT 1)) WHERE at < ?2",
};

struct rw_journal {
	sqlite3 *db;
	sqlite3_stmt *prepared[S_COUNT];
	int lock_fd;
	bool in_transaction;
	struct rw_journal_counts counts; /* of the transaction */
	char error[RW_STORE_ERROR_BYTES];
};

int rw_journal_errno(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		return -EACCES;
	default:
		return -EIO;
	}
}

const char *rw_journal_error(struct rw_journal *journal)
{
	int system = sqlite3_system_errno(journal->db);
	int code = sqlite3_errcode(journal->db) & 0xff;

	if (system != 0 && (code == SQLITE_IOERR || code == SQLITE_FULL || code == SQLITE_CANTOPEN))
		snprintf(journal->error, sizeof(journal->error), "%s: %s",
			 sqlite3_errmsg(journal->db), strerror(system));
	else
		snprintf(journal->error, sizeof(journal->error), "%s", sqlite3_errmsg(journal->db));
	return journal->error;
}

/* ---- binding ------------------------------------------------------------- */

/* Binds in order; the first error sticks, so that a row is one straight list. */
struct binder {
	sqlite3_stmt *statement;
	int next;
	int code;
};

static struct binder bind_to(struct rw_journal *journal, enum statement which)
{
	return (struct binder){journal->prepared[which], 1, SQLITE_OK};
}

static void bind_text(struct binder *b, const char *text)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_text(b->statement, b->next++, text, -1, SQLITE_STATIC);
}

static void bind_u64(struct binder *b, uint64_t value)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_int64(b->statement, b->next++, (sqlite3_int64)value);
}

static void bind_i64(struct binder *b, int64_t value)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_int64(b->statement, b->next++, value);
}

static void bind_id(struct binder *b, const uint8_t id[16])
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_blob(b->statement, b->next++, id, 16, SQLITE_STATIC);
}

static void bind_blob(struct binder *b, const void *bytes, uint32_t length)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_blob(b->statement, b->next++, bytes, (int)length,
					    SQLITE_STATIC);
}

/* Steps a statement that returns one row or none; a row stays until put_back(). */
static int look(struct binder *b, bool *found)
{
	int code = b->code == SQLITE_OK ? sqlite3_step(b->statement) : b->code;

	*found = code == SQLITE_ROW;
	return rw_journal_errno(code);
}

static void put_back(struct binder *b)
{
	sqlite3_reset(b->statement);
	sqlite3_clear_bindings(b->statement);
}

/* Steps a statement that returns no rows. */
static int run(struct binder *b)
{
	int code = b->code;

	if (code == SQLITE_OK)
		code = sqlite3_step(b->statement);
	int reset = sqlite3_reset(b->statement);
	if (code == SQLITE_DONE || code == SQLITE_ROW)
		code = reset;
	sqlite3_clear_bindings(b->statement);
	return rw_journal_errno(code);
}

static int run_plain(struct rw_journal *journal, enum statement which)
{
	struct binder b = bind_to(journal, which);
	return run(&b);
}

/* ---- opening ------------------------------------------------------------- */

static int fail(char error[RW_STORE_ERROR_BYTES], int err, const char *path, const char *what)
{
	snprintf(error, RW_STORE_ERROR_BYTES, "%s: %s", path, what);
	return err;
}

static int take_lock(struct rw_journal *journal, const char *path, char error[RW_STORE_ERROR_BYTES])
{
	rw_autofree char *lock_path = NULL;

	if (asprintf(&lock_path, "%s.lock", path) < 0) {
		lock_path = NULL;
		return fail(error, -ENOMEM, path, "out of memory");
	}
	journal->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->lock_fd < 0)
		return fail(error, -errno, lock_path, strerror(errno));
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return fail(error, -EBUSY, path, "another collector has this store open");
		return fail(error, -errno, lock_path, strerror(errno));
	}

	/* Made here, so that it and its WAL are readable by nobody else, and so
	 * that a wrong path or missing rights are named by the system's words. */
	rw_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(error, -errno, path, strerror(errno));
	return 0;
}

static int open_failed(struct rw_journal *journal, const char *path, const char *doing,
		       char error[RW_STORE_ERROR_BYTES])
{
	int code = sqlite3_extended_errcode(journal->db);
	int err = rw_journal_errno(code);

	if (err == -EUCLEAN)
		snprintf(error, RW_STORE_ERROR_BYTES,
			 "%s: the store is damaged (%s); it is left as it is: restore a copy or "
			 "move it away",
			 path, sqlite3_errmsg(journal->db));
	else
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: cannot %s: %s", path, doing,
			 rw_journal_error(journal));
	return err == 0 ? -EIO : err;
}

/* The first column of the first row; 0 when there is none. */
static int ask_number(struct rw_journal *journal, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL);

	if (code != SQLITE_OK)
		return rw_journal_errno(code);
	code = sqlite3_step(statement);
	*out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return rw_journal_errno(code);
}

static int quick_check(struct rw_journal *journal, const char *path,
		       char error[RW_STORE_ERROR_BYTES])
{
	sqlite3_stmt *statement;
	int err = 0;

	if (sqlite3_prepare_v2(journal->db, "PRAGMA quick_check(1)", -1, &statement, NULL) !=
	    SQLITE_OK)
		return open_failed(journal, path, "check it", error);
	int code = sqlite3_step(statement);
	const char *said =
		code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
	if (said == NULL || strcmp(said, "ok") != 0) {
		snprintf(error, RW_STORE_ERROR_BYTES,
			 "%s: the store is damaged (%.100s); it is left as it is: restore a copy "
			 "or move it away",
			 path,
			 code == SQLITE_ROW && said != NULL ? said : sqlite3_errmsg(journal->db));
		for (char *c = error; *c != '\0'; c++) {
			if (*c == '\n')
				*c = ' ';
		}
		err = -EUCLEAN;
	}
	sqlite3_finalize(statement);
	return err;
}

static int make_schema(struct rw_journal *journal, const char *path,
		       char error[RW_STORE_ERROR_BYTES])
{
	char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d;"
				    " PRAGMA user_version=%d; COMMIT",
				    schema, (int)APPLICATION_ID, (int)RW_STORE_SCHEMA);

	if (sql == NULL)
		return fail(error, -ENOMEM, path, "out of memory");
	int code = sqlite3_exec(journal->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return code == SQLITE_OK ? 0 : open_failed(journal, path, "make its tables", error);
}

/* Whose file it is, looked at before anything in it is touched. */
static int check_schema(struct rw_journal *journal, const char *path,
			char error[RW_STORE_ERROR_BYTES], bool *is_new)
{
	int64_t tables = 0, application = 0, version = 0;

	if (ask_number(journal, "SELECT count(*) FROM sqlite_schema", &tables) != 0 ||
	    ask_number(journal, "PRAGMA application_id", &application) != 0 ||
	    ask_number(journal, "PRAGMA user_version", &version) != 0)
		return open_failed(journal, path, "read it", error);
	*is_new = tables == 0 && application == 0 && version == 0;
	if (*is_new)
		return 0;
	if (application != APPLICATION_ID)
		return fail(error, -EPROTO, path, "is a database of another program");
	if (version != RW_STORE_SCHEMA) {
		snprintf(error, RW_STORE_ERROR_BYTES,
			 "%s: holds store schema %lld, this collector needs %d%s", path,
			 (long long)version, (int)RW_STORE_SCHEMA,
			 version == 1 ? "; no release has written 1, so nothing reads it on: move "
					"the file away to begin a new one"
				      : "");
		return -EPROTO;
	}
	return quick_check(journal, path, error);
}

static int open_database(struct rw_journal *journal, const char *path,
			 char error[RW_STORE_ERROR_BYTES])
{
	static const char pragmas[] = "PRAGMA journal_mode=WAL;"
				      "PRAGMA synchronous=FULL;"
				      "PRAGMA wal_autocheckpoint=1000;"
				      "PRAGMA journal_size_limit=67108864;"
				      "PRAGMA cache_size=-16384;"
				      "PRAGMA temp_store=MEMORY;"
				      "PRAGMA trusted_schema=OFF;";
	bool is_new;

	if (sqlite3_open_v2(path, &journal->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return open_failed(journal, path, "open it", error);
	sqlite3_extended_result_codes(journal->db, 1);
	sqlite3_busy_timeout(journal->db, 5000);

	int err = check_schema(journal, path, error, &is_new);
	if (err != 0)
		return err;
	if (sqlite3_exec(journal->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return open_failed(journal, path, "set it up", error);
	if (is_new) {
		err = make_schema(journal, path, error);
		if (err != 0)
			return err;
	}
	for (int i = 0; i < S_COUNT; i++) {
		if (sqlite3_prepare_v3(journal->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &journal->prepared[i], NULL) != SQLITE_OK)
			return open_failed(journal, path, "prepare a statement", error);
	}
	return 0;
}

int rw_journal_open(const char *path, struct rw_journal **out, char error[RW_STORE_ERROR_BYTES])
{
	struct rw_journal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL)
		return fail(error, -ENOMEM, path, "out of memory");
	journal->lock_fd = -1;
	int err = take_lock(journal, path, error);
	if (err == 0)
		err = open_database(journal, path, error);
	if (err != 0) {
		rw_journal_close(journal);
		return err;
	}
	*out = journal;
	return 0;
}

void rw_journal_close(struct rw_journal *journal)
{
	if (journal == NULL)
		return;
	for (int i = 0; i < S_COUNT; i++)
		sqlite3_finalize(journal->prepared[i]);
	sqlite3_close(journal->db);
	/* The lock goes last, with its descriptor. The file stays: to remove it
	 * would let a third collector lock a new one beside a waiting second. */
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	free(journal);
}

/* ---- writing ------------------------------------------------------------- */

int rw_journal_begin(struct rw_journal *journal)
{
	int err = run_plain(journal, S_BEGIN);

	journal->counts = (struct rw_journal_counts){0};
	journal->in_transaction = err == 0;
	return err;
}

int rw_journal_commit(struct rw_journal *journal)
{
	int err = run_plain(journal, S_COMMIT);

	if (err == 0)
		journal->in_transaction = false;
	return err;
}

void rw_journal_rollback(struct rw_journal *journal)
{
	/* Some errors have rolled back already. */
	if (journal->in_transaction && sqlite3_get_autocommit(journal->db) == 0)
		(void)run_plain(journal, S_ROLLBACK);
	journal->in_transaction = false;
}

int rw_journal_put_host(struct rw_journal *journal, uint64_t at_wall_ms,
			const struct rw_host_row *row)
{
	struct binder b = bind_to(journal, S_HOST);

	bind_text(&b, row->id);
	bind_text(&b, row->ring);
	bind_i64(&b, row->presence);
	bind_id(&b, row->boot_id);
	bind_u64(&b, row->boot_order);
	bind_u64(&b, row->since_wall_ms);
	bind_u64(&b, row->heard_wall_ms);
	bind_i64(&b, row->goodbye);
	bind_u64(&b, row->back_by_wall_ms);
	int err = run(&b);
	if (err != 0 || row->previous == row->presence)
		return err;

	b = bind_to(journal, S_TRANSITION);
	bind_u64(&b, at_wall_ms);
	bind_text(&b, row->id);
	bind_text(&b, row->ring);
	bind_i64(&b, row->previous);
	bind_i64(&b, row->presence);
	return run(&b);
}

static void join_rings(const struct rw_deployment_row *row, char out[RINGS_TEXT_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < row->ring_count && i < RW_CORE_RINGS_MAX; i++) {
		int n = snprintf(out + used, RINGS_TEXT_BYTES - used, "%s%s", i == 0 ? "" : " ",
				 row->rings[i]);
		used += (size_t)n; /* names are shorter than their share of `out` */
	}
}

int rw_journal_put_deployment(struct rw_journal *journal, const struct rw_deployment_row *row)
{
	struct binder b = bind_to(journal, S_DEPLOYMENT);
	char rings[RINGS_TEXT_BYTES];

	join_rings(row, rings);
	bind_text(&b, row->id);
	bind_text(&b, row->component);
	bind_text(&b, row->version);
	bind_i64(&b, row->exposure);
	bind_i64(&b, row->state);
	bind_u64(&b, row->created_wall_ms);
	bind_u64(&b, row->ended_wall_ms);
	bind_text(&b, row->reason);
	bind_text(&b, rings);
	return run(&b);
}

int rw_journal_put_run(struct rw_journal *journal, const struct rw_run_row *row)
{
	struct binder b = bind_to(journal, S_RUN);

	bind_text(&b, row->deployment);
	bind_text(&b, row->ring);
	bind_u64(&b, row->step);
	bind_u64(&b, row->started_wall_ms);
	bind_u64(&b, row->target);
	bind_u64(&b, row->observed_ms);
	bind_i64(&b, row->breaker_open);
	bind_i64(&b, row->rule);
	bind_i64(&b, row->grade);
	bind_u64(&b, row->opened_wall_ms);
	bind_u64(&b, row->opened_failed);
	bind_u64(&b, row->opened_at_risk);
	return run(&b);
}

int rw_journal_put_exposure(struct rw_journal *journal, const struct rw_exposure_row *row)
{
	struct binder b = bind_to(journal, S_EXPOSURE);

	bind_text(&b, row->deployment);
	bind_text(&b, row->host);
	bind_text(&b, row->ring);
	bind_u64(&b, row->boot_order);
	bind_u64(&b, row->boot_ms);
	bind_i64(&b, row->alive);
	bind_i64(&b, row->heard);
	bind_i64(&b, row->crashed);
	bind_i64(&b, row->recovered);
	bind_i64(&b, row->acknowledged);
	return run(&b);
}

int rw_journal_put_evidence(struct rw_journal *journal, const struct rw_evidence_row *row)
{
	struct binder b = bind_to(journal, S_EVIDENCE);

	bind_text(&b, row->deployment);
	bind_text(&b, row->ring);
	bind_text(&b, row->host);
	bind_text(&b, row->kind);
	bind_text(&b, row->event);
	bind_text(&b, row->signature);
	bind_u64(&b, row->at_wall_ms);
	return run(&b);
}

int rw_journal_clear_evidence(struct rw_journal *journal, const struct rw_run_row *cleared)
{
	struct binder b = bind_to(journal, S_EVIDENCE_CLEAR);

	bind_text(&b, cleared->deployment);
	bind_text(&b, cleared->ring);
	return run(&b);
}

static int raise_mark(struct rw_journal *journal, const struct rw_journal_event *event)
{
	struct binder b;

	for (int attempt = 0; attempt < 2; attempt++) {
		b = bind_to(journal, attempt == 0 ? S_SPOOL_RAISE : S_SPOOL_NEW);
		bind_text(&b, event->text[RW_EVENT_HOST]);
		bind_id(&b, event->spool_id);
		bind_u64(&b, event->sequence);
		bind_u64(&b, event->received_wall_ms);
		int err = run(&b);
		if (err != 0)
			return err;
		if (attempt == 0 && sqlite3_changes(journal->db) > 0)
			return 0;
	}
	/* A new spool: a host that remakes it again and again must not fill the disk. */
	b = bind_to(journal, S_SPOOL_FORGET);
	bind_text(&b, event->text[RW_EVENT_HOST]);
	bind_id(&b, event->spool_id);
	bind_i64(&b, SPOOLS_PER_HOST);
	return run(&b);
}

static int insert_event(struct rw_journal *journal, const struct rw_journal_event *event)
{
	struct binder b = bind_to(journal, S_EVENT);

	for (int i = 0; i < RW_EVENT_TEXT_COUNT; i++)
		bind_text(&b, event->text[i]);
	bind_id(&b, event->spool_id);
	bind_u64(&b, event->sequence);
	bind_u64(&b, event->at_wall_ms);
	bind_u64(&b, event->received_wall_ms);
	bind_u64(&b, event->host_wall_ms);
	bind_u64(&b, event->boot_order);
	bind_u64(&b, event->boot_ms);
	bind_u64(&b, event->cpu);
	bind_u64(&b, event->pid);
	bind_i64(&b, event->error);
	bind_u64(&b, event->count);
	return run(&b);
}

static uint64_t day_of(const struct rw_journal_event *event)
{
	return event->received_wall_ms / DAY_MS;
}

static struct binder bind_signature(struct rw_journal *journal, enum statement which,
				    const struct rw_journal_event *event)
{
	struct binder b = bind_to(journal, which);

	bind_u64(&b, day_of(event));
	bind_text(&b, event->text[RW_EVENT_HOST]);
	bind_text(&b, event->text[RW_EVENT_SEVERITY]);
	bind_text(&b, event->text[RW_EVENT_SIGNATURE]);
	return b;
}

/*
 * Whether the event's signature is one of those that the host has shown on this
 * day, or may be one more. Each severity has its own: a host that warns of
 * everything still has room to tell of what kills it.
 */
static int may_have_signature(struct rw_journal *journal, const struct rw_journal_event *event,
			      bool *allowed)
{
	struct binder b = bind_signature(journal, S_SIGNATURE_KNOWN, event);
	int err = look(&b, allowed);

	put_back(&b);
	if (err != 0 || *allowed)
		return err;
	b = bind_signature(journal, S_SIGNATURE_NEW, event);
	bind_u64(&b, event->signatures_a_day != 0 ? event->signatures_a_day
						  : RW_STORE_SIGNATURES_A_DAY);
	err = run(&b);
	*allowed = err == 0 && sqlite3_changes(journal->db) > 0;
	return err;
}

/* One row a host, kind and day, whose count grows. */
static int count_overflow(struct rw_journal *journal, const struct rw_journal_event *event)
{
	uint64_t day = day_of(event);
	struct binder b = bind_to(journal, S_OVERFLOW_ADD);

	bind_text(&b, event->text[RW_EVENT_HOST]);
	bind_text(&b, event->text[RW_EVENT_KIND]);
	bind_u64(&b, day);
	bind_u64(&b, event->count);
	bind_u64(&b, event->received_wall_ms);
	int err = run(&b);
	if (err != 0 || sqlite3_changes(journal->db) > 0)
		return err;

	struct rw_journal_event first = *event;
	first.text[RW_EVENT_SIGNATURE] = OVER_QUOTA;
	first.text[RW_EVENT_DETAIL] =
		"events of this kind beyond the host's quota on this day, only counted";
	first.text[RW_EVENT_COMM] = first.text[RW_EVENT_SYMBOL] = "";
	first.text[RW_EVENT_MODULE] = first.text[RW_EVENT_STACK] = "";
	first.text[RW_EVENT_FACTS] = "";
	err = insert_event(journal, &first);
	if (err != 0)
		return err;
	b = bind_to(journal, S_OVERFLOW_NEW);
	bind_text(&b, event->text[RW_EVENT_HOST]);
	bind_text(&b, event->text[RW_EVENT_KIND]);
	bind_u64(&b, day);
	bind_i64(&b, sqlite3_last_insert_rowid(journal->db));
	return run(&b);
}

/* Keeps the log of an event, if this host may have one more of that severity today. */
static int keep_excerpt(struct rw_journal *journal, const struct rw_journal_event *event,
			uint64_t row_id, const char *severity)
{
	struct binder b = bind_to(journal, S_EXCERPT_DAY);

	bind_u64(&b, day_of(event));
	bind_text(&b, event->text[RW_EVENT_HOST]);
	bind_text(&b, severity);
	bind_u64(&b, RW_STORE_EXCERPTS_A_DAY);
	int err = run(&b);
	if (err != 0)
		return err;
	if (sqlite3_changes(journal->db) == 0) {
		journal->counts.excerpts_over_quota++;
		return 0;
	}
	b = bind_to(journal, S_EXCERPT);
	bind_u64(&b, row_id);
	bind_blob(&b, event->log, event->log_size);
	bind_u64(&b, event->log_plain);
	journal->counts.excerpts_kept++;
	return run(&b);
}

/* The log of an event that came before. */
static int put_excerpt(struct rw_journal *journal, const struct rw_journal_event *event)
{
	bool found;

	if (event->over_quota) {
		journal->counts.excerpts_over_quota++;
		return 0;
	}
	struct binder b = bind_to(journal, S_EXCERPT_FIND);
	bind_text(&b, event->text[RW_EVENT_HOST]);
	bind_u64(&b, event->about);
	bind_id(&b, event->spool_id);
	bind_u64(&b, EXCERPT_ROWS);
	int err = look(&b, &found);
	if (err == 0 && !found)
		journal->counts.excerpts_unmatched++;
	if (err == 0 && found)
		err = keep_excerpt(journal, event, (uint64_t)sqlite3_column_int64(b.statement, 0),
				   (const char *)sqlite3_column_text(b.statement, 1));
	put_back(&b);
	return err;
}

static int put_happening(struct rw_journal *journal, const struct rw_journal_event *event)
{
	bool allowed = false;
	int err = event->over_quota ? 0 : may_have_signature(journal, event, &allowed);

	if (err != 0)
		return err;
	journal->counts.signatures_over_quota += !allowed && !event->over_quota;
	if (!allowed)
		return count_overflow(journal, event);
	err = insert_event(journal, event);
	if (err != 0 || event->log_size == 0)
		return err;
	return keep_excerpt(journal, event, (uint64_t)sqlite3_last_insert_rowid(journal->db),
			    event->text[RW_EVENT_SEVERITY]);
}

int rw_journal_put_event(struct rw_journal *journal, const struct rw_journal_event *event)
{
	int err = event->about != 0 ? put_excerpt(journal, event) : put_happening(journal, event);

	return err != 0 ? err : raise_mark(journal, event);
}

struct rw_journal_counts rw_journal_counts(const struct rw_journal *journal)
{
	return journal->counts;
}

int rw_journal_put_audit(struct rw_journal *journal, const struct rw_audit_row *row)
{
	struct binder b = bind_to(journal, S_AUDIT);

	bind_u64(&b, row->at_wall_ms);
	bind_text(&b, row->actor);
	bind_text(&b, row->action);
	bind_text(&b, row->subject);
	bind_text(&b, row->detail);
	return run(&b);
}

/* ---- retention ----------------------------------------------------------- */

static int sweep_piece(struct rw_journal *journal, enum statement which, uint64_t first,
		       uint64_t before_wall_ms)
{
	struct binder b = bind_to(journal, which);

	bind_u64(&b, first);
	bind_u64(&b, first + SWEEP_ROWS - 1);
	if (which != S_SWEEP_EXCERPTS)
		bind_u64(&b, before_wall_ms);
	if (which == S_SWEEP_EVENTS)
		bind_i64(&b, RW_DEPLOYMENT_ACTIVE);
	return run(&b);
}

/* Quotas of days that nothing will be counted for any more. */
static int sweep_days(struct rw_journal *journal, enum statement which, uint64_t first_day)
{
	struct binder b = bind_to(journal, which);

	bind_u64(&b, first_day);
	bind_u64(&b, SWEEP_DAY_ROWS);
	return run(&b);
}

int rw_journal_sweep(struct rw_journal *journal, uint64_t now_wall_ms, uint64_t before_wall_ms,
		     uint64_t *cursor)
{
	static const enum statement pieces[] = {S_SWEEP_EVENTS, S_SWEEP_EXCERPTS,
						S_SWEEP_TRANSITIONS};
	static const enum statement days[] = {S_SWEEP_OVERFLOWS, S_SWEEP_SIGNATURES,
					      S_SWEEP_EXCERPT_DAYS};
	uint64_t first = *cursor + 1;
	uint64_t today = now_wall_ms / DAY_MS;
	int err = rw_journal_begin(journal);

	if (err != 0)
		return err;
	for (size_t i = 0; err == 0 && i < sizeof(pieces) / sizeof(pieces[0]); i++)
		err = sweep_piece(journal, pieces[i], first, before_wall_ms);
	/* Yesterday's stay: the clock may have been set back a little. */
	for (size_t i = 0; err == 0 && today > 0 && i < sizeof(days) / sizeof(days[0]); i++)
		err = sweep_days(journal, days[i], today - 1);
	if (err == 0)
		err = rw_journal_commit(journal);
	if (err != 0) {
		rw_journal_rollback(journal);
		return err;
	}

	/* Rows grow with time: when the next ones are young, the rest is. */
	uint64_t last = first + SWEEP_ROWS - 1;
	sqlite3_stmt *next = journal->prepared[S_SWEEP_NEXT];
	sqlite3_bind_int64(next, 1, (sqlite3_int64)last);
	sqlite3_bind_int64(next, 2, (sqlite3_int64)before_wall_ms);
	bool more = sqlite3_step(next) == SQLITE_ROW && sqlite3_column_type(next, 0) != SQLITE_NULL;
	*cursor = more ? (uint64_t)sqlite3_column_int64(next, 0) - 1 : 0;
	sqlite3_reset(next);
	return 0;
}

/* ---- loading ------------------------------------------------------------- */

struct load {
	const struct rw_store_loader *loader;
	sqlite3_stmt *row;
	int next;
	bool bad; /* a column does not hold what it must */
	struct rw_change change;
};

static void take_text(struct load *load, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(load->row, load->next);
	size_t length = (size_t)sqlite3_column_bytes(load->row, load->next);

	load->next++;
	if (text == NULL || length >= size) {
		load->bad = true;
		return;
	}
	memcpy(out, text, length);
	out[length] = '\0';
}

#define TAKE_TEXT(load, array) take_text((load), (array), sizeof(array))

static uint64_t take_u64(struct load *load)
{
	return (uint64_t)sqlite3_column_int64(load->row, load->next++);
}

/* A number that must lie in min … max. */
static int take_choice(struct load *load, int min, int max)
{
	sqlite3_int64 value = sqlite3_column_int64(load->row, load->next++);

	if (value < min || value > max) {
		load->bad = true;
		return min;
	}
	return (int)value;
}

static bool take_bool(struct load *load)
{
	return take_choice(load, 0, 1) != 0;
}

static void take_id(struct load *load, uint8_t out[16])
{
	const void *blob = sqlite3_column_blob(load->row, load->next);
	int length = sqlite3_column_bytes(load->row, load->next);

	load->next++;
	if (blob == NULL || length != 16) {
		load->bad = true;
		return;
	}
	memcpy(out, blob, 16);
}

static void take_rings(struct load *load, struct rw_deployment_row *row)
{
	char text[RINGS_TEXT_BYTES];
	char *rest = text;

	text[0] = '\0';
	TAKE_TEXT(load, text);
	while (rest != NULL && *rest != '\0') {
		const char *name = strsep(&rest, " ");
		size_t length = strlen(name);
		if (length == 0 || length >= RW_CORE_NAME_BYTES ||
		    row->ring_count == RW_CORE_RINGS_MAX) {
			load->bad = true;
			return;
		}
		memcpy(row->rings[row->ring_count++], name, length + 1);
	}
}

static void load_host(struct load *load)
{
	struct rw_host_row *row = &load->change.host;

	load->change.type = RW_CHANGE_HOST;
	TAKE_TEXT(load, row->id);
	TAKE_TEXT(load, row->ring);
	row->presence = (enum rw_presence)take_choice(load, 0, RW_PRESENCE_COUNT - 1);
	row->previous = row->presence;
	take_id(load, row->boot_id);
	row->boot_order = take_u64(load);
	row->since_wall_ms = take_u64(load);
	row->heard_wall_ms = take_u64(load);
	row->goodbye = (enum rw_goodbye)take_choice(load, 0, RW_BYE_SENSOR_STOP);
	row->back_by_wall_ms = take_u64(load);
	load->change.at_wall_ms = row->since_wall_ms;
}

static void load_deployment(struct load *load)
{
	struct rw_deployment_row *row = &load->change.deployment;

	load->change.type = RW_CHANGE_DEPLOYMENT;
	TAKE_TEXT(load, row->id);
	TAKE_TEXT(load, row->component);
	TAKE_TEXT(load, row->version);
	row->exposure =
		(enum rw_exposure_mode)take_choice(load, RW_EXPOSURE_FIXED, RW_EXPOSURE_FIXED);
	row->state = (enum rw_deployment_state)take_choice(load, RW_DEPLOYMENT_ACTIVE,
							   RW_DEPLOYMENT_WITHDRAWN);
	row->created_wall_ms = take_u64(load);
	row->ended_wall_ms = take_u64(load);
	TAKE_TEXT(load, row->reason);
	take_rings(load, row);
	load->change.at_wall_ms = row->created_wall_ms;
}

static void load_run(struct load *load)
{
	struct rw_run_row *row = &load->change.run;

	load->change.type = RW_CHANGE_RUN;
	TAKE_TEXT(load, row->deployment);
	TAKE_TEXT(load, row->ring);
	row->step = (uint32_t)take_choice(load, 0, RW_CORE_STEPS_MAX);
	row->started_wall_ms = take_u64(load);
	row->target = take_u64(load);
	row->observed_ms = take_u64(load);
	row->breaker_open = take_bool(load);
	row->rule = (enum rw_rule)take_choice(load, 0, RW_RULE_COUNT - 1);
	row->grade = (enum rw_grade)take_choice(load, 0, RW_GRADE_EVIDENCE);
	row->opened_wall_ms = take_u64(load);
	row->opened_failed = take_u64(load);
	row->opened_at_risk = take_u64(load);
	load->change.at_wall_ms = row->started_wall_ms;
}

static void load_exposure(struct load *load)
{
	struct rw_exposure_row *row = &load->change.exposure;

	load->change.type = RW_CHANGE_EXPOSURE;
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
}

static void load_evidence(struct load *load)
{
	struct rw_evidence_row *row = &load->change.evidence;

	load->change.type = RW_CHANGE_EVIDENCE;
	TAKE_TEXT(load, row->deployment);
	TAKE_TEXT(load, row->ring);
	TAKE_TEXT(load, row->host);
	TAKE_TEXT(load, row->kind);
	TAKE_TEXT(load, row->event);
	TAKE_TEXT(load, row->signature);
	row->at_wall_ms = take_u64(load);
	load->change.at_wall_ms = row->at_wall_ms;
}

static int load_spool(struct load *load)
{
	char host[RW_CORE_NAME_BYTES] = "";
	uint8_t id[16] = {0};

	TAKE_TEXT(load, host);
	take_id(load, id);
	uint64_t sequence = take_u64(load);
	if (load->bad || load->loader->spool == NULL)
		return 0;
	return load->loader->spool(load->loader->context, host, id, sequence);
}

/* In the order that rw_core_restore() wants. `take` NULL: the spools. */
static const struct {
	const char *table;
	const char *sql;
	void (*take)(struct load *load);
} load_order[] = {
	{"deployments",
	 "SELECT deployment, component, version, exposure, state, created_wall_ms, ended_wall_ms,"
	 " reason, rings FROM deployments ORDER BY row_id",
	 load_deployment},
	{"hosts",
	 "SELECT host, ring, presence, boot_id, boot_order, since_wall_ms, heard_wall_ms, goodbye,"
	 " back_by_wall_ms FROM hosts ORDER BY row_id",
	 load_host},
	{"spools", "SELECT host, spool_id, sequence FROM spools ORDER BY used_wall_ms", NULL},
	{"runs",
	 "SELECT deployment, ring, step, started_wall_ms, target, observed_ms, breaker_open, rule,"
	 " grade, opened_wall_ms, opened_failed, opened_at_risk FROM runs",
	 load_run},
	{"exposures",
	 "SELECT deployment, host, ring, boot_order, boot_ms, alive, heard, crashed, recovered,"
	 " acknowledged FROM exposures",
	 load_exposure},
	{"evidence",
	 "SELECT deployment, ring, host, kind, event, signature, at_wall_ms FROM evidence"
	 " ORDER BY row_id",
	 load_evidence},
};

static int load_table(struct rw_journal *journal, struct load *load, size_t which,
		      char error[RW_STORE_ERROR_BYTES])
{
	int code = sqlite3_prepare_v2(journal->db, load_order[which].sql, -1, &load->row, NULL);
	int err = 0;

	while (code == SQLITE_OK || code == SQLITE_ROW) {
		code = sqlite3_step(load->row);
		if (code != SQLITE_ROW)
			break;
		load->next = 0;
		load->bad = false;
		memset(&load->change, 0, sizeof(load->change));
		if (load_order[which].take == NULL)
			err = load_spool(load);
		else
			load_order[which].take(load);
		if (load->bad) {
			snprintf(error, RW_STORE_ERROR_BYTES,
				 "the store is damaged: a row of %s holds what cannot be",
				 load_order[which].table);
			err = -EUCLEAN;
		} else if (load_order[which].take != NULL) {
			err = load->loader->row(load->loader->context, &load->change);
		}
		if (err != 0)
			break;
	}
	if (err == 0 && code != SQLITE_DONE) {
		err = rw_journal_errno(code);
		snprintf(error, RW_STORE_ERROR_BYTES, "cannot read %s: %s", load_order[which].table,
			 rw_journal_error(journal));
	}
	sqlite3_finalize(load->row);
	load->row = NULL;
	return err;
}

int rw_journal_load(struct rw_journal *journal, const struct rw_store_loader *loader,
		    char error[RW_STORE_ERROR_BYTES])
{
	struct load load = {.loader = loader};

	error[0] = '\0';
	for (size_t i = 0; i < sizeof(load_order) / sizeof(load_order[0]); i++) {
		int err = load_table(journal, &load, i, error);
		if (err != 0)
			return err;
	}
	return 0;
}
