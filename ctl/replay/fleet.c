/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts and their timers.
 *
 * Heartbeats are many, so they stand in a wheel with one place for each tick of
 * the slowest heartbeat; all else that a host will do later stands in a heap. A
 * timer belongs to one generation of its host: whatever happens to the host in
 * between makes it void.
 *
 * A host says Hello when it has booted, and again when the way to the collector
 * is free after it was not; then within a third of offline_after, each host at a
 * moment of its own, as a sensor's back-off does.
 */
#include "ctl/replay/fleet.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/replay/verbs.h"
#include "proto/wire.h"

enum {
	NO_HOST = -1,
	REJECTED_MS = 30000, /* until a host that was refused asks again */
	FIRST_ORDER = 1000,
	NAME_SLOTS = 262144, /* so that half of them stay free */
	ID_BYTES = RW_CORE_EVENT_ID_BYTES,
};

/* An event that waits for the next session. */
struct kept_event {
	struct kept_event *next;
	struct rw_core_event event; /* its texts are the scenario's, but id */
	char id[ID_BYTES];
};

struct report {
	struct report *next;
	const char *subject, *value;
};

enum timer_does { TIMER_BOOT, TIMER_HELLO, TIMER_DIE };

struct timer {
	uint64_t at_ms;
	uint64_t number; /* of two at one time, the first set comes first */
	uint32_t host;
	uint32_t generation;
	enum timer_does does;
};

struct host {
	char name[RW_CORE_NAME_BYTES];
	uint32_t ring;
	rw_host_handle handle;
	uint64_t boot_order;
	uint64_t booted_ms;        /* may lie before the play: modulo 2^64 */
	enum rw_boot_end end;      /* of the boot before this one */
	enum rw_boot_end next_end; /* of this one, when it has ended */
	uint32_t generation;
	int32_t next_in_place; /* of the wheel */
	bool up : 1;           /* its kernel runs */
	bool silent : 1;       /* but nothing of it sends: asleep, or the sensor was stopped */
	bool cut : 1;
	bool connected : 1;
	bool in_wheel : 1;
	bool picked : 1;
	bool loops : 1;
	uint32_t blind_kinds;
	uint64_t loop_up_ms, loop_down_ms;
	const char *loop_signature;
	uint64_t events; /* made so far */
	struct kept_event *kept, **kept_end;
	struct report *reports;
};

struct rw_fleet {
	struct rw_policy policy;
	uint64_t beat_ms;
	struct rw_core *core;
	struct rw_now now;
	uint64_t stalled_until_ms;
	struct host **hosts;
	uint32_t count, room;
	uint32_t *by_name;  /* index + 1 by the name's hash, in it or behind; 0: nobody */
	uint32_t *selected; /* them */
	uint32_t *looked_at;
	uint32_t selected_count;
	int32_t *wheel;
	uint32_t places, place;
	struct timer *heap;
	size_t heap_count, heap_room;
	uint64_t timers_set;
};

__attribute__((format(printf, 3, 4))) static int complain(char out[RW_FLEET_COMPLAINT_BYTES],
							  int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(out, RW_FLEET_COMPLAINT_BYTES, fmt, args);
	va_end(args);
	return status;
}

/* ---- life --------------------------------------------------------------------- */

static uint64_t heartbeat_ms(const struct rw_fleet *fleet, uint32_t ring)
{
	uint64_t own_ms =
		fleet->beat_ms != 0 ? fleet->beat_ms : fleet->policy.rings[ring].heartbeat_every_ms;

	return own_ms != 0 ? own_ms : fleet->policy.timing.heartbeat_every_ms;
}

static uint32_t heartbeat_places(const struct rw_fleet *fleet, uint32_t ring)
{
	uint64_t places = heartbeat_ms(fleet, ring) / RW_CORE_TICK_MS;

	return places == 0 ? 1 : (uint32_t)places;
}

struct rw_fleet *rw_fleet_new(const struct rw_policy *policy, uint64_t beat_ms)
{
	struct rw_fleet *fleet = calloc(1, sizeof(*fleet));

