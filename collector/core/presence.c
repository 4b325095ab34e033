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
 * In maintenance what would be offline is planned until maintenance is over. Nobody but
 * who gasped is let go offline while silence.c says to wait.
 *
 * Online, suspect and planned hosts stand in wheels (struct rw_wheel): a heartbeat writes
 * the time into its host and nothing else, and each host is looked at once a timeout, to be
 * found late or put further on. Gasping hosts all have the same time from their gasp on,
 * and so a list in the order of that.
 *
 * Cost: a heartbeat O(1), in one host's record; a tick O(hosts that gasp, or that were
 * heard one timeout ago).
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
	for (int slot = 0; slot < RW_WHEEL_SLOTS; slot++) {
		core->late.slots[slot] = (struct rw_host_list){RW_NO_HOST, RW_NO_HOST};
		core->gone.slots[slot] = (struct rw_host_list){RW_NO_HOST, RW_NO_HOST};
		core->away.slots[slot] = (struct rw_host_list){RW_NO_HOST, RW_NO_HOST};
	}
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

/* ---- the wheels --------------------------------------------------------------------- */

/* NULL: a host of that presence stands in a list. */
static struct rw_wheel *wheel_of(struct rw_core *core, const struct rw_host *host)
{
	if (host->presence == RW_ONLINE)
		return &core->late;
	if (host->presence == RW_PLANNED)
		return &core->away;
	return host->presence == RW_SUSPECT && !host->gasping ? &core->gone : NULL;
}

/* When its silence is too long for what it is: online, planned, or suspect. */
static uint64_t silence_due_obs_ms(const struct rw_core *core, const struct rw_host *host)
{
	const struct rw_timing *timing = &core->policy.timing;

	if (host->presence == RW_PLANNED)
		return host->mark_obs_ms;
	return host->mark_obs_ms +
	       (host->presence == RW_ONLINE ? timing->suspect_after_ms : timing->offline_after_ms);
}

static uint8_t slot_for(const struct rw_wheel *wheel, uint64_t due_obs_ms)
{
	uint64_t tick = due_obs_ms / RW_CORE_TICK_MS;

	if (tick < wheel->cursor)
		tick = wheel->cursor;
	if (tick > wheel->cursor + RW_WHEEL_SLOTS - 1)
		tick = wheel->cursor + RW_WHEEL_SLOTS - 1;
	return (uint8_t)(tick % RW_WHEEL_SLOTS);
}

static void turn_slot(struct rw_core *core, struct rw_wheel *wheel, uint8_t slot,
		      void (*due)(struct rw_core *, rw_host_handle, struct rw_now),
		      struct rw_now now)
{
	rw_host_handle next;

	for (rw_host_handle at = wheel->slots[slot].head; at != RW_NO_HOST; at = next) {
		struct rw_host *host = rw_table_at(&core->table, at);
		uint64_t due_obs_ms = silence_due_obs_ms(core, host);

		next = host->next;
		if (due_obs_ms <= core->obs_ms) {
			due(core, at, now);
			continue;
		}
		uint8_t to = slot_for(wheel, due_obs_ms);
		if (to == slot)
			continue;
		list_remove(core, &wheel->slots[slot], at);
		host->slot = to;
		list_append(core, &wheel->slots[to], at);
	}
}

/* `due` is called for each host that has been silent for too long, and takes it out. */
static void turn(struct rw_core *core, struct rw_wheel *wheel,
		 void (*due)(struct rw_core *, rw_host_handle, struct rw_now), struct rw_now now)
{
	uint64_t last = core->obs_ms / RW_CORE_TICK_MS;

	/* It may not have been turned for longer than it is wide. */
	if (wheel->cursor + RW_WHEEL_SLOTS - 1 < last)
		wheel->cursor = last - (RW_WHEEL_SLOTS - 1);
	for (; wheel->cursor < last; wheel->cursor++)
		turn_slot(core, wheel, (uint8_t)(wheel->cursor % RW_WHEEL_SLOTS), due, now);
	turn_slot(core, wheel, (uint8_t)(last % RW_WHEEL_SLOTS), due, now);
}

/* ---- transitions ------------------------------------------------------------------ */

