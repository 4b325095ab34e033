/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts send: hello, bytes, heartbeats, goodbyes, events.
 *
 * A heartbeat of a host that is online and was heard before by all its
 * deployments touches that host's record and two neighbours in the list, and
 * nothing else.
 */
#include <errno.h>
#include <string.h>

#include "collector/core/internal.h"

/* Its exposures learn that it lives; told and judged there. */
static void tell_exposures_heard(struct rw_core *core, struct rw_host *host, bool was_offline,
				 struct rw_now now)
{
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_heard(core, e, was_offline, now);
}

static void heard(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);
	enum rw_presence from = host->presence;

	if (rw_presence_hear(core, handle, now)) {
		rw_tell_host(core, handle, from, now);
		if (from == RW_OFFLINE)
			rw_control_is_back(core, handle, now);
	}
	if (host->unheard_count > 0 || (from != RW_ONLINE && from != RW_SUSPECT))
		tell_exposures_heard(core, host, from == RW_OFFLINE, now);
}

void rw_core_heard(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_core_advance(core, now);
	/* The tail of a session that said goodbye is no sign that it came back; nor is
	 * that of one that was ended because the host was retired. */
	if (host == NULL || host->presence == RW_PLANNED || host->presence == RW_ABSENT ||
	    host->presence == RW_RETIRED)
		return;
	heard(core, handle, now);
}

static void set_clock(struct rw_host *host, uint64_t boot_ms, struct rw_now now)
{
	host->clock_offset = boot_ms - now.boot_ms;
	host->clock_known = true;
}

void rw_core_heartbeat(struct rw_core *core, rw_host_handle handle, uint64_t boot_ms,
		       struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_core_advance(core, now);
	if (host == NULL || host->presence == RW_RETIRED)
		return;
	set_clock(host, boot_ms, now);
	heard(core, handle, now);
}

/* ---- crashes, of a host as such ------------------------------------------------ */

static bool counts_in_its_ring(const struct rw_core *core, const struct rw_host *host,
			       uint32_t kind)
{
	return kind < 32 &&
	       (core->policy.rings[host->ring].crash_kinds & (UINT32_C(1) << kind)) != 0;
}

/* A boot of it crashed, or ended unexpectedly: its trouble learns it, and control. */
static void crashed(struct rw_core *core, rw_host_handle handle, uint32_t kind, uint64_t boot_order,
		    struct rw_now now)
{
	bool unexpected = kind == RW_CORE_KIND_UNEXPECTED_REBOOT;

	if (!counts_in_its_ring(core, rw_table_at(&core->table, handle), kind))
		return;
	if (rw_history_crash(core, handle, boot_order, unexpected, now))
		rw_control_crashed(core, handle, now);
}

/* Told with the host's row, when that is told; not kept over a restart. */
static bool set_duplicate(struct rw_core *core, struct rw_host *host, bool duplicate)
{
	if (host->duplicate == duplicate)
		return false;
	rw_exposure_uncount_all(host);
	rw_presence_uncount(core, host);
	host->duplicate = duplicate;
	rw_presence_count(core, host);
	rw_exposure_count_all(host);
	return true;
}

void rw_core_duplicate(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_core_advance(core, now);
	if (host != NULL)
		set_duplicate(core, host, true);
}

/* ---- hello ------------------------------------------------------------------ */

/* Whether a boot that ended as the host says, after that presence, had died. */
static bool boot_died(enum rw_boot_end end, enum rw_presence presence)
{
	switch (end) {
	case RW_END_ORDERLY:
		return false;
	case RW_END_UNEXPECTED:
		return true;
	case RW_END_NONE: /* the sensor's memory is gone; the host had not said goodbye */
		return presence != RW_PLANNED && presence != RW_ABSENT;
	case RW_END_UNKNOWN: /* nobody watched the end of it */
		return presence == RW_OFFLINE;
	}
	return true;
}

/* The host's record takes what Hello says; whether a row of it changed. */
static bool take_boot(struct rw_host *host, const struct rw_boot *boot, struct rw_now now)
{
	bool changed = memcmp(host->boot_id, boot->id, sizeof(boot->id)) != 0 ||
		       host->boot_order != boot->order;

	memcpy(host->boot_id, boot->id, sizeof(boot->id));
	host->boot_order = boot->order;
	set_clock(host, boot->boot_ms, now);
	return changed;
}

static int find_or_enrol(struct rw_core *core, const char *host_id, uint32_t ring,
			 rw_host_handle *out, bool *is_new)
{
	size_t length = strnlen(host_id, RW_CORE_NAME_BYTES);

	if (length == 0 || length == RW_CORE_NAME_BYTES)
		return -EINVAL;
	*out = rw_table_find(&core->table, host_id);
	*is_new = *out == RW_NO_HOST;
	return *is_new ? rw_presence_enrol(core, host_id, ring, out) : 0;
}

