/* SPDX-License-Identifier: Apache-2.0 */
/* Figures, breakers, bakes, verdicts, and acts on deployments: the naive way. */
#include <errno.h>
#include <string.h>

#include "collector/core/statistics.h"
#include "tests/sim/naive/naive.h"

#define ERROR 0.05

static const uint64_t hour_ms = 3600 * 1000;

static const struct rw_ring_policy *policy_of(const struct naive *m, uint32_t ring)
{
	return &m->policy.rings[ring];
}

/* ---- figures ----------------------------------------------------- */

static bool has_failed(const struct nv_exposure *e, const struct nv_host *host)
{
	return e->crashed || nv_is_offline(e, host);
}

/* Of an ended deployment: what had happened up to its end. */
static void add_past(struct nv_figures *f, const struct nv_exposure *e)
{
	if (e->excluded_at_end)
		return;
	f->exposed++;
	f->n += e->heard;
	f->recovered += e->recovered;
	f->k[RW_RULE_CRASHED] += e->crashed;
	f->k[RW_RULE_FAILED] += e->crashed;
	f->k[RW_RULE_MODULE_FAILED] += e->module_failed;
}

static bool overlaps(const struct naive *m, const struct nv_host *host)
{
	uint32_t count = 0;

	for (uint32_t d = 0; d < m->deployment_count; d++)
		count += host->exposures[d].is && nv_is_active(m, d);
	return count > 1;
}

static void add_full(const struct naive *m, const struct nv_run *run, struct nv_figures *f,
		     const struct nv_exposure *e, const struct nv_host *host)
{
	uint64_t from_ms =
		e->watched_ms > run->watched_from_ms ? e->watched_ms : run->watched_from_ms;
	uint64_t bake_ms = policy_of(m, e->ring)->bake_ms;
	bool full = run->watched_ms - from_ms >= bake_ms;

	f->full += e->heard && full;
	f->full_failed += full && has_failed(e, host);
	f->surely_full += e->heard && run->watched_ms - from_ms >= bake_ms + NV_BAKE_SAVE_MS;
}

static void add_present(const struct naive *m, const struct nv_run *run, struct nv_figures *f,
			const struct nv_exposure *e, const struct nv_host *host)
{
	bool present = host->presence == RW_ONLINE || host->presence == RW_SUSPECT;

	if (host->excluded)
		return;
	f->exposed++;
	f->n += e->heard;
	f->recovered += e->recovered;
	f->k[RW_RULE_OFFLINE] += nv_is_offline(e, host);
	f->k[RW_RULE_CRASHED] += e->crashed;
	f->k[RW_RULE_FAILED] += has_failed(e, host);
	f->k[RW_RULE_MODULE_FAILED] += e->module_failed;
	f->looping += host->looping;
	f->covered += e->heard && present && !host->looping && !host->duplicate;
	f->retired += host->presence == RW_RETIRED;
	f->overlapped += overlaps(m, host);
	f->blind += (host->blind_kinds & policy_of(m, e->ring)->crash_kinds) != 0;
	f->online += host->presence == RW_ONLINE;
	f->watched += present;
	f->silent += host->presence == RW_SUSPECT || host->lost;
	add_full(m, run, f, e, host);
}

/* Of that cohort; of all with step -1. */
struct nv_figures nv_figures(const struct naive *m, uint32_t d, uint32_t ring, int step)
{
	const struct nv_deployment *deployment = &m->deployments[d];
	struct nv_figures f = {0};

	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_exposure *e = &m->hosts[h].exposures[d];

		if (!e->is || e->ring != ring || (step >= 0 && e->step != (uint32_t)step))
			continue;
		if (nv_is_active(m, d))
			add_present(m, &deployment->runs[ring], &f, e, &m->hosts[h]);
		else
			add_past(&f, e);
	}
	return f;
}

static uint64_t k_of(const struct nv_figures *f, enum rw_rule rule, bool hidden)
{
	if (hidden && rule == RW_RULE_OFFLINE)
		return 0;
	return f->k[hidden && rule == RW_RULE_FAILED ? RW_RULE_CRASHED : rule];
}

