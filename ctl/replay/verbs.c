/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one statement: a table of verbs, each with what follows it. */
#include "ctl/replay/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/name.h"
#include "proto/wire.h"

enum { MINUTE_MS = 60 * 1000, STEPS_MAX = 1000, ERRNO_MAX = 134 };

typedef void take_fn(struct rw_words *words, struct rw_scenario *scenario,
		     struct rw_statement *statement);

/* ---- names of things ------------------------------------------------------------- */

const char *rw_kind_at(uint32_t kind)
{
	return rw_kind_name((Ringwatch__V1__Kind)kind);
}

static const char *goodbye_at(uint32_t kind)
{
	return rw_core_goodbye_name(kind);
}

static const char *decision_at(uint32_t decision)
{
	return rw_decision_name(decision);
}

static const char *reason_at(uint32_t reason)
{
	return rw_reason_name(reason);
}

static const char *warning_at(uint32_t warning)
{
	return rw_warning_name(warning);
}

static const char *grade_at(uint32_t grade)
{
	return rw_grade_name(grade);
}

static const char *rule_at(uint32_t rule)
{
	return rw_rule_name(rule);
}

static const char *proof_at(uint32_t proof)
{
	return rw_proof_name(proof);
}

static const char *presence_at(uint32_t presence)
{
	return rw_presence_name(presence);
}

static const char *errno_at(uint32_t number)
{
	return number == 0 ? NULL : strerrorname_np((int)number);
}

static const char *end_at(uint32_t end)
{
	static const char *const names[] = {
		[RW_END_NONE] = "none",
		[RW_END_ORDERLY] = "orderly",
		[RW_END_UNEXPECTED] = "unexpected",
		[RW_END_UNKNOWN] = "unknown",
	};
	return names[end];
}

static const char *exposure_at(uint32_t mode)
{
	return mode == 0 ? NULL : rw_exposure_mode_name(mode);
}

static const char *question_at(uint32_t question)
{
	return question == RW_FOR_ADVANCE ? "advance" : "enter";
}

static const char *witness_at(uint32_t reachable)
{
	return reachable == 0 ? "unreachable" : "reachable";
}

static const char *store_at(uint32_t failing)
{
	return failing == 0 ? "well" : "failing";
}

/* ---- hosts -------------------------------------------------------------------------- */

/* NAME, or FIRST..LAST */
static void take_range(struct rw_words *words, struct rw_hosts_said *who)
{
	const char *word = rw_words_text(words, "hosts");
	const char *dots = strstr(word, "..");
	size_t length = dots == NULL ? strlen(word) : (size_t)(dots - word);

	if (words->failed)
		return;
	who->how = RW_WHO_RANGE;
	who->first = word;
	who->last = dots == NULL ? NULL : dots + 2;
	if (!rw_name_is_valid(word, length) ||
	    (dots != NULL && !rw_name_is_valid(dots + 2, strlen(dots + 2)))) {
		rw_words_complain(words,
				  "'%s' names no hosts, expected NAME, FIRST..LAST, ring RING, all "
				  "or them",
				  word);
		return;
	}
	((char *)(uintptr_t)word)[length] = '\0'; /* its line belongs to the scenario's reader */
}

/* [any N|SHARE of] ring RING | all | them | NAME | FIRST..LAST */
static void take_hosts(struct rw_words *words, struct rw_statement *statement)
{
	struct rw_hosts_said *who = &statement->who;

	if (rw_words_have(words, "any")) {
		const char *word = rw_words_peek(words);
		if (word != NULL && strchr(word, '%') != NULL)
			who->any_ppm = rw_words_ratio(words, "a share of hosts");
		else
			who->any = (uint32_t)rw_words_number(words, "a number of hosts", 1,
							     RW_SCENARIO_HOSTS_MAX);
		if (!rw_words_have(words, "of"))
			rw_words_complain(words, "expected any NUMBER of HOSTS");
	}
	if (rw_words_have(words, "ring")) {
		who->how = RW_WHO_RING;
		who->first = rw_words_name(words, "a ring");
	} else if (rw_words_have(words, "all")) {
		who->how = RW_WHO_ALL;
	} else if (rw_words_have(words, "them")) {
		who->how = RW_WHO_THEM;
	} else {
		take_range(words, who);
	}
}

static void take_hosts_alone(struct rw_words *words, struct rw_scenario *scenario,
			     struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
}

