/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small files of the state directory: lines of `key=value` in a fixed
 * order, each of which must stand. Readers take one line after another; a file
 * that does not read so is damaged, and is set aside under another name.
 */
#ifndef RINGWATCH_SENSOR_STATEFILE_H
#define RINGWATCH_SENSOR_STATEFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum { RW_STATE_FILE_BYTES = 4096, RW_STATE_LINE_BYTES = 256 };

/* Each takes the line `key=…` off the front of *at; false, and *at stays, when
 * another line stands there or its value is none of that kind. */
bool rw_state_take_line(const char **at, const char *key, char value[RW_STATE_LINE_BYTES]);
bool rw_state_take_number(const char **at, const char *key, uint64_t *out);
/* `names` ends with NULL; "" is a name that is never written. */
bool rw_state_take_choice(const char **at, const char *key, const char *const *names, int *out);
bool rw_state_take_boot_id(const char **at, const char *key, bool may_be_empty,
			   char out[RW_BOOT_ID_LENGTH + 1]);

/* "FOLDER/NAME"; 0 or -ENAMETOOLONG. */
int rw_state_path(const char *folder, const char *name, char out[PATH_MAX]);
/* A whole file into new memory that the caller frees; -EFBIG when it cannot be one of these. */
int rw_state_read(const char *folder, const char *name, char **out);
/* Renames NAME to NAME.damaged. */
int rw_state_set_aside(const char *folder, const char *name);

#endif
