/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets lie in small sets, chosen by a hash of the client: a look-up reads
 * one set, whatever the number of clients. The hash is seeded at random, so
 * that nobody can aim at another's set.
 */
#include "collector/api/limits.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SETS = 256, WAYS = 8, REQUEST = 1000 /* thousandths: a rate a second is one a ms */ };

struct bucket {
	char client[RW_CLIENT_BYTES]; /* "": free */
	uint64_t level;               /* in thousandths of a request */
	uint64_t at_ms;
	uint64_t used; /* of all requests, by number, the last of this client */
};

struct rw_limits {
	struct rw_rates rates;
	uint64_t seed;
	pthread_mutex_t lock; /* of what follows */
	uint64_t requests;
	struct bucket buckets[RW_CLIENT_CLASSES][SETS][WAYS];
};

const struct rw_rates rw_rates_default = {
	.of = {[RW_CLIENT_TOKEN] = {200, 400},
	       [RW_CLIENT_ADDRESS] = {20, 400},
	       [RW_CLIENT_PROBE] = {200, 400}},
};

struct rw_limits *rw_limits_new(const struct rw_rates *rates)
{
	struct rw_limits *limits = calloc(1, sizeof(*limits));

	if (limits == NULL)
		return NULL;
	limits->rates = *rates;
	/* Without it the sets are merely easier to guess. */
	(void)!getrandom(&limits->seed, sizeof(limits->seed), GRND_NONBLOCK);
	pthread_mutex_init(&limits->lock, NULL);
	return limits;
}

void rw_limits_free(struct rw_limits *limits)
{
	if (limits == NULL)
		return;
	pthread_mutex_destroy(&limits->lock);
	free(limits);
}

/* FNV-1a, and a last stir. */
static unsigned set_of(const struct rw_limits *limits, const char *client)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ limits->seed;

	for (const unsigned char *s = (const unsigned char *)client; *s != '\0'; s++)
		hash = (hash ^ *s) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(hash >> 32) % SETS;
}

/* The client's bucket; a full one in the place of whoever was quiet for longest. */
static struct bucket *bucket_of(struct rw_limits *limits, enum rw_client_class class,
				const char *client, uint64_t now_ms)
{
	struct bucket *set = limits->buckets[class][set_of(limits, client)];
	struct bucket *oldest = &set[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (strcmp(set[i].client, client) == 0)
			return &set[i];
		if (oldest->client[0] != '\0' &&
		    (set[i].client[0] == '\0' || set[i].used < oldest->used))
			oldest = &set[i];
	}
	snprintf(oldest->client, sizeof(oldest->client), "%s", client);
	oldest->level = (uint64_t)limits->rates.of[class].burst * REQUEST;
	oldest->at_ms = now_ms;
	return oldest;
}

static void refill(struct bucket *bucket, const struct rw_rate *rate, uint64_t now_ms)
{
	uint64_t full = (uint64_t)rate->burst * REQUEST;
	uint64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;

	bucket->at_ms += passed;
	if (passed >= full || bucket->level + passed * rate->per_second > full)
		bucket->level = full;
	else
		bucket->level += passed * rate->per_second;
}

bool rw_limits_take(struct rw_limits *limits, enum rw_client_class class, const char *client,
		    uint64_t now_ms, uint32_t *retry_s)
{
	const struct rw_rate *rate = &limits->rates.of[class];

	pthread_mutex_lock(&limits->lock);
	struct bucket *bucket = bucket_of(limits, class, client, now_ms);
	bucket->used = ++limits->requests;
	refill(bucket, rate, now_ms);
	bool taken = bucket->level >= REQUEST;
	if (taken)
		bucket->level -= REQUEST;
	else
		*retry_s = (uint32_t)((REQUEST - bucket->level) / rate->per_second / 1000) + 1;
	pthread_mutex_unlock(&limits->lock);
	return taken;
}

void rw_limits_client_of(const struct sockaddr_storage *address, char out[RW_CLIENT_BYTES])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	struct in6_addr six;

	snprintf(out, RW_CLIENT_BYTES, "unknown");
	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, out, RW_CLIENT_BYTES);
	} else if (address->ss_family == AF_INET6) {
		six = v6->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&six)) {
			inet_ntop(AF_INET, &six.s6_addr[12], out, RW_CLIENT_BYTES);
			return;
		}
		memset(&six.s6_addr[8], 0, 8);
		inet_ntop(AF_INET6, &six, out, RW_CLIENT_BYTES);
	}
}
