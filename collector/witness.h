/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody else to ask, when every host is silent, whether this collector's
 * own network works: addresses that have nothing to do with the fleet.
 *
 * A round opens a TCP connection to each at once. One that stands, or that is
 * refused, has been there and back: the network works, and the round is over.
 * All on the loop's thread.
 */
#ifndef RINGWATCH_COLLECTOR_WITNESS_H
#define RINGWATCH_COLLECTOR_WITNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

enum { RW_WITNESSES_MAX = 8, RW_WITNESS_MS = 2000 };

struct rw_witnesses;

/* Called from the loop, never from within rw_witnesses_ask(). */
typedef void rw_witnesses_answer_fn(void *context, bool reachable);

struct rw_witnesses_config {
	struct sockaddr_storage addresses[RW_WITNESSES_MAX];
	uint32_t count;
	uint64_t timeout_ms; /* of a round; then nobody was reached */
	rw_witnesses_answer_fn *answer;
	void *context;
};

/* NULL: no memory. */
struct rw_witnesses *rw_witnesses_open(uv_loop_t *loop, const struct rw_witnesses_config *config);
/* Begins a round, which is answered once; while one goes on, nothing. */
void rw_witnesses_ask(struct rw_witnesses *witnesses);
/* Closes its handles and answers no more. NULL is fine. */
void rw_witnesses_close(struct rw_witnesses *witnesses);
/* After the loop has run out. NULL is fine. */
void rw_witnesses_free(struct rw_witnesses *witnesses);

#endif
