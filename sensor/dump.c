/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records to dumps; see dump.h. Names and forms: fs/pstore/{platform,inode,ram}.c,
 * drivers/acpi/apei/erst.c, drivers/firmware/efi/efi-pstore.c of the kernel, and
 * src/pstore/pstore.c of systemd.
 */
#include "sensor/dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "lib/events/scan.h"

enum {
	PARTS_MAX = 1024,
	DUMPS_LOOKED_AT = 64, /* of which the newest RW_PSTORE_DUMPS_MAX are kept */
	PART_NUMBER_MAX = 999,
	BACKEND_BYTES = 20,
	ERST_ID_SPAN = 1 << 16, /* records of one boot; ids of two boots are 2^24 apart */
	EFI_DUMP_SPAN_S = 60,   /* from the first part of a dump to its last */
	UNPACK_STEP_BYTES = 64 * 1024,
	RAW_DEFLATE = -15, /* window bits */
	ZLIB_FORMAT = 15,
};

/* erst.c: from 2038 on fewer digits are left for counting. */
#define ERST_LATE_BIT (UINT64_C(1) << 63)

struct part {
	enum rw_dump_reason reason;
	uint32_t count;
	uint32_t number; /* 1 is the newest text */
	char backend[BACKEND_BYTES];
	bool has_id;
	uint64_t id;
	uint64_t written_ms;
	uint64_t sort_ms; /* for keeping the newest; what better is not known */
	enum rw_dump_place place;
	bool cut;
	const char *text;
	size_t length;
	uint32_t file;
	uint32_t dump; /* the one it belongs to */
	bool twin;     /* the same is there already, from another file */
};

struct gathering {
	const struct rw_dump_file *files;
	size_t file_count;
	size_t part_count;
	struct part *parts; /* PARTS_MAX */
	uint32_t dump_count;
	uint32_t first_part[DUMPS_LOOKED_AT];
	uint64_t sort_ms[DUMPS_LOOKED_AT];
	size_t unpacked; /* bytes in `owned` */
	size_t owned_count;
	char *owned[RW_PSTORE_FILES_MAX];
	struct rw_dumps *out;
};

/* ---- lines ------------------------------------------------------------------------ */

/* "[   12.345678]" */
static bool take_stamp(struct rw_scan *s, uint64_t *usec)
{
	struct rw_scan l = *s;
	uint64_t seconds;
	struct rw_scan digits;
	uint64_t fraction = 0;

	if (!rw_scan_take(&l, "["))
		return false;
	while (rw_scan_take(&l, " "))
		;
	if (!rw_scan_take_u64(&l, &seconds) || seconds > UINT32_MAX || !rw_scan_take(&l, ".") ||
	    !rw_scan_take_run(&l, rw_scan_is_digit, 6, &digits) || rw_scan_left(&digits) != 6 ||
	    !rw_scan_take(&l, "]"))
		return false;
	for (size_t i = 0; i < 6; i++)
		fraction = fraction * 10 + (uint64_t)(digits.at[i] - '0');
	*usec = seconds * 1000000 + fraction;
	*s = l;
	return true;
}

/* "[  T123]" or "[    C0]": who printed it, with CONFIG_PRINTK_CALLER. */
static void skip_caller(struct rw_scan *s)
{
	struct rw_scan l = *s;
	uint32_t number;

	if (!rw_scan_take(&l, "["))
		return;
	while (rw_scan_take(&l, " "))
		;
	if ((rw_scan_take(&l, "T") || rw_scan_take(&l, "C")) && rw_scan_take_u32(&l, &number) &&
	    rw_scan_take(&l, "]"))
		*s = l;
}

static bool carries_facilities(const struct rw_dump *dump)
{
	return dump->place != RW_DUMP_IN_CRASH && dump->reason != RW_DUMP_CONSOLE;
}

bool rw_dump_next_line(const struct rw_dump *dump, size_t *at, struct rw_dump_line *out)
{
	if (*at >= dump->length)
		return false;
	const char *from = dump->text + *at;
	const char *end = memchr(from, '\n', dump->length - *at);
	struct rw_scan l = {from, end == NULL ? dump->text + dump->length : end};
	struct rw_scan head = l;
	uint32_t priority;

	*out = (struct rw_dump_line){.offset = *at, .usec = UINT64_MAX};
	*at = (size_t)(l.end - dump->text) + (end == NULL ? 0 : 1);
	out->from_kernel = !carries_facilities(dump);
	if (rw_scan_take(&head, "<") && rw_scan_take_u32(&head, &priority) &&
	    rw_scan_take(&head, ">")) {
		out->from_kernel = priority < 8;
		l = head;
	}
	if (take_stamp(&l, &out->usec)) {
		skip_caller(&l);
		rw_scan_take(&l, " ");
	}
	out->text = l.at;
	out->length = rw_scan_left(&l);
	return true;
}

