/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dying kernel left: records of persistent storage (ERST, ramoops, EFI
 * variables), from /sys/fs/pstore and from where systemd-pstore moved them,
 * /var/lib/systemd/pstore; and the kernel log that a crash kernel saved under
 * /var/crash. How they are put together: dump.h.
 *
 * Anybody may be able to write to /var/crash. Only regular files count that root
 * (or whoever runs the sensor) owns and nobody else may write to, in folders of
 * which the same is true; symbolic links are not followed. Bounded: files, bytes
 * a file, bytes in all. Nothing is removed by reading.
 *
 * What was read is kept in the archive, `FOLDER/archive`, one file a dump, named
 * by its content: so a record that stays in its store is known again.
 */
#ifndef RINGWATCH_SENSOR_PSTORE_H
#define RINGWATCH_SENSOR_PSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensor/dump.h"

enum {
	RW_PSTORE_READ_BYTES_MAX = 8 * 1024 * 1024, /* of all files; the newest come first */
	RW_PSTORE_ARCHIVE_BYTES_MAX = 8 * 1024 * 1024,
	RW_PSTORE_ARCHIVE_FILES_MAX = 512,
};

/* `root` is put before each path: "" but for tests. Never fails: what cannot be
 * read counts as ignored. */
void rw_pstore_read(const char *root, struct rw_dumps *out);

/* Whether a backend is registered now ("erst", "ramoops", "efi_pstore"), so that a
 * crash of this boot would leave a record; "" when none. */
void rw_pstore_backend(const char *root, char *out, size_t size);

/* Whether the archive has a dump of this content. */
bool rw_pstore_is_known(const char *folder, const struct rw_dump *dump);
/*
 * Keeps a dump's text in the archive, durable when it returns 0, and bounds that
 * folder, what was longest not seen going first. One that is known is marked as
 * seen.
 */
int rw_pstore_archive(const char *folder, const struct rw_dump *dump);
/*
 * Removes the files that the dump was read from, but for a crash kernel's: only
 * after it is archived and its event spooled, and only when the operator asked
 * for it. 0 or the first errno.
 */
int rw_pstore_remove(const struct rw_dump *dump);

#endif
