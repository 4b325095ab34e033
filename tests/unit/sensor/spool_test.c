/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool under cuts, kills and damage. What must be true for a user: an
 * event that was appended is there after any crash until it is acked, no
 * number is ever given twice, and the spool stays within its bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/file.h"
#include "sensor/pack.h"
#include "sensor/spool.h"

enum { HEAD_BYTES = 104, RECORD_HEAD_BYTES = 64 }; /* of the file's format */

static char folder[64];
static char path[96];
static char notice[RW_SPOOL_ERROR_BYTES];
static bool set_aside;

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ringwatch-spool-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/spool", folder);
	return 0;
}

static int tear_down(void **state)
{
	char name[128];

	(void)state;
	unlink(path);
	snprintf(name, sizeof(name), "%s.new", path);
	unlink(name);
	for (int i = 1; i < 10; i++) {
		snprintf(name, sizeof(name), "%s.damaged-%d", path, i);
		unlink(name);
	}
	return rmdir(folder);
}

static struct rw_spool *open_with(uint64_t max_bytes)
{
	struct rw_spool *s = NULL;
	int err = rw_spool_open(folder, max_bytes, &s, &set_aside, notice);

	if (err != 0)
		fail_msg("open: %s", notice);
	return s;
}

static struct rw_spool *open_spool(void)
{
	return open_with(RW_SPOOL_BYTES_MIN);
}

static struct rw_event make_event(Ringwatch__V1__Severity severity, unsigned number)
{
	struct rw_event e = {
		.kind = RINGWATCH__V1__KIND__KIND_OOPS,
		.severity = severity,
		.source = RINGWATCH__V1__SOURCE__SOURCE_BPF,
		.boot_id = "11111111-2222-3333-4444-555555555555",
		.boot_order = 3,
		.boot_ms = 1000,
		.count = 1,
		.signature = "oops:x+0x1:m",
	};

	snprintf(e.detail, sizeof(e.detail), "number %u", number);
	return e;
}

#define CRITICAL RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL
#define WARNING RINGWATCH__V1__SEVERITY__SEVERITY_WARNING
#define INFO RINGWATCH__V1__SEVERITY__SEVERITY_INFO

static void append(struct rw_spool *s, Ringwatch__V1__Severity severity, unsigned number)
{
	struct rw_event e = make_event(severity, number);
	assert_int_equal(rw_spool_append(s, &e, UINT64_MAX), 0);
	assert_int_equal(e.sequence, rw_spool_last_sequence(s));
}

enum { LISTED_MAX = 4096 };

static struct list {
	size_t count;
	uint64_t sequences[LISTED_MAX];
	struct rw_event last;
	uint64_t lost;       /* counted in events_lost events */
	size_t told_of_loss; /* events_lost events */
	size_t by_severity[4];
} list;

static int on_packed(void *context, uint64_t sequence, const uint8_t *packed, size_t length)
{
	(void)context;
	assert_true(list.count < LISTED_MAX);
	assert_true(list.count == 0 || sequence > list.sequences[list.count - 1]);
	list.sequences[list.count++] = sequence;
	assert_int_equal(rw_event_unpack(packed, length, &list.last, NULL), 0);
	list.by_severity[list.last.severity]++;
	if (list.last.kind == RINGWATCH__V1__KIND__KIND_EVENTS_LOST) {
		list.lost += list.last.count;
		list.told_of_loss++;
	}
	return 0;
}

static int one_only(void *context, uint64_t sequence, const uint8_t *packed, size_t length)
{
	int result = on_packed(context, sequence, packed, length);
	return result != 0 ? result : 1;
}

static void walk(struct rw_spool *s, uint64_t after)
{
	memset(&list, 0, sizeof(list));
	assert_int_equal(rw_spool_walk(s, after, on_packed, NULL), 0);
}

/* ---- ordinary life -------------------------------------------------------------- */

