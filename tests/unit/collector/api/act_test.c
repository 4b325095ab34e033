/* SPDX-License-Identifier: Apache-2.0 */
/* Acts: who may, what they change, what stands in the audit, and when they are answered. */
#include "tests/unit/collector/api/fixture.h"

#include "collector/api/internal.h"

#define START "/v1/deployments/d/rings/canary/start"
#define STEP "{\"step\":1}"

static void post(const struct ax *f, const char *path, const char *body, int status,
		 const char *code)
{
	ax_expect(f, "POST", path, body, status, code);
}

static void create(const struct ax *f)
{
	post(f, "/v1/deployments", AX_CREATE("d"), 201, NULL);
}

/* The audit as "actor action subject detail\n…", newest first. */
static char *audit(const struct ax *f)
{
	struct ax_reply reply = ax_get(f, "/v1/audit");
	const json_t *rows = json_object_get(reply.json, "audit");
	char *text = calloc(1, 4096);
	size_t used = 0;
	size_t i;
	json_t *row;

	assert_non_null(text);
	json_array_foreach(rows, i, row)
	{
		const char *actor, *action, *subject, *detail, *at;
		json_int_t id;

		assert_int_equal(json_unpack(row, "{s:I,s:s,s:s,s:s,s:s,s:s!}", "id", &id, "at",
					     &at, "actor", &actor, "action", &action, "subject",
					     &subject, "detail", &detail),
				 0);
		assert_true(*at != '\0');
		used += (size_t)snprintf(text + used, 4096 - used, "%s %s %s %s\n", actor, action,
					 subject, detail);
	}
	ax_release(&reply);
	return text;
}

static void audit_is(const struct ax *f, const char *expected)
{
	char *text = audit(f);

	assert_string_equal(text, expected);
	free(text);
}

static void test_each_act_is_answered_with_the_deployment_and_audited(void **state)
{
	struct ax *f = *state;
	json_int_t step, exposed;
	const char *word;

	struct ax_reply reply = ax_ask(f, "rollout", "POST", "/v1/deployments", AX_CREATE("d"));
	assert_int_equal(reply.status, 201);
	assert_int_equal(json_unpack(reply.json, "{s:s}", "state", &word), 0);
	assert_string_equal(word, "active");
	ax_release(&reply);

	reply = ax_ask(f, "rollout", "POST", START, STEP);
	assert_int_equal(reply.status, 200);
	assert_int_equal(json_unpack(reply.json, "{s:[{s:I,s:I}]}", "rings", "step", &step,
				     "exposed", &exposed),
			 0);
	assert_int_equal(step, 1);
	assert_int_equal(exposed, AX_HOSTS);
	ax_release(&reply);

	post(f, "/v1/deployments/d/rings/canary/reset", "{\"reason\":\"new driver\"}", 200, NULL);
	post(f, "/v1/deployments/d/withdraw", "{\"reason\":\"bad firmware\"}", 200, NULL);
	/* The reset had nothing to acknowledge: it changed nothing and is no act. */
	audit_is(f, "operator deploy_withdraw deployment=d bad firmware\n"
		    "rollout deploy_start deployment=d ring=canary step=1\n"
		    "rollout deploy_create deployment=d component=driver version=1.0 "
		    "exposure=fixed match=none "
		    "rings=canary,wide\n");
}

static void test_repeating_changes_nothing(void **state)
{
	struct ax *f = *state;

	create(f);
	post(f, "/v1/deployments", AX_CREATE("d"), 200, NULL);
	post(f, START, STEP, 200, NULL);
	post(f, START, STEP, 200, NULL);
	post(f, "/v1/deployments/d/finish", "{}", 200, NULL);
	post(f, "/v1/deployments/d/finish", "{}", 200, NULL);
	audit_is(f, "operator deploy_finish deployment=d \n"
		    "operator deploy_start deployment=d ring=canary step=1\n"
		    "operator deploy_create deployment=d component=driver version=1.0 "
		    "exposure=fixed match=none "
		    "rings=canary,wide\n");
}

/* Hosts and sensors hear of what comes and ends, and only once. */
static void test_what_changes_the_deployments_is_passed_on(void **state)
{
	struct ax *f = *state;

	create(f);
	assert_int_equal(f->hub.changes, 1);
	assert_string_equal(f->hub.created, "d");
	post(f, "/v1/deployments", AX_CREATE("d"), 200, NULL);
	post(f, START, STEP, 200, NULL);
	assert_int_equal(f->hub.changes, 1);
	post(f, "/v1/deployments/d/finish", "{}", 200, NULL);
	assert_int_equal(f->hub.changes, 2);
	assert_string_equal(f->hub.created, "");
	post(f, "/v1/deployments/d/finish", "{}", 200, NULL);
	assert_int_equal(f->hub.changes, 2);
	post(f, "/v1/deployments", AX_CREATE("e"), 201, NULL);
	post(f, "/v1/deployments/e/withdraw", "{\"reason\":\"x\"}", 200, NULL);
	assert_int_equal(f->hub.changes, 4);
}

