/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acts of people and rollout systems. Each runs on the loop, leaves a line
 * in the audit in the same breath, and is answered when both are on disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/cleanup.h"
#include "lib/match.h"
#include "lib/text.h"

enum act {
	ACT_CREATE,
	ACT_START,
	ACT_FINISH,
	ACT_WITHDRAW,
	ACT_RESET,
	/* on a host */
	ACT_RETIRE,
	ACT_ENROL,
	ACT_EXCLUDE,
	ACT_MAINTENANCE,
};

static const char *const act_names[] = {"deploy_create",   "deploy_start", "deploy_finish",
					"deploy_withdraw", "deploy_reset", "host_retire",
					"host_enrol",      "host_exclude", "host_maintenance"};

struct act_ask {
	enum act act;
	struct rw_hub *hub;
	const char *actor, *deployment, *ring, *reason;
	const char *host; /* NULL: the act is on a deployment */
	uint32_t step;
	uint64_t seconds; /* of maintenance */
	const struct rw_deployment_row *spec;
	struct rw_act_result result;
	bool knows_deployment;
	uint64_t sequence; /* to wait for; 0: it could not be taken, or was on disk long ago */
	struct rw_verdict scratch;
	struct rw_deployment_view view; /* the deployment after the act */
	struct rw_host_row host_row;    /* or the host */
	struct rw_host_marks marks;
};

static struct rw_act_result act_on(struct rw_core *core, const struct act_ask *ask,
				   struct rw_now now)
{
	switch (ask->act) {
	case ACT_CREATE:
		return rw_core_deploy_create(core, ask->spec, now);
	case ACT_START:
		return rw_core_deploy_start(core, ask->deployment, ask->ring, ask->step, now);
	case ACT_FINISH:
		return rw_core_deploy_finish(core, ask->deployment, now);
	case ACT_WITHDRAW:
		return rw_core_deploy_withdraw(core, ask->deployment, ask->reason, now);
	case ACT_RESET:
		return rw_core_deploy_reset(core, ask->deployment, ask->ring, now);
	case ACT_RETIRE:
		return rw_core_host_retire(core, ask->host, now);
	case ACT_ENROL:
		return rw_core_host_enrol(core, ask->host, now);
	case ACT_EXCLUDE:
		return rw_core_host_exclude(core, ask->host, now);
	case ACT_MAINTENANCE:
		break;
	}
	return rw_core_host_maintenance(core, ask->host, ask->seconds * 1000, now);
}

static const char *match_text(const struct rw_deployment_row *spec)
{
	return spec->match[0] == '\0' ? "none" : spec->match;
}

/* What is worth telling of an act beside whom it was about. */
static void describe(const struct act_ask *ask, char *detail, size_t size)
{
	const struct rw_deployment_row *spec = ask->spec;
	size_t used;

	switch (ask->act) {
	case ACT_CREATE:
		used = (size_t)snprintf(
			detail, size,
			"component=%s version=%s exposure=%s match=%s rings=", spec->component,
			spec->version, rw_exposure_mode_name(spec->exposure), match_text(spec));
		for (uint32_t i = 0; i < spec->ring_count && used < size; i++)
			used += (size_t)snprintf(detail + used, size - used, "%s%s",
						 i == 0 ? "" : ",", spec->rings[i]);
		break;
	case ACT_START:
		snprintf(detail, size, "step=%u", ask->step);
		break;
	case ACT_MAINTENANCE:
		snprintf(detail, size, "seconds=%llu %s", (unsigned long long)ask->seconds,
			 ask->reason);
		break;
	case ACT_FINISH:
	case ACT_WITHDRAW:
	case ACT_RESET:
	case ACT_RETIRE:
	case ACT_ENROL:
	case ACT_EXCLUDE:
		snprintf(detail, size, "%s", ask->reason == NULL ? "" : ask->reason);
		break;
	}
}

static uint64_t audit(const struct act_ask *ask, struct rw_now now)
{
	char subject[4 * RW_CORE_NAME_BYTES];
	char detail[RW_CORE_TEXT_BYTES + (2 + RW_CORE_RINGS_MAX) * RW_CORE_NAME_BYTES];
	const struct rw_audit_row row = {
		.at_wall_ms = now.wall_ms,
		.actor = ask->actor,
		.action = act_names[ask->act],
		.subject = subject,
		.detail = detail,
	};

	if (ask->host != NULL)
		snprintf(subject, sizeof(subject), "host=%s", ask->host);
	else
		snprintf(subject, sizeof(subject), "deployment=%s%s%s", ask->deployment,
			 ask->ring == NULL ? "" : " ring=", ask->ring == NULL ? "" : ask->ring);
	describe(ask, detail, sizeof(detail));
	return rw_hub_audit(ask->hub, &row);
}

