/* SPDX-License-Identifier: Apache-2.0 */
/* Records of real kernels, and what can be wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/file.h"
#include "sensor/dump.h"

enum { FILES_MAX = 64 };

/* A store, as it is read. */
static struct rw_dump_file files[FILES_MAX];
static char paths[FILES_MAX][RW_PSTORE_PATH_BYTES];
static size_t file_count;
static struct rw_dumps dumps;

static int set_up(void **state)
{
	(void)state;
	file_count = 0;
	dumps = (struct rw_dumps){0};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < file_count; i++)
		free((char *)(uintptr_t)files[i].bytes);
	rw_dumps_release(&dumps);
	return 0;
}

static struct rw_dump_file *add_bytes(const char *path, const void *bytes, size_t length)
{
	struct rw_dump_file *f = &files[file_count];
	char *copy = malloc(length + 1);

	assert_true(file_count < FILES_MAX);
	assert_non_null(copy);
	memcpy(copy, bytes, length);
	snprintf(paths[file_count], sizeof(paths[0]), "%s", path);
	*f = (struct rw_dump_file){
		.path = paths[file_count++],
		.place = RW_DUMP_IN_STORE,
		.mtime_ms = 1795415577000,
		.bytes = copy,
		.length = length,
	};
	return f;
}

static struct rw_dump_file *add(const char *path, const char *text)
{
	return add_bytes(path, text, strlen(text));
}

/* The records of a real store. */
static void add_real(const char *store, enum rw_dump_place place)
{
	struct dirent **names;
	char path[RW_PSTORE_PATH_BYTES];

	snprintf(path, sizeof(path), "tests/data/pstore/%s", store);
	int count = scandir(path, &names, NULL, alphasort);
	assert_true(count > 2);
	for (int i = 0; i < count; i++) {
		char *bytes;
		size_t length;
		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "tests/data/pstore/%s/%.200s", store,
				 names[i]->d_name);
			assert_int_equal(
				rw_file_read(path, RW_PSTORE_FILE_BYTES_MAX, &bytes, &length), 0);
			add_bytes(path, bytes, length)->place = place;
			free(bytes);
		}
		free(names[i]);
	}
	free(names);
}

static void reverse_files(void)
{
	for (size_t i = 0; i < file_count / 2; i++) {
		struct rw_dump_file f = files[i];
		files[i] = files[file_count - 1 - i];
		files[file_count - 1 - i] = f;
	}
}

static void assemble(void)
{
	rw_dumps_release(&dumps);
	rw_dump_assemble(files, file_count, &dumps);
}

/* The panic of a NULL dereference with panic_on_oops: an oops' record and a panic's. */
static void assert_oops_and_panic(const char *source)
{
	assert_int_equal(dumps.count, 2);
	assert_int_equal(dumps.ignored, 0);
	const struct rw_dump *panic = &dumps.dumps[0];
	const struct rw_dump *oops = &dumps.dumps[1];
	assert_int_equal(panic->reason, RW_DUMP_PANIC);
	assert_int_equal(panic->count, 2);
	assert_int_equal(oops->reason, RW_DUMP_OOPS);
	assert_int_equal(oops->count, 1);
	for (int i = 0; i < 2; i++) {
		const struct rw_dump *d = &dumps.dumps[i];
		struct rw_dump_line line;
		uint64_t last = 0;
		size_t at = 0;
		assert_string_equal(d->source, source);
		assert_true(d->complete);
		assert_int_equal(d->length, strlen(d->text));
		assert_null(strstr(d->text, " Part"));
		/* the oldest line comes first */
		while (rw_dump_next_line(d, &at, &line)) {
			if (line.usec == UINT64_MAX)
				continue;
			assert_true(line.usec >= last);
			last = line.usec;
		}
		assert_int_equal(d->last_usec, last);
	}
	assert_non_null(strstr(panic->text, "Kernel panic - not syncing: Fatal exception"));
	assert_null(strstr(oops->text, "Kernel panic"));
	assert_non_null(strstr(oops->text, "---[ end trace"));
}

