/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets in: the sensors' listener and their TLS sessions. All on the loop's
 * thread. Sessions feed the core and the store through the hub.
 */
#ifndef RINGWATCH_INGEST_INGEST_H
#define RINGWATCH_INGEST_INGEST_H

#include <openssl/ssl.h>

#include "collector/hub_private.h"
#include "collector/inventory.h"

enum {
	RW_SESSION_HANDSHAKE_MS = 10000,      /* from accept to the end of the TLS handshake */
	RW_SESSION_HELLO_MS = 5000,           /* from there to a whole Hello */
	RW_SESSION_CONTEST_MS = 5000,         /* for the older session of an identity to answer */
	RW_SESSION_FRAME_MS = 10000,          /* for the rest of a frame that has begun */
	RW_SESSION_LINGER_MS = 2000,          /* for the peer to read why, and close */
	RW_SESSION_IDLE_LEAST_MS = 120000,    /* and at least four times offline_after */
	RW_SESSION_PREAUTH_BYTES = 128 << 10, /* handshake and Hello */
	RW_SESSION_QUEUE_BYTES = 64 << 10,    /* unsent to one peer: its input waits */
	RW_ACCEPTS_PER_SECOND = 800,          /* a handshake costs about 1 ms of the loop */
	RW_ACCEPTS_BURST = 64,  /* so many handshakes may stand in one turn of the loop */
	RW_SATURATED_MS = 2000, /* so long without a token, and the observer is sick */
	RW_THROTTLE_MS = 1000,
	RW_SHUTDOWN_RETRY_MS = 1000,
};

struct rw_ingest_config {
	const char *name;   /* the collector's */
	const char *listen; /* HOST:PORT */
	const char *trust_domain;
	SSL_CTX *context;               /* taken over on success */
	struct rw_inventory *inventory; /* likewise; NULL: certificates decide the ring */
	uint64_t events_burst, events_per_second;
	uint64_t sessions_max;
};

struct rw_ingest;

/* -EADDRINUSE, -EACCES, …; `error` is one line. */
int rw_ingest_open(struct rw_hub *hub, const struct rw_ingest_config *config,
		   struct rw_ingest **out, char error[RW_HUB_ERROR_BYTES]);
/* "127.0.0.1:8471", the real port. */
const char *rw_ingest_address(const struct rw_ingest *ingest);

/* New certificates: for new sessions, and live ones that they refuse are ended. Takes it over. */
void rw_ingest_set_context(struct rw_ingest *ingest, SSL_CTX *context);

/* A new inventory, or none (NULL): for new sessions, and live ones that it refuses, or gives
 * another ring, are ended; the latter come again at once. Takes it over. */
void rw_ingest_set_inventory(struct rw_ingest *ingest, struct rw_inventory *inventory);

/* Looks up HOST:PORT, blocking: for the start alone. `type` is SOCK_STREAM or SOCK_DGRAM. */
int rw_ingest_resolve(const char *text, int type, struct sockaddr_storage *out,
		      char error[RW_HUB_ERROR_BYTES]);

/* For the netconsole listener: asks the host to write this nonce into its kernel log, if
 * it has a session. */
void rw_ingest_challenge(struct rw_ingest *ingest, rw_host_handle host,
			 const uint8_t nonce[RW_GASP_NONCE_BYTES]);

/* Asks the host's sensor to stage a failure of this name. False: it has no session. */
bool rw_ingest_drill(struct rw_ingest *ingest, rw_host_handle host,
		     const uint8_t name[RW_DRILL_BYTES]);

/* For the hub. */
void rw_ingest_probe(struct rw_ingest *ingest, rw_host_handle host);
/* An operator has retired it: its session ends. */
void rw_ingest_retired(struct rw_ingest *ingest, rw_host_handle host);
/* The modules that active deployments match may be others now: then live sessions hear it. */
void rw_ingest_watch(struct rw_ingest *ingest);
void rw_ingest_committed(struct rw_ingest *ingest, uint64_t sequence);
void rw_ingest_tick(struct rw_ingest *ingest, struct rw_now now);

/* No new sessions; those that are get Reject(shutting_down). */
void rw_ingest_drain(struct rw_ingest *ingest);
bool rw_ingest_is_empty(const struct rw_ingest *ingest);
/* Ends all that is left; handles are gone when the loop has run out. */
void rw_ingest_close(struct rw_ingest *ingest);
/* After the loop has run out. */
void rw_ingest_free(struct rw_ingest *ingest);

#endif
