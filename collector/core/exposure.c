/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who counts, and what of.
 *
 * An exposure is one host in one deployment, in the ring where it was exposed.
 * It is at risk from the first byte heard after the exposure. It is
 *   offline  while it is at risk and its presence is offline, unless a reset
 *            has acknowledged this very silence;
 *   crashed  from the first crash that happened after the exposure, for good,
 *            until a reset acknowledges it;
 *   failed   when it is either.
 *
 * "After the exposure" is told by the host's own boots and boot clock, never by
 * the time of arrival. The exposure remembers a base: the boot that the host
 * was in, that boot's clock, and whether it was alive then. What happened in a
 * later boot counts; what happened in the same boot counts when its clock is
 * past the base (one second of slack for a clock known only by heartbeats);
 * the unexpected end of the same boot counts when that boot was alive at the
 * base or was heard after it. A reset moves the base of the hosts that it
 * acknowledges to the moment of the reset.
 */
#include <errno.h>
#include <stdlib.h>

#include "collector/core/internal.h"

/* ---- records ------------------------------------------------------------------ */

struct rw_exposure *rw_exposure_at(const struct rw_run *run, uint32_t index)
{
	if (index >= run->exposure_count)
		return NULL;
	return &run->chunks[index / RW_EXPOSURE_CHUNK][index % RW_EXPOSURE_CHUNK];
}

struct rw_exposure *rw_exposure_find(const struct rw_host *host,
				     const struct rw_deployment *deployment)
{
	struct rw_exposure *e = host->exposures;

	while (e != NULL && e->run->deployment != deployment)
		e = e->next;
	return e;
}

int rw_exposure_reserve(struct rw_run *run, uint32_t count)
{
	uint32_t needed = (run->exposure_count + count + RW_EXPOSURE_CHUNK - 1) / RW_EXPOSURE_CHUNK;

	if (needed <= run->chunk_count)
		return 0;

	struct rw_exposure **chunks = realloc(run->chunks, needed * sizeof(void *));

	if (chunks == NULL)
		return -ENOMEM;
	run->chunks = chunks;
	while (run->chunk_count < needed) {
		struct rw_exposure *chunk = calloc(RW_EXPOSURE_CHUNK, sizeof(*chunk));

		if (chunk == NULL)
			return -ENOMEM;
		run->chunks[run->chunk_count++] = chunk;
	}
	return 0;
}

/* A host's exposures count each other (overlap), so all change together. */
static void uncount_all(struct rw_host *host)
{
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_uncount(e, host);
}

static void count_all(struct rw_host *host)
{
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_count(e, host);
}

struct rw_exposure *rw_exposure_add(struct rw_core *core, struct rw_run *run, rw_host_handle handle)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	uncount_all(host);
	run->exposure_count++;
	struct rw_exposure *e = rw_exposure_at(run, run->exposure_count - 1);
	*e = (struct rw_exposure){
		.next = host->exposures,
		.run = run,
		.placed_boot_ms = UINT64_MAX,
		.host = handle,
	};
	host->exposures = e;
	host->exposure_count++;
	host->unheard_count++;
	count_all(host);
	return e;
}

static void detach(struct rw_core *core, struct rw_exposure *exposure)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);
	struct rw_exposure **place = &host->exposures;

	uncount_all(host);
	while (*place != NULL && *place != exposure)
		place = &(*place)->next;
	if (*place != NULL)
		*place = exposure->next;
	host->exposure_count--;
	if (!exposure->heard)
		host->unheard_count--;
	count_all(host);
}

void rw_exposure_release(struct rw_core *core, struct rw_run *run)
{
	for (uint32_t i = 0; i < run->exposure_count; i++)
		detach(core, rw_exposure_at(run, i));

	run->counts = (struct rw_counts){0};
	for (uint32_t i = 0; i < run->exposure_count; i++)
		rw_exposure_count_ended(run, rw_exposure_at(run, i));
	run->exposure_count = 0;
	for (uint32_t i = 0; i < run->chunk_count; i++)
		free(run->chunks[i]);
	free(run->chunks);
	run->chunks = NULL;
	run->chunk_count = 0;
}

/* ---- counts ---------------------------------------------------------------------- */

