/* SPDX-License-Identifier: Apache-2.0 */
/* What hardware and firmware remember. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "sensor/witness.h"

static char root[64];
static char log_path[128];

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ringwatch-witness-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(log_path, sizeof(log_path), "%s/kmsg", root);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void add_bytes(const char *name, const char *bytes, size_t length)
{
	char path[256];
	char parent[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	assert_int_equal(rw_file_make_folder(parent, 0755), 0);
	assert_int_equal(rw_file_replace(path, bytes, length, 0644), 0);
}

static void add(const char *name, const char *text)
{
	add_bytes(name, text, strlen(text));
}

static void test_nothing(void **state)
{
	struct rw_witness w;

	(void)state;
	rw_witness_hear(root, log_path, &w);
	assert_string_equal(w.watchdog, "");
	assert_string_equal(w.reset_reason, "");
	assert_int_equal(w.reset_status, 0);
	assert_false(w.bert);
}

static void test_watchdogs(void **state)
{
	struct rw_witness w;

	(void)state;
	add("sys/class/watchdog/watchdog0/bootstatus", "0\n");
	add("sys/class/watchdog/watchdog0/identity", "Software Watchdog\n");
	add("sys/class/watchdog/watchdog1/bootstatus", "1\n"); /* overheat: no reset */
	add("sys/class/watchdog/watchdog1/identity", "iTCO_wdt\n");
	rw_witness_hear(root, log_path, &w);
	assert_string_equal(w.watchdog, "");
	add("sys/class/watchdog/watchdog2/bootstatus", "33\n");
	rw_witness_hear(root, log_path, &w);
	assert_string_equal(w.watchdog, "watchdog: card reset");
	add("sys/class/watchdog/watchdog2/identity", "i6300ESB timer\n");
	rw_witness_hear(root, log_path, &w);
	assert_string_equal(w.watchdog, "i6300ESB timer: card reset");
}

static void test_reset_reasons(void **state)
{
	struct rw_witness w;

	(void)state;
	add("kmsg", "6,1,100,-;Linux version 6.18.0\n"
		    "6,2,200,-;x86/amd: Previous system reset reason [0x08000a00]: internal CPU "
		    "thermal limit was tripped\n"
		    "6,3,201,-;x86/amd: Previous system reset reason [0x08000a00]: an uncorrected "
		    "error caused a data fabric sync flood event\n"
		    /* whoever may write to the log is not the kernel */
		    "14,4,300,-;x86/amd: Previous system reset reason [0x02000800]: hardware "
		    "watchdog timer expired\n");
	rw_witness_hear(root, log_path, &w);
	assert_int_equal(w.reset_status, 0x08000a00);
	assert_string_equal(w.reset_reason, "[0x08000a00] internal CPU thermal limit was tripped; "
					    "an uncorrected error caused a data fabric sync flood "
					    "event");
}

static void test_meaning_of_the_bits(void **state)
{
	static const struct {
		uint64_t status;
		enum rw_boot_finish means;
	} rows[] = {
		/* values that were seen on real machines */
		{0x08000800, RW_FINISH_HARDWARE_ERROR}, /* sync flood */
		{0x08000a00, RW_FINISH_HARDWARE_ERROR},
		{0x02000800, RW_FINISH_WATCHDOG},
		{0x00080800, RW_FINISH_UNKNOWN}, /* software, 0xCF9: any restart */
		{0x00080a00, RW_FINISH_UNKNOWN}, /* the same beside a thermal bit that stays */
		{0x00200800, RW_FINISH_UNKNOWN}, /* ACPI power state */
		/* each bit */
		{1U << 0, RW_FINISH_HARDWARE_ERROR},
		{1U << 1, RW_FINISH_RESET_OR_POWER_LOSS},
		{1U << 2, RW_FINISH_RESET_OR_POWER_LOSS},
		{1U << 4, RW_FINISH_RESET_OR_POWER_LOSS},
		{1U << 9, RW_FINISH_HARDWARE_ERROR},
		{1U << 16, RW_FINISH_RESET_OR_POWER_LOSS},
		{1U << 17, RW_FINISH_UNKNOWN},
		{1U << 18, RW_FINISH_UNKNOWN},
		{1U << 20, RW_FINISH_UNKNOWN},
		{1U << 22, RW_FINISH_RESET_OR_POWER_LOSS},
		{1U << 23, RW_FINISH_UNKNOWN},
		{1U << 24, RW_FINISH_UNKNOWN},
		{1U << 25, RW_FINISH_WATCHDOG},
		{1U << 26, RW_FINISH_RESET_OR_POWER_LOSS},
		{1U << 29, RW_FINISH_UNKNOWN},
		{1U << 30, RW_FINISH_HARDWARE_ERROR},
		{1U << 31, RW_FINISH_HARDWARE_ERROR},
		{0, RW_FINISH_UNKNOWN},
		{0x00000800, RW_FINISH_UNKNOWN},
		{0xffffffff, RW_FINISH_UNKNOWN}, /* nobody answered */
		/* two kinds: one is of an earlier reset */
		{0x02080800, RW_FINISH_UNKNOWN},
		{0x08080800, RW_FINISH_UNKNOWN},
		{0x0a000800, RW_FINISH_UNKNOWN},
		/* one kind twice */
		{0x48000800, RW_FINISH_HARDWARE_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rw_witness_reset_means(rows[i].status) != rows[i].means)
			fail_msg("0x%08llx", (unsigned long long)rows[i].status);
	}
}

static void test_bert(void **state)
{
	static const char begin[] = "6,1,100,-;BERT: Error records from previous boot:\n"
				    "6,2,101,-;[Hardware Error]: event severity: recoverable\n";
	static const char fatal[] = "6,1,100,-;BERT: Error records from previous boot:\n"
				    "6,2,101,-;[Hardware Error]: event severity: fatal\n";
	char block[64] = {0};
	struct rw_witness w;

	(void)state;
	add("kmsg", begin);
	rw_witness_hear(root, log_path, &w);
	assert_false(w.bert);
	/* the table says how bad it was, though its mark is gone */
	block[16] = 2;
	add_bytes("sys/firmware/acpi/tables/data/BERT", block, sizeof(block));
	rw_witness_hear(root, log_path, &w);
	assert_false(w.bert);
	block[16] = 1;
	add_bytes("sys/firmware/acpi/tables/data/BERT", block, sizeof(block));
	rw_witness_hear(root, log_path, &w);
	assert_true(w.bert);
	/* the table alone may be of any boot */
	add("kmsg", "6,2,101,-;[Hardware Error]: event severity: fatal\n");
	rw_witness_hear(root, log_path, &w);
	assert_false(w.bert);
	add_bytes("sys/firmware/acpi/tables/data/BERT", block, 10);
	add("kmsg", fatal);
	rw_witness_hear(root, log_path, &w);
	assert_true(w.bert);
}

/* It would take the lines from the reader whom they are for. */
static void test_a_fifo_is_left_alone(void **state)
{
	struct rw_witness w;

	(void)state;
	assert_int_equal(mkfifo(log_path, 0600), 0);
	rw_witness_hear(root, log_path, &w);
	assert_string_equal(w.reset_reason, "");
}

int main(void)
{
#define one(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		one(test_nothing),       one(test_watchdogs),
		one(test_reset_reasons), cmocka_unit_test(test_meaning_of_the_bits),
		one(test_bert),          one(test_a_fifo_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