/* ---- unpacking ---------------------------------------------------------------------- */

static bool inflate_as(int form, const char *bytes, size_t length, size_t max, char **out,
		       size_t *out_length, bool *cut)
{
	z_stream z = {0};
	size_t size = 0;
	int ended = Z_OK;

	if (inflateInit2(&z, form) != Z_OK)
		return false;
	rw_autofree char *text = NULL;
	z.next_in = (Bytef *)(uintptr_t)bytes;
	z.avail_in = (uInt)length;
	while (ended == Z_OK && size < max) {
		size_t step = max - size < UNPACK_STEP_BYTES ? max - size : UNPACK_STEP_BYTES;
		char *larger = realloc(text, size + step);
		if (larger == NULL)
			break;
		text = larger;
		z.next_out = (Bytef *)text + size;
		z.avail_out = (uInt)step;
		ended = inflate(&z, Z_NO_FLUSH);
		size += step - z.avail_out;
	}
	inflateEnd(&z);
	if (size == 0)
		return false;
	*cut = ended != Z_STREAM_END;
	*out = text;
	*out_length = size;
	text = NULL;
	return true;
}

static bool looks_like_head(const char *text, size_t length);

/* Of two forms that both give something, the one that gives a record. */
static bool unpack(const char *bytes, size_t length, size_t max, char **out, size_t *out_length,
		   bool *cut)
{
	static const int forms[] = {ZLIB_FORMAT, RAW_DEFLATE};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!inflate_as(forms[i], bytes, length, max, out, out_length, cut))
			continue;
		if (looks_like_head(*out, *out_length))
			return true;
		free(*out);
		*out = NULL;
	}
	return false;
}

/* ---- a record's heads -------------------------------------------------------------- */

/* A whole line off the front, without its end. */
static bool take_line(struct rw_scan *s, struct rw_scan *line)
{
	if (rw_scan_left(s) == 0)
		return false;
	const char *end = memchr(s->at, '\n', rw_scan_left(s));
	*line = (struct rw_scan){s->at, end == NULL ? s->end : end};
	s->at = end == NULL ? s->end : end + 1;
	return true;
}

/* "Panic#2 Part1" and nothing else. */
static bool parse_head(struct rw_scan l, struct part *p)
{
	static const struct {
		const char *word;
		enum rw_dump_reason reason;
	} reasons[] = {
		{"Panic#", RW_DUMP_PANIC},         {"Oops#", RW_DUMP_OOPS},
		{"Emergency#", RW_DUMP_EMERGENCY}, {"Shutdown#", RW_DUMP_SHUTDOWN},
		{"Restart#", RW_DUMP_SHUTDOWN},    {"Halt#", RW_DUMP_SHUTDOWN},
		{"Poweroff#", RW_DUMP_SHUTDOWN},   {"Unknown#", RW_DUMP_OTHER},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!rw_scan_take(&l, reasons[i].word))
			continue;
		p->reason = reasons[i].reason;
		return rw_scan_take_u32(&l, &p->count) && rw_scan_take(&l, " Part") &&
		       rw_scan_take_u32(&l, &p->number) && p->number >= 1 &&
		       p->number <= PART_NUMBER_MAX && rw_scan_left(&l) == 0;
	}
	return false;
}

static bool looks_like_head(const char *text, size_t length)
{
	struct rw_scan s = {text, text + length};
	struct rw_scan line;
	struct part p = {0};

	return take_line(&s, &line) && parse_head(line, &p);
}

