/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loop's side (tell.c) and the thread's side (sender.c) share. Nothing outside of
 * collector/webhook/ includes it.
 */
#ifndef RINGWATCH_WEBHOOK_INTERNAL_H
#define RINGWATCH_WEBHOOK_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>

#include "collector/webhook/webhooks.h"

struct rw_webhook_told;
struct rw_webhook_transfer;

struct rw_webhooks {
	char name[RW_NAME_MAX + 1]; /* the collector's */
	char *store_path;
	struct rw_store *store;
	CURLM *multi; /* the thread's, but for its wakeup */
	pthread_t thread;
	bool runs;

	struct rw_webhook_told *told; /* the loop's */

	/* the thread's */
	struct rw_store_reader *reader;
	struct rw_webhook_transfer *transfers;

	pthread_mutex_t lock; /* of what follows */
	/* Replaced by the loop alone, which may read it without the lock. */
	struct rw_webhook_config *config;
	uint64_t pushed;    /* the last operation about a delivery */
	uint64_t committed; /* what is on disk, as far as it matters here */
	bool look;          /* there may be something to send */
	bool stop;
	struct rw_webhook_stats stats[RW_WEBHOOK_TARGETS_MAX]; /* by index in the configuration */
};

/* ---- tell.c ---------------------------------------------------------------------------- */

struct rw_webhook_told *rw_webhook_told_new(void); /* NULL: no memory */
void rw_webhook_told_free(struct rw_webhook_told *told);
/* What was told before, by the store. 0 or negative errno. */
int rw_webhook_told_load(struct rw_webhooks *webhooks, struct rw_store_reader *reader);
/* The configuration has changed. */
void rw_webhook_told_config(struct rw_webhooks *webhooks);

/* ---- webhooks.c ------------------------------------------------------------------------ */

/* An operation was pushed: its commit is worth a look. */
void rw_webhook_note_pushed(struct rw_webhooks *webhooks, uint64_t sequence);
/* With the lock held. NULL: there is no such target. */
struct rw_webhook_target *rw_webhook_find(struct rw_webhooks *webhooks, const char *name,
					  struct rw_webhook_stats **stats);

/* ---- sender.c -------------------------------------------------------------------------- */

void *rw_webhook_send(void *webhooks);

#endif
