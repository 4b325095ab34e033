/* SPDX-License-Identifier: Apache-2.0 */
/* See feed.h. */
#include "collector/api/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/api/internal.h"
#include "lib/clock.h"
#include "lib/log.h"

enum {
	RUNS_A_CALL = 8,    /* deployments looked at in one call of the loop */
	ROWS_A_TURN = 1000, /* of each kind */
	ROWS_A_PORTION = 25,
	PORTION_BYTES = RW_FEED_QUEUE_BYTES / 2, /* the rest is for what happens meanwhile */
	BEHIND_MOST = 20 * ROWS_A_TURN,
	ID_BYTES = 48,
	REAL_DIGITS = 15,
	OVERFLOW_BYTES = 256, /* kept free in a queue for the word that ends it */
};

/* How far one has been told how things stand. */
struct place {
	bool rings;      /* they are told */
	bool ended_too;  /* told of are deployments that have ended, too */
	uint64_t number; /* runs before this one, in order of deployments and their rings */
	uint32_t ring_index;
};

struct rw_listener {
	struct rw_feed *feed;
	struct rw_listener *next;
	uint64_t number; /* from 1 */
	void *connection;
	char token[RW_FEED_TOKEN_BYTES];
	bool greeted; /* it has its hello */
	bool behind;  /* it is still told how things stand, from its place on */
	bool joined;  /* it has all rows up to the feed's own, and is told the next */
	bool waits;   /* found nothing */
	bool ended;   /* when the queue is empty, that was all */
	bool resumes;
	struct place place;
	struct rw_store_newest from; /* the rows it had; until it joined */
	char *queue;                 /* RW_FEED_QUEUE_BYTES + OVERFLOW_BYTES */
	size_t begin, used;
};

/* What was told of a run last. Compared byte by byte: made of zeros. */
struct run_state {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	uint64_t number;     /* the deployment's */
	uint32_t ring_index; /* of the deployment's rings */
	uint32_t active;
	uint32_t step;
	uint32_t decision;
	uint32_t rule;
	uint32_t open;
	uint32_t bake;
	uint32_t reason_count;
	uint32_t reasons[RW_CORE_REASONS_MAX];
	uint64_t exposed, at_risk, failed;
};

struct ring_state {
	char ring[RW_CORE_NAME_BYTES];
	uint64_t enrolled;
	uint64_t presence[RW_PRESENCE_COUNT];
};

struct picture {
	struct run_state *runs;
	uint32_t run_count, run_room;
	struct ring_state rings[RW_CORE_RINGS_MAX];
	uint32_t ring_count;
};

struct rw_feed {
	struct rw_feed_config config;
	char *store_path;
	char name[RW_NAME_MAX + 1];
	pthread_t thread;

	/* of the thread that turns */
	struct rw_store_reader *reader;
	struct picture told, seen;
	bool sees;                   /* the last turn found loop and store */
	bool primed;                 /* `told` and `newest` are of a turn not long ago */
	struct rw_store_newest at;   /* rows that were told */
	uint64_t rings_ms, alive_ms; /* when these were told */
	uint64_t now_wall_ms;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	struct rw_listener *first;
	uint32_t count;
	uint64_t last_number;
	bool hungry;                /* one who is not told all yet has room for more */
	struct rw_feed_stats stats; /* without `listeners` */
	bool stopping;
};

/* ---- queues: with the lock held ------------------------------------------------------ */

static void wake(struct rw_listener *listener)
{
	if (!listener->waits)
		return;
	listener->waits = false;
	listener->feed->config.wake(listener->connection);
}

static void put(struct rw_listener *listener, const char *text, size_t length, size_t room)
{
	if (listener->begin > 0) {
		memmove(listener->queue, listener->queue + listener->begin, listener->used);
		listener->begin = 0;
	}
	if (listener->used + length > room)
		return;
	memcpy(listener->queue + listener->used, text, length);
	listener->used += length;
	wake(listener);
}

static void end_with(struct rw_listener *listener, enum rw_feed_end end, const char *reason)
{
	char text[OVERFLOW_BYTES];
	int length = snprintf(text, sizeof(text), "event: overflow\ndata: {\"reason\":\"%s\"}\n\n",
			      reason);

	if (listener->ended)
		return;
	put(listener, text, (size_t)length, RW_FEED_QUEUE_BYTES + OVERFLOW_BYTES);
	listener->ended = true;
	listener->feed->stats.ended[end]++;
	wake(listener);
}

