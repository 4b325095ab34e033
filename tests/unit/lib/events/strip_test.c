/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same kernel line, as all the ways to keep a log have it: what the kernel
 * said is left, with its time when it is there, and nothing of the kernel's own
 * words is taken for a head.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/events/strip.h"

static char kept[1024];

/* `out->text` points into `kept`. */
static struct rw_log_line strip(const char *line)
{
	struct rw_log_line out;
	size_t length = strlen(line);

	assert_true(length < sizeof(kept));
	memcpy(kept, line, length);
	rw_log_strip(kept, length, &out);
	assert_true(out.text >= kept && out.text + out.length <= kept + length);
	return out;
}

static void expect(const char *line, enum rw_log_clock clock, uint64_t usec, const char *text)
{
	struct rw_log_line out = strip(line);

	if (out.clock != clock || (clock == RW_LOG_CLOCK_BOOT && out.usec != usec) ||
	    out.length != strlen(text) || memcmp(out.text, text, out.length) != 0)
		fail_msg("%s: clock %d, %llu us, '%.*s'", line, (int)out.clock,
			 (unsigned long long)out.usec, (int)out.length, out.text);
	assert_true(out.is_kernel);
}

#define TEXT "Oops: 0002 [#1] SMP"

static void test_stamps_of_console_and_dmesg(void **state)
{
	static const char *const boot[] = {
		"[   12.345678] " TEXT,
		"[   12.345678] " TEXT "\r",
		"\r[   12.345678] " TEXT,
		"    [   12.345678] " TEXT,
		"[12.345678] " TEXT,
		"[   12.345678]" TEXT,
		"[   12.345678][  T193] " TEXT,
		"[   12.345678][    C0] " TEXT,
		"[   12.345678] [  T193] " TEXT,
		"<4>[   12.345678] " TEXT,
		"<4>[   12.345678][  T193] " TEXT,
		"kern  :warn  : [   12.345678] " TEXT,
		"[   12.345678 <    0.000013>] " TEXT,
	};
	static const char *const wall[] = {
		"[Sat Nov 23 05:12:01 2024] " TEXT,
		"[Sat Nov  3 05:12:01 2024] " TEXT,
		"kern  :warn  : [Sat Nov 23 05:12:01 2024] " TEXT,
		"[Nov23 05:12] " TEXT,
		"2024-11-23T05:12:01,345678+00:00 " TEXT,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(boot) / sizeof(boot[0]); i++)
		expect(boot[i], RW_LOG_CLOCK_BOOT, 12345678, TEXT);
	for (size_t i = 0; i < sizeof(wall) / sizeof(wall[0]); i++)
		expect(wall[i], RW_LOG_CLOCK_WALL, 0, TEXT);
	expect("[  +0.000013] " TEXT, RW_LOG_CLOCK_NONE, 0, TEXT);
	expect("[<    0.000013>] " TEXT, RW_LOG_CLOCK_NONE, 0, TEXT);
	expect("<0>" TEXT, RW_LOG_CLOCK_NONE, 0, TEXT);
	expect(TEXT, RW_LOG_CLOCK_NONE, 0, TEXT);
	expect("kernel: " TEXT, RW_LOG_CLOCK_NONE, 0, TEXT);
	expect("[1234567.000001] ", RW_LOG_CLOCK_BOOT, 1234567000001, "");
	expect("", RW_LOG_CLOCK_NONE, 0, "");

	/* the blanks of a frame are the kernel's */
	expect("[   12.345678]  vfs_write+0x1/0x2", RW_LOG_CLOCK_BOOT, 12345678,
	       " vfs_write+0x1/0x2");
	expect(" vfs_write+0x1/0x2", RW_LOG_CLOCK_NONE, 0, " vfs_write+0x1/0x2");
}

