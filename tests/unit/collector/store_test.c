/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: what was said to be on disk is there after a restart, once each,
 * whatever happens in between; a file that is not ours or not whole is refused
 * and left alone.
 */
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

static const uint8_t spool_a[16] = {0xaa, 1, 2, 3};
enum { NOW_MS = 20000 };

static const uint8_t spool_b[16] = {0xbb, 1, 2, 3};
static const char boot[] = "00000000-0000-4000-8000-000000000001";

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

static void on_committed(void *context, uint64_t sequence)
{
	struct fixture *f = context;

	pthread_mutex_lock(&f->lock);
	f->went_back |= sequence <= f->committed;
	f->committed = sequence;
	f->commits++;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void on_failed(void *context, const char *reason)
{
	struct fixture *f = context;

	pthread_mutex_lock(&f->lock);
	f->failures++;
	snprintf(f->error, sizeof(f->error), "%s", reason);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void on_recovered(void *context)
{
	struct fixture *f = context;

	pthread_mutex_lock(&f->lock);
	f->recoveries++;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static int open_store(struct fixture *f)
{
	const struct rw_store_callbacks callbacks = {f, on_committed, on_failed, on_recovered};

	f->committed = 0;
	return rw_store_open(f->path, 0, &callbacks, &f->store, f->error);
}

static void close_store(struct fixture *f)
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

static int setup(void **state)
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

static int teardown(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
	struct fixture *f = *state;

	rw_store_close(f->store);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->folder), 0);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return 0;
}

/* ---- rows to push ------------------------------------------------------------------ */

static struct rw_change host_change(const char *id, enum rw_presence was, enum rw_presence now)
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

static struct rw_change deployment_change(void)
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

static struct rw_change run_change(bool open)
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

static struct rw_change exposure_change(const char *host, uint64_t boot_order, uint64_t boot_ms)
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

static struct rw_change evidence_change(const char *host, const char *event)
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

static Ringwatch__V1__Event event_of(uint64_t sequence, char *signature)
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

static uint64_t push_event(struct fixture *f, const char *host, const uint8_t spool[16],
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

static uint64_t tell(struct fixture *f, struct told told)
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

static uint64_t push(struct fixture *f, struct rw_change change)
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

static int keep_row(void *context, const struct rw_change *row)
{
	struct loaded *l = context;

	assert_true(l->count < 64);
	l->rows[l->count++] = *row;
	return 0;
}

static int keep_mark(void *context, const char *host, const uint8_t spool_id[16], uint64_t sequence)
{
	struct loaded *l = context;

	if (strcmp(host, "h1") != 0)
		return 0;
	l->marks[memcmp(spool_id, spool_a, 16) == 0 ? 0 : 1] = sequence;
	return 0;
}

static void load(struct fixture *f, struct loaded *out)
{
	const struct rw_store_loader loader = {out, keep_row, keep_mark};

	memset(out, 0, sizeof(*out));
	assert_int_equal(rw_store_load(f->store, &loader, f->error), 0);
}

static void reopen(struct fixture *f)
{
	close_store(f);
	assert_int_equal(open_store(f), 0);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void all_that_was_pushed_comes_back_in_the_order_of_a_restore(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	struct rw_change exposure = exposure_change("h1", 10, 500);
	struct rw_change deployment = deployment_change();
	struct rw_change host = host_change("h1", RW_UNKNOWN, RW_PLANNED);
	push(f, deployment);
	push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	push(f, host_change("a-later-one", RW_UNKNOWN, RW_ONLINE));
	push(f, host);
	push(f, run_change(false));
	push(f, exposure);
	push(f, evidence_change("h1", ""));
	push(f, evidence_change("h1", "h1/aa/1"));
	push(f, run_change(true));
	reopen(f);
	load(f, &l);

	assert_int_equal(l.count, 6);
	assert_int_equal(l.rows[0].type, RW_CHANGE_DEPLOYMENT);
	assert_memory_equal(&l.rows[0].deployment, &deployment.deployment,
			    sizeof(deployment.deployment));
	assert_int_equal(l.rows[1].type, RW_CHANGE_HOST);
	host.host.previous = host.host.presence;
	assert_memory_equal(&l.rows[1].host, &host.host, sizeof(host.host));
	assert_string_equal(l.rows[2].host.id, "a-later-one");
	assert_int_equal(l.rows[3].type, RW_CHANGE_RUN);
	struct rw_run_row run = run_change(true).run;
	assert_memory_equal(&l.rows[3].run, &run, sizeof(run));
	assert_int_equal(l.rows[4].type, RW_CHANGE_EXPOSURE);
	assert_memory_equal(&l.rows[4].exposure, &exposure.exposure, sizeof(exposure.exposure));
	assert_int_equal(l.rows[5].type, RW_CHANGE_EVIDENCE);
	/* One line a host and kind: that with the event took the place of that without. */
	assert_string_equal(l.rows[5].evidence.event, "h1/aa/1");
}

static void a_reset_clears_the_evidence_of_its_run_only(void **state)
{
	struct fixture *f = *state;
	struct rw_change other = evidence_change("h2", "");
	struct rw_change cleared = run_change(false);
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	snprintf(other.evidence.ring, sizeof(other.evidence.ring), "ring1");
	cleared.type = RW_CHANGE_EVIDENCE_CLEARED;
	push(f, evidence_change("h1", ""));
	push(f, other);
	push(f, cleared);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.rows[0].evidence.host, "h2");
}

static void commits_are_told_in_order_and_up_to_the_last(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 5000; i++) {
		last = push_event(f, "h1", spool_a, i, false);
		assert_int_equal(last, i);
	}
	WAIT_FOR(f, f->committed == last);
	assert_false(f->went_back);
	assert_true(f->commits >= 5); /* batches are bounded */

	struct rw_store_stats stats;
	rw_store_stats(f->store, &stats);
	assert_int_equal(stats.pushed, 5000);
	assert_int_equal(stats.committed, 5000);
	assert_int_equal(stats.queued, 0);
}

static void a_group_is_on_disk_as_a_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	assert_int_equal(open_store(f), 0);
	uint64_t before = push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	rw_store_group_begin(f->store);
	for (int i = 0; i < 2500; i++) { /* more than a batch holds */
		char name[32];
		snprintf(name, sizeof(name), "x%d", i);
		last = push(f, exposure_change(name, 1, 1));
	}
	WAIT_FOR(f, f->committed == before);
	unsigned commits = f->commits;
	struct rw_store_stats stats;
	rw_store_stats(f->store, &stats);
	assert_int_equal(stats.queued, 2500);
	rw_store_group_end(f->store);
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(f->commits, commits + 1);
}

