/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper on a disk that is full, read-only, broken, slow, or never answers.
 * What must be true for a user: the sensor never waits for the disk, no event is
 * told under a number that another one has, none is lost without being counted,
 * and what is told from the disk survives a power cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "sensor/keeper.h"
#include "sensor/pack.h"

enum { WAIT_MS = 20000, NUMBERS_MAX = 20000, IDS_MAX = 64 };

#define CRITICAL RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL
#define WARNING RINGWATCH__V1__SEVERITY__SEVERITY_WARNING
#define INFO RINGWATCH__V1__SEVERITY__SEVERITY_INFO
#define IN_MEMORY RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY
#define ON_DISK RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK

static const char boot[] = "11111111-2222-3333-4444-555555555555";
static char folder[64];
static char notice[RW_SPOOL_ERROR_BYTES];
static struct rw_keeper *keeper;
static uint64_t now_ms;
static struct rw_keeper_config config;

/* ---- the disk ---------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int error;           /* of writing */
	int read_error;      /* of reading */
	int next_sync_error; /* of one sync */
	bool hold;           /* a sync does not return */
	uint32_t held;       /* that wait now */
	uint32_t reads;
	uint32_t syncs;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int disk_error(const int *which)
{
	pthread_mutex_lock(&disk.lock);
	int err = *which;
	pthread_mutex_unlock(&disk.lock);
	return err;
}

static ssize_t disk_read(void *context, int fd, void *out, size_t length, off_t offset)
{
	(void)context;
	pthread_mutex_lock(&disk.lock);
	disk.reads++;
	pthread_mutex_unlock(&disk.lock);
	errno = disk_error(&disk.read_error);
	return errno != 0 ? -1 : pread(fd, out, length, offset);
}

static ssize_t disk_write(void *context, int fd, const void *bytes, size_t length, off_t offset)
{
	(void)context;
	errno = disk_error(&disk.error);
	return errno != 0 ? -1 : pwrite(fd, bytes, length, offset);
}

static int disk_sync(void *context, int fd)
{
	(void)context;
	(void)fd;
	pthread_mutex_lock(&disk.lock);
	disk.syncs++;
	disk.held++;
	pthread_cond_broadcast(&disk.changed);
	while (disk.hold)
		pthread_cond_wait(&disk.changed, &disk.lock);
	disk.held--;
	int once = disk.next_sync_error;
	disk.next_sync_error = 0;
	pthread_mutex_unlock(&disk.lock);
	errno = once != 0 ? once : disk_error(&disk.error);
	return errno != 0 ? -1 : 0;
}

static const struct rw_spool_disk sick_disk = {NULL, disk_read, disk_write, disk_sync};

static void set_error(int error)
{
	pthread_mutex_lock(&disk.lock);
	disk.error = error;
	pthread_mutex_unlock(&disk.lock);
}

static void set_hold(bool hold)
{
	pthread_mutex_lock(&disk.lock);
	disk.hold = hold;
	pthread_cond_broadcast(&disk.changed);
	pthread_mutex_unlock(&disk.lock);
}

static void wait_until_held(void)
{
	pthread_mutex_lock(&disk.lock);
	while (disk.held == 0)
		pthread_cond_wait(&disk.changed, &disk.lock);
	pthread_mutex_unlock(&disk.lock);
}

/* ---- the collector's side ------------------------------------------------------------- */

static struct {
	uint32_t times[NUMBERS_MAX]; /* that each event was told */
	uint64_t excerpt_about;      /* of the last log excerpt */
	uint64_t lost;               /* by events_lost events */
	uint32_t told;
	uint32_t ids;
	struct {
		uint8_t id[RW_SPOOL_ID_BYTES];
		uint64_t acked;
		uint32_t number_of[NUMBERS_MAX * 4]; /* by sequence; +1 */
	} id[IDS_MAX];
} seen;

static uint32_t index_of(const uint8_t *id)
{
	for (uint32_t i = 0; i < seen.ids; i++) {
		if (memcmp(seen.id[i].id, id, RW_SPOOL_ID_BYTES) == 0)
			return i;
	}
	assert_true(seen.ids < IDS_MAX);
	memcpy(seen.id[seen.ids].id, id, RW_SPOOL_ID_BYTES);
	return seen.ids++;
}

