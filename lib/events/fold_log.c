/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel log lines: which goes where, and the block that is being read; see
 * fold_internal.h.
 */
#include <string.h>

#include "lib/events/fold_internal.h"

/* ---- the block ------------------------------------------------------------------- */

void rw_fold_tell_log(struct rw_events *ev, uint64_t token, uint64_t first, uint64_t last)
{
	if (token != 0 && ev->config.log_fn != NULL)
		ev->config.log_fn(ev->config.context, token, first, last);
}

/* The event that these lines tell of has left before they came: the first of its like. */
static struct rw_left *find_left(struct rw_events *ev, const struct rw_like *like,
				 struct rw_span when)
{
	struct rw_left *found = NULL;

	for (size_t i = 0; i < RW_FOLD_LEFT; i++) {
		struct rw_left *l = &ev->left[i];
		if (l->used && rw_fold_is_alike(&l->like, like) &&
		    l->begun_ms <= when.to_ms + RW_EVENTS_APART_MS &&
		    l->begun_ms + RW_EVENTS_APART_MS >= when.from_ms &&
		    (found == NULL || l->token < found->token))
			found = l;
	}
	return found;
}

static void give_back(struct rw_events *ev, const struct rw_left *left)
{
	for (size_t i = 0; left->used && i < RW_FOLD_LEFT; i++) {
		if (ev->left[i].token == left->token)
			ev->left[i].used = true;
	}
}

static void claim(struct rw_events *ev, struct rw_like like, struct rw_span when)
{
	struct rw_left *left = find_left(ev, &like, when);

	if (left == NULL)
		return;
	ev->block.left = *left;
	ev->block.token = left->token;
	left->used = false;
}

void rw_fold_open_block(struct rw_events *ev, struct rw_like like, struct rw_held *held,
			const struct rw_line_at *at)
{
	rw_fold_close_block(ev, at->now.boot_ms);
	ev->block = (struct rw_block){
		.open = true,
		.kind = like.kind,
		.held = held,
		.first = at->sequence,
		.last = at->sequence,
		.last_ms = at->ms,
		.last_seen_ms = at->now.boot_ms,
	};
	if (held == NULL && !at->backlog)
		claim(ev, like, at->when);
}

void rw_fold_one_line(struct rw_events *ev, struct rw_like like, struct rw_held *held,
		      const struct rw_line_at *at)
{
	if (ev->block.open && !ev->block.only_tail) {
		struct rw_left *left = held == NULL ? find_left(ev, &like, at->when) : NULL;
		if (left == NULL)
			return; /* what is held tells its line itself */
		left->used = false;
		rw_fold_tell_log(ev, left->token, at->sequence, at->sequence);
		return;
	}
	/* several lines may tell of one thing: they are one stretch */
	bool goes_on = ev->block.open && held != NULL && ev->block.held == held;
	uint64_t first = goes_on ? ev->block.first : at->sequence;
	rw_fold_open_block(ev, like, held, at);
	ev->block.first = first;
	ev->block.only_tail = true;
}

/* Its event waits no longer, or only for BPF. */
static void let_go(struct rw_held *h, uint64_t now_ms)
{
	if (h->ready)
		return;
	if (!h->confirmable)
		h->ready = true;
	else if (!h->bpf && h->deadline_ms > now_ms + RW_EVENTS_CONFIRM_MS)
		h->deadline_ms = now_ms + RW_EVENTS_CONFIRM_MS;
}

void rw_fold_close_block(struct rw_events *ev, uint64_t now_ms)
{
	struct rw_block block = ev->block;

	ev->block = (struct rw_block){0};
	if (!block.open)
		return;
	if (block.held == NULL) {
		rw_fold_tell_log(ev, block.token, block.first, block.last);
		return;
	}
	block.held->log_first = block.first;
	block.held->log_last = block.last;
	if (!block.only_tail)
		let_go(block.held, now_ms);
}

/* A line that no family knows belongs to the block when it follows at once. */
static void follow_block(struct rw_block *b, bool known, const struct rw_line_at *at)
{
	bool soon = at->ms <= b->last_ms + RW_FOLD_TAIL_MS;

	if (known) {
		b->tail = 0;
		b->last_seen_ms = at->now.boot_ms;
	} else if (!soon || b->tail++ >= RW_FOLD_TAIL_LINES) {
		return;
	}
	b->last = at->sequence;
	b->last_ms = at->ms;
}

void rw_fold_stay_in_block(struct rw_events *ev, const struct rw_line_at *at)
{
	if (ev->block.open)
		follow_block(&ev->block, true, at);
}

/* ---- lines within ------------------------------------------------------------------ */

