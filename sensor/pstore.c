/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where records lie, and the archive; see pstore.h. First all names are looked
 * at, then the newest files are read, then dump.c puts them together.
 */
#include "sensor/pstore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum {
	ENTRIES_MAX = 4096, /* names of one folder that are looked at */
	SYSTEMD_DEPTH = 2,  /* TIME/NUMBER/ */
	CRASH_DEPTH = 1,    /* DATE/ */
	HASH_BYTES = 16,    /* of SHA-256, in a name */
	NAME_BYTES = 128,
	PSTORE_MAGIC = 0x6165676c, /* linux/magic.h */
};

static const char archive_name[] = "archive";

struct found {
	char path[RW_PSTORE_PATH_BYTES];
	enum rw_dump_place place;
	uint64_t mtime_ms;
	uint64_t bytes;
};

struct search {
	const char *root;
	enum rw_dump_place place;
	size_t count;
	struct found *found; /* RW_PSTORE_FILES_MAX, the newest so far */
	uint32_t ignored;
	bool store_read;
	uint32_t in_store;
};

/* ---- looking for files ------------------------------------------------------------- */

/* Nobody but root and whoever runs this can have written it. */
static bool is_trusted(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) && (st->st_mode & S_IWOTH) == 0 &&
	       ((st->st_mode & S_IWGRP) == 0 || st->st_gid == 0 || st->st_gid == getegid());
}

static uint64_t mtime_ms(const struct stat *st)
{
	if (st->st_mtim.tv_sec < 0)
		return 0;
	return (uint64_t)st->st_mtim.tv_sec * 1000 + (uint64_t)st->st_mtim.tv_nsec / 1000000;
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* Of a crash kernel's folder its log alone is of interest, and the core is no foreign file. */
static bool is_crash_log(const char *name)
{
	return strcmp(name, "vmcore-dmesg.txt") == 0 ||
	       strcmp(name, "vmcore-dmesg-incomplete.txt") == 0 || begins(name, "dmesg.");
}

/* When there are too many the oldest is left out. */
static void remember(struct search *s, const struct found *f)
{
	size_t oldest = 0;

	if (s->count < RW_PSTORE_FILES_MAX) {
		s->found[s->count++] = *f;
		return;
	}
	s->ignored++;
	for (size_t i = 1; i < s->count; i++) {
		if (s->found[i].mtime_ms < s->found[oldest].mtime_ms)
			oldest = i;
	}
	if (f->mtime_ms > s->found[oldest].mtime_ms)
		s->found[oldest] = *f;
}

/* A second name could be given by somebody else. */
static bool is_trusted_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1 && is_trusted(st);
}

static void consider(struct search *s, const char *folder, const char *name, const struct stat *st)
{
	struct found f = {
		.place = s->place,
		.mtime_ms = mtime_ms(st),
		.bytes = (uint64_t)st->st_size,
	};
	int n = snprintf(f.path, sizeof(f.path), "%s%s/%s", s->root, folder, name);

	if (s->place == RW_DUMP_IN_CRASH && !is_crash_log(name))
		return;
	if (n < 0 || (size_t)n >= sizeof(f.path) || !is_trusted_file(st)) {
		s->ignored++;
		return;
	}
	if (s->place == RW_DUMP_IN_STORE && begins(name, "dmesg-"))
		s->in_store++;
	remember(s, &f);
}

static void walk(struct search *s, int parent, const char *folder, const char *name, int depth);

static void walk_entries(struct search *s, DIR *dir, const char *folder, int depth)
{
	const struct dirent *entry;
	struct stat st;

	for (int i = 0; i < ENTRIES_MAX && (entry = readdir(dir)) != NULL; i++) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue; /* gone meanwhile */
		if (S_ISREG(st.st_mode))
			consider(s, folder, name, &st);
		else if (S_ISDIR(st.st_mode) && depth > 0)
			walk(s, dirfd(dir), folder, name, depth - 1);
		else
			s->ignored++;
	}
}

/* The folder `name` below `folder`, which is open as `parent`. */
static void walk(struct search *s, int parent, const char *folder, const char *name, int depth)
{
	char below[RW_PSTORE_PATH_BYTES];
	struct stat st;
	int n = snprintf(below, sizeof(below), "%s/%s", folder, name);
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		s->ignored++;
		return;
	}
	if (n > 0 && (size_t)n < sizeof(below) && fstat(fd, &st) == 0 && is_trusted(&st))
		walk_entries(s, dir, below, depth);
	else
		s->ignored++;
	closedir(dir);
}

/* The place itself may be a link: an administrator put it there. Anybody may
 * write to /var/crash, so its own mode is not asked for, but that of what is in it. */
