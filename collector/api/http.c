/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: libmicrohttpd with a small pool of threads.
 *
 * A request's head is checked before its body is kept; the body of a refused
 * request is read and dropped, so that a client which sends all before it
 * listens still hears why. What begins too large to drop is answered at once.
 *
 * Limits: 256 connections, 32 KiB of head, 64 KiB of body, 10 s of silence, 30 s
 * for a request in all. A request that waits for the loop or for a commit holds
 * one thread of the pool, never the loop.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "collector/api/internal.h"
#include "lib/clock.h"

enum {
	POOL_THREADS = 4,
	CONNECTIONS_MAX = 256,
	CONNECTION_MEMORY = 32 * 1024,
	SILENCE_S = 10,
	REQUEST_MS = 30 * 1000,
	DROPPED_BODY_MAX = 1024 * 1024,
};

/* One request, from its first line to its last byte out. */
struct exchange {
	struct rw_request request;
	bool begun;
	int uri_status;
	char uri_error[RW_URI_ERROR_BYTES];
	size_t received;
	char *body;
};

/* ---- the head ------------------------------------------------------------------ */

struct head_walk {
	struct rw_head *head;
	bool expects_continue;
};

static void take_once(struct rw_head *head, const char **where, const char *name, const char *value)
{
	if (*where != NULL)
		head->repeated = name;
	*where = value;
}

static enum MHD_Result take_header(void *context, enum MHD_ValueKind kind, const char *name,
				   const char *value)
{
	struct head_walk *walk = context;
	struct rw_head *head = walk->head;

	(void)kind;
	if (value == NULL)
		value = "";
	if (strcasecmp(name, "Host") == 0)
		take_once(head, &head->host, "Host", value);
	else if (strcasecmp(name, "Authorization") == 0)
		take_once(head, &head->authorization, "Authorization", value);
	else if (strcasecmp(name, "Content-Type") == 0)
		take_once(head, &head->content_type, "Content-Type", value);
	else if (strcasecmp(name, "Content-Length") == 0)
		head->content_length = strtoull(value, NULL, 10);
	else if (strcasecmp(name, "Expect") == 0)
		walk->expects_continue = true;
	return MHD_YES;
}

static void read_local_address(struct MHD_Connection *connection, struct rw_head *head)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	socklen_t length = sizeof(head->local);

	if (info == NULL ||
	    getsockname(info->connect_fd, (struct sockaddr *)&head->local, &length) != 0)
		head->local = (struct sockaddr_storage){0};
}

static void refuse_size(struct rw_request *request)
{
	rw_fail(request, 413, "too_large", "the body must be at most %d bytes", RW_BODY_MAX);
}

static void check_head(struct exchange *exchange, const struct rw_head *head)
{
	struct rw_request *request = &exchange->request;

	if (exchange->uri_status == -E2BIG)
		rw_fail(request, 414, "too_large", "%s", exchange->uri_error);
	else if (exchange->uri_status != 0)
		rw_fail(request, 400, "bad_request", "%s", exchange->uri_error);
	else if (rw_check_head(request, head) && head->content_length > RW_BODY_MAX)
		refuse_size(request);
}

/* ---- the answer ------------------------------------------------------------------ */

