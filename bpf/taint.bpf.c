/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taint flags, each when it is set for the first time in this boot; what was set
 * before the sensor came stands in the counters' slot already.
 *
 * A soft lockup has no tracepoint, but each report of one sets flag 14, on the
 * CPU that hangs and within the timer interrupt of the task that hogs it. So
 * that flag is told each time, with the stack behind the interrupt's frames.
 */
#include "bpf/common.bpf.h"

enum {
	TAINT_SOFTLOCKUP = 14,
	TAINT_BITS = 64,
};

/* Two CPUs that set a flag at once may both tell it. */
static __always_inline bool is_first(__u32 flag)
{
	__u32 slot = RW_COUNTER_TAINTED;
	__u64 *tainted = bpf_map_lookup_elem(&counters, &slot);

	if (flag >= TAINT_BITS || !tainted)
		return true;
	if (*tainted >> flag & 1)
		return false;
	*tainted |= 1ULL << flag;
	return true;
}

static __always_inline void taint_tell(void *ctx, __u32 flag)
{
	struct rw_record *record;

	if (!is_first(flag) && flag != TAINT_SOFTLOCKUP)
		return;
	record = rw_record_begin(RW_RECORD_TAINT);
	if (!record)
		return;
	record->value = flag;
	if (flag == TAINT_SOFTLOCKUP)
		rw_take_interrupted_stack(record, ctx, 0);
	rw_record_submit(record);
}

SEC("fentry/add_taint")
int BPF_PROG(rw_taint, unsigned int flag)
{
	taint_tell(ctx, flag);
	return 0;
}

SEC("kprobe/add_taint")
int BPF_KPROBE(rw_kprobe_taint, unsigned int flag)
{
	taint_tell(ctx, flag);
	return 0;
}
