/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows `ringwatch watch` shows: each ring in rollout order, with what goes through it. */
#include <string.h>

#include "ctl/watch.h"

static bool is_wanted(const char *only, const char *name)
{
	return only == NULL || strcmp(only, name) == 0;
}

/* Also one that has ended, when it was asked for by its name. */
static bool shows_deployment(const struct rw_watch *watch, const json_t *deployment)
{
	if (watch->only_deployment != NULL)
		return is_wanted(watch->only_deployment, rw_view_text(deployment, "deployment"));
	return strcmp(rw_view_text(deployment, "state"), "active") == 0;
}

static const json_t *find_ring(const struct rw_watch *watch, const char *name)
{
	const json_t *rings = json_object_get(watch->answers.rings, "rings");

	for (size_t i = 0; i < json_array_size(rings); i++)
		if (strcmp(rw_view_text(json_array_get(rings, i), "ring"), name) == 0)
			return json_array_get(rings, i);
	return NULL;
}

const json_t *rw_watch_find_verdict(const struct rw_watch *watch, const char *deployment,
				    const char *ring)
{
	for (size_t i = 0; i < json_array_size(watch->answers.verdicts); i++) {
		const json_t *verdict = json_array_get(watch->answers.verdicts, i);
		if (strcmp(rw_view_text(verdict, "deployment"), deployment) == 0 &&
		    strcmp(rw_view_text(verdict, "ring"), ring) == 0)
			return verdict;
	}
	return NULL;
}

static void add_row(struct rw_watch *watch, const json_t *ring, const json_t *deployment,
		    const json_t *run)
{
	if (watch->row_count == RW_WATCH_ROWS_MAX) {
		watch->left_out++;
		return;
	}
	watch->rows[watch->row_count++] = (struct rw_watch_row){
		.ring = ring,
		.deployment = deployment,
		.run = run,
		.verdict = run == NULL ? NULL
				       : rw_watch_find_verdict(
						 watch, rw_view_text(deployment, "deployment"),
						 rw_view_text(run, "ring")),
	};
}

/* The runs on the ring of that name, or with NULL those on rings that the policy has not. */
static size_t add_runs(struct rw_watch *watch, const json_t *ring)
{
	const json_t *deployments = json_object_get(watch->answers.deployments, "deployments");
	size_t found = 0;

	for (size_t i = 0; i < json_array_size(deployments); i++) {
		const json_t *deployment = json_array_get(deployments, i);
		const json_t *runs = json_object_get(deployment, "rings");
		if (!shows_deployment(watch, deployment))
			continue;
		for (size_t k = 0; k < json_array_size(runs); k++) {
			const json_t *run = json_array_get(runs, k);
			const char *name = rw_view_text(run, "ring");
			if (find_ring(watch, name) != ring || !is_wanted(watch->only_ring, name))
				continue;
			add_row(watch, ring, deployment, run);
			found++;
		}
	}
	return found;
}

const char *rw_watch_ring(const struct rw_watch_row *row)
{
	return rw_view_text(row->ring != NULL ? row->ring : row->run, "ring");
}

const char *rw_watch_deployment(const struct rw_watch_row *row)
{
	return rw_view_text(row->deployment, "deployment");
}

static void remember_choice(struct rw_watch *watch)
{
	const struct rw_watch_row *row = &watch->rows[watch->chosen];

	if (watch->row_count == 0)
		return;
	snprintf(watch->chosen_ring, sizeof(watch->chosen_ring), "%s", rw_watch_ring(row));
	snprintf(watch->chosen_deployment, sizeof(watch->chosen_deployment), "%s",
		 rw_watch_deployment(row));
}

/* The same ring and deployment; else the same ring, for what comes and goes there. */
static void find_choice(struct rw_watch *watch)
{
	size_t same_ring = watch->row_count;

	for (size_t i = 0; i < watch->row_count; i++) {
		const struct rw_watch_row *row = &watch->rows[i];
		if (strcmp(rw_watch_ring(row), watch->chosen_ring) != 0)
			continue;
		if (strcmp(rw_watch_deployment(row), watch->chosen_deployment) == 0) {
			watch->chosen = i;
			return;
		}
		if (same_ring == watch->row_count)
			same_ring = i;
	}
	watch->chosen = same_ring < watch->row_count ? same_ring : 0;
}

void rw_watch_arrange(struct rw_watch *watch)
{
	const json_t *rings = json_object_get(watch->answers.rings, "rings");

	watch->row_count = watch->left_out = 0;
	for (size_t i = 0; i < json_array_size(rings); i++) {
		const json_t *ring = json_array_get(rings, i);
		if (add_runs(watch, ring) == 0 && watch->only_deployment == NULL &&
		    is_wanted(watch->only_ring, rw_view_text(ring, "ring")))
			add_row(watch, ring, NULL, NULL);
	}
	add_runs(watch, NULL);
	find_choice(watch);
	remember_choice(watch);
}

void rw_watch_choose(struct rw_watch *watch, int by)
{
	if (by < 0 && watch->chosen > 0)
		watch->chosen--;
	if (by > 0 && watch->chosen + 1 < watch->row_count)
		watch->chosen++;
	remember_choice(watch);
}

void rw_watch_forget(struct rw_watch_answers *answers)
{
	json_decref(answers->ready);
	json_decref(answers->rings);
	json_decref(answers->deployments);
	json_decref(answers->verdicts);
	json_decref(answers->events);
	json_decref(answers->signatures);
	json_decref(answers->away);
	*answers = (struct rw_watch_answers){0};
}
