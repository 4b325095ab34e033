/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which lines of the kernel log belong to an event that has left; and a log
 * alone, cut short at either end, as a dead boot leaves it.
 */
#include "tests/unit/lib/events/fixture.h"

static const char *const oops[] = {
	"BUG: kernel NULL pointer dereference, address: 0000000000000000",
	"#PF: supervisor write access in kernel mode",
	"#PF: error_code(0x0002) - not-present page",
	"PGD 0 P4D 0 ",
	"Oops: 0002 [#1] PREEMPT SMP NOPTI",
	"CPU: 1 PID: 123 Comm: sh Tainted: G           OE      6.1.0-18-cloud-amd64 #1",
	"Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2",
	"RIP: 0010:crash_write+0x12/0x30 [rw_crash]",
	"Code: 48 c7 c7 00 00 00 00 e8 00 00 00 00 c7 04 25 00 00 00 00 01 00 00 00",
	"RSP: 0018:ffffb2c040bd7e88 EFLAGS: 00010246",
	"Call Trace:",
	" <TASK>",
	" proc_reg_write+0x5a/0xa0",
	" vfs_write+0xc0/0x3d0",
	" </TASK>",
	"Modules linked in: rw_crash(OE) virtio_net",
	"CR2: 0000000000000000",
	"---[ end trace 0000000000000000 ]---",
};

enum { OOPS_LAST = sizeof(oops) / sizeof(oops[0]) - 1 };

static void bpf_oops(uint32_t cpu, uint32_t pid, const char *symbol)
{
	struct rw_record r = record(RW_RECORD_OOPS_BEGIN, cpu, pid);

	feed(&r);
	r = record(RW_RECORD_OOPS_DETAIL, cpu, pid);
	snprintf(r.text, sizeof(r.text), "Oops");
	put_stack(&r, &symbol, 1);
	feed(&r);
}

static void assert_log(uint32_t n, uint64_t token, uint64_t first, uint64_t last)
{
	assert_true(t.log_count > n);
	assert_int_equal(t.logs[n].token, token);
	assert_int_equal(t.logs[n].first, first);
	assert_int_equal(t.logs[n].last, last);
}

/* ---- the lines of an event --------------------------------------------------------- */

static void test_block_read_before_the_event_leaves(void **state)
{
	(void)state;
	line("usb 1-1: new high-speed USB device");
	LINES(oops);
	line("note: sh[123] exited with irqs disabled");
	flush();
	only_event();
	assert_true(t.tokens[0] != 0);
	assert_int_equal(t.log_count, 1);
	assert_log(0, t.tokens[0], 501, 501 + OOPS_LAST);
}

static void test_block_that_follows_the_event(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	only_event();
	assert_int_equal(t.log_count, 0);
	pass(5);
	lines(oops, 10);
	pass(5);
	assert_int_equal(t.log_count, 0);
	lines(oops + 10, COUNT_OF(oops) - 10);
	flush();
	assert_int_equal(t.log_count, 1);
	assert_log(0, t.tokens[0], 500, 500 + OOPS_LAST);
	only_event();
}

static void test_event_that_leaves_amid_its_block(void **state)
{
	(void)state;
	lines(oops, 8);
	pass(RW_EVENTS_HOLD_MS);
	only_event();
	assert_int_equal(t.log_count, 0);
	lines(oops + 8, COUNT_OF(oops) - 8);
	flush();
	assert_log(0, t.tokens[0], 500, 500 + OOPS_LAST);
}

static void test_block_without_an_end_ends_by_itself(void **state)
{
	(void)state;
	lines(oops, 14);
	pass(RW_EVENTS_HOLD_MS);
	only_event();
	assert_int_equal(t.log_count, 0);
	/* the sensor is told when to look again */
	assert_int_equal(rw_events_flush(t.events, t.now),
			 t.now.boot_ms - RW_EVENTS_HOLD_MS + RW_EVENTS_BLOCK_MS);
	pass(RW_EVENTS_BLOCK_MS - RW_EVENTS_HOLD_MS);
	assert_log(0, t.tokens[0], 500, 513);
}