static struct rw_host_list *list_of(struct rw_core *core, const struct rw_host *host)
{
	struct rw_wheel *wheel = wheel_of(core, host);

	if (wheel != NULL)
		return &wheel->slots[host->slot];
	if (host->gasping)
		return &core->gasping;
	if (host->lost && host->presence == RW_OFFLINE)
		return &core->lost;
	return &core->lists[host->presence];
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
	rw_group_count(&control->group, host, by);
}

void rw_group_count(struct rw_group *group, const struct rw_host *host, uint64_t by)
{
	group->online += host->presence == RW_ONLINE ? by : 0;
	group->watched += host->presence == RW_ONLINE || host->presence == RW_SUSPECT ? by : 0;
	group->silent += host->presence == RW_SUSPECT || host->lost ? by : 0;
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
	list_remove(core, list_of(core, host), handle);
	rw_presence_uncount(core, host);
}

static void join(struct rw_core *core, struct rw_host *host, rw_host_handle handle)
{
	const struct rw_wheel *wheel = wheel_of(core, host);

	if (wheel != NULL)
		host->slot = slot_for(wheel, silence_due_obs_ms(core, host));
	list_append(core, list_of(core, host), handle);
	rw_presence_count(core, host);
}

int rw_presence_enrol(struct rw_core *core, const char *id, uint32_t ring, rw_host_handle *out)
{
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

/* What a host is beside its presence: gasping while suspect, lost while offline or unknown. */
enum place { PLACE_USUAL, PLACE_GASPING, PLACE_LOST };

static void enter(struct rw_core *core, rw_host_handle handle, enum rw_presence to,
		  enum place place, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_exposure_uncount_all(host);
	leave(core, host, handle);
	host->presence = (unsigned)to & 15u;
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

void rw_presence_miss(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	enter(core, handle, RW_UNKNOWN, PLACE_LOST, now);
}

bool rw_presence_hear(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	host->heard_wall_ms = now.wall_ms;
	host->mark_obs_ms = core->obs_ms;
	if (host->presence == RW_ONLINE)
		return false;
	rw_presence_enter(core, handle, RW_ONLINE, now);
	return true;
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
	/* Unknown for another reason than a restart, it was not heard lately. */
	if (from == RW_UNKNOWN && !host->lost)
		rw_presence_enter(core, handle, RW_OFFLINE, now);
	else
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
	list_remove(core, list_of(core, host), handle);
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

static void overdue(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	if (rw_table_at(&core->table, handle)->goodbye == RW_BYE_POWER_OFF)
		change(core, handle, RW_ABSENT, now);
	else
		go_offline(core, handle, now);
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

static void suspect(struct rw_core *core, rw_host_handle handle, struct rw_now now)
{
	change(core, handle, RW_SUSPECT, now);
	if (core->sink.probe != NULL)
		core->sink.probe(core->sink.context, handle);
}

void rw_presence_tick_late(struct rw_core *core, struct rw_now now)
{
	turn(core, &core->late, suspect, now);
}

/* Unknown since the restart, or since it was enrolled anew: in the order of that. */
void rw_presence_restored(struct rw_core *core)
{
	uint64_t since_obs_ms = core->listen_obs_ms + rw_core_listening_ms(core) -
				core->policy.timing.offline_after_ms;

	for (rw_host_handle at = core->lists[RW_UNKNOWN].head; at != RW_NO_HOST;) {
		struct rw_host *host = rw_table_at(&core->table, at);

		host->mark_obs_ms = since_obs_ms;
		at = host->next;
	}
}

static void tick_unknown(struct rw_core *core, struct rw_now now)
{
	rw_host_handle handle;

	while ((handle = core->lists[RW_UNKNOWN].head) != RW_NO_HOST &&
	       core->obs_ms - rw_table_at(&core->table, handle)->mark_obs_ms >=
		       core->policy.timing.offline_after_ms)
		go_offline(core, handle, now);
}

void rw_presence_tick_due(struct rw_core *core, struct rw_now now)
{
	tick_gasping(core, now);
	turn_newcomer_slots(core);
	tick_lost(core);
	tick_age(core, now);
	if (rw_silence_waits(core))
		return;
	turn(core, &core->gone, go_offline, now);
	turn(core, &core->away, overdue, now);
	tick_unknown(core, now);
}
