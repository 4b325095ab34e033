/* SPDX-License-Identifier: Apache-2.0 */
/* A connection may take its time, but not all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/api/deadlines.h"

static const uint64_t LIMIT_MS = 30000;
enum { MOST = 3 };

/* Far from the real clock, so that the thread beside the test never finds one late. */
static const uint64_t begin_ms = UINT64_C(1) << 60;

static bool has_ended(int peer)
{
	char byte;

	return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_a_late_one_is_shut_down_and_others_are_not(void **state)
{
	struct rw_deadlines *deadlines;
	int old[2];
	int young[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, old), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, young), 0);
	assert_int_equal(rw_deadlines_start(LIMIT_MS, MOST, &deadlines), 0);
	struct rw_deadline *first = rw_deadlines_add(deadlines, old[0], begin_ms);
	struct rw_deadline *second = rw_deadlines_add(deadlines, young[0], begin_ms + 1000);

	assert_int_equal(rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS - 1), 0);
	assert_false(has_ended(old[1]));
	assert_int_equal(rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS), 1);
	assert_true(has_ended(old[1]));
	assert_false(has_ended(young[1]));

	rw_deadlines_remove(deadlines, first);
	assert_int_equal(rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS), 0);
	rw_deadlines_remove(deadlines, second);
	rw_deadlines_stop(deadlines);
	for (int i = 0; i < 2; i++) {
		close(old[i]);
		close(young[i]);
	}
}

static void test_each_request_has_its_whole_time(void **state)
{
	struct rw_deadlines *deadlines;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(rw_deadlines_start(LIMIT_MS, MOST, &deadlines), 0);
	struct rw_deadline *entry = rw_deadlines_add(deadlines, pair[0], begin_ms);

	rw_deadlines_renew(deadlines, entry, begin_ms + LIMIT_MS - 1);
	assert_int_equal(rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS), 0);
	assert_int_equal(rw_deadlines_sweep(deadlines, begin_ms + 2 * LIMIT_MS - 1), 1);
	/* What is left at the end is freed with it. */
	rw_deadlines_stop(deadlines);
	close(pair[0]);
	close(pair[1]);
}

static void test_the_longest_idle_makes_room(void **state)
{
	struct rw_deadlines *deadlines;
	struct rw_deadline *entries[6];
	int pairs[6][2];

	(void)state;
	assert_int_equal(rw_deadlines_start(LIMIT_MS, MOST, &deadlines), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
	for (unsigned i = 0; i < 3; i++)
		entries[i] = rw_deadlines_add(deadlines, pairs[i][0], begin_ms + i);
	/* the first has a request in hand, the second had one later than the third came */
	rw_deadlines_engage(deadlines, entries[0]);
	rw_deadlines_engage(deadlines, entries[1]);
	rw_deadlines_renew(deadlines, entries[1], begin_ms + 10);
	entries[3] = rw_deadlines_add(deadlines, pairs[3][0], begin_ms + 11);
	assert_true(has_ended(pairs[2][1]));
	/* one that is on its way out is not ended again in place of another */
	entries[4] = rw_deadlines_add(deadlines, pairs[4][0], begin_ms + 12);
	assert_true(has_ended(pairs[1][1]));
	assert_false(has_ended(pairs[0][1]));
	assert_false(has_ended(pairs[3][1]));
	/* and where one has gone, nobody must */
	rw_deadlines_remove(deadlines, entries[4]);
	entries[5] = rw_deadlines_add(deadlines, pairs[5][0], begin_ms + 13);
	assert_false(has_ended(pairs[3][1]));
	/* Each is counted once, however often it is swept. */
	struct rw_deadlines_stats stats;
	rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS + 20);
	rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS + 21);
	rw_deadlines_read(deadlines, &stats);
	assert_int_equal(stats.made_room, 2);
	assert_int_equal(stats.too_slow, 3);
	for (int i = 0; i < 6; i++) {
		if (i != 4)
			rw_deadlines_remove(deadlines, entries[i]);
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	rw_deadlines_stop(deadlines);
}

static void test_entries_leave_from_anywhere(void **state)
{
	struct rw_deadlines *deadlines;
	struct rw_deadline *entries[3];

	(void)state;
	assert_int_equal(rw_deadlines_start(LIMIT_MS, MOST, &deadlines), 0);
	for (int i = 0; i < 3; i++)
		entries[i] = rw_deadlines_add(deadlines, -1, begin_ms);
	rw_deadlines_remove(deadlines, entries[1]);
	assert_int_equal(rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS), 2);
	rw_deadlines_remove(deadlines, entries[2]);
	rw_deadlines_remove(deadlines, entries[0]);
	assert_int_equal(rw_deadlines_sweep(deadlines, begin_ms + LIMIT_MS), 0);
	rw_deadlines_remove(deadlines, NULL);
	rw_deadlines_renew(deadlines, NULL, begin_ms);
	rw_deadlines_stop(deadlines);
	rw_deadlines_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_late_one_is_shut_down_and_others_are_not),
		cmocka_unit_test(test_each_request_has_its_whole_time),
		cmocka_unit_test(test_the_longest_idle_makes_room),
		cmocka_unit_test(test_entries_leave_from_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
