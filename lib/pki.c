/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small PKI; pki.h says what is promised. Extensions are made from structs,
 * never from OpenSSL's configuration language, so that no name can smuggle a
 * second one in.
 */
#include "lib/pki.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum {
	FILE_MAX = 1 << 20,
	SERIAL_BYTES = 16,
	EARLY_S = 300,
	DAY_S = 86400,
};

__attribute__((format(printf, 3, 4))) static int fail(char error[RW_PKI_ERROR_BYTES], int err,
						      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, RW_PKI_ERROR_BYTES, fmt, args);
	va_end(args);
	ERR_clear_error();
	return err;
}

/* For what can only fail for want of memory or randomness, or a broken OpenSSL. */
static int fail_openssl(char error[RW_PKI_ERROR_BYTES], const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	return fail(error, -ENOMEM, "%s: %s", what, reason == NULL ? "OpenSSL failed" : reason);
}

struct rw_pki_validity rw_pki_valid_for(uint64_t duration_ms)
{
	return (struct rw_pki_validity){-EARLY_S, (int64_t)(duration_ms / 1000)};
}

int rw_pki_new_key(EVP_PKEY **out, char error[RW_PKI_ERROR_BYTES])
{
	ERR_clear_error();
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (key == NULL)
		return fail_openssl(error, "key");
	*out = key;
	return 0;
}

/* ---- parts of a certificate; all return whether they succeeded ------------- */

static bool set_serial(X509 *certificate)
{
	unsigned char bytes[SERIAL_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	/* Positive, and of one length: RFC 5280, 4.1.2.2. */
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool done = number != NULL &&
		    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return done;
}

static bool set_time(ASN1_TIME *field, time_t now, int64_t offset_s)
{
	/* Days apart: the offset in seconds is a long, the days an int. */
	return X509_time_adj_ex(field, (int)(offset_s / DAY_S), (long)(offset_s % DAY_S), &now) !=
	       NULL;
}

static bool set_validity(X509 *certificate, time_t now, struct rw_pki_validity validity)
{
	return set_time(X509_getm_notBefore(certificate), now, validity.from_s) &&
	       set_time(X509_getm_notAfter(certificate), now, validity.until_s);
}

static bool set_subject(X509 *certificate, const char *common_name)
{
	X509_NAME *name = X509_NAME_new();
	bool done = name != NULL &&
		    X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
					       (const unsigned char *)"ringwatch", -1, -1, 0) &&
		    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					       (const unsigned char *)common_name, -1, -1, 0) &&
		    X509_set_subject_name(certificate, name);

	X509_NAME_free(name);
	return done;
}

static bool add_uri(X509 *certificate, const char *uri)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool done = false;

	if (names != NULL && name != NULL && text != NULL && ASN1_STRING_set(text, uri, -1)) {
		GENERAL_NAME_set0_value(name, GEN_URI, text);
		text = NULL;
		if (sk_GENERAL_NAME_push(names, name) > 0) {
			name = NULL;
			done = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
						 X509V3_ADD_DEFAULT) == 1;
		}
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return done;
}

static bool add_basic_constraints(X509 *certificate, bool is_ca)
{
	BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
	bool done = constraints != NULL;

	if (done && is_ca) {
		constraints->ca = 1;
		constraints->pathlen = ASN1_INTEGER_new();
		done = constraints->pathlen != NULL && ASN1_INTEGER_set(constraints->pathlen, 0);
	}
	done = done && X509_add1_ext_i2d(certificate, NID_basic_constraints, constraints, 1,
					 X509V3_ADD_DEFAULT) == 1;
	BASIC_CONSTRAINTS_free(constraints);
	return done;
}

