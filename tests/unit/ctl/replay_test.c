/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: how they are read, what is wrong with them, and how they are played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/config.h"
#include "ctl/replay/player.h"
#include "ctl/replay/scenario.h"

enum { TEXT_BYTES = 16 * 1024, SAID_BYTES = 16 * 1024 };

/* What a play said: a line a verdict, a line a miss. */
struct said {
	char verdicts[SAID_BYTES];
	char missed[SAID_BYTES];
	unsigned verdict_count, missed_count;
};

static void take_verdict(void *context, uint64_t at_ms, const struct rw_verdict *verdict)
{
	struct said *said = context;
	char time[RW_PLAY_TIME_BYTES], text[RW_VERDICT_TEXT_BYTES];
	size_t used = strlen(said->verdicts);

	said->verdict_count++;
	snprintf(said->verdicts + used, SAID_BYTES - used, "%s %s %s %s\n",
		 rw_player_say_time(at_ms, time), verdict->deployment, verdict->ring,
		 rw_player_say(verdict, text));
}

static void take_missed(void *context, const struct rw_statement *statement, const char *line)
{
	struct said *said = context;
	size_t used = strlen(said->missed);

	said->missed_count++;
	snprintf(said->missed + used, SAID_BYTES - used, "%u: %s\n", statement->line, line);
}

static int read_scenario(const char *text, char copy[TEXT_BYTES], struct rw_scenario *scenario,
			 char error[RW_SCENARIO_ERROR_BYTES])
{
	assert_true(strlen(text) < TEXT_BYTES);
	memcpy(copy, text, strlen(text) + 1);
	return rw_scenario_read("s", copy, scenario, error);
}

/* Plays the text, which must be right; what it said, to be freed. */
static struct said *play(const char *text)
{
	char copy[TEXT_BYTES], error[RW_SCENARIO_ERROR_BYTES] = "";
	struct rw_scenario scenario;
	struct said *said = calloc(1, sizeof(*said));
	struct rw_player_sink sink = {said, take_verdict, take_missed};

	assert_non_null(said);
	if (read_scenario(text, copy, &scenario, error) != 0)
		fail_msg("%s", error);
	if (rw_player_play(&scenario, &sink, error) != 0)
		fail_msg("%s", error);
	rw_scenario_release(&scenario);
	return said;
}

/* ---- reading ------------------------------------------------------------------------- */

static const struct {
	const char *text, *error;
} wrong[] = {
	{"frob", "s:1: 'frob' begins no line"},
	{"\n\n at 10x end", "s:3: '10x' is no time, expected a time such as 90s or 1h30m"},
	{"at", "s:1: the line ends, expected a time"},
	{"at 1s", "s:1: the line ends, expected verb"},
	{"at 1s dye all", "s:1: 'dye' is no verb, expected one of hosts, die"},
	{"at 1s die", "s:1: the line ends, expected hosts"},
	{"at 1s die C-1", "s:1: 'C-1' names no hosts, expected NAME"},
	{"at 1s die all now", "s:1: 'now' is one word too many, expected the end of the line"},
	{"at 1s die any 5 all", "s:1: expected any NUMBER of HOSTS"},
	{"at 1s die any 0 of all", "s:1: '0' is wrong, expected a number of hosts from 1 to"},
	{"at 1s crash all boom", "s:1: 'boom' is no kind of event, expected one of oops"},
	{"at 1s crash all oops soon", "s:1: 'soon' is no part of a crash, expected signature"},
	{"at 1s module-failed all m EBOOM", "s:1: 'EBOOM' is no error, expected one of EPERM"},
	{"at 1s goodbye all reboot", "s:1: the line ends, expected the time after which"},
	{"at 1s deploy create d", "s:1: expected at least one ring behind the deployment"},
	{"at 1s deploy create d ring9", "s:1: the policy has no ring 'ring9'"},
	{"at 1s deploy start d ring0 step 0", "s:1: '0' is wrong, expected a step from 1 to"},
	{"at 1s expect d ring0 maybe", "s:1: 'maybe' is no verdict, expected one of proceed"},
	{"at 1s expect d ring0 hold reasons bad", "s:1: 'bad' is no reason, expected one of"},
	{"at 1s expect d ring0 hold because", "s:1: 'because' is no part of an expectation"},
	{"at 2s expect-never d ring0 hold until 1s", "s:1: expected until TIME, later than this"},
	{"at 1s expect-host any 1 of all online", "s:1: 'any' picks hosts"},
	{"every 1s until 2s end", "s:1: expected every TIME from TIME until TIME"},
	{"every 0s from 1s until 2s end", "s:1: this happens never or more than"},
	{"at 1s die \"all", "s:1: a quote is not closed"},
	{"ring r bake 1h colour red", "s:1: 'colour' is no key of a ring, expected bake"},
	{"ring r limit offline 101%", "s:1: '101%' is wrong, expected a limit"},
	{"ring r steps 50% 20%", "s:1: steps must grow"},
	{"ring r\nring r", "s:2: two rings have the same name"},
	{"timing suspect_after 1s", "s: timing: suspect_after must be longer than"},
	{"timing soon 1s", "s:1: 'soon' is no timing, expected heartbeat_every"},
	{"begins now", "s:1: 'now' is no time, expected one such as 2024"},
	{"witness perhaps", "s:1: 'perhaps' is no state of a witness, expected one of unreachable"},
	{"hosts ring0 5 c- c-", "s:1: 'c-' is one word too many"},
	{"hosts ring7 5 c-", "s:1: the policy has no ring 'ring7'"},
	{"at 1s \x1b[31m", "s:1: '\\x1b[31m' is no verb"},
};

