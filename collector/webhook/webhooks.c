/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of it from outside: made, started, given another configuration, ended. */
#include "collector/webhook/webhooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/webhook/internal.h"

int rw_webhooks_global_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

static void describe(const struct rw_webhook_target *target, struct rw_webhook_stats *out)
{
	memcpy(out->target, target->name, sizeof(out->target));
	memcpy(out->host, target->host, sizeof(out->host));
	out->body = target->body;
	out->on_verdict = target->on_verdict;
	out->on_breaker = target->on_breaker;
	out->ring_count = target->ring_count;
	memcpy(out->rings, target->rings, sizeof(out->rings));
}

/* With the lock held, or alone. Who keeps its name keeps its figures. */
static void replace_config(struct rw_webhooks *w, struct rw_webhook_config *config,
			   struct rw_webhook_stats scratch[RW_WEBHOOK_TARGETS_MAX])
{
	for (uint32_t i = 0; i < config->count; i++) {
		struct rw_webhook_stats *before = NULL;

		if (w->config != NULL)
			rw_webhook_find(w, config->targets[i].name, &before);
		if (before != NULL)
			scratch[i] = *before;
		describe(&config->targets[i], &scratch[i]);
	}
	memcpy(w->stats, scratch, sizeof(w->stats));
	rw_webhook_config_free(w->config);
	w->config = config;
	w->look = true;
}

static int take_config(struct rw_webhooks *w, struct rw_webhook_config *config)
{
	struct rw_webhook_stats *scratch = calloc(RW_WEBHOOK_TARGETS_MAX, sizeof(*scratch));

	if (scratch == NULL) {
		rw_webhook_config_free(config);
		return -ENOMEM;
	}
	pthread_mutex_lock(&w->lock);
	replace_config(w, config, scratch);
	pthread_mutex_unlock(&w->lock);
	free(scratch);
	return 0;
}

static int load(struct rw_webhooks *w, char error[RW_STORE_ERROR_BYTES])
{
	int err = rw_store_reader_open(w->store_path, &w->reader, error);

	if (err != 0)
		return err;
	err = rw_webhook_told_load(w, w->reader);
	if (err != 0)
		snprintf(error, RW_STORE_ERROR_BYTES, "%.200s: the deliveries cannot be read: %s",
			 w->store_path, strerror(-err));
	return err;
}

int rw_webhooks_open(const char *name, const char *store_path, struct rw_store *store,
		     struct rw_webhook_config *config, struct rw_webhooks **out,
		     char error[RW_STORE_ERROR_BYTES])
{
	struct rw_webhooks *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	snprintf(error, RW_STORE_ERROR_BYTES, "out of memory");
	if (w == NULL) {
		rw_webhook_config_free(config);
		return err;
	}
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->store = store;
	err = take_config(w, config);
	w->store_path = strdup(store_path);
	w->told = rw_webhook_told_new();
	w->multi = curl_multi_init();
	if (err == 0 && (w->store_path == NULL || w->told == NULL || w->multi == NULL))
		err = -ENOMEM;
	if (err == 0)
		err = load(w, error);
	if (err != 0) {
		rw_webhooks_free(w);
		return err;
	}
	*out = w;
	return 0;
}

int rw_webhooks_start(struct rw_webhooks *w)
{
	int err = -pthread_create(&w->thread, NULL, rw_webhook_send, w);

	w->runs = err == 0;
	return err;
}

void rw_webhooks_stop(struct rw_webhooks *w)
{
	if (w == NULL || !w->runs)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	curl_multi_wakeup(w->multi);
	pthread_join(w->thread, NULL);
	w->runs = false;
}

void rw_webhooks_free(struct rw_webhooks *w)
{
	if (w == NULL)
		return;
	rw_webhooks_stop(w);
	rw_store_reader_close(w->reader);
	if (w->multi != NULL)
		curl_multi_cleanup(w->multi);
	rw_webhook_told_free(w->told);
	rw_webhook_config_free(w->config);
	free(w->store_path);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int rw_webhooks_set_config(struct rw_webhooks *w, struct rw_webhook_config *config)
{
	int err = take_config(w, config);

	if (err != 0)
		return err;
	rw_webhook_told_config(w);
	curl_multi_wakeup(w->multi);
	return 0;
}

/* ---- commits --------------------------------------------------------------------------- */

void rw_webhook_note_pushed(struct rw_webhooks *w, uint64_t sequence)
{
	pthread_mutex_lock(&w->lock);
	if (sequence > w->pushed)
		w->pushed = sequence;
	bool was_quick = w->committed >= sequence; /* the writer, between the push and here */
	w->look |= was_quick;
	pthread_mutex_unlock(&w->lock);
	if (was_quick)
		curl_multi_wakeup(w->multi);
}

void rw_webhooks_committed(struct rw_webhooks *w, uint64_t sequence)
{
	pthread_mutex_lock(&w->lock);
	bool matters = w->committed < w->pushed;
	w->committed = sequence;
	w->look |= matters;
	pthread_mutex_unlock(&w->lock);
	if (matters)
		curl_multi_wakeup(w->multi);
}

uint64_t rw_webhooks_retry(struct rw_webhooks *w, const char *delivery, uint64_t now_wall_ms)
{
	uint64_t sequence = rw_store_push_delivery_retry(w->store, delivery, now_wall_ms);

	if (sequence != 0)
		rw_webhook_note_pushed(w, sequence);
	return sequence;
}

/* ---- figures ----------------------------------------------------------------------------- */

struct rw_webhook_target *rw_webhook_find(struct rw_webhooks *w, const char *name,
					  struct rw_webhook_stats **stats)
{
	for (uint32_t i = 0; i < w->config->count; i++) {
		if (strcmp(w->config->targets[i].name, name) != 0)
			continue;
		if (stats != NULL)
			*stats = &w->stats[i];
		return &w->config->targets[i];
	}
	return NULL;
}

void rw_webhooks_status(struct rw_webhooks *w, struct rw_webhook_status *out)
{
	out->count = 0;
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	out->count = w->config->count;
	memcpy(out->targets, w->stats, out->count * sizeof(out->targets[0]));
	pthread_mutex_unlock(&w->lock);
}
