/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validator: walks the raw bytes of a frame against the generated
 * descriptors before anything is unpacked; see wire.h.
 *
 * It knows nothing of single messages but the rules of check_rules(),
 * check_together() and check_direction(): types, labels and enum values come
 * from the descriptors, bounds and forms from limits.c. So a field added to the schema is checked
 * from its first day, and one without a bound is refused until limits.c has a
 * row for it.
 *
 * Its depth is the schema's (four), because no message contains itself; its
 * work is linear in the frame. It allocates nothing.
 */
#include "proto/validate.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/match.h"
#include "lib/name.h"
#include "lib/text.h"
#include "proto/bootid.h"
#include "proto/limits.h"

enum {
	VARINT_BYTES_MAX = 10,
	WIRE_VARINT = 0,
	WIRE_64BIT = 1,
	WIRE_BYTES = 2,
	WIRE_32BIT = 5,
};

/* The way from the frame to the field at hand; only read to name it in an error. */
struct place {
	const struct place *outer;
	const char *field;
	uint32_t index; /* of a repeated field's element */
	bool is_repeated;
};

struct walk {
	enum rw_wire_side from;
	char *detail;
	uint64_t last_sequence; /* of the events of this batch so far */
	uint64_t last_fact;     /* of the facts of this event so far */
};

static void append(char *out, size_t *used, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void append(char *out, size_t *used, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(out + *used, RW_WIRE_ERROR_BYTES - *used, fmt, args);
	va_end(args);
	if (n > 0)
		*used += (size_t)n;
	if (*used > RW_WIRE_ERROR_BYTES - 1)
		*used = RW_WIRE_ERROR_BYTES - 1;
}

static void append_place(char *out, size_t *used, const struct place *place)
{
	if (place == NULL) {
		append(out, used, "frame");
		return;
	}
	if (place->outer != NULL) {
		append_place(out, used, place->outer);
		append(out, used, ".");
	}
	append(out, used, "%s", place->field);
	if (place->is_repeated)
		append(out, used, "[%u]", (unsigned)place->index);
}

__attribute__((format(printf, 4, 5))) static enum rw_wire_error refuse(const struct walk *walk,
								       const struct place *place,
								       enum rw_wire_error error,
								       const char *fmt, ...)
{
	size_t used = 0;
	char what[RW_WIRE_ERROR_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	append_place(walk->detail, &used, place);
	append(walk->detail, &used, ": %s", what);
	return error;
}

enum varint_state { VARINT_OK, VARINT_CUT, VARINT_BAD };

/* One varint in its shortest form; a longer spelling of the same number is bad. */
static enum varint_state read_varint(struct rw_cursor *c, uint64_t *out)
{
	uint64_t value = 0;
	uint8_t byte;

	for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
		if (!rw_cursor_u8(c, &byte))
			return VARINT_CUT;
		if (i == VARINT_BYTES_MAX - 1 && byte > 1)
			return VARINT_BAD;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte >= 0x80)
			continue;
		if (byte == 0 && i > 0)
			return VARINT_BAD;
		*out = value;
		return VARINT_OK;
	}
	return VARINT_BAD;
}

static enum rw_wire_error read_number(const struct walk *walk, const struct place *place,
				      struct rw_cursor *c, const char *what, uint64_t *out)
{
	switch (read_varint(c, out)) {
	case VARINT_OK:
		return RW_WIRE_OK;
	case VARINT_CUT:
		return refuse(walk, place, RW_WIRE_TRUNCATED, "%s runs past the end", what);
	default:
		return refuse(walk, place, RW_WIRE_BAD_VARINT,
			      "%s is not a varint of at most 64 bits in its shortest form", what);
	}
}

/* One message of the frame while it is walked. */
struct scope {
	const ProtobufCMessageDescriptor *message;
	const struct rw_wire_limit *limits; /* its rows; they stand side by side */
	size_t limit_count;
	bool oneof_taken;
	uint32_t counts[RW_WIRE_FIELDS_MAX]; /* how often each field stood so far, by its place */
	uint64_t values[RW_WIRE_FIELDS_MAX]; /* the number, or the length, that stood there last */
};