static void test_wrong_lines_are_named(void **state)
{
	char copy[TEXT_BYTES], error[RW_SCENARIO_ERROR_BYTES];
	struct rw_scenario scenario;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		error[0] = '\0';
		if (read_scenario(wrong[i].text, copy, &scenario, error) != -EINVAL)
			fail_msg("'%s' is not refused", wrong[i].text);
		rw_scenario_release(&scenario);
		if (strncmp(error, wrong[i].error, strlen(wrong[i].error)) != 0)
			fail_msg("'%s' is refused with '%s'", wrong[i].text, error);
	}
}

static void test_statements_stand_by_time(void **state)
{
	char copy[TEXT_BYTES], error[RW_SCENARIO_ERROR_BYTES];
	struct rw_scenario s;

	(void)state;
	assert_int_equal(read_scenario("hosts ring0 3 c-  # comment\n"
				       "at 1h05m crash c-0001..c-0003 oops signature \"a b\" late\n"
				       "every 10s from 20s until 40s die any 1 of ring ring0\n"
				       "at 20s end\n",
				       copy, &s, error),
			 0);
	assert_int_equal(s.count, 6);
	assert_int_equal(s.statements[0].verb, RW_VERB_HOSTS);
	assert_int_equal(s.statements[1].at_ms, 20000);
	assert_int_equal(s.statements[1].who.any, 1);
	assert_string_equal(s.statements[1].who.first, "ring0");
	assert_int_equal(s.statements[2].verb, RW_VERB_END);
	assert_int_equal(s.statements[4].at_ms, 40000);
	assert_int_equal(s.statements[5].at_ms, 65 * 60 * 1000);
	assert_int_equal(s.statements[5].line, 2);
	assert_string_equal(s.statements[5].who.last, "c-0003");
	assert_string_equal(s.statements[5].text, "a b");
	assert_true(s.statements[5].late);
	rw_scenario_release(&s);
}

static void assert_same_ring(const struct rw_ring_policy *a, const struct rw_ring_policy *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->order, b->order);
	assert_int_equal(a->bake_ms, b->bake_ms);
	assert_int_equal(a->step_count, b->step_count);
	assert_memory_equal(a->step_ppm, b->step_ppm, sizeof(a->step_ppm));
	assert_int_equal(a->fleet_share_ppm, b->fleet_share_ppm);
	assert_int_equal(a->heartbeat_every_ms, b->heartbeat_every_ms);
	for (int rule = RW_RULE_NONE; rule < RW_RULE_COUNT; rule++) {
		assert_int_equal(a->limits[rule].judged, b->limits[rule].judged);
		assert_int_equal(a->limits[rule].ppm, b->limits[rule].ppm);
	}
	assert_int_equal(a->least_hosts, b->least_hosts);
	assert_int_equal(a->min_coverage_ppm, b->min_coverage_ppm);
	assert_int_equal(a->min_exposed_ppm, b->min_exposed_ppm);
	assert_int_equal(a->crash_kinds, b->crash_kinds);
	assert_int_equal(a->open_on_evidence, b->open_on_evidence);
}

static void test_the_default_policy_is_the_shipped_one(void **state)
{
	struct rw_policy own = rw_scenario_default_policy(), shipped = {0};
	char error[RW_CONF_ERROR_BYTES] = "";

	(void)state;
	if (rw_policy_load("deploy/policy.yaml", &own.timing, &shipped, error) != 0)
		fail_msg("%s", error);
	assert_int_equal(own.ring_count, shipped.ring_count);
	for (uint32_t i = 0; i < own.ring_count; i++)
		assert_same_ring(&own.rings[i], &shipped.rings[i]);
}