static void take(uint32_t id, uint64_t sequence, const uint8_t *packed, size_t length)
{
	static struct rw_event e;
	unsigned number = 0;

	assert_int_equal(rw_event_unpack(packed, length, &e, NULL), 0);
	assert_true(sequence < sizeof(seen.id[0].number_of) / sizeof(uint32_t));
	bool lost = e.kind == RINGWATCH__V1__KIND__KIND_EVENTS_LOST;
	if (!lost)
		assert_int_equal(sscanf(e.detail, "number %u", &number), 1);
	uint32_t *known = &seen.id[id].number_of[sequence];
	uint32_t mark = lost ? UINT32_MAX : number + 1;
	if (*known != 0) { /* it came again, and must be the same */
		assert_int_equal(*known, mark);
		return;
	}
	*known = mark;
	if (lost) {
		assert_int_equal(strtoul(rw_event_fact(&e, RINGWATCH__V1__FACT_NAME__FACT_EVICTED),
					 NULL, 10),
				 e.count);
		seen.lost += e.count;
		return;
	}
	seen.times[number]++;
	seen.told++;
	if (e.kind == RINGWATCH__V1__KIND__KIND_LOG_EXCERPT)
		seen.excerpt_about = e.about;
}

/* Takes at most `most` events that can be had at once; acks them when it is told to. */
static uint32_t collect(uint32_t most, bool acks)
{
	uint32_t generation = rw_keeper_generation(keeper);
	uint32_t id = index_of(rw_keeper_spool_id(keeper));
	uint64_t after = seen.id[id].acked;
	const uint8_t *packed;
	uint32_t count = 0;
	uint64_t sequence;
	size_t length;

	while (count < most && rw_keeper_next(keeper, after, &sequence, &packed, &length) == 0) {
		assert_true(sequence > after);
		take(id, sequence, packed, length);
		after = sequence;
		count++;
	}
	if (acks && count > 0) {
		assert_int_equal(rw_keeper_ack(keeper, after), 0);
		seen.id[id].acked = after;
	}
	assert_int_equal(rw_keeper_generation(keeper), generation);
	return count;
}

/* ---- the sensor's side ------------------------------------------------------------------ */

static uint64_t run_at(uint64_t at_ms)
{
	now_ms = at_ms;
	return rw_keeper_run(keeper, now_ms);
}

/* Takes the results of what the thread is doing now. */
static void wait_for_result(void)
{
	struct pollfd p = {.fd = rw_keeper_descriptor(keeper), .events = POLLIN};

	if (poll(&p, 1, WAIT_MS) != 1)
		fail_msg("the thread says nothing");
	rw_keeper_run(keeper, now_ms);
}

static void settle(void)
{
	while (!rw_keeper_is_settled(keeper))
		wait_for_result();
}

static void collect_all(void)
{
	uint32_t idle = 0;

	while (idle < 2) {
		settle();
		idle = collect(UINT32_MAX, true) == 0 ? idle + 1 : 0;
		if (idle > 0 && !rw_keeper_is_drained(keeper)) {
			wait_for_result();
			idle = 0;
		}
		rw_keeper_run(keeper, now_ms);
	}
}

/* The disk works again; the clock goes on until the keeper has noticed. */
static void heal(void)
{
	struct pollfd p = {.fd = rw_keeper_descriptor(keeper), .events = POLLIN};

	set_error(0);
	set_hold(false);
	for (;;) {
		uint64_t next_ms = run_at(now_ms);
		if (rw_keeper_state(keeper) == ON_DISK)
			return;
		/* what is due at a time comes when the clock is moved there */
		if (poll(&p, 1, next_ms == UINT64_MAX ? WAIT_MS : 2) == 0)
			run_at(now_ms + 500);
	}
}

static struct rw_event make_event(Ringwatch__V1__Severity severity, unsigned number)
{
	struct rw_event e = {
		.kind = RINGWATCH__V1__KIND__KIND_WARNING,
		.severity = severity,
		.source = RINGWATCH__V1__SOURCE__SOURCE_BPF,
		.boot_order = 3,
		.boot_ms = now_ms,
		.count = 1,
		.signature = "warning:x+0x1:m",
	};

	memcpy(e.boot_id, boot, sizeof(boot));
	snprintf(e.detail, sizeof(e.detail), "number %u", number);
	return e;
}

static uint64_t put(Ringwatch__V1__Severity severity, unsigned number)
{
	struct rw_event e = make_event(severity, number);

	assert_true(rw_keeper_put(keeper, &e, UINT64_MAX, now_ms));
	return e.sequence;
}

static uint64_t put_excerpt(unsigned number, uint64_t about)
{
	struct rw_event e = make_event(INFO, number);

	e.kind = RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;
	e.about = about;
	assert_true(rw_keeper_put(keeper, &e, UINT64_MAX, now_ms));
	return e.sequence;
}

static void start_keeper(void)
{
	if (rw_keeper_open(&config, &keeper, notice) != 0)
		fail_msg("open: %s", notice);
	assert_int_equal(rw_keeper_start(keeper), 0);
}

static void stop_keeper(void)
{
	rw_keeper_close(keeper);
	keeper = NULL;
}

