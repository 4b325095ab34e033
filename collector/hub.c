/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The middle; see hub.h and hub_private.h.
 *
 * Threads: the loop's owns everything but what stands behind `lock`. Others
 * come in by rw_hub_call() and are woken by a condition; the store's writer
 * comes in by the callbacks below. Both leave a note and ring uv_async.
 */
#include "collector/hub_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/ingest/gasps.h"
#include "collector/ingest/ingest.h"
#include "collector/ingest/netconsole.h"
#include "collector/samples.h"
#include "collector/webhook/webhooks.h"
#include "lib/clock.h"

enum {
	CALL_MS = 2000,
	COMMIT_MS = 5000,
	LAG_SLOTS = 6, /* of ten seconds each: "in the last minute" */
	LAG_SLOT_MS = 10000,
	EVIDENCE_LOGGED = 5,
};

enum call_state { CALL_QUEUED, CALL_RUNS, CALL_DONE };

/* Lies on the caller's stack; the caller does not return before it is out of the queue. */
struct call {
	struct call *next;
	rw_hub_fn *fn;
	void *context;
	enum call_state state;
	int status;
};

/* What was last known of a run's breaker, to see it open. */
struct breaker {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	bool open;
	bool news; /* opened in this turn */
};

struct rw_hub {
	uv_loop_t *loop;
	uv_timer_t tick;
	uv_async_t calls_async, store_async;
	struct rw_core *core;
	struct rw_store *store;
	struct rw_hosts *hosts;
	struct rw_ingest *ingest;
	struct rw_gasps *gasps;
	struct rw_gasp_listener *gasp_listener;
	struct rw_samples *samples;
	struct rw_drills *drills;
	uint64_t drill_sequence;        /* of the last step's rows */
	struct rw_witnesses *witnesses; /* NULL: there are none */
	bool witness_known, witness_reachable;
	void (*on_tick)(void *context);
	void *on_tick_context;

	uint32_t turn_depth;
	bool breaker_news;
	bool blackout; /* in the last row told */
	bool handles_open;
	struct rw_now now;
	struct breaker *breakers;
	size_t breaker_count, breaker_room;
	struct rw_log_limit presence_log;
	struct rw_hub_stats stats;
	uint64_t next_tick_ms;
	uint64_t lag_us[LAG_SLOTS];
	uint64_t lag_slot;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	struct call *first_call, *last_call;
	uint64_t committed;
	struct rw_webhooks *webhooks; /* set once; the loop reads it without the lock */
	bool shut;
	bool store_failed;
	char store_reason[RW_STORE_ERROR_BYTES];
};

/* ---- log limits -------------------------------------------------------------------- */

void rw_log_limit_flush(struct rw_log_limit *limit, uint64_t boot_ms)
{
	if (limit->suppressed == 0 || boot_ms / 1000 == limit->second)
		return;
	rw_info("event=log_suppressed what=%s count=%llu", limit->what,
		(unsigned long long)limit->suppressed);
	limit->suppressed = 0;
}

bool rw_log_limit_take(struct rw_log_limit *limit, uint64_t boot_ms)
{
	if (boot_ms / 1000 != limit->second) {
		rw_log_limit_flush(limit, boot_ms);
		limit->second = boot_ms / 1000;
		limit->lines = 0;
	}
	if (limit->lines >= RW_LOG_LINES_PER_SECOND) {
		limit->suppressed++;
		return false;
	}
	limit->lines++;
	return true;
}

/* ---- turns ------------------------------------------------------------------------- */

static struct rw_now read_clocks(void)
{
	return (struct rw_now){rw_clock_boot_ms(), rw_clock_wall_ms()};
}

struct rw_now rw_hub_turn_begin(struct rw_hub *hub)
{
	if (hub->turn_depth++ == 0) {
		hub->now = read_clocks();
		rw_store_group_begin(hub->store);
	}
	return hub->now;
}

