/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outgoing webhooks: changes of verdicts and openings of breakers, told to URLs.
 *
 * The loop tells what it judged (rw_webhooks_verdict, rw_webhooks_breaker): what is news to a
 * target becomes a row of the store, in one transaction with the change that made it, and
 * nothing else happens there. One thread reads committed rows and sends them, many at a
 * time, so that a target that hangs delays nobody. At least once, with an id that stays:
 * what a crash leaves open is sent again after the start.
 */
#ifndef RINGWATCH_WEBHOOK_WEBHOOKS_H
#define RINGWATCH_WEBHOOK_WEBHOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/core/core.h"
#include "collector/store/store.h"
#include "collector/webhook/config.h"

struct rw_webhooks;

/* Once in the process, before there are threads. */
int rw_webhooks_global_init(void);

/*
 * Takes `config` over and reads from `store_path` what was told before. Nothing is sent
 * before rw_webhooks_start(). 0, or negative errno with a line in `error`.
 */
int rw_webhooks_open(const char *name, const char *store_path, struct rw_store *store,
		     struct rw_webhook_config *config, struct rw_webhooks **out,
		     char error[RW_STORE_ERROR_BYTES]);
int rw_webhooks_start(struct rw_webhooks *webhooks);
/* Stops the thread; an attempt that is under way is broken off, and made again after a start.
 * Before the store is closed. */
void rw_webhooks_stop(struct rw_webhooks *webhooks);
/* NULL is fine. */
void rw_webhooks_free(struct rw_webhooks *webhooks);

/* ---- on the loop's thread -------------------------------------------------------------- */

/* From now on these targets; takes `config` over. What waits for one that is gone is dead.
 * -ENOMEM: the old ones stay. */
int rw_webhooks_set_config(struct rw_webhooks *webhooks, struct rw_webhook_config *config);

/* Around the verdicts of one look at all runs of active deployments: who is not among them
 * has ended. `listening`: the collector has just begun to; a hold says nothing then. */
void rw_webhooks_look_begin(struct rw_webhooks *webhooks, bool listening, bool store_failed);
void rw_webhooks_verdict(struct rw_webhooks *webhooks, const struct rw_verdict *verdict);
void rw_webhooks_look_end(struct rw_webhooks *webhooks, const struct rw_core *core,
			  struct rw_now now);

/* A breaker opened; `verdict` is the one of its ring. */
void rw_webhooks_breaker(struct rw_webhooks *webhooks, const struct rw_verdict *verdict);

/* A dead one again; the row's sequence to wait for, or 0 when the queue is full. */
uint64_t rw_webhooks_retry(struct rw_webhooks *webhooks, const char *delivery,
			   uint64_t now_wall_ms);

/* ---- from any thread ---------------------------------------------------------------------- */

/* Every operation up to `sequence` is on disk. */
void rw_webhooks_committed(struct rw_webhooks *webhooks, uint64_t sequence);

struct rw_webhook_stats {
	char target[RW_NAME_MAX + 1];
	enum rw_webhook_body body;
	char host[RW_WEBHOOK_HOST_BYTES];
	bool on_verdict, on_breaker;
	uint32_t ring_count;
	char rings[RW_CORE_RINGS_MAX][RW_NAME_MAX + 1];
	uint64_t pending, dead; /* in the store now */
	/* since the start */
	uint64_t delivered, failed /* attempts that are made again */, died;
	uint64_t last_delivered_wall_ms;
	uint64_t last_error_wall_ms;
	char last_error[RW_CORE_TEXT_BYTES]; /* "" none */
};
struct rw_webhook_status {
	uint32_t count;
	struct rw_webhook_stats targets[RW_WEBHOOK_TARGETS_MAX];
};
/* NULL: there are none. */
void rw_webhooks_status(struct rw_webhooks *webhooks, struct rw_webhook_status *out);

#endif
