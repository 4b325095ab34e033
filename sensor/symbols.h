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

#include <stdint.h>

#include "lib/events/symbol.h"

enum { RW_SYMBOLS_RESOLVE_MAX = 64 };

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
