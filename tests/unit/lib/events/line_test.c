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

#include "lib/events/line.h"

static struct rw_klog_fact parse(const char *line)
{
	struct rw_klog_fact fact;
	rw_klog_parse(line, strlen(line), &fact);
	return fact;
}

/* `form` with `name` for its %s (all of it) and %.15s (what a task's name holds). */
static void format_line(char *out, size_t size, const char *form, const char *name)
{
	size_t used = 0;

	for (const char *p = form; *p != '\0'; p++) {
		size_t most = strncmp(p, "%.15s", 5) == 0 ? 15 : strncmp(p, "%s", 2) == 0 ? 999 : 0;
		size_t length = strlen(name) < most ? strlen(name) : most;
		assert_true(used + length + 2 < size);
		if (most == 0) {
			out[used++] = *p;
			continue;
		}
		memcpy(out + used, name, length);
		used += length;
		p += most == 15 ? 4 : 1;
	}
	out[used] = '\0';
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

	/* a jump to nowhere is named by its caller, which another line tells */
	f = parse("RIP: 0010:0x0");
	assert_int_equal(f.type, RW_KLOG_NO_SYMBOL);
	assert_true(f.has_address);
	assert_int_equal(f.address, 0);
	assert_string_equal(f.symbol, "");
	f = parse("RIP: 0010:0xffffffffc0a81000");
	assert_int_equal(f.type, RW_KLOG_NO_SYMBOL);
	assert_true(f.address == 0xffffffffc0a81000);
	expect_type("pc : 0x0", RW_KLOG_NO_SYMBOL);
	expect_type("Code: Unable to access opcode bytes at 0xffffffffffffffd6.", RW_KLOG_OTHER);
	expect_type("RIP: 0033:0x7f0c5f1a2b17", RW_KLOG_OTHER);

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
	/* arm64 from 6.14 on says how it found one; a module may carry its build id */
	assert_string_equal(parse("  el0t_64_sync+0x1ac/0x1b0 (P)").symbol, "el0t_64_sync+0x1ac");
	f = parse(" nvme_irq+0x10/0x40 [nvme 0123456789abcdef0123456789abcdef01234567]");
	assert_int_equal(f.type, RW_KLOG_FRAME);
	assert_string_equal(f.module, "nvme");
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
	expect_type("rw_ok: unknown parameter 'x' ignored", RW_KLOG_OTHER);
	expect_type("my prog: Unknown symbol x (err -2)", RW_KLOG_OTHER);
}

static void expect_word(const char *line, enum rw_klog_type type, const char *word)
{
	struct rw_klog_fact f = parse(line);

	if (f.type != type || strcmp(f.word, word) != 0)
		fail_msg("%s: type %d '%s', expected %d '%s'", line, (int)f.type, f.word, (int)type,
			 word);
}

