/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in: one statement a row, between begin and commit; see journal.h.
 */
#include "collector/store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int rw_journal_errno(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		return -EACCES;
	default:
		return -EIO;
	}
}

const char *rw_journal_error(struct rw_journal *journal)
{
	int system = sqlite3_system_errno(journal->db);
	int code = sqlite3_errcode(journal->db) & 0xff;

	if (system != 0 && (code == SQLITE_IOERR || code == SQLITE_FULL || code == SQLITE_CANTOPEN))
		snprintf(journal->error, sizeof(journal->error), "%s: %s",
			 sqlite3_errmsg(journal->db), strerror(system));
	else
		snprintf(journal->error, sizeof(journal->error), "%s", sqlite3_errmsg(journal->db));
	return journal->error;
}

/* ---- transactions ---------------------------------------------------------- */

int rw_journal_begin(struct rw_journal *journal)
{
	int err = rw_run_plain(journal, S_BEGIN);

	journal->counts = (struct rw_journal_counts){0};
	journal->in_transaction = err == 0;
	return err;
}

int rw_journal_commit(struct rw_journal *journal)
{
	int err = rw_run_plain(journal, S_COMMIT);

	if (err == 0)
		journal->in_transaction = false;
	return err;
}

void rw_journal_rollback(struct rw_journal *journal)
{
	if (rw_journal_errno(sqlite3_errcode(journal->db)) == -EUCLEAN)
		rw_journal_suspect(journal);
	/* Some errors have rolled back already. */
	if (journal->in_transaction && sqlite3_get_autocommit(journal->db) == 0)
		(void)rw_run_plain(journal, S_ROLLBACK);
	journal->in_transaction = false;
}

/* ---- rows -------------------------------------------------------------------- */

int rw_journal_put_host(struct rw_journal *journal, uint64_t at_wall_ms,
			const struct rw_host_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_HOST);

	rw_bind_text(&b, row->id);
	rw_bind_text(&b, row->ring);
	rw_bind_i64(&b, row->presence);
	rw_bind_id(&b, row->boot_id);
	rw_bind_u64(&b, row->boot_order);
	rw_bind_u64(&b, row->since_wall_ms);
	rw_bind_u64(&b, row->heard_wall_ms);
	rw_bind_i64(&b, row->goodbye);
	rw_bind_u64(&b, row->back_by_wall_ms);
	rw_bind_i64(&b, row->excluded);
	rw_bind_i64(&b, row->by_age);
	rw_bind_i64(&b, row->unregistered);
	int err = rw_binder_run(&b);
	if (err != 0 || row->previous == row->presence)
		return err;

	b = rw_bind_to(journal, S_TRANSITION);
	rw_bind_u64(&b, at_wall_ms);
	rw_bind_text(&b, row->id);
	rw_bind_text(&b, row->ring);
	rw_bind_i64(&b, row->previous);
	rw_bind_i64(&b, row->presence);
	return rw_binder_run(&b);
}

static void join_rings(const struct rw_deployment_row *row, char out[RW_STORE_RINGS_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < row->ring_count && i < RW_CORE_RINGS_MAX; i++) {
		int n = snprintf(out + used, RW_STORE_RINGS_BYTES - used, "%s%s", i == 0 ? "" : " ",
				 row->rings[i]);
		used += (size_t)n; /* names are shorter than their share of `out` */
	}
}

int rw_journal_put_deployment(struct rw_journal *journal, const struct rw_deployment_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_DEPLOYMENT);
	char rings[RW_STORE_RINGS_BYTES];

	join_rings(row, rings);
	rw_bind_text(&b, row->id);
	rw_bind_text(&b, row->component);
	rw_bind_text(&b, row->version);
	rw_bind_i64(&b, row->exposure);
	rw_bind_i64(&b, row->state);
	rw_bind_u64(&b, row->created_wall_ms);
	rw_bind_u64(&b, row->ended_wall_ms);
	rw_bind_text(&b, row->reason);
	rw_bind_text(&b, rings);
	rw_bind_text(&b, row->match);
	return rw_binder_run(&b);
}

