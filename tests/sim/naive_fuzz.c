/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core against the naive judgement: random lives of small fleets, the same inputs to
 * both, and after every one both must say the same of every host and every run.
 *
 *   naive_fuzz --seeds N            seeds 1 … N; prints TAP
 *   naive_fuzz --first A --seeds N  seeds A … A + N - 1
 *   naive_fuzz --seed A             that one, with its operations
 *   naive_fuzz --seed A --keep 0,3-7
 *                                   only these operations of it: what a failure prints
 *
 * What differs is printed with both values, the operations before it, as few as still
 * show it, and the command that replays them.
 *
 * Where the judgement does not say which, either is taken: a breaker may open by chance
 * figures that only time has moved at any judging, or at the next change; hosts become
 * full when the bake clock is saved; of hosts that go offline in one tick nobody is said
 * to be the first; a restart may lose what was not told yet.
 */
#include <math.h>
#include <time.h>

#include "tests/sim/naive/naive.h"
#include "tests/unit/core/fixture.h"

enum { OPS_MAX = 400, TEXT_BYTES = 512, MINIMISE_SECONDS = 15, ENOUGH_SEEDS = 150 };

enum code {
	OP_HELLO,
	OP_REBOOT,
	OP_QUIET,
	OP_LOUD,
	OP_QUIET_GROUP,
	OP_ALL_LOUD,
	OP_GOODBYE,
	OP_BYTE,
	OP_GASP,
	OP_EVENT,
	OP_MODULE,
	OP_VERSION,
	OP_DUPLICATE,
	OP_BLIND_KINDS,
	OP_RETIRE,
	OP_ENROL,
	OP_EXCLUDE,
	OP_MAINTENANCE,
	OP_SICK,
	OP_WITNESS,
	OP_STORE,
	OP_COMMITS,
	OP_START,
	OP_END,
	OP_RESET,
	OP_RUN,
	OP_SLEEP,
	OP_LONG,
	OP_RESTART,
	OP_COUNT
};

static const struct {
	const char *name;
	uint32_t weight;
} codes[OP_COUNT] = {
	[OP_HELLO] = {"hello", 40},
	[OP_REBOOT] = {"reboot", 40},
	[OP_QUIET] = {"quiet", 50},
	[OP_LOUD] = {"loud", 50},
	[OP_QUIET_GROUP] = {"quiet_group", 20},
	[OP_ALL_LOUD] = {"all_loud", 30},
	[OP_GOODBYE] = {"goodbye", 25},
	[OP_BYTE] = {"byte", 20},
	[OP_GASP] = {"gasp", 25},
	[OP_EVENT] = {"event", 60},
	[OP_MODULE] = {"module", 20},
	[OP_VERSION] = {"version", 40},
	[OP_DUPLICATE] = {"duplicate", 8},
	[OP_BLIND_KINDS] = {"blind_kinds", 6},
	[OP_RETIRE] = {"retire", 14},
	[OP_ENROL] = {"enrol", 25},
	[OP_EXCLUDE] = {"exclude", 12},
	[OP_MAINTENANCE] = {"maintenance", 14},
	[OP_SICK] = {"sick", 16},
	[OP_WITNESS] = {"witness", 40},
	[OP_STORE] = {"store", 8},
	[OP_COMMITS] = {"commits", 8},
	[OP_START] = {"start", 90},
	[OP_END] = {"end", 3},
	[OP_RESET] = {"reset", 50},
	[OP_RUN] = {"run", 320},
	[OP_SLEEP] = {"sleep", 14},
	[OP_LONG] = {"long", 2},
	[OP_RESTART] = {"restart", 12},
};

struct op {
	enum code code;
	uint32_t host, a, b, c;
};

struct life {
	struct fixture *f;
	struct naive *m;
	uint32_t host_count;
	uint64_t beat_ms[NV_HOSTS];
	uint64_t ended_turn;
	char fault[TEXT_BYTES]; /* what differs; "": nothing */
};

/* What the lives have met, in questions asked; all of it must be met by many of them. */
enum met {
	MET_PROCEED,
	MET_HOLD,
	MET_LIMIT,
	MET_SHARE,
	MET_SIGNATURE,
	MET_BOOT_LOOP,
	MET_EXPOSURE_RULE,
	MET_MODULE_RULE,
	MET_BLACKOUT,
	MET_DARK,
	MET_LOOPING,
	MET_CERTIFIED,
	MET_RECOVERED,
	MET_CONTROL_FAILED,
	MET_LAST_STEP,
	MET_COUNT
};
static const char *const met_names[MET_COUNT] = {
	"proceed",   "hold",          "limit",       "share",          "signature",
	"boot_loop", "exposure_rule", "module_rule", "blackout",       "dark",
	"looping",   "certified",     "recovered",   "control_failed", "last_step",
};
static uint64_t met[MET_COUNT];

/* ---- chance ------------------------------------------------------ */

static uint64_t dice;

/* xorshift64* */
static uint32_t pick(uint32_t below)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return (uint32_t)((dice * UINT64_C(2685821657736338717)) >> 33) % below;
}

