/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flagger's webhooks. It posts {"name","namespace","phase","checksum","metadata":{}},
 * sends no header of ours, and takes every status up to 202 as a yes. So what to ask
 * stands in `metadata`, and each path has one polarity:
 *
 *   gate      yes when the verdict is proceed
 *   check     yes unless it is abort
 *   rollback  yes when it is abort: Flagger rolls back on a yes
 *
 * No is 409 with one line of text, which Flagger copies into its events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/cleanup.h"

struct flagger_ask {
	const char *deployment, *ring;
	enum rw_question question;
	struct rw_verdict verdict;
};

static void ask_verdict(struct rw_core *core, struct rw_now now, void *context)
{
	struct flagger_ask *ask = context;

	rw_core_verdict(core, ask->deployment, ask->ring, ask->question, now, &ask->verdict);
}

/* ---- metadata --------------------------------------------------------------------- */

static bool check_keys(struct rw_request *request, const json_t *metadata)
{
	static const char *const known[] = {"token", "deployment", "ring", "question"};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)metadata, key, value)
	{
		size_t i = 0;

		while (i < 4 && strcmp(key, known[i]) != 0)
			i++;
		if (i == 4) {
			rw_fail(request, 400, "bad_request", "metadata.%.60s: unknown field", key);
			return false;
		}
	}
	return true;
}

/* The text of a field, or NULL. */
static const char *text_of(const json_t *metadata, const char *key)
{
	return json_string_value(json_object_get(metadata, key));
}

static bool check_token(struct rw_request *request, const json_t *metadata)
{
	const char *token = text_of(metadata, "token");
	enum rw_role role = RW_ROLE_NONE;

	if (token != NULL) {
		pthread_mutex_lock(&request->api->lock);
		role = rw_tokens_check(request->api->tokens, token, request->actor);
		pthread_mutex_unlock(&request->api->lock);
	}
	if (role >= RW_ROLE_READ)
		return true;
	rw_fail(request, 401, "unauthorized", "metadata.token: a valid token is needed");
	return false;
}

static const char *name_of(struct rw_request *request, const json_t *metadata, const char *key)
{
	const char *name = text_of(metadata, key);

	if (name != NULL && rw_name_is_valid(name, strlen(name)))
		return name;
	rw_fail(request, 400, "bad_request", "metadata.%s: expected " RW_NAME_EXPECTED, key);
	return NULL;
}

static bool take_question(struct rw_request *request, const json_t *metadata,
			  struct flagger_ask *ask)
{
	const char *question = text_of(metadata, "question");

	if (json_object_get(metadata, "question") == NULL ||
	    (question != NULL && strcmp(question, "advance") == 0)) {
		ask->question = RW_FOR_ADVANCE;
		return true;
	}
	if (question != NULL && strcmp(question, "enter") == 0) {
		ask->question = RW_FOR_ENTER;
		return true;
	}
	rw_fail(request, 400, "bad_request", "metadata.question: expected advance or enter");
	return false;
}

/* The verdict that the body asks for; false after answering. */
static bool take_verdict(struct rw_request *request, struct flagger_ask *ask)
{
	const json_t *metadata = json_object_get(request->body, "metadata");

	if (!check_token(request, metadata) || !check_keys(request, metadata) ||
	    !take_question(request, metadata, ask))
		return false;
	ask->deployment = name_of(request, metadata, "deployment");
	if (ask->deployment == NULL)
		return false;
	ask->ring = name_of(request, metadata, "ring");
	return ask->ring != NULL && rw_ask_loop(request, ask_verdict, ask);
}

/* ---- the answer -------------------------------------------------------------------- */

void rw_verdict_line(const struct rw_verdict *verdict, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "%s: deployment %s in ring %s",
				       rw_decision_name(verdict->decision), verdict->deployment,
				       verdict->ring);

	if (verdict->breaker_open)
		(void)snprintf(out + used, size - used,
			       ": the breaker of ring %s is open, %llu of %llu hosts failed",
			       verdict->open_ring, (unsigned long long)verdict->failed,
			       (unsigned long long)verdict->at_risk);
	for (uint32_t i = 0; i < verdict->reason_count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? ": " : ", ",
					 rw_reason_name(verdict->reasons[i]));
}

static void answer(struct rw_request *request, bool (*is_yes)(enum rw_decision))
{
	rw_autofree struct flagger_ask *ask = calloc(1, sizeof(*ask));
	char *text = malloc(RW_VERDICT_LINE_BYTES + 1);

	if (ask == NULL || text == NULL) {
		rw_answer(request, 500, NULL);
	} else if (take_verdict(request, ask)) {
		rw_verdict_line(&ask->verdict, text, RW_VERDICT_LINE_BYTES);
		size_t length = strlen(text);
		text[length++] = '\n';
		rw_answer_text(request, is_yes(ask->verdict.decision) ? 200 : 409,
			       "text/plain; charset=utf-8", text, length);
		return;
	}
	free(text);
}

static bool proceeds(enum rw_decision decision)
{
	return decision == RW_PROCEED;
}

static bool does_not_abort(enum rw_decision decision)
{
	return decision != RW_ABORT;
}

static bool aborts(enum rw_decision decision)
{
	return decision == RW_ABORT;
}

void rw_post_flagger_gate(struct rw_request *request)
{
	answer(request, proceeds);
}

void rw_post_flagger_check(struct rw_request *request)
{
	answer(request, does_not_abort);
}

void rw_post_flagger_rollback(struct rw_request *request)
{
	answer(request, aborts);
}
