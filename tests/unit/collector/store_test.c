/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's queue and its writer: what was said to be on disk is there after a
 * restart, once each, whatever happens in between, and readers find it.
 */
#include "tests/unit/collector/store_fixture.h"

static void commits_are_told_in_order_and_up_to_the_last(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 5000; i++) {
		last = push_event(f, "h1", spool_a, i, false);
		assert_int_equal(last, i);
	}
	WAIT_FOR(f, f->committed == last);
	assert_false(f->went_back);
	assert_true(f->commits >= 5); /* batches are bounded */

	struct rw_store_stats stats;
	rw_store_stats(f->store, &stats);
	assert_int_equal(stats.pushed, 5000);
	assert_int_equal(stats.committed, 5000);
	assert_int_equal(stats.queued, 0);
}

static void a_group_is_on_disk_as_a_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	assert_int_equal(open_store(f), 0);
	uint64_t before = push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	rw_store_group_begin(f->store);
	for (int i = 0; i < 2500; i++) { /* more than a batch holds */
		char name[32];
		snprintf(name, sizeof(name), "x%d", i);
		last = push(f, exposure_change(name, 1, 1));
	}
	WAIT_FOR(f, f->committed == before);
	unsigned commits = f->commits;
	struct rw_store_stats stats;
	rw_store_stats(f->store, &stats);
	assert_int_equal(stats.queued, 2500);
	rw_store_group_end(f->store);
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(f->commits, commits + 1);
}

static void readers_filter_and_page_newest_first(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 10; i++)
		push_event(f, i % 2 == 1 ? "h1" : "h2", spool_a, i, false);
	/* Exposed in boot 10 at its 500th millisecond: h1's events 5, 7 and 9 came after. */
	push(f, deployment_change());
	uint64_t last = push(f, exposure_change("h1", 10, 500));
	WAIT_FOR(f, f->committed == last);

	struct seen all = ask(f, &(struct rw_event_query){.limit = 4});
	assert_int_equal(all.count, 4);
	assert_int_equal(all.sequences[0], 10);
	assert_int_equal(all.sequences[3], 7);
	struct seen next = ask(f, &(struct rw_event_query){.limit = 4, .cursor = all.row_ids[3]});
	assert_int_equal(next.sequences[0], 6);
	assert_string_equal(next.last_stack, "a+0x1\nb+0x2 [m]");
	assert_string_equal(next.last_spool, "aa010203000000000000000000000000");
	assert_string_equal(next.last_comm, "it's");
	assert_int_equal(next.last_error, -22);

	assert_int_equal(ask(f, &(struct rw_event_query){.host = "h2"}).count, 5);
	assert_int_equal(ask(f, &(struct rw_event_query){.ring = "ring9"}).count, 0);
	assert_int_equal(ask(f, &(struct rw_event_query){.kind = "oops"}).count, 10);
	assert_int_equal(ask(f, &(struct rw_event_query){.signature = "oops:f+0x1:m"}).count, 10);
	assert_int_equal(ask(f, &(struct rw_event_query){.signature = "x' OR '1'='1"}).count, 0);
	struct seen some =
		ask(f, &(struct rw_event_query){.since_wall_ms = 3000, .until_wall_ms = 5000});
	assert_int_equal(some.count, 3);
	struct seen of = ask(f, &(struct rw_event_query){.deployment = "d1"});
	assert_int_equal(of.count, 3);
	assert_int_equal(of.sequences[2], 5);
}

static int count_audit(void *context, const struct rw_audit_read *row)
{
	size_t *count = context;

	if (*count == 0)
		assert_string_equal(row->action, "deploy_finish");
	assert_string_equal(row->actor, "argo");
	(*count)++;
	return 0;
}

static int count_transition(void *context, const struct rw_transition_read *row)
{
	size_t *count = context;

	if (*count == 0) {
		assert_string_equal(row->from, "online");
		assert_string_equal(row->to, "suspect");
	}
	(*count)++;
	return 0;
}

static void audit_and_transitions_can_be_read(void **state)
{
	struct fixture *f = *state;
	struct rw_audit_row row = {1000, "argo", "deploy_start", "deployment=d1 ring=ring0", ""};
	struct rw_store_reader *reader;
	size_t audits = 0, transitions = 0;

	assert_int_equal(open_store(f), 0);
	assert_true(rw_store_push_audit(f->store, &row) > 0);
	row.action = "deploy_finish";
	assert_true(rw_store_push_audit(f->store, &row) > 0);
	push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	push(f, host_change("h1", RW_ONLINE, RW_ONLINE)); /* no transition */
	push(f, host_change("h2", RW_UNKNOWN, RW_ONLINE));
	uint64_t last = push(f, host_change("h1", RW_ONLINE, RW_SUSPECT));
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	assert_int_equal(rw_store_reader_audit(reader, 0, 10, count_audit, &audits), 0);
	assert_int_equal(
		rw_store_reader_transitions(reader, "h1", 0, 10, count_transition, &transitions),
		0);
	rw_store_reader_close(reader);
	assert_int_equal(audits, 2);
	assert_int_equal(transitions, 2);
}

