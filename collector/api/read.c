/* SPDX-License-Identifier: Apache-2.0 */
/* The GETs: each takes copies on the loop, or reads the store, and renders them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/events/excerpt.h"
#include "lib/text.h"
#include "lib/units.h"
#include "proto/bootid.h"

enum { HOSTS_SCANNED_A_CALL = 4096, VERDICTS_A_CALL = 32 };

static json_t *cursor_text(uint64_t cursor)
{
	return cursor == 0 ? json_string("") : json_sprintf("%llu", (unsigned long long)cursor);
}

/* ---- verdict -------------------------------------------------------------------- */

struct verdict_ask {
	const char *deployment, *ring;
	enum rw_question question;
	struct rw_verdict *verdict;
};

static void ask_verdict(struct rw_core *core, struct rw_now now, void *context)
{
	struct verdict_ask *ask = context;

	rw_core_verdict(core, ask->deployment, ask->ring, ask->question, now, ask->verdict);
}

void rw_get_verdict(struct rw_request *request)
{
	struct verdict_ask ask = {.question = RW_FOR_ADVANCE};
	const char *question = rw_uri_value(&request->uri, "for");

	if (!rw_name_param(request, "deployment", &ask.deployment) ||
	    !rw_name_param(request, "ring", &ask.ring))
		return;
	if (*ask.deployment == '\0' || *ask.ring == '\0') {
		rw_fail(request, 400, "bad_request", "%s: missing",
			*ask.deployment == '\0' ? "deployment" : "ring");
		return;
	}
	if (question != NULL && strcmp(question, "enter") == 0)
		ask.question = RW_FOR_ENTER;
	else if (question != NULL && strcmp(question, "advance") != 0) {
		rw_fail(request, 400, "bad_request", "for: expected advance or enter");
		return;
	}
	rw_autofree struct rw_verdict *verdict = calloc(1, sizeof(*verdict));
	if (verdict == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	ask.verdict = verdict;
	if (rw_ask_loop(request, ask_verdict, &ask))
		rw_answer(request, 200, rw_render_verdict(verdict));
}

/* ---- deployments -------------------------------------------------------------------- */

struct deployments_ask {
	bool only_active;
	bool end;
	uint64_t after; /* number of the last one that was looked at: one may be forgotten meanwhile
			 */
	uint32_t limit; /* of the list */
	struct rw_verdict *scratch;
	struct rw_deployment_list *list;
};

/* A few a call: each of a deployment's rings costs a verdict. */
static void ask_deployments(struct rw_core *core, struct rw_now now, void *context)
{
	struct deployments_ask *ask = context;
	uint32_t total = rw_core_deployment_count(core);
	uint32_t verdicts = 0;
	uint32_t next = 0;

	while (next < total && rw_core_deployment_number(core, next) <= ask->after)
		next++;
	for (; next < total && ask->list->count < ask->limit && verdicts < VERDICTS_A_CALL;
	     next++) {
		struct rw_deployment_view *view = &ask->list->views[ask->list->count];

		ask->after = rw_core_deployment_number(core, next);
		if (!rw_core_deployment_at(core, next, &view->row) ||
		    (ask->only_active && view->row.state != RW_DEPLOYMENT_ACTIVE))
			continue;
		if (!rw_view_deployment(core, next, now, ask->scratch, view))
			continue;
		ask->list->count++;
		verdicts += view->row.ring_count;
	}
	ask->end = next >= total;
}

static bool take_page(struct rw_request *request, struct deployments_ask *ask)
{
	struct rw_deployment_list *out = ask->list;
	bool answers = true;

	ask->scratch = malloc(sizeof(*ask->scratch));
	out->count = 0;
	out->views = calloc(RW_CORE_DEPLOYMENTS_MAX, sizeof(*out->views));
	if (ask->scratch == NULL || out->views == NULL) {
		rw_answer(request, 500, NULL);
		answers = false;
	}
	while (answers && !ask->end && out->count < ask->limit)
		answers = rw_ask_loop(request, ask_deployments, ask);
	free(ask->scratch);
	return answers;
}

bool rw_take_deployments(struct rw_request *request, bool only_active,
			 struct rw_deployment_list *out)
{
	struct deployments_ask ask = {
		.only_active = only_active, .limit = RW_CORE_DEPLOYMENTS_MAX, .list = out};

	return take_page(request, &ask);
}

void rw_get_deployments(struct rw_request *request)
{
	struct rw_deployment_list page;
	struct deployments_ask ask = {.list = &page};
	uint64_t limit;
	uint64_t cursor;

	/* There are never many: without a limit they come on one page. */
	if (!rw_number_param(request, "limit", 1, RW_LIST_MAX, RW_LIST_MAX, &limit) ||
	    !rw_number_param(request, "cursor", 1, INT64_MAX, 0, &cursor))
		return;
	ask.limit = limit < RW_CORE_DEPLOYMENTS_MAX ? (uint32_t)limit : RW_CORE_DEPLOYMENTS_MAX;
	ask.after = cursor;
	bool taken = take_page(request, &ask);
	rw_autofree struct rw_deployment_view *views = page.views;
	if (!taken)
		return;
	json_t *list = json_array();
	for (uint32_t i = 0; i < page.count; i++)
		json_array_append_new(list, rw_render_deployment(&views[i]));
	rw_answer_tagged(request, json_pack("{s:o, s:o}", "deployments", list, "next_cursor",
					    cursor_text(ask.end ? 0 : ask.after)));
}

struct deployment_ask {
	const char *id;
	bool found;
	struct rw_verdict scratch;
	struct rw_deployment_view view;
};

static void ask_deployment(struct rw_core *core, struct rw_now now, void *context)
{
	struct deployment_ask *ask = context;
	int at = rw_core_deployment_find(core, ask->id);

	ask->found =
		at >= 0 && rw_view_deployment(core, (uint32_t)at, now, &ask->scratch, &ask->view);
}

void rw_get_deployment(struct rw_request *request)
{
	rw_autofree struct deployment_ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	ask->id = request->args[0];
	if (!rw_ask_loop(request, ask_deployment, ask))
		return;
	if (!ask->found)
		rw_fail(request, 404, "unknown_deployment", "no deployment '%s'", ask->id);
	else
		rw_answer_tagged(request, rw_render_deployment(&ask->view));
}

/* ---- rings ------------------------------------------------------------------------------ */

struct rings_ask {
	uint32_t count;
	struct rw_hub *hub;
	struct rw_ring_view views[RW_CORE_RINGS_MAX];
	struct rw_ring_coverage coverage[RW_CORE_RINGS_MAX];
};

static void ask_rings(struct rw_core *core, struct rw_now now, void *context)
{
	struct rings_ask *ask = context;

	(void)now;
	while (ask->count < rw_core_ring_count(core) &&
	       rw_core_ring_at(core, ask->count, &ask->views[ask->count])) {
		rw_hub_ring_coverage(ask->hub, ask->count, &ask->coverage[ask->count]);
		ask->count++;
	}
}

/* Those of `all` that go through the ring. */
static json_t *deployments_in(const struct rw_deployment_list *all, const char *ring)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < all->count; i++) {
		const struct rw_deployment_view *view = &all->views[i];

		for (uint32_t k = 0; k < view->row.ring_count; k++) {
			const struct rw_run_summary *run = &view->runs[k];

			if (strcmp(run->ring, ring) != 0)
				continue;
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:s, s:s}", "deployment", view->row.id,
						"state", rw_deployment_state_name(view->row.state),
						"verdict", rw_decision_name(run->decision),
						"breaker", run->breaker_open ? "open" : "closed"));
		}
	}
	return list;
}

