/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of answers, what clients say of encodings, and that what is packed unpacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "collector/api/encode.h"

static void test_a_tag_is_of_the_body_alone(void **state)
{
	char one[RW_ETAG_BYTES], same[RW_ETAG_BYTES], other[RW_ETAG_BYTES];

	(void)state;
	rw_etag_of("{}", 2, one);
	rw_etag_of("{}x", 2, same);
	rw_etag_of("{ }", 3, other);
	assert_string_equal(one, same);
	assert_string_not_equal(one, other);
	assert_int_equal(strlen(one), 2 + 1 + 32 + 1);
	assert_memory_equal(one, "W/\"44136fa355b3678a1146ad16f7e8649e\"", 36);
}

static void test_tags_match_weakly_in_lists(void **state)
{
	static const char tag[] = "W/\"abc\"";
	static const char *const same[] = {
		"W/\"abc\"", "\"abc\"",          "\"x\", W/\"abc\"", "*", " * ", "\"x\",,\"abc\"",
		" \"abc\" ", "\"x,y\", \"abc\"", "\"abc\", broken"};
	static const char *const others[] = {"",          "abc",       "\"abc",    "\"abcd\"",
					     "\"ab\"",    "w/\"abc\"", "*, \"x\"", "\"ABC\"",
					     "\"x\" abc", "W/",        "\"\""};

	(void)state;
	assert_false(rw_etag_matches(NULL, tag));
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		if (!rw_etag_matches(same[i], tag))
			fail_msg("%s", same[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (rw_etag_matches(others[i], tag))
			fail_msg("%s", others[i]);
	}
}

static void test_gzip_is_taken_as_the_client_says(void **state)
{
	static const char *const takes[] = {
		"gzip",
		"GZIP",
		"x-gzip",
		"deflate, gzip;q=1.0, *;q=0.5",
		"br , gzip",
		"*",
		"*;q=0.1",
		"gzip;q=0.001",
		"identity;q=0.5, gzip;q=0.5",
		"gzip ; q=0.8",
		",gzip,",
		"identity;q=0, gzip",
	};
	static const char *const refuses[] = {
		"",
		"identity",
		"br",
		"gzip;q=0",
		"gzip;q=0.000",
		"gzip;q=0, *",
		"*;q=0",
		"gzipx",
		"xgzip",
		"identity, gzip;q=0.5",
		"gzip;q",
		"gzip;q=",
		"gzip;q=2",
		"gzip;q=1.5",
		"gzip;q=0.1234",
		"gzip;q=-1",
		"gzip;level=9",
		"gzip gzip",
		"gzip, \"",
		"gzip;q=0.5;q=1",
	};

	(void)state;
	assert_false(rw_accepts_gzip(NULL));
	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
		if (!rw_accepts_gzip(takes[i]))
			fail_msg("%s", takes[i]);
	}
	for (size_t i = 0; i < sizeof(refuses) / sizeof(refuses[0]); i++) {
		if (rw_accepts_gzip(refuses[i]))
			fail_msg("%s", refuses[i]);
	}
}

static void test_what_is_packed_unpacks(void **state)
{
	static char body[100000], back[sizeof(body) + 1];
	size_t length;
	z_stream stream = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 7 + i / 1000 % 11);
	char *packed = rw_gzip(body, sizeof(body), &length);
	assert_non_null(packed);
	assert_true(length < sizeof(body) / 10);
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	stream.next_in = (unsigned char *)packed;
	stream.avail_in = (unsigned)length;
	stream.next_out = (unsigned char *)back;
	stream.avail_out = sizeof(back);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.total_out, sizeof(body));
	assert_memory_equal(body, back, sizeof(body));
	inflateEnd(&stream);
	free(packed);
	/* What would only grow is left alone. */
	assert_null(rw_gzip("abc", 3, &length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tag_is_of_the_body_alone),
		cmocka_unit_test(test_tags_match_weakly_in_lists),
		cmocka_unit_test(test_gzip_is_taken_as_the_client_says),
		cmocka_unit_test(test_what_is_packed_unpacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
