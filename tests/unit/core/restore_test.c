/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A restart is a fold: the last row of each thing makes the same core again,
 * whatever had happened. Random operations, checked after each one.
 */
#include "tests/unit/core/fixture.h"

enum { HOSTS = 24, RINGS = 2, STEPS = 1500, SEEDS = 6 };

/* ---- the same, but for what a restart cannot know --------------------------------- */

/* Stalls since it was told have put it off, live; and a restart leaves time to listen. */
static void same_due(uint64_t live, uint64_t restored, struct rw_now now)
{
	uint64_t least = now.wall_ms + rw_timing_defaults().offline_after_ms;

	assert_true(restored == least || restored <= live);
}

static void same_hosts(const struct rw_core *live, const struct rw_core *restored,
		       struct rw_now now)
{
	assert_int_equal(rw_core_host_count(live), rw_core_host_count(restored));
	for (rw_host_handle handle = 0; handle < rw_core_host_count(live); handle++) {
		struct rw_host_row a, b;

		assert_true(rw_core_host_at(live, handle, &a));
		assert_true(rw_core_host_at(restored, rw_core_host_find(restored, a.id), &b));
		assert_string_equal(a.ring, b.ring);
		assert_memory_equal(a.boot_id, b.boot_id, sizeof(a.boot_id));
		assert_int_equal(a.boot_order, b.boot_order);
		if (a.presence == RW_ONLINE || a.presence == RW_SUSPECT) {
			assert_int_equal(b.presence, RW_UNKNOWN);
			continue;
		}
		assert_int_equal(a.presence, b.presence);
		assert_int_equal(a.excluded, b.excluded);
		assert_int_equal(a.by_age, b.by_age);
		assert_int_equal(a.unregistered, b.unregistered);
		if (a.presence == RW_PLANNED)
			same_due(a.back_by_wall_ms, b.back_by_wall_ms, now);
	}
}

/* Bits; not of who is new, nor of what the fleet's hours say, which are told each hour. */
static uint32_t lasting_warnings(const struct rw_verdict *verdict)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < verdict->warning_count; i++)
		bits |= UINT32_C(1) << verdict->warnings[i];
	return bits & ~(UINT32_C(1) << RW_WARNING_ENROLMENT_JUMP |
			UINT32_C(1) << RW_WARNING_LIMIT_BELOW_NOISE |
			UINT32_C(1) << RW_WARNING_DUPLICATE_IDENTITY);
}

static void same_verdict(const struct fixture *f, const struct rw_core *restored, const char *id,
			 const char *ring)
{
	static struct rw_verdict a, b;

	rw_core_verdict(f->core, id, ring, RW_FOR_ADVANCE, f->now, &a);
	rw_core_verdict(restored, id, ring, RW_FOR_ADVANCE, f->now, &b);
	assert_int_equal(a.decision == RW_ABORT, b.decision == RW_ABORT);
	assert_int_equal(a.breaker_open, b.breaker_open);
	assert_int_equal(a.rule, b.rule);
	assert_int_equal(a.grade, b.grade);
	assert_int_equal(a.opened_wall_ms, b.opened_wall_ms);
	assert_string_equal(a.open_ring, b.open_ring);
	assert_int_equal(a.evidence_count, b.evidence_count);
	for (uint32_t i = 0; i < a.evidence_count; i++) {
		assert_string_equal(a.evidence[i].host, b.evidence[i].host);
		assert_string_equal(a.evidence[i].kind, b.evidence[i].kind);
		assert_string_equal(a.evidence[i].event, b.evidence[i].event);
	}
	assert_int_equal(a.step, b.step);
	assert_int_equal(a.started_wall_ms, b.started_wall_ms);
	assert_int_equal(a.bake == RW_BAKE_COMPLETE, b.bake == RW_BAKE_COMPLETE);
	assert_in_range(a.observed_ms - b.observed_ms, 0, RW_BAKE_SAVE_MS);
	assert_int_equal(a.enrolled, b.enrolled);
	assert_int_equal(a.exposed, b.exposed);
	assert_int_equal(a.unheard, b.unheard);
	assert_int_equal(a.at_risk, b.at_risk);
	assert_int_equal(a.failed, b.failed);
	assert_int_equal(a.offline, b.offline);
	assert_int_equal(a.crashed, b.crashed);
	assert_int_equal(a.recovered, b.recovered);
	assert_int_equal(a.module_failed, b.module_failed);
	assert_int_equal(a.proof, b.proof);
	assert_int_equal(a.control_hosts, b.control_hosts);
	assert_int_equal(a.control_failed, b.control_failed);
	assert_int_equal(a.max_exposed_hosts, b.max_exposed_hosts);
	assert_true(a.exposed_host_ms >= b.exposed_host_ms);
	assert_true(a.control_host_ms >= b.control_host_ms);
	assert_int_equal(lasting_warnings(&a), lasting_warnings(&b));
}

