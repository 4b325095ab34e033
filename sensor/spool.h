/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on disk, from the moment they are made until a collector has them on
 * its own disk.
 *
 * One append-only file `spool` in the state directory: a head with the
 * spool's random id, then records with a CRC each. An append returns after
 * fsync, so whatever the uplink reads survives a kill or a power cut. Acks are
 * records too. The file is rewritten (temporary file, fsync, rename) when what
 * is dead in it outweighs what lives, or when it is full.
 *
 * After a crash the torn tail is cut. A file that is damaged elsewhere is set
 * aside under another name, and a new spool with a new id begins; the
 * collector keys events by (host, spool id, sequence), so nothing new can be
 * taken for something old.
 *
 * Bounded by max_bytes: when full, the oldest of the lowest severity go, and an
 * events_lost event with their number takes their place.
 *
 * Owner: one thread, one process (the caller holds the state directory's lock).
 * Memory: nothing per record.
 */
#ifndef RINGWATCH_SENSOR_SPOOL_H
#define RINGWATCH_SENSOR_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensor/event.h"

enum {
	RW_SPOOL_BYTES_MIN = 64 * 1024,
	RW_SPOOL_BYTES_MAX = 1024 * 1024 * 1024,
	RW_SPOOL_PAYLOAD_MAX = 16 * 1024, /* one packed event; all fields full are below 6 KiB */
	RW_SPOOL_ERROR_BYTES = 320,
};

/* How far in the kernel log of which boot the spooled events reach: nothing at
 * or before `sequence` is to be read again. UINT64_MAX: nowhere. */
struct rw_spool_log_mark {
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	uint64_t sequence;
};

struct rw_spool;

/*
 * Opens or makes the spool in `folder`. 0 or negative errno with a line in
 * `notice`. On success `notice` is "" or says what was put right: a torn tail
 * cut, a damaged file set aside (*set_aside is true then).
 */
int rw_spool_open(const char *folder, uint64_t max_bytes, struct rw_spool **out, bool *set_aside,
		  char notice[RW_SPOOL_ERROR_BYTES]);
void rw_spool_close(struct rw_spool *spool);

const uint8_t *rw_spool_id(const struct rw_spool *spool);      /* RW_SPOOL_ID_BYTES */
uint64_t rw_spool_last_sequence(const struct rw_spool *spool); /* 0 before the first */
uint64_t rw_spool_acked(const struct rw_spool *spool);
uint32_t rw_spool_pending(const struct rw_spool *spool);
/* Events that had to go for want of room since it was opened. */
uint64_t rw_spool_evicted(const struct rw_spool *spool);
const struct rw_spool_log_mark *rw_spool_log_mark(const struct rw_spool *spool);

/*
 * Adds an event, giving it the next sequence number, and makes it durable.
 * `log_sequence` as in struct rw_spool_log_mark, of the event's boot;
 * UINT64_MAX leaves the mark as it is. On an error nothing was added.
 */
int rw_spool_append(struct rw_spool *spool, struct rw_event *event, uint64_t log_sequence);

/*
 * Everything up to `sequence` is on a collector's disk. -ERANGE when the spool
 * has never given that number: the state directory was put back to an earlier
 * day, see rw_spool_renew.
 */
int rw_spool_ack(struct rw_spool *spool, uint64_t sequence);

/* A new id; the events that are still here get new numbers under it. */
int rw_spool_renew(struct rw_spool *spool);

/* Called with each packed Event; a value other than 0 stops and is returned. */
typedef int rw_spool_fn(void *context, uint64_t sequence, const uint8_t *packed, size_t length);

/*
 * Walks the events behind `after`, oldest first. 0, the callback's value, or
 * negative errno (-EIO when the file no longer reads as it was written).
 */
int rw_spool_walk(struct rw_spool *spool, uint64_t after, rw_spool_fn *fn, void *context);

/* Called with each event that the file remembers, acked or not, oldest first. */
typedef void rw_spool_review_fn(void *context, const struct rw_event *event);
int rw_spool_review(struct rw_spool *spool, rw_spool_review_fn *fn, void *context);

/* Whether an event of this kind about this boot is in the spool, acked or not
 * (as long as the file remembers it). */
bool rw_spool_holds(struct rw_spool *spool, Ringwatch__V1__Kind kind, const char *boot_id);

#endif