/* A firewall that logs each packet: its lines do not make the block endless. */
static void test_chatter_does_not_belong_to_it(void **state)
{
	(void)state;
	lines(oops, 14);
	for (int i = 0; i < 200; i++) {
		line("IN=eth0 OUT= MAC=52:55:0a:00:02:02 SRC=10.0.2.2 DST=10.0.2.15 LEN=60");
		pass(10);
	}
	only_event();
	assert_int_equal(t.log_count, 1);
	assert_true(t.logs[0].last < 513 + 20);
}

static void test_next_block_ends_the_one_before(void **state)
{
	(void)state;
	lines(oops, 14);
	line("Kernel panic - not syncing: Fatal exception");
	line("Kernel Offset: 0x1e00000 from 0xffffffff81000000");
	line("---[ end Kernel panic - not syncing: Fatal exception ]---");
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_log(0, t.tokens[0], 500, 513);
	pass(RW_EVENTS_BLOCK_MS);
	assert_log(1, t.tokens[1], 514, 516);
}

static void test_two_cpus_get_their_own_lines(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_oops(0, 10, "a+0x1/0x2");
	flush();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	assert_int_equal(t.seen_count, 2);
	LINES(oops); /* of CPU 1 */
	flush();
	assert_int_equal(t.log_count, 1);
	assert_log(0, t.tokens[1], 500, 500 + OOPS_LAST);

	/* and those of CPU 0 find their event too */
	line(oops[0]);
	line("CPU: 0 PID: 10 Comm: a Tainted: G           OE      6.1.0-18-cloud-amd64 #1");
	line("---[ end trace 0000000000000000 ]---");
	flush();
	assert_log(1, t.tokens[0], 501 + OOPS_LAST, 503 + OOPS_LAST);
}

static void test_one_line_tells_all(void **state)
{
	static const char killed[] =
		"Out of memory: Killed process 4243 (hog) total-vm:300000kB, anon-rss:204912kB, "
		"file-rss:1024kB, shmem-rss:0kB, UID:0 pgtables:460kB oom_score_adj:0";

	(void)state;
	line(killed);
	flush();
	only_event();
	pass(RW_EVENTS_BLOCK_MS);
	assert_log(0, t.tokens[0], 500, 500);

	/* with a few lines behind it, as of an error that the firmware tells */
	line("{1}[Hardware Error]: event severity: corrected");
	line("{1}[Hardware Error]:  Error 0, type: corrected");
	line("{1}[Hardware Error]:   section_type: memory error");
	flush();
	pass(RW_EVENTS_BLOCK_MS);
	assert_log(1, t.tokens[1], 501, 503);
}

static void test_one_line_amid_an_oops_does_not_end_it(void **state)
{
	(void)state;
	lines(oops, 9);
	line("EDAC MC0: 1 CE memory read error on DIMM_A1 (channel:1 slot:0 page:0x2fae40)");
	lines(oops + 9, COUNT_OF(oops) - 9);
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(t.log_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		bool is_oops = t.seen[i].kind == KIND_OOPS;
		assert_log(i, t.tokens[i], is_oops ? 500 : 509, is_oops ? 501 + OOPS_LAST : 509);
	}
	assert_int_equal(
		t.seen[0].kind == KIND_OOPS ? t.seen[0].stack_count : t.seen[1].stack_count, 3);
}

static void test_several_lines_of_one_load_are_one_stretch(void **state)
{
	(void)state;
	bpf_is_live();
	line("rw_bad: Unknown symbol nowhere (err -2)");
	line("rw_bad: Unknown symbol nowhere_else (err -2)");
	struct rw_record r = record(RW_RECORD_MODULE_FAILED, 0, 5);
	snprintf(r.name, sizeof(r.name), "rw_bad");
	r.error = -ENOENT;
	r.value = RW_STAGE_LOAD;
	feed(&r);
	flush();
	pass(RW_EVENTS_BLOCK_MS);
	only_event();
	assert_log(0, t.tokens[0], 500, 501);
}

