/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that sends. The store is its list of things to do: it looks for rows that are
 * due, sends a few of each target at a time, and pushes what became of each through the
 * store's writer. A transfer is kept until that is on disk, so that its row is not taken
 * for another one that is due.
 */
#include <inttypes.h>
#include <jansson.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/webhook/attempt.h"
#include "collector/webhook/body.h"
#include "collector/webhook/internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/text.h"
#include "lib/version.h"

enum {
	TIMEOUT_MS = 10000,
	AT_A_TIME = 4, /* of a target */
	GONE_AT_A_TIME = 100,
	ANSWER_BYTES = 16384, /* kept of an answer */
	ANSWER_SHOWN = 120,
	SECRET_PART_MIN = 6, /* bytes of a URL's path that are not to be shown */
	LOOK_EVERY_MS = 60 * 1000,
	STUCK_LOOK_MS = 1000, /* when the store did not take something */
};

/* hawkBit answers 400 to the pause of a rollout that is paused: then that is looked up. */
enum phase { PHASE_TELL, PHASE_ASK };

struct rw_webhook_transfer {
	struct rw_webhook_transfer *next;
	CURL *curl;
	struct curl_slist *headers;
	enum phase phase;
	char delivery[RW_WEBHOOK_ID_BYTES];
	char target[RW_NAME_MAX + 1];
	char kind[RW_CORE_NAME_BYTES];
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	char url[RW_WEBHOOK_URL_BYTES];
	char signing_key[RW_WEBHOOK_SECRET_BYTES], routing_key[RW_WEBHOOK_SECRET_BYTES];
	char authorization[RW_WEBHOOK_SECRET_BYTES];
	char ca[RW_WEBHOOK_PATH_BYTES];
	enum rw_webhook_body body_kind;
	char *body;
	uint64_t attempts; /* before this one */
	uint64_t born_wall_ms;
	char answer[ANSWER_BYTES];
	size_t answer_length;
	char curl_error[CURL_ERROR_SIZE];

	bool ended;        /* what follows is known */
	uint64_t sequence; /* of the result; 0: the store has not taken it yet */
	enum rw_delivery_state state;
	uint64_t now_wall_ms, next_wall_ms;
	char error[RW_CORE_TEXT_BYTES];
};

static void free_transfer(struct rw_webhooks *w, struct rw_webhook_transfer *t)
{
	if (t->curl != NULL) {
		curl_multi_remove_handle(w->multi, t->curl);
		curl_easy_cleanup(t->curl);
	}
	curl_slist_free_all(t->headers);
	free(t->body);
	OPENSSL_cleanse(t->signing_key, sizeof(t->signing_key));
	OPENSSL_cleanse(t->routing_key, sizeof(t->routing_key));
	OPENSSL_cleanse(t->authorization, sizeof(t->authorization));
	free(t);
}

/* ---- what became of one ------------------------------------------------------------------ */

/* Pushes the result; the store may not take it now. */
static void push_result(struct rw_webhooks *w, struct rw_webhook_transfer *t)
{
	const struct rw_delivery_result result = {
		.delivery = t->delivery,
		.state = t->state,
		.now_wall_ms = t->now_wall_ms,
		.next_wall_ms = t->next_wall_ms,
		.error = t->error,
	};

	t->sequence = rw_store_push_delivery_result(w->store, &result);
	if (t->sequence != 0)
		rw_webhook_note_pushed(w, t->sequence);
}

static void log_end(const struct rw_webhook_transfer *t, bool was_failing)
{
	char quoted[RW_LOG_QUOTED_BYTES];

	if (t->state == RW_DELIVERY_DEAD)
		rw_error("event=webhook_dead target=%s delivery=%s kind=%s deployment=%s ring=%s "
			 "attempts=%" PRIu64 " detail=%s",
			 t->target, t->delivery, t->kind, t->deployment, t->ring, t->attempts + 1,
			 rw_log_quoted(t->error, quoted));
	else if (t->state == RW_DELIVERY_PENDING && !was_failing)
		rw_warning("event=webhook_failing target=%s delivery=%s detail=%s "
			   "note=\"it is tried again\"",
			   t->target, t->delivery, rw_log_quoted(t->error, quoted));
	else if (t->state == RW_DELIVERY_DELIVERED && was_failing)
		rw_info("event=webhook_recovered target=%s", t->target);
}

