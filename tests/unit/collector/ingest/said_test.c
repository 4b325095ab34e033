/* SPDX-License-Identifier: Apache-2.0 */
/* A ring's coverage is the sum of what its hosts say, at any time; the same words are kept once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/ingest/said.h"

#define OOPS RINGWATCH__V1__KIND__KIND_OOPS
#define PANIC RINGWATCH__V1__KIND__KIND_PANIC
#define HARD RINGWATCH__V1__KIND__KIND_HARD_LOCKUP
#define BIT(kind) (UINT32_C(1) << (kind))

/* A Hello whose texts may be changed before it is said. */
struct hello {
	Ringwatch__V1__Hello message;
	Ringwatch__V1__Coverage rows[RW_COVERAGE_MAX];
	Ringwatch__V1__Coverage *pointers[RW_COVERAGE_MAX];
};

static void begin(struct hello *h)
{
	static char program[] = "ringwatch-sensor 1", release[] = "6.1.0", arch[] = "x86_64",
		    none[] = "none", empty[] = "";

	ringwatch__v1__hello__init(&h->message);
	h->message.program = program;
	h->message.kernel_release = release;
	h->message.architecture = arch;
	h->message.netconsole = none;
	h->message.spool_state = RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK;
	h->message.spool_reason = empty;
	h->message.coverage = h->pointers;
}

static void cover(struct hello *h, Ringwatch__V1__Kind kind, const char *hook, const char *reason)
{
	Ringwatch__V1__Coverage *row = &h->rows[h->message.n_coverage];

	ringwatch__v1__coverage__init(row);
	row->kind = kind;
	row->hook = (char *)(uintptr_t)hook;
	row->reason = (char *)(uintptr_t)reason;
	h->pointers[h->message.n_coverage++] = row;
}

static struct rw_host_said *say(struct rw_said_table *table, const struct hello *h)
{
	struct rw_host_said *said = rw_host_said_new(table, &h->message);

	assert_non_null(said);
	return said;
}

static struct rw_host_said *say_in(struct rw_said_table *table, const struct hello *h,
				   uint32_t ring)
{
	struct rw_host_said *said = say(table, h);

	rw_host_said_count(said, ring);
	return said;
}

static void kind_is(const struct rw_said_table *table, uint32_t ring, Ringwatch__V1__Kind kind,
		    uint64_t bpf, uint64_t log, uint64_t none)
{
	struct rw_ring_coverage coverage;

	rw_said_coverage(table, ring, &coverage);
	assert_int_equal(coverage.kinds[kind].bpf, bpf);
	assert_int_equal(coverage.kinds[kind].log, log);
	assert_int_equal(coverage.kinds[kind].none, none);
}

static uint64_t hosts_in(const struct rw_said_table *table, uint32_t ring)
{
	struct rw_ring_coverage coverage;

	rw_said_coverage(table, ring, &coverage);
	return coverage.hosts;
}

static void test_the_same_words_are_kept_once(void **state)
{
	struct rw_said_table *table = rw_said_table_new();
	struct rw_host_said *hosts[1000];
	struct hello h = {0}, other = {0};

	(void)state;
	assert_non_null(table);
	begin(&h);
	cover(&h, OOPS, "fentry/oops_enter + kernel log", "");
	begin(&other);
	cover(&other, OOPS, "fentry/oops_enter + kernel log", "not better");
	for (size_t i = 0; i < 1000; i++)
		hosts[i] = say(table, i % 10 == 0 ? &other : &h);
	assert_int_equal(rw_said_sets(table), 2);
	for (size_t i = 0; i < 1000; i += 10)
		rw_host_said_free(hosts[i]);
	assert_int_equal(rw_said_sets(table), 1);
	for (size_t i = 0; i < 1000; i++) {
		if (i % 10 != 0)
			rw_host_said_free(hosts[i]);
	}
	assert_int_equal(rw_said_sets(table), 0);
	rw_said_table_free(table);
}

