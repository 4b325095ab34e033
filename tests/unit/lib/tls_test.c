/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real handshakes over memory: each certificate that must be refused is
 * presented for real, and both sides are asked why.
 */
#include "lib/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/pki.h"

static const struct rw_identity web = {RW_IDENTITY_HOST, "example.net", "ring1", "web-1"};
static const struct rw_identity c1 = {RW_IDENTITY_COLLECTOR, "example.net", "", "c1"};

struct fixture {
	struct rw_pki_ca ca;
	EVP_PKEY *key;
	X509 *host;
	X509 *collector;
	char folder[32];
};

static X509 *issue(const struct rw_pki_ca *ca, const struct rw_identity *identity, EVP_PKEY *key,
		   struct rw_pki_validity validity)
{
	char error[RW_PKI_ERROR_BYTES] = "";
	X509 *certificate = NULL;

	if (rw_pki_issue(ca, identity, key, validity, &certificate, error) != 0)
		fail_msg("%s", error);
	return certificate;
}

static int set_up(void **state)
{
	static struct fixture f;
	char error[RW_PKI_ERROR_BYTES];

	snprintf(f.folder, sizeof(f.folder), "/tmp/rw-tls-XXXXXX");
	if (rw_pki_new_ca("example.net", rw_pki_valid_for(RW_PKI_CA_VALID_MS), &f.ca, error) != 0 ||
	    rw_pki_new_key(&f.key, error) != 0 || mkdtemp(f.folder) == NULL)
		return -1;
	f.host = issue(&f.ca, &web, f.key, rw_pki_valid_for(RW_PKI_LEAF_VALID_MS));
	f.collector = issue(&f.ca, &c1, f.key, rw_pki_valid_for(RW_PKI_LEAF_VALID_MS));
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"a.pem", "a.key", "ca.pem", "crl.pem", "bad"};
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
		unlink(path);
	}
	X509_free(f->host);
	X509_free(f->collector);
	EVP_PKEY_free(f->key);
	rw_pki_ca_release(&f->ca);
	return rmdir(f->folder);
}

/* ---- a handshake ----------------------------------------------------------- */

/* What one side presents and trusts. */
struct side {
	X509 *certificate;
	X509 *ca;
	X509_CRL *crl;
	const char *trust_domain;
	bool no_alpn;
};

/* What one side found: `error` is "" when it accepted the other. */
struct finding {
	SSL *ssl;
	int done; /* 1 finished, -1 failed */
	char error[RW_TLS_ERROR_BYTES];
	struct rw_identity peer;
};

static SSL *new_session(enum rw_tls_side side, const struct side *config, EVP_PKEY *key)
{
	SSL_CTX *context = NULL;
	char error[RW_TLS_ERROR_BYTES];

	assert_int_equal(rw_tls_context_of(side, config->certificate, key, config->ca, config->crl,
					   &context, error),
			 0);
	if (config->no_alpn && side == RW_TLS_SENSOR)
		assert_int_equal(SSL_CTX_set_alpn_protos(context, NULL, 0), 0);
	if (config->no_alpn && side == RW_TLS_COLLECTOR)
		SSL_CTX_set_alpn_select_cb(context, NULL, NULL);
	SSL *ssl = SSL_new(context);
	assert_non_null(ssl);
	SSL_CTX_free(context);
	return ssl;
}

static void step(struct finding *finding)
{
	char byte;

	if (finding->done < 0)
		return;
	/* Past the handshake, reading takes in what the other side has to say: a
	 * client learns only so that its certificate was refused. */
	ERR_clear_error();
	int n = finding->done == 0 ? SSL_do_handshake(finding->ssl)
				   : SSL_read(finding->ssl, &byte, 1);
	if (finding->done == 0 && n == 1)
		finding->done = 1;
	if (n > 0)
		return;
	int error = SSL_get_error(finding->ssl, n);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return;
	finding->done = -1;
	rw_tls_explain(finding->ssl, error, finding->error);
	assert_int_equal(ERR_peek_error(), 0);
}

