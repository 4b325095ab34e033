/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is wrong with a field, the validator must say so by the field's
 * name: each kind of wrongness is tried on every field of the schema that can
 * have it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/bootid.h"
#include "proto/validate.h"
#include "proto/wire.h"
#include "tests/wire_maker.h"

static struct raw frame;
static char detail[RW_WIRE_ERROR_BYTES];

static enum rw_wire_error validate_from(enum rw_wire_side from)
{
	/* A copy of exactly that size, so that the sanitizer sees each read behind its end. */
	uint8_t *copy = malloc(frame.used == 0 ? 1 : frame.used);

	assert_non_null(copy);
	memcpy(copy, frame.bytes, frame.used);
	enum rw_wire_error error = rw_wire_validate(copy, frame.used, from, detail);
	free(copy);
	return error;
}

static void expect(enum rw_wire_side from, enum rw_wire_error wanted, const char *place)
{
	enum rw_wire_error error = validate_from(from);

	if (error != wanted)
		print_error("%s: got %s (%s)\n", place, rw_wire_error_name(error), detail);
	assert_int_equal(error, wanted);
	size_t length = strlen(place);
	if (strncmp(detail, place, length) != 0 || detail[length] != ':')
		print_error("wanted `%s: ...`, got `%s`\n", place, detail);
	assert_memory_equal(detail, place, length);
	assert_int_equal(detail[length], ':');
}

/* ---- every field of the schema ------------------------------------------- */

typedef void field_fn(const ProtobufCFieldDescriptor *body,
		      const ProtobufCMessageDescriptor *message,
		      const ProtobufCFieldDescriptor *field, const char *place);

static void visit_message(const ProtobufCFieldDescriptor *body,
			  const ProtobufCMessageDescriptor *message, const char *outer,
			  field_fn *fn)
{
	for (unsigned i = 0; i < message->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];
		char place[128];

		snprintf(place, sizeof(place), "%s.%s", outer, field->name);
		fn(body, message, field, place);
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			snprintf(place, sizeof(place), "%s.%s[0]", outer, field->name);
		visit_message(body, field->descriptor, place, fn);
	}
}

static void each_field(field_fn *fn)
{
	const ProtobufCMessageDescriptor *root = &ringwatch__v1__frame__descriptor;

	for (unsigned i = 0; i < root->n_fields; i++)
		visit_message(&root->fields[i], root->fields[i].descriptor, root->fields[i].name,
			      fn);
}

static int fields_tried;

static void try_wrong(const ProtobufCFieldDescriptor *body, const ProtobufCFieldDescriptor *field,
		      enum wrong how, enum rw_wire_error wanted, const char *place, long element)
{
	char indexed[160];

	make_frame(&frame, body, field, how);
	if (element >= 0 && field->label == PROTOBUF_C_LABEL_REPEATED)
		snprintf(indexed, sizeof(indexed), "%s[%ld]", place, element);
	else
		snprintf(indexed, sizeof(indexed), "%s", place);
	expect(side_of(body), wanted, indexed);
	fields_tried++;
}

#define FIELD_ARGUMENTS                                                                            \
	const ProtobufCFieldDescriptor *body, const ProtobufCMessageDescriptor *message,           \
		const ProtobufCFieldDescriptor *field, const char *place

static void try_missing(FIELD_ARGUMENTS)
{
	(void)message;
	if (field->label == PROTOBUF_C_LABEL_REQUIRED)
		try_wrong(body, field, WRONG_MISSING, RW_WIRE_MISSING_FIELD, place, -1);
}

static void try_twice(FIELD_ARGUMENTS)
{
	(void)message;
	if (field->label == PROTOBUF_C_LABEL_REQUIRED)
		try_wrong(body, field, WRONG_TWICE, RW_WIRE_DUPLICATE_FIELD, place, -1);
}

static void try_unknown_field(FIELD_ARGUMENTS)
{
	char outer[128];

	(void)message;
	snprintf(outer, sizeof(outer), "%s", place);
	*strrchr(outer, '.') = '\0';
	try_wrong(body, field, WRONG_EXTRA, RW_WIRE_UNKNOWN_FIELD, outer, -1);
}

static void try_wire_type(FIELD_ARGUMENTS)
{
	(void)message;
	try_wrong(body, field, WRONG_TYPE, RW_WIRE_BAD_WIRE_TYPE, place, 0);
	try_wrong(body, field, WRONG_GROUP, RW_WIRE_BAD_WIRE_TYPE, place, 0);
}

static int is_number(const ProtobufCFieldDescriptor *field)
{
	return field->type != PROTOBUF_C_TYPE_MESSAGE && !is_text(field);
}

static void try_varints(FIELD_ARGUMENTS)
{
	(void)message;
	if (!is_number(field))
		return;
	try_wrong(body, field, WRONG_OVERLONG, RW_WIRE_BAD_VARINT, place, 0);
	try_wrong(body, field, WRONG_ENDLESS, RW_WIRE_BAD_VARINT, place, 0);
	if (field->type != PROTOBUF_C_TYPE_UINT64)
		try_wrong(body, field, WRONG_WIDE,
			  field->type == PROTOBUF_C_TYPE_BOOL ? RW_WIRE_BAD_BOOL
							      : RW_WIRE_BAD_VARINT,
			  place, 0);
}