static void test_other_content_is_a_conflict(void **state)
{
	struct ax *f = *state;

	create(f);
	post(f, "/v1/deployments",
	     "{\"deployment\":\"d\",\"component\":\"driver\",\"version\":\"2\",\"exposure\":"
	     "\"fixed\","
	     "\"match\":\"none\",\"rings\":[\"canary\",\"wide\"]}",
	     409, "conflict");
}

static void test_what_may_not_start_says_why(void **state)
{
	struct ax *f = *state;
	const char *first = NULL;

	create(f);
	struct ax_reply reply =
		ax_ask(f, "rollout", "POST", "/v1/deployments/d/rings/wide/start", STEP);
	assert_int_equal(reply.status, 409);
	assert_string_equal(ax_code(&reply), "not_ready");
	const json_t *reasons = json_object_get(json_object_get(reply.json, "error"), "reasons");
	assert_int_equal(json_array_size(reasons), 2);
	first = json_string_value(json_array_get(reasons, 0));
	assert_string_equal(first, "previous_ring_not_passed");
	ax_release(&reply);
	audit_is(f, "operator deploy_create deployment=d component=driver version=1.0 "
		    "exposure=fixed match=none "
		    "rings=canary,wide\n");
}

static void test_what_is_not_there_is_named(void **state)
{
	struct ax *f = *state;

	create(f);
	post(f, "/v1/deployments/none/rings/canary/start", STEP, 404, "unknown_deployment");
	post(f, "/v1/deployments/none/finish", "{}", 404, "unknown_deployment");
	post(f, "/v1/deployments/none/withdraw", "{\"reason\":\"x\"}", 404, "unknown_deployment");
	post(f, "/v1/deployments/d/rings/none/start", STEP, 404, "unknown_ring");
	post(f, "/v1/deployments/d/rings/none/reset", "{\"reason\":\"x\"}", 404, "unknown_ring");
	post(f, START, "{\"step\":2}", 400, "bad_request");
}

static void test_a_host_that_is_not_there_is_named(void **state)
{
	struct ax *f = *state;
	static const struct {
		const char *path, *body;
	} acts[] = {
		{"/v1/hosts/nobody/retire", "{\"reason\":\"x\"}"},
		{"/v1/hosts/nobody/enrol", "{\"reason\":\"x\"}"},
		{"/v1/hosts/nobody/exclude", "{\"reason\":\"x\"}"},
		{"/v1/hosts/nobody/maintenance", "{\"seconds\":0,\"reason\":\"x\"}"},
		{"/v1/hosts/nobody/maintenance", "{\"seconds\":604800,\"reason\":\"x\"}"},
	};

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct ax_reply reply = ax_ask(f, "operator", "POST", acts[i].path, acts[i].body);

		assert_int_equal(reply.status, 404);
		assert_string_equal(ax_code(&reply), "unknown_host");
		assert_string_equal(ax_message(&reply), "no host 'nobody'");
		ax_release(&reply);
		reply = ax_ask(f, "rollout", "POST", acts[i].path, acts[i].body);
		assert_int_equal(reply.status, 403);
		ax_release(&reply);
	}
	audit_is(f, "");
}

/* What the core makes of it is its own matter. */
static void test_a_sound_match_is_not_refused_by_its_form(void **state)
{
	static const char *const matches[] = {
		"kernel",
		"marker:acme-storage",
		"marker:7",
		"module:acme_Storage2",
		"module:8021q",
		"module:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	struct ax *f = *state;
	char body[512];

	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		snprintf(body, sizeof(body),
			 "{\"deployment\":\"d%zu\",\"component\":\"c\",\"version\":\"1\","
			 "\"exposure\":\"reported\",\"match\":\"%s\",\"rings\":[\"canary\"]}",
			 i, matches[i]);
		struct ax_reply reply = ax_ask(f, "rollout", "POST", "/v1/deployments", body);
		if (strncmp(ax_message(&reply), "match:", 6) == 0 ||
		    strncmp(ax_message(&reply), "exposure:", 9) == 0)
			fail_msg("%s: %s", matches[i], reply.text);
		ax_release(&reply);
	}
}

/* ---- the store ------------------------------------------------------------------- */

