/* SPDX-License-Identifier: Apache-2.0 */
/* Drills: the rows of staged failures, in and out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/store/internal.h"

enum { DRILL_TEXTS = 5, DRILL_NUMBERS = 3 };

int rw_journal_put_drill(struct rw_journal *journal, const struct rw_drill_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_DRILL);

	rw_bind_text(&b, row->drill);
	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->ring);
	rw_bind_text(&b, row->host);
	rw_bind_text(&b, row->actor);
	rw_bind_u64(&b, row->started_wall_ms);
	rw_bind_u64(&b, row->proved_wall_ms);
	rw_bind_u64(&b, row->ended_wall_ms);
	rw_bind_text(&b, row->detail);
	return rw_binder_run(&b);
}

static bool take_text(sqlite3_stmt *s, int column, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	size_t length = (size_t)sqlite3_column_bytes(s, column);

	if (text == NULL || length >= size || strlen(text) != length)
		return false;
	memcpy(out, text, length + 1);
	return true;
}

bool rw_drill_row_read(sqlite3_stmt *s, int first, struct rw_drill_row *out)
{
	const int numbers = first + DRILL_TEXTS;

	memset(out, 0, sizeof(*out));
	out->started_wall_ms = (uint64_t)sqlite3_column_int64(s, numbers);
	out->proved_wall_ms = (uint64_t)sqlite3_column_int64(s, numbers + 1);
	out->ended_wall_ms = (uint64_t)sqlite3_column_int64(s, numbers + 2);
	return take_text(s, first, out->drill, sizeof(out->drill)) &&
	       take_text(s, first + 1, out->deployment, sizeof(out->deployment)) &&
	       take_text(s, first + 2, out->ring, sizeof(out->ring)) &&
	       take_text(s, first + 3, out->host, sizeof(out->host)) &&
	       take_text(s, first + 4, out->actor, sizeof(out->actor)) &&
	       take_text(s, numbers + DRILL_NUMBERS, out->detail, sizeof(out->detail));
}

int rw_journal_load_drills(struct rw_journal *journal, const struct rw_store_loader *loader,
			   char error[RW_STORE_ERROR_BYTES])
{
	static const char sql[] =
		"SELECT " RW_DRILL_COLUMNS " FROM drills WHERE ended_wall_ms=0 OR row_id IN"
		" (SELECT max(row_id) FROM drills WHERE proved_wall_ms > 0 GROUP BY ring) ORDER BY "
		"row_id";
	struct rw_drill_row row;
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(journal->db, sql, -1, &s, NULL);
	int err = 0;

	while (err == 0 && code == SQLITE_OK) {
		code = sqlite3_step(s);
		if (code != SQLITE_ROW)
			break;
		code = SQLITE_OK;
		err = rw_drill_row_read(s, 0, &row) ? loader->drill(loader->context, &row)
						    : -EUCLEAN;
	}
	if (err == 0 && code != SQLITE_DONE)
		err = rw_journal_errno(code);
	if (err == -EUCLEAN)
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: the store is damaged (table drills)",
			 journal->path);
	else if (err != 0 && error[0] == '\0')
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: cannot read table drills: %s",
			 journal->path, strerror(-err));
	sqlite3_finalize(s);
	return err;
}
