/* SPDX-License-Identifier: Apache-2.0 */
/* ringwatch-fleet: simulated hosts that speak the real protocol, for drills and load. */
#include <stdio.h>

#include "ctl/fleet/fleet.h"
#include "lib/exit_codes.h"
#include "lib/version.h"

int main(int argc, char **argv)
{
	struct rw_fleet_options options;
	enum rw_fleet_order order;
	char error[RW_FLEET_ERROR_BYTES];

	if (rw_fleet_options_parse(argc, argv, &options, &order, error) != 0) {
		fprintf(stderr, "ringwatch-fleet: %s\n", error);
		return RW_EXIT_USAGE;
	}
	switch (order) {
	case RW_FLEET_HELP:
		rw_fleet_options_print_help();
		return RW_EXIT_OK;
	case RW_FLEET_VERSION:
		rw_version_print("ringwatch-fleet");
		return RW_EXIT_OK;
	default:
		return rw_fleet_run(&options);
	}
}
