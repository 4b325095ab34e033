/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket on which the last words of dying kernels arrive: netconsole, UDP.
 * What they mean is gasp_watch.h's. All on the loop's thread.
 */
#ifndef RINGWATCH_INGEST_NETCONSOLE_H
#define RINGWATCH_INGEST_NETCONSOLE_H

#include <sys/socket.h>

#include "collector/hub_private.h"

struct rw_gasp_listener;

/* `listen` is ADDRESS:PORT. -EADDRINUSE, -EACCES, …; `error` is one line. *out is also set
 * on failure when its handle must be closed by the loop; else it is NULL. */
int rw_gasp_listener_open(struct rw_hub *hub, const char *listen, struct rw_gasp_listener **out,
			  char error[RW_HUB_ERROR_BYTES]);
/* "127.0.0.1:6666", the real port. */
const char *rw_gasp_listener_address(const struct rw_gasp_listener *listener);

/* For ingest: a session of this host is live, from that address; `armed` is whether its
 * Hello says that netconsole is armed. Then it may be challenged at once. */
void rw_gasp_listener_host_live(struct rw_gasp_listener *listener, rw_host_handle host, bool armed,
				const struct sockaddr *peer);
void rw_gasp_listener_host_gone(struct rw_gasp_listener *listener, rw_host_handle host);

/* For the hub. */
void rw_gasp_listener_tick(struct rw_gasp_listener *listener, struct rw_now now);

/* NULL is fine for both. The handle is gone when the loop has run out; then free. */
void rw_gasp_listener_close(struct rw_gasp_listener *listener);
void rw_gasp_listener_free(struct rw_gasp_listener *listener);

#endif
