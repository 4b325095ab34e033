/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a start costs: a store of a million hosts, with one active deployment
 * that has exposed ten thousand of them and a thousand that have been in
 * trouble, back into a core.
 *
 *   store.load.1m            ms, rw_store_open() to rw_core_restored()
 *   store.load_ratio.1m      of that to one pass of plain SQLite over the table of hosts
 *   store.rows_per_second.1m by the store alone, into nothing; spools are not counted
 *   store.check.1m           ms, looking through the whole file and its rows for damage
 *
 * One `name value unit` a line. The file lies in $TMPDIR, or /tmp, and goes.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/core/core.h"
#include "collector/store/journal.h"
#include "collector/store/store.h"
#include "lib/cleanup.h"

enum { EXPOSED = 10000, TROUBLED = 1000, BATCH = 10000 };

struct bench {
	const char *size;
	uint32_t hosts;
	char path[512];
	struct rw_core *core;
	struct rw_now now;
	uint64_t rows;
};

static double seconds(void)
{
	struct timespec at;

	if (clock_gettime(CLOCK_MONOTONIC, &at) != 0)
		abort();
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void must(int status, const char *what)
{
	if (status == 0)
		return;
	fprintf(stderr, "store_bench: %s: %s\n", what, strerror(-status));
	exit(1);
}

static void report(const struct bench *bench, const char *name, double value, const char *unit)
{
	printf("store.%s.%s %.*f %s\n", name, bench->size, value < 100 ? 2 : 0, value, unit);
}

/* As fleets name them, and in an order that no index can foresee. */
static void name_host(char out[RW_CORE_NAME_BYTES], uint32_t i)
{
	snprintf(out, RW_CORE_NAME_BYTES, "node-%08x.rack%02u.example", i * 2654435761u, i % 40);
}

/* ---- a store ----------------------------------------------------------------- */

static void put_host(struct rw_journal *journal, uint32_t i)
{
	const uint8_t spool_id[16] = {1, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
	struct rw_host_row host = {
		.ring = "r0",
		.presence = RW_ONLINE,
		.previous = RW_ONLINE,
		.boot_order = 1000 + i,
		.since_wall_ms = 1000,
		.heard_wall_ms = 2000,
	};
	/* A log of no event: leaves nothing but the mark of the host's spool. */
	struct rw_journal_event event = {.sequence = 2, .about = 1, .received_wall_ms = 1000};

	name_host(host.id, i);
	memcpy(host.boot_id, &i, sizeof(i));
	must(rw_journal_put_host(journal, 1000, &host), "host");
	for (int t = 0; t < RW_EVENT_TEXT_COUNT; t++)
		event.text[t] = "";
	event.text[RW_EVENT_HOST] = host.id;
	memcpy(event.spool_id, spool_id, sizeof(spool_id));
	must(rw_journal_put_event(journal, &event), "event");
}

static void put_exposure(struct rw_journal *journal, uint32_t i)
{
	struct rw_exposure_row row = {
		.deployment = "d",
		.ring = "r0",
		.boot_order = 1000 + i,
		.step = 1,
		.alive = true,
		.heard = true,
	};

	name_host(row.host, i);
	must(rw_journal_put_exposure(journal, &row), "exposure");
}

static void put_trouble(struct rw_journal *journal, uint32_t i)
{
	struct rw_trouble_row row = {.crash_epoch = 1};

	name_host(row.host, i);
	for (uint32_t m = 0; m < RW_CORE_CRASHES_KEPT; m++)
		row.crashes[m] = (struct rw_crash_mark){1000 + i, 1000 + m, true};
	for (uint32_t m = 0; m < RW_CORE_MODULE_FAILURES_KEPT; m++)
		row.modules[m] = (struct rw_module_mark){UINT64_MAX / (m + 1), 1000 + i, m};
	must(rw_journal_put_trouble(journal, &row), "trouble");
}

static void put_many(struct rw_journal *journal, uint32_t count,
		     void (*put)(struct rw_journal *journal, uint32_t i))
{
	for (uint32_t i = 0; i < count; i++) {
		if (i % BATCH == 0)
			must(rw_journal_begin(journal), "begin");
		put(journal, i);
		if (i % BATCH == BATCH - 1 || i == count - 1)
			must(rw_journal_commit(journal), "commit");
	}
}

static void make(const struct bench *bench)
{
	const struct rw_deployment_row deployment = {
		.id = "d",
		.component = "driver",
		.version = "1",
		.exposure = RW_EXPOSURE_FIXED,
		.state = RW_DEPLOYMENT_ACTIVE,
		.created_wall_ms = 1000,
		.ring_count = 1,
		.rings = {"r0"},
	};
	const struct rw_run_row run = {
		.deployment = "d",
		.ring = "r0",
		.step = 1,
		.started_wall_ms = 1000,
		.target = EXPOSED,
		.step_targets = {EXPOSED},
		.epoch = 1,
	};
	const struct rw_life_row life = {.told_wall_ms = 1000, .epoch = 1};
	char error[RW_STORE_ERROR_BYTES];
	struct rw_journal *journal;

	must(rw_journal_open(bench->path, &journal, error), error);
	must(rw_journal_begin(journal), "begin");
	must(rw_journal_put_life(journal, &life), "life");
	must(rw_journal_put_deployment(journal, &deployment), "deployment");
	must(rw_journal_put_run(journal, &run), "run");
	must(rw_journal_commit(journal), "commit");
	put_many(journal, bench->hosts, put_host);
	put_many(journal, EXPOSED < bench->hosts ? EXPOSED : bench->hosts, put_exposure);
	put_many(journal, TROUBLED < bench->hosts ? TROUBLED : bench->hosts, put_trouble);
	rw_journal_close(journal);
}

/* ---- what is measured ---------------------------------------------------------- */

static double plain_pass(const struct bench *bench)
{
	static const char sql[] = "SELECT count(*), sum(length(host)) FROM hosts";
	sqlite3_stmt *statement;
	sqlite3 *db;
	double begin = seconds();

	if (sqlite3_open(bench->path, &db) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW ||
	    sqlite3_column_int64(statement, 0) != bench->hosts)
		must(-EIO, "plain pass");
	double took = seconds() - begin;
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return took;
}

static double whole_check(const struct bench *bench)
{
	char moved_to[RW_STORE_PATH_BYTES], error[RW_STORE_ERROR_BYTES];
	double begin = seconds();

	must(rw_store_set_aside_damaged(bench->path, moved_to, error), error);
	return seconds() - begin;
}

static uint64_t take_change(void *context, const struct rw_change *change)
{
	(void)context;
	return change->at_wall_ms + 1;
}

static int restore_row(void *context, const struct rw_change *row)
{
	struct bench *bench = context;

	bench->rows++;
	return rw_core_restore(bench->core, row, bench->now);
}

static int find_host(void *context, const char *host, const uint8_t spool_id[16], uint64_t sequence)
{
	const struct bench *bench = context;

	(void)spool_id;
	(void)sequence;
	return rw_core_host_find(bench->core, host) == RW_NO_HOST ? -ENOENT : 0;
}

static int count_row(void *context, const struct rw_change *row)
{
	struct bench *bench = context;

	(void)row;
	bench->rows++;
	return 0;
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
	};
	return out;
}

/* Into a core, or into nothing. */
static double load(struct bench *bench, bool restores)
{
	const struct rw_store_loader loader = {bench, restores ? restore_row : count_row,
					       restores ? find_host : NULL, NULL};
	struct rw_core_sink sink = {bench, take_change, NULL, NULL};
	struct rw_policy rings = policy();
	char error[RW_STORE_ERROR_BYTES];
	struct rw_store *store;
	double begin = seconds();

	bench->rows = 0;
	must(rw_store_open(bench->path, 0, NULL, &store, error), error);
	must(rw_core_new(&rings, &sink, bench->hosts, bench->now, &bench->core), "core");
	must(rw_store_load(store, &loader, error), error);
	rw_core_restored(bench->core, bench->now);
	double took = seconds() - begin;
	rw_store_close(store);
	rw_core_free(bench->core);
	return took;
}

static void run(uint32_t hosts, const char *size, const char *folder)
{
	struct bench bench = {.size = size, .hosts = hosts, .now = {1000, 100000}};
	static const char *const parts[] = {"", "-wal", "-shm", ".lock"};

	snprintf(bench.path, sizeof(bench.path), "%s/store.db", folder);
	make(&bench);
	double plain = plain_pass(&bench);
	double took = load(&bench, true);

	report(&bench, "load", took * 1e3, "ms");
	report(&bench, "load_ratio", took / plain, "x");
	report(&bench, "rows_per_second", (double)bench.rows / load(&bench, false), "1/s");
	report(&bench, "check", whole_check(&bench) * 1e3, "ms");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		rw_autofree char *path = NULL;
		if (asprintf(&path, "%s%s", bench.path, parts[i]) < 0)
			must(-ENOMEM, "path");
		unlink(path);
	}
}

int main(void)
{
	const char *base = getenv("TMPDIR");
	rw_autofree char *folder = NULL;

	if (asprintf(&folder, "%s/rw-store-bench-XXXXXX", base == NULL ? "/tmp" : base) < 0 ||
	    mkdtemp(folder) == NULL)
		must(-errno, "a folder in TMPDIR");
	run(10000, "10k", folder);
	run(1000000, "1m", folder);
	rmdir(folder);
	return 0;
}