static void shake_hands(const struct fixture *f, const struct side *sensor,
			const struct side *collector, struct finding *at_sensor,
			struct finding *at_collector)
{
	BIO *sensor_bio = NULL;
	BIO *collector_bio = NULL;

	*at_sensor = (struct finding){.ssl = new_session(RW_TLS_SENSOR, sensor, f->key)};
	*at_collector = (struct finding){.ssl = new_session(RW_TLS_COLLECTOR, collector, f->key)};
	assert_int_equal(BIO_new_bio_pair(&sensor_bio, 1 << 16, &collector_bio, 1 << 16), 1);
	SSL_set_bio(at_sensor->ssl, sensor_bio, sensor_bio);
	SSL_set_bio(at_collector->ssl, collector_bio, collector_bio);
	SSL_set_connect_state(at_sensor->ssl);
	SSL_set_accept_state(at_collector->ssl);
	for (int i = 0; i < 10; i++) {
		step(at_sensor);
		step(at_collector);
	}
	if (at_sensor->done == 1)
		rw_tls_peer_identity(at_sensor->ssl, RW_TLS_SENSOR, sensor->trust_domain,
				     &at_sensor->peer, at_sensor->error);
	if (at_collector->done == 1)
		rw_tls_peer_identity(at_collector->ssl, RW_TLS_COLLECTOR, collector->trust_domain,
				     &at_collector->peer, at_collector->error);
}

static void check_findings(const struct fixture *f, const struct side *sensor,
			   const struct side *collector, const char *sensor_says,
			   const char *collector_says)
{
	struct finding at_sensor;
	struct finding at_collector;

	shake_hands(f, sensor, collector, &at_sensor, &at_collector);
	SSL_free(at_sensor.ssl);
	SSL_free(at_collector.ssl);
	assert_string_equal(at_sensor.error, sensor_says);
	assert_string_equal(at_collector.error, collector_says);
}

static struct side good_sensor(const struct fixture *f)
{
	return (struct side){f->host, f->ca.certificate, NULL, "example.net", false};
}

static struct side good_collector(const struct fixture *f)
{
	return (struct side){f->collector, f->ca.certificate, NULL, "example.net", false};
}

/* A host certificate with other alternative names than a good one's. */
static X509 *issue_with_names(const struct fixture *f, const char *names)
{
	X509 *certificate = issue(&f->ca, &web, f->key, rw_pki_valid_for(RW_PKI_LEAF_VALID_MS));
	int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);

	X509_EXTENSION_free(X509_delete_ext(certificate, at));
	if (names != NULL) {
		X509_EXTENSION *extension =
			X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
		assert_non_null(extension);
		assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(certificate, f->ca.key, EVP_sha256()) > 0);
	return certificate;
}

static X509_CRL *new_crl(const struct rw_pki_ca *ca, X509 *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60);
	ASN1_TIME *later = X509_gmtime_adj(NULL, 3600);

	assert_non_null(crl);
	assert_true(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
	assert_true(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate)));
	assert_true(X509_CRL_set1_lastUpdate(crl, now) && X509_CRL_set1_nextUpdate(crl, later));
	if (revoked != NULL) {
		X509_REVOKED *entry = X509_REVOKED_new();
		assert_true(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked)));
		assert_true(X509_REVOKED_set_revocationDate(entry, now));
		assert_true(X509_CRL_add0_revoked(crl, entry));
	}
	assert_true(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
	ASN1_TIME_free(now);
	ASN1_TIME_free(later);
	return crl;
}

/* ---- what must be true ----------------------------------------------------- */