static enum MHD_Result respond(struct rw_request *request, struct MHD_Connection *connection)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		request->text_length, request->text, MHD_RESPMEM_MUST_FREE);

	if (response == NULL)
		return MHD_NO;
	request->text = NULL; /* the response's now */
	MHD_add_response_header(response, "Content-Type", request->content_type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (request->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"ringwatch\"");
	if (request->allow != NULL)
		MHD_add_response_header(response, "Allow", request->allow);
	enum MHD_Result result = MHD_queue_response(connection, request->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result begin(struct rw_api *api, struct exchange *exchange,
			     struct MHD_Connection *connection, const char *method)
{
	struct rw_head head = {.method = method};
	struct head_walk walk = {.head = &head};

	exchange->begun = true;
	exchange->request.api = api;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, &walk);
	read_local_address(connection, &head);
	check_head(exchange, &head);
	if (exchange->request.status != 0 &&
	    (walk.expects_continue || head.content_length > DROPPED_BODY_MAX))
		return respond(&exchange->request, connection);
	return MHD_YES;
}

/* Keeps a piece of the body, or drops it when the request is refused. */
static enum MHD_Result take_piece(struct exchange *exchange, const char *data, size_t size)
{
	struct rw_request *request = &exchange->request;

	exchange->received += size;
	if (exchange->received > DROPPED_BODY_MAX)
		return MHD_NO;
	if (request->status == 0 && request->route->fields == NULL)
		rw_fail(request, 400, "bad_request", "body: a GET has none");
	if (request->status == 0 && exchange->received > RW_BODY_MAX)
		refuse_size(request);
	if (request->status != 0)
		return MHD_YES;
	char *larger = realloc(exchange->body, exchange->received);
	if (larger == NULL)
		return MHD_NO;
	memcpy(larger + exchange->received - size, data, size);
	exchange->body = larger;
	return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *data, size_t *data_size, void **state)
{
	struct exchange *exchange = *state;

	(void)path; /* decoded; ours is parsed from the target as it came */
	(void)version;
	if (exchange == NULL) /* on_begin had no memory */
		return MHD_NO;
	if (!exchange->begun)
		return begin(context, exchange, connection, method);
	if (*data_size > 0) {
		size_t size = *data_size;

		*data_size = 0;
		return take_piece(exchange, data, size);
	}

	struct rw_request *request = &exchange->request;
	if (request->status == 0 && rw_check_body(request, exchange->body, exchange->received))
		request->route->handler(request);
	if (request->status == 0)
		rw_fail(request, 500, "internal", "no answer");
	return respond(request, connection);
}

/* ---- begin and end of requests and connections ------------------------------------- */

static void *on_begin(void *context, const char *target, struct MHD_Connection *connection)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	(void)context;
	(void)connection;
	if (exchange != NULL)
		exchange->uri_status =
			rw_uri_parse(target, &exchange->request.uri, exchange->uri_error);
	return exchange;
}

static struct rw_deadline *deadline_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

static void on_end(void *context, struct MHD_Connection *connection, void **state,
		   enum MHD_RequestTerminationCode code)
{
	struct rw_api *api = context;
	struct exchange *exchange = *state;

	(void)code;
	rw_deadlines_renew(api->deadlines, deadline_of(connection), rw_clock_boot_ms());
	*state = NULL;
	if (exchange == NULL)
		return;
	json_decref(exchange->request.body);
	free(exchange->request.text);
	free(exchange->body);
	free(exchange);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct rw_api *api = context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		rw_deadlines_remove(api->deadlines, *socket_context);
		*socket_context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info != NULL)
		*socket_context =
			rw_deadlines_add(api->deadlines, info->connect_fd, rw_clock_boot_ms());
}

/* ---- life ---------------------------------------------------------------------------- */

static int start_server(struct rw_api *api, const char *address, char error[RW_API_ERROR_BYTES])
{
	int fd = rw_listen(address, api->listen_host, &api->port, error);

	if (fd < 0)
		return fd;
	int err = rw_deadlines_start(REQUEST_MS, &api->deadlines);
	if (err != 0) {
		close(fd);
		snprintf(error, RW_API_ERROR_BYTES, "%.100s: %s", address, strerror(-err));
		return err;
	}
	errno = 0;
	api->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, api,
		MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_THREAD_POOL_SIZE,
		(unsigned)POOL_THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S, MHD_OPTION_URI_LOG_CALLBACK,
		on_begin, api, MHD_OPTION_NOTIFY_COMPLETED, on_end, api,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, api, MHD_OPTION_END);
	if (api->daemon != NULL)
		return 0; /* the descriptor is the daemon's, which closes it */
	err = errno != 0 ? -errno : -ENOMEM;
	snprintf(error, RW_API_ERROR_BYTES, "%.100s: the server does not start: %s", address,
		 strerror(-err));
	return err;
}

static void release(struct rw_api *api)
{
	rw_deadlines_stop(api->deadlines);
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
	struct rw_api *api = calloc(1, sizeof(*api));
	int err = -ENOMEM;

	if (api == NULL) {
		snprintf(error, RW_API_ERROR_BYTES, "%s", strerror(ENOMEM));
		return err;
	}
	pthread_mutex_init(&api->lock, NULL);
	api->hub = hub;
	snprintf(api->name, sizeof(api->name), "%s", config->name);
	api->store_path = strdup(config->store_path);
	api->tokens_file = strdup(config->tokens_file);
	if (api->store_path == NULL || api->tokens_file == NULL)
		snprintf(error, RW_API_ERROR_BYTES, "%s", strerror(ENOMEM));
	else
		err = rw_tokens_load(api->tokens_file, &api->tokens, error);
	if (err == 0)
		err = start_server(api, config->listen, error);
	if (err != 0) {
		release(api);
		return err;
	}
	*out = api;
	return 0;
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
