/* SPDX-License-Identifier: Apache-2.0 */
/* The file of webhooks: what it says is taken, and each wrong line is blamed by its key. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/webhook/config.h"

enum { LINE_COUNT = 11, LINE_BYTES = 1200, FOLDER_BYTES = 64 };

/* The lines of a good file; a test changes one. */
static const char *const good[LINE_COUNT] = {
	"schema: 1",
	"targets:",
	"  - name: programs",
	"    url: https://hooks.example.net:8443/x?y=1",
	"    body: generic",
	"    signing_key_file: none",
	"    routing_key_file: none",
	"    authorization_file: none",
	"    ca: none",
	"    only_rings: none",
	"    on: [verdict, breaker]",
};

struct fixture {
	char folder[FOLDER_BYTES];
	char lines[2 * LINE_COUNT][LINE_BYTES];
	size_t count;
	struct rw_policy policy;
	struct rw_webhook_config *config;
	char error[RW_CONF_ERROR_BYTES];
};

static const char *path_of(struct fixture *f, const char *name)
{
	static char path[FOLDER_BYTES + 32];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return path;
}

static void write_file(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(path_of(f, name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path_of(f, name), mode), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/rw-webhook-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	for (size_t i = 0; i < LINE_COUNT; i++)
		snprintf(f->lines[i], LINE_BYTES, "%s", good[i]);
	f->count = LINE_COUNT;
	f->policy.ring_count = 2;
	snprintf(f->policy.rings[0].name, RW_CORE_NAME_BYTES, "canary");
	snprintf(f->policy.rings[1].name, RW_CORE_NAME_BYTES, "wide");
	write_file(f, "key", "a key\n", 0600);
	write_file(f, "open", "a key\n", 0644);
	write_file(f, "written", "a key\n", 0660);
	write_file(f, "group", "a key\n", 0640);
	write_file(f, "empty", "\n", 0600);
	write_file(f, "lines", "one\ntwo\n", 0600);
	write_file(f, "ca.pem", "any\n", 0644);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"key",   "open",  "written", "group",
					    "empty", "lines", "ca.pem",  "webhooks.yaml"};
	struct fixture *f = *state;

	rw_webhook_config_free(f->config);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(f, names[i]));
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

static int load(struct fixture *f)
{
	static char text[2 * LINE_COUNT * LINE_BYTES];
	size_t used = 0;

	for (size_t i = 0; i < f->count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\n", f->lines[i]);
	write_file(f, "webhooks.yaml", text, 0600);
	return rw_webhook_config_load(path_of(f, "webhooks.yaml"), &f->policy, &f->config,
				      f->error);
}

static void set(struct fixture *f, unsigned line, const char *text)
{
	snprintf(f->lines[line - 1], LINE_BYTES, "%s", text);
}

static void a_good_file_is_taken(void **state)
{
	struct fixture *f = *state;

	set(f, 6, "    signing_key_file: key");
	set(f, 8, "    authorization_file: group");
	set(f, 9, "    ca: ca.pem");
	set(f, 10, "    only_rings: [wide]");
	if (load(f) != 0)
		fail_msg("%s", f->error);
	const struct rw_webhook_target *target = &f->config->targets[0];
	assert_int_equal(f->config->count, 1);
	assert_string_equal(target->name, "programs");
	assert_string_equal(target->host, "hooks.example.net:8443");
	assert_string_equal(target->signing_key, "a key");
	assert_string_equal(target->authorization, "a key");
	assert_string_equal(target->routing_key, "");
	assert_true(target->on_verdict && target->on_breaker);
	assert_true(rw_webhook_target_wants_ring(target, "wide"));
	assert_false(rw_webhook_target_wants_ring(target, "canary"));
}

static void without_a_file_there_are_no_targets(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rw_webhook_config_load(NULL, &f->policy, &f->config, f->error), 0);
	assert_int_equal(f->config->count, 0);
}

static void plain_http_goes_to_this_machine_alone(void **state)
{
	static const char *const local[] = {"127.0.0.1:80", "127.9.9.9", "localhost", "[::1]:9"};
	static const char *const far[] = {"128.0.0.1", "localhost.example.net", "[::2]",
					  "example.net", "0.0.0.0"};
	struct fixture *f = *state;
	char line[LINE_BYTES];

	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		snprintf(line, sizeof(line), "    url: \"http://%s/x\"", local[i]);
		set(f, 4, line);
		if (load(f) != 0)
			fail_msg("%s: %s", local[i], f->error);
		rw_webhook_config_free(f->config);
		f->config = NULL;
	}
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		snprintf(line, sizeof(line), "    url: \"http://%s/x\"", far[i]);
		set(f, 4, line);
		if (load(f) != -EINVAL)
			fail_msg("%s was taken", far[i]);
	}
}

struct wrong {
	unsigned line;
	const char *text;
	const char *key;
	const char *says;
	const char *body; /* instead of generic; NULL */
};

