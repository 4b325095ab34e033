/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringwatch verdict`: the gate that pipelines run. Whatever is not clearly
 * `proceed` never exits 0: an unknown word in the answer is "could not ask".
 */
#include "ctl/verdict.h"

#include <string.h>
#include <time.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/table.h"
#include "ctl/view.h"
#include "ctl/wait.h"
#include "lib/clock.h"

enum {
	POLL_MS = 1000,
	ANSWER_MS = 10000,
	LAST_ANSWER_MS = 2000,
	EVIDENCE_SHOWN = 10,
	BAR_CELLS = 20,
	CERTIFYING_MAX = 10000000
};

/* ---- words ----------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *words;
} reasons[] = {
	{"unknown_deployment", "there is no such deployment"},
	{"unknown_ring", "the deployment does not go through such a ring"},
	{"withdrawn", "the deployment was withdrawn"},
	{"finished", "the deployment is finished"},
	{"blind",
	 "the collector itself cannot see: it has just started, stalled, or lost its network"},
	{"blackout", "hosts with and without the change are silent: something else is wrong"},
	{"store_failed", "the collector cannot write its store"},
	{"not_started", "the ring has not been started"},
	{"previous_ring_not_passed", "the ring before has not passed"},
	{"ring_unhealthy", "the ring was above its limits before it started"},
	{"no_exposed_hosts", "no host is exposed"},
	{"coverage_low", "too few of the exposed hosts are being heard"},
	{"too_few_hosts", "too few hosts are exposed"},
	{"bake_incomplete", "the bake is not complete"},
	{"drill", "a drill is on: the failure is staged, and it clears by itself"},
};

const char *rw_verdict_reason(const char *name)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].name, name) == 0)
			return reasons[i].words;
	return "";
}

void rw_verdict_grade(FILE *to, const json_t *breaker)
{
	static const struct {
		const char *name;
		const char *words;
	} proofs[] = {
		{"share", "more failed than the limit allows and than elsewhere, by exact tests"},
		{"signature", "hosts share a crash that no other host has shown"},
		{"boot_loop", "a host that never did so before reboots again and again"},
	};
	const char *grade = rw_view_text(breaker, "grade");
	const char *proof = rw_view_text(breaker, "proof");

	fputs(rw_view_safe(grade).text, to);
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
		if (strcmp(grade, "evidence") == 0 && strcmp(proofs[i].name, proof) == 0)
			fprintf(to, ": %s", proofs[i].words);
}

/* Of how many hosts not one may fail before a share of `limit` is ruled out with 95 %; 0: of
 * more than there can be. */
static uint64_t certifying_hosts(double limit)
{
	double none_fails = 1.0;

	for (uint64_t hosts = 1; limit > 0 && hosts <= CERTIFYING_MAX; hosts++) {
		none_fails *= 1.0 - limit;
		if (none_fails <= 0.05)
			return hosts;
	}
	return 0;
}

void rw_verdict_bounds(FILE *to, const json_t *answer)
{
	const json_t *failed = json_object_get(answer, "failed");
	uint64_t observed = rw_view_count(failed, "observed_full");
	uint64_t count = rw_view_count(failed, "count");
	double limit = rw_view_real(failed, "limit");
	double upper = rw_view_real(failed, "upper95");
	bool certified = json_is_true(json_object_get(failed, "certified"));
	uint64_t needed = certifying_hosts(limit);

	if (observed == 0)
		fputs("no host was observed for a whole bake yet", to);
	else if (count == 0)
		fprintf(to, "0 of %s failed: no more than %s with 95%%",
			rw_view_number(observed).text, rw_view_share(upper).text);
	else
		fprintf(to,
			"at least %s fail with 95%%, and no more than %s of the %s observed for a "
			"whole bake",
			rw_view_share(rw_view_real(failed, "lower95")).text,
			rw_view_share(upper).text, rw_view_number(observed).text);
	fprintf(to, " (limit %s): %scertified", rw_view_share(limit).text, certified ? "" : "not ");
	if (!certified && count == 0 && needed > 0)
		fprintf(to, ", that takes %s hosts", rw_view_number(needed).text);
}

void rw_verdict_control(FILE *to, const json_t *answer)
{
	const json_t *control = json_object_get(answer, "control");
	uint64_t hosts = rw_view_count(control, "hosts");
	double host_hours = rw_view_real(control, "host_hours");

	if (hosts == 0 && host_hours <= 0) {
		fputs("none: there is no host that is exposed to nothing", to);
		return;
	}
	fprintf(to, "%s of %s hosts failed in ",
		rw_view_number(rw_view_count(control, "failed")).text, rw_view_number(hosts).text);
	if (host_hours < 100)
		fprintf(to, "%.1f", host_hours);
	else
		fputs(rw_view_number((uint64_t)host_hours).text, to);
	fprintf(to, " host-hours, p = %.2g", rw_view_real(control, "p"));
}

void rw_verdict_noise(FILE *to, const json_t *answer)
{
	const json_t *noise = json_object_get(answer, "noise");
	double expected = rw_view_real(noise, "expected_natural");

	if (expected < 10)
		fprintf(to, "%.2g", expected);
	else
		fputs(rw_view_number((uint64_t)(expected + 0.5)).text, to);
	fprintf(to,
		" failures expected in a bake anyhow, which alone open the breaker with %s; finds "
		"a change that kills %s of hosts",
		rw_view_share(rw_view_real(noise, "false_trip_probability")).text,
		rw_view_share(rw_view_real(noise, "detection_power")).text);
}

/* ---- for people ------------------------------------------------------------ */

static void print_label(const char *label, bool colour)
{
	printf("  %s%-9s%s ", rw_style_on(RW_DIM, colour), label, rw_style_off(RW_DIM, colour));
}

static void print_head(const json_t *answer, int status, bool colour)
{
	enum rw_style style = status == RW_CTL_DONE    ? RW_GOOD
			      : status == RW_CTL_ABORT ? RW_BAD
						       : RW_CAREFUL;
	const char *word = status == RW_CTL_DONE    ? "PROCEED"
			   : status == RW_CTL_ABORT ? "ABORT"
						    : "HOLD";

	printf("%s%s%s  %s on %s, %s\n", rw_style_on(style, colour), word,
	       rw_style_off(style, colour), rw_view_safe(rw_view_text(answer, "deployment")).text,
	       rw_view_safe(rw_view_text(answer, "ring")).text,
	       strcmp(rw_view_text(answer, "for"), "enter") == 0 ? "may one more host enter?"
								 : "may it advance?");
}

static void print_reasons(const json_t *answer, bool colour)
{
	const json_t *list = json_object_get(answer, "reasons");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		if (name == NULL)
			continue;
		const char *words = rw_verdict_reason(name);
		print_label(i == 0 ? "why" : "", colour);
		printf("%s%s%s%s\n", words, words[0] == '\0' ? "" : " (", rw_view_safe(name).text,
		       words[0] == '\0' ? "" : ")");
	}
}

static void print_evidence(const json_t *evidence)
{
	static const struct rw_column columns[] = {
		{"HOST", false}, {"KIND", false}, {"AT", false}, {"SIGNATURE", false}};
	size_t count = json_array_size(evidence);
	struct rw_listing *table = rw_listing_new(columns, 4);

	if (table == NULL)
		return;
	for (size_t i = 0; i < count && i < EVIDENCE_SHOWN; i++) {
		const json_t *row = json_array_get(evidence, i);
		rw_listing_add_styled(table, rw_view_text(row, "host"), RW_BOLD);
		rw_listing_add(table, rw_view_text(row, "kind"));
		rw_listing_add(table, rw_view_time(rw_view_text(row, "at")).text);
		rw_listing_add_styled(table, rw_view_text(row, "signature"), RW_BOLD);
	}
	rw_listing_print(table, stdout, "            ", "no evidence is kept");
	if (count > EVIDENCE_SHOWN)
		printf("            … and %zu more (--json shows all)\n", count - EVIDENCE_SHOWN);
	rw_listing_free(table);
}

static void print_breaker(const json_t *answer, bool colour)
{
	const json_t *breaker = json_object_get(answer, "breaker");

	print_label("breaker", colour);
	if (strcmp(rw_view_text(breaker, "state"), "open") != 0) {
		printf("%s\n", rw_view_safe(rw_view_text(breaker, "state")).text);
		return;
	}
	printf("%sOPEN%s since %s, by rule %s (", rw_style_on(RW_BAD, colour),
	       rw_style_off(RW_BAD, colour), rw_view_time(rw_view_text(breaker, "opened_at")).text,
	       rw_view_safe(rw_view_text(breaker, "rule")).text);
	rw_verdict_grade(stdout, breaker);
	puts("); stays open until it is reset");
	print_evidence(json_object_get(breaker, "evidence"));
}

static void print_bake(const json_t *answer, bool colour)
{
	const json_t *bake = json_object_get(answer, "bake");
	uint64_t required = rw_view_count(bake, "required_seconds");
	uint64_t observed = rw_view_count(bake, "observed_seconds");
	size_t filled = required == 0 || observed >= required
				? BAR_CELLS
				: (size_t)((double)observed / (double)required * BAR_CELLS);
	char bar[BAR_CELLS + 1];

	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', filled);
	bar[BAR_CELLS] = '\0';
	print_label("bake", colour);
	if (strcmp(rw_view_text(bake, "state"), "not_started") == 0) {
		printf("not started; %s a step\n", rw_view_seconds(required).text);
		return;
	}
	printf("[%s] %s of %s, %s", bar, rw_view_seconds(observed).text,
	       rw_view_seconds(required).text, rw_view_safe(rw_view_text(bake, "state")).text);
	if (rw_view_count(bake, "remaining_seconds") > 0)
		printf(", %s to go",
		       rw_view_seconds(rw_view_count(bake, "remaining_seconds")).text);
	printf("; step %llu of %llu\n", (unsigned long long)rw_view_count(bake, "step"),
	       (unsigned long long)rw_view_count(bake, "steps"));
}

static void print_hosts(const json_t *answer, bool colour)
{
	static const char *const states[] = {"online",  "suspect", "offline",
					     "planned", "absent",  "unknown"};
	const json_t *hosts = json_object_get(answer, "hosts");

	print_label("hosts", colour);
	printf("%llu enrolled", (unsigned long long)rw_view_count(hosts, "enrolled"));
	const char *separator = ": ";
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		uint64_t count = rw_view_count(hosts, states[i]);
		if (count == 0)
			continue;
		enum rw_style style = i == 2 ? RW_BAD : i == 1 ? RW_CAREFUL : RW_PLAIN;
		printf("%s%s%llu %s%s", separator, rw_style_on(style, colour),
		       (unsigned long long)count, states[i], rw_style_off(style, colour));
		separator = ", ";
	}
	printf("; %llu exposed", (unsigned long long)rw_view_count(hosts, "exposed"));
	if (rw_view_count(hosts, "unheard") > 0)
		printf(", %llu of them never heard",
		       (unsigned long long)rw_view_count(hosts, "unheard"));
	if (rw_view_count(hosts, "looping") > 0)
		printf(", %s%llu looping%s", rw_style_on(RW_BAD, colour),
		       (unsigned long long)rw_view_count(hosts, "looping"),
		       rw_style_off(RW_BAD, colour));
	putchar('\n');
}

static void print_failed(const json_t *answer, bool colour)
{
	const json_t *failed = json_object_get(answer, "failed");
	const json_t *coverage = json_object_get(answer, "coverage");
	uint64_t k = rw_view_count(failed, "count");
	enum rw_style style = k == 0 ? RW_PLAIN : RW_BAD;

	print_label("failed", colour);
	printf("%s%llu of %llu%s at risk = %s, limit %s", rw_style_on(style, colour),
	       (unsigned long long)k, (unsigned long long)rw_view_count(failed, "hosts"),
	       rw_style_off(style, colour), rw_view_share(rw_view_real(failed, "ratio")).text,
	       rw_view_share(rw_view_real(failed, "limit")).text);
	printf(" (%llu crashed, %llu offline", (unsigned long long)rw_view_count(failed, "crashed"),
	       (unsigned long long)rw_view_count(failed, "offline"));
	if (rw_view_count(failed, "module_failed") > 0)
		printf(", %llu with a module that does not load",
		       (unsigned long long)rw_view_count(failed, "module_failed"));
	if (rw_view_count(failed, "recovered") > 0)
		printf("; %llu came back", (unsigned long long)rw_view_count(failed, "recovered"));
	puts(")");
	print_label("coverage", colour);
	printf("%s of the exposed hosts are heard, at least %s wanted\n",
	       rw_view_share(rw_view_real(coverage, "ratio")).text,
	       rw_view_share(rw_view_real(coverage, "minimum")).text);
}

static void print_figures(const json_t *answer, bool colour)
{
	static const struct {
		const char *label;
		void (*print)(FILE *to, const json_t *answer);
	} figures[] = {
		{"bounds", rw_verdict_bounds},
		{"control", rw_verdict_control},
		{"noise", rw_verdict_noise},
	};

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		print_label(figures[i].label, colour);
		figures[i].print(stdout, answer);
		putchar('\n');
	}
}

static bool reports_unknown(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "reasons");
	const char *first = json_string_value(json_array_get(list, 0));

	return first != NULL && strncmp(first, "unknown_", strlen("unknown_")) == 0;
}

static void print_for_people(const json_t *answer, int status)
{
	bool colour = rw_style_wanted(stdout);

	print_head(answer, status, colour);
	print_reasons(answer, colour);
	/* Of what is not there, nothing else means anything. */
	if (reports_unknown(answer))
		return;
	print_breaker(answer, colour);
	print_failed(answer, colour);
	print_bake(answer, colour);
	print_hosts(answer, colour);
	print_figures(answer, colour);
	if (json_array_size(json_object_get(answer, "warnings")) > 0) {
		print_label("warnings", colour);
		printf("%s\n", rw_view_words(json_object_get(answer, "warnings")).text);
	}
	print_label("asked", colour);
	printf("%s\n", rw_view_time(rw_view_text(answer, "evaluated_at")).text);
}

/* ---- asking ---------------------------------------------------------------- */

int rw_verdict_status(const json_t *answer, const char *deployment, const char *ring,
		      const char *question)
{
	const char *verdict = rw_view_text(answer, "verdict");
	bool open =
		strcmp(rw_view_text(json_object_get(answer, "breaker"), "state"), "closed") != 0;

	/* An answer to another question is no answer. */
	if (strcmp(rw_view_text(answer, "deployment"), deployment) != 0 ||
	    strcmp(rw_view_text(answer, "ring"), ring) != 0 ||
	    strcmp(rw_view_text(answer, "for"), question == NULL ? "advance" : question) != 0)
		return RW_CTL_FAILED;
	/* Nor is one that contradicts itself. */
	if (strcmp(verdict, "proceed") == 0)
		return open || json_array_size(json_object_get(answer, "reasons")) > 0
			       ? RW_CTL_FAILED
			       : RW_CTL_DONE;
	if (strcmp(verdict, "abort") == 0)
		return RW_CTL_ABORT;
	return strcmp(verdict, "hold") == 0 ? RW_CTL_HOLD : RW_CTL_FAILED;
}

/* Asks once. `reply` is to be released; *can_retry: asking again may help. */
static int ask(struct rw_client *client, const struct rw_args *args, struct rw_reply *reply,
	       bool *can_retry, char error[RW_CLIENT_ERROR_BYTES])
{
	struct rw_path path = rw_path_of("/v1/verdict");

	rw_path_query(&path, "deployment", args->value[RW_OPT_DEPLOYMENT]);
	rw_path_query(&path, "ring", args->value[RW_OPT_RING]);
	rw_path_query(&path, "for", args->value[RW_OPT_FOR]);
	int err = rw_client_ask(client, path.text, NULL, reply, error);
	if (err != 0) {
		/* Gone, failing or asked too often for now; another refusal (4xx) stays one. */
		*can_retry = reply->status == 0 || reply->status >= 500 || reply->status == 429;
		return RW_CTL_FAILED;
	}
	*can_retry = false;
	int status = rw_verdict_status(reply->json, args->value[RW_OPT_DEPLOYMENT],
				       args->value[RW_OPT_RING], args->value[RW_OPT_FOR]);
	if (status == RW_CTL_FAILED)
		snprintf(error, RW_CLIENT_ERROR_BYTES, "the answer is no verdict on %s and %s",
			 args->value[RW_OPT_DEPLOYMENT], args->value[RW_OPT_RING]);
	return status;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec pause = {.tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000) * 1000000};

	/* An interrupted sleep is only a shorter one: the caller looks at the clock. */
	nanosleep(&pause, NULL);
}

/*
 * A collector that hangs holds nobody much longer than --timeout. The question
 * at its end has time for an answer, too: otherwise a hold would end as a
 * collector that cannot be reached.
 */
static void hurry(struct rw_client *client, uint64_t left_ms)
{
	uint64_t most_ms = left_ms < ANSWER_MS ? left_ms : ANSWER_MS;

	rw_client_hurry(client, most_ms > LAST_ANSWER_MS ? most_ms : LAST_ANSWER_MS);
}

static int ask_until_decided(struct rw_client *client, const struct rw_args *args,
			     struct rw_reply *reply, char error[RW_CLIENT_ERROR_BYTES])
{
	uint64_t timeout_ms = rw_args_duration_ms(args, RW_OPT_TIMEOUT, UINT64_MAX);
	uint64_t begin = rw_clock_boot_ms();
	struct rw_wait wait = rw_wait_begin(begin);
	uint64_t waited = 0;
	int status;

	for (;;) {
		bool can_retry;
		hurry(client, timeout_ms - waited);
		status = ask(client, args, reply, &can_retry, error);
		uint64_t now = rw_clock_boot_ms();
		waited = now - begin;
		bool goes_on = status == RW_CTL_HOLD ? !rw_wait_is_final(reply->json)
						     : status == RW_CTL_FAILED && can_retry;
		if (!goes_on || waited >= timeout_ms)
			break;
		if (status == RW_CTL_HOLD)
			rw_wait_hold(&wait, reply->json, now);
		else
			rw_wait_trouble(&wait, error, now);
		rw_reply_release(reply);
		sleep_ms(timeout_ms - waited < POLL_MS ? timeout_ms - waited : POLL_MS);
		waited = rw_clock_boot_ms() - begin;
		waited = waited < timeout_ms ? waited : timeout_ms;
	}
	rw_wait_end(&wait);
	return status;
}

int rw_verdict_run(const struct rw_args *args)
{
	char error[RW_CLIENT_ERROR_BYTES];
	struct rw_client *client;
	struct rw_reply reply = {0};
	bool can_retry;

	if (rw_args_has(args, RW_OPT_TIMEOUT) && !rw_args_has(args, RW_OPT_WAIT)) {
		rw_ctl_fail("--timeout: only with --wait");
		return RW_CTL_USAGE;
	}
	int err = rw_client_new(args, &client, error);
	if (err != 0)
		return rw_ctl_fail_client(err, error);
	int status = rw_args_has(args, RW_OPT_WAIT) ? ask_until_decided(client, args, &reply, error)
						    : ask(client, args, &reply, &can_retry, error);
	if (status == RW_CTL_FAILED)
		rw_ctl_fail("%s", error);
	else if (rw_args_wants_json(args))
		rw_reply_print(&reply);
	else
		print_for_people(reply.json, status);
	rw_reply_release(&reply);
	rw_client_free(client);
	return status;
}
