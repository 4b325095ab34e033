/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stuck, and what was killed for want of memory; see line_parts.h.
 *
 * Where a line holds a task's name, the kernel's own words behind it are taken
 * from the line's right end, all of them or none: a name is at most 15 bytes
 * and cannot hold them.
 *
 * Sources of the texts: kernel/watchdog.c, kernel/watchdog_{hld,perf}.c,
 * kernel/rcu/{tree_stall,tree_exp,tasks}.h, kernel/hung_task.c, mm/oom_kill.c.
 */
#include "lib/events/line_parts.h"

enum { COMM_BYTES = 15 };

/* "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1"; 6.5 has "watchdog: ",
 * and at times "CPU1: " before it. */
bool rw_line_parse_hard_lockup(struct rw_scan l, struct rw_klog_fact *out)
{
	uint32_t teller;

	if (!rw_scan_take(&l, "NMI watchdog: "))
		rw_scan_take(&l, "watchdog: ");
	struct rw_scan told = l;
	if (rw_scan_take(&told, "CPU") && rw_scan_take_u32(&told, &teller) &&
	    rw_scan_take(&told, ": "))
		l = told;
	out->type = RW_KLOG_HARD_LOCKUP;
	return rw_scan_take(&l, "Watchdog detected hard LOCKUP on cpu ") &&
	       rw_scan_take_u32(&l, &out->cpu);
}

/* "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [sh:123]" */
bool rw_line_parse_soft_lockup(struct rw_scan l, struct rw_klog_fact *out)
{
	out->type = RW_KLOG_SOFT_LOCKUP;
	return rw_scan_take(&l, "watchdog: BUG: soft lockup - CPU#") &&
	       rw_scan_take_u32(&l, &out->cpu) && rw_scan_take(&l, " stuck for ") &&
	       rw_scan_take_u32(&l, &out->seconds) && rw_scan_take(&l, "s! [");
}

/* "	1-....: (5249 ticks this GP) idle=…", the line that names the stalled CPU. */
static bool take_stalled_cpu(struct rw_scan l, struct rw_klog_fact *out)
{
	size_t flags = 0;
	uint64_t ticks;

	/* where a log was copied about, its tabs may have become blanks */
	if (!rw_scan_begins(&l, "\t") && !rw_scan_begins(&l, " "))
		return false;
	while (rw_scan_take(&l, "\t") || rw_scan_take(&l, " "))
		;
	if (!rw_scan_take_u32(&l, &out->cpu) || !rw_scan_take(&l, "-"))
		return false;
	for (; rw_scan_left(&l) > 0 && *l.at != ':'; l.at++)
		flags++;
	return flags >= 3 && flags <= 5 && rw_scan_take(&l, ": (") &&
	       rw_scan_take_u64(&l, &ticks) &&
	       (rw_scan_take(&l, " ticks this GP) ") || rw_scan_take(&l, " GPs behind) "));
}

bool rw_line_parse_rcu_stall(struct rw_scan l, struct rw_klog_fact *out)
{
	static const struct {
		const char *text;
		const char *type;
	} forms[] = {
		{" self-detected stall on CPU", "self_detected"},
		{" detected stalls on ", "detected"},
		{" detected expedited stalls on CPUs/tasks: {", "expedited"},
	};
	struct rw_scan flavour;

	out->type = RW_KLOG_RCU_STALL;
	if (rw_scan_take(&l, "rcu: ") && take_stalled_cpu(l, out))
		return true;
	if (!rw_scan_take(&l, "INFO: rcu") ||
	    !rw_scan_take_run(&l, rw_scan_is_word, COMM_BYTES, &flavour))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!rw_scan_take(&l, forms[i].text))
			continue;
		rw_line_put_word(out, forms[i].type);
		/* "{ 1-...D } 5250 jiffies": only the expedited form names it at once */
		struct rw_scan cpu = l;
		if (!rw_scan_take(&cpu, " ") || !rw_scan_take_u32(&cpu, &out->cpu) ||
		    !rw_scan_begins(&cpu, "-"))
			out->cpu = UINT32_MAX;
		return true;
	}
	return false;
}

/* "INFO: task NAME:12 blocked for more than 120 seconds." */
bool rw_line_parse_hung_task(struct rw_scan l, struct rw_klog_fact *out)
{
	if (!rw_scan_take(&l, "INFO: task ") || !rw_scan_take_end(&l, " seconds.") ||
	    !rw_scan_take_end_u32(&l, &out->seconds) || !rw_scan_take_end(&l, " for more than "))
		return false;
	if (!rw_scan_take_end(&l, " blocked") && !rw_scan_take_end(&l, " blocked in I/O wait"))
		return false;
	if (!rw_scan_take_end_u32(&l, &out->pid) || !rw_scan_take_end(&l, ":") ||
	    rw_scan_left(&l) > COMM_BYTES)
		return false;
	rw_scan_copy(&l, out->comm, sizeof(out->comm));
	out->type = RW_KLOG_HUNG_TASK;
	return true;
}

/* "total-vm:12kB, " and the like. */
static bool take_kib(struct rw_scan *l, const char *name, const char *behind, uint64_t *out)
{
	return rw_scan_take(l, name) && rw_scan_take_u64(l, out) && rw_scan_take(l, behind);
}

/* All that stands behind the name, up to the line's end. */
static bool take_oom_numbers(struct rw_scan l, struct rw_klog_fact *out)
{
	uint64_t other;
	uint32_t score;

	if (!take_kib(&l, ") total-vm:", "kB, ", &other) ||
	    !take_kib(&l, "anon-rss:", "kB, ", &out->rss_kib) ||
	    !take_kib(&l, "file-rss:", "kB, ", &other) ||
	    !take_kib(&l, "shmem-rss:", "kB, ", &other))
		return false;
	if (!rw_scan_take(&l, "UID:") || !rw_scan_take_u32(&l, &out->uid) ||
	    !take_kib(&l, " pgtables:", "kB oom_score_adj:", &other))
		return false;
	rw_scan_take(&l, "-");
	return rw_scan_take_u32(&l, &score) && rw_scan_left(&l) == 0;
}

static void find_oom_numbers(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_klog_fact numbers = *out;

	for (size_t i = 0; i <= COMM_BYTES && i < rw_scan_left(&l); i++) {
		struct rw_scan comm = {l.at, l.at + i};
		if (!take_oom_numbers((struct rw_scan){comm.end, l.end}, &numbers))
			continue;
		out->rss_kib = numbers.rss_kib;
		out->uid = numbers.uid;
		rw_scan_copy(&comm, out->comm, sizeof(out->comm));
		return;
	}
}

/* "Out of memory: Killed process 12 (NAME) total-vm:12kB, …" */
bool rw_line_parse_oom_kill(struct rw_scan l, struct rw_klog_fact *out)
{
	if (rw_scan_take(&l, "Out of memory")) {
		rw_scan_take(&l, " (oom_kill_allocating_task)");
		out->whole_host = true;
	} else if (!rw_scan_take(&l, "Memory cgroup out of memory")) {
		return false;
	}
	if (!rw_scan_take(&l, ": Killed process ") || !rw_scan_take_u32(&l, &out->pid) ||
	    !rw_scan_take(&l, " ("))
		return false;
	rw_line_put_word(out, out->whole_host ? "global" : "cgroup");
	find_oom_numbers(l, out);
	out->type = RW_KLOG_OOM_KILL;
	return true;
}