static int set_up(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	set_error(0);
	set_hold(false);
	disk.read_error = 0;
	now_ms = 1000000;
	snprintf(folder, sizeof(folder), "/tmp/ringwatch-keeper-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	config = (struct rw_keeper_config){
		.folder = folder, .max_bytes = RW_SPOOL_BYTES_MIN, .disk = &sick_disk};
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"spool", "spool.new", "spool.damaged-1", "lock",
					    "boot.state"};
	char path[128];

	(void)state;
	set_error(0);
	set_hold(false);
	rw_keeper_close(keeper);
	keeper = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

/* ---- a disk that works ---------------------------------------------------------------- */

static void test_what_is_put_is_offered_and_acked(void **state)
{
	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(put(WARNING, i), i + 1);
	settle();
	assert_int_equal(rw_keeper_pending(keeper), 50);
	assert_int_equal(collect(20, true), 20);
	assert_int_equal(rw_keeper_acked(keeper), 20);
	stop_keeper();

	start_keeper();
	assert_int_equal(rw_keeper_acked(keeper), 20);
	assert_int_equal(rw_keeper_pending(keeper), 30);
	collect_all();
	assert_int_equal(seen.told, 50);
	assert_int_equal(seen.ids, 1);
	assert_true(rw_keeper_is_drained(keeper));
	assert_int_equal(rw_keeper_pending(keeper), 0);
	assert_int_equal(put(WARNING, 50), 51);
}

/* What the start itself has to tell is written before there is a thread. */
static void test_before_the_start_it_writes_at_once(void **state)
{
	(void)state;
	assert_int_equal(rw_keeper_open(&config, &keeper, notice), 0);
	assert_string_equal(notice, "");
	assert_non_null(rw_keeper_spool(keeper));
	assert_int_equal(put(WARNING, 0), 1);
	assert_int_equal(rw_spool_pending(rw_keeper_spool(keeper)), 1);
	assert_int_equal(rw_keeper_start(keeper), 0);
	assert_null(rw_keeper_spool(keeper));
	assert_int_equal(put(WARNING, 1), 2);
	collect_all();
	assert_int_equal(seen.times[0], 1);
	assert_int_equal(seen.times[1], 1);
}

static void test_nothing_is_offered_before_it_is_durable(void **state)
{
	(void)state;
	start_keeper();
	set_hold(true);
	put(WARNING, 0);
	wait_until_held();
	rw_keeper_run(keeper, now_ms);
	assert_int_equal(collect(1, false), 0);
	assert_false(rw_keeper_is_settled(keeper));
	assert_false(rw_keeper_is_drained(keeper));
	set_hold(false);
	wait_for_result();
	assert_int_equal(collect(1, false), 1);
}

/* One hop from put to sent: what has become durable is at hand. */
static void test_the_newest_is_not_read_back(void **state)
{
	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 20; i++) {
		uint32_t reads = disk.reads;
		put(CRITICAL, i);
		settle();
		assert_int_equal(disk.reads, reads);
		assert_int_equal(collect(UINT32_MAX, true), 1);
		wait_for_result(); /* the ack */
	}
}

static void test_idle_it_never_wakes_up(void **state)
{
	(void)state;
	start_keeper();
	put(CRITICAL, 0);
	collect_all();
	while (run_at(now_ms) != UINT64_MAX)
		wait_for_result();
	assert_true(run_at(now_ms + 86400000) == UINT64_MAX);
}

/* More than memory holds, read in pages, with acks that lag behind. */
static void test_a_long_spool_comes_out_in_order(void **state)
{
	(void)state;
	config.max_bytes = 8 * 1024 * 1024;
	start_keeper();
	for (unsigned i = 0; i < 2000; i++) {
		struct rw_event e = make_event(WARNING, i);
		memset(e.symbol, 'x', 100);
		while (!rw_keeper_has_room(keeper))
			wait_for_result();
		assert_true(rw_keeper_put(keeper, &e, UINT64_MAX, now_ms));
	}
	settle();
	assert_int_equal(rw_keeper_state(keeper), ON_DISK);
	uint32_t pages = 0;
	while (seen.told < 2000) {
		if (collect(300, pages % 3 == 2) == 0)
			wait_for_result();
		else
			pages++;
	}
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(seen.times[i], 1);
	collect_all();
	assert_true(rw_keeper_is_drained(keeper));
}

