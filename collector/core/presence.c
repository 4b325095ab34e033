/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Presence as a state machine, and its deadlines.
 *
 *   any              hello, heartbeat                    → online
 *   online           nothing heard for suspect_after     → suspect, and probed
 *   online, planned  verified last gasp                  → suspect, gasping
 *   suspect          any authenticated byte              → online
 *   suspect          nothing heard for offline_after     → offline
 *   suspect          gasping, and nothing heard for 5 s  → offline
 *   any heard        goodbye with a duration             → planned
 *   planned          overdue                             → offline
 *   planned          power-off, power_off_grace is over  → absent
 *   unknown          one offline_after of listening      → offline
 *
 * The timeouts of online and suspect are the same for all hosts, so a list in
 * the order of last hearing is also in the order of deadlines: a heartbeat
 * moves its host to the tail, and a tick looks at heads. Gasping hosts all have
 * the same time from their gasp on, and so a list of their own. Planned hosts
 * have deadlines of their own and stand in a heap.
 *
 * Cost: a heartbeat O(1); a tick O(hosts that gasp or whose deadline has come),
 * times the logarithm of the planned hosts for those.
 */
#include <errno.h>
#include <stdlib.h>

#include "collector/core/internal.h"

void rw_presence_init(struct rw_core *core)
{
	for (int presence = 0; presence < RW_PRESENCE_COUNT; presence++)
		core->lists[presence] = (struct rw_host_list){RW_NO_HOST, RW_NO_HOST};
	core->gasping = (struct rw_host_list){RW_NO_HOST, RW_NO_HOST};
}

/* ---- lists -------------------------------------------------------------------- */

static void list_append(struct rw_core *core, struct rw_host_list *list, rw_host_handle handle)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	host->next = RW_NO_HOST;
	host->prev = list->tail;
	if (list->tail == RW_NO_HOST)
		list->head = handle;
	else
		rw_table_at(&core->table, list->tail)->next = handle;
	list->tail = handle;
}

static void list_remove(struct rw_core *core, struct rw_host_list *list, rw_host_handle handle)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	if (host->prev == RW_NO_HOST)
		list->head = host->next;
	else
		rw_table_at(&core->table, host->prev)->next = host->next;
	if (host->next == RW_NO_HOST)
		list->tail = host->prev;
	else
		rw_table_at(&core->table, host->next)->prev = host->prev;
}

/* ---- the heap of planned hosts ------------------------------------------------------ */

static uint64_t due_obs_ms(const struct rw_core *core, uint32_t position)
{
	return rw_table_at(&core->table, core->heap[position])->mark_obs_ms;
}

static void heap_place(struct rw_core *core, uint32_t position, rw_host_handle handle)
{
	core->heap[position] = handle;
	rw_table_at(&core->table, handle)->prev = position;
}

static void heap_swap(struct rw_core *core, uint32_t a, uint32_t b)
{
	rw_host_handle handle = core->heap[a];

	heap_place(core, a, core->heap[b]);
	heap_place(core, b, handle);
}

