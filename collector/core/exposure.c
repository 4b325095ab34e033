/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who counts, and what of.
 *
 * An exposure is one host in one deployment, in the ring where it was exposed.
 * It is at risk from the first byte heard after the exposure. It is
 *   offline  while it is at risk and its presence is offline, unless a reset
 *            has acknowledged this very silence; a host that is retired while it is
 *            offline stays so here;
 *   crashed  from the first crash that happened after the exposure, for good,
 *            until a reset acknowledges it;
 *   failed   when it is either;
 *   module_failed  when it fails to load a module in a way that it had not shown
 *            before the exposure, likewise for good;
 *   full     when it has been at risk for as long as its ring bakes, on the run's own
 *            bake clock, counted from the exposure or the last reset.
 * A host that is excluded counts as nothing at all.
 *
 * Counts are kept for the run, and for each cohort: the hosts exposed in one step.
 *
 * "After the exposure" is told by the host's own boots and boot clock, never by
 * the time of arrival. The exposure remembers a base: the boot that the host
 * was in, that boot's clock, and whether it was alive then. What happened in a
 * later boot counts; what happened in the same boot counts when its clock is
 * past the base (one second of slack for a clock known only by heartbeats; of a clock
 * that was not known at the base nothing in that boot counts);
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
void rw_exposure_uncount_all(struct rw_host *host)
{
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_uncount(e, host);
}

void rw_exposure_count_all(struct rw_host *host)
{
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_count(e, host);
}

struct rw_exposure *rw_exposure_add(struct rw_core *core, struct rw_run *run, rw_host_handle handle,
				    uint32_t step)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_exposure_uncount_all(host);
	rw_presence_uncount(core, host);
	run->exposure_count++;
	struct rw_exposure *e = rw_exposure_at(run, run->exposure_count - 1);
	*e = (struct rw_exposure){
		.next = host->exposures,
		.run = run,
		.placed_boot_ms = UINT64_MAX,
		.host = handle,
		.step = (uint8_t)step,
	};
	host->exposures = e;
	host->exposure_count++;
	host->unheard_count++;
	rw_presence_count(core, host);
	rw_exposure_count_all(host);
	return e;
}

static void detach(struct rw_core *core, struct rw_exposure *exposure)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);
	struct rw_exposure **place = &host->exposures;

	rw_exposure_uncount_all(host);
	rw_presence_uncount(core, host);
	while (*place != NULL && *place != exposure)
		place = &(*place)->next;
	if (*place != NULL)
		*place = exposure->next;
	host->exposure_count--;
	if (!exposure->heard)
		host->unheard_count--;
	rw_presence_count(core, host);
	rw_exposure_count_all(host);
}

