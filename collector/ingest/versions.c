/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of hosts, each set once; see versions.h. */
#include "collector/ingest/versions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest/session.h"
#include "lib/text.h"

enum { BUCKETS = 16384 };

/* Texts stand one behind the other, each with its NUL: subject and value of each. */
struct rw_version_set {
	struct rw_version_set *next; /* of its bucket */
	struct rw_version_table *table;
	uint64_t hash;
	uint32_t users;
	uint32_t count;
	uint32_t length; /* of `texts` */
	char texts[];
};

struct rw_version_table {
	uint32_t sets;
	struct rw_version_set *buckets[BUCKETS];
};

struct rw_version_table *rw_version_table_new(void)
{
	return calloc(1, sizeof(struct rw_version_table));
}

void rw_version_table_free(struct rw_version_table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct rw_version_set *set = table->buckets[i]; set != NULL; set = set->next)
			set->table = NULL;
	}
	free(table);
}

uint32_t rw_version_sets(const struct rw_version_table *table)
{
	return table->sets;
}

/* ---- sets -------------------------------------------------------------------- */

static struct rw_version_set *make(const struct rw_named_version *versions, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += strlen(versions[i].subject) + strlen(versions[i].value) + 2;
	struct rw_version_set *set = calloc(1, sizeof(*set) + length);
	if (set == NULL)
		return NULL;
	char *room = set->texts;
	for (size_t i = 0; i < count; i++) {
		const char *const texts[] = {versions[i].subject, versions[i].value};

		for (size_t k = 0; k < 2; k++) {
			size_t size = strlen(texts[k]) + 1;

			memcpy(room, texts[k], size);
			room += size;
		}
	}
	set->count = (uint32_t)count;
	set->length = (uint32_t)length;
	set->hash = 0xcbf29ce484222325; /* FNV-1a */
	for (uint32_t i = 0; i < set->length; i++)
		set->hash = (set->hash ^ (uint8_t)set->texts[i]) * 0x100000001b3;
	return set;
}

static bool are_same(const struct rw_version_set *a, const struct rw_version_set *b)
{
	return a->hash == b->hash && a->length == b->length &&
	       memcmp(a->texts, b->texts, a->length) == 0;
}

struct rw_version_set *rw_version_set_share(struct rw_version_table *table,
					    const struct rw_named_version *versions, size_t count)
{
	struct rw_version_set *made = make(versions, count);

	if (made == NULL)
		return NULL;
	struct rw_version_set **bucket = &table->buckets[made->hash % BUCKETS];
	for (struct rw_version_set *set = *bucket; set != NULL; set = set->next) {
		if (are_same(set, made)) {
			free(made);
			set->users++;
			return set;
		}
	}
	made->table = table;
	made->users = 1;
	made->next = *bucket;
	*bucket = made;
	table->sets++;
	return made;
}

void rw_version_set_free(struct rw_version_set *set)
{
	if (set == NULL || --set->users > 0)
		return;
	if (set->table != NULL) {
		struct rw_version_set **link = &set->table->buckets[set->hash % BUCKETS];
		while (*link != set)
			link = &(*link)->next;
		*link = set->next;
		set->table->sets--;
	}
	free(set);
}

uint32_t rw_version_set_count(const struct rw_version_set *set)
{
	return set == NULL ? 0 : set->count;
}

/* The one behind it; the first for a text that is the set's begin. */
static struct rw_named_version next_version(const char **text)
{
	struct rw_named_version version = {.subject = *text};

	version.value = version.subject + strlen(version.subject) + 1;
	*text = version.value + strlen(version.value) + 1;
	return version;
}

struct rw_named_version rw_version_set_at(const struct rw_version_set *set, uint32_t index)
{
	const char *text = set->texts;
	struct rw_named_version version = next_version(&text);

	while (index-- > 0)
		version = next_version(&text);
	return version;
}

const char *rw_version_set_find(const struct rw_version_set *set, const char *subject)
{
	const char *text = set == NULL ? NULL : set->texts;

	for (uint32_t i = 0; i < rw_version_set_count(set); i++) {
		struct rw_named_version version = next_version(&text);

		if (strcmp(version.subject, subject) == 0)
			return version.value;
	}
	return NULL;
}

struct rw_version_set *rw_version_set_remember(struct rw_version_table *table,
					       const struct rw_version_set *before,
					       const struct rw_version_set *now)
{
	struct rw_named_version kept[RW_VERSIONS_KEPT];
	const char *text = now == NULL ? NULL : now->texts;
	size_t count = 0;

	for (uint32_t i = 0; i < rw_version_set_count(now) && count < RW_VERSIONS_KEPT; i++) {
		kept[count] = next_version(&text);
		count += kept[count].value[0] != '\0';
	}
	text = before == NULL ? NULL : before->texts;
	for (uint32_t i = 0; i < rw_version_set_count(before) && count < RW_VERSIONS_KEPT; i++) {
		kept[count] = next_version(&text);
		const char *newer = rw_version_set_find(now, kept[count].subject);
		count += newer == NULL || newer[0] == '\0';
	}
	return rw_version_set_share(table, kept, count);
}

