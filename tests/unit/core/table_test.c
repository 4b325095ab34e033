/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts are found by their names, whatever the names are. */
#include "tests/unit/core/fixture.h"

static void add(struct rw_table *table, const char *id, rw_host_handle expected)
{
	rw_host_handle handle;

	assert_int_equal(rw_table_find(table, id), RW_NO_HOST);
	assert_int_equal(rw_table_add(table, id, &handle), 0);
	assert_int_equal(handle, expected);
}

static void every_host_is_found_and_no_other(void **state)
{
	enum { COUNT = 5000 };
	struct rw_table table;
	char id[32];

	(void)state;
	rw_table_init(&table, COUNT);
	assert_int_equal(rw_table_find(&table, "h0"), RW_NO_HOST);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(id, sizeof(id), "h%u", i * 7919 % 100003);
		add(&table, id, i);
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(id, sizeof(id), "h%u", i * 7919 % 100003);
		assert_int_equal(rw_table_find(&table, id), i);
		assert_string_equal(rw_table_at(&table, i)->id, id);
		snprintf(id, sizeof(id), "h%u.", i * 7919 % 100003);
		assert_int_equal(rw_table_find(&table, id), RW_NO_HOST);
	}
	assert_null(rw_table_at(&table, COUNT));
	rw_table_release(&table);
}

static void names_may_begin_with_each_other(void **state)
{
	static const char *const names[] = {
		"a",
		"aa",
		"aaa",
		"ab",
		"b",
		"a.b",
		"a-b",
		"a_b",
		"0",
		"00",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"};
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	struct rw_table table;

	(void)state;
	rw_table_init(&table, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		add(&table, names[i], i);
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(rw_table_find(&table, names[i]), i);
	assert_int_equal(rw_table_find(&table, ""), RW_NO_HOST);
	assert_int_equal(rw_table_find(&table, "aaaa"), RW_NO_HOST);
	rw_table_release(&table);
}

static void a_full_table_takes_no_more(void **state)
{
	struct rw_table table;
	rw_host_handle handle;

	(void)state;
	rw_table_init(&table, 1);
	add(&table, "a", 0);
	assert_int_equal(rw_table_add(&table, "b", &handle), -ENOSPC);
	assert_int_equal(table.count, 1);
	rw_table_release(&table);
}

/* The depth of the tree is what a look-up costs. */
static uint32_t depth(const struct rw_table *table, const char *id)
{
	uint32_t steps = 0;
	uint32_t at = table->root;
	size_t length = strlen(id);

	while ((at & 0x80000000u) == 0) {
		const struct rw_fork *fork = &table->forks[at];
		unsigned byte = fork->byte < length ? (unsigned char)id[fork->byte] : 0;

		at = fork->child[(1 + (fork->others | byte)) >> 8];
		steps++;
	}
	return steps;
}

static void chosen_names_cannot_make_it_slow(void **state)
{
	struct rw_table table;
	char id[RW_CORE_NAME_BYTES];
	uint32_t count = 0;

	(void)state;
	rw_table_init(&table, 100000);
	/* The worst that names can do: each differs from all others in a place of its own. */
	for (size_t place = 0; place < 63; place++) {
		for (const char *c = "b0._-z"; *c != '\0'; c++) {
			memset(id, 'a', sizeof(id));
			id[63] = '\0';
			id[place] = *c;
			add(&table, id, count++);
		}
	}
	for (uint32_t i = 0; i < count; i++)
		assert_in_range(depth(&table, rw_table_at(&table, i)->id), 1, 8 * 63);
	rw_table_release(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_host_is_found_and_no_other),
		cmocka_unit_test(names_may_begin_with_each_other),
		cmocka_unit_test(a_full_table_takes_no_more),
		cmocka_unit_test(chosen_names_cannot_make_it_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
