/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities in certificates: SPIFFE IDs in the one URI subject alternative
 * name.
 *
 *   spiffe://TRUST_DOMAIN/ringwatch/ring/RING/host/HOST_ID
 *   spiffe://TRUST_DOMAIN/ringwatch/collector/NAME
 *
 * RING, HOST_ID and NAME are names of name.h; TRUST_DOMAIN is 1 … 255 of
 * a-z 0-9 . - _ (SPIFFE-ID specification, section 2.1).
 */
#ifndef RINGWATCH_LIB_SPIFFE_H
#define RINGWATCH_LIB_SPIFFE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/name.h"

enum { RW_TRUST_DOMAIN_MAX = 255, RW_SPIFFE_MAX = 512 };

enum rw_identity_role { RW_IDENTITY_HOST = 1, RW_IDENTITY_COLLECTOR = 2 };

struct rw_identity {
	enum rw_identity_role role;
	char trust_domain[RW_TRUST_DOMAIN_MAX + 1];
	char ring[RW_NAME_MAX + 1]; /* "" for a collector */
	char name[RW_NAME_MAX + 1]; /* host_id or collector name */
};

#define RW_TRUST_DOMAIN_EXPECTED "1 to 255 of a-z 0-9 . - _"
bool rw_trust_domain_is_valid(const char *text, size_t length);

/* 0, or -EINVAL with *reason a constant sentence. `out` is untouched on error. */
int rw_spiffe_parse(const char *uri, size_t length, struct rw_identity *out, const char **reason);
/* Writes the URI; its length. */
size_t rw_spiffe_format(const struct rw_identity *identity, char out[RW_SPIFFE_MAX]);

#endif