/* Bits count from the left, as in RFC 5280: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
static bool add_key_usage(X509 *certificate, bool is_ca)
{
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	bool done =
		usage != NULL &&
		(is_ca ? ASN1_BIT_STRING_set_bit(usage, 5, 1) &&
				 ASN1_BIT_STRING_set_bit(usage, 6, 1)
		       : ASN1_BIT_STRING_set_bit(usage, 0, 1)) &&
		X509_add1_ext_i2d(certificate, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) == 1;

	ASN1_BIT_STRING_free(usage);
	return done;
}

static bool add_extended_usage(X509 *certificate, int nid)
{
	EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
	/* Objects of the built-in table are static: freeing them does nothing. */
	bool done = usage != NULL && sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(nid)) > 0 &&
		    X509_add1_ext_i2d(certificate, NID_ext_key_usage, usage, 0,
				      X509V3_ADD_DEFAULT) == 1;

	sk_ASN1_OBJECT_free(usage);
	return done;
}

/* The SHA-1 of the key's bits names the key (RFC 5280, 4.2.1.2). */
static bool add_subject_key(X509 *certificate)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length;
	ASN1_OCTET_STRING *own = ASN1_OCTET_STRING_new();
	bool done = own != NULL && X509_pubkey_digest(certificate, EVP_sha1(), digest, &length) &&
		    ASN1_OCTET_STRING_set(own, digest, (int)length) &&
		    X509_add1_ext_i2d(certificate, NID_subject_key_identifier, own, 0,
				      X509V3_ADD_DEFAULT) == 1;

	ASN1_OCTET_STRING_free(own);
	return done;
}

/*
 * Not for the CA itself, which needs none: asking a certificate for its key
 * identifier makes OpenSSL remember its extensions and signature as they are,
 * and one that is not signed yet would count as weakly signed for ever.
 */
static bool add_authority_key(X509 *certificate, X509 *issuer)
{
	AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
	const ASN1_OCTET_STRING *parent = X509_get0_subject_key_id(issuer);
	bool done = authority != NULL;

	if (done && parent != NULL) {
		authority->keyid = ASN1_OCTET_STRING_dup(parent);
		done = authority->keyid != NULL &&
		       X509_add1_ext_i2d(certificate, NID_authority_key_identifier, authority, 0,
					 X509V3_ADD_DEFAULT) == 1;
	}
	AUTHORITY_KEYID_free(authority);
	return done;
}

/* ---- the CA ---------------------------------------------------------------- */

static bool fill_ca(X509 *certificate, EVP_PKEY *key, const char *trust_domain,
		    struct rw_pki_validity validity)
{
	char uri[RW_SPIFFE_MAX];

	/* A signing certificate's SPIFFE ID has no path (X509-SVID specification, section 3). */
	snprintf(uri, sizeof(uri), "spiffe://%s", trust_domain);
	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       set_validity(certificate, time(NULL), validity) &&
	       set_subject(certificate, "ringwatch CA") &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) &&
	       X509_set_pubkey(certificate, key) && add_basic_constraints(certificate, true) &&
	       add_key_usage(certificate, true) && add_uri(certificate, uri) &&
	       add_subject_key(certificate) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

int rw_pki_new_ca(const char *trust_domain, struct rw_pki_validity validity, struct rw_pki_ca *out,
		  char error[RW_PKI_ERROR_BYTES])
{
	struct rw_pki_ca ca = {0};
	size_t length = strlen(trust_domain);

	if (!rw_trust_domain_is_valid(trust_domain, length))
		return fail(error, -EINVAL, "the trust domain must be " RW_TRUST_DOMAIN_EXPECTED);
	memcpy(ca.trust_domain, trust_domain, length + 1);
	int err = rw_pki_new_key(&ca.key, error);
	if (err != 0)
		return err;
	ca.certificate = X509_new();
	if (ca.certificate == NULL || !fill_ca(ca.certificate, ca.key, trust_domain, validity)) {
		rw_pki_ca_release(&ca);
		return fail_openssl(error, "CA certificate");
	}
	*out = ca;
	return 0;
}

void rw_pki_ca_release(struct rw_pki_ca *ca)
{
	X509_free(ca->certificate);
	EVP_PKEY_free(ca->key);
	*ca = (struct rw_pki_ca){0};
}

