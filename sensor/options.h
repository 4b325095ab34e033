/* SPDX-License-Identifier: Apache-2.0 */
/* The sensor's command line. */
#ifndef RINGWATCH_SENSOR_OPTIONS_H
#define RINGWATCH_SENSOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/log.h"
#include "sensor/boot.h"
#include "sensor/probes.h"

enum rw_sensor_act {
	RW_ACT_RUN,
	RW_ACT_CHECK_CONFIG,
	RW_ACT_COVERAGE,
	RW_ACT_ANNOUNCE,
	RW_ACT_LEAVE_SAFE_START,
	RW_ACT_HELP,
	RW_ACT_VERSION,
};

struct rw_sensor_options {
	enum rw_sensor_act act;
	const char *config;
	const char *kmsg;
	enum rw_probes_tier tier;
	const char *user; /* to become; NULL: stay */
	bool remove_pstore;
	enum rw_log_level log_level;
	struct rw_announcement announcement; /* armed is RW_ARMED_NONE: ask systemd */
};

enum { RW_BACK_IN_DEFAULT_S = 300 };

/* 0, or -EINVAL after one line on stderr. */
int rw_sensor_options_parse(int argc, char **argv, struct rw_sensor_options *out);
void rw_sensor_options_help(void);

#endif
