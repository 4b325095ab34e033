/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated host: a kernel's life (boot), a sensor's spool and session,
 * and a fate. Time comes in as an argument but for what libuv calls back with.
 * Owner: the loop's thread.
 */
#ifndef RINGWATCH_CTL_FLEET_HOST_H
#define RINGWATCH_CTL_FLEET_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/fleet/link.h"
#include "ctl/fleet/options.h"
#include "ctl/fleet/spool.h"
#include "lib/name.h"
#include "lib/pki.h"
#include "proto/wire.h"

enum {
	RW_FLEET_REJECT_CODES = 16,
	RW_FLEET_FLOOD_EVENTS = 5000,
	RW_FLEET_FLOOD_WINDOW = 1024, /* of them waiting for an ack at a time */
};

#define RW_FLEET_NEVER UINT64_MAX

/* What the whole fleet did; only ever grows. */
struct rw_fleet_counters {
	uint64_t connects, connects_failed, welcomes, closed_by_collector, no_answer;
	uint64_t rejects[RW_FLEET_REJECT_CODES]; /* by code */
	uint64_t heartbeats, probes, throttles, goodbyes, boots;
	uint64_t batches, acks, bad_acks;
	uint64_t events_created, events_sent, events_acked, events_dropped;
	uint64_t nonsense_sent, nonsense_refused, nonsense_tolerated;
	uint64_t dribbled_bytes, dribbles_ended;
	uint64_t bad_frames; /* from the collector */
};

/* What all hosts share. */
struct rw_fleet_shared {
	const struct rw_fleet_options *options;
	struct rw_fleet_net *net;
	struct rw_pki_ca *ca;
	EVP_PKEY *key;
	struct rw_arena *arena;
	struct rw_fleet_counters counters;
	uint64_t random;
	double connect_tokens;
	uint8_t frame[RW_FRAME_HEAD + RW_FRAME_MAX];
	char last_trouble[RW_FLEET_ERROR_BYTES]; /* why a session ended last; for people */
};

enum rw_fleet_phase {
	RW_FLEET_DOWN,       /* will connect at due_ms */
	RW_FLEET_CONNECTING, /* TCP and TLS */
	RW_FLEET_GREETING,   /* Hello is out */
	RW_FLEET_LIVE,
	RW_FLEET_MUTE,      /* the connection stands, nothing is said any more */
	RW_FLEET_REBOOTING, /* until due_ms */
	RW_FLEET_GONE,
};

struct rw_fleet_boot {
	char id[RW_BOOT_ID_LENGTH + 1];
	uint64_t order;
	uint64_t began_ms; /* our boot clock when its clock was 0; may lie before our 0 */
};

struct rw_fleet_host {
	struct rw_fleet_shared *shared;
	char name[RW_NAME_MAX + 1];
	enum rw_fleet_fate fate;
	uint64_t fate_delay_ms;
	uint64_t fate_at_ms; /* RW_FLEET_NEVER: not welcomed yet, or over */

	struct rw_fleet_boot boot;
	char previous_boot_id[RW_BOOT_ID_LENGTH + 1];
	Ringwatch__V1__BootEnd previous_end;
	Ringwatch__V1__BootEnd next_end; /* of this boot, when the host is REBOOTING */
	uint64_t boot_ended_ms;
	struct rw_fleet_spool spool;

	enum rw_fleet_phase phase;
	uint64_t due_ms; /* when rw_fleet_host_tick() is to be called */
	struct rw_fleet_link *link;
	struct rw_frame_reader reader;
	uint32_t attempts; /* since the last Welcome */
	uint64_t backoff_cap_ms;
	uint64_t heartbeat_every_ms;
	uint64_t next_heartbeat_ms;
	uint64_t paused_until_ms; /* Throttle */
	uint64_t deadline_ms;     /* of connecting, greeting, or the answer to nonsense */

	uint32_t flood_left;
	bool speaks_nonsense;
	bool awaits_refusal; /* nonsense is out in this session */
	uint32_t nonsense_turn;
	bool dribbles;
	uint8_t *dribble; /* the frame at hand; NULL: none */
	size_t dribble_length;
	size_t dribble_at;
	uint64_t dribble_sequence; /* of the last event in it */
	uint64_t next_dribble_ms;

	char drill[2 * RW_DRILL_BYTES + 1]; /* the last that was asked for */

	bool updated;                  /* reports --update's versions too */
	uint64_t created, sent, acked; /* events; for the summary */
};

/* A first boot, a fresh spool. */
int rw_fleet_host_init(struct rw_fleet_host *host, struct rw_fleet_shared *shared, uint32_t number,
		       uint64_t now_ms, uint64_t wall_ms);
void rw_fleet_host_release(struct rw_fleet_host *host);

/* Does what is due and sets due_ms anew. */
void rw_fleet_host_tick(struct rw_fleet_host *host, uint64_t now_ms);

/* An event of the running boot; sent as soon as the session allows. */
int rw_fleet_host_report(struct rw_fleet_host *host, Ringwatch__V1__Kind kind, uint64_t now_ms);

/* The end of the drill: a goodbye unless it is to vanish, then closed. */
void rw_fleet_host_stop(struct rw_fleet_host *host, bool vanish, uint64_t now_ms);

extern const struct rw_fleet_link_calls rw_fleet_host_calls;

#endif
