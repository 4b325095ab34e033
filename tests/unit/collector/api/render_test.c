/* SPDX-License-Identifier: Apache-2.0 */
/* Every documented field, of its type, never null, and the figures that it carries. */
#include "tests/unit/collector/api/fixture.h"

#include <math.h>

#include "collector/api/internal.h"

/* Exactly these fields; releases nothing. */
static void has_fields(const json_t *json, const char *const *names)
{
	size_t count = 0;

	assert_non_null(json);
	for (; names[count] != NULL; count++) {
		const json_t *value = json_object_get(json, names[count]);

		if (value == NULL || json_is_null(value))
			fail_msg("no field %s", names[count]);
	}
	assert_int_equal(json_object_size(json), count);
}
#define HAS_FIELDS(json, ...) has_fields(json, (const char *const[]){__VA_ARGS__, NULL})

static json_t *at(const json_t *json, const char *first, const char *second)
{
	json_t *inner = json_object_get(json, first);

	return second == NULL ? inner : json_object_get(inner, second);
}

static json_int_t integer_at(const json_t *json, const char *first, const char *second)
{
	assert_true(json_is_integer(at(json, first, second)));
	return json_integer_value(at(json, first, second));
}

static void real_is(const json_t *json, const char *first, const char *second, double expected)
{
	double value = json_number_value(at(json, first, second));

	assert_true(json_is_real(at(json, first, second)));
	assert_true(fabs(value - expected) < 1e-9);
}

static void text_is(const json_t *json, const char *first, const char *second, const char *text)
{
	assert_string_equal(json_string_value(at(json, first, second)), text);
}

static void test_an_empty_verdict_has_every_field(void **state)
{
	static const struct rw_verdict empty = {.decision = RW_HOLD};
	json_t *json = rw_render_verdict(&empty);

	(void)state;
	HAS_FIELDS(json, "deployment", "ring", "for", "verdict", "reasons", "warnings", "breaker",
		   "bake", "hosts", "failed", "control", "noise", "coverage", "max_exposed_hosts",
		   "last_proved_at", "evaluated_at");
	HAS_FIELDS(at(json, "breaker", NULL), "state", "grade", "rule", "proof", "opened_at",
		   "evidence");
	HAS_FIELDS(at(json, "bake", NULL), "state", "step", "steps", "required_seconds",
		   "observed_seconds", "remaining_seconds", "started_at");
	HAS_FIELDS(at(json, "hosts", NULL), "enrolled", "online", "suspect", "offline", "planned",
		   "absent", "unknown", "exposed", "unheard", "looping");
	HAS_FIELDS(at(json, "failed", NULL), "hosts", "count", "ratio", "limit", "lower95",
		   "upper95", "observed_full", "certified", "offline", "crashed", "module_failed",
		   "recovered");
	HAS_FIELDS(at(json, "control", NULL), "hosts", "failed", "host_hours", "p");
	HAS_FIELDS(at(json, "noise", NULL), "expected_natural", "false_trip_probability",
		   "detection_power");
	HAS_FIELDS(at(json, "coverage", NULL), "ratio", "minimum");
	json_decref(json);
}

static void test_nothing_is_made_up(void **state)
{
	static const struct rw_verdict empty = {
		.decision = RW_HOLD, .upper95 = 1.0, .p = 1.0, .detection_power = 1.0};
	json_t *json = rw_render_verdict(&empty);

	(void)state;
	real_is(json, "failed", "ratio", 0.0);
	real_is(json, "failed", "lower95", 0.0);
	real_is(json, "failed", "upper95", 1.0);
	assert_true(json_is_false(at(json, "failed", "certified")));
	assert_int_equal(integer_at(json, "failed", "observed_full"), 0);
	assert_int_equal(integer_at(json, "failed", "module_failed"), 0);
	assert_int_equal(integer_at(json, "hosts", "looping"), 0);
	assert_int_equal(integer_at(json, "control", "hosts"), 0);
	assert_int_equal(integer_at(json, "control", "failed"), 0);
	real_is(json, "control", "p", 1.0);
	real_is(json, "control", "host_hours", 0.0);
	real_is(json, "noise", "expected_natural", 0.0);
	real_is(json, "noise", "false_trip_probability", 0.0);
	real_is(json, "noise", "detection_power", 1.0);
	real_is(json, "coverage", "ratio", 1.0);
	text_is(json, "last_proved_at", NULL, "");
	text_is(json, "breaker", "proof", "none");
	text_is(json, "breaker", "opened_at", "");
	text_is(json, "bake", "started_at", "");
	text_is(json, "evaluated_at", NULL, "");
	json_decref(json);
}