int rw_journal_put_run(struct rw_journal *journal, const struct rw_run_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_RUN);

	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->ring);
	rw_bind_u64(&b, row->step);
	rw_bind_u64(&b, row->started_wall_ms);
	rw_bind_u64(&b, row->target);
	rw_bind_u64(&b, row->observed_ms);
	rw_bind_i64(&b, row->breaker_open);
	rw_bind_i64(&b, row->rule);
	rw_bind_i64(&b, row->grade);
	rw_bind_u64(&b, row->opened_wall_ms);
	rw_bind_u64(&b, row->opened_failed);
	rw_bind_u64(&b, row->opened_at_risk);
	rw_bind_i64(&b, row->proof);
	rw_bind_numbers(&b, row->step_targets, RW_CORE_STEPS_MAX);
	rw_bind_u64(&b, row->watched_ms);
	rw_bind_u64(&b, row->watched_from_ms);
	rw_bind_u64(&b, row->epoch);
	rw_bind_u64(&b, row->exposed_host_ms);
	rw_bind_u64(&b, row->control_host_ms);
	return rw_binder_run(&b);
}

int rw_journal_put_exposure(struct rw_journal *journal, const struct rw_exposure_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_EXPOSURE);

	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->host);
	rw_bind_text(&b, row->ring);
	rw_bind_u64(&b, row->boot_order);
	rw_bind_u64(&b, row->boot_ms);
	rw_bind_i64(&b, row->alive);
	rw_bind_i64(&b, row->heard);
	rw_bind_i64(&b, row->crashed);
	rw_bind_i64(&b, row->recovered);
	rw_bind_i64(&b, row->acknowledged);
	rw_bind_u64(&b, row->at_wall_ms);
	rw_bind_u64(&b, row->watched_ms);
	rw_bind_u64(&b, row->step);
	rw_bind_i64(&b, row->module_failed);
	rw_bind_i64(&b, row->left_offline);
	rw_bind_i64(&b, row->left_out);
	return rw_binder_run(&b);
}

int rw_journal_put_evidence(struct rw_journal *journal, const struct rw_evidence_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_EVIDENCE);

	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->ring);
	rw_bind_text(&b, row->host);
	rw_bind_text(&b, row->kind);
	rw_bind_text(&b, row->event);
	rw_bind_text(&b, row->signature);
	rw_bind_u64(&b, row->at_wall_ms);
	return rw_binder_run(&b);
}

int rw_journal_clear_evidence(struct rw_journal *journal, const struct rw_run_row *run)
{
	struct rw_binder b = rw_bind_to(journal, S_EVIDENCE_CLEAR);

	rw_bind_text(&b, run->deployment);
	rw_bind_text(&b, run->ring);
	return rw_binder_run(&b);
}

int rw_journal_put_sighting(struct rw_journal *journal, const struct rw_sighting_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_SIGHTING);

	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->signature);
	rw_bind_text(&b, row->host);
	rw_bind_i64(&b, row->shared);
	return rw_binder_run(&b);
}

int rw_journal_put_trouble(struct rw_journal *journal, const struct rw_trouble_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_TROUBLE);
	uint64_t crashes[3 * RW_CORE_CRASHES_KEPT];
	uint64_t modules[3 * RW_CORE_MODULE_FAILURES_KEPT];

	for (size_t i = 0; i < RW_CORE_CRASHES_KEPT; i++) {
		crashes[3 * i] = row->crashes[i].boot_order;
		crashes[3 * i + 1] = row->crashes[i].wall_ms;
		crashes[3 * i + 2] = row->crashes[i].unexpected;
	}
	for (size_t i = 0; i < RW_CORE_MODULE_FAILURES_KEPT; i++) {
		modules[3 * i] = row->modules[i].pair;
		modules[3 * i + 1] = row->modules[i].boot_order;
		modules[3 * i + 2] = row->modules[i].boot_ms;
	}
	rw_bind_text(&b, row->host);
	rw_bind_numbers(&b, crashes, sizeof(crashes) / sizeof(crashes[0]));
	rw_bind_numbers(&b, modules, sizeof(modules) / sizeof(modules[0]));
	rw_bind_u64(&b, row->maintenance_until_wall_ms);
	rw_bind_u64(&b, row->crash_epoch);
	rw_bind_u64(&b, row->silence_epoch);
	rw_bind_u64(&b, row->excused_boot_order);
	return rw_binder_run(&b);
}

