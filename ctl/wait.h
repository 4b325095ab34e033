/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `verdict --wait` says on stderr while it waits: on a terminal one line
 * that changes in its place, else a line for each change of what is waited
 * for, and now and then one that it still waits.
 */
#ifndef RINGWATCH_CTL_WAIT_H
#define RINGWATCH_CTL_WAIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/view.h"

struct rw_wait {
	bool on_terminal;
	bool said;
	struct rw_view last; /* what was waited for when something was said last */
	uint64_t said_ms;
};

/* `now_ms` is the boot clock, here and below. */
struct rw_wait rw_wait_begin(uint64_t now_ms);
/* A hold: its reasons, bake and failed hosts. */
void rw_wait_hold(struct rw_wait *wait, const json_t *answer, uint64_t now_ms);
/* No answer, and why. */
void rw_wait_trouble(struct rw_wait *wait, const char *error, uint64_t now_ms);
/* Leaves the line. */
void rw_wait_end(struct rw_wait *wait);

/* "bake_incomplete; baked 12h 00m of 48h 00m, 36h 00m left; 0 of 1,000 failed" */
struct rw_view rw_wait_words(const json_t *answer);
/* Whether a hold can become nothing else: the deployment has ended. */
bool rw_wait_is_final(const json_t *answer);

#endif
