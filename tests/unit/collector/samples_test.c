/* SPDX-License-Identifier: Apache-2.0 */
/* Which moments of a bake are put down, over a real core and a clock moved by hand. */
#include "tests/unit/core/fixture.h"

#include "collector/samples.h"

enum { ROWS_MAX = 256 };

static struct rw_sample_row rows[ROWS_MAX];
static unsigned row_count;

static void take(void *context, const struct rw_sample_row *row)
{
	(void)context;
	assert_true(row_count < ROWS_MAX);
	rows[row_count++] = *row;
}

/* As the loop does it, with each tick. */
static unsigned run(struct fixture *f, struct rw_samples *samples, uint64_t ms)
{
	unsigned before = row_count;

	for (uint64_t at = 0; at < ms; at += RW_CORE_TICK_MS) {
		fx_run(f, RW_CORE_TICK_MS);
		rw_samples_tick(samples, f->core, f->now, take, NULL);
	}
	return row_count - before;
}

static void a_row_each_ten_seconds_and_one_for_each_change(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(2), 5);
	struct rw_samples *samples = rw_samples_new();

	row_count = 0;
	assert_int_equal(run(f, samples, 1000), 1);
	assert_string_equal(rows[0].deployment, "d");
	assert_string_equal(rows[0].ring, "r0"); /* the other was not started */
	assert_int_equal(rows[0].decision, RW_HOLD);
	assert_int_equal(rows[0].exposed, 5);
	assert_int_equal(rows[0].coverage_ppm, RW_PPM);
	assert_int_equal(run(f, samples, 30000), 3);
	fx_oops(f, 0);
	assert_int_equal(run(f, samples, RW_SAMPLE_LOOK_MS), 1);
	assert_int_equal(rows[row_count - 1].decision, RW_ABORT);
	assert_int_equal(rows[row_count - 1].failed, 1);
	assert_true(rows[row_count - 1].breaker_open);
	assert_int_equal(run(f, samples, RW_SAMPLE_EVERY_MS - 2000), 0);
	rw_samples_free(samples);
	fx_free(f);
}

static void what_has_ended_is_told_no_more(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 5);
	struct rw_samples *samples = rw_samples_new();

	row_count = 0;
	fx_create(f, "e", 1);
	fx_start(f, "e", "r0", 1);
	assert_int_equal(run(f, samples, 1000), 2);
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "bad", f->now).status, 0);
	assert_int_equal(run(f, samples, 30000), 3);
	for (unsigned i = 2; i < row_count; i++)
		assert_string_equal(rows[i].deployment, "e");
	rw_samples_free(samples);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_each_ten_seconds_and_one_for_each_change),
		cmocka_unit_test(what_has_ended_is_told_no_more),
	};

	return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
