/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants, checked the slow way: every count that the core keeps as it
 * goes is counted anew from single hosts and exposures. Tests call this after
 * each step; nothing else does.
 */
#include <string.h>

#include "collector/core/internal.h"

/* Counts each host once more, into nothing. */
static const char *check_rings(const struct rw_core *core)
{
	static struct rw_core again; /* one thread owns the core; too large for a stack */

	again = (struct rw_core){0};
	for (rw_host_handle handle = 0; handle < core->table.count; handle++) {
		struct rw_host *host = rw_table_at(&core->table, handle);

		if (host->ring >= core->policy.ring_count || host->presence >= RW_PRESENCE_COUNT)
			return "a host stands in no ring or presence";
		rw_presence_count(&again, host);
		if (rw_table_find(&core->table, host->id) != handle)
			return "a host is not found by its name";
	}
	for (uint32_t i = 0; i < core->policy.ring_count; i++) {
		memcpy(again.rings[i].newcomers, core->rings[i].newcomers,
		       sizeof(again.rings[i].newcomers));
		again.rings[i].proved_wall_ms = core->rings[i].proved_wall_ms;
		if (memcmp(&again.rings[i], &core->rings[i], sizeof(core->rings[i])) != 0)
			return "a ring's counts are not the sum of its hosts";
	}
	if (again.enrolled != core->enrolled)
		return "the enrolled hosts are miscounted";
	if (again.control.hosts != core->control.hosts ||
	    again.control.group.watched != core->control.group.watched ||
	    again.control.group.online != core->control.group.online ||
	    again.control.group.silent != core->control.group.silent)
		return "control is not the sum of its hosts";
	return NULL;
}

static uint64_t presence_total(const struct rw_core *core, enum rw_presence presence)
{
	uint64_t total = 0;

	for (uint32_t ring = 0; ring < core->policy.ring_count; ring++)
		total += core->rings[ring].presence[presence];
	return total;
}

/* How many; UINT64_MAX: their list is broken. */
static uint64_t count_gasping(const struct rw_core *core)
{
	rw_host_handle before = RW_NO_HOST;
	uint64_t due = 0;
	uint64_t count = 0;

	for (rw_host_handle at = core->gasping.head; at != RW_NO_HOST;) {
		const struct rw_host *host = rw_table_at(&core->table, at);

		const struct rw_trouble *trouble =
			host == NULL ? NULL : rw_trouble_at(core, host->trouble);

		if (trouble == NULL || host->presence != RW_SUSPECT || !host->gasping ||
		    host->prev != before || trouble->gasp_due_obs_ms < due ||
		    trouble->gasp_due_obs_ms > core->obs_ms + RW_CORE_GASP_MS ||
		    ++count > core->table.count)
			return UINT64_MAX;
		due = trouble->gasp_due_obs_ms;
		before = at;
		at = host->next;
	}
	return core->gasping.tail == before ? count : UINT64_MAX;
}

static uint64_t count_lost(const struct rw_core *core)
{
	rw_host_handle before = RW_NO_HOST;
	uint64_t count = 0;

	for (rw_host_handle at = core->lost.head; at != RW_NO_HOST;) {
		const struct rw_host *host = rw_table_at(&core->table, at);

		if (host == NULL || host->presence != RW_OFFLINE || !host->lost ||
		    host->prev != before || ++count > core->table.count)
			return UINT64_MAX;
		before = at;
		at = host->next;
	}
	return core->lost.tail == before ? count : UINT64_MAX;
}

/* Each host is looked at again before it is due. */
static const char *check_wheel(const struct rw_core *core, enum rw_presence presence)
{
	const struct rw_wheel *wheel = presence == RW_ONLINE    ? &core->late
				       : presence == RW_SUSPECT ? &core->gone
								: &core->away;
	uint64_t after_ms = presence == RW_ONLINE    ? core->policy.timing.suspect_after_ms
			    : presence == RW_SUSPECT ? core->policy.timing.offline_after_ms
						     : 0;
	uint64_t count = 0, gasping = presence == RW_SUSPECT ? count_gasping(core) : 0;

	if (gasping == UINT64_MAX)
		return "the list of gasping hosts is broken";
	for (uint64_t ahead = 0; ahead < RW_WHEEL_SLOTS; ahead++) {
		uint64_t tick = wheel->cursor + ahead;
		uint8_t slot = (uint8_t)(tick % RW_WHEEL_SLOTS);
		rw_host_handle before = RW_NO_HOST;

		for (rw_host_handle at = wheel->slots[slot].head; at != RW_NO_HOST;) {
			const struct rw_host *host = rw_table_at(&core->table, at);

			if (host == NULL || host->presence != presence || host->prev != before ||
			    host->gasping || host->slot != slot || ++count > core->table.count)
				return "a slot of a wheel is broken";
			if (ahead > 0 && tick > (host->mark_obs_ms + after_ms) / RW_CORE_TICK_MS)
				return "a host is due before its slot comes";
			before = at;
			at = host->next;
		}
		if (wheel->slots[slot].tail != before)
			return "a slot of a wheel has another end";
	}
	if (count + gasping != presence_total(core, presence))
		return "a wheel does not hold all hosts of its presence";
	return NULL;
}

