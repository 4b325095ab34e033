/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be told, as rows: in order, overtaken, crowded out, tried, and tried again. */
#include "tests/unit/collector/store_fixture.h"

/* A verdict of d1 in ring0, unless it is a breaker. */
static uint64_t tell_of(struct fixture *f, const char *delivery, const char *target,
			const char *kind)
{
	const struct rw_delivery_row row = {
		.delivery = delivery,
		.target = target,
		.kind = kind,
		.deployment = "d1",
		.ring = "ring0",
		.body = "{}",
		.skip = "",
		.created_wall_ms = 1000,
		.pending_max = 3,
	};
	uint64_t sequence = rw_store_push_delivery(f->store, &row);

	assert_true(sequence > 0);
	return sequence;
}

static uint64_t end_of(struct fixture *f, const char *delivery, enum rw_delivery_state state,
		       const char *error)
{
	const struct rw_delivery_result result = {
		.delivery = delivery,
		.state = state,
		.now_wall_ms = 2000,
		.next_wall_ms = state == RW_DELIVERY_PENDING ? 5000 : 0,
		.error = error,
	};
	uint64_t sequence = rw_store_push_delivery_result(f->store, &result);

	assert_true(sequence > 0);
	return sequence;
}

static void wait_for(struct fixture *f, uint64_t sequence)
{
	WAIT_FOR(f, f->committed >= sequence);
}

/* "a pending, b dead" of the rows that the reader hands out. */
struct listed {
	char text[512];
	size_t used;
};

static int add_row(void *context, const struct rw_delivery_read *row)
{
	struct listed *l = context;

	l->used += (size_t)snprintf(l->text + l->used, sizeof(l->text) - l->used, "%s%s %s",
				    l->used == 0 ? "" : ", ", row->delivery,
				    rw_delivery_state_name(row->state));
	return 0;
}

static int add_count(void *context, const struct rw_delivery_read *row)
{
	struct listed *l = context;

	l->used += (size_t)snprintf(l->text + l->used, sizeof(l->text) - l->used, "%s%s %llu %s",
				    l->used == 0 ? "" : ", ", row->target,
				    (unsigned long long)row->attempts,
				    rw_delivery_state_name(row->state));
	return 0;
}

static struct rw_store_reader *open_reader(struct fixture *f)
{
	struct rw_store_reader *reader;

	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	return reader;
}

static void expect_rows(struct fixture *f, const struct rw_delivery_query *query,
			const char *expected)
{
	struct rw_store_reader *reader = open_reader(f);
	struct listed l = {0};

	assert_int_equal(rw_store_reader_deliveries(reader, query, add_row, &l), 0);
	assert_string_equal(l.text, expected);
	rw_store_reader_close(reader);
}

#define ALL (&(struct rw_delivery_query){.limit = 100})

static void expect_due(struct fixture *f, uint64_t now_ms, const char *expected)
{
	struct rw_store_reader *reader = open_reader(f);
	struct listed l = {0};

	assert_int_equal(rw_store_reader_deliveries_due(reader, "t", now_ms, now_ms + 10000, 10,
							add_row, &l),
			 0);
	assert_string_equal(l.text, expected);
	rw_store_reader_close(reader);
}

static void a_later_verdict_overtakes_and_a_breaker_does_not(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	tell_of(f, "a", "t", "hold");
	tell_of(f, "b", "t", RW_DELIVERY_BREAKER);
	tell_of(f, "c", "other", "hold");
	wait_for(f, tell_of(f, "d", "t", "abort"));
	expect_rows(f, ALL, "d pending, c pending, b pending, a skipped");
	expect_rows(f, &(struct rw_delivery_query){.target = "other", .limit = 9}, "c pending");
	expect_rows(f, &(struct rw_delivery_query){.state = RW_DELIVERY_SKIPPED, .limit = 9},
		    "a skipped");
	expect_rows(f, &(struct rw_delivery_query){.cursor = 3, .limit = 1}, "b pending");
	/* It was on its way when it was overtaken: it did arrive, or it is not tried again. */
	end_of(f, "a", RW_DELIVERY_PENDING, "HTTP 500");
	wait_for(f, end_of(f, "d", RW_DELIVERY_DELIVERED, ""));
	expect_rows(f, ALL, "d delivered, c pending, b pending, a skipped");
	wait_for(f, end_of(f, "a", RW_DELIVERY_DELIVERED, ""));
	expect_rows(f, ALL, "d delivered, c pending, b pending, a delivered");
}

