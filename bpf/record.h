/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one record that kernel side and user side share.
 *
 * The BPF programs write struct rw_record into the ring buffer `records`;
 * sensor/probes.c reads it. All integers are in host byte order: both sides
 * run on the same machine. Fields that a type does not use are zero.
 */
#ifndef RINGWATCH_BPF_RECORD_H
#define RINGWATCH_BPF_RECORD_H

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t __u8;
typedef uint32_t __u32;
typedef int32_t __s32;
typedef uint64_t __u64;
#endif

enum {
	RW_RECORD_COMM = 16,    /* TASK_COMM_LEN */
	RW_RECORD_NAME = 64,    /* MODULE_NAME_LEN is 56 on 64-bit */
	RW_RECORD_TEXT = 128,   /* panic text, WARN file, restart command */
	RW_RECORD_FRAMES = 24,
	RW_RINGBUF_BYTES = 128 * 1024,
};

enum rw_record_type {
	RW_RECORD_OOPS_BEGIN = 1,   /* oops_enter */
	RW_RECORD_OOPS_DETAIL = 2,  /* ip, frames, text = "Oops", "general protection fault", ... */
	RW_RECORD_OOPS_SURVIVED = 3,/* make_task_dead: the kernel goes on without the task */
	RW_RECORD_PANIC = 4,        /* text = message where the hook has it */
	RW_RECORD_WARN = 5,         /* ip = caller, text = file, value = line */
	RW_RECORD_MODULE_FAILED = 6,/* name, error, value = enum rw_module_stage */
	RW_RECORD_RESTART = 7,      /* value = enum rw_restart_kind, text = command */
	RW_RECORD_SELFTEST = 8,     /* proof that hook, ring and reader work */
};

enum rw_module_stage {
	RW_STAGE_READ = 1,  /* the file was read, nothing more */
	RW_STAGE_LOAD = 2,  /* load_module was reached */
	RW_STAGE_INIT = 3,  /* the module's own init ran and failed */
};

enum rw_restart_kind {
	RW_RESTART_REBOOT = 1,
	RW_RESTART_POWER_OFF = 2,
	RW_RESTART_KEXEC = 3,
	RW_RESTART_EMERGENCY = 4, /* sysrq-b and its like: nothing was synced */
};

struct rw_record {
	__u32 type;             /* enum rw_record_type */
	__u32 cpu;
	__u64 boot_ns;          /* CLOCK_BOOTTIME */
	__u32 pid;              /* the thread */
	__u32 tgid;
	__u64 ip;               /* faulting instruction or WARN site; 0 unknown */
	__u64 value;            /* by type */
	__s32 error;            /* negative errno or 0 */
	__u32 frame_count;
	__u64 frames[RW_RECORD_FRAMES]; /* kernel stack, innermost first */
	char comm[RW_RECORD_COMM];
	char name[RW_RECORD_NAME];      /* module or file name */
	char text[RW_RECORD_TEXT];
};

/* Slots of the array map `counters`, read by the sensor. */
enum rw_counter {
	RW_COUNTER_RESERVE_FAILED = 0,  /* the ring was full: an event was lost */
	RW_COUNTER_RECORDS = 1,
	RW_COUNTER_MAX
};

#endif
