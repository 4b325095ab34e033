/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which (address, port) is which host's netconsole: challenges that are under
 * way, and bindings that came of them.
 *
 * A datagram says nothing about who sent it. So the collector sends a random
 * number to a host over its mutually authenticated session, the host's sensor
 * writes it into the kernel log, netconsole carries it out, and the source from
 * which it arrives is that host's. It works behind NAT, and for machines that
 * share an address, because the port differs.
 *
 * Rules: a nonce is random, works once, and for RW_CHALLENGE_LIVES_MS. A host is
 * challenged at most once in RW_CHALLENGE_EVERY_LEAST_MS: when its session
 * begins, twice more if no answer comes, then every RW_CHALLENGE_EVERY_MS. A
 * source is one host's and a host has one source: the newer proof replaces the
 * older. A binding that is not proved again within RW_BINDING_LIVES_MS is void.
 *
 * Memory: one record a host that ever said its netconsole is armed, and indexes
 * of the size of that; nothing that a stranger sends allocates.
 *
 * Owner: the loop's thread. Time is handed in, CLOCK_BOOTTIME.
 */
#ifndef RINGWATCH_INGEST_GASP_BINDINGS_H
#define RINGWATCH_INGEST_GASP_BINDINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "collector/core/core.h"
#include "proto/limits.h"

enum {
	RW_CHALLENGE_LIVES_MS = 60 * 1000,
	RW_CHALLENGE_EVERY_LEAST_MS = 60 * 1000,
	RW_CHALLENGE_EVERY_MS = 600 * 1000,
	RW_CHALLENGE_TRIES = 3, /* in a row; then the next round has to do */
	RW_BINDING_LIVES_MS = 1800 * 1000,
};

/* Where a datagram came from, in one form for each address: v4-mapped is v4. */
struct rw_source {
	uint8_t address[16];
	uint16_t port; /* host order */
	bool is_v6;
};
/* False: neither IPv4 nor IPv6. */
bool rw_source_from(const struct sockaddr *address, struct rw_source *out);
bool rw_source_is_equal(const struct rw_source *a, const struct rw_source *b);
/* Of the address, and of the port when told so. Keyed: strangers choose both. */
uint64_t rw_source_hash(const struct rw_source *source, bool with_port, uint64_t key);
enum { RW_SOURCE_TEXT_BYTES = 64 };
/* "192.0.2.7:6665", "[2001:db8::7]:6665". Returns `out`. */
char *rw_source_print(const struct rw_source *source, char out[RW_SOURCE_TEXT_BYTES]);

struct rw_bindings;

struct rw_bindings *rw_bindings_new(uint64_t hash_key); /* NULL: no memory */
void rw_bindings_free(struct rw_bindings *bindings);

/* A session of the host is live and its netconsole is armed: it is due at once, if its
 * last challenge lies long enough back. -ENOMEM: it is never challenged. */
int rw_bindings_arm(struct rw_bindings *bindings, rw_host_handle host, const struct rw_source *peer,
		    uint64_t now_ms);
/* Its session is gone, or it is not armed any more: it is not challenged. What it has
 * proved stands: that is what it is for. */
void rw_bindings_disarm(struct rw_bindings *bindings, rw_host_handle host);

/* A stranger spoke from an address at which armed hosts have their session: they are
 * due again as soon as they may be; a few of them at a time. */
void rw_bindings_prompt(struct rw_bindings *bindings, const struct rw_source *source,
			uint64_t now_ms);

/* The next host that is due, RW_NO_HOST when there is none; its challenge is under way
 * from now on, with this nonce. */
rw_host_handle rw_bindings_next(struct rw_bindings *bindings, uint64_t now_ms,
				const uint8_t nonce[RW_GASP_NONCE_BYTES]);

/* A nonce came from there: the host to which that is now bound, RW_NO_HOST when no such
 * challenge is under way. */
rw_host_handle rw_bindings_prove(struct rw_bindings *bindings, const struct rw_source *source,
				 const uint8_t nonce[RW_GASP_NONCE_BYTES], uint64_t now_ms);

/* Whose it is; RW_NO_HOST: nobody has proved it, or too long ago. */
rw_host_handle rw_bindings_host(const struct rw_bindings *bindings, const struct rw_source *source,
				uint64_t now_ms);

uint64_t rw_bindings_armed(const struct rw_bindings *bindings);
/* Drops what is too old first. */
uint64_t rw_bindings_proved(struct rw_bindings *bindings, uint64_t now_ms);

#endif