static void take_new_hosts(struct rw_words *words, struct rw_scenario *scenario,
			   struct rw_statement *statement)
{
	(void)scenario;
	statement->ring = rw_words_name(words, "a ring");
	statement->count = rw_words_number(words, "a number of hosts", 1, RW_SCENARIO_HOSTS_MAX);
	statement->who.first = rw_words_name(words, "what their names begin with");
	if (!words->failed && strlen(statement->who.first) > RW_NAME_MAX - 6)
		rw_words_complain(words, "'%s' is too long for the beginning of a name",
				  statement->who.first);
}

/* ---- what hosts do --------------------------------------------------------------------- */

static const char *take_signature(struct rw_words *words, const char *otherwise)
{
	return rw_words_have(words, "signature") ? rw_words_text(words, "a signature") : otherwise;
}

static void take_crash(struct rw_words *words, struct rw_scenario *scenario,
		       struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->kind = rw_words_choice(words, "kind of event", RW_KINDS, rw_kind_at);
	statement->text = "";
	statement->ms = MINUTE_MS;
	while (rw_words_peek(words) != NULL) {
		if (rw_words_have(words, "reboot"))
			statement->ms = rw_words_time(words, "a time", true);
		else if (rw_words_have(words, "late"))
			statement->late = true;
		else if (rw_words_have(words, "gasp"))
			statement->gasp = true;
		else if (rw_words_have(words, "signature"))
			statement->text = rw_words_text(words, "a signature");
		else
			rw_words_complain(words,
					  "'%s' is no part of a crash, expected signature, reboot, "
					  "late or gasp",
					  rw_words_peek(words));
	}
}

static void take_event(struct rw_words *words, struct rw_scenario *scenario,
		       struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->kind = rw_words_choice(words, "kind of event", RW_KINDS, rw_kind_at);
	statement->text = take_signature(words, "");
}

static void take_oops(struct rw_words *words, struct rw_scenario *scenario,
		      struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->kind = RINGWATCH__V1__KIND__KIND_OOPS;
	statement->text = take_signature(words, "");
}

static void take_boot_loop(struct rw_words *words, struct rw_scenario *scenario,
			   struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->text = take_signature(words, NULL);
	statement->ms = rw_words_have(words, "up") ? rw_words_time(words, "a time", false) : 20000;
	statement->more_ms =
		rw_words_have(words, "down") ? rw_words_time(words, "a time", false) : 40000;
	if (!words->failed && statement->more_ms == 0)
		rw_words_complain(words, "a host that boots is down for a while, expected down "
					 "TIME above 0s");
}

static void take_goodbye(struct rw_words *words, struct rw_scenario *scenario,
			 struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->goodbye =
		rw_words_choice(words, "kind of goodbye", RW_BYE_SENSOR_STOP + 1, goodbye_at);
	statement->ms = statement->goodbye == RW_BYE_POWER_OFF
				? 0
				: rw_words_time(words, "the time after which it is back", false);
	statement->more_ms =
		statement->goodbye == RW_BYE_POWER_OFF ? RW_SCENARIO_NEVER : statement->ms;
	if (rw_words_have(words, "down"))
		statement->more_ms = rw_words_time(words, "a time", true);
}

static void take_power_off(struct rw_words *words, struct rw_scenario *scenario,
			   struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->verb = RW_VERB_GOODBYE;
	statement->goodbye = RW_BYE_POWER_OFF;
	statement->more_ms = RW_SCENARIO_NEVER;
}

static void take_back(struct rw_words *words, struct rw_scenario *scenario,
		      struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	if (rw_words_have(words, "after")) {
		statement->end =
			rw_words_choice(words, "end of a boot", RW_END_UNKNOWN + 1, end_at);
		statement->end_given = true;
	}
}

static void take_move(struct rw_words *words, struct rw_scenario *scenario,
		      struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->ring = rw_words_name(words, "a ring");
}

static void take_report(struct rw_words *words, struct rw_scenario *scenario,
			struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->subject = rw_words_text(words, "what is reported, such as marker:NAME");
	statement->text = rw_words_text(words, "its value");
}

static void take_module_failed(struct rw_words *words, struct rw_scenario *scenario,
			       struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	statement->kind = RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED;
	statement->subject = rw_words_text(words, "a module's name");
	statement->error = -(int)rw_words_choice(words, "error", ERRNO_MAX, errno_at);
	statement->text = "";
}

