/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running sensor: one thread, one poll loop with a tick, that owns every
 * part. Set up once, run until SIGTERM, and leave in good order.
 */
#ifndef RINGWATCH_SENSOR_SENSOR_H
#define RINGWATCH_SENSOR_SENSOR_H

#include "sensor/options.h"

enum { RW_SENSOR_TICK_MS = 1000 };

/* Runs until it is told to stop. Returns the exit code (lib/exit_codes.h), after
 * one line on stderr when it is not 0. */
int rw_sensor_run(const struct rw_sensor_options *options);

/* --check-config, --coverage, --announce, --leave-safe-start: the exit code. */
int rw_sensor_check_config(const struct rw_sensor_options *options);
int rw_sensor_print_coverage(const struct rw_sensor_options *options);
int rw_sensor_announce(const struct rw_sensor_options *options);
int rw_sensor_leave_safe_start(const struct rw_sensor_options *options);

#endif
