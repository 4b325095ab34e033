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
 *   judge.c      who is exposed, at risk and failed, likewise
 *   evidence.c   what proves more than a limit, likewise
 *   oracle.c     what must be so: the core against model and truth
 *   verdicts.c   likewise: bakes, verdicts, and a second core read back from the disk
 *   sim.c        seeds, scenarios, time, figures
 *
 * Everything follows from the seed: one generator, one thread, no clock, no floating
 * point in what is decided.
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

#include "collector/core/internal.h"

enum {
	SIM_HOSTS_MAX = 2048,
	SIM_RINGS = 3,
	SIM_DEPLOYMENTS_MAX = 32,
	SIM_OWED_MAX = 24,
	SIM_SPOOLS = 4,
	SIM_BOOTS_KEPT = 4,
	SIM_SIGNATURES = 80, /* the fleet's own first, then each deployment's */
	SIM_DRIVER_SIGNATURE = 900,
	SIM_STEP_MS = 250,
	SIM_SECOND_MS = 1000,
	SIM_MINUTE_MS = 60 * 1000,
	SIM_KIND_OOPS = 1,
	SIM_KIND_PANIC = 2,
	SIM_KIND_REBOOT = RW_CORE_KIND_UNEXPECTED_REBOOT,
};

struct sim;

/* ---- chance (sim.c) ------------------------------------------------------------ */

uint32_t sim_pick(struct sim *sim, uint32_t below);
/* Once in so many times; 0: never. */
bool sim_once_in(struct sim *sim, uint64_t times);
uint64_t sim_between(struct sim *sim, uint64_t from, uint64_t to);

/* ---- messages (net.c) ------------------------------------------------------------ */

struct sim_event {
	uint32_t kind;
	uint32_t signature;
	uint64_t sequence;
	uint64_t boot_order, boot_ms;
	uint64_t truth_ms; /* when it happened, by the collector's boot clock */
};

enum sim_kind {
	/* to the collector */
	SIM_HELLO,
	SIM_BEAT,
	SIM_EVENT,
	SIM_GOODBYE,
	SIM_PROBE_REPLY,
	SIM_GASP, /* a datagram beside the session */
	SIM_FIN,
	/* to the sensor */
	SIM_WELCOME,
	SIM_ACK,
	SIM_PROBE,
	SIM_THROTTLE,
	SIM_RESET,
};
struct sim_message {
	uint64_t at_ms, number, sent_ms;
	uint64_t session;
	uint32_t host;
	enum sim_kind kind;
	uint32_t boot; /* by whom it was sent, or to whom: the host's boot then */
	uint32_t ring; /* HELLO */
	uint64_t boot_order, boot_ms, truth_booted_ms;
	enum rw_boot_end end;
	enum rw_goodbye goodbye;
	uint64_t back_in_ms;
	uint32_t spool;
	uint64_t sequence; /* WELCOME, ACK: acknowledged up to */
	uint64_t retry_ms; /* RESET */
	struct sim_event event;
};

void sim_net_end(struct sim *sim);
/* Sent now; of one direction of a host's link in order. */
void sim_to_collector(struct sim *sim, struct sim_message message);
void sim_to_sensor(struct sim *sim, struct sim_message message);
/* The next message due by `until_ms`, whose way is free; false: none. */
bool sim_net_take(struct sim *sim, uint64_t until_ms, struct sim_message *out);
void sim_cut(struct sim *sim, uint32_t host, uint64_t until_ms);
void sim_net_faults(struct sim *sim);

/* ---- hosts (world.c, sensor.c) ------------------------------------------------------ */

enum sim_power { SIM_UNBORN, SIM_RUNNING, SIM_CRASHED, SIM_OFF, SIM_DEAD };
enum sim_sensor { SIM_KILLED, SIM_IDLE, SIM_GREETING, SIM_LIVE };
struct sim_host {
	char id[16];
	uint32_t number, ring;
	/* the kernel */
	enum sim_power power;
	uint64_t until_ms;  /* UNBORN, CRASHED, OFF: boots then */
	uint64_t frozen_ms; /* RUNNING: nothing of it runs before */
	uint64_t order, booted_ms;
	uint32_t boot;     /* 1, 2, … */
	int32_t drift_ppm; /* of its boot clock */
	enum rw_boot_end previous_end;
	bool flaps;
	bool gone;            /* died unplanned, and has not booted again */
	uint64_t gone_obs_ms; /* by the observing clock */
	uint64_t struck_ms;   /* failed last, in any way */
	/* the bad driver */
	uint64_t driver_at_ms; /* strikes then; 0: never */
	uint32_t driver_deployment, loops_left;
	/* the link */
	uint64_t cut_ms;         /* nothing passes before */
	uint64_t up_ms, down_ms; /* of the last message each way */
	/* the sensor */
	enum sim_sensor sensor;
	uint64_t sensor_back_ms; /* KILLED */
	uint64_t session, next_ms, backoff_ms, beat_ms, unanswered_ms, hold_ms;
	uint32_t spool;
	uint64_t next_sequence, sent;
	struct sim_event owed[SIM_OWED_MAX];
	uint32_t owed_count;
	uint64_t good_ms; /* runs, linked, and so is the collector, since; UINT64_MAX: not so */
};

