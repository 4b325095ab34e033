/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be told to webhooks: the rows of `deliveries`, as they are written and as they
 * are read. What becomes of them is decided elsewhere: in collector/webhook/.
 */
#include <errno.h>
#include <string.h>

#include "collector/store/internal.h"

static const char *const state_names[] = {"", "pending", "delivered", "dead", "skipped"};

const char *rw_delivery_state_name(enum rw_delivery_state state)
{
	return state_names[state];
}

bool rw_delivery_state_parse(const char *name, enum rw_delivery_state *out)
{
	for (int i = RW_DELIVERY_PENDING; i <= RW_DELIVERY_SKIPPED; i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*out = (enum rw_delivery_state)i;
			return true;
		}
	}
	return false;
}

/* ---- writing ----------------------------------------------------------------------- */

static int overtake(struct rw_journal *journal, const struct rw_delivery_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_DELIVERY_OVERTAKE);

	rw_bind_text(&b, row->target);
	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->ring);
	rw_bind_u64(&b, row->created_wall_ms);
	return rw_binder_run(&b);
}

static int make_room(struct rw_journal *journal, const struct rw_delivery_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_DELIVERY_CROWD);

	rw_bind_text(&b, row->target);
	rw_bind_u64(&b, row->created_wall_ms);
	rw_bind_u64(&b, row->pending_max);
	return rw_binder_run(&b);
}

int rw_journal_put_delivery(struct rw_journal *journal, const struct rw_delivery_row *row)
{
	bool is_skipped = row->skip[0] != '\0';
	int err = 0;

	if (strcmp(row->kind, RW_DELIVERY_BREAKER) != 0)
		err = overtake(journal, row);
	if (err == 0 && !is_skipped)
		err = make_room(journal, row);
	if (err != 0)
		return err;
	struct rw_binder b = rw_bind_to(journal, S_DELIVERY_NEW);

	rw_bind_text(&b, row->delivery);
	rw_bind_text(&b, row->target);
	rw_bind_text(&b, row->kind);
	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->ring);
	rw_bind_text(&b, row->body);
	rw_bind_u64(&b, row->created_wall_ms);
	rw_bind_i64(&b, is_skipped ? RW_DELIVERY_SKIPPED : RW_DELIVERY_PENDING);
	rw_bind_u64(&b, is_skipped ? row->created_wall_ms : 0);
	rw_bind_text(&b, row->skip);
	return rw_binder_run(&b);
}

int rw_journal_put_delivery_result(struct rw_journal *journal,
				   const struct rw_delivery_result *result)
{
	struct rw_binder b = rw_bind_to(journal, S_DELIVERY_RESULT);

	rw_bind_text(&b, result->delivery);
	rw_bind_i64(&b, result->state);
	rw_bind_u64(&b, result->next_wall_ms);
	rw_bind_u64(&b, result->now_wall_ms);
	rw_bind_text(&b, result->error);
	return rw_binder_run(&b);
}

int rw_journal_retry_delivery(struct rw_journal *journal, const struct rw_delivery_result *result)
{
	struct rw_binder b = rw_bind_to(journal, S_DELIVERY_RETRY);

	rw_bind_text(&b, result->delivery);
	rw_bind_u64(&b, result->now_wall_ms);
	return rw_binder_run(&b);
}

/* ---- reading ----------------------------------------------------------------------- */

#define COLUMNS                                                                                    \
	"SELECT row_id, delivery, target, kind, deployment, ring, created_wall_ms, state,"         \
	" attempts, next_wall_ms, ended_wall_ms, error"
enum { BODY_COLUMN = 12 };

