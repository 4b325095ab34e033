/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drills: a failure that is staged, to prove that a real one would stop a rollout.
 *
 *   asked     a host's sensor was told a name that nobody could guess; it writes that into
 *             its kernel log, and reports what its reader takes out of it again;
 *   proved    that event came, through spool, session and store, and the verdict on the
 *             deployment is abort for it, with the reason `drill`: webhooks and controllers
 *             see what they would see of a crash;
 *   cleared   the time that was asked for is over, and the verdict is what it was;
 *   failed    no event within RW_DRILL_ANSWER_MS, one that did not come out of a kernel log,
 *             or a verdict that did not turn.
 *
 * No figure, breaker or bake knows of it. One at a time in a collector, which forgets it
 * with its end: a drill that a restart meets has failed, or is cleared. On the loop's
 * thread; time is an argument.
 */
#ifndef RINGWATCH_COLLECTOR_DRILLS_H
#define RINGWATCH_COLLECTOR_DRILLS_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/core/core.h"
#include "collector/store/store.h"
#include "proto/limits.h"

enum {
	RW_DRILL_ANSWER_MS = 30 * 1000,
	RW_DRILL_HOLD_LEAST_S = 10,
	RW_DRILL_HOLD_MOST_S = 3600,
};

struct rw_drills_sink {
	void *context;
	/* Tells the host's sensor the name. False: it has no session. */
	bool (*ask)(void *context, rw_host_handle host, const uint8_t name[RW_DRILL_BYTES]);
	/* A step was made: "drill_started", "drill_proved", "drill_cleared", "drill_failed". */
	void (*tell)(void *context, const char *step, const struct rw_drill_row *row);
};

struct rw_drills;

struct rw_drills *rw_drills_new(const struct rw_drills_sink *sink); /* NULL: no memory */
void rw_drills_free(struct rw_drills *drills);

/* A row of the store, at the start: what was proved, and what the restart ends (with the
 * first tick). */
void rw_drills_restore(struct rw_drills *drills, struct rw_core *core,
		       const struct rw_drill_row *row);

struct rw_drill_ask {
	uint8_t name[RW_DRILL_BYTES]; /* of chance; it also picks the host */
	const char *deployment, *ring;
	const char *host;  /* "": any of the ring that is online */
	const char *actor; /* who asks, for the row */
	uint64_t hold_ms;  /* how long the verdict is to say abort */
};
struct rw_drill_answer {
	struct rw_drill_row row;          /* when it has begun */
	char message[RW_CORE_TEXT_BYTES]; /* when it has not */
};
/*
 * 0; -ENOENT: no such deployment, no such ring of it, or no such host in the ring; -EBUSY:
 * another is on; -EPERM: the deployment has ended, or a breaker is open already, so that
 * nothing could be proved; -EHOSTUNREACH: no host of the ring has a session.
 */
int rw_drills_start(struct rw_drills *drills, struct rw_core *core, const struct rw_drill_ask *ask,
		    struct rw_now now, struct rw_drill_answer *out);

/* An event of KIND_DRILL was taken from this host. `name` is its fact, NULL when it has none;
 * `from_log`: it came out of a kernel log; else `detail` says why not. */
void rw_drills_event(struct rw_drills *drills, struct rw_core *core, const char *host,
		     const char *name, bool from_log, const char *detail, struct rw_now now);

/* With each tick, after the core's. */
void rw_drills_tick(struct rw_drills *drills, struct rw_core *core, struct rw_now now);

#endif
