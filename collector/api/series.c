/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of the collector's series; see series.h. */
#include "collector/api/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/version.h"

static void ask_health(struct rw_core *core, struct rw_now now, void *context)
{
	struct rw_snapshot *ask = context;
	const char *reason = rw_core_blind_reason(core, now);

	rw_hub_stats(ask->hub, &ask->stats);
	ask->blind = reason != NULL;
	snprintf(ask->blind_reason, sizeof(ask->blind_reason), "%s", reason == NULL ? "" : reason);
}

static void ask_metrics(struct rw_core *core, struct rw_now now, void *context)
{
	struct rw_snapshot *ask = context;

	ask_health(core, now, context);
	ask->gasps = *rw_gasps_stats(rw_hub_gasps(ask->hub));
	rw_webhooks_status(rw_hub_webhooks(ask->hub), &ask->webhooks);
	ask->ring_count = rw_core_ring_count(core);
	for (uint32_t i = 0; i < ask->ring_count; i++) {
		rw_core_ring_at(core, i, &ask->rings[i]);
		rw_hub_ring_coverage(ask->hub, i, &ask->coverage[i]);
	}
}

/* ---- a family, a sample ------------------------------------------------------------- */

static void head(const struct rw_series_sink *out, const char *name, const char *type,
		 const char *help)
{
	if (out->family != NULL)
		out->family(out->context, name, type, help);
}

static void sample(const struct rw_series_sink *out, const char *name,
		   const struct rw_label *labels, size_t count, double value)
{
	const struct rw_sample row = {
		.name = name, .labels = labels, .label_count = count, .value = value};

	out->sample(out->context, &row);
}

static void whole(const struct rw_series_sink *out, const char *name, const struct rw_label *labels,
		  size_t count, uint64_t value)
{
	const struct rw_sample row = {.name = name,
				      .labels = labels,
				      .label_count = count,
				      .is_whole = true,
				      .whole = value,
				      .value = (double)value};

	out->sample(out->context, &row);
}

static void counter(const struct rw_series_sink *out, const char *name, const char *help,
		    uint64_t value)
{
	head(out, name, "counter", help);
	whole(out, name, NULL, 0, value);
}

static void gauge(const struct rw_series_sink *out, const char *name, const char *help,
		  double value)
{
	head(out, name, "gauge", help);
	sample(out, name, NULL, 0, value);
}

/* ---- of rings ---------------------------------------------------------------------- */

static void write_rings(const struct rw_series_sink *out, const struct rw_snapshot *ask)
{
	head(out, "ringwatch_ring_hosts", "gauge",
	     "Hosts of the ring by presence; all but the retired are enrolled.");
	for (uint32_t i = 0; i < ask->ring_count; i++) {
		for (int p = 0; p < RW_PRESENCE_COUNT; p++)
			whole(out, "ringwatch_ring_hosts",
			      (struct rw_label[]){{"ring", ask->rings[i].policy.name},
						  {"state", rw_presence_name((enum rw_presence)p)}},
			      2, ask->rings[i].presence[p]);
	}
	head(out, "ringwatch_ring_drill_proved_timestamp_seconds", "gauge",
	     "When a drill of the ring last went from a kernel log to the verdict; 0 never.");
	for (uint32_t i = 0; i < ask->ring_count; i++)
		whole(out, "ringwatch_ring_drill_proved_timestamp_seconds",
		      (struct rw_label[]){{"ring", ask->rings[i].policy.name}}, 1,
		      ask->rings[i].proved_wall_ms / 1000);
}

static void write_covered(const struct rw_series_sink *out, const char *ring,
			  const struct rw_ring_coverage *coverage)
{
	static const char name[] = "ringwatch_ring_hosts_covered";

	for (uint32_t k = 0; k < RW_RING_COVERAGE_KINDS; k++) {
		const struct rw_kind_coverage *seen = &coverage->kinds[k];
		const char *kind = rw_kind_name((Ringwatch__V1__Kind)k);
		const struct {
			const char *by;
			uint64_t hosts;
		} ways[] = {{"bpf", seen->bpf}, {"log", seen->log}, {"none", seen->none}};

		if (kind == NULL || seen->bpf + seen->log + seen->none == 0)
			continue;
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
			whole(out, name,
			      (struct rw_label[]){
				      {"ring", ring}, {"kind", kind}, {"by", ways[w].by}},
			      3, ways[w].hosts);
	}
}

