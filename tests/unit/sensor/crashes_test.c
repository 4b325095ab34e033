/* SPDX-License-Identifier: Apache-2.0 */
/* Which boot a dump is of, and the events in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/excerpt.h"
#include "lib/file.h"
#include "sensor/crashes.h"

static const char boot_a[] = "aaaaaaaa-0000-4000-8000-000000000001";

/* A boot that began at 1000000 s and was last seen alive 500 s later. */
static struct rw_boot_state boot_of(void)
{
	struct rw_boot_state s = {
		.boot_order = 41, .alive_boot_ms = 500000, .alive_wall_ms = 1000500000};

	memcpy(s.boot_id, boot_a, sizeof(s.boot_id));
	return s;
}

static void test_which_boot(void **state)
{
	enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };
	static const struct {
		const char *what;
		enum rw_dump_place place;
		uint64_t written_ms;
		uint64_t ran_ms; /* UINT64_MAX: its lines carry no time */
		bool is_of;
	} rows[] = {
		{"at its end", RW_DUMP_IN_STORE, 1000503000, 503000, true},
		{"in the midst of it (an oops)", RW_DUMP_IN_STORE, 1000200000, 200000, true},
		{"in the midst, lines without a time", RW_DUMP_IN_STORE, 1000200000, UINT64_MAX,
		 true},
		{"in the midst, of a suspended machine", RW_DUMP_IN_STORE, 1000503000, 1000, true},
		{"the boot before it", RW_DUMP_IN_STORE, 999000000, 7200000, false},
		{"the boot before it, which was short", RW_DUMP_IN_STORE, 999900000, 20000, false},
		{"a later boot that no sensor saw", RW_DUMP_IN_STORE, 1002000000, 900000, false},
		{"a later boot, lines without a time", RW_DUMP_IN_STORE, 1002000000, UINT64_MAX,
		 false},
		{"it lived long after the sensor was stopped", RW_DUMP_IN_STORE,
		 1000000000 + 90 * HOUR, 90 * HOUR, true},
		{"the same with a clock that drifts", RW_DUMP_IN_STORE, 1000000000 + 90 * HOUR,
		 90 * HOUR + 100000, true},
		{"by an hour is no drift", RW_DUMP_IN_STORE, 1000000000 + 90 * HOUR, 89 * HOUR,
		 false},
		{"its clock was never set", RW_DUMP_IN_STORE, 20000, 10000, false},
		{"a clock that cannot be", RW_DUMP_IN_STORE, 20000, 30000, false},
		/* of erst records that were moved: the boot's first record */
		{"moved, begun in this boot", RW_DUMP_IN_SYSTEMD, 1000100000, 502000, true},
		{"moved, no time, after the last sign of life", RW_DUMP_IN_SYSTEMD, 0, 501000,
		 true},
		{"moved, no time, a machine was seen alive after it", RW_DUMP_IN_SYSTEMD, 0, 400000,
		 false},
		{"moved, no time at all", RW_DUMP_IN_SYSTEMD, 0, UINT64_MAX, false},
		/* a crash kernel takes its time */
		{"kdump at once", RW_DUMP_IN_CRASH, 1000510000, 502000, true},
		{"kdump an hour later", RW_DUMP_IN_CRASH, 1000502000 + HOUR, 502000, true},
		{"kdump a day later", RW_DUMP_IN_CRASH, 1000502000 + 24 * HOUR, 502000, false},
		{"kdump before it", RW_DUMP_IN_CRASH, 999800000, 502000, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_boot_state boot = boot_of();
		struct rw_dump dump = {
			.place = rows[i].place,
			.reason = RW_DUMP_PANIC,
			.written_wall_ms = rows[i].written_ms,
			.last_usec =
				rows[i].ran_ms == UINT64_MAX ? UINT64_MAX : rows[i].ran_ms * 1000,
		};
		if (rw_crashes_are_of(&dump, &boot) != rows[i].is_of)
			fail_msg("%s", rows[i].what);
	}
}

/* ---- events ------------------------------------------------------------------------ */

static struct rw_dumps dumps;
static struct rw_crashes crashes;

static int tear_down(void **state)
{
	(void)state;
	rw_dumps_release(&dumps);
	return 0;
}

