/* SPDX-License-Identifier: Apache-2.0 */
/* A collector's store, judged again: by the policy that it had, and by another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/store/store.h"
#include "ctl/replay/player.h"
#include "ctl/replay/store.h"

static const char schema[] =
#include "store_schema.h"
	;

enum { SAID_BYTES = 16 * 1024, SQL_BYTES = 1024 };
enum { MINUTE = 60 * 1000, ABOUT_A_WEEK = 8 * 24 * 60 * MINUTE };
/* 2024-07-19T04:00:00Z */
#define T0 UINT64_C(1721361600000)

struct fixture {
	char path[64];
	sqlite3 *db;
	char said[SAID_BYTES];
	char refused[SAID_BYTES];
	uint64_t begin_wall_ms;
};

__attribute__((format(printf, 2, 3))) static void sql(struct fixture *f, const char *fmt, ...)
{
	char words[SQL_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	if (sqlite3_exec(f->db, words, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", words, sqlite3_errmsg(f->db));
}

static void transition(struct fixture *f, uint64_t at_ms, const char *host, enum rw_presence was,
		       enum rw_presence is)
{
	sql(f,
	    "INSERT INTO transitions (at_wall_ms, host, ring, was, is_now)"
	    " VALUES (%llu, '%s', 'ring0', %d, %d)",
	    (unsigned long long)(T0 + at_ms), host, (int)was, (int)is);
}

static void audit(struct fixture *f, uint64_t at_ms, const char *action, const char *subject,
		  const char *detail)
{
	sql(f,
	    "INSERT INTO audit (at_wall_ms, actor, action, subject, detail)"
	    " VALUES (%llu, 'someone', '%s', '%s', '%s')",
	    (unsigned long long)(T0 + at_ms), action, subject, detail);
}

/* It happened `ago_ms` before the collector had it. */
static void event(struct fixture *f, uint64_t at_ms, uint64_t ago_ms, const char *host,
		  const char *kind, uint64_t order, uint64_t boot_ms)
{
	sql(f,
	    "INSERT INTO events (host, ring, spool_id, sequence, at_wall_ms, received_wall_ms,"
	    " host_wall_ms, kind, severity, source, boot_id, boot_order, boot_ms, cpu, pid, error,"
	    " count, comm, signature, symbol, module, detail, stack, facts) VALUES ('%s', 'ring0',"
	    " x'00', %llu, %llu, %llu, 0, '%s', 'critical', 'kmsg', 'x', %llu, %llu, 0, 0, 0, 1,"
	    " '', '%s:x', '', '', '', '', '{}')",
	    host, (unsigned long long)at_ms, (unsigned long long)(T0 + at_ms - ago_ms),
	    (unsigned long long)(T0 + at_ms), kind, (unsigned long long)order,
	    (unsigned long long)boot_ms, kind);
}

static void host(struct fixture *f, const char *name, enum rw_presence presence, uint64_t order)
{
	sql(f,
	    "INSERT INTO hosts (host, ring, presence, boot_id, boot_order, since_wall_ms,"
	    " heard_wall_ms, goodbye, back_by_wall_ms)"
	    " VALUES ('%s', 'ring0', %d, x'00', %llu, %llu, %llu, 0, 0)",
	    name, (int)presence, (unsigned long long)order, (unsigned long long)T0,
	    (unsigned long long)(T0 + 60 * MINUTE));
}

/* Ten hosts from T0 on, and d1 started on them at 6 min. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char name[8];

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/rw-replay-XXXXXX");
	int fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sqlite3_open(f->path, &f->db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(f->db, schema, NULL, NULL, NULL), SQLITE_OK);
	sql(f, "PRAGMA application_id=%d", 0x72777374);
	sql(f, "PRAGMA user_version=%d", (int)RW_STORE_SCHEMA);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "h%u", i);
		host(f, name, RW_ONLINE, i == 3 ? 1001 : 1000);
		transition(f, i, name, RW_UNKNOWN, RW_ONLINE);
	}
	sql(f,
	    "INSERT INTO deployments (deployment, component, version, exposure, state,"
	    " created_wall_ms, ended_wall_ms, reason, rings)"
	    " VALUES ('d1', 'driver', '1', 1, 1, %llu, 0, '', 'ring0 ring1')",
	    (unsigned long long)(T0 + 5 * MINUTE));
	audit(f, 5 * MINUTE, "deploy_create", "deployment=d1", "component=driver");
	audit(f, 6 * MINUTE, "deploy_start", "deployment=d1 ring=ring0", "step=1");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sqlite3_close(f->db);
	unlink(f->path);
	free(f);
	return 0;
}

/* ---- playing --------------------------------------------------------------------------- */

static void take_verdict(void *context, uint64_t at_ms, const struct rw_verdict *verdict)
{
	struct fixture *f = context;
	char time[RW_PLAY_TIME_BYTES], text[RW_VERDICT_TEXT_BYTES];
	size_t used = strlen(f->said);
	uint64_t since_t0_ms = f->begin_wall_ms + at_ms - T0;

	if (strcmp(verdict->ring, "ring0") == 0)
		snprintf(f->said + used, SAID_BYTES - used, "%s %s\n",
			 rw_player_say_time(since_t0_ms, time), rw_player_say(verdict, text));
}

static void take_refused(void *context, const struct rw_statement *statement, const char *line)
{
	struct fixture *f = context;
	size_t used = strlen(f->refused);

	snprintf(f->refused + used, SAID_BYTES - used, "%s %s: %s\n", statement->deployment,
		 statement->ring == NULL ? "" : statement->ring, line);
}

static void judge(struct fixture *f, const struct rw_policy *policy)
{
	char error[RW_SCENARIO_ERROR_BYTES] = "";
	struct rw_player_sink sink = {f, take_verdict, take_refused};
	struct rw_scenario scenario;

	f->said[0] = f->refused[0] = '\0';
	assert_true(rw_replay_is_store(f->path));
	if (rw_replay_read_store(f->path, policy, &scenario, error) != 0)
		fail_msg("%s", error);
	f->begin_wall_ms = scenario.wall_ms;
	if (rw_player_play(&scenario, &sink, error) != 0)
		fail_msg("%s", error);
	rw_scenario_release(&scenario);
}

static struct rw_policy policy_with_limit(uint32_t ppm)
{
	struct rw_policy policy = rw_scenario_default_policy();

	policy.rings[0].limits[RW_RULE_OFFLINE].ppm = ppm;
	policy.rings[0].limits[RW_RULE_CRASHED].ppm = ppm;
	policy.rings[0].limits[RW_RULE_FAILED].ppm = ppm;
	return policy;
}

static void assert_said(const struct fixture *f, const char *line)
{
	if (strstr(f->said, line) == NULL)
		fail_msg("'%s' is not in\n%s", line, f->said);
}

static void silent_from(struct fixture *f, const char *name, uint64_t at_ms)
{
	transition(f, at_ms + 12000, name, RW_ONLINE, RW_SUSPECT);
	transition(f, at_ms + 30000, name, RW_SUSPECT, RW_OFFLINE);
}

/* ---- tests ------------------------------------------------------------------------------- */

static void test_a_silence_is_judged_when_it_was(void **state)
{
	struct fixture *f = *state;
	struct rw_policy strict = policy_with_limit(1000), lax = policy_with_limit(200000);

	silent_from(f, "h3", 20 * MINUTE);
	judge(f, &strict);
	assert_said(f, "5m00s hold (not_started, ");
	assert_said(f, "20m30s abort (offline, grade limit), 1 of 10\n");
	judge(f, &lax);
	assert_null(strstr(f->said, "abort"));
	assert_said(f, "hold (coverage_low, bake_incomplete), 1 of 10\n");
}

/* It came back in another boot, and that is what tells. */
static void test_a_reboot_is_a_crash_when_it_was_told(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);

	transition(f, 20 * MINUTE + 12000, "h3", RW_ONLINE, RW_SUSPECT);
	transition(f, 20 * MINUTE + 25000, "h3", RW_SUSPECT, RW_ONLINE);
	event(f, 20 * MINUTE + 25500, 20000, "h3", "unexpected_reboot", 1000, 5 * MINUTE);
	judge(f, &policy);
	assert_said(f, "20m25s abort (crashed, grade limit), 1 of 10\n");
}

/* Too quick for any transition. */
static void test_a_reboot_without_a_transition_is_known(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);

	event(f, 20 * MINUTE, 5000, "h3", "unexpected_reboot", 1000, 25 * MINUTE);
	judge(f, &policy);
	assert_said(f, "20m00s abort (crashed, grade limit), 1 of 10\n");
}

static void test_a_planned_reboot_is_no_crash(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);

	transition(f, 20 * MINUTE, "h3", RW_ONLINE, RW_PLANNED);
	transition(f, 22 * MINUTE, "h3", RW_PLANNED, RW_ONLINE);
	event(f, 22 * MINUTE + 500, MINUTE, "h3", "planned_reboot", 1000, 25 * MINUTE);
	judge(f, &policy);
	assert_null(strstr(f->said, "abort"));
	assert_said(f, "hold (bake_incomplete), 0 of 10\n");
}

