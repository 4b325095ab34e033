/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes frames of the wire from the schema's descriptors alone, right ones and
 * ones that are wrong in one wished way, so that tests and the fuzzer's seed
 * corpus cover a new field of the schema without being told of it.
 */
#ifndef RINGWATCH_TESTS_WIRE_MAKER_H
#define RINGWATCH_TESTS_WIRE_MAKER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/wire.h"

struct raw {
	size_t used;
	uint8_t bytes[2 * RW_FRAME_MAX];
};

static inline void raw_put(struct raw *raw, const void *bytes, size_t length)
{
	if (length > sizeof(raw->bytes) - raw->used)
		abort();
	if (length > 0)
		memcpy(raw->bytes + raw->used, bytes, length);
	raw->used += length;
}

static inline void raw_byte(struct raw *raw, unsigned byte)
{
	uint8_t b = (uint8_t)byte;
	raw_put(raw, &b, 1);
}

static inline void raw_varint(struct raw *raw, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		raw_byte(raw, (unsigned)(value & 0x7f) | 0x80);
	raw_byte(raw, (unsigned)value);
}

static inline void raw_tag(struct raw *raw, unsigned field, unsigned wire_type)
{
	raw_varint(raw, (uint64_t)field << 3 | wire_type);
}

static inline void raw_number(struct raw *raw, unsigned field, uint64_t value)
{
	raw_tag(raw, field, 0);
	raw_varint(raw, value);
}

static inline void raw_bytes(struct raw *raw, unsigned field, const void *bytes, size_t length)
{
	raw_tag(raw, field, 2);
	raw_varint(raw, length);
	raw_put(raw, bytes, length);
}

/* In which way one field is wrong. */
enum wrong {
	WRONG_NOT,
	WRONG_MISSING,
	WRONG_TWICE,
	WRONG_UNKNOWN_ENUM,
	WRONG_NEGATIVE_ENUM,
	WRONG_WIDE,     /* 2^32 where 32 bits are meant */
	WRONG_OVERLONG, /* 1 spelled in two bytes */
	WRONG_ENDLESS,  /* eleven bytes */
	WRONG_TYPE,     /* a 32-bit wire type */
	WRONG_GROUP,
	WRONG_LONG,  /* one byte above the bound */
	WRONG_SHORT, /* one below */
	WRONG_NUL,
	WRONG_UTF8,
	WRONG_FORM,
	WRONG_MANY,
	WRONG_FEW,
	WRONG_LENGTH, /* claims one byte more than the frame has */
	WRONG_EXTRA,  /* field 999 stands before it */
	WRONG_ZERO,   /* the number 0 */
	WRONG_COUNT
};

struct maker {
	const ProtobufCFieldDescriptor *field; /* the wrong one; NULL: none */
	enum wrong how;
	uint64_t sequence; /* of the last event */
	uint64_t fact;     /* of the last fact of that event */
	int is_excerpt;    /* events are log excerpts */
};

enum { FACT_BEFORE_FIRST = 10 }; /* so that no fact's number is that of an event */

static inline const struct rw_wire_limit *limit_of(const ProtobufCMessageDescriptor *message,
						   const ProtobufCFieldDescriptor *field,
						   int repeated)
{
	for (size_t i = 0; i < rw_wire_limit_count; i++) {
		const struct rw_wire_limit *limit = &rw_wire_limits[i];
		if (limit->repeated == repeated &&
		    strcmp(limit->message, message->short_name) == 0 &&
		    strcmp(limit->field, field->name) == 0)
			return limit;
	}
	return NULL;
}

static inline int is_text(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES;
}

static inline void make_text(struct raw *raw, const ProtobufCMessageDescriptor *message,
			     const ProtobufCFieldDescriptor *field, enum wrong how)
{
	static const char boot_id[] = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
	const struct rw_wire_limit *limit = limit_of(message, field, 0);
	char text[8192];
	size_t length;

	if (limit == NULL || limit->max >= sizeof(text) - 1)
		abort();
	length = limit->min > 5 ? limit->min : limit->max < 5 ? limit->max : 5;
	memset(text, 'x', sizeof(text));
	if (limit->form == RW_FORM_BOOT_ID || limit->form == RW_FORM_BOOT_ID_OR_EMPTY) {
		length = RW_BOOT_ID_LENGTH;
		memcpy(text, boot_id, length);
	}
	if (limit->form == RW_FORM_SUBJECT) {
		length = 6;
		memcpy(text, "kernel", length);
	}
	if (how == WRONG_LONG)
		length = limit->max + 1;
	if (how == WRONG_SHORT)
		length = limit->min - 1;
	if (how == WRONG_NUL)
		text[0] = '\0';
	if (how == WRONG_UTF8)
		text[length - 1] = (char)0xc3;
	if (how == WRONG_FORM)
		text[1] = '*';
	if (how != WRONG_LENGTH) {
		raw_bytes(raw, field->id, text, length);
		return;
	}
	raw_tag(raw, field->id, 2);
	raw_varint(raw, 2 * RW_FRAME_MAX);
}

