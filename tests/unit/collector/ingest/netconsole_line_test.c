/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of netconsole, as kernels write them and as strangers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "collector/ingest/netconsole_line.h"

/* ---- heads -------------------------------------------------------------------- */

/* In memory of just this size, so that nothing behind it is read unseen. */
static uint8_t *exact(const char *text, size_t length)
{
	uint8_t *bytes = malloc(length + (length == 0));

	assert_non_null(bytes);
	memcpy(bytes, text, length);
	return bytes;
}

static int parse(const char *text, struct rw_netconsole_head *head)
{
	uint8_t *bytes = exact(text, strlen(text));
	int status = rw_netconsole_parse_head(bytes, strlen(text), head);

	free(bytes);
	return status;
}

static struct rw_netconsole_head head_of(const char *text)
{
	struct rw_netconsole_head head;

	memset(&head, 0xa5, sizeof(head));
	assert_int_equal(parse(text, &head), 0);
	return head;
}

static void is_plain(const char *text)
{
	struct rw_netconsole_head head = head_of(text);

	if (head.is_extended)
		fail_msg("extended: %s", text);
	assert_int_equal(head.body_at, 0);
	assert_false(head.is_fragment);
}

static void is_refused(const char *text)
{
	struct rw_netconsole_head head;

	if (parse(text, &head) != -EBADMSG)
		fail_msg("taken: %s", text);
}

static void test_an_extended_head_tells_who_spoke_and_when(void **state)
{
	struct rw_netconsole_head head = head_of("14,339,5140900,c,caller=T1;hello\n");

	(void)state;
	assert_true(head.is_extended);
	assert_int_equal(head.facility, 1);
	assert_int_equal(head.level, 6);
	assert_int_equal(head.sequence, 339);
	assert_int_equal(head.usec, 5140900);
	assert_false(head.is_fragment);
	assert_int_equal(head.body_at, strlen("14,339,5140900,c,caller=T1;"));
	head = head_of("4294967295,18446744073709551615,18446744073709551615,+;");
	assert_true(head.is_extended);
	assert_int_equal(head.facility, UINT32_MAX >> 3);
	assert_int_equal(head.level, 7);
	assert_true(head.sequence == UINT64_MAX && head.usec == UINT64_MAX);
	assert_int_equal(head_of("0,1,2,-;x").facility, 0);
}

static void test_a_release_may_stand_before_the_level(void **state)
{
	struct rw_netconsole_head head = head_of("6.12.0-rc3+,3,78,99,-;Oops\n");

	(void)state;
	assert_true(head.is_extended);
	assert_int_equal(head.facility, 0);
	assert_int_equal(head.level, 3);
	assert_int_equal(head.sequence, 78);
	assert_int_equal(head.body_at, strlen("6.12.0-rc3+,3,78,99,-;"));
	head = head_of("6.12.0,3,78,99,-,ncfrag=2/9;abc");
	assert_true(head.is_fragment);
	assert_int_equal(head.offset, 2);
	assert_int_equal(head.total, 9);
}

