/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the records of a store to whole dumps. Pure: names and bytes in, text out.
 *
 * A dying kernel writes its log in pieces, newest first, each headed by a line
 * "Panic#2 Part1": why, the how-many-eth dump of that boot, which piece. Pieces
 * belong together when backend, reason and number agree and their record ids are
 * of one boot:
 *
 *   erst        ids count up from one start in a boot (the second of its first
 *               record, shifted up), so those of one boot lie close together
 *   efi         id = (time * 100 + part) * 1000 + number; the parts of one dump
 *               may lie a second or more apart
 *   the others  one record is one dump (ramoops keeps part 1 alone)
 *
 * systemd-pstore moves records to folders of its own and writes a dmesg.txt
 * beside them, all pieces of a series behind each other: it is taken apart again,
 * and what is there already is not counted twice. Records that the kernel could
 * not unpack (".enc.z") are zlib or raw deflate.
 *
 * Bounded, as the limits below say. What is no record, or too much, is counted.
 */
#ifndef RINGWATCH_SENSOR_DUMP_H
#define RINGWATCH_SENSOR_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RW_PSTORE_FILES_MAX = 512,
	RW_PSTORE_FILE_BYTES_MAX = 512 * 1024,
	/* of one dump, unpacked; a line that has no end gets one */
	RW_PSTORE_TEXT_BYTES_MAX = RW_PSTORE_FILE_BYTES_MAX + 1,
	RW_PSTORE_UNPACKED_MAX = 8 * 1024 * 1024, /* of all together */
	RW_PSTORE_DUMPS_MAX = 16,
	RW_PSTORE_PATH_BYTES = 256,
	RW_PSTORE_SOURCE_BYTES = 48,
};

enum rw_dump_reason {
	RW_DUMP_PANIC = 1,
	RW_DUMP_OOPS,
	RW_DUMP_EMERGENCY, /* an emergency restart; kept only with printk.always_kmsg_dump */
	RW_DUMP_SHUTDOWN,  /* restart, halt or power-off; likewise */
	RW_DUMP_CONSOLE,   /* no dump: what the console showed last, without facilities */
	RW_DUMP_OTHER,
};

enum rw_dump_place {
	RW_DUMP_IN_STORE = 1, /* /sys/fs/pstore: a file's time is that of the record */
	RW_DUMP_IN_SYSTEMD,   /* moved: its time says nothing */
	RW_DUMP_IN_CRASH,     /* the log that a crash kernel saved */
};

struct rw_dump {
	char source[RW_PSTORE_SOURCE_BYTES]; /* "pstore erst", "pstore ramoops", "pstore efi",
						"kdump" */
	enum rw_dump_reason reason;
	enum rw_dump_place place;
	uint32_t count; /* the number behind '#': the how-many-eth of its boot; 0 unknown */
	uint64_t written_wall_ms; /* by the clock of its boot; of erst records that were moved, when
				     that boot wrote the first; 0 unknown */
	uint64_t last_usec;       /* kernel clock of its last line; UINT64_MAX unknown */
	bool complete;            /* no part is missing or cut */
	size_t length;
	char *text;                          /* oldest line first, NUL-terminated; owned */
	uint32_t file_count;                 /* what it was read from, for removing */
	char (*files)[RW_PSTORE_PATH_BYTES]; /* absolute paths; owned */
};

struct rw_dumps {
	uint32_t count;
	struct rw_dump dumps[RW_PSTORE_DUMPS_MAX]; /* newest first */
	uint32_t ignored;  /* files that are no dump, or too many, or damaged */
	bool store_read;   /* /sys/fs/pstore is there and could be listed */
	uint32_t in_store; /* records that lie in it, of panics and oopses */
};

struct rw_dump_file {
	const char *path; /* its last part is the record's name */
	enum rw_dump_place place;
	uint64_t mtime_ms;
	const char *bytes;
	size_t length;
	bool cut; /* not all of it was read */
};

/* Adds to `out`, which is zeroed or was filled by nothing but this. */
void rw_dump_assemble(const struct rw_dump_file *files, size_t count, struct rw_dumps *out);
void rw_dumps_release(struct rw_dumps *dumps);

struct rw_dump_line {
	size_t offset;    /* where it begins in the dump's text, with its head */
	uint64_t usec;    /* UINT64_MAX: it carries no time */
	bool from_kernel; /* of facility 0; or nobody can tell (kdump, console) */
	const char *text; /* without "<4>[   12.345678] " */
	size_t length;
};

/* The line at *at, which moves behind it. False at the end. */
bool rw_dump_next_line(const struct rw_dump *dump, size_t *at, struct rw_dump_line *out);

#endif
