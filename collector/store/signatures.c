/* SPDX-License-Identifier: Apache-2.0 */
/* What the events have in common: one row a signature, counted where it was seen. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

#include "collector/store/internal.h"
#include "collector/store/store.h"

/*
 * ?1 ring, ?2 deployment, ?3 since, ?4 the newest row of the first page, ?5 and ?6 where
 * the page begins, ?7 limit, ?8 how many rows are looked at, ?9 active. A signature was
 * first seen by the row of it that came first, which its index finds at once.
 */
static const char sql[] =
	"WITH chosen AS (SELECT signature, count(DISTINCT host) AS hosts, sum(count) AS events,"
	" max(at_wall_ms) AS last_at, max(row_id) AS last_row, group_concat(DISTINCT ring) AS rings"
	" FROM events WHERE row_id<=?4 AND row_id>?4-?8 AND signature NOT IN"
	" ('', '" RW_STORE_OVER_QUOTA "') AND drill='' AND (?1='' OR ring=?1) AND at_wall_ms>=?3"
	" AND (?2='' OR EXISTS (SELECT 1 FROM exposures x WHERE x.deployment=?2 AND"
	" x.host=events.host AND (events.boot_order>x.boot_order OR"
	" (events.boot_order=x.boot_order AND events.boot_ms>=x.boot_ms))))"
	" GROUP BY signature),"
	" page AS (SELECT * FROM chosen WHERE ?5=0 OR last_at<?5 OR (last_at=?5 AND last_row<?6)"
	" ORDER BY last_at DESC, last_row DESC LIMIT ?7),"
	" begun AS (SELECT d.deployment AS id, min(min(r.started_wall_ms),"
	" coalesce((SELECT min(x.at_wall_ms) FROM exposures x WHERE x.deployment=d.deployment"
	" AND x.at_wall_ms>0), min(r.started_wall_ms))) AS at"
	" FROM deployments d JOIN runs r ON r.deployment=d.deployment AND r.started_wall_ms>0"
	" WHERE d.state=?9 GROUP BY d.deployment),"
	" dated AS (SELECT p.*, (SELECT at_wall_ms FROM events f WHERE f.signature=p.signature"
	" ORDER BY f.row_id LIMIT 1) AS first_at FROM page p)"
	" SELECT e.signature, e.kind, e.symbol, e.module, e.detail, p.hosts, p.events, p.first_at,"
	" p.last_at, p.last_row, p.rings,"
	" coalesce((SELECT group_concat(id) FROM begun WHERE at<p.first_at), '')"
	" FROM dated p JOIN events e ON e.row_id=p.last_row"
	" ORDER BY p.last_at DESC, p.last_row DESC";

static const char *text(sqlite3_stmt *statement, int column)
{
	const char *value = (const char *)sqlite3_column_text(statement, column);
	return value == NULL ? "" : value;
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

static int read_bound(sqlite3 *db, uint64_t *out)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, "SELECT coalesce(max(row_id), 0) FROM events", -1,
				      &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*out = number(statement, 0);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : rw_journal_errno(code);
}

static int bind(sqlite3_stmt *s, const struct rw_signature_query *query, uint64_t bound)
{
	const char *const texts[] = {query->ring, query->deployment};
	const uint64_t numbers[] = {query->since_wall_ms, bound,        query->last_wall_ms,
				    query->last_row,      query->limit, RW_STORE_SIGNATURE_EVENTS,
				    RW_DEPLOYMENT_ACTIVE};
	int code = SQLITE_OK;

	for (int i = 0; code == SQLITE_OK && i < 2; i++)
		code = sqlite3_bind_text(s, 1 + i, texts[i] == NULL ? "" : texts[i], -1,
					 SQLITE_STATIC);
	for (int i = 0; code == SQLITE_OK && i < 7; i++)
		code = sqlite3_bind_int64(s, 3 + i, (sqlite3_int64)numbers[i]);
	return code;
}

int rw_store_reader_signatures(struct rw_store_reader *reader,
			       const struct rw_signature_query *query,
			       int (*row)(void *context, const struct rw_signature_read *row),
			       void *context)
{
	uint64_t bound = query->bound;
	sqlite3_stmt *s = NULL;
	int err = bound != 0 ? 0 : read_bound(reader->db, &bound);

	if (err != 0)
		return err;
	int code = sqlite3_prepare_v2(reader->db, sql, -1, &s, NULL);
	if (code == SQLITE_OK)
		code = bind(s, query, bound);
	while (code == SQLITE_OK && err == 0 && (code = sqlite3_step(s)) == SQLITE_ROW) {
		const struct rw_signature_read found = {
			.bound = bound,
			.signature = text(s, 0),
			.kind = text(s, 1),
			.symbol = text(s, 2),
			.module = text(s, 3),
			.detail = text(s, 4),
			.hosts = number(s, 5),
			.events = number(s, 6),
			.first_wall_ms = number(s, 7),
			.last_wall_ms = number(s, 8),
			.last_row = number(s, 9),
			.rings = text(s, 10),
			.new_since = text(s, 11),
		};
		err = row(context, &found);
		code = SQLITE_OK;
	}
	sqlite3_finalize(s);
	if (err == 0 && code != SQLITE_OK && code != SQLITE_DONE)
		err = rw_journal_errno(code);
	return err;
}
