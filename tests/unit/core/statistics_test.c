/* SPDX-License-Identifier: Apache-2.0 */
/* Figures against published ones, and against sums that are slow and obviously right. */
#include "collector/core/statistics.h"

#include <math.h>

#include "tests/unit/core/fixture.h"

static void is_near(double got, double expected, double relative)
{
	if (fabs(got - expected) > relative * fabs(expected))
		fail_msg("got %.12g, expected %.12g", got, expected);
}

/* Term by term, each from the one before it. */
static double summed(uint64_t k, uint64_t n, double p)
{
	double term = pow(1.0 - p, (double)n), below = 0.0;

	for (uint64_t i = 0; i < k; i++) {
		below += term;
		term *= (double)(n - i) / (double)(i + 1) * p / (1.0 - p);
	}
	return 1.0 - below;
}

static void the_tail_is_the_sum_of_its_terms(void **state)
{
	static const uint64_t sizes[] = {1, 2, 7, 50, 500};
	static const double shares[] = {0.001, 0.01, 0.3, 0.5, 0.9};

	(void)state;
	for (size_t s = 0; s < 5; s++) {
		for (size_t p = 0; p < 5; p++) {
			for (uint64_t k = 1; k <= sizes[s] && k < 20; k++) {
				double expected = summed(k, sizes[s], shares[p]);
				if (expected > 1e-6) /* below, the sum has lost its digits */
					is_near(rw_stat_at_least(k, sizes[s], shares[p]), expected,
						1e-8);
			}
		}
	}
}

static void the_tail_at_its_ends(void **state)
{
	(void)state;
	is_near(rw_stat_at_least(0, 10, 0.1), 1.0, 0.0);
	is_near(rw_stat_at_least(0, 0, 0.1), 1.0, 0.0);
	is_near(rw_stat_at_least(11, 10, 0.1), 0.0, 0.0);
	is_near(rw_stat_at_least(1, 10, 0.0), 0.0, 0.0);
	is_near(rw_stat_at_least(10, 10, 1.0), 1.0, 0.0);
	is_near(rw_stat_at_least(10, 10, 0.5), 1.0 / 1024, 1e-12);
	is_near(rw_stat_at_least(1, 1000000, 1e-6), 1.0 - pow(1.0 - 1e-6, 1e6), 1e-9);
}

/* The smallest k of n at which 0.1 % is excluded from below with 95 %. */
static void the_first_k_that_proves_more_than_a_thousandth(void **state)
{
	static const struct {
		uint64_t k, n;
	} rows[] = {{2, 100}, {3, 500}, {4, 1000}, {10, 5000}, {16, 10000}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(rw_stat_lower(rows[i].k, rows[i].n, 0.95) > 0.001);
		assert_true(rw_stat_lower(rows[i].k - 1, rows[i].n, 0.95) <= 0.001);
	}
}

static void bounds_have_their_closed_forms(void **state)
{
	(void)state;
	is_near(rw_stat_lower(0, 1000, 0.95), 0.0, 0.0);
	is_near(rw_stat_lower(0, 0, 0.95), 0.0, 0.0);
	/* one of n: 1 - 0.95^(1/n); all of n: 0.05^(1/n) */
	is_near(rw_stat_lower(1, 50, 0.95), 1.0 - pow(0.95, 1.0 / 50), 1e-9);
	is_near(rw_stat_lower(20, 20, 0.95), pow(0.05, 1.0 / 20), 1e-9);
	/* 10 of 100, two-sided 90 %: Clopper and Pearson's interval begins at 5.526 % */
	is_near(rw_stat_lower(10, 100, 0.95), 0.05526, 1e-3);
}

static void a_bound_is_where_the_tail_is_five_percent(void **state)
{
	static const uint64_t sizes[] = {3, 100, 12345, 1000000};

	(void)state;
	for (size_t s = 0; s < 4; s++) {
		for (uint64_t k = 1; k <= sizes[s]; k = k * 7 + 1) {
			double bound = rw_stat_lower(k, sizes[s], 0.95);
			assert_true(bound > 0.0 && bound < (double)k / (double)sizes[s]);
			is_near(rw_stat_at_least(k, sizes[s], bound), 0.05, 1e-5);
		}
	}
}

static void what_a_ring_can_find(void **state)
{
	(void)state;
	is_near(rw_stat_detectable(0, 0.95), 1.0, 0.0);
	is_near(rw_stat_detectable(1, 0.95), 0.95, 1e-12);
	/* the rule of three: about 3/n */
	is_near(rw_stat_detectable(1000, 0.95), 0.0029912, 1e-4);
	is_near(rw_stat_at_least(1, 1000, rw_stat_detectable(1000, 0.95)), 0.95, 1e-9);
}

static void the_upper_bound_is_the_lower_bounds_mirror(void **state)
{
	(void)state;
	is_near(rw_stat_upper(0, 1000, 0.95), 0.0029912, 1e-4);
	is_near(rw_stat_upper(0, 0, 0.95), 1.0, 0.0);
	is_near(rw_stat_upper(5, 5, 0.95), 1.0, 0.0);
	/* 10 of 100: Clopper and Pearson's two-sided 90 % interval ends at 16.372 % */
	is_near(rw_stat_upper(10, 100, 0.95), 0.16372, 1e-3);
	for (uint64_t k = 1; k < 200; k = k * 3 + 1)
		is_near(rw_stat_upper(k, 200, 0.95), 1.0 - rw_stat_lower(200 - k, 200, 0.95), 1e-9);
}

