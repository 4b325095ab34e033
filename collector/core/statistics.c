/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/core/statistics.h"

#include <float.h>
#include <math.h>

enum {
	FRACTION_TERMS_MAX = 100000, /* they grow with the root of n: enough for 10^9 hosts */
	HALVINGS = 60,               /* below what a double tells apart */
};

/* Of rw_stat_anytime(): as if half a failure had been seen in about 50 hosts. It decides
 * only where the test is sharpest, near one failed host of a hundred. */
static const double PRIOR_FAILED = 0.5, PRIOR_HEALTHY = 50.0;

/*
 * The continued fraction of the incomplete beta function, DLMF 8.17.22, by Lentz's
 * method as Thompson and Barnett changed it. Converges fast for x < (a+1)/(a+b+2).
 */
static double beta_fraction(double a, double b, double x)
{
	const double tiny = DBL_MIN / DBL_EPSILON; /* stands for a zero that is divided by */
	double c = 1.0;
	double d = 1.0 - (a + b) * x / (a + 1.0);
	double value;

	d = 1.0 / (fabs(d) < tiny ? tiny : d);
	value = d;
	for (int m = 1; m <= FRACTION_TERMS_MAX; m++) {
		const double terms[] = {
			m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
			-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
		};
		double step = 1.0;
		for (int i = 0; i < 2; i++) {
			d = 1.0 + terms[i] * d;
			d = 1.0 / (fabs(d) < tiny ? tiny : d);
			c = 1.0 + terms[i] / c;
			c = fabs(c) < tiny ? tiny : c;
			step = c * d;
			value *= step;
		}
		if (fabs(step - 1.0) < DBL_EPSILON)
			break;
	}
	return value;
}

/* I_x(a, b), for 0 < x < 1 */
static double incomplete_beta(double a, double b, double x)
{
	double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));

	if (x < (a + 1.0) / (a + b + 2.0))
		return front * beta_fraction(a, b, x) / a;
	return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

double rw_stat_at_least(uint64_t k, uint64_t n, double p)
{
	if (k == 0)
		return 1.0;
	if (k > n || p <= 0.0)
		return 0.0;
	if (p >= 1.0)
		return 1.0;
	/* DLMF 8.17.5 */
	return incomplete_beta((double)k, (double)(n - k) + 1.0, p);
}

double rw_stat_lower(uint64_t k, uint64_t n, double confidence)
{
	if (k == 0 || k > n)
		return 0.0;

	/* It grows with the share, and the bound is below what was seen. */
	double low = 0.0, high = (double)k / (double)n;

	for (int i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2.0;
		if (rw_stat_at_least(k, n, middle) > 1.0 - confidence)
			high = middle;
		else
			low = middle;
	}
	return low;
}

double rw_stat_detectable(uint64_t n, double confidence)
{
	return n == 0 ? 1.0 : -expm1(log1p(-confidence) / (double)n);
}

double rw_stat_upper(uint64_t k, uint64_t n, double confidence)
{
	if (n == 0 || k >= n)
		return 1.0;
	if (k == 0)
		return rw_stat_detectable(n, confidence);

	double low = (double)k / (double)n, high = 1.0;

	for (int i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2.0;
		/* P(X <= k) shrinks as the share grows. */
		if (1.0 - rw_stat_at_least(k + 1, n, middle) > 1.0 - confidence)
			low = middle;
		else
			high = middle;
	}
	return high;
}

double rw_stat_more_than_control(uint64_t here, double here_hours, uint64_t control,
				 double control_hours)
{
	if (here_hours <= 0.0 || control_hours <= 0.0)
		return 1.0;
	return rw_stat_at_least(here, here + control, here_hours / (here_hours + control_hours));
}

static double log_beta(double a, double b)
{
	return lgamma(a) + lgamma(b) - lgamma(a + b);
}

double rw_stat_anytime(uint64_t k, uint64_t n, double p)
{
	if (k > n || k == 0 || p >= 1.0 || (double)k <= p * (double)n)
		return 0.0;
	if (p <= 0.0)
		return HUGE_VAL;

	double failed = (double)k, healthy = (double)(n - k);
	double mixture = log_beta(PRIOR_FAILED + failed, PRIOR_HEALTHY + healthy) -
			 log_beta(PRIOR_FAILED, PRIOR_HEALTHY);

	return exp(mixture - failed * log(p) - healthy * log1p(-p));
}

double rw_stat_poisson_at_least(uint64_t k, double mean)
{
	if (k == 0)
		return 1.0;
	if (mean <= 0.0)
		return 0.0;

	/* Far from the mean one of the two is certain; between, the sum is short. */
	double reach = 40.0 * sqrt(mean) + 200.0;

	if ((double)k > mean + reach)
		return 0.0;
	if ((double)k < mean - reach)
		return 1.0;

	double below = 0.0;
	uint64_t first = mean > reach ? (uint64_t)(mean - reach) : 0;

	for (uint64_t i = first; i < k; i++)
		below += exp((double)i * log(mean) - mean - lgamma((double)i + 1.0));
	return below >= 1.0 ? 0.0 : 1.0 - below;
}
