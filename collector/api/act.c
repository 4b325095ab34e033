/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acts of people and rollout systems. Each runs on the loop, leaves a line
 * in the audit in the same breath, and is answered when both are on disk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/text.h"

enum act { ACT_CREATE, ACT_START, ACT_FINISH, ACT_WITHDRAW, ACT_RESET };

static const char *const act_names[] = {"deploy_create", "deploy_start", "deploy_finish",
					"deploy_withdraw", "deploy_reset"};

struct act_ask {
	enum act act;
	struct rw_hub *hub;
	const char *actor, *deployment, *ring, *reason;
	uint32_t step;
	const struct rw_deployment_row *spec;
	struct rw_act_result result;
	uint64_t sequence; /* to wait for; 0 when nothing changed */
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
		break;
	}
	return rw_core_deploy_reset(core, ask->deployment, ask->ring, now);
}

static void run_act(struct rw_core *core, struct rw_now now, void *context)
{
	struct act_ask *ask = context;
	char subject[4 * RW_CORE_NAME_BYTES];
	char detail[RW_CORE_TEXT_BYTES + RW_CORE_NAME_BYTES + 32];

	ask->result = act_on(core, ask, now);
	if (ask->result.status != 0 || !ask->result.changed)
		return;
	snprintf(subject, sizeof(subject), "deployment=%s%s%s", ask->deployment,
		 ask->ring == NULL ? "" : " ring=", ask->ring == NULL ? "" : ask->ring);
	snprintf(detail, sizeof(detail), "%s", ask->reason == NULL ? "" : ask->reason);
	if (ask->act == ACT_START)
		snprintf(detail, sizeof(detail), "step=%u", ask->step);
	if (ask->act == ACT_CREATE)
		snprintf(detail, sizeof(detail), "component=%s version=%s", ask->spec->component,
			 ask->spec->version);
	const struct rw_audit_row row = {
		.at_wall_ms = now.wall_ms,
		.actor = ask->actor,
		.action = act_names[ask->act],
		.subject = subject,
		.detail = detail,
	};
	ask->sequence = rw_hub_audit(ask->hub, &row);
	if (ask->sequence == 0) /* the queue is full: the store has failed */
		ask->result.sequence = 0;
}

static void fail_act(struct rw_request *request, const struct act_ask *ask)
{
	const struct rw_act_result *result = &ask->result;

	if (result->status == -EPERM) {
		rw_answer(request, 409,
			  json_pack("{s:{s:s, s:s, s:o}}", "error", "code", "not_ready", "message",
				    result->message, "reasons",
				    rw_render_reasons(result->reasons, result->reason_count)));
		return;
	}
	if (result->status == -ENOENT)
		rw_fail(request, ask->act == ACT_CREATE ? 400 : 404,
			ask->act == ACT_CREATE ? "unknown_ring" : "not_found", "%s",
			result->message);
	else if (result->status == -EEXIST)
		rw_fail(request, 409, "conflict", "%s", result->message);
	else if (result->status == -EINVAL)
		rw_fail(request, 400, "bad_request", "%s", result->message);
	else
		rw_fail(request, 503, "unavailable", "%s", result->message);
}

static void act(struct rw_request *request, struct act_ask *ask)
{
	ask->hub = rw_api_hub(request->api);
	ask->actor = request->actor;
	if (!rw_ask_loop(request, run_act, ask))
		return;
	if (ask->result.status != 0) {
		fail_act(request, ask);
		return;
	}
	int err = 0;
	if (ask->result.changed)
		err = ask->sequence == 0 ? -EIO : rw_hub_wait_committed(ask->hub, ask->sequence);
	if (err != 0) {
		rw_fail(request, 503, "store_failed",
			"done in memory, but not yet on disk (%s): ask again", strerror(-err));
		return;
	}
	/* Answered with the deployment as it is now; created anew: 201. */
	request->status = ask->act == ACT_CREATE && ask->result.changed ? 201 : 200;
	request->args[0] = ask->deployment;
	rw_get_deployment(request);
}

/* A string field's value when it is sound, else NULL after answering. */
static const char *text_field(struct rw_request *request, const char *field, size_t max)
{
	const json_t *value = json_object_get(request->body, field);
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);

	if (length >= 1 && length <= max && rw_text_is_clean(text, length))
		return text;
	rw_fail(request, 400, "bad_request", "%s: expected 1 to %zu bytes of text", field, max);
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

static bool must_be(struct rw_request *request, const char *field, const char *expected)
{
	const char *text = json_string_value(json_object_get(request->body, field));

	if (strcmp(text, expected) == 0)
		return true;
	rw_fail(request, 400, "bad_request", "%s: this version knows only '%s'", field, expected);
	return false;
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
	struct rw_deployment_row spec = {.exposure = RW_EXPOSURE_FIXED};
	const char *version;

	if (!copy_name(request, "deployment", json_object_get(request->body, "deployment"),
		       spec.id) ||
	    !copy_name(request, "component", json_object_get(request->body, "component"),
		       spec.component) ||
	    !must_be(request, "exposure", "fixed") || !must_be(request, "match", "none") ||
	    !take_rings(request, &spec))
		return;
	version = text_field(request, "version", sizeof(spec.version) - 1);
	if (version == NULL)
		return;
	snprintf(spec.version, sizeof(spec.version), "%s", version);
	struct act_ask ask = {.act = ACT_CREATE, .deployment = spec.id, .spec = &spec};
	act(request, &ask);
}

void rw_post_start(struct rw_request *request)
{
	json_int_t step = json_integer_value(json_object_get(request->body, "step"));
	struct act_ask ask = {
		.act = ACT_START, .deployment = request->args[0], .ring = request->args[1]};

	if (step < 1 || step > RW_CORE_STEPS_MAX) {
		rw_fail(request, 400, "bad_request", "step: expected 1 to %d", RW_CORE_STEPS_MAX);
		return;
	}
	ask.step = (uint32_t)step;
	act(request, &ask);
}

void rw_post_finish(struct rw_request *request)
{
	struct act_ask ask = {.act = ACT_FINISH, .deployment = request->args[0]};

	act(request, &ask);
}

void rw_post_withdraw(struct rw_request *request)
{
	struct act_ask ask = {.act = ACT_WITHDRAW, .deployment = request->args[0]};

	ask.reason = text_field(request, "reason", RW_REASON_TEXT_MAX);
	if (ask.reason != NULL)
		act(request, &ask);
}

void rw_post_reset(struct rw_request *request)
{
	struct act_ask ask = {
		.act = ACT_RESET, .deployment = request->args[0], .ring = request->args[1]};

	ask.reason = text_field(request, "reason", RW_REASON_TEXT_MAX);
	if (ask.reason != NULL)
		act(request, &ask);
}