int rw_core_hello(struct rw_core *core, const char *host_id, const char *ring,
		  const struct rw_boot *boot, enum rw_boot_end previous_end, struct rw_now now,
		  rw_host_handle *out)
{
	rw_host_handle handle;
	bool is_new;

	rw_core_advance(core, now);
	int ring_index = rw_core_ring_find(core, ring);
	if (ring_index < 0)
		return -ENOENT;
	int status = find_or_enrol(core, host_id, (uint32_t)ring_index, &handle, &is_new);
	if (status != 0)
		return status;

	struct rw_host *host = rw_table_at(&core->table, handle);
	*out = handle;
	if (host->presence == RW_RETIRED && !host->by_age)
		return -EPERM;
	if (host->presence == RW_RETIRED)
		rw_presence_unretire(core, handle, now);
	enum rw_presence from = host->presence;
	bool new_boot = !is_new && memcmp(host->boot_id, boot->id, sizeof(boot->id)) != 0;
	uint64_t old_order = host->boot_order;
	struct rw_boot_change change = {
		.is_new = new_boot,
		.died = new_boot && boot_died(previous_end, from) &&
			!rw_history_excuses(core, host, old_order, now),
		.unwatched = new_boot && previous_end == RW_END_UNKNOWN,
		.old_order = old_order,
		.was_offline = from == RW_OFFLINE,
		.boot = boot,
	};
	bool tell = take_boot(host, boot, now) || is_new;

	if (host->ring != ring_index) {
		rw_presence_move(core, host, (uint32_t)ring_index);
		tell = true;
	}
	if (is_new)
		rw_presence_newcomer(core, (uint32_t)ring_index);
	tell = set_duplicate(core, host, false) || tell;
	tell = rw_presence_hear(core, handle, now) || tell;
	if (tell)
		rw_tell_host(core, handle, from, now);
	if (change.died)
		crashed(core, handle, RW_CORE_KIND_UNEXPECTED_REBOOT, old_order, now);
	if (from == RW_OFFLINE)
		rw_control_is_back(core, handle, now);
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_hello(core, e, &change, now);
	return 0;
}

/* ---- goodbye ------------------------------------------------------------------- */

/* How long a goodbye excuses silence: never shorter than silence alone would
 * be let pass; a host that is switched off is not expected at any time. */
static uint64_t excused_ms(const struct rw_timing *timing, enum rw_goodbye kind,
			   uint64_t back_in_ms)
{
	if (kind == RW_BYE_POWER_OFF)
		return timing->power_off_grace_ms;
	if (back_in_ms > timing->max_planned_ms)
		back_in_ms = timing->max_planned_ms;
	return back_in_ms > timing->offline_after_ms ? back_in_ms : timing->offline_after_ms;
}

void rw_core_goodbye(struct rw_core *core, rw_host_handle handle, enum rw_goodbye kind,
		     uint64_t back_in_ms, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_core_advance(core, now);
	if (host == NULL || host->presence == RW_RETIRED)
		return;
	/* Only a host that is there can leave; it has just shown that it is. */
	if (host->presence != RW_ONLINE || host->unheard_count > 0)
		heard(core, handle, now);

	uint64_t excused = excused_ms(&core->policy.timing, kind, back_in_ms);

	host->goodbye = (unsigned)kind & 15u;
	host->heard_wall_ms = now.wall_ms;
	host->mark_obs_ms = core->obs_ms + excused;
	rw_presence_enter(core, handle, RW_PLANNED, now);
	rw_tell_host(core, handle, RW_ONLINE, now);
}

/* ---- what it cannot see ---------------------------------------------------------- */

void rw_core_set_blind_kinds(struct rw_core *core, rw_host_handle handle, uint32_t kinds)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	if (host == NULL)
		return;
	rw_exposure_uncount_all(host);
	host->blind_kinds = kinds;
	rw_exposure_count_all(host);
}

/* ---- events --------------------------------------------------------------------- */

void rw_core_event(struct rw_core *core, rw_host_handle handle, const struct rw_core_event *event,
		   struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_core_heard(core, handle, now);
	if (host == NULL)
		return;
	/* How the boot ended was told before, and maintenance excused it. */
	if (event->kind == RW_CORE_KIND_UNEXPECTED_REBOOT &&
	    rw_history_is_excused(core, host, event->boot_order))
		return;

	const struct rw_module_mark *first = rw_history_module(core, handle, event, now);

	crashed(core, handle, event->kind, event->boot_order, now);
	if (counts_in_its_ring(core, host, event->kind) && event->signature[0] != '\0' &&
	    event->kind != RW_CORE_KIND_UNEXPECTED_REBOOT)
		rw_history_signature(core, host, event->signature, now);
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_event(core, e, event, first, now);
}
