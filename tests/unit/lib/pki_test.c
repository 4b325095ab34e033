/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pki.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/tls.h"

struct fixture {
	struct rw_pki_ca ca;
	EVP_PKEY *key;
	char folder[32];
};

static int set_up(void **state)
{
	static struct fixture f;
	char error[RW_PKI_ERROR_BYTES];

	snprintf(f.folder, sizeof(f.folder), "/tmp/rw-pki-XXXXXX");
	if (rw_pki_new_ca("example.net", rw_pki_valid_for(RW_PKI_CA_VALID_MS), &f.ca, error) != 0 ||
	    rw_pki_new_key(&f.key, error) != 0 || mkdtemp(f.folder) == NULL)
		return -1;
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"ca.pem", "ca.key", "other.key"};
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
		unlink(path);
	}
	EVP_PKEY_free(f->key);
	rw_pki_ca_release(&f->ca);
	return rmdir(f->folder);
}

static X509 *issue(const struct fixture *f, const struct rw_identity *identity)
{
	char error[RW_PKI_ERROR_BYTES] = "";
	X509 *certificate = NULL;

	if (rw_pki_issue(&f->ca, identity, f->key, rw_pki_valid_for(RW_PKI_LEAF_VALID_MS),
			 &certificate, error) != 0)
		fail_msg("%s", error);
	return certificate;
}

static const struct rw_identity web = {RW_IDENTITY_HOST, "example.net", "ring1", "web-1"};
static const struct rw_identity c1 = {RW_IDENTITY_COLLECTOR, "example.net", "", "c1"};

static void certificates_carry_identity_purpose_and_a_past_beginning(void **state)
{
	const struct fixture *f = *state;
	const struct rw_identity *identities[] = {&web, &c1};
	const uint32_t usages[] = {XKU_SSL_CLIENT, XKU_SSL_SERVER};

	for (size_t i = 0; i < 2; i++) {
		X509 *certificate = issue(f, identities[i]);
		struct rw_identity found;
		char error[RW_TLS_ERROR_BYTES];
		time_t now = time(NULL);
		assert_int_equal(rw_tls_identity_of(certificate, &found, error), 0);
		assert_memory_equal(&found, identities[i], sizeof(found));
		assert_int_equal(X509_get_extended_key_usage(certificate), usages[i]);
		assert_int_equal(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE);
		assert_int_equal(X509_check_ca(certificate), 0);
		assert_int_equal(X509_verify(certificate, f->ca.key), 1);
		assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate), now - 60),
				 -1);
		assert_int_equal(
			ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), now + 364 * 86400),
			1);
		assert_int_equal(
			ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), now + 366 * 86400),
			-1);
		X509_free(certificate);
	}
}

static void a_ca_signs_and_is_no_identity(void **state)
{
	const struct fixture *f = *state;
	struct rw_identity found;
	char error[RW_TLS_ERROR_BYTES];

	assert_int_equal(X509_check_ca(f->ca.certificate), 1);
	assert_int_equal(X509_get_pathlen(f->ca.certificate), 0);
	assert_int_equal(X509_get_key_usage(f->ca.certificate), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(rw_tls_identity_of(f->ca.certificate, &found, error), -EACCES);
	time_t ten_years = time(NULL) + 3650ll * 86400;
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(f->ca.certificate), ten_years), 1);
}

static void serial_numbers_are_positive_128_bit_and_differ(void **state)
{
	const struct fixture *f = *state;
	X509 *certificates[8];

	for (size_t i = 0; i < 8; i++) {
		certificates[i] = issue(f, &web);
		const ASN1_INTEGER *serial = X509_get0_serialNumber(certificates[i]);
		assert_int_equal(ASN1_STRING_length(serial), 16);
		assert_int_equal(ASN1_STRING_type(serial), V_ASN1_INTEGER);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(
				ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificates[k])),
				0);
	}
	for (size_t i = 0; i < 8; i++)
		X509_free(certificates[i]);
}

static void check_refused(const struct fixture *f, struct rw_identity identity,
			  struct rw_pki_validity validity, const char *reason)
{
	char error[RW_PKI_ERROR_BYTES] = "";
	X509 *certificate = NULL;

	assert_int_equal(rw_pki_issue(&f->ca, &identity, f->key, validity, &certificate, error),
			 -EINVAL);
	assert_string_equal(error, reason);
	assert_null(certificate);
}

