/* SPDX-License-Identifier: Apache-2.0 */
/* Two rings; see gasps.h. */
#include "collector/ingest/gasps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

enum { RING = RW_GASPS_KEPT / 2, MERGE_LOOKS_BACK = 16 };

/* The newest stands at next - 1. */
struct ring {
	uint32_t next, count;
	struct rw_gasp gasps[RING];
};

struct rw_gasps {
	struct rw_gasp_stats stats;
	struct ring rings[2]; /* unverified, verified */
};

struct rw_gasps *rw_gasps_new(void)
{
	return calloc(1, sizeof(struct rw_gasps));
}

void rw_gasps_free(struct rw_gasps *gasps)
{
	free(gasps);
}

struct rw_gasp_stats *rw_gasps_stats(struct rw_gasps *gasps)
{
	return &gasps->stats;
}

/* The `age`th newest, from 0. */
static const struct rw_gasp *at(const struct ring *ring, uint32_t age)
{
	return &ring->gasps[(ring->next + RING - 1 - age) % RING];
}

/* A dying kernel repeats itself, and so does whoever plays one. */
static struct rw_gasp *find_like(struct ring *ring, const struct rw_gasp_heard *heard,
				 uint64_t wall_ms)
{
	for (uint32_t age = 0; age < ring->count && age < MERGE_LOOKS_BACK; age++) {
		struct rw_gasp *gasp = &ring->gasps[(ring->next + RING - 1 - age) % RING];

		if (strcmp(gasp->source, heard->source) == 0 &&
		    strcmp(gasp->host, heard->host) == 0 && strcmp(gasp->kind, heard->kind) == 0 &&
		    gasp->forged == heard->forged && gasp->count < UINT32_MAX &&
		    wall_ms - gasp->received_wall_ms < RW_GASP_MERGE_MS)
			return gasp;
	}
	return NULL;
}

void rw_gasps_add(struct rw_gasps *gasps, const struct rw_gasp_heard *heard, uint64_t wall_ms)
{
	bool verified = heard->host[0] != '\0';
	struct ring *ring = &gasps->rings[verified];
	struct rw_gasp *gasp = find_like(ring, heard, wall_ms);

	if (gasp != NULL) {
		gasp->count++;
		gasp->last_wall_ms = wall_ms;
		return;
	}
	gasp = &ring->gasps[ring->next];
	ring->next = (ring->next + 1) % RING;
	if (ring->count < RING)
		ring->count++;
	*gasp = (struct rw_gasp){
		.received_wall_ms = wall_ms,
		.last_wall_ms = wall_ms,
		.verified = verified,
		.forged = heard->forged,
		.count = 1,
	};
	snprintf(gasp->source, sizeof(gasp->source), "%s", heard->source);
	snprintf(gasp->host, sizeof(gasp->host), "%s", heard->host);
	snprintf(gasp->kind, sizeof(gasp->kind), "%s", heard->kind);
	rw_text_to_utf8(gasp->text, sizeof(gasp->text), heard->text, heard->text_length);
}

/* At the same time what is verified comes first. */
static int newest_first(const void *a, const void *b)
{
	const struct rw_gasp *left = a;
	const struct rw_gasp *right = b;

	if (left->last_wall_ms != right->last_wall_ms)
		return left->last_wall_ms > right->last_wall_ms ? -1 : 1;
	return (int)right->verified - (int)left->verified;
}

uint32_t rw_gasps_copy(const struct rw_gasps *gasps, struct rw_gasp out[RW_GASPS_KEPT])
{
	uint32_t count = 0;

	for (int r = 0; r < 2; r++) {
		for (uint32_t age = 0; age < gasps->rings[r].count; age++)
			out[count++] = *at(&gasps->rings[r], age);
	}
	qsort(out, count, sizeof(*out), newest_first);
	return count;
}
