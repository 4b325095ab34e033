/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulation of the judgement: the real core, linked as it is, under a virtual
 * clock, with hosts, a network, a disk and operators that all go wrong, and an oracle
 * that knows the truth.
 *
 *   world.c      hosts: their kernels crash, boot, sleep and move
 *   sensor.c     their sensors: sessions, heartbeats, events that are owed
 *   net.c        messages on their way, cuts, resets
 *   collector.c  the collector's process, its life and its faults
 *   ingest.c     its sessions: one live a host, contests, duplicates, acks
 *   disk.c       what is told, what is committed, what is read back
 *   operators.c  deployments, resets, retirements
 *   model.c      presence and blackout once more, the naive way, from what was delivered
 *   silence.c    whether silence is the observer's fault, likewise
 *   judge.c      who is exposed, at risk and failed; undo.c: what a kill takes
 *   evidence.c   what proves more than a limit, likewise
 *   oracle.c     what must be so: presence against model and truth; breakers.c: breakers
 *   verdicts.c   likewise: bakes, verdicts, and a second core read back from the disk
 *   sim.c        seeds, time, figures; scenarios.c: what goes wrong in each
 *
 * Everything follows from the seed: one generator, one thread, no clock, no floating
 * point but in the exact tests of evidence.c.
 *
 * What stands in for the real thing: sessions over TLS and libuv are modelled, with the
 * rules of collector/ingest: bytes of a session come in order or not at all; of two
 * sessions with one boot the newer wins, with two boots the older is asked; an event is
 * acknowledged when it is on disk, and taken once by its (spool, sequence). The store is
 * a table of the last committed row of each thing, as the schema has it.
 */
#ifndef RINGWATCH_TESTS_SIM_SIM_H
#define RINGWATCH_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/world.h"

/* ---- the collector (collector.c, ingest.c, disk.c) ------------------------------------ */

struct sim_mark {
	uint32_t spool;
	uint64_t received, durable, committed, refused;
};
/* What the collector knows of a host's sessions and spools, as collector/ingest/hosts.h. */
struct sim_entry {
	uint64_t live; /* 0: none */
	uint32_t live_boot;
	uint64_t live_heard_ms;
	rw_host_handle handle;
	uint32_t version; /* that it said last, plus 1 */
	bool contested;
	uint64_t contest_ms;         /* CONTESTED: the newcomer wins then */
	struct sim_message newcomer; /* its Hello */
	struct sim_mark marks[SIM_SPOOLS];
};
struct sim_disk;
struct sim_collector {
	struct rw_core *core; /* NULL: down */
	struct rw_policy policy;
	struct sim_disk *disk;
	struct sim_entry *entries;
	uint64_t up_ms;      /* down: until then */
	uint64_t stalled_ms; /* does nothing before */
	uint64_t sick_ms;    /* 0: healthy */
	uint64_t fails_ms;   /* the store fails until then; 0: it does not */
	uint64_t calm_ms;    /* up, and without any of these since */
	uint32_t restarts;
};

struct rw_now sim_now(const struct sim *sim);
void sim_collector_begin(struct sim *sim);
void sim_collector_end(struct sim *sim);
/* Runs up to `now_ms` + SIM_STEP_MS and ticks. */
void sim_collector_step(struct sim *sim);
void sim_collector_kill(struct sim *sim, uint64_t down_ms);

void sim_ingest_take(struct sim *sim, const struct sim_message *message);
void sim_ingest_tick(struct sim *sim);
void sim_ingest_probe(struct sim *sim, rw_host_handle handle);
void sim_ingest_durable(struct sim *sim);
void sim_ingest_committed(struct sim *sim);
void sim_ingest_forget(struct sim *sim);

void sim_disk_begin(struct sim *sim);
void sim_disk_end(struct sim *sim);
uint64_t sim_disk_change(void *context, const struct rw_change *change);
bool sim_disk_fails(const struct sim *sim);
void sim_disk_set_fails(struct sim *sim, bool fails);
/* The writer's turn: what is pending becomes durable, or what is durable is reported. */
void sim_disk_step(struct sim *sim);
void sim_disk_flush(struct sim *sim);
void sim_disk_lose(struct sim *sim);
struct rw_core *sim_disk_restore(struct sim *sim, const struct rw_core_sink *sink);

/* ---- operators (operators.c) ----------------------------------------------------------- */

void sim_operators_step(struct sim *sim);
/* Whether hosts are exposed to it as they report it. */
bool sim_is_reported(uint32_t deployment);
const char *sim_deployment_name(uint32_t deployment);
const char *sim_ring_name(uint32_t ring);

/* ---- the model (model.c): presence, naively --------------------------------------------- */

