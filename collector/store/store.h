/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's memory on disk: SQLite, WAL, synchronous=FULL.
 *
 * One writer thread owns the writing connection. The loop thread hands it
 * operations through a bounded queue (rw_store_push_*), each of which gets a
 * sequence number, growing from 1; the writer commits them in batches and then
 * calls `committed` with the last number that is on disk. What an operation
 * acknowledges (an event, an act of an operator) is acknowledged only then.
 *
 * API threads read through connections of their own (rw_store_reader_open).
 *
 * When a commit fails the writer calls `failed` once, keeps the batch, and
 * tries again every second until it succeeds (`recovered`): nothing is lost
 * while the process lives, and nothing is acknowledged meanwhile.
 *
 * Strings are copied. All functions return 0 or negative errno.
 */
#ifndef RINGWATCH_STORE_STORE_H
#define RINGWATCH_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/core/core.h"
#include "proto/ringwatch.pb-c.h"

enum {
	/* PRAGMA user_version, matched exactly; 2 is migrated. 1 was never released. */
	RW_STORE_SCHEMA = 3,
	/* A larger file is looked through for damage only when it may have been torn. */
	RW_STORE_ALWAYS_CHECKED_BYTES = 64 << 20,
	RW_STORE_QUEUE_MAX =
		65536, /* operations waiting for the writer, before events are refused */
	RW_STORE_QUEUE_BYTES = 64 << 20, /* of memory, likewise */
	/* A batch that was let in is taken whole, with what its events change in between. */
	RW_STORE_BATCH_SLACK = 4096,
	RW_STORE_CHANGES_MAX = 4000000, /* before changes are refused, too */
	RW_STORE_BATCH_MAX = 1000,
	/* Of each host and severity; what is beyond is only counted. */
	RW_STORE_SIGNATURES_A_DAY = 64,
	RW_STORE_EXCERPTS_A_DAY = 64, /* of RW_LOG_PACKED_MAX bytes at most: 256 KiB */
	RW_STORE_ERROR_BYTES = 512,
	RW_STORE_PATH_BYTES = 1100, /* the longest path, and what setting aside adds */
};

struct rw_store;

struct rw_store_callbacks { /* called on the writer's thread */
	void *context;
	void (*committed)(void *context, uint64_t sequence);
	void (*failed)(void *context, const char *reason);
	void (*recovered)(void *context);
};

/*
 * Opens or makes the database file `path` and starts the writer. -EPROTO when
 * it holds another schema number, -EUCLEAN when it is damaged, -EBUSY when
 * another collector has it open, else negative errno; `error` is one line.
 * A store of the schema before is migrated first, and a line in the log says so.
 * `retention_ms`: events older than that, of no active deployment, are removed
 * by and by; 0 = kept.
 */
int rw_store_open(const char *path, uint64_t retention_ms,
		  const struct rw_store_callbacks *callbacks, struct rw_store **out,
		  char error[RW_STORE_ERROR_BYTES]);
/* Commits what is queued, stops the writer, closes. */
void rw_store_close(struct rw_store *store);

/*
 * Before a start that may lose what is damaged: looks through all of the file and of
 * what rw_store_load() would read. Damaged, it gets the name
 * PATH.damaged-YYYYMMDDTHHMMSSZ, with its WAL, and that name is in `moved_to` and what
 * is wrong in `error`; else `moved_to` is "". 0, or negative errno and one line when it
 * cannot be looked at or renamed, or is no store of ours.
 */
int rw_store_set_aside_damaged(const char *path, char moved_to[RW_STORE_PATH_BYTES],
			       char error[RW_STORE_ERROR_BYTES]);

/*
 * Before the first push: every row, in the order that rw_core_restore wants.
 * A callback's negative value stops and is returned; so does -EUCLEAN for a row that
 * cannot be, named in `error` with its table and column. What was handed out before is
 * then part of a state, and to be thrown away.
 */
struct rw_store_loader {
	void *context;
	int (*row)(void *context, const struct rw_change *row);
	/* The high-water mark of a host's spool. */
	int (*spool)(void *context, const char *host, const uint8_t spool_id[16],
		     uint64_t sequence);
};
int rw_store_load(struct rw_store *store, const struct rw_store_loader *loader,
		  char error[RW_STORE_ERROR_BYTES]);

/* ---- from the loop thread; each returns its sequence, 0 when the queue is full ---- */

/*
 * Whether `events` more events are taken. Changes and audit rows are taken
 * beyond that, up to RW_STORE_CHANGES_MAX: starting a deployment on a large ring
 * makes a row a host in one call.
 */