static void find_limits(struct scope *scope)
{
	const char *name = scope->message->short_name;
	size_t first = 0;

	while (first < rw_wire_limit_count && strcmp(rw_wire_limits[first].message, name) != 0)
		first++;
	scope->limits = &rw_wire_limits[first];
	while (first + scope->limit_count < rw_wire_limit_count &&
	       strcmp(scope->limits[scope->limit_count].message, name) == 0)
		scope->limit_count++;
}

static const struct rw_wire_limit *find_limit(const struct scope *scope, const char *field,
					      bool of_count)
{
	for (size_t i = 0; i < scope->limit_count; i++) {
		const struct rw_wire_limit *limit = &scope->limits[i];
		if ((limit->repeated != 0) == of_count && strcmp(limit->field, field) == 0)
			return limit;
	}
	return NULL;
}

static unsigned wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64BIT;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32BIT;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}

/* Whether a varint fits its field: 32 bits, sign-extended to 64 when it is signed. */
static bool number_fits(ProtobufCType type, uint64_t value)
{
	switch (type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT32: /* zigzag: 32 bits on the wire */
		return value <= UINT32_MAX;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return value <= INT32_MAX || value >= (uint64_t)(int64_t)INT32_MIN;
	default:
		return true;
	}
}

/* What the schema cannot say. */
static enum rw_wire_error check_rules(struct walk *walk, const struct place *place,
				      const struct scope *scope,
				      const ProtobufCFieldDescriptor *field, uint64_t value)
{
	if (scope->message == &ringwatch__v1__fact__descriptor &&
	    strcmp(field->name, "name") == 0) {
		if (value <= walk->last_fact)
			return refuse(walk, place, RW_WIRE_BAD_VALUE,
				      "does not grow (each fact at most once, in order)");
		walk->last_fact = value;
	}
	if (scope->message != &ringwatch__v1__event__descriptor)
		return RW_WIRE_OK;
	if (strcmp(field->name, "sequence") == 0) {
		if (value <= walk->last_sequence)
			return refuse(walk, place, RW_WIRE_BAD_VALUE,
				      "does not grow (from 1, strictly)");
		walk->last_sequence = value;
	}
	if (strcmp(field->name, "count") == 0 && value == 0)
		return refuse(walk, place, RW_WIRE_BAD_VALUE, "is 0, must be at least 1");
	return RW_WIRE_OK;
}

static void remember(struct scope *scope, const ProtobufCFieldDescriptor *field, uint64_t value)
{
	scope->values[field - scope->message->fields] = value;
}

static enum rw_wire_error check_varint(struct walk *walk, const struct place *place,
				       struct scope *scope, const ProtobufCFieldDescriptor *field,
				       struct rw_cursor *c)
{
	uint64_t value = 0;
	enum rw_wire_error error = read_number(walk, place, c, "number", &value);

	if (error != RW_WIRE_OK)
		return error;
	if (field->type == PROTOBUF_C_TYPE_BOOL && value > 1)
		return refuse(walk, place, RW_WIRE_BAD_BOOL, "is neither 0 nor 1");
	if (!number_fits(field->type, value))
		return refuse(walk, place, RW_WIRE_BAD_VARINT, "is wider than 32 bits");
	if (field->type == PROTOBUF_C_TYPE_ENUM &&
	    protobuf_c_enum_descriptor_get_value(field->descriptor, (int32_t)(uint32_t)value) ==
		    NULL)
		return refuse(walk, place, RW_WIRE_UNKNOWN_ENUM, "has no known value");
	remember(scope, field, value);
	return check_rules(walk, place, scope, field, value);
}

/* As long as a limit of this form allows, or shorter. */
static bool is_of_match(const char *text, size_t length, enum rw_wire_form form)
{
	char copy[RW_VERSION_SUBJECT_MAX + 1];

	memcpy(copy, text, length);
	copy[length] = '\0';
	return form == RW_FORM_SUBJECT ? rw_match_fault(copy) == NULL : rw_match_is_module(copy);
}