static void try_enum(FIELD_ARGUMENTS)
{
	(void)message;
	if (field->type != PROTOBUF_C_TYPE_ENUM)
		return;
	try_wrong(body, field, WRONG_UNKNOWN_ENUM, RW_WIRE_UNKNOWN_ENUM, place, 0);
	try_wrong(body, field, WRONG_NEGATIVE_ENUM, RW_WIRE_UNKNOWN_ENUM, place, 0);
	try_wrong(body, field, WRONG_ZERO, RW_WIRE_UNKNOWN_ENUM, place, 0);
}

static void try_text(FIELD_ARGUMENTS)
{
	(void)message;
	if (field->type != PROTOBUF_C_TYPE_STRING)
		return;
	try_wrong(body, field, WRONG_NUL, RW_WIRE_BAD_TEXT, place, 0);
	try_wrong(body, field, WRONG_UTF8, RW_WIRE_BAD_TEXT, place, 0);
}

static void try_length(FIELD_ARGUMENTS)
{
	if (!is_text(field))
		return;
	try_wrong(body, field, WRONG_LONG, RW_WIRE_TOO_LONG, place, 0);
	if (limit_of(message, field, 0)->min > 0)
		try_wrong(body, field, WRONG_SHORT, RW_WIRE_TOO_LONG, place, 0);
}

static void try_count(FIELD_ARGUMENTS)
{
	const struct rw_wire_limit *limit = limit_of(message, field, 1);

	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return;
	assert_non_null(limit);
	try_wrong(body, field, WRONG_MANY, RW_WIRE_TOO_MANY, place, (long)limit->max);
	if (limit->min > 0)
		try_wrong(body, field, WRONG_FEW, RW_WIRE_TOO_MANY, place, -1);
}

static void try_form(FIELD_ARGUMENTS)
{
	if (is_text(field) && limit_of(message, field, 0)->form != RW_FORM_ANY)
		try_wrong(body, field, WRONG_FORM, RW_WIRE_BAD_VALUE, place, 0);
}

static void try_cut_length(FIELD_ARGUMENTS)
{
	(void)message;
	if (!is_number(field))
		try_wrong(body, field, WRONG_LENGTH, RW_WIRE_TRUNCATED, place, 0);
}

static void refuse_each(field_fn *fn, int at_least)
{
	fields_tried = 0;
	each_field(fn);
	assert_true(fields_tried >= at_least);
}

static void refuses_missing_field(void **state)
{
	(void)state;
	refuse_each(try_missing, 40);
}

static void refuses_duplicate_field(void **state)
{
	(void)state;
	refuse_each(try_twice, 40);
}

static void refuses_unknown_field(void **state)
{
	(void)state;
	refuse_each(try_unknown_field, 40);

	frame.used = 0;
	raw_number(&frame, 0, 1);
	expect(RW_FROM_SENSOR, RW_WIRE_UNKNOWN_FIELD, "frame");
	frame.used = 0;
	raw_number(&frame, 99, 1);
	expect(RW_FROM_SENSOR, RW_WIRE_UNKNOWN_FIELD, "frame");
}

static void refuses_bad_wire_type(void **state)
{
	(void)state;
	refuse_each(try_wire_type, 80);
}

static void refuses_bad_varint(void **state)
{
	(void)state;
	refuse_each(try_varints, 60);
}

static void refuses_bad_varint_in_tag_and_length(void **state)
{
	(void)state;
	frame.used = 0;
	raw_varint(&frame, ((uint64_t)1 << 35) | 2); /* a tag of more than 32 bits */
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VARINT, "frame");
	frame.used = 0;
	raw_put(&frame, "\xa2", 2); /* the tag of heartbeat, one byte too long */
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VARINT, "frame");
	frame.used = 0;
	raw_tag(&frame, 4, 2);
	raw_put(&frame, "\x80", 2); /* a length of 0 in two bytes */
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VARINT, "heartbeat");
	frame.used = 0;
	raw_tag(&frame, 7, 2);
	raw_byte(&frame, 11);
	raw_tag(&frame, 1, 0);
	raw_put(&frame, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10); /* a 65th bit */
	expect(RW_FROM_COLLECTOR, RW_WIRE_BAD_VARINT, "probe.nonce");
}

static void refuses_unknown_enum(void **state)
{
	(void)state;
	refuse_each(try_enum, 15);
}

static void refuses_bad_text(void **state)
{
	(void)state;
	refuse_each(try_text, 20);
}

static void refuses_too_long_and_too_short(void **state)
{
	(void)state;
	refuse_each(try_length, 20);
}

static void refuses_too_many_and_too_few(void **state)
{
	(void)state;
	refuse_each(try_count, 4);
}

static void refuses_bad_form(void **state)
{
	(void)state;
	refuse_each(try_form, 5);
}

static void refuses_truncated_field(void **state)
{
	(void)state;
	refuse_each(try_cut_length, 20);
}

/* ---- whole frames --------------------------------------------------------- */

static const ProtobufCFieldDescriptor *body_named(const char *name)
{
	const ProtobufCFieldDescriptor *body = protobuf_c_message_descriptor_get_field_by_name(
		&ringwatch__v1__frame__descriptor, name);
	assert_non_null(body);
	return body;
}

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *message,
						   const char *name)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(message, name);
	assert_non_null(field);
	return field;
}

typedef void body_fn(const ProtobufCFieldDescriptor *body);

static void each_body(body_fn *fn)
{
	const ProtobufCMessageDescriptor *root = &ringwatch__v1__frame__descriptor;

	assert_int_equal(root->n_fields, 14);
	for (unsigned i = 0; i < root->n_fields; i++)
		fn(&root->fields[i]);
}