static uint64_t control_failed(const struct naive *m, const struct nv_run *run)
{
	uint64_t failed = 0;

	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_host *host = &m->hosts[h];

		failed += run->epoch_turn > 0 && (host->control_crash_turn >= run->epoch_turn ||
						  host->control_silence_turn >= run->epoch_turn);
	}
	return failed;
}

static double chance(const struct naive *m, const struct nv_run *run, uint64_t failed)
{
	double here = run->exposed_host_ms == 0 ? 1.0 : (double)run->exposed_host_ms;

	return rw_stat_more_than_control(failed, here, control_failed(m, run),
					 (double)run->control_host_ms);
}

/* ---- room -------------------------------------------------------- */

static uint64_t allowed(const struct naive *m, uint32_t ring, uint32_t step)
{
	uint64_t ppm = policy_of(m, ring)->step_ppm[step == 0 ? 0 : step - 1];
	uint64_t hosts = nv_enrolled(m, (int)ring) * ppm / RW_PPM;

	return hosts == 0 ? 1 : hosts;
}

/* As a ring grows its step may expose more; as it shrinks, no less. */
uint64_t nv_room(const struct naive *m, uint32_t deployment, uint32_t ring)
{
	const struct nv_run *run = &m->deployments[deployment].runs[ring];
	uint64_t now_allowed = allowed(m, ring, run->step);

	return run->step > 0 && now_allowed > run->target ? now_allowed : run->target;
}

/* ---- breakers ---------------------------------------------------- */

static const enum rw_rule rules[] = {RW_RULE_CRASHED, RW_RULE_OFFLINE, RW_RULE_FAILED,
				     RW_RULE_MODULE_FAILED};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

static bool is_above(const struct rw_ring_policy *policy, enum rw_rule rule, uint64_t k, uint64_t n)
{
	return policy->limits[rule].judged && k >= policy->least_hosts &&
	       k * RW_PPM > n * policy->limits[rule].ppm;
}

static enum rw_rule crossed(const struct naive *m, uint32_t d, uint32_t ring, bool hidden)
{
	const struct nv_deployment *deployment = &m->deployments[d];
	const struct nv_run *run = &deployment->runs[ring];
	struct nv_figures f = nv_figures(m, d, ring, -1);

	for (int i = 0; i < RULES; i++) {
		if (run->step > 0 && !policy_of(m, ring)->open_on_evidence &&
		    is_above(policy_of(m, ring), rules[i], k_of(&f, rules[i], hidden), f.n))
			return rules[i];
	}
	if (deployment->row.exposure == RW_EXPOSURE_REPORTED && f.exposed > nv_room(m, d, ring))
		return RW_RULE_EXPOSURE;
	return RW_RULE_NONE;
}

static bool lower_bound_is_above(uint64_t k, uint64_t n, uint32_t ppm)
{
	return k >= 2 && rw_stat_lower(k, n, 1.0 - ERROR) > (double)ppm / RW_PPM;
}

static bool cohort_proves(const struct naive *m, uint32_t d, uint32_t ring, enum rw_rule rule,
			  bool hidden)
{
	const struct nv_run *run = &m->deployments[d].runs[ring];

	for (uint32_t step = 1; step <= run->step; step++) {
		struct nv_figures f = nv_figures(m, d, ring, (int)step);
		uint64_t before = step == 1 ? 0 : run->step_targets[step - 2];
		uint64_t size = run->step_targets[step - 1] > before
					? run->step_targets[step - 1] - before
					: 0;

		if (lower_bound_is_above(k_of(&f, rule, hidden), size > f.n ? size : f.n,
					 policy_of(m, ring)->limits[rule].ppm))
			return true;
	}
	return false;
}

