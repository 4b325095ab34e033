/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event as the sensor's parts hand it on: made by events.c from BPF
 * records and kernel log lines (merged into one where both saw it) or by
 * boot.c, kept by spool.c, sent by uplink.c. It is the wire's Event message in
 * fixed arrays: all text is clean UTF-8, bounded as proto/limits.h says.
 */
#ifndef RINGWATCH_SENSOR_EVENT_H
#define RINGWATCH_SENSOR_EVENT_H

#include <stdint.h>

#include "proto/limits.h"
#include "proto/ringwatch.pb-c.h"

enum { RW_CPU_UNKNOWN = UINT32_MAX };

struct rw_event {
	uint64_t sequence; /* given by the spool */
	Ringwatch__V1__Kind kind;
	Ringwatch__V1__Severity severity;
	Ringwatch__V1__Source source;
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	uint64_t boot_order;
	uint64_t boot_ms;
	uint64_t wall_ms;
	uint32_t cpu;
	uint32_t pid;
	char comm[RW_COMM_MAX + 1];
	char signature[RW_SIGNATURE_MAX + 1];
	char symbol[RW_SYMBOL_MAX + 1];
	char module[RW_COMM_MAX + 1];
	int32_t error;
	char detail[RW_DETAIL_MAX + 1];
	uint32_t count;
	uint32_t stack_count;
	char stack[RW_STACK_MAX][RW_SYMBOL_MAX + 1];
};

#endif