static void test_append_ack_reopen(void **state)
{
	uint8_t id[RW_SPOOL_ID_BYTES];

	(void)state;
	struct rw_spool *s = open_spool();
	assert_int_equal(rw_spool_last_sequence(s), 0);
	memcpy(id, rw_spool_id(s), sizeof(id));
	for (unsigned i = 1; i <= 10; i++)
		append(s, CRITICAL, i);
	assert_int_equal(rw_spool_ack(s, 4), 0);
	assert_int_equal(rw_spool_ack(s, 3), 0);
	assert_int_equal(rw_spool_pending(s), 6);
	rw_spool_close(s);

	s = open_spool();
	assert_string_equal(notice, "");
	assert_memory_equal(rw_spool_id(s), id, sizeof(id));
	assert_int_equal(rw_spool_acked(s), 4);
	assert_int_equal(rw_spool_last_sequence(s), 10);
	walk(s, 0);
	assert_int_equal(list.count, 6);
	assert_int_equal(list.sequences[0], 5);
	walk(s, 8);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.last.detail, "number 10");

	assert_int_equal(rw_spool_ack(s, 10), 0);
	assert_int_equal(rw_spool_ack(s, 11), -ERANGE);
	assert_int_equal(rw_spool_pending(s), 0);
	rw_spool_close(s);
	s = open_spool();
	append(s, CRITICAL, 11);
	assert_int_equal(rw_spool_last_sequence(s), 11);
	rw_spool_close(s);
}

static void test_dead_room_is_given_back(void **state)
{
	struct stat st;

	(void)state;
	struct rw_spool *s = open_with(16 * 1024 * 1024);
	for (unsigned i = 1; i <= 2000; i++) {
		append(s, CRITICAL, i);
		assert_int_equal(rw_spool_ack(s, i), 0);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 128 * 1024);
	rw_spool_close(s);
	s = open_with(16 * 1024 * 1024);
	assert_int_equal(rw_spool_last_sequence(s), 2000);
	assert_int_equal(rw_spool_acked(s), 2000);
	append(s, CRITICAL, 2001);
	assert_int_equal(rw_spool_last_sequence(s), 2001);
	rw_spool_close(s);
}

static int stop_at_three(void *context, uint64_t sequence, const uint8_t *packed, size_t length)
{
	size_t *count = context;

	(void)packed;
	(void)length;
	if (*count == 3)
		return 1;
	(*count)++;
	list.sequences[list.count++] = sequence;
	return 0;
}

/* Page by page, as the uplink reads, with acks and new events in between. */
static void test_walk_in_pages(void **state)
{
	(void)state;
	struct rw_spool *s = open_spool();
	uint64_t after = 0;

	memset(&list, 0, sizeof(list));
	for (unsigned i = 1; i <= 20; i++)
		append(s, CRITICAL, i);
	for (unsigned page = 0; page < 10; page++) {
		size_t count = 0;
		int result = rw_spool_walk(s, after, stop_at_three, &count);
		assert_true(result == 0 || result == 1);
		if (count == 0)
			break;
		after = list.sequences[list.count - 1];
		if (page % 2 == 1)
			assert_int_equal(rw_spool_ack(s, after), 0);
		if (page < 3)
			append(s, CRITICAL, 100 + page);
	}
	assert_int_equal(list.count, 23);
	for (size_t i = 0; i < list.count; i++)
		assert_int_equal(list.sequences[i], i + 1);
	rw_spool_close(s);
}

static void test_renew(void **state)
{
	uint8_t id[RW_SPOOL_ID_BYTES];

	(void)state;
	struct rw_spool *s = open_spool();
	memcpy(id, rw_spool_id(s), sizeof(id));
	for (unsigned i = 1; i <= 6; i++)
		append(s, CRITICAL, i);
	assert_int_equal(rw_spool_ack(s, 4), 0);
	assert_int_equal(rw_spool_renew(s), 0);
	for (int round = 0; round < 2; round++) {
		assert_memory_not_equal(rw_spool_id(s), id, sizeof(id));
		assert_int_equal(rw_spool_last_sequence(s), 6);
		walk(s, 0);
		assert_int_equal(list.count, 2);
		assert_int_equal(list.sequences[0], 5);
		assert_string_equal(list.last.detail, "number 6");
		rw_spool_close(s);
		s = open_spool();
	}
	rw_spool_close(s);
}

