/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that does everything the keeper wants done below the state
 * directory, so that only it waits when the disk makes it wait.
 *
 * Jobs go in, and come back with their results in the same order; nothing else
 * is shared but packed events, which nobody changes and whoever is last frees.
 * It sleeps while there is no job. After an append that failed it refuses all
 * further ones (-ECANCELED) until a RW_WRITER_TRY has succeeded, so that the
 * events on the disk never have a hole.
 *
 * A thread that hangs in the kernel is left behind at the end; what it needs
 * stays alive until it comes out.
 *
 * Owner: the keeper. All functions are called by the loop's thread.
 */
#ifndef RINGWATCH_SENSOR_WRITER_H
#define RINGWATCH_SENSOR_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/events/event.h"
#include "sensor/boot.h"
#include "sensor/spool.h"

enum { RW_WRITER_READ_BYTES = 64 * 1024 /* of one RW_WRITER_READ */ };

/* ---- packed events ---------------------------------------------------------------- */

struct rw_packed {
	/* Of whoever has it in a list; the thread looks at neither. */
	struct rw_packed *next;
	uint64_t sequence;
	uint64_t about;
	uint64_t put_ms;
	bool stale;  /* the bytes speak of an earlier `about` */
	bool parked; /* not to be sent from memory, see keeper.h */
	bool orphan; /* an excerpt of what has been acked */
	/* Never changed after it was made. */
	atomic_uint users;
	uint64_t log_sequence;
	uint64_t signature; /* rw_evict_hash */
	uint32_t count;
	uint32_t length;
	uint8_t severity;
	uint8_t bytes[];
};

/* With one user; NULL: no memory. */
struct rw_packed *rw_packed_new(uint64_t sequence, const uint8_t *bytes, size_t length);
void rw_packed_release(struct rw_packed *packed);
size_t rw_packed_bytes(const struct rw_packed *packed); /* of memory */

struct rw_packed_list {
	struct rw_packed *first;
	struct rw_packed *last;
	uint32_t count;
	uint64_t bytes;
};

void rw_packed_push(struct rw_packed_list *list, struct rw_packed *packed);
struct rw_packed *rw_packed_pop(struct rw_packed_list *list); /* NULL: empty */
void rw_packed_clear(struct rw_packed_list *list);

/* ---- the place ---------------------------------------------------------------------- */

struct rw_writer_place {
	const struct rw_spool_disk *disk; /* NULL: the real one; outlives the thread */
	char *folder;
	uint64_t max_bytes;
	uint64_t max_age_ms;
	int lock_fd;            /* -1: not locked yet */
	struct rw_spool *spool; /* NULL: not open yet */
};

/*
 * Makes the folder, takes its lock and opens the spool, as far as that has not
 * been done. 0 or negative errno; `notice` as rw_spool_open.
 */
int rw_writer_open(struct rw_writer_place *place, bool *set_aside,
		   char notice[RW_SPOOL_ERROR_BYTES]);
void rw_writer_close(struct rw_writer_place *place);

/* ---- jobs ----------------------------------------------------------------------------- */

enum rw_writer_task {
	RW_WRITER_APPEND, /* `packed` under `sequence` */
	RW_WRITER_ACK,    /* up to `sequence` */
	RW_WRITER_RENEW,
	RW_WRITER_EXPIRE, /* `like`, `sequence` */
	RW_WRITER_READ,   /* behind `sequence` */
	RW_WRITER_STATE,
	RW_WRITER_TRY, /* rw_writer_open, rw_spool_try */
};

/* What the loop has to know of the spool. */
struct rw_writer_facts {
	bool open;
	uint8_t id[RW_SPOOL_ID_BYTES];
	uint64_t last_sequence;
	uint64_t acked;
	uint64_t bytes;
	uint64_t evicted;
	uint64_t unreported;
	uint64_t expires_ms;
	uint32_t pending;
};

struct rw_writer_job {
	struct rw_writer_job *next;
	enum rw_writer_task task;
	uint64_t now_ms;
	uint64_t sequence;
	uint64_t about;
	struct rw_packed *packed;   /* one user of it */
	struct rw_boot_state state; /* RW_WRITER_STATE; RW_WRITER_EXPIRE: boot id and order */
	uint64_t wall_ms;
	bool abandoned; /* of an append: nobody waits for it any more */
	/* results */
	int error;
	bool taken_back; /* an append that was abandoned, and is not on the disk */
	bool set_aside;
	bool read_all;
	struct rw_packed_list read;
	char *notice; /* or NULL */
	struct rw_writer_facts facts;
};

struct rw_writer_job *rw_writer_job_new(enum rw_writer_task task, uint64_t now_ms);
void rw_writer_job_free(struct rw_writer_job *job);

struct rw_writer_facts rw_writer_facts(const struct rw_spool *spool); /* NULL: not open */

struct rw_writer;

/* Starts the thread, which owns what `place` holds from then on. 0 or negative errno. */
int rw_writer_start(const struct rw_writer_place *place, struct rw_writer **out);
/* Readable when there are results. */
int rw_writer_descriptor(const struct rw_writer *writer);
void rw_writer_hand(struct rw_writer *writer, struct rw_writer_job *job);
/* The next result, or NULL. The caller frees it. */
struct rw_writer_job *rw_writer_take(struct rw_writer *writer);
/*
 * Drops the jobs of a kind that still wait, but not the one that is next in line
 * when `keep_next`; how many they were.
 */
uint32_t rw_writer_drop(struct rw_writer *writer, enum rw_writer_task task, bool keep_next);
/* Nobody waits any more for the append that is being done, if one is. */
void rw_writer_abandon(struct rw_writer *writer);
/* Lets it finish what was handed over, but waits no longer than `wait_ms`; then it
 * is left behind. True when it ended. */
bool rw_writer_stop(struct rw_writer *writer, uint64_t wait_ms);

#endif
