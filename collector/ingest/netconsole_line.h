/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A datagram of netconsole to kernel log lines. Anyone can send one.
 *
 *   extended   "LEVEL,SEQ,USEC,FLAGS[,KEY=VALUE…][,ncfrag=OFFSET/TOTAL];TEXT\n"
 *              and then lines that begin with a blank: the record's dictionary
 *              and what user space added. "RELEASE," may stand before the level.
 *              Documentation/networking/netconsole.rst, kernel/printk/printk.c
 *   plain      "[   12.345678] TEXT\n", without any head that tells who spoke
 *
 * LEVEL is facility << 3 | level. A user of /dev/kmsg cannot write with facility
 * 0, the kernel's own; in the plain form nobody can tell.
 *
 * Pure, but for the pieces of records that are kept until they are whole.
 */
#ifndef RINGWATCH_INGEST_NETCONSOLE_LINE_H
#define RINGWATCH_INGEST_NETCONSOLE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/ingest/gasp_bindings.h"
#include "proto/limits.h"

enum {
	RW_NETCONSOLE_DATAGRAM_MAX = 4096, /* the kernel cuts at 1000 bytes and a head */
	RW_NETCONSOLE_RECORD_MAX = 8192,   /* CONSOLE_EXT_LOG_MAX of 5.10; newer: 2048 */
	RW_NETCONSOLE_LINES_MAX = 32,      /* of one plain datagram */
	RW_NETCONSOLE_PIECES = 16,         /* records that may be incomplete at a time */
	RW_NETCONSOLE_PIECES_MS = 5000,
};

struct rw_netconsole_head {
	bool is_extended;
	uint32_t facility; /* extended only */
	uint32_t level;
	uint64_t sequence;
	uint64_t usec;
	bool is_fragment;
	uint32_t offset, total; /* of the fragment in its record's body */
	size_t body_at;         /* in the datagram; 0 in the plain form */
};

/* The head of a datagram. -EBADMSG: it is extended by its looks, but its fragment
 * cannot be (it does not lie in its record, or that is too long). */
int rw_netconsole_parse_head(const uint8_t *bytes, size_t length, struct rw_netconsole_head *out);

/* A line of the log, its escapes undone. Not NUL-terminated. */
typedef void rw_netconsole_line_fn(void *context, const struct rw_netconsole_head *head,
				   const char *text, size_t length);

/*
 * Hands on the lines of a whole body. `body` is changed: escapes are undone in
 * place. An extended record is one line, also when its text holds line ends: what
 * stands behind one may be a name that somebody chose, and must not pass for a
 * line of the kernel. Of a plain datagram each line, without its stamp.
 */
void rw_netconsole_each_line(const struct rw_netconsole_head *head, char *body, size_t length,
			     rw_netconsole_line_fn *fn, void *context);

/* ---- records in pieces -------------------------------------------------------- */

struct rw_netconsole_pieces;

struct rw_netconsole_pieces *rw_netconsole_pieces_new(void); /* NULL: no memory */
void rw_netconsole_pieces_free(struct rw_netconsole_pieces *pieces);

/*
 * Adds a fragment. 1: with it the record is whole, *body and *length, valid
 * until the next call. 0: more is to come. -EBADMSG: it does not follow the one
 * before; what there was of this record is gone. One record a source; when there
 * are too many the oldest makes room.
 */
int rw_netconsole_pieces_add(struct rw_netconsole_pieces *pieces, const struct rw_source *source,
			     const struct rw_netconsole_head *head, const uint8_t *bytes,
			     size_t length, uint64_t now_ms, char **body, size_t *body_length);

/* ---- nonces --------------------------------------------------------------------- */

/* "ringwatch: gasp " and 32 lower-case hex digits, nothing else. */
bool rw_netconsole_parse_nonce(const char *text, size_t length, uint8_t nonce[RW_GASP_NONCE_BYTES]);

#endif