static void test_log_mark(void **state)
{
	(void)state;
	struct rw_spool *s = open_spool();
	assert_int_equal(rw_spool_log_mark(s)->sequence, UINT64_MAX);
	struct rw_event e = make_event(CRITICAL, 1);
	assert_int_equal(rw_spool_append(s, &e, 77), 0);
	e = make_event(CRITICAL, 2);
	assert_int_equal(rw_spool_append(s, &e, UINT64_MAX), 0);
	rw_spool_close(s);
	s = open_spool();
	assert_int_equal(rw_spool_log_mark(s)->sequence, 77);
	assert_string_equal(rw_spool_log_mark(s)->boot_id, e.boot_id);
	/* it outlives the events */
	assert_int_equal(rw_spool_ack(s, rw_spool_last_sequence(s)), 0);
	assert_int_equal(rw_spool_renew(s), 0);
	rw_spool_close(s);
	s = open_spool();
	assert_int_equal(rw_spool_log_mark(s)->sequence, 77);
	rw_spool_close(s);
}

static void test_holds(void **state)
{
	(void)state;
	struct rw_spool *s = open_spool();
	struct rw_event e = make_event(CRITICAL, 1);
	e.kind = RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT;
	assert_false(rw_spool_holds(s, e.kind, e.boot_id));
	assert_int_equal(rw_spool_append(s, &e, UINT64_MAX), 0);
	assert_true(rw_spool_holds(s, e.kind, e.boot_id));
	assert_false(rw_spool_holds(s, RINGWATCH__V1__KIND__KIND_OOPS, e.boot_id));
	assert_false(rw_spool_holds(s, e.kind, "11111111-2222-3333-4444-555555555556"));
	rw_spool_close(s);
}

/* ---- full ------------------------------------------------------------------------- */

static void test_full_drops_the_least_severe_first(void **state)
{
	struct stat st;
	const unsigned info = 300;
	const unsigned critical = 300;

	(void)state;
	struct rw_spool *s = open_spool();
	for (unsigned i = 0; i < 20; i++)
		append(s, CRITICAL, i);
	for (unsigned i = 0; i < info; i++)
		append(s, INFO, i);
	for (unsigned i = 0; i < critical; i++)
		append(s, CRITICAL, 1000 + i);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= RW_SPOOL_BYTES_MIN);
	uint64_t last = rw_spool_last_sequence(s);
	for (int round = 0; round < 2; round++) {
		walk(s, 0);
		assert_string_equal(list.last.detail, "number 1299");
		assert_int_equal(rw_spool_last_sequence(s), last);
		/* each event is there or counted as lost */
		uint64_t there =
			list.count - list.by_severity[WARNING]; /* events_lost themselves */
		assert_true(list.lost > 0);
		assert_int_equal(there + list.lost, 20 + info + critical);
		assert_true(list.by_severity[INFO] == 0 ||
			    list.by_severity[CRITICAL] == 20 + critical);
		rw_spool_close(s);
		s = open_spool();
	}
	rw_spool_close(s);
}

static void test_full_of_critical_refuses_lesser(void **state)
{
	(void)state;
	struct rw_spool *s = open_spool();
	int err = 0;
	unsigned i;

	for (i = 0; i < 250; i++)
		append(s, CRITICAL, i);
	for (i = 0; i < 200 && err == 0; i++) {
		struct rw_event e = make_event(INFO, i);
		err = rw_spool_append(s, &e, UINT64_MAX);
	}
	walk(s, 0);
	assert_int_equal(list.by_severity[CRITICAL], 250);
	if (err != 0) {
		assert_int_equal(err, -ENOBUFS);
		assert_true(rw_spool_evicted(s) > 0);
	}
	rw_spool_close(s);
}

/* Thousands of one thing and one of another: both can be told of afterwards. */
static void test_full_keeps_first_and_last_of_each_signature(void **state)
{
	bool there[3000] = {false};

	(void)state;
	struct rw_spool *s = open_spool();
	for (unsigned i = 0; i < 3000; i++) {
		struct rw_event e = make_event(WARNING, i);
		if (i % 1000 == 500)
			snprintf(e.signature, sizeof(e.signature), "oops:rare%u:m", i);
		assert_int_equal(rw_spool_append(s, &e, UINT64_MAX), 0);
	}
	memset(&list, 0, sizeof(list));
	uint64_t after = 0;
	unsigned told = 0;
	for (;;) {
		list.count = 0;
		int result = rw_spool_walk(s, after, one_only, NULL);
		if (list.count == 0 || result < 0)
			break;
		after = list.sequences[0];
		unsigned number;
		if (sscanf(list.last.detail, "number %u", &number) == 1) {
			there[number] = true;
			told++;
		}
	}
	assert_true(there[0] && there[500] && there[1500] && there[2500] && there[2999]);
	assert_int_equal(told + list.lost, 3000);
	assert_int_equal(list.lost, rw_spool_evicted(s));
	rw_spool_close(s);
}

