/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: libmicrohttpd with a small pool of threads.
 *
 * A request's head is checked before its body is kept; the body of a refused
 * request is read and dropped, so that a client which sends all before it
 * listens still hears why. What begins too large to drop is answered at once.
 *
 * Limits: 384 connections, of which the longest idle ends when one more comes,
 * 32 KiB of head, 64 KiB of body, 10 s of silence, 30 s for a request in all. A
 * request that waits for the loop or for a commit holds one thread of the pool,
 * never the loop.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "collector/api/encode.h"
#include "collector/api/feed.h"
#include "collector/api/internal.h"
#include "collector/api/page.h"
#include "lib/clock.h"

enum {
	POOL_THREADS = 4,
	/* Beyond the first figure the longest idle ones make room; the rest of the second is
	 * for those on their way out, because a full server takes nobody. */
	CONNECTIONS_KEPT = 384,
	CONNECTIONS_MAX = 768,
	CONNECTION_MEMORY = 32 * 1024,
	SILENCE_S = 10,
	REQUEST_MS = 30 * 1000,
	DROPPED_BODY_MAX = 1024 * 1024,
	STREAM_BLOCK = 16 * 1024,
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
	else if (strcasecmp(name, "fleet-lock-protocol") == 0)
		take_once(head, &head->fleet_lock, "fleet-lock-protocol", value);
	else if (strcasecmp(name, "Content-Length") == 0)
		head->content_length = strtoull(value, NULL, 10);
	else if (strcasecmp(name, "Expect") == 0)
		walk->expects_continue = true;
	return MHD_YES;
}

static void read_addresses(struct MHD_Connection *connection, struct rw_head *head)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	socklen_t length = sizeof(head->local);

	if (info == NULL ||
	    getsockname(info->connect_fd, (struct sockaddr *)&head->local, &length) != 0)
		head->local = (struct sockaddr_storage){0};
	length = sizeof(head->peer);
	if (info == NULL ||
	    getpeername(info->connect_fd, (struct sockaddr *)&head->peer, &length) != 0)
		head->peer = (struct sockaddr_storage){0};
}

static void refuse_size(struct rw_request *request)
{
	rw_fail(request, 413, "too_large", "the body must be at most %d bytes", RW_BODY_MAX);
}

static void check_head(struct exchange *exchange, const struct rw_head *head)
{
	struct rw_request *request = &exchange->request;

	if (!rw_check_client(request, head))
		return;
	if (exchange->uri_status == -E2BIG)
		rw_fail(request, 414, "too_large", "%s", exchange->uri_error);
	else if (exchange->uri_status != 0)
		rw_fail(request, 400, "bad_request", "%s", exchange->uri_error);
	else if (rw_check_head(request, head) && head->content_length > RW_BODY_MAX)
		refuse_size(request);
}

/* ---- the answer ------------------------------------------------------------------ */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Tags the body; what the client has already is not sent again. */
static void tag(struct rw_request *request, struct MHD_Connection *connection,
		char etag[RW_ETAG_BYTES])
{
	rw_etag_of(request->text, request->text_length, etag);
	if (rw_etag_matches(header_of(connection, "If-None-Match"), etag)) {
		request->status = MHD_HTTP_NOT_MODIFIED;
		request->text_length = 0;
	}
}

static bool pack(struct rw_request *request, struct MHD_Connection *connection)
{
	size_t length;

	if (request->text_length < RW_GZIP_LEAST ||
	    !rw_accepts_gzip(header_of(connection, "Accept-Encoding")))
		return false;
	char *packed = rw_gzip(request->text, request->text_length, &length);
	if (packed == NULL)
		return false;
	free(request->text);
	request->text = packed;
	request->text_length = length;
	return true;
}

static void add_headers(const struct rw_request *request, struct MHD_Response *response,
			const char *etag, bool packed)
{
	char seconds[16];

	MHD_add_response_header(response, "Content-Type", request->content_type);
	MHD_add_response_header(response, "Cache-Control",
				etag[0] != '\0' ? "private, no-cache" : "no-store");
	MHD_add_response_header(response, "Vary", "Authorization, Accept-Encoding");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (etag[0] != '\0')
		MHD_add_response_header(response, "ETag", etag);
	if (packed)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	if (request->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"ringwatch\"");
	if (request->status == 429) {
		snprintf(seconds, sizeof(seconds), "%u", (unsigned)request->retry_s);
		MHD_add_response_header(response, "Retry-After", seconds);
	}
	if (request->allow != NULL)
		MHD_add_response_header(response, "Allow", request->allow);
}

static enum MHD_Result queue(const struct rw_request *request, struct MHD_Connection *connection,
			     unsigned status, struct MHD_Response *response)
{
	rw_traffic_answered(&request->api->traffic, request, status, rw_clock_boot_ns());
	return MHD_queue_response(connection, status, response);
}