/* Copies the trust domain out of the CA's one URI name. */
static bool read_trust_domain(X509 *certificate, char out[RW_TRUST_DOMAIN_MAX + 1])
{
	static const char scheme[] = "spiffe://";
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	if (names != NULL && sk_GENERAL_NAME_num(names) == 1 &&
	    sk_GENERAL_NAME_value(names, 0)->type == GEN_URI) {
		const ASN1_IA5STRING *uri =
			sk_GENERAL_NAME_value(names, 0)->d.uniformResourceIdentifier;
		const char *text = (const char *)ASN1_STRING_get0_data(uri);
		size_t length = (size_t)ASN1_STRING_length(uri);
		found = length > strlen(scheme) && memcmp(text, scheme, strlen(scheme)) == 0 &&
			rw_trust_domain_is_valid(text + strlen(scheme), length - strlen(scheme));
		if (found) {
			memcpy(out, text + strlen(scheme), length - strlen(scheme));
			out[length - strlen(scheme)] = '\0';
		}
	}
	GENERAL_NAMES_free(names);
	return found;
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

static int read_pem(const char *path, BIO **out, char **bytes, char error[RW_PKI_ERROR_BYTES])
{
	size_t length;
	int err = rw_file_read(path, FILE_MAX, bytes, &length);

	if (err != 0)
		return fail(error, err, "%s: cannot be read: %s", path, strerror(-err));
	*out = BIO_new_mem_buf(*bytes, (int)length);
	return *out == NULL ? fail_openssl(error, path) : 0;
}

static int check_ca(const struct rw_pki_ca *ca, const char *certificate_path, const char *key_path,
		    char error[RW_PKI_ERROR_BYTES])
{
	if (X509_check_ca(ca->certificate) != 1)
		return fail(error, -EINVAL, "%s: is not a CA's certificate", certificate_path);
	if (ca->trust_domain[0] == '\0')
		return fail(error, -EINVAL,
			    "%s: names no trust domain (its one name must be spiffe://…)",
			    certificate_path);
	if (X509_check_private_key(ca->certificate, ca->key) != 1)
		return fail(error, -EINVAL, "%s: is not the key of %s", key_path, certificate_path);
	return 0;
}

int rw_pki_load_ca(const char *certificate_path, const char *key_path, struct rw_pki_ca *out,
		   char error[RW_PKI_ERROR_BYTES])
{
	rw_autofree char *certificate_bytes = NULL;
	rw_autofree char *key_bytes = NULL;
	struct rw_pki_ca ca = {0};
	BIO *bio = NULL;

	ERR_clear_error();
	int err = read_pem(certificate_path, &bio, &certificate_bytes, error);
	if (err != 0)
		return err;
	ca.certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	bio = NULL;
	if (ca.certificate == NULL)
		return fail(error, -EINVAL, "%s: holds no PEM certificate", certificate_path);
	read_trust_domain(ca.certificate, ca.trust_domain);

	err = read_pem(key_path, &bio, &key_bytes, error);
	if (err == 0) {
		ca.key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
		BIO_free(bio);
		OPENSSL_cleanse(key_bytes, strlen(key_bytes));
		if (ca.key == NULL)
			err = fail(error, -EINVAL,
				   "%s: holds no PEM private key without a passphrase", key_path);
	}
	if (err == 0)
		err = check_ca(&ca, certificate_path, key_path, error);
	if (err != 0) {
		rw_pki_ca_release(&ca);
		return err;
	}
	*out = ca;
	return 0;
}

/* ---- issuing --------------------------------------------------------------- */

static bool fill_leaf(X509 *certificate, const struct rw_pki_ca *ca,
		      const struct rw_identity *identity, EVP_PKEY *key, time_t now,
		      struct rw_pki_validity validity)
{
	char uri[RW_SPIFFE_MAX];

	rw_spiffe_format(identity, uri);
	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       set_validity(certificate, now, validity) &&
	       set_subject(certificate, identity->name) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate)) &&
	       X509_set_pubkey(certificate, key) && add_basic_constraints(certificate, false) &&
	       add_key_usage(certificate, false) &&
	       add_extended_usage(certificate, identity->role == RW_IDENTITY_HOST
						       ? NID_client_auth
						       : NID_server_auth) &&
	       add_uri(certificate, uri) && add_subject_key(certificate) &&
	       add_authority_key(certificate, ca->certificate) &&
	       X509_sign(certificate, ca->key, EVP_sha256()) > 0;
}

