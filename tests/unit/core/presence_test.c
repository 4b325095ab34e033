/* SPDX-License-Identifier: Apache-2.0 */
/* Who is called online, suspect, offline, planned, absent: and when exactly. */
#include "tests/unit/core/fixture.h"

static void a_live_host_is_never_suspected(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 20, "r0");
	for (int i = 0; i < 400; i++) {
		fx_run(f, 1000);
		for (uint32_t host = 0; host < 20; host++)
			assert_int_equal(fx_presence(f, host), RW_ONLINE);
	}
	assert_int_equal(f->probes, 0);
	fx_check(f);
	fx_free(f);
}

static void a_dead_host_is_offline_exactly_at_its_deadline(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 3, "r0");
	f->hosts[1].beats = false;
	fx_run(f, 12000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_ONLINE);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	assert_int_equal(f->probes, 1);
	fx_run(f, 18000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);
	assert_int_equal(fx_presence(f, 2), RW_ONLINE);
	fx_check(f);
	fx_free(f);
}

static void any_byte_clears_a_suspect_and_restarts_its_deadline(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_hello(f, 0, "r0");
	f->hosts[0].beats = false;
	fx_run(f, 20000);
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	rw_core_heard(f->core, fx_handle(f, 0), f->now);
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	fx_free(f);
}

static void a_group_turns_suspect_before_its_first_turns_offline(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	/* Their last heartbeats lie up to two intervals apart. */
	for (uint32_t i = 0; i < 20; i++) {
		fx_hello(f, i, "r0");
		f->hosts[i].beats = false;
		fx_run(f, 500);
	}
	struct rw_ring_view ring;
	do {
		fx_run(f, RW_CORE_TICK_MS);
		assert_true(rw_core_ring_at(f->core, 0, &ring));
	} while (ring.presence[RW_OFFLINE] == 0);
	assert_int_equal(ring.presence[RW_ONLINE], 0);
	fx_free(f);
}

static void a_stall_of_the_observer_extends_every_deadline(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 2, "r0");
	fx_listen(f);
	fx_beat(f, 0);
	f->hosts[0].beats = false;
	fx_run(f, 29000);
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	fx_sleep(f, 3600000); /* the machine was suspended for an hour */
	fx_tick(f);
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	assert_int_equal(fx_presence(f, 1), RW_ONLINE);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "stalled");
	fx_run(f, 1000 - 2 * RW_CORE_TICK_MS); /* the hour counted as one tick */
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	fx_free(f);
}

static void blindness_ends_when_all_could_have_been_heard(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_hello(f, 0, "r0");
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "listening");
	fx_run(f, RW_CORE_TICK_MS);
	assert_null(rw_core_blind_reason(f->core, f->now));

	fx_sleep(f, RW_STALL_MS);
	assert_null(rw_core_blind_reason(f->core, f->now));
	fx_sleep(f, 1);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "stalled"); /* before any tick */
	fx_tick(f);
	fx_run(f, 12000 - RW_CORE_TICK_MS);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "stalled");
	fx_run(f, RW_CORE_TICK_MS);
	assert_null(rw_core_blind_reason(f->core, f->now));
	fx_free(f);
}

static void a_goodbye_excuses_for_as_long_as_it_said(void **state)
{
	static const struct {
		uint64_t back_in_ms;
		uint64_t overdue_ms;
	} rows[] = {
		{120000, 120000},
		{3600000, 600000}, /* capped by max_planned */
		{0, 30000},        /* a goodbye is never worse than silence */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fx_new(fx_policy(1));

		fx_hello(f, 0, "r0");
		f->hosts[0].beats = false;
		rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_REBOOT, rows[i].back_in_ms,
				f->now);
		/* The session's last bytes are no return. */
		rw_core_heard(f->core, fx_handle(f, 0), f->now);
		fx_run(f, rows[i].overdue_ms - RW_CORE_TICK_MS);
		assert_int_equal(fx_presence(f, 0), RW_PLANNED);
		fx_run(f, RW_CORE_TICK_MS);
		assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
		fx_free(f);
	}
}

static void planned_hosts_come_due_in_the_order_of_their_deadlines(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	enum { COUNT = 200 };

	fx_enrol(f, 0, COUNT, "r0");
	for (uint32_t i = 0; i < COUNT; i++) {
		f->hosts[i].beats = false;
		rw_core_goodbye(f->core, fx_handle(f, i), RW_BYE_KEXEC,
				31000 + 1000 * (uint64_t)(i * 77 % COUNT), f->now);
	}
	fx_check(f);
	for (uint32_t second = 0; second < COUNT; second++) {
		fx_run(f, second == 0 ? 31000 : 1000);
		struct rw_ring_view ring;
		assert_true(rw_core_ring_at(f->core, 0, &ring));
		assert_int_equal(ring.presence[RW_OFFLINE], second + 1);
		if (second == COUNT / 2)
			fx_check(f);
	}
	fx_free(f);
}

