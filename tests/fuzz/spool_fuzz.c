/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool file of any bytes. A disk may give back anything: whatever stands there,
 * the spool opens or is set aside, what it tells has rising numbers and is the
 * same when it is opened again, and it takes new events.
 *
 * The first byte says whether the check sums are put right before, so that what
 * lies behind them is reached, and which limits are set.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/file.h"
#include "sensor/pack.h"
#include "sensor/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	HEAD_BYTES = 104,
	HEAD_CRC = 12,
	RECORD_BYTES = 64,
	RECORD_CRC = 4,
	RECORD_LENGTH = 8,
	PAYLOAD_MAX = 1024,
	INPUT_MAX = 64 * 1024,
};

static const uint8_t magic[8] = {'r', 'w', 's', 'p', 'o', 'o', 'l', '\n'};
static const uint32_t record_magic = 0x6b9d27e1;
static char folder[64];
static char path[96];

static void must(int condition)
{
	if (!condition)
		abort();
}

/* ---- a disk that costs nothing ---------------------------------------------------- */

static ssize_t disk_read(void *context, int fd, void *out, size_t length, off_t offset)
{
	(void)context;
	return pread(fd, out, length, offset);
}

static ssize_t disk_write(void *context, int fd, const void *bytes, size_t length, off_t offset)
{
	(void)context;
	return pwrite(fd, bytes, length, offset);
}

static int disk_sync(void *context, int fd)
{
	(void)context;
	(void)fd;
	return 0;
}

static const struct rw_spool_disk quick_disk = {NULL, disk_read, disk_write, disk_sync};

static void remove_all(void)
{
	char name[128];

	unlink(path);
	snprintf(name, sizeof(name), "%s.damaged-1", path);
	unlink(name);
	rmdir(folder);
}

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/ringwatch-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/spool", folder);
	atexit(remove_all);
}

/* ---- the file ------------------------------------------------------------------------ */

static void put_crc(uint8_t *at, const uint8_t *from, size_t length)
{
	static const uint8_t zero[4];

	memcpy(at, zero, sizeof(zero));
	uint32_t crc = (uint32_t)crc32(0, from, (uInt)length);
	memcpy(at, &crc, sizeof(crc));
}

/* Magic numbers, lengths and check sums as they must be; the rest as it is. */
static void mend(uint8_t *bytes, size_t size)
{
	static const uint32_t version = 2;
	size_t at = HEAD_BYTES;

	if (size < HEAD_BYTES)
		return;
	memcpy(bytes, magic, sizeof(magic));
	memcpy(bytes + sizeof(magic), &version, sizeof(version));
	bytes[HEAD_BYTES - 4] = 0;
	put_crc(bytes + HEAD_CRC, bytes, HEAD_BYTES);
	while (size - at >= RECORD_BYTES) {
		uint32_t length;
		memcpy(&length, bytes + at + RECORD_LENGTH, sizeof(length));
		length %= PAYLOAD_MAX;
		if (length > size - at - RECORD_BYTES)
			length = (uint32_t)(size - at - RECORD_BYTES);
		memcpy(bytes + at, &record_magic, sizeof(record_magic));
		memcpy(bytes + at + RECORD_LENGTH, &length, sizeof(length));
		put_crc(bytes + at + RECORD_CRC, bytes + at, RECORD_BYTES + length);
		at += RECORD_BYTES + length;
	}
}

/* ---- what it tells --------------------------------------------------------------------- */

struct told {
	uint64_t count;
	uint64_t first;
	uint64_t last;
};

static int on_event(void *context, uint64_t sequence, const uint8_t *packed, size_t length)
{
	struct told *told = context;
	struct rw_event event;

	must(told->count == 0 || sequence > told->last);
	(void)rw_event_unpack(packed, length, &event, NULL);
	if (told->count++ == 0)
		told->first = sequence;
	told->last = sequence;
	return 0;
}

static struct told tell(struct rw_spool *s)
{
	struct told told = {0};

	must(rw_spool_walk(s, 0, on_event, &told) == 0);
	must(told.count == rw_spool_pending(s));
	must(told.count == 0 || told.first > rw_spool_acked(s));
	must(told.last <= rw_spool_last_sequence(s));
	return told;
}

static void on_review(void *context, const struct rw_event *event)
{
	(void)event;
	++*(uint64_t *)context;
}

static struct rw_spool *open_spool(uint8_t choice, char notice[RW_SPOOL_ERROR_BYTES])
{
	struct rw_spool *s = NULL;
	bool set_aside;
	int err = rw_spool_open_on(&quick_disk, folder, RW_SPOOL_BYTES_MIN, &s, &set_aside, notice);

	must(err == 0);
	if (choice & 2)
		rw_spool_set_max_age(s, 1000);
	if (choice & 4)
		rw_spool_set_now(s, 5000);
	return s;
}

static struct rw_event make_event(Ringwatch__V1__Severity severity)
{
	return (struct rw_event){
		.kind = RINGWATCH__V1__KIND__KIND_OOPS,
		.severity = severity,
		.source = RINGWATCH__V1__SOURCE__SOURCE_BPF,
		.boot_id = "11111111-2222-3333-4444-555555555555",
		.count = 1,
		.signature = "oops:x+0x1:m",
	};
}

/* New events on top of whatever was read. */
static void live(struct rw_spool *s, uint8_t choice)
{
	struct rw_event event = make_event(RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL);
	uint64_t before = rw_spool_last_sequence(s);

	if (before > UINT64_MAX / 4 - 1000)
		return; /* numbers above that are damage, and no spool gets there by living */
	if (choice & 8)
		(void)rw_spool_ack(s, before - (choice >> 4));
	(void)rw_spool_expire(s, &event, 0);
	if (choice & 16)
		must(rw_spool_try(s) == 0);
	must(rw_spool_append(s, &event, 7) == 0);
	must(event.sequence > before && event.sequence == rw_spool_last_sequence(s));
	if (choice & 32)
		must(rw_spool_take_back(s, event.sequence) == 0);
	if (choice & 64)
		must(rw_spool_renew(s) == 0);
	if (choice & 128) {
		event.severity = RINGWATCH__V1__SEVERITY__SEVERITY_INFO;
		(void)rw_spool_append(s, &event, UINT64_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char notice[RW_SPOOL_ERROR_BYTES];
	uint64_t reviewed = 0;

	if (size == 0 || size > INPUT_MAX)
		return 0;
	if (folder[0] == '\0')
		make_folder();
	uint8_t choice = data[0];
	uint8_t *bytes = malloc(size);
	must(bytes != NULL);
	memcpy(bytes, data + 1, size - 1);
	if (choice & 1)
		mend(bytes, size - 1);
	must(rw_file_replace(path, bytes, size - 1, 0600) == 0);
	free(bytes);

	struct rw_spool *s = open_spool(choice, notice);
	(void)tell(s);
	must(rw_spool_review(s, on_review, &reviewed) == 0);
	live(s, choice);
	struct told told = tell(s);
	rw_spool_close(s);

	/* what was put right stays right */
	s = open_spool(choice, notice);
	must(notice[0] == '\0');
	struct told again = tell(s);
	must(again.count == told.count && again.first == told.first && again.last == told.last);
	rw_spool_close(s);
	remove_all();
	must(mkdir(folder, 0700) == 0);
	return 0;
}