static void good_peers_learn_each_others_identity(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	struct finding at_sensor;
	struct finding at_collector;

	shake_hands(f, &sensor, &collector, &at_sensor, &at_collector);
	assert_string_equal(at_sensor.error, "");
	assert_string_equal(at_collector.error, "");
	assert_memory_equal(&at_sensor.peer, &c1, sizeof(c1));
	assert_memory_equal(&at_collector.peer, &web, sizeof(web));
	assert_int_equal(SSL_version(at_sensor.ssl), TLS1_3_VERSION);
	assert_false(SSL_session_reused(at_sensor.ssl));
	/* No ticket was sent: a resumed session would skip the certificates. */
	assert_false(SSL_SESSION_is_resumable(SSL_get_session(at_sensor.ssl)));
	SSL_free(at_sensor.ssl);
	SSL_free(at_collector.ssl);
}

static void a_foreign_ca_is_refused_by_either_side(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	struct rw_pki_ca foreign;
	char error[RW_PKI_ERROR_BYTES];

	assert_int_equal(
		rw_pki_new_ca("example.net", rw_pki_valid_for(RW_PKI_CA_VALID_MS), &foreign, error),
		0);
	X509 *host = issue(&foreign, &web, f->key, rw_pki_valid_for(3600000));
	X509 *fake = issue(&foreign, &c1, f->key, rw_pki_valid_for(3600000));
	sensor.certificate = host;
	check_findings(f, &sensor, &collector, "the peer refused: unknown CA",
		       "certificate refused: it is not signed by a CA of ours");
	sensor.certificate = f->host;
	collector.certificate = fake;
	check_findings(f, &sensor, &collector,
		       "certificate refused: it is not signed by a CA of ours",
		       "the peer refused: unknown CA");
	X509_free(host);
	X509_free(fake);
	rw_pki_ca_release(&foreign);
}

static void an_expired_or_not_yet_valid_certificate_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	X509 *old = issue(&f->ca, &web, f->key, (struct rw_pki_validity){-7200, -3600});
	X509 *old_collector = issue(&f->ca, &c1, f->key, (struct rw_pki_validity){-7200, -1});
	X509 *young = issue(&f->ca, &web, f->key, (struct rw_pki_validity){3600, 7200});

	sensor.certificate = old;
	check_findings(f, &sensor, &collector, "the peer refused: certificate expired",
		       "certificate refused: certificate has expired");
	sensor.certificate = young;
	check_findings(f, &sensor, &collector, "the peer refused: bad certificate",
		       "certificate refused: certificate is not yet valid");
	sensor.certificate = f->host;
	collector.certificate = old_collector;
	check_findings(f, &sensor, &collector, "certificate refused: certificate has expired",
		       "the peer refused: certificate expired");
	X509_free(old);
	X509_free(old_collector);
	X509_free(young);
}

static void a_host_cannot_pose_as_a_collector_nor_the_other_way(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);

	collector.certificate = f->host;
	check_findings(f, &sensor, &collector,
		       "certificate refused: unsuitable certificate purpose",
		       "the peer refused: unsupported certificate");
	collector.certificate = f->collector;
	sensor.certificate = f->collector;
	check_findings(f, &sensor, &collector, "the peer refused: unsupported certificate",
		       "certificate refused: unsuitable certificate purpose");
}

/* Replaces the extended usage of a good host certificate; NULL: none at all. */
static X509 *issue_with_usage(const struct fixture *f, const char *usage)
{
	X509 *certificate = issue(&f->ca, &web, f->key, rw_pki_valid_for(RW_PKI_LEAF_VALID_MS));
	int at = X509_get_ext_by_NID(certificate, NID_ext_key_usage, -1);

	X509_EXTENSION_free(X509_delete_ext(certificate, at));
	if (usage != NULL) {
		X509_EXTENSION *extension =
			X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, usage);
		assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(certificate, f->ca.key, EVP_sha256()) > 0);
	/* Extensions were cached by the first signature: a fresh copy reads them anew. */
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	const unsigned char *at_der = der;
	X509 *fresh = d2i_X509(NULL, &at_der, length);
	assert_non_null(fresh);
	OPENSSL_free(der);
	X509_free(certificate);
	return fresh;
}