static void marks_rise_with_events_and_never_fall(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	push_event(f, "h1", spool_a, 7, false);
	push_event(f, "h1", spool_a, 9, false);
	push_event(f, "h1", spool_b, 2, true); /* over quota, and yet taken */
	push_event(f, "h1", spool_a, 8, false);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.marks[0], 9);
	assert_int_equal(l.marks[1], 2);
}

static void a_host_that_remakes_its_spool_does_not_fill_the_disk(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;
	uint8_t spool[16] = {0};

	assert_int_equal(open_store(f), 0);
	for (uint8_t i = 0; i < 100; i++) {
		spool[15] = i;
		push_event(f, "h1", spool, 1 + i, false);
	}
	reopen(f);

	sqlite3 *db;
	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*), max(sequence) FROM spools", -1,
					    &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(statement, 0), 8);
	assert_int_equal(sqlite3_column_int(statement, 1), 100);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	load(f, &l);
}

struct seen {
	size_t count;
	uint64_t row_ids[32];
	uint64_t sequences[32];
	uint32_t last_count;
	char last_signature[64], last_stack[64], last_spool[64], last_comm[32];
	int32_t last_error;
};

static int see_event(void *context, const struct rw_event_row *row)
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

static struct seen ask(struct fixture *f, const struct rw_event_query *query)
{
	struct rw_store_reader *reader;
	struct seen seen = {0};

	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	assert_int_equal(rw_store_reader_events(reader, query, see_event, &seen), 0);
	rw_store_reader_close(reader);
	return seen;
}