static void write_coverage(const struct rw_series_sink *out, const struct rw_snapshot *ask)
{
	head(out, "ringwatch_ring_hosts_covered", "gauge",
	     "Hosts heard since the start by how they see a kind of event: through BPF, by what "
	     "the kernel leaves behind alone (log, pstore, counters), not at all.");
	for (uint32_t i = 0; i < ask->ring_count; i++)
		write_covered(out, ask->rings[i].policy.name, &ask->coverage[i]);
	head(out, "ringwatch_ring_hosts_in_safe_start", "gauge",
	     "Hosts whose sensor keeps BPF off, because the host died twice soon after it came.");
	for (uint32_t i = 0; i < ask->ring_count; i++)
		whole(out, "ringwatch_ring_hosts_in_safe_start",
		      (struct rw_label[]){{"ring", ask->rings[i].policy.name}}, 1,
		      ask->coverage[i].safe_start);
	head(out, "ringwatch_ring_hosts_with_memory_spool", "gauge",
	     "Hosts that keep events in memory, because their disk does not take them.");
	for (uint32_t i = 0; i < ask->ring_count; i++)
		whole(out, "ringwatch_ring_hosts_with_memory_spool",
		      (struct rw_label[]){{"ring", ask->rings[i].policy.name}}, 1,
		      ask->coverage[i].memory_spool);
}

enum run_figure {
	RUN_VERDICT,
	RUN_BREAKER,
	RUN_EXPOSED,
	RUN_AT_RISK,
	RUN_FAILED,
	RUN_OFFLINE,
	RUN_CRASHED,
	RUN_MODULE_FAILED,
	RUN_LOOPING,
	RUN_CONTROL_FAILED,
	RUN_CERTIFIED,
	RUN_OBSERVED,
	RUN_REQUIRED,
	RUN_FIGURES
};

static const struct {
	const char *name, *help;
} run_figures[RUN_FIGURES] = {
	{"ringwatch_verdict", "The verdict for advancing: 1 proceed, 0 hold, -1 abort."},
	{"ringwatch_breaker_open", "1 while the ring's breaker is open."},
	{"ringwatch_exposed_hosts", "Hosts exposed to the deployment in this ring."},
	{"ringwatch_at_risk_hosts", "Exposed hosts heard at least once since their exposure: n."},
	{"ringwatch_failed_hosts", "Hosts at risk that are offline or have crashed: k."},
	{"ringwatch_failed_offline_hosts", "Hosts at risk that are offline now."},
	{"ringwatch_failed_crashed_hosts", "Hosts at risk that have crashed since their exposure."},
	{"ringwatch_module_failed_hosts",
	 "Hosts at risk on which a module failed to load as it never had there before."},
	{"ringwatch_looping_hosts", "Hosts at risk that crash again and again: not covered."},
	{"ringwatch_control_failed_hosts",
	 "Hosts exposed to nothing that failed since the ring's start or last reset."},
	{"ringwatch_certified",
	 "1 when, with 95 %, no more hosts than the limit fail within a bake."},
	{"ringwatch_bake_observed_seconds", "Observed time of the current step's bake."},
	{"ringwatch_bake_required_seconds", "Time that the current step must bake."},
};

static double run_value(const struct rw_run_summary *run, enum run_figure figure)
{
	switch (figure) {
	case RUN_VERDICT:
		return run->decision == RW_PROCEED ? 1 : run->decision == RW_HOLD ? 0 : -1;
	case RUN_BREAKER:
		return run->breaker_open;
	case RUN_EXPOSED:
		return (double)run->exposed;
	case RUN_AT_RISK:
		return (double)run->at_risk;
	case RUN_FAILED:
		return (double)run->failed;
	case RUN_OFFLINE:
		return (double)run->offline;
	case RUN_CRASHED:
		return (double)run->crashed;
	case RUN_MODULE_FAILED:
		return (double)run->module_failed;
	case RUN_LOOPING:
		return (double)run->looping;
	case RUN_CONTROL_FAILED:
		return (double)run->control_failed;
	case RUN_CERTIFIED:
		return run->certified;
	case RUN_OBSERVED:
		return (double)run->observed_ms / 1000.0;
	case RUN_REQUIRED:
		return (double)run->required_ms / 1000.0;
	case RUN_FIGURES:
		break;
	}
	return 0;
}

