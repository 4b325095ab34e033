/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each event once: a spool's events come in growing order, so one high-water
 * mark a spool tells what is new. `received` is what has been queued for the
 * store, `committed` what is on disk; a sensor is told only of the latter, and
 * a batch that comes again in between waits for the same commit.
 *
 * When the store takes no more, the batch is left alone, unacknowledged, and
 * the sensor is asked to pause: it has the events on its disk. The batches that
 * were on their way behind it are left alone as well, until it comes again.
 */
#include "collector/ingest/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/bootid.h"

enum { RW_USUAL_BURST = 100 };

/* ---- acks ---------------------------------------------------------------------- */

/* Room for one more, before anything is done that must be acknowledged. */
static bool reserve_pending(struct rw_ingest *ingest)
{
	if (ingest->pending_count < ingest->pending_size)
		return true;
	size_t size = ingest->pending_size == 0 ? 256 : ingest->pending_size * 2;
	struct rw_pending_ack *grown = malloc(size * sizeof(*grown));
	if (grown == NULL)
		return false;
	for (size_t i = 0; i < ingest->pending_count; i++)
		grown[i] =
			ingest->pending[(ingest->pending_first + i) & (ingest->pending_size - 1)];
	free(ingest->pending);
	ingest->pending = grown;
	ingest->pending_size = size;
	ingest->pending_first = 0;
	return true;
}

static void push_pending(struct rw_ingest *ingest, const struct rw_pending_ack *ack)
{
	ingest->pending[(ingest->pending_first + ingest->pending_count) &
			(ingest->pending_size - 1)] = *ack;
	ingest->pending_count++;
}

static void send_ack(struct rw_session *s)
{
	Ringwatch__V1__Ack message = RINGWATCH__V1__ACK__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;

	s->ack_due = false;
	message.spool_id.data = s->ack_spool;
	message.spool_id.len = sizeof(s->ack_spool);
	message.sequence = s->ack_sequence;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_ACK;
	frame.ack = &message;
	rw_session_send(s, &frame);
}

void rw_session_ack(struct rw_session *s, const uint8_t spool_id[16], uint64_t sequence)
{
	if (s->ack_due && memcmp(s->ack_spool, spool_id, sizeof(s->ack_spool)) != 0)
		send_ack(s); /* of the other spool; its place in the list stays */
	memcpy(s->ack_spool, spool_id, sizeof(s->ack_spool));
	s->ack_sequence = sequence;
	s->ack_due = true;
}

static struct rw_host_entry *entry_of(struct rw_ingest *ingest, rw_host_handle host)
{
	return rw_hosts_at(rw_hub_hosts(ingest->hub), host);
}

static void commit_one(struct rw_ingest *ingest, const struct rw_pending_ack *ack)
{
	struct rw_host_entry *entry = entry_of(ingest, ack->host);
	struct rw_spool_mark *mark =
		entry == NULL ? NULL : rw_spool_mark_find(entry, ack->spool_id);

	if (mark == NULL)
		return; /* forgotten since: the sensor has made many spools meanwhile */
	if (mark->committed < ack->event_sequence)
		mark->committed = ack->event_sequence;
	if (entry->session == NULL)
		return; /* its next Welcome says so */
	if (!entry->session->ack_due) {
		entry->session->next_due = ingest->due;
		ingest->due = entry->session;
	}
	rw_session_ack(entry->session, ack->spool_id, mark->committed);
}

void rw_ingest_committed(struct rw_ingest *ingest, uint64_t sequence)
{
	/* No session is freed in here, closed or not: that is the loop's later work. */
	while (ingest->pending_count > 0 &&
	       ingest->pending[ingest->pending_first].store_sequence <= sequence) {
		struct rw_pending_ack ack = ingest->pending[ingest->pending_first];
		ingest->pending_first = (ingest->pending_first + 1) & (ingest->pending_size - 1);
		ingest->pending_count--;
		commit_one(ingest, &ack);
	}
	while (ingest->due != NULL) {
		struct rw_session *s = ingest->due;
		ingest->due = s->next_due;
		s->next_due = NULL;
		if (s->ack_due)
			send_ack(s);
	}
}

