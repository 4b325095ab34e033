/* SPDX-License-Identifier: Apache-2.0 */
/* When the breaker opens, what it says, and what it must never count. */
#include "tests/unit/core/fixture.h"

static bool is_open(struct fixture *f)
{
	return fx_verdict(f, "d", "r0")->decision == RW_ABORT;
}

/* ---- the limit ---------------------------------------------------------------- */

static void one_in_a_thousand_is_the_default_limit_read_literally(void **state)
{
	static const struct {
		uint32_t hosts;
		uint32_t opens_at;
	} rows[] = {{1, 1}, {10, 1}, {100, 1}, {999, 1}, {1000, 2}, {1999, 2}, {2000, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fx_started(fx_policy(1), rows[i].hosts);

		for (uint32_t host = 0; host < rows[i].opens_at; host++) {
			assert_false(is_open(f));
			fx_oops(f, host);
		}
		struct rw_verdict *v = fx_verdict(f, "d", "r0");
		assert_int_equal(v->decision, RW_ABORT);
		assert_int_equal(v->rule, RW_RULE_CRASHED);
		assert_int_equal(v->grade, RW_GRADE_LIMIT);
		assert_int_equal(v->failed, rows[i].opens_at);
		assert_int_equal(v->at_risk, rows[i].hosts);
		assert_int_equal(v->evidence_count, rows[i].opens_at);
		fx_check(f);
		fx_free(f);
	}
}

static void silence_opens_it_in_the_tick_of_the_deadline(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 10);

	f->hosts[3].beats = false;
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_false(is_open(f));
	fx_run(f, RW_CORE_TICK_MS);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->decision, RW_ABORT);
	assert_int_equal(v->rule, RW_RULE_OFFLINE);
	assert_int_equal(v->offline, 1);
	assert_int_equal(v->evidence_count, 1);
	assert_string_equal(v->evidence[0].host, "h3");
	assert_string_equal(v->evidence[0].kind, "offline");
	assert_string_equal(v->evidence[0].event, "");
	assert_string_equal(v->open_ring, "r0");
	assert_int_equal(v->reason_count, 0);
	fx_free(f);
}

static void a_rule_that_the_policy_leaves_out_never_opens(void **state)
{
	static const struct {
		enum rw_rule judged;
		bool by_silence;
		bool opens;
	} rows[] = {
		{RW_RULE_OFFLINE, true, true},  {RW_RULE_OFFLINE, false, false},
		{RW_RULE_CRASHED, true, false}, {RW_RULE_CRASHED, false, true},
		{RW_RULE_FAILED, true, true},   {RW_RULE_FAILED, false, true},
		{RW_RULE_NONE, true, false},    {RW_RULE_NONE, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_policy policy = fx_policy(1);

		for (int rule = RW_RULE_OFFLINE; rule < RW_RULE_COUNT; rule++)
			policy.rings[0].limits[rule].judged = rule == (int)rows[i].judged;
		struct fixture *f = fx_started(policy, 4);
		if (rows[i].by_silence)
			f->hosts[0].beats = false;
		else
			fx_oops(f, 0);
		fx_run(f, 40000);
		assert_int_equal(is_open(f), rows[i].opens);
		if (rows[i].opens)
			assert_int_equal(fx_verdict(f, "d", "r0")->rule, rows[i].judged);
		fx_free(f);
	}
}

static void failed_adds_up_what_single_rules_let_pass(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].limits[RW_RULE_OFFLINE].ppm = 100000; /* of 10 hosts: more than 1 */
	policy.rings[0].limits[RW_RULE_CRASHED].ppm = 100000;
	policy.rings[0].limits[RW_RULE_FAILED].ppm = 100000;
	struct fixture *f = fx_started(policy, 10);

	fx_oops(f, 0);
	f->hosts[0].beats = false; /* the same host, silent too: still one */
	fx_run(f, 35000);
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 1);
	assert_false(is_open(f));
	f->hosts[1].beats = false;
	fx_run(f, 35000);
	/* Now two are offline and one of them crashed: 2 of 10 offline is named first. */
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_OFFLINE);
	fx_free(f);

	f = fx_started(policy, 10);
	fx_oops(f, 0);
	f->hosts[1].beats = false;
	fx_run(f, 35000);
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->rule, RW_RULE_FAILED);
	assert_int_equal(fx_verdict(f, "d", "r0")->evidence_count, 2);
	fx_free(f);
}

