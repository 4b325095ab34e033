/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own form of a code address, "name+0x12/0x30 [module]", to and
 * from its parts. Pure.
 */
#ifndef RINGWATCH_LIB_EVENTS_SYMBOL_H
#define RINGWATCH_LIB_EVENTS_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/limits.h"

enum { RW_MODULE_NAME_MAX = 63 /* the kernel's own limit is 55 */ };

struct rw_symbol {
	char symbol[RW_SYMBOL_MAX + 1];      /* "crash_write+0x12"; "" when unknown */
	char module[RW_MODULE_NAME_MAX + 1]; /* "" for the kernel itself */
};

/*
 * Takes the kernel's own form apart: "crash_write+0x12/0x20 [crash]", also
 * without size, module or offset, with a leading "RIP: 0010:" left to the
 * caller. The size is dropped, the offset kept. What stands behind a blank and
 * is no "[module]" is ignored. False, and `out` empty, for an address without a
 * name ("0xffff…"), an empty text, or a name with bytes that no symbol has.
 */
bool rw_symbol_parse(const char *text, struct rw_symbol *out);

/* "name+0x12 [module]" or "name+0x12", cut to fit. Returns `out`. */
char *rw_symbol_format(const struct rw_symbol *symbol, char *out, size_t size);

#endif