	if (fleet == NULL)
		return NULL;
	fleet->policy = *policy;
	fleet->beat_ms = beat_ms;
	for (uint32_t i = 0; i < policy->ring_count; i++) {
		if (heartbeat_places(fleet, i) >= fleet->places)
			fleet->places = heartbeat_places(fleet, i) + 1;
	}
	fleet->wheel = malloc(fleet->places * sizeof(fleet->wheel[0]));
	fleet->by_name = calloc(NAME_SLOTS, sizeof(fleet->by_name[0]));
	if (fleet->wheel == NULL || fleet->by_name == NULL) {
		rw_fleet_free(fleet);
		return NULL;
	}
	for (uint32_t i = 0; i < fleet->places; i++)
		fleet->wheel[i] = NO_HOST;
	return fleet;
}

static void free_host(struct host *host)
{
	for (struct kept_event *at = host->kept, *next; at != NULL; at = next) {
		next = at->next;
		free(at);
	}
	for (struct report *at = host->reports, *next; at != NULL; at = next) {
		next = at->next;
		free(at);
	}
	free(host);
}

void rw_fleet_free(struct rw_fleet *fleet)
{
	if (fleet == NULL)
		return;
	for (uint32_t i = 0; i < fleet->count; i++)
		free_host(fleet->hosts[i]);
	free(fleet->hosts);
	free(fleet->selected);
	free(fleet->looked_at);
	free(fleet->wheel);
	free(fleet->by_name);
	free(fleet->heap);
	free(fleet);
}

const char *rw_fleet_host_name(const struct rw_fleet *fleet, uint32_t host)
{
	return fleet->hosts[host]->name;
}

/* ---- timers -------------------------------------------------------------------------- */

static bool is_before(const struct timer *a, const struct timer *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static int set_timer(struct rw_fleet *fleet, uint32_t index, enum timer_does does, uint64_t in_ms)
{
	if (fleet->heap_count == fleet->heap_room) {
		size_t room = fleet->heap_room == 0 ? 256 : fleet->heap_room * 2;
		struct timer *heap = reallocarray(fleet->heap, room, sizeof(*heap));

		if (heap == NULL)
			return -ENOMEM;
		fleet->heap = heap;
		fleet->heap_room = room;
	}

	struct timer timer = {
		.at_ms = fleet->now.boot_ms + in_ms,
		.number = ++fleet->timers_set,
		.host = index,
		.generation = fleet->hosts[index]->generation,
		.does = does,
	};
	size_t at = fleet->heap_count++;

	for (; at > 0 && is_before(&timer, &fleet->heap[(at - 1) / 2]); at = (at - 1) / 2)
		fleet->heap[at] = fleet->heap[(at - 1) / 2];
	fleet->heap[at] = timer;
	return 0;
}

static struct timer take_timer(struct rw_fleet *fleet)
{
	struct timer first = fleet->heap[0];
	struct timer last = fleet->heap[--fleet->heap_count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < fleet->heap_count &&
		    is_before(&fleet->heap[child + 1], &fleet->heap[child]))
			child++;
		if (child >= fleet->heap_count || !is_before(&fleet->heap[child], &last))
			break;
		fleet->heap[at] = fleet->heap[child];
		at = child;
	}
	if (fleet->heap_count > 0)
		fleet->heap[at] = last;
	return first;
}

/* Whatever this host was going to do. */
static void void_timers(struct host *host)
{
	host->generation++;
}

/* ---- sessions --------------------------------------------------------------------------- */

static bool is_stalled(const struct rw_fleet *fleet)
{
	return fleet->now.boot_ms < fleet->stalled_until_ms;
}

static bool may_send(const struct rw_fleet *fleet, const struct host *host)
{
	return fleet->core != NULL && !is_stalled(fleet) && host->connected;
}

static void into_wheel(struct rw_fleet *fleet, uint32_t index, uint32_t ahead)
{
	uint32_t place = (fleet->place + ahead) % fleet->places;

	fleet->hosts[index]->next_in_place = fleet->wheel[place];
	fleet->hosts[index]->in_wheel = true;
	fleet->wheel[place] = (int32_t)index;
}

static void fill_boot_id(uint8_t id[16], uint32_t index, uint64_t order)
{
	uint32_t number = index + 1; /* so that no id is all zeroes */

	memcpy(id, &number, sizeof(number));
	memcpy(id + 8, &order, sizeof(order));
}