static void test_erst(void **state)
{
	(void)state;
	add_real("6.1-erst", RW_DUMP_IN_STORE);
	assemble();
	assert_oops_and_panic("pstore erst");
	assert_int_equal(dumps.dumps[0].written_wall_ms, 1795415577000);
	assert_int_equal(dumps.dumps[0].file_count, 2);
	assert_int_equal(dumps.dumps[1].file_count, 2);
}

static void test_any_order_gives_the_same_text(void **state)
{
	(void)state;
	add_real("6.1-erst", RW_DUMP_IN_STORE);
	assemble();
	char *text = strdup(dumps.dumps[0].text);
	reverse_files();
	assemble();
	assert_oops_and_panic("pstore erst");
	assert_string_equal(dumps.dumps[0].text, text);
	free(text);
}

/* The parts of one dump, and two dumps, lie on both sides of a second's change. */
static void test_efi(void **state)
{
	(void)state;
	add_real("6.1-efi", RW_DUMP_IN_STORE);
	assemble();
	assert_oops_and_panic("pstore efi");
	assert_int_equal(dumps.dumps[0].file_count, 7);
	assert_int_equal(dumps.dumps[1].file_count, 7);
}

static void test_efi_moved_by_systemd(void **state)
{
	(void)state;
	add_real("6.1-efi", RW_DUMP_IN_SYSTEMD);
	assemble();
	assert_oops_and_panic("pstore efi");
	/* the file's time is that of the move; the id has the kernel's */
	assert_int_equal(dumps.dumps[0].written_wall_ms, 1795415674000);
}

static void test_erst_moved_by_systemd(void **state)
{
	(void)state;
	add_real("6.1-erst", RW_DUMP_IN_SYSTEMD);
	assemble();
	assert_oops_and_panic("pstore erst");
	assert_int_equal(dumps.dumps[0].written_wall_ms, 1795415577000);
}

static void test_ramoops(void **state)
{
	(void)state;
	add_real("6.1-ramoops", RW_DUMP_IN_STORE);
	assemble();
	assert_oops_and_panic("pstore ramoops");
	/* moved, it has no time that means anything */
	for (size_t i = 0; i < file_count; i++)
		files[i].place = RW_DUMP_IN_SYSTEMD;
	assemble();
	assert_oops_and_panic("pstore ramoops");
	assert_int_equal(dumps.dumps[0].written_wall_ms, 0);
}

static void test_what_the_kernel_could_not_unpack(void **state)
{
	(void)state;
	add_real("6.1-encz", RW_DUMP_IN_STORE);
	assemble();
	assert_oops_and_panic("pstore erst");
}

static void test_a_part_is_missing(void **state)
{
	(void)state;
	add("/s/dmesg-erst-7711251185943969796", "Panic#1 Part3\n<6>[    1.000000] old\n");
	add("/s/dmesg-erst-7711251185943969794", "Panic#1 Part1\n<6>[    3.000000] new\n");
	assemble();
	assert_int_equal(dumps.count, 1);
	assert_false(dumps.dumps[0].complete);
	assert_string_equal(dumps.dumps[0].text, "<6>[    1.000000] old\n<6>[    3.000000] new\n");
}

static void test_two_boots_in_one_store(void **state)
{
	(void)state;
	/* ids of erst: the boot's second, shifted up, and a counter */
	add("/s/dmesg-erst-7711251185943969793", "Panic#1 Part1\n<0>[    9.000000] first\n");
	add("/s/dmesg-erst-7711251263253381121", "Panic#1 Part1\n<0>[    9.000000] second\n")
		->mtime_ms += 18000;
	add("/s/dmesg-efi-179541567301001", "Panic#1 Part1\n<0>[    9.000000] third\n");
	add("/s/dmesg-efi-179541587301001", "Panic#1 Part1\n<0>[    9.000000] fourth\n");
	add("/s/dmesg-ramoops-0", "Panic#1 Part1\n<0>[    9.000000] fifth\n");
	add("/s/dmesg-ramoops-1", "Panic#1 Part1\n<0>[    9.000000] sixth\n");
	assemble();
	assert_int_equal(dumps.count, 6);
	/* the newest first */
	assert_string_equal(dumps.dumps[0].text, "<0>[    9.000000] second\n");
}

