/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stuck and what was killed: one event each, whoever told it first, with
 * the same name from both.
 */
#include "tests/unit/lib/events/fixture.h"

#include "lib/events/taint.h"

/* ---- soft lockups ---------------------------------------------------------------- */

static const char *const soft_lockup[] = {
	"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [rw_spin:345]",
	"Modules linked in: rw_trigger(OE) virtio_net",
	"CPU: 1 PID: 345 Comm: rw_spin Tainted: G           OE      6.1.0-18-cloud-amd64 #1",
	"Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1",
	"RIP: 0010:spin_forever+0x1f/0x30 [rw_trigger]",
	"Code: f3 90 eb fc 0f 1f 40 00",
	"RSP: 0018:ffffb2c040bd7e88 EFLAGS: 00000246",
	"Call Trace:",
	" <TASK>",
	" kthread+0xd1/0x100",
	" ret_from_fork+0x22/0x30",
	" </TASK>",
};

static const char *const hog[] = {"spin_forever+0x1f/0x30 [rw_trigger]", "kthread+0xd1/0x100",
				  "ret_from_fork+0x22/0x30"};

static struct rw_record taint(uint32_t flag, uint32_t cpu, uint32_t pid)
{
	struct rw_record r = record(RW_RECORD_TAINT, cpu, pid);

	r.value = flag;
	return r;
}

static struct rw_record soft_lockup_record(void)
{
	struct rw_record r = taint(RW_TAINT_SOFT_LOCKUP, 1, 345);

	memcpy(r.comm, "rw_spin", 8);
	put_stack(&r, hog, COUNT_OF(hog));
	return r;
}

/* Taint 14 is its own event, once; the lockup is told each time. */
static const struct rw_event *the_lockup(void)
{
	const struct rw_event *found = NULL;

	for (uint32_t i = 0; i < t.seen_count; i++) {
		if (t.seen[i].kind == KIND_SOFT_LOCKUP) {
			assert_null(found);
			found = &t.seen[i];
		}
	}
	assert_non_null(found);
	return found;
}

static void test_soft_lockup_from_the_log(void **state)
{
	(void)state;
	LINES(soft_lockup);
	pass(RW_EVENTS_HOLD_MS);
	const struct rw_event *e = only_event();
	assert_int_equal(e->kind, KIND_SOFT_LOCKUP);
	assert_int_equal(e->severity, SEVERITY_CRITICAL);
	assert_string_equal(e->signature, "soft_lockup:spin_forever:rw_trigger");
	assert_string_equal(e->symbol, "spin_forever+0x1f");
	assert_int_equal(e->cpu, 1);
	assert_int_equal(e->pid, 345);
	assert_string_equal(e->comm, "rw_spin");
	assert_fact(e, FACT_SECONDS, "22");
	assert_string_equal(e->detail, "soft lockup on CPU 1 for 22 s in spin_forever+0x1f");
	assert_string_equal(e->stack[1], "kthread+0xd1");
}

static void test_soft_lockup_from_bpf(void **state)
{
	struct rw_record r = soft_lockup_record();

	(void)state;
	bpf_is_live();
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 2);
	const struct rw_event *e = the_lockup();
	assert_string_equal(e->signature, "soft_lockup:spin_forever:rw_trigger");
	assert_int_equal(e->source, SOURCE_BPF);
	assert_int_equal(e->stack_count, 3);
	const struct rw_event *tainted = e == &t.seen[0] ? &t.seen[1] : &t.seen[0];
	assert_string_equal(tainted->signature, "taint:L");
	assert_int_equal(tainted->severity, SEVERITY_WARNING);
	assert_fact(tainted, FACT_FLAG_NAME, "soft_lockup");
}

static void test_soft_lockup_log_first(void **state)
{
	struct rw_record r;

	(void)state;
	bpf_is_live();
	LINES(soft_lockup);
	flush();
	assert_int_equal(t.seen_count, 0);
	pass(20);
	r = soft_lockup_record();
	feed(&r);
	flush();
	assert_int_equal(the_lockup()->source, SOURCE_BPF_AND_LOG);
	assert_fact(the_lockup(), FACT_SECONDS, "22");
	assert_int_equal(the_lockup()->stack_count, 3);
	pass(5000);
	the_lockup();
	assert_int_equal(rw_events_told(t.events, KIND_SOFT_LOCKUP), 1);
}

