/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every statement that writes, and how values come into it. All are prepared
 * once, so that a write costs a bind and a step.
 */
#include "collector/store/internal.h"

#include <inttypes.h>
#include <stdio.h>

const char *const rw_statements[S_COUNT] = {
	[S_BEGIN] = "BEGIN IMMEDIATE",
	[S_COMMIT] = "COMMIT",
	[S_ROLLBACK] = "ROLLBACK",
	[S_HOST] =
		"INSERT INTO hosts (host, ring, presence, boot_id, boot_order, since_wall_ms,"
		" heard_wall_ms, goodbye, back_by_wall_ms, excluded, by_age, unregistered)"
		" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
		" ON CONFLICT (host) DO UPDATE SET ring=?2, presence=?3, boot_id=?4, boot_order=?5,"
		" since_wall_ms=?6, heard_wall_ms=?7, goodbye=?8, back_by_wall_ms=?9, excluded=?10,"
		" by_age=?11, unregistered=?12",
	[S_TRANSITION] = "INSERT INTO transitions (at_wall_ms, host, ring, was, is_now)"
			 " VALUES (?1,?2,?3,?4,?5)",
	[S_DEPLOYMENT] =
		"INSERT INTO deployments (deployment, component, version, exposure, state,"
		" created_wall_ms, ended_wall_ms, reason, rings, match)"
		" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"
		" ON CONFLICT (deployment) DO UPDATE SET component=?2, version=?3, exposure=?4,"
		" state=?5, created_wall_ms=?6, ended_wall_ms=?7, reason=?8, rings=?9, match=?10",
	[S_RUN] =
		"INSERT INTO runs (deployment, ring, step, started_wall_ms, target, observed_ms,"
		" breaker_open, rule, grade, opened_wall_ms, opened_failed, opened_at_risk, proof,"
		" step_targets, watched_ms, watched_from_ms, epoch, exposed_host_ms,"
		" control_host_ms)"
		" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)"
		" ON CONFLICT (deployment, ring) DO UPDATE SET step=?3, started_wall_ms=?4,"
		" target=?5, observed_ms=?6, breaker_open=?7, rule=?8, grade=?9, "
		"opened_wall_ms=?10,"
		" opened_failed=?11, opened_at_risk=?12, proof=?13, step_targets=?14, "
		"watched_ms=?15,"
		" watched_from_ms=?16, epoch=?17, exposed_host_ms=?18, control_host_ms=?19",
	[S_EXPOSURE] =
		"INSERT INTO exposures (deployment, host, ring, boot_order, boot_ms, alive, heard,"
		" crashed, recovered, acknowledged, at_wall_ms, watched_ms, step, module_failed,"
		" left_offline, left_out)"
		" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)"
		" ON CONFLICT (deployment, host, ring) DO UPDATE SET boot_order=?4, boot_ms=?5,"
		" alive=?6, heard=?7, crashed=?8, recovered=?9, acknowledged=?10, at_wall_ms=?11,"
		" watched_ms=?12, step=?13, module_failed=?14, left_offline=?15, left_out=?16",
	[S_EVIDENCE] = "INSERT INTO evidence (deployment, ring, host, kind, event, signature,"
		       " at_wall_ms) VALUES (?1,?2,?3,?4,?5,?6,?7)"
		       " ON CONFLICT (deployment, ring, host, kind) DO UPDATE SET event=?5,"
		       " signature=?6, at_wall_ms=?7",
	[S_EVIDENCE_CLEAR] = "DELETE FROM evidence WHERE deployment=?1 AND ring=?2",
	[S_SIGHTING] = "INSERT INTO sightings (deployment, signature, host, shared)"
		       " VALUES (?1,?2,?3,?4)"
		       " ON CONFLICT (deployment, signature) DO UPDATE SET host=?3, shared=?4",
	[S_TROUBLE] = "INSERT INTO troubles (host, crashes, modules, maintenance_until_wall_ms,"
		      " crash_epoch, silence_epoch, excused_boot_order)"
		      " VALUES (?1,?2,?3,?4,?5,?6,?7)"
		      " ON CONFLICT (host) DO UPDATE SET crashes=?2, modules=?3,"
		      " maintenance_until_wall_ms=?4, crash_epoch=?5, silence_epoch=?6,"
		      " excused_boot_order=?7",
	[S_FORGET_DEPLOYMENT] = "DELETE FROM deployments WHERE deployment=?1",
	[S_FORGET_RUNS] = "DELETE FROM runs WHERE deployment=?1",
	[S_FORGET_EXPOSURES] = "DELETE FROM exposures WHERE deployment=?1",
	[S_FORGET_EVIDENCE] = "DELETE FROM evidence WHERE deployment=?1",
	[S_FORGET_SAMPLES] = "DELETE FROM bake_samples WHERE deployment=?1",
	[S_FORGET_SIGHTINGS] = "DELETE FROM sightings WHERE deployment=?1",
	[S_FLEET_SIGNATURE] =
		"INSERT INTO fleet_signatures (signature, before_wall_ms, since_wall_ms,"
		" last_wall_ms, control_wall_ms) VALUES (?1,?2,?3,?4,?5)"
		" ON CONFLICT (signature) DO UPDATE SET before_wall_ms=?2, since_wall_ms=?3,"
		" last_wall_ms=?4, control_wall_ms=?5",
	[S_FLEET_SIGNATURE_GONE] = "DELETE FROM fleet_signatures WHERE signature=?1",
	[S_LIFE] = "INSERT INTO life (only, told_wall_ms, listened_ms, epoch, blackout,"
		   " natural_host_ms, natural_failures, natural_watched_ms)"
		   " VALUES (1,?1,?2,?3,?4,?5,?6,?7)"
		   " ON CONFLICT (only) DO UPDATE SET told_wall_ms=?1, listened_ms=?2, epoch=?3,"
		   " blackout=?4, natural_host_ms=?5, natural_failures=?6, natural_watched_ms=?7",
	[S_EVENT] = "INSERT INTO events (host, ring, kind, severity, source, boot_id, comm,"
		    " signature, symbol, module, detail, stack, facts, drill, spool_id, sequence,"
		    " at_wall_ms, received_wall_ms, host_wall_ms, boot_order, boot_ms, cpu, pid, "
		    "error, count)"
		    " VALUES "
		    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,"
		    "?22,?23,?24,?25)",
	[S_SIGNATURE_KNOWN] = "SELECT 1 FROM signatures"
			      " WHERE day=?1 AND host=?2 AND severity=?3 AND signature=?4",
	[S_SIGNATURE_NEW] =
		"INSERT INTO signatures (day, host, severity, signature) SELECT ?1,?2,?3,?4 WHERE "
		"?5 >"
		" (SELECT count(*) FROM signatures WHERE day=?1 AND host=?2 AND severity=?3)",
	/* An excerpt comes soon after its event, and an index by sequence would halve
	 * the rate of all events: so only the host's last ones are looked at. */
	[S_EXCERPT_FIND] =
		"SELECT row_id, severity FROM (SELECT row_id, severity, spool_id, sequence,"
		" signature FROM events WHERE host=?1 ORDER BY row_id DESC LIMIT ?4)"
		" WHERE sequence=?2 AND spool_id=?3 AND signature<>'" RW_STORE_OVER_QUOTA
		"' AND NOT EXISTS"
		" (SELECT 1 FROM excerpts WHERE event_row_id=row_id) LIMIT 1",
	[S_EXCERPT_DAY] = "INSERT INTO excerpt_days (day, host, severity, excerpts)"
			  " VALUES (?1,?2,?3,1) ON CONFLICT (day, host, severity) DO UPDATE"
			  " SET excerpts=excerpts+1 WHERE excerpts < ?4",
	[S_EXCERPT] = "INSERT INTO excerpts (event_row_id, log, log_bytes) VALUES (?1,?2,?3)",
	[S_OVERFLOW_ADD] = "UPDATE events SET count=min(count+?4, 4294967295), received_wall_ms=?5"
			   " WHERE row_id=(SELECT event_row_id FROM overflows WHERE host=?1 AND "
			   "kind=?2 AND day=?3)"
			   /* row ids come again after a sweep */
			   " AND host=?1 AND kind=?2 AND signature='" RW_STORE_OVER_QUOTA "'",
	[S_OVERFLOW_NEW] =
		"INSERT INTO overflows (host, kind, day, event_row_id) VALUES (?1,?2,?3,?4)"
		" ON CONFLICT (day, host, kind) DO UPDATE SET event_row_id=?4",
	/* A mark never goes down; the row counts as changed even when it stays. */
	[S_SPOOL_RAISE] = "UPDATE spools SET sequence=max(sequence, ?3), used_wall_ms=?4"
			  " WHERE host=?1 AND spool_id=?2",
	[S_SPOOL_NEW] = "INSERT INTO spools (host, spool_id, sequence, used_wall_ms)"
			" VALUES (?1,?2,?3,?4)",
	[S_SPOOL_FORGET] =
		"DELETE FROM spools WHERE host=?1 AND spool_id NOT IN (SELECT spool_id FROM spools"
		" WHERE host=?1 ORDER BY (spool_id=?2) DESC, used_wall_ms DESC LIMIT ?3)",
	[S_SAMPLE] = "INSERT OR REPLACE INTO bake_samples (deployment, ring, at_wall_ms, step,"
		     " verdict, breaker_open, exposed, at_risk, failed, unheard, coverage,"
		     " observed_ms) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
	[S_AUDIT] = "INSERT INTO audit (at_wall_ms, actor, action, subject, detail)"
		    " VALUES (?1,?2,?3,?4,?5)",
	[S_SLOT_TAKEN] = "INSERT OR REPLACE INTO fleetlock_slots (ring, id, reserved_wall_ms)"
			 " VALUES (?1,?2,?3)",
	[S_DRILL] = "INSERT INTO drills (" RW_DRILL_COLUMNS ")"
		    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)"
		    " ON CONFLICT (drill) DO UPDATE SET proved_wall_ms=?7, ended_wall_ms=?8,"
		    " detail=?9",
	[S_SLOT_RETURNED] = "DELETE FROM fleetlock_slots WHERE ring=?1 AND id=?2",
	[S_DELIVERY_OVERTAKE] =
		"UPDATE deliveries SET state=4, ended_wall_ms=?4, error='a later verdict overtook "
		"it'"
		" WHERE state=1 AND target=?1 AND deployment=?2 AND ring=?3 AND "
		"kind<>'" RW_DELIVERY_BREAKER "'",
	[S_DELIVERY_CROWD] =
		"UPDATE deliveries SET state=3, ended_wall_ms=?2, error='too many were waiting for "
		"the target' WHERE row_id IN (SELECT row_id FROM deliveries WHERE state=1 AND "
		"target=?1 ORDER BY kind='" RW_DELIVERY_BREAKER "', row_id LIMIT max(0, 1 - ?3 +"
		" (SELECT count(*) FROM deliveries WHERE state=1 AND target=?1)))",
	[S_DELIVERY_NEW] = "INSERT INTO deliveries (delivery, target, kind, deployment, ring, body,"
			   " created_wall_ms, state, attempts, next_wall_ms, ended_wall_ms, error)"
			   " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,0,?7,?9,?10)",
	/* One that was overtaken while it was on its way has still arrived. */
	[S_DELIVERY_RESULT] =
		"UPDATE deliveries SET state=?2, attempts=attempts+1, next_wall_ms=?3,"
		" ended_wall_ms=CASE WHEN ?2=1 THEN ended_wall_ms ELSE ?4 END, error=?5"
		" WHERE delivery=?1 AND (state=1 OR (state=4 AND ?2=2))",
	[S_DELIVERY_RETRY] =
		"UPDATE deliveries SET state=1, attempts=0, next_wall_ms=?2, ended_wall_ms=?2"
		" WHERE delivery=?1 AND state=3 AND (kind='" RW_DELIVERY_BREAKER
		"' OR row_id IN (" RW_STORE_LAST_TOLD "))",
	[S_SWEEP_EVENTS] = "DELETE FROM events WHERE row_id BETWEEN ?1 AND ?2 AND received_wall_ms "
			   "< ?3 AND NOT"
			   " EXISTS (SELECT 1 FROM deployments d CROSS JOIN exposures x ON "
			   "x.deployment=d.deployment"
			   " WHERE d.state=?4 AND x.host=events.host)",
	[S_SWEEP_EXCERPTS] =
		"DELETE FROM excerpts WHERE event_row_id BETWEEN ?1 AND ?2 AND NOT EXISTS"
		" (SELECT 1 FROM events WHERE row_id=event_row_id)",
	[S_SWEEP_OVERFLOWS] = "DELETE FROM overflows WHERE (day, host, kind) IN"
			      " (SELECT day, host, kind FROM overflows WHERE day < ?1 LIMIT ?2)",
	[S_SWEEP_SIGNATURES] = "DELETE FROM signatures WHERE (day, host, severity, signature) IN"
			       " (SELECT day, host, severity, signature FROM signatures"
			       " WHERE day < ?1 LIMIT ?2)",
	[S_SWEEP_EXCERPT_DAYS] =
		"DELETE FROM excerpt_days WHERE (day, host, severity) IN"
		" (SELECT day, host, severity FROM excerpt_days WHERE day < ?1 LIMIT ?2)",
	[S_SWEEP_TRANSITIONS] =
		"DELETE FROM transitions WHERE row_id IN (SELECT row_id FROM transitions"
		" WHERE row_id BETWEEN ?1 AND ?2 AND at_wall_ms < ?3)",
	/* Runs and evidence stay: they are few, and say how it ended. */
	[S_SWEEP_EXPOSURES] =
		"DELETE FROM exposures WHERE (deployment, host, ring) IN"
		" (SELECT x.deployment, x.host, x.ring FROM deployments d CROSS JOIN exposures x"
		" ON x.deployment=d.deployment"
		" WHERE d.state<>?3 AND d.ended_wall_ms BETWEEN 1 AND ?1 - 1 LIMIT ?2)",
	[S_SWEEP_SAMPLES] =
		"DELETE FROM bake_samples WHERE (deployment, ring, at_wall_ms) IN"
		" (SELECT s.deployment, s.ring, s.at_wall_ms FROM deployments d CROSS JOIN"
		" bake_samples s ON s.deployment=d.deployment"
		" WHERE d.state<>?3 AND d.ended_wall_ms BETWEEN 1 AND ?1 - 1 LIMIT ?2)",
	/* What says when each ring was last proved stays. */
	[S_SWEEP_DRILLS] =
		"DELETE FROM drills WHERE ended_wall_ms BETWEEN 1 AND ?1 - 1 AND row_id NOT IN"
		" (SELECT max(row_id) FROM drills WHERE proved_wall_ms > 0 GROUP BY ring)",
	/* What was told last stays with its deployment: after a start it is not told anew. */
	[S_SWEEP_DELIVERIES] =
		"DELETE FROM deliveries WHERE row_id IN (SELECT row_id FROM deliveries l"
		" WHERE state<>1 AND ended_wall_ms < ?1 AND NOT (row_id IN (" RW_STORE_LAST_TOLD
		") AND EXISTS (SELECT 1 FROM deployments d WHERE d.deployment=l.deployment"
		" AND d.state=?3)) LIMIT ?2)",
	[S_SWEEP_NEXT] =
		"SELECT min(id) FROM (SELECT * FROM (SELECT row_id AS id, received_wall_ms AS at"
		" FROM events WHERE row_id > ?1 ORDER BY row_id LIMIT 1) UNION ALL SELECT * FROM"
		" (SELECT row_id AS id, at_wall_ms AS at FROM transitions WHERE row_id > ?1"
		" ORDER BY row_id LIMIT 1)) WHERE at < ?2",
};

