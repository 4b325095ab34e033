/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics in Prometheus' text format 0.0.4, and the two health paths. Series
 * per ring and per deployment, never per host. Label values are names, which
 * need no escaping, and constants of ours.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "collector/ingest/gasps.h"
#include "lib/cleanup.h"
#include "lib/version.h"

struct metrics_ask {
	struct rw_hub *hub;
	struct rw_hub_stats stats;
	struct rw_gasp_stats gasps;
	bool blind;
	char blind_reason[32];
	uint32_t ring_count;
	struct rw_ring_view rings[RW_CORE_RINGS_MAX];
	struct rw_ring_coverage coverage[RW_CORE_RINGS_MAX];
	struct rw_deployment_list deployments; /* that have not ended */
};

static void ask_health(struct rw_core *core, struct rw_now now, void *context)
{
	struct metrics_ask *ask = context;
	const char *reason = rw_core_blind_reason(core, now);

	rw_hub_stats(ask->hub, &ask->stats);
	ask->blind = reason != NULL;
	snprintf(ask->blind_reason, sizeof(ask->blind_reason), "%s", reason == NULL ? "" : reason);
}

static void ask_metrics(struct rw_core *core, struct rw_now now, void *context)
{
	struct metrics_ask *ask = context;

	ask_health(core, now, context);
	ask->gasps = *rw_gasps_stats(rw_hub_gasps(ask->hub));
	ask->ring_count = rw_core_ring_count(core);
	for (uint32_t i = 0; i < ask->ring_count; i++) {
		rw_core_ring_at(core, i, &ask->rings[i]);
		rw_hub_ring_coverage(ask->hub, i, &ask->coverage[i]);
	}
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", help);
	fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
	head(out, name, "gauge", help);
	fprintf(out, "%s %.17g\n", name, value);
}

static void write_rings(FILE *out, const struct metrics_ask *ask)
{
	head(out, "ringwatch_ring_hosts", "gauge",
	     "Hosts of the ring by presence; all but the retired are enrolled.");
	for (uint32_t i = 0; i < ask->ring_count; i++) {
		for (int p = 0; p < RW_PRESENCE_COUNT; p++)
			fprintf(out, "ringwatch_ring_hosts{ring=\"%s\",state=\"%s\"} %" PRIu64 "\n",
				ask->rings[i].policy.name, rw_presence_name((enum rw_presence)p),
				ask->rings[i].presence[p]);
	}
}

static void write_covered(FILE *out, const char *ring, const struct rw_ring_coverage *coverage)
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
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			fprintf(out, "%s{ring=\"%s\",kind=\"%s\",by=\"%s\"} %" PRIu64 "\n", name,
				ring, kind, ways[i].by, ways[i].hosts);
	}
}