static void test_soft_lockup_both_at_once(void **state)
{
	struct rw_record r = soft_lockup_record();

	(void)state;
	bpf_is_live();
	feed(&r); /* the ring is read before the log */
	LINES(soft_lockup);
	flush();
	assert_int_equal(the_lockup()->source, SOURCE_BPF_AND_LOG);
	assert_fact(the_lockup(), FACT_SECONDS, "22");
	pass(5000);
	the_lockup();
}

static void test_soft_lockup_bpf_left_before_the_log_came(void **state)
{
	struct rw_record r = soft_lockup_record();

	(void)state;
	bpf_is_live();
	feed(&r);
	flush();
	pass(200);
	LINES(soft_lockup);
	pass(5000);
	assert_int_equal(the_lockup()->source, SOURCE_BPF);
}

/* Where no interrupt's entry was found BPF knows no place: the log's stands. */
static void test_record_without_a_place_takes_the_logs(void **state)
{
	struct rw_record r = taint(RW_TAINT_SOFT_LOCKUP, 1, 345);

	(void)state;
	bpf_is_live();
	LINES(soft_lockup);
	feed(&r);
	flush();
	assert_string_equal(the_lockup()->signature, "soft_lockup:spin_forever:rw_trigger");

	start_anew();
	bpf_is_live();
	feed(&r);
	flush();
	LINES(soft_lockup);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(the_lockup()->signature, "soft_lockup:spin_forever:rw_trigger");
}

/* The same hang is reported every twenty-odd seconds. */
static void test_lasting_lockup_is_told_once_and_counted(void **state)
{
	(void)state;
	bpf_is_live();
	for (int i = 0; i < 13; i++) {
		struct rw_record r = soft_lockup_record();
		LINES(soft_lockup);
		feed(&r);
		for (int second = 0; second < 22; second++)
			pass(1000);
	}
	the_lockup();
	assert_int_equal(rw_events_told(t.events, KIND_SOFT_LOCKUP), 13);
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(t.seen_count, 3); /* with the taint */
	assert_int_equal(counted(), 1 + 13);
	assert_int_equal(t.seen[2].count, 12);
	assert_string_equal(t.seen[2].signature, "soft_lockup:spin_forever:rw_trigger");
}

static void test_two_cpus_are_two_lockups(void **state)
{
	struct rw_record one = soft_lockup_record();
	struct rw_record two = soft_lockup_record();

	(void)state;
	two.cpu = 2;
	two.pid = 346;
	feed(&one);
	feed(&two);
	flush();
	assert_int_equal(rw_events_told(t.events, KIND_SOFT_LOCKUP), 2);
	assert_int_equal(t.seen_count, 3);
}

/* With softlockup_all_cpu_backtrace the log goes on with the other CPUs. */
static void test_traces_of_other_cpus_are_not_taken(void **state)
{
	static const char *const others[] = {
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [rw_spin:345]",
		"Sending NMI from CPU 1 to CPUs 0:",
		"NMI backtrace for cpu 0",
		"CPU: 0 PID: 0 Comm: swapper/0 Tainted: G           OE      6.1.0-18 #1",
		"RIP: 0010:native_safe_halt+0xb/0x10",
		"Call Trace:",
		" <TASK>",
		" default_idle+0xa/0x10",
		"CPU: 1 PID: 345 Comm: rw_spin Tainted: G           OE      6.1.0-18 #1",
		"RIP: 0010:spin_forever+0x1f/0x30 [rw_trigger]",
		"Call Trace:",
		" kthread+0xd1/0x100",
	};

	(void)state;
	LINES(others);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "soft_lockup:spin_forever:rw_trigger");
	assert_int_equal(t.seen[0].pid, 345);
	assert_int_equal(t.seen[0].stack_count, 2);
}

/* ---- hard lockups ------------------------------------------------------------------ */