static void write_deployments(const struct rw_series_sink *out, const struct rw_snapshot *ask)
{
	for (enum run_figure figure = RUN_VERDICT; figure < RUN_FIGURES; figure++) {
		head(out, run_figures[figure].name, "gauge", run_figures[figure].help);
		for (uint32_t i = 0; i < ask->deployments.count; i++) {
			const struct rw_deployment_view *view = &ask->deployments.views[i];

			for (uint32_t k = 0; k < view->row.ring_count; k++)
				sample(out, run_figures[figure].name,
				       (struct rw_label[]){{"deployment", view->row.id},
							   {"ring", view->runs[k].ring}},
				       2, run_value(&view->runs[k], figure));
		}
	}
}

static void write_reasons(const struct rw_series_sink *out, const struct rw_hub_stats *stats)
{
	head(out, "ringwatch_frames_rejected_total", "counter",
	     "Frames that the validator refused, by reason; each ended its session.");
	for (int i = 1; i < RW_WIRE_ERROR_COUNT; i++)
		whole(out, "ringwatch_frames_rejected_total",
		      (struct rw_label[]){{"reason", rw_wire_error_name((enum rw_wire_error)i)}}, 1,
		      stats->rejected_frames[i]);
	head(out, "ringwatch_rejects_sent_total", "counter",
	     "Sessions refused, by the code that was sent.");
	for (int i = 1; i < 16; i++) {
		const char *name = rw_reject_name((Ringwatch__V1__RejectCode)i);

		if (name != NULL)
			whole(out, "ringwatch_rejects_sent_total",
			      (struct rw_label[]){{"code", name}}, 1, stats->rejects_sent[i]);
	}
}

static void write_sessions(const struct rw_series_sink *out, const struct rw_hub_stats *s)
{
	gauge(out, "ringwatch_sessions", "Authenticated sessions of sensors now.",
	      (double)s->sessions);
	counter(out, "ringwatch_connections_accepted_total", "Connections accepted.", s->accepted);
	counter(out, "ringwatch_connections_closed_total", "Connections closed.", s->closed);
	counter(out, "ringwatch_handshakes_total", "TLS handshakes completed.", s->handshakes_ok);
	counter(out, "ringwatch_handshakes_failed_total", "TLS handshakes refused or broken off.",
		s->handshakes_failed);
	counter(out, "ringwatch_sessions_timed_out_total",
		"Sessions ended because a handshake, a Hello or a frame was not finished in time.",
		s->sessions_timed_out);
	counter(out, "ringwatch_frames_total", "Frames received.", s->frames);
	counter(out, "ringwatch_heartbeats_total", "Heartbeats received.", s->heartbeats);
	counter(out, "ringwatch_events_received_total", "Events received, without duplicates.",
		s->events_received);
	counter(out, "ringwatch_events_duplicate_total", "Events received again and dropped.",
		s->events_duplicate);
	counter(out, "ringwatch_events_over_quota_total",
		"Events beyond a host's quota: counted, not kept.", s->events_over_quota);
	counter(out, "ringwatch_signatures_over_quota_total",
		"Events whose signature was one too many for their host's day: counted, not kept.",
		s->store.signatures_over_quota);
}

struct outcome {
	const char *name;
	uint64_t count;
};

static void outcomes(const struct rw_series_sink *out, const char *name, const char *help,
		     size_t count, const struct outcome *list)
{
	head(out, name, "counter", help);
	for (size_t i = 0; i < count; i++)
		whole(out, name, (struct rw_label[]){{"result", list[i].name}}, 1, list[i].count);
}

