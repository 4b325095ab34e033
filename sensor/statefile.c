/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of state files; see statefile.h. */
#include "sensor/statefile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/file.h"
#include "lib/units.h"
#include "proto/bootid.h"

bool rw_state_take_line(const char **at, const char *key, char value[RW_STATE_LINE_BYTES])
{
	size_t length = strlen(key);

	if (strncmp(*at, key, length) != 0 || (*at)[length] != '=')
		return false;
	const char *from = *at + length + 1;
	const char *end = strchr(from, '\n');
	if (end == NULL || end - from >= RW_STATE_LINE_BYTES)
		return false;
	memcpy(value, from, (size_t)(end - from));
	value[end - from] = '\0';
	*at = end + 1;
	return true;
}

bool rw_state_take_number(const char **at, const char *key, uint64_t *out)
{
	char value[RW_STATE_LINE_BYTES];
	const char *next = *at;

	if (!rw_state_take_line(&next, key, value) || rw_units_parse_uint(value, out) != 0)
		return false;
	*at = next;
	return true;
}

bool rw_state_take_choice(const char **at, const char *key, const char *const *names, int *out)
{
	char value[RW_STATE_LINE_BYTES];
	const char *next = *at;

	if (!rw_state_take_line(&next, key, value))
		return false;
	for (int i = 0; names[i] != NULL; i++) {
		if (names[i][0] != '\0' && strcmp(names[i], value) == 0) {
			*out = i;
			*at = next;
			return true;
		}
	}
	return false;
}

bool rw_state_take_boot_id(const char **at, const char *key, bool may_be_empty,
			   char out[RW_BOOT_ID_LENGTH + 1])
{
	char value[RW_STATE_LINE_BYTES];
	const char *next = *at;

	if (!rw_state_take_line(&next, key, value))
		return false;
	size_t length = strlen(value);
	if (!(may_be_empty && length == 0) && !rw_boot_id_is_valid(value, length))
		return false;
	memcpy(out, value, length + 1);
	*at = next;
	return true;
}

int rw_state_path(const char *folder, const char *name, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int rw_state_read(const char *folder, const char *name, char **out)
{
	char path[PATH_MAX];
	int err = rw_state_path(folder, name, path);

	return err != 0 ? err : rw_file_read(path, RW_STATE_FILE_BYTES, out, NULL);
}

int rw_state_set_aside(const char *folder, const char *name)
{
	char path[PATH_MAX];
	char aside[PATH_MAX];
	char damaged[64];
	int n = snprintf(damaged, sizeof(damaged), "%s.damaged", name);

	if (n < 0 || (size_t)n >= sizeof(damaged))
		return -ENAMETOOLONG;
	int err = rw_state_path(folder, name, path);
	if (err == 0)
		err = rw_state_path(folder, damaged, aside);
	if (err == 0 && rename(path, aside) != 0)
		err = -errno;
	return err;
}
