/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel addresses and their names. The kernel side writes most names into the
 * record itself; /proc/kallsyms is for kernels that have no bpf_snprintf.
 *
 * Nothing is kept between calls. Reading kallsyms needs CAP_SYSLOG, else every
 * address in it reads 0 and nothing is resolved.
 */
#ifndef RINGWATCH_SENSOR_SYMBOLS_H
#define RINGWATCH_SENSOR_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum {
	RW_MODULE_NAME_MAX = 63, /* the kernel's own limit is 55 */
	RW_SYMBOLS_RESOLVE_MAX = 64,
};

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

/*
 * Names for up to RW_SYMBOLS_RESOLVE_MAX addresses by one pass over
 * /proc/kallsyms: about 20 ms on a host, a second in an emulated machine.
 * An address without a name leaves its `out` empty. Returns how many were
 * resolved, or negative errno when kallsyms cannot be read (-EACCES when it
 * hides its addresses).
 */
int rw_symbols_resolve(const uint64_t *addresses, uint32_t count, struct rw_symbol *out);

/* The same over another file of that form: for tests. */
int rw_symbols_resolve_from(const char *path, const uint64_t *addresses, uint32_t count,
			    struct rw_symbol *out);

#endif
