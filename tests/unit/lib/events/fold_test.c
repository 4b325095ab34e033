/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sources, one event. What must be true for a user: each crash is counted
 * once, however it was seen, and it is told at once.
 */
#include "tests/unit/lib/events/fixture.h"

static int old_kernel_symbols(const uint64_t *addresses, uint32_t count, struct rw_symbol *out)
{
	int found = 0;

	memset(out, 0, count * sizeof(*out));
	for (uint32_t i = 0; i < count; i++) {
		if (addresses[i] != 0xffffffffc0001012)
			continue;
		rw_symbol_parse("crash_write+0x12/0x30 [rw_crash]", &out[i]);
		found++;
	}
	return found;
}

static void bpf_oops(uint32_t cpu, uint32_t pid, const char *symbol)
{
	struct rw_record r = record(RW_RECORD_OOPS_BEGIN, cpu, pid);

	feed(&r);
	r = record(RW_RECORD_OOPS_DETAIL, cpu, pid);
	snprintf(r.text, sizeof(r.text), "Oops");
	snprintf(r.symbol, sizeof(r.symbol), "%s", symbol);
	snprintf(r.stack[0], sizeof(r.stack[0]), "%s", symbol);
	snprintf(r.stack[1], sizeof(r.stack[1]), "vfs_write+0xc0/0x3d0");
	feed(&r);
}

static const char *const oops_61[] = {
	"BUG: kernel NULL pointer dereference, address: 0000000000000000",
	"#PF: supervisor write access in kernel mode",
	"#PF: error_code(0x0002) - not-present page",
	"PGD 0 P4D 0 ",
	"Oops: 0002 [#1] PREEMPT SMP NOPTI",
	"CPU: 1 PID: 123 Comm: sh Tainted: G           OE      6.1.0-18-cloud-amd64 #1  Debian "
	"6.1.76-1",
	"Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 "
	"04/01/2014",
	"RIP: 0010:crash_write+0x12/0x30 [rw_crash]",
	"Code: 48 c7 c7 00 00 00 00 e8 00 00 00 00 c7 04 25 00 00 00 00 01 00 00 00",
	"RSP: 0018:ffffb2c040bd7e88 EFLAGS: 00010246",
	"RAX: 0000000000000000 RBX: 0000000000000002 RCX: 0000000000000000",
	"Call Trace:",
	" <TASK>",
	" ? __die_body.cold+0x1a/0x1f",
	" proc_reg_write+0x5a/0xa0",
	" vfs_write+0xc0/0x3d0",
	" ksys_write+0x6b/0xf0",
	" do_syscall_64+0x5b/0xc0",
	" entry_SYSCALL_64_after_hwframe+0x64/0xce",
	"RIP: 0033:0x7f0c5f1a2b17",
	" </TASK>",
	"Modules linked in: rw_crash(OE) virtio_net",
	"CR2: 0000000000000000",
	"---[ end trace 0000000000000000 ]---",
	"RIP: 0010:crash_write+0x12/0x30 [rw_crash]",
	"note: sh[123] exited with irqs disabled",
};

/* ---- oops ------------------------------------------------------------------ */

/* Killed after BPF's event was spooled and before the log was read: the next
 * life finds the lines and must not tell of the same oops again, but of another. */
static void test_restart_tells_nothing_twice(void **state)
{
	struct rw_event spooled = {
		.kind = RINGWATCH__V1__KIND__KIND_OOPS,
		.source = RINGWATCH__V1__SOURCE__SOURCE_BPF,
		.boot_ms = t.now.boot_ms - 3010,
		.cpu = 1,
		.count = 1,
	};

	(void)state;
	rw_events_recall(t.events, &spooled);
	old_lines(oops_61, sizeof(oops_61) / sizeof(oops_61[0]));
	flush();
	assert_int_equal(t.seen_count, 0);
	assert_int_equal(rw_events_log_position(t.events), t.sequence - 1);

	old_lines(oops_61, sizeof(oops_61) / sizeof(oops_61[0]));
	flush();
	assert_string_equal(only_event()->signature, "oops:crash_write+0x12:rw_crash");
}

static void test_log_alone(void **state)
{
	(void)state;
	LINES(oops_61);
	flush();
	const struct rw_event *e = only_event();
	assert_int_equal(e->kind, RINGWATCH__V1__KIND__KIND_OOPS);
	assert_int_equal(e->severity, RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL);
	assert_int_equal(e->source, RINGWATCH__V1__SOURCE__SOURCE_LOG);
	assert_string_equal(e->signature, "oops:crash_write+0x12:rw_crash");
	assert_string_equal(e->symbol, "crash_write+0x12");
	assert_string_equal(e->module, "rw_crash");
	assert_string_equal(e->comm, "sh");
	assert_int_equal(e->pid, 123);
	assert_int_equal(e->cpu, 1);
	assert_string_equal(e->detail, oops_61[0]);
	assert_int_equal(e->boot_order, 7);
	assert_int_equal(e->boot_ms, 100000);
	assert_int_equal(e->wall_ms, 1700000000000);
	assert_int_equal(e->stack_count, 6);
	assert_string_equal(e->stack[0], "crash_write+0x12 [rw_crash]");
	assert_string_equal(e->stack[1], "proc_reg_write+0x5a");
}