static inline uint64_t right_number(struct maker *maker, const ProtobufCFieldDescriptor *field)
{
	if (field->descriptor == &ringwatch__v1__fact_name__descriptor)
		return ++maker->fact;
	if (field->descriptor == &ringwatch__v1__kind__descriptor && maker->is_excerpt)
		return RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;
	if (field->descriptor == &ringwatch__v1__spool_state__descriptor)
		return RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY; /* a reason stands beside it */
	if (field->type == PROTOBUF_C_TYPE_ENUM)
		return (uint64_t)((const ProtobufCEnumDescriptor *)field->descriptor)
			->values[0]
			.value;
	if (strcmp(field->name, "sequence") == 0) {
		maker->fact = FACT_BEFORE_FIRST;
		return ++maker->sequence;
	}
	if (strcmp(field->name, "about") == 0)
		return maker->is_excerpt ? 1 : 0;
	return 1;
}

static inline void make_number(struct raw *raw, struct maker *maker,
			       const ProtobufCFieldDescriptor *field, enum wrong how)
{
	uint64_t value = right_number(maker, field);

	raw_tag(raw, field->id, 0);
	switch (how) {
	case WRONG_UNKNOWN_ENUM:
		raw_varint(raw, 4711);
		return;
	case WRONG_NEGATIVE_ENUM:
		raw_varint(raw, (uint64_t)-1);
		return;
	case WRONG_WIDE:
		raw_varint(raw, (uint64_t)1 << 32);
		return;
	case WRONG_OVERLONG:
		raw_put(raw, "\x81", 2);
		return;
	case WRONG_ENDLESS:
		raw_put(raw, "\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
		return;
	case WRONG_LENGTH: /* the frame ends within the number: only as its last field */
		raw_byte(raw, 0x80);
		return;
	case WRONG_ZERO:
		raw_varint(raw, 0);
		return;
	default:
		raw_varint(raw, value);
		return;
	}
}

static inline void make_message(struct raw *raw, struct maker *maker,
				const ProtobufCMessageDescriptor *message);

static inline void make_value(struct raw *raw, struct maker *maker,
			      const ProtobufCMessageDescriptor *message,
			      const ProtobufCFieldDescriptor *field, enum wrong how)
{
	if (how == WRONG_EXTRA)
		raw_number(raw, 999, 1);
	if (how == WRONG_TYPE) {
		raw_tag(raw, field->id, 5);
		raw_put(raw, "abcd", 4);
	} else if (how == WRONG_GROUP) {
		raw_tag(raw, field->id, 3);
		raw_tag(raw, field->id, 4);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		struct raw *inner = calloc(1, sizeof(*inner));
		if (inner == NULL)
			abort();
		make_message(inner, maker, field->descriptor);
		raw_tag(raw, field->id, 2);
		raw_varint(raw, how == WRONG_LENGTH ? 2 * RW_FRAME_MAX : inner->used);
		raw_put(raw, inner->bytes, inner->used);
		free(inner);
	} else if (is_text(field)) {
		make_text(raw, message, field, how);
	} else {
		make_number(raw, maker, field, how);
	}
}

static inline void make_field(struct raw *raw, struct maker *maker,
			      const ProtobufCMessageDescriptor *message,
			      const ProtobufCFieldDescriptor *field)
{
	enum wrong how = maker->field != NULL && field == maker->field ? maker->how : WRONG_NOT;
	size_t count = field->label == PROTOBUF_C_LABEL_REPEATED ? 2 : 1;

	if (how == WRONG_MISSING || how == WRONG_FEW)
		count = 0;
	if (how == WRONG_TWICE)
		count = 2;
	if (how == WRONG_MANY)
		count = limit_of(message, field, 1)->max + 1;
	for (size_t i = 0; i < count; i++)
		make_value(raw, maker, message, field, i == 0 ? how : WRONG_NOT);
}

static inline void make_message(struct raw *raw, struct maker *maker,
				const ProtobufCMessageDescriptor *message)
{
	for (unsigned i = 0; i < message->n_fields; i++)
		make_field(raw, maker, message, &message->fields[i]);
}

/* One frame without its head; `field` may stand at any depth below `body`, or be NULL. */
static inline void make_frame(struct raw *raw, const ProtobufCFieldDescriptor *body,
			      const ProtobufCFieldDescriptor *field, enum wrong how)
{
	struct maker maker = {.field = field, .how = how};

	raw->used = 0;
	make_field(raw, &maker, &ringwatch__v1__frame__descriptor, body);
}

/* A right batch of log excerpts. */
static inline void make_excerpts(struct raw *raw)
{
	struct maker maker = {.is_excerpt = 1};

	raw->used = 0;
	make_field(raw, &maker, &ringwatch__v1__frame__descriptor,
		   protobuf_c_message_descriptor_get_field_by_name(
			   &ringwatch__v1__frame__descriptor, "event_batch"));
}

/* Who sends it, as the schema's comments say. */
static inline enum rw_wire_side side_of(const ProtobufCFieldDescriptor *body)
{
	static const char *const sensor[] = {"hello",       "heartbeat", "event_batch",
					     "probe_reply", "goodbye",   "versions"};

	for (size_t i = 0; i < sizeof(sensor) / sizeof(sensor[0]); i++) {
		if (strcmp(body->name, sensor[i]) == 0)
			return RW_FROM_SENSOR;
	}
	return RW_FROM_COLLECTOR;
}

#endif
