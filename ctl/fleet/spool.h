/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated host's spool, in memory: events stay until the collector has
 * acked them, and are sent again in every new session until then.
 */
#ifndef RINGWATCH_CTL_FLEET_SPOOL_H
#define RINGWATCH_CTL_FLEET_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/ringwatch.pb-c.h"

enum { RW_FLEET_SPOOL_MAX = 100000 };

struct rw_fleet_event {
	uint64_t sequence;
	Ringwatch__V1__Kind kind;
	uint32_t variant; /* picks symbols and text */
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	uint64_t boot_order;
	uint64_t boot_ms;
	uint64_t wall_ms;
};

struct rw_fleet_spool {
	uint8_t id[RW_SPOOL_ID_BYTES];
	uint64_t last;                 /* sequence of the newest event; 0: none yet */
	uint64_t acked;                /* everything up to here */
	uint64_t sent;                 /* in this session, up to here; acked or more */
	uint64_t sent_most;            /* ever: sent goes back when a collector refuses */
	struct rw_fleet_event *events; /* those above `acked`, a ring buffer */
	size_t first;
	size_t count;
	size_t size;
};

/* Takes a copy and gives it its sequence. -ENOSPC, -ENOMEM. */
int rw_fleet_spool_add(struct rw_fleet_spool *spool, const struct rw_fleet_event *event);

/* The i-th event that is not acked; i < count. */
const struct rw_fleet_event *rw_fleet_spool_at(const struct rw_fleet_spool *spool, size_t i);

/* Lets go of everything up to `sequence`. -EINVAL when there never was such an event. */
int rw_fleet_spool_ack(struct rw_fleet_spool *spool, uint64_t sequence);

void rw_fleet_spool_release(struct rw_fleet_spool *spool);

#endif