static void write_excerpts(const struct rw_series_sink *out, const struct rw_hub_stats *s)
{
	const struct outcome results[] = {{"kept", s->store.excerpts_kept},
					  {"no_event", s->store.excerpts_unmatched},
					  {"over_quota", s->store.excerpts_over_quota}};

	counter(out, "ringwatch_excerpts_received_total",
		"Log excerpts that came behind their events.", s->excerpts_received);
	outcomes(out, "ringwatch_excerpts_total",
		 "Log excerpts by what became of them: kept with their event; dropped because that "
		 "is not there or has one; dropped because they were too many.",
		 sizeof(results) / sizeof(results[0]), results);
}

static void write_gasps(const struct rw_series_sink *out, const struct rw_gasp_stats *s)
{
	const struct outcome datagrams[] = {{"accepted", s->accepted},
					    {"limited_source", s->limited_source},
					    {"limited_all", s->limited_all},
					    {"unparsable", s->unparsable}};
	const struct outcome gasps[] = {
		{"verified", s->verified}, {"unverified", s->unverified}, {"forged", s->forged}};
	const struct outcome challenges[] = {
		{"sent", s->challenged}, {"proved", s->proved}, {"refused", s->nonces_refused}};

	gauge(out, "ringwatch_netconsole_listening", "1 while the netconsole port is open.",
	      s->listening);
	outcomes(out, "ringwatch_netconsole_datagrams_total",
		 "Netconsole datagrams, by what was done with them.",
		 sizeof(datagrams) / sizeof(datagrams[0]), datagrams);
	outcomes(out, "ringwatch_gasps_total",
		 "Lines of a dying kernel: of a source that proved to be a host's, of others, and "
		 "those that user space wrote.",
		 sizeof(gasps) / sizeof(gasps[0]), gasps);
	counter(out, "ringwatch_gasps_acted_total",
		"Verified gasps on which a host became suspect.", s->acted);
	outcomes(out, "ringwatch_netconsole_challenges_total",
		 "Challenges that bind a source to a host: sent, come back, and nonces that were "
		 "none of ours, used or late.",
		 sizeof(challenges) / sizeof(challenges[0]), challenges);
	gauge(out, "ringwatch_netconsole_hosts_armed",
	      "Hosts with a session that say their netconsole is armed.", (double)s->hosts_armed);
	gauge(out, "ringwatch_netconsole_hosts_proved", "Hosts whose source stands proved.",
	      (double)s->hosts_proved);
	gauge(out, "ringwatch_netconsole_sources", "Sources that are remembered without proof.",
	      (double)s->sources);
}

static void write_webhooks(const struct rw_series_sink *out, const struct rw_webhook_status *s)
{
	static const char total[] = "ringwatch_webhook_deliveries_total";
	static const char pending[] = "ringwatch_webhook_pending";
	static const char dead[] = "ringwatch_webhook_dead";

	head(out, total, "counter",
	     "Attempts to tell a webhook: delivered, failed and made again, or given up.");
	for (uint32_t i = 0; i < s->count; i++) {
		const struct rw_webhook_stats *t = &s->targets[i];
		const struct {
			const char *name;
			uint64_t count;
		} outcomes[] = {
			{"delivered", t->delivered}, {"failed", t->failed}, {"dead", t->died}};

		for (size_t j = 0; j < sizeof(outcomes) / sizeof(outcomes[0]); j++)
			whole(out, total,
			      (struct rw_label[]){{"target", t->target},
						  {"outcome", outcomes[j].name}},
			      2, outcomes[j].count);
	}
	head(out, pending, "gauge", "Deliveries to a webhook that are still to be made.");
	for (uint32_t i = 0; i < s->count; i++)
		whole(out, pending, (struct rw_label[]){{"target", s->targets[i].target}}, 1,
		      s->targets[i].pending);
	head(out, dead, "gauge",
	     "Deliveries to a webhook that were given up and are kept: dead letters.");
	for (uint32_t i = 0; i < s->count; i++)
		whole(out, dead, (struct rw_label[]){{"target", s->targets[i].target}}, 1,
		      s->targets[i].dead);
}