static void purpose_and_role_are_checked_apart(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	X509 *none = issue_with_usage(f, NULL);
	X509 *both = issue_with_usage(f, "clientAuth,serverAuth");

	/* No extended usage: OpenSSL would take it for every purpose. */
	sensor.certificate = none;
	check_findings(f, &sensor, &collector, "",
		       "the certificate is not for clients (clientAuth) (extended key usage)");
	/* Both usages, as some issuers give every workload: the SPIFFE ID still decides. */
	sensor.certificate = both;
	check_findings(f, &sensor, &collector, "", "");
	collector.certificate = both;
	check_findings(f, &sensor, &collector,
		       "the certificate is that of host web-1, expected a collector's", "");
	X509_free(none);
	X509_free(both);
}

static void exactly_one_uri_name_is_insisted_on(void **state)
{
	static const struct {
		const char *names;
		const char *reason;
	} cases[] = {
		{NULL, "the certificate has no URI name"},
		{"DNS:web-1.example.net", "the certificate has no URI name"},
		{"URI:spiffe://example.net/ringwatch/ring/ring1/host/web-1,"
		 "URI:spiffe://example.net/ringwatch/ring/ring1/host/web-2",
		 "the certificate has 2 URI names, expected exactly one"},
		{"URI:spiffe://example.net/ringwatch/ring/ring1/host/*",
		 "the SPIFFE ID's last part is not " RW_NAME_EXPECTED},
		{"URI:spiffe://example.net/ringwatch/collector/c2",
		 "the certificate is that of collector c2, expected a host's"},
		{"URI:spiffe://other.net/ringwatch/ring/ring1/host/web-1",
		 "the certificate's trust domain is other.net, expected example.net"},
		{"URI:spiffe://example.net/ringwatch/ring/ring1/host/web-1,DNS:web-1", ""},
	};
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		X509 *certificate = issue_with_names(f, cases[i].names);
		sensor.certificate = certificate;
		check_findings(f, &sensor, &collector, "", cases[i].reason);
		X509_free(certificate);
	}
}

static void the_collectors_trust_domain_is_checked_too(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);

	sensor.trust_domain = "example.org";
	check_findings(f, &sensor, &collector,
		       "the certificate's trust domain is example.net, expected example.org", "");
}

static void a_client_without_a_certificate_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	struct finding at_sensor = {0};
	struct finding at_collector = {0};

	sensor.certificate = NULL;
	/* new_session() gives both sides the key; a key alone presents nothing. */
	shake_hands(f, &sensor, &collector, &at_sensor, &at_collector);
	assert_string_equal(at_collector.error, "peer did not return a certificate");
	assert_string_equal(at_sensor.error, "the peer refused: certificate required");
	SSL_free(at_sensor.ssl);
	SSL_free(at_collector.ssl);
}

static void alpn_is_insisted_on_by_either_side(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	static const char reason[] = "the peer does not speak ringwatch/1 (ALPN)";

	sensor.no_alpn = true;
	check_findings(f, &sensor, &collector, reason, reason);
	sensor.no_alpn = false;
	collector.no_alpn = true;
	check_findings(f, &sensor, &collector, reason, reason);
}

static void another_alpn_is_refused_in_the_handshake(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	struct finding s = {.ssl = new_session(RW_TLS_SENSOR, &sensor, f->key)};
	struct finding c = {.ssl = new_session(RW_TLS_COLLECTOR, &collector, f->key)};
	BIO *a = NULL;
	BIO *b = NULL;

	assert_int_equal(SSL_set_alpn_protos(s.ssl, (const unsigned char *)"\x02h2", 3), 0);
	assert_int_equal(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16), 1);
	SSL_set_bio(s.ssl, a, a);
	SSL_set_bio(c.ssl, b, b);
	SSL_set_connect_state(s.ssl);
	SSL_set_accept_state(c.ssl);
	for (int i = 0; i < 4; i++) {
		step(&s);
		step(&c);
	}
	assert_string_equal(s.error, "the peer refused: no application protocol");
	assert_string_equal(c.error, "no application protocol");
	SSL_free(s.ssl);
	SSL_free(c.ssl);
}

