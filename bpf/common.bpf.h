/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all programs share: the few kernel types that are read, the maps, and
 * the filling of a record.
 *
 * Rules of the house. Programs run where the kernel is dying, so: no loop
 * without a small bound, no per-CPU scratch map, nothing large on the stack (a
 * record is reserved in the ring and filled there), no lock but the ring's own.
 * Programs behind fentry, fexit and tp_btf read only through typed pointers and
 * bpf_snprintf: then they load under lockdown=confidentiality too, where
 * bpf_probe_read_kernel is refused.
 */
#ifndef RINGWATCH_BPF_COMMON_BPF_H
#define RINGWATCH_BPF_COMMON_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#define __VMLINUX_H__ /* bpf_tracing.h: struct pt_regs has the kernel's own field names */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/record.h"

/*
 * Kernel types, by name and by the fields that are read. The loader puts the
 * running kernel's offsets in (CO-RE), so order and size here mean nothing.
 */
#define RW_KERNEL_TYPE __attribute__((preserve_access_index))

struct pt_regs {
	unsigned long bp;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long ip;
	unsigned long sp;
} RW_KERNEL_TYPE;

struct cgroup_subsys_state;
struct css_set;
struct mm_struct;
struct cred;

struct thread_info {
	__u32 cpu;
} RW_KERNEL_TYPE;

struct task_struct {
	struct thread_info thread_info;
	unsigned int cpu; /* before 5.16 */
	int pid;
	int tgid;
	__u64 start_time;
	char comm[RW_RECORD_COMM];
	struct mm_struct *mm;
	const struct cred *cred;
	struct css_set *cgroups;
	unsigned int kasan_depth; /* where KASAN is built in */
} RW_KERNEL_TYPE;

char rw_license[] SEC("license") = "Dual BSD/GPL";

/* One of each for all objects: the loader makes them and hands them to each. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RW_RINGBUF_BYTES);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RW_COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/*
 * All constant text, of all objects: so the read-only data of each is the same,
 * and the loader lets one map serve them all. Not static: the loader of Debian
 * 12 leaves the offsets of static variables at 0 in the type information, and
 * the kernel refuses that.
 */
const char rw_format_exact[] = "%pS";  /* an instruction */
const char rw_format_return[] = "%pB"; /* where a call returns to */
const char rw_format_text[] = "%s";
const char rw_text_page_fault[] = "Oops"; /* what page_fault_oops hands to __die */
const char rw_text_panic[] = "Kernel panic";
const char rw_text_kfence[] = "kfence";
const char rw_text_kasan[] = "kasan";
const char rw_text_page[] = "page";

/* Known when the program is loaded: the verifier drops the branch not taken,
 * so a kernel without the helper (before 5.13) never sees the call. */
static __always_inline bool rw_has_snprintf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_snprintf);
}

static __always_inline void rw_count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* Copies a kernel string; `size` is a constant. Both ways end it with a NUL. */
static __always_inline void rw_copy_text(char *out, __u32 size, const void *text)
{
	__u64 argument = (__u64)text;

	if (rw_has_snprintf())
		bpf_snprintf(out, size, rw_format_text, &argument, sizeof(argument));
	else
		bpf_probe_read_kernel_str(out, size, text);
}

/*
 * A zeroed record in the ring, with what every record holds, or NULL when the
 * ring is full (counted). Hand it on with rw_record_submit().
 */
static __always_inline struct rw_record *rw_record_begin(__u32 type)
{
	struct rw_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	__u64 pid_tgid;

	if (!record) {
		rw_count(RW_COUNTER_RESERVE_FAILED);
		return NULL;
	}

	_Static_assert(sizeof(*record) % sizeof(__u64) == 0, "zeroed by words");
	for (__u32 i = 0; i < sizeof(*record) / sizeof(__u64); i++)
		((volatile __u64 *)record)[i] = 0; /* volatile: else clang calls memset() */

	pid_tgid = bpf_get_current_pid_tgid();
	record->type = type;
	record->cpu = bpf_get_smp_processor_id();
	record->boot_ns = bpf_ktime_get_boot_ns();
	record->pid = (__u32)pid_tgid;
	record->tgid = pid_tgid >> 32;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	return record;
}

static __always_inline void rw_record_submit(struct rw_record *record)
{
	rw_count(RW_COUNTER_RECORDS);
	bpf_ringbuf_submit(record, 0);
}

/* The stack from its frame `skip` on. */
static __always_inline void rw_take_frames(struct rw_record *record, void *ctx, __u32 skip)
{
	long bytes = -1;

	if (skip < RW_RECORD_FRAMES)
		bytes = bpf_get_stack(ctx, record->frames, sizeof(record->frames), skip & 0xff);
	record->frame_count = bytes > 0 ? (__u32)bytes / sizeof(__u64) : 0;
}

/* The first eight bytes of a frame's name, as a number (little-endian). */
#define RW_NAME_HEAD(a, b, c, d, e, f, g, h)                                                       \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |   \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline __u64 rw_head_of_frame(const struct rw_record *record, __u32 i)
{
	return *(const __u64 *)record->stack[i];
}

