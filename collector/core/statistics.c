/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/core/statistics.h"

#include <float.h>
#include <math.h>

enum {
	FRACTION_TERMS_MAX = 100000, /* they grow with the root of n: enough for 10^9 hosts */
	HALVINGS = 60,               /* below what a double tells apart */
};

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
