/* SPDX-License-Identifier: Apache-2.0 */
/* The server itself: what it listens on, whom it answers, and how much it takes. */
#include "tests/unit/collector/api/fixture.h"

#include "collector/api/internal.h"

static struct ax_reply with_host(const struct ax *f, const char *lines)
{
	char headers[256];

	snprintf(headers, sizeof(headers), "%sAuthorization: Bearer read-token\r\n", lines);
	return ax_ask_with(f, "GET", "/v1/rings", headers, NULL);
}

static void host_gives(const struct ax *f, const char *lines, int status)
{
	struct ax_reply reply = with_host(f, lines);

	if (reply.status != status)
		fail_msg("%s expected %d, got: %s", lines, status, reply.text);
	ax_release(&reply);
}

static void test_only_our_own_names_are_served(void **state)
{
	static const char *const ours[] = {
		"localhost", "LOCALHOST",  "localhost:1", "127.0.0.1", "127.0.0.1:8470",
		"[::1]",     "[::1]:8470", "c1",          "c1:8470",   "C1",
	};
	static const char *const others[] = {
		"evil.example", "localhost.evil.example",
		"localhost:",   "localhost:8470x",
		"127.0.0.10",   "127.0.0.2",
		"[::1",         "[::2]",
		"::1",          "c1.example",
		"c12",          "localhost:123456",
		"10.0.0.1",     "user@localhost",
	};
	const struct ax *f = *state;
	char line[64];

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		snprintf(line, sizeof(line), "Host: %s\r\n", ours[i]);
		host_gives(f, line, 200);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(line, sizeof(line), "Host: %s\r\n", others[i]);
		host_gives(f, line, 421);
	}
	host_gives(f, "", 421);
	host_gives(f, "Host: \r\n", 421);
}

static void test_headers_that_count_stand_once(void **state)
{
	const struct ax *f = *state;

	host_gives(f, "Host: localhost\r\nHost: localhost\r\n", 400);
	host_gives(f, "Host: localhost\r\nAuthorization: Bearer operator-token\r\n", 400);
}

