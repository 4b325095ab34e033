/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's side: what was told to whom, and what of a verdict is news to a target.
 *
 * What was told is told again by the rows themselves: the last one of a target, deployment
 * and ring names the verdict that it told. So a restart forgets nothing and repeats nothing,
 * and a target that is new learns where things stand.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/webhook/body.h"
#include "collector/webhook/internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"

enum { NAMES_MAX = 2 * RW_WEBHOOK_TARGETS_MAX, ID_BYTES = 16 };

/* What a target was told last; the order of kind_names. */
enum kind { TOLD_NOTHING, TOLD_PROCEED, TOLD_HOLD, TOLD_ABORT, TOLD_DRILL, TOLD_END, KIND_COUNT };
static const char *const kind_names[] = {"", "proceed", "hold", "abort", "drill", "ended"};

struct run {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	bool seen;               /* in this look */
	uint8_t told[NAMES_MAX]; /* by name's slot */
};

struct rw_webhook_told {
	struct run *runs;
	size_t count, room, last; /* last: looks go over them in the same order */
	/* Names of targets, also of some that are gone and may come back. */
	char names[NAMES_MAX][RW_NAME_MAX + 1];
	uint32_t slots[RW_WEBHOOK_TARGETS_MAX]; /* of the configuration's targets */
	bool listening, store_failed;
	struct rw_verdict scratch; /* large */
};

struct rw_webhook_told *rw_webhook_told_new(void)
{
	return calloc(1, sizeof(struct rw_webhook_told));
}

void rw_webhook_told_free(struct rw_webhook_told *told)
{
	if (told != NULL)
		free(told->runs);
	free(told);
}

/* ---- runs and names -------------------------------------------------------------------- */

static bool is_run(const struct run *run, const char *deployment, const char *ring)
{
	return strcmp(run->deployment, deployment) == 0 && strcmp(run->ring, ring) == 0;
}

/* NULL: no memory. */
static struct run *find_run(struct rw_webhook_told *told, const char *deployment, const char *ring)
{
	for (size_t i = 0; i < told->count; i++) {
		size_t at = (told->last + i) % told->count;

		if (!is_run(&told->runs[at], deployment, ring))
			continue;
		told->last = at;
		return &told->runs[at];
	}
	if (told->count == told->room) {
		size_t room = told->room == 0 ? 16 : 2 * told->room;
		struct run *grown = realloc(told->runs, room * sizeof(*grown));

		if (grown == NULL)
			return NULL;
		told->runs = grown;
		told->room = room;
	}
	struct run *run = &told->runs[told->count++];

	*run = (struct run){0};
	snprintf(run->deployment, sizeof(run->deployment), "%s", deployment);
	snprintf(run->ring, sizeof(run->ring), "%s", ring);
	return run;
}

static bool is_configured(const struct rw_webhook_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->count; i++) {
		if (strcmp(config->targets[i].name, name) == 0)
			return true;
	}
	return false;
}

static void clear_slot(struct rw_webhook_told *told, uint32_t slot)
{
	for (size_t i = 0; i < told->count; i++)
		told->runs[i].told[slot] = TOLD_NOTHING;
}

/* The name's slot; a new one takes a free one, or that of a target that is gone. */
static uint32_t slot_of(struct rw_webhook_told *told, const struct rw_webhook_config *config,
			const char *name)
{
	uint32_t slot = 0;

	for (uint32_t i = 0; i < NAMES_MAX; i++) {
		if (strcmp(told->names[i], name) == 0)
			return i;
	}
	while (slot < NAMES_MAX - 1 && told->names[slot][0] != '\0' &&
	       is_configured(config, told->names[slot]))
		slot++;
	for (uint32_t i = 0; i < NAMES_MAX; i++) {
		if (told->names[i][0] == '\0') {
			slot = i;
			break;
		}
	}
	clear_slot(told, slot);
	snprintf(told->names[slot], sizeof(told->names[slot]), "%s", name);
	return slot;
}

void rw_webhook_told_config(struct rw_webhooks *w)
{
	for (uint32_t i = 0; i < w->config->count; i++)
		w->told->slots[i] = slot_of(w->told, w->config, w->config->targets[i].name);
}

static int add_told(void *context, const struct rw_delivery_read *row)
{
	struct rw_webhooks *w = context;
	enum kind kind = TOLD_NOTHING;

	for (int i = TOLD_PROCEED; i < KIND_COUNT; i++) {
		if (strcmp(row->kind, kind_names[i]) == 0)
			kind = (enum kind)i;
	}
	if (!is_configured(w->config, row->target))
		return 0;
	struct run *run = find_run(w->told, row->deployment, row->ring);
	if (run == NULL)
		return -ENOMEM;
	run->told[slot_of(w->told, w->config, row->target)] = (uint8_t)kind;
	return 0;
}

int rw_webhook_told_load(struct rw_webhooks *w, struct rw_store_reader *reader)
{
	rw_webhook_told_config(w);
	return rw_store_reader_deliveries_told(reader, add_told, w);
}

/* ---- rows ------------------------------------------------------------------------------ */

static bool make_id(char id[RW_WEBHOOK_ID_BYTES])
{
	unsigned char bytes[ID_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, RW_WEBHOOK_ID_BYTES - 2 * i, "%02x", bytes[i]);
	return true;
}