static void log_breaker(const struct rw_verdict *v)
{
	rw_error("event=breaker_opened deployment=%s ring=%s rule=%s grade=%s failed=%llu "
		 "at_risk=%llu",
		 v->deployment, v->ring, rw_rule_name(v->rule), rw_grade_name(v->grade),
		 (unsigned long long)v->failed, (unsigned long long)v->at_risk);
	for (uint32_t i = 0; i < v->evidence_count && i < EVIDENCE_LOGGED; i++) {
		char signature[RW_LOG_QUOTED_BYTES]; /* a host's words */

		rw_error("event=breaker_evidence deployment=%s ring=%s host=%s kind=%s "
			 "signature=%s id=%s",
			 v->deployment, v->ring, v->evidence[i].host, v->evidence[i].kind,
			 rw_log_quoted(v->evidence[i].signature, signature), v->evidence[i].event);
	}
}

static void audit_breaker(struct rw_hub *hub, const struct rw_verdict *v)
{
	char subject[2 * RW_CORE_NAME_BYTES + 32];
	char detail[RW_CORE_TEXT_BYTES + 256];

	snprintf(subject, sizeof(subject), "deployment=%s ring=%s", v->deployment, v->ring);
	if (v->evidence_count > 0)
		snprintf(detail, sizeof(detail), "%s: %llu of %llu hosts; %s %s %s",
			 rw_rule_name(v->rule), (unsigned long long)v->failed,
			 (unsigned long long)v->at_risk, v->evidence[0].host, v->evidence[0].kind,
			 v->evidence[0].signature);
	else
		snprintf(detail, sizeof(detail), "%s: %llu of %llu hosts", rw_rule_name(v->rule),
			 (unsigned long long)v->failed, (unsigned long long)v->at_risk);
	struct rw_audit_row row = {
		.at_wall_ms = hub->now.wall_ms,
		.actor = "collector",
		.action = "breaker_opened",
		.subject = subject,
		.detail = detail,
	};
	if (rw_store_push_audit(hub->store, &row) == 0)
		rw_error("event=audit_lost what=breaker_opened %s", subject);
}

/* At the end of the turn, when the evidence stands too. */
static void tell_breakers(struct rw_hub *hub)
{
	struct rw_verdict verdict;

	hub->breaker_news = false;
	for (size_t i = 0; i < hub->breaker_count; i++) {
		struct breaker *b = &hub->breakers[i];
		if (!b->news)
			continue;
		b->news = false;
		rw_core_verdict(hub->core, b->deployment, b->ring, RW_FOR_ADVANCE, hub->now,
				&verdict);
		log_breaker(&verdict);
		audit_breaker(hub, &verdict);
		if (hub->webhooks != NULL)
			rw_webhooks_breaker(hub->webhooks, &verdict);
	}
}

void rw_hub_turn_end(struct rw_hub *hub)
{
	if (hub->turn_depth == 1) {
		if (hub->breaker_news)
			tell_breakers(hub);
		rw_store_group_end(hub->store);
	}
	hub->turn_depth--;
}

struct rw_now rw_hub_now(const struct rw_hub *hub)
{
	return hub->turn_depth > 0 ? hub->now : read_clocks();
}

/* ---- the core's sink ------------------------------------------------------------------ */

static void note_breaker(struct rw_hub *hub, const struct rw_run_row *run, bool is_news)
{
	struct breaker *b = NULL;

	for (size_t i = 0; i < hub->breaker_count && b == NULL; i++) {
		if (strcmp(hub->breakers[i].deployment, run->deployment) == 0 &&
		    strcmp(hub->breakers[i].ring, run->ring) == 0)
			b = &hub->breakers[i];
	}
	if (b == NULL) {
		if (hub->breaker_count == hub->breaker_room) {
			size_t room = hub->breaker_room == 0 ? 16 : 2 * hub->breaker_room;
			struct breaker *grown = realloc(hub->breakers, room * sizeof(*grown));
			if (grown == NULL)
				return; /* then it opens without a line */
			hub->breakers = grown;
			hub->breaker_room = room;
		}
		b = &hub->breakers[hub->breaker_count++];
		memset(b, 0, sizeof(*b));
		memcpy(b->deployment, run->deployment, sizeof(b->deployment));
		memcpy(b->ring, run->ring, sizeof(b->ring));
	}
	if (run->breaker_open && !b->open && is_news)
		b->news = hub->breaker_news = true;
	b->open = run->breaker_open;
}

