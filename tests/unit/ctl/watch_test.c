/* SPDX-License-Identifier: Apache-2.0 */
/* The live view as a function: answers in, lines of a screen out. */
#include "ctl/watch.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
/* cmocka wants the above first. */
#include <cmocka.h>

/* 2024-07-19T04:09:00Z */
enum { ANSWERED_S = 1721362140 };
#define ANSWERED (ANSWERED_S * 1000ull)

#define RING(name, online, offline)                                                                \
	"{\"ring\":\"" name "\",\"limits\":{\"failed\":0.001},\"hosts\":{\"enrolled\":1000,"       \
	"\"online\":" online ",\"offline\":" offline ",\"suspect\":0}}"
#define RUN(name, verdict, breaker, reasons, failed)                                               \
	"{\"ring\":\"" name "\",\"step\":1,\"steps\":1,\"verdict\":\"" verdict                     \
	"\",\"reasons\":[" reasons "],\"breaker\":\"" breaker "\",\"rule\":\"crashed\","           \
	"\"bake\":\"baking\",\"observed_seconds\":43200,\"required_seconds\":172800,"              \
	"\"exposed\":1000,\"at_risk\":1000,\"failed\":" failed "}"
#define RINGS "{\"rings\":[" RING("canary", "998", "2") "," RING("ring1", "1000", "0") "]}"
#define DEPLOYMENTS(runs)                                                                          \
	"{\"deployments\":[{\"deployment\":\"acme-2\",\"state\":\"active\",\"rings\":[" runs "]}]" \
	"}"
#define BAKING                                                                                     \
	DEPLOYMENTS(RUN("canary", "hold", "closed", "\"bake_incomplete\"",                         \
			"0") "," RUN("ring1", "proceed", "closed", "", "0"))
#define VERDICT(verdict, reasons, breaker, failed)                                                 \
	"[{\"deployment\":\"acme-2\",\"ring\":\"canary\",\"for\":\"advance\",\"verdict\":"         \
	"\"" verdict "\",\"reasons\":[" reasons "],\"warnings\":[],\"breaker\":" breaker           \
	",\"bake\":{"                                                                              \
	"\"state\":\"baking\",\"required_seconds\":172800,\"observed_seconds\":43200},"            \
	"\"hosts\":{\"unheard\":3},\"failed\":{\"hosts\":1000,\"count\":" failed                   \
	",\"ratio\":0.002,\"limit\":0.001,\"lower95\":0.0003,\"upper95\":1.0,"                     \
	"\"observed_full\":0,\"certified\":false,\"crashed\":2,\"offline\":0}}]"
#define OPEN                                                                                       \
	"{\"state\":\"open\",\"rule\":\"crashed\",\"grade\":\"limit\",\"opened_at\":"              \
	"\"2024-07-19T04:08:00.000Z\",\"evidence\":[{\"host\":\"web-17\",\"event\":\"web-17/aa/"   \
	"7\","                                                                                     \
	"\"kind\":\"oops\",\"signature\":\"oops:acme\",\"at\":\"2024-07-19T04:08:00.000Z\"}]}"
#define HOLDS VERDICT("hold", "\"bake_incomplete\"", "{\"state\":\"closed\"}", "0")
#define ABORTS VERDICT("abort", "", OPEN, "2")

struct shown {
	struct rw_watch watch;
	struct rw_lines lines;
	char *text;
};

static json_t *load(const char *json)
{
	json_t *value = json == NULL ? NULL : json_loads(json, 0, NULL);

	assert_true(json == NULL || value != NULL);
	return value;
}

static int set_up(void **state)
{
	struct shown *shown = calloc(1, sizeof(*shown));

	assert_non_null(shown);
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	shown->watch.url = "http://c:8470";
	shown->watch.answered_ms = ANSWERED;
	shown->watch.answers.ready = load("{\"status\":\"ready\"}");
	*state = shown;
	return 0;
}