static void tell(struct rw_listener *listener, const char *text, size_t length)
{
	if (listener->ended)
		return;
	if (listener->used + length > RW_FEED_QUEUE_BYTES)
		end_with(listener, RW_FEED_SLOW,
			 "too slow: what happened meanwhile is in the lists");
	else
		put(listener, text, length, RW_FEED_QUEUE_BYTES);
}

/* ---- messages ----------------------------------------------------------------------- */

/* Takes `data`. NULL: no memory. */
static char *message(const char *name, const struct rw_store_newest *id, json_t *data)
{
	char *json = data == NULL
			     ? NULL
			     : json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	char *text = NULL;
	char line[ID_BYTES + 8] = "";

	json_decref(data);
	if (json == NULL)
		return NULL;
	if (id != NULL)
		snprintf(line, sizeof(line), "id: %" PRIu64 "-%" PRIu64 "\n", id->event,
			 id->transition);
	if (asprintf(&text, "%sevent: %s\ndata: %s\n\n", line, name, json) < 0)
		text = NULL;
	free(json);
	return text;
}

/* To the one of this number, if it still listens, or (0) to all who have joined. A text that
 * there was no memory for ends what would not be whole. */
static void send_text(struct rw_feed *feed, uint64_t to, char *text)
{
	size_t length = text == NULL ? 0 : strlen(text);

	pthread_mutex_lock(&feed->lock);
	for (struct rw_listener *l = feed->first; l != NULL; l = l->next) {
		if (to != 0 ? l->number != to : !l->joined)
			continue;
		if (text == NULL)
			end_with(l, RW_FEED_NO_MEMORY, "out of memory");
		else
			tell(l, text, length);
	}
	pthread_mutex_unlock(&feed->lock);
	free(text);
}

/* Whether the run is told of already by one that has come to `place`. */
static bool is_before(const struct run_state *run, const struct place *place)
{
	return run->number < place->number ||
	       (run->number == place->number && run->ring_index < place->ring_index);
}

/* What has changed of a run, or of a ring (NULL), to all who know the state before. To whom
 * it is too much is told all again, at his own pace: the newest state is what counts. */
static void send_state(struct rw_feed *feed, const struct run_state *run, char *text)
{
	size_t length = text == NULL ? 0 : strlen(text);

	pthread_mutex_lock(&feed->lock);
	for (struct rw_listener *l = feed->first; l != NULL; l = l->next) {
		if (!l->greeted || l->ended)
			continue;
		if (l->behind && !(run == NULL ? l->place.rings : is_before(run, &l->place)))
			continue;
		if (text == NULL) {
			end_with(l, RW_FEED_NO_MEMORY, "out of memory");
		} else if (l->used + length > PORTION_BYTES) {
			l->behind = true;
			l->place = (struct place){.ended_too = true};
		} else {
			tell(l, text, length);
		}
	}
	pthread_mutex_unlock(&feed->lock);
	free(text);
}

static json_t *render_run(const struct run_state *run, uint64_t wall_ms)
{
	enum rw_reason reasons[RW_CORE_REASONS_MAX];

	for (uint32_t i = 0; i < run->reason_count; i++)
		reasons[i] = (enum rw_reason)run->reasons[i];
	return json_pack(
		"{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o}", "deployment",
		run->deployment, "ring", run->ring, "verdict",
		rw_decision_name((enum rw_decision)run->decision), "reasons",
		rw_render_reasons(reasons, run->reason_count), "breaker",
		run->open ? "open" : "closed", "rule", rw_rule_name((enum rw_rule)run->rule),
		"bake", rw_bake_state_name((enum rw_bake_state)run->bake), "step", (int)run->step,
		"exposed", rw_json_count(run->exposed), "at_risk", rw_json_count(run->at_risk),
		"failed", rw_json_count(run->failed), "at", rw_json_time(wall_ms));
}

static json_t *render_ring_state(const struct ring_state *ring)
{
	json_t *hosts = json_pack("{s:o}", "enrolled", rw_json_count(ring->enrolled));

	for (int i = 0; i < RW_PRESENCE_COUNT && hosts != NULL; i++) {
		if (i != RW_RETIRED)
			json_object_set_new(hosts, rw_presence_name((enum rw_presence)i),
					    rw_json_count(ring->presence[i]));
	}
	return json_pack("{s:s, s:o}", "ring", ring->ring, "hosts", hosts);
}