static void test_612_forms(void **state)
{
	static const char *const gp[] = {
		"Oops: general protection fault, probably for non-canonical address "
		"0xdead000000000122: 0000 [#1] PREEMPT SMP NOPTI",
		"CPU: 0 UID: 0 PID: 201 Comm: sh Tainted: G           OE      6.12.12-cloud-amd64 "
		"#1  Debian 6.12.12-1",
		"Tainted: [O]=OOT_MODULE, [E]=UNSIGNED_MODULE",
		"RIP: 0010:crash_gp+0x1b/0x30 [rw_crash]",
		"Call Trace:",
		" <TASK>",
		" crash_write+0x77/0x110 [rw_crash]",
		" </TASK>",
		"---[ end trace 0000000000000000 ]---",
	};
	static const char *const bug[] = {
		"------------[ cut here ]------------",
		"kernel BUG at /build/crash.c:31!",
		"Oops: invalid opcode: 0000 [#2] PREEMPT SMP NOPTI",
		"CPU: 1 UID: 0 PID: 202 Comm: sh Tainted: G      D    OE      6.12.12-cloud-amd64 "
		"#1  Debian 6.12.12-1",
		"RIP: 0010:crash_bug+0x5/0x10 [rw_crash]",
		"---[ end trace 0000000000000000 ]---",
	};

	(void)state;
	LINES(gp);
	LINES(bug);
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[0].signature, "oops:crash_gp+0x1b:rw_crash");
	assert_int_equal(t.seen[0].pid, 201);
	assert_string_equal(t.seen[1].signature, "oops:crash_bug+0x5:rw_crash");
	assert_string_equal(t.seen[1].detail, "kernel BUG at /build/crash.c:31!");
}

static void test_bpf_leaves_at_once_and_log_confirms(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "oops:crash_write+0x12:rw_crash");
	assert_int_equal(e->source, RINGWATCH__V1__SOURCE__SOURCE_BPF);
	assert_int_equal(e->stack_count, 2);

	pass(5);
	LINES(oops_61);
	struct rw_record r = record(RW_RECORD_OOPS_SURVIVED, 1, 123);
	feed(&r);
	pass(10);
	pass(5000);
	only_event();
}

static void test_both_at_once_make_one(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	LINES(oops_61);
	flush();
	const struct rw_event *e = only_event();
	assert_int_equal(e->source, RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG);
	assert_string_equal(e->detail, oops_61[0]);
}

static void test_log_first_waits_for_bpf(void **state)
{
	(void)state;
	bpf_is_live();
	LINES(oops_61);
	flush();
	assert_int_equal(t.seen_count, 0);
	pass(20);
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	assert_int_equal(only_event()->source, RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG);
	pass(1000);
	only_event();
}

static void test_log_left_before_bpf_came(void **state)
{
	(void)state;
	bpf_is_live();
	LINES(oops_61);
	pass(RW_EVENTS_CONFIRM_MS);
	assert_int_equal(only_event()->source, RINGWATCH__V1__SOURCE__SOURCE_LOG);
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	pass(1000);
	only_event();
}

static void test_begin_without_detail(void **state)
{
	struct rw_record r;

	(void)state;
	bpf_is_live();
	r = record(RW_RECORD_OOPS_BEGIN, 0, 9);
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 0);
	pass(RW_EVENTS_HOLD_MS - 1);
	assert_int_equal(t.seen_count, 0);
	pass(1);
	assert_string_equal(only_event()->signature, "oops:unknown:vmlinux");
	/* the detail comes after all: no second event */
	r = record(RW_RECORD_OOPS_DETAIL, 0, 9);
	feed(&r);
	pass(1000);
	only_event();
}

static void test_two_cpus_are_two(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_oops(0, 10, "a+0x1/0x2");
	bpf_oops(1, 11, "b+0x1/0x2");
	LINES(oops_61); /* of CPU 1 */
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(t.seen[0].source, RINGWATCH__V1__SOURCE__SOURCE_BPF);
	assert_int_equal(t.seen[1].source, RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG);
}

static void test_same_cpu_later_is_another(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	LINES(oops_61);
	pass(100);
	bpf_oops(1, 124, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	LINES(oops_61);
	pass(2000);
	assert_int_equal(t.seen_count, 2);
}

/* The sensor was kept from running for three seconds and reads both at once. */
static void test_late_reader_still_merges(void **state)
{
	(void)state;
	bpf_is_live();
	flush();
	struct rw_record r = record(RW_RECORD_OOPS_BEGIN, 1, 123);
	struct rw_record d = record(RW_RECORD_OOPS_DETAIL, 1, 123);
	t.now.boot_ms += 3000;
	feed(&r);
	feed(&d);
	LINES(oops_61);
	flush();
	only_event();
	assert_int_equal(t.seen[0].boot_ms, 100000);
}

static void test_cut_block_times_out(void **state)
{
	(void)state;
	lines(oops_61, 8);
	flush();
	assert_int_equal(t.seen_count, 0);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "oops:crash_write+0x12:rw_crash");
	lines(oops_61 + 8, 18);
	pass(1000);
	only_event();
}

static void test_wild_jump_blames_caller(void **state)
{
	static const char *const texts[] = {
		"BUG: kernel NULL pointer dereference, address: 0000000000000000",
		"Oops: 0010 [#1] PREEMPT SMP NOPTI",
		"CPU: 1 PID: 123 Comm: sh Not tainted 6.1.0 #1",
		"RIP: 0010:0x0",
		"Call Trace:",
		" <TASK>",
		" do_call+0x20/0x40 [rw_crash]",
		"---[ end trace 0000000000000000 ]---",
	};

	(void)state;
	LINES(texts);
	flush();
	assert_string_equal(only_event()->signature, "oops:do_call+0x20:rw_crash");
}

static void test_old_kernel_addresses(void **state)
{
	struct rw_record r;

	(void)state;
	assert_int_equal(set_up_with(old_kernel_symbols), 0);
	r = record(RW_RECORD_OOPS_BEGIN, 0, 9);
	feed(&r);
	r = record(RW_RECORD_OOPS_DETAIL, 0, 9);
	r.ip = 0xffffffffc0001012;
	r.frame_count = 1;
	r.frames[0] = r.ip;
	feed(&r);
	flush();
	assert_string_equal(only_event()->signature, "oops:crash_write+0x12:rw_crash");
}

