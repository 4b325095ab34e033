/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own counters as a witness; see counters.h.
 *
 * Both sides are counted: how many a counter grew, how many were told. What one
 * side has more than the other waits for RW_COUNTERS_GRACE_MS. Then what was
 * counted and not told is told here, and what was told and not counted is
 * forgotten. Matched are the oldest first.
 *
 * Sources: kernel/panic.c, kernel/watchdog.c, kernel/rcu/tree_stall.h,
 * kernel/hung_task.c, mm/vmstat.c.
 */
#include "sensor/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/events/sign.h"
#include "lib/events/taint.h"

enum {
	FILE_BYTES = 32 * 1024, /* of /proc/vmstat, some 6 KiB; the others hold a number */
	NAMES_BYTES = 160,
	FLAGS = 64,
};

#define CRITICAL RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL
#define INFO RINGWATCH__V1__SEVERITY__SEVERITY_INFO
#define WARNING RINGWATCH__V1__SEVERITY__SEVERITY_WARNING

static const struct watched {
	const char *name;
	const char *path;
	const char *key; /* the line's first word; NULL: the file holds the number alone */
	Ringwatch__V1__Kind kind;
	Ringwatch__V1__Severity severity;
} watched[] = {
	{"oops_count", "/sys/kernel/oops_count", NULL, RINGWATCH__V1__KIND__KIND_OOPS, CRITICAL},
	{"warn_count", "/sys/kernel/warn_count", NULL, RINGWATCH__V1__KIND__KIND_WARNING, WARNING},
	{"softlockup_count", "/sys/kernel/softlockup_count", NULL,
	 RINGWATCH__V1__KIND__KIND_SOFT_LOCKUP, CRITICAL},
	{"hardlockup_count", "/sys/kernel/hardlockup_count", NULL,
	 RINGWATCH__V1__KIND__KIND_HARD_LOCKUP, CRITICAL},
	{"rcu_stall_count", "/sys/kernel/rcu_stall_count", NULL,
	 RINGWATCH__V1__KIND__KIND_RCU_STALL, WARNING},
	{"hung_task_detect_count", "/proc/sys/kernel/hung_task_detect_count", NULL,
	 RINGWATCH__V1__KIND__KIND_HUNG_TASK, WARNING},
	{"oom_kill", "/proc/vmstat", "oom_kill ", RINGWATCH__V1__KIND__KIND_OOM_KILL, WARNING},
	{"tainted", "/proc/sys/kernel/tainted", NULL, RINGWATCH__V1__KIND__KIND_TAINT, WARNING},
};

enum { WATCHED = sizeof(watched) / sizeof(watched[0]), TAINTED = WATCHED - 1 };

struct rw_counters {
	int files[WATCHED]; /* -1: this kernel has it not */
	struct rw_counters_debt debts[WATCHED];
	uint64_t base_taint;
	uint64_t told_taint; /* by a hook or the log, or from here */
	uint64_t flags_told_here;
	uint64_t flag_since_ms[FLAGS];
	char names[NAMES_BYTES];
};

/* ---- what is compared ------------------------------------------------------------------ */

uint64_t rw_counters_judge(struct rw_counters_debt *d, uint64_t counted, uint64_t told,
			   uint64_t now_ms)
{
	if (!d->based || counted < d->counted || told < d->told) {
		*d = (struct rw_counters_debt){.based = true, .counted = counted, .told = told};
		return 0;
	}
	uint64_t was_owed = d->owed;
	uint64_t was_spare = d->spare;
	uint64_t owed = was_owed + (counted - d->counted);
	uint64_t spare = was_spare + (told - d->told);
	uint64_t matched = owed < spare ? owed : spare;

	d->counted = counted;
	d->told = told;
	d->owed = owed - matched;
	d->spare = spare - matched;
	/* what was waiting has been matched: what waits now is new */
	if (matched >= was_owed)
		d->owed_since_ms = now_ms;
	if (matched >= was_spare)
		d->spare_since_ms = now_ms;
	if (d->spare > 0 && now_ms - d->spare_since_ms >= RW_COUNTERS_GRACE_MS)
		d->spare = 0;
	if (d->owed == 0 || now_ms - d->owed_since_ms < RW_COUNTERS_GRACE_MS)
		return 0;
	uint64_t missing = d->owed;
	d->owed = 0;
	return missing;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int parse_number(const char *text, uint64_t *out)
{
	char *end = NULL;

	if (text[0] < '0' || text[0] > '9')
		return -EBADMSG;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno != 0 || (*end != '\n' && *end != '\0'))
		return -EBADMSG;
	*out = value;
	return 0;
}

/* 0 or negative errno. */
static int read_counter(const struct rw_counters *c, size_t i, uint64_t *out)
{
	char text[FILE_BYTES];
	size_t used = 0;

	while (used < sizeof(text) - 1) {
		ssize_t n = pread(c->files[i], text + used, sizeof(text) - 1 - used, (off_t)used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		/* a number is there at once; only the long file needs another look */
		if (n == 0 || watched[i].key == NULL)
			break;
	}
	text[used] = '\0';
	if (watched[i].key == NULL)
		return parse_number(text, out);

	size_t length = strlen(watched[i].key);
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (strncmp(line, watched[i].key, length) == 0) {
			const char *number = line + length;
			char alone[24] = "";
			size_t digits = strcspn(number, "\n");
			if (digits >= sizeof(alone))
				return -EBADMSG;
			memcpy(alone, number, digits);
			return parse_number(alone, out);
		}
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return -ENOENT;
}

static void open_file(struct rw_counters *c, size_t i, const char *root)
{
	char path[PATH_MAX];
	uint64_t value;

	c->files[i] = -1;
	int n = snprintf(path, sizeof(path), "%s%s", root, watched[i].path);
	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	c->files[i] = open(path, O_RDONLY | O_CLOEXEC);
	if (c->files[i] < 0)
		return;
	if (read_counter(c, i, &value) != 0) {
		close(c->files[i]);
		c->files[i] = -1;
		return;
	}
	c->debts[i] = (struct rw_counters_debt){.based = true, .counted = value};
	size_t used = strlen(c->names);
	snprintf(c->names + used, sizeof(c->names) - used, "%s%s", used > 0 ? ", " : "",
		 watched[i].name);
}

struct rw_counters *rw_counters_open(const char *root)
{
	struct rw_counters *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	for (size_t i = 0; i < WATCHED; i++)
		open_file(c, i, root);
	c->base_taint = c->debts[TAINTED].counted;
	return c;
}

void rw_counters_free(struct rw_counters *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < WATCHED; i++) {
		if (c->files[i] >= 0)
			close(c->files[i]);
	}
	free(c);
}

