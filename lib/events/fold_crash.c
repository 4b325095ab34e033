/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Oopses, warnings, KFENCE's and KASAN's reports, panics and restarts, from
 * either source; see fold_internal.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/fold_internal.h"

enum {
	PANIC_TEXT_MS = 50, /* a panic whose hook has no text: the log's line */
	NULL_PAGE = 4096,   /* the kernel calls an access below this a NULL dereference */
};

/* ---- facts ------------------------------------------------------------------------- */

static bool has_fact(const struct rw_event *e, Ringwatch__V1__FactName name)
{
	return rw_event_fact(e, name)[0] != '\0';
}

/* "FILE:LINE", the compiler's words. */
static void take_file_and_line(struct rw_event *e, const char *place)
{
	const char *colon = strrchr(place, ':');

	if (colon == NULL || colon == place || colon[1] < '0' || colon[1] > '9')
		return;
	rw_event_set_fact(e, FACT_FILE, "%.*s", (int)(colon - place), place);
	rw_event_set_fact(e, FACT_LINE, "%.*s", (int)strspn(colon + 1, "0123456789"), colon + 1);
}

/* What die() is called with: arch/x86/kernel/traps.c, arch/arm64/kernel/traps.c. */
static const char *type_of_text(const char *text, bool has_address, uint64_t address)
{
	static const struct {
		const char *text;
		const char *type;
	} forms[] = {
		{"general protection fault", "general_protection"},
		{"segment-related general protection fault", "general_protection"},
		{"divide error", "divide_error"},
		{"invalid opcode", "invalid_opcode"},
		{"Oops - BUG", "invalid_opcode"},
		{"Oops - Undefined instruction", "invalid_opcode"},
		{"Oops - undefined instruction", "invalid_opcode"},
		{"stack guard page", "stack_overflow"},
		{"kernel stack overflow", "stack_overflow"},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strncmp(text, forms[i].text, strlen(forms[i].text)) == 0)
			return forms[i].type;
	}
	if (strcmp(text, "Oops") != 0)
		return "other";
	return has_address && address < NULL_PAGE ? "null_dereference" : "page_fault";
}

/* ---- oops ---------------------------------------------------------------------------- */

/* The oops this record belongs to, making it when there is none; NULL: it has left. */
static struct rw_held *oops_of(struct rw_events *ev, const struct rw_record *r,
			       const struct rw_record_at *at)
{
	struct rw_span when = rw_fold_moment(at->ms);
	struct rw_like like = rw_fold_like(KIND_OOPS);
	struct rw_held *h = NULL;

	like.cpu = r->cpu;
	if (r->type != RW_RECORD_OOPS_BEGIN) {
		h = rw_fold_find_held(ev, like, when, RW_FOLD_LATE_MS, RW_WANT_BPF);
		if (h == NULL &&
		    rw_fold_find_past(ev, like, when, RW_FOLD_LATE_MS, RW_WANT_BPF) != NULL)
			return NULL;
	}
	if (h == NULL)
		h = rw_fold_meet_record(ev, like, at->ms, RW_EVENTS_HOLD_MS, at->now);
	if (h != NULL)
		rw_fold_take_task(&h->event, r);
	return h;
}

static void take_detail(struct rw_events *ev, struct rw_held *h, const struct rw_record *r)
{
	struct rw_event *e = &h->event;
	char text[2 * RW_RECORD_TEXT];
	bool has_address = r->more[1] != 0;

	rw_fold_take_place(ev, h, r);
	rw_fold_text(r->text, sizeof(r->text), text, sizeof(text));
	const char *type = type_of_text(text, has_address, r->more[0]);
	bool has_code = r->value != 0 || strcmp(type, "general_protection") == 0 ||
			strcmp(text, "Oops") == 0;
	if (!has_fact(e, FACT_TYPE))
		rw_event_set_fact(e, FACT_TYPE, "%s", type);
	if (has_address)
		rw_event_set_fact(e, FACT_ADDRESS, "0x%llx", (unsigned long long)r->more[0]);
	if (has_code)
		rw_event_set_fact(e, FACT_ERROR_CODE, "0x%llx", (unsigned long long)r->value);
	if (e->detail[0] == '\0')
		rw_event_print(e->detail, sizeof(e->detail), "%s", text);
	/* after a jump to nowhere only the log may know who jumped */
	h->ready = e->symbol[0] != '\0' || e->stack_count > 0;
}