static void test_after_2038(void **state)
{
	struct rw_dump_file *f;

	(void)state;
	/* 1 << 63 | seconds << 24 | counter */
	f = add("/s/dmesg-erst-9259400834497380353", "Panic#1 Part1\n<0>[    9.000000] a\n");
	f->place = RW_DUMP_IN_SYSTEMD;
	f = add("/s/dmesg-erst-9259400834497380354", "Panic#1 Part2\n<0>[    8.000000] b\n");
	f->place = RW_DUMP_IN_SYSTEMD;
	assemble();
	assert_int_equal(dumps.count, 1);
	assert_true(dumps.dumps[0].complete);
	assert_int_equal(dumps.dumps[0].written_wall_ms / 1000,
			 (9259400834497380353U & ~(UINT64_C(1) << 63)) >> 24);
}

static void test_names_of_newer_kernels(void **state)
{
	(void)state;
	add("/s/dmesg-efi_pstore-179541461915001", "Oops#1 Part15\n<0>[    1.000000] a\n");
	add("/s/dmesg-pstore_blk-3", "Shutdown#4 Part1\n<0>[    1.000000] b\n");
	add("/s/dmesg-erst-7711251185943969793", "Emergency#3 Part1\n<0>[    1.000000] c\n");
	add("/s/dmesg-nvram-1", "Unknown#3 Part1\n<0>[    1.000000] d\n");
	assemble();
	assert_int_equal(dumps.count, 4);
	assert_int_equal(dumps.ignored, 0);
	for (uint32_t i = 0; i < dumps.count; i++) {
		const struct rw_dump *d = &dumps.dumps[i];
		if (d->reason == RW_DUMP_OOPS)
			assert_string_equal(d->source, "pstore efi");
		else if (d->reason == RW_DUMP_SHUTDOWN)
			assert_string_equal(d->source, "pstore pstore_blk");
		else if (d->reason == RW_DUMP_EMERGENCY)
			assert_string_equal(d->source, "pstore erst");
		else
			assert_int_equal(d->reason, RW_DUMP_OTHER);
	}
}

/* ---- what systemd makes of it --------------------------------------------------------- */

static void test_a_series_alone(void **state)
{
	struct rw_dump_file *f;

	(void)state;
	f = add("/s/7711251185943969796/dmesg.txt", "Panic#2 Part2\n<6>[    2.000000] c\n"
						    "Panic#2 Part1\n<0>[    3.000000] d\n"
						    "Oops#1 Part2\n<6>[    1.000000] a\n"
						    "Oops#1 Part1\n<0>[    2.000000] b");
	f->place = RW_DUMP_IN_SYSTEMD;
	assemble();
	assert_int_equal(dumps.count, 2);
	assert_string_equal(dumps.dumps[0].text, "<6>[    2.000000] c\n<0>[    3.000000] d\n");
	assert_string_equal(dumps.dumps[1].text, "<6>[    1.000000] a\n<0>[    2.000000] b\n");
	assert_string_equal(dumps.dumps[0].source, "pstore");
	assert_true(dumps.dumps[0].complete);
	assert_int_equal(dumps.dumps[0].written_wall_ms, 0);
}

static void test_a_series_beside_its_records(void **state)
{
	char series[32768];
	size_t used = 0;

	(void)state;
	add_real("6.1-erst", RW_DUMP_IN_SYSTEMD);
	/* newest id first, as systemd does it */
	for (size_t i = file_count; i > 0; i--) {
		memcpy(series + used, files[i - 1].bytes, files[i - 1].length);
		used += files[i - 1].length;
	}
	add_bytes("/s/7711251185943969796/dmesg.txt", series, used)->place = RW_DUMP_IN_SYSTEMD;
	reverse_files();
	assemble();
	assert_oops_and_panic("pstore erst");
	assert_int_equal(dumps.dumps[0].file_count, 3);
}

