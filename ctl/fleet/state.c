/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the state file, fields parted by one blank:
 *   ringwatch-fleet-state 1
 *   host NAME SPOOL LAST ACKED BOOT ORDER BEGAN_WALL_MS PREVIOUS|none END
 *   event NAME SEQUENCE KIND VARIANT BOOT ORDER BOOT_MS WALL_MS
 * Hosts stand in their order, each followed by its events.
 */
#include "ctl/fleet/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/units.h"
#include "proto/bootid.h"

enum { STATE_BYTES_MAX = 256 << 20, FIELDS_MAX = 10 };
static const char first_line[] = "ringwatch-fleet-state 1";

int rw_fleet_state_save(const char *path, const struct rw_fleet_host *hosts, uint32_t count,
			uint64_t now_ms, uint64_t wall_ms)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL)
		return -errno;
	fprintf(out, "%s\n", first_line);
	for (uint32_t i = 0; i < count; i++) {
		const struct rw_fleet_host *h = &hosts[i];

		fprintf(out, "host %s ", h->name);
		for (size_t k = 0; k < RW_SPOOL_ID_BYTES; k++)
			fprintf(out, "%02x", h->spool.id[k]);
		fprintf(out, " %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 " %s %s\n",
			h->spool.last, h->spool.acked, h->boot.id, h->boot.order,
			wall_ms - (now_ms - h->boot.began_ms),
			h->previous_boot_id[0] == '\0' ? "none" : h->previous_boot_id,
			rw_boot_end_name(h->previous_end));
		for (size_t k = 0; k < h->spool.count; k++) {
			const struct rw_fleet_event *e = rw_fleet_spool_at(&h->spool, k);
			fprintf(out,
				"event %s %" PRIu64 " %s %" PRIu32 " %s %" PRIu64 " %" PRIu64
				" %" PRIu64 "\n",
				h->name, e->sequence, rw_kind_name(e->kind), e->variant, e->boot_id,
				e->boot_order, e->boot_ms, e->wall_ms);
		}
	}
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	int err = rw_file_replace(path, text, length, 0600);
	free(text);
	return err;
}

/* ---- loading ------------------------------------------------------------------ */

static size_t split(char *line, char *fields[FIELDS_MAX])
{
	size_t count = 0;

	for (char *at = line; count < FIELDS_MAX;) {
		fields[count++] = at;
		at = strchr(at, ' ');
		if (at == NULL)
			return count;
		*at++ = '\0';
	}
	return 0; /* too many */
}

static int parse_spool_id(const char *text, uint8_t out[RW_SPOOL_ID_BYTES])
{
	static const char hex[] = "0123456789abcdef";

	if (strlen(text) != (size_t)2 * RW_SPOOL_ID_BYTES)
		return -EINVAL;
	for (size_t i = 0; i < RW_SPOOL_ID_BYTES; i++) {
		const char *high = strchr(hex, text[2 * i]);
		const char *low = strchr(hex, text[2 * i + 1]);
		if (high == NULL || low == NULL)
			return -EINVAL;
		out[i] = (uint8_t)((high - hex) << 4 | (low - hex));
	}
	return 0;
}

static int parse_boot_id(const char *text, char out[RW_BOOT_ID_LENGTH + 1])
{
	if (!rw_boot_id_is_valid(text, strlen(text)))
		return -EINVAL;
	memcpy(out, text, RW_BOOT_ID_LENGTH + 1);
	return 0;
}