/* By age it is only forgotten: its next Hello brings it back. */
static void end_retired(struct rw_hub *hub, const struct rw_host_row *host)
{
	if (host->presence != RW_RETIRED || host->previous == RW_RETIRED || host->by_age ||
	    hub->ingest == NULL)
		return;
	rw_host_handle handle = rw_core_host_find(hub->core, host->id);
	if (handle != RW_NO_HOST)
		rw_ingest_retired(hub->ingest, handle);
}

static uint64_t take_change(void *context, const struct rw_change *change)
{
	struct rw_hub *hub = context;

	if (change->type == RW_CHANGE_RUN)
		note_breaker(hub, &change->run, true);
	if (change->type == RW_CHANGE_HOST)
		end_retired(hub, &change->host);
	if (change->type == RW_CHANGE_HOST && change->host.previous != change->host.presence &&
	    rw_log_limit_take(&hub->presence_log, hub->now.boot_ms))
		rw_info("event=presence host=%s ring=%s from=%s to=%s", change->host.id,
			change->host.ring, rw_presence_name(change->host.previous),
			rw_presence_name(change->host.presence));
	if (change->type == RW_CHANGE_LIFE && change->life.blackout != hub->blackout) {
		hub->blackout = change->life.blackout;
		rw_warning("event=blackout state=%s", hub->blackout ? "begun" : "over");
	}
	return rw_store_push_change(hub->store, change);
}

static void take_probe(void *context, rw_host_handle host)
{
	struct rw_hub *hub = context;

	if (hub->ingest != NULL)
		rw_ingest_probe(hub->ingest, host);
}

static void take_ask_witness(void *context)
{
	struct rw_hub *hub = context;

	if (hub->witnesses != NULL)
		rw_witnesses_ask(hub->witnesses);
}

static void take_witness(void *context, bool reachable)
{
	struct rw_hub *hub = context;
	struct rw_now now = rw_hub_turn_begin(hub);

	if (!hub->witness_known || hub->witness_reachable != reachable)
		rw_warning("event=witness reachable=%s note=\"all hosts are exposed and many are "
			   "silent\"",
			   reachable ? "yes" : "no");
	hub->witness_known = true;
	hub->witness_reachable = reachable;
	rw_core_witness(hub->core, reachable, now);
	rw_hub_turn_end(hub);
}

/* ---- drills ------------------------------------------------------------------------------- */

static bool ask_for_drill(void *context, rw_host_handle host, const uint8_t name[RW_DRILL_BYTES])
{
	struct rw_hub *hub = context;

	return hub->ingest != NULL && rw_ingest_drill(hub->ingest, host, name);
}

static void tell_drill(void *context, const char *step, const struct rw_drill_row *drill)
{
	struct rw_hub *hub = context;
	char subject[2 * RW_CORE_NAME_BYTES + 32];
	char detail[2 * RW_CORE_NAME_BYTES + RW_CORE_TEXT_BYTES + 64];
	char quoted[RW_LOG_QUOTED_BYTES]; /* a host's words */
	const struct rw_audit_row row = {
		.at_wall_ms = rw_hub_now(hub).wall_ms,
		.actor = drill->proved_wall_ms == 0 && drill->ended_wall_ms == 0 ? drill->actor
										 : "collector",
		.action = step,
		.subject = subject,
		.detail = detail,
	};

	snprintf(subject, sizeof(subject), "deployment=%s ring=%s", drill->deployment, drill->ring);
	snprintf(detail, sizeof(detail), "drill=%s host=%s%s%s", drill->drill, drill->host,
		 drill->detail[0] == '\0' ? "" : ": ", drill->detail);
	rw_info("event=%s deployment=%s ring=%s drill=%s host=%s detail=%s", step,
		drill->deployment, drill->ring, drill->drill, drill->host,
		rw_log_quoted(drill->detail, quoted));
	hub->drill_sequence = rw_store_push_drill(hub->store, drill);
	uint64_t audited = rw_store_push_audit(hub->store, &row);
	if (hub->drill_sequence != 0)
		hub->drill_sequence = audited;
}

int rw_hub_drill(struct rw_hub *hub, const struct rw_drill_ask *ask, struct rw_drill_answer *out,
		 uint64_t *sequence)
{
	int err = rw_drills_start(hub->drills, hub->core, ask, hub->now, out);

	*sequence = err == 0 ? hub->drill_sequence : 0;
	return err;
}

