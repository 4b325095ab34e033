/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request must be before its handler sees it, in this order: not one too
 * many of its client, a sound target, one of each header that counts, a host that
 * is ours, a path, its method, a token with the right role, parameters that the
 * path knows, type and size of the body; later, once it has come, the body's fields.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/api/internal.h"

/* ---- client and rate ------------------------------------------------------------ */

static enum rw_role read_token(struct rw_request *request, const struct rw_head *head)
{
	const char *header = head->authorization;
	enum rw_role role = RW_ROLE_NONE;

	if (header != NULL && head->repeated == NULL && strncasecmp(header, "Bearer ", 7) == 0) {
		pthread_mutex_lock(&request->api->lock);
		role = rw_tokens_check(request->api->tokens, header + 7, request->actor);
		pthread_mutex_unlock(&request->api->lock);
	}
	return role;
}

/* What supervisors and controllers ask, often and with no header of ours. */
static bool is_probe(const struct rw_request *request)
{
	static const char *const begins[] = {"/healthz", "/readyz", "/v1/flagger/", "/fleetlock/",
					     "/api/v1/"};
	const char *path = request->uri.path;

	for (size_t i = 0; path != NULL && i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (strncmp(path, begins[i], strlen(begins[i])) == 0)
			return true;
	}
	return false;
}

bool rw_check_client(struct rw_request *request, const struct rw_head *head)
{
	char address[RW_CLIENT_BYTES];
	const char *client = request->actor;
	enum rw_client_class class = RW_CLIENT_TOKEN;

	request->role = read_token(request, head);
	if (request->role == RW_ROLE_NONE) {
		rw_limits_client_of(&head->peer, address);
		client = address;
		class = is_probe(request) ? RW_CLIENT_PROBE : RW_CLIENT_ADDRESS;
	}
	if (rw_limits_take(request->api->limits, class, client, head->now_ms, &request->retry_s))
		return true;
	rw_fail(request, 429, "too_many_requests", "%s asks too often; again in %u s",
		class == RW_CLIENT_TOKEN ? "this token" : "this address",
		(unsigned)request->retry_s);
	return false;
}

/* ---- host --------------------------------------------------------------------- */

/* "HOST" or "HOST:PORT" → HOST, "[::1]" with its brackets. False when it is neither. */
static bool split_host(const char *header, char host[RW_HOST_TEXT_BYTES])
{
	size_t length = header[0] == '[' ? strcspn(header, "]") + 1 : strcspn(header, ":");

	if (length >= RW_HOST_TEXT_BYTES || length > strlen(header))
		return false;
	const char *port = header + length;
	size_t digits = *port == ':' ? strspn(port + 1, "0123456789") : 0;
	if (*port != '\0' && (digits == 0 || digits > 5 || port[1 + digits] != '\0'))
		return false;
	memcpy(host, header, length);
	host[length] = '\0';
	return true;
}

/*
 * Whether `host` is, as digits, the address that was connected to. A name could
 * have been made to resolve to it by anyone (DNS rebinding); digits could not.
 */
static bool is_local_address(const char *host, const struct sockaddr_storage *local)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)local;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)local;
	char bare[RW_HOST_TEXT_BYTES];
	struct in6_addr six;
	struct in_addr four;
	size_t length = strlen(host);

	if (inet_pton(AF_INET, host, &four) == 1) {
		if (local->ss_family == AF_INET)
			return four.s_addr == v4->sin_addr.s_addr;
		return local->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
		       memcmp(&v6->sin6_addr.s6_addr[12], &four, sizeof(four)) == 0;
	}
	if (length < 3 || host[0] != '[' || host[length - 1] != ']')
		return false;
	memcpy(bare, host + 1, length - 2);
	bare[length - 2] = '\0';
	return inet_pton(AF_INET6, bare, &six) == 1 && local->ss_family == AF_INET6 &&
	       memcmp(&six, &v6->sin6_addr, sizeof(six)) == 0;
}

static bool check_host(struct rw_request *request, const struct rw_head *head)
{
	const char *const known[] = {"localhost", "127.0.0.1", "[::1]", request->api->listen_host,
				     request->api->name};
	char host[RW_HOST_TEXT_BYTES];

	const struct rw_api *api = request->api;

	if (head->host != NULL && split_host(head->host, host)) {
		for (uint32_t i = 0; i < api->host_count; i++) {
			if (strcasecmp(host, api->hosts[i]) == 0)
				return true;
		}
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (strcasecmp(host, known[i]) == 0)
				return true;
		}
		if (is_local_address(host, &head->local))
			return true;
	}
	rw_fail(request, 421, "misdirected", "the Host header names another server");
	return false;
}

/* ---- path and method ------------------------------------------------------------- */

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

