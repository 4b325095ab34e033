/* SPDX-License-Identifier: Apache-2.0 */
/* Drills; see drills.h. */
#include "collector/drills.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

enum stage { NONE, ASKED, PROVED };

struct rw_drills {
	struct rw_drills_sink sink;
	enum stage stage;
	struct rw_drill_row row;
	bool is_of_before; /* the restart: it ends with the first tick */
	uint64_t hold_ms;
	uint64_t until_boot_ms;    /* of this stage */
	struct rw_verdict verdict; /* large */
};

struct rw_drills *rw_drills_new(const struct rw_drills_sink *sink)
{
	struct rw_drills *drills = calloc(1, sizeof(*drills));

	if (drills != NULL)
		drills->sink = *sink;
	return drills;
}

void rw_drills_free(struct rw_drills *drills)
{
	free(drills);
}

/* Perhaps a host's: never cut within a character. */
static void keep_words(struct rw_drills *drills, const char *words)
{
	rw_text_to_utf8(drills->row.detail, sizeof(drills->row.detail), words, strlen(words));
}

static void end(struct rw_drills *drills, const char *step, const char *detail, struct rw_now now)
{
	drills->stage = NONE;
	drills->row.ended_wall_ms = now.wall_ms;
	if (detail != NULL)
		keep_words(drills, detail);
	drills->sink.tell(drills->sink.context, step, &drills->row);
}

void rw_drills_restore(struct rw_drills *drills, struct rw_core *core,
		       const struct rw_drill_row *row)
{
	bool was_proved = row->proved_wall_ms != 0;

	if (was_proved)
		(void)rw_core_proved(core, row->ring, row->proved_wall_ms); /* the policy may have
									       lost the ring */
	if (row->ended_wall_ms != 0)
		return;
	drills->row = *row;
	drills->stage = was_proved ? PROVED : ASKED;
	drills->is_of_before = true;
	drills->until_boot_ms = 0;
}

/* ---- the beginning ------------------------------------------------------------------- */

static int refuse(struct rw_drill_answer *out, int status, const char *what, const char *name)
{
	snprintf(out->message, sizeof(out->message), "%s%s", what, name);
	return status;
}

/* Whether a verdict there would turn, and only by this. */
static int may_begin(struct rw_drills *drills, const struct rw_core *core,
		     const struct rw_drill_ask *ask, struct rw_now now, struct rw_drill_answer *out)
{
	struct rw_deployment_row row;
	int at = rw_core_deployment_find(core, ask->deployment);
	bool has_ring = false;

	if (at < 0 || !rw_core_deployment_at(core, (uint32_t)at, &row))
		return refuse(out, -ENOENT, "no deployment ", ask->deployment);
	for (uint32_t i = 0; i < row.ring_count; i++)
		has_ring = has_ring || strcmp(row.rings[i], ask->ring) == 0;
	if (!has_ring)
		return refuse(out, -ENOENT, "the deployment does not go through ring ", ask->ring);
	if (row.state != RW_DEPLOYMENT_ACTIVE)
		return refuse(out, -EPERM, "the deployment is ",
			      rw_deployment_state_name(row.state));
	if (drills->stage != NONE)
		return refuse(out, -EBUSY, "a drill is on already: ", drills->row.drill);
	rw_core_verdict(core, ask->deployment, ask->ring, RW_FOR_ADVANCE, now, &drills->verdict);
	if (drills->verdict.breaker_open)
		return refuse(out, -EPERM, "a breaker is open: it aborts without a drill", "");
	return 0;
}

static bool ask_host(struct rw_drills *drills, const struct rw_core *core,
		     const struct rw_drill_ask *ask, rw_host_handle host)
{
	struct rw_host_row row;

	if (!rw_core_host_at(core, host, &row) || strcmp(row.ring, ask->ring) != 0 ||
	    row.presence != RW_ONLINE || !drills->sink.ask(drills->sink.context, host, ask->name))
		return false;
	memcpy(drills->row.host, row.id, sizeof(drills->row.host));
	return true;
}

/* From a place that chance picks, so that many drills go by many hosts. */
static bool ask_any(struct rw_drills *drills, const struct rw_core *core,
		    const struct rw_drill_ask *ask)
{
	uint32_t count = rw_core_host_count(core);
	uint32_t first;

	memcpy(&first, ask->name, sizeof(first));
	for (uint32_t i = 0; i < count; i++) {
		if (ask_host(drills, core, ask, (rw_host_handle)((first % count + i) % count)))
			return true;
	}
	return false;
}