static void tls_1_2_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	struct finding s = {.ssl = new_session(RW_TLS_SENSOR, &sensor, f->key)};
	struct finding c = {.ssl = new_session(RW_TLS_COLLECTOR, &collector, f->key)};
	BIO *a = NULL;
	BIO *b = NULL;

	SSL_set_min_proto_version(s.ssl, TLS1_2_VERSION);
	SSL_set_max_proto_version(s.ssl, TLS1_2_VERSION);
	assert_int_equal(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16), 1);
	SSL_set_bio(s.ssl, a, a);
	SSL_set_bio(c.ssl, b, b);
	SSL_set_connect_state(s.ssl);
	SSL_set_accept_state(c.ssl);
	for (int i = 0; i < 4; i++) {
		step(&s);
		step(&c);
	}
	assert_string_equal(s.error, "the peer refused: protocol version");
	assert_string_equal(c.error, "unsupported protocol");
	SSL_free(s.ssl);
	SSL_free(c.ssl);
}

static void a_revoked_certificate_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	X509_CRL *revoked = new_crl(&f->ca, f->host);
	X509_CRL *empty = new_crl(&f->ca, NULL);

	collector.crl = empty;
	check_findings(f, &sensor, &collector, "", "");
	collector.crl = revoked;
	check_findings(f, &sensor, &collector, "the peer refused: certificate revoked",
		       "certificate refused: certificate revoked");
	X509_CRL_free(revoked);
	X509_CRL_free(empty);
}

static void a_crl_of_another_ca_lets_nobody_in(void **state)
{
	const struct fixture *f = *state;
	struct side sensor = good_sensor(f);
	struct side collector = good_collector(f);
	struct rw_pki_ca foreign;
	char error[RW_PKI_ERROR_BYTES];

	assert_int_equal(
		rw_pki_new_ca("other.net", rw_pki_valid_for(RW_PKI_CA_VALID_MS), &foreign, error),
		0);
	X509_CRL *crl = new_crl(&foreign, NULL);
	collector.crl = crl;
	struct finding at_sensor;
	struct finding at_collector;
	shake_hands(f, &sensor, &collector, &at_sensor, &at_collector);
	assert_int_equal(at_collector.done, -1);
	assert_int_equal(strncmp(at_collector.error, "certificate refused: ", 21), 0);
	SSL_free(at_sensor.ssl);
	SSL_free(at_collector.ssl);
	X509_CRL_free(crl);
	rw_pki_ca_release(&foreign);
}

/* ---- files ----------------------------------------------------------------- */

struct paths {
	char certificate[64];
	char key[64];
	char ca[64];
	char crl[64];
	char bad[64];
};

static struct paths write_files(const struct fixture *f)
{
	struct paths p;
	char error[RW_PKI_ERROR_BYTES];
	char *bytes;

	snprintf(p.certificate, sizeof(p.certificate), "%s/a.pem", f->folder);
	snprintf(p.key, sizeof(p.key), "%s/a.key", f->folder);
	snprintf(p.ca, sizeof(p.ca), "%s/ca.pem", f->folder);
	snprintf(p.crl, sizeof(p.crl), "%s/crl.pem", f->folder);
	snprintf(p.bad, sizeof(p.bad), "%s/bad", f->folder);
	assert_int_equal(rw_pki_write_certificate(p.certificate, f->host, error), 0);
	assert_int_equal(rw_pki_write_key(p.key, f->key, error), 0);
	assert_int_equal(rw_pki_write_certificate(p.ca, f->ca.certificate, error), 0);