static int parse_end(const char *text, Ringwatch__V1__BootEnd *out)
{
	for (int i = RINGWATCH__V1__BOOT_END__BOOT_END_NONE;
	     i <= RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN; i++) {
		if (strcmp(rw_boot_end_name((Ringwatch__V1__BootEnd)i), text) == 0) {
			*out = (Ringwatch__V1__BootEnd)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int load_host(struct rw_fleet_host *host, char *fields[FIELDS_MAX], uint64_t now_ms,
		     uint64_t wall_ms)
{
	uint64_t began_wall_ms;

	if (parse_spool_id(fields[2], host->spool.id) != 0 ||
	    rw_units_parse_uint(fields[3], &host->spool.last) != 0 ||
	    rw_units_parse_uint(fields[4], &host->spool.acked) != 0 ||
	    host->spool.acked > host->spool.last || parse_boot_id(fields[5], host->boot.id) != 0 ||
	    rw_units_parse_uint(fields[6], &host->boot.order) != 0 ||
	    rw_units_parse_uint(fields[7], &began_wall_ms) != 0 || began_wall_ms > wall_ms ||
	    (strcmp(fields[8], "none") != 0 &&
	     parse_boot_id(fields[8], host->previous_boot_id) != 0) ||
	    parse_end(fields[9], &host->previous_end) != 0)
		return -EINVAL;
	host->boot.began_ms = now_ms - (wall_ms - began_wall_ms);
	host->spool.sent = host->spool.acked;
	return 0;
}

static int load_event(struct rw_fleet_host *host, char *fields[FIELDS_MAX])
{
	struct rw_fleet_spool *spool = &host->spool;
	struct rw_fleet_event event = {0};
	uint64_t sequence;
	uint64_t variant;
	uint64_t last = spool->last;

	if (rw_units_parse_uint(fields[2], &sequence) != 0 || sequence <= spool->acked ||
	    sequence > last || rw_kind_parse(fields[3], &event.kind) != 0 ||
	    rw_units_parse_uint(fields[4], &variant) != 0 || variant > UINT32_MAX ||
	    parse_boot_id(fields[5], event.boot_id) != 0 ||
	    rw_units_parse_uint(fields[6], &event.boot_order) != 0 ||
	    rw_units_parse_uint(fields[7], &event.boot_ms) != 0 ||
	    rw_units_parse_uint(fields[8], &event.wall_ms) != 0)
		return -EINVAL;
	event.variant = (uint32_t)variant;
	spool->last = sequence - 1; /* it gets its own number again */
	int err = rw_fleet_spool_add(spool, &event);
	spool->last = last;
	return err;
}

static int load_line(char *line, struct rw_fleet_host *hosts, uint32_t count, uint32_t *next,
		     uint64_t now_ms, uint64_t wall_ms)
{
	char *fields[FIELDS_MAX];
	size_t fields_count = split(line, fields);

	if (fields_count == 10 && strcmp(fields[0], "host") == 0) {
		if (*next == count || strcmp(fields[1], hosts[*next].name) != 0)
			return -ENXIO;
		return load_host(&hosts[(*next)++], fields, now_ms, wall_ms);
	}
	if (fields_count == 9 && strcmp(fields[0], "event") == 0 && *next > 0 &&
	    strcmp(fields[1], hosts[*next - 1].name) == 0)
		return load_event(&hosts[*next - 1], fields);
	return -EINVAL;
}

int rw_fleet_state_load(const char *path, struct rw_fleet_host *hosts, uint32_t count,
			uint64_t now_ms, uint64_t wall_ms, char error[RW_FLEET_ERROR_BYTES])
{
	rw_autofree char *text = NULL;
	uint32_t next = 0;
	unsigned line_number = 0;
	int err = rw_file_read(path, STATE_BYTES_MAX, &text, NULL);

	if (err == -ENOENT)
		return 0;
	if (err != 0) {
		snprintf(error, RW_FLEET_ERROR_BYTES, "%.160s: %s", path, strerror(-err));
		return err;
	}
	for (char *line = text; *line != '\0';) {
		char *end = strchr(line, '\n');

		line_number++;
		if (end != NULL)
			*end = '\0';
		if (end == NULL)
			err = -EINVAL; /* cut short */
		else if (line_number == 1)
			err = strcmp(line, first_line) == 0 ? 0 : -EINVAL;
		else
			err = load_line(line, hosts, count, &next, now_ms, wall_ms);
		if (err != 0) {
			snprintf(error, RW_FLEET_ERROR_BYTES, "%.160s:%u: %s", path, line_number,
				 err == -ENXIO
					 ? "a host that this fleet has not; expected the same "
					   "--prefix and at least as many --hosts"
					 : "is not a line of this program's state");
			return err;
		}
		line = end + 1;
	}
	return 0;
}