/* Two CPUs oops at once: the first log block may have been given to the other's event. */
static void give_to_right_cpu(struct rw_events *ev, uint32_t cpu, const struct rw_line_at *at)
{
	struct rw_block *b = &ev->block;
	struct rw_held *h = b->held;
	struct rw_like like = rw_fold_like(KIND_OOPS);

	like.cpu = cpu;
	if (h == NULL && b->left.used && b->left.like.cpu != cpu) {
		struct rw_left *right = find_left(ev, &like, at->when);
		if (right == NULL)
			return;
		give_back(ev, &b->left);
		claim(ev, like, at->when);
		return;
	}
	if (h == NULL || !h->bpf || h->event.cpu == cpu)
		return;
	struct rw_held *other = rw_fold_find_held(ev, like, at->when, RW_EVENTS_APART_MS,
						  RW_WANT_BPF | RW_WANT_NO_LOG);
	if (other == NULL)
		return;
	other->log = true;
	other->log_first = h->log_first;
	memcpy(other->event.detail, h->event.detail, sizeof(other->event.detail));
	h->log = false;
	h->event.detail[0] = '\0';
	b->held = other;
}

/* What is stuck is one CPU; the log may tell of others too. */
static bool is_of_one_cpu(Ringwatch__V1__Kind kind)
{
	return kind == KIND_HARD_LOCKUP || kind == KIND_SOFT_LOCKUP || kind == KIND_RCU_STALL;
}

/* A name in the log is whatever a user chose, and where it ends is a guess: BPF knows better. */
static void take_task(struct rw_block *b, struct rw_event *e, const struct rw_klog_fact *f,
		      bool bpf)
{
	if (is_of_one_cpu(b->kind) && e->cpu != RW_CPU_UNKNOWN && e->cpu != f->cpu) {
		b->elsewhere = true;
		return;
	}
	b->elsewhere = false;
	if (bpf && (e->pid != 0 || e->comm[0] != '\0'))
		return;
	e->cpu = f->cpu;
	e->pid = f->pid;
	rw_event_print(e->comm, sizeof(e->comm), "%s", f->comm);
}

static void take_frame(struct rw_block *b, struct rw_held *h, const struct rw_symbol *symbol)
{
	struct rw_event *e = &h->event;
	char frame[sizeof(e->stack[0])];

	if (!b->in_trace || b->elsewhere || (e->stack_count > 0 && !h->log_stack))
		return;
	/* arm64 begins the trace with the instruction, which has been named */
	rw_symbol_format(symbol, frame, sizeof(frame));
	if (e->stack_count == 1 && strcmp(e->stack[0], frame) == 0)
		return;
	h->log_stack = true;
	b->traced = true;
	rw_fold_add_frame(e, symbol);
}

/* The instruction: of what a warning or a report names, its own line says it better. */
static void take_ip(struct rw_block *b, struct rw_held *h, const struct rw_symbol *symbol)
{
	struct rw_event *e = &h->event;

	if (b->elsewhere || e->symbol[0] != '\0' || b->nowhere || b->kind == KIND_PANIC ||
	    b->kind == KIND_HUNG_TASK)
		return;
	rw_fold_take_symbol(e, symbol);
	if (e->stack_count == 0) {
		rw_fold_add_frame(e, symbol);
		h->log_stack = true;
	}
}

static void take_address(struct rw_event *e, const struct rw_klog_fact *f)
{
	if (f->has_address && rw_event_fact(e, FACT_ADDRESS)[0] == '\0')
		rw_event_set_fact(e, FACT_ADDRESS, "0x%llx", (unsigned long long)f->address);
	if (f->has_error_code && rw_event_fact(e, FACT_ERROR_CODE)[0] == '\0')
		rw_event_set_fact(e, FACT_ERROR_CODE, "0x%llx", (unsigned long long)f->error_code);
}

/* A line within the block. What BPF has told is not overwritten. */
static void take_block_line(struct rw_events *ev, const struct rw_klog_fact *f,
			    const struct rw_line_at *at)
{
	struct rw_block *b = &ev->block;
	struct rw_symbol symbol = {0};

	if (f->type == RW_KLOG_TASK && b->kind == KIND_OOPS)
		give_to_right_cpu(ev, f->cpu, at);
	struct rw_held *h = b->held;
	if (h == NULL || b->only_tail)
		return;
	rw_event_print(symbol.symbol, sizeof(symbol.symbol), "%s", f->symbol);
	rw_event_print(symbol.module, sizeof(symbol.module), "%s", f->module);
	switch (f->type) {
	case RW_KLOG_TASK:
		if (b->kind != KIND_HUNG_TASK)
			take_task(b, &h->event, f, h->bpf);
		break;
	case RW_KLOG_IP:
		take_ip(b, h, &symbol);
		break;
	case RW_KLOG_NO_SYMBOL:
		b->nowhere = b->nowhere || (b->kind == KIND_OOPS && h->event.symbol[0] == '\0');
		break;
	case RW_KLOG_TRACE:
		b->in_trace = !b->traced;
		break;
	case RW_KLOG_FRAME:
		take_frame(b, h, &symbol);
		break;
	case RW_KLOG_ADDRESS:
		if (b->kind == KIND_OOPS)
			take_address(&h->event, f);
		break;
	default:
		break;
	}
}