static void same(const struct fixture *f, const struct rw_core *restored)
{
	same_hosts(f->core, restored, f->now);
	assert_int_equal(rw_core_deployment_count(f->core), rw_core_deployment_count(restored));
	for (uint32_t i = 0; i < rw_core_deployment_count(f->core); i++) {
		struct rw_deployment_row a, b;

		assert_true(rw_core_deployment_at(f->core, i, &a));
		assert_true(rw_core_deployment_at(
			restored, (uint32_t)rw_core_deployment_find(restored, a.id), &b));
		assert_memory_equal(&a, &b, sizeof(a));
		for (uint32_t j = 0; j < a.ring_count; j++)
			same_verdict(f, restored, a.id, a.rings[j]);
	}
}

/* The journal without what was superseded, so that folding it stays quick. */
static void compact(struct fixture *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->journal_count; i++) {
		if (!fx_is_superseded(f, i))
			f->journal[kept++] = f->journal[i];
	}
	f->journal_count = kept;
}

static void check_restored(struct fixture *f)
{
	fx_check(f);
	compact(f);
	struct rw_core *restored = fx_restored(f);
	const char *fault = rw_core_check(restored);
	if (fault != NULL)
		fail_msg("restored: %s", fault);
	same(f, restored);
	rw_core_free(restored);
}

/* ---- random life ---------------------------------------------------------------------- */

static uint64_t seed_state;

/* xorshift64*, for a sequence that is a seed's number. */
static uint32_t pick(uint32_t below)
{
	seed_state ^= seed_state >> 12;
	seed_state ^= seed_state << 25;
	seed_state ^= seed_state >> 27;
	return (uint32_t)((seed_state * UINT64_C(2685821657736338717)) >> 33) % below;
}