/* A file of the dashboard: its bytes are the program's own. */
static enum MHD_Result send_page(struct rw_request *request, const struct rw_page *page,
				 struct MHD_Connection *connection)
{
	bool known = rw_page_is_known(page, header_of(connection, "If-None-Match"));
	struct MHD_Response *response = MHD_create_response_from_buffer(
		known ? 0 : page->length, (void *)page->bytes, MHD_RESPMEM_PERSISTENT);

	if (response == NULL)
		return MHD_NO;
	rw_page_headers(page, response);
	enum MHD_Result result = queue(request, connection, known ? 304 : 200, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond(struct rw_request *request, struct MHD_Connection *connection)
{
	const struct rw_page *page = rw_page_of(request, header_of(connection, "Accept"));

	if (page != NULL)
		return send_page(request, page, connection);
	char etag[RW_ETAG_BYTES] = "";

	if (request->tagged && request->status == 200 && request->text != NULL)
		tag(request, connection, etag);
	bool packed = pack(request, connection);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		request->text_length, request->text, MHD_RESPMEM_MUST_FREE);

	if (response == NULL)
		return MHD_NO;
	request->text = NULL; /* the response's now */
	add_headers(request, response, etag, packed);
	enum MHD_Result result = queue(request, connection, request->status, response);
	MHD_destroy_response(response);
	return result;
}

/* What a connection has from its beginning to its end. */
struct link {
	struct rw_deadline *deadline; /* NULL: there was no memory */
	struct rw_api_tls *tls;       /* what its session was set up with; NULL: plain */
};

static const struct link *link_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

static struct rw_deadline *deadline_of(struct MHD_Connection *connection)
{
	const struct link *link = link_of(connection);

	return link == NULL ? NULL : link->deadline;
}

/* ---- streams ---------------------------------------------------------------------- */

struct stream {
	struct rw_api *api;
	struct MHD_Connection *connection;
	struct rw_listener *listener;
};

static void wait_for_more(void *connection)
{
	MHD_suspend_connection(connection);
}

static void wake_connection(void *connection)
{
	MHD_resume_connection(connection);
}

/* Whoever takes something has its whole time again; whoever takes nothing is cut off. */
static ssize_t take_stream(void *context, uint64_t position, char *out, size_t size)
{
	struct stream *stream = context;
	ssize_t taken = rw_listener_take(stream->listener, out, size, wait_for_more);

	(void)position;
	if (taken > 0) {
		struct rw_deadline *deadline = deadline_of(stream->connection);

		rw_deadlines_renew(stream->api->deadlines, deadline, rw_clock_boot_ms());
		rw_deadlines_engage(stream->api->deadlines, deadline);
	}
	return taken < 0 ? MHD_CONTENT_READER_END_OF_STREAM : taken;
}

static void end_stream(void *context)
{
	struct stream *stream = context;

	rw_listener_leave(stream->listener);
	free(stream);
}

static void refuse_stream(struct rw_request *request, int err)
{
	if (err == -EINVAL)
		rw_fail(request, 400, "bad_request",
			"Last-Event-ID: expected one that a message had, as 12-34");
	else if (err == -EBUSY)
		rw_fail(request, 503, "unavailable", "%d listen already", (int)RW_FEED_LISTENERS);
	else
		rw_fail(request, 503, "unavailable", "%s", strerror(-err));
}

static const char *token_of(struct MHD_Connection *connection)
{
	const char *header = header_of(connection, "Authorization");

	return header != NULL && strlen(header) > 7 ? header + 7 : "";
}

/* NULL after answering why nobody may listen now. */
static struct MHD_Response *open_stream(struct rw_request *request,
					struct MHD_Connection *connection)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int err = stream == NULL ? -ENOMEM : 0;

	if (err == 0) {
		stream->api = request->api;
		stream->connection = connection;
		err = rw_feed_join(request->api->feed, token_of(connection),
				   header_of(connection, "Last-Event-ID"), connection,
				   &stream->listener);
	}
	if (err != 0) {
		free(stream);
		refuse_stream(request, err);
		return NULL;
	}
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_BLOCK, take_stream, stream, end_stream);
	if (response == NULL) {
		end_stream(stream);
		refuse_stream(request, -ENOMEM);
	}
	return response;
}

static enum MHD_Result respond_stream(struct rw_request *request, struct MHD_Connection *connection)
{
	struct MHD_Response *response = open_stream(request, connection);

