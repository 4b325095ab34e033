/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing connection below store.h: the only code that changes the
 * database file. It knows tables, and nothing of queues or threads.
 *
 * One thread at a time. Writes stand between rw_journal_begin() and
 * rw_journal_commit(); all return 0 or negative errno, and after an error only
 * rw_journal_rollback() is left to do.
 */
#ifndef RINGWATCH_STORE_JOURNAL_H
#define RINGWATCH_STORE_JOURNAL_H

#include "collector/store/store.h"

struct rw_journal;

/* Texts of an event, in the order of the columns. */
enum rw_event_text {
	RW_EVENT_HOST,
	RW_EVENT_RING,
	RW_EVENT_KIND,
	RW_EVENT_SEVERITY,
	RW_EVENT_SOURCE,
	RW_EVENT_BOOT_ID,
	RW_EVENT_COMM,
	RW_EVENT_SIGNATURE,
	RW_EVENT_SYMBOL,
	RW_EVENT_MODULE,
	RW_EVENT_DETAIL,
	RW_EVENT_STACK,
	RW_EVENT_FACTS,
	RW_EVENT_DRILL, /* "" but of a drill */
	RW_EVENT_TEXT_COUNT
};

struct rw_journal_event {
	const char *text[RW_EVENT_TEXT_COUNT];
	uint8_t spool_id[16];
	uint64_t sequence;
	uint64_t at_wall_ms, received_wall_ms, host_wall_ms;
	uint64_t boot_order, boot_ms;
	uint32_t cpu, pid, count;
	int32_t error;
	uint32_t signatures_a_day;
	bool over_quota;
	uint64_t about;    /* not 0: only `log`, of the event of that sequence before it */
	const void *log;   /* zlib form */
	uint32_t log_size; /* 0: none */
	uint32_t log_plain;
};

/* As rw_store_open(); takes the lock file and checks the database. */
int rw_journal_open(const char *path, struct rw_journal **out, char error[RW_STORE_ERROR_BYTES]);
void rw_journal_close(struct rw_journal *journal);

int rw_journal_load(struct rw_journal *journal, const struct rw_store_loader *loader,
		    char error[RW_STORE_ERROR_BYTES]);

int rw_journal_begin(struct rw_journal *journal);
int rw_journal_commit(struct rw_journal *journal);
void rw_journal_rollback(struct rw_journal *journal);

int rw_journal_put_host(struct rw_journal *journal, uint64_t at_wall_ms,
			const struct rw_host_row *row);
int rw_journal_put_deployment(struct rw_journal *journal, const struct rw_deployment_row *row);
int rw_journal_put_run(struct rw_journal *journal, const struct rw_run_row *row);
int rw_journal_put_exposure(struct rw_journal *journal, const struct rw_exposure_row *row);
int rw_journal_put_evidence(struct rw_journal *journal, const struct rw_evidence_row *row);
int rw_journal_clear_evidence(struct rw_journal *journal, const struct rw_run_row *run);
int rw_journal_put_sighting(struct rw_journal *journal, const struct rw_sighting_row *row);
int rw_journal_put_trouble(struct rw_journal *journal, const struct rw_trouble_row *row);
int rw_journal_put_signature(struct rw_journal *journal, const struct rw_signature_row *row);
/* And whatever row names it, but for events and audit. */
int rw_journal_forget_deployment(struct rw_journal *journal, const struct rw_deployment_row *row);
int rw_journal_forget_signature(struct rw_journal *journal, const struct rw_signature_row *row);
int rw_journal_put_sample(struct rw_journal *journal, const struct rw_sample_row *row);
int rw_journal_put_life(struct rw_journal *journal, const struct rw_life_row *row);
int rw_journal_put_event(struct rw_journal *journal, const struct rw_journal_event *event);

/* What became of the events of the transaction, or of the last one. */
struct rw_journal_counts {
	uint64_t signatures_over_quota;
	uint64_t excerpts_kept, excerpts_unmatched, excerpts_over_quota;
};
struct rw_journal_counts rw_journal_counts(const struct rw_journal *journal);

int rw_journal_put_audit(struct rw_journal *journal, const struct rw_audit_row *row);
int rw_journal_put_slot(struct rw_journal *journal, const struct rw_slot_row *row);
int rw_journal_put_drill(struct rw_journal *journal, const struct rw_drill_row *row);
int rw_journal_put_delivery(struct rw_journal *journal, const struct rw_delivery_row *row);
int rw_journal_put_delivery_result(struct rw_journal *journal,
				   const struct rw_delivery_result *result);
/* With the texts and the time of the result alone. */
int rw_journal_retry_delivery(struct rw_journal *journal, const struct rw_delivery_result *result);

/*
 * Removes events and presence transitions from before `before_wall_ms`, a
 * bounded piece at a time; events of hosts that an active deployment has
 * exposed stay. Exposures of deployments that ended before it go, too. Logs go with
 * their events, and quotas when their day is past; the audit trail stays.
 * *cursor starts at 0 and comes back 0 when all is swept. In a transaction of
 * its own.
 */
int rw_journal_sweep(struct rw_journal *journal, uint64_t now_wall_ms, uint64_t before_wall_ms,
		     uint64_t *cursor);

/* One line for the last error of this connection; lives until its next call. */
const char *rw_journal_error(struct rw_journal *journal);

/* Negative errno for a result code of SQLite. Also used by the reader. */
int rw_journal_errno(int sqlite_code);

#endif
