/* SPDX-License-Identifier: Apache-2.0 */
/* `ringwatch replay`: what the judgement says of a recorded course of things. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/config.h"
#include "ctl/commands.h"
#include "ctl/replay/player.h"
#include "ctl/replay/scenario.h"
#include "ctl/replay/store.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

enum { FILE_MAX_BYTES = 16 * 1024 * 1024, HOSTS_SHOWN = 5 };

struct printer {
	const struct rw_scenario *scenario;
	bool json;
	uint64_t missed;
};

/* ---- reading ---------------------------------------------------------------------- */

/* The file's text, to be freed; NULL with a complaint. */
static char *read_text(const char *path)
{
	rw_autofclose FILE *file = fopen(path, "re");
	size_t used = 0, room = 64 * 1024;
	char *text = file == NULL ? NULL : malloc(room);

	while (text != NULL && !feof(file) && !ferror(file)) {
		used += fread(text + used, 1, room - used - 1, file);
		if (used + 1 < room)
			continue;
		char *bigger = room < FILE_MAX_BYTES ? realloc(text, room *= 2) : NULL;
		if (bigger == NULL) {
			free(text);
			errno = EFBIG;
			text = NULL;
		} else {
			text = bigger;
		}
	}
	if (text == NULL || ferror(file) || memchr(text, '\0', used) != NULL) {
		if (text != NULL && !ferror(file))
			rw_ctl_fail("%s: this is no text, expected a scenario", path);
		else
			rw_ctl_fail("%s: %s", path, strerror(errno));
		free(text);
		return NULL;
	}
	text[used] = '\0';
	return text;
}

/* ---- printing ----------------------------------------------------------------------- */

static json_t *reasons_of(const struct rw_verdict *v)
{
	json_t *reasons = json_array();

	for (uint32_t i = 0; i < v->reason_count; i++)
		json_array_append_new(reasons, json_string(rw_reason_name(v->reasons[i])));
	return reasons;
}

static json_t *warnings_of(const struct rw_verdict *v)
{
	json_t *warnings = json_array();

	for (uint32_t i = 0; i < v->warning_count; i++)
		json_array_append_new(warnings, json_string(rw_warning_name(v->warnings[i])));
	return warnings;
}

static json_t *evidence_of(const struct rw_verdict *v)
{
	json_t *evidence = json_array();

	for (uint32_t i = 0; i < v->evidence_count; i++)
		json_array_append_new(evidence,
				      json_pack("{s:s, s:s, s:s, s:s}", "host", v->evidence[i].host,
						"kind", v->evidence[i].kind, "event",
						v->evidence[i].event, "signature",
						v->evidence[i].signature));
	return evidence;
}

static void print_json(uint64_t at_ms, const char *wall, const struct rw_verdict *v)
{
	json_t *object = json_pack(
		"{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:s, s:s, s:s, s:s, s:o}", "at_ms",
		(json_int_t)at_ms, "time", wall, "deployment", v->deployment, "ring", v->ring,
		"verdict", rw_decision_name(v->decision), "reasons", reasons_of(v), "warnings",
		warnings_of(v), "failed", (json_int_t)v->failed, "at_risk", (json_int_t)v->at_risk,
		"rule", rw_rule_name(v->rule), "grade", rw_grade_name(v->grade), "proof",
		rw_proof_name(v->proof), "open_ring", v->open_ring, "evidence", evidence_of(v));

	if (object != NULL) {
		json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	}
	json_decref(object);
}

/* Whether an earlier line is about the same host. */
static bool is_known(const struct rw_verdict *v, uint32_t line)
{
	for (uint32_t i = 0; i < line; i++) {
		if (strcmp(v->evidence[i].host, v->evidence[line].host) == 0)
			return true;
	}
	return false;
}

static void print_kinds(const struct rw_verdict *v, uint32_t first)
{
	printf(" (%s", v->evidence[first].kind);
	for (uint32_t i = first + 1; i < v->evidence_count; i++) {
		if (strcmp(v->evidence[i].host, v->evidence[first].host) == 0)
			printf(", %s", v->evidence[i].kind);
	}
	putchar(')');
}

static void print_evidence(const struct rw_verdict *v)
{
	uint32_t hosts = 0;

	for (uint32_t i = 0; i < v->evidence_count; i++) {
		if (is_known(v, i))
			continue;
		if (++hosts > HOSTS_SHOWN)
			continue;
		printf("%s%s", hosts == 1 ? ": " : ", ", v->evidence[i].host);
		print_kinds(v, i);
	}
	if (hosts > HOSTS_SHOWN)
		printf(" and %u more", hosts - HOSTS_SHOWN);
}

static void print_verdict(void *context, uint64_t at_ms, const struct rw_verdict *v)
{
	const struct printer *printer = context;
	char wall[RW_TIME_TEXT_BYTES], time[RW_PLAY_TIME_BYTES], text[RW_VERDICT_TEXT_BYTES];

	rw_clock_format_wall(printer->scenario->wall_ms + at_ms, wall);
	if (printer->json) {
		print_json(at_ms, wall, v);
		return;
	}
	printf("%14s  %s  %s %s  %s", rw_player_say_time(at_ms, time), wall, v->deployment, v->ring,
	       rw_player_say(v, text));
	if (v->breaker_open)
		print_evidence(v);
	putchar('\n');
}

