/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own form of a code address; see symbol.h. */
#include "lib/events/symbol.h"

#include <stdio.h>
#include <string.h>

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '$' || c == '-';
}

static bool is_hex_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t span_of(const char *text, bool (*accept)(char))
{
	size_t length = 0;

	while (accept(text[length]))
		length++;
	return length;
}

/* Length of "0x1f" at `text`, or 0. */
static size_t hex_length(const char *text)
{
	if (text[0] != '0' || text[1] != 'x')
		return 0;
	size_t digits = span_of(text + 2, is_hex_byte);
	return digits > 0 ? digits + 2 : 0;
}

static void parse_module(const char *text, struct rw_symbol *out)
{
	if (text[0] != ' ' || text[1] != '[')
		return;
	const char *name = text + 2;
	size_t length = span_of(name, is_name_byte);

	/* A build id may stand behind the name: "[crash 0123abcd]". */
	if (length == 0 || length > RW_MODULE_NAME_MAX ||
	    (name[length] != ']' && name[length] != ' '))
		return;
	memcpy(out->module, name, length);
	out->module[length] = '\0';
}

bool rw_symbol_parse(const char *text, struct rw_symbol *out)
{
	memset(out, 0, sizeof(*out));

	size_t name = span_of(text, is_name_byte);
	if (name == 0 || (text[0] >= '0' && text[0] <= '9'))
		return false;

	size_t used = name;
	if (text[used] == '+') {
		size_t offset = hex_length(text + used + 1);
		used = offset > 0 ? used + 1 + offset : used;
	}
	size_t symbol = used;
	if (text[used] == '/')
		used += 1 + span_of(text + used + 1, is_name_byte); /* perhaps cut: "/0x" */

	/* Cut short by the record, or followed by a blank; else it is no symbol. */
	if (text[used] != '\0' && text[used] != ' ' && text[used] != '+' && text[used] != '\n')
		return false;
	if (symbol > RW_SYMBOL_MAX)
		symbol = RW_SYMBOL_MAX;
	memcpy(out->symbol, text, symbol);
	out->symbol[symbol] = '\0';
	parse_module(text + used, out);
	return true;
}

char *rw_symbol_format(const struct rw_symbol *symbol, char *out, size_t size)
{
	if (symbol->module[0] != '\0')
		snprintf(out, size, "%s [%s]", symbol->symbol, symbol->module);
	else
		snprintf(out, size, "%s", symbol->symbol);
	return out;
}