static void test_a_new_id_keeps_what_waits(void **state)
{
	uint8_t id[RW_SPOOL_ID_BYTES];

	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 5; i++)
		put(WARNING, i);
	settle();
	assert_int_equal(collect(2, true), 2);
	assert_int_equal(rw_keeper_ack(keeper, 6), -ERANGE);
	memcpy(id, rw_keeper_spool_id(keeper), sizeof(id));
	uint32_t generation = rw_keeper_generation(keeper);
	assert_int_equal(rw_keeper_renew(keeper), 0);
	assert_int_equal(rw_keeper_renew(keeper), 0); /* once is enough */
	put(WARNING, 5);
	while (rw_keeper_generation(keeper) == generation)
		wait_for_result();
	collect_all();
	assert_int_equal(rw_keeper_generation(keeper), generation + 1);
	assert_memory_not_equal(rw_keeper_spool_id(keeper), id, sizeof(id));
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(seen.times[i], 1);
}

static void test_what_is_too_old_goes_and_is_counted(void **state)
{
	struct rw_boot_state boot_state = {.boot_order = 3, .log_sequence = UINT64_MAX};

	(void)state;
	memcpy(boot_state.boot_id, boot, sizeof(boot));
	config.max_age_ms = 3600000;
	start_keeper();
	rw_keeper_save_state(keeper, &boot_state, now_ms);
	for (unsigned i = 0; i < 5; i++)
		put(CRITICAL, i);
	settle();
	uint64_t due_ms = run_at(now_ms);
	assert_in_range(due_ms, now_ms + 3600000, now_ms + 3600000 + 3600000 / 8);
	now_ms += 1800000;
	put(CRITICAL, 5);
	settle();
	assert_true(run_at(due_ms - 1) == due_ms);
	run_at(due_ms);
	wait_for_result();
	assert_int_equal(rw_keeper_losses(keeper).evicted, 5);
	collect_all();
	assert_int_equal(seen.told, 1);
	assert_int_equal(seen.times[5], 1);
	assert_int_equal(seen.lost, 5);
}

/* The spool fills up while nobody listens: what went is told in the right place. */
static void test_a_full_spool_counts_what_goes(void **state)
{
	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 1500; i++) {
		put(i % 100 == 0 ? CRITICAL : INFO, i);
		if (i % 16 == 0)
			settle();
	}
	settle();
	assert_int_equal(rw_keeper_state(keeper), ON_DISK);
	uint64_t evicted = rw_keeper_losses(keeper).evicted;
	assert_true(evicted > 500);
	collect_all();
	assert_int_equal(seen.told + seen.lost, 1500);
	assert_int_equal(seen.lost, evicted);
	assert_int_equal(rw_keeper_losses(keeper).unwritten, 0);
	for (unsigned i = 0; i < 1500; i += 100)
		assert_int_equal(seen.times[i], 1);
}

/* ---- a disk that fails -------------------------------------------------------------------- */

static void expect_memory_and_back(int error, const char *word)
{
	uint8_t disk_id[RW_SPOOL_ID_BYTES];

	start_keeper();
	for (unsigned i = 0; i < 3; i++)
		put(WARNING, i);
	collect_all();
	memcpy(disk_id, rw_keeper_spool_id(keeper), sizeof(disk_id));
	uint32_t generation = rw_keeper_generation(keeper);

	set_error(error);
	for (unsigned i = 3; i < 10; i++)
		put(WARNING, i);
	settle();
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	assert_non_null(strstr(rw_keeper_reason(keeper), word));
	assert_true(rw_keeper_generation(keeper) > generation);
	assert_memory_not_equal(rw_keeper_spool_id(keeper), disk_id, sizeof(disk_id));
	assert_int_equal(collect(4, true), 4);
	put(WARNING, 10);

	/* it is tried, and still fails */
	generation = rw_keeper_generation(keeper);
	run_at(now_ms + RW_KEEPER_RETRY_MS);
	wait_for_result();
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	heal();
	assert_true(rw_keeper_generation(keeper) > generation);
	assert_string_equal(rw_keeper_reason(keeper), "");
	assert_memory_equal(rw_keeper_spool_id(keeper), disk_id, sizeof(disk_id));
	collect_all();
	put(WARNING, 11);
	collect_all();
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(seen.times[i], 1);
	assert_int_equal(seen.ids, 2);
	assert_int_equal(rw_keeper_losses(keeper).evicted, 0);
}

static void test_full_disk(void **state)
{
	(void)state;
	expect_memory_and_back(ENOSPC, "full");
}

static void test_read_only_disk(void **state)
{
	(void)state;
	expect_memory_and_back(EROFS, "read-only");
}

static void test_broken_disk(void **state)
{
	(void)state;
	expect_memory_and_back(EIO, "Input/output error");
}