static int tear_down(void **state)
{
	struct shown *shown = *state;

	rw_lines_free(&shown->lines);
	rw_watch_forget(&shown->watch.answers);
	free(shown->text);
	free(shown);
	return 0;
}

static void know(struct shown *shown, const char *rings, const char *deployments,
		 const char *verdicts)
{
	struct rw_watch_answers *answers = &shown->watch.answers;

	json_decref(answers->rings);
	json_decref(answers->deployments);
	json_decref(answers->verdicts);
	answers->rings = load(rings);
	answers->deployments = load(deployments);
	answers->verdicts = load(verdicts);
	rw_watch_arrange(&shown->watch);
}

/* The screen as one text; checked to keep within its size. */
static const char *render(struct shown *shown, uint64_t now_ms, size_t width, size_t height)
{
	size_t length = 0;

	rw_lines_free(&shown->lines);
	free(shown->text);
	rw_watch_render(&shown->watch, now_ms, width, height, &shown->lines);
	FILE *to = open_memstream(&shown->text, &length);
	assert_non_null(to);
	assert_true(shown->lines.count <= height);
	for (size_t i = 0; i < shown->lines.count; i++) {
		wchar_t wide[2048];
		const char *line = rw_lines_text(&shown->lines, i);
		assert_true(shown->lines.lines[i].columns <= width);
		if (!shown->watch.colour) {
			assert_true(mbstowcs(wide, line, 2048) < 2048);
			assert_true(wcswidth(wide, 2048) <= (int)width);
		}
		fprintf(to, "%s\n", line);
	}
	assert_int_equal(fclose(to), 0);
	return shown->text;
}

static void shows(struct shown *shown, const char *expected)
{
	if (strstr(shown->text, expected) == NULL)
		fail_msg("'%s' is not in:\n%s", expected, shown->text);
}

static void shows_not(struct shown *shown, const char *unexpected)
{
	if (strstr(shown->text, unexpected) != NULL)
		fail_msg("'%s' is in:\n%s", unexpected, shown->text);
}

static void a_baking_ring_is_told_in_full(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, BAKING, HOLDS);
	assert_string_equal(
		render(shown, ANSWERED, 100, 24),
		"2024-07-19 04:09:00Z  1 hold, 1 proceed  http://c:8470\n"
		"> HOLD     canary acme-2 \n"
		"    why      the bake is not complete (bake_incomplete)\n"
		"    failed   0 of 1,000 at risk = 0.2%, limit 0.1%\n"
		"    bounds   no host was observed for a whole bake yet (limit 0.1%): not "
		"certified, that takes 2,995\n"
		"             hosts\n"
		"    bake     [#####...............] 12h 00m of 48h 00m, baking, 36h 00m left; "
		"step "
		"1 of 1\n"
		"    hosts    [###################x] 1,000 enrolled, 998 online, 2 offline; 1,000 "
		"exposed, 3 of them\n"
		"             never heard\n"
		"  PROCEED  ring1  acme-2 \n"
		"    failed   0 of 1,000 at risk, limit 0.1%\n"
		"    bake     [#####...............] 12h 00m of 48h 00m, baking, 36h 00m left; "
		"step "
		"1 of 1\n"
		"    hosts    [####################] 1,000 enrolled, 1,000 online; 1,000 exposed\n"
		"\n"
		"Newest events: none\n"
		"\n\n\n\n\n\n\n\n"
		"q quit  r refresh  up/down choose  enter open  ? help\n");
}

static void an_open_breaker_is_told_with_its_rule(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, DEPLOYMENTS(RUN("canary", "abort", "open", "", "2")), ABORTS);
	render(shown, ANSWERED, 100, 40);
	shows(shown, "> ABORT    canary acme-2");
	shows(shown,
	      "OPEN since 2024-07-19 04:08:00Z, by rule crashed; stays open until it is reset");
	shows(shown,
	      "2 of 1,000 at risk = 0.2%, limit 0.1%; at least 0.03% with 95% (2 crashed, 0 ");
	/* A ring that nothing goes through is shown, too. */
	shows(shown, "  -        ring1  nothing is being rolled out");
}

