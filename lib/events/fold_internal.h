/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the fold share; see fold.h for what it is.
 *
 *   fold.c           its life, and what leaves
 *   fold_match.c     which of what two sources tell is one thing
 *   fold_finish.c    severity, detail and cause, when an event leaves
 *   fold_bpf.c       records: which goes where, and what all have in common
 *   fold_log.c       lines: which goes where, and the block that is being read
 *   fold_crash.c     oopses, warnings, reports, panics, restarts, from either source
 *   fold_stall.c     lockups, stalls, hung tasks, tasks killed for want of memory
 *   fold_hardware.c  machine checks, memory errors, PCIe errors
 *   fold_module.c    modules that do not load, and taint
 *   sign.c           what an event is called
 *   storm.c          many events of one name
 *
 * held[]: events that are not finished. past[]: small memories of what has
 * left, so that the slower source can be recognised. block: the part of the
 * kernel log that is being read (an oops prints some 60 lines); its event may
 * have left already, then left[] has its token.
 */
#ifndef RINGWATCH_LIB_EVENTS_FOLD_INTERNAL_H
#define RINGWATCH_LIB_EVENTS_FOLD_INTERNAL_H

#include "lib/events/fold.h"
#include "lib/events/names.h"
#include "lib/events/storm.h"

enum {
	RW_FOLD_HELD = 16,
	RW_FOLD_PAST = 64,
	RW_FOLD_LEFT = 32,
	RW_FOLD_RECALLED = 16,
	RW_FOLD_HANGS = 64,
	RW_FOLD_CAUSES = 10,          /* as many as kinds that may lead to a panic */
	RW_FOLD_DRIFT_PARTS = 5000,   /* 200 ppm: how far the log's clock may have drifted */
	RW_FOLD_LATE_MS = 5000,       /* a slow console delays what follows a begin */
	RW_FOLD_ONE_PANIC_MS = 10000, /* a machine panics once */
	RW_FOLD_FORGET_MS = 2 * RW_FOLD_ONE_PANIC_MS,
	RW_FOLD_ONE_KILL_MS = RW_FOLD_FORGET_MS, /* a process is killed once */
	RW_FOLD_TAIL_LINES = 16, /* unknown lines that still belong to a block, */
	RW_FOLD_TAIL_MS = 100,   /* when they come so soon behind it */
};

/* What tells things of one kind apart; what is unknown fits all. */
struct rw_like {
	Ringwatch__V1__Kind kind;
	uint32_t cpu; /* RW_CPU_UNKNOWN */
	uint32_t pid; /* 0 unknown */
	uint64_t key; /* of a place, a module, a device: rw_fold_hash; 0 unknown */
};

/*
 * When a thing happened. A BPF record knows it. A log line's own clock is
 * another one, that drifts and stops in suspend; so what is known of a line is
 * that it came after the last look and before now. Thus a sensor that was kept
 * from running still recognises what belongs together.
 */
struct rw_span {
	uint64_t from_ms;
	uint64_t to_ms;
};

/* The line at hand. */
struct rw_line_at {
	uint64_t sequence;
	uint64_t ms;
	struct rw_span when;
	bool backlog;
	struct rw_events_time now;
};

struct rw_held {
	uint64_t begun_ms;
	uint64_t deadline_ms;
	bool ready;
	bool bpf;
	bool log;
	bool confirmable;   /* BPF may still tell of what the log told */
	bool announced;     /* the log has told only that something will be told */
	bool log_stack;     /* its stack is the log's */
	uint64_t start;     /* of a hung task: what tells it from others of its pid; 0 unknown */
	uint64_t log_first; /* sequences of its lines; meaningful with `log` */
	uint64_t log_last;
	struct rw_event event;
};

struct rw_past {
	bool used;
	struct rw_like like;
	uint64_t begun_ms;
	uint32_t bpf; /* how many each source has told */
	uint32_t log;
};

/* An event that left at once, and whose log may yet come. */
struct rw_left {
	bool used;
	struct rw_like like;
	uint64_t begun_ms;
	uint64_t token;
};

struct rw_block {
	bool open;
	bool only_tail; /* of a kind that one line tells: no more is read from it */
	bool die_seen;
	bool in_trace;
	bool traced;    /* its event has frames from here: the next trace is another's */
	bool nowhere;   /* the instruction is in no code */
	bool elsewhere; /* these lines tell of another CPU */
	Ringwatch__V1__Kind kind;
	struct rw_held *held; /* NULL: it has left, or there is none */
	struct rw_left left;  /* used: of an event that had left before the block began */
	uint64_t token;       /* 0: nobody asks for its lines */
	uint64_t first;
	uint64_t last;
	uint64_t last_ms;      /* by the log's clock */
	uint64_t last_seen_ms; /* a line that belongs to it for sure, by ours */
	uint32_t tail;
};