static void test_what_has_no_whole_head_is_plain(void **state)
{
	static const char *const rows[] = {
		"",
		";",
		",;",
		"hello",
		"[   12.345678] hello; world\n",
		"6,339,5140900;no flags",
		"6,339,5140900,;empty flags",
		"6,339,5140900,x;strange flags",
		"6,339,5140900,-c;two flags",
		"6,339,,-;no time",
		",339,5140900,-;no level",
		"-6,339,5140900,-;a sign",
		" 6,339,5140900,-;a blank",
		"4294967296,339,1,-;more than a level can be",
		"6,18446744073709551616,1,-;more than a sequence can be",
		"6,1,18446744073709551616,-;more than a time can be",
		"6.12,6.12,6,339,1,-;two releases",
		"6,339,5140900,-",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_plain(rows[i]);
}

/* In the plain form anybody may have written what stands behind the stamp. */
static void test_a_plain_line_cannot_pass_for_a_release_and_a_head(void **state)
{
	(void)state;
	is_plain("[   12.345678] usb 1-1: Product: x,0,1,2,-;Kernel panic - not syncing: y\n");
	is_plain("usb 1-1: Product: x,0,1,2,-;Kernel panic - not syncing: y\n");
	is_plain("<6>[12.345678]\tx,0,1,2,-;Kernel panic - not syncing: y\n");
	is_plain("line\nx,0,1,2,-;Kernel panic - not syncing: y\n");
}

static void test_a_fragment_lies_in_its_record(void **state)
{
	struct rw_netconsole_head head = head_of("6,1,2,-,caller=T1,ncfrag=3/8;fghij");
	char text[128];

	(void)state;
	assert_true(head.is_fragment);
	assert_int_equal(head.offset, 3);
	assert_int_equal(head.total, 8);
	is_refused("6,1,2,-,ncfrag=4/8;fghij"); /* ends behind it */
	is_refused("6,1,2,-,ncfrag=8/8;f");
	is_refused("6,1,2,-,ncfrag=9/8;f");
	is_refused("6,1,2,-,ncfrag=0/0;f");
	is_refused("6,1,2,-,ncfrag=0/0;");
	is_refused("6,1,2,-,ncfrag=0/8;"); /* brings nothing */
	is_refused("6,1,2,-,ncfrag=4294967295/4294967295;f");
	snprintf(text, sizeof(text), "6,1,2,-,ncfrag=0/%d;f", RW_NETCONSOLE_RECORD_MAX);
	assert_int_equal(head_of(text).total, RW_NETCONSOLE_RECORD_MAX);
	snprintf(text, sizeof(text), "6,1,2,-,ncfrag=0/%d;f", RW_NETCONSOLE_RECORD_MAX + 1);
	is_refused(text);
}

static void test_a_fragment_that_cannot_be_read_is_no_whole_record(void **state)
{
	(void)state;
	is_refused("6,1,2,-,ncfrag=;f");
	is_refused("6,1,2,-,ncfrag=0;f");
	is_refused("6,1,2,-,ncfrag=0/;f");
	is_refused("6,1,2,-,ncfrag=/8;f");
	is_refused("6,1,2,-,ncfrag=-1/8;f");
	is_refused("6,1,2,-,ncfrag=0/8 ;f");
	is_refused("6,1,2,-,ncfrag=4294967296/8;f");
	is_refused("6,1,2,-,ncfrag=0/4294967304;f");
}

/* ---- lines ---------------------------------------------------------------------- */

struct lines {
	int count;
	size_t length;
	char text[64][128];
};

static void keep_line(void *context, const struct rw_netconsole_head *head, const char *text,
		      size_t length)
{
	struct lines *lines = context;

	(void)head;
	assert_true(lines->count < 64 && length < sizeof(lines->text[0]));
	memcpy(lines->text[lines->count], text, length);
	lines->text[lines->count++][length] = '\0';
	lines->length = length;
}

static struct lines *read_lines(bool is_extended, const char *text)
{
	static struct lines lines;
	const struct rw_netconsole_head head = {.is_extended = is_extended};
	char *body = (char *)exact(text, strlen(text));

	memset(&lines, 0, sizeof(lines));
	rw_netconsole_each_line(&head, body, strlen(text), keep_line, &lines);
	free(body);
	return &lines;
}

static void is_record(const char *body, const char *text)
{
	const struct lines *lines = read_lines(true, body);

	assert_int_equal(lines->count, 1);
	assert_string_equal(lines->text[0], text);
}

static void test_an_extended_record_is_one_line(void **state)
{
	(void)state;
	is_record("Kernel panic - not syncing: x\n", "Kernel panic - not syncing: x");
	is_record("without an end", "without an end");
	is_record("usb 1-1: new\n SUBSYSTEM=usb\n DEVICE=c189:1\n", "usb 1-1: new");
	is_record("name\\x0aKernel panic", "name\nKernel panic");
	is_record("name\nKernel panic\n", "name");
	is_record("[   12.345678] a stamp of its own", "[   12.345678] a stamp of its own");
	assert_int_equal(read_lines(true, "")->count, 0);
	assert_int_equal(read_lines(true, "\n DEVICE=x\n")->count, 0);
}

static void test_escapes_are_undone_and_what_only_looks_like_one_stays(void **state)
{
	(void)state;
	is_record("a\\x5cx41b", "a\\x41b"); /* once only */
	is_record("\\x1b[31m\\xc3\\xa9", "\x1b[31m\xc3\xa9");
	is_record("\\x4", "\\x4");
	is_record("\\x", "\\x");
	is_record("\\", "\\");
	is_record("\\xg0\\x0g", "\\xg0\\x0g");
	is_record("\\x4A\\n", "\\x4A\\n"); /* the kernel writes lower case */
	is_record("\\\\x41", "\\A");
	is_record("\\x41", "A");
	const struct lines *lines = read_lines(true, "a\\x00b");
	assert_int_equal(lines->length, 3);
	assert_memory_equal(lines->text[0], "a\0b", 3);
}

static void test_a_plain_datagram_is_its_lines_without_stamps(void **state)
{
	const struct lines *lines = read_lines(
		false, "[   12.345678] first\n\n[   12.345679][  T7] second\nthird\\x41");

	(void)state;
	assert_int_equal(lines->count, 3);
	assert_string_equal(lines->text[0], "first");
	assert_string_equal(lines->text[1], "second");
	assert_string_equal(lines->text[2], "third\\x41");
	assert_int_equal(read_lines(false, "")->count, 0);
	assert_int_equal(read_lines(false, "\n\n\n")->count, 0);
	assert_int_equal(read_lines(false, "[   12.345678] \n")->count, 0);
}

static void test_of_a_plain_datagram_so_many_lines_are_read(void **state)
{
	char text[2 * RW_NETCONSOLE_LINES_MAX * 2 + 1] = "";

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "a\n", 3);
	assert_int_equal(read_lines(false, text)->count, RW_NETCONSOLE_LINES_MAX);
	text[2 * RW_NETCONSOLE_LINES_MAX] = '\0';
	assert_int_equal(read_lines(false, text)->count, RW_NETCONSOLE_LINES_MAX);
}