static void accept_body(const ProtobufCFieldDescriptor *body)
{
	make_frame(&frame, body, NULL, WRONG_NOT);
	enum rw_wire_error error = validate_from(side_of(body));
	if (error != RW_WIRE_OK)
		print_error("%s: %s\n", body->name, detail);
	assert_int_equal(error, RW_WIRE_OK);
	assert_string_equal(detail, "");
}

static void accepts_each_message(void **state)
{
	(void)state;
	each_body(accept_body);
}

static void refuse_from_other_side(const ProtobufCFieldDescriptor *body)
{
	enum rw_wire_side other =
		side_of(body) == RW_FROM_SENSOR ? RW_FROM_COLLECTOR : RW_FROM_SENSOR;

	make_frame(&frame, body, NULL, WRONG_NOT);
	expect(other, RW_WIRE_WRONG_DIRECTION, body->name);
}

static void refuses_wrong_direction(void **state)
{
	(void)state;
	each_body(refuse_from_other_side);
}

static void expect_subject(const char *subject, enum rw_wire_error wanted)
{
	static struct raw version, versions;

	version.used = versions.used = frame.used = 0;
	raw_bytes(&version, 1, subject, strlen(subject));
	raw_bytes(&version, 2, "", 0);
	raw_bytes(&versions, 1, version.bytes, version.used);
	raw_bytes(&frame, 12, versions.bytes, versions.used);
	if (wanted == RW_WIRE_OK)
		assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
	else
		expect(RW_FROM_SENSOR, wanted, "versions.versions[0].subject");
}

static void takes_only_subjects_that_a_deployment_can_match(void **state)
{
	static const char name[] =
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk";
	char text[RW_VERSION_SUBJECT_MAX + 1];

	(void)state;
	expect_subject("kernel", RW_WIRE_OK);
	expect_subject("marker:driver-2.x", RW_WIRE_OK);
	expect_subject("module:nf_Tables", RW_WIRE_OK);
	snprintf(text, sizeof(text), "marker:%s", name); /* 63 */
	expect_subject(text, RW_WIRE_OK);
	snprintf(text, sizeof(text), "marker:%sl", name);
	expect_subject(text, RW_WIRE_BAD_VALUE);
	memset(text, 'k', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	expect_subject(text, RW_WIRE_BAD_VALUE);
	expect_subject("kernel ", RW_WIRE_BAD_VALUE);
	expect_subject("marker:", RW_WIRE_BAD_VALUE);
	expect_subject("marker:.hidden", RW_WIRE_BAD_VALUE);
	expect_subject("module:nf-tables", RW_WIRE_BAD_VALUE);
	expect_subject("modules:x", RW_WIRE_BAD_VALUE);
}

/* Each prefix of a frame is an error: nothing is ever taken for granted. */
static void refuse_prefixes(const ProtobufCFieldDescriptor *body)
{
	make_frame(&frame, body, NULL, WRONG_NOT);
	for (size_t whole = frame.used; frame.used > 0;) {
		frame.used--;
		enum rw_wire_error error = validate_from(side_of(body));
		assert_int_equal(error, frame.used == 0 ? RW_WIRE_EMPTY_FRAME : RW_WIRE_TRUNCATED);
		assert_true(frame.used < whole);
	}
}

static void refuses_each_cut_frame(void **state)
{
	(void)state;
	each_body(refuse_prefixes);
}

static void refuses_number_cut_short(void **state)
{
	(void)state;
	frame.used = 0;
	raw_bytes(&frame, 7, "\x08\x80", 2);
	expect(RW_FROM_COLLECTOR, RW_WIRE_TRUNCATED, "probe.nonce");
}

static void refuses_empty_frame(void **state)
{
	(void)state;
	frame.used = 0;
	expect(RW_FROM_SENSOR, RW_WIRE_EMPTY_FRAME, "frame");
}

static void refuses_oversized_frame(void **state)
{
	(void)state;
	frame.used = 0;
	while (frame.used <= RW_FRAME_MAX)
		raw_byte(&frame, 0);
	expect(RW_FROM_SENSOR, RW_WIRE_OVERSIZED_FRAME, "frame");
}

static void refuses_two_bodies(void **state)
{
	(void)state;
	make_frame(&frame, body_named("heartbeat"), body_named("heartbeat"), WRONG_TWICE);
	expect(RW_FROM_SENSOR, RW_WIRE_DUPLICATE_FIELD, "heartbeat");

	make_frame(&frame, body_named("heartbeat"), NULL, WRONG_NOT);
	raw_bytes(&frame, 8, "\x08\x01", 2);
	expect(RW_FROM_SENSOR, RW_WIRE_DUPLICATE_FIELD, "probe_reply");
}

/* Nothing but a body can stand in a frame, so only an empty one lacks it. */
static void refuses_missing_body(void **state)
{
	(void)state;
	uint8_t nothing = 0;
	assert_int_equal(rw_wire_validate(&nothing, 0, RW_FROM_SENSOR, detail),
			 RW_WIRE_EMPTY_FRAME);
	frame.used = 0;
	raw_bytes(&frame, 4, "", 0);
	expect(RW_FROM_SENSOR, RW_WIRE_MISSING_FIELD, "heartbeat.boot_ms");
}

static void refuses_sequence_that_does_not_grow(void **state)
{
	(void)state;
	const ProtobufCMessageDescriptor *event = &ringwatch__v1__event__descriptor;
	const ProtobufCFieldDescriptor *batch = body_named("event_batch");

	make_frame(&frame, batch, field_named(event, "sequence"), WRONG_ZERO);
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "event_batch.events[0].sequence");

	/* The maker numbers from 1; the second event's number becomes 1 too. */
	make_frame(&frame, batch, NULL, WRONG_NOT);
	size_t last = 0;
	for (size_t i = 0; i + 1 < frame.used; i++) {
		if (frame.bytes[i] == 0x08 && frame.bytes[i + 1] == 2)
			last = i + 1;
	}
	assert_true(last > 0);
	frame.bytes[last] = 1;
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "event_batch.events[1].sequence");
	frame.bytes[last] = 3; /* gaps are fine */
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
}