static void test_hard_lockup(void **state)
{
	static const char *const texts[] = {
		"watchdog: Watchdog detected hard LOCKUP on cpu 3",
		"Modules linked in: rw_trigger(OE)",
		"CPU: 3 PID: 99 Comm: stress Tainted: G 6.1.0",
		"RIP: 0010:spin_forever+0x10/0x20 [rw_trigger]",
		"Call Trace:",
		" <TASK>",
		" kthread+0xd1/0x100",
		"Kernel panic - not syncing: Hard LOCKUP",
		"CPU: 3 PID: 99 Comm: stress Tainted: G 6.1.0",
		"Call Trace:",
		" <NMI>",
		" dump_stack_lvl+0x48/0x70",
		" panic+0x118/0x2d2",
		" nmi_panic.cold+0xc/0xc",
		" watchdog_hardlockup_check.cold+0xc6/0xe8",
	};

	(void)state;
	LINES(texts);
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[0].signature, "hard_lockup:spin_forever:rw_trigger");
	assert_int_equal(t.seen[0].cpu, 3);
	assert_int_equal(t.seen[0].severity, SEVERITY_CRITICAL);
	/* the panic names what hung, not the watchdog */
	assert_string_equal(t.seen[1].signature, "panic:Hard LOCKUP");
	assert_string_equal(t.seen[1].symbol, "spin_forever+0x10");
	assert_string_equal(t.seen[1].module, "rw_trigger");
}

/* ---- RCU stalls ---------------------------------------------------------------------- */

/* 6.1 and later: registers and trace of the interrupted task. */
static const char *const self_detected[] = {
	"rcu: INFO: rcu_preempt self-detected stall on CPU",
	"rcu: \t1-....: (5249 ticks this GP) idle=7034/1/0x4000000000000000 softirq=2073/2073",
	"\t(t=5250 jiffies g=2401 q=2899 ncpus=2)",
	"rcu: rcu_preempt kthread starved for 5250 jiffies! g2401 f0x0 RCU_GP_WAIT_FQS(5) "
	"->state=0x0 ->cpu=0",
	"rcu: RCU grace-period kthread stack dump:",
	"task:rcu_preempt     state:R  running task     stack:0     pid:16    ppid:2",
	"Call Trace:",
	" <TASK>",
	" __schedule+0x34d/0x9e0",
	" schedule+0x5a/0xd0",
	" rcu_gp_fqs_loop+0x10e/0x5b0",
	" </TASK>",
	"CPU: 1 PID: 345 Comm: rw_spin Tainted: G           OE      6.1.0-18-cloud-amd64 #1",
	"RIP: 0010:spin_forever+0x1f/0x30 [rw_trigger]",
	"Call Trace:",
	" <TASK>",
	" kthread+0xd1/0x100",
	" </TASK>",
};

/* Before 6.1: the interrupt's own trace, with the registers where it came from. */
static const char *const self_detected_510[] = {
	"rcu: INFO: rcu_sched self-detected stall on CPU",
	"rcu: \t1-....: (17999 ticks this GP) idle=703/1/0x4000000000000000 softirq=2073/2073 ",
	"NMI backtrace for cpu 1",
	"CPU: 1 PID: 122 Comm: rw_spin Not tainted 5.10.0-28-amd64 #1",
	"Call Trace:",
	" <IRQ>",
	" dump_stack+0x6b/0x83",
	" nmi_cpu_backtrace.cold+0x32/0x69",
	" rcu_dump_cpu_stacks+0xad/0xd6",
	" rcu_sched_clock_irq.cold+0x1d7/0x699",
	" asm_call_irq_on_stack+0xf/0x20",
	" </IRQ>",
	" sysvec_apic_timer_interrupt+0x72/0x80",
	" asm_sysvec_apic_timer_interrupt+0x12/0x20",
	"RIP: 0010:spin_forever+0x1f/0x30 [rw_trigger]",
	" kthread+0x11b/0x140",
};

static struct rw_record stall(const char *what, uint32_t cpu)
{
	struct rw_record r = record(RW_RECORD_RCU_STALL, cpu, 345);

	memcpy(r.comm, "rw_spin", 8);
	snprintf(r.name, sizeof(r.name), "rcu_preempt");
	snprintf(r.text, sizeof(r.text), "%s", what);
	return r;
}