static void test_another_policy_must_have_the_rings(void **state)
{
	char copy[TEXT_BYTES], error[RW_SCENARIO_ERROR_BYTES] = "";
	struct rw_policy policy = rw_scenario_default_policy();
	struct rw_scenario s;

	(void)state;
	assert_int_equal(read_scenario("timing offline_after 1m\n"
				       "ring ring1 bake 1h\nring x\nhosts ring1 3 c-\n"
				       "hosts x 3 d-\n",
				       copy, &s, error),
			 0);
	assert_int_equal(rw_scenario_set_policy(&s, &policy, error), -EINVAL);
	assert_string_equal(error, "s:5: the policy has no ring 'x', expected one of its 3");
	assert_int_equal(s.policy.ring_count, 2); /* as it was */

	snprintf(policy.rings[2].name, sizeof(policy.rings[2].name), "x");
	policy.timing.offline_after_ms = 90000;
	assert_int_equal(rw_scenario_set_policy(&s, &policy, error), 0);
	assert_int_equal(s.policy.ring_count, 3);
	assert_int_equal(s.policy.timing.offline_after_ms, 90000);
	rw_scenario_release(&s);
}

/* ---- playing --------------------------------------------------------------------------- */

#define FLEET                                                                                      \
	"ring a bake 10m\n"                                                                        \
	"ring b bake 10m\n"                                                                        \
	"hosts a 10 a-\n"                                                                          \
	"hosts b 10 b-\n"                                                                          \
	"at 1m deploy create d a b\n"                                                              \
	"at 1m deploy start d a\n"

static void test_each_change_of_a_verdict_is_told(void **state)
{
	struct said *said = play(FLEET "at 2m die a-0003\n"
				       "at 3m end\n");

	(void)state;
	assert_int_equal(said->missed_count, 0);
	assert_non_null(strstr(said->verdicts, "d a hold (bake_incomplete), 0 of 10\n"));
	assert_non_null(strstr(said->verdicts, "d a abort (offline, grade limit), 1 of 10\n"));
	assert_non_null(strstr(said->verdicts, "d b abort (offline, grade limit, in a), 0 of 0\n"));
	free(said);
}

static void test_what_was_not_as_expected_is_told(void **state)
{
	struct said *said = play(FLEET "at 2m expect d a proceed\n"                   /* 7 */
				       "at 2m expect d a hold reasons blind\n"        /* 8 */
				       "at 2m expect d a hold k 1\n"                  /* 9 */
				       "at 2m expect-never d a hold until 3m\n"       /* 10 */
				       "at 2m deploy start d b\n"                     /* 11 */
				       "at 2m deploy start d a refused\n"             /* 12 */
				       "at 2m expect-host a-0001 offline within 1s\n" /* 13 */
				       "at 2m expect d a hold reasons bake_incomplete k 0 n 10\n"
				       "at 2m expect d a proceed within 10m\n"
				       "at 2m expect-never d a abort until 15m\n"
				       "at 2m expect-host all online\n");

	(void)state;
	for (unsigned line = 7; line <= 13; line++) {
		char begin[16];
		snprintf(begin, sizeof(begin), "%u: ", line);
		if (strstr(said->missed, begin) == NULL)
			fail_msg("line %u is missing in\n%s", line, said->missed);
	}
	assert_int_equal(said->missed_count, 7);
	assert_non_null(strstr(said->missed, "7: at 2m00s: not as expected: hold "
					     "(bake_incomplete), 0 of 10"));
	assert_non_null(strstr(said->missed, "10: at 2m00s: what must never be is: hold"));
	assert_non_null(strstr(said->missed, "11: the act was refused: this step may not start "
					     "now: previous_ring_not_passed"));
	assert_non_null(strstr(said->missed, "12: expected the act to be refused"));
	assert_non_null(strstr(said->missed, "13: at 2m01s: not as expected: a-0001 is online"));
	free(said);
}

