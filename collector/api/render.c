/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of the core's and the store's rows as JSON; docs/api.md has the shapes.
 * Every documented field is always there.
 */
#include "collector/api/internal.h"

#include <string.h>

#include "lib/clock.h"
#include "proto/bootid.h"

enum { HOUR_MS = 60 * 60 * 1000 };

json_t *rw_json_time(uint64_t wall_ms)
{
	char text[RW_TIME_TEXT_BYTES];

	return json_string(rw_clock_format_wall(wall_ms, text));
}

json_t *rw_json_ppm(uint32_t ppm)
{
	return json_real((double)ppm / RW_PPM);
}

static json_int_t as_int(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (json_int_t)value;
}

json_t *rw_json_count(uint64_t value)
{
	return json_integer(as_int(value));
}

static double ratio(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0.0 : (double)part / (double)whole;
}

json_t *rw_render_reasons(const enum rw_reason *reasons, uint32_t count)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(rw_reason_name(reasons[i])));
	return list;
}

static json_t *render_warnings(const struct rw_verdict *v)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < v->warning_count; i++)
		json_array_append_new(list, json_string(rw_warning_name(v->warnings[i])));
	return list;
}

static json_t *render_breaker(const struct rw_verdict *v)
{
	json_t *evidence = json_array();

	for (uint32_t i = 0; i < v->evidence_count; i++) {
		const struct rw_evidence_row *e = &v->evidence[i];

		json_array_append_new(evidence,
				      json_pack("{s:s, s:s, s:s, s:s, s:o}", "host", e->host,
						"event", e->event, "kind", e->kind, "signature",
						e->signature, "at", rw_json_time(e->at_wall_ms)));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "state",
			 v->breaker_open ? "open" : "closed", "grade", rw_grade_name(v->grade),
			 "rule", rw_rule_name(v->rule), "proof", rw_proof_name(v->proof),
			 "opened_at", rw_json_time(v->opened_wall_ms), "evidence", evidence);
}

static json_t *render_bake(const struct rw_verdict *v)
{
	uint64_t remaining_ms =
		v->required_ms > v->observed_ms ? v->required_ms - v->observed_ms : 0;

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "state",
			 rw_bake_state_name(v->bake), "step", (json_int_t)v->step, "steps",
			 (json_int_t)v->steps, "required_seconds", as_int(v->required_ms / 1000),
			 "observed_seconds", as_int(v->observed_ms / 1000), "remaining_seconds",
			 as_int((remaining_ms + 999) / 1000), "started_at",
			 rw_json_time(v->started_wall_ms));
}

static json_t *render_presence(uint64_t enrolled, const uint64_t presence[RW_PRESENCE_COUNT])
{
	json_t *hosts = json_pack("{s:I}", "enrolled", as_int(enrolled));
	static const enum rw_presence order[] = {RW_ONLINE,  RW_SUSPECT, RW_OFFLINE,
						 RW_PLANNED, RW_ABSENT,  RW_UNKNOWN};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		json_object_set_new(hosts, rw_presence_name(order[i]),
				    rw_json_count(presence[order[i]]));
	return hosts;
}

static json_t *render_verdict_hosts(const struct rw_verdict *v)
{
	json_t *hosts = render_presence(v->enrolled, v->presence);

	json_object_set_new(hosts, "exposed", rw_json_count(v->exposed));
	json_object_set_new(hosts, "unheard", rw_json_count(v->unheard));
	json_object_set_new(hosts, "looping", rw_json_count(v->looping));
	return hosts;
}

static json_t *render_failed(const struct rw_verdict *v)
{
	return json_pack("{s:I, s:I, s:f, s:o, s:f, s:f, s:I, s:b, s:I, s:I, s:I, s:I}", "hosts",
			 as_int(v->at_risk), "count", as_int(v->failed), "ratio",
			 ratio(v->failed, v->at_risk), "limit", rw_json_ppm(v->limit_ppm),
			 "lower95", v->lower95, "upper95", v->upper95, "observed_full",
			 as_int(v->observed_full), "certified", v->certified, "offline",
			 as_int(v->offline), "crashed", as_int(v->crashed), "module_failed",
			 as_int(v->module_failed), "recovered", as_int(v->recovered));
}

static json_t *render_control(const struct rw_verdict *v)
{
	return json_pack("{s:I, s:I, s:f, s:f}", "hosts", as_int(v->control_hosts), "failed",
			 as_int(v->control_failed), "host_hours",
			 (double)v->control_host_ms / HOUR_MS, "p", v->p);
}

static json_t *render_noise(const struct rw_verdict *v)
{
	return json_pack("{s:f, s:f, s:f}", "expected_natural", v->expected_natural,
			 "false_trip_probability", v->false_trip, "detection_power",
			 v->detection_power);
}