/* What is counted has no token, and nobody is told of its lines. */
static void test_storm_tells_the_log_of_the_first_ones_alone(void **state)
{
	char text[128];

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text),
			 "WARNING: CPU: 0 PID: %d at /build/crash.c:55 crash_write+0x88/0x110 [m]",
			 100 + i);
		line(text);
		line("---[ end trace 0000000000000000 ]---");
		flush();
		pass(10);
	}
	assert_int_equal(t.seen_count, RW_STORM_AT_ONCE);
	assert_int_equal(t.log_count, RW_STORM_AT_ONCE);
	pass(RW_STORM_MS);
	assert_int_equal(t.seen_count, RW_STORM_AT_ONCE + 1);
	assert_int_equal(t.tokens[RW_STORM_AT_ONCE], 0);
	assert_int_equal(t.log_count, RW_STORM_AT_ONCE);
	assert_int_equal(counted(), 20);
}

/* Four leave from BPF, then the log tells them in the same order. */
static void test_warnings_that_left_find_their_lines_in_order(void **state)
{
	(void)state;
	bpf_is_live();
	for (uint32_t i = 0; i < 3; i++) {
		struct rw_record r = record(RW_RECORD_WARN, 0, 140);
		snprintf(r.symbol, sizeof(r.symbol), "crash_write+0x88/0x110 [m]");
		feed(&r);
		flush();
	}
	assert_int_equal(t.seen_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		line("WARNING: CPU: 0 PID: 140 at /build/crash.c:55 crash_write+0x88/0x110 [m]");
		line("---[ end trace 0000000000000000 ]---");
	}
	flush();
	assert_int_equal(t.log_count, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_log(i, t.tokens[i], 500 + 2 * i, 501 + 2 * i);
	pass(5000);
	assert_int_equal(counted(), 3);
}

static void test_stop_tells_the_log_of_what_it_sends(void **state)
{
	(void)state;
	lines(oops, 10);
	rw_events_flush_all(t.events, t.now);
	only_event();
	assert_log(0, t.tokens[0], 500, 509);
}

static void test_nobody_need_ask(void **state)
{
	struct rw_events_config config = {.fn = on_event};

	tear_down(state);
	t.events = rw_events_new(&config);
	assert_non_null(t.events);
	LINES(oops);
	flush();
	only_event();
	assert_int_equal(t.log_count, 0);
}

/* ---- a log alone --------------------------------------------------------------------------- */

/* As `ringwatch explain`, or the start after a crash, reads it. */
static void read_alone(const char *const *texts, size_t count)
{
	struct rw_events_config config = {.fn = on_event, .log_fn = on_log};
	struct rw_klog_fact fact;

	tear_down(NULL);
	memset(&t, 0, sizeof(t));
	t.events = rw_events_new(&config);
	assert_non_null(t.events);
	for (size_t i = 0; i < count; i++) {
		rw_klog_parse(texts[i], strlen(texts[i]), &fact);
		rw_events_line(t.events, &fact, t.sequence++, 1000 + i, true, t.now);
	}
	rw_events_flush_all(t.events, t.now);
}

static const char *const dying[] = {
	"BUG: kernel NULL pointer dereference, address: 0000000000000000",
	"Oops: 0002 [#1] PREEMPT SMP NOPTI",
	"CPU: 1 PID: 123 Comm: sh Tainted: G           OE      6.1.0-18-cloud-amd64 #1",
	"RIP: 0010:crash_write+0x12/0x30 [rw_crash]",
	"Call Trace:",
	" <TASK>",
	" proc_reg_write+0x5a/0xa0",
	" </TASK>",
	"---[ end trace 0000000000000000 ]---",
	"RIP: 0010:crash_write+0x12/0x30 [rw_crash]",
	"RSP: 0018:ffffb2c040bd7e88 EFLAGS: 00010246",
	"Kernel panic - not syncing: Fatal exception",
	"Kernel Offset: 0x1e00000 from 0xffffffff81000000 (relocation range: 0xffffffff80000000)",
};

static void test_no_boot_id_no_names_no_clock(void **state)
{
	(void)state;
	read_alone(dying, COUNT_OF(dying));
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[0].signature, "oops:crash_write+0x12:rw_crash");
	assert_string_equal(t.seen[0].boot_id, "");
	assert_string_equal(t.seen[1].signature, "panic:Fatal exception");
	assert_string_equal(t.seen[1].symbol, "crash_write+0x12");

	/* a record of an old kernel, whose addresses nobody names */
	struct rw_record r = record(RW_RECORD_OOPS_BEGIN, 0, 9);
	feed(&r);
	r.type = RW_RECORD_OOPS_DETAIL;
	r.ip = 0xffffffffc0001012;
	feed(&r);
	rw_events_flush_all(t.events, t.now);
	assert_string_equal(t.seen[2].signature, "oops:unknown:vmlinux");
}

