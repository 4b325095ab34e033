/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of the past, to tell a new failure from an old one.
 *
 * Of a host that has been through something (its *trouble*): its last crashes, one
 * a boot; the module failures that it has shown; maintenance. Two crashes within
 * RW_LOOP_MS make it *looping*, until RW_LOOP_MS have passed since the last: a host
 * that comes back only to die again covers nothing.
 *
 * Of the fleet: each crash signature, with its present *streak*, that is the time
 * since when no gap between two sightings was longer than a week. So "was it seen in
 * the week before T?" is answered for every T at or after the streak's beginning, and
 * for those before it by when the streak before ended.
 *
 * Of a deployment: the signatures that were new when its hosts showed them, meaning
 * seen by no host in the week before its first exposure, and by no host of control
 * since. The second host that shows one proves more than a limit: see breaker.c.
 *
 * A week is one of the collector's wall clock: it has to outlive restarts.
 *
 * Limits: RW_CORE_SIGNATURES_MAX of the fleet, RW_CORE_SIGHTINGS_MAX of a deployment,
 * RW_CORE_MODULE_FAILURES_KEPT of a host; what would be one more of the latter two is
 * taken as known already.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/internal.h"

uint64_t rw_hash_text(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

/* ---- troubles ------------------------------------------------------------------ */

struct rw_trouble *rw_trouble_at(const struct rw_core *core, uint32_t number)
{
	if (number == 0 || number > core->trouble_count)
		return NULL;
	return &core->troubles[(number - 1) / RW_TROUBLE_CHUNK][(number - 1) % RW_TROUBLE_CHUNK];
}

static int grow_troubles(struct rw_core *core)
{
	if (core->trouble_count < core->trouble_chunk_count * RW_TROUBLE_CHUNK)
		return 0;

	struct rw_trouble **chunks =
		realloc(core->troubles, (core->trouble_chunk_count + 1) * sizeof(void *));

	if (chunks == NULL)
		return -ENOMEM;
	core->troubles = chunks;
	chunks[core->trouble_chunk_count] = calloc(RW_TROUBLE_CHUNK, sizeof(**chunks));
	if (chunks[core->trouble_chunk_count] == NULL)
		return -ENOMEM;
	core->trouble_chunk_count++;
	return 0;
}

struct rw_trouble *rw_trouble_of(struct rw_core *core, rw_host_handle handle)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	if (host->trouble == 0) {
		if (grow_troubles(core) != 0)
			return NULL;
		core->trouble_count++;
		host->trouble = core->trouble_count;
		rw_trouble_at(core, host->trouble)->host = handle;
	}
	return rw_trouble_at(core, host->trouble);
}

void rw_history_free(struct rw_core *core)
{
	for (uint32_t i = 0; i < core->trouble_chunk_count; i++)
		free(core->troubles[i]);
	free(core->troubles);
	free(core->signatures);
}

/* ---- loops ------------------------------------------------------------------------ */

static void loop_unlink(struct rw_core *core, struct rw_trouble *trouble)
{
	if (trouble->loop_prev == 0)
		core->loop_head = trouble->loop_next;
	else
		rw_trouble_at(core, trouble->loop_prev)->loop_next = trouble->loop_next;
	if (trouble->loop_next == 0)
		core->loop_tail = trouble->loop_prev;
	else
		rw_trouble_at(core, trouble->loop_next)->loop_prev = trouble->loop_prev;
}

/* All loops last equally long, so the list is in the order of their ends. */
static void loop_append(struct rw_core *core, uint32_t number)
{
	struct rw_trouble *trouble = rw_trouble_at(core, number);

	trouble->loop_next = 0;
	trouble->loop_prev = core->loop_tail;
	if (core->loop_tail == 0)
		core->loop_head = number;
	else
		rw_trouble_at(core, core->loop_tail)->loop_next = number;
	core->loop_tail = number;
}

static void set_looping(struct rw_host *host, bool looping)
{
	rw_exposure_uncount_all(host);
	host->looping = looping;
	rw_exposure_count_all(host);
}

static void begin_loop(struct rw_core *core, struct rw_host *host)
{
	struct rw_trouble *trouble = rw_trouble_at(core, host->trouble);

	if (host->looping)
		loop_unlink(core, trouble);
	else
		set_looping(host, true);
	trouble->loop_end_obs_ms = core->obs_ms + RW_LOOP_MS;
	loop_append(core, host->trouble);
}