static void write_commits(const struct rw_series_sink *out, const struct rw_store_stats *s)
{
	static const char *const bounds[RW_STORE_LATENCY_BUCKETS] = {
		"0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf"};
	uint64_t below = 0;

	head(out, "ringwatch_store_commit_seconds", "histogram",
	     "How long transactions took to be on disk.");
	for (size_t i = 0; i < RW_STORE_LATENCY_BUCKETS; i++) {
		below += s->commits_within[i];
		whole(out, "ringwatch_store_commit_seconds_bucket",
		      (struct rw_label[]){{"le", bounds[i]}}, 1, below);
	}
	sample(out, "ringwatch_store_commit_seconds_sum", NULL, 0, (double)s->commit_us / 1e6);
	whole(out, "ringwatch_store_commit_seconds_count", NULL, 0, below);
}

static void write_collector(const struct rw_series_sink *out, const struct rw_snapshot *ask)
{
	const struct rw_hub_stats *s = &ask->stats;
	char wire_schema[16];

	snprintf(wire_schema, sizeof(wire_schema), "%d", RW_WIRE_SCHEMA);
	head(out, "ringwatch_build_info", "gauge", "The collector's version; always 1.");
	whole(out, "ringwatch_build_info",
	      (struct rw_label[]){{"version", RW_VERSION}, {"wire_schema", wire_schema}}, 2, 1);
	gauge(out, "ringwatch_start_time_seconds", "When the collector started, Unix time.",
	      (double)s->started_wall_ms / 1000.0);
	gauge(out, "ringwatch_ready",
	      "1 when past its first offline_after with a store that works.", s->ready);
	gauge(out, "ringwatch_blind", "1 while verdicts hold because the collector cannot see.",
	      ask->blind);
	gauge(out, "ringwatch_loop_lag_seconds",
	      "Worst lateness of the loop's tick in the last minute.",
	      (double)s->loop_lag_us_max / 1e6);
	gauge(out, "ringwatch_store_failed", "1 while the store does not take writes.",
	      s->store_failed);
	gauge(out, "ringwatch_store_queue", "Operations waiting for the store's writer.",
	      (double)s->store.queued);
	counter(out, "ringwatch_store_operations_total", "Operations committed.",
		s->store.committed);
	counter(out, "ringwatch_store_commits_total", "Transactions committed.", s->store.commits);
	counter(out, "ringwatch_store_failures_total", "Transactions that failed.",
		s->store.failures);
	gauge(out, "ringwatch_store_last_commit_seconds", "How long the last commit took.",
	      (double)s->store.last_commit_us / 1e6);
	write_commits(out, &s->store);
}

/* ---- of the HTTP server ---------------------------------------------------------- */

static void write_durations(const struct rw_series_sink *out, const struct rw_traffic_stats *s,
			    enum rw_traffic_route route)
{
	const char *name = rw_traffic_route_name(route);
	uint64_t below = 0;

	for (unsigned i = 0; i < RW_TRAFFIC_BUCKETS; i++) {
		below += s->within[route][i];
		whole(out, "ringwatch_http_request_seconds_bucket",
		      (struct rw_label[]){{"route", name}, {"le", rw_traffic_bounds[i]}}, 2, below);
	}
	sample(out, "ringwatch_http_request_seconds_sum", (struct rw_label[]){{"route", name}}, 1,
	       (double)s->taken_us[route] / 1e6);
	whole(out, "ringwatch_http_request_seconds_count", (struct rw_label[]){{"route", name}}, 1,
	      below);
}

