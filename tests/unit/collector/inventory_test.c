/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory: every host is found with its ring, and each wrong line is blamed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/inventory.h"

struct fixture {
	char path[64];
	struct rw_policy policy;
	struct rw_inventory *inventory;
	char error[RW_CONF_ERROR_BYTES];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/rw-inventory-XXXXXX");
	int fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	f->policy.ring_count = 2;
	snprintf(f->policy.rings[0].name, RW_CORE_NAME_BYTES, "canary");
	snprintf(f->policy.rings[1].name, RW_CORE_NAME_BYTES, "wide");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rw_inventory_free(f->inventory);
	unlink(f->path);
	free(f);
	return 0;
}

static int load(struct fixture *f, const char *bytes, size_t length)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	return rw_inventory_load(f->path, &f->policy, &f->inventory, f->error);
}

static void hosts_are_found_whatever_their_order(void **state)
{
	static const char text[] = "# the fleet\n"
				   "web-9 wide\n"
				   "\n"
				   "  db-1\t canary  \r\n"
				   "   # moved last week\n"
				   "web-10 canary"; /* no line break at the end */
	struct fixture *f = *state;

	if (load(f, text, sizeof(text) - 1) != 0)
		fail_msg("%s", f->error);
	assert_int_equal(rw_inventory_count(f->inventory), 3);
	assert_string_equal(rw_inventory_find(f->inventory, "web-9"), "wide");
	assert_string_equal(rw_inventory_find(f->inventory, "db-1"), "canary");
	assert_string_equal(rw_inventory_find(f->inventory, "web-10"), "canary");
	assert_null(rw_inventory_find(f->inventory, "web-1"));
	assert_null(rw_inventory_find(f->inventory, "aaa"));
	assert_null(rw_inventory_find(f->inventory, "zzz"));
	assert_null(rw_inventory_find(f->inventory, ""));
}

static void each_wrong_line_is_blamed(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *says;
	} wrongs[] = {
		{"", 1, "none stands there"},
		{"# nobody\n\n", 2, "none stands there"},
		{"a canary\nb\n", 2, "expected HOST RING"},
		{"a canary\nb wide and more\n", 2, "expected HOST RING"},
		{"a canary # but why\n", 1, "expected HOST RING"},
		{"A canary\n", 1, "'A' is no name"},
		{"* canary\n", 1, "'*' is no name"},
		{"a\033[31m canary\n", 1, "is no name"},
		{"a canary\nb narrow\n", 2, "'narrow' is not in the policy"},
		{"a canary\nc wide\nb wide\na wide\n", 4, "'a' stands in line 1 already"},
		{"a canary\na canary\n", 2, "'a' stands in line 1 already"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		char begins[96];
		int err = load(f, wrongs[i].text, strlen(wrongs[i].text));

		snprintf(begins, sizeof(begins), "%s:%u: ", f->path, wrongs[i].line);
		if (err != -EINVAL || strncmp(f->error, begins, strlen(begins)) != 0 ||
		    strstr(f->error, wrongs[i].says) == NULL || strchr(f->error, '\033') != NULL)
			fail_msg("'%s' gave %d %s", wrongs[i].text, err, f->error);
		assert_null(f->inventory);
	}
	assert_int_equal(load(f, "a canary\nb\0c wide\n", 18), -EINVAL);
	assert_non_null(strstr(f->error, ":2: host: a NUL byte"));
	unlink(f->path);
	assert_int_equal(rw_inventory_load(f->path, &f->policy, &f->inventory, f->error), -ENOENT);
	assert_non_null(strstr(f->error, f->path));
}

/* Hosts 0 … count-1, none in its place. */
static int load_many(struct fixture *f, uint32_t count)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	for (uint64_t i = 0; i < count; i++) {
		unsigned number = (unsigned)(i * 7919 % count);

		fprintf(file, "host-%u %s\n", number, number % 100 == 0 ? "canary" : "wide");
	}
	assert_int_equal(fclose(file), 0);
	return rw_inventory_load(f->path, &f->policy, &f->inventory, f->error);
}

static void a_million_hosts_are_taken_and_not_one_more(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load_many(f, RW_INVENTORY_HOSTS_MAX + 1), -EINVAL);
	assert_non_null(strstr(f->error, ":1000001: host: one too many"));
	if (load_many(f, RW_INVENTORY_HOSTS_MAX) != 0)
		fail_msg("%s", f->error);
	assert_int_equal(rw_inventory_count(f->inventory), RW_INVENTORY_HOSTS_MAX);
	for (uint32_t i = 0; i < RW_INVENTORY_HOSTS_MAX; i += 997) {
		char name[32];

		snprintf(name, sizeof(name), "host-%u", (unsigned)i);
		assert_string_equal(rw_inventory_find(f->inventory, name),
				    i % 100 == 0 ? "canary" : "wide");
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hosts_are_found_whatever_their_order),
		TEST(each_wrong_line_is_blamed),
		TEST(a_million_hosts_are_taken_and_not_one_more),
	};

	return cmocka_run_group_tests_name("inventory", tests, NULL, NULL);
}