	if (response == NULL)
		return respond(request, connection);
	MHD_add_response_header(response, "Content-Type", "text/event-stream");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Accel-Buffering", "no");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	enum MHD_Result result = queue(request, connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

void rw_get_stream(struct rw_request *request)
{
	request->streams = true;
	request->status = 200;
}

/* Whose certificate was shown; NULL: no host's. */
static const struct rw_identity *read_host(struct MHD_Connection *connection,
					   struct rw_identity *out)
{
	const struct link *link = link_of(connection);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	if (link == NULL || link->tls == NULL || info == NULL)
		return NULL;
	return rw_api_tls_host(link->tls, info->tls_session, out) ? out : NULL;
}

static enum MHD_Result begin(struct rw_api *api, struct exchange *exchange,
			     struct MHD_Connection *connection, const char *method)
{
	struct rw_head head = {.method = method, .now_ms = rw_clock_boot_ms()};
	struct head_walk walk = {.head = &head};
	struct rw_identity host;

	exchange->begun = true;
	exchange->request.api = api;
	exchange->request.begun_ns = rw_clock_boot_ns();
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, &walk);
	read_addresses(connection, &head);
	if (head.fleet_lock != NULL) /* nobody else goes by it */
		head.certified = read_host(connection, &host);
	check_head(exchange, &head);
	if (exchange->request.status != 0 &&
	    (walk.expects_continue || head.content_length > DROPPED_BODY_MAX))
		return respond(&exchange->request, connection);
	if (exchange->request.status == 0)
		rw_deadlines_engage(api->deadlines, deadline_of(connection));
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
	if (request->streams)
		return respond_stream(request, connection);
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

/* Before the first byte. A session that cannot be set up is not served. */
static void set_up_session(struct rw_api *api, struct MHD_Connection *connection, struct link *link,
			   int fd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	pthread_mutex_lock(&api->lock);
	link->tls = rw_api_tls_hold(api->tls);
	pthread_mutex_unlock(&api->lock);
	if (link->tls != NULL &&
	    (info == NULL || rw_api_tls_use(link->tls, info->tls_session) != 0)) {
		rw_traffic_connection(&api->traffic, RW_TRAFFIC_UNSERVED);
		shutdown(fd, SHUT_RDWR);
	}
}

static void begin_connection(struct rw_api *api, struct MHD_Connection *connection,
			     void **socket_context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct link *link = calloc(1, sizeof(*link));

	*socket_context = link;
	if (info == NULL)
		return;
	if (link == NULL) { /* without its own credentials it would be let in by the server's */
		rw_traffic_connection(&api->traffic, RW_TRAFFIC_UNSERVED);
		shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	link->deadline = rw_deadlines_add(api->deadlines, info->connect_fd, rw_clock_boot_ms());
	set_up_session(api, connection, link, info->connect_fd);
}

static void end_connection(struct rw_api *api, void **socket_context)
{
	struct link *link = *socket_context;

	*socket_context = NULL;
	if (link == NULL)
		return;
	rw_deadlines_remove(api->deadlines, link->deadline);
	rw_api_tls_release(link->tls);
	free(link);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct rw_api *api = context;
	bool ends = code == MHD_CONNECTION_NOTIFY_CLOSED;

	rw_traffic_connection(&api->traffic, ends ? RW_TRAFFIC_CLOSED : RW_TRAFFIC_OPENED);
	if (ends)
		end_connection(api, socket_context);
	else
		begin_connection(api, connection, socket_context);
}

/* ---- life ---------------------------------------------------------------------------- */

static int start_server(struct rw_api *api, const char *address, char error[RW_API_ERROR_BYTES])
{
	if (api->tls != NULL && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
		snprintf(error, RW_API_ERROR_BYTES,
			 "http.tls: this libmicrohttpd is built without TLS");
		return -EINVAL;
	}
	int fd = rw_listen(address, api->listen_host, &api->port, error);

	if (fd < 0)
		return fd;
	int err = rw_deadlines_start(REQUEST_MS, CONNECTIONS_KEPT, &api->deadlines);
	if (err != 0) {
		close(fd);
		snprintf(error, RW_API_ERROR_BYTES, "%.100s: %s", address, strerror(-err));
		return err;
	}
	/* The server starts with the files, too, but serves none by them: see tls.c. */
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0,
		 api->tls == NULL ? NULL : (void *)rw_api_tls_certificate(api->tls)},
		{MHD_OPTION_HTTPS_MEM_KEY, 0,
		 api->tls == NULL ? NULL : (void *)rw_api_tls_key(api->tls)},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)RW_API_TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem *further = api->tls == NULL ? &tls[3] : tls;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
			 (api->tls == NULL ? 0 : MHD_USE_TLS);

