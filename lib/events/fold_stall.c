/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stuck: lockups, RCU stalls, hung tasks; and what was killed for want
 * of memory. From either source; see fold_internal.h.
 *
 * Order of the sources: a soft lockup is printed first and taints then; of a
 * stall, a hung task and a victim the tracepoint comes first.
 */
#include <string.h>

#include "lib/events/fold_internal.h"

enum { LOCKUP_MS = 10000 /* a CPU is found locked up once in so long */ };

static bool has_place(const struct rw_event *e)
{
	return e->symbol[0] != '\0' || e->stack_count > 0;
}

static void take_seconds(struct rw_event *e, const struct rw_klog_fact *f)
{
	if (f->seconds != 0)
		rw_event_set_fact(e, FACT_SECONDS, "%u", f->seconds);
}

static struct rw_like like_of_cpu(Ringwatch__V1__Kind kind, uint32_t cpu)
{
	struct rw_like like = rw_fold_like(kind);

	like.cpu = cpu;
	return like;
}

static struct rw_like like_of_pid(Ringwatch__V1__Kind kind, uint32_t pid)
{
	struct rw_like like = rw_fold_like(kind);

	like.pid = pid;
	return like;
}

/* ---- lockups ---------------------------------------------------------------------- */

/* Of the record that tells taint 14. */
void rw_fold_soft_lockup_record(struct rw_events *ev, const struct rw_record *r,
				const struct rw_record_at *at)
{
	struct rw_like like = like_of_cpu(KIND_SOFT_LOCKUP, r->cpu);
	struct rw_held *h = rw_fold_meet_record(ev, like, at->ms, RW_EVENTS_HOLD_MS, at->now);

	if (h == NULL)
		return;
	rw_fold_take_task(&h->event, r);
	rw_fold_take_place(ev, h, r);
	h->ready = has_place(&h->event);
}

void rw_fold_soft_lockup_line(struct rw_events *ev, const struct rw_klog_fact *f,
			      const struct rw_line_at *at)
{
	struct rw_like like = like_of_cpu(KIND_SOFT_LOCKUP, f->cpu);

	rw_fold_close_block(ev, at->now.boot_ms);
	struct rw_held *h = rw_fold_meet_line(ev, like, RW_EVENTS_HOLD_MS, at);
	rw_fold_open_block(ev, like, h, at);
	if (h == NULL)
		return;
	h->event.cpu = f->cpu;
	take_seconds(&h->event, f);
}

void rw_fold_hard_lockup_line(struct rw_events *ev, const struct rw_klog_fact *f,
			      const struct rw_line_at *at)
{
	struct rw_like like = like_of_cpu(KIND_HARD_LOCKUP, f->cpu);
	struct rw_held *h = NULL;

	rw_fold_close_block(ev, at->now.boot_ms);
	if (rw_fold_find_held(ev, like, at->when, LOCKUP_MS, RW_WANT_ANY) == NULL &&
	    rw_fold_find_past(ev, like, at->when, LOCKUP_MS, RW_WANT_ANY) == NULL)
		h = rw_fold_hold_line(ev, KIND_HARD_LOCKUP, RW_EVENTS_HOLD_MS, at);
	rw_fold_open_block(ev, like, h, at);
	if (h != NULL)
		h->event.cpu = f->cpu;
}

/* ---- RCU stalls ---------------------------------------------------------------------- */

static struct rw_like like_of_stall(const char *type)
{
	struct rw_like like = rw_fold_like(KIND_RCU_STALL);

	like.key = rw_fold_hash(type);
	return like;
}

/* The tracepoint's word: kernel/rcu/tree_stall.h, tree_exp.h. */
static const char *type_of_stall(const struct rw_record *r)
{
	if (strncmp(r->text, "SelfDetected", sizeof(r->text)) == 0)
		return "self_detected";
	return strncmp(r->text, "ExpeditedStall", sizeof(r->text)) == 0 ? "expedited" : "detected";
}

void rw_fold_rcu_record(struct rw_events *ev, const struct rw_record *r,
			const struct rw_record_at *at)
{
	const char *type = type_of_stall(r);
	struct rw_held *h =
		rw_fold_meet_record(ev, like_of_stall(type), at->ms, RW_EVENTS_HOLD_MS, at->now);

	if (h == NULL)
		return;
	rw_event_set_fact(&h->event, FACT_TYPE, "%s", type);
	/* whoever found the stall of another CPU is of no interest */
	if (type[0] != 's') /* self_detected */
		return;
	rw_fold_take_task(&h->event, r);
	rw_fold_take_place(ev, h, r);
	h->ready = has_place(&h->event);
}

/* A line that names a CPU belongs to a stall that has been told, unless its begin is lost. */
static bool is_known_stall(struct rw_events *ev, const struct rw_line_at *at)
{
	struct rw_like like = rw_fold_like(KIND_RCU_STALL);
	uint64_t within = RW_EVENTS_APART_MS;

	return rw_fold_find_held(ev, like, at->when, within, RW_WANT_ANY) != NULL ||
	       rw_fold_find_past(ev, like, at->when, within, RW_WANT_ANY) != NULL;
}

