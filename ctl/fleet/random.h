/* SPDX-License-Identifier: Apache-2.0 */
/* Repeatable random numbers for delays and jitter: SplitMix64 (Steele, Lea, Flood 2014). */
#ifndef RINGWATCH_CTL_FLEET_RANDOM_H
#define RINGWATCH_CTL_FLEET_RANDOM_H

#include <stdint.h>

static inline uint64_t rw_fleet_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0 … bound - 1; 0 when bound is 0. The bias is of no account for delays. */
static inline uint64_t rw_fleet_random_below(uint64_t *state, uint64_t bound)
{
	return bound == 0 ? 0 : rw_fleet_random(state) % bound;
}

#endif