static void search_place(struct search *s, enum rw_dump_place place, const char *folder, int depth)
{
	char path[RW_PSTORE_PATH_BYTES];
	struct statfs fs;
	int n = snprintf(path, sizeof(path), "%s%s", s->root, folder);

	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return;
	/* an empty folder on which nothing is mounted is not an empty store */
	if (place == RW_DUMP_IN_STORE)
		s->store_read = s->root[0] != '\0' ||
				(fstatfs(dirfd(dir), &fs) == 0 && fs.f_type == PSTORE_MAGIC);
	s->place = place;
	walk_entries(s, dir, folder, depth);
	closedir(dir);
}

/* ---- reading them --------------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
	const struct found *left = a;
	const struct found *right = b;

	if (left->mtime_ms != right->mtime_ms)
		return left->mtime_ms > right->mtime_ms ? -1 : 1;
	return strcmp(left->path, right->path);
}

static ssize_t read_all(int fd, char *bytes, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, bytes + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

/* A whole record, or the end of a long log. False when it is not what was found. */
static bool read_found(const struct found *f, size_t most, struct rw_dump_file *out)
{
	struct stat st;
	rw_autoclose int fd = open(f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0 || !is_trusted_file(&st))
		return false;
	size_t size = st.st_size > 0 ? (size_t)st.st_size : 0;
	bool cut = size > most;
	if (cut && lseek(fd, (off_t)(size - most), SEEK_SET) < 0)
		return false;
	size = cut ? most : size;
	rw_autofree char *bytes = malloc(size + 1);
	if (bytes == NULL)
		return false;
	ssize_t n = read_all(fd, bytes, size);
	if (n <= 0)
		return false;
	*out = (struct rw_dump_file){f->path, f->place, f->mtime_ms, bytes, (size_t)n, cut};
	bytes = NULL;
	return true;
}

/* Only a log may lose its beginning; a record's is its head. */
static bool is_log(const struct found *f)
{
	const char *name = strrchr(f->path, '/') + 1;

	return f->place == RW_DUMP_IN_CRASH || begins(name, "console-");
}

static void read_files(struct search *s, struct rw_dump_file *files, struct rw_dumps *out)
{
	size_t count = 0;
	size_t left = RW_PSTORE_READ_BYTES_MAX;

	qsort(s->found, s->count, sizeof(s->found[0]), by_age);
	for (size_t i = 0; i < s->count; i++) {
		const struct found *f = &s->found[i];
		size_t most = left < RW_PSTORE_FILE_BYTES_MAX ? left : RW_PSTORE_FILE_BYTES_MAX;
		if ((f->bytes > most && !is_log(f)) || most == 0 ||
		    !read_found(f, most, &files[count])) {
			s->ignored++;
			continue;
		}
		left -= files[count++].length;
	}
	rw_dump_assemble(files, count, out);
	for (size_t i = 0; i < count; i++)
		free((char *)(uintptr_t)files[i].bytes);
}

void rw_pstore_read(const char *root, struct rw_dumps *out)
{
	struct search s = {.root = root};
	rw_autofree struct found *found = calloc(RW_PSTORE_FILES_MAX, sizeof(*found));
	rw_autofree struct rw_dump_file *files = calloc(RW_PSTORE_FILES_MAX, sizeof(*files));

	*out = (struct rw_dumps){0};
	if (found == NULL || files == NULL)
		return;
	s.found = found;
	search_place(&s, RW_DUMP_IN_STORE, "/sys/fs/pstore", 0);
	search_place(&s, RW_DUMP_IN_SYSTEMD, "/var/lib/systemd/pstore", SYSTEMD_DEPTH);
	search_place(&s, RW_DUMP_IN_CRASH, "/var/crash", CRASH_DEPTH);
	read_files(&s, files, out);
	out->ignored += s.ignored;
	out->store_read = s.store_read;
	out->in_store = s.in_store;
}

void rw_pstore_backend(const char *root, char *out, size_t size)
{
	char path[PATH_MAX];
	rw_autofree char *text = NULL;
	int n = snprintf(path, sizeof(path), "%s/sys/module/pstore/parameters/backend", root);

	out[0] = '\0';
	if (n < 0 || (size_t)n >= sizeof(path) || rw_file_read(path, 256, &text, NULL) != 0)
		return;
	size_t length = strcspn(text, "\n");
	for (size_t i = 0; i < length; i++) {
		bool plain = (text[i] >= 'a' && text[i] <= 'z') ||
			     (text[i] >= '0' && text[i] <= '9') || text[i] == '_' || text[i] == '-';
		if (!plain)
			return; /* "(null)" */
	}
	if (length > 0 && length < size) {
		memcpy(out, text, length);
		out[length] = '\0';
	}
}

/* ---- the archive ------------------------------------------------------------------------- */