static void random_event(struct fixture *f, uint32_t host)
{
	static const struct {
		uint32_t kind;
		const char *name;
	} kinds[] = {{KIND_OOPS, "oops"},
		     {KIND_PANIC, "panic"},
		     {KIND_WARNING, "warning"},
		     {RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot"}};
	uint32_t kind = pick(4);
	uint64_t boot_ms = fx_boot_ms(f, host);

	char signature[32];

	/* Few of them, so that hosts share some. */
	snprintf(signature, sizeof(signature), "oops:s%u", pick(12));
	fx_event_signed(f, host, kinds[kind].kind, kinds[kind].name, f->hosts[host].boot - pick(2),
			pick(2) == 0 ? boot_ms : boot_ms / 2, signature);
}

static void random_module_failure(struct fixture *f, uint32_t host)
{
	static const char *const modules[] = {"nvidia", "falcon", "zfs"};

	fx_module_failed(f, host, modules[pick(3)], -(int)(1 + pick(20)));
}

static void random_word(struct fixture *f, const char *host)
{
	switch (pick(8)) {
	case 0:
		rw_core_host_retire(f->core, host, f->now);
		break;
	case 1:
		rw_core_host_exclude(f->core, host, f->now);
		break;
	case 2:
		rw_core_host_maintenance(f->core, host, pick(60000), f->now);
		break;
	default: /* else all would be gone in the end */
		rw_core_host_enrol(f->core, host, f->now);
		break;
	}
}

static void random_version(struct fixture *f, uint32_t host)
{
	static const char *const versions[] = {"1.2.3", "1.2.4", "", "1.2.3 4711"};

	rw_core_version(f->core, fx_handle(f, host), pick(2) == 0 ? "marker:driver" : "kernel",
			versions[pick(4)], pick(2) == 0, f->now);
}

/* A retired host's is refused. */
static void try_hello(struct fixture *f, uint32_t host, const char *ring)
{
	if (f->hosts[host].boot != 0 && fx_presence(f, host) == RW_RETIRED)
		rw_core_host_enrol(f->core, fx_name(host), f->now);
	fx_hello_end(f, host, ring, (enum rw_boot_end)pick(4));
}

static void random_host_step(struct fixture *f)
{
	static const char *const rings[] = {"r0", "r0", "r0", "r1"};
	uint32_t host = pick(HOSTS);
	bool known = f->hosts[host].boot != 0;

	switch (known ? pick(11) : 0) {
	case 0:
	case 1:
		try_hello(f, host, rings[pick(4)]);
		break;
	case 2:
		f->hosts[host].beats = false;
		break;
	case 3:
		f->hosts[host].beats = true;
		break;
	case 4:
		f->hosts[host].beats = false;
		rw_core_goodbye(f->core, fx_handle(f, host), (enum rw_goodbye)pick(4), pick(100000),
				f->now);
		break;
	case 5:
		fx_reboots(f, host);
		if (pick(10) == 0)
			f->hosts[host].boot = 1 + pick(20);
		try_hello(f, host, rings[host % 4]);
		break;
	case 6:
		random_event(f, host);
		break;
	case 7:
		random_module_failure(f, host);
		break;
	case 8:
		random_word(f, fx_name(host));
		break;
	case 9:
		random_version(f, host);
		break;
	default:
		rw_core_heard(f->core, fx_handle(f, host), f->now);
		break;
	}
}

static void random_act(struct fixture *f, unsigned *made)
{
	char id[16];
	const char *ring = pick(2) == 0 ? "r0" : "r1";
	struct rw_deployment_row spec;

	snprintf(id, sizeof(id), "d%u", pick(*made + 1));
	switch (pick(24)) {
	case 0:
		if (*made < 12)
			snprintf(id, sizeof(id), "d%u", (*made)++);
		spec = fx_spec(id, RINGS);
		if (pick(2) == 0) {
			spec.exposure = RW_EXPOSURE_REPORTED;
			rw_copy_text(spec.match, sizeof(spec.match),
				     pick(2) == 0 ? "marker:driver" : "kernel");
		}
		rw_core_deploy_create(f->core, &spec, f->now);
		break;
	case 1:
		rw_core_deploy_finish(f->core, id, f->now);
		break;
	case 2:
		rw_core_deploy_withdraw(f->core, id, "random", f->now);
		break;
	case 3:
	case 4:
	case 5:
		rw_core_deploy_reset(f->core, id, ring, f->now);
		break;
	default:
		rw_core_deploy_start(f->core, id, ring, 1 + pick(2), f->now);
		break;
	}
}

static struct rw_policy random_policy(void)
{
	struct rw_policy policy = fx_policy(RINGS);

	policy.rings[0].step_count = 2;
	policy.rings[0].step_ppm[0] = 500000;
	policy.rings[0].step_ppm[1] = RW_PPM;
	policy.rings[0].bake_ms = 1000;
	policy.rings[0].limits[RW_RULE_OFFLINE].ppm = 700000;
	policy.rings[0].limits[RW_RULE_FAILED].ppm = 700000;
	policy.rings[0].limits[RW_RULE_CRASHED].ppm = 500000;
	policy.rings[1].least_hosts = 2;
	policy.rings[1].limits[RW_RULE_OFFLINE].ppm = 600000;
	policy.rings[1].limits[RW_RULE_FAILED].ppm = 600000;
	policy.rings[0].min_coverage_ppm = 200000;
	policy.timing.power_off_grace_ms = 60000;
	return policy;
}

static void random_life(uint64_t seed, unsigned *opened, unsigned *both)
{
	struct fixture *f = fx_new(random_policy());
	unsigned made = 0;

	seed_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int step = 0; step < STEPS; step++) {
		uint32_t what = pick(100);

		if (what < 45)
			random_host_step(f);
		else if (what < 60)
			random_act(f, &made);
		else if (what < 90)
			fx_run(f, 250 * (uint64_t)(1 + pick(40)));
		else if (what < 93)
			fx_sleep(f, pick(100000));
		else if (what == 93)
			fx_restart(f);
		check_restored(f);
		for (uint32_t i = 0; i < rw_core_deployment_count(f->core); i++) {
			const struct rw_run *runs = f->core->deployments[i]->runs;

			*opened += runs[0].breaker_open || runs[1].breaker_open;
			*both += runs[0].exposure_count > 0 && runs[1].exposure_count > 0;
		}
	}
	fx_free(f);
}

static void whatever_happened_a_restart_is_the_same_core(void **state)
{
	unsigned opened = 0, both = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		random_life(seed, &opened, &both);
	/* The life was worth living through: open breakers, and both rings exposed. */
	assert_true(opened > STEPS);
	assert_true(both > 100);
}

/* ---- single facts ------------------------------------------------------------------------ */

static void offline_planned_and_crashed_survive_a_restart(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 6);

	f->hosts[0].beats = false;
	fx_run(f, 31000);
	fx_oops(f, 1);
	rw_core_goodbye(f->core, fx_handle(f, 2), RW_BYE_REBOOT, 300000, f->now);
	f->hosts[2].beats = false;
	fx_sleep(f, 100000);
	fx_restart(f);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	assert_int_equal(fx_presence(f, 2), RW_PLANNED);
	assert_int_equal(fx_presence(f, 3), RW_UNKNOWN);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->decision, RW_ABORT);
	assert_int_equal(v->crashed, 1);
	assert_int_equal(v->offline, 1);
	fx_run(f, 200000 - RW_CORE_TICK_MS); /* the time that was left of its goodbye */
	assert_int_equal(fx_presence(f, 2), RW_PLANNED);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 2), RW_OFFLINE);
	fx_free(f);
}