/* ---- what an oops is made of ---------------------------------------------- */

static void assert_oops_facts(const struct rw_event *e, const char *type, const char *address,
			      const char *code)
{
	assert_fact(e, FACT_TYPE, type);
	assert_fact(e, FACT_ADDRESS, address);
	assert_fact(e, FACT_ERROR_CODE, code);
}

static void detail_of(const char *what, uint64_t code, bool has_address, uint64_t address)
{
	struct rw_record r = record(RW_RECORD_OOPS_BEGIN, 1, 123);

	feed(&r);
	r = record(RW_RECORD_OOPS_DETAIL, 1, 123);
	snprintf(r.text, sizeof(r.text), "%s", what);
	snprintf(r.symbol, sizeof(r.symbol), "crash_write+0x12/0x30 [rw_crash]");
	r.value = code;
	r.more[0] = address;
	r.more[1] = has_address;
	feed(&r);
}

static void test_oops_facts_from_bpf(void **state)
{
	static const struct {
		const char *text;
		uint64_t code;
		bool has_address;
		uint64_t address;
		const char *facts[3];
	} cases[] = {
		{"Oops", 2, true, 0, {"null_dereference", "0x0", "0x2"}},
		{"Oops", 0, true, 0x18, {"null_dereference", "0x18", "0x0"}},
		{"Oops", 2, true, 0xffffc90000a00000, {"page_fault", "0xffffc90000a00000", "0x2"}},
		{"Oops", 2, false, 0, {"page_fault", "", "0x2"}},
		{"general protection fault, probably for non-canonical address 0xdead000000000122",
		 0,
		 true,
		 0xdead000000000122,
		 {"general_protection", "0xdead000000000122", "0x0"}},
		{"divide error", 0, false, 0, {"divide_error", "", ""}},
		{"invalid opcode", 0, false, 0, {"invalid_opcode", "", ""}},
		{"stack guard page",
		 0,
		 true,
		 0xffffc90000a00ff8,
		 {"stack_overflow", "0xffffc90000a00ff8", ""}},
		{"Oops - BUG", 0xf2000800, false, 0, {"invalid_opcode", "", "0xf2000800"}},
		{"alignment check", 0, false, 0, {"other", "", ""}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		start_anew();
		detail_of(cases[i].text, cases[i].code, cases[i].has_address, cases[i].address);
		flush();
		assert_oops_facts(only_event(), cases[i].facts[0], cases[i].facts[1],
				  cases[i].facts[2]);
	}
	start_anew();
	detail_of("Oops", 2, true, 0x18);
	flush();
	assert_string_equal(only_event()->detail, "Oops: null_dereference at 0x18");
}

static void test_oops_facts_from_the_log(void **state)
{
	static const char *const bug[] = {
		"kernel BUG at /build/crash.c:31!",
		"invalid opcode: 0000 [#2] PREEMPT SMP NOPTI",
		"CPU: 1 PID: 202 Comm: sh Tainted: G      D    OE      6.1.0-18-cloud-amd64 #1",
		"RIP: 0010:crash_bug+0x5/0x10 [rw_crash]",
		"---[ end trace 0000000000000000 ]---",
	};
	static const char *const arm64[] = {
		"Unable to handle kernel NULL pointer dereference at virtual address "
		"0000000000000018",
		"Mem abort info:",
		"  ESR = 0x0000000096000044",
		"Internal error: Oops: 0000000096000044 [#1] PREEMPT SMP",
		"Modules linked in: rw_crash(OE)",
		"CPU: 1 PID: 123 Comm: sh Tainted: G           OE      6.1.0-18-arm64 #1",
		"pc : crash_write+0x12/0x30 [rw_crash]",
		"lr : proc_reg_write+0xac/0x110",
		"Call trace:",
		" crash_write+0x12/0x30 [rw_crash]",
		" proc_reg_write+0xac/0x110",
		" vfs_write+0xc8/0x2a0",
		"Code: d503201f d503201f (b900001f) d65f03c0 ",
		"---[ end trace 0000000000000000 ]---",
	};

	(void)state;
	LINES(oops_61);
	LINES(bug);
	LINES(arm64);
	flush();
	assert_int_equal(t.seen_count, 3);
	assert_oops_facts(&t.seen[0], "null_dereference", "0x0", "0x2");
	assert_oops_facts(&t.seen[1], "invalid_opcode", "", "");
	assert_fact(&t.seen[1], FACT_FILE, "/build/crash.c");
	assert_fact(&t.seen[1], FACT_LINE, "31");
	assert_oops_facts(&t.seen[2], "null_dereference", "0x18", "0x96000044");
	assert_string_equal(t.seen[2].signature, t.seen[0].signature);
	/* the trace begins with the instruction again */
	assert_int_equal(t.seen[2].stack_count, 3);
	assert_string_equal(t.seen[2].stack[1], "proc_reg_write+0xac");
}

/* 5.10 hooks do not see the address: the log's word for it is better. */
static void test_oops_facts_are_merged(void **state)
{
	(void)state;
	bpf_is_live();
	detail_of("Oops", 2, false, 0);
	LINES(oops_61);
	flush();
	assert_oops_facts(only_event(), "null_dereference", "0x0", "0x2");
	assert_fact(only_event(), FACT_SURVIVED, "");
}

/* Two oopses are held: the block is given to the first until it names its CPU. */
static void test_facts_of_another_cpus_oops_are_not_taken(void **state)
{
	struct rw_record r;

	(void)state;
	bpf_is_live();
	r = record(RW_RECORD_OOPS_BEGIN, 0, 10);
	feed(&r);
	r = record(RW_RECORD_OOPS_DETAIL, 0, 10);
	snprintf(r.text, sizeof(r.text), "Oops");
	snprintf(r.symbol, sizeof(r.symbol), "other+0x1/0x2");
	r.more[0] = 0xffffc90000a00000;
	r.more[1] = 1;
	feed(&r);
	detail_of("Oops", 2, false, 0);
	LINES(oops_61);
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_oops_facts(&t.seen[0], "page_fault", "0xffffc90000a00000", "0x0");
	assert_int_equal(t.seen[0].source, SOURCE_BPF);
	assert_string_equal(t.seen[1].signature, "oops:crash_write+0x12:rw_crash");
	assert_int_equal(t.seen[1].source, SOURCE_BPF_AND_LOG);
	assert_string_equal(t.seen[1].detail, oops_61[0]);
}

/* A task may call itself as it likes: where its name ends in the log is a guess. */
static void test_the_name_that_bpf_read_stands(void **state)
{
	(void)state;
	bpf_is_live();
	detail_of("Oops", 2, true, 0);
	line(oops_61[0]);
	line("CPU: 1 PID: 999 Comm: x Not tainted y Tainted: G           OE      6.1.0-18 #1");
	line("---[ end trace 0000000000000000 ]---");
	flush();
	assert_string_equal(only_event()->comm, "sh");
	assert_int_equal(only_event()->pid, 123);
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
}

static void test_survived_when_it_was_told_in_time(void **state)
{
	struct rw_record r;

	(void)state;
	detail_of("Oops", 2, true, 0);
	r = record(RW_RECORD_OOPS_SURVIVED, 1, 123);
	feed(&r);
	flush();
	assert_fact(only_event(), FACT_SURVIVED, "yes");
}

/* Through a wild pointer: BPF has the caller from the stack, the log from the trace. */
static void test_jump_to_nowhere_has_one_name(void **state)
{
	static const char *const caller = "do_call+0x20/0x40 [rw_crash]";
	static const char *const texts[] = {
		"BUG: kernel NULL pointer dereference, address: 0000000000000000",
		"#PF: supervisor instruction fetch in kernel mode",
		"#PF: error_code(0x0010) - not-present page",
		"Oops: 0010 [#1] PREEMPT SMP NOPTI",
		"CPU: 1 PID: 123 Comm: sh Not tainted 6.1.0 #1",
		"RIP: 0010:0x0",
		"Code: Unable to access opcode bytes at 0xffffffffffffffd6.",
		"Call Trace:",
		" <TASK>",
		" do_call+0x20/0x40 [rw_crash]",
		" bpf_trampoline_6442536467+0x6f/0x1000",
		" vfs_write+0xc0/0x3d0",
		"---[ end trace 0000000000000000 ]---",
		"RIP: 0010:0x0",
	};
	struct rw_record r;

	(void)state;
	LINES(texts);
	flush();
	assert_string_equal(only_event()->signature, "oops:do_call+0x20:rw_crash");
	assert_oops_facts(only_event(), "null_dereference", "0x0", "0x10");

	start_anew();
	bpf_is_live();
	r = record(RW_RECORD_OOPS_BEGIN, 1, 123);
	feed(&r);
	r = record(RW_RECORD_OOPS_DETAIL, 1, 123);
	put_stack(&r, &caller, 1);
	snprintf(r.symbol, sizeof(r.symbol), "0x0");
	r.more[1] = 1;
	feed(&r);
	flush();
	assert_string_equal(only_event()->signature, "oops:do_call+0x20:rw_crash");

	/* without probe reads BPF does not know it: the log is waited for */
	start_anew();
	bpf_is_live();
	r.stack[0][0] = '\0';
	r.frame_count = 0;
	r.type = RW_RECORD_OOPS_BEGIN;
	feed(&r);
	r.type = RW_RECORD_OOPS_DETAIL;
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 0);
	LINES(texts);
	flush();
	assert_string_equal(only_event()->signature, "oops:do_call+0x20:rw_crash");
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);

	/* and the other way round */
	start_anew();
	bpf_is_live();
	LINES(texts);
	flush();
	r.type = RW_RECORD_OOPS_BEGIN;
	feed(&r);
	r.type = RW_RECORD_OOPS_DETAIL;
	feed(&r);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "oops:do_call+0x20:rw_crash");
	assert_int_equal(only_event()->stack_count, 3);
}