json_t *rw_render_verdict(const struct rw_verdict *v)
{
	double coverage = v->exposed == 0 ? 1.0 : ratio(v->covered, v->exposed);
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "deployment", v->deployment,
		"ring", v->ring, "for", v->question == RW_FOR_ENTER ? "enter" : "advance",
		"verdict", rw_decision_name(v->decision), "reasons",
		rw_render_reasons(v->reasons, v->reason_count), "warnings", render_warnings(v),
		"breaker", render_breaker(v), "bake", render_bake(v), "hosts",
		render_verdict_hosts(v), "failed", render_failed(v));
	json_t *rest = json_pack("{s:o, s:o, s:{s:f, s:o}, s:I, s:o, s:o}", "control",
				 render_control(v), "noise", render_noise(v), "coverage", "ratio",
				 coverage, "minimum", rw_json_ppm(v->min_coverage_ppm),
				 "max_exposed_hosts", as_int(v->max_exposed_hosts),
				 "last_proved_at", rw_json_time(v->proved_wall_ms), "evaluated_at",
				 rw_json_time(v->evaluated_wall_ms));

	if (json == NULL || rest == NULL || json_object_update(json, rest) != 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(rest);
	return json;
}

static json_t *render_limit(const struct rw_limit *limit)
{
	return limit->judged ? rw_json_ppm(limit->ppm) : json_integer(-1);
}

static json_t *render_crash_kinds(uint32_t mask)
{
	json_t *list = json_array();

	for (uint32_t kind = 0; kind < 32; kind++) {
		const char *name = rw_kind_name((Ringwatch__V1__Kind)kind);

		if ((mask & (UINT32_C(1) << kind)) != 0 && name != NULL)
			json_array_append_new(list, json_string(name));
	}
	return list;
}

/* A kind that no host has spoken of has no row. */
static json_t *render_ring_coverage(const struct rw_ring_coverage *coverage)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < RW_RING_COVERAGE_KINDS; i++) {
		const struct rw_kind_coverage *kind = &coverage->kinds[i];
		const char *name = rw_kind_name((Ringwatch__V1__Kind)i);
		if (name != NULL && kind->bpf + kind->log + kind->none > 0)
			json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "kind", name,
							      "hosts_bpf", as_int(kind->bpf),
							      "hosts_log", as_int(kind->log),
							      "hosts_blind", as_int(kind->none)));
	}
	return list;
}

json_t *rw_render_ring(const struct rw_ring_view *ring, const struct rw_ring_coverage *coverage,
		       json_t *deployments)
{
	const struct rw_ring_policy *p = &ring->policy;
	json_t *steps = json_array();

	for (uint32_t i = 0; i < p->step_count; i++)
		json_array_append_new(steps, rw_json_ppm(p->step_ppm[i]));
	return json_pack(
		"{s:s, s:I, s:I, s:o, s:o, s:{s:o, s:o, s:o, s:o}, s:I, s:o, s:o, s:s, s:o, s:o, "
		"s:I, "
		"s:I, s:I, s:I, s:o, s:o}",
		"ring", p->name, "order", (json_int_t)p->order, "bake_seconds",
		as_int(p->bake_ms / 1000), "steps", steps, "fleet_share",
		rw_json_ppm(p->fleet_share_ppm), "limits", "offline",
		render_limit(&p->limits[RW_RULE_OFFLINE]), "crashed",
		render_limit(&p->limits[RW_RULE_CRASHED]), "module_failed",
		render_limit(&p->limits[RW_RULE_MODULE_FAILED]), "failed",
		render_limit(&p->limits[RW_RULE_FAILED]), "least_hosts", (json_int_t)p->least_hosts,
		"min_coverage", rw_json_ppm(p->min_coverage_ppm), "min_exposed",
		rw_json_ppm(p->min_exposed_ppm), "open_on",
		p->open_on_evidence ? "evidence" : "limit", "crash_kinds",
		render_crash_kinds(p->crash_kinds), "hosts",
		render_presence(ring->enrolled, ring->presence), "fleet_hosts", as_int(ring->fleet),
		"heard_hosts", as_int(coverage->hosts), "safe_start_hosts",
		as_int(coverage->safe_start), "memory_spool_hosts", as_int(coverage->memory_spool),
		"coverage", render_ring_coverage(coverage), "deployments", deployments);
}

json_t *rw_render_host(const struct rw_host_row *host, const struct rw_host_marks *marks)
{
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	bool away = host->presence == RW_PLANNED || host->presence == RW_ABSENT;
	const char *spool = marks->memory_spool ? "memory" : marks->known ? "disk" : "unknown";

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:I, s:s, s:b, s:b, s:b, s:{s:s, s:s}}",
		"host", host->id, "ring", host->ring, "state", rw_presence_name(host->presence),
		"since", rw_json_time(host->since_wall_ms), "last_heard",
		rw_json_time(host->heard_wall_ms), "back_by", rw_json_time(host->back_by_wall_ms),
		"boot_id", rw_boot_id_format(host->boot_id, boot_id), "boot_order",
		as_int(host->boot_order), "goodbye",
		away ? rw_core_goodbye_name(host->goodbye) : "", "excluded", host->excluded,
		"unregistered", host->unregistered, "safe_start", marks->safe_start, "spool",
		"state", spool, "reason", marks->spool_reason);
}