/* ramoops' own: "====1795414022.123456-D"; C is what it compressed. */
static bool take_ramoops_head(struct rw_scan *s, uint64_t *wall_ms, bool *packed)
{
	struct rw_scan rest = *s;
	struct rw_scan l;
	uint64_t seconds;
	uint64_t usec;

	if (!take_line(&rest, &l) || !rw_scan_take(&l, "====") || !rw_scan_take_u64(&l, &seconds) ||
	    seconds > UINT64_MAX / 2000 || !rw_scan_take(&l, ".") || !rw_scan_take_u64(&l, &usec))
		return false;
	*packed = rw_scan_take(&l, "-C");
	if (!*packed)
		rw_scan_take(&l, "-D");
	if (rw_scan_left(&l) != 0)
		return false;
	*wall_ms = seconds * 1000 + usec / 1000 % 1000;
	*s = rest;
	return true;
}

static bool is_name(char c)
{
	return rw_scan_is_letter(c) || rw_scan_is_digit(c) || c == '_';
}

/* "erst-7711244249571786753", "efi_pstore-179541461915001", "ramoops-0.enc.z" */
static bool parse_name(struct rw_scan l, struct part *p, bool *packed)
{
	struct rw_scan backend;

	*packed = rw_scan_take_end(&l, ".enc.z");
	if (!rw_scan_take_run(&l, is_name, BACKEND_BYTES - 1, &backend) || !rw_scan_take(&l, "-") ||
	    !rw_scan_take_u64(&l, &p->id) || rw_scan_left(&l) != 0)
		return false;
	/* newer kernels: the module's name */
	bool efi = rw_scan_left(&backend) == strlen("efi_pstore") &&
		   rw_scan_begins(&backend, "efi_pstore");
	if (efi)
		snprintf(p->backend, sizeof(p->backend), "efi");
	else
		rw_scan_copy(&backend, p->backend, sizeof(p->backend));
	p->has_id = true;
	return true;
}

static struct rw_scan name_of(const struct rw_dump_file *file)
{
	const char *slash = strrchr(file->path, '/');
	const char *name = slash == NULL ? file->path : slash + 1;

	return (struct rw_scan){name, name + strlen(name)};
}

/* ---- when it was written ------------------------------------------------------------- */

static bool is_backend(const struct part *p, const char *name)
{
	return strcmp(p->backend, name) == 0;
}

static uint64_t efi_seconds(uint64_t id)
{
	return id / 100000;
}

/* Of its boot's first record. */
static uint64_t erst_seconds(uint64_t id)
{
	return (id & ERST_LATE_BIT) != 0 ? (id & ~ERST_LATE_BIT) >> 24 : id >> 32;
}

static void put_times(struct part *p, const struct rw_dump_file *file, uint64_t by_head_ms)
{
	p->sort_ms = file->mtime_ms;
	if (by_head_ms != 0)
		p->written_ms = by_head_ms;
	else if (file->place != RW_DUMP_IN_SYSTEMD)
		p->written_ms = file->mtime_ms;
	else if (p->has_id && is_backend(p, "efi"))
		p->written_ms = efi_seconds(p->id) * 1000;
	else if (p->has_id && is_backend(p, "erst"))
		p->written_ms = erst_seconds(p->id) * 1000;
	if (p->written_ms != 0)
		p->sort_ms = p->written_ms;
}

/* ---- files to parts -------------------------------------------------------------------- */

static bool add_part(struct gathering *g, struct part p, struct rw_scan text, size_t file)
{
	if (g->part_count == PARTS_MAX)
		return false;
	p.text = text.at;
	p.length = rw_scan_left(&text);
	p.file = (uint32_t)file;
	p.place = g->files[file].place;
	p.dump = UINT32_MAX;
	g->parts[g->part_count++] = p;
	return true;
}

/* Unpacked text is kept until all dumps are put together. */
static bool unpack_record(struct gathering *g, struct rw_scan *s, bool *cut)
{
	char *text;
	size_t length;
	size_t max = RW_PSTORE_UNPACKED_MAX - g->unpacked;

	if (max > RW_PSTORE_FILE_BYTES_MAX)
		max = RW_PSTORE_FILE_BYTES_MAX;
	if (g->owned_count == RW_PSTORE_FILES_MAX || max == 0 ||
	    !unpack(s->at, rw_scan_left(s), max, &text, &length, cut))
		return false;
	g->owned[g->owned_count++] = text;
	g->unpacked += length;
	*s = (struct rw_scan){text, text + length};
	return true;
}

