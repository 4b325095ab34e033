/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/fleet/spool.h"

#include <errno.h>
#include <stdlib.h>

static int grow(struct rw_fleet_spool *spool)
{
	size_t size = spool->size == 0 ? 8 : spool->size * 2;
	struct rw_fleet_event *events = calloc(size, sizeof(*events));

	if (events == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < spool->count; i++)
		events[i] = *rw_fleet_spool_at(spool, i);
	free(spool->events);
	spool->events = events;
	spool->first = 0;
	spool->size = size;
	return 0;
}

int rw_fleet_spool_add(struct rw_fleet_spool *spool, const struct rw_fleet_event *event)
{
	if (spool->count == RW_FLEET_SPOOL_MAX)
		return -ENOSPC;
	if (spool->count == spool->size) {
		int err = grow(spool);
		if (err != 0)
			return err;
	}
	struct rw_fleet_event *slot = &spool->events[(spool->first + spool->count) % spool->size];
	*slot = *event;
	slot->sequence = ++spool->last;
	spool->count++;
	return 0;
}

const struct rw_fleet_event *rw_fleet_spool_at(const struct rw_fleet_spool *spool, size_t i)
{
	return &spool->events[(spool->first + i) % spool->size];
}

int rw_fleet_spool_ack(struct rw_fleet_spool *spool, uint64_t sequence)
{
	if (sequence > spool->last)
		return -EINVAL;
	while (spool->count > 0 && rw_fleet_spool_at(spool, 0)->sequence <= sequence) {
		spool->first = (spool->first + 1) % spool->size;
		spool->count--;
	}
	if (sequence > spool->acked)
		spool->acked = sequence;
	if (spool->sent < spool->acked)
		spool->sent = spool->acked;
	if (spool->count == 0) { /* thousands of idle hosts own no event memory */
		free(spool->events);
		spool->events = NULL;
		spool->first = 0;
		spool->size = 0;
	}
	return 0;
}

void rw_fleet_spool_release(struct rw_fleet_spool *spool)
{
	free(spool->events);
	spool->events = NULL;
	spool->count = 0;
	spool->size = 0;
}