static void what_is_over_quota_is_one_row_that_counts(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 50; i++)
		push_event(f, "h1", spool_a, i, true);
	last = push_event(f, "h2", spool_a, 1, true);
	WAIT_FOR(f, f->committed == last);
	struct seen seen = ask(f, &(struct rw_event_query){.host = "h1"});
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last_count, 50);
	assert_string_equal(seen.last_signature, "over quota");
	assert_int_equal(ask(f, &(struct rw_event_query){0}).count, 2);
}

static void readers_filter_and_page_newest_first(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 10; i++)
		push_event(f, i % 2 == 1 ? "h1" : "h2", spool_a, i, false);
	/* Exposed in boot 10 at its 500th millisecond: h1's events 5, 7 and 9 came after. */
	push(f, deployment_change());
	uint64_t last = push(f, exposure_change("h1", 10, 500));
	WAIT_FOR(f, f->committed == last);

	struct seen all = ask(f, &(struct rw_event_query){.limit = 4});
	assert_int_equal(all.count, 4);
	assert_int_equal(all.sequences[0], 10);
	assert_int_equal(all.sequences[3], 7);
	struct seen next = ask(f, &(struct rw_event_query){.limit = 4, .cursor = all.row_ids[3]});
	assert_int_equal(next.sequences[0], 6);
	assert_string_equal(next.last_stack, "a+0x1\nb+0x2 [m]");
	assert_string_equal(next.last_spool, "aa010203000000000000000000000000");
	assert_string_equal(next.last_comm, "it's");
	assert_int_equal(next.last_error, -22);

	assert_int_equal(ask(f, &(struct rw_event_query){.host = "h2"}).count, 5);
	assert_int_equal(ask(f, &(struct rw_event_query){.ring = "ring9"}).count, 0);
	assert_int_equal(ask(f, &(struct rw_event_query){.kind = "oops"}).count, 10);
	assert_int_equal(ask(f, &(struct rw_event_query){.signature = "oops:f+0x1:m"}).count, 10);
	assert_int_equal(ask(f, &(struct rw_event_query){.signature = "x' OR '1'='1"}).count, 0);
	struct seen some =
		ask(f, &(struct rw_event_query){.since_wall_ms = 3000, .until_wall_ms = 5000});
	assert_int_equal(some.count, 3);
	struct seen of = ask(f, &(struct rw_event_query){.deployment = "d1"});
	assert_int_equal(of.count, 3);
	assert_int_equal(of.sequences[2], 5);
}

/* ---- logs, facts and quotas of a day ------------------------------------------------------ */

static int64_t number_of(struct fixture *f, const char *sql)
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

static int see_one(void *context, const struct rw_event_row *row)
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

static struct one ask_one(struct fixture *f, const char *host, const uint8_t spool[16],
			  uint64_t sequence)
{
	struct rw_store_reader *reader;
	struct one one = {0};

	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	assert_int_equal(rw_store_reader_event(reader, host, spool, sequence, see_one, &one), 0);
	rw_store_reader_close(reader);
	return one;
}

static struct rw_store_stats stats_of(struct fixture *f)
{
	struct rw_store_stats stats;

	rw_store_stats(f->store, &stats);
	return stats;
}

