/* SPDX-License-Identifier: Apache-2.0 */
/* Controllers that read only a status: each path's polarity, tokens and refusals. */
#include "tests/unit/collector/api/fixture.h"

#include "collector/api/slots.h"

#define TOKEN "\"token\":\"read-token\""
#define OF(deployment, ring) "\"deployment\":\"" deployment "\",\"ring\":\"" ring "\""

static struct ax_reply flagger(const struct ax *f, const char *path, const char *metadata)
{
	char body[512];
	char target[64];

	snprintf(body, sizeof(body),
		 "{\"name\":\"app\",\"namespace\":\"prod\",\"phase\":\"Progressing\",\"checksum\":"
		 "\"1\",\"buildId\":7,\"metadata\":{%s}}",
		 metadata);
	snprintf(target, sizeof(target), "/v1/flagger/%s", path);
	return ax_ask(f, "", "POST", target, body);
}

static void flagger_gives(const struct ax *f, const char *path, const char *metadata, int status,
			  const char *text)
{
	struct ax_reply reply = flagger(f, path, metadata);

	if (reply.status != status || strstr(reply.body, text) == NULL)
		fail_msg("%s {%s}: expected %d '%s', got: %s", path, metadata, status, text,
			 reply.text);
	ax_release(&reply);
}

static void start(const struct ax *f, const char *id)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"deployment\":\"%s\",\"component\":\"c\",\"version\":\"1.0\",\"exposure\":"
		 "\"reported\",\"match\":\"marker:c\",\"rings\":[\"canary\",\"wide\"]}",
		 id);
	ax_expect(f, "POST", "/v1/deployments", text, 201, NULL);
	snprintf(text, sizeof(text), "/v1/deployments/%s/rings/canary/start", id);
	ax_expect(f, "POST", text, "{\"step\":1}", 200, NULL);
}

static void crash(struct ax *f, unsigned host)
{
	struct rw_core_event event = {
		.kind = RINGWATCH__V1__KIND__KIND_OOPS,
		.kind_name = "oops",
		.id = "h/s/1",
		.signature = "oops x",
		.module = "",
		.boot_id = {1},
		.boot_order = 7,
		.boot_ms = UINT64_MAX / 2,
	};

	pthread_mutex_lock(&f->hub.lock);
	rw_core_event(f->hub.core, host, &event, f->hub.now);
	pthread_mutex_unlock(&f->hub.lock);
}

static void expose(struct ax *f, unsigned host)
{
	pthread_mutex_lock(&f->hub.lock);
	assert_int_equal(rw_core_version(f->hub.core, host, "marker:c", "1.0", true, f->hub.now),
			 RW_VERSION_EXPOSED);
	rw_core_heartbeat(f->hub.core, host, f->hub.now.boot_ms, f->hub.now);
	pthread_mutex_unlock(&f->hub.lock);
}

/* ---- Flagger --------------------------------------------------------------------- */

static void test_flagger_s_paths_have_one_polarity_each(void **state)
{
	struct ax *f = *state;
	static const char ask[] = TOKEN "," OF("d1", "canary");

	start(f, "d1");
	for (unsigned i = 0; i < AX_HOSTS; i++)
		expose(f, i);
	ax_settle(f);
	flagger_gives(f, "gate", ask, 409, "hold: deployment d1 in ring canary: bake_incomplete\n");
	flagger_gives(f, "check", ask, 200, "hold");
	flagger_gives(f, "rollback", ask, 409, "hold");

	ax_run(f, 3700 * 1000);
	ax_settle(f);
	flagger_gives(f, "gate", ask, 200, "proceed: deployment d1 in ring canary\n");
	flagger_gives(f, "check", ask, 200, "proceed");
	flagger_gives(f, "rollback", ask, 409, "proceed");

	crash(f, 0);
	flagger_gives(f, "gate", ask, 409,
		      "abort: deployment d1 in ring canary: the breaker of "
		      "ring canary is open, 1 of 5 hosts failed\n");
	flagger_gives(f, "check", ask, 409, "abort");
	flagger_gives(f, "rollback", ask, 200, "abort");
}