static void least_hosts_asks_for_more_than_one(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].least_hosts = 3;
	for (int rule = RW_RULE_OFFLINE; rule < RW_RULE_COUNT; rule++)
		policy.rings[0].limits[rule].ppm = 100000;
	struct fixture *f = fx_started(policy, 10);

	fx_oops(f, 0);
	fx_oops(f, 1);
	assert_false(is_open(f));
	fx_oops(f, 2);
	assert_true(is_open(f));
	fx_free(f);
}

/* ---- latched -------------------------------------------------------------------- */

static void what_opened_stays_open_when_all_recover(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);

	f->hosts[2].beats = false;
	fx_run(f, 30000);
	assert_true(is_open(f));
	f->hosts[2].beats = true;
	fx_run(f, 5000);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->decision, RW_ABORT);
	assert_int_equal(v->failed, 0);
	assert_int_equal(v->offline, 0);
	assert_int_equal(v->recovered, 1);
	fx_restart(f);
	assert_true(is_open(f));
	fx_run(f, 3600000);
	assert_true(is_open(f));
	fx_free(f);
}

static void coming_back_in_the_same_boot_is_not_a_crash(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].limits[RW_RULE_OFFLINE].judged = false;
	policy.rings[0].limits[RW_RULE_FAILED].judged = false;
	struct fixture *f = fx_started(policy, 5);

	f->hosts[2].beats = false;
	fx_run(f, 31000);
	fx_hello_end(f, 2, "r0",
		     RW_END_UNEXPECTED); /* says how the boot before ended; that is old */
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->crashed, 0);
	assert_int_equal(v->recovered, 1);
	assert_int_not_equal(v->decision, RW_ABORT);
	f->hosts[2].beats = false; /* silent again: no longer recovered */
	fx_run(f, 31000);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->recovered, 0);
	assert_int_equal(v->offline, 1);
	fx_check(f);
	fx_free(f);
}

static void the_opening_is_told_as_it_was_whatever_fails_later(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);

	f->hosts[2].beats = false;
	fx_run(f, 31000);
	uint64_t opened = fx_verdict(f, "d", "r0")->opened_wall_ms;
	fx_run(f, 10000);
	fx_oops(f, 0);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->opened_wall_ms, opened);
	assert_int_equal(v->rule, RW_RULE_OFFLINE);
	assert_int_equal(v->failed, 2);
	fx_free(f);
}

/* ---- by boot, never by arrival ------------------------------------------------------ */

static void what_happened_before_the_exposure_never_counts(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));
	fx_enrol(f, 0, 3, "r0");
	fx_listen(f);
	uint64_t before = fx_boot_ms(f, 0);
	fx_run(f, 10000);
	fx_create(f, "d", 1);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);

	/* An old oops leaves the spool only now; so does the end of an older boot. */
	fx_event_at(f, 0, KIND_OOPS, "oops", 10, before);
	fx_event_at(f, 0, KIND_OOPS, "oops", 9, UINT64_MAX);
	fx_event_at(f, 0, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", 9, before);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 0);
	assert_false(is_open(f));
	/* A kind that the policy does not count, after it. */
	fx_event_at(f, 0, KIND_WARNING, "warning", 10, fx_boot_ms(f, 0));
	fx_event_at(f, 0, 40, "later", 10, fx_boot_ms(f, 0));
	assert_false(is_open(f));
	fx_oops(f, 0);
	assert_true(is_open(f));
	fx_free(f);
}