static void a_host_switched_off_becomes_absent_not_offline(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.timing.power_off_grace_ms = 100000;
	struct fixture *f = fx_new(policy);

	fx_hello(f, 0, "r0");
	f->hosts[0].beats = false;
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_POWER_OFF, 0, f->now);
	fx_run(f, 100000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 0), RW_PLANNED);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 0), RW_ABSENT);
	fx_run(f, 100000);
	assert_int_equal(fx_presence(f, 0), RW_ABSENT);
	fx_reboots(f, 0);
	fx_hello(f, 0, "r0");
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);
	fx_free(f);
}

static void every_transition_is_told_once_with_what_was_before(void **state)
{
	static const enum rw_presence path[] = {RW_UNKNOWN, RW_ONLINE,  RW_SUSPECT, RW_OFFLINE,
						RW_ONLINE,  RW_PLANNED, RW_OFFLINE};

	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	fx_hello(f, 0, "r0");
	f->hosts[0].beats = false;
	fx_run(f, 40000);
	fx_beat(f, 0);
	fx_beat(f, 0); /* tells nothing: a heartbeat costs the store nothing */
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_SENSOR_STOP, 0, f->now);
	fx_run(f, 40000);

	assert_int_equal(f->journal_count, sizeof(path) / sizeof(path[0]) - 1);
	for (size_t i = 0; i < f->journal_count; i++) {
		assert_int_equal(f->journal[i].type, RW_CHANGE_HOST);
		assert_int_equal(f->journal[i].host.previous, path[i]);
		assert_int_equal(f->journal[i].host.presence, path[i + 1]);
	}
	fx_free(f);
}

static void a_ring_change_moves_the_host_and_is_told(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(2));
	struct rw_ring_view rings[2];

	fx_hello(f, 0, "r0");
	fx_hello(f, 0, "r1");
	assert_int_equal(rw_core_host_count(f->core), 1);
	assert_true(rw_core_ring_at(f->core, 0, &rings[0]));
	assert_true(rw_core_ring_at(f->core, 1, &rings[1]));
	assert_int_equal(rings[0].enrolled, 0);
	assert_int_equal(rings[1].enrolled, 1);
	assert_int_equal(rings[1].presence[RW_ONLINE], 1);
	assert_string_equal(f->journal[f->journal_count - 1].host.ring, "r1");
	assert_int_equal(f->journal[f->journal_count - 1].host.previous, RW_ONLINE);
	fx_check(f);
	fx_free(f);
}

static void hello_is_refused_for_a_ring_or_a_host_too_many(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	struct fixture *f = fx_new(policy);
	struct rw_core_sink sink = {f, fx_take_change, NULL};
	struct rw_boot boot = {.order = 1};
	struct rw_core *small;
	rw_host_handle handle = 7;

	assert_int_equal(rw_core_new(&policy, &sink, 2, f->now, &small), 0);
	assert_int_equal(rw_core_hello(small, "a", "nowhere", &boot, RW_END_NONE, f->now, &handle),
			 -ENOENT);
	assert_int_equal(rw_core_hello(small, "a", "r0", &boot, RW_END_NONE, f->now, &handle), 0);
	assert_int_equal(rw_core_hello(small, "b", "r0", &boot, RW_END_NONE, f->now, &handle), 0);
	assert_int_equal(rw_core_hello(small, "c", "r0", &boot, RW_END_NONE, f->now, &handle),
			 -ENOSPC);
	assert_int_equal(rw_core_hello(small, "a", "r0", &boot, RW_END_NONE, f->now, &handle), 0);
	/* Handles that are none do no harm. */
	rw_core_heard(small, 2, f->now);
	rw_core_heartbeat(small, RW_NO_HOST, 1, f->now);
	rw_core_goodbye(small, 99, RW_BYE_REBOOT, 1, f->now);
	assert_null(rw_core_check(small));
	rw_core_free(small);
	fx_free(f);
}

static void a_ring_may_ask_for_its_own_heartbeats(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(2);
	policy.rings[1].heartbeat_every_ms = 1000;
	struct fixture *f = fx_new(policy);

	fx_hello(f, 0, "r0");
	fx_hello(f, 1, "r1");
	assert_int_equal(rw_core_heartbeat_every_ms(f->core, fx_handle(f, 0)), 5000);
	assert_int_equal(rw_core_heartbeat_every_ms(f->core, fx_handle(f, 1)), 1000);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_host_is_never_suspected),
		cmocka_unit_test(a_dead_host_is_offline_exactly_at_its_deadline),
		cmocka_unit_test(any_byte_clears_a_suspect_and_restarts_its_deadline),
		cmocka_unit_test(a_group_turns_suspect_before_its_first_turns_offline),
		cmocka_unit_test(a_stall_of_the_observer_extends_every_deadline),
		cmocka_unit_test(blindness_ends_when_all_could_have_been_heard),
		cmocka_unit_test(a_goodbye_excuses_for_as_long_as_it_said),
		cmocka_unit_test(planned_hosts_come_due_in_the_order_of_their_deadlines),
		cmocka_unit_test(a_host_switched_off_becomes_absent_not_offline),
		cmocka_unit_test(every_transition_is_told_once_with_what_was_before),
		cmocka_unit_test(a_ring_change_moves_the_host_and_is_told),
		cmocka_unit_test(hello_is_refused_for_a_ring_or_a_host_too_many),
		cmocka_unit_test(a_ring_may_ask_for_its_own_heartbeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
