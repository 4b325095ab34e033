/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector's store in memory: the last row of each thing, taken from a core
 * and given back to the next one, as the real store does.
 */
#ifndef RINGWATCH_CTL_REPLAY_LEDGER_H
#define RINGWATCH_CTL_REPLAY_LEDGER_H

#include "collector/core/core.h"

struct rw_ledger;

struct rw_ledger *rw_ledger_new(void); /* NULL: no memory */
void rw_ledger_free(struct rw_ledger *ledger);

/* A sink's `change`. The row's number; 0: no memory. */
uint64_t rw_ledger_take(struct rw_ledger *ledger, const struct rw_change *change);
/* How many were taken. */
uint64_t rw_ledger_sequence(const struct rw_ledger *ledger);
/* Tells a new core all of it, in the order that it wants. 0 or what rw_core_restore said. */
int rw_ledger_restore(const struct rw_ledger *ledger, struct rw_core *core, struct rw_now now);

#endif
