/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An oops, from its begin to its end.
 *
 * On x86 it takes one of three ways: a page fault goes page_fault_oops →
 * oops_enter → __die, BUG and divide errors go die → oops_enter → __die, a
 * general protection fault goes die_addr → oops_enter → __die_body. If the
 * kernel goes on without the task, make_task_dead ends it; a begin without an
 * end is itself news.
 *
 * All three pass __die_body, which takes the registers, but a compiler may build
 * that into its callers: Debian's 6.12 does, and a hook on it attaches and never
 * fires. A call from one source file into another stays a call: those of die,
 * die_addr and __die, and of page_fault_oops for kprobes, which __die refuses.
 * What lies before oops_enter (die and die_addr always; page_fault_oops, which
 * also runs for faults that KFENCE handles and nobody dies of) sets aside what
 * it saw, and oops_enter tells it. What lies behind tells at once, unless it has
 * been told.
 */
#include "bpf/common.bpf.h"

const char page_fault[] = "Oops"; /* what page_fault_oops hands to __die */

struct route {
	__u64 ip;
	__u64 code;
	__u64 told;
	char what[96]; /* "general protection fault, probably for non-canonical address 0x…" */
};

/* By task address: the idle task of each CPU has pid 0. LRU, since a fault that
 * was no oops leaves its entry behind. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, struct route);
} routes SEC(".maps");

static __always_inline void remember(const struct route *route)
{
	__u64 task = bpf_get_current_task();

	bpf_map_update_elem(&routes, &task, route, BPF_ANY);
}

static __always_inline void tell_detail(void *ctx, const struct route *route)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_OOPS_DETAIL);

	if (!record)
		return;
	record->ip = route->ip;
	record->value = route->code;
	__builtin_memcpy(record->text, route->what, sizeof(route->what));
	rw_take_stack_at_ip(record, ctx);
	rw_record_submit(record);
}

static __always_inline void begin(void *ctx)
{
	__u64 task = bpf_get_current_task();
	struct rw_record *record = rw_record_begin(RW_RECORD_OOPS_BEGIN);
	struct route *route;

	if (record)
		rw_record_submit(record);
	route = bpf_map_lookup_elem(&routes, &task);
	if (!route)
		return;
	if (route->told) { /* of an oops that this task, or one at its address, had before */
		bpf_map_delete_elem(&routes, &task);
		return;
	}
	tell_detail(ctx, route);
	route->told = 1;
}

static __always_inline void survived(int signal)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_OOPS_SURVIVED);

	if (!record)
		return;
	record->value = (__u32)signal;
	rw_record_submit(record);
}

static __always_inline void take_route(struct route *route, const char *what, struct pt_regs *regs,
				       long code)
{
	rw_copy_text(route->what, sizeof(route->what), what);
	route->code = (__u64)code;
	if (regs)
		route->ip = regs->ip;
}

SEC("fentry/oops_enter")
int BPF_PROG(rw_oops_enter)
{
	begin(ctx);
	return 0;
}

SEC("fentry/die")
int BPF_PROG(rw_die, const char *what, struct pt_regs *regs, long code)
{
	struct route route = {};

	take_route(&route, what, regs, code);
	remember(&route);
	return 0;
}

SEC("fentry/die_addr")
int BPF_PROG(rw_die_addr, const char *what, struct pt_regs *regs, long code)
{
	struct route route = {};

	take_route(&route, what, regs, code);
	remember(&route);
	return 0;
}

SEC("fentry/__die")
int BPF_PROG(rw_die_after, const char *what, struct pt_regs *regs, long code)
{
	__u64 task = bpf_get_current_task();
	struct route route = {};

	if (bpf_map_lookup_elem(&routes, &task))
		return 0;
	take_route(&route, what, regs, code);
	tell_detail(ctx, &route);
	return 0;
}

SEC("fentry/make_task_dead")
int BPF_PROG(rw_task_dead, int signal)
{
	survived(signal);
	return 0;
}

/* ---- second tier ---------------------------------------------------------- */

static __always_inline void kprobe_route(const char *what, struct pt_regs *regs, __u64 code)
{
	struct route route = {.code = code};

	if (what)
		bpf_probe_read_kernel_str(route.what, sizeof(route.what), what);
	else
		__builtin_memcpy(route.what, page_fault, sizeof(page_fault));
	if (regs)
		route.ip = BPF_CORE_READ(regs, ip);
	remember(&route);
}

SEC("kprobe/oops_enter")
int BPF_KPROBE(rw_kprobe_oops_enter)
{
	begin(ctx);
	return 0;
}

SEC("kprobe/die")
int BPF_KPROBE(rw_kprobe_die, const char *what, struct pt_regs *regs, long code)
{
	kprobe_route(what, regs, (__u64)code);
	return 0;
}

SEC("kprobe/die_addr")
int BPF_KPROBE(rw_kprobe_die_addr, const char *what, struct pt_regs *regs, long code)
{
	kprobe_route(what, regs, (__u64)code);
	return 0;
}

SEC("kprobe/page_fault_oops")
int BPF_KPROBE(rw_kprobe_page_fault_oops, struct pt_regs *regs, unsigned long code)
{
	kprobe_route(NULL, regs, code);
	return 0;
}

SEC("kprobe/make_task_dead")
int BPF_KPROBE(rw_kprobe_task_dead, int signal)
{
	survived(signal);
	return 0;
}