static struct rw_boot boot_of(const struct rw_fleet *fleet, uint32_t index)
{
	const struct host *host = fleet->hosts[index];
	struct rw_boot boot = {
		.order = host->boot_order,
		.boot_ms = fleet->now.boot_ms - host->booted_ms,
	};

	fill_boot_id(boot.id, index, host->boot_order);
	return boot;
}

static void send_kept(struct rw_fleet *fleet, struct host *host)
{
	while (host->kept != NULL) {
		struct kept_event *first = host->kept;

		host->kept = first->next;
		rw_core_event(fleet->core, host->handle, &first->event, fleet->now);
		free(first);
	}
	host->kept_end = NULL;
}

static void send_reports(struct rw_fleet *fleet, struct host *host)
{
	for (const struct report *r = host->reports; r != NULL; r = r->next)
		rw_core_version(fleet->core, host->handle, r->subject, r->value, false, fleet->now);
}

/* Says Hello when it can; a host that is refused tries again later. */
static int say_hello(struct rw_fleet *fleet, uint32_t index)
{
	struct host *host = fleet->hosts[index];

	if (fleet->core == NULL || !host->up || host->silent || host->cut)
		return 0;
	if (is_stalled(fleet))
		return set_timer(fleet, index, TIMER_HELLO,
				 fleet->stalled_until_ms - fleet->now.boot_ms);

	struct rw_boot boot = boot_of(fleet, index);
	int status = rw_core_hello(fleet->core, host->name, fleet->policy.rings[host->ring].name,
				   &boot, host->end, fleet->now, &host->handle);

	if (status == -EPERM)
		return set_timer(fleet, index, TIMER_HELLO, REJECTED_MS);
	if (status != 0)
		return status;
	host->connected = true;
	if (!host->in_wheel)
		into_wheel(fleet, index, 1 + index % heartbeat_places(fleet, host->ring));
	if (host->blind_kinds != 0)
		rw_core_set_blind_kinds(fleet->core, host->handle, host->blind_kinds);
	send_kept(fleet, host);
	send_reports(fleet, host);
	return 0;
}

/* It will find its way back to the collector, not all hosts at once. */
static int call_again(struct rw_fleet *fleet, uint32_t index)
{
	uint64_t spread_ms = fleet->policy.timing.offline_after_ms / 3;

	return set_timer(fleet, index, TIMER_HELLO,
			 spread_ms == 0 ? 0 : (uint64_t)index * 7919 % spread_ms);
}

void rw_fleet_set_core(struct rw_fleet *fleet, struct rw_core *core, struct rw_now now)
{
	fleet->now = now;
	fleet->core = core;
	fleet->stalled_until_ms = 0;
	for (uint32_t i = 0; i < fleet->count; i++) {
		fleet->hosts[i]->connected = false;
		fleet->hosts[i]->handle = RW_NO_HOST;
		/* No memory for a timer: the host stays away, which the play then shows. */
		if (core != NULL)
			(void)call_again(fleet, i);
	}
}

void rw_fleet_stall(struct rw_fleet *fleet, struct rw_now until)
{
	fleet->stalled_until_ms = until.boot_ms;
}

/* ---- what happens to a host ----------------------------------------------------------------- */

/* `clock_ms`: how long it has been up when it says Hello. */
static int boot(struct rw_fleet *fleet, uint32_t index, uint64_t clock_ms)
{
	struct host *host = fleet->hosts[index];

	if (host->up)
		return 0;
	host->up = true;
	host->silent = false;
	host->boot_order++;
	host->booted_ms = fleet->now.boot_ms - clock_ms;
	host->end = host->next_end;
	host->next_end = RW_END_UNEXPECTED;
	if (host->loops && set_timer(fleet, index, TIMER_DIE, host->loop_up_ms) != 0)
		return -ENOMEM;
	/* one that dies at once never gets so far */
	return host->loops && host->loop_up_ms == 0 ? 0 : say_hello(fleet, index);
}

/* Its kernel stops, at this moment and without a word. */
static void go_down(struct host *host)
{
	void_timers(host);
	host->up = false;
	host->silent = false;
	host->connected = false;
}

static int keep_event(struct host *host, const struct kept_event *event)
{
	struct kept_event *kept = malloc(sizeof(*kept));

	if (kept == NULL)
		return -ENOMEM;
	*kept = *event;
	kept->next = NULL;
	kept->event.id = kept->id;
	if (host->kept == NULL)
		host->kept = kept;
	else
		*host->kept_end = kept;
	host->kept_end = &kept->next;
	return 0;
}

