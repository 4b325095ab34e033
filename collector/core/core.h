/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement: which hosts are alive, what a deployment has done to a ring,
 * and therefore whether a rollout may proceed, must hold, or must abort.
 *
 * Pure: no I/O, no clock, no threads, no library beyond libc. Time and every
 * input come in as arguments; every lasting change goes out through
 * rw_core_sink as a struct rw_change, and feeding the same changes to
 * rw_core_restore() rebuilds the same state. So a test can run years in a
 * second, and a restart is a fold.
 *
 * Owner: one thread. Nothing is returned that outlives the next call unless it
 * was copied into a caller's struct.
 *
 * Cost: hello, heartbeat and event are O(1) + the deployments that the host is
 * exposed to; a verdict is O(1) in hosts; a tick is O(hosts whose deadline has
 * come). A heartbeat allocates nothing.
 *
 * Time: `now.boot_ms` is CLOCK_BOOTTIME; it may stand still but not go back.
 * A gap of more than two ticks between any two calls is the observer's own
 * stall: the core's observing clock leaves the gap out, so every deadline and
 * every bake clock is stretched by it. `now.wall_ms` is only ever printed.
 */
#ifndef RINGWATCH_CORE_CORE_H
#define RINGWATCH_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/core/policy.h"

enum {
	RW_CORE_TICK_MS = 250,
	RW_CORE_DEPLOYMENTS_MAX = 256,
	RW_CORE_EVIDENCE_MAX = 32, /* kept a breaker */
	RW_CORE_TEXT_BYTES = 256,  /* signatures, reasons, versions */
	RW_CORE_EVENT_ID_BYTES = 128,
	RW_CORE_REASONS_MAX = 16,
	RW_CORE_WARNINGS_MAX = 8,
	RW_CORE_HOSTS_MAX_DEFAULT = 1000000,
	RW_CORE_GASP_MS = 5000,  /* what a gasping host has to answer in */
	RW_CORE_GASP_PROBES = 3, /* evenly in that time, the first at once */
	RW_CORE_WITNESS_EVERY_MS = 5000,
	RW_CORE_CRASHES_KEPT = 4,          /* of a host: its last ones */
	RW_CORE_MODULE_FAILURES_KEPT = 16, /* of a host: different ones, the first that it showed */
	RW_CORE_SIGNATURES_MAX = 4096,     /* of the fleet; the one unseen for longest goes first */
	RW_CORE_SIGHTINGS_MAX = 64,        /* new signatures in one deployment */
};

struct rw_now {
	uint64_t boot_ms;
	uint64_t wall_ms;
};

enum rw_presence {
	RW_UNKNOWN, /* known from the store, not heard since this collector started */
	RW_ONLINE,
	RW_SUSPECT, /* late, and being probed */
	RW_OFFLINE,
	RW_PLANNED, /* said goodbye and is expected back */
	RW_ABSENT,  /* powered off on purpose and stayed away */
	RW_RETIRED, /* taken out by an operator, or by age; not enrolled */
	RW_PRESENCE_COUNT
};

/* One life of a host's kernel. */
struct rw_boot {
	uint8_t id[16];
	uint64_t order;   /* grows strictly from boot to boot */
	uint64_t boot_ms; /* the host's boot clock at the time of the input */
};

enum rw_boot_end { RW_END_NONE, RW_END_ORDERLY, RW_END_UNEXPECTED, RW_END_UNKNOWN };
enum rw_goodbye { RW_BYE_REBOOT, RW_BYE_POWER_OFF, RW_BYE_KEXEC, RW_BYE_SENSOR_STOP };

/* A handle is an index that stays valid for the core's life. */
typedef uint32_t rw_host_handle;
#define RW_NO_HOST UINT32_MAX

/* ---- lasting changes ---------------------------------------------------- */