static void refuses_count_of_zero(void **state)
{
	(void)state;
	make_frame(&frame, body_named("event_batch"),
		   field_named(&ringwatch__v1__event__descriptor, "count"), WRONG_ZERO);
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "event_batch.events[0].count");
}

/* ---- fields that speak of each other --------------------------------------- */

struct told {
	Ringwatch__V1__Kind kind;
	uint64_t about;
	size_t log_length;
	uint32_t log_bytes;
	Ringwatch__V1__FactName facts[3];
	size_t fact_count;
};

/* A batch of two: the first with one fact, the second as told. */
static void encode_events(const struct told *told)
{
	static uint8_t out[RW_FRAME_HEAD + RW_FRAME_MAX];
	static uint8_t log[RW_LOG_PACKED_MAX];
	static uint8_t spool[RW_SPOOL_ID_BYTES];
	static char boot_id[] = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
	static char text[] = "x";
	Ringwatch__V1__Frame whole = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__EventBatch batch = RINGWATCH__V1__EVENT_BATCH__INIT;
	Ringwatch__V1__Event events[2];
	Ringwatch__V1__Event *pointers[2] = {&events[0], &events[1]};
	Ringwatch__V1__Fact facts[3];
	Ringwatch__V1__Fact *fact_pointers[3] = {&facts[0], &facts[1], &facts[2]};
	Ringwatch__V1__Fact early = RINGWATCH__V1__FACT__INIT;
	Ringwatch__V1__Fact *early_pointer = &early;

	for (size_t i = 0; i < 2; i++) {
		ringwatch__v1__event__init(&events[i]);
		events[i].sequence = i + 1;
		events[i].kind = RINGWATCH__V1__KIND__KIND_OOPS;
		events[i].severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
		events[i].source = RINGWATCH__V1__SOURCE__SOURCE_BPF;
		events[i].boot_id = boot_id;
		events[i].signature = text;
		events[i].count = 1;
	}
	early.name = RINGWATCH__V1__FACT_NAME__FACT_EVICTED;
	early.value = text;
	events[0].n_facts = 1;
	events[0].facts = &early_pointer;
	for (size_t i = 0; i < told->fact_count; i++) {
		ringwatch__v1__fact__init(&facts[i]);
		facts[i].name = told->facts[i];
		facts[i].value = text;
	}
	events[1].kind = told->kind;
	events[1].about = told->about;
	events[1].log.data = log;
	events[1].log.len = told->log_length;
	events[1].log_bytes = told->log_bytes;
	events[1].n_facts = told->fact_count;
	events[1].facts = fact_pointers;
	batch.spool_id.data = spool;
	batch.spool_id.len = sizeof(spool);
	batch.boot_id = boot_id;
	batch.n_events = 2;
	batch.events = pointers;
	whole.body_case = RINGWATCH__V1__FRAME__BODY_EVENT_BATCH;
	whole.event_batch = &batch;
	long length = rw_wire_encode(&whole, out, sizeof(out));
	assert_true(length > RW_FRAME_HEAD);
	frame.used = 0;
	raw_put(&frame, out + RW_FRAME_HEAD, (size_t)length - RW_FRAME_HEAD);
}

#define A_TYPE RINGWATCH__V1__FACT_NAME__FACT_TYPE
#define A_LINE RINGWATCH__V1__FACT_NAME__FACT_LINE
#define AN_END RINGWATCH__V1__FACT_NAME__FACT_END

static void facts_stand_in_order_and_once(void **state)
{
	(void)state;
	static const struct told right[] = {
		{.kind = RINGWATCH__V1__KIND__KIND_OOPS},
		{.kind = RINGWATCH__V1__KIND__KIND_OOPS, .facts = {A_TYPE}, .fact_count = 1},
		{.kind = RINGWATCH__V1__KIND__KIND_OOPS,
		 .facts = {A_TYPE, A_LINE, AN_END},
		 .fact_count = 3},
	};
	static const struct told wrong[] = {
		{.kind = RINGWATCH__V1__KIND__KIND_OOPS,
		 .facts = {A_TYPE, AN_END, AN_END},
		 .fact_count = 3},
		{.kind = RINGWATCH__V1__KIND__KIND_OOPS,
		 .facts = {A_TYPE, AN_END, A_LINE},
		 .fact_count = 3},
	};

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		encode_events(&right[i]);
		assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		encode_events(&wrong[i]);
		expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "event_batch.events[1].facts[2].name");
	}
}

