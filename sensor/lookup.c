/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups; see lookup.h. Asker and thread share a small allocation with a
 * count of two: the last one out frees it. The answer is published by closing
 * the write end of a pipe, so the asker polls for end of file.
 */
#include "sensor/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_BYTES = 256, PORT_BYTES = 8, STACK_BYTES = 256 * 1024 };

struct shared {
	atomic_int users;
	int write_fd;
	int error; /* of getaddrinfo */
	struct addrinfo *answer;
	char host[HOST_BYTES];
	char port[PORT_BYTES];
};

struct rw_lookup {
	struct shared *shared;
	int read_fd;
};

static void leave(struct shared *shared)
{
	if (atomic_fetch_sub(&shared->users, 1) != 1)
		return;
	if (shared->answer != NULL)
		freeaddrinfo(shared->answer);
	free(shared);
}

static int ask(struct shared *shared, int flags)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};

	return getaddrinfo(shared->host, shared->port, &hints, &shared->answer);
}

static void *run(void *context)
{
	struct shared *shared = context;

	shared->error = ask(shared, AI_ADDRCONFIG);
	close(shared->write_fd);
	leave(shared);
	return NULL;
}

static int split(const char *address, struct shared *shared)
{
	const char *colon = strrchr(address, ':');

	if (colon == NULL)
		return -EINVAL;
	size_t length = (size_t)(colon - address);
	const char *host = address;
	if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	}
	if (length == 0 || length >= HOST_BYTES || strlen(colon + 1) >= PORT_BYTES)
		return -EINVAL;
	memcpy(shared->host, host, length);
	memcpy(shared->port, colon + 1, strlen(colon + 1));
	return 0;
}

static int start_thread(struct shared *shared)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err = pthread_attr_init(&attr);

	if (err != 0)
		return -err;
	atomic_store(&shared->users, 2);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, run, shared);
	pthread_attr_destroy(&attr);
	if (err != 0)
		atomic_store(&shared->users, 1);
	return -err;
}

int rw_lookup_begin(const char *address, struct rw_lookup **out)
{
	int fds[2];
	struct shared *shared = calloc(1, sizeof(*shared));
	struct rw_lookup *lookup = calloc(1, sizeof(*lookup));
	int err = shared == NULL || lookup == NULL ? -ENOMEM : split(address, shared);

	if (err == 0 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		err = -errno;
	if (err != 0) {
		free(shared);
		free(lookup);
		return err;
	}
	atomic_init(&shared->users, 1);
	shared->write_fd = fds[1];
	lookup->shared = shared;
	lookup->read_fd = fds[0];
	shared->error = ask(shared, AI_NUMERICHOST);
	if (shared->error == EAI_NONAME) {
		err = start_thread(shared);
		if (err != 0) {
			close(fds[1]);
			rw_lookup_free(lookup);
			return err;
		}
	} else {
		close(fds[1]);
	}
	*out = lookup;
	return 0;
}

int rw_lookup_descriptor(const struct rw_lookup *lookup)
{
	return lookup->read_fd;
}

int rw_lookup_take(struct rw_lookup *lookup, struct addrinfo **out, const char **reason)
{
	struct pollfd p = {.fd = lookup->read_fd, .events = POLLIN};

	if (poll(&p, 1, 0) <= 0)
		return -EAGAIN;
	struct shared *shared = lookup->shared;
	if (shared->error != 0) {
		*reason = gai_strerror(shared->error);
		return -EHOSTUNREACH;
	}
	*out = shared->answer;
	shared->answer = NULL;
	return 0;
}

void rw_lookup_free(struct rw_lookup *lookup)
{
	if (lookup == NULL)
		return;
	close(lookup->read_fd);
	leave(lookup->shared);
	free(lookup);
}