static void test_stall_from_the_log_of_two_ages(void **state)
{
	(void)state;
	LINES(self_detected);
	pass(RW_EVENTS_HOLD_MS);
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "rcu_stall:spin_forever:rw_trigger");
	assert_int_equal(e->severity, SEVERITY_WARNING);
	assert_int_equal(e->cpu, 1);
	assert_int_equal(e->pid, 345);
	assert_fact(e, FACT_TYPE, "self_detected");
	assert_string_equal(e->stack[0], "spin_forever+0x1f [rw_trigger]");

	start_anew();
	LINES(self_detected_510);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "rcu_stall:spin_forever:rw_trigger");
}

static void test_stall_from_both_is_one(void **state)
{
	struct rw_record r = stall("SelfDetected", 1);

	(void)state;
	put_stack(&r, hog, COUNT_OF(hog));
	bpf_is_live();
	feed(&r);
	LINES(self_detected);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_string_equal(only_event()->signature, "rcu_stall:spin_forever:rw_trigger");
	pass(5000);
	only_event();

	start_anew();
	bpf_is_live();
	LINES(self_detected);
	flush();
	pass(20);
	feed(&r);
	pass(5000);
	assert_string_equal(only_event()->signature, "rcu_stall:spin_forever:rw_trigger");
}

/* Another CPU found it: what that one does says nothing, the log names the place. */
static void test_stall_that_another_cpu_found(void **state)
{
	static const char *const texts[] = {
		"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
		"rcu: \t1-....: (1 GPs behind) idle=64a/0/0x3 softirq=4091/4091 fqs=2437",
		"\t(detected by 0, t=5252 jiffies, g=1201, q=84 ncpus=2)",
		"Sending NMI from CPU 0 to CPUs 1:",
		"NMI backtrace for cpu 1",
		"CPU: 1 PID: 345 Comm: rw_spin Tainted: G           OE      6.1.0-18 #1",
		"RIP: 0010:spin_forever+0x1f/0x30 [rw_trigger]",
		"Call Trace:",
		" <TASK>",
		" kthread+0xd1/0x100",
	};
	struct rw_record r = stall("StallDetected", 0);

	(void)state;
	r.pid = r.tgid = 0;
	r.comm[0] = '\0';
	bpf_is_live();
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 0);
	LINES(texts);
	pass(RW_EVENTS_HOLD_MS);
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "rcu_stall:spin_forever:rw_trigger");
	assert_int_equal(e->source, SOURCE_BPF_AND_LOG);
	assert_int_equal(e->cpu, 1);
	assert_string_equal(e->comm, "rw_spin");
	assert_fact(e, FACT_TYPE, "detected");

	/* no architecture's NMI, no log: its type is its name */
	start_anew();
	bpf_is_live();
	feed(&r);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "rcu_stall:detected");
	assert_int_equal(only_event()->cpu, RW_CPU_UNKNOWN);
}

static void test_stall_whose_first_line_is_lost(void **state)
{
	(void)state;
	lines(self_detected + 1, COUNT_OF(self_detected) - 1);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "rcu_stall:spin_forever:rw_trigger");
}

/* Something else is told in the middle: the lines behind it make no second stall. */
static void test_stall_that_is_interrupted_stays_one(void **state)
{
	(void)state;
	line(self_detected[0]);
	line("WARNING: CPU: 0 PID: 140 at /build/crash.c:55 crash_write+0x88/0x110 [m]");
	line(self_detected[1]);
	line("---[ end trace 0000000000000000 ]---");
	pass(RW_EVENTS_HOLD_MS);
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(rw_events_told(t.events, KIND_RCU_STALL), 1);
}

/* ---- hung tasks ----------------------------------------------------------------------- */

static const char *const hung[] = {
	"INFO: task rw_hang:777 blocked for more than 120 seconds.",
	"      Tainted: G           OE      6.1.0-18-cloud-amd64 #1 Debian 6.1.76-1",
	"\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",
	"task:rw_hang         state:D stack:0     pid:777   ppid:1      flags:0x00004002",
	"Call Trace:",
	" <TASK>",
	" __schedule+0x34d/0x9e0",
	" schedule+0x5a/0xd0",
	" schedule_preempt_disabled+0x11/0x20",
	" __mutex_lock.constprop.0+0x3a2/0x6f0",
	" hang_write+0x3a/0x60 [rw_trigger]",
	" vfs_write+0xc0/0x3d0",
	" </TASK>",
};

