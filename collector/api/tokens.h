/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens and what they may do. The file holds one token a line,
 * `NAME ROLE SHA256` (64 lower-case hex digits of the token's hash), blank
 * lines and lines that begin with `#`. The token itself is never stored.
 *
 * A set is immutable once loaded, so any thread may read it.
 */
#ifndef RINGWATCH_API_TOKENS_H
#define RINGWATCH_API_TOKENS_H

#include <stddef.h>

#include "lib/name.h"

enum { RW_TOKENS_MAX = 256, RW_TOKEN_ERROR_BYTES = 256 };

/* Each may do what the one before may. */
enum rw_role { RW_ROLE_NONE, RW_ROLE_READ, RW_ROLE_ROLLOUT, RW_ROLE_OPERATOR };

const char *rw_role_name(enum rw_role role);

struct rw_tokens;

/*
 * 0 with a new set in *out, or negative errno with a line in `error` that
 * names the file and the line. -EACCES when group or others may read it.
 */
int rw_tokens_load(const char *path, struct rw_tokens **out, char error[RW_TOKEN_ERROR_BYTES]);
void rw_tokens_free(struct rw_tokens *tokens);

/*
 * The role of a presented token, RW_ROLE_NONE when it is not in the set; its
 * name in `name`. Takes the same time whichever token it is, or none.
 */
enum rw_role rw_tokens_check(const struct rw_tokens *tokens, const char *token,
			     char name[RW_NAME_MAX + 1]);

#endif