static void test_nothing_is_acknowledged_before_it_is_on_disk(void **state)
{
	struct ax *f = *state;

	create(f);
	ax_set(f, &f->hub.store_fails, true);
	post(f, START, STEP, 503, "store_failed");
	/* Asked again it is so already, and still not on disk. */
	post(f, START, STEP, 503, "store_failed");
	post(f, "/v1/deployments", AX_CREATE("other"), 503, "store_failed");
	post(f, "/v1/deployments", AX_CREATE("other"), 503, "store_failed");
	ax_set(f, &f->hub.store_fails, false);
	post(f, START, STEP, 200, NULL);
	post(f, "/v1/deployments", AX_CREATE("other"), 200, NULL);
	audit_is(f, "operator deploy_create deployment=other component=driver version=1.0 "
		    "exposure=fixed match=none "
		    "rings=canary,wide\n"
		    "operator deploy_start deployment=d ring=canary step=1\n"
		    "operator deploy_create deployment=d component=driver version=1.0 "
		    "exposure=fixed match=none "
		    "rings=canary,wide\n");
}

/* ---- bodies ------------------------------------------------------------------------ */

struct bad_body {
	const char *body;
	const char *begins; /* the message */
};

static void all_refused(const struct ax *f, const char *path, const struct bad_body *bad,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ax_reply reply = ax_ask(f, "operator", "POST", path, bad[i].body);

		if (reply.status != 400 || strcmp(ax_code(&reply), "bad_request") != 0 ||
		    strncmp(ax_message(&reply), bad[i].begins, strlen(bad[i].begins)) != 0)
			fail_msg("%s: %s", bad[i].body, reply.text);
		ax_release(&reply);
	}
}

#define REFUSED(f, path, bad) all_refused(f, path, bad, sizeof(bad) / sizeof((bad)[0]))
#define BODY(deployment, component, version, exposure, match, rings)                               \
	"{\"deployment\":" deployment ",\"component\":" component ",\"version\":" version          \
	",\"exposure\":" exposure ",\"match\":" match ",\"rings\":" rings "}"

#define EXPOSED(exposure, match)                                                                   \
	BODY("\"d\"", "\"c\"", "\"1\"", "\"" exposure "\"", "\"" match "\"", "[\"canary\"]")

