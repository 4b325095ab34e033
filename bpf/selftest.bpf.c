/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Run once by hand when the sensor starts (BPF_PROG_TEST_RUN, attached to
 * nothing): a record that comes out of the ring proves ring and reader, and
 * whether this kernel can name its own addresses. ctx[0] comes back as `value`.
 */
#include "bpf/common.bpf.h"

SEC("raw_tp")
int BPF_PROG(rw_selftest, __u64 value)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_SELFTEST);

	if (!record)
		return 0;
	record->value = value;
	rw_take_frames(record, ctx, 0);
	rw_name_frames(record, false);
	rw_record_submit(record);
	return 0;
}
