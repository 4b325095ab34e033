/* SPDX-License-Identifier: Apache-2.0 */
/* Which of what two sources tell is one thing; see fold_internal.h. */
#include "lib/events/fold_internal.h"

/* A stalled CPU is reported anew every few times the limit, which is a minute at most. */
enum { LOCKUP_LASTS_MS = 180000, STALL_LASTS_MS = 300000, HANG_LASTS_MS = 1800000 };

uint64_t rw_fold_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	if (text[0] == '\0')
		return 0;
	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3;
	return h == 0 ? 1 : h;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

struct rw_span rw_fold_moment(uint64_t at_ms)
{
	return (struct rw_span){at_ms, at_ms};
}

static uint64_t distance(uint64_t at_ms, struct rw_span span)
{
	if (at_ms < span.from_ms)
		return span.from_ms - at_ms;
	return at_ms > span.to_ms ? at_ms - span.to_ms : 0;
}

/* ---- likeness --------------------------------------------------------------------- */

struct rw_like rw_fold_like(Ringwatch__V1__Kind kind)
{
	return (struct rw_like){.kind = kind, .cpu = RW_CPU_UNKNOWN};
}

struct rw_like rw_fold_like_of(const struct rw_event *e)
{
	struct rw_like like = rw_fold_like(e->kind);

	switch ((int)e->kind) {
	case KIND_OOPS:
	case KIND_SOFT_LOCKUP:
	case KIND_HARD_LOCKUP:
	case KIND_KFENCE:
	case KIND_KASAN:
		like.cpu = e->cpu;
		break;
	case KIND_WARNING:
		like.cpu = e->cpu;
		like.key = rw_fold_hash(e->symbol);
		break;
	case KIND_MACHINE_CHECK:
		like.cpu = e->cpu;
		like.key = rw_fold_hash(rw_event_fact(e, FACT_BANK));
		break;
	case KIND_HUNG_TASK:
	case KIND_OOM_KILL:
		like.pid = e->pid;
		break;
	case KIND_RCU_STALL:
		like.key = rw_fold_hash(rw_event_fact(e, FACT_TYPE));
		break;
	case KIND_MODULE:
		like.key = rw_fold_hash(e->module);
		break;
	case KIND_MEMORY_ERROR: /* a page that is given up has no device */
		like.key = rw_fold_hash(rw_event_fact(e, FACT_DEVICE));
		if (like.key == 0)
			like.key = rw_fold_hash(rw_event_fact(e, FACT_TYPE));
		break;
	case KIND_PCIE_ERROR:
		like.key = rw_fold_hash(rw_event_fact(e, FACT_DEVICE));
		break;
	case KIND_TAINT:
		like.key = rw_fold_hash(rw_event_fact(e, FACT_FLAG_NAME));
		break;
	default:
		break;
	}
	return like;
}

bool rw_fold_is_alike(const struct rw_like *a, const struct rw_like *b)
{
	return a->kind == b->kind &&
	       (a->cpu == b->cpu || a->cpu == RW_CPU_UNKNOWN || b->cpu == RW_CPU_UNKNOWN) &&
	       (a->pid == b->pid || a->pid == 0 || b->pid == 0) &&
	       (a->key == b->key || a->key == 0 || b->key == 0);
}

/* ---- held and past ------------------------------------------------------------------ */

static bool fits(bool bpf, bool log, int want)
{
	return !((want & RW_WANT_NO_BPF) != 0 && bpf) && !((want & RW_WANT_NO_LOG) != 0 && log) &&
	       !((want & RW_WANT_BPF) != 0 && !bpf);
}

struct rw_held *rw_fold_find_held(struct rw_events *ev, struct rw_like like, struct rw_span when,
				  uint64_t within_ms, int want)
{
	struct rw_held *found = NULL;

	for (size_t i = 0; i < RW_FOLD_HELD; i++) {
		struct rw_held *h = ev->held[i];
		if (h == NULL || h->event.kind != like.kind || !fits(h->bpf, h->log, want) ||
		    distance(h->begun_ms, when) > within_ms)
			continue;
		struct rw_like other = rw_fold_like_of(&h->event);
		if (rw_fold_is_alike(&other, &like) &&
		    (found == NULL || h->begun_ms < found->begun_ms))
			found = h;
	}
	return found;
}

struct rw_past *rw_fold_find_past(struct rw_events *ev, struct rw_like like, struct rw_span when,
				  uint64_t within_ms, int want)
{
	struct rw_past *found = NULL;

	for (size_t i = 0; i < RW_FOLD_PAST; i++) {
		struct rw_past *p = &ev->past[i];
		if (p->used && rw_fold_is_alike(&p->like, &like) &&
		    distance(p->begun_ms, when) <= within_ms &&
		    fits(p->bpf != 0, p->log != 0, want) &&
		    (found == NULL || p->begun_ms > found->begun_ms))
			found = p;
	}
	return found;
}

