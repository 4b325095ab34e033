/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms that an answer's body takes on its way: its tag, by which a client
 * knows that it has it already, and gzip. Nothing here keeps state.
 */
#ifndef RINGWATCH_API_ENCODE_H
#define RINGWATCH_API_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

enum { RW_ETAG_BYTES = 40, RW_GZIP_LEAST = 1024 };

/* A weak tag (the same for the packed body) made of the body's SHA-256. */
void rw_etag_of(const char *body, size_t length, char out[RW_ETAG_BYTES]);

/* Whether an If-None-Match header (NULL: there was none) names the tag, or is `*`. */
bool rw_etag_matches(const char *header, const char *etag);

/*
 * Whether an Accept-Encoding header (NULL: there was none) takes gzip, and not
 * less gladly than plain bytes. A header that is not well formed takes none.
 */
bool rw_accepts_gzip(const char *header);

/* malloc'd, or NULL when there is no memory or it would not be shorter. */
char *rw_gzip(const char *body, size_t length, size_t *out_length);

#endif
