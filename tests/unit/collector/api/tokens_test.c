/* SPDX-License-Identifier: Apache-2.0 */
/* Who a token is, and which files of tokens are not believed. */
#include "tests/unit/collector/api/fixture.h"

#include "collector/api/tokens.h"

static char path[AX_PATH_BYTES];
static char hash_a[2 * SHA256_DIGEST_LENGTH + 1];
static char hash_b[2 * SHA256_DIGEST_LENGTH + 1];

static int make_file(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/ringwatch-tokens-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	ax_hash("alpha", hash_a);
	ax_hash("beta", hash_b);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static struct rw_tokens *load(const char *text)
{
	char error[RW_TOKEN_ERROR_BYTES];
	struct rw_tokens *tokens = NULL;

	ax_write(path, text, 0600);
	if (rw_tokens_load(path, &tokens, error) != 0)
		fail_msg("%s", error);
	return tokens;
}

/* The file is refused with `FILE:LINE: ` and the word. */
static void refused(const char *text, unsigned line, const char *word)
{
	char error[RW_TOKEN_ERROR_BYTES] = "";
	char begins[AX_PATH_BYTES + 32];
	struct rw_tokens *tokens = NULL;

	ax_write(path, text, 0600);
	assert_int_equal(rw_tokens_load(path, &tokens, error), -EINVAL);
	assert_null(tokens);
	snprintf(begins, sizeof(begins), "%s:%u: ", path, line);
	if (strncmp(error, begins, strlen(begins)) != 0 || strstr(error, word) == NULL)
		fail_msg("'%s' for: %s", error, text);
}

static void test_a_token_is_known_by_its_hash(void **state)
{
	char text[512];
	char name[RW_NAME_MAX + 1];

	(void)state;
	snprintf(text, sizeof(text), "# people\n\nann operator %s\n  \t\nargo rollout\t%s\n",
		 hash_a, hash_b);
	struct rw_tokens *tokens = load(text);
	assert_int_equal(rw_tokens_check(tokens, "alpha", name), RW_ROLE_OPERATOR);
	assert_string_equal(name, "ann");
	assert_int_equal(rw_tokens_check(tokens, "beta", name), RW_ROLE_ROLLOUT);
	assert_string_equal(name, "argo");
	rw_tokens_free(tokens);
}

static void test_anything_else_is_nobody(void **state)
{
	char text[256];
	char name[RW_NAME_MAX + 1];
	char longer[400];

	(void)state;
	snprintf(text, sizeof(text), "ann operator %s", hash_a); /* no newline at the end */
	struct rw_tokens *tokens = load(text);
	const char *const wrong[] = {"", "alph", "alphaa", "Alpha", "alpha ", " alpha", hash_a};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(rw_tokens_check(tokens, wrong[i], name), RW_ROLE_NONE);
		assert_string_equal(name, "");
	}
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(rw_tokens_check(tokens, longer, name), RW_ROLE_NONE);
	rw_tokens_free(tokens);
}

static void test_bad_lines_are_named(void **state)
{
	char text[512];

	(void)state;
	refused("ann operator\n", 1, "NAME ROLE SHA256");
	snprintf(text, sizeof(text), "\n# one\nann operator %s more\n", hash_a);
	refused(text, 3, "NAME ROLE SHA256");
	snprintf(text, sizeof(text), "Ann operator %s\n", hash_a);
	refused(text, 1, "name");
	snprintf(text, sizeof(text), "* operator %s\n", hash_a);
	refused(text, 1, "name");
	snprintf(text, sizeof(text), "ann admin %s\n", hash_a);
	refused(text, 1, "role");
	snprintf(text, sizeof(text), "ann none %s\n", hash_a);
	refused(text, 1, "role");
	refused("ann read abcdef\n", 1, "hash");
	snprintf(text, sizeof(text), "ann read %.63sG\n", hash_a);
	refused(text, 1, "hash");
	snprintf(text, sizeof(text), "ann read %.63sA\n", hash_a);
	refused(text, 1, "hash");
	snprintf(text, sizeof(text), "ann read %s\nann operator %s\n", hash_a, hash_b);
	refused(text, 2, "twice");
	snprintf(text, sizeof(text), "ann read %s\nbob operator %s\n", hash_a, hash_a);
	refused(text, 2, "twice");
}

static void test_a_file_that_others_may_read_is_refused(void **state)
{
	static const mode_t modes[] = {0604, 0620, 0602, 0660, 0666};
	char error[RW_TOKEN_ERROR_BYTES];
	struct rw_tokens *tokens = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		ax_write(path, "", modes[i]);
		assert_int_equal(rw_tokens_load(path, &tokens, error), -EACCES);
		assert_non_null(strstr(error, path));
		assert_null(tokens);
	}
	/* As docs/operating.md has it for a service. */
	ax_write(path, "", 0640);
	assert_int_equal(rw_tokens_load(path, &tokens, error), 0);
	rw_tokens_free(tokens);
}

static void test_a_file_that_is_no_text_or_not_there(void **state)
{
	char error[RW_TOKEN_ERROR_BYTES];
	struct rw_tokens *tokens = NULL;

	(void)state;
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "ann read %s%cbob operator %s\n", hash_a, '\0', hash_b);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(rw_tokens_load(path, &tokens, error), -EINVAL);
	assert_int_equal(rw_tokens_load("/nonexistent/tokens", &tokens, error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/tokens"));
	assert_null(tokens);
}

static void test_too_many_are_refused(void **state)
{
	size_t size = (size_t)(RW_TOKENS_MAX + 1) * 128;
	char *text = malloc(size);
	size_t used = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i <= RW_TOKENS_MAX; i++) {
		char token[16];
		char hash[2 * SHA256_DIGEST_LENGTH + 1];

		snprintf(token, sizeof(token), "t%u", i);
		ax_hash(token, hash);
		used += (size_t)snprintf(text + used, size - used, "t%u read %s\n", i, hash);
	}
	refused(text, RW_TOKENS_MAX + 1, "too many");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_is_known_by_its_hash),
		cmocka_unit_test(test_anything_else_is_nobody),
		cmocka_unit_test(test_bad_lines_are_named),
		cmocka_unit_test(test_a_file_that_others_may_read_is_refused),
		cmocka_unit_test(test_a_file_that_is_no_text_or_not_there),
		cmocka_unit_test(test_too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