static void only_a_log_excerpt_is_about_another_event(void **state)
{
	(void)state;
	struct told told = {.kind = RINGWATCH__V1__KIND__KIND_LOG_EXCERPT,
			    .about = 1,
			    .log_length = 9,
			    .log_bytes = 20};

	encode_events(&told);
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
	make_excerpts(&frame);
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
	told.about = 0;
	encode_events(&told);
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "event_batch.events[1].about");
	told.kind = RINGWATCH__V1__KIND__KIND_PANIC;
	encode_events(&told);
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
	told.about = 1;
	encode_events(&told);
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "event_batch.events[1].about");
}

static void the_length_of_a_log_belongs_to_a_log(void **state)
{
	(void)state;
	static const struct {
		size_t log_length;
		uint32_t log_bytes;
		enum rw_wire_error wanted;
	} cases[] = {
		{0, 0, RW_WIRE_OK},
		{1, 1, RW_WIRE_OK},
		{RW_LOG_PACKED_MAX, RW_LOG_PLAIN_MAX, RW_WIRE_OK},
		{0, 1, RW_WIRE_BAD_VALUE},
		{1, 0, RW_WIRE_BAD_VALUE},
		{1, RW_LOG_PLAIN_MAX + 1, RW_WIRE_BAD_VALUE},
		{1, UINT32_MAX, RW_WIRE_BAD_VALUE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct told told = {.kind = RINGWATCH__V1__KIND__KIND_OOPS,
				    .log_length = cases[i].log_length,
				    .log_bytes = cases[i].log_bytes};
		encode_events(&told);
		if (cases[i].wanted == RW_WIRE_OK)
			assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
		else
			expect(RW_FROM_SENSOR, cases[i].wanted, "event_batch.events[1].log_bytes");
	}
}

static void encode_hello(Ringwatch__V1__SpoolState spool, const char *reason)
{
	struct raw *hello = calloc(1, sizeof(*hello));
	const ProtobufCMessageDescriptor *message = &ringwatch__v1__hello__descriptor;

	assert_non_null(hello);
	/* backwards: the reason stands before what it belongs to */
	for (unsigned i = message->n_fields; i-- > 0;) {
		struct maker maker = {0};
		const ProtobufCFieldDescriptor *field = &message->fields[i];
		if (strcmp(field->name, "spool_state") == 0)
			raw_number(hello, field->id, (uint64_t)spool);
		else if (strcmp(field->name, "spool_reason") == 0)
			raw_bytes(hello, field->id, reason, strlen(reason));
		else
			make_field(hello, &maker, message, field);
	}
	frame.used = 0;
	raw_bytes(&frame, 1, hello->bytes, hello->used);
	free(hello);
}

static void a_spool_that_is_not_on_disk_has_a_reason_and_no_other_has(void **state)
{
	(void)state;
	encode_hello(RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK, "");
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
	encode_hello(RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY, "disk full");
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
	encode_hello(RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK, "disk full");
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "hello.spool_reason");
	encode_hello(RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY, "");
	expect(RW_FROM_SENSOR, RW_WIRE_BAD_VALUE, "hello.spool_reason");
}

static void accepts_empty_previous_boot_id(void **state)
{
	(void)state;
	frame.used = 0;
	struct raw *hello = calloc(1, sizeof(*hello));
	assert_non_null(hello);
	const ProtobufCMessageDescriptor *message = &ringwatch__v1__hello__descriptor;
	for (unsigned i = 0; i < message->n_fields; i++) {
		struct maker maker = {0};
		if (strcmp(message->fields[i].name, "previous_boot_id") == 0)
			raw_bytes(hello, message->fields[i].id, "", 0);
		else
			make_field(hello, &maker, message, &message->fields[i]);
	}
	raw_bytes(&frame, 1, hello->bytes, hello->used);
	free(hello);
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
}

/* The same fields in another order are the same message. */
static void accepts_any_order_of_fields(void **state)
{
	(void)state;
	frame.used = 0;
	raw_bytes(&frame, 9, "\x10\x05\x08\x04", 4);
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_OK);
}

static void details_hold_no_foreign_bytes(void **state)
{
	(void)state;
	const ProtobufCMessageDescriptor *hello = &ringwatch__v1__hello__descriptor;

	make_frame(&frame, body_named("hello"), field_named(hello, "boot_id"), WRONG_FORM);
	assert_int_equal(validate_from(RW_FROM_SENSOR), RW_WIRE_BAD_VALUE);
	assert_null(strchr(detail, '*'));
	assert_string_equal(detail, "hello.boot_id: is not a boot id (8-4-4-4-12 lower-case hex)");
}

/* ---- what the schema does not use, by descriptors made here --------------- */

struct odd_message {
	ProtobufCMessage base;
};

static const ProtobufCFieldDescriptor odd_fields[] = {
	{.name = "flag", .id = 1, .label = PROTOBUF_C_LABEL_REQUIRED, .type = PROTOBUF_C_TYPE_BOOL},
	{.name = "wide",
	 .id = 2,
	 .label = PROTOBUF_C_LABEL_REQUIRED,
	 .type = PROTOBUF_C_TYPE_FIXED64},
	{.name = "narrow",
	 .id = 3,
	 .label = PROTOBUF_C_LABEL_REQUIRED,
	 .type = PROTOBUF_C_TYPE_FIXED32},
	{.name = "signed",
	 .id = 4,
	 .label = PROTOBUF_C_LABEL_REQUIRED,
	 .type = PROTOBUF_C_TYPE_INT32},
	{.name = "numbers",
	 .id = 5,
	 .label = PROTOBUF_C_LABEL_REPEATED,
	 .type = PROTOBUF_C_TYPE_UINT32},
	{.name = "text",
	 .id = 6,
	 .label = PROTOBUF_C_LABEL_OPTIONAL,
	 .type = PROTOBUF_C_TYPE_STRING},
};
static const ProtobufCIntRange odd_ranges[] = {{1, 0}, {0, 6}};
static const ProtobufCMessageDescriptor odd_descriptor = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Odd",
	.short_name = "Odd",
	.sizeof_message = sizeof(struct odd_message),
	.n_fields = 6,
	.fields = odd_fields,
	.n_field_ranges = 1,
	.field_ranges = odd_ranges,
};