/* ---- oopses by the thousand --------------------------------------------------- */

static void test_oops_loop_is_a_handful(void **state)
{
	(void)state;
	bpf_is_live();
	for (uint32_t i = 0; i < 100000; i++) {
		bpf_oops(1, 1000 + i, "crash_write+0x12/0x30 [rw_crash]");
		pass(1);
	}
	assert_true(t.seen_count <= RW_STORM_AT_ONCE + 4);
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(counted(), 100000);
	assert_int_equal(rw_events_told(t.events, KIND_OOPS), 100000);
	assert_int_equal(t.seen[0].pid, 1000);
	assert_int_equal(t.seen[t.seen_count - 1].pid, 1000 + 99999);
}

/* ---- panic ------------------------------------------------------------------ */

static void test_oops_then_panic(void **state)
{
	struct rw_record r;

	(void)state;
	bpf_is_live();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	r = record(RW_RECORD_PANIC, 1, 123);
	snprintf(r.text, sizeof(r.text), "Fatal exception");
	feed(&r);
	LINES(oops_61);
	line("Kernel panic - not syncing: Fatal exception");
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(t.seen[1].kind, RINGWATCH__V1__KIND__KIND_PANIC);
	assert_string_equal(t.seen[1].signature, "panic:Fatal exception");
	/* and its restart is no event of its own */
	r = record(RW_RECORD_RESTART, 1, 123);
	r.value = RW_RESTART_EMERGENCY;
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 2);
}

