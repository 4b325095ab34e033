/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events in the store: marks, quotas, logs, facts, and what retention takes.
 */
#include "tests/unit/collector/store_fixture.h"

static void marks_rise_with_events_and_never_fall(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	push_event(f, "h1", spool_a, 7, false);
	push_event(f, "h1", spool_a, 9, false);
	push_event(f, "h1", spool_b, 2, true); /* over quota, and yet taken */
	push_event(f, "h1", spool_a, 8, false);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.marks[0], 9);
	assert_int_equal(l.marks[1], 2);
}

static void a_host_that_remakes_its_spool_does_not_fill_the_disk(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;
	uint8_t spool[16] = {0};

	assert_int_equal(open_store(f), 0);
	for (uint8_t i = 0; i < 100; i++) {
		spool[15] = i;
		push_event(f, "h1", spool, 1 + i, false);
	}
	reopen(f);

	sqlite3 *db;
	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*), max(sequence) FROM spools", -1,
					    &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(statement, 0), 8);
	assert_int_equal(sqlite3_column_int(statement, 1), 100);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	load(f, &l);
}

static void what_is_over_quota_is_one_row_that_counts(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 50; i++)
		push_event(f, "h1", spool_a, i, true);
	last = push_event(f, "h2", spool_a, 1, true);
	WAIT_FOR(f, f->committed == last);
	struct seen seen = ask(f, &(struct rw_event_query){.host = "h1"});
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last_count, 50);
	assert_string_equal(seen.last_signature, "over quota");
	assert_int_equal(ask(f, &(struct rw_event_query){0}).count, 2);
}

static void a_log_is_kept_with_the_event_that_it_is_about(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	tell(f, (struct told){.sequence = 1});
	tell(f, (struct told){.sequence = 2, .log = "of itself"});
	tell(f, (struct told){.sequence = 1, .spool = spool_b});
	tell(f, (struct told){.sequence = 3, .about = 1, .log = "the first"});
	tell(f, (struct told){.sequence = 4, .about = 1, .log = "one too late"});
	tell(f, (struct told){.sequence = 5, .about = 2, .log = "one too many"});
	tell(f, (struct told){.sequence = 6, .about = 7, .log = "one too early"});
	tell(f, (struct told){.sequence = 1, .host = "h2", .about = 2, .log = "another's"});
	uint64_t last = tell(f, (struct told){.sequence = 7});
	WAIT_FOR(f, f->committed == last);

	assert_int_equal(ask(f, &(struct rw_event_query){0}).count, 4); /* no excerpt is a row */
	struct one one = ask_one(f, "h1", spool_a, 1);
	assert_true(one.has_log);
	assert_string_equal(one.log, "the first");
	assert_int_equal(one.log_bytes, 1000);
	assert_string_equal(ask_one(f, "h1", spool_a, 2).log, "of itself");
	assert_false(ask_one(f, "h1", spool_b, 1).has_log);
	assert_false(ask_one(f, "h1", spool_a, 7).has_log);
	assert_false(ask_one(f, "h1", spool_a, 3).found);
	assert_int_equal(stats_of(f).excerpts_kept, 2);
	assert_int_equal(stats_of(f).excerpts_unmatched, 4);
	assert_int_equal(stats_of(f).excerpts_over_quota, 0);

	/* The mark rises over an excerpt, whatever became of it. */
	tell(f, (struct told){.sequence = 8, .about = 7, .log = "kept"});
	tell(f, (struct told){.sequence = 9, .about = 7, .log = "dropped"});
	reopen(f);
	load(f, &l);
	assert_int_equal(l.marks[0], 9);
}

static void a_row_that_only_counts_has_no_log(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	tell(f, (struct told){.sequence = 1, .over_quota = true, .log = "x"});
	tell(f, (struct told){.sequence = 2, .about = 1, .log = "x"});
	tell(f, (struct told){.sequence = 3});
	uint64_t last =
		tell(f, (struct told){.sequence = 4, .about = 3, .log = "x", .over_quota = true});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), 0);
	assert_int_equal(stats_of(f).excerpts_unmatched, 1);
	assert_int_equal(stats_of(f).excerpts_over_quota, 1);
}