/* What sort of oops it is, and where it reached. */
static void test_what_sort_of_oops(void **state)
{
	(void)state;
	expect_word("BUG: kernel NULL pointer dereference, address: 0000000000000008", RW_KLOG_OOPS,
		    "null_dereference");
	expect_word("BUG: unable to handle page fault for address: ffffffffc0a81000", RW_KLOG_OOPS,
		    "page_fault");
	expect_word("Unable to handle kernel NULL pointer dereference at virtual address "
		    "0000000000000008",
		    RW_KLOG_OOPS, "null_dereference");
	expect_word("Unable to handle kernel execute from non-executable memory at virtual address "
		    "ffff800008bd1000",
		    RW_KLOG_OOPS, "page_fault");
	expect_word("kernel BUG at mm/slub.c:305!", RW_KLOG_OOPS, "invalid_opcode");
	expect_word("BUG: TASK stack guard page was hit at 00000000f1a2b3c4 (stack is "
		    "0000000012345678..000000009abcdef0)",
		    RW_KLOG_OOPS, "stack_overflow");
	expect_word("BUG: stack guard page was hit at 00000000f1a2b3c4 (stack is "
		    "0000000012345678..000000009abcdef0)",
		    RW_KLOG_OOPS, "stack_overflow");
	expect_word("Insufficient stack space to handle exception!", RW_KLOG_OOPS,
		    "stack_overflow");

	expect_word("Oops: 0002 [#1] PREEMPT SMP NOPTI", RW_KLOG_DIE, "page_fault");
	expect_word("Oops: Oops: 0002 [#1] SMP NOPTI", RW_KLOG_DIE, "page_fault");
	expect_word("Oops: general protection fault, probably for non-canonical address "
		    "0xdead000000000122: 0000 [#1] PREEMPT SMP NOPTI",
		    RW_KLOG_DIE, "general_protection");
	expect_word("divide error: 0000 [#1] PREEMPT SMP NOPTI", RW_KLOG_DIE, "divide_error");
	expect_word("Oops: divide error: 0000 [#1] PREEMPT SMP NOPTI", RW_KLOG_DIE, "divide_error");
	expect_word("Oops: invalid opcode: 0000 [#3] SMP PTI", RW_KLOG_DIE, "invalid_opcode");
	expect_word("stack guard page: 0000 [#1] PREEMPT SMP", RW_KLOG_DIE, "stack_overflow");
	expect_word("Oops: stack guard page: 0000 [#1] SMP", RW_KLOG_DIE, "stack_overflow");
	expect_word("kernel stack overflow (double-fault): 0000 [#1] SMP PTI", RW_KLOG_DIE,
		    "stack_overflow");
	expect_word("Internal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT SMP", RW_KLOG_DIE,
		    "invalid_opcode");
	expect_word("Internal error: Oops: 0000000096000004 [#1] SMP", RW_KLOG_DIE, "page_fault");
	expect_word("Internal error: synchronous external abort: 0000000096000210 [#1] PREEMPT SMP",
		    RW_KLOG_DIE, "other");
	expect_word("Oops: control protection fault: 0003 [#1] PREEMPT SMP NOPTI", RW_KLOG_DIE,
		    "other");
}

static void test_address_and_error_code(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("BUG: unable to handle page fault for address: "
				      "ffffffffc0a81000");
	assert_true(f.has_address && f.address == 0xffffffffc0a81000);
	f = parse("Unable to handle kernel paging request at virtual address dead000000000122");
	assert_true(f.has_address && f.address == 0xdead000000000122);
	f = parse("BUG: unable to handle kernel paging request at ffffb2c040bd7ff8");
	assert_true(f.has_address && f.address == 0xffffb2c040bd7ff8);
	f = parse("general protection fault, probably for non-canonical address "
		  "0xdead000000000122: 0000 [#1] PREEMPT SMP NOPTI");
	assert_true(f.has_address && f.address == 0xdead000000000122);
	assert_true(f.has_error_code && f.error_code == 0);
	f = parse("Oops: Oops: 0010 [#1] SMP NOPTI");
	assert_true(f.has_error_code && f.error_code == 0x10);
	assert_false(parse("invalid opcode: 0000 [#1] SMP").has_error_code);
	/* the guard page's address is hashed and says nothing */
	assert_false(parse("BUG: TASK stack guard page was hit at 00000000f1a2b3c4 (stack is "
			   "0000000012345678..000000009abcdef0)")
			     .has_address);

	f = parse("#PF: error_code(0x0002) - not-present page");
	assert_int_equal(f.type, RW_KLOG_ADDRESS);
	assert_true(f.has_error_code && f.error_code == 2 && !f.has_address);
	f = parse("  ESR = 0x0000000096000004");
	assert_int_equal(f.type, RW_KLOG_ADDRESS);
	assert_true(f.has_error_code && f.error_code == 0x96000004);
	expect_type("  ESR = 0x96000004", RW_KLOG_ADDRESS); /* 5.10 */
	f = parse("ESR: 0x0000000096000047 -- DABT (current EL)");
	assert_int_equal(f.type, RW_KLOG_ADDRESS);
	assert_true(f.error_code == 0x96000047);
	f = parse("FAR: 0xffff800009a3fff0");
	assert_int_equal(f.type, RW_KLOG_ADDRESS);
	assert_true(f.has_address && !f.has_error_code && f.address == 0xffff800009a3fff0);
	expect_type("#PF: supervisor read access in kernel mode", RW_KLOG_OTHER);
	expect_type("Mem abort info:", RW_KLOG_OTHER);
}