static void read_store(const char *store)
{
	static struct rw_dump_file files[32];
	static char paths[32][RW_PSTORE_PATH_BYTES];
	struct dirent **names;
	char folder[RW_PSTORE_PATH_BYTES];
	size_t used = 0;

	snprintf(folder, sizeof(folder), "tests/data/pstore/%s", store);
	int count = scandir(folder, &names, NULL, alphasort);
	assert_true(count > 2 && count < 32);
	for (int i = 0; i < count; i++) {
		struct rw_dump_file *f = &files[used];
		char *bytes;
		if (names[i]->d_name[0] != '.') {
			snprintf(paths[used], sizeof(paths[0]), "%.100s/%.100s", folder,
				 names[i]->d_name);
			*f = (struct rw_dump_file){
				.path = paths[used++],
				.place = RW_DUMP_IN_STORE,
				.mtime_ms = 1000502000,
			};
			assert_int_equal(
				rw_file_read(f->path, RW_PSTORE_FILE_BYTES_MAX, &bytes, &f->length),
				0);
			f->bytes = bytes;
		}
		free(names[i]);
	}
	free(names);
	rw_dump_assemble(files, used, &dumps);
	for (size_t i = 0; i < used; i++)
		free((char *)(uintptr_t)files[i].bytes);
	assert_int_equal(dumps.count, 2);
	assert_int_equal(dumps.dumps[0].reason, RW_DUMP_PANIC);
}

static struct rw_dump dump_of(enum rw_dump_reason reason, const char *text)
{
	struct rw_dump dump = {
		.place = RW_DUMP_IN_STORE,
		.reason = reason,
		.length = strlen(text),
		.text = (char *)(uintptr_t)text,
		.last_usec = 500000000,
	};

	return dump;
}

/* Four ways into a store, the same crash, the signature that it has when seen live. */
static void test_signatures_are_those_of_a_live_crash(void **state)
{
	static const char *const stores[] = {"6.1-erst", "6.1-efi", "6.1-ramoops", "6.1-encz"};

	(void)state;
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		read_store(stores[i]);
		/* the boot died in its tenth second */
		struct rw_boot_state boot = boot_of();
		boot.alive_boot_ms = 5000;
		for (uint32_t n = 0; n < 2; n++) {
			bool panic = n == 0;
			assert_int_equal(rw_crashes_find(&dumps.dumps[n], &boot, &crashes), 0);
			assert_int_equal(crashes.count, panic ? 2 : 1);
			const struct rw_event *oops = &crashes.events[0];
			assert_int_equal(oops->kind, RINGWATCH__V1__KIND__KIND_OOPS);
			assert_string_equal(oops->module, "rw_null");
			assert_memory_equal(oops->symbol, "rw_crash_null+0x", 16);
			assert_string_equal(oops->comm, "sh");
			assert_int_equal(oops->source, RINGWATCH__V1__SOURCE__SOURCE_PSTORE);
			assert_string_equal(oops->boot_id, boot_a);
			assert_int_equal(oops->boot_order, 41);
			char signature[RW_SIGNATURE_MAX + 1];
			snprintf(signature, sizeof(signature), "oops:%s:rw_null", oops->symbol);
			assert_string_equal(oops->signature, signature);
			if (!panic)
				continue;
			assert_int_equal(crashes.events[1].kind, RINGWATCH__V1__KIND__KIND_PANIC);
			assert_string_equal(crashes.events[1].signature, "panic:Fatal exception");
		}
		rw_dumps_release(&dumps);
	}
}

static void test_the_log_begins_a_little_before(void **state)
{
	static char plain[RW_LOG_PLAIN_MAX + 1];
	struct rw_log_excerpt log;

	(void)state;
	read_store("6.1-erst");
	assert_int_equal(rw_crashes_find(&dumps.dumps[0], NULL, &crashes), 0);
	assert_int_equal(crashes.count, 2);
	/* the panic's log holds the oops that led to it */
	for (uint32_t which = 0; which < 2; which++) {
		assert_int_equal(rw_crashes_pack(&dumps.dumps[0], &crashes, which, &log), 0);
		long length =
			rw_excerpt_unpack(log.packed, log.packed_bytes, log.plain_bytes, plain);
		assert_true(length > 0);
		plain[length] = '\0';
		assert_non_null(strstr(plain, "RIP: 0010:rw_crash_null+0x"));
		assert_non_null(strstr(plain, "Kernel panic - not syncing"));
	}
}