struct rw_drills *rw_hub_drills(struct rw_hub *hub)
{
	return hub->drills;
}

/* ---- the store's callbacks: on the writer's thread ---------------------------------------- */

static void on_committed(void *context, uint64_t sequence)
{
	struct rw_hub *hub = context;

	pthread_mutex_lock(&hub->lock);
	hub->committed = sequence;
	struct rw_webhooks *webhooks = hub->webhooks;
	pthread_cond_broadcast(&hub->changed);
	pthread_mutex_unlock(&hub->lock);
	uv_async_send(&hub->store_async);
	if (webhooks != NULL)
		rw_webhooks_committed(webhooks, sequence);
}

static void set_store_failed(struct rw_hub *hub, bool failed, const char *reason)
{
	pthread_mutex_lock(&hub->lock);
	hub->store_failed = failed;
	snprintf(hub->store_reason, sizeof(hub->store_reason), "%s", reason);
	pthread_cond_broadcast(&hub->changed);
	pthread_mutex_unlock(&hub->lock);
	uv_async_send(&hub->store_async);
}

static void on_failed(void *context, const char *reason)
{
	rw_error("event=store_failed detail=\"%s\" note=\"nothing is acknowledged and verdicts "
		 "hold until it can be written again\"",
		 reason);
	set_store_failed(context, true, reason);
}

static void on_recovered(void *context)
{
	rw_info("event=store_recovered");
	set_store_failed(context, false, "");
}

/* On the loop's thread, after one of them. */
static void take_store_news(uv_async_t *async)
{
	struct rw_hub *hub = async->data;

	pthread_mutex_lock(&hub->lock);
	uint64_t committed = hub->committed;
	bool failed = hub->store_failed;
	pthread_mutex_unlock(&hub->lock);

	rw_hub_turn_begin(hub);
	hub->stats.store_failed = failed;
	rw_core_set_store_failed(hub->core, failed);
	rw_core_committed(hub->core, committed);
	if (hub->ingest != NULL)
		rw_ingest_committed(hub->ingest, committed);
	rw_hub_turn_end(hub);
}

/* ---- calls from other threads ---------------------------------------------------------------- */

/* With the lock held. */
static void unqueue(struct rw_hub *hub, struct call *call)
{
	struct call **link = &hub->first_call;
	struct call *before = NULL;

	while (*link != call) {
		before = *link;
		link = &(*link)->next;
	}
	*link = call->next;
	if (hub->last_call == call)
		hub->last_call = before;
}

int rw_hub_call(struct rw_hub *hub, rw_hub_fn *fn, void *context)
{
	struct call call = {.fn = fn, .context = context};
	struct timespec until = rw_clock_monotonic_in(CALL_MS);

	pthread_mutex_lock(&hub->lock);
	if (hub->shut) {
		pthread_mutex_unlock(&hub->lock);
		return -ESHUTDOWN;
	}
	if (hub->last_call == NULL)
		hub->first_call = &call;
	else
		hub->last_call->next = &call;
	hub->last_call = &call;
	/* With the lock held: the handle is only closed after `shut` was set under it. */
	uv_async_send(&hub->calls_async);

	while (call.state == CALL_QUEUED) {
		if (pthread_cond_timedwait(&hub->changed, &hub->lock, &until) == ETIMEDOUT &&
		    call.state == CALL_QUEUED) {
			unqueue(hub, &call);
			call.status = -ETIMEDOUT;
			call.state = CALL_DONE;
		}
	}
	while (call.state == CALL_RUNS)
		pthread_cond_wait(&hub->changed, &hub->lock);
	pthread_mutex_unlock(&hub->lock);
	return call.status;
}

static void run_calls(uv_async_t *async)
{
	struct rw_hub *hub = async->data;

	pthread_mutex_lock(&hub->lock);
	while (hub->first_call != NULL) {
		struct call *call = hub->first_call;
		unqueue(hub, call);
		call->state = CALL_RUNS;
		pthread_mutex_unlock(&hub->lock);

		struct rw_now now = rw_hub_turn_begin(hub);
		call->fn(hub->core, now, call->context);
		rw_hub_turn_end(hub);

		pthread_mutex_lock(&hub->lock);
		call->state = CALL_DONE;
		pthread_cond_broadcast(&hub->changed);
	}
	pthread_mutex_unlock(&hub->lock);
}