uint64_t rw_counters_taint(const struct rw_counters *c)
{
	return c->base_taint;
}

const char *rw_counters_names(const struct rw_counters *c)
{
	return c->names;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void tell_missing(const struct watched *w, uint64_t missing, rw_counters_fn *fn,
			 void *context)
{
	struct rw_event event = {.kind = RINGWATCH__V1__KIND__KIND_UNEXPLAINED,
				 .severity = w->severity,
				 .source = RINGWATCH__V1__SOURCE__SOURCE_COUNTER,
				 .cpu = RW_CPU_UNKNOWN,
				 .count = missing < UINT32_MAX ? (uint32_t)missing : UINT32_MAX};

	snprintf(event.signature, sizeof(event.signature), "unexplained:%s", w->name);
	snprintf(event.detail, sizeof(event.detail),
		 "the kernel's %s grew by %" PRIu64 " that no event explains", w->name, missing);
	rw_event_set_fact(&event, RINGWATCH__V1__FACT_NAME__FACT_ERRORS, "%" PRIu64, missing);
	rw_event_set_fact(&event, RINGWATCH__V1__FACT_NAME__FACT_COUNTER, "%s", w->name);
	fn(context, &event);
}

static void tell_flag(uint32_t flag, rw_counters_fn *fn, void *context)
{
	struct rw_event event = {.kind = RINGWATCH__V1__KIND__KIND_TAINT,
				 .severity = rw_taint_is_of_module(flag) ? INFO : WARNING,
				 .source = RINGWATCH__V1__SOURCE__SOURCE_COUNTER,
				 .cpu = RW_CPU_UNKNOWN,
				 .count = 1};
	char name[32];

	/* a flag newer than our table goes by its number */
	if (flag < RW_TAINT_COUNT)
		snprintf(name, sizeof(name), "%s", rw_taint_name(flag));
	else
		snprintf(name, sizeof(name), "flag_%" PRIu32, flag);
	rw_event_set_fact(&event, RINGWATCH__V1__FACT_NAME__FACT_FLAG, "%c", rw_taint_letter(flag));
	rw_event_set_fact(&event, RINGWATCH__V1__FACT_NAME__FACT_FLAG_NAME, "%s", name);
	snprintf(event.detail, sizeof(event.detail), "kernel is tainted now: %c (%s)",
		 rw_taint_letter(flag), name);
	rw_sign(&event);
	fn(context, &event);
}

void rw_counters_saw(struct rw_counters *c, const struct rw_event *event)
{
	const char *flag = rw_event_fact(event, RINGWATCH__V1__FACT_NAME__FACT_FLAG);

	if (event->kind != RINGWATCH__V1__KIND__KIND_TAINT || flag[0] == '\0' || flag[1] != '\0')
		return;
	for (uint32_t i = 0; i < RW_TAINT_COUNT; i++) {
		if (rw_taint_letter(i) == flag[0])
			c->told_taint |= UINT64_C(1) << i;
	}
}

/* A flag is a counter that goes to one: each is told once, by whoever is first. `told`: how
 * many the hooks and the log have told. */
static void run_taint(struct rw_counters *c, uint64_t mask, uint64_t told, uint64_t now_ms,
		      rw_counters_fn *fn, void *context)
{
	uint64_t news = mask & ~c->base_taint;

	for (uint32_t flag = 0; flag < FLAGS; flag++) {
		if (((news & ~c->told_taint) >> flag & 1) == 0)
			continue;
		if (told + c->flags_told_here >= (uint64_t)__builtin_popcountll(news))
			return;
		if (c->flag_since_ms[flag] == 0)
			c->flag_since_ms[flag] = now_ms > 0 ? now_ms : 1;
		if (now_ms - c->flag_since_ms[flag] < RW_COUNTERS_GRACE_MS)
			continue;
		c->told_taint |= UINT64_C(1) << flag;
		c->flags_told_here++;
		tell_flag(flag, fn, context);
	}
}

uint64_t rw_counters_run(struct rw_counters *c, const struct rw_events *events, uint64_t now_ms,
			 rw_counters_fn *fn, void *context)
{
	for (size_t i = 0; i < WATCHED; i++) {
		uint64_t value = 0;

		if (c->files[i] < 0 || read_counter(c, i, &value) != 0)
			continue;
		if (i == TAINTED) {
			run_taint(c, value, rw_events_told(events, watched[i].kind), now_ms, fn,
				  context);
			continue;
		}
		uint64_t missing = rw_counters_judge(
			&c->debts[i], value, rw_events_told(events, watched[i].kind), now_ms);
		if (missing > 0)
			tell_missing(&watched[i], missing, fn, context);
	}
	return now_ms + RW_COUNTERS_EVERY_MS;
}
