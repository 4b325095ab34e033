/* SPDX-License-Identifier: Apache-2.0 */
/* The file's text is kept as it was read, cut into words in place; an array of
 * pointers into it is sorted once. */
#include "collector/inventory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/name.h"
#include "lib/text.h"

enum {
	BYTES_MAX = 256 << 20, /* a million of the longest lines, and as much in comments */
	SHOWN_BYTES = 80,      /* of a wrong word */
	FIRST_ROOM = 1024,
};

struct listed {
	const char *host;
	uint32_t line;
	uint32_t ring;
};

struct rw_inventory {
	char *text;
	struct listed *hosts; /* by name */
	uint32_t count, room;
	uint32_t ring_count;
	char rings[RW_CORE_RINGS_MAX][RW_CORE_NAME_BYTES];
};

__attribute__((format(printf, 4, 5))) static int
refuse(char error[RW_CONF_ERROR_BYTES], const char *path, uint32_t line, const char *fmt, ...)
{
	va_list args;
	int n = snprintf(error, RW_CONF_ERROR_BYTES, "%.256s:%u: ", path, (unsigned)line);

	va_start(args, fmt);
	vsnprintf(error + n, RW_CONF_ERROR_BYTES - (size_t)n, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int find_ring(const struct rw_inventory *inventory, const char *name)
{
	for (uint32_t i = 0; i < inventory->ring_count; i++) {
		if (strcmp(inventory->rings[i], name) == 0)
			return (int)i;
	}
	return -1;
}

static bool make_room(struct rw_inventory *inventory)
{
	if (inventory->count < inventory->room)
		return true;
	uint32_t room = inventory->room == 0 ? FIRST_ROOM : 2 * inventory->room;
	struct listed *grown = realloc(inventory->hosts, room * sizeof(*grown));
	if (grown == NULL)
		return false;
	inventory->hosts = grown;
	inventory->room = room;
	return true;
}

static int take_line(struct rw_inventory *inventory, const char *path, uint32_t number, char *line,
		     char error[RW_CONF_ERROR_BYTES])
{
	static const char blanks[] = " \t\r";
	char shown[SHOWN_BYTES];
	char *rest = NULL;
	const char *host = strtok_r(line, blanks, &rest);
	const char *ring = strtok_r(NULL, blanks, &rest);

	if (host == NULL || *host == '#')
		return 0;
	if (ring == NULL || strtok_r(NULL, blanks, &rest) != NULL)
		return refuse(error, path, number, "host: expected HOST RING, and nothing else");
	if (!rw_name_is_valid(host, strlen(host))) {
		rw_text_escape(shown, sizeof(shown), host, strlen(host));
		return refuse(error, path, number, "host: '%s' is no name, expected %s", shown,
			      RW_NAME_EXPECTED);
	}
	int at = find_ring(inventory, ring);
	if (at < 0) {
		rw_text_escape(shown, sizeof(shown), ring, strlen(ring));
		return refuse(error, path, number, "ring: '%s' is not in the policy", shown);
	}
	if (inventory->count == RW_INVENTORY_HOSTS_MAX)
		return refuse(error, path, number, "host: one too many, expected at most %d",
			      RW_INVENTORY_HOSTS_MAX);
	if (!make_room(inventory)) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%.256s: out of memory", path);
		return -ENOMEM;
	}
	inventory->hosts[inventory->count++] =
		(struct listed){.host = host, .line = number, .ring = (uint32_t)at};
	return 0;
}

static int by_name(const void *left, const void *right)
{
	const struct listed *a = left;
	const struct listed *b = right;
	int order = strcmp(a->host, b->host);

	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static int check_once(const struct rw_inventory *inventory, const char *path,
		      char error[RW_CONF_ERROR_BYTES])
{
	for (uint32_t i = 1; i < inventory->count; i++) {
		const struct listed *first = &inventory->hosts[i - 1];
		const struct listed *again = &inventory->hosts[i];

		if (strcmp(first->host, again->host) == 0)
			return refuse(error, path, again->line,
				      "host: '%s' stands in line %u already, expected once",
				      again->host, (unsigned)first->line);
	}
	return 0;
}

static int parse(struct rw_inventory *inventory, const char *path, size_t length,
		 char error[RW_CONF_ERROR_BYTES])
{
	const char *end = inventory->text + length;
	char *rest = inventory->text;
	uint32_t number = 0;
	int err = 0;

	while (err == 0 && rest < end) {
		char *line = rest;
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (stop == NULL)
			stop = line + (end - line);
		else
			*stop = '\0';
		number++;
		if (strlen(line) != (size_t)(stop - line))
			return refuse(error, path, number, "host: a NUL byte stands there");
		err = take_line(inventory, path, number, line, error);
		rest = stop + 1;
	}
	if (err != 0)
		return err;
	if (inventory->count == 0)
		/* Far more likely a file that was cut short than a fleet without hosts. */
		return refuse(error, path, number == 0 ? 1 : number,
			      "host: none stands there, expected at least one HOST RING");
	qsort(inventory->hosts, inventory->count, sizeof(inventory->hosts[0]), by_name);
	return check_once(inventory, path, error);
}

int rw_inventory_load(const char *path, const struct rw_policy *policy, struct rw_inventory **out,
		      char error[RW_CONF_ERROR_BYTES])
{
	struct rw_inventory *inventory = calloc(1, sizeof(*inventory));
	size_t length = 0;

	if (inventory == NULL) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%.256s: out of memory", path);
		return -ENOMEM;
	}
	inventory->ring_count = policy->ring_count;
	for (uint32_t i = 0; i < policy->ring_count; i++)
		memcpy(inventory->rings[i], policy->rings[i].name, RW_CORE_NAME_BYTES);
	int err = rw_file_read(path, BYTES_MAX, &inventory->text, &length);
	if (err != 0)
		snprintf(error, RW_CONF_ERROR_BYTES, "%.256s: %s", path, strerror(-err));
	else
		err = parse(inventory, path, length, error);
	if (err != 0) {
		rw_inventory_free(inventory);
		return err;
	}
	*out = inventory;
	return 0;
}

void rw_inventory_free(struct rw_inventory *inventory)
{
	if (inventory == NULL)
		return;
	free(inventory->text);
	free(inventory->hosts);
	free(inventory);
}

const char *rw_inventory_find(const struct rw_inventory *inventory, const char *host)
{
	uint32_t low = 0;
	uint32_t high = inventory->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct listed *listed = &inventory->hosts[middle];
		int order = strcmp(host, listed->host);

		if (order == 0)
			return inventory->rings[listed->ring];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

uint32_t rw_inventory_count(const struct rw_inventory *inventory)
{
	return inventory->count;
}