static void make_odd(uint64_t flag, uint64_t number)
{
	frame.used = 0;
	raw_number(&frame, 1, flag);
	raw_tag(&frame, 2, 1);
	raw_put(&frame, "12345678", 8);
	raw_tag(&frame, 3, 5);
	raw_put(&frame, "1234", 4);
	raw_number(&frame, 4, number);
}

static enum rw_wire_error validate_odd(void)
{
	return rw_wire_validate_as(&odd_descriptor, frame.bytes, frame.used, RW_FROM_SENSOR,
				   detail);
}

static void refuses_bad_bool(void **state)
{
	(void)state;
	make_odd(1, 1);
	assert_int_equal(validate_odd(), RW_WIRE_OK);
	make_odd(2, 1);
	assert_int_equal(validate_odd(), RW_WIRE_BAD_BOOL);
	assert_string_equal(detail, "flag: is neither 0 nor 1");
}

static void takes_signed_numbers_of_32_bits_only(void **state)
{
	(void)state;
	static const int64_t good[] = {0, -1, INT32_MIN, INT32_MAX};
	static const int64_t bad[] = {(int64_t)INT32_MAX + 1, (int64_t)INT32_MIN - 1, INT64_MIN,
				      UINT32_MAX};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		make_odd(0, (uint64_t)good[i]);
		assert_int_equal(validate_odd(), RW_WIRE_OK);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_odd(0, (uint64_t)bad[i]);
		assert_int_equal(validate_odd(), RW_WIRE_BAD_VARINT);
	}
}

static void refuses_fixed_numbers_cut_short(void **state)
{
	(void)state;
	frame.used = 0;
	raw_tag(&frame, 2, 1);
	raw_put(&frame, "1234567", 7);
	assert_int_equal(validate_odd(), RW_WIRE_TRUNCATED);
	frame.used = 0;
	raw_tag(&frame, 3, 5);
	raw_put(&frame, "123", 3);
	assert_int_equal(validate_odd(), RW_WIRE_TRUNCATED);
}

static void refuses_packed_numbers(void **state)
{
	(void)state;
	frame.used = 0;
	raw_bytes(&frame, 5, "\x01\x02", 2);
	assert_int_equal(validate_odd(), RW_WIRE_BAD_WIRE_TYPE);
	assert_string_equal(detail, "numbers[0]: has wire type 2, must have 0");
}

static void refuses_a_field_without_a_bound(void **state)
{
	(void)state;
	frame.used = 0;
	raw_number(&frame, 5, 1);
	assert_int_equal(validate_odd(), RW_WIRE_TOO_MANY);
	frame.used = 0;
	raw_bytes(&frame, 6, "a", 1);
	assert_int_equal(validate_odd(), RW_WIRE_TOO_LONG);
}

/* ---- limits and schema agree ----------------------------------------------- */

static int limit_used[64];

static void need_limits(FIELD_ARGUMENTS)
{
	(void)body;
	assert_true(message->n_fields <= RW_WIRE_FIELDS_MAX);
	assert_int_equal(field->flags & PROTOBUF_C_FIELD_FLAG_PACKED, 0);
	assert_int_equal(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF, 0);
	for (int repeated = 0; repeated < 2; repeated++) {
		const struct rw_wire_limit *limit = limit_of(message, field, repeated);
		int needed = repeated ? field->label == PROTOBUF_C_LABEL_REPEATED : is_text(field);
		if (needed != (limit != NULL))
			print_error("%s: %s row in the limits\n", place,
				    needed ? "has no" : "needs no");
		assert_int_equal(needed, limit != NULL);
		if (limit != NULL)
			limit_used[limit - rw_wire_limits] = 1;
	}
}

static void each_field_has_its_limit_and_each_limit_its_field(void **state)
{
	(void)state;
	memset(limit_used, 0, sizeof(limit_used));
	assert_true(rw_wire_limit_count <= sizeof(limit_used) / sizeof(limit_used[0]));
	each_field(need_limits);
	for (size_t i = 0; i < rw_wire_limit_count; i++) {
		if (!limit_used[i])
			print_error("%s.%s is not in the schema\n", rw_wire_limits[i].message,
				    rw_wire_limits[i].field);
		assert_true(limit_used[i]);
		assert_true(rw_wire_limits[i].min <= rw_wire_limits[i].max);
	}
}

/* The validator takes a message's rows as one run. */
static void limits_of_a_message_stand_together(void **state)
{
	(void)state;
	for (size_t i = 1; i < rw_wire_limit_count; i++) {
		const char *name = rw_wire_limits[i].message;
		if (strcmp(rw_wire_limits[i - 1].message, name) == 0)
			continue;
		for (size_t before = 0; before < i; before++)
			assert_string_not_equal(rw_wire_limits[before].message, name);
	}
}

