/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tick of a play: what is due happens, hosts do what they do, the core is
 * ticked and told that its rows are on disk, and if anything may have changed
 * each verdict is asked and each expectation looked at.
 *
 * Verdicts are asked only after a statement, a row from the core or another word
 * about its sight, and once a minute besides: between these nothing moves that a
 * verdict is made of, and days of calm must pass in a second.
 */
#include "ctl/replay/player.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/replay/fleet.h"
#include "ctl/replay/ledger.h"
#include "lib/cleanup.h"

enum { LOOK_EVERY_MS = 60 * 1000, BOOT_MS = 1000 * 1000, WATCHED_MAX = 1024, LINE_BYTES = 1024 };

/* What a verdict was when it was told of last. */
struct watched {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	char open_ring[RW_CORE_NAME_BYTES];
	enum rw_decision decision;
	uint32_t reasons;
	enum rw_rule rule;
	enum rw_grade grade;
	enum rw_proof proof;
};

struct open_expectation {
	const struct rw_statement *statement;
	bool done;
};

struct player {
	const struct rw_scenario *scenario;
	const struct rw_player_sink *out;
	struct rw_core *core; /* NULL: the collector is stopped */
	struct rw_fleet *fleet;
	struct rw_ledger *ledger;
	struct rw_now now, begin;
	uint64_t stalled_until_ms;
	uint64_t looked_ms;
	const char *blind;
	size_t next; /* statement */
	struct open_expectation *expectations;
	size_t expectation_count;
	struct watched watched[WATCHED_MAX];
	uint32_t watched_count;
	struct rw_verdict verdict; /* too large for a stack */
	bool stirred;
	bool witness_asked, witness_reachable;
	bool store_fails;
	char *error;
};

static uint64_t play_ms(const struct player *player)
{
	return player->now.boot_ms - player->begin.boot_ms;
}

/* ---- the core's sink ------------------------------------------------------------- */

static uint64_t take_change(void *context, const struct rw_change *change)
{
	struct player *player = context;

	player->stirred = true;
	return player->store_fails ? 0 : rw_ledger_take(player->ledger, change);
}

static void take_question(void *context)
{
	struct player *player = context;

	player->witness_asked = true;
}

/* ---- words ------------------------------------------------------------------------- */

char *rw_player_say_time(uint64_t ms, char out[RW_PLAY_TIME_BYTES])
{
	uint64_t seconds = ms / 1000;
	int used = 0;

	out[0] = '\0';
	if (seconds >= 3600)
		used += snprintf(out, RW_PLAY_TIME_BYTES, "%" PRIu64 "h", seconds / 3600);
	if (seconds >= 60 && seconds / 60 % 60 + (used > 0) > 0)
		used += snprintf(out + used, RW_PLAY_TIME_BYTES - (size_t)used,
				 used > 0 ? "%02" PRIu64 "m" : "%" PRIu64 "m", seconds / 60 % 60);
	if (ms % 1000 != 0)
		snprintf(out + used, RW_PLAY_TIME_BYTES - (size_t)used,
			 used > 0 ? "%02" PRIu64 ".%03" PRIu64 "s" : "%" PRIu64 ".%03" PRIu64 "s",
			 seconds % 60, ms % 1000);
	else
		snprintf(out + used, RW_PLAY_TIME_BYTES - (size_t)used,
			 used > 0 ? "%02" PRIu64 "s" : "%" PRIu64 "s", seconds % 60);
	return out;
}

static size_t add(char *out, size_t size, size_t used, const char *text)
{
	int n = used < size ? snprintf(out + used, size - used, "%s", text) : 0;

	return n < 0 ? used : used + (size_t)n;
}

char *rw_player_say(const struct rw_verdict *v, char out[RW_VERDICT_TEXT_BYTES])
{
	const size_t size = RW_VERDICT_TEXT_BYTES;
	char number[64];
	size_t used = add(out, size, 0, rw_decision_name(v->decision));

	if (v->breaker_open) {
		used = add(out, size, used, " (");
		used = add(out, size, used, rw_rule_name(v->rule));
		used = add(out, size, used, ", grade ");
		used = add(out, size, used, rw_grade_name(v->grade));
		if (v->proof != RW_PROOF_NONE) {
			used = add(out, size, used, ", proof ");
			used = add(out, size, used, rw_proof_name(v->proof));
		}
		if (strcmp(v->open_ring, v->ring) != 0) {
			used = add(out, size, used, ", in ");
			used = add(out, size, used, v->open_ring);
		}
		used = add(out, size, used, ")");
	} else if (v->reason_count > 0) {
		used = add(out, size, used, " (");
		for (uint32_t i = 0; i < v->reason_count; i++) {
			used = add(out, size, used, i == 0 ? "" : ", ");
			used = add(out, size, used, rw_reason_name(v->reasons[i]));
		}
		used = add(out, size, used, ")");
	}
	snprintf(number, sizeof(number), ", %" PRIu64 " of %" PRIu64, v->failed, v->at_risk);
	add(out, size, used, number);
	return out;
}

