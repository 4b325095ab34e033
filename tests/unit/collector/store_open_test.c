/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a store: a file that is not ours or not whole is refused and left alone, or
 * set aside when that is asked for; one of the schema before is migrated.
 */
#include "tests/unit/collector/store_fixture.h"
#include "tests/unit/collector/store_schema2.h"
#include "tests/unit/collector/store_schema3.h"

static void two_collectors_never_share_a_store(void **state)
{
	struct fixture *f = *state;
	struct rw_store *second = NULL;
	char error[RW_STORE_ERROR_BYTES];

	assert_int_equal(open_store(f), 0);
	assert_int_equal(rw_store_open(f->path, 0, NULL, &second, error), -EBUSY);
	assert_non_null(strstr(error, "another collector"));
	assert_null(second);
}

static void a_damaged_file_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	char junk[4096];

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 200; i++)
		push_event(f, "h1", spool_a, i, false);
	close_store(f);
	off_t size = size_of(f->path);
	assert_true(size > 4 * (off_t)sizeof(junk));
	memset(junk, 0x5a, sizeof(junk));
	write_at(f->path, size - 3 * (off_t)sizeof(junk), junk, sizeof(junk));
	assert_int_equal(open_store(f), -EUCLEAN);
	assert_non_null(strstr(f->error, f->path));
	assert_non_null(strstr(f->error, "damaged"));
	assert_int_equal(size_of(f->path), size);
}

static void a_file_that_is_no_database_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	char text[] =
		"these are the minutes of the meeting, and no database at all, whatever its name";
	char back[sizeof(text)];

	write_at(f->path, 0, text, sizeof(text));
	assert_int_equal(open_store(f), -EUCLEAN);
	int fd = open(f->path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), (ssize_t)sizeof(back));
	close(fd);
	assert_memory_equal(back, text, sizeof(text));
	assert_int_equal(size_of(f->path), (off_t)sizeof(text));
}

static void another_schema_is_refused_by_its_number(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	close_store(f);
	run_sql(f->path, "PRAGMA user_version=5");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(strstr(f->error, "holds store schema 5, this collector needs 2 to 4"));
	assert_null(strstr(f->error, "release"));
	off_t size = size_of(f->path);
	run_sql(f->path, "PRAGMA user_version=1");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(
		strstr(f->error, "holds store schema 1, this collector needs 2 to 4; no release"));
	assert_non_null(strstr(f->error, "move the file away"));
	assert_int_equal(size_of(f->path), size);
}

static void a_database_of_another_program_is_refused(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, "CREATE TABLE addresses (name TEXT)");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(strstr(f->error, "another program"));
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;
	struct rw_store *store;

	assert_int_equal(rw_store_open("/nonexistent/folder/c.db", 0, NULL, &store, f->error),
			 -ENOENT);
	assert_non_null(strstr(f->error, "/nonexistent/folder/c.db"));
}

/* ---- from one schema to the next ---------------------------------------------------- */

