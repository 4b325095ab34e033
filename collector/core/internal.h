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
	RW_HOURS_SAVE_MS = 60000, /* and watched time, while nothing bakes */
	RW_HOST_CHUNK = 1024,
	RW_EXPOSURE_CHUNK = 64,
	RW_RESYNC_PER_TICK = 4096, /* rows told again in one tick after the sink refused one */
	RW_WHEEL_SLOTS = 256,      /* fits rw_host.slot */
	RW_NAME_CHUNK = 64 << 10,
	RW_TROUBLE_CHUNK = 256,
	RW_NEWCOMER_SLOTS = 12, /* of RW_NEWCOMER_SLOT_MS each: an hour */
	RW_NEWCOMER_SLOT_MS = 5 * 60 * 1000,
	RW_LOOP_MS = 30 * 60 * 1000, /* two crashes in it are a loop, three reboots a proof */
	RW_HOUR_MS = 3600 * 1000,
};

#define RW_WEEK_MS (UINT64_C(7) * 24 * RW_HOUR_MS)
/* After so much watching, what is known of natural failures weighs half. */
#define RW_HISTORY_MS (UINT64_C(30) * 24 * RW_HOUR_MS)
/* What one test may err, and what a bound leaves out. */
#define RW_ERROR 0.05

/* A deployed host: what it was at its exposure, and what became of it. */
struct rw_exposure {
	struct rw_exposure *next; /* of the same host */
	struct rw_run *run;
	uint64_t boot_order;     /* only what happened after this point of */
	uint64_t boot_ms;        /* the host's life can be held against the run */
	uint64_t placed_boot_ms; /* our clock at the exposure; UINT64_MAX after a restart */
	uint64_t at_wall_ms;
	uint64_t watched_ms; /* the run's, at the exposure */
	rw_host_handle host;
	uint8_t step;   /* its cohort */
	bool alive : 1; /* boot `boot_order` was heard at or after the exposure */
	bool heard : 1;
	bool crashed : 1;
	bool module_failed : 1;
	bool recovered : 1;
	bool acknowledged : 1;
	bool left_offline : 1; /* retired while offline */
	bool left_out : 1;     /* excluded at the end */
	bool full : 1;         /* observed for a whole bake */
};

/* 96 bytes; what a heartbeat reads and writes are the first 32, in one line of cache. */
struct rw_host {
	/* ONLINE, SUSPECT: last heard; PLANNED: overdue from then on; UNKNOWN, and OFFLINE
	 * and lost: since */
	uint64_t mark_obs_ms;
	uint64_t heard_wall_ms;
	uint64_t clock_offset;  /* its boot clock minus ours, modulo 2^64; when clock_known */
	uint16_t unheard_count; /* exposures that wait for its first byte */
	uint16_t exposure_count;
	uint8_t ring;
	uint8_t presence : 4;
	uint8_t goodbye : 4;
	uint8_t slot; /* ONLINE, SUSPECT, PLANNED: in the wheel of that */
	bool clock_known : 1;
	bool gasping : 1; /* SUSPECT, and in the list of these */
	/* OFFLINE, and so lately that it counts as silent; in that list. UNKNOWN, and was
	 * heard before the restart: counts so, too. */
	bool lost : 1;
	bool excluded : 1;
	bool by_age : 1;
	bool unregistered : 1;
	bool duplicate : 1;
	bool looping : 1;

	const char *id;
	uint8_t boot_id[16];
	uint64_t boot_order;
	uint64_t since_wall_ms;
	struct rw_exposure *exposures; /* of active deployments, one each */
	uint32_t next;                 /* in its list, RW_NO_HOST at the end */
	uint32_t prev;
	uint32_t blind_kinds; /* bits of what it cannot see, see core.h */
	uint32_t trouble;     /* its number, from 1; 0: it has been through nothing */
};
_Static_assert(sizeof(struct rw_host) == 96, "a million of them are counted in bytes");