static void take_blind(struct rw_words *words, struct rw_scenario *scenario,
		       struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	if (!rw_words_have(words, "none"))
		statement->count = rw_words_choices(words, "kind of event", RW_KINDS, rw_kind_at);
}

/* ---- the collector ------------------------------------------------------------------------ */

static void take_collector(struct rw_words *words, struct rw_scenario *scenario,
			   struct rw_statement *statement)
{
	(void)scenario;
	if (rw_words_have(words, "stop")) {
		statement->verb = RW_VERB_STOP;
	} else if (rw_words_have(words, "start")) {
		statement->verb = RW_VERB_START;
	} else if (rw_words_have(words, "stall")) {
		statement->verb = RW_VERB_STALL;
		statement->ms = rw_words_time(words, "a time", false);
	} else if (rw_words_have(words, "sick")) {
		statement->verb = RW_VERB_SICK;
		statement->text = rw_words_text(words, "a reason, one word");
	} else if (rw_words_have(words, "well")) {
		statement->verb = RW_VERB_SICK;
	} else {
		rw_words_complain(words, "expected collector stop, start, stall TIME, sick REASON "
					 "or well");
	}
}

static void take_store(struct rw_words *words, struct rw_scenario *scenario,
		       struct rw_statement *statement)
{
	(void)scenario;
	statement->failing = rw_words_choice(words, "state of a store", 2, store_at) == 1;
}

static void take_witness(struct rw_words *words, struct rw_scenario *scenario,
			 struct rw_statement *statement)
{
	(void)scenario;
	statement->reachable = rw_words_choice(words, "state of a witness", 2, witness_at) == 1;
}

/* ---- acts ------------------------------------------------------------------------------------ */

static void copy_text(char *out, size_t size, const char *text, struct rw_words *words)
{
	if (strlen(text) >= size)
		rw_words_complain(words, "'%s' is too long, expected less than %zu bytes", text,
				  size);
	else
		memcpy(out, text, strlen(text) + 1);
}

/* D RING… [component C] [version V] [reported MATCH] */
static void take_create(struct rw_words *words, struct rw_scenario *scenario,
			struct rw_statement *statement)
{
	struct rw_deployment_row *row =
		rw_scenario_keep(scenario, calloc(1, sizeof(struct rw_deployment_row)));

	if (row == NULL) {
		rw_words_complain(words, "no memory for a deployment");
		return;
	}
	statement->verb = RW_VERB_DEPLOY_CREATE;
	statement->row = row;
	statement->deployment = rw_words_name(words, "a deployment's name");
	copy_text(row->id, sizeof(row->id), statement->deployment, words);
	copy_text(row->component, sizeof(row->component), "driver", words);
	copy_text(row->version, sizeof(row->version), "1", words);
	row->exposure = RW_EXPOSURE_FIXED;
	while (rw_words_peek(words) != NULL) {
		if (rw_words_have(words, "component")) {
			copy_text(row->component, sizeof(row->component),
				  rw_words_name(words, "a component"), words);
		} else if (rw_words_have(words, "version")) {
			copy_text(row->version, sizeof(row->version),
				  rw_words_text(words, "a version"), words);
		} else if (rw_words_have(words, "exposure")) {
			row->exposure = rw_words_choice(words, "exposure", RW_EXPOSURE_REPORTED + 1,
							exposure_at);
		} else if (rw_words_have(words, "match")) {
			copy_text(row->match, sizeof(row->match),
				  rw_words_text(words, "what is matched, such as marker:NAME"),
				  words);
		} else if (row->ring_count == RW_CORE_RINGS_MAX) {
			rw_words_complain(words, "more than %d rings", RW_CORE_RINGS_MAX);
		} else {
			copy_text(row->rings[row->ring_count], RW_CORE_NAME_BYTES,
				  rw_words_name(words, "a ring"), words);
			row->ring_count++;
		}
	}
	if (!words->failed && row->ring_count == 0)
		rw_words_complain(words, "expected at least one ring behind the deployment");
}

