/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file: spools, boots and events that were not acked, so that the
 * next run goes on as the same hosts. Text, one host or event a line.
 */
#ifndef RINGWATCH_CTL_FLEET_STATE_H
#define RINGWATCH_CTL_FLEET_STATE_H

#include "ctl/fleet/host.h"

/*
 * Into hosts that rw_fleet_host_init() has made. A file that is not there
 * leaves them as they are. 0, -EINVAL or another negative errno with one line
 * in `error`.
 */
int rw_fleet_state_load(const char *path, struct rw_fleet_host *hosts, uint32_t count,
			uint64_t now_ms, uint64_t wall_ms, char error[RW_FLEET_ERROR_BYTES]);

int rw_fleet_state_save(const char *path, const struct rw_fleet_host *hosts, uint32_t count,
			uint64_t now_ms, uint64_t wall_ms);

#endif