/* The sum is told with the next event that leaves a number for it. */
static void test_losses_need_a_number_of_their_own(void **state)
{
	(void)state;
	struct rw_spool *s = open_spool();
	uint64_t sequence = 0;
	while (rw_spool_evicted(s) == 0) {
		struct rw_event e = make_event(WARNING, 1);
		e.sequence = ++sequence;
		assert_int_equal(rw_spool_append_as(s, &e, UINT64_MAX), 0);
		assert_int_equal(e.sequence, sequence);
	}
	assert_int_equal(rw_spool_unreported(s), rw_spool_evicted(s));
	walk(s, 0);
	assert_int_equal(list.lost, 0);
	struct rw_event e = make_event(WARNING, 2);
	e.sequence = sequence;
	assert_int_equal(rw_spool_append_as(s, &e, UINT64_MAX), -EINVAL);
	e.sequence = sequence + 2;
	assert_int_equal(rw_spool_append_as(s, &e, UINT64_MAX), 0);
	assert_int_equal(rw_spool_unreported(s), 0);
	walk(s, 0);
	assert_int_equal(list.lost, rw_spool_evicted(s));
	assert_int_equal(list.sequences[list.count - 2], sequence + 1);
	assert_int_equal(list.sequences[list.count - 1], sequence + 2);
	rw_spool_close(s);
}

/* ---- age ---------------------------------------------------------------------------- */

static void test_age_is_time_that_a_sensor_was_there(void **state)
{
	const uint64_t hour_ms = 3600 * 1000;
	struct rw_event like = make_event(WARNING, 0);

	(void)state;
	struct rw_spool *s = open_spool();
	rw_spool_set_max_age(s, 10 * hour_ms);
	assert_true(rw_spool_expires_ms(s) == UINT64_MAX);
	rw_spool_set_now(s, 5 * hour_ms);
	append(s, CRITICAL, 1);
	uint64_t due_ms = rw_spool_expires_ms(s);
	assert_in_range(due_ms, 15 * hour_ms, 16 * hour_ms);
	rw_spool_set_now(s, 11 * hour_ms);
	rw_spool_close(s);

	/* a month later, another boot, whose clock begins anew: six hours old */
	s = open_spool();
	assert_string_equal(notice, "");
	rw_spool_set_max_age(s, 10 * hour_ms);
	rw_spool_set_now(s, 60);
	append(s, CRITICAL, 2);
	assert_int_equal(rw_spool_expires_ms(s), 60 + due_ms - 11 * hour_ms);
	rw_spool_set_now(s, 4 * hour_ms);
	assert_int_equal(rw_spool_expire(s, &like, 0), 0);
	assert_int_equal(rw_spool_pending(s), 2);
	rw_spool_set_now(s, 5 * hour_ms);
	assert_int_equal(rw_spool_expire(s, &like, 0), 0);
	walk(s, 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.sequences[0], 2);
	assert_int_equal(list.lost, 1);
	assert_string_equal(list.last.signature, "events_lost:spool_age");
	assert_string_equal(rw_event_fact(&list.last, RINGWATCH__V1__FACT_NAME__FACT_EVICTED), "1");
	assert_int_equal(rw_spool_evicted(s), 1);
	assert_in_range(rw_spool_expires_ms(s), 10 * hour_ms, 11 * hour_ms);
	/* acked, nothing is due */
	assert_int_equal(rw_spool_ack(s, rw_spool_last_sequence(s)), 0);
	assert_true(rw_spool_expires_ms(s) == UINT64_MAX);
	rw_spool_close(s);
}

/* ---- taking back -------------------------------------------------------------------- */