/* ---- records in pieces ------------------------------------------------------------ */

struct fixture {
	struct rw_netconsole_pieces *pieces;
	uint64_t now_ms;
	char *body;
	size_t length;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->pieces = rw_netconsole_pieces_new();
	assert_non_null(f->pieces);
	f->now_ms = 1000 * 1000;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rw_netconsole_pieces_free(f->pieces);
	free(f);
	return 0;
}

/* The datagram of the host at that port. */
static int add(struct fixture *f, uint16_t port, const char *datagram)
{
	const struct rw_source source = {.address = {192, 0, 2, 1}, .port = port};
	struct rw_netconsole_head head = head_of(datagram);
	size_t length = strlen(datagram) - head.body_at;
	uint8_t *bytes = exact(datagram + head.body_at, length);

	assert_true(head.is_fragment);
	int status = rw_netconsole_pieces_add(f->pieces, &source, &head, bytes, length, f->now_ms,
					      &f->body, &f->length);
	free(bytes);
	return status;
}

static void whole_is(const struct fixture *f, const char *text)
{
	assert_int_equal(f->length, strlen(text));
	assert_memory_equal(f->body, text, f->length);
}

static void test_pieces_in_order_make_a_record(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=0/9;abc"), 0);
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=3/9;def"), 0);
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=6/9;ghi"), 1);
	whole_is(f, "abcdefghi");
	assert_int_equal(add(f, 1, "0,8,1,-,ncfrag=0/3;xyz"), 1);
	whole_is(f, "xyz");
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=6/9;ghi"), -EBADMSG); /* used up */
}

static void test_the_longest_record_comes_through(void **state)
{
	enum { PIECE = 1024 };
	struct fixture *f = *state;
	char datagram[PIECE + 64];

	for (int at = 0; at < RW_NETCONSOLE_RECORD_MAX; at += PIECE) {
		int used = snprintf(datagram, sizeof(datagram), "0,7,1,-,ncfrag=%d/%d;", at,
				    RW_NETCONSOLE_RECORD_MAX);
		memset(datagram + used, 'a' + at / PIECE, PIECE);
		datagram[used + PIECE] = '\0';
		assert_int_equal(add(f, 1, datagram), at + PIECE == RW_NETCONSOLE_RECORD_MAX);
	}
	assert_int_equal(f->length, RW_NETCONSOLE_RECORD_MAX);
	for (size_t i = 0; i < f->length; i++)
		assert_int_equal(f->body[i], 'a' + i / PIECE);
}

