/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the core share and nobody else sees.
 *
 * How a change flows: an input (host.c), a deadline (presence.c) or an act
 * (deploy.c) changes a host or an exposure; exposure.c keeps the counts of each
 * run by taking the old state out before the change and putting the new one in
 * after it; breaker.c judges the counts; change.c tells the sink. bake.c and
 * verdict.c only read the counts.
 *
 * Memory: hosts and exposures live in chunks that never move, so a pointer to
 * one stays good until the deployment ends or the core is freed. Nothing that a
 * host sends allocates, but its first Hello and a line of evidence.
 */
#ifndef RINGWATCH_CORE_INTERNAL_H
#define RINGWATCH_CORE_INTERNAL_H

#include "collector/core/core.h"

enum {
	RW_STALL_MS = 2 * RW_CORE_TICK_MS, /* a longer gap is a stall */
	RW_CRASH_SLACK_MS = 1000, /* how far a host's boot clock may seem to be off at exposure */
	RW_BAKE_SAVE_MS = 5000,   /* bake that a killed collector may lose */
	RW_HOST_CHUNK = 1024,
	RW_EXPOSURE_CHUNK = 64,
	RW_RESYNC_PER_TICK = 4096, /* rows told again in one tick after the sink refused one */
};

/* A deployed host: what it was at its exposure, and what became of it. */
struct rw_exposure {
	struct rw_exposure *next; /* of the same host */
	struct rw_run *run;
	uint64_t boot_order;     /* only what happened after this point of */
	uint64_t boot_ms;        /* the host's life can be held against the run */
	uint64_t placed_boot_ms; /* our clock at the exposure; UINT64_MAX after a restart */
	rw_host_handle host;
	bool alive : 1; /* boot `boot_order` was heard at or after the exposure */
	bool heard : 1;
	bool crashed : 1;
	bool recovered : 1;
	bool acknowledged : 1;
};

struct rw_host {
	char id[RW_CORE_NAME_BYTES];
	uint8_t boot_id[16];
	uint64_t boot_order;
	uint64_t clock_offset;    /* its boot clock minus ours, modulo 2^64; when clock_known */
	uint64_t mark_obs_ms;     /* ONLINE, SUSPECT: last heard; PLANNED: overdue from then on */
	uint64_t gasp_due_obs_ms; /* of its last gasp, RW_CORE_GASP_MS later; 0: there was none */
	uint64_t since_wall_ms;
	uint64_t heard_wall_ms;
	uint64_t back_by_wall_ms;
	struct rw_exposure *exposures; /* of active deployments, one each */
	uint32_t next;                 /* in the list of its presence, RW_NO_HOST at the end */
	uint32_t prev;                 /* PLANNED: position in the heap */
	uint32_t blind_kinds;          /* bits of what it cannot see, see core.h */
	uint16_t exposure_count;
	uint16_t unheard_count; /* exposures that wait for its first byte */
	uint8_t ring;
	uint8_t presence;
	uint8_t goodbye;
	bool clock_known : 1;
	bool gasping : 1;        /* SUSPECT, and in the list of these */
	uint8_t gasp_probes : 6; /* sent since then */
};

/* What a verdict needs of a run's exposures, kept as they change. */
struct rw_counts {
	uint64_t exposed;
	uint64_t at_risk; /* n */
	uint64_t failed;  /* k: offline or crashed */
	uint64_t offline;
	uint64_t crashed;
	uint64_t recovered;
	uint64_t covered;    /* at risk, and online or suspect */
	uint64_t overlapped; /* exposed to another active deployment too */
	uint64_t blind;      /* exposed, and cannot see a kind that counts as a crash */
};

/* A deployment in one ring. */
struct rw_run {
	struct rw_deployment *deployment;
	uint32_t ring;
	uint32_t crash_kinds; /* the ring's policy's */
	uint32_t step;
	uint64_t started_wall_ms;
	uint64_t target;
	uint64_t observed_ms;
	uint64_t saved_ms; /* of observed_ms, in the last row told */
	bool baking;       /* the clock ran at the last tick */
	bool breaker_open;
	enum rw_rule rule;
	enum rw_grade grade;
	uint64_t opened_wall_ms;
	uint64_t opened_failed;
	uint64_t opened_at_risk;
	uint64_t sequence; /* of the last row that a `proceed` rests on */
	struct rw_counts counts;
	struct rw_exposure **chunks; /* RW_EXPOSURE_CHUNK each */
	uint32_t chunk_count;
	uint32_t exposure_count;
	struct rw_evidence_row *evidence;
	uint32_t evidence_count;
	uint32_t evidence_room;
};

struct rw_deployment {
	struct rw_deployment_row row;
	uint64_t sequence;
	struct rw_run runs[]; /* row.ring_count, in rollout order */
};

struct rw_ring {
	uint64_t enrolled;
	uint64_t presence[RW_PRESENCE_COUNT];
};

struct rw_host_list {
	uint32_t head;
	uint32_t tail;
};

/* A node of the index by name: see table.c. */
struct rw_fork {
	uint32_t child[2];
	uint16_t byte;
	uint8_t others;
};