static void an_overdue_goodbye_gets_one_listening_after_a_restart(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_hello(f, 0, "r0");
	f->hosts[0].beats = false;
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_REBOOT, 60000, f->now);
	fx_sleep(f, 3600000);
	fx_restart(f);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 0), RW_PLANNED);
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 0), RW_OFFLINE);
	fx_free(f);
}

static void a_crash_during_the_downtime_is_told_by_the_next_hello(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 6);

	fx_sleep(f, 100000);
	fx_restart(f);
	fx_reboots(f, 3);
	fx_hello_end(f, 3, "r0", RW_END_UNEXPECTED);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	fx_free(f);
}

static void rows_that_name_nothing_known_are_refused(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 2);
	fx_oops(f, 0);
	struct rw_policy other = fx_policy(1);
	struct rw_core_sink sink = {f, fx_take_change, NULL, NULL};
	struct rw_core *core;

	/* Without the rows before them. */
	assert_int_equal(rw_core_new(&f->policy, &sink, 10, f->now, &core), 0);
	for (size_t i = 0; i < f->journal_count; i++) {
		if (f->journal[i].type != RW_CHANGE_HOST &&
		    f->journal[i].type != RW_CHANGE_DEPLOYMENT &&
		    f->journal[i].type != RW_CHANGE_SIGNATURE &&
		    f->journal[i].type != RW_CHANGE_LIFE)
			assert_int_equal(rw_core_restore(core, &f->journal[i], f->now), -EINVAL);
	}
	struct rw_change none = {.type = 99};
	assert_int_equal(rw_core_restore(core, &none, f->now), -EINVAL);
	rw_core_free(core);

	/* With a policy that lost the ring. */
	other.rings[0].name[1] = '9';
	assert_int_equal(rw_core_new(&other, &sink, 10, f->now, &core), 0);
	for (size_t i = 0; i < f->journal_count; i++) {
		if (f->journal[i].type != RW_CHANGE_SIGNATURE &&
		    f->journal[i].type != RW_CHANGE_LIFE)
			assert_int_equal(rw_core_restore(core, &f->journal[i], f->now), -EINVAL);
	}
	rw_core_free(core);

	/* With numbers that no state has. */
	assert_int_equal(rw_core_new(&f->policy, &sink, 10, f->now, &core), 0);
	for (size_t i = 0; i < f->journal_count; i++) {
		struct rw_change row = f->journal[i];

		if (row.type == RW_CHANGE_HOST)
			row.host.presence = RW_PRESENCE_COUNT;
		else if (row.type == RW_CHANGE_DEPLOYMENT)
			row.deployment.state = 7;
		else
			continue;
		assert_int_equal(rw_core_restore(core, &row, f->now), -EINVAL);
	}
	rw_core_free(core);
	fx_free(f);
}

