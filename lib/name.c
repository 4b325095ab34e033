/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/name.h"

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool rw_name_is_valid(const char *name, size_t length)
{
	if (length == 0 || length > RW_NAME_MAX || !is_alphanumeric(name[0]))
		return false;
	for (size_t i = 1; i < length; i++) {
		char c = name[i];
		if (!is_alphanumeric(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}