static void what_is_not_answered_is_never_green(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, BAKING, HOLDS);
	shown->watch.colour = true;
	render(shown, ANSWERED, 100, 40);
	shows(shown, "\033[1;32mPROCEED");
	snprintf(shown->watch.trouble, sizeof(shown->watch.trouble), "cannot reach http://c:8470");
	render(shown, ANSWERED + 65000, 100, 40);
	shows_not(shown, "PROCEED");
	shows_not(shown, "proceed");
	shows_not(shown, "\033[1;32m");
	shows(shown, "no answer since 2024-07-19 04:09:00Z (1m 05s ago): treat as hold");
	shows(shown, "cannot reach http://c:8470");
	shows(shown, "HOLD?");
	/* A breaker that was open stays so. */
	know(shown, RINGS, DEPLOYMENTS(RUN("canary", "abort", "open", "", "2")), ABORTS);
	render(shown, ANSWERED + 65000, 100, 40);
	shows(shown, "\033[1;31mABORT?");
}

static void before_the_first_answer_nothing_is_known(void **state)
{
	struct shown *shown = *state;

	shown->watch.answered_ms = 0;
	render(shown, ANSWERED, 80, 24);
	shows(shown, "no answer yet: treat as hold");
	shows_not(shown, "there is no");
}

static void a_proceed_that_contradicts_itself_is_none(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, BAKING, VERDICT("proceed", "", OPEN, "0"));
	render(shown, ANSWERED, 100, 40);
	shows(shown, "> HOLD?    canary");
	shows(shown, "contradicts itself: treat as hold");
	shows(shown, "1 unclear, 1 proceed");
	/* In the list of deployments, too. */
	know(shown, RINGS, DEPLOYMENTS(RUN("ring1", "proceed", "open", "", "0")), NULL);
	render(shown, ANSWERED, 100, 40);
	shows(shown, "HOLD?    ring1");
	know(shown, RINGS, DEPLOYMENTS(RUN("ring1", "PROCEED", "closed", "", "0")), NULL);
	render(shown, ANSWERED, 100, 40);
	shows(shown, "HOLD?    ring1");
}

static void every_size_holds_what_it_can(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, DEPLOYMENTS(RUN("canary", "abort", "open", "", "2")), ABORTS);
	shown->watch.answers.events = load("[{\"at\":\"2024-07-19T04:08:00.000Z\",\"host\":"
					   "\"web-17\",\"kind\":\"oops\"}]");
	for (int utf8 = 0; utf8 < 2; utf8++) {
		shown->watch.utf8 = utf8 != 0;
		for (size_t width = 0; width < 130; width++)
			for (size_t height = 0; height < 30; height++)
				render(shown, ANSWERED, width, height);
	}
	shown->watch.utf8 = false;
	/* Verdict and ring are there on the smallest. */
	render(shown, ANSWERED, 20, 4);
	shows(shown, "> ABORT    canary");
	render(shown, ANSWERED, 40, 60);
	shows(shown, "OPEN since 2024-07-19");
	shows(shown, "             reset\n");
}

/* 40 rings of which the 31st failed. */
static char *many_rings(bool runs)
{
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	fputs(runs ? "{\"deployments\":[{\"deployment\":\"acme-2\",\"state\":\"active\",\"rings\":["
		   : "{\"rings\":[",
	      to);
	for (int i = 0; i < 40; i++)
		fprintf(to, "%s{\"ring\":\"r%d\",\"verdict\":\"%s\",\"breaker\":\"closed\"}",
			i == 0 ? "" : ",", i, i == 30 ? "abort" : "hold");
	fputs(runs ? "]}]}" : "]}", to);
	assert_int_equal(fclose(to), 0);
	return text;
}

