/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading beside the writer: each reader is a connection of its own that
 * cannot write, and each call one short read transaction, so that the WAL can
 * be checkpointed.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/internal.h"
#include "collector/store/store.h"

enum { READ_LIMIT_MAX = 10000, SQL_BYTES = 2048, FILTERS_MAX = 16, SPOOL_HEX_BYTES = 33 };

int rw_store_reader_open(const char *path, struct rw_store_reader **out,
			 char error[RW_STORE_ERROR_BYTES])
{
	struct rw_store_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL) {
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: out of memory", path);
		return -ENOMEM;
	}
	int code = sqlite3_open_v2(path, &reader->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				   NULL);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(reader->db, 2000);
		code = sqlite3_exec(reader->db, "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF",
				    NULL, NULL, NULL);
	}
	if (code != SQLITE_OK) {
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: cannot be read: %s", path,
			 sqlite3_errmsg(reader->db));
		rw_store_reader_close(reader);
		return rw_journal_errno(code);
	}
	*out = reader;
	return 0;
}

void rw_store_reader_close(struct rw_store_reader *reader)
{
	if (reader == NULL)
		return;
	sqlite3_close(reader->db);
	free(reader);
}

/* ---- a query whose conditions come one by one -------------------------------- */

struct query {
	char sql[SQL_BYTES];
	size_t used;
	bool has_condition;
	bool oldest_first;
	int filters;
	struct {
		const char *text; /* NULL: the number */
		uint64_t number;
	} filter[FILTERS_MAX];
};

static void add_sql(struct query *query, const char *sql)
{
	size_t length = strlen(sql);

	if (length >= sizeof(query->sql) - query->used)
		return; /* all texts are ours and fit; a cut one would not prepare */
	memcpy(query->sql + query->used, sql, length + 1);
	query->used += length;
}

static void add_condition(struct query *query, const char *condition)
{
	add_sql(query, query->has_condition ? " AND " : " WHERE ");
	add_sql(query, condition);
	query->has_condition = true;
}

static void filter_text(struct query *query, const char *condition, const char *value)
{
	if (value == NULL || value[0] == '\0' || query->filters == FILTERS_MAX)
		return;
	add_condition(query, condition);
	query->filter[query->filters++].text = value;
}

static void filter_number(struct query *query, const char *condition, uint64_t value)
{
	if (value == 0 || query->filters == FILTERS_MAX)
		return;
	add_condition(query, condition);
	query->filter[query->filters++].number = value;
}

