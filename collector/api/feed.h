/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told to those who listen at /v1/stream, and to how many.
 *
 * One thread looks four times a second, while anybody listens, at what the loop knows of
 * rings and runs and at which rows the store has got, and puts what is new into a queue of
 * each listener as server-sent events. Events and transitions are told from the store, so
 * that nothing is told that could still be lost, and a listener that comes back resumes
 * where it was: the id of a message is the row of the last event and of the last
 * transition, `E-T`. Rings and verdicts are told whole to each new listener, then when they
 * change; they have no id.
 *
 * How things stand, and the rows that a listener has missed, come in portions, the next when
 * it has taken most of the one before: there may be more of them than a queue holds. So do
 * states when more change at once than there is room for; then the newest is what is told.
 *
 * While the loop does not turn nothing is told, `: alive` neither: silence is a sign.
 *
 * A queue is bounded. Who is too slow for what happens is told so (`overflow`), and that is the end.
 * Threads: the server's own take and leave; one lock, held for a copy at most.
 */
#ifndef RINGWATCH_API_FEED_H
#define RINGWATCH_API_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/hub.h"

enum {
	RW_FEED_LISTENERS = 32,
	RW_FEED_QUEUE_BYTES = 256 * 1024, /* beyond that a listener is too slow */
	RW_FEED_LOOK_MS = 250,
	RW_FEED_RINGS_MS = 1000, /* a ring's figures are told no more often */
	RW_FEED_ALIVE_MS = 5000,
	RW_FEED_BACKLOG = 2000, /* rows that a listener can have missed and is still told */
	RW_FEED_TOKEN_BYTES = 512,
};

struct rw_feed;
struct rw_listener;

struct rw_feed_config {
	struct rw_hub *hub;
	const char *store_path;
	const char *name; /* the collector's */
	/* There is something for a listener that has found nothing, or its end. Called with
	 * the feed's lock held. */
	void (*wake)(void *connection);
	bool by_hand; /* no thread: rw_feed_turn() is called instead. For tests */
};

/* 0 or negative errno. */
int rw_feed_start(const struct rw_feed_config *config, struct rw_feed **out);
/* Tells all that it is over; those who listen then find the end. NULL is fine. */
void rw_feed_stop(struct rw_feed *feed);
/* When all have left. NULL is fine. */
void rw_feed_free(struct rw_feed *feed);

/*
 * One more listener. `token` is what it was let in by, "" for none. `last_id` is of the
 * last message that it had before, NULL for none. -EINVAL: that is no id; -EBUSY: there are
 * RW_FEED_LISTENERS; -ESHUTDOWN; -ENOMEM.
 */
int rw_feed_join(struct rw_feed *feed, const char *token, const char *last_id, void *connection,
		 struct rw_listener **out);
/*
 * Up to `size` bytes for a listener; -1 at its end. 0: nothing yet, and `wait` was called
 * with the lock held, so that a wake cannot come before it.
 */
ssize_t rw_listener_take(struct rw_listener *listener, char *out, size_t size,
			 void (*wait)(void *connection));
void rw_listener_leave(struct rw_listener *listener);

/* Why streams ended. */
enum rw_feed_end {
	RW_FEED_LEFT,    /* the listener went */
	RW_FEED_SLOW,    /* it did not take what there was */
	RW_FEED_FLOOD,   /* more happened than a stream carries */
	RW_FEED_REVOKED, /* its token is good no more */
	RW_FEED_NO_MEMORY,
	RW_FEED_ENDS
};
const char *rw_feed_end_name(enum rw_feed_end end);

struct rw_feed_stats {
	uint32_t listeners;           /* now */
	uint64_t ended[RW_FEED_ENDS]; /* cut off, or left */
};
void rw_feed_read(struct rw_feed *feed, struct rw_feed_stats *out);

/* Ends those whose token is `good` no more. */
void rw_feed_check_tokens(struct rw_feed *feed, bool (*good)(void *context, const char *token),
			  void *context);

/* Looks once, and tells what is new. */
void rw_feed_turn(struct rw_feed *feed, uint64_t now_ms);

#endif
