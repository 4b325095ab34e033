/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulator sends as nonsense is refused, each for another reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/fleet/nonsense.h"
#include "proto/wire.h"

static int on_frame(void *context, const uint8_t *message, size_t length)
{
	char detail[RW_WIRE_ERROR_BYTES];

	(void)context;
	return (int)rw_wire_validate(message, length, RW_FROM_SENSOR, detail);
}

/* The error by which the wire refuses it; RW_WIRE_OK when it waits for more or is fine. */
static enum rw_wire_error refusal_of(unsigned turn)
{
	uint8_t bytes[RW_FLEET_NONSENSE_BYTES];
	struct rw_frame_reader reader;
	size_t length = rw_fleet_nonsense_make(turn, bytes);

	assert_in_range(length, 1, sizeof(bytes));
	rw_frame_reader_init(&reader);
	int err = rw_frame_reader_feed(&reader, bytes, length, on_frame, NULL);
	rw_frame_reader_release(&reader);
	return (enum rw_wire_error)(err < 0 ? -err : err);
}

static void all_of_it_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum rw_wire_error wanted;
	} cases[] = {
		{"length_zero", RW_WIRE_EMPTY_FRAME},
		{"length_one_too_many", RW_WIRE_OVERSIZED_FRAME},
		{"length_four_gigabytes", RW_WIRE_OVERSIZED_FRAME},
		{"http", RW_WIRE_OVERSIZED_FRAME},
		{"truncated", RW_WIRE_TRUNCATED},
		{"unknown_field", RW_WIRE_UNKNOWN_FIELD},
		{"unknown_message", RW_WIRE_UNKNOWN_FIELD},
		{"duplicate_field", RW_WIRE_DUPLICATE_FIELD},
		{"two_bodies", RW_WIRE_DUPLICATE_FIELD},
		{"missing_field", RW_WIRE_MISSING_FIELD},
		{"empty_message", RW_WIRE_MISSING_FIELD},
		{"unknown_enum", RW_WIRE_UNKNOWN_ENUM},
		{"negative_enum", RW_WIRE_UNKNOWN_ENUM},
		{"wide_number", RW_WIRE_BAD_VARINT},
		{"overlong_number", RW_WIRE_BAD_VARINT},
		{"endless_number", RW_WIRE_BAD_VARINT},
		{"wrong_wire_type", RW_WIRE_BAD_WIRE_TYPE},
		{"group", RW_WIRE_BAD_WIRE_TYPE},
		{"probe_from_a_sensor", RW_WIRE_WRONG_DIRECTION},
		{"text_with_nul", RW_WIRE_BAD_TEXT},
		{"bad_utf8", RW_WIRE_BAD_TEXT},
		{"heartbeat_for_hello", RW_WIRE_OK}, /* a right frame, at the wrong time */
		{"bad_boot_id", RW_WIRE_TOO_LONG},
		{"short_spool_id", RW_WIRE_TOO_LONG},
		{"nested_length", RW_WIRE_TRUNCATED},
		{"noise", RW_WIRE_UNKNOWN_FIELD},
	};

	assert_int_equal(rw_fleet_nonsense_count(), sizeof(cases) / sizeof(cases[0]));
	for (unsigned i = 0; i < rw_fleet_nonsense_count(); i++) {
		assert_string_equal(rw_fleet_nonsense_name(i), cases[i].name);
		assert_int_equal(refusal_of(i), cases[i].wanted);
	}
	assert_true(rw_fleet_nonsense_is_greeting(21));
}

static void turns_begin_anew(void **state)
{
	(void)state;
	unsigned count = rw_fleet_nonsense_count();

	assert_string_equal(rw_fleet_nonsense_name(count), rw_fleet_nonsense_name(0));
	assert_int_equal(refusal_of(count + 4), refusal_of(4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_refused),
		cmocka_unit_test(turns_begin_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