static const struct wrong wrongs[] = {
	{1, "schema: 2", "schema", "expected 1", NULL},
	{3, "  - name: Programs", "targets[0].name", "expected", NULL},
	{4, "    url: ftp://example.net/", "targets[0].url", "expected https://", NULL},
	{4, "    url: https://me:secret@example.net/", "targets[0].url", "without a user", NULL},
	{4, "    url: https:///x", "targets[0].url", "expected https://HOST", NULL},
	{4, "    url: \"https://example.net/a b\"", "targets[0].url", "expected https://HOST",
	 NULL},
	{4, "    url: \"https://example.net/#x\"", "targets[0].url", "fragment", NULL},
	{4, "    url: \"https://example.net/{number}\"", "targets[0].url", "hawkbit", NULL},
	{4, "    url: https://example.net/pause", "targets[0].url", "{number}", "hawkbit"},
	{4, "    url: \"https://example.net/{number}/start\"", "targets[0].url", "/pause",
	 "hawkbit"},
	{4, "    url: \"https://{deployment}.net/pause\"", "targets[0].url", "path alone",
	 "hawkbit"},
	{5, "    body: teams", "targets[0].body", "expected", NULL},
	{6, "    signing_key_file: nothing", "targets[0].signing_key_file", "No such file", NULL},
	{6, "    signing_key_file: open", "targets[0].signing_key_file", "expected mode 0640",
	 NULL},
	{6, "    signing_key_file: written", "targets[0].signing_key_file", "expected mode 0640",
	 NULL},
	{6, "    signing_key_file: empty", "targets[0].signing_key_file", "expected one line",
	 NULL},
	{6, "    signing_key_file: lines", "targets[0].signing_key_file", "expected one line",
	 NULL},
	{7, "    routing_key_file: key", "targets[0].routing_key_file", "expected none", NULL},
	{7, "    routing_key_file: none", "targets[0].routing_key_file", "needs the key",
	 "pagerduty"},
	{8, "    authorization_file: lines", "targets[0].authorization_file", "expected one line",
	 NULL},
	{9, "    ca: nothing.pem", "targets[0].ca", "No such file", NULL},
	{10, "    only_rings: [wide, narrow]", "targets[0].only_rings[1]",
	 "'narrow' is no ring of the policy", NULL},
	{10, "    only_rings: [wide, wide]", "targets[0].only_rings[1]", "stands twice", NULL},
	{10, "    only_rings: []", "targets[0].only_rings", "expected", NULL},
	{11, "    on: [verdict, verdict]", "targets[0].on", "stands twice", NULL},
	{11, "    on: []", "targets[0].on", "expected", NULL},
	{11, "    on: [all]", "targets[0].on[0]", "expected", NULL},
};

static void each_wrong_line_is_blamed(void **state)
{
	struct fixture *f = *state;
	char start[FOLDER_BYTES + 160], body[LINE_BYTES];

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct wrong *wrong = &wrongs[i];

		snprintf(body, sizeof(body), "    body: %s",
			 wrong->body == NULL ? "generic" : wrong->body);
		set(f, 5, body);
		set(f, wrong->line, wrong->text);
		snprintf(start, sizeof(start), "%s:%u: %s: ", path_of(f, "webhooks.yaml"),
			 wrong->line, wrong->key);
		if (load(f) != -EINVAL)
			fail_msg("'%s' was taken", wrong->text);
		if (strncmp(f->error, start, strlen(start)) != 0 ||
		    strstr(f->error, wrong->says) == NULL)
			fail_msg("'%s': %s", wrong->text, f->error);
		/* What is wrong in a URL may be the secret itself. */
		assert_null(strstr(f->error, "me:secret"));
		set(f, wrong->line, good[wrong->line - 1]);
	}
}

static void on_is_verdict_alone_where_an_abort_is_acted_on(void **state)
{
	struct fixture *f = *state;

	set(f, 5, "    body: pagerduty");
	set(f, 7, "    routing_key_file: key");
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(f->error, "targets[0].on: expected [verdict] with body pagerduty"));
	set(f, 11, "    on: [verdict]");
	assert_int_equal(load(f), 0);
	assert_string_equal(f->config->targets[0].routing_key, "a key");
}

static void a_name_stands_once(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 2; i < LINE_COUNT; i++)
		snprintf(f->lines[f->count++], LINE_BYTES, "%s", good[i]);
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(f->error, ":12: targets[1].name: 'programs' stands twice"));
}

static void a_file_that_others_may_read_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f), 0);
	rw_webhook_config_free(f->config);
	f->config = NULL;
	assert_int_equal(chmod(path_of(f, "webhooks.yaml"), 0604), 0);
	assert_int_equal(rw_webhook_config_load(path_of(f, "webhooks.yaml"), &f->policy, &f->config,
						f->error),
			 -EACCES);
	assert_non_null(strstr(f->error, "webhooks.yaml: others may read it"));
	assert_int_not_equal(
		rw_webhook_config_load(path_of(f, "nothing"), &f->policy, &f->config, f->error), 0);
	assert_non_null(strstr(f->error, "nothing: No such file"));
}

static void a_rollout_is_found_by_the_deployments_name(void **state)
{
	static struct rw_webhook_target target = {
		.url = "https://h/{deployment}/rollouts/{number}/pause"};
	char url[RW_WEBHOOK_URL_BYTES];

	(void)state;
	assert_true(rw_webhook_url(&target, "acme-2.1-042", url));
	assert_string_equal(url, "https://h/acme-2.1-042/rollouts/042/pause");
	assert_true(rw_webhook_url(&target, "7", url));
	assert_string_equal(url, "https://h/7/rollouts/7/pause");
	assert_false(rw_webhook_url(&target, "acme-2.1-rc", url));
	memset(target.url, 'x', sizeof(target.url) - 1);
	assert_true(rw_webhook_url(&target, "d", url));
	memcpy(target.url, "{deployment}", 12);
	assert_false(rw_webhook_url(
		&target, "a-name-that-is-longer-than-the-place-that-is-held-for-it", url));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_good_file_is_taken),
		TEST(without_a_file_there_are_no_targets),
		TEST(plain_http_goes_to_this_machine_alone),
		TEST(each_wrong_line_is_blamed),
		TEST(on_is_verdict_alone_where_an_abort_is_acted_on),
		TEST(a_name_stands_once),
		TEST(a_file_that_others_may_read_is_refused),
		TEST(a_rollout_is_found_by_the_deployments_name),
	};

	return cmocka_run_group_tests_name("webhook_config", tests, NULL, NULL);
}