	errno = 0;
	api->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, api, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)POOL_THREADS, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S,
		MHD_OPTION_URI_LOG_CALLBACK, on_begin, api, MHD_OPTION_NOTIFY_COMPLETED, on_end,
		api, MHD_OPTION_NOTIFY_CONNECTION, on_connection, api, MHD_OPTION_ARRAY, further,
		MHD_OPTION_END);
	if (api->daemon != NULL)
		return 0; /* the descriptor is the daemon's, which closes it */
	err = errno != 0 ? -errno : -ENOMEM;
	snprintf(error, RW_API_ERROR_BYTES, "%.100s: the server does not start: %s", address,
		 strerror(-err));
	return err;
}

static int start_feed(struct rw_api *api, char error[RW_API_ERROR_BYTES])
{
	const struct rw_feed_config config = {
		.hub = api->hub,
		.store_path = api->store_path,
		.name = api->name,
		.wake = wake_connection,
	};
	int err = rw_feed_start(&config, &api->feed);

	if (err != 0)
		snprintf(error, RW_API_ERROR_BYTES, "%s", strerror(-err));
	return err;
}

static void release(struct rw_api *api)
{
	rw_feed_free(api->feed);
	rw_deadlines_stop(api->deadlines);
	while (api->reader_count > 0)
		rw_store_reader_close(api->readers[--api->reader_count]);
	rw_tokens_free(api->tokens);
	rw_api_tls_release(api->tls);
	rw_limits_free(api->limits);
	for (uint32_t i = 0; i < api->host_count; i++)
		free(api->hosts[i]);
	free(api->hosts);
	rw_slots_free(api->slots);
	free(api->store_path);
	free(api->tokens_file);
	pthread_mutex_destroy(&api->lock);
	free(api);
}

/* False: no memory. */
static bool copy_config(struct rw_api *api, const struct rw_api_config *config)
{
	snprintf(api->name, sizeof(api->name), "%s", config->name);
	api->store_path = strdup(config->store_path);
	api->tokens_file = strdup(config->tokens_file);
	api->limits = rw_limits_new(config->rates == NULL ? &rw_rates_default : config->rates);
	api->slots = rw_slots_new();
	api->hosts = calloc((size_t)config->host_count + 1, sizeof(*api->hosts));
	if (api->store_path == NULL || api->tokens_file == NULL || api->limits == NULL ||
	    api->hosts == NULL || api->slots == NULL)
		return false;
	for (; api->host_count < config->host_count; api->host_count++) {
		api->hosts[api->host_count] = strdup(config->hosts[api->host_count]);
		if (api->hosts[api->host_count] == NULL)
			return false;
	}
	return true;
}

_Static_assert((int)RW_API_TLS_ERROR_BYTES == (int)RW_API_ERROR_BYTES, "one line is another's");

static int load_slots(struct rw_api *api, char error[RW_API_ERROR_BYTES])
{
	char why[RW_STORE_ERROR_BYTES];
	int err = rw_slots_load(api->slots, api->store_path, why);

	if (err != 0)
		snprintf(error, RW_API_ERROR_BYTES, "%.200s", why);
	return err;
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
	if (!copy_config(api, config))
		snprintf(error, RW_API_ERROR_BYTES, "%s", strerror(ENOMEM));
	else
		err = rw_tokens_load(api->tokens_file, &api->tokens, error);
	if (err == 0 && config->tls != NULL)
		err = rw_api_tls_load(config->tls, &api->tls, error);
	if (err == 0)
		err = start_feed(api, error);
	if (err == 0)
		err = load_slots(api, error);
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

static bool is_good(void *context, const char *token)
{
	char name[RW_NAME_MAX + 1];

	return rw_tokens_check(context, token, name) != RW_ROLE_NONE;
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
	rw_feed_check_tokens(api->feed, is_good, fresh);
	rw_tokens_free(old);
	return 0;
}

int rw_api_reload_tls(struct rw_api *api, const struct rw_api_tls_files *files,
		      char error[RW_API_ERROR_BYTES])
{
	struct rw_api_tls *fresh = NULL;

	if ((files == NULL) != (api->tls == NULL)) {
		snprintf(error, RW_API_ERROR_BYTES,
			 "http.tls: from HTTP to HTTPS, or back, takes a restart");
		return -EBUSY;
	}
	int err = files == NULL ? 0 : rw_api_tls_load(files, &fresh, error);
	if (err != 0)
		return err;
	pthread_mutex_lock(&api->lock);
	struct rw_api_tls *old = api->tls;
	api->tls = fresh;
	pthread_mutex_unlock(&api->lock);
	rw_api_tls_release(old);
	return 0;
}

void rw_api_stop(struct rw_api *api)
{
	if (api == NULL)
		return;
	rw_feed_stop(api->feed); /* no connection may be suspended now */
	MHD_stop_daemon(api->daemon);
	release(api);
}