/* What a host has been through: see history.c. */
struct rw_trouble {
	rw_host_handle host;
	uint32_t crash_epoch, silence_epoch; /* see struct rw_trouble_row */
	struct rw_crash_mark crashes[RW_CORE_CRASHES_KEPT];
	struct rw_module_mark modules[RW_CORE_MODULE_FAILURES_KEPT];
	uint64_t maintenance_until_wall_ms;
	uint64_t excused_boot_order;
	uint64_t gasp_due_obs_ms; /* of its last gasp, RW_CORE_GASP_MS later; 0: there was none */
	uint32_t gasp_probes;     /* sent since then */
	uint64_t loop_end_obs_ms; /* of a looping host */
	uint32_t loop_next;       /* trouble's number in that list; 0 at its end */
	uint32_t loop_prev;
};

/* Hosts by what can be heard of them now. */
struct rw_group {
	uint64_t online;
	uint64_t watched; /* online or suspect: their hours count */
	uint64_t silent;  /* suspect, or lost */
};

/* Failures of n hosts, by the rules that look at them. */
struct rw_tally {
	uint64_t at_risk;           /* n */
	uint64_t by[RW_RULE_COUNT]; /* k; 0 of a rule without one */
};

/* What a verdict needs of a run's exposures, kept as they change. */
struct rw_counts {
	uint64_t exposed;
	struct rw_tally all;
	struct rw_tally cohorts[RW_CORE_STEPS_MAX + 1]; /* by the step of exposure */
	struct rw_group group;
	uint64_t recovered;
	uint64_t covered; /* at risk, online or suspect, and neither looping nor duplicate */
	uint64_t retired; /* exposed, and never to be heard again */
	uint64_t looping;
	uint64_t full; /* at risk, and observed for a whole bake */
	uint64_t full_failed;
	uint64_t overlapped; /* exposed to another active deployment too */
	uint64_t blind;      /* exposed, and cannot see a kind that counts as a crash */
};

/* A new signature of a deployment. */
struct rw_sighting {
	uint64_t hash;
	rw_host_handle host;
	bool shared;
	char text[RW_CORE_TEXT_BYTES];
};

/* A signature of the fleet. */
struct rw_signature {
	uint64_t hash;
	struct rw_signature_row row;
};

/* Bounds that were found, and of what: finding them costs more than all else in a verdict. */
struct rw_bounds {
	uint64_t failed, at_risk, full_failed, full;
	double lower95, upper95;
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
	uint64_t saved_ms;    /* of observed_ms, in the last row told */
	uint64_t told_obs_ms; /* when that was */
	bool baking;          /* the clock ran at the last tick */
	uint64_t step_targets[RW_CORE_STEPS_MAX];
	uint64_t watched_ms; /* bake clock of all steps, never set back */
	uint64_t watched_from_ms;
	uint64_t full_due_ms;   /* watched_ms at which one more exposure may be full */
	uint64_t first_wall_ms; /* of its first exposure; 0: none */
	uint32_t epoch;
	uint64_t exposed_host_ms;
	uint64_t control_host_ms;
	uint64_t control_failed; /* troubles of control in its epoch or later */
	bool to_judge;           /* when all deadlines of this tick have been looked at */
	bool breaker_open;
	enum rw_rule rule;
	enum rw_grade grade;
	enum rw_proof proof;
	uint64_t opened_wall_ms;
	uint64_t opened_failed;
	uint64_t opened_at_risk;
	uint64_t sequence; /* of the last row that a `proceed` rests on */
	struct rw_counts counts;
	struct rw_bounds bounds;     /* as of the last tick */
	struct rw_exposure **chunks; /* RW_EXPOSURE_CHUNK each */
	uint32_t chunk_count;
	uint32_t exposure_count;
	struct rw_evidence_row *evidence;
	uint32_t evidence_count;
	uint32_t evidence_room;
};

struct rw_deployment {
	struct rw_deployment_row row;
	uint64_t number; /* of this life of the core: grows from one to the next */
	uint64_t sequence;
	uint64_t drill_until_boot_ms; /* see drill.c */
	struct rw_sighting *sightings;
	uint32_t sighting_count;
	struct rw_run runs[]; /* row.ring_count, in rollout order */
};