static void nothing_is_issued_for_a_bad_name_or_too_long_a_life(void **state)
{
	const struct fixture *f = *state;
	struct rw_pki_validity year = rw_pki_valid_for(RW_PKI_LEAF_VALID_MS);
	struct rw_identity bad = web;

	bad.name[0] = '*';
	check_refused(f, bad, year, "the host's name must be " RW_NAME_EXPECTED);
	bad = web;
	bad.ring[0] = 'R';
	check_refused(f, bad, year, "the ring's name must be " RW_NAME_EXPECTED);
	bad = c1;
	bad.name[0] = '\0';
	check_refused(f, bad, year, "the collector's name must be " RW_NAME_EXPECTED);
	bad = web;
	memset(bad.name, 'a', sizeof(bad.name));
	check_refused(f, bad, year, "the host's name must be " RW_NAME_EXPECTED);
	bad = c1;
	bad.role = 0;
	check_refused(f, bad, year, "the identity is neither a host's nor a collector's");
	bad = web;
	bad.trust_domain[0] = 'E';
	check_refused(f, bad, year, "the CA is of trust domain example.net, not Example.net");
	check_refused(f, web, rw_pki_valid_for(2 * RW_PKI_CA_VALID_MS),
		      "the certificate would outlive its CA");
}

static void a_trust_domain_is_checked(void **state)
{
	static const char *const bad[] = {"", "Example.net", "a/b", "*", "a b"};
	struct rw_pki_ca ca;
	char error[RW_PKI_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(rw_pki_new_ca(bad[i], rw_pki_valid_for(1000), &ca, error),
				 -EINVAL);
		assert_string_equal(error, "the trust domain must be " RW_TRUST_DOMAIN_EXPECTED);
	}
}

static void files_can_be_read_back_and_keys_are_private(void **state)
{
	const struct fixture *f = *state;
	char error[RW_PKI_ERROR_BYTES];
	char certificate[64];
	char key[64];
	char other[64];
	struct rw_pki_ca back;
	struct stat st;

	snprintf(certificate, sizeof(certificate), "%s/ca.pem", f->folder);
	snprintf(key, sizeof(key), "%s/ca.key", f->folder);
	snprintf(other, sizeof(other), "%s/other.key", f->folder);
	assert_int_equal(rw_pki_write_certificate(certificate, f->ca.certificate, error), 0);
	assert_int_equal(rw_pki_write_key(key, f->ca.key, error), 0);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	assert_int_equal(rw_pki_load_ca(certificate, key, &back, error), 0);
	assert_string_equal(back.trust_domain, "example.net");
	X509 *leaf = NULL;
	assert_int_equal(rw_pki_issue(&back, &web, f->key, rw_pki_valid_for(60000), &leaf, error),
			 0);
	assert_int_equal(X509_verify(leaf, f->ca.key), 1);

	char expected[160];
	assert_int_equal(rw_pki_write_key(other, f->key, error), 0);
	assert_int_equal(rw_pki_load_ca(certificate, other, &back, error), -EINVAL);
	snprintf(expected, sizeof(expected), "%s: is not the key of %s", other, certificate);
	assert_string_equal(error, expected);
	assert_int_equal(rw_pki_write_certificate(certificate, leaf, error), 0);
	assert_int_equal(rw_pki_load_ca(certificate, other, &back, error), -EINVAL);
	snprintf(expected, sizeof(expected), "%s: is not a CA's certificate", certificate);
	assert_string_equal(error, expected);
	assert_int_equal(rw_pki_load_ca("/nowhere", key, &back, error), -ENOENT);
	assert_string_equal(error, "/nowhere: cannot be read: No such file or directory");
	assert_int_equal(ERR_peek_error(), 0);
	X509_free(leaf);
	rw_pki_ca_release(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_carry_identity_purpose_and_a_past_beginning),
		cmocka_unit_test(a_ca_signs_and_is_no_identity),
		cmocka_unit_test(serial_numbers_are_positive_128_bit_and_differ),
		cmocka_unit_test(nothing_is_issued_for_a_bad_name_or_too_long_a_life),
		cmocka_unit_test(a_trust_domain_is_checked),
		cmocka_unit_test(files_can_be_read_back_and_keys_are_private),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