static int choose_host(struct rw_drills *drills, const struct rw_core *core,
		       const struct rw_drill_ask *ask, struct rw_drill_answer *out)
{
	struct rw_host_row row;

	if (ask->host[0] == '\0')
		return ask_any(drills, core, ask) ? 0
						  : refuse(out, -EHOSTUNREACH,
							   "no host is online in ring ", ask->ring);
	rw_host_handle host = rw_core_host_find(core, ask->host);
	if (host == RW_NO_HOST || !rw_core_host_at(core, host, &row) ||
	    strcmp(row.ring, ask->ring) != 0)
		return refuse(out, -ENOENT, "the ring has no host ", ask->host);
	return ask_host(drills, core, ask, host)
		       ? 0
		       : refuse(out, -EHOSTUNREACH, "the host is not online: it is ",
				rw_presence_name(row.presence));
}

int rw_drills_start(struct rw_drills *drills, struct rw_core *core, const struct rw_drill_ask *ask,
		    struct rw_now now, struct rw_drill_answer *out)
{
	memset(out, 0, sizeof(*out));
	int err = may_begin(drills, core, ask, now, out);
	if (err != 0)
		return err;
	memset(&drills->row, 0, sizeof(drills->row));
	err = choose_host(drills, core, ask, out);
	if (err != 0)
		return err;

	struct rw_drill_row *row = &drills->row;
	for (size_t i = 0; i < RW_DRILL_BYTES; i++)
		snprintf(row->drill + 2 * i, 3, "%02x", ask->name[i]);
	snprintf(row->deployment, sizeof(row->deployment), "%s", ask->deployment);
	snprintf(row->ring, sizeof(row->ring), "%s", ask->ring);
	snprintf(row->actor, sizeof(row->actor), "%s", ask->actor);
	row->started_wall_ms = now.wall_ms;
	drills->stage = ASKED;
	drills->is_of_before = false;
	drills->hold_ms = ask->hold_ms;
	drills->until_boot_ms = now.boot_ms + RW_DRILL_ANSWER_MS;
	drills->sink.tell(drills->sink.context, "drill_started", row);
	out->row = *row;
	return 0;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void prove(struct rw_drills *drills, struct rw_core *core, const char *detail,
		  struct rw_now now)
{
	struct rw_drill_row *row = &drills->row;

	drills->until_boot_ms = now.boot_ms + drills->hold_ms;
	(void)rw_core_drill(core, row->deployment, drills->until_boot_ms);
	rw_core_verdict(core, row->deployment, row->ring, RW_FOR_ADVANCE, now, &drills->verdict);
	if (drills->verdict.decision != RW_ABORT || drills->verdict.breaker_open) {
		(void)rw_core_drill(core, row->deployment, 0);
		end(drills, "drill_failed",
		    drills->verdict.breaker_open ? "a breaker opened meanwhile"
						 : "the deployment ended meanwhile",
		    now);
		return;
	}
	drills->stage = PROVED;
	row->proved_wall_ms = now.wall_ms;
	keep_words(drills, detail);
	(void)rw_core_proved(core, row->ring, now.wall_ms);
	drills->sink.tell(drills->sink.context, "drill_proved", row);
}

void rw_drills_event(struct rw_drills *drills, struct rw_core *core, const char *host,
		     const char *name, bool from_log, const char *detail, struct rw_now now)
{
	if (drills->stage != ASKED || drills->is_of_before || name == NULL ||
	    strcmp(name, drills->row.drill) != 0 || strcmp(host, drills->row.host) != 0)
		return; /* late, of another collector's, or made up */
	if (from_log)
		prove(drills, core, detail, now);
	else
		end(drills, "drill_failed", detail, now);
}

void rw_drills_tick(struct rw_drills *drills, struct rw_core *core, struct rw_now now)
{
	if (drills->stage == NONE || now.boot_ms < drills->until_boot_ms)
		return;
	if (drills->stage == PROVED) {
		(void)rw_core_drill(core, drills->row.deployment, 0);
		end(drills, "drill_cleared", NULL, now);
	} else {
		end(drills, "drill_failed",
		    drills->is_of_before ? "the collector was started again"
					 : "the host reported nothing in time",
		    now);
	}
}
