/* SPDX-License-Identifier: Apache-2.0 */
/* A fleet that goes on from its state file is the same fleet. */
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

#include "ctl/fleet/state.h"
#include "lib/file.h"

enum { HOSTS = 3, NOW = 1000000, WALL = 1721362140 };
#define WALL_MS (WALL * 1000ull)

static const struct rw_fleet_options options = {.prefix = "sim"};
static struct rw_fleet_shared shared = {.options = &options};
static char path[] = "/tmp/rw-fleet-state-XXXXXX";

static int make_path(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static void make_hosts(struct rw_fleet_host hosts[HOSTS])
{
	for (uint32_t i = 0; i < HOSTS; i++)
		assert_int_equal(rw_fleet_host_init(&hosts[i], &shared, i + 1, NOW, WALL_MS), 0);
}

static void release(struct rw_fleet_host hosts[HOSTS])
{
	for (uint32_t i = 0; i < HOSTS; i++)
		rw_fleet_host_release(&hosts[i]);
}

static void goes_on_as_the_same_hosts(void **state)
{
	(void)state;
	struct rw_fleet_host before[HOSTS];
	struct rw_fleet_host after[HOSTS];
	char error[RW_FLEET_ERROR_BYTES];

	make_hosts(before);
	make_hosts(after);
	assert_string_not_equal(before[0].boot.id, after[0].boot.id);
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			rw_fleet_host_report(&before[1], RINGWATCH__V1__KIND__KIND_OOPS, NOW), 0);
	assert_int_equal(rw_fleet_spool_ack(&before[1].spool, 2), 0);
	memcpy(before[2].previous_boot_id, before[0].boot.id, sizeof(before[0].boot.id));
	before[2].previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED;

	assert_int_equal(rw_fleet_state_save(path, before, HOSTS, NOW, WALL_MS), 0);
	/* A minute later, on a clock that began elsewhere. */
	assert_int_equal(rw_fleet_state_load(path, after, HOSTS, 5000, WALL_MS + 60000, error), 0);
	for (int i = 0; i < HOSTS; i++) {
		assert_string_equal(after[i].boot.id, before[i].boot.id);
		assert_int_equal(after[i].boot.order, before[i].boot.order);
		assert_memory_equal(after[i].spool.id, before[i].spool.id, RW_SPOOL_ID_BYTES);
		assert_int_equal(5000 - after[i].boot.began_ms,
				 NOW - before[i].boot.began_ms + 60000);
	}
	assert_int_equal(after[1].spool.last, 5);
	assert_int_equal(after[1].spool.acked, 2);
	assert_int_equal(after[1].spool.count, 3);
	assert_int_equal(rw_fleet_spool_at(&after[1].spool, 0)->sequence, 3);
	assert_string_equal(rw_fleet_spool_at(&after[1].spool, 0)->boot_id, before[1].boot.id);
	assert_string_equal(after[2].previous_boot_id, before[0].boot.id);
	assert_int_equal(after[2].previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED);
	assert_int_equal(rw_fleet_host_report(&after[1], RINGWATCH__V1__KIND__KIND_OOPS, 6000), 0);
	assert_int_equal(after[1].spool.last, 6);
	release(before);
	release(after);
}

static void no_file_is_a_fresh_fleet(void **state)
{
	(void)state;
	struct rw_fleet_host hosts[HOSTS];
	char error[RW_FLEET_ERROR_BYTES];

	make_hosts(hosts);
	assert_int_equal(
		rw_fleet_state_load("/nonexistent/state", hosts, HOSTS, NOW, WALL_MS, error), 0);
	release(hosts);
}

static void expect_refused(const char *text, const char *line)
{
	struct rw_fleet_host hosts[HOSTS];
	char error[RW_FLEET_ERROR_BYTES];
	char wanted[RW_FLEET_ERROR_BYTES];

	make_hosts(hosts);
	assert_int_equal(rw_file_replace(path, text, strlen(text), 0600), 0);
	assert_true(rw_fleet_state_load(path, hosts, HOSTS, NOW, WALL_MS, error) < 0);
	snprintf(wanted, sizeof(wanted), "%s:%s: ", path, line);
	assert_memory_equal(error, wanted, strlen(wanted));
	release(hosts);
}

#define HEAD "ringwatch-fleet-state 1\n"
#define SPOOL "000102030405060708090a0b0c0d0e0f"
#define BOOT "01234567-89ab-cdef-fedc-ba9876543210"

static void a_damaged_file_is_refused_by_its_line(void **state)
{
	(void)state;
	expect_refused("something else\n", "1");
	expect_refused("ringwatch-fleet-state 2\n", "1");
	expect_refused(HEAD "host sim-00001 " SPOOL " 0 0 " BOOT " 7 1 none none", "2"); /* cut */
	expect_refused(HEAD "host other-00001 " SPOOL " 0 0 " BOOT " 7 1 none none\n", "2");
	expect_refused(HEAD "host sim-00001 " SPOOL " 0 1 " BOOT " 7 1 none none\n", "2");
	expect_refused(HEAD "host sim-00001 " SPOOL "00 0 0 " BOOT " 7 1 none none\n", "2");
	expect_refused(HEAD "host sim-00001 " SPOOL " 0 0 " BOOT " 7 1 none never\n", "2");
	expect_refused(HEAD "host sim-00001 " SPOOL " 3 1 " BOOT " 7 1 none none\n"
			    "event sim-00001 1 oops 0 " BOOT " 7 1 1\n",
		       "3"); /* acked already */
	expect_refused(HEAD "host sim-00001 " SPOOL " 3 1 " BOOT " 7 1 none none\n"
			    "event sim-00001 4 oops 0 " BOOT " 7 1 1\n",
		       "3"); /* not given out yet */
	expect_refused(HEAD "event sim-00001 1 oops 0 " BOOT " 7 1 1\n", "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_as_the_same_hosts),
		cmocka_unit_test(no_file_is_a_fresh_fleet),
		cmocka_unit_test(a_damaged_file_is_refused_by_its_line),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}