/* ---- what the loop knows --------------------------------------------------------------- */

struct look {
	struct picture *picture;
	uint32_t next; /* deployment */
	bool end, failed;
	uint64_t wall_ms;
	struct rw_verdict scratch;
	struct rw_deployment_view view;
};

static struct run_state *more_room(struct picture *picture)
{
	if (picture->run_count == picture->run_room) {
		uint32_t room = picture->run_room == 0 ? 64 : 2 * picture->run_room;
		struct run_state *grown = realloc(picture->runs, room * sizeof(*grown));

		if (grown == NULL)
			return NULL;
		picture->runs = grown;
		picture->run_room = room;
	}
	return &picture->runs[picture->run_count++];
}

static void take_run(struct look *look, uint64_t number, uint32_t ring_index)
{
	const struct rw_run_summary *run = &look->view.runs[ring_index];
	struct run_state *state = more_room(look->picture);

	if (state == NULL) {
		look->failed = true;
		return;
	}
	memset(state, 0, sizeof(*state));
	memcpy(state->deployment, look->view.row.id, sizeof(state->deployment));
	memcpy(state->ring, run->ring, sizeof(state->ring));
	state->number = number;
	state->ring_index = ring_index;
	state->active = look->view.row.state == RW_DEPLOYMENT_ACTIVE;
	state->step = run->step;
	state->decision = run->decision;
	state->rule = run->rule;
	state->open = run->breaker_open;
	state->bake = run->bake;
	state->reason_count = run->reason_count;
	for (uint32_t i = 0; i < run->reason_count; i++)
		state->reasons[i] = run->reasons[i];
	state->exposed = run->exposed;
	state->at_risk = run->at_risk;
	state->failed = run->failed;
}

static void look_at_runs(struct rw_core *core, struct rw_now now, void *context)
{
	struct look *look = context;
	uint32_t total = rw_core_deployment_count(core);

	look->wall_ms = now.wall_ms;
	for (uint32_t n = 0; n < RUNS_A_CALL && look->next < total; n++, look->next++) {
		if (!rw_view_deployment(core, look->next, now, &look->scratch, &look->view))
			continue;
		for (uint32_t i = 0; i < look->view.row.ring_count; i++)
			take_run(look, rw_core_deployment_number(core, look->next), i);
	}
	look->end = look->next >= total;
}

static void look_at_rings(struct rw_core *core, struct rw_now now, void *context)
{
	struct look *look = context;
	struct rw_ring_view view;

	(void)now;
	for (uint32_t i = 0; rw_core_ring_at(core, i, &view); i++) {
		struct ring_state *ring = &look->picture->rings[i];

		memset(ring, 0, sizeof(*ring));
		memcpy(ring->ring, view.policy.name, sizeof(ring->ring));
		ring->enrolled = view.enrolled;
		memcpy(ring->presence, view.presence, sizeof(ring->presence));
		look->picture->ring_count = i + 1;
	}
}

/* False: the loop does not turn, or there is no memory. */
static bool look(struct rw_feed *feed)
{
	struct look *look = calloc(1, sizeof(*look));

	if (look == NULL)
		return false;
	look->picture = &feed->seen;
	feed->seen.run_count = feed->seen.ring_count = 0;
	bool ok = rw_hub_call(feed->config.hub, look_at_rings, look) == 0;
	while (ok && !look->end)
		ok = rw_hub_call(feed->config.hub, look_at_runs, look) == 0 && !look->failed;
	feed->now_wall_ms = look->wall_ms;
	free(look);
	return ok;
}

/* ---- what changed ---------------------------------------------------------------------- */

static const struct run_state *find_run(const struct picture *picture,
					const struct run_state *wanted)
{
	for (uint32_t i = 0; i < picture->run_count; i++) {
		if (strcmp(picture->runs[i].deployment, wanted->deployment) == 0 &&
		    strcmp(picture->runs[i].ring, wanted->ring) == 0)
			return &picture->runs[i];
	}
	return NULL;
}