struct rw_past *rw_fold_remember(struct rw_events *ev, struct rw_like like, uint64_t begun_ms)
{
	struct rw_past *p = &ev->past[0];

	for (size_t i = 0; i < RW_FOLD_PAST; i++) {
		if (!ev->past[i].used) {
			p = &ev->past[i];
			break;
		}
		if (ev->past[i].begun_ms < p->begun_ms)
			p = &ev->past[i];
	}
	*p = (struct rw_past){.used = true, .like = like, .begun_ms = begun_ms};
	return p;
}

/* ---- an earlier life ---------------------------------------------------------------- */

static uint64_t key_of_frame(const char *frame)
{
	struct rw_symbol symbol;

	return rw_symbol_parse(frame, &symbol) ? rw_fold_hash(symbol.symbol) : 0;
}

void rw_events_recall(struct rw_events *ev, const struct rw_event *e)
{
	struct rw_recalled *r = &ev->recalled[ev->recalled_count++ % RW_FOLD_RECALLED];

	*r = (struct rw_recalled){
		.like = rw_fold_like_of(e), .boot_ms = e->boot_ms, .owed = e->count};
	/* the log names the instruction, the event perhaps its caller */
	if (e->kind == KIND_WARNING && e->stack_count > 0)
		r->like.key = key_of_frame(e->stack[0]);
}

bool rw_fold_was_spooled(struct rw_events *ev, struct rw_like like, const struct rw_line_at *at)
{
	uint64_t slack_ms = at->ms / RW_FOLD_DRIFT_PARTS + RW_EVENTS_APART_MS;

	for (uint32_t i = 0; at->backlog && i < RW_FOLD_RECALLED; i++) {
		struct rw_recalled *r = &ev->recalled[i];
		if (r->owed == 0 || !rw_fold_is_alike(&r->like, &like) ||
		    apart(r->boot_ms, at->ms) > slack_ms)
			continue;
		/* one load that failed may be told in several lines */
		if (like.kind != KIND_MODULE)
			r->owed--;
		return true;
	}
	return false;
}

/* ---- what each source tells once -------------------------------------------------------- */

/* How far the two tellings of one thing may lie apart. */
static uint64_t one_within(struct rw_like like)
{
	bool one_kill = like.kind == KIND_OOM_KILL && like.pid != 0;

	return one_kill ? RW_FOLD_ONE_KILL_MS : RW_EVENTS_APART_MS;
}

struct rw_held *rw_fold_meet_record(struct rw_events *ev, struct rw_like like, uint64_t at_ms,
				    uint64_t for_ms, struct rw_events_time now)
{
	struct rw_span when = rw_fold_moment(at_ms);
	uint64_t within_ms = one_within(like);
	struct rw_held *h = rw_fold_find_held(ev, like, when, within_ms, RW_WANT_NO_BPF);

	if (h == NULL) {
		struct rw_past *p = rw_fold_find_past(ev, like, when, within_ms, RW_WANT_NO_BPF);
		if (p != NULL) {
			p->bpf = 1;
			p->like.cpu = like.cpu;
			return NULL;
		}
		h = rw_fold_hold(ev, like.kind, at_ms, now.boot_ms + for_ms, now);
	}
	if (h == NULL)
		return NULL;
	h->bpf = true;
	if (at_ms < h->event.boot_ms)
		h->event.boot_ms = at_ms;
	return h;
}

struct rw_held *rw_fold_meet_line(struct rw_events *ev, struct rw_like like, uint64_t for_ms,
				  const struct rw_line_at *at)
{
	int want = RW_WANT_BPF | RW_WANT_NO_LOG;
	uint64_t within_ms = one_within(like);

	if (rw_fold_was_spooled(ev, like, at))
		return NULL;
	if (!at->backlog) {
		struct rw_held *h = rw_fold_find_held(ev, like, at->when, within_ms, want);
		if (h != NULL) {
			rw_fold_mark_log(h, at);
			return h;
		}
		struct rw_past *p = rw_fold_find_past(ev, like, at->when, within_ms, want);
		if (p != NULL) {
			p->log = 1;
			return NULL;
		}
	}
	return rw_fold_hold_line(ev, like.kind, for_ms, at);
}

/* ---- what comes by the thousand ------------------------------------------------------------ */

bool rw_fold_is_counted(Ringwatch__V1__Kind kind)
{
	switch ((int)kind) {
	case KIND_WARNING:
	case KIND_KFENCE:
	case KIND_KASAN:
	case KIND_MACHINE_CHECK:
	case KIND_MEMORY_ERROR:
	case KIND_PCIE_ERROR:
		return true;
	default:
		return false;
	}
}

static bool is_new(struct rw_events *ev, struct rw_like like, struct rw_span when, bool from_bpf)
{
	struct rw_past *p = rw_fold_find_past(ev, like, when, RW_EVENTS_APART_MS, RW_WANT_ANY);

	if (p == NULL)
		p = rw_fold_remember(ev, like, when.to_ms);
	if (when.to_ms > p->begun_ms)
		p->begun_ms = when.to_ms;
	if (from_bpf)
		return ++p->bpf > p->log;
	return ++p->log > p->bpf;
}

