/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is watched, and through what: for each kind of event the sets of BPF
 * programs that can see it, best first. Data only; probes.c tries them.
 */
#ifndef RINGWATCH_SENSOR_WATCHES_H
#define RINGWATCH_SENSOR_WATCHES_H

#include <stddef.h>
#include <stdint.h>

#include "sensor/probes.h"

enum {
	RW_WATCH_PROGRAMS_MAX = 8,   /* of a candidate */
	RW_WATCH_CANDIDATES_MAX = 5, /* of a watch */
	RW_WATCH_KINDS_MAX = 2,      /* that one watch sees */
};

struct rw_candidate {
	enum rw_probes_tier tier;
	uint32_t needed; /* of `programs`, counted from the first */
	const char *map; /* the object's own map, beside those that all share; or NULL */
	/* What it means when the verifier refuses a program: programs are written to
	 * be refused where they would see nothing. NULL: the kernel's error says it. */
	const char *refused;
	const char *programs[RW_WATCH_PROGRAMS_MAX];
};

struct rw_watch {
	Ringwatch__V1__Kind kinds[RW_WATCH_KINDS_MAX]; /* the second may be 0 */
	const char *object;
	const void *(*elf)(size_t *size);
	struct rw_candidate candidates[RW_WATCH_CANDIDATES_MAX];
};

extern const struct rw_watch rw_watches[];
extern const uint32_t rw_watch_count;
/* Attached to nothing: proves that ring and reader work. */
extern const struct rw_watch rw_watch_selftest;

#endif
