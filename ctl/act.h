/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that change something have in common. */
#ifndef RINGWATCH_CTL_ACT_H
#define RINGWATCH_CTL_ACT_H

#include "ctl/args.h"
#include "ctl/client.h"

/* What is said to people when it is done. */
typedef void rw_say_fn(const struct rw_args *args, const struct rw_reply *reply);

/* Posts `body`, which it takes over (NULL: there was no memory for it), and prints the answer as
 * it came (--json) or by `say`. Returns the exit status. */
int rw_act(const struct rw_args *args, const struct rw_path *path, json_t *body, rw_say_fn *say);

#endif