/* What an earlier life has spooled, and how often the log may yet tell it. */
struct rw_recalled {
	struct rw_like like;
	uint64_t boot_ms;
	uint32_t owed;
};

/* A hang that was told: it will be told again as long as it lasts. */
struct rw_hang {
	struct rw_like like;
	uint64_t start;
	uint64_t last_ms;
};

/* The last event of a kind that may lead to a panic. */
struct rw_cause {
	Ringwatch__V1__Kind kind;
	uint64_t boot_ms;
	char symbol[RW_SYMBOL_MAX + 1];
	char module[RW_COMM_MAX + 1];
	char signature[RW_SIGNATURE_MAX + 1];
};

struct rw_events {
	struct rw_events_config config;
	bool in_bpf[RW_EVENTS_KINDS];
	uint64_t told[RW_EVENTS_KINDS];
	uint64_t tainted;
	struct rw_storms *storms;
	struct rw_held *held[RW_FOLD_HELD];
	struct rw_past past[RW_FOLD_PAST];
	struct rw_left left[RW_FOLD_LEFT];
	uint32_t left_count;
	uint64_t last_token;
	struct rw_block block;
	struct rw_recalled recalled[RW_FOLD_RECALLED]; /* a ring: the last ones */
	uint32_t recalled_count;
	struct rw_hang hangs[RW_FOLD_HANGS];
	struct rw_cause causes[RW_FOLD_CAUSES];
	struct rw_symbol last_ip; /* of an oops whose begin the log has lost */
	uint64_t last_ip_ms;
	uint64_t log_last;  /* UINT64_MAX: no line yet */
	uint64_t looked_ms; /* when both sources were last found empty; UINT64_MAX: never */
};

/* ---- fold_match.c ---------------------------------------------------------------- */

/* Never 0 but for "". */
uint64_t rw_fold_hash(const char *text);
struct rw_span rw_fold_moment(uint64_t at_ms);
/* Of this kind, with nothing known. */
struct rw_like rw_fold_like(Ringwatch__V1__Kind kind);
/* By what events of its kind are told apart. */
struct rw_like rw_fold_like_of(const struct rw_event *event);
bool rw_fold_is_alike(const struct rw_like *a, const struct rw_like *b);

/* Which sources must, or must not, have told it. */
enum rw_want { RW_WANT_ANY = 0, RW_WANT_NO_BPF = 1, RW_WANT_NO_LOG = 2, RW_WANT_BPF = 4 };

struct rw_held *rw_fold_find_held(struct rw_events *ev, struct rw_like like, struct rw_span when,
				  uint64_t within_ms, int want);
struct rw_past *rw_fold_find_past(struct rw_events *ev, struct rw_like like, struct rw_span when,
				  uint64_t within_ms, int want);
struct rw_past *rw_fold_remember(struct rw_events *ev, struct rw_like like, uint64_t begun_ms);
/* Whether an earlier life has spooled what this old line begins to tell. */
bool rw_fold_was_spooled(struct rw_events *ev, struct rw_like like, const struct rw_line_at *at);

/*
 * One source begins to tell of a thing that each source tells once: the event
 * that it is part of, made when there is none. NULL: it was told already, or there
 * is no memory. Within RW_EVENTS_APART_MS of one another they are one; a kill for
 * want of memory within RW_FOLD_ONE_KILL_MS: between the decision, that BPF sees, and
 * its line the kernel prints the list of all tasks, for seconds on a serial console.
 */
struct rw_held *rw_fold_meet_record(struct rw_events *ev, struct rw_like like, uint64_t at_ms,
				    uint64_t for_ms, struct rw_events_time now);
struct rw_held *rw_fold_meet_line(struct rw_events *ev, struct rw_like like, uint64_t for_ms,
				  const struct rw_line_at *at);

/*
 * The same for what comes by the thousand. Both sources are counted: the one that
 * has told more tells something new.
 */
bool rw_fold_is_counted(Ringwatch__V1__Kind kind);
struct rw_held *rw_fold_count_record(struct rw_events *ev, struct rw_like like, uint64_t at_ms,
				     struct rw_events_time now);