static struct rw_verdict *full_verdict(void)
{
	static struct rw_verdict v;

	v = (struct rw_verdict){
		.deployment = "d",
		.ring = "canary",
		.question = RW_FOR_ENTER,
		.decision = RW_ABORT,
		.reason_count = 2,
		.reasons = {RW_REASON_BLIND, RW_REASON_BAKE_INCOMPLETE},
		.warning_count = 1,
		.warnings = {RW_WARNING_OVERLAP},
		.breaker_open = true,
		.grade = RW_GRADE_EVIDENCE,
		.rule = RW_RULE_CRASHED,
		.proof = RW_PROOF_BOOT_LOOP,
		.opened_wall_ms = UINT64_C(1721362140000),
		.evidence_count = 1,
		.bake = RW_BAKE_PAUSED,
		.step = 2,
		.steps = 4,
		.required_ms = 3600000,
		.observed_ms = 1799001,
		.started_wall_ms = UINT64_C(1721362140123),
		.enrolled = 21,
		.presence = {[RW_UNKNOWN] = 1,
			     [RW_ONLINE] = 2,
			     [RW_SUSPECT] = 3,
			     [RW_OFFLINE] = 4,
			     [RW_PLANNED] = 5,
			     [RW_ABSENT] = 6},
		.exposed = 20,
		.unheard = 1,
		.at_risk = 19,
		.failed = 4,
		.limit_ppm = 1000,
		.offline = 3,
		.crashed = 2,
		.module_failed = 8,
		.recovered = 1,
		.looping = 9,
		.lower95 = 0.075,
		.upper95 = 0.42,
		.observed_full = 10,
		.certified = true,
		.control_hosts = 9500,
		.control_failed = 11,
		.control_host_ms = UINT64_C(19000) * 3600000 + 1800000,
		.exposed_host_ms = 12,
		.p = 0.003,
		.expected_natural = 2.5,
		.false_trip = 0.94,
		.detection_power = 0.146,
		.covered = 5,
		.min_coverage_ppm = 950000,
		.max_exposed_hosts = 7,
		.evaluated_wall_ms = UINT64_C(1721362140000),
	};
	snprintf(v.evidence[0].host, sizeof(v.evidence[0].host), "web-17");
	snprintf(v.evidence[0].event, sizeof(v.evidence[0].event), "web-17/5f/7");
	snprintf(v.evidence[0].kind, sizeof(v.evidence[0].kind), "oops");
	snprintf(v.evidence[0].signature, sizeof(v.evidence[0].signature), "oops:\"x\"\n\xC3\xA9");
	v.evidence[0].at_wall_ms = UINT64_C(1721362140000);
	return &v;
}