static bool proves(const struct naive *m, uint32_t d, uint32_t ring, enum rw_rule rule, bool hidden)
{
	const struct nv_run *run = &m->deployments[d].runs[ring];
	const struct rw_limit *limit = &policy_of(m, ring)->limits[rule];
	struct nv_figures f = nv_figures(m, d, ring, -1);
	uint64_t k = k_of(&f, rule, hidden);

	if (run->step == 0 || !limit->judged || k < 2)
		return false;
	if (rule != RW_RULE_MODULE_FAILED &&
	    (run->control_host_ms > 0 || nv_watched_control(m) > 0) && chance(m, run, k) >= ERROR)
		return false;
	if (m->deployments[d].row.exposure == RW_EXPOSURE_FIXED)
		return lower_bound_is_above(k, f.n, limit->ppm);
	return rw_stat_anytime(k, f.n, (double)limit->ppm / RW_PPM) >= 1.0 / ERROR ||
	       cohort_proves(m, d, ring, rule, hidden);
}

static struct nv_opening opening_now(const struct naive *m, uint32_t d, uint32_t ring,
				     struct rw_now now)
{
	const struct nv_run *run = &m->deployments[d].runs[ring];
	bool hidden = nv_hides(m, now);
	bool silence_proves = !hidden && nv_silence_is_evidence(m);
	struct nv_opening opening = {.rule = crossed(m, d, ring, hidden)};

	if (nv_figures(m, d, ring, -1).exposed == 0 || run->grade == RW_GRADE_EVIDENCE)
		return opening;
	if (opening.rule != RW_RULE_NONE && !run->open) {
		opening.crosses = true;
		opening.grade = RW_GRADE_LIMIT;
	}
	for (int i = 0; i < RULES; i++) {
		if (!proves(m, d, ring, rules[i], !silence_proves))
			continue;
		opening.crosses = true;
		opening.grade = RW_GRADE_EVIDENCE;
		opening.proof = RW_PROOF_SHARE;
		if (opening.rule == RW_RULE_NONE)
			opening.rule = rules[i];
		break;
	}
	return opening;
}

const char *nv_line_name(enum nv_line line)
{
	static const char *const names[NV_LINE_COUNT] = {
		"offline", "oops", "panic", "warning", "unexpected_reboot", "module_load_failed",
	};

	return names[line];
}

void nv_note(struct naive *m, uint32_t d, uint32_t h, enum nv_line line)
{
	m->deployments[d].runs[m->hosts[h].exposures[d].ring].lines[h][line] = true;
}

void nv_open(struct naive *m, uint32_t d, uint32_t ring, struct nv_opening opening,
	     struct rw_now now)
{
	struct nv_run *run = &m->deployments[d].runs[ring];
	struct nv_figures f = nv_figures(m, d, ring, -1);

	run->grade = opening.grade;
	run->proof = opening.proof;
	if (run->open)
		return;
	run->open = true;
	run->rule = opening.rule;
	run->opened_wall_ms = now.wall_ms;
	run->opened_failed = f.k[RW_RULE_FAILED];
	run->opened_at_risk = f.n;
	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_exposure *e = &m->hosts[h].exposures[d];

		if (e->is && e->ring == ring && !m->hosts[h].excluded &&
		    nv_is_offline(e, &m->hosts[h]))
			nv_note(m, d, h, NV_LINE_OFFLINE);
	}
}

void nv_prove(struct naive *m, uint32_t d, uint32_t ring, enum rw_proof proof, bool must,
	      struct rw_now now)
{
	struct nv_run *run = &m->deployments[d].runs[ring];
	struct nv_opening opening = {true, RW_RULE_CRASHED, RW_GRADE_EVIDENCE, proof};

	if (run->step == 0 || run->grade == RW_GRADE_EVIDENCE)
		return;
	if (must)
		nv_open(m, d, ring, opening, now);
	else
		run->proof_may = opening;
}

/* What the rules look at; not who is online. */
static bool is_same(const struct nv_figures *a, const struct nv_figures *b)
{
	return a->exposed == b->exposed && a->n == b->n && memcmp(a->k, b->k, sizeof(a->k)) == 0;
}

void nv_settle(struct naive *m, bool all, struct rw_now now)
{
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		for (uint32_t r = 0; nv_is_active(m, d) && r < m->policy.ring_count; r++) {
			struct nv_run *run = &m->deployments[d].runs[r];
			struct nv_figures f = nv_figures(m, d, r, -1);
			struct nv_opening opening = opening_now(m, d, r, now);
			bool must =
				all || !is_same(&f, &run->judged) || run->step != run->judged_step;

			run->judged = f;
			run->judged_step = run->step;
			if (opening.crosses && must)
				nv_open(m, d, r, opening, now);
			else if (opening.crosses)
				run->may = opening;
		}
	}
}