/* By boot clock: the first oops was before the start at 6 min, and came after it. */
static void test_only_what_happened_after_the_start_counts(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);

	event(f, 2 * MINUTE, 0, "h4", "warning", 1000, 10 * MINUTE);
	event(f, 20 * MINUTE, 17 * MINUTE, "h4", "oops", 1000, 11 * MINUTE);
	judge(f, &policy);
	assert_null(strstr(f->said, "abort"));
	event(f, 30 * MINUTE, 20 * MINUTE, "h4", "oops", 1000, 18 * MINUTE);
	judge(f, &policy);
	assert_said(f, "30m00s abort (crashed, grade limit), 1 of 10\n");
}

static void test_an_act_that_would_be_refused_is_told(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);

	sql(f, "INSERT INTO hosts (host, ring, presence, boot_id, boot_order, since_wall_ms,"
	       " heard_wall_ms, goodbye, back_by_wall_ms)"
	       " VALUES ('r', 'ring1', 1, x'00', 1, 1, 1, 0, 0)");
	audit(f, 10 * MINUTE, "deploy_start", "deployment=d1 ring=ring1", "step=1");
	audit(f, 11 * MINUTE, "deploy_withdraw", "deployment=d1", "enough");
	judge(f, &policy);
	assert_string_equal(f->refused, "d1 ring1: the act was refused: this step may not start "
					"now: previous_ring_not_passed\n");
	assert_said(f, "11m00s hold (withdrawn), 0 of 10\n");
}

