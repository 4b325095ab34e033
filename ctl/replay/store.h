/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector's store read back into a scenario: what its hosts did and what
 * people did, as far as a store tells it, for another policy to judge.
 *
 * What a store does not tell: heartbeats (a host is taken to be heard all the
 * time between two transitions), what a goodbye said, when the collector itself
 * was away (it is taken to have run), and whatever retention has removed.
 */
#ifndef RINGWATCH_CTL_REPLAY_STORE_H
#define RINGWATCH_CTL_REPLAY_STORE_H

#include "ctl/replay/scenario.h"

/* By the file's first bytes. */
bool rw_replay_is_store(const char *path);

/*
 * Reads the store at `path`, which stays as it is. `policy` will judge it. 0;
 * -EINVAL: it is no store of ours, or holds nothing to judge; -EIO, -ENOMEM; each
 * with a line in `error`. Release in either case.
 */
int rw_replay_read_store(const char *path, const struct rw_policy *policy, struct rw_scenario *out,
			 char error[RW_SCENARIO_ERROR_BYTES]);

#endif
