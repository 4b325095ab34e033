/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the judgement is told: rings in rollout order, and the timing of
 * presence. Plain data, filled by collector/config.c from YAML, or by a test.
 * Shares are exact, in parts per million.
 */
#ifndef RINGWATCH_CORE_POLICY_H
#define RINGWATCH_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RW_CORE_NAME_BYTES = 64, /* a name of 63 bytes and its NUL */
	RW_CORE_RINGS_MAX = 32,
	RW_CORE_STEPS_MAX = 16,
	RW_PPM = 1000000,
	/* The wire's number of that kind: the one that the core itself must know,
	 * because a Hello of a new boot tells of it too. */
	RW_CORE_KIND_UNEXPECTED_REBOOT = 5,
	RW_CORE_KIND_MODULE_LOAD_FAILED = 4, /* likewise: has a rule of its own */
};

/* The rules of a breaker. */
enum rw_rule {
	RW_RULE_NONE = 0,
	RW_RULE_OFFLINE,
	RW_RULE_CRASHED,
	RW_RULE_FAILED,
	RW_RULE_MODULE_FAILED,
	RW_RULE_EXPOSURE, /* has no limit: more hosts than the step allows open it */
	RW_RULE_COUNT
};

struct rw_limit {
	bool judged;  /* false: the policy says `none` */
	uint32_t ppm; /* opens strictly above this share */
};

struct rw_ring_policy {
	char name[RW_CORE_NAME_BYTES];
	uint32_t order;                       /* rings are walked by growing order; unique */
	uint64_t bake_ms;                     /* of each step */
	uint32_t step_count;                  /* 1 … RW_CORE_STEPS_MAX */
	uint32_t step_ppm[RW_CORE_STEPS_MAX]; /* shares of the ring, growing, last 100 % */
	uint32_t fleet_share_ppm; /* what share of the fleet the ring claims to be; 0 = says nothing
				   */
	uint64_t heartbeat_every_ms; /* 0 = timing.heartbeat_every_ms */
	struct rw_limit limits[RW_RULE_COUNT];
	uint32_t least_hosts;      /* failed hosts below which no rule opens; ≥ 1 */
	uint32_t min_coverage_ppm; /* (online + suspect) / exposed */
	uint32_t min_exposed_ppm;  /* exposed / target before the bake runs */
	uint32_t crash_kinds;      /* bit (1 << kind) of the event kinds that count as a crash */
	bool open_on_evidence;     /* a limit alone opens nothing; it takes evidence */
};

struct rw_timing {
	uint64_t heartbeat_every_ms;
	uint64_t suspect_after_ms;
	uint64_t offline_after_ms;
	uint64_t max_planned_ms;
	uint64_t power_off_grace_ms;
	/* An offline or absent host that was exposed to nothing active and failed in nothing
	 * active is retired after so long; 0 = never. */
	uint64_t retire_after_ms;
};

struct rw_policy {
	struct rw_timing timing;
	bool has_witness; /* the collector can ask somebody else whether its network works */
	uint32_t ring_count;
	struct rw_ring_policy rings[RW_CORE_RINGS_MAX]; /* sorted by order */
};

/* docs/signal.md's defaults: 5 s, 12 s, 30 s, 10 min, 24 h, 30 days. */
struct rw_timing rw_timing_defaults(void);

/*
 * NULL when the policy is sound, else a constant sentence; *ring is the index
 * of the ring to blame, or -1 for timing. Sound: offline_after ≥ suspect_after
 * + 2 × the slowest heartbeat, so that a whole group turns suspect before its
 * first member turns offline; names and orders unique; steps growing to 100 %.
 */
const char *rw_policy_fault(const struct rw_policy *policy, int *ring);

#endif