static void test_flagger_asks_either_question(void **state)
{
	struct ax *f = *state;

	start(f, "d1");
	ax_settle(f);
	flagger_gives(f, "gate", TOKEN "," OF("d1", "canary") ",\"question\":\"enter\"", 200,
		      "proceed");
	flagger_gives(f, "gate", TOKEN "," OF("d1", "canary") ",\"question\":\"advance\"", 409,
		      "no_exposed_hosts");
}

static void test_what_flagger_misspells_is_never_a_yes(void **state)
{
	struct ax *f = *state;
	static const char *const paths[] = {"gate", "check", "rollback"};
	static const struct {
		const char *metadata;
		int status;
		const char *text;
	} cases[] = {
		{OF("d1", "canary"), 401, "metadata.token: "},
		{"\"token\":\"nonsense\"," OF("d1", "canary"), 401, "metadata.token: "},
		{"\"token\":7," OF("d1", "canary"), 401, "metadata.token: "},
		{TOKEN, 400, "metadata.deployment: "},
		{TOKEN ",\"deployment\":\"d1\"", 400, "metadata.ring: "},
		{TOKEN "," OF("d*", "canary"), 400, "metadata.deployment: "},
		{TOKEN "," OF("d1", "canary") ",\"questoin\":\"enter\"", 400,
		 "metadata.questoin: unknown"},
		{TOKEN "," OF("d1", "canary") ",\"question\":\"fun\"", 400, "metadata.question: "},
		{TOKEN "," OF("d1", "canary") ",\"question\":null", 400, "metadata.question: "},
	};

	for (size_t p = 0; p < 3; p++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			flagger_gives(f, paths[p], cases[i].metadata, cases[i].status,
				      cases[i].text);
	}
	struct ax_reply reply = ax_ask(f, "read", "POST", "/v1/flagger/gate", "{}");
	assert_int_equal(reply.status, 401); /* the header's token is not looked at */
	ax_release(&reply);
	ax_set(f, &f->hub.stalled, true);
	for (size_t p = 0; p < 3; p++)
		flagger_gives(f, paths[p], TOKEN "," OF("d1", "canary"), 503, "unavailable");
	ax_set(f, &f->hub.stalled, false);
}

/* ---- FleetLock ---------------------------------------------------------------------- */

static struct ax_reply lock_with(const struct ax *f, const char *path, const char *headers,
				 const char *id, const char *group)
{
	char body[512];
	char target[64];
	char lines[512];

	snprintf(body, sizeof(body), "{\"client_params\":{\"id\":\"%s\",\"group\":\"%s\"}}", id,
		 group);
	snprintf(target, sizeof(target), "/fleetlock/v1/%s", path);
	snprintf(lines, sizeof(lines), "Host: localhost\r\n%s", headers);
	return ax_ask_with(f, "POST", target, lines, body);
}

static void lock_gives(const struct ax *f, const char *path, const char *id, const char *group,
		       int status, const char *kind)
{
	struct ax_reply reply = lock_with(f, path, "fleet-lock-protocol: true\r\n", id, group);
	const char *said = "";
	const char *value = "";

	if (reply.status != status ||
	    json_unpack(reply.json, "{s:s, s:s !}", "kind", &said, "value", &value) != 0 ||
	    strcmp(said, kind) != 0 || *value == '\0')
		fail_msg("%s %s %s: expected %d %s, got: %s", path, id, group, status, kind,
			 reply.text);
	ax_release(&reply);
}

static void test_a_ring_without_a_deployment_has_nothing_to_hold_it(void **state)
{
	const struct ax *f = *state;

	lock_gives(f, "pre-reboot", "m1", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m2", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m1", "nowhere", 409, "unknown_ring");
	lock_gives(f, "steady-state", "m1", "nowhere", 200, "steady");
}

