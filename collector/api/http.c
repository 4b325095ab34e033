/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: libmicrohttpd with a small pool of threads, each request
 * checked in this order before its handler runs: host, path, method, token,
 * query parameters, size and type of the body, fields of the body.
 *
 * Limits: 256 connections, 32 KiB of head, 64 KiB of body, 10 s of silence. A
 * request that waits for the loop or for a commit holds its thread, not the
 * loop; one thread stays free for /healthz by virtue of the pool.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/api/internal.h"
#include "lib/cleanup.h"

enum {
	POOL_THREADS = 4,
	CONNECTIONS_MAX = 256,
	CONNECTION_MEMORY = 32 * 1024,
	CONNECTION_TIMEOUT_S = 10,
	HOST_TEXT_BYTES = 256,
};

struct rw_api {
	struct MHD_Daemon *daemon;
	struct rw_hub *hub;
	char name[RW_NAME_MAX + 1];
	char listen_host[HOST_TEXT_BYTES];
	char *store_path;
	char *tokens_file;
	uint16_t port;

	pthread_mutex_t lock; /* of what follows */
	struct rw_tokens *tokens;
	struct rw_store_reader *readers[RW_API_READERS]; /* idle ones */
	unsigned reader_count;
};

/* One request while its body arrives. */
struct upload {
	bool begun;
	size_t length;
	char *bytes;
};

struct rw_hub *rw_api_hub(struct rw_api *api)
{
	return api->hub;
}

const char *rw_api_name(const struct rw_api *api)
{
	return api->name;
}

/* ---- answers ---------------------------------------------------------------- */

void rw_answer_text(struct rw_request *request, unsigned status, const char *content_type,
		    char *text, size_t length)
{
	free(request->text);
	request->status = status;
	request->content_type = content_type;
	request->text = text;
	request->text_length = length;
}

void rw_answer(struct rw_request *request, unsigned status, json_t *json)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (text == NULL) {
		static const char sorry[] =
			"{\"error\":{\"code\":\"internal\",\"message\":\"out of memory\"}}";
		rw_answer_text(request, 500, "application/json", strdup(sorry), sizeof(sorry) - 1);
		return;
	}
	rw_answer_text(request, status, "application/json", text, strlen(text));
}