void rw_exposure_leave_out(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	for (uint32_t i = 0; i < run->exposure_count; i++) {
		struct rw_exposure *e = rw_exposure_at(run, i);

		bool excluded = rw_table_at(&core->table, e->host)->excluded;

		if (e->left_out == excluded)
			continue;
		e->left_out = excluded;
		rw_tell_exposure(core, e, now);
	}
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

void rw_exposure_count_ended(struct rw_run *run, const struct rw_exposure *e)
{
	struct rw_tally *all = &run->counts.all;

	if (e->left_out)
		return;
	run->counts.exposed++;
	run->counts.recovered += e->recovered;
	all->at_risk += e->heard;
	all->by[RW_RULE_CRASHED] += e->crashed;
	all->by[RW_RULE_FAILED] += e->crashed;
	all->by[RW_RULE_MODULE_FAILED] += e->module_failed;
}

bool rw_exposure_is_offline(const struct rw_exposure *exposure, const struct rw_host *host)
{
	return exposure->heard && !exposure->acknowledged &&
	       (host->presence == RW_OFFLINE || exposure->left_offline);
}

bool rw_exposure_has_failed(const struct rw_exposure *exposure, const struct rw_host *host)
{
	return exposure->crashed || rw_exposure_is_offline(exposure, host);
}

static void tally_by(struct rw_tally *tally, const struct rw_exposure *e,
		     const struct rw_host *host, uint64_t by)
{
	tally->at_risk += e->heard ? by : 0;
	tally->by[RW_RULE_OFFLINE] += rw_exposure_is_offline(e, host) ? by : 0;
	tally->by[RW_RULE_CRASHED] += e->crashed ? by : 0;
	tally->by[RW_RULE_FAILED] += rw_exposure_has_failed(e, host) ? by : 0;
	tally->by[RW_RULE_MODULE_FAILED] += e->module_failed ? by : 0;
}

static bool is_covered(const struct rw_exposure *e, const struct rw_host *host)
{
	return e->heard && (host->presence == RW_ONLINE || host->presence == RW_SUSPECT) &&
	       !host->looping && !host->duplicate;
}

/* Each count takes `by`, 1 or -1, modulo 2^64. */
static void count_by(const struct rw_exposure *e, const struct rw_host *host, uint64_t by)
{
	struct rw_counts *counts = &e->run->counts;

	if (host->excluded)
		return;
	counts->exposed += by;
	tally_by(&counts->all, e, host, by);
	tally_by(&counts->cohorts[e->step], e, host, by);
	rw_group_count(&counts->group, host, by);
	counts->recovered += e->recovered ? by : 0;
	counts->covered += is_covered(e, host) ? by : 0;
	counts->retired += host->presence == RW_RETIRED ? by : 0;
	counts->looping += host->looping ? by : 0;
	counts->full += e->heard && e->full ? by : 0;
	counts->full_failed += e->full && rw_exposure_has_failed(e, host) ? by : 0;
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

/* ---- observed for a whole bake --------------------------------------------------------- */

/* When `e` is full, on the run's bake clock. */
static uint64_t full_at_ms(const struct rw_core *core, const struct rw_run *run,
			   const struct rw_exposure *e)
{
	uint64_t from_ms =
		e->watched_ms > run->watched_from_ms ? e->watched_ms : run->watched_from_ms;

	return from_ms + rw_run_policy(core, run)->bake_ms;
}

void rw_exposure_take_first(const struct rw_core *core, struct rw_run *run,
			    const struct rw_exposure *exposure)
{
	uint64_t full_ms = full_at_ms(core, run, exposure);

	if (run->first_wall_ms == 0 || exposure->at_wall_ms < run->first_wall_ms)
		run->first_wall_ms = exposure->at_wall_ms;
	if (full_ms < run->full_due_ms)
		run->full_due_ms = full_ms;
}

void rw_exposure_mature(struct rw_core *core, struct rw_run *run)
{
	if (run->watched_ms < run->full_due_ms)
		return;
	run->full_due_ms = UINT64_MAX;
	for (uint32_t i = 0; i < run->exposure_count; i++) {
		struct rw_exposure *e = rw_exposure_at(run, i);
		struct rw_host *host = rw_table_at(&core->table, e->host);
		uint64_t at_ms = full_at_ms(core, run, e);
		bool full = at_ms <= run->watched_ms;

		if (!full && at_ms < run->full_due_ms)
			run->full_due_ms = at_ms;
		if (full == e->full)
			continue;
		rw_exposure_uncount(e, host);
		e->full = full;
		rw_exposure_count(e, host);
	}
}

/* ---- what happened after the exposure ------------------------------------------------ */

void rw_exposure_set_base(struct rw_exposure *exposure, const struct rw_host *host,
			  struct rw_now now)
{
	exposure->boot_order = host->boot_order;
	exposure->boot_ms = host->clock_known ? host->clock_offset + now.boot_ms : UINT64_MAX;
	exposure->placed_boot_ms = now.boot_ms;
	exposure->alive = host->presence == RW_ONLINE || host->presence == RW_SUSPECT;
}

bool rw_exposure_boot_end_counts(const struct rw_exposure *exposure, uint64_t boot_order)
{
	return boot_order > exposure->boot_order ||
	       (boot_order == exposure->boot_order && exposure->alive);
}

bool rw_exposure_moment_counts(const struct rw_exposure *exposure, uint64_t boot_order,
			       uint64_t boot_ms)
{
	if (boot_order != exposure->boot_order)
		return boot_order > exposure->boot_order;
	return boot_ms >= exposure->boot_ms || exposure->boot_ms - boot_ms <= RW_CRASH_SLACK_MS;
}

static bool event_counts(const struct rw_exposure *exposure, const struct rw_core_event *event)
{
	/* It names the boot that died; its clock is only when that was last seen alive. */
	if (event->kind == RW_CORE_KIND_UNEXPECTED_REBOOT)
		return rw_exposure_boot_end_counts(exposure, event->boot_order);
	return rw_exposure_moment_counts(exposure, event->boot_order, event->boot_ms);
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
	if (e->alive || e->placed_boot_ms == UINT64_MAX || (e->heard && e->boot_ms != UINT64_MAX))
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
	if (!e->heard) {
		host->unheard_count--;
		/* Only from now on it is watched. */
		e->watched_ms = e->run->watched_ms;
		e->full = false;
		e->run->full_due_ms = 0;
	}
	e->heard = true;
	if (e->left_offline) { /* it was taken back, and lives */
		e->left_offline = false;
		changed = true;
	}
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
	if (exposure->run->breaker_open && !host->excluded) {
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
	/* It was retired while it was offline, and is taken back. */
	bool left_offline = exposure->left_offline;
	bool died = change->died || (change->unwatched && left_offline);
	bool crashed = died && !host->excluded &&
		       rw_exposure_boot_end_counts(exposure, change->old_order) &&
		       is_crash_kind(core, exposure, RW_CORE_KIND_UNEXPECTED_REBOOT);
	bool same_boot_back = (change->was_offline || left_offline) && !change->is_new;

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
		if (rw_history_is_boot_loop(core, exposure))
			rw_breaker_prove(core, exposure->run, RW_PROOF_BOOT_LOOP, now);
	}
	rw_breaker_judge(core, exposure->run, now);
}

static void add_event_evidence(struct rw_core *core, const struct rw_exposure *exposure,
			       const struct rw_core_event *event, struct rw_now now)
{
	struct rw_evidence_row row =
		rw_evidence_of(core, exposure->run, rw_table_at(&core->table, exposure->host)->id,
			       event->kind_name, now.wall_ms);

	rw_copy_text(row.event, sizeof(row.event), event->id);
	rw_copy_text(row.signature, sizeof(row.signature), event->signature);
	rw_evidence_add(core, exposure->run, &row, now);
}

static void take_module_failure(struct rw_core *core, struct rw_exposure *exposure,
				const struct rw_core_event *event,
				const struct rw_module_mark *first, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);

	if (exposure->module_failed || !event_counts(exposure, event) ||
	    !rw_exposure_moment_counts(exposure, first->boot_order, first->boot_ms))
		return;
	rw_exposure_uncount(exposure, host);
	if (!exposure->heard)
		host->unheard_count--;
	exposure->heard = true; /* by this event */
	exposure->module_failed = true;
	rw_exposure_count(exposure, host);
	rw_tell_exposure(core, exposure, now);
	add_event_evidence(core, exposure, event, now);
	rw_breaker_judge(core, exposure->run, now);
}

static void take_crash_event(struct rw_core *core, struct rw_exposure *exposure,
			     const struct rw_core_event *event, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, exposure->host);
	bool reboot = event->kind == RW_CORE_KIND_UNEXPECTED_REBOOT;

	rw_exposure_uncount(exposure, host);
	bool changed = take_crash(exposure, host);
	rw_exposure_count(exposure, host);
	if (changed)
		rw_tell_exposure(core, exposure, now);
	add_event_evidence(core, exposure, event, now);

	if (reboot && rw_history_is_boot_loop(core, exposure))
		rw_breaker_prove(core, exposure->run, RW_PROOF_BOOT_LOOP, now);
	/* How a boot ended is told in words that many deaths share. */
	if (!reboot && event->signature[0] != '\0' &&
	    rw_history_shares(core, exposure->run->deployment, event->signature, exposure->host,
			      now))
		rw_breaker_prove(core, exposure->run, RW_PROOF_SIGNATURE, now);
	rw_breaker_judge(core, exposure->run, now);
}

void rw_exposure_event(struct rw_core *core, struct rw_exposure *exposure,
		       const struct rw_core_event *event, const struct rw_module_mark *first,
		       struct rw_now now)
{
	if (rw_table_at(&core->table, exposure->host)->excluded)
		return;
	if (first != NULL)
		take_module_failure(core, exposure, event, first, now);
	if (is_crash_kind(core, exposure, event->kind) && event_counts(exposure, event))
		take_crash_event(core, exposure, event, now);
}