struct rw_held *rw_fold_count_record(struct rw_events *ev, struct rw_like like, uint64_t at_ms,
				     struct rw_events_time now)
{
	struct rw_span when = rw_fold_moment(at_ms);
	bool fresh = is_new(ev, like, when, true);
	struct rw_held *h = rw_fold_find_held(ev, like, when, RW_EVENTS_APART_MS, RW_WANT_NO_BPF);

	if (h == NULL && fresh)
		h = rw_fold_hold(ev, like.kind, at_ms, now.boot_ms, now);
	if (h == NULL)
		return NULL;
	h->bpf = true;
	h->announced = false;
	return h;
}

static struct rw_held *find_announced(struct rw_events *ev, struct rw_like like,
				      const struct rw_line_at *at)
{
	struct rw_held *h =
		rw_fold_find_held(ev, like, at->when, RW_EVENTS_APART_MS, RW_WANT_NO_BPF);

	return h != NULL && h->announced ? h : NULL;
}

struct rw_held *rw_fold_count_line(struct rw_events *ev, struct rw_like like, uint64_t for_ms,
				   const struct rw_line_at *at)
{
	if (rw_fold_was_spooled(ev, like, at))
		return NULL;
	bool fresh = is_new(ev, like, at->when, false);
	struct rw_held *h = rw_fold_find_held(ev, like, at->when, RW_EVENTS_APART_MS,
					      RW_WANT_BPF | RW_WANT_NO_LOG);
	if (h == NULL)
		h = find_announced(ev, like, at);
	if (h != NULL) {
		h->announced = false;
		rw_fold_mark_log(h, at);
		return h;
	}
	return fresh ? rw_fold_hold_line(ev, like.kind, for_ms, at) : NULL;
}

struct rw_held *rw_fold_announce(struct rw_events *ev, struct rw_like like, uint64_t for_ms,
				 const struct rw_line_at *at)
{
	if (rw_fold_was_spooled(ev, like, at))
		return NULL;
	if (rw_fold_find_held(ev, like, at->when, RW_EVENTS_APART_MS, RW_WANT_ANY) != NULL ||
	    rw_fold_find_past(ev, like, at->when, RW_EVENTS_APART_MS, RW_WANT_ANY) != NULL)
		return NULL;
	struct rw_held *h = rw_fold_hold_line(ev, like.kind, for_ms, at);
	if (h != NULL)
		h->announced = true;
	return h;
}

/* ---- what lasts ------------------------------------------------------------------------------ */

static uint64_t lasts_ms(Ringwatch__V1__Kind kind)
{
	switch ((int)kind) {
	case KIND_HUNG_TASK:
		return HANG_LASTS_MS;
	case KIND_SOFT_LOCKUP:
		return LOCKUP_LASTS_MS;
	case KIND_RCU_STALL:
		return STALL_LASTS_MS;
	default:
		return 0;
	}
}

static struct rw_hang *hang_of(struct rw_events *ev, const struct rw_like *like, uint64_t start,
			       uint64_t at_ms)
{
	for (size_t i = 0; i < RW_FOLD_HANGS; i++) {
		struct rw_hang *h = &ev->hangs[i];
		if (h->like.kind == like->kind && h->like.cpu == like->cpu &&
		    h->like.pid == like->pid &&
		    (h->start == start || h->start == 0 || start == 0) &&
		    apart(h->last_ms, at_ms) <= lasts_ms(like->kind))
			return h;
	}
	return NULL;
}

/* One that is free, or the one that was heard of least lately. */
static struct rw_hang *hang_for(struct rw_events *ev)
{
	struct rw_hang *oldest = &ev->hangs[0];

	for (size_t i = 1; i < RW_FOLD_HANGS; i++) {
		if (ev->hangs[i].last_ms < oldest->last_ms)
			oldest = &ev->hangs[i];
	}
	return oldest;
}

/*
 * A hung task is the same by pid and start time; the kernel's log has no start
 * time. A lockup is the same on one CPU in one task, a stall on one CPU.
 */
bool rw_fold_lasts(struct rw_events *ev, const struct rw_held *held)
{
	const struct rw_event *e = &held->event;
	struct rw_like like = rw_fold_like(e->kind);

	if (lasts_ms(e->kind) == 0)
		return false;
	if (e->kind != KIND_HUNG_TASK)
		like.cpu = e->cpu;
	if (e->kind != KIND_RCU_STALL)
		like.pid = e->pid;
	if (like.cpu == RW_CPU_UNKNOWN && like.pid == 0)
		return false;
	struct rw_hang *h = hang_of(ev, &like, held->start, e->boot_ms);
	bool known = h != NULL;
	if (!known) {
		h = hang_for(ev);
		*h = (struct rw_hang){.like = like};
	}
	h->last_ms = e->boot_ms;
	if (held->start != 0)
		h->start = held->start;
	return known;
}
