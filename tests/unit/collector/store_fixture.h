/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in a folder of its own, rows to push into it, and what a load, a
 * reader and plain SQL say of it.
 */
#ifndef RINGWATCH_TESTS_STORE_FIXTURE_H
#define RINGWATCH_TESTS_STORE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/store/journal.h"
#include "collector/store/store.h"
#include "proto/limits.h"

#define FX_UNUSED __attribute__((unused)) static

FX_UNUSED const uint8_t spool_a[16] = {0xaa, 1, 2, 3};

enum { NOW_MS = 20000 };

FX_UNUSED const uint8_t spool_b[16] = {0xbb, 1, 2, 3};

FX_UNUSED const char boot[] = "00000000-0000-4000-8000-000000000001";

struct fixture {
	char folder[64];
	char path[96];
	char error[RW_STORE_ERROR_BYTES];
	struct rw_store *store;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t committed;
	unsigned commits, failures, recoveries;
	bool went_back;
};

FX_UNUSED void on_committed(void *context, uint64_t sequence)
{
	struct fixture *f = context;

	pthread_mutex_lock(&f->lock);
	f->went_back |= sequence <= f->committed;
	f->committed = sequence;
	f->commits++;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

FX_UNUSED void on_failed(void *context, const char *reason)
{
	struct fixture *f = context;

	pthread_mutex_lock(&f->lock);
	f->failures++;
	snprintf(f->error, sizeof(f->error), "%s", reason);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

FX_UNUSED void on_recovered(void *context)
{
	struct fixture *f = context;

	pthread_mutex_lock(&f->lock);
	f->recoveries++;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

FX_UNUSED int open_store(struct fixture *f)
{
	const struct rw_store_callbacks callbacks = {f, on_committed, on_failed, on_recovered};

	f->committed = 0;
	return rw_store_open(f->path, 0, &callbacks, &f->store, f->error);
}

FX_UNUSED void close_store(struct fixture *f)
{
	rw_store_close(f->store);
	f->store = NULL;
}

/* The time is only a bound for a store that is broken. */
#define WAIT_FOR(f, condition)                                                                     \
	do {                                                                                       \
		struct timespec until;                                                             \
		clock_gettime(CLOCK_REALTIME, &until);                                             \
		until.tv_sec += 20;                                                                \
		pthread_mutex_lock(&(f)->lock);                                                    \
		int waited = 0;                                                                    \
		while (!(condition) && waited == 0)                                                \
			waited = pthread_cond_timedwait(&(f)->changed, &(f)->lock, &until);        \
		pthread_mutex_unlock(&(f)->lock);                                                  \
		assert_int_equal(waited, 0);                                                       \
	} while (0)

FX_UNUSED int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/rw-store-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/collector.db", f->folder);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	*state = f;
	return 0;
}

FX_UNUSED int teardown(void **state)
{
	struct fixture *f = *state;

	rw_store_close(f->store);
	DIR *folder = opendir(f->folder);
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	}
	closedir(folder);
	assert_int_equal(rmdir(f->folder), 0);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return 0;
}

/* ---- rows to push ------------------------------------------------------------------ */

FX_UNUSED struct rw_change host_change(const char *id, enum rw_presence was, enum rw_presence now)
{
	struct rw_change c = {.type = RW_CHANGE_HOST, .at_wall_ms = 5000};

	snprintf(c.host.id, sizeof(c.host.id), "%s", id);
	snprintf(c.host.ring, sizeof(c.host.ring), "ring0");
	c.host.previous = was;
	c.host.presence = now;
	c.host.boot_id[0] = 7;
	c.host.boot_order = UINT64_MAX - 1; /* a host may say any number */
	c.host.since_wall_ms = 5000;
	c.host.heard_wall_ms = 4999;
	c.host.goodbye = RW_BYE_POWER_OFF;
	c.host.back_by_wall_ms = 6000;
	return c;
}

FX_UNUSED struct rw_change deployment_change(void)
{
	struct rw_change c = {.type = RW_CHANGE_DEPLOYMENT, .at_wall_ms = 1000};

	snprintf(c.deployment.id, sizeof(c.deployment.id), "d1");
	snprintf(c.deployment.component, sizeof(c.deployment.component), "driver");
	snprintf(c.deployment.version, sizeof(c.deployment.version), "1.2 'quoted'");
	c.deployment.exposure = RW_EXPOSURE_FIXED;
	c.deployment.state = RW_DEPLOYMENT_ACTIVE;
	c.deployment.created_wall_ms = 1000;
	c.deployment.ring_count = 2;
	snprintf(c.deployment.rings[0], RW_CORE_NAME_BYTES, "ring0");
	snprintf(c.deployment.rings[1], RW_CORE_NAME_BYTES, "ring1");
	return c;
}

FX_UNUSED struct rw_change run_change(bool open)
{
	struct rw_change c = {.type = RW_CHANGE_RUN, .at_wall_ms = 2000};

	snprintf(c.run.deployment, sizeof(c.run.deployment), "d1");
	snprintf(c.run.ring, sizeof(c.run.ring), "ring0");
	c.run.step = 1;
	c.run.started_wall_ms = 2000;
	c.run.target = 12;
	c.run.observed_ms = 345678;
	c.run.breaker_open = open;
	c.run.rule = open ? RW_RULE_CRASHED : RW_RULE_NONE;
	c.run.grade = open ? RW_GRADE_LIMIT : RW_GRADE_NONE;
	c.run.opened_wall_ms = open ? 3000 : 0;
	c.run.opened_failed = open ? 2 : 0;
	c.run.opened_at_risk = open ? 12 : 0;
	return c;
}

FX_UNUSED struct rw_change exposure_change(const char *host, uint64_t boot_order, uint64_t boot_ms)
{
	struct rw_change c = {.type = RW_CHANGE_EXPOSURE, .at_wall_ms = 2000};

	snprintf(c.exposure.deployment, sizeof(c.exposure.deployment), "d1");
	snprintf(c.exposure.ring, sizeof(c.exposure.ring), "ring0");
	snprintf(c.exposure.host, sizeof(c.exposure.host), "%s", host);
	c.exposure.boot_order = boot_order;
	c.exposure.boot_ms = boot_ms;
	c.exposure.alive = c.exposure.crashed = true;
	return c;
}

FX_UNUSED struct rw_change evidence_change(const char *host, const char *event)
{
	struct rw_change c = {.type = RW_CHANGE_EVIDENCE, .at_wall_ms = 3000};

	snprintf(c.evidence.deployment, sizeof(c.evidence.deployment), "d1");
	snprintf(c.evidence.ring, sizeof(c.evidence.ring), "ring0");
	snprintf(c.evidence.host, sizeof(c.evidence.host), "%s", host);
	snprintf(c.evidence.event, sizeof(c.evidence.event), "%s", event);
	snprintf(c.evidence.kind, sizeof(c.evidence.kind), "oops");
	snprintf(c.evidence.signature, sizeof(c.evidence.signature), "oops:f+0x1:m");
	c.evidence.at_wall_ms = 2999;
	return c;
}

FX_UNUSED Ringwatch__V1__Event event_of(uint64_t sequence, char *signature)
{
	static char *stack[] = {(char *)"a+0x1", (char *)"b+0x2 [m]"};
	Ringwatch__V1__Event e = RINGWATCH__V1__EVENT__INIT;

	e.sequence = sequence;
	e.kind = RINGWATCH__V1__KIND__KIND_OOPS;
	e.severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	e.source = RINGWATCH__V1__SOURCE__SOURCE_BPF;
	e.boot_id = (char *)(uintptr_t)boot;
	e.boot_order = 10;
	e.boot_ms = 100 * sequence;
	e.cpu = UINT32_MAX;
	e.comm = (char *)"it's";
	e.signature = signature;
	e.symbol = (char *)"f+0x1";
	e.module = (char *)"m";
	e.error = -22;
	e.detail = (char *)"BUG";
	e.count = 1;
	e.n_stack = 2;
	e.stack = stack;
	return e;
}

FX_UNUSED uint64_t push_event(struct fixture *f, const char *host, const uint8_t spool[16],
			      uint64_t sequence, bool over_quota)
{
	Ringwatch__V1__Event e = event_of(sequence, (char *)"oops:f+0x1:m");
	const struct rw_store_event row = {
		.host = host,
		.ring = "ring0",
		.spool_id = spool,
		.event = &e,
		.at_wall_ms = 1000 * sequence,
		.received_wall_ms = 1000 * sequence + 1,
		.over_quota = over_quota,
	};

	return rw_store_push_event(f->store, &row);
}

/* What is NULL or 0 is as push_event() has it. */
struct told {
	const char *host;
	const uint8_t *spool;
	uint64_t sequence;
	uint64_t received_ms;
	Ringwatch__V1__Severity severity;
	const char *signature;
	bool over_quota;
	uint64_t about; /* a log excerpt */
	const char *log;
	const char *values[RW_FACTS_MAX];
};

FX_UNUSED uint64_t tell(struct fixture *f, struct told told)
{
	const char *signature = told.signature == NULL ? "oops:f+0x1:m" : told.signature;
	Ringwatch__V1__Event e = event_of(told.sequence, (char *)(uintptr_t)signature);
	Ringwatch__V1__Fact facts[RW_FACTS_MAX];
	Ringwatch__V1__Fact *pointers[RW_FACTS_MAX];
	const struct rw_store_event row = {
		.host = told.host == NULL ? "h1" : told.host,
		.ring = "ring0",
		.spool_id = told.spool == NULL ? spool_a : told.spool,
		.event = &e,
		.at_wall_ms = told.received_ms,
		.received_wall_ms = told.received_ms,
		.over_quota = told.over_quota,
	};

	if (told.severity != 0)
		e.severity = told.severity;
	if (told.about != 0)
		e.kind = RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;
	e.about = told.about;
	if (told.log != NULL) {
		e.log.data = (uint8_t *)(uintptr_t)told.log;
		e.log.len = strlen(told.log);
		e.log_bytes = 1000;
	}
	e.facts = pointers;
	for (size_t i = 0; i < RW_FACTS_MAX && told.values[i] != NULL; i++) {
		ringwatch__v1__fact__init(&facts[i]);
		facts[i].name = (Ringwatch__V1__FactName)(i + 1);
		facts[i].value = (char *)(uintptr_t)told.values[i];
		pointers[i] = &facts[i];
		e.n_facts++;
	}
	uint64_t sequence = rw_store_push_event(f->store, &row);
	assert_true(sequence > 0);
	return sequence;
}

FX_UNUSED uint64_t push(struct fixture *f, struct rw_change change)
{
	uint64_t sequence = rw_store_push_change(f->store, &change);

	assert_true(sequence > 0);
	return sequence;
}

/* ---- what a load hands out ------------------------------------------------------------ */

struct loaded {
	struct rw_change rows[64];
	size_t count;
	uint64_t marks[2]; /* of spool_a and spool_b */
};

FX_UNUSED int keep_row(void *context, const struct rw_change *row)
{
	struct loaded *l = context;

	assert_true(l->count < 64);
	l->rows[l->count++] = *row;
	return 0;
}

FX_UNUSED int keep_mark(void *context, const char *host, const uint8_t spool_id[16],
			uint64_t sequence)
{
	struct loaded *l = context;

	if (strcmp(host, "h1") != 0)
		return 0;
	l->marks[memcmp(spool_id, spool_a, 16) == 0 ? 0 : 1] = sequence;
	return 0;
}

FX_UNUSED void load(struct fixture *f, struct loaded *out)
{
	const struct rw_store_loader loader = {out, keep_row, keep_mark, NULL};

	memset(out, 0, sizeof(*out));
	assert_int_equal(rw_store_load(f->store, &loader, f->error), 0);
}

FX_UNUSED void reopen(struct fixture *f)
{
	close_store(f);
	assert_int_equal(open_store(f), 0);
}

struct seen {
	size_t count;
	uint64_t row_ids[32];
	uint64_t sequences[32];
	uint32_t last_count;
	char last_signature[64], last_stack[64], last_spool[64], last_comm[32];
	int32_t last_error;
};

FX_UNUSED int see_event(void *context, const struct rw_event_row *row)
{
	struct seen *seen = context;

	assert_true(seen->count < 32);
	seen->row_ids[seen->count] = row->row_id;
	seen->sequences[seen->count++] = row->sequence;
	seen->last_count = row->count;
	seen->last_error = row->error;
	snprintf(seen->last_signature, sizeof(seen->last_signature), "%s", row->signature);
	snprintf(seen->last_stack, sizeof(seen->last_stack), "%s", row->stack);
	snprintf(seen->last_spool, sizeof(seen->last_spool), "%s", row->spool_id);
	snprintf(seen->last_comm, sizeof(seen->last_comm), "%s", row->comm);
	return 0;
}

FX_UNUSED struct seen ask(struct fixture *f, const struct rw_event_query *query)
{
	struct rw_store_reader *reader;
	struct seen seen = {0};

	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	assert_int_equal(rw_store_reader_events(reader, query, see_event, &seen), 0);
	rw_store_reader_close(reader);
	return seen;
}

FX_UNUSED int64_t number_of(struct fixture *f, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *statement;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int64_t number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

struct one {
	bool found, has_log;
	char log[64];
	uint32_t log_bytes;
	char facts[1024];
	uint64_t row_id;
};

FX_UNUSED int see_one(void *context, const struct rw_event_row *row)
{
	struct one *one = context;

	assert_false(one->found);
	one->found = true;
	one->has_log = row->has_log;
	one->log_bytes = row->log_bytes;
	one->row_id = row->row_id;
	assert_true(row->log_size < sizeof(one->log));
	assert_int_equal(row->log != NULL, row->has_log);
	if (row->log != NULL)
		memcpy(one->log, row->log, row->log_size);
	snprintf(one->facts, sizeof(one->facts), "%s", row->facts);
	return 0;
}

FX_UNUSED struct one ask_one(struct fixture *f, const char *host, const uint8_t spool[16],
			     uint64_t sequence)
{
	struct rw_store_reader *reader;
	struct one one = {0};

	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	assert_int_equal(rw_store_reader_event(reader, host, spool, sequence, see_one, &one), 0);
	rw_store_reader_close(reader);
	return one;
}

FX_UNUSED struct rw_store_stats stats_of(struct fixture *f)
{
	struct rw_store_stats stats;

	rw_store_stats(f->store, &stats);
	return stats;
}

enum { A_DAY_MS = 24 * 60 * 60 * 1000 };

FX_UNUSED void write_at(const char *path, off_t at, const char *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, length, at), (ssize_t)length);
	close(fd);
}

FX_UNUSED off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

FX_UNUSED void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

FX_UNUSED void sweep(struct fixture *f, uint64_t now_ms, uint64_t before_ms)
{
	struct rw_journal *journal;
	uint64_t cursor = 0;

	close_store(f);
	assert_int_equal(rw_journal_open(f->path, &journal, f->error), 0);
	do {
		assert_int_equal(rw_journal_sweep(journal, now_ms, before_ms, &cursor), 0);
	} while (cursor != 0);
	rw_journal_close(journal);
	assert_int_equal(open_store(f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