void rw_fail(struct rw_request *request, unsigned status, const char *code, const char *fmt, ...)
{
	char message[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	/* A message may have been cut within a character: then the code alone. */
	json_t *text = json_string(message);
	rw_answer(request, status,
		  json_pack("{s:{s:s, s:o}}", "error", "code", code, "message",
			    text != NULL ? text : json_string(code)));
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

/* ---- store connections ---------------------------------------------------------- */

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

/* ---- checks ------------------------------------------------------------------------ */

/* Whether HOST or HOST:PORT names this server. */
static bool host_is_ours(const struct rw_api *api, const char *header)
{
	const char *const known[] = {"localhost", "127.0.0.1", "[::1]", api->listen_host,
				     api->name};

	if (header == NULL)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t length = strlen(known[i]);

		if (length == 0 || strncasecmp(header, known[i], length) != 0)
			continue;
		const char *rest = header + length;
		if (*rest == '\0' ||
		    (*rest == ':' && strspn(rest + 1, "0123456789") == strlen(rest + 1)))
			return true;
	}
	return false;
}

/* Whether `path` has the route's form; names at `:` are copied to `args`. */
static bool path_matches(const char *pattern, const char *path,
			 char args[RW_PATH_ARGS_MAX][RW_NAME_MAX + 1])
{
	unsigned count = 0;

	while (*pattern != '\0') {
		if (*pattern != ':') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t length = strcspn(path, "/");
		if (!rw_name_is_valid(path, length))
			return false;
		memcpy(args[count], path, length);
		args[count++][length] = '\0';
		path += length;
		pattern++;
	}
	return *path == '\0';
}

static bool method_matches(const struct rw_route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static const struct rw_route *find_route(struct rw_request *request, const char *path,
					 const char *method,
					 char args[RW_PATH_ARGS_MAX][RW_NAME_MAX + 1])
{
	bool found = false;

	for (size_t i = 0; i < rw_route_count; i++) {
		if (!path_matches(rw_routes[i].path, path, args))
			continue;
		if (method_matches(&rw_routes[i], method))
			return &rw_routes[i];
		request->allow =
			found || strcmp(rw_routes[i].method, "GET") != 0 ? "POST" : "GET, HEAD";
		if (found)
			request->allow = "GET, HEAD, POST";
		found = true;
	}
	if (found)
		rw_fail(request, 405, "method_not_allowed", "this path takes %s", request->allow);
	else
		rw_fail(request, 404, "not_found", "no such path; the paths are in docs/api.md");
	return NULL;
}

static bool check_token(struct rw_request *request, const struct rw_route *route,
			struct MHD_Connection *connection)
{
	const char *header =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
	enum rw_role role = RW_ROLE_NONE;

	if (route->role == RW_ROLE_NONE)
		return true;
	if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0) {
		pthread_mutex_lock(&request->api->lock);
		role = rw_tokens_check(request->api->tokens, header + 7, request->actor);
		pthread_mutex_unlock(&request->api->lock);
	}
	if (role == RW_ROLE_NONE) {
		rw_fail(request, 401, "unauthorized", "a valid bearer token is needed");
		return false;
	}
	if (role < route->role) {
		rw_fail(request, 403, "forbidden", "token '%s' has role %s, this needs %s",
			request->actor, rw_role_name(role), rw_role_name(route->role));
		return false;
	}
	return true;
}

static bool word_stands_in(const char *words, const char *word)
{
	size_t length = strlen(word);

	while (*words != '\0') {
		size_t n = strcspn(words, " ");

		if (n == length && memcmp(words, word, n) == 0)
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

struct param_walk {
	struct rw_request *request;
	const char *known;
	const char *fault;
	const char *name;
};

static enum MHD_Result take_param(void *context, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	struct param_walk *walk = context;
	struct rw_request *request = walk->request;

	(void)kind;
	walk->name = name;
	if (strcmp(name, "token") == 0 || strcmp(name, "access_token") == 0)
		walk->fault = "a token is never taken from a URL";
	else if (!word_stands_in(walk->known, name) || request->param_count == RW_PARAMS_MAX)
		walk->fault = "unknown parameter";
	else if (rw_param_value(request, name) != NULL)
		walk->fault = "stands more than once";
	else if (value == NULL || *value == '\0' || strlen(value) > RW_CORE_TEXT_BYTES)
		walk->fault = "expected a value of 1 to 256 bytes";
	if (walk->fault != NULL)
		return MHD_NO;
	request->params[request->param_count++] = (struct rw_param){name, value};
	return MHD_YES;
}

static bool check_params(struct rw_request *request, const struct rw_route *route,
			 struct MHD_Connection *connection)
{
	struct param_walk walk = {.request = request, .known = route->params};

	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_param, &walk);
	if (walk.fault == NULL)
		return true;
	rw_fail(request, 400, "bad_request", "%s: %s", walk.name, walk.fault);
	return false;
}

const char *rw_param_value(const struct rw_request *request, const char *name)
{
	for (uint32_t i = 0; i < request->param_count; i++) {
		if (strcmp(request->params[i].name, name) == 0)
			return request->params[i].value;
	}
	return NULL;
}

/* ---- bodies ---------------------------------------------------------------------------- */

static const char *type_fault(const json_t *value, char type)
{
	if (type == 's' && !json_is_string(value))
		return "expected a string";
	if (type == 'i' && !json_is_integer(value))
		return "expected an integer";
	if (type == 'a' && !json_is_array(value))
		return "expected an array";
	return NULL;
}

/* `fields` is the route's "name=t name=t": each must stand in the body, nothing else may. */
static bool check_fields(struct rw_request *request, const char *fields)
{
	size_t known = 0;
	const char *name;
	json_t *value;

	for (const char *at = fields; *at != '\0'; known++) {
		size_t length = strcspn(at, "=");
		char field[32];

		snprintf(field, sizeof(field), "%.*s", (int)length, at);
		value = json_object_get(request->body, field);
		const char *fault = value == NULL ? "missing" : type_fault(value, at[length + 1]);
		if (fault != NULL) {
			rw_fail(request, 400, "bad_request", "%s: %s", field, fault);
			return false;
		}
		at += length + 2;
		at += *at == ' ';
	}
	if (json_object_size(request->body) == known)
		return true;
	json_object_foreach(request->body, name, value)
	{
		char pattern[64];

		snprintf(pattern, sizeof(pattern), "%.60s=", name);
		const char *at = strstr(fields, pattern);
		if (at == NULL || (at != fields && at[-1] != ' ')) {
			rw_fail(request, 400, "bad_request", "%.60s: unknown field", name);
			return false;
		}
	}
	rw_fail(request, 400, "bad_request", "unknown field");
	return false;
}

static bool check_body(struct rw_request *request, const struct rw_route *route,
		       struct MHD_Connection *connection, const struct upload *upload)
{
	const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
	json_error_t error;

	if (route->fields == NULL)
		return true;
	if (type == NULL || strncasecmp(type, "application/json", 16) != 0 ||
	    (type[16] != '\0' && type[16] != ';' && type[16] != ' ')) {
		rw_fail(request, 415, "unsupported_media_type",
			"the body must be application/json");
		return false;
	}
	request->body = json_loadb(upload->bytes == NULL ? "" : upload->bytes, upload->length,
				   JSON_REJECT_DUPLICATES, &error);
	if (request->body == NULL) {
		rw_fail(request, 400, "bad_request", "body: line %d: %s", error.line, error.text);
		return false;
	}
	if (!json_is_object(request->body)) {
		rw_fail(request, 400, "bad_request", "body: expected an object");
		return false;
	}
	return check_fields(request, route->fields);
}

/* ---- one request --------------------------------------------------------------------------- */

static void serve(struct rw_request *request, struct MHD_Connection *connection, const char *path,
		  const char *method, const struct upload *upload)
{
	char args[RW_PATH_ARGS_MAX][RW_NAME_MAX + 1] = {{0}};
	const struct rw_route *route;

	if (!host_is_ours(request->api,
			  MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"))) {
		rw_fail(request, 421, "misdirected", "the Host header names another server");
		return;
	}
	route = find_route(request, path, method, args);
	if (route == NULL || !check_token(request, route, connection) ||
	    !check_params(request, route, connection) ||
	    !check_body(request, route, connection, upload))
		return;
	for (unsigned i = 0; i < RW_PATH_ARGS_MAX; i++)
		request->args[i] = args[i];
	route->handler(request);
	if (request->status == 0)
		rw_fail(request, 500, "internal", "no answer");
}

static enum MHD_Result respond(struct rw_request *request, struct MHD_Connection *connection)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		request->text_length, request->text, MHD_RESPMEM_MUST_FREE);

	if (response == NULL) {
		free(request->text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", request->content_type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (request->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"ringwatch\"");
	if (request->status == 405)
		MHD_add_response_header(response, "Allow", request->allow);
	enum MHD_Result result = MHD_queue_response(connection, request->status, response);
	MHD_destroy_response(response);
	return result;
}

static bool announces_too_much(struct MHD_Connection *connection)
{
	const char *length =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

	return length != NULL && strtoull(length, NULL, 10) > RW_BODY_MAX;
}

static enum MHD_Result refuse_size(struct rw_api *api, struct MHD_Connection *connection)
{
	struct rw_request request = {.api = api};

	rw_fail(&request, 413, "too_large", "the body must be at most %d bytes", RW_BODY_MAX);
	return respond(&request, connection);
}

/* Keeps the body's bytes up to the limit; false when it is beyond. */
static bool take_upload(struct upload *upload, const char *data, size_t size)
{
	if (upload->length + size > RW_BODY_MAX)
		return false;
	char *larger = realloc(upload->bytes, upload->length + size);
	if (larger == NULL)
		return false;
	memcpy(larger + upload->length, data, size);
	upload->bytes = larger;
	upload->length += size;
	return true;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *data, size_t *data_size, void **state)
{
	struct rw_api *api = context;
	struct upload *upload = *state;

	(void)version;
	if (!upload->begun) {
		upload->begun = true;
		return announces_too_much(connection) ? refuse_size(api, connection) : MHD_YES;
	}
	if (*data_size > 0) {
		/* A chunked body that grows beyond the limit: the connection ends. */
		if (!take_upload(upload, data, *data_size))
			return MHD_NO;
		*data_size = 0;
		return MHD_YES;
	}

	struct rw_request request = {.api = api};
	serve(&request, connection, path, method, upload);
	json_decref(request.body);
	return respond(&request, connection);
}

static void *on_begin(void *context, const char *uri, struct MHD_Connection *connection)
{
	(void)context;
	(void)uri;
	(void)connection;
	return calloc(1, sizeof(struct upload));
}

static enum MHD_Result on_request_checked(void *context, struct MHD_Connection *connection,
					  const char *path, const char *method, const char *version,
					  const char *data, size_t *data_size, void **state)
{
	if (*state == NULL) /* on_begin had no memory */
		return MHD_NO;
	return on_request(context, connection, path, method, version, data, data_size, state);
}

static void on_end(void *context, struct MHD_Connection *connection, void **state,
		   enum MHD_RequestTerminationCode code)
{
	struct upload *upload = *state;

	(void)context;
	(void)connection;
	(void)code;
	if (upload != NULL)
		free(upload->bytes);
	free(upload);
	*state = NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* "127.0.0.1:8470" or "[::1]:8470" → address. */
static int resolve(const char *listen, struct sockaddr_storage *out, char *host, size_t host_size)
{
	const char *colon = strrchr(listen, ':');
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char bare[HOST_TEXT_BYTES];

	if (colon == NULL || (size_t)(colon - listen) >= host_size)
		return -EINVAL;
	snprintf(host, host_size, "%.*s", (int)(colon - listen), listen);
	bool bracketed = host[0] == '[';
	snprintf(bare, sizeof(bare), "%.*s", (int)(strlen(host) - (bracketed ? 2 : 0)),
		 host + (bracketed ? 1 : 0));
	if (getaddrinfo(bare, colon + 1, &hints, &found) != 0)
		return -EINVAL;
	memcpy(out, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

static int start_daemon(struct rw_api *api, const struct sockaddr_storage *address)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC;

	if (address->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	api->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request_checked, api, MHD_OPTION_SOCK_ADDR, address,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)POOL_THREADS, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_URI_LOG_CALLBACK, on_begin, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
		MHD_OPTION_END);
	if (api->daemon == NULL)
		return errno != 0 ? -errno : -EADDRINUSE;

	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_BIND_PORT);
	api->port = info == NULL ? 0 : info->port;
	return 0;
}

static void release(struct rw_api *api)
{
	while (api->reader_count > 0)
		rw_store_reader_close(api->readers[--api->reader_count]);
	rw_tokens_free(api->tokens);
	free(api->store_path);
	free(api->tokens_file);
	pthread_mutex_destroy(&api->lock);
	free(api);
}

int rw_api_start(const struct rw_api_config *config, struct rw_hub *hub, struct rw_api **out,
		 char error[RW_API_ERROR_BYTES])
{
	struct sockaddr_storage address = {0};
	struct rw_api *api = calloc(1, sizeof(*api));
	int err = -ENOMEM;

	snprintf(error, RW_API_ERROR_BYTES, "%s", strerror(ENOMEM));
	if (api == NULL)
		return err;
	pthread_mutex_init(&api->lock, NULL);
	api->hub = hub;
	snprintf(api->name, sizeof(api->name), "%s", config->name);
	api->store_path = strdup(config->store_path);
	api->tokens_file = strdup(config->tokens_file);
	if (api->store_path == NULL || api->tokens_file == NULL)
		goto failed;

	err = rw_tokens_load(api->tokens_file, &api->tokens, error);
	if (err != 0)
		goto failed;
	err = resolve(config->listen, &address, api->listen_host, sizeof(api->listen_host));
	if (err == 0)
		err = start_daemon(api, &address);
	if (err != 0) {
		snprintf(error, RW_API_ERROR_BYTES, "%.100s: %s", config->listen, strerror(-err));
		goto failed;
	}
	*out = api;
	return 0;

failed:
	release(api);
	return err;
}

uint16_t rw_api_port(const struct rw_api *api)
{
	return api->port;
}

int rw_api_reload(struct rw_api *api, char error[RW_API_ERROR_BYTES])
{
	struct rw_tokens *fresh = NULL;
	int err = rw_tokens_load(api->tokens_file, &fresh, error);

	if (err != 0)
		return err;
	pthread_mutex_lock(&api->lock);
	struct rw_tokens *old = api->tokens;
	api->tokens = fresh;
	pthread_mutex_unlock(&api->lock);
	rw_tokens_free(old);
	return 0;
}

void rw_api_stop(struct rw_api *api)
{
	if (api == NULL)
		return;
	MHD_stop_daemon(api->daemon);
	release(api);
}
