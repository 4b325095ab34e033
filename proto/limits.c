/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds of the wire, in the order of ringwatch.proto; see limits.h. */
#include "proto/limits.h"

#include "lib/name.h"
#include "proto/wire.h"

#define TEXT(message, field, min, max)                                                             \
	{                                                                                          \
		message, field, min, max, 0, RW_FORM_ANY                                           \
	}
#define FORM(message, field, min, max, form)                                                       \
	{                                                                                          \
		message, field, min, max, 0, form                                                  \
	}
#define COUNT(message, field, min, max)                                                            \
	{                                                                                          \
		message, field, min, max, 1, RW_FORM_ANY                                           \
	}

const struct rw_wire_limit rw_wire_limits[] = {
	TEXT("Coverage", "hook", 1, 160),
	TEXT("Coverage", "reason", 0, 160),

	TEXT("Hello", "program", 1, 64),
	FORM("Hello", "boot_id", RW_BOOT_ID_LENGTH, RW_BOOT_ID_LENGTH, RW_FORM_BOOT_ID),
	FORM("Hello", "previous_boot_id", 0, RW_BOOT_ID_LENGTH, RW_FORM_BOOT_ID_OR_EMPTY),
	TEXT("Hello", "spool_id", RW_SPOOL_ID_BYTES, RW_SPOOL_ID_BYTES),
	TEXT("Hello", "kernel_release", 1, 128),
	TEXT("Hello", "architecture", 1, 32),
	COUNT("Hello", "coverage", 0, RW_COVERAGE_MAX),
	TEXT("Hello", "spool_reason", 0, 160),
	TEXT("Hello", "netconsole", 1, 160),

	FORM("Welcome", "collector", 1, RW_NAME_MAX, RW_FORM_NAME),

	TEXT("Reject", "detail", 0, RW_DETAIL_MAX),

	FORM("Event", "boot_id", RW_BOOT_ID_LENGTH, RW_BOOT_ID_LENGTH, RW_FORM_BOOT_ID),
	TEXT("Event", "comm", 0, RW_COMM_MAX),
	TEXT("Event", "signature", 1, RW_SIGNATURE_MAX),
	TEXT("Event", "symbol", 0, RW_SYMBOL_MAX),
	TEXT("Event", "module", 0, RW_COMM_MAX),
	TEXT("Event", "detail", 0, RW_DETAIL_MAX),
	COUNT("Event", "stack", 0, RW_STACK_MAX),
	TEXT("Event", "stack", 1, RW_SYMBOL_MAX),
	COUNT("Event", "facts", 0, RW_FACTS_MAX),
	TEXT("Event", "log", 0, RW_LOG_PACKED_MAX),

	TEXT("Fact", "value", 1, RW_FACT_VALUE_MAX),

	TEXT("EventBatch", "spool_id", RW_SPOOL_ID_BYTES, RW_SPOOL_ID_BYTES),
	FORM("EventBatch", "boot_id", RW_BOOT_ID_LENGTH, RW_BOOT_ID_LENGTH, RW_FORM_BOOT_ID),
	COUNT("EventBatch", "events", 1, RW_EVENTS_PER_BATCH),

	TEXT("Ack", "spool_id", RW_SPOOL_ID_BYTES, RW_SPOOL_ID_BYTES),

	TEXT("GaspChallenge", "nonce", RW_GASP_NONCE_BYTES, RW_GASP_NONCE_BYTES),

	FORM("Version", "subject", 1, RW_VERSION_SUBJECT_MAX, RW_FORM_SUBJECT),
	TEXT("Version", "value", 0, RW_VERSION_VALUE_MAX),

	COUNT("Versions", "versions", 0, RW_VERSIONS_MAX),

	COUNT("Watch", "modules", 0, RW_WATCH_MAX),
	FORM("Watch", "modules", 1, RW_NAME_MAX, RW_FORM_MODULE),

	TEXT("Drill", "drill", RW_DRILL_BYTES, RW_DRILL_BYTES),
};

const size_t rw_wire_limit_count = sizeof(rw_wire_limits) / sizeof(rw_wire_limits[0]);
