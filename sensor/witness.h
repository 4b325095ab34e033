/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hardware and firmware remember of the reset that began this boot: the
 * watchdogs' bootstatus, AMD's reset register as the kernel prints it, and the
 * errors that the firmware kept (BERT).
 */
#ifndef RINGWATCH_SENSOR_WITNESS_H
#define RINGWATCH_SENSOR_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "sensor/lastboot.h"

struct rw_witness {
	char watchdog[96];      /* "i6300ESB timer: card reset"; "" */
	char reset_reason[160]; /* "[0x02000800] hardware watchdog timer expired"; "" */
	uint64_t reset_status;  /* the register; 0 when the kernel printed none */
	bool bert;              /* a fatal error of the boot before */
};

/* `kmsg` is read from its start to what is there now, bounded; never from a FIFO,
 * which would take its lines from others. */
void rw_witness_hear(const char *root, const char *kmsg, struct rw_witness *out);

/*
 * What the bits of the register mean, as arch/x86/kernel/cpu/amd.c names them;
 * UNKNOWN for those that an ordinary restart sets too, or that say too little.
 * Pure.
 */
enum rw_boot_finish rw_witness_reset_means(uint64_t status);

#endif
