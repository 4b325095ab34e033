/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool; see spool.h.
 *
 * File: struct file_head, then records of struct record_head + payload. All
 * integers in host byte order: a spool never leaves its machine. Each record
 * says up to where the file was known to be on disk when it was written. So a
 * bad record followed by a good one can be told apart: a good one that was
 * written before the bad place was durable means a torn tail, one written
 * later means damage.
 *
 * A failed write is cut off again; if even that fails, the next open does it.
 */
#include "sensor/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "sensor/evict.h"
#include "sensor/pack.h"

enum {
	SPOOL_VERSION = 2,
	RECORD_MAGIC = 0x6b9d27e1,
	RECORD_EVENT = 1,
	RECORD_ACK = 2,
	SEVERITIES = RW_EVICT_SEVERITIES,
	COMPACT_BYTES = 64 * 1024,
	MENDED_ACKS_MAX = 64,      /* bad ones in a row */
	OVERDUE_PART = 16,         /* of max_age, by which an event may be too old */
	CLOCK_KEPT_MS = 60 * 1000, /* at closing, a clock that moved by more is written */
};

/* A number above it is damage: at a million events a second they would last for
 * a hundred thousand years. */
static const uint64_t sequence_max = UINT64_MAX / 4;

static const char spool_magic[8] = {'r', 'w', 's', 'p', 'o', 'o', 'l', '\n'};

struct file_head {
	char magic[8];
	uint32_t version;
	uint32_t crc; /* of the head with 0 here */
	uint8_t id[RW_SPOOL_ID_BYTES];
	uint64_t last_sequence;
	uint64_t acked;
	uint64_t log_sequence;
	uint64_t clock_ms;
	char log_boot_id[RW_BOOT_ID_LENGTH + 4];
};
_Static_assert(sizeof(struct file_head) == 104, "no padding");

struct record_head {
	uint32_t magic;
	uint32_t crc; /* of head with 0 here, and payload */
	uint32_t length;
	uint8_t type;
	uint8_t severity;
	uint8_t zero[2];
	uint64_t sequence; /* of the event, or acked */
	uint64_t log_sequence;
	uint64_t synced;    /* bytes of the file known to be durable */
	uint64_t clock_ms;  /* of the spool, when it was written */
	uint64_t signature; /* rw_evict_hash */
	uint32_t count;     /* how many happenings the event stands for */
	uint32_t zero_too;
};
_Static_assert(sizeof(struct record_head) == 64, "no padding");
_Static_assert(sizeof(struct record_head) + 2 * 10 <= RW_SPOOL_RECORD_BYTES,
	       "with two numbers that were not known yet when it was packed");

struct record {
	struct record_head head;
	uint8_t payload[RW_SPOOL_PAYLOAD_MAX];
};

struct rw_spool {
	int fd;
	int folder_fd;
	char path[PATH_MAX];
	uint64_t max_bytes;
	uint64_t size; /* end of the last good record */
	uint64_t synced;
	uint8_t id[RW_SPOOL_ID_BYTES];
	uint64_t last_sequence;
	uint64_t acked;
	struct rw_spool_log_mark mark;
	uint64_t live_offset; /* nothing before it is unacked */
	uint64_t live_bytes[SEVERITIES];
	uint32_t pending;
	uint64_t evicted;
	uint64_t unreported_full; /* of them, not yet in an events_lost event: for want of room, */
	uint64_t unreported_old;  /* of age */
	uint64_t walk_sequence;   /* where the last walk stopped, */
	uint64_t walk_offset;     /* so that the next need not begin at the front */
	uint64_t max_age_ms;
	/* How long sensors have held this spool: what the file says, and what has passed
	 * since it was opened. */
	uint64_t clock_base_ms;
	uint64_t clock_from_ms; /* boot time that the base belongs to; UINT64_MAX: not known */
	uint64_t now_ms;
	uint64_t oldest_ms; /* the clock of the oldest that is unacked */
	/* The last append, while nothing came behind it. */
	uint64_t last_offset; /* 0: none */
	struct rw_spool_log_mark mark_before;
	bool suspect; /* a sync or a reading failed: nobody knows what is on the disk */
	const struct rw_spool_disk *disk;
};

/* ---- the disk --------------------------------------------------------------- */

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
	return fdatasync(fd);
}

static const struct rw_spool_disk real_disk = {NULL, disk_read, disk_write, disk_sync};

/* ---- one record ------------------------------------------------------------ */

static uint32_t record_crc(const struct record *r)
{
	struct record_head head = r->head;

	head.crc = 0;
	uint32_t crc = (uint32_t)crc32(0, (const Bytef *)&head, sizeof(head));
	return (uint32_t)crc32(crc, r->payload, r->head.length);
}

static uint32_t head_crc(const struct file_head *h)
{
	struct file_head copy = *h;

	copy.crc = 0;
	return (uint32_t)crc32(0, (const Bytef *)&copy, sizeof(copy));
}