/* The line that names the stalled CPU; of several, the first is told of first. */
static void take_stalled_cpu(struct rw_events *ev, const struct rw_klog_fact *f,
			     const struct rw_line_at *at)
{
	struct rw_held *h = ev->block.held;

	rw_fold_stay_in_block(ev, at);
	if (h != NULL && h->event.cpu == RW_CPU_UNKNOWN)
		h->event.cpu = f->cpu;
}

void rw_fold_rcu_line(struct rw_events *ev, const struct rw_klog_fact *f,
		      const struct rw_line_at *at)
{
	struct rw_like like = like_of_stall(f->word);

	if (f->word[0] == '\0' && ev->block.open && ev->block.kind == KIND_RCU_STALL) {
		take_stalled_cpu(ev, f, at);
		return;
	}
	if (f->word[0] == '\0' && is_known_stall(ev, at))
		return;
	rw_fold_close_block(ev, at->now.boot_ms);
	struct rw_held *h = rw_fold_meet_line(ev, like, RW_EVENTS_HOLD_MS, at);
	rw_fold_open_block(ev, like, h, at);
	/* before the stalled CPU's own there may be the trace of RCU's thread */
	ev->block.elsewhere = true;
	if (h == NULL)
		return;
	rw_event_set_fact(&h->event, FACT_TYPE, "%s", f->word);
	if (h->event.cpu == RW_CPU_UNKNOWN)
		h->event.cpu = f->cpu;
}

/* ---- hung tasks ----------------------------------------------------------------------- */

void rw_fold_hung_record(struct rw_events *ev, const struct rw_record *r,
			 const struct rw_record_at *at)
{
	struct rw_held *h = rw_fold_meet_record(ev, like_of_pid(KIND_HUNG_TASK, r->pid), at->ms,
						RW_EVENTS_HOLD_MS, at->now);

	if (h == NULL)
		return;
	h->start = r->value;
	rw_fold_take_task(&h->event, r);
	rw_fold_take_place(ev, h, r);
	h->ready = has_place(&h->event);
}

void rw_fold_hung_line(struct rw_events *ev, const struct rw_klog_fact *f,
		       const struct rw_line_at *at)
{
	struct rw_like like = like_of_pid(KIND_HUNG_TASK, f->pid);

	rw_fold_close_block(ev, at->now.boot_ms);
	struct rw_held *h = rw_fold_meet_line(ev, like, RW_EVENTS_HOLD_MS, at);
	rw_fold_open_block(ev, like, h, at);
	if (h == NULL)
		return;
	take_seconds(&h->event, f);
	h->event.pid = f->pid;
	if (h->event.comm[0] == '\0')
		rw_event_print(h->event.comm, sizeof(h->event.comm), "%s", f->comm);
}

/* ---- killed for want of memory ------------------------------------------------------------ */

void rw_fold_oom_record(struct rw_events *ev, const struct rw_record *r,
			const struct rw_record_at *at)
{
	static const char *const scopes[] = {"", "global", "cgroup"};
	struct rw_held *h = rw_fold_meet_record(ev, like_of_pid(KIND_OOM_KILL, r->pid), at->ms,
						RW_EVENTS_HOLD_MS, at->now);
	char cgroup[2 * RW_RECORD_TEXT];

	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	rw_fold_take_task(e, r);
	if (r->value == RW_OOM_GLOBAL || r->value == RW_OOM_CGROUP) {
		rw_event_set_fact(e, FACT_SCOPE, "%s", scopes[r->value]);
		h->ready = true;
	}
	if (r->text[0] != '\0')
		rw_fold_text(r->text, sizeof(r->text), cgroup, sizeof(cgroup));
	else
		rw_fold_text(r->name, sizeof(r->name), cgroup, sizeof(cgroup));
	rw_event_set_fact(e, FACT_CGROUP, "%s", cgroup);
	if (r->more[1] != 0)
		rw_event_set_fact(e, FACT_UID, "%llu", (unsigned long long)(r->more[1] - 1));
	if (r->more[0] != 0)
		rw_event_set_fact(e, FACT_RSS_KIB, "%llu", (unsigned long long)r->more[0]);
}

void rw_fold_oom_line(struct rw_events *ev, const struct rw_klog_fact *f,
		      const struct rw_line_at *at)
{
	struct rw_like like = like_of_pid(KIND_OOM_KILL, f->pid);
	struct rw_held *h = rw_fold_meet_line(ev, like, RW_EVENTS_CONFIRM_MS, at);

	rw_fold_one_line(ev, like, h, at);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	e->pid = f->pid;
	if (e->comm[0] == '\0')
		rw_event_print(e->comm, sizeof(e->comm), "%s", f->comm);
	rw_event_set_fact(e, FACT_SCOPE, "%s", f->word);
	/* the kernel's own sum; BPF reads a counter that lags by a few pages */
	if (f->rss_kib != 0)
		rw_event_set_fact(e, FACT_RSS_KIB, "%llu", (unsigned long long)f->rss_kib);
	if (f->uid != UINT32_MAX)
		rw_event_set_fact(e, FACT_UID, "%u", f->uid);
	if (h->bpf || !h->confirmable)
		h->ready = true;
}