static void test_bodies_are_refused_by_field(void **state)
{
	static const struct bad_body create_bodies[] = {
		{"", "body: "},
		{"{", "body: "},
		{"[]", "body: expected an object"},
		{"\"text\"", "body: "},
		{"{} {}", "body: "},
		{"{\"rings\":[],\"rings\":[]}", "body: "},
		{"{}", "deployment: missing"},
		{BODY("\"d\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "[\"canary\"],\"x\":1"),
		 "x: unknown field"},
		{BODY("\"d\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "\"canary\""),
		 "rings: expected an array"},
		{BODY("1", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "[\"canary\"]"),
		 "deployment: expected a string"},
		{BODY("\"d\"", "null", "\"1\"", "\"fixed\"", "\"none\"", "[\"canary\"]"),
		 "component: expected a string"},
		{BODY("\"*\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "[\"canary\"]"),
		 "deployment: expected 1 to 63"},
		{BODY("\"d\"", "\"C\"", "\"1\"", "\"fixed\"", "\"none\"", "[\"canary\"]"),
		 "component: expected 1 to 63"},
		{BODY("\"d\"", "\"c\"", "\"\"", "\"fixed\"", "\"none\"", "[\"canary\"]"),
		 "version: "},
		{BODY("\"d\"", "\"c\"", "\"a\\u001b[31m\"", "\"fixed\"", "\"none\"",
		      "[\"canary\"]"),
		 "version: "},
		{BODY("\"d\"", "\"c\"", "\"a\\u0000b\"", "\"fixed\"", "\"none\"", "[\"canary\"]"),
		 "body: "},
		{EXPOSED("most", "none"), "exposure: expected fixed or reported"},
		{EXPOSED("", "none"), "exposure: expected fixed or reported"},
		{EXPOSED("fixed", "kernel"), "match: expected none with exposure fixed"},
		{EXPOSED("fixed", ""), "match: expected none with exposure fixed"},
		{EXPOSED("reported", "none"), "match: expected kernel, marker:NAME or module:NAME"},
		{EXPOSED("reported", ""), "match: expected kernel, marker:NAME or module:NAME"},
		{EXPOSED("reported", "kernel:"), "match: expected kernel, marker:NAME"},
		{EXPOSED("reported", "Kernel"), "match: expected kernel, marker:NAME"},
		{EXPOSED("reported", "marker:"), "match: expected behind marker: 1 to 63 of a-z"},
		{EXPOSED("reported", "marker:*"), "match: expected behind marker: "},
		{EXPOSED("reported", "marker:../x"), "match: expected behind marker: "},
		{EXPOSED("reported", "marker:Acme"), "match: expected behind marker: "},
		{EXPOSED("reported", "module:"), "match: expected behind module: 1 to 63 of A-Z"},
		{EXPOSED("reported", "module:acme-storage"), "match: expected behind module: "},
		{EXPOSED("reported", "module:a b"), "match: expected behind module: "},
		{EXPOSED("reported",
			 "module:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		 "match: expected behind module: "},
		{BODY("\"d\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "[]"), "rings: "},
		{BODY("\"d\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "[1]"), "rings: "},
		{BODY("\"d\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "[\"*\"]"), "rings: "},
		{BODY("\"d\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"", "[\"nowhere\"]"),
		 "rings: "},
		{BODY("\"d\"", "\"c\"", "\"1\"", "\"fixed\"", "\"none\"",
		      "[\"canary\",\"canary\"]"),
		 "a deployment names 1 to 32 rings, each once"},
	};
	static const struct bad_body start_bodies[] = {
		{"{}", "step: missing"},
		{"{\"step\":\"1\"}", "step: expected an integer"},
		{"{\"step\":1.0}", "step: expected an"},
		{"{\"step\":true}", "step: expected an"},
		{"{\"step\":0}", "step: "},
		{"{\"step\":-1}", "step: "},
		{"{\"step\":4294967297}", "step: "},
		{"{\"step\":1,\"at\":2}", "at: unknown field"},
	};
	static const struct bad_body reason_bodies[] = {
		{"{}", "reason: missing"},
		{"{\"reason\":\"\"}", "reason: "},
		{"{\"reason\":\"a\\nb\"}", "reason: "},
		{"{\"reason\":\"a\\u202eb\"}", "reason: "},
		{"{\"Reason\":\"x\"}", "Reason: unknown field"},
	};
	static const struct bad_body maintenance_bodies[] = {
		{"{\"reason\":\"x\"}", "seconds: missing"},
		{"{\"seconds\":60}", "reason: missing"},
		{"{\"seconds\":-1,\"reason\":\"x\"}", "seconds: expected 0 to 604800"},
		{"{\"seconds\":604801,\"reason\":\"x\"}", "seconds: expected 0 to 604800"},
		{"{\"seconds\":1.5,\"reason\":\"x\"}", "seconds: expected an integer"},
		{"{\"seconds\":\"1h\",\"reason\":\"x\"}", "seconds: expected an integer"},
		{"{\"seconds\":60,\"reason\":\"\"}", "reason: "},
		{"{\"seconds\":60,\"reason\":\"x\",\"for\":\"1h\"}", "for: unknown field"},
	};
	static const struct bad_body finish_bodies[] = {{"{\"a\":1}", "a: unknown field"}};
	struct ax *f = *state;

	REFUSED(f, "/v1/deployments", create_bodies);
	REFUSED(f, START, start_bodies);
	REFUSED(f, "/v1/deployments/d/withdraw", reason_bodies);
	REFUSED(f, "/v1/deployments/d/rings/canary/reset", reason_bodies);
	REFUSED(f, "/v1/deployments/d/finish", finish_bodies);
	REFUSED(f, "/v1/hosts/h0/retire", reason_bodies);
	REFUSED(f, "/v1/hosts/h0/enrol", reason_bodies);
	REFUSED(f, "/v1/hosts/h0/exclude", reason_bodies);
	REFUSED(f, "/v1/hosts/h0/maintenance", maintenance_bodies);
	struct ax_reply reply = ax_get(f, "/v1/deployments");
	assert_int_equal(json_array_size(json_object_get(reply.json, "deployments")), 0);
	ax_release(&reply);
	audit_is(f, "");
}

static void test_a_reason_is_at_most_200_bytes(void **state)
{
	struct ax *f = *state;
	char body[512];
	char reason[RW_REASON_TEXT_MAX + 2];

	create(f);
	memset(reason, 'a', sizeof(reason));
	reason[RW_REASON_TEXT_MAX + 1] = '\0';
	snprintf(body, sizeof(body), "{\"reason\":\"%s\"}", reason);
	post(f, "/v1/deployments/d/withdraw", body, 400, "bad_request");
	reason[RW_REASON_TEXT_MAX] = '\0';
	snprintf(body, sizeof(body), "{\"reason\":\"%s\"}", reason);
	post(f, "/v1/deployments/d/withdraw", body, 200, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, ax_setup, ax_teardown)
		CASE(test_each_act_is_answered_with_the_deployment_and_audited),
		CASE(test_repeating_changes_nothing),
		CASE(test_what_changes_the_deployments_is_passed_on),
		CASE(test_other_content_is_a_conflict),
		CASE(test_what_may_not_start_says_why),
		CASE(test_what_is_not_there_is_named),
		CASE(test_a_host_that_is_not_there_is_named),
		CASE(test_a_sound_match_is_not_refused_by_its_form),
		CASE(test_nothing_is_acknowledged_before_it_is_on_disk),
		CASE(test_bodies_are_refused_by_field),
		CASE(test_a_reason_is_at_most_200_bytes),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
