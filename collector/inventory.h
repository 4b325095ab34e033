/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which host belongs to which ring, when an operator's list decides that and
 * not the hosts' certificates.
 *
 * The file: one `HOST RING` a line, blanks between, `#` begins a comment line.
 * Not YAML, because a fleet has a million lines and libyaml's documents take
 * hundreds of bytes for each.
 */
#ifndef RINGWATCH_COLLECTOR_INVENTORY_H
#define RINGWATCH_COLLECTOR_INVENTORY_H

#include "collector/core/policy.h"
#include "lib/conf.h"

enum { RW_INVENTORY_HOSTS_MAX = 1000000 };

struct rw_inventory;

/*
 * Loads it whole. 0, -ENOMEM, or what the file could not be read for; -EINVAL
 * with one line `FILE:LINE: …` in `error` for a host that stands twice, a ring
 * that the policy has not, a name that is none, and for no host at all.
 */
int rw_inventory_load(const char *path, const struct rw_policy *policy, struct rw_inventory **out,
		      char error[RW_CONF_ERROR_BYTES]);
void rw_inventory_free(struct rw_inventory *inventory); /* NULL is fine */

/* The host's ring, or NULL when it does not stand there. O(log hosts). */
const char *rw_inventory_find(const struct rw_inventory *inventory, const char *host);
uint32_t rw_inventory_count(const struct rw_inventory *inventory);

#endif