struct rw_ring {
	uint64_t enrolled; /* all but the retired */
	uint64_t presence[RW_PRESENCE_COUNT];
	uint64_t unregistered;
	uint64_t duplicates;
	uint32_t newcomers[RW_NEWCOMER_SLOTS]; /* of this life of the core */
	uint64_t proved_wall_ms;               /* see drill.c */
};

/* The hosts that are exposed to nothing, and what is known of them: see control.c. */
struct rw_control {
	uint64_t hosts;
	struct rw_group group;
	uint32_t epoch;
	uint64_t natural_host_ms;
	uint64_t natural_failures;
	uint64_t natural_watched_ms;
	uint64_t told_obs_ms; /* of the last row */
	bool to_tell;
};

/* When silence is the observer's fault: see silence.c. */
struct rw_silence {
	bool blackout;
	bool was_extended;        /* in this episode */
	uint64_t extended_obs_ms; /* no silence ends in offline before this */
	uint64_t back_obs_ms;     /* control has been reporting again since; UINT64_MAX: is not */
	bool dark;                /* the witness does not answer for our network */
	bool was_asked;           /* the witness, in this episode */
	uint64_t asked_boot_ms;
	bool reachable; /* it said so, last */
};

struct rw_host_list {
	uint32_t head;
	uint32_t tail;
};

/*
 * Hosts by when they may be due, lazily: hearing one does not move it, and it is put
 * where it belongs when its slot comes. A slot is a tick of the observing clock.
 */
struct rw_wheel {
	uint64_t cursor; /* the tick that was looked at last, and will be once more */
	struct rw_host_list slots[RW_WHEEL_SLOTS];
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
	char **names; /* RW_NAME_CHUNK bytes each */
	uint32_t name_chunk_count;
	uint32_t name_used; /* of the last */
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
	uint64_t last_wall_ms;
	uint64_t obs_ms;        /* the observing clock: stalls and sickness left out */
	uint64_t listen_obs_ms; /* since when it listens */
	uint64_t listened_ms;   /* before that, in lives that were too short */
	uint64_t listened_wall_ms;
	uint64_t listen_told_obs_ms; /* of the last row that said so */
	bool listens;
	uint64_t stall_obs_ms;
	uint64_t tick_obs_ms;
	bool stalled;     /* there was a stall at stall_obs_ms */
	bool gathers;     /* deadlines are being looked at: runs are judged when all were */
	bool was_hidden;  /* silence was unjudged at the last tick */
	const char *sick; /* the observing clock stands for this; NULL: it runs */

	struct rw_table table;
	struct rw_host_list lists[RW_PRESENCE_COUNT]; /* unused of those in wheels */
	struct rw_wheel late;                         /* ONLINE, by suspect_after */
	struct rw_wheel away;                         /* PLANNED */
	struct rw_wheel gone;        /* SUSPECT and not gasping, by offline_after */
	struct rw_host_list gasping; /* the next deadline first */
	struct rw_host_list lost;    /* OFFLINE, the longest first */
	struct rw_ring rings[RW_CORE_RINGS_MAX];
	uint64_t enrolled;
	uint64_t newcomer_slot; /* obs_ms / RW_NEWCOMER_SLOT_MS of the last one counted */
	uint64_t aged_obs_ms;   /* of the last look for those to retire by age */

	struct rw_trouble **troubles; /* RW_TROUBLE_CHUNK each; their numbers begin at 1 */
	uint32_t trouble_chunk_count;
	uint32_t trouble_count;
	uint32_t loop_head, loop_tail; /* of looping hosts: troubles' numbers, the next end first */
	struct rw_signature *signatures;
	uint32_t signature_count;
	uint32_t signature_room;

	struct rw_control control;
	struct rw_silence silence;

	struct rw_deployment *deployments[RW_CORE_DEPLOYMENTS_MAX];
	uint32_t deployment_count;
	uint64_t last_number; /* of a deployment */

