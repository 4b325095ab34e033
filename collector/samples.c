/* SPDX-License-Identifier: Apache-2.0 */
/* See samples.h. */
#include "collector/samples.h"

#include <stdlib.h>
#include <string.h>

/* The last row of a run, and when. */
struct last {
	struct rw_sample_row row;
	uint64_t at_boot_ms;
	bool seen; /* in this look */
};

struct rw_samples {
	struct last *lasts;
	size_t count, room;
	uint64_t looked_boot_ms;
	bool looked;
	struct rw_samples_watcher watcher; /* zeros: nobody */
	struct rw_verdict verdict;         /* large */
};

struct rw_samples *rw_samples_new(void)
{
	return calloc(1, sizeof(struct rw_samples));
}

void rw_samples_free(struct rw_samples *samples)
{
	if (samples == NULL)
		return;
	free(samples->lasts);
	free(samples);
}

/* NULL: no memory. A new one has step 0, which no sample has. */
static struct last *find(struct rw_samples *samples, const struct rw_verdict *verdict)
{
	for (size_t i = 0; i < samples->count; i++) {
		if (strcmp(samples->lasts[i].row.deployment, verdict->deployment) == 0 &&
		    strcmp(samples->lasts[i].row.ring, verdict->ring) == 0)
			return &samples->lasts[i];
	}
	if (samples->count == samples->room) {
		size_t room = samples->room == 0 ? 16 : 2 * samples->room;
		struct last *grown = realloc(samples->lasts, room * sizeof(*grown));

		if (grown == NULL)
			return NULL;
		samples->lasts = grown;
		samples->room = room;
	}
	struct last *last = &samples->lasts[samples->count++];
	*last = (struct last){0};
	return last;
}

static struct rw_sample_row sample_of(const struct rw_verdict *v)
{
	struct rw_sample_row row = {
		.at_wall_ms = v->evaluated_wall_ms,
		.step = v->step,
		.decision = v->decision,
		.breaker_open = v->breaker_open,
		.exposed = v->exposed,
		.at_risk = v->at_risk,
		.failed = v->failed,
		.unheard = v->unheard,
		.coverage_ppm =
			v->exposed == 0 ? RW_PPM : (uint32_t)(v->covered * RW_PPM / v->exposed),
		.observed_ms = v->observed_ms,
	};

	memcpy(row.deployment, v->deployment, sizeof(row.deployment));
	memcpy(row.ring, v->ring, sizeof(row.ring));
	return row;
}

static void look_at(struct rw_samples *samples, struct rw_now now, rw_sample_fn *take,
		    void *context)
{
	struct last *last = find(samples, &samples->verdict);

	if (samples->watcher.verdict != NULL)
		samples->watcher.verdict(samples->watcher.context, &samples->verdict);
	if (last == NULL)
		return;
	last->seen = true;
	struct rw_sample_row row = sample_of(&samples->verdict);
	if (row.step == last->row.step && row.decision == last->row.decision &&
	    row.breaker_open == last->row.breaker_open && row.failed == last->row.failed &&
	    now.boot_ms < last->at_boot_ms + RW_SAMPLE_EVERY_MS)
		return;
	last->row = row;
	last->at_boot_ms = now.boot_ms;
	take(context, &row);
}

/* Of deployments that have ended. */
static void forget_unseen(struct rw_samples *samples)
{
	size_t kept = 0;

	for (size_t i = 0; i < samples->count; i++) {
		if (!samples->lasts[i].seen)
			continue;
		samples->lasts[i].seen = false;
		samples->lasts[kept++] = samples->lasts[i];
	}
	samples->count = kept;
}

void rw_samples_watch(struct rw_samples *samples, const struct rw_samples_watcher *watcher)
{
	samples->watcher = *watcher;
}

void rw_samples_tick(struct rw_samples *samples, const struct rw_core *core, struct rw_now now,
		     rw_sample_fn *take, void *context)
{
	struct rw_deployment_row row;

	if (samples->looked && now.boot_ms < samples->looked_boot_ms + RW_SAMPLE_LOOK_MS)
		return;
	samples->looked = true;
	samples->looked_boot_ms = now.boot_ms;
	if (samples->watcher.begin != NULL)
		samples->watcher.begin(samples->watcher.context);
	for (uint32_t i = 0; rw_core_deployment_at(core, i, &row); i++) {
		for (uint32_t j = 0; row.state == RW_DEPLOYMENT_ACTIVE && j < row.ring_count; j++) {
			rw_core_verdict(core, row.id, row.rings[j], RW_FOR_ADVANCE, now,
					&samples->verdict);
			if (samples->verdict.step > 0)
				look_at(samples, now, take, context);
		}
	}
	forget_unseen(samples);
	if (samples->watcher.end != NULL)
		samples->watcher.end(samples->watcher.context, now);
}
