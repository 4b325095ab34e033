/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP and TLS session of a simulated host, on libuv and memory BIOs.
 *
 * Owner: the loop's thread. A link frees itself after it has been closed, by
 * the peer or by rw_fleet_link_close(); in either case the caller's pointer is
 * dead from then on. All sessions share two scratch BIOs and one read buffer,
 * so an idle session holds no buffers.
 */
#ifndef RINGWATCH_CTL_FLEET_LINK_H
#define RINGWATCH_CTL_FLEET_LINK_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum {
	RW_FLEET_READ_BYTES = 65536,
	RW_FLEET_QUEUE_MAX = 1 << 20, /* bytes that a peer leaves unread; then the link is closed */
	RW_FLEET_LINGER_MS = 5000,    /* how long an orderly close waits for the peer's */
};

struct rw_fleet_link;

struct rw_fleet_link_calls {
	/* The handshake is done and the peer is a collector of the trust domain. */
	void (*ready)(void *context);
	/* Plain bytes. */
	void (*bytes)(void *context, const uint8_t *bytes, size_t length);
	/* It ended without rw_fleet_link_close(); the reason is one sentence. */
	void (*closed)(void *context, const char *reason);
};

/* What all links share. */
struct rw_fleet_net {
	uv_loop_t *loop;
	SSL_CTX *tls;
	struct sockaddr_storage address;
	const char *trust_domain;
	struct rw_fleet_link_calls calls;
	BIO *in;
	BIO *out;
	struct rw_fleet_link *lingering; /* list */
	uint8_t read_buffer[RW_FLEET_READ_BYTES];
	uint8_t plain[16384];
	size_t open_links;
};

/* Fills in the BIOs; the rest is the caller's. -ENOMEM. */
int rw_fleet_net_init(struct rw_fleet_net *net);
void rw_fleet_net_release(struct rw_fleet_net *net);

/*
 * Begins to connect; takes nothing over (certificate and key are counted).
 * Negative errno, and no callback then.
 */
int rw_fleet_link_open(struct rw_fleet_net *net, X509 *certificate, EVP_PKEY *key, void *context,
		       struct rw_fleet_link **out);

/* After `ready`. 0; or -EPIPE: the link is unusable, close it. */
int rw_fleet_link_send(struct rw_fleet_link *link, const uint8_t *bytes, size_t length);

/* Bytes that the peer has not taken yet. */
size_t rw_fleet_link_queued(const struct rw_fleet_link *link);

enum rw_fleet_close {
	RW_FLEET_CLOSE_ORDERLY, /* close_notify, FIN after what is queued, waits for the peer */
	RW_FLEET_CLOSE_DROP,    /* FIN at once */
	RW_FLEET_CLOSE_RESET,   /* RST, as a rebooted machine answers */
};
void rw_fleet_link_close(struct rw_fleet_link *link, enum rw_fleet_close how);

/* Gives up on peers that do not close; call it now and then. 0: give up on all. */
void rw_fleet_net_tick(struct rw_fleet_net *net, uint64_t now_ms);

#endif