static int archive_path(const char *folder, const char *name, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s%s%s", folder, archive_name,
			 name[0] != '\0' ? "/" : "", name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* "panic-2-0123…cdef.txt": for people the reason, for the sensor the content. */
static int name_of_content(const struct rw_dump *dump, char out[NAME_BYTES])
{
	static const char *const words[] = {
		[RW_DUMP_PANIC] = "panic",         [RW_DUMP_OOPS] = "oops",
		[RW_DUMP_EMERGENCY] = "emergency", [RW_DUMP_SHUTDOWN] = "shutdown",
		[RW_DUMP_CONSOLE] = "console",     [RW_DUMP_OTHER] = "other",
	};
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * HASH_BYTES + 1];
	unsigned int length = 0;

	if (EVP_Digest(dump->text, dump->length, digest, &length, EVP_sha256(), NULL) != 1 ||
	    length < HASH_BYTES)
		return -EIO;
	for (size_t i = 0; i < HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	int n = snprintf(out, NAME_BYTES, "%s-%u-%s.txt", words[dump->reason], dump->count, hex);
	return n < 0 || n >= NAME_BYTES ? -ENAMETOOLONG : 0;
}

static int path_of_content(const char *folder, const struct rw_dump *dump, char out[PATH_MAX])
{
	char name[NAME_BYTES];
	int err = name_of_content(dump, name);

	return err != 0 ? err : archive_path(folder, name, out);
}

bool rw_pstore_is_known(const char *folder, const struct rw_dump *dump)
{
	char path[PATH_MAX];
	struct stat st;

	return path_of_content(folder, dump, path) == 0 && lstat(path, &st) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == dump->length;
}

struct kept {
	char name[NAME_BYTES];
	uint64_t bytes;
	uint64_t seen_ms;
};

/* What lies in the archive; its number, and its bytes in all. */
static size_t list_archive(DIR *dir, struct kept *kept, uint64_t *bytes)
{
	const struct dirent *entry;
	struct stat st;
	size_t count = 0;

	*bytes = 0;
	while (count < RW_PSTORE_ARCHIVE_FILES_MAX && (entry = readdir(dir)) != NULL) {
		size_t length = strlen(entry->d_name);
		if (length >= NAME_BYTES ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		memcpy(kept[count].name, entry->d_name, length + 1);
		kept[count].bytes = (uint64_t)st.st_size;
		kept[count].seen_ms = mtime_ms(&st);
		*bytes += kept[count++].bytes;
	}
	return count;
}

/* What was longest not seen goes, until `coming` bytes fit. */
static int make_room(const char *path, uint64_t coming)
{
	rw_autofree struct kept *kept = calloc(RW_PSTORE_ARCHIVE_FILES_MAX, sizeof(*kept));
	DIR *dir = opendir(path);
	uint64_t bytes;
	int err = 0;

	if (dir == NULL || kept == NULL) {
		err = dir == NULL ? -errno : -ENOMEM;
		if (dir != NULL)
			closedir(dir);
		return err;
	}
	size_t count = list_archive(dir, kept, &bytes);
	while (count > 0 && err == 0 &&
	       (bytes + coming > RW_PSTORE_ARCHIVE_BYTES_MAX ||
		count == RW_PSTORE_ARCHIVE_FILES_MAX)) {
		size_t oldest = 0;
		for (size_t i = 1; i < count; i++) {
			if (kept[i].seen_ms < kept[oldest].seen_ms)
				oldest = i;
		}
		if (unlinkat(dirfd(dir), kept[oldest].name, 0) != 0 && errno != ENOENT)
			err = -errno;
		bytes -= kept[oldest].bytes;
		kept[oldest] = kept[--count];
	}
	closedir(dir);
	return err;
}

static int sync_folder(const char *path)
{
	rw_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) != 0 ? -errno : 0;
}

int rw_pstore_archive(const char *folder, const struct rw_dump *dump)
{
	char path[PATH_MAX];
	char archive[PATH_MAX];
	int err = path_of_content(folder, dump, path);

	if (err == 0)
		err = archive_path(folder, "", archive);
	if (err != 0)
		return err;
	if (rw_pstore_is_known(folder, dump))
		return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
	err = rw_file_make_folder(archive, 0700);
	if (err == 0)
		err = make_room(archive, dump->length);
	if (err == 0)
		err = rw_file_replace(path, dump->text, dump->length, 0600);
	return err == 0 ? sync_folder(folder) : err;
}

int rw_pstore_remove(const struct rw_dump *dump)
{
	int err = 0;

	for (uint32_t i = 0; i < dump->file_count && dump->place != RW_DUMP_IN_CRASH; i++) {
		if (unlink(dump->files[i]) != 0 && errno != ENOENT && err == 0)
			err = -errno;
	}
	return err;
}