static void test_slots_are_as_many_as_may_be_exposed(void **state)
{
	struct ax *f = *state;

	start(f, "d1");
	ax_settle(f);
	lock_gives(f, "pre-reboot", "m1", "wide", 409, "not_started");
	/* Five hosts in the ring's one step, and five slots. */
	lock_gives(f, "pre-reboot", "m1", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m1", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m2", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m3", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m4", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m5", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m6", "canary", 409, "no_slot");
	lock_gives(f, "steady-state", "m5", "canary", 200, "steady");
	lock_gives(f, "steady-state", "m5", "canary", 200, "steady");
	lock_gives(f, "pre-reboot", "m6", "canary", 200, "granted");
	/* One came up with the new version: it is exposed, and its slot still stands. */
	expose(f, 0);
	ax_settle(f);
	lock_gives(f, "steady-state", "m2", "canary", 200, "steady");
	lock_gives(f, "pre-reboot", "m7", "canary", 409, "no_slot");
	/* Each taking and returning is in the audit once. */
	struct ax_reply reply = ax_get(f, "/v1/audit");
	unsigned taken = 0;
	unsigned returned = 0;
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(reply.json, "audit"), i, row)
	{
		const char *action = json_string_value(json_object_get(row, "action"));

		taken += strcmp(action, "slot_taken") == 0;
		returned += strcmp(action, "slot_returned") == 0;
	}
	assert_int_equal(taken, 6);
	assert_int_equal(returned, 2);
	ax_release(&reply);
}