static json_t *render_rings(const struct rings_ask *ask, const struct rw_deployment_list *all,
			    const char *only)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ask->count; i++) {
		const struct rw_ring_view *view = &ask->views[i];

		if (only == NULL || strcmp(view->policy.name, only) == 0)
			json_array_append_new(
				list, rw_render_ring(view, &ask->coverage[i],
						     deployments_in(all, view->policy.name)));
	}
	return list;
}

/* All rings as JSON, or the one; NULL after answering. */
static json_t *take_rings(struct rw_request *request, const char *only)
{
	rw_autofree struct rings_ask *ask = calloc(1, sizeof(*ask));
	struct rw_deployment_list active;

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return NULL;
	}
	ask->hub = request->api->hub;
	if (!rw_ask_loop(request, ask_rings, ask))
		return NULL;
	bool taken = rw_take_deployments(request, true, &active);
	json_t *list = taken ? render_rings(ask, &active, only) : NULL;
	free(active.views);
	if (taken && list == NULL)
		rw_answer(request, 500, NULL);
	return list;
}

void rw_get_rings(struct rw_request *request)
{
	json_t *list = take_rings(request, NULL);

	if (list != NULL)
		rw_answer_tagged(request, json_pack("{s:o}", "rings", list));
}

void rw_get_ring(struct rw_request *request)
{
	json_t *list = take_rings(request, request->args[0]);

	if (list == NULL)
		return;
	if (json_array_size(list) == 0)
		rw_fail(request, 404, "unknown_ring", "no ring '%s' in the policy",
			request->args[0]);
	else
		rw_answer_tagged(request, json_incref(json_array_get(list, 0)));
	json_decref(list);
}