static const char *check_list(const struct rw_core *core, enum rw_presence presence)
{
	bool is_ordered = presence == RW_UNKNOWN;
	rw_host_handle before = RW_NO_HOST;
	uint64_t mark = 0;
	uint64_t beside = presence == RW_OFFLINE ? count_lost(core) : 0;
	uint64_t count = 0;

	if (beside == UINT64_MAX)
		return "the list of lost hosts is broken";
	for (rw_host_handle at = core->lists[presence].head; at != RW_NO_HOST;) {
		const struct rw_host *host = rw_table_at(&core->table, at);

		if (host == NULL || host->presence != presence || host->prev != before ||
		    host->gasping || (host->lost && presence != RW_UNKNOWN))
			return "a list of a presence is broken";
		if (is_ordered && (host->mark_obs_ms < mark || host->mark_obs_ms > core->obs_ms))
			return "the list of unknown hosts is not in the order of time";
		mark = host->mark_obs_ms;
		before = at;
		at = host->next;
		if (++count > core->table.count)
			return "a list runs in a circle";
	}
	if (core->lists[presence].tail != before ||
	    count + beside != presence_total(core, presence))
		return "a list does not hold all hosts of its presence";
	return NULL;
}

static const char *check_run(const struct rw_core *core, const struct rw_run *run)
{
	struct rw_counts kept = run->counts;
	struct rw_run again = {
		.deployment = run->deployment, .ring = run->ring, .crash_kinds = run->crash_kinds};

	for (uint32_t i = 0; i < run->exposure_count; i++) {
		struct rw_exposure copy = *rw_exposure_at(run, i);

		if (copy.run != run)
			return "an exposure stands in another run";
		copy.run = &again;
		rw_exposure_count(&copy, rw_table_at(&core->table, copy.host));
	}
	if (run->deployment->row.state == RW_DEPLOYMENT_ACTIVE &&
	    memcmp(&kept, &again.counts, sizeof(kept)) != 0)
		return "a run's counts are not the sum of its exposures";
	if (kept.all.by[RW_RULE_FAILED] > kept.all.at_risk || kept.all.at_risk > kept.exposed)
		return "more hosts failed than are at risk, or more are than are exposed";
	if (run->deployment->row.state != RW_DEPLOYMENT_ACTIVE && run->exposure_count > 0)
		return "an ended deployment still has exposures";
	return NULL;
}

static const char *check_loops(const struct rw_core *core)
{
	uint64_t due = 0, count = 0, looping = 0;

	for (uint32_t at = core->loop_head; at != 0;) {
		const struct rw_trouble *trouble = rw_trouble_at(core, at);

		if (trouble == NULL || trouble->loop_end_obs_ms < due ||
		    !rw_table_at(&core->table, trouble->host)->looping ||
		    ++count > core->trouble_count)
			return "the list of looping hosts is broken";
		due = trouble->loop_end_obs_ms;
		at = trouble->loop_next;
	}
	for (rw_host_handle handle = 0; handle < core->table.count; handle++)
		looping += rw_table_at(&core->table, handle)->looping;
	return looping == count ? NULL : "the list of looping hosts does not hold them all";
}

static const char *check_control(const struct rw_core *core)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		const struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; j < deployment->row.ring_count; j++) {
			struct rw_run again = deployment->runs[j];

			rw_control_recount(core, &again);
			if (deployment->row.state == RW_DEPLOYMENT_ACTIVE &&
			    again.control_failed != deployment->runs[j].control_failed)
				return "a run's failures of control are miscounted";
		}
	}
	return NULL;
}

static const char *check_exposures_of_hosts(const struct rw_core *core)
{
	for (rw_host_handle handle = 0; handle < core->table.count; handle++) {
		const struct rw_host *host = rw_table_at(&core->table, handle);
		uint32_t count = 0;
		uint32_t unheard = 0;

		for (const struct rw_exposure *e = host->exposures; e != NULL; e = e->next) {
			count++;
			unheard += !e->heard;
			if (e->host != handle || rw_exposure_find(host, e->run->deployment) != e)
				return "a host is exposed to one deployment twice";
		}
		if (count != host->exposure_count || unheard != host->unheard_count)
			return "a host's exposures are miscounted";
	}
	return NULL;
}

const char *rw_core_check(const struct rw_core *core)
{
	const char *fault = check_rings(core);

	for (int presence = 0; fault == NULL && presence < RW_PRESENCE_COUNT; presence++) {
		if (presence == RW_ONLINE || presence == RW_SUSPECT || presence == RW_PLANNED)
			fault = check_wheel(core, (enum rw_presence)presence);
		else
			fault = check_list(core, (enum rw_presence)presence);
	}
	if (fault == NULL)
		fault = check_loops(core);
	if (fault == NULL)
		fault = check_control(core);
	if (fault == NULL)
		fault = check_exposures_of_hosts(core);
	for (uint32_t i = 0; fault == NULL && i < core->deployment_count; i++) {
		const struct rw_deployment *deployment = core->deployments[i];

		for (uint32_t j = 0; fault == NULL && j < deployment->row.ring_count; j++)
			fault = check_run(core, &deployment->runs[j]);
	}
	return fault;
}