/* ---- events ---------------------------------------------------------------------- */

static void throttle(struct rw_session *s)
{
	Ringwatch__V1__Throttle message = RINGWATCH__V1__THROTTLE__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	uint64_t now_ms = rw_hub_now(s->ingest->hub).boot_ms;

	if (s->throttled_ms != 0 && now_ms - s->throttled_ms < RW_THROTTLE_MS / 2)
		return;
	s->throttled_ms = now_ms;
	message.pause_ms = RW_THROTTLE_MS;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_THROTTLE;
	frame.throttle = &message;
	rw_session_send(s, &frame);
}

/* When it happened, by our clock: only the host's boot clock is believed, and
 * only as the distance between two of its readings in the same boot. */
static uint64_t happened_wall_ms(const Ringwatch__V1__EventBatch *batch,
				 const Ringwatch__V1__Event *event, uint64_t now_wall_ms)
{
	if (strcmp(batch->boot_id, event->boot_id) != 0 || event->boot_ms > batch->boot_ms)
		return now_wall_ms;
	uint64_t ago_ms = batch->boot_ms - event->boot_ms;
	return ago_ms >= now_wall_ms ? now_wall_ms : now_wall_ms - ago_ms;
}

static void tell_core(struct rw_session *s, const Ringwatch__V1__EventBatch *batch,
		      const Ringwatch__V1__Event *event)
{
	char id[RW_CORE_EVENT_ID_BYTES];
	char spool[2 * RW_SPOOL_ID_BYTES + 1];
	struct rw_core_event input = {
		.kind = (uint32_t)event->kind,
		.kind_name = rw_kind_name(event->kind),
		.id = id,
		.signature = event->signature,
		.module = event->module,
		.error = event->error,
		.boot_order = event->boot_order,
		.boot_ms = event->boot_ms,
	};

	for (size_t i = 0; i < RW_SPOOL_ID_BYTES; i++)
		snprintf(spool + 2 * i, 3, "%02x", batch->spool_id.data[i]);
	snprintf(id, sizeof(id), "%s/%s/%llu", s->name, spool, (unsigned long long)event->sequence);
	if (rw_boot_id_parse(event->boot_id, input.boot_id) != 0)
		return; /* the validator has seen to it */
	rw_core_event(rw_hub_core(s->ingest->hub), s->host, &input, rw_hub_now(s->ingest->hub));
}

/* A staged failure counts in nothing: only who has asked for it hears of it. */
static void tell_drills(struct rw_session *s, const Ringwatch__V1__Event *event)
{
	struct rw_hub *hub = s->ingest->hub;
	const char *name = NULL;

	for (size_t i = 0; i < event->n_facts; i++) {
		if (event->facts[i]->name == RINGWATCH__V1__FACT_NAME__FACT_DRILL)
			name = event->facts[i]->value;
	}
	rw_drills_event(rw_hub_drills(hub), rw_hub_core(hub), s->name, name,
			event->source == RINGWATCH__V1__SOURCE__SOURCE_LOG, event->detail,
			rw_hub_now(hub));
}

/* What the kernel did, not what is told about it. */
static bool is_happening(const Ringwatch__V1__Event *event)
{
	return event->kind != RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;
}

/* Who lets a host send more than the usual burst at once wants to see it, too. */
static uint32_t signatures_a_day(const struct rw_ingest_config *config)
{
	const uint64_t burst = config->events_burst;

	if (burst <= RW_USUAL_BURST)
		return RW_STORE_SIGNATURES_A_DAY;
	return burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX;
}