static void test_soft_lockups(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [sh:123]");
	assert_int_equal(f.type, RW_KLOG_SOFT_LOCKUP);
	assert_int_equal(f.cpu, 3);
	assert_int_equal(f.seconds, 22);
	/* a name that looks like a number of its own changes nothing */
	f = parse("watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [99s! [a:1]:123]");
	assert_int_equal(f.seconds, 22);
	assert_string_equal(f.comm, "");
}

static void test_rcu_stalls(void **state)
{
	(void)state;
	expect_word("rcu: INFO: rcu_sched self-detected stall on CPU", RW_KLOG_RCU_STALL,
		    "self_detected");
	expect_word("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", RW_KLOG_RCU_STALL,
		    "detected");
	expect_word("INFO: rcu_tasks detected stalls on tasks:", RW_KLOG_RCU_STALL, "detected");
	expect_word("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 2-...D } "
		    "5265 jiffies s: 133 root: 0x4/.",
		    RW_KLOG_RCU_STALL, "expedited");
	assert_int_equal(parse("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { "
			       "2-...D } 5265 jiffies s: 133 root: 0x4/.")
				 .cpu,
			 2);
	assert_int_equal(parse("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { "
			       "P42 } 5265 jiffies s: 133 root: 0x0/T")
				 .cpu,
			 UINT32_MAX);

	struct rw_klog_fact f = parse("rcu: \t1-....: (5249 ticks this GP) "
				      "idle=31c/1/0x4000000000000000 softirq=9712/9712 fqs=2461");
	assert_int_equal(f.type, RW_KLOG_RCU_STALL);
	assert_string_equal(f.word, "");
	assert_int_equal(f.cpu, 1);
	assert_int_equal(parse("rcu: \t14-...!: (0 ticks this GP) idle=b44/0/0x0").cpu, 14);
	expect_type("rcu: \t\t(t=5250 jiffies g=33629 q=62)", RW_KLOG_OTHER);
	expect_type("rcu: rcu_sched kthread starved for 5249 jiffies! g33629 f0x0", RW_KLOG_OTHER);
	expect_type("rcu: \tUnless rcu_sched kthread gets sufficient CPU time, OOM is now expected "
		    "behavior.",
		    RW_KLOG_OTHER);
	expect_type("rcu: Hierarchical RCU implementation.", RW_KLOG_OTHER);
}

static void test_hung_tasks(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("INFO: task jbd2/sda1-8:241 blocked for more than 120 "
				      "seconds.");
	assert_int_equal(f.type, RW_KLOG_HUNG_TASK);
	assert_int_equal(f.pid, 241);
	assert_int_equal(f.seconds, 120);
	assert_string_equal(f.comm, "jbd2/sda1-8");

	/* the name cannot make up a pid or a time */
	f = parse("INFO: task a:1 blocked for:77 blocked for more than 241 seconds.");
	assert_int_equal(f.pid, 77);
	assert_int_equal(f.seconds, 241);
	assert_string_equal(f.comm, "a:1 blocked for");

	expect_type("INFO: task a:1 blocked for more than 5 seconds.x:77 blocked", RW_KLOG_OTHER);
	expect_type("INFO: task a name of more than 15 bytes:1 blocked for more than 5 seconds.",
		    RW_KLOG_OTHER);
	expect_type("INFO: task sh:77 is blocked on a mutex likely owned by task sh:78.",
		    RW_KLOG_OTHER);
	expect_type("INFO: task sh:77 blocked for mo", RW_KLOG_OTHER);
}

