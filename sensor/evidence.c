/* SPDX-License-Identifier: Apache-2.0 */
/* Excerpts behind their events; see evidence.h. */
#include "sensor/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/excerpt.h"

struct pending {
	bool used;
	uint64_t token;
	uint64_t sequence;
	uint64_t boot_ms;
	uint64_t wall_ms;
	uint64_t boot_order;
	char boot_id[RW_BOOT_ID_LENGTH + 1];
};

struct rw_evidence {
	struct rw_excerpt *lines;
	struct pending pending[RW_EVIDENCE_PENDING];
	uint32_t next;
	struct rw_log_excerpt log;
};

struct rw_evidence *rw_evidence_new(void)
{
	struct rw_evidence *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->lines = rw_excerpt_new();
	if (e->lines == NULL) {
		free(e);
		return NULL;
	}
	return e;
}

void rw_evidence_free(struct rw_evidence *e)
{
	if (e == NULL)
		return;
	rw_excerpt_free(e->lines);
	free(e);
}

void rw_evidence_line(struct rw_evidence *e, const struct rw_kmsg_record *record)
{
	rw_excerpt_line(e->lines, record->sequence, record->usec, record->text, record->length);
}

void rw_evidence_kept(struct rw_evidence *e, uint64_t token, const struct rw_event *event)
{
	struct pending *p = &e->pending[e->next++ % RW_EVIDENCE_PENDING];

	*p = (struct pending){
		.used = true,
		.token = token,
		.sequence = event->sequence,
		.boot_ms = event->boot_ms,
		.wall_ms = event->wall_ms,
		.boot_order = event->boot_order,
	};
	memcpy(p->boot_id, event->boot_id, sizeof(p->boot_id));
}

static struct pending *find(struct rw_evidence *e, uint64_t token)
{
	for (uint32_t i = 0; i < RW_EVIDENCE_PENDING; i++) {
		if (e->pending[i].used && e->pending[i].token == token)
			return &e->pending[i];
	}
	return NULL;
}

bool rw_evidence_complete(struct rw_evidence *e, uint64_t token, uint64_t first, uint64_t last,
			  struct rw_event *out)
{
	struct pending *p = find(e, token);

	if (p == NULL)
		return false;
	p->used = false;
	first = first > RW_EVIDENCE_LINES_BEFORE ? first - RW_EVIDENCE_LINES_BEFORE : 0;
	if (rw_excerpt_cut(e->lines, first, last, &e->log) != 0)
		return false;
	memset(out, 0, sizeof(*out));
	out->kind = RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;
	out->severity = RINGWATCH__V1__SEVERITY__SEVERITY_INFO;
	out->source = RINGWATCH__V1__SOURCE__SOURCE_LOG;
	memcpy(out->boot_id, p->boot_id, sizeof(out->boot_id));
	out->boot_order = p->boot_order;
	out->boot_ms = p->boot_ms;
	out->wall_ms = p->wall_ms;
	out->cpu = RW_CPU_UNKNOWN;
	out->count = 1;
	snprintf(out->signature, sizeof(out->signature), "log_excerpt");
	snprintf(out->detail, sizeof(out->detail), "the kernel log around event %llu",
		 (unsigned long long)p->sequence);
	out->about = p->sequence;
	out->log = &e->log;
	return true;
}
