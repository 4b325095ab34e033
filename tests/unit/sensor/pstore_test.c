/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are believed, and that a dump is known again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "sensor/pstore.h"

static const char store[] = "sys/fs/pstore";
static const char moved[] = "var/lib/systemd/pstore";
static const char panic_text[] = "Panic#1 Part1\n<0>[    9.000000] Kernel panic - not syncing: x\n";

static char root[64];
static struct rw_dumps dumps;

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ringwatch-pstore-XXXXXX");
	dumps = (struct rw_dumps){0};
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	rw_dumps_release(&dumps);
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static const char *path_of(const char *folder, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	return path;
}

static void add_bytes(const char *folder, const char *name, const char *bytes, size_t length)
{
	char parent[256];

	snprintf(parent, sizeof(parent), "%s/%s", root, folder);
	assert_int_equal(rw_file_make_folder(parent, 0755), 0);
	assert_int_equal(rw_file_replace(path_of(folder, name), bytes, length, 0644), 0);
}

static void add(const char *folder, const char *name, const char *text)
{
	add_bytes(folder, name, text, strlen(text));
}

static void read_store(void)
{
	rw_dumps_release(&dumps);
	rw_pstore_read(root, &dumps);
}

static void test_nothing_is_there(void **state)
{
	(void)state;
	read_store();
	assert_int_equal(dumps.count, 0);
	assert_int_equal(dumps.ignored, 0);
	assert_false(dumps.store_read);
}

static void test_all_places(void **state)
{
	(void)state;
	add(store, "dmesg-erst-7711251185943969793", panic_text);
	add(moved, "dmesg-ramoops-0", "Panic#1 Part1\n<0>[    9.000000] b\n");
	add("var/lib/systemd/pstore/7711251185943969999", "dmesg-erst-7711251885943969999",
	    "Panic#1 Part1\n<0>[    9.000000] c\n");
	add("var/lib/systemd/pstore/1795415673/001", "dmesg-efi-179541567301001",
	    "Panic#1 Part1\n<0>[    9.000000] d\n");
	add("var/lib/systemd/pstore/1795415673/001", "dmesg.txt",
	    "Panic#1 Part1\n<0>[    9.000000] d\n");
	add("var/crash/127.0.0.1-2026-11-23-06:06:02", "vmcore-dmesg.txt", "[    9.000000] e\n");
	add("var/crash/202611230606", "dmesg.202611230606", "[    9.000000] f\n");
	/* a core is no foreign file, it is only not ours */
	add("var/crash/202611230606", "dump.202611230606", "core");
	read_store();
	assert_int_equal(dumps.count, 6);
	assert_int_equal(dumps.ignored, 0);
	assert_true(dumps.store_read);
	assert_int_equal(dumps.in_store, 1);
}

static void test_what_is_not_believed(void **state)
{
	(void)state;
	/* the same content under a name that others may have put there */
	add(store, "dmesg-erst-1", panic_text);
	assert_int_equal(symlink(path_of(store, "dmesg-erst-1"), path_of(moved, "x")), -1);
	add(moved, "real", "x");
	assert_int_equal(unlink(path_of(moved, "real")), 0);
	assert_int_equal(symlink("/etc/passwd", path_of(moved, "dmesg-erst-2")), 0);
	assert_int_equal(mkfifo(path_of(moved, "dmesg-erst-3"), 0644), 0);
	add(moved, "dmesg-erst-4", panic_text);
	assert_int_equal(chmod(path_of(moved, "dmesg-erst-4"), 0666), 0);
	add(moved, "dmesg-erst-5", "Panic#2 Part1\n<0>[    9.000000] x\n");
	assert_int_equal(mkdir(path_of("var", "crash"), 0777), 0);
	assert_int_equal(symlink("/etc", path_of("var/crash", "link")), 0);
	read_store();
	assert_int_equal(dumps.count, 2);
	assert_int_equal(dumps.ignored, 4);

	/* in a folder that everybody may write to */
	add("var/crash/open", "dmesg.1", "[    9.000000] Kernel panic - not syncing: me\n");
	assert_int_equal(chmod(path_of("var/crash", "open"), 0777), 0);
	read_store();
	assert_int_equal(dumps.count, 2);
	assert_int_equal(dumps.ignored, 5);

	/* with a second name elsewhere */
	assert_int_equal(link(path_of(moved, "dmesg-erst-5"), path_of("var", "other")), -1);
	char other[256];
	snprintf(other, sizeof(other), "%s/other", root);
	assert_int_equal(link(path_of(moved, "dmesg-erst-5"), other), 0);
	read_store();
	assert_int_equal(dumps.count, 1);
	assert_int_equal(dumps.ignored, 6);
}