static void a_log_is_kept_with_the_event_that_it_is_about(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	tell(f, (struct told){.sequence = 1});
	tell(f, (struct told){.sequence = 2, .log = "of itself"});
	tell(f, (struct told){.sequence = 1, .spool = spool_b});
	tell(f, (struct told){.sequence = 3, .about = 1, .log = "the first"});
	tell(f, (struct told){.sequence = 4, .about = 1, .log = "one too late"});
	tell(f, (struct told){.sequence = 5, .about = 2, .log = "one too many"});
	tell(f, (struct told){.sequence = 6, .about = 7, .log = "one too early"});
	tell(f, (struct told){.sequence = 1, .host = "h2", .about = 2, .log = "another's"});
	uint64_t last = tell(f, (struct told){.sequence = 7});
	WAIT_FOR(f, f->committed == last);

	assert_int_equal(ask(f, &(struct rw_event_query){0}).count, 4); /* no excerpt is a row */
	struct one one = ask_one(f, "h1", spool_a, 1);
	assert_true(one.has_log);
	assert_string_equal(one.log, "the first");
	assert_int_equal(one.log_bytes, 1000);
	assert_string_equal(ask_one(f, "h1", spool_a, 2).log, "of itself");
	assert_false(ask_one(f, "h1", spool_b, 1).has_log);
	assert_false(ask_one(f, "h1", spool_a, 7).has_log);
	assert_false(ask_one(f, "h1", spool_a, 3).found);
	assert_int_equal(stats_of(f).excerpts_kept, 2);
	assert_int_equal(stats_of(f).excerpts_unmatched, 4);
	assert_int_equal(stats_of(f).excerpts_over_quota, 0);

	/* The mark rises over an excerpt, whatever became of it. */
	tell(f, (struct told){.sequence = 8, .about = 7, .log = "kept"});
	tell(f, (struct told){.sequence = 9, .about = 7, .log = "dropped"});
	reopen(f);
	load(f, &l);
	assert_int_equal(l.marks[0], 9);
}

static void a_row_that_only_counts_has_no_log(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	tell(f, (struct told){.sequence = 1, .over_quota = true, .log = "x"});
	tell(f, (struct told){.sequence = 2, .about = 1, .log = "x"});
	tell(f, (struct told){.sequence = 3});
	uint64_t last =
		tell(f, (struct told){.sequence = 4, .about = 3, .log = "x", .over_quota = true});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), 0);
	assert_int_equal(stats_of(f).excerpts_unmatched, 1);
	assert_int_equal(stats_of(f).excerpts_over_quota, 1);
}

enum { A_DAY_MS = 24 * 60 * 60 * 1000 };

static void a_host_has_so_many_logs_a_day_of_each_severity(void **state)
{
	struct fixture *f = *state;
	const Ringwatch__V1__Severity warning = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	uint64_t at = 0, last = 0;

	assert_int_equal(open_store(f), 0);
	for (int i = 0; i < 70; i++) {
		uint64_t about = ++at;
		tell(f, (struct told){.sequence = about, .severity = warning});
		last = tell(f, (struct told){.sequence = ++at, .about = about, .log = "x"});
	}
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), RW_STORE_EXCERPTS_A_DAY);
	assert_int_equal(stats_of(f).excerpts_over_quota, 6);

	/* What kills the host still has room, and so has another host, and tomorrow. */
	last = tell(f, (struct told){.sequence = ++at, .log = "critical"});
	WAIT_FOR(f, f->committed == last);
	assert_true(ask_one(f, "h1", spool_a, at).has_log);
	tell(f, (struct told){.sequence = 1, .host = "h2", .severity = warning, .log = "another"});
	last = tell(f, (struct told){.sequence = ++at,
				     .severity = warning,
				     .log = "tomorrow",
				     .received_ms = A_DAY_MS});
	WAIT_FOR(f, f->committed == last);
	assert_true(ask_one(f, "h2", spool_a, 1).has_log);
	assert_true(ask_one(f, "h1", spool_a, at).has_log);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events"), 70 + 3); /* none is lost */
}

