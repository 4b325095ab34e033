/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host can see and through which hook: BPF, the kernel log, the
 * kernel's own counters, the boot state, persistent storage. One row for each
 * kind of event that is a happening; docs/coverage.md explains them.
 */
#ifndef RINGWATCH_SENSOR_COVERAGE_H
#define RINGWATCH_SENSOR_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sensor/probes.h"
#include "sensor/uplink.h"

struct rw_coverage_sources {
	const struct rw_probes *probes; /* NULL: none, and `no_probes` says why */
	const char *no_probes;
	bool kernel_log;        /* it is read */
	const char *counters;   /* rw_counters_names; NULL or "": none */
	const char *pstore;     /* rw_pstore_backend; NULL or "": none */
	const char *netconsole; /* rw_netconsole_words; NULL or "none": not wanted */
};

/* Puts the sources together, one row a kind. Returns the number of rows. */
uint32_t rw_coverage_build(const struct rw_coverage_sources *sources,
			   struct rw_uplink_coverage out[RW_COVERAGE_MAX]);

/* A table for people: event, hook, why not better. */
void rw_coverage_print(FILE *file, const struct rw_uplink_coverage *rows, uint32_t count);

#endif
