/* SPDX-License-Identifier: Apache-2.0 */
/* Every path: who may ask it, by which method, with which parameters. */
#include "tests/unit/collector/api/fixture.h"

#include "collector/api/internal.h"

/* The route's path with names at its colons that nothing has. */
static void fill_path(const struct rw_route *route, char *out, size_t size)
{
	size_t used = 0;

	for (const char *at = route->path; *at != '\0'; at++)
		used += (size_t)snprintf(out + used, size - used, "%s",
					 *at == ':' ? "absent" : (char[]){*at, '\0'});
}

static bool is_post(const struct rw_route *route)
{
	return strcmp(route->method, "POST") == 0;
}

static int status_for(struct ax *f, const struct rw_route *route, const char *role)
{
	/* Its answer does not end. */
	const char *method = strcmp(route->path, "/v1/stream") == 0 ? "HEAD" : route->method;
	char path[128];

	fill_path(route, path, sizeof(path));
	struct ax_reply reply = ax_ask(f, role, method, path, is_post(route) ? "{}" : NULL);
	int status = reply.status;

	ax_release(&reply);
	return status;
}

static void test_each_route_asks_for_its_role(void **state)
{
	struct ax *f = *state;
	static const char *const roles[] = {"", "read", "rollout", "operator"};

	for (size_t i = 0; i < rw_route_count; i++) {
		const struct rw_route *route = &rw_routes[i];

		if (rw_form_of(route) != RW_FORM_OWN)
			continue; /* their clients send no such header */
		for (int role = 0; role < 4; role++) {
			int status = status_for(f, route, roles[role]);
			int expected = role >= (int)route->role ? 0 : role == 0 ? 401 : 403;

			if (expected != 0 ? status != expected : status == 401 || status == 403)
				fail_msg("%s %s as '%s': %d", route->method, route->path,
					 roles[role], status);
		}
	}
}

static void test_nothing_under_v1_is_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < rw_route_count; i++) {
		const struct rw_route *route = &rw_routes[i];

		if (strncmp(route->path, "/v1/", 4) == 0)
			assert_true(route->role >= RW_ROLE_READ);
		if (is_post(route) && rw_form_of(route) == RW_FORM_OWN)
			assert_true(route->role >= RW_ROLE_ROLLOUT);
	}
}

static void test_each_route_knows_its_parameters_only(void **state)
{
	struct ax *f = *state;

	for (size_t i = 0; i < rw_route_count; i++) {
		char path[192];

		if (rw_form_of(&rw_routes[i]) != RW_FORM_OWN)
			continue; /* other types of body, errors of another shape */
		fill_path(&rw_routes[i], path, sizeof(path) - 16);
		snprintf(path + strlen(path), 16, "?colour=red");
		struct ax_reply reply = ax_ask(f, "operator", rw_routes[i].method, path,
					       is_post(&rw_routes[i]) ? "{}" : NULL);
		if (reply.status != 400 ||
		    strcmp(ax_message(&reply), "colour: unknown parameter") != 0)
			fail_msg("%s: %s", path, reply.text);
		ax_release(&reply);
	}
}

static void allows(const struct ax *f, const char *method, const char *path, const char *allow)
{
	char line[64];
	struct ax_reply reply = ax_ask(f, "operator", method, path, NULL);

	snprintf(line, sizeof(line), "\r\nAllow: %s\r\n", allow);
	assert_int_equal(reply.status, 405);
	if (strcmp(method, "HEAD") != 0) /* which has no body */
		assert_string_equal(ax_code(&reply), "method_not_allowed");
	assert_non_null(strstr(reply.text, line));
	ax_release(&reply);
}

static void test_wrong_methods_hear_the_right_ones(void **state)
{
	const struct ax *f = *state;

	allows(f, "DELETE", "/v1/rings", "GET, HEAD");
	allows(f, "PUT", "/v1/deployments", "GET, HEAD, POST");
	allows(f, "GET", "/v1/deployments/d/finish", "POST");
	allows(f, "HEAD", "/v1/deployments/d/rings/r/start", "POST");
	allows(f, "OPTIONS", "/metrics", "GET, HEAD");
	allows(f, "get", "/v1/rings", "GET, HEAD");
}

