/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub as main.c and ingest/ see it. All on the loop's thread, but for what
 * hub.h offers to others.
 */
#ifndef RINGWATCH_COLLECTOR_HUB_PRIVATE_H
#define RINGWATCH_COLLECTOR_HUB_PRIVATE_H

#include <uv.h>

#include "collector/hub.h"
#include "collector/ingest/hosts.h"
#include "collector/witness.h"
#include "lib/log.h"

enum { RW_HUB_ERROR_BYTES = 512 };

struct rw_hub_config {
	const struct rw_policy *policy;
	uint32_t hosts_max;
	const char *store_path;
	uint64_t retention_ms;
	const struct sockaddr_storage *witnesses; /* who is asked when all hosts are silent */
	uint32_t witness_count;                   /* 0: nobody */
};

struct rw_ingest;

/*
 * Opens the store, rebuilds the core from it and starts the clock on `loop`.
 * Negative errno with one line in `error`; -EINVAL when the policy does not fit
 * what the store holds.
 */
int rw_hub_open(uv_loop_t *loop, const struct rw_hub_config *config, struct rw_hub **out,
		char error[RW_HUB_ERROR_BYTES]);
/* From now on calls of other threads return -ESHUTDOWN. */
void rw_hub_shut(struct rw_hub *hub);
/* Closes its handles; they are gone when the loop has run out. */
void rw_hub_close(struct rw_hub *hub);
/* After the loop has run out: commits what is queued, closes the store, frees all. */
void rw_hub_free(struct rw_hub *hub);

void rw_hub_set_ingest(struct rw_hub *hub, struct rw_ingest *ingest);
struct rw_ingest *rw_hub_ingest(struct rw_hub *hub);
/* May be NULL: there is none. */
struct rw_gasp_listener;
void rw_hub_set_gasp_listener(struct rw_hub *hub, struct rw_gasp_listener *listener);
struct rw_gasp_listener *rw_hub_gasp_listener(struct rw_hub *hub);
/* Before the loop runs; they must outlive the hub's store. */
void rw_hub_set_webhooks(struct rw_hub *hub, struct rw_webhooks *webhooks);
/* Called with each tick (a watchdog, log limits). */
void rw_hub_on_tick(struct rw_hub *hub, void (*fn)(void *context), void *context);

uv_loop_t *rw_hub_loop(struct rw_hub *hub);
struct rw_core *rw_hub_core(struct rw_hub *hub);
struct rw_store *rw_hub_store(struct rw_hub *hub);
struct rw_hosts *rw_hub_hosts(struct rw_hub *hub);
struct rw_hub_stats *rw_hub_counters(struct rw_hub *hub);
struct rw_drills *rw_hub_drills(struct rw_hub *hub);

/*
 * Around everything that may change the core: what is changed in between
 * reaches the disk as one, and breakers that opened are audited and logged at
 * the end. May be nested; the inner ones see the outer one's time.
 */
struct rw_now rw_hub_turn_begin(struct rw_hub *hub);
void rw_hub_turn_end(struct rw_hub *hub);
/* The time of the turn that is open. */
struct rw_now rw_hub_now(const struct rw_hub *hub);

/* ---- logging that a flood cannot drive ------------------------------------ */

enum { RW_LOG_LINES_PER_SECOND = 10 };
struct rw_log_limit {
	const char *what;
	uint64_t second;
	uint32_t lines;
	uint64_t suppressed;
};
/* Whether one more line may go out; counts it if not. */
bool rw_log_limit_take(struct rw_log_limit *limit, uint64_t boot_ms);
/* Each tick: says how many lines were kept back, once their second is over. */
void rw_log_limit_flush(struct rw_log_limit *limit, uint64_t boot_ms);

#endif
