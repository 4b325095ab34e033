/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's taint flags by number (kernel/panic.c, taint_flags), with the
 * letter that it prints and a name for people. Pure.
 */
#ifndef RINGWATCH_LIB_EVENTS_TAINT_H
#define RINGWATCH_LIB_EVENTS_TAINT_H

#include <stdbool.h>
#include <stdint.h>

enum rw_taint {
	RW_TAINT_PROPRIETARY_MODULE = 0,
	RW_TAINT_FORCED_MODULE = 1,
	RW_TAINT_MACHINE_CHECK = 4,
	RW_TAINT_BAD_PAGE = 5,
	RW_TAINT_DIED = 7,
	RW_TAINT_WARNING = 9,
	RW_TAINT_STAGING = 10,
	RW_TAINT_OUT_OF_TREE = 12,
	RW_TAINT_UNSIGNED_MODULE = 13,
	RW_TAINT_SOFT_LOCKUP = 14,
	RW_TAINT_LIVEPATCH = 15,
	RW_TAINT_TEST = 18,
	RW_TAINT_COUNT = 20, /* 6.18 has so many; a newer kernel may have more */
};

/* 'O'; '?' for a flag that is newer than this table. */
char rw_taint_letter(uint32_t flag);
/* It says what sort of module or build came, and that nothing went wrong. */
bool rw_taint_is_of_module(uint32_t flag);
/* "out_of_tree_module", or "unknown". */
const char *rw_taint_name(uint32_t flag);

#endif
