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
 * die_addr and __die; so does page_fault_oops, the only one that has the address
 * of the access, where the kernel has it (5.11).
 * What lies before oops_enter (die and die_addr always; page_fault_oops, which
 * also runs for faults that KFENCE handles and nobody dies of) sets aside what
 * it saw, and oops_enter tells it. What lies behind tells at once, unless it has
 * been told.
 */
#include "bpf/common.bpf.h"

/* A fault's way from what sets it aside to oops_enter takes microseconds. */
#define ROUTE_NS 1000000000ULL

struct route {
	__u64 ip;
	__u64 sp;
	__u64 code;
	__u64 address; /* that was accessed */
	__u64 seen_ns;
	__u32 has_address;
	__u32 told;
	char what[96]; /* "general protection fault, probably for non-canonical address 0x…" */
};

/* By task address: the idle task of each CPU has pid 0. LRU, since a fault that
 * was no oops leaves its entry behind. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32);
	__type(key, __u64);
	__type(value, struct route);
} routes SEC(".maps");

static __always_inline void remember(struct route *route)
{
	__u64 task = bpf_get_current_task();

	route->seen_ns = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&routes, &task, route, BPF_ANY);
}

/*
 * A jump to nowhere ends the stack: no unwinder goes past an address that is no
 * code. But it was a call, and what it would have returned to lies where the
 * stack pointer points. Needs a probe read.
 */
static __always_inline void take_caller(struct rw_record *record, const struct route *route)
{
	__u64 caller = 0;

	if (!rw_has_snprintf() || !rw_is_nowhere(record) || route->sp == 0)
		return;
	if (bpf_probe_read_kernel(&caller, sizeof(caller), (void *)route->sp) != 0 || caller == 0)
		return;
	record->frames[0] = caller;
	record->frame_count = 1;
	rw_name_frames(record, false);
}

static __always_inline void tell_detail(void *ctx, const struct route *route, bool may_read)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_OOPS_DETAIL);

	if (!record)
		return;
	record->ip = route->ip;
	record->value = route->code;
	record->more[0] = route->address;
	record->more[1] = route->has_address;
	__builtin_memcpy(record->text, route->what, sizeof(route->what));
	rw_take_stack_at_ip(record, ctx);
	if (may_read)
		take_caller(record, route);
	rw_record_submit(record);
}

