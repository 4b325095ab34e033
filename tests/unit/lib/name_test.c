/* SPDX-License-Identifier: Apache-2.0 */
/* No wildcard, no separator and no blank can ever be in a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/name.h"

static void takes_names(void **state)
{
	(void)state;
	static const char *const good[] = {"a", "0", "web-01.example_x", "9-", "canary"};
	char longest[RW_NAME_MAX];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(rw_name_is_valid(good[i], strlen(good[i])));
	memset(longest, 'a', sizeof(longest));
	assert_true(rw_name_is_valid(longest, sizeof(longest)));
}

static void refuses_the_empty_and_the_too_long(void **state)
{
	(void)state;
	char text[RW_NAME_MAX + 1];

	memset(text, 'a', sizeof(text));
	assert_false(rw_name_is_valid("", 0));
	assert_false(rw_name_is_valid(text, sizeof(text)));
}

/* Of all 256 bytes, in front and behind. */
static void takes_only_its_own_characters(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		char name[2] = {(char)byte, 'a'};
		int front = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
		int behind = front || byte == '.' || byte == '_' || byte == '-';

		assert_int_equal(rw_name_is_valid(name, 2), front);
		name[1] = name[0];
		name[0] = 'a';
		assert_int_equal(rw_name_is_valid(name, 2), behind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_names),
		cmocka_unit_test(refuses_the_empty_and_the_too_long),
		cmocka_unit_test(takes_only_its_own_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
