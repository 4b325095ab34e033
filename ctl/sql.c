/* SPDX-License-Identifier: Apache-2.0 */
/* `ringwatch sql`: a question to the store itself, for what the API has no list of. */
#include "ctl/sql.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/sql_query.h"
#include "ctl/table.h"
#include "lib/cleanup.h"
#include "lib/text.h"

#define DEFAULT_STORE "/var/lib/ringwatch-collector/collector.db"

enum {
	DEFAULT_TIMEOUT_MS = 30 * 1000,
	TABLE_LIMIT = 1000, /* rows, unless told */
	TITLE_BYTES = 64,
	SQL_BYTES = 64,
	/* What SQLite counts with, as its own shell shows it; more digits are noise. */
	REAL_DIGITS = 15,
};

const struct rw_sql_view rw_sql_views[] = {
	{"ring_health", "a ring, its hosts by state"},
	{"host_timeline", "what befell a host: a change of its presence, or an event"},
	{"crash_signatures", "a signature and kind, with hosts and events"},
	{"bake_history", "a deployment in a ring that was started"},
	{NULL, NULL},
};

static int out_of_memory(char error[RW_SQL_ERROR_BYTES])
{
	snprintf(error, RW_SQL_ERROR_BYTES, "out of memory");
	return -ENOMEM;
}

/* `size` bytes of `out` at most, NUL included; two characters a byte. */
static void write_hex(char *out, size_t size, const unsigned char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;

	for (size_t i = 0; i < length && used + 2 < size; i++) {
		out[used++] = digits[bytes[i] >> 4];
		out[used++] = digits[bytes[i] & 15];
	}
	out[used] = '\0';
}

/* ---- a table ---------------------------------------------------------------------- */

struct table {
	struct rw_column columns[RW_LISTING_COLUMNS_MAX];
	char titles[RW_LISTING_COLUMNS_MAX][TITLE_BYTES];
	bool has_text[RW_LISTING_COLUMNS_MAX];
	struct rw_listing *listing;
	int count;
};

static int table_begin(struct table *table, sqlite3_stmt *statement, char error[RW_SQL_ERROR_BYTES])
{
	*table = (struct table){.count = sqlite3_column_count(statement)};
	if (table->count > RW_LISTING_COLUMNS_MAX) {
		snprintf(error, RW_SQL_ERROR_BYTES,
			 "the answer has %d columns, a table at most %d: name those you want, or "
			 "use --json",
			 table->count, (int)RW_LISTING_COLUMNS_MAX);
		return -EINVAL;
	}
	for (int i = 0; i < table->count; i++) {
		const char *name = sqlite3_column_name(statement, i);
		if (name == NULL)
			return out_of_memory(error);
		rw_text_escape(table->titles[i], TITLE_BYTES, name, strlen(name));
		table->columns[i].title = table->titles[i];
	}
	table->listing = rw_listing_new(table->columns, (size_t)table->count);
	return table->listing == NULL ? out_of_memory(error) : 0;
}

/* Texts go left, a column of numbers alone goes right. */
static void table_add(struct table *table, int column, sqlite3_stmt *row)
{
	char hex[RW_LISTING_CELL_BYTES];
	int type = sqlite3_column_type(row, column);
	const char *text = (const char *)(type == SQLITE_BLOB ? sqlite3_column_blob(row, column)
							      : sqlite3_column_text(row, column));

	if (type == SQLITE_BLOB) {
		write_hex(hex, sizeof(hex), (const unsigned char *)text,
			  (size_t)sqlite3_column_bytes(row, column));
		text = hex;
	}
	if (type == SQLITE_TEXT || type == SQLITE_BLOB)
		table->has_text[column] = true;
	else if (type != SQLITE_NULL)
		table->columns[column].right = true;
	if (table->has_text[column])
		table->columns[column].right = false;
	rw_listing_add(table->listing, text == NULL ? "" : text);
}