struct sim_known {
	bool known, excluded, retired, lost, gasping, timed;
	enum rw_presence presence;
	uint64_t mark_obs_ms, gasp_obs_ms;
	enum rw_goodbye goodbye;
	uint32_t ring, boot;
	uint64_t order;
	uint64_t heard_wall_ms, maintenance_wall_ms, excused_order;
	uint64_t acted_ms; /* an operator did something to it */
	struct {
		uint64_t order, at_ms;
	} ends[SIM_BOOTS_KEPT]; /* of its boots, unexpected; newest first */
	uint32_t handle;        /* plus 1, in this core; 0: not looked up yet */
};
struct sim_model {
	uint64_t last_ms, obs_ms, listening_ms, listen_obs_ms, stall_obs_ms;
	bool stalled, sick;
	bool blackout, extended;
	uint64_t extended_obs_ms, back_obs_ms;
	bool was_hidden;
	struct sim_known *of;
};

void sim_model_begin(struct sim *sim);
void sim_model_end(struct sim *sim);
void sim_model_advance(struct sim *sim);
bool sim_model_blind(const struct sim *sim);
bool sim_model_hidden(const struct sim *sim);
void sim_model_restarted(struct sim *sim);
/* What the collector took in, before it is told to the core. */
void sim_model_hello(struct sim *sim, const struct sim_message *message);
void sim_model_heard(struct sim *sim, uint32_t host, bool beat);
void sim_model_goodbye(struct sim *sim, const struct sim_message *message);
void sim_model_gasp(struct sim *sim, uint32_t host);
void sim_model_event(struct sim *sim, const struct sim_message *message);
void sim_model_tick(struct sim *sim);
/* silence.c: the part of a tick between those who are late and those who are let go. */
void sim_model_tick_silence(struct sim *sim);
void sim_model_set_sick(struct sim *sim, bool sick);
rw_host_handle sim_model_handle(struct sim *sim, uint32_t host);
void sim_model_enter(struct sim *sim, uint32_t host, enum rw_presence to);

/* ---- the judge (judge.c): exposure and failures, naively ----------------------------------- */

struct sim_exposed {
	bool exposed, heard, alive, placed, crashed, acknowledged, left_offline;
	bool timed;    /* the host's clock was known at its base */
	bool doubtful; /* something happened within the slack of its base: the core's word stands */
	uint8_t ring, step;
	uint64_t order;   /* base: the boot */
	uint64_t base_ms; /* and when, in truth */
	uint64_t base_obs_ms;
};
struct sim_run {
	uint32_t step;
	bool open;
	bool baking, proved;
	uint64_t target;
	uint64_t allowed;  /* at the last look */
	uint64_t exposed;  /* as counted last */
	uint64_t crashed;  /* as counted last */
	uint64_t baked_ms; /* of this step, or since its reset */
};
struct sim_counts {
	uint64_t exposed, at_risk, offline, crashed, failed, retired;
};
/* What would prove that a deployment is bad. */
struct sim_proofs {
	uint32_t first[SIM_SIGNATURES]; /* the host that showed it, plus 1 */
	bool shared[SIM_SIGNATURES];    /* by another, too */
	uint32_t driver_by;             /* of its own driver's signature, likewise */
	bool driver_shared, spoiled;    /* SPOILED: who was not exposed showed it */
	uint32_t due_ring;              /* plus 1: has to be proved now */
};
struct sim_undo;
struct sim_judge {
	struct sim_proofs proofs[SIM_DEPLOYMENTS_MAX];
	uint64_t seen_ms[SIM_SIGNATURES];        /* first, by the fleet */
	uint64_t control_ms[SIM_SIGNATURES];     /* last, by who is exposed to nothing */
	uint64_t first_ms[SIM_DEPLOYMENTS_MAX];  /* exposure */
	struct sim_exposed (*of)[SIM_HOSTS_MAX]; /* by deployment */
	uint64_t (*struck_ms)[SIM_HOSTS_MAX];    /* truth: it failed in it, first; 0: it did not */
	struct sim_run runs[SIM_DEPLOYMENTS_MAX][SIM_RINGS];
	enum rw_deployment_state state[SIM_DEPLOYMENTS_MAX]; /* 0: not made */
	struct sim_counts counts[SIM_DEPLOYMENTS_MAX][SIM_RINGS];
	uint64_t enrolled[SIM_RINGS];
	bool stale;           /* counts are */
	bool damaged;         /* the disk held a part of what was told: take its word */
	bool doubts;          /* some exposure is doubtful */
	uint64_t bake_obs_ms; /* at the last tick */
	struct sim_undo *undo;
	uint32_t undo_count, undo_room;
};

