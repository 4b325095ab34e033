/* SPDX-License-Identifier: Apache-2.0 */
/* Drills over HTTP: who may begin one, what is refused, and how it is told. */
#include "tests/unit/collector/api/fixture.h"

#include "collector/api/internal.h"

#define DRILL "/v1/deployments/d/rings/canary/drill"
#define ANY "{\"host\":\"\",\"seconds\":30}"

static void post(const struct ax *f, const char *path, const char *body, int status,
		 const char *code)
{
	ax_expect(f, "POST", path, body, status, code);
}

static void begin_deployment(const struct ax *f)
{
	post(f, "/v1/deployments", AX_CREATE("d"), 201, NULL);
	post(f, "/v1/deployments/d/rings/canary/start", "{\"step\":1}", 200, NULL);
}

/* The newest drill, whole; its name into `name`. */
static void newest_is(const struct ax *f, const char *state, char name[64])
{
	struct ax_reply list = ax_get(f, "/v1/drills?ring=canary&limit=1");
	json_t *row = json_array_get(json_object_get(list.json, "drills"), 0);
	const char *drill, *deployment, *ring, *host, *actor, *is, *started, *proved, *ended,
		*detail;

	assert_int_equal(json_unpack(row, "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s!}", "drill",
				     &drill, "deployment", &deployment, "ring", &ring, "host",
				     &host, "actor", &actor, "state", &is, "started_at", &started,
				     "proved_at", &proved, "ended_at", &ended, "detail", &detail),
			 0);
	assert_string_equal(is, state);
	assert_string_equal(deployment, "d");
	assert_string_equal(actor, "operator");
	assert_int_equal(proved[0] != '\0',
			 strcmp(state, "proved") == 0 || strcmp(state, "cleared") == 0);
	assert_int_equal(ended[0] != '\0',
			 strcmp(state, "failed") == 0 || strcmp(state, "cleared") == 0);
	snprintf(name, 64, "%s", drill);

	/* One alone is told in the same words. */
	char path[96];
	snprintf(path, sizeof(path), "/v1/drills/%s", drill);
	struct ax_reply one = ax_get(f, path);
	assert_true(json_equal(one.json, row));
	ax_release(&one);
	ax_release(&list);
}

static void report(struct ax *f, const char *name)
{
	struct ax_reply one;
	char path[96];

	snprintf(path, sizeof(path), "/v1/drills/%s", name);
	one = ax_get(f, path);
	pthread_mutex_lock(&f->hub.lock);
	rw_drills_event(f->hub.drills, f->hub.core,
			json_string_value(json_object_get(one.json, "host")), name, true,
			"its words", f->hub.now);
	pthread_mutex_unlock(&f->hub.lock);
	ax_settle(f);
	ax_release(&one);
}

static void verdict_is(const struct ax *f, const char *verdict, bool proved)
{
	struct ax_reply reply = ax_get(f, "/v1/verdict?deployment=d&ring=canary");

	assert_string_equal(json_string_value(json_object_get(reply.json, "verdict")), verdict);
	assert_int_equal(json_string_length(json_object_get(reply.json, "last_proved_at")) > 0,
			 proved);
	ax_release(&reply);
}

static void test_a_drill_is_told_at_each_step(void **state)
{
	struct ax *f = *state;
	char name[64];

	begin_deployment(f);
	post(f, DRILL, ANY, 201, NULL);
	newest_is(f, "asked", name);
	verdict_is(f, "hold", false);
	report(f, name);
	newest_is(f, "proved", name);
	verdict_is(f, "abort", true);
	ax_run(f, 30000);
	ax_settle(f);
	newest_is(f, "cleared", name);
	verdict_is(f, "hold", true);
}

static void test_what_cannot_begin_is_refused_by_its_reason(void **state)
{
	struct ax *f = *state;

	post(f, DRILL, ANY, 404, "unknown_deployment");
	begin_deployment(f);
	post(f, "/v1/deployments/d/rings/nowhere/drill", ANY, 404, "unknown_ring");
	post(f, DRILL, "{\"host\":\"nobody\",\"seconds\":30}", 404, "unknown_host");
	post(f, DRILL, "{\"host\":\"No Name\",\"seconds\":30}", 400, "bad_request");
	post(f, DRILL, "{\"host\":\"\",\"seconds\":9}", 400, "bad_request");
	post(f, DRILL, "{\"host\":\"\",\"seconds\":3601}", 400, "bad_request");
	post(f, DRILL, "{\"seconds\":30}", 400, "bad_request");
	ax_set(f, &f->hub.no_sessions, true);
	post(f, DRILL, ANY, 409, "not_ready");
	ax_set(f, &f->hub.no_sessions, false);
	post(f, DRILL, ANY, 201, NULL);
	post(f, DRILL, ANY, 409, "conflict");
	ax_expect(f, "GET", "/v1/drills/00ff", NULL, 404, "unknown_drill");
	ax_expect(f, "GET", "/v1/drills?ring=A", NULL, 400, "bad_request");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_drill_is_told_at_each_step, ax_setup,
						ax_teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_begin_is_refused_by_its_reason,
						ax_setup, ax_teardown),
	};

	return cmocka_run_group_tests_name("drills", tests, NULL, NULL);
}