static void take_deploy(struct rw_words *words, struct rw_scenario *scenario,
			struct rw_statement *statement)
{
	if (rw_words_have(words, "create")) {
		take_create(words, scenario, statement);
		return;
	}
	if (rw_words_have(words, "start"))
		statement->verb = RW_VERB_DEPLOY_START;
	else if (rw_words_have(words, "finish"))
		statement->verb = RW_VERB_DEPLOY_FINISH;
	else if (rw_words_have(words, "withdraw"))
		statement->verb = RW_VERB_DEPLOY_WITHDRAW;
	else if (rw_words_have(words, "reset"))
		statement->verb = RW_VERB_DEPLOY_RESET;
	else
		rw_words_complain(words,
				  "expected deploy create, start, finish, withdraw or reset");

	statement->deployment = rw_words_name(words, "a deployment's name");
	if (statement->verb == RW_VERB_DEPLOY_START || statement->verb == RW_VERB_DEPLOY_RESET)
		statement->ring = rw_words_name(words, "a ring");
	if (statement->verb == RW_VERB_DEPLOY_START)
		statement->count = rw_words_have(words, "step")
					   ? rw_words_number(words, "a step", 1, STEPS_MAX)
					   : 1;
	if (statement->verb == RW_VERB_DEPLOY_WITHDRAW)
		statement->text =
			rw_words_have(words, "reason") ? rw_words_text(words, "a reason") : "";
	statement->refused = rw_words_have(words, "refused");
}

static void take_host(struct rw_words *words, struct rw_scenario *scenario,
		      struct rw_statement *statement)
{
	(void)scenario;
	if (rw_words_have(words, "retire"))
		statement->verb = RW_VERB_HOST_RETIRE;
	else if (rw_words_have(words, "enrol"))
		statement->verb = RW_VERB_HOST_ENROL;
	else if (rw_words_have(words, "exclude"))
		statement->verb = RW_VERB_HOST_EXCLUDE;
	else if (rw_words_have(words, "maintenance"))
		statement->verb = RW_VERB_HOST_MAINTENANCE;
	else
		rw_words_complain(words, "expected host retire, enrol, exclude or maintenance");
	take_hosts(words, statement);
	if (statement->verb == RW_VERB_HOST_MAINTENANCE)
		statement->ms = rw_words_time(words, "how long", false);
	statement->refused = rw_words_have(words, "refused");
}

/* ---- expectations
 * -------------------------------------------------------------------------------- */

static void take_expected_key(struct rw_words *words, struct rw_expected *expected)
{
	if (rw_words_have(words, "for")) {
		expected->question = rw_words_choice(words, "question", 2, question_at);
	} else if (rw_words_have(words, "reasons")) {
		expected->reasons_given = true;
		expected->reasons = rw_words_choices(words, "reason", RW_REASON_COUNT, reason_at);
	} else if (rw_words_have(words, "among")) {
		expected->reasons_among =
			rw_words_choices(words, "reason", RW_REASON_COUNT, reason_at);
	} else if (rw_words_have(words, "warnings")) {
		expected->warnings =
			rw_words_choices(words, "warning", RW_WARNING_COUNT, warning_at);
	} else if (rw_words_have(words, "grade")) {
		expected->grade_given = true;
		expected->grade = rw_words_choice(words, "grade", RW_GRADE_EVIDENCE + 1, grade_at);
	} else if (rw_words_have(words, "rule")) {
		expected->rule_given = true;
		expected->rule = rw_words_choice(words, "rule", RW_RULE_COUNT, rule_at);
	} else if (rw_words_have(words, "proof")) {
		expected->proof_given = true;
		expected->proof = rw_words_choice(words, "proof", RW_PROOF_COUNT, proof_at);
	} else if (rw_words_have(words, "k")) {
		expected->failed_given = true;
		expected->failed =
			rw_words_number(words, "a number of hosts", 0, RW_SCENARIO_HOSTS_MAX);
	} else if (rw_words_have(words, "n")) {
		expected->at_risk_given = true;
		expected->at_risk =
			rw_words_number(words, "a number of hosts", 0, RW_SCENARIO_HOSTS_MAX);
	} else {
		rw_words_complain(words,
				  "'%s' is no part of an expectation, expected reasons, among, "
				  "warnings, grade, rule, proof, k, n, for, within or until",
				  rw_words_peek(words));
	}
}

static struct rw_expected *take_expected(struct rw_words *words, struct rw_scenario *scenario,
					 struct rw_statement *statement)
{
	struct rw_expected *expected =
		rw_scenario_keep(scenario, calloc(1, sizeof(struct rw_expected)));