/* ---- a report ------------------------------------------------------------------ */

static bool is_sound(struct rw_session *s, const Ringwatch__V1__Versions *m)
{
	char detail[RW_WIRE_ERROR_BYTES];

	for (size_t i = 1; i < m->n_versions; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(m->versions[i]->subject, m->versions[k]->subject) != 0)
				continue;
			snprintf(detail, sizeof(detail),
				 "versions.versions[%zu].subject: stands twice", i);
			rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME, detail,
					  0);
			return false;
		}
	}
	return true;
}

static bool may_change(struct rw_session *s)
{
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(s->ingest->hub), s->host);

	return entry != NULL &&
	       rw_quota_take(&entry->versions, RW_VERSIONS_BURST, RW_VERSIONS_PER_SECOND, 0,
			     rw_hub_now(s->ingest->hub).boot_ms);
}

/* A host changed to what no deployment, of now or before, names. */
static void tell_unregistered(struct rw_session *s, const struct rw_named_version *now,
			      const char *before)
{
	struct rw_hub *hub = s->ingest->hub;
	char subject[2 * (RW_NAME_MAX + 1) + 16];
	char texts[2 * RW_VERSION_VALUE_MAX + RW_VERSION_SUBJECT_MAX + 8];
	char detail[4 * sizeof(texts)];

	/* Its mark in the verdicts stands; the disk is not filled by one host. */
	if (!may_change(s))
		return;
	snprintf(subject, sizeof(subject), "host=%s ring=%s", s->name, s->ring);
	int length =
		snprintf(texts, sizeof(texts), "%s %s -> %s", now->subject, before, now->value);
	rw_text_escape(detail, sizeof(detail), texts, (size_t)length);
	struct rw_audit_row audit = {
		.at_wall_ms = rw_hub_now(hub).wall_ms,
		.actor = "collector",
		.action = "unregistered_change",
		.subject = subject,
		.detail = detail,
	};
	if (rw_hub_audit(hub, &audit) == 0)
		rw_error("event=audit_lost what=unregistered_change %s", subject);
	if (rw_log_limit_take(&s->ingest->version_log, rw_hub_now(hub).boot_ms)) {
		char quoted[RW_LOG_QUOTED_BYTES]; /* a host's words */

		rw_warning("event=unregistered_change %s detail=%s", subject,
			   rw_log_quoted(detail, quoted));
	}
}

static void tell_core(struct rw_session *s, const struct rw_version_set *now,
		      const struct rw_version_set *before)
{
	const char *text = now->texts;

	for (uint32_t i = 0; i < now->count; i++) {
		struct rw_named_version version = next_version(&text);
		const char *old = rw_version_set_find(before, version.subject);
		bool changed =
			old != NULL && version.value[0] != '\0' && strcmp(old, version.value) != 0;

		if (rw_core_version(rw_hub_core(s->ingest->hub), s->host, version.subject,
				    version.value, changed,
				    rw_hub_now(s->ingest->hub)) == RW_VERSION_UNREGISTERED)
			tell_unregistered(s, &version, old);
	}
}

void rw_versions_take(struct rw_session *s, const Ringwatch__V1__Versions *m)
{
	struct rw_hosts *hosts = rw_hub_hosts(s->ingest->hub);
	struct rw_host_entry *entry = rw_hosts_at(hosts, s->host);
	struct rw_named_version versions[RW_VERSIONS_MAX];

	if (!is_sound(s, m))
		return;
	for (size_t i = 0; i < m->n_versions; i++)
		versions[i] =
			(struct rw_named_version){m->versions[i]->subject, m->versions[i]->value};
	struct rw_version_set *now =
		rw_version_set_share(rw_hosts_versions(hosts), versions, m->n_versions);
	if (now != NULL && entry != NULL && now != entry->runs && !may_change(s)) {
		rw_version_set_free(now);
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME,
				  "versions: they change more often than once a second",
				  RW_VERSIONS_RETRY_MS);
		return;
	}
	struct rw_version_set *ran =
		entry == NULL || now == NULL
			? NULL
			: rw_version_set_remember(rw_hosts_versions(hosts), entry->ran, now);
	if (ran == NULL) {
		rw_version_set_free(now);
		rw_session_drop(s, "internal", "out of memory");
		return;
	}
	tell_core(s, now, entry->ran);
	rw_version_set_free(entry->runs);
	rw_version_set_free(entry->ran);
	entry->runs = now;
	entry->ran = ran;
}

void rw_versions_facts(const struct rw_version_set *set, struct rw_host_facts *out)
{
	const char *text = set == NULL ? NULL : set->texts;

	out->version_count = 0;
	for (uint32_t i = 0; i < rw_version_set_count(set) && i < RW_VERSIONS_MAX; i++) {
		struct rw_named_version version = next_version(&text);

		snprintf(out->versions[i].subject, sizeof(out->versions[i].subject), "%s",
			 version.subject);
		snprintf(out->versions[i].value, sizeof(out->versions[i].value), "%s",
			 version.value);
		out->version_count++;
	}
}