	uint64_t last_sequence;
	uint64_t committed;
	bool store_failed;
	struct rw_resync resync;
};

/* ---- core.c --------------------------------------------------------------- */

/* Moves the observing clock; every input begins with it. */
void rw_core_advance(struct rw_core *core, struct rw_now now);
/* How long it has to listen, from listen_obs_ms on. */
uint64_t rw_core_listening_ms(const struct rw_core *core);
/* Nobody was looked at up to this moment. */
void rw_core_mark_stall(struct rw_core *core);
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
/* The hash of a text. FNV-1a: nobody gains by a collision what the same text would not give. */
uint64_t rw_hash_text(const char *text);
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
/* Those that are late turn suspect. */
void rw_presence_tick_late(struct rw_core *core, struct rw_now now);
/* Whatever other deadline has come. */
void rw_presence_tick_due(struct rw_core *core, struct rw_now now);
/* The unknown are offline when listening is over. */
void rw_presence_restored(struct rw_core *core);
/* OFFLINE, and silent for a while yet. Tells nobody and judges nothing. */
void rw_presence_lose(struct rw_core *core, rw_host_handle handle, struct rw_now now);
/* UNKNOWN since the restart, and silent until it is heard. Likewise. */
void rw_presence_miss(struct rw_core *core, rw_host_handle handle, struct rw_now now);
/* A host that nobody knew before is in this ring. */
void rw_presence_newcomer(struct rw_core *core, uint32_t ring);
void rw_group_count(struct rw_group *group, const struct rw_host *host, uint64_t by);
/* Around every change of what decides whether a host is control, or silent. */
void rw_presence_uncount(struct rw_core *core, struct rw_host *host);
void rw_presence_count(struct rw_core *core, struct rw_host *host);
/* Out of the enrolled, for good or by age; and back. */
void rw_presence_retire(struct rw_core *core, rw_host_handle handle, bool by_age,
			struct rw_now now);
void rw_presence_unretire(struct rw_core *core, rw_host_handle handle, struct rw_now now);
/* Tells when it was not so. */
void rw_presence_set_unregistered(struct rw_core *core, rw_host_handle handle, bool unregistered,
				  struct rw_now now);
/* Whether more than 1 % of the ring, and not all of it, is new within an hour. */
bool rw_presence_has_jumped(const struct rw_core *core, uint32_t ring);

/* ---- history.c: troubles, loops, signatures ----------------------------------- */

/* NULL: number 0, that is no trouble. */
struct rw_trouble *rw_trouble_at(const struct rw_core *core, uint32_t number);
/* Of this host, made if need be. NULL: no memory. */
struct rw_trouble *rw_trouble_of(struct rw_core *core, rw_host_handle handle);
void rw_history_free(struct rw_core *core);
void rw_history_tick(struct rw_core *core);
/* Once, after a trouble's row: whether it loops still. */
void rw_history_restored(struct rw_core *core, struct rw_trouble *trouble, struct rw_now now);
/* Boot `boot_order` crashed or ended unexpectedly; false: that was known, or no memory. */
bool rw_history_crash(struct rw_core *core, rw_host_handle handle, uint64_t boot_order,
		      bool unexpected, struct rw_now now);
/* Three unexpected ends of boots within RW_LOOP_MS since the exposure, and none in the
 * week before it. */
bool rw_history_is_boot_loop(const struct rw_core *core, const struct rw_exposure *exposure);
/* The unexpected end of that boot falls into maintenance; remembers it if so. */
bool rw_history_excuses(struct rw_core *core, const struct rw_host *host, uint64_t boot_order,
			struct rw_now now);
bool rw_history_is_excused(const struct rw_core *core, const struct rw_host *host,
			   uint64_t boot_order);
/* When the host first failed to load this module so. NULL: the event is no such failure. */
const struct rw_module_mark *rw_history_module(struct rw_core *core, rw_host_handle handle,
					       const struct rw_core_event *event,
					       struct rw_now now);
