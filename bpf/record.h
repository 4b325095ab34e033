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

#ifdef __bpf__ /* no libc headers there */
typedef __s32 int32_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif

enum {
	RW_RECORD_COMM = 16,  /* TASK_COMM_LEN */
	RW_RECORD_NAME = 64,  /* MODULE_NAME_LEN is 56 on 64-bit */
	RW_RECORD_TEXT = 128, /* panic text, WARN file, restart command */
	RW_RECORD_FRAMES = 24,
	RW_RECORD_SYMBOL = 192, /* of ip: any C name, offset, size and module */
	RW_RECORD_STACK = 16,   /* innermost frames that also come as text */
	RW_RECORD_STACK_SYMBOL = 96,
	RW_RINGBUF_BYTES = 128 * 1024,
};

enum rw_record_type {
	RW_RECORD_OOPS_BEGIN = 1,  /* oops_enter */
	RW_RECORD_OOPS_DETAIL = 2, /* ip, frames, text = "Oops", "general protection fault", "stack
				      guard page", ...; value = error code, more[0] = address
				      that was accessed, more[1] = 1 when that is known. After a
				      jump to nowhere frames begin with its caller, and may hold
				      no more */
	RW_RECORD_OOPS_SURVIVED = 3, /* make_task_dead: the kernel goes on without the task */
	RW_RECORD_PANIC = 4, /* text = message where the hook has it (without "Kernel panic - not
				syncing: "; an unexpanded format from fentry/vpanic and
				kprobe/panic), ip = who called panic() */
	RW_RECORD_WARN = 5,  /* ip = caller, text = file, value = line (0 and "" where unknown) */
	RW_RECORD_MODULE_FAILED = 6, /* name = module's name once its init began, before that the
					file's name ("" from init_module(2)); text = file name or
					""; error, value = enum rw_module_stage */
	RW_RECORD_RESTART = 7,       /* value = enum rw_restart_kind, text = command */
	RW_RECORD_SELFTEST = 8,      /* proof that hook, ring and reader work */
	RW_RECORD_TAINT = 9, /* value = flag number (kernel/panic.c's taint_flags), once each that
				was not set when the sensor came. Of a soft lockup (14), told each
				time, the record is that of the task that hogs the CPU: its stack
				from behind the interrupt's frames, ip and symbol = its innermost
				*/
	RW_RECORD_RCU_STALL = 10, /* name = flavour, text = "StallDetected", "SelfDetected", ...; of
				     "SelfDetected" the task, stack, ip and symbol are the hog's
				     as of a soft lockup, of the others there are none */
	RW_RECORD_HUNG_TASK = 11, /* pid, tgid, comm, cpu, stack, ip and symbol of the task that
				     hangs; value = its start time in ns, what tells it from
				     another of the same pid; told once, again when many others
				     were told since */
	RW_RECORD_OOM_KILL = 12, /* pid, tgid, comm of the victim; value = enum rw_oom_scope; name =
				    its cgroup's name, "" unknown, text = that name where it may
				    be longer; more[0] = anonymous memory in KiB, more[1] = uid +
				    1 (0 unknown) */
	RW_RECORD_MACHINE_CHECK = 13, /* value = MCi_STATUS, ip, more = {address, misc, bank, MCG
					 status}; cpu is the one the error was on */
	RW_RECORD_MEMORY_ERROR = 14,  /* EDAC: text = message, name = label, value = 0 corrected,
					 1 uncorrected, 2 deferred, 3 fatal, 4 info; more = {address,
					 error count, controller, 0}; a page given up: name = "page",
					 text "", value = result (0 ignored, 1 failed, 2 delayed, 3
					 recovered), more[0] = page frame number, more[1] = kind of
					 page (enum mf_action_page_type) */
	RW_RECORD_PCIE_ERROR = 15,    /* name = device, value = status bits, more[0] = severity: 0
					 nonfatal, 1 fatal, 2 correctable */
	RW_RECORD_REPORT =
		16, /* KFENCE, KASAN: name = "kfence" or "kasan", value = address; ip, symbol
		       and stack are the access where a page fault found it, else 0 and "" */
};

enum rw_oom_scope { RW_OOM_UNKNOWN = 0, RW_OOM_GLOBAL = 1, RW_OOM_CGROUP = 2 };

enum rw_module_stage {
	RW_STAGE_READ = 1, /* the file was read, nothing more */
	RW_STAGE_LOAD = 2, /* load_module was reached */
	RW_STAGE_INIT = 3, /* the module's own init ran and failed */
};

enum rw_restart_kind {
	RW_RESTART_REBOOT = 1,
	RW_RESTART_POWER_OFF = 2,
	RW_RESTART_KEXEC = 3,
	RW_RESTART_EMERGENCY = 4, /* sysrq-b and its like: nothing was synced */
};

struct rw_record {
	uint32_t type; /* enum rw_record_type */
	uint32_t cpu;
	uint64_t boot_ns; /* CLOCK_BOOTTIME */
	uint32_t pid;     /* the thread */
	uint32_t tgid;
	uint64_t ip;      /* faulting instruction or WARN site; 0 unknown */
	uint64_t value;   /* by type */
	uint64_t more[4]; /* by type */
	int32_t error;    /* negative errno or 0 */
	uint32_t frame_count;
	uint32_t skipped; /* frames left off above `ip`: the fault's handling, the program */
	uint32_t unused;  /* 0: keeps the size a multiple of 8 without padding */
	/* Kernel stack, innermost first; starts at `ip` where ip lies on it. */
	uint64_t frames[RW_RECORD_FRAMES];
	char comm[RW_RECORD_COMM];
	char name[RW_RECORD_NAME]; /* module or file name */
	char text[RW_RECORD_TEXT];
	/*
	 * `ip` and the innermost frames as the kernel itself prints them,
	 * "symbol+0x12/0x20 [module]" (rw_symbol_parse of lib/events/symbol.h takes
	 * that apart). "" where the kernel has no bpf_snprintf (before 5.13):
	 * then resolve `ip` and `frames` with rw_symbols_resolve. A name too long
	 * is cut and may have lost its offset and module. An address that belongs
	 * to nothing reads "0x…".
	 */
	char symbol[RW_RECORD_SYMBOL];
	char stack[RW_RECORD_STACK][RW_RECORD_STACK_SYMBOL];
};

/* Slots of the array map `counters`: what the sensor reads, then what programs keep
 * from one run to the next. */
enum rw_counter {
	RW_COUNTER_RESERVE_FAILED = 0, /* the ring was full: an event was lost */
	RW_COUNTER_RECORDS = 1,
	RW_COUNTER_TAINTED = 2, /* flags that are no news; begun by the sensor */
	RW_COUNTER_HUNG_BEGUN_NS = 3,
	RW_COUNTER_HUNG_IN_WINDOW = 4,
	RW_COUNTER_MAX
};

#endif
