/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core with a fleet beside it, a clock that moves only when told to, and a
 * journal in memory that can restart the core as a store would.
 */
#ifndef RINGWATCH_TESTS_CORE_FIXTURE_H
#define RINGWATCH_TESTS_CORE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/core/internal.h"

enum { KIND_OOPS = 1, KIND_PANIC = 2, KIND_WARNING = 3, KIND_HARD_LOCKUP = 8 };
enum { FX_HOSTS_MAX = 4096, FX_BAKE_MS = 60 * 1000 };
#define FX_CRASH_KINDS                                                                             \
	(1u << KIND_OOPS | 1u << KIND_PANIC | 1u << KIND_HARD_LOCKUP |                             \
	 1u << RW_CORE_KIND_UNEXPECTED_REBOOT)
#define FX_UNUSED __attribute__((unused)) static

struct fx_host {
	bool beats;         /* sends heartbeats in fx_run */
	uint32_t boot;      /* order of its boot; the id is made of it */
	uint64_t booted_ms; /* on the collector's clock */
};

struct fixture {
	struct rw_core *core;
	struct rw_policy policy;
	struct rw_now now;
	struct rw_change *journal;
	size_t journal_count, journal_room;
	uint64_t sequence;
	uint64_t refuse_from; /* the sink takes no change from this many on; 0 = takes all */
	bool holds_commits;
	uint32_t probes;
	struct fx_host hosts[FX_HOSTS_MAX];
};

/* ---- the sink ------------------------------------------------------------------ */

FX_UNUSED uint64_t fx_take_change(void *context, const struct rw_change *change)
{
	struct fixture *f = context;

	if (f->refuse_from != 0 && f->sequence + 1 >= f->refuse_from)
		return 0;
	if (f->journal_count == f->journal_room) {
		f->journal_room = f->journal_room == 0 ? 256 : f->journal_room * 2;
		f->journal = realloc(f->journal, f->journal_room * sizeof(*f->journal));
		assert_non_null(f->journal);
	}
	f->journal[f->journal_count++] = *change;
	return ++f->sequence;
}

FX_UNUSED void fx_take_probe(void *context, rw_host_handle host)
{
	struct fixture *f = context;

	(void)host;
	f->probes++;
}

/* ---- policies -------------------------------------------------------------------- */

FX_UNUSED struct rw_ring_policy fx_ring(const char *name, uint32_t order)
{
	struct rw_ring_policy ring = {
		.order = order,
		.bake_ms = FX_BAKE_MS,
		.step_count = 1,
		.step_ppm = {RW_PPM},
		.limits = {[RW_RULE_OFFLINE] = {true, 1000},
			   [RW_RULE_CRASHED] = {true, 1000},
			   [RW_RULE_FAILED] = {true, 1000},
			   [RW_RULE_MODULE_FAILED] = {true, 1000}},
		.least_hosts = 1,
		.min_coverage_ppm = 950000,
		.min_exposed_ppm = 900000,
		.crash_kinds = FX_CRASH_KINDS,
	};

	rw_copy_text(ring.name, sizeof(ring.name), name);
	return ring;
}

/* Rings r0, r1, … with the defaults. */
FX_UNUSED struct rw_policy fx_policy(uint32_t rings)
{
	struct rw_policy policy = {.timing = rw_timing_defaults(), .ring_count = rings};

	for (uint32_t i = 0; i < rings; i++) {
		char name[8];

		snprintf(name, sizeof(name), "r%u", i % 100);
		policy.rings[i] = fx_ring(name, i + 1);
	}
	return policy;
}

/* ---- life -------------------------------------------------------------------------- */

FX_UNUSED void fx_new_core(struct fixture *f)
{
	struct rw_core_sink sink = {f, fx_take_change, fx_take_probe, NULL};

	assert_int_equal(rw_core_new(&f->policy, &sink, FX_HOSTS_MAX, f->now, &f->core), 0);
}

FX_UNUSED struct fixture *fx_new(struct rw_policy policy)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->policy = policy;
	f->now = (struct rw_now){1000 * 1000, UINT64_C(1700000000000)};
	fx_new_core(f);
	return f;
}

FX_UNUSED void fx_free(struct fixture *f)
{
	rw_core_free(f->core);
	free(f->journal);
	free(f);
}

FX_UNUSED void fx_check(const struct fixture *f)
{
	const char *fault = rw_core_check(f->core);

	if (fault != NULL)
		fail_msg("%s", fault);
}

/* ---- hosts ---------------------------------------------------------------------------- */

