/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hosts of a play, as a collector would meet them: they live, send
 * heartbeats, die, boot and say Hello, each with a boot clock of its own. The
 * core hears of them only what a collector could hear: nothing of a host that is
 * cut off, and after that what its spool kept.
 */
#ifndef RINGWATCH_CTL_REPLAY_FLEET_H
#define RINGWATCH_CTL_REPLAY_FLEET_H

#include "collector/core/core.h"
#include "ctl/replay/scenario.h"

struct rw_fleet;

/* `beat_ms`: how often a host is heard; 0: as the policy says. NULL: no memory. */
struct rw_fleet *rw_fleet_new(const struct rw_policy *policy, uint64_t beat_ms);
void rw_fleet_free(struct rw_fleet *fleet);

/* The collector's core, which hosts will call again at; NULL: there is none now. */
void rw_fleet_set_core(struct rw_fleet *fleet, struct rw_core *core, struct rw_now now);
/* The collector does nothing until then: what is sent to it waits. */
void rw_fleet_stall(struct rw_fleet *fleet, struct rw_now until);

/*
 * What hosts do of themselves at this moment: heartbeats, boots, Hellos. 0, or
 * what the core said of a Hello that it should have taken.
 */
int rw_fleet_tick(struct rw_fleet *fleet, struct rw_now now);

enum { RW_FLEET_COMPLAINT_BYTES = 256 };
/*
 * Carries out a statement about hosts. 0, -ENOENT (no such hosts), -EINVAL (two
 * of one name), -ENOSPC, -ENOMEM, with a complaint.
 */
int rw_fleet_do(struct rw_fleet *fleet, const struct rw_statement *statement, struct rw_now now,
		char complaint[RW_FLEET_COMPLAINT_BYTES]);

/*
 * The hosts that a statement names, until the next call. `acts`: from then on
 * they are `them`; those who only look change nothing. Errors as above.
 */
int rw_fleet_select(struct rw_fleet *fleet, const struct rw_hosts_said *who, bool acts,
		    const uint32_t **hosts, uint32_t *count,
		    char complaint[RW_FLEET_COMPLAINT_BYTES]);
const char *rw_fleet_host_name(const struct rw_fleet *fleet, uint32_t host);

#endif
