/* SPDX-License-Identifier: Apache-2.0 */
/* A boot id has one spelling, and keeps it on the way through 16 bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/bootid.h"

static const char text[] = "01234567-89ab-cdef-fedc-ba9876543210";

static void reads_and_writes_the_same(void **state)
{
	(void)state;
	static const uint8_t wanted[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					   0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
	uint8_t id[16];
	char out[RW_BOOT_ID_LENGTH + 1];

	assert_int_equal(rw_boot_id_parse(text, id), 0);
	assert_memory_equal(id, wanted, sizeof(id));
	assert_string_equal(rw_boot_id_format(id, out), text);
}

static void refuses_every_other_spelling(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"0123456789abcdeffedcba9876543210",
		"01234567-89AB-cdef-fedc-ba9876543210",
		"01234567-89ab-cdef-fedc-ba987654321",
		"01234567-89ab-cdef-fedc-ba98765432100",
		"0123456-789ab-cdef-fedc-ba9876543210",
		"01234567-89ab-cdef-fedc-ba987654321g",
		"01234567_89ab_cdef_fedc_ba9876543210",
		" 1234567-89ab-cdef-fedc-ba9876543210",
		"01234567-89ab-cdef-fedc-ba9876543210\n",
	};
	uint8_t kept[16] = {7};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(rw_boot_id_parse(bad[i], kept), -EINVAL);
		assert_false(rw_boot_id_is_valid(bad[i], strlen(bad[i])));
		assert_int_equal(kept[0], 7);
	}
	assert_true(rw_boot_id_is_valid(text, RW_BOOT_ID_LENGTH));
	assert_false(rw_boot_id_is_valid(text, RW_BOOT_ID_LENGTH + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_the_same),
		cmocka_unit_test(refuses_every_other_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