void rw_fold_oops_record(struct rw_events *ev, const struct rw_record *r,
			 const struct rw_record_at *at)
{
	struct rw_held *h = oops_of(ev, r, at);

	if (h == NULL)
		return;
	if (r->type == RW_RECORD_OOPS_DETAIL) {
		take_detail(ev, h, r);
	} else if (r->type == RW_RECORD_OOPS_SURVIVED) {
		rw_event_set_fact(&h->event, FACT_SURVIVED, "yes");
		h->ready = true; /* no detail will follow */
	}
}

static void begin_oops(struct rw_events *ev, const struct rw_klog_fact *f,
		       const struct rw_line_at *at)
{
	struct rw_like like = rw_fold_like(KIND_OOPS);

	rw_fold_close_block(ev, at->now.boot_ms);
	struct rw_held *h = rw_fold_meet_line(ev, like, RW_EVENTS_HOLD_MS, at);
	rw_fold_open_block(ev, like, h, at);
	if (h != NULL)
		rw_event_print(h->event.detail, sizeof(h->event.detail), "%s", f->text);
}

/* `better`: this line names the type in the kernel's own words. BPF needs no help when it has
 * seen the address. */
static void take_oops_facts(struct rw_events *ev, const struct rw_klog_fact *f, bool better)
{
	struct rw_held *h = ev->block.held;

	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	if (h->bpf && has_fact(e, FACT_ADDRESS))
		better = false;
	if (f->word[0] != '\0' && (better || !has_fact(e, FACT_TYPE)))
		rw_event_set_fact(e, FACT_TYPE, "%s", f->word);
	if (f->has_address && !has_fact(e, FACT_ADDRESS))
		rw_event_set_fact(e, FACT_ADDRESS, "0x%llx", (unsigned long long)f->address);
	if (f->has_error_code && !has_fact(e, FACT_ERROR_CODE))
		rw_event_set_fact(e, FACT_ERROR_CODE, "0x%llx", (unsigned long long)f->error_code);
}

void rw_fold_oops_line(struct rw_events *ev, const struct rw_klog_fact *f,
		       const struct rw_line_at *at)
{
	static const char bug[] = "kernel BUG at ";

	begin_oops(ev, f, at);
	take_oops_facts(ev, f, true);
	if (ev->block.held != NULL && strncmp(f->text, bug, strlen(bug)) == 0)
		take_file_and_line(&ev->block.held->event, f->text + strlen(bug));
}

void rw_fold_die_line(struct rw_events *ev, const struct rw_klog_fact *f,
		      const struct rw_line_at *at)
{
	struct rw_block *b = &ev->block;

	if (!b->open || b->kind != KIND_OOPS || b->die_seen)
		begin_oops(ev, f, at);
	else
		rw_fold_stay_in_block(ev, at);
	b->die_seen = true;
	take_oops_facts(ev, f, false);
}

/* ---- warnings ---------------------------------------------------------------------------- */

static struct rw_like like_of_warning(uint32_t cpu, const char *symbol)
{
	struct rw_like like = rw_fold_like(KIND_WARNING);

	like.cpu = cpu;
	like.key = rw_fold_hash(symbol);
	return like;
}

void rw_fold_warning_record(struct rw_events *ev, const struct rw_record *r,
			    const struct rw_record_at *at)
{
	struct rw_held place = {.event = {.kind = KIND_WARNING}};
	char file[2 * RW_RECORD_TEXT];

	rw_fold_take_place(ev, &place, r);
	struct rw_like like = like_of_warning(r->cpu, place.event.symbol);
	struct rw_held *h = rw_fold_count_record(ev, like, at->ms, at->now);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	h->ready = true;
	rw_fold_take_task(e, r);
	rw_fold_take_place(ev, h, r);
	rw_fold_text(r->text, sizeof(r->text), file, sizeof(file));
	if (file[0] == '\0')
		return;
	rw_event_set_fact(e, FACT_FILE, "%s", file);
	rw_event_set_fact(e, FACT_LINE, "%llu", (unsigned long long)r->value);
	rw_event_print(e->detail, sizeof(e->detail), "WARNING at %s:%llu", file,
		       (unsigned long long)r->value);
}

