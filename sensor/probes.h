/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF side, seen from user space: opens each object, tries its hooks best
 * first, attaches what attaches, and says what each kind of event is seen
 * through. Decided per program by really attaching, never by kernel version; a
 * program that fails to load or attach never takes another down.
 *
 * Attach once, never churn. One ring buffer, all maps ≤ RW_PROBES_MAPS_MAX_BYTES
 * together. After rw_probes_open the heap that libbpf used for BTF is given back.
 *
 * After rw_probes_open no right is needed: the ring and the counters are mapped,
 * and what the kernel tells about a program by its descriptor it tells anyone
 * from 5.19 on. Before that it takes CAP_BPF; without it `missed` stays 0.
 */
#ifndef RINGWATCH_SENSOR_PROBES_H
#define RINGWATCH_SENSOR_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/record.h"
#include "proto/ringwatch.pb-c.h"

enum {
	RW_PROBES_HOOK_BYTES = 144,
	RW_PROBES_REASON_BYTES = 160,
	RW_PROBES_COVERAGE_MAX = 24,
	RW_PROBES_MAPS_MAX_BYTES = 256 * 1024,
};

/* One kind of event and the hooks that are live for it. */
struct rw_probe_coverage {
	Ringwatch__V1__Kind kind;
	char hook[RW_PROBES_HOOK_BYTES];     /* "fentry/oops_enter + __die + die" (the
						prefix stands again only when it changes); "none" when
						no BPF hook is live */
	char reason[RW_PROBES_REASON_BYTES]; /* why not the best: "fentry/oops_enter: Operation not
						permitted"; "" */
	bool in_bpf;                         /* some BPF hook is live for it */
};

struct rw_probes;

/*
 * The best kind of hook that rw_probes_open may use, best first. Everything by
 * default. Less is for tests and for hosts on which a kind of hook does harm
 * (the sensor's --hooks).
 */
enum rw_probes_tier {
	RW_PROBES_ALL = 0, /* fentry, fexit, tp_btf, then as below */
	RW_PROBES_KPROBE,  /* kprobe, kretprobe, then as below */
	RW_PROBES_RAW,     /* raw tracepoints */
	RW_PROBES_NONE,    /* no BPF at all: the kernel log alone */
};

/* "all", "kprobe", "raw", "none" → tier, or -EINVAL. */
int rw_probes_parse_tier(const char *name, enum rw_probes_tier *out);
/* For the whole process; before rw_probes_open. */
void rw_probes_set_tier_limit(enum rw_probes_tier best);

/* Called from rw_probes_consume with each record, in order. */
typedef void rw_probes_fn(void *context, const struct rw_record *record);

/*
 * Never fails as a whole but for memory (-ENOMEM): where BPF is refused
 * altogether the coverage says so for each kind and the descriptor is -1.
 */
int rw_probes_open(rw_probes_fn *fn, void *context, struct rw_probes **out);
void rw_probes_close(struct rw_probes *probes);

/* To poll for reading, or -1. Also call consume on a tick: wake-ups from a
 * crash with interrupts off come late or never. */
int rw_probes_descriptor(const struct rw_probes *probes);
int rw_probes_consume(struct rw_probes *probes);

uint32_t rw_probes_coverage(const struct rw_probes *probes,
			    struct rw_probe_coverage out[RW_PROBES_COVERAGE_MAX]);

/* What the kernel side could not hand over since rw_probes_open. */
struct rw_probes_losses {
	uint64_t reserve_failed; /* records that found the ring full */
	uint64_t missed;         /* runs of a program that the kernel skipped, because it, or for
				    kprobes any BPF program, already ran on that CPU */
};

void rw_probes_losses(const struct rw_probes *probes, struct rw_probes_losses *out);
uint64_t rw_probes_lost(const struct rw_probes *probes); /* their sum */

/* What the kernel charges for all maps together (`memlock` of their descriptors). */
uint64_t rw_probes_map_bytes(const struct rw_probes *probes);

#endif
