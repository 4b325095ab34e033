/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array by handle, and short lists in it; see hosts.h. */
#include "collector/ingest/hosts.h"

#include <stdlib.h>
#include <string.h>

struct rw_hosts {
	struct rw_host_entry *entries;
	size_t count;
	struct rw_said_table *said;
	struct rw_version_table *versions;
};

struct rw_hosts *rw_hosts_new(void)
{
	struct rw_hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts == NULL)
		return NULL;
	hosts->said = rw_said_table_new();
	hosts->versions = rw_version_table_new();
	if (hosts->said == NULL || hosts->versions == NULL) {
		rw_said_table_free(hosts->said);
		rw_version_table_free(hosts->versions);
		free(hosts);
		return NULL;
	}
	return hosts;
}

struct rw_said_table *rw_hosts_said(struct rw_hosts *hosts)
{
	return hosts->said;
}

struct rw_version_table *rw_hosts_versions(struct rw_hosts *hosts)
{
	return hosts->versions;
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
		rw_version_set_free(hosts->entries[i].runs);
		rw_version_set_free(hosts->entries[i].ran);
	}
	rw_version_table_free(hosts->versions);
	rw_said_table_free(hosts->said);
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

bool rw_quota_take(struct rw_quota *quota, uint64_t burst, uint64_t per_second, uint64_t spare,
		   uint64_t boot_ms)
{
	uint64_t full = burst * 1000;
	uint64_t passed_ms = boot_ms - quota->filled_ms;

	if (quota->filled_ms == 0 || passed_ms >= full / per_second + 1)
		quota->milli = full;
	else
		quota->milli += passed_ms * per_second;
	if (quota->milli > full)
		quota->milli = full;
	quota->filled_ms = boot_ms;
	if (quota->milli / 1000 < spare + 1)
		return false;
	quota->milli -= 1000;
	return true;
}
