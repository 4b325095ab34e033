/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets by source, the longest unheard forgotten first; see gasp_sources.h. */
#include "collector/ingest/gasp_sources.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX };

struct bucket {
	uint64_t milli; /* thousandths of a datagram that may still come */
	uint64_t filled_ms;
};

struct entry {
	struct rw_source source;
	struct bucket bucket;
	uint32_t chain;        /* of its hash */
	uint32_t newer, older; /* by last hearing */
};

struct rw_sources {
	struct rw_bucket_limit each, all;
	struct bucket all_bucket;
	uint64_t key;
	uint32_t count;
	uint32_t newest, oldest;
	uint32_t heads[RW_SOURCES_KEPT];
	struct entry entries[RW_SOURCES_KEPT];
};

struct rw_sources *rw_sources_new(struct rw_bucket_limit each, struct rw_bucket_limit all,
				  uint64_t hash_key)
{
	struct rw_sources *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->each = each;
	s->all = all;
	s->all_bucket.milli = all.burst * 1000;
	s->key = hash_key;
	s->newest = s->oldest = NONE;
	memset(s->heads, 0xff, sizeof(s->heads)); /* NONE */
	return s;
}

void rw_sources_free(struct rw_sources *sources)
{
	free(sources);
}

uint32_t rw_sources_count(const struct rw_sources *sources)
{
	return sources->count;
}

static bool take_token(struct bucket *bucket, const struct rw_bucket_limit *limit, uint64_t now_ms)
{
	uint64_t full = limit->burst * 1000;
	uint64_t passed_ms = now_ms - bucket->filled_ms;

	if (passed_ms > full / limit->per_second)
		bucket->milli = full;
	else
		bucket->milli += passed_ms * limit->per_second;
	if (bucket->milli > full)
		bucket->milli = full;
	bucket->filled_ms = now_ms;
	if (bucket->milli < 1000)
		return false;
	bucket->milli -= 1000;
	return true;
}

static uint32_t *head_of(struct rw_sources *s, const struct rw_source *source)
{
	return &s->heads[rw_source_hash(source, true, s->key) % RW_SOURCES_KEPT];
}

static void unlink_age(struct rw_sources *s, struct entry *e)
{
	if (e->newer == NONE)
		s->newest = e->older;
	else
		s->entries[e->newer].older = e->older;
	if (e->older == NONE)
		s->oldest = e->newer;
	else
		s->entries[e->older].newer = e->newer;
}

static void link_newest(struct rw_sources *s, uint32_t number)
{
	struct entry *e = &s->entries[number];

	e->newer = NONE;
	e->older = s->newest;
	if (s->newest == NONE)
		s->oldest = number;
	else
		s->entries[s->newest].newer = number;
	s->newest = number;
}

static void forget(struct rw_sources *s, uint32_t number)
{
	struct entry *e = &s->entries[number];
	uint32_t *link = head_of(s, &e->source);

	while (*link != number)
		link = &s->entries[*link].chain;
	*link = e->chain;
	unlink_age(s, e);
}

static uint32_t remember(struct rw_sources *s, const struct rw_source *source, uint64_t now_ms)
{
	uint32_t number = s->count;

	if (s->count == RW_SOURCES_KEPT) {
		number = s->oldest;
		forget(s, number);
	} else {
		s->count++;
	}
	uint32_t *head = head_of(s, source);
	s->entries[number] = (struct entry){
		.source = *source,
		.bucket = {s->each.burst * 1000, now_ms},
		.chain = *head,
	};
	*head = number;
	link_newest(s, number);
	return number;
}

enum rw_sources_answer rw_sources_take(struct rw_sources *s, const struct rw_source *source,
				       uint64_t now_ms)
{
	uint32_t number = *head_of(s, source);

	while (number != NONE && !rw_source_is_equal(&s->entries[number].source, source))
		number = s->entries[number].chain;
	if (number == NONE) {
		number = remember(s, source, now_ms);
	} else {
		unlink_age(s, &s->entries[number]);
		link_newest(s, number);
	}
	if (!take_token(&s->entries[number].bucket, &s->each, now_ms))
		return RW_SOURCES_OVER_ITS_LIMIT;
	return take_token(&s->all_bucket, &s->all, now_ms) ? RW_SOURCES_TAKE : RW_SOURCES_OVER_ALL;
}
