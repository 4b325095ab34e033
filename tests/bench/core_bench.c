/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the judgement costs by itself, without wire, TLS or store:
 *
 *   core.heartbeats_per_second.1k   …
 *
 * One `name value unit` a line. Hosts are named as fleets name them, and beat in
 * an order that no cache can foresee.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/core/core.h"

struct bench {
	struct rw_core *core;
	struct rw_now now;
	uint64_t sequence;
	uint32_t hosts;
};

static uint64_t take_change(void *context, const struct rw_change *change)
{
	struct bench *bench = context;

	(void)change;
	return ++bench->sequence;
}

/* Of this program's own: others may share the core. */
static double seconds(void)
{
	struct timespec at;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at) != 0)
		abort();
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void must(int status)
{
	if (status == 0)
		return;
	fprintf(stderr, "core_bench: %s\n", strerror(-status));
	exit(1);
}

static struct rw_policy policy(void)
{
	struct rw_policy out = {.timing = rw_timing_defaults(), .ring_count = 1};

	out.rings[0] = (struct rw_ring_policy){
		.name = "r0",
		.order = 1,
		.bake_ms = 3600000,
		.step_count = 1,
		.step_ppm = {RW_PPM},
		.limits = {[RW_RULE_FAILED] = {true, RW_PPM / 2}},
		.least_hosts = 1,
		.min_coverage_ppm = 950000,
		.min_exposed_ppm = 900000,
		.crash_kinds = 1u << 1,
	};
	return out;
}

/* Bytes that the program has in use, by the kernel's account. */
static double resident_bytes(void)
{
	long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	if (statm == NULL || fscanf(statm, "%*d %ld", &pages) != 1)
		pages = 0;
	if (statm != NULL)
		fclose(statm);
	return (double)pages * 4096;
}

static void enrol(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->hosts; i++) {
		struct rw_boot boot = {.order = 1, .boot_ms = 1000};
		rw_host_handle handle;
		char id[RW_CORE_NAME_BYTES];

		snprintf(id, sizeof(id), "node-%06x.rack%02u.example", i * 2654435761u >> 8,
			 i % 40);
		must(rw_core_hello(bench->core, id, "r0", &boot, RW_END_NONE, bench->now, &handle));
	}
}

/* The last of a hundred has hosts. */
static void expose(struct bench *bench)
{
	enum { DEPLOYMENTS = 100 };
	struct rw_deployment_row spec = {
		.id = "d",
		.component = "driver",
		.version = "1",
		.exposure = RW_EXPOSURE_FIXED,
		.ring_count = 1,
		.rings = {"r0"},
	};

	for (int i = 1; i < DEPLOYMENTS; i++) {
		struct rw_deployment_row other = spec;

		snprintf(other.id, sizeof(other.id), "2026-11-%03d", i);
		must(rw_core_deploy_create(bench->core, &other, bench->now).status);
	}
	must(rw_core_deploy_create(bench->core, &spec, bench->now).status);
	must(rw_core_deploy_start(bench->core, "d", "r0", 1, bench->now).status);
}

static void report(const char *name, const char *size, double value, const char *unit)
{
	printf("core.%s.%s %.0f %s\n", name, size, value, unit);
}

static void beat(struct bench *bench, const char *size)
{
	enum { BEATS = 4000000 };
	uint32_t at = 1;

	for (uint32_t i = 0; i < bench->hosts; i++) /* the first one after an exposure tells */
		rw_core_heartbeat(bench->core, i, bench->now.boot_ms, bench->now);
	double begin = seconds();

	for (uint32_t i = 0; i < BEATS; i++) {
		at = at * 1664525u + 1013904223u;
		if (i % 10000 == 0)
			bench->now.boot_ms++;
		rw_core_heartbeat(bench->core, (rw_host_handle)((uint64_t)at * bench->hosts >> 32),
				  bench->now.boot_ms, bench->now);
	}
	report("heartbeats_per_second", size, BEATS / (seconds() - begin), "1/s");
}

/* All fall silent, turn suspect, turn offline, and come back. */
static void change_presence(struct bench *bench, const char *size)
{
	uint64_t before = bench->sequence;
	double begin = seconds();

	for (uint32_t at = 0; at < 31000; at += RW_CORE_TICK_MS) {
		bench->now.boot_ms += RW_CORE_TICK_MS;
		rw_core_tick(bench->core, bench->now);
	}
	for (uint32_t i = 0; i < bench->hosts; i++)
		rw_core_heartbeat(bench->core, i, bench->now.boot_ms, bench->now);

	double took = seconds() - begin;

	report("transitions_per_second", size, (double)(bench->sequence - before) / took, "1/s");
}

static void ask(struct bench *bench, const char *name, const char *size)
{
	enum { QUESTIONS = 100000 };
	static struct rw_verdict verdict;
	double begin = seconds();

	for (uint32_t i = 0; i < QUESTIONS; i++)
		rw_core_verdict(bench->core, "d", "r0", RW_FOR_ADVANCE, bench->now, &verdict);
	report(name, size, (seconds() - begin) * 1e9 / QUESTIONS, "ns");
}

/* Five hosts of it: then there are bounds to be found. */
static void crash(struct bench *bench)
{
	for (uint32_t host = 0; host < 5; host++) {
		struct rw_core_event event = {
			.kind = 1,
			.kind_name = "oops",
			.id = "bench",
			.signature = "oops:bench",
			.module = "",
			.boot_order = 1,
			.boot_ms = bench->now.boot_ms,
		};

		rw_core_event(bench->core, host, &event, bench->now);
	}
}

static void run(uint32_t hosts, const char *size)
{
	struct bench bench = {.now = {1000, 1}, .hosts = hosts};
	struct rw_core_sink sink = {&bench, take_change, NULL, NULL};
	struct rw_policy rings = policy();
	double before = resident_bytes();

	must(rw_core_new(&rings, &sink, hosts, bench.now, &bench.core));
	enrol(&bench);
	double enrolled = resident_bytes();
	if (hosts >= 100000)
		report("bytes_per_host", size, (enrolled - before) / hosts, "B");
	expose(&bench);
	if (hosts >= 100000)
		report("bytes_per_exposure", size, (resident_bytes() - enrolled) / hosts, "B");
	beat(&bench, size);
	change_presence(&bench, size);
	ask(&bench, "verdict", size);
	crash(&bench);
	bench.now.boot_ms += RW_CORE_TICK_MS;
	rw_core_tick(bench.core, bench.now);
	ask(&bench, "verdict_with_failures", size);
	rw_core_free(bench.core);
}

int main(void)
{
	run(1000, "1k");
	run(100000, "100k");
	run(1000000, "1m");
	return 0;
}