static __always_inline void begin(void *ctx, bool may_read)
{
	__u64 task = bpf_get_current_task();
	struct rw_record *record = rw_record_begin(RW_RECORD_OOPS_BEGIN);
	struct route *route;

	if (record)
		rw_record_submit(record);
	route = bpf_map_lookup_elem(&routes, &task);
	if (!route)
		return;
	/* of an oops that this task, or one at its address, had before; or of a fault
	 * that was none */
	if (route->told || bpf_ktime_get_boot_ns() - route->seen_ns > ROUTE_NS) {
		bpf_map_delete_elem(&routes, &task);
		return;
	}
	tell_detail(ctx, route, may_read);
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

static __always_inline void set_address(struct route *route, __u64 address)
{
	route->address = address;
	route->has_address = 1;
}

/* A stack overflow announces its address just before it dies. */
static __always_inline void take_announced_address(struct route *route)
{
	__u64 task = bpf_get_current_task();
	struct route *announced = bpf_map_lookup_elem(&routes, &task);

	if (announced && announced->what[0] == '\0' && !announced->told &&
	    bpf_ktime_get_boot_ns() - announced->seen_ns <= ROUTE_NS)
		set_address(route, announced->address);
}

static __always_inline void take_route(struct route *route, const char *what, struct pt_regs *regs,
				       long code)
{
	if (what)
		rw_copy_text(route->what, sizeof(route->what), what);
	else
		__builtin_memcpy(route->what, rw_text_page_fault, sizeof(rw_text_page_fault));
	route->code = (__u64)code;
	if (regs) {
		route->ip = regs->ip;
		route->sp = regs->sp;
	}
}

/* What lies behind oops_enter tells at once, unless it has been told. */
static __always_inline void tell_late(void *ctx, const char *what, struct pt_regs *regs, long code,
				      bool may_read)
{
	__u64 task = bpf_get_current_task();
	struct route route = {};

	if (bpf_map_lookup_elem(&routes, &task))
		return;
	take_route(&route, what, regs, code);
	tell_detail(ctx, &route, may_read);
}

/* ---- first tier: the two that tell come with and without probe reads --------------- */

SEC("fentry/oops_enter")
int BPF_PROG(rw_oops_enter)
{
	begin(ctx, true);
	return 0;
}

SEC("fentry/oops_enter")
int BPF_PROG(rw_oops_enter_lean)
{
	begin(ctx, false);
	return 0;
}

SEC("fentry/__die")
int BPF_PROG(rw_die_after, const char *what, struct pt_regs *regs, long code)
{
	tell_late(ctx, what, regs, code, true);
	return 0;
}

SEC("fentry/__die")
int BPF_PROG(rw_die_after_lean, const char *what, struct pt_regs *regs, long code)
{
	tell_late(ctx, what, regs, code, false);
	return 0;
}

SEC("fentry/die")
int BPF_PROG(rw_die, const char *what, struct pt_regs *regs, long code)
{
	struct route route = {};

	take_route(&route, what, regs, code);
	take_announced_address(&route);
	remember(&route);
	return 0;
}

SEC("fentry/die_addr")
int BPF_PROG(rw_die_addr, const char *what, struct pt_regs *regs, long code, long address)
{
	struct route route = {};

	take_route(&route, what, regs, code);
	if (address != 0) /* 0: the fault's instruction has none */
		set_address(&route, (__u64)address);
	remember(&route);
	return 0;
}

SEC("fentry/page_fault_oops")
int BPF_PROG(rw_page_fault_oops, struct pt_regs *regs, unsigned long code, unsigned long address)
{
	struct route route = {};

	take_route(&route, NULL, regs, (long)code);
	set_address(&route, address);
	remember(&route);
	return 0;
}

SEC("fentry/handle_stack_overflow")
int BPF_PROG(rw_stack_overflow, struct pt_regs *regs, unsigned long address)
{
	struct route route = {};

	set_address(&route, address);
	remember(&route);
	return 0;
}

SEC("fentry/make_task_dead")
int BPF_PROG(rw_task_dead, int signal)
{
	survived(signal);
	return 0;
}

/* ---- second tier ---------------------------------------------------------- */

static __always_inline void probe_route(struct route *route, const char *what, struct pt_regs *regs,
					__u64 code)
{
	if (what)
		bpf_probe_read_kernel_str(route->what, sizeof(route->what), what);
	else
		__builtin_memcpy(route->what, rw_text_page_fault, sizeof(rw_text_page_fault));
	route->code = code;
	if (regs) {
		route->ip = BPF_CORE_READ(regs, ip);
		route->sp = BPF_CORE_READ(regs, sp);
	}
}

SEC("kprobe/oops_enter")
int BPF_KPROBE(rw_kprobe_oops_enter)
{
	begin(ctx, true);
	return 0;
}

SEC("kprobe/die")
int BPF_KPROBE(rw_kprobe_die, const char *what, struct pt_regs *regs, long code)
{
	struct route route = {};

	probe_route(&route, what, regs, (__u64)code);
	take_announced_address(&route);
	remember(&route);
	return 0;
}

SEC("kprobe/die_addr")
int BPF_KPROBE(rw_kprobe_die_addr, const char *what, struct pt_regs *regs, long code, long address)
{
	struct route route = {};

	probe_route(&route, what, regs, (__u64)code);
	if (address != 0)
		set_address(&route, (__u64)address);
	remember(&route);
	return 0;
}

SEC("kprobe/page_fault_oops")
int BPF_KPROBE(rw_kprobe_page_fault_oops, struct pt_regs *regs, unsigned long code,
	       unsigned long address)
{
	struct route route = {};

	probe_route(&route, NULL, regs, code);
	set_address(&route, address);
	remember(&route);
	return 0;
}

SEC("kprobe/handle_stack_overflow")
int BPF_KPROBE(rw_kprobe_stack_overflow, struct pt_regs *regs, unsigned long address)
{
	struct route route = {};

	set_address(&route, address);
	remember(&route);
	return 0;
}

SEC("kprobe/make_task_dead")
int BPF_KPROBE(rw_kprobe_task_dead, int signal)
{
	survived(signal);
	return 0;
}
