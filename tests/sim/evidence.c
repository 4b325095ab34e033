/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grade `evidence`, from what was delivered: a breaker has it when the share is proved
 * or a signature is shared, and is not given it for less. The exact tests are done once
 * more, the plain way; what lies close to a bound is left alone.
 */
#include <math.h>

#include "tests/sim/sim.h"

enum { LOOP_MS = 30 * SIM_MINUTE_MS, LOOP_BOOTS = 3 };
static const double surely = 0.045, hardly = 0.055;

/* ---- the exact tests ------------------------------------------------------------- */

/* Of n with this share each: the chance of k or more. */
static double at_least(uint64_t k, uint64_t n, double share)
{
	double sum = 0;

	if (k == 0)
		return 1;
	if (share <= 0 || share >= 1)
		return share >= 1;
	for (uint64_t i = k; i <= n; i++)
		sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) -
			   lgamma((double)(n - i) + 1) + (double)i * log(share) +
			   (double)(n - i) * log1p(-share));
	return sum;
}

/* Within two ticks of a start or reset there are no hours yet to compare. */
static bool hours_begin(const struct rw_run *run, uint64_t watched)
{
	return run->control_host_ms <= watched * 2 * SIM_STEP_MS;
}

static bool is_proved(const struct rw_run *run, const struct rw_limit *limit, uint64_t k,
		      uint64_t n, uint64_t watched, double bound)
{
	double exposed_ms = run->exposed_host_ms > 0 ? (double)run->exposed_host_ms : 1;
	double control_ms = (double)run->control_host_ms;

	return limit->judged && k >= 2 && at_least(k, n, (double)limit->ppm / RW_PPM) < bound &&
	       (hours_begin(run, watched) ||
		at_least(k, k + run->control_failed, exposed_ms / (exposed_ms + control_ms)) <
			bound);
}

/* ---- what is delivered --------------------------------------------------------------- */

static uint32_t place_of(uint32_t signature)
{
	return signature < SIM_SIGNATURES / 2
		       ? signature
		       : SIM_SIGNATURES / 2 + (signature - SIM_DRIVER_SIGNATURE);
}

void sim_evidence_signature(struct sim *sim, const struct sim_message *message)
{
	uint32_t place = place_of(message->event.signature);
	uint64_t *seen_ms = &sim->judge.seen_ms[place];
	uint64_t *control_ms = &sim->judge.control_ms[place];

	if (*seen_ms == 0) {
		sim_judge_touch(sim, seen_ms, sizeof(*seen_ms));
		*seen_ms = sim->now_ms;
	}
	if (sim_judge_is_exposed(sim, message->host))
		return;
	sim_judge_touch(sim, control_ms, sizeof(*control_ms));
	*control_ms = sim->now_ms;
}

void sim_evidence_event(struct sim *sim, const struct sim_message *message, uint32_t deployment,
			bool counts)
{
	struct sim_proofs *proofs = &sim->judge.proofs[deployment];
	uint32_t signature = message->event.signature, by = message->host + 1;
	const struct sim_exposed *e = &sim->judge.of[deployment][message->host];
	uint32_t *first = &proofs->first[place_of(signature)];

	if (*first != 0 && *first != by)
		proofs->shared[place_of(signature)] = true;
	else
		*first = by;
	if (signature != SIM_DRIVER_SIGNATURE + deployment)
		return;
	/* Nobody else has this one: a second host of the deployment is a proof. */
	if (!counts || !e->exposed)
		proofs->spoiled = true;
	if (proofs->spoiled || proofs->driver_shared || proofs->driver_by == by)
		return;
	sim_judge_touch(sim, &proofs->driver_by, sizeof(proofs->driver_by));
	sim_judge_touch(sim, &proofs->driver_shared, sizeof(proofs->driver_shared));
	proofs->driver_shared = proofs->driver_by != 0;
	proofs->driver_by = by;
	if (proofs->driver_shared)
		proofs->due_ring = e->ring + 1u;
}

void sim_evidence_end_of_boot(struct sim *sim, uint32_t host, uint64_t order)
{
	struct sim_known *known = &sim->model.of[host];

	for (int i = 0; i < SIM_BOOTS_KEPT; i++) {
		if (known->ends[i].order == order)
			return;
	}
	for (int i = SIM_BOOTS_KEPT - 1; i > 0; i--)
		known->ends[i] = known->ends[i - 1];
	known->ends[0].order = order;
	known->ends[0].at_ms = sim->now_ms;
}

