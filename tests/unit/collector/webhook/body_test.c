/* SPDX-License-Identifier: Apache-2.0 */
/* Each body field by field, and that strangers' words are never markup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "collector/webhook/body.h"

static struct rw_verdict verdict;

static struct rw_webhook_news news_of(enum rw_decision decision)
{
	memset(&verdict, 0, sizeof(verdict));
	snprintf(verdict.deployment, sizeof(verdict.deployment), "acme-2");
	snprintf(verdict.ring, sizeof(verdict.ring), "canary");
	verdict.decision = decision;
	verdict.evaluated_wall_ms = 1721361540000;
	if (decision == RW_ABORT) {
		verdict.breaker_open = true;
		verdict.rule = RW_RULE_CRASHED;
		verdict.failed = 1;
		verdict.at_risk = 6;
		snprintf(verdict.open_ring, sizeof(verdict.open_ring), "canary");
	} else {
		verdict.reason_count = 1;
		verdict.reasons[0] = RW_REASON_BAKE_INCOMPLETE;
	}
	return (struct rw_webhook_news){
		.id = "id1", .collector = "c1", .previous = "hold", .verdict = &verdict};
}

static json_t *render(enum rw_webhook_body body, const struct rw_webhook_news *news)
{
	char *text = rw_webhook_render(body, news);
	json_t *json = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	free(text);
	assert_non_null(json);
	return json;
}

static const char *text_at(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	if (text == NULL)
		fail_msg("no text %s", key);
	return text;
}

static void add_evidence(const char *host, const char *signature)
{
	struct rw_evidence_row *e = &verdict.evidence[verdict.evidence_count++];

	snprintf(e->host, sizeof(e->host), "%s", host);
	snprintf(e->kind, sizeof(e->kind), "oops");
	snprintf(e->signature, sizeof(e->signature), "%s", signature);
}

static void the_generic_body_says_it_all(void **state)
{
	struct rw_webhook_news news = news_of(RW_ABORT);
	json_t *json = render(RW_WEBHOOK_GENERIC, &news);

	(void)state;
	assert_int_equal(json_object_size(json), 11);
	assert_int_equal(json_integer_value(json_object_get(json, "schema")), 1);
	assert_string_equal(text_at(json, "id"), "id1");
	assert_string_equal(text_at(json, "kind"), "verdict");
	assert_string_equal(text_at(json, "collector"), "c1");
	assert_string_equal(text_at(json, "at"), "2024-07-19T03:59:00.000Z");
	assert_string_equal(text_at(json, "deployment"), "acme-2");
	assert_string_equal(text_at(json, "ring"), "canary");
	assert_string_equal(text_at(json, "verdict"), "abort");
	assert_string_equal(text_at(json, "previous"), "hold");
	assert_true(json_is_false(json_object_get(json, "drill")));
	assert_string_equal(text_at(json_object_get(json, "detail"), "verdict"), "abort");
	json_decref(json);

	news.is_breaker = true;
	news.previous = "";
	json = render(RW_WEBHOOK_GENERIC, &news);
	assert_string_equal(text_at(json, "kind"), "breaker");
	assert_true(json_is_null(json_object_get(json, "previous")));
	json_decref(json);
}

static void chat_shows_the_words_of_strangers_as_they_are(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"plain", "plain"},
		{"<!channel> & <https://x|y>", "&lt;!channel&gt; &amp; &lt;https://x|y&gt;"},
		{"@here", "@\xe2\x81\xa0here"},
		{"a`b", "a'b"},
		{"a\nb\x1b[1m", "a\\x0ab\\x1b[1m"},
		{"\xe2\x80\xae", "\\xe2\\x80\\xae"}, /* would turn the line around */
		{"\xff", "\\xff"},
		{"é", "é"},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rw_webhook_chat_escape(out, sizeof(out), cases[i].text);
		assert_string_equal(out, cases[i].shown);
	}
	/* Nothing is cut in two. */
	rw_webhook_chat_escape(out, 5, "abc<");
	assert_string_equal(out, "abc");
	rw_webhook_chat_escape(out, 5, "abcé");
	assert_string_equal(out, "abc");
}