static const char *const hung_stack[] = {
	"__schedule+0x34d/0x9e0",
	"schedule+0x5a/0xd0",
	"schedule_preempt_disabled+0x11/0x20",
	"__mutex_lock.constprop.0+0x3a2/0x6f0",
	"hang_write+0x3a/0x60 [rw_trigger]",
	"vfs_write+0xc0/0x3d0",
};

static struct rw_record hung_record(uint32_t pid, uint64_t start)
{
	struct rw_record r = record(RW_RECORD_HUNG_TASK, 0, pid);

	memcpy(r.comm, "rw_hang", 8);
	r.value = start;
	put_stack(&r, hung_stack, COUNT_OF(hung_stack));
	return r;
}

static void test_hung_task_from_either_or_both(void **state)
{
	struct rw_record r;

	(void)state;
	LINES(hung);
	pass(RW_EVENTS_HOLD_MS);
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "hung_task:hang_write:rw_trigger");
	assert_int_equal(e->severity, SEVERITY_WARNING);
	assert_int_equal(e->pid, 777);
	assert_string_equal(e->comm, "rw_hang");
	assert_fact(e, FACT_SECONDS, "120");
	assert_string_equal(e->detail, "task rw_hang:777 hangs for 120 s in hang_write+0x3a");

	start_anew();
	bpf_is_live();
	r = hung_record(777, 5000);
	feed(&r);
	flush();
	assert_string_equal(only_event()->signature, "hung_task:hang_write:rw_trigger");
	pass(20);
	LINES(hung);
	pass(5000);
	only_event();

	start_anew();
	bpf_is_live();
	r = hung_record(777, 5000);
	feed(&r);
	LINES(hung);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_fact(only_event(), FACT_SECONDS, "120");

	start_anew();
	bpf_is_live();
	LINES(hung);
	flush();
	r = hung_record(777, 5000);
	feed(&r);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_string_equal(only_event()->signature, "hung_task:hang_write:rw_trigger");
}

/* Behind a hung task's trace stands what another task complains of. */
static void test_trace_of_another_is_not_taken(void **state)
{
	(void)state;
	LINES(hung);
	line("sh: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL), nodemask=(null)");
	line("CPU: 0 PID: 99 Comm: sh Tainted: G           OE      6.1.0-18-cloud-amd64 #1");
	line("Call Trace:");
	line(" <TASK>");
	line(" warn_alloc+0x12f/0x1b0");
	pass(RW_EVENTS_HOLD_MS);
	assert_int_equal(only_event()->stack_count, 6);
	assert_int_equal(only_event()->pid, 777);
}

/* The raw tracepoint of old kernels has no stack: the log's is waited for. */
static void test_hung_task_without_a_stack_waits_for_the_log(void **state)
{
	struct rw_record r = record(RW_RECORD_HUNG_TASK, 0, 777);

	(void)state;
	bpf_is_live();
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 0);
	LINES(hung);
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "hung_task:hang_write:rw_trigger");
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
}

/* Each scan tells it; one event, and a count every five minutes. */
static void test_hung_task_is_one_by_pid_and_start_time(void **state)
{
	(void)state;
	bpf_is_live();
	for (int scan = 0; scan < 10; scan++) {
		struct rw_record r = hung_record(777, 5000);
		feed(&r);
		flush();
		LINES(hung);
		for (int second = 0; second < 10; second++)
			pass(1000);
	}
	assert_int_equal(t.seen_count, 1);
	assert_int_equal(rw_events_told(t.events, KIND_HUNG_TASK), 10);
	for (int i = 0; i < 10; i++)
		pass(60000);
	assert_int_equal(t.seen_count, 2);
	assert_int_equal(counted(), 10);
	assert_int_equal(t.seen[1].count, 9);

	/* the pid is another task's now */
	struct rw_record r = hung_record(777, 900000);
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 3);
	assert_int_equal(t.seen[2].count, 1);
}

static void test_hung_task_of_the_log_alone_is_told_once(void **state)
{
	(void)state;
	for (int scan = 0; scan < 3; scan++) {
		LINES(hung);
		for (int second = 0; second < 120; second++)
			pass(1000);
	}
	only_event();
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(counted(), 3);
}

