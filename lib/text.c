/* SPDX-License-Identifier: Apache-2.0 */
/* Escaping of foreign text; see text.h. */
#include "lib/text.h"

#include <string.h>

size_t rw_utf8_length(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t need;
	uint32_t value;

	if (length == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		need = 2;
		value = s[0] & 0x1fu;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		need = 3;
		value = s[0] & 0x0fu;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		need = 4;
		value = s[0] & 0x07u;
	} else {
		return 0;
	}
	if (length < need)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (s[i] & 0x3fu);
	}

	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	if (value < least[need] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return need;
}

bool rw_text_is_clean(const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		size_t n = rw_utf8_length(text + i, length - i);
		if (n == 0 || text[i] == '\0')
			return false;
		i += n;
	}
	return true;
}

/* U+0080…9F (C1), U+200E/F and U+202A…E and U+2066…9 (bidi), U+2028/9, U+061C. */
static bool is_unsafe_character(const unsigned char *s, size_t n)
{
	if (n == 1)
		return s[0] < 0x20 || s[0] == 0x7f;
	if (n == 2)
		return (s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xd8 && s[1] == 0x9c);
	if (n == 3 && s[0] == 0xe2 && s[1] == 0x80)
		return s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae);
	if (n == 3 && s[0] == 0xe2 && s[1] == 0x81)
		return s[2] >= 0xa6 && s[2] <= 0xa9;
	return false;
}

static size_t copy_escaped(char *out, size_t size, const char *text, size_t length, bool for_people)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	if (size == 0)
		return 0;
	for (size_t i = 0; i < length;) {
		size_t n = rw_utf8_length(text + i, length - i);
		const unsigned char *s = (const unsigned char *)text + i;
		bool plain = n != 0 && s[0] != '\0' && !(for_people && is_unsafe_character(s, n));

		if (plain) {
			if (used + n >= size)
				break;
			memcpy(out + used, s, n);
			used += n;
			i += n;
			continue;
		}
		size_t bytes = n == 0 ? 1 : n;
		if (used + 4 * bytes >= size)
			break;
		for (size_t k = 0; k < bytes; k++) {
			out[used++] = '\\';
			out[used++] = 'x';
			out[used++] = hex[s[k] >> 4];
			out[used++] = hex[s[k] & 15];
		}
		i += bytes;
	}
	out[used] = '\0';
	return used;
}

size_t rw_text_escape(char *out, size_t size, const char *text, size_t length)
{
	return copy_escaped(out, size, text, length, true);
}

size_t rw_text_to_utf8(char *out, size_t size, const char *text, size_t length)
{
	return copy_escaped(out, size, text, length, false);
}
