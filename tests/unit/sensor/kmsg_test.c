/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the kernel log: only the kernel's own, and every loss counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "sensor/kmsg.h"

static struct {
	size_t count;
	uint64_t last_sequence;
	char text[256];
} seen;

static void on_record(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	(void)context;
	(void)backlog;
	assert_int_equal(record->facility, 0);
	seen.count++;
	seen.last_sequence = record->sequence;
	size_t n = record->length < sizeof(seen.text) - 1 ? record->length : sizeof(seen.text) - 1;
	memcpy(seen.text, record->text, n);
	seen.text[n] = '\0';
}

static int parse(const char *text, struct rw_kmsg_record *record)
{
	static char line[512];
	size_t length = strlen(text);

	memcpy(line, text, length + 1);
	return rw_kmsg_parse(line, length, record);
}

static void test_record(void **state)
{
	struct rw_kmsg_record r;

	(void)state;
	assert_int_equal(parse("6,339,5140900,-,caller=T1;NET: Registered protocol\n"
			       " SUBSYSTEM=net\n",
			       &r),
			 0);
	assert_int_equal(r.priority, 6);
	assert_int_equal(r.facility, 0);
	assert_int_equal(r.sequence, 339);
	assert_int_equal(r.usec, 5140900);
	assert_int_equal(r.length, strlen("NET: Registered protocol"));
	assert_memory_equal(r.text, "NET: Registered protocol", r.length);

	assert_int_equal(parse("30,1,2,-;systemd[1]: BUG: kernel NULL pointer dereference", &r), 0);
	assert_int_equal(r.facility, 3);

	/* what the device escapes comes back, and a broken line in it stays one line */
	assert_int_equal(parse("4,1,2,-;a\\x0ab\\x5cc\\x7", &r), 0);
	assert_memory_equal(r.text, "a\nb\\c\\x7", r.length);

	static const char *const bad[] = {
		"",
		"6",
		"6,",
		"6,1,2",
		"6,1,2,-",
		"x,1,2,-;a",
		"6,x,2,-;a",
		"6,1,,-;a",
		"-6,1,2,-;a",
		"6,18446744073709551616,2,-;a",
		"6,18446744073709551615,2,-;a",
		"6 ,1,2,-;a",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &r), -EINVAL);
}

static size_t user_lines;

static void on_user_line(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	(void)context;
	(void)backlog;
	assert_int_equal(record->facility, 1);
	assert_memory_equal(record->text, "of a user", record->length);
	user_lines++;
}

static void test_what_user_space_writes_goes_to_who_asked_for_it(void **state)
{
	static const char text[] =
		"6,1,1,-;of the kernel\n14,2,2,-;of a user\n30,3,3,-;of systemd\n";
	char path[] = "/tmp/ringwatch-kmsg-XXXXXX";
	struct rw_kmsg *kmsg;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	for (int asked = 0; asked < 2; asked++) {
		memset(&seen, 0, sizeof(seen));
		user_lines = 0;
		assert_int_equal(rw_kmsg_open(path, UINT64_MAX, on_record, NULL, &kmsg), 0);
		if (asked == 1)
			rw_kmsg_set_user_fn(kmsg, on_user_line);
		assert_int_equal(rw_kmsg_read(kmsg), 0);
		assert_int_equal(seen.count, 1);
		assert_int_equal(user_lines, asked);
		rw_kmsg_close(kmsg);
	}
	close(fd);
	unlink(path);
}

/* ---- streams ---------------------------------------------------------------------- */

static char folder[64];
static char path[128];