/* A host has shown a crash signature. */
void rw_history_signature(struct rw_core *core, const struct rw_host *host, const char *text,
			  struct rw_now now);
/* The known one, or a place for it with all but the text 0. NULL: no memory. */
struct rw_signature *rw_history_signature_place(struct rw_core *core, const char *text,
						struct rw_now now);
void rw_history_signature_remove(struct rw_core *core, const char *text);
/* An exposed host shows it; whether it is the second that shows a new one. Call
 * rw_history_signature() before. */
bool rw_history_shares(struct rw_core *core, struct rw_deployment *deployment, const char *text,
		       rw_host_handle handle, struct rw_now now);
struct rw_sighting *rw_history_sighting(struct rw_deployment *deployment, const char *text);
/* NULL: too many, or no memory. */
struct rw_sighting *rw_history_sighting_add(struct rw_deployment *deployment, const char *text,
					    rw_host_handle handle);

/* ---- control.c: hosts that are exposed to nothing -------------------------------- */

bool rw_control_is(const struct rw_host *host);
/* Each looks itself whether the host is control. */
void rw_control_crashed(struct rw_core *core, rw_host_handle handle, struct rw_now now);
void rw_control_went_offline(struct rw_core *core, rw_host_handle handle, struct rw_now now);
/* Heard again in the boot in which it fell silent, or retired. */
void rw_control_is_back(struct rw_core *core, rw_host_handle handle, struct rw_now now);
/* It failed in nothing, as control. */
void rw_control_forget(struct rw_core *core, rw_host_handle handle, struct rw_now now);
/* A new epoch: the run's figures of control begin here. */
void rw_control_begin(struct rw_core *core, struct rw_run *run, struct rw_now now);
/* After a restart: control_failed, from the troubles. */
void rw_control_recount(const struct rw_core *core, struct rw_run *run);
void rw_control_tick(struct rw_core *core, struct rw_now now);

/* ---- silence.c: blackout and witness ------------------------------------------------ */

void rw_silence_tick(struct rw_core *core, struct rw_now now);
/* Nobody is let go offline at this moment. */
bool rw_silence_waits(const struct rw_core *core);
/* Silence is not judged: blind, or in a blackout. */
bool rw_silence_hides(const struct rw_core *core, struct rw_now now);
/* There are enough others, or a witness, to tell hosts' silence from the network's. */
bool rw_silence_is_evidence(const struct rw_core *core);
bool rw_silence_has_control(const struct rw_core *core);

/* ---- exposure.c: who counts ---------------------------------------------------- */

struct rw_exposure *rw_exposure_at(const struct rw_run *run, uint32_t index);
struct rw_exposure *rw_exposure_find(const struct rw_host *host,
				     const struct rw_deployment *deployment);
/* Room for `count` more, so that rw_exposure_add cannot fail. -ENOMEM. */
int rw_exposure_reserve(struct rw_run *run, uint32_t count);
/* A new record with zeroed facts, counted. */
struct rw_exposure *rw_exposure_add(struct rw_core *core, struct rw_run *run, rw_host_handle handle,
				    uint32_t step);
/* After its facts are set: the run's firsts, of time and of being full. */
void rw_exposure_take_first(const struct rw_core *core, struct rw_run *run,
			    const struct rw_exposure *exposure);
/* Before the release: those of hosts that are excluded now are of no host that counted. */
void rw_exposure_leave_out(struct rw_core *core, struct rw_run *run, struct rw_now now);
/* Takes every exposure of an ended deployment off its host; facts stay in the counts. */
void rw_exposure_release(struct rw_core *core, struct rw_run *run);
/* The counts of an ended run: a fact of the past, not a live record. */
void rw_exposure_count_ended(struct rw_run *run, const struct rw_exposure *exposure);
/* Around every change of an exposure, or of its host's presence. */
void rw_exposure_uncount(struct rw_exposure *exposure, const struct rw_host *host);
void rw_exposure_count(struct rw_exposure *exposure, const struct rw_host *host);
/* The same for all exposures of a host. */
void rw_exposure_uncount_all(struct rw_host *host);
void rw_exposure_count_all(struct rw_host *host);
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
	bool unwatched;     /* or nobody watched how it ended */
	uint64_t old_order; /* the recorded one's */
	bool was_offline;
	const struct rw_boot *boot;
};
void rw_exposure_hello(struct rw_core *core, struct rw_exposure *exposure,
		       const struct rw_boot_change *change, struct rw_now now);
