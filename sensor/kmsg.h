/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader of kernel log records: /dev/kmsg, or a file, FIFO or recording in the
 * same form ("prio,seq,usec,flags;text", lines that begin with a blank belong
 * to the record before).
 *
 * Facility 0 is handed on: user space cannot write that, so nobody but the
 * kernel speaks. What user space writes (facility 1) goes another way, to who
 * asked for it. Records that were overwritten before they could be read
 * show as a gap of the sequence: an exact count. EPIPE is how the device says
 * so, and is normal.
 *
 * Never blocks. Bounded: one record of at most 8 KiB at a time, and at most
 * RW_KMSG_RECORDS_PER_CALL a call.
 */
#ifndef RINGWATCH_SENSOR_KMSG_H
#define RINGWATCH_SENSOR_KMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RW_KMSG_RECORD_BYTES = 8192, RW_KMSG_RECORDS_PER_CALL = 1024 };

struct rw_kmsg_record {
	uint64_t sequence;
	uint64_t usec;     /* the kernel's own clock since boot */
	uint32_t priority; /* 0 … 7 */
	uint32_t facility;
	const char *text; /* not NUL-terminated; the device's \xNN undone */
	size_t length;
};

/*
 * Takes one record's line apart, in place. 0, or -EINVAL when it has not that
 * form. `record->text` points into `line`.
 */
int rw_kmsg_parse(char *line, size_t length, struct rw_kmsg_record *record);

struct rw_kmsg;

/* Called with each record of facility 0. `backlog`: it was there before the
 * reader had caught up for the first time, so it may be old. */
typedef void rw_kmsg_fn(void *context, const struct rw_kmsg_record *record, bool backlog);

/*
 * Opens `path`. `after`: records up to this sequence number have been dealt
 * with by an earlier life; UINT64_MAX for none. 0 or negative errno.
 */
int rw_kmsg_open(const char *path, uint64_t after, rw_kmsg_fn *fn, void *context,
		 struct rw_kmsg **out);
void rw_kmsg_close(struct rw_kmsg *kmsg);
/* From now on records of facility 1 are handed to `fn`: anybody may have written them. */
void rw_kmsg_set_user_fn(struct rw_kmsg *kmsg, rw_kmsg_fn *fn);

/* To poll for reading; -1 when polling it makes no sense (a plain file). */
int rw_kmsg_descriptor(const struct rw_kmsg *kmsg);
/* Whether it is a kernel's device, whose sequence numbers mean something after a restart. */
bool rw_kmsg_is_device(const struct rw_kmsg *kmsg);

/* Reads what is there. 1 when more may be waiting, 0 when drained, negative
 * errno when the source is gone. */
int rw_kmsg_read(struct rw_kmsg *kmsg);

/* The last sequence number read; UINT64_MAX before the first. */
uint64_t rw_kmsg_position(const struct rw_kmsg *kmsg);
/* Records lost so far, in gaps and as unreadable lines. */
uint64_t rw_kmsg_lost(const struct rw_kmsg *kmsg);

#endif
