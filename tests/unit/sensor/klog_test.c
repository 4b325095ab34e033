/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real console texts in, facts out. What must be true for a user: a crash is
 * recognised on each kernel that Debian ships, and nobody can forge one by
 * giving a program a clever name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "sensor/klog.h"

static struct rw_klog_fact parse(const char *line)
{
	struct rw_klog_fact fact;
	rw_klog_parse(line, strlen(line), &fact);
	return fact;
}

static void expect_type(const char *line, enum rw_klog_type type)
{
	struct rw_klog_fact fact = parse(line);

	if (fact.type != type)
		fail_msg("%s: type %d, expected %d", line, (int)fact.type, (int)type);
}

static void test_oops_begins(void **state)
{
	static const char *const lines[] = {
		"BUG: kernel NULL pointer dereference, address: 0000000000000000",
		"BUG: unable to handle page fault for address: ffffffffc0a81000",
		"BUG: unable to handle kernel NULL pointer dereference at 0000000000000010",
		"BUG: unable to handle kernel paging request at ffffb2c040bd7ff8",
		"kernel BUG at /build/drivers/crash.c:31!",
		"kernel BUG at lib/list_debug.c:56!",
		"Unable to handle kernel NULL pointer dereference at virtual address "
		"0000000000000000",
		"Unable to handle kernel paging request at virtual address dead000000000122",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		expect_type(lines[i], RW_KLOG_OOPS);
		assert_string_equal(parse(lines[i]).text, lines[i]);
	}
}