FX_UNUSED const char *fx_name(uint32_t host)
{
	static char names[4][16];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(names[turn], sizeof(names[turn]), "h%u", host);
	return names[turn];
}

FX_UNUSED uint64_t fx_boot_ms(const struct fixture *f, uint32_t host)
{
	return f->now.boot_ms - f->hosts[host].booted_ms;
}

FX_UNUSED struct rw_boot fx_boot(const struct fixture *f, uint32_t host)
{
	struct rw_boot boot = {.order = f->hosts[host].boot, .boot_ms = fx_boot_ms(f, host)};

	memcpy(boot.id, &host, sizeof(host));
	memcpy(boot.id + 8, &f->hosts[host].boot, sizeof(f->hosts[host].boot));
	return boot;
}

FX_UNUSED void fx_hello_end(struct fixture *f, uint32_t host, const char *ring,
			    enum rw_boot_end end)
{
	rw_host_handle handle;

	if (f->hosts[host].boot == 0) {
		f->hosts[host].boot = 10;
		f->hosts[host].booted_ms = f->now.boot_ms - 500000;
	}
	struct rw_boot boot = fx_boot(f, host);
	assert_int_equal(rw_core_hello(f->core, fx_name(host), ring, &boot, end, f->now, &handle),
			 0);
	assert_int_equal(handle, rw_core_host_find(f->core, fx_name(host)));
	f->hosts[host].beats = true;
}

FX_UNUSED void fx_hello(struct fixture *f, uint32_t host, const char *ring)
{
	fx_hello_end(f, host, ring, RW_END_ORDERLY);
}

FX_UNUSED void fx_enrol(struct fixture *f, uint32_t first, uint32_t count, const char *ring)
{
	for (uint32_t i = first; i < first + count; i++)
		fx_hello(f, i, ring);
}

/* A new boot of the host; its Hello is still to come. */
FX_UNUSED void fx_reboots(struct fixture *f, uint32_t host)
{
	f->hosts[host].boot++;
	f->hosts[host].booted_ms = f->now.boot_ms;
}

FX_UNUSED rw_host_handle fx_handle(const struct fixture *f, uint32_t host)
{
	return rw_core_host_find(f->core, fx_name(host));
}

FX_UNUSED void fx_beat(struct fixture *f, uint32_t host)
{
	rw_core_heartbeat(f->core, fx_handle(f, host), fx_boot_ms(f, host), f->now);
}

FX_UNUSED void fx_event_full(struct fixture *f, uint32_t host, uint32_t kind, const char *kind_name,
			     uint64_t order, uint64_t boot_ms, const char *signature,
			     const char *module, int error)
{
	static unsigned sequence;
	char id[64];

	snprintf(id, sizeof(id), "%s/spool/%u", fx_name(host), ++sequence);
	struct rw_core_event event = {
		.kind = kind,
		.kind_name = kind_name,
		.id = id,
		.signature = signature,
		.module = module,
		.error = error,
		.boot_order = order,
		.boot_ms = boot_ms,
	};
	rw_core_event(f->core, fx_handle(f, host), &event, f->now);
}

FX_UNUSED void fx_event_signed(struct fixture *f, uint32_t host, uint32_t kind,
			       const char *kind_name, uint64_t order, uint64_t boot_ms,
			       const char *signature)
{
	fx_event_full(f, host, kind, kind_name, order, boot_ms, signature, "", 0);
}

/* Now; `error` is a negative errno. */
FX_UNUSED void fx_module_failed(struct fixture *f, uint32_t host, const char *module, int error)
{
	fx_event_full(f, host, RW_CORE_KIND_MODULE_LOAD_FAILED, "module_load_failed",
		      f->hosts[host].boot, fx_boot_ms(f, host), "module_load_failed", module,
		      error);
}

/* Each host dies of its own. */
FX_UNUSED void fx_event_at(struct fixture *f, uint32_t host, uint32_t kind, const char *kind_name,
			   uint64_t order, uint64_t boot_ms)
{
	char signature[64];

	snprintf(signature, sizeof(signature), "%s:crash_write+0x%x:bad", kind_name, host);
	fx_event_signed(f, host, kind, kind_name, order, boot_ms, signature);
}

FX_UNUSED void fx_oops(struct fixture *f, uint32_t host)
{
	fx_event_at(f, host, KIND_OOPS, "oops", f->hosts[host].boot, fx_boot_ms(f, host));
}

FX_UNUSED void fx_oops_signed(struct fixture *f, uint32_t host, const char *signature)
{
	fx_event_signed(f, host, KIND_OOPS, "oops", f->hosts[host].boot, fx_boot_ms(f, host),
			signature);
}