static int print_table(struct rw_sql_query *query, uint64_t limit, FILE *to, bool *has_more,
		       char error[RW_SQL_ERROR_BYTES])
{
	struct table table;
	bool found = true;
	int err = table_begin(&table, query->statement, error);

	for (uint64_t rows = 0; err == 0; rows++) {
		err = rw_sql_step(query, &found, error);
		*has_more = err == 0 && found && limit != 0 && rows == limit;
		if (err != 0 || !found || *has_more)
			break;
		for (int i = 0; i < table.count; i++)
			table_add(&table, i, query->statement);
	}
	if (err == 0 && !rw_listing_print(table.listing, to, "", "no row"))
		err = out_of_memory(error);
	rw_listing_free(table.listing);
	return err;
}

/* ---- JSON --------------------------------------------------------------------------- */

/* What is no UTF-8, which only a CAST makes, is shown escaped. */
static json_t *text_value(const char *text, size_t length)
{
	json_t *value = json_stringn(text, length);

	if (value != NULL || length > RW_SQL_VALUE_MAX_BYTES)
		return value;
	rw_autofree char *clean = malloc(4 * length + 1);
	if (clean == NULL)
		return NULL;
	size_t used = rw_text_to_utf8(clean, 4 * length + 1, text, length);
	return json_stringn(clean, used);
}

static json_t *blob_value(const void *bytes, size_t length)
{
	rw_autofree char *hex = malloc(2 * length + 2);

	if (hex == NULL)
		return NULL;
	write_hex(hex, 2 * length + 2, bytes, length);
	return json_string(hex);
}

/* NULL: no memory. */
static json_t *value_of(sqlite3_stmt *row, int column)
{
	double real;

	switch (sqlite3_column_type(row, column)) {
	case SQLITE_INTEGER:
		return json_integer(sqlite3_column_int64(row, column));
	case SQLITE_FLOAT:
		real = sqlite3_column_double(row, column);
		/* JSON has no infinity. */
		return real - real == 0 ? json_real(real) : json_null();
	case SQLITE_TEXT: {
		const char *text = (const char *)sqlite3_column_text(row, column);
		return text == NULL ? NULL
				    : text_value(text, (size_t)sqlite3_column_bytes(row, column));
	}
	case SQLITE_BLOB: {
		const void *bytes = sqlite3_column_blob(row, column);
		return blob_value(bytes, (size_t)sqlite3_column_bytes(row, column));
	}
	default:
		return json_null();
	}
}

static int check_names(sqlite3_stmt *statement, char error[RW_SQL_ERROR_BYTES])
{
	json_t *names = json_object();
	int err = names == NULL ? out_of_memory(error) : 0;

	for (int i = 0; err == 0 && i < sqlite3_column_count(statement); i++) {
		const char *name = sqlite3_column_name(statement, i);
		char shown[TITLE_BYTES];

		if (name == NULL || json_object_get(names, name) == NULL) {
			if (name == NULL || json_object_set_new(names, name, json_null()) != 0)
				err = out_of_memory(error);
			continue;
		}
		rw_text_escape(shown, sizeof(shown), name, strlen(name));
		snprintf(error, RW_SQL_ERROR_BYTES,
			 "two columns are called '%s': give one another name with AS", shown);
		err = -EINVAL;
	}
	json_decref(names);
	return err;
}

static int print_object(sqlite3_stmt *row, FILE *to, char error[RW_SQL_ERROR_BYTES])
{
	json_t *object = json_object();
	int err = object == NULL ? -1 : 0;

	for (int i = 0; err == 0 && i < sqlite3_column_count(row); i++)
		err = json_object_set_new(object, sqlite3_column_name(row, i), value_of(row, i));
	if (err == 0) {
		json_dumpf(object, to,
			   JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(REAL_DIGITS));
		fputc('\n', to);
	}
	json_decref(object);
	return err == 0 ? 0 : out_of_memory(error);
}

