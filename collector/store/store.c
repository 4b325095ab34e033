/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue and the writer thread; see store.h. The SQL is in journal.c.
 *
 * Happy path: the loop thread appends an operation to a list; the writer takes
 * what is there, up to RW_STORE_BATCH_MAX or to the end of a group, applies it
 * in one transaction and tells `committed`. A slow disk makes batches larger,
 * not the queue of commits longer.
 *
 * When anything fails, the transaction is rolled back and the same batch tried
 * again each second. An operation is freed only after its commit.
 */
#include "collector/store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/store/journal.h"
#include "lib/clock.h"
#include "proto/bootid.h"
#include "proto/limits.h"
#include "proto/wire.h"

enum {
	RETRY_MS = 1000,
	SWEEP_EVERY_MS = 10 * 60 * 1000,
	SWEEP_PAUSE_MS = 50, /* between two pieces, so that writes come in between */
	STACK_BYTES = RW_STACK_MAX * (RW_SYMBOL_MAX + 1),
	/* {"name":"value",...}: each byte of a value may take six */
	FACT_NAME_BYTES = 32,
	FACTS_BYTES = RW_FACTS_MAX * (6 * RW_FACT_VALUE_MAX + FACT_NAME_BYTES) + 16,
};

enum operation_type {
	OPERATION_CHANGE,
	OPERATION_EVENT,
	OPERATION_AUDIT,
	OPERATION_SAMPLE,
	OPERATION_SLOT,
	OPERATION_DRILL,
	OPERATION_DELIVERY,
	OPERATION_DELIVERY_RESULT,
	OPERATION_DELIVERY_RETRY
};

struct operation {
	struct operation *next;
	uint64_t sequence;
	size_t bytes;
	enum operation_type type;
	enum rw_change_type change; /* OPERATION_CHANGE */
	uint64_t at_wall_ms;
	bool group_goes_on; /* the next operation belongs to the same transaction */
	/* A row of core.h, cut to its size; a struct rw_journal_event or struct
	 * rw_audit_row with their texts behind them. */
	alignas(max_align_t) unsigned char payload[];
};

struct rw_store {
	struct rw_journal *journal; /* the writer's, once it runs */
	struct rw_store_callbacks callbacks;
	uint64_t retention_ms;
	pthread_t writer;
	bool writer_runs;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	struct operation *head, *tail;
	uint64_t queued_bytes;
	uint32_t group_depth;
	uint64_t group_first; /* the writer takes only what is before it; UINT64_MAX: no open group
			       */
	bool stopping;
	struct rw_store_stats stats;
};

/* ---- the writer ----------------------------------------------------------- */

static int apply_change(struct rw_journal *journal, const struct operation *op)
{
	const void *row = op->payload;

	switch (op->change) {
	case RW_CHANGE_HOST:
		return rw_journal_put_host(journal, op->at_wall_ms, row);
	case RW_CHANGE_DEPLOYMENT:
		return rw_journal_put_deployment(journal, row);
	case RW_CHANGE_RUN:
		return rw_journal_put_run(journal, row);
	case RW_CHANGE_EXPOSURE:
		return rw_journal_put_exposure(journal, row);
	case RW_CHANGE_EVIDENCE:
		return rw_journal_put_evidence(journal, row);
	case RW_CHANGE_EVIDENCE_CLEARED:
		return rw_journal_clear_evidence(journal, row);
	case RW_CHANGE_TROUBLE:
		return rw_journal_put_trouble(journal, row);
	case RW_CHANGE_SIGNATURE:
		return rw_journal_put_signature(journal, row);
	case RW_CHANGE_SIGNATURE_GONE:
		return rw_journal_forget_signature(journal, row);
	case RW_CHANGE_SIGHTING:
		return rw_journal_put_sighting(journal, row);
	case RW_CHANGE_LIFE:
		return rw_journal_put_life(journal, row);
	case RW_CHANGE_DEPLOYMENT_GONE:
		return rw_journal_forget_deployment(journal, row);
	}
	return -EINVAL;
}