static void test_oom_kills(void **state)
{
	static const char line[] =
		"Out of memory: Killed process 812 (stress) total-vm:1051356kB, anon-rss:402880kB, "
		"file-rss:4kB, shmem-rss:0kB, UID:1000 pgtables:832kB oom_score_adj:-17";

	(void)state;
	struct rw_klog_fact f = parse(line);
	assert_int_equal(f.type, RW_KLOG_OOM_KILL);
	assert_true(f.whole_host);
	assert_string_equal(f.word, "global");
	assert_int_equal(f.pid, 812);
	assert_string_equal(f.comm, "stress");
	assert_int_equal(f.rss_kib, 402880);
	assert_int_equal(f.uid, 1000);

	/* cut short, what is behind the name is not believed */
	for (size_t n = strlen("Out of memory: Killed process 812 ("); n < sizeof(line) - 1; n++) {
		rw_klog_parse(line, n, &f);
		assert_int_equal(f.type, RW_KLOG_OOM_KILL);
		assert_int_equal(f.pid, 812);
		if (n < sizeof(line) - 3)
			assert_int_equal(f.uid, UINT32_MAX);
	}

	f = parse("Memory cgroup out of memory: Killed process 9 (a) total-vm:1kB) "
		  "total-vm:1051356kB, anon-rss:7kB, file-rss:4kB, shmem-rss:0kB, UID:0 "
		  "pgtables:832kB oom_score_adj:0");
	assert_false(f.whole_host);
	assert_string_equal(f.word, "cgroup");
	assert_string_equal(f.comm, "a) total-vm:1kB");
	assert_int_equal(f.rss_kib, 7);
	expect_type("Out of memory (oom_kill_allocating_task): Killed process 9 (x) total-vm:1kB",
		    RW_KLOG_OOM_KILL);
	expect_type("oom_reaper: reaped process 812 (stress), now anon-rss:0kB, file-rss:0kB",
		    RW_KLOG_OTHER);
	expect_type("oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/Kernel panic - not syncing: "
		    "x,task=a,pid=9,uid=0",
		    RW_KLOG_OTHER);
}

static void test_machine_checks(void **state)
{
	(void)state;
	expect_word("mce: [Hardware Error]: Machine check events logged", RW_KLOG_MACHINE_CHECK,
		    "");
	struct rw_klog_fact f = parse("mce: [Hardware Error]: CPU 2: Machine Check Exception: 5 "
				      "Bank 4: be00000000800400");
	assert_int_equal(f.type, RW_KLOG_MACHINE_CHECK);
	assert_int_equal(f.cpu, 2);
	assert_int_equal(f.bank, 4);
	assert_true(f.status == 0xbe00000000800400);
	assert_string_equal(f.word, "fatal");
	f = parse("mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 8: 8c00004000010090");
	assert_string_equal(f.word, "correctable");
	assert_int_equal(f.bank, 8);
	f = parse("[Hardware Error]: CPU:2 (17:71:0) "
		  "MC27_STATUS[-|CE|MiscV|-|-|-|-|SyndV|-]: 0x982000000002080b");
	assert_int_equal(f.type, RW_KLOG_MACHINE_CHECK);
	assert_int_equal(f.cpu, 2);
	assert_int_equal(f.bank, 27);
	assert_string_equal(f.word, "correctable");
	expect_word("{1}[Hardware Error]: event severity: corrected", RW_KLOG_MACHINE_CHECK,
		    "correctable");
	expect_word("{7}[Hardware Error]: event severity: recoverable", RW_KLOG_MACHINE_CHECK,
		    "nonfatal");
	/* of the boot before, and what explains the line before it */
	expect_type("[Hardware Error]: event severity: fatal", RW_KLOG_OTHER);
	expect_type("mce: [Hardware Error]: TSC 0 ADDR 1234 MISC 86", RW_KLOG_OTHER);
	expect_type("mce: [Hardware Error]: Run the above through 'mcelog --ascii'", RW_KLOG_OTHER);
	expect_type("mce: CPU0: Core temperature/speed normal", RW_KLOG_OTHER);
}