static void random_limits(struct rw_ring_policy *ring)
{
	static const uint32_t shares[] = {0, 1000, 30000, 100000, 300000, 600000, RW_PPM};

	for (int rule = RW_RULE_OFFLINE; rule <= RW_RULE_MODULE_FAILED; rule++)
		ring->limits[rule] = (struct rw_limit){pick(5) > 0, shares[pick(7)]};
	ring->least_hosts = 1 + (pick(3) == 0 ? pick(3) : 0);
	ring->open_on_evidence = pick(3) == 0;
}

static struct rw_policy random_policy(void)
{
	struct rw_policy policy = fx_policy(2 + pick(2));

	policy.timing.heartbeat_every_ms = 1000;
	policy.timing.suspect_after_ms = 2500;
	policy.timing.offline_after_ms = 5000 + 3500 * (uint64_t)pick(4);
	policy.timing.max_planned_ms = 20000;
	policy.timing.power_off_grace_ms = 30000;
	policy.timing.retire_after_ms = pick(2) == 0 ? 0 : 60000 + pick(600000);
	policy.has_witness = pick(3) == 0;
	for (uint32_t i = 0; i < policy.ring_count; i++) {
		struct rw_ring_policy *ring = &policy.rings[i];

		ring->bake_ms = 1000 + pick(12) * 1000;
		ring->step_count = 1 + pick(3);
		for (uint32_t step = 0; step < ring->step_count; step++)
			ring->step_ppm[step] = RW_PPM / ring->step_count * (step + 1);
		ring->step_ppm[ring->step_count - 1] = RW_PPM;
		ring->fleet_share_ppm = pick(2) == 0 ? 0 : 1 + pick(RW_PPM);
		ring->min_coverage_ppm = (uint32_t[]){950000, 700000, 200000}[pick(3)];
		ring->min_exposed_ppm = (uint32_t[]){900000, 500000, 0}[pick(3)];
		if (pick(4) == 0)
			ring->crash_kinds = 1u << KIND_OOPS | 1u << KIND_PANIC;
		random_limits(ring);
	}
	return policy;
}

/* ---- what differs ------------------------------------------------ */

static bool differs(struct life *life, const char *what, const char *field, double core,
		    double model)
{
	if (core == model || fabs(core - model) <= 1e-9 * fmax(fabs(core), fabs(model)))
		return false;
	if (life->fault[0] == '\0')
		snprintf(life->fault, sizeof(life->fault), "%s: %s: core %.12g, naive %.12g", what,
			 field, core, model);
	return true;
}

#define SAME(field) differs(life, what, #field, (double)core->field, (double)model->field)

static void same_host(struct life *life, uint32_t h)
{
	const struct nv_host *model = &life->m->hosts[h];
	rw_host_handle handle = fx_handle(life->f, h);
	struct rw_host_row row;
	const struct rw_host_row *core = &row;
	char what[32];

	snprintf(what, sizeof(what), "host %s", fx_name(h));
	if (differs(life, what, "known", handle != RW_NO_HOST, model->known) || !model->known)
		return;
	rw_core_host_at(life->f->core, handle, &row);
	if (row.presence == RW_RETIRED && row.by_age && model->aged_obs_ms != 0)
		nv_retire_by_age(life->m, h, row.since_wall_ms);
	/* Once an hour is soon enough, and has to be. */
	differs(life, what, "left after an hour of age",
		model->aged_obs_ms != 0 && life->m->obs_ms - model->aged_obs_ms > RW_HOUR_MS + 2000,
		false);
	SAME(by_age);
	SAME(presence);
	SAME(excluded);
	SAME(unregistered);
	differs(life, what, "boot_order", (double)row.boot_order, (double)model->order);
	SAME(heard_wall_ms);
	if (row.presence != RW_UNKNOWN) /* of two restarts either */
		SAME(since_wall_ms);
	differs(life, what, "ring", (double)rw_core_ring_find(life->f->core, row.ring),
		(double)model->ring);
}

static void same_figures(struct life *life, const char *what, const struct rw_verdict *core,
			 const struct rw_verdict *model)
{
	SAME(step);
	SAME(steps);
	SAME(enrolled);
	for (int i = 0; i < RW_PRESENCE_COUNT; i++)
		SAME(presence[i]);
	SAME(exposed);
	SAME(unheard);
	SAME(at_risk);
	SAME(offline);
	SAME(crashed);
	SAME(failed);
	SAME(module_failed);
	SAME(recovered);
	SAME(looping);
	SAME(covered);
	SAME(limit_ppm);
	SAME(min_coverage_ppm);
	SAME(max_exposed_hosts);
	SAME(control_hosts);
	SAME(control_failed);
	SAME(control_host_ms);
	SAME(exposed_host_ms);
	SAME(bake);
	SAME(required_ms);
	SAME(observed_ms);
	SAME(started_wall_ms);
	SAME(lower95);
	SAME(p);
	SAME(expected_natural);
	SAME(false_trip);
	SAME(detection_power);
}

/* Who is full is seen when the bake clock is saved. */
static void same_full(struct life *life, const char *what, const struct nv_figures *f,
		      const struct rw_verdict *core, const struct rw_verdict *model)
{
	if (core->observed_full < f->full && core->observed_full >= f->surely_full)
		return;
	SAME(observed_full);
	SAME(upper95);
	SAME(certified);
}

