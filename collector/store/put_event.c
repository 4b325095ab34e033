/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events in, with what bounds them: a host's signatures and logs of a day,
 * the one row that counts the rest, and the high-water marks of spools.
 */
#include "collector/store/internal.h"

enum {
	EXCERPT_ROWS = 256, /* a host's last ones, of which one may get its log */
};

_Static_assert((int)RW_STORE_EXCERPTS_A_DAY *(int)RW_LOG_PACKED_MAX <= 256 * 1024,
	       "what store.h promises");

static int raise_mark(struct rw_journal *journal, const struct rw_journal_event *event)
{
	struct rw_binder b;

	for (int attempt = 0; attempt < 2; attempt++) {
		b = rw_bind_to(journal, attempt == 0 ? S_SPOOL_RAISE : S_SPOOL_NEW);
		rw_bind_text(&b, event->text[RW_EVENT_HOST]);
		rw_bind_id(&b, event->spool_id);
		rw_bind_u64(&b, event->sequence);
		rw_bind_u64(&b, event->received_wall_ms);
		int err = rw_binder_run(&b);
		if (err != 0)
			return err;
		if (attempt == 0 && sqlite3_changes(journal->db) > 0)
			return 0;
	}
	/* A new spool: a host that remakes it again and again must not fill the disk. */
	b = rw_bind_to(journal, S_SPOOL_FORGET);
	rw_bind_text(&b, event->text[RW_EVENT_HOST]);
	rw_bind_id(&b, event->spool_id);
	rw_bind_i64(&b, RW_STORE_SPOOLS_PER_HOST);
	return rw_binder_run(&b);
}

static int insert_event(struct rw_journal *journal, const struct rw_journal_event *event)
{
	struct rw_binder b = rw_bind_to(journal, S_EVENT);

	for (int i = 0; i < RW_EVENT_TEXT_COUNT; i++)
		rw_bind_text(&b, event->text[i]);
	rw_bind_id(&b, event->spool_id);
	rw_bind_u64(&b, event->sequence);
	rw_bind_u64(&b, event->at_wall_ms);
	rw_bind_u64(&b, event->received_wall_ms);
	rw_bind_u64(&b, event->host_wall_ms);
	rw_bind_u64(&b, event->boot_order);
	rw_bind_u64(&b, event->boot_ms);
	rw_bind_u64(&b, event->cpu);
	rw_bind_u64(&b, event->pid);
	rw_bind_i64(&b, event->error);
	rw_bind_u64(&b, event->count);
	return rw_binder_run(&b);
}

static uint64_t day_of(const struct rw_journal_event *event)
{
	return event->received_wall_ms / RW_STORE_DAY_MS;
}

static struct rw_binder bind_signature(struct rw_journal *journal, enum rw_statement which,
				       const struct rw_journal_event *event)
{
	struct rw_binder b = rw_bind_to(journal, which);

	rw_bind_u64(&b, day_of(event));
	rw_bind_text(&b, event->text[RW_EVENT_HOST]);
	rw_bind_text(&b, event->text[RW_EVENT_SEVERITY]);
	rw_bind_text(&b, event->text[RW_EVENT_SIGNATURE]);
	return b;
}

/*
 * Whether the event's signature is one of those that the host has shown on this
 * day, or may be one more. Each severity has its own: a host that warns of
 * everything still has room to tell of what kills it.
 */
static int may_have_signature(struct rw_journal *journal, const struct rw_journal_event *event,
			      bool *allowed)
{
	struct rw_binder b = bind_signature(journal, S_SIGNATURE_KNOWN, event);
	int err = rw_binder_look(&b, allowed);

	rw_binder_put_back(&b);
	if (err != 0 || *allowed)
		return err;
	b = bind_signature(journal, S_SIGNATURE_NEW, event);
	rw_bind_u64(&b, event->signatures_a_day != 0 ? event->signatures_a_day
						     : RW_STORE_SIGNATURES_A_DAY);
	err = rw_binder_run(&b);
	*allowed = err == 0 && sqlite3_changes(journal->db) > 0;
	return err;
}