static void test_memory_errors(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("EDAC MC0: 3 CE memory read error on "
				      "CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 "
				      "page:0x3a5e1b offset:0x680 grain:32 syndrome:0x0)");
	assert_int_equal(f.type, RW_KLOG_MEMORY_ERROR);
	assert_int_equal(f.errors, 3);
	assert_string_equal(f.word, "correctable");
	assert_string_equal(f.device, "MC0 CPU_SrcID#0_Ha#0_Chan#1_DIMM#0");
	f = parse("EDAC MC1: 1 UE on mc#1csrow#3channel#0 (csrow:3 channel:0 page:0x0 offset:0x0 "
		  "grain:64)");
	assert_string_equal(f.word, "nonfatal");
	assert_string_equal(f.device, "MC1 mc#1csrow#3channel#0");
	f = parse("EDAC DEVICE0: CE: xgene instance: l3c0 block: N/A count: 2 'l3c'");
	assert_string_equal(f.device, "DEVICE0");
	assert_int_equal(f.errors, 2);
	expect_word("Memory failure: 0x7cd8e: recovery action for dirty LRU page: Recovered",
		    RW_KLOG_MEMORY_ERROR, "nonfatal");
	expect_type("Memory failure: 0x7cd8e: Sending SIGBUS to sh:12 due to hardware memory "
		    "corruption",
		    RW_KLOG_OTHER);
	expect_type("EDAC MC0: Giving out device to module skx_edac controller Skylake",
		    RW_KLOG_OTHER);
	expect_type("EDAC MC: Ver: 3.0.0", RW_KLOG_OTHER);
}

static void expect_device(const char *line, const char *device, const char *word)
{
	struct rw_klog_fact f = parse(line);

	if (f.type != RW_KLOG_PCIE_ERROR || strcmp(f.device, device) != 0 ||
	    strcmp(f.word, word) != 0)
		fail_msg("%s: type %d device '%s' %s", line, (int)f.type, f.device, f.word);
}

static void test_pcie_errors(void **state)
{
	(void)state;
	expect_device("pcieport 0000:00:1c.5: AER: Corrected error received: id=00e5",
		      "0000:00:1c.5", "correctable");
	expect_device("pcieport 0000:00:1d.0: AER: Corrected error received: 0000:3b:00.0",
		      "0000:3b:00.0", "correctable");
	expect_device("pcieport 0000:00:1d.0: AER: Multiple Uncorrected (Non-Fatal) error "
		      "received: 0000:3b:00.0",
		      "0000:3b:00.0", "nonfatal");
	expect_device("pcieport 0000:00:1d.0: AER: Correctable error message received from "
		      "0000:3b:00.0",
		      "0000:3b:00.0", "correctable");
	expect_device("pcieport 0000:00:1d.0: AER: Uncorrectable (Fatal) error message received "
		      "from 0000:3b:00.0 (no details found",
		      "0000:3b:00.0", "fatal");
	expect_device("nvme 0000:3b:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, "
		      "(Receiver ID)",
		      "0000:3b:00.0", "correctable");
	expect_device("nvme 0000:3b:00.0: AER: PCIe Bus Error: severity=Uncorrected (Fatal), "
		      "type=Inaccessible, (Unregistered Agent ID)",
		      "0000:3b:00.0", "fatal");
	expect_device("pcieport 10000:e0:1d.0: PCIe Bus Error: severity=Correctable, type=Data "
		      "Link Layer, (Transmitter ID)",
		      "10000:e0:1d.0", "correctable");
	expect_type("pcieport 0000:00:1c.0: AER: enabled with IRQ 122", RW_KLOG_OTHER);
	expect_type("pcieport 0000:00:1c.0:   device [8086:9d15] error status/mask=00000001/"
		    "00002000",
		    RW_KLOG_OTHER);
	expect_type("pcieport 0000:00:1c.0: Corrected error received: 0000:3b:00.0", RW_KLOG_OTHER);
}