/* Cut elsewhere, the texts are other words. */
static void test_words_that_only_look_alike_are_kept_apart(void **state)
{
	struct rw_said_table *table = rw_said_table_new();
	struct hello a = {0}, b = {0};

	(void)state;
	begin(&a);
	cover(&a, OOPS, "none", "x");
	cover(&a, PANIC, "kernel log", "");
	begin(&b);
	cover(&b, PANIC, "none", "x");
	cover(&b, OOPS, "kernel log", "");
	struct rw_host_said *first = say_in(table, &a, 0);
	struct rw_host_said *second = say_in(table, &b, 0);
	assert_int_equal(rw_said_sets(table), 2);
	kind_is(table, 0, OOPS, 0, 1, 1);
	kind_is(table, 0, PANIC, 0, 1, 1);
	rw_host_said_free(first);
	kind_is(table, 0, OOPS, 0, 1, 0);
	kind_is(table, 0, PANIC, 0, 0, 1);
	rw_host_said_free(second);
	rw_said_table_free(table);
}

static void test_a_ring_counts_its_hosts_by_what_they_see_through(void **state)
{
	struct rw_said_table *table = rw_said_table_new();
	struct hello all = {0}, log = {0}, blind = {0};

	(void)state;
	begin(&all);
	cover(&all, OOPS, "fentry/oops_enter + kernel log", "");
	cover(&all, HARD, "kernel log + hardlockup_count", "in an NMI");
	begin(&log);
	cover(&log, OOPS, "kernel log", "no BTF");
	cover(&log, HARD, "kernel log", "");
	begin(&blind);
	cover(&blind, OOPS, "raw_tp/console", "");
	cover(&blind, HARD, "none", "the kernel log cannot be read");

	struct rw_host_said *hosts[4] = {say_in(table, &all, 0), say_in(table, &all, 0),
					 say_in(table, &log, 0), say_in(table, &blind, 1)};
	assert_int_equal(hosts_in(table, 0), 3);
	assert_int_equal(hosts_in(table, 1), 1);
	assert_int_equal(hosts_in(table, 2), 0);
	assert_int_equal(hosts_in(table, RW_CORE_RINGS_MAX), 0);
	kind_is(table, 0, OOPS, 2, 1, 0);
	kind_is(table, 0, HARD, 0, 3, 0);
	kind_is(table, 0, PANIC, 0, 0, 0);
	kind_is(table, 1, OOPS, 1, 0, 0);
	kind_is(table, 1, HARD, 0, 0, 1);
	assert_int_equal(rw_host_said_blind_kinds(hosts[0]), 0);
	assert_int_equal(rw_host_said_blind_kinds(hosts[3]), BIT(HARD));

	/* It moves to another ring; one is heard no more. */
	rw_host_said_count(hosts[3], 0);
	assert_int_equal(hosts_in(table, 0), 4);
	assert_int_equal(hosts_in(table, 1), 0);
	kind_is(table, 0, HARD, 0, 3, 1);
	kind_is(table, 1, HARD, 0, 0, 0);
	rw_host_said_free(hosts[0]);
	kind_is(table, 0, OOPS, 2, 1, 0);
	for (size_t i = 1; i < 4; i++)
		rw_host_said_free(hosts[i]);
	assert_int_equal(hosts_in(table, 0), 0);
	kind_is(table, 0, OOPS, 0, 0, 0);
	rw_said_table_free(table);
}

static void test_a_kind_that_stands_twice_counts_once_and_by_its_best(void **state)
{
	struct rw_said_table *table = rw_said_table_new();
	struct hello h = {0};

	(void)state;
	begin(&h);
	cover(&h, OOPS, "none", "");
	cover(&h, OOPS, "kernel log", "");
	cover(&h, OOPS, "kprobe/die", "");
	cover(&h, PANIC, "kernel log", "");
	cover(&h, PANIC, "none", "");
	cover(&h, HARD, "none", "");
	cover(&h, HARD, "none", "");
	struct rw_host_said *said = say_in(table, &h, 3);
	kind_is(table, 3, OOPS, 1, 0, 0);
	kind_is(table, 3, PANIC, 0, 1, 0);
	kind_is(table, 3, HARD, 0, 0, 1);
	assert_int_equal(rw_host_said_blind_kinds(said), BIT(HARD));
	rw_host_said_free(said);
	rw_said_table_free(table);
}

static void test_what_only_looks_like_a_hook_of_bpf_is_none(void **state)
{
	struct rw_said_table *table = rw_said_table_new();
	struct hello h = {0};

	(void)state;
	begin(&h);
	cover(&h, OOPS, "boot state file + pstore /sys/fs/pstore", "");
	cover(&h, PANIC, "none of them", "");
	struct rw_host_said *said = say_in(table, &h, 0);
	kind_is(table, 0, OOPS, 0, 1, 0);
	kind_is(table, 0, PANIC, 0, 1, 0);
	rw_host_said_free(said);
	rw_said_table_free(table);
}