/* Each line that the core shows, and no other; when there is room for all. */
static void same_evidence(struct life *life, const char *what, uint32_t d, uint32_t ring,
			  const struct rw_verdict *core)
{
	const struct nv_run *run = &life->m->deployments[d].runs[ring];
	uint32_t count = 0;

	for (uint32_t h = 0; h < life->host_count; h++) {
		for (int line = 0; line < NV_LINE_COUNT; line++)
			count += run->lines[h][line];
	}
	if (count > RW_CORE_EVIDENCE_MAX ||
	    differs(life, what, "evidence_count", core->evidence_count, count))
		return;
	for (uint32_t i = 0; i < core->evidence_count; i++) {
		uint32_t h = (uint32_t)strtoul(core->evidence[i].host + 1, NULL, 10);
		bool is_known = false;

		for (int line = 0; line < NV_LINE_COUNT; line++)
			is_known = is_known ||
				   (run->lines[h][line] &&
				    strcmp(core->evidence[i].kind, nv_line_name(line)) == 0);
		differs(life, what, core->evidence[i].kind, 1, is_known);
	}
}

/* Bits. Those who are new are counted in slots of five minutes: a while either is right. */
static uint32_t warnings(const struct life *life, const struct rw_verdict *verdict)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < verdict->warning_count; i++)
		all |= UINT32_C(1) << verdict->warnings[i];
	for (uint32_t h = 0; h < life->host_count; h++) {
		const struct nv_host *host = &life->m->hosts[h];
		uint64_t age_ms = life->m->obs_ms - host->newcomer_obs_ms;

		if (host->newcomer && age_ms > RW_HOUR_MS - RW_NEWCOMER_SLOT_MS &&
		    age_ms < RW_HOUR_MS + RW_NEWCOMER_SLOT_MS)
			all &= ~(UINT32_C(1) << RW_WARNING_ENROLMENT_JUMP);
	}
	return all;
}

static void meet(const struct life *life, const struct rw_verdict *core)
{
	met[MET_PROCEED] += core->decision == RW_PROCEED;
	met[MET_HOLD] += core->decision == RW_HOLD;
	met[MET_LIMIT] += core->grade == RW_GRADE_LIMIT;
	met[MET_SHARE] += core->proof == RW_PROOF_SHARE;
	met[MET_SIGNATURE] += core->proof == RW_PROOF_SIGNATURE;
	met[MET_BOOT_LOOP] += core->proof == RW_PROOF_BOOT_LOOP;
	met[MET_EXPOSURE_RULE] += core->rule == RW_RULE_EXPOSURE;
	met[MET_MODULE_RULE] += core->rule == RW_RULE_MODULE_FAILED;
	met[MET_BLACKOUT] += life->m->blackout;
	met[MET_DARK] += life->m->dark;
	met[MET_LOOPING] += core->looping > 0;
	met[MET_CERTIFIED] += core->certified;
	met[MET_RECOVERED] += core->recovered > 0;
	met[MET_CONTROL_FAILED] += core->control_failed > 0;
	met[MET_LAST_STEP] += core->step > 1 && core->step == core->steps;
}

static void same_verdict(struct life *life, uint32_t d, uint32_t ring, enum rw_question question)
{
	static struct rw_verdict core_says, model_says;
	const struct rw_verdict *core = &core_says, *model = &model_says;
	const char *id = life->m->deployments[d].row.id;
	const char *name = life->m->policy.rings[ring].name;
	struct nv_figures f = nv_figures(life->m, d, ring, -1);
	char what[64];

	snprintf(what, sizeof(what), "%s in %s for %s", id, name,
		 question == RW_FOR_ENTER ? "enter" : "advance");
	rw_core_verdict(life->f->core, id, name, question, life->f->now, &core_says);
	nv_verdict(life->m, d, ring, question, life->f->now, &model_says);
	meet(life, core);
	same_figures(life, what, core, model);
	same_full(life, what, &f, core, model);
	SAME(breaker_open);
	SAME(grade);
	SAME(rule);
	SAME(proof);
	SAME(opened_wall_ms);
	if (strcmp(core->open_ring, model->open_ring) != 0)
		differs(life, what, "open_ring", 0, 1);
	differs(life, what, "warnings (bits)", warnings(life, core), warnings(life, model));
	if (!core->breaker_open || strcmp(core->open_ring, name) == 0)
		same_evidence(life, what, d, ring, core);
	/* What is not on disk yet, no proceed rests on. */
	if (life->f->holds_commits && model->decision == RW_PROCEED && core->reason_count == 1 &&
	    core->reasons[0] == RW_REASON_STORE_FAILED)
		return;
	SAME(decision);
	SAME(reason_count);
	for (uint32_t i = 0; i < core->reason_count && i < model->reason_count; i++)
		SAME(reasons[i]);
}

/* What the core has opened at a judging that it might have left out; and under which rule, when
 * several hosts went at once. */