static void test_a_series_with_labels(void **state)
{
	struct rw_dump_file *f;

	(void)state;
	f = add("/s/1795/dmesg.txt", "dmesg-efi-179541567302001:\nPanic#1 Part2\n"
				     "<6>[    2.000000] c\n"
				     "dmesg-efi-179541567301001:\nPanic#1 Part1\n"
				     "<0>[    3.000000] d\n");
	f->place = RW_DUMP_IN_SYSTEMD;
	assemble();
	assert_int_equal(dumps.count, 1);
	assert_string_equal(dumps.dumps[0].source, "pstore efi");
	assert_string_equal(dumps.dumps[0].text, "<6>[    2.000000] c\n<0>[    3.000000] d\n");
	assert_int_equal(dumps.dumps[0].written_wall_ms, 1795415673000);
}

static void test_copies_in_two_places_are_one_dump(void **state)
{
	(void)state;
	add_real("6.1-erst", RW_DUMP_IN_STORE);
	add_real("6.1-erst", RW_DUMP_IN_SYSTEMD);
	for (size_t i = file_count / 2; i < file_count; i++)
		snprintf(paths[i], sizeof(paths[i]), "/var/%s", strrchr(files[i].path, '/') + 1);
	assemble();
	assert_oops_and_panic("pstore erst");
	assert_int_equal(dumps.dumps[0].file_count, 4);
	assert_int_equal(dumps.dumps[0].written_wall_ms, 1795415577000);
}

/* ---- ramoops' own head, and packed text ------------------------------------------------ */

static size_t pack(int form, const char *text, size_t length, unsigned char *out, size_t size)
{
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, form, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)length;
	z.next_out = out;
	z.avail_out = (uInt)size;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t packed = z.total_out;
	deflateEnd(&z);
	return packed;
}

static void test_head_of_ramoops(void **state)
{
	static const char text[] = "Panic#1 Part1\n<0>[    3.000000] packed\n";
	unsigned char bytes[512];

	(void)state;
	add("/s/dmesg-ramoops-0", "====1795415600.123456-D\nPanic#2 Part1\n<0>[    3.000000] x\n");
	int head = snprintf((char *)bytes, sizeof(bytes), "====1795415500.000001-C\n");
	size_t length = (size_t)head +
			pack(-15, text, strlen(text), bytes + head, sizeof(bytes) - (size_t)head);
	add_bytes("/s/dmesg-ramoops-1", bytes, length);
	assemble();
	assert_int_equal(dumps.count, 2);
	assert_int_equal(dumps.dumps[0].written_wall_ms, 1795415600123);
	assert_string_equal(dumps.dumps[0].text, "<0>[    3.000000] x\n");
	assert_int_equal(dumps.dumps[1].written_wall_ms, 1795415500000);
	assert_string_equal(dumps.dumps[1].text, "<0>[    3.000000] packed\n");
}

static void test_zlib_form(void **state)
{
	static const char text[] = "Panic#1 Part1\n<0>[    3.000000] packed\n";
	unsigned char bytes[512];

	(void)state;
	size_t length = pack(12, text, strlen(text), bytes, sizeof(bytes));
	add_bytes("/s/dmesg-erst-5.enc.z", bytes, length);
	assemble();
	assert_int_equal(dumps.count, 1);
	assert_true(dumps.dumps[0].complete);
	assert_string_equal(dumps.dumps[0].text, "<0>[    3.000000] packed\n");
}

