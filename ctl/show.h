/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that ask one question have in common. */
#ifndef RINGWATCH_CTL_SHOW_H
#define RINGWATCH_CTL_SHOW_H

#include "ctl/args.h"
#include "ctl/client.h"

/* Prints an answer for people; false: no memory. */
typedef bool rw_show_fn(const json_t *answer);

/* Asks, and prints the JSON as it came (--json) or by `print`. Returns the exit status. */
int rw_show_answer(const struct rw_args *args, const struct rw_path *path, rw_show_fn *print);

/* Asks page after page of the list `key` until --limit rows are there, then prints them. */
int rw_show_pages(const struct rw_args *args, const struct rw_path *path, const char *key,
		  rw_show_fn *print_rows);

#endif