static void write_coverage(FILE *out, const struct metrics_ask *ask)
{
	head(out, "ringwatch_ring_hosts_covered", "gauge",
	     "Hosts heard since the start by how they see a kind of event: through BPF, by what "
	     "the kernel leaves behind alone (log, pstore, counters), not at all.");
	for (uint32_t i = 0; i < ask->ring_count; i++)
		write_covered(out, ask->rings[i].policy.name, &ask->coverage[i]);
	head(out, "ringwatch_ring_hosts_in_safe_start", "gauge",
	     "Hosts whose sensor keeps BPF off, because the host died twice soon after it came.");
	for (uint32_t i = 0; i < ask->ring_count; i++)
		fprintf(out, "ringwatch_ring_hosts_in_safe_start{ring=\"%s\"} %" PRIu64 "\n",
			ask->rings[i].policy.name, ask->coverage[i].safe_start);
	head(out, "ringwatch_ring_hosts_with_memory_spool", "gauge",
	     "Hosts that keep events in memory, because their disk does not take them.");
	for (uint32_t i = 0; i < ask->ring_count; i++)
		fprintf(out, "ringwatch_ring_hosts_with_memory_spool{ring=\"%s\"} %" PRIu64 "\n",
			ask->rings[i].policy.name, ask->coverage[i].memory_spool);
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

static void write_deployments(FILE *out, const struct metrics_ask *ask)
{
	for (enum run_figure figure = RUN_VERDICT; figure < RUN_FIGURES; figure++) {
		head(out, run_figures[figure].name, "gauge", run_figures[figure].help);
		for (uint32_t i = 0; i < ask->deployments.count; i++) {
			const struct rw_deployment_view *view = &ask->deployments.views[i];

			for (uint32_t k = 0; k < view->row.ring_count; k++)
				fprintf(out, "%s{deployment=\"%s\",ring=\"%s\"} %.17g\n",
					run_figures[figure].name, view->row.id, view->runs[k].ring,
					run_value(&view->runs[k], figure));
		}
	}
}

static void write_reasons(FILE *out, const struct rw_hub_stats *stats)
{
	head(out, "ringwatch_frames_rejected_total", "counter",
	     "Frames that the validator refused, by reason; each ended its session.");
	for (int i = 1; i < RW_WIRE_ERROR_COUNT; i++)
		fprintf(out, "ringwatch_frames_rejected_total{reason=\"%s\"} %" PRIu64 "\n",
			rw_wire_error_name((enum rw_wire_error)i), stats->rejected_frames[i]);
	head(out, "ringwatch_rejects_sent_total", "counter",
	     "Sessions refused, by the code that was sent.");
	for (int i = 1; i < 16; i++) {
		const char *name = rw_reject_name((Ringwatch__V1__RejectCode)i);

		if (name != NULL)
			fprintf(out, "ringwatch_rejects_sent_total{code=\"%s\"} %" PRIu64 "\n",
				name, stats->rejects_sent[i]);
	}
}

static void write_sessions(FILE *out, const struct rw_hub_stats *s)
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

static void outcomes(FILE *out, const char *name, const char *help, size_t count,
		     const struct outcome *list)
{
	head(out, name, "counter", help);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s{result=\"%s\"} %" PRIu64 "\n", name, list[i].name, list[i].count);
}

static void write_excerpts(FILE *out, const struct rw_hub_stats *s)
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

static void write_gasps(FILE *out, const struct rw_gasp_stats *s)
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

static void write_collector(FILE *out, const struct metrics_ask *ask)
{
	const struct rw_hub_stats *s = &ask->stats;

	head(out, "ringwatch_build_info", "gauge", "The collector's version; always 1.");
	fprintf(out, "ringwatch_build_info{version=\"" RW_VERSION "\",wire_schema=\"%d\"} 1\n",
		RW_WIRE_SCHEMA);
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
}

static void write_all(FILE *out, const struct metrics_ask *ask)
{
	write_collector(out, ask);
	write_sessions(out, &ask->stats);
	write_excerpts(out, &ask->stats);
	write_gasps(out, &ask->gasps);
	write_reasons(out, &ask->stats);
	write_rings(out, ask);
	write_coverage(out, ask);
	write_deployments(out, ask);
}

static void answer_metrics(struct rw_request *request, const struct metrics_ask *ask)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	write_all(out, ask);
	bool whole = ferror(out) == 0;
	if (fclose(out) == 0 && whole) {
		rw_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text,
			       length);
		return;
	}
	free(text);
	rw_answer(request, 500, NULL);
}

void rw_get_metrics(struct rw_request *request)
{
	rw_autofree struct metrics_ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	ask->hub = request->api->hub;
	if (!rw_ask_loop(request, ask_metrics, ask))
		return;
	if (rw_take_deployments(request, true, &ask->deployments))
		answer_metrics(request, ask);
	free(ask->deployments.views);
}

/* ---- health ------------------------------------------------------------------------------ */

void rw_get_healthz(struct rw_request *request)
{
	struct metrics_ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	ask->hub = request->api->hub;
	if (rw_ask_loop(request, ask_health, ask))
		rw_answer(request, 200, json_pack("{s:s}", "status", "ok"));
	free(ask);
}

/* Beside the error's shape also what the 200 says, so that one reader does for both. */
static void answer_not_ready(struct rw_request *request, const char *reason)
{
	rw_answer(request, 503,
		  json_pack("{s:s, s:s, s:{s:s, s:s}}", "status", "not_ready", "reason", reason,
			    "error", "code", "unavailable", "message",
			    "the collector is not ready: verdicts hold"));
}

void rw_get_readyz(struct rw_request *request)
{
	struct metrics_ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return;
	}
	ask->hub = request->api->hub;
	if (rw_ask_loop(request, ask_health, ask)) {
		if (ask->stats.store_failed)
			answer_not_ready(request, "store_failed");
		else if (ask->blind)
			answer_not_ready(request, ask->blind_reason);
		else if (!ask->stats.ready)
			answer_not_ready(request, "listening");
		else
			rw_answer(request, 200, json_pack("{s:s}", "status", "ready"));
	}
	free(ask);
}

void rw_get_root(struct rw_request *request)
{
	rw_answer(request, 200,
		  json_pack("{s:s, s:s, s:s, s:[s,s,s,s,s,s,s,s,s,s]}", "service",
			    "ringwatch-collector", "collector", request->api->name, "version",
			    RW_VERSION, "paths", "/v1/verdict", "/v1/rings", "/v1/hosts",
			    "/v1/events", "/v1/gasps", "/v1/deployments", "/v1/audit", "/metrics",
			    "/healthz", "/readyz"));
}