/* What follows the trace of a report is the story of the memory, told by more traces. */
static void end_trace(struct rw_block *b)
{
	bool report = b->kind == KIND_KFENCE || b->kind == KIND_KASAN;

	if (report && b->traced)
		b->in_trace = false;
}

/* ---- all lines ------------------------------------------------------------------------ */

static rw_fold_line_fn *taker_of(enum rw_klog_type type)
{
	switch (type) {
	case RW_KLOG_OOPS:
		return rw_fold_oops_line;
	case RW_KLOG_DIE:
		return rw_fold_die_line;
	case RW_KLOG_WARNING:
		return rw_fold_warning_line;
	case RW_KLOG_REPORT:
		return rw_fold_report_line;
	case RW_KLOG_PANIC:
		return rw_fold_panic_line;
	case RW_KLOG_HARD_LOCKUP:
		return rw_fold_hard_lockup_line;
	case RW_KLOG_SOFT_LOCKUP:
		return rw_fold_soft_lockup_line;
	case RW_KLOG_RCU_STALL:
		return rw_fold_rcu_line;
	case RW_KLOG_HUNG_TASK:
		return rw_fold_hung_line;
	case RW_KLOG_OOM_KILL:
		return rw_fold_oom_line;
	case RW_KLOG_MODULE:
		return rw_fold_module_line;
	case RW_KLOG_TAINTED:
		return rw_fold_tainted_line;
	case RW_KLOG_RESTART:
		return rw_fold_restart_line;
	case RW_KLOG_MACHINE_CHECK:
		return rw_fold_machine_check_line;
	case RW_KLOG_MEMORY_ERROR:
		return rw_fold_memory_line;
	case RW_KLOG_PCIE_ERROR:
		return rw_fold_pcie_line;
	default:
		return NULL;
	}
}

static bool is_within_block(enum rw_klog_type type)
{
	return type == RW_KLOG_TASK || type == RW_KLOG_IP || type == RW_KLOG_NO_SYMBOL ||
	       type == RW_KLOG_TRACE || type == RW_KLOG_FRAME || type == RW_KLOG_ADDRESS;
}

static void take_other_line(struct rw_events *ev, const struct rw_klog_fact *f,
			    const struct rw_line_at *at)
{
	struct rw_block *b = &ev->block;
	bool known = !b->only_tail && (f->type == RW_KLOG_END || is_within_block(f->type));

	if (!b->open)
		return;
	follow_block(b, known, at);
	if (is_within_block(f->type))
		take_block_line(ev, f, at);
	else
		end_trace(b);
	if (f->type == RW_KLOG_END && !b->only_tail)
		rw_fold_close_block(ev, at->now.boot_ms);
}

static void note_ip(struct rw_events *ev, const struct rw_klog_fact *f, uint64_t at_ms)
{
	rw_event_print(ev->last_ip.symbol, sizeof(ev->last_ip.symbol), "%s", f->symbol);
	rw_event_print(ev->last_ip.module, sizeof(ev->last_ip.module), "%s", f->module);
	ev->last_ip_ms = at_ms;
}

void rw_events_line(struct rw_events *ev, const struct rw_klog_fact *f, uint64_t sequence,
		    uint64_t line_boot_ms, bool backlog, struct rw_events_time now)
{
	struct rw_line_at at = {sequence, line_boot_ms, rw_fold_moment(line_boot_ms), backlog, now};
	rw_fold_line_fn *take = taker_of(f->type);

	if (!backlog && ev->looked_ms < line_boot_ms)
		at.when.from_ms = ev->looked_ms;
	if (ev->block.open && ev->block.last_ms + RW_FOLD_LATE_MS < line_boot_ms)
		rw_fold_close_block(ev, now.boot_ms);
	if (f->type == RW_KLOG_IP)
		note_ip(ev, f, line_boot_ms);
	if (take != NULL)
		take(ev, f, &at);
	else
		take_other_line(ev, f, &at);
	ev->log_last = sequence;
}