bool rw_store_has_room(const struct rw_store *store, uint32_t events);

/*
 * What is pushed between begin and end reaches the disk in one transaction or
 * not at all: an event with the crash that it made, an act with all its rows.
 * May be nested.
 */
void rw_store_group_begin(struct rw_store *store);
void rw_store_group_end(struct rw_store *store);

uint64_t rw_store_push_change(struct rw_store *store, const struct rw_change *change);

struct rw_store_event {
	const char *host;
	const char *ring;
	const uint8_t *spool_id; /* 16 bytes */
	const Ringwatch__V1__Event *event;
	uint64_t at_wall_ms; /* by the collector's clock */
	uint64_t received_wall_ms;
	uint32_t signatures_a_day; /* of a severity; 0: RW_STORE_SIGNATURES_A_DAY */
	bool over_quota; /* only counted: one row a host, kind and day, and the high-water mark */
};
/*
 * Also raises the high-water mark of (host, spool) to event->sequence, in the same
 * transaction. A log excerpt becomes no row of its own: it is kept with the event
 * that it is about, when that is one of the host's last and has none.
 */
uint64_t rw_store_push_event(struct rw_store *store, const struct rw_store_event *event);

struct rw_audit_row {
	uint64_t at_wall_ms;
	const char *actor;   /* the token's name, or "collector" */
	const char *action;  /* "deploy_start", "breaker_opened", … */
	const char *subject; /* "deployment=D ring=R" */
	const char *detail;  /* reason, or "" */
};
uint64_t rw_store_push_audit(struct rw_store *store, const struct rw_audit_row *row);

struct rw_store_stats {
	uint64_t queued; /* waiting now */
	uint64_t pushed, committed;
	uint64_t commits;
	uint64_t failures;
	uint64_t last_commit_us; /* how long the last commit took */
	uint64_t signatures_over_quota;
	uint64_t excerpts_kept;
	uint64_t excerpts_unmatched; /* their event is not there, or has its log already */
	uint64_t excerpts_over_quota;
};
void rw_store_stats(const struct rw_store *store, struct rw_store_stats *out);

/* ---- reading, from any thread; one reader belongs to one thread ---- */

struct rw_store_reader;
int rw_store_reader_open(const char *path, struct rw_store_reader **out,
			 char error[RW_STORE_ERROR_BYTES]);
void rw_store_reader_close(struct rw_store_reader *reader);

/* Empty or 0 fields do not filter. Newest first; `cursor` = rows with a smaller row id only. */
struct rw_event_query {
	const char *host, *ring, *kind, *signature, *deployment;
	uint64_t since_wall_ms, until_wall_ms;
	uint64_t cursor;
	uint32_t limit;
};
struct rw_event_row {
	uint64_t row_id;
	uint64_t sequence;
	uint64_t at_wall_ms, received_wall_ms;
	uint64_t boot_order, boot_ms;
	uint32_t cpu, pid, count;
	int32_t error;
	const char *host, *ring, *spool_id /* hex */, *kind, *severity, *source, *boot_id, *comm;
	const char *signature, *symbol, *module, *detail;
	const char *stack; /* frames separated by '\n' */
	const char *facts; /* a JSON object of texts */
	bool has_log;
	/* Of rw_store_reader_event alone: the kernel log in zlib form; NULL none. */
	const void *log;
	size_t log_size;
	uint32_t log_bytes; /* what it unpacks to */
};
/* The row lives during the callback; a value other than 0 stops. */
int rw_store_reader_events(struct rw_store_reader *reader, const struct rw_event_query *query,
			   int (*row)(void *context, const struct rw_event_row *row),
			   void *context);

/* One event with its log. The callback comes once, or not at all. */
int rw_store_reader_event(struct rw_store_reader *reader, const char *host,
			  const uint8_t spool_id[16], uint64_t sequence,
			  int (*row)(void *context, const struct rw_event_row *row), void *context);

struct rw_audit_read {
	uint64_t row_id, at_wall_ms;
	const char *actor, *action, *subject, *detail;
};
int rw_store_reader_audit(struct rw_store_reader *reader, uint64_t cursor, uint32_t limit,
			  int (*row)(void *context, const struct rw_audit_read *row),
			  void *context);

/* Presence transitions of a host, newest first. */
struct rw_transition_read {
	uint64_t row_id, at_wall_ms;
	const char *host, *ring, *from, *to;
};
int rw_store_reader_transitions(struct rw_store_reader *reader, const char *host, uint64_t cursor,
				uint32_t limit,
				int (*row)(void *context, const struct rw_transition_read *row),
				void *context);

#endif