void sim_judge_begin(struct sim *sim);
void sim_judge_end(struct sim *sim);
/* *place is to change, and is put back when the collector loses what it was told. */
void sim_judge_touch(struct sim *sim, void *place, size_t size);
void sim_judge_durable(struct sim *sim);
void sim_judge_lost(struct sim *sim, bool damaged);
void sim_judge_restarted(struct sim *sim);
void sim_judge_started(struct sim *sim, uint32_t deployment, uint32_t ring, uint32_t step);
void sim_judge_reset(struct sim *sim, uint32_t deployment, uint32_t ring);
void sim_judge_set_state(struct sim *sim, uint32_t deployment, enum rw_deployment_state state);
/* The host says that it runs what the deployment brings. */
void sim_judge_version(struct sim *sim, uint32_t host, uint32_t deployment);
void sim_judge_retired(struct sim *sim, uint32_t host);
void sim_judge_heard(struct sim *sim, uint32_t host);
void sim_judge_hello(struct sim *sim, const struct sim_message *message, uint64_t old_order,
		     bool died, bool unwatched);
void sim_judge_event(struct sim *sim, const struct sim_message *message);
void sim_judge_went_offline(struct sim *sim, uint32_t host);
bool sim_judge_is_exposed(const struct sim *sim, uint32_t host);
/* The core's word for one exposure. */
void sim_judge_adopt(struct sim *sim, uint32_t deployment, uint32_t host);
/* After each input: facts in doubt become the core's, and stale counts new. */
void sim_judge_settle(struct sim *sim);
void sim_judge_struck(struct sim *sim, uint32_t host);

/* evidence.c */
/* A deployment's host, or one that may have been, shows a signature; COUNTS: surely since its
 * exposure. */
void sim_evidence_event(struct sim *sim, const struct sim_message *message, uint32_t deployment,
			bool counts);
void sim_evidence_signature(struct sim *sim, const struct sim_message *message);
void sim_evidence_end_of_boot(struct sim *sim, uint32_t host, uint64_t order);
void sim_evidence_check(struct sim *sim, uint32_t deployment, uint32_t ring,
			const struct rw_run *run);

/* ---- the oracle (oracle.c) --------------------------------------------------------------------
 */

enum sim_family {
	SIM_OK_COUNTS,
	SIM_OK_PRESENCE,
	SIM_OK_TRUTH,
	SIM_OK_BREAKER,
	SIM_OK_EVIDENCE,
	SIM_OK_VERDICT,
	SIM_OK_DISK,
	SIM_OK_CONVERGENCE,
	SIM_FAMILIES
};
void sim_fail(struct sim *sim, enum sim_family family, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* breakers.c */
void sim_breakers_check(struct sim *sim, bool at_tick, bool ended_too);
/* After one input was told, and after a tick. */
void sim_oracle_input(struct sim *sim);
void sim_oracle_ticked(struct sim *sim);
void sim_oracle_second(struct sim *sim);
void sim_oracle_converged(struct sim *sim);
void sim_oracle_acked(struct sim *sim, uint32_t host, uint32_t spool, uint64_t sequence);
struct rw_run *sim_core_run(const struct sim *sim, uint32_t deployment, uint32_t ring);

/* scenarios.c: the seed's mix of faults, and its policy. */
void sim_scenario_begin(struct sim *sim);
/* verdicts.c */
void sim_verdicts_ticked(struct sim *sim);
void sim_verdicts_second(struct sim *sim);
void sim_verdicts_restarted(struct sim *sim);
/* With --verbose: a line of what happens. */
void sim_say(const struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- all of it
 * ----------------------------------------------------------------------------------- */

struct sim_figures {
	uint64_t host_ms, checks[SIM_FAMILIES];
	uint64_t trips, silent_trips, early_trips, exposure_trips, false_trips, restarts, events,
		resets, proceeds;
	uint32_t *delays; /* ms from the first true failure of a run to its open breaker */
	uint32_t delay_count, delay_room;
};
/* Mean time between, in seconds; 0: never. Per host, or of all. */
struct sim_scenario {
	const char *name;
	uint32_t host_crash_s, host_leaves_s, host_cut_s, host_sleep_s, host_move_s,
		sensor_killed_s;
	uint32_t driver_of_100; /* of upgraded hosts */
	uint32_t loops, rack_s, partition_s;
	uint32_t kill_s, stall_s, store_s, sick_s;
	uint32_t operator_s; /* mean time between acts on hosts */
};
struct sim {
	uint64_t seed;
	uint64_t random[4];
	struct sim_scenario scenario;
	uint64_t now_ms;  /* the collector's boot clock; never goes back */
	uint64_t step_ms; /* of the step that runs */
	uint64_t begin_ms, calm_ms, end_ms;
	bool calm; /* no more faults: all has to converge */
	bool verbose;
	uint32_t host_count;
	struct sim_host *hosts;
	struct sim_message *queue; /* a heap by (at_ms, number) */
	uint32_t queue_count, queue_room;
	uint64_t message_number, session_number;
	struct sim_collector collector;
	struct sim_model model;
	struct sim_judge judge;
	struct sim_figures *figures;
	uint32_t deployment_count;
	uint64_t operator_ms;
	bool failed;
	enum sim_family failed_family;
	char fault[768];
};

#endif
