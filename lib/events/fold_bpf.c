/* SPDX-License-Identifier: Apache-2.0 */
/* BPF records: which goes where, and what all have in common; see fold_internal.h. */
#include <stdlib.h>
#include <string.h>

#include "lib/events/fold_internal.h"
#include "lib/text.h"

void rw_fold_text(const char *text, size_t size, char *out, size_t out_size)
{
	rw_text_to_utf8(out, out_size, text, strnlen(text, size));
}

void rw_fold_take_task(struct rw_event *e, const struct rw_record *r)
{
	e->cpu = r->cpu;
	e->pid = r->pid;
	if (r->comm[0] != '\0')
		rw_fold_text(r->comm, sizeof(r->comm), e->comm, sizeof(e->comm));
}

void rw_fold_add_frame(struct rw_event *e, const struct rw_symbol *symbol)
{
	if (symbol->symbol[0] != '\0' && e->stack_count < RW_STACK_MAX)
		rw_symbol_format(symbol, e->stack[e->stack_count++], sizeof(e->stack[0]));
}

void rw_fold_take_symbol(struct rw_event *e, const struct rw_symbol *symbol)
{
	rw_event_print(e->symbol, sizeof(e->symbol), "%s", symbol->symbol);
	rw_event_print(e->module, sizeof(e->module), "%s", symbol->module);
}

/* Kernels before 5.13 give addresses alone. */
static void resolve_names(struct rw_events *ev, struct rw_event *e, const struct rw_record *r)
{
	uint64_t addresses[RW_RECORD_FRAMES + 1] = {r->ip};
	uint32_t frames = r->frame_count < RW_RECORD_FRAMES ? r->frame_count : RW_RECORD_FRAMES;
	struct rw_symbol *names = calloc(frames + 1, sizeof(*names));

	if (names == NULL)
		return;
	memcpy(addresses + 1, r->frames, frames * sizeof(addresses[0]));
	if (ev->config.resolve(addresses, frames + 1, names) > 0) {
		rw_fold_take_symbol(e, &names[0]);
		for (uint32_t i = 1; i <= frames; i++)
			rw_fold_add_frame(e, &names[i]);
	}
	free(names);
}

static void take_names(struct rw_event *e, const struct rw_record *r)
{
	struct rw_symbol symbol;
	char text[RW_RECORD_SYMBOL + 1];

	rw_fold_text(r->symbol, sizeof(r->symbol), text, sizeof(text));
	if (rw_symbol_parse(text, &symbol))
		rw_fold_take_symbol(e, &symbol);
	for (size_t i = 0; i < RW_RECORD_STACK; i++) {
		rw_fold_text(r->stack[i], sizeof(r->stack[i]), text, sizeof(text));
		if (rw_symbol_parse(text, &symbol))
			rw_fold_add_frame(e, &symbol);
	}
}

/* A record that knows less than what stands already changes nothing. */
void rw_fold_take_place(struct rw_events *ev, struct rw_held *h, const struct rw_record *r)
{
	bool named = r->symbol[0] != '\0' || r->stack[0][0] != '\0';
	struct rw_event *e = &h->event;
	struct rw_event *found;

	if (!named && ((r->ip == 0 && r->frame_count == 0) || ev->config.resolve == NULL))
		return;
	found = calloc(1, sizeof(*found));
	if (found == NULL)
		return;
	if (named)
		take_names(found, r);
	else
		resolve_names(ev, found, r);
	if (found->symbol[0] != '\0' || found->stack_count > e->stack_count) {
		memcpy(e->symbol, found->symbol, sizeof(e->symbol));
		memcpy(e->module, found->module, sizeof(e->module));
		memcpy(e->stack, found->stack, sizeof(e->stack));
		e->stack_count = found->stack_count;
		h->log_stack = false;
	}
	free(found);
}

void rw_events_record(struct rw_events *ev, const struct rw_record *r, struct rw_events_time now)
{
	static rw_fold_record_fn *const takers[] = {
		[RW_RECORD_OOPS_BEGIN] = rw_fold_oops_record,
		[RW_RECORD_OOPS_DETAIL] = rw_fold_oops_record,
		[RW_RECORD_OOPS_SURVIVED] = rw_fold_oops_record,
		[RW_RECORD_PANIC] = rw_fold_panic_record,
		[RW_RECORD_WARN] = rw_fold_warning_record,
		[RW_RECORD_MODULE_FAILED] = rw_fold_module_record,
		[RW_RECORD_RESTART] = rw_fold_restart_record,
		[RW_RECORD_TAINT] = rw_fold_taint_record,
		[RW_RECORD_RCU_STALL] = rw_fold_rcu_record,
		[RW_RECORD_HUNG_TASK] = rw_fold_hung_record,
		[RW_RECORD_OOM_KILL] = rw_fold_oom_record,
		[RW_RECORD_MACHINE_CHECK] = rw_fold_machine_check_record,
		[RW_RECORD_MEMORY_ERROR] = rw_fold_memory_record,
		[RW_RECORD_PCIE_ERROR] = rw_fold_pcie_record,
		[RW_RECORD_REPORT] = rw_fold_report_record,
	};
	struct rw_record_at at = {r->boot_ns / 1000000, now};

	if (r->type < sizeof(takers) / sizeof(takers[0]) && takers[r->type] != NULL)
		takers[r->type](ev, r, &at);
}
