/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds of each string, bytes and repeated field that crosses the wire, by
 * message and field. The validator refuses what lies outside; a unit test
 * refuses a field of the schema that has no row here, or a row without a field.
 */
#ifndef RINGWATCH_PROTO_LIMITS_H
#define RINGWATCH_PROTO_LIMITS_H

#include <stddef.h>

enum {
	RW_SPOOL_ID_BYTES = 16,
	RW_BOOT_ID_LENGTH = 36, /* 8-4-4-4-12 lower-case hex */
	RW_SIGNATURE_MAX = 200,
	RW_SYMBOL_MAX = 128,
	RW_DETAIL_MAX = 512,
	RW_STACK_MAX = 24,
	RW_COMM_MAX = 64, /* 15 bytes of a task, each perhaps as \xNN */
	RW_COVERAGE_MAX = 32,
	RW_FACTS_MAX = 12,
	RW_FACT_VALUE_MAX = 96,
	RW_LOG_PACKED_MAX = 4096,     /* zlib */
	RW_LOG_PLAIN_MAX = 16 * 1024, /* what that unpacks to */
	RW_GASP_NONCE_BYTES = 16,
	RW_VERSIONS_MAX = 64,
	RW_VERSION_SUBJECT_MAX = 80,
	RW_VERSION_VALUE_MAX = 255,
	RW_WATCH_MAX = 32, /* modules */
	RW_DRILL_BYTES = 16,
};

enum rw_wire_form { /* what else a field must be */
		    RW_FORM_ANY = 0,
		    RW_FORM_NAME, /* rw_name_is_valid */
		    RW_FORM_BOOT_ID,
		    RW_FORM_BOOT_ID_OR_EMPTY,
		    RW_FORM_SUBJECT, /* rw_match_fault */
		    RW_FORM_MODULE,  /* rw_match_is_module */
};

struct rw_wire_limit {
	const char *message; /* short name, "Hello" */
	const char *field;
	size_t min; /* bytes, or elements when `repeated` */
	size_t max;
	int repeated; /* the row bounds the number of elements, not their length */
	enum rw_wire_form form;
};

extern const struct rw_wire_limit rw_wire_limits[];
extern const size_t rw_wire_limit_count;

#endif
