/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept logs to events; see replay.h.
 *
 * The fold wants a clock. A boot stamp is one. Other clocks are put beyond all
 * boot stamps, so that an event's time says of which sort it is; lines without
 * any have the time of the line before.
 */
#include "lib/events/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/fold.h"
#include "lib/events/line.h"
#include "lib/events/strip.h"

enum {
	BACK_MS = 2000,  /* so far back, and it is another boot: CPUs differ by less */
	QUIET_MS = 2000, /* a pause in the log: what is held is told. Stamps of whole seconds
			    may be a second apart within one oops */
	BUSY_MS = 30000, /* told without a pause, too */
};
#define NO_BOOT_CLOCK_MS (UINT64_C(1) << 50)

struct part {
	uint32_t number;
	char *text;
	size_t length;
};

struct rw_replay {
	rw_replay_fn *fn;
	void *context;
	struct rw_events *events; /* of the boot at hand; NULL before its first line */
	uint64_t now_ms;
	uint64_t flushed_ms;
	uint64_t sequence;
	size_t used; /* of `line` */
	char line[RW_REPLAY_LINE_BYTES];

	/* the pstore dump at hand */
	uint32_t dump;
	char reason[RW_LOG_REASON_BYTES];
	size_t part_count;
	size_t part_bytes;
	struct part parts[RW_REPLAY_PARTS];
};

/* ---- one line ------------------------------------------------------------------------------ */

static void tell(void *context, struct rw_event *event, uint64_t log_position, uint64_t token)
{
	struct rw_replay *r = context;
	bool has_time = event->boot_ms < NO_BOOT_CLOCK_MS;

	(void)log_position;
	(void)token;
	event->wall_ms = 0;
	r->fn(r->context, event, has_time);
}

static struct rw_events_time now_of(const struct rw_replay *r)
{
	return (struct rw_events_time){.boot_ms = r->now_ms, .wall_ms = r->now_ms};
}

static void end_boot(struct rw_replay *r)
{
	if (r->events != NULL)
		rw_events_flush_all(r->events, now_of(r));
	rw_events_free(r->events);
	r->events = NULL;
}

static int begin_boot(struct rw_replay *r)
{
	struct rw_events_config config = {.fn = tell, .context = r};

	r->events = rw_events_new(&config);
	r->flushed_ms = r->now_ms;
	return r->events == NULL ? -ENOMEM : 0;
}

/* What time it is by this line. */
static uint64_t time_of(const struct rw_replay *r, const struct rw_log_line *line)
{
	switch (line->clock) {
	case RW_LOG_CLOCK_BOOT:
		return line->usec / 1000 < NO_BOOT_CLOCK_MS ? line->usec / 1000
							    : NO_BOOT_CLOCK_MS - 1;
	case RW_LOG_CLOCK_WALL:
		return NO_BOOT_CLOCK_MS + line->usec / 1000;
	case RW_LOG_CLOCK_NONE:
		break;
	}
	return r->events == NULL ? NO_BOOT_CLOCK_MS : r->now_ms;
}

static bool is_other_boot(const struct rw_replay *r, const struct rw_log_line *line,
			  uint64_t now_ms)
{
	static const char version[] = "Linux version ";

	if (now_ms + BACK_MS < r->now_ms)
		return true;
	if ((now_ms < NO_BOOT_CLOCK_MS) != (r->now_ms < NO_BOOT_CLOCK_MS))
		return true;
	return line->length >= sizeof(version) - 1 &&
	       memcmp(line->text, version, sizeof(version) - 1) == 0;
}

static int take_text(struct rw_replay *r, const struct rw_log_line *line)
{
	struct rw_klog_fact fact;
	uint64_t now_ms = time_of(r, line);

	if (r->events != NULL && is_other_boot(r, line, now_ms))
		end_boot(r);
	uint64_t before_ms = r->events == NULL || now_ms < r->now_ms ? now_ms : r->now_ms;
	r->now_ms = now_ms;
	if (r->events == NULL && begin_boot(r) != 0)
		return -ENOMEM;
	if (now_ms - before_ms >= QUIET_MS || now_ms > r->flushed_ms + BUSY_MS) {
		rw_events_flush(r->events, now_of(r));
		r->flushed_ms = now_ms;
	}
	rw_klog_parse(line->text, line->length, &fact);
	rw_events_line(r->events, &fact, r->sequence++, now_ms, true, now_of(r));
	return 0;
}

/* ---- parts of a dump ------------------------------------------------------------------------ */

static int take_bytes(struct rw_replay *r, const char *bytes, size_t length);

static void drop_parts(struct rw_replay *r)
{
	for (size_t i = 0; i < r->part_count; i++)
		free(r->parts[i].text);
	r->part_count = 0;
	r->part_bytes = 0;
}