static void test_what_is_not_there_ends_the_play(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"at 1s die c-0001", "s:1: there is no host 'c-0001' yet"},
		{"hosts ring0 2 c-\nhosts ring1 2 c-", "s:2: there is a host 'c-0001' already"},
		{"hosts ring0 2 c-\nat 1s die any 3 of all", "s:2: only 2 such hosts are up"},
		{"at 1s collector start", "s:1: the collector runs already"},
		{"at 1s collector stop\nat 2s deploy finish d", "s:2: the collector does not run"},
		{"at 1s die ring ring0", "s:1: there are no such hosts now"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char copy[TEXT_BYTES], error[RW_SCENARIO_ERROR_BYTES] = "";
		struct said said = {0};
		struct rw_player_sink sink = {&said, take_verdict, take_missed};
		struct rw_scenario scenario;

		assert_int_equal(read_scenario(cases[i].text, copy, &scenario, error), 0);
		assert_int_not_equal(rw_player_play(&scenario, &sink, error), 0);
		rw_scenario_release(&scenario);
		if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("'%s' ends with '%s'", cases[i].text, error);
	}
}

/* The journal is folded: what was open is open, what was counted is counted. */
static void test_a_restart_keeps_what_was_judged(void **state)
{
	struct said *said = play(FLEET "at 2m crash a-0001 panic signature x reboot 30s\n"
				       "at 3m collector stop\n"
				       "at 4m collector start\n"
				       "at 4m expect d a abort rule crashed k 1 n 10 within 1s\n"
				       "at 4m expect-host a-0002 unknown\n"
				       "at 5m expect-host all online\n"
				       "at 5m deploy reset d a\n"
				       "at 6m collector stop\n"
				       "at 6m collector start\n"
				       "at 7m expect d a hold reasons bake_incomplete k 0 n 10\n");

	(void)state;
	assert_string_equal(said->missed, "");
	free(said);
}

/* A host of each way of going and coming. */
static void test_hosts_do_as_they_are_told(void **state)
{
	struct said *said = play("ring a bake 10m\n"
				 "hosts a 9 a-\n"
				 "at 1m goodbye a-0001 reboot 2m down 30s\n"
				 "at 1m expect-host a-0001 planned\n"
				 "at 2m expect-host a-0001 online\n"
				 "at 1m power-off a-0002\n"
				 "at 3m expect-host a-0002 planned\n"
				 "at 4m back a-0002\n"
				 "at 4m expect-host a-0002 online\n"
				 "at 1m sleep a-0003\n"
				 "at 2m expect-host a-0003 offline\n"
				 "at 3m back a-0003\n"
				 "at 3m expect-host a-0003 online\n"
				 "at 1m cut a-0004\n"
				 "at 2m expect-host a-0004 offline\n"
				 "at 3m mend a-0004\n"
				 "at 4m expect-host a-0004 online\n"
				 "at 1m boot-loop a-0005 up 10s down 40s\n"
				 "at 90s expect-host a-0005 offline within 40s\n"
				 "at 5m back a-0005\n"
				 "at 6m expect-host a-0005 online\n"
				 "at 1m goodbye a-0006 sensor_stop 1m\n"
				 "at 3m expect-host a-0006 offline\n"
				 "at 4m back a-0006\n"
				 "at 4m expect-host a-0006 online\n"
				 "at 1m crash a-0007 panic reboot never\n"
				 "at 4m expect-host a-0007 offline\n"
				 "at 6m crash a-0008 panic reboot never\n"
				 "at 7m back them\n"
				 "at 7m expect-host a-0008 online\n"
				 "at 5m back a-0007\n"
				 "at 5m expect-host a-0007 online\n");

	(void)state;
	assert_string_equal(said->missed, "");
	free(said);
}

static void test_times_are_said_as_they_are_written(void **state)
{
	char out[RW_PLAY_TIME_BYTES];

	(void)state;
	assert_string_equal(rw_player_say_time(0, out), "0s");
	assert_string_equal(rw_player_say_time(250, out), "0.250s");
	assert_string_equal(rw_player_say_time(61000, out), "1m01s");
	assert_string_equal(rw_player_say_time(3600000, out), "1h00m00s");
	assert_string_equal(rw_player_say_time(90061500, out), "25h01m01.500s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_lines_are_named),
		cmocka_unit_test(test_statements_stand_by_time),
		cmocka_unit_test(test_the_default_policy_is_the_shipped_one),
		cmocka_unit_test(test_another_policy_must_have_the_rings),
		cmocka_unit_test(test_each_change_of_a_verdict_is_told),
		cmocka_unit_test(test_what_was_not_as_expected_is_told),
		cmocka_unit_test(test_what_is_not_there_ends_the_play),
		cmocka_unit_test(test_a_restart_keeps_what_was_judged),
		cmocka_unit_test(test_hosts_do_as_they_are_told),
		cmocka_unit_test(test_times_are_said_as_they_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