struct rw_table {
	struct rw_host **chunks;
	uint32_t chunk_count;
	uint32_t count;
	uint32_t max;
	struct rw_fork *forks;
	uint32_t fork_count;
	uint32_t fork_room;
	uint32_t root;
};

/* Telling everything again after the sink refused a change: see change.c. */
struct rw_resync {
	bool needed;
	bool again; /* one more was refused during this pass */
	uint32_t stage;
	uint32_t index;
	uint32_t run;
	uint32_t item;
};

struct rw_core {
	struct rw_policy policy;
	struct rw_core_sink sink;

	uint64_t last_boot_ms; /* of the last input */
	uint64_t obs_ms;       /* the observing clock: stalls left out */
	uint64_t listen_obs_ms;
	uint64_t stall_obs_ms;
	uint64_t tick_obs_ms;
	bool stalled; /* there was a stall at stall_obs_ms */
	bool was_blind;

	struct rw_table table;
	struct rw_host_list lists[RW_PRESENCE_COUNT]; /* PLANNED: unused; SUSPECT: not gasping */
	struct rw_host_list gasping;                  /* the next deadline first */
	uint32_t *heap;                               /* PLANNED, the next overdue first */
	uint32_t heap_count;
	uint32_t heap_room;
	struct rw_ring rings[RW_CORE_RINGS_MAX];

	struct rw_deployment *deployments[RW_CORE_DEPLOYMENTS_MAX];
	uint32_t deployment_count;

	uint64_t last_sequence;
	uint64_t committed;
	bool store_failed;
	struct rw_resync resync;
};

/* ---- core.c --------------------------------------------------------------- */

/* Moves the observing clock; every input begins with it. */
void rw_core_advance(struct rw_core *core, struct rw_now now);
/* Cuts at a character's beginning when it does not fit. */
void rw_copy_text(char *out, size_t size, const char *text);

/* ---- table.c: hosts by handle and by name ----------------------------------- */

void rw_table_init(struct rw_table *table, uint32_t hosts_max);
void rw_table_release(struct rw_table *table);
/* NULL: no such handle. */
struct rw_host *rw_table_at(const struct rw_table *table, rw_host_handle handle);
rw_host_handle rw_table_find(const struct rw_table *table, const char *id);
/* A zeroed host with this id, which must not be there yet. -ENOSPC, -ENOMEM. */
int rw_table_add(struct rw_table *table, const char *id, rw_host_handle *out);

/* ---- presence.c: lists, deadlines, transitions ------------------------------- */

void rw_presence_init(struct rw_core *core);
/* A new host in ring `ring`, UNKNOWN. -ENOSPC, -ENOMEM. Tells nobody. */
int rw_presence_enrol(struct rw_core *core, const char *id, uint32_t ring, rw_host_handle *out);
void rw_presence_move(struct rw_core *core, struct rw_host *host, uint32_t ring);
/*
 * The one place where a presence changes: lists, ring's and runs' counts. Set
 * mark_obs_ms before. Tells nobody and judges nothing.
 */
void rw_presence_enter(struct rw_core *core, rw_host_handle handle, enum rw_presence to,
		       struct rw_now now);
/* ONLINE, heard at this moment; whether the presence changed. */
bool rw_presence_hear(struct rw_core *core, rw_host_handle handle, struct rw_now now);
/* Whatever deadline has come. */
void rw_presence_tick(struct rw_core *core, struct rw_now now);

/* ---- exposure.c: who counts ---------------------------------------------------- */

struct rw_exposure *rw_exposure_at(const struct rw_run *run, uint32_t index);
struct rw_exposure *rw_exposure_find(const struct rw_host *host,
				     const struct rw_deployment *deployment);
/* Room for `count` more, so that rw_exposure_add cannot fail. -ENOMEM. */
int rw_exposure_reserve(struct rw_run *run, uint32_t count);
/* A new record with zeroed facts, counted. */
struct rw_exposure *rw_exposure_add(struct rw_core *core, struct rw_run *run,
				    rw_host_handle handle);
/* Takes every exposure of an ended deployment off its host; facts stay in the counts. */
void rw_exposure_release(struct rw_core *core, struct rw_run *run);
/* The counts of an ended run: a fact of the past, not a live record. */
void rw_exposure_count_ended(struct rw_run *run, const struct rw_exposure *exposure);
/* Around every change of an exposure, or of its host's presence. */
void rw_exposure_uncount(struct rw_exposure *exposure, const struct rw_host *host);
void rw_exposure_count(struct rw_exposure *exposure, const struct rw_host *host);
void rw_exposure_set_blind_kinds(struct rw_host *host, uint32_t kinds);
bool rw_exposure_is_offline(const struct rw_exposure *exposure, const struct rw_host *host);
bool rw_exposure_has_failed(const struct rw_exposure *exposure, const struct rw_host *host);

/* The point in the host's life that is now. */
void rw_exposure_set_base(struct rw_exposure *exposure, const struct rw_host *host,
			  struct rw_now now);
