/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment with reported exposure is told by: `kernel`, `marker:NAME`, `module:NAME`. */
#ifndef RINGWATCH_LIB_MATCH_H
#define RINGWATCH_LIB_MATCH_H

#include <stdbool.h>

/* NULL when `text` is one, else what is expected. */
const char *rw_match_fault(const char *text);
/* Whether it can be a module's name as the kernel writes it. */
bool rw_match_is_module(const char *name);

#endif