/* Hosts that took a version by themselves, and an operator who takes one of them out. */
static void test_reports_and_acts_on_hosts_are_played(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);

	sql(f,
	    "UPDATE deployments SET exposure = %d, match = 'marker:driver', version = '2',"
	    " rings = 'ring0'",
	    (int)RW_EXPOSURE_REPORTED);
	sql(f,
	    "INSERT INTO exposures (deployment, host, ring, boot_order, boot_ms, alive, heard,"
	    " crashed, recovered, acknowledged, at_wall_ms) SELECT 'd1', host, 'ring0', 1000, 1,"
	    " 1, 1, 0, 0, 0, %llu FROM hosts WHERE host <> 'h9'",
	    (unsigned long long)(T0 + 7 * MINUTE));
	event(f, 20 * MINUTE, 0, "h4", "oops", 1000, 30 * MINUTE);
	judge(f, &policy);
	assert_said(f, "6m00s hold (no_exposed_hosts, too_few_hosts, bake_incomplete), 0 of 0\n");
	assert_said(f, "7m00s hold (bake_incomplete), 0 of 9\n");
	assert_said(f, "20m00s abort (crashed, grade limit), 1 of 9\n");

	audit(f, 15 * MINUTE, "host_exclude", "host=h4", "it lies");
	judge(f, &policy);
	assert_null(strstr(f->said, "abort"));
	assert_string_equal(f->refused, "");
}

/* Only a week before the first deployment is played, with hosts as they were then. */
static void test_what_was_long_before_is_not_played(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);

	sql(f, "UPDATE transitions SET at_wall_ms = at_wall_ms - %d", ABOUT_A_WEEK);
	sql(f, "INSERT INTO transitions (at_wall_ms, host, ring, was, is_now) VALUES"
	       " (1, 'h3', 'ring0', 1, 3)");
	sql(f, "UPDATE hosts SET presence = %d WHERE host = 'h3'", (int)RW_OFFLINE);
	judge(f, &policy);
	assert_int_equal(f->begin_wall_ms, T0 + 5 * MINUTE - 7ull * 24 * 60 * MINUTE - 2 * MINUTE);
	assert_said(f, "hold (not_started, ring_unhealthy, no_exposed_hosts, too_few_hosts, "
		       "bake_incomplete)");
	assert_string_equal(f->refused, "d1 ring0: the act was refused: this step may not start "
					"now: ring_unhealthy\n");
}

static void test_other_files_are_refused(void **state)
{
	struct fixture *f = *state;
	struct rw_policy policy = policy_with_limit(1000);
	char error[RW_SCENARIO_ERROR_BYTES], expected[RW_SCENARIO_ERROR_BYTES];
	static const struct {
		const char *sql, *complaint;
	} cases[] = {
		{"UPDATE hosts SET ring = 'far' WHERE host = 'h1'; DELETE FROM transitions",
		 "the policy has no ring 'far', expected one of its 3"},
		{"DELETE FROM deployments",
		 "no deployment was ever created in it: there is nothing to judge"},
		{"PRAGMA user_version=99", "its schema is another one, expected 2 to 4"},
		{"PRAGMA application_id=1", "this is no store of a collector"},
	};

	assert_false(rw_replay_is_store("deploy/policy.yaml"));
	assert_false(rw_replay_is_store("/nonexistent"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rw_scenario scenario;

		sql(f, "%s", cases[i].sql);
		assert_int_equal(rw_replay_read_store(f->path, &policy, &scenario, error), -EINVAL);
		rw_scenario_release(&scenario);
		snprintf(expected, sizeof(expected), "%s: %s", f->path, cases[i].complaint);
		assert_string_equal(error, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_silence_is_judged_when_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_reboot_is_a_crash_when_it_was_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_reboot_without_a_transition_is_known, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_planned_reboot_is_no_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_what_happened_after_the_start_counts,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_act_that_would_be_refused_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_reports_and_acts_on_hosts_are_played, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_was_long_before_is_not_played, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_other_files_are_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