static void test_take_back(void **state)
{
	(void)state;
	struct rw_spool *s = open_spool();
	assert_int_equal(rw_spool_take_back(s, 1), -ENOENT);
	append(s, CRITICAL, 1);
	struct rw_event e = make_event(CRITICAL, 2);
	assert_int_equal(rw_spool_append(s, &e, 55), 0);
	assert_int_equal(rw_spool_take_back(s, 1), -ENOENT);
	assert_int_equal(rw_spool_take_back(s, 2), 0);
	assert_int_equal(rw_spool_take_back(s, 2), -ENOENT);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(rw_spool_pending(s), 1);
		assert_int_equal(rw_spool_log_mark(s)->sequence, UINT64_MAX);
		walk(s, 0);
		assert_int_equal(list.count, 1);
		rw_spool_close(s);
		s = open_spool();
		assert_string_equal(notice, "");
	}
	append(s, CRITICAL, 3);
	walk(s, 0);
	assert_string_equal(list.last.detail, "number 3");
	rw_spool_close(s);
}

/* ---- a disk that fails ------------------------------------------------------------------ */

static struct {
	unsigned countdown; /* calls until the one that fails; 0: none does */
	int error;
	bool half; /* a write that fails has written half of it */
} disk;

static int fails_now(void)
{
	return disk.countdown > 0 && --disk.countdown == 0;
}

static ssize_t disk_read(void *context, int fd, void *out, size_t length, off_t offset)
{
	(void)context;
	return pread(fd, out, length, offset);
}

static ssize_t disk_write(void *context, int fd, const void *bytes, size_t length, off_t offset)
{
	(void)context;
	if (!fails_now())
		return pwrite(fd, bytes, length, offset);
	if (disk.half)
		assert_true(pwrite(fd, bytes, length / 2, offset) >= 0);
	errno = disk.error;
	return -1;
}

static int disk_sync(void *context, int fd)
{
	(void)context;
	(void)fd;
	if (!fails_now())
		return 0;
	errno = disk.error;
	return -1;
}

static const struct rw_spool_disk sick_disk = {NULL, disk_read, disk_write, disk_sync};

/* Each call fails once, in the midst of appending, acking, evicting and rewriting:
 * an append has happened or not, and what had happened before stays. */
static void test_each_append_happened_or_not(void **state)
{
	static const int errors[] = {ENOSPC, EIO, EROFS};
	char new_path[128];

	(void)state;
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	for (unsigned at = 1; at < 400; at++) {
		struct rw_spool *s = NULL;
		unsigned happened = 0;
		unsigned failed = 0;

		unlink(path);
		disk.countdown = 0;
		assert_int_equal(rw_spool_open_on(&sick_disk, folder, RW_SPOOL_BYTES_MIN, &s,
						  &set_aside, notice),
				 0);
		disk.countdown = at;
		disk.error = errors[at % 3];
		disk.half = at % 2 == 0;
		for (unsigned i = 0; i < 150; i++) {
			struct rw_event e = make_event(i % 3 == 0 ? CRITICAL : INFO, i);
			memset(e.symbol, 'x', 100);
			memset(e.module, 'm', 60);
			memset(e.comm, 'c', 60);
			e.stack_count = 2;
			memset(e.stack[0], 's', 120);
			memset(e.stack[1], 's', 120);
			if (rw_spool_append(s, &e, UINT64_MAX) == 0) {
				happened++;
				assert_int_equal(e.sequence, rw_spool_last_sequence(s));
			} else {
				failed++;
			}
			if (i == 60)
				(void)rw_spool_ack(s, 20);
		}
		assert_true(failed <= 1);
		assert_int_equal(rw_spool_acked(s), 20);
		for (int round = 0; round < 2; round++) {
			walk(s, 0);
			uint64_t there = list.count;
			for (size_t i = 0; i < list.count; i++)
				assert_true(list.sequences[i] > 20);
			assert_int_equal(there - list.told_of_loss + list.lost + 20, happened);
			rw_spool_close(s);
			s = open_spool();
			assert_false(set_aside);
			if (rw_spool_acked(s) < 20)
				break; /* the ack was lost: that costs nothing */
		}
		rw_spool_close(s);
		assert_int_not_equal(access(new_path, F_OK), 0);
	}
}

