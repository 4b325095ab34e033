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
#include "sensor/pack.h"

enum {
	SPOOL_VERSION = 1,
	RECORD_MAGIC = 0x6b9d27e1,
	RECORD_EVENT = 1,
	RECORD_ACK = 2,
	SEVERITIES = 4, /* by number, 1 … 3 */
	COMPACT_BYTES = 64 * 1024,
	MENDED_ACKS_MAX = 64,    /* bad ones in a row */
	LOST_EVENT_BYTES = 1024, /* more than an events_lost record takes */
};

static const char spool_magic[8] = {'r', 'w', 's', 'p', 'o', 'o', 'l', '\n'};

struct file_head {
	char magic[8];
	uint32_t version;
	uint32_t crc; /* of the head with 0 here */
	uint8_t id[RW_SPOOL_ID_BYTES];
	uint64_t last_sequence;
	uint64_t acked;
	uint64_t log_sequence;
	char log_boot_id[RW_BOOT_ID_LENGTH + 4];
};
_Static_assert(sizeof(struct file_head) == 96, "no padding");

struct record_head {
	uint32_t magic;
	uint32_t crc; /* of head with 0 here, and payload */
	uint32_t length;
	uint8_t type;
	uint8_t severity;
	uint8_t zero[2];
	uint64_t sequence; /* of the event, or acked */
	uint64_t log_sequence;
	uint64_t synced; /* bytes of the file known to be durable */
};
_Static_assert(sizeof(struct record_head) == 40, "no padding");

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
	uint64_t unreported;    /* of them, not yet in an events_lost event */
	uint64_t walk_sequence; /* where the last walk stopped, */
	uint64_t walk_offset;   /* so that the next need not begin at the front */
};

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
static int read_at(int fd, void *out, size_t length, uint64_t offset)
{
	uint8_t *at = out;

	while (length > 0) {
		ssize_t n = pread(fd, at, length, (off_t)offset);
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

static int write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = pwrite(fd, at, length, (off_t)offset);
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

/* The record at `offset` of a file that ends at `end`; -EBADMSG when there is none. */
static int read_record(int fd, uint64_t offset, uint64_t end, struct record *r)
{
	const struct record_head *h = &r->head;

	if (end < offset || end - offset < sizeof(*h))
		return -EBADMSG;
	int err = read_at(fd, &r->head, sizeof(r->head), offset);
	if (err != 0)
		return err;
	if (h->magic != RECORD_MAGIC || h->length > RW_SPOOL_PAYLOAD_MAX ||
	    h->length > end - offset - sizeof(*h) || h->severity >= SEVERITIES ||
	    (h->type != RECORD_EVENT && h->type != RECORD_ACK))
		return -EBADMSG;
	err = read_at(fd, r->payload, h->length, offset + sizeof(*h));
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

static int sync_folder(const struct rw_spool *s)
{
	return fsync(s->folder_fd) == 0 ? 0 : -errno;
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

static bool read_head(int fd, struct file_head *h)
{
	return read_at(fd, h, sizeof(*h), 0) == 0 &&
	       memcmp(h->magic, spool_magic, sizeof(h->magic)) == 0 &&
	       h->version == SPOOL_VERSION && h->crc == head_crc(h) &&
	       h->acked <= h->last_sequence && h->log_boot_id[RW_BOOT_ID_LENGTH] == '\0';
}

/* Whether a good record behind the bad place was written when that place was durable. */
static bool is_damaged_at(int fd, uint64_t bad, uint64_t end, struct record *r)
{
	uint8_t block[4096];
	const uint32_t magic = RECORD_MAGIC;
	uint64_t at = bad + 1;

	while (end >= sizeof(r->head) && at <= end - sizeof(r->head)) {
		size_t n = end - at < sizeof(block) ? (size_t)(end - at) : sizeof(block);
		if (read_at(fd, block, n, at) != 0)
			return true;
		for (size_t i = 0; i + sizeof(magic) <= n; i++) {
			if (memcmp(block + i, &magic, sizeof(magic)) == 0 &&
			    read_record(fd, at + i, end, r) == 0 && r->head.synced > bad)
				return true;
		}
		at += n - (sizeof(magic) - 1);
	}
	return false;
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
		err = read_record(s->fd, bad + gap, end, r);
	}
	if (err == 0 && r->head.synced > bad)
		return -EBADMSG; /* that was durable, so it was no ack */
	for (uint64_t at = bad; err == 0 && at < bad + gap; at += sizeof(r->head)) {
		r->head = (struct record_head){
			.type = RECORD_ACK, .sequence = s->acked, .log_sequence = UINT64_MAX};
		seal_record(r, 0);
		err = write_at(s->fd, &r->head, sizeof(r->head), at);
	}
	if (err == 0 && fsync(s->fd) != 0)
		err = -errno;
	return err;
}

static void take_mark(struct rw_spool *s, const struct record *r)
{
	struct rw_event event;

	if (r->head.log_sequence == UINT64_MAX ||
	    rw_event_unpack(r->payload, r->head.length, &event) != 0)
		return;
	memcpy(s->mark.boot_id, event.boot_id, sizeof(s->mark.boot_id));
	s->mark.sequence = r->head.log_sequence;
}

/* Reads through the file. 0 with s->size behind the last good record, or
 * -EBADMSG when it is damaged. */
static int scan(struct rw_spool *s, uint64_t end, struct record *r)
{
	uint64_t offset = sizeof(struct file_head);
	uint64_t previous = s->acked;

	while (offset < end) {
		int err = read_record(s->fd, offset, end, r);
		if (err != 0 && err != -EBADMSG)
			return err;
		if (err != 0) {
			err = mend_acks(s, offset, end, r);
			if (err == 0)
				continue;
			if (err != -EBADMSG)
				return err;
			if (is_damaged_at(s->fd, offset, end, r))
				return -EBADMSG;
			break;
		}
		if (r->head.type == RECORD_EVENT) {
			if (r->head.sequence <= previous)
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
		int err = read_record(s->fd, offset, s->size, r);
		if (err != 0)
			return err;
		if (r->head.type == RECORD_EVENT && r->head.sequence > s->acked) {
			if (s->pending == 0)
				s->live_offset = offset;
			s->pending++;
			s->live_bytes[r->head.severity] += record_bytes(r);
		}
		offset += record_bytes(r);
	}
	s->walk_offset = 0;
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
	if (!read_head(s->fd, &head))
		return -EBADMSG;
	memcpy(s->id, head.id, sizeof(s->id));
	s->last_sequence = head.last_sequence;
	s->acked = head.acked;
	memcpy(s->mark.boot_id, head.log_boot_id, sizeof(s->mark.boot_id));
	s->mark.sequence = head.log_sequence;

	int err = scan(s, (uint64_t)st.st_size, r);
	if (err != 0)
		return err;
	if (s->size < (uint64_t)st.st_size) {
		if (ftruncate(s->fd, (off_t)s->size) != 0 || fsync(s->fd) != 0)
			return -errno;
		say(notice, "%s: cut a torn tail of %llu bytes", s->path,
		    (unsigned long long)st.st_size - s->size);
		/* If it was damage after all, a collector may know the number that stood
		 * there, and would take another event under it for the same. */
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
	struct rw_spool *s = calloc(1, sizeof(*s));
	int err;

	notice[0] = '\0';
	*set_aside = false;
	if (s == NULL) {
		say(notice, "%s: no memory", folder);
		return -ENOMEM;
	}
	s->fd = -1;
	s->max_bytes = max_bytes;
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

void rw_spool_close(struct rw_spool *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (s->folder_fd >= 0)
		close(s->folder_fd);
	free(s);
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
	uint64_t evict_bytes[SEVERITIES]; /* at least so many, of each */
	uint64_t lost[SEVERITIES];        /* events that went */
	bool renumber;
	const struct rw_event *like; /* its boot and time go into an events_lost event */
	int fd;
	uint64_t size;
	uint64_t last_sequence;
};

static uint64_t events_in(const struct record *r)
{
	Ringwatch__V1__Event *m = ringwatch__v1__event__unpack(NULL, r->head.length, r->payload);
	uint64_t count = m == NULL ? 1 : m->count;

	if (m != NULL)
		ringwatch__v1__event__free_unpacked(m, NULL);
	return count;
}

/* The whole new file is durable before it takes its place: a bad record in it is damage. */
static int write_rewritten(struct rewrite *w, struct record *r)
{
	seal_record(r, UINT64_MAX);
	int err = write_at(w->fd, &r->head, (size_t)record_bytes(r), w->size);
	if (err == 0)
		w->size += record_bytes(r);
	return err;
}

/* Copies what is unacked and stays, oldest first. */
static int copy_live(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	uint64_t evicted[SEVERITIES] = {0};

	for (uint64_t offset = s->live_offset; offset < s->size;) {
		int err = read_record(s->fd, offset, s->size, r);
		if (err != 0)
			return err == -EBADMSG ? -EIO : err;
		offset += record_bytes(r);
		if (r->head.type != RECORD_EVENT || r->head.sequence <= s->acked)
			continue;
		uint8_t severity = r->head.severity;
		if (evicted[severity] < w->evict_bytes[severity]) {
			evicted[severity] += record_bytes(r);
			w->lost[severity] += events_in(r);
			continue;
		}
		if (w->renumber)
			r->head.sequence = ++w->last_sequence;
		err = write_rewritten(w, r);
		if (err != 0)
			return err;
	}
	return 0;
}

/* What was dropped, in an event of its own; numbered by the caller. */
static int build_lost_event(const struct rw_event *like, uint64_t lost, uint64_t sequence,
			    struct record *r)
{
	struct rw_event event = {
		.sequence = sequence,
		.kind = RINGWATCH__V1__KIND__KIND_EVENTS_LOST,
		.severity = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING,
		.source = RINGWATCH__V1__SOURCE__SOURCE_SENSOR,
		.boot_order = like->boot_order,
		.boot_ms = like->boot_ms,
		.wall_ms = like->wall_ms,
		.cpu = RW_CPU_UNKNOWN,
		.count = lost < UINT32_MAX ? (uint32_t)lost : UINT32_MAX,
		.signature = "events_lost:spool_full",
	};

	memcpy(event.boot_id, like->boot_id, sizeof(event.boot_id));
	snprintf(event.detail, sizeof(event.detail),
		 "the spool was full: %llu events dropped, the least severe and oldest first",
		 (unsigned long long)lost);
	long length = rw_event_pack(&event, r->payload, sizeof(r->payload));
	if (length < 0)
		return (int)length;
	r->head = (struct record_head){
		.length = (uint32_t)length,
		.type = RECORD_EVENT,
		.severity = (uint8_t)event.severity,
		.sequence = sequence,
		.log_sequence = UINT64_MAX,
	};
	return 0;
}

/* In the same step as the dropping, so that a crash cannot come between. */
static int report_lost(struct rw_spool *s, struct rewrite *w, struct record *r)
{
	uint64_t lost = s->unreported;

	for (int i = 0; i < SEVERITIES; i++)
		lost += w->lost[i];
	if (lost == 0 || w->like == NULL)
		return 0;
	int err = build_lost_event(w->like, lost, w->last_sequence + 1, r);
	if (err == 0)
		err = write_rewritten(w, r);
	if (err == 0)
		w->last_sequence++;
	return err;
}

static int write_new_file(struct rw_spool *s, struct rewrite *w, const char *path, struct record *r)
{
	struct file_head head;

	w->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return -errno;
	w->size = sizeof(head);
	w->last_sequence = w->renumber ? 0 : s->last_sequence;
	int err = copy_live(s, w, r);
	if (err == 0)
		err = report_lost(s, w, r);
	if (err != 0)
		return err;
	fill_head(s, &head);
	head.last_sequence = w->last_sequence;
	if (w->renumber) {
		head.acked = 0;
		err = new_id(head.id);
		if (err != 0)
			return err;
	}
	head.crc = head_crc(&head);
	err = write_at(w->fd, &head, sizeof(head), 0);
	if (err == 0 && fsync(w->fd) != 0)
		err = -errno;
	if (err == 0)
		memcpy(s->id, head.id, sizeof(s->id));
	return err;
}

/* On an error the old file stays in use. */
static int rewrite(struct rw_spool *s, struct rewrite *w)
{
	char path[PATH_MAX + 8];
	uint8_t old_id[RW_SPOOL_ID_BYTES];
	rw_autofree struct record *r = malloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	memcpy(old_id, s->id, sizeof(old_id));
	snprintf(path, sizeof(path), "%s.new", s->path);
	w->fd = -1;
	int err = write_new_file(s, w, path, r);
	if (err == 0 && rename(path, s->path) != 0)
		err = -errno;
	if (err != 0) {
		if (w->fd >= 0)
			close(w->fd);
		unlink(path);
		memcpy(s->id, old_id, sizeof(old_id));
		return err;
	}
	/* From here the new file is the spool, whether or not the folder's sync works. */
	close(s->fd);
	s->fd = w->fd;
	s->size = s->synced = w->size;
	s->last_sequence = w->last_sequence;
	if (w->renumber)
		s->acked = 0;
	err = count_live(s, r);
	int sync_err = sync_folder(s);
	return err != 0 ? err : sync_err;
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
	struct rewrite w = {.renumber = true};
	return rewrite(s, &w);
}

/* ---- adding ---------------------------------------------------------------------- */

/* Writes and syncs; on an error the file is as it was. */
static int write_record(struct rw_spool *s, struct record *r, bool durable)
{
	seal_record(r, s->synced);
	int err = write_at(s->fd, &r->head, (size_t)record_bytes(r), s->size);
	if (err == 0 && durable && fdatasync(s->fd) != 0)
		err = -errno;
	if (err != 0) {
		if (ftruncate(s->fd, (off_t)s->size) != 0)
			return err; /* the next record goes over it */
		return err;
	}
	s->size += record_bytes(r);
	if (durable)
		s->synced = s->size;
	return 0;
}

static int add_event(struct rw_spool *s, struct rw_event *event, uint64_t log_sequence,
		     struct record *r)
{
	event->sequence = s->last_sequence + 1;
	long length = rw_event_pack(event, r->payload, sizeof(r->payload));
	if (length < 0)
		return (int)length;
	r->head = (struct record_head){
		.length = (uint32_t)length,
		.type = RECORD_EVENT,
		.severity = (uint8_t)event->severity,
		.sequence = event->sequence,
		.log_sequence = log_sequence,
	};
	uint64_t offset = s->size;
	int err = write_record(s, r, true);
	if (err != 0)
		return err;
	s->last_sequence = event->sequence;
	if (s->pending == 0)
		s->live_offset = offset;
	s->pending++;
	s->live_bytes[r->head.severity] += record_bytes(r);
	if (log_sequence != UINT64_MAX) {
		memcpy(s->mark.boot_id, event->boot_id, sizeof(s->mark.boot_id));
		s->mark.sequence = log_sequence;
	}
	return 0;
}

/* Room for `need` bytes: first what is dead goes, then the oldest of the least
 * severe, and never anything more severe than what comes. */
static int make_room(struct rw_spool *s, uint64_t need, const struct rw_event *event)
{
	struct rewrite w = {.like = event};
	uint64_t live = live_total(s);
	uint64_t used = sizeof(struct file_head) + live;
	uint64_t goal = s->max_bytes - s->max_bytes / 8;

	if (s->size + need <= s->max_bytes && s->unreported == 0)
		return 0;
	/* an eighth at a time, so that a full spool is not rewritten for each event */
	uint64_t excess = used + need <= goal ? 0 : used + need - goal;
	for (uint8_t i = 0; i <= (uint8_t)event->severity && excess > 0; i++) {
		w.evict_bytes[i] = excess < s->live_bytes[i] ? excess : s->live_bytes[i];
		excess -= w.evict_bytes[i];
	}
	if (excess > s->max_bytes / 8)
		return -ENOSPC;
	int err = rewrite(s, &w);
	if (err != 0)
		return err;
	for (int i = 0; i < SEVERITIES; i++)
		s->evicted += w.lost[i];
	s->unreported = 0;
	return 0;
}

int rw_spool_append(struct rw_spool *s, struct rw_event *event, uint64_t log_sequence)
{
	rw_autofree struct record *r = malloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	if (event->severity <= 0 || (int)event->severity >= SEVERITIES)
		return -EINVAL;
	long length = rw_event_pack(event, r->payload, sizeof(r->payload));
	if (length < 0)
		return (int)length;

	/* the number is not known yet and takes at most 10 bytes */
	uint64_t need = sizeof(r->head) + (uint64_t)length + 10;
	int err = make_room(s, need + LOST_EVENT_BYTES, event);
	if (err == -ENOSPC) {
		s->evicted += event->count;
		s->unreported += event->count;
	}
	if (err == 0)
		err = add_event(s, event, log_sequence, r);
	return err;
}

/* ---- leaving ---------------------------------------------------------------------- */

/* Moves the front of what lives behind the acked. */
static int pass_acked(struct rw_spool *s, struct record *r)
{
	while (s->live_offset < s->size && s->pending > 0) {
		int err = read_record(s->fd, s->live_offset, s->size, r);
		if (err != 0)
			return err == -EBADMSG ? -EIO : err;
		if (r->head.type == RECORD_EVENT) {
			if (r->head.sequence > s->acked)
				return 0;
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
	r->head = (struct record_head){
		.type = RECORD_ACK, .sequence = sequence, .log_sequence = UINT64_MAX};
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
		int err = read_record(s->fd, offset, s->size, r);
		if (err != 0)
			return err == -EBADMSG ? -EIO : err;
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

	if (r == NULL || event == NULL)
		return -ENOMEM;
	for (uint64_t offset = sizeof(struct file_head); offset < s->size;) {
		int err = read_record(s->fd, offset, s->size, r);
		if (err != 0)
			return err == -EBADMSG ? -EIO : err;
		offset += record_bytes(r);
		if (r->head.type == RECORD_EVENT &&
		    rw_event_unpack(r->payload, r->head.length, event) == 0)
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
