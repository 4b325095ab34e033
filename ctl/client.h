/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's HTTP API, asked one question at a time (libcurl). The token
 * comes from a file or RINGWATCH_TOKEN and only ever goes out in a header.
 * Redirects and proxies are not followed: the collector is asked directly, or
 * not at all. An https:// one must show a certificate for its name by a CA that is
 * trusted (--ca). An answer is at most 64 MiB.
 */
#ifndef RINGWATCH_CTL_CLIENT_H
#define RINGWATCH_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/args.h"

enum { RW_CLIENT_ERROR_BYTES = 512, RW_CLIENT_PATH_BYTES = 2048 };

struct rw_client;

/* 0; -EINVAL: the URL or the token file is wrong, a line in `error`. */
int rw_client_new(const struct rw_args *args, struct rw_client **out,
		  char error[RW_CLIENT_ERROR_BYTES]);
void rw_client_free(struct rw_client *client); /* NULL is fine */

/* Its address, without a slash at the end. */
const char *rw_client_url(const struct rw_client *client);

struct rw_reply {
	long status; /* 0: there was none */
	char *body;  /* NUL-terminated */
	size_t length;
	json_t *json; /* NULL when the body is no JSON object */
};
void rw_reply_release(struct rw_reply *reply);
/* The body as it came, and a line break. */
void rw_reply_print(const struct rw_reply *reply);

/*
 * One request; `body` NULL is a GET, else a POST. 0 when an answer came,
 * whatever its status; -EIO with a line in `error` when none did. Release the
 * reply in either case.
 */
int rw_client_request(struct rw_client *client, const char *path, const json_t *body,
		      struct rw_reply *reply, char error[RW_CLIENT_ERROR_BYTES]);

/*
 * The same, and insists on a 2xx status and a JSON object: -EPERM with the
 * collector's own message when it refused, -EPROTO when the answer is not the
 * API's.
 */
int rw_client_ask(struct rw_client *client, const char *path, const json_t *body,
		  struct rw_reply *reply, char error[RW_CLIENT_ERROR_BYTES]);

/* From now on an answer must be there within this time (at first 30 s). false: libcurl cannot. */
bool rw_client_hurry(struct rw_client *client, uint64_t timeout_ms);

/* A path with its query, built piece by piece; values are percent-encoded. */
struct rw_path {
	char text[RW_CLIENT_PATH_BYTES];
	size_t used;
	bool has_query;
	bool too_long;
};
struct rw_path rw_path_of(const char *base);
void rw_path_part(struct rw_path *path, const char *part);
void rw_path_query(struct rw_path *path, const char *key,
		   const char *value); /* NULL value: nothing */

#endif