static void test_panic_signatures_agree(void **state)
{
	struct rw_record r;

	(void)state;
	line("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b");
	flush();
	assert_string_equal(t.seen[0].signature, "panic:Attempted to kill init! exitcode_#");
	rw_events_free(t.events);
	set_up(NULL);
	r = record(RW_RECORD_PANIC, 0, 1);
	snprintf(r.text, sizeof(r.text), "Attempted to kill init! exitcode=0x%%08x\n");
	feed(&r);
	flush();
	assert_string_equal(only_event()->signature, "panic:Attempted to kill init! exitcode_#");
}

static void test_panic_cuts_open_oops(void **state)
{
	(void)state;
	lines(oops_61, 10);
	line("Kernel panic - not syncing: Fatal exception in interrupt");
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[0].signature, "oops:crash_write+0x12:rw_crash");
	assert_string_equal(t.seen[1].signature, "panic:Fatal exception in interrupt");
}

/* The panic is named by its text, and blames what led to it. */
static void test_panic_tells_of_its_oops(void **state)
{
	struct rw_record r;

	(void)state;
	bpf_is_live();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	only_event();
	pass(30);
	r = record(RW_RECORD_PANIC, 1, 123);
	snprintf(r.text, sizeof(r.text), "Fatal exception");
	snprintf(r.symbol, sizeof(r.symbol), "oops_end.cold+0x18/0x18");
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[1].signature, "panic:Fatal exception");
	assert_string_equal(t.seen[1].symbol, "crash_write+0x12");
	assert_string_equal(t.seen[1].module, "rw_crash");
	assert_string_equal(t.seen[1].detail,
			    "Fatal exception (after oops:crash_write+0x12:rw_crash)");
}

/* A begin without detail, and the panic: what was held leaves first. */
static void test_panic_sends_what_is_held(void **state)
{
	struct rw_record r;

	(void)state;
	bpf_is_live();
	r = record(RW_RECORD_OOPS_BEGIN, 0, 9);
	feed(&r);
	r = record(RW_RECORD_PANIC, 0, 9);
	snprintf(r.text, sizeof(r.text), "Fatal exception in interrupt");
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(t.seen[0].kind, KIND_OOPS);
	assert_int_equal(t.seen[1].kind, KIND_PANIC);
}

static void test_panic_without_oops_names_its_caller(void **state)
{
	static const char *const texts[] = {
		"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
		"CPU: 0 PID: 1 Comm: swapper/0 Not tainted 5.15.0-1053-gcp #61-Ubuntu",
		"Call Trace:",
		" <TASK>",
		" dump_stack_lvl+0x48/0x70",
		" panic+0x118/0x2d2",
		" mount_block_root+0x2a2/0x2c0",
		" mount_root+0x9e/0xa8",
	};
	struct rw_record r;

	(void)state;
	/* an oops long ago has nothing to do with it */
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	pass(60000);
	LINES(texts);
	flush();
	assert_string_equal(t.seen[1].symbol, "mount_block_root+0x2a2");
	assert_int_equal(t.seen[1].pid, 1);
	assert_string_equal(t.seen[1].detail, texts[0] + strlen("Kernel panic - not syncing: "));

	start_anew();
	r = record(RW_RECORD_PANIC, 1, 123);
	snprintf(r.text, sizeof(r.text), "Fatal exception");
	snprintf(r.symbol, sizeof(r.symbol), "oops_end.cold+0x18/0x18");
	feed(&r);
	flush();
	assert_string_equal(only_event()->symbol, "oops_end.cold+0x18");
	assert_string_equal(only_event()->detail, "Fatal exception");
}

static void test_panic_of_arm64_tells_of_its_oops(void **state)
{
	(void)state;
	LINES(oops_61);
	line("Kernel panic - not syncing: Oops - BUG: Fatal exception");
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[1].symbol, "crash_write+0x12");
}

static void bpf_warning(uint32_t cpu);

static void test_panic_on_warn_blames_the_warning(void **state)
{
	(void)state;
	bpf_warning(0);
	line("Kernel panic - not syncing: kernel: panic_on_warn set ...");
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[1].symbol, "crash_write+0x88");
}

/* ---- reports ------------------------------------------------------------------ */

static const char *const kfence[] = {
	"==================================================================",
	"BUG: KFENCE: out-of-bounds read in test_read+0xa6/0x234 [rw_kfence]",
	"",
	"Out-of-bounds read at 0x000000008c9a2a3f (1B left of kfence-#72):",
	" test_read+0xa6/0x234 [rw_kfence]",
	" vfs_write+0xc0/0x3d0",
	" ksys_write+0x6b/0xf0",
	"",
	"kfence-#72: 0x000000006d0d9f2b-0x00000000fa4a1d1c, size=32, cache=kmalloc-32",
	"",
	"allocated by task 484 on cpu 0 at 32.919330s:",
	" test_alloc+0xfe/0x738",
	" test_read+0x9b/0x234 [rw_kfence]",
	"",
	"CPU: 1 PID: 484 Comm: sh Tainted: G           OE      6.12.12-cloud-amd64 #1",
	"Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.13.0-2",
	"==================================================================",
};

static const char *const kasan[] = {
	"==================================================================",
	"BUG: KASAN: slab-out-of-bounds in rw_write+0xa8/0xbc [rw_kasan]",
	"Write of size 1 at addr ffff8801f44ec37b by task sh/2760",
	"",
	"CPU: 1 PID: 2760 Comm: sh Not tainted 6.12.12 #1",
	"Call Trace:",
	" <TASK>",
	" dump_stack_lvl+0x5d/0x80",
	" print_report+0xc4/0x5e0",
	" rw_write+0xa8/0xbc [rw_kasan]",
	" </TASK>",
	"",
	"Allocated by task 2760:",
	" kasan_save_stack+0x24/0x50",
	" kmalloc_oob_right+0x56/0xbc [rw_kasan]",
	"",
	"Memory state around the buggy address:",
	" ffff8801f44ec200: fc fc fc fc fc fc fc fc 00 00 00 00 00 00 00 00",
};

