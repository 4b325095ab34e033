/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/query: Prometheus' instant query, for controllers that ask a Prometheus and have
 * none. The series are those of /metrics, and ALERTS, as deploy/prometheus/alerts.yaml
 * would raise them, but without waiting:
 *
 *   RingwatchBreakerOpen  {deployment, ring}
 *   RingwatchBlind        {reason}
 *   RingwatchStoreFailed
 *   RingwatchHold_RING    {ring, reason}: no further host of the ring may be exposed now.
 *                         The ring is in the alert's name, because kured selects by that.
 *
 * What has no sample is an empty vector. A series that the collector does not have is an
 * error: an empty answer to a misspelt name would look like good news.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/fleetlock.h"
#include "collector/api/promql.h"
#include "collector/api/series.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

enum { TIME_SLACK_MS = 5 * 60 * 1000 };

struct query {
	struct rw_promql promql;
	double at; /* Unix time of the answer */
	bool known;
	json_t *result;
};

/* ---- the answer ---------------------------------------------------------------------- */

/* As short as it can be read back from. */
static json_t *number_text(double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) < value || strtod(text, NULL) > value)
		snprintf(text, sizeof(text), "%.17g", value);
	return json_string(text);
}

static void add_sample(void *context, const struct rw_sample *sample)
{
	struct query *query = context;

	if (strcmp(sample->name, query->promql.series) != 0)
		return;
	query->known = true;
	if (!rw_promql_matches(&query->promql, sample->labels, sample->label_count))
		return;
	json_t *metric = json_pack("{s:s}", "__name__", sample->name);
	for (size_t i = 0; i < sample->label_count; i++)
		json_object_set_new(metric, sample->labels[i].name,
				    json_string(sample->labels[i].value));
	json_t *value = sample->is_whole ? json_sprintf("%" PRIu64, sample->whole)
					 : number_text(sample->value);
	json_array_append_new(query->result, json_pack("{s:o, s:[f,o]}", "metric", metric, "value",
						       query->at, value));
}

static void see_family(void *context, const char *name, const char *type, const char *help)
{
	struct query *query = context;

	(void)type;
	(void)help;
	query->known = query->known || strcmp(name, query->promql.series) == 0;
}

static void answer(struct rw_request *request, struct query *query)
{
	rw_answer(request, 200,
		  json_pack("{s:s, s:{s:s, s:O}}", "status", "success", "data", "resultType",
			    "vector", "result", query->result));
}

/* ---- alerts --------------------------------------------------------------------------- */

static void alert(struct query *query, const char *name, const char *severity,
		  const struct rw_label *labels, size_t count)
{
	struct rw_label all[8] = {
		{"alertname", name}, {"alertstate", "firing"}, {"severity", severity}};
	const struct rw_sample sample = {.name = "ALERTS",
					 .labels = all,
					 .label_count = 3 + count,
					 .is_whole = true,
					 .whole = 1,
					 .value = 1};

	if (count > 0)
		memcpy(&all[3], labels, count * sizeof(*labels));
	add_sample(query, &sample);
}

static void alert_breakers(struct query *query, const struct rw_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->deployments.count; i++) {
		const struct rw_deployment_view *view = &snapshot->deployments.views[i];

		for (uint32_t k = 0; k < view->row.ring_count; k++) {
			if (view->runs[k].breaker_open)
				alert(query, "RingwatchBreakerOpen", "critical",
				      (struct rw_label[]){{"deployment", view->row.id},
							  {"ring", view->runs[k].ring}},
				      2);
		}
	}
}

struct hold_ask {
	const char *ring;
	struct rw_enter enter;
	struct rw_verdict scratch;
};

static void ask_hold(struct rw_core *core, struct rw_now now, void *context)
{
	struct hold_ask *ask = context;

	rw_may_enter(core, ask->ring, false, now, &ask->scratch, &ask->enter);
}

static bool alert_holds(struct rw_request *request, struct query *query,
			const struct rw_snapshot *snapshot)
{
	rw_autofree struct hold_ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return false;
	}
	for (uint32_t i = 0; i < snapshot->ring_count; i++) {
		char name[RW_CORE_NAME_BYTES + 16];

		ask->ring = snapshot->rings[i].policy.name;
		if (!rw_ask_loop(request, ask_hold, ask))
			return false;
		if (ask->enter.granted)
			continue;
		snprintf(name, sizeof(name), "RingwatchHold_%s", ask->ring);
		alert(query, name, "info",
		      (struct rw_label[]){{"ring", ask->ring}, {"reason", ask->enter.kind}}, 2);
	}
	return true;
}