static enum rw_wire_error check_form(const struct walk *walk, const struct place *place,
				     const char *text, size_t length, enum rw_wire_form form)
{
	switch (form) {
	case RW_FORM_NAME:
		if (!rw_name_is_valid(text, length))
			return refuse(walk, place, RW_WIRE_BAD_VALUE, "is not %s",
				      RW_NAME_EXPECTED);
		return RW_WIRE_OK;
	case RW_FORM_BOOT_ID_OR_EMPTY:
		if (length == 0)
			return RW_WIRE_OK;
		/* fall through */
	case RW_FORM_BOOT_ID:
		if (!rw_boot_id_is_valid(text, length))
			return refuse(walk, place, RW_WIRE_BAD_VALUE,
				      "is not a boot id (8-4-4-4-12 lower-case hex)");
		return RW_WIRE_OK;
	case RW_FORM_SUBJECT:
		if (!is_of_match(text, length, form))
			return refuse(walk, place, RW_WIRE_BAD_VALUE,
				      "is not kernel, marker:NAME or module:NAME");
		return RW_WIRE_OK;
	case RW_FORM_MODULE:
		if (!is_of_match(text, length, form))
			return refuse(walk, place, RW_WIRE_BAD_VALUE,
				      "is not a module's name (A-Z a-z 0-9 _)");
		return RW_WIRE_OK;
	default:
		return RW_WIRE_OK;
	}
}

static enum rw_wire_error check_bytes(const struct walk *walk, const struct place *place,
				      struct scope *scope, const ProtobufCFieldDescriptor *field,
				      struct rw_cursor value)
{
	const struct rw_wire_limit *limit = find_limit(scope, field->name, false);
	const char *text = (const char *)value.at;
	size_t length = rw_cursor_left(&value);

	if (limit == NULL)
		return refuse(walk, place, RW_WIRE_TOO_LONG, "has no bound in the limits");
	if (length < limit->min || length > limit->max)
		return refuse(walk, place, RW_WIRE_TOO_LONG, "is %zu bytes, must be %zu to %zu",
			      length, limit->min, limit->max);
	if (field->type == PROTOBUF_C_TYPE_STRING && !rw_text_is_clean(text, length))
		return refuse(walk, place, RW_WIRE_BAD_TEXT, "is not UTF-8 without NUL");
	remember(scope, field, length);
	return check_form(walk, place, text, length, limit->form);
}

static enum rw_wire_error check_message(struct walk *walk, const struct place *place,
					const ProtobufCMessageDescriptor *message,
					struct rw_cursor c);

static enum rw_wire_error check_value(struct walk *walk, const struct place *place,
				      struct scope *scope, const ProtobufCFieldDescriptor *field,
				      struct rw_cursor *c)
{
	struct rw_cursor value;
	uint64_t length = 0;
	enum rw_wire_error error;

	switch (wire_type_of(field->type)) {
	case WIRE_VARINT:
		return check_varint(walk, place, scope, field, c);
	case WIRE_64BIT:
	case WIRE_32BIT:
		if (!rw_cursor_skip(c, wire_type_of(field->type) == WIRE_64BIT ? 8 : 4))
			return refuse(walk, place, RW_WIRE_TRUNCATED, "runs past the end");
		return RW_WIRE_OK;
	default:
		break;
	}

	error = read_number(walk, place, c, "length", &length);
	if (error != RW_WIRE_OK)
		return error;
	if (length > rw_cursor_left(c) || !rw_cursor_split(c, (size_t)length, &value))
		return refuse(walk, place, RW_WIRE_TRUNCATED, "runs past the end");
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return check_message(walk, place, field->descriptor, value);
	return check_bytes(walk, place, scope, field, value);
}