static bool is_loop(const struct rw_trouble *trouble)
{
	const struct rw_crash_mark *last = trouble->crashes;

	return last[0].wall_ms != 0 && last[1].wall_ms != 0 &&
	       last[0].wall_ms - last[1].wall_ms <= RW_LOOP_MS;
}

void rw_history_tick(struct rw_core *core)
{
	while (core->loop_head != 0) {
		struct rw_trouble *trouble = rw_trouble_at(core, core->loop_head);

		if (trouble->loop_end_obs_ms > core->obs_ms)
			return;
		loop_unlink(core, trouble);
		set_looping(rw_table_at(&core->table, trouble->host), false);
	}
}

void rw_history_restored(struct rw_core *core, struct rw_trouble *trouble, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, trouble->host);
	uint64_t last_wall_ms = trouble->crashes[0].wall_ms;
	uint64_t passed_ms = now.wall_ms > last_wall_ms ? now.wall_ms - last_wall_ms : 0;

	/* All end together, later than they would have: a list needs no sorting then. */
	if (is_loop(trouble) && passed_ms < RW_LOOP_MS)
		begin_loop(core, host);
}

/* ---- crashes ------------------------------------------------------------------------- */

/* The end of that boot tells that the host rebooted before the exposure as it does since. */
static bool is_of_before(const struct rw_exposure *exposure, const struct rw_crash_mark *mark)
{
	return mark->wall_ms != 0 && mark->unexpected &&
	       !rw_exposure_boot_end_counts(exposure, mark->boot_order) &&
	       mark->wall_ms + RW_WEEK_MS >= exposure->at_wall_ms;
}

/* The oldest mark; or the one before it, when it alone tells what a host did before. */
static size_t crash_to_forget(const struct rw_core *core, const struct rw_trouble *trouble)
{
	const struct rw_crash_mark *oldest = &trouble->crashes[RW_CORE_CRASHES_KEPT - 1];
	const struct rw_host *host = rw_table_at(&core->table, trouble->host);

	for (const struct rw_exposure *e = host->exposures; e != NULL; e = e->next) {
		bool told = false;

		for (size_t i = 0; i < RW_CORE_CRASHES_KEPT - 1; i++)
			told = told || is_of_before(e, &trouble->crashes[i]);
		if (!told && is_of_before(e, oldest))
			return RW_CORE_CRASHES_KEPT - 2;
	}
	return RW_CORE_CRASHES_KEPT - 1;
}

bool rw_history_crash(struct rw_core *core, rw_host_handle handle, uint64_t boot_order,
		      bool unexpected, struct rw_now now)
{
	struct rw_trouble *trouble = rw_trouble_of(core, handle);

	if (trouble == NULL)
		return false;
	for (size_t i = 0; i < RW_CORE_CRASHES_KEPT; i++) {
		struct rw_crash_mark *mark = &trouble->crashes[i];

		if (mark->wall_ms == 0 || mark->boot_order != boot_order)
			continue;
		if (unexpected && !mark->unexpected) {
			mark->unexpected = true;
			rw_tell_trouble(core, trouble, now);
		}
		return false;
	}
	memmove(&trouble->crashes[1], &trouble->crashes[0],
		crash_to_forget(core, trouble) * sizeof(trouble->crashes[0]));
	/* 0 stands for no mark. */
	trouble->crashes[0] =
		(struct rw_crash_mark){boot_order, now.wall_ms > 0 ? now.wall_ms : 1, unexpected};
	if (is_loop(trouble))
		begin_loop(core, rw_table_at(&core->table, handle));
	rw_tell_trouble(core, trouble, now);
	return true;
}