int rw_hub_wait_committed(struct rw_hub *hub, uint64_t sequence)
{
	struct timespec until = rw_clock_monotonic_in(COMMIT_MS);
	int status = 0;

	pthread_mutex_lock(&hub->lock);
	while (status == 0 && hub->committed < sequence) {
		if (hub->store_failed)
			status = -EIO;
		else if (pthread_cond_timedwait(&hub->changed, &hub->lock, &until) == ETIMEDOUT &&
			 hub->committed < sequence)
			status = -ETIMEDOUT;
	}
	pthread_mutex_unlock(&hub->lock);
	return status;
}

uint64_t rw_hub_audit(struct rw_hub *hub, const struct rw_audit_row *row)
{
	return rw_store_push_audit(hub->store, row);
}

uint64_t rw_hub_slot(struct rw_hub *hub, const struct rw_slot_row *row)
{
	return rw_store_push_slot(hub->store, row);
}

void rw_hub_host_facts(struct rw_hub *hub, rw_host_handle host, struct rw_host_facts *out)
{
	memset(out, 0, sizeof(*out));
	if (host >= rw_core_host_count(hub->core))
		return;
	struct rw_host_entry *entry = rw_hosts_at(hub->hosts, host);
	if (entry == NULL)
		return;
	rw_host_said_facts(entry->said, out);
	rw_versions_facts(entry->runs, out);
	out->connected = entry->session != NULL;
}

/* All that were heard since the start are asked again. */
static void ask_hosts_for(struct rw_hub *hub, const char *subject)
{
	for (rw_host_handle host = 0; host < rw_core_host_count(hub->core); host++) {
		const struct rw_host_entry *entry = rw_hosts_at(hub->hosts, host);
		const char *value =
			entry == NULL ? NULL : rw_version_set_find(entry->runs, subject);

		if (value != NULL)
			rw_core_version_known(hub->core, host, subject, value, hub->now);
	}
}

void rw_hub_deployments_changed(struct rw_hub *hub, const char *created)
{
	struct rw_deployment_row row;
	int at = created == NULL ? -ENOENT : rw_core_deployment_find(hub->core, created);

	if (at >= 0 && rw_core_deployment_at(hub->core, (uint32_t)at, &row) &&
	    row.exposure == RW_EXPOSURE_REPORTED)
		ask_hosts_for(hub, row.match);
	if (hub->ingest != NULL)
		rw_ingest_watch(hub->ingest);
}

void rw_hub_host_marks(struct rw_hub *hub, rw_host_handle host, struct rw_host_marks *out)
{
	const struct rw_host_entry *entry = rw_hosts_at(hub->hosts, host);

	rw_host_said_marks(entry == NULL ? NULL : entry->said, out);
}

void rw_hub_ring_coverage(struct rw_hub *hub, uint32_t ring, struct rw_ring_coverage *out)
{
	rw_said_coverage(rw_hosts_said(hub->hosts), ring, out);
}

void rw_hub_stats(struct rw_hub *hub, struct rw_hub_stats *out)
{
	*out = hub->stats;
	for (size_t i = 0; i < LAG_SLOTS; i++) {
		if (hub->lag_us[i] > out->loop_lag_us_max)
			out->loop_lag_us_max = hub->lag_us[i];
	}
	rw_store_stats(hub->store, &out->store);
	const char *blind = rw_core_blind_reason(hub->core, rw_hub_now(hub));
	out->ready = !out->store_failed && (blind == NULL || strcmp(blind, "listening") != 0);
}

/* ---- the tick -------------------------------------------------------------------- */

static void note_lag(struct rw_hub *hub, uint64_t now_ms)
{
	uint64_t slot = now_ms / LAG_SLOT_MS;
	uint64_t late_us = now_ms > hub->next_tick_ms ? (now_ms - hub->next_tick_ms) * 1000 : 0;

	if (slot != hub->lag_slot) {
		uint64_t skipped = slot - hub->lag_slot;
		for (uint64_t i = 1; i <= skipped && i <= LAG_SLOTS; i++)
			hub->lag_us[(hub->lag_slot + i) % LAG_SLOTS] = 0;
		hub->lag_slot = slot;
	}
	if (late_us > hub->lag_us[slot % LAG_SLOTS])
		hub->lag_us[slot % LAG_SLOTS] = late_us;
	hub->next_tick_ms = now_ms + RW_CORE_TICK_MS;
}

