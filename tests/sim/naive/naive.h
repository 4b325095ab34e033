/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second judgement, naive on purpose: written from docs/signal.md and the core's
 * opening comments, not from its code, so that the two can be held against each other.
 *
 * It keeps one plain record a host and all that ever happened to it, and counts
 * everything anew at each question, by loops over all hosts. There is no list, no heap,
 * no count kept from one question to the next; only integrals over time (host-hours,
 * bakes) are added up tick by tick. It is quadratic and does not care.
 *
 * Hosts are numbers below NV_HOSTS; the caller names them. Deployments are numbers in
 * order of their creation.
 */
#ifndef RINGWATCH_TESTS_SIM_NAIVE_H
#define RINGWATCH_TESTS_SIM_NAIVE_H

#include "collector/core/core.h"

enum {
	NV_HOSTS = 48,
	NV_DEPLOYMENTS = 4,
	NV_CRASHES_MAX = 512, /* of a host */
	NV_MODULES_MAX = 64,
	NV_SIGHTINGS_MAX = 4096, /* of the fleet */
	NV_BAKE_SAVE_MS = 5000,  /* bake that a restart may lose */
};

/* A boot of a host crashed, or ended unexpectedly; one each. */
struct nv_crash {
	uint64_t order, wall_ms;
	bool unexpected;
};

struct nv_module {
	char name[32];
	int error;
	uint64_t order, boot_ms; /* of the first time */
};

struct nv_exposure {
	bool is;
	uint32_t ring, step;
	uint64_t order, boot_ms; /* the base */
	uint64_t placed_ms;      /* our clock then; UINT64_MAX: not known any more */
	uint64_t wall_ms;
	uint64_t watched_ms; /* the run's bake clock then */
	bool alive, heard, crashed, module_failed, left_offline, recovered, acknowledged;
	bool excluded_at_end;
};

struct nv_host {
	bool known;
	uint32_t ring;
	uint8_t boot_id[16];
	uint64_t order;
	bool clock_known;
	uint64_t clock_ms; /* its boot clock minus ours */
	enum rw_presence presence;
	uint64_t heard_obs_ms; /* or since when UNKNOWN */
	uint64_t heard_turn;   /* grows with each hearing of any host */
	uint64_t heard_wall_ms, since_wall_ms;
	uint64_t aged_obs_ms; /* since when nv_is_aged(), as far as seen; 0: is not */
	uint64_t lost_obs_ms;
	bool lost; /* OFFLINE, and lately; or UNKNOWN since a restart */
	bool gasping;
	uint64_t gasp_due_obs_ms;
	uint64_t due_obs_ms; /* PLANNED */
	enum rw_goodbye goodbye;
	bool excluded, by_age, unregistered, duplicate, looping;
	uint32_t blind_kinds;
	uint64_t loop_end_obs_ms;
	uint64_t maintenance_until_wall_ms;
	uint64_t excused_order;
	uint64_t control_crash_turn, control_silence_turn;
	bool newcomer; /* of this life of the collector */
	uint32_t newcomer_ring;
	uint64_t newcomer_obs_ms;
	struct nv_crash *crashes; /* room for NV_CRASHES_MAX */
	uint32_t crash_count;
	struct nv_module *modules; /* likewise */
	uint32_t module_count;
	struct nv_exposure exposures[NV_DEPLOYMENTS];
};

/* What a line of evidence says of a host. */
enum nv_line {
	NV_LINE_OFFLINE,
	NV_LINE_OOPS,
	NV_LINE_PANIC,
	NV_LINE_WARNING,
	NV_LINE_UNEXPECTED_REBOOT,
	NV_LINE_MODULE_LOAD_FAILED,
	NV_LINE_COUNT
};

/* A host has shown a crash signature. */
struct nv_sighting {
	char text[64];
	uint32_t host;
	uint64_t wall_ms;
	bool control;
	bool fresh[NV_DEPLOYMENTS]; /* it counted there, and was new */
};

/* Of a run, or of a cohort, counted anew. */
struct nv_figures {
	uint64_t exposed, n, k[RW_RULE_COUNT];
	uint64_t recovered, looping, covered, retired, overlapped, blind;
	uint64_t full, full_failed; /* observed for a whole bake */
	uint64_t surely_full;       /* of these, by more than one saving of the bake clock */
	uint64_t online, watched, silent;
};

/* What would open a breaker, were it judged now. */
struct nv_opening {
	bool crosses;
	enum rw_rule rule;
	enum rw_grade grade;
	enum rw_proof proof;
};

struct nv_run {
	bool is; /* the deployment names this ring */
	uint32_t step;
	uint64_t started_wall_ms, target, step_targets[RW_CORE_STEPS_MAX];
	uint64_t observed_ms, watched_ms, watched_from_ms;
	bool ran; /* the bake clock, at the last tick */
	uint64_t epoch_turn;
	uint64_t exposed_host_ms, control_host_ms;
	bool open;
	enum rw_rule rule;
	enum rw_grade grade;
	enum rw_proof proof;
	uint64_t opened_wall_ms, opened_failed, opened_at_risk;
	bool lines[NV_HOSTS][NV_LINE_COUNT];
	struct nv_figures judged;
	uint32_t judged_step;
	struct nv_opening may, proof_may; /* since nv_begin() */
};

struct nv_deployment {
	struct rw_deployment_row row;
	struct nv_run runs[RW_CORE_RINGS_MAX]; /* by the policy's numbers */
	char shared[32][64];                   /* signatures that have proved something */
	uint32_t shared_count;
};

