/* SPDX-License-Identifier: Apache-2.0 */
/* The world outside the collector: chance, messages on their way, hosts and sensors. */
#ifndef RINGWATCH_TESTS_SIM_WORLD_H
#define RINGWATCH_TESTS_SIM_WORLD_H

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
	SIM_HOUR_S = 3600,
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
	SIM_VERSION,
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
	uint32_t version;  /* VERSION */
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
	bool gone;              /* died unplanned, and has not booted again */
	uint64_t gone_obs_ms;   /* by the observing clock */
	uint64_t struck_ms;     /* failed last, in any way */
	uint64_t struck_order;  /* in that boot */
	uint64_t struck_obs_ms; /* by the collector's observing clock */
	/* the bad driver */
	uint64_t driver_at_ms; /* strikes then; 0: never */
	uint32_t driver_deployment, loops_left;
	uint32_t version; /* the deployment that a rollout tool marked it with, plus 1 */
	uint32_t version_said;
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

#endif