static void test_journal_and_syslog(void **state)
{
	(void)state;
	expect("Nov 23 05:12:01 web-17 kernel: " TEXT, RW_LOG_CLOCK_WALL, 0, TEXT);
	expect("Nov  3 05:12:01 web-17 kernel: " TEXT, RW_LOG_CLOCK_WALL, 0, TEXT);
	expect("Nov 23 05:12:01.345678 web-17 kernel: " TEXT, RW_LOG_CLOCK_WALL, 0, TEXT);
	expect("2024-11-23T05:12:01+0100 web-17 kernel: " TEXT, RW_LOG_CLOCK_WALL, 0, TEXT);
	expect("2024-11-23T05:12:01.345678+01:00 web-17 kernel: " TEXT, RW_LOG_CLOCK_WALL, 0, TEXT);
	expect("2024-11-23T05:12:01Z web-17 kernel: " TEXT, RW_LOG_CLOCK_WALL, 0, TEXT);
	/* syslog keeps the kernel's own stamp, which says more */
	expect("Nov 23 05:12:01 web-17 kernel: [   12.345678] " TEXT, RW_LOG_CLOCK_BOOT, 12345678,
	       TEXT);
	expect("[   12.345678] web-17 kernel: " TEXT, RW_LOG_CLOCK_BOOT, 12345678, TEXT);
	expect("Nov 23 05:12:01 web-17 kernel:  vfs_write+0x1/0x2", RW_LOG_CLOCK_WALL, 0,
	       " vfs_write+0x1/0x2");

	assert_true(strip("-- Boot 0123456789abcdef0123456789abcdef --").new_boot);
	assert_true(strip("-- Reboot --").new_boot);
	assert_int_equal(strip("-- Reboot --").length, 0);
	assert_false(strip("-- Boot 0123").new_boot);
}

static void test_time_of_the_wall_grows(void **state)
{
	static const char *const lines[] = {
		"[Sun Dec 31 23:59:59 2023] x", "[Mon Jan  1 00:00:00 2024] x",
		"[Wed Feb 28 23:59:59 2024] x", "[Thu Feb 29 00:00:01 2024] x",
		"[Thu Feb 29 23:59:59 2024] x", "[Fri Mar  1 00:00:00 2024] x",
		"[Tue Dec 31 23:59:59 2024] x", "[Wed Jan  1 00:00:00 2025] x",
	};
	uint64_t before = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct rw_log_line line = strip(lines[i]);
		assert_true(line.usec > before);
		if (i % 2 == 1)
			assert_true(line.usec - before <= 2000000);
		before = line.usec;
	}
	uint64_t early = strip("Nov 23 05:12:01.000001 web-17 kernel: x").usec;
	assert_int_equal(strip("Nov 23 05:12:01.25 web-17 kernel: x").usec - early, 249999);
}

static void test_user_space_is_told_apart(void **state)
{
	static const char *const lines[] = {
		"Nov 23 05:12:01 web-17 systemd[1]: " TEXT,
		"Nov 23 05:12:01 web-17 kernel-tool: " TEXT,
		"<12>[   12.345678] " TEXT,
		"<12>" TEXT,
		"user  :warn  : [   12.345678] " TEXT,
		"12,1,12345678,-;" TEXT,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (strip(lines[i]).is_kernel)
			fail_msg("%s", lines[i]);
	}
}

static void test_records(void **state)
{
	(void)state;
	struct rw_log_line line = strip("4,1234,12345678,-;" TEXT);
	assert_true(line.has_sequence);
	assert_int_equal(line.sequence, 1234);
	assert_int_equal(line.fragment_of, 0);
	expect("4,1234,12345678,-;" TEXT, RW_LOG_CLOCK_BOOT, 12345678, TEXT);
	expect("4,1234,12345678,-,caller=T193;" TEXT, RW_LOG_CLOCK_BOOT, 12345678, TEXT);
	expect("6.18.0,4,1234,12345678,-;" TEXT, RW_LOG_CLOCK_BOOT, 12345678, TEXT);
	/* control bytes come as \xNN */
	expect("3,5,6,-;rcu: \\x090-....: (1 GPs behind)", RW_LOG_CLOCK_BOOT, 6,
	       "rcu: \t0-....: (1 GPs behind)");
	expect("3,5,6,-;a\\x5cb\\x", RW_LOG_CLOCK_BOOT, 6, "a\\b\\x");

	line = strip("4,1234,12345678,-,ncfrag=100/250;middle");
	assert_int_equal(line.fragment_at, 100);
	assert_int_equal(line.fragment_of, 250);
	assert_int_equal(line.length, strlen("middle"));

	/* none of these is a record */
	expect("4,1234;x", RW_LOG_CLOCK_NONE, 0, "4,1234;x");
	expect("4,1234,5;x", RW_LOG_CLOCK_NONE, 0, "4,1234,5;x");
	expect("4,1234,5,-", RW_LOG_CLOCK_NONE, 0, "4,1234,5,-");
	expect("4,1234,5,-,ncfrag=1;x", RW_LOG_CLOCK_NONE, 0, "4,1234,5,-,ncfrag=1;x");
	expect("4,99999999999999999999,5,-;x", RW_LOG_CLOCK_NONE, 0,
	       "4,99999999999999999999,5,-;x");
}

