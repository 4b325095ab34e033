/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulation of the whole judgement under a virtual clock: the real core, hosts that
 * crash, loop, flap and sleep, a network that delays, holds and cuts, a collector that
 * stalls, crashes and loses what it had not written, operators who start, reset, retire
 * and withdraw; and an oracle that knows the truth.
 *
 *   world.c      hosts, their kernels and their sensors
 *   collector.c  the collector's process: sessions, core, disk
 *   operators.c  people and rollout systems
 *   oracle.c     what must be so
 *   sim.c        seeds, time, figures
 *
 * Everything follows from a seed: one generator, one thread, no other clock.
 *
 * What stands in for the real thing: sessions are modelled in place of TLS over libuv.
 * They keep its rules: bytes come in order or not at all; a session that breaks is
 * noticed by the sensor late or soon, and by the collector never before it hears of it; a
 * sensor waits longer from attempt to attempt, up to offline_after / 3; events are sent
 * again until acknowledged, acknowledged only when they are on disk, and taken once by
 * (spool, sequence). The disk keeps the last committed row of each thing, as the store
 * does.
 */
#ifndef RINGWATCH_TESTS_SIM_SIM_H
#define RINGWATCH_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/core/internal.h"

enum {
	SIM_HOSTS_MAX = 2000,
	SIM_RINGS = 3,
	SIM_DEPLOYMENTS = 4,
	SIM_EVENTS_MAX = 16, /* a host may owe */
	SIM_LATENCY_MAX_MS = 400,
	SIM_KIND_OOPS = 1,
	SIM_KIND_PANIC = 2,
};

/* ---- chance -------------------------------------------------------------------- */

struct sim;
uint32_t sim_pick(struct sim *sim, uint32_t below);
/* Once in so many times. */
bool sim_once_in(struct sim *sim, uint32_t times);

/* ---- hosts ---------------------------------------------------------------------- */

enum sim_life { SIM_UP, SIM_DOWN, SIM_DEAD, SIM_OFF };
struct sim_event {
	uint32_t sequence;
	uint32_t kind;
	uint64_t boot_order, boot_ms;
	uint64_t truth_ms; /* when it happened */
	uint32_t signature;
};
struct sim_host {
	char id[16];
	uint32_t ring;
	enum sim_life life;
	uint64_t until_ms; /* DOWN, OFF: boots then */
	uint64_t order, booted_ms;
	enum rw_boot_end last_end;
	bool link; /* bytes pass */
	uint64_t link_back_ms;
	bool driver_bad; /* this host will die of the driver */
	uint64_t driver_at_ms;
	uint32_t loops_left; /* more boots of it die */

	/* the sensor */
	bool session; /* as the sensor sees it */
	uint64_t connect_ms, backoff_ms, beat_ms;
	uint32_t latency_ms;
	uint32_t next_sequence, sent, acked;
	struct sim_event owed[SIM_EVENTS_MAX];
	uint32_t owed_count;

	/* the collector's end of the session */
	bool live;
	rw_host_handle handle;

	/* the truth, for the oracle */
	uint64_t died_ms;      /* DEAD: since; 0: lives */
	uint64_t reachable_ms; /* up, linked and so since; UINT64_MAX: is not */
	uint64_t heard_obs_ms; /* the oracle's clock at the last byte that was taken in */
	bool heard_ever, excused, retired, excluded;
};

enum sim_message_kind { SIM_HELLO, SIM_BEAT, SIM_EVENT, SIM_GOODBYE };
struct sim_message {
	uint64_t at_ms;
	uint32_t host;
	enum sim_message_kind kind;
	uint64_t boot_order, boot_ms;
	enum rw_boot_end end;
	struct sim_event event;
	enum rw_goodbye goodbye;
	uint64_t back_in_ms;
	uint64_t session; /* of which connection it is */
};

void sim_world_begin(struct sim *sim);
void sim_world_step(struct sim *sim);
/* The kernel of a host dies; it boots again after `down_ms`, or, with 0, never. */
void sim_host_dies(struct sim *sim, struct sim_host *host, uint32_t kind, uint64_t down_ms);
/* A deployment has put its driver on the host. */
void sim_host_gets_driver(struct sim *sim, struct sim_host *host);
void sim_host_acked(struct sim_host *host, uint32_t sequence);
void sim_cut(struct sim_host *host, uint64_t until_ms);