/* Anybody may make folders in /var/crash of some systems. */
static void test_of_another_user(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	add("var/crash/mine", "dmesg.1", "[    9.000000] Kernel panic - not syncing: me\n");
	add("var/crash/root", "dmesg.1", "[    9.000000] Kernel panic - not syncing: root\n");
	assert_int_equal(chmod(path_of("var", "crash"), 01777), 0);
	assert_int_equal(chown(path_of("var/crash", "mine"), 1234, 1234), 0);
	read_store();
	assert_int_equal(dumps.count, 1);
	assert_non_null(strstr(dumps.dumps[0].text, "root"));
	assert_int_equal(dumps.ignored, 1);
	assert_int_equal(chown(path_of("var/crash/root", "dmesg.1"), 1234, 1234), 0);
	read_store();
	assert_int_equal(dumps.count, 0);
}

static void test_too_large(void **state)
{
	size_t length = RW_PSTORE_FILE_BYTES_MAX + 100000;
	char *text = malloc(length + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', length);
	memcpy(text, "Panic#1 Part1\n", 14);
	memcpy(text + length - 15, "\n[    9.000000]\n", 15);
	/* no kernel writes such a record; of a log the end is what matters */
	add_bytes(store, "dmesg-erst-1", text, length);
	add_bytes("var/crash/1", "vmcore-dmesg.txt", text, length);
	free(text);
	read_store();
	assert_int_equal(dumps.count, 1);
	assert_int_equal(dumps.ignored, 1);
	assert_string_equal(dumps.dumps[0].source, "kdump");
	assert_int_equal(dumps.dumps[0].last_usec, 9000000);
	assert_false(dumps.dumps[0].complete);
}

static void test_too_many(void **state)
{
	char name[64];

	(void)state;
	for (unsigned int i = 0; i < RW_PSTORE_FILES_MAX + 10; i++) {
		snprintf(name, sizeof(name), "other-%u", i);
		add(store, name, "x");
	}
	add(store, "dmesg-erst-1", panic_text);
	struct timespec later[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 4000000000}};
	assert_int_equal(utimensat(AT_FDCWD, path_of(store, "dmesg-erst-1"), later, 0), 0);
	read_store();
	assert_int_equal(dumps.count, 1);
	assert_int_equal(dumps.ignored, RW_PSTORE_FILES_MAX + 10);
}

static void test_backend(void **state)
{
	static const char folder[] = "sys/module/pstore/parameters";
	char name[32];

	(void)state;
	rw_pstore_backend(root, name, sizeof(name));
	assert_string_equal(name, "");
	add(folder, "backend", "(null)\n");
	rw_pstore_backend(root, name, sizeof(name));
	assert_string_equal(name, "");
	add(folder, "backend", "efi_pstore\n");
	rw_pstore_backend(root, name, sizeof(name));
	assert_string_equal(name, "efi_pstore");
	rw_pstore_backend(root, name, 5);
	assert_string_equal(name, "");
}

/* ---- the archive -------------------------------------------------------------------- */

static unsigned int count_files(const char *folder)
{
	char path[256];
	unsigned int count = 0;
	const struct dirent *entry;

	snprintf(path, sizeof(path), "%s/%s", root, folder);
	DIR *dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	return count;
}

static void test_a_dump_is_known_by_its_content(void **state)
{
	char *text;
	char *path;

	(void)state;
	add(store, "dmesg-erst-7711251185943969793", panic_text);
	read_store();
	assert_false(rw_pstore_is_known(root, &dumps.dumps[0]));
	assert_int_equal(rw_pstore_archive(root, &dumps.dumps[0]), 0);
	assert_true(rw_pstore_is_known(root, &dumps.dumps[0]));
	assert_int_equal(rw_pstore_archive(root, &dumps.dumps[0]), 0);
	assert_int_equal(count_files("archive"), 1);

	/* wherever it lies, and whatever else there is */
	assert_int_equal(unlink(path_of(store, "dmesg-erst-7711251185943969793")), 0);
	add("var/lib/systemd/pstore/7", "dmesg-erst-7711251185943969793", panic_text);
	read_store();
	assert_true(rw_pstore_is_known(root, &dumps.dumps[0]));
	add("var/lib/systemd/pstore/7", "dmesg-erst-7711251185943969793",
	    "Panic#1 Part1\n<0>[    9.000001] Kernel panic - not syncing: x\n");
	read_store();
	assert_false(rw_pstore_is_known(root, &dumps.dumps[0]));

	/* and it can be read */
	char command[256];
	snprintf(command, sizeof(command), "cat %s/archive/panic-1-*.txt >%s/all", root, root);
	assert_int_equal(system(command), 0);
	assert_int_equal(asprintf(&path, "%s/all", root) > 0, 1);
	assert_int_equal(rw_file_read(path, 4096, &text, NULL), 0);
	assert_string_equal(text, strchr(panic_text, '\n') + 1);
	free(text);
	free(path);
}

