/* SPDX-License-Identifier: Apache-2.0 */
/* A policy that would make the judgement mean nothing is refused, and the ring named. */
#include "tests/unit/core/fixture.h"

static void the_defaults_are_sound(void **state)
{
	struct rw_policy policy = fx_policy(3);
	int ring = 99;

	(void)state;
	assert_null(rw_policy_fault(&policy, &ring));
	assert_int_equal(policy.timing.heartbeat_every_ms, 5000);
	assert_int_equal(policy.timing.suspect_after_ms, 12000);
	assert_int_equal(policy.timing.offline_after_ms, 30000);
	assert_int_equal(policy.timing.max_planned_ms, 600000);
	assert_int_equal(policy.timing.power_off_grace_ms, 86400000);
}

static void expect(const struct rw_policy *policy, int expected, const char *word)
{
	int ring = 99;
	const char *fault = rw_policy_fault(policy, &ring);

	if (fault == NULL || strstr(fault, word) == NULL || ring != expected)
		fail_msg("wanted '%s' of ring %d, got '%s' of %d", word, expected,
			 fault == NULL ? "sound" : fault, ring);
	struct rw_core_sink sink = {NULL, fx_take_change, NULL, NULL};
	struct rw_core *core;
	assert_int_equal(rw_core_new(policy, &sink, 1, (struct rw_now){0, 0}, &core), -EINVAL);
}

static void each_fault_is_named(void **state)
{
	struct rw_policy p;

	(void)state;
	p = fx_policy(1), p.ring_count = 0;
	expect(&p, -1, "rings");
	p = fx_policy(1), p.ring_count = RW_CORE_RINGS_MAX + 1;
	expect(&p, -1, "rings");
	p = fx_policy(2), p.rings[1].name[0] = '\0';
	expect(&p, 1, "name");
	p = fx_policy(2), p.rings[1].name[1] = '0';
	expect(&p, 1, "same name");
	p = fx_policy(2), p.rings[1].order = 1;
	expect(&p, 1, "order");
	p = fx_policy(1), p.rings[0].step_count = 0;
	expect(&p, 0, "steps");
	p = fx_policy(1), p.rings[0].step_count = RW_CORE_STEPS_MAX + 1;
	expect(&p, 0, "steps");
	p = fx_policy(1), p.rings[0].step_ppm[0] = 999999;
	expect(&p, 0, "100%");
	p = fx_policy(1), p.rings[0].step_count = 2, p.rings[0].step_ppm[1] = RW_PPM;
	expect(&p, 0, "grow");
	p = fx_policy(1), p.rings[0].least_hosts = 0;
	expect(&p, 0, "least_hosts");
	p = fx_policy(1), p.rings[0].limits[RW_RULE_FAILED].ppm = RW_PPM + 1;
	expect(&p, 0, "limit");
	p = fx_policy(1), p.rings[0].min_coverage_ppm = RW_PPM + 1;
	expect(&p, 0, "share");
	p = fx_policy(1), p.timing.heartbeat_every_ms = 0;
	expect(&p, -1, "heartbeat_every");
	p = fx_policy(1), p.timing.suspect_after_ms = 5000;
	expect(&p, -1, "suspect_after");
	p = fx_policy(1), p.timing.max_planned_ms = 0;
	expect(&p, -1, "max_planned");
	p = fx_policy(1), p.timing.offline_after_ms = UINT64_MAX;
	expect(&p, -1, "20 days");
}

static void offline_must_leave_room_for_a_group_to_turn_suspect(void **state)
{
	struct rw_policy p = fx_policy(2);
	int ring;

	(void)state;
	p.timing.offline_after_ms = 12000 + 2 * 5000;
	assert_null(rw_policy_fault(&p, &ring));
	p.timing.offline_after_ms--;
	expect(&p, -1, "offline_after");
	p = fx_policy(2);
	p.rings[1].heartbeat_every_ms = 9000; /* the slowest ring decides */
	assert_null(rw_policy_fault(&p, &ring));
	p.rings[1].heartbeat_every_ms = 9001;
	expect(&p, -1, "offline_after");
}

static void the_shortest_and_longest_times_are_sound(void **state)
{
	const uint64_t longest_ms = UINT64_C(20) * 24 * 60 * 60 * 1000;
	struct rw_policy p = fx_policy(1);
	int ring;

	(void)state;
	p.timing.max_planned_ms = 1;
	p.timing.power_off_grace_ms = 1;
	assert_null(rw_policy_fault(&p, &ring));
	p.timing.power_off_grace_ms = 0;
	expect(&p, -1, "power_off_grace");
	p = fx_policy(1), p.timing.offline_after_ms = longest_ms;
	assert_null(rw_policy_fault(&p, &ring));
	p.timing.offline_after_ms = longest_ms + 1;
	expect(&p, -1, "20 days");
}

static void a_share_may_be_the_whole(void **state)
{
	struct rw_policy p = fx_policy(1);
	int ring;

	(void)state;
	p.rings[0].fleet_share_ppm = RW_PPM;
	p.rings[0].min_coverage_ppm = RW_PPM;
	p.rings[0].min_exposed_ppm = RW_PPM;
	p.rings[0].limits[RW_RULE_FAILED].ppm = RW_PPM;
	assert_null(rw_policy_fault(&p, &ring));
	p.rings[0].fleet_share_ppm++;
	expect(&p, 0, "share");
	p.rings[0].fleet_share_ppm--, p.rings[0].min_exposed_ppm++;
	expect(&p, 0, "share");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_sound),
		cmocka_unit_test(each_fault_is_named),
		cmocka_unit_test(offline_must_leave_room_for_a_group_to_turn_suspect),
		cmocka_unit_test(the_shortest_and_longest_times_are_sound),
		cmocka_unit_test(a_share_may_be_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
