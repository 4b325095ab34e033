/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small PKI: one self-signed CA a trust domain (EC P-256), which issues
 * certificates for hosts (clientAuth) and collectors (serverAuth) with their
 * SPIFFE ID as the one URI name. Used by `ringwatch pki`, by simulated hosts,
 * which mint theirs in memory with one shared key, and by tests. SPIRE, Vault
 * or step-ca can take its place.
 *
 * Everything returned is the caller's to free (X509_free, EVP_PKEY_free,
 * rw_pki_ca_release). Functions return 0 or negative errno with one line in
 * `error`; outputs are untouched then. A CA may be used from many threads at
 * once as long as nobody releases it. OpenSSL's error queue is left empty.
 */
#ifndef RINGWATCH_LIB_PKI_H
#define RINGWATCH_LIB_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "lib/spiffe.h"

enum { RW_PKI_ERROR_BYTES = 256 };

struct rw_pki_ca {
	X509 *certificate;
	EVP_PKEY *key;
	/* From the CA certificate's own URI name, spiffe://TRUST_DOMAIN. */
	char trust_domain[RW_TRUST_DOMAIN_MAX + 1];
};

/* Seconds counted from now; `from_s` is negative for "already valid". */
struct rw_pki_validity {
	int64_t from_s;
	int64_t until_s;
};

/* Valid from 5 minutes ago, so that a clock that is a little behind accepts it. */
struct rw_pki_validity rw_pki_valid_for(uint64_t duration_ms);
#define RW_PKI_CA_VALID_MS (3652ull * 86400000) /* 10 years */
#define RW_PKI_LEAF_VALID_MS (365ull * 86400000)

/* A new EC P-256 key. */
int rw_pki_new_key(EVP_PKEY **out, char error[RW_PKI_ERROR_BYTES]);

/* -EINVAL when `trust_domain` is none (spiffe.h). */
int rw_pki_new_ca(const char *trust_domain, struct rw_pki_validity validity, struct rw_pki_ca *out,
		  char error[RW_PKI_ERROR_BYTES]);

/* Reads a CA from its two PEM files; checks that they belong together, that
 * the certificate is a CA's, and that it names a trust domain. */
int rw_pki_load_ca(const char *certificate_path, const char *key_path, struct rw_pki_ca *out,
		   char error[RW_PKI_ERROR_BYTES]);

/* Frees what it holds and zeroes it. */
void rw_pki_ca_release(struct rw_pki_ca *ca);

/*
 * A certificate for `identity` and the public half of `key`, with a random
 * 128-bit serial number. -EINVAL: a bad name, another trust domain than the
 * CA's, or a certificate that would outlive the CA.
 */
int rw_pki_issue(const struct rw_pki_ca *ca, const struct rw_identity *identity, EVP_PKEY *key,
		 struct rw_pki_validity validity, X509 **out, char error[RW_PKI_ERROR_BYTES]);

/* PEM, replaced as one step: certificates with mode 0644, keys with 0600. */
int rw_pki_write_certificate(const char *path, X509 *certificate, char error[RW_PKI_ERROR_BYTES]);
int rw_pki_write_key(const char *path, EVP_PKEY *key, char error[RW_PKI_ERROR_BYTES]);

#endif
