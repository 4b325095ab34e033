/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array by handle, and short lists in it; see hosts.h. */
#include "collector/ingest/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rw_hosts {
	struct rw_host_entry *entries;
	size_t count;
};

struct rw_hosts *rw_hosts_new(void)
{
	return calloc(1, sizeof(struct rw_hosts));
}

static void free_marks(struct rw_spool_mark *mark)
{
	while (mark != NULL) {
		struct rw_spool_mark *next = mark->next;
		free(mark);
		mark = next;
	}
}

void rw_hosts_free(struct rw_hosts *hosts)
{
	if (hosts == NULL)
		return;
	for (size_t i = 0; i < hosts->count; i++) {
		free_marks(hosts->entries[i].marks);
		rw_host_said_free(hosts->entries[i].said);
	}
	free(hosts->entries);
	free(hosts);
}

struct rw_host_entry *rw_hosts_at(struct rw_hosts *hosts, rw_host_handle host)
{
	if (host >= hosts->count) {
		size_t count = hosts->count == 0 ? 64 : hosts->count;
		while (count <= host)
			count *= 2;
		struct rw_host_entry *grown = realloc(hosts->entries, count * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		memset(grown + hosts->count, 0, (count - hosts->count) * sizeof(*grown));
		hosts->entries = grown;
		hosts->count = count;
	}
	return &hosts->entries[host];
}

/* ---- spools ----------------------------------------------------------------- */

struct rw_spool_mark *rw_spool_mark_find(struct rw_host_entry *entry, const uint8_t id[16])
{
	struct rw_spool_mark *mark = entry->marks;

	while (mark != NULL && memcmp(mark->id, id, sizeof(mark->id)) != 0)
		mark = mark->next;
	return mark;
}

/* A host that remakes its spool again and again keeps only its last ones. */
static void forget_old_marks(struct rw_host_entry *entry)
{
	struct rw_spool_mark *mark = entry->marks;

	for (int i = 1; mark != NULL && i < RW_HOST_SPOOLS_MAX; i++)
		mark = mark->next;
	if (mark == NULL)
		return;
	free_marks(mark->next);
	mark->next = NULL;
}

struct rw_spool_mark *rw_spool_mark_use(struct rw_host_entry *entry, const uint8_t id[16])
{
	struct rw_spool_mark **link = &entry->marks;

	while (*link != NULL && memcmp((*link)->id, id, sizeof((*link)->id)) != 0)
		link = &(*link)->next;

	struct rw_spool_mark *mark = *link;
	if (mark == NULL) {
		mark = calloc(1, sizeof(*mark));
		if (mark == NULL)
			return NULL;
		memcpy(mark->id, id, sizeof(mark->id));
	} else {
		*link = mark->next;
	}
	mark->next = entry->marks;
	entry->marks = mark;
	forget_old_marks(entry);
	return mark;
}

void rw_spool_marks_begin_session(struct rw_host_entry *entry)
{
	for (struct rw_spool_mark *mark = entry->marks; mark != NULL; mark = mark->next)
		mark->refused = 0;
}

/* ---- quota -------------------------------------------------------------------- */

bool rw_quota_take(struct rw_host_entry *entry, uint64_t burst, uint64_t per_second,
		   uint64_t boot_ms)
{
	uint64_t full = burst * 1000;
	uint64_t passed_ms = boot_ms - entry->quota_filled_ms;

	if (entry->quota_filled_ms == 0 || passed_ms >= full / per_second + 1)
		entry->quota_milli = full;
	else
		entry->quota_milli += passed_ms * per_second;
	if (entry->quota_milli > full)
		entry->quota_milli = full;
	entry->quota_filled_ms = boot_ms;
	if (entry->quota_milli < 1000)
		return false;
	entry->quota_milli -= 1000;
	return true;
}

/* ---- what a host said of itself ------------------------------------------------ */

/* Texts stand one behind the other, each with its NUL: program, kernel release,
 * architecture, then hook and reason of each coverage. */
struct rw_host_said {
	uint64_t pending_events, lost_events;
	uint32_t coverage_count;
	uint8_t kinds[RW_COVERAGE_MAX];
	char texts[];
};

static size_t coverage_kept(const Ringwatch__V1__Hello *hello)
{
	const size_t max = sizeof(((struct rw_host_facts *)NULL)->coverage) /
			   sizeof(((struct rw_host_facts *)NULL)->coverage[0]);

	return hello->n_coverage < max ? hello->n_coverage : max;
}

static char *put_text(char *room, const char *text)
{
	size_t length = strlen(text) + 1;

	memcpy(room, text, length);
	return room + length;
}

struct rw_host_said *rw_host_said_new(const Ringwatch__V1__Hello *hello)
{
	size_t count = coverage_kept(hello);
	size_t length = strlen(hello->program) + strlen(hello->kernel_release) +
			strlen(hello->architecture) + 3;

	for (size_t i = 0; i < count; i++)
		length += strlen(hello->coverage[i]->hook) + strlen(hello->coverage[i]->reason) + 2;

	struct rw_host_said *said = calloc(1, sizeof(*said) + length);
	if (said == NULL)
		return NULL;
	char *room = put_text(said->texts, hello->program);
	room = put_text(room, hello->kernel_release);
	room = put_text(room, hello->architecture);
	for (size_t i = 0; i < count; i++) {
		said->kinds[i] = (uint8_t)hello->coverage[i]->kind;
		room = put_text(room, hello->coverage[i]->hook);
		room = put_text(room, hello->coverage[i]->reason);
	}
	said->coverage_count = (uint32_t)count;
	return said;
}

void rw_host_said_free(struct rw_host_said *said)
{
	free(said);
}

void rw_host_said_heartbeat(struct rw_host_said *said, const Ringwatch__V1__Heartbeat *heartbeat)
{
	said->pending_events = heartbeat->pending_events;
	said->lost_events = heartbeat->lost_events;
}

/* The next text, cut to the room that the reader has for it. */
static const char *take_text(const char *text, char *out, size_t size)
{
	size_t length = strlen(text);
	size_t kept = length < size ? length : size - 1;

	/* Not in the midst of a character: JSON must be UTF-8. */
	while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
		kept--;
	memcpy(out, text, kept);
	out[kept] = '\0';
	return text + length + 1;
}

void rw_host_said_facts(const struct rw_host_said *said, struct rw_host_facts *out)
{
	memset(out, 0, sizeof(*out));
	if (said == NULL)
		return;
	out->known = true;
	out->pending_events = said->pending_events;
	out->lost_events = said->lost_events;
	out->coverage_count = said->coverage_count;
	const char *text = take_text(said->texts, out->program, sizeof(out->program));
	text = take_text(text, out->kernel_release, sizeof(out->kernel_release));
	text = take_text(text, out->architecture, sizeof(out->architecture));
	for (uint32_t i = 0; i < said->coverage_count; i++) {
		out->coverage[i].kind = (Ringwatch__V1__Kind)said->kinds[i];
		text = take_text(text, out->coverage[i].hook, sizeof(out->coverage[i].hook));
		text = take_text(text, out->coverage[i].reason, sizeof(out->coverage[i].reason));
	}
}