/* ---- time --------------------------------------------------------------------------------- */

/* The clock moves and nobody does anything. */
FX_UNUSED void fx_sleep(struct fixture *f, uint64_t ms)
{
	f->now.boot_ms += ms;
	f->now.wall_ms += ms;
}

FX_UNUSED void fx_tick(struct fixture *f)
{
	rw_core_tick(f->core, f->now);
	if (!f->holds_commits)
		rw_core_committed(f->core, f->sequence);
}

/* Ticks for that long; those who beat do so every 5 s. */
FX_UNUSED void fx_run(struct fixture *f, uint64_t ms)
{
	for (uint64_t at = 0; at < ms; at += RW_CORE_TICK_MS) {
		fx_sleep(f, RW_CORE_TICK_MS);
		for (uint32_t i = 0; f->now.boot_ms % 5000 == 0 && i < FX_HOSTS_MAX; i++) {
			if (f->hosts[i].beats)
				fx_beat(f, i);
		}
		fx_tick(f);
	}
}

/* Until the core sees. */
FX_UNUSED void fx_listen(struct fixture *f)
{
	fx_run(f, f->policy.timing.offline_after_ms);
	assert_null(rw_core_blind_reason(f->core, f->now));
}

/* The last row of that type. */
FX_UNUSED const struct rw_change *fx_last(const struct fixture *f, enum rw_change_type type)
{
	for (size_t i = f->journal_count; i > 0; i--) {
		if (f->journal[i - 1].type == type)
			return &f->journal[i - 1];
	}
	fail_msg("no such row was told");
	return NULL;
}

/* ---- asking ---------------------------------------------------------------------------------- */

FX_UNUSED struct rw_verdict *fx_ask(struct fixture *f, const char *deployment, const char *ring,
				    enum rw_question question)
{
	static struct rw_verdict verdict;

	rw_core_verdict(f->core, deployment, ring, question, f->now, &verdict);
	return &verdict;
}

FX_UNUSED struct rw_verdict *fx_verdict(struct fixture *f, const char *deployment, const char *ring)
{
	return fx_ask(f, deployment, ring, RW_FOR_ADVANCE);
}

FX_UNUSED enum rw_presence fx_presence(const struct fixture *f, uint32_t host)
{
	struct rw_host_row row;

	assert_true(rw_core_host_at(f->core, fx_handle(f, host), &row));
	return row.presence;
}

/* "hold: blind bake_incomplete", for comparing in one line. */
FX_UNUSED const char *fx_say(const struct rw_verdict *verdict)
{
	static char text[512];
	size_t used =
		(size_t)snprintf(text, sizeof(text), "%s", rw_decision_name(verdict->decision));

	for (uint32_t i = 0; i < verdict->reason_count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
					 i == 0 ? ": " : " ", rw_reason_name(verdict->reasons[i]));
	return text;
}

/* ---- deployments ----------------------------------------------------------------- */

FX_UNUSED struct rw_deployment_row fx_spec(const char *id, uint32_t rings)
{
	struct rw_deployment_row spec = {.exposure = RW_EXPOSURE_FIXED, .ring_count = rings};

	rw_copy_text(spec.id, sizeof(spec.id), id);
	rw_copy_text(spec.component, sizeof(spec.component), "driver");
	rw_copy_text(spec.version, sizeof(spec.version), "1.2.3");
	for (uint32_t i = 0; i < rings; i++)
		snprintf(spec.rings[i], sizeof(spec.rings[i]), "r%u", i);
	return spec;
}

/* A deployment in r0 … */
FX_UNUSED void fx_create(struct fixture *f, const char *id, uint32_t rings)
{
	struct rw_deployment_row spec = fx_spec(id, rings);

	assert_int_equal(rw_core_deploy_create(f->core, &spec, f->now).status, 0);
}

FX_UNUSED void fx_start(struct fixture *f, const char *id, const char *ring, uint32_t step)
{
	struct rw_act_result result = rw_core_deploy_start(f->core, id, ring, step, f->now);

	if (result.status != 0)
		fail_msg("start: %s", result.message);
}

/* `count` hosts in r0, seen for long enough; deployment d started there, and each heard since. */
FX_UNUSED struct fixture *fx_started(struct rw_policy policy, uint32_t count)
{
	struct fixture *f = fx_new(policy);

	fx_enrol(f, 0, count, "r0");
	fx_listen(f);
	fx_create(f, "d", policy.ring_count);
	fx_start(f, "d", "r0", 1);
	fx_run(f, 5000);
	assert_int_equal(fx_verdict(f, "d", "r0")->at_risk, count);
	return f;
}