/* ---- hosts -------------------------------------------------------------------------------- */

struct listed_host {
	struct rw_host_row row;
	struct rw_host_marks marks;
};

struct hosts_ask {
	struct rw_hub *hub;
	const char *ring;
	int presence; /* -1: any */
	rw_host_handle next;
	uint32_t limit, count;
	bool end;
	struct listed_host *rows;
};

/* A part of the hosts a call, so that a list never holds the loop for long. */
static void ask_hosts(struct rw_core *core, struct rw_now now, void *context)
{
	struct hosts_ask *ask = context;
	uint32_t total = rw_core_host_count(core);

	(void)now;
	for (uint32_t scanned = 0; scanned < HOSTS_SCANNED_A_CALL; scanned++) {
		struct rw_host_row *row = &ask->rows[ask->count].row;
		rw_host_handle host = ask->next;

		ask->end = ask->next >= total;
		if (ask->end || ask->count == ask->limit)
			return;
		ask->next++;
		if (!rw_core_host_at(core, host, row) ||
		    (*ask->ring != '\0' && strcmp(row->ring, ask->ring) != 0) ||
		    (ask->presence >= 0 && row->presence != (enum rw_presence)ask->presence))
			continue;
		rw_hub_host_marks(ask->hub, host, &ask->rows[ask->count++].marks);
	}
}

static bool state_param(struct rw_request *request, int *presence)
{
	const char *state = rw_uri_value(&request->uri, "state");

	*presence = -1;
	if (state == NULL)
		return true;
	for (int i = 0; i < RW_PRESENCE_COUNT; i++) {
		if (strcmp(state, rw_presence_name((enum rw_presence)i)) == 0) {
			*presence = i;
			return true;
		}
	}
	rw_fail(request, 400, "bad_request",
		"state: expected online, suspect, offline, planned, absent, unknown or retired");
	return false;
}

void rw_get_hosts(struct rw_request *request)
{
	struct hosts_ask ask = {.hub = request->api->hub};
	uint64_t limit;
	uint64_t cursor;

	if (!rw_name_param(request, "ring", &ask.ring) || !state_param(request, &ask.presence) ||
	    !rw_page_params(request, &limit, &cursor))
		return;
	ask.limit = (uint32_t)limit;
	ask.next = cursor > UINT32_MAX ? UINT32_MAX : (rw_host_handle)cursor;
	/* One more, because the row behind the last is looked at too. */
	rw_autofree struct listed_host *rows = calloc(limit + 1, sizeof(*rows));
	ask.rows = rows;
	if (rows == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	do {
		if (!rw_ask_loop(request, ask_hosts, &ask))
			return;
	} while (!ask.end && ask.count < ask.limit);

	json_t *list = json_array();
	for (uint32_t i = 0; i < ask.count; i++)
		json_array_append_new(list, rw_render_host(&rows[i].row, &rows[i].marks));
	rw_answer_tagged(request, json_pack("{s:o, s:o}", "hosts", list, "next_cursor",
					    cursor_text(ask.end ? 0 : ask.next)));
}

struct host_ask {
	const char *host;
	struct rw_hub *hub;
	bool found;
	struct rw_host_row row;
	struct rw_host_facts facts;
};

static void ask_host(struct rw_core *core, struct rw_now now, void *context)
{
	struct host_ask *ask = context;
	rw_host_handle handle = rw_core_host_find(core, ask->host);

	(void)now;
	ask->found = handle != RW_NO_HOST && rw_core_host_at(core, handle, &ask->row);
	if (ask->found)
		rw_hub_host_facts(ask->hub, handle, &ask->facts);
}

static json_t *render_coverage(const struct rw_host_facts *facts)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < facts->coverage_count; i++) {
		const char *kind = rw_kind_name(facts->coverage[i].kind);

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "kind", kind == NULL ? "" : kind,
						"hook", facts->coverage[i].hook, "reason",
						facts->coverage[i].reason));
	}
	return list;
}