static void take_freedoms(struct life *life, uint32_t d, uint32_t ring)
{
	static struct rw_verdict core;
	struct nv_run *run = &life->m->deployments[d].runs[ring];

	rw_core_verdict(life->f->core, life->m->deployments[d].row.id,
			life->m->policy.rings[ring].name, RW_FOR_ADVANCE, life->f->now, &core);
	if (!run->is || !core.breaker_open ||
	    strcmp(core.open_ring, life->m->policy.rings[ring].name) != 0)
		return;
	if (core.grade > run->grade && core.proof == run->proof_may.proof && run->proof_may.crosses)
		nv_open(life->m, d, ring, run->proof_may, life->f->now);
	if (core.grade > run->grade && run->may.crosses && run->may.grade == core.grade)
		nv_open(life->m, d, ring, run->may, life->f->now);
	if (run->open && run->opened_wall_ms == life->f->now.wall_ms &&
	    (run->rule == RW_RULE_OFFLINE || run->rule == RW_RULE_FAILED) &&
	    (core.rule == RW_RULE_OFFLINE || core.rule == RW_RULE_FAILED))
		run->rule = core.rule;
}

static void compare(struct life *life)
{
	const char *fault = rw_core_check(life->f->core);
	const char *blind = rw_core_blind_reason(life->f->core, life->f->now);
	const char *model_blind = nv_blind_reason(life->m, life->f->now);

	if (fault != NULL) {
		snprintf(life->fault, sizeof(life->fault), "rw_core_check: %s", fault);
		return;
	}
	if (strcmp(blind == NULL ? "-" : blind, model_blind == NULL ? "-" : model_blind) != 0)
		snprintf(life->fault, sizeof(life->fault), "blind: core %s, naive %s",
			 blind == NULL ? "-" : blind, model_blind == NULL ? "-" : model_blind);
	for (uint32_t h = 0; h < life->host_count && life->fault[0] == '\0'; h++)
		same_host(life, h);
	for (uint32_t d = 0; d < life->m->deployment_count; d++) {
		for (uint32_t r = 0; r < life->m->policy.ring_count && life->fault[0] == '\0'; r++)
			take_freedoms(life, d, r);
		for (uint32_t r = 0; r < life->m->policy.ring_count && life->fault[0] == '\0';
		     r++) {
			same_verdict(life, d, r, RW_FOR_ADVANCE);
			same_verdict(life, d, r, RW_FOR_ENTER);
		}
	}
	nv_begin(life->m);
}

static void same_result(struct life *life, const char *act, struct rw_act_result got,
			struct rw_act_result expected)
{
	const struct rw_act_result *core = &got, *model = &expected;
	const char *what = act;

	SAME(status);
	SAME(changed);
	SAME(reason_count);
	for (uint32_t i = 0; i < core->reason_count && i < model->reason_count; i++)
		SAME(reasons[i]);
}

/* ---- time -------------------------------------------------------- */

static bool is_known(const struct life *life, uint32_t h)
{
	return life->m->hosts[h].known;
}

static void commit(struct life *life)
{
	if (!life->f->holds_commits)
		rw_core_committed(life->f->core, life->f->sequence);
}

static void tick(struct life *life, uint64_t ms)
{
	struct fixture *f = life->f;

	fx_sleep(f, ms);
	for (uint32_t h = 0; h < life->host_count; h++) {
		if (!f->hosts[h].beats || !is_known(life, h) ||
		    f->now.boot_ms - life->beat_ms[h] < life->m->policy.timing.heartbeat_every_ms)
			continue;
		life->beat_ms[h] = f->now.boot_ms;
		fx_beat(f, h);
		nv_heartbeat(life->m, h, fx_boot_ms(f, h), f->now);
	}
	rw_core_tick(f->core, f->now);
	nv_tick(life->m, f->now);
	commit(life);
}

static void run(struct life *life, uint32_t ticks)
{
	for (uint32_t i = 0; i < ticks && life->fault[0] == '\0'; i++) {
		tick(life, RW_CORE_TICK_MS);
		compare(life);
	}
}

/* ---- restarts ---------------------------------------------------- */

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

/* At most that much was lost. */
static void take_told(struct life *life, const char *what, uint64_t *model, uint64_t core,
		      uint64_t most)
{
	if (core > *model || *model - core > most)
		differs(life, "restart", what, (double)core, (double)*model);
	*model = core;
}

static void take_run(struct life *life, struct nv_run *model, const struct rw_run *core)
{
	uint64_t most = NV_BAKE_SAVE_MS + RW_CORE_TICK_MS;

	take_told(life, "observed_ms", &model->observed_ms, core->observed_ms, most);
	take_told(life, "watched_ms", &model->watched_ms, core->watched_ms, most);
	take_told(life, "exposed_host_ms", &model->exposed_host_ms, core->exposed_host_ms,
		  UINT64_MAX);
	take_told(life, "control_host_ms", &model->control_host_ms, core->control_host_ms,
		  UINT64_MAX);
}

/* At least a time of listening, and no more than there was. */
static void take_due(struct life *life, struct nv_host *host, const struct rw_host_row *row,
		     uint64_t left_ms)
{
	uint64_t least = life->m->policy.timing.offline_after_ms;
	uint64_t told_ms = row->back_by_wall_ms - life->f->now.wall_ms;

	if (told_ms != least && (told_ms < least || told_ms > left_ms))
		differs(life, "restart", "time left of a goodbye", (double)told_ms,
			(double)left_ms);
	host->due_obs_ms = told_ms;
}