static void test_slots_outlive_the_server(void **state)
{
	struct ax *f = *state;
	char error[RW_API_ERROR_BYTES];

	start(f, "d1");
	ax_settle(f);
	for (char id[] = "m1"; id[1] <= '5'; id[1]++)
		lock_gives(f, "pre-reboot", id, "canary", 200, "granted");
	lock_gives(f, "steady-state", "m3", "canary", 200, "steady");
	rw_api_stop(f->api);
	f->api = NULL;
	if (ax_start(f, "127.0.0.1:0", error) != 0)
		fail_msg("%s", error);
	lock_gives(f, "pre-reboot", "m1", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m6", "canary", 200, "granted");
	lock_gives(f, "pre-reboot", "m7", "canary", 409, "no_slot");

	/* Without the store nobody knows who holds one: no server then. */
	struct rw_api *running = f->api;
	f->store[strlen(f->store) - 1] = 'x';
	assert_true(ax_start(f, "127.0.0.1:0", error) < 0);
	assert_string_not_equal(error, "");
	f->store[strlen(f->store) - 1] = 'b';
	f->api = running;
}

static void test_no_slot_while_the_ring_is_held_or_open(void **state)
{
	struct ax *f = *state;

	start(f, "d1");
	expose(f, 0);
	ax_settle(f);
	lock_gives(f, "pre-reboot", "m1", "canary", 200, "granted");
	crash(f, 0);
	lock_gives(f, "pre-reboot", "m1", "canary", 409, "breaker_open");
	lock_gives(f, "pre-reboot", "m2", "canary", 409, "breaker_open");
	lock_gives(f, "steady-state", "m1", "canary", 200, "steady");
	/* Of two deployments each must let it in. */
	start(f, "d2");
	ax_settle(f);
	lock_gives(f, "pre-reboot", "m2", "canary", 409, "breaker_open");
	ax_expect(f, "POST", "/v1/deployments/d1/finish", "{}", 200, NULL);
	lock_gives(f, "pre-reboot", "m2", "canary", 200, "granted");
}

static void test_a_slot_is_told_when_it_is_on_disk(void **state)
{
	struct ax *f = *state;

	start(f, "d1");
	ax_settle(f);
	ax_set(f, &f->hub.store_fails, true);
	lock_gives(f, "pre-reboot", "m1", "canary", 503, "store_failed");
	lock_gives(f, "pre-reboot", "m1", "canary", 503, "store_failed");
	ax_set(f, &f->hub.store_fails, false);
	ax_settle(f);
	lock_gives(f, "pre-reboot", "m1", "canary", 200, "granted");
}

static void test_who_may_take_slots(void **state)
{
	const struct ax *f = *state;
	static const struct {
		const char *headers;
		int status;
	} cases[] = {
		{"", 400},
		{"fleet-lock-protocol: false\r\n", 400},
		{"fleet-lock-protocol: true\r\nfleet-lock-protocol: true\r\n", 400},
		{"fleet-lock-protocol: true\r\n", 200}, /* from this machine */
		{"fleet-lock-protocol: true\r\nAuthorization: Bearer rollout-token\r\n", 200},
		{"fleet-lock-protocol: true\r\nAuthorization: Bearer read-token\r\n", 401},
		{"fleet-lock-protocol: true\r\nAuthorization: Bearer nonsense\r\n", 401},
		/* fleet:rollout-token, fleet:nonsense, no colon, no base64 */
		{"fleet-lock-protocol: true\r\nAuthorization: Basic "
		 "ZmxlZXQ6cm9sbG91dC10b2tlbg==\r\n",
		 200},
		{"fleet-lock-protocol: true\r\nAuthorization: Basic ZmxlZXQ6bm9uc2Vuc2U=\r\n", 401},
		{"fleet-lock-protocol: true\r\nAuthorization: Basic cm9sbG91dC10b2tlbg==\r\n", 401},
		{"fleet-lock-protocol: true\r\nAuthorization: Basic *\r\n", 401},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ax_reply reply =
			lock_with(f, "pre-reboot", cases[i].headers, "m1", "canary");

		if (reply.status != cases[i].status)
			fail_msg("%s: %s", cases[i].headers, reply.text);
		ax_release(&reply);
	}
}

static void test_bad_fleetlock_bodies(void **state)
{
	const struct ax *f = *state;
	static const char *const bodies[] = {
		"{}",
		"[]",
		"{",
		"{\"client_params\":7}",
		"{\"client_params\":{\"group\":\"canary\"}}",
		"{\"client_params\":{\"id\":\"\",\"group\":\"canary\"}}",
		"{\"client_params\":{\"id\":\"a b\",\"group\":\"canary\"}}",
		"{\"client_params\":{\"id\":\"m1\\u0000\",\"group\":\"canary\"}}",
		"{\"client_params\":{\"id\":\"m1\"}}",
		"{\"client_params\":{\"id\":\"m1\",\"group\":\"*\"}}",
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		for (int k = 0; k < 2; k++) {
			struct ax_reply reply = ax_ask_with(
				f, "POST",
				k == 0 ? "/fleetlock/v1/pre-reboot" : "/fleetlock/v1/steady-state",
				"Host: localhost\r\nfleet-lock-protocol: true\r\n", bodies[i]);
			const char *kind = "";

			if (reply.status != 400 ||
			    json_unpack(reply.json, "{s:s}", "kind", &kind) != 0 ||
			    strcmp(kind, "bad_request") != 0)
				fail_msg("%s: %s", bodies[i], reply.text);
			ax_release(&reply);
		}
	}
}

static void test_slots_themselves(void **state)
{
	(void)state;
	struct rw_slots *slots = rw_slots_new();
	struct rw_slot slot = {.ring = "canary"};
	struct rw_slot dropped;
	struct rw_slot *kept;

	assert_non_null(slots);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(slot.holder, sizeof(slot.holder), "m%u", i);
		assert_int_equal(rw_slots_take(slots, &slot, &kept), 0);
	}
	assert_int_equal(rw_slots_held(slots, "canary"), 100);
	assert_int_equal(rw_slots_held(slots, "wide"), 0);
	assert_non_null(rw_slots_find(slots, "canary", "m42"));
	assert_null(rw_slots_find(slots, "wide", "m42"));
	assert_true(rw_slots_drop(slots, "m42", &dropped));
	assert_string_equal(dropped.ring, "canary");
	assert_false(rw_slots_drop(slots, "m42", &dropped));
	assert_null(rw_slots_find(slots, "canary", "m42"));
	assert_int_equal(rw_slots_held(slots, "canary"), 99);
	rw_slots_free(slots);
}

