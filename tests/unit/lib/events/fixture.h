/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fold with a clock that moves only when told to, a kernel log that is written
 * a line at a time, and what has left.
 */
#ifndef RINGWATCH_TESTS_LIB_EVENTS_FIXTURE_H
#define RINGWATCH_TESTS_LIB_EVENTS_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/events/fold.h"
#include "lib/events/names.h"
#include "lib/events/storm.h"
#include "lib/text.h"

#define FX_UNUSED __attribute__((unused)) static

#define SEVERITY_INFO RINGWATCH__V1__SEVERITY__SEVERITY_INFO
#define SEVERITY_WARNING RINGWATCH__V1__SEVERITY__SEVERITY_WARNING
#define SEVERITY_CRITICAL RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL
#define SOURCE_BPF RINGWATCH__V1__SOURCE__SOURCE_BPF
#define SOURCE_LOG RINGWATCH__V1__SOURCE__SOURCE_LOG
#define SOURCE_BPF_AND_LOG RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG

enum { SEEN_MAX = 64 };

static struct {
	struct rw_events *events;
	struct rw_events_time now;
	uint64_t sequence;
	uint32_t seen_count;
	struct rw_event seen[SEEN_MAX];
	uint64_t positions[SEEN_MAX];
	uint64_t tokens[SEEN_MAX];
	uint32_t log_count;
	struct {
		uint64_t token;
		uint64_t first;
		uint64_t last;
	} logs[SEEN_MAX];
} t;

static void on_event(void *context, struct rw_event *event, uint64_t position, uint64_t token)
{
	(void)context;
	assert_true(t.seen_count < SEEN_MAX);
	assert_true(rw_text_is_clean(event->comm, strlen(event->comm)));
	assert_true(rw_text_is_clean(event->detail, strlen(event->detail)));
	assert_null(strchr(event->detail, '\n'));
	assert_true(event->signature[0] != '\0');
	assert_true(event->detail[0] != '\0');
	assert_true(event->count >= 1);
	for (uint32_t i = 0; i < event->fact_count; i++)
		assert_true(event->facts[i].value[0] != '\0');
	t.positions[t.seen_count] = position;
	t.tokens[t.seen_count] = token;
	t.seen[t.seen_count++] = *event;
}

/* The event has left, and its log is told once. */
static void on_log(void *context, uint64_t token, uint64_t first, uint64_t last)
{
	bool left = false;

	(void)context;
	assert_true(t.log_count < SEEN_MAX);
	assert_true(token != 0 && first <= last && last < t.sequence + 1);
	for (uint32_t i = 0; i < t.seen_count; i++)
		left = left || t.tokens[i] == token;
	assert_true(left);
	for (uint32_t i = 0; i < t.log_count; i++)
		assert_true(t.logs[i].token != token);
	t.logs[t.log_count].token = token;
	t.logs[t.log_count].first = first;
	t.logs[t.log_count++].last = last;
}

static int no_symbols(const uint64_t *addresses, uint32_t count, struct rw_symbol *out)
{
	(void)addresses;
	memset(out, 0, count * sizeof(*out));
	return -EACCES;
}

static int set_up_with(rw_events_resolve_fn *resolve)
{
	struct rw_events_config config = {
		.boot_id = "11111111-2222-3333-4444-555555555555",
		.boot_order = 7,
		.resolve = resolve,
		.fn = on_event,
		.log_fn = on_log,
	};

	memset(&t, 0, sizeof(t));
	t.now = (struct rw_events_time){100000, 1700000000000};
	t.sequence = 500;
	t.events = rw_events_new(&config);
	return t.events == NULL ? -1 : 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(no_symbols);
}

static int tear_down(void **state)
{
	(void)state;
	rw_events_free(t.events);
	t.events = NULL;
	return 0;
}

/* A second host. */
FX_UNUSED void start_anew(void)
{
	tear_down(NULL);
	assert_int_equal(set_up(NULL), 0);
}

FX_UNUSED void bpf_is_live(void)
{
	for (int kind = 1; kind < RW_EVENTS_KINDS; kind++)
		rw_events_set_in_bpf(t.events, (Ringwatch__V1__Kind)kind);
}

FX_UNUSED void tell(const struct rw_klog_fact *fact)
{
	rw_events_line(t.events, fact, t.sequence++, t.now.boot_ms, false, t.now);
}

FX_UNUSED void line(const char *text)
{
	struct rw_klog_fact fact;

	rw_klog_parse(text, strlen(text), &fact);
	tell(&fact);
}

FX_UNUSED void lines(const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		line(texts[i]);
}

FX_UNUSED void old_lines(const char *const *texts, size_t count)
{
	struct rw_klog_fact fact;

	for (size_t i = 0; i < count; i++) {
		rw_klog_parse(texts[i], strlen(texts[i]), &fact);
		rw_events_line(t.events, &fact, t.sequence++, t.now.boot_ms - 3000, true, t.now);
	}
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define LINES(texts) lines(texts, COUNT_OF(texts))

FX_UNUSED void flush(void)
{
	rw_events_flush(t.events, t.now);
}

FX_UNUSED void pass(uint64_t ms)
{
	t.now.boot_ms += ms;
	t.now.wall_ms += ms;
	flush();
}

FX_UNUSED struct rw_record record(enum rw_record_type type, uint32_t cpu, uint32_t pid)
{
	struct rw_record r = {.type = type, .cpu = cpu, .pid = pid, .tgid = pid};

	r.boot_ns = t.now.boot_ms * 1000000;
	memcpy(r.comm, "sh", 3);
	return r;
}

FX_UNUSED void feed(const struct rw_record *r)
{
	rw_events_record(t.events, r, t.now);
}

/* Innermost first. */
FX_UNUSED void put_stack(struct rw_record *r, const char *const *frames, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(r->stack[i], sizeof(r->stack[i]), "%s", frames[i]);
	r->frame_count = (uint32_t)count;
	snprintf(r->symbol, sizeof(r->symbol), "%s", frames[0]);
}

FX_UNUSED const struct rw_event *only_event(void)
{
	assert_int_equal(t.seen_count, 1);
	return &t.seen[0];
}

FX_UNUSED uint64_t counted(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t.seen_count; i++)
		sum += t.seen[i].count;
	return sum;
}

FX_UNUSED void assert_fact(const struct rw_event *e, Ringwatch__V1__FactName name,
			   const char *value)
{
	assert_string_equal(rw_event_fact(e, name), value);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
