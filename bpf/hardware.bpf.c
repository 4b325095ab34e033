/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the hardware reports of itself: machine checks, memory errors (EDAC, and
 * pages that the kernel gives up), PCIe errors. All of these tracepoints run
 * where the kernel decodes the error, not in the interrupt itself; the task that
 * runs there has nothing to do with it. What kills the machine at once (a fatal
 * machine check) is told by the next boot.
 *
 * The tracepoint of machine checks takes struct mce_hw_err from 6.13 on, whose
 * first member is the struct mce that it took before.
 */
#include "bpf/common.bpf.h"

struct mce {
	__u64 status;
	__u64 misc;
	__u64 addr;
	__u64 mcgstatus;
	__u64 ip;
	__u8 bank;
	__u32 extcpu;
} RW_KERNEL_TYPE;

struct mce_hw_err {
	struct mce m;
} RW_KERNEL_TYPE;

static __always_inline struct rw_record *hardware_begin(__u32 type)
{
	struct rw_record *record = rw_record_begin(type);

	if (record)
		rw_is_about_nobody(record);
	return record;
}

static __always_inline struct mce *mce_of(void *error)
{
	if (bpf_core_type_exists(struct mce_hw_err))
		return error + bpf_core_field_offset(struct mce_hw_err, m);
	return error;
}

#define TYPED(from, field) ((from)->field)
#define PROBED(from, field) BPF_CORE_READ(from, field)
#define TAKE_MCE(record, READ, mce)                                                                \
	do {                                                                                       \
		(record)->value = READ(mce, status);                                               \
		(record)->ip = READ(mce, ip);                                                      \
		(record)->cpu = READ(mce, extcpu);                                                 \
		(record)->more[0] = READ(mce, addr);                                               \
		(record)->more[1] = READ(mce, misc);                                               \
		(record)->more[2] = READ(mce, bank);                                               \
		(record)->more[3] = READ(mce, mcgstatus);                                          \
	} while (0)

SEC("tp_btf/mce_record")
int BPF_PROG(rw_mce, void *error)
{
	struct rw_record *record = hardware_begin(RW_RECORD_MACHINE_CHECK);
	struct mce *mce = mce_of(error);

	if (!record)
		return 0;
	TAKE_MCE(record, TYPED, mce);
	rw_record_submit(record);
	return 0;
}

SEC("raw_tp/mce_record")
int BPF_PROG(rw_raw_mce, void *error)
{
	struct rw_record *record = hardware_begin(RW_RECORD_MACHINE_CHECK);
	struct mce *mce = mce_of(error);

	if (!record)
		return 0;
	TAKE_MCE(record, PROBED, mce);
	rw_record_submit(record);
	return 0;
}

static __always_inline void edac_tell(__u32 severity, const char *message, const char *label,
				      __u32 count, __u8 controller, __u64 address)
{
	struct rw_record *record = hardware_begin(RW_RECORD_MEMORY_ERROR);

	if (!record)
		return;
	record->value = severity;
	record->more[0] = address;
	record->more[1] = count;
	record->more[2] = controller;
	if (message)
		rw_copy_text(record->text, sizeof(record->text), message);
	if (label)
		rw_copy_text(record->name, sizeof(record->name), label);
	rw_record_submit(record);
}

static __always_inline void page_tell(__u64 frame, __u32 type, __u32 result)
{
	struct rw_record *record = hardware_begin(RW_RECORD_MEMORY_ERROR);

	if (!record)
		return;
	__builtin_memcpy(record->name, rw_text_page, sizeof(rw_text_page));
	record->value = result;
	record->more[0] = frame;
	record->more[1] = type;
	rw_record_submit(record);
}

static __always_inline void pcie_tell(const char *device, __u32 status, __u8 severity)
{
	struct rw_record *record = hardware_begin(RW_RECORD_PCIE_ERROR);

	if (!record)
		return;
	record->value = status;
	record->more[0] = severity;
	if (device)
		rw_copy_text(record->name, sizeof(record->name), device);
	rw_record_submit(record);
}

SEC("tp_btf/mc_event")
int BPF_PROG(rw_edac, unsigned int severity, const char *message, const char *label, int count,
	     __u8 controller, __s8 top, __s8 middle, __s8 low, unsigned long address)
{
	edac_tell(severity, message, label, (__u32)count, controller, address);
	return 0;
}

SEC("raw_tp/mc_event")
int BPF_PROG(rw_raw_edac, unsigned int severity, const char *message, const char *label, int count,
	     __u8 controller, __s8 top, __s8 middle, __s8 low, unsigned long address)
{
	edac_tell(severity, message, label, (__u32)count, controller, address);
	return 0;
}

SEC("tp_btf/memory_failure_event")
int BPF_PROG(rw_page_lost, unsigned long frame, int type, int result)
{
	page_tell(frame, (__u32)type, (__u32)result);
	return 0;
}

SEC("raw_tp/memory_failure_event")
int BPF_PROG(rw_raw_page_lost, unsigned long frame, int type, int result)
{
	page_tell(frame, (__u32)type, (__u32)result);
	return 0;
}

SEC("tp_btf/aer_event")
int BPF_PROG(rw_pcie, const char *device, __u32 status, __u8 severity)
{
	pcie_tell(device, status, severity);
	return 0;
}

SEC("raw_tp/aer_event")
int BPF_PROG(rw_raw_pcie, const char *device, __u32 status, __u8 severity)
{
	pcie_tell(device, status, severity);
	return 0;
}
