/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verdict says over a bake, put down for its timeline: of each started ring of an
 * active deployment a row when the verdict, the breaker, the step or the number of failed
 * hosts has changed, and every RW_SAMPLE_EVERY_MS in any case. Looked at once a second, so
 * a flapping ring costs one row a second at most.
 */
#ifndef RINGWATCH_COLLECTOR_SAMPLES_H
#define RINGWATCH_COLLECTOR_SAMPLES_H

#include "collector/core/core.h"
#include "collector/store/store.h"

enum { RW_SAMPLE_LOOK_MS = 1000, RW_SAMPLE_EVERY_MS = 10 * 1000 };

struct rw_samples;

struct rw_samples *rw_samples_new(void); /* NULL: no memory */
void rw_samples_free(struct rw_samples *samples);

/* On the loop, with each tick. A row that there is no memory for is left out. */
typedef void rw_sample_fn(void *context, const struct rw_sample_row *row);
/*
 * Before the first tick: who is told each verdict as it is looked at, between the begin and
 * the end of a look at all of them.
 */
struct rw_samples_watcher {
	void *context;
	void (*begin)(void *context);
	void (*verdict)(void *context, const struct rw_verdict *verdict);
	void (*end)(void *context, struct rw_now now);
};
void rw_samples_watch(struct rw_samples *samples, const struct rw_samples_watcher *watcher);
void rw_samples_tick(struct rw_samples *samples, const struct rw_core *core, struct rw_now now,
		     rw_sample_fn *take, void *context);

#endif