	X509_CRL *crl = new_crl(&f->ca, NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
	long length = BIO_get_mem_data(bio, &bytes);
	assert_int_equal(rw_file_replace(p.crl, bytes, (size_t)length, 0600), 0);
	BIO_free(bio);
	X509_CRL_free(crl);
	return p;
}

static void files_make_a_context_that_knows_itself(void **state)
{
	const struct fixture *f = *state;
	struct paths p = write_files(f);
	struct rw_tls_files files = {p.certificate, p.key, p.ca, p.crl};
	struct rw_identity own;
	char error[RW_TLS_ERROR_BYTES] = "";
	SSL_CTX *context = NULL;

	assert_int_equal(rw_tls_context(RW_TLS_SENSOR, &files, &context, error), 0);
	assert_int_equal(rw_tls_own_identity(context, &own, error), 0);
	assert_memory_equal(&own, &web, sizeof(web));
	assert_true((SSL_CTX_get_mode(context) & SSL_MODE_RELEASE_BUFFERS) != 0);
	assert_true((SSL_CTX_get_options(context) & SSL_OP_NO_RENEGOTIATION) != 0);
	assert_int_equal(SSL_CTX_get_session_cache_mode(context), SSL_SESS_CACHE_OFF);
	SSL_CTX_free(context);
}

static void check_file_refused(struct rw_tls_files files, int err, const char *path,
			       const char *what)
{
	char error[RW_TLS_ERROR_BYTES] = "";
	char whole[RW_TLS_ERROR_BYTES];
	SSL_CTX *context = NULL;

	assert_int_equal(rw_tls_context(RW_TLS_COLLECTOR, &files, &context, error), err);
	snprintf(whole, sizeof(whole), "%s: %s", path, what);
	assert_string_equal(error, whole);
	assert_null(context);
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_bad_file_is_named(void **state)
{
	const struct fixture *f = *state;
	struct paths p = write_files(f);
	const struct rw_tls_files good = {p.certificate, p.key, p.ca, NULL};
	struct rw_tls_files files = good;
	char error[RW_PKI_ERROR_BYTES];
	EVP_PKEY *other = NULL;

	files.certificate = "/nowhere/a.pem";
	check_file_refused(files, -ENOENT, files.certificate,
			   "cannot be read: No such file or directory");
	files = good;
	files.ca = p.key;
	check_file_refused(files, -EINVAL, p.key, "holds no PEM certificate");
	files = good;
	files.certificate = p.key;
	check_file_refused(files, -EINVAL, p.key, "holds no PEM certificate");
	files = good;
	files.crl = p.ca;
	check_file_refused(files, -EINVAL, p.ca, "holds no PEM revocation list");
	files = good;
	files.key = p.ca;
	check_file_refused(files, -EINVAL, p.ca,
			   "holds no PEM private key that can be read without a passphrase");

	static const char damaged[] =
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	assert_int_equal(rw_file_replace(p.bad, damaged, sizeof(damaged) - 1, 0600), 0);
	files = good;
	files.ca = p.bad;
	check_file_refused(files, -EINVAL, p.bad, "holds a damaged PEM certificate");

	assert_int_equal(rw_pki_new_key(&other, error), 0);
	assert_int_equal(rw_pki_write_key(p.bad, other, error), 0);
	EVP_PKEY_free(other);
	files = good;
	files.key = p.bad;
	check_file_refused(files, -EINVAL, p.bad, "is not the key of the certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_peers_learn_each_others_identity),
		cmocka_unit_test(a_foreign_ca_is_refused_by_either_side),
		cmocka_unit_test(an_expired_or_not_yet_valid_certificate_is_refused),
		cmocka_unit_test(a_host_cannot_pose_as_a_collector_nor_the_other_way),
		cmocka_unit_test(purpose_and_role_are_checked_apart),
		cmocka_unit_test(exactly_one_uri_name_is_insisted_on),
		cmocka_unit_test(the_collectors_trust_domain_is_checked_too),
		cmocka_unit_test(a_client_without_a_certificate_is_refused),
		cmocka_unit_test(alpn_is_insisted_on_by_either_side),
		cmocka_unit_test(another_alpn_is_refused_in_the_handshake),
		cmocka_unit_test(tls_1_2_is_refused),
		cmocka_unit_test(a_revoked_certificate_is_refused),
		cmocka_unit_test(a_crl_of_another_ca_lets_nobody_in),
		cmocka_unit_test(files_make_a_context_that_knows_itself),
		cmocka_unit_test(a_bad_file_is_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
