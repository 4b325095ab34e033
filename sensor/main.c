/* SPDX-License-Identifier: Apache-2.0 */
/* ringwatch-sensor: the daemon on a host. sensor.c is where it runs. */
#include <stdio.h>

#include "lib/exit_codes.h"
#include "lib/log.h"
#include "lib/version.h"
#include "sensor/options.h"
#include "sensor/sensor.h"

int main(int argc, char **argv)
{
	struct rw_sensor_options options;

	if (rw_sensor_options_parse(argc, argv, &options) != 0)
		return RW_EXIT_USAGE;
	rw_log_set_level(options.log_level);
	switch (options.act) {
	case RW_ACT_HELP:
		rw_sensor_options_help();
		return RW_EXIT_OK;
	case RW_ACT_VERSION:
		rw_version_print("ringwatch-sensor");
		return RW_EXIT_OK;
	case RW_ACT_CHECK_CONFIG:
		return rw_sensor_check_config(&options);
	case RW_ACT_COVERAGE:
		return rw_sensor_print_coverage(&options);
	case RW_ACT_ANNOUNCE:
		return rw_sensor_announce(&options);
	case RW_ACT_LEAVE_SAFE_START:
		return rw_sensor_leave_safe_start(&options);
	case RW_ACT_RUN:
		break;
	}
	return rw_sensor_run(&options);
}
