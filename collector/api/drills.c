/* SPDX-License-Identifier: Apache-2.0 */
/* Drills: one is begun, and what became of those that were. */
#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/name.h"

static const char *state_of(const struct rw_drill_row *row)
{
	if (row->ended_wall_ms != 0)
		return row->proved_wall_ms != 0 ? "cleared" : "failed";
	return row->proved_wall_ms != 0 ? "proved" : "asked";
}

static json_t *render_drill(const struct rw_drill_row *row)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "drill", row->drill,
			 "deployment", row->deployment, "ring", row->ring, "host", row->host,
			 "actor", row->actor, "state", state_of(row), "started_at",
			 rw_json_time(row->started_wall_ms), "proved_at",
			 rw_json_time(row->proved_wall_ms), "ended_at",
			 rw_json_time(row->ended_wall_ms), "detail", row->detail);
}

/* ---- one more -------------------------------------------------------------------------- */

struct begin_ask {
	struct rw_hub *hub;
	struct rw_drill_ask drill;
	struct rw_drill_answer answer;
	uint64_t sequence;
	bool knows_deployment, knows_ring;
	int status;
};

static void begin(struct rw_core *core, struct rw_now now, void *context)
{
	struct begin_ask *ask = context;
	struct rw_deployment_row row;
	int at = rw_core_deployment_find(core, ask->drill.deployment);

	(void)now;
	ask->knows_deployment = at >= 0 && rw_core_deployment_at(core, (uint32_t)at, &row);
	for (uint32_t i = 0; ask->knows_deployment && i < row.ring_count; i++)
		ask->knows_ring = ask->knows_ring || strcmp(row.rings[i], ask->drill.ring) == 0;
	ask->status = rw_hub_drill(ask->hub, &ask->drill, &ask->answer, &ask->sequence);
}

static void fail_begin(struct rw_request *request, const struct begin_ask *ask)
{
	const char *message = ask->answer.message;

	if (ask->status == -ENOENT)
		rw_fail(request, 404,
			!ask->knows_deployment ? "unknown_deployment"
			: !ask->knows_ring     ? "unknown_ring"
					       : "unknown_host",
			"%s", message);
	else
		rw_fail(request, 409, ask->status == -EBUSY ? "conflict" : "not_ready", "%s",
			message);
}

void rw_post_drill(struct rw_request *request)
{
	const json_t *host = json_object_get(request->body, "host");
	json_int_t seconds = json_integer_value(json_object_get(request->body, "seconds"));
	struct begin_ask ask = {
		.hub = request->api->hub,
		.drill = {.deployment = request->args[0],
			  .ring = request->args[1],
			  .host = json_string_value(host),
			  .actor = request->actor,
			  .hold_ms = (uint64_t)seconds * 1000},
	};

	if (json_string_length(host) > 0 &&
	    !rw_name_is_valid(ask.drill.host, json_string_length(host))) {
		rw_fail(request, 400, "bad_request",
			"host: expected " RW_NAME_EXPECTED ", or nothing for any");
		return;
	}
	if (seconds < RW_DRILL_HOLD_LEAST_S || seconds > RW_DRILL_HOLD_MOST_S) {
		rw_fail(request, 400, "bad_request", "seconds: expected %d to %d",
			RW_DRILL_HOLD_LEAST_S, RW_DRILL_HOLD_MOST_S);
		return;
	}
	if (RAND_bytes(ask.drill.name, sizeof(ask.drill.name)) != 1) {
		rw_fail(request, 503, "unavailable", "no random numbers");
		return;
	}
	if (!rw_ask_loop(request, begin, &ask))
		return;
	if (ask.status != 0) {
		fail_begin(request, &ask);
		return;
	}
	int err = ask.sequence == 0 ? -EIO : rw_hub_wait_committed(ask.hub, ask.sequence);
	if (err != 0)
		rw_fail(request, 503, "store_failed", "it has begun, but is not on disk (%s)",
			strerror(-err));
	else
		rw_answer(request, 201, render_drill(&ask.answer.row));
}

/* ---- those that were --------------------------------------------------------------------- */

static int add_drill(void *context, uint64_t row_id, const struct rw_drill_row *row)
{
	struct rw_rows *page = context;

	if (!rw_page_takes(page, row_id))
		return 1;
	return json_array_append_new(page->list, render_drill(row)) == 0 ? 0 : -ENOMEM;
}

void rw_get_drills(struct rw_request *request)
{
	struct rw_drill_query query = {0};
	uint64_t limit;

	if (!rw_name_param(request, "ring", &query.ring) ||
	    !rw_page_params(request, &limit, &query.cursor))
		return;
	query.limit = (uint32_t)limit + 1;
	struct rw_store_reader *reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	struct rw_rows page = {.list = json_array(), .limit = limit};
	int err = rw_store_reader_drills(reader, &query, add_drill, &page);
	rw_api_give_reader(request->api, reader);
	rw_answer_page(request, "drills", &page, err);
}

static int take_drill(void *context, uint64_t row_id, const struct rw_drill_row *row)
{
	json_t **out = context;

	(void)row_id;
	*out = render_drill(row);
	return *out == NULL ? -ENOMEM : 1;
}

void rw_get_drill(struct rw_request *request)
{
	const struct rw_drill_query query = {.drill = request->args[0], .limit = 1};
	struct rw_store_reader *reader = rw_api_take_reader(request);
	json_t *found = NULL;

	if (reader == NULL)
		return;
	int err = rw_store_reader_drills(reader, &query, take_drill, &found);
	rw_api_give_reader(request->api, reader);
	if (found != NULL)
		rw_answer(request, 200, found);
	else if (err < 0)
		rw_fail(request, 503, "unavailable", "the store cannot be read: %s",
			strerror(-err));
	else
		rw_fail(request, 404, "unknown_drill", "no drill '%s'", request->args[0]);
}