static void write_traffic(const struct rw_series_sink *out, const struct rw_traffic_stats *s)
{
	static const char *const classes[RW_TRAFFIC_CLASSES] = {"2xx", "3xx", "4xx", "5xx"};

	head(out, "ringwatch_http_requests_total", "counter",
	     "HTTP requests answered, by what they were for and the class of the status.");
	for (int r = 0; r < RW_TRAFFIC_ROUTES; r++) {
		const char *name = rw_traffic_route_name((enum rw_traffic_route)r);

		for (unsigned i = 0; i < RW_TRAFFIC_CLASSES; i++)
			whole(out, "ringwatch_http_requests_total",
			      (struct rw_label[]){{"route", name}, {"status", classes[i]}}, 2,
			      s->answers[r][i]);
	}
	head(out, "ringwatch_http_request_seconds", "histogram",
	     "From a request's head to its answer: waits for body, loop and disk included.");
	for (int r = 0; r < RW_TRAFFIC_ROUTES; r++)
		write_durations(out, s, (enum rw_traffic_route)r);
	head(out, "ringwatch_http_requests_refused_total", "counter",
	     "HTTP requests answered with an error, by its code.");
	for (unsigned i = 0; i < RW_TRAFFIC_REASONS; i++)
		whole(out, "ringwatch_http_requests_refused_total",
		      (struct rw_label[]){{"reason", rw_traffic_reason(i)}}, 1, s->refused[i]);
}

static void write_http_connections(const struct rw_series_sink *out, const struct rw_snapshot *ask)
{
	const uint64_t *count = ask->traffic.connections;
	const struct {
		const char *reason;
		uint64_t count;
	} cut[] = {{"made_room", ask->deadlines.made_room},
		   {"too_slow", ask->deadlines.too_slow},
		   {"unserved", count[RW_TRAFFIC_UNSERVED]}};

	gauge(out, "ringwatch_http_connections", "HTTP connections now.",
	      (double)(count[RW_TRAFFIC_OPENED] - count[RW_TRAFFIC_CLOSED]));
	counter(out, "ringwatch_http_connections_accepted_total", "HTTP connections accepted.",
		count[RW_TRAFFIC_OPENED]);
	head(out, "ringwatch_http_connections_cut_total", "counter",
	     "HTTP connections that the collector shut down: idle for longest when one more came; "
	     "a request that took too long; no memory or no TLS session for it.");
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++)
		whole(out, "ringwatch_http_connections_cut_total",
		      (struct rw_label[]){{"reason", cut[i].reason}}, 1, cut[i].count);
}

static void write_streams(const struct rw_series_sink *out, const struct rw_feed_stats *s)
{
	gauge(out, "ringwatch_http_streams", "Streams of /v1/stream open now.", s->listeners);
	head(out, "ringwatch_http_streams_ended_total", "counter",
	     "Streams that ended: the listener left; it was too slow; more happened than a stream "
	     "carries; its token was revoked; no memory.");
	for (int i = 0; i < RW_FEED_ENDS; i++)
		whole(out, "ringwatch_http_streams_ended_total",
		      (struct rw_label[]){{"reason", rw_feed_end_name((enum rw_feed_end)i)}}, 1,
		      s->ended[i]);
}

void rw_series_list(const struct rw_snapshot *ask, const struct rw_series_sink *out)
{
	write_collector(out, ask);
	write_sessions(out, &ask->stats);
	write_excerpts(out, &ask->stats);
	write_gasps(out, &ask->gasps);
	write_reasons(out, &ask->stats);
	write_webhooks(out, &ask->webhooks);
	write_traffic(out, &ask->traffic);
	write_http_connections(out, ask);
	write_streams(out, &ask->feed);
	write_rings(out, ask);
	write_coverage(out, ask);
	write_deployments(out, ask);
}

struct rw_snapshot *rw_snapshot_take(struct rw_request *request)
{
	struct rw_snapshot *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return NULL;
	}
	ask->hub = request->api->hub;
	rw_traffic_read(&request->api->traffic, &ask->traffic);
	rw_deadlines_read(request->api->deadlines, &ask->deadlines);
	rw_feed_read(request->api->feed, &ask->feed);
	if (rw_ask_loop(request, ask_metrics, ask) &&
	    rw_take_deployments(request, true, &ask->deployments))
		return ask;
	rw_snapshot_free(ask);
	return NULL;
}

void rw_snapshot_free(struct rw_snapshot *snapshot)
{
	if (snapshot != NULL)
		free(snapshot->deployments.views);
	free(snapshot);
}

bool rw_snapshot_take_health(struct rw_request *request, struct rw_snapshot *out)
{
	*out = (struct rw_snapshot){.hub = request->api->hub};
	return rw_ask_loop(request, ask_health, out);
}
