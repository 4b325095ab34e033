/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, how often, and under which policy: each seed has one mix of it. */
#include "tests/sim/sim.h"

enum { HOUR_S = SIM_HOUR_S, DAY_S = 24 * HOUR_S };
static const struct sim_scenario scenarios[] = {
	{
		.name = "calm",
		.host_crash_s = 30 * DAY_S,
		.host_leaves_s = 4 * DAY_S,
		.operator_s = HOUR_S,
	},
	{
		.name = "bad driver",
		.host_crash_s = 20 * DAY_S,
		.host_leaves_s = DAY_S,
		.driver_of_100 = 5,
	},
	{
		.name = "boot loops",
		.host_crash_s = 20 * DAY_S,
		.driver_of_100 = 5,
		.loops = 1,
		.kill_s = HOUR_S,
	},
	{
		.name = "racks",
		.host_crash_s = 10 * DAY_S,
		.rack_s = 1800,
		.driver_of_100 = 1,
	},
	{
		.name = "partitions",
		.host_cut_s = 2 * DAY_S,
		.partition_s = 600,
		.driver_of_100 = 1,
		.host_crash_s = 10 * DAY_S,
	},
	{
		.name = "restarts",
		.host_crash_s = 2 * DAY_S,
		.host_leaves_s = DAY_S,
		.driver_of_100 = 3,
		.kill_s = 300,
	},
	{
		.name = "stalls",
		.host_crash_s = 2 * DAY_S,
		.driver_of_100 = 3,
		.stall_s = 300,
		.sick_s = 400,
	},
	{
		.name = "a bad disk",
		.host_crash_s = 2 * DAY_S,
		.host_leaves_s = DAY_S,
		.driver_of_100 = 3,
		.store_s = 200,
		.kill_s = 1200,
	},
	{
		.name = "flapping",
		.host_cut_s = 3 * HOUR_S,
		.host_sleep_s = 12 * HOUR_S,
		.sensor_killed_s = 3 * HOUR_S,
		.host_leaves_s = 12 * HOUR_S,
		.host_crash_s = DAY_S,
		.kill_s = 1800,
	},
	{
		.name = "operators",
		.host_crash_s = DAY_S,
		.host_leaves_s = DAY_S,
		.host_move_s = DAY_S,
		.driver_of_100 = 2,
		.operator_s = 30,
		.kill_s = 1200,
	},
	{
		.name = "all of it",
		.host_crash_s = 12 * HOUR_S,
		.host_leaves_s = 12 * HOUR_S,
		.host_cut_s = 12 * HOUR_S,
		.host_sleep_s = DAY_S,
		.host_move_s = 2 * DAY_S,
		.sensor_killed_s = DAY_S,
		.driver_of_100 = 3,
		.loops = 1,
		.rack_s = HOUR_S,
		.partition_s = 1800,
		.kill_s = 900,
		.stall_s = 900,
		.store_s = 1200,
		.sick_s = 1800,
		.operator_s = 120,
	},
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* Ten, thirty and sixty of a hundred hosts; limits as shipped, or looser ones. */
static void make_policy(struct sim *sim)
{
	struct rw_policy *policy = &sim->collector.policy;
	static const uint32_t limits[] = {1000, 1000, 1000, 50000, 125000, 250000};
	uint32_t ppm = limits[sim_pick(sim, 6)];
	bool evidence = sim_once_in(sim, 6);

	policy->timing = rw_timing_defaults();
	policy->ring_count = SIM_RINGS;
	for (uint32_t i = 0; i < SIM_RINGS; i++) {
		struct rw_ring_policy *ring = &policy->rings[i];

		*ring = (struct rw_ring_policy){
			.order = i + 1,
			.bake_ms = sim_between(sim, 2, 8) * SIM_MINUTE_MS,
			.step_count = i == 2 ? 3 : 1,
			.limits = {[RW_RULE_OFFLINE] = {true, ppm},
				   [RW_RULE_CRASHED] = {true, ppm},
				   [RW_RULE_FAILED] = {true, ppm}},
			.least_hosts = sim_once_in(sim, 4) ? 2 : 1,
			.min_coverage_ppm = 950000,
			.min_exposed_ppm = 900000,
			.crash_kinds =
				1u << SIM_KIND_OOPS | 1u << SIM_KIND_PANIC | 1u << SIM_KIND_REBOOT,
			.open_on_evidence = evidence,
		};
		rw_copy_text(ring->name, sizeof(ring->name), sim_ring_name(i));
		for (uint32_t step = 0; step < ring->step_count; step++)
			ring->step_ppm[step] = step + 1 == ring->step_count ? RW_PPM
					       : step == 0                  ? 250000
									    : 500000;
	}
}

void sim_scenario_begin(struct sim *sim)
{
	sim->scenario = scenarios[sim->seed % SCENARIOS];
	make_policy(sim);
}