static void test_try_says_what_the_disk_does(void **state)
{
	struct rw_spool *s = NULL;
	struct stat before;
	struct stat after;

	(void)state;
	disk.countdown = 0;
	disk.half = false;
	assert_int_equal(
		rw_spool_open_on(&sick_disk, folder, RW_SPOOL_BYTES_MIN, &s, &set_aside, notice),
		0);
	append(s, CRITICAL, 1);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(rw_spool_try(s), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(after.st_ino, before.st_ino);
	disk.error = ENOSPC;
	disk.countdown = 1;
	assert_int_equal(rw_spool_try(s), -ENOSPC);
	/* nobody knows what a failed sync has left: it is written anew */
	disk.error = EIO;
	disk.countdown = 2;
	struct rw_event e = make_event(CRITICAL, 2);
	assert_int_equal(rw_spool_append(s, &e, UINT64_MAX), -EIO);
	assert_int_equal(rw_spool_try(s), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_not_equal(after.st_ino, before.st_ino);
	walk(s, 0);
	assert_int_equal(list.count, 1);
	append(s, CRITICAL, 3);
	rw_spool_close(s);
	s = open_spool();
	assert_string_equal(notice, "");
	assert_int_equal(rw_spool_pending(s), 2);
	rw_spool_close(s);
}

/* All fields full, with a log: the largest record that there can be. */
static void test_the_largest_event(void **state)
{
	struct rw_log_excerpt log = {.plain_bytes = RW_LOG_PLAIN_MAX,
				     .packed_bytes = RW_LOG_PACKED_MAX};

	(void)state;
	memset(log.packed, 0xc3, sizeof(log.packed));
	struct rw_spool *s = open_spool();
	for (unsigned i = 0; i < 40; i++) {
		struct rw_event e = make_event(CRITICAL, i);
		memset(e.symbol, 'x', RW_SYMBOL_MAX);
		memset(e.module, 'x', RW_COMM_MAX);
		memset(e.comm, 'x', RW_COMM_MAX);
		memset(e.signature, 'x', RW_SIGNATURE_MAX);
		memset(e.detail + strlen(e.detail), ' ', RW_DETAIL_MAX - strlen(e.detail));
		e.stack_count = RW_STACK_MAX;
		for (int k = 0; k < RW_STACK_MAX; k++)
			memset(e.stack[k], 'x', RW_SYMBOL_MAX);
		for (int k = 0; k < RW_FACTS_MAX; k++)
			rw_event_set_fact(&e, RINGWATCH__V1__FACT_NAME__FACT_TYPE + k, "%096d", k);
		e.log = &log;
		assert_int_equal(rw_spool_append(s, &e, UINT64_MAX), 0);
		assert_true(rw_spool_bytes(s) <= RW_SPOOL_BYTES_MIN);
	}
	walk(s, 0);
	assert_true(list.count >= 4);
	assert_int_equal(list.lost + list.count - list.told_of_loss, 40);
	rw_spool_close(s);
}

/* ---- crashes ------------------------------------------------------------------------ */

static void read_whole(char **bytes, size_t *length)
{
	assert_int_equal(rw_file_read(path, 1 << 20, bytes, length), 0);
}

static void write_whole(const char *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(rw_file_write_all(fd, bytes, length), 0);
	close(fd);
}

/* Cut anywhere, it opens with all that was whole, and goes on. */
static void test_cut_at_every_byte(void **state)
{
	char *bytes;
	size_t length;
	size_t ends[8];
	struct stat st;

	(void)state;
	struct rw_spool *s = open_spool();
	for (unsigned i = 0; i < 8; i++) {
		append(s, CRITICAL, i + 1);
		assert_int_equal(stat(path, &st), 0);
		ends[i] = (size_t)st.st_size;
	}
	rw_spool_close(s);
	read_whole(&bytes, &length);
	for (size_t cut = HEAD_BYTES; cut <= length; cut++) {
		size_t whole = 0;
		write_whole(bytes, cut);
		while (whole < 8 && ends[whole] <= cut)
			whole++;
		s = open_spool();
		assert_false(set_aside);
		walk(s, 0);
		assert_int_equal(list.count, whole);
		append(s, CRITICAL, 99);
		/* a collector may know the number that was cut: it is not given again */
		bool torn = cut != HEAD_BYTES && (whole == 0 || ends[whole - 1] != cut);
		assert_int_equal(rw_spool_last_sequence(s), whole + (torn ? 2 : 1));
		rw_spool_close(s);
		s = open_spool();
		assert_string_equal(notice, "");
		walk(s, 0);
		assert_int_equal(list.count, whole + 1);
		rw_spool_close(s);
	}
	free(bytes);
}

/* The number stays used when nothing was appended before the next start. */
static void test_cut_number_is_kept(void **state)
{
	struct stat st;

	(void)state;
	struct rw_spool *s = open_spool();
	append(s, CRITICAL, 1);
	append(s, CRITICAL, 2);
	rw_spool_close(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	rw_spool_close(open_spool());
	s = open_spool();
	assert_string_equal(notice, "");
	append(s, CRITICAL, 3);
	assert_int_equal(rw_spool_last_sequence(s), 3);
	rw_spool_close(s);
}

/* Acks are not synced: one that is bad takes no event with it. */
static void test_bad_ack_costs_no_event(void **state)
{
	struct stat st;
	char *bytes;
	size_t length;

	(void)state;
	struct rw_spool *s = open_spool();
	for (unsigned i = 1; i <= 3; i++)
		append(s, CRITICAL, i);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(rw_spool_ack(s, 1), 0);
	assert_int_equal(rw_spool_ack(s, 2), 0);
	append(s, CRITICAL, 4);
	rw_spool_close(s);
	read_whole(&bytes, &length);
	for (size_t size = 1; size <= 2 * RECORD_HEAD_BYTES; size++) {
		char *copy = test_malloc(length);
		memcpy(copy, bytes, length);
		memset(copy + st.st_size, 0, size);
		write_whole(copy, length);
		test_free(copy);
		s = open_spool();
		assert_false(set_aside);
		assert_string_equal(notice, "");
		assert_int_equal(rw_spool_last_sequence(s), 4);
		walk(s, 0);
		assert_true(list.count >= 2);
		assert_string_equal(list.last.detail, "number 4");
		rw_spool_close(s);
		s = open_spool();
		assert_int_equal(rw_spool_last_sequence(s), 4);
		rw_spool_close(s);
	}
	free(bytes);
}

/* The tail may be garbage instead of missing. */
static void test_garbage_tail_is_cut(void **state)
{
	char *bytes;
	size_t length;

	(void)state;
	struct rw_spool *s = open_spool();
	for (unsigned i = 1; i <= 5; i++)
		append(s, CRITICAL, i);
	rw_spool_close(s);
	read_whole(&bytes, &length);
	for (size_t i = 1; i <= 60; i += 7) {
		char *copy = test_malloc(length);
		memcpy(copy, bytes, length);
		memset(copy + length - i, (int)(i * 37), i);
		write_whole(copy, length);
		s = open_spool();
		assert_false(set_aside);
		walk(s, 0);
		assert_int_equal(list.count, 4);
		rw_spool_close(s);
		test_free(copy);
	}
	free(bytes);
}

/* A byte flipped in what was durable long ago: set aside, never half believed. */
static void test_damage_is_set_aside(void **state)
{
	char aside[128];
	char *bytes;
	size_t length;

	(void)state;
	struct rw_spool *s = open_spool();
	uint8_t id[RW_SPOOL_ID_BYTES];
	memcpy(id, rw_spool_id(s), sizeof(id));
	for (unsigned i = 1; i <= 5; i++)
		append(s, CRITICAL, i);
	rw_spool_close(s);
	read_whole(&bytes, &length);
	snprintf(aside, sizeof(aside), "%s.damaged-1", path);
	for (size_t at = 0; at < length - 200; at += 13) {
		bytes[at] = (char)(bytes[at] ^ 0x10);
		write_whole(bytes, length);
		bytes[at] = (char)(bytes[at] ^ 0x10);
		s = open_spool();
		assert_true(set_aside);
		assert_non_null(strstr(notice, "spool.damaged-1"));
		assert_int_equal(rw_spool_pending(s), 0);
		assert_memory_not_equal(rw_spool_id(s), id, sizeof(id));
		append(s, CRITICAL, 1);
		rw_spool_close(s);
		assert_int_equal(unlink(aside), 0);
	}
	/* an empty or foreign file too */
	write_whole("", 0);
	rw_spool_close(open_spool());
	assert_true(set_aside);
	free(bytes);
}

/*
 * A child appends and acks at full speed and is killed at a random time. What it
 * had announced as appended must be there, unless it had announced its ack.
 */
struct oracle {
	volatile uint64_t appended;
	volatile uint64_t acking; /* the ack may have been done */
	volatile uint64_t acked;  /* the ack was done */
};

static void child_life(struct oracle *oracle)
{
	struct rw_spool *s;
	bool aside;
	char text[RW_SPOOL_ERROR_BYTES];

	if (rw_spool_open(folder, RW_SPOOL_BYTES_MIN * 4, &s, &aside, text) != 0 || aside)
		_exit(1);
	for (unsigned i = 0;; i++) {
		struct rw_event e = make_event(CRITICAL, i);
		if (rw_spool_append(s, &e, i) != 0)
			_exit(2);
		oracle->appended = e.sequence;
		if (i % 7 == 6 && e.sequence > 3) {
			oracle->acking = e.sequence - 3;
			if (rw_spool_ack(s, e.sequence - 3) != 0)
				_exit(3);
			oracle->acked = e.sequence - 3;
		}
	}
}

static void test_kill_at_any_time(void **state)
{
	struct oracle *oracle = mmap(NULL, sizeof(*oracle), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned seed = 12345;

	(void)state;
	assert_true(oracle != MAP_FAILED);
	for (int round = 0; round < 40; round++) {
		int status;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			child_life(oracle);
		seed = seed * 1103515245u + 12345u;
		struct timespec wait = {0, (long)(seed >> 8) % 20000000};
		nanosleep(&wait, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));

		struct rw_spool *s = open_with(RW_SPOOL_BYTES_MIN * 4);
		assert_false(set_aside);
		assert_true(rw_spool_last_sequence(s) >= oracle->appended);
		assert_true(rw_spool_last_sequence(s) <= oracle->appended + 1);
		assert_true(rw_spool_acked(s) <= oracle->acking);
		walk(s, 0);
		assert_int_equal(list.count, rw_spool_last_sequence(s) - rw_spool_acked(s));
		for (size_t i = 0; i < list.count; i++)
			assert_int_equal(list.sequences[i], rw_spool_acked(s) + 1 + i);
		oracle->appended = rw_spool_last_sequence(s);
		rw_spool_close(s);
	}
	assert_true(oracle->appended > 100);
	munmap(oracle, sizeof(*oracle));
}

/* A disk that takes no more: the file stays as it was and works again later. */
static void test_full_disk_changes_nothing(void **state)
{
	struct rlimit old;
	struct stat st;

	(void)state;
	struct rw_spool *s = open_spool();
	append(s, CRITICAL, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	struct rlimit tight = {(rlim_t)st.st_size + 50, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	struct rw_event e = make_event(CRITICAL, 2);
	int err = rw_spool_append(s, &e, UINT64_MAX);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err, -EFBIG);
	assert_int_equal(rw_spool_last_sequence(s), 1);
	append(s, CRITICAL, 3);
	rw_spool_close(s);
	s = open_spool();
	assert_string_equal(notice, "");
	walk(s, 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.last.detail, "number 3");
	rw_spool_close(s);
}

static void test_missing_folder_is_said(void **state)
{
	char missing[128];
	struct rw_spool *s = NULL;

	(void)state;
	snprintf(missing, sizeof(missing), "%s/nowhere", folder);
	assert_int_equal(rw_spool_open(missing, RW_SPOOL_BYTES_MIN, &s, &set_aside, notice),
			 -ENOENT);
	assert_non_null(strstr(notice, "nowhere"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_append_ack_reopen),
		TEST(test_dead_room_is_given_back),
		TEST(test_walk_in_pages),
		TEST(test_renew),
		TEST(test_log_mark),
		TEST(test_holds),
		TEST(test_full_drops_the_least_severe_first),
		TEST(test_full_of_critical_refuses_lesser),
		TEST(test_full_keeps_first_and_last_of_each_signature),
		TEST(test_losses_need_a_number_of_their_own),
		TEST(test_age_is_time_that_a_sensor_was_there),
		TEST(test_take_back),
		TEST(test_each_append_happened_or_not),
		TEST(test_try_says_what_the_disk_does),
		TEST(test_the_largest_event),
		TEST(test_cut_at_every_byte),
		TEST(test_cut_number_is_kept),
		TEST(test_bad_ack_costs_no_event),
		TEST(test_garbage_tail_is_cut),
		TEST(test_damage_is_set_aside),
		TEST(test_kill_at_any_time),
		TEST(test_full_disk_changes_nothing),
		TEST(test_missing_folder_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
