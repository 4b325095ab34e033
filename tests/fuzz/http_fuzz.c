/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as the API takes it apart before any handler sees it: target, client,
 * head, parameters, body, and what it says of encodings and tags. The input is
 *
 *	METHOD TARGET
 *	Name: value      (of the headers that count)
 *
 *	BODY
 *
 * Whatever it is, it is taken, or refused by one answer in the error's shape.
 */
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "collector/api/encode.h"
#include "collector/api/forms.h"
#include "collector/api/internal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP_MS = 1000 };

static struct rw_api api = {.name = "c1", .listen_host = "192.0.2.1"};

/* ---- what a handler would ask, and no check may ------------------------------------ */

int rw_hub_call(struct rw_hub *hub, rw_hub_fn *fn, void *context)
{
	(void)hub, (void)fn, (void)context;
	abort();
}

int rw_store_reader_open(const char *path, struct rw_store_reader **out,
			 char error[RW_STORE_ERROR_BYTES])
{
	(void)path, (void)out, (void)error;
	abort();
}

bool rw_check_fleetlock(struct rw_request *request, const struct rw_head *head)
{
	(void)request, (void)head;
	abort();
}

void rw_store_reader_close(struct rw_store_reader *reader)
{
	(void)reader;
	abort();
}

/* Routes of each form that the real ones have. */
const struct rw_route rw_routes[] = {
	{"GET", "/", RW_ROLE_NONE, NULL, "", NULL},
	{"GET", "/healthz", RW_ROLE_NONE, NULL, "", NULL},
	{"GET", "/v1/hosts", RW_ROLE_READ, NULL, "ring state limit cursor", NULL},
	{"GET", "/v1/events/:/:/:", RW_ROLE_READ, NULL, "", NULL},
	{"POST", "/v1/deployments", RW_ROLE_ROLLOUT, NULL, "",
	 "deployment=s component=s version=s exposure=s match=s rings=a"},
	{"POST", "/v1/deployments/:/rings/:/start", RW_ROLE_ROLLOUT, NULL, "", "step=i"},
	{"POST", "/v1/deployments/:/finish", RW_ROLE_ROLLOUT, NULL, "", ""},
	{"POST", "/v1/hosts/:/maintenance", RW_ROLE_OPERATOR, NULL, "", "seconds=i reason=s"},
};
const size_t rw_route_count = sizeof(rw_routes) / sizeof(rw_routes[0]);

/* ---- the server that is asked ------------------------------------------------------- */

/* The tokens "read" and "operator", named as their roles. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const roles[] = {"read", "operator"};
	char path[] = "/tmp/ringwatch-http-fuzz-XXXXXX";
	char error[RW_TOKEN_ERROR_BYTES];
	static char *hosts[] = {(char *)"ringwatch.example.net"};
	FILE *file = fdopen(mkstemp(path), "w");

	(void)argc, (void)argv;
	must(file != NULL);
	for (size_t i = 0; i < 2; i++) {
		unsigned char digest[SHA256_DIGEST_LENGTH];

		SHA256((const unsigned char *)roles[i], strlen(roles[i]), digest);
		fprintf(file, "%s %s ", roles[i], roles[i]);
		for (size_t k = 0; k < sizeof(digest); k++)
			fprintf(file, "%02x", digest[k]);
		fputc('\n', file);
	}
	must(fclose(file) == 0);
	must(rw_tokens_load(path, &api.tokens, error) == 0);
	unlink(path);
	pthread_mutex_init(&api.lock, NULL);
	api.hosts = hosts;
	api.host_count = 1;
	api.limits = rw_limits_new(&rw_rates_default);
	must(api.limits != NULL);
	return 0;
}

/* ---- one request ------------------------------------------------------------------------ */

struct input {
	struct rw_head head;
	const char *target, *accept_encoding, *if_none_match;
};