static void count_end(struct rw_webhooks *w, const struct rw_webhook_transfer *t)
{
	struct rw_webhook_stats *stats = NULL;
	bool was_failing = false;

	pthread_mutex_lock(&w->lock);
	rw_webhook_find(w, t->target, &stats);
	if (stats != NULL) {
		was_failing = stats->last_error_wall_ms > stats->last_delivered_wall_ms;
		stats->delivered += t->state == RW_DELIVERY_DELIVERED;
		stats->failed += t->state == RW_DELIVERY_PENDING;
		stats->died += t->state == RW_DELIVERY_DEAD;
		if (t->state == RW_DELIVERY_DELIVERED) {
			stats->last_delivered_wall_ms = t->now_wall_ms;
		} else {
			stats->last_error_wall_ms = t->now_wall_ms;
			memcpy(stats->last_error, t->error, sizeof(stats->last_error));
		}
	}
	pthread_mutex_unlock(&w->lock);
	log_end(t, was_failing);
}

static void end(struct rw_webhooks *w, struct rw_webhook_transfer *t)
{
	t->ended = true;
	if (t->state == RW_DELIVERY_DELIVERED)
		t->error[0] = '\0';
	count_end(w, t);
	push_result(w, t);
}

static void end_dead(struct rw_webhooks *w, struct rw_webhook_transfer *t, const char *why)
{
	t->state = RW_DELIVERY_DEAD;
	t->now_wall_ms = rw_clock_wall_ms();
	snprintf(t->error, sizeof(t->error), "%s", why);
	end(w, t);
}

/* A receiver may say the URL back, and that may be a secret. */
static bool tells_secrets(const struct rw_webhook_transfer *t)
{
	char url[RW_WEBHOOK_URL_BYTES];
	char *rest = NULL;
	const char *path = strstr(t->url, "//");

	path = path == NULL ? NULL : strchr(path + 2, '/');
	snprintf(url, sizeof(url), "%s", path == NULL ? "" : path);
	for (char *part = strtok_r(url, "/?&=", &rest); part != NULL;
	     part = strtok_r(NULL, "/?&=", &rest)) {
		if (strlen(part) >= SECRET_PART_MIN && strstr(t->answer, part) != NULL)
			return true;
	}
	const char *const secrets[] = {t->authorization, t->signing_key, t->routing_key};
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		if (secrets[i][0] != '\0' && strstr(t->answer, secrets[i]) != NULL)
			return true;
	}
	return false;
}

static void describe_status(struct rw_webhook_transfer *t, long status)
{
	char shown[RW_CORE_TEXT_BYTES - 32]; /* never cut within a character */
	size_t length =
		strnlen(t->answer, ANSWER_SHOWN); /* what is behind a NUL was not looked at */

	rw_text_escape(shown, sizeof(shown), t->answer, length);
	bool quiet = length == 0 || tells_secrets(t);
	snprintf(t->error, sizeof(t->error), "HTTP %ld%s%s", status, quiet ? "" : ": ",
		 quiet ? "" : shown);
}

static void describe_failure(struct rw_webhook_transfer *t, CURLcode code)
{
	const char *text = t->curl_error[0] != '\0' ? t->curl_error : curl_easy_strerror(code);

	rw_text_escape(t->error, sizeof(t->error), text, strlen(text));
}

static void judge(struct rw_webhook_transfer *t, long status)
{
	curl_off_t retry_after_s = 0;
	uint64_t again_ms;
	uint32_t dice = 0;

	t->now_wall_ms = rw_clock_wall_ms();
	curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
	RAND_bytes((unsigned char *)&dice, sizeof(dice));
	const struct rw_webhook_end end = {
		.status = status,
		.retry_after_s = retry_after_s > 0 ? (uint64_t)retry_after_s : 0,
		.attempts = t->attempts + 1,
		.age_ms = t->now_wall_ms > t->born_wall_ms ? t->now_wall_ms - t->born_wall_ms : 0,
		.dice = dice,
	};
	t->state = rw_webhook_judge(&end, &again_ms);
	t->next_wall_ms = t->now_wall_ms + again_ms;
}

/* ---- sending ----------------------------------------------------------------------------- */

/* What is beyond the room is read and dropped; the time-out bounds it. */
static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
	struct rw_webhook_transfer *t = context;
	size_t length = size * count;
	size_t room = sizeof(t->answer) - 1 - t->answer_length;
	size_t kept = length < room ? length : room;

	memcpy(t->answer + t->answer_length, bytes, kept);
	t->answer_length += kept;
	t->answer[t->answer_length] = '\0';
	return length;
}

