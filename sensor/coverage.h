/* SPDX-License-Identifier: Apache-2.0 */
/* What this host can see and through which hook: BPF, the kernel log, the boot state. */
#ifndef RINGWATCH_SENSOR_COVERAGE_H
#define RINGWATCH_SENSOR_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sensor/probes.h"
#include "sensor/uplink.h"

/*
 * Puts the sources together, one row a kind. `probes` may be NULL, then
 * `no_probes` says why. Returns the number of rows.
 */
uint32_t rw_coverage_build(const struct rw_probes *probes, const char *no_probes, bool kernel_log,
			   struct rw_uplink_coverage out[RW_COVERAGE_MAX]);

/* A table for people: event, hook, why not better. */
void rw_coverage_print(FILE *file, const struct rw_uplink_coverage *rows, uint32_t count);

#endif
