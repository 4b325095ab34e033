/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing and strict validation: the only way by which bytes of a peer become
 * a message.
 *
 * A frame is a 4-byte big-endian length, 1 … RW_FRAME_MAX, and one Frame
 * message. Reading goes: length capped → raw bytes walked against the
 * generated descriptors (rw_wire_validate) → unpacked into a bounded zeroing
 * arena. protobuf-c by itself lets unknown enum values, duplicate scalars,
 * merged messages, NULs, bad UTF-8 and over-wide varints pass, and leaves
 * memory uninitialised in some versions; the walk and the arena close that.
 *
 * Threads: a reader and an arena belong to one thread.
 */
#ifndef RINGWATCH_PROTO_WIRE_H
#define RINGWATCH_PROTO_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/ringwatch.pb-c.h"

enum {
	RW_FRAME_HEAD = 4,
	RW_FRAME_MAX = 65536,        /* bytes of the message, without the head */
	RW_ARENA_BYTES = 512 * 1024, /* what one frame may unpack into */
	RW_EVENTS_PER_BATCH = 64,
	RW_WIRE_ERROR_BYTES = 160,
};

enum rw_wire_side { RW_FROM_SENSOR = 1, RW_FROM_COLLECTOR = 2 };

/* What is wrong with a frame; each is counted by its name. */
enum rw_wire_error {
	RW_WIRE_OK = 0,
	RW_WIRE_EMPTY_FRAME,
	RW_WIRE_OVERSIZED_FRAME,
	RW_WIRE_TRUNCATED,     /* a varint, length or field runs past its end */
	RW_WIRE_BAD_VARINT,    /* longer than 10 bytes, or wider than its field */
	RW_WIRE_BAD_WIRE_TYPE, /* not the field's, or a group */
	RW_WIRE_UNKNOWN_FIELD,
	RW_WIRE_DUPLICATE_FIELD,
	RW_WIRE_MISSING_FIELD,
	RW_WIRE_UNKNOWN_ENUM,
	RW_WIRE_BAD_BOOL,
	RW_WIRE_BAD_TEXT,        /* not UTF-8, or a NUL inside */
	RW_WIRE_TOO_LONG,        /* string or bytes outside proto/limits.h */
	RW_WIRE_TOO_MANY,        /* repeated field outside proto/limits.h */
	RW_WIRE_BAD_VALUE,       /* a rule of the field: a name, a boot id, growing sequences */
	RW_WIRE_WRONG_DIRECTION, /* a message that this side never sends */
	RW_WIRE_OUT_OF_MEMORY,   /* the arena is full */
	RW_WIRE_ERROR_COUNT
};

/* "missing_field", …; stable, used as a label in metrics. */
const char *rw_wire_error_name(enum rw_wire_error error);

/*
 * Walks one message without its head. On an error `detail` holds one line that
 * names the field, "event_batch.events[3].boot_id: missing"; foreign bytes
 * never stand in it.
 */
enum rw_wire_error rw_wire_validate(const uint8_t *message, size_t length, enum rw_wire_side from,
				    char detail[RW_WIRE_ERROR_BYTES]);

/* A bump allocator for one frame; zeroes what it hands out. */
struct rw_arena;
struct rw_arena *rw_arena_new(size_t bytes); /* NULL: no memory */
void rw_arena_free(struct rw_arena *arena);  /* NULL is fine */

/*
 * Validates, then unpacks into the arena, which is reset first: *out lives
 * until the arena's next use and is never freed by itself.
 */
enum rw_wire_error rw_wire_decode(struct rw_arena *arena, const uint8_t *message, size_t length,
				  enum rw_wire_side from, Ringwatch__V1__Frame **out,
				  char detail[RW_WIRE_ERROR_BYTES]);

/*
 * Packs head and message into `out`. Returns the bytes written, or -EMSGSIZE
 * when it does not fit RW_FRAME_MAX or `size`.
 */
long rw_wire_encode(const Ringwatch__V1__Frame *frame, uint8_t *out, size_t size);

/*
 * The splitter: bytes in, in any pieces; whole frames out. Memory grows with
 * the frame at hand up to RW_FRAME_MAX + RW_FRAME_HEAD and is given back when
 * none is pending, so that an idle session owns none.
 */
struct rw_frame_reader {
	uint8_t *bytes;
	size_t used;
	size_t size;
};

void rw_frame_reader_init(struct rw_frame_reader *reader);
void rw_frame_reader_release(struct rw_frame_reader *reader);

/* Called with each whole message; a value other than 0 stops the feeding and is returned. */
typedef int rw_frame_fn(void *context, const uint8_t *message, size_t length);

/*
 * 0, the callback's value, or a negated enum rw_wire_error for a bad length
 * (-RW_WIRE_EMPTY_FRAME, -RW_WIRE_OVERSIZED_FRAME, -RW_WIRE_OUT_OF_MEMORY), after
 * which the stream cannot go on. The callback must not release the reader.
 */
int rw_frame_reader_feed(struct rw_frame_reader *reader, const uint8_t *bytes, size_t length,
			 rw_frame_fn *fn, void *context);
/* Whether part of a frame is waiting for its rest (a dribbler, after a while). */
int rw_frame_reader_is_pending(const struct rw_frame_reader *reader);

/* Names for people, policies and JSON: "oops", "module_load_failed"; NULL when unknown. */
const char *rw_kind_name(Ringwatch__V1__Kind kind);
int rw_kind_parse(const char *name, Ringwatch__V1__Kind *out); /* -EINVAL */
const char *rw_severity_name(Ringwatch__V1__Severity severity);
const char *rw_source_name(Ringwatch__V1__Source source);
const char *rw_reject_name(Ringwatch__V1__RejectCode code); /* "schema_mismatch" */
const char *rw_boot_end_name(Ringwatch__V1__BootEnd end);
const char *rw_goodbye_name(Ringwatch__V1__GoodbyeKind kind);
const char *rw_spool_state_name(Ringwatch__V1__SpoolState state);  /* "disk", "memory" */
const char *rw_fact_name(Ringwatch__V1__FactName name);            /* "address", "module_file" */
int rw_fact_parse(const char *name, Ringwatch__V1__FactName *out); /* -EINVAL */

#endif
