/* SPDX-License-Identifier: Apache-2.0 */
/* How a boot ended, from what its sensor could still write down. */
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
#include "sensor/boot.h"
#include "sensor/shutdown.h"

static const char boot_a[] = "aaaaaaaa-0000-4000-8000-000000000001";
static const char boot_b[] = "bbbbbbbb-0000-4000-8000-000000000002";

static struct rw_boot_state state_of(const char *boot_id, enum rw_boot_armed armed)
{
	struct rw_boot_state s = {
		.boot_order = 41,
		.alive_boot_ms = 65000,
		.alive_wall_ms = 1700000000000,
		.armed = armed,
		.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE,
		.log_sequence = 99,
		.release = "6.1.0-56-cloud-amd64",
		.pstore_backend = "erst",
		.sees_restarts = true,
		.reset_status = 0x02000800,
	};

	memcpy(s.boot_id, boot_id, sizeof(s.boot_id));
	return s;
}

static void test_first_boot(void **state)
{
	struct rw_boot_state fresh;

	(void)state;
	rw_boot_begin(NULL, boot_a, 5000, 1700000000123, &fresh);
	assert_string_equal(fresh.boot_id, boot_a);
	assert_int_equal(fresh.boot_order, 1700000000);
	assert_string_equal(fresh.previous_boot_id, "");
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_NONE);
	assert_int_equal(fresh.log_sequence, UINT64_MAX);
	/* a clock that was never set still gives an order */
	rw_boot_begin(NULL, boot_a, 5000, 10, &fresh);
	assert_int_equal(fresh.boot_order, 1);
}

static void test_another_boot(void **state)
{
	struct rw_boot_state old = state_of(boot_a, RW_ARMED_REBOOT);
	struct rw_boot_state fresh;

	(void)state;
	snprintf(old.last_words, sizeof(old.last_words), "panic: x");
	rw_boot_begin(&old, boot_b, 3000, 1700000100000, &fresh);
	assert_string_equal(fresh.boot_id, boot_b);
	assert_string_equal(fresh.previous_boot_id, boot_a);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN);
	assert_int_equal(fresh.boot_order, 42);
	assert_int_equal(fresh.alive_boot_ms, 3000);
	/* nothing of the old boot's is this one's */
	assert_int_equal(fresh.armed, RW_ARMED_NONE);
	assert_int_equal(fresh.log_sequence, UINT64_MAX);
	assert_int_equal(fresh.reset_status, 0);
	assert_false(fresh.sees_restarts);
	assert_string_equal(fresh.pstore_backend, "");
	assert_string_equal(fresh.last_words, "");
}

static void test_same_boot_again(void **state)
{
	struct rw_boot_state old = state_of(boot_b, RW_ARMED_STOPPED);
	struct rw_boot_state fresh;

	(void)state;
	memcpy(old.previous_boot_id, boot_a, sizeof(boot_a));
	old.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED;
	rw_boot_begin(&old, boot_b, 70000, 1700000100000, &fresh);
	assert_int_equal(fresh.boot_order, 41);
	assert_int_equal(fresh.armed, RW_ARMED_NONE);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED);
	assert_string_equal(fresh.previous_boot_id, boot_a);
	assert_int_equal(fresh.log_sequence, 99);
	assert_int_equal(fresh.reset_status, 0x02000800);
}