static void a_host_has_so_many_signatures_a_day_of_each_severity(void **state)
{
	struct fixture *f = *state;
	const Ringwatch__V1__Severity warning = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	char signature[32];
	uint64_t at = 0;

	assert_int_equal(open_store(f), 0);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			snprintf(signature, sizeof(signature), "warning:f%d", i);
			tell(f, (struct told){.sequence = ++at,
					      .severity = warning,
					      .signature = signature});
		}
	}
	tell(f, (struct told){.sequence = ++at, .signature = "oops:new"});
	tell(f, (struct told){.sequence = 1, .host = "h2", .signature = "warning:f99"});
	uint64_t last = tell(f, (struct told){.sequence = ++at,
					      .severity = warning,
					      .signature = "warning:f99",
					      .received_ms = A_DAY_MS});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events WHERE host='h1'"
				      " AND signature GLOB 'warning:f*' AND received_wall_ms=0"),
			 2 * RW_STORE_SIGNATURES_A_DAY);
	/* The rest is one row, with its count. */
	assert_int_equal(number_of(f, "SELECT count(*) FROM events WHERE signature='over quota'"),
			 1);
	assert_int_equal(number_of(f, "SELECT count FROM events WHERE signature='over quota'"),
			 2 * (100 - RW_STORE_SIGNATURES_A_DAY));
	assert_int_equal(stats_of(f).signatures_over_quota, 2 * (100 - RW_STORE_SIGNATURES_A_DAY));
	struct seen seen = ask(f, &(struct rw_event_query){.signature = "oops:new"});
	assert_int_equal(seen.count, 1);
	seen = ask(f, &(struct rw_event_query){.signature = "warning:f99"});
	assert_int_equal(seen.count, 2);
}

static void facts_are_kept_as_they_were_said(void **state)
{
	struct fixture *f = *state;
	static char longest[RW_FACT_VALUE_MAX + 1];
	struct told full = {.sequence = 3};

	memset(longest, 1, sizeof(longest) - 1);
	for (size_t i = 0; i < RW_FACTS_MAX; i++)
		full.values[i] = longest;
	assert_int_equal(open_store(f), 0);
	tell(f, (struct told){.sequence = 1});
	tell(f, (struct told){.sequence = 2,
			      .values = {"null_dereference", "0x0",
					 "a \"quote\" \\ \n\x1f\x7f \xc3\xa9"}});
	uint64_t last = tell(f, full);
	WAIT_FOR(f, f->committed == last);
	assert_string_equal(ask_one(f, "h1", spool_a, 1).facts, "{}");
	assert_string_equal(ask_one(f, "h1", spool_a, 2).facts,
			    "{\"type\":\"null_dereference\",\"address\":\"0x0\",\"error_code\":"
			    "\"a \\\"quote\\\" \\\\ \\u000a\\u001f\x7f \xc3\xa9\"}");
	assert_int_equal(number_of(f, "SELECT json_valid(facts) FROM events WHERE sequence=3"), 1);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events, json_each(facts)"
				      " WHERE sequence=3 AND length(value)=96"),
			 RW_FACTS_MAX);
}

static int count_audit(void *context, const struct rw_audit_read *row)
{
	size_t *count = context;

	if (*count == 0)
		assert_string_equal(row->action, "deploy_finish");
	assert_string_equal(row->actor, "argo");
	(*count)++;
	return 0;
}

static int count_transition(void *context, const struct rw_transition_read *row)
{
	size_t *count = context;

	if (*count == 0) {
		assert_string_equal(row->from, "online");
		assert_string_equal(row->to, "suspect");
	}
	(*count)++;
	return 0;
}

