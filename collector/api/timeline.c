/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/deployments/D/rings/R/timeline: the samples of a bake, thinned to about as many
 * points as are asked for. The first, the last, and each on which the verdict, the breaker
 * or the number of failed hosts changes stay: what a plot is looked at for is never
 * thinned away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/cleanup.h"

enum { POINTS_LEAST = 2, POINTS_DEFAULT = 120, POINTS_MAX = 1000 };

struct timeline {
	struct rw_sample_row *rows;
	size_t count, room;
};

static int keep(void *context, const struct rw_sample_row *row)
{
	struct timeline *timeline = context;

	if (timeline->count == timeline->room) {
		size_t room = timeline->room == 0 ? 256 : 2 * timeline->room;
		struct rw_sample_row *grown = realloc(timeline->rows, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		timeline->rows = grown;
		timeline->room = room;
	}
	timeline->rows[timeline->count++] = *row;
	return 0;
}

static bool is_turn(const struct rw_sample_row *before, const struct rw_sample_row *row)
{
	return before->decision != row->decision || before->breaker_open != row->breaker_open ||
	       before->failed != row->failed || before->step != row->step;
}

static json_t *render_point(const struct rw_sample_row *row)
{
	return json_pack("{s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "at",
			 rw_json_time(row->at_wall_ms), "step", (int)row->step, "exposed",
			 rw_json_count(row->exposed), "at_risk", rw_json_count(row->at_risk),
			 "failed", rw_json_count(row->failed), "unheard",
			 rw_json_count(row->unheard), "coverage", rw_json_ppm(row->coverage_ppm),
			 "observed_seconds", rw_json_count(row->observed_ms / 1000), "verdict",
			 rw_decision_name(row->decision), "breaker",
			 row->breaker_open ? "open" : "closed");
}

/* Turns come beyond `points`, POINTS_MAX of them. */
static json_t *thin(const struct timeline *timeline, size_t points)
{
	json_t *list = json_array();
	size_t turns = 0, count = timeline->count;

	for (size_t i = 0; i < count; i++) {
		const struct rw_sample_row *row = &timeline->rows[i];
		bool turn = i > 0 && is_turn(row - 1, row) && turns < POINTS_MAX;
		/* The i-th of `count` begins another of `points` - 1 equal parts. */
		bool part = i == 0 || i == count - 1 ||
			    i * (points - 1) / count != (i - 1) * (points - 1) / count;

		turns += turn && !part;
		if (turn || part)
			json_array_append_new(list, render_point(row));
	}
	return list;
}

struct run_ask {
	const char *deployment, *ring;
	bool knows_deployment, knows_ring;
	uint64_t started_wall_ms;
	struct rw_verdict verdict; /* large */
};

static void ask_run(struct rw_core *core, struct rw_now now, void *context)
{
	struct run_ask *ask = context;
	struct rw_deployment_row row;
	int at = rw_core_deployment_find(core, ask->deployment);

	ask->knows_deployment = at >= 0 && rw_core_deployment_at(core, (uint32_t)at, &row);
	for (uint32_t i = 0; ask->knows_deployment && i < row.ring_count; i++)
		ask->knows_ring = ask->knows_ring || strcmp(row.rings[i], ask->ring) == 0;
	if (!ask->knows_ring)
		return;
	rw_core_verdict(core, ask->deployment, ask->ring, RW_FOR_ADVANCE, now, &ask->verdict);
	ask->started_wall_ms = ask->verdict.started_wall_ms;
}

void rw_get_timeline(struct rw_request *request)
{
	rw_autofree struct run_ask *ask = calloc(1, sizeof(*ask));
	struct timeline timeline = {0};
	uint64_t points;

	if (!rw_number_param(request, "points", POINTS_LEAST, POINTS_MAX, POINTS_DEFAULT, &points))
		return;
	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	ask->deployment = request->args[0];
	ask->ring = request->args[1];
	if (!rw_ask_loop(request, ask_run, ask))
		return;
	if (!ask->knows_ring) {
		rw_fail(request, 404, ask->knows_deployment ? "unknown_ring" : "unknown_deployment",
			"no %s '%s'", ask->knows_deployment ? "ring" : "deployment",
			ask->knows_deployment ? ask->ring : ask->deployment);
		return;
	}
	struct rw_store_reader *reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	int err = rw_store_reader_samples(reader, ask->deployment, ask->ring, keep, &timeline);
	rw_api_give_reader(request->api, reader);
	if (err != 0)
		rw_fail(request, 503, "store_failed", "the store cannot be read: %s",
			strerror(-err));
	else
		rw_answer_tagged(request,
				 json_pack("{s:s, s:s, s:o, s:o}", "deployment", ask->deployment,
					   "ring", ask->ring, "started_at",
					   rw_json_time(ask->started_wall_ms), "points",
					   thin(&timeline, points)));
	free(timeline.rows);
}