static int fail(struct player *player, const struct rw_statement *statement, int status,
		const char *complaint)
{
	snprintf(player->error, RW_SCENARIO_ERROR_BYTES, "%.200s:%u: %.280s",
		 player->scenario->path, statement->line, complaint);
	return status;
}

static void miss(struct player *player, const struct rw_statement *statement, const char *line)
{
	player->out->missed(player->out->context, statement, line);
}

/* ---- the collector ------------------------------------------------------------------------ */

static int start_core(struct player *player)
{
	const struct rw_policy *policy = &player->scenario->policy;
	struct rw_core_sink sink = {.context = player, .change = take_change};

	if (policy->has_witness)
		sink.ask_witness = take_question;

	int status = rw_core_new(policy, &sink, RW_SCENARIO_HOSTS_MAX, player->now, &player->core);

	if (status == 0)
		status = rw_ledger_restore(player->ledger, player->core, player->now);
	if (status != 0)
		return status;
	rw_core_restored(player->core, player->now);
	rw_core_committed(player->core, rw_ledger_sequence(player->ledger));
	rw_core_set_store_failed(player->core, player->store_fails);
	rw_fleet_set_core(player->fleet, player->core, player->now);
	return 0;
}

static void stop_core(struct player *player)
{
	rw_core_free(player->core);
	player->core = NULL;
	player->stalled_until_ms = 0;
	rw_fleet_set_core(player->fleet, NULL, player->now);
}

static int do_to_collector(struct player *player, const struct rw_statement *statement)
{
	if (statement->verb == RW_VERB_WITNESS) {
		player->witness_reachable = statement->reachable;
		return 0;
	}
	if (statement->verb == RW_VERB_START) {
		if (player->core != NULL)
			return fail(player, statement, -EINVAL, "the collector runs already");
		int status = start_core(player);
		return status == 0 ? 0
				   : fail(player, statement, status,
					  "the collector cannot read its journal back");
	}
	if (player->core == NULL)
		return fail(player, statement, -EINVAL,
			    "the collector does not run, expected collector start before this");
	switch (statement->verb) {
	case RW_VERB_STOP:
		stop_core(player);
		return 0;
	case RW_VERB_STALL:
		player->stalled_until_ms = player->now.boot_ms + statement->ms;
		rw_fleet_stall(player->fleet, (struct rw_now){.boot_ms = player->stalled_until_ms});
		return 0;
	case RW_VERB_SICK:
		rw_core_set_sick(player->core, statement->text, player->now);
		return 0;
	default: /* RW_VERB_STORE */
		player->store_fails = statement->failing;
		rw_core_set_store_failed(player->core, statement->failing);
		return 0;
	}
}

/* ---- acts -------------------------------------------------------------------------------- */

static void note_act(struct player *player, const struct rw_statement *statement,
		     const struct rw_act_result *result)
{
	char line[LINE_BYTES];
	size_t used = 0;

	if ((result->status != 0) == statement->refused)
		return;
	if (statement->refused) {
		miss(player, statement, "expected the act to be refused, but it was done");
		return;
	}
	used = add(line, sizeof(line), used, "the act was refused: ");
	used = add(line, sizeof(line), used,
		   result->message[0] != '\0' ? result->message : strerror(-result->status));
	for (uint32_t i = 0; i < result->reason_count; i++) {
		used = add(line, sizeof(line), used, i == 0 ? ": " : ", ");
		used = add(line, sizeof(line), used, rw_reason_name(result->reasons[i]));
	}
	miss(player, statement, line);
}

static struct rw_act_result act_on_deployment(struct player *player, const struct rw_statement *s)
{
	switch (s->verb) {
	case RW_VERB_DEPLOY_CREATE:
		return rw_core_deploy_create(player->core, s->row, player->now);
	case RW_VERB_DEPLOY_START:
		return rw_core_deploy_start(player->core, s->deployment, s->ring,
					    (uint32_t)s->count, player->now);
	case RW_VERB_DEPLOY_FINISH:
		return rw_core_deploy_finish(player->core, s->deployment, player->now);
	case RW_VERB_DEPLOY_WITHDRAW:
		return rw_core_deploy_withdraw(player->core, s->deployment, s->text, player->now);
	default:
		return rw_core_deploy_reset(player->core, s->deployment, s->ring, player->now);
	}
}