enum rw_exposure_mode {
	RW_EXPOSURE_FIXED = 1, /* all that are enrolled at the ring's or step's start */
	RW_EXPOSURE_REPORTED,  /* as hosts report the deployment's version */
};
enum rw_deployment_state {
	RW_DEPLOYMENT_ACTIVE = 1,
	RW_DEPLOYMENT_FINISHED,
	RW_DEPLOYMENT_WITHDRAWN
};
enum rw_grade { RW_GRADE_NONE, RW_GRADE_LIMIT, RW_GRADE_EVIDENCE };
/* What the grade `evidence` rests on: see breaker.c. */
enum rw_proof {
	RW_PROOF_NONE,
	RW_PROOF_SHARE,     /* more than the limit and than control, by exact tests */
	RW_PROOF_SIGNATURE, /* two hosts share a crash that nobody had before */
	RW_PROOF_BOOT_LOOP, /* a host that never did so reboots again and again */
	RW_PROOF_COUNT
};

struct rw_host_row {
	char id[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	enum rw_presence presence;
	enum rw_presence
		previous; /* presence before this change; equal when only other fields changed */
	uint8_t boot_id[16];
	uint64_t boot_order;
	uint64_t since_wall_ms;   /* since when in this presence */
	uint64_t heard_wall_ms;   /* last heard; 0 never */
	enum rw_goodbye goodbye;  /* meaningful while PLANNED or ABSENT */
	uint64_t back_by_wall_ms; /* PLANNED: when it is overdue; else 0 */
	bool excluded;            /* counts in nothing, by an operator's word */
	bool by_age;              /* RETIRED: its next Hello brings it back */
	bool unregistered;        /* runs a version that no deployment names */
};

/* What a host has been through; only of hosts that have been through something. */
struct rw_crash_mark {
	uint64_t boot_order; /* of the boot that crashed or died */
	uint64_t wall_ms;    /* when that was heard, by the collector's clock; 0: no mark */
	bool unexpected;     /* the boot ended so */
};
struct rw_module_mark {
	uint64_t pair;                /* of (module, errno), a hash; 0: no mark */
	uint64_t boot_order, boot_ms; /* of the first time */
};
struct rw_trouble_row {
	char host[RW_CORE_NAME_BYTES];
	struct rw_crash_mark crashes[RW_CORE_CRASHES_KEPT]; /* newest first, one a boot */
	struct rw_module_mark modules[RW_CORE_MODULE_FAILURES_KEPT];
	uint64_t maintenance_until_wall_ms; /* 0: none was ever announced */
	uint64_t excused_boot_order;        /* the last boot whose end maintenance excused */
	/* The epochs (struct rw_life_row) in which it last crashed, and fell silent and is
	 * silent since, while it was control; 0: never, and not. */
	uint32_t crash_epoch, silence_epoch;
};

/* A crash signature as the fleet knows it. Wall times of the collector. */
struct rw_signature_row {
	char text[RW_CORE_TEXT_BYTES];
	uint64_t before_wall_ms; /* last seen before the present streak; 0 never */
	uint64_t since_wall_ms;  /* the streak: no gap in it is longer than 7 days */
	uint64_t last_wall_ms;
	uint64_t control_wall_ms; /* last seen on a host of control; 0 never */
};

/* A signature that was new when hosts of a deployment showed it; kept over resets. */
struct rw_sighting_row {
	char deployment[RW_CORE_NAME_BYTES];
	char signature[RW_CORE_TEXT_BYTES];
	char host[RW_CORE_NAME_BYTES]; /* the first */
	bool shared;                   /* by another host, too */
};

/* What the core knows of itself and of the fleet as a whole: one row. */
struct rw_life_row {
	uint64_t told_wall_ms;
	uint64_t listened_ms; /* added up over lives that were too short; 0: long enough */
	uint32_t epoch;       /* grows with each start and reset of a run */
	bool blackout;
	/* Hosts that were exposed to nothing: how long they were watched, and how many
	 * failures that showed. Both are halved each 30 days of watching. */
	uint64_t natural_host_ms;
	uint64_t natural_failures;
	uint64_t natural_watched_ms; /* since the last halving */
};

struct rw_deployment_row {
	char id[RW_CORE_NAME_BYTES];
	char component[RW_CORE_NAME_BYTES];
	char version[RW_CORE_TEXT_BYTES];
	enum rw_exposure_mode exposure;
	/* Whose value `version` is, of REPORTED: "kernel", "marker:NAME", "module:NAME"; ""
	 * of FIXED. The kernel's value is "RELEASE BUILD_ID"; a version without a blank
	 * is a release alone. */
	char match[RW_CORE_TEXT_BYTES];
	enum rw_deployment_state state;
	uint64_t created_wall_ms;
	uint64_t ended_wall_ms;          /* 0 while active */
	char reason[RW_CORE_TEXT_BYTES]; /* of a withdrawal; "" */
	uint32_t ring_count;
	char rings[RW_CORE_RINGS_MAX][RW_CORE_NAME_BYTES]; /* in rollout order */
};

/* A deployment in one ring: its bake and its breaker. */
struct rw_run_row {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	uint32_t step;            /* 1 … ; 0 before the start */
	uint64_t started_wall_ms; /* of this step; 0 before */
	uint64_t target;          /* hosts that this step may expose */
	uint64_t observed_ms;     /* bake clock of this step */
	bool breaker_open;
	enum rw_rule rule;
	enum rw_grade grade;
	uint64_t opened_wall_ms;
	uint64_t opened_failed; /* k and n when it opened */
	uint64_t opened_at_risk;
	enum rw_proof proof;
	uint64_t step_targets[RW_CORE_STEPS_MAX]; /* `target` of each step that was started */
	uint64_t watched_ms;                      /* bake clock of all steps, never set back */
	uint64_t watched_from_ms;                 /* of that, at the last reset */
	uint32_t epoch;                           /* of the start, or the last reset; 0: neither */
	/* Since then: */
	uint64_t exposed_host_ms; /* how long its exposed hosts were watched */
	uint64_t control_host_ms; /* and hosts that are exposed to nothing */
};

/* One host in one run. Append-only until the deployment ends. */
struct rw_exposure_row {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES]; /* where it was exposed, and where it counts */
	char host[RW_CORE_NAME_BYTES];
	uint64_t boot_order; /* of the boot it was in */
	uint64_t boot_ms;    /* its boot clock then, as far as known */
	uint64_t at_wall_ms; /* of the exposure */
	uint64_t watched_ms; /* the run's, then */
	uint32_t step;       /* its cohort; 0: exposed before the ring was started */
	bool alive;          /* it was online or suspect at that time */
	bool heard;          /* at least once since: at risk */
	bool crashed;
	bool module_failed;
	bool left_offline; /* retired while it was offline: counts as offline for good */
	bool left_out;     /* its host was excluded when the deployment ended */
	bool recovered;    /* was offline, came back in the same boot */
	bool acknowledged; /* by a reset: its failure so far does not count */
};

