/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own counters, as a witness against the hooks and the log: what
 * grew and no event explains is an event of its own, KIND_UNEXPLAINED, signature
 * "unexplained:NAME", with the counter, and how many are missing, in its facts.
 *
 * Read: /sys/kernel/{oops_count,warn_count,softlockup_count,hardlockup_count,
 * rcu_stall_count}, /proc/sys/kernel/hung_task_detect_count, oom_kill of
 * /proc/vmstat, /proc/sys/kernel/tainted. A file that this kernel has not is
 * left out; descriptors are opened once, before rights are shed, and read again
 * with pread. A first reading is the base: what was before is no news.
 *
 * A counter must have stayed unexplained for RW_COUNTERS_GRACE_MS before it is
 * told, so that the slower source can still speak. An event more than the
 * counter shows (WARN_ONCE, a panic that ends an oops before it is counted) is
 * no debt: it explains nothing later. Taint flags are told by KIND_TAINT, each
 * once a boot, here only when no hook has.
 *
 * What is compared is pure (rw_counters_judge); reading is apart.
 */
#ifndef RINGWATCH_SENSOR_COUNTERS_H
#define RINGWATCH_SENSOR_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/events/fold.h"

enum { RW_COUNTERS_EVERY_MS = 5000, RW_COUNTERS_GRACE_MS = 10000 };

/* One counter against what was told. Begin with zeroes. */
struct rw_counters_debt {
	bool based;
	uint64_t counted;
	uint64_t told;
	uint64_t owed; /* counted, and not told yet, */
	uint64_t owed_since_ms;
	uint64_t spare; /* told, and not counted yet, */
	uint64_t spare_since_ms;
};

/* How many have now been unexplained for RW_COUNTERS_GRACE_MS; each is said once. Pure. */
uint64_t rw_counters_judge(struct rw_counters_debt *debt, uint64_t counted, uint64_t told,
			   uint64_t now_ms);

struct rw_counters;

/* `root` is put before each path: "" but for tests. NULL: no memory. Takes the base. */
struct rw_counters *rw_counters_open(const char *root);
void rw_counters_free(struct rw_counters *counters);

/* Called with each event to be told: kind, severity, signature, facts, detail, source and
 * count are filled; the rest is the caller's. */
typedef void rw_counters_fn(void *context, struct rw_event *event);

/*
 * Call it at the returned boot time at the latest. Reads, compares with what
 * `events` has told, and tells what is missing.
 */
uint64_t rw_counters_run(struct rw_counters *counters, const struct rw_events *events,
			 uint64_t now_ms, rw_counters_fn *fn, void *context);

/* Shown each event that leaves the fold: of a KIND_TAINT it learns which flag was told. */
void rw_counters_saw(struct rw_counters *counters, const struct rw_event *event);

/* The taint flags that were set when the counters were opened; 0 when that cannot be read. */
uint64_t rw_counters_taint(const struct rw_counters *counters);

/* For coverage: "oops_count, warn_count, …, tainted" as this kernel has them; "" none. */
const char *rw_counters_names(const struct rw_counters *counters);

#endif