static void take_hosts(struct life *life, const uint64_t *left_ms)
{
	for (uint32_t h = 0; h < life->host_count; h++) {
		struct nv_host *host = &life->m->hosts[h];
		struct rw_host_row row;

		if (!host->known || !rw_core_host_at(life->f->core, fx_handle(life->f, h), &row))
			continue;
		take_told(life, "heard_wall_ms", &host->heard_wall_ms, row.heard_wall_ms,
			  UINT64_MAX);
		if (host->presence == RW_PLANNED && row.presence == RW_PLANNED)
			take_due(life, host, &row, left_ms[h]);
	}
}

/* Short lives are added up; what was not told is lost. */
static void take_listening(struct life *life, uint64_t needed_ms, uint64_t listened_ms)
{
	uint64_t core = rw_core_listening_ms(life->f->core);
	uint64_t all = life->m->policy.timing.offline_after_ms;

	if (listened_ms >= needed_ms)
		listened_ms = 0; /* that life was long enough, and this begins anew */
	else
		listened_ms += life->m->listened_ms;
	life->m->listened_ms = listened_ms;
	if (core < nv_listening_ms(life->m) || core > all)
		differs(life, "restart", "time to listen", (double)core,
			(double)nv_listening_ms(life->m));
	life->m->listened_ms = all - core;
}

static void restart(struct life *life)
{
	uint64_t needed_ms = nv_listening_ms(life->m), listened_ms = life->m->obs_ms;
	struct fixture *f = life->f;
	struct naive *m = life->m;
	uint64_t left_ms[NV_HOSTS] = {0};

	for (uint32_t h = 0; h < life->host_count; h++)
		left_ms[h] =
			m->hosts[h].due_obs_ms > m->obs_ms ? m->hosts[h].due_obs_ms - m->obs_ms : 0;
	compact(f);
	struct rw_core *core = fx_restored(f);
	rw_core_free(f->core);
	f->core = core;
	rw_core_committed(core, f->sequence);
	nv_restart(m, f->now);
	take_listening(life, needed_ms, listened_ms);
	take_hosts(life, left_ms);
	m->natural_failures = core->control.natural_failures;
	m->natural_host_ms = core->control.natural_host_ms;
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		struct rw_deployment *deployment =
			core->deployments[rw_core_deployment_find(core, m->deployments[d].row.id)];

		for (uint32_t r = 0; r < deployment->row.ring_count; r++)
			take_run(life, &m->deployments[d].runs[deployment->runs[r].ring],
				 &deployment->runs[r]);
	}
}

/* ---- operations -------------------------------------------------- */

static void hello(struct life *life, const struct op *op)
{
	struct fixture *f = life->f;
	uint32_t ring = op->a % 8 < 7 ? op->host % life->m->policy.ring_count
				      : op->a / 8 % life->m->policy.ring_count;
	enum rw_boot_end end = (enum rw_boot_end)(op->b % 4);
	rw_host_handle handle;

	if (f->hosts[op->host].boot == 0) {
		f->hosts[op->host].boot = 10;
		f->hosts[op->host].booted_ms = f->now.boot_ms - 500000;
	}
	struct rw_boot boot = fx_boot(f, op->host);
	int core = rw_core_hello(f->core, fx_name(op->host), life->m->policy.rings[ring].name,
				 &boot, end, f->now, &handle);
	int model = nv_hello(life->m, op->host, ring, &boot, end, f->now);

	differs(life, "hello", "status", core, model);
	f->hosts[op->host].beats = true;
}

static void reboot(struct life *life, const struct op *op)
{
	struct fx_host *host = &life->f->hosts[op->host];

	fx_reboots(life->f, op->host);
	if (op->c % 16 == 0)
		host->boot = 1 + op->c / 16 % 20; /* it has lost count */
	hello(life, op);
}

static bool is_exposed(const struct life *life, uint32_t h)
{
	return is_known(life, h) && !nv_is_control(life->m, &life->m->hosts[h]);
}

static void quiet_group(struct life *life, const struct op *op)
{
	for (uint32_t h = 0; h < life->host_count; h++) {
		bool in = op->a % 4 == 0   ? is_exposed(life, h)
			  : op->a % 4 == 1 ? !is_exposed(life, h)
			  : op->a % 4 == 2 ? life->m->hosts[h].ring == op->b % 3
					   : true;

		if (in && (op->c >> (h % 32) & 3) != 0)
			life->f->hosts[h].beats = false;
	}
}

static void happen(struct life *life, uint32_t h, const struct rw_core_event *event)
{
	rw_core_event(life->f->core, fx_handle(life->f, h), event, life->f->now);
	nv_event(life->m, h, event, life->f->now);
}

static struct rw_core_event event_of(const struct life *life, const struct op *op, uint32_t kind,
				     const char *name)
{
	const struct fx_host *host = &life->f->hosts[op->host];
	uint64_t boot_ms = fx_boot_ms(life->f, op->host);

	return (struct rw_core_event){
		.kind = kind,
		.kind_name = name,
		.id = "h/s/1",
		.signature = "",
		.module = "",
		.boot_order = host->boot - (op->a % 4 == 0 && host->boot > 1 ? 1 : 0),
		.boot_ms = op->a / 4 % 3 == 0 ? boot_ms / 2 : boot_ms,
	};
}