/* Why a host of a run failed: one line of evidence. */
struct rw_evidence_row {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	char host[RW_CORE_NAME_BYTES];
	char event[RW_CORE_EVENT_ID_BYTES]; /* "HOST/SPOOL/SEQUENCE"; "" for silence */
	char kind[RW_CORE_NAME_BYTES];      /* "oops", …, "offline" */
	char signature[RW_CORE_TEXT_BYTES];
	uint64_t at_wall_ms;
};

enum rw_change_type {
	RW_CHANGE_HOST = 1,
	RW_CHANGE_DEPLOYMENT,
	RW_CHANGE_RUN,
	RW_CHANGE_EXPOSURE,
	RW_CHANGE_EVIDENCE,
	RW_CHANGE_EVIDENCE_CLEARED, /* a reset: `run` names which */
	RW_CHANGE_TROUBLE,
	RW_CHANGE_SIGNATURE,
	RW_CHANGE_SIGNATURE_GONE, /* `signature.text` */
	RW_CHANGE_SIGHTING,
	RW_CHANGE_LIFE,
	RW_CHANGE_DEPLOYMENT_GONE, /* `deployment.id`, and all rows that name it */
};

struct rw_change {
	enum rw_change_type type;
	uint64_t at_wall_ms;
	union {
		struct rw_host_row host;
		struct rw_deployment_row deployment;
		struct rw_run_row run;
		struct rw_exposure_row exposure;
		struct rw_evidence_row evidence;
		struct rw_trouble_row trouble;
		struct rw_signature_row signature;
		struct rw_sighting_row sighting;
		struct rw_life_row life;
	};
};

