/* SPDX-License-Identifier: Apache-2.0 */
/* How an answer of the collector becomes an exit status that a rollout obeys. */
#ifndef RINGWATCH_CTL_VERDICT_H
#define RINGWATCH_CTL_VERDICT_H

#include <jansson.h>
#include <stdio.h>

/*
 * RW_CTL_DONE (proceed), RW_CTL_HOLD, RW_CTL_ABORT; RW_CTL_FAILED for whatever
 * is no clear answer to exactly this question. `question` NULL is "advance".
 */
int rw_verdict_status(const json_t *answer, const char *deployment, const char *ring,
		      const char *question);

/* A reason of a verdict in words; "" for one that is not known here. */
const char *rw_verdict_reason(const char *name);

/* What the answer's figures say, each in one sentence without an end. */
void rw_verdict_bounds(FILE *to, const json_t *answer);
void rw_verdict_control(FILE *to, const json_t *answer);
void rw_verdict_noise(FILE *to, const json_t *answer);
/* What the breaker opened on: "limit", or what its evidence is. */
void rw_verdict_grade(FILE *to, const json_t *breaker);

#endif