static void test_reports(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("BUG: KFENCE: use-after-free read in rw_touch+0x3c/0x100 "
				      "[rw_kfence]\n");
	assert_int_equal(f.type, RW_KLOG_REPORT);
	assert_true(f.kfence);
	assert_string_equal(f.word, "use-after-free read");
	assert_string_equal(f.symbol, "rw_touch+0x3c");
	assert_string_equal(f.module, "rw_kfence");
	f = parse("BUG: KASAN: slab-out-of-bounds in kmalloc_oob_right+0x190/0x3b8");
	assert_int_equal(f.type, RW_KLOG_REPORT);
	assert_false(f.kfence);
	assert_string_equal(f.word, "slab-out-of-bounds");
	assert_string_equal(f.symbol, "kmalloc_oob_right+0x190");
	expect_word("BUG: KASAN: double-free or invalid-free in kfree+0xd8/0x310", RW_KLOG_REPORT,
		    "double-free or invalid-free");
	expect_word("BUG: KFENCE: memory corruption in 0xffffffffc0a81000", RW_KLOG_REPORT,
		    "memory corruption");
	expect_type("BUG: KFENCE: no place", RW_KLOG_OTHER);
	expect_type("KASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]",
		    RW_KLOG_OTHER);
}

static void test_the_boot_before(void **state)
{
	(void)state;
	struct rw_klog_fact f = parse("x86/amd: Previous system reset reason [0x08000800]: an "
				      "uncorrected error caused a data fabric sync flood event");
	assert_int_equal(f.type, RW_KLOG_RESET_REASON);
	assert_true(f.status == 0x08000800);
	assert_string_equal(f.text, "an uncorrected error caused a data fabric sync flood event");
	expect_type("BERT: Error records from previous boot:", RW_KLOG_BERT);
	expect_type("BERT: Total records found: 1", RW_KLOG_OTHER);
}

static void test_module_causes(void **state)
{
	(void)state;
	expect_word("x: version magic '6.1.0 SMP ' should be '6.1.1 SMP '", RW_KLOG_MODULE,
		    "version_magic");
	expect_word("x: disagrees about version of symbol kfree", RW_KLOG_MODULE, "symbol_version");
	expect_word("x: Unknown symbol nowhere (err -2)", RW_KLOG_MODULE, "unknown_symbol");
	expect_word("Loading of unsigned module is rejected", RW_KLOG_MODULE, "signature_refused");
	expect_word("module: Loading of module with unavailable key is rejected", RW_KLOG_MODULE,
		    "signature_refused");
	expect_word("Invalid ELF header len 5", RW_KLOG_MODULE, "bad_format");
	expect_word("Invalid module architecture in ELF header: 40", RW_KLOG_MODULE, "bad_format");
	expect_word("Module rw_bad is blacklisted", RW_KLOG_MODULE, "blacklisted");
	expect_module("Module rw_bad is blacklisted", "rw_bad", -EPERM);
	expect_word("rw_bad: Could not allocate 65536 bytes percpu data", RW_KLOG_MODULE,
		    "no_memory");
	expect_type("e1000: Could not allocate 3 buffers", RW_KLOG_OTHER);

	expect_word("rw_bad: `twelve' invalid for parameter `count'", RW_KLOG_MODULE,
		    "bad_parameter");
	expect_module("rw_bad: `twelve' invalid for parameter `count'", "rw_bad", -EINVAL);
	expect_module("rw_bad: `1,2,3' too large for parameter `list'", "rw_bad", -ENOSPC);
	/* the text is anybody's: it names neither another parameter nor another module */
	expect_module("rw_bad: `' invalid for parameter `x': oops' invalid for parameter `count'",
		      "rw_bad", -EINVAL);
	expect_type("Booting kernel: `x' invalid for parameter `y'", RW_KLOG_OTHER);
	expect_type("rw_bad: `twelve' invalid for parameter `count", RW_KLOG_OTHER);
}