static void test_heads_of_pstore_parts(void **state)
{
	(void)state;
	struct rw_log_line line = strip("Panic#2 Part3");
	assert_int_equal(line.part, 3);
	assert_int_equal(line.dump, 2);
	assert_string_equal(line.reason, "Panic");
	assert_int_equal(line.length, 0);
	assert_string_equal(strip("Oops#1 Part1").reason, "Oops");
	assert_int_equal(strip("Panic#2 Part0").part, 0);
	assert_int_equal(strip("Panic#2 Part3 and more").part, 0);
	assert_int_equal(strip("Panic#2").part, 0);
}

/* Only one stamp is taken off, and what the kernel put in brackets is its own. */
static void test_what_is_the_kernels_stays(void **state)
{
	(void)state;
	expect("[   12.345678] [   99.000000] " TEXT, RW_LOG_CLOCK_BOOT, 12345678,
	       "[   99.000000] " TEXT);
	expect("[   12.345678] <4>" TEXT, RW_LOG_CLOCK_BOOT, 12345678, "<4>" TEXT);
	expect("[   12.345678] 4,1234,5,-;x", RW_LOG_CLOCK_BOOT, 12345678, "4,1234,5,-;x");
	expect("4,1,5,-;[   12.345678] " TEXT, RW_LOG_CLOCK_BOOT, 5, "[   12.345678] " TEXT);
	expect("4,1,5,-;Nov 23 05:12:01 web-17 kernel: " TEXT, RW_LOG_CLOCK_BOOT, 5,
	       "Nov 23 05:12:01 web-17 kernel: " TEXT);
	expect("[   12.345678] traps: kernel: Oops: 0[12] trap", RW_LOG_CLOCK_BOOT, 12345678,
	       "traps: kernel: Oops: 0[12] trap");
	expect("[drm] Oops", RW_LOG_CLOCK_NONE, 0, "[drm] Oops");
	expect("[Hardware Error]: CPU:0", RW_LOG_CLOCK_NONE, 0, "[Hardware Error]: CPU:0");
	expect("[0000000000000002] user address", RW_LOG_CLOCK_NONE, 0,
	       "[0000000000000002] user address");
	expect("[   12.3456789] x", RW_LOG_CLOCK_NONE, 0, "[   12.3456789] x");
	expect("Nov 23 05:12:01 nobody said this", RW_LOG_CLOCK_NONE, 0,
	       "Nov 23 05:12:01 nobody said this");
}

static void expect_undone(const char *text, size_t length, const char *wanted, size_t left)
{
	assert_true(length <= sizeof(kept));
	memcpy(kept, text, length);
	assert_int_equal(rw_log_undo_escapes(kept, length), left);
	assert_memory_equal(kept, wanted, left);
}

#define UNDONE(text, wanted) expect_undone(text, sizeof(text) - 1, wanted, sizeof(wanted) - 1)

static void test_escapes_are_undone_once_and_whole(void **state)
{
	(void)state;
	UNDONE("", "");
	UNDONE("plain", "plain");
	UNDONE("a\\x0ab\\xc3\\xa9", "a\nb\xc3\xa9");
	UNDONE("\\x00\\xff", "\0\xff");
	UNDONE("\\x5cx41", "\\x41"); /* an escaped backslash begins no escape */
	UNDONE("\\\\x41", "\\A");
	UNDONE("\\xC3\\xg0\\x0g\\X41\\n", "\\xC3\\xg0\\x0g\\X41\\n");
	UNDONE("a\\x4", "a\\x4");
	expect_undone("\\x41", 3, "\\x4", 3); /* nothing behind the end is read */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamps_of_console_and_dmesg),
		cmocka_unit_test(test_journal_and_syslog),
		cmocka_unit_test(test_time_of_the_wall_grows),
		cmocka_unit_test(test_user_space_is_told_apart),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_heads_of_pstore_parts),
		cmocka_unit_test(test_what_is_the_kernels_stays),
		cmocka_unit_test(test_escapes_are_undone_once_and_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
