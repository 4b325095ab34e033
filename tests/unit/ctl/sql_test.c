/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a store: what they answer, and that nothing but answering is possible. */
#include "ctl/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/store/store.h"
#include "ctl/store_file.h"

static const char schema[] =
#include "store_schema.h"
#include "store_views.h"
	;

enum { LONG_MS = 60 * 1000, PATH_BYTES = 128 };

struct fixture {
	char folder[32];
	char path[64];
	sqlite3 *db; /* the collector's, until close_store() */
	char error[RW_SQL_ERROR_BYTES];
	bool has_more;
};

static void sql(struct fixture *f, const char *words)
{
	if (sqlite3_exec(f->db, words, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", words, sqlite3_errmsg(f->db));
}

/* Two hosts and an event; open, and not all of it in the file itself. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/rw-sql-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/a#b?.db", f->folder);
	assert_int_equal(sqlite3_open(f->path, &f->db), SQLITE_OK);
	sql(f, "PRAGMA journal_mode=WAL");
	sql(f, schema);
	sql(f, "PRAGMA application_id=0x72777374; PRAGMA user_version=4");
	sql(f, "INSERT INTO hosts (host, ring, presence, boot_id, boot_order, since_wall_ms,"
	       " heard_wall_ms, goodbye, back_by_wall_ms) VALUES"
	       " ('web-1', 'canary', 1, x'00ff', 7, 1721361600000, 0, 0, 0),"
	       " ('web-2', 'canary', 3, x'', 8, 1721361600000, 0, 0, 0)");
	sql(f, "INSERT INTO transitions (at_wall_ms, host, ring, was, is_now) VALUES"
	       " (1721361600000, 'web-2', 'canary', 2, 3)");
	*state = f;
	return 0;
}

static void close_store(struct fixture *f)
{
	assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
	f->db = NULL;
}

static int teardown(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct fixture *f = *state;
	char name[PATH_BYTES];

	sqlite3_close(f->db);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", f->path, suffixes[i]);
		unlink(name);
	}
	/* Not empty: something was made there that should not have been. */
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

/* What is printed, to be freed; the error when `expected` is not 0. */
static char *answer(struct fixture *f, const struct rw_sql_question *question, int expected)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);

	assert_non_null(memory);
	f->error[0] = '\0';
	int err = rw_sql_answer(question, memory, &f->has_more, f->error);
	assert_int_equal(fclose(memory), 0);
	if (err != expected)
		fail_msg("%s: %d (%s), expected %d", question->query, err, f->error, expected);
	return text;
}

static void check(struct fixture *f, const char *query, bool json, const char *expected)
{
	char *text =
		answer(f, &(struct rw_sql_question){.store = f->path, query, json, LONG_MS, 0}, 0);

	assert_string_equal(text, expected);
	free(text);
}

static void check_refused(struct fixture *f, const char *query, int err, const char *expected)
{
	char *text = answer(f, &(struct rw_sql_question){.store = f->path, query, true, LONG_MS, 0},
			    err);

	if (strcmp(f->error, expected) != 0)
		fail_msg("%s: '%s', expected '%s'", query, f->error, expected);
	assert_string_equal(text, "");
	free(text);
}

/* ---- answers ------------------------------------------------------------------- */

static void people_get_a_table(void **state)
{
	struct fixture *f = *state;

	check(f, "SELECT host, boot_order AS boot, boot_id FROM hosts ORDER BY host", false,
	      "host   boot  boot_id\n"
	      "web-1     7  00ff\n"
	      "web-2     8  -\n");
	/* A column goes right when it holds numbers alone; NULL is nothing. */
	check(f, "VALUES (NULL, 100, 0.5), (1, 'a', NULL)", false,
	      "column1  column2  column3\n"
	      "      -  100          0.5\n"
	      "      1  a              -\n");
	check(f, "SELECT host FROM hosts WHERE 0", false, "no row\n");
	check(f, "SELECT 'a' || char(10, 27) AS \"b\x1b\"", false, "b\\x1b\na\\x0a\\x1b\n");
}

