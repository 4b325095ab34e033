/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tasks that the kernel kills for want of memory. The tracepoint mark_victim
 * comes for each of them; its first argument was the pid alone in old kernels
 * and is the task in newer ones, stable trees included. Which of the two is
 * decided by what loads: the task's fields behind a plain number do not. Behind a
 * raw tracepoint, where arguments have no type, the type of the tracepoint in
 * BTF decides.
 *
 * Whether one cgroup was full or the whole machine stands on the stack: a full
 * cgroup comes through mem_cgroup_out_of_memory. The tracepoint also comes for a
 * task that was dying anyhow and only gets to use the reserves; then nothing
 * named oom_kill_process is on the stack, and nothing is told.
 */
#include "bpf/common.bpf.h"

enum {
	RSS_ANONYMOUS = 1, /* MM_ANONPAGES */
	KIB_A_PAGE_SHIFT = 2,
};

enum cgroup_subsys_id {
	memory_cgrp_id = 4,
};

struct kernfs_node {
	const char *name;
} RW_KERNEL_TYPE;

struct cgroup {
	struct kernfs_node *kn;
} RW_KERNEL_TYPE;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
} RW_KERNEL_TYPE;

struct css_set {
	struct cgroup_subsys_state *subsys[1];
} RW_KERNEL_TYPE;

struct mem_cgroup {
	struct cgroup_subsys_state css;
} RW_KERNEL_TYPE;

struct kuid {
	__u32 val;
} RW_KERNEL_TYPE;

struct cred {
	struct kuid uid;
} RW_KERNEL_TYPE;

struct percpu_counter {
	__s64 count;
} RW_KERNEL_TYPE;

/* Since 6.2 a counter a CPU, of which `count` is the sum but for the last few pages. */
struct mm_struct___percpu {
	struct percpu_counter rss_stat[4];
} RW_KERNEL_TYPE;

struct atomic_long {
	__s64 counter;
} RW_KERNEL_TYPE;

struct mm_rss_stat {
	struct atomic_long count[4];
} RW_KERNEL_TYPE;

struct mm_struct {
	struct mm_rss_stat rss_stat;
} RW_KERNEL_TYPE;

struct oom_control {
	struct mem_cgroup *memcg;
	struct task_struct *chosen;
} RW_KERNEL_TYPE;

/* The tracepoint as it is where it hands over the task. */
typedef void (*btf_trace_mark_victim)(void *, struct task_struct *, unsigned int);

/* ---- where it comes from ------------------------------------------------------ */

/*
 * False: no kill. What was found is kept in the record, where the verifier loses
 * sight of it: it would follow what comes next once for each.
 */
static __always_inline bool take_scope(struct rw_record *record, void *ctx)
{
	bool killer;
	bool kill;
	bool cgroup;

	rw_take_frames(record, ctx, 0);
	rw_name_frames(record, false);
	for (__u32 i = 0; i < RW_RECORD_STACK; i++) {
		__u64 head = rw_head_of_frame(record, i);

		if (head == RW_NAME_HEAD('o', 'u', 't', '_', 'o', 'f', '_', 'm'))
			record->more[0] = 1;
		if (head == RW_NAME_HEAD('o', 'o', 'm', '_', 'k', 'i', 'l', 'l') ||
		    head == RW_NAME_HEAD('_', '_', 'o', 'o', 'm', '_', 'k', 'i'))
			record->more[1] = 1;
		if (head == RW_NAME_HEAD('m', 'e', 'm', '_', 'c', 'g', 'r', 'o'))
			record->more[2] = 1;
	}
	killer = record->more[0] != 0;
	kill = record->more[1] != 0;
	cgroup = record->more[2] != 0;
	rw_forget_stack(record); /* of whoever asked for memory, not of the victim */
	record->more[0] = 0;
	record->more[1] = 0;
	record->more[2] = 0;
	if (killer && !kill)
		return false;
	if (cgroup)
		record->value = RW_OOM_CGROUP;
	else
		record->value = killer ? RW_OOM_GLOBAL : RW_OOM_UNKNOWN;
	return true;
}

/* ---- the victim, through typed pointers ---------------------------------------- */

/* "": the root of its hierarchy. */
static __always_inline void take_cgroup_name(struct rw_record *record, const char *name)
{
	rw_copy_text(record->text, sizeof(record->text), name);
	__builtin_memcpy(record->name, record->text, sizeof(record->name) - 1);
}

static __always_inline void take_cgroup(struct rw_record *record, struct task_struct *task)
{
	__u32 which = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	struct css_set *set = task->cgroups;
	struct cgroup_subsys_state *state;

	if (!set)
		return;
	state = *(struct cgroup_subsys_state **)((void *)&set->subsys + which * sizeof(void *));
	if (state && state->cgroup && state->cgroup->kn)
		take_cgroup_name(record, state->cgroup->kn->name);
}