static void a_crash_of_a_later_boot_counts_whatever_its_clock(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_event_at(f, 0, KIND_PANIC, "panic", 11, 1); /* dying early, told by the boot after it */
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->crashed, 1);
	assert_string_equal(v->evidence[0].kind, "panic");
	assert_string_equal(v->evidence[0].signature, "panic:crash_write+0x0:bad");
	fx_free(f);
}

static void the_unexpected_end_of_a_boot_counts_when_it_lived_after_the_exposure(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	/* The event's clock is that boot's last sign of life, before the exposure perhaps. */
	fx_event_at(f, 0, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", 10, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_free(f);

	/* A host that was gone already when its ring was started. */
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].limits[RW_RULE_OFFLINE].ppm = 500000;
	policy.rings[0].limits[RW_RULE_FAILED].ppm = 500000;
	f = fx_new(policy);
	fx_enrol(f, 0, 3, "r0");
	f->hosts[0].beats = false;
	fx_run(f, 40000);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	fx_create(f, "d", 1);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->exposed, 3);
	assert_int_equal(v->unheard, 1);
	assert_int_equal(v->at_risk, 2);
	assert_int_equal(v->offline, 0);
	fx_reboots(f, 0);
	fx_hello_end(f, 0, "r0", RW_END_UNEXPECTED);
	fx_event_at(f, 0, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", 10, 1);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->at_risk, 3);
	assert_int_equal(v->crashed, 0);
	/* But the boot it came back in is one that the deployment may kill. */
	fx_reboots(f, 0);
	fx_hello_end(f, 0, "r0", RW_END_UNEXPECTED);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_check(f);
	fx_free(f);
}

static void a_silent_host_that_returns_tells_where_its_exposure_was(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].limits[RW_RULE_OFFLINE].judged = false;
	policy.rings[0].limits[RW_RULE_FAILED].judged = false;
	struct fixture *f = fx_new(policy);
	fx_enrol(f, 0, 3, "r0");
	f->hosts[0].beats = false;
	fx_run(f, 40000);
	fx_reboots(f, 0); /* unseen: boot 11 lives before the exposure, and oopses there */
	fx_run(f, 10000);
	uint64_t oops = fx_boot_ms(f, 0);
	fx_run(f, 10000);
	fx_create(f, "d", 1);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 10000);
	fx_hello_end(f, 0, "r0", RW_END_ORDERLY);
	fx_event_at(f, 0, KIND_OOPS, "oops", 11, oops);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 0);
	fx_event_at(f, 0, KIND_OOPS, "oops", 11, oops + 10000);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_free(f);
}

static void a_new_boot_without_a_clean_end_is_a_crash(void **state)
{
	enum before { WAS_ONLINE, WAS_OFFLINE, WAS_PLANNED };
	static const struct {
		enum rw_boot_end end;
		enum before before;
		bool crashed;
	} rows[] = {
		{RW_END_ORDERLY, WAS_ONLINE, false},    {RW_END_ORDERLY, WAS_OFFLINE, false},
		{RW_END_ORDERLY, WAS_PLANNED, false},   {RW_END_UNEXPECTED, WAS_ONLINE, true},
		{RW_END_UNEXPECTED, WAS_OFFLINE, true}, {RW_END_UNEXPECTED, WAS_PLANNED, true},
		{RW_END_NONE, WAS_ONLINE, true},        {RW_END_NONE, WAS_OFFLINE, true},
		{RW_END_NONE, WAS_PLANNED, false},      {RW_END_UNKNOWN, WAS_ONLINE, false},
		{RW_END_UNKNOWN, WAS_OFFLINE, true},    {RW_END_UNKNOWN, WAS_PLANNED, false},
	};
	struct rw_policy policy = fx_policy(1);

	(void)state;
	policy.rings[0].limits[RW_RULE_OFFLINE].judged = false;
	policy.rings[0].limits[RW_RULE_FAILED].judged = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = fx_started(policy, 3);

		if (rows[i].before == WAS_PLANNED)
			rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_REBOOT, 300000, f->now);
		f->hosts[0].beats = false;
		fx_run(f, rows[i].before == WAS_ONLINE ? 2000 : 31000);
		fx_reboots(f, 0);
		fx_hello_end(f, 0, "r0", rows[i].end);
		struct rw_verdict *v = fx_verdict(f, "d", "r0");
		assert_int_equal(v->crashed, rows[i].crashed);
		assert_int_equal(v->decision == RW_ABORT, rows[i].crashed);
		assert_int_equal(v->offline, 0);
		assert_int_equal(v->recovered, 0);
		fx_check(f);
		fx_free(f);
	}
}

