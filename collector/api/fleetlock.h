/* SPDX-License-Identifier: Apache-2.0 */
/* Whether one more host of a ring may take the new version now; see fleetlock.c. */
#ifndef RINGWATCH_API_FLEETLOCK_H
#define RINGWATCH_API_FLEETLOCK_H

#include "collector/api/internal.h"

struct rw_enter {
	bool granted;
	bool limited;     /* by `room` */
	uint64_t room;    /* the fewest hosts that a deployment of the ring lets in beside */
	const char *kind; /* of a refusal: one of a few words */
	char value[RW_VERDICT_LINE_BYTES]; /* and in full */
};

/*
 * On the loop's thread: `enter` for every active deployment that goes through the ring.
 * `holds`: the host holds a slot, so that a lack of room alone refuses it nothing.
 * `scratch` is the caller's, because a verdict is large.
 */
void rw_may_enter(const struct rw_core *core, const char *ring, bool holds, struct rw_now now,
		  struct rw_verdict *scratch, struct rw_enter *out);

#endif
