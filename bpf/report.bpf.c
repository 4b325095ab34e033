/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What KFENCE and KASAN report, when they have printed it. Each has a program of
 * its own, that refuses to load where the kernel was built without the detector,
 * so that nobody believes to be watching.
 *
 * KFENCE finds most errors by a page fault: the stack behind it is that of the
 * access. What is found when memory is freed comes without one; the log has it.
 */
#include "bpf/common.bpf.h"

enum error_detector {
	ERROR_DETECTOR_KFENCE = 0,
	ERROR_DETECTOR_KASAN = 1,
};

struct kfence_metadata {
	unsigned long addr;
} RW_KERNEL_TYPE;

/* Both are offsets that stand far from the begin of what they are in; a type that
 * this kernel has not makes the program one that the verifier refuses. */
static __always_inline bool has_kfence(void)
{
	struct kfence_metadata *metadata = NULL;

	return __builtin_preserve_field_info(metadata->addr, BPF_FIELD_BYTE_OFFSET) != 0;
}

static __always_inline bool has_kasan(void)
{
	struct task_struct *task = NULL;

	return __builtin_preserve_field_info(task->kasan_depth, BPF_FIELD_BYTE_OFFSET) != 0;
}

static __always_inline struct rw_record *report_begin(__u64 address)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_REPORT);

	if (record)
		record->value = address;
	return record;
}

static __always_inline void kfence_tell(void *ctx, __u32 detector, __u64 address)
{
	struct rw_record *record;

	if (detector != bpf_core_enum_value(enum error_detector, ERROR_DETECTOR_KFENCE) ||
	    !has_kfence())
		return;
	record = report_begin(address);
	if (!record)
		return;
	__builtin_memcpy(record->name, rw_text_kfence, sizeof(rw_text_kfence));
	/* kfence_handle_page_fault, whatever the compiler made of its name */
	rw_take_interrupted_stack(record, ctx,
				  RW_NAME_HEAD('k', 'f', 'e', 'n', 'c', 'e', '_', 'h'));
	rw_record_submit(record);
}

static __always_inline void kasan_tell(__u32 detector, __u64 address)
{
	struct rw_record *record;

	if (detector != bpf_core_enum_value(enum error_detector, ERROR_DETECTOR_KASAN) ||
	    !has_kasan())
		return;
	record = report_begin(address);
	if (!record)
		return;
	__builtin_memcpy(record->name, rw_text_kasan, sizeof(rw_text_kasan));
	rw_record_submit(record);
}

SEC("tp_btf/error_report_end")
int BPF_PROG(rw_kfence, unsigned int detector, unsigned long address)
{
	kfence_tell(ctx, detector, address);
	return 0;
}

SEC("raw_tp/error_report_end")
int BPF_PROG(rw_raw_kfence, unsigned int detector, unsigned long address)
{
	kfence_tell(ctx, detector, address);
	return 0;
}

SEC("tp_btf/error_report_end")
int BPF_PROG(rw_kasan, unsigned int detector, unsigned long address)
{
	kasan_tell(detector, address);
	return 0;
}

SEC("raw_tp/error_report_end")
int BPF_PROG(rw_raw_kasan, unsigned int detector, unsigned long address)
{
	kasan_tell(detector, address);
	return 0;
}
