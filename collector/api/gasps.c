/* SPDX-License-Identifier: Apache-2.0 */
/* The last words of dying kernels, as the netconsole listener heard them. */
#include "collector/api/internal.h"

#include <stdlib.h>

#include "collector/ingest/gasps.h"
#include "lib/cleanup.h"

struct gasps_ask {
	struct rw_hub *hub;
	uint32_t count;
	struct rw_gasp_stats stats;
	struct rw_gasp gasps[RW_GASPS_KEPT];
};

static void ask_gasps(struct rw_core *core, struct rw_now now, void *context)
{
	struct gasps_ask *ask = context;

	(void)core;
	(void)now;
	ask->count = rw_gasps_copy(rw_hub_gasps(ask->hub), ask->gasps);
	ask->stats = *rw_gasps_stats(rw_hub_gasps(ask->hub));
}

static json_t *render_gasp(const struct rw_gasp *gasp)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:b, s:b, s:s, s:s, s:I}", "at",
			 rw_json_time(gasp->received_wall_ms), "last_at",
			 rw_json_time(gasp->last_wall_ms), "source", gasp->source, "host",
			 gasp->host, "verified", gasp->verified, "forged", gasp->forged, "kind",
			 gasp->kind, "text", gasp->text, "count", (json_int_t)gasp->count);
}

void rw_get_gasps(struct rw_request *request)
{
	rw_autofree struct gasps_ask *ask = calloc(1, sizeof(*ask));
	json_t *list = json_array();

	if (ask == NULL || list == NULL) {
		json_decref(list);
		rw_answer(request, 500, NULL);
		return;
	}
	ask->hub = request->api->hub;
	if (!rw_ask_loop(request, ask_gasps, ask)) {
		json_decref(list);
		return;
	}
	for (uint32_t i = 0; i < ask->count; i++) {
		if (json_array_append_new(list, render_gasp(&ask->gasps[i])) != 0) {
			json_decref(list);
			rw_answer(request, 500, NULL);
			return;
		}
	}
	rw_answer_tagged(request, json_pack("{s:b, s:o, s:o, s:o}", "listening",
					    ask->stats.listening, "hosts_armed",
					    rw_json_count(ask->stats.hosts_armed), "hosts_proved",
					    rw_json_count(ask->stats.hosts_proved), "gasps", list));
}