static void take_header(struct input *in, const char *name, const char *value)
{
	struct rw_head *head = &in->head;
	const struct {
		const char *name;
		const char **where;
	} once[] = {{"Host", &head->host},
		    {"Authorization", &head->authorization},
		    {"Content-Type", &head->content_type},
		    {"Accept-Encoding", &in->accept_encoding},
		    {"If-None-Match", &in->if_none_match}};

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		if (strcasecmp(name, once[i].name) != 0)
			continue;
		if (*once[i].where != NULL && i < 3)
			head->repeated = once[i].name;
		*once[i].where = value;
	}
}

/* Cuts the head in place; the body, or NULL when the head has no end. */
static char *cut(char *text, struct input *in)
{
	char *line = strsep(&text, "\n");

	in->head.method = strsep(&line, " ");
	in->target = line == NULL ? "" : line;
	while (text != NULL && *text != '\n') {
		line = strsep(&text, "\n");
		const char *name = strsep(&line, ":");
		if (line != NULL)
			take_header(in, name, line + strspn(line, " "));
	}
	return text == NULL ? NULL : text + 1;
}

/* An answer with a 4xx, or none at all. */
static void check_answer(const struct rw_request *request, bool taken)
{
	must(taken == (request->status == 0));
	must(taken == (request->text == NULL));
	if (taken)
		return;
	must(request->status >= 400 && request->status < 500);
	must((request->status == 405) == (request->allow != NULL));
	must((request->status == 429) == (request->retry_s > 0));
	json_t *json =
		json_loadb(request->text, request->text_length, JSON_REJECT_DUPLICATES, NULL);
	const char *code = NULL, *message = NULL;
	must(json_unpack(json, "{s:{s:s, s:s!}!}", "error", "code", &code, "message", &message) ==
	     0);
	must(*code != '\0' && *message != '\0' && strpbrk(message, "\n\x1b") == NULL);
	json_decref(json);
}

static void check_params(const struct rw_uri *uri)
{
	must(uri->param_count <= RW_URI_PARAMS_MAX);
	for (uint32_t i = 0; i < uri->param_count; i++) {
		size_t length = strlen(uri->params[i].value);

		must(length > 0 && length <= RW_URI_VALUE_MAX);
		must(rw_text_is_clean(uri->params[i].value, length));
		must(rw_uri_value(uri, uri->params[i].name) == uri->params[i].value);
	}
}

static void ask(struct rw_request *request, const struct input *in, const char *body, size_t length)
{
	char error[RW_URI_ERROR_BYTES] = "";
	int err = rw_uri_parse(in->target, &request->uri, error);

	if (err != 0) {
		check_text(error, sizeof(error));
		must(error[0] != '\0');
	} else {
		check_params(&request->uri);
	}
	bool taken = rw_check_client(request, &in->head);
	must((request->role == RW_ROLE_NONE) == (request->actor[0] == '\0'));
	if (taken && err != 0)
		return;
	taken = taken && rw_check_head(request, &in->head);
	if (taken)
		must(request->role >= request->route->role);
	taken = taken && rw_check_body(request, body, length);
	check_answer(request, taken);
	if (taken)
		must((request->body != NULL) == (request->route->fields != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t now_ms = 1;
	struct input in = {.head = {.now_ms = now_ms += STEP_MS}};
	struct rw_request *request = calloc(1, sizeof(*request));
	char *text = malloc(size + 1);

	must(request != NULL && text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	const char *body = cut(text, &in);
	size_t length = body == NULL ? 0 : size - (size_t)(body - text);
	char *exact = malloc(length + (length == 0)); /* so that nothing behind it is read unseen */
	must(exact != NULL);
	if (length > 0)
		memcpy(exact, body, length);
	in.head.content_length = length;
	request->api = &api;
	ask(request, &in, exact, length);
	(void)rw_accepts_gzip(in.accept_encoding);
	(void)rw_etag_matches(in.if_none_match, "W/\"abc\"");
	json_decref(request->body);
	free(request->text);
	free(request);
	free(exact);
	free(text);
	return 0;
}
