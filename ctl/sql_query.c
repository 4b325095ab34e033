/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three walls, each enough: the file is opened for reading, SQLite is asked whether the
 * statement would write, and an authorizer lets it do nothing but read. The last also keeps
 * it from other files (ATTACH, VACUUM INTO) and from switching anything (PRAGMA).
 */
#include "ctl/sql_query.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "collector/store/store.h"
#include "lib/clock.h"
#include "lib/text.h"
#include "lib/units.h"

enum { STEPS_BETWEEN_LOOKS = 10000, WORDS_BYTES = 400 };

__attribute__((format(printf, 3, 4))) static int refuse(char error[RW_SQL_ERROR_BYTES], int err,
							const char *fmt, ...)
{
	char line[RW_SQL_ERROR_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	/* It repeats what the query and the file hold. */
	rw_text_escape(error, RW_SQL_ERROR_BYTES, line, strlen(line));
	return err;
}

/* ---- what a statement may do --------------------------------------------------- */

static bool is_harmless_pragma(const char *name)
{
	static const char *const names[] = {"table_info", "table_xinfo", "table_list", "index_list",
					    "index_info"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (name != NULL && sqlite3_stricmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static bool may_do(int action, const char *subject)
{
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_FUNCTION:
	case SQLITE_RECURSIVE:
		return true;
	case SQLITE_UPDATE:
		/* Asked when json_each() declares its columns; to update it indeed is refused. */
		return sqlite3_stricmp(subject, "sqlite_master") == 0;
	case SQLITE_PRAGMA:
		return is_harmless_pragma(subject);
	default:
		return false;
	}
}

/* Remembers that it denied: SQLite gives one of several codes then. */
static int authorize(void *context, int action, const char *subject, const char *detail,
		     const char *database, const char *inside)
{
	struct rw_sql_query *query = context;

	(void)detail, (void)database, (void)inside;
	if (may_do(action, subject))
		return SQLITE_OK;
	query->is_denied = true;
	return SQLITE_DENY;
}

static int is_time_over(void *context)
{
	const struct rw_sql_query *query = context;

	return rw_clock_boot_ms() >= query->deadline_ms;
}

/* ---- errors ---------------------------------------------------------------------- */

static int refuse_writing(char error[RW_SQL_ERROR_BYTES])
{
	return refuse(error, -EINVAL,
		      "the store is only read: a query is one SELECT, WITH, VALUES or EXPLAIN");
}

static int refuse_time(const struct rw_sql_query *query, char error[RW_SQL_ERROR_BYTES])
{
	char time[RW_DURATION_TEXT_BYTES];

	if (query->timeout_ms < 1000)
		snprintf(time, sizeof(time), "%u ms", (unsigned)query->timeout_ms);
	else
		rw_units_format_duration(query->timeout_ms, time);
	return refuse(error, -ETIMEDOUT,
		      "the query took longer than %s; narrow it, or give it more by --timeout",
		      time);
}

static int refuse_reading(const struct rw_sql_query *query, char error[RW_SQL_ERROR_BYTES])
{
	const char *said = sqlite3_errmsg(query->file.db);

	switch (sqlite3_errcode(query->file.db) & 0xff) {
	case SQLITE_NOTADB:
		return refuse(error, -EPROTO, "%.256s: this is no store of a collector",
			      query->store);
	case SQLITE_CORRUPT:
		return refuse(error, -EUCLEAN, "%.256s: the store is damaged (%s)", query->store,
			      said);
	default:
		return refuse(error, -EIO, "%.256s: cannot be read: %s", query->store, said);
	}
}

/* ---- opening ----------------------------------------------------------------------- */

static int ask_number(struct rw_sql_query *query, const char *sql, int64_t *out,
		      char error[RW_SQL_ERROR_BYTES])
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(query->file.db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	*out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	int err = code == SQLITE_ROW ? 0 : refuse_reading(query, error);
	sqlite3_finalize(statement);
	return err;
}

static int check_schema(struct rw_sql_query *query, char error[RW_SQL_ERROR_BYTES])
{
	int64_t application, version;
	int err = ask_number(query, "PRAGMA application_id", &application, error);

	if (err == 0)
		err = ask_number(query, "PRAGMA user_version", &version, error);
	if (err != 0)
		return err;
	if (application != RW_STORE_FILE_APPLICATION_ID)
		return refuse(error, -EPROTO, "%.256s: this is no store of a collector",
			      query->store);
	if (version != RW_STORE_SCHEMA)
		return refuse(error, -EPROTO,
			      "%.256s: holds store schema %lld, this command reads %d%s",
			      query->store, (long long)version, (int)RW_STORE_SCHEMA,
			      version < RW_STORE_SCHEMA
				      ? "; a collector of its own version migrates it at its start"
				      : "");
	return 0;
}

int rw_sql_open(const char *store, uint64_t timeout_ms, struct rw_sql_query *out,
		char error[RW_SQL_ERROR_BYTES])
{
	char complaint[RW_STORE_FILE_ERROR_BYTES];

	*out = (struct rw_sql_query){.store = store, .timeout_ms = timeout_ms};
	int err = rw_store_file_open(store, &out->file, complaint);
	if (err != 0)
		return refuse(error, err, "%.256s: %s", store, complaint);
	err = check_schema(out, error);
	if (err != 0)
		return err;
	sqlite3_limit(out->file.db, SQLITE_LIMIT_LENGTH, RW_SQL_VALUE_MAX_BYTES);
	sqlite3_limit(out->file.db, SQLITE_LIMIT_SQL_LENGTH, RW_SQL_QUERY_MAX_BYTES);
	sqlite3_set_authorizer(out->file.db, authorize, out);
	sqlite3_progress_handler(out->file.db, STEPS_BETWEEN_LOOKS, is_time_over, out);
	return 0;
}

void rw_sql_close(struct rw_sql_query *query)
{
	sqlite3_finalize(query->statement);
	rw_store_file_close(&query->file);
}

/* ---- asking ------------------------------------------------------------------------ */

/* Whether nothing but blanks and semicolons follows: a comment there is another statement
 * to SQLite, too, but an empty one. */
static bool is_end(struct rw_sql_query *query, const char *rest)
{
	sqlite3_stmt *next = NULL;

	while (*rest != '\0') {
		int code = sqlite3_prepare_v2(query->file.db, rest, -1, &next, &rest);
		sqlite3_finalize(next);
		if (code != SQLITE_OK || next != NULL)
			return false;
	}
	return true;
}

int rw_sql_prepare(struct rw_sql_query *query, const char *sql, char error[RW_SQL_ERROR_BYTES])
{
	const char *rest;

	if (!rw_text_is_clean(sql, strlen(sql)))
		return refuse(error, -EINVAL, "the query is no UTF-8 text");
	query->is_denied = false;
	query->deadline_ms = rw_clock_boot_ms() + query->timeout_ms;

	int code = sqlite3_prepare_v2(query->file.db, sql, -1, &query->statement, &rest);
	if (code != SQLITE_OK && query->is_denied)
		return refuse_writing(error);
	if (code == SQLITE_INTERRUPT)
		return refuse_time(query, error);
	if (code == SQLITE_ERROR || code == SQLITE_TOOBIG)
		return refuse(error, -EINVAL, "%.*s", WORDS_BYTES, sqlite3_errmsg(query->file.db));
	if (code != SQLITE_OK)
		return refuse_reading(query, error);
	if (query->statement == NULL)
		return refuse(error, -EINVAL, "the query holds no statement");
	if (!is_end(query, rest))
		return refuse(error, -EINVAL,
			      "one statement at a time: something follows the first");
	return sqlite3_stmt_readonly(query->statement) ? 0 : refuse_writing(error);
}

int rw_sql_step(struct rw_sql_query *query, bool *found, char error[RW_SQL_ERROR_BYTES])
{
	int code = sqlite3_step(query->statement);

	*found = code == SQLITE_ROW;
	if (code == SQLITE_INTERRUPT || (*found && is_time_over(query)))
		return refuse_time(query, error);
	if (code == SQLITE_ERROR || code == SQLITE_TOOBIG)
		return refuse(error, -EINVAL, "%.*s", WORDS_BYTES, sqlite3_errmsg(query->file.db));
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return refuse_reading(query, error);
	if (*found || rw_store_file_is_sound(&query->file))
		return 0;
	return refuse(error, -EAGAIN, "%.256s: a collector has begun to write to it; ask again",
		      query->store);
}
