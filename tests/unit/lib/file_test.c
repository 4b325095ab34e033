/* SPDX-License-Identifier: Apache-2.0 */
/* A file is replaced as a whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/rw-file-test-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static const char *in_folder(const char *name)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void expect_content(const char *path, const char *wanted)
{
	char *bytes = NULL;
	size_t length = 0;

	assert_int_equal(rw_file_read(path, 1024, &bytes, &length), 0);
	assert_int_equal(length, strlen(wanted));
	assert_string_equal(bytes, wanted);
	free(bytes);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void replaces_and_reads_back(void **state)
{
	(void)state;
	const char *path = in_folder("a");

	assert_int_equal(rw_file_replace(path, "one", 3, 0600), 0);
	expect_content(path, "one");
	assert_int_equal(rw_file_replace(path, "", 0, 0600), 0);
	expect_content(path, "");
	assert_int_equal(access(in_folder("a.new"), F_OK), -1);
}

static void what_a_crash_left_does_not_open_a_secret(void **state)
{
	(void)state;
	int fd = open(in_folder("key.new"), O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(rw_file_write_all(fd, "half a ke", 9), 0);
	close(fd);
	assert_int_equal(rw_file_replace(in_folder("key"), "k", 1, 0600), 0);
	expect_content(in_folder("key"), "k");
	assert_int_equal(mode_of(in_folder("key")), 0600);
}

static void an_error_keeps_the_old_content(void **state)
{
	(void)state;
	assert_int_equal(rw_file_replace(in_folder("kept"), "old", 3, 0600), 0);
	assert_int_equal(mkdir(in_folder("kept.new"), 0700), 0);
	assert_true(rw_file_replace(in_folder("kept"), "new", 3, 0600) < 0);
	expect_content(in_folder("kept"), "old");

	/* A link in the temporary file's place is not followed. */
	assert_int_equal(rw_file_replace(in_folder("victim"), "safe", 4, 0600), 0);
	char target[192];
	snprintf(target, sizeof(target), "%s", in_folder("victim"));
	assert_int_equal(symlink(target, in_folder("linked.new")), 0);
	assert_int_equal(rw_file_replace(in_folder("linked"), "x", 1, 0600), -ELOOP);
	expect_content(target, "safe");
}

static void names_the_reason(void **state)
{
	(void)state;
	char *bytes = NULL;

	assert_int_equal(rw_file_read(in_folder("none"), 10, &bytes, NULL), -ENOENT);
	assert_null(bytes);
	assert_int_equal(rw_file_replace(in_folder("no/such"), "x", 1, 0600), -ENOENT);
	assert_int_equal(rw_file_read(folder, 10, &bytes, NULL), -EISDIR);
	assert_null(bytes);
}

static void reads_no_more_than_allowed(void **state)
{
	(void)state;
	static char large[10000];
	char *bytes = NULL;
	size_t length = 0;

	memset(large, 'x', sizeof(large));
	assert_int_equal(rw_file_replace(in_folder("large"), large, sizeof(large), 0600), 0);
	assert_int_equal(rw_file_read(in_folder("large"), sizeof(large) - 1, &bytes, &length),
			 -EFBIG);
	assert_null(bytes);
	assert_int_equal(rw_file_read(in_folder("large"), 0, &bytes, &length), -EFBIG);
	assert_int_equal(rw_file_read(in_folder("large"), sizeof(large), &bytes, &length), 0);
	assert_int_equal(length, sizeof(large));
	assert_int_equal(bytes[length], '\0');
	free(bytes);
}

static void reads_files_without_a_size(void **state)
{
	(void)state;
	char *bytes = NULL;
	size_t length = 0;

	assert_int_equal(rw_file_read("/proc/self/status", 65536, &bytes, &length), 0);
	assert_true(length > 100);
	free(bytes);
}

static void makes_all_folders_on_the_way(void **state)
{
	(void)state;
	assert_int_equal(rw_file_make_folder(in_folder("x/y/z"), 0700), 0);
	assert_int_equal(mode_of(in_folder("x/y/z")), 0700);
	assert_int_equal(rw_file_make_folder(in_folder("x/y/z/"), 0755), 0);
	assert_int_equal(mode_of(in_folder("x/y/z")), 0700);

	assert_int_equal(rw_file_replace(in_folder("file"), "x", 1, 0600), 0);
	assert_int_equal(rw_file_make_folder(in_folder("file"), 0700), -ENOTDIR);
	assert_int_equal(rw_file_make_folder(in_folder("file/below"), 0700), -ENOTDIR);
	assert_int_equal(rw_file_make_folder("", 0700), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces_and_reads_back),
		cmocka_unit_test(what_a_crash_left_does_not_open_a_secret),
		cmocka_unit_test(an_error_keeps_the_old_content),
		cmocka_unit_test(names_the_reason),
		cmocka_unit_test(reads_no_more_than_allowed),
		cmocka_unit_test(reads_files_without_a_size),
		cmocka_unit_test(makes_all_folders_on_the_way),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