	if (expected == NULL) {
		rw_words_complain(words, "no memory for an expectation");
		return NULL;
	}
	statement->expected = expected;
	statement->deployment = rw_words_name(words, "a deployment's name");
	statement->ring = rw_words_name(words, "a ring");
	expected->decision = rw_words_choice(words, "verdict", RW_ABORT + 1, decision_at);
	return expected;
}

static void take_expect(struct rw_words *words, struct rw_scenario *scenario,
			struct rw_statement *statement)
{
	struct rw_expected *expected = take_expected(words, scenario, statement);

	while (expected != NULL && rw_words_peek(words) != NULL) {
		if (rw_words_have(words, "within"))
			statement->ms = rw_words_time(words, "a time", false);
		else
			take_expected_key(words, expected);
	}
}

static void take_expect_never(struct rw_words *words, struct rw_scenario *scenario,
			      struct rw_statement *statement)
{
	struct rw_expected *expected = take_expected(words, scenario, statement);

	statement->ms = 0;
	while (expected != NULL && rw_words_peek(words) != NULL) {
		if (rw_words_have(words, "until"))
			statement->ms = rw_words_time(words, "a time", false);
		else
			take_expected_key(words, expected);
	}
	if (!words->failed && statement->ms < statement->at_ms)
		rw_words_complain(words, "expected until TIME, later than this");
}

static void take_expect_host(struct rw_words *words, struct rw_scenario *scenario,
			     struct rw_statement *statement)
{
	(void)scenario;
	take_hosts(words, statement);
	if (statement->who.any > 0 || statement->who.any_ppm > 0)
		rw_words_complain(words,
				  "'any' picks hosts for what is done to them, expected hosts "
				  "without it");
	statement->presence = rw_words_choice(words, "presence", RW_PRESENCE_COUNT, presence_at);
	if (rw_words_have(words, "within"))
		statement->ms = rw_words_time(words, "a time", false);
}

static void take_nothing(struct rw_words *words, struct rw_scenario *scenario,
			 struct rw_statement *statement)
{
	(void)words;
	(void)scenario;
	(void)statement;
}

/* ---- the table
 * ------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum rw_verb verb; /* of those that take a second word: set by the taker */
	take_fn *take;
} verbs[] = {
	{"hosts", RW_VERB_HOSTS, take_new_hosts},
	{"die", RW_VERB_DIE, take_hosts_alone},
	{"crash", RW_VERB_CRASH, take_crash},
	{"oops", RW_VERB_EVENT, take_oops},
	{"event", RW_VERB_EVENT, take_event},
	{"boot-loop", RW_VERB_BOOT_LOOP, take_boot_loop},
	{"goodbye", RW_VERB_GOODBYE, take_goodbye},
	{"power-off", RW_VERB_GOODBYE, take_power_off},
	{"sleep", RW_VERB_SLEEP, take_hosts_alone},
	{"back", RW_VERB_BACK, take_back},
	{"move", RW_VERB_MOVE, take_move},
	{"report", RW_VERB_REPORT, take_report},
	{"module-failed", RW_VERB_MODULE_FAILED, take_module_failed},
	{"blind", RW_VERB_BLIND, take_blind},
	{"duplicate", RW_VERB_DUPLICATE, take_hosts_alone},
	{"cut", RW_VERB_CUT, take_hosts_alone},
	{"mend", RW_VERB_MEND, take_hosts_alone},
	{"collector", RW_VERB_STOP, take_collector},
	{"store", RW_VERB_STORE, take_store},
	{"witness", RW_VERB_WITNESS, take_witness},
	{"deploy", RW_VERB_DEPLOY_CREATE, take_deploy},
	{"host", RW_VERB_HOST_RETIRE, take_host},
	{"expect", RW_VERB_EXPECT, take_expect},
	{"expect-never", RW_VERB_EXPECT_NEVER, take_expect_never},
	{"expect-host", RW_VERB_EXPECT_HOST, take_expect_host},
	{"end", RW_VERB_END, take_nothing},
};

static const char *verb_at(uint32_t index)
{
	return verbs[index].name;
}

int rw_verbs_take(struct rw_words *words, struct rw_scenario *scenario,
		  struct rw_statement *statement)
{
	uint32_t index = rw_words_choice(words, "verb", sizeof(verbs) / sizeof(verbs[0]), verb_at);

	if (words->failed)
		return -EINVAL;
	statement->verb = verbs[index].verb;
	verbs[index].take(words, scenario, statement);
	return words->failed ? -EINVAL : 0;
}