static void test_a_missing_piece_spoils_its_record_for_good(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=3/9;def"), -EBADMSG); /* none before */
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=0/9;abc"), 0);
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=6/9;ghi"), -EBADMSG);
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=3/9;def"), -EBADMSG);
	/* twice the same, and two that overlap */
	assert_int_equal(add(f, 1, "0,8,1,-,ncfrag=0/9;abc"), 0);
	assert_int_equal(add(f, 1, "0,8,1,-,ncfrag=3/9;def"), 0);
	assert_int_equal(add(f, 1, "0,8,1,-,ncfrag=3/9;def"), -EBADMSG);
	assert_int_equal(add(f, 1, "0,9,1,-,ncfrag=0/9;abc"), 0);
	assert_int_equal(add(f, 1, "0,9,1,-,ncfrag=2/9;cdefghi"), -EBADMSG);
	/* the next record is not touched by that */
	assert_int_equal(add(f, 1, "0,9,1,-,ncfrag=0/9;abc"), 0);
	assert_int_equal(add(f, 1, "0,9,1,-,ncfrag=3/9;defghi"), 1);
	whole_is(f, "abcdefghi");
}

static void test_pieces_of_different_records_are_not_mixed(void **state)
{
	static const char *const others[] = {
		"0,8,1,-,ncfrag=3/6;def",
		"0,7,2,-,ncfrag=3/6;def",
		"0,7,1,-,ncfrag=3/7;def",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=0/6;abc"), 0);
		assert_int_equal(add(f, 1, others[i]), -EBADMSG);
		assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=3/6;def"), -EBADMSG);
	}
	/* a new record begins though the old one is not done */
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=0/6;abc"), 0);
	assert_int_equal(add(f, 1, "0,8,1,-,ncfrag=0/6;ABC"), 0);
	assert_int_equal(add(f, 1, "0,8,1,-,ncfrag=3/6;DEF"), 1);
	whole_is(f, "ABCDEF");
}

static void test_each_source_has_its_own_pieces(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=0/6;abc"), 0);
	assert_int_equal(add(f, 2, "0,7,1,-,ncfrag=3/6;XYZ"), -EBADMSG);
	assert_int_equal(add(f, 2, "0,7,1,-,ncfrag=0/6;ABC"), 0);
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=3/6;def"), 1);
	whole_is(f, "abcdef");
	assert_int_equal(add(f, 2, "0,7,1,-,ncfrag=3/6;DEF"), 1);
	whole_is(f, "ABCDEF");
}

static void test_pieces_wait_only_so_long(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=0/6;abc"), 0);
	f->now_ms += RW_NETCONSOLE_PIECES_MS - 1;
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=3/6;d"), 0);
	f->now_ms += 1; /* counted from the first */
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=4/6;ef"), -EBADMSG);
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=0/6;abc"), 0);
	assert_int_equal(add(f, 1, "0,7,1,-,ncfrag=3/6;def"), 1);
}

static void test_when_there_are_too_many_the_oldest_makes_room(void **state)
{
	struct fixture *f = *state;

	for (uint16_t port = 0; port < RW_NETCONSOLE_PIECES + 1; port++) {
		assert_int_equal(add(f, port, "0,7,1,-,ncfrag=0/6;abc"), 0);
		f->now_ms++;
	}
	assert_int_equal(add(f, 0, "0,7,1,-,ncfrag=3/6;def"), -EBADMSG);
	for (uint16_t port = 1; port < RW_NETCONSOLE_PIECES + 1; port++)
		assert_int_equal(add(f, port, "0,7,1,-,ncfrag=3/6;def"), 1);
}