void rw_exposure_count_ended(struct rw_run *run, const struct rw_exposure *exposure)
{
	run->counts.exposed++;
	run->counts.at_risk += exposure->heard;
	run->counts.crashed += exposure->crashed;
	run->counts.failed += exposure->crashed;
	run->counts.recovered += exposure->recovered;
}

bool rw_exposure_is_offline(const struct rw_exposure *exposure, const struct rw_host *host)
{
	return exposure->heard && !exposure->acknowledged && host->presence == RW_OFFLINE;
}

bool rw_exposure_has_failed(const struct rw_exposure *exposure, const struct rw_host *host)
{
	return exposure->crashed || rw_exposure_is_offline(exposure, host);
}

/* Each count takes `by`, 1 or -1, modulo 2^64. */
static void count_by(const struct rw_exposure *e, const struct rw_host *host, uint64_t by)
{
	struct rw_counts *counts = &e->run->counts;
	bool covered = e->heard && (host->presence == RW_ONLINE || host->presence == RW_SUSPECT);

	counts->exposed += by;
	counts->at_risk += e->heard ? by : 0;
	counts->offline += rw_exposure_is_offline(e, host) ? by : 0;
	counts->crashed += e->crashed ? by : 0;
	counts->failed += rw_exposure_has_failed(e, host) ? by : 0;
	counts->recovered += e->recovered ? by : 0;
	counts->covered += covered ? by : 0;
	counts->overlapped += host->exposure_count > 1 ? by : 0;
	counts->blind += (host->blind_kinds & e->run->crash_kinds) != 0 ? by : 0;
}

void rw_exposure_uncount(struct rw_exposure *exposure, const struct rw_host *host)
{
	count_by(exposure, host, UINT64_MAX);
}

void rw_exposure_count(struct rw_exposure *exposure, const struct rw_host *host)
{
	count_by(exposure, host, 1);
}

void rw_exposure_set_blind_kinds(struct rw_host *host, uint32_t kinds)
{
	uncount_all(host);
	host->blind_kinds = kinds;
	count_all(host);
}

/* ---- what happened after the exposure ------------------------------------------------ */

void rw_exposure_set_base(struct rw_exposure *exposure, const struct rw_host *host,
			  struct rw_now now)
{
	exposure->boot_order = host->boot_order;
	exposure->boot_ms = host->clock_known ? host->clock_offset + now.boot_ms : 0;
	exposure->alive = host->presence == RW_ONLINE || host->presence == RW_SUSPECT;
}

static bool boot_end_counts(const struct rw_exposure *exposure, uint64_t boot_order)
{
	return boot_order > exposure->boot_order ||
	       (boot_order == exposure->boot_order && exposure->alive);
}

static bool event_counts(const struct rw_exposure *exposure, const struct rw_core_event *event)
{
	/* It names the boot that died; its clock is only when that was last seen alive. */
	if (event->kind == RW_CORE_KIND_UNEXPECTED_REBOOT)
		return boot_end_counts(exposure, event->boot_order);
	if (event->boot_order != exposure->boot_order)
		return event->boot_order > exposure->boot_order;
	return event->boot_ms >= exposure->boot_ms ||
	       exposure->boot_ms - event->boot_ms <= RW_CRASH_SLACK_MS;
}

static bool is_crash_kind(const struct rw_core *core, const struct rw_exposure *exposure,
			  uint32_t kind)
{
	return kind < 32 &&
	       (rw_run_policy(core, exposure->run)->crash_kinds & (UINT32_C(1) << kind)) != 0;
}

/* ---- inputs ----------------------------------------------------------------------------- */

/*
 * Heard for the first time since an exposure at which it was silent: its boot
 * clock now tells where in its life the exposure was, better than what was
 * last known of it then.
 */
static bool refine_base(struct rw_exposure *e, const struct rw_boot *boot, struct rw_now now)
{
	if (e->heard || e->alive || e->placed_boot_ms == UINT64_MAX)
		return false;

	uint64_t elapsed_ms = now.boot_ms - e->placed_boot_ms;

	if (boot->boot_ms < elapsed_ms)
		return false; /* this boot began after the exposure */
	e->boot_order = boot->order;
	e->boot_ms = boot->boot_ms - elapsed_ms;
	e->alive = true;
	return true;
}