static void a_host_has_so_many_logs_a_day_of_each_severity(void **state)
{
	struct fixture *f = *state;
	const Ringwatch__V1__Severity warning = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	uint64_t at = 0, last = 0;

	assert_int_equal(open_store(f), 0);
	for (int i = 0; i < 70; i++) {
		uint64_t about = ++at;
		tell(f, (struct told){.sequence = about, .severity = warning});
		last = tell(f, (struct told){.sequence = ++at, .about = about, .log = "x"});
	}
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), RW_STORE_EXCERPTS_A_DAY);
	assert_int_equal(stats_of(f).excerpts_over_quota, 6);

	/* What kills the host still has room, and so has another host, and tomorrow. */
	last = tell(f, (struct told){.sequence = ++at, .log = "critical"});
	WAIT_FOR(f, f->committed == last);
	assert_true(ask_one(f, "h1", spool_a, at).has_log);
	tell(f, (struct told){.sequence = 1, .host = "h2", .severity = warning, .log = "another"});
	last = tell(f, (struct told){.sequence = ++at,
				     .severity = warning,
				     .log = "tomorrow",
				     .received_ms = A_DAY_MS});
	WAIT_FOR(f, f->committed == last);
	assert_true(ask_one(f, "h2", spool_a, 1).has_log);
	assert_true(ask_one(f, "h1", spool_a, at).has_log);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events"), 70 + 3); /* none is lost */
}

static void a_host_has_so_many_signatures_a_day_of_each_severity(void **state)
{
	struct fixture *f = *state;
	const Ringwatch__V1__Severity warning = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	char signature[32];
	uint64_t at = 0;

	assert_int_equal(open_store(f), 0);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			snprintf(signature, sizeof(signature), "warning:f%d", i);
			tell(f, (struct told){.sequence = ++at,
					      .severity = warning,
					      .signature = signature});
		}
	}
	tell(f, (struct told){.sequence = ++at, .signature = "oops:new"});
	tell(f, (struct told){.sequence = 1, .host = "h2", .signature = "warning:f99"});
	uint64_t last = tell(f, (struct told){.sequence = ++at,
					      .severity = warning,
					      .signature = "warning:f99",
					      .received_ms = A_DAY_MS});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events WHERE host='h1'"
				      " AND signature GLOB 'warning:f*' AND received_wall_ms=0"),
			 2 * RW_STORE_SIGNATURES_A_DAY);
	/* The rest is one row, with its count. */
	assert_int_equal(number_of(f, "SELECT count(*) FROM events WHERE signature='over quota'"),
			 1);
	assert_int_equal(number_of(f, "SELECT count FROM events WHERE signature='over quota'"),
			 2 * (100 - RW_STORE_SIGNATURES_A_DAY));
	assert_int_equal(stats_of(f).signatures_over_quota, 2 * (100 - RW_STORE_SIGNATURES_A_DAY));
	struct seen seen = ask(f, &(struct rw_event_query){.signature = "oops:new"});
	assert_int_equal(seen.count, 1);
	seen = ask(f, &(struct rw_event_query){.signature = "warning:f99"});
	assert_int_equal(seen.count, 2);
}

