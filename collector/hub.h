/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The middle of the collector: the one loop that owns the core, and the ways
 * in from other threads. Data crosses threads by message, never by lock.
 */
#ifndef RINGWATCH_COLLECTOR_HUB_H
#define RINGWATCH_COLLECTOR_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/core/core.h"
#include "collector/drills.h"
#include "collector/store/store.h"
#include "proto/limits.h"
#include "proto/wire.h"

struct rw_hub;

/*
 * From an API thread: runs `fn` on the loop's thread, where it may read the
 * core and act on it, and waits for it. `fn` must be quick and must copy what
 * it wants into `context`. 0, -ETIMEDOUT when the loop has not turned for 2 s
 * (then `fn` has not run and never will), -ESHUTDOWN.
 */
typedef void rw_hub_fn(struct rw_core *core, struct rw_now now, void *context);
int rw_hub_call(struct rw_hub *hub, rw_hub_fn *fn, void *context);

/*
 * Waits until the store has committed `sequence` (of struct rw_act_result, or
 * of rw_hub_audit). 0, -EIO while the store is failing, -ETIMEDOUT after 5 s.
 */
int rw_hub_wait_committed(struct rw_hub *hub, uint64_t sequence);

/* From within `fn`, on the loop's thread: an audit row, in order with the changes. */
uint64_t rw_hub_audit(struct rw_hub *hub, const struct rw_audit_row *row);
/* Likewise, a slot taken or returned. */
uint64_t rw_hub_slot(struct rw_hub *hub, const struct rw_slot_row *row);

/* Likewise, begins a drill: as rw_drills_start. *sequence is to be waited for, 0 when the store
 * takes nothing. */
int rw_hub_drill(struct rw_hub *hub, const struct rw_drill_ask *ask, struct rw_drill_answer *out,
		 uint64_t *sequence);

/* What a host said of itself in its last Hello since this collector started: what is
 * shown in lists, and the rest. */
struct rw_host_marks {
	bool known;      /* false: not heard since the start; the rest is empty */
	bool safe_start; /* BPF is off: the host died twice soon after it came */
	bool memory_spool;
	char spool_reason[161]; /* why its spool is in memory; "" when it is on disk */
};
struct rw_host_facts {
	struct rw_host_marks marks;
	bool connected; /* has a session now */
	char program[65];
	char kernel_release[129];
	char architecture[33];
	char netconsole[161];                 /* "none", "armed", or why not */
	uint64_t pending_events, lost_events; /* by its last heartbeat */
	uint32_t coverage_count;
	struct {
		Ringwatch__V1__Kind kind;
		char hook[161];
		char reason[161];
	} coverage[RW_COVERAGE_MAX];
	uint32_t version_count; /* by its last report; a value is "" when it is not there */
	struct {
		char subject[RW_VERSION_SUBJECT_MAX + 1];
		char value[RW_VERSION_VALUE_MAX + 1];
	} versions[RW_VERSIONS_MAX];
};
/* From within `fn`, after a deployment was created or has ended: hosts that reported a new
 * one's version before are exposed to it, and sensors hear which modules matter now.
 * `created` is the new one's name, or NULL. */
void rw_hub_deployments_changed(struct rw_hub *hub, const char *created);

/* Only from within an rw_hub_fn. */
void rw_hub_host_marks(struct rw_hub *hub, rw_host_handle host, struct rw_host_marks *out);
void rw_hub_host_facts(struct rw_hub *hub, rw_host_handle host, struct rw_host_facts *out);

/* How many hosts of a ring, of those heard since the start, can see what. A kind that
 * none of them spoke of is 0 in all three. */
enum { RW_RING_COVERAGE_KINDS = 32 };
struct rw_kind_coverage {
	uint64_t bpf;  /* through a BPF hook */
	uint64_t log;  /* by what the kernel leaves behind alone: its log, pstore, counters */
	uint64_t none; /* not at all */
};
struct rw_ring_coverage {
	uint64_t hosts;
	uint64_t safe_start;
	uint64_t memory_spool;
	struct rw_kind_coverage kinds[RW_RING_COVERAGE_KINDS]; /* by the wire's number */
};
/* Only from within an rw_hub_fn. `ring` is the index in the policy. */
void rw_hub_ring_coverage(struct rw_hub *hub, uint32_t ring, struct rw_ring_coverage *out);

/* The last gasps and what was counted of them; see collector/ingest/gasps.h. Only from
 * within an rw_hub_fn. Never NULL. */
struct rw_gasps;
struct rw_gasps *rw_hub_gasps(struct rw_hub *hub);

/* Who is told of changes; see collector/webhook/webhooks.h. Only from within an rw_hub_fn.
 * NULL: nobody can be. */
struct rw_webhooks;
struct rw_webhooks *rw_hub_webhooks(struct rw_hub *hub);

/* What /metrics and /healthz show of the collector itself. A copy, taken on the loop. */
struct rw_hub_stats {
	uint64_t started_wall_ms;
	uint64_t loop_lag_us_max; /* worst lateness of the tick in the last minute */
	uint64_t sessions;        /* authenticated now */
	uint64_t handshakes_ok, handshakes_failed;
	uint64_t accepted, closed;
	uint64_t frames, heartbeats, events_received, events_duplicate, events_over_quota;
	uint64_t excerpts_received;                    /* none of events_received */
	uint64_t rejected_frames[RW_WIRE_ERROR_COUNT]; /* by rw_wire_error_name */
	uint64_t rejects_sent[16];                     /* by rw_reject_name; index = code */
	uint64_t sessions_timed_out; /* handshake, Hello or a frame not finished in time */
	struct rw_store_stats store;
	bool store_failed;
	bool ready; /* past the first offline_after, store writable */
};
/* Only from within an rw_hub_fn. */
void rw_hub_stats(struct rw_hub *hub, struct rw_hub_stats *out);

#endif
