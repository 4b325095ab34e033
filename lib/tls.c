/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS set-up; tls.h says what is promised. Files are read here and parsed from
 * memory, so that each error names its file and no OpenSSL call ever opens,
 * prompts or searches by itself. OpenSSL's error queue is a thread's and is
 * never cleared by its own calls: each function here empties it at its start
 * and at its end.
 */
#include "lib/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum {
	FILE_MAX = 1 << 20,
	CRL_FILE_MAX = 16 << 20,
	CHAIN_BYTES_MAX = 32 << 10, /* of certificates that a peer may send */
	CHAIN_DEPTH_MAX = 4,
	SECURITY_LEVEL = 2, /* at least 112 bits: RSA 2048, P-224 */
};

/* Length-prefixed, as the extension carries it. */
static const unsigned char alpn[] = "\x0bringwatch/1";
enum { ALPN_BYTES = sizeof(alpn) - 1 };

static const char *first_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	return reason == NULL ? "unknown error" : reason;
}

/* For what can only fail for want of memory, or a broken OpenSSL. */
static int fail_openssl(const char *what, char error[RW_TLS_ERROR_BYTES])
{
	snprintf(error, RW_TLS_ERROR_BYTES, "TLS: %s: %s", what, first_reason());
	ERR_clear_error();
	return -ENOMEM;
}

/* ---- the context, without certificates ------------------------------------- */

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
		       const unsigned char *offered, unsigned offered_length, void *context)
{
	unsigned char *chosen;

	(void)ssl;
	(void)context;
	if (SSL_select_next_proto(&chosen, out_length, alpn, ALPN_BYTES, offered, offered_length) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* A key behind a passphrase must fail, not wait for a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static int new_context(enum rw_tls_side side, SSL_CTX **out, char error[RW_TLS_ERROR_BYTES])
{
	SSL_CTX *context =
		SSL_CTX_new(side == RW_TLS_SENSOR ? TLS_client_method() : TLS_server_method());

	if (context == NULL)
		return fail_openssl("context", error);
	SSL_CTX_set_options(context,
			    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	/* Writes may be retried from another buffer: senders keep queues that move. */
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
	SSL_CTX_set_security_level(context, SECURITY_LEVEL);
	if (side == RW_TLS_COLLECTOR)
		SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
	if (!SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) ||
	    !SSL_CTX_set_num_tickets(context, 0) ||
	    !SSL_CTX_set_purpose(context, side == RW_TLS_SENSOR ? X509_PURPOSE_SSL_SERVER
								: X509_PURPOSE_SSL_CLIENT) ||
	    (side == RW_TLS_SENSOR && SSL_CTX_set_alpn_protos(context, alpn, ALPN_BYTES) != 0)) {
		SSL_CTX_free(context);
		return fail_openssl("context", error);
	}
	*out = context;
	return 0;
}

static bool add_crl(SSL_CTX *context, X509_CRL *crl)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);

	return X509_STORE_add_crl(store, crl) && X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}

/* ---- certificates from files ----------------------------------------------- */

static int refuse_file(const char *path, const char *what, char error[RW_TLS_ERROR_BYTES])
{
	snprintf(error, RW_TLS_ERROR_BYTES, "%s: %s", path, what);
	ERR_clear_error();
	return -EINVAL;
}

/* The file's bytes as a BIO that reads from *bytes, which must outlive it. */
static int open_pem(const char *path, size_t max, char **bytes, BIO **out,
		    char error[RW_TLS_ERROR_BYTES])
{
	size_t length;
	int err = rw_file_read(path, max, bytes, &length);

	if (err != 0) {
		snprintf(error, RW_TLS_ERROR_BYTES, "%s: cannot be read: %s", path, strerror(-err));
		return err;
	}
	*out = BIO_new_mem_buf(*bytes, (int)length);
	return *out == NULL ? fail_openssl("memory", error) : 0;
}

/* After a PEM reader returned NULL: whether the file simply has no more of them. */
static bool pem_ended(void)
{
	unsigned long last = ERR_peek_last_error();
	bool ended =
		ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;

	if (ended)
		ERR_clear_error();
	return ended;
}

/* Called with each certificate of a file in turn; 0 or -1. Takes nothing over. */
typedef int use_certificate_fn(SSL_CTX *context, X509 *certificate, size_t index);

static int use_own(SSL_CTX *context, X509 *certificate, size_t index)
{
	if (index == 0)
		return SSL_CTX_use_certificate(context, certificate) == 1 ? 0 : -1;
	return SSL_CTX_add1_chain_cert(context, certificate) == 1 ? 0 : -1;
}

static int use_ca(SSL_CTX *context, X509 *certificate, size_t index)
{
	(void)index;
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1 ? 0 : -1;
}