static int set_up(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	snprintf(folder, sizeof(folder), "/tmp/ringwatch-kmsg-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/log", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void test_recording(void **state)
{
	static const char text[] = "6,10,1,-;one\n"
				   " DEVICE=x\n"
				   "6,11,2,-;two\n"
				   "30,12,3,-;user space\n"
				   "6,15,4,-;after a gap of two\n"
				   "rubbish\n"
				   "6,16,5,-;unfinished";
	struct rw_kmsg *kmsg;

	(void)state;
	assert_int_equal(rw_file_replace(path, text, sizeof(text) - 1, 0600), 0);
	assert_int_equal(rw_kmsg_open(path, UINT64_MAX, on_record, NULL, &kmsg), 0);
	assert_false(rw_kmsg_is_device(kmsg));
	assert_int_equal(rw_kmsg_descriptor(kmsg), -1);
	assert_int_equal(rw_kmsg_position(kmsg), UINT64_MAX);
	assert_int_equal(rw_kmsg_read(kmsg), 0);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.text, "after a gap of two");
	assert_int_equal(rw_kmsg_lost(kmsg), 3);
	assert_int_equal(rw_kmsg_position(kmsg), 15);

	/* a recording may grow */
	int fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(rw_file_write_all(fd, " now\n", 5), 0);
	close(fd);
	assert_int_equal(rw_kmsg_read(kmsg), 0);
	assert_string_equal(seen.text, "unfinished now");
	rw_kmsg_close(kmsg);
}

static void test_fifo_outlives_its_writers(void **state)
{
	struct rw_kmsg *kmsg;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(rw_kmsg_open(path, UINT64_MAX, on_record, NULL, &kmsg), 0);
	assert_true(rw_kmsg_descriptor(kmsg) >= 0);
	for (unsigned i = 1; i <= 3; i++) {
		char line[64];
		int fd = open(path, O_WRONLY | O_NONBLOCK);
		assert_true(fd >= 0);
		int n = snprintf(line, sizeof(line), "6,%u,1,-;line %u\n", i, i);
		assert_int_equal(rw_file_write_all(fd, line, (size_t)n), 0);
		close(fd);
		assert_int_equal(rw_kmsg_read(kmsg), 0);
		assert_int_equal(seen.count, i);
	}
	assert_int_equal(rw_kmsg_lost(kmsg), 0);
	rw_kmsg_close(kmsg);
}

static void test_overlong_line_is_lost_alone(void **state)
{
	static char text[3 * RW_KMSG_RECORD_BYTES];
	struct rw_kmsg *kmsg;
	int n = snprintf(text, sizeof(text), "6,1,1,-;");

	(void)state;
	memset(text + n, 'x', 2 * RW_KMSG_RECORD_BYTES);
	int m = snprintf(text + n + 2 * RW_KMSG_RECORD_BYTES, 64, "\n6,2,1,-;next\n");
	size_t length = (size_t)n + 2 * RW_KMSG_RECORD_BYTES + (size_t)m;
	assert_int_equal(rw_file_replace(path, text, length, 0600), 0);
	assert_int_equal(rw_kmsg_open(path, UINT64_MAX, on_record, NULL, &kmsg), 0);
	assert_int_equal(rw_kmsg_read(kmsg), 0);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.text, "next");
	assert_int_equal(rw_kmsg_lost(kmsg), 1);
	rw_kmsg_close(kmsg);
}

/* The machine's own device, where it may be read: a second life reads on where
 * the first one stopped. */
static void test_device_resumes(void **state)
{
	struct rw_kmsg *kmsg;

	(void)state;
	if (rw_kmsg_open("/dev/kmsg", UINT64_MAX, on_record, NULL, &kmsg) != 0)
		skip(); /* no right to read the kernel log */
	while (rw_kmsg_read(kmsg) == 1)
		;
	uint64_t position = rw_kmsg_position(kmsg);
	rw_kmsg_close(kmsg);
	if (position == UINT64_MAX || position < 2)
		skip(); /* an empty log */
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(rw_kmsg_open("/dev/kmsg", position - 1, on_record, NULL, &kmsg), 0);
	assert_true(rw_kmsg_is_device(kmsg));
	while (rw_kmsg_read(kmsg) == 1)
		;
	assert_int_equal(rw_kmsg_lost(kmsg), 0);
	assert_true(rw_kmsg_position(kmsg) >= position);
	assert_true(seen.count == 0 || seen.last_sequence >= position);
	rw_kmsg_close(kmsg);
}

static void test_missing(void **state)
{
	struct rw_kmsg *kmsg;

	(void)state;
	assert_int_equal(rw_kmsg_open(path, UINT64_MAX, on_record, NULL, &kmsg), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_what_user_space_writes_goes_to_who_asked_for_it),
		TEST(test_recording),
		TEST(test_fifo_outlives_its_writers),
		TEST(test_overlong_line_is_lost_alone),
		TEST(test_device_resumes),
		TEST(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
