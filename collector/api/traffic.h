/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP server counts of itself: answers by kind of route and class of status, how
 * long they took, why requests were refused, connections. Never by client, token or path as
 * it came: what a client sends makes no new series.
 *
 * Atomics, each by itself: a copy taken while requests end may hold one figure of a request
 * and not yet another. Functions may be called from any thread.
 */
#ifndef RINGWATCH_API_TRAFFIC_H
#define RINGWATCH_API_TRAFFIC_H

#include <stdatomic.h>
#include <stdint.h>

struct rw_request;

enum {
	RW_TRAFFIC_CLASSES = 4, /* 2xx to 5xx */
	RW_TRAFFIC_BUCKETS = 6,
	RW_TRAFFIC_REASONS = 14,
};

/* What a request was for. Several paths are one, and those that are added are too. */
enum rw_traffic_route {
	RW_TRAFFIC_NONE, /* refused before its path was known, or there is none such */
	RW_TRAFFIC_PAGE, /* `/` and the dashboard's files */
	RW_TRAFFIC_HEALTH,
	RW_TRAFFIC_METRICS,
	RW_TRAFFIC_VERDICT,
	RW_TRAFFIC_STREAM, /* until it is open */
	RW_TRAFFIC_LIST,   /* every other GET under /v1 */
	RW_TRAFFIC_ACT,    /* POST under /v1 */
	RW_TRAFFIC_FLAGGER,
	RW_TRAFFIC_FLEETLOCK,
	RW_TRAFFIC_QUERY,
	RW_TRAFFIC_ROUTES
};

enum rw_traffic_connection {
	RW_TRAFFIC_OPENED,
	RW_TRAFFIC_CLOSED,
	RW_TRAFFIC_UNSERVED, /* no memory, or no TLS session could be set up */
	RW_TRAFFIC_CONNECTIONS
};

struct rw_traffic {
	atomic_uint_fast64_t answers[RW_TRAFFIC_ROUTES][RW_TRAFFIC_CLASSES];
	atomic_uint_fast64_t within[RW_TRAFFIC_ROUTES][RW_TRAFFIC_BUCKETS];
	atomic_uint_fast64_t taken_us[RW_TRAFFIC_ROUTES];
	atomic_uint_fast64_t refused[RW_TRAFFIC_REASONS];
	atomic_uint_fast64_t connections[RW_TRAFFIC_CONNECTIONS];
};

/* A copy. */
struct rw_traffic_stats {
	uint64_t answers[RW_TRAFFIC_ROUTES][RW_TRAFFIC_CLASSES];
	uint64_t within[RW_TRAFFIC_ROUTES][RW_TRAFFIC_BUCKETS]; /* not cumulative */
	uint64_t taken_us[RW_TRAFFIC_ROUTES];
	uint64_t refused[RW_TRAFFIC_REASONS];
	uint64_t connections[RW_TRAFFIC_CONNECTIONS];
};

/* Upper bounds as the text format writes them, the last "+Inf". */
extern const char *const rw_traffic_bounds[RW_TRAFFIC_BUCKETS];
const char *rw_traffic_route_name(enum rw_traffic_route route);
const char *rw_traffic_reason(unsigned index);

/* `request` is answered with `status`, `now_ns` of the boot clock. */
void rw_traffic_answered(struct rw_traffic *traffic, const struct rw_request *request,
			 unsigned status, uint64_t now_ns);
void rw_traffic_connection(struct rw_traffic *traffic, enum rw_traffic_connection what);
void rw_traffic_read(struct rw_traffic *traffic, struct rw_traffic_stats *out);

#endif
