/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's counters as a witness: what grew and nobody told is said once,
 * after the slower source had its chance, and nothing that was told is said
 * again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/events/fold.h"
#include "lib/events/line.h"
#include "sensor/counters.h"

#define GRACE RW_COUNTERS_GRACE_MS

/* ---- the judge -------------------------------------------------------------------------- */

static void test_the_base_is_no_news(void **state)
{
	struct rw_counters_debt d = {0};

	(void)state;
	assert_int_equal(rw_counters_judge(&d, 17, 3, 0), 0);
	assert_int_equal(rw_counters_judge(&d, 17, 3, GRACE * 5), 0);
}

static void test_what_nobody_tells_is_said_once_after_the_grace(void **state)
{
	struct rw_counters_debt d = {.based = true};

	(void)state;
	assert_int_equal(rw_counters_judge(&d, 2, 0, 5000), 0);
	assert_int_equal(rw_counters_judge(&d, 2, 0, 5000 + GRACE - 1), 0);
	assert_int_equal(rw_counters_judge(&d, 2, 0, 5000 + GRACE), 2);
	assert_int_equal(rw_counters_judge(&d, 2, 0, 5000 + GRACE * 9), 0);
	/* an event that comes even later explains nothing else */
	assert_int_equal(rw_counters_judge(&d, 2, 2, 5000 + GRACE * 10), 0);
	assert_int_equal(rw_counters_judge(&d, 2, 2, 5000 + GRACE * 12), 0);
	assert_int_equal(rw_counters_judge(&d, 3, 2, 5000 + GRACE * 13), 0);
	assert_int_equal(rw_counters_judge(&d, 3, 2, 5000 + GRACE * 14), 1);
}

static void test_either_may_come_first(void **state)
{
	struct rw_counters_debt d = {.based = true};

	(void)state;
	/* counted, then told */
	assert_int_equal(rw_counters_judge(&d, 1, 0, 0), 0);
	assert_int_equal(rw_counters_judge(&d, 1, 1, 5000), 0);
	assert_int_equal(rw_counters_judge(&d, 1, 1, 60000), 0);
	/* told, then counted */
	assert_int_equal(rw_counters_judge(&d, 1, 2, 65000), 0);
	assert_int_equal(rw_counters_judge(&d, 2, 2, 70000), 0);
	assert_int_equal(rw_counters_judge(&d, 2, 2, 200000), 0);
}

static void test_an_event_too_many_is_no_debt(void **state)
{
	struct rw_counters_debt d = {.based = true};

	(void)state;
	/* a panic that ended the oops before it was counted, say */
	assert_int_equal(rw_counters_judge(&d, 0, 1, 0), 0);
	assert_int_equal(rw_counters_judge(&d, 0, 1, GRACE), 0);
	assert_int_equal(rw_counters_judge(&d, 1, 1, GRACE + 5000), 0);
	assert_int_equal(rw_counters_judge(&d, 1, 1, GRACE * 2 + 5000), 1);
}

static void test_a_storm_told_with_a_lag_is_explained(void **state)
{
	struct rw_counters_debt d = {.based = true};

	(void)state;
	/* each look finds 1000 more, of which the last 100 are told by the next look */
	for (uint64_t i = 1; i < 100; i++)
		assert_int_equal(rw_counters_judge(&d, i * 1000, i * 1000 - 100, i * 5000), 0);
	/* of these, one in ten is never told */
	uint64_t said = 0;
	for (uint64_t i = 100; i < 200; i++)
		said += rw_counters_judge(&d, i * 1000, 98900 + (i - 99) * 900, i * 5000);
	assert_true(said > 9000 && said <= 10100);
}

static void test_a_counter_that_went_back_is_a_new_base(void **state)
{
	struct rw_counters_debt d = {.based = true, .counted = 50, .told = 2, .owed = 1};

	(void)state;
	assert_int_equal(rw_counters_judge(&d, 3, 2, 0), 0);
	assert_int_equal(rw_counters_judge(&d, 3, 2, GRACE * 3), 0);
}

/* ---- with files --------------------------------------------------------------------------- */

static char root[64];

