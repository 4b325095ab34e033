/* SPDX-License-Identifier: Apache-2.0 */
/* `ringwatch explain`: kernel log text in, one JSON object an event out. */
#ifndef RINGWATCH_CTL_EXPLAIN_H
#define RINGWATCH_CTL_EXPLAIN_H

#include <stdio.h>

/*
 * Reads the descriptor `from` to its end and prints to `to`. Memory is bounded, whatever comes.
 * 0, negative errno when reading failed, or -ENOMEM. That all was written is the
 * caller's to check.
 */
int rw_explain_stream(int from, FILE *to);

#endif