static void tell_changes(struct rw_feed *feed, uint64_t now_ms)
{
	bool rings_too = now_ms >= feed->rings_ms + RW_FEED_RINGS_MS;

	for (uint32_t i = 0; i < feed->seen.run_count; i++) {
		const struct run_state *run = &feed->seen.runs[i];
		const struct run_state *before =
			i < feed->told.run_count &&
					memcmp(run, &feed->told.runs[i], sizeof(*run)) == 0
				? run
				: find_run(&feed->told, run);

		if (before == NULL || memcmp(before, run, sizeof(*run)) != 0)
			send_state(feed, run,
				   message("verdict", NULL, render_run(run, feed->now_wall_ms)));
	}
	for (uint32_t i = 0; rings_too && i < feed->seen.ring_count; i++) {
		const struct ring_state *ring = &feed->seen.rings[i];

		if (i >= feed->told.ring_count ||
		    memcmp(ring, &feed->told.rings[i], sizeof(*ring)) != 0)
			send_state(feed, NULL, message("ring", NULL, render_ring_state(ring)));
	}
	if (rings_too)
		feed->rings_ms = now_ms;
}

/* What was seen is now what was told; rings only when their turn was. */
static void keep_picture(struct rw_feed *feed, bool rings_too)
{
	struct picture told = feed->seen;

	if (!rings_too) {
		memcpy(told.rings, feed->told.rings, sizeof(told.rings));
		told.ring_count = feed->told.ring_count;
	}
	feed->seen = feed->told;
	feed->told = told;
}

/* ---- rows of the store -------------------------------------------------------------------- */

struct rows {
	struct rw_feed *feed;
	uint64_t to; /* as in send_text() */
	struct rw_store_newest *at;
	const struct rw_store_newest *until;
};

static int take_event(void *context, const struct rw_event_row *row)
{
	struct rows *rows = context;

	if (row->row_id > rows->until->event)
		return 0;
	rows->at->event = row->row_id;
	send_text(rows->feed, rows->to, message("event", rows->at, rw_render_event(row)));
	return 0;
}

static int take_transition(void *context, const struct rw_transition_read *row)
{
	struct rows *rows = context;

	if (row->row_id > rows->until->transition)
		return 0;
	rows->at->transition = row->row_id;
	send_text(rows->feed, rows->to,
		  message("transition", rows->at,
			  json_pack("{s:o, s:o, s:s, s:s, s:s, s:s}", "id",
				    rw_json_count(row->row_id), "at", rw_json_time(row->at_wall_ms),
				    "host", row->host, "ring", row->ring, "from", row->from, "to",
				    row->to)));
	return 0;
}

/* Those after `at` and up to `until`, at most `limit` of each kind. False: not read. */
static bool tell_rows(struct rw_feed *feed, uint64_t to, struct rw_store_newest *at,
		      const struct rw_store_newest *until, uint32_t limit)
{
	struct rows rows = {feed, to, at, until};
	const struct rw_event_query query = {
		.cursor = at->event, .limit = limit, .oldest_first = true};
	int err = 0;

	if (at->transition < until->transition)
		err = rw_store_reader_transitions_after(feed->reader, at->transition, limit,
							take_transition, &rows);
	if (err == 0 && at->event < until->event)
		err = rw_store_reader_events(feed->reader, &query, take_event, &rows);
	return err == 0;
}

static bool read_newest(struct rw_feed *feed, struct rw_store_newest *out)
{
	char error[RW_STORE_ERROR_BYTES];

	if (feed->reader == NULL &&
	    rw_store_reader_open(feed->store_path, &feed->reader, error) != 0)
		return false;
	return rw_store_reader_newest(feed->reader, out) == 0;
}

static void end_all(struct rw_feed *feed, const char *reason)
{
	pthread_mutex_lock(&feed->lock);
	for (struct rw_listener *l = feed->first; l != NULL; l = l->next)
		end_with(l, RW_FEED_FLOOD, reason);
	pthread_mutex_unlock(&feed->lock);
}

static bool tell_new_rows(struct rw_feed *feed, const struct rw_store_newest *newest)
{
	/* Row ids begin anew when a sweep has taken the last one. */
	if (newest->event < feed->at.event)
		feed->at.event = newest->event;
	if (newest->transition < feed->at.transition)
		feed->at.transition = newest->transition;
	if (newest->event - feed->at.event + newest->transition - feed->at.transition >
	    BEHIND_MOST) {
		end_all(feed, "more happens than a stream carries: it is in the lists");
		feed->at = *newest;
		return true;
	}
	return tell_rows(feed, 0, &feed->at, newest, ROWS_A_TURN);
}

/* ---- who comes ------------------------------------------------------------------------------ */

/* A copy of one, made under the lock: it may leave at any time. */
struct newcomer {
	uint64_t number;
	bool resumes, greeted, behind, joined;
	struct place place;
	struct rw_store_newest from;
};