static void text_of(struct fixture *f, const char *sql, char *out, size_t size)
{
	sqlite3 *db;
	sqlite3_stmt *statement;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int length = snprintf(out, size, "%s", (const char *)sqlite3_column_text(statement, 0));
	assert_true(length > 0 && (size_t)length < size);
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

enum { SHAPE_BYTES = 32768 };

/* All columns, keys, indexes, triggers and views, as one text. */
static void shape_of(struct fixture *f, char out[SHAPE_BYTES])
{
	text_of(f,
		"SELECT group_concat(line, char(10)) FROM (SELECT * FROM ("
		" SELECT m.name||' '||c.cid||' '||c.name||' '||c.type||' '||c.\"notnull\"||' '"
		"  ||ifnull(c.dflt_value,'-')||' '||c.pk AS line"
		"  FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type='table'"
		" UNION ALL SELECT m.name||' '||l.wr||' '||l.strict FROM sqlite_schema m,"
		"  pragma_table_list(m.name) l WHERE m.type='table'"
		" UNION ALL SELECT m.name||' '||i.name||' '||i.\"unique\"||' '||x.seqno||' '"
		"  ||ifnull(x.name,'-') FROM sqlite_schema m, pragma_index_list(m.name) i,"
		"  pragma_index_info(i.name) x WHERE m.type='table'"
		" UNION ALL SELECT sql FROM sqlite_schema WHERE type IN ('trigger', 'view')) ORDER "
		"BY line)",
		out, SHAPE_BYTES);
}

/* What the function writes to stderr, in `out`. */
static int open_and_listen(struct fixture *f, char *out, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/log", f->folder);
	int kept = dup(STDERR_FILENO);
	int log = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(kept >= 0 && log >= 0);
	dup2(log, STDERR_FILENO);
	int err = open_store(f);
	dup2(kept, STDERR_FILENO);
	close(kept);
	ssize_t length = pread(log, out, size - 1, 0);
	assert_true(length >= 0);
	out[length] = '\0';
	close(log);
	return err;
}

static void schema_2_is_migrated_and_says_so_once(void **state)
{
	struct fixture *f = *state;
	static char fresh[SHAPE_BYTES], migrated[SHAPE_BYTES];
	static struct loaded l;
	char said[512];

	assert_int_equal(open_store(f), 0);
	close_store(f);
	shape_of(f, fresh);
	unlink(f->path);
	run_sql(f->path, schema2);
	run_sql(f->path, rows2);

	assert_int_equal(open_and_listen(f, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "store: migrated from schema 2 to 4"));
	assert_non_null(strstr(said, f->path));
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	assert_int_equal(number_of(f, "PRAGMA user_version"), 4);
	shape_of(f, migrated);
	assert_string_equal(migrated, fresh);

	load(f, &l);
	assert_int_equal(l.count, 9);
	assert_int_equal(l.rows[0].type, RW_CHANGE_LIFE);
	assert_int_equal(l.rows[0].life.epoch, 1);
	assert_string_equal(l.rows[1].deployment.id, "d1");
	assert_string_equal(l.rows[1].deployment.match, "");
	assert_int_equal(l.rows[1].deployment.ring_count, 2);
	assert_int_equal(l.rows[2].deployment.state, RW_DEPLOYMENT_WITHDRAWN);
	assert_string_equal(l.rows[3].host.id, "h2");
	assert_int_equal(l.rows[3].host.presence, RW_OFFLINE);
	assert_int_equal(l.rows[3].host.boot_order, UINT64_MAX);
	assert_false(l.rows[3].host.excluded || l.rows[3].host.by_age ||
		     l.rows[3].host.unregistered);
	assert_int_equal(l.rows[4].host.boot_id[15], 15);
	assert_int_equal(l.rows[4].host.back_by_wall_ms, 10);

	const struct rw_run_row *run = &l.rows[5].run;
	assert_true(run->breaker_open);
	assert_int_equal(run->grade, RW_GRADE_LIMIT);
	assert_int_equal(run->proof, RW_PROOF_NONE);
	assert_int_equal(run->epoch, 1);
	assert_int_equal(run->watched_ms, 5000);
	assert_int_equal(run->watched_from_ms, 0);
	for (int i = 0; i < RW_CORE_STEPS_MAX; i++)
		assert_int_equal(run->step_targets[i], i < 3 ? 40 : 0);
	assert_int_equal(l.rows[6].run.epoch, 0);
	assert_int_equal(l.rows[6].run.step_targets[0], 0);
	const struct rw_exposure_row *exposure = &l.rows[7].exposure;
	assert_int_equal(exposure->step, 3);
	assert_int_equal(exposure->at_wall_ms, 110);
	assert_int_equal(exposure->watched_ms, 0);
	assert_true(exposure->alive && exposure->crashed);
	assert_false(exposure->module_failed || exposure->left_offline);
	assert_string_equal(l.rows[8].evidence.event, "h2/aa/1");
	assert_int_equal(ask(f, &(struct rw_event_query){.host = "h2"}).count, 1);
	assert_int_equal(number_of(f, "SELECT count(*) FROM audit WHERE actor='argo'"), 1);
	assert_int_equal(number_of(f, "SELECT count(*) FROM transitions"), 1);

	close_store(f);
	assert_int_equal(open_and_listen(f, said, sizeof(said)), 0);
	assert_string_equal(said, "");
}

static void schema_3_is_migrated_with_what_it_holds(void **state)
{
	struct fixture *f = *state;
	static char fresh[SHAPE_BYTES], migrated[SHAPE_BYTES];
	static struct loaded l;
	char said[512];

	assert_int_equal(open_store(f), 0);
	close_store(f);
	shape_of(f, fresh);
	unlink(f->path);
	run_sql(f->path, schema3);
	run_sql(f->path, rows3);

	assert_int_equal(open_and_listen(f, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "store: migrated from schema 3 to 4"));
	shape_of(f, migrated);
	assert_string_equal(migrated, fresh);
	load(f, &l);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.rows[0].life.epoch, 7);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events WHERE drill='' AND host='h1'"),
			 1);
}