static void the_chosen_ring_is_in_sight_and_all_are_counted(void **state)
{
	struct shown *shown = *state;
	char *rings = many_rings(false);
	char *runs = many_rings(true);

	know(shown, rings, runs, NULL);
	render(shown, ANSWERED, 80, 24);
	shows(shown, "1 abort, 39 hold");
	shows(shown, "> HOLD     r0");
	for (int i = 0; i < 100; i++)
		rw_watch_choose(&shown->watch, 1);
	render(shown, ANSWERED, 80, 24);
	shows(shown, "> HOLD     r39");
	for (int i = 0; i < 9; i++)
		rw_watch_choose(&shown->watch, -1);
	render(shown, ANSWERED, 80, 24);
	shows(shown, "> ABORT    r30");
	/* It stays the chosen one after the next answer, wherever it stands then. */
	know(shown, RINGS, BAKING, HOLDS);
	assert_int_equal(shown->watch.chosen, 0);
	know(shown, rings, runs, NULL);
	assert_int_equal(shown->watch.chosen, 0);
	free(rings);
	free(runs);
}

static void the_choice_survives_a_new_order(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, BAKING, HOLDS);
	rw_watch_choose(&shown->watch, 1);
	know(shown, "{\"rings\":[" RING("ring1", "1", "0") "," RING("canary", "1", "0") "]}",
	     BAKING, HOLDS);
	assert_int_equal(shown->watch.chosen, 0);
	render(shown, ANSWERED, 80, 40);
	shows(shown, "> PROCEED  ring1");
}

static void only_what_was_asked_for_is_shown(void **state)
{
	struct shown *shown = *state;

	shown->watch.only_ring = "ring1";
	know(shown, RINGS, BAKING, HOLDS);
	render(shown, ANSWERED, 80, 24);
	shows(shown, "ring1");
	shows_not(shown, "canary");
	shown->watch.only_deployment = "acme-3";
	know(shown, RINGS, BAKING, HOLDS);
	render(shown, ANSWERED, 80, 24);
	shows(shown, "there is no deployment acme-3 that goes through ring1");
	/* One that has ended only when it is named. */
	shown->watch.only_ring = NULL;
	shown->watch.only_deployment = NULL;
	know(shown, RINGS,
	     "{\"deployments\":[{\"deployment\":\"old\",\"state\":\"withdrawn\",\"rings\":["
	     "{\"ring\":\"canary\",\"verdict\":\"hold\"}]}]}",
	     NULL);
	assert_int_equal(shown->watch.row_count, 2);
	assert_null(shown->watch.rows[0].run);
	shown->watch.only_deployment = "old";
	rw_watch_arrange(&shown->watch);
	render(shown, ANSWERED, 80, 24);
	shows(shown, "HOLD     canary old withdrawn");
}

static void a_run_on_a_ring_that_is_gone_is_not_lost(void **state)
{
	struct shown *shown = *state;

	know(shown, "{\"rings\":[]}", DEPLOYMENTS(RUN("canary", "abort", "open", "", "2")), ABORTS);
	render(shown, ANSWERED, 80, 24);
	shows(shown, "> ABORT    canary");
}

static void an_opened_ring_shows_evidence_and_who_is_away(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, DEPLOYMENTS(RUN("canary", "abort", "open", "", "2")), ABORTS);
	shown->watch.opened = true;
	render(shown, ANSWERED, 120, 40);
	shows(shown, "web-17  oops  oops:acme  web-17/aa/7");
	shows(shown, "Hosts that are not online: not asked yet");
	shows(shown, "control  none: there is no host that is exposed to nothing");
	shows_not(shown, "ring1");
	shown->watch.answers.away = load("[{\"host\":\"web-18\",\"state\":\"offline\",\"since\":"
					 "\"2024-07-19T04:08:30.000Z\",\"last_heard\":"
					 "\"2024-07-19T04:08:20.000Z\",\"back_by\":\"\"}]");
	render(shown, ANSWERED, 120, 40);
	shows(shown, "  offline  web-18  since 2024-07-19 04:08:30Z, last heard 2024-07-19 "
		     "04:08:20Z\n");
}