struct rw_core_sink {
	void *context;
	/* A lasting change. Returns the journal's sequence number for it (growing,
	 * from 1), or 0 when it could not be taken: then verdicts hold as
	 * store_failed, acts answer -EIO, and ticks tell the whole state again until
	 * all of it is taken. Must not call the core; nor must probe(). */
	uint64_t (*change)(void *context, const struct rw_change *change);
	/* The host is late: ask it over its session, if there is one. May be NULL. */
	void (*probe)(void *context, rw_host_handle host);
	/* All hosts are exposed and many fell silent: ask the witness, and answer with
	 * rw_core_witness(). Asked again each RW_CORE_WITNESS_EVERY_MS while it matters.
	 * NULL only with a policy without one. */
	void (*ask_witness)(void *context);
};

/* ---- life ---------------------------------------------------------------- */

struct rw_core;

/*
 * A new core in *out, copying policy and sink. `hosts_max` bounds its memory.
 * -EINVAL (policy is not sound), -ENOMEM. It is *blind* until it has listened
 * for one full offline_after, see core.c.
 */
int rw_core_new(const struct rw_policy *policy, const struct rw_core_sink *sink, uint32_t hosts_max,
		struct rw_now now, struct rw_core **out);
void rw_core_free(struct rw_core *core);

/*
 * Rebuilds: each stored row once, life first, deployments before their runs before
 * exposures and sightings, hosts before exposures and troubles. Online and suspect become
 * unknown; offline, planned, absent, retired, crashed and exposed stay. Nothing is sent to the
 * sink. 0, -EINVAL (names a host, ring or deployment that is not there: the
 * store is damaged, or the policy lost a ring), -ENOSPC (more than hosts_max),
 * -ENOMEM.
 */
int rw_core_restore(struct rw_core *core, const struct rw_change *row, struct rw_now now);
/* After the last row: listening begins here. */
void rw_core_restored(struct rw_core *core, struct rw_now now);

/* ---- inputs from hosts --------------------------------------------------- */

/*
 * A host has authenticated and said Hello. Enrols it when new; moves it when
 * its ring changed. *out is its handle. 0, -ENOENT (no such ring in the
 * policy), -EINVAL (an id of no or more than 63 bytes), -ENOSPC (hosts_max),
 * -EPERM (retired by an operator, and *out is its handle), -ENOMEM.
 */
int rw_core_hello(struct rw_core *core, const char *host_id, const char *ring,
		  const struct rw_boot *boot, enum rw_boot_end previous_end, struct rw_now now,
		  rw_host_handle *out);
/* Any authenticated byte. After a goodbye only a heartbeat or a Hello brings
 * the host back: the tail of its session does not. */
void rw_core_heard(struct rw_core *core, rw_host_handle host, struct rw_now now);
/* A heartbeat, with the host's boot clock. */
void rw_core_heartbeat(struct rw_core *core, rw_host_handle host, uint64_t boot_ms,
		       struct rw_now now);
void rw_core_goodbye(struct rw_core *core, rw_host_handle host, enum rw_goodbye kind,
		     uint64_t back_in_ms, struct rw_now now);

/*
 * A verified last gasp. A host that is online or planned turns suspect, and is
 * offline after RW_CORE_GASP_MS unless a byte of it is heard; one that is suspect
 * already gets that deadline, if its own is not nearer. Any other presence stays.
 * One a host in RW_CORE_GASP_MS; returns whether this one did anything.
 */
bool rw_core_gasp(struct rw_core *core, rw_host_handle host, struct rw_now now);

struct rw_core_event {
	uint32_t kind; /* the wire's number; bit in crash_kinds */
	const char *kind_name;
	const char *id; /* "HOST/SPOOL/SEQUENCE" */
	const char *signature;
	const char *module; /* of a module that failed to load; else "" */
	int error;          /* its errno, negative; 0 unknown */
	uint8_t boot_id[16];
	uint64_t boot_order;
	uint64_t boot_ms;
};
/*
 * An event of this host, once each (the caller removes duplicates). An event
 * of a boot that died counts from its boot order; see deploy.c for who counts.
 */
void rw_core_event(struct rw_core *core, rw_host_handle host, const struct rw_core_event *event,
		   struct rw_now now);

/*
 * Which kinds of event (bit 1 << kind) a host cannot see at all, as its sensor
 * says. Not kept on disk: after a restart a host is taken to see everything
 * until it says otherwise. Changes no count that is judged: it is a warning in
 * the verdicts of what the host is exposed to.
 */
void rw_core_set_blind_kinds(struct rw_core *core, rw_host_handle host, uint32_t kinds);