static void a_boot_end_that_the_policy_does_not_count_is_no_crash(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].crash_kinds &= ~(1u << RW_CORE_KIND_UNEXPECTED_REBOOT);
	struct fixture *f = fx_started(policy, 3);

	fx_reboots(f, 0);
	fx_hello_end(f, 0, "r0", RW_END_UNEXPECTED);
	fx_event_at(f, 0, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", 10, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 0);
	fx_oops(f, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_free(f);
}

static void a_count_of_boots_that_went_back_hides_nothing(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	f->hosts[0].boot = 3; /* the host lost its state and its clock */
	f->hosts[0].booted_ms = f->now.boot_ms;
	fx_hello_end(f, 0, "r0", RW_END_ORDERLY);
	assert_false(is_open(f));
	fx_oops(f, 0);
	assert_true(is_open(f));
	fx_free(f);
}

/* ---- evidence ------------------------------------------------------------------------ */

static void one_crash_is_one_line_that_learns_its_event(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_reboots(f, 0);
	fx_hello_end(f, 0, "r0", RW_END_UNEXPECTED);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->decision, RW_ABORT);
	assert_int_equal(v->evidence_count, 1);
	assert_string_equal(v->evidence[0].kind, "unexpected_reboot");
	assert_string_equal(v->evidence[0].event, "");

	fx_event_at(f, 0, KIND_OOPS, "oops", 10, fx_boot_ms(f, 0) + 600000);
	fx_event_at(f, 0, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", 10, 1);
	fx_event_at(f, 0, RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot", 10, 1);
	v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->crashed, 1);
	assert_int_equal(v->evidence_count, 2); /* the oops stays; the reboot stands once */
	assert_string_equal(v->evidence[0].kind, "unexpected_reboot");
	assert_int_equal(strncmp(v->evidence[0].event, "h0/spool/", 9), 0);
	assert_string_equal(v->evidence[1].kind, "oops");
	fx_free(f);
}

static void evidence_is_bounded_and_later_failures_add_to_it(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 100);

	fx_oops(f, 7);
	assert_int_equal(fx_verdict(f, "d", "r0")->evidence_count, 1);
	f->hosts[8].beats = false;
	fx_run(f, 31000);
	assert_int_equal(fx_verdict(f, "d", "r0")->evidence_count, 2);
	for (uint32_t host = 0; host < 100; host++)
		fx_oops(f, host);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->evidence_count, RW_CORE_EVIDENCE_MAX);
	assert_int_equal(v->crashed, 100);
	assert_string_equal(v->evidence[0].host, "h7");
	fx_free(f);
}

static void a_silent_host_that_came_back_in_time_is_no_evidence(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 2000);

	f->hosts[5].beats = false;
	fx_run(f, 31000); /* 1 of 2,000: below the limit */
	f->hosts[5].beats = true;
	fx_run(f, 5000);
	for (uint32_t host = 10; host < 13; host++)
		f->hosts[host].beats = false;
	fx_run(f, 31000);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->decision, RW_ABORT);
	assert_int_equal(v->evidence_count, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_string_equal(v->evidence[i].host, fx_name(10 + i));
	fx_free(f);
}

