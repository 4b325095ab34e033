/* SPDX-License-Identifier: Apache-2.0 */
/* From a dump's text to events; see crashes.h. */
#include "sensor/crashes.h"

#include <errno.h>
#include <string.h>

#include "lib/events/excerpt.h"
#include "lib/events/fold.h"
#include "lib/events/line.h"

enum {
	DRIFT_PARTS = 2000, /* 500 ppm: how far a kernel's clock may run from the wall's */
	QUIET_MS = 5000,    /* after so long without a line nothing that has begun goes on */
};

/* ---- which boot ---------------------------------------------------------------------- */

static bool is_between(uint64_t at, uint64_t from, uint64_t to, uint64_t slack)
{
	return at + slack >= from && at <= to + slack;
}

static uint64_t began_ms(const struct rw_boot_state *boot)
{
	return boot->alive_wall_ms > boot->alive_boot_ms ? boot->alive_wall_ms - boot->alive_boot_ms
							 : 0;
}

bool rw_crashes_are_of(const struct rw_dump *dump, const struct rw_boot_state *boot)
{
	uint64_t late_ms = dump->place == RW_DUMP_IN_CRASH ? RW_CRASHES_KDUMP_LATE_MS : 0;
	uint64_t begin = began_ms(boot);
	uint64_t written = dump->written_wall_ms;

	if (written == 0)
		return dump->last_usec != UINT64_MAX &&
		       dump->last_usec / 1000 + RW_CRASHES_SLACK_MS >= boot->alive_boot_ms;
	if (is_between(written, begin, boot->alive_wall_ms, RW_CRASHES_SLACK_MS))
		return true;
	if (dump->last_usec == UINT64_MAX || dump->last_usec / 1000 > written)
		return false;
	uint64_t ran_ms = dump->last_usec / 1000;
	return is_between(written - ran_ms, begin, begin + late_ms,
			  RW_CRASHES_SLACK_MS + ran_ms / DRIFT_PARTS);
}

/* ---- events ---------------------------------------------------------------------------- */

struct telling {
	struct rw_crashes *out;
	uint64_t news_ms; /* what came before is none */
};

static bool is_panic(const struct rw_event *e)
{
	return e->kind == RINGWATCH__V1__KIND__KIND_PANIC;
}

/* Where the new one goes: the end, when need be in place of the oldest that is no panic. */
static uint32_t make_place(struct rw_crashes *c)
{
	uint32_t victim = 0;

	if (c->count < RW_CRASHES_MAX)
		return c->count++;
	while (victim + 1 < c->count && is_panic(&c->events[victim]))
		victim++;
	uint32_t behind = c->count - victim - 1;
	memmove(&c->events[victim], &c->events[victim + 1], behind * sizeof(c->events[0]));
	return c->count - 1;
}

static void take_event(void *context, struct rw_event *event, uint64_t log_position, uint64_t token)
{
	struct telling *t = context;

	(void)log_position;
	(void)token;
	if (event->severity != RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL ||
	    event->boot_ms < t->news_ms)
		return;
	uint32_t place = make_place(t->out);
	t->out->events[place] = *event;
	t->out->events[place].source = RINGWATCH__V1__SOURCE__SOURCE_PSTORE;
	t->out->events[place].log = NULL;
}

/* Names stand in the text; addresses would be of another boot's kernel. */
static int resolve_nothing(const uint64_t *addresses, uint32_t count, struct rw_symbol *out)
{
	(void)addresses;
	(void)count;
	(void)out;
	return 0;
}

/*
 * An oops that a boot survived for long was seen live, so it is no news though its
 * record is. With a panic the end is known: by the dump's own clock, for a
 * machine that was suspended has another.
 */
static uint64_t news_from(const struct rw_dump *dump, const struct rw_boot_state *boot)
{
	uint64_t end_ms;

	if (boot == NULL)
		return 0;
	end_ms = boot->alive_boot_ms;
	if (dump->reason == RW_DUMP_PANIC && dump->last_usec != UINT64_MAX &&
	    dump->last_usec / 1000 < end_ms)
		end_ms = dump->last_usec / 1000;
	return end_ms > RW_CRASHES_NEWS_MS ? end_ms - RW_CRASHES_NEWS_MS : 0;
}

static size_t offset_at(const struct rw_dump *dump, uint64_t boot_ms)
{
	struct rw_dump_line line;
	size_t at = 0;

	while (rw_dump_next_line(dump, &at, &line)) {
		if (line.usec != UINT64_MAX && line.usec / 1000 >= boot_ms)
			return line.offset;
	}
	return 0;
}

static void feed(const struct rw_dump *dump, uint64_t began, struct rw_events *ev)
{
	struct rw_events_time now = {0, began};
	struct rw_dump_line line;
	struct rw_klog_fact fact;
	uint64_t sequence = 0;
	size_t at = 0;

	while (rw_dump_next_line(dump, &at, &line)) {
		if (!line.from_kernel)
			continue;
		if (line.usec != UINT64_MAX && line.usec / 1000 > now.boot_ms) {
			bool quiet = line.usec / 1000 > now.boot_ms + QUIET_MS;
			now = (struct rw_events_time){line.usec / 1000, began + line.usec / 1000};
			/* a slow console may lie between the lines of one oops */
			if (quiet)
				(void)rw_events_flush(ev, now);
		}
		rw_klog_parse(line.text, line.length, &fact);
		rw_events_line(ev, &fact, sequence++, now.boot_ms, true, now);
	}
	rw_events_flush_all(ev, now);
}

int rw_crashes_find(const struct rw_dump *dump, const struct rw_boot_state *boot,
		    struct rw_crashes *out)
{
	struct telling t = {.out = out, .news_ms = news_from(dump, boot)};
	struct rw_events_config c = {.resolve = resolve_nothing, .fn = take_event, .context = &t};

	out->count = 0;
	if (boot != NULL) {
		memcpy(c.boot_id, boot->boot_id, sizeof(c.boot_id));
		c.boot_order = boot->boot_order;
	}
	struct rw_events *ev = rw_events_new(&c);
	if (ev == NULL)
		return -ENOMEM;
	feed(dump, boot == NULL ? 0 : began_ms(boot), ev);
	rw_events_free(ev);
	for (uint32_t i = 0; i < out->count; i++)
		out->begins[i] = offset_at(dump, out->events[i].boot_ms);
	return 0;
}

int rw_crashes_pack(const struct rw_dump *dump, const struct rw_crashes *crashes, uint32_t which,
		    struct rw_log_excerpt *out)
{
	/* what led to a panic stands before it */
	size_t from = crashes->begins[is_panic(&crashes->events[which]) ? 0 : which];

	for (int i = 0; i < RW_CRASHES_LINES_BEFORE && from > 0; i++) {
		from--;
		while (from > 0 && dump->text[from - 1] != '\n')
			from--;
	}
	return rw_excerpt_pack(dump->text + from, dump->length - from, out);
}