struct rw_held *rw_fold_count_line(struct rw_events *ev, struct rw_like like, uint64_t for_ms,
				   const struct rw_line_at *at);
/* A line which says that something will be told, and counts only when that does not come. */
struct rw_held *rw_fold_announce(struct rw_events *ev, struct rw_like like, uint64_t for_ms,
				 const struct rw_line_at *at);

/* Whether the event only says that a hang which was told lasts. */
bool rw_fold_lasts(struct rw_events *ev, const struct rw_held *held);

/* ---- fold.c ------------------------------------------------------------------------ */

/* A new event is held back until `deadline_ms`. NULL: no memory. */
struct rw_held *rw_fold_hold(struct rw_events *ev, Ringwatch__V1__Kind kind, uint64_t at_ms,
			     uint64_t deadline_ms, struct rw_events_time now);
struct rw_held *rw_fold_hold_line(struct rw_events *ev, Ringwatch__V1__Kind kind, uint64_t for_ms,
				  const struct rw_line_at *at);
void rw_fold_mark_log(struct rw_held *held, const struct rw_line_at *at);

/* ---- fold_finish.c ------------------------------------------------------------------- */

/* All that an event lacks when it leaves. */
void rw_fold_finish(struct rw_events *ev, const struct rw_held *held, struct rw_event *event,
		    struct rw_events_time now);

/* ---- fold_bpf.c ---------------------------------------------------------------------- */

/* Text of a record, which may lack its NUL. */
void rw_fold_text(const char *text, size_t size, char *out, size_t out_size);
void rw_fold_take_task(struct rw_event *e, const struct rw_record *r);
/* Symbol, module and stack, when the record has better ones than stand already. */
void rw_fold_take_place(struct rw_events *ev, struct rw_held *h, const struct rw_record *r);
void rw_fold_take_symbol(struct rw_event *e, const struct rw_symbol *symbol);
void rw_fold_add_frame(struct rw_event *e, const struct rw_symbol *symbol);

/* ---- fold_log.c ---------------------------------------------------------------------- */

/*
 * The lines from here on belong to this event (NULL: it has left, or is none to be told)
 * until the block is closed: by its last line, by the next block, by time.
 */
void rw_fold_open_block(struct rw_events *ev, struct rw_like like, struct rw_held *held,
			const struct rw_line_at *at);
void rw_fold_close_block(struct rw_events *ev, uint64_t now_ms);
/* The same for a kind that one line tells: it does not end a block that is being read. */
void rw_fold_one_line(struct rw_events *ev, struct rw_like like, struct rw_held *held,
		      const struct rw_line_at *at);
/* The line at hand belongs to the block, though it is no part of a trace. */
void rw_fold_stay_in_block(struct rw_events *ev, const struct rw_line_at *at);
/* The lines of an event that has left are all there. */
void rw_fold_tell_log(struct rw_events *ev, uint64_t token, uint64_t first, uint64_t last);

/* ---- what the families take -------------------------------------------------------------- */

struct rw_record_at {
	uint64_t ms;
	struct rw_events_time now;
};

typedef void rw_fold_record_fn(struct rw_events *ev, const struct rw_record *r,
			       const struct rw_record_at *at);
typedef void rw_fold_line_fn(struct rw_events *ev, const struct rw_klog_fact *f,
			     const struct rw_line_at *at);

rw_fold_record_fn rw_fold_oops_record, rw_fold_warning_record, rw_fold_report_record,
	rw_fold_panic_record, rw_fold_restart_record;
rw_fold_line_fn rw_fold_oops_line, rw_fold_die_line, rw_fold_warning_line, rw_fold_report_line,
	rw_fold_panic_line, rw_fold_restart_line;

rw_fold_record_fn rw_fold_soft_lockup_record, rw_fold_rcu_record, rw_fold_hung_record,
	rw_fold_oom_record;
rw_fold_line_fn rw_fold_soft_lockup_line, rw_fold_hard_lockup_line, rw_fold_rcu_line,
	rw_fold_hung_line, rw_fold_oom_line;

rw_fold_record_fn rw_fold_machine_check_record, rw_fold_memory_record, rw_fold_pcie_record;
rw_fold_line_fn rw_fold_machine_check_line, rw_fold_memory_line, rw_fold_pcie_line;

rw_fold_record_fn rw_fold_module_record, rw_fold_taint_record;
rw_fold_line_fn rw_fold_module_line, rw_fold_tainted_line;

#endif
