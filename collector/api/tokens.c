/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens by their hashes; see tokens.h. */
#include "collector/api/tokens.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum { TOKENS_FILE_MAX = 64 * 1024, TOKEN_MAX = 256 };

struct token {
	char name[RW_NAME_MAX + 1];
	enum rw_role role;
	unsigned char hash[SHA256_DIGEST_LENGTH];
};

struct rw_tokens {
	size_t count;
	struct token tokens[RW_TOKENS_MAX];
};

static const char *const role_names[] = {"none", "read", "rollout", "operator"};

const char *rw_role_name(enum rw_role role)
{
	return role_names[role];
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool parse_hash(const char *text, unsigned char hash[SHA256_DIGEST_LENGTH])
{
	if (strlen(text) != (size_t)2 * SHA256_DIGEST_LENGTH)
		return false;
	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		hash[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* What is wrong with a line, or NULL. `line` is cut into words. */
static const char *parse_line(char *line, struct rw_tokens *set)
{
	char *rest = NULL;
	char *name = strtok_r(line, " \t", &rest);
	char *role = strtok_r(NULL, " \t", &rest);
	char *hash = strtok_r(NULL, " \t", &rest);
	struct token *token = &set->tokens[set->count];

	if (set->count == RW_TOKENS_MAX)
		return "too many tokens, expected at most 256";
	if (hash == NULL || strtok_r(NULL, " \t", &rest) != NULL)
		return "expected NAME ROLE SHA256";
	if (!rw_name_is_valid(name, strlen(name)))
		return "bad name, expected " RW_NAME_EXPECTED;
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->tokens[i].name, name) == 0)
			return "the name stands twice";
	}
	token->role = RW_ROLE_NONE;
	for (enum rw_role r = RW_ROLE_READ; r <= RW_ROLE_OPERATOR; r++) {
		if (strcmp(role, role_names[r]) == 0)
			token->role = r;
	}
	if (token->role == RW_ROLE_NONE)
		return "bad role, expected read, rollout or operator";
	if (!parse_hash(hash, token->hash))
		return "bad hash, expected 64 lower-case hex digits";
	for (size_t i = 0; i < set->count; i++) {
		if (memcmp(set->tokens[i].hash, token->hash, sizeof(token->hash)) == 0)
			return "the same token stands twice";
	}
	snprintf(token->name, sizeof(token->name), "%s", name);
	set->count++;
	return NULL;
}

static int check_rights(const char *path, char error[RW_TOKEN_ERROR_BYTES])
{
	struct stat st;

	if (stat(path, &st) != 0) {
		int err = -errno;
		snprintf(error, RW_TOKEN_ERROR_BYTES, "%s: %s", path, strerror(-err));
		return err;
	}
	/* Its group may read it: a service's user that exists only while it runs has no other way. */
	if ((st.st_mode & (S_IWGRP | S_IROTH | S_IWOTH)) != 0) {
		snprintf(error, RW_TOKEN_ERROR_BYTES,
			 "%s: others may read it, or group or others write it, expected mode 0600 "
			 "or 0640",
			 path);
		return -EACCES;
	}
	return 0;
}

static int parse_lines(const char *path, char *text, struct rw_tokens *set,
		       char error[RW_TOKEN_ERROR_BYTES])
{
	unsigned number = 0;

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		number++;
		line += strspn(line, " \t");
		if (*line == '\0' || *line == '#')
			continue;
		const char *fault = parse_line(line, set);
		if (fault != NULL) {
			snprintf(error, RW_TOKEN_ERROR_BYTES, "%s:%u: %s", path, number, fault);
			return -EINVAL;
		}
	}
	return 0;
}

int rw_tokens_load(const char *path, struct rw_tokens **out, char error[RW_TOKEN_ERROR_BYTES])
{
	rw_autofree char *text = NULL;
	size_t length = 0;
	int err = check_rights(path, error);

	if (err != 0)
		return err;
	err = rw_file_read(path, TOKENS_FILE_MAX, &text, &length);
	if (err != 0) {
		snprintf(error, RW_TOKEN_ERROR_BYTES, "%s: %s", path, strerror(-err));
		return err;
	}
	if (strlen(text) != length) { /* what is behind a NUL would be passed over */
		snprintf(error, RW_TOKEN_ERROR_BYTES, "%s: not a text file", path);
		return -EINVAL;
	}
	struct rw_tokens *set = calloc(1, sizeof(*set));
	if (set == NULL) {
		snprintf(error, RW_TOKEN_ERROR_BYTES, "%s: %s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	err = parse_lines(path, text, set, error);
	if (err != 0) {
		rw_tokens_free(set);
		return err;
	}
	*out = set;
	return 0;
}

void rw_tokens_free(struct rw_tokens *tokens)
{
	free(tokens);
}

enum rw_role rw_tokens_check(const struct rw_tokens *tokens, const char *token,
			     char name[RW_NAME_MAX + 1])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	enum rw_role role = RW_ROLE_NONE;
	size_t length = strnlen(token, TOKEN_MAX + 1);

	name[0] = '\0';
	if (length == 0 || length > TOKEN_MAX ||
	    EVP_Digest(token, length, hash, NULL, EVP_sha256(), NULL) != 1)
		return RW_ROLE_NONE;
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *known = &tokens->tokens[i];

		if (CRYPTO_memcmp(known->hash, hash, sizeof(hash)) != 0)
			continue;
		role = known->role;
		snprintf(name, RW_NAME_MAX + 1, "%s", known->name);
	}
	return role;
}
