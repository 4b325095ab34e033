/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Challenges and bindings; see gasp_bindings.h.
 *
 * Who is due stands in one of three queues, each with one delay for all in it,
 * so that each is in the order of its deadlines by itself. Records are found by
 * host, and through three chained indexes: by the nonce that is under way, by
 * the source that is bound, by the address of the session. An index holds record
 * numbers, so records may move when there are more.
 */
#include "collector/ingest/gasp_bindings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONE = UINT32_MAX,
	FIRST_ROOM = 64,   /* a power of two, as all sizes of indexes are */
	PROMPTED_MAX = 4,  /* hosts made due by one datagram of a stranger */
	PROMPT_LOOKS = 32, /* hosts of one address looked at for that */
};

enum queue { NOW, RETRY, REGULAR, QUEUES, UNQUEUED };
static const uint64_t delays_ms[QUEUES] = {0, RW_CHALLENGE_EVERY_LEAST_MS, RW_CHALLENGE_EVERY_MS};

enum by { BY_NONCE, BY_BOUND, BY_PEER, INDEXES };

struct record {
	rw_host_handle host;
	bool is_in[INDEXES]; /* a nonce is under way; it is bound; it has a session and is armed */
	uint8_t nonce[RW_GASP_NONCE_BYTES];
	struct rw_source bound, peer;
	bool was_challenged;
	uint8_t tries; /* since the last proof, or the last round */
	uint8_t queue;
	uint64_t challenged_ms, bound_ms, queued_ms;
	uint32_t queue_next, queue_prev;
	uint32_t bound_next, bound_prev; /* in the order of proofs */
	uint32_t chain[INDEXES];
};

struct list {
	uint32_t head, tail;
};

struct rw_bindings {
	uint64_t key;
	uint32_t *by_host; /* record numbers */
	size_t by_host_count;
	struct record *records;
	uint32_t count, room;
	uint32_t *heads[INDEXES]; /* `room` each */
	struct list queues[QUEUES];
	struct list bound;
	uint64_t armed, proved;
};

/* ---- sources ---------------------------------------------------------------------- */

bool rw_source_from(const struct sockaddr *address, struct rw_source *out)
{
	memset(out, 0, sizeof(*out));
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;
		memcpy(out->address, &in->sin_addr, sizeof(in->sin_addr));
		out->port = ntohs(in->sin_port);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	const struct sockaddr_in6 *in6 = (const void *)address;
	out->port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(out->address, in6->sin6_addr.s6_addr + 12, 4);
	} else {
		memcpy(out->address, in6->sin6_addr.s6_addr, 16);
		out->is_v6 = true;
	}
	return true;
}

