/* SPDX-License-Identifier: Apache-2.0 */
/* The timeline of a bake: what is thinned away, and what never is. */
#include "tests/unit/collector/api/fixture.h"

#include <stdbool.h>

enum { SAMPLES = 2000, FAILS_AT = 1235 };

static uint64_t push(struct ax *f, const char *deployment, unsigned at)
{
	struct rw_sample_row row = {
		.at_wall_ms = UINT64_C(1700000000000) + UINT64_C(10000) * at,
		.step = 1,
		.decision = at < FAILS_AT ? RW_HOLD : RW_ABORT,
		.breaker_open = at >= FAILS_AT,
		.exposed = 5,
		.at_risk = 5,
		.failed = at >= FAILS_AT,
		.coverage_ppm = 1000000,
		.observed_ms = at * UINT64_C(10000),
	};

	snprintf(row.deployment, sizeof(row.deployment), "%s", deployment);
	snprintf(row.ring, sizeof(row.ring), "canary");
	uint64_t sequence = rw_store_push_sample(f->hub.store, &row);
	assert_true(sequence > 0);
	return sequence;
}

static long observed(const json_t *points, size_t index)
{
	const json_t *point = json_array_get(points, index);

	return (long)json_integer_value(json_object_get(point, "observed_seconds"));
}

/* Whether a point says so of the sample of that moment. */
static bool has(const json_t *points, unsigned at, const char *verdict)
{
	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);

		if (observed(points, i) == 10L * at)
			return strcmp(json_string_value(json_object_get(point, "verdict")),
				      verdict) == 0;
	}
	return false;
}

static void test_the_first_the_last_and_every_turn_stay(void **state)
{
	struct ax *f = *state;
	static const unsigned asked[] = {2, 3, 120, 1000};
	uint64_t last = 0;

	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d"), 201, NULL);
	for (unsigned i = 0; i < SAMPLES; i++)
		last = push(f, "d", i);
	push(f, "another", 1);
	assert_int_equal(rw_hub_wait_committed(&f->hub, last), 0);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		char path[96];

		snprintf(path, sizeof(path), "/v1/deployments/d/rings/canary/timeline?points=%u",
			 asked[i]);
		struct ax_reply reply = ax_get(f, path);
		const json_t *points = json_object_get(reply.json, "points");
		size_t count = json_array_size(points);

		assert_int_equal(reply.status, 200);
		assert_true(count >= asked[i] && count <= asked[i] + 1);
		assert_true(has(points, 0, "hold"));
		assert_true(has(points, FAILS_AT, "abort"));
		assert_true(has(points, SAMPLES - 1, "abort"));
		for (size_t p = 1; p < count; p++)
			assert_true(observed(points, p - 1) < observed(points, p));
		ax_release(&reply);
	}
}

static void test_a_bake_without_samples_is_empty_and_a_wrong_one_is_404(void **state)
{
	struct ax *f = *state;

	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d"), 201, NULL);
	struct ax_reply reply = ax_get(f, "/v1/deployments/d/rings/canary/timeline");
	assert_int_equal(json_array_size(json_object_get(reply.json, "points")), 0);
	ax_release(&reply);
	ax_expect(f, "GET", "/v1/deployments/d/rings/none/timeline", NULL, 404, "unknown_ring");
	ax_expect(f, "GET", "/v1/deployments/x/rings/canary/timeline", NULL, 404,
		  "unknown_deployment");
	ax_expect(f, "GET", "/v1/deployments/d/rings/canary/timeline?points=1", NULL, 400,
		  "bad_request");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ax_setup, ax_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_first_the_last_and_every_turn_stay),
		TEST(test_a_bake_without_samples_is_empty_and_a_wrong_one_is_404),
	};

	return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