static void facts_are_kept_as_they_were_said(void **state)
{
	struct fixture *f = *state;
	static char longest[RW_FACT_VALUE_MAX + 1];
	struct told full = {.sequence = 3};

	memset(longest, 1, sizeof(longest) - 1);
	for (size_t i = 0; i < RW_FACTS_MAX; i++)
		full.values[i] = longest;
	assert_int_equal(open_store(f), 0);
	tell(f, (struct told){.sequence = 1});
	tell(f, (struct told){.sequence = 2,
			      .values = {"null_dereference", "0x0",
					 "a \"quote\" \\ \n\x1f\x7f \xc3\xa9"}});
	uint64_t last = tell(f, full);
	WAIT_FOR(f, f->committed == last);
	assert_string_equal(ask_one(f, "h1", spool_a, 1).facts, "{}");
	assert_string_equal(ask_one(f, "h1", spool_a, 2).facts,
			    "{\"type\":\"null_dereference\",\"address\":\"0x0\",\"error_code\":"
			    "\"a \\\"quote\\\" \\\\ \\u000a\\u001f\x7f \xc3\xa9\"}");
	assert_int_equal(number_of(f, "SELECT json_valid(facts) FROM events WHERE sequence=3"), 1);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events, json_each(facts)"
				      " WHERE sequence=3 AND length(value)=96"),
			 RW_FACTS_MAX);
}

static void retention_spares_young_events_and_those_of_active_deployments(void **state)
{
	struct fixture *f = *state;
	struct rw_journal *journal;
	uint64_t cursor = 0;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 10; i++)
		push_event(f, i % 2 == 1 ? "h1" : "h2", spool_a, i, false);
	push(f, deployment_change());
	push(f, exposure_change("h1", 10, 500));
	close_store(f);

	assert_int_equal(rw_journal_open(f->path, &journal, f->error), 0);
	do {
		assert_int_equal(rw_journal_sweep(journal, NOW_MS, 8500, &cursor), 0);
	} while (cursor != 0);
	rw_journal_close(journal);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(ask(f, &(struct rw_event_query){.host = "h1"}).count, 5);
	struct seen young = ask(f, &(struct rw_event_query){.host = "h2"});
	assert_int_equal(young.count, 1);
	assert_int_equal(young.sequences[0], 10);
}

static void retention_takes_old_transitions_and_leaves_the_audit_trail(void **state)
{
	struct fixture *f = *state;
	struct rw_change change = host_change("h1", RW_ONLINE, RW_SUSPECT);
	const struct rw_audit_row row = {1000, "argo", "deploy_start", "deployment=d1", ""};

	assert_int_equal(open_store(f), 0);
	assert_true(rw_store_push_audit(f->store, &row) > 0);
	for (change.at_wall_ms = 1000; change.at_wall_ms <= 9000; change.at_wall_ms += 1000)
		push(f, change);
	sweep(f, NOW_MS, 7500);
	assert_int_equal(number_of(f, "SELECT count(*) FROM transitions"), 2);
	assert_int_equal(number_of(f, "SELECT min(at_wall_ms) FROM transitions"), 8000);
	assert_int_equal(number_of(f, "SELECT count(*) FROM audit"), 1);
}

/* With them, what else grows with hosts: runs and evidence do not. */
static void retention_takes_exposures_of_deployments_that_ended_before_it(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *id;
		enum rw_deployment_state state;
		uint64_t ended_ms;
		int64_t kept;
	} cases[] = {
		{"old", RW_DEPLOYMENT_FINISHED, 8499, 0},
		{"taken-back", RW_DEPLOYMENT_WITHDRAWN, 1, 0},
		{"young", RW_DEPLOYMENT_FINISHED, 8500, 2},
		{"active", RW_DEPLOYMENT_ACTIVE, 0, 2},
		{"unknown-end", RW_DEPLOYMENT_FINISHED, 0, 2},
	};
	const size_t count = sizeof(cases) / sizeof(cases[0]);

	assert_int_equal(open_store(f), 0);
	for (size_t i = 0; i < count; i++) {
		struct rw_change deployment = deployment_change(), run = run_change(true);
		struct rw_change exposure = exposure_change("h1", 10, 500);
		snprintf(deployment.deployment.id, RW_CORE_NAME_BYTES, "%s", cases[i].id);
		snprintf(run.run.deployment, RW_CORE_NAME_BYTES, "%s", cases[i].id);
		snprintf(exposure.exposure.deployment, RW_CORE_NAME_BYTES, "%s", cases[i].id);
		deployment.deployment.state = cases[i].state;
		deployment.deployment.ended_wall_ms = cases[i].ended_ms;
		push(f, deployment);
		push(f, run);
		push(f, exposure);
		snprintf(exposure.exposure.host, RW_CORE_NAME_BYTES, "h2");
		push(f, exposure);
	}
	/* Where all is kept, all is kept. */
	sweep(f, NOW_MS, 0);
	assert_int_equal(number_of(f, "SELECT count(*) FROM exposures"), 2 * (int64_t)count);
	sweep(f, NOW_MS, 8500);
	for (size_t i = 0; i < count; i++) {
		char sql[128];
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM exposures WHERE deployment='%s'",
			 cases[i].id);
		assert_int_equal(number_of(f, sql), cases[i].kept);
	}
	assert_int_equal(number_of(f, "SELECT count(*) FROM runs"), (int64_t)count);
}

