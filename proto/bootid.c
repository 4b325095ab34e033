/* SPDX-License-Identifier: Apache-2.0 */
/* Text and bytes of a boot id; see bootid.h. */
#include "proto/bootid.h"

#include <errno.h>
#include <string.h>

#include "lib/hex.h"

static bool is_dash_place(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool rw_boot_id_is_valid(const char *text, size_t length)
{
	if (length != RW_BOOT_ID_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (is_dash_place(i) ? text[i] != '-' : rw_hex_value(text[i]) < 0)
			return false;
	}
	return true;
}

int rw_boot_id_parse(const char *text, uint8_t out[16])
{
	size_t nibble = 0;

	if (!rw_boot_id_is_valid(text, strnlen(text, RW_BOOT_ID_LENGTH + 1)))
		return -EINVAL;
	for (size_t i = 0; i < RW_BOOT_ID_LENGTH; i++) {
		if (is_dash_place(i))
			continue;
		unsigned value = (unsigned)rw_hex_value(text[i]);
		if (nibble % 2 == 0)
			out[nibble / 2] = (uint8_t)(value << 4);
		else
			out[nibble / 2] = (uint8_t)(out[nibble / 2] | value);
		nibble++;
	}
	return 0;
}

char *rw_boot_id_format(const uint8_t id[16], char out[RW_BOOT_ID_LENGTH + 1])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < 16; i++) {
		if (is_dash_place(at))
			out[at++] = '-';
		out[at++] = hex[id[i] >> 4];
		out[at++] = hex[id[i] & 15];
	}
	out[at] = '\0';
	return out;
}