/*
 * A host reports one version that it runs. Exposes it to each active deployment of
 * REPORTED exposure that matches, in the ring that it is in now. `changed`: it reported
 * another one before; then a version that no deployment names, ended ones included, is
 * unregistered, and the host is marked so until it reports one that is named.
 * PLAIN also when the deployment does not name the host's ring.
 */
enum rw_version_fate { RW_VERSION_PLAIN, RW_VERSION_EXPOSED, RW_VERSION_UNREGISTERED };
enum rw_version_fate rw_core_version(struct rw_core *core, rw_host_handle host, const char *subject,
				     const char *value, bool changed, struct rw_now now);
/* What it reported earlier, after a deployment was created: exposes it as above, but it
 * has not been heard, and nothing has changed. */
void rw_core_version_known(struct rw_core *core, rw_host_handle host, const char *subject,
			   const char *value, struct rw_now now);

/* Time passes: deadlines, bake clocks. Call every RW_CORE_TICK_MS. */
void rw_core_tick(struct rw_core *core, struct rw_now now);

/*
 * Two machines claim this host's name: it is marked, and not covered, until its next Hello
 * is accepted.
 */
void rw_core_duplicate(struct rw_core *core, rw_host_handle host, struct rw_now now);

/* ---- the observer's own health ------------------------------------------ */

/* Every change up to `sequence` is on disk. `proceed` is only said then. */
void rw_core_committed(struct rw_core *core, uint64_t sequence);
void rw_core_set_store_failed(struct rw_core *core, bool failed);
/* The observer cannot do its work (a saturated listener): the observing clock stands until
 * it is told NULL. `reason` is a constant word, shown as it is. */
void rw_core_set_sick(struct rw_core *core, const char *reason, struct rw_now now);
/* What the witness said. Without an answer for an offline_after it is asked anew. */
void rw_core_witness(struct rw_core *core, bool reachable, struct rw_now now);
/* Why verdicts hold as `blind`; NULL when they do not: "listening", "stalled", "witness",
 * or the reason of rw_core_set_sick. */
const char *rw_core_blind_reason(const struct rw_core *core, struct rw_now now);

/* ---- acts of people and rollout systems --------------------------------- */

enum rw_reason { /* docs/signal.md's closed list, in its order */
		 RW_REASON_UNKNOWN_DEPLOYMENT,
		 RW_REASON_UNKNOWN_RING,
		 RW_REASON_WITHDRAWN,
		 RW_REASON_FINISHED,
		 RW_REASON_BLIND,
		 RW_REASON_BLACKOUT,
		 RW_REASON_STORE_FAILED,
		 RW_REASON_NOT_STARTED,
		 RW_REASON_PREVIOUS_RING_NOT_PASSED,
		 RW_REASON_RING_UNHEALTHY,
		 RW_REASON_NO_EXPOSED_HOSTS,
		 RW_REASON_COVERAGE_LOW,
		 RW_REASON_TOO_FEW_HOSTS,
		 RW_REASON_BAKE_INCOMPLETE,
		 RW_REASON_DRILL, /* of abort alone */
		 RW_REASON_COUNT
};
const char *rw_reason_name(enum rw_reason reason); /* "bake_incomplete" */

struct rw_act_result {
	int status;                       /* 0, or negative errno as below */
	char message[RW_CORE_TEXT_BYTES]; /* one sentence when status != 0 */
	uint32_t reason_count;            /* for -EPERM: why not */
	enum rw_reason reasons[RW_CORE_REASONS_MAX];
	bool changed;      /* false: it was so already (idempotent) */
	uint64_t sequence; /* journal number to wait for, also when it was so already; 0: none */
};
/* Each act may also answer -EIO: the sink takes no changes (changed = true: this
 * act is done, but not all of it was taken yet; ask again), -ENOMEM, or -EPERM
 * without a reason, when the message says it (an open breaker). */

/* -EEXIST (same id, other content), -ENOENT (a ring that the policy has not),
 * -EINVAL (no ring, one twice), -ENOSPC. Rings are put in rollout order. The
 * same content again: 0, changed = false. */
struct rw_act_result rw_core_deploy_create(struct rw_core *core,
					   const struct rw_deployment_row *spec, struct rw_now now);
