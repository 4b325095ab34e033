/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/match.h"

#include <string.h>

#include "lib/name.h"

/* As lsmod writes it: a name with a dash, which none has there, would never match. */
bool rw_match_is_module(const char *text)
{
	size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789_");

	return length >= 1 && length <= RW_NAME_MAX && text[length] == '\0';
}

const char *rw_match_fault(const char *text)
{
	static const char marker[] = "marker:";
	static const char module[] = "module:";

	if (strcmp(text, "kernel") == 0)
		return NULL;
	if (strncmp(text, marker, sizeof(marker) - 1) == 0) {
		text += sizeof(marker) - 1;
		return rw_name_is_valid(text, strlen(text)) ? NULL
							    : "behind marker: " RW_NAME_EXPECTED;
	}
	if (strncmp(text, module, sizeof(module) - 1) == 0)
		return rw_match_is_module(text + sizeof(module) - 1)
			       ? NULL
			       : "behind module: 1 to 63 of A-Z a-z 0-9 _, as lsmod writes it";
	return "kernel, marker:NAME or module:NAME";
}