/* A server on all addresses is known by the one that was connected to. */
static void test_the_address_connected_to_is_ours(void **state)
{
	struct ax *f = *state;
	struct rw_api *first = f->api;
	char error[RW_API_ERROR_BYTES];

	if (ax_start(f, "127.0.0.2:0", error) != 0)
		fail_msg("%s", error);

	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(rw_api_port(f->api)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
	static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.2:80\r\n"
				  "Connection: close\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ax_send(fd, ask, sizeof(ask) - 1);
	struct ax_reply reply = ax_receive(fd);
	assert_int_equal(reply.status, 200);
	ax_release(&reply);
	rw_api_stop(f->api);
	f->api = first;
}

static void test_answers_are_not_kept_nor_guessed_at(void **state)
{
	const struct ax *f = *state;
	struct ax_reply reply = ax_get(f, "/v1/rings");

	assert_non_null(strstr(reply.text, "\r\nCache-Control: private, no-cache\r\n"));
	assert_non_null(strstr(reply.text, "\r\nX-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(reply.text, "\r\nContent-Type: application/json\r\n"));
	ax_release(&reply);
	reply = ax_get(f, "/v1/verdict?deployment=d&ring=canary");
	assert_non_null(strstr(reply.text, "\r\nCache-Control: no-store\r\n"));
	assert_null(strstr(reply.text, "ETag"));
	ax_release(&reply);
}

/* The value of an answer's header; "" when it is not there. */
static const char *header(const struct ax_reply *reply, const char *name, char out[128])
{
	char line[64];

	snprintf(line, sizeof(line), "\r\n%s: ", name);
	const char *at = strstr(reply->text, line);
	out[0] = '\0';
	if (at != NULL && at < reply->body)
		sscanf(at + strlen(line), "%127[^\r]", out);
	return out;
}

static struct ax_reply ask_again(const struct ax *f, const char *path, const char *header_line)
{
	char headers[384];

	snprintf(headers, sizeof(headers),
		 "Host: localhost\r\nAuthorization: Bearer read-token\r\n%s\r\n", header_line);
	return ax_ask_with(f, "GET", path, headers, NULL);
}

static void test_what_the_client_has_is_not_sent_again(void **state)
{
	static const char *const paths[] = {"/v1/rings",       "/v1/rings/canary", "/v1/hosts",
					    "/v1/hosts/h1",    "/v1/events",       "/v1/gasps",
					    "/v1/deployments", "/v1/audit"};
	struct ax *f = *state;
	char tag[128], line[256], value[128];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct ax_reply reply = ax_get(f, paths[i]);
		if (*header(&reply, "ETag", tag) == '\0')
			fail_msg("%s has no tag", paths[i]);
		ax_release(&reply);
		snprintf(line, sizeof(line), "If-None-Match: \"other\", %s", tag);
		reply = ask_again(f, paths[i], line);
		if (reply.status != 304 || *reply.body != '\0')
			fail_msg("%s: %s", paths[i], reply.text);
		assert_string_equal(header(&reply, "ETag", value), tag);
		ax_release(&reply);
	}
	/* Once it has changed it is sent. */
	ax_enrol(f, "tagged", "wide");
	struct ax_reply reply = ask_again(f, "/v1/hosts", "If-None-Match: \"other\"");
	assert_int_equal(reply.status, 200);
	ax_release(&reply);
	ax_expect(f, "GET", "/v1/hosts/nobody", NULL, 404, "unknown_host");
}

static void test_long_answers_are_packed_for_who_takes_it(void **state)
{
	const struct ax *f = *state;
	char value[128];

	struct ax_reply reply = ask_again(f, "/v1/hosts", "Accept-Encoding: gzip, br");
	assert_int_equal(reply.status, 200);
	assert_string_equal(header(&reply, "Content-Encoding", value), "gzip");
	assert_non_null(strstr(header(&reply, "Vary", value), "Accept-Encoding"));
	assert_memory_equal(reply.body, "\x1f\x8b", 2);
	ax_release(&reply);

	reply = ask_again(f, "/v1/hosts", "Accept-Encoding: gzip;q=0");
	assert_string_equal(header(&reply, "Content-Encoding", value), "");
	assert_non_null(strstr(header(&reply, "Vary", value), "Accept-Encoding"));
	assert_non_null(reply.json);
	ax_release(&reply);

	reply = ask_again(f, "/v1/hosts?limit=1", "Accept-Encoding: gzip");
	assert_string_equal(header(&reply, "Content-Encoding", value), "");
	assert_non_null(reply.json);
	ax_release(&reply);
}

/* ---- rates --------------------------------------------------------------------------- */

/* Asks until it is refused; how often it was not. */
static unsigned served(const struct ax *f, const char *role, const char *path, unsigned most)
{
	char seconds[128];

	for (unsigned i = 0; i < most; i++) {
		struct ax_reply reply = ax_ask(f, role, "GET", path, NULL);
		bool refused = reply.status == 429;

		if (refused) {
			assert_string_equal(ax_code(&reply), "too_many_requests");
			assert_in_range(strtol(header(&reply, "Retry-After", seconds), NULL, 10), 1,
					60);
		}
		ax_release(&reply);
		if (refused)
			return i;
	}
	return most;
}

static void test_who_asks_too_often_hears_when_to_come_back(void **state)
{
	/* one a second, so that the burst is all there is while the test runs */
	static const struct rw_rates few = {.of = {[RW_CLIENT_TOKEN] = {1, 5},
						   [RW_CLIENT_ADDRESS] = {1, 3},
						   [RW_CLIENT_PROBE] = {1, 50}}};
	struct ax *f = *state;
	struct rw_api *first = f->api;
	char error[RW_API_ERROR_BYTES];

	f->rates = &few;
	if (ax_start(f, "127.0.0.1:0", error) != 0)
		fail_msg("%s", error);
	f->rates = NULL;

	assert_true(served(f, "wrong", "/v1/rings", 40) < 10);
	assert_true(served(f, "", "/", 40) < 10); /* the same address, the same bucket */
	assert_true(served(f, "read", "/v1/rings", 40) >= 5); /* a token has its own */
	assert_true(served(f, "operator", "/nowhere", 40) >= 5);
	assert_int_equal(served(f, "", "/healthz", 20), 20);
	rw_api_stop(f->api);
	f->api = first;
}

static void answers(struct ax_reply reply, int status, const char *part, bool there)
{
	if (reply.status != status || (strstr(reply.text, part) != NULL) != there)
		fail_msg("expected %d %s %s, got: %s", status, there ? "with" : "without", part,
			 reply.text);
	ax_release(&reply);
}

static void test_the_dashboard_is_for_browsers(void **state)
{
	static const char html[] = "Host: localhost\r\nAccept: text/html,*/*;q=0.8\r\n";
	const struct ax *f = *state;

	answers(ax_ask_with(f, "GET", "/", html, NULL), 200, "<!doctype html>", true);
	answers(ax_ask_with(f, "GET", "/", html, NULL), 200,
		"\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; ", true);
	answers(ax_ask_with(f, "GET", "/", html, NULL), 200, "nosniff\r\n", true);
	answers(ax_ask_with(f, "HEAD", "/", html, NULL), 200, "<!doctype html>", false);
	answers(ax_ask_with(f, "POST", "/", html, NULL), 405, "\r\nAllow: GET, HEAD\r\n", true);
	answers(ax_ask_with(f, "GET", "/", "Host: localhost\r\nAccept: application/json\r\n", NULL),
		200, "\"service\":\"ringwatch-collector\"", true);
	answers(ax_ask_with(f, "GET", "/", "Host: localhost\r\n", NULL), 200,
		"\r\nContent-Type: application/json\r\n", true);
	answers(ax_ask_with(f, "GET", "/dashboard/app.js", "Host: localhost\r\n", NULL), 200,
		"\r\nContent-Type: text/javascript; charset=utf-8\r\n", true);
	answers(ax_ask_with(f, "GET", "/dashboard/other.js", html, NULL), 404, "not_found", true);
	answers(ax_ask_with(f, "GET", "/", "Host: evil.example\r\nAccept: text/html\r\n", NULL),
		421, "<!doctype", false);
}

static void test_a_page_that_is_known_is_not_sent_again(void **state)
{
	const struct ax *f = *state;
	struct ax_reply reply =
		ax_ask_with(f, "GET", "/dashboard/style.css", "Host: localhost\r\n", NULL);
	const char *tag = strstr(reply.text, "\r\nETag: ");
	char headers[128];

	assert_non_null(tag);
	snprintf(headers, sizeof(headers), "Host: localhost\r\nIf-None-Match: %.18s\r\n", tag + 8);
	ax_release(&reply);
	answers(ax_ask_with(f, "GET", "/dashboard/style.css", headers, NULL), 304, "color-scheme",
		false);
	answers(ax_ask_with(f, "GET", "/dashboard/app.js", headers, NULL), 200, "use strict", true);
}

/* ---- bodies ---------------------------------------------------------------------- */

static struct ax_reply send_body(const struct ax *f, size_t length, bool chunked)
{
	char *text = malloc(length + 512);
	int used;

	assert_non_null(text);
	used = snprintf(
		text, 512,
		"POST /v1/deployments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		"Authorization: Bearer operator-token\r\nContent-Type: application/json\r\n");
	if (chunked)
		used += snprintf(text + used, 64, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
				 length);
	else
		used += snprintf(text + used, 64, "Content-Length: %zu\r\n\r\n", length);
	memset(text + used, ' ', length);
	used += (int)length;
	if (chunked)
		used += snprintf(text + used, 64, "\r\n0\r\n\r\n");
	struct ax_reply reply = ax_raw(f, text, (size_t)used);
	free(text);
	return reply;
}

static void test_a_body_is_at_most_64_kib(void **state)
{
	const struct ax *f = *state;

	for (int chunked = 0; chunked < 2; chunked++) {
		struct ax_reply reply = send_body(f, RW_BODY_MAX, chunked);
		assert_int_equal(reply.status, 400); /* 65536 blanks are no JSON */
		ax_release(&reply);

		static const size_t too_large[] = {RW_BODY_MAX + 1, (size_t)5 * RW_BODY_MAX};
		for (int i = 0; i < 2; i++) {
			reply = send_body(f, too_large[i], chunked);
			assert_int_equal(reply.status, 413);
			assert_string_equal(ax_code(&reply), "too_large");
			ax_release(&reply);
		}
	}
}

static void test_a_refused_request_hears_why_after_its_body(void **state)
{
	const struct ax *f = *state;
	char body[4096];

	memset(body, ' ', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	struct ax_reply reply = ax_ask(f, "", "POST", "/v1/deployments", body);
	assert_int_equal(reply.status, 401);
	ax_release(&reply);
	reply = ax_ask(f, "read", "GET", "/v1/rings", "{}");
	assert_int_equal(reply.status, 400);
	ax_release(&reply);
}

static void test_who_waits_for_100_continue_is_told_at_once(void **state)
{
	static const char head[] =
		"POST /v1/deployments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nContent-Length: 2000\r\n"
		"Expect: 100-continue\r\n\r\n";
	const struct ax *f = *state;
	struct ax_reply reply = ax_raw(f, head, sizeof(head) - 1);

	assert_int_equal(reply.status, 401);
	ax_release(&reply);
}

static void test_bodies_are_json_by_name(void **state)
{
	static const char *const types[] = {"", "Content-Type: text/plain\r\n",
					    "Content-Type: application/jsonx\r\n",
					    "Content-Type: application/x-www-form-urlencoded\r\n"};
	const struct ax *f = *state;
	char headers[256];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(headers, sizeof(headers),
			 "Host: localhost\r\nAuthorization: Bearer operator-token\r\n%s", types[i]);
		struct ax_reply reply =
			ax_ask_with(f, "POST", "/v1/deployments/d/finish", headers, "{}");
		assert_int_equal(reply.status, 415);
		assert_string_equal(ax_code(&reply), "unsupported_media_type");
		ax_release(&reply);
	}
	snprintf(headers, sizeof(headers),
		 "Host: localhost\r\nAuthorization: Bearer operator-token\r\n"
		 "Content-Type: Application/JSON; charset=utf-8\r\n");
	struct ax_reply reply = ax_ask_with(f, "POST", "/v1/deployments/d/finish", headers, "{}");
	assert_int_equal(reply.status, 404);
	ax_release(&reply);
}

/* ---- what is no request -------------------------------------------------------------- */

static void test_nonsense_hurts_nobody(void **state)
{
	static const char negative[] = "POST /v1/deployments HTTP/1.1\r\nHost: localhost\r\n"
				       "Content-Length: -5\r\n\r\n";
	static const char *const bytes[] = {"\x16\x03\x01\x02 nonsense\r\n\r\n",
					    "\r\n\r\n\r\n\r\nx\r\n\r\n", "GET\r\n\r\n",
					    "GET / HTTP/9.9\r\n\r\n", negative};
	struct ax *f = *state;

	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		int fd = ax_connect(f);

		ax_send(fd, bytes[i], strlen(bytes[i]));
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		struct ax_reply reply = ax_receive(fd);
		assert_true(reply.status == 0 || reply.status >= 400);
		ax_release(&reply);
	}
	/* One that leaves in the middle of its body. */
	static const char half[] = "POST /v1/deployments HTTP/1.1\r\nHost: localhost\r\n"
				   "Authorization: Bearer operator-token\r\n"
				   "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
	int fd = ax_connect(f);
	ax_send(fd, half, sizeof(half) - 1);
	close(fd);
	struct ax_reply reply = ax_get(f, "/healthz");
	ax_release(&reply);
}

static void test_an_address_beyond_the_limit(void **state)
{
	const struct ax *f = *state;
	char *path = malloc(RW_URI_MAX + 2);

	assert_non_null(path);
	memset(path, 'a', RW_URI_MAX + 1);
	path[0] = '/';
	path[RW_URI_MAX + 1] = '\0';
	ax_expect(f, "GET", path, NULL, 414, "too_large");
	path[RW_URI_MAX] = '\0';
	ax_expect(f, "GET", path, NULL, 404, "not_found");
	free(path);
}

static void test_one_connection_serves_many_requests(void **state)
{
	static const char first[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const char last[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
				   "Connection: close\r\n\r\n";
	const struct ax *f = *state;
	int fd = ax_connect(f);
	unsigned answers = 0;

	for (int i = 0; i < 9; i++)
		ax_send(fd, first, sizeof(first) - 1);
	ax_send(fd, last, sizeof(last) - 1);
	struct ax_reply reply = ax_receive(fd);
	for (const char *at = reply.text; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
		answers++;
	assert_int_equal(answers, 10);
	ax_release(&reply);
}

/* ---- life -------------------------------------------------------------------------------- */

static void test_a_port_has_one_server(void **state)
{
	struct ax *f = *state;
	struct rw_api *first = f->api;
	char error[RW_API_ERROR_BYTES];
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", rw_api_port(f->api));
	assert_int_equal(ax_start(f, address, error), -EADDRINUSE);
	assert_non_null(strstr(error, address));
	assert_ptr_equal(f->api, first);
}

static void test_what_cannot_be_listened_on_is_named(void **state)
{
	static const char *const wrong[] = {"127.0.0.1", ":8470", "192.0.2.1:0", "[::1:0",
					    "127.0.0.1:x"};
	struct ax *f = *state;
	char error[RW_API_ERROR_BYTES];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(ax_start(f, wrong[i], error) < 0);
		assert_non_null(strstr(error, wrong[i]));
	}
}

static void test_a_stalled_loop_is_503_and_nothing_else(void **state)
{
	static const char *const paths[] = {
		"/healthz",        "/readyz",           "/metrics",
		"/v1/rings",       "/v1/hosts",         "/v1/hosts/h1",
		"/v1/deployments", "/v1/deployments/d", "/v1/verdict?deployment=d&ring=canary"};
	struct ax *f = *state;

	ax_set(f, &f->hub.stalled, true);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		ax_expect(f, "GET", paths[i], NULL, 503, "unavailable");
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d"), 503, "unavailable");
	ax_set(f, &f->hub.stalled, false);
	ax_expect(f, "GET", "/v1/deployments/d", NULL, 404, "unknown_deployment");
	struct ax_reply reply = ax_get(f, "/healthz");
	ax_release(&reply);
}

static void test_readiness_names_what_is_missing(void **state)
{
	struct ax *f = *state;
	const char *reason;

	struct ax_reply reply = ax_get(f, "/readyz");
	ax_release(&reply);
	ax_set(f, &f->hub.stats.store_failed, true);
	reply = ax_ask(f, "", "GET", "/readyz", NULL);
	assert_int_equal(reply.status, 503);
	assert_int_equal(json_unpack(reply.json, "{s:s}", "reason", &reason), 0);
	assert_string_equal(reason, "store_failed");
	assert_true(*ax_message(&reply) != '\0');
	ax_release(&reply);
	ax_set(f, &f->hub.stats.store_failed, false);
	ax_set(f, &f->hub.stats.ready, false);
	reply = ax_ask(f, "", "GET", "/readyz", NULL);
	assert_int_equal(reply.status, 503);
	assert_int_equal(json_unpack(reply.json, "{s:s}", "reason", &reason), 0);
	assert_string_equal(reason, "listening");
	ax_release(&reply);
	ax_set(f, &f->hub.stats.ready, true);
}

static void test_tokens_are_read_again_and_bad_ones_are_not_taken(void **state)
{
	struct ax *f = *state;
	char error[RW_API_ERROR_BYTES];

	ax_write(f->tokens, "who knows\n", 0600);
	assert_int_equal(rw_api_reload(f->api, error), -EINVAL);
	assert_non_null(strstr(error, "tokens:1: "));
	struct ax_reply reply = ax_get(f, "/v1/rings");
	ax_release(&reply);

	ax_write(f->tokens, "# nobody\n", 0600);
	assert_int_equal(rw_api_reload(f->api, error), 0);
	reply = ax_ask(f, "read", "GET", "/v1/rings", NULL);
	assert_int_equal(reply.status, 401);
	ax_release(&reply);

	ax_write_tokens(f->tokens);
	assert_int_equal(rw_api_reload(f->api, error), 0);
	reply = ax_get(f, "/v1/rings");
	ax_release(&reply);
}

static void test_a_bad_tokens_file_keeps_it_from_starting(void **state)
{
	struct ax *f = *state;
	char error[RW_API_ERROR_BYTES];

	ax_write(f->tokens, "who knows\n", 0600);
	assert_int_equal(ax_start(f, "127.0.0.1:0", error), -EINVAL);
	assert_non_null(strstr(error, "tokens:1: "));
	ax_write(f->tokens, "", 0644);
	assert_int_equal(ax_start(f, "127.0.0.1:0", error), -EACCES);
	assert_non_null(strstr(error, f->tokens));
	ax_write_tokens(f->tokens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_our_own_names_are_served),
		cmocka_unit_test(test_headers_that_count_stand_once),
		cmocka_unit_test(test_the_address_connected_to_is_ours),
		cmocka_unit_test(test_answers_are_not_kept_nor_guessed_at),
		cmocka_unit_test(test_the_dashboard_is_for_browsers),
		cmocka_unit_test(test_a_page_that_is_known_is_not_sent_again),
		cmocka_unit_test(test_what_the_client_has_is_not_sent_again),
		cmocka_unit_test(test_long_answers_are_packed_for_who_takes_it),
		cmocka_unit_test(test_who_asks_too_often_hears_when_to_come_back),
		cmocka_unit_test(test_a_body_is_at_most_64_kib),
		cmocka_unit_test(test_a_refused_request_hears_why_after_its_body),
		cmocka_unit_test(test_who_waits_for_100_continue_is_told_at_once),
		cmocka_unit_test(test_bodies_are_json_by_name),
		cmocka_unit_test(test_nonsense_hurts_nobody),
		cmocka_unit_test(test_an_address_beyond_the_limit),
		cmocka_unit_test(test_one_connection_serves_many_requests),
		cmocka_unit_test(test_a_port_has_one_server),
		cmocka_unit_test(test_what_cannot_be_listened_on_is_named),
		cmocka_unit_test(test_a_stalled_loop_is_503_and_nothing_else),
		cmocka_unit_test(test_readiness_names_what_is_missing),
		cmocka_unit_test(test_tokens_are_read_again_and_bad_ones_are_not_taken),
		cmocka_unit_test(test_a_bad_tokens_file_keeps_it_from_starting),
	};

	return cmocka_run_group_tests(tests, ax_setup, ax_teardown);
}