static json_t *render_versions(const struct rw_host_facts *facts)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < facts->version_count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "subject", facts->versions[i].subject,
						"value", facts->versions[i].value));
	return list;
}

static int add_transition(void *context, const struct rw_transition_read *row)
{
	json_t *json = json_pack("{s:o, s:s, s:s, s:s}", "at", rw_json_time(row->at_wall_ms),
				 "from", row->from, "to", row->to, "ring", row->ring);

	return json_array_append_new(context, json) == 0 ? 0 : -ENOMEM;
}

void rw_get_host(struct rw_request *request)
{
	struct host_ask ask = {.host = request->args[0], .hub = request->api->hub};
	struct rw_store_reader *reader;
	json_t *transitions;

	if (!rw_ask_loop(request, ask_host, &ask))
		return;
	if (!ask.found) {
		rw_fail(request, 404, "unknown_host", "no host '%s'", ask.host);
		return;
	}
	reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	transitions = json_array();
	int err = rw_store_reader_transitions(reader, ask.host, 0, RW_HOST_TRANSITIONS,
					      add_transition, transitions);
	rw_api_give_reader(request->api, reader);
	if (err < 0) {
		json_decref(transitions);
		rw_fail(request, 503, "unavailable", "the store cannot be read: %s",
			strerror(-err));
		return;
	}
	json_t *json = rw_render_host(&ask.row, &ask.facts.marks);
	json_t *rest = json_pack(
		"{s:b, s:b, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "known",
		ask.facts.marks.known, "connected", ask.facts.connected, "program",
		ask.facts.program, "kernel_release", ask.facts.kernel_release, "architecture",
		ask.facts.architecture, "netconsole", ask.facts.netconsole, "pending_events",
		rw_json_count(ask.facts.pending_events), "lost_events",
		rw_json_count(ask.facts.lost_events), "coverage", render_coverage(&ask.facts),
		"versions", render_versions(&ask.facts), "transitions", transitions);
	if (json != NULL && json_object_update(json, rest) != 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(rest);
	rw_answer_tagged(request, json);
}

/* ---- events and audit ------------------------------------------------------------------------ */

bool rw_page_takes(struct rw_rows *page, uint64_t row_id)
{
	page->more = json_array_size(page->list) == page->limit;
	if (!page->more)
		page->last = row_id;
	return !page->more;
}

static int add_event(void *context, const struct rw_event_row *row)
{
	struct rw_rows *page = context;

	if (!rw_page_takes(page, row->row_id))
		return 1;
	return json_array_append_new(page->list, rw_render_event(row)) == 0 ? 0 : -ENOMEM;
}

static int add_audit(void *context, const struct rw_audit_read *row)
{
	struct rw_rows *page = context;

	if (!rw_page_takes(page, row->row_id))
		return 1;
	return json_array_append_new(
		       page->list,
		       json_pack("{s:I, s:o, s:s, s:s, s:s, s:s}", "id", (json_int_t)row->row_id,
				 "at", rw_json_time(row->at_wall_ms), "actor", row->actor, "action",
				 row->action, "subject", row->subject, "detail", row->detail)) == 0
		       ? 0
		       : -ENOMEM;
}

void rw_answer_page(struct rw_request *request, const char *name, struct rw_rows *page, int err)
{
	if (err >= 0) {
		rw_answer_tagged(request, json_pack("{s:o, s:o}", name, page->list, "next_cursor",
						    cursor_text(page->more ? page->last : 0)));
		return;
	}
	json_decref(page->list);
	rw_fail(request, 503, "unavailable", "the store cannot be read: %s", strerror(-err));
}

void rw_get_events(struct rw_request *request)
{
	struct rw_event_query query = {0};
	uint64_t limit;
	struct rw_store_reader *reader;
	const char *signature = rw_uri_value(&request->uri, "signature");
	const char *kind = rw_uri_value(&request->uri, "kind");
	Ringwatch__V1__Kind known;

	if (!rw_name_param(request, "host", &query.host) ||
	    !rw_name_param(request, "ring", &query.ring) ||
	    !rw_name_param(request, "deployment", &query.deployment) ||
	    !rw_time_param(request, "since", &query.since_wall_ms) ||
	    !rw_time_param(request, "until", &query.until_wall_ms) ||
	    !rw_page_params(request, &limit, &query.cursor))
		return;
	if (kind != NULL && rw_kind_parse(kind, &known) != 0) {
		rw_fail(request, 400, "bad_request", "kind: no such kind of event");
		return;
	}
	query.kind = kind == NULL ? "" : kind;
	query.signature = signature == NULL ? "" : signature;
	query.limit = (uint32_t)limit + 1;
	reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	struct rw_rows page = {.list = json_array(), .limit = limit};
	int err = rw_store_reader_events(reader, &query, add_event, &page);
	rw_api_give_reader(request->api, reader);
	rw_answer_page(request, "events", &page, err);
}

/* ---- one event, with its log ------------------------------------------------------------- */

/* What the host has packed is unpacked here, in a thread of the API, and nowhere else. */
static json_t *render_log(const struct rw_event_row *row, const char **log_state)
{
	const size_t clean_bytes = 4 * (size_t)RW_LOG_PLAIN_MAX + 1;
	static const char empty[] = "";

	*log_state = "none";
	if (row->log == NULL)
		return json_string(empty);
	rw_autofree char *plain = malloc(RW_LOG_PLAIN_MAX);
	rw_autofree char *clean = malloc(clean_bytes);
	if (plain == NULL || clean == NULL)
		return NULL;
	long length = rw_excerpt_unpack(row->log, row->log_size, row->log_bytes, plain);
	if (length == -ENOMEM)
		return NULL;
	*log_state = length < 0 ? "damaged" : "whole";
	if (length < 0)
		return json_string(empty);
	rw_text_to_utf8(clean, clean_bytes, plain, (size_t)length);
	return json_string(clean);
}

static int take_one(void *context, const struct rw_event_row *row)
{
	json_t **out = context;
	const char *log_state;
	json_t *log = render_log(row, &log_state);
	json_t *json = log == NULL ? NULL : rw_render_event(row);

	if (json == NULL || json_object_set(json, "log", log) != 0 ||
	    json_object_set_new(json, "log_state", json_string(log_state)) != 0) {
		json_decref(log);
		json_decref(json);
		return -ENOMEM;
	}
	json_decref(log);
	*out = json;
	return 0;
}

static bool parse_spool_id(const char *hex, uint8_t out[RW_SPOOL_ID_BYTES])
{
	if (strlen(hex) != 2 * (size_t)RW_SPOOL_ID_BYTES)
		return false;
	for (size_t i = 0; i < RW_SPOOL_ID_BYTES; i++) {
		unsigned byte;
		if (strspn(hex + 2 * i, "0123456789abcdef") < 2 ||
		    sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		out[i] = (uint8_t)byte;
	}
	return true;
}

void rw_get_event(struct rw_request *request)
{
	uint8_t spool_id[RW_SPOOL_ID_BYTES];
	uint64_t sequence;
	struct rw_store_reader *reader;
	json_t *json = NULL;

	if (!parse_spool_id(request->args[1], spool_id) ||
	    rw_units_parse_uint(request->args[2], &sequence) != 0 || sequence > INT64_MAX) {
		rw_fail(request, 404, "unknown_event", "expected HOST/SPOOL/SEQUENCE as listed");
		return;
	}
	reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	int err = rw_store_reader_event(reader, request->args[0], spool_id, sequence, take_one,
					&json);
	rw_api_give_reader(request->api, reader);
	if (err == -ENOMEM)
		rw_answer(request, 500, NULL);
	else if (err < 0)
		rw_fail(request, 503, "unavailable", "the store cannot be read: %s",
			strerror(-err));
	else if (json == NULL)
		rw_fail(request, 404, "unknown_event", "no such event");
	else
		rw_answer_tagged(request, json);
}

void rw_get_audit(struct rw_request *request)
{
	uint64_t limit;
	uint64_t cursor;
	struct rw_store_reader *reader;

	if (!rw_page_params(request, &limit, &cursor))
		return;
	reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	struct rw_rows page = {.list = json_array(), .limit = limit};
	int err = rw_store_reader_audit(reader, cursor, (uint32_t)limit + 1, add_audit, &page);
	rw_api_give_reader(request->api, reader);
	rw_answer_page(request, "audit", &page, err);
}