void rw_fold_warning_line(struct rw_events *ev, const struct rw_klog_fact *f,
			  const struct rw_line_at *at)
{
	struct rw_like like = like_of_warning(f->cpu, f->symbol);

	rw_fold_close_block(ev, at->now.boot_ms);
	struct rw_held *h = rw_fold_count_line(ev, like, RW_EVENTS_HOLD_MS, at);
	rw_fold_open_block(ev, like, h, at);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	if (!has_fact(e, FACT_FILE))
		take_file_and_line(e, f->text);
	if (h->bpf)
		return;
	e->cpu = f->cpu;
	e->pid = f->pid;
	rw_event_print(e->symbol, sizeof(e->symbol), "%s", f->symbol);
	rw_event_print(e->module, sizeof(e->module), "%s", f->module);
	if (f->text[0] != '\0')
		rw_event_print(e->detail, sizeof(e->detail), "WARNING at %s", f->text);
}

/* ---- reports --------------------------------------------------------------------------------- */

/* They come when all is printed: the log knows more, and has told it before. */
void rw_fold_report_record(struct rw_events *ev, const struct rw_record *r,
			   const struct rw_record_at *at)
{
	struct rw_like like = rw_fold_like(
		strncmp(r->name, "kfence", sizeof(r->name)) == 0 ? KIND_KFENCE : KIND_KASAN);
	bool told;

	like.cpu = r->cpu;
	struct rw_held *h = rw_fold_count_record(ev, like, at->ms, at->now);
	if (h == NULL)
		return;
	told = h->log;
	rw_fold_take_task(&h->event, r);
	if (h->event.symbol[0] == '\0')
		rw_fold_take_place(ev, h, r);
	if (r->value != 0)
		rw_event_set_fact(&h->event, FACT_ADDRESS, "0x%llx", (unsigned long long)r->value);
	h->ready = told;
	if (!told)
		h->deadline_ms = at->now.boot_ms + RW_EVENTS_HOLD_MS;
}

void rw_fold_report_line(struct rw_events *ev, const struct rw_klog_fact *f,
			 const struct rw_line_at *at)
{
	struct rw_like like = rw_fold_like(f->kfence ? KIND_KFENCE : KIND_KASAN);

	rw_fold_close_block(ev, at->now.boot_ms);
	struct rw_held *h = rw_fold_count_line(ev, like, RW_EVENTS_HOLD_MS, at);
	rw_fold_open_block(ev, like, h, at);
	/* KFENCE's trace follows without a headline */
	ev->block.in_trace = f->kfence;
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	rw_event_set_fact(e, FACT_TYPE, "%s", f->word);
	if (f->symbol[0] != '\0') {
		rw_event_print(e->symbol, sizeof(e->symbol), "%s", f->symbol);
		rw_event_print(e->module, sizeof(e->module), "%s", f->module);
	}
	rw_event_print(e->detail, sizeof(e->detail), "%s: %s", f->kfence ? "KFENCE" : "KASAN",
		       f->text);
}

/* ---- panic ----------------------------------------------------------------------- */

void rw_fold_panic_record(struct rw_events *ev, const struct rw_record *r,
			  const struct rw_record_at *at)
{
	struct rw_span when = rw_fold_moment(at->ms);
	struct rw_like like = rw_fold_like(KIND_PANIC);
	struct rw_held *h = rw_fold_find_held(ev, like, when, RW_FOLD_ONE_PANIC_MS, RW_WANT_ANY);
	char text[4 * RW_RECORD_TEXT];

	if (h == NULL) {
		if (rw_fold_find_past(ev, like, when, RW_FOLD_ONE_PANIC_MS, RW_WANT_ANY) != NULL)
			return;
		h = rw_fold_hold(ev, KIND_PANIC, at->ms, at->now.boot_ms + PANIC_TEXT_MS, at->now);
	}
	if (h == NULL)
		return;
	h->bpf = true;
	rw_fold_take_task(&h->event, r);
	rw_fold_take_place(ev, h, r);
	rw_fold_text(r->text, sizeof(r->text), text, sizeof(text));
	if (h->event.detail[0] == '\0')
		rw_event_print(h->event.detail, sizeof(h->event.detail), "%s", text);
	h->ready = h->event.detail[0] != '\0';
}

