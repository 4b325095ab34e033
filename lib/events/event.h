/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event as the sensor's parts hand it on: made by fold.c from BPF records
 * and kernel log lines (merged into one where both saw it), or by the parts that
 * look at the last boot and at the kernel's counters; kept by the spool, sent by
 * the uplink. It is the wire's Event message in fixed arrays: all text is clean
 * UTF-8, bounded as proto/limits.h says. The log, which few events carry, is not
 * among them: it goes beside.
 */
#ifndef RINGWATCH_LIB_EVENTS_EVENT_H
#define RINGWATCH_LIB_EVENTS_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/ringwatch.pb-c.h"

enum { RW_CPU_UNKNOWN = UINT32_MAX };

struct rw_fact {
	Ringwatch__V1__FactName name;
	char value[RW_FACT_VALUE_MAX + 1]; /* never "" */
};

/* Kernel log text in zlib form; see lib/events/excerpt.h. */
struct rw_log_excerpt {
	uint32_t plain_bytes;
	uint32_t packed_bytes; /* 0: none */
	uint8_t packed[RW_LOG_PACKED_MAX];
};

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
	uint32_t fact_count;
	struct rw_fact facts[RW_FACTS_MAX];
	uint64_t about;                   /* of a log excerpt: the event's sequence; else 0 */
	const struct rw_log_excerpt *log; /* NULL: none. Borrowed: whoever makes the event keeps
					     it alive while it is handed on, and takes a copy to
					     keep it longer */
};

/*
 * Prints clean UTF-8, as one line: never cuts a character in two, line ends become
 * blanks, and blanks at the end go. For all text of an event that comes from
 * outside. `out` may be among the arguments.
 */
__attribute__((format(printf, 3, 4))) void rw_event_print(char *out, size_t size, const char *fmt,
							  ...);

/* Sets a fact, or replaces it; keeps them in the order of their names. Text is
 * cleaned and cut as above; an empty one, or one fact too many, is left off. */
__attribute__((format(printf, 3, 4))) void
rw_event_set_fact(struct rw_event *event, Ringwatch__V1__FactName name, const char *fmt, ...);
/* The value, or "" when it does not stand. */
const char *rw_event_fact(const struct rw_event *event, Ringwatch__V1__FactName name);

#endif
