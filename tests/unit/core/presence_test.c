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

	size_t told = 0;

	for (size_t row = 0; row < f->journal_count; row++) {
		if (f->journal[row].type == RW_CHANGE_HOST)
			f->journal[told++] = f->journal[row];
	}
	assert_int_equal(told, sizeof(path) / sizeof(path[0]) - 1);
	for (size_t i = 0; i < told; i++) {
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
	struct rw_core_sink sink = {f, fx_take_change, NULL, NULL};
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

/* ---- last gasps ------------------------------------------------------------------- */

static bool gasp(struct fixture *f, uint32_t host)
{
	return rw_core_gasp(f->core, fx_handle(f, host), f->now);
}

/* One host that beats no more, `age_ms` after it was last heard. */
static struct fixture *silent_for(uint64_t age_ms)
{
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 3, "r0");
	f->hosts[1].beats = false;
	fx_run(f, age_ms);
	f->probes = 0;
	return f;
}

static void a_host_that_gasps_is_probed_three_times_and_offline_after_five_seconds(void **state)
{
	static const uint32_t probes_at_s[] = {1, 1, 2, 2, 3}; /* after 0, 1, 2, 3, 4 s */

	(void)state;
	struct fixture *f = silent_for(1000);
	uint64_t told = f->sequence;

	assert_true(gasp(f, 1));
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	assert_int_equal(f->sequence, told + 1);
	fx_check(f);
	for (int second = 0; second < 5; second++) {
		assert_int_equal(f->probes, probes_at_s[second]);
		assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
		fx_run(f, second == 4 ? 1000 - RW_CORE_TICK_MS : 1000);
	}
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
	assert_int_equal(f->probes, RW_CORE_GASP_PROBES);
	assert_int_equal(fx_last(f, RW_CHANGE_HOST)->host.previous, RW_SUSPECT);
	/* Nobody else was touched. */
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);
	assert_int_equal(fx_presence(f, 2), RW_ONLINE);
	fx_check(f);
	fx_free(f);
}

static void a_byte_after_a_gasp_brings_the_host_back_with_its_ordinary_deadlines(void **state)
{
	(void)state;
	struct fixture *f = silent_for(1000);

	gasp(f, 1);
	fx_run(f, 4750);
	rw_core_heard(f->core, fx_handle(f, 1), f->now);
	assert_int_equal(fx_presence(f, 1), RW_ONLINE);
	fx_check(f);
	fx_run(f, 12000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_ONLINE);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	fx_run(f, 18000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
	fx_check(f);
	fx_free(f);
}

static void a_gasp_shortens_the_deadline_of_a_suspect_and_never_lengthens_it(void **state)
{
	static const struct {
		uint64_t silent_ms;
		bool acts;
		uint64_t left_ms;
	} rows[] = {
		{12000, true, 5000},
		{24000, true, 5000},
		{25000, false, 5000}, /* it has no more than that anyway */
		{29000, false, 1000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = silent_for(rows[i].silent_ms);
		uint64_t told = f->sequence;

		assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
		assert_int_equal(gasp(f, 1), rows[i].acts);
		assert_int_equal(f->sequence, told); /* it is suspect as before */
		fx_check(f);
		fx_run(f, rows[i].left_ms - RW_CORE_TICK_MS);
		assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
		fx_run(f, RW_CORE_TICK_MS);
		assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
		fx_check(f);
		fx_free(f);
	}
}

static void a_host_that_said_goodbye_and_gasps_is_not_excused_any_more(void **state)
{
	static const enum rw_goodbye kinds[] = {RW_BYE_REBOOT, RW_BYE_POWER_OFF, RW_BYE_KEXEC,
						RW_BYE_SENSOR_STOP};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct fixture *f = silent_for(0);
		struct rw_host_row row;

		rw_core_goodbye(f->core, fx_handle(f, 1), kinds[i], 120000, f->now);
		fx_run(f, 2000);
		assert_true(gasp(f, 1));
		assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
		assert_true(rw_core_host_at(f->core, fx_handle(f, 1), &row));
		assert_int_equal(row.back_by_wall_ms, 0);
		fx_check(f);
		fx_run(f, 5000);
		assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
		fx_check(f);
		fx_free(f);
	}
}

static void a_gasp_of_a_host_in_any_other_presence_does_nothing(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.timing.power_off_grace_ms = 40000;
	struct fixture *f = fx_new(policy);

	fx_enrol(f, 0, 3, "r0");
	fx_listen(f);
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_POWER_OFF, 0, f->now);
	f->hosts[0].beats = f->hosts[1].beats = false;
	fx_run(f, 41000);
	assert_int_equal(fx_presence(f, 0), RW_ABSENT);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
	uint64_t told = f->sequence;
	assert_false(gasp(f, 0));
	assert_false(gasp(f, 1));
	assert_false(rw_core_gasp(f->core, RW_NO_HOST, f->now));
	assert_int_equal(f->sequence, told);
	fx_restart(f);
	assert_int_equal(fx_presence(f, 2), RW_UNKNOWN);
	assert_false(gasp(f, 2));
	assert_int_equal(fx_presence(f, 2), RW_UNKNOWN);
	fx_check(f);
	fx_free(f);
}