static void test_a_verdict_says_what_the_core_said(void **state)
{
	json_t *json = rw_render_verdict(full_verdict());

	(void)state;
	text_is(json, "for", NULL, "enter");
	text_is(json, "verdict", NULL, "abort");
	assert_string_equal(json_string_value(json_array_get(at(json, "reasons", NULL), 1)),
			    "bake_incomplete");
	assert_string_equal(json_string_value(json_array_get(at(json, "warnings", NULL), 0)),
			    "overlap");
	text_is(json, "breaker", "state", "open");
	text_is(json, "breaker", "grade", "evidence");
	text_is(json, "breaker", "rule", "crashed");
	text_is(json, "breaker", "proof", "boot_loop");
	text_is(json, "breaker", "opened_at", "2024-07-19T04:09:00.000Z");
	text_is(json, "bake", "started_at", "2024-07-19T04:09:00.123Z");
	text_is(json, "bake", "state", "paused");
	assert_int_equal(integer_at(json, "failed", "hosts"), 19);
	assert_int_equal(integer_at(json, "failed", "count"), 4);
	assert_int_equal(integer_at(json, "failed", "offline"), 3);
	assert_int_equal(integer_at(json, "failed", "crashed"), 2);
	assert_int_equal(integer_at(json, "failed", "recovered"), 1);
	real_is(json, "failed", "ratio", 4.0 / 19.0);
	real_is(json, "failed", "limit", 0.001);
	assert_int_equal(integer_at(json, "failed", "module_failed"), 8);
	assert_int_equal(integer_at(json, "failed", "observed_full"), 10);
	assert_true(json_is_true(at(json, "failed", "certified")));
	real_is(json, "failed", "lower95", 0.075);
	real_is(json, "failed", "upper95", 0.42);
	assert_int_equal(integer_at(json, "hosts", "looping"), 9);
	assert_int_equal(integer_at(json, "control", "hosts"), 9500);
	assert_int_equal(integer_at(json, "control", "failed"), 11);
	real_is(json, "control", "host_hours", 19000.5);
	real_is(json, "control", "p", 0.003);
	real_is(json, "noise", "expected_natural", 2.5);
	real_is(json, "noise", "false_trip_probability", 0.94);
	real_is(json, "noise", "detection_power", 0.146);
	real_is(json, "coverage", "ratio", 0.25);
	real_is(json, "coverage", "minimum", 0.95);
	assert_int_equal(integer_at(json, "max_exposed_hosts", NULL), 7);
	json_decref(json);
}

static void test_states_add_up_over_enrolled(void **state)
{
	static const char *const states[] = {"online",  "suspect", "offline",
					     "planned", "absent",  "unknown"};
	json_t *json = rw_render_verdict(full_verdict());
	json_int_t sum = 0;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		sum += integer_at(json, "hosts", states[i]);
	assert_int_equal(sum, integer_at(json, "hosts", "enrolled"));
	assert_int_equal(integer_at(json, "hosts", "unknown"), 1);
	assert_int_equal(integer_at(json, "hosts", "absent"), 6);
	json_decref(json);
}

static void test_a_bake_never_shows_itself_done_too_early(void **state)
{
	struct rw_verdict *v = full_verdict();
	json_t *json = rw_render_verdict(v);

	(void)state;
	assert_int_equal(integer_at(json, "bake", "observed_seconds"), 1799);
	assert_int_equal(integer_at(json, "bake", "remaining_seconds"), 1801);
	json_decref(json);

	v->observed_ms = v->required_ms - 1;
	json = rw_render_verdict(v);
	assert_int_equal(integer_at(json, "bake", "remaining_seconds"), 1);
	json_decref(json);

	v->observed_ms = v->required_ms + 5000;
	json = rw_render_verdict(v);
	assert_int_equal(integer_at(json, "bake", "remaining_seconds"), 0);
	json_decref(json);
}

static void test_text_of_hosts_keeps_its_bytes(void **state)
{
	json_t *json = rw_render_verdict(full_verdict());
	const json_t *first = json_array_get(at(json, "breaker", "evidence"), 0);

	(void)state;
	HAS_FIELDS(first, "host", "event", "kind", "signature", "at");
	text_is(first, "signature", NULL, "oops:\"x\"\n\xC3\xA9");
	json_decref(json);
}