static int depth_of(const ProtobufCMessageDescriptor *message, int depth)
{
	int deepest = depth;

	assert_true(depth < 5); /* the walk's stack, and the unpacker's, are bounded by this */
	for (unsigned i = 0; i < message->n_fields; i++) {
		if (message->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		int below = depth_of(message->fields[i].descriptor, depth + 1);
		deepest = below > deepest ? below : deepest;
	}
	return deepest;
}

static void no_message_contains_itself(void **state)
{
	(void)state;
	assert_int_equal(depth_of(&ringwatch__v1__frame__descriptor, 1), 4);
}

/* ---- decoding and encoding -------------------------------------------------- */

static void decodes_what_was_sent(void **state)
{
	(void)state;
	struct rw_arena *arena = rw_arena_new(RW_ARENA_BYTES);
	Ringwatch__V1__Frame *out = NULL;

	assert_non_null(arena);
	make_frame(&frame, body_named("event_batch"), NULL, WRONG_NOT);
	assert_int_equal(
		rw_wire_decode(arena, frame.bytes, frame.used, RW_FROM_SENSOR, &out, detail),
		RW_WIRE_OK);
	assert_int_equal(out->body_case, RINGWATCH__V1__FRAME__BODY_EVENT_BATCH);
	assert_int_equal(out->event_batch->n_events, 2);
	assert_int_equal(out->event_batch->events[1]->sequence, 2);
	assert_string_equal(out->event_batch->events[1]->stack[1], "xxxxx");
	assert_int_equal(out->event_batch->spool_id.len, RW_SPOOL_ID_BYTES);

	/* The same arena again: the frame before is gone, memory does not grow. */
	make_frame(&frame, body_named("goodbye"), NULL, WRONG_NOT);
	assert_int_equal(
		rw_wire_decode(arena, frame.bytes, frame.used, RW_FROM_SENSOR, &out, detail),
		RW_WIRE_OK);
	assert_int_equal(out->goodbye->back_in_s, 1);
	rw_arena_free(arena);
}

static void leaves_output_alone_when_it_refuses(void **state)
{
	(void)state;
	struct rw_arena *arena = rw_arena_new(RW_ARENA_BYTES);
	Ringwatch__V1__Frame kept = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Frame *out = &kept;

	assert_non_null(arena);
	make_frame(&frame, body_named("probe"), NULL, WRONG_NOT);
	assert_int_equal(
		rw_wire_decode(arena, frame.bytes, frame.used, RW_FROM_SENSOR, &out, detail),
		RW_WIRE_WRONG_DIRECTION);
	assert_ptr_equal(out, &kept);
	rw_arena_free(arena);
	rw_arena_free(NULL);
}

/* With every smaller arena the frame is refused by name, and never by a crash. */
static void refuses_what_the_arena_cannot_hold(void **state)
{
	(void)state;
	Ringwatch__V1__Frame *out = NULL;
	size_t size = 0;

	make_frame(&frame, body_named("event_batch"), NULL, WRONG_NOT);
	for (;; size += 8) {
		struct rw_arena *arena = rw_arena_new(size);
		assert_non_null(arena);
		enum rw_wire_error error = rw_wire_decode(arena, frame.bytes, frame.used,
							  RW_FROM_SENSOR, &out, detail);
		rw_arena_free(arena);
		if (error == RW_WIRE_OK)
			break;
		assert_int_equal(error, RW_WIRE_OUT_OF_MEMORY);
		assert_string_equal(detail, "frame: does not fit the arena");
		assert_true(size < RW_ARENA_BYTES);
	}
	assert_true(size > 0);
}

/* A batch of as many events and stack entries as the limits allow. */
static void decode_full_batch(size_t entry_bytes, size_t least)
{
	struct rw_arena *arena = rw_arena_new(RW_ARENA_BYTES);
	struct raw *batch = calloc(1, sizeof(*batch));
	struct raw *event = calloc(1, sizeof(*event));
	const ProtobufCMessageDescriptor *message = &ringwatch__v1__event__descriptor;
	Ringwatch__V1__Frame *out = NULL;
	struct maker maker = {0};

	assert_non_null(arena);
	assert_non_null(batch);
	assert_non_null(event);
	for (unsigned i = 0; i < 4; i++)
		make_field(batch, &maker, &ringwatch__v1__event_batch__descriptor,
			   &ringwatch__v1__event_batch__descriptor.fields[i]);
	for (int n = 0; n < RW_EVENTS_PER_BATCH; n++) {
		event->used = 0;
		for (unsigned i = 0; i < message->n_fields; i++)
			make_field(event, &maker, message, &message->fields[i]);
		for (int i = 2; i < RW_STACK_MAX; i++)
			raw_bytes(event, 18, "0123456789abcdef0123456789abcdef0123", entry_bytes);
		raw_bytes(batch, 5, event->bytes, event->used);
	}
	frame.used = 0;
	raw_bytes(&frame, 5, batch->bytes, batch->used);
	assert_true(frame.used > least);
	assert_true(frame.used <= RW_FRAME_MAX);
	assert_int_equal(
		rw_wire_decode(arena, frame.bytes, frame.used, RW_FROM_SENSOR, &out, detail),
		RW_WIRE_OK);
	assert_int_equal(out->event_batch->events[63]->n_stack, RW_STACK_MAX);
	rw_arena_free(arena);
	free(batch);
	free(event);
}

static void fullest_frames_fit_the_arena(void **state)
{
	(void)state;
	decode_full_batch(36, RW_FRAME_MAX * 9 / 10);
	decode_full_batch(1, 0);
}

static void encodes_head_and_message(void **state)
{
	(void)state;
	Ringwatch__V1__Frame out = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Probe probe = RINGWATCH__V1__PROBE__INIT;
	uint8_t bytes[32];

	probe.nonce = 7;
	out.body_case = RINGWATCH__V1__FRAME__BODY_PROBE;
	out.probe = &probe;
	assert_int_equal(rw_wire_encode(&out, bytes, sizeof(bytes)), 8);
	assert_memory_equal(bytes, "\0\0\0\x04\x3a\x02\x08\x07", 8);
	assert_int_equal(rw_wire_encode(&out, bytes, 8), 8);
	for (size_t size = 0; size < 8; size++)
		assert_true(rw_wire_encode(&out, bytes, size) < 0);
}

static void does_not_encode_more_than_a_frame(void **state)
{
	(void)state;
	Ringwatch__V1__Frame out = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Reject reject = RINGWATCH__V1__REJECT__INIT;
	uint8_t *bytes = malloc((size_t)2 * RW_FRAME_MAX);
	char *text = calloc(1, RW_FRAME_MAX + 1);

	assert_non_null(bytes);
	assert_non_null(text);
	assert_true(rw_wire_encode(&out, bytes, (size_t)2 * RW_FRAME_MAX) < 0); /* no body */
	memset(text, 'a', RW_FRAME_MAX);
	reject.code = RINGWATCH__V1__REJECT_CODE__REJECT_STANDBY;
	reject.detail = text;
	out.body_case = RINGWATCH__V1__FRAME__BODY_REJECT;
	out.reject = &reject;
	assert_true(rw_wire_encode(&out, bytes, (size_t)2 * RW_FRAME_MAX) < 0);
	text[RW_FRAME_MAX - 12] = '\0';
	assert_int_equal(rw_wire_encode(&out, bytes, (size_t)2 * RW_FRAME_MAX),
			 RW_FRAME_HEAD + RW_FRAME_MAX);
	free(bytes);
	free(text);
}

static void each_error_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < RW_WIRE_ERROR_COUNT; i++) {
		const char *name = rw_wire_error_name((enum rw_wire_error)i);
		assert_non_null(name);
		assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
		for (int other = 0; other < i; other++)
			assert_string_not_equal(name,
						rw_wire_error_name((enum rw_wire_error)other));
	}
	assert_string_equal(rw_wire_error_name(RW_WIRE_MISSING_FIELD), "missing_field");
	assert_string_equal(rw_wire_error_name(RW_WIRE_ERROR_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_each_message),
		cmocka_unit_test(accepts_any_order_of_fields),
		cmocka_unit_test(accepts_empty_previous_boot_id),
		cmocka_unit_test(refuses_empty_frame),
		cmocka_unit_test(refuses_oversized_frame),
		cmocka_unit_test(refuses_truncated_field),
		cmocka_unit_test(refuses_each_cut_frame),
		cmocka_unit_test(refuses_number_cut_short),
		cmocka_unit_test(refuses_bad_varint),
		cmocka_unit_test(refuses_bad_varint_in_tag_and_length),
		cmocka_unit_test(refuses_bad_wire_type),
		cmocka_unit_test(refuses_unknown_field),
		cmocka_unit_test(refuses_duplicate_field),
		cmocka_unit_test(refuses_two_bodies),
		cmocka_unit_test(refuses_missing_field),
		cmocka_unit_test(refuses_missing_body),
		cmocka_unit_test(refuses_unknown_enum),
		cmocka_unit_test(refuses_bad_bool),
		cmocka_unit_test(refuses_bad_text),
		cmocka_unit_test(refuses_too_long_and_too_short),
		cmocka_unit_test(refuses_too_many_and_too_few),
		cmocka_unit_test(refuses_bad_form),
		cmocka_unit_test(refuses_sequence_that_does_not_grow),
		cmocka_unit_test(refuses_count_of_zero),
		cmocka_unit_test(facts_stand_in_order_and_once),
		cmocka_unit_test(only_a_log_excerpt_is_about_another_event),
		cmocka_unit_test(the_length_of_a_log_belongs_to_a_log),
		cmocka_unit_test(a_spool_that_is_not_on_disk_has_a_reason_and_no_other_has),
		cmocka_unit_test(refuses_wrong_direction),
		cmocka_unit_test(takes_only_subjects_that_a_deployment_can_match),
		cmocka_unit_test(details_hold_no_foreign_bytes),
		cmocka_unit_test(takes_signed_numbers_of_32_bits_only),
		cmocka_unit_test(refuses_fixed_numbers_cut_short),
		cmocka_unit_test(refuses_packed_numbers),
		cmocka_unit_test(refuses_a_field_without_a_bound),
		cmocka_unit_test(each_field_has_its_limit_and_each_limit_its_field),
		cmocka_unit_test(limits_of_a_message_stand_together),
		cmocka_unit_test(no_message_contains_itself),
		cmocka_unit_test(decodes_what_was_sent),
		cmocka_unit_test(leaves_output_alone_when_it_refuses),
		cmocka_unit_test(refuses_what_the_arena_cannot_hold),
		cmocka_unit_test(fullest_frames_fit_the_arena),
		cmocka_unit_test(encodes_head_and_message),
		cmocka_unit_test(does_not_encode_more_than_a_frame),
		cmocka_unit_test(each_error_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