/* A file server goes away: a thousand tasks, one place. */
static void test_a_thousand_hung_tasks_are_a_handful(void **state)
{
	(void)state;
	bpf_is_live();
	for (uint32_t pid = 1000; pid < 2000; pid++) {
		struct rw_record r = hung_record(pid, pid);
		feed(&r);
		flush();
	}
	assert_int_equal(t.seen_count, RW_STORM_AT_ONCE);
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(counted(), 1000);
	assert_int_equal(t.seen_count, RW_STORM_AT_ONCE + 1);
	assert_int_equal(t.seen[RW_STORM_AT_ONCE].pid, 1999);
}

/* ---- out of memory ------------------------------------------------------------------------ */

static struct rw_record victim(uint32_t pid, enum rw_oom_scope scope)
{
	struct rw_record r = record(RW_RECORD_OOM_KILL, 0, pid);

	memcpy(r.comm, "hog", 4);
	r.value = scope;
	snprintf(r.name, sizeof(r.name), "web.service");
	snprintf(r.text, sizeof(r.text), "web.service");
	r.more[0] = 204800;
	r.more[1] = 1001;
	return r;
}

#define KILLED                                                                                     \
	"Memory cgroup out of memory: Killed process 4242 (hog) total-vm:300000kB, "               \
	"anon-rss:204912kB, file-rss:1024kB, shmem-rss:0kB, UID:1000 pgtables:460kB "              \
	"oom_score_adj:0"

static void test_oom_kill_from_bpf(void **state)
{
	struct rw_record r = victim(4242, RW_OOM_CGROUP);

	(void)state;
	bpf_is_live();
	feed(&r);
	flush();
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "oom_kill:cgroup");
	assert_int_equal(e->severity, SEVERITY_INFO);
	assert_string_equal(e->comm, "hog");
	assert_fact(e, FACT_SCOPE, "cgroup");
	assert_fact(e, FACT_CGROUP, "web.service");
	assert_fact(e, FACT_UID, "1000");
	assert_fact(e, FACT_RSS_KIB, "204800");
	line(KILLED);
	pass(5000);
	only_event();
	assert_int_equal(rw_events_told(t.events, KIND_OOM_KILL), 1);
}

static void test_oom_kill_from_the_log(void **state)
{
	(void)state;
	line(KILLED);
	flush();
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "oom_kill:cgroup");
	assert_int_equal(e->pid, 4242);
	assert_fact(e, FACT_RSS_KIB, "204912");
	assert_fact(e, FACT_UID, "1000");
	assert_string_equal(e->detail,
			    "killed hog:4242 for want of memory in its cgroup; it held 204912 KiB");

	line("Out of memory: Killed process 4243 (hog) total-vm:300000kB, anon-rss:204912kB, "
	     "file-rss:1024kB, shmem-rss:0kB, UID:0 pgtables:460kB oom_score_adj:0");
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[1].signature, "oom_kill:global");
	assert_int_equal(t.seen[1].severity, SEVERITY_WARNING);
	assert_fact(&t.seen[1], FACT_UID, "0");
}

static void test_oom_kill_both_in_either_order(void **state)
{
	struct rw_record r = victim(4242, RW_OOM_CGROUP);

	(void)state;
	bpf_is_live();
	feed(&r);
	line(KILLED);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_fact(only_event(), FACT_RSS_KIB, "204912");

	start_anew();
	bpf_is_live();
	line(KILLED);
	flush();
	assert_int_equal(t.seen_count, 0);
	feed(&r);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	pass(5000);
	only_event();
}

/* Between the decision and its line stands the list of all tasks, on a slow console. */
static void test_oom_kill_is_one_though_its_line_comes_late(void **state)
{
	struct rw_record r = victim(4242, RW_OOM_CGROUP);

	(void)state;
	bpf_is_live();
	feed(&r);
	pass(8000);
	assert_int_equal(only_event()->source, SOURCE_BPF);
	line(KILLED);
	pass(5000);
	only_event();
	assert_int_equal(rw_events_told(t.events, KIND_OOM_KILL), 1);
}

/* All that the old tracepoint has is the pid. */
static void test_scope_that_bpf_does_not_know_is_the_logs(void **state)
{
	struct rw_record r = {.type = RW_RECORD_OOM_KILL, .pid = 4242};

	(void)state;
	r.boot_ns = t.now.boot_ms * 1000000;
	bpf_is_live();
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 0);
	line(KILLED);
	flush();
	assert_string_equal(only_event()->signature, "oom_kill:cgroup");
	assert_string_equal(only_event()->comm, "hog");
}