static void programs_get_an_object_a_line(void **state)
{
	struct fixture *f = *state;

	check(f, "SELECT host, boot_order, boot_id, 0.1 AS share, NULL AS none FROM hosts", true,
	      "{\"host\":\"web-1\",\"boot_order\":7,\"boot_id\":\"00ff\",\"share\":0.1,"
	      "\"none\":null}\n"
	      "{\"host\":\"web-2\",\"boot_order\":8,\"boot_id\":\"\",\"share\":0.1,"
	      "\"none\":null}\n");
	check(f,
	      "SELECT -9223372036854775807 - 1 AS least, 9e999 AS endless, 'a' || char(0, 10, 233)"
	      " AS odd, CAST(x'61ff' AS TEXT) AS wrong",
	      true,
	      "{\"least\":-9223372036854775808,\"endless\":null,\"odd\":\"a\\u0000\\n\\u00E9\","
	      "\"wrong\":\"a\\\\xff\"}\n");
	check(f, "SELECT host FROM hosts WHERE 0", true, "");
	check_refused(f, "SELECT host, host FROM hosts", -EINVAL,
		      "two columns are called 'host': give one another name with AS");
}

static void a_store_in_use_is_read_with_its_log(void **state)
{
	struct fixture *f = *state;
	char link[PATH_BYTES];

	check(f, "SELECT ring, online, offline FROM ring_health", true,
	      "{\"ring\":\"canary\",\"online\":1,\"offline\":1}\n");
	sql(f, "UPDATE hosts SET presence=1");
	check(f, "SELECT online FROM ring_health", true, "{\"online\":2}\n");

	/* The log lies beside the file, not beside a link to it. */
	snprintf(link, sizeof(link), "%s/link", f->folder);
	assert_int_equal(symlink(f->path, link), 0);
	char *text = answer(f,
			    &(struct rw_sql_question){.store = link,
						      .query = "SELECT online FROM ring_health",
						      .json = true,
						      .timeout_ms = LONG_MS},
			    0);
	assert_string_equal(text, "{\"online\":2}\n");
	free(text);
	unlink(link);
}

static void nothing_is_made_beside_a_store_that_lies_still(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	assert_int_equal(chmod(f->path, 0400), 0);
	check(f, "SELECT what, is_now FROM host_timeline", true,
	      "{\"what\":\"presence\",\"is_now\":\"offline\"}\n");
	/* The folder must be empty after the file: teardown() looks. */
	assert_int_equal(unlink(f->path), 0);
}

static void who_writes_to_a_store_that_lay_still_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct rw_store_file file;

	close_store(f);
	assert_int_equal(rw_store_file_open(f->path, &file, f->error), 0);
	assert_true(rw_store_file_is_sound(&file));
	assert_int_equal(sqlite3_open(f->path, &f->db), SQLITE_OK);
	sql(f, "CREATE TABLE more (a); PRAGMA wal_checkpoint(TRUNCATE)");
	assert_false(rw_store_file_is_sound(&file));
	rw_store_file_close(&file);
}

static void a_limit_cuts_and_says_so(void **state)
{
	struct fixture *f = *state;

	for (uint64_t limit = 0; limit <= 3; limit++) {
		struct rw_sql_question question = {.store = f->path,
						   .query = "SELECT 'x' FROM hosts",
						   .timeout_ms = LONG_MS,
						   .limit = limit};
		for (int json = 0; json <= 1; json++) {
			question.json = json != 0;
			char *text = answer(f, &question, 0);
			size_t lines = 0;
			for (const char *at = text; *at != '\0'; at++)
				lines += *at == '\n';
			assert_int_equal(lines, (limit == 1 ? 1 : 2) + (json == 0));
			assert_int_equal(f->has_more, limit == 1);
			free(text);
		}
	}
}

/* ---- refused --------------------------------------------------------------------- */

