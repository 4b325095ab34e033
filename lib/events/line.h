/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel log lines to facts. Pure: a line in, a fact out; no clock, no state.
 *
 * A kernel log is written by attackers too. Only lines of facility 0 may be
 * given to it, each pattern anchors at the start of the line, and nothing is
 * matched behind the first token that a user can choose (a task's name, the
 * text of a parameter), but from the line's right end, and then all of it.
 * A line that opens with a task's name ("NAME[12]: segfault at …") cannot
 * match: no pattern fits into its 15 bytes with what the kernel puts behind.
 *
 * Texts are those of x86-64 and arm64, 5.10 … 6.18; where they changed between
 * versions all forms are known.
 */
#ifndef RINGWATCH_LIB_EVENTS_LINE_H
#define RINGWATCH_LIB_EVENTS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum { RW_KLOG_TEXT_BYTES = 256 };

enum rw_klog_type {
	RW_KLOG_OTHER = 0, /* nothing that is watched */
	RW_KLOG_OOPS, /* "BUG: kernel NULL pointer dereference, address: …", "kernel BUG at …!":
			 word, and the address; text = the whole line */
	RW_KLOG_DIE,  /* "Oops: 0002 [#1] SMP": belongs to an oops, or begins one: word, error
			 code and address when it has them. A plain "Oops" is page_fault: what
			 the line before it said stands */
	RW_KLOG_WARNING,     /* cpu, pid, symbol, module; text = FILE:LINE */
	RW_KLOG_PANIC,       /* text = what follows "not syncing: " */
	RW_KLOG_HARD_LOCKUP, /* cpu */
	RW_KLOG_MODULE,      /* module ("" when the kernel does not name it), error, word = cause,
				text */
	RW_KLOG_RESTART,     /* text = "reboot", "power-off", "kexec" or "emergency" */
	RW_KLOG_TASK,        /* cpu, pid, comm */
	RW_KLOG_IP,          /* kernel instruction pointer: symbol, module */
	RW_KLOG_TRACE,       /* a call trace begins */
	RW_KLOG_FRAME,       /* symbol, module */
	RW_KLOG_END,         /* "---[ end trace" */
	RW_KLOG_SOFT_LOCKUP, /* "watchdog: BUG: soft lockup": cpu, seconds */
	RW_KLOG_RCU_STALL,   /* begins one: word = self_detected, detected or expedited, and the
				expedited form's cpu; the line behind it, "rcu: 	0-....: (", has
				no word, but the cpu */
	RW_KLOG_HUNG_TASK,   /* "INFO: task NAME:PID blocked for more than N seconds.": pid, comm,
				seconds */
	RW_KLOG_OOM_KILL,    /* "Out of memory: Killed process PID (": pid, word = global or cgroup;
				comm, rss_kib and uid when the whole line is there */
	RW_KLOG_MACHINE_CHECK, /* "mce: [Hardware Error]: Machine check events logged", "… CPU 0:
				  Machine Check: 0 Bank 4: …", "{1}[Hardware Error]: event severity:
				  …": cpu, bank and status when there; word = correctable, nonfatal
				  or fatal when the line knows; text */
	RW_KLOG_MEMORY_ERROR, /* EDAC, "Memory failure: 0x…: recovery action": device, errors, word
				 as above; text */
	RW_KLOG_PCIE_ERROR, /* "pcieport 0000:00:1c.0: AER: Corrected error received: …", and the
			       line of the device itself: device = the sender's, word; text */
	RW_KLOG_REPORT,    /* "BUG: KFENCE: …", "BUG: KASAN: …": kfence tells them apart, word =
			      "out-of-bounds read", symbol, module; text = from the word on */
	RW_KLOG_ADDRESS,   /* belongs to an oops: address, or error code ("#PF:
			      error_code(0x0002)", "  ESR = 0x…", "FAR: 0x…") */
	RW_KLOG_NO_SYMBOL, /* "RIP: 0010:0x0", "pc : 0x0": a jump to nowhere, with the address;
			      its caller is to be named */
	RW_KLOG_RESET_REASON, /* "x86/amd: Previous system reset reason [0x…]: …": text, status */
	RW_KLOG_BERT,         /* "BERT: Error records from previous boot:" */
	RW_KLOG_TAINTED,      /* "NAME: loading out-of-tree module taints kernel." and its like:
				 module, flag, word = its name; text */
};

struct rw_klog_fact {
	enum rw_klog_type type;
	uint32_t cpu;     /* UINT32_MAX unknown */
	uint32_t pid;     /* 0 unknown */
	int32_t error;    /* negative errno */
	uint32_t seconds; /* 0 unknown */
	bool has_address;
	uint64_t address;
	bool has_error_code;
	uint64_t error_code;
	uint64_t status; /* of a machine check, a reset register */
	uint32_t bank;
	uint32_t errors;  /* RW_KLOG_MEMORY_ERROR: how many it speaks of; 0 unknown */
	uint32_t flag;    /* RW_KLOG_TAINTED: see taint.h */
	bool kfence;      /* RW_KLOG_REPORT: else KASAN */
	bool whole_host;  /* RW_KLOG_OOM_KILL: global, not a cgroup's */
	uint64_t rss_kib; /* RW_KLOG_OOM_KILL: anonymous memory; 0 unknown */
	uint32_t uid;     /* RW_KLOG_OOM_KILL; UINT32_MAX unknown */
	/* A word of FACT_TYPE's or FACT_CAUSE's list in proto/ringwatch.proto; "" none. */
	char word[32];
	char device[48]; /* RW_KLOG_PCIE_ERROR, RW_KLOG_MEMORY_ERROR */
	char comm[RW_COMM_MAX + 1];
	char symbol[RW_SYMBOL_MAX + 1]; /* "crash_write+0x12" */
	char module[RW_COMM_MAX + 1];   /* "" for the kernel itself */
	char text[RW_KLOG_TEXT_BYTES];  /* clean UTF-8 */
};

/* `text` is the message without the record's head, control bytes not escaped. */
void rw_klog_parse(const char *text, size_t length, struct rw_klog_fact *out);

#endif
