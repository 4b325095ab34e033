/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks as an operator sees them: how each target fares, what was told and what became of
 * it, and a dead letter tried again. No URL's path and no secret is ever in an answer.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "collector/webhook/webhooks.h"
#include "lib/cleanup.h"

/* ---- targets ------------------------------------------------------------------------- */

struct status_ask {
	struct rw_hub *hub;
	struct rw_webhook_status status;
};

static void ask_status(struct rw_core *core, struct rw_now now, void *context)
{
	struct status_ask *ask = context;

	(void)core;
	(void)now;
	rw_webhooks_status(rw_hub_webhooks(ask->hub), &ask->status);
}

static json_t *render_on(const struct rw_webhook_stats *target)
{
	json_t *list = json_array();

	if (target->on_verdict)
		json_array_append_new(list, json_string("verdict"));
	if (target->on_breaker)
		json_array_append_new(list, json_string("breaker"));
	return list;
}

static json_t *render_target(const struct rw_webhook_stats *target)
{
	json_t *rings = json_array();

	for (uint32_t i = 0; i < target->ring_count; i++)
		json_array_append_new(rings, json_string(target->rings[i]));
	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "target",
		target->target, "body", rw_webhook_body_name(target->body), "host", target->host,
		"on", render_on(target), "only_rings", rings, "pending",
		rw_json_count(target->pending), "dead", rw_json_count(target->dead), "delivered",
		rw_json_count(target->delivered), "failed_attempts", rw_json_count(target->failed),
		"died", rw_json_count(target->died), "last_delivered_at",
		rw_json_time(target->last_delivered_wall_ms), "last_error_at",
		rw_json_time(target->last_error_wall_ms), "last_error", target->last_error);
}

void rw_get_webhooks(struct rw_request *request)
{
	rw_autofree struct status_ask *ask = calloc(1, sizeof(*ask));
	json_t *list = json_array();

	if (ask == NULL || list == NULL) {
		json_decref(list);
		rw_answer(request, 500, NULL);
		return;
	}
	ask->hub = request->api->hub;
	if (!rw_ask_loop(request, ask_status, ask)) {
		json_decref(list);
		return;
	}
	for (uint32_t i = 0; i < ask->status.count; i++) {
		if (json_array_append_new(list, render_target(&ask->status.targets[i])) != 0) {
			json_decref(list);
			rw_answer(request, 500, NULL);
			return;
		}
	}
	rw_answer_tagged(request, json_pack("{s:o}", "webhooks", list));
}

/* ---- deliveries ---------------------------------------------------------------------- */

struct page {
	json_t *list;
	uint64_t limit, last_row_id;
	bool more;
};

/* The kind of a verdict names it: see collector/webhook/tell.c. */
static json_t *render_delivery(const struct rw_delivery_read *row)
{
	bool is_breaker = strcmp(row->kind, RW_DELIVERY_BREAKER) == 0;

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s}", "delivery",
		row->delivery, "target", row->target, "kind", is_breaker ? "breaker" : "verdict",
		"told", row->kind, "deployment", row->deployment, "ring", row->ring, "state",
		rw_delivery_state_name(row->state), "attempts", rw_json_count(row->attempts),
		"created_at", rw_json_time(row->created_wall_ms), "next_at",
		rw_json_time(row->state == RW_DELIVERY_PENDING ? row->next_wall_ms : 0), "ended_at",
		rw_json_time(row->state == RW_DELIVERY_PENDING ? 0 : row->ended_wall_ms), "error",
		row->error);
}

static int add_delivery(void *context, const struct rw_delivery_read *row)
{
	struct page *page = context;

	page->more = json_array_size(page->list) == page->limit;
	if (page->more)
		return 1;
	page->last_row_id = row->row_id;
	return json_array_append_new(page->list, render_delivery(row)) == 0 ? 0 : -ENOMEM;
}

static bool state_param(struct rw_request *request, enum rw_delivery_state *out)
{
	const char *text = rw_uri_value(&request->uri, "state");

	*out = 0;
	if (text == NULL || rw_delivery_state_parse(text, out))
		return true;
	rw_fail(request, 400, "bad_request", "state: expected pending, delivered, dead or skipped");
	return false;
}