void nv_begin(struct naive *m)
{
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		for (uint32_t r = 0; r < m->policy.ring_count; r++) {
			m->deployments[d].runs[r].may = (struct nv_opening){0};
			m->deployments[d].runs[r].proof_may = (struct nv_opening){0};
		}
	}
}

/* ---- bakes ------------------------------------------------------- */

static bool is_complete(const struct naive *m, const struct nv_run *run, uint32_t ring)
{
	return run->step > 0 && run->observed_ms >= policy_of(m, ring)->bake_ms;
}

static bool coverage_is_low(const struct naive *m, const struct nv_figures *f, uint32_t ring)
{
	return f->covered * RW_PPM <
	       policy_of(m, ring)->min_coverage_ppm * (f->exposed - f->retired);
}

static bool runs_now(const struct naive *m, uint32_t d, uint32_t ring, bool hidden)
{
	const struct nv_run *run = &m->deployments[d].runs[ring];
	struct nv_figures f = nv_figures(m, d, ring, -1);

	return nv_is_active(m, d) && run->step > 0 && !run->open && !hidden && f.exposed > 0 &&
	       f.exposed * RW_PPM >= policy_of(m, ring)->min_exposed_ppm * run->target &&
	       !coverage_is_low(m, &f, ring) && !is_complete(m, run, ring);
}

static void bake_run(struct naive *m, uint32_t d, uint32_t ring, bool hidden, uint64_t span_ms)
{
	struct nv_run *run = &m->deployments[d].runs[ring];
	bool runs = runs_now(m, d, ring, hidden);

	if (run->epoch_turn > 0) {
		run->exposed_host_ms += nv_figures(m, d, ring, -1).watched * span_ms;
		run->control_host_ms += nv_watched_control(m) * span_ms;
	}
	if (runs && run->ran) {
		uint64_t left_ms = policy_of(m, ring)->bake_ms - run->observed_ms;
		uint64_t more_ms = span_ms < left_ms ? span_ms : left_ms;

		run->observed_ms += more_ms;
		run->watched_ms += more_ms;
	}
	run->ran = runs && !is_complete(m, run, ring);
}

void nv_bake(struct naive *m, bool hidden)
{
	uint64_t span_ms = m->obs_ms - m->tick_obs_ms;

	m->natural_host_ms += nv_watched_control(m) * span_ms;
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		for (uint32_t r = 0; nv_is_active(m, d) && r < m->policy.ring_count; r++)
			bake_run(m, d, r, hidden, span_ms);
	}
}

static void begin_bake(struct naive *m, uint32_t d, uint32_t ring, struct rw_now now)
{
	struct nv_run *run = &m->deployments[d].runs[ring];

	run->observed_ms = 0;
	run->ran = m->obs_ms == m->tick_obs_ms && runs_now(m, d, ring, nv_hides(m, now));
}

/* ---- acts -------------------------------------------------------- */

static int previous_ring(const struct naive *m, uint32_t d, uint32_t ring)
{
	for (int r = (int)ring - 1; r >= 0; r--) {
		if (m->deployments[d].runs[r].is)
			return r;
	}
	return -1;
}

static bool has_passed(const struct naive *m, uint32_t d, uint32_t ring)
{
	const struct nv_run *run = &m->deployments[d].runs[ring];

	return run->step == policy_of(m, ring)->step_count && is_complete(m, run, ring) &&
	       !run->open;
}

static bool previous_has_not_passed(const struct naive *m, uint32_t d, uint32_t ring)
{
	int previous = previous_ring(m, d, ring);

	return previous >= 0 && !has_passed(m, d, (uint32_t)previous);
}