/* "" when it is told all that it has missed. */
static const char *missed_too_much(const struct rw_feed *feed, const struct newcomer *who)
{
	const struct rw_store_newest *from = &who->from;

	if (from->event > feed->at.event || from->transition > feed->at.transition)
		return "the store has no such row";
	if (feed->at.event - from->event + feed->at.transition - from->transition > RW_FEED_BACKLOG)
		return "more was missed than a stream tells again: it is in the lists";
	return "";
}

static json_t *hello(const struct rw_feed *feed, bool resumed, const char *reason)
{
	return json_pack("{s:s, s:o, s:b, s:s}", "name", feed->name, "at",
			 rw_json_time(feed->now_wall_ms), "resumed", resumed, "reason", reason);
}

static void greet(struct rw_feed *feed, struct newcomer *who)
{
	const char *reason = who->resumes ? missed_too_much(feed, who) : "";
	bool resumed = who->resumes && reason[0] == '\0';

	if (!resumed)
		who->from = feed->at;
	send_text(feed, who->number, message("hello", &who->from, hello(feed, resumed, reason)));
	who->greeted = true;
}

/* Whether there is room for a portion's next message: one that has left, or is ended, has none. */
static bool has_room(struct rw_feed *feed, uint64_t number)
{
	bool room = false;

	pthread_mutex_lock(&feed->lock);
	for (struct rw_listener *l = feed->first; l != NULL; l = l->next)
		room = room || (l->number == number && !l->ended && l->used < PORTION_BYTES);
	pthread_mutex_unlock(&feed->lock);
	return room;
}

/* From its place on, as long as there is room. */
static void tell_states(struct rw_feed *feed, struct newcomer *who)
{
	struct place *place = &who->place;

	if (!has_room(feed, who->number))
		return;
	for (uint32_t i = 0; !place->rings && i < feed->told.ring_count; i++)
		send_text(feed, who->number,
			  message("ring", NULL, render_ring_state(&feed->told.rings[i])));
	place->rings = true;
	for (uint32_t i = 0; i < feed->told.run_count; i++) {
		const struct run_state *run = &feed->told.runs[i];

		if (is_before(run, place))
			continue;
		if (!has_room(feed, who->number))
			return;
		if (run->active || place->ended_too)
			send_text(feed, who->number,
				  message("verdict", NULL, render_run(run, feed->now_wall_ms)));
		place->number = run->number;
		place->ring_index = run->ring_index + 1;
	}
	who->behind = false;
}

/* What the store has got beyond those that it had, as long as there is room. */
static void tell_missed_rows(struct rw_feed *feed, struct newcomer *who)
{
	while (has_room(feed, who->number)) {
		struct rw_store_newest before = who->from;

		if (!tell_rows(feed, who->number, &who->from, &feed->at, ROWS_A_PORTION)) {
			send_text(feed, who->number, NULL);
			return;
		}
		/* That was all; what a sweep has taken is not waited for. */
		if (who->from.event == before.event && who->from.transition == before.transition) {
			who->joined = true;
			return;
		}
	}
}

static bool is_served(const struct rw_listener *l)
{
	return l->ended || (l->joined && !l->behind);
}

/* The next after `number` that is not told all yet. */
static bool next_newcomer(struct rw_feed *feed, uint64_t number, struct newcomer *out)
{
	const struct rw_listener *next = NULL;

	pthread_mutex_lock(&feed->lock);
	for (const struct rw_listener *l = feed->first; l != NULL; l = l->next) {
		if (l->number > number && !is_served(l) &&
		    (next == NULL || l->number < next->number))
			next = l;
	}
	if (next != NULL)
		*out = (struct newcomer){next->number, next->resumes, next->greeted, next->behind,
					 next->joined, next->place,   next->from};
	pthread_mutex_unlock(&feed->lock);
	return next != NULL;
}

static void keep_newcomer(struct rw_feed *feed, const struct newcomer *who)
{
	pthread_mutex_lock(&feed->lock);
	for (struct rw_listener *l = feed->first; l != NULL; l = l->next) {
		if (l->number != who->number)
			continue;
		l->greeted = who->greeted;
		l->behind = who->behind;
		l->joined = who->joined;
		l->place = who->place;
		l->from = who->from;
	}
	pthread_mutex_unlock(&feed->lock);
}