/* Exposes: fixed = all hosts enrolled in the ring now. -ENOENT, -EINVAL (step), -EPERM
 * with reasons (withdrawn, finished, previous_ring_not_passed, ring_unhealthy,
 * no_exposed_hosts = the ring is empty, bake_incomplete = the step before). */
struct rw_act_result rw_core_deploy_start(struct rw_core *core, const char *deployment,
					  const char *ring, uint32_t step, struct rw_now now);
struct rw_act_result rw_core_deploy_finish(struct rw_core *core, const char *deployment,
					   struct rw_now now);
struct rw_act_result rw_core_deploy_withdraw(struct rw_core *core, const char *deployment,
					     const char *reason, struct rw_now now);
/* Acknowledges the failed hosts: they stay in n and leave k until they fail
 * anew; the breaker closes; the bake starts again at 0. */
struct rw_act_result rw_core_deploy_reset(struct rw_core *core, const char *deployment,
					  const char *ring, struct rw_now now);

/*
 * Of hosts. All -ENOENT without such a host.
 *
 * retire   it is enrolled no more and its Hello is refused; what it was exposed to keeps
 *          it as it is: neither n nor k changes.
 * enrol    takes back a retirement and an exclusion.
 * exclude  it counts in nothing that is active or comes, until it is enrolled again.
 * maintenance  for `ms` from now silence is planned absence and an unexpected reboot is
 *          none; an oops or a panic counts. 0 ends it. -EINVAL: longer than 7 days.
 */
struct rw_act_result rw_core_host_retire(struct rw_core *core, const char *host, struct rw_now now);
struct rw_act_result rw_core_host_enrol(struct rw_core *core, const char *host, struct rw_now now);
struct rw_act_result rw_core_host_exclude(struct rw_core *core, const char *host,
					  struct rw_now now);
struct rw_act_result rw_core_host_maintenance(struct rw_core *core, const char *host, uint64_t ms,
					      struct rw_now now);

/*
 * A staged failure (collector/drills.h), which is no failure: it changes no figure, no
 * breaker and no row, and is gone with this life of the core.
 *
 * rw_core_drill   until `until_boot_ms` every verdict on the deployment, while it is active,
 *                 is abort with the reason `drill`; 0 ends it. -ENOENT: no such deployment.
 * rw_core_proved  a drill of the ring went the whole way then. -ENOENT: no such ring.
 */
int rw_core_drill(struct rw_core *core, const char *deployment, uint64_t until_boot_ms);
int rw_core_proved(struct rw_core *core, const char *ring, uint64_t wall_ms);

/* ---- answers ------------------------------------------------------------- */

enum rw_question { RW_FOR_ADVANCE, RW_FOR_ENTER };
enum rw_decision { RW_PROCEED, RW_HOLD, RW_ABORT };
enum rw_bake_state { RW_BAKE_NOT_STARTED, RW_BAKE_BAKING, RW_BAKE_PAUSED, RW_BAKE_COMPLETE };
enum rw_warning {                        /* closed list; the others come with what they speak of */
		  RW_WARNING_RING_SHARE, /* the ring's real share of the fleet is not what its
					    policy claims */
		  RW_WARNING_OVERLAP, /* an exposed host is exposed to another active deployment too
				       */
		  RW_WARNING_COVERAGE_OF_HOOKS, /* an exposed host cannot see a kind that the ring's
						   policy counts as a crash */
		  RW_WARNING_LIMIT_BELOW_NOISE, /* the limit would open by itself with more than 10
						   % */
		  RW_WARNING_UNREGISTERED_CHANGE, /* a host of the ring runs what no deployment
						     names */
		  RW_WARNING_ENROLMENT_JUMP, /* more than 1 % of the ring is new within an hour */
		  RW_WARNING_DUPLICATE_IDENTITY, /* two machines of the ring claimed one name */
		  RW_WARNING_DRILL_STALE,        /* no drill of the ring was proved for a day */
		  RW_WARNING_COUNT
};
const char *rw_warning_name(enum rw_warning warning);
const char *rw_presence_name(enum rw_presence presence);
const char *rw_rule_name(enum rw_rule rule);
const char *rw_grade_name(enum rw_grade grade);
const char *rw_proof_name(enum rw_proof proof);
const char *rw_decision_name(enum rw_decision decision);
const char *rw_bake_state_name(enum rw_bake_state state);
const char *rw_exposure_mode_name(enum rw_exposure_mode mode);
const char *rw_deployment_state_name(enum rw_deployment_state state);
const char *rw_core_goodbye_name(enum rw_goodbye kind);