static void test_text_both_ways(void **state)
{
	struct rw_boot_state s = state_of(boot_a, RW_ARMED_KEXEC);
	struct rw_boot_state back;
	char text[2048];
	const char *what;

	(void)state;
	memcpy(s.previous_boot_id, boot_b, sizeof(boot_b));
	s.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN;
	snprintf(s.last_words, sizeof(s.last_words), "forced restart by a\nb=c");
	long length = rw_boot_format(&s, text, sizeof(text));
	assert_true(length > 0);
	assert_int_equal(rw_boot_parse(text, &back, &what), 0);
	assert_string_equal(back.boot_id, s.boot_id);
	assert_string_equal(back.release, "6.1.0-56-cloud-amd64");
	assert_int_equal(back.armed, RW_ARMED_KEXEC);
	assert_int_equal(back.log_sequence, 99);
	assert_string_equal(back.pstore_backend, "erst");
	assert_true(back.sees_restarts);
	assert_int_equal(back.reset_status, 0x02000800);
	assert_string_equal(back.last_words, "forced restart by a\\x0ab=c");

	/* cut short anywhere, or with a line too many, it is not believed */
	for (long cut = 0; cut < length; cut++) {
		char *copy = test_malloc((size_t)cut + 1);
		memcpy(copy, text, (size_t)cut);
		copy[cut] = '\0';
		assert_int_equal(rw_boot_parse(copy, &back, &what), -EINVAL);
		test_free(copy);
	}
	strncat(text, "more=1\n", sizeof(text) - strlen(text) - 1);
	assert_int_equal(rw_boot_parse(text, &back, &what), -EINVAL);
}

static void test_text_of_what_is_not_there(void **state)
{
	struct rw_boot_state s = {.boot_order = 1,
				  .log_sequence = UINT64_MAX,
				  .previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE};
	struct rw_boot_state back;
	char text[2048];
	const char *what;

	(void)state;
	memcpy(s.boot_id, boot_a, sizeof(s.boot_id));
	assert_true(rw_boot_format(&s, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "log_sequence=none\n"));
	assert_non_null(strstr(text, "reset_status=none\n"));
	assert_int_equal(rw_boot_parse(text, &back, &what), 0);
	assert_int_equal(back.log_sequence, UINT64_MAX);
	assert_int_equal(back.reset_status, 0);
	assert_string_equal(back.release, "");
	assert_string_equal(back.pstore_backend, "");
}

static void test_the_longest_state_fits(void **state)
{
	struct rw_boot_state s = state_of(boot_a, RW_ARMED_POWER_OFF);
	struct rw_boot_state back;
	char text[2048];
	const char *what;

	(void)state;
	s.boot_order = s.alive_boot_ms = s.alive_wall_ms = s.reset_status = UINT64_MAX;
	memset(s.release, 'r', sizeof(s.release) - 1);
	memset(s.pstore_backend, 'p', sizeof(s.pstore_backend) - 1);
	memset(s.last_words, '\n', sizeof(s.last_words) - 1);
	assert_true(rw_boot_format(&s, text, sizeof(text)) > 0);
	assert_int_equal(rw_boot_parse(text, &back, &what), 0);
	assert_string_equal(back.release, s.release);
}

/* ---- files --------------------------------------------------------------------- */

