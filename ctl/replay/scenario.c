/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario's lines: what it says of its policy, and when each statement
 * happens. The statements themselves are read by verbs.c.
 */
#include "ctl/replay/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/replay/verbs.h"
#include "ctl/replay/words.h"
#include "lib/clock.h"
#include "proto/wire.h"

enum {
	HOUR_MS = 60 * 60 * 1000,
	EVERY_MAX = 100000,
};
/* When nothing else is said: 2024-07-19T04:00:00Z. */
#define WALL_MS UINT64_C(1721361600000)

/* ---- memory ------------------------------------------------------------------ */

static bool grow(void **array, size_t *room, size_t count, size_t size)
{
	if (count < *room)
		return true;

	size_t wanted = *room == 0 ? 64 : *room * 2;
	void *bigger = reallocarray(*array, wanted, size);

	if (bigger == NULL)
		return false;
	*array = bigger;
	*room = wanted;
	return true;
}

void *rw_scenario_keep(struct rw_scenario *scenario, void *memory)
{
	if (memory == NULL)
		return NULL;

	void *kept = scenario->kept;
	bool roomy = grow(&kept, &scenario->kept_room, scenario->kept_count, sizeof(void *));

	scenario->kept = kept;
	if (!roomy) {
		free(memory);
		return NULL;
	}
	scenario->kept[scenario->kept_count++] = memory;
	return memory;
}

const char *rw_scenario_keep_text(struct rw_scenario *scenario, const char *text)
{
	return rw_scenario_keep(scenario, strdup(text));
}

struct rw_statement *rw_scenario_add(struct rw_scenario *scenario)
{
	void *statements = scenario->statements;
	bool roomy =
		scenario->count < RW_SCENARIO_STATEMENTS_MAX &&
		grow(&statements, &scenario->room, scenario->count, sizeof(struct rw_statement));

	scenario->statements = statements;
	if (!roomy)
		return NULL;

	struct rw_statement *statement = &scenario->statements[scenario->count++];

	*statement = (struct rw_statement){0};
	return statement;
}

void rw_scenario_release(struct rw_scenario *scenario)
{
	for (size_t i = 0; i < scenario->kept_count; i++)
		free(scenario->kept[i]);
	free(scenario->kept);
	free(scenario->statements);
	*scenario = (struct rw_scenario){0};
}