static int apply(struct rw_journal *journal, const struct operation *op)
{
	switch (op->type) {
	case OPERATION_CHANGE:
		return apply_change(journal, op);
	case OPERATION_EVENT:
		return rw_journal_put_event(journal, (const void *)op->payload);
	case OPERATION_AUDIT:
		return rw_journal_put_audit(journal, (const void *)op->payload);
	case OPERATION_SAMPLE:
		return rw_journal_put_sample(journal, (const void *)op->payload);
	case OPERATION_SLOT:
		return rw_journal_put_slot(journal, (const void *)op->payload);
	case OPERATION_DRILL:
		return rw_journal_put_drill(journal, (const void *)op->payload);
	case OPERATION_DELIVERY:
		return rw_journal_put_delivery(journal, (const void *)op->payload);
	case OPERATION_DELIVERY_RESULT:
		return rw_journal_put_delivery_result(journal, (const void *)op->payload);
	case OPERATION_DELIVERY_RETRY:
		return rw_journal_retry_delivery(journal, (const void *)op->payload);
	}
	return -EINVAL;
}

/* All of the batch in one transaction, or nothing. */
static int write_batch(struct rw_journal *journal, const struct operation *batch,
		       char reason[RW_STORE_ERROR_BYTES])
{
	int err = rw_journal_begin(journal);

	for (const struct operation *op = batch; err == 0 && op != NULL; op = op->next)
		err = apply(journal, op);
	if (err == 0)
		err = rw_journal_commit(journal);
	if (err != 0) {
		snprintf(reason, RW_STORE_ERROR_BYTES, "%s", rw_journal_error(journal));
		rw_journal_rollback(journal);
	}
	return err;
}

/* With the lock held: splits a batch off the queue's head, whole groups only. */
static struct operation *take_batch(struct rw_store *store)
{
	struct operation *first = store->head;
	struct operation *last = NULL;
	uint32_t count = 0;

	for (struct operation *op = first; op != NULL && op->sequence < store->group_first;
	     op = op->next) {
		count++;
		last = op;
		if (count >= RW_STORE_BATCH_MAX && !op->group_goes_on)
			break;
	}
	if (last == NULL)
		return NULL;
	store->head = last->next;
	if (store->head == NULL)
		store->tail = NULL;
	last->next = NULL;
	return first;
}

/* With the lock held: sleeps, but not through a stop. */
static void pause_ms(struct rw_store *store, uint64_t ms)
{
	struct timespec until = rw_clock_monotonic_in(ms);

	while (!store->stopping &&
	       pthread_cond_timedwait(&store->wake, &store->lock, &until) != ETIMEDOUT)
		;
}

static void count_commit(struct rw_store_stats *stats, uint64_t took_us)
{
	static const uint64_t bounds_us[RW_STORE_LATENCY_BUCKETS - 1] = {
		1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000};
	size_t bucket = 0;

	while (bucket < RW_STORE_LATENCY_BUCKETS - 1 && took_us > bounds_us[bucket])
		bucket++;
	stats->commits++;
	stats->last_commit_us = took_us;
	stats->commit_us += took_us;
	stats->commits_within[bucket]++;
}

static void add_counts(struct rw_store_stats *stats, struct rw_journal_counts counts)
{
	stats->signatures_over_quota += counts.signatures_over_quota;
	stats->excerpts_kept += counts.excerpts_kept;
	stats->excerpts_unmatched += counts.excerpts_unmatched;
	stats->excerpts_over_quota += counts.excerpts_over_quota;
}

/* With the lock held on entry and return. False: stopping, and the disk still fails. */
static bool commit_batch(struct rw_store *store, const struct operation *batch)
{
	char reason[RW_STORE_ERROR_BYTES];
	bool failed = false;

	for (;;) {
		bool last_try = store->stopping;
		pthread_mutex_unlock(&store->lock);

		uint64_t begun_ns = rw_clock_boot_ns();
		int err = write_batch(store->journal, batch, reason);
		uint64_t took_us = (rw_clock_boot_ns() - begun_ns) / 1000;
		if (err != 0 && !failed && store->callbacks.failed != NULL)
			store->callbacks.failed(store->callbacks.context, reason);
		if (err == 0 && failed && store->callbacks.recovered != NULL)
			store->callbacks.recovered(store->callbacks.context);

		pthread_mutex_lock(&store->lock);
		if (err == 0) {
			count_commit(&store->stats, took_us);
			add_counts(&store->stats, rw_journal_counts(store->journal));
			return true;
		}
		failed = true;
		store->stats.failures++;
		if (last_try)
			return false;
		pause_ms(store, RETRY_MS);
	}
}