static void test_die_lines(void **state)
{
	static const char *const lines[] = {
		"Oops: 0002 [#1] PREEMPT SMP NOPTI", /* 5.10 … 6.9 */
		"Oops: 0000 [#1] SMP PTI",
		"Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI", /* 6.10 on */
		"Oops: Oops: 0000 [#2] SMP NOPTI",
		"general protection fault, probably for non-canonical address 0xdead000000000122: "
		"0000 [#1] PREEMPT SMP NOPTI",
		"general protection fault: 0000 [#1] SMP NOPTI",
		"Oops: general protection fault, probably for non-canonical address "
		"0xdead000000000122: 0000 [#1] PREEMPT SMP NOPTI",
		"invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
		"Oops: invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
		"divide error: 0000 [#1] PREEMPT SMP NOPTI",
		"Oops: divide error: 0000 [#1] SMP",
		"Oops: 0002 [#1] PREEMPT_RT SMP",
		"Oops: Oops: 0002 [#1] SMP PREEMPT(voluntary) NOPTI",
		"stack segment: 0000 [#1] SMP",
		"Internal error: Oops: 96000044 [#1] SMP",         /* arm64, 5.10 */
		"Internal error: Oops: 0000000096000044 [#1] SMP", /* arm64, 6.1 */
		"Internal error: Oops - BUG: 00000000f2000800 [#1] SMP",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_type(lines[i], RW_KLOG_DIE);
}

/* A task's name is any 15 bytes, and the kernel opens some lines with it. */
static void test_nobody_forges(void **state)
{
	static const char *const lines[] = {
		"Oops: 0000 [#1][4711]: segfault at 0 ip 0000000000000000 sp 00007ffd error 14 in "
		"a[400000+1000]",
		"int3: 0000 [#1][4711]: segfault at 0 ip 0000000000000000 sp 00007ffd error 14",
		"kernel BUG at a[4711]: segfault at 0 ip 0 sp 0 error 4 in b:1![400000+1000]",
		"BUG: kernel NUL[4711]: segfault at 0 ip 0 sp 0 error 4",
		"WARNING: CPU: 0[4711]: segfault at 0 ip 0 sp 0 error 4",
		"Kernel panic - [4711]: segfault at 0 ip 0 sp 0 error 4",
		"x: Unknown symb[4711]: segfault at 0 ip 0 sp 0 error 4",
		"traps: a.out[4711] general protection fault ip:401000 sp:7ffd error:0 in "
		"a.out[401000+1000]",
		"traps: a.out[4711] trap divide error ip:401000 sp:7ffd error:0 in "
		"a.out[401000+1000]",
		"Comm: Kernel panic - not syncing: no",
		"audit: type=1400 comm=\"Kernel panic - not syncing: x\"",
		"crash: loading BUG: kernel NULL pointer dereference, address: 0",
		"note: Oops: 0000 [#1][12] exited with irqs disabled",
		"usb 1-1: Product: Kernel panic - not syncing: hello",
		"BUG: scheduling while atomic: sh/123/0x00000002",
		"BUG: soft lockup - CPU#1 stuck for 22s! [sh:123]",
		"kernel BUG at x.c:12! and more",
		"Oops: zzzz [#1] SMP",
		"",
		" ",
		"RIP: 0033:0x7f0c5f1a2b17",
		"[drm] Kernel panic - not syncing: x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_type(lines[i], RW_KLOG_OTHER);
}

static void test_instruction_pointer(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("RIP: 0010:crash_write+0x12/0x30 [rw_crash]");
	assert_int_equal(f.type, RW_KLOG_IP);
	assert_string_equal(f.symbol, "crash_write+0x12");
	assert_string_equal(f.module, "rw_crash");

	f = parse("RIP: 0010:sysrq_handle_crash+0x16/0x20");
	assert_string_equal(f.symbol, "sysrq_handle_crash+0x16");
	assert_string_equal(f.module, "");

	f = parse("RIP: 0010:foo.constprop.0+0x1a2/0x2c0 [ext4 0123456789abcdef]");
	assert_string_equal(f.symbol, "foo.constprop.0+0x1a2");
	assert_string_equal(f.module, "ext4");

	f = parse("RIP: 0010:0x0");
	assert_int_equal(f.type, RW_KLOG_IP);
	assert_string_equal(f.symbol, "");

	f = parse("pc : crash_write+0x20/0x40 [rw_crash]");
	assert_int_equal(f.type, RW_KLOG_IP);
	assert_string_equal(f.symbol, "crash_write+0x20");

	expect_type("RIP: 0033:main+0x12/0x30", RW_KLOG_OTHER);
	expect_type("lr : vfs_write+0x20/0x40", RW_KLOG_OTHER);
}

static void test_task(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("CPU: 1 PID: 123 Comm: sh Tainted: G           OE      "
				      "6.1.0-18-amd64 #1  Debian 6.1.76-1");
	assert_int_equal(f.type, RW_KLOG_TASK);
	assert_int_equal(f.cpu, 1);
	assert_int_equal(f.pid, 123);
	assert_string_equal(f.comm, "sh");

	f = parse("CPU: 3 UID: 1000 PID: 77 Comm: kworker/3:1 Not tainted 6.12.12-cloud-amd64 #1  "
		  "Debian 6.12.12-1");
	assert_int_equal(f.type, RW_KLOG_TASK);
	assert_int_equal(f.cpu, 3);
	assert_int_equal(f.pid, 77);
	assert_string_equal(f.comm, "kworker/3:1");

	/* nothing that stands in a name is believed, and bad bytes are shown */
	f = parse("CPU: 0 PID: 9 Comm: PID: 1 CPU: 9 Tainted: G W 6.1.0");
	assert_int_equal(f.pid, 9);
	assert_string_equal(f.comm, "PID: 1 CPU: 9");
	f = parse("CPU: 0 PID: 9 Comm: a\xff Tainted: G");
	assert_string_equal(f.comm, "a\\xff");
}

static void test_warning(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse(
		"WARNING: CPU: 0 PID: 140 at /build/crash.c:55 crash_write+0x88/0x110 [rw_crash]");
	assert_int_equal(f.type, RW_KLOG_WARNING);
	assert_int_equal(f.cpu, 0);
	assert_int_equal(f.pid, 140);
	assert_string_equal(f.symbol, "crash_write+0x88");
	assert_string_equal(f.module, "rw_crash");
	assert_string_equal(f.text, "/build/crash.c:55");

	f = parse("WARNING: CPU: 2 PID: 0 at net/sched/sch_generic.c:525 dev_watchdog+0x1a5/0x1b0");
	assert_string_equal(f.symbol, "dev_watchdog+0x1a5");
	assert_string_equal(f.module, "");

	f = parse("WARNING: net/core/dev.c:1 at foo+0x1/0x2 [bar], CPU#3: sh/12");
	assert_int_equal(f.type, RW_KLOG_WARNING);
	assert_int_equal(f.cpu, 3);
	assert_string_equal(f.symbol, "foo+0x1");
	assert_string_equal(f.module, "bar");

	expect_type("WARNING: You are running an unsupported configuration", RW_KLOG_OTHER);
	expect_type("WARNING: CPU: 0 PID: 1 at", RW_KLOG_OTHER);
	assert_int_equal(parse("WARNING: CPU: 7 PID: 1 at ").cpu, UINT32_MAX);
}

static void test_frames(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse(" proc_reg_write+0x5a/0xa0");
	assert_int_equal(f.type, RW_KLOG_FRAME);
	assert_string_equal(f.symbol, "proc_reg_write+0x5a");
	f = parse(" crash_init+0x10/0x1000 [rw_crash]");
	assert_string_equal(f.module, "rw_crash");
	expect_type(" ? __die+0x20/0x70", RW_KLOG_OTHER);
	expect_type(" <TASK>", RW_KLOG_OTHER);
	expect_type("Call Trace:", RW_KLOG_TRACE);
	expect_type("Call trace:", RW_KLOG_TRACE);
	expect_type("---[ end trace 0000000000000000 ]---", RW_KLOG_END);
	expect_type("---[ end Kernel panic - not syncing: Fatal exception ]---", RW_KLOG_OTHER);
}

static void test_panic_lockup_restart(void **state)
{
	(void)state;
	struct rw_klog_fact f =
		parse("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b");
	assert_int_equal(f.type, RW_KLOG_PANIC);
	assert_string_equal(f.text, "Attempted to kill init! exitcode=0x0000000b");

	assert_int_equal(parse("NMI watchdog: Watchdog detected hard LOCKUP on cpu 5").cpu, 5);
	assert_int_equal(parse("watchdog: Watchdog detected hard LOCKUP on cpu 2").cpu, 2);
	assert_int_equal(parse("watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 4").cpu, 4);

	assert_string_equal(parse("reboot: Restarting system").text, "reboot");
	assert_string_equal(parse("reboot: Power down").text, "power-off");
	assert_string_equal(parse("kexec_core: Starting new kernel").text, "kexec");
	assert_string_equal(parse("sysrq: Resetting").text, "emergency");
}

static void expect_module(const char *line, const char *name, int error)
{
	struct rw_klog_fact f = parse(line);

	if (f.type != RW_KLOG_MODULE || strcmp(f.module, name) != 0 || f.error != error)
		fail_msg("%s: type %d module '%s' error %d", line, (int)f.type, f.module,
			 (int)f.error);
}

static void test_modules(void **state)
{
	(void)state;
	expect_module("rw_bad: version magic '6.1.0-9-amd64 SMP preempt mod_unload modversions ' "
		      "should be "
		      "'6.1.0-18-amd64 SMP preempt mod_unload modversions '",
		      "rw_bad", -ENOEXEC);
	expect_module("rw_bad: Unknown symbol nowhere_at_all (err -2)", "rw_bad", -ENOENT);
	expect_module("rw_bad: Unknown symbol printk (err -22)", "rw_bad", -EINVAL);
	expect_module("rw_bad: disagrees about version of symbol module_layout", "rw_bad",
		      -ENOEXEC);
	expect_module("rw_bad: disagrees about version of symbol kfree", "rw_bad", -EINVAL);
	expect_module("rw_bad: exports duplicate symbol x (owned by y)", "rw_bad", -ENOEXEC);
	expect_module(
		"module rw_bad: .gnu.linkonce.this_module section size must match the kernel's "
		"built struct module size at run time",
		"rw_bad", -ENOEXEC);
	expect_module("Loading of unsigned module is rejected", "", -EKEYREJECTED);
	expect_module("Loading of module with unavailable key is rejected", "", -EKEYREJECTED);
	expect_module("Invalid ELF header magic: != \x7f"
		      "ELF",
		      "", -ENOEXEC);

	/* these load all the same */
	expect_type("rw_ok: module verification failed: signature and/or required key missing - "
		    "tainting kernel",
		    RW_KLOG_OTHER);
	expect_type("rw_ok: loading out-of-tree module taints kernel.", RW_KLOG_OTHER);
	expect_type("rw_ok: unknown parameter 'x' ignored", RW_KLOG_OTHER);
	expect_type("my prog: Unknown symbol x (err -2)", RW_KLOG_OTHER);
}

/* Bounded whatever comes: all lengths of a line, and long tokens. */
static void test_any_cut(void **state)
{
	static const char line[] =
		"WARNING: CPU: 0 PID: 140 at /build/crash.c:55 crash_write+0x88/0x110 [rw_crash]";
	char text[9000];

	(void)state;
	for (size_t n = 0; n < sizeof(line); n++) {
		struct rw_klog_fact f;
		char *copy = test_malloc(n + 1);
		memcpy(copy, line, n);
		rw_klog_parse(copy, n, &f);
		test_free(copy);
	}
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "RIP: 0010:", 10);
	expect_type(text, RW_KLOG_OTHER);
	memcpy(text + 8000, "+0x1/0x2", 9);
	struct rw_klog_fact f = parse(text);
	assert_int_equal(f.type, RW_KLOG_IP);
	assert_true(strlen(f.symbol) <= RW_SYMBOL_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oops_begins),   cmocka_unit_test(test_die_lines),
		cmocka_unit_test(test_nobody_forges), cmocka_unit_test(test_instruction_pointer),
		cmocka_unit_test(test_task),          cmocka_unit_test(test_warning),
		cmocka_unit_test(test_frames),        cmocka_unit_test(test_panic_lockup_restart),
		cmocka_unit_test(test_modules),       cmocka_unit_test(test_any_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
