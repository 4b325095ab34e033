/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What k failed of n hosts can and cannot prove. Exact: no normal or Poisson
 * approximation, which are wrong just where canary rings live, at few failures of
 * few hosts.
 *
 * All assume that hosts fail independently of each other and alike. A shared cause
 * outside of the change (a rack, a power feed) breaks that; what control shows of it
 * is for the caller to weigh.
 *
 * Shares and probabilities are 0 … 1. Pure; libm only.
 */
#ifndef RINGWATCH_CORE_STATISTICS_H
#define RINGWATCH_CORE_STATISTICS_H

#include <stdint.h>

/* P(X >= k) of X, binomial over n with probability p. k = 0: 1; k > n: 0. */
double rw_stat_at_least(uint64_t k, uint64_t n, double p);

/*
 * The exact one-sided lower bound of a share, of which k of n were seen: the largest
 * share at which k or more would be seen with a probability of 1 - confidence at most.
 * Clopper and Pearson, Biometrika 26 (1934) 404. k = 0 or n = 0: 0.
 *
 * It is above a limit exactly when rw_stat_at_least(k, n, limit) < 1 - confidence.
 */
double rw_stat_lower(uint64_t k, uint64_t n, double confidence);

/*
 * The exact one-sided upper bound, likewise: the smallest share at which k or fewer would
 * be seen with a probability of 1 - confidence at most. n = 0 or k = n: 1. With k = 0 it
 * is 1 - (1 - confidence)^(1/n).
 */
double rw_stat_upper(uint64_t k, uint64_t n, double confidence);

/*
 * The conditional test of two rates (Przyborowski and Wilenski, Biometrika 31 (1940) 313):
 * were both rates the same, each of the failures would be one of `here` with the
 * probability here_hours / (here_hours + control_hours). Returns P(so many or more here).
 * 1 without hours on either side: nothing is proved then.
 */
double rw_stat_more_than_control(uint64_t here, double here_hours, uint64_t control,
				 double control_hours);

/*
 * How many times likelier k of n is when the share is drawn from Beta(1/2, 50) than when
 * it is p: Robbins' mixture, Ann. Math. Stat. 41 (1970) 1397. If the true share is p or
 * less, it ever reaches 20 with a probability of 5 % at most, however often n grows and
 * however often one looks; so 20 proves, at any moment, what a test at a moment fixed
 * beforehand proves with 95 %.
 *
 * Assumes that hosts join in an order that does not look ahead at how they fare, and that
 * they fail independently with one share. A host that has joined and not failed yet
 * stands as healthy, which can only make it smaller. 0 when k/n is not above p.
 */
double rw_stat_anytime(uint64_t k, uint64_t n, double p);

/* P(X >= k) of X, Poisson with that mean: natural failures over many host-hours. */
double rw_stat_poisson_at_least(uint64_t k, double mean);

/* The smallest share of failing hosts of which n hosts show at least one with that
 * confidence. n = 0: 1, that is none at all. */
double rw_stat_detectable(uint64_t n, double confidence);

#endif