static void test_a_record_that_is_whole_takes_no_room(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, "0,7,1,-,ncfrag=0/6;abc"), 0);
	for (uint16_t port = 1; port < 3 * RW_NETCONSOLE_PIECES; port++) {
		f->now_ms++;
		assert_int_equal(add(f, port, "0,7,1,-,ncfrag=0/6;abc"), 0);
		assert_int_equal(add(f, port, "0,7,1,-,ncfrag=3/6;def"), 1);
	}
	assert_int_equal(add(f, 0, "0,7,1,-,ncfrag=3/6;def"), 1);
}

/* ---- nonces ----------------------------------------------------------------------- */

static bool is_nonce(const char *text)
{
	uint8_t nonce[RW_GASP_NONCE_BYTES];
	uint8_t *bytes = exact(text, strlen(text));
	bool is = rw_netconsole_parse_nonce((const char *)bytes, strlen(text), nonce);

	free(bytes);
	return is;
}

static void test_a_nonce_is_read(void **state)
{
	static const char text[] = "ringwatch: gasp 00112233445566778899aabbccddeeff";
	static const uint8_t expected[RW_GASP_NONCE_BYTES] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
							      0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
							      0xcc, 0xdd, 0xee, 0xff};
	uint8_t nonce[RW_GASP_NONCE_BYTES];

	(void)state;
	assert_true(rw_netconsole_parse_nonce(text, strlen(text), nonce));
	assert_memory_equal(nonce, expected, sizeof(nonce));
}

static void test_what_is_written_in_any_other_way_is_no_nonce(void **state)
{
	static const char *const rows[] = {
		"",
		"ringwatch: gasp ",
		"ringwatch: gasp 00112233445566778899aabbccddeef",
		"ringwatch: gasp 00112233445566778899aabbccddeeff0",
		"ringwatch: gasp 00112233445566778899aabbccddeeff\n",
		"ringwatch: gasp 00112233445566778899aabbccddeeff ",
		"ringwatch: gasp 00112233445566778899AABBCCDDEEFF",
		"ringwatch: gasp 00112233445566778899aabbccddeefg",
		"ringwatch: gasp  0112233445566778899aabbccddeeff",
		"ringwatch: gasp 0x112233445566778899aabbccddeeff",
		"Ringwatch: gasp 00112233445566778899aabbccddeeff",
		" ringwatch: gasp 00112233445566778899aabbccddeef",
		"ringwatch: gasp\t00112233445566778899aabbccddeeff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (is_nonce(rows[i]))
			fail_msg("a nonce: \"%s\"", rows[i]);
	}
}

#define PIECES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_extended_head_tells_who_spoke_and_when),
		cmocka_unit_test(test_a_release_may_stand_before_the_level),
		cmocka_unit_test(test_what_has_no_whole_head_is_plain),
		cmocka_unit_test(test_a_plain_line_cannot_pass_for_a_release_and_a_head),
		cmocka_unit_test(test_a_fragment_lies_in_its_record),
		cmocka_unit_test(test_a_fragment_that_cannot_be_read_is_no_whole_record),
		cmocka_unit_test(test_an_extended_record_is_one_line),
		cmocka_unit_test(test_escapes_are_undone_and_what_only_looks_like_one_stays),
		cmocka_unit_test(test_a_plain_datagram_is_its_lines_without_stamps),
		cmocka_unit_test(test_of_a_plain_datagram_so_many_lines_are_read),
		PIECES_TEST(test_pieces_in_order_make_a_record),
		PIECES_TEST(test_the_longest_record_comes_through),
		PIECES_TEST(test_a_missing_piece_spoils_its_record_for_good),
		PIECES_TEST(test_pieces_of_different_records_are_not_mixed),
		PIECES_TEST(test_each_source_has_its_own_pieces),
		PIECES_TEST(test_pieces_wait_only_so_long),
		PIECES_TEST(test_when_there_are_too_many_the_oldest_makes_room),
		PIECES_TEST(test_a_record_that_is_whole_takes_no_room),
		cmocka_unit_test(test_a_nonce_is_read),
		cmocka_unit_test(test_what_is_written_in_any_other_way_is_no_nonce),
	};

	return cmocka_run_group_tests_name("netconsole_line", tests, NULL, NULL);
}
