/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of what the core knows, by index and by name. Reading changes nothing. */
#include <errno.h>
#include <string.h>

#include "collector/core/internal.h"

uint32_t rw_core_ring_count(const struct rw_core *core)
{
	return core->policy.ring_count;
}

bool rw_core_ring_at(const struct rw_core *core, uint32_t index, struct rw_ring_view *out)
{
	if (index >= core->policy.ring_count)
		return false;
	out->policy = core->policy.rings[index];
	out->enrolled = core->rings[index].enrolled;
	memcpy(out->presence, core->rings[index].presence, sizeof(out->presence));
	out->fleet = core->enrolled;
	out->proved_wall_ms = core->rings[index].proved_wall_ms;
	return true;
}

int rw_core_ring_find(const struct rw_core *core, const char *name)
{
	for (uint32_t i = 0; i < core->policy.ring_count; i++) {
		if (strcmp(core->policy.rings[i].name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

uint32_t rw_core_host_count(const struct rw_core *core)
{
	return core->table.count;
}

bool rw_core_host_at(const struct rw_core *core, rw_host_handle handle, struct rw_host_row *out)
{
	const struct rw_host *host = rw_table_at(&core->table, handle);

	if (host == NULL)
		return false;
	rw_fill_host_row(core, host, out);
	return true;
}

rw_host_handle rw_core_host_find(const struct rw_core *core, const char *host_id)
{
	return rw_table_find(&core->table, host_id);
}

uint32_t rw_core_deployment_count(const struct rw_core *core)
{
	return core->deployment_count;
}

uint64_t rw_core_deployment_number(const struct rw_core *core, uint32_t index)
{
	return index < core->deployment_count ? core->deployments[index]->number : 0;
}

bool rw_core_deployment_at(const struct rw_core *core, uint32_t index,
			   struct rw_deployment_row *out)
{
	if (index >= core->deployment_count)
		return false;
	*out = core->deployments[index]->row;
	return true;
}

int rw_core_deployment_find(const struct rw_core *core, const char *id)
{
	for (uint32_t i = 0; i < core->deployment_count; i++) {
		if (strcmp(core->deployments[i]->row.id, id) == 0)
			return (int)i;
	}
	return -ENOENT;
}

const struct rw_timing *rw_core_timing(const struct rw_core *core)
{
	return &core->policy.timing;
}

uint64_t rw_core_heartbeat_every_ms(const struct rw_core *core, rw_host_handle handle)
{
	const struct rw_host *host = rw_table_at(&core->table, handle);
	uint64_t every_ms = host == NULL ? 0 : core->policy.rings[host->ring].heartbeat_every_ms;

	return every_ms > 0 ? every_ms : core->policy.timing.heartbeat_every_ms;
}