static void test_packed_and_damaged(void **state)
{
	char text[20000] = "Panic#1 Part1\n";
	static unsigned char bytes[20000];
	uint32_t noise = 1;

	(void)state;
	for (size_t i = strlen(text); i < sizeof(text) - 1; i++) {
		noise = noise * 1664525 + 1013904223;
		text[i] = (char)('a' + (noise >> 28));
	}
	size_t length = pack(-15, text, strlen(text), bytes, sizeof(bytes));
	/* its end is missing: what there is counts */
	add_bytes("/s/dmesg-erst-5.enc.z", bytes, length / 2);
	/* of this one nothing is left, and these never were packed by deflate */
	add_bytes("/s/dmesg-erst-99999999.enc.z", bytes + 1000, length / 2);
	add("/s/dmesg-erst-999999999999.enc.z", "LZO or some such");
	add("/s/dmesg-erst-9999999999999.enc.z", "");
	assemble();
	assert_int_equal(dumps.count, 1);
	assert_false(dumps.dumps[0].complete);
	assert_true(dumps.dumps[0].length > 1000);
	assert_int_equal(dumps.ignored, 3);
}

static void test_a_bomb_is_cut(void **state)
{
	static unsigned char bytes[128 * 1024];
	size_t length = 64 * 1024 * 1024;
	char *text = malloc(length);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', length);
	memcpy(text, "Panic#1 Part1\n", 14);
	size_t packed = pack(-15, text, length, bytes, sizeof(bytes));
	free(text);
	add_bytes("/s/dmesg-erst-5.enc.z", bytes, packed);
	assemble();
	assert_int_equal(dumps.count, 1);
	assert_false(dumps.dumps[0].complete);
	assert_true(dumps.dumps[0].length <= RW_PSTORE_TEXT_BYTES_MAX);
}

/* ---- bounds ------------------------------------------------------------------------------- */

static void test_foreign_files_are_counted(void **state)
{
	(void)state;
	add("/s/ftrace-ramoops-0", "CPU:0 ts:1");
	add("/s/pmsg-ramoops-0", "hello");
	add("/s/dmesg-erst-abc", "Panic#1 Part1\n<0>[    3.000000] x\n");
	add("/s/dmesg-erst-1", "no head\n");
	add("/s/dmesg-erst-2", "Panic#1 Part0\n");
	add("/s/dmesg-erst-3", "Panic#1 Part1 and more\n<0>[    3.000000] x\n");
	add("/s/dmesg-erst-4", "Panic#99999999999 Part1\n<0>[    3.000000] x\n");
	add("/s/dmesg-a_name_that_is_much_too_long-4", "Panic#1 Part1\n<0>[    3.000000] x\n");
	add("/s/dmesg-erst-5", "");
	add("/s/dmesg-erst-6", "Panic#1 Part1\n");
	assemble();
	assert_int_equal(dumps.count, 0);
	assert_int_equal(dumps.ignored, 10);
}

static void test_the_newest_dumps_are_kept(void **state)
{
	char path[64];

	(void)state;
	for (unsigned int i = 0; i < RW_PSTORE_DUMPS_MAX + 4; i++) {
		snprintf(path, sizeof(path), "/s/dmesg-ramoops-%u", i);
		add(path, "Oops#1 Part1\n<0>[    3.000000] x\n")->mtime_ms = 1000 + 1000 * i;
	}
	assemble();
	assert_int_equal(dumps.count, RW_PSTORE_DUMPS_MAX);
	assert_int_equal(dumps.ignored, 4);
	assert_int_equal(dumps.dumps[0].written_wall_ms, 1000 + 1000 * (RW_PSTORE_DUMPS_MAX + 3));
	assert_int_equal(dumps.dumps[RW_PSTORE_DUMPS_MAX - 1].written_wall_ms, 5000);
}

