/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's target, "/v1/hosts?ring=canary&limit=10", taken apart strictly.
 *
 * The path is kept as it came: no path of ours needs an escape, so one that
 * carries `%` is simply none of ours. Parameters are decoded as forms are
 * (`%2B` is a plus, `+` a space) and refused when they hold what no value of
 * ours can: a NUL, control characters, broken escapes, bytes that are not UTF-8.
 */
#ifndef RINGWATCH_API_URI_H
#define RINGWATCH_API_URI_H

#include <stdint.h>

enum {
	RW_URI_MAX = 4096, /* bytes of the whole target */
	RW_URI_PARAMS_MAX = 12,
	RW_URI_VALUE_MAX = 256,
	RW_URI_ERROR_BYTES = 128,
};

struct rw_uri_param {
	const char *name;
	const char *value; /* 1 … RW_URI_VALUE_MAX bytes of clean text */
};

struct rw_uri {
	const char *path;
	uint32_t param_count;
	struct rw_uri_param params[RW_URI_PARAMS_MAX]; /* each name once */
	char text[RW_URI_MAX + 1];                     /* what the pointers point into */
};

/*
 * 0; -E2BIG when it is longer than RW_URI_MAX; -EINVAL with one line in `error`
 * that begins with the parameter's name. A parameter `token` or `access_token`
 * is refused here, on any path: a URL ends up in logs.
 */
int rw_uri_parse(const char *target, struct rw_uri *out, char error[RW_URI_ERROR_BYTES]);

/* The parameter's value, or NULL. */
const char *rw_uri_value(const struct rw_uri *uri, const char *name);

#endif
