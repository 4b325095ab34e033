/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * WARN() and its kin. __warn has file, line and site; the tracepoint
 * error_report_end has the site alone, and only from 5.16 on (and where that
 * was back-ported): its program refuses to load where the kernel's
 * ERROR_DETECTOR_WARN is missing, so that nobody believes to be watching.
 */
#include "bpf/common.bpf.h"

enum error_detector {
	ERROR_DETECTOR_WARN = 2,
};

static __always_inline struct rw_record *warn_begin(__u64 site)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_WARN);

	if (record)
		record->ip = site;
	return record;
}

static __always_inline void warn_tell(void *ctx, const char *file, int line, __u64 site)
{
	struct rw_record *record = warn_begin(site);

	if (!record)
		return;
	record->value = (__u32)line;
	if (file)
		rw_copy_text(record->text, sizeof(record->text), file);
	rw_take_stack_at_ip(record, ctx);
	rw_record_submit(record);
}

static __always_inline void report_tell(void *ctx, __u32 detector, __u64 site)
{
	if (detector == bpf_core_enum_value(enum error_detector, ERROR_DETECTOR_WARN))
		warn_tell(ctx, NULL, 0, site);
}

SEC("fentry/__warn")
int BPF_PROG(rw_warn, const char *file, int line, void *site)
{
	warn_tell(ctx, file, line, (__u64)site);
	return 0;
}

SEC("tp_btf/error_report_end")
int BPF_PROG(rw_report_end, unsigned int detector, unsigned long site)
{
	report_tell(ctx, detector, site);
	return 0;
}

SEC("kprobe/__warn")
int BPF_KPROBE(rw_kprobe_warn, const char *file, int line, void *site)
{
	warn_tell(ctx, file, line, (__u64)site);
	return 0;
}

SEC("raw_tp/error_report_end")
int BPF_PROG(rw_raw_report_end, unsigned int detector, unsigned long site)
{
	report_tell(ctx, detector, site);
	return 0;
}