bool rw_history_is_boot_loop(const struct rw_core *core, const struct rw_exposure *exposure)
{
	const struct rw_host *host = rw_table_at(&core->table, exposure->host);
	const struct rw_trouble *trouble = rw_trouble_at(core, host->trouble);
	uint64_t newest_wall_ms = 0;
	uint32_t since = 0;

	if (trouble == NULL)
		return false;
	for (size_t i = 0; i < RW_CORE_CRASHES_KEPT; i++) {
		const struct rw_crash_mark *mark = &trouble->crashes[i];

		if (mark->wall_ms == 0 || !mark->unexpected)
			continue;
		if (is_of_before(exposure, mark))
			return false;
		if (!rw_exposure_boot_end_counts(exposure, mark->boot_order))
			continue;
		newest_wall_ms = newest_wall_ms == 0 ? mark->wall_ms : newest_wall_ms;
		since += newest_wall_ms - mark->wall_ms <= RW_LOOP_MS;
	}
	return since >= 3;
}

/* ---- maintenance ------------------------------------------------------------------------ */

bool rw_history_excuses(struct rw_core *core, const struct rw_host *host, uint64_t boot_order,
			struct rw_now now)
{
	struct rw_trouble *trouble = rw_trouble_at(core, host->trouble);

	/* Last heard before maintenance was over. After a restart of the collector that time
	 * may be an old one: so it must also be back soon after. */
	if (trouble == NULL || trouble->maintenance_until_wall_ms < host->heard_wall_ms ||
	    now.wall_ms > trouble->maintenance_until_wall_ms + core->policy.timing.max_planned_ms)
		return false;
	trouble->excused_boot_order = boot_order;
	rw_tell_trouble(core, trouble, now);
	return true;
}

bool rw_history_is_excused(const struct rw_core *core, const struct rw_host *host,
			   uint64_t boot_order)
{
	const struct rw_trouble *trouble = rw_trouble_at(core, host->trouble);

	return trouble != NULL && trouble->excused_boot_order == boot_order && boot_order != 0;
}

/* ---- module failures --------------------------------------------------------------------- */

static bool is_failure(const struct rw_core_event *event)
{
	return event->kind == RW_CORE_KIND_MODULE_LOAD_FAILED && event->module != NULL &&
	       event->module[0] != '\0' && event->error != -EEXIST && event->error != -EBUSY &&
	       event->error != -ENODEV;
}

const struct rw_module_mark *rw_history_module(struct rw_core *core, rw_host_handle handle,
					       const struct rw_core_event *event, struct rw_now now)
{
	if (!is_failure(event))
		return NULL;

	struct rw_trouble *trouble = rw_trouble_of(core, handle);
	uint64_t pair = (rw_hash_text(event->module) + (uint64_t)(unsigned)-event->error) | 1;

	for (size_t i = 0; trouble != NULL && i < RW_CORE_MODULE_FAILURES_KEPT; i++) {
		struct rw_module_mark *mark = &trouble->modules[i];

		if (mark->pair == pair)
			return mark;
		if (mark->pair != 0)
			continue;
		*mark = (struct rw_module_mark){pair, event->boot_order, event->boot_ms};
		rw_tell_trouble(core, trouble, now);
		return mark;
	}
	return NULL;
}

/* ---- signatures of the fleet ---------------------------------------------------------------- */

static struct rw_signature *find_signature(const struct rw_core *core, uint64_t hash)
{
	for (uint32_t i = 0; i < core->signature_count; i++) {
		if (core->signatures[i].hash == hash)
			return &core->signatures[i];
	}
	return NULL;
}

/* The place of the one that was not seen for longest. */
static struct rw_signature *oldest_signature(const struct rw_core *core)
{
	struct rw_signature *oldest = &core->signatures[0];

	for (uint32_t i = 1; i < core->signature_count; i++) {
		if (core->signatures[i].row.last_wall_ms < oldest->row.last_wall_ms)
			oldest = &core->signatures[i];
	}
	return oldest;
}

struct rw_signature *rw_history_signature_place(struct rw_core *core, const char *text,
						struct rw_now now)
{
	uint64_t hash = rw_hash_text(text);
	struct rw_signature *place = find_signature(core, hash);

	if (place != NULL)
		return place;
	if (core->signature_count == RW_CORE_SIGNATURES_MAX) {
		place = oldest_signature(core);
		rw_tell_signature(core, place, true, now);
	} else if (core->signature_count == core->signature_room) {
		uint32_t room = core->signature_room == 0 ? 16 : core->signature_room * 2;
		struct rw_signature *more = realloc(core->signatures, room * sizeof(*more));

		if (more == NULL)
			return NULL;
		core->signatures = more;
		core->signature_room = room;
	}
	if (place == NULL)
		place = &core->signatures[core->signature_count++];
	*place = (struct rw_signature){.hash = hash};
	rw_copy_text(place->row.text, sizeof(place->row.text), text);
	return place;
}