/* ---- Prometheus ------------------------------------------------------------------------ */

static struct ax_reply post_form(const struct ax *f, const char *form)
{
	return ax_ask_with(f, "POST", "/api/v1/query",
			   "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n",
			   form);
}

/* The vector that the query gives, by both methods; the caller releases it. */
static json_t *vector_of(const struct ax *f, const char *query)
{
	char target[512];
	json_t *result = NULL;
	const char *status = "";
	const char *type = "";

	snprintf(target, sizeof(target), "/api/v1/query?query=%s", query);
	struct ax_reply reply = ax_ask(f, "", "GET", target, NULL);
	if (reply.status != 200 ||
	    json_unpack(reply.json, "{s:s, s:{s:s, s:O !} !}", "status", &status, "data",
			"resultType", &type, "result", &result) != 0)
		fail_msg("%s: %s", query, reply.text);
	assert_string_equal(status, "success");
	assert_string_equal(type, "vector");
	ax_release(&reply);

	snprintf(target, sizeof(target), "query=%s&timeout=5s", query);
	reply = post_form(f, target);
	assert_int_equal(reply.status, 200);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(reply.json, "data"), "result")),
		json_array_size(result));
	ax_release(&reply);
	return result;
}

/* The one sample's value. */
static void is_value(const struct ax *f, const char *query, const char *expected)
{
	json_t *result = vector_of(f, query);
	const char *value = "";
	double at = 0;

	assert_int_equal(json_array_size(result), 1);
	assert_int_equal(json_unpack(json_array_get(result, 0), "{s:[F,s]}", "value", &at, &value),
			 0);
	assert_string_equal(value, expected);
	assert_true(at > 1.6e9);
	json_decref(result);
}

static void is_empty(const struct ax *f, const char *query)
{
	json_t *result = vector_of(f, query);

	if (json_array_size(result) != 0)
		fail_msg("%s: %s", query, json_dumps(result, 0));
	json_decref(result);
}

static void test_series_are_those_of_metrics(void **state)
{
	struct ax *f = *state;

	is_value(f, "vector(1)", "1");
	is_value(f, "vector(0.1)", "0.1");
	is_value(f, "ringwatch_ready", "1");
	is_value(f, "ringwatch_ring_hosts%7Bring=%22canary%22,state=%22online%22%7D", "5");
	is_value(f, "ringwatch_store_commit_seconds_bucket%7Ble=%22%2BInf%22%7D", "0");
	is_empty(f, "ringwatch_verdict");
	is_empty(f, "ringwatch_ring_hosts%7Bring=%22nowhere%22%7D");
	start(f, "d1");
	is_value(f, "ringwatch_verdict%7Bdeployment=%22d1%22,ring=%22canary%22%7D", "0");
	is_value(f, "%7B__name__=%22ringwatch_verdict%22,ring=%22wide%22%7D", "0");
}

static void test_alerts_say_what_must_stop_a_rollout(void **state)
{
	struct ax *f = *state;

	is_empty(f, "ALERTS");
	start(f, "d1");
	expose(f, 0);
	ax_settle(f);
	is_empty(f, "ALERTS%7Balertname=%22RingwatchHold_canary%22%7D");
	is_value(f, "ALERTS%7Balertname=%22RingwatchHold_wide%22,alertstate=%22firing%22%7D", "1");
	is_empty(f, "ALERTS%7Balertname=%22RingwatchBreakerOpen%22%7D");
	crash(f, 0);
	is_value(f, "ALERTS%7Balertname=%22RingwatchBreakerOpen%22,deployment=%22d1%22%7D", "1");
	is_value(f, "ALERTS%7Balertname=%22RingwatchHold_canary%22,reason=%22breaker_open%22%7D",
		 "1");
	is_empty(f, "ALERTS%7Balertname=%22RingwatchStoreFailed%22%7D");
	f->hub.stats.store_failed = true;
	is_value(f, "ALERTS%7Balertname=%22RingwatchStoreFailed%22%7D", "1");
}