struct rw_verdict {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	enum rw_question question;
	enum rw_decision decision;
	uint32_t reason_count;
	enum rw_reason reasons[RW_CORE_REASONS_MAX];
	uint32_t warning_count;
	enum rw_warning warnings[RW_CORE_WARNINGS_MAX];

	bool breaker_open;
	enum rw_grade grade;
	enum rw_rule rule;
	enum rw_proof proof;
	uint64_t opened_wall_ms;
	char open_ring[RW_CORE_NAME_BYTES]; /* whose breaker is shown: the asked ring's, or, when
					       that is closed and another of the deployment is open,
					       that one's */
	uint32_t evidence_count;
	struct rw_evidence_row evidence[RW_CORE_EVIDENCE_MAX];

	enum rw_bake_state bake;
	uint32_t step, steps;
	uint64_t required_ms, observed_ms, started_wall_ms;

	uint64_t enrolled;
	uint64_t presence[RW_PRESENCE_COUNT]; /* of enrolled */
	uint64_t exposed, unheard;

	uint64_t at_risk;   /* n */
	uint64_t failed;    /* k */
	uint32_t limit_ppm; /* of the rule `failed` (or the first that is judged) */
	uint64_t offline, crashed, module_failed, recovered;
	uint64_t looping;
	double lower95, upper95; /* of the share; upper95 of those observed for the whole bake */
	uint64_t observed_full;  /* of n: these */
	bool certified;          /* upper95 is not above the limit */

	uint64_t control_hosts;  /* exposed to nothing, now */
	uint64_t control_failed; /* since the start or the last reset */
	uint64_t control_host_ms, exposed_host_ms;
	double p; /* of so many failures here by chance, given control's; 1 without control */
	double expected_natural; /* failures that n hosts have in a bake anyhow */
	double false_trip;       /* probability that these alone open the rule `failed` */
	double detection_power;  /* the share of dying hosts that this ring finds with 95 % */

	uint64_t covered; /* exposed hosts online or suspect */
	uint32_t min_coverage_ppm;
	uint64_t max_exposed_hosts;
	uint64_t proved_wall_ms; /* when a drill of the ring last went the whole way; 0 never */
	uint64_t evaluated_wall_ms;
};

/* Pure: asking changes nothing. Unknown names give hold and their reason. */
void rw_core_verdict(const struct rw_core *core, const char *deployment, const char *ring,
		     enum rw_question question, struct rw_now now, struct rw_verdict *out);

struct rw_ring_view {
	struct rw_ring_policy policy;
	uint64_t enrolled;
	uint64_t presence[RW_PRESENCE_COUNT];
	uint64_t fleet;          /* hosts enrolled in all rings */
	uint64_t proved_wall_ms; /* when a drill last went the whole way; 0 never */
};
uint32_t rw_core_ring_count(const struct rw_core *core);
bool rw_core_ring_at(const struct rw_core *core, uint32_t index, struct rw_ring_view *out);
/* Index, or -ENOENT. */
int rw_core_ring_find(const struct rw_core *core, const char *name);

uint32_t rw_core_host_count(const struct rw_core *core);
/* Hosts by handle, 0 … count-1, in order of enrolment: a page is a range. */
bool rw_core_host_at(const struct rw_core *core, rw_host_handle host, struct rw_host_row *out);
rw_host_handle rw_core_host_find(const struct rw_core *core, const char *host_id);

uint32_t rw_core_deployment_count(const struct rw_core *core);
/* From 1, growing with the index; it stays as it is when others are forgotten, until a restart. */
uint64_t rw_core_deployment_number(const struct rw_core *core, uint32_t index);
bool rw_core_deployment_at(const struct rw_core *core, uint32_t index,
			   struct rw_deployment_row *out);
int rw_core_deployment_find(const struct rw_core *core, const char *id);

const struct rw_timing *rw_core_timing(const struct rw_core *core);
/* Of a host's ring: how often it is to send heartbeats. */
uint64_t rw_core_heartbeat_every_ms(const struct rw_core *core, rw_host_handle host);

#endif