static bool list_alerts(struct rw_request *request, struct query *query,
			const struct rw_snapshot *snapshot)
{
	query->known = true;
	alert_breakers(query, snapshot);
	if (snapshot->blind)
		alert(query, "RingwatchBlind", "critical",
		      (struct rw_label[]){{"reason", snapshot->blind_reason}}, 1);
	if (snapshot->stats.store_failed)
		alert(query, "RingwatchStoreFailed", "critical", NULL, 0);
	return alert_holds(request, query, snapshot);
}

/* ---- the question ---------------------------------------------------------------------- */

/* The parameter, from the address or, of a POST, from its form. */
static const char *param(struct rw_request *request, const struct rw_uri *form, const char *name)
{
	const char *value = rw_uri_value(&request->uri, name);

	return value != NULL ? value : rw_uri_value(form, name);
}

static bool parse_time(const char *text, double *out)
{
	uint64_t wall_ms;
	char *end;

	if (rw_clock_parse_wall(text, &wall_ms) == 0) {
		*out = (double)wall_ms / 1000.0;
		return true;
	}
	*out = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*out);
}

/* Only now can be told; what is meant as now comes a little late. */
static bool take_time(struct rw_request *request, const char *text, struct query *query)
{
	double now = (double)rw_clock_wall_ms() / 1000.0;

	query->at = now;
	if (text == NULL)
		return true;
	if (!parse_time(text, &query->at)) {
		rw_fail(request, 400, "bad_request", "time: expected a Unix time");
		return false;
	}
	if (fabs(query->at - now) * 1000.0 <= TIME_SLACK_MS)
		return true;
	rw_fail(request, 400, "bad_request", "time: expected the present, this is no history");
	return false;
}

static bool take_form(struct rw_request *request, struct rw_uri *form)
{
	static const char *const known[] = {"query", "time", "timeout"};
	char target[RW_URI_MAX + 2];
	char error[RW_URI_ERROR_BYTES];

	form->param_count = 0;
	if (request->raw == NULL)
		return true;
	int length =
		snprintf(target, sizeof(target), "/?%.*s", (int)request->raw_length, request->raw);
	if ((size_t)length != request->raw_length + 2 || length > RW_URI_MAX) {
		rw_fail(request, 400, "bad_request", "body: expected a form of at most %d bytes",
			RW_URI_MAX - 2);
		return false;
	}
	if (rw_uri_parse(target, form, error) != 0) {
		rw_fail(request, 400, "bad_request", "%s", error);
		return false;
	}
	for (uint32_t i = 0; i < form->param_count; i++) {
		const char *name = form->params[i].name;
		size_t k = 0;

		while (k < 3 && strcmp(name, known[k]) != 0)
			k++;
		if (k == 3) {
			rw_fail(request, 400, "bad_request", "%s: unknown parameter", name);
			return false;
		}
	}
	return true;
}

static bool take_query(struct rw_request *request, struct query *query)
{
	char error[RW_PROMQL_ERROR_BYTES];
	struct rw_uri form;

	if (!take_form(request, &form) || !take_time(request, param(request, &form, "time"), query))
		return false;
	const char *text = param(request, &form, "query");
	if (text == NULL) {
		rw_fail(request, 400, "bad_request", "query: missing");
		return false;
	}
	if (rw_promql_parse(text, &query->promql, error) == 0)
		return true;
	rw_fail(request, 400, "bad_request", "query: %s", error);
	return false;
}

static void run(struct rw_request *request, struct query *query)
{
	struct rw_snapshot *snapshot = rw_snapshot_take(request);
	bool answers = snapshot != NULL;

	if (answers && query->promql.is_vector)
		json_array_append_new(query->result,
				      json_pack("{s:{}, s:[f,o]}", "metric", "value", query->at,
						number_text(query->promql.number)));
	else if (answers && strcmp(query->promql.series, "ALERTS") == 0)
		answers = list_alerts(request, query, snapshot);
	else if (answers)
		rw_series_list(snapshot, &(struct rw_series_sink){query, see_family, add_sample});
	rw_snapshot_free(snapshot);
	if (answers && !query->promql.is_vector && !query->known)
		rw_fail(request, 400, "bad_request", "query: no series '%s' here",
			query->promql.series);
	else if (answers)
		answer(request, query);
}

void rw_query(struct rw_request *request)
{
	rw_autofree struct query *query = calloc(1, sizeof(*query));

	if (query == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	query->result = json_array();
	if (take_query(request, query))
		run(request, query);
	json_decref(query->result);
}