static void test_an_event_has_every_field(void **state)
{
	const struct rw_event_row row = {
		.row_id = 42,
		.sequence = 7,
		.at_wall_ms = UINT64_C(1721362140000),
		.boot_order = UINT64_MAX,
		.boot_ms = 12345,
		.cpu = UINT32_MAX,
		.count = 1,
		.error = -22,
		.host = "web-17",
		.ring = "canary",
		.spool_id = "5f1c",
		.kind = "oops",
		.severity = "critical",
		.source = "bpf",
		.boot_id = "",
		.comm = "sh",
		.signature = "s",
		.symbol = "",
		.module = "",
		.detail = "",
		.stack = "a+0x1\nb+0x2 [m]",
		.facts = "{\"type\":\"page_fault\",\"file\":\"a \\\"b\\\"\\u000a\"}",
		.has_log = true,
	};
	json_t *json = rw_render_event(&row);

	(void)state;
	HAS_FIELDS(json, "id", "event", "at", "received_at", "host", "ring", "kind", "severity",
		   "source", "signature", "symbol", "module", "error", "detail", "comm", "pid",
		   "cpu", "boot_id", "boot_order", "boot_seconds", "sequence", "count", "stack",
		   "facts", "has_log");
	HAS_FIELDS(at(json, "facts", NULL), "type", "file");
	text_is(json, "facts", "type", "page_fault");
	text_is(json, "facts", "file", "a \"b\"\n");
	assert_true(json_is_true(at(json, "has_log", NULL)));
	text_is(json, "event", NULL, "web-17/5f1c/7");
	text_is(json, "received_at", NULL, "");
	assert_int_equal(integer_at(json, "cpu", NULL), -1);
	assert_int_equal(integer_at(json, "error", NULL), -22);
	/* Beyond what a JSON integer of ours holds it stays the largest, never negative. */
	assert_true(integer_at(json, "boot_order", NULL) == INT64_MAX);
	real_is(json, "boot_seconds", NULL, 12.345);
	assert_int_equal(json_array_size(at(json, "stack", NULL)), 2);
	assert_string_equal(json_string_value(json_array_get(at(json, "stack", NULL), 1)),
			    "b+0x2 [m]");
	json_decref(json);
}

static void test_an_event_without_stack_and_facts_has_empty_ones(void **state)
{
	const struct rw_event_row row = {.host = "",
					 .ring = "",
					 .spool_id = "",
					 .kind = "",
					 .severity = "",
					 .source = "",
					 .boot_id = "",
					 .comm = "",
					 .signature = "",
					 .symbol = "",
					 .module = "",
					 .detail = "",
					 .stack = "",
					 .facts = "{}"};
	json_t *json = rw_render_event(&row);

	(void)state;
	assert_int_equal(json_array_size(at(json, "stack", NULL)), 0);
	assert_true(json_is_object(at(json, "facts", NULL)));
	assert_int_equal(json_object_size(at(json, "facts", NULL)), 0);
	assert_true(json_is_false(at(json, "has_log", NULL)));
	json_decref(json);
}

static void test_a_host_speaks_of_its_goodbye_only_while_away(void **state)
{
	struct rw_host_row row = {.id = "h",
				  .ring = "canary",
				  .presence = RW_PLANNED,
				  .goodbye = RW_BYE_POWER_OFF,
				  .back_by_wall_ms = UINT64_C(1721362140000)};
	struct rw_host_marks marks = {0};
	json_t *json = rw_render_host(&row, &marks);

	(void)state;
	HAS_FIELDS(json, "host", "ring", "state", "since", "last_heard", "back_by", "boot_id",
		   "boot_order", "goodbye", "excluded", "unregistered", "safe_start", "spool");
	text_is(json, "goodbye", NULL, "power_off");
	text_is(json, "back_by", NULL, "2024-07-19T04:09:00.000Z");
	json_decref(json);

	row.presence = RW_ONLINE;
	row.back_by_wall_ms = 0;
	json = rw_render_host(&row, &marks);
	text_is(json, "goodbye", NULL, "");
	text_is(json, "back_by", NULL, "");
	json_decref(json);
}