/* It can be read but not written: what waits there is told first, under its own id. */
static void test_a_disk_that_can_be_read_is_told_first(void **state)
{
	uint8_t disk_id[RW_SPOOL_ID_BYTES];

	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 10; i++)
		put(WARNING, i);
	settle();
	memcpy(disk_id, rw_keeper_spool_id(keeper), sizeof(disk_id));
	set_error(EROFS);
	put(WARNING, 10);
	settle();
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	assert_memory_equal(rw_keeper_spool_id(keeper), disk_id, sizeof(disk_id));
	assert_int_equal(rw_keeper_pending(keeper), 11);
	while (collect(UINT32_MAX, true) == 0)
		wait_for_result();
	assert_int_equal(seen.told, 10);
	rw_keeper_run(keeper, now_ms);
	assert_memory_not_equal(rw_keeper_spool_id(keeper), disk_id, sizeof(disk_id));
	assert_int_equal(collect(UINT32_MAX, true), 1);
	assert_true(rw_keeper_is_drained(keeper));
	heal();
	collect_all();
	for (unsigned i = 0; i < 11; i++)
		assert_int_equal(seen.times[i], 1);
}

static void test_a_disk_that_cannot_be_read_is_left(void **state)
{
	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 10; i++)
		put(WARNING, i);
	settle();
	stop_keeper();
	start_keeper();
	disk.read_error = EIO;
	assert_int_equal(collect(1, true), 0);
	wait_for_result();
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	put(CRITICAL, 10);
	assert_int_equal(collect(UINT32_MAX, true), 1);
	disk.read_error = 0;
	heal();
	collect_all();
	for (unsigned i = 0; i < 11; i++)
		assert_int_equal(seen.times[i], 1);
}

/* Read-only or broken from the start: it begins in memory, and moves to the disk. */
static void test_it_begins_in_memory(void **state)
{
	char path[128];

	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 5; i++)
		put(WARNING, i);
	collect_all();
	stop_keeper();
	char aside[128];
	snprintf(path, sizeof(path), "%s/spool", folder);
	snprintf(aside, sizeof(aside), "%s/aside", folder);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(mkdir(path, 0700), 0);

	assert_int_equal(rw_keeper_open(&config, &keeper, notice), 0);
	assert_non_null(strstr(notice, "spool"));
	assert_null(rw_keeper_spool(keeper));
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	assert_true(put(WARNING, 5) > 0);
	assert_int_equal(rw_keeper_start(keeper), 0);
	assert_int_equal(collect(1, true), 1);
	uint64_t about = put(CRITICAL, 6);
	put_excerpt(7, about);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(aside, path), 0);
	heal();
	/* the numbers have moved up behind those of the spool, and the excerpts with them */
	put_excerpt(8, about);
	collect_all();
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(seen.times[i], 1);
	uint32_t id = index_of(rw_keeper_spool_id(keeper));
	assert_int_equal(seen.id[id].number_of[seen.excerpt_about], 6 + 1);
}

static void test_what_is_wrong_is_said(void **state)
{
	struct rw_keeper *other = NULL;
	char path[128];

	(void)state;
	start_keeper();
	assert_int_equal(rw_keeper_open(&config, &other, notice), -EWOULDBLOCK);
	assert_non_null(strstr(notice, "another sensor"));
	snprintf(path, sizeof(path), "%s/lock/state", folder);
	config.folder = path;
	assert_int_equal(rw_keeper_open(&config, &other, notice), -ENOTDIR);
	assert_non_null(strstr(notice, "Not a directory"));
}

/* ---- a disk that hangs ----------------------------------------------------------- */

static void test_hung_disk(void **state)
{
	(void)state;
	start_keeper();
	put(WARNING, 0);
	collect_all();
	set_hold(true);
	put(WARNING, 1);
	wait_until_held();
	put(WARNING, 2);
	uint64_t begun_ms = now_ms;
	assert_int_equal(run_at(now_ms), begun_ms + RW_KEEPER_HUNG_MS);
	run_at(begun_ms + RW_KEEPER_HUNG_MS - 1);
	assert_int_equal(rw_keeper_state(keeper), ON_DISK);
	run_at(begun_ms + RW_KEEPER_HUNG_MS);
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	assert_non_null(strstr(rw_keeper_reason(keeper), "not answered"));
	assert_int_equal(collect(1, true), 1);
	put(CRITICAL, 3);
	/* nothing to do but wait for the thread */
	assert_true(run_at(now_ms + 3600000) == UINT64_MAX);
	assert_int_equal(collect(UINT32_MAX, false), 2);
	heal();
	collect_all();
	assert_int_equal(seen.times[0], 1);
	/* told from memory: the thread took it back from the disk */
	assert_int_equal(seen.times[1], 1);
	/* told, and not acked before the disk came back: again, under the disk's id */
	assert_int_equal(seen.times[2], 2);
	assert_int_equal(seen.times[3], 2);
	stop_keeper();
	start_keeper();
	assert_int_equal(rw_keeper_pending(keeper), 0);
}

