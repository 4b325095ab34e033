/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staged failures, as far as the judgement is concerned: a verdict that says abort for
 * a while, and since when none was tried. What goes before, from the sensor to here, is
 * collector/drills.c's.
 */
#include <errno.h>

#include "collector/core/internal.h"

enum { STALE_MS = 24 * 3600 * 1000 };

int rw_core_drill(struct rw_core *core, const char *deployment, uint64_t until_boot_ms)
{
	int index = rw_core_deployment_find(core, deployment);

	if (index < 0)
		return -ENOENT;
	core->deployments[index]->drill_until_boot_ms = until_boot_ms;
	return 0;
}

int rw_core_proved(struct rw_core *core, const char *ring, uint64_t wall_ms)
{
	int index = rw_core_ring_find(core, ring);

	if (index < 0)
		return -ENOENT;
	core->rings[index].proved_wall_ms = wall_ms;
	return 0;
}

bool rw_drill_holds(const struct rw_deployment *deployment, struct rw_now now)
{
	return deployment->row.state == RW_DEPLOYMENT_ACTIVE &&
	       now.boot_ms < deployment->drill_until_boot_ms;
}

bool rw_drill_is_stale(const struct rw_ring *ring, struct rw_now now)
{
	return ring->proved_wall_ms == 0 || now.wall_ms >= ring->proved_wall_ms + STALE_MS;
}
