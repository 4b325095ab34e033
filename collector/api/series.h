/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the collector tells a monitoring system, once for all who tell it: the text of
 * /metrics and the answers of /api/v1/query come from this list.
 *
 * Series per ring and per deployment, never per host. Label values are names, which need
 * no escaping, and constants of ours.
 */
#ifndef RINGWATCH_API_SERIES_H
#define RINGWATCH_API_SERIES_H

#include "collector/api/feed.h"
#include "collector/api/internal.h"
#include "collector/ingest/gasps.h"
#include "collector/webhook/webhooks.h"

/* Copies, taken on the loop. */
struct rw_snapshot {
	struct rw_hub *hub;
	struct rw_hub_stats stats;
	struct rw_gasp_stats gasps;
	struct rw_webhook_status webhooks;
	struct rw_traffic_stats traffic;
	struct rw_deadlines_stats deadlines;
	struct rw_feed_stats feed;
	bool blind;
	char blind_reason[32];
	uint32_t ring_count;
	struct rw_ring_view rings[RW_CORE_RINGS_MAX];
	struct rw_ring_coverage coverage[RW_CORE_RINGS_MAX];
	struct rw_deployment_list deployments; /* that have not ended */
};

/* NULL after answering. */
struct rw_snapshot *rw_snapshot_take(struct rw_request *request);
void rw_snapshot_free(struct rw_snapshot *snapshot);
/* Only `stats` and `blind`; false after answering. Nothing to free. */
bool rw_snapshot_take_health(struct rw_request *request, struct rw_snapshot *out);

struct rw_label {
	const char *name, *value;
};

struct rw_sample {
	const char *name; /* the family's, or of a histogram with _bucket, _sum or _count */
	const struct rw_label *labels;
	size_t label_count;
	bool is_whole; /* a count, exact in `whole` */
	uint64_t whole;
	double value; /* in any case */
};

struct rw_series_sink {
	void *context;
	/* Before its samples; may be NULL. `type` is gauge, counter or histogram. */
	void (*family)(void *context, const char *name, const char *type, const char *help);
	/* The sample lives during the call. */
	void (*sample)(void *context, const struct rw_sample *sample);
};

void rw_series_list(const struct rw_snapshot *snapshot, const struct rw_series_sink *sink);

#endif