/* ---- when the observer is blind ----------------------------------------------------- */

static void a_crash_opens_it_even_while_blind_but_silence_does_not(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);
	fx_restart(f);
	assert_non_null(rw_core_blind_reason(f->core, f->now));
	fx_oops(f, 0);
	assert_true(is_open(f));
	fx_free(f);

	f = fx_started(fx_policy(1), 5);
	f->hosts[0].beats = false;
	fx_run(f, 29000);
	fx_sleep(f, 60000);
	fx_tick(f);
	fx_run(f, 5000);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")),
			    "hold: blind coverage_low bake_incomplete");
	fx_run(f, 7000); /* sight returns, and the host is still gone */
	assert_true(is_open(f));
	assert_int_equal(fx_verdict(f, "d", "r0")->evidence_count, 1);
	fx_free(f);
}

static void a_host_unheard_since_the_restart_is_offline_after_one_listening(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);

	f->hosts[4].beats = false;
	fx_restart(f);
	assert_int_equal(fx_presence(f, 4), RW_UNKNOWN);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 4), RW_UNKNOWN);
	assert_false(is_open(f));
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 4), RW_OFFLINE);
	assert_true(is_open(f));
	fx_free(f);
}

static uint32_t told_evidence(const struct fixture *f)
{
	uint32_t rows = 0;

	for (size_t i = 0; i < f->journal_count; i++)
		rows += f->journal[i].type == RW_CHANGE_EVIDENCE;
	return rows;
}

static void the_line_of_a_crash_stays_what_it_was_when_it_happened(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	char first[RW_CORE_EVENT_ID_BYTES];

	fx_oops(f, 0);
	rw_copy_text(first, sizeof(first), fx_verdict(f, "d", "r0")->evidence[0].event);
	assert_string_not_equal(first, "");
	fx_run(f, 1000);
	fx_oops(f, 0);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->evidence_count, 1);
	assert_string_equal(v->evidence[0].event, first);
	assert_int_equal(v->evidence[0].at_wall_ms, f->now.wall_ms - 1000);
	assert_int_equal(told_evidence(f), 1);
	fx_free(f);
}

static void a_boot_that_was_online_at_its_exposure_and_ended_badly_counts(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 3, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	fx_start(f, "d", "r0", 1);
	/* Not one byte of this boot came after the start. */
	fx_reboots(f, 0);
	fx_hello_end(f, 0, "r0", RW_END_UNEXPECTED);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_free(f);
}

static void one_second_of_slack_is_given_and_no_more(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 3, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	fx_start(f, "d", "r0", 1);
	uint64_t start = fx_boot_ms(f, 0);
	fx_run(f, 5000);
	fx_event_at(f, 0, KIND_OOPS, "oops", 10, start - 1001);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 0);
	fx_event_at(f, 0, KIND_OOPS, "oops", 10, start - 1000);
	assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 1);
	fx_free(f);
}

static void a_kind_that_no_policy_can_name_never_counts(void **state)
{
	(void)state;
	struct rw_policy policy = fx_policy(1);
	policy.rings[0].crash_kinds = UINT32_MAX;
	struct fixture *f = fx_started(policy, 3);

	fx_event_at(f, 0, 32, "later", 10, fx_boot_ms(f, 0));
	assert_false(is_open(f));
	fx_event_at(f, 0, 31, "last", 10, fx_boot_ms(f, 0));
	assert_true(is_open(f));
	fx_free(f);
}