static uint64_t take_event(struct rw_session *s, struct rw_host_entry *entry,
			   const Ringwatch__V1__EventBatch *batch,
			   const Ringwatch__V1__Event *event)
{
	struct rw_hub *hub = s->ingest->hub;
	struct rw_now now = rw_hub_now(hub);
	const struct rw_ingest_config *config = &s->ingest->config;
	struct rw_store_event row = {
		.host = s->name,
		.ring = s->ring,
		.spool_id = batch->spool_id.data,
		.event = event,
		.at_wall_ms = happened_wall_ms(batch, event, now.wall_ms),
		.received_wall_ms = now.wall_ms,
		.signatures_a_day = signatures_a_day(config),
	};

	/* A log excerpt takes only what events leave: half of the quota is theirs alone. */
	row.over_quota =
		!rw_quota_take(&entry->events, config->events_burst, config->events_per_second,
			       is_happening(event) ? 0 : config->events_burst / 2, now.boot_ms);
	if (is_happening(event)) {
		rw_hub_counters(hub)->events_received++;
		rw_hub_counters(hub)->events_over_quota += row.over_quota;
	} else {
		rw_hub_counters(hub)->excerpts_received++;
	}
	/* Both in one turn, so in one transaction: an event is never on disk, and
	 * acknowledged, without what it did to the judgement. The store first: what
	 * it refuses comes again, and must not have been judged already. */
	uint64_t sequence = rw_store_push_event(rw_hub_store(hub), &row);
	if (sequence != 0 && event->kind == RINGWATCH__V1__KIND__KIND_DRILL)
		tell_drills(s, event);
	else if (sequence != 0 && is_happening(event))
		tell_core(s, batch, event);
	return sequence;
}

/* Whether the batch leaves out an event that was refused before. */
static bool skips_refused(const struct rw_spool_mark *mark, const Ringwatch__V1__EventBatch *batch)
{
	return mark->refused != 0 && batch->events[0]->sequence > mark->refused;
}

static void refuse_from(struct rw_session *s, struct rw_spool_mark *mark, uint64_t sequence)
{
	if (mark->refused == 0 || sequence < mark->refused)
		mark->refused = sequence;
	throttle(s);
}

static size_t count_new(const Ringwatch__V1__EventBatch *batch, uint64_t received)
{
	size_t count = 0;

	for (size_t i = 0; i < batch->n_events; i++)
		count += batch->events[i]->sequence > received;
	return count;
}

void rw_events_take(struct rw_session *s, const Ringwatch__V1__EventBatch *batch)
{
	struct rw_hub *hub = s->ingest->hub;
	struct rw_host_entry *entry = entry_of(s->ingest, s->host);
	struct rw_spool_mark *mark =
		entry == NULL ? NULL : rw_spool_mark_use(entry, batch->spool_id.data);
	struct rw_pending_ack ack = {.host = s->host};

	/* The database's numbers are signed; they grow from 1 and never come here. */
	if (batch->events[batch->n_events - 1]->sequence > INT64_MAX) {
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME,
				  "event_batch.events.sequence: is above 9223372036854775807", 0);
		return;
	}
	if (mark == NULL) {
		rw_session_drop(s, "internal", "out of memory");
		return;
	}
	size_t fresh = count_new(batch, mark->received);
	rw_hub_counters(hub)->events_duplicate += batch->n_events - fresh;
	if (skips_refused(mark, batch) || !reserve_pending(s->ingest) ||
	    !rw_store_has_room(rw_hub_store(hub), (uint32_t)fresh)) {
		refuse_from(s, mark, batch->events[0]->sequence);
		return;
	}
	mark->refused = 0;
	for (size_t i = 0; i < batch->n_events; i++) {
		const Ringwatch__V1__Event *event = batch->events[i];
		if (event->sequence <= mark->received)
			continue;
		uint64_t sequence = take_event(s, entry, batch, event);
		if (sequence == 0) {
			refuse_from(s, mark, event->sequence);
			break;
		}
		mark->received = event->sequence;
		ack.store_sequence = sequence;
		ack.event_sequence = event->sequence;
	}
	if (ack.store_sequence != 0) {
		memcpy(ack.spool_id, mark->id, sizeof(ack.spool_id));
		push_pending(s->ingest, &ack);
	} else if (fresh == 0 && mark->committed >= batch->events[batch->n_events - 1]->sequence) {
		/* The Ack of its first coming was lost with that session. */
		rw_session_ack(s, mark->id, mark->committed);
		send_ack(s);
	}
}