/* One that is refused is missing from a plot, and nothing else. */
static void take_sample(void *context, const struct rw_sample_row *row)
{
	struct rw_hub *hub = context;

	rw_store_push_sample(hub->store, row);
}

/* ---- webhooks, told with each look at the verdicts --------------------------------- */

static void begin_look(void *context)
{
	struct rw_hub *hub = context;
	const char *blind = rw_core_blind_reason(hub->core, hub->now);

	if (hub->webhooks != NULL)
		rw_webhooks_look_begin(hub->webhooks,
				       blind != NULL && strcmp(blind, "listening") == 0,
				       hub->stats.store_failed);
}

static void look_at_verdict(void *context, const struct rw_verdict *verdict)
{
	struct rw_hub *hub = context;

	if (hub->webhooks != NULL)
		rw_webhooks_verdict(hub->webhooks, verdict);
}

static void end_look(void *context, struct rw_now now)
{
	struct rw_hub *hub = context;

	if (hub->webhooks != NULL)
		rw_webhooks_look_end(hub->webhooks, hub->core, now);
}

static void tick(uv_timer_t *timer)
{
	struct rw_hub *hub = timer->data;
	struct rw_now now = rw_hub_turn_begin(hub);

	note_lag(hub, now.boot_ms);
	rw_core_tick(hub->core, now);
	if (hub->ingest != NULL)
		rw_ingest_tick(hub->ingest, now);
	if (hub->gasp_listener != NULL)
		rw_gasp_listener_tick(hub->gasp_listener, now);
	rw_drills_tick(hub->drills, hub->core, now);
	rw_samples_tick(hub->samples, hub->core, now, take_sample, hub);
	rw_hub_turn_end(hub);
	rw_log_limit_flush(&hub->presence_log, now.boot_ms);
	if (hub->on_tick != NULL)
		hub->on_tick(hub->on_tick_context);
}

/* ---- opening and closing --------------------------------------------------------- */

struct restore {
	struct rw_hub *hub;
	struct rw_now now;
	char *error;
};

/* Of a row that belongs to one; else NULL. */
static const char *deployment_of(const struct rw_change *row)
{
	switch (row->type) {
	case RW_CHANGE_RUN:
	case RW_CHANGE_EVIDENCE_CLEARED:
		return row->run.deployment;
	case RW_CHANGE_EXPOSURE:
		return row->exposure.deployment;
	case RW_CHANGE_EVIDENCE:
		return row->evidence.deployment;
	case RW_CHANGE_SIGHTING:
		return row->sighting.deployment;
	default:
		return NULL;
	}
}

static int restore_fault(struct restore *restore, const struct rw_change *row, int err)
{
	static const char advice[] = "the policy has lost a ring or hosts_max is too small";

	if (err == -ENOMEM) {
		snprintf(restore->error, RW_STORE_ERROR_BYTES, "out of memory");
	} else if (row->type == RW_CHANGE_HOST) {
		snprintf(restore->error, RW_STORE_ERROR_BYTES,
			 "the store's host %s in ring %s does not fit: %s", row->host.id,
			 row->host.ring, advice);
	} else if (row->type == RW_CHANGE_DEPLOYMENT) {
		snprintf(restore->error, RW_STORE_ERROR_BYTES,
			 "the store's deployment %s does not fit: %s", row->deployment.id, advice);
	} else if (row->type == RW_CHANGE_TROUBLE) {
		snprintf(restore->error, RW_STORE_ERROR_BYTES,
			 "the store's row of what host %s went through does not fit: %s",
			 row->trouble.host, advice);
	} else if (deployment_of(row) != NULL) {
		snprintf(restore->error, RW_STORE_ERROR_BYTES,
			 "a row of the store's deployment %s does not fit: %s", deployment_of(row),
			 advice);
	} else {
		snprintf(restore->error, RW_STORE_ERROR_BYTES,
			 "a row of the store's %s does not fit: it is damaged",
			 row->type == RW_CHANGE_LIFE ? "life" : "fleet_signatures");
	}
	return err == -ENOMEM ? err : -EINVAL;
}