static void put_file(const char *path, const char *text)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	FILE *file = fopen(full, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ringwatch-counters-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	put_file("/sys/kernel/oops_count", "3\n");
	put_file("/sys/kernel/warn_count", "5\n");
	put_file("/proc/sys/kernel/tainted", "4096\n");
	put_file("/proc/vmstat", "nr_free_pages 1234\noom_kill_but_not_it 9\noom_kill 7\nlast 1\n");
	return 0;
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

struct told {
	uint32_t count;
	struct rw_event last;
};

static void tell(void *context, struct rw_event *event)
{
	struct told *told = context;

	told->count++;
	told->last = *event;
}

static void ignore(void *context, struct rw_event *event, uint64_t position, uint64_t token)
{
	(void)context;
	(void)event;
	(void)position;
	(void)token;
}

static struct rw_events *make_events(void)
{
	struct rw_events_config config = {.fn = ignore};
	struct rw_events *events = rw_events_new(&config);

	assert_non_null(events);
	return events;
}

static void test_a_count_that_no_event_explains(void **state)
{
	struct rw_events *events = make_events();
	struct told told = {0};
	struct rw_counters *c = rw_counters_open(root);

	(void)state;
	assert_non_null(c);
	assert_string_equal(rw_counters_names(c), "oops_count, warn_count, oom_kill, tainted");
	assert_int_equal(rw_counters_taint(c), 4096);
	assert_int_equal(rw_counters_run(c, events, 1000, tell, &told), 6000);
	put_file("/sys/kernel/oops_count", "5\n");
	rw_counters_run(c, events, 6000, tell, &told);
	assert_int_equal(told.count, 0);
	rw_counters_run(c, events, 6000 + GRACE, tell, &told);
	assert_int_equal(told.count, 1);
	const struct rw_event *e = &told.last;
	assert_int_equal(e->kind, RINGWATCH__V1__KIND__KIND_UNEXPLAINED);
	assert_int_equal(e->severity, RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL);
	assert_int_equal(e->source, RINGWATCH__V1__SOURCE__SOURCE_COUNTER);
	assert_string_equal(e->signature, "unexplained:oops_count");
	assert_int_equal(e->count, 2);
	assert_string_equal(rw_event_fact(e, RINGWATCH__V1__FACT_NAME__FACT_COUNTER), "oops_count");
	assert_string_equal(rw_event_fact(e, RINGWATCH__V1__FACT_NAME__FACT_ERRORS), "2");
	assert_true(e->detail[0] != '\0');

	put_file("/proc/vmstat", "nr_free_pages 1234\noom_kill 8\n");
	rw_counters_run(c, events, 100000, tell, &told);
	rw_counters_run(c, events, 100000 + GRACE, tell, &told);
	assert_int_equal(told.count, 2);
	assert_string_equal(told.last.signature, "unexplained:oom_kill");
	rw_counters_free(c);
	rw_counters_free(NULL);
	rw_events_free(events);
}

static void test_what_the_log_told_is_explained(void **state)
{
	static const char line[] =
		"WARNING: CPU: 0 PID: 140 at /build/crash.c:55 crash_write+0x88/0x110 [rw_crash]";
	struct rw_events *events = make_events();
	struct rw_events_time now = {.boot_ms = 2000};
	struct told told = {0};
	struct rw_klog_fact fact;
	struct rw_counters *c = rw_counters_open(root);

	(void)state;
	assert_non_null(c);
	rw_counters_run(c, events, 1000, tell, &told);
	rw_klog_parse(line, strlen(line), &fact);
	rw_events_line(events, &fact, 1, 2000, false, now);
	rw_events_flush_all(events, now);
	put_file("/sys/kernel/warn_count", "6\n");
	for (uint64_t at = 6000; at < 100000; at += 5000)
		rw_counters_run(c, events, at, tell, &told);
	assert_int_equal(told.count, 0);
	rw_counters_free(c);
	rw_events_free(events);
}

static void test_each_taint_flag_is_told_once_and_only_when_no_hook_has(void **state)
{
	struct rw_events *events = make_events();
	struct told told = {0};
	struct rw_counters *c = rw_counters_open(root);
	struct rw_event hook = {.kind = RINGWATCH__V1__KIND__KIND_TAINT};

	(void)state;
	assert_non_null(c);
	rw_event_set_fact(&hook, RINGWATCH__V1__FACT_NAME__FACT_FLAG, "W");
	put_file("/proc/sys/kernel/tainted", "12800\n"); /* O + E + W */
	rw_counters_run(c, events, 5000, tell, &told);
	rw_counters_saw(c, &hook);
	assert_int_equal(told.count, 0);
	for (uint64_t at = 10000; at < 100000; at += 5000)
		rw_counters_run(c, events, at, tell, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.last.kind, RINGWATCH__V1__KIND__KIND_TAINT);
	assert_string_equal(rw_event_fact(&told.last, RINGWATCH__V1__FACT_NAME__FACT_FLAG), "E");
	assert_string_equal(rw_event_fact(&told.last, RINGWATCH__V1__FACT_NAME__FACT_FLAG_NAME),
			    "unsigned_module");
	rw_counters_free(c);
	rw_events_free(events);
}

static void test_a_taint_that_the_log_told_is_not_told_again(void **state)
{
	static const char line[] =
		"rw_ok: module verification failed: signature and/or required key "
		"missing - tainting kernel";
	struct rw_events *events = make_events();
	struct rw_events_time now = {.boot_ms = 2000};
	struct told told = {0};
	struct rw_klog_fact fact;
	struct rw_counters *c = rw_counters_open(root);

	(void)state;
	assert_non_null(c);
	rw_events_set_taint(events, rw_counters_taint(c));
	put_file("/proc/sys/kernel/tainted", "12288\n");
	rw_klog_parse(line, strlen(line), &fact);
	rw_events_line(events, &fact, 1, 2000, false, now);
	rw_events_flush_all(events, now);
	for (uint64_t at = 5000; at < 100000; at += 5000)
		rw_counters_run(c, events, at, tell, &told);
	assert_int_equal(told.count, 0);
	rw_counters_free(c);
	rw_events_free(events);
}

static void test_unreadable_counters_are_left_out(void **state)
{
	struct rw_events *events = make_events();
	struct told told = {0};
	struct rw_counters *c;

	(void)state;
	put_file("/sys/kernel/oops_count", "many\n");
	put_file("/proc/vmstat", "nr_free_pages 1234\n");
	put_file("/proc/sys/kernel/tainted", "99999999999999999999999\n");
	c = rw_counters_open(root);
	assert_non_null(c);
	assert_string_equal(rw_counters_names(c), "warn_count");
	/* one that turns to nonsense later says nothing */
	put_file("/sys/kernel/warn_count", "");
	rw_counters_run(c, events, 1000, tell, &told);
	rw_counters_run(c, events, 100000, tell, &told);
	assert_int_equal(told.count, 0);
	rw_counters_free(c);

	c = rw_counters_open("/tmp/ringwatch-there-is-no-such-place");
	assert_non_null(c);
	assert_string_equal(rw_counters_names(c), "");
	assert_int_equal(rw_counters_taint(c), 0);
	rw_counters_run(c, events, 1000, tell, &told);
	assert_int_equal(told.count, 0);
	rw_counters_free(c);
	rw_events_free(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_base_is_no_news),
		cmocka_unit_test(test_what_nobody_tells_is_said_once_after_the_grace),
		cmocka_unit_test(test_either_may_come_first),
		cmocka_unit_test(test_an_event_too_many_is_no_debt),
		cmocka_unit_test(test_a_storm_told_with_a_lag_is_explained),
		cmocka_unit_test(test_a_counter_that_went_back_is_a_new_base),
		cmocka_unit_test_setup_teardown(test_a_count_that_no_event_explains, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(test_what_the_log_told_is_explained, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(
			test_each_taint_flag_is_told_once_and_only_when_no_hook_has, make_root,
			remove_root),
		cmocka_unit_test_setup_teardown(test_a_taint_that_the_log_told_is_not_told_again,
						make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_unreadable_counters_are_left_out, make_root,
						remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
