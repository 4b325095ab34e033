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
 *   any              an operator's word                  → retired, until taken back
 *   offline, absent  retire_after, and exposed to nothing → retired, until its next Hello
 *
 * In maintenance what would be offline is planned until maintenance is over. Nobody is
 * let go offline while silence.c says to wait.
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
	core->lost = (struct rw_host_list){RW_NO_HOST, RW_NO_HOST};
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
	if (host->gasping)
		return &core->gasping;
	return host->lost ? &core->lost : &core->lists[host->presence];
}

/* ---- counts of the ring, and of control -------------------------------------------- */

/* Each count takes `by`, 1 or -1, modulo 2^64. */
static void count_by(struct rw_core *core, const struct rw_host *host, uint64_t by)
{
	struct rw_ring *ring = &core->rings[host->ring];
	struct rw_control *control = &core->control;
	bool enrolled = host->presence != RW_RETIRED;

	ring->presence[host->presence] += by;
	ring->enrolled += enrolled ? by : 0;
	core->enrolled += enrolled ? by : 0;
	ring->unregistered += enrolled && host->unregistered ? by : 0;
	ring->duplicates += enrolled && host->duplicate ? by : 0;
	if (!rw_control_is(host))
		return;
	control->hosts += by;
	control->watched += host->presence == RW_ONLINE || host->presence == RW_SUSPECT ? by : 0;
	rw_group_count(&control->group, host, by);
}

void rw_group_count(struct rw_group *group, const struct rw_host *host, uint64_t by)
{
	group->online += host->presence == RW_ONLINE ? by : 0;
	group->silent +=
		host->presence == RW_SUSPECT || host->presence == RW_UNKNOWN || host->lost ? by : 0;
}

void rw_presence_uncount(struct rw_core *core, struct rw_host *host)
{
	count_by(core, host, UINT64_MAX);
}

void rw_presence_count(struct rw_core *core, struct rw_host *host)
{
	count_by(core, host, 1);
}

static void leave(struct rw_core *core, struct rw_host *host, rw_host_handle handle)
{
	if (host->presence == RW_PLANNED)
		heap_remove(core, handle);
	else
		list_remove(core, list_of(core, host), handle);
	rw_presence_uncount(core, host);
}

static void join(struct rw_core *core, struct rw_host *host, rw_host_handle handle)
{
	if (host->presence == RW_PLANNED)
		heap_add(core, handle);
	else
		list_append(core, list_of(core, host), handle);
	rw_presence_count(core, host);
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
	join(core, host, *out);
	return 0;
}

void rw_presence_move(struct rw_core *core, struct rw_host *host, uint32_t ring)
{
	rw_presence_uncount(core, host);
	host->ring = (uint8_t)ring;
	rw_presence_count(core, host);
}

void rw_presence_set_unregistered(struct rw_core *core, rw_host_handle handle, bool unregistered,
				  struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	if (host->unregistered == unregistered)
		return;
	rw_presence_uncount(core, host);
	host->unregistered = unregistered;
	rw_presence_count(core, host);
	rw_tell_host(core, handle, host->presence, now);
}

/* ---- newcomers ------------------------------------------------------------------------ */

static void turn_newcomer_slots(struct rw_core *core)
{
	uint64_t slot = core->obs_ms / RW_NEWCOMER_SLOT_MS;

	for (uint64_t passed = 0; core->newcomer_slot < slot && passed < RW_NEWCOMER_SLOTS;
	     passed++) {
		core->newcomer_slot++;
		for (uint32_t ring = 0; ring < core->policy.ring_count; ring++)
			core->rings[ring].newcomers[core->newcomer_slot % RW_NEWCOMER_SLOTS] = 0;
	}
	core->newcomer_slot = slot;
}

void rw_presence_newcomer(struct rw_core *core, uint32_t ring)
{
	turn_newcomer_slots(core);
	core->rings[ring].newcomers[core->newcomer_slot % RW_NEWCOMER_SLOTS]++;
}

