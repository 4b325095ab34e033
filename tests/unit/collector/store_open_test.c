/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a store: a file that is not ours or not whole is refused and left alone, or
 * set aside when that is asked for; one of the schema before is migrated.
 */
#include "tests/unit/collector/store_fixture.h"

static void two_collectors_never_share_a_store(void **state)
{
	struct fixture *f = *state;
	struct rw_store *second = NULL;
	char error[RW_STORE_ERROR_BYTES];

	assert_int_equal(open_store(f), 0);
	assert_int_equal(rw_store_open(f->path, 0, NULL, &second, error), -EBUSY);
	assert_non_null(strstr(error, "another collector"));
	assert_null(second);
}

static void a_damaged_file_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	char junk[4096];

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 200; i++)
		push_event(f, "h1", spool_a, i, false);
	close_store(f);
	off_t size = size_of(f->path);
	assert_true(size > 4 * (off_t)sizeof(junk));
	memset(junk, 0x5a, sizeof(junk));
	write_at(f->path, size - 3 * (off_t)sizeof(junk), junk, sizeof(junk));
	assert_int_equal(open_store(f), -EUCLEAN);
	assert_non_null(strstr(f->error, f->path));
	assert_non_null(strstr(f->error, "damaged"));
	assert_int_equal(size_of(f->path), size);
}

static void a_file_that_is_no_database_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	char text[] =
		"these are the minutes of the meeting, and no database at all, whatever its name";
	char back[sizeof(text)];

	write_at(f->path, 0, text, sizeof(text));
	assert_int_equal(open_store(f), -EUCLEAN);
	int fd = open(f->path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), (ssize_t)sizeof(back));
	close(fd);
	assert_memory_equal(back, text, sizeof(text));
	assert_int_equal(size_of(f->path), (off_t)sizeof(text));
}

static void another_schema_is_refused_by_its_number(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	close_store(f);
	run_sql(f->path, "PRAGMA user_version=4");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(strstr(f->error, "holds store schema 4, this collector needs 3 or 2"));
	assert_null(strstr(f->error, "release"));
	off_t size = size_of(f->path);
	run_sql(f->path, "PRAGMA user_version=1");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(
		strstr(f->error, "holds store schema 1, this collector needs 3 or 2; no release"));
	assert_non_null(strstr(f->error, "move the file away"));
	assert_int_equal(size_of(f->path), size);
}

static void a_database_of_another_program_is_refused(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, "CREATE TABLE addresses (name TEXT)");
	assert_int_equal(open_store(f), -EPROTO);
	assert_non_null(strstr(f->error, "another program"));
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;
	struct rw_store *store;

	assert_int_equal(rw_store_open("/nonexistent/folder/c.db", 0, NULL, &store, f->error),
			 -ENOENT);
	assert_non_null(strstr(f->error, "/nonexistent/folder/c.db"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_collectors_never_share_a_store),
		TEST(a_damaged_file_is_refused_and_left_as_it_is),
		TEST(a_file_that_is_no_database_is_refused_and_left_as_it_is),
		TEST(another_schema_is_refused_by_its_number),
		TEST(a_database_of_another_program_is_refused),
		TEST(a_folder_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests_name("store_open", tests, NULL, NULL);
}