static void logs_go_with_their_events_and_quotas_with_their_day(void **state)
{
	struct fixture *f = *state;
	const char *const days = "SELECT (SELECT count(*) FROM signatures)"
				 " + (SELECT count(*) FROM excerpt_days)"
				 " + (SELECT count(*) FROM overflows)";

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 6; i++) {
		tell(f, (struct told){.sequence = i, .received_ms = 1000 * i, .log = "x"});
		tell(f, (struct told){.host = "h2", .sequence = i, .over_quota = true});
	}
	sweep(f, 10000, 4500);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events WHERE host='h1'"), 2);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), 2);
	assert_true(ask_one(f, "h1", spool_a, 6).has_log);
	assert_int_equal(number_of(f, days), 3);

	/* Also where all events are kept. Yesterday's quotas stay. */
	sweep(f, A_DAY_MS + 1, 0);
	assert_int_equal(number_of(f, days), 3);
	sweep(f, 2 * (uint64_t)A_DAY_MS, 0);
	assert_int_equal(number_of(f, days), 0);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), 2);

	/* A new event may get the row id of one that is gone, and not its log. */
	sweep(f, 2 * (uint64_t)A_DAY_MS, A_DAY_MS);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events"), 0);
	uint64_t last = tell(f, (struct told){.sequence = 7});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(ask_one(f, "h1", spool_a, 7).row_id, 1);
	assert_false(ask_one(f, "h1", spool_a, 7).has_log);
}

/* A row of the quota's that a sweep has taken is made again. */
static void what_is_over_quota_after_a_sweep_counts_anew(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 5; i++)
		tell(f, (struct told){.sequence = i, .over_quota = true, .received_ms = 1000});
	sweep(f, 3000, 2000);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events"), 0);
	tell(f, (struct told){
			.host = "h2", .sequence = 1, .received_ms = 3000}); /* takes its row id */
	tell(f, (struct told){.sequence = 6, .over_quota = true, .received_ms = 3000});
	uint64_t last =
		tell(f, (struct told){.sequence = 7, .over_quota = true, .received_ms = 3000});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count FROM events WHERE signature='over quota'"), 2);
	assert_int_equal(number_of(f, "SELECT count FROM events WHERE host='h2'"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(marks_rise_with_events_and_never_fall),
		TEST(a_host_that_remakes_its_spool_does_not_fill_the_disk),
		TEST(what_is_over_quota_is_one_row_that_counts),
		TEST(a_log_is_kept_with_the_event_that_it_is_about),
		TEST(a_row_that_only_counts_has_no_log),
		TEST(a_host_has_so_many_logs_a_day_of_each_severity),
		TEST(a_host_has_so_many_signatures_a_day_of_each_severity),
		TEST(facts_are_kept_as_they_were_said),
		TEST(retention_spares_young_events_and_those_of_active_deployments),
		TEST(retention_takes_old_transitions_and_leaves_the_audit_trail),
		TEST(retention_takes_exposures_of_deployments_that_ended_before_it),
		TEST(logs_go_with_their_events_and_quotas_with_their_day),
		TEST(what_is_over_quota_after_a_sweep_counts_anew),
	};

	return cmocka_run_group_tests_name("store_events", tests, NULL, NULL);
}