static int load_certificates(SSL_CTX *context, const char *path, use_certificate_fn *use,
			     char error[RW_TLS_ERROR_BYTES])
{
	rw_autofree char *bytes = NULL;
	BIO *bio = NULL;
	size_t count = 0;
	int err = open_pem(path, FILE_MAX, &bytes, &bio, error);

	while (err == 0) {
		X509 *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (certificate == NULL)
			break;
		if (use(context, certificate, count++) != 0)
			err = refuse_file(path, first_reason(), error);
		X509_free(certificate);
	}
	BIO_free(bio);
	if (err != 0)
		return err;
	if (!pem_ended())
		return refuse_file(path, "holds a damaged PEM certificate", error);
	return count == 0 ? refuse_file(path, "holds no PEM certificate", error) : 0;
}

static int load_crls(SSL_CTX *context, const char *path, char error[RW_TLS_ERROR_BYTES])
{
	rw_autofree char *bytes = NULL;
	BIO *bio = NULL;
	size_t count = 0;
	int err = open_pem(path, CRL_FILE_MAX, &bytes, &bio, error);

	while (err == 0) {
		X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL);
		if (crl == NULL)
			break;
		if (!add_crl(context, crl))
			err = refuse_file(path, first_reason(), error);
		X509_CRL_free(crl);
		count++;
	}
	BIO_free(bio);
	if (err != 0)
		return err;
	if (!pem_ended())
		return refuse_file(path, "holds a damaged PEM revocation list", error);
	return count == 0 ? refuse_file(path, "holds no PEM revocation list", error) : 0;
}

static int load_key(SSL_CTX *context, const char *path, char error[RW_TLS_ERROR_BYTES])
{
	rw_autofree char *bytes = NULL;
	BIO *bio = NULL;
	int err = open_pem(path, FILE_MAX, &bytes, &bio, error);

	if (err != 0)
		return err;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	OPENSSL_cleanse(bytes, strlen(bytes));
	if (key == NULL)
		return refuse_file(path,
				   "holds no PEM private key that can be read without a passphrase",
				   error);
	if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
		err = refuse_file(path, "is not the key of the certificate", error);
	EVP_PKEY_free(key);
	return err;
}

int rw_tls_context(enum rw_tls_side side, const struct rw_tls_files *files, SSL_CTX **out,
		   char error[RW_TLS_ERROR_BYTES])
{
	SSL_CTX *context;

	ERR_clear_error();
	int err = new_context(side, &context, error);
	if (err != 0)
		return err;
	err = load_certificates(context, files->certificate, use_own, error);
	if (err == 0)
		err = load_key(context, files->key, error);
	if (err == 0)
		err = load_certificates(context, files->ca, use_ca, error);
	if (err == 0 && files->crl != NULL)
		err = load_crls(context, files->crl, error);
	if (err != 0) {
		SSL_CTX_free(context);
		return err;
	}
	*out = context;
	return 0;
}

int rw_tls_context_of(enum rw_tls_side side, X509 *certificate, EVP_PKEY *key, X509 *ca,
		      X509_CRL *crl, SSL_CTX **out, char error[RW_TLS_ERROR_BYTES])
{
	SSL_CTX *context;

	ERR_clear_error();
	int err = new_context(side, &context, error);
	if (err != 0)
		return err;
	if ((certificate != NULL && SSL_CTX_use_certificate(context, certificate) != 1) ||
	    (key != NULL && SSL_CTX_use_PrivateKey(context, key) != 1) ||
	    !X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca) ||
	    (crl != NULL && !add_crl(context, crl))) {
		SSL_CTX_free(context);
		return fail_openssl("certificate", error);
	}
	*out = context;
	return 0;
}

/* ---- identities ------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static int refuse_peer(char error[RW_TLS_ERROR_BYTES],
							     const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, RW_TLS_ERROR_BYTES, fmt, args);
	va_end(args);
	ERR_clear_error();
	return -EACCES;
}

int rw_tls_identity_of(X509 *certificate, struct rw_identity *out, char error[RW_TLS_ERROR_BYTES])
{
	const ASN1_IA5STRING *uri = NULL;
	int uris = 0;
	int critical;

	ERR_clear_error();
	/* NULL also when the extension stands twice or cannot be decoded. */
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
	if (names == NULL)
		return refuse_peer(error, critical == -1
						  ? "the certificate has no URI name"
						  : "the certificate's names cannot be read");
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		uri = name->d.uniformResourceIdentifier;
		uris++;
	}
	int err = 0;
	const char *reason;
	if (uris == 0)
		err = refuse_peer(error, "the certificate has no URI name");
	else if (uris > 1)
		err = refuse_peer(error, "the certificate has %d URI names, expected exactly one",
				  uris);
	else if (rw_spiffe_parse((const char *)ASN1_STRING_get0_data(uri),
				 (size_t)ASN1_STRING_length(uri), out, &reason) != 0)
		err = refuse_peer(error, "%s", reason);
	GENERAL_NAMES_free(names);
	return err;
}