static bool is_unhealthy(const struct naive *m, uint32_t d, uint32_t ring)
{
	uint64_t offline = 0, enrolled = nv_enrolled(m, (int)ring);

	for (uint32_t h = 0; h < m->host_count; h++)
		offline += m->hosts[h].known && m->hosts[h].ring == ring &&
			   m->hosts[h].presence == RW_OFFLINE;
	return m->deployments[d].runs[ring].step == 0 &&
	       (is_above(policy_of(m, ring), RW_RULE_OFFLINE, offline, enrolled) ||
		is_above(policy_of(m, ring), RW_RULE_FAILED, offline, enrolled));
}

static void say(struct rw_act_result *result, bool applies, enum rw_reason reason)
{
	if (!applies)
		return;
	result->status = -EPERM;
	result->reasons[result->reason_count++] = reason;
}

static bool is_open(const struct naive *m, uint32_t d)
{
	for (uint32_t r = 0; r < m->policy.ring_count; r++) {
		if (m->deployments[d].runs[r].open)
			return true;
	}
	return false;
}

struct rw_act_result nv_create(struct naive *m, const struct rw_deployment_row *spec,
			       struct rw_now now)
{
	struct nv_deployment *deployment = &m->deployments[m->deployment_count++];

	nv_advance(m, now);
	deployment->row = *spec;
	deployment->row.state = RW_DEPLOYMENT_ACTIVE;
	for (uint32_t i = 0; i < spec->ring_count; i++) {
		for (uint32_t r = 0; r < m->policy.ring_count; r++) {
			if (strcmp(spec->rings[i], m->policy.rings[r].name) == 0)
				deployment->runs[r].is = true;
		}
	}
	return (struct rw_act_result){.changed = true};
}

struct rw_act_result nv_start(struct naive *m, uint32_t d, uint32_t ring, uint32_t step,
			      struct rw_now now)
{
	struct nv_deployment *deployment = &m->deployments[d];
	struct nv_run *run = &deployment->runs[ring];
	struct rw_act_result result = {0};

	nv_advance(m, now);
	if (d >= m->deployment_count || !run->is)
		return (struct rw_act_result){.status = -ENOENT};
	if (step < 1 || step > policy_of(m, ring)->step_count || step < run->step)
		return (struct rw_act_result){.status = -EINVAL};
	if (nv_is_active(m, d) && step == run->step)
		return result;
	say(&result, deployment->row.state == RW_DEPLOYMENT_WITHDRAWN, RW_REASON_WITHDRAWN);
	say(&result, deployment->row.state == RW_DEPLOYMENT_FINISHED, RW_REASON_FINISHED);
	say(&result, previous_has_not_passed(m, d, ring), RW_REASON_PREVIOUS_RING_NOT_PASSED);
	say(&result, is_unhealthy(m, d, ring), RW_REASON_RING_UNHEALTHY);
	say(&result, nv_enrolled(m, (int)ring) == 0, RW_REASON_NO_EXPOSED_HOSTS);
	say(&result, step > 1 && (run->step + 1 != step || !is_complete(m, run, ring)),
	    RW_REASON_BAKE_INCOMPLETE);
	if (result.status == 0 && is_open(m, d))
		result.status = -EPERM;
	if (result.status != 0)
		return result;

	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_host *host = &m->hosts[h];

		if (deployment->row.exposure == RW_EXPOSURE_FIXED && host->known &&
		    host->ring == ring && host->presence != RW_RETIRED && !host->exposures[d].is)
			nv_expose(m, h, d, step, now);
	}
	if (run->step == 0) {
		run->epoch_turn = m->turn;
		run->exposed_host_ms = 0;
		run->control_host_ms = 0;
	}
	run->step = step;
	run->started_wall_ms = now.wall_ms;
	run->target = allowed(m, ring, step);
	run->step_targets[step - 1] = run->target;
	begin_bake(m, d, ring, now);
	nv_settle(m, false, now);
	result.changed = true;
	return result;
}

struct rw_act_result nv_end(struct naive *m, uint32_t d, enum rw_deployment_state state,
			    struct rw_now now)
{
	struct rw_deployment_row *row = &m->deployments[d].row;
	struct rw_act_result result = {0};