static void one_gasp_of_a_host_in_five_seconds_acts(void **state)
{
	(void)state;
	struct fixture *f = silent_for(1000);

	assert_true(gasp(f, 1));
	fx_run(f, 2000);
	assert_false(gasp(f, 1)); /* no new deadline */
	assert_true(gasp(f, 2));  /* each host for itself */
	rw_core_heard(f->core, fx_handle(f, 1), f->now);
	assert_false(gasp(f, 1));
	assert_int_equal(fx_presence(f, 1), RW_ONLINE);
	fx_run(f, 3000 - RW_CORE_TICK_MS);
	assert_false(gasp(f, 1));
	fx_run(f, RW_CORE_TICK_MS);
	assert_true(gasp(f, 1));
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	fx_check(f);
	fx_free(f);
}

static void a_stall_of_the_observer_extends_a_gasping_hosts_deadline(void **state)
{
	(void)state;
	struct fixture *f = silent_for(1000);

	gasp(f, 1);
	fx_run(f, 4000);
	fx_sleep(f, 3600000); /* the collector's machine was suspended: who could have answered? */
	fx_tick(f);
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	fx_run(f, 1000 - 2 * RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_SUSPECT);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
	fx_free(f);
}

static void gasps_among_suspects_leave_the_order_of_the_others_alone(void **state)
{
	enum { COUNT = 60 };

	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	struct rw_ring_view ring;

	for (uint32_t i = 0; i < COUNT; i++) {
		fx_hello(f, i, "r0");
		f->hosts[i].beats = false;
		fx_run(f, 250);
		if (i % 3 == 0)
			gasp(f, i);
		if (i % 7 == 0)
			rw_core_heard(f->core, fx_handle(f, i / 2), f->now);
		fx_check(f);
	}
	for (int at = 0; at < 200; at++) {
		gasp(f, (uint32_t)at * 13 % COUNT);
		fx_run(f, RW_CORE_TICK_MS);
		fx_check(f);
	}
	assert_true(rw_core_ring_at(f->core, 0, &ring));
	assert_int_equal(ring.presence[RW_OFFLINE], COUNT);
	fx_free(f);
}

static void a_gasp_opens_the_breaker_twenty_five_seconds_before_silence_would(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	f->hosts[3].beats = false;
	gasp(f, 3);
	fx_run(f, 5000 - RW_CORE_TICK_MS);
	assert_int_not_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_OFFLINE);
	fx_check(f);
	fx_free(f);
}

static void a_false_gasp_changes_no_verdict(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	for (int i = 0; i < 20; i++) {
		gasp(f, 3);
		fx_run(f, 500);
		rw_core_heard(f->core, fx_handle(f, 3), f->now); /* it answers the probe */
		fx_run(f, 5000);
		fx_check(f);
	}
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 0);
	assert_int_not_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	assert_int_equal(fx_presence(f, 3), RW_ONLINE);
	fx_free(f);
}