bool rw_presence_has_jumped(const struct rw_core *core, uint32_t ring)
{
	uint64_t enrolled = core->rings[ring].enrolled;
	uint64_t newcomers = 0;

	for (int i = 0; i < RW_NEWCOMER_SLOTS; i++)
		newcomers += core->rings[ring].newcomers[i];
	return newcomers > 1 && newcomers < enrolled && newcomers * 100 > enrolled;
}

/* The two lists beside those of a presence: of the gasping, and of the lost. */
enum place { PLACE_USUAL, PLACE_GASPING, PLACE_LOST };

static void enter(struct rw_core *core, rw_host_handle handle, enum rw_presence to,
		  enum place place, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_exposure_uncount_all(host);
	leave(core, host, handle);
	host->presence = (uint8_t)to;
	host->gasping = place == PLACE_GASPING;
	host->lost = place == PLACE_LOST;
	join(core, host, handle);
	rw_exposure_count_all(host);
	host->since_wall_ms = now.wall_ms;
}

void rw_presence_enter(struct rw_core *core, rw_host_handle handle, enum rw_presence to,
		       struct rw_now now)
{
	enter(core, handle, to, PLACE_USUAL, now);
}

void rw_presence_lose(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	rw_table_at(&core->table, handle)->mark_obs_ms = core->obs_ms;
	enter(core, handle, RW_OFFLINE, PLACE_LOST, now);
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

/* Until when an operator has announced that it may be away; 0 when that is over. */
static uint64_t maintenance_left_ms(const struct rw_core *core, const struct rw_host *host,
				    struct rw_now now)
{
	const struct rw_trouble *trouble = rw_trouble_at(core, host->trouble);

	if (trouble == NULL || trouble->maintenance_until_wall_ms <= now.wall_ms)
		return 0;
	return trouble->maintenance_until_wall_ms - now.wall_ms;
}

static void go_offline(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);
	enum rw_presence from = host->presence;
	uint64_t excused_ms = maintenance_left_ms(core, host, now);

	if (excused_ms > 0) {
		host->goodbye = RW_BYE_SENSOR_STOP;
		host->mark_obs_ms = core->obs_ms + excused_ms;
		change(core, handle, RW_PLANNED, now);
		return;
	}
	rw_presence_lose(core, handle, now);
	rw_tell_host(core, handle, from, now);
	rw_control_went_offline(core, handle, now);
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next)
		rw_exposure_went_offline(core, e, now);
}

/* Those that were lost long enough ago are offline like others. */
static void tick_lost(struct rw_core *core)
{
	while (core->lost.head != RW_NO_HOST && !core->silence.blackout) {
		rw_host_handle handle = core->lost.head;
		struct rw_host *host = rw_table_at(&core->table, handle);

		if (core->obs_ms - host->mark_obs_ms < core->policy.timing.suspect_after_ms)
			return;
		rw_exposure_uncount_all(host);
		leave(core, host, handle);
		host->lost = false;
		join(core, host, handle);
		rw_exposure_count_all(host);
	}
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
static void probe_gasping(struct rw_core *core, struct rw_trouble *trouble)
{
	uint64_t begun_obs_ms = trouble->gasp_due_obs_ms - RW_CORE_GASP_MS;
	uint64_t passed_ms = core->obs_ms - begun_obs_ms;

	if (trouble->gasp_probes >= RW_CORE_GASP_PROBES ||
	    passed_ms * RW_CORE_GASP_PROBES < (uint64_t)trouble->gasp_probes * RW_CORE_GASP_MS)
		return;
	trouble->gasp_probes++;
	if (core->sink.probe != NULL)
		core->sink.probe(core->sink.context, trouble->host);
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
	struct rw_trouble *trouble = host == NULL ? NULL : rw_trouble_of(core, handle);
	/* One whose time is over while no tick has come yet gasps still. */
	if (trouble == NULL || host->gasping || trouble->gasp_due_obs_ms > core->obs_ms)
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
		enter(core, handle, RW_SUSPECT, PLACE_GASPING, now);
		rw_tell_host(core, handle, from, now);
	} else {
		return false;
	}
	trouble->gasp_due_obs_ms = due_obs_ms;
	trouble->gasp_probes = 0;
	probe_gasping(core, trouble);
	return true;
}