static struct rw_record report(const char *detector, uint32_t pid)
{
	struct rw_record r = record(RW_RECORD_REPORT, 1, pid);

	snprintf(r.name, sizeof(r.name), "%s", detector);
	r.value = 0xffff8801f44ec37b;
	return r;
}

static void test_reports_from_the_log(void **state)
{
	(void)state;
	LINES(kfence);
	LINES(kasan);
	pass(RW_EVENTS_HOLD_MS);
	assert_int_equal(t.seen_count, 2);
	const struct rw_event *e = &t.seen[0];
	assert_int_equal(e->kind, KIND_KFENCE);
	assert_int_equal(e->severity, SEVERITY_CRITICAL);
	assert_string_equal(e->signature, "kfence:out-of-bounds_read:test_read+0xa6:rw_kfence");
	assert_fact(e, FACT_TYPE, "out-of-bounds read");
	assert_int_equal(e->pid, 484);
	assert_int_equal(e->stack_count, 3); /* the access, not who allocated */
	e = &t.seen[1];
	assert_int_equal(e->kind, KIND_KASAN);
	assert_string_equal(e->signature, "kasan:slab-out-of-bounds:rw_write+0xa8:rw_kasan");
	assert_int_equal(e->pid, 2760);
	assert_int_equal(e->stack_count, 3);
}

static void test_reports_from_both_are_one(void **state)
{
	static const char *const access[] = {"test_read+0xa6/0x234 [rw_kfence]",
					     "vfs_write+0xc0/0x3d0"};
	struct rw_record r = report("kfence", 484);

	(void)state;
	put_stack(&r, access, COUNT_OF(access));
	bpf_is_live();
	LINES(kfence);
	flush();
	assert_int_equal(t.seen_count, 0);
	feed(&r); /* comes when all is printed */
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_string_equal(only_event()->signature,
			    "kfence:out-of-bounds_read:test_read+0xa6:rw_kfence");
	assert_fact(only_event(), FACT_ADDRESS, "0xffff8801f44ec37b");

	start_anew();
	bpf_is_live();
	feed(&r); /* the ring is read before the log */
	LINES(kfence);
	pass(RW_EVENTS_HOLD_MS);
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_string_equal(only_event()->signature,
			    "kfence:out-of-bounds_read:test_read+0xa6:rw_kfence");
	pass(5000);
	only_event();

	/* the log was left out of the level that is kept: BPF alone */
	start_anew();
	bpf_is_live();
	feed(&r);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "kfence:unknown:test_read+0xa6:rw_kfence");
}

static void test_kfence_is_not_kasan(void **state)
{
	struct rw_record r = report("kasan", 2760);

	(void)state;
	bpf_is_live();
	LINES(kasan);
	feed(&r);
	r = report("kfence", 2760);
	feed(&r);
	pass(RW_EVENTS_HOLD_MS);
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(t.seen[0].kind, KIND_KASAN);
	assert_int_equal(t.seen[0].source, SOURCE_BPF_AND_LOG);
	assert_int_equal(t.seen[1].kind, KIND_KFENCE);
	assert_int_equal(t.seen[1].source, SOURCE_BPF);
}

/* ---- warnings ----------------------------------------------------------------- */

static void bpf_warning(uint32_t cpu)
{
	struct rw_record r = record(RW_RECORD_WARN, cpu, 140);

	snprintf(r.symbol, sizeof(r.symbol), "crash_write+0x88/0x110 [rw_crash]");
	snprintf(r.text, sizeof(r.text), "/build/crash.c");
	r.value = 55;
	feed(&r);
}

static void log_warning(uint32_t cpu)
{
	char text[128];

	line("------------[ cut here ]------------");
	snprintf(text, sizeof(text),
		 "WARNING: CPU: %u PID: 140 at /build/crash.c:55 crash_write+0x88/0x110 [rw_crash]",
		 cpu);
	line(text);
	snprintf(text, sizeof(text), "CPU: %u PID: 140 Comm: sh Tainted: G 6.1.0", cpu);
	line(text);
	line("RIP: 0010:crash_write+0x88/0x110 [rw_crash]");
	line("---[ end trace 0000000000000000 ]---");
}

static void test_warning_from_either_or_both(void **state)
{
	(void)state;
	log_warning(0);
	flush();
	assert_string_equal(t.seen[0].signature, "warning:crash_write+0x88:rw_crash");
	assert_string_equal(t.seen[0].detail, "WARNING at /build/crash.c:55");
	assert_string_equal(t.seen[0].comm, "sh");
	assert_int_equal(t.seen[0].severity, RINGWATCH__V1__SEVERITY__SEVERITY_WARNING);
	assert_fact(&t.seen[0], FACT_FILE, "/build/crash.c");
	assert_fact(&t.seen[0], FACT_LINE, "55");

	start_anew();
	bpf_is_live();
	bpf_warning(0);
	flush();
	log_warning(0);
	pass(2000);
	assert_string_equal(only_event()->signature, "warning:crash_write+0x88:rw_crash");
	assert_string_equal(t.seen[0].detail, "WARNING at /build/crash.c:55");
	assert_fact(&t.seen[0], FACT_FILE, "/build/crash.c");
	assert_fact(&t.seen[0], FACT_LINE, "55");
	assert_int_equal(rw_events_told(t.events, KIND_WARNING), 1);
}