/* All `length` bytes at `offset`, or -EBADMSG when the file ends before. */
static int read_at(const struct rw_spool *s, void *out, size_t length, uint64_t offset)
{
	uint8_t *at = out;

	while (length > 0) {
		ssize_t n = s->disk->read(s->disk->context, s->fd, at, length, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		at += n;
		length -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int write_at(const struct rw_spool *s, int fd, const void *bytes, size_t length,
		    uint64_t offset)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = s->disk->write(s->disk->context, fd, at, length, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int sync_fd(struct rw_spool *s, int fd)
{
	if (s->disk->sync(s->disk->context, fd) == 0)
		return 0;
	int err = -errno;
	if (fd == s->fd)
		s->suspect = true;
	return err;
}

/* The record at `offset` of a file that ends at `end`; -EBADMSG when there is none. */
static int read_record(const struct rw_spool *s, uint64_t offset, uint64_t end, struct record *r)
{
	const struct record_head *h = &r->head;

	if (end < offset || end - offset < sizeof(*h))
		return -EBADMSG;
	int err = read_at(s, &r->head, sizeof(r->head), offset);
	if (err != 0)
		return err;
	if (h->magic != RECORD_MAGIC || h->length > RW_SPOOL_PAYLOAD_MAX ||
	    h->length > end - offset - sizeof(*h) || h->severity >= SEVERITIES ||
	    (h->type != RECORD_EVENT && h->type != RECORD_ACK))
		return -EBADMSG;
	err = read_at(s, r->payload, h->length, offset + sizeof(*h));
	if (err != 0)
		return err;
	return record_crc(r) == h->crc ? 0 : -EBADMSG;
}

static uint64_t record_bytes(const struct record *r)
{
	return sizeof(r->head) + r->head.length;
}

static void seal_record(struct record *r, uint64_t synced)
{
	r->head.magic = RECORD_MAGIC;
	r->head.synced = synced;
	r->head.crc = record_crc(r);
}

/* ---- making and opening ------------------------------------------------------ */

static int sync_folder(struct rw_spool *s)
{
	return sync_fd(s, s->folder_fd);
}

static uint64_t clock_now(const struct rw_spool *s)
{
	return s->clock_from_ms == UINT64_MAX ? s->clock_base_ms
					      : s->clock_base_ms + (s->now_ms - s->clock_from_ms);
}

static void fill_head(const struct rw_spool *s, struct file_head *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, spool_magic, sizeof(h->magic));
	h->version = SPOOL_VERSION;
	memcpy(h->id, s->id, sizeof(h->id));
	h->last_sequence = s->last_sequence;
	h->acked = s->acked;
	h->log_sequence = s->mark.sequence;
	h->clock_ms = clock_now(s);
	memcpy(h->log_boot_id, s->mark.boot_id, sizeof(s->mark.boot_id));
	h->crc = head_crc(h);
}

/* Random, so that no spool is ever taken for another. */
static int new_id(uint8_t id[RW_SPOOL_ID_BYTES])
{
	ssize_t n = getrandom(id, RW_SPOOL_ID_BYTES, 0);
	return n == RW_SPOOL_ID_BYTES ? 0 : -EIO;
}

static int create_file(struct rw_spool *s)
{
	struct file_head head;
	int err = new_id(s->id);

	if (err != 0)
		return err;
	s->last_sequence = 0;
	s->acked = 0;
	s->mark = (struct rw_spool_log_mark){.sequence = UINT64_MAX};
	fill_head(s, &head);
	err = rw_file_replace(s->path, &head, sizeof(head), 0600);
	if (err != 0)
		return err;
	s->fd = open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return s->fd < 0 ? -errno : 0;
}

static bool read_head(const struct rw_spool *s, struct file_head *h)
{
	return read_at(s, h, sizeof(*h), 0) == 0 &&
	       memcmp(h->magic, spool_magic, sizeof(h->magic)) == 0 &&
	       h->version == SPOOL_VERSION && h->crc == head_crc(h) &&
	       h->last_sequence <= sequence_max && h->acked <= h->last_sequence &&
	       h->log_boot_id[RW_BOOT_ID_LENGTH] == '\0';
}

/* Whether a good record behind the bad place was written when that place was durable. */
static bool is_damaged_at(const struct rw_spool *s, uint64_t bad, uint64_t end, struct record *r)
{
	uint8_t block[4096];
	const uint32_t magic = RECORD_MAGIC;
	uint64_t at = bad + 1;

	while (end >= sizeof(r->head) && at <= end - sizeof(r->head)) {
		size_t n = end - at < sizeof(block) ? (size_t)(end - at) : sizeof(block);
		if (read_at(s, block, n, at) != 0)
			return true;
		for (size_t i = 0; i + sizeof(magic) <= n; i++) {
			if (memcmp(block + i, &magic, sizeof(magic)) == 0 &&
			    read_record(s, at + i, end, r) == 0 && r->head.synced > bad)
				return true;
		}
		at += n - (sizeof(magic) - 1);
	}
	return false;
}

static void fill_ack(const struct rw_spool *s, struct record *r, uint64_t sequence)
{
	r->head = (struct record_head){
		.type = RECORD_ACK,
		.sequence = sequence,
		.log_sequence = UINT64_MAX,
		.clock_ms = clock_now(s),
	};
}

/*
 * Acks are not synced by themselves: one that is bad may stand before a good
 * event that is. The good one must stay, and what an ack said may be lost, so
 * the gap is filled with acks of what is known to be acked.
 */
static int mend_acks(struct rw_spool *s, uint64_t bad, uint64_t end, struct record *r)
{
	uint64_t gap = 0;
	int err = -EBADMSG;

	while (err == -EBADMSG && gap < MENDED_ACKS_MAX * sizeof(r->head) && bad + gap < end) {
		gap += sizeof(r->head);
		err = read_record(s, bad + gap, end, r);
	}
	if (err == 0 && r->head.synced > bad)
		return -EBADMSG; /* that was durable, so it was no ack */
	for (uint64_t at = bad; err == 0 && at < bad + gap; at += sizeof(r->head)) {
		fill_ack(s, r, s->acked);
		seal_record(r, 0);
		err = write_at(s, s->fd, &r->head, sizeof(r->head), at);
	}
	if (err == 0)
		err = sync_fd(s, s->fd);
	return err;
}

static void take_mark(struct rw_spool *s, const struct record *r)
{
	if (r->head.log_sequence == UINT64_MAX)
		return;
	rw_autofree struct rw_event *event = malloc(sizeof(*event));
	if (event == NULL || rw_event_unpack(r->payload, r->head.length, event, NULL) != 0)
		return;
	memcpy(s->mark.boot_id, event->boot_id, sizeof(s->mark.boot_id));
	s->mark.sequence = r->head.log_sequence;
}

/* Reads through the file. 0 with s->size behind the last good record, or
 * -EBADMSG when it is damaged. */
static int scan(struct rw_spool *s, uint64_t end, struct record *r)
{
	uint64_t offset = sizeof(struct file_head);
	uint64_t previous = s->acked;

	while (offset < end) {
		int err = read_record(s, offset, end, r);
		if (err != 0 && err != -EBADMSG)
			return err;
		if (err != 0) {
			err = mend_acks(s, offset, end, r);
			if (err == 0)
				continue;
			if (err != -EBADMSG)
				return err;
			if (is_damaged_at(s, offset, end, r))
				return -EBADMSG;
			break;
		}
		if (r->head.type == RECORD_EVENT) {
			if (r->head.sequence <= previous || r->head.sequence > sequence_max)
				return -EBADMSG;
			previous = r->head.sequence;
			if (previous > s->last_sequence)
				s->last_sequence = previous;
			take_mark(s, r);
		} else if (r->head.sequence > s->last_sequence) {
			return -EBADMSG;
		} else if (r->head.sequence > s->acked) {
			s->acked = r->head.sequence;
		}
		if (r->head.clock_ms > s->clock_base_ms)
			s->clock_base_ms = r->head.clock_ms;
		offset += record_bytes(r);
	}
	s->size = offset;
	s->synced = offset;
	return 0;
}

/* Second pass: what is unacked. */
static int count_live(struct rw_spool *s, struct record *r)
{
	s->pending = 0;
	memset(s->live_bytes, 0, sizeof(s->live_bytes));
	s->live_offset = s->size;
	for (uint64_t offset = sizeof(struct file_head); offset < s->size;) {
		int err = read_record(s, offset, s->size, r);
		if (err != 0)
			return err;
		if (r->head.type == RECORD_EVENT && r->head.sequence > s->acked) {
			if (s->pending == 0) {
				s->live_offset = offset;
				s->oldest_ms = r->head.clock_ms;
			}
			s->pending++;
			s->live_bytes[r->head.severity] += record_bytes(r);
		}
		offset += record_bytes(r);
	}
	s->walk_offset = 0;
	s->last_offset = 0;
	return 0;
}

__attribute__((format(printf, 2, 3))) static void say(char notice[RW_SPOOL_ERROR_BYTES],
						      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(notice, RW_SPOOL_ERROR_BYTES, fmt, args);
	va_end(args);
}

static void keep_last_sequence(struct rw_spool *s);

/* 0, -EBADMSG for a damaged file, or another errno. */
static int open_file(struct rw_spool *s, char notice[RW_SPOOL_ERROR_BYTES])
{
	struct file_head head;
	struct stat st;
	rw_autofree struct record *r = malloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	s->fd = open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0)
		return -errno;
	if (fstat(s->fd, &st) != 0)
		return -errno;
	if (!read_head(s, &head))
		return -EBADMSG;
	memcpy(s->id, head.id, sizeof(s->id));
	s->last_sequence = head.last_sequence;
	s->acked = head.acked;
	s->clock_base_ms = head.clock_ms;
	memcpy(s->mark.boot_id, head.log_boot_id, sizeof(s->mark.boot_id));
	s->mark.sequence = head.log_sequence;

	int err = scan(s, (uint64_t)st.st_size, r);
	if (err != 0)
		return err;
	if (s->size < (uint64_t)st.st_size) {
		if (ftruncate(s->fd, (off_t)s->size) != 0)
			return -errno;
		err = sync_fd(s, s->fd);
		if (err != 0)
			return err;
		say(notice, "%s: cut a torn tail of %llu bytes", s->path,
		    (unsigned long long)st.st_size - s->size);
		/* If it was damage after all, a collector may know the number that stood
		 * there, and would take another event under it for the same. */
		if (s->last_sequence < sequence_max)
			s->last_sequence++;
	}
	err = count_live(s, r);
	if (err == 0 && s->size < (uint64_t)st.st_size)
		keep_last_sequence(s);
	return err;
}

/* spool.damaged-N, the first N that is free. */
static int set_file_aside(struct rw_spool *s, char notice[RW_SPOOL_ERROR_BYTES])
{
	char aside[PATH_MAX + 32];

	for (int i = 1; i < 1000; i++) {
		snprintf(aside, sizeof(aside), "%s.damaged-%d", s->path, i);
		if (access(aside, F_OK) == 0)
			continue;
		if (rename(s->path, aside) != 0)
			return -errno;
		say(notice, "damaged, set aside as %.200s; a new spool begins", aside);
		return sync_folder(s);
	}
	return -EEXIST;
}

static int open_or_make(struct rw_spool *s, bool *set_aside, char notice[RW_SPOOL_ERROR_BYTES])
{
	int err = open_file(s, notice);

	if (err == -EBADMSG) {
		close(s->fd);
		s->fd = -1;
		err = set_file_aside(s, notice);
		if (err != 0)
			return err;
		*set_aside = true;
		err = -ENOENT;
	}
	if (err != -ENOENT)
		return err;
	err = create_file(s);
	if (err != 0)
		return err;
	s->size = s->synced = s->live_offset = sizeof(struct file_head);
	return 0;
}

int rw_spool_open(const char *folder, uint64_t max_bytes, struct rw_spool **out, bool *set_aside,
		  char notice[RW_SPOOL_ERROR_BYTES])
{
	return rw_spool_open_on(NULL, folder, max_bytes, out, set_aside, notice);
}

int rw_spool_open_on(const struct rw_spool_disk *disk, const char *folder, uint64_t max_bytes,
		     struct rw_spool **out, bool *set_aside, char notice[RW_SPOOL_ERROR_BYTES])
{
	struct rw_spool *s = calloc(1, sizeof(*s));
	int err;

	notice[0] = '\0';
	*set_aside = false;
	if (s == NULL) {
		say(notice, "%s: no memory", folder);
		return -ENOMEM;
	}
	s->fd = -1;
	s->disk = disk != NULL ? disk : &real_disk;
	s->max_bytes = max_bytes;
	s->clock_from_ms = UINT64_MAX;
	s->mark.sequence = UINT64_MAX;
	s->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = snprintf(s->path, sizeof(s->path), "%s/spool", folder);
	if (s->folder_fd < 0)
		err = -errno;
	else if (n < 0 || (size_t)n >= sizeof(s->path))
		err = -ENAMETOOLONG;
	else
		err = open_or_make(s, set_aside, notice);
	if (err != 0) {
		say(notice, "%s: %s", s->path, strerror(-err));
		rw_spool_close(s);
		return err;
	}
	*out = s;
	return 0;
}

static void keep_clock(struct rw_spool *s);

void rw_spool_close(struct rw_spool *s)
{
	if (s == NULL)
		return;
	keep_clock(s);
	if (s->fd >= 0)
		close(s->fd);
	if (s->folder_fd >= 0)
		close(s->folder_fd);
	free(s);
}

void rw_spool_set_max_age(struct rw_spool *s, uint64_t max_age_ms)
{
	s->max_age_ms = max_age_ms;
}

void rw_spool_set_now(struct rw_spool *s, uint64_t now_ms)
{
	if (s->clock_from_ms == UINT64_MAX)
		s->clock_from_ms = s->now_ms = now_ms;
	if (now_ms > s->now_ms)
		s->now_ms = now_ms;
}

/* ---- facts ------------------------------------------------------------------- */

const uint8_t *rw_spool_id(const struct rw_spool *s)
{
	return s->id;
}

uint64_t rw_spool_last_sequence(const struct rw_spool *s)
{
	return s->last_sequence;
}

uint64_t rw_spool_acked(const struct rw_spool *s)
{
	return s->acked;
}

uint32_t rw_spool_pending(const struct rw_spool *s)
{
	return s->pending;
}

uint64_t rw_spool_evicted(const struct rw_spool *s)
{
	return s->evicted;
}

uint64_t rw_spool_unreported(const struct rw_spool *s)
{
	return s->unreported_full + s->unreported_old;
}

uint64_t rw_spool_bytes(const struct rw_spool *s)
{
	return s->size;
}

const struct rw_spool_log_mark *rw_spool_log_mark(const struct rw_spool *s)
{
	return &s->mark;
}

static uint64_t live_total(const struct rw_spool *s)
{
	uint64_t total = 0;

	for (int i = 0; i < SEVERITIES; i++)
		total += s->live_bytes[i];
	return total;
}

/* ---- rewriting ------------------------------------------------------------------ */

struct rewrite {
	uint64_t need;       /* room for so much more is wanted */
	uint8_t most_severe; /* what may go for it */
	bool renew;
	/* Its boot and time go into an events_lost event, under lost_sequence; 0: there is
	 * no number for one. */
	const struct rw_event *like;
	uint64_t lost_sequence;
	struct rw_evict *evict;
	uint64_t kept_bytes; /* if nothing went for want of room */
	uint64_t lost_full;  /* happenings that went */
	uint64_t lost_old;
	int fd;
	uint64_t size;
	uint64_t last_sequence;
};

/* Nothing goes without an event that tells of it. */
static bool is_too_old(const struct rw_spool *s, const struct rewrite *w, const struct record *r)
{
	return w->like != NULL && w->lost_sequence != 0 && s->max_age_ms != 0 &&
	       clock_now(s) > r->head.clock_ms && clock_now(s) - r->head.clock_ms > s->max_age_ms;
}

static struct rw_evict_event evictable(const struct record *r)
{
	return (struct rw_evict_event){
		.severity = r->head.severity,
		.signature = r->head.signature,
		.sequence = r->head.sequence,
		.bytes = record_bytes(r),
	};
}

/* The whole new file is durable before it takes its place: a bad record in it is damage. */
static int write_rewritten(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	seal_record(r, UINT64_MAX);
	int err = write_at(s, w->fd, &r->head, (size_t)record_bytes(r), w->size);
	if (err == 0)
		w->size += record_bytes(r);
	return err;
}

/* Calls `fn` with each unacked record, oldest first. */
static int each_live(struct rw_spool *s, struct rewrite *w, struct record *r,
		     int (*fn)(struct rw_spool *, struct rewrite *, struct record *))
{
	for (uint64_t offset = s->live_offset; offset < s->size;) {
		int err = read_record(s, offset, s->size, r);
		if (err != 0)
			return err == -EBADMSG ? -EIO : err;
		offset += record_bytes(r);
		if (r->head.type != RECORD_EVENT || r->head.sequence <= s->acked)
			continue;
		err = fn(s, w, r);
		if (err != 0)
			return err;
	}
	return 0;
}

static int count_one(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	struct rw_evict_event event = evictable(r);

	if (is_too_old(s, w, r))
		return 0;
	w->kept_bytes += event.bytes;
	rw_evict_count(w->evict, &event);
	return 0;
}

/* Copies one, unless it goes. */
static int copy_one(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	struct rw_evict_event event = evictable(r);

	if (is_too_old(s, w, r)) {
		w->lost_old += r->head.count;
		return 0;
	}
	if (w->evict != NULL && rw_evict_takes(w->evict, &event)) {
		w->lost_full += r->head.count;
		return 0;
	}
	return write_rewritten(s, w, r);
}

/* What has to go for w->need. An eighth of the spool at a time, so that a full one
 * is not rewritten for each event. */
static int plan_room(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	uint64_t goal = s->max_bytes - s->max_bytes / 8;

	if (w->need == 0)
		return 0;
	w->evict = rw_evict_new();
	if (w->evict == NULL)
		return -ENOMEM;
	int err = each_live(s, w, r, count_one);
	if (err != 0)
		return err;
	uint64_t used = sizeof(struct file_head) + w->kept_bytes + w->need;
	uint64_t excess = used <= goal ? 0 : used - goal;
	return rw_evict_plan(w->evict, excess, w->most_severe) > s->max_bytes / 8 ? -ENOBUFS : 0;
}

/* What was dropped, in an event of its own. */
static int build_lost_event(const struct rw_event *like, uint64_t full, uint64_t old,
			    uint64_t sequence, struct record *r)
{
	rw_autofree struct rw_event *event = calloc(1, sizeof(*event));
	uint64_t lost = full + old;

	if (event == NULL)
		return -ENOMEM;
	event->sequence = sequence;
	event->kind = RINGWATCH__V1__KIND__KIND_EVENTS_LOST;
	event->severity = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	event->source = RINGWATCH__V1__SOURCE__SOURCE_SENSOR;
	memcpy(event->boot_id, like->boot_id, sizeof(event->boot_id));
	event->boot_order = like->boot_order;
	event->boot_ms = like->boot_ms;
	event->wall_ms = like->wall_ms;
	event->cpu = RW_CPU_UNKNOWN;
	event->count = lost < UINT32_MAX ? (uint32_t)lost : UINT32_MAX;
	snprintf(event->signature, sizeof(event->signature), "events_lost:%s",
		 full > 0 ? "spool_full" : "spool_age");
	snprintf(event->detail, sizeof(event->detail),
		 "%llu events dropped: %llu for want of room in the spool, the least severe and "
		 "most repeated first, and %llu because they were older than its max_age",
		 (unsigned long long)lost, (unsigned long long)full, (unsigned long long)old);
	rw_event_set_fact(event, RINGWATCH__V1__FACT_NAME__FACT_EVICTED, "%llu",
			  (unsigned long long)lost);
	long length = rw_event_pack(event, r->payload, sizeof(r->payload));
	if (length < 0)
		return (int)length;
	r->head = (struct record_head){
		.length = (uint32_t)length,
		.type = RECORD_EVENT,
		.severity = (uint8_t)event->severity,
		.sequence = sequence,
		.log_sequence = UINT64_MAX,
		.signature = rw_evict_hash(event->signature),
		.count = event->count,
	};
	return record_bytes(r) <= RW_SPOOL_LOST_BYTES ? 0 : -EMSGSIZE;
}

/* In the same step as the dropping, so that a crash cannot come between. */
static int report_lost(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	uint64_t full = s->unreported_full + w->lost_full;
	uint64_t old = s->unreported_old + w->lost_old;

	if (full + old == 0 || w->like == NULL || w->lost_sequence == 0)
		return 0;
	int err = build_lost_event(w->like, full, old, w->lost_sequence, r);
	if (err != 0)
		return err;
	r->head.clock_ms = clock_now(s);
	err = write_rewritten(s, w, r);
	if (err == 0)
		w->last_sequence = w->lost_sequence;
	return err;
}

static int write_new_file(struct rw_spool *s, struct rewrite *w, const char *path, struct record *r)
{
	struct file_head head;
	int err = plan_room(s, w, r);

	if (err != 0)
		return err;
	w->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return -errno;
	w->size = sizeof(head);
	w->last_sequence = s->last_sequence;
	err = each_live(s, w, r, copy_one);
	if (err == 0)
		err = report_lost(s, w, r);
	if (err != 0)
		return err;
	fill_head(s, &head);
	head.last_sequence = w->last_sequence;
	if (w->renew) {
		err = new_id(head.id);
		if (err != 0)
			return err;
	}
	head.crc = head_crc(&head);
	err = write_at(s, w->fd, &head, sizeof(head), 0);
	if (err == 0)
		err = sync_fd(s, w->fd);
	if (err == 0)
		memcpy(s->id, head.id, sizeof(s->id));
	return err;
}

/* From here the new file is the spool, whether or not the folder's sync works. */
static int use_new_file(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	bool told = w->last_sequence != s->last_sequence;

	close(s->fd);
	s->fd = w->fd;
	s->suspect = false;
	s->size = s->synced = w->size;
	s->last_sequence = w->last_sequence;
	s->evicted += w->lost_full + w->lost_old;
	s->unreported_full = told ? 0 : s->unreported_full + w->lost_full;
	s->unreported_old = told ? 0 : s->unreported_old + w->lost_old;
	int err = count_live(s, r);
	int sync_err = sync_folder(s);
	return err != 0 ? err : sync_err;
}

/* On an error the old file stays in use. */
static int rewrite(struct rw_spool *s, struct rewrite *w)
{
	uint8_t old_id[RW_SPOOL_ID_BYTES];
	size_t path_size = strlen(s->path) + sizeof(".new");
	rw_autofree struct record *r = malloc(sizeof(*r));
	rw_autofree char *path = malloc(path_size);

	if (r == NULL || path == NULL)
		return -ENOMEM;
	memcpy(old_id, s->id, sizeof(old_id));
	snprintf(path, path_size, "%s.new", s->path);
	w->fd = -1;
	int err = write_new_file(s, w, path, r);
	rw_evict_free(w->evict);
	w->evict = NULL;
	if (err == 0 && rename(path, s->path) != 0)
		err = -errno;
	if (err == 0)
		return use_new_file(s, w, r);
	if (w->fd >= 0) {
		close(w->fd);
		unlink(path);
	}
	memcpy(s->id, old_id, sizeof(old_id));
	return err;
}

/* Into the head of the file. When it fails, the next event carries it. */
static void keep_last_sequence(struct rw_spool *s)
{
	struct rewrite w = {0};
	(void)rewrite(s, &w);
}

/* Gives dead room back when it outweighs the living. */
static void compact_if_worth_it(struct rw_spool *s)
{
	struct rewrite w = {0};
	uint64_t live = live_total(s);

	if (s->size < COMPACT_BYTES || s->size - sizeof(struct file_head) - live < live)
		return;
	/* when it fails the old file goes on; append meets the error again if it lasts */
	(void)rewrite(s, &w);
}

int rw_spool_renew(struct rw_spool *s)
{
	struct rewrite w = {.renew = true};
	return rewrite(s, &w);
}

uint64_t rw_spool_expires_ms(const struct rw_spool *s)
{
	uint64_t due_ms = s->oldest_ms + s->max_age_ms + s->max_age_ms / OVERDUE_PART;
	uint64_t clock_ms = clock_now(s);

	if (s->max_age_ms == 0 || s->pending == 0 || s->clock_from_ms == UINT64_MAX)
		return UINT64_MAX;
	return due_ms <= clock_ms ? s->now_ms : s->now_ms + (due_ms - clock_ms);
}

int rw_spool_expire(struct rw_spool *s, const struct rw_event *like, uint64_t sequence)
{
	struct rewrite w = {.like = like,
			    .lost_sequence = sequence != 0 ? sequence : s->last_sequence + 1};

	if (rw_spool_expires_ms(s) > s->now_ms)
		return 0;
	if (w.lost_sequence <= s->last_sequence)
		return -EINVAL;
	return rewrite(s, &w);
}

/* ---- adding ---------------------------------------------------------------------- */

/* Writes and syncs; on an error the file is as it was. */
static int write_record(struct rw_spool *s, struct record *r, bool durable)
{
	seal_record(r, s->synced);
	int err = write_at(s, s->fd, &r->head, (size_t)record_bytes(r), s->size);
	if (err == 0 && durable)
		err = sync_fd(s, s->fd);
	if (err != 0) {
		if (ftruncate(s->fd, (off_t)s->size) != 0)
			return err; /* the next record goes over it */
		return err;
	}
	s->last_offset = 0;
	s->size += record_bytes(r);
	if (durable)
		s->synced = s->size;
	return 0;
}

static void count_added(struct rw_spool *s, const struct record *r, uint64_t offset)
{
	s->last_sequence = r->head.sequence;
	if (s->pending == 0) {
		s->live_offset = offset;
		s->oldest_ms = r->head.clock_ms;
	}
	s->pending++;
	s->live_bytes[r->head.severity] += record_bytes(r);
}

static int add_event(struct rw_spool *s, struct rw_event *event, uint64_t log_sequence,
		     struct record *r)
{
	long length = rw_event_pack(event, r->payload, sizeof(r->payload));

	if (length < 0)
		return (int)length;
	r->head = (struct record_head){
		.length = (uint32_t)length,
		.type = RECORD_EVENT,
		.severity = (uint8_t)event->severity,
		.sequence = event->sequence,
		.log_sequence = log_sequence,
		.clock_ms = clock_now(s),
		.signature = rw_evict_hash(event->signature),
		.count = event->count,
	};
	uint64_t offset = s->size;
	int err = write_record(s, r, true);
	if (err != 0)
		return err;
	count_added(s, r, offset);
	s->last_offset = offset;
	s->mark_before = s->mark;
	if (log_sequence != UINT64_MAX) {
		memcpy(s->mark.boot_id, event->boot_id, sizeof(s->mark.boot_id));
		s->mark.sequence = log_sequence;
	}
	return 0;
}

/* What was refused or dropped, told without a rewrite. */
static int add_lost(struct rw_spool *s, const struct rw_event *like, uint64_t sequence,
		    struct record *r)
{
	int err = build_lost_event(like, s->unreported_full, s->unreported_old, sequence, r);

	if (err != 0)
		return err;
	r->head.clock_ms = clock_now(s);
	uint64_t offset = s->size;
	err = write_record(s, r, true);
	if (err != 0)
		return err;
	count_added(s, r, offset);
	s->unreported_full = s->unreported_old = 0;
	return 0;
}

/* Room for `need` bytes: first what is dead or too old goes, then the least severe,
 * and never anything more severe than what comes. */
static int make_room(struct rw_spool *s, uint64_t need, const struct rw_event *event,
		     uint64_t lost_sequence, struct record *r)
{
	struct rewrite w = {
		.need = need,
		.most_severe = (uint8_t)event->severity,
		.like = event,
		.lost_sequence = lost_sequence,
	};

	if (s->size + need <= s->max_bytes) {
		if (rw_spool_unreported(s) == 0 || lost_sequence == 0)
			return 0;
		return add_lost(s, event, lost_sequence, r);
	}
	/* what can be told without reading through the file */
	uint64_t stays = sizeof(struct file_head);
	for (int i = (int)event->severity + 1; i < SEVERITIES; i++)
		stays += s->live_bytes[i];
	if (stays + need > s->max_bytes && rw_spool_expires_ms(s) > s->now_ms)
		return -ENOBUFS;
	return rewrite(s, &w);
}

static int append(struct rw_spool *s, struct rw_event *event, uint64_t log_sequence,
		  uint64_t lost_sequence)
{
	rw_autofree struct record *r = malloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	if (event->severity <= 0 || (int)event->severity >= SEVERITIES)
		return -EINVAL;
	long length = rw_event_pack(event, r->payload, sizeof(r->payload));
	if (length < 0)
		return (int)length;

	uint64_t need = (uint64_t)length + RW_SPOOL_RECORD_BYTES + RW_SPOOL_LOST_BYTES;
	int err = make_room(s, need, event, lost_sequence, r);
	if (err == -ENOBUFS) {
		s->evicted += event->count;
		s->unreported_full += event->count;
	}
	if (err != 0)
		return err;
	if (event->sequence <= s->last_sequence)
		event->sequence = s->last_sequence + 1;
	return add_event(s, event, log_sequence, r);
}

int rw_spool_append(struct rw_spool *s, struct rw_event *event, uint64_t log_sequence)
{
	event->sequence = 0;
	return append(s, event, log_sequence, s->last_sequence + 1);
}

int rw_spool_append_as(struct rw_spool *s, struct rw_event *event, uint64_t log_sequence)
{
	if (event->sequence <= s->last_sequence)
		return -EINVAL;
	return append(s, event, log_sequence,
		      event->sequence - 1 > s->last_sequence ? event->sequence - 1 : 0);
}

int rw_spool_take_back(struct rw_spool *s, uint64_t sequence)
{
	rw_autofree struct record *r = malloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	if (s->last_offset == 0)
		return -ENOENT;
	int err = read_record(s, s->last_offset, s->size, r);
	if (err != 0)
		return err == -EBADMSG ? -EIO : err;
	if (r->head.sequence != sequence || sequence <= s->acked)
		return -ENOENT;
	if (ftruncate(s->fd, (off_t)s->last_offset) != 0)
		return -errno;
	s->size = s->synced = s->last_offset;
	s->last_offset = 0;
	s->walk_offset = 0;
	s->mark = s->mark_before;
	s->pending--;
	s->live_bytes[r->head.severity] -= record_bytes(r);
	return sync_fd(s, s->fd);
}

int rw_spool_try(struct rw_spool *s)
{
	rw_autofree struct record *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	if (s->suspect) {
		struct rewrite w = {0};
		int err = rewrite(s, &w);
		if (err != 0)
			return err;
	}
	/* no record: should it stay, the next open takes it for a torn tail */
	int err = write_at(s, s->fd, r, sizeof(*r), s->size);
	if (err == 0)
		err = sync_fd(s, s->fd);
	if (ftruncate(s->fd, (off_t)s->size) != 0 && err == 0)
		err = -errno;
	return err;
}

/* So that the time of this run counts in the age of what waits. */
static void keep_clock(struct rw_spool *s)
{
	uint64_t passed_ms = clock_now(s) - s->clock_base_ms;

	if (s->fd < 0 || s->pending == 0 || s->suspect || passed_ms < CLOCK_KEPT_MS)
		return;
	rw_autofree struct record *r = malloc(sizeof(*r));
	if (r == NULL)
		return;
	fill_ack(s, r, s->acked);
	(void)write_record(s, r, false);
}

/* ---- leaving ---------------------------------------------------------------------- */

/* Moves the front of what lives behind the acked. */
static int pass_acked(struct rw_spool *s, struct record *r)
{
	while (s->live_offset < s->size && s->pending > 0) {
		int err = read_record(s, s->live_offset, s->size, r);
		if (err != 0)
			return err == -EBADMSG ? -EIO : err;
		if (r->head.type == RECORD_EVENT) {
			if (r->head.sequence > s->acked) {
				s->oldest_ms = r->head.clock_ms;
				return 0;
			}
			s->pending--;
			s->live_bytes[r->head.severity] -= record_bytes(r);
		}
		s->live_offset += record_bytes(r);
	}
	return 0;
}

int rw_spool_ack(struct rw_spool *s, uint64_t sequence)
{
	rw_autofree struct record *r = malloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	if (sequence > s->last_sequence)
		return -ERANGE;
	if (sequence <= s->acked)
		return 0;
	fill_ack(s, r, sequence);
	/* Need not be durable: a lost ack only means that events are sent again. */
	int written = write_record(s, r, false);
	s->acked = sequence;
	int err = pass_acked(s, r);
	if (err == 0 && written != 0) {
		/* a full disk: without what is acked the file is smaller */
		struct rewrite w = {0};
		err = rewrite(s, &w) == 0 ? 0 : written;
	} else if (err == 0) {
		compact_if_worth_it(s);
	}
	return err;
}

int rw_spool_walk(struct rw_spool *s, uint64_t after, rw_spool_fn *fn, void *context)
{
	rw_autofree struct record *r = malloc(sizeof(*r));
	uint64_t offset = s->live_offset;

	if (r == NULL)
		return -ENOMEM;
	if (after < s->acked)
		after = s->acked;
	if (s->walk_offset > offset && s->walk_sequence == after)
		offset = s->walk_offset;
	while (offset < s->size) {
		int err = read_record(s, offset, s->size, r);
		if (err != 0) {
			s->suspect = true;
			return err == -EBADMSG ? -EIO : err;
		}
		if (r->head.type == RECORD_EVENT && r->head.sequence > after) {
			err = fn(context, r->head.sequence, r->payload, r->head.length);
			if (err != 0)
				return err;
			s->walk_sequence = r->head.sequence;
			s->walk_offset = offset + record_bytes(r);
		}
		offset += record_bytes(r);
	}
	return 0;
}

int rw_spool_review(struct rw_spool *s, rw_spool_review_fn *fn, void *context)
{
	rw_autofree struct record *r = malloc(sizeof(*r));
	rw_autofree struct rw_event *event = malloc(sizeof(*event));
	rw_autofree struct rw_log_excerpt *log = malloc(sizeof(*log));

	if (r == NULL || event == NULL || log == NULL)
		return -ENOMEM;
	for (uint64_t offset = sizeof(struct file_head); offset < s->size;) {
		int err = read_record(s, offset, s->size, r);
		if (err != 0)
			return err == -EBADMSG ? -EIO : err;
		offset += record_bytes(r);
		if (r->head.type == RECORD_EVENT &&
		    rw_event_unpack(r->payload, r->head.length, event, log) == 0)
			fn(context, event);
	}
	return 0;
}

struct wanted {
	Ringwatch__V1__Kind kind;
	const char *boot_id;
	bool found;
};

static void look_for(void *context, const struct rw_event *event)
{
	struct wanted *w = context;

	if (event->kind == w->kind && strcmp(event->boot_id, w->boot_id) == 0)
		w->found = true;
}

bool rw_spool_holds(struct rw_spool *s, Ringwatch__V1__Kind kind, const char *boot_id)
{
	struct wanted wanted = {.kind = kind, .boot_id = boot_id};

	(void)rw_spool_review(s, look_for, &wanted); /* what cannot be read is not held */
	return wanted.found;
}