/* "dmesg-BACKEND-ID": one record. */
static bool take_record(struct gathering *g, struct rw_scan name, size_t file)
{
	const struct rw_dump_file *f = &g->files[file];
	struct rw_scan s = {f->bytes, f->bytes + f->length};
	struct rw_scan line;
	struct part p = {.cut = f->cut};
	uint64_t wall_ms = 0;
	bool packed;
	bool cut = false;

	if (!parse_name(name, &p, &packed))
		return false;
	bool by_head;
	if (take_ramoops_head(&s, &wall_ms, &by_head))
		packed = by_head;
	if (packed && !looks_like_head(s.at, rw_scan_left(&s)) && !unpack_record(g, &s, &cut))
		return false;
	if (!take_line(&s, &line) || !parse_head(line, &p))
		return false;
	p.cut = p.cut || cut;
	put_times(&p, f, wall_ms);
	return add_part(g, p, s, file);
}

/* All of it is one text: what the console showed, or a crash kernel's log. */
static bool take_whole(struct gathering *g, struct rw_scan name, enum rw_dump_reason reason,
		       size_t file)
{
	const struct rw_dump_file *f = &g->files[file];
	struct part p = {.reason = reason, .number = 1, .cut = f->cut};
	bool packed;

	if (f->length == 0)
		return false;
	if (reason == RW_DUMP_CONSOLE && (!parse_name(name, &p, &packed) || packed))
		return false;
	p.sort_ms = f->mtime_ms;
	if (reason != RW_DUMP_CONSOLE)
		p.written_ms = f->mtime_ms;
	if (f->place == RW_DUMP_IN_CRASH)
		snprintf(p.backend, sizeof(p.backend), "kdump");
	return add_part(g, p, (struct rw_scan){f->bytes, f->bytes + f->length}, file);
}

/* "dmesg-erst-7711244249571786753:", before each piece by older systemd. */
static bool parse_label(struct rw_scan l, struct part *p)
{
	bool packed;

	return rw_scan_take(&l, "dmesg-") && rw_scan_take_end(&l, ":") && parse_name(l, p, &packed);
}

/* systemd's dmesg.txt: pieces, each with its head, behind each other. */
static bool take_series(struct gathering *g, size_t file)
{
	const struct rw_dump_file *f = &g->files[file];
	struct rw_scan s = {f->bytes, f->bytes + f->length};
	struct rw_scan line;
	struct part label = {0};
	struct part p = {0};
	const char *begun = NULL; /* of the piece at hand */
	bool any = false;

	for (;;) {
		const char *before = s.at;
		bool more = take_line(&s, &line);
		struct part head = {0};
		struct part next = {0};
		bool is_label = more && parse_label(line, &next);
		bool is_head = more && !is_label && parse_head(line, &head);
		if (more && !is_label && !is_head)
			continue;
		if (begun != NULL) {
			put_times(&p, f, 0);
			any = add_part(g, p, (struct rw_scan){begun, before}, file) || any;
		}
		if (!more)
			return any;
		begun = NULL;
		if (is_label) {
			label = next;
			continue;
		}
		p = label;
		p.reason = head.reason;
		p.count = head.count;
		p.number = head.number;
		p.cut = f->cut;
		begun = s.at;
	}
}

static bool take_file(struct gathering *g, size_t file)
{
	struct rw_scan name = name_of(&g->files[file]);
	enum rw_dump_place place = g->files[file].place;

	if (place == RW_DUMP_IN_CRASH)
		return take_whole(g, name, RW_DUMP_PANIC, file);
	if (place == RW_DUMP_IN_SYSTEMD && strcmp(name.at, "dmesg.txt") == 0)
		return take_series(g, file);
	if (rw_scan_take(&name, "dmesg-"))
		return take_record(g, name, file);
	return rw_scan_take(&name, "console-") && take_whole(g, name, RW_DUMP_CONSOLE, file);
}

/* ---- parts to dumps ---------------------------------------------------------------------- */

static size_t length_without_end(const struct part *p)
{
	size_t length = p->length;

	while (length > 0 && p->text[length - 1] == '\n')
		length--;
	return length;
}