static void run_act(struct rw_core *core, struct rw_now now, void *context)
{
	struct act_ask *ask = context;

	ask->result = act_on(core, ask, now);
	/* What was so already is answered when the rows that made it so are on disk. */
	ask->sequence = ask->result.changed ? audit(ask, now) : ask->result.sequence;

	if (ask->result.changed &&
	    (ask->act == ACT_CREATE || ask->act == ACT_FINISH || ask->act == ACT_WITHDRAW))
		rw_hub_deployments_changed(ask->hub,
					   ask->act == ACT_CREATE ? ask->deployment : NULL);
	if (ask->host != NULL) {
		rw_host_handle host = rw_core_host_find(core, ask->host);

		if (host != RW_NO_HOST && rw_core_host_at(core, host, &ask->host_row))
			rw_hub_host_marks(ask->hub, host, &ask->marks);
		return;
	}
	int at = rw_core_deployment_find(core, ask->deployment);

	ask->knows_deployment = at >= 0;
	if (at >= 0)
		(void)rw_view_deployment(core, (uint32_t)at, now, &ask->scratch, &ask->view);
}

static void refuse_not_ready(struct rw_request *request, const struct rw_act_result *result)
{
	rw_answer(request, 409,
		  json_pack("{s:{s:s, s:s, s:o}}", "error", "code", "not_ready", "message",
			    result->message, "reasons",
			    rw_render_reasons(result->reasons, result->reason_count)));
}

static void fail_act(struct rw_request *request, const struct act_ask *ask)
{
	const struct rw_act_result *result = &ask->result;

	switch (result->status) {
	case -EPERM:
		refuse_not_ready(request, result);
		break;
	case -EEXIST:
	case -ENOSPC:
		rw_fail(request, 409, "conflict", "%s", result->message);
		break;
	case -EINVAL:
		rw_fail(request, 400, "bad_request", "%s", result->message);
		break;
	case -ENOENT:
		if (ask->host != NULL)
			rw_fail(request, 404, "unknown_host", "no host '%s'", ask->host);
		else if (ask->act == ACT_CREATE) /* it stands in the body, not in the path */
			rw_fail(request, 400, "bad_request", "rings: %s", result->message);
		else
			rw_fail(request, 404,
				ask->knows_deployment ? "unknown_ring" : "unknown_deployment", "%s",
				result->message);
		break;
	case -EIO:
		rw_fail(request, 503, "store_failed", "%s", result->message);
		break;
	default:
		rw_fail(request, 503, "unavailable", "%s", result->message);
	}
}

static void act(struct rw_request *request, struct act_ask *ask)
{
	int err = 0;

	ask->hub = request->api->hub;
	ask->actor = request->actor;
	if (!rw_ask_loop(request, run_act, ask))
		return;
	if (ask->result.status != 0) {
		fail_act(request, ask);
		return;
	}
	if (ask->sequence != 0)
		err = rw_hub_wait_committed(ask->hub, ask->sequence);
	else if (ask->result.changed)
		err = -EIO; /* the queue is full */
	if (err != 0)
		rw_fail(request, 503, "store_failed",
			"done in memory, but not yet on disk (%s): ask again", strerror(-err));
	else if (ask->host != NULL)
		rw_answer(request, 200, rw_render_host(&ask->host_row, &ask->marks));
	else
		rw_answer(request, ask->act == ACT_CREATE && ask->result.changed ? 201 : 200,
			  rw_render_deployment(&ask->view));
}

/* ---- bodies ------------------------------------------------------------------------ */

static struct act_ask *new_act(struct rw_request *request, enum act what)
{
	struct act_ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return NULL;
	}
	ask->act = what;
	ask->deployment = request->args[0];
	ask->ring = request->args[1][0] == '\0' ? NULL : request->args[1];
	return ask;
}

/* Text that people read on one line: no control characters, nothing that reorders it. */
static bool is_plain(const char *text, size_t length)
{
	char shown[4 * RW_CORE_TEXT_BYTES + 1];

	return length < RW_CORE_TEXT_BYTES &&
	       rw_text_escape(shown, sizeof(shown), text, length) == length &&
	       memcmp(shown, text, length) == 0;
}

/* A string field's value when it is sound, else NULL after answering. */
static const char *text_field(struct rw_request *request, const char *field, size_t max)
{
	const json_t *value = json_object_get(request->body, field);
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);

	if (length >= 1 && length <= max && is_plain(text, length))
		return text;
	rw_fail(request, 400, "bad_request",
		"%s: expected 1 to %zu bytes of text without control characters", field, max);
	return NULL;
}

static bool copy_name(struct rw_request *request, const char *field, const json_t *value, char *out)
{
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);

	if (text == NULL || !rw_name_is_valid(text, length)) {
		rw_fail(request, 400, "bad_request", "%s: expected " RW_NAME_EXPECTED, field);
		return false;
	}
	memcpy(out, text, length + 1);
	return true;
}