int rw_tls_own_identity(SSL_CTX *context, struct rw_identity *out, char error[RW_TLS_ERROR_BYTES])
{
	X509 *certificate = SSL_CTX_get0_certificate(context);

	if (certificate == NULL)
		return refuse_peer(error, "the context has no certificate");
	return rw_tls_identity_of(certificate, out, error);
}

static bool alpn_is_ours(const SSL *ssl)
{
	const unsigned char *chosen;
	unsigned length;

	SSL_get0_alpn_selected(ssl, &chosen, &length);
	return length == ALPN_BYTES - 1 && memcmp(chosen, alpn + 1, ALPN_BYTES - 1) == 0;
}

/* OpenSSL lets a certificate without any extended usage pass for every purpose. */
static bool has_usage(X509 *certificate, uint32_t usage)
{
	return (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0 &&
	       (X509_get_extended_key_usage(certificate) & usage) != 0;
}

int rw_tls_peer_identity(SSL *ssl, enum rw_tls_side own_side, const char *trust_domain,
			 struct rw_identity *out, char error[RW_TLS_ERROR_BYTES])
{
	bool peer_is_host = own_side == RW_TLS_COLLECTOR;
	struct rw_identity identity = {0};

	ERR_clear_error();
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	long verified = SSL_get_verify_result(ssl);
	if (!SSL_is_init_finished(ssl) || SSL_version(ssl) != TLS1_3_VERSION)
		return refuse_peer(error, "the TLS 1.3 handshake has not finished");
	if (certificate == NULL)
		return refuse_peer(error, "the peer sent no certificate");
	if (verified != X509_V_OK)
		return refuse_peer(error, "certificate refused: %s",
				   X509_verify_cert_error_string(verified));
	if (!alpn_is_ours(ssl))
		return refuse_peer(error, "the peer does not speak ringwatch/1 (ALPN)");
	if (!has_usage(certificate, peer_is_host ? XKU_SSL_CLIENT : XKU_SSL_SERVER))
		return refuse_peer(error, "the certificate is not for %s (extended key usage)",
				   peer_is_host ? "clients (clientAuth)" : "servers (serverAuth)");
	int err = rw_tls_identity_of(certificate, &identity, error);
	if (err != 0)
		return err;
	if (peer_is_host && identity.role != RW_IDENTITY_HOST)
		return refuse_peer(error,
				   "the certificate is that of collector %s, expected a host's",
				   identity.name);
	if (!peer_is_host && identity.role != RW_IDENTITY_COLLECTOR)
		return refuse_peer(error,
				   "the certificate is that of host %s, expected a collector's",
				   identity.name);
	if (strcmp(identity.trust_domain, trust_domain) != 0)
		return refuse_peer(error, "the certificate's trust domain is %.80s, expected %.80s",
				   identity.trust_domain, trust_domain);
	*out = identity;
	return 0;
}

/* What OpenSSL says of a foreign CA, said so that an operator knows what to look at. */
static const char *verification_error(long verified)
{
	if (verified == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
		return "it is not signed by a CA of ours";
	return X509_verify_cert_error_string(verified);
}

static const char *alert_name(int alert)
{
	/* Of TLS 1.3; OpenSSL 3.0 has no name for it. */
	return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
						    : SSL_alert_desc_string_long(alert);
}

void rw_tls_explain(SSL *ssl, int ssl_error, char error[RW_TLS_ERROR_BYTES])
{
	int errno_then = errno;
	long verified = SSL_get_verify_result(ssl);
	unsigned long first = ERR_peek_error();
	int reason = ERR_GET_REASON(first);

	if (verified != X509_V_OK)
		snprintf(error, RW_TLS_ERROR_BYTES, "certificate refused: %s",
			 verification_error(verified));
	else if (ERR_GET_LIB(first) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
		snprintf(error, RW_TLS_ERROR_BYTES, "the peer refused: %s",
			 alert_name(reason - SSL_AD_REASON_OFFSET));
	else if (first != 0)
		snprintf(error, RW_TLS_ERROR_BYTES, "%s", first_reason());
	else if (ssl_error == SSL_ERROR_SYSCALL && errno_then != 0)
		snprintf(error, RW_TLS_ERROR_BYTES, "%s", strerror(errno_then));
	else
		snprintf(error, RW_TLS_ERROR_BYTES, "the peer closed the connection");
	ERR_clear_error();
}
