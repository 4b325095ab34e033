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

/* Not static: the loader of Debian 12 leaves the offsets of static variables at 0
 * in the type information, and the kernel refuses that. */
const char rw_format_exact[] = "%pS";  /* an instruction */
const char rw_format_return[] = "%pB"; /* where a call returns to */
const char rw_format_text[] = "%s";

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

#endif
