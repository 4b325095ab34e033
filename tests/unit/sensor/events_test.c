/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sources, one event. What must be true for a user: each crash is counted
 * once, however it was seen, and it is told at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"
#include "sensor/events.h"

enum { SEEN_MAX = 64 };

static struct {
	struct rw_events *events;
	struct rw_events_time now;
	uint64_t sequence;
	uint32_t seen_count;
	struct rw_event seen[SEEN_MAX];
	uint64_t positions[SEEN_MAX];
} t;

static void on_event(void *context, struct rw_event *event, uint64_t position)
{
	(void)context;
	assert_true(t.seen_count < SEEN_MAX);
	assert_true(rw_text_is_clean(event->comm, strlen(event->comm)));
	assert_true(event->signature[0] != '\0');
	assert_true(event->count >= 1);
	t.positions[t.seen_count] = position;
	t.seen[t.seen_count++] = *event;
}

static int no_symbols(const uint64_t *addresses, uint32_t count, struct rw_symbol *out)
{
	(void)addresses;
	memset(out, 0, count * sizeof(*out));
	return -EACCES;
}

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

static int set_up_with(rw_events_resolve_fn *resolve)
{
	struct rw_events_config config = {
		.boot_id = "11111111-2222-3333-4444-555555555555",
		.boot_order = 7,
		.resolve = resolve,
		.fn = on_event,
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
	return 0;
}

static void bpf_is_live(void)
{
	for (int kind = 1; kind < RW_EVENTS_KINDS; kind++)
		rw_events_set_in_bpf(t.events, (Ringwatch__V1__Kind)kind);
}

static void line(const char *text)
{
	struct rw_klog_fact fact;

	rw_klog_parse(text, strlen(text), &fact);
	rw_events_line(t.events, &fact, t.sequence++, t.now.boot_ms, false, t.now);
}

static void flush(void)
{
	rw_events_flush(t.events, t.now);
}

static void pass(uint64_t ms)
{
	t.now.boot_ms += ms;
	t.now.wall_ms += ms;
	flush();
}

static struct rw_record record(enum rw_record_type type, uint32_t cpu, uint32_t pid)
{
	struct rw_record r = {.type = type, .cpu = cpu, .pid = pid, .tgid = pid};

	r.boot_ns = t.now.boot_ms * 1000000;
	memcpy(r.comm, "sh", 3);
	return r;
}

static void feed(struct rw_record *r)
{
	rw_events_record(t.events, r, t.now);
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

static void lines(const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		line(texts[i]);
}

#define LINES(texts) lines(texts, sizeof(texts) / sizeof(texts[0]))

static void old_lines(const char *const *texts, size_t count)
{
	struct rw_klog_fact fact;

	for (size_t i = 0; i < count; i++) {
		rw_klog_parse(texts[i], strlen(texts[i]), &fact);
		rw_events_line(t.events, &fact, t.sequence++, t.now.boot_ms - 3000, true, t.now);
	}
}

static const struct rw_event *only_event(void)
{
	assert_int_equal(t.seen_count, 1);
	return &t.seen[0];
}

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

	rw_events_free(t.events);
	set_up(NULL);
	bpf_is_live();
	bpf_warning(0);
	flush();
	log_warning(0);
	pass(2000);
	assert_string_equal(only_event()->signature, "warning:crash_write+0x88:rw_crash");
	assert_string_equal(t.seen[0].detail, "WARNING at /build/crash.c:55");
}

static uint64_t counted(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t.seen_count; i++)
		sum += t.seen[i].count;
	return sum;
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
	assert_int_equal(t.seen_count, RW_EVENTS_AT_ONCE);
	pass(RW_EVENTS_STORM_MS);
	assert_int_equal(t.seen_count, RW_EVENTS_AT_ONCE + 1);
	assert_int_equal(counted(), 1000);
	assert_string_equal(t.seen[RW_EVENTS_AT_ONCE].signature, t.seen[0].signature);

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
	assert_string_equal(only_event()->signature, "hard_lockup:spin_forever+0x10:rw_crash");
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
