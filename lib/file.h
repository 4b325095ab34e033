/* SPDX-License-Identifier: Apache-2.0 */
/* Small files, whole and durable. All return 0 or negative errno. */
#ifndef RINGWATCH_LIB_FILE_H
#define RINGWATCH_LIB_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* Reads a whole file of at most `max` bytes into a new NUL-terminated buffer
 * that the caller frees; -EFBIG when it is larger. Works for /proc and /sys. */
int rw_file_read(const char *path, size_t max, char **out, size_t *out_length);

/* Replaces a file as one step that survives a power cut: temporary file beside
 * it, fsync, rename, fsync of the folder. The old content stays on any error. */
int rw_file_replace(const char *path, const void *bytes, size_t length, mode_t mode);

/* mkdir -p; an existing folder keeps its mode. */
int rw_file_make_folder(const char *path, mode_t mode);

/* write(2) until all is written. */
int rw_file_write_all(int fd, const void *bytes, size_t length);

#endif