static void a_migrated_store_without_a_run_has_no_life_yet(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	run_sql(f->path, schema2);
	assert_int_equal(open_store(f), 0);
	load(f, &l);
	assert_int_equal(l.count, 0);
}

static void a_migration_that_fails_leaves_the_old_store(void **state)
{
	struct fixture *f = *state;
	static char before[65536], after[65536];
	const char *const all = "SELECT group_concat(sql, ';') || (SELECT group_concat(host) FROM"
				" hosts) FROM sqlite_schema";

	run_sql(f->path, schema2);
	run_sql(f->path, rows2);
	run_sql(f->path, "CREATE TABLE life (a INTEGER)"); /* comes near the end */
	text_of(f, all, before, sizeof(before));
	assert_int_not_equal(open_store(f), 0);
	assert_non_null(strstr(f->error, f->path));
	assert_non_null(strstr(f->error, "cannot migrate it from schema 2 to 4"));
	assert_non_null(strstr(f->error, "life"));
	assert_int_equal(number_of(f, "PRAGMA user_version"), 2);
	text_of(f, all, after, sizeof(after));
	assert_string_equal(after, before);
	run_sql(f->path, "DROP TABLE life");
	assert_int_equal(open_store(f), 0);
}

static void a_migration_without_room_leaves_the_old_store(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit;

	run_sql(f->path, schema2);
	run_sql(f->path, rows2);
	run_sql(f->path,
		"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 5000)"
		" INSERT INTO exposures SELECT 'd1', 'x'||i, 'ring0', 1, 1, 1, 1, 0, 0, 0 FROM n");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	rlim_t whole = limit.rlim_cur;
	limit.rlim_cur = 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int err = open_store(f);
	limit.rlim_cur = whole;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_not_equal(err, 0);
	assert_non_null(strstr(f->error, "cannot migrate it from schema 2 to 4"));
	assert_int_equal(number_of(f, "PRAGMA user_version"), 2);
	assert_int_equal(number_of(f, "SELECT count(*) FROM exposures"), 5001);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(number_of(f, "SELECT count(*) FROM exposures WHERE step=3"), 5001);
}

/* ---- damage -------------------------------------------------------------------------- */

/* Bytes of a file, as one number; 0: it is not there. */
static uint64_t print_of(const char *path)
{
	uint64_t sum = 14695981039346656037u;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return 0;
	for (int c; (c = getc(file)) != EOF;)
		sum = (sum ^ (uint64_t)c) * 1099511628211u;
	fclose(file);
	return sum;
}

/* A store whose last row is in its WAL only, and one of whose pages is junk. */
static void make_damaged(struct fixture *f)
{
	char junk[4096];
	sqlite3 *db;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 200; i++)
		push_event(f, "h1", spool_a, i, false);
	close_store(f);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO audit VALUES (1, 1, 'a', 'b', 'c', 'd')",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	memset(junk, 0x5a, sizeof(junk));
	write_at(f->path, size_of(f->path) - 3 * (off_t)sizeof(junk), junk, sizeof(junk));
}

static void a_refused_store_keeps_its_wal(void **state)
{
	struct fixture *f = *state;
	char wal[128];

	make_damaged(f);
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	uint64_t file_print = print_of(f->path), wal_print = print_of(wal);
	assert_true(size_of(wal) > 0);
	assert_int_equal(open_store(f), -EUCLEAN);
	assert_int_equal(print_of(f->path), file_print);
	assert_int_equal(print_of(wal), wal_print);
}

static void a_damaged_store_is_set_aside_whole(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;
	char wal[128], moved_to[RW_STORE_PATH_BYTES], moved_wal[RW_STORE_PATH_BYTES + 8];

	make_damaged(f);
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	uint64_t file_print = print_of(f->path), wal_print = print_of(wal);
	assert_int_equal(rw_store_set_aside_damaged(f->path, moved_to, f->error), 0);
	assert_non_null(strstr(f->error, "damaged"));
	size_t length = strlen(f->path);
	assert_int_equal(strncmp(moved_to, f->path, length), 0);
	unsigned day, second;
	char end;
	assert_int_equal(sscanf(moved_to + length, ".damaged-%8uT%6uZ%c", &day, &second, &end), 2);
	assert_int_equal(strlen(moved_to + length), strlen(".damaged-20260102T030405Z"));
	snprintf(moved_wal, sizeof(moved_wal), "%s-wal", moved_to);
	assert_int_equal(print_of(moved_to), file_print);
	assert_int_equal(print_of(moved_wal), wal_print);
	assert_int_equal(print_of(f->path), 0);
	assert_int_equal(print_of(wal), 0);

	assert_int_equal(open_store(f), 0);
	load(f, &l);
	assert_int_equal(l.count, 0);
	assert_int_equal(ask(f, &(struct rw_event_query){0}).count, 0);
	close_store(f);
	assert_int_equal(print_of(moved_to), file_print);
}