static int check_identity(const struct rw_pki_ca *ca, const struct rw_identity *identity,
			  char error[RW_PKI_ERROR_BYTES])
{
	bool is_host = identity->role == RW_IDENTITY_HOST;

	if (!is_host && identity->role != RW_IDENTITY_COLLECTOR)
		return fail(error, -EINVAL, "the identity is neither a host's nor a collector's");
	if (!rw_name_is_valid(identity->name, strnlen(identity->name, sizeof(identity->name))))
		return fail(error, -EINVAL, "the %s's name must be " RW_NAME_EXPECTED,
			    is_host ? "host" : "collector");
	if (is_host &&
	    !rw_name_is_valid(identity->ring, strnlen(identity->ring, sizeof(identity->ring))))
		return fail(error, -EINVAL, "the ring's name must be " RW_NAME_EXPECTED);
	if (strcmp(identity->trust_domain, ca->trust_domain) != 0)
		return fail(error, -EINVAL, "the CA is of trust domain %.80s, not %.80s",
			    ca->trust_domain, identity->trust_domain);
	return 0;
}

int rw_pki_issue(const struct rw_pki_ca *ca, const struct rw_identity *identity, EVP_PKEY *key,
		 struct rw_pki_validity validity, X509 **out, char error[RW_PKI_ERROR_BYTES])
{
	time_t now = time(NULL);

	ERR_clear_error();
	int err = check_identity(ca, identity, error);
	if (err != 0)
		return err;
	if (ASN1_TIME_cmp_time_t(X509_get0_notAfter(ca->certificate), now + validity.until_s) < 0)
		return fail(error, -EINVAL, "the certificate would outlive its CA");
	X509 *certificate = X509_new();
	if (certificate == NULL || !fill_leaf(certificate, ca, identity, key, now, validity)) {
		X509_free(certificate);
		return fail_openssl(error, "certificate");
	}
	*out = certificate;
	return 0;
}

/* ---- files ----------------------------------------------------------------- */

static int write_bio(const char *path, BIO *bio, mode_t mode, char error[RW_PKI_ERROR_BYTES])
{
	char *bytes;
	long length = BIO_get_mem_data(bio, &bytes);
	int err = length <= 0 ? -ENOMEM : rw_file_replace(path, bytes, (size_t)length, mode);

	if (err != 0)
		return fail(error, err, "%s: cannot be written: %s", path, strerror(-err));
	return 0;
}

int rw_pki_write_certificate(const char *path, X509 *certificate, char error[RW_PKI_ERROR_BYTES])
{
	ERR_clear_error();
	BIO *bio = BIO_new(BIO_s_mem());
	int err = bio != NULL && PEM_write_bio_X509(bio, certificate) == 1
			  ? write_bio(path, bio, 0644, error)
			  : fail_openssl(error, path);

	BIO_free(bio);
	return err;
}

int rw_pki_write_key(const char *path, EVP_PKEY *key, char error[RW_PKI_ERROR_BYTES])
{
	ERR_clear_error();
	/* Secure memory BIOs are wiped when freed. */
	BIO *bio = BIO_new(BIO_s_secmem());
	int err = bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL,
							       NULL) == 1
			  ? write_bio(path, bio, 0600, error)
			  : fail_openssl(error, path);

	BIO_free(bio);
	return err;
}