static void query_fails(const struct ax *f, struct ax_reply reply, int status, const char *type,
			const char *text)
{
	const char *said[3] = {"", "", ""};

	(void)f;
	if (reply.status != status ||
	    json_unpack(reply.json, "{s:s, s:s, s:s !}", "status", &said[0], "errorType", &said[1],
			"error", &said[2]) != 0 ||
	    strcmp(said[0], "error") != 0 || strcmp(said[1], type) != 0 ||
	    strstr(said[2], text) == NULL)
		fail_msg("expected %d %s %s, got: %s", status, type, text, reply.text);
	ax_release(&reply);
}

static void test_other_queries_fail_as_prometheus_would(void **state)
{
	struct ax *f = *state;
	static const struct {
		const char *query, *text;
	} cases[] = {
		{"", "query: missing"},
		{"?query=", "query: expected"},
		{"?query=up", "no series 'up'"},
		{"?query=ringwatch_verdikt", "no series 'ringwatch_verdikt'"},
		{"?query=ringwatch_verdict%5B5m%5D", "char 18"},
		{"?query=sum(ALERTS)", "parse error"},
		{"?query=vector(1)&time=1", "time: "},
		{"?query=vector(1)&time=soon", "time: "},
		{"?query=vector(1)&time=nan", "time: "},
		{"?query=vector(1)&step=5", "step: unknown"},
	};

	for (size_t i = 1; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char target[160];

		snprintf(target, sizeof(target), "/api/v1/query%s", cases[i].query);
		struct ax_reply reply = ax_ask(f, "", "GET", target, NULL);
		if (strcmp(cases[i].query, "?query=") == 0) { /* refused before its path is known */
			assert_int_equal(reply.status, 400);
			ax_release(&reply);
			continue;
		}
		query_fails(f, reply, 400, "bad_data", cases[i].text);
		query_fails(f, post_form(f, cases[i].query + 1), 400, "bad_data", cases[i].text);
	}
	query_fails(f, ax_ask(f, "", "GET", "/api/v1/query", NULL), 400, "bad_data", "missing");
	query_fails(f, post_form(f, ""), 400, "bad_data", "missing");
	query_fails(f, post_form(f, "query=vector(1)&query=vector(1)"), 400, "bad_data", "once");
	query_fails(f, ax_ask(f, "", "POST", "/api/v1/query", "{}"), 415, "bad_data", "form");
	static char large[6000];
	memset(large, 'a', sizeof(large) - 1);
	query_fails(f, post_form(f, large), 400, "bad_data", "4094");
	ax_set(f, &f->hub.stalled, true);
	query_fails(f, ax_ask(f, "", "GET", "/api/v1/query?query=vector(1)", NULL), 503,
		    "unavailable", "loop");
	ax_set(f, &f->hub.stalled, false);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, ax_setup, ax_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_flagger_s_paths_have_one_polarity_each),
		CASE(test_flagger_asks_either_question),
		CASE(test_what_flagger_misspells_is_never_a_yes),
		CASE(test_a_ring_without_a_deployment_has_nothing_to_hold_it),
		CASE(test_slots_are_as_many_as_may_be_exposed),
		CASE(test_slots_outlive_the_server),
		CASE(test_no_slot_while_the_ring_is_held_or_open),
		CASE(test_a_slot_is_told_when_it_is_on_disk),
		CASE(test_who_may_take_slots),
		CASE(test_bad_fleetlock_bodies),
		cmocka_unit_test(test_slots_themselves),
		CASE(test_series_are_those_of_metrics),
		CASE(test_alerts_say_what_must_stop_a_rollout),
		CASE(test_other_queries_fail_as_prometheus_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