/* ---- what must be so ------------------------------------------------------------------ */

static bool some_share(const struct sim *sim, uint32_t deployment)
{
	const struct sim_proofs *proofs = &sim->judge.proofs[deployment];

	for (int i = 0; i < SIM_SIGNATURES; i++) {
		if (proofs->shared[i] && sim->judge.seen_ms[i] >= sim->judge.first_ms[deployment] &&
		    sim->judge.control_ms[i] < sim->judge.first_ms[deployment])
			return true;
	}
	return false;
}

static bool some_loops(const struct sim *sim, uint32_t deployment, uint32_t ring)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct sim_exposed *e = &sim->judge.of[deployment][i];
		const struct sim_known *known = &sim->model.of[i];

		if (e->exposed && e->ring == ring && known->ends[LOOP_BOOTS - 1].order != 0 &&
		    known->ends[0].at_ms - known->ends[LOOP_BOOTS - 1].at_ms <= LOOP_MS)
			return true;
	}
	return false;
}

static bool rests_on_something(const struct sim *sim, uint32_t deployment, uint32_t ring,
			       const struct rw_run *run)
{
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	const struct rw_limit *limits = sim->collector.policy.rings[ring].limits;
	uint64_t watched = sim->collector.core->control.group.watched + 1;

	switch (run->proof) {
	case RW_PROOF_SHARE:
		return sim_is_reported(deployment) || /* has bounds of its own, for a growing n */
		       is_proved(run, &limits[RW_RULE_CRASHED], counts->crashed, counts->at_risk,
				 watched, hardly) ||
		       is_proved(run, &limits[RW_RULE_OFFLINE], counts->offline, counts->at_risk,
				 watched, hardly) ||
		       is_proved(run, &limits[RW_RULE_FAILED], counts->failed, counts->at_risk,
				 watched, hardly);
	case RW_PROOF_SIGNATURE:
		return some_share(sim, deployment);
	case RW_PROOF_BOOT_LOOP:
		return some_loops(sim, deployment, ring);
	default:
		return false;
	}
}

void sim_evidence_check(struct sim *sim, uint32_t deployment, uint32_t ring,
			const struct rw_run *run)
{
	struct sim_run *mine = &sim->judge.runs[deployment][ring];
	struct sim_proofs *proofs = &sim->judge.proofs[deployment];
	const struct sim_counts *counts = &sim->judge.counts[deployment][ring];
	const struct rw_limit *limit = &sim->collector.policy.rings[ring].limits[RW_RULE_CRASHED];
	bool proved = run->grade == RW_GRADE_EVIDENCE;
	bool more = counts->crashed > mine->crashed;

	mine->crashed = counts->crashed;
	if (proofs->due_ring == ring + 1) {
		proofs->due_ring = 0;
		if (!proved)
			sim_fail(sim, SIM_OK_EVIDENCE,
				 "%s %s: two hosts share a new signature, and that proves nothing",
				 sim_deployment_name(deployment), sim_ring_name(ring));
	}
	if (more && !proved && !sim_is_reported(deployment) &&
	    is_proved(run, limit, counts->crashed, counts->at_risk, 0, surely))
		sim_fail(sim, SIM_OK_EVIDENCE,
			 "%s %s: %llu of %llu crashed, and that proves nothing",
			 sim_deployment_name(deployment), sim_ring_name(ring),
			 (unsigned long long)counts->crashed, (unsigned long long)counts->at_risk);
	if (!proved || mine->proved)
		return;
	sim->figures->checks[SIM_OK_EVIDENCE]++;
	sim_judge_touch(sim, mine, sizeof(*mine));
	mine->proved = true;
	if (!rests_on_something(sim, deployment, ring, run))
		sim_fail(sim, SIM_OK_EVIDENCE,
			 "%s %s: the proof is %s, with crashed %llu, offline %llu of %llu",
			 sim_deployment_name(deployment), sim_ring_name(ring),
			 rw_proof_name(run->proof), (unsigned long long)counts->crashed,
			 (unsigned long long)counts->offline, (unsigned long long)counts->at_risk);
}
