/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket. Ours, not libmicrohttpd's: its own either waits out
 * TIME_WAIT after a restart or lets a second collector share the port.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/api/internal.h"

static int listen_on(const struct addrinfo *at, uint16_t *port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} bound = {.v6 = {0}};
	socklen_t length = sizeof(bound);
	const int on = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0 ||
	    getsockname(fd, &bound.any, &length) != 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	*port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
	return fd;
}

int rw_listen(const char *address, char host[RW_HOST_TEXT_BYTES], uint16_t *port,
	      char error[RW_API_ERROR_BYTES])
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				       .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(address, ':');
	struct addrinfo *found = NULL;
	char bare[RW_HOST_TEXT_BYTES];

	if (colon == NULL || colon == address || colon - address >= RW_HOST_TEXT_BYTES) {
		snprintf(error, RW_API_ERROR_BYTES, "%.100s: expected HOST:PORT", address);
		return -EINVAL;
	}
	snprintf(host, RW_HOST_TEXT_BYTES, "%.*s", (int)(colon - address), address);
	snprintf(bare, sizeof(bare), "%s", host);
	size_t length = strlen(bare);
	if (bare[0] == '[' && bare[length - 1] == ']') {
		memmove(bare, bare + 1, length - 2);
		bare[length - 2] = '\0';
	}
	int code = getaddrinfo(bare, colon + 1, &hints, &found);
	if (code != 0) {
		snprintf(error, RW_API_ERROR_BYTES, "%.100s: %s", address, gai_strerror(code));
		return -EINVAL;
	}
	int fd = listen_on(found, port);
	freeaddrinfo(found);
	if (fd < 0)
		snprintf(error, RW_API_ERROR_BYTES, "%.100s: %s", address, strerror(-fd));
	return fd;
}