/* With the lock held: frees a batch that is on disk, and tells of it. */
static void finish_batch(struct rw_store *store, struct operation *batch)
{
	uint64_t last = 0;

	while (batch != NULL) {
		struct operation *next = batch->next;
		last = batch->sequence;
		store->queued_bytes -= batch->bytes;
		store->stats.queued--;
		store->stats.committed++;
		free(batch);
		batch = next;
	}
	pthread_mutex_unlock(&store->lock);
	if (store->callbacks.committed != NULL)
		store->callbacks.committed(store->callbacks.context, last);
	pthread_mutex_lock(&store->lock);
}

/* With the lock held: old rows go piece by piece while nothing waits. Returns when to look again.
 */
static uint64_t sweep(struct rw_store *store, uint64_t *cursor)
{
	uint64_t now_ms = rw_clock_wall_ms();
	bool keeps_all = store->retention_ms == 0 || store->retention_ms >= now_ms;

	pthread_mutex_unlock(&store->lock);
	int err = rw_journal_sweep(store->journal, now_ms,
				   keeps_all ? 0 : now_ms - store->retention_ms, cursor);
	pthread_mutex_lock(&store->lock);
	return err == 0 && *cursor != 0 ? SWEEP_PAUSE_MS : SWEEP_EVERY_MS;
}

static void *run_writer(void *context)
{
	struct rw_store *store = context;
	uint64_t cursor = 0;
	struct timespec next_sweep = rw_clock_monotonic_in(RETRY_MS);

	pthread_mutex_lock(&store->lock);
	for (;;) {
		struct operation *batch = take_batch(store);
		if (batch != NULL) {
			if (!commit_batch(store, batch)) {
				/* Stopping on a dead disk: nothing of it was acknowledged. */
				struct operation *rest = store->head;
				store->head = batch;
				for (; batch->next != NULL; batch = batch->next)
					;
				batch->next = rest;
				break;
			}
			finish_batch(store, batch);
			continue;
		}
		if (store->stopping)
			break;
		if (pthread_cond_timedwait(&store->wake, &store->lock, &next_sweep) == ETIMEDOUT)
			next_sweep = rw_clock_monotonic_in(sweep(store, &cursor));
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* ---- pushing ---------------------------------------------------------------- */

bool rw_store_has_room(const struct rw_store *store, uint32_t events)
{
	struct rw_store *mutable_store = (struct rw_store *)(uintptr_t)store;

	pthread_mutex_lock(&mutable_store->lock);
	bool room = store->stats.queued + events <= RW_STORE_QUEUE_MAX &&
		    store->queued_bytes < RW_STORE_QUEUE_BYTES;
	pthread_mutex_unlock(&mutable_store->lock);
	return room;
}

void rw_store_group_begin(struct rw_store *store)
{
	pthread_mutex_lock(&store->lock);
	if (store->group_depth++ == 0)
		store->group_first = store->stats.pushed + 1;
	pthread_mutex_unlock(&store->lock);
}

void rw_store_group_end(struct rw_store *store)
{
	pthread_mutex_lock(&store->lock);
	if (--store->group_depth == 0) {
		/* The tail is of this group unless nothing was pushed in it. */
		if (store->tail != NULL)
			store->tail->group_goes_on = false;
		store->group_first = UINT64_MAX;
		if (store->head != NULL)
			pthread_cond_signal(&store->wake);
	}
	pthread_mutex_unlock(&store->lock);
}

static struct operation *new_operation(enum operation_type type, size_t payload_bytes)
{
	struct operation *op = malloc(sizeof(*op) + payload_bytes);

	if (op == NULL)
		return NULL;
	memset(op, 0, sizeof(*op));
	op->type = type;
	op->bytes = sizeof(*op) + payload_bytes;
	return op;
}

/* Takes `op` over (NULL: there was no memory). */
static uint64_t push(struct rw_store *store, struct operation *op)
{
	uint64_t sequence = 0;

	if (op == NULL)
		return 0;
	pthread_mutex_lock(&store->lock);
	bool is_event = op->type == OPERATION_EVENT;
	uint64_t max = is_event ? RW_STORE_QUEUE_MAX + RW_STORE_BATCH_SLACK : RW_STORE_CHANGES_MAX;
	if (!store->stopping && store->stats.queued < max) {
		sequence = op->sequence = ++store->stats.pushed;
		op->group_goes_on = store->group_depth > 0;
		store->queued_bytes += op->bytes;
		store->stats.queued++;
		if (store->tail != NULL)
			store->tail->next = op;
		else
			store->head = op;
		store->tail = op;
		if (store->group_depth == 0)
			pthread_cond_signal(&store->wake);
	}
	pthread_mutex_unlock(&store->lock);
	if (sequence == 0)
		free(op);
	return sequence;
}

uint64_t rw_store_push_change(struct rw_store *store, const struct rw_change *change)
{
	const void *row = NULL;
	size_t bytes = 0;

	switch (change->type) {
	case RW_CHANGE_HOST:
		row = &change->host;
		bytes = sizeof(change->host);
		break;
	case RW_CHANGE_DEPLOYMENT:
	case RW_CHANGE_DEPLOYMENT_GONE:
		row = &change->deployment;
		bytes = sizeof(change->deployment);
		break;
	case RW_CHANGE_RUN:
	case RW_CHANGE_EVIDENCE_CLEARED:
		row = &change->run;
		bytes = sizeof(change->run);
		break;
	case RW_CHANGE_EXPOSURE:
		row = &change->exposure;
		bytes = sizeof(change->exposure);
		break;
	case RW_CHANGE_EVIDENCE:
		row = &change->evidence;
		bytes = sizeof(change->evidence);
		break;
	case RW_CHANGE_TROUBLE:
		row = &change->trouble;
		bytes = sizeof(change->trouble);
		break;
	case RW_CHANGE_SIGNATURE:
	case RW_CHANGE_SIGNATURE_GONE:
		row = &change->signature;
		bytes = sizeof(change->signature);
		break;
	case RW_CHANGE_SIGHTING:
		row = &change->sighting;
		bytes = sizeof(change->sighting);
		break;
	case RW_CHANGE_LIFE:
		row = &change->life;
		bytes = sizeof(change->life);
		break;
	}
	if (row == NULL)
		return 0;

	struct operation *op = new_operation(OPERATION_CHANGE, bytes);
	if (op != NULL) {
		op->change = change->type;
		op->at_wall_ms = change->at_wall_ms;
		memcpy(op->payload, row, bytes);
	}
	return push(store, op);
}

uint64_t rw_store_push_sample(struct rw_store *store, const struct rw_sample_row *row)
{
	struct operation *op = new_operation(OPERATION_SAMPLE, sizeof(*row));

	if (op != NULL)
		memcpy(op->payload, row, sizeof(*row));
	return push(store, op);
}

static size_t texts_length(const char *const *texts, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += strlen(texts[i]) + 1;
	return length;
}

/* Copies the texts into the room behind a payload, and lets the pointers show there. */
static void keep_texts(const char **texts, size_t count, char *room)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(texts[i]) + 1;
		memcpy(room, texts[i], length);
		texts[i] = room;
		room += length;
	}
}