static void nothing_can_be_written(void **state)
{
	static const char *const queries[] = {
		"INSERT INTO hosts (host) VALUES ('x')",
		"INSERT INTO audit (at_wall_ms, actor, action, subject, detail) VALUES (1, '', '', "
		"'', '')",
		"UPDATE hosts SET ring='x'",
		"DELETE FROM events",
		"WITH a AS (SELECT 1) DELETE FROM events",
		"REPLACE INTO hosts SELECT * FROM hosts",
		"CREATE TABLE x (a)",
		"CREATE TEMP TABLE x (a)",
		"CREATE VIEW x AS SELECT 1",
		"DROP TABLE hosts",
		"DROP TRIGGER audit_keeps_its_rows",
		"ALTER TABLE hosts ADD COLUMN a",
		"ATTACH '/tmp/rw-sql-other.db' AS other",
		"DETACH main",
		"VACUUM",
		"VACUUM INTO '/tmp/rw-sql-other.db'",
		"PRAGMA query_only=OFF",
		"PRAGMA user_version=9",
		"PRAGMA journal_mode=DELETE",
		"PRAGMA wal_checkpoint(TRUNCATE)",
		"PRAGMA writable_schema=ON",
		"BEGIN IMMEDIATE",
		"SAVEPOINT a",
		"ANALYZE",
		"REINDEX",
		"EXPLAIN DELETE FROM events",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		check_refused(f, queries[i], -EINVAL,
			      "the store is only read: a query is one SELECT, WITH, VALUES or "
			      "EXPLAIN");
	check_refused(f, "UPDATE sqlite_master SET sql=''", -EINVAL,
		      "table sqlite_master may not be modified");
	check_refused(f, "SELECT load_extension('x')", -EINVAL, "not authorized");
	check(f, "SELECT count(*) AS n FROM hosts JOIN transitions USING (host)", true,
	      "{\"n\":1}\n");
	assert_int_equal(access("/tmp/rw-sql-other.db", F_OK), -1);
}

static void what_only_tells_is_allowed(void **state)
{
	struct fixture *f = *state;

	check(f, "SELECT name FROM pragma_table_info('fleetlock_slots')", true,
	      "{\"name\":\"ring\"}\n{\"name\":\"id\"}\n{\"name\":\"reserved_wall_ms\"}\n");
	check(f, "SELECT value FROM json_each('{\"cpu\":5}')", true, "{\"value\":5}\n");
	free(answer(f,
		    &(struct rw_sql_question){.store = f->path,
					      .query = "PRAGMA table_info(hosts)",
					      .timeout_ms = LONG_MS},
		    0));
	free(answer(f,
		    &(struct rw_sql_question){.store = f->path,
					      .query = "EXPLAIN QUERY PLAN SELECT 1",
					      .timeout_ms = LONG_MS},
		    0));
}

static void what_is_no_query_is_named(void **state)
{
	struct fixture *f = *state;

	check_refused(f, "SELEC 1", -EINVAL, "near \"SELEC\": syntax error");
	check_refused(f, "SELECT a FROM hosts", -EINVAL, "no such column: a");
	check_refused(f, "SELECT \"\x1b[2J\" FROM b\n", -EINVAL, "no such table: b");
	check_refused(f, "SELECT 1 FROM \"\x1b[2J\"", -EINVAL, "no such table: \\x1b[2J");
	check_refused(f, "", -EINVAL, "the query holds no statement");
	check_refused(f, " -- nothing\n;", -EINVAL, "the query holds no statement");
	check_refused(f, "SELECT 1; SELECT 2", -EINVAL,
		      "one statement at a time: something follows the first");
	check_refused(f, "SELECT 1; DELETE FROM events", -EINVAL,
		      "one statement at a time: something follows the first");
	check_refused(f, "SELECT '\xff'", -EINVAL, "the query is no UTF-8 text");
	check_refused(f, "SELECT zeroblob(17000000)", -EINVAL, "string or blob too big");
	check(f, "SELECT 1 AS a; -- and that is all\n ;", true, "{\"a\":1}\n");
}

static void a_table_has_so_many_columns(void **state)
{
	struct fixture *f = *state;
	char query[512] = "SELECT 1", *text;
	struct rw_sql_question question = {.store = f->path, .query = query, .timeout_ms = LONG_MS};

	for (size_t i = 1; i < 64; i++)
		memcpy(query + strlen(query), ",1", 3);
	text = answer(f, &question, 0);
	assert_int_equal(strlen(text), 2 * (64 + 63 * 2 + 1));
	free(text);
	memcpy(query + strlen(query), ",1", 3);
	free(answer(f, &question, -EINVAL));
	assert_string_equal(f->error, "the answer has 65 columns, a table at most 64: name those "
				      "you want, or use --json");
}

static void a_query_without_an_end_ends(void **state)
{
	struct fixture *f = *state;
	struct rw_sql_question question = {
		.store = f->path,
		.query = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
			 " SELECT count(*) FROM n",
		.timeout_ms = 20};

	free(answer(f, &question, -ETIMEDOUT));
	assert_string_equal(f->error, "the query took longer than 20 ms; narrow it, or give it "
				      "more by --timeout");
	/* Also one that has told much by then. */
	question.query = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
			 " SELECT i FROM n";
	question.json = true;
	free(answer(f, &question, -ETIMEDOUT));
}

/* ---- files ------------------------------------------------------------------------ */

static void check_file(struct fixture *f, const char *path, int err, const char *expected)
{
	struct rw_sql_question question = {
		.store = path, .query = "SELECT 1", .timeout_ms = LONG_MS};
	char line[RW_SQL_ERROR_BYTES];

	free(answer(f, &question, err));
	snprintf(line, sizeof(line), "%s: %s", path, expected);
	assert_string_equal(f->error, line);
}

static void other_files_are_refused(void **state)
{
	struct fixture *f = *state;
	char path[PATH_BYTES];

	check_file(f, f->folder, -EINVAL, "this is no regular file");
	snprintf(path, sizeof(path), "%s/none", f->folder);
	check_file(f, path, -ENOENT, "No such file or directory");
	FILE *other = fopen(path, "w");
	assert_non_null(other);
	check_file(f, path, -EPROTO, "this is no store of a collector"); /* empty */
	for (int i = 0; i < 200; i++)
		fputs("not a database\n", other);
	assert_int_equal(fclose(other), 0);
	check_file(f, path, -EPROTO, "this is no store of a collector");
	unlink(path);

	sql(f, "PRAGMA user_version=3");
	check_file(f, f->path, -EPROTO,
		   "holds store schema 3, this command reads 4; a collector of its own version "
		   "migrates it at its start");
	sql(f, "PRAGMA user_version=5");
	check_file(f, f->path, -EPROTO, "holds store schema 5, this command reads 4");
	sql(f, "PRAGMA application_id=1");
	check_file(f, f->path, -EPROTO, "this is no store of a collector");
}

static void a_damaged_store_is_named(void **state)
{
	struct fixture *f = *state;
	char line[RW_SQL_ERROR_BYTES];

	close_store(f);
	FILE *file = fopen(f->path, "r+");
	assert_non_null(file);
	/* All behind the header. */
	assert_int_equal(fseek(file, 100, SEEK_SET), 0);
	for (int i = 0; i < 3996; i++)
		fputc(0xee, file);
	assert_int_equal(fclose(file), 0);
	struct rw_sql_question question = {
		.store = f->path, .query = "SELECT * FROM hosts", .timeout_ms = LONG_MS};
	free(answer(f, &question, -EUCLEAN));
	snprintf(line, sizeof(line), "%s: the store is damaged (", f->path);
	assert_memory_equal(f->error, line, strlen(line));
}

/* ---- the views ---------------------------------------------------------------------- */

static void every_view_is_listed(void **state)
{
	struct fixture *f = *state;
	struct rw_sql_question question = {.store = f->path, .timeout_ms = LONG_MS};
	char *text = answer(f, &question, 0);
	sqlite3_stmt *views;

	assert_non_null(strstr(text, "ring_health: a ring, its hosts by state\n"
				     "  ring, enrolled, online, suspect,"));
	/* What another view is made of is no name that stays. */
	assert_int_equal(sqlite3_prepare_v2(f->db,
					    "SELECT name FROM sqlite_schema WHERE type='view'"
					    " AND name <> 'named_presence'",
					    -1, &views, NULL),
			 SQLITE_OK);
	int count = 0;
	while (sqlite3_step(views) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(views, 0);
		bool found = false;
		for (const struct rw_sql_view *v = rw_sql_views; v->name != NULL; v++)
			found = found || strcmp(v->name, name) == 0;
		if (!found)
			fail_msg("the view %s is not listed", name);
		count++;
	}
	assert_true(count >= 4);
	sqlite3_finalize(views);
	free(text);

	question.json = true;
	text = answer(f, &question, 0);
	assert_non_null(strstr(text, "{\"view\":\"host_timeline\",\"row\":\"what befell a host: a "
				     "change of its presence, or an event\",\"columns\":[\"at\","));
	free(text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(people_get_a_table),
		CASE(programs_get_an_object_a_line),
		CASE(a_store_in_use_is_read_with_its_log),
		CASE(nothing_is_made_beside_a_store_that_lies_still),
		CASE(who_writes_to_a_store_that_lay_still_is_noticed),
		CASE(a_limit_cuts_and_says_so),
		CASE(nothing_can_be_written),
		CASE(what_only_tells_is_allowed),
		CASE(what_is_no_query_is_named),
		CASE(a_table_has_so_many_columns),
		CASE(a_query_without_an_end_ends),
		CASE(other_files_are_refused),
		CASE(a_damaged_store_is_named),
		CASE(every_view_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
