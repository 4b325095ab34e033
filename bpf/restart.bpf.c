/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ways in which a kernel stops on purpose, and by whose hand. An emergency
 * restart (sysrq-b, also the end of a panic) syncs nothing and asks nobody.
 */
#include "bpf/common.bpf.h"

static __always_inline void restart_tell(__u32 kind, const char *command)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_RESTART);

	if (!record)
		return;
	record->value = kind;
	if (command)
		rw_copy_text(record->text, sizeof(record->text), command);
	rw_record_submit(record);
}

SEC("fentry/kernel_restart")
int BPF_PROG(rw_restart, const char *command)
{
	restart_tell(RW_RESTART_REBOOT, command);
	return 0;
}

SEC("fentry/kernel_power_off")
int BPF_PROG(rw_power_off)
{
	restart_tell(RW_RESTART_POWER_OFF, NULL);
	return 0;
}

/* The machine stays on, but this kernel's life ends in good order. */
SEC("fentry/kernel_halt")
int BPF_PROG(rw_halt)
{
	restart_tell(RW_RESTART_POWER_OFF, NULL);
	return 0;
}

SEC("fentry/kernel_kexec")
int BPF_PROG(rw_kexec)
{
	restart_tell(RW_RESTART_KEXEC, NULL);
	return 0;
}

SEC("fentry/emergency_restart")
int BPF_PROG(rw_emergency)
{
	restart_tell(RW_RESTART_EMERGENCY, NULL);
	return 0;
}

SEC("kprobe/kernel_restart")
int BPF_KPROBE(rw_kprobe_restart, const char *command)
{
	restart_tell(RW_RESTART_REBOOT, command);
	return 0;
}

SEC("kprobe/kernel_power_off")
int BPF_KPROBE(rw_kprobe_power_off)
{
	restart_tell(RW_RESTART_POWER_OFF, NULL);
	return 0;
}

SEC("kprobe/kernel_halt")
int BPF_KPROBE(rw_kprobe_halt)
{
	restart_tell(RW_RESTART_POWER_OFF, NULL);
	return 0;
}

SEC("kprobe/kernel_kexec")
int BPF_KPROBE(rw_kprobe_kexec)
{
	restart_tell(RW_RESTART_KEXEC, NULL);
	return 0;
}

SEC("kprobe/emergency_restart")
int BPF_KPROBE(rw_kprobe_emergency)
{
	restart_tell(RW_RESTART_EMERGENCY, NULL);
	return 0;
}