static void test_hosts_that_do_less_than_they_could_are_counted(void **state)
{
	struct rw_said_table *table = rw_said_table_new();
	struct rw_ring_coverage coverage;
	struct hello h = {0};
	char reason[] = "disk full";

	(void)state;
	begin(&h);
	struct rw_host_said *good = say_in(table, &h, 1);
	h.message.safe_start = 1;
	h.message.spool_state = RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY;
	h.message.spool_reason = reason;
	struct rw_host_said *bad = say_in(table, &h, 1);
	rw_said_coverage(table, 1, &coverage);
	assert_int_equal(coverage.hosts, 2);
	assert_int_equal(coverage.safe_start, 1);
	assert_int_equal(coverage.memory_spool, 1);

	struct rw_host_marks marks;
	rw_host_said_marks(bad, &marks);
	assert_true(marks.known && marks.safe_start && marks.memory_spool);
	assert_string_equal(marks.spool_reason, "disk full");
	rw_host_said_marks(good, &marks);
	assert_true(marks.known && !marks.safe_start && !marks.memory_spool);
	assert_string_equal(marks.spool_reason, "");
	rw_host_said_marks(NULL, &marks);
	assert_false(marks.known);
	rw_host_said_free(bad);
	rw_said_coverage(table, 1, &coverage);
	assert_int_equal(coverage.safe_start + coverage.memory_spool, 0);
	rw_host_said_free(good);
	rw_said_table_free(table);
}

static void test_facts_come_back_as_they_were_said(void **state)
{
	struct rw_said_table *table = rw_said_table_new();
	static struct rw_host_facts facts;
	Ringwatch__V1__Heartbeat heartbeat = RINGWATCH__V1__HEARTBEAT__INIT;
	struct hello h = {0};
	char longest[161], armed[] = "armed", reason[] = "no room";

	(void)state;
	begin(&h);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[160] = '\0';
	h.message.netconsole = armed;
	h.message.spool_state = RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY;
	h.message.spool_reason = reason;
	for (int i = 0; i < RW_COVERAGE_MAX; i++)
		cover(&h, i % 2 == 0 ? OOPS : PANIC, longest, i == 31 ? "last" : "");
	struct rw_host_said *said = say(table, &h);
	heartbeat.pending_events = 3;
	heartbeat.lost_events = 4;
	rw_host_said_heartbeat(said, &heartbeat);
	rw_host_said_facts(said, &facts);
	assert_true(facts.marks.known);
	assert_string_equal(facts.marks.spool_reason, "no room");
	assert_string_equal(facts.program, "ringwatch-sensor 1");
	assert_string_equal(facts.kernel_release, "6.1.0");
	assert_string_equal(facts.architecture, "x86_64");
	assert_string_equal(facts.netconsole, "armed");
	assert_int_equal(facts.pending_events, 3);
	assert_int_equal(facts.lost_events, 4);
	assert_int_equal(facts.coverage_count, RW_COVERAGE_MAX);
	assert_string_equal(facts.coverage[31].hook, longest);
	assert_string_equal(facts.coverage[31].reason, "last");
	assert_int_equal(facts.coverage[31].kind, PANIC);
	rw_host_said_facts(NULL, &facts);
	assert_false(facts.marks.known);
	assert_int_equal(facts.coverage_count, 0);
	/* What a host still holds outlives the table. */
	rw_said_table_free(table);
	rw_host_said_count(said, 0);
	rw_host_said_free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_words_are_kept_once),
		cmocka_unit_test(test_words_that_only_look_alike_are_kept_apart),
		cmocka_unit_test(test_a_ring_counts_its_hosts_by_what_they_see_through),
		cmocka_unit_test(test_a_kind_that_stands_twice_counts_once_and_by_its_best),
		cmocka_unit_test(test_what_only_looks_like_a_hook_of_bpf_is_none),
		cmocka_unit_test(test_hosts_that_do_less_than_they_could_are_counted),
		cmocka_unit_test(test_facts_come_back_as_they_were_said),
	};

	return cmocka_run_group_tests_name("said", tests, NULL, NULL);
}