/* The facts that hearing a host makes true; whether any was not so before. */
static bool take_heard(struct rw_exposure *e, struct rw_host *host, bool back_from_offline)
{
	bool changed = !e->heard;

	if (back_from_offline && e->heard && !e->recovered) {
		e->recovered = true;
		changed = true;
	}
	if (!e->heard)
		host->unheard_count--;
	e->heard = true;
	if (!e->alive && host->boot_order == e->boot_order) {
		e->alive = true;
		changed = true;
	}
	return changed;
}

void rw_exposure_heard(struct rw_core *core, struct rw_exposure *exposure, bool back_from_offline,
		       struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);

	rw_exposure_uncount(exposure, host);
	bool changed = take_heard(exposure, host, back_from_offline);
	rw_exposure_count(exposure, host);
	if (changed)
		rw_tell_exposure(core, exposure, now);
	rw_breaker_judge(core, exposure->run, now);
}

void rw_exposure_went_offline(struct rw_core *core, struct rw_exposure *exposure, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);

	if (!exposure->heard)
		return;
	/* It fails anew: no acknowledgement of before covers it. */
	if (exposure->acknowledged || exposure->recovered) {
		rw_exposure_uncount(exposure, host);
		exposure->acknowledged = false;
		exposure->recovered = false;
		rw_exposure_count(exposure, host);
		rw_tell_exposure(core, exposure, now);
	}
	rw_breaker_judge(core, exposure->run, now);
	if (exposure->run->breaker_open) {
		struct rw_evidence_row row = rw_evidence_of(core, exposure->run, host->id,
							    "offline", host->since_wall_ms);

		rw_evidence_add(core, exposure->run, &row, now);
	}
}

static bool take_crash(struct rw_exposure *e, struct rw_host *host)
{
	bool changed = !e->crashed || e->acknowledged || e->recovered;

	if (!e->heard)
		host->unheard_count--;
	e->heard = true;
	e->crashed = true;
	e->acknowledged = false;
	e->recovered = false;
	return changed;
}

void rw_exposure_hello(struct rw_core *core, struct rw_exposure *exposure,
		       const struct rw_boot_change *change, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);
	bool crashed = change->died && boot_end_counts(exposure, change->old_order) &&
		       is_crash_kind(core, exposure, RW_CORE_KIND_UNEXPECTED_REBOOT);
	bool same_boot_back = change->was_offline && !change->is_new;

	rw_exposure_uncount(exposure, host);
	bool changed = refine_base(exposure, change->boot, now);
	if (!changed && change->is_new && change->boot->order <= exposure->boot_order) {
		/* The host's count of boots went back (its state was lost): begin at
		 * this boot, or nothing of it would ever count. */
		exposure->boot_order = change->boot->order;
		exposure->boot_ms = 0;
		changed = true;
	}
	changed = take_heard(exposure, host, same_boot_back) || changed;
	if (crashed)
		changed = take_crash(exposure, host) || changed;
	rw_exposure_count(exposure, host);

	if (changed)
		rw_tell_exposure(core, exposure, now);
	if (crashed) {
		struct rw_evidence_row row = rw_evidence_of(core, exposure->run, host->id,
							    "unexpected_reboot", now.wall_ms);

		rw_evidence_add(core, exposure->run, &row, now);
	}
	rw_breaker_judge(core, exposure->run, now);
}

void rw_exposure_event(struct rw_core *core, struct rw_exposure *exposure,
		       const struct rw_core_event *event, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);

	if (!is_crash_kind(core, exposure, event->kind) || !event_counts(exposure, event))
		return;

	rw_exposure_uncount(exposure, host);
	bool changed = take_crash(exposure, host);
	rw_exposure_count(exposure, host);
	if (changed)
		rw_tell_exposure(core, exposure, now);

	struct rw_evidence_row row =
		rw_evidence_of(core, exposure->run, host->id, event->kind_name, now.wall_ms);

	rw_copy_text(row.event, sizeof(row.event), event->id);
	rw_copy_text(row.signature, sizeof(row.signature), event->signature);
	rw_evidence_add(core, exposure->run, &row, now);
	rw_breaker_judge(core, exposure->run, now);
}