static int print_objects(struct rw_sql_query *query, uint64_t limit, FILE *to, bool *has_more,
			 char error[RW_SQL_ERROR_BYTES])
{
	bool found = true;
	int err = check_names(query->statement, error);

	for (uint64_t rows = 0; err == 0; rows++) {
		err = rw_sql_step(query, &found, error);
		*has_more = err == 0 && found && limit != 0 && rows == limit;
		if (err != 0 || !found || *has_more)
			break;
		err = print_object(query->statement, to, error);
		if (err == 0 && ferror(to))
			break; /* nobody reads on; the end of the program says so */
	}
	return err;
}

/* ---- the views ------------------------------------------------------------------------ */

static int print_view(struct rw_sql_query *query, const struct rw_sql_view *view, bool json,
		      FILE *to, char error[RW_SQL_ERROR_BYTES])
{
	char sql[SQL_BYTES];

	snprintf(sql, sizeof(sql), "SELECT * FROM %s", view->name);
	int err = rw_sql_prepare(query, sql, error);
	if (err != 0)
		return err;
	fprintf(to, json ? "{\"view\":\"%s\",\"row\":\"%s\",\"columns\":[" : "%s: %s\n ",
		view->name, view->row);
	for (int i = 0; i < sqlite3_column_count(query->statement); i++)
		fprintf(to, json ? "%s\"%s\"" : "%s %s", i == 0 ? "" : ",",
			sqlite3_column_name(query->statement, i));
	fputs(json ? "]}\n" : "\n", to);
	sqlite3_finalize(query->statement);
	query->statement = NULL;
	return 0;
}

static int print_views(struct rw_sql_query *query, bool json, FILE *to,
		       char error[RW_SQL_ERROR_BYTES])
{
	int err = 0;

	for (const struct rw_sql_view *view = rw_sql_views; err == 0 && view->name != NULL; view++)
		err = print_view(query, view, json, to, error);
	return err;
}

/* ---- the command ------------------------------------------------------------------------ */

int rw_sql_answer(const struct rw_sql_question *question, FILE *to, bool *has_more,
		  char error[RW_SQL_ERROR_BYTES])
{
	struct rw_sql_query query;

	*has_more = false;
	int err = rw_sql_open(question->store, question->timeout_ms, &query, error);
	if (err == 0 && question->query == NULL) {
		err = print_views(&query, question->json, to, error);
	} else if (err == 0) {
		err = rw_sql_prepare(&query, question->query, error);
		if (err == 0)
			err = (question->json ? print_objects : print_table)(
				&query, question->limit, to, has_more, error);
	}
	rw_sql_close(&query);
	return err;
}

int rw_sql_run(const struct rw_args *args)
{
	const char *store = args->value[RW_OPT_STORE];
	bool json = rw_args_has(args, RW_OPT_JSON), has_more;
	char error[RW_SQL_ERROR_BYTES];
	struct rw_sql_question question = {
		.store = store == NULL ? DEFAULT_STORE : store,
		.query = args->operand,
		.json = json,
		.timeout_ms = rw_args_duration_ms(args, RW_OPT_WITHIN, DEFAULT_TIMEOUT_MS),
		.limit = rw_args_number(args, RW_OPT_ROWS, json ? 0 : TABLE_LIMIT),
	};

	if ((question.query == NULL) != rw_args_has(args, RW_OPT_VIEWS)) {
		rw_ctl_fail("a QUERY or --views, one of the two; see `ringwatch sql --help`");
		return RW_CTL_USAGE;
	}
	int err = rw_sql_answer(&question, stdout, &has_more, error);
	if (err != 0) {
		fflush(stdout); /* what was printed comes before what went wrong */
		rw_ctl_fail("%s", error);
		return err == -EINVAL ? RW_CTL_USAGE : RW_CTL_FAILED;
	}
	if (has_more)
		fprintf(stderr,
			"ringwatch: there are more than these %llu rows; --limit shows more\n",
			(unsigned long long)question.limit);
	return RW_CTL_DONE;
}
