/* SPDX-License-Identifier: Apache-2.0 */
/* A list of byte strings, each wrong in one way; see nonsense.h. */
#include "ctl/fleet/nonsense.h"

#include <string.h>

#define BODY(bytes) (bytes), sizeof(bytes) - 1, true
#define STREAM(bytes) (bytes), sizeof(bytes) - 1, false

/* Tags: 0x0a Hello, 0x12 Welcome, 0x22 Heartbeat, 0x2a EventBatch, 0x4a Goodbye. */
static const struct nonsense {
	const char *name;
	const char *bytes;
	size_t length;
	bool is_body; /* gets a right head; else the bytes stand as they are */
	bool is_greeting;
} nonsense[] = {
	{"length_zero", STREAM("\0\0\0\0"), false},
	{"length_one_too_many", STREAM("\0\1\0\1\x22\6\x08\1\x10\0\x18\0"), false},
	{"length_four_gigabytes", STREAM("\xff\xff\xff\xff\x22\6\x08\1\x10\0\x18\0"), false},
	{"http", STREAM("GET / HTTP/1.1\r\nHost: collector\r\n\r\n"), true},
	{"truncated", BODY("\x22\x0a\x08\1\x10\0\x18\0"), false},
	{"unknown_field", BODY("\x22\x08\x08\1\x10\0\x18\0\x20\1"), false},
	{"unknown_message", BODY("\x7a\2\x08\1"), false},
	{"duplicate_field", BODY("\x22\x08\x08\1\x08\1\x10\0\x18\0"), false},
	{"two_bodies", BODY("\x22\6\x08\1\x10\0\x18\0\x42\2\x08\1"), false},
	{"missing_field", BODY("\x22\4\x08\1\x10\0"), false},
	{"empty_message", BODY("\x22\0"), false},
	{"unknown_enum", BODY("\x4a\4\x08\x63\x10\1"), false},
	{"negative_enum", BODY("\x4a\x0d\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x10\1"), false},
	{"wide_number", BODY("\x22\x0a\x08\1\x10\x80\x80\x80\x80\x10\x18\0"), false},
	{"overlong_number", BODY("\x22\x07\x08\x81\0\x10\0\x18\0"), false},
	{"endless_number", BODY("\x22\x0c\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"), false},
	{"wrong_wire_type", BODY("\x22\x09\x0d\1\2\3\4\x10\0\x18\0"), false},
	{"group", BODY("\x23\x08\1\x24"), false},
	{"probe_from_a_sensor", BODY("\x3a\2\x08\1"), false},
	{"text_with_nul", BODY("\x0a\5\x12\3a\0b"), true},
	{"bad_utf8", BODY("\x0a\4\x12\2\xc3("), true},
	{"heartbeat_for_hello", BODY("\x22\6\x08\1\x10\0\x18\0"), true},
	{"bad_boot_id", BODY("\x2a\x11\x12\x0fnot-a-boot-id!!"), false},
	{"short_spool_id", BODY("\x2a\5\x0a\3abc"), false},
	{"nested_length", BODY("\x2a\4\x2a\x7f\x08\1"), false},
	{"noise",
	 STREAM("\0\0\0\x10\x9f\x13\xe7\x00\xc4\x5a\x88\x21\xfe\x01\x77\x3d\xb2\x60\xee\x0f"),
	 false},
};

enum { NONSENSE_COUNT = sizeof(nonsense) / sizeof(nonsense[0]) };

unsigned rw_fleet_nonsense_count(void)
{
	return NONSENSE_COUNT;
}

const char *rw_fleet_nonsense_name(unsigned turn)
{
	return nonsense[turn % NONSENSE_COUNT].name;
}

bool rw_fleet_nonsense_is_greeting(unsigned turn)
{
	return nonsense[turn % NONSENSE_COUNT].is_greeting;
}

size_t rw_fleet_nonsense_make(unsigned turn, uint8_t out[RW_FLEET_NONSENSE_BYTES])
{
	const struct nonsense *one = &nonsense[turn % NONSENSE_COUNT];
	size_t used = 0;

	if (one->is_body) {
		out[used++] = 0;
		out[used++] = 0;
		out[used++] = (uint8_t)(one->length >> 8);
		out[used++] = (uint8_t)one->length;
	}
	memcpy(out + used, one->bytes, one->length);
	return used + one->length;
}