static struct rw_act_result act_on_host(struct player *player, const struct rw_statement *s,
					const char *host)
{
	switch (s->verb) {
	case RW_VERB_HOST_RETIRE:
		return rw_core_host_retire(player->core, host, player->now);
	case RW_VERB_HOST_ENROL:
		return rw_core_host_enrol(player->core, host, player->now);
	case RW_VERB_HOST_EXCLUDE:
		return rw_core_host_exclude(player->core, host, player->now);
	default:
		return rw_core_host_maintenance(player->core, host, s->ms, player->now);
	}
}

static int act(struct player *player, const struct rw_statement *statement)
{
	char complaint[RW_FLEET_COMPLAINT_BYTES];
	struct rw_act_result result;
	const uint32_t *hosts;
	uint32_t count;

	if (player->core == NULL)
		return fail(player, statement, -EINVAL, "the collector does not run");
	if (statement->deployment != NULL) {
		result = act_on_deployment(player, statement);
		note_act(player, statement, &result);
		return 0;
	}
	int status =
		rw_fleet_select(player->fleet, &statement->who, true, &hosts, &count, complaint);
	if (status != 0)
		return fail(player, statement, status, complaint);
	for (uint32_t i = 0; i < count; i++) {
		result =
			act_on_host(player, statement, rw_fleet_host_name(player->fleet, hosts[i]));
		note_act(player, statement, &result);
	}
	return 0;
}

/* ---- expectations ------------------------------------------------------------------------- */

static uint32_t reason_bits(const struct rw_verdict *verdict)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < verdict->reason_count; i++)
		bits |= 1u << verdict->reasons[i];
	return bits;
}

static uint32_t warning_bits(const struct rw_verdict *verdict)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < verdict->warning_count; i++)
		bits |= 1u << verdict->warnings[i];
	return bits;
}

static bool is_as_expected(const struct rw_verdict *verdict, const struct rw_expected *expected)
{
	uint32_t reasons = reason_bits(verdict);

	return verdict->decision == expected->decision &&
	       (!expected->reasons_given || reasons == expected->reasons) &&
	       (reasons & expected->reasons_among) == expected->reasons_among &&
	       (warning_bits(verdict) & expected->warnings) == expected->warnings &&
	       (!expected->grade_given || verdict->grade == expected->grade) &&
	       (!expected->rule_given || verdict->rule == expected->rule) &&
	       (!expected->proof_given || verdict->proof == expected->proof) &&
	       (!expected->failed_given || verdict->failed == expected->failed) &&
	       (!expected->at_risk_given || verdict->at_risk == expected->at_risk);
}

static const struct rw_verdict *ask(struct player *player, const struct rw_statement *statement)
{
	rw_core_verdict(player->core, statement->deployment, statement->ring,
			statement->expected->question, player->now, &player->verdict);
	return &player->verdict;
}

/* 1 holds, 0 does not, with what it is instead; or negative errno. */
static int holds(struct player *player, const struct rw_statement *statement,
		 char instead[LINE_BYTES])
{
	char text[RW_VERDICT_TEXT_BYTES];
	const uint32_t *hosts;
	uint32_t count;

	if (player->core == NULL) {
		snprintf(instead, LINE_BYTES, "the collector does not run");
		return 0;
	}
	if (statement->expected != NULL) {
		const struct rw_verdict *verdict = ask(player, statement);
		size_t used = add(instead, LINE_BYTES, 0, rw_player_say(verdict, text));

		for (uint32_t i = 0; i < verdict->warning_count; i++) {
			used = add(instead, LINE_BYTES, used, ", warning ");
			used = add(instead, LINE_BYTES, used,
				   rw_warning_name(verdict->warnings[i]));
		}
		return is_as_expected(verdict, statement->expected);
	}

	char complaint[RW_FLEET_COMPLAINT_BYTES];
	int status =
		rw_fleet_select(player->fleet, &statement->who, false, &hosts, &count, complaint);

	if (status != 0)
		return fail(player, statement, status, complaint);
	for (uint32_t i = 0; i < count; i++) {
		const char *name = rw_fleet_host_name(player->fleet, hosts[i]);
		struct rw_host_row row = {.presence = RW_UNKNOWN};

		rw_core_host_at(player->core, rw_core_host_find(player->core, name), &row);
		if (row.presence == statement->presence)
			continue;
		snprintf(instead, LINE_BYTES, "%s is %s", name, rw_presence_name(row.presence));
		return 0;
	}
	return 1;
}

