/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of Prometheus' query language as rollout controllers need of one collector:
 *
 *     vector(1)
 *     ringwatch_verdict{deployment="acme-2.1", ring="canary"}
 *     ALERTS{alertstate="firing"}
 *
 * A name with equality labels, or vector() of a plain number. Everything else is refused
 * with the place where it stands, so that nobody mistakes it for an answer.
 */
#ifndef RINGWATCH_API_PROMQL_H
#define RINGWATCH_API_PROMQL_H

#include <stdbool.h>
#include <stddef.h>

enum {
	RW_PROMQL_TEXT_MAX = 1024,
	RW_PROMQL_MATCHERS_MAX = 16,
	RW_PROMQL_ERROR_BYTES = 160,
};

struct rw_promql_matcher {
	const char *name, *value;
};

struct rw_promql {
	bool is_vector; /* vector(number); else a selector */
	double number;
	const char *series;
	size_t matcher_count;
	struct rw_promql_matcher matchers[RW_PROMQL_MATCHERS_MAX];
	char text[RW_PROMQL_TEXT_MAX + 1]; /* what the pointers point into */
};

/* 0, or -EINVAL with one line in `error`. */
int rw_promql_parse(const char *text, struct rw_promql *out, char error[RW_PROMQL_ERROR_BYTES]);

struct rw_label;
/* Whether all matchers hold; as in Prometheus, a label that is not there is "". */
bool rw_promql_matches(const struct rw_promql *query, const struct rw_label *labels, size_t count);

#endif