/* Frames in one text, a line each. */
static void join_stack(const Ringwatch__V1__Event *event, char out[STACK_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < event->n_stack; i++) {
		int n = snprintf(out + used, STACK_BYTES - used, "%s%s", i == 0 ? "" : "\n",
				 event->stack[i]);
		if (n < 0 || (size_t)n >= STACK_BYTES - used)
			return; /* wire limits exclude it */
		used += (size_t)n;
	}
}

/* As in a JSON string. What does not fit is left off: FACTS_BYTES excludes it. */
static size_t put_json_text(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (const char *c = text; *c != '\0' && size - used > 6; c++) {
		if ((unsigned char)*c < 0x20)
			used += (size_t)snprintf(out + used, size - used, "\\u%04x",
						 (unsigned)(unsigned char)*c);
		else
			used += (size_t)snprintf(out + used, size - used, "%s%c",
						 *c == '"' || *c == '\\' ? "\\" : "", *c);
	}
	return used;
}

/* {"type":"page_fault","address":"0x8"} */
static void join_facts(const Ringwatch__V1__Event *event, char out[FACTS_BYTES])
{
	size_t used = 0;
	const char *between = "{";

	for (size_t i = 0; i < event->n_facts; i++) {
		const char *name = rw_fact_name(event->facts[i]->name);
		if (name == NULL || used + strlen(name) + 8 > FACTS_BYTES)
			continue; /* wire limits exclude it */
		used += (size_t)snprintf(out + used, FACTS_BYTES - used, "%s\"%s\":\"", between,
					 name);
		used += put_json_text(out + used, FACTS_BYTES - used - 4, event->facts[i]->value);
		used += (size_t)snprintf(out + used, FACTS_BYTES - used, "\"");
		between = ",";
	}
	snprintf(out + used, FACTS_BYTES - used, "%s", used == 0 ? "{}" : "}");
}

static const char *name_or_empty(const char *name)
{
	return name == NULL ? "" : name;
}