/*
 * An event of the present boot, or of the one that the statement says: then the
 * collector had it at this moment, whatever became of the host. `late`: it is found
 * only after the next boot.
 */
static int make_event(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement,
		      bool late)
{
	struct host *host = fleet->hosts[index];
	struct rw_boot boot = boot_of(fleet, index);
	bool told = statement->boot_order != 0;
	struct kept_event kept = {
		.event =
			{
				.kind = statement->kind,
				.kind_name = rw_kind_at(statement->kind),
				.signature = statement->text,
				.module = statement->subject == NULL ? "" : statement->subject,
				.error = statement->error,
				.boot_order = told ? statement->boot_order : boot.order,
				.boot_ms = told ? statement->boot_ms : boot.boot_ms,
			},
	};

	fill_boot_id(kept.event.boot_id, index, kept.event.boot_order);
	if (statement->event != NULL)
		snprintf(kept.id, sizeof(kept.id), "%s", statement->event);
	else
		snprintf(kept.id, sizeof(kept.id), "%s/replay/%llu", host->name,
			 (unsigned long long)++host->events);
	if (told ? host->handle == RW_NO_HOST : late || !may_send(fleet, host))
		return keep_event(host, &kept);
	kept.event.id = kept.id;
	rw_core_event(fleet->core, host->handle, &kept.event, fleet->now);
	return 0;
}

static int die_in_loop(struct rw_fleet *fleet, uint32_t index)
{
	struct host *host = fleet->hosts[index];

	if (!host->up)
		return 0;
	struct rw_statement panic = {
		.kind = RINGWATCH__V1__KIND__KIND_PANIC,
		.text = host->loop_signature,
	};
	if (panic.text != NULL && make_event(fleet, index, &panic, true) != 0)
		return -ENOMEM;
	go_down(host);
	host->next_end = RW_END_UNEXPECTED;
	return set_timer(fleet, index, TIMER_BOOT, host->loop_down_ms);
}

/* ---- time --------------------------------------------------------------------------------------
 */

static int fire(struct rw_fleet *fleet, const struct timer *timer)
{
	struct host *host = fleet->hosts[timer->host];

	if (timer->generation != host->generation)
		return 0;
	switch (timer->does) {
	case TIMER_BOOT:
		return boot(fleet, timer->host, 0);
	case TIMER_DIE:
		return die_in_loop(fleet, timer->host);
	case TIMER_HELLO:
		return host->connected ? 0 : say_hello(fleet, timer->host);
	}
	return 0;
}

static void beat(struct rw_fleet *fleet, int32_t first)
{
	for (int32_t at = first; at != NO_HOST;) {
		uint32_t index = (uint32_t)at;
		struct host *host = fleet->hosts[index];

		at = host->next_in_place;
		host->in_wheel = false;
		if (fleet->core == NULL || !host->connected || host->cut)
			continue;
		if (is_stalled(fleet)) { /* it is sent, and lies there */
			into_wheel(fleet, index, 1);
			continue;
		}
		rw_core_heartbeat(fleet->core, host->handle, fleet->now.boot_ms - host->booted_ms,
				  fleet->now);
		if (host->kept != NULL)
			send_kept(fleet, host);
		into_wheel(fleet, index, heartbeat_places(fleet, host->ring));
	}
}

int rw_fleet_tick(struct rw_fleet *fleet, struct rw_now now)
{
	fleet->now = now;
	fleet->place = (fleet->place + 1) % fleet->places;

	int32_t first = fleet->wheel[fleet->place];

	fleet->wheel[fleet->place] = NO_HOST;
	beat(fleet, first);
	while (fleet->heap_count > 0 && fleet->heap[0].at_ms <= now.boot_ms) {
		struct timer timer = take_timer(fleet);
		int status = fire(fleet, &timer);

		if (status != 0)
			return status;
	}
	return 0;
}

/* ---- who
 * ------------------------------------------------------------------------------------------ */