static void crash_event(struct life *life, const struct op *op)
{
	static const struct {
		uint32_t kind;
		const char *name;
	} kinds[] = {{KIND_OOPS, "oops"},
		     {KIND_PANIC, "panic"},
		     {KIND_WARNING, "warning"},
		     {RW_CORE_KIND_UNEXPECTED_REBOOT, "unexpected_reboot"}};
	static const char *const signatures[] = {"",       "oops:a", "oops:b", "oops:c",
						 "oops:d", "oops:e", "oops:f", "oops:g"};
	struct rw_core_event event =
		event_of(life, op, kinds[op->b % 4].kind, kinds[op->b % 4].name);
	char own[32];

	event.signature = signatures[op->c % 8];
	if (op->c / 8 % 2 == 0) {
		snprintf(own, sizeof(own), "oops:own%u", op->host);
		event.signature = own;
	}
	happen(life, op->host, &event);
}

static void module_event(struct life *life, const struct op *op)
{
	static const char *const modules[] = {"nvidia", "falcon", "zfs", ""};
	static const int errors[] = {-ENOEXEC, -EEXIST, -EINVAL, -ENODEV, 0};
	struct rw_core_event event =
		event_of(life, op, RW_CORE_KIND_MODULE_LOAD_FAILED, "module_load_failed");

	event.module = modules[op->b % 4];
	event.error = errors[op->c % 5];
	happen(life, op->host, &event);
}

static void version(struct life *life, const struct op *op)
{
	static const char *const values[] = {"1.2.3", "1.2.4", "", "1.2.3 4711", "1.2.3"};
	const char *subject = op->a % 3 == 0 ? "kernel" : "marker:driver";
	const char *value = values[op->b % 5];

	rw_core_version(life->f->core, fx_handle(life->f, op->host), subject, value, op->c % 2 == 0,
			life->f->now);
	nv_version(life->m, op->host, subject, value, op->c % 2 == 0, life->f->now);
}

static void act(struct life *life, const struct op *op)
{
	struct rw_core *core = life->f->core;
	struct rw_now now = life->f->now;
	uint32_t d = op->a % life->m->deployment_count;
	uint32_t ring = op->b % life->m->policy.ring_count;
	const char *id = life->m->deployments[d].row.id;
	const char *name = life->m->policy.rings[ring].name;
	uint32_t step = life->m->deployments[d].runs[ring].step + (op->c % 5 > 0 ? 1 : 0);

	if (op->code == OP_START)
		same_result(life, "start", rw_core_deploy_start(core, id, name, step, now),
			    nv_start(life->m, d, ring, step, now));
	else if (op->code == OP_RESET)
		same_result(life, "reset", rw_core_deploy_reset(core, id, name, now),
			    nv_reset(life->m, d, ring, now));
	else if (op->c % 2 == 0)
		same_result(life, "finish", rw_core_deploy_finish(core, id, now),
			    nv_end(life->m, d, RW_DEPLOYMENT_FINISHED, now));
	else
		same_result(life, "withdraw", rw_core_deploy_withdraw(core, id, "random", now),
			    nv_end(life->m, d, RW_DEPLOYMENT_WITHDRAWN, now));
}

static void word(struct life *life, const struct op *op)
{
	struct rw_core *core = life->f->core;
	struct rw_now now = life->f->now;
	const char *id = fx_name(op->host);
	uint64_t ms = op->a % 30000;

	if (op->code == OP_RETIRE)
		same_result(life, "retire", rw_core_host_retire(core, id, now),
			    nv_retire(life->m, op->host, now));
	else if (op->code == OP_ENROL)
		same_result(life, "enrol", rw_core_host_enrol(core, id, now),
			    nv_enrol(life->m, op->host, now));
	else if (op->code == OP_EXCLUDE)
		same_result(life, "exclude", rw_core_host_exclude(core, id, now),
			    nv_exclude(life->m, op->host, now));
	else
		same_result(life, "maintenance", rw_core_host_maintenance(core, id, ms, now),
			    nv_maintenance(life->m, op->host, ms, now));
}

static void observer(struct life *life, const struct op *op)
{
	struct rw_core *core = life->f->core;
	const char *reason = op->a % 3 == 0 ? "saturated" : NULL;

	if (op->code == OP_SICK) {
		rw_core_set_sick(core, reason, life->f->now);
		nv_set_sick(life->m, reason, life->f->now);
	} else if (op->code == OP_WITNESS) {
		rw_core_witness(core, op->a % 3 > 0, life->f->now);
		nv_witness(life->m, op->a % 3 > 0, life->f->now);
	} else if (op->code == OP_STORE) {
		life->m->store_failed = op->a % 3 == 0;
		rw_core_set_store_failed(core, op->a % 3 == 0);
	} else {
		life->f->holds_commits = op->a % 3 == 0;
	}
}

static void long_run(struct life *life)
{
	for (uint32_t i = 0; i < 2 * 60 * 31; i++)
		tick(life, 500);
}

