/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What datagrams of netconsole mean: nonces that come back, and last gasps.
 *
 * A gasp is a line by which a kernel begins to die: a panic, the begin of an
 * oops or BUG, a hard lockup. It is *verified* when its source has proved to be
 * a host's (gasp_bindings.h) and its record says that the kernel itself spoke.
 * A verified gasp makes its host suspect at once; all others are shown and
 * counted, and nothing is done about them. A source can be forged by whoever
 * sees the network's packets, so that is all a verified one does: the host is
 * asked, and if it answers it is online again.
 *
 * Cost: a datagram is read, and parsed as long as its source is within its
 * limit. A nonce is only looked up, whatever the limits: a flood must not keep
 * hosts from proving who they are.
 *
 * Owner: the loop's thread. No socket, no clock, no randomness of its own.
 */
#ifndef RINGWATCH_INGEST_GASP_WATCH_H
#define RINGWATCH_INGEST_GASP_WATCH_H

#include "collector/ingest/gasp_bindings.h"
#include "collector/ingest/gasps.h"

enum {
	RW_GASP_HOST_BURST = 4000, /* datagrams of a source that has proved to be a host's */
	RW_GASP_HOST_PER_SECOND = 1000,
	RW_GASP_HOSTS_BURST = 40000, /* of all of these */
	RW_GASP_HOSTS_PER_SECOND = 20000,
	RW_GASP_STRANGER_BURST = 100,
	RW_GASP_STRANGER_PER_SECOND = 10,
	RW_GASP_STRANGERS_BURST = 2000,
	RW_GASP_STRANGERS_PER_SECOND = 500,
	RW_CHALLENGES_PER_TICK = 128,
};

struct rw_gasp_watch_config {
	struct rw_gasps *gasps; /* what was heard goes there; not owned */
	uint64_t hash_key;
	void *context;
	/* A random nonce; false: there is none to be had now. */
	bool (*make_nonce)(void *context, uint8_t nonce[RW_GASP_NONCE_BYTES]);
	/* To be sent over the host's session. */
	void (*challenge)(void *context, rw_host_handle host,
			  const uint8_t nonce[RW_GASP_NONCE_BYTES]);
	/* The host's name; "" when there is no such host. */
	void (*host_name)(void *context, rw_host_handle host, char out[RW_CORE_NAME_BYTES]);
	/* The host has proved that it speaks from there. */
	void (*proved)(void *context, const char *host, const char *source);
	/* A gasp; RW_NO_HOST unless it is verified. Whether it was acted on. */
	bool (*heard)(void *context, rw_host_handle host, const struct rw_gasp_heard *gasp);
};

struct rw_gasp_watch;

struct rw_gasp_watch *rw_gasp_watch_new(const struct rw_gasp_watch_config *config); /* or NULL */
void rw_gasp_watch_free(struct rw_gasp_watch *watch);

/* A session of the host is live, from there; `armed` is what it says of its netconsole. */
void rw_gasp_watch_host_live(struct rw_gasp_watch *watch, rw_host_handle host, bool armed,
			     const struct rw_source *peer, struct rw_now now);
void rw_gasp_watch_host_gone(struct rw_gasp_watch *watch, rw_host_handle host);

void rw_gasp_watch_take(struct rw_gasp_watch *watch, const struct rw_source *source,
			const uint8_t *bytes, size_t length, struct rw_now now);
/* Sends the challenges that are due. */
void rw_gasp_watch_tick(struct rw_gasp_watch *watch, struct rw_now now);

#endif
