/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators do to hosts: retire, enrol, exclude, maintenance.
 */
#include <errno.h>

#include "collector/core/internal.h"

static struct rw_act_result later(void)
{
	return (struct rw_act_result){.status = -ENOENT};
}

struct rw_act_result rw_core_host_retire(struct rw_core *core, const char *host, struct rw_now now)
{
	(void)core, (void)host, (void)now;
	return later();
}
struct rw_act_result rw_core_host_enrol(struct rw_core *core, const char *host, struct rw_now now)
{
	(void)core, (void)host, (void)now;
	return later();
}
struct rw_act_result rw_core_host_exclude(struct rw_core *core, const char *host, struct rw_now now)
{
	(void)core, (void)host, (void)now;
	return later();
}
struct rw_act_result rw_core_host_maintenance(struct rw_core *core, const char *host, uint64_t ms,
					      struct rw_now now)
{
	(void)core, (void)host, (void)ms, (void)now;
	return later();
}

enum rw_version_fate rw_core_version(struct rw_core *core, rw_host_handle host, const char *subject,
				     const char *value, bool changed, struct rw_now now)
{
	(void)core, (void)host, (void)subject, (void)value, (void)changed, (void)now;
	return RW_VERSION_PLAIN;
}
void rw_core_duplicate(struct rw_core *core, rw_host_handle host, struct rw_now now)
{
	(void)core, (void)host, (void)now;
}
void rw_core_set_sick(struct rw_core *core, const char *reason, struct rw_now now)
{
	(void)core, (void)reason, (void)now;
}
void rw_core_witness(struct rw_core *core, bool reachable, struct rw_now now)
{
	(void)core, (void)reachable, (void)now;
}