static void audit_and_transitions_can_be_read(void **state)
{
	struct fixture *f = *state;
	struct rw_audit_row row = {1000, "argo", "deploy_start", "deployment=d1 ring=ring0", ""};
	struct rw_store_reader *reader;
	size_t audits = 0, transitions = 0;

	assert_int_equal(open_store(f), 0);
	assert_true(rw_store_push_audit(f->store, &row) > 0);
	row.action = "deploy_finish";
	assert_true(rw_store_push_audit(f->store, &row) > 0);
	push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	push(f, host_change("h1", RW_ONLINE, RW_ONLINE)); /* no transition */
	push(f, host_change("h2", RW_UNKNOWN, RW_ONLINE));
	uint64_t last = push(f, host_change("h1", RW_ONLINE, RW_SUSPECT));
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	assert_int_equal(rw_store_reader_audit(reader, 0, 10, count_audit, &audits), 0);
	assert_int_equal(
		rw_store_reader_transitions(reader, "h1", 0, 10, count_transition, &transitions),
		0);
	rw_store_reader_close(reader);
	assert_int_equal(audits, 2);
	assert_int_equal(transitions, 2);
}

static void two_collectors_never_share_a_store(void **state)
{
	struct fixture *f = *state;
	struct rw_store *second = NULL;
	char error[RW_STORE_ERROR_BYTES];

	assert_int_equal(open_store(f), 0);
	assert_int_equal(rw_store_open(f->path, 0, NULL, &second, error), -EBUSY);
	assert_non_null(strstr(error, "another collector"));
	assert_null(second);
}

static void write_at(const char *path, off_t at, const char *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, length, at), (ssize_t)length);
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void a_damaged_file_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	char junk[4096];

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 200; i++)
		push_event(f, "h1", spool_a, i, false);
	close_store(f);
	off_t size = size_of(f->path);
	assert_true(size > 4 * (off_t)sizeof(junk));
	memset(junk, 0x5a, sizeof(junk));
	write_at(f->path, size - 3 * (off_t)sizeof(junk), junk, sizeof(junk));
	assert_int_equal(open_store(f), -EUCLEAN);
	assert_non_null(strstr(f->error, f->path));
	assert_non_null(strstr(f->error, "damaged"));
	assert_int_equal(size_of(f->path), size);
}

static void a_file_that_is_no_database_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	char text[] =
		"these are the minutes of the meeting, and no database at all, whatever its name";
	char back[sizeof(text)];

	write_at(f->path, 0, text, sizeof(text));
	assert_int_equal(open_store(f), -EUCLEAN);
	int fd = open(f->path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), (ssize_t)sizeof(back));
	close(fd);
	assert_memory_equal(back, text, sizeof(text));
	assert_int_equal(size_of(f->path), (off_t)sizeof(text));
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void another_schema_is_refused_by_its_number(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	close_store(f);
	run_sql(f->path, "PRAGMA user_version=4");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(strstr(f->error, "holds store schema 4, this collector needs 3 or 2"));
	assert_null(strstr(f->error, "release"));
	off_t size = size_of(f->path);
	run_sql(f->path, "PRAGMA user_version=1");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(
		strstr(f->error, "holds store schema 1, this collector needs 3 or 2; no release"));
	assert_non_null(strstr(f->error, "move the file away"));
	assert_int_equal(size_of(f->path), size);
}

static void a_database_of_another_program_is_refused(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, "CREATE TABLE addresses (name TEXT)");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(strstr(f->error, "another program"));
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;
	struct rw_store *store;

	assert_int_equal(rw_store_open("/nonexistent/folder/c.db", 0, NULL, &store, f->error),
			 -ENOENT);
	assert_non_null(strstr(f->error, "/nonexistent/folder/c.db"));
}

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_holds_acks_back_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(open_store(f), 0);
	uint64_t good = push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	WAIT_FOR(f, f->committed == good);
	char wal[128];
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	limit_file_size((rlim_t)size_of(wal) + 100);
	push_event(f, "h1", spool_a, 1, false);
	WAIT_FOR(f, f->failures == 1);
	uint64_t last = push_event(f, "h1", spool_a, 2, false);
	assert_true(last > good);
	assert_int_equal(f->committed, good);
	assert_true(f->error[0] != '\0');

	limit_file_size(RLIM_INFINITY);
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(f->failures, 1); /* said once */
	assert_int_equal(f->recoveries, 1);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.marks[0], 2);
	assert_int_equal(ask(f, &(struct rw_event_query){0}).count, 2);
}

