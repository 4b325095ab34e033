/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a scenario over the real core, with a clock of its own: a tick each
 * 250 ms, as the collector does, and nobody waits for any of them.
 */
#ifndef RINGWATCH_CTL_REPLAY_PLAYER_H
#define RINGWATCH_CTL_REPLAY_PLAYER_H

#include <stdio.h>

#include "ctl/replay/scenario.h"

struct rw_player_sink {
	void *context;
	/* A verdict that is another one than before; at_ms from the beginning. */
	void (*verdict)(void *context, uint64_t at_ms, const struct rw_verdict *verdict);
	/* An expectation that did not hold, or an act that was refused: one line. */
	void (*missed)(void *context, const struct rw_statement *statement, const char *line);
};

/*
 * 0, or negative errno with a line in `error`: -EINVAL, the scenario names what
 * is not there.
 */
int rw_player_play(const struct rw_scenario *scenario, const struct rw_player_sink *sink,
		   char error[RW_SCENARIO_ERROR_BYTES]);

/* "abort (crashed, grade evidence, proof share), 3 of 500", for people. */
enum { RW_VERDICT_TEXT_BYTES = 512 };
char *rw_player_say(const struct rw_verdict *verdict, char out[RW_VERDICT_TEXT_BYTES]);
/* "1h30m05.250s"; "0s". */
enum { RW_PLAY_TIME_BYTES = 32 };
char *rw_player_say_time(uint64_t ms, char out[RW_PLAY_TIME_BYTES]);

#endif