static void host_says(struct life *life, const struct op *op)
{
	struct fixture *f = life->f;
	rw_host_handle handle = fx_handle(f, op->host);

	switch (op->code) {
	case OP_GOODBYE:
		f->hosts[op->host].beats = false;
		rw_core_goodbye(f->core, handle, (enum rw_goodbye)(op->a % 4), op->b % 30000,
				f->now);
		nv_goodbye(life->m, op->host, (enum rw_goodbye)(op->a % 4), op->b % 30000, f->now);
		break;
	case OP_BYTE:
		rw_core_heard(f->core, handle, f->now);
		nv_heard(life->m, op->host, f->now);
		break;
	case OP_GASP:
		f->hosts[op->host].beats = f->hosts[op->host].beats && op->a % 3 == 0;
		differs(life, "gasp", "taken", rw_core_gasp(f->core, handle, f->now),
			nv_gasp(life->m, op->host, f->now));
		break;
	case OP_DUPLICATE:
		rw_core_duplicate(f->core, handle, f->now);
		nv_duplicate(life->m, op->host, f->now);
		break;
	case OP_BLIND_KINDS:
		rw_core_set_blind_kinds(f->core, handle, op->a % 4);
		life->m->hosts[op->host].blind_kinds = op->a % 4;
		break;
	case OP_EVENT:
		crash_event(life, op);
		break;
	case OP_MODULE:
		module_event(life, op);
		break;
	default:
		version(life, op);
		break;
	}
}

static void apply(struct life *life, const struct op *op)
{
	switch (op->code) {
	case OP_HELLO:
		hello(life, op);
		break;
	case OP_REBOOT:
		reboot(life, op);
		break;
	case OP_QUIET:
		life->f->hosts[op->host].beats = false;
		break;
	case OP_LOUD:
		life->f->hosts[op->host].beats = true;
		break;
	case OP_QUIET_GROUP:
		quiet_group(life, op);
		break;
	case OP_ALL_LOUD:
		for (uint32_t h = 0; h < life->host_count; h++)
			life->f->hosts[h].beats = true;
		break;
	case OP_RETIRE:
	case OP_ENROL:
	case OP_EXCLUDE:
	case OP_MAINTENANCE:
		word(life, op);
		break;
	case OP_SICK:
	case OP_WITNESS:
	case OP_STORE:
	case OP_COMMITS:
		observer(life, op);
		break;
	case OP_START:
	case OP_END:
	case OP_RESET:
		act(life, op);
		break;
	case OP_RUN:
		run(life, 1 + op->a % 40);
		break;
	case OP_SLEEP:
		fx_sleep(life->f, op->b % 16 == 0  ? op->a % (UINT32_C(9) * 86400000)
				  : op->b % 2 == 0 ? op->a % 400
						   : op->a % 20000);
		break;
	case OP_LONG:
		long_run(life);
		break;
	case OP_RESTART:
		restart(life);
		break;
	default:
		if (is_known(life, op->host))
			host_says(life, op);
		break;
	}
	commit(life);
	if (life->fault[0] == '\0')
		compare(life);
}

/* ---- lives ------------------------------------------------------- */

static void create(struct life *life, uint32_t number)
{
	struct rw_deployment_row spec = fx_spec("d", 0);
	uint32_t first = pick(life->m->policy.ring_count);

	snprintf(spec.id, sizeof(spec.id), "d%u", number);
	for (uint32_t r = pick(3) > 0 ? 0 : first; r < life->m->policy.ring_count; r++)
		snprintf(spec.rings[spec.ring_count++], RW_CORE_NAME_BYTES, "r%u", r);
	if (pick(2) == 0) {
		spec.exposure = RW_EXPOSURE_REPORTED;
		rw_copy_text(spec.match, sizeof(spec.match),
			     pick(2) == 0 ? "marker:driver" : "kernel");
	}
	same_result(life, "create", rw_core_deploy_create(life->f->core, &spec, life->f->now),
		    nv_create(life->m, &spec, life->f->now));
}

/* Most kinds of operation a life, so that what is rare meets what is rare. */
static uint32_t make_ops(struct op *ops, uint32_t hosts)
{
	uint32_t weights[OP_COUNT], all = 0, count = 100 + pick(OPS_MAX - 100);
	uint32_t few = 1 + pick(hosts < 4 ? hosts : 4); /* to whom much happens */

	for (int code = 0; code < OP_COUNT; code++) {
		bool always = code == OP_RUN || code == OP_START || code == OP_HELLO;

		weights[code] =
			codes[code].weight * (always ? 1 : (uint32_t[]){0, 1, 1, 3}[pick(4)]);
		all += weights[code];
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = pick(all);
		int code = 0;

		while (at >= weights[code])
			at -= weights[code++];
		ops[i] = (struct op){(enum code)code, pick(pick(2) == 0 ? hosts : few),
				     pick(1u << 30), pick(1u << 30), pick(1u << 30)};
	}
	return count;
}

static void begin(struct life *life, uint64_t seed, struct op *ops, uint32_t *count)
{
	dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	life->f = fx_new(random_policy());
	life->host_count = 3 + pick(pick(2) == 0 ? 8 : 38);
	life->m = nv_new(&life->f->policy, life->host_count, life->f->now);

	uint32_t there = life->host_count - pick(life->host_count / 3 + 1);
	for (uint32_t h = 0; h < there; h++)
		hello(life, &(struct op){.host = h, .b = RW_END_ORDERLY});
	uint32_t deployments = 1 + pick(3);
	for (uint32_t d = 0; d < deployments; d++)
		create(life, d);
	run(life, (uint32_t)(life->f->policy.timing.offline_after_ms / RW_CORE_TICK_MS));
	*count = make_ops(ops, life->host_count);
}

static void end_life(struct life *life)
{
	fx_free(life->f);
	nv_free(life->m);
}