/* In a child: pushes without end and writes each committed number to the pipe. */
static int tell_pipe_fd;

static void tell_pipe(void *context, uint64_t sequence)
{
	(void)context;
	if (write(tell_pipe_fd, &sequence, sizeof(sequence)) != (ssize_t)sizeof(sequence))
		_exit(3);
}

static void push_until_killed(struct fixture *f, uint64_t next)
{
	const struct rw_store_callbacks callbacks = {NULL, tell_pipe, NULL, NULL};

	if (rw_store_open(f->path, 0, &callbacks, &f->store, f->error) != 0)
		_exit(2);
	/* The nth push of this life is event number next + n - 1. */
	for (uint64_t i = next;; i++) {
		while (push_event(f, "h1", spool_a, i, false) == 0)
			usleep(100);
	}
}

static void nothing_that_was_told_is_lost_by_a_kill(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;
	uint64_t next = 1, told = 0;

	for (unsigned round = 0; round < 6; round++) {
		int fds[2];
		uint64_t sequence;
		assert_int_equal(pipe(fds), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(fds[0]);
			tell_pipe_fd = fds[1];
			push_until_killed(f, next);
		}
		close(fds[1]);
		unsigned commits =
			1 + round * 3; /* after so many of them, in the midst of the next */
		for (unsigned i = 0; i < commits; i++)
			assert_int_equal(read(fds[0], &sequence, sizeof(sequence)),
					 (ssize_t)sizeof(sequence));
		kill(child, SIGKILL);
		while (read(fds[0], &sequence, sizeof(sequence)) == (ssize_t)sizeof(sequence))
			;
		close(fds[0]);
		assert_int_equal(waitpid(child, NULL, 0), child);
		told = next + sequence - 1;

		assert_int_equal(open_store(f), 0);
		load(f, &l);
		assert_true(l.marks[0] >= told);
		close_store(f);
		next = l.marks[0] + 1;
	}

	/* Each number from 1 to the mark stands there exactly once. */
	sqlite3 *db;
	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
				   "SELECT count(*), count(DISTINCT sequence), min(sequence),"
				   " max(sequence) FROM events",
				   -1, &statement, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	for (int column = 0; column < 4; column++)
		assert_int_equal(sqlite3_column_int64(statement, column),
				 column == 2 ? 1 : (sqlite3_int64)l.marks[0]);
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

static void retention_spares_young_events_and_those_of_active_deployments(void **state)
{
	struct fixture *f = *state;
	struct rw_journal *journal;
	uint64_t cursor = 0;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 10; i++)
		push_event(f, i % 2 == 1 ? "h1" : "h2", spool_a, i, false);
	push(f, deployment_change());
	push(f, exposure_change("h1", 10, 500));
	close_store(f);

	assert_int_equal(rw_journal_open(f->path, &journal, f->error), 0);
	do {
		assert_int_equal(rw_journal_sweep(journal, NOW_MS, 8500, &cursor), 0);
	} while (cursor != 0);
	rw_journal_close(journal);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(ask(f, &(struct rw_event_query){.host = "h1"}).count, 5);
	struct seen young = ask(f, &(struct rw_event_query){.host = "h2"});
	assert_int_equal(young.count, 1);
	assert_int_equal(young.sequences[0], 10);
}

static void sweep(struct fixture *f, uint64_t now_ms, uint64_t before_ms)
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