static void events_and_signatures_share_what_is_left(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, BAKING, HOLDS);
	shown->watch.answers.events = json_array();
	for (int i = 0; i < 20; i++)
		json_array_append_new(
			shown->watch.answers.events,
			load("{\"at\":\"2024-07-19T04:08:00.000Z\",\"host\":\"web-1\",\"kind\":"
			     "\"oops\",\"severity\":\"critical\",\"signature\":\"oops:a\"}"));
	shown->watch.answers.signatures =
		load("[{\"signature\":\"oops:a\",\"hosts\":2,\"last_at\":\"2024-07-19T04:08:00.000Z"
		     "\",\"new_since\":[\"acme-2\"]}]");
	render(shown, ANSWERED, 120, 24);
	shows(shown, "  2024-07-19 04:08:00Z  web-1  oops  oops:a");
	shows(shown, "Signatures\n  2024-07-19 04:08:00Z  2 hosts  oops:a  new since acme-2\n");
}

static void foreign_text_cannot_drive_the_terminal(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, BAKING, HOLDS);
	shown->watch.answers.events =
		load("[{\"at\":\"\\u001b[2J\",\"host\":\"a\\nb\",\"kind\":\"\\u202e\","
		     "\"signature\":\"\\u4e2d\\u6587\",\"detail\":\"caf\\u00e9\"}]");
	if (shown->watch.answers.events == NULL)
		fail();
	render(shown, ANSWERED, 120, 24);
	shows_not(shown, "\033");
	shows(shown, "\\x1b[2J  a\\x0ab  \\xe2\\x80\\xae  ??  caf?");
	shown->watch.utf8 = true;
	render(shown, ANSWERED, 120, 24);
	shows(shown, "中文  café");
}

static void another_terminal_gets_a_line(void **state)
{
	struct shown *shown = *state;
	size_t length = 0;

	know(shown, RINGS, DEPLOYMENTS(RUN("canary", "abort", "open", "", "2")), ABORTS);
	FILE *to = open_memstream(&shown->text, &length);
	assert_non_null(to);
	rw_watch_tell(&shown->watch, 0, to);
	fputc('\n', to);
	rw_watch_tell(&shown->watch, 1, to);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(shown->text,
			    "verdict abort, acme-2 on canary; breaker open by rule crashed; bake "
			    "baking; 2 of 1000 failed, limit 0.1%; 998 online, 2 offline\n"
			    "nothing on ring1; 1000 online");
}

static void help_tells_the_keys(void **state)
{
	struct shown *shown = *state;

	know(shown, RINGS, BAKING, HOLDS);
	shown->watch.help = true;
	render(shown, ANSWERED, 80, 24);
	shows(shown, "q, Ctrl-C   quit");
	shows_not(shown, "canary");
}

int main(void)
{
#define VIEW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		VIEW_TEST(a_baking_ring_is_told_in_full),
		VIEW_TEST(an_open_breaker_is_told_with_its_rule),
		VIEW_TEST(what_is_not_answered_is_never_green),
		VIEW_TEST(before_the_first_answer_nothing_is_known),
		VIEW_TEST(a_proceed_that_contradicts_itself_is_none),
		VIEW_TEST(every_size_holds_what_it_can),
		VIEW_TEST(the_chosen_ring_is_in_sight_and_all_are_counted),
		VIEW_TEST(the_choice_survives_a_new_order),
		VIEW_TEST(only_what_was_asked_for_is_shown),
		VIEW_TEST(a_run_on_a_ring_that_is_gone_is_not_lost),
		VIEW_TEST(an_opened_ring_shows_evidence_and_who_is_away),
		VIEW_TEST(events_and_signatures_share_what_is_left),
		VIEW_TEST(foreign_text_cannot_drive_the_terminal),
		VIEW_TEST(another_terminal_gets_a_line),
		VIEW_TEST(help_tells_the_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