static bool push(struct rw_webhooks *w, const struct rw_webhook_target *target, const char *kind,
		 const char *skip, struct rw_webhook_news news)
{
	char id[RW_WEBHOOK_ID_BYTES];
	uint64_t sequence = 0;
	bool has_id = make_id(id);

	news.id = id;
	news.collector = w->name;
	rw_autofree char *body = !has_id           ? NULL
				 : skip[0] != '\0' ? strdup("")
						   : rw_webhook_render(target->body, &news);
	if (body != NULL) {
		const struct rw_delivery_row row = {
			.delivery = id,
			.target = target->name,
			.kind = kind,
			.deployment = news.verdict->deployment,
			.ring = news.verdict->ring,
			.body = body,
			.skip = skip,
			.created_wall_ms = news.verdict->evaluated_wall_ms,
			.pending_max = RW_DELIVERIES_PENDING_MAX,
		};
		sequence = rw_store_push_delivery(w->store, &row);
	}
	if (sequence != 0)
		rw_webhook_note_pushed(w, sequence);
	return sequence != 0;
}

/* ---- verdicts -------------------------------------------------------------------------- */

static bool is_abort(enum kind kind)
{
	return kind == TOLD_ABORT || kind == TOLD_DRILL;
}

static enum kind kind_of(const struct rw_verdict *v)
{
	if (v->decision == RW_ABORT)
		return rw_webhook_is_drill(v) ? TOLD_DRILL : TOLD_ABORT;
	return v->decision == RW_PROCEED ? TOLD_PROCEED : TOLD_HOLD;
}

/*
 * A hold that says nothing of the ring: because the collector has just begun to listen, or
 * for the moment that a commit takes.
 */
static bool is_passing(const struct rw_webhook_told *told, const struct rw_verdict *v)
{
	return v->decision == RW_HOLD &&
	       (told->listening || (!told->store_failed && v->reason_count == 1 &&
				    v->reasons[0] == RW_REASON_STORE_FAILED));
}

/* Whether the target does anything with the step from one to the other. */
static bool is_news(enum rw_webhook_body body, enum kind was, enum kind is)
{
	if (was == is)
		return false;
	if (body == RW_WEBHOOK_PAGERDUTY || body == RW_WEBHOOK_HAWKBIT)
		return is_abort(was) || is_abort(is);
	return is != TOLD_END;
}

static void tell(struct rw_webhooks *w, uint32_t index, struct run *run, enum kind kind,
		 const struct rw_verdict *v)
{
	static const char left_paused[] = "a paused rollout is resumed by people";
	const struct rw_webhook_target *target = &w->config->targets[index];
	uint8_t *told = &run->told[w->told->slots[index]];
	enum kind was = (enum kind)told[0];
	bool skips = target->body == RW_WEBHOOK_HAWKBIT && !is_abort(kind);
	const struct rw_webhook_news news = {
		.has_ended = kind == TOLD_END,
		/* The verdict of a drill is an abort. */
		.previous = kind_names[was == TOLD_DRILL ? TOLD_ABORT : was],
		.verdict = v,
	};

	if (!target->on_verdict || !rw_webhook_target_wants_ring(target, run->ring))
		return;
	if (is_news(target->body, was, kind) &&
	    !push(w, target, kind_names[kind], skips ? left_paused : "", news))
		return; /* the next look tries again */
	*told = (uint8_t)kind;
}

void rw_webhooks_look_begin(struct rw_webhooks *w, bool listening, bool store_failed)
{
	w->told->listening = listening;
	w->told->store_failed = store_failed;
}

void rw_webhooks_verdict(struct rw_webhooks *w, const struct rw_verdict *v)
{
	struct run *run = find_run(w->told, v->deployment, v->ring);

	if (run == NULL)
		return;
	run->seen = true;
	for (uint32_t i = 0; !is_passing(w->told, v) && i < w->config->count; i++)
		tell(w, i, run, kind_of(v), v);
}

/* Whose abort somebody still waits for the end of. */
static bool ends(struct rw_webhooks *w, struct run *run, const struct rw_core *core,
		 struct rw_now now)
{
	bool done = true;

	for (uint32_t i = 0; i < w->config->count; i++) {
		const uint8_t *told = &run->told[w->told->slots[i]];

		if (w->config->targets[i].body != RW_WEBHOOK_PAGERDUTY ||
		    !is_abort((enum kind)told[0]))
			continue;
		rw_core_verdict(core, run->deployment, run->ring, RW_FOR_ADVANCE, now,
				&w->told->scratch);
		tell(w, i, run, TOLD_END, &w->told->scratch);
		done &= !is_abort((enum kind)told[0]);
	}
	return done;
}

void rw_webhooks_look_end(struct rw_webhooks *w, const struct rw_core *core, struct rw_now now)
{
	struct rw_webhook_told *told = w->told;
	size_t kept = 0;

	for (size_t i = 0; i < told->count; i++) {
		struct run *run = &told->runs[i];

		if (!run->seen && ends(w, run, core, now))
			continue;
		run->seen = false;
		if (kept != i)
			told->runs[kept] = *run;
		kept++;
	}
	told->count = kept;
	told->last = 0;
}

void rw_webhooks_breaker(struct rw_webhooks *w, const struct rw_verdict *v)
{
	/* In this order: the verdict goes first. */
	rw_webhooks_verdict(w, v);
	for (uint32_t i = 0; i < w->config->count; i++) {
		const struct rw_webhook_target *target = &w->config->targets[i];
		struct rw_webhook_news news = {.is_breaker = true, .previous = "", .verdict = v};

		if (target->on_breaker && rw_webhook_target_wants_ring(target, v->ring) &&
		    !push(w, target, RW_DELIVERY_BREAKER, "", news))
			rw_error("event=webhook_lost target=%s what=breaker_opened deployment=%s "
				 "ring=%s",
				 target->name, v->deployment, v->ring);
	}
}