static void test_a_path_is_exact(void **state)
{
	static const char *const none[] = {
		"/v1",
		"/v1/",
		"/v2/rings",
		"/v1/rings/",
		"/v1/rings/*",
		"/v1/rings/A",
		"/v1/rings/-a",
		"/v1//rings",
		"/v1/rings//",
		"/v1/rings/a/b",
		"/v1/rings/a%62",
		"/v1/rings/..",
		"//v1/rings",
		"/V1/rings",
		"/v1/verdict/",
		"/v1/deployments/d/rings/r",
		"/healthz/",
		"/metrics.txt",
		"/v1/deployments/d/start",
		"/v1/rings/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	const struct ax *f = *state;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ax_expect(f, "GET", none[i], NULL, 404, "not_found");
}

static void test_head_is_get_without_its_body(void **state)
{
	const struct ax *f = *state;
	struct ax_reply reply = ax_ask(f, "read", "HEAD", "/v1/rings", NULL);

	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "");
	ax_release(&reply);
}

static void test_a_token_is_asked_for_and_named_when_it_may_not(void **state)
{
	const struct ax *f = *state;
	struct ax_reply reply = ax_ask(f, "", "GET", "/v1/rings", NULL);

	assert_int_equal(reply.status, 401);
	assert_string_equal(ax_code(&reply), "unauthorized");
	assert_non_null(strstr(reply.text, "\r\nWWW-Authenticate: Bearer"));
	ax_release(&reply);

	reply = ax_ask(f, "rollout", "POST", "/v1/deployments/d/withdraw", "{\"reason\":\"x\"}");
	assert_int_equal(reply.status, 403);
	assert_string_equal(ax_code(&reply), "forbidden");
	assert_non_null(strstr(ax_message(&reply), "'rollout'"));
	assert_non_null(strstr(ax_message(&reply), "operator"));
	ax_release(&reply);
}

static void test_only_bearer_is_a_token(void **state)
{
	static const char *const wrong[] = {
		"Authorization: Basic read-token\r\n",
		"Authorization: read-token\r\n",
		"Authorization: Bearer\r\n",
		"Authorization: Bearer nonsense\r\n",
		"Authorization: Bearer  read-token\r\n",
	};
	const struct ax *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char headers[128];

		snprintf(headers, sizeof(headers), "Host: localhost\r\n%s", wrong[i]);
		struct ax_reply reply = ax_ask_with(f, "GET", "/v1/rings", headers, NULL);
		assert_int_equal(reply.status, 401);
		ax_release(&reply);
	}
	struct ax_reply reply =
		ax_ask_with(f, "GET", "/v1/rings",
			    "host: LOCALHOST\r\nauthorization: bearer read-token\r\n", NULL);
	assert_int_equal(reply.status, 200);
	ax_release(&reply);
}

static void test_a_token_in_the_url_is_refused_everywhere(void **state)
{
	const struct ax *f = *state;

	ax_expect(f, "GET", "/v1/rings?token=read-token", NULL, 400, "bad_request");
	ax_expect(f, "GET", "/metrics?access_token=read-token", NULL, 400, "bad_request");
	struct ax_reply reply = ax_ask(f, "", "GET", "/v1/rings?token=read-token", NULL);
	assert_int_equal(reply.status, 400);
	assert_null(strstr(reply.text, "read-token"));
	ax_release(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_route_asks_for_its_role),
		cmocka_unit_test(test_nothing_under_v1_is_open),
		cmocka_unit_test(test_each_route_knows_its_parameters_only),
		cmocka_unit_test(test_wrong_methods_hear_the_right_ones),
		cmocka_unit_test(test_a_path_is_exact),
		cmocka_unit_test(test_head_is_get_without_its_body),
		cmocka_unit_test(test_a_token_is_asked_for_and_named_when_it_may_not),
		cmocka_unit_test(test_only_bearer_is_a_token),
		cmocka_unit_test(test_a_token_in_the_url_is_refused_everywhere),
	};

	return cmocka_run_group_tests(tests, ax_setup, ax_teardown);
}