/* These load all the same. */
static void expect_flag(const char *line, uint32_t flag, const char *name)
{
	struct rw_klog_fact f = parse(line);

	if (f.type != RW_KLOG_TAINTED || f.flag != flag || strcmp(f.word, name) != 0)
		fail_msg("%s: type %d flag %u %s", line, (int)f.type, f.flag, f.word);
	assert_string_equal(f.module, "rw_ok");
}

static void test_taints(void **state)
{
	(void)state;
	expect_flag("rw_ok: loading out-of-tree module taints kernel.", 12, "out_of_tree_module");
	expect_flag("rw_ok: module verification failed: signature and/or required key missing - "
		    "tainting kernel",
		    13, "unsigned_module");
	expect_flag("rw_ok: module license 'Proprietary' taints kernel.", 0, "proprietary_module");
	expect_flag("rw_ok: module license taints kernel.", 0, "proprietary_module");
	expect_flag("rw_ok: tainting kernel with TAINT_LIVEPATCH", 15, "livepatch");
	expect_flag("rw_ok: module is from the staging directory, the quality is unknown, you have "
		    "been warned.",
		    10, "staging_driver");
	expect_type("Disabling lock debugging due to kernel taint", RW_KLOG_OTHER);
	expect_type("rw ok: loading out-of-tree module taints kernel.", RW_KLOG_OTHER);
}

/*
 * Whatever stands where a user can choose it: in a task's name that opens the
 * line, in one further on, in a cgroup's path, in a file's, in a device's.
 */
static void test_no_name_makes_a_fact(void **state)
{
	static const char *const names[] = {
		"Oops: 0002 [#1]",
		"BUG: kernel NULL pointer dereference, address: 0000000000000000",
		"kernel BUG at mm/slub.c:305!",
		"Kernel panic - not syncing: Fatal exception",
		"divide error: 0000 [#1] SMP",
		"watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [sh:123]",
		"rcu: INFO: rcu_sched self-detected stall on CPU",
		"NMI watchdog: Watchdog detected hard LOCKUP on cpu 5",
		"INFO: task sh:1 blocked for more than 120 seconds.",
		"Out of memory: Killed process 1 (a) total-vm:1kB, anon-rss:1kB, file-rss:1kB, "
		"shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0",
		"BUG: KFENCE: use-after-free read in a+0x1/0x2",
		"mce: [Hardware Error]: Machine check events logged",
		"EDAC MC0: 1 UE ",
		"EDAC MC0: 1 UE on a (b page:0x1",
		"rcu: \t1-....: (5249 ticks this GP) idle=1",
		"RIP: 0010:0x0 ",
		"pc : a+0x1/0x2 ",
		"pc : 0x0",
		" a+0x1/0x2 (P)",
		" a+0x1/0x2 ",
		"Call Trace:",
		"---[ end trace 0000000000000000 ]---",
		"  ESR = 0x1",
		"pcieport 0000:00:1d.0: AER: Corrected error received: 0000:3b:00.0",
		"Loading of unsigned module is rejected",
		"x: loading out-of-tree module taints kernel.",
		"RIP: 0010:a+0x1/0x2",
		"WARNING: CPU: 0 PID: 1 at a:1 b+0x1/0x2",
		"reboot: Restarting system",
	};
	/* the first of these open with a task's name: 15 bytes of it */
	static const char *const lines[] = {
		"%.15s[4711]: segfault at 0 ip 0000000000000000 sp 00007ffd error 14 in a[1+1] "
		"likely on CPU 1 (core 1, socket 0)",
		"%.15s[4711]: unhandled exception: SVC (AArch64), ESR 0x56000000, in a[1+1]",
		"%.15s (4711): drop_caches: 3",
		"%.15s: page allocation failure: order:4, mode:0x40dc0",
		"%.15s invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
		"%.15s/4711 is trying to acquire lock:",
		"process '%s' started with executable stack",
		"traps: %.15s[4711] trap divide error ip:401000 sp:7ffd error:0 in a[401000+1000]",
		"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
		"oom_memcg=/%s,task_memcg=/%s,task=a,pid=7,uid=0",
		"Memory cgroup stats for /%s:",
		"Tasks in /%s are going to be killed due to memory.oom.group set",
		"[   4711]  1000  4711      577       15    45056        0             0 %.15s",
		"oom_reaper: reaped process 4711 (%.15s), now anon-rss:0kB, file-rss:0kB, "
		"shmem-rss:0kB",
		"cgroup: fork rejected by pids controller in /%s",
		"audit: type=1400 audit(1700000000.000:7): apparmor=\"DENIED\" comm=\"%s\"",
		"audit: type=1326 audit(1700000000.000:7): auid=0 comm=\"%s\" exe=\"%s\"",
		"task:%.15s state:D stack:0 pid:7 ppid:1 flags:0x00000000",
		"note: %.15s[4711] exited with irqs disabled",
		"usb 1-1: Product: %s",
		"EXT4-fs (%s): mounted filesystem with ordered data mode",
		"systemd[1]: %s",
		"x86/split lock detection: #AC: %.15s/4711 took a split_lock trap at address: "
		"0x401000",
		"Lockdown: %.15s: unsigned module loading is restricted; see man kernel_lockdown.7",
	};
	char line[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			format_line(line, sizeof(line), lines[i], names[j]);
			expect_type(line, RW_KLOG_OTHER);
		}
	}
}

