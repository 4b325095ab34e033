/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement: one breaker for each ring of each deployment.
 *
 * n is the run's hosts at risk, k those of them that failed. Each rule looks at
 * its own part of k:
 *   crashed   hosts that crashed since their exposure, back or not
 *   offline   hosts that are offline now
 *   failed    hosts that are either, each once
 * A rule opens the breaker when k / n is strictly above its limit and k is at
 * least `least_hosts`. That is the protocol's literal reading: with a limit of
 * 0.1 % and least_hosts 1, one failed host of 999 opens it, and one of 1,000
 * does not. Shares are compared as whole numbers, so nothing is rounded.
 *
 * When several rules are crossed at once, the first in the list above is named.
 * An open breaker stays open, whatever recovers, until it is reset. It is
 * judged at each change of its counts, so it opens in the same call as the
 * transition that crossed the limit.
 *
 * While the observer is blind, silence proves nothing: only crashes are judged
 * then (also under `failed`), and everything once it sees again.
 *
 * Evidence: one line a host and kind, at most RW_CORE_EVIDENCE_MAX. A crash
 * leaves its line when it happens; a silent host gets its line when the breaker
 * opens, or later when it falls silent after that, because until then it may
 * come back and have been nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/core/internal.h"

bool rw_breaker_is_above(const struct rw_limit *limit, uint32_t least_hosts, uint64_t failed,
			 uint64_t of)
{
	return limit->judged && failed >= least_hosts && failed * RW_PPM > limit->ppm * of;
}

static enum rw_rule crossed_rule(const struct rw_ring_policy *policy,
				 const struct rw_counts *counts, bool blind)
{
	const uint64_t failed[RW_RULE_COUNT] = {
		[RW_RULE_CRASHED] = counts->crashed,
		[RW_RULE_OFFLINE] = blind ? 0 : counts->offline,
		[RW_RULE_FAILED] = blind ? counts->crashed : counts->failed,
	};
	static const enum rw_rule order[] = {RW_RULE_CRASHED, RW_RULE_OFFLINE, RW_RULE_FAILED};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (rw_breaker_is_above(&policy->limits[order[i]], policy->least_hosts,
					failed[order[i]], counts->at_risk))
			return order[i];
	}
	return RW_RULE_NONE;
}

static void add_silent_hosts(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	rw_host_handle handle = core->lists[RW_OFFLINE].head;

	while (handle != RW_NO_HOST && run->evidence_count < RW_CORE_EVIDENCE_MAX) {
		const struct rw_host *host = rw_table_at(&core->table, handle);
		const struct rw_exposure *e = rw_exposure_find(host, run->deployment);

		if (e != NULL && e->run == run && rw_exposure_is_offline(e, host)) {
			struct rw_evidence_row row =
				rw_evidence_of(core, run, host->id, "offline", host->since_wall_ms);

			rw_evidence_add(core, run, &row, now);
		}
		handle = host->next;
	}
}

void rw_breaker_judge(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	if (!rw_run_is_judged(run) || run->breaker_open || run->counts.failed == 0)
		return;

	bool blind = rw_core_blind_reason(core, now) != NULL;
	enum rw_rule rule = crossed_rule(rw_run_policy(core, run), &run->counts, blind);

	if (rule == RW_RULE_NONE)
		return;
	run->breaker_open = true;
	run->rule = rule;
	run->grade = RW_GRADE_LIMIT;
	run->opened_wall_ms = now.wall_ms;
	run->opened_failed = run->counts.failed;
	run->opened_at_risk = run->counts.at_risk;
	rw_tell_run(core, run, now);
	add_silent_hosts(core, run, now);
}

void rw_breaker_judge_all(struct rw_core *core, struct rw_now now)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; j < deployment->row.ring_count; j++)
			rw_breaker_judge(core, &deployment->runs[j], now);
	}
}

/* ---- evidence --------------------------------------------------------------- */

struct rw_evidence_row rw_evidence_of(const struct rw_core *core, const struct rw_run *run,
				      const char *host, const char *kind, uint64_t at_wall_ms)
{
	struct rw_evidence_row row = {.at_wall_ms = at_wall_ms};

	rw_copy_text(row.deployment, sizeof(row.deployment), run->deployment->row.id);
	rw_copy_text(row.ring, sizeof(row.ring), rw_run_policy(core, run)->name);
	rw_copy_text(row.host, sizeof(row.host), host);
	rw_copy_text(row.kind, sizeof(row.kind), kind);
	return row;
}

static bool evidence_has_room(struct rw_run *run)
{
	if (run->evidence_count < run->evidence_room)
		return true;

	uint32_t room = run->evidence_room == 0 ? 4 : run->evidence_room * 2;
	struct rw_evidence_row *evidence = realloc(run->evidence, room * sizeof(*evidence));

	if (evidence == NULL)
		return false;
	run->evidence = evidence;
	run->evidence_room = room;
	return true;
}

enum rw_evidence_merge rw_evidence_merge(struct rw_run *run, const struct rw_evidence_row *row)
{
	for (uint32_t i = 0; i < run->evidence_count; i++) {
		struct rw_evidence_row *known = &run->evidence[i];

		if (strcmp(known->host, row->host) != 0 || strcmp(known->kind, row->kind) != 0)
			continue;
		/* A reboot first seen by its Hello takes the event that tells of it. */
		if (known->event[0] != '\0' || row->event[0] == '\0')
			return RW_EVIDENCE_KNOWN;
		*known = *row;
		return RW_EVIDENCE_NEW;
	}
	if (run->evidence_count >= RW_CORE_EVIDENCE_MAX)
		return RW_EVIDENCE_KNOWN;
	if (!evidence_has_room(run))
		return RW_EVIDENCE_DROPPED;
	run->evidence[run->evidence_count++] = *row;
	return RW_EVIDENCE_NEW;
}

void rw_evidence_add(struct rw_core *core, struct rw_run *run, const struct rw_evidence_row *row,
		     struct rw_now now)
{
	if (rw_evidence_merge(run, row) != RW_EVIDENCE_KNOWN)
		rw_tell_evidence(core, run, row, now);
}