static bool same_text(const struct part *a, const struct part *b)
{
	size_t length = length_without_end(a);

	return length == length_without_end(b) && memcmp(a->text, b->text, length) == 0;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool of_one_dump(const struct part *a, const struct part *b)
{
	if (a->reason != b->reason || a->count != b->count || !is_backend(a, b->backend))
		return false;
	if (!a->has_id || !b->has_id)
		return a->has_id == b->has_id && a->file == b->file &&
		       a->reason != RW_DUMP_CONSOLE && a->place != RW_DUMP_IN_CRASH;
	if (is_backend(a, "erst"))
		return apart(a->id, b->id) < ERST_ID_SPAN;
	if (is_backend(a, "efi"))
		return apart(efi_seconds(a->id), efi_seconds(b->id)) <= EFI_DUMP_SPAN_S;
	return a->id == b->id;
}

/* The part of dump `n` with this number; NULL: it has none. */
static struct part *part_of(struct gathering *g, size_t until, uint32_t n, uint32_t number)
{
	for (size_t i = 0; i < until; i++) {
		struct part *p = &g->parts[i];
		if (p->dump == n && !p->twin && p->number == number)
			return p;
	}
	return NULL;
}

/* A piece without a name (of systemd's series) that is there by name already. */
static bool is_repeated(const struct part *known, const struct part *p)
{
	return !p->has_id && p->place == RW_DUMP_IN_SYSTEMD && known->reason == p->reason &&
	       known->count == p->count && known->number == p->number && same_text(known, p);
}

static void join_dump(struct gathering *g, size_t i)
{
	struct part *p = &g->parts[i];

	for (uint32_t n = 0; n < g->dump_count; n++) {
		struct part *same = part_of(g, i, n, p->number);
		bool repeated = same != NULL && is_repeated(same, p);
		if (!repeated && !of_one_dump(&g->parts[g->first_part[n]], p))
			continue;
		if (same != NULL && !repeated && !same_text(same, p))
			continue; /* the same place was written twice: another dump */
		p->dump = n;
		p->twin = same != NULL;
		if (p->sort_ms > g->sort_ms[n])
			g->sort_ms[n] = p->sort_ms;
		return;
	}
	if (g->dump_count == DUMPS_LOOKED_AT)
		return;
	g->first_part[g->dump_count] = (uint32_t)i;
	g->sort_ms[g->dump_count] = p->sort_ms;
	p->dump = g->dump_count++;
}

/* Newest first; of one moment the later dump of that boot. */
static bool is_newer(const struct gathering *g, uint32_t a, uint32_t b)
{
	if (g->sort_ms[a] != g->sort_ms[b])
		return g->sort_ms[a] > g->sort_ms[b];
	return g->parts[g->first_part[a]].count > g->parts[g->first_part[b]].count;
}

static void put_files(struct gathering *g, uint32_t n, struct rw_dump *d)
{
	for (size_t i = 0; i < g->part_count; i++) {
		const struct part *p = &g->parts[i];
		bool listed = p->dump != n;
		const char *path = g->files[p->file].path;
		for (uint32_t f = 0; f < d->file_count && !listed; f++)
			listed = strcmp(d->files[f], path) == 0;
		if (listed)
			continue;
		void *larger = realloc(d->files, (d->file_count + 1) * sizeof(d->files[0]));
		if (larger == NULL)
			return;
		d->files = larger;
		snprintf(d->files[d->file_count++], sizeof(d->files[0]), "%s", path);
	}
}

/* From the newest part back, as much as fits; then the other way round. */
static bool put_text(struct gathering *g, uint32_t n, struct rw_dump *d)
{
	size_t length = 0;
	uint32_t oldest = 0;
	uint32_t highest = 0;
	uint32_t held = 0;

	d->complete = true;
	for (size_t i = 0; i < g->part_count; i++) {
		const struct part *p = &g->parts[i];
		if (p->dump != n || p->twin)
			continue;
		held++;
		highest = p->number > highest ? p->number : highest;
		d->complete = d->complete && !p->cut;
	}
	for (uint32_t number = 1; number <= highest; number++) {
		const struct part *p = part_of(g, g->part_count, n, number);
		if (p != NULL && length + p->length + 1 > RW_PSTORE_TEXT_BYTES_MAX)
			break;
		length += p == NULL ? 0 : p->length + 1;
		oldest = number;
	}
	d->complete = d->complete && held == highest && oldest == highest;
	d->text = malloc(length + 1);
	if (d->text == NULL)
		return false;
	for (uint32_t number = oldest; number >= 1; number--) {
		const struct part *p = part_of(g, g->part_count, n, number);
		if (p == NULL || p->length == 0)
			continue;
		memcpy(d->text + d->length, p->text, p->length);
		d->length += p->length;
		if (d->text[d->length - 1] != '\n')
			d->text[d->length++] = '\n';
	}
	d->text[d->length] = '\0';
	return d->length > 0;
}

static void put_source(const struct part *p, struct rw_dump *d)
{
	if (p->place == RW_DUMP_IN_CRASH)
		snprintf(d->source, sizeof(d->source), "kdump");
	else
		snprintf(d->source, sizeof(d->source), "pstore%s%s%s",
			 p->backend[0] != '\0' ? " " : "", p->backend,
			 p->reason == RW_DUMP_CONSOLE ? " console" : "");
}

static bool make_dump(struct gathering *g, uint32_t n, struct rw_dump *d)
{
	const struct part *first = &g->parts[g->first_part[n]];
	struct rw_dump_line line;
	size_t at = 0;

	*d = (struct rw_dump){
		.reason = first->reason,
		.place = first->place,
		.count = first->count,
		.last_usec = UINT64_MAX,
	};
	put_source(first, d);
	for (size_t i = 0; i < g->part_count; i++) {
		if (g->parts[i].dump == n && g->parts[i].written_ms > d->written_wall_ms)
			d->written_wall_ms = g->parts[i].written_ms;
	}
	if (!put_text(g, n, d)) {
		free(d->text);
		return false;
	}
	while (rw_dump_next_line(d, &at, &line)) {
		if (line.usec != UINT64_MAX)
			d->last_usec = line.usec;
	}
	put_files(g, n, d);
	return true;
}

/* Those that were left out: their files count as ignored, each once. */
static void count_ignored(struct gathering *g, const bool *taken, const bool *kept)
{
	for (size_t f = 0; f < g->file_count; f++) {
		bool used = false;
		for (size_t i = 0; i < g->part_count && taken[f] && !used; i++) {
			const struct part *p = &g->parts[i];
			used = p->file == f && p->dump != UINT32_MAX && kept[p->dump];
		}
		if (!used)
			g->out->ignored++;
	}
}

static void make_dumps(struct gathering *g, const bool *taken)
{
	bool done[DUMPS_LOOKED_AT] = {false};
	bool kept[DUMPS_LOOKED_AT] = {false};

	while (g->out->count < RW_PSTORE_DUMPS_MAX) {
		uint32_t best = UINT32_MAX;
		for (uint32_t n = 0; n < g->dump_count; n++) {
			if (!done[n] && (best == UINT32_MAX || is_newer(g, n, best)))
				best = n;
		}
		if (best == UINT32_MAX)
			break;
		done[best] = true;
		kept[best] = make_dump(g, best, &g->out->dumps[g->out->count]);
		if (kept[best])
			g->out->count++;
	}
	count_ignored(g, taken, kept);
}

void rw_dump_assemble(const struct rw_dump_file *files, size_t count, struct rw_dumps *out)
{
	bool taken[RW_PSTORE_FILES_MAX] = {false};
	rw_autofree struct gathering *g = calloc(1, sizeof(*g));
	rw_autofree struct part *parts = calloc(PARTS_MAX, sizeof(*parts));

	if (count > RW_PSTORE_FILES_MAX) {
		out->ignored += (uint32_t)(count - RW_PSTORE_FILES_MAX);
		count = RW_PSTORE_FILES_MAX;
	}
	if (g == NULL || parts == NULL) {
		out->ignored += (uint32_t)count;
		return;
	}
	g->files = files;
	g->file_count = count;
	g->parts = parts;
	g->out = out;
	/* what has a name first: a series may repeat it */
	for (int series = 0; series < 2; series++) {
		for (size_t i = 0; i < count; i++) {
			bool is_series = files[i].place == RW_DUMP_IN_SYSTEMD &&
					 strcmp(name_of(&files[i]).at, "dmesg.txt") == 0;
			if (is_series == (series == 1))
				taken[i] = take_file(g, i);
		}
	}
	for (size_t i = 0; i < g->part_count; i++)
		join_dump(g, i);
	make_dumps(g, taken);
	for (size_t i = 0; i < g->owned_count; i++)
		free(g->owned[i]);
}

void rw_dumps_release(struct rw_dumps *dumps)
{
	for (uint32_t i = 0; i < dumps->count; i++) {
		free(dumps->dumps[i].text);
		free(dumps->dumps[i].files);
	}
	*dumps = (struct rw_dumps){0};
}