/* Where the name's host stands in by_name, or would. */
static uint32_t slot_of(const struct rw_fleet *fleet, const char *name)
{
	uint32_t slot = 2166136261u;

	for (const char *at = name; *at != '\0'; at++)
		slot = (slot ^ (unsigned char)*at) * 16777619u;
	slot %= NAME_SLOTS;
	while (fleet->by_name[slot] != 0 &&
	       strcmp(fleet->hosts[fleet->by_name[slot] - 1]->name, name) != 0)
		slot = (slot + 1) % NAME_SLOTS;
	return slot;
}

/* Negative: nobody has that name. */
static int find_host(const struct rw_fleet *fleet, const char *name)
{
	return (int)fleet->by_name[slot_of(fleet, name)] - 1;
}

static bool is_wanted(const struct rw_fleet *fleet, const struct rw_hosts_said *who, uint32_t index)
{
	const struct host *host = fleet->hosts[index];
	size_t length;

	switch (who->how) {
	case RW_WHO_ALL:
	case RW_WHO_THEM:
		return true;
	case RW_WHO_RING:
		return strcmp(fleet->policy.rings[host->ring].name, who->first) == 0;
	case RW_WHO_RANGE:
		/* c-9 is before c-10000: names of one length are compared as text */
		length = strlen(host->name);
		return (length > strlen(who->first) ||
			(length == strlen(who->first) && strcmp(host->name, who->first) >= 0)) &&
		       (length < strlen(who->last) ||
			(length == strlen(who->last) && strcmp(host->name, who->last) <= 0)) &&
		       strncmp(host->name, who->first, strcspn(who->first, "0123456789")) == 0;
	}
	return false;
}

static uint32_t keep_any(struct rw_fleet *fleet, uint32_t *hosts, uint32_t count, uint64_t wanted)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count && kept < wanted; i++) {
		struct host *host = fleet->hosts[hosts[i]];

		if (host->picked || !host->up)
			continue;
		host->picked = true;
		hosts[kept++] = hosts[i];
	}
	return kept;
}

int rw_fleet_select(struct rw_fleet *fleet, const struct rw_hosts_said *who, bool acts,
		    const uint32_t **hosts, uint32_t *count,
		    char complaint[RW_FLEET_COMPLAINT_BYTES])
{
	bool them = who->how == RW_WHO_THEM;
	uint32_t *out = acts || them ? fleet->selected : fleet->looked_at;
	uint32_t among = them ? fleet->selected_count : 0;

	if (who->how == RW_WHO_RANGE && find_host(fleet, who->first) < 0)
		return complain(complaint, -ENOENT, "there is no host '%.64s' yet", who->first);
	if (who->how == RW_WHO_RANGE && who->last != NULL && find_host(fleet, who->last) < 0)
		return complain(complaint, -ENOENT, "there is no host '%.64s' yet", who->last);
	bool one = who->how == RW_WHO_RANGE && who->last == NULL;
	if (one)
		out[among++] = (uint32_t)find_host(fleet, who->first);
	for (uint32_t i = 0; !one && !them && i < fleet->count; i++) {
		if (is_wanted(fleet, who, i))
			out[among++] = i;
	}
	if (who->any_ppm > 0 || who->any > 0) {
		uint64_t wanted = who->any > 0 ? who->any : (uint64_t)among * who->any_ppm / RW_PPM;
		uint32_t kept = keep_any(fleet, out, among, wanted);

		if (kept < wanted)
			return complain(complaint, -ENOENT,
					"only %u such hosts are up and were not picked before, "
					"expected %llu",
					kept, (unsigned long long)wanted);
		among = kept;
	}
	if (among == 0)
		return complain(complaint, -ENOENT, "there are no such hosts now");
	if (acts)
		fleet->selected_count = among;
	*hosts = out;
	*count = among;
	return 0;
}

/* ---- statements
 * --------------------------------------------------------------------------------------- */

static uint32_t ring_index(const struct rw_fleet *fleet, const char *ring)
{
	uint32_t i = 0;

	while (i + 1 < fleet->policy.ring_count && strcmp(fleet->policy.rings[i].name, ring) != 0)
		i++;
	return i;
}