/* How things stand and what was missed, to all who are not told it yet: a portion each. */
static void serve(struct rw_feed *feed)
{
	struct newcomer who = {0};

	while (next_newcomer(feed, who.number, &who)) {
		if (!who.greeted)
			greet(feed, &who);
		if (who.behind)
			tell_states(feed, &who);
		if (!who.behind && !who.joined)
			tell_missed_rows(feed, &who);
		keep_newcomer(feed, &who);
	}
}

/* ---- turns
 * --------------------------------------------------------------------------------------- */

static bool somebody_listens(struct rw_feed *feed)
{
	pthread_mutex_lock(&feed->lock);
	bool listens = feed->first != NULL;
	pthread_mutex_unlock(&feed->lock);
	return listens;
}

void rw_feed_turn(struct rw_feed *feed, uint64_t now_ms)
{
	struct rw_store_newest newest;

	if (!somebody_listens(feed)) {
		feed->primed = false;
		return;
	}
	feed->sees = look(feed) && read_newest(feed, &newest);
	if (!feed->sees)
		return;
	if (!feed->primed) {
		feed->at = newest;
		feed->told.run_count = feed->told.ring_count = 0;
		feed->rings_ms = feed->alive_ms = 0;
	}
	bool rings_too = !feed->primed || now_ms >= feed->rings_ms + RW_FEED_RINGS_MS;
	feed->primed = true;
	tell_changes(feed, now_ms);
	keep_picture(feed, rings_too);
	if (!tell_new_rows(feed, &newest))
		return;
	serve(feed);
	if (now_ms >= feed->alive_ms + RW_FEED_ALIVE_MS) {
		send_text(feed, 0, strdup(": alive\n\n"));
		feed->alive_ms = now_ms;
	}
}

/* Between two looks. With the lock held, which it lets go meanwhile. */
static void serve_at_once(struct rw_feed *feed)
{
	feed->hungry = false;
	pthread_mutex_unlock(&feed->lock);
	if (feed->sees && feed->primed)
		serve(feed);
	pthread_mutex_lock(&feed->lock);
}

static void *run(void *context)
{
	struct rw_feed *feed = context;

	pthread_mutex_lock(&feed->lock);
	while (!feed->stopping) {
		struct timespec until = rw_clock_monotonic_in(RW_FEED_LOOK_MS);

		pthread_mutex_unlock(&feed->lock);
		rw_feed_turn(feed, rw_clock_boot_ms());
		pthread_mutex_lock(&feed->lock);
		/* Nobody listens: until somebody does. */
		while (!feed->stopping && feed->first == NULL)
			pthread_cond_wait(&feed->changed, &feed->lock);
		int err = 0;
		while (!feed->stopping && err == 0) {
			if (feed->hungry)
				serve_at_once(feed);
			else
				err = pthread_cond_timedwait(&feed->changed, &feed->lock, &until);
		}
	}
	pthread_mutex_unlock(&feed->lock);
	return NULL;
}

/* ---- life
 * -------------------------------------------------------------------------------------------- */

