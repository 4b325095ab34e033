/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringwatch token add`: a random 256-bit token, as 64 hex digits. The
 * collector's file is appended to, not replaced, so that its owner stays who
 * it was; it gets one line, `NAME ROLE SHA256`.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/file.h>

#include "ctl/commands.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/name.h"

enum { TOKEN_BYTES = 32, HASH_BYTES = 32, FILE_MAX = 64 << 10 };

struct secret {
	char token[2 * TOKEN_BYTES + 1];
	char hash[2 * HASH_BYTES + 1];
};

static void write_hex(const unsigned char *bytes, size_t count, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * count] = '\0';
}

static int make_secret(struct secret *secret)
{
	unsigned char random[TOKEN_BYTES];
	unsigned char hash[HASH_BYTES];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return -EIO;
	write_hex(random, sizeof(random), secret->token);
	OPENSSL_cleanse(random, sizeof(random));
	/* The hash is of the text, as it comes in a request. */
	if (EVP_Digest(secret->token, strlen(secret->token), hash, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	write_hex(hash, sizeof(hash), secret->hash);
	return 0;
}

/* Whether a line of `text` begins with the word `name`. */
static bool has_name(const char *text, const char *name)
{
	size_t length = strlen(name);

	while (*text != '\0') {
		const char *word = text + strspn(text, " \t");
		if (strncmp(word, name, length) == 0 &&
		    (word[length] == ' ' || word[length] == '\t'))
			return true;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return false;
}

/* Under the lock: two of these at once do not tear each other's line. */
static int append_line(const struct rw_args *args, int fd, const char *hash)
{
	const char *path = args->value[RW_OPT_FILE];
	const char *name = args->value[RW_OPT_NAME];
	rw_autofree char *text = NULL;
	char line[RW_NAME_MAX + 2 * HASH_BYTES + 32];
	size_t length;

	int err = rw_file_read(path, FILE_MAX, &text, &length);
	if (err != 0)
		return rw_ctl_fail("%s: cannot be read: %s", path, strerror(-err));
	if (has_name(text, name))
		return rw_ctl_fail("%s: there is a token named %s already", path, name);
	int n = snprintf(line, sizeof(line), "%s%s %s %s\n",
			 length > 0 && text[length - 1] != '\n' ? "\n" : "", name,
			 args->value[RW_OPT_ROLE], hash);
	err = rw_file_write_all(fd, line, (size_t)n);
	if (err == 0 && fsync(fd) != 0)
		err = -errno;
	if (err != 0)
		return rw_ctl_fail("%s: cannot be written: %s", path, strerror(-err));
	return RW_CTL_DONE;
}

static int register_token(const struct rw_args *args, const char *hash)
{
	const char *path = args->value[RW_OPT_FILE];
	rw_autoclose int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		return rw_ctl_fail("%s: cannot be written: %s", path, strerror(errno));
	return append_line(args, fd, hash);
}

/* A new file only: another token is never written over. */
static int write_token(const char *path, const char *token)
{
	char line[2 * TOKEN_BYTES + 2];
	rw_autoclose int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return rw_ctl_fail("%s: cannot be made: %s", path, strerror(errno));
	int n = snprintf(line, sizeof(line), "%s\n", token);
	int err = rw_file_write_all(fd, line, (size_t)n);
	if (err == 0 && fsync(fd) != 0)
		err = -errno;
	if (err != 0) {
		unlink(path);
		return rw_ctl_fail("%s: cannot be written: %s", path, strerror(-err));
	}
	return RW_CTL_DONE;
}

int rw_token_add_run(const struct rw_args *args)
{
	const char *out = args->value[RW_OPT_OUT];
	struct secret secret;

	if (make_secret(&secret) != 0)
		return rw_ctl_fail("no random numbers can be had");
	/* The token first: a line in the tokens file for a token that nobody has is
	 * worse than a token that nobody accepts. */
	int status = out == NULL ? RW_CTL_DONE : write_token(out, secret.token);
	if (status == RW_CTL_DONE) {
		status = register_token(args, secret.hash);
		if (status != RW_CTL_DONE && out != NULL)
			unlink(out);
	}
	if (status == RW_CTL_DONE && out == NULL)
		printf("%s\n", secret.token);
	else if (status == RW_CTL_DONE)
		printf("wrote the token of %s (%s) to %s\n", args->value[RW_OPT_NAME],
		       args->value[RW_OPT_ROLE], out);
	OPENSSL_cleanse(&secret, sizeof(secret));
	return status;
}
