/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store full of anything: records, packed or not, systemd's series, a crash
 * kernel's log. Whatever they hold, dumps are bounded, their text ends, their
 * lines lie within it, each file is told of at most once a dump, and the events
 * that come out are clean.
 *
 * The input is a row of files: one byte that chooses the name, one that is put
 * into its id, two of length (little-endian), and so many bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "sensor/crashes.h"
#include "sensor/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MAX = 40, HEAD_BYTES = 4 };

static const struct {
	const char *form; /* with the id */
	enum rw_dump_place place;
} names[] = {
	{"/p/dmesg-erst-77112511859439697%02u", RW_DUMP_IN_STORE},
	{"/p/dmesg-efi-1795415673%02u001", RW_DUMP_IN_STORE},
	{"/p/dmesg-efi_pstore-1795415674%02u002", RW_DUMP_IN_STORE},
	{"/p/dmesg-ramoops-%u", RW_DUMP_IN_STORE},
	{"/p/dmesg-erst-77112511859439698%02u.enc.z", RW_DUMP_IN_STORE},
	{"/p/console-ramoops-%u", RW_DUMP_IN_STORE},
	{"/p/dmesg-%u", RW_DUMP_IN_STORE},
	{"/v/dmesg-erst-77112511859439697%02u", RW_DUMP_IN_SYSTEMD},
	{"/v/%u/dmesg.txt", RW_DUMP_IN_SYSTEMD},
	{"/v/dmesg-erst-92594008344973803%02u", RW_DUMP_IN_SYSTEMD},
	{"/c/dmesg.%u", RW_DUMP_IN_CRASH},
};

static void must(int condition)
{
	if (!condition)
		abort();
}

static size_t take_files(const uint8_t *data, size_t size, struct rw_dump_file *files,
			 char paths[][RW_PSTORE_PATH_BYTES])
{
	size_t count = 0;

	while (count < FILES_MAX && size >= HEAD_BYTES) {
		size_t which = data[0] % (sizeof(names) / sizeof(names[0]));
		size_t length = data[2] | (size_t)data[3] << 8;
		if (length > size - HEAD_BYTES)
			length = size - HEAD_BYTES;
		snprintf(paths[count], RW_PSTORE_PATH_BYTES, names[which].form, data[1] % 100U);
		files[count] = (struct rw_dump_file){
			.path = paths[count],
			.place = names[which].place,
			.mtime_ms = 1795415577000 + data[1],
			.bytes = (const char *)data + HEAD_BYTES,
			.length = length,
		};
		data += HEAD_BYTES + length;
		size -= HEAD_BYTES + length;
		count++;
	}
	return count;
}

static void check_lines(const struct rw_dump *dump)
{
	struct rw_dump_line line;
	size_t at = 0;
	size_t before = 0;

	while (rw_dump_next_line(dump, &at, &line)) {
		must(line.offset == before && at > before && at <= dump->length);
		must(line.text >= dump->text + before &&
		     line.text + line.length <= dump->text + at);
		must(memchr(line.text, '\n', line.length) == NULL);
		before = at;
	}
	must(at == dump->length);
}

static void check_events(const struct rw_dump *dump)
{
	static struct rw_crashes crashes;

	if (rw_crashes_find(dump, NULL, &crashes) != 0)
		return;
	must(crashes.count <= RW_CRASHES_MAX);
	for (uint32_t i = 0; i < crashes.count; i++) {
		const struct rw_event *e = &crashes.events[i];
		must(crashes.begins[i] < dump->length);
		must(rw_text_is_clean(e->signature, strnlen(e->signature, sizeof(e->signature))));
		must(rw_text_is_clean(e->detail, strnlen(e->detail, sizeof(e->detail))));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char paths[FILES_MAX][RW_PSTORE_PATH_BYTES];
	static struct rw_dumps dumps;
	struct rw_dump_file files[FILES_MAX];
	size_t count = take_files(data, size, files, paths);

	rw_dump_assemble(files, count, &dumps);
	must(dumps.count <= RW_PSTORE_DUMPS_MAX && dumps.ignored <= count);
	for (uint32_t i = 0; i < dumps.count; i++) {
		const struct rw_dump *d = &dumps.dumps[i];
		must(d->length > 0 && d->length <= RW_PSTORE_TEXT_BYTES_MAX);
		must(d->text[d->length] == '\0' && d->text[d->length - 1] == '\n');
		must(d->file_count >= 1 && d->file_count <= count);
		check_lines(d);
		check_events(d);
	}
	rw_dumps_release(&dumps);
	return 0;
}
