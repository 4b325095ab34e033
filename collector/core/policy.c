/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy must be for the judgement to mean anything. */
#include "collector/core/policy.h"

#include <stddef.h>
#include <string.h>

struct rw_timing rw_timing_defaults(void)
{
	return (struct rw_timing){
		.heartbeat_every_ms = 5000,
		.suspect_after_ms = 12000,
		.offline_after_ms = 30000,
		.max_planned_ms = 600000,
		.power_off_grace_ms = 86400000,
		.retire_after_ms = UINT64_C(30) * 86400000,
	};
}

static const char *timing_fault(const struct rw_policy *policy)
{
	enum {
		FOREVER_MS = 1000 * 60 * 60 * 24 * 20
	}; /* keeps every sum of two below far from wrapping */
	const struct rw_timing *timing = &policy->timing;
	uint64_t slowest_ms = timing->heartbeat_every_ms;

	for (uint32_t i = 0; i < policy->ring_count; i++) {
		if (policy->rings[i].heartbeat_every_ms > slowest_ms)
			slowest_ms = policy->rings[i].heartbeat_every_ms;
	}
	if (timing->heartbeat_every_ms == 0)
		return "heartbeat_every must not be zero";
	if (slowest_ms > FOREVER_MS || timing->suspect_after_ms > FOREVER_MS ||
	    timing->offline_after_ms > FOREVER_MS)
		return "no heartbeat, suspect_after or offline_after may be longer than 20 days";
	if (timing->suspect_after_ms <= slowest_ms)
		return "suspect_after must be longer than the slowest heartbeat";
	if (timing->offline_after_ms < timing->suspect_after_ms + 2 * slowest_ms)
		return "offline_after must be at least suspect_after plus two of the slowest "
		       "heartbeats";
	if (timing->max_planned_ms == 0 || timing->power_off_grace_ms == 0)
		return "max_planned and power_off_grace must not be zero";
	return NULL;
}

static const char *steps_fault(const struct rw_ring_policy *ring)
{
	if (ring->step_count < 1 || ring->step_count > RW_CORE_STEPS_MAX)
		return "a ring must have 1 to 16 steps";
	for (uint32_t i = 0; i < ring->step_count; i++) {
		uint32_t before = i == 0 ? 0 : ring->step_ppm[i - 1];

		if (ring->step_ppm[i] <= before)
			return "steps must grow";
	}
	if (ring->step_ppm[ring->step_count - 1] != RW_PPM)
		return "the last step must be 100%";
	return NULL;
}

static const char *ring_fault(const struct rw_ring_policy *ring)
{
	if (ring->name[0] == '\0' || memchr(ring->name, '\0', sizeof(ring->name)) == NULL)
		return "a ring must have a name of 1 to 63 bytes";
	if (ring->least_hosts < 1)
		return "least_hosts must be at least 1";
	if (ring->fleet_share_ppm > RW_PPM || ring->min_coverage_ppm > RW_PPM ||
	    ring->min_exposed_ppm > RW_PPM)
		return "no share may be above 100%";
	for (int rule = RW_RULE_NONE; rule < RW_RULE_COUNT; rule++) {
		if (ring->limits[rule].ppm > RW_PPM)
			return "no limit may be above 100%";
	}
	return steps_fault(ring);
}

const char *rw_policy_fault(const struct rw_policy *policy, int *ring)
{
	*ring = -1;
	if (policy->ring_count < 1 || policy->ring_count > RW_CORE_RINGS_MAX)
		return "there must be 1 to 32 rings";

	for (uint32_t i = 0; i < policy->ring_count; i++) {
		const char *fault = ring_fault(&policy->rings[i]);

		*ring = (int)i;
		if (fault != NULL)
			return fault;
		if (i > 0 && policy->rings[i].order <= policy->rings[i - 1].order)
			return "rings must stand by growing order, each its own";
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(policy->rings[i].name, policy->rings[j].name) == 0)
				return "two rings have the same name";
		}
	}
	*ring = -1;
	return timing_fault(policy);
}
