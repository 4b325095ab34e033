/* SPDX-License-Identifier: Apache-2.0 */
/* `ringwatch pki` and `ringwatch token` as a whole: what is on disk afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include <openssl/evp.h>

#include "ctl/commands.h"
#include "lib/file.h"
#include "lib/tls.h"

enum { WORDS_MAX = 16 };

static char folder[32];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/rw-ctl-XXXXXX");
	return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int remove_folder(void **state)
{
	static const char *const files[] = {
		"pki/ca.pem",
		"pki/ca.key",
		"pki/host-web-1.pem",
		"pki/host-web-1.key",
		"c/collector-c1.pem",
		"c/collector-c1.key",
		"tokens",
		"a.token",
		"b.token",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	rmdir("c");
	rmdir("pki");
	return chdir("/") != 0 || rmdir(folder) != 0;
}

/* Runs a command line; the exit status. What it says is not looked at here. */
static int run(const char *line)
{
	char copy[256];
	char *argv[WORDS_MAX + 1];
	int argc = 0;

	snprintf(copy, sizeof(copy), "ringwatch %s", line);
	for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX;)
		argv[argc++] = word;
	argv[argc] = NULL;

	fflush(stdout);
	int out = dup(STDOUT_FILENO);
	int err = dup(STDERR_FILENO);
	assert_true(out >= 0 && err >= 0);
	FILE *nowhere = fopen("/dev/null", "w");
	assert_non_null(nowhere);
	assert_true(dup2(fileno(nowhere), STDOUT_FILENO) >= 0);
	assert_true(dup2(fileno(nowhere), STDERR_FILENO) >= 0);
	int status = rw_ctl_main(argc, argv);
	fflush(stdout);
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	assert_true(dup2(err, STDERR_FILENO) >= 0);
	close(out);
	close(err);
	fclose(nowhere);
	return status;
}

static void check_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void a_ca_is_made_once_and_never_replaced(void **state)
{
	char *before = NULL;
	char *after = NULL;

	(void)state;
	assert_int_equal(run("pki init --dir pki --trust-domain example.net"), 0);
	check_mode("pki", 0700);
	check_mode("pki/ca.key", 0600);
	check_mode("pki/ca.pem", 0644);
	assert_int_equal(rw_file_read("pki/ca.pem", 65536, &before, NULL), 0);
	assert_int_equal(run("pki init --dir pki --trust-domain example.net"), 1);
	assert_int_equal(rw_file_read("pki/ca.pem", 65536, &after, NULL), 0);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void check_identity(const char *certificate, const char *key, enum rw_tls_side side,
			   const struct rw_identity *expected)
{
	struct rw_tls_files files = {certificate, key, "pki/ca.pem", NULL};
	char error[RW_TLS_ERROR_BYTES] = "";
	struct rw_identity own;
	SSL_CTX *context = NULL;

	if (rw_tls_context(side, &files, &context, error) != 0 ||
	    rw_tls_own_identity(context, &own, error) != 0)
		fail_msg("%s", error);
	assert_memory_equal(&own, expected, sizeof(own));
	check_mode(key, 0600);
	SSL_CTX_free(context);
}

static void issued_files_make_tls_contexts(void **state)
{
	static const struct rw_identity web = {RW_IDENTITY_HOST, "example.net", "r1", "web-1"};
	static const struct rw_identity moved = {RW_IDENTITY_HOST, "example.net", "r2", "web-1"};
	static const struct rw_identity c1 = {RW_IDENTITY_COLLECTOR, "example.net", "", "c1"};

	(void)state;
	assert_int_equal(run("pki issue --dir pki host --ring r1 --host web-1"), 0);
	check_identity("pki/host-web-1.pem", "pki/host-web-1.key", RW_TLS_SENSOR, &web);
	assert_int_equal(run("pki issue --dir pki host --ring r2 --host web-1 --valid 30d"), 0);
	check_identity("pki/host-web-1.pem", "pki/host-web-1.key", RW_TLS_SENSOR, &moved);
	assert_int_equal(run("pki issue --dir pki collector --name c1 --out c"), 0);
	check_identity("c/collector-c1.pem", "c/collector-c1.key", RW_TLS_COLLECTOR, &c1);
}

static void nothing_is_made_for_a_bad_name(void **state)
{
	(void)state;
	assert_int_equal(run("pki issue --dir pki host --ring r1 --host ../../etc"), 2);
	assert_int_equal(run("pki issue --dir pki host --ring * --host web-2"), 2);
	assert_int_equal(run("pki issue --dir pki host --ring r1 --host web-2 --valid 5000d"), 2);
	assert_int_equal(run("pki issue --dir pki host --ring r1 --host web-2 --valid 3653d"), 1);
	assert_int_equal(run("pki issue --dir nowhere host --ring r1 --host web-2"), 1);
	assert_int_equal(access("pki/host-web-2.key", F_OK), -1);
	assert_int_equal(run("pki init --dir other --trust-domain *"), 2);
	assert_int_equal(access("other", F_OK), -1);
}

/* The line that the tokens file must hold for the token in `path`. */
static void expect_line(const char *path, const char *name_and_role, char *out, size_t size)
{
	unsigned char hash[32];
	char *token = NULL;
	size_t length;

	assert_int_equal(rw_file_read(path, 256, &token, &length), 0);
	assert_int_equal(length, 65);
	assert_int_equal(token[64], '\n');
	token[64] = '\0';
	assert_int_equal(strspn(token, "0123456789abcdef"), 64);
	assert_int_equal(EVP_Digest(token, 64, hash, NULL, EVP_sha256(), NULL), 1);
	size_t used = (size_t)snprintf(out, size, "%s ", name_and_role);
	for (size_t i = 0; i < sizeof(hash); i++)
		used += (size_t)snprintf(out + used, size - used, "%02x", hash[i]);
	snprintf(out + used, size - used, "\n");
	free(token);
}

static void a_token_is_kept_only_as_its_hash(void **state)
{
	char line[2][128];
	char both[256];
	char *tokens = NULL;

	(void)state;
	assert_int_equal(run("token add --name a --role read --file tokens --out a.token"), 0);
	assert_int_equal(run("token add --name b --role operator --file tokens --out b.token"), 0);
	check_mode("tokens", 0600);
	check_mode("a.token", 0600);
	expect_line("a.token", "a read", line[0], sizeof(line[0]));
	expect_line("b.token", "b operator", line[1], sizeof(line[1]));
	snprintf(both, sizeof(both), "%s%s", line[0], line[1]);
	assert_int_equal(rw_file_read("tokens", 65536, &tokens, NULL), 0);
	assert_string_equal(tokens, both);
	free(tokens);

	/* The same name again, or a file that is there: nothing changes. */
	assert_int_equal(run("token add --name a --role operator --file tokens"), 1);
	assert_int_equal(run("token add --name a --role operator --file tokens --out c.token"), 1);
	assert_int_equal(access("c.token", F_OK), -1);
	assert_int_equal(run("token add --name d --role operator --file tokens --out a.token"), 1);
	assert_int_equal(rw_file_read("tokens", 65536, &tokens, NULL), 0);
	assert_string_equal(tokens, both);
	free(tokens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ca_is_made_once_and_never_replaced),
		cmocka_unit_test(issued_files_make_tls_contexts),
		cmocka_unit_test(nothing_is_made_for_a_bad_name),
		cmocka_unit_test(a_token_is_kept_only_as_its_hash),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
