/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP face of the collector: JSON under /v1, /metrics, /healthz, /readyz.
 *
 * libmicrohttpd runs in threads of its own, so that a slow query never delays
 * a heartbeat. Handlers ask the loop for snapshots (hub.h) and render the
 * copies; events and audit are read from the store over connections of their
 * own. docs/api.md describes each path.
 */
#ifndef RINGWATCH_API_API_H
#define RINGWATCH_API_API_H

#include <stdint.h>

#include "collector/api/limits.h"
#include "collector/api/tls.h"
#include "collector/hub.h"

enum { RW_API_ERROR_BYTES = 256 };

struct rw_api_config {
	const char *listen; /* "127.0.0.1:8470"; port 0 = any */
	const char *name;   /* the collector's name */
	const char *store_path;
	const char *tokens_file; /* see tokens.h */
	/* Names that the Host header may give beside the known ones; copied. */
	const char *const *hosts;
	uint32_t host_count;
	const struct rw_api_tls_files *tls; /* NULL: plain HTTP */
	const struct rw_rates *rates;       /* NULL: rw_rates_default */
};

struct rw_api;

/*
 * 0, or negative errno with one line in `error`: -EADDRINUSE and its like name
 * the address; the tokens file is named with its line (-EINVAL), or by itself
 * when it cannot be read (-ENOENT, …) or others may read it (-EACCES); a file of
 * `tls` likewise.
 */
int rw_api_start(const struct rw_api_config *config, struct rw_hub *hub, struct rw_api **out,
		 char error[RW_API_ERROR_BYTES]);
/* The port it listens on. */
uint16_t rw_api_port(const struct rw_api *api);
/* SIGHUP: reads the tokens again; a bad file keeps the old ones. */
int rw_api_reload(struct rw_api *api, char error[RW_API_ERROR_BYTES]);
/*
 * SIGHUP: new connections get the certificate, key and authority of these files;
 * bad ones keep the old ones. NULL is plain HTTP. What is encrypted or plain at
 * the start stays so: -EBUSY for the other.
 */
int rw_api_reload_tls(struct rw_api *api, const struct rw_api_tls_files *files,
		      char error[RW_API_ERROR_BYTES]);
/* Ends running requests and stops the threads. Call before the hub goes. */
void rw_api_stop(struct rw_api *api);

#endif
