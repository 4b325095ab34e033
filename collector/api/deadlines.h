/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A limit on how long one request may take in all. The server's own time-out
 * counts silence only: a client that sends or reads a byte every few seconds
 * could hold a connection for ever, and a few hundred of them all of it.
 *
 * A connection whose request is not over `limit_ms` after it began (or after
 * the request before it ended) is shut down; the server then sees it end.
 * So are, when there are more than `most` connections, those that have waited for
 * longest without a good request in hand: whoever comes next finds a place.
 * Functions may be called from any thread.
 */
#ifndef RINGWATCH_API_DEADLINES_H
#define RINGWATCH_API_DEADLINES_H

#include <stdint.h>

struct rw_deadlines;
struct rw_deadline; /* of one connection */

/* Starts the thread that looks once a second. 0 or negative errno. */
int rw_deadlines_start(uint64_t limit_ms, uint32_t most, struct rw_deadlines **out);
/* Ends the thread; entries left are freed. NULL is fine. */
void rw_deadlines_stop(struct rw_deadlines *deadlines);

/* `fd` is the caller's and must stay open until the entry is removed. NULL: no memory. */
struct rw_deadline *rw_deadlines_add(struct rw_deadlines *deadlines, int fd, uint64_t now_ms);
/* A request that will be answered has begun: it is not ended for others' sake. NULL is fine. */
void rw_deadlines_engage(struct rw_deadlines *deadlines, struct rw_deadline *entry);
/* A request is over: the next has its whole time. NULL is fine. */
void rw_deadlines_renew(struct rw_deadlines *deadlines, struct rw_deadline *entry, uint64_t now_ms);
/* Before the descriptor is closed. NULL is fine. */
void rw_deadlines_remove(struct rw_deadlines *deadlines, struct rw_deadline *entry);

/* How many connections were shut down, of those that are counted once each. */
struct rw_deadlines_stats {
	uint64_t made_room; /* the longest idle one, for others' sake */
	uint64_t too_slow;  /* a request was not over in time */
};
void rw_deadlines_read(struct rw_deadlines *deadlines, struct rw_deadlines_stats *out);

/* What the thread does each second. Returns how many it shut down. */
unsigned rw_deadlines_sweep(struct rw_deadlines *deadlines, uint64_t now_ms);

#endif