static enum rw_wire_error check_direction(const struct walk *walk, const struct place *place,
					  const ProtobufCFieldDescriptor *field)
{
	enum rw_wire_side side = RW_FROM_COLLECTOR;

	switch (field->id) {
	case RINGWATCH__V1__FRAME__BODY_HELLO:
	case RINGWATCH__V1__FRAME__BODY_HEARTBEAT:
	case RINGWATCH__V1__FRAME__BODY_EVENT_BATCH:
	case RINGWATCH__V1__FRAME__BODY_PROBE_REPLY:
	case RINGWATCH__V1__FRAME__BODY_GOODBYE:
	case RINGWATCH__V1__FRAME__BODY_VERSIONS:
		side = RW_FROM_SENSOR;
		break;
	default:
		break;
	}
	if (side == walk->from)
		return RW_WIRE_OK;
	return refuse(walk, place, RW_WIRE_WRONG_DIRECTION, "is never sent by a %s",
		      walk->from == RW_FROM_SENSOR ? "sensor" : "collector");
}

static enum rw_wire_error check_count(const struct walk *walk, const struct place *place,
				      struct scope *scope, const ProtobufCFieldDescriptor *field)
{
	uint32_t *count = &scope->counts[field - scope->message->fields];

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		const struct rw_wire_limit *limit = find_limit(scope, field->name, true);
		if (limit == NULL)
			return refuse(walk, place, RW_WIRE_TOO_MANY, "has no bound in the limits");
		if (*count >= limit->max)
			return refuse(walk, place, RW_WIRE_TOO_MANY, "more than %zu", limit->max);
	} else if (*count > 0) {
		return refuse(walk, place, RW_WIRE_DUPLICATE_FIELD, "stands twice");
	}
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		if (scope->oneof_taken)
			return refuse(walk, place, RW_WIRE_DUPLICATE_FIELD,
				      "stands beside another of which only one may");
		scope->oneof_taken = true;
	}
	(*count)++;
	return RW_WIRE_OK;
}

static enum rw_wire_error check_field(struct walk *walk, const struct place *outer,
				      struct scope *scope, struct rw_cursor *c)
{
	uint64_t tag = 0;
	enum rw_wire_error error = read_number(walk, outer, c, "field tag", &tag);

	if (error != RW_WIRE_OK)
		return error;
	if (tag > UINT32_MAX)
		return refuse(walk, outer, RW_WIRE_BAD_VARINT, "field tag is wider than 32 bits");
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(scope->message, (unsigned)(tag >> 3));
	if (field == NULL)
		return refuse(walk, outer, RW_WIRE_UNKNOWN_FIELD, "unknown field %u",
			      (unsigned)(tag >> 3));

	bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
	struct place place = {outer, field->name, scope->counts[field - scope->message->fields],
			      is_repeated};
	if ((unsigned)(tag & 7) != wire_type_of(field->type))
		return refuse(walk, &place, RW_WIRE_BAD_WIRE_TYPE, "has wire type %u, must have %u",
			      (unsigned)(tag & 7), wire_type_of(field->type));
	error = check_count(walk, &place, scope, field);
	if (error == RW_WIRE_OK && scope->message == &ringwatch__v1__frame__descriptor)
		error = check_direction(walk, &place, field);
	if (error != RW_WIRE_OK)
		return error;
	return check_value(walk, &place, scope, field, c);
}

/* After the last field: what has not come, or not often enough. */
static enum rw_wire_error check_complete(const struct walk *walk, const struct place *outer,
					 const struct scope *scope)
{
	bool has_oneof = false;

	for (unsigned i = 0; i < scope->message->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &scope->message->fields[i];
		struct place place = {outer, field->name, 0, false};

		has_oneof |= (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
		if (field->label == PROTOBUF_C_LABEL_REQUIRED && scope->counts[i] == 0)
			return refuse(walk, &place, RW_WIRE_MISSING_FIELD, "missing");
		if (field->label != PROTOBUF_C_LABEL_REPEATED)
			continue;
		const struct rw_wire_limit *limit = find_limit(scope, field->name, true);
		if (limit != NULL && scope->counts[i] < limit->min)
			return refuse(walk, &place, RW_WIRE_TOO_MANY,
				      "has %u, must have at least %zu", (unsigned)scope->counts[i],
				      limit->min);
	}
	if (has_oneof && !scope->oneof_taken)
		return refuse(walk, outer, RW_WIRE_MISSING_FIELD, "has no body");
	return RW_WIRE_OK;
}

static uint64_t value_of(const struct scope *scope, const char *name)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(scope->message, name);

	return field == NULL ? 0 : scope->values[field - scope->message->fields];
}