static void planned_hosts_that_come_back_leave_the_deadlines_of_the_others(void **state)
{
	(void)state;
	enum { COUNT = 120 };
	uint64_t due_ms[COUNT];
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, COUNT, "r0");
	uint64_t begin_ms = f->now.boot_ms;
	for (uint32_t i = 0; i < COUNT; i++) {
		f->hosts[i].beats = false;
		due_ms[i] = 31000 + 1000 * (uint64_t)(i * i * 31 % 127);
		rw_core_goodbye(f->core, fx_handle(f, i), RW_BYE_REBOOT, due_ms[i], f->now);
	}
	for (uint32_t i = 0; i < COUNT; i += 3) {
		fx_beat(f, i);
		rw_core_goodbye(f->core, fx_handle(f, i), RW_BYE_REBOOT, due_ms[i] += 7000, f->now);
	}
	while (f->now.boot_ms - begin_ms < 170000) {
		fx_run(f, 1000);
		for (uint32_t i = 0; i < COUNT; i++)
			assert_int_equal(fx_presence(f, i) == RW_OFFLINE,
					 f->now.boot_ms - begin_ms >= due_ms[i]);
	}
	fx_free(f);
}

static void a_goodbye_is_itself_a_sign_of_life(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].limits[RW_RULE_OFFLINE].judged = false;
	policy.rings[0].limits[RW_RULE_FAILED].judged = false;
	struct fixture *f = fx_started(policy, 3);

	f->hosts[0].beats = false;
	fx_run(f, 35000);
	assert_int_equal(fx_verdict(f, "d", "r0")->offline, 1);
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_REBOOT, 60000, f->now);
	assert_int_equal(fx_presence(f, 0), RW_PLANNED);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->offline, 0);
	assert_int_equal(v->recovered, 1);

	/* And the first of a host since its exposure, too. */
	fx_create(f, "e", 1);
	fx_start(f, "e", "r0", 1);
	assert_int_equal(fx_verdict(f, "e", "r0")->at_risk, 0);
	rw_core_goodbye(f->core, fx_handle(f, 1), RW_BYE_REBOOT, 60000, f->now);
	assert_int_equal(fx_verdict(f, "e", "r0")->at_risk, 1);
	fx_check(f);
	fx_free(f);
}

static void another_boot_is_told_by_its_id_or_its_order(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	rw_host_handle handle;

	fx_hello(f, 0, "r0");
	struct rw_boot boot = fx_boot(f, 0);
	boot.id[15] = 1;
	assert_int_equal(rw_core_hello(f->core, "h0", "r0", &boot, RW_END_ORDERLY, f->now, &handle),
			 0);
	assert_memory_equal(fx_last(f, RW_CHANGE_HOST)->host.boot_id, boot.id, sizeof(boot.id));
	boot.order++;
	assert_int_equal(rw_core_hello(f->core, "h0", "r0", &boot, RW_END_ORDERLY, f->now, &handle),
			 0);
	assert_int_equal(fx_last(f, RW_CHANGE_HOST)->host.boot_order, boot.order);
	fx_free(f);
}

static void what_changes_nothing_is_told_to_nobody(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_hello(f, 0, "r0");
	fx_listen(f); /* the first half a minute is told each second */
	uint64_t told = f->sequence;
	fx_hello(f, 0, "r0"); /* a new session of the same boot */
	fx_beat(f, 0);
	fx_run(f, 60000);
	assert_int_equal(f->sequence, told);
	fx_free(f);
}

static void a_goodbye_has_the_name_that_it_has_everywhere(void **state)
{
	(void)state;
	assert_string_equal(rw_core_goodbye_name(RW_BYE_REBOOT), "reboot");
	assert_string_equal(rw_core_goodbye_name(RW_BYE_POWER_OFF), "power_off");
	assert_string_equal(rw_core_goodbye_name(RW_BYE_KEXEC), "kexec");
	assert_string_equal(rw_core_goodbye_name(RW_BYE_SENSOR_STOP), "sensor_stop");
}

