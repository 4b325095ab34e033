/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of a scenario's statements, behind their time. */
#ifndef RINGWATCH_CTL_REPLAY_VERBS_H
#define RINGWATCH_CTL_REPLAY_VERBS_H

#include "ctl/replay/scenario.h"
#include "ctl/replay/words.h"

enum { RW_KINDS = 32 };
/* The name of the event kind of that number; NULL: there is none. */
const char *rw_kind_at(uint32_t kind);

/* Takes a verb and what belongs to it. 0, or -EINVAL with a complaint. */
int rw_verbs_take(struct rw_words *words, struct rw_scenario *scenario,
		  struct rw_statement *statement);

#endif