/* In their order already when they have the same time: the line, then the place, tells. */
static int by_time(const void *left, const void *right)
{
	const struct rw_statement *a = left, *b = right;

	if (a->at_ms != b->at_ms)
		return a->at_ms < b->at_ms ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

void rw_scenario_sort(struct rw_scenario *scenario)
{
	if (scenario->count > 1)
		qsort(scenario->statements, scenario->count, sizeof(scenario->statements[0]),
		      by_time);
}

/* ---- policy -------------------------------------------------------------------- */

static struct rw_ring_policy default_ring(const char *name, uint32_t order, uint64_t bake_ms)
{
	struct rw_ring_policy ring = {
		.order = order,
		.bake_ms = bake_ms,
		.step_count = 1,
		.step_ppm = {RW_PPM},
		.limits = {[RW_RULE_OFFLINE] = {true, 1000},
			   [RW_RULE_CRASHED] = {true, 1000},
			   [RW_RULE_FAILED] = {true, 1000}},
		.least_hosts = 1,
		.min_coverage_ppm = 950000,
		.min_exposed_ppm = 900000,
		.crash_kinds = 1u << RINGWATCH__V1__KIND__KIND_PANIC |
			       1u << RINGWATCH__V1__KIND__KIND_OOPS |
			       1u << RINGWATCH__V1__KIND__KIND_HARD_LOCKUP |
			       1u << RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT,
	};

	snprintf(ring.name, sizeof(ring.name), "%s", name);
	return ring;
}

struct rw_policy rw_scenario_default_policy(void)
{
	struct rw_policy policy = {.timing = rw_timing_defaults(), .ring_count = 3};

	policy.rings[0] = default_ring("ring0", 0, 24 * (uint64_t)HOUR_MS);
	policy.rings[1] = default_ring("ring1", 1, 48 * (uint64_t)HOUR_MS);
	policy.rings[1].fleet_share_ppm = 10000;
	policy.rings[2] = default_ring("ring2", 2, 24 * (uint64_t)HOUR_MS);
	policy.rings[2].step_count = 4;
	policy.rings[2].step_ppm[0] = 100000;
	policy.rings[2].step_ppm[1] = 250000;
	policy.rings[2].step_ppm[2] = 500000;
	policy.rings[2].step_ppm[3] = RW_PPM;
	return policy;
}

static const char *rule_name(uint32_t rule)
{
	return rule == RW_RULE_NONE || rule >= RW_RULE_EXPOSURE ? NULL : rw_rule_name(rule);
}

static void take_limit(struct rw_words *words, struct rw_limit *limit)
{
	limit->judged = !rw_words_have(words, "none");
	limit->ppm = limit->judged ? rw_words_ratio(words, "a limit") : 0;
}

/* `steps 10% 25% 50% 100%`: shares to the last word that is one. */
static void take_steps(struct rw_words *words, struct rw_ring_policy *ring)
{
	ring->step_count = 0;
	do {
		if (ring->step_count == RW_CORE_STEPS_MAX) {
			rw_words_complain(words, "more than %d steps", RW_CORE_STEPS_MAX);
			return;
		}
		ring->step_ppm[ring->step_count++] = rw_words_ratio(words, "a step's share");
	} while (rw_words_peek(words) != NULL && strchr(rw_words_peek(words), '%') != NULL);
}

static const char *open_on_name(uint32_t on)
{
	return on == 0 ? "limit" : "evidence";
}

static void take_ring_key(struct rw_words *words, struct rw_ring_policy *ring)
{
	if (rw_words_have(words, "bake")) {
		ring->bake_ms = rw_words_time(words, "a bake", false);
	} else if (rw_words_have(words, "steps")) {
		take_steps(words, ring);
	} else if (rw_words_have(words, "fleet_share")) {
		ring->fleet_share_ppm = rw_words_ratio(words, "a share of the fleet");
	} else if (rw_words_have(words, "heartbeat_every")) {
		ring->heartbeat_every_ms = rw_words_time(words, "a time", false);
	} else if (rw_words_have(words, "limit")) {
		uint32_t rule = rw_words_choice(words, "rule", RW_RULE_COUNT, rule_name);
		take_limit(words, &ring->limits[rule]);
	} else if (rw_words_have(words, "least_hosts")) {
		ring->least_hosts = (uint32_t)rw_words_number(words, "a number of hosts", 1,
							      RW_SCENARIO_HOSTS_MAX);
	} else if (rw_words_have(words, "min_coverage")) {
		ring->min_coverage_ppm = rw_words_ratio(words, "a share");
	} else if (rw_words_have(words, "min_exposed")) {
		ring->min_exposed_ppm = rw_words_ratio(words, "a share");
	} else if (rw_words_have(words, "open_on")) {
		ring->open_on_evidence =
			rw_words_choice(words, "way to open", 2, open_on_name) == 1;
	} else if (rw_words_have(words, "crash_kinds")) {
		ring->crash_kinds = rw_words_choices(words, "kind of event", RW_KINDS, rw_kind_at);
	} else {
		rw_words_complain(words,
				  "'%s' is no key of a ring, expected bake, steps, fleet_share, "
				  "heartbeat_every, limit, least_hosts, min_coverage, min_exposed, "
				  "open_on or crash_kinds",
				  rw_words_peek(words));
	}
}

static int take_ring(struct rw_words *words, struct rw_scenario *scenario)
{
	struct rw_policy *policy = &scenario->policy;

	if (!scenario->has_policy)
		policy->ring_count = 0;
	scenario->has_policy = true;
	if (policy->ring_count == RW_CORE_RINGS_MAX)
		return rw_words_complain(words, "more than %d rings", RW_CORE_RINGS_MAX);

	const char *name = rw_words_name(words, "a ring's name");
	struct rw_ring_policy ring = default_ring(name, policy->ring_count, 24 * (uint64_t)HOUR_MS);

	while (rw_words_peek(words) != NULL)
		take_ring_key(words, &ring);
	policy->rings[policy->ring_count++] = ring;
	if (words->failed)
		return -EINVAL;

	int guilty;
	const char *fault = rw_policy_fault(policy, &guilty);

	/* of the timing when all is read: a later line may change it */
	if (fault != NULL && guilty >= 0)
		return rw_words_complain(words, "%s", fault);
	return 0;
}

static int take_timing(struct rw_words *words, struct rw_scenario *scenario)
{
	struct rw_timing *timing = &scenario->policy.timing;
	const struct {
		const char *name;
		uint64_t *value;
	} keys[] = {
		{"heartbeat_every", &timing->heartbeat_every_ms},
		{"suspect_after", &timing->suspect_after_ms},
		{"offline_after", &timing->offline_after_ms},
		{"max_planned", &timing->max_planned_ms},
		{"power_off_grace", &timing->power_off_grace_ms},
		{"retire_after", &timing->retire_after_ms},
	};

	while (rw_words_peek(words) != NULL) {
		size_t i = 0;

		while (i < sizeof(keys) / sizeof(keys[0]) && !rw_words_have(words, keys[i].name))
			i++;
		if (i == sizeof(keys) / sizeof(keys[0]))
			return rw_words_complain(words,
						 "'%s' is no timing, expected heartbeat_every, "
						 "suspect_after, offline_after, max_planned, "
						 "power_off_grace or retire_after",
						 rw_words_peek(words));
		*keys[i].value = rw_words_time(words, "a time", false);
	}
	return words->failed ? -EINVAL : 0;
}

static int take_begins(struct rw_words *words, struct rw_scenario *scenario)
{
	const char *word = rw_words_text(words, "a time such as 2024-07-19T04:09:00Z");

	if (!words->failed && rw_clock_parse_wall(word, &scenario->wall_ms) != 0)
		return rw_words_complain(
			words, "'%s' is no time, expected one such as 2024-07-19T04:09:00Z", word);
	return words->failed ? -EINVAL : 0;
}

/* ---- lines ------------------------------------------------------------------------ */

/* The statement again at each later moment of `every`. */
static int repeat(struct rw_words *words, struct rw_scenario *scenario, uint64_t every_ms,
		  uint64_t until_ms)
{
	struct rw_statement first = scenario->statements[scenario->count - 1];

	if (every_ms == 0 || until_ms < first.at_ms ||
	    (until_ms - first.at_ms) / every_ms >= EVERY_MAX)
		return rw_words_complain(words,
					 "this happens never or more than %d times, expected "
					 "every TIME from TIME until TIME",
					 EVERY_MAX);
	for (uint64_t at = first.at_ms + every_ms; at <= until_ms; at += every_ms) {
		struct rw_statement *statement = rw_scenario_add(scenario);

		if (statement == NULL)
			return rw_words_complain(words, "no memory for so many statements");
		*statement = first;
		statement->at_ms = at;
	}
	return 0;
}

static int take_statement(struct rw_words *words, struct rw_scenario *scenario)
{
	uint64_t at_ms = 0, every_ms = 0, until_ms = 0;
	bool repeats = false;

	if (rw_words_have(words, "at")) {
		at_ms = rw_words_time(words, "a time", false);
	} else if (rw_words_have(words, "every")) {
		repeats = true;
		every_ms = rw_words_time(words, "a time", false);
		if (!rw_words_have(words, "from"))
			rw_words_complain(words, "expected every TIME from TIME until TIME");
		at_ms = rw_words_time(words, "a time", false);
		if (!rw_words_have(words, "until"))
			rw_words_complain(words, "expected every TIME from TIME until TIME");
		until_ms = rw_words_time(words, "a time", false);
	} else if (rw_words_peek(words) == NULL || strcmp(rw_words_peek(words), "hosts") != 0) {
		return rw_words_complain(
			words,
			"'%s' begins no line, expected at TIME, every TIME, hosts, "
			"ring, timing, witness or begins",
			rw_words_text(words, "a statement"));
	}
	if (words->failed)
		return -EINVAL;

	struct rw_statement *statement = rw_scenario_add(scenario);

	if (statement == NULL)
		return rw_words_complain(words, "no memory for so many statements");
	statement->at_ms = at_ms;
	statement->line = words->line;
	if (rw_verbs_take(words, scenario, statement) != 0 || rw_words_end(words) != 0)
		return -EINVAL;
	if (statement->verb == RW_VERB_WITNESS)
		scenario->has_witness = true;
	return repeats ? repeat(words, scenario, every_ms, until_ms) : 0;
}

static int take_witness(struct rw_words *words, struct rw_scenario *scenario)
{
	if (rw_words_have(words, "none"))
		return rw_words_end(words);

	struct rw_statement *statement = rw_scenario_add(scenario);

	if (statement == NULL)
		return rw_words_complain(words, "no memory for so many statements");
	words->at--; /* the verb again */
	statement->line = words->line;
	scenario->has_witness = true;
	return rw_verbs_take(words, scenario, statement) != 0 ? -EINVAL : rw_words_end(words);
}

static int take_line(struct rw_words *words, struct rw_scenario *scenario)
{
	if (words->count == 0)
		return 0;
	if (rw_words_have(words, "ring"))
		return take_ring(words, scenario);
	if (rw_words_have(words, "timing"))
		return take_timing(words, scenario);
	if (rw_words_have(words, "begins"))
		return take_begins(words, scenario) != 0 ? -EINVAL : rw_words_end(words);
	if (rw_words_have(words, "witness"))
		return take_witness(words, scenario);
	return take_statement(words, scenario);
}

/* ---- the whole ----------------------------------------------------------------------- */

static bool has_ring(const struct rw_policy *policy, const char *ring)
{
	for (uint32_t i = 0; i < policy->ring_count; i++) {
		if (strcmp(policy->rings[i].name, ring) == 0)
			return true;
	}
	return false;
}

static const char *missing_ring(const struct rw_statement *statement,
				const struct rw_policy *policy)
{
	const struct rw_deployment_row *row = statement->row;

	/* an expectation may ask for what is not there */
	if (statement->ring != NULL && statement->expected == NULL &&
	    !has_ring(policy, statement->ring))
		return statement->ring;
	if (statement->who.how == RW_WHO_RING && !has_ring(policy, statement->who.first))
		return statement->who.first;
	for (uint32_t i = 0; row != NULL && i < row->ring_count; i++) {
		if (!has_ring(policy, row->rings[i]))
			return row->rings[i];
	}
	return NULL;
}

static int check(const struct rw_scenario *scenario, const struct rw_policy *policy,
		 char error[RW_SCENARIO_ERROR_BYTES])
{
	int guilty;
	const char *fault = rw_policy_fault(policy, &guilty);

	if (fault != NULL) {
		snprintf(error, RW_SCENARIO_ERROR_BYTES, "%.200s: timing: %s", scenario->path,
			 fault);
		return -EINVAL;
	}
	for (size_t i = 0; i < scenario->count; i++) {
		const char *ring = missing_ring(&scenario->statements[i], policy);

		if (ring == NULL)
			continue;
		char line[16] = "";

		if (!scenario->is_store)
			snprintf(line, sizeof(line), ":%u", scenario->statements[i].line);
		snprintf(error, RW_SCENARIO_ERROR_BYTES,
			 "%.200s%s: the policy has no ring '%.64s', expected one of its %u",
			 scenario->path, line, ring, policy->ring_count);
		return -EINVAL;
	}
	return 0;
}

int rw_scenario_read(const char *path, char *text, struct rw_scenario *out,
		     char error[RW_SCENARIO_ERROR_BYTES])
{
	struct rw_words words = {.path = path, .error = error};

	*out = (struct rw_scenario){
		.path = path, .policy = rw_scenario_default_policy(), .wall_ms = WALL_MS};
	for (char *line = text; line != NULL;) {
		char *next = strchr(line, '\n');

		if (next != NULL)
			*next++ = '\0';
		words.line++;
		if (rw_words_split(&words, line) != 0 || take_line(&words, out) != 0)
			return -EINVAL;
		line = next;
	}
	out->policy.has_witness = out->has_witness;
	rw_scenario_sort(out);
	return check(out, &out->policy, error);
}

int rw_scenario_set_policy(struct rw_scenario *scenario, const struct rw_policy *policy,
			   char error[RW_SCENARIO_ERROR_BYTES])
{
	struct rw_policy changed = *policy;

	changed.has_witness = scenario->has_witness;
	if (check(scenario, &changed, error) != 0)
		return -EINVAL;
	scenario->policy = changed;
	return 0;
}
