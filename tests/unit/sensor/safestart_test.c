/* SPDX-License-Identifier: Apache-2.0 */
/* A sensor that may be what kills the host leaves BPF off; one that is not, never. */
#include "sensor/safestart.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MINUTE_MS (60ull * 1000)

static char boots[4][RW_BOOT_ID_LENGTH + 1] = {
	"11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222",
	"33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"};

/* The next boot: how the one before ended, then the attach. */
static bool boot(struct rw_safe_start *s, int n, bool unexpected, uint64_t alive_ms)
{
	struct rw_safe_start_last last = {.unexpected = unexpected, .alive_boot_ms = alive_ms};
	bool off;

	if (n > 0)
		last.boot_id = boots[n - 1];
	off = rw_safe_start_decide(s, n > 0 ? &last : NULL, "0.1.0", "6.1.0-1");
	if (!off)
		rw_safe_start_mark(s, boots[n], 20000);
	return off;
}

static void two_deaths_soon_after_an_attach_leave_bpf_off(void **state)
{
	struct rw_safe_start s = {0};

	(void)state;
	assert_false(boot(&s, 0, false, 0));
	assert_false(boot(&s, 1, true, MINUTE_MS));
	assert_int_equal(s.deaths, 1);
	assert_true(boot(&s, 2, true, 2 * MINUTE_MS));
	/* and it stays off, whatever the boots without BPF do */
	assert_true(boot(&s, 3, false, 60 * MINUTE_MS));
}

static void an_orderly_end_is_no_death_and_begins_anew(void **state)
{
	struct rw_safe_start s = {0};

	(void)state;
	assert_false(boot(&s, 0, false, 0));
	assert_false(boot(&s, 1, true, MINUTE_MS));
	assert_false(boot(&s, 2, false, MINUTE_MS));
	assert_int_equal(s.deaths, 0);
	assert_false(boot(&s, 3, true, MINUTE_MS));
}

static void a_death_long_after_the_attach_is_not_ours(void **state)
{
	struct rw_safe_start s = {0};

	(void)state;
	assert_false(boot(&s, 0, false, 0));
	assert_false(boot(&s, 1, true, MINUTE_MS));
	assert_false(boot(&s, 2, true, RW_SAFE_START_MINUTES * MINUTE_MS + 20000));
	assert_int_equal(s.deaths, 0);
	assert_false(boot(&s, 3, true, MINUTE_MS));
}

static void a_boot_that_never_attached_says_nothing(void **state)
{
	struct rw_safe_start s = {0};
	struct rw_safe_start_last other = {boots[3], true, 1000};

	(void)state;
	assert_false(boot(&s, 0, false, 0));
	assert_false(boot(&s, 1, true, MINUTE_MS));
	assert_false(rw_safe_start_decide(&s, &other, "0.1.0", "6.1.0-1"));
	assert_int_equal(s.deaths, 1);
}

static void a_restart_in_the_same_boot_is_no_death(void **state)
{
	struct rw_safe_start s = {0};

	(void)state;
	assert_false(boot(&s, 0, false, 0));
	for (int i = 0; i < 5; i++) {
		assert_false(rw_safe_start_decide(&s, NULL, "0.1.0", "6.1.0-1"));
		rw_safe_start_mark(&s, boots[0], 30000);
	}
	assert_int_equal(s.deaths, 0);
}

static void another_sensor_or_kernel_tries_again(void **state)
{
	struct rw_safe_start s = {
		.deaths = 2, .engaged = true, .version = "0.1.0", .release = "6.1.0-1"};
	struct rw_safe_start other = s;

	(void)state;
	assert_true(rw_safe_start_decide(&s, NULL, "0.1.0", "6.1.0-1"));
	assert_false(rw_safe_start_decide(&s, NULL, "0.1.1", "6.1.0-1"));
	assert_string_equal(s.version, "0.1.1");
	assert_false(rw_safe_start_decide(&other, NULL, "0.1.0", "6.1.0-2"));
}

static void the_mark_survives_on_disk(void **state)
{
	struct rw_safe_start s = {.deaths = 1, .version = "0.1.0", .release = "6.1.0-1"};
	struct rw_safe_start back;

	rw_safe_start_mark(&s, boots[1], 12345);
	assert_int_equal(rw_safe_start_save(*state, &s), 0);
	assert_int_equal(rw_safe_start_load(*state, &back), 0);
	assert_memory_equal(&s, &back, sizeof(s));
	assert_int_equal(rw_safe_start_remove(*state), 0);
	assert_int_equal(rw_safe_start_load(*state, &back), -ENOENT);
	assert_int_equal(rw_safe_start_remove(*state), 0);
}

static void a_damaged_mark_is_set_aside(void **state)
{
	struct rw_safe_start back = {.deaths = 7};
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/attach.mark", (char *)*state);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("schema=1\nversion=0.1.0\ndeaths=2\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rw_safe_start_load(*state, &back), -EINVAL);
	assert_int_equal(back.deaths, 0);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/attach.mark.damaged", (char *)*state);
	assert_int_equal(unlink(path), 0);
}

static int make_folder(void **state)
{
	static char folder[] = "/tmp/rw-safestart-XXXXXX";

	*state = mkdtemp(folder);
	return *state == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	return rmdir(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_deaths_soon_after_an_attach_leave_bpf_off),
		cmocka_unit_test(an_orderly_end_is_no_death_and_begins_anew),
		cmocka_unit_test(a_death_long_after_the_attach_is_not_ours),
		cmocka_unit_test(a_boot_that_never_attached_says_nothing),
		cmocka_unit_test(a_restart_in_the_same_boot_is_no_death),
		cmocka_unit_test(another_sensor_or_kernel_tries_again),
		cmocka_unit_test(the_mark_survives_on_disk),
		cmocka_unit_test(a_damaged_mark_is_set_aside),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