static void the_audit_trail_is_only_ever_added_to(void **state)
{
	struct fixture *f = *state;
	const struct rw_audit_row row = {1000, "argo", "deploy_start", "deployment=d1", "why"};
	static const char *const forgeries[] = {
		"DELETE FROM audit",
		"DELETE FROM audit WHERE row_id=1",
		"UPDATE audit SET actor='nobody' WHERE row_id=1",
		"UPDATE audit SET row_id=7 WHERE row_id=1",
		"REPLACE INTO audit VALUES (1, 1, 'nobody', 'b', 'c', 'd')",
		"INSERT INTO audit VALUES (1, 1, 'nobody', 'b', 'c', 'd')"
		" ON CONFLICT (row_id) DO UPDATE SET actor='nobody'",
	};
	sqlite3 *db;

	assert_int_equal(open_store(f), 0);
	assert_true(rw_store_push_audit(f->store, &row) > 0);
	reopen(f);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		assert_int_not_equal(sqlite3_exec(db, forgeries[i], NULL, NULL, NULL), SQLITE_OK);
		assert_non_null(strstr(sqlite3_errmsg(db), "append-only"));
	}
	sqlite3_close(db);
	uint64_t last = rw_store_push_audit(f->store, &row);
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count(*) FROM audit WHERE actor='argo'"), 2);
	assert_int_equal(number_of(f, "SELECT max(row_id) FROM audit"), 2);
}

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_holds_acks_back_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(open_store(f), 0);
	uint64_t good = push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	WAIT_FOR(f, f->committed == good);
	char wal[128];
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	limit_file_size((rlim_t)size_of(wal) + 100);
	push_event(f, "h1", spool_a, 1, false);
	WAIT_FOR(f, f->failures == 1);
	uint64_t last = push_event(f, "h1", spool_a, 2, false);
	assert_true(last > good);
	assert_int_equal(f->committed, good);
	assert_true(f->error[0] != '\0');

	limit_file_size(RLIM_INFINITY);
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(f->failures, 1); /* said once */
	assert_int_equal(f->recoveries, 1);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.marks[0], 2);
	assert_int_equal(ask(f, &(struct rw_event_query){0}).count, 2);
}

/* In a child: pushes without end and writes each committed number to the pipe. */
static int tell_pipe_fd;

static void tell_pipe(void *context, uint64_t sequence)
{
	(void)context;
	if (write(tell_pipe_fd, &sequence, sizeof(sequence)) != (ssize_t)sizeof(sequence))
		_exit(3);
}

static void push_until_killed(struct fixture *f, uint64_t next)
{
	const struct rw_store_callbacks callbacks = {NULL, tell_pipe, NULL, NULL};

	if (rw_store_open(f->path, 0, &callbacks, &f->store, f->error) != 0)
		_exit(2);
	/* The nth push of this life is event number next + n - 1. */
	for (uint64_t i = next;; i++) {
		while (push_event(f, "h1", spool_a, i, false) == 0)
			usleep(100);
	}
}

static void nothing_that_was_told_is_lost_by_a_kill(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;
	uint64_t next = 1, told = 0;

	for (unsigned round = 0; round < 6; round++) {
		int fds[2];
		uint64_t sequence;
		assert_int_equal(pipe(fds), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(fds[0]);
			tell_pipe_fd = fds[1];
			push_until_killed(f, next);
		}
		close(fds[1]);
		unsigned commits =
			1 + round * 3; /* after so many of them, in the midst of the next */
		for (unsigned i = 0; i < commits; i++)
			assert_int_equal(read(fds[0], &sequence, sizeof(sequence)),
					 (ssize_t)sizeof(sequence));
		kill(child, SIGKILL);
		while (read(fds[0], &sequence, sizeof(sequence)) == (ssize_t)sizeof(sequence))
			;
		close(fds[0]);
		assert_int_equal(waitpid(child, NULL, 0), child);
		told = next + sequence - 1;

		assert_int_equal(open_store(f), 0);
		load(f, &l);
		assert_true(l.marks[0] >= told);
		close_store(f);
		next = l.marks[0] + 1;
	}

	/* Each number from 1 to the mark stands there exactly once. */
	sqlite3 *db;
	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
				   "SELECT count(*), count(DISTINCT sequence), min(sequence),"
				   " max(sequence) FROM events",
				   -1, &statement, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	for (int column = 0; column < 4; column++)
		assert_int_equal(sqlite3_column_int64(statement, column),
				 column == 2 ? 1 : (sqlite3_int64)l.marks[0]);
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commits_are_told_in_order_and_up_to_the_last),
		TEST(a_group_is_on_disk_as_a_whole_or_not_at_all),
		TEST(readers_filter_and_page_newest_first),
		TEST(audit_and_transitions_can_be_read),
		TEST(the_audit_trail_is_only_ever_added_to),
		TEST(a_full_disk_holds_acks_back_and_loses_nothing),
		TEST(nothing_that_was_told_is_lost_by_a_kill),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