static json_t *render_run(const struct rw_run_summary *run)
{
	return json_pack("{s:s, s:I, s:I, s:o, s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}",
			 "ring", run->ring, "step", (json_int_t)run->step, "steps",
			 (json_int_t)run->steps, "started_at", rw_json_time(run->started_wall_ms),
			 "verdict", rw_decision_name(run->decision), "reasons",
			 rw_render_reasons(run->reasons, run->reason_count), "breaker",
			 run->breaker_open ? "open" : "closed", "rule", rw_rule_name(run->rule),
			 "bake", rw_bake_state_name(run->bake), "observed_seconds",
			 as_int(run->observed_ms / 1000), "required_seconds",
			 as_int(run->required_ms / 1000), "exposed", as_int(run->exposed),
			 "at_risk", as_int(run->at_risk), "failed", as_int(run->failed));
}

json_t *rw_render_deployment(const struct rw_deployment_view *view)
{
	const struct rw_deployment_row *row = &view->row;
	json_t *rings = json_array();

	for (uint32_t i = 0; i < row->ring_count; i++)
		json_array_append_new(rings, render_run(&view->runs[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "deployment",
			 row->id, "component", row->component, "version", row->version, "exposure",
			 rw_exposure_mode_name(row->exposure), "match",
			 row->match[0] == '\0' ? "none" : row->match, "state",
			 rw_deployment_state_name(row->state), "created_at",
			 rw_json_time(row->created_wall_ms), "ended_at",
			 rw_json_time(row->ended_wall_ms), "reason", row->reason, "rings", rings);
}

static json_t *render_stack(const char *stack)
{
	json_t *frames = json_array();

	while (*stack != '\0') {
		size_t length = strcspn(stack, "\n");

		json_array_append_new(frames, json_stringn(stack, length));
		stack += length + (stack[length] == '\n');
	}
	return frames;
}

/* As the store has written them; an empty object when that cannot be read. */
static json_t *render_facts(const char *facts)
{
	json_t *object = json_loads(facts, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(object))
		return object;
	json_decref(object);
	return json_object();
}

json_t *rw_render_event(const struct rw_event_row *e)
{
	json_int_t cpu = e->cpu == UINT32_MAX ? -1 : (json_int_t)e->cpu;
	json_t *json =
		json_pack("{s:I, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "id",
			  as_int(e->row_id), "at", rw_json_time(e->at_wall_ms), "received_at",
			  rw_json_time(e->received_wall_ms), "host", e->host, "ring", e->ring,
			  "kind", e->kind, "severity", e->severity, "source", e->source,
			  "signature", e->signature, "symbol", e->symbol, "module", e->module,
			  "error", (int)e->error, "detail", e->detail);
	json_t *rest = json_pack(
		"{s:o, s:s, s:I, s:I, s:s, s:I, s:f, s:I, s:I, s:o, s:o, s:b}", "event",
		json_sprintf("%s/%s/%llu", e->host, e->spool_id, (unsigned long long)e->sequence),
		"comm", e->comm, "pid", (json_int_t)e->pid, "cpu", cpu, "boot_id", e->boot_id,
		"boot_order", as_int(e->boot_order), "boot_seconds", (double)e->boot_ms / 1000.0,
		"sequence", as_int(e->sequence), "count", (json_int_t)e->count, "stack",
		render_stack(e->stack), "facts", render_facts(e->facts), "has_log", e->has_log);

	if (json == NULL || rest == NULL || json_object_update(json, rest) != 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(rest);
	return json;
}

bool rw_view_deployment(const struct rw_core *core, uint32_t index, struct rw_now now,
			struct rw_verdict *scratch, struct rw_deployment_view *out)
{
	if (!rw_core_deployment_at(core, index, &out->row))
		return false;
	for (uint32_t i = 0; i < out->row.ring_count; i++) {
		struct rw_run_summary *run = &out->runs[i];

		rw_core_verdict(core, out->row.id, out->row.rings[i], RW_FOR_ADVANCE, now, scratch);
		bool own = scratch->breaker_open && strcmp(scratch->open_ring, scratch->ring) == 0;
		*run = (struct rw_run_summary){
			.step = scratch->step,
			.steps = scratch->steps,
			.started_wall_ms = scratch->started_wall_ms,
			.decision = scratch->decision,
			.reason_count = scratch->reason_count,
			.breaker_open = own,
			.rule = own ? scratch->rule : RW_RULE_NONE,
			.bake = scratch->bake,
			.observed_ms = scratch->observed_ms,
			.required_ms = scratch->required_ms,
			.exposed = scratch->exposed,
			.at_risk = scratch->at_risk,
			.failed = scratch->failed,
			.offline = scratch->offline,
			.crashed = scratch->crashed,
			.module_failed = scratch->module_failed,
			.looping = scratch->looping,
			.control_failed = scratch->control_failed,
			.certified = scratch->certified,
		};
		memcpy(run->ring, out->row.rings[i], sizeof(run->ring));
		memcpy(run->reasons, scratch->reasons, sizeof(run->reasons));
	}
	return true;
}
