/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector's store that is only read: a running collector's, one that lies
 * still, or a copy of it. Nothing is made beside one that lies still.
 */
#ifndef RINGWATCH_CTL_STORE_FILE_H
#define RINGWATCH_CTL_STORE_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>

enum {
	RW_STORE_FILE_APPLICATION_ID = 0x72777374, /* as in collector/store */
	RW_STORE_FILE_ERROR_BYTES = 200,
};

struct rw_store_file {
	sqlite3 *db;
	bool is_still; /* nobody had it open, so that SQLite was told that it never changes */
	char *path;
	struct stat before;
};

/*
 * Opens it with PRAGMA trusted_schema=OFF. 0, or negative errno and in `error` one line
 * without the path. That it is a store at all is the caller's to check. `out` is to be
 * closed in either case.
 */
int rw_store_file_open(const char *path, struct rw_store_file *out,
		       char error[RW_STORE_FILE_ERROR_BYTES]);
void rw_store_file_close(struct rw_store_file *file);

/* Whether what was read until now is one state: false when it lay still and somebody has
 * begun to write to it since. */
bool rw_store_file_is_sound(const struct rw_store_file *file);

#endif
