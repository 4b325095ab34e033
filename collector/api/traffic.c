/* SPDX-License-Identifier: Apache-2.0 */
/* See traffic.h. */
#include "collector/api/traffic.h"

#include <string.h>

#include "collector/api/internal.h"

static const uint64_t bounds_us[RW_TRAFFIC_BUCKETS] = {5000,   25000,   100000,
						       500000, 2500000, UINT64_MAX};
const char *const rw_traffic_bounds[RW_TRAFFIC_BUCKETS] = {"0.005", "0.025", "0.1",
							   "0.5",   "2.5",   "+Inf"};

/* The codes of refusals. What has none of its own stands at the last. */
static const char *const reasons[RW_TRAFFIC_REASONS] = {
	"bad_request",        "unauthorized",
	"forbidden",          "not_found",
	"method_not_allowed", "conflict",
	"too_large",          "unsupported_media_type",
	"misdirected",        "too_many_requests",
	"unavailable",        "store_failed",
	"internal",           "other"};

const char *rw_traffic_route_name(enum rw_traffic_route route)
{
	static const char *const names[RW_TRAFFIC_ROUTES] = {
		"none", "page", "health",  "metrics",   "verdict", "stream",
		"list", "act",  "flagger", "fleetlock", "query"};

	return names[route];
}

const char *rw_traffic_reason(unsigned index)
{
	return reasons[index];
}

static enum rw_traffic_route route_of(const struct rw_route *route)
{
	if (route == NULL)
		return RW_TRAFFIC_NONE;
	switch (rw_form_of(route)) {
	case RW_FORM_FLAGGER:
		return RW_TRAFFIC_FLAGGER;
	case RW_FORM_FLEETLOCK:
		return RW_TRAFFIC_FLEETLOCK;
	case RW_FORM_PROMETHEUS:
		return RW_TRAFFIC_QUERY;
	case RW_FORM_OWN:
		break;
	}
	if (strcmp(route->method, "POST") == 0)
		return RW_TRAFFIC_ACT;
	if (strcmp(route->path, "/v1/verdict") == 0)
		return RW_TRAFFIC_VERDICT;
	if (strcmp(route->path, "/v1/stream") == 0)
		return RW_TRAFFIC_STREAM;
	if (strncmp(route->path, "/v1/", 4) == 0)
		return RW_TRAFFIC_LIST;
	if (strcmp(route->path, "/metrics") == 0)
		return RW_TRAFFIC_METRICS;
	if (strcmp(route->path, "/healthz") == 0 || strcmp(route->path, "/readyz") == 0)
		return RW_TRAFFIC_HEALTH;
	return RW_TRAFFIC_PAGE;
}

static unsigned reason_of(const char *code)
{
	unsigned i = 0;

	if (strncmp(code, "unknown_", 8) == 0)
		code = "not_found";
	while (i < RW_TRAFFIC_REASONS - 1 && strcmp(reasons[i], code) != 0)
		i++;
	return i;
}

static void add(atomic_uint_fast64_t *figure, uint64_t value)
{
	atomic_fetch_add_explicit(figure, value, memory_order_relaxed);
}

void rw_traffic_answered(struct rw_traffic *traffic, const struct rw_request *request,
			 unsigned status, uint64_t now_ns)
{
	enum rw_traffic_route route = route_of(request->route);
	uint64_t us = now_ns > request->begun_ns ? (now_ns - request->begun_ns) / 1000 : 0;
	unsigned class = status >= 500 ? 3 : status >= 400 ? 2 : status >= 300 ? 1 : 0;
	unsigned bucket = 0;

	while (us > bounds_us[bucket])
		bucket++;
	add(&traffic->answers[route][class], 1);
	add(&traffic->within[route][bucket], 1);
	add(&traffic->taken_us[route], us);
	if (status >= 400)
		add(&traffic->refused[reason_of(request->code == NULL ? "" : request->code)], 1);
}

void rw_traffic_connection(struct rw_traffic *traffic, enum rw_traffic_connection what)
{
	add(&traffic->connections[what], 1);
}

static uint64_t read_one(atomic_uint_fast64_t *figure)
{
	return atomic_load_explicit(figure, memory_order_relaxed);
}

void rw_traffic_read(struct rw_traffic *traffic, struct rw_traffic_stats *out)
{
	for (unsigned r = 0; r < RW_TRAFFIC_ROUTES; r++) {
		for (unsigned i = 0; i < RW_TRAFFIC_CLASSES; i++)
			out->answers[r][i] = read_one(&traffic->answers[r][i]);
		for (unsigned i = 0; i < RW_TRAFFIC_BUCKETS; i++)
			out->within[r][i] = read_one(&traffic->within[r][i]);
		out->taken_us[r] = read_one(&traffic->taken_us[r]);
	}
	for (unsigned i = 0; i < RW_TRAFFIC_REASONS; i++)
		out->refused[i] = read_one(&traffic->refused[i]);
	/* Closed before opened: never more of them. */
	for (unsigned i = RW_TRAFFIC_CONNECTIONS; i-- > 0;)
		out->connections[i] = read_one(&traffic->connections[i]);
}