static const char *drill_of(const Ringwatch__V1__Event *event)
{
	if (event->kind != RINGWATCH__V1__KIND__KIND_DRILL)
		return "";
	for (size_t i = 0; i < event->n_facts; i++) {
		if (event->facts[i]->name == RINGWATCH__V1__FACT_NAME__FACT_DRILL)
			return event->facts[i]->value;
	}
	return "unnamed";
}

uint64_t rw_store_push_event(struct rw_store *store, const struct rw_store_event *event)
{
	const Ringwatch__V1__Event *e = event->event;
	char stack[STACK_BYTES];
	char facts[FACTS_BYTES];
	struct rw_journal_event row = {
		.sequence = e->sequence,
		.at_wall_ms = event->at_wall_ms,
		.received_wall_ms = event->received_wall_ms,
		.host_wall_ms = e->wall_ms,
		.boot_order = e->boot_order,
		.boot_ms = e->boot_ms,
		.cpu = e->cpu,
		.pid = e->pid,
		.count = e->count,
		.error = e->error,
		.signatures_a_day = event->signatures_a_day,
		.over_quota = event->over_quota,
		.text =
			{
				[RW_EVENT_HOST] = event->host,
				[RW_EVENT_RING] = event->ring,
				[RW_EVENT_KIND] = name_or_empty(rw_kind_name(e->kind)),
				[RW_EVENT_SEVERITY] = name_or_empty(rw_severity_name(e->severity)),
				[RW_EVENT_SOURCE] = name_or_empty(rw_source_name(e->source)),
				[RW_EVENT_BOOT_ID] = e->boot_id,
				[RW_EVENT_COMM] = e->comm,
				[RW_EVENT_SIGNATURE] = e->signature,
				[RW_EVENT_SYMBOL] = e->symbol,
				[RW_EVENT_MODULE] = e->module,
				[RW_EVENT_DETAIL] = e->detail,
				[RW_EVENT_STACK] = stack,
				[RW_EVENT_FACTS] = facts,
				[RW_EVENT_DRILL] = drill_of(e),
			},
		.about = e->about,
		.log_size = event->over_quota ? 0 : (uint32_t)e->log.len, /* it is not kept */
		.log_plain = e->log_bytes,
	};

	join_stack(e, stack);
	join_facts(e, facts);
	memcpy(row.spool_id, event->spool_id, sizeof(row.spool_id));
	size_t texts = texts_length(row.text, RW_EVENT_TEXT_COUNT);
	struct operation *op = new_operation(OPERATION_EVENT, sizeof(row) + texts + row.log_size);
	if (op != NULL) {
		char *room = (char *)op->payload + sizeof(row);
		keep_texts(row.text, RW_EVENT_TEXT_COUNT, room);
		if (row.log_size > 0)
			memcpy(room + texts, e->log.data, row.log_size);
		row.log = room + texts;
		memcpy(op->payload, &row, sizeof(row));
	}
	return push(store, op);
}

uint64_t rw_store_push_audit(struct rw_store *store, const struct rw_audit_row *row)
{
	const char *texts[] = {row->actor, row->action, row->subject, row->detail};
	struct rw_audit_row kept = {.at_wall_ms = row->at_wall_ms};
	struct operation *op =
		new_operation(OPERATION_AUDIT, sizeof(kept) + texts_length(texts, 4));

	if (op != NULL) {
		keep_texts(texts, 4, (char *)op->payload + sizeof(kept));
		kept.actor = texts[0];
		kept.action = texts[1];
		kept.subject = texts[2];
		kept.detail = texts[3];
		memcpy(op->payload, &kept, sizeof(kept));
	}
	return push(store, op);
}

uint64_t rw_store_push_slot(struct rw_store *store, const struct rw_slot_row *row)
{
	const char *texts[] = {row->ring, row->holder};
	struct rw_slot_row kept = {.reserved_wall_ms = row->reserved_wall_ms};
	struct operation *op = new_operation(OPERATION_SLOT, sizeof(kept) + texts_length(texts, 2));

	if (op != NULL) {
		keep_texts(texts, 2, (char *)op->payload + sizeof(kept));
		kept.ring = texts[0];
		kept.holder = texts[1];
		memcpy(op->payload, &kept, sizeof(kept));
	}
	return push(store, op);
}

uint64_t rw_store_push_drill(struct rw_store *store, const struct rw_drill_row *row)
{
	struct operation *op = new_operation(OPERATION_DRILL, sizeof(*row));

	if (op != NULL)
		memcpy(op->payload, row, sizeof(*row));
	return push(store, op);
}

