/* SPDX-License-Identifier: Apache-2.0 */
/* What a target may look like, and what is refused before anything reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "collector/api/uri.h"

static struct rw_uri uri;

static void refused(const char *target, int err, const char *begins)
{
	char error[RW_URI_ERROR_BYTES] = "";

	if (rw_uri_parse(target, &uri, error) != err || strncmp(error, begins, strlen(begins)) != 0)
		fail_msg("%s: '%s'", target, error);
}

static void parsed(const char *target)
{
	char error[RW_URI_ERROR_BYTES] = "";

	if (rw_uri_parse(target, &uri, error) != 0)
		fail_msg("%s: %s", target, error);
}

static void test_path_and_parameters(void **state)
{
	(void)state;
	parsed("/v1/verdict?deployment=acme-2.1&ring=canary");
	assert_string_equal(uri.path, "/v1/verdict");
	assert_int_equal(uri.param_count, 2);
	assert_string_equal(rw_uri_value(&uri, "deployment"), "acme-2.1");
	assert_string_equal(rw_uri_value(&uri, "ring"), "canary");
	assert_null(rw_uri_value(&uri, "rin"));
	assert_null(rw_uri_value(&uri, "for"));
}

static void test_no_query_is_no_parameter(void **state)
{
	(void)state;
	parsed("/");
	assert_int_equal(uri.param_count, 0);
	parsed("/v1/hosts?");
	assert_int_equal(uri.param_count, 0);
	parsed("/v1/hosts?&limit=1000&");
	assert_int_equal(uri.param_count, 1);
	assert_string_equal(rw_uri_value(&uri, "limit"), "1000");
}

static void test_values_are_decoded_as_forms_are(void **state)
{
	(void)state;
	parsed("/v1/events?signature=oops%3acrash_write%2B0x12%3Abad+one");
	assert_string_equal(rw_uri_value(&uri, "signature"), "oops:crash_write+0x12:bad one");
	parsed("/v1/events?signature=%C3%A9=1");
	assert_string_equal(rw_uri_value(&uri, "signature"), "\xC3\xA9=1");
}

static void test_a_path_is_never_decoded(void **state)
{
	(void)state;
	parsed("/v1/rings/canary%00x");
	assert_string_equal(uri.path, "/v1/rings/canary%00x");
	parsed("/v1/rings%2fcanary");
	assert_string_equal(uri.path, "/v1/rings%2fcanary");
}

static void test_bad_values_are_refused_by_name(void **state)
{
	(void)state;
	refused("/x?ring=canary%00x", -EINVAL, "ring: ");
	refused("/x?ring=a%0ab", -EINVAL, "ring: ");
	refused("/x?ring=a%7fb", -EINVAL, "ring: ");
	refused("/x?ring=%ff", -EINVAL, "ring: ");
	refused("/x?ring=%zz", -EINVAL, "ring: ");
	refused("/x?ring=%4", -EINVAL, "ring: ");
	refused("/x?ring=%", -EINVAL, "ring: ");
	refused("/x?ring=", -EINVAL, "ring: ");
	refused("/x?ring", -EINVAL, "ring: ");
	refused("/x?limit=1&ring=a&limit=1", -EINVAL, "limit: stands more than once");
}

static void test_a_token_in_a_url_is_refused_and_not_repeated(void **state)
{
	char error[RW_URI_ERROR_BYTES];

	(void)state;
	refused("/metrics?token=s3cret", -EINVAL, "token: ");
	refused("/nowhere?access_token=s3cret", -EINVAL, "access_token: ");
	assert_int_equal(rw_uri_parse("/x?token=s3cret", &uri, error), -EINVAL);
	assert_null(strstr(error, "s3cret"));
}

static void test_strange_names_are_refused_and_not_repeated(void **state)
{
	char error[RW_URI_ERROR_BYTES];

	(void)state;
	refused("/x?=1", -EINVAL, "a parameter's name: ");
	refused("/x?%72ing=a", -EINVAL, "a parameter's name: ");
	refused("/x?RING=a", -EINVAL, "a parameter's name: ");
	refused("/x?a\x1b[31m=1", -EINVAL, "a parameter's name: ");
	assert_int_equal(rw_uri_parse("/x?a\x1b[31m=1", &uri, error), -EINVAL);
	assert_null(strchr(error, 0x1b));
	refused("/x?abcdefghijklmnopqrstuvwxyzabcdefg=1", -EINVAL, "a parameter's name: ");
}

static void test_what_is_no_path_is_refused(void **state)
{
	(void)state;
	refused("", -EINVAL, "path: ");
	refused("*", -EINVAL, "path: ");
	refused("http://localhost/v1/rings", -EINVAL, "path: ");
}

static void test_lengths_are_bounded(void **state)
{
	char target[RW_URI_MAX + 2];

	(void)state;
	memset(target, 'a', sizeof(target));
	target[0] = '/';
	target[RW_URI_MAX] = '\0';
	parsed(target);
	target[RW_URI_MAX] = 'a';
	target[RW_URI_MAX + 1] = '\0';
	refused(target, -E2BIG, "the address is longer");

	memcpy(target, "/x?ring=", 8);
	target[8 + RW_URI_VALUE_MAX] = '\0';
	parsed(target);
	target[8 + RW_URI_VALUE_MAX] = 'a';
	target[8 + RW_URI_VALUE_MAX + 1] = '\0';
	refused(target, -EINVAL, "ring: ");
}

static void test_parameters_are_counted(void **state)
{
	(void)state;
	parsed("/x?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1");
	assert_int_equal(uri.param_count, RW_URI_PARAMS_MAX);
	refused("/x?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1", -EINVAL, "m: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_and_parameters),
		cmocka_unit_test(test_no_query_is_no_parameter),
		cmocka_unit_test(test_values_are_decoded_as_forms_are),
		cmocka_unit_test(test_a_path_is_never_decoded),
		cmocka_unit_test(test_bad_values_are_refused_by_name),
		cmocka_unit_test(test_a_token_in_a_url_is_refused_and_not_repeated),
		cmocka_unit_test(test_strange_names_are_refused_and_not_repeated),
		cmocka_unit_test(test_what_is_no_path_is_refused),
		cmocka_unit_test(test_lengths_are_bounded),
		cmocka_unit_test(test_parameters_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