struct rw_binder rw_bind_to(struct rw_journal *journal, enum rw_statement which)
{
	return (struct rw_binder){journal->prepared[which], 1, SQLITE_OK};
}

void rw_bind_text(struct rw_binder *b, const char *text)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_text(b->statement, b->next++, text, -1, SQLITE_STATIC);
}

void rw_bind_u64(struct rw_binder *b, uint64_t value)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_int64(b->statement, b->next++, (sqlite3_int64)value);
}

void rw_bind_i64(struct rw_binder *b, int64_t value)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_int64(b->statement, b->next++, value);
}

void rw_bind_id(struct rw_binder *b, const uint8_t id[16])
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_blob(b->statement, b->next++, id, 16, SQLITE_STATIC);
}

void rw_bind_blob(struct rw_binder *b, const void *bytes, uint32_t length)
{
	if (b->code == SQLITE_OK)
		b->code = sqlite3_bind_blob(b->statement, b->next++, bytes, (int)length,
					    SQLITE_STATIC);
}

void rw_bind_numbers(struct rw_binder *b, const uint64_t *numbers, size_t count)
{
	char text[RW_STORE_NUMBERS_BYTES];
	size_t used = 0;

	while (count > 0 && numbers[count - 1] == 0)
		count--;
	if (b->code == SQLITE_OK && count > RW_STORE_NUMBERS_MAX)
		b->code = SQLITE_TOOBIG;
	if (b->code != SQLITE_OK)
		return;
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRIu64,
					 i == 0 ? "" : " ", numbers[i]);
	b->code = sqlite3_bind_text(b->statement, b->next++, text, -1, SQLITE_TRANSIENT);
}

int rw_binder_look(struct rw_binder *b, bool *found)
{
	int code = b->code == SQLITE_OK ? sqlite3_step(b->statement) : b->code;

	*found = code == SQLITE_ROW;
	return rw_journal_errno(code);
}

void rw_binder_put_back(struct rw_binder *b)
{
	sqlite3_reset(b->statement);
	sqlite3_clear_bindings(b->statement);
}

int rw_binder_run(struct rw_binder *b)
{
	int code = b->code;

	if (code == SQLITE_OK)
		code = sqlite3_step(b->statement);
	int reset = sqlite3_reset(b->statement);
	if (code == SQLITE_DONE || code == SQLITE_ROW)
		code = reset;
	sqlite3_clear_bindings(b->statement);
	return rw_journal_errno(code);
}

int rw_run_plain(struct rw_journal *journal, enum rw_statement which)
{
	struct rw_binder b = rw_bind_to(journal, which);
	return rw_binder_run(&b);
}