static int restore_row(void *context, const struct rw_change *row)
{
	struct restore *restore = context;
	int err = rw_core_restore(restore->hub->core, row, restore->now);

	if (err != 0)
		return restore_fault(restore, row, err);
	if (row->type == RW_CHANGE_RUN)
		note_breaker(restore->hub, &row->run, false);
	return 0;
}

static int restore_spool(void *context, const char *host, const uint8_t spool_id[16],
			 uint64_t sequence)
{
	struct restore *restore = context;
	rw_host_handle handle = rw_core_host_find(restore->hub->core, host);

	if (handle == RW_NO_HOST)
		return 0;
	struct rw_host_entry *entry = rw_hosts_at(restore->hub->hosts, handle);
	struct rw_spool_mark *mark = entry == NULL ? NULL : rw_spool_mark_use(entry, spool_id);
	if (mark == NULL)
		return restore_fault(restore, NULL, -ENOMEM);
	mark->received = mark->committed = sequence;
	return 0;
}

static int restore_drill(void *context, const struct rw_drill_row *row)
{
	struct restore *restore = context;

	rw_drills_restore(restore->hub->drills, restore->hub->core, row);
	return 0;
}

static bool open_witnesses(struct rw_hub *hub, const struct rw_hub_config *config)
{
	struct rw_witnesses_config witnesses = {
		.count = config->witness_count,
		.timeout_ms = RW_WITNESS_MS,
		.answer = take_witness,
		.context = hub,
	};

	if (config->witness_count == 0)
		return true;
	memcpy(witnesses.addresses, config->witnesses,
	       config->witness_count * sizeof(witnesses.addresses[0]));
	hub->witnesses = rw_witnesses_open(hub->loop, &witnesses);
	return hub->witnesses != NULL;
}

static int open_parts(struct rw_hub *hub, const struct rw_hub_config *config,
		      char error[RW_HUB_ERROR_BYTES])
{
	const struct rw_store_callbacks callbacks = {hub, on_committed, on_failed, on_recovered};
	const struct rw_core_sink sink = {hub, take_change, take_probe, take_ask_witness};
	const struct rw_drills_sink drills = {hub, ask_for_drill, tell_drill};
	struct restore restore = {hub, read_clocks(), error};
	const struct rw_store_loader loader = {&restore, restore_row, restore_spool, restore_drill};

	hub->hosts = rw_hosts_new();
	hub->gasps = rw_gasps_new();
	hub->samples = rw_samples_new();
	hub->drills = rw_drills_new(&drills);
	if (hub->hosts == NULL || hub->gasps == NULL || hub->samples == NULL ||
	    hub->drills == NULL || !open_witnesses(hub, config)) {
		snprintf(error, RW_HUB_ERROR_BYTES, "out of memory");
		return -ENOMEM;
	}
	rw_samples_watch(hub->samples,
			 &(struct rw_samples_watcher){hub, begin_look, look_at_verdict, end_look});
	int err = rw_store_open(config->store_path, config->retention_ms, &callbacks, &hub->store,
				error);
	if (err != 0)
		return err;
	err = rw_core_new(config->policy, &sink, config->hosts_max, restore.now, &hub->core);
	if (err != 0) {
		snprintf(error, RW_HUB_ERROR_BYTES, "the core does not start: %s", strerror(-err));
		return err;
	}
	/* Told apart from a policy that does not fit by its own line in `error`. */
	err = rw_store_load(hub->store, &loader, error);
	if (err != 0)
		return err;
	rw_core_restored(hub->core, restore.now);
	return 0;
}

static void open_handles(struct rw_hub *hub)
{
	uv_timer_init(hub->loop, &hub->tick);
	uv_async_init(hub->loop, &hub->calls_async, run_calls);
	uv_async_init(hub->loop, &hub->store_async, take_store_news);
	hub->tick.data = hub->calls_async.data = hub->store_async.data = hub;
	hub->handles_open = true;
}