static int compare_parts(const void *a, const void *b)
{
	const struct part *one = a;
	const struct part *other = b;

	return (one->number < other->number) - (one->number > other->number);
}

/* The dump is complete: read, the highest number first, which is the oldest. */
static int read_parts(struct rw_replay *r)
{
	size_t count = r->part_count;
	int err = 0;

	if (count == 0)
		return 0;
	struct part *parts = malloc(count * sizeof(*parts));
	if (parts == NULL)
		return -ENOMEM;
	memcpy(parts, r->parts, count * sizeof(*parts));
	qsort(parts, count, sizeof(*parts), compare_parts);
	r->part_count = 0; /* the lines below are read, not kept */
	r->part_bytes = 0;
	end_boot(r);
	for (size_t i = 0; i < count; i++) {
		if (err == 0)
			err = take_bytes(r, parts[i].text, parts[i].length);
		free(parts[i].text);
	}
	free(parts);
	end_boot(r);
	return err;
}

static int begin_part(struct rw_replay *r, const struct rw_log_line *head)
{
	bool same =
		r->part_count > 0 && r->dump == head->dump && strcmp(r->reason, head->reason) == 0;

	for (size_t i = 0; i < r->part_count; i++)
		same = same && r->parts[i].number != head->part;
	if (!same || r->part_count == RW_REPLAY_PARTS) {
		int err = read_parts(r);
		if (err != 0)
			return err;
	}
	r->dump = head->dump;
	memcpy(r->reason, head->reason, sizeof(r->reason));
	r->parts[r->part_count++] = (struct part){.number = head->part};
	return 0;
}

/* Keeps a line of a part back. When there is no room left, what is kept is read. */
static int keep_line(struct rw_replay *r, const char *text, size_t length)
{
	struct part *part = &r->parts[r->part_count - 1];

	if (r->part_bytes + length + 1 > RW_REPLAY_PARTS_BYTES) {
		struct part last = {.number = part->number};
		int err = read_parts(r);
		if (err != 0)
			return err;
		r->parts[r->part_count++] = last;
		part = &r->parts[0];
	}
	char *grown = realloc(part->text, part->length + length + 1);
	if (grown == NULL)
		return -ENOMEM;
	part->text = grown;
	memcpy(grown + part->length, text, length);
	grown[part->length + length] = '\n';
	part->length += length + 1;
	r->part_bytes += length + 1;
	return 0;
}

/* ---- bytes to lines -------------------------------------------------------------------------- */

static int take_line(struct rw_replay *r, bool reading_parts)
{
	struct rw_log_line line;
	char kept[sizeof(r->line)];
	size_t length = r->used;

	memcpy(kept, r->line, length);
	r->used = 0;
	rw_log_strip(r->line, length, &line);
	if (line.part > 0 && !reading_parts)
		return begin_part(r, &line);
	if (r->part_count > 0)
		return keep_line(r, kept, length);
	if (line.new_boot)
		end_boot(r);
	/* the pieces behind the first begin in the middle of a text */
	if (!line.is_kernel || line.new_boot || line.part > 0 || line.fragment_at > 0)
		return 0;
	return take_text(r, &line);
}

/* What does not fit a line is left out; `used` then stays at the line's size. */
static int take_bytes_as(struct rw_replay *r, const char *bytes, size_t length, bool reading_parts)
{
	while (length > 0) {
		const char *newline = memchr(bytes, '\n', length);
		size_t piece = newline == NULL ? length : (size_t)(newline - bytes);
		size_t room = sizeof(r->line) - r->used;
		size_t taken = piece < room ? piece : room;
		memcpy(r->line + r->used, bytes, taken);
		r->used += taken;
		if (newline == NULL)
			return 0;
		int err = take_line(r, reading_parts);
		if (err != 0)
			return err;
		bytes += piece + 1;
		length -= piece + 1;
	}
	return 0;
}

static int take_bytes(struct rw_replay *r, const char *bytes, size_t length)
{
	return take_bytes_as(r, bytes, length, true);
}

/* ---- life ------------------------------------------------------------------------ */

struct rw_replay *rw_replay_new(rw_replay_fn *fn, void *context)
{
	struct rw_replay *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->fn = fn;
	r->context = context;
	return r;
}

void rw_replay_free(struct rw_replay *r)
{
	if (r == NULL)
		return;
	rw_events_free(r->events);
	drop_parts(r);
	free(r);
}

int rw_replay_feed(struct rw_replay *r, const char *bytes, size_t length)
{
	return take_bytes_as(r, bytes, length, false);
}

int rw_replay_end(struct rw_replay *r)
{
	int err = r->used > 0 ? take_line(r, false) : 0;

	if (err == 0)
		err = read_parts(r);
	end_boot(r);
	return err;
}