static void heap_rise(struct rw_core *core, uint32_t at)
{
	while (at > 0 && due_obs_ms(core, at) < due_obs_ms(core, (at - 1) / 2)) {
		heap_swap(core, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void heap_sink(struct rw_core *core, uint32_t at)
{
	for (;;) {
		uint32_t least = at;

		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < core->heap_count &&
			    due_obs_ms(core, child) < due_obs_ms(core, least))
				least = child;
		}
		if (least == at)
			return;
		heap_swap(core, at, least);
		at = least;
	}
}

static void heap_add(struct rw_core *core, rw_host_handle handle)
{
	heap_place(core, core->heap_count, handle);
	core->heap_count++;
	heap_rise(core, core->heap_count - 1);
}

static void heap_remove(struct rw_core *core, rw_host_handle handle)
{
	uint32_t at = rw_table_at(&core->table, handle)->prev;

	core->heap_count--;
	if (at == core->heap_count)
		return;
	heap_place(core, at, core->heap[core->heap_count]);
	heap_rise(core, at);
	heap_sink(core, at);
}

/* Room for every host, so that a goodbye never allocates. */
static int heap_reserve(struct rw_core *core, uint32_t hosts)
{
	if (hosts <= core->heap_room)
		return 0;

	uint32_t room = core->heap_room == 0 ? 64 : core->heap_room * 2;
	uint32_t *heap = realloc(core->heap, room * sizeof(*heap));

	if (heap == NULL)
		return -ENOMEM;
	core->heap = heap;
	core->heap_room = room;
	return 0;
}

/* ---- transitions ------------------------------------------------------------------ */

/* Of any presence but PLANNED. */
static struct rw_host_list *list_of(struct rw_core *core, const struct rw_host *host)
{
	return host->gasping ? &core->gasping : &core->lists[host->presence];
}

static void leave(struct rw_core *core, struct rw_host *host, rw_host_handle handle)
{
	if (host->presence == RW_PLANNED)
		heap_remove(core, handle);
	else
		list_remove(core, list_of(core, host), handle);
	core->rings[host->ring].presence[host->presence]--;
}

static void join(struct rw_core *core, struct rw_host *host, rw_host_handle handle)
{
	if (host->presence == RW_PLANNED)
		heap_add(core, handle);
	else
		list_append(core, list_of(core, host), handle);
	core->rings[host->ring].presence[host->presence]++;
}

int rw_presence_enrol(struct rw_core *core, const char *id, uint32_t ring, rw_host_handle *out)
{
	if (heap_reserve(core, core->table.count + 1) != 0)
		return -ENOMEM;

	int status = rw_table_add(&core->table, id, out);

	if (status != 0)
		return status;

	struct rw_host *host = rw_table_at(&core->table, *out);

	host->ring = (uint8_t)ring;
	host->presence = RW_UNKNOWN;
	core->rings[ring].enrolled++;
	join(core, host, *out);
	return 0;
}

void rw_presence_move(struct rw_core *core, struct rw_host *host, uint32_t ring)
{
	core->rings[host->ring].enrolled--;
	core->rings[host->ring].presence[host->presence]--;
	host->ring = (uint8_t)ring;
	core->rings[ring].enrolled++;
	core->rings[ring].presence[host->presence]++;
}

static void enter(struct rw_core *core, rw_host_handle handle, enum rw_presence to, bool gasping,
		  struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_uncount(e, host);
	leave(core, host, handle);
	host->presence = (uint8_t)to;
	host->gasping = gasping;
	join(core, host, handle);
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_count(e, host);

	host->since_wall_ms = now.wall_ms;
	if (to != RW_PLANNED)
		host->back_by_wall_ms = 0;
}

void rw_presence_enter(struct rw_core *core, rw_host_handle handle, enum rw_presence to,
		       struct rw_now now)
{
	enter(core, handle, to, false, now);
}

bool rw_presence_hear(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	host->heard_wall_ms = now.wall_ms;
	host->mark_obs_ms = core->obs_ms;
	if (host->presence != RW_ONLINE) {
		rw_presence_enter(core, handle, RW_ONLINE, now);
		return true;
	}
	if (core->lists[RW_ONLINE].tail != handle) {
		list_remove(core, &core->lists[RW_ONLINE], handle);
		list_append(core, &core->lists[RW_ONLINE], handle);
	}
	return false;
}

/* ---- deadlines ---------------------------------------------------------------------- */

static void change(struct rw_core *core, rw_host_handle handle, enum rw_presence to,
		   struct rw_now now)
{
	enum rw_presence from = rw_table_at(&core->table, handle)->presence;

	rw_presence_enter(core, handle, to, now);
	rw_tell_host(core, handle, from, now);
}

static void go_offline(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	change(core, handle, RW_OFFLINE, now);
	for (struct rw_exposure *e = rw_table_at(&core->table, handle)->exposures; e != NULL;
	     e = e->next)
		rw_exposure_went_offline(core, e, now);
}

/* The head of a list when it was last heard `after_ms` ago or longer. */
static rw_host_handle late_head(const struct rw_core *core, enum rw_presence presence,
				uint64_t after_ms)
{
	rw_host_handle head = core->lists[presence].head;

	if (head == RW_NO_HOST ||
	    core->obs_ms - rw_table_at(&core->table, head)->mark_obs_ms < after_ms)
		return RW_NO_HOST;
	return head;
}

/* ---- last gasps ----------------------------------------------------------------------- */

/* Sends the next probe if its time has come. */
static void probe_gasping(struct rw_core *core, struct rw_host *host, rw_host_handle handle)
{
	uint64_t begun_obs_ms = host->gasp_due_obs_ms - RW_CORE_GASP_MS;
	uint64_t passed_ms = core->obs_ms - begun_obs_ms;

	if (host->gasp_probes >= RW_CORE_GASP_PROBES ||
	    passed_ms * RW_CORE_GASP_PROBES < (uint64_t)host->gasp_probes * RW_CORE_GASP_MS)
		return;
	host->gasp_probes++;
	if (core->sink.probe != NULL)
		core->sink.probe(core->sink.context, handle);
}

/* From the list of the late to that of the gasping; its presence is the same. */
static void hurry(struct rw_core *core, struct rw_host *host, rw_host_handle handle)
{
	list_remove(core, &core->lists[RW_SUSPECT], handle);
	host->gasping = true;
	list_append(core, &core->gasping, handle);
}

bool rw_core_gasp(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_core_advance(core, now);
	/* One whose time is over while no tick has come yet gasps still. */
	if (host == NULL || host->gasping || host->gasp_due_obs_ms > core->obs_ms)
		return false;
	enum rw_presence from = host->presence;
	uint64_t due_obs_ms = core->obs_ms + RW_CORE_GASP_MS;

	if (from == RW_SUSPECT) {
		if (host->mark_obs_ms + core->policy.timing.offline_after_ms <= due_obs_ms)
			return false; /* it has less time than that */
		hurry(core, host, handle);
	} else if (from == RW_ONLINE || from == RW_PLANNED) {
		if (from == RW_PLANNED)
			host->mark_obs_ms = core->obs_ms; /* was a time to come */
		enter(core, handle, RW_SUSPECT, true, now);
		rw_tell_host(core, handle, from, now);
	} else {
		return false;
	}
	host->gasp_due_obs_ms = due_obs_ms;
	host->gasp_probes = 0;
	probe_gasping(core, host, handle);
	return true;
}

static void tick_gasping(struct rw_core *core, struct rw_now now)
{
	rw_host_handle next;

	for (rw_host_handle at = core->gasping.head; at != RW_NO_HOST; at = next) {
		struct rw_host *host = rw_table_at(&core->table, at);

		next = host->next;
		if (host->gasp_due_obs_ms <= core->obs_ms)
			go_offline(core, at, now);
		else
			probe_gasping(core, host, at);
	}
}

static void tick_planned(struct rw_core *core, struct rw_now now)
{
	while (core->heap_count > 0 && due_obs_ms(core, 0) <= core->obs_ms) {
		rw_host_handle handle = core->heap[0];

		if (rw_table_at(&core->table, handle)->goodbye == RW_BYE_POWER_OFF)
			change(core, handle, RW_ABSENT, now);
		else
			go_offline(core, handle, now);
	}
}

void rw_presence_tick(struct rw_core *core, struct rw_now now)
{
	const struct rw_timing *timing = &core->policy.timing;
	rw_host_handle handle;

	/* All that are late turn suspect before the first of them turns offline. */
	while ((handle = late_head(core, RW_ONLINE, timing->suspect_after_ms)) != RW_NO_HOST) {
		change(core, handle, RW_SUSPECT, now);
		if (core->sink.probe != NULL)
			core->sink.probe(core->sink.context, handle);
	}
	while ((handle = late_head(core, RW_SUSPECT, timing->offline_after_ms)) != RW_NO_HOST)
		go_offline(core, handle, now);
	tick_gasping(core, now);
	tick_planned(core, now);

	if (core->obs_ms - core->listen_obs_ms < timing->offline_after_ms)
		return;
	while (core->lists[RW_UNKNOWN].head != RW_NO_HOST)
		go_offline(core, core->lists[RW_UNKNOWN].head, now);
}