static void what_failed_is_due_again_later(void **state)
{
	struct fixture *f = *state;
	struct rw_store_reader *reader;
	uint64_t next;

	assert_int_equal(open_store(f), 0);
	tell_of(f, "a", "t", "hold");
	wait_for(f, tell_of(f, "b", "t", RW_DELIVERY_BREAKER));
	expect_due(f, 999, "");
	expect_due(f, 1000, "a pending, b pending");
	wait_for(f, end_of(f, "a", RW_DELIVERY_PENDING, "HTTP 500"));
	expect_due(f, 4999, "b pending");
	expect_due(f, 5000, "b pending, a pending");
	/* A clock that was set back by years keeps nothing waiting for as long. */
	wait_for(f, rw_store_push_delivery_result(
			    f->store, &(struct rw_delivery_result){.delivery = "a",
								   .state = RW_DELIVERY_PENDING,
								   .next_wall_ms = 90000000,
								   .error = "x"}));
	expect_due(f, 5000, "b pending, a pending");
	reader = open_reader(f);
	assert_int_equal(rw_store_reader_deliveries_next(reader, 5000, &next), 0);
	assert_int_equal(next, 90000000);
	assert_int_equal(rw_store_reader_deliveries_next(reader, 90000000, &next), 0);
	assert_int_equal(next, 0);
	rw_store_reader_close(reader);
	assert_int_equal(number_of(f, "SELECT attempts FROM deliveries WHERE delivery='a'"), 2);
}

static void when_too_many_wait_the_oldest_verdicts_die_first(void **state)
{
	struct fixture *f = *state;
	struct rw_store_reader *reader;
	struct listed l = {0};
	struct rw_delivery_row row = {.delivery = "b",
				      .target = "t",
				      .kind = "hold",
				      .deployment = "d2",
				      .ring = "ring0",
				      .body = "{}",
				      .skip = "",
				      .created_wall_ms = 1000,
				      .pending_max = 3};

	assert_int_equal(open_store(f), 0);
	tell_of(f, "a", "t", RW_DELIVERY_BREAKER);
	assert_true(rw_store_push_delivery(f->store, &row) > 0);
	tell_of(f, "c", "t", "hold");
	wait_for(f, tell_of(f, "d", "t", RW_DELIVERY_BREAKER));
	expect_rows(f, ALL, "d pending, c pending, b dead, a pending");
	tell_of(f, "e", "t", RW_DELIVERY_BREAKER);
	wait_for(f, tell_of(f, "f", "t", RW_DELIVERY_BREAKER));
	expect_rows(f, ALL, "f pending, e pending, d pending, c dead, b dead, a dead");
	/* One that is not to be sent takes nobody's room, but the place of the one before. */
	row = (struct rw_delivery_row){.delivery = "g",
				       .target = "t",
				       .kind = "hold",
				       .deployment = "d1",
				       .ring = "ring0",
				       .body = "",
				       .skip = "nothing to do",
				       .created_wall_ms = 1000,
				       .pending_max = 3};
	wait_for(f, rw_store_push_delivery(f->store, &row));
	expect_rows(f, ALL, "g skipped, f pending, e pending, d pending, c dead, b dead, a dead");
	reader = open_reader(f);
	assert_int_equal(rw_store_reader_deliveries_counts(reader, add_count, &l), 0);
	assert_string_equal(l.text, "t 3 pending, t 3 dead");
	rw_store_reader_close(reader);
}