static void a_gap_of_two_ticks_is_no_stall_and_a_longer_one_is(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_listen(f);
	fx_sleep(f, 2 * RW_CORE_TICK_MS);
	fx_tick(f);
	assert_null(rw_core_blind_reason(f->core, f->now));
	fx_sleep(f, 2 * RW_CORE_TICK_MS + 1);
	fx_tick(f);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "stalled");
	fx_free(f);
}

static void any_heartbeat_but_0_is_the_rings_own(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].heartbeat_every_ms = 1;
	struct fixture *f = fx_new(policy);

	fx_hello(f, 0, "r0");
	assert_int_equal(rw_core_heartbeat_every_ms(f->core, fx_handle(f, 0)), 1);
	assert_int_equal(rw_core_heartbeat_every_ms(f->core, RW_NO_HOST), 5000);
	fx_free(f);
}

static void a_gasp_between_the_deadline_and_its_tick_changes_nothing(void **state)
{
	(void)state;
	struct fixture *f = silent_for(1000);

	assert_true(gasp(f, 1));
	fx_run(f, RW_CORE_GASP_MS - RW_CORE_TICK_MS);
	fx_sleep(f, RW_CORE_TICK_MS);
	assert_false(gasp(f, 1));
	fx_check(f);
	fx_tick(f);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
	fx_check(f);
	fx_free(f);
}

static void an_event_is_a_sign_of_life(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_hello(f, 0, "r0");
	f->hosts[0].beats = false;
	fx_run(f, 15000);
	assert_int_equal(fx_presence(f, 0), RW_SUSPECT);
	fx_event_at(f, 0, KIND_WARNING, "warning", 10, fx_boot_ms(f, 0));
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);
	fx_free(f);
}

static void a_row_says_since_when_and_when_last_heard(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	struct rw_host_row row;

	fx_hello(f, 0, "r0");
	f->hosts[0].beats = false;
	uint64_t heard = f->now.wall_ms;
	fx_run(f, 40000);
	assert_true(rw_core_host_at(f->core, fx_handle(f, 0), &row));
	assert_int_equal(row.presence, RW_OFFLINE);
	assert_int_equal(row.heard_wall_ms, heard);
	assert_int_equal(row.since_wall_ms, heard + f->policy.timing.offline_after_ms);
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
		cmocka_unit_test(
			a_host_that_gasps_is_probed_three_times_and_offline_after_five_seconds),
		cmocka_unit_test(
			a_byte_after_a_gasp_brings_the_host_back_with_its_ordinary_deadlines),
		cmocka_unit_test(a_gasp_shortens_the_deadline_of_a_suspect_and_never_lengthens_it),
		cmocka_unit_test(a_host_that_said_goodbye_and_gasps_is_not_excused_any_more),
		cmocka_unit_test(a_gasp_of_a_host_in_any_other_presence_does_nothing),
		cmocka_unit_test(one_gasp_of_a_host_in_five_seconds_acts),
		cmocka_unit_test(a_stall_of_the_observer_extends_a_gasping_hosts_deadline),
		cmocka_unit_test(gasps_among_suspects_leave_the_order_of_the_others_alone),
		cmocka_unit_test(a_gasp_opens_the_breaker_twenty_five_seconds_before_silence_would),
		cmocka_unit_test(a_false_gasp_changes_no_verdict),
		cmocka_unit_test(planned_hosts_that_come_back_leave_the_deadlines_of_the_others),
		cmocka_unit_test(a_goodbye_is_itself_a_sign_of_life),
		cmocka_unit_test(another_boot_is_told_by_its_id_or_its_order),
		cmocka_unit_test(what_changes_nothing_is_told_to_nobody),
		cmocka_unit_test(a_goodbye_has_the_name_that_it_has_everywhere),
		cmocka_unit_test(a_gap_of_two_ticks_is_no_stall_and_a_longer_one_is),
		cmocka_unit_test(any_heartbeat_but_0_is_the_rings_own),
		cmocka_unit_test(a_gasp_between_the_deadline_and_its_tick_changes_nothing),
		cmocka_unit_test(an_event_is_a_sign_of_life),
		cmocka_unit_test(a_row_says_since_when_and_when_last_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