int rw_journal_put_signature(struct rw_journal *journal, const struct rw_signature_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_FLEET_SIGNATURE);

	rw_bind_text(&b, row->text);
	rw_bind_u64(&b, row->before_wall_ms);
	rw_bind_u64(&b, row->since_wall_ms);
	rw_bind_u64(&b, row->last_wall_ms);
	rw_bind_u64(&b, row->control_wall_ms);
	return rw_binder_run(&b);
}

int rw_journal_forget_deployment(struct rw_journal *journal, const struct rw_deployment_row *row)
{
	static const enum rw_statement forget[] = {S_FORGET_SAMPLES,  S_FORGET_SIGHTINGS,
						   S_FORGET_EVIDENCE, S_FORGET_EXPOSURES,
						   S_FORGET_RUNS,     S_FORGET_DEPLOYMENT};
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof(forget) / sizeof(forget[0]); i++) {
		struct rw_binder b = rw_bind_to(journal, forget[i]);

		rw_bind_text(&b, row->id);
		err = rw_binder_run(&b);
	}
	return err;
}

int rw_journal_forget_signature(struct rw_journal *journal, const struct rw_signature_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_FLEET_SIGNATURE_GONE);

	rw_bind_text(&b, row->text);
	return rw_binder_run(&b);
}

int rw_journal_put_life(struct rw_journal *journal, const struct rw_life_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_LIFE);

	rw_bind_u64(&b, row->told_wall_ms);
	rw_bind_u64(&b, row->listened_ms);
	rw_bind_u64(&b, row->epoch);
	rw_bind_i64(&b, row->blackout);
	rw_bind_u64(&b, row->natural_host_ms);
	rw_bind_u64(&b, row->natural_failures);
	rw_bind_u64(&b, row->natural_watched_ms);
	return rw_binder_run(&b);
}

int rw_journal_put_audit(struct rw_journal *journal, const struct rw_audit_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_AUDIT);

	rw_bind_u64(&b, row->at_wall_ms);
	rw_bind_text(&b, row->actor);
	rw_bind_text(&b, row->action);
	rw_bind_text(&b, row->subject);
	rw_bind_text(&b, row->detail);
	return rw_binder_run(&b);
}

int rw_journal_put_sample(struct rw_journal *journal, const struct rw_sample_row *row)
{
	struct rw_binder b = rw_bind_to(journal, S_SAMPLE);

	rw_bind_text(&b, row->deployment);
	rw_bind_text(&b, row->ring);
	rw_bind_u64(&b, row->at_wall_ms);
	rw_bind_u64(&b, row->step);
	rw_bind_i64(&b, row->decision);
	rw_bind_i64(&b, row->breaker_open);
	rw_bind_u64(&b, row->exposed);
	rw_bind_u64(&b, row->at_risk);
	rw_bind_u64(&b, row->failed);
	rw_bind_u64(&b, row->unheard);
	rw_bind_u64(&b, row->coverage_ppm);
	rw_bind_u64(&b, row->observed_ms);
	return rw_binder_run(&b);
}

int rw_journal_put_slot(struct rw_journal *journal, const struct rw_slot_row *row)
{
	bool returned = row->reserved_wall_ms == 0;
	struct rw_binder b = rw_bind_to(journal, returned ? S_SLOT_RETURNED : S_SLOT_TAKEN);

	rw_bind_text(&b, row->ring);
	rw_bind_text(&b, row->holder);
	if (!returned)
		rw_bind_u64(&b, row->reserved_wall_ms);
	return rw_binder_run(&b);
}