static int prepare(struct rw_store_reader *reader, struct query *query, uint32_t limit,
		   sqlite3_stmt **out)
{
	add_sql(query,
		query->oldest_first ? " ORDER BY row_id LIMIT ?" : " ORDER BY row_id DESC LIMIT ?");
	int code = sqlite3_prepare_v2(reader->db, query->sql, -1, out, NULL);
	for (int i = 0; code == SQLITE_OK && i < query->filters; i++) {
		if (query->filter[i].text != NULL)
			code = sqlite3_bind_text(*out, i + 1, query->filter[i].text, -1,
						 SQLITE_STATIC);
		else
			code = sqlite3_bind_int64(*out, i + 1,
						  (sqlite3_int64)query->filter[i].number);
	}
	if (limit == 0 || limit > READ_LIMIT_MAX)
		limit = READ_LIMIT_MAX;
	if (code == SQLITE_OK)
		code = sqlite3_bind_int64(*out, query->filters + 1, limit);
	if (code != SQLITE_OK) {
		sqlite3_finalize(*out);
		*out = NULL;
	}
	return rw_journal_errno(code);
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

static const char *text(sqlite3_stmt *statement, int column)
{
	const char *value = (const char *)sqlite3_column_text(statement, column);
	return value == NULL ? "" : value;
}

/* Steps to the end; `emit` makes the caller's row. Ends the statement. */
static int each_row(sqlite3_stmt *statement, int (*emit)(sqlite3_stmt *statement, void *context),
		    void *context)
{
	int code;
	int err = 0;

	while (err == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
		err = emit(statement, context);
	if (err == 0 && code != SQLITE_DONE)
		err = rw_journal_errno(code);
	sqlite3_finalize(statement);
	return err;
}

/* ---- events -------------------------------------------------------------------- */

#define EVENT_COLUMNS                                                                              \
	"SELECT row_id, sequence, at_wall_ms, received_wall_ms, boot_order, boot_ms,"              \
	" cpu, pid, count, error, host, ring, kind, severity, source, boot_id, comm,"              \
	" signature, symbol, module, detail, stack, spool_id, facts,"                              \
	" EXISTS (SELECT 1 FROM excerpts WHERE event_row_id=row_id)"

enum { LOG_COLUMN = 25 };

struct event_sink {
	int (*row)(void *context, const struct rw_event_row *row);
	void *context;
};

static void hex_of(sqlite3_stmt *statement, int column, char out[SPOOL_HEX_BYTES])
{
	const unsigned char *bytes = sqlite3_column_blob(statement, column);
	int length = sqlite3_column_bytes(statement, column);

	out[0] = '\0';
	for (int i = 0; bytes != NULL && i < length && i < (SPOOL_HEX_BYTES - 1) / 2; i++)
		snprintf(out + 2 * (size_t)i, 3, "%02x", bytes[i]);
}

static int emit_event(sqlite3_stmt *s, void *context)
{
	struct event_sink *sink = context;
	char spool_id[SPOOL_HEX_BYTES];
	struct rw_event_row row = {
		.row_id = number(s, 0),
		.sequence = number(s, 1),
		.at_wall_ms = number(s, 2),
		.received_wall_ms = number(s, 3),
		.boot_order = number(s, 4),
		.boot_ms = number(s, 5),
		.cpu = (uint32_t)number(s, 6),
		.pid = (uint32_t)number(s, 7),
		.count = (uint32_t)number(s, 8),
		.error = sqlite3_column_int(s, 9),
		.host = text(s, 10),
		.ring = text(s, 11),
		.spool_id = spool_id,
		.kind = text(s, 12),
		.severity = text(s, 13),
		.source = text(s, 14),
		.boot_id = text(s, 15),
		.comm = text(s, 16),
		.signature = text(s, 17),
		.symbol = text(s, 18),
		.module = text(s, 19),
		.detail = text(s, 20),
		.stack = text(s, 21),
		.facts = text(s, 23),
		.has_log = sqlite3_column_int(s, 24) != 0,
	};

	hex_of(s, 22, spool_id);
	if (sqlite3_column_count(s) > LOG_COLUMN && row.has_log) {
		row.log = sqlite3_column_blob(s, LOG_COLUMN);
		row.log_size = (size_t)sqlite3_column_bytes(s, LOG_COLUMN);
		row.log_bytes = (uint32_t)number(s, LOG_COLUMN + 1);
	}
	return sink->row(sink->context, &row);
}

int rw_store_reader_events(struct rw_store_reader *reader, const struct rw_event_query *asked,
			   int (*row)(void *context, const struct rw_event_row *row), void *context)
{
	struct event_sink sink = {row, context};
	struct query query = {.oldest_first = asked->oldest_first};
	sqlite3_stmt *statement;

	add_sql(&query, EVENT_COLUMNS " FROM events");
	filter_text(&query, "host=?", asked->host);
	filter_text(&query, "ring=?", asked->ring);
	filter_text(&query, "kind=?", asked->kind);
	filter_text(&query, "signature=?", asked->signature);
	/* Of hosts that the deployment has exposed, from their exposure on, as the
	 * judgement counts: by boot order and that boot's clock, not by arrival. */
	filter_text(
		&query,
		"EXISTS (SELECT 1 FROM exposures x WHERE x.deployment=? AND x.host=events.host AND"
		" (events.boot_order > x.boot_order OR (events.boot_order = x.boot_order AND"
		" events.boot_ms >= x.boot_ms)))",
		asked->deployment);
	filter_number(&query, "at_wall_ms>=?", asked->since_wall_ms);
	filter_number(&query, "at_wall_ms<=?", asked->until_wall_ms);
	filter_number(&query, asked->oldest_first ? "row_id>?" : "row_id<?", asked->cursor);
	int err = prepare(reader, &query, asked->limit, &statement);
	return err != 0 ? err : each_row(statement, emit_event, &sink);
}

int rw_store_reader_event(struct rw_store_reader *reader, const char *host,
			  const uint8_t spool_id[16], uint64_t sequence,
			  int (*row)(void *context, const struct rw_event_row *row), void *context)
{
	static const char sql[] = EVENT_COLUMNS
		", log, log_bytes FROM events LEFT JOIN excerpts ON event_row_id=row_id"
		" WHERE host=?1 AND spool_id=?2 AND sequence=?3 ORDER BY row_id DESC LIMIT 1";
	struct event_sink sink = {row, context};
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_bind_text(statement, 1, host, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_bind_blob(statement, 2, spool_id, 16, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_bind_int64(statement, 3, (sqlite3_int64)sequence);
	if (code != SQLITE_OK) {
		sqlite3_finalize(statement);
		return rw_journal_errno(code);
	}
	return each_row(statement, emit_event, &sink);
}

/* ---- audit ---------------------------------------------------------------------- */

struct audit_sink {
	int (*row)(void *context, const struct rw_audit_read *row);
	void *context;
};

static int emit_audit(sqlite3_stmt *s, void *context)
{
	struct audit_sink *sink = context;
	struct rw_audit_read row = {
		.row_id = number(s, 0),
		.at_wall_ms = number(s, 1),
		.actor = text(s, 2),
		.action = text(s, 3),
		.subject = text(s, 4),
		.detail = text(s, 5),
	};

	return sink->row(sink->context, &row);
}

int rw_store_reader_audit(struct rw_store_reader *reader, uint64_t cursor, uint32_t limit,
			  int (*row)(void *context, const struct rw_audit_read *row), void *context)
{
	struct audit_sink sink = {row, context};
	struct query query = {0};
	sqlite3_stmt *statement;

	add_sql(&query, "SELECT row_id, at_wall_ms, actor, action, subject, detail FROM audit");
	filter_number(&query, "row_id<?", cursor);
	int err = prepare(reader, &query, limit, &statement);
	return err != 0 ? err : each_row(statement, emit_audit, &sink);
}

/* ---- drills --------------------------------------------------------------------- */

struct drill_sink {
	int (*row)(void *context, uint64_t row_id, const struct rw_drill_row *row);
	void *context;
};

static int emit_drill(sqlite3_stmt *s, void *context)
{
	struct drill_sink *sink = context;
	struct rw_drill_row row;

	return rw_drill_row_read(s, 1, &row) ? sink->row(sink->context, number(s, 0), &row)
					     : -EUCLEAN;
}

int rw_store_reader_drills(struct rw_store_reader *reader, const struct rw_drill_query *wanted,
			   int (*row)(void *context, uint64_t row_id,
				      const struct rw_drill_row *row),
			   void *context)
{
	struct drill_sink sink = {row, context};
	struct query query = {0};
	sqlite3_stmt *statement;

	add_sql(&query, "SELECT row_id, " RW_DRILL_COLUMNS " FROM drills");
	filter_text(&query, "ring=?", wanted->ring);
	filter_text(&query, "drill=?", wanted->drill);
	filter_number(&query, "row_id<?", wanted->cursor);
	int err = prepare(reader, &query, wanted->limit, &statement);
	return err != 0 ? err : each_row(statement, emit_drill, &sink);
}

/* ---- slots ---------------------------------------------------------------------- */

struct slot_sink {
	int (*row)(void *context, const struct rw_slot_row *row);
	void *context;
};

static int emit_slot(sqlite3_stmt *s, void *context)
{
	struct slot_sink *sink = context;
	const struct rw_slot_row row = {
		.ring = text(s, 0), .holder = text(s, 1), .reserved_wall_ms = number(s, 2)};

	return sink->row(sink->context, &row);
}

int rw_store_reader_slots(struct rw_store_reader *reader,
			  int (*row)(void *context, const struct rw_slot_row *row), void *context)
{
	static const char sql[] = "SELECT ring, id, reserved_wall_ms FROM fleetlock_slots";
	struct slot_sink sink = {row, context};
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);

	return code != SQLITE_OK ? rw_journal_errno(code) : each_row(statement, emit_slot, &sink);
}

/* ---- transitions ------------------------------------------------------------------ */

struct transition_sink {
	int (*row)(void *context, const struct rw_transition_read *row);
	void *context;
};

static const char *presence_text(uint64_t presence)
{
	return presence < RW_PRESENCE_COUNT ? rw_presence_name((enum rw_presence)presence)
					    : "unknown";
}

static int emit_transition(sqlite3_stmt *s, void *context)
{
	struct transition_sink *sink = context;
	struct rw_transition_read row = {
		.row_id = number(s, 0),
		.at_wall_ms = number(s, 1),
		.host = text(s, 2),
		.ring = text(s, 3),
		.from = presence_text(number(s, 4)),
		.to = presence_text(number(s, 5)),
	};

	return sink->row(sink->context, &row);
}

int rw_store_reader_transitions(struct rw_store_reader *reader, const char *host, uint64_t cursor,
				uint32_t limit,
				int (*row)(void *context, const struct rw_transition_read *row),
				void *context)
{
	struct transition_sink sink = {row, context};
	struct query query = {0};
	sqlite3_stmt *statement;

	add_sql(&query, "SELECT row_id, at_wall_ms, host, ring, was, is_now FROM transitions");
	filter_text(&query, "host=?", host);
	filter_number(&query, "row_id<?", cursor);
	int err = prepare(reader, &query, limit, &statement);
	return err != 0 ? err : each_row(statement, emit_transition, &sink);
}

int rw_store_reader_transitions_after(
	struct rw_store_reader *reader, uint64_t row_id, uint32_t limit,
	int (*row)(void *context, const struct rw_transition_read *row), void *context)
{
	struct transition_sink sink = {row, context};
	struct query query = {.oldest_first = true};
	sqlite3_stmt *statement;

	add_sql(&query, "SELECT row_id, at_wall_ms, host, ring, was, is_now FROM transitions");
	filter_number(&query, "row_id>?", row_id);
	int err = prepare(reader, &query, limit, &statement);
	return err != 0 ? err : each_row(statement, emit_transition, &sink);
}

static int take_newest(sqlite3_stmt *s, void *context)
{
	struct rw_store_newest *out = context;

	*out = (struct rw_store_newest){number(s, 0), number(s, 1)};
	return 0;
}

int rw_store_reader_newest(struct rw_store_reader *reader, struct rw_store_newest *out)
{
	static const char sql[] = "SELECT (SELECT coalesce(max(row_id), 0) FROM events),"
				  " (SELECT coalesce(max(row_id), 0) FROM transitions)";
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);

	return code != SQLITE_OK ? rw_journal_errno(code) : each_row(statement, take_newest, out);
}

/* ---- samples of a bake -------------------------------------------------------------- */

struct sample_sink {
	int (*row)(void *context, const struct rw_sample_row *row);
	void *context;
};

static int emit_sample(sqlite3_stmt *s, void *context)
{
	struct sample_sink *sink = context;
	struct rw_sample_row row = {
		.at_wall_ms = number(s, 0),
		.step = (uint32_t)number(s, 1),
		.decision = (enum rw_decision)number(s, 2),
		.breaker_open = number(s, 3) != 0,
		.exposed = number(s, 4),
		.at_risk = number(s, 5),
		.failed = number(s, 6),
		.unheard = number(s, 7),
		.coverage_ppm = (uint32_t)number(s, 8),
		.observed_ms = number(s, 9),
	};

	return sink->row(sink->context, &row);
}

int rw_store_reader_samples(struct rw_store_reader *reader, const char *deployment,
			    const char *ring,
			    int (*row)(void *context, const struct rw_sample_row *row),
			    void *context)
{
	static const char sql[] =
		"SELECT at_wall_ms, step, verdict, breaker_open, exposed, at_risk, failed, unheard,"
		" coverage, observed_ms FROM bake_samples WHERE deployment=?1 AND ring=?2"
		" ORDER BY at_wall_ms";
	struct sample_sink sink = {row, context};
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_bind_text(statement, 1, deployment, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(statement, 2, ring, -1, SQLITE_STATIC);
	if (code != SQLITE_OK) {
		sqlite3_finalize(statement);
		return rw_journal_errno(code);
	}
	return each_row(statement, emit_sample, &sink);
}