static void test_a_host_says_where_it_keeps_its_events(void **state)
{
	static const struct {
		struct rw_host_marks marks;
		const char *spool, *reason;
	} cases[] = {
		{{.known = false}, "unknown", ""},
		{{.known = true}, "disk", ""},
		{{.known = true, .memory_spool = true, .spool_reason = "full"}, "memory", "full"},
		{{.known = true, .safe_start = true}, "disk", ""},
	};
	const struct rw_host_row row = {.id = "h", .ring = "canary", .presence = RW_ONLINE};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json = rw_render_host(&row, &cases[i].marks);

		HAS_FIELDS(at(json, "spool", NULL), "state", "reason");
		text_is(json, "spool", "state", cases[i].spool);
		text_is(json, "spool", "reason", cases[i].reason);
		assert_int_equal(json_is_true(at(json, "safe_start", NULL)),
				 cases[i].marks.safe_start);
		json_decref(json);
	}
}

static void test_a_ring_shows_its_policy(void **state)
{
	struct rw_ring_view view = {.policy = ax_ring("canary", 3), .enrolled = 2, .fleet = 9};
	struct rw_ring_coverage coverage = {.hosts = 9, .safe_start = 2, .memory_spool = 1};
	json_t *json;

	(void)state;
	view.policy.step_count = 2;
	view.policy.step_ppm[0] = 100000;
	view.policy.step_ppm[1] = RW_PPM;
	view.policy.limits[RW_RULE_OFFLINE].judged = false;
	view.presence[RW_ONLINE] = 2;
	coverage.kinds[RINGWATCH__V1__KIND__KIND_OOPS] = (struct rw_kind_coverage){7, 1, 1};
	json = rw_render_ring(&view, &coverage, json_array());
	HAS_FIELDS(json, "ring", "order", "bake_seconds", "steps", "fleet_share", "limits",
		   "least_hosts", "min_coverage", "min_exposed", "open_on", "crash_kinds", "hosts",
		   "fleet_hosts", "heard_hosts", "safe_start_hosts", "memory_spool_hosts",
		   "coverage", "deployments");
	assert_int_equal(integer_at(json, "heard_hosts", NULL), 9);
	assert_int_equal(integer_at(json, "safe_start_hosts", NULL), 2);
	assert_int_equal(integer_at(json, "memory_spool_hosts", NULL), 1);
	assert_int_equal(json_array_size(at(json, "coverage", NULL)), 1);
	const json_t *seen = json_array_get(at(json, "coverage", NULL), 0);
	HAS_FIELDS(seen, "kind", "hosts_bpf", "hosts_log", "hosts_blind");
	text_is(seen, "kind", NULL, "oops");
	assert_int_equal(integer_at(seen, "hosts_bpf", NULL), 7);
	assert_int_equal(integer_at(seen, "hosts_log", NULL), 1);
	assert_int_equal(integer_at(seen, "hosts_blind", NULL), 1);
	HAS_FIELDS(at(json, "limits", NULL), "offline", "crashed", "module_failed", "failed");
	HAS_FIELDS(at(json, "hosts", NULL), "enrolled", "online", "suspect", "offline", "planned",
		   "absent", "unknown");
	assert_int_equal(integer_at(json, "limits", "offline"), -1);
	assert_int_equal(integer_at(json, "limits", "module_failed"), -1);
	real_is(json, "limits", "crashed", 0.001);
	text_is(json, "open_on", NULL, "limit");
	assert_int_equal(json_array_size(at(json, "steps", NULL)), 2);
	assert_int_equal(json_array_size(at(json, "crash_kinds", NULL)), 1);
	assert_string_equal(json_string_value(json_array_get(at(json, "crash_kinds", NULL), 0)),
			    "oops");
	json_decref(json);

	view.policy.limits[RW_RULE_MODULE_FAILED] = (struct rw_limit){true, 5000};
	view.policy.open_on_evidence = true;
	json = rw_render_ring(&view, &coverage, json_array());
	real_is(json, "limits", "module_failed", 0.005);
	text_is(json, "open_on", NULL, "evidence");
	json_decref(json);
}