/* An oops that the boot survived for days was told when it happened. */
static void test_what_is_long_past_is_no_news(void **state)
{
	static const char text[] =
		"<1>[  100.000000] BUG: kernel NULL pointer dereference, address: "
		"0000000000000000\n"
		"<4>[  100.000001] Oops: 0002 [#1] PREEMPT SMP NOPTI\n"
		"<4>[  100.000002] CPU: 0 PID: 12 Comm: sh Not tainted 6.1.0 #1\n"
		"<4>[  100.000003] RIP: 0010:early+0x12/0x20 [acme]\n"
		"<4>[  100.000004] Call Trace:\n"
		"<4>[  100.000005]  caller+0x1/0x2 [acme]\n"
		"<4>[  100.000006] ---[ end trace 0000000000000000 ]---\n"
		"<0>[  500.000000] Kernel panic - not syncing: late\n";
	struct rw_boot_state boot = boot_of();
	struct rw_dump dump = dump_of(RW_DUMP_PANIC, text);

	(void)state;
	assert_int_equal(rw_crashes_find(&dump, &boot, &crashes), 0);
	assert_int_equal(crashes.count, 1);
	assert_string_equal(crashes.events[0].signature, "panic:late");
	assert_int_equal(crashes.events[0].boot_ms, 500000);
	assert_int_equal(crashes.events[0].wall_ms, 1000500000);

	/* when the sensor had been stopped before, both are */
	boot.alive_boot_ms = 90000;
	assert_int_equal(rw_crashes_find(&dump, &boot, &crashes), 0);
	assert_int_equal(crashes.count, 2);
	assert_string_equal(crashes.events[0].signature, "oops:early+0x12:acme");

	/* the panic of a machine that was suspended for an hour */
	boot.alive_boot_ms = 3600000 + 495000;
	assert_int_equal(rw_crashes_find(&dump, &boot, &crashes), 0);
	assert_int_equal(crashes.count, 1);
	/* but an oops' record alone does not say that the boot had ended */
	dump.reason = RW_DUMP_OOPS;
	assert_int_equal(rw_crashes_find(&dump, &boot, &crashes), 0);
	assert_int_equal(crashes.count, 0);
}

static void test_nobody_forges_a_panic(void **state)
{
	static const char text[] =
		"<30>[  499.000000] Kernel panic - not syncing: from user space\n"
		"<12>[  500.000000] Kernel panic - not syncing: echo >/dev/kmsg\n"
		"Kernel panic - not syncing: no head\n";
	struct rw_boot_state boot = boot_of();
	struct rw_dump dump = dump_of(RW_DUMP_OOPS, text);

	(void)state;
	assert_int_equal(rw_crashes_find(&dump, &boot, &crashes), 0);
	assert_int_equal(crashes.count, 0);
}

static void test_many_crashes_leave_room_for_the_panic(void **state)
{
	static char text[8192];
	struct rw_boot_state boot = boot_of();
	int used = 0;

	(void)state;
	for (unsigned int i = 0; i < RW_CRASHES_MAX + 3; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
				 "<1>[  %u.000000] BUG: kernel NULL pointer dereference, "
				 "address: 0000000000000000\n"
				 "<4>[  %u.000001] Oops: 0002 [#1] PREEMPT SMP NOPTI\n"
				 "<4>[  %u.000002] CPU: 0 PID: 12 Comm: sh Not tainted 6.1.0 #1\n"
				 "<4>[  %u.000003] RIP: 0010:site_%c+0x12/0x20 [acme]\n"
				 "<4>[  %u.000004] ---[ end trace 0000000000000000 ]---\n",
				 481 + i, 481 + i, 481 + i, 481 + i, 'a' + i, 481 + i);
	snprintf(text + used, sizeof(text) - (size_t)used,
		 "<0>[  500.000000] Kernel panic - not syncing: enough\n");
	struct rw_dump dump = dump_of(RW_DUMP_PANIC, text);
	assert_int_equal(rw_crashes_find(&dump, &boot, &crashes), 0);
	assert_int_equal(crashes.count, RW_CRASHES_MAX);
	assert_string_equal(crashes.events[RW_CRASHES_MAX - 1].signature, "panic:enough");
	assert_string_equal(crashes.events[RW_CRASHES_MAX - 2].signature, "oops:site_i+0x12:acme");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_boot),
		cmocka_unit_test_teardown(test_signatures_are_those_of_a_live_crash, tear_down),
		cmocka_unit_test_teardown(test_the_log_begins_a_little_before, tear_down),
		cmocka_unit_test(test_what_is_long_past_is_no_news),
		cmocka_unit_test(test_nobody_forges_a_panic),
		cmocka_unit_test(test_many_crashes_leave_room_for_the_panic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
