/* SPDX-License-Identifier: Apache-2.0 */
/* What keys mean, however a terminal cuts their bytes. */
#include "ctl/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

static void means(const char *bytes, enum rw_key expected, size_t expected_used)
{
	size_t used = 99;

	assert_int_equal(rw_screen_key(bytes, strlen(bytes), &used), expected);
	assert_int_equal(used, expected_used);
}

static void letters_are_keys(void **state)
{
	(void)state;
	means("q", RW_KEY_QUIT, 1);
	means("qr", RW_KEY_QUIT, 1);
	means("\003", RW_KEY_QUIT, 1);
	means("r", RW_KEY_REFRESH, 1);
	means("k", RW_KEY_UP, 1);
	means("j", RW_KEY_DOWN, 1);
	means("\r", RW_KEY_ENTER, 1);
	means("\n", RW_KEY_ENTER, 1);
	means("?", RW_KEY_HELP, 1);
	means("\177", RW_KEY_BACK, 1);
	means("x", RW_KEY_OTHER, 1);
	means("\xff", RW_KEY_OTHER, 1);
}

static void arrows_come_in_two_forms(void **state)
{
	(void)state;
	means("\033[A", RW_KEY_UP, 3);
	means("\033OA", RW_KEY_UP, 3);
	means("\033[Bq", RW_KEY_DOWN, 3);
	means("\033OB", RW_KEY_DOWN, 3);
}

static void a_key_cut_short_waits_for_the_rest(void **state)
{
	(void)state;
	means("\033", RW_KEY_NONE, 0);
	means("\033[", RW_KEY_NONE, 0);
	means("\033O", RW_KEY_NONE, 0);
	means("\033[1;5", RW_KEY_NONE, 0);
}

static void other_sequences_are_passed_over_whole(void **state)
{
	(void)state;
	means("\033[3~q", RW_KEY_OTHER, 4);
	means("\033[1;5Aq", RW_KEY_OTHER, 6);
	/* Escape, and then a letter. */
	means("\033q", RW_KEY_BACK, 1);
	/* No key is that long. */
	means("\033[1111111111111111", RW_KEY_NONE, 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_are_keys),
		cmocka_unit_test(arrows_come_in_two_forms),
		cmocka_unit_test(a_key_cut_short_waits_for_the_rest),
		cmocka_unit_test(other_sequences_are_passed_over_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