/* Wherever the begin is cut off, the panic is told and names the place. */
static void test_log_without_its_begin(void **state)
{
	(void)state;
	for (size_t from = 0; from < 12; from++) {
		read_alone(dying + from, COUNT_OF(dying) - from);
		assert_true(t.seen_count >= 1);
		const struct rw_event *last = &t.seen[t.seen_count - 1];
		assert_string_equal(last->signature, "panic:Fatal exception");
		if (from <= 9)
			assert_string_equal(last->symbol, "crash_write+0x12");
		/* from the count on it is an oops */
		if (from <= 1) {
			assert_int_equal(t.seen_count, 2);
			assert_string_equal(t.seen[0].signature, "oops:crash_write+0x12:rw_crash");
		}
	}
}

/* Wherever the end is cut off, the oops is told with what is known. */
static void test_log_without_its_end(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 11; count++) {
		read_alone(dying, count);
		assert_string_equal(only_event()->signature,
				    count >= 4 ? "oops:crash_write+0x12:rw_crash"
					       : "oops:unknown:vmlinux");
	}
}

static void test_hung_task_of_a_log_that_ends(void **state)
{
	static const char *const texts[] = {
		"INFO: task rw_hang:777 blocked for more than 120 seconds.",
		"Call Trace:",
		" <TASK>",
		" __schedule+0x34d/0x9e0",
		" schedule+0x5a/0xd0",
		" hang_write+0x3a/0x60 [rw_trigger]",
	};

	(void)state;
	read_alone(texts, COUNT_OF(texts));
	assert_string_equal(only_event()->signature, "hung_task:hang_write:rw_trigger");
	assert_int_equal(t.log_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_block_read_before_the_event_leaves),
		TEST(test_block_that_follows_the_event),
		TEST(test_event_that_leaves_amid_its_block),
		TEST(test_block_without_an_end_ends_by_itself),
		TEST(test_chatter_does_not_belong_to_it),
		TEST(test_next_block_ends_the_one_before),
		TEST(test_two_cpus_get_their_own_lines),
		TEST(test_one_line_tells_all),
		TEST(test_one_line_amid_an_oops_does_not_end_it),
		TEST(test_several_lines_of_one_load_are_one_stretch),
		TEST(test_storm_tells_the_log_of_the_first_ones_alone),
		TEST(test_warnings_that_left_find_their_lines_in_order),
		TEST(test_stop_tells_the_log_of_what_it_sends),
		TEST(test_nobody_need_ask),
		TEST(test_no_boot_id_no_names_no_clock),
		TEST(test_log_without_its_begin),
		TEST(test_log_without_its_end),
		TEST(test_hung_task_of_a_log_that_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