/* Inputs, each of which tells and judges what it changed. */
void rw_exposure_heard(struct rw_core *core, struct rw_exposure *exposure, bool back_from_offline,
		       struct rw_now now);
void rw_exposure_went_offline(struct rw_core *core, struct rw_exposure *exposure,
			      struct rw_now now);
struct rw_boot_change {
	bool is_new;        /* another boot than the recorded one */
	bool died;          /* and that one did not end cleanly */
	uint64_t old_order; /* the recorded one's */
	bool was_offline;
	const struct rw_boot *boot;
};
void rw_exposure_hello(struct rw_core *core, struct rw_exposure *exposure,
		       const struct rw_boot_change *change, struct rw_now now);
void rw_exposure_event(struct rw_core *core, struct rw_exposure *exposure,
		       const struct rw_core_event *event, struct rw_now now);

/* ---- breaker.c: the judgement ---------------------------------------------------- */

/* Strictly above the limit, and enough hosts to say so. */
bool rw_breaker_is_above(const struct rw_limit *limit, uint32_t least_hosts, uint64_t failed,
			 uint64_t of);
void rw_breaker_judge(struct rw_core *core, struct rw_run *run, struct rw_now now);
void rw_breaker_judge_all(struct rw_core *core, struct rw_now now);

/* A line of evidence; one a host and kind. Tells when it is new or knows more. */
void rw_evidence_add(struct rw_core *core, struct rw_run *run, const struct rw_evidence_row *row,
		     struct rw_now now);
enum rw_evidence_merge { RW_EVIDENCE_KNOWN, RW_EVIDENCE_NEW, RW_EVIDENCE_DROPPED };
/* The same without telling. DROPPED: new, but there was no memory for it. */
enum rw_evidence_merge rw_evidence_merge(struct rw_run *run, const struct rw_evidence_row *row);
struct rw_evidence_row rw_evidence_of(const struct rw_core *core, const struct rw_run *run,
				      const char *host, const char *kind, uint64_t at_wall_ms);

/* ---- bake.c -------------------------------------------------------------------------- */

/* max(1, floor(share × enrolled)). */
uint64_t rw_bake_allowed_hosts(const struct rw_ring_policy *policy, uint32_t step,
			       uint64_t enrolled);
bool rw_bake_is_complete(const struct rw_core *core, const struct rw_run *run);
/* Complete in its last step, and its breaker closed. */
bool rw_bake_has_passed(const struct rw_core *core, const struct rw_run *run);
bool rw_bake_coverage_is_low(const struct rw_core *core, const struct rw_run *run);
enum rw_bake_state rw_bake_state(const struct rw_core *core, const struct rw_run *run, bool blind);
/* Sets the clock going or not, from this moment. */
void rw_bake_begin(const struct rw_core *core, struct rw_run *run, struct rw_now now);
void rw_bake_tick(struct rw_core *core, bool blind, struct rw_now now);

/* ---- deploy.c ------------------------------------------------------------------------- */

struct rw_run *rw_run_find(struct rw_deployment *deployment, const struct rw_core *core,
			   const char *ring);
/* In rollout order; NULL: the first. */
const struct rw_run *rw_run_previous(const struct rw_run *run);
const struct rw_ring_policy *rw_run_policy(const struct rw_core *core, const struct rw_run *run);
bool rw_run_is_judged(const struct rw_run *run);
/* The ring is above its limit before anything was done to it. */
bool rw_run_ring_is_unhealthy(const struct rw_core *core, const struct rw_run *run);
/* Checks rings and adds; *out. -EINVAL, -ENOENT, -ENOSPC, -ENOMEM. Tells nobody. */
int rw_deployment_add(struct rw_core *core, const struct rw_deployment_row *row,
		      struct rw_deployment **out);
void rw_deployment_end(struct rw_core *core, struct rw_deployment *deployment);
void rw_deployment_free(struct rw_deployment *deployment);

/* ---- change.c: rows out, rows in ------------------------------------------------------ */

void rw_tell_host(struct rw_core *core, rw_host_handle handle, enum rw_presence previous,
		  struct rw_now now);
void rw_tell_deployment(struct rw_core *core, struct rw_deployment *deployment, struct rw_now now);
void rw_tell_run(struct rw_core *core, struct rw_run *run, struct rw_now now);
/* The bake's progress, on which no `proceed` rests. */
void rw_tell_progress(struct rw_core *core, struct rw_run *run, struct rw_now now);
void rw_tell_exposure(struct rw_core *core, const struct rw_exposure *exposure, struct rw_now now);
void rw_tell_evidence(struct rw_core *core, struct rw_run *run, const struct rw_evidence_row *row,
		      struct rw_now now);
void rw_tell_evidence_cleared(struct rw_core *core, struct rw_run *run, struct rw_now now);
void rw_resync_tick(struct rw_core *core, struct rw_now now);
void rw_fill_host_row(const struct rw_core *core, const struct rw_host *host,
		      struct rw_host_row *out);

/* ---- check.c ------------------------------------------------------------------------------ */

/* Counts everything anew, the slow way. NULL, or what does not add up. For tests. */
const char *rw_core_check(const struct rw_core *core);

#endif
