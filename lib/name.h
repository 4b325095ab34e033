/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of hosts, rings, components and deployments: `[a-z0-9][a-z0-9._-]*`,
 * 1 … 63 bytes, everywhere; so no wildcard can ever be read from a
 * configuration, a certificate or the wire, and no name needs quoting.
 */
#ifndef RINGWATCH_LIB_NAME_H
#define RINGWATCH_LIB_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { RW_NAME_MAX = 63 };
/* For messages: what a name must look like. */
#define RW_NAME_EXPECTED "1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit"

bool rw_name_is_valid(const char *name, size_t length);

#endif