static void test_victims_of_one_moment_are_told_apart_by_pid(void **state)
{
	struct rw_record one = victim(1, RW_OOM_CGROUP);
	struct rw_record two = victim(2, RW_OOM_CGROUP);

	(void)state;
	feed(&one);
	feed(&two);
	flush();
	assert_int_equal(t.seen_count, 2);
}

/* ---- what users choose ---------------------------------------------------------------------- */

/* A task may call itself anything: its name makes no event, and BPF's stands. */
static void test_a_name_from_the_log_does_not_replace_bpfs(void **state)
{
	struct rw_record r = victim(4242, RW_OOM_CGROUP);
	struct rw_klog_fact f = {.type = RW_KLOG_OOM_KILL, .pid = 4242, .cpu = UINT32_MAX};

	(void)state;
	snprintf(f.word, sizeof(f.word), "cgroup");
	snprintf(f.comm, sizeof(f.comm), "not the name");
	f.uid = UINT32_MAX;
	bpf_is_live();
	feed(&r);
	tell(&f);
	flush();
	assert_string_equal(only_event()->comm, "hog");

	start_anew();
	bpf_is_live();
	tell(&f);
	feed(&r);
	flush();
	assert_string_equal(only_event()->comm, "hog");
}

static void test_a_task_named_like_an_oops_makes_none(void **state)
{
	static const char *const texts[] = {
		"INFO: task BUG: kernel NUL:99 blocked for more than 120 seconds.",
		"Memory cgroup out of memory: Killed process 7 (Kernel panic - ) total-vm:1kB, "
		"anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:1 pgtables:1kB oom_score_adj:0",
	};
	struct rw_record r = victim(8, RW_OOM_CGROUP);

	(void)state;
	snprintf(r.comm, sizeof(r.comm), "a\nKernel panic");
	snprintf(r.text, sizeof(r.text), "x\nBUG: kernel NULL pointer dereference");
	LINES(texts);
	feed(&r);
	pass(RW_EVENTS_HOLD_MS);
	assert_int_equal(t.seen_count, 3);
	for (uint32_t i = 0; i < t.seen_count; i++) {
		assert_true(t.seen[i].kind == KIND_HUNG_TASK || t.seen[i].kind == KIND_OOM_KILL);
		assert_null(strchr(t.seen[i].detail, '\n'));
		assert_null(strchr(rw_event_fact(&t.seen[i], FACT_CGROUP), '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_soft_lockup_from_the_log),
		TEST(test_soft_lockup_from_bpf),
		TEST(test_soft_lockup_log_first),
		TEST(test_soft_lockup_both_at_once),
		TEST(test_soft_lockup_bpf_left_before_the_log_came),
		TEST(test_record_without_a_place_takes_the_logs),
		TEST(test_lasting_lockup_is_told_once_and_counted),
		TEST(test_two_cpus_are_two_lockups),
		TEST(test_traces_of_other_cpus_are_not_taken),
		TEST(test_hard_lockup),
		TEST(test_stall_from_the_log_of_two_ages),
		TEST(test_stall_from_both_is_one),
		TEST(test_stall_that_another_cpu_found),
		TEST(test_stall_whose_first_line_is_lost),
		TEST(test_stall_that_is_interrupted_stays_one),
		TEST(test_trace_of_another_is_not_taken),
		TEST(test_hung_task_from_either_or_both),
		TEST(test_hung_task_without_a_stack_waits_for_the_log),
		TEST(test_hung_task_is_one_by_pid_and_start_time),
		TEST(test_hung_task_of_the_log_alone_is_told_once),
		TEST(test_a_thousand_hung_tasks_are_a_handful),
		TEST(test_oom_kill_from_bpf),
		TEST(test_oom_kill_from_the_log),
		TEST(test_oom_kill_both_in_either_order),
		TEST(test_oom_kill_is_one_though_its_line_comes_late),
		TEST(test_scope_that_bpf_does_not_know_is_the_logs),
		TEST(test_victims_of_one_moment_are_told_apart_by_pid),
		TEST(test_a_name_from_the_log_does_not_replace_bpfs),
		TEST(test_a_task_named_like_an_oops_makes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