static enum rw_wire_error check_spool(const struct walk *walk, const struct place *outer,
				      const struct scope *scope)
{
	struct place place = {outer, "spool_reason", 0, false};
	bool on_disk = value_of(scope, "spool_state") == RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK;

	if (on_disk == (value_of(scope, "spool_reason") == 0))
		return RW_WIRE_OK;
	return refuse(walk, &place, RW_WIRE_BAD_VALUE, "%s",
		      on_disk ? "is given, but the spool is on disk"
			      : "is empty, but the spool is not on disk");
}

static enum rw_wire_error check_log(const struct walk *walk, const struct place *outer,
				    const struct scope *scope)
{
	struct place about = {outer, "about", 0, false};
	struct place log_bytes = {outer, "log_bytes", 0, false};
	bool is_excerpt = value_of(scope, "kind") == RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;

	if (is_excerpt != (value_of(scope, "about") != 0))
		return refuse(walk, &about, RW_WIRE_BAD_VALUE, "%s",
			      is_excerpt ? "is 0, must be the event's of which this is the log"
					 : "is not 0, but this is no log excerpt");
	if (value_of(scope, "log_bytes") > RW_LOG_PLAIN_MAX)
		return refuse(walk, &log_bytes, RW_WIRE_BAD_VALUE, "is above %d", RW_LOG_PLAIN_MAX);
	if ((value_of(scope, "log_bytes") == 0) != (value_of(scope, "log") == 0))
		return refuse(walk, &log_bytes, RW_WIRE_BAD_VALUE,
			      "must be 0 when there is no log, and only then");
	return RW_WIRE_OK;
}

/* What fields of one message say of each other: they come in any order. */
static enum rw_wire_error check_together(const struct walk *walk, const struct place *outer,
					 const struct scope *scope)
{
	if (scope->message == &ringwatch__v1__hello__descriptor)
		return check_spool(walk, outer, scope);
	if (scope->message == &ringwatch__v1__event__descriptor)
		return check_log(walk, outer, scope);
	return RW_WIRE_OK;
}

static enum rw_wire_error check_message(struct walk *walk, const struct place *place,
					const ProtobufCMessageDescriptor *message,
					struct rw_cursor c)
{
	struct scope scope = {.message = message};

	if (message->n_fields > RW_WIRE_FIELDS_MAX)
		return refuse(walk, place, RW_WIRE_TOO_MANY, "has too many fields in the schema");
	find_limits(&scope);
	if (message == &ringwatch__v1__event__descriptor)
		walk->last_fact = 0;
	while (rw_cursor_left(&c) > 0) {
		enum rw_wire_error error = check_field(walk, place, &scope, &c);
		if (error != RW_WIRE_OK)
			return error;
	}
	enum rw_wire_error error = check_complete(walk, place, &scope);
	return error != RW_WIRE_OK ? error : check_together(walk, place, &scope);
}

enum rw_wire_error rw_wire_validate_as(const ProtobufCMessageDescriptor *root,
				       const uint8_t *message, size_t length,
				       enum rw_wire_side from, char detail[RW_WIRE_ERROR_BYTES])
{
	struct walk walk = {.from = from, .detail = detail};

	detail[0] = '\0';
	if (length == 0)
		return refuse(&walk, NULL, RW_WIRE_EMPTY_FRAME, "is empty");
	if (length > RW_FRAME_MAX)
		return refuse(&walk, NULL, RW_WIRE_OVERSIZED_FRAME, "is longer than %d bytes",
			      RW_FRAME_MAX);
	return check_message(&walk, NULL, root, rw_cursor_of(message, length));
}

enum rw_wire_error rw_wire_validate(const uint8_t *message, size_t length, enum rw_wire_side from,
				    char detail[RW_WIRE_ERROR_BYTES])
{
	return rw_wire_validate_as(&ringwatch__v1__frame__descriptor, message, length, from,
				   detail);
}