static void print_op(FILE *out, uint32_t number, const struct op *op)
{
	fprintf(out, "#   %u %s h%u %u %u %u\n", number, codes[op->code].name, op->host, op->a,
		op->b, op->c);
}

/* The number of the operation that failed; UINT32_MAX: none did. NULL: keeps all. */
static uint32_t live(uint64_t seed, const bool *keep, bool verbose, char *fault, uint32_t *count)
{
	static struct op ops[OPS_MAX];
	struct life life = {0};
	uint32_t failed = UINT32_MAX;

	begin(&life, seed, ops, count);
	for (uint32_t i = 0; i < *count && failed == UINT32_MAX; i++) {
		if (keep != NULL && !keep[i])
			continue;
		if (verbose)
			print_op(stdout, i, &ops[i]);
		if (life.fault[0] == '\0')
			apply(&life, &ops[i]);
		if (life.fault[0] != '\0')
			failed = i;
	}
	memcpy(fault, life.fault, TEXT_BYTES);
	end_life(&life);
	return failed;
}

/* ---- few operations ---------------------------------------------- */

/* Leaves out whatever the failure does not need, within a time. */
static void minimise(uint64_t seed, bool *keep, uint32_t failed)
{
	time_t begun = time(NULL);
	char fault[TEXT_BYTES];
	uint32_t count;

	for (uint32_t i = failed + 1; i < OPS_MAX; i++)
		keep[i] = false;
	for (uint32_t size = failed / 2 + 1; size > 0; size /= 2) {
		for (uint32_t at = 0; at < failed && time(NULL) - begun < MINIMISE_SECONDS;
		     at += size) {
			bool before[OPS_MAX];

			memcpy(before, keep, sizeof(before));
			for (uint32_t i = at; i < at + size && i < failed; i++)
				keep[i] = false;
			if (memcmp(before, keep, sizeof(before)) != 0 &&
			    live(seed, keep, false, fault, &count) == UINT32_MAX)
				memcpy(keep, before, sizeof(before));
		}
	}
}

static void print_kept(const bool *keep)
{
	const char *comma = "";

	for (uint32_t i = 0; i < OPS_MAX; i++) {
		uint32_t last = i;

		if (!keep[i])
			continue;
		while (last + 1 < OPS_MAX && keep[last + 1])
			last++;
		if (last > i)
			printf("%s%u-%u", comma, i, last);
		else
			printf("%s%u", comma, i);
		comma = ",";
		i = last;
	}
}

static void explain(uint64_t seed, uint32_t failed, const char *fault)
{
	static bool keep[OPS_MAX];
	char again[TEXT_BYTES];
	uint32_t count;

	for (uint32_t i = 0; i < OPS_MAX; i++)
		keep[i] = true;
	printf("# seed %llu, operation %u: %s\n", (unsigned long long)seed, failed, fault);
	fflush(stdout);
	minimise(seed, keep, failed);
	live(seed, keep, true, again, &count);
	printf("#   then: %s\n# replay: naive_fuzz --seed %llu --keep ", again,
	       (unsigned long long)seed);
	print_kept(keep);
	printf("\n");
}

static void read_kept(const char *text, bool *keep)
{
	memset(keep, 0, OPS_MAX);
	while (*text != '\0') {
		char *rest;
		unsigned long first = strtoul(text, &rest, 10), last = first;

		if (*rest == '-')
			last = strtoul(rest + 1, &rest, 10);
		for (unsigned long i = first; i <= last && i < OPS_MAX; i++)
			keep[i] = true;
		if (rest == text)
			return;
		text = *rest == ',' ? rest + 1 : rest;
	}
}

/* One more result, when there were lives enough. */
static bool were_worth_living(uint64_t seeds)
{
	bool all = true;

	printf("# met:");
	for (int i = 0; i < MET_COUNT; i++) {
		printf(" %s %llu", met_names[i], (unsigned long long)met[i]);
		all = all && met[i] > 0;
	}
	printf("\n");
	if (seeds >= ENOUGH_SEEDS)
		printf("%sok - the lives met everything that is to be met\n", all ? "" : "not ");
	return all || seeds < ENOUGH_SEEDS;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, seeds = 100, one = 0;
	static bool keep[OPS_MAX];
	char fault[TEXT_BYTES];
	uint32_t count;
	int failures = 0;

	memset(keep, 1, sizeof(keep));
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seeds") == 0)
			seeds = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--first") == 0)
			first = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			one = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--keep") == 0)
			read_kept(argv[i + 1], keep);
	}
	if (one != 0) {
		bool failed = live(one, keep, true, fault, &count) != UINT32_MAX;

		printf("1..1\n%sok - seed %llu: %s\n", failed ? "not " : "",
		       (unsigned long long)one, failed ? fault : "both say the same");
		return failed;
	}
	printf("1..%llu\n", (unsigned long long)(seeds + (seeds >= ENOUGH_SEEDS)));
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		uint32_t failed = live(seed, NULL, false, fault, &count);

		printf("%sok - seed %llu: the core and the naive judgement say the same\n",
		       failed == UINT32_MAX ? "" : "not ", (unsigned long long)seed);
		if (failed != UINT32_MAX) {
			failures++;
			explain(seed, failed, fault);
		}
		fflush(stdout);
	}
	return !were_worth_living(seeds) || failures > 0;
}