	nv_advance(m, now);
	if (d >= m->deployment_count)
		return (struct rw_act_result){.status = -ENOENT};
	if (row->state == state)
		return result;
	say(&result, row->state == RW_DEPLOYMENT_WITHDRAWN, RW_REASON_WITHDRAWN);
	say(&result, row->state == RW_DEPLOYMENT_FINISHED, RW_REASON_FINISHED);
	if (result.status != 0)
		return result;
	row->state = state;
	for (uint32_t h = 0; h < m->host_count; h++)
		m->hosts[h].exposures[d].excluded_at_end = m->hosts[h].excluded;
	result.changed = true;
	nv_settle(m, false, now);
	return result;
}

static void acknowledge(struct naive *m, uint32_t d, uint32_t ring, struct rw_now now)
{
	for (uint32_t h = 0; h < m->host_count; h++) {
		struct nv_exposure *e = &m->hosts[h].exposures[d];

		if (!e->is || e->ring != ring ||
		    (!has_failed(e, &m->hosts[h]) && !e->module_failed))
			continue;
		e->acknowledged = true;
		e->crashed = false;
		e->module_failed = false;
		nv_set_base(e, &m->hosts[h], now);
	}
}

struct rw_act_result nv_reset(struct naive *m, uint32_t d, uint32_t ring, struct rw_now now)
{
	struct nv_deployment *deployment = &m->deployments[d];
	struct nv_run *run = &deployment->runs[ring];
	struct nv_figures f = nv_figures(m, d, ring, -1);
	struct rw_act_result result = {0};

	nv_advance(m, now);
	if (d >= m->deployment_count || !run->is)
		return (struct rw_act_result){.status = -ENOENT};
	say(&result, deployment->row.state == RW_DEPLOYMENT_WITHDRAWN, RW_REASON_WITHDRAWN);
	say(&result, deployment->row.state == RW_DEPLOYMENT_FINISHED, RW_REASON_FINISHED);
	if (result.status != 0)
		return result;
	say(&result, run->step == 0 && !run->open, RW_REASON_NOT_STARTED);
	if (result.status != 0 ||
	    (!run->open && f.k[RW_RULE_FAILED] == 0 && f.k[RW_RULE_MODULE_FAILED] == 0))
		return result;

	acknowledge(m, d, ring, now);
	run->open = false;
	run->rule = RW_RULE_NONE;
	run->grade = RW_GRADE_NONE;
	run->proof = RW_PROOF_NONE;
	run->opened_wall_ms = 0;
	memset(run->lines, 0, sizeof(run->lines));
	if (f.exposed > run->target)
		run->target = f.exposed;
	run->watched_from_ms = run->watched_ms;
	run->epoch_turn = m->turn;
	run->exposed_host_ms = 0;
	run->control_host_ms = 0;
	begin_bake(m, d, ring, now);
	run->judged = nv_figures(m, d, ring, -1); /* acknowledged, and so not judged */
	nv_settle(m, false, now);
	result.changed = true;
	return result;
}

/* ---- verdicts ---------------------------------------------------- */

static void warn(struct rw_verdict *out, bool applies, enum rw_warning warning)
{
	if (applies)
		out->warnings[out->warning_count++] = warning;
}

static void hold(struct rw_verdict *out, bool applies, enum rw_reason reason)
{
	if (applies)
		out->reasons[out->reason_count++] = reason;
}

static uint32_t shown_limit(const struct rw_ring_policy *policy)
{
	if (policy->limits[RW_RULE_FAILED].judged)
		return policy->limits[RW_RULE_FAILED].ppm;
	if (policy->limits[RW_RULE_CRASHED].judged)
		return policy->limits[RW_RULE_CRASHED].ppm;
	return policy->limits[RW_RULE_OFFLINE].judged ? policy->limits[RW_RULE_OFFLINE].ppm
						      : RW_PPM;
}

static bool share_is_off(const struct naive *m, uint32_t ring)
{
	double claimed =
		(double)nv_enrolled(m, -1) * (double)policy_of(m, ring)->fleet_share_ppm / RW_PPM;
	double apart = (double)nv_enrolled(m, (int)ring) - claimed;

	apart = apart < 0 ? -apart : apart;
	return policy_of(m, ring)->fleet_share_ppm != 0 && apart > 1.0 && apart > claimed / 10.0;
}

