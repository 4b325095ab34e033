/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on disk, from the moment they are made until a collector has them on
 * its own disk.
 *
 * One append-only file `spool` in the state directory: a head with the
 * spool's random id, then records with a CRC each. An append returns after
 * fsync, so whatever the uplink reads survives a kill or a power cut; one that
 * fails has not happened. Acks are records too. The file is rewritten (temporary
 * file, fsync, rename) when what is dead in it outweighs what lives, or when it
 * is full.
 *
 * After a crash the torn tail is cut. A file that is damaged elsewhere is set
 * aside under another name, and a new spool with a new id begins; the
 * collector keys events by (host, spool id, sequence), so nothing new can be
 * taken for something old.
 *
 * Bounded by max_bytes: when full, the least severe and most repeated go (see
 * evict.h). Bounded by age: an event grows older while a sensor holds the spool,
 * measured by CLOCK_BOOTTIME. So neither a step of the wall clock nor a month
 * without power throws away what never had a chance to be sent. It goes when it
 * is a sixteenth older than the limit at the latest. In either case an
 * events_lost event with their number takes their place in the same step.
 *
 * Owner: one thread at a time, one process (the caller holds the state
 * directory's lock). Memory: nothing per record, but for the time of a rewrite.
 */
#ifndef RINGWATCH_SENSOR_SPOOL_H
#define RINGWATCH_SENSOR_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/events/event.h"

enum {
	RW_SPOOL_BYTES_MIN = 64 * 1024,
	RW_SPOOL_BYTES_MAX = 1024 * 1024 * 1024,
	RW_SPOOL_PAYLOAD_MAX = 16 * 1024, /* one packed event; all fields full are below 12 KiB */
	RW_SPOOL_RECORD_BYTES = 128,      /* what a record takes beside it, at most */
	RW_SPOOL_LOST_BYTES = 1024,       /* a whole record of an events_lost event, at most */
	RW_SPOOL_ERROR_BYTES = 320,
};

/* How far in the kernel log of which boot the spooled events reach: nothing at
 * or before `sequence` is to be read again. UINT64_MAX: nowhere. */
struct rw_spool_log_mark {
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	uint64_t sequence;
};

/* The calls that a disk can fail or hang in, as pread, pwrite and fsync; so that
 * a test can be the disk. */
struct rw_spool_disk {
	void *context;
	ssize_t (*read)(void *context, int fd, void *out, size_t length, off_t offset);
	ssize_t (*write)(void *context, int fd, const void *bytes, size_t length, off_t offset);
	int (*sync)(void *context, int fd);
};

struct rw_spool;

/*
 * Opens or makes the spool in `folder`. 0 or negative errno with a line in
 * `notice`. On success `notice` is "" or says what was put right: a torn tail
 * cut, a damaged file set aside (*set_aside is true then).
 */
int rw_spool_open(const char *folder, uint64_t max_bytes, struct rw_spool **out, bool *set_aside,
		  char notice[RW_SPOOL_ERROR_BYTES]);
/* The same on a disk of the caller's, that outlives the spool; NULL: the real one. */
int rw_spool_open_on(const struct rw_spool_disk *disk, const char *folder, uint64_t max_bytes,
		     struct rw_spool **out, bool *set_aside, char notice[RW_SPOOL_ERROR_BYTES]);
void rw_spool_close(struct rw_spool *spool);

/* Age: 0, as at the beginning, is no limit; and the boot time now, since nothing
 * grows older without it. */
void rw_spool_set_max_age(struct rw_spool *spool, uint64_t max_age_ms);
void rw_spool_set_now(struct rw_spool *spool, uint64_t now_ms);

const uint8_t *rw_spool_id(const struct rw_spool *spool);      /* RW_SPOOL_ID_BYTES */
uint64_t rw_spool_last_sequence(const struct rw_spool *spool); /* 0 before the first */
uint64_t rw_spool_acked(const struct rw_spool *spool);
uint32_t rw_spool_pending(const struct rw_spool *spool);
uint64_t rw_spool_bytes(const struct rw_spool *spool); /* of the file */
/* Events that had to go since it was opened, and of them those that no
 * events_lost event tells of yet. */
uint64_t rw_spool_evicted(const struct rw_spool *spool);
uint64_t rw_spool_unreported(const struct rw_spool *spool);
const struct rw_spool_log_mark *rw_spool_log_mark(const struct rw_spool *spool);

/*
 * Adds an event, giving it the next sequence number, and makes it durable.
 * `log_sequence` as in struct rw_spool_log_mark, of the event's boot;
 * UINT64_MAX leaves the mark as it is. On an error nothing was added; -ENOBUFS:
 * the spool is full of what is more severe, and the event is counted as evicted.
 */
int rw_spool_append(struct rw_spool *spool, struct rw_event *event, uint64_t log_sequence);
/*
 * The same under a number that the caller has given: above the last one, else
 * -EINVAL. An events_lost event takes the number before it; when that is the
 * last one already, it waits for an event that leaves it one.
 */
int rw_spool_append_as(struct rw_spool *spool, struct rw_event *event, uint64_t log_sequence);
/*
 * Takes the last event back that was appended, if nothing came behind it; its
 * number is not given again. 0; -ENOENT: it is not the last; another errno.
 */
int rw_spool_take_back(struct rw_spool *spool, uint64_t sequence);

/*
 * Everything up to `sequence` is on a collector's disk. -ERANGE when the spool
 * has never given that number: the state directory was put back to an earlier
 * day, see rw_spool_renew. On another error it holds for this spool, but may be
 * forgotten when it is opened again.
 */
int rw_spool_ack(struct rw_spool *spool, uint64_t sequence);

/* A new id; the events that are still here keep their numbers. */
int rw_spool_renew(struct rw_spool *spool);

/*
 * Drops what is too old and puts an events_lost event in its place, with the
 * boot and time of `like`, under `sequence` (0: the next). 0, also when nothing
 * was, or an errno. And the boot time from which there is something to do;
 * UINT64_MAX: never.
 */
int rw_spool_expire(struct rw_spool *spool, const struct rw_event *like, uint64_t sequence);
uint64_t rw_spool_expires_ms(const struct rw_spool *spool);

/*
 * Whether the disk takes the largest event now; 0 or why not. After a sync or a
 * reading that failed nobody knows what of the file is on the disk: it is written
 * anew.
 */
int rw_spool_try(struct rw_spool *spool);

/* Called with each packed Event; a value other than 0 stops and is returned. */
typedef int rw_spool_fn(void *context, uint64_t sequence, const uint8_t *packed, size_t length);

/*
 * Walks the events behind `after`, oldest first. 0, the callback's value, or
 * negative errno (-EIO when the file no longer reads as it was written).
 */
int rw_spool_walk(struct rw_spool *spool, uint64_t after, rw_spool_fn *fn, void *context);

/* Called with each event that the file remembers, acked or not, oldest first;
 * with its log. */
typedef void rw_spool_review_fn(void *context, const struct rw_event *event);
int rw_spool_review(struct rw_spool *spool, rw_spool_review_fn *fn, void *context);

/* Whether an event of this kind about this boot is in the spool, acked or not
 * (as long as the file remembers it). */
bool rw_spool_holds(struct rw_spool *spool, Ringwatch__V1__Kind kind, const char *boot_id);

#endif