static bool find_route(struct rw_request *request, const char *method)
{
	bool takes_get = false;
	bool takes_post = false;

	for (size_t i = 0; i < rw_route_count; i++) {
		const struct rw_route *route = &rw_routes[i];

		if (!path_matches(route->path, request->uri.path, request->args))
			continue;
		if (method_matches(route, method)) {
			request->route = route;
			return true;
		}
		takes_get = takes_get || strcmp(route->method, "GET") == 0;
		takes_post = takes_post || strcmp(route->method, "POST") == 0;
	}
	if (!takes_get && !takes_post) {
		rw_fail(request, 404, "not_found", "no such path; the paths are in docs/api.md");
		return false;
	}
	request->allow = !takes_post ? "GET, HEAD" : takes_get ? "GET, HEAD, POST" : "POST";
	rw_fail(request, 405, "method_not_allowed", "this path takes %s", request->allow);
	return false;
}

/* ---- role --------------------------------------------------------------------------- */

static bool check_role(struct rw_request *request, const struct rw_head *head)
{
	enum rw_role needed = request->route->role;

	if (needed == RW_ROLE_NONE || rw_form_of(request->route) == RW_FORM_FLAGGER)
		return true;
	if (rw_form_of(request->route) == RW_FORM_FLEETLOCK)
		return rw_check_fleetlock(request, head);
	if (request->role == RW_ROLE_NONE) {
		rw_fail(request, 401, "unauthorized", "a valid bearer token is needed");
		return false;
	}
	if (request->role < needed) {
		rw_fail(request, 403, "forbidden", "token '%s' has role %s, this needs %s",
			request->actor, rw_role_name(request->role), rw_role_name(needed));
		return false;
	}
	return true;
}

/* ---- parameters ------------------------------------------------------------------------ */

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

static bool check_params(struct rw_request *request)
{
	for (uint32_t i = 0; i < request->uri.param_count; i++) {
		const char *name = request->uri.params[i].name;

		if (!word_stands_in(request->route->params, name)) {
			rw_fail(request, 400, "bad_request", "%s: unknown parameter", name);
			return false;
		}
	}
	return true;
}

/* ---- body --------------------------------------------------------------------------------- */

static bool is_of_type(const char *type, const char *wanted)
{
	size_t length = strlen(wanted);

	return type != NULL && strncasecmp(type, wanted, length) == 0 &&
	       strchr("; ", type[length]) != NULL; /* the NUL counts */
}

static bool check_announced_body(struct rw_request *request, const struct rw_head *head)
{
	if (request->route->fields == NULL) {
		if (head->content_length == 0)
			return true;
		rw_fail(request, 400, "bad_request", "body: a %s has none", head->method);
		return false;
	}
	const char *wanted = rw_form_media_type(rw_form_of(request->route));
	if (wanted != NULL && !is_of_type(head->content_type, wanted)) {
		rw_fail(request, 415, "unsupported_media_type", "the body must be %s", wanted);
		return false;
	}
	return true;
}

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

/* A word of "name=t name=t"; false at the end. */
static bool next_field(const char **fields, char name[32], char *type)
{
	size_t length = strcspn(*fields, "=");

	if (**fields == '\0' || length >= 32)
		return false;
	memcpy(name, *fields, length);
	name[length] = '\0';
	*type = (*fields)[length + 1];
	*fields += length + 2;
	*fields += **fields == ' ';
	return true;
}

static bool knows_field(const char *fields, const char *name)
{
	char field[32];
	char type;

	while (next_field(&fields, field, &type)) {
		if (strcmp(field, name) == 0)
			return true;
	}
	return false;
}

/* Each of the route's fields must stand in the body with its type, nothing else may. */
static bool check_fields(struct rw_request *request)
{
	const char *fields = request->route->fields;
	char field[32];
	char type;
	const char *name;
	json_t *value;

	json_object_foreach(request->body, name, value)
	{
		if (!knows_field(fields, name)) {
			rw_fail(request, 400, "bad_request", "%.60s: unknown field", name);
			return false;
		}
	}
	while (next_field(&fields, field, &type)) {
		value = json_object_get(request->body, field);
		const char *fault = value == NULL ? "missing" : type_fault(value, type);

		if (fault != NULL) {
			rw_fail(request, 400, "bad_request", "%s: %s", field, fault);
			return false;
		}
	}
	return true;
}

bool rw_check_body(struct rw_request *request, const char *bytes, size_t length)
{
	json_error_t error;

	if (request->route->fields == NULL)
		return true;
	if (rw_form_of(request->route) == RW_FORM_PROMETHEUS) {
		request->raw = bytes;
		request->raw_length = length;
		return true;
	}
	request->body =
		json_loadb(bytes == NULL ? "" : bytes, length, JSON_REJECT_DUPLICATES, &error);
	if (request->body == NULL) {
		rw_fail(request, 400, "bad_request", "body: line %d: %s", error.line, error.text);
		return false;
	}
	if (!json_is_object(request->body)) {
		rw_fail(request, 400, "bad_request", "body: expected an object");
		return false;
	}
	return rw_form_of(request->route) != RW_FORM_OWN || check_fields(request);
}

bool rw_check_head(struct rw_request *request, const struct rw_head *head)
{
	if (head->repeated != NULL) {
		rw_fail(request, 400, "bad_request", "%s: stands more than once", head->repeated);
		return false;
	}
	return check_host(request, head) && find_route(request, head->method) &&
	       check_role(request, head) && check_params(request) &&
	       check_announced_body(request, head);
}