/* `first`: when the host first failed to load that module so; NULL: no such event. */
void rw_exposure_event(struct rw_core *core, struct rw_exposure *exposure,
		       const struct rw_core_event *event, const struct rw_module_mark *first,
		       struct rw_now now);
/* Whether the end of that boot, or something in it, lies after the exposure. */
bool rw_exposure_boot_end_counts(const struct rw_exposure *exposure, uint64_t boot_order);
bool rw_exposure_moment_counts(const struct rw_exposure *exposure, uint64_t boot_order,
			       uint64_t boot_ms);
/* Those that have now been observed for a whole bake are full. */
void rw_exposure_mature(struct rw_core *core, struct rw_run *run);

/* ---- breaker.c: the judgement ---------------------------------------------------- */

/* Strictly above the limit, and enough hosts to say so. */
bool rw_breaker_is_above(const struct rw_limit *limit, uint32_t least_hosts, uint64_t failed,
			 uint64_t of);
void rw_breaker_judge(struct rw_core *core, struct rw_run *run, struct rw_now now);
/* Hosts that fall silent in one tick are weighed together, whichever comes first: between
 * these, rw_breaker_judge waits. */
void rw_breaker_gather(struct rw_core *core);
void rw_breaker_judge_gathered(struct rw_core *core, struct rw_now now);
void rw_breaker_judge_all(struct rw_core *core, struct rw_now now);
/* Of so many failures or more here, given control's; 1 without control. */
double rw_breaker_chance(const struct rw_run *run, uint64_t failed);
/* What was just seen proves more than a limit; opens, whatever the figures. */
void rw_breaker_prove(struct rw_core *core, struct rw_run *run, enum rw_proof proof,
		      struct rw_now now);

/* ---- evidence.c: the lines that name hosts ------------------------------------------- */

/* A line of evidence; one a host and kind. Tells when it is new or knows more. */
void rw_evidence_add(struct rw_core *core, struct rw_run *run, const struct rw_evidence_row *row,
		     struct rw_now now);
/* Lines of those that are offline now, as many as there is room for. */
void rw_evidence_add_silent(struct rw_core *core, struct rw_run *run, struct rw_now now);
enum rw_evidence_merge { RW_EVIDENCE_KNOWN, RW_EVIDENCE_NEW, RW_EVIDENCE_DROPPED };
/* The same without telling. DROPPED: new, but there was no memory for it. */
enum rw_evidence_merge rw_evidence_merge(struct rw_run *run, const struct rw_evidence_row *row);
struct rw_evidence_row rw_evidence_of(const struct rw_core *core, const struct rw_run *run,
				      const char *host, const char *kind, uint64_t at_wall_ms);

/* ---- bake.c -------------------------------------------------------------------------- */

/* Hosts that may be exposed in this ring now: those of its step; none before its start,
 * but for what a reset has acknowledged. */
uint64_t rw_bake_room(const struct rw_core *core, const struct rw_run *run);
/* max(1, floor(share × enrolled)). */
uint64_t rw_bake_allowed_hosts(const struct rw_ring_policy *policy, uint32_t step,
			       uint64_t enrolled);
bool rw_bake_is_complete(const struct rw_core *core, const struct rw_run *run);
/* Complete in its last step, and its breaker closed. */
bool rw_bake_has_passed(const struct rw_core *core, const struct rw_run *run);
/* covered / (exposed - retired) is below min_coverage. */
bool rw_bake_coverage_is_low(const struct rw_core *core, const struct rw_run *run);
enum rw_bake_state rw_bake_state(const struct rw_core *core, const struct rw_run *run, bool hidden);
/* Sets the clock going or not, from this moment. */
void rw_bake_begin(const struct rw_core *core, struct rw_run *run, struct rw_now now);
void rw_bake_tick(struct rw_core *core, bool hidden, struct rw_now now);