static void fill_ring(const struct naive *m, uint32_t ring, struct rw_verdict *out)
{
	uint64_t unregistered = 0, newcomers = 0, duplicates = 0;

	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_host *host = &m->hosts[h];

		out->control_hosts += nv_is_control(m, host);
		newcomers += host->newcomer && host->newcomer_ring == ring &&
			     m->obs_ms - host->newcomer_obs_ms < hour_ms;
		if (!host->known || host->ring != ring)
			continue;
		out->presence[host->presence]++;
		unregistered += host->presence != RW_RETIRED && host->unregistered;
		duplicates += host->presence != RW_RETIRED && host->duplicate;
	}
	out->enrolled = nv_enrolled(m, (int)ring);
	warn(out, share_is_off(m, ring), RW_WARNING_RING_SHARE);
	warn(out, unregistered > 0, RW_WARNING_UNREGISTERED_CHANGE);
	warn(out, newcomers > 1 && newcomers < out->enrolled && newcomers * 100 > out->enrolled,
	     RW_WARNING_ENROLMENT_JUMP);
	warn(out, duplicates > 0, RW_WARNING_DUPLICATE_IDENTITY);
	warn(out, true, RW_WARNING_DRILL_STALE); /* nobody drills here */
}

static void fill_figures(const struct naive *m, const struct nv_run *run,
			 const struct nv_figures *f, bool active, struct rw_verdict *out)
{
	out->exposed = f->exposed;
	out->unheard = f->exposed - f->n;
	out->at_risk = f->n;
	out->failed = f->k[RW_RULE_FAILED];
	out->offline = f->k[RW_RULE_OFFLINE];
	out->crashed = f->k[RW_RULE_CRASHED];
	out->module_failed = f->k[RW_RULE_MODULE_FAILED];
	out->recovered = f->recovered;
	out->looping = f->looping;
	out->covered = f->covered;
	out->observed_full = f->full;
	out->upper95 = rw_stat_upper(f->full_failed, f->full, 1.0 - ERROR);
	if (run->open && !active) {
		out->at_risk = run->opened_at_risk;
		out->failed = run->opened_failed;
	}
	out->lower95 = rw_stat_lower(out->failed, out->at_risk, 1.0 - ERROR);
	if (!active)
		return;
	out->control_failed = control_failed(m, run);
	out->control_host_ms = run->control_host_ms;
	out->exposed_host_ms = run->exposed_host_ms;
	out->p = chance(m, run, out->failed);
}

static void fill_noise(const struct naive *m, uint32_t ring, struct rw_verdict *out)
{
	const struct rw_ring_policy *policy = policy_of(m, ring);
	uint64_t n = out->step > 0 ? out->at_risk : out->max_exposed_hosts;
	uint64_t opens = 1;

	while (opens < policy->least_hosts || opens * RW_PPM <= n * out->limit_ppm)
		opens++;
	out->detection_power = rw_stat_detectable(n, 1.0 - ERROR);
	if (m->natural_host_ms > 0)
		out->expected_natural = (double)m->natural_failures * (double)n *
					(double)policy->bake_ms / (double)m->natural_host_ms;
	if (n > 0)
		out->false_trip = rw_stat_poisson_at_least(opens, out->expected_natural);
	warn(out, !policy->open_on_evidence && out->false_trip > 0.1, RW_WARNING_LIMIT_BELOW_NOISE);
}

static void fill_breaker(const struct naive *m, uint32_t d, uint32_t ring, struct rw_verdict *out)
{
	uint32_t shown = ring;

	for (uint32_t r = 0; !m->deployments[d].runs[shown].open && r < m->policy.ring_count; r++)
		shown = m->deployments[d].runs[r].open ? r : shown;

	const struct nv_run *run = &m->deployments[d].runs[shown];

	out->breaker_open = run->open;
	out->grade = run->grade;
	out->rule = run->rule;
	out->proof = run->proof;
	out->opened_wall_ms = run->opened_wall_ms;
	if (run->open)
		memcpy(out->open_ring, m->policy.rings[shown].name, sizeof(out->open_ring));
}