/* Named by its caller, but recognised by what both sources call it. */
static void test_warning_of_a_check_is_its_callers(void **state)
{
	static const char *const stack[] = {"refcount_warn_saturate+0xba/0x110",
					    "zoo_write+0x22/0x30 [rw_zoo]"};
	static const char *const texts[] = {
		"WARNING: CPU: 0 PID: 188 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110",
		"CPU: 0 PID: 188 Comm: sh Tainted: G        W  OE      6.1.0-56-cloud-amd64 #1",
		"RIP: 0010:refcount_warn_saturate+0xba/0x110",
		"Call Trace:",
		" <TASK>",
		" zoo_write+0x22/0x30 [rw_zoo]",
		"---[ end trace 0000000000000000 ]---",
	};
	struct rw_record r = record(RW_RECORD_WARN, 0, 188);

	(void)state;
	put_stack(&r, stack, COUNT_OF(stack));
	bpf_is_live();
	feed(&r);
	flush();
	assert_string_equal(only_event()->signature, "warning:zoo_write+0x22:rw_zoo");
	LINES(texts);
	pass(5000);
	only_event();
	assert_int_equal(t.log_count, 1);
	struct rw_event spooled = t.seen[0];

	start_anew();
	LINES(texts);
	flush();
	assert_string_equal(only_event()->signature, "warning:zoo_write+0x22:rw_zoo");

	/* killed before the log was read */
	start_anew();
	spooled.boot_ms = t.now.boot_ms - 3000;
	rw_events_recall(t.events, &spooled);
	old_lines(texts, COUNT_OF(texts));
	pass(5000);
	assert_int_equal(t.seen_count, 0);
}

static void test_warning_storm_is_counted(void **state)
{
	(void)state;
	bpf_is_live();
	for (int i = 0; i < 1000; i++) {
		bpf_warning((uint32_t)i % 2);
		log_warning((uint32_t)i % 2);
		pass(1);
	}
	assert_int_equal(t.seen_count, RW_STORM_AT_ONCE);
	pass(RW_STORM_MS);
	assert_int_equal(t.seen_count, RW_STORM_AT_ONCE + 1);
	assert_int_equal(counted(), 1000);
	assert_string_equal(t.seen[RW_STORM_AT_ONCE].signature, t.seen[0].signature);

	/* calm for long: the next one is news again, at once */
	for (int i = 0; i < 10; i++)
		pass(60000);
	bpf_warning(0);
	flush();
	assert_int_equal(counted(), 1001);
}

/* One every few seconds is no storm: each is told at once, for ever. */
static void test_drizzle_is_told_at_once(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 50; i++) {
		bpf_warning(0);
		flush();
		assert_int_equal(t.seen_count, i);
		pass(3000);
	}
}

static void test_stop_sends_what_was_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		bpf_warning(0);
		flush();
	}
	bpf_oops(1, 2, "x+0x1/0x2");
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(counted(), 11);
}

/* ---- modules -------------------------------------------------------------------- */

static void bpf_module(const char *name, int error, uint32_t pid)
{
	struct rw_record r = record(RW_RECORD_MODULE_FAILED, 0, pid);

	snprintf(r.name, sizeof(r.name), "%s", name);
	r.error = error;
	r.value = RW_STAGE_INIT;
	feed(&r);
}

static void test_module_failures(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_module("rw_init_fails", -ENOMEM, 5);
	flush();
	assert_string_equal(only_event()->signature, "module_load_failed:rw_init_fails:-12");
	assert_int_equal(t.seen[0].error, -ENOMEM);
	assert_int_equal(t.seen[0].severity, RINGWATCH__V1__SEVERITY__SEVERITY_WARNING);

	bpf_module("rw_there", -EEXIST, 5);
	bpf_module("rw_busy", -EBUSY, 5);
	flush();
	only_event();

	bpf_module("rw_no_hardware", -ENODEV, 6);
	flush();
	assert_int_equal(t.seen[1].severity, RINGWATCH__V1__SEVERITY__SEVERITY_INFO);
}

/* The log names the symbols, then the system call fails, then insmod tries again. */
static void test_module_one_act_one_event(void **state)
{
	(void)state;
	bpf_is_live();
	line("rw_bad: Unknown symbol nowhere (err -2)");
	line("rw_bad: Unknown symbol nowhere_else (err -2)");
	flush();
	assert_int_equal(t.seen_count, 0);
	pass(20);
	bpf_module("rw-bad.ko.xz", -ENOENT, 5);
	flush();
	line("rw_bad: Unknown symbol nowhere (err -2)");
	bpf_module("rw_bad", -EINVAL, 5);
	pass(3000);
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "module_load_failed:rw_bad:-2");
	assert_int_equal(e->source, RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG);
	assert_string_equal(e->detail, "rw_bad: Unknown symbol nowhere (err -2)");
}

static void test_module_without_name_in_log(void **state)
{
	(void)state;
	bpf_is_live();
	line("Invalid ELF header magic: != \x7f"
	     "ELF");
	pass(5);
	bpf_module("garbage.ko", -ENOEXEC, 5);
	pass(3000);
	assert_string_equal(only_event()->signature, "module_load_failed:garbage:-8");
}

static void test_module_log_alone(void **state)
{
	(void)state;
	line("rw_bad: version magic '6.0 ' should be '6.1 '");
	pass(RW_EVENTS_MODULE_MS);
	assert_string_equal(only_event()->signature, "module_load_failed:rw_bad:-8");
	assert_int_equal(t.seen[0].source, RINGWATCH__V1__SOURCE__SOURCE_LOG);
}

/* ---- the rest --------------------------------------------------------------------- */

static void test_restart(void **state)
{
	struct rw_record r;

	(void)state;
	r = record(RW_RECORD_RESTART, 0, 77);
	r.value = RW_RESTART_REBOOT;
	memcpy(r.comm, "reboot", 7);
	feed(&r);
	line("reboot: Restarting system");
	flush();
	const struct rw_event *e = only_event();
	assert_int_equal(e->kind, RINGWATCH__V1__KIND__KIND_RESTART);
	assert_string_equal(e->signature, "restart:reboot");
	assert_string_equal(e->comm, "reboot");
	assert_int_equal(e->severity, RINGWATCH__V1__SEVERITY__SEVERITY_INFO);
}