static bool add_header(struct rw_webhook_transfer *t, const char *name, const char *value)
{
	rw_autofree char *line = NULL;
	struct curl_slist *longer;

	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return false;
	}
	longer = curl_slist_append(t->headers, line);
	if (longer == NULL)
		return false;
	t->headers = longer;
	return true;
}

static bool add_headers(struct rw_webhook_transfer *t)
{
	char signature[RW_WEBHOOK_SIGNATURE_BYTES];
	bool signs = t->signing_key[0] != '\0' && t->phase == PHASE_TELL;

	curl_slist_free_all(t->headers);
	t->headers = NULL;
	if (signs &&
	    !rw_webhook_sign(t->signing_key, rw_clock_wall_ms() / 1000, t->body, signature))
		return false;
	return add_header(t, "Content-Type", "application/json") &&
	       add_header(t, "Accept", "application/json, */*") && add_header(t, "Expect", "") &&
	       add_header(t, "Ringwatch-Delivery", t->delivery) &&
	       (!signs || add_header(t, "Ringwatch-Signature", signature)) &&
	       (t->authorization[0] == '\0' || add_header(t, "Authorization", t->authorization));
}

static bool set_options(struct rw_webhook_transfer *t)
{
	CURL *curl = t->curl;
	bool tells = t->phase == PHASE_TELL;

	return curl_easy_setopt(curl, CURLOPT_URL, t->url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       /* a name that is still looked up must not keep the thread at its end */
	       curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, "ringwatch/" RW_VERSION) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->curl_error) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, t) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PRIVATE, t) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
	       (tells ? curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(t->body)) ==
					CURLE_OK &&
				curl_easy_setopt(curl, CURLOPT_POSTFIELDS, t->body) == CURLE_OK
		      : curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK) &&
	       (t->ca[0] == '\0' || (curl_easy_setopt(curl, CURLOPT_CAINFO, t->ca) == CURLE_OK &&
				     curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

/* Begins a request of its phase. False: no memory. */
static bool begin(struct rw_webhooks *w, struct rw_webhook_transfer *t)
{
	if (t->curl == NULL)
		t->curl = curl_easy_init();
	else
		curl_multi_remove_handle(w->multi, t->curl);
	t->answer_length = 0;
	t->answer[0] = t->curl_error[0] = '\0';
	return t->curl != NULL && add_headers(t) && set_options(t) &&
	       curl_multi_add_handle(w->multi, t->curl) == CURLM_OK;
}

/* Whether hawkBit's description of a rollout says that it is paused. */
static bool says_paused(const char *answer)
{
	json_t *rollout = json_loads(answer, 0, NULL);
	const char *status = json_string_value(json_object_get(rollout, "status"));
	bool paused = status != NULL && strcmp(status, "paused") == 0;

	json_decref(rollout);
	return paused;
}

static void finish(struct rw_webhooks *w, struct rw_webhook_transfer *t, CURLcode code)
{
	long status = 0;

	if (code == CURLE_OK)
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->phase == PHASE_ASK) {
		/* It is the pause that is judged, with its error. */
		if (status == 200 && says_paused(t->answer))
			t->state = RW_DELIVERY_DELIVERED;
		end(w, t);
		return;
	}
	judge(t, status);
	if (status == 0)
		describe_failure(t, code);
	else
		describe_status(t, status);
	if (t->body_kind == RW_WEBHOOK_HAWKBIT && t->state == RW_DELIVERY_DEAD && status == 400) {
		t->phase = PHASE_ASK;
		t->url[strlen(t->url) - strlen("/pause")] = '\0';
		if (begin(w, t))
			return;
	}
	end(w, t);
}

static void take_finished(struct rw_webhooks *w)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(w->multi, &left)) != NULL) {
		struct rw_webhook_transfer *t = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finish(w, t, code);
	}
}

/* ---- what there is to do -------------------------------------------------------------------- */

/* All that it needs of the target, which may change meanwhile. */
static const char *take_target(struct rw_webhooks *w, struct rw_webhook_transfer *t,
			       const char *body)
{
	const char *fault = NULL;

	pthread_mutex_lock(&w->lock);
	const struct rw_webhook_target *target = rw_webhook_find(w, t->target, NULL);
	if (target == NULL) {
		fault = "the target is not in the configuration";
	} else {
		/* It was another kind of target when this was written. */
		if ((body[0] == '\0') != (target->body == RW_WEBHOOK_HAWKBIT))
			fault = "the target takes other bodies now";
		else if (!rw_webhook_url(target, t->deployment, t->url))
			fault = "no URL can be made: the deployment's name ends in no number";
		t->body = rw_webhook_complete(target, body);
		t->body_kind = target->body;
		memcpy(t->signing_key, target->signing_key, sizeof(t->signing_key));
		memcpy(t->routing_key, target->routing_key, sizeof(t->routing_key));
		memcpy(t->authorization, target->authorization, sizeof(t->authorization));
		memcpy(t->ca, target->ca, sizeof(t->ca));
	}
	pthread_mutex_unlock(&w->lock);
	return fault;
}

