/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics in Prometheus' text format 0.0.4, and the two health paths. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/api/series.h"
#include "lib/cleanup.h"
#include "lib/version.h"

static void write_family(void *context, const char *name, const char *type, const char *help)
{
	fprintf(context, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_sample(void *context, const struct rw_sample *sample)
{
	FILE *out = context;

	fputs(sample->name, out);
	for (size_t i = 0; i < sample->label_count; i++)
		fprintf(out, "%s%s=\"%s\"", i == 0 ? "{" : ",", sample->labels[i].name,
			sample->labels[i].value);
	if (sample->label_count > 0)
		fputc('}', out);
	if (sample->is_whole)
		fprintf(out, " %" PRIu64 "\n", sample->whole);
	else
		fprintf(out, " %.17g\n", sample->value);
}

static void answer_metrics(struct rw_request *request, const struct rw_snapshot *snapshot)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	rw_series_list(snapshot, &(struct rw_series_sink){out, write_family, write_sample});
	bool whole = ferror(out) == 0;
	if (fclose(out) == 0 && whole) {
		rw_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text,
			       length);
		return;
	}
	free(text);
	rw_answer(request, 500, NULL);
}

void rw_get_metrics(struct rw_request *request)
{
	struct rw_snapshot *snapshot = rw_snapshot_take(request);

	if (snapshot != NULL)
		answer_metrics(request, snapshot);
	rw_snapshot_free(snapshot);
}

/* ---- health ------------------------------------------------------------------------------ */

void rw_get_healthz(struct rw_request *request)
{
	rw_autofree struct rw_snapshot *ask = calloc(1, sizeof(*ask));

	if (ask == NULL)
		rw_answer(request, 500, NULL);
	else if (rw_snapshot_take_health(request, ask))
		rw_answer(request, 200, json_pack("{s:s}", "status", "ok"));
}

/* Beside the error's shape also what the 200 says, so that one reader does for both. */
static void answer_not_ready(struct rw_request *request, const char *reason)
{
	rw_answer(request, 503,
		  json_pack("{s:s, s:s, s:{s:s, s:s}}", "status", "not_ready", "reason", reason,
			    "error", "code", "unavailable", "message",
			    "the collector is not ready: verdicts hold"));
}

void rw_get_readyz(struct rw_request *request)
{
	rw_autofree struct rw_snapshot *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
	} else if (rw_snapshot_take_health(request, ask)) {
		if (ask->stats.store_failed)
			answer_not_ready(request, "store_failed");
		else if (ask->blind)
			answer_not_ready(request, ask->blind_reason);
		else if (!ask->stats.ready)
			answer_not_ready(request, "listening");
		else
			rw_answer(request, 200, json_pack("{s:s}", "status", "ready"));
	}
}

void rw_get_root(struct rw_request *request)
{
	rw_answer(request, 200,
		  json_pack("{s:s, s:s, s:s, s:[s,s,s,s,s,s,s,s,s,s,s,s,s]}", "service",
			    "ringwatch-collector", "collector", request->api->name, "version",
			    RW_VERSION, "paths", "/v1/verdict", "/v1/rings", "/v1/hosts",
			    "/v1/events", "/v1/signatures", "/v1/gasps", "/v1/deployments",
			    "/v1/audit", "/v1/webhooks", "/v1/openapi.json", "/metrics", "/healthz",
			    "/readyz"));
}