static bool make_room(struct rw_fleet *fleet)
{
	uint32_t room = fleet->room == 0 ? 256 : fleet->room * 2;
	struct host **hosts = reallocarray(fleet->hosts, room, sizeof(void *));

	if (hosts == NULL)
		return false;
	fleet->hosts = hosts;

	uint32_t *selected = reallocarray(fleet->selected, room, sizeof(*selected));

	if (selected == NULL)
		return false;
	fleet->selected = selected;

	uint32_t *looked_at = reallocarray(fleet->looked_at, room, sizeof(*looked_at));

	if (looked_at == NULL)
		return false;
	fleet->looked_at = looked_at;
	fleet->room = room;
	return true;
}

static int add_host(struct rw_fleet *fleet, const char *name, const struct rw_statement *statement)
{
	if (fleet->count == fleet->room && !make_room(fleet))
		return -ENOMEM;

	struct host *host = calloc(1, sizeof(*host));

	if (host == NULL)
		return -ENOMEM;
	snprintf(host->name, sizeof(host->name), "%s", name);
	host->ring = ring_index(fleet, statement->ring);
	host->handle = RW_NO_HOST;
	host->boot_order = FIRST_ORDER;
	/* up for a day and some, each a little longer than the one before */
	host->booted_ms = fleet->now.boot_ms - UINT64_C(86400000) - (uint64_t)fleet->count * 1000;
	if (statement->boot_order != 0) {
		host->boot_order = statement->boot_order;
		host->booted_ms = fleet->now.boot_ms - statement->boot_ms;
	}
	host->end = RW_END_ORDERLY;
	host->next_end = RW_END_UNEXPECTED;
	host->up = true;
	fleet->by_name[slot_of(fleet, name)] = fleet->count + 1;
	fleet->hosts[fleet->count++] = host;
	return say_hello(fleet, fleet->count - 1);
}

static int add_hosts(struct rw_fleet *fleet, const struct rw_statement *statement,
		     char complaint[RW_FLEET_COMPLAINT_BYTES])
{
	char name[RW_CORE_NAME_BYTES];

	for (uint64_t i = 1; i <= statement->count; i++) {
		if (statement->more_ms == RW_SCENARIO_NEVER) /* the name itself */
			snprintf(name, sizeof(name), "%s", statement->who.first);
		else
			snprintf(name, sizeof(name), "%.57s%04llu", statement->who.first,
				 (unsigned long long)i % 1000000);
		if (i == 1 && find_host(fleet, name) >= 0)
			return complain(complaint, -EINVAL, "there is a host '%s' already", name);
		if (fleet->count == RW_SCENARIO_HOSTS_MAX)
			return complain(complaint, -ENOSPC, "more than %d hosts",
					RW_SCENARIO_HOSTS_MAX);
		int status = add_host(fleet, name, statement);
		if (status != 0)
			return complain(complaint, status, "host '%s' could not be enrolled: %s",
					name, strerror(-status));
	}
	return 0;
}

static int crash(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement)
{
	struct host *host = fleet->hosts[index];

	if (!host->up)
		return 0;
	bool gasps = statement->gasp && may_send(fleet, host);
	int status = make_event(fleet, index, statement, statement->late);

	if (gasps)
		rw_core_gasp(fleet->core, host->handle, fleet->now);
	go_down(host);
	host->next_end = RW_END_UNEXPECTED;
	if (status == 0 && statement->ms != RW_SCENARIO_NEVER)
		status = set_timer(fleet, index, TIMER_BOOT, statement->ms);
	return status;
}

static int say_goodbye(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement)
{
	struct host *host = fleet->hosts[index];
	bool stays = statement->goodbye == RW_BYE_SENSOR_STOP;

	if (!host->up)
		return 0;
	if (may_send(fleet, host))
		rw_core_goodbye(fleet->core, host->handle, statement->goodbye, statement->ms,
				fleet->now);
	go_down(host);
	host->next_end = RW_END_ORDERLY;
	if (stays) {
		host->up = true;
		host->silent = true;
		host->next_end = RW_END_UNEXPECTED;
	}
	if (stays || statement->more_ms == RW_SCENARIO_NEVER)
		return 0;
	return set_timer(fleet, index, TIMER_BOOT, statement->more_ms);
}

