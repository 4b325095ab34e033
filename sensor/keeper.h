/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps events, and the boot's state, on a disk that may be slow, full,
 * read-only, or never answer again, without the sensor's loop ever waiting for it.
 *
 * A thread of its own (writer.h) owns the spool and does every write and fsync
 * below the state directory. The loop hands it jobs and takes back results. A
 * thread that hangs in the kernel (D state) stops nothing but itself: stopping
 * the sensor does not wait for it longer than RW_KEEPER_STOP_MS.
 *
 * Disk works: an event is handed to the uplink when it is durable, one hop after
 * it was put. An append that fails, anything that does not return within
 * RW_KEEPER_HUNG_MS, a critical event that is not durable within
 * RW_KEEPER_URGENT_MS, and more waiting than memory holds turn the keeper to
 * memory: events are then kept in a ring of RW_KEEPER_MEMORY_BYTES under a spool
 * id of its own, the least severe and most repeated going first when it is full
 * (evict.h), and are delivered from there; Hello says so (SPOOL_MEMORY and why).
 * What had been handed to the thread and not come back goes to the ring as well;
 * should it reach the disk after all, the thread takes it back from there. Only
 * when it cannot, the event is told twice; none is lost.
 *
 * When writing fails but reading works, what waits on the disk is delivered first
 * (the disk's id, SPOOL_MEMORY), and then the ring. The disk is tried every
 * RW_KEEPER_RETRY_MS. When it answers again, the ring is given RW_KEEPER_DRAIN_MS
 * to be acked; what is left of it moves to the disk.
 *
 * A sequence number is given once in a sensor's life, whatever the id, so that an
 * excerpt can name its event wherever both are kept; numbers may be left out. An
 * excerpt whose event is on the disk alone waits in the ring for the disk.
 *
 * A sensor that cannot open its state at all at the start (read-only or full
 * disk) starts in memory; only a state directory that is wrong (no right to it,
 * another sensor on it) is an error.
 *
 * Owner: the loop's thread calls everything here. Idle, nothing wakes up.
 */
#ifndef RINGWATCH_SENSOR_KEEPER_H
#define RINGWATCH_SENSOR_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/events/event.h"
#include "sensor/boot.h"
#include "sensor/spool.h"

enum {
	RW_KEEPER_QUEUE = 64,                /* events handed to the thread at most */
	RW_KEEPER_MEMORY_BYTES = 256 * 1024, /* packed; allocated only as it is needed */
	RW_KEEPER_WINDOW_BYTES = 64 * 1024,  /* of what is durable, for the uplink */
	RW_KEEPER_HUNG_MS = 5000,
	RW_KEEPER_URGENT_MS = 500,
	RW_KEEPER_RETRY_MS = 5000,
	RW_KEEPER_DRAIN_MS = 3000,
	RW_KEEPER_STOP_MS = 1500,
	RW_KEEPER_REASON_BYTES = 161,
};

struct rw_keeper;

struct rw_keeper_config {
	const char *folder;               /* the state directory, which is made */
	uint64_t max_bytes;               /* of the spool */
	uint64_t max_age_ms;              /* 0: none */
	const struct rw_spool_disk *disk; /* NULL: the real one. Outlives the process: a thread
					     that was left behind may still use it */
};

/*
 * The state directory's lock and the spool. On success `notice` gets what was
 * put right, or why it begins in memory, or "". 0; -EWOULDBLOCK (another sensor runs on it),
 * -EACCES, -EPERM, -ENOTDIR, -ENOENT, -ENOMEM with a line in `notice`. Anything else that is wrong
 * with the disk is no error: it starts in memory.
 */
int rw_keeper_open(const struct rw_keeper_config *config, struct rw_keeper **out,
		   char notice[RW_SPOOL_ERROR_BYTES]);
/* Whether a damaged spool was set aside: events may be lost. */
bool rw_keeper_was_set_aside(const struct rw_keeper *keeper);
/* Gives the thread RW_KEEPER_STOP_MS to finish what it has, which in memory mode is
 * a last try to write the ring down. */
void rw_keeper_close(struct rw_keeper *keeper);

/*
 * Before rw_keeper_start the spool is the caller's, in the same thread: the last
 * boot is settled then, and rw_keeper_put writes at once. NULL when the keeper has
 * begun in memory: then there is nothing but rw_keeper_put; and after
 * rw_keeper_start.
 */
struct rw_spool *rw_keeper_spool(struct rw_keeper *keeper);
/* Starts the thread. It keeps the rights that the caller has at this moment. */
int rw_keeper_start(struct rw_keeper *keeper);

/* To poll for reading: the thread has results. -1 before rw_keeper_start. */
int rw_keeper_descriptor(const struct rw_keeper *keeper);
/* Takes results, minds deadlines. The boot time at which it wants to be called
 * again at the latest; UINT64_MAX: only for the descriptor. */
uint64_t rw_keeper_run(struct rw_keeper *keeper, uint64_t now_ms);

/*
 * False while so much waits for a slow disk that the kernel log's lines are better
 * left where they are until the descriptor tells; memory keeps the rest of its
 * room for what cannot wait. True in memory mode.
 */
bool rw_keeper_has_room(const struct rw_keeper *keeper);
/*
 * Keeps an event with its log; sequence is filled. False when neither disk nor
 * memory had room for it: it is counted. Sequences are given here, at once, so
 * that an excerpt can name its event.
 */
bool rw_keeper_put(struct rw_keeper *keeper, struct rw_event *event, uint64_t log_sequence,
		   uint64_t now_ms);
/*
 * The newest state is written, after the events that were put before; an older
 * one that still waits is dropped. While events are kept in memory alone, the
 * kernel log's position in it stays where it was: what is lost with the memory is
 * read again.
 */
void rw_keeper_save_state(struct rw_keeper *keeper, const struct rw_boot_state *state,
			  uint64_t now_ms);
/* Whether all that was handed over is durable, or in memory mode. */
bool rw_keeper_is_settled(const struct rw_keeper *keeper);

Ringwatch__V1__SpoolState rw_keeper_state(const struct rw_keeper *keeper);
const char *rw_keeper_reason(const struct rw_keeper *keeper); /* "" on disk */
/* Grows when the id that the uplink sends under, or the state, changes: then it has
 * to greet anew. */
uint32_t rw_keeper_generation(const struct rw_keeper *keeper);

/* ---- for the uplink ------------------------------------------------------------ */

const uint8_t *rw_keeper_spool_id(const struct rw_keeper *keeper);
/*
 * The packed event behind `after`, and its sequence. 0; -EAGAIN: there may be
 * one, it is being read (the descriptor will tell); -ENOENT: none. What it
 * points to lives until the next call to any function of the keeper.
 */
int rw_keeper_next(struct rw_keeper *keeper, uint64_t after, uint64_t *sequence,
		   const uint8_t **packed, size_t *length);
/* As rw_spool_ack and rw_spool_renew, of the id that the uplink sends under; but
 * the disk follows, and the generation grows when there is a new id. */
int rw_keeper_ack(struct rw_keeper *keeper, uint64_t sequence);
int rw_keeper_renew(struct rw_keeper *keeper);
uint64_t rw_keeper_acked(const struct rw_keeper *keeper);
uint64_t rw_keeper_last_sequence(const struct rw_keeper *keeper); /* 0: none was given */
/* On disk and in memory, not acked. */
uint32_t rw_keeper_pending(const struct rw_keeper *keeper);
/* Whether all that can be sent in this state is acked. */
bool rw_keeper_is_drained(const struct rw_keeper *keeper);

struct rw_keeper_losses {
	uint64_t evicted;   /* for want of room or of age, by disk and memory: events_lost events
			       tell of them */
	uint64_t unwritten; /* neither had room */
};
struct rw_keeper_losses rw_keeper_losses(const struct rw_keeper *keeper);

#endif
