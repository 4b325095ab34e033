/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream to a collector: connect, mutual TLS, Hello → Welcome, then
 * heartbeats and batches of spooled events until their acks come.
 *
 * Never blocks: sockets are non-blocking, and names are looked up by a thread
 * that lives for one look-up. The collectors are tried in order; between rounds
 * it waits a random time up to a limit that doubles from 100 ms to the cap that
 * Welcome sets (10 s before the first), so that a fleet does not come back in
 * step. Unreachable is said once, and once when it is over.
 *
 * When the keeper goes from disk to memory or back, or its spool begins anew, the
 * session ends in good order and the next begins at once, with a new Hello.
 *
 * After Welcome it tells which versions the host runs, and again when that has changed;
 * which modules count among them the collector says.
 *
 * Owner: one thread, the keeper's. It reads and acks what is kept, and adds
 * nothing to it.
 */
#ifndef RINGWATCH_SENSOR_UPLINK_H
#define RINGWATCH_SENSOR_UPLINK_H

#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/spiffe.h"
#include "proto/wire.h"
#include "sensor/config.h"
#include "sensor/keeper.h"
#include "sensor/versions.h"

enum {
	RW_UPLINK_POLLFDS = 2,
	RW_UPLINK_BATCHES = 4, /* unacked at most */
	RW_UPLINK_BACKOFF_FIRST_MS = 100,
	RW_UPLINK_BACKOFF_CAP_MS = 10000, /* until a Welcome says otherwise */
	RW_UPLINK_BACKOFF_CAP_LEAST_MS = 100,
	RW_UPLINK_BACKOFF_CAP_MOST_MS = 300000,
	RW_UPLINK_RETRY_AFTER_MOST_MS = 600000,
	RW_UPLINK_CONNECT_MS = 10000, /* look-up, connect, handshake and Hello, each address */
	RW_UPLINK_ACK_MS = 30000,     /* a collector that acks nothing for so long is gone */
	RW_UPLINK_HEARTBEAT_LEAST_MS = 100,
	RW_UPLINK_HEARTBEAT_MOST_MS = 60000,
};

/* What Hello says beside the spool's id; all of it is copied. */
struct rw_uplink_coverage {
	Ringwatch__V1__Kind kind;
	char hook[161];
	char reason[161];
};

struct rw_uplink_config {
	const struct rw_sensor_config *sensor; /* addresses; outlives the uplink */
	struct rw_keeper *keeper;              /* outlives it too */
	struct rw_versions *versions;          /* outlives it too; NULL: none are told */
	SSL_CTX *tls;                          /* a reference is taken */
	char trust_domain[RW_TRUST_DOMAIN_MAX + 1];
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	uint64_t boot_order;
	char previous_boot_id[RW_BOOT_ID_LENGTH + 1];
	Ringwatch__V1__BootEnd previous_end;
	char kernel_release[129];
	char architecture[33];
	uint32_t coverage_count;
	struct rw_uplink_coverage coverage[RW_COVERAGE_MAX];
	bool safe_start;
	char netconsole[161]; /* "none", "armed …", or why it is not; "" is "none" */
	/* The collector's nonce, which is to come out of netconsole; may be NULL. */
	void (*on_gasp)(void *context, const uint8_t nonce[RW_GASP_NONCE_BYTES]);
	/* A failure is to be staged, under this name; may be NULL. */
	void (*on_drill)(void *context, const uint8_t name[RW_DRILL_BYTES]);
	void *context;
};

struct rw_uplink;

struct rw_uplink *rw_uplink_new(const struct rw_uplink_config *config); /* NULL: no memory */
void rw_uplink_free(struct rw_uplink *uplink);

/* Fills what is to be polled; the number of entries. */
uint32_t rw_uplink_poll(const struct rw_uplink *uplink, struct pollfd out[RW_UPLINK_POLLFDS]);

/* Does all that can be done now without waiting; to be called after rw_keeper_run.
 * Returns the boot time at which it wants to be called at the latest. */
uint64_t rw_uplink_run(struct rw_uplink *uplink, uint64_t now_ms);

/* For heartbeats: events lost since the sensor started. */
void rw_uplink_set_lost(struct rw_uplink *uplink, uint64_t lost_events);

/* A new context (certificates were renewed): used from the next connection on,
 * and the running one is given up for it. */
void rw_uplink_set_tls(struct rw_uplink *uplink, SSL_CTX *tls, const char *trust_domain);

/* Whether a collector has welcomed this sensor and the session stands. */
bool rw_uplink_is_ready(const struct rw_uplink *uplink);
/* Whether every event that can be sent is acked. */
bool rw_uplink_is_drained(const struct rw_uplink *uplink);

/* The last frame. rw_uplink_is_flushed says when it has left. No new connection is made after. */
void rw_uplink_goodbye(struct rw_uplink *uplink, Ringwatch__V1__GoodbyeKind kind,
		       uint32_t back_in_s);
bool rw_uplink_is_flushed(const struct rw_uplink *uplink);

#endif