static void what_the_sink_refused_is_told_again(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 20);

	fx_run(f, FX_BAKE_MS + 5000);
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "proceed");
	f->refuse_from = f->sequence + 1;
	fx_hello(f, 30, "r0");
	assert_string_equal(fx_say(fx_verdict(f, "d", "r0")), "hold: store_failed");
	struct rw_deployment_row spec = fx_spec("e", 1);
	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, -EIO);
	assert_int_equal(rw_core_deploy_start(f->core, "d", "r0", 1, f->now).status, -EIO);
	f->hosts[4].beats = false;
	fx_run(f, 40000);
	/* A pass whose rows were refused is no pass. */
	assert_true(f->core->resync.needed);
	fx_oops(f, 5);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);

	f->refuse_from = 0;
	fx_tick(f); /* the pass that had begun is given up */
	fx_tick(f);
	check_restored(f);
	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
	fx_restart(f);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	assert_int_equal(fx_verdict(f, "d", "r0")->evidence_count, 2);
	fx_free(f);
}

static void an_act_that_was_half_taken_says_so_and_can_be_asked_again(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 20, "r0");
	fx_listen(f);
	fx_create(f, "d", 1);
	f->refuse_from = f->sequence + 10; /* the queue is full in the midst of the start */
	struct rw_act_result result = rw_core_deploy_start(f->core, "d", "r0", 1, f->now);
	assert_int_equal(result.status, -EIO);
	assert_true(result.changed);
	f->refuse_from = 0;
	fx_run(f, 1000);
	result = rw_core_deploy_start(f->core, "d", "r0", 1, f->now);
	assert_int_equal(result.status, 0);
	assert_false(result.changed);
	assert_true(result.sequence > 0);
	check_restored(f);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 20);
	fx_free(f);
}

static void a_host_switched_off_keeps_its_grace_over_a_restart(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_hello(f, 0, "r0");
	fx_hello(f, 1, "r0");
	f->hosts[0].beats = f->hosts[1].beats = false;
	rw_core_goodbye(f->core, fx_handle(f, 0), RW_BYE_POWER_OFF, 0, f->now);
	rw_core_goodbye(f->core, fx_handle(f, 1), RW_BYE_KEXEC, 600000, f->now);
	f->now.wall_ms -= 50000000; /* the wall clock was set back while it was down */
	fx_restart(f);
	fx_run(f, f->policy.timing.max_planned_ms);
	assert_int_equal(fx_presence(f, 0), RW_PLANNED);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE); /* no goodbye excuses more */
	fx_free(f);
}