static bool take_exposure(struct rw_request *request, struct rw_deployment_row *spec)
{
	const char *text = json_string_value(json_object_get(request->body, "exposure"));

	if (strcmp(text, "fixed") == 0) {
		spec->exposure = RW_EXPOSURE_FIXED;
	} else if (strcmp(text, "reported") == 0) {
		spec->exposure = RW_EXPOSURE_REPORTED;
	} else {
		rw_fail(request, 400, "bad_request", "exposure: expected fixed or reported");
		return false;
	}
	return true;
}

static bool take_match(struct rw_request *request, struct rw_deployment_row *spec)
{
	const json_t *value = json_object_get(request->body, "match");
	const char *text = json_string_value(value);
	const char *fault;

	if (spec->exposure == RW_EXPOSURE_FIXED)
		fault = strcmp(text, "none") == 0 ? NULL : "none with exposure fixed";
	else
		fault = rw_match_fault(text);
	if (fault != NULL) {
		rw_fail(request, 400, "bad_request", "match: expected %s", fault);
		return false;
	}
	if (spec->exposure == RW_EXPOSURE_REPORTED)
		memcpy(spec->match, text, json_string_length(value) + 1);
	return true;
}

static bool take_rings(struct rw_request *request, struct rw_deployment_row *spec)
{
	const json_t *rings = json_object_get(request->body, "rings");
	size_t count = json_array_size(rings);

	if (count == 0 || count > RW_CORE_RINGS_MAX) {
		rw_fail(request, 400, "bad_request", "rings: expected 1 to %d names",
			RW_CORE_RINGS_MAX);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!copy_name(request, "rings", json_array_get(rings, i), spec->rings[i]))
			return false;
	}
	spec->ring_count = (uint32_t)count;
	return true;
}

void rw_post_deployments(struct rw_request *request)
{
	struct rw_deployment_row spec = {0};
	const json_t *body = request->body;
	const char *version;

	if (!copy_name(request, "deployment", json_object_get(body, "deployment"), spec.id) ||
	    !copy_name(request, "component", json_object_get(body, "component"), spec.component) ||
	    !take_exposure(request, &spec) || !take_match(request, &spec) ||
	    !take_rings(request, &spec))
		return;
	version = text_field(request, "version", RW_VERSION_TEXT_MAX);
	if (version == NULL)
		return;
	snprintf(spec.version, sizeof(spec.version), "%s", version);
	rw_autofree struct act_ask *ask = new_act(request, ACT_CREATE);
	if (ask == NULL)
		return;
	ask->deployment = spec.id;
	ask->spec = &spec;
	act(request, ask);
}

void rw_post_start(struct rw_request *request)
{
	json_int_t step = json_integer_value(json_object_get(request->body, "step"));

	if (step < 1 || step > RW_CORE_STEPS_MAX) {
		rw_fail(request, 400, "bad_request", "step: expected 1 to %d", RW_CORE_STEPS_MAX);
		return;
	}
	rw_autofree struct act_ask *ask = new_act(request, ACT_START);
	if (ask == NULL)
		return;
	ask->step = (uint32_t)step;
	act(request, ask);
}

void rw_post_finish(struct rw_request *request)
{
	rw_autofree struct act_ask *ask = new_act(request, ACT_FINISH);

	if (ask != NULL)
		act(request, ask);
}

static void act_with_reason(struct rw_request *request, enum act what)
{
	const char *reason = text_field(request, "reason", RW_REASON_TEXT_MAX);

	if (reason == NULL)
		return;
	rw_autofree struct act_ask *ask = new_act(request, what);
	if (ask == NULL)
		return;
	ask->reason = reason;
	act(request, ask);
}

void rw_post_withdraw(struct rw_request *request)
{
	act_with_reason(request, ACT_WITHDRAW);
}

void rw_post_reset(struct rw_request *request)
{
	act_with_reason(request, ACT_RESET);
}

/* ---- on hosts ---------------------------------------------------------------------- */

static void act_on_host(struct rw_request *request, enum act what, uint64_t seconds)
{
	const char *reason = text_field(request, "reason", RW_REASON_TEXT_MAX);

	if (reason == NULL)
		return;
	rw_autofree struct act_ask *ask = new_act(request, what);
	if (ask == NULL)
		return;
	ask->host = request->args[0];
	ask->seconds = seconds;
	ask->reason = reason;
	act(request, ask);
}

void rw_post_host_retire(struct rw_request *request)
{
	act_on_host(request, ACT_RETIRE, 0);
}

void rw_post_host_enrol(struct rw_request *request)
{
	act_on_host(request, ACT_ENROL, 0);
}

void rw_post_host_exclude(struct rw_request *request)
{
	act_on_host(request, ACT_EXCLUDE, 0);
}

void rw_post_host_maintenance(struct rw_request *request)
{
	json_int_t seconds = json_integer_value(json_object_get(request->body, "seconds"));

	if (seconds < 0 || seconds > RW_MAINTENANCE_MAX_S) {
		rw_fail(request, 400, "bad_request", "seconds: expected 0 to %d",
			RW_MAINTENANCE_MAX_S);
		return;
	}
	act_on_host(request, ACT_MAINTENANCE, (uint64_t)seconds);
}