void rw_history_signature_remove(struct rw_core *core, const char *text)
{
	struct rw_signature *place = find_signature(core, rw_hash_text(text));

	if (place == NULL)
		return;
	core->signature_count--;
	*place = core->signatures[core->signature_count];
}

void rw_history_signature(struct rw_core *core, const struct rw_host *host, const char *text,
			  struct rw_now now)
{
	struct rw_signature *seen = rw_history_signature_place(core, text, now);

	if (seen == NULL)
		return;
	bool goes_on =
		seen->row.last_wall_ms != 0 && seen->row.last_wall_ms + RW_WEEK_MS >= now.wall_ms;

	bool is_control = host->exposure_count == 0;

	/* Each hour is soon enough: a week is all that is asked for. */
	if (goes_on && seen->row.last_wall_ms + RW_HOUR_MS > now.wall_ms &&
	    (!is_control || seen->row.control_wall_ms + RW_HOUR_MS > now.wall_ms))
		return;
	if (!goes_on) {
		seen->row.before_wall_ms = seen->row.last_wall_ms;
		seen->row.since_wall_ms = now.wall_ms;
	}
	if (now.wall_ms > seen->row.last_wall_ms)
		seen->row.last_wall_ms = now.wall_ms;
	if (is_control)
		seen->row.control_wall_ms = seen->row.last_wall_ms;
	rw_tell_signature(core, seen, false, now);
}

/* ---- signatures of a deployment ----------------------------------------------------------------
 */

static uint64_t first_exposure_wall_ms(const struct rw_deployment *deployment)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < deployment->row.ring_count; i++) {
		if (deployment->runs[i].first_wall_ms != 0 &&
		    deployment->runs[i].first_wall_ms < first)
			first = deployment->runs[i].first_wall_ms;
	}
	return first;
}

static bool is_new(const struct rw_core *core, const struct rw_deployment *deployment,
		   const char *text)
{
	const struct rw_signature *seen = find_signature(core, rw_hash_text(text));
	uint64_t first = first_exposure_wall_ms(deployment);

	return seen != NULL && seen->row.since_wall_ms >= first &&
	       (seen->row.before_wall_ms == 0 || seen->row.before_wall_ms + RW_WEEK_MS < first) &&
	       seen->row.control_wall_ms < first;
}

struct rw_sighting *rw_history_sighting(struct rw_deployment *deployment, const char *text)
{
	uint64_t hash = rw_hash_text(text);

	for (uint32_t i = 0; i < deployment->sighting_count; i++) {
		if (deployment->sightings[i].hash == hash)
			return &deployment->sightings[i];
	}
	return NULL;
}

struct rw_sighting *rw_history_sighting_add(struct rw_deployment *deployment, const char *text,
					    rw_host_handle handle)
{
	if (deployment->sighting_count == RW_CORE_SIGHTINGS_MAX)
		return NULL;

	struct rw_sighting *more =
		realloc(deployment->sightings, (deployment->sighting_count + 1) * sizeof(*more));

	if (more == NULL)
		return NULL;
	deployment->sightings = more;

	struct rw_sighting *sighting = &more[deployment->sighting_count++];

	*sighting = (struct rw_sighting){.hash = rw_hash_text(text), .host = handle};
	rw_copy_text(sighting->text, sizeof(sighting->text), text);
	return sighting;
}

bool rw_history_shares(struct rw_core *core, struct rw_deployment *deployment, const char *text,
		       rw_host_handle handle, struct rw_now now)
{
	struct rw_sighting *sighting = rw_history_sighting(deployment, text);

	if (!is_new(core, deployment, text))
		return false;
	if (sighting == NULL) {
		sighting = rw_history_sighting_add(deployment, text, handle);
		if (sighting != NULL)
			rw_tell_sighting(core, deployment, sighting, now);
		return false;
	}
	if (sighting->shared || sighting->host == handle)
		return false;
	sighting->shared = true;
	rw_tell_sighting(core, deployment, sighting, now);
	return true;
}
