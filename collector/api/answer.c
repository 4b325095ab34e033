/* SPDX-License-Identifier: Apache-2.0 */
/* How handlers answer, and what they ask: the loop, and the store beside its writer. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/text.h"

enum { MESSAGE_BYTES = 512, REAL_DIGITS = 15 };

void rw_answer_text(struct rw_request *request, unsigned status, const char *content_type,
		    char *text, size_t length)
{
	free(request->text);
	request->status = status;
	request->content_type = content_type;
	request->text = text;
	request->text_length = text == NULL ? 0 : length;
}

void rw_answer(struct rw_request *request, unsigned status, json_t *json)
{
	static const char sorry[] =
		"{\"error\":{\"code\":\"internal\",\"message\":\"out of memory\"}}";
	char *text = json == NULL
			     ? NULL
			     : json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));

	json_decref(json);
	if (text == NULL)
		rw_answer_text(request, 500, "application/json", strdup(sorry), sizeof(sorry) - 1);
	else
		rw_answer_text(request, status, "application/json", text, strlen(text));
}

void rw_answer_tagged(struct rw_request *request, json_t *json)
{
	request->tagged = json != NULL;
	rw_answer(request, 200, json);
}

void rw_fail(struct rw_request *request, unsigned status, const char *code, const char *fmt, ...)
{
	char message[MESSAGE_BYTES];
	char shown[4 * MESSAGE_BYTES];
	va_list args;

	va_start(args, fmt);
	int length = vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (length < 0)
		message[0] = '\0';
	/* One line, and clean even where it was cut within a character. */
	rw_text_escape(shown, sizeof(shown), message, strlen(message));
	request->code = code;
	rw_answer(request, status, rw_form_error(rw_form_of(request->route), status, code, shown));
}

bool rw_ask_loop(struct rw_request *request, rw_hub_fn *fn, void *context)
{
	int err = rw_hub_call(request->api->hub, fn, context);

	if (err == 0)
		return true;
	rw_fail(request, 503, "unavailable", "the collector's loop does not answer: %s",
		strerror(-err));
	return false;
}

/* ---- store connections ----------------------------------------------------- */

struct rw_store_reader *rw_api_take_reader(struct rw_request *request)
{
	struct rw_api *api = request->api;
	struct rw_store_reader *reader = NULL;
	char error[RW_STORE_ERROR_BYTES] = "";

	pthread_mutex_lock(&api->lock);
	if (api->reader_count > 0)
		reader = api->readers[--api->reader_count];
	pthread_mutex_unlock(&api->lock);
	if (reader == NULL && rw_store_reader_open(api->store_path, &reader, error) != 0) {
		rw_fail(request, 503, "unavailable", "the store cannot be read: %s", error);
		return NULL;
	}
	return reader;
}

void rw_api_give_reader(struct rw_api *api, struct rw_store_reader *reader)
{
	pthread_mutex_lock(&api->lock);
	bool kept = api->reader_count < RW_API_READERS;
	if (kept)
		api->readers[api->reader_count++] = reader;
	pthread_mutex_unlock(&api->lock);
	if (!kept)
		rw_store_reader_close(reader);
}
