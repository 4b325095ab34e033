/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RCU stalls. A CPU that finds itself stalled ("SelfDetected") is within the
 * timer interrupt of the task that hogs it; a stall that another CPU found
 * ("StallDetected", "ExpeditedStall") says nothing about the task that runs
 * there.
 */
#include "bpf/common.bpf.h"

static __always_inline bool is_own(const char *text)
{
	return text[0] == 'S' && text[1] == 'e' && text[2] == 'l' && text[3] == 'f';
}

static __always_inline void stall_tell(void *ctx, const char *flavour, const char *what)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_RCU_STALL);

	if (!record)
		return;
	rw_copy_text(record->name, sizeof(record->name), flavour);
	rw_copy_text(record->text, sizeof(record->text), what);
	if (is_own(record->text))
		rw_take_interrupted_stack(record, ctx, 0);
	else
		rw_is_about_nobody(record);
	rw_record_submit(record);
}

SEC("tp_btf/rcu_stall_warning")
int BPF_PROG(rw_rcu_stall, const char *flavour, const char *what)
{
	stall_tell(ctx, flavour, what);
	return 0;
}

SEC("raw_tp/rcu_stall_warning")
int BPF_PROG(rw_raw_rcu_stall, const char *flavour, const char *what)
{
	stall_tell(ctx, flavour, what);
	return 0;
}