static bool is_verdict(const char *kind)
{
	return strcmp(kind, RW_DELIVERY_BREAKER) != 0;
}

/* Under way already; or an earlier verdict is, on the same, which this one must not pass. */
static bool has_to_wait(const struct rw_webhooks *w, const struct rw_delivery_read *row)
{
	for (const struct rw_webhook_transfer *t = w->transfers; t != NULL; t = t->next) {
		if (strcmp(t->delivery, row->delivery) == 0)
			return true;
		if (!t->ended && is_verdict(t->kind) && is_verdict(row->kind) &&
		    strcmp(t->target, row->target) == 0 && strcmp(t->ring, row->ring) == 0 &&
		    strcmp(t->deployment, row->deployment) == 0)
			return true;
	}
	return false;
}

struct look {
	struct rw_webhooks *webhooks;
	uint32_t room; /* how many more may be sent to the target */
};

static int start_one(void *context, const struct rw_delivery_read *row)
{
	struct look *look = context;
	struct rw_webhooks *w = look->webhooks;

	if (look->room == 0 || has_to_wait(w, row))
		return 0;
	struct rw_webhook_transfer *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return 0; /* a later look finds it again */
	look->room--;
	snprintf(t->delivery, sizeof(t->delivery), "%s", row->delivery);
	snprintf(t->target, sizeof(t->target), "%s", row->target);
	snprintf(t->kind, sizeof(t->kind), "%s", row->kind);
	snprintf(t->deployment, sizeof(t->deployment), "%s", row->deployment);
	snprintf(t->ring, sizeof(t->ring), "%s", row->ring);
	t->attempts = row->attempts;
	t->born_wall_ms = row->ended_wall_ms > row->created_wall_ms ? row->ended_wall_ms
								    : row->created_wall_ms;
	t->next = w->transfers;
	w->transfers = t;
	const char *fault = take_target(w, t, row->body);
	if (fault != NULL) {
		end_dead(w, t, fault);
	} else if (t->body == NULL || !begin(w, t)) {
		w->transfers = t->next;
		free_transfer(w, t);
	}
	return 0;
}

/* How many of it are under way, and how many are kept in all. */
static uint32_t count_of(const struct rw_webhooks *w, const char *target, uint32_t *kept)
{
	uint32_t sent = 0;

	*kept = 0;
	for (const struct rw_webhook_transfer *t = w->transfers; t != NULL; t = t->next) {
		if (strcmp(t->target, target) != 0)
			continue;
		(*kept)++;
		sent += !t->ended;
	}
	return sent;
}

static void look_for(struct rw_webhooks *w, const char *target, bool is_gone, uint64_t now_ms)
{
	struct look look = {.webhooks = w};
	uint32_t kept;
	uint32_t sent = count_of(w, target, &kept);
	uint32_t most = is_gone ? GONE_AT_A_TIME : AT_A_TIME;

	if (sent >= most)
		return;
	look.room = most - sent;
	(void)rw_store_reader_deliveries_due(w->reader, target, is_gone ? INT64_MAX : now_ms,
					     now_ms + RW_WEBHOOK_RETRY_AFTER_MAX_MS, most + kept,
					     start_one, &look);
}

/* What the store counts. */
enum { COUNTS_MAX = 4 * RW_WEBHOOK_TARGETS_MAX };
struct counts {
	uint32_t count;
	struct {
		char target[RW_NAME_MAX + 1];
		enum rw_delivery_state state;
		uint64_t deliveries;
		bool is_gone; /* there is no such target any more */
	} rows[COUNTS_MAX];
};

static int take_count(void *context, const struct rw_delivery_read *row)
{
	struct counts *counts = context;

	if (counts->count == COUNTS_MAX)
		return 0; /* the rest is counted when some of these are gone */
	snprintf(counts->rows[counts->count].target, RW_NAME_MAX + 1, "%s", row->target);
	counts->rows[counts->count].state = row->state;
	counts->rows[counts->count++].deliveries = row->attempts;
	return 0;
}