static void test_a_critical_event_does_not_wait(void **state)
{
	(void)state;
	start_keeper();
	set_hold(true);
	put(WARNING, 0);
	wait_until_held();
	run_at(now_ms + 2000);
	uint64_t put_ms = now_ms;
	put(CRITICAL, 1);
	assert_int_equal(run_at(now_ms), put_ms + RW_KEEPER_URGENT_MS);
	run_at(put_ms + RW_KEEPER_URGENT_MS - 1);
	assert_int_equal(rw_keeper_state(keeper), ON_DISK);
	run_at(put_ms + RW_KEEPER_URGENT_MS);
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	assert_int_equal(collect(UINT32_MAX, true), 2);
	heal();
	collect_all();
	assert_int_equal(seen.times[0], 1);
	assert_int_equal(seen.times[1], 1);
}

/* What is told and not acked yet is given time, so that it is not told twice. */
static void test_the_ring_is_drained_before_it_moves(void **state)
{
	(void)state;
	start_keeper();
	set_error(ENOSPC);
	put(WARNING, 0);
	put(WARNING, 1);
	settle();
	assert_int_equal(collect(1, true), 1);
	set_error(0);
	uint64_t good_ms = now_ms + RW_KEEPER_RETRY_MS;
	while (run_at(good_ms) != good_ms + RW_KEEPER_DRAIN_MS)
		wait_for_result();
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	assert_int_equal(collect(1, true), 1);
	run_at(good_ms + 1);
	assert_int_equal(rw_keeper_state(keeper), ON_DISK);
	collect_all();
	assert_int_equal(seen.times[0], 1);
	assert_int_equal(seen.times[1], 1);
}

static void test_too_much_for_a_slow_disk_goes_to_memory(void **state)
{
	unsigned i;

	(void)state;
	start_keeper();
	set_hold(true);
	for (i = 0; rw_keeper_state(keeper) == ON_DISK; i++)
		put(WARNING, i);
	assert_false(i < 300);
	assert_non_null(strstr(rw_keeper_reason(keeper), "slow"));
	heal();
	collect_all();
	assert_int_equal(seen.told + seen.lost, i);
}

/* Little memory, many events: all that is severe stays, of the rest the first and
 * the last, and the others are counted. */
static void test_the_ring_is_bounded(void **state)
{
	const unsigned count = 8000;

	(void)state;
	start_keeper();
	set_error(EROFS);
	put(INFO, 0);
	settle();
	for (unsigned i = 1; i < count; i++) {
		struct rw_event e = make_event(i % 200 == 0 ? CRITICAL : INFO, i);
		if (i == 10 || i == 20)
			snprintf(e.signature, sizeof(e.signature), "warning:rare:m");
		assert_true(rw_keeper_put(keeper, &e, UINT64_MAX, now_ms));
	}
	assert_true(rw_keeper_pending(keeper) < 1600);
	collect_all();
	assert_int_equal(seen.times[0], 1);
	assert_int_equal(seen.times[10], 1);
	assert_int_equal(seen.times[20], 1);
	assert_int_equal(seen.times[count - 1], 1);
	for (unsigned i = 200; i < count; i += 200)
		assert_int_equal(seen.times[i], 1);
	assert_int_equal(seen.told + seen.lost, count);
	assert_int_equal(rw_keeper_losses(keeper).evicted, seen.lost);
	assert_int_equal(rw_keeper_losses(keeper).unwritten, 0);
}

static void test_a_ring_full_of_critical_refuses_lesser(void **state)
{
	struct rw_log_excerpt log = {.plain_bytes = 1, .packed_bytes = RW_LOG_PACKED_MAX};
	unsigned count = 0;

	(void)state;
	start_keeper();
	set_error(EROFS);
	put(CRITICAL, count++);
	settle();
	unsigned eighth = 0; /* so many fit in the part that is freed at a time */
	uint64_t evicted = 0;
	for (int round = 0; round < 2; round++) {
		for (eighth = 0; rw_keeper_losses(keeper).evicted == evicted; eighth++)
			put(CRITICAL, count++);
		evicted = rw_keeper_losses(keeper).evicted;
	}
	for (unsigned i = 0; i + 5 < eighth; i++)
		put(CRITICAL, count++);
	assert_int_equal(rw_keeper_losses(keeper).evicted, evicted);
	struct rw_event e = make_event(WARNING, count);
	e.log = &log;
	e.stack_count = RW_STACK_MAX;
	for (int i = 0; i < RW_STACK_MAX; i++)
		memset(e.stack[i], 'x', RW_SYMBOL_MAX);
	assert_false(rw_keeper_put(keeper, &e, UINT64_MAX, now_ms));
	assert_int_equal(rw_keeper_losses(keeper).unwritten, 1);
	assert_int_equal(rw_keeper_losses(keeper).evicted, evicted);
	collect_all();
	assert_int_equal(seen.told + seen.lost, count);
}