static const char *text(sqlite3_stmt *statement, int column)
{
	const char *value = (const char *)sqlite3_column_text(statement, column);

	return value == NULL ? "" : value;
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

/* A number that cannot be is the table's damage; it is shown as pending, and tried. */
static enum rw_delivery_state state_of(uint64_t value)
{
	return value >= RW_DELIVERY_PENDING && value <= RW_DELIVERY_SKIPPED
		       ? (enum rw_delivery_state)value
		       : RW_DELIVERY_PENDING;
}

static int hand_out(sqlite3_stmt *s, rw_delivery_fn *row, void *context)
{
	const struct rw_delivery_read read = {
		.row_id = number(s, 0),
		.delivery = text(s, 1),
		.target = text(s, 2),
		.kind = text(s, 3),
		.deployment = text(s, 4),
		.ring = text(s, 5),
		.created_wall_ms = number(s, 6),
		.state = state_of(number(s, 7)),
		.attempts = number(s, 8),
		.next_wall_ms = number(s, 9),
		.ended_wall_ms = number(s, 10),
		.error = text(s, 11),
		.body = sqlite3_column_count(s) > BODY_COLUMN ? text(s, BODY_COLUMN) : NULL,
	};

	return row(context, &read);
}

/* A value to bind: a text, or the number when that is NULL. */
struct value {
	const char *text;
	uint64_t number;
};

/* Prepares, binds in order, hands out each row and ends; or stops at what `row` returns. */
static int query(struct rw_store_reader *reader, const char *sql, const struct value *values,
		 int count, rw_delivery_fn *row, void *context)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
	int err = 0;

	for (int i = 0; code == SQLITE_OK && i < count; i++)
		code = values[i].text != NULL ? sqlite3_bind_text(statement, i + 1, values[i].text,
								  -1, SQLITE_STATIC)
					      : sqlite3_bind_int64(statement, i + 1,
								   (sqlite3_int64)values[i].number);
	if (code == SQLITE_OK) {
		while (err == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
			err = hand_out(statement, row, context);
		if (err == 0 && code != SQLITE_DONE)
			err = rw_journal_errno(code);
	} else {
		err = rw_journal_errno(code);
	}
	sqlite3_finalize(statement);
	return err;
}

static const char *or_empty(const char *value)
{
	return value == NULL ? "" : value;
}

int rw_store_reader_deliveries(struct rw_store_reader *reader,
			       const struct rw_delivery_query *asked, rw_delivery_fn *row,
			       void *context)
{
	static const char sql[] = COLUMNS " FROM deliveries WHERE (?1='' OR target=?1)"
					  " AND (?2='' OR delivery=?2) AND (?3=0 OR state=?3)"
					  " AND (?4=0 OR row_id<?4) ORDER BY row_id DESC LIMIT ?5";
	const struct value values[] = {{.text = or_empty(asked->target)},
				       {.text = or_empty(asked->delivery)},
				       {.number = asked->state},
				       {.number = asked->cursor},
				       {.number = asked->limit}};

	return query(reader, sql, values, 5, row, context);
}

int rw_store_reader_deliveries_due(struct rw_store_reader *reader, const char *target,
				   uint64_t now_wall_ms, uint64_t latest_wall_ms, uint32_t limit,
				   rw_delivery_fn *row, void *context)
{
	static const char sql[] =
		COLUMNS ", body FROM deliveries WHERE state=1 AND target=?1 AND"
			" (next_wall_ms<=?2 OR next_wall_ms>?3) ORDER BY next_wall_ms, row_id"
			" LIMIT ?4";
	const struct value values[] = {{.text = target},
				       {.number = now_wall_ms},
				       {.number = latest_wall_ms},
				       {.number = limit}};

	return query(reader, sql, values, 4, row, context);
}

int rw_store_reader_deliveries_told(struct rw_store_reader *reader, rw_delivery_fn *row,
				    void *context)
{
	static const char sql[] =
		COLUMNS " FROM deliveries WHERE row_id IN (" RW_STORE_LAST_TOLD ")";

	return query(reader, sql, NULL, 0, row, context);
}

int rw_store_reader_deliveries_counts(struct rw_store_reader *reader, rw_delivery_fn *row,
				      void *context)
{
	static const char sql[] = "SELECT 0, '', target, '', '', '', 0, state, count(*), 0, 0, ''"
				  " FROM deliveries WHERE state IN (1, 3) GROUP BY target, state";

	return query(reader, sql, NULL, 0, row, context);
}

/* Of a query for one number. */
static int take_number(struct rw_store_reader *reader, const char *sql, const struct value *value,
		       bool *found, uint64_t *out)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = value->text != NULL
			       ? sqlite3_bind_text(statement, 1, value->text, -1, SQLITE_STATIC)
			       : sqlite3_bind_int64(statement, 1, (sqlite3_int64)value->number);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	*found = code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL;
	*out = *found ? number(statement, 0) : 0;
	sqlite3_finalize(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : rw_journal_errno(code);
}

int rw_store_reader_deliveries_next(struct rw_store_reader *reader, uint64_t now_wall_ms,
				    uint64_t *next_wall_ms)
{
	static const char sql[] =
		"SELECT min(next_wall_ms) FROM deliveries WHERE state=1 AND next_wall_ms>?1";
	bool found;

	return take_number(reader, sql, &(struct value){.number = now_wall_ms}, &found,
			   next_wall_ms);
}

int rw_store_reader_delivery_overtaken(struct rw_store_reader *reader, const char *delivery,
				       bool *overtaken)
{
	static const char sql[] =
		"SELECT kind<>'" RW_DELIVERY_BREAKER "' AND EXISTS (SELECT 1 FROM deliveries n"
		" WHERE n.target=d.target AND n.deployment=d.deployment AND n.ring=d.ring"
		" AND n.kind<>'" RW_DELIVERY_BREAKER "' AND n.row_id>d.row_id)"
		" FROM deliveries d WHERE delivery=?1";
	uint64_t value = 0;
	bool found = false;
	int err = take_number(reader, sql, &(struct value){.text = delivery}, &found, &value);

	*overtaken = value != 0;
	return err != 0 ? err : found ? 0 : -ENOENT;
}