static void logs_go_with_their_events_and_quotas_with_their_day(void **state)
{
	struct fixture *f = *state;
	const char *const days = "SELECT (SELECT count(*) FROM signatures)"
				 " + (SELECT count(*) FROM excerpt_days)"
				 " + (SELECT count(*) FROM overflows)";

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 6; i++) {
		tell(f, (struct told){.sequence = i, .received_ms = 1000 * i, .log = "x"});
		tell(f, (struct told){.host = "h2", .sequence = i, .over_quota = true});
	}
	sweep(f, 10000, 4500);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events WHERE host='h1'"), 2);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), 2);
	assert_true(ask_one(f, "h1", spool_a, 6).has_log);
	assert_int_equal(number_of(f, days), 3);

	/* Also where all events are kept. Yesterday's quotas stay. */
	sweep(f, A_DAY_MS + 1, 0);
	assert_int_equal(number_of(f, days), 3);
	sweep(f, 2 * (uint64_t)A_DAY_MS, 0);
	assert_int_equal(number_of(f, days), 0);
	assert_int_equal(number_of(f, "SELECT count(*) FROM excerpts"), 2);

	/* A new event may get the row id of one that is gone, and not its log. */
	sweep(f, 2 * (uint64_t)A_DAY_MS, A_DAY_MS);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events"), 0);
	uint64_t last = tell(f, (struct told){.sequence = 7});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(ask_one(f, "h1", spool_a, 7).row_id, 1);
	assert_false(ask_one(f, "h1", spool_a, 7).has_log);
}

/* A row of the quota's that a sweep has taken is made again. */
static void what_is_over_quota_after_a_sweep_counts_anew(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 5; i++)
		tell(f, (struct told){.sequence = i, .over_quota = true, .received_ms = 1000});
	sweep(f, 3000, 2000);
	assert_int_equal(number_of(f, "SELECT count(*) FROM events"), 0);
	tell(f, (struct told){
			.host = "h2", .sequence = 1, .received_ms = 3000}); /* takes its row id */
	tell(f, (struct told){.sequence = 6, .over_quota = true, .received_ms = 3000});
	uint64_t last =
		tell(f, (struct told){.sequence = 7, .over_quota = true, .received_ms = 3000});
	WAIT_FOR(f, f->committed == last);
	assert_int_equal(number_of(f, "SELECT count FROM events WHERE signature='over quota'"), 2);
	assert_int_equal(number_of(f, "SELECT count FROM events WHERE host='h2'"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_that_was_pushed_comes_back_in_the_order_of_a_restore),
		TEST(a_reset_clears_the_evidence_of_its_run_only),
		TEST(commits_are_told_in_order_and_up_to_the_last),
		TEST(a_group_is_on_disk_as_a_whole_or_not_at_all),
		TEST(marks_rise_with_events_and_never_fall),
		TEST(a_host_that_remakes_its_spool_does_not_fill_the_disk),
		TEST(what_is_over_quota_is_one_row_that_counts),
		TEST(a_log_is_kept_with_the_event_that_it_is_about),
		TEST(a_row_that_only_counts_has_no_log),
		TEST(a_host_has_so_many_logs_a_day_of_each_severity),
		TEST(a_host_has_so_many_signatures_a_day_of_each_severity),
		TEST(facts_are_kept_as_they_were_said),
		TEST(readers_filter_and_page_newest_first),
		TEST(audit_and_transitions_can_be_read),
		TEST(two_collectors_never_share_a_store),
		TEST(a_damaged_file_is_refused_and_left_as_it_is),
		TEST(a_file_that_is_no_database_is_refused_and_left_as_it_is),
		TEST(another_schema_is_refused_by_its_number),
		TEST(a_database_of_another_program_is_refused),
		TEST(a_folder_that_is_not_there_is_named),
		TEST(a_full_disk_holds_acks_back_and_loses_nothing),
		TEST(nothing_that_was_told_is_lost_by_a_kill),
		TEST(retention_spares_young_events_and_those_of_active_deployments),
		TEST(logs_go_with_their_events_and_quotas_with_their_day),
		TEST(what_is_over_quota_after_a_sweep_counts_anew),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
