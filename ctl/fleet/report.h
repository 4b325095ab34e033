/* SPDX-License-Identifier: Apache-2.0 */
/* What the fleet prints: a line a second, a summary, the list of hosts. */
#ifndef RINGWATCH_CTL_FLEET_REPORT_H
#define RINGWATCH_CTL_FLEET_REPORT_H

#include "ctl/fleet/host.h"

struct rw_fleet_report {
	bool json;
	uint64_t began_ms;
	uint64_t last_ms;
	struct rw_fleet_counters last; /* as they were at last_ms */
};

/* One JSON line to stdout, or a line for people to stderr. */
void rw_fleet_report_second(struct rw_fleet_report *report, const struct rw_fleet_shared *shared,
			    const struct rw_fleet_host *hosts, uint32_t count, uint64_t now_ms);

/* Totals, and for each fate its hosts and events. */
void rw_fleet_report_end(const struct rw_fleet_report *report, const struct rw_fleet_shared *shared,
			 const struct rw_fleet_host *hosts, uint32_t count, uint64_t now_ms);

/* One JSON line a host into `path`. Negative errno. */
int rw_fleet_report_hosts(const char *path, const struct rw_fleet_host *hosts, uint32_t count);

#endif