static void test_a_retired_and_an_excluded_host_are_shown_as_such(void **state)
{
	struct rw_host_row row = {.id = "h", .ring = "canary", .presence = RW_RETIRED};
	struct rw_host_marks marks = {0};
	json_t *json = rw_render_host(&row, &marks);

	(void)state;
	text_is(json, "state", NULL, "retired");
	assert_true(json_is_false(at(json, "excluded", NULL)));
	assert_true(json_is_false(at(json, "unregistered", NULL)));
	json_decref(json);

	row.presence = RW_ONLINE;
	row.excluded = row.unregistered = true;
	json = rw_render_host(&row, &marks);
	assert_true(json_is_true(at(json, "excluded", NULL)));
	assert_true(json_is_true(at(json, "unregistered", NULL)));
	json_decref(json);
}

static void test_a_deployment_shows_whose_version_it_is(void **state)
{
	struct rw_deployment_view *view = calloc(1, sizeof(*view));

	(void)state;
	assert_non_null(view);
	view->row.exposure = RW_EXPOSURE_REPORTED;
	view->row.state = RW_DEPLOYMENT_ACTIVE;
	snprintf(view->row.match, sizeof(view->row.match), "module:acme_storage");
	json_t *json = rw_render_deployment(view);
	text_is(json, "exposure", NULL, "reported");
	text_is(json, "match", NULL, "module:acme_storage");
	json_decref(json);

	view->row.exposure = RW_EXPOSURE_FIXED;
	view->row.match[0] = '\0';
	json = rw_render_deployment(view);
	text_is(json, "exposure", NULL, "fixed");
	text_is(json, "match", NULL, "none");
	json_decref(json);
	free(view);
}

static void test_shares_are_written_as_people_write_them(void **state)
{
	struct rw_request request = {0};

	(void)state;
	rw_answer(&request, 200, json_pack("{s:o}", "share", rw_json_ppm(950000)));
	assert_string_equal(request.text, "{\"share\":0.95}");
	rw_answer(&request, 200, json_pack("{s:o}", "share", rw_json_ppm(1)));
	assert_string_equal(request.text, "{\"share\":1e-6}");
	free(request.text);
}

static void test_an_error_is_one_clean_line(void **state)
{
	struct rw_request request = {0};
	const char *message;

	(void)state;
	rw_fail(&request, 400, "bad_request", "%s: a\nb\x1b[31m\xff", "ring");
	assert_int_equal(request.status, 400);
	json_t *json = json_loads(request.text, 0, NULL);
	assert_int_equal(json_unpack(json, "{s:{s:s}}", "error", "message", &message), 0);
	assert_string_equal(message, "ring: a\\x0ab\\x1b[31m\\xff");
	json_decref(json);
	/* Without memory for an answer there is still one. */
	rw_answer(&request, 200, NULL);
	assert_int_equal(request.status, 500);
	assert_non_null(strstr(request.text, "\"internal\""));
	free(request.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_verdict_has_every_field),
		cmocka_unit_test(test_nothing_is_made_up),
		cmocka_unit_test(test_a_retired_and_an_excluded_host_are_shown_as_such),
		cmocka_unit_test(test_a_deployment_shows_whose_version_it_is),
		cmocka_unit_test(test_a_verdict_says_what_the_core_said),
		cmocka_unit_test(test_states_add_up_over_enrolled),
		cmocka_unit_test(test_a_bake_never_shows_itself_done_too_early),
		cmocka_unit_test(test_text_of_hosts_keeps_its_bytes),
		cmocka_unit_test(test_an_event_has_every_field),
		cmocka_unit_test(test_an_event_without_stack_and_facts_has_empty_ones),
		cmocka_unit_test(test_a_host_speaks_of_its_goodbye_only_while_away),
		cmocka_unit_test(test_a_host_says_where_it_keeps_its_events),
		cmocka_unit_test(test_a_ring_shows_its_policy),
		cmocka_unit_test(test_shares_are_written_as_people_write_them),
		cmocka_unit_test(test_an_error_is_one_clean_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