int rw_hub_open(uv_loop_t *loop, const struct rw_hub_config *config, struct rw_hub **out,
		char error[RW_HUB_ERROR_BYTES])
{
	struct rw_hub *hub = calloc(1, sizeof(*hub));
	pthread_condattr_t attributes;

	if (hub == NULL) {
		snprintf(error, RW_HUB_ERROR_BYTES, "out of memory");
		return -ENOMEM;
	}
	hub->loop = loop;
	hub->presence_log.what = "presence";
	pthread_mutex_init(&hub->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&hub->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	open_handles(hub);
	*out = hub; /* also on failure: its handles must be closed by the loop */

	int err = open_parts(hub, config, error);
	if (err != 0)
		return err;
	struct rw_now now = read_clocks();
	hub->stats.started_wall_ms = now.wall_ms;
	hub->next_tick_ms = now.boot_ms + RW_CORE_TICK_MS;
	hub->lag_slot = now.boot_ms / LAG_SLOT_MS;
	uv_timer_start(&hub->tick, tick, RW_CORE_TICK_MS, RW_CORE_TICK_MS);
	return 0;
}

void rw_hub_shut(struct rw_hub *hub)
{
	pthread_mutex_lock(&hub->lock);
	hub->shut = true;
	for (struct call *call = hub->first_call; call != NULL; call = call->next) {
		call->status = -ESHUTDOWN;
		call->state = CALL_DONE;
	}
	hub->first_call = hub->last_call = NULL;
	pthread_cond_broadcast(&hub->changed);
	pthread_mutex_unlock(&hub->lock);
}

void rw_hub_close(struct rw_hub *hub)
{
	if (hub == NULL || !hub->handles_open)
		return;
	rw_hub_shut(hub);
	hub->handles_open = false;
	rw_witnesses_close(hub->witnesses);
	/* The writer ends first: it rings store_async, which must be there. */
	rw_store_close(hub->store);
	hub->store = NULL;
	uv_close((uv_handle_t *)&hub->tick, NULL);
	uv_close((uv_handle_t *)&hub->calls_async, NULL);
	uv_close((uv_handle_t *)&hub->store_async, NULL);
}

void rw_hub_free(struct rw_hub *hub)
{
	if (hub == NULL)
		return;
	rw_core_free(hub->core);
	rw_hosts_free(hub->hosts);
	rw_gasps_free(hub->gasps);
	rw_samples_free(hub->samples);
	rw_drills_free(hub->drills);
	rw_witnesses_free(hub->witnesses);
	free(hub->breakers);
	pthread_cond_destroy(&hub->changed);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

void rw_hub_set_ingest(struct rw_hub *hub, struct rw_ingest *ingest)
{
	hub->ingest = ingest;
}

struct rw_ingest *rw_hub_ingest(struct rw_hub *hub)
{
	return hub->ingest;
}

void rw_hub_set_gasp_listener(struct rw_hub *hub, struct rw_gasp_listener *listener)
{
	hub->gasp_listener = listener;
}

struct rw_gasp_listener *rw_hub_gasp_listener(struct rw_hub *hub)
{
	return hub->gasp_listener;
}

void rw_hub_set_webhooks(struct rw_hub *hub, struct rw_webhooks *webhooks)
{
	pthread_mutex_lock(&hub->lock);
	hub->webhooks = webhooks;
	pthread_mutex_unlock(&hub->lock);
}

struct rw_webhooks *rw_hub_webhooks(struct rw_hub *hub)
{
	return hub->webhooks;
}

struct rw_gasps *rw_hub_gasps(struct rw_hub *hub)
{
	return hub->gasps;
}

void rw_hub_on_tick(struct rw_hub *hub, void (*fn)(void *context), void *context)
{
	hub->on_tick = fn;
	hub->on_tick_context = context;
}

uv_loop_t *rw_hub_loop(struct rw_hub *hub)
{
	return hub->loop;
}

struct rw_core *rw_hub_core(struct rw_hub *hub)
{
	return hub->core;
}

struct rw_store *rw_hub_store(struct rw_hub *hub)
{
	return hub->store;
}

struct rw_hosts *rw_hub_hosts(struct rw_hub *hub)
{
	return hub->hosts;
}

struct rw_hub_stats *rw_hub_counters(struct rw_hub *hub)
{
	return &hub->stats;
}