/* What one line may speak of, another may not make up: pid and numbers come from
 * behind the name only when nothing of the name can have made them. */
static void test_hostile_names_where_there_is_an_event(void **state)
{
	(void)state;
	struct rw_klog_fact f =
		parse("Memory cgroup out of memory: Killed process 7 (Kernel panic - "
		      "n) total-vm:1kB, anon-rss:2kB, file-rss:1kB, "
		      "shmem-rss:0kB, UID:5 pgtables:1kB oom_score_adj:0");
	assert_int_equal(f.type, RW_KLOG_OOM_KILL);
	assert_int_equal(f.pid, 7);
	assert_string_equal(f.comm, "");
	f = parse("INFO: task Oops: 0000 [#1]:77 blocked for more than 120 seconds.");
	assert_int_equal(f.type, RW_KLOG_HUNG_TASK);
	assert_int_equal(f.pid, 77);
	assert_string_equal(f.comm, "Oops: 0000 [#1]");
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
	memcpy(text + 500, "+0x1/0x2", 9);
	struct rw_klog_fact f = parse(text);
	assert_int_equal(f.type, RW_KLOG_IP);
	assert_true(strlen(f.symbol) <= RW_SYMBOL_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oops_begins),
		cmocka_unit_test(test_die_lines),
		cmocka_unit_test(test_nobody_forges),
		cmocka_unit_test(test_instruction_pointer),
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_warning),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_panic_lockup_restart),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_what_sort_of_oops),
		cmocka_unit_test(test_address_and_error_code),
		cmocka_unit_test(test_soft_lockups),
		cmocka_unit_test(test_rcu_stalls),
		cmocka_unit_test(test_hung_tasks),
		cmocka_unit_test(test_oom_kills),
		cmocka_unit_test(test_machine_checks),
		cmocka_unit_test(test_memory_errors),
		cmocka_unit_test(test_pcie_errors),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_the_boot_before),
		cmocka_unit_test(test_module_causes),
		cmocka_unit_test(test_taints),
		cmocka_unit_test(test_no_name_makes_a_fact),
		cmocka_unit_test(test_hostile_names_where_there_is_an_event),
		cmocka_unit_test(test_any_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