struct naive {
	struct rw_policy policy;
	uint64_t last_boot_ms;
	uint64_t obs_ms, stall_obs_ms, tick_obs_ms;
	uint64_t listened_ms; /* in lives of the collector that were too short */
	bool stalled, was_hidden;
	const char *sick;
	bool store_failed;
	uint64_t turn;
	struct nv_host hosts[NV_HOSTS];
	uint32_t host_count; /* of these, that may be known */
	uint32_t deployment_count;
	struct nv_deployment deployments[NV_DEPLOYMENTS];
	struct nv_sighting sightings[NV_SIGHTINGS_MAX];
	uint32_t sighting_count;
	bool blackout, was_extended, dark, was_asked, reachable;
	uint64_t extended_obs_ms, back_obs_ms, asked_boot_ms;
	uint64_t natural_host_ms, natural_failures;
};

struct naive *nv_new(const struct rw_policy *policy, uint32_t hosts, struct rw_now now);
void nv_free(struct naive *m);

const char *nv_line_name(enum nv_line line);

/* ---- inputs: as their namesakes of core.h ---- */
int nv_hello(struct naive *m, uint32_t host, uint32_t ring, const struct rw_boot *boot,
	     enum rw_boot_end end, struct rw_now now);
void nv_heard(struct naive *m, uint32_t host, struct rw_now now);
void nv_heartbeat(struct naive *m, uint32_t host, uint64_t boot_ms, struct rw_now now);
void nv_goodbye(struct naive *m, uint32_t host, enum rw_goodbye kind, uint64_t back_in_ms,
		struct rw_now now);
bool nv_gasp(struct naive *m, uint32_t host, struct rw_now now);
void nv_event(struct naive *m, uint32_t host, const struct rw_core_event *event, struct rw_now now);
void nv_version(struct naive *m, uint32_t host, const char *subject, const char *value,
		bool changed, struct rw_now now);
void nv_duplicate(struct naive *m, uint32_t host, struct rw_now now);
void nv_set_sick(struct naive *m, const char *reason, struct rw_now now);
void nv_witness(struct naive *m, bool reachable, struct rw_now now);
void nv_tick(struct naive *m, struct rw_now now);
/* How long this life of the collector has to listen. */
uint64_t nv_listening_ms(const struct naive *m);
const char *nv_blind_reason(const struct naive *m, struct rw_now now);

/* ---- acts; of the result: status, changed, reasons ---- */
struct rw_act_result nv_create(struct naive *m, const struct rw_deployment_row *spec,
			       struct rw_now now);
struct rw_act_result nv_start(struct naive *m, uint32_t deployment, uint32_t ring, uint32_t step,
			      struct rw_now now);
struct rw_act_result nv_end(struct naive *m, uint32_t deployment, enum rw_deployment_state state,
			    struct rw_now now);
struct rw_act_result nv_reset(struct naive *m, uint32_t deployment, uint32_t ring,
			      struct rw_now now);
struct rw_act_result nv_retire(struct naive *m, uint32_t host, struct rw_now now);
struct rw_act_result nv_enrol(struct naive *m, uint32_t host, struct rw_now now);
struct rw_act_result nv_exclude(struct naive *m, uint32_t host, struct rw_now now);
struct rw_act_result nv_maintenance(struct naive *m, uint32_t host, uint64_t ms, struct rw_now now);

/* Away for longer than retire_after, and exposed to nothing active: it may be retired at any
 * hour from now on. */
bool nv_is_aged(const struct naive *m, uint32_t host, struct rw_now now);
void nv_retire_by_age(struct naive *m, uint32_t host, uint64_t wall_ms);

/* The collector was killed and is back, with all that it told. What it had not told yet of
 * the bakes and hours is the caller's to set. */
void nv_restart(struct naive *m, struct rw_now now);

/* ---- answers ---- */
/* As rw_core_verdict(), but for evidence, and for what rests on commits. */
void nv_verdict(const struct naive *m, uint32_t deployment, uint32_t ring,
		enum rw_question question, struct rw_now now, struct rw_verdict *out);
struct nv_figures nv_figures(const struct naive *m, uint32_t deployment, uint32_t ring, int step);
/* A new comparison begins: forgets what might have opened before. */
void nv_begin(struct naive *m);
/* It was judged at a moment when it need not have been. */
void nv_open(struct naive *m, uint32_t deployment, uint32_t ring, struct nv_opening opening,
	     struct rw_now now);

/* ---- between the model's own files ---- */
/* Its line is in the evidence. */
void nv_note(struct naive *m, uint32_t deployment, uint32_t host, enum nv_line line);
bool nv_is_active(const struct naive *m, uint32_t deployment);
bool nv_is_control(const struct naive *m, const struct nv_host *host);
bool nv_is_offline(const struct nv_exposure *e, const struct nv_host *host);
void nv_advance(struct naive *m, struct rw_now now);
bool nv_hides(const struct naive *m, struct rw_now now);
bool nv_silence_is_evidence(const struct naive *m);
void nv_set_base(struct nv_exposure *e, const struct nv_host *host, struct rw_now now);
void nv_expose(struct naive *m, uint32_t host, uint32_t deployment, uint32_t step,
	       struct rw_now now);
uint64_t nv_enrolled(const struct naive *m, int ring);
uint64_t nv_watched_control(const struct naive *m);
uint64_t nv_room(const struct naive *m, uint32_t deployment, uint32_t ring);
/* Judges each run whose figures have changed, or all. */
void nv_settle(struct naive *m, bool all, struct rw_now now);
/* Not `must`: it may be left out. */
void nv_prove(struct naive *m, uint32_t deployment, uint32_t ring, enum rw_proof proof, bool must,
	      struct rw_now now);
void nv_bake(struct naive *m, bool hidden);

#endif