static __always_inline void rw_name_frames(struct rw_record *record, bool first_is_exact)
{
	if (!rw_has_snprintf())
		return;
	for (__u32 i = 0; i < RW_RECORD_STACK; i++) {
		__u64 address = record->frames[i];

		if (i >= record->frame_count)
			break;
		if (i == 0 && first_is_exact)
			bpf_snprintf(record->stack[i], sizeof(record->stack[i]), rw_format_exact,
				     &address, sizeof(address));
		else
			bpf_snprintf(record->stack[i], sizeof(record->stack[i]), rw_format_return,
				     &address, sizeof(address));
	}
}

/*
 * Stack and names for a record whose `ip` is the instruction to blame: what lies
 * above it on the stack (the handling of the fault, this program) is left off.
 * When ip is not on the stack, as after a jump to nowhere, all of the stack is
 * handling, and none of it is kept.
 */
static __always_inline void rw_take_stack_at_ip(struct rw_record *record, void *ctx)
{
	__u64 ip = record->ip;

	rw_take_frames(record, ctx, 0);
	/* Kept in the record, where the verifier loses sight of its value: it would
	 * follow what comes next once for each. */
	record->skipped = RW_RECORD_FRAMES;
	for (__u32 i = 0; i < RW_RECORD_FRAMES; i++) {
		if (i < record->frame_count && record->frames[i] == ip) {
			record->skipped = i;
			break;
		}
	}
	rw_take_frames(record, ctx, record->skipped);
	rw_name_frames(record, true);

	if (rw_has_snprintf() && ip != 0)
		bpf_snprintf(record->symbol, sizeof(record->symbol), rw_format_exact, &ip,
			     sizeof(ip));
}

static __always_inline void rw_forget_stack(struct rw_record *record)
{
	_Static_assert(RW_RECORD_STACK_SYMBOL % sizeof(__u64) == 0, "zeroed by words");
	for (__u32 i = 0; i < sizeof(record->stack) / sizeof(__u64); i++)
		((volatile __u64 *)record->stack)[i] = 0;
	for (__u32 i = 0; i < RW_RECORD_FRAMES; i++)
		((volatile __u64 *)record->frames)[i] = 0;
	record->frame_count = 0;
}

/* What the kernel prints of an address that belongs to nothing. */
static __always_inline bool rw_is_nowhere(const struct rw_record *record)
{
	return record->ip == 0 || (record->symbol[0] == '0' && record->symbol[1] == 'x');
}

/* Where the CPU enters the kernel for an interrupt or an exception: asm_sysvec_…,
 * asm_common_interrupt, asm_exc_…; el1h_64_irq, el1h_64_sync on arm64. */
static __always_inline bool rw_is_entry(__u64 head)
{
	return head == RW_NAME_HEAD('a', 's', 'm', '_', 's', 'y', 's', 'v') ||
	       head == RW_NAME_HEAD('a', 's', 'm', '_', 'c', 'o', 'm', 'm') ||
	       head == RW_NAME_HEAD('a', 's', 'm', '_', 'e', 'x', 'c', '_') ||
	       head == RW_NAME_HEAD('e', 'l', '1', 'h', '_', '6', '4', '_');
}

/*
 * Stack and names of what was interrupted: all that runs because of the
 * interrupt, this program too, is left off. When the innermost entry is not
 * among the frames that have names there is nothing to tell. With `via`, the head
 * of a name, nor when no such frame stands above it.
 */
static __always_inline void rw_take_interrupted_stack(struct rw_record *record, void *ctx,
						      __u64 via)
{
	rw_take_frames(record, ctx, 0);
	rw_name_frames(record, false);
	for (__u32 i = 0; i + 1 < RW_RECORD_STACK; i++) {
		if (record->skipped != 0)
			break;
		if (via != 0 && rw_head_of_frame(record, i) == via)
			record->unused = 1; /* for a moment */
		/* on arm64 the handler's name begins as the entry's below it */
		if (rw_is_entry(rw_head_of_frame(record, i)) &&
		    !rw_is_entry(rw_head_of_frame(record, i + 1)))
			record->skipped = i + 1;
	}
	rw_forget_stack(record);
	if (via != 0 && record->unused == 0)
		record->skipped = 0;
	record->unused = 0;
	if (record->skipped == 0)
		return;

	rw_take_frames(record, ctx, record->skipped);
	rw_name_frames(record, true);
	if (record->frame_count > 0) {
		record->ip = record->frames[0];
		__builtin_memcpy(record->symbol, record->stack[0], sizeof(record->stack[0]));
	}
}

/* The record is about another task than the one that runs. */
static __always_inline void rw_is_about_nobody(struct rw_record *record)
{
	record->pid = 0;
	record->tgid = 0;
	__builtin_memset(record->comm, 0, sizeof(record->comm));
}

#endif