/* ---- excerpts -------------------------------------------------------------------- */

static void test_an_excerpt_finds_its_event(void **state)
{
	(void)state;
	start_keeper();
	uint64_t on_disk = put(CRITICAL, 0);
	collect_all();
	set_error(ENOSPC);
	uint64_t in_memory = put(CRITICAL, 1);
	put_excerpt(2, on_disk);
	settle();
	put_excerpt(3, in_memory);
	collect_all();
	/* the one whose event is on the disk waits for it */
	assert_int_equal(seen.times[2], 0);
	assert_int_equal(seen.times[3], 1);
	assert_int_equal(seen.excerpt_about, in_memory);
	uint32_t memory_id = index_of(rw_keeper_spool_id(keeper));
	assert_int_equal(seen.id[memory_id].number_of[in_memory], 1 + 1);
	heal();
	collect_all();
	assert_int_equal(seen.times[2], 1);
	assert_int_equal(seen.excerpt_about, on_disk);
	uint32_t disk_id = index_of(rw_keeper_spool_id(keeper));
	assert_int_equal(seen.id[disk_id].number_of[on_disk], 0 + 1);
}

/* Its event was acked from memory: on the disk it would belong to nothing. */
static void test_an_orphan_is_counted(void **state)
{
	(void)state;
	start_keeper();
	set_error(ENOSPC);
	uint64_t about = put(CRITICAL, 0);
	settle();
	assert_int_equal(collect(1, true), 1);
	put_excerpt(1, about);
	heal();
	put(WARNING, 2);
	collect_all();
	assert_int_equal(seen.times[1], 0);
	assert_int_equal(seen.times[2], 1);
	assert_int_equal(seen.lost, 1);
}

/* ---- the boot's state ------------------------------------------------------------ */

static void expect_state(uint64_t order, uint64_t log_sequence)
{
	char error[RW_BOOT_ERROR_BYTES];
	struct rw_boot_state read;

	assert_int_equal(rw_boot_load(folder, &read, error), 0);
	assert_int_equal(read.boot_order, order);
	assert_int_equal(read.log_sequence, log_sequence);
}

static void save(uint64_t order, uint64_t log_sequence)
{
	struct rw_boot_state s = {
		.boot_order = order,
		.log_sequence = log_sequence,
		.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE,
	};

	memcpy(s.boot_id, boot, sizeof(boot));
	rw_keeper_save_state(keeper, &s, now_ms);
}

/* A log position that is on disk before the events that it covers would lose them. */
static void test_the_state_never_outruns_the_events(void **state)
{
	(void)state;
	start_keeper();
	save(7, 100);
	settle();
	expect_state(7, 100);

	set_hold(true);
	put(WARNING, 0);
	wait_until_held();
	for (uint64_t i = 1; i <= 50; i++)
		save(7 + i, 100 + i);
	expect_state(7, 100);
	set_hold(false);
	settle();
	expect_state(57, 150);

	set_error(ENOSPC);
	put(WARNING, 1);
	settle();
	save(58, 200); /* boot.state has room, the spool has not */
	stop_keeper();
	expect_state(58, 150);

	set_error(0);
	start_keeper();
	save(59, 300);
	settle();
	expect_state(59, 300);
	collect_all();
	assert_int_equal(seen.times[0], 1);
}

/* ---- the end --------------------------------------------------------------------- */

static void test_stopping_does_not_wait_for_a_hung_disk(void **state)
{
	char path[128];

	(void)state;
	start_keeper();
	put(WARNING, 0);
	settle();
	set_hold(true);
	put(WARNING, 1);
	wait_until_held();
	uint64_t begun_ms = rw_clock_boot_ms();
	stop_keeper();
	assert_in_range(rw_clock_boot_ms() - begun_ms, RW_KEEPER_STOP_MS - 10,
			RW_KEEPER_STOP_MS + 1000);
	set_hold(false);
	/* the thread ends, and gives the lock back */
	snprintf(path, sizeof(path), "%s/lock", folder);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	close(fd);
	start_keeper();
	assert_int_equal(rw_keeper_pending(keeper), 2);
}

static void test_stopping_writes_down_what_waits(void **state)
{
	(void)state;
	start_keeper();
	for (unsigned i = 0; i < 200; i++)
		put(WARNING, i);
	stop_keeper();
	start_keeper();
	assert_int_equal(rw_keeper_pending(keeper), 200);
	set_error(ENOSPC);
	put(CRITICAL, 200);
	settle();
	assert_int_equal(rw_keeper_state(keeper), IN_MEMORY);
	set_error(0);
	stop_keeper();
	start_keeper();
	collect_all();
	for (unsigned i = 0; i <= 200; i++)
		assert_int_equal(seen.times[i], 1);
}

