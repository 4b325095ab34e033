/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: the lines that say why, one a host and kind, at most RW_CORE_EVIDENCE_MAX a
 * run. A crash leaves its line when it happens; a silent host gets its line when the
 * breaker opens, or later when it falls silent after that, because until then it may
 * come back and have been nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/core/internal.h"

struct rw_evidence_row rw_evidence_of(const struct rw_core *core, const struct rw_run *run,
				      const char *host, const char *kind, uint64_t at_wall_ms)
{
	struct rw_evidence_row row = {.at_wall_ms = at_wall_ms};

	rw_copy_text(row.deployment, sizeof(row.deployment), run->deployment->row.id);
	rw_copy_text(row.ring, sizeof(row.ring), rw_run_policy(core, run)->name);
	rw_copy_text(row.host, sizeof(row.host), host);
	rw_copy_text(row.kind, sizeof(row.kind), kind);
	return row;
}

static bool evidence_has_room(struct rw_run *run)
{
	if (run->evidence_count < run->evidence_room)
		return true;

	uint32_t room = run->evidence_room == 0 ? 4 : run->evidence_room * 2;
	struct rw_evidence_row *evidence = realloc(run->evidence, room * sizeof(*evidence));

	if (evidence == NULL)
		return false;
	run->evidence = evidence;
	run->evidence_room = room;
	return true;
}

enum rw_evidence_merge rw_evidence_merge(struct rw_run *run, const struct rw_evidence_row *row)
{
	for (uint32_t i = 0; i < run->evidence_count; i++) {
		struct rw_evidence_row *known = &run->evidence[i];

		if (strcmp(known->host, row->host) != 0 || strcmp(known->kind, row->kind) != 0)
			continue;
		/* A reboot first seen by its Hello takes the event that tells of it. */
		if (known->event[0] != '\0' || row->event[0] == '\0')
			return RW_EVIDENCE_KNOWN;
		*known = *row;
		return RW_EVIDENCE_NEW;
	}
	if (run->evidence_count >= RW_CORE_EVIDENCE_MAX)
		return RW_EVIDENCE_KNOWN;
	if (!evidence_has_room(run))
		return RW_EVIDENCE_DROPPED;
	run->evidence[run->evidence_count++] = *row;
	return RW_EVIDENCE_NEW;
}

void rw_evidence_add(struct rw_core *core, struct rw_run *run, const struct rw_evidence_row *row,
		     struct rw_now now)
{
	if (rw_evidence_merge(run, row) != RW_EVIDENCE_KNOWN)
		rw_tell_evidence(core, run, row, now);
}

static void add_silent_of(struct rw_core *core, struct rw_run *run, const struct rw_host_list *list,
			  struct rw_now now)
{
	rw_host_handle handle = list->head;

	while (handle != RW_NO_HOST && run->evidence_count < RW_CORE_EVIDENCE_MAX) {
		const struct rw_host *host = rw_table_at(&core->table, handle);
		const struct rw_exposure *e = rw_exposure_find(host, run->deployment);

		if (e != NULL && e->run == run && !host->excluded &&
		    rw_exposure_is_offline(e, host)) {
			struct rw_evidence_row row =
				rw_evidence_of(core, run, host->id, "offline", host->since_wall_ms);

			rw_evidence_add(core, run, &row, now);
		}
		handle = host->next;
	}
}

void rw_evidence_add_silent(struct rw_core *core, struct rw_run *run, struct rw_now now)
{
	add_silent_of(core, run, &core->lists[RW_OFFLINE], now);
	add_silent_of(core, run, &core->lost, now);
	add_silent_of(core, run, &core->lists[RW_RETIRED], now); /* while they were */
}
