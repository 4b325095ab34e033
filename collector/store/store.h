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
#include "proto/limits.h"
#include "proto/ringwatch.pb-c.h"

enum {
	/* PRAGMA user_version, matched exactly; 2 and 3 are migrated. 1 was never released. */
	RW_STORE_SCHEMA = 4,
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
 * A store of an earlier schema is migrated first, and a line in the log says so.
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

/* A staged failure; see collector/drills.h. */
struct rw_drill_row {
	char drill[2 * RW_DRILL_BYTES + 1];
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	char host[RW_CORE_NAME_BYTES];
	char actor[RW_CORE_NAME_BYTES];
	uint64_t started_wall_ms;
	uint64_t proved_wall_ms; /* the verdict said abort; 0: not (yet) */
	uint64_t ended_wall_ms;  /* 0: it has not */
	char detail[RW_CORE_TEXT_BYTES];
};

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
	/* Drills that have not ended, and of each ring the last that was proved. May be NULL. */
	int (*drill)(void *context, const struct rw_drill_row *row);
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

/* What a verdict said at one moment of a bake. */
struct rw_sample_row {
	char deployment[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES];
	uint64_t at_wall_ms;
	uint32_t step;
	enum rw_decision decision;
	bool breaker_open;
	uint64_t exposed, at_risk, failed, unheard;
	uint32_t coverage_ppm;
	uint64_t observed_ms; /* of the step's bake */
};
uint64_t rw_store_push_sample(struct rw_store *store, const struct rw_sample_row *row);

/* A host that may reboot into a new version and has not said that it is well since. */
struct rw_slot_row {
	const char *ring;
	const char *holder;
	uint64_t reserved_wall_ms; /* 0: it is returned */
};
uint64_t rw_store_push_slot(struct rw_store *store, const struct rw_slot_row *row);

/* A drill has begun, or got on: one row a name. */
uint64_t rw_store_push_drill(struct rw_store *store, const struct rw_drill_row *row);
/*
 * What is told to a webhook; see collector/webhook/webhooks.h. A delivery is pending until it
 * is delivered, dead (it will not be tried again by itself) or skipped (nothing was to be
 * sent, or a later verdict overtook it).
 */
enum rw_delivery_state {
	RW_DELIVERY_PENDING = 1,
	RW_DELIVERY_DELIVERED,
	RW_DELIVERY_DEAD,
	RW_DELIVERY_SKIPPED
};
const char *rw_delivery_state_name(enum rw_delivery_state state);
/* By that name; false: there is none. */
bool rw_delivery_state_parse(const char *name, enum rw_delivery_state *out);

enum {
	RW_DELIVERIES_PENDING_MAX = 10000, /* of a target */
	RW_DELIVERIES_KEPT_DAYS = 30,      /* after their end, with a longer retention, too */
};
/* Of one that is no verdict: it overtakes nothing, and nothing overtakes it. */
#define RW_DELIVERY_BREAKER "breaker"

/*
 * One more. Of a verdict, what is pending of the target's earlier verdicts on the same
 * deployment and ring becomes skipped. When as many as `pending_max` are pending for the
 * target, the oldest become dead, verdicts first.
 */
struct rw_delivery_row {
	const char *delivery; /* its id, once and for all */
	const char *target;
	const char *kind; /* the verdict that is told, or RW_DELIVERY_BREAKER */
	const char *deployment, *ring;
	const char *body;
	const char *skip; /* "" to send it; else why it is skipped */
	uint64_t created_wall_ms;
	uint32_t pending_max;
};
uint64_t rw_store_push_delivery(struct rw_store *store, const struct rw_delivery_row *row);

/* What became of an attempt. Also from another thread than the loop's. */
struct rw_delivery_result {
	const char *delivery;
	enum rw_delivery_state state; /* PENDING: again at next_wall_ms */
	uint64_t now_wall_ms, next_wall_ms;
	const char *error; /* "" when it was delivered */
};
uint64_t rw_store_push_delivery_result(struct rw_store *store,
				       const struct rw_delivery_result *result);
/* A dead one becomes pending again, unless a later verdict was told since. */
uint64_t rw_store_push_delivery_retry(struct rw_store *store, const char *delivery,
				      uint64_t now_wall_ms);

/* Upper bounds of commit times in ms: 1, 5, 10, 50, 100, 500, 1000, 5000, none. */
enum { RW_STORE_LATENCY_BUCKETS = 9 };

struct rw_store_stats {
	uint64_t queued; /* waiting now */
	uint64_t pushed, committed;
	uint64_t commits;
	uint64_t failures;
	uint64_t last_commit_us;                           /* how long the last commit took */
	uint64_t commit_us;                                /* all of them together */
	uint64_t commits_within[RW_STORE_LATENCY_BUCKETS]; /* each commit in one of them */
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

/* Empty or 0 fields do not filter. Newest first; `cursor` = rows with a smaller row id only.
 * `oldest_first`: with a greater one. */
struct rw_event_query {
	const char *host, *ring, *kind, *signature, *deployment;
	uint64_t since_wall_ms, until_wall_ms;
	uint64_t cursor;
	uint32_t limit;
	bool oldest_first;
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

/*
 * Signatures among the events that the fields choose (empty or 0: all), newest last_wall_ms
 * first. Only the RW_STORE_SIGNATURE_EVENTS newest events of the store are looked
 * through, so that the cost has a bound. A page goes on behind the row whose
 * `bound`, last_wall_ms and last_row are given; `bound` 0 begins, and what comes after
 * a beginning is on none of its pages.
 */
enum { RW_STORE_SIGNATURE_EVENTS = 100000 };
struct rw_signature_query {
	const char *ring, *deployment;
	uint64_t since_wall_ms;
	uint64_t bound, last_wall_ms, last_row;
	uint32_t limit;
};
struct rw_signature_read {
	uint64_t bound, last_row;             /* for the next page */
	uint64_t hosts, events;               /* of those that were chosen */
	uint64_t first_wall_ms, last_wall_ms; /* first: in the whole store, wherever */
	const char *signature, *kind, *symbol, *module, *detail; /* of the newest event */
	const char *rings;                                       /* parted by commas */
	/* Active deployments that began to expose before first_wall_ms, parted by commas. */
	const char *new_since;
};
int rw_store_reader_signatures(struct rw_store_reader *reader,
			       const struct rw_signature_query *query,
			       int (*row)(void *context, const struct rw_signature_read *row),
			       void *context);

struct rw_audit_read {
	uint64_t row_id, at_wall_ms;
	const char *actor, *action, *subject, *detail;
};
int rw_store_reader_audit(struct rw_store_reader *reader, uint64_t cursor, uint32_t limit,
			  int (*row)(void *context, const struct rw_audit_read *row),
			  void *context);

/* Newest first, with a row id below `cursor` (0: all). Of one ring, or one of this name;
 * NULL or "": of any. */
struct rw_drill_query {
	const char *ring, *drill;
	uint64_t cursor;
	uint32_t limit;
};
int rw_store_reader_drills(struct rw_store_reader *reader, const struct rw_drill_query *query,
			   int (*row)(void *context, uint64_t row_id,
				      const struct rw_drill_row *row),
			   void *context);

/* All slots that are held, in no order. */
int rw_store_reader_slots(struct rw_store_reader *reader,
			  int (*row)(void *context, const struct rw_slot_row *row), void *context);

struct rw_delivery_read {
	uint64_t row_id;
	const char *delivery, *target, *kind, *deployment, *ring, *error;
	const char *body; /* NULL but of those that are due */
	enum rw_delivery_state state;
	uint64_t created_wall_ms;
	uint64_t attempts;
	uint64_t next_wall_ms;
	uint64_t ended_wall_ms; /* of a pending one: when an operator had it tried again; 0 */
};
typedef int rw_delivery_fn(void *context, const struct rw_delivery_read *row);

/* Newest first; fields that are empty or 0 do not filter. */
struct rw_delivery_query {
	const char *target, *delivery;
	enum rw_delivery_state state;
	uint64_t cursor;
	uint32_t limit;
};
int rw_store_reader_deliveries(struct rw_store_reader *reader,
			       const struct rw_delivery_query *query, rw_delivery_fn *row,
			       void *context);
/*
 * What is to be sent to a target now, in the order in which it was to be; also what is not
 * due before `latest_wall_ms`: a clock that was set back shall not keep it for so long.
 */
int rw_store_reader_deliveries_due(struct rw_store_reader *reader, const char *target,
				   uint64_t now_wall_ms, uint64_t latest_wall_ms, uint32_t limit,
				   rw_delivery_fn *row, void *context);
/* When the next one of any target is due, after now; 0: none is. */
int rw_store_reader_deliveries_next(struct rw_store_reader *reader, uint64_t now_wall_ms,
				    uint64_t *next_wall_ms);
/* The last verdict that each target was told of each deployment and ring, skipped ones too. */
int rw_store_reader_deliveries_told(struct rw_store_reader *reader, rw_delivery_fn *row,
				    void *context);
/* How many of each target are pending or dead: `attempts` of the row. */
int rw_store_reader_deliveries_counts(struct rw_store_reader *reader, rw_delivery_fn *row,
				      void *context);
/* Whether a later verdict was told of the same; -ENOENT without such a delivery. */
int rw_store_reader_delivery_overtaken(struct rw_store_reader *reader, const char *delivery,
				       bool *overtaken);

/* Presence transitions of a host, newest first. */
struct rw_transition_read {
	uint64_t row_id, at_wall_ms;
	const char *host, *ring, *from, *to;
};
int rw_store_reader_transitions(struct rw_store_reader *reader, const char *host, uint64_t cursor,
				uint32_t limit,
				int (*row)(void *context, const struct rw_transition_read *row),
				void *context);

/* The same of all hosts, oldest first, with a greater row id than this. */
int rw_store_reader_transitions_after(
	struct rw_store_reader *reader, uint64_t row_id, uint32_t limit,
	int (*row)(void *context, const struct rw_transition_read *row), void *context);

/* The greatest row ids; 0: there is none. */
struct rw_store_newest {
	uint64_t event, transition;
};
int rw_store_reader_newest(struct rw_store_reader *reader, struct rw_store_newest *out);

/* Samples of one deployment in one ring, oldest first; their names are left empty. */
int rw_store_reader_samples(struct rw_store_reader *reader, const char *deployment,
			    const char *ring,
			    int (*row)(void *context, const struct rw_sample_row *row),
			    void *context);

#endif