static void how_many_hosts_it_takes_to_certify_a_thousandth(void **state)
{
	static const uint64_t hosts[] = {2995, 4742, 6294};

	(void)state;
	for (uint64_t failed = 0; failed < 3; failed++) {
		assert_true(rw_stat_upper(failed, hosts[failed], 0.95) <= 0.001);
		assert_true(rw_stat_upper(failed, hosts[failed] - 1, 0.95) > 0.001);
	}
}

static void as_many_failures_an_hour_as_control_prove_nothing(void **state)
{
	(void)state;
	/* 2 here and none there, a tenth of the hours here: 0.1 squared */
	is_near(rw_stat_more_than_control(2, 100.0, 0, 900.0), 0.01, 1e-12);
	/* 3 of 5 with a fifth of the hours: 10×.008×.64 + 5×.0016×.8 + .00032 */
	is_near(rw_stat_more_than_control(3, 20.0, 2, 80.0), 0.05792, 1e-12);
	is_near(rw_stat_more_than_control(0, 20.0, 2, 80.0), 1.0, 0.0);
	is_near(rw_stat_more_than_control(5, 20.0, 0, 0.0), 1.0, 0.0);
	is_near(rw_stat_more_than_control(5, 0.0, 1, 10.0), 1.0, 0.0);
}

/* Each k of n at each moment, by its probability: does the mixture ever reach 20? */
static double ever_reached(uint64_t hosts, double p)
{
	double at[64] = {1.0}, reached = 0.0; /* by failures so far, of those not reached */

	for (uint64_t n = 1; n <= hosts; n++) {
		for (int k = 63; k >= 0; k--) {
			at[k] = at[k] * (1.0 - p) + (k > 0 ? at[k - 1] * p : 0.0);
			if (rw_stat_anytime((uint64_t)k, n, p) < 20.0)
				continue;
			reached += at[k];
			at[k] = 0.0;
		}
	}
	return reached;
}

static void looking_after_each_host_errs_in_one_of_twenty_at_most(void **state)
{
	static const double shares[] = {0.0005, 0.001, 0.01};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		double reached = ever_reached(5000, shares[i]);

		assert_true(reached <= 0.05);
		assert_true(reached > 0.001); /* and is no idle promise */
	}
	/* a fixed n would let 4 of 1,000 do; any n takes 6 */
	assert_true(rw_stat_anytime(5, 1000, 0.001) < 20.0);
	assert_true(rw_stat_anytime(6, 1000, 0.001) >= 20.0);
}

static void the_mixture_is_the_integral_that_it_stands_for(void **state)
{
	const uint64_t k = 3, n = 40;
	const double p = 0.01;
	double sum = 0.0, norm = 0.0;

	(void)state;
	/* substitute x = u^2, so that the prior is finite at 0 */
	for (int i = 0; i < 200000; i++) {
		double u = ((double)i + 0.5) / 200000, x = u * u;
		double prior = 2.0 * pow(1.0 - x, 49.0); /* x^-1/2 dx = 2 du */
		norm += prior;
		sum += prior * pow(x, (double)k) * pow(1.0 - x, (double)(n - k));
	}
	is_near(rw_stat_anytime(k, n, p), sum / norm / pow(p, (double)k) / pow(1.0 - p, 37.0),
		1e-6);
	is_near(rw_stat_anytime(0, 40, p), 0.0, 0.0);
	is_near(rw_stat_anytime(1, 100, p), 0.0, 0.0); /* just p, and no more */
	assert_true(isinf(rw_stat_anytime(1, 100, 0.0)));
}

static void natural_failures_trip_a_literal_limit(void **state)
{
	(void)state;
	/* one natural reboot a host-year of 8,766 h, 500 hosts, 48 h */
	is_near(rw_stat_poisson_at_least(1, 500.0 * 48.0 / 8766.0), 0.935, 1e-3);
	is_near(rw_stat_poisson_at_least(0, 0.0), 1.0, 0.0);
	is_near(rw_stat_poisson_at_least(1, 0.0), 0.0, 0.0);
	is_near(rw_stat_poisson_at_least(3, 2.0), 1.0 - exp(-2.0) * (1.0 + 2.0 + 2.0), 1e-12);
	is_near(rw_stat_poisson_at_least(1000000, 10.0), 0.0, 0.0);
	is_near(rw_stat_poisson_at_least(10, 1e7), 1.0, 0.0);
	assert_true(fabs(rw_stat_poisson_at_least(10000, 10000.0) - 0.5) < 0.01);
}

static void a_share_of_nobody_or_of_too_many_has_no_lower_bound(void **state)
{
	(void)state;
	is_near(rw_stat_lower(0, 0, 0.95), 0.0, 0.0);
	is_near(rw_stat_lower(0, 10, 0.95), 0.0, 0.0);
	is_near(rw_stat_lower(11, 10, 0.95), 0.0, 0.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tail_is_the_sum_of_its_terms),
		cmocka_unit_test(the_tail_at_its_ends),
		cmocka_unit_test(the_first_k_that_proves_more_than_a_thousandth),
		cmocka_unit_test(bounds_have_their_closed_forms),
		cmocka_unit_test(a_bound_is_where_the_tail_is_five_percent),
		cmocka_unit_test(what_a_ring_can_find),
		cmocka_unit_test(the_upper_bound_is_the_lower_bounds_mirror),
		cmocka_unit_test(how_many_hosts_it_takes_to_certify_a_thousandth),
		cmocka_unit_test(as_many_failures_an_hour_as_control_prove_nothing),
		cmocka_unit_test(looking_after_each_host_errs_in_one_of_twenty_at_most),
		cmocka_unit_test(the_mixture_is_the_integral_that_it_stands_for),
		cmocka_unit_test(natural_failures_trip_a_literal_limit),
		cmocka_unit_test(a_share_of_nobody_or_of_too_many_has_no_lower_bound),
	};

	return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