static uint64_t deadline_ms(const struct rw_statement *statement)
{
	return statement->verb == RW_VERB_EXPECT_NEVER ? statement->ms
						       : statement->at_ms + statement->ms;
}

static void miss_expected(struct player *player, const struct rw_statement *statement,
			  const char *instead)
{
	bool never = statement->verb == RW_VERB_EXPECT_NEVER;
	char line[LINE_BYTES + 64], time[RW_PLAY_TIME_BYTES];

	snprintf(line, sizeof(line), "at %s: %s: %s", rw_player_say_time(play_ms(player), time),
		 never ? "what must never be is" : "not as expected", instead);
	miss(player, statement, line);
}

static int look_at_expectations(struct player *player)
{
	char instead[LINE_BYTES];
	size_t kept = 0;

	for (size_t i = 0; i < player->expectation_count; i++) {
		struct open_expectation *open = &player->expectations[i];
		const struct rw_statement *statement = open->statement;
		bool never = statement->verb == RW_VERB_EXPECT_NEVER;
		bool is_over = play_ms(player) >= deadline_ms(statement);

		/* nothing can be asked of a collector that is away, and nothing is held against it
		 */
		int status = never && player->core == NULL ? 0 : holds(player, statement, instead);
		if (status < 0)
			return status;
		if (status == 1 ? never : !never && is_over)
			miss_expected(player, statement, instead);
		if (status == 0 && !is_over)
			player->expectations[kept++] = *open;
	}
	player->expectation_count = kept;
	return 0;
}

static bool expectation_is_due(const struct player *player)
{
	for (size_t i = 0; i < player->expectation_count; i++) {
		if (play_ms(player) >= deadline_ms(player->expectations[i].statement))
			return true;
	}
	return false;
}

static void open_expectation(struct player *player, const struct rw_statement *statement)
{
	/* there is room for as many as there are statements */
	player->expectations[player->expectation_count++] =
		(struct open_expectation){.statement = statement};
}

/* ---- watching ------------------------------------------------------------------------------- */

static struct watched *watch(struct player *player, const char *deployment, const char *ring,
			     bool *is_new)
{
	*is_new = false;
	for (uint32_t i = 0; i < player->watched_count; i++) {
		struct watched *w = &player->watched[i];
		if (strcmp(w->deployment, deployment) == 0 && strcmp(w->ring, ring) == 0)
			return w;
	}
	if (player->watched_count == WATCHED_MAX)
		return NULL;
	*is_new = true;
	return &player->watched[player->watched_count++];
}

static void look_at_run(struct player *player, const char *deployment, const char *ring)
{
	struct rw_verdict *v = &player->verdict;
	bool is_new;
	struct watched *known = watch(player, deployment, ring, &is_new);

	if (known == NULL)
		return;
	rw_core_verdict(player->core, deployment, ring, RW_FOR_ADVANCE, player->now, v);

	struct watched now = {
		.decision = v->decision,
		.reasons = reason_bits(v),
		.rule = v->rule,
		.grade = v->grade,
		.proof = v->proof,
	};
	memcpy(now.deployment, v->deployment, sizeof(now.deployment));
	memcpy(now.ring, v->ring, sizeof(now.ring));
	memcpy(now.open_ring, v->open_ring, sizeof(now.open_ring));
	bool same = !is_new && known->decision == now.decision && known->reasons == now.reasons &&
		    known->rule == now.rule && known->grade == now.grade &&
		    known->proof == now.proof && strcmp(known->open_ring, now.open_ring) == 0;
	*known = now;
	if (!same)
		player->out->verdict(player->out->context, play_ms(player), v);
}

static int look(struct player *player)
{
	struct rw_deployment_row row;

	player->stirred = false;
	player->looked_ms = player->now.boot_ms;
	for (uint32_t i = 0; player->core != NULL && i < rw_core_deployment_count(player->core);
	     i++) {
		if (!rw_core_deployment_at(player->core, i, &row))
			continue;
		for (uint32_t ring = 0; ring < row.ring_count; ring++)
			look_at_run(player, row.id, row.rings[ring]);
	}
	return look_at_expectations(player);
}

/* ---- time -------------------------------------------------------------------------------------
 */