static void listening_begins_behind_the_last_row(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);

	fx_run(f, 10000); /* as long as the reading took */
	rw_core_restored(f->core, f->now);
	fx_run(f, f->policy.timing.offline_after_ms - RW_CORE_TICK_MS);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "listening");
	fx_run(f, RW_CORE_TICK_MS);
	assert_null(rw_core_blind_reason(f->core, f->now));
	fx_free(f);
}

static void every_row_ever_told_read_in_order_gives_the_same_too(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(2), 5);
	struct rw_core_sink sink = {f, fx_take_change, NULL, NULL};
	struct rw_core *core;

	fx_oops(f, 0);
	assert_true(rw_core_deploy_reset(f->core, "d", "r0", f->now).changed);
	fx_hello(f, 1, "r1");
	f->hosts[2].beats = false;
	fx_run(f, 31000);
	fx_create(f, "e", 2);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "enough", f->now).status, 0);

	assert_int_equal(rw_core_new(&f->policy, &sink, FX_HOSTS_MAX, f->now, &core), 0);
	for (size_t i = 0; i < f->journal_count; i++)
		assert_int_equal(rw_core_restore(core, &f->journal[i], f->now), 0);
	rw_core_restored(core, f->now);
	same(f, core);
	assert_null(rw_core_check(core));
	rw_core_free(core);
	fx_free(f);
}

static uint32_t told(const struct fixture *f, enum rw_change_type type)
{
	uint32_t rows = 0;

	for (size_t i = 0; i < f->journal_count; i++)
		rows += f->journal[i].type == type;
	return rows;
}

static void a_store_that_lost_everything_is_told_everything(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(2), 5);

	fx_enrol(f, 10, 5, "r1");
	fx_create(f, "e", 2);
	fx_start(f, "e", "r0", 1);
	fx_run(f, FX_BAKE_MS + 5000);
	fx_start(f, "d", "r1", 1);
	fx_start(f, "e", "r1", 1);
	fx_oops(f, 11); /* counts in both */
	f->refuse_from = f->sequence + 1;
	fx_hello(f, 20, "r0");
	f->journal_count = 0; /* nothing of before the refusal is left */
	f->refuse_from = 0;
	fx_run(f, 1000);
	assert_int_equal(told(f, RW_CHANGE_HOST), 11); /* once each */
	assert_int_equal(told(f, RW_CHANGE_EXPOSURE), 20);
	check_restored(f);
	fx_restart(f);
	assert_int_equal(fx_verdict(f, "d", "r1")->evidence_count, 1);
	assert_int_equal(fx_verdict(f, "e", "r1")->exposed, 5);
	fx_free(f);
}

/* Of more hosts than one chunk of memory holds. */
static void what_hosts_went_through_is_told_again_once_each(void **state)
{
	(void)state;
	enum { CRASHED = RW_TROUBLE_CHUNK + 5 };
	struct fixture *f = fx_started(fx_policy(1), CRASHED);

	for (uint32_t host = 0; host < CRASHED; host++)
		fx_oops(f, host);
	f->refuse_from = f->sequence + 1;
	fx_hello(f, CRASHED, "r0");
	f->journal_count = 0;
	f->refuse_from = 0;
	fx_run(f, 1000);
	assert_int_equal(told(f, RW_CHANGE_TROUBLE), CRASHED);
	assert_int_equal(told(f, RW_CHANGE_SIGNATURE), CRASHED);
	check_restored(f);
	fx_free(f);
}

static void a_reset_outlives_a_restart(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 20);

	fx_run(f, FX_BAKE_MS + 5000);
	assert_int_equal(fx_verdict(f, "d", "r0")->observed_full, 20);
	fx_oops(f, 0);
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, 0);
	fx_restart(f);
	/* What was watched before it is not watched since. */
	assert_int_equal(fx_verdict(f, "d", "r0")->observed_full, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->failed, 0);
	fx_free(f);
}