uint64_t rw_store_push_delivery(struct rw_store *store, const struct rw_delivery_row *row)
{
	const char *texts[] = {row->delivery, row->target, row->kind, row->deployment,
			       row->ring,     row->body,   row->skip};
	const size_t count = sizeof(texts) / sizeof(texts[0]);
	struct rw_delivery_row kept = *row;
	struct operation *op =
		new_operation(OPERATION_DELIVERY, sizeof(kept) + texts_length(texts, count));

	if (op != NULL) {
		keep_texts(texts, count, (char *)op->payload + sizeof(kept));
		kept.delivery = texts[0];
		kept.target = texts[1];
		kept.kind = texts[2];
		kept.deployment = texts[3];
		kept.ring = texts[4];
		kept.body = texts[5];
		kept.skip = texts[6];
		memcpy(op->payload, &kept, sizeof(kept));
	}
	return push(store, op);
}

static uint64_t push_result(struct rw_store *store, enum operation_type type,
			    const struct rw_delivery_result *result)
{
	const char *texts[] = {result->delivery, result->error};
	struct rw_delivery_result kept = *result;
	struct operation *op = new_operation(type, sizeof(kept) + texts_length(texts, 2));

	if (op != NULL) {
		keep_texts(texts, 2, (char *)op->payload + sizeof(kept));
		kept.delivery = texts[0];
		kept.error = texts[1];
		memcpy(op->payload, &kept, sizeof(kept));
	}
	return push(store, op);
}

uint64_t rw_store_push_delivery_result(struct rw_store *store,
				       const struct rw_delivery_result *result)
{
	return push_result(store, OPERATION_DELIVERY_RESULT, result);
}

uint64_t rw_store_push_delivery_retry(struct rw_store *store, const char *delivery,
				      uint64_t now_wall_ms)
{
	const struct rw_delivery_result retry = {
		.delivery = delivery, .now_wall_ms = now_wall_ms, .error = ""};

	return push_result(store, OPERATION_DELIVERY_RETRY, &retry);
}

void rw_store_stats(const struct rw_store *store, struct rw_store_stats *out)
{
	struct rw_store *mutable_store = (struct rw_store *)(uintptr_t)store;

	pthread_mutex_lock(&mutable_store->lock);
	*out = store->stats;
	pthread_mutex_unlock(&mutable_store->lock);
}

/* ---- opening, loading, closing ------------------------------------------------ */

static void release(struct rw_store *store)
{
	while (store->head != NULL) {
		struct operation *next = store->head->next;
		free(store->head);
		store->head = next;
	}
	rw_journal_close(store->journal);
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

int rw_store_open(const char *path, uint64_t retention_ms,
		  const struct rw_store_callbacks *callbacks, struct rw_store **out,
		  char error[RW_STORE_ERROR_BYTES])
{
	struct rw_store *store = calloc(1, sizeof(*store));
	pthread_condattr_t attributes;

	if (store == NULL) {
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: out of memory", path);
		return -ENOMEM;
	}
	if (callbacks != NULL)
		store->callbacks = *callbacks;
	store->retention_ms = retention_ms;
	store->group_first = UINT64_MAX;
	pthread_mutex_init(&store->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&store->wake, &attributes);
	pthread_condattr_destroy(&attributes);

	int err = rw_journal_open(path, &store->journal, error);
	if (err == 0) {
		err = -pthread_create(&store->writer, NULL, run_writer, store);
		store->writer_runs = err == 0;
		if (err != 0)
			snprintf(error, RW_STORE_ERROR_BYTES, "%s: no writer thread: %s", path,
				 strerror(-err));
	}
	if (err != 0) {
		release(store);
		return err;
	}
	*out = store;
	return 0;
}

int rw_store_load(struct rw_store *store, const struct rw_store_loader *loader,
		  char error[RW_STORE_ERROR_BYTES])
{
	/* Nothing has been pushed, so the writer sleeps, and the lock keeps it so. */
	pthread_mutex_lock(&store->lock);
	int err = rw_journal_load(store->journal, loader, error);
	pthread_mutex_unlock(&store->lock);
	return err;
}

void rw_store_close(struct rw_store *store)
{
	if (store == NULL)
		return;
	pthread_mutex_lock(&store->lock);
	store->stopping = true;
	store->group_first = UINT64_MAX;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
	if (store->writer_runs)
		pthread_join(store->writer, NULL);
	release(store);
}