static int carry_out(struct player *player, const struct rw_statement *statement)
{
	char complaint[RW_FLEET_COMPLAINT_BYTES];

	switch (statement->verb) {
	case RW_VERB_STOP:
	case RW_VERB_START:
	case RW_VERB_STALL:
	case RW_VERB_SICK:
	case RW_VERB_STORE:
	case RW_VERB_WITNESS:
		return do_to_collector(player, statement);
	case RW_VERB_DEPLOY_CREATE:
	case RW_VERB_DEPLOY_START:
	case RW_VERB_DEPLOY_FINISH:
	case RW_VERB_DEPLOY_WITHDRAW:
	case RW_VERB_DEPLOY_RESET:
	case RW_VERB_HOST_RETIRE:
	case RW_VERB_HOST_ENROL:
	case RW_VERB_HOST_EXCLUDE:
	case RW_VERB_HOST_MAINTENANCE:
		return act(player, statement);
	case RW_VERB_EXPECT:
	case RW_VERB_EXPECT_NEVER:
	case RW_VERB_EXPECT_HOST:
		open_expectation(player, statement);
		return 0;
	case RW_VERB_END:
		return 0;
	default:
		break;
	}
	int status = rw_fleet_do(player->fleet, statement, player->now, complaint);
	return status == 0 ? 0 : fail(player, statement, status, complaint);
}

static int carry_out_due(struct player *player)
{
	const struct rw_scenario *scenario = player->scenario;

	while (player->next < scenario->count &&
	       scenario->statements[player->next].at_ms <= play_ms(player)) {
		int status = carry_out(player, &scenario->statements[player->next]);

		if (status != 0)
			return status;
		player->next++;
		player->stirred = true;
	}
	return 0;
}

static void tick_core(struct player *player)
{
	if (player->core == NULL || player->now.boot_ms < player->stalled_until_ms)
		return;
	rw_core_tick(player->core, player->now);
	if (player->witness_asked) {
		player->witness_asked = false;
		rw_core_witness(player->core, player->witness_reachable, player->now);
	}
	rw_core_committed(player->core, rw_ledger_sequence(player->ledger));

	const char *blind = rw_core_blind_reason(player->core, player->now);

	player->stirred = player->stirred || blind != player->blind;
	player->blind = blind;
}

static int tick(struct player *player)
{
	int status = carry_out_due(player);

	if (status != 0)
		return status;
	status = rw_fleet_tick(player->fleet, player->now);
	if (status != 0) {
		snprintf(player->error, RW_SCENARIO_ERROR_BYTES, "%.200s: a host's Hello: %s",
			 player->scenario->path, strerror(-status));
		return status;
	}
	tick_core(player);
	if (player->stirred || player->now.boot_ms - player->looked_ms >= LOOK_EVERY_MS ||
	    expectation_is_due(player))
		return look(player);
	return 0;
}

static uint64_t end_ms(const struct rw_scenario *scenario)
{
	uint64_t end = 0;

	for (size_t i = 0; i < scenario->count; i++) {
		const struct rw_statement *s = &scenario->statements[i];
		uint64_t at = s->verb >= RW_VERB_EXPECT && s->verb != RW_VERB_END ? deadline_ms(s)
										  : s->at_ms;
		if (at > end)
			end = at;
	}
	return end;
}

static int play(struct player *player)
{
	uint64_t end = end_ms(player->scenario);
	int status = start_core(player);

	if (status != 0) {
		snprintf(player->error, RW_SCENARIO_ERROR_BYTES, "%.200s: %s",
			 player->scenario->path, strerror(-status));
		return status;
	}
	/* One tick beyond, for what lies between two. */
	while (status == 0 && play_ms(player) < end + RW_CORE_TICK_MS) {
		status = tick(player);
		player->now.boot_ms += RW_CORE_TICK_MS;
		player->now.wall_ms += RW_CORE_TICK_MS;
	}
	return status;
}

int rw_player_play(const struct rw_scenario *scenario, const struct rw_player_sink *sink,
		   char error[RW_SCENARIO_ERROR_BYTES])
{
	rw_autofree struct player *player = calloc(1, sizeof(*player));
	rw_autofree struct open_expectation *expectations =
		calloc(scenario->count + 1, sizeof(*expectations));
	int status = -ENOMEM;

	if (player != NULL && expectations != NULL) {
		player->scenario = scenario;
		player->out = sink;
		player->error = error;
		player->expectations = expectations;
		player->begin = (struct rw_now){BOOT_MS, scenario->wall_ms};
		player->now = player->begin;
		player->fleet = rw_fleet_new(&scenario->policy, scenario->beat_ms);
		player->ledger = rw_ledger_new();
		snprintf(error, RW_SCENARIO_ERROR_BYTES, "%.200s: out of memory", scenario->path);
		if (player->fleet != NULL && player->ledger != NULL)
			status = play(player);
		rw_core_free(player->core);
		rw_fleet_free(player->fleet);
		rw_ledger_free(player->ledger);
	}
	return status;
}
