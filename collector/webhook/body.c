/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/webhook/body.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/text.h"

enum {
	CHAT_EVIDENCE = 3, /* lines of it in a chat */
	CHAT_TEXT_BYTES = 4096,
	LINE_BYTES = 512,
	SUMMARY_BYTES = 1024, /* PagerDuty's limit */
	DEDUP_BYTES = 256,
};

bool rw_webhook_is_drill(const struct rw_verdict *verdict)
{
	bool drill = false;

	for (uint32_t i = 0; i < verdict->reason_count; i++)
		drill |= verdict->reasons[i] == RW_REASON_DRILL;
	return verdict->decision == RW_ABORT && !verdict->breaker_open && drill;
}

static json_t *or_null(const char *text)
{
	return text[0] == '\0' ? json_null() : json_string(text);
}

/* What is told, in ringwatch's own words. */
static json_t *render_generic(const struct rw_webhook_news *news)
{
	const struct rw_verdict *v = news->verdict;

	return json_pack("{s:i, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:o, s:b, s:o}", "schema", 1,
			 "id", news->id, "kind", news->is_breaker ? "breaker" : "verdict",
			 "collector", news->collector, "at", rw_json_time(v->evaluated_wall_ms),
			 "deployment", v->deployment, "ring", v->ring, "verdict",
			 rw_decision_name(v->decision), "previous", or_null(news->previous),
			 "drill", rw_webhook_is_drill(v), "detail", rw_render_verdict(v));
}

/* ---- chat ---------------------------------------------------------------------------- */

/* A word joiner behind an @ keeps it from being a mention; nobody sees it. */
static const char *chat_form(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '@':
		return "@\xe2\x81\xa0";
	case '`':
		return "'";
	default:
		return NULL;
	}
}

void rw_webhook_chat_escape(char *out, size_t size, const char *text)
{
	char plain[4 * RW_CORE_TEXT_BYTES + 1];
	size_t used = 0;

	rw_text_escape(plain, sizeof(plain), text, strlen(text));
	for (const char *c = plain; *c != '\0';) {
		const char *form = chat_form(*c);
		size_t taken = form != NULL ? 1 : rw_utf8_length(c, strlen(c));
		const char *put = form != NULL ? form : c;
		size_t length = form != NULL ? strlen(form) : taken;

		if (taken == 0 || used + length >= size)
			break;
		memcpy(out + used, put, length);
		used += length;
		c += taken;
	}
	out[used] = '\0';
}

/* Between backticks nothing is markup but a backtick, which there is none of. */
static void add_evidence(char *out, size_t size, const struct rw_verdict *v)
{
	size_t used = strlen(out);

	for (uint32_t i = 0; i < v->evidence_count && i < CHAT_EVIDENCE && used < size; i++) {
		char host[LINE_BYTES], kind[LINE_BYTES], signature[LINE_BYTES];

		rw_webhook_chat_escape(host, sizeof(host), v->evidence[i].host);
		rw_webhook_chat_escape(kind, sizeof(kind), v->evidence[i].kind);
		rw_webhook_chat_escape(signature, sizeof(signature), v->evidence[i].signature);
		used += (size_t)snprintf(out + used, size - used, "\n• `%s` %s%s%s%s", host, kind,
					 signature[0] == '\0' ? "" : " `", signature,
					 signature[0] == '\0' ? "" : "`");
	}
	if (v->evidence_count > CHAT_EVIDENCE && used < size)
		snprintf(out + used, size - used, "\n• and %u more",
			 (unsigned)(v->evidence_count - CHAT_EVIDENCE));
}

/* "abort: deployment d in ring r: …", marked when it was staged. */
static void write_line(const struct rw_webhook_news *news, char *out, size_t size)
{
	char line[RW_VERDICT_LINE_BYTES];

	rw_verdict_line(news->verdict, line, sizeof(line));
	snprintf(out, size, "%s%s%s", rw_webhook_is_drill(news->verdict) ? "[DRILL] " : "",
		 news->is_breaker ? "breaker opened: " : "", line);
}

static json_t *render_slack(const struct rw_webhook_news *news)
{
	static const char *const marks[] = {
		[RW_PROCEED] = ":large_green_circle:",
		[RW_HOLD] = ":large_yellow_circle:",
		[RW_ABORT] = ":red_circle:",
	};
	char text[CHAT_TEXT_BYTES], line[LINE_BYTES + 64], shown[2 * LINE_BYTES];

	write_line(news, line, sizeof(line));
	rw_webhook_chat_escape(shown, sizeof(shown), line);
	snprintf(text, sizeof(text), "%s %s%s%s%s", marks[news->verdict->decision], shown,
		 news->previous[0] == '\0' ? "" : " (was ", news->previous,
		 news->previous[0] == '\0' ? "" : ")");
	add_evidence(text, sizeof(text), news->verdict);
	return json_pack("{s:s}", "text", text);
}

/* ---- PagerDuty, Events API v2 ----------------------------------------------------------- */

/* One incident for a deployment in a ring: what triggers it is what resolves it. */
static json_t *dedup_key(const struct rw_webhook_news *news)
{
	char key[DEDUP_BYTES];

	snprintf(key, sizeof(key), "ringwatch/%s/%s/%s", news->collector, news->verdict->deployment,
		 news->verdict->ring);
	return json_string(key);
}

static json_t *render_pagerduty(const struct rw_webhook_news *news)
{
	const struct rw_verdict *v = news->verdict;
	bool triggers = v->decision == RW_ABORT && !news->has_ended;
	bool drill = rw_webhook_is_drill(v);
	char summary[SUMMARY_BYTES];

	write_line(news, summary, sizeof(summary));
	json_t *event =
		json_pack("{s:s, s:o, s:s}", "event_action", triggers ? "trigger" : "resolve",
			  "dedup_key", dedup_key(news), "client", "ringwatch");
	json_t *payload = json_pack(
		"{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:o}", "summary", summary, "source",
		news->collector, "severity", drill || !triggers ? "info" : "critical", "timestamp",
		rw_json_time(v->evaluated_wall_ms), "component", v->deployment, "group", v->ring,
		"class", drill ? "drill" : rw_rule_name(v->rule), "custom_details",
		render_generic(news));

	if (event == NULL || payload == NULL ||
	    json_object_set_new(event, "payload", payload) != 0) {
		json_decref(event);
		return NULL;
	}
	return event;
}

/* ---- which ------------------------------------------------------------------------------ */

char *rw_webhook_render(enum rw_webhook_body body, const struct rw_webhook_news *news)
{
	json_t *json = NULL;

	switch (body) {
	case RW_WEBHOOK_GENERIC:
		json = render_generic(news);
		break;
	case RW_WEBHOOK_SLACK:
		json = render_slack(news);
		break;
	case RW_WEBHOOK_PAGERDUTY:
		json = render_pagerduty(news);
		break;
	case RW_WEBHOOK_HAWKBIT:
		return strdup("");
	}
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

char *rw_webhook_complete(const struct rw_webhook_target *target, const char *body)
{
	if (target->routing_key[0] == '\0')
		return strdup(body);
	json_t *json = json_loads(body, 0, NULL);
	char *text = NULL;

	if (json_object_set_new(json, "routing_key", json_string(target->routing_key)) == 0)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}
