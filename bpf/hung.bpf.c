/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tasks that hang in the kernel. The tracepoint comes at each scan for each
 * such task, also when the kernel has used up its ten lines for the log. When a
 * file server goes away a thousand tasks hang at once: so what was told lately
 * is not told again, and no more than a few a second are: the next scan tells
 * the rest.
 */
#include "bpf/common.bpf.h"

enum {
	TOLD = 64,
	AT_ONCE = 24, /* half of the ring */
};
#define WINDOW_NS 1000000000ULL

struct victim {
	__u64 start_time;
	__u64 pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TOLD);
	__type(key, struct victim);
	__type(value, __u64);
} told SEC(".maps");

static __always_inline __u64 *slot(__u32 counter)
{
	return bpf_map_lookup_elem(&counters, &counter);
}

/* Only one thread of the kernel ever scans. */
static __always_inline bool may_tell(__u64 now)
{
	__u64 *begun = slot(RW_COUNTER_HUNG_BEGUN_NS);
	__u64 *count = slot(RW_COUNTER_HUNG_IN_WINDOW);

	if (!begun || !count)
		return false;
	if (now - *begun >= WINDOW_NS) {
		*begun = now;
		*count = 0;
	}
	if (*count >= AT_ONCE)
		return false;
	(*count)++;
	return true;
}

/* A record about a task that was not told lately, or NULL. */
static __always_inline struct rw_record *hung_begin(__u64 start_time, __u32 pid)
{
	struct victim victim = {.start_time = start_time, .pid = pid};
	__u64 now = bpf_ktime_get_boot_ns();
	struct rw_record *record;

	if (bpf_map_lookup_elem(&told, &victim) || !may_tell(now))
		return NULL;
	record = rw_record_begin(RW_RECORD_HUNG_TASK);
	if (!record)
		return NULL;
	bpf_map_update_elem(&told, &victim, &now, BPF_ANY);
	record->value = start_time;
	record->pid = pid;
	return record;
}

static __always_inline void take_task_stack(struct rw_record *record, struct task_struct *task)
{
	long bytes = bpf_get_task_stack(task, record->frames, sizeof(record->frames), 0);

	record->frame_count = bytes > 0 ? (__u32)bytes / sizeof(__u64) : 0;
	rw_name_frames(record, false);
	if (record->frame_count > 0) {
		record->ip = record->frames[0];
		__builtin_memcpy(record->symbol, record->stack[0], sizeof(record->stack[0]));
	}
}

SEC("tp_btf/sched_process_hang")
int BPF_PROG(rw_hung, struct task_struct *task)
{
	struct rw_record *record = hung_begin(task->start_time, (__u32)task->pid);

	if (!record)
		return 0;
	record->tgid = (__u32)task->tgid;
	if (bpf_core_field_exists(task->thread_info.cpu))
		record->cpu = task->thread_info.cpu;
	else if (bpf_core_field_exists(task->cpu))
		record->cpu = task->cpu;
	rw_copy_text(record->comm, sizeof(record->comm), task->comm);
	take_task_stack(record, task);
	rw_record_submit(record);
	return 0;
}

SEC("raw_tp/sched_process_hang")
int BPF_PROG(rw_raw_hung, struct task_struct *task)
{
	struct rw_record *record =
		hung_begin(BPF_CORE_READ(task, start_time), (__u32)BPF_CORE_READ(task, pid));

	if (!record)
		return 0;
	record->tgid = (__u32)BPF_CORE_READ(task, tgid);
	if (bpf_core_field_exists(task->thread_info.cpu))
		record->cpu = BPF_CORE_READ(task, thread_info.cpu);
	else if (bpf_core_field_exists(task->cpu))
		record->cpu = BPF_CORE_READ(task, cpu);
	bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);
	rw_record_submit(record);
	return 0;
}