static void a_store_with_a_row_that_cannot_be_is_set_aside(void **state)
{
	struct fixture *f = *state;
	char moved_to[RW_STORE_PATH_BYTES];

	assert_int_equal(open_store(f), 0);
	push(f, host_change("h1", RW_ONLINE, RW_ONLINE));
	close_store(f);
	run_sql(f->path, "UPDATE hosts SET presence=99");
	assert_int_equal(rw_store_set_aside_damaged(f->path, moved_to, f->error), 0);
	assert_true(size_of(moved_to) > 0);
	assert_non_null(strstr(f->error, "column presence"));
}

static void only_a_damaged_store_is_set_aside(void **state)
{
	struct fixture *f = *state;
	char moved_to[RW_STORE_PATH_BYTES];

	/* None at all. */
	assert_int_equal(rw_store_set_aside_damaged(f->path, moved_to, f->error), 0);
	assert_string_equal(moved_to, "");
	/* A good one, open and then closed. */
	assert_int_equal(open_store(f), 0);
	push(f, host_change("h1", RW_ONLINE, RW_ONLINE));
	assert_int_equal(rw_store_set_aside_damaged(f->path, moved_to, f->error), -EBUSY);
	assert_string_equal(moved_to, "");
	assert_non_null(strstr(f->error, "another collector"));
	close_store(f);
	uint64_t print = print_of(f->path);
	assert_int_equal(rw_store_set_aside_damaged(f->path, moved_to, f->error), 0);
	assert_string_equal(moved_to, "");
	assert_int_equal(print_of(f->path), print);
	/* Of another schema, and of another program. */
	run_sql(f->path, "PRAGMA user_version=5");
	assert_int_equal(rw_store_set_aside_damaged(f->path, moved_to, f->error), -EPROTO);
	run_sql(f->path, "PRAGMA application_id=4");
	assert_int_equal(rw_store_set_aside_damaged(f->path, moved_to, f->error), -EPROTO);
	assert_string_equal(moved_to, "");
	assert_true(size_of(f->path) > 0);
	/* Where there is no folder. */
	assert_int_equal(rw_store_set_aside_damaged("/nonexistent/c.db", moved_to, f->error),
			 -ENOENT);
}

/* ---- a large store is looked through when it may have been torn ------------------------- */

/* More than is looked through always; a page in its midst is junk. */
static void make_large(struct fixture *f)
{
	char sql[128];

	assert_int_equal(open_store(f), 0);
	close_store(f);
	snprintf(sql, sizeof(sql), "INSERT INTO excerpts VALUES (1, zeroblob(%d), 0)",
		 RW_STORE_ALWAYS_CHECKED_BYTES + 4096);
	run_sql(f->path, sql);
}

static void tear(struct fixture *f)
{
	char junk[4096];
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	memset(junk, 0x5a, sizeof(junk));
	write_at(f->path, (off_t)RW_STORE_ALWAYS_CHECKED_BYTES / 2, junk, sizeof(junk));
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
}

static void write_mark(struct fixture *f, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s.lock", f->path);
	assert_int_equal(truncate(path, 0), 0);
	write_at(path, 0, text, strlen(text));
}