/* ---- the collector ------------------------------------------------------------------ */

struct sim_disk;
struct sim_collector {
	struct rw_core *core; /* NULL: it is down */
	struct rw_policy policy;
	struct sim_disk *disk;
	uint64_t up_ms;    /* down: until then */
	uint64_t stall_ms; /* does nothing before */
	uint64_t tick_ms;  /* next */
	uint64_t sequence;
	uint64_t connection;           /* of the next session */
	uint32_t marks[SIM_HOSTS_MAX]; /* highest event taken */
	uint64_t sessions[SIM_HOSTS_MAX];
	uint32_t restarts;
};

void sim_collector_begin(struct sim *sim);
void sim_collector_end(struct sim *sim);
void sim_collector_step(struct sim *sim);
void sim_collector_crash(struct sim *sim, uint64_t down_ms);
void sim_send(struct sim *sim, const struct sim_message *message);
/* The collector's end of it, as the network would answer now. */
bool sim_connection_lives(const struct sim *sim, const struct sim_host *host);
/* A second core from what is on disk now, after a commit. */
struct rw_core *sim_collector_twin(struct sim *sim);
struct rw_now sim_now(const struct sim *sim);

/* ---- people --------------------------------------------------------------------------- */

void sim_operators_begin(struct sim *sim);
void sim_operators_step(struct sim *sim);

/* ---- the oracle ------------------------------------------------------------------------ */

struct sim_exposed {
	bool exposed, heard, crashed, acknowledged;
	uint64_t order, at_ms; /* the boot and the time at its exposure, or at the last reset */
	bool alive;
};
struct sim_run {
	bool started, open, ended;
	uint32_t ring;
	uint64_t at_risk;        /* the most that was ever shown */
	uint64_t first_death_ms; /* truly; 0: none */
	struct sim_exposed of[SIM_HOSTS_MAX];
};
struct sim_oracle {
	struct sim_run runs[SIM_DEPLOYMENTS][SIM_RINGS];
	struct sim_run (*kept)[SIM_RINGS]; /* what is on disk of it */
	uint64_t obs_ms, tick_ms;          /* its own idea of the observing clock */
	uint64_t blackout_obs_ms;          /* when one was last seen */
	uint64_t up_obs_ms;                /* of the collector's last start */
};
void sim_oracle_begin(struct sim *sim);
void sim_oracle_end(struct sim *sim);
void sim_oracle_started(struct sim *sim, uint32_t deployment, uint32_t ring);
void sim_oracle_reset(struct sim *sim, uint32_t deployment, uint32_t ring);
void sim_oracle_ended(struct sim *sim, uint32_t deployment);
/* The collector has taken this in. */
void sim_oracle_heard(struct sim *sim, const struct sim_message *message);
void sim_oracle_committed(struct sim *sim);
void sim_oracle_collector_died(struct sim *sim);
void sim_oracle_ticked(struct sim *sim);

/* ---- all of it ---------------------------------------------------------------------------- */

struct sim_figures {
	double host_hours;
	uint64_t openings, false_openings, missed, restarts, checks;
	uint32_t delays[4096]; /* from the first true death to open, ms */
	uint32_t delay_count;
};
struct sim {
	uint64_t seed, random;
	uint64_t now_ms, end_ms;
	uint32_t host_count;
	bool calm; /* no more faults: everything has to converge */
	bool verbose;
	uint32_t natural_hours; /* a host dies by itself once in so many; 0 never */
	bool bad_driver, loops, cuts, restarts, stalls, racks, busy_operators;
	struct sim_host hosts[SIM_HOSTS_MAX];
	struct sim_message *queue; /* a heap by (at_ms, number) */
	uint64_t *queue_numbers;
	uint32_t queue_count, queue_room;
	uint64_t queue_number;
	struct sim_collector collector;
	struct sim_oracle oracle;
	struct sim_figures *figures;
	uint32_t deployment_count;
	uint64_t operator_ms;
	bool failed;
	char fault[512];
};

/* The first violation is kept; the run ends. */
void sim_fail(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *sim_deployment_name(uint32_t deployment);
const char *sim_ring_name(uint32_t ring);

#endif
