/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators do to single hosts. Each may be asked again and is then answered with
 * changed = false; none is begun while the sink refuses changes.
 */
#include <errno.h>
#include <stdio.h>

#include "collector/core/internal.h"

enum { MAINTENANCE_MAX_DAYS = 7 };

static struct rw_act_result refuse(int status, const char *message)
{
	struct rw_act_result result = {.status = status};

	rw_copy_text(result.message, sizeof(result.message), message);
	return result;
}

/* The host, or in *result why not. */
static struct rw_host *find(struct rw_core *core, const char *id, struct rw_now now,
			    rw_host_handle *handle, struct rw_act_result *result)
{
	rw_core_advance(core, now);
	*result = (struct rw_act_result){0};
	*handle = rw_table_find(&core->table, id);
	if (core->resync.needed) {
		*result = refuse(-EIO,
				 "the store does not take changes at the moment; nothing was done");
		return NULL;
	}
	if (*handle == RW_NO_HOST) {
		result->status = -ENOENT;
		snprintf(result->message, sizeof(result->message), "there is no host '%.63s'", id);
		return NULL;
	}
	return rw_table_at(&core->table, *handle);
}

static struct rw_act_result done(const struct rw_core *core)
{
	if (core->resync.needed) {
		struct rw_act_result result =
			refuse(-EIO, "done, but the store could not take all of it yet; ask again");

		result.changed = true;
		return result;
	}
	return (struct rw_act_result){.changed = true, .sequence = core->last_sequence};
}

struct rw_act_result rw_core_host_retire(struct rw_core *core, const char *id, struct rw_now now)
{
	struct rw_act_result result;
	rw_host_handle handle;
	struct rw_host *host = find(core, id, now, &handle, &result);

	if (host == NULL || (host->presence == RW_RETIRED && !host->by_age))
		return result;
	if (host->presence == RW_RETIRED) {
		host->by_age = false;
		rw_tell_host(core, handle, RW_RETIRED, now);
	} else {
		rw_presence_retire(core, handle, false, now);
	}
	return done(core);
}

static void set_excluded(struct rw_core *core, rw_host_handle handle, bool excluded,
			 struct rw_now now)
{
	struct rw_host *host = rw_table_at(&core->table, handle);

	rw_control_forget(core, handle, now);
	rw_exposure_uncount_all(host);
	rw_presence_uncount(core, host);
	host->excluded = excluded;
	rw_presence_count(core, host);
	rw_exposure_count_all(host);
	rw_tell_host(core, handle, host->presence, now);
	for (struct rw_exposure *e = host->exposures; e != NULL; e = e->next) {
		rw_run_let_in(core, e->run, rw_bake_room(core, e->run), now);
		rw_breaker_judge(core, e->run, now);
	}
}

struct rw_act_result rw_core_host_enrol(struct rw_core *core, const char *id, struct rw_now now)
{
	struct rw_act_result result;
	rw_host_handle handle;
	struct rw_host *host = find(core, id, now, &handle, &result);

	if (host == NULL || (host->presence != RW_RETIRED && !host->excluded))
		return result;
	if (host->presence == RW_RETIRED)
		rw_presence_unretire(core, handle, now);
	if (host->excluded)
		set_excluded(core, handle, false, now);
	return done(core);
}

struct rw_act_result rw_core_host_exclude(struct rw_core *core, const char *id, struct rw_now now)
{
	struct rw_act_result result;
	rw_host_handle handle;
	struct rw_host *host = find(core, id, now, &handle, &result);

	if (host == NULL || host->excluded)
		return result;
	set_excluded(core, handle, true, now);
	return done(core);
}

struct rw_act_result rw_core_host_maintenance(struct rw_core *core, const char *id, uint64_t ms,
					      struct rw_now now)
{
	struct rw_act_result result;
	rw_host_handle handle;
	struct rw_host *host = find(core, id, now, &handle, &result);

	if (host == NULL)
		return result;
	if (ms > UINT64_C(1) * MAINTENANCE_MAX_DAYS * 24 * RW_HOUR_MS)
		return refuse(-EINVAL, "maintenance lasts 7 days at most");
	/* What has happened already is not excused. */
	if (ms > 0 && (host->presence == RW_OFFLINE || host->presence == RW_SUSPECT ||
		       host->presence == RW_RETIRED))
		return refuse(-EPERM, "the host is not heard now: maintenance is for what comes");

	struct rw_trouble *trouble = rw_trouble_of(core, handle);

	if (trouble == NULL)
		return refuse(-ENOMEM, "there is no memory for it");
	trouble->maintenance_until_wall_ms = ms > 0 ? now.wall_ms + ms : 0;
	rw_tell_trouble(core, trouble, now);
	return done(core);
}
