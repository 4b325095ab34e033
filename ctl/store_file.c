/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite reads a file in WAL mode through a log and an index beside it, and makes them
 * when they are missing, also for a connection that only reads. A copy on a disk that
 * cannot be written could then not be read, and root would leave files in the
 * collector's folder. So one that nobody has open is opened as immutable.
 */
#include "ctl/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

enum { BUSY_MS = 2000, URI_BYTES = 3 * PATH_MAX + 32 };

static int refuse(char error[RW_STORE_FILE_ERROR_BYTES], int err, const char *complaint)
{
	snprintf(error, RW_STORE_FILE_ERROR_BYTES, "%s", complaint);
	return err;
}

/* In the system's own words, which SQLite keeps to itself. */
static int look_at(const char *path, struct rw_store_file *out,
		   char error[RW_STORE_FILE_ERROR_BYTES])
{
	rw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &out->before) != 0)
		return refuse(error, -errno, strerror(errno));
	if (!S_ISREG(out->before.st_mode))
		return refuse(error, -EINVAL, "this is no regular file");
	/* SQLite names what lies beside it after the file itself, not after a link to it. */
	out->path = realpath(path, NULL);
	return out->path == NULL ? refuse(error, -errno, strerror(errno)) : 0;
}

static bool has_beside(const char *path, const char *suffix, bool also_empty)
{
	char name[PATH_MAX + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 && (also_empty || st.st_size > 0);
}

static void make_uri(const struct rw_store_file *file, char uri[URI_BYTES])
{
	size_t used = (size_t)snprintf(uri, URI_BYTES, "file:");

	for (const char *at = file->path; *at != '\0'; at++) {
		bool plain = strchr("?#%", *at) == NULL;
		used += (size_t)snprintf(uri + used, URI_BYTES - used, plain ? "%c" : "%%%02x",
					 (unsigned char)*at);
	}
	snprintf(uri + used, URI_BYTES - used, file->is_still ? "?immutable=1" : "?mode=ro");
}

int rw_store_file_open(const char *path, struct rw_store_file *out,
		       char error[RW_STORE_FILE_ERROR_BYTES])
{
	char uri[URI_BYTES];

	*out = (struct rw_store_file){0};
	int err = look_at(path, out, error);
	if (err != 0)
		return err;
	out->is_still =
		!has_beside(out->path, "-wal", false) && !has_beside(out->path, "-shm", true);
	make_uri(out, uri);

	int code = sqlite3_open_v2(
		uri, &out->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(out->db, BUSY_MS);
		code = sqlite3_exec(out->db, "PRAGMA trusted_schema=OFF", NULL, NULL, NULL);
	}
	if (code == SQLITE_OK)
		return 0;
	return refuse(error, code == SQLITE_NOMEM ? -ENOMEM : -EIO,
		      out->db == NULL ? "out of memory" : sqlite3_errmsg(out->db));
}

void rw_store_file_close(struct rw_store_file *file)
{
	sqlite3_close(file->db);
	free(file->path);
	*file = (struct rw_store_file){0};
}

bool rw_store_file_is_sound(const struct rw_store_file *file)
{
	struct stat now;

	return !file->is_still ||
	       (stat(file->path, &now) == 0 && now.st_ino == file->before.st_ino &&
		now.st_size == file->before.st_size &&
		now.st_mtim.tv_sec == file->before.st_mtim.tv_sec &&
		now.st_mtim.tv_nsec == file->before.st_mtim.tv_nsec);
}