static void hold_for(const struct naive *m, uint32_t d, uint32_t ring, const struct nv_figures *f,
		     struct rw_verdict *out)
{
	const struct nv_run *run = &m->deployments[d].runs[ring];
	bool advance = out->question == RW_FOR_ADVANCE;
	bool complete = is_complete(m, run, ring);
	bool no_room = !advance && run->step > 0 && f->exposed >= out->max_exposed_hosts;

	hold(out,
	     run->step == 0 || (no_room && complete && run->step < policy_of(m, ring)->step_count),
	     RW_REASON_NOT_STARTED);
	hold(out, previous_has_not_passed(m, d, ring), RW_REASON_PREVIOUS_RING_NOT_PASSED);
	hold(out, is_unhealthy(m, d, ring), RW_REASON_RING_UNHEALTHY);
	hold(out, advance && f->exposed == 0, RW_REASON_NO_EXPOSED_HOSTS);
	hold(out, advance && coverage_is_low(m, f, ring), RW_REASON_COVERAGE_LOW);
	hold(out, advance && f->n < policy_of(m, ring)->least_hosts, RW_REASON_TOO_FEW_HOSTS);
	hold(out, (advance || no_room) && !complete, RW_REASON_BAKE_INCOMPLETE);
}

static enum rw_bake_state bake_state(const struct naive *m, uint32_t d, uint32_t ring, bool hidden)
{
	const struct nv_run *run = &m->deployments[d].runs[ring];

	if (run->step == 0)
		return RW_BAKE_NOT_STARTED;
	if (is_complete(m, run, ring))
		return RW_BAKE_COMPLETE;
	return runs_now(m, d, ring, hidden) ? RW_BAKE_BAKING : RW_BAKE_PAUSED;
}

void nv_verdict(const struct naive *m, uint32_t d, uint32_t ring, enum rw_question question,
		struct rw_now now, struct rw_verdict *out)
{
	const struct rw_ring_policy *policy = policy_of(m, ring);
	const struct nv_deployment *deployment = &m->deployments[d];
	const struct nv_run *run = &deployment->runs[ring];
	bool active = nv_is_active(m, d);
	struct nv_figures f = {0};

	*out = (struct rw_verdict){.question = question, .upper95 = 1.0, .p = 1.0};
	out->steps = policy->step_count;
	out->required_ms = policy->bake_ms;
	out->limit_ppm = shown_limit(policy);
	out->min_coverage_ppm = policy->min_coverage_ppm;
	out->max_exposed_hosts = allowed(m, ring, run->step);
	fill_ring(m, ring, out);
	if (run->is) {
		f = nv_figures(m, d, ring, -1);
		out->step = run->step;
		out->bake = bake_state(m, d, ring, nv_hides(m, now));
		out->observed_ms = run->observed_ms;
		out->started_wall_ms = run->started_wall_ms;
		if (run->step > 0)
			out->max_exposed_hosts = nv_room(m, (uint32_t)d, ring);
		fill_figures(m, run, &f, active, out);
		out->certified = out->upper95 * RW_PPM <= out->limit_ppm;
		warn(out, f.overlapped > 0, RW_WARNING_OVERLAP);
		warn(out, f.blind > 0, RW_WARNING_COVERAGE_OF_HOOKS);
	}
	fill_noise(m, ring, out);
	fill_breaker(m, d, ring, out);
	if (is_open(m, d)) {
		out->decision = RW_ABORT;
		return;
	}
	hold(out, !run->is, RW_REASON_UNKNOWN_RING);
	hold(out, deployment->row.state == RW_DEPLOYMENT_WITHDRAWN, RW_REASON_WITHDRAWN);
	hold(out, deployment->row.state == RW_DEPLOYMENT_FINISHED, RW_REASON_FINISHED);
	hold(out, nv_blind_reason(m, now) != NULL || (m->was_hidden && !m->blackout),
	     RW_REASON_BLIND);
	hold(out, m->blackout, RW_REASON_BLACKOUT);
	hold(out, m->store_failed, RW_REASON_STORE_FAILED);
	if (run->is && active)
		hold_for(m, d, ring, &f, out);
	out->decision = out->reason_count > 0 ? RW_HOLD : RW_PROCEED;
}