static void *let_go_of_a_failure(void *context)
{
	(void)context;
	/* The sync that was held fails, and the next write is well. */
	pthread_mutex_lock(&disk.lock);
	disk.next_sync_error = EIO;
	disk.hold = false;
	pthread_cond_broadcast(&disk.changed);
	pthread_mutex_unlock(&disk.lock);
	return NULL;
}

/* The disk refuses an event while the sensor is being stopped: nobody else will tell it. */
static void test_what_is_refused_while_stopping_is_tried_once_more(void **state)
{
	pthread_t thread;

	(void)state;
	start_keeper();
	set_hold(true);
	for (unsigned i = 0; i < 5; i++)
		put(WARNING, i);
	wait_until_held();
	assert_int_equal(pthread_create(&thread, NULL, let_go_of_a_failure, NULL), 0);
	stop_keeper();
	pthread_join(thread, NULL);
	start_keeper();
	collect_all();
	for (unsigned i = 0; i < 5; i++)
		assert_true(seen.times[i] > 0);
}

/* ---- everything at once ---------------------------------------------------------- */

static uint32_t seed;

static uint32_t chance(uint32_t below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % below;
}

static void one_mishap(void)
{
	static const int errors[] = {0, 0, ENOSPC, EROFS, EIO};

	switch (chance(6)) {
	case 0:
		set_error(errors[chance(5)]);
		break;
	case 1:
		set_hold(chance(2) == 0);
		break;
	case 2:
		now_ms += chance(6000);
		break;
	case 3:
		/* a stop in order */
		set_hold(false);
		set_error(0);
		heal();
		stop_keeper();
		start_keeper();
		break;
	default:
		now_ms += chance(100);
		break;
	}
	rw_keeper_run(keeper, now_ms);
}

/* Whatever the disk does and when: under one id a number means one event, numbers
 * grow, and in the end each event was told, or is counted as lost. */
static void test_no_mishap_loses_or_mixes_up_events(void **state)
{
	struct pollfd p = {.events = POLLIN};
	unsigned count = 0;

	(void)state;
	seed = 4711;
	config.max_bytes = 8 * 1024 * 1024;
	start_keeper();
	for (unsigned round = 0; round < 3000; round++) {
		for (uint32_t i = chance(4); i > 0; i--)
			put(chance(10) == 0 ? CRITICAL : WARNING, count++);
		if (chance(10) == 0)
			one_mishap();
		if (chance(2) == 0)
			collect(chance(20), chance(2) == 0);
		p.fd = rw_keeper_descriptor(keeper);
		poll(&p, 1, chance(20) == 0 ? 1 : 0);
		rw_keeper_run(keeper, now_ms);
	}
	heal();
	collect_all();
	assert_true(count < NUMBERS_MAX);
	uint32_t missing = 0;
	for (unsigned i = 0; i < count; i++)
		missing += seen.times[i] == 0;
	print_message("%u events, %u told more than once, %u spool ids\n", count,
		      seen.told + missing - count, seen.ids);
	assert_int_equal(rw_keeper_losses(keeper).unwritten, 0);
	assert_int_equal(missing, seen.lost);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_put_is_offered_and_acked),
		TEST(test_before_the_start_it_writes_at_once),
		TEST(test_nothing_is_offered_before_it_is_durable),
		TEST(test_the_newest_is_not_read_back),
		TEST(test_idle_it_never_wakes_up),
		TEST(test_a_long_spool_comes_out_in_order),
		TEST(test_a_new_id_keeps_what_waits),
		TEST(test_what_is_too_old_goes_and_is_counted),
		TEST(test_a_full_spool_counts_what_goes),
		TEST(test_full_disk),
		TEST(test_read_only_disk),
		TEST(test_broken_disk),
		TEST(test_a_disk_that_can_be_read_is_told_first),
		TEST(test_a_disk_that_cannot_be_read_is_left),
		TEST(test_it_begins_in_memory),
		TEST(test_what_is_wrong_is_said),
		TEST(test_hung_disk),
		TEST(test_a_critical_event_does_not_wait),
		TEST(test_the_ring_is_drained_before_it_moves),
		TEST(test_too_much_for_a_slow_disk_goes_to_memory),
		TEST(test_the_ring_is_bounded),
		TEST(test_a_ring_full_of_critical_refuses_lesser),
		TEST(test_an_excerpt_finds_its_event),
		TEST(test_an_orphan_is_counted),
		TEST(test_the_state_never_outruns_the_events),
		TEST(test_stopping_does_not_wait_for_a_hung_disk),
		TEST(test_stopping_writes_down_what_waits),
		TEST(test_what_is_refused_while_stopping_is_tried_once_more),
		TEST(test_no_mishap_loses_or_mixes_up_events),
	};

	rw_log_set_level(RW_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
