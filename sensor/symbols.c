/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of kernel addresses; see symbols.h. One pass over kallsyms per call
 * keeps, for each address, the nearest text symbol at or below it: nothing is
 * sorted or stored, so a host with 200,000 symbols costs no memory.
 */
#include "sensor/symbols.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

enum {
	LINE_BYTES = 1024, /* KSYM_NAME_LEN is 512 at most */
	/* No function is longer: what lies further off belongs to something that
	 * kallsyms does not know. */
	REACH = 1024 * 1024,
};

struct line {
	uint64_t address;
	const char *name;
	const char *module; /* "" or "name]" */
};

/* "ffffffff81000000 T _stext" or "… t crash_write\t[crash]"; text symbols only.
 * Cuts `text` up. */
static bool parse_line(char *text, struct line *out)
{
	char *end;

	errno = 0;
	out->address = strtoull(text, &end, 16);
	if (errno != 0 || end == text || end[0] != ' ' || end[1] == '\0' ||
	    strchr("tTwW", end[1]) == NULL || end[2] != ' ')
		return false;

	char *name = end + 3;
	size_t length = strcspn(name, "\t\n ");
	if (length == 0)
		return false;
	char *rest = name + length;
	out->name = name;
	out->module = "";
	if (rest[0] == '\t' && rest[1] == '[') {
		rest[1 + 1 + strcspn(rest + 2, "]\n")] = '\0';
		out->module = rest + 2;
	}
	name[length] = '\0';
	return true;
}

struct nearest {
	uint64_t address; /* of the symbol; meaningful when `found` */
	bool found;
};

static void offer(const struct line *line, uint64_t address, struct nearest *nearest,
		  struct rw_symbol *out)
{
	if (line->address > address || address - line->address >= REACH)
		return;
	if (nearest->found && line->address <= nearest->address)
		return; /* of aliases the first, as the kernel does */
	nearest->found = true;
	nearest->address = line->address;

	/* The name is cut, never the offset. */
	char offset[24];
	int length = snprintf(offset, sizeof(offset), "+0x%" PRIx64, address - line->address);
	snprintf(out->symbol, sizeof(out->symbol), "%.*s%s", RW_SYMBOL_MAX - length, line->name,
		 offset);
	snprintf(out->module, sizeof(out->module), "%.*s", RW_MODULE_NAME_MAX, line->module);
}

int rw_symbols_resolve_from(const char *path, const uint64_t *addresses, uint32_t count,
			    struct rw_symbol *out)
{
	struct nearest nearest[RW_SYMBOLS_RESOLVE_MAX] = {0};
	char text[LINE_BYTES];
	bool hidden = true;
	int resolved = 0;

	if (count > RW_SYMBOLS_RESOLVE_MAX)
		return -EINVAL;
	rw_autofclose FILE *file = fopen(path, "re");
	if (file == NULL)
		return -errno;

	memset(out, 0, count * sizeof(*out));
	while (fgets(text, sizeof(text), file) != NULL) {
		struct line line;
		if (!parse_line(text, &line) || line.address == 0)
			continue;
		hidden = false;
		for (uint32_t i = 0; i < count; i++)
			offer(&line, addresses[i], &nearest[i], &out[i]);
	}
	if (ferror(file))
		return -EIO;
	if (hidden)
		return -EACCES;
	for (uint32_t i = 0; i < count; i++)
		resolved += nearest[i].found;
	return resolved;
}

int rw_symbols_resolve(const uint64_t *addresses, uint32_t count, struct rw_symbol *out)
{
	return rw_symbols_resolve_from("/proc/kallsyms", addresses, count, out);
}