static char folder[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ringwatch-boot-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"boot.state", "boot.state.damaged", "announced"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static void test_file(void **state)
{
	struct rw_boot_state s = state_of(boot_a, RW_ARMED_NONE);
	struct rw_boot_state back;
	char error[RW_BOOT_ERROR_BYTES];
	char path[128];

	(void)state;
	assert_int_equal(rw_boot_load(folder, &back, error), -ENOENT);
	assert_int_equal(rw_boot_save(folder, &s), 0);
	assert_int_equal(rw_boot_load(folder, &back, error), 0);
	assert_string_equal(back.boot_id, boot_a);

	snprintf(path, sizeof(path), "%s/boot.state", folder);
	assert_int_equal(rw_file_replace(path, "schema=1\n", 9, 0600), 0);
	assert_int_equal(rw_boot_load(folder, &back, error), -EINVAL);
	assert_non_null(strstr(error, "schema"));
	/* set aside: the next start is not troubled again */
	assert_int_equal(rw_boot_load(folder, &back, error), -ENOENT);
}

/* A file below the test's folder, with the folders above it. */
static void write_below(const char *name, const char *text)
{
	char path[256];
	char parent[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	assert_int_equal(rw_file_make_folder(parent, 0700), 0);
	assert_int_equal(rw_file_replace(path, text, strlen(text), 0600), 0);
}

static void test_what_a_panic_would_leave(void **state)
{
	struct rw_boot_state s = state_of(boot_a, RW_ARMED_NONE);
	char command[256];
	char id[RW_BOOT_ID_LENGTH + 1];

	(void)state;
	/* nothing registered */
	assert_true(rw_boot_look(folder, &s));
	assert_string_equal(s.pstore_backend, "");
	assert_false(rw_boot_look(folder, &s));
	write_below("sys/module/pstore/parameters/backend", "(null)\n");
	assert_false(rw_boot_look(folder, &s));
	/* a module came */
	write_below("sys/module/pstore/parameters/backend", "efi_pstore\n");
	write_below("sys/kernel/kexec_crash_loaded", "0\n");
	assert_true(rw_boot_look(folder, &s));
	assert_string_equal(s.pstore_backend, "efi_pstore");
	/* a crash kernel is started before a record is written */
	write_below("sys/kernel/kexec_crash_loaded", "1\n");
	assert_true(rw_boot_look(folder, &s));
	assert_string_equal(s.pstore_backend, "");

	write_below("proc/sys/kernel/random/boot_id", boot_b);
	assert_int_equal(rw_boot_id_below(folder, id), 0);
	assert_string_equal(id, boot_b);
	write_below("proc/sys/kernel/random/boot_id", "none\n");
	assert_int_equal(rw_boot_id_below(folder, id), -EINVAL);
	snprintf(command, sizeof(command), "rm -r %s/sys %s/proc", folder, folder);
	assert_int_equal(system(command), 0);
}

static void test_announcement(void **state)
{
	struct rw_announcement a = {RW_ARMED_REBOOT, 120};
	struct rw_announcement back = {0};
	struct stat info;
	char path[256];

	(void)state;
	assert_false(rw_announcement_read(folder, boot_a, 5000, &back));
	assert_int_equal(rw_announcement_write(folder, &a, boot_a, 5000), 0);
	/* root announces, and the sensor may be another user by then */
	snprintf(path, sizeof(path), "%s/announced", folder);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0644);
	assert_true(rw_announcement_read(folder, boot_a, 6000, &back));
	assert_int_equal(back.armed, RW_ARMED_REBOOT);
	assert_int_equal(back.back_in_s, 120);
	assert_true(rw_announcement_read(folder, boot_a, 5000 + RW_BOOT_ANNOUNCED_FOR_MS, &back));
	/* too old, of another boot, from the future */
	assert_false(rw_announcement_read(folder, boot_a, 5001 + RW_BOOT_ANNOUNCED_FOR_MS, &back));
	assert_false(rw_announcement_read(folder, boot_b, 6000, &back));
	assert_false(rw_announcement_read(folder, boot_a, 4999, &back));
	rw_announcement_remove(folder);
	assert_false(rw_announcement_read(folder, boot_a, 6000, &back));

	enum rw_boot_armed armed;
	assert_int_equal(rw_announcement_parse("power-off", &armed), 0);
	assert_int_equal(armed, RW_ARMED_POWER_OFF);
	assert_int_equal(rw_announcement_parse("none", &armed), -EINVAL);
}

static void test_jobs_of_systemd(void **state)
{
	(void)state;
	assert_int_equal(rw_shutdown_from_jobs(" 512 reboot.target start waiting\n"
					       " 513 shutdown.target start waiting\n"),
			 RW_ARMED_REBOOT);
	assert_int_equal(rw_shutdown_from_jobs(" 1 poweroff.target start waiting\n"),
			 RW_ARMED_POWER_OFF);
	assert_int_equal(rw_shutdown_from_jobs(" 1 halt.target start waiting\n"),
			 RW_ARMED_POWER_OFF);
	assert_int_equal(rw_shutdown_from_jobs(" 1 kexec.target start waiting\n"), RW_ARMED_KEXEC);
	assert_int_equal(rw_shutdown_from_jobs(" 1 soft-reboot.target start waiting\n"),
			 RW_ARMED_STOPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_boot),
		cmocka_unit_test(test_another_boot),
		cmocka_unit_test(test_same_boot_again),
		cmocka_unit_test(test_text_both_ways),
		cmocka_unit_test(test_text_of_what_is_not_there),
		cmocka_unit_test(test_the_longest_state_fits),
		cmocka_unit_test_setup_teardown(test_what_a_panic_would_leave, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_announcement, set_up, tear_down),
		cmocka_unit_test(test_jobs_of_systemd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