static void a_breaker_that_no_state_has_is_refused(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 2);
	size_t last = f->journal_count - 1;

	while (f->journal[last].type != RW_CHANGE_RUN)
		last--;
	struct rw_change row = f->journal[last];
	row.run.rule = RW_RULE_COUNT;
	assert_int_equal(rw_core_restore(f->core, &row, f->now), -EINVAL);
	row = f->journal[last];
	row.run.grade = RW_GRADE_EVIDENCE + 1;
	assert_int_equal(rw_core_restore(f->core, &row, f->now), -EINVAL);
	row = f->journal[last];
	assert_int_equal(rw_core_restore(f->core, &row, f->now), 0);
	fx_free(f);
}

static void rows_told_again_are_read_as_the_same(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);
	struct rw_core_sink sink = {f, fx_take_change, NULL, NULL};
	struct rw_core *core;

	f->refuse_from = f->sequence + 1;
	fx_hello(f, 20, "r0");
	f->refuse_from = 0;
	fx_run(f, 1000);
	assert_int_equal(rw_core_new(&f->policy, &sink, FX_HOSTS_MAX, f->now, &core), 0);
	for (size_t i = 0; i < f->journal_count; i++)
		assert_int_equal(rw_core_restore(core, &f->journal[i], f->now), 0);
	/* A deployment's row that comes last ends nothing that it does not name as ended. */
	for (size_t i = 0; i < f->journal_count; i++) {
		if (f->journal[i].type == RW_CHANGE_DEPLOYMENT)
			assert_int_equal(rw_core_restore(core, &f->journal[i], f->now), 0);
	}
	rw_core_restored(core, f->now);
	same(f, core);
	assert_null(rw_core_check(core));
	/* And who was exposed is so still. */
	rw_core_free(f->core);
	f->core = core;
	fx_oops(f, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	fx_free(f);
}

static void a_reset_that_the_store_missed_is_told_with_the_rest(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);

	fx_oops(f, 0);
	f->refuse_from = f->sequence + 1;
	assert_int_equal(rw_core_deploy_reset(f->core, "d", "r0", f->now).status, -EIO);
	f->refuse_from = 0;
	fx_run(f, 1000);
	fx_restart(f);
	struct rw_verdict *v = fx_verdict(f, "d", "r0");
	assert_int_equal(v->decision, RW_HOLD);
	assert_int_equal(v->evidence_count, 0);
	fx_free(f);
}

/* What an end leaves out of the figures is on disk, or nothing has ended. */
static void an_end_that_the_store_misses_is_none(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);

	assert_int_equal(rw_core_host_exclude(f->core, fx_name(0), f->now).status, 0);
	f->refuse_from = f->sequence + 1;
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "bad", f->now).status, -EIO);
	f->refuse_from = 0;
	fx_run(f, 1000);
	assert_int_equal(f->core->deployments[0]->row.state, RW_DEPLOYMENT_ACTIVE);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "bad", f->now).status, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 4);
	fx_restart(f);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 4);
	fx_free(f);
}

static void a_host_is_exposed_in_one_ring_of_a_deployment(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(2), 3);
	size_t last = f->journal_count - 1;

	while (f->journal[last].type != RW_CHANGE_EXPOSURE)
		last--;
	struct rw_change row = f->journal[last];
	assert_int_equal(rw_core_restore(f->core, &row, f->now), 0);
	rw_copy_text(row.exposure.ring, sizeof(row.exposure.ring), "r1");
	assert_int_equal(rw_core_restore(f->core, &row, f->now), -EINVAL);
	assert_int_equal(fx_verdict(f, "d", "r1")->exposed, 0);
	fx_free(f);
}