static bool is_same_address(const struct rw_source *a, const struct rw_source *b)
{
	return a->is_v6 == b->is_v6 && memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

bool rw_source_is_equal(const struct rw_source *a, const struct rw_source *b)
{
	return a->port == b->port && is_same_address(a, b);
}

/* The finalizer of splitmix64. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t rw_source_hash(const struct rw_source *source, bool with_port, uint64_t key)
{
	uint64_t words[2];

	memcpy(words, source->address, sizeof(words));
	uint64_t hash = mix(key ^ words[0]);
	hash = mix(hash ^ key ^ words[1]);
	return mix(hash ^ (with_port ? source->port : 0u) ^ (uint64_t)source->is_v6 << 32);
}

char *rw_source_print(const struct rw_source *source, char out[RW_SOURCE_TEXT_BYTES])
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(source->is_v6 ? AF_INET6 : AF_INET, source->address, address, sizeof(address));
	snprintf(out, RW_SOURCE_TEXT_BYTES, source->is_v6 ? "[%s]:%u" : "%s:%u", address,
		 (unsigned)source->port);
	return out;
}

/* ---- indexes ------------------------------------------------------------------------ */

static uint32_t *head_of(const struct rw_bindings *b, enum by by, uint64_t hash)
{
	return &b->heads[by][hash & (b->room - 1)];
}

static uint64_t nonce_hash(const struct rw_bindings *b, const uint8_t *nonce)
{
	uint64_t word;

	memcpy(&word, nonce, sizeof(word));
	return mix(word ^ b->key);
}

static uint64_t hash_of(const struct rw_bindings *b, const struct record *r, enum by by)
{
	if (by == BY_NONCE)
		return nonce_hash(b, r->nonce);
	return rw_source_hash(by == BY_BOUND ? &r->bound : &r->peer, by == BY_BOUND, b->key);
}

static void index_add(struct rw_bindings *b, uint32_t number, enum by by)
{
	struct record *r = &b->records[number];
	uint32_t *head = head_of(b, by, hash_of(b, r, by));

	r->chain[by] = *head;
	*head = number;
	r->is_in[by] = true;
}

static void index_remove(struct rw_bindings *b, uint32_t number, enum by by)
{
	struct record *r = &b->records[number];

	if (!r->is_in[by])
		return;
	uint32_t *link = head_of(b, by, hash_of(b, r, by));
	while (*link != number)
		link = &b->records[*link].chain[by];
	*link = r->chain[by];
	r->is_in[by] = false;
}

static uint32_t find_nonce(const struct rw_bindings *b, const uint8_t *nonce)
{
	uint32_t at = b->count == 0 ? NONE : *head_of(b, BY_NONCE, nonce_hash(b, nonce));

	while (at != NONE && memcmp(b->records[at].nonce, nonce, RW_GASP_NONCE_BYTES) != 0)
		at = b->records[at].chain[BY_NONCE];
	return at;
}

static uint32_t find_bound(const struct rw_bindings *b, const struct rw_source *source)
{
	uint32_t at =
		b->count == 0 ? NONE : *head_of(b, BY_BOUND, rw_source_hash(source, true, b->key));

	while (at != NONE && !rw_source_is_equal(&b->records[at].bound, source))
		at = b->records[at].chain[BY_BOUND];
	return at;
}

/* ---- lists --------------------------------------------------------------------------- */

static void dequeue(struct rw_bindings *b, uint32_t number)
{
	struct record *r = &b->records[number];

	if (r->queue == UNQUEUED)
		return;
	struct list *queue = &b->queues[r->queue];
	if (r->queue_prev == NONE)
		queue->head = r->queue_next;
	else
		b->records[r->queue_prev].queue_next = r->queue_next;
	if (r->queue_next == NONE)
		queue->tail = r->queue_prev;
	else
		b->records[r->queue_next].queue_prev = r->queue_prev;
	r->queue = UNQUEUED;
}

static void enqueue(struct rw_bindings *b, uint32_t number, enum queue to, uint64_t now_ms)
{
	struct record *r = &b->records[number];
	struct list *queue = &b->queues[to];

	dequeue(b, number);
	r->queue = (uint8_t)to;
	r->queued_ms = now_ms;
	r->queue_next = NONE;
	r->queue_prev = queue->tail;
	if (queue->tail == NONE)
		queue->head = number;
	else
		b->records[queue->tail].queue_next = number;
	queue->tail = number;
}

static void release_source(struct rw_bindings *b, uint32_t number)
{
	struct record *r = &b->records[number];

	if (!r->is_in[BY_BOUND])
		return;
	index_remove(b, number, BY_BOUND);
	if (r->bound_prev == NONE)
		b->bound.head = r->bound_next;
	else
		b->records[r->bound_prev].bound_next = r->bound_next;
	if (r->bound_next == NONE)
		b->bound.tail = r->bound_prev;
	else
		b->records[r->bound_next].bound_prev = r->bound_prev;
	b->proved--;
}

static void take_source(struct rw_bindings *b, uint32_t number, const struct rw_source *source,
			uint64_t now_ms)
{
	struct record *r = &b->records[number];

	r->bound = *source;
	r->bound_ms = now_ms;
	index_add(b, number, BY_BOUND);
	r->bound_next = NONE;
	r->bound_prev = b->bound.tail;
	if (b->bound.tail == NONE)
		b->bound.head = number;
	else
		b->records[b->bound.tail].bound_next = number;
	b->bound.tail = number;
	b->proved++;
}

static bool is_stale(const struct record *r, uint64_t now_ms)
{
	return now_ms - r->bound_ms >= RW_BINDING_LIVES_MS;
}

/* ---- records ---------------------------------------------------------------------------- */

static int grow_records(struct rw_bindings *b)
{
	uint32_t room = b->room == 0 ? FIRST_ROOM : 2 * b->room;
	uint32_t *heads[INDEXES] = {NULL};
	struct record *records = realloc(b->records, room * sizeof(*records));
	bool all = records != NULL;

	if (records != NULL)
		b->records = records;
	for (int by = 0; by < INDEXES && all; by++) {
		heads[by] = malloc(room * sizeof(uint32_t));
		all = heads[by] != NULL;
	}
	for (int by = 0; by < INDEXES; by++) {
		if (all) {
			free(b->heads[by]);
			b->heads[by] = heads[by];
			memset(heads[by], 0xff, room * sizeof(uint32_t)); /* NONE */
		} else {
			free(heads[by]);
		}
	}
	if (!all)
		return -ENOMEM;
	b->room = room;
	for (uint32_t i = 0; i < b->count; i++) {
		for (int by = 0; by < INDEXES; by++) {
			if (b->records[i].is_in[by])
				index_add(b, i, (enum by)by);
		}
	}
	return 0;
}

static uint32_t record_of(const struct rw_bindings *b, rw_host_handle host)
{
	return host < b->by_host_count ? b->by_host[host] : NONE;
}

static int make_record(struct rw_bindings *b, rw_host_handle host, uint32_t *out)
{
	if (host >= b->by_host_count) {
		size_t count = b->by_host_count == 0 ? FIRST_ROOM : b->by_host_count;
		while (count <= host)
			count *= 2;
		uint32_t *grown = realloc(b->by_host, count * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		memset(grown + b->by_host_count, 0xff,
		       (count - b->by_host_count) * sizeof(*grown)); /* NONE */
		b->by_host = grown;
		b->by_host_count = count;
	}
	if (b->count == b->room && grow_records(b) != 0)
		return -ENOMEM;
	*out = b->by_host[host] = b->count++;
	b->records[*out] = (struct record){.host = host, .queue = UNQUEUED};
	return 0;
}

struct rw_bindings *rw_bindings_new(uint64_t hash_key)
{
	struct rw_bindings *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->key = hash_key;
	b->bound = (struct list){NONE, NONE};
	for (int queue = 0; queue < QUEUES; queue++)
		b->queues[queue] = (struct list){NONE, NONE};
	return b;
}

void rw_bindings_free(struct rw_bindings *b)
{
	if (b == NULL)
		return;
	for (int by = 0; by < INDEXES; by++)
		free(b->heads[by]);
	free(b->records);
	free(b->by_host);
	free(b);
}

/* ---- challenges ---------------------------------------------------------------------------- */

/* At once, or as soon as its last challenge lies far enough back. */
static void make_due(struct rw_bindings *b, uint32_t number, uint64_t now_ms)
{
	const struct record *r = &b->records[number];
	bool may = !r->was_challenged || now_ms - r->challenged_ms >= RW_CHALLENGE_EVERY_LEAST_MS;

	if (r->queue == NOW || (r->queue == RETRY && !may))
		return;
	enqueue(b, number, may ? NOW : RETRY, now_ms);
}

int rw_bindings_arm(struct rw_bindings *b, rw_host_handle host, const struct rw_source *peer,
		    uint64_t now_ms)
{
	uint32_t number = record_of(b, host);

	if (number == NONE && make_record(b, host, &number) != 0)
		return -ENOMEM;
	rw_bindings_disarm(b, host);
	b->records[number].peer = *peer;
	b->records[number].tries = 0;
	index_add(b, number, BY_PEER);
	b->armed++;
	make_due(b, number, now_ms);
	return 0;
}

void rw_bindings_disarm(struct rw_bindings *b, rw_host_handle host)
{
	uint32_t number = record_of(b, host);

	if (number == NONE || !b->records[number].is_in[BY_PEER])
		return;
	index_remove(b, number, BY_PEER);
	dequeue(b, number);
	b->armed--;
}

void rw_bindings_prompt(struct rw_bindings *b, const struct rw_source *source, uint64_t now_ms)
{
	uint32_t at =
		b->count == 0 ? NONE : *head_of(b, BY_PEER, rw_source_hash(source, false, b->key));
	int prompted = 0;

	for (int looks = 0; at != NONE && looks < PROMPT_LOOKS && prompted < PROMPTED_MAX;
	     looks++, at = b->records[at].chain[BY_PEER]) {
		const struct record *r = &b->records[at];
		if (!is_same_address(&r->peer, source) || r->queue != REGULAR)
			continue; /* another's, or due soon anyway */
		make_due(b, at, now_ms);
		prompted++;
	}
}

rw_host_handle rw_bindings_next(struct rw_bindings *b, uint64_t now_ms,
				const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	uint32_t number = NONE;

	for (int queue = 0; queue < QUEUES && number == NONE; queue++) {
		uint32_t head = b->queues[queue].head;
		if (head != NONE && now_ms - b->records[head].queued_ms >= delays_ms[queue])
			number = head;
	}
	if (number == NONE)
		return RW_NO_HOST;
	struct record *r = &b->records[number];
	index_remove(b, number, BY_NONCE); /* the one before is void */
	memcpy(r->nonce, nonce, sizeof(r->nonce));
	index_add(b, number, BY_NONCE);
	r->was_challenged = true;
	r->challenged_ms = now_ms;
	r->tries++;
	if (r->tries < RW_CHALLENGE_TRIES) {
		enqueue(b, number, RETRY, now_ms);
	} else {
		enqueue(b, number, REGULAR, now_ms);
		r->tries = 0;
	}
	return r->host;
}

/* ---- proofs ---------------------------------------------------------------------- */

rw_host_handle rw_bindings_prove(struct rw_bindings *b, const struct rw_source *source,
				 const uint8_t nonce[RW_GASP_NONCE_BYTES], uint64_t now_ms)
{
	uint32_t number = find_nonce(b, nonce);

	if (number == NONE)
		return RW_NO_HOST;
	struct record *r = &b->records[number];
	index_remove(b, number, BY_NONCE);
	if (now_ms - r->challenged_ms >= RW_CHALLENGE_LIVES_MS)
		return RW_NO_HOST;
	uint32_t other = find_bound(b, source);
	if (other != NONE)
		release_source(b, other);
	release_source(b, number);
	take_source(b, number, source, now_ms);
	r->tries = 0;
	if (r->queue != UNQUEUED)
		enqueue(b, number, REGULAR, now_ms);
	return r->host;
}

rw_host_handle rw_bindings_host(const struct rw_bindings *b, const struct rw_source *source,
				uint64_t now_ms)
{
	uint32_t number = find_bound(b, source);

	return number == NONE || is_stale(&b->records[number], now_ms) ? RW_NO_HOST
								       : b->records[number].host;
}

uint64_t rw_bindings_armed(const struct rw_bindings *b)
{
	return b->armed;
}

uint64_t rw_bindings_proved(struct rw_bindings *b, uint64_t now_ms)
{
	while (b->bound.head != NONE && is_stale(&b->records[b->bound.head], now_ms))
		release_source(b, b->bound.head);
	return b->proved;
}