static int come_back(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement)
{
	struct host *host = fleet->hosts[index];

	host->loops = false;
	void_timers(host);
	if (statement->boot_order != 0) { /* into that boot, from whatever it is in */
		go_down(host);
		host->next_end = statement->end;
		host->boot_order = statement->boot_order - 1;
		return boot(fleet, index, statement->boot_ms);
	}
	if (host->up) {
		host->silent = false;
		return host->connected ? 0 : say_hello(fleet, index);
	}
	if (statement->end_given)
		host->next_end = statement->end;
	return boot(fleet, index, 0);
}

static int start_loop(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement)
{
	struct host *host = fleet->hosts[index];

	host->loops = true;
	host->loop_up_ms = statement->ms;
	host->loop_down_ms = statement->more_ms;
	host->loop_signature = statement->text;
	return die_in_loop(fleet, index);
}

static int report(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement)
{
	struct host *host = fleet->hosts[index];
	struct report *known = host->reports;

	while (known != NULL && strcmp(known->subject, statement->subject) != 0)
		known = known->next;

	bool changed = known != NULL && strcmp(known->value, statement->text) != 0;

	if (known == NULL) {
		known = calloc(1, sizeof(*known));
		if (known == NULL)
			return -ENOMEM;
		known->subject = statement->subject;
		known->next = host->reports;
		host->reports = known;
	}
	known->value = statement->text;
	if (may_send(fleet, host))
		rw_core_version(fleet->core, host->handle, known->subject, known->value, changed,
				fleet->now);
	return 0;
}

static int move(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement)
{
	struct host *host = fleet->hosts[index];

	host->ring = ring_index(fleet, statement->ring);
	return say_hello(fleet, index);
}

static int mend(struct rw_fleet *fleet, uint32_t index)
{
	struct host *host = fleet->hosts[index];

	if (!host->cut)
		return 0;
	host->cut = false;
	return call_again(fleet, index);
}

static int do_to(struct rw_fleet *fleet, uint32_t index, const struct rw_statement *statement)
{
	struct host *host = fleet->hosts[index];

	switch (statement->verb) {
	case RW_VERB_DIE:
		host->loops = false;
		go_down(host);
		host->next_end = RW_END_UNEXPECTED;
		return 0;
	case RW_VERB_CRASH:
		return crash(fleet, index, statement);
	case RW_VERB_EVENT:
	case RW_VERB_MODULE_FAILED:
		return host->up || statement->boot_order != 0
			       ? make_event(fleet, index, statement, false)
			       : 0;
	case RW_VERB_BOOT_LOOP:
		return start_loop(fleet, index, statement);
	case RW_VERB_GOODBYE:
		return say_goodbye(fleet, index, statement);
	case RW_VERB_SLEEP:
		if (statement->late && may_send(fleet, host))
			rw_core_heard(fleet->core, host->handle, fleet->now);
		host->silent = host->up;
		host->connected = false;
		return 0;
	case RW_VERB_BACK:
		return come_back(fleet, index, statement);
	case RW_VERB_MOVE:
		return move(fleet, index, statement);
	case RW_VERB_REPORT:
		return report(fleet, index, statement);
	case RW_VERB_BLIND:
		host->blind_kinds = (uint32_t)statement->count;
		if (may_send(fleet, host))
			rw_core_set_blind_kinds(fleet->core, host->handle, host->blind_kinds);
		return 0;
	case RW_VERB_DUPLICATE:
		if (may_send(fleet, host))
			rw_core_duplicate(fleet->core, host->handle, fleet->now);
		return 0;
	case RW_VERB_CUT:
		host->cut = true;
		host->connected = false;
		return 0;
	case RW_VERB_MEND:
		return mend(fleet, index);
	default:
		return 0;
	}
}

int rw_fleet_do(struct rw_fleet *fleet, const struct rw_statement *statement, struct rw_now now,
		char complaint[RW_FLEET_COMPLAINT_BYTES])
{
	const uint32_t *hosts;
	uint32_t count = 0;

	fleet->now = now;
	if (statement->verb == RW_VERB_HOSTS)
		return add_hosts(fleet, statement, complaint);

	int status = rw_fleet_select(fleet, &statement->who, true, &hosts, &count, complaint);

	for (uint32_t i = 0; status == 0 && i < count; i++) {
		status = do_to(fleet, hosts[i], statement);
		if (status != 0)
			complain(complaint, status, "host '%s': %s", fleet->hosts[hosts[i]]->name,
				 strerror(-status));
	}
	return status;
}