void sim_world_begin(struct sim *sim);
void sim_world_step(struct sim *sim);
/* A deployment has reached the host: its driver may be bad. */
void sim_host_upgraded(struct sim *sim, uint32_t host, uint32_t deployment);
uint64_t sim_boot_clock(const struct sim *sim, const struct sim_host *host);
bool sim_host_runs(const struct sim *sim, const struct sim_host *host);
void sim_host_owes(struct sim *sim, struct sim_host *host, uint32_t kind, uint32_t signature);

void sim_sensor_starts(struct sim *sim, struct sim_host *host, uint64_t in_ms);
/* Killed, or with its kernel: `fin`: the peer is told. */
void sim_sensor_ends(struct sim *sim, struct sim_host *host, bool fin);
void sim_sensor_says_goodbye(struct sim *sim, struct sim_host *host, enum rw_goodbye kind,
			     uint64_t back_in_ms);
void sim_sensor_step(struct sim *sim, struct sim_host *host);
void sim_sensor_takes(struct sim *sim, const struct sim_message *message);

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
const char *sim_deployment_name(uint32_t deployment);
const char *sim_ring_name(uint32_t ring);

/* ---- the model (model.c): presence, naively --------------------------------------------- */

struct sim_known {
	bool known, excluded, retired, lost, gasping;
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
	uint64_t last_ms, obs_ms, listen_obs_ms, stall_obs_ms;
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
void sim_model_set_sick(struct sim *sim, bool sick);
rw_host_handle sim_model_handle(struct sim *sim, uint32_t host);
void sim_model_enter(struct sim *sim, uint32_t host, enum rw_presence to);

/* ---- the judge (judge.c): exposure and failures, naively ----------------------------------- */

struct sim_exposed {
	bool exposed, heard, alive, placed, crashed, acknowledged, left_offline;
	bool doubtful; /* something happened within the slack of its base: the core's word stands */
	uint8_t ring, step;
	uint64_t order;   /* base: the boot */
	uint64_t base_ms; /* and when, in truth */
};
struct sim_run {
	uint32_t step;
	bool open;
	bool baking, proved;
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
	struct sim_exposed (*of)[SIM_HOSTS_MAX]; /* by deployment */
	uint64_t (*struck_ms)[SIM_HOSTS_MAX];    /* truth: it failed in it, first; 0: it did not */
	struct sim_run runs[SIM_DEPLOYMENTS_MAX][SIM_RINGS];
	enum rw_deployment_state state[SIM_DEPLOYMENTS_MAX]; /* 0: not made */
	struct sim_counts counts[SIM_DEPLOYMENTS_MAX][SIM_RINGS];
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
void sim_judge_retired(struct sim *sim, uint32_t host);
void sim_judge_heard(struct sim *sim, uint32_t host);
void sim_judge_hello(struct sim *sim, const struct sim_message *message, uint64_t old_order,
		     bool died);
void sim_judge_event(struct sim *sim, const struct sim_message *message);
void sim_judge_went_offline(struct sim *sim, uint32_t host);
bool sim_judge_is_exposed(const struct sim *sim, uint32_t host);
/* After each input: facts in doubt become the core's, and stale counts new. */
void sim_judge_settle(struct sim *sim);
void sim_judge_struck(struct sim *sim, uint32_t host);

/* evidence.c */
/* A deployment's host, or one that may have been, shows a signature; COUNTS: surely since its
 * exposure. */
void sim_evidence_event(struct sim *sim, const struct sim_message *message, uint32_t deployment,
			bool counts);
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
/* After one input was told, and after a tick. */
void sim_oracle_input(struct sim *sim);
void sim_oracle_ticked(struct sim *sim);
void sim_oracle_second(struct sim *sim);
void sim_oracle_converged(struct sim *sim);
void sim_oracle_acked(struct sim *sim, uint32_t host, uint32_t spool, uint64_t sequence);
struct rw_run *sim_core_run(const struct sim *sim, uint32_t deployment, uint32_t ring);

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
	uint64_t trips, silent_trips, early_trips, false_trips, restarts, events, resets, proceeds;
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
