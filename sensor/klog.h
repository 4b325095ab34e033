/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel log lines to facts. Pure: a line in, a fact out; no clock, no state.
 *
 * A kernel log is written by attackers too. Only lines of facility 0 may be
 * given to it, each pattern anchors at the start of the line, and nothing is
 * matched behind the first token that a user can choose (a task's name).
 * A line that opens with a task's name ("NAME[12]: segfault at …") cannot
 * match: no pattern fits into its 15 bytes with what the kernel puts behind.
 *
 * Texts are those of x86-64 and arm64, 5.10 … 6.18; where they changed between
 * versions all forms are known.
 */
#ifndef RINGWATCH_SENSOR_KLOG_H
#define RINGWATCH_SENSOR_KLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum { RW_KLOG_TEXT_BYTES = 256 };

enum rw_klog_type {
	RW_KLOG_OTHER = 0, /* nothing that is watched */
	RW_KLOG_OOPS,    /* "BUG: kernel NULL pointer dereference", "kernel BUG at": title = text */
	RW_KLOG_DIE,     /* "Oops: 0002 [#1] SMP": belongs to an oops, or begins one */
	RW_KLOG_WARNING, /* cpu, pid, symbol, module; text = FILE:LINE */
	RW_KLOG_PANIC,   /* text = what follows "not syncing: " */
	RW_KLOG_HARD_LOCKUP, /* cpu */
	RW_KLOG_MODULE,      /* module ("" when the kernel does not name it), error, text */
	RW_KLOG_RESTART,     /* text = "reboot", "power-off", "kexec" or "emergency" */
	RW_KLOG_TASK,        /* cpu, pid, comm */
	RW_KLOG_IP,          /* kernel instruction pointer: symbol, module; symbol "" when none */
	RW_KLOG_TRACE,       /* a call trace begins */
	RW_KLOG_FRAME,       /* symbol, module */
	RW_KLOG_END,         /* "---[ end trace" */
};

struct rw_klog_fact {
	enum rw_klog_type type;
	uint32_t cpu;  /* UINT32_MAX unknown */
	uint32_t pid;  /* 0 unknown */
	int32_t error; /* negative errno */
	char comm[RW_COMM_MAX + 1];
	char symbol[RW_SYMBOL_MAX + 1]; /* "crash_write+0x12" */
	char module[RW_COMM_MAX + 1];   /* "" for the kernel itself */
	char text[RW_KLOG_TEXT_BYTES];  /* clean UTF-8 */
};

/* `text` is the message without the record's head, control bytes not escaped. */
void rw_klog_parse(const char *text, size_t length, struct rw_klog_fact *out);

#endif
