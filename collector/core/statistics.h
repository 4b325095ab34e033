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

/* The smallest share of failing hosts of which n hosts show at least one with that
 * confidence. n = 0: 1, that is none at all. */
double rw_stat_detectable(uint64_t n, double confidence);

#endif
