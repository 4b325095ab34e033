/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS set-up shared by sensor, collector and simulated hosts: TLS 1.3 only,
 * mutual, ALPN "ringwatch/1", peer identity by SPIFFE ID, no session cache, no
 * tickets, buffers released while idle (22 KB instead of 59 KB a session).
 *
 * Contexts are owned by the caller (SSL_CTX_free). Nothing here logs.
 */
#ifndef RINGWATCH_LIB_TLS_H
#define RINGWATCH_LIB_TLS_H

#include <openssl/ssl.h>

#include "lib/spiffe.h"

enum rw_tls_side { RW_TLS_SENSOR, RW_TLS_COLLECTOR };

enum { RW_TLS_ERROR_BYTES = 256 };

struct rw_tls_files {
	const char *certificate; /* PEM, leaf first */
	const char *key;         /* PEM */
	const char *ca;          /* PEM, one or more */
	const char *crl;         /* PEM, or NULL for none */
};

/*
 * A new context in *out. Returns 0, or negative errno with a line in `error`
 * that names the file. Also checks that the key belongs to the certificate.
 */
int rw_tls_context(enum rw_tls_side side, const struct rw_tls_files *files, SSL_CTX **out,
		   char error[RW_TLS_ERROR_BYTES]);

/*
 * The same from memory; for simulated hosts and tests. `certificate` and `key`
 * may both be NULL when each session is given its own (SSL_use_certificate).
 * `crl` may be NULL. Nothing is taken over.
 */
int rw_tls_context_of(enum rw_tls_side side, X509 *certificate, EVP_PKEY *key, X509 *ca,
		      X509_CRL *crl, SSL_CTX **out, char error[RW_TLS_ERROR_BYTES]);

/* The identity in a certificate: exactly one URI name, a SPIFFE ID. 0, or -EACCES. */
int rw_tls_identity_of(X509 *certificate, struct rw_identity *out, char error[RW_TLS_ERROR_BYTES]);

/* The identity in the context's own certificate. */
int rw_tls_own_identity(SSL_CTX *context, struct rw_identity *out, char error[RW_TLS_ERROR_BYTES]);

/*
 * After the handshake: who the peer is. Insists on a verified chain, the
 * purpose (clientAuth of a host, serverAuth of a collector), exactly one URI
 * name, the role the other side must have, the given trust domain, and ALPN.
 * 0, or -EACCES with the reason in `error`.
 */
int rw_tls_peer_identity(SSL *ssl, enum rw_tls_side own_side, const char *trust_domain,
			 struct rw_identity *out, char error[RW_TLS_ERROR_BYTES]);

/*
 * One sentence for a failed SSL call: the certificate's verification error if
 * there is one, else the peer's alert or OpenSSL's first reason, else errno's.
 * Clears OpenSSL's error queue.
 */
void rw_tls_explain(SSL *ssl, int ssl_error, char error[RW_TLS_ERROR_BYTES]);

#endif