/* ---- verdict.c ------------------------------------------------------------------------ */

/* The bounds of what the counts are now. */
void rw_verdict_prepare(struct rw_run *run);

/* ---- drill.c -------------------------------------------------------------- */

/* A staged failure makes the verdict abort. */
bool rw_drill_holds(const struct rw_deployment *deployment, struct rw_now now);
/* No drill of the ring was proved for a day, or ever. */
bool rw_drill_is_stale(const struct rw_ring *ring, struct rw_now now);

/* ---- deploy.c ------------------------------------------------------------------------- */

struct rw_run *rw_run_find(struct rw_deployment *deployment, const struct rw_core *core,
			   const char *ring);
/* In rollout order; NULL: the first. */
const struct rw_run *rw_run_previous(const struct rw_run *run);
const struct rw_ring_policy *rw_run_policy(const struct rw_core *core, const struct rw_run *run);
bool rw_run_is_judged(const struct rw_run *run);
/* One more of `reported` exposure counts, where there was room: that the ring shrinks later
 * is nobody's fault. */
void rw_run_let_in(struct rw_core *core, struct rw_run *run, uint64_t room, struct rw_now now);
/* The ring is above its limit before anything was done to it. */
bool rw_run_ring_is_unhealthy(const struct rw_core *core, const struct rw_run *run);
/* Checks rings and adds; *out. -EINVAL, -ENOENT, -ENOSPC, -ENOMEM. Tells nobody. */
int rw_deployment_add(struct rw_core *core, const struct rw_deployment_row *row,
		      struct rw_deployment **out);
void rw_deployment_end(struct rw_core *core, struct rw_deployment *deployment, struct rw_now now);
/* One that has ended. Those behind it move up. */
void rw_deployment_forget(struct rw_core *core, uint32_t index);
void rw_deployment_free(struct rw_deployment *deployment);

/* ---- change.c: rows out, rows in ------------------------------------------------------ */

void rw_tell_host(struct rw_core *core, rw_host_handle handle, enum rw_presence previous,
		  struct rw_now now);
void rw_tell_deployment(struct rw_core *core, struct rw_deployment *deployment, struct rw_now now);
/* Forgotten, with all that was told of it. False: refused. */
bool rw_tell_deployment_gone(struct rw_core *core, const struct rw_deployment *deployment,
			     struct rw_now now);
void rw_tell_run(struct rw_core *core, struct rw_run *run, struct rw_now now);
/* The bake's progress, on which no `proceed` rests. */
void rw_tell_progress(struct rw_core *core, struct rw_run *run, struct rw_now now);
void rw_tell_exposure(struct rw_core *core, const struct rw_exposure *exposure, struct rw_now now);
void rw_tell_evidence(struct rw_core *core, struct rw_run *run, const struct rw_evidence_row *row,
		      struct rw_now now);
void rw_tell_evidence_cleared(struct rw_core *core, struct rw_run *run, struct rw_now now);
void rw_tell_trouble(struct rw_core *core, const struct rw_trouble *trouble, struct rw_now now);
void rw_tell_signature(struct rw_core *core, const struct rw_signature *signature, bool gone,
		       struct rw_now now);
void rw_tell_sighting(struct rw_core *core, const struct rw_deployment *deployment,
		      const struct rw_sighting *sighting, struct rw_now now);
void rw_tell_life(struct rw_core *core, struct rw_now now);
void rw_resync_tick(struct rw_core *core, struct rw_now now);
void rw_fill_host_row(const struct rw_core *core, const struct rw_host *host,
		      struct rw_host_row *out);

/* ---- check.c ------------------------------------------------------------------------------ */

/* Counts everything anew, the slow way. NULL, or what does not add up. For tests. */
const char *rw_core_check(const struct rw_core *core);

#endif