static bool is_overtaken(struct fixture *f, const char *delivery, int expected)
{
	struct rw_store_reader *reader = open_reader(f);
	bool overtaken = false;

	assert_int_equal(rw_store_reader_delivery_overtaken(reader, delivery, &overtaken),
			 expected);
	rw_store_reader_close(reader);
	return overtaken;
}

static void only_the_dead_are_tried_again_and_only_the_newest(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	tell_of(f, "a", "t", "hold");
	tell_of(f, "b", "t", RW_DELIVERY_BREAKER);
	end_of(f, "a", RW_DELIVERY_DEAD, "HTTP 410");
	wait_for(f, end_of(f, "b", RW_DELIVERY_DEAD, "HTTP 410"));
	assert_false(is_overtaken(f, "a", 0));
	wait_for(f, rw_store_push_delivery_retry(f->store, "a", 7000));
	expect_due(f, 7000, "a pending");
	assert_int_equal(number_of(f, "SELECT attempts*10000 + ended_wall_ms FROM deliveries"
				      " WHERE delivery='a'"),
			 7000);
	end_of(f, "a", RW_DELIVERY_DEAD, "HTTP 410");
	tell_of(f, "c", "t", "abort");
	rw_store_push_delivery_retry(f->store, "a", 8000);
	rw_store_push_delivery_retry(f->store, "c", 8000); /* it is not dead */
	wait_for(f, rw_store_push_delivery_retry(f->store, "b", 8000));
	assert_true(is_overtaken(f, "a", 0));
	assert_false(is_overtaken(f, "b", 0));
	assert_false(is_overtaken(f, "nobody", -ENOENT));
	expect_rows(f, ALL, "c pending, b pending, a dead");
}

static void what_was_told_last_outlives_the_sweep_while_its_deployment_lasts(void **state)
{
	struct fixture *f = *state;
	struct rw_store_reader *reader;
	struct listed l = {0};
	struct rw_change ended = deployment_change();
	const uint64_t later_ms = (RW_DELIVERIES_KEPT_DAYS + 1) * 86400000ull;

	assert_int_equal(open_store(f), 0);
	push(f, deployment_change());
	tell_of(f, "a", "t", "hold");
	end_of(f, "a", RW_DELIVERY_DELIVERED, "");
	tell_of(f, "b", "t", RW_DELIVERY_BREAKER);
	end_of(f, "b", RW_DELIVERY_DEAD, "x");
	tell_of(f, "c", "t", "abort");
	end_of(f, "c", RW_DELIVERY_DELIVERED, "");
	wait_for(f, tell_of(f, "d", "t", RW_DELIVERY_BREAKER));
	sweep(f, 100000, 0);
	expect_rows(f, ALL, "d pending, c delivered, b dead, a delivered");
	sweep(f, later_ms, 0); /* nothing else is kept for ever, nor are they */
	expect_rows(f, ALL, "d pending, c delivered");
	reader = open_reader(f);
	assert_int_equal(rw_store_reader_deliveries_told(reader, add_row, &l), 0);
	assert_string_equal(l.text, "c delivered");
	rw_store_reader_close(reader);

	ended.deployment.state = RW_DEPLOYMENT_FINISHED;
	ended.deployment.ended_wall_ms = 3000;
	wait_for(f, push(f, ended));
	sweep(f, later_ms, 0);
	expect_rows(f, ALL, "d pending");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_later_verdict_overtakes_and_a_breaker_does_not),
		TEST(what_failed_is_due_again_later),
		TEST(when_too_many_wait_the_oldest_verdicts_die_first),
		TEST(only_the_dead_are_tried_again_and_only_the_newest),
		TEST(what_was_told_last_outlives_the_sweep_while_its_deployment_lasts),
	};

	return cmocka_run_group_tests_name("store_deliveries", tests, NULL, NULL);
}