static void test_of_a_long_dump_the_end_is_kept(void **state)
{
	static char text[200 * 1024];
	char path[64];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (unsigned int part = 1; part <= 4; part++) {
		snprintf(path, sizeof(path), "/s/dmesg-erst-%u", 100 + part);
		int n = snprintf(text, sizeof(text), "Panic#1 Part%u\n<0>[    3.000000] %u", part,
				 part);
		text[n] = 'x';
		add(path, text);
	}
	assemble();
	assert_int_equal(dumps.count, 1);
	assert_false(dumps.dumps[0].complete);
	assert_true(dumps.dumps[0].length <= RW_PSTORE_TEXT_BYTES_MAX);
	assert_memory_equal(dumps.dumps[0].text, "<0>[    3.000000] 2x", 20);
	assert_non_null(strstr(dumps.dumps[0].text, "<0>[    3.000000] 1x"));
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void test_lines(void **state)
{
	struct rw_dump_line line;
	size_t at = 0;

	(void)state;
	add("/s/dmesg-ramoops-0", "Panic#1 Part1\n"
				  "<4>[    3.000001] plain\n"
				  "<30>[    3.000002] systemd[1]: Kernel panic - not syncing: me\n"
				  "<6>[    3.000003][    T1] with its caller\n"
				  "<6>[123456.000004][   C12] and another\n"
				  "<6>no time\n"
				  "<6>[    x.000005] no time either\n"
				  "\n"
				  "ECC: No errors detected");
	assemble();
	assert_int_equal(dumps.count, 1);
	static const struct {
		const char *text;
		uint64_t usec;
		bool from_kernel;
	} rows[] = {
		{"plain", 3000001, true},
		{"systemd[1]: Kernel panic - not syncing: me", 3000002, false},
		{"with its caller", 3000003, true},
		{"and another", 123456000004, true},
		{"no time", UINT64_MAX, true},
		{"[    x.000005] no time either", UINT64_MAX, true},
		{"", UINT64_MAX, false},
		{"ECC: No errors detected", UINT64_MAX, false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(rw_dump_next_line(&dumps.dumps[0], &at, &line));
		assert_int_equal(line.length, strlen(rows[i].text));
		assert_memory_equal(line.text, rows[i].text, line.length);
		assert_int_equal(line.usec, rows[i].usec);
		assert_int_equal(line.from_kernel, rows[i].from_kernel);
	}
	assert_false(rw_dump_next_line(&dumps.dumps[0], &at, &line));
	assert_int_equal(dumps.dumps[0].last_usec, 123456000004);
}

/* Neither a console's text nor a crash kernel's log says who wrote a line. */
static void test_texts_without_facilities(void **state)
{
	struct rw_dump_line line;

	(void)state;
	add("/s/console-ramoops-0", "[    3.000001] plain\n");
	add("/var/crash/202611231200/dmesg.202611231200", "[    4.000001] plain\n")->place =
		RW_DUMP_IN_CRASH;
	assemble();
	assert_int_equal(dumps.count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		size_t at = 0;
		bool crash = dumps.dumps[i].place == RW_DUMP_IN_CRASH;
		assert_string_equal(dumps.dumps[i].source,
				    crash ? "kdump" : "pstore ramoops console");
		assert_int_equal(dumps.dumps[i].reason, crash ? RW_DUMP_PANIC : RW_DUMP_CONSOLE);
		assert_int_equal(dumps.dumps[i].written_wall_ms, crash ? 1795415577000 : 0);
		assert_true(rw_dump_next_line(&dumps.dumps[i], &at, &line));
		assert_true(line.from_kernel);
		assert_int_equal(line.length, 5);
	}
}

int main(void)
{
#define one(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		one(test_erst),
		one(test_any_order_gives_the_same_text),
		one(test_efi),
		one(test_efi_moved_by_systemd),
		one(test_erst_moved_by_systemd),
		one(test_ramoops),
		one(test_what_the_kernel_could_not_unpack),
		one(test_a_part_is_missing),
		one(test_two_boots_in_one_store),
		one(test_after_2038),
		one(test_names_of_newer_kernels),
		one(test_a_series_alone),
		one(test_a_series_beside_its_records),
		one(test_a_series_with_labels),
		one(test_copies_in_two_places_are_one_dump),
		one(test_head_of_ramoops),
		one(test_zlib_form),
		one(test_packed_and_damaged),
		one(test_a_bomb_is_cut),
		one(test_foreign_files_are_counted),
		one(test_the_newest_dumps_are_kept),
		one(test_of_a_long_dump_the_end_is_kept),
		one(test_lines),
		one(test_texts_without_facilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
