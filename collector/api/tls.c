/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS by GnuTLS, which libmicrohttpd is built with; see tls.h. Each session
 * is given our credentials in place of the server's own: those can neither be
 * replaced nor insist on a client's certificate.
 */
#include "collector/api/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum { PEM_MAX = 1 << 20 };

struct rw_api_tls {
	atomic_uint holders;
	char *certificate, *key;
	size_t certificate_length, key_length;
	bool asks_clients;
	gnutls_certificate_credentials_t credentials;
};

static int refuse(char error[RW_API_TLS_ERROR_BYTES], const char *file, const char *why)
{
	snprintf(error, RW_API_TLS_ERROR_BYTES, "%.180s: %s", file, why);
	return -EINVAL;
}

static int read_pem(const char *file, char **out, size_t *length,
		    char error[RW_API_TLS_ERROR_BYTES])
{
	int err = rw_file_read(file, PEM_MAX, out, length);

	if (err != 0)
		refuse(error, file, strerror(-err));
	return err;
}

static gnutls_datum_t datum(char *bytes, size_t length)
{
	return (gnutls_datum_t){(unsigned char *)bytes, (unsigned)length};
}

/* Each file by itself first, so that the right one is blamed. */
static int check_certificate(const struct rw_api_tls *tls, const char *file,
			     char error[RW_API_TLS_ERROR_BYTES])
{
	const gnutls_datum_t pem = datum(tls->certificate, tls->certificate_length);
	gnutls_x509_crt_t *chain = NULL;
	unsigned count = 0;
	int code = gnutls_x509_crt_list_import2(&chain, &count, &pem, GNUTLS_X509_FMT_PEM, 0);

	if (code < 0)
		return refuse(error, file, gnutls_strerror(code));
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	return 0;
}

static int check_key(const struct rw_api_tls *tls, const char *file,
		     char error[RW_API_TLS_ERROR_BYTES])
{
	const gnutls_datum_t pem = datum(tls->key, tls->key_length);
	gnutls_x509_privkey_t key;
	int code = gnutls_x509_privkey_init(&key);

	if (code < 0)
		return refuse(error, file, gnutls_strerror(code));
	code = gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_x509_privkey_deinit(key);
	return code < 0 ? refuse(error, file, gnutls_strerror(code)) : 0;
}

/* 0 lets the client in: its chain ends at our authority, and it is a client's. */
static int verify_client(gnutls_session_t session)
{
	static unsigned char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st demands[] = {{GNUTLS_DT_KEY_PURPOSE_OID, purpose, 0}};
	unsigned status = 0;
	int code = gnutls_certificate_verify_peers(session, demands, 1, &status);

	return code == 0 && status == 0 ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int take_client_ca(struct rw_api_tls *tls, const char *file,
			  char error[RW_API_TLS_ERROR_BYTES])
{
	rw_autofree char *text = NULL;
	size_t length = 0;
	int err = read_pem(file, &text, &length, error);

	if (err != 0)
		return err;
	const gnutls_datum_t pem = datum(text, length);
	int code =
		gnutls_certificate_set_x509_trust_mem(tls->credentials, &pem, GNUTLS_X509_FMT_PEM);
	if (code <= 0)
		return refuse(error, file,
			      code == 0 ? "holds no certificate" : gnutls_strerror(code));
	gnutls_certificate_set_verify_function(tls->credentials, verify_client);
	tls->asks_clients = true;
	return 0;
}

static int take_own(struct rw_api_tls *tls, const struct rw_api_tls_files *files,
		    char error[RW_API_TLS_ERROR_BYTES])
{
	int err = read_pem(files->certificate, &tls->certificate, &tls->certificate_length, error);

	if (err == 0)
		err = read_pem(files->key, &tls->key, &tls->key_length, error);
	if (err == 0)
		err = check_certificate(tls, files->certificate, error);
	if (err == 0)
		err = check_key(tls, files->key, error);
	if (err != 0)
		return err;
	const gnutls_datum_t certificate = datum(tls->certificate, tls->certificate_length);
	const gnutls_datum_t key = datum(tls->key, tls->key_length);
	int code = gnutls_certificate_set_x509_key_mem2(tls->credentials, &certificate, &key,
							GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return refuse(error, files->key, "is not the key of the certificate");
	return code < 0 ? refuse(error, files->certificate, gnutls_strerror(code)) : 0;
}

int rw_api_tls_load(const struct rw_api_tls_files *files, struct rw_api_tls **out,
		    char error[RW_API_TLS_ERROR_BYTES])
{
	struct rw_api_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL || gnutls_certificate_allocate_credentials(&tls->credentials) < 0) {
		free(tls);
		refuse(error, files->certificate, strerror(ENOMEM));
		return -ENOMEM;
	}
	atomic_init(&tls->holders, 1);
	int err = take_own(tls, files, error);
	if (err == 0 && files->client_ca != NULL)
		err = take_client_ca(tls, files->client_ca, error);
	if (err != 0) {
		rw_api_tls_release(tls);
		return err;
	}
	*out = tls;
	return 0;
}

struct rw_api_tls *rw_api_tls_hold(struct rw_api_tls *tls)
{
	if (tls != NULL)
		atomic_fetch_add(&tls->holders, 1);
	return tls;
}

void rw_api_tls_release(struct rw_api_tls *tls)
{
	if (tls == NULL || atomic_fetch_sub(&tls->holders, 1) != 1)
		return;
	gnutls_certificate_free_credentials(tls->credentials);
	if (tls->key != NULL)
		gnutls_memset(tls->key, 0, tls->key_length);
	free(tls->key);
	free(tls->certificate);
	free(tls);
}

const char *rw_api_tls_certificate(const struct rw_api_tls *tls)
{
	return tls->certificate;
}

const char *rw_api_tls_key(const struct rw_api_tls *tls)
{
	return tls->key;
}

int rw_api_tls_use(const struct rw_api_tls *tls, void *session)
{
	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0)
		return -EINVAL;
	gnutls_certificate_server_set_request(session, tls->asks_clients ? GNUTLS_CERT_REQUIRE
									 : GNUTLS_CERT_IGNORE);
	return 0;
}

/* The one URI name of a certificate. False: none, more than one, or too long. */
static bool uri_of(gnutls_x509_crt_t certificate, char uri[RW_SPIFFE_MAX], size_t *length)
{
	unsigned found = 0;

	for (unsigned i = 0;; i++) {
		char name[RW_SPIFFE_MAX];
		size_t size = sizeof(name);
		int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &size, NULL);

		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return found == 1;
		if (type == GNUTLS_SAN_URI) {
			found++;
			*length = size;
			memcpy(uri, name, size);
		} else if (type < 0) {
			return false;
		}
	}
}

bool rw_api_tls_host(const struct rw_api_tls *tls, void *session, struct rw_identity *out)
{
	gnutls_x509_crt_t leaf;
	unsigned count = 0;
	const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);
	char uri[RW_SPIFFE_MAX];
	size_t length = 0;
	const char *reason;

	/* What is not asked for is not verified either. */
	if (!tls->asks_clients || shown == NULL || count == 0 || gnutls_x509_crt_init(&leaf) < 0)
		return false;
	bool is_host = gnutls_x509_crt_import(leaf, &shown[0], GNUTLS_X509_FMT_DER) == 0 &&
		       uri_of(leaf, uri, &length) &&
		       rw_spiffe_parse(uri, length, out, &reason) == 0 &&
		       out->role == RW_IDENTITY_HOST;
	gnutls_x509_crt_deinit(leaf);
	return is_host;
}
