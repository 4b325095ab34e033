/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario: what happens to a fleet, when, and what the judgement is expected
 * to say of it. A file of one statement a line (docs/replay.md), or a collector's
 * store read back into the same statements (store.h).
 */
#ifndef RINGWATCH_CTL_REPLAY_SCENARIO_H
#define RINGWATCH_CTL_REPLAY_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/core/core.h"

enum {
	RW_SCENARIO_ERROR_BYTES = 512,
	RW_SCENARIO_HOSTS_MAX = 100000,
	RW_SCENARIO_STATEMENTS_MAX = 2000000,
};
#define RW_SCENARIO_NEVER UINT64_MAX

/* What a statement says. Which fields of struct rw_statement it fills stands behind. */
enum rw_verb {
	RW_VERB_HOSTS,            /* ring, who (the prefix), count */
	RW_VERB_DIE,              /* who */
	RW_VERB_CRASH,            /* who, kind, text (signature), ms (until it boots), late, gasp */
	RW_VERB_EVENT,            /* who, kind, text (signature) */
	RW_VERB_BOOT_LOOP,        /* who, text (signature), ms (up), more_ms (down) */
	RW_VERB_GOODBYE,          /* who, goodbye, ms (back in), more_ms (down) */
	RW_VERB_SLEEP,            /* who; late: it is heard once more, just then */
	RW_VERB_BACK,             /* who, end (RW_END_NONE: as it was) and end_given */
	RW_VERB_MOVE,             /* who, ring */
	RW_VERB_REPORT,           /* who, subject, text (value) */
	RW_VERB_MODULE_FAILED,    /* who, subject (the module), error */
	RW_VERB_BLIND,            /* who, count (bits of the kinds) */
	RW_VERB_DUPLICATE,        /* who */
	RW_VERB_CUT,              /* who */
	RW_VERB_MEND,             /* who */
	RW_VERB_STOP,             /* the collector */
	RW_VERB_START,            /* the collector, from its journal */
	RW_VERB_STALL,            /* the collector, ms */
	RW_VERB_SICK,             /* the collector, text (reason; NULL: well again) */
	RW_VERB_STORE,            /* failing */
	RW_VERB_WITNESS,          /* reachable */
	RW_VERB_DEPLOY_CREATE,    /* deployment, row */
	RW_VERB_DEPLOY_START,     /* deployment, ring, count (step) */
	RW_VERB_DEPLOY_FINISH,    /* deployment */
	RW_VERB_DEPLOY_WITHDRAW,  /* deployment, text (reason) */
	RW_VERB_DEPLOY_RESET,     /* deployment, ring */
	RW_VERB_HOST_RETIRE,      /* who */
	RW_VERB_HOST_ENROL,       /* who */
	RW_VERB_HOST_EXCLUDE,     /* who */
	RW_VERB_HOST_MAINTENANCE, /* who, ms */
	RW_VERB_EXPECT,           /* expected; ms (within) */
	RW_VERB_EXPECT_NEVER,     /* expected; ms (until, counted from the beginning) */
	RW_VERB_EXPECT_HOST,      /* who, presence; ms (within) */
	RW_VERB_END,              /* nothing: the play lasts at least so long */
};

/* Which hosts. */
enum rw_who {
	RW_WHO_RANGE, /* first … last, by name; last NULL: that one */
	RW_WHO_RING,  /* all that are in ring `first` now */
	RW_WHO_ALL,
	RW_WHO_THEM, /* those of the statement carried out before */
};
struct rw_hosts_said {
	enum rw_who how;
	const char *first, *last;
	/* Only so many of them, which are up and were not picked before; 0, 0: all. */
	uint32_t any;
	uint32_t any_ppm;
};

struct rw_expected {
	enum rw_question question;
	enum rw_decision decision;
	uint32_t reasons; /* bits; exactly these when `reasons_given` */
	uint32_t reasons_among;
	uint32_t warnings; /* bits: at least these */
	bool reasons_given, grade_given, rule_given, proof_given, failed_given, at_risk_given;
	enum rw_grade grade;
	enum rw_rule rule;
	enum rw_proof proof;
	uint64_t failed, at_risk;
};

struct rw_statement {
	uint64_t at_ms; /* from the beginning */
	uint32_t line;  /* of the file; of a store: its place among those of one time */
	enum rw_verb verb;
	struct rw_hosts_said who;
	const char *ring, *deployment, *subject, *text;
	const char *event; /* its id, of a store; NULL: one is made up */
	const struct rw_deployment_row *row;
	uint64_t ms, more_ms;
	uint64_t count;
	/* Of a store: which boot says Hello or tells of the event, and its boot clock then.
	 * 0: the one that the host is in, or its next. */
	uint64_t boot_order, boot_ms;
	uint32_t kind;
	int error;
	enum rw_goodbye goodbye;
	enum rw_boot_end end;
	enum rw_presence presence;
	bool end_given, late, gasp, failing, reachable;
	bool refused; /* an act that the collector is expected to refuse */
	const struct rw_expected *expected;
};

struct rw_scenario {
	const char *path;
	struct rw_policy policy; /* its own, or the default */
	bool has_policy;         /* its own */
	bool has_witness;
	bool is_store;    /* read back from a collector's store */
	uint64_t beat_ms; /* how often a host is heard; 0: as the policy says */
	uint64_t wall_ms; /* of the beginning */
	struct rw_statement *statements;
	size_t count, room;
	void **kept; /* memory that statements point into */
	size_t kept_count, kept_room;
};

/* As deploy/policy.yaml says, with the default timing. */
struct rw_policy rw_scenario_default_policy(void);

/*
 * Reads a scenario's text. 0, or -EINVAL with `FILE:LINE: what is wrong, what is
 * expected` in `error`; or -ENOMEM. Statements come sorted by time. Release in
 * either case.
 */
int rw_scenario_read(const char *path, char *text, struct rw_scenario *out,
		     char error[RW_SCENARIO_ERROR_BYTES]);
void rw_scenario_release(struct rw_scenario *scenario);

/*
 * Plays the same by another policy and its timing. -EINVAL: a statement names a
 * ring that it has not.
 */
int rw_scenario_set_policy(struct rw_scenario *scenario, const struct rw_policy *policy,
			   char error[RW_SCENARIO_ERROR_BYTES]);

/* For whoever makes statements. The scenario frees what it keeps; NULL: no memory. */
struct rw_statement *rw_scenario_add(struct rw_scenario *scenario);
void *rw_scenario_keep(struct rw_scenario *scenario, void *memory);
const char *rw_scenario_keep_text(struct rw_scenario *scenario, const char *text);
/* By time; what has the same time stays in its order. */
void rw_scenario_sort(struct rw_scenario *scenario);

#endif