/* What was done then, and would not have been allowed now. */
static void print_refused(const struct printer *printer, const struct rw_statement *statement,
			  const char *line)
{
	char wall[RW_TIME_TEXT_BYTES], time[RW_PLAY_TIME_BYTES];
	const char *deployment = statement->deployment == NULL ? "" : statement->deployment;
	const char *ring = statement->ring == NULL ? "" : statement->ring;

	rw_clock_format_wall(printer->scenario->wall_ms + statement->at_ms, wall);
	if (!printer->json) {
		printf("%14s  %s  %s %s  %s\n", rw_player_say_time(statement->at_ms, time), wall,
		       deployment, ring, line);
		return;
	}

	json_t *object =
		json_pack("{s:I, s:s, s:s, s:s, s:s}", "at_ms", (json_int_t)statement->at_ms,
			  "time", wall, "deployment", deployment, "ring", ring, "refused", line);
	if (object != NULL) {
		json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	}
	json_decref(object);
}

static void print_missed(void *context, const struct rw_statement *statement, const char *line)
{
	struct printer *printer = context;

	if (printer->scenario->is_store) {
		print_refused(printer, statement, line);
		return;
	}
	printer->missed++;
	fflush(stdout); /* in its place between the verdicts */
	fprintf(stderr, "%s:%u: %s\n", printer->scenario->path, statement->line, line);
}

/* ---- the command ---------------------------------------------------------------------- */

static bool load_config(const char *path, struct rw_policy *policy, char error[RW_CONF_ERROR_BYTES])
{
	rw_autofree struct rw_collector_config *config = calloc(1, sizeof(*config));

	if (config == NULL) {
		snprintf(error, RW_CONF_ERROR_BYTES, "out of memory");
		return false;
	}
	return rw_collector_config_load(path, config, policy, error) == 0;
}

/* What is to judge: --policy's rings and --config's timing, as far as given, else `own`.
 * NULL with a complaint. */
static struct rw_policy *load_policy(const struct rw_args *args, struct rw_policy own)
{
	const char *config = args->value[RW_OPT_CONFIG], *path = args->value[RW_OPT_POLICY];
	struct rw_policy *policy = malloc(sizeof(*policy));
	char error[RW_CONF_ERROR_BYTES] = "out of memory";

	if (policy != NULL) {
		*policy = own;
		if ((config == NULL || load_config(config, policy, error)) &&
		    (path == NULL || rw_policy_load(path, &policy->timing, policy, error) == 0))
			return policy;
	}
	rw_ctl_fail("%s", error);
	free(policy);
	return NULL;
}

static int load_store(const struct rw_args *args, struct rw_scenario *scenario)
{
	rw_autofree struct rw_policy *policy = load_policy(args, rw_scenario_default_policy());
	char error[RW_SCENARIO_ERROR_BYTES];

	if (policy == NULL)
		return RW_CTL_USAGE;
	int status = rw_replay_read_store(args->operand, policy, scenario, error);
	if (status == 0)
		return RW_CTL_DONE;
	rw_ctl_fail("%s", error);
	return status == -ENOMEM ? RW_CTL_FAILED : RW_CTL_USAGE;
}

static int load(const struct rw_args *args, struct rw_scenario *scenario, char **text)
{
	char error[RW_SCENARIO_ERROR_BYTES];

	*text = read_text(args->operand);
	if (*text == NULL)
		return RW_CTL_USAGE;
	int status = rw_scenario_read(args->operand, *text, scenario, error);
	if (status == 0 && (rw_args_has(args, RW_OPT_POLICY) || rw_args_has(args, RW_OPT_CONFIG))) {
		rw_autofree struct rw_policy *policy = load_policy(args, scenario->policy);
		if (policy == NULL)
			return RW_CTL_USAGE;
		status = rw_scenario_set_policy(scenario, policy, error);
	}
	if (status != 0)
		rw_ctl_fail("%s", error);
	return status == 0 ? RW_CTL_DONE : RW_CTL_USAGE;
}

int rw_replay_run(const struct rw_args *args)
{
	struct rw_scenario scenario = {0};
	rw_autofree char *text = NULL;
	char error[RW_SCENARIO_ERROR_BYTES];
	int status = rw_replay_is_store(args->operand) ? load_store(args, &scenario)
						       : load(args, &scenario, &text);

	if (status == RW_CTL_DONE) {
		struct printer printer = {&scenario, rw_args_has(args, RW_OPT_JSON), 0};
		struct rw_player_sink sink = {&printer, print_verdict, print_missed};
		int err = rw_player_play(&scenario, &sink, error);

		if (err != 0) {
			rw_ctl_fail("%s", error);
			status = err == -ENOMEM ? RW_CTL_FAILED : RW_CTL_USAGE;
		} else if (printer.missed > 0) {
			status = RW_CTL_FAILED;
		}
	}
	rw_scenario_release(&scenario);
	return status;
}