void rw_get_deliveries(struct rw_request *request)
{
	struct rw_delivery_query query = {0};
	struct page page = {0};
	char cursor[24] = "";

	if (!state_param(request, &query.state) ||
	    !rw_name_param(request, "target", &query.target) ||
	    !rw_page_params(request, &page.limit, &query.cursor))
		return;
	query.limit = (uint32_t)page.limit + 1;
	struct rw_store_reader *reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	page.list = json_array();
	int err = rw_store_reader_deliveries(reader, &query, add_delivery, &page);
	rw_api_give_reader(request->api, reader);
	if (err < 0) {
		json_decref(page.list);
		rw_fail(request, 503, "unavailable", "the store cannot be read: %s",
			strerror(-err));
		return;
	}
	if (page.more)
		snprintf(cursor, sizeof(cursor), "%" PRIu64, page.last_row_id);
	rw_answer_tagged(request,
			 json_pack("{s:o, s:s}", "deliveries", page.list, "next_cursor", cursor));
}

/* ---- a dead letter again --------------------------------------------------------------- */

struct retry_ask {
	struct rw_hub *hub;
	const char *actor, *delivery;
	uint64_t sequence;
};

/* One delivery as JSON, and its state. */
struct found {
	json_t *json;
	enum rw_delivery_state state;
};

static int take_delivery(void *context, const struct rw_delivery_read *row)
{
	struct found *found = context;

	found->state = row->state;
	found->json = render_delivery(row);
	return 1;
}

static int find(struct rw_store_reader *reader, const char *delivery, struct found *out)
{
	const struct rw_delivery_query query = {.delivery = delivery, .limit = 1};

	*out = (struct found){0};
	return rw_store_reader_deliveries(reader, &query, take_delivery, out);
}

static void run_retry(struct rw_core *core, struct rw_now now, void *context)
{
	struct retry_ask *ask = context;
	struct rw_webhooks *webhooks = rw_hub_webhooks(ask->hub);
	char subject[RW_CORE_NAME_BYTES + 16];
	const struct rw_audit_row row = {
		.at_wall_ms = now.wall_ms,
		.actor = ask->actor,
		.action = "webhook_retry",
		.subject = subject,
		.detail = "",
	};

	(void)core;
	snprintf(subject, sizeof(subject), "delivery=%s", ask->delivery);
	if (webhooks != NULL && rw_webhooks_retry(webhooks, ask->delivery, now.wall_ms) != 0)
		ask->sequence = rw_hub_audit(ask->hub, &row);
}

/* Whether it may be tried again. False after answering. */
static bool check_retry(struct rw_request *request, struct rw_store_reader *reader)
{
	const char *delivery = request->args[0];
	struct found found;
	bool overtaken = false;
	int err = find(reader, delivery, &found);
	bool known = found.json != NULL;

	json_decref(found.json);
	if (err >= 0 && known)
		err = rw_store_reader_delivery_overtaken(reader, delivery, &overtaken);
	if (err < 0)
		rw_fail(request, 503, "unavailable", "the store cannot be read: %s",
			strerror(-err));
	else if (!known)
		rw_fail(request, 404, "unknown_delivery", "no delivery '%s'", delivery);
	else if (found.state != RW_DELIVERY_DEAD)
		rw_fail(request, 409, "conflict", "it is %s: only a dead one is tried again",
			rw_delivery_state_name(found.state));
	else if (overtaken)
		rw_fail(request, 409, "conflict",
			"a later verdict of the same deployment and ring was told since");
	return request->status == 0;
}

static void answer_retry(struct rw_request *request, struct rw_store_reader *reader)
{
	struct retry_ask ask = {
		.hub = request->api->hub, .actor = request->actor, .delivery = request->args[0]};
	struct found found;

	if (!check_retry(request, reader) || !rw_ask_loop(request, run_retry, &ask))
		return;
	int err = ask.sequence == 0 ? -EIO : rw_hub_wait_committed(ask.hub, ask.sequence);
	if (err != 0)
		rw_fail(request, 503, "store_failed", "it is not on disk (%s): ask again",
			strerror(-err));
	else if (find(reader, request->args[0], &found) < 0 || found.json == NULL)
		rw_fail(request, 503, "unavailable", "the store cannot be read");
	else
		rw_answer(request, 200, found.json);
}

void rw_post_retry(struct rw_request *request)
{
	struct rw_store_reader *reader = rw_api_take_reader(request);

	if (reader == NULL)
		return;
	answer_retry(request, reader);
	rw_api_give_reader(request->api, reader);
}
