/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"

int rw_file_read(const char *path, size_t max, char **out, size_t *out_length)
{
	rw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 4096 < max ? 4096 : max;
	size_t used = 0;

	if (fd < 0)
		return -errno;
	rw_autofree char *bytes = malloc(size + 1);
	if (bytes == NULL)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, bytes + used, size + 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used <= size)
			continue;
		if (size == max)
			return -EFBIG;
		size = size > max / 2 ? max : size * 2;
		char *larger = realloc(bytes, size + 1);
		if (larger == NULL)
			return -ENOMEM;
		bytes = larger;
	}
	bytes[used] = '\0';
	*out = bytes;
	bytes = NULL;
	if (out_length != NULL)
		*out_length = used;
	return 0;
}

int rw_file_write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t n = write(fd, at, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

static int sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);

	if (length >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, slash == NULL ? "." : path, length);
	folder[length] = '\0';

	rw_autoclose int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return -errno;
	return 0;
}

int rw_file_replace(const char *path, const void *bytes, size_t length, mode_t mode)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof(temporary), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return -ENAMETOOLONG;
	rw_autoclose int fd =
		open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	/* A file left by a crash may have another mode, and a key must not be read by others. */
	int err = fchmod(fd, mode) != 0 ? -errno : rw_file_write_all(fd, bytes, length);
	if (err == 0 && fsync(fd) != 0)
		err = -errno;
	if (err == 0 && rename(temporary, path) != 0)
		err = -errno;
	if (err != 0) {
		unlink(temporary);
		return err;
	}
	return sync_folder_of(path);
}

int rw_file_make_folder(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length == 0)
		return -ENOENT;
	if (length >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, length + 1);
	for (size_t i = 1; i <= length; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		char kept = part[i];
		part[i] = '\0';
		if (mkdir(part, mode) != 0 && errno != EEXIST)
			return -errno;
		part[i] = kept;
	}
	struct stat st;
	if (stat(path, &st) != 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}