static void who_went_away_with_a_goodbye_did_not_crash(void **state)
{
	static const enum rw_goodbye kinds[] = {RW_BYE_REBOOT, RW_BYE_POWER_OFF};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rw_policy policy = fx_policy(1);
		policy.timing.power_off_grace_ms = 60000;
		struct fixture *f = fx_started(policy, 3);

		f->hosts[0].beats = false;
		rw_core_goodbye(f->core, fx_handle(f, 0), kinds[i], 60000, f->now);
		fx_run(f, kinds[i] == RW_BYE_POWER_OFF ? 70000 : 30000);
		assert_int_equal(fx_presence(f, 0),
				 kinds[i] == RW_BYE_POWER_OFF ? RW_ABSENT : RW_PLANNED);
		fx_reboots(f, 0);
		fx_hello_end(f, 0, "r0", RW_END_NONE); /* of the boot before nothing is known */
		assert_int_equal(fx_verdict(f, "d", "r0")->crashed, 0);
		assert_false(is_open(f));
		fx_free(f);
	}
}

static void a_count_of_boots_that_went_back_is_remembered_over_a_restart(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	f->hosts[0].boot = 3;
	f->hosts[0].booted_ms = f->now.boot_ms;
	fx_hello_end(f, 0, "r0", RW_END_ORDERLY);
	fx_restart(f);
	fx_oops(f, 0);
	assert_true(is_open(f));
	fx_free(f);
}

static void what_fell_silent_while_blind_is_judged_in_each_deployment(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_create(f, "e", 1);
	fx_start(f, "e", "r0", 1);
	fx_run(f, 5000);
	f->hosts[0].beats = false;
	fx_run(f, 25000);
	fx_sleep(f, 60000); /* the observer's own stall */
	fx_run(f, 10000);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_HOLD);
	assert_int_equal(fx_verdict(f, "e", "r0")->decision, RW_HOLD);
	fx_run(f, 5000);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	assert_int_equal(fx_verdict(f, "e", "r0")->decision, RW_ABORT);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_in_a_thousand_is_the_default_limit_read_literally),
		cmocka_unit_test(silence_opens_it_in_the_tick_of_the_deadline),
		cmocka_unit_test(a_rule_that_the_policy_leaves_out_never_opens),
		cmocka_unit_test(failed_adds_up_what_single_rules_let_pass),
		cmocka_unit_test(least_hosts_asks_for_more_than_one),
		cmocka_unit_test(what_opened_stays_open_when_all_recover),
		cmocka_unit_test(the_opening_is_told_as_it_was_whatever_fails_later),
		cmocka_unit_test(coming_back_in_the_same_boot_is_not_a_crash),
		cmocka_unit_test(what_happened_before_the_exposure_never_counts),
		cmocka_unit_test(a_crash_of_a_later_boot_counts_whatever_its_clock),
		cmocka_unit_test(
			the_unexpected_end_of_a_boot_counts_when_it_lived_after_the_exposure),
		cmocka_unit_test(a_silent_host_that_returns_tells_where_its_exposure_was),
		cmocka_unit_test(a_new_boot_without_a_clean_end_is_a_crash),
		cmocka_unit_test(a_boot_end_that_the_policy_does_not_count_is_no_crash),
		cmocka_unit_test(a_count_of_boots_that_went_back_hides_nothing),
		cmocka_unit_test(one_crash_is_one_line_that_learns_its_event),
		cmocka_unit_test(evidence_is_bounded_and_later_failures_add_to_it),
		cmocka_unit_test(a_silent_host_that_came_back_in_time_is_no_evidence),
		cmocka_unit_test(a_crash_opens_it_even_while_blind_but_silence_does_not),
		cmocka_unit_test(a_host_unheard_since_the_restart_is_offline_after_one_listening),
		cmocka_unit_test(the_line_of_a_crash_stays_what_it_was_when_it_happened),
		cmocka_unit_test(a_boot_that_was_online_at_its_exposure_and_ended_badly_counts),
		cmocka_unit_test(one_second_of_slack_is_given_and_no_more),
		cmocka_unit_test(a_kind_that_no_policy_can_name_never_counts),
		cmocka_unit_test(who_went_away_with_a_goodbye_did_not_crash),
		cmocka_unit_test(a_count_of_boots_that_went_back_is_remembered_over_a_restart),
		cmocka_unit_test(what_fell_silent_while_blind_is_judged_in_each_deployment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
