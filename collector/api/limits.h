/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests a client may make: a token bucket for each token's name,
 * and for each address of those who show no good token. An IPv6 client is its
 * /64, because it owns all of that.
 *
 * Memory is fixed. When there are more clients than places, the one that was
 * quiet for longest is forgotten and would begin with a full bucket.
 * Functions may be called from any thread.
 */
#ifndef RINGWATCH_API_LIMITS_H
#define RINGWATCH_API_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct rw_rate {
	uint32_t per_second; /* from 1 */
	uint32_t burst;      /* from 1 */
};

enum rw_client_class {
	RW_CLIENT_TOKEN,   /* by the name of a good token */
	RW_CLIENT_ADDRESS, /* by address: no token, or a wrong one */
	RW_CLIENT_PROBE,   /* by address: what is asked often, and with no header of ours */
	RW_CLIENT_CLASSES
};

struct rw_rates {
	struct rw_rate of[RW_CLIENT_CLASSES];
};

extern const struct rw_rates rw_rates_default;

enum { RW_CLIENT_BYTES = 64 };

struct rw_limits;

struct rw_limits *rw_limits_new(const struct rw_rates *rates); /* NULL: no memory */
void rw_limits_free(struct rw_limits *limits);                 /* NULL is fine */

/*
 * Counts one request. False when it is one too many; *retry_s is then in how
 * many seconds (from 1) there will be room. A clock that goes back is as one
 * that stands.
 */
bool rw_limits_take(struct rw_limits *limits, enum rw_client_class class, const char *client,
		    uint64_t now_ms, uint32_t *retry_s);

/* The client that an address stands for. */
void rw_limits_client_of(const struct sockaddr_storage *address, char out[RW_CLIENT_BYTES]);

#endif
