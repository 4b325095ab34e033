/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS: certificate, key and, when clients must show one, the authority that
 * signs theirs. TLS 1.2 and later.
 *
 * A set is immutable and counted: each connection keeps the one that it began
 * with, so that new files can be taken while others are served.
 */
#ifndef RINGWATCH_API_TLS_H
#define RINGWATCH_API_TLS_H

#include <stdbool.h>

#include "lib/spiffe.h"

struct rw_api_tls_files {
	const char *certificate; /* PEM, leaf first */
	const char *key;         /* PEM, not encrypted */
	const char *client_ca;   /* PEM, one or more; NULL: clients need no certificate */
};

enum { RW_API_TLS_ERROR_BYTES = 256 };

/* GnuTLS's words for the versions and ciphers that are spoken. */
#define RW_API_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct rw_api_tls;

/*
 * 0 with a new set, held once, in *out; or negative errno with one line in
 * `error` that names the file.
 */
int rw_api_tls_load(const struct rw_api_tls_files *files, struct rw_api_tls **out,
		    char error[RW_API_TLS_ERROR_BYTES]);
/* Both take NULL. */
struct rw_api_tls *rw_api_tls_hold(struct rw_api_tls *tls);
void rw_api_tls_release(struct rw_api_tls *tls);

/* The two files' text, which libmicrohttpd wants at its start. */
const char *rw_api_tls_certificate(const struct rw_api_tls *tls);
const char *rw_api_tls_key(const struct rw_api_tls *tls);

/* Before the handshake of a session (a gnutls_session_t), which must not outlive `tls`. */
int rw_api_tls_use(const struct rw_api_tls *tls, void *session);

/*
 * After its handshake: whether the client showed a host's certificate, which the authority
 * of `tls` has vouched for. A host's is one whose only URI name is a host's SPIFFE ID, as a
 * sensor's is.
 */
bool rw_api_tls_host(const struct rw_api_tls *tls, void *session, struct rw_identity *out);

#endif