void rw_fold_panic_line(struct rw_events *ev, const struct rw_klog_fact *f,
			const struct rw_line_at *at)
{
	struct rw_like like = rw_fold_like(KIND_PANIC);
	struct rw_held *h =
		rw_fold_find_held(ev, like, at->when, RW_FOLD_ONE_PANIC_MS, RW_WANT_ANY);

	/* an oops that is being read will have no end now */
	rw_fold_close_block(ev, at->now.boot_ms);
	if (h == NULL &&
	    rw_fold_find_past(ev, like, at->when, RW_FOLD_ONE_PANIC_MS, RW_WANT_ANY) == NULL)
		h = rw_fold_hold_line(ev, KIND_PANIC, 0, at);
	rw_fold_open_block(ev, like, h, at);
	if (h == NULL)
		return;
	rw_fold_mark_log(h, at);
	h->ready = true; /* the machine is dying: now or never */
	rw_event_print(h->event.detail, sizeof(h->event.detail), "%s", f->text);
}

/* ---- restart --------------------------------------------------------------------- */

/* The restart that ends a panic belongs to it. */
static bool is_known_end(struct rw_events *ev, struct rw_span when)
{
	struct rw_like restart = rw_fold_like(KIND_RESTART);
	struct rw_like panic = rw_fold_like(KIND_PANIC);
	uint64_t within = RW_FOLD_ONE_PANIC_MS;

	return rw_fold_find_past(ev, restart, when, within, RW_WANT_ANY) != NULL ||
	       rw_fold_find_past(ev, panic, when, within, RW_WANT_ANY) != NULL ||
	       rw_fold_find_held(ev, panic, when, within, RW_WANT_ANY) != NULL;
}

static struct rw_held *restart_of(struct rw_events *ev, uint64_t at_ms, struct rw_events_time now)
{
	struct rw_span when = rw_fold_moment(at_ms);
	struct rw_held *h = rw_fold_find_held(ev, rw_fold_like(KIND_RESTART), when,
					      RW_FOLD_ONE_PANIC_MS, RW_WANT_ANY);

	if (h == NULL && !is_known_end(ev, when))
		h = rw_fold_hold(ev, KIND_RESTART, at_ms, now.boot_ms, now);
	if (h != NULL)
		h->ready = true;
	return h;
}

static void name_restart(struct rw_event *e, const char *what)
{
	rw_event_print(e->signature, sizeof(e->signature), "restart:%s", what);
	rw_event_print(e->detail, sizeof(e->detail), "%s%s%s", what,
		       e->comm[0] != '\0' ? " by " : "", e->comm);
}

void rw_fold_restart_record(struct rw_events *ev, const struct rw_record *r,
			    const struct rw_record_at *at)
{
	static const char *const kinds[] = {"", "reboot", "power-off", "kexec", "emergency"};

	if (r->value < RW_RESTART_REBOOT || r->value > RW_RESTART_EMERGENCY)
		return;
	struct rw_held *h = restart_of(ev, at->ms, at->now);
	if (h == NULL)
		return;
	h->bpf = true;
	rw_fold_take_task(&h->event, r);
	name_restart(&h->event, kinds[r->value]);
}

void rw_fold_restart_line(struct rw_events *ev, const struct rw_klog_fact *f,
			  const struct rw_line_at *at)
{
	struct rw_held *h = restart_of(ev, at->ms, at->now);

	rw_fold_one_line(ev, rw_fold_like(KIND_RESTART), h, at);
	if (h == NULL)
		return;
	rw_fold_mark_log(h, at);
	name_restart(&h->event, f->text);
}
