/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: what is older goes, in pieces that writes come in between.
 */
#include "collector/store/internal.h"

enum {
	SWEEP_ROWS = 2000,        /* rows looked at in one piece */
	SWEEP_KEYED_ROWS = 20000, /* of what is found by an index, likewise */
};

static const uint64_t DELIVERIES_KEPT_MS = (uint64_t)RW_DELIVERIES_KEPT_DAYS * RW_STORE_DAY_MS;

static int sweep_piece(struct rw_journal *journal, enum rw_statement which, uint64_t first,
		       uint64_t before_wall_ms)
{
	struct rw_binder b = rw_bind_to(journal, which);

	rw_bind_u64(&b, first);
	rw_bind_u64(&b, first + SWEEP_ROWS - 1);
	if (which != S_SWEEP_EXCERPTS)
		rw_bind_u64(&b, before_wall_ms);
	if (which == S_SWEEP_EVENTS)
		rw_bind_i64(&b, RW_DEPLOYMENT_ACTIVE);
	return rw_binder_run(&b);
}

/* Quotas of days that nothing will be counted for any more. */
static int sweep_days(struct rw_journal *journal, enum rw_statement which, uint64_t first_day)
{
	struct rw_binder b = rw_bind_to(journal, which);

	rw_bind_u64(&b, first_day);
	rw_bind_u64(&b, SWEEP_KEYED_ROWS);
	return rw_binder_run(&b);
}

/* Of deployments that ended so long ago that their events are gone, too; and deliveries. */
static int sweep_ended(struct rw_journal *journal, enum rw_statement which, uint64_t before_wall_ms)
{
	struct rw_binder b = rw_bind_to(journal, which);

	rw_bind_u64(&b, before_wall_ms);
	rw_bind_u64(&b, SWEEP_KEYED_ROWS);
	rw_bind_i64(&b, RW_DEPLOYMENT_ACTIVE);
	return rw_binder_run(&b);
}

/* All at once: people begin them, one at a time. */
static int sweep_drills(struct rw_journal *journal, uint64_t before_wall_ms)
{
	struct rw_binder b = rw_bind_to(journal, S_SWEEP_DRILLS);

	rw_bind_u64(&b, before_wall_ms);
	return rw_binder_run(&b);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int rw_journal_sweep(struct rw_journal *journal, uint64_t now_wall_ms, uint64_t before_wall_ms,
		     uint64_t *cursor)
{
	static const enum rw_statement pieces[] = {S_SWEEP_EVENTS, S_SWEEP_EXCERPTS,
						   S_SWEEP_TRANSITIONS};
	static const enum rw_statement days[] = {S_SWEEP_OVERFLOWS, S_SWEEP_SIGNATURES,
						 S_SWEEP_EXCERPT_DAYS};
	uint64_t first = *cursor + 1;
	uint64_t today = now_wall_ms / RW_STORE_DAY_MS;
	int err = rw_journal_begin(journal);

	if (err != 0)
		return err;
	for (size_t i = 0; err == 0 && i < sizeof(pieces) / sizeof(pieces[0]); i++)
		err = sweep_piece(journal, pieces[i], first, before_wall_ms);
	/* Yesterday's stay: the clock may have been set back a little. */
	for (size_t i = 0; err == 0 && today > 0 && i < sizeof(days) / sizeof(days[0]); i++)
		err = sweep_days(journal, days[i], today - 1);
	if (err == 0 && before_wall_ms > 0)
		err = sweep_ended(journal, S_SWEEP_EXPOSURES, before_wall_ms);
	if (err == 0 && before_wall_ms > 0)
		err = sweep_ended(journal, S_SWEEP_SAMPLES, before_wall_ms);
	if (err == 0 && before_wall_ms > 0)
		err = sweep_drills(journal, before_wall_ms);
	if (err == 0 && now_wall_ms > DELIVERIES_KEPT_MS)
		err = sweep_ended(journal, S_SWEEP_DELIVERIES,
				  later(before_wall_ms, now_wall_ms - DELIVERIES_KEPT_MS));
	if (err == 0)
		err = rw_journal_commit(journal);
	if (err != 0) {
		rw_journal_rollback(journal);
		return err;
	}

	/* Rows grow with time: when the next ones are young, the rest is. */
	uint64_t last = first + SWEEP_ROWS - 1;
	sqlite3_stmt *next = journal->prepared[S_SWEEP_NEXT];
	sqlite3_bind_int64(next, 1, (sqlite3_int64)last);
	sqlite3_bind_int64(next, 2, (sqlite3_int64)before_wall_ms);
	bool more = sqlite3_step(next) == SQLITE_ROW && sqlite3_column_type(next, 0) != SQLITE_NULL;
	*cursor = more ? (uint64_t)sqlite3_column_int64(next, 0) - 1 : 0;
	sqlite3_reset(next);
	return 0;
}