/* ---- restart --------------------------------------------------------------------- */

FX_UNUSED bool fx_same_key(const struct rw_change *a, const struct rw_change *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case RW_CHANGE_HOST:
		return strcmp(a->host.id, b->host.id) == 0;
	case RW_CHANGE_DEPLOYMENT:
		return strcmp(a->deployment.id, b->deployment.id) == 0;
	case RW_CHANGE_RUN:
		return strcmp(a->run.deployment, b->run.deployment) == 0 &&
		       strcmp(a->run.ring, b->run.ring) == 0;
	case RW_CHANGE_EXPOSURE:
		return strcmp(a->exposure.deployment, b->exposure.deployment) == 0 &&
		       strcmp(a->exposure.host, b->exposure.host) == 0;
	case RW_CHANGE_TROUBLE:
		return strcmp(a->trouble.host, b->trouble.host) == 0;
	case RW_CHANGE_SIGNATURE:
		return strcmp(a->signature.text, b->signature.text) == 0;
	case RW_CHANGE_SIGHTING:
		return strcmp(a->sighting.deployment, b->sighting.deployment) == 0 &&
		       strcmp(a->sighting.signature, b->sighting.signature) == 0;
	case RW_CHANGE_LIFE:
		return true;
	default:
		return false;
	}
}

FX_UNUSED bool fx_is_of_deployment(const struct rw_change *row, const char *deployment)
{
	switch (row->type) {
	case RW_CHANGE_DEPLOYMENT:
		return strcmp(row->deployment.id, deployment) == 0;
	case RW_CHANGE_RUN:
		return strcmp(row->run.deployment, deployment) == 0;
	case RW_CHANGE_EXPOSURE:
		return strcmp(row->exposure.deployment, deployment) == 0;
	case RW_CHANGE_EVIDENCE:
		return strcmp(row->evidence.deployment, deployment) == 0;
	case RW_CHANGE_SIGHTING:
		return strcmp(row->sighting.deployment, deployment) == 0;
	default:
		return false;
	}
}

FX_UNUSED bool fx_is_superseded(const struct fixture *f, size_t index)
{
	const struct rw_change *row = &f->journal[index];

	for (size_t i = index + 1; i < f->journal_count; i++) {
		const struct rw_change *later = &f->journal[i];

		if (fx_same_key(row, later))
			return true;
		if (row->type == RW_CHANGE_SIGNATURE && later->type == RW_CHANGE_SIGNATURE_GONE &&
		    strcmp(row->signature.text, later->signature.text) == 0)
			return true;
		if (later->type == RW_CHANGE_DEPLOYMENT_GONE &&
		    fx_is_of_deployment(row, later->deployment.id))
			return true;
		if (row->type == RW_CHANGE_EVIDENCE && later->type == RW_CHANGE_EVIDENCE_CLEARED &&
		    strcmp(row->evidence.deployment, later->run.deployment) == 0 &&
		    strcmp(row->evidence.ring, later->run.ring) == 0)
			return true;
	}
	return false;
}

/* A new core from the last row of each thing and the evidence that was not cleared. */
FX_UNUSED struct rw_core *fx_restored(struct fixture *f)
{
	static const enum rw_change_type order[] = {
		RW_CHANGE_LIFE,     RW_CHANGE_DEPLOYMENT, RW_CHANGE_RUN,
		RW_CHANGE_HOST,     RW_CHANGE_EXPOSURE,   RW_CHANGE_SIGHTING,
		RW_CHANGE_EVIDENCE, RW_CHANGE_TROUBLE,    RW_CHANGE_SIGNATURE,
	};
	struct rw_core_sink sink = {f, fx_take_change, fx_take_probe, NULL};
	struct rw_core *core;

	assert_int_equal(rw_core_new(&f->policy, &sink, FX_HOSTS_MAX, f->now, &core), 0);
	for (size_t o = 0; o < sizeof(order) / sizeof(order[0]); o++) {
		for (size_t i = 0; i < f->journal_count; i++) {
			if (f->journal[i].type == order[o] && !fx_is_superseded(f, i))
				assert_int_equal(rw_core_restore(core, &f->journal[i], f->now), 0);
		}
	}
	rw_core_restored(core, f->now);
	return core;
}

/* The collector is killed and comes back. */
FX_UNUSED void fx_restart(struct fixture *f)
{
	struct rw_core *core = fx_restored(f);

	rw_core_free(f->core);
	f->core = core;
	rw_core_committed(f->core, f->sequence);
	fx_check(f);
}

#endif
