/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list under one lock, at most as long as the server has connections. An
 * entry leaves the list before its descriptor is closed, so shutdown() never
 * hits a number that belongs to another connection by now.
 */
#include "collector/api/deadlines.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/clock.h"

struct rw_deadline {
	struct rw_deadline *previous, *next;
	int fd;
	uint64_t since_ms;
	bool engaged; /* with a request */
	bool ended;   /* shut down; the server has not let it go yet */
};

struct rw_deadlines {
	uint64_t limit_ms;
	uint32_t most;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool stopping;
	struct rw_deadline *first;
	uint32_t count; /* of those that are not ended */
	struct rw_deadlines_stats stats;
};

static void end_entry(struct rw_deadlines *deadlines, struct rw_deadline *entry)
{
	shutdown(entry->fd, SHUT_RDWR);
	if (!entry->ended)
		deadlines->count--;
	entry->ended = true;
}

/* One too many: the one that has waited for longest makes room. */
static void make_room(struct rw_deadlines *deadlines)
{
	struct rw_deadline *oldest = NULL;

	for (struct rw_deadline *e = deadlines->first; e != NULL; e = e->next) {
		if (!e->engaged && !e->ended && (oldest == NULL || e->since_ms <= oldest->since_ms))
			oldest = e;
	}
	if (oldest == NULL)
		return;
	end_entry(deadlines, oldest);
	deadlines->stats.made_room++;
}

unsigned rw_deadlines_sweep(struct rw_deadlines *deadlines, uint64_t now_ms)
{
	unsigned ended = 0;

	pthread_mutex_lock(&deadlines->lock);
	for (struct rw_deadline *e = deadlines->first; e != NULL; e = e->next) {
		if (now_ms < e->since_ms + deadlines->limit_ms)
			continue;
		deadlines->stats.too_slow += !e->ended;
		/* It stays in the list until the server lets it go; again does no harm. */
		end_entry(deadlines, e);
		ended++;
	}
	pthread_mutex_unlock(&deadlines->lock);
	return ended;
}

void rw_deadlines_read(struct rw_deadlines *deadlines, struct rw_deadlines_stats *out)
{
	pthread_mutex_lock(&deadlines->lock);
	*out = deadlines->stats;
	pthread_mutex_unlock(&deadlines->lock);
}

static void *run(void *context)
{
	struct rw_deadlines *deadlines = context;

	for (;;) {
		struct timespec at;

		clock_gettime(CLOCK_MONOTONIC, &at);
		at.tv_sec += 1;
		pthread_mutex_lock(&deadlines->lock);
		int err = 0;
		while (!deadlines->stopping && err == 0)
			err = pthread_cond_timedwait(&deadlines->wake, &deadlines->lock, &at);
		bool stopping = deadlines->stopping;
		pthread_mutex_unlock(&deadlines->lock);
		if (stopping)
			return NULL;
		rw_deadlines_sweep(deadlines, rw_clock_boot_ms());
	}
}

static int start_thread(struct rw_deadlines *deadlines)
{
	pthread_condattr_t attributes;
	int err = pthread_condattr_init(&attributes);

	if (err != 0)
		return -err;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&deadlines->lock, NULL);
	pthread_cond_init(&deadlines->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return -pthread_create(&deadlines->thread, NULL, run, deadlines);
}

int rw_deadlines_start(uint64_t limit_ms, uint32_t most, struct rw_deadlines **out)
{
	struct rw_deadlines *deadlines = calloc(1, sizeof(*deadlines));

	if (deadlines == NULL)
		return -ENOMEM;
	deadlines->limit_ms = limit_ms;
	deadlines->most = most;
	int err = start_thread(deadlines);
	if (err != 0) {
		free(deadlines);
		return err;
	}
	*out = deadlines;
	return 0;
}

void rw_deadlines_stop(struct rw_deadlines *deadlines)
{
	if (deadlines == NULL)
		return;
	pthread_mutex_lock(&deadlines->lock);
	deadlines->stopping = true;
	pthread_cond_signal(&deadlines->wake);
	pthread_mutex_unlock(&deadlines->lock);
	pthread_join(deadlines->thread, NULL);
	while (deadlines->first != NULL)
		rw_deadlines_remove(deadlines, deadlines->first);
	pthread_cond_destroy(&deadlines->wake);
	pthread_mutex_destroy(&deadlines->lock);
	free(deadlines);
}

struct rw_deadline *rw_deadlines_add(struct rw_deadlines *deadlines, int fd, uint64_t now_ms)
{
	struct rw_deadline *entry = calloc(1, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	entry->fd = fd;
	entry->since_ms = now_ms;
	pthread_mutex_lock(&deadlines->lock);
	if (deadlines->count >= deadlines->most)
		make_room(deadlines);
	deadlines->count++;
	entry->next = deadlines->first;
	if (entry->next != NULL)
		entry->next->previous = entry;
	deadlines->first = entry;
	pthread_mutex_unlock(&deadlines->lock);
	return entry;
}

void rw_deadlines_engage(struct rw_deadlines *deadlines, struct rw_deadline *entry)
{
	if (entry == NULL)
		return;
	pthread_mutex_lock(&deadlines->lock);
	entry->engaged = true;
	pthread_mutex_unlock(&deadlines->lock);
}

void rw_deadlines_renew(struct rw_deadlines *deadlines, struct rw_deadline *entry, uint64_t now_ms)
{
	if (entry == NULL)
		return;
	pthread_mutex_lock(&deadlines->lock);
	entry->since_ms = now_ms;
	entry->engaged = false;
	pthread_mutex_unlock(&deadlines->lock);
}

void rw_deadlines_remove(struct rw_deadlines *deadlines, struct rw_deadline *entry)
{
	if (entry == NULL)
		return;
	pthread_mutex_lock(&deadlines->lock);
	if (entry->previous != NULL)
		entry->previous->next = entry->next;
	else
		deadlines->first = entry->next;
	if (entry->next != NULL)
		entry->next->previous = entry->previous;
	if (!entry->ended)
		deadlines->count--;
	pthread_mutex_unlock(&deadlines->lock);
	free(entry);
}