/* The figures of the targets that there are; the names of these. */
static uint32_t take_figures(struct rw_webhooks *w, struct counts *counts,
			     char names[RW_WEBHOOK_TARGETS_MAX][RW_NAME_MAX + 1])
{
	pthread_mutex_lock(&w->lock);
	uint32_t count = w->config->count;

	for (uint32_t i = 0; i < count; i++) {
		memcpy(names[i], w->config->targets[i].name, RW_NAME_MAX + 1);
		w->stats[i].pending = w->stats[i].dead = 0;
	}
	for (uint32_t i = 0; i < counts->count; i++) {
		struct rw_webhook_stats *stats = NULL;

		rw_webhook_find(w, counts->rows[i].target, &stats);
		counts->rows[i].is_gone = stats == NULL;
		if (stats != NULL && counts->rows[i].state == RW_DELIVERY_PENDING)
			stats->pending = counts->rows[i].deliveries;
		else if (stats != NULL)
			stats->dead = counts->rows[i].deliveries;
	}
	pthread_mutex_unlock(&w->lock);
	return count;
}

/* False: the store could not be read. */
static bool look_around(struct rw_webhooks *w)
{
	char names[RW_WEBHOOK_TARGETS_MAX][RW_NAME_MAX + 1];
	struct counts counts = {0};
	uint64_t now_ms = rw_clock_wall_ms();

	/* Without the lock: the loop must not wait for the disk. */
	if (rw_store_reader_deliveries_counts(w->reader, take_count, &counts) != 0)
		return false;
	uint32_t count = take_figures(w, &counts, names);
	for (uint32_t i = 0; i < count; i++)
		look_for(w, names[i], false, now_ms);
	for (uint32_t i = 0; i < counts.count; i++) {
		if (counts.rows[i].is_gone && counts.rows[i].state == RW_DELIVERY_PENDING)
			look_for(w, counts.rows[i].target, true, now_ms);
	}
	return true;
}

/* Whose result is on disk is done; whether any was. What the store did not take is pushed again. */
static bool let_go(struct rw_webhooks *w, uint64_t committed)
{
	struct rw_webhook_transfer **link = &w->transfers;
	bool any = false;

	while (*link != NULL) {
		struct rw_webhook_transfer *t = *link;

		if (t->ended && t->sequence == 0)
			push_result(w, t);
		if (t->sequence == 0 || t->sequence > committed) {
			link = &t->next;
			continue;
		}
		*link = t->next;
		free_transfer(w, t);
		any = true;
	}
	return any;
}

/* Whether there are results that the store did not take. */
static bool has_results(const struct rw_webhooks *w)
{
	bool any = false;

	for (const struct rw_webhook_transfer *t = w->transfers; t != NULL; t = t->next)
		any |= t->ended && t->sequence == 0;
	return any;
}

/* When to look again if nothing happens before, by the boot clock. */
static uint64_t next_look(struct rw_webhooks *w)
{
	uint64_t now_ms = rw_clock_wall_ms();
	uint64_t next_ms = 0;
	uint64_t wait = LOOK_EVERY_MS;

	if (rw_store_reader_deliveries_next(w->reader, now_ms, &next_ms) == 0 && next_ms > now_ms &&
	    next_ms - now_ms < wait)
		wait = next_ms - now_ms;
	return rw_clock_boot_ms() + wait;
}

static uint64_t stuck_look(void)
{
	return rw_clock_boot_ms() + STUCK_LOOK_MS;
}

void *rw_webhook_send(void *webhooks)
{
	struct rw_webhooks *w = webhooks;
	uint64_t next_look_ms = 0;

	for (;;) {
		int running;

		pthread_mutex_lock(&w->lock);
		bool stop = w->stop;
		bool look = w->look;
		uint64_t committed = w->committed;
		w->look = false;
		pthread_mutex_unlock(&w->lock);
		if (stop)
			break;

		look |= let_go(w, committed);
		if (look || rw_clock_boot_ms() >= next_look_ms)
			next_look_ms = look_around(w) ? next_look(w) : stuck_look();
		/* Last before the wait, which nothing that has ended already would end. */
		curl_multi_perform(w->multi, &running);
		take_finished(w);
		if (has_results(w))
			next_look_ms = stuck_look();
		uint64_t now_ms = rw_clock_boot_ms();
		curl_multi_poll(w->multi, NULL, 0,
				next_look_ms > now_ms ? (int)(next_look_ms - now_ms) : 0, NULL);
	}
	while (w->transfers != NULL) {
		struct rw_webhook_transfer *t = w->transfers;

		w->transfers = t->next;
		free_transfer(w, t);
	}
	return NULL;
}
