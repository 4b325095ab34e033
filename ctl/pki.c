/* SPDX-License-Identifier: Apache-2.0 */
/* `ringwatch pki`: files around lib/pki.h. Names were checked by args.c. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "lib/file.h"
#include "lib/pki.h"

struct file_path {
	char text[PATH_MAX];
};

/* -ENAMETOOLONG, and a line on stderr. */
static int make_path(struct file_path *path, const char *folder, const char *prefix,
		     const char *name, const char *suffix)
{
	int n = snprintf(path->text, sizeof(path->text), "%s/%s%s%s", folder, prefix, name, suffix);

	if (n >= 0 && (size_t)n < sizeof(path->text))
		return 0;
	rw_ctl_fail("%s: the path is too long", folder);
	return -ENAMETOOLONG;
}

static int make_folder(const char *folder)
{
	int err = rw_file_make_folder(folder, 0700);

	if (err != 0)
		rw_ctl_fail("%s: cannot be made: %s", folder, strerror(-err));
	return err;
}

/* The key first: a certificate without its key is of no use to anybody. */
static int write_pair(const struct file_path *certificate_path, X509 *certificate,
		      const struct file_path *key_path, EVP_PKEY *key)
{
	char error[RW_PKI_ERROR_BYTES];
	int err = rw_pki_write_key(key_path->text, key, error);

	if (err == 0)
		err = rw_pki_write_certificate(certificate_path->text, certificate, error);
	return err == 0 ? RW_CTL_DONE : rw_ctl_fail("%s", error);
}

int rw_pki_init_run(const struct rw_args *args)
{
	const char *folder = args->value[RW_OPT_DIR];
	char error[RW_PKI_ERROR_BYTES];
	struct file_path certificate = {""};
	struct file_path key = {""};
	struct rw_pki_ca ca;

	if (make_path(&certificate, folder, "ca", "", ".pem") != 0 ||
	    make_path(&key, folder, "ca", "", ".key") != 0 || make_folder(folder) != 0)
		return RW_CTL_FAILED;
	/* All that was ever issued hangs on it: never replaced. */
	if (access(certificate.text, F_OK) == 0 || access(key.text, F_OK) == 0)
		return rw_ctl_fail("%s holds a CA already; remove ca.pem and ca.key to begin anew",
				   folder);
	if (rw_pki_new_ca(args->value[RW_OPT_TRUST_DOMAIN], rw_pki_valid_for(RW_PKI_CA_VALID_MS),
			  &ca, error) != 0)
		return rw_ctl_fail("%s", error);
	int status = write_pair(&certificate, ca.certificate, &key, ca.key);
	if (status == RW_CTL_DONE)
		printf("made %s and %s for spiffe://%s, valid for 10 years; keep the key off the "
		       "machines that run anything\n",
		       certificate.text, key.text, ca.trust_domain);
	rw_pki_ca_release(&ca);
	return status;
}

static int load_ca(const char *folder, struct rw_pki_ca *ca)
{
	char error[RW_PKI_ERROR_BYTES];
	struct file_path certificate = {""};
	struct file_path key = {""};

	if (make_path(&certificate, folder, "ca", "", ".pem") != 0 ||
	    make_path(&key, folder, "ca", "", ".key") != 0)
		return -ENAMETOOLONG;
	int err = rw_pki_load_ca(certificate.text, key.text, ca, error);
	if (err != 0)
		rw_ctl_fail("%s%s", error,
			    err == -ENOENT ? "; `ringwatch pki init` makes a CA" : "");
	return err;
}

static int issue_files(const struct rw_args *args, const struct rw_pki_ca *ca,
		       const struct rw_identity *identity, const char *prefix)
{
	const char *folder =
		args->value[RW_OPT_OUT] != NULL ? args->value[RW_OPT_OUT] : args->value[RW_OPT_DIR];
	uint64_t valid_ms = rw_args_duration_ms(args, RW_OPT_VALID, RW_PKI_LEAF_VALID_MS);
	char error[RW_PKI_ERROR_BYTES];
	char uri[RW_SPIFFE_MAX];
	struct file_path certificate_path = {""};
	struct file_path key_path = {""};
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;

	if (make_path(&certificate_path, folder, prefix, identity->name, ".pem") != 0 ||
	    make_path(&key_path, folder, prefix, identity->name, ".key") != 0 ||
	    make_folder(folder) != 0)
		return RW_CTL_FAILED;
	int status = RW_CTL_FAILED;
	if (rw_pki_new_key(&key, error) != 0 ||
	    rw_pki_issue(ca, identity, key, rw_pki_valid_for(valid_ms), &certificate, error) != 0)
		rw_ctl_fail("%s", error);
	else
		status = write_pair(&certificate_path, certificate, &key_path, key);
	if (status == RW_CTL_DONE) {
		rw_spiffe_format(identity, uri);
		printf("made %s and %s for %s\n", certificate_path.text, key_path.text, uri);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	return status;
}

static int issue(const struct rw_args *args, struct rw_identity *identity, const char *prefix)
{
	struct rw_pki_ca ca;

	if (load_ca(args->value[RW_OPT_DIR], &ca) != 0)
		return RW_CTL_FAILED;
	memcpy(identity->trust_domain, ca.trust_domain, sizeof(ca.trust_domain));
	int status = issue_files(args, &ca, identity, prefix);
	rw_pki_ca_release(&ca);
	return status;
}

int rw_pki_issue_host_run(const struct rw_args *args)
{
	struct rw_identity identity = {.role = RW_IDENTITY_HOST};

	memcpy(identity.ring, args->value[RW_OPT_RING], strlen(args->value[RW_OPT_RING]) + 1);
	memcpy(identity.name, args->value[RW_OPT_HOST], strlen(args->value[RW_OPT_HOST]) + 1);
	return issue(args, &identity, "host-");
}

int rw_pki_issue_collector_run(const struct rw_args *args)
{
	struct rw_identity identity = {.role = RW_IDENTITY_COLLECTOR};

	memcpy(identity.name, args->value[RW_OPT_NAME], strlen(args->value[RW_OPT_NAME]) + 1);
	return issue(args, &identity, "collector-");
}
