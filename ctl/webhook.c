/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks: who is told, what was told, and a dead letter tried again. */
#include <inttypes.h>
#include <string.h>

#include "ctl/act.h"
#include "ctl/commands.h"
#include "ctl/show.h"
#include "ctl/table.h"
#include "ctl/view.h"
#include "lib/name.h"

static bool finish(struct rw_listing *table, const char *none)
{
	bool printed = rw_listing_print(table, stdout, "", none);

	rw_listing_free(table);
	return printed;
}

static void add_count(struct rw_listing *table, const json_t *row, const char *key,
		      enum rw_style when_not_zero)
{
	char text[24];
	uint64_t count = rw_view_count(row, key);

	snprintf(text, sizeof(text), "%" PRIu64, count);
	rw_listing_add_styled(table, text, count == 0 ? RW_PLAIN : when_not_zero);
}

static void add_time(struct rw_listing *table, const json_t *row, const char *key)
{
	rw_listing_add(table, rw_view_time(rw_view_text(row, key)).text);
}

static bool print_webhooks(const json_t *answer)
{
	static const struct rw_column columns[] = {
		{"TARGET", false}, {"BODY", false},       {"HOST", false}, {"ON", false},
		{"RINGS", false},  {"PENDING", true},     {"DEAD", true},  {"DELIVERED", true},
		{"LAST", false},   {"LAST ERROR", false},
	};
	const json_t *rows = json_object_get(answer, "webhooks");
	struct rw_listing *table = rw_listing_new(columns, 10);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const json_t *rings = json_object_get(row, "only_rings");

		rw_listing_add_styled(table, rw_view_text(row, "target"), RW_BOLD);
		rw_listing_add(table, rw_view_text(row, "body"));
		rw_listing_add(table, rw_view_text(row, "host"));
		rw_listing_add(table, rw_view_words(json_object_get(row, "on")).text);
		rw_listing_add(table,
			       json_array_size(rings) == 0 ? "all" : rw_view_words(rings).text);
		add_count(table, row, "pending", RW_CAREFUL);
		add_count(table, row, "dead", RW_BAD);
		add_count(table, row, "delivered", RW_PLAIN);
		add_time(table, row, "last_delivered_at");
		rw_listing_add(table, rw_view_text(row, "last_error"));
	}
	return finish(table, "no webhook is configured");
}

int rw_webhooks_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/webhooks");

	return rw_show_answer(args, &path, print_webhooks);
}

static enum rw_style style_of(const char *state)
{
	if (strcmp(state, "delivered") == 0)
		return RW_GOOD;
	if (strcmp(state, "dead") == 0)
		return RW_BAD;
	return strcmp(state, "pending") == 0 ? RW_CAREFUL : RW_DIM;
}

static bool print_deliveries(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"AT", false},   {"DELIVERY", false}, {"TARGET", false}, {"TOLD", false},
		{"OF", false},   {"RING", false},     {"STATE", false},  {"TRIED", true},
		{"NEXT", false}, {"ERROR", false},
	};
	struct rw_listing *table = rw_listing_new(columns, 10);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = rw_view_text(row, "state");

		add_time(table, row, "created_at");
		rw_listing_add(table, rw_view_text(row, "delivery"));
		rw_listing_add_styled(table, rw_view_text(row, "target"), RW_BOLD);
		rw_listing_add(table, rw_view_text(row, "told"));
		rw_listing_add(table, rw_view_text(row, "deployment"));
		rw_listing_add(table, rw_view_text(row, "ring"));
		rw_listing_add_styled(table, state, style_of(state));
		add_count(table, row, "attempts", RW_PLAIN);
		add_time(table, row, "next_at");
		rw_listing_add(table, rw_view_text(row, "error"));
	}
	return finish(table, "nothing was told");
}

int rw_deliveries_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/webhooks/deliveries");

	rw_path_query(&path, "state", args->value[RW_OPT_TOLD_STATE]);
	rw_path_query(&path, "target", args->value[RW_OPT_TARGET]);
	return rw_show_pages(args, &path, "deliveries", print_deliveries);
}

static void say_retried(const struct rw_args *args, const struct rw_reply *reply)
{
	printf("%s is tried again: %s is told %s of %s in %s\n", args->operand,
	       rw_view_safe(rw_view_text(reply->json, "target")).text,
	       rw_view_safe(rw_view_text(reply->json, "told")).text,
	       rw_view_safe(rw_view_text(reply->json, "deployment")).text,
	       rw_view_safe(rw_view_text(reply->json, "ring")).text);
}

int rw_webhook_retry_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/webhooks/deliveries");

	if (!rw_name_is_valid(args->operand, strlen(args->operand))) {
		rw_ctl_fail("DELIVERY: '%s' is wrong, expected one that `ringwatch deliveries` "
			    "lists",
			    rw_view_safe(args->operand).text);
		return RW_CTL_USAGE;
	}
	rw_path_part(&path, args->operand);
	rw_path_part(&path, "retry");
	return rw_act(args, &path, json_object(), say_retried);
}