static void test_hard_lockup(void **state)
{
	(void)state;
	line("watchdog: Watchdog detected hard LOCKUP on cpu 3");
	line("CPU: 3 PID: 99 Comm: stress Tainted: G 6.1.0");
	line("RIP: 0010:spin_forever+0x10/0x20 [rw_crash]");
	line("---[ end trace 0000000000000000 ]---");
	flush();
	assert_string_equal(only_event()->signature, "hard_lockup:spin_forever:rw_crash");
	assert_int_equal(t.seen[0].cpu, 3);
}

/* What is held back must be read again after a kill; what has left must not. */
static void test_log_position(void **state)
{
	(void)state;
	line("usb 1-1: new device");
	assert_int_equal(rw_events_log_position(t.events), 500);
	lines(oops_61, 8);
	assert_int_equal(rw_events_log_position(t.events), 500);
	line("---[ end trace 0000000000000000 ]---");
	flush();
	only_event();
	assert_int_equal(t.positions[0], 509);
	assert_int_equal(rw_events_log_position(t.events), 509);
}

static void test_backlog_is_not_confirmed(void **state)
{
	struct rw_klog_fact fact;

	(void)state;
	bpf_is_live();
	bpf_oops(1, 123, "crash_write+0x12/0x30 [rw_crash]");
	flush();
	for (size_t i = 0; i < sizeof(oops_61) / sizeof(oops_61[0]); i++) {
		rw_klog_parse(oops_61[i], strlen(oops_61[i]), &fact);
		rw_events_line(t.events, &fact, t.sequence++, 42000, true, t.now);
	}
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(t.seen[1].boot_ms, 42000);
	assert_int_equal(t.seen[1].wall_ms, 1700000000000 - 58000);
}

/* What an earlier life has spooled of a task, a device, a flag. */
static void test_recalled_kinds_are_not_told_twice(void **state)
{
	static const char *const hung[] = {
		"INFO: task rw_hang:777 blocked for more than 120 seconds.",
		"Call Trace:",
		" hang_write+0x3a/0x60 [rw_trigger]",
	};
	static const char *const other[] = {
		"INFO: task rw_hang:778 blocked for more than 120 seconds.",
		"Call Trace:",
		" hang_write+0x3a/0x60 [rw_trigger]",
	};
	static const char *const edac[] = {
		"EDAC MC0: 1 CE memory read error on DIMM_A1 (channel:1 slot:0 page:0x2fae40)",
	};
	struct rw_event spooled = {.kind = KIND_HUNG_TASK,
				   .source = SOURCE_BPF,
				   .boot_ms = t.now.boot_ms - 3010,
				   .pid = 777,
				   .count = 1};

	(void)state;
	rw_events_recall(t.events, &spooled);
	spooled.kind = KIND_MEMORY_ERROR;
	spooled.pid = 0;
	rw_event_set_fact(&spooled, FACT_DEVICE, "MC0 DIMM_A1");
	rw_events_recall(t.events, &spooled);
	old_lines(hung, COUNT_OF(hung));
	old_lines(edac, COUNT_OF(edac));
	flush();
	assert_int_equal(t.seen_count, 0);
	old_lines(other, COUNT_OF(other));
	old_lines(edac, COUNT_OF(edac));
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(t.seen_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_log_alone),
		TEST(test_restart_tells_nothing_twice),
		TEST(test_612_forms),
		TEST(test_bpf_leaves_at_once_and_log_confirms),
		TEST(test_both_at_once_make_one),
		TEST(test_log_first_waits_for_bpf),
		TEST(test_log_left_before_bpf_came),
		TEST(test_begin_without_detail),
		TEST(test_two_cpus_are_two),
		TEST(test_same_cpu_later_is_another),
		TEST(test_late_reader_still_merges),
		TEST(test_cut_block_times_out),
		TEST(test_wild_jump_blames_caller),
		cmocka_unit_test_teardown(test_old_kernel_addresses, tear_down),
		TEST(test_oops_then_panic),
		TEST(test_panic_signatures_agree),
		TEST(test_panic_cuts_open_oops),
		TEST(test_warning_from_either_or_both),
		TEST(test_warning_of_a_check_is_its_callers),
		TEST(test_warning_storm_is_counted),
		TEST(test_drizzle_is_told_at_once),
		TEST(test_stop_sends_what_was_counted),
		TEST(test_module_failures),
		TEST(test_module_one_act_one_event),
		TEST(test_module_without_name_in_log),
		TEST(test_module_log_alone),
		TEST(test_restart),
		TEST(test_hard_lockup),
		TEST(test_log_position),
		TEST(test_backlog_is_not_confirmed),
		TEST(test_oops_facts_from_bpf),
		TEST(test_oops_facts_from_the_log),
		TEST(test_oops_facts_are_merged),
		TEST(test_facts_of_another_cpus_oops_are_not_taken),
		TEST(test_the_name_that_bpf_read_stands),
		TEST(test_survived_when_it_was_told_in_time),
		TEST(test_jump_to_nowhere_has_one_name),
		TEST(test_oops_loop_is_a_handful),
		TEST(test_panic_tells_of_its_oops),
		TEST(test_panic_sends_what_is_held),
		TEST(test_panic_without_oops_names_its_caller),
		TEST(test_panic_of_arm64_tells_of_its_oops),
		TEST(test_panic_on_warn_blames_the_warning),
		TEST(test_reports_from_the_log),
		TEST(test_reports_from_both_are_one),
		TEST(test_kfence_is_not_kasan),
		TEST(test_recalled_kinds_are_not_told_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