int rw_feed_start(const struct rw_feed_config *config, struct rw_feed **out)
{
	struct rw_feed *feed = calloc(1, sizeof(*feed));
	pthread_condattr_t attributes;

	if (feed == NULL)
		return -ENOMEM;
	feed->config = *config;
	feed->store_path = strdup(config->store_path);
	snprintf(feed->name, sizeof(feed->name), "%s", config->name);
	pthread_mutex_init(&feed->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&feed->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	int err = feed->store_path == NULL ? -ENOMEM : 0;
	if (err == 0 && !config->by_hand)
		err = -pthread_create(&feed->thread, NULL, run, feed);
	if (err != 0) {
		feed->config.by_hand = true;
		rw_feed_free(feed);
		return err;
	}
	*out = feed;
	return 0;
}

void rw_feed_stop(struct rw_feed *feed)
{
	if (feed == NULL || feed->stopping)
		return;
	pthread_mutex_lock(&feed->lock);
	feed->stopping = true;
	pthread_cond_broadcast(&feed->changed);
	for (struct rw_listener *l = feed->first; l != NULL; l = l->next) {
		l->ended = true;
		wake(l);
	}
	pthread_mutex_unlock(&feed->lock);
	if (!feed->config.by_hand)
		pthread_join(feed->thread, NULL);
}

void rw_feed_free(struct rw_feed *feed)
{
	if (feed == NULL)
		return;
	rw_feed_stop(feed);
	rw_store_reader_close(feed->reader);
	free(feed->told.runs);
	free(feed->seen.runs);
	free(feed->store_path);
	pthread_cond_destroy(&feed->changed);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

/* ---- listeners
 * -------------------------------------------------------------------------------------- */

static bool read_number(const char **at, uint64_t *out)
{
	const char *begin = *at;
	uint64_t value = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (*at - begin == 18)
			return false;
		value = value * 10 + (uint64_t)(**at - '0');
	}
	*out = value;
	return *at != begin;
}

static bool read_id(const char *text, struct rw_store_newest *out)
{
	return read_number(&text, &out->event) && *text++ == '-' &&
	       read_number(&text, &out->transition) && *text == '\0';
}

int rw_feed_join(struct rw_feed *feed, const char *token, const char *last_id, void *connection,
		 struct rw_listener **out)
{
	struct rw_listener *l = calloc(1, sizeof(*l));
	int err = 0;

	if (l == NULL)
		return -ENOMEM;
	l->feed = feed;
	l->connection = connection;
	l->resumes = last_id != NULL;
	l->behind = true;
	l->queue = malloc(RW_FEED_QUEUE_BYTES + OVERFLOW_BYTES);
	snprintf(l->token, sizeof(l->token), "%s", token);
	pthread_mutex_lock(&feed->lock);
	if (l->queue == NULL)
		err = -ENOMEM;
	else if (last_id != NULL && !read_id(last_id, &l->from))
		err = -EINVAL;
	else if (feed->stopping)
		err = -ESHUTDOWN;
	else if (feed->count == RW_FEED_LISTENERS)
		err = -EBUSY;
	if (err == 0) {
		l->number = ++feed->last_number;
		l->next = feed->first;
		feed->first = l;
		feed->count++;
		pthread_cond_broadcast(&feed->changed);
	}
	pthread_mutex_unlock(&feed->lock);
	if (err == 0) {
		*out = l;
		return 0;
	}
	free(l->queue);
	free(l);
	return err;
}

ssize_t rw_listener_take(struct rw_listener *listener, char *out, size_t size,
			 void (*wait)(void *connection))
{
	struct rw_feed *feed = listener->feed;
	ssize_t taken = 0;

	pthread_mutex_lock(&feed->lock);
	if (listener->used > 0) {
		size_t length = listener->used < size ? listener->used : size;

		memcpy(out, listener->queue + listener->begin, length);
		listener->begin += length;
		listener->used -= length;
		taken = (ssize_t)length;
		if (listener->greeted && !is_served(listener) &&
		    listener->used < PORTION_BYTES / 4) {
			feed->hungry = true;
			pthread_cond_broadcast(&feed->changed);
		}
	} else if (listener->ended) {
		taken = -1;
	} else {
		listener->waits = true;
		wait(listener->connection);
	}
	pthread_mutex_unlock(&feed->lock);
	return taken;
}

void rw_listener_leave(struct rw_listener *listener)
{
	struct rw_feed *feed = listener->feed;

	pthread_mutex_lock(&feed->lock);
	for (struct rw_listener **l = &feed->first; *l != NULL; l = &(*l)->next) {
		if (*l == listener) {
			*l = listener->next;
			feed->count--;
			feed->stats.ended[RW_FEED_LEFT] += !listener->ended;
			break;
		}
	}
	pthread_mutex_unlock(&feed->lock);
	OPENSSL_cleanse(listener->token, sizeof(listener->token));
	free(listener->queue);
	free(listener);
}

void rw_feed_check_tokens(struct rw_feed *feed, bool (*good)(void *context, const char *token),
			  void *context)
{
	pthread_mutex_lock(&feed->lock);
	for (struct rw_listener *l = feed->first; l != NULL; l = l->next) {
		if (!good(context, l->token))
			end_with(l, RW_FEED_REVOKED, "the token is good no more");
	}
	pthread_mutex_unlock(&feed->lock);
}

const char *rw_feed_end_name(enum rw_feed_end end)
{
	static const char *const names[RW_FEED_ENDS] = {"left", "slow", "flood", "revoked",
							"no_memory"};

	return names[end];
}

void rw_feed_read(struct rw_feed *feed, struct rw_feed_stats *out)
{
	pthread_mutex_lock(&feed->lock);
	*out = feed->stats;
	out->listeners = feed->count;
	pthread_mutex_unlock(&feed->lock);
}