static void a_large_store_is_looked_through_when_it_may_be_torn(void **state)
{
	struct fixture *f = *state;
	const struct timespec past[2] = {{1, 0}, {1, 0}};
	struct stat st;
	char mark[128];

	make_large(f);
	assert_int_equal(open_store(f), 0);
	close_store(f);
	tear(f);
	/* Closed in order, and the same file: not looked at. */
	assert_int_equal(open_store(f), 0);
	close_store(f);

	/* Written to since by somebody else. */
	assert_int_equal(utimensat(AT_FDCWD, f->path, past, 0), 0);
	assert_int_equal(open_store(f), -EUCLEAN);
	/* A machine that went down, a file in another's place, no mark at all. */
	assert_int_equal(stat(f->path, &st), 0);
	snprintf(mark, sizeof(mark), "inode %llu open in boot %s\n", (unsigned long long)st.st_ino,
		 boot);
	write_mark(f, mark);
	assert_int_equal(open_store(f), -EUCLEAN);
	snprintf(mark, sizeof(mark), "inode %llu closed at 1.000000000\n",
		 (unsigned long long)st.st_ino + 1);
	write_mark(f, mark);
	assert_int_equal(open_store(f), -EUCLEAN);
	write_mark(f, "");
	assert_int_equal(open_store(f), -EUCLEAN);
	/* A refusal is no reason to believe it the next time. */
	assert_int_equal(open_store(f), -EUCLEAN);
	snprintf(mark, sizeof(mark), "inode %llu closed at 1.000000000\n",
		 (unsigned long long)st.st_ino);
	write_mark(f, mark);
	assert_int_equal(open_store(f), 0);
}

static void a_large_store_whose_collector_was_killed_is_not_looked_through(void **state)
{
	struct fixture *f = *state;
	int status;

	make_large(f);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(open_store(f) == 0 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	tear(f);
	assert_int_equal(open_store(f), 0);
	/* The last close was in order; then killed again, and the machine has gone down since. */
	close_store(f);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(open_store(f) == 0 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(setenv("RINGWATCH_BOOT_ID", "0123456789abcdef0123456789abcdef", 1), 0);
	int err = open_store(f);
	assert_int_equal(unsetenv("RINGWATCH_BOOT_ID"), 0);
	assert_int_equal(err, -EUCLEAN);
	assert_int_equal(open_store(f), 0);
}

/* Damage that was met is looked for the next time, whatever the mark would say. */
static void a_row_that_cannot_be_is_a_reason_to_look_through_all(void **state)
{
	struct fixture *f = *state;
	const struct rw_store_loader nobody = {0};

	make_large(f);
	assert_int_equal(open_store(f), 0);
	push(f, host_change("h1", RW_ONLINE, RW_ONLINE));
	close_store(f);
	run_sql(f->path, "UPDATE hosts SET presence=99");
	assert_int_equal(open_store(f), 0);
	close_store(f);
	tear(f);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(rw_store_load(f->store, &nobody, f->error), -EUCLEAN);
	close_store(f);
	assert_int_equal(open_store(f), -EUCLEAN);
}

static void damage_that_a_write_meets_is_told_and_looked_for(void **state)
{
	struct fixture *f = *state;
	char junk[4096];
	struct stat st;

	make_large(f);
	assert_int_equal(open_store(f), 0);
	close_store(f);
	int64_t root = number_of(f, "SELECT rootpage FROM sqlite_schema WHERE name='transitions'");
	assert_int_equal(stat(f->path, &st), 0);
	memset(junk, 0x5a, sizeof(junk));
	write_at(f->path, (root - 1) * (off_t)sizeof(junk), junk, sizeof(junk));
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
	assert_int_equal(open_store(f), 0);
	push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	WAIT_FOR(f, f->failures == 1);
	assert_non_null(strstr(f->error, "malformed"));
	assert_int_equal(f->committed, 0);
	close_store(f);
	assert_int_equal(open_store(f), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_collectors_never_share_a_store),
		TEST(a_damaged_file_is_refused_and_left_as_it_is),
		TEST(a_file_that_is_no_database_is_refused_and_left_as_it_is),
		TEST(another_schema_is_refused_by_its_number),
		TEST(a_database_of_another_program_is_refused),
		TEST(a_folder_that_is_not_there_is_named),
		TEST(schema_2_is_migrated_and_says_so_once),
		TEST(schema_3_is_migrated_with_what_it_holds),
		TEST(a_migrated_store_without_a_run_has_no_life_yet),
		TEST(a_migration_that_fails_leaves_the_old_store),
		TEST(a_migration_without_room_leaves_the_old_store),
		TEST(a_refused_store_keeps_its_wal),
		TEST(a_damaged_store_is_set_aside_whole),
		TEST(a_store_with_a_row_that_cannot_be_is_set_aside),
		TEST(only_a_damaged_store_is_set_aside),
		TEST(a_large_store_is_looked_through_when_it_may_be_torn),
		TEST(a_large_store_whose_collector_was_killed_is_not_looked_through),
		TEST(a_row_that_cannot_be_is_a_reason_to_look_through_all),
		TEST(damage_that_a_write_meets_is_told_and_looked_for),
	};

	return cmocka_run_group_tests_name("store_open", tests, NULL, NULL);
}