/* The older form cannot be read through typed pointers; the log has it. */
static __always_inline __u64 anonymous_pages(struct mm_struct *mm)
{
	struct mm_struct___percpu *newer = (void *)mm;

	if (bpf_core_field_exists(newer->rss_stat[RSS_ANONYMOUS].count))
		return (__u64)newer->rss_stat[RSS_ANONYMOUS].count;
	return 0;
}

static __always_inline void take_victim(struct rw_record *record, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	const struct cred *cred = task->cred;

	record->pid = (__u32)task->pid;
	record->tgid = (__u32)task->tgid;
	rw_copy_text(record->comm, sizeof(record->comm), task->comm);
	if (mm)
		record->more[0] = anonymous_pages(mm) << KIB_A_PAGE_SHIFT;
	if (cred)
		record->more[1] = (__u64)cred->uid.val + 1;
	take_cgroup(record, task);
}

SEC("tp_btf/mark_victim")
int BPF_PROG(rw_victim, struct task_struct *task)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_OOM_KILL);

	if (!record)
		return 0;
	if (take_scope(record, ctx)) {
		take_victim(record, task);
		rw_record_submit(record);
	} else {
		bpf_ringbuf_discard(record, 0);
	}
	return 0;
}

/* Sees the first victim of a group that is killed together, not the others. */
SEC("fentry/oom_kill_process")
int BPF_PROG(rw_oom_kill, struct oom_control *control)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_OOM_KILL);

	if (!record)
		return 0;
	record->value = control->memcg ? RW_OOM_CGROUP : RW_OOM_GLOBAL;
	if (control->chosen)
		take_victim(record, control->chosen);
	rw_record_submit(record);
	return 0;
}

/* ---- the same, with probe reads ------------------------------------------------- */

static __always_inline void probe_cgroup(struct rw_record *record, struct task_struct *task)
{
	__u32 which = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *state = NULL;

	bpf_probe_read_kernel(&state, sizeof(state),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      which * sizeof(void *));
	take_cgroup_name(record, BPF_CORE_READ(state, cgroup, kn, name));
}

static __always_inline __u64 probe_anonymous_pages(struct mm_struct *mm)
{
	struct mm_struct___percpu *newer = (void *)mm;

	if (bpf_core_field_exists(newer->rss_stat[RSS_ANONYMOUS].count))
		return (__u64)BPF_CORE_READ(newer, rss_stat[RSS_ANONYMOUS].count);
	if (bpf_core_field_exists(mm->rss_stat.count[RSS_ANONYMOUS].counter))
		return (__u64)BPF_CORE_READ(mm, rss_stat.count[RSS_ANONYMOUS].counter);
	return 0;
}

static __always_inline void probe_victim(struct rw_record *record, struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	const struct cred *cred = BPF_CORE_READ(task, cred);

	record->pid = (__u32)BPF_CORE_READ(task, pid);
	record->tgid = (__u32)BPF_CORE_READ(task, tgid);
	bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);
	if (mm)
		record->more[0] = probe_anonymous_pages(mm) << KIB_A_PAGE_SHIFT;
	if (cred)
		record->more[1] = (__u64)BPF_CORE_READ(cred, uid.val) + 1;
	probe_cgroup(record, task);
}

SEC("kprobe/oom_kill_process")
int BPF_KPROBE(rw_kprobe_oom_kill, struct oom_control *control)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_OOM_KILL);
	struct task_struct *chosen;

	if (!record)
		return 0;
	chosen = BPF_CORE_READ(control, chosen);
	record->value = BPF_CORE_READ(control, memcg) ? RW_OOM_CGROUP : RW_OOM_GLOBAL;
	if (chosen)
		probe_victim(record, chosen);
	rw_record_submit(record);
	return 0;
}

SEC("raw_tp/mark_victim")
int BPF_PROG(rw_raw_victim, struct task_struct *task)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_OOM_KILL);
	bool is_kill;

	if (!record)
		return 0;
	is_kill = take_scope(record, ctx);
	if (!is_kill) {
		bpf_ringbuf_discard(record, 0);
		return 0;
	}
	if (bpf_core_type_exists(btf_trace_mark_victim)) {
		probe_victim(record, task);
	} else {
		/* all that is known then */
		record->pid = (__u32)(long)task;
		record->tgid = record->pid;
		__builtin_memset(record->comm, 0, sizeof(record->comm));
	}
	rw_record_submit(record);
	return 0;
}