static void test_a_cut_file_in_the_archive_is_written_anew(void **state)
{
	char command[256];

	(void)state;
	add(store, "dmesg-erst-1", panic_text);
	read_store();
	assert_int_equal(rw_pstore_archive(root, &dumps.dumps[0]), 0);
	snprintf(command, sizeof(command), "for f in %s/archive/*; do : >$f; done", root);
	assert_int_equal(system(command), 0);
	assert_false(rw_pstore_is_known(root, &dumps.dumps[0]));
	assert_int_equal(rw_pstore_archive(root, &dumps.dumps[0]), 0);
	assert_true(rw_pstore_is_known(root, &dumps.dumps[0]));
}

static void test_the_archive_is_bounded(void **state)
{
	enum { BYTES = 400 * 1024 };
	static char text[BYTES + 1];
	struct rw_dump dump = {.reason = RW_DUMP_PANIC, .length = BYTES, .text = text};
	unsigned int most = RW_PSTORE_ARCHIVE_BYTES_MAX / BYTES;
	char command[256];

	(void)state;
	memset(text, 'x', BYTES);
	for (unsigned int i = 0; i < most + 3; i++) {
		snprintf(text, 32, "dump %u", i);
		assert_int_equal(rw_pstore_archive(root, &dump), 0);
		/* the first is seen again and again, so it stays */
		snprintf(command, sizeof(command),
			 "touch -d '-1 hour' %s/archive/* 2>/dev/null || true", root);
		assert_int_equal(system(command), 0);
		snprintf(text, 32, "dump %u", 0);
		assert_int_equal(rw_pstore_archive(root, &dump), 0);
	}
	assert_int_equal(count_files("archive"), most);
	assert_true(rw_pstore_is_known(root, &dump));
	snprintf(text, 32, "dump %u", most + 2);
	assert_true(rw_pstore_is_known(root, &dump));
}

static void test_an_archive_that_cannot_be_written(void **state)
{
	(void)state;
	add(store, "dmesg-erst-1", panic_text);
	add("", "archive", "a file stands there");
	read_store();
	assert_int_equal(rw_pstore_archive(root, &dumps.dumps[0]), -ENOTDIR);
	assert_false(rw_pstore_is_known(root, &dumps.dumps[0]));
}

static void test_removing(void **state)
{
	(void)state;
	add(store, "dmesg-erst-1", panic_text);
	add(moved, "dmesg-erst-1", panic_text);
	add(store, "dmesg-erst-2", "Panic#1 Part2\n<0>[    8.000000] y\n");
	add(store, "dmesg-ramoops-0", "Oops#1 Part1\n<0>[    8.000000] y\n");
	add("var/crash/1", "vmcore-dmesg.txt", "[    9.000000] e\n");
	read_store();
	assert_int_equal(dumps.count, 3);
	for (uint32_t i = 0; i < dumps.count; i++) {
		if (dumps.dumps[i].reason == RW_DUMP_PANIC)
			assert_int_equal(rw_pstore_remove(&dumps.dumps[i]), 0);
	}
	/* what was not asked for stays, and a crash kernel's log is an operator's */
	assert_int_equal(count_files(store), 1);
	assert_int_equal(count_files(moved), 0);
	assert_int_equal(count_files("var/crash/1"), 1);
}

int main(void)
{
#define one(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		one(test_nothing_is_there),
		one(test_all_places),
		one(test_what_is_not_believed),
		one(test_of_another_user),
		one(test_too_large),
		one(test_too_many),
		one(test_backend),
		one(test_a_dump_is_known_by_its_content),
		one(test_a_cut_file_in_the_archive_is_written_anew),
		one(test_the_archive_is_bounded),
		one(test_an_archive_that_cannot_be_written),
		one(test_removing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