static void chat_gets_one_line_and_some_evidence(void **state)
{
	struct rw_webhook_news news = news_of(RW_ABORT);

	(void)state;
	add_evidence("host-17", "oops:`<!here>`");
	add_evidence("host-18", "");
	add_evidence("host-19", "x");
	add_evidence("host-20", "x");
	add_evidence("host-21", "x");
	json_t *json = render(RW_WEBHOOK_SLACK, &news);
	assert_int_equal(json_object_size(json), 1);
	assert_string_equal(text_at(json, "text"), ":red_circle: abort: deployment acme-2 in ring "
						   "canary: the breaker of ring canary is "
						   "open, 1 of 6 hosts failed (was hold)\n"
						   "• `host-17` oops `oops:'&lt;!here&gt;'`\n"
						   "• `host-18` oops\n"
						   "• `host-19` oops `x`\n"
						   "• and 2 more");
	json_decref(json);

	news = news_of(RW_PROCEED);
	news.previous = "";
	verdict.reason_count = 0;
	json = render(RW_WEBHOOK_SLACK, &news);
	assert_string_equal(text_at(json, "text"),
			    ":large_green_circle: proceed: deployment acme-2 in ring canary");
	json_decref(json);
}

static void an_abort_triggers_an_incident_and_its_end_resolves_it(void **state)
{
	struct rw_webhook_news news = news_of(RW_ABORT);
	json_t *json = render(RW_WEBHOOK_PAGERDUTY, &news);
	const json_t *payload = json_object_get(json, "payload");

	(void)state;
	assert_int_equal(json_object_size(json), 4);
	assert_string_equal(text_at(json, "event_action"), "trigger");
	assert_string_equal(text_at(json, "dedup_key"), "ringwatch/c1/acme-2/canary");
	assert_string_equal(text_at(json, "client"), "ringwatch");
	assert_int_equal(json_object_size(payload), 8);
	assert_string_equal(text_at(payload, "source"), "c1");
	assert_string_equal(text_at(payload, "severity"), "critical");
	assert_string_equal(text_at(payload, "timestamp"), "2024-07-19T03:59:00.000Z");
	assert_string_equal(text_at(payload, "component"), "acme-2");
	assert_string_equal(text_at(payload, "group"), "canary");
	assert_string_equal(text_at(payload, "class"), "crashed");
	assert_string_equal(text_at(json_object_get(payload, "custom_details"), "id"), "id1");
	json_decref(json);

	news.has_ended = true; /* the breaker is still open */
	json = render(RW_WEBHOOK_PAGERDUTY, &news);
	assert_string_equal(text_at(json, "event_action"), "resolve");
	json_decref(json);
	news = news_of(RW_HOLD);
	json = render(RW_WEBHOOK_PAGERDUTY, &news);
	assert_string_equal(text_at(json, "event_action"), "resolve");
	assert_string_equal(text_at(json, "dedup_key"), "ringwatch/c1/acme-2/canary");
	assert_string_equal(text_at(json_object_get(json, "payload"), "severity"), "info");
	json_decref(json);
}

static void the_routing_key_is_put_in_at_last(void **state)
{
	static struct rw_webhook_target target;
	struct rw_webhook_news news = news_of(RW_ABORT);
	char *stored = rw_webhook_render(RW_WEBHOOK_PAGERDUTY, &news);

	(void)state;
	assert_non_null(stored);
	char *sent = rw_webhook_complete(&target, stored);
	assert_string_equal(sent, stored);
	free(sent);
	snprintf(target.routing_key, sizeof(target.routing_key), "K\"1");
	sent = rw_webhook_complete(&target, stored);
	json_t *json = json_loads(sent, 0, NULL);
	assert_string_equal(text_at(json, "routing_key"), "K\"1");
	assert_string_equal(text_at(json, "event_action"), "trigger");
	json_decref(json);
	free(sent);
	assert_null(rw_webhook_complete(&target, "no JSON"));
	free(stored);
}

static void hawkbit_takes_no_body(void **state)
{
	struct rw_webhook_news news = news_of(RW_ABORT);
	char *text = rw_webhook_render(RW_WEBHOOK_HAWKBIT, &news);

	(void)state;
	assert_string_equal(text, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_generic_body_says_it_all),
		cmocka_unit_test(chat_shows_the_words_of_strangers_as_they_are),
		cmocka_unit_test(chat_gets_one_line_and_some_evidence),
		cmocka_unit_test(an_abort_triggers_an_incident_and_its_end_resolves_it),
		cmocka_unit_test(the_routing_key_is_put_in_at_last),
		cmocka_unit_test(hawkbit_takes_no_body),
	};

	return cmocka_run_group_tests_name("webhook_body", tests, NULL, NULL);
}
