/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds, scenarios, time and figures; prints TAP, one line a family of what must be so.
 *
 *   sim [--seeds N] [--hosts N] [--hours N] [--seed N] [--verbose]
 *
 * Each seed from 1 to N, or the one that --seed names, is a fleet of its own, which goes
 * through `hours` of faults and a quarter of an hour without any. A violation ends the
 * run with status 1, and says how to see it again.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/sim.h"

enum { CALM_MS = 15 * SIM_MINUTE_MS };

/* ---- chance ------------------------------------------------------------------------ */

static uint64_t rotate(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

/* xoshiro256**, D. Blackman and S. Vigna 2018. */
static uint64_t next(struct sim *sim)
{
	uint64_t *s = sim->random;
	uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

/* splitmix64 */
static void seed_random(struct sim *sim)
{
	uint64_t x = sim->seed;

	for (int i = 0; i < 4; i++) {
		uint64_t z = (x += UINT64_C(0x9e3779b97f4a7c15));

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		sim->random[i] = z ^ (z >> 31);
	}
}

uint64_t sim_between(struct sim *sim, uint64_t from, uint64_t to)
{
	return from + next(sim) % (to - from + 1);
}

uint32_t sim_pick(struct sim *sim, uint32_t below)
{
	return (uint32_t)(next(sim) % below);
}

bool sim_once_in(struct sim *sim, uint64_t times)
{
	return times != 0 && next(sim) % times == 0;
}

void sim_say(const struct sim *sim, const char *fmt, ...)
{
	uint64_t ms = sim->now_ms - sim->begin_ms;
	va_list arguments;

	if (!sim->verbose)
		return;
	printf("# %3" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64 " ", ms / 3600000,
	       ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
	va_start(arguments, fmt);
	vprintf(fmt, arguments);
	va_end(arguments);
	printf("\n");
}

/* ---- one seed ------------------------------------------------------------------------------ */

struct options {
	uint64_t seeds, seed, hosts, hours;
	bool verbose;
};

static void step(struct sim *sim)
{
	if (sim->now_ms < sim->step_ms)
		sim->now_ms = sim->step_ms;
	sim->calm = sim->step_ms >= sim->calm_ms;
	sim_world_step(sim);
	sim_collector_step(sim);
	if (sim->now_ms < sim->step_ms + SIM_STEP_MS)
		sim->now_ms = sim->step_ms + SIM_STEP_MS;
	if (!sim->failed)
		sim_operators_step(sim);
	if (!sim->failed && (sim->step_ms - sim->begin_ms) % SIM_SECOND_MS == 0)
		sim_oracle_second(sim);
}

static void play(struct sim *sim)
{
	sim_judge_begin(sim);
	sim_model_begin(sim);
	sim_collector_begin(sim);
	sim_world_begin(sim);
	for (sim->step_ms = sim->begin_ms; sim->step_ms < sim->end_ms && !sim->failed;
	     sim->step_ms += SIM_STEP_MS)
		step(sim);
	if (!sim->failed && sim->collector.core != NULL)
		sim_oracle_converged(sim);
	sim->figures->host_ms += sim->host_count * (sim->step_ms - sim->begin_ms);
	sim_collector_end(sim);
	sim_model_end(sim);
	sim_judge_end(sim);
	sim_net_end(sim);
	free(sim->hosts);
}

static const char *const family_names[SIM_FAMILIES] = {
	[SIM_OK_COUNTS] = "counts are the sums of hosts",
	[SIM_OK_PRESENCE] = "each host's presence is what was heard of it makes it",
	[SIM_OK_TRUTH] = "the dead are let go in time, the living are online",
	[SIM_OK_BREAKER] = "breakers open when the limit is crossed, and then only",
	[SIM_OK_EVIDENCE] = "what is proved is proved, and nothing else is",
	[SIM_OK_VERDICT] = "no proceed beside an open breaker, blind, or unbaked",
	[SIM_OK_DISK] = "what is on disk is what is",
	[SIM_OK_CONVERGENCE] = "after the faults everything comes to rest",
};

static bool run_seed(const struct options *options, uint64_t seed, struct sim_figures *figures,
		     enum sim_family *family)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert(sim != NULL);
	sim->seed = seed;
	sim->figures = figures;
	sim->verbose = options->verbose;
	sim->host_count = (uint32_t)options->hosts;
	sim->hosts = calloc(sim->host_count, sizeof(*sim->hosts));
	assert(sim->hosts != NULL);
	seed_random(sim);
	sim->begin_ms = 1000 * 1000;
	sim->now_ms = sim->begin_ms;
	sim->calm_ms = sim->begin_ms + options->hours * SIM_HOUR_S * SIM_SECOND_MS;
	sim->end_ms = sim->calm_ms + CALM_MS;
	sim_scenario_begin(sim);
	play(sim);

	bool failed = sim->failed;

	if (failed) {
		uint64_t ms = sim->now_ms - sim->begin_ms;

		*family = sim->failed_family;
		printf("# seed %" PRIu64 " (%s), after %" PRIu64 " h %" PRIu64 " min %" PRIu64
		       ".%03" PRIu64 " s: not so: %s\n# %s\n# replay: make sim SEED=%" PRIu64
		       " HOSTS=%" PRIu64 " HOURS=%" PRIu64 " SIM_FLAGS=--verbose\n",
		       seed, sim->scenario.name, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
		       ms % 1000, family_names[sim->failed_family], sim->fault, seed,
		       options->hosts, options->hours);
	}
	free(sim);
	return !failed;
}

/* ---- figures ---------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_figures(struct sim_figures *figures, uint64_t seeds, uint64_t cpu_ms)
{
	uint64_t hours = figures->host_ms / 3600000;

	printf("# %" PRIu64 " seeds, %" PRIu64 " host-hours, %" PRIu64 " a second; %" PRIu64
	       " restarts of the collector, %" PRIu64 " events, %" PRIu64 " resets, %" PRIu64
	       " times proceed\n",
	       seeds, hours, hours * 1000 / (cpu_ms > 0 ? cpu_ms : 1), figures->restarts,
	       figures->events, figures->resets, figures->proceeds);
	printf("# breakers opened: %" PRIu64 " on hosts that died, %" PRIu64
	       " on hosts that could not be heard, %" PRIu64
	       " on hosts that had died just before, %" PRIu64
	       " on too many exposed; false %" PRIu64 ", missed 0\n",
	       figures->trips, figures->silent_trips, figures->early_trips, figures->exposure_trips,
	       figures->false_trips);
	if (figures->delay_count == 0)
		return;
	qsort(figures->delays, figures->delay_count, sizeof(uint32_t), by_size);
	printf("# from the first death to the open breaker: p50 %.1f s, p99 %.1f s\n",
	       figures->delays[figures->delay_count / 2] / 1000.0,
	       figures->delays[(uint64_t)figures->delay_count * 99 / 100] / 1000.0);
}

static void print_tap(const struct sim_figures *figures, bool failed, enum sim_family family)
{
	printf("1..%d\n", SIM_FAMILIES);
	for (int i = 0; i < SIM_FAMILIES; i++)
		printf("%sok %d - sim: %s (%" PRIu64 " looks)\n",
		       failed && i == (int)family ? "not " : "", i + 1, family_names[i],
		       figures->checks[i]);
}

/* ---- main -------------------------------------------------------------------------------- */

static bool take_number(const char *text, uint64_t most, uint64_t *out)
{
	char *rest;

	errno = 0;
	*out = strtoull(text, &rest, 10);
	return errno == 0 && *rest == '\0' && rest != text && *out >= 1 && *out <= most;
}

static bool take_options(int argc, char **argv, struct options *options)
{
	const struct {
		const char *name;
		uint64_t most;
		uint64_t *out;
	} numbers[] = {
		{"--seeds", 1000000000, &options->seeds},
		{"--seed", UINT64_MAX, &options->seed},
		{"--hosts", SIM_HOSTS_MAX, &options->hosts},
		{"--hours", 10000, &options->hours},
	};

	for (int i = 1; i < argc; i++) {
		bool taken = strcmp(argv[i], "--verbose") == 0;

		options->verbose = options->verbose || taken;
		for (size_t j = 0; j < sizeof(numbers) / sizeof(numbers[0]) && !taken; j++) {
			if (strcmp(argv[i], numbers[j].name) == 0 && i + 1 < argc)
				taken = take_number(argv[++i], numbers[j].most, numbers[j].out);
		}
		if (!taken) {
			fprintf(stderr,
				"sim: '%s': expected --seeds, --seed, --hosts (up to %d) "
				"or --hours and a number, or --verbose\n",
				argv[i], SIM_HOSTS_MAX);
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options options = {.seeds = 22, .hosts = 100, .hours = 2};
	struct sim_figures figures = {0};
	enum sim_family family = SIM_OK_COUNTS;
	bool good = true;
	uint64_t seed, first;

	if (!take_options(argc, argv, &options))
		return 2;
	first = options.seed > 0 ? options.seed : 1;
	for (seed = first; good && (seed == first || (options.seed == 0 && seed <= options.seeds));
	     seed++)
		good = run_seed(&options, seed, &figures, &family);
	print_figures(&figures, seed - first, (uint64_t)clock() * 1000 / (uint64_t)CLOCKS_PER_SEC);
	print_tap(&figures, !good, family);
	free(figures.delays);
	return good ? 0 : 1;
}