static void an_exposure_of_an_unknown_host_or_step_is_refused(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_change row = *fx_last(f, RW_CHANGE_EXPOSURE);

	rw_copy_text(row.exposure.host, sizeof(row.exposure.host), "never-told");
	assert_int_equal(rw_core_restore(f->core, &row, f->now), -EINVAL);
	row = *fx_last(f, RW_CHANGE_EXPOSURE);
	row.exposure.step = RW_CORE_STEPS_MAX + 1;
	assert_int_equal(rw_core_restore(f->core, &row, f->now), -EINVAL);
	assert_int_equal(fx_verdict(f, "d", "r0")->exposed, 3);
	fx_free(f);
}

static void lives_too_short_to_know_are_added_up(void **state)
{
	(void)state;
	struct fixture *f = fx_new(fx_policy(1));

	fx_enrol(f, 0, 2, "r0");
	fx_listen(f);
	f->hosts[1].beats = false;
	fx_restart(f);
	fx_run(f, 20000);
	fx_sleep(f, 1000);
	fx_restart(f);
	fx_run(f, 12000 - RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_UNKNOWN);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "listening");
	fx_run(f, RW_CORE_TICK_MS);
	assert_int_equal(fx_presence(f, 1), RW_OFFLINE);
	assert_int_equal(fx_presence(f, 0), RW_ONLINE);
	assert_null(rw_core_blind_reason(f->core, f->now));
	/* It is known now: the next life begins anew. */
	fx_restart(f);
	fx_run(f, 30000 - RW_CORE_TICK_MS);
	assert_string_equal(rw_core_blind_reason(f->core, f->now), "listening");
	fx_free(f);
}

static void a_life_of_long_ago_or_of_seconds_adds_nothing(void **state)
{
	static const uint64_t lasted_ms[] = {20000, 11000}, apart_ms[] = {301000, 1000};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fixture *f = fx_new(fx_policy(1));

		fx_enrol(f, 0, 1, "r0");
		fx_listen(f);
		fx_restart(f);
		fx_run(f, lasted_ms[i]);
		fx_sleep(f, apart_ms[i]);
		fx_restart(f);
		fx_run(f, 30000 - RW_CORE_TICK_MS);
		assert_string_equal(rw_core_blind_reason(f->core, f->now), "listening");
		fx_run(f, RW_CORE_TICK_MS);
		assert_null(rw_core_blind_reason(f->core, f->now));
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exposure_of_an_unknown_host_or_step_is_refused),
		cmocka_unit_test(lives_too_short_to_know_are_added_up),
		cmocka_unit_test(a_life_of_long_ago_or_of_seconds_adds_nothing),
		cmocka_unit_test(whatever_happened_a_restart_is_the_same_core),
		cmocka_unit_test(offline_planned_and_crashed_survive_a_restart),
		cmocka_unit_test(an_overdue_goodbye_gets_one_listening_after_a_restart),
		cmocka_unit_test(a_crash_during_the_downtime_is_told_by_the_next_hello),
		cmocka_unit_test(rows_that_name_nothing_known_are_refused),
		cmocka_unit_test(what_the_sink_refused_is_told_again),
		cmocka_unit_test(an_act_that_was_half_taken_says_so_and_can_be_asked_again),
		cmocka_unit_test(a_host_switched_off_keeps_its_grace_over_a_restart),
		cmocka_unit_test(listening_begins_behind_the_last_row),
		cmocka_unit_test(every_row_ever_told_read_in_order_gives_the_same_too),
		cmocka_unit_test(a_store_that_lost_everything_is_told_everything),
		cmocka_unit_test(what_hosts_went_through_is_told_again_once_each),
		cmocka_unit_test(a_reset_outlives_a_restart),
		cmocka_unit_test(a_breaker_that_no_state_has_is_refused),
		cmocka_unit_test(rows_told_again_are_read_as_the_same),
		cmocka_unit_test(a_reset_that_the_store_missed_is_told_with_the_rest),
		cmocka_unit_test(an_end_that_the_store_misses_is_none),
		cmocka_unit_test(a_host_is_exposed_in_one_ring_of_a_deployment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