static void tick_gasping(struct rw_core *core, struct rw_now now)
{
	rw_host_handle next;

	for (rw_host_handle at = core->gasping.head; at != RW_NO_HOST; at = next) {
		struct rw_host *host = rw_table_at(&core->table, at);
		struct rw_trouble *trouble = rw_trouble_at(core, host->trouble);

		next = host->next;
		if (trouble->gasp_due_obs_ms <= core->obs_ms)
			go_offline(core, at, now);
		else
			probe_gasping(core, trouble);
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

/* ---- retirement ------------------------------------------------------------------------ */

/* What it counted for stays as it stands: see exposure.c. */
void rw_presence_retire(struct rw_core *core, rw_host_handle handle, bool by_age, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);
	bool was_offline = host->presence == RW_OFFLINE;

	rw_control_is_back(core, handle, now);
	rw_exposure_uncount_all(host);
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next) {
		if (!was_offline)
			continue;
		e->left_offline = true;
		rw_tell_exposure(core, e, now);
	}
	rw_exposure_count_all(host);
	host->by_age = by_age;
	change(core, handle, RW_RETIRED, now);
}

void rw_presence_unretire(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	host->by_age = false;
	host->mark_obs_ms = core->obs_ms;
	change(core, handle, RW_UNKNOWN, now);
}

static void retire_aged(struct rw_core *core, enum rw_presence presence, struct rw_now now)
{
	rw_host_handle next;

	for (rw_host_handle at = core->lists[presence].head; at != RW_NO_HOST; at = next) {
		const struct rw_host *host = rw_table_at(&core->table, at);

		next = host->next;
		if (host->exposure_count == 0 &&
		    now.wall_ms > host->since_wall_ms + core->policy.timing.retire_after_ms)
			rw_presence_retire(core, at, true, now);
	}
}

static void tick_age(struct rw_core *core, struct rw_now now)
{
	if (core->policy.timing.retire_after_ms == 0 ||
	    core->obs_ms - core->aged_obs_ms < RW_HOUR_MS)
		return;
	core->aged_obs_ms = core->obs_ms;
	retire_aged(core, RW_OFFLINE, now);
	retire_aged(core, RW_ABSENT, now);
}

/* ---- time ---------------------------------------------------------------------------------- */

void rw_presence_tick_late(struct rw_core *core, struct rw_now now)
{
	rw_host_handle handle;

	while ((handle = late_head(core, RW_ONLINE, core->policy.timing.suspect_after_ms)) !=
	       RW_NO_HOST) {
		change(core, handle, RW_SUSPECT, now);
		if (core->sink.probe != NULL)
			core->sink.probe(core->sink.context, handle);
	}
}

void rw_presence_tick_due(struct rw_core *core, struct rw_now now)
{
	uint64_t offline_after_ms = core->policy.timing.offline_after_ms;
	rw_host_handle handle;

	tick_gasping(core, now);
	turn_newcomer_slots(core);
	tick_lost(core);
	tick_age(core, now);
	if (rw_silence_waits(core))
		return;
	while ((handle = late_head(core, RW_SUSPECT, offline_after_ms)) != RW_NO_HOST)
		go_offline(core, handle, now);
	tick_planned(core, now);
	/* Unknown since the restart, or since it was enrolled anew. */
	while ((handle = late_head(core, RW_UNKNOWN, offline_after_ms)) != RW_NO_HOST)
		go_offline(core, handle, now);
}