/* One row a host, kind and day, whose count grows. */
static int count_overflow(struct rw_journal *journal, const struct rw_journal_event *event)
{
	uint64_t day = day_of(event);
	struct rw_binder b = rw_bind_to(journal, S_OVERFLOW_ADD);

	rw_bind_text(&b, event->text[RW_EVENT_HOST]);
	rw_bind_text(&b, event->text[RW_EVENT_KIND]);
	rw_bind_u64(&b, day);
	rw_bind_u64(&b, event->count);
	rw_bind_u64(&b, event->received_wall_ms);
	int err = rw_binder_run(&b);
	if (err != 0 || sqlite3_changes(journal->db) > 0)
		return err;

	struct rw_journal_event first = *event;
	first.text[RW_EVENT_SIGNATURE] = RW_STORE_OVER_QUOTA;
	first.text[RW_EVENT_DETAIL] =
		"events of this kind beyond the host's quota on this day, only counted";
	first.text[RW_EVENT_COMM] = first.text[RW_EVENT_SYMBOL] = "";
	first.text[RW_EVENT_MODULE] = first.text[RW_EVENT_STACK] = "";
	first.text[RW_EVENT_FACTS] = "";
	err = insert_event(journal, &first);
	if (err != 0)
		return err;
	b = rw_bind_to(journal, S_OVERFLOW_NEW);
	rw_bind_text(&b, event->text[RW_EVENT_HOST]);
	rw_bind_text(&b, event->text[RW_EVENT_KIND]);
	rw_bind_u64(&b, day);
	rw_bind_i64(&b, sqlite3_last_insert_rowid(journal->db));
	return rw_binder_run(&b);
}

/* Keeps the log of an event, if this host may have one more of that severity today. */
static int keep_excerpt(struct rw_journal *journal, const struct rw_journal_event *event,
			uint64_t row_id, const char *severity)
{
	struct rw_binder b = rw_bind_to(journal, S_EXCERPT_DAY);

	rw_bind_u64(&b, day_of(event));
	rw_bind_text(&b, event->text[RW_EVENT_HOST]);
	rw_bind_text(&b, severity);
	rw_bind_u64(&b, RW_STORE_EXCERPTS_A_DAY);
	int err = rw_binder_run(&b);
	if (err != 0)
		return err;
	if (sqlite3_changes(journal->db) == 0) {
		journal->counts.excerpts_over_quota++;
		return 0;
	}
	b = rw_bind_to(journal, S_EXCERPT);
	rw_bind_u64(&b, row_id);
	rw_bind_blob(&b, event->log, event->log_size);
	rw_bind_u64(&b, event->log_plain);
	journal->counts.excerpts_kept++;
	return rw_binder_run(&b);
}

/* The log of an event that came before. */
static int put_excerpt(struct rw_journal *journal, const struct rw_journal_event *event)
{
	bool found;

	if (event->over_quota) {
		journal->counts.excerpts_over_quota++;
		return 0;
	}
	struct rw_binder b = rw_bind_to(journal, S_EXCERPT_FIND);
	rw_bind_text(&b, event->text[RW_EVENT_HOST]);
	rw_bind_u64(&b, event->about);
	rw_bind_id(&b, event->spool_id);
	rw_bind_u64(&b, EXCERPT_ROWS);
	int err = rw_binder_look(&b, &found);
	if (err == 0 && !found)
		journal->counts.excerpts_unmatched++;
	if (err == 0 && found)
		err = keep_excerpt(journal, event, (uint64_t)sqlite3_column_int64(b.statement, 0),
				   (const char *)sqlite3_column_text(b.statement, 1));
	rw_binder_put_back(&b);
	return err;
}

static int put_happening(struct rw_journal *journal, const struct rw_journal_event *event)
{
	bool allowed = false;
	int err = event->over_quota ? 0 : may_have_signature(journal, event, &allowed);

	if (err != 0)
		return err;
	journal->counts.signatures_over_quota += !allowed && !event->over_quota;
	if (!allowed)
		return count_overflow(journal, event);
	err = insert_event(journal, event);
	if (err != 0 || event->log_size == 0)
		return err;
	return keep_excerpt(journal, event, (uint64_t)sqlite3_last_insert_rowid(journal->db),
			    event->text[RW_EVENT_SEVERITY]);
}

int rw_journal_put_event(struct rw_journal *journal, const struct rw_journal_event *event)
{
	int err = event->about != 0 ? put_excerpt(journal, event) : put_happening(journal, event);

	return err != 0 ? err : raise_mark(journal, event);
}

struct rw_journal_counts rw_journal_counts(const struct rw_journal *journal)
{
	return journal->counts;
}
