/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folding two sources into events; see events.h.
 *
 * held[]: events that are not finished. past[]: small memories of what has
 * left, so that the slower source can be recognised. block: the part of the
 * kernel log that is being read (an oops prints some 60 lines); its event may
 * have left already. storms[]: signatures of the last minutes.
 */
#include "sensor/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

enum {
	HELD_MAX = 16,
	PAST_MAX = 64,
	STORMS_MAX = 32,
	RECALLED_MAX = 16,
	DRIFT_PARTS = 5000,    /* 200 ppm: how far the log's clock may have drifted from ours */
	DETAIL_LATE_MS = 5000, /* a slow console delays what follows a begin */
	ONE_PANIC_MS = 10000,  /* a machine panics once */
	PANIC_TEXT_MS = 50,    /* a panic whose hook has no text: the log's line */
	ONE_LOAD_MS = 2000,    /* insmod tries twice; the log says several lines */
	LOCKUP_MS = 10000,
	PANIC_SIGNATURE = 80,
};

#define OOPS RINGWATCH__V1__KIND__KIND_OOPS
#define PANIC RINGWATCH__V1__KIND__KIND_PANIC
#define WARNING RINGWATCH__V1__KIND__KIND_WARNING
#define MODULE RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED
#define RESTART RINGWATCH__V1__KIND__KIND_RESTART
#define LOCKUP RINGWATCH__V1__KIND__KIND_HARD_LOCKUP

struct held {
	uint64_t begun_ms;
	uint64_t deadline_ms;
	bool ready;
	bool bpf;
	bool log;
	bool confirmable;   /* BPF may still tell of what the log told */
	uint64_t log_first; /* sequence of the first line; meaningful with `log` */
	struct rw_event event;
};

struct past {
	bool used;
	Ringwatch__V1__Kind kind;
	uint32_t cpu;
	uint32_t pid;
	uint64_t key; /* of the symbol or module; 0 unknown */
	uint64_t begun_ms;
	uint32_t bpf; /* how many each source has told */
	uint32_t log;
};

struct block {
	bool open;
	bool die_seen;
	bool in_trace;
	Ringwatch__V1__Kind kind;
	struct held *held; /* NULL: it has left */
	uint64_t last_ms;
};

struct storm {
	bool used;
	uint64_t key;
	uint64_t begun_ms;
	uint64_t window_ms;
	uint32_t sent;
	uint64_t kept; /* how many `last` stands for */
	struct rw_event *last;
};

/* What an earlier life has spooled, and how often the log may yet tell it. */
struct recalled {
	Ringwatch__V1__Kind kind;
	uint32_t cpu;
	uint64_t key;
	uint64_t boot_ms;
	uint32_t owed;
};

struct rw_events {
	struct rw_events_config config;
	bool in_bpf[RW_EVENTS_KINDS];
	struct held *held[HELD_MAX];
	struct past past[PAST_MAX];
	struct block block;
	struct storm storms[STORMS_MAX];
	struct recalled recalled[RECALLED_MAX]; /* a ring: the last ones */
	uint32_t recalled_count;
	uint64_t log_last;  /* UINT64_MAX: no line yet */
	uint64_t looked_ms; /* when both sources were last found empty; UINT64_MAX: never */
};

/* ---- small things --------------------------------------------------------------- */

/* Never cuts a character in two, and keeps one line one line. */
__attribute__((format(printf, 3, 4))) static void put(char *out, size_t size, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	size_t length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			text[i] = ' ';
	}
	while (length > 0 && text[length - 1] == ' ')
		length--;
	rw_text_to_utf8(out, size, text, length);
}

static uint64_t hash(const char *text)
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

/*
 * When a thing happened. A BPF record knows it. A log line's own clock is
 * another one, that drifts and stops in suspend; so what is known of a line is
 * that it came after the last look and before now. Thus a sensor that was kept
 * from running still recognises what belongs together.
 */
struct span {
	uint64_t from_ms;
	uint64_t to_ms;
};

static struct span moment(uint64_t at_ms)
{
	return (struct span){at_ms, at_ms};
}

static uint64_t distance(uint64_t at_ms, struct span span)
{
	if (at_ms < span.from_ms)
		return span.from_ms - at_ms;
	return at_ms > span.to_ms ? at_ms - span.to_ms : 0;
}

static bool same_cpu(uint32_t a, uint32_t b)
{
	return a == b || a == RW_CPU_UNKNOWN || b == RW_CPU_UNKNOWN;
}

static bool same_key(uint64_t a, uint64_t b)
{
	return a == b || a == 0 || b == 0;
}

static uint64_t key_of(const struct rw_event *e)
{
	return e->kind == MODULE ? hash(e->module) : e->kind == WARNING ? hash(e->symbol) : 0;
}

/* ---- leaving ---------------------------------------------------------------------- */

static Ringwatch__V1__Severity severity_of(const struct rw_event *e)
{
	switch ((int)e->kind) {
	case OOPS:
	case PANIC:
	case LOCKUP:
		return RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	case RESTART:
		return RINGWATCH__V1__SEVERITY__SEVERITY_INFO;
	case MODULE:
		/* hardware that is not there: many drivers end so on purpose */
		return e->error == -ENODEV ? RINGWATCH__V1__SEVERITY__SEVERITY_INFO
					   : RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	default:
		return RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	}
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
	       c == '.' || c == ':' || c == '(' || c == ')' || c == '/' || c == '!' || c == ' ';
}

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A panic's text with all that differs from one to the next as '#', so that
 * the format string that one hook sees and the text of another agree. */
static void normalise(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; text[i] != '\0' && used + 1 < size;) {
		if (text[i] == '%' || (text[i] >= '0' && text[i] <= '9')) {
			if (text[i] == '0' && text[i + 1] == 'x') {
				i += 2;
				if (text[i] == '%')
					i++;
			} else {
				i++;
			}
			while (is_hex_digit(text[i]) || text[i] == 'l' || text[i] == 'p' ||
			       text[i] == 'x' || text[i] == 'u' || text[i] == 'd' || text[i] == 's')
				i++;
			out[used++] = '#';
			continue;
		}
		if (text[i] != '\n')
			out[used++] = is_plain(text[i]) ? text[i] : '_';
		i++;
	}
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
}

static void sign(struct rw_event *e)
{
	const char *module = e->module[0] != '\0' ? e->module : "vmlinux";
	const char *symbol = e->symbol[0] != '\0' ? e->symbol : "unknown";
	char text[PANIC_SIGNATURE + 1];

	switch ((int)e->kind) {
	case OOPS:
		put(e->signature, sizeof(e->signature), "oops:%s:%s", symbol, module);
		break;
	case WARNING:
		put(e->signature, sizeof(e->signature), "warning:%s:%s", symbol, module);
		break;
	case LOCKUP:
		put(e->signature, sizeof(e->signature), "hard_lockup:%s:%s", symbol, module);
		break;
	case MODULE:
		if (e->module[0] == '\0')
			put(e->module, sizeof(e->module), "unknown");
		put(e->signature, sizeof(e->signature), "module_load_failed:%s:%d", e->module,
		    (int)e->error);
		break;
	case PANIC:
		normalise(e->detail, text, sizeof(text));
		if (text[0] != '\0')
			put(e->signature, sizeof(e->signature), "panic:%s", text);
		else
			put(e->signature, sizeof(e->signature), "panic:%s:%s", symbol, module);
		break;
	default: /* a restart brings its own */
		break;
	}
}

static void complete(struct rw_events *ev, const struct held *h, struct rw_event *e,
		     struct rw_events_time now)
{
	memcpy(e->boot_id, ev->config.boot_id, sizeof(e->boot_id));
	e->boot_order = ev->config.boot_order;
	uint64_t age = now.boot_ms > e->boot_ms ? now.boot_ms - e->boot_ms : 0;
	e->wall_ms = now.wall_ms > age ? now.wall_ms - age : 0;
	e->source = h->bpf && h->log ? RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG
		    : h->bpf         ? RINGWATCH__V1__SOURCE__SOURCE_BPF
				     : RINGWATCH__V1__SOURCE__SOURCE_LOG;
	e->severity = severity_of(e);
	e->count = 1;
	sign(e);
	if (e->detail[0] == '\0')
		put(e->detail, sizeof(e->detail), "%s", e->kind == OOPS ? "oops" : e->signature);
}

static void send(struct rw_events *ev, struct rw_event *e)
{
	ev->config.fn(ev->config.context, e, rw_events_log_position(ev));
}

static void end_storm(struct rw_events *ev, struct storm *s)
{
	if (s->last != NULL) {
		s->last->count = s->kept < UINT32_MAX ? (uint32_t)s->kept : UINT32_MAX;
		send(ev, s->last);
		free(s->last);
	}
	s->last = NULL;
	s->kept = 0;
}

static struct storm *storm_for(struct rw_events *ev, uint64_t key, uint64_t now_ms)
{
	struct storm *oldest = &ev->storms[0];

	for (size_t i = 0; i < STORMS_MAX; i++) {
		struct storm *s = &ev->storms[i];
		if (s->used && s->key == key)
			return s;
		if (!s->used || (oldest->used && s->begun_ms < oldest->begun_ms))
			oldest = s;
	}
	if (oldest->used)
		end_storm(ev, oldest);
	*oldest = (struct storm){
		.used = true, .key = key, .begun_ms = now_ms, .window_ms = RW_EVENTS_STORM_MS};
	return oldest;
}

/* Sends the event, or counts it into the window of its signature. */
static void send_or_count(struct rw_events *ev, struct rw_event *e, uint64_t now_ms)
{
	struct storm *s = storm_for(ev, hash(e->signature), now_ms);

	if (s->sent < RW_EVENTS_AT_ONCE) {
		s->sent++;
		send(ev, e);
		return;
	}
	if (s->last == NULL)
		s->last = malloc(sizeof(*s->last));
	if (s->last == NULL) {
		send(ev, e);
		return;
	}
	*s->last = *e;
	s->kept++;
}

/* A window ends: what was counted leaves. A real storm gets a longer one, in
 * which all is counted; a drizzle gets a new one of the usual length. */
static void end_window(struct rw_events *ev, struct storm *s, uint64_t now_ms)
{
	bool heavy = s->kept >= RW_EVENTS_HEAVY;

	s->used = s->last != NULL;
	end_storm(ev, s);
	s->begun_ms = now_ms;
	if (!heavy) {
		s->sent = 0;
		s->window_ms = RW_EVENTS_STORM_MS;
		return;
	}
	s->window_ms *= 2;
	if (s->window_ms > RW_EVENTS_STORM_MAX_MS)
		s->window_ms = RW_EVENTS_STORM_MAX_MS;
}

/* When the next window with something in it ends. */
static uint64_t flush_storms(struct rw_events *ev, uint64_t now_ms)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < STORMS_MAX; i++) {
		struct storm *s = &ev->storms[i];
		if (!s->used)
			continue;
		if (now_ms >= s->begun_ms + s->window_ms)
			end_window(ev, s, now_ms);
		if (s->used && s->last != NULL && s->begun_ms + s->window_ms < next)
			next = s->begun_ms + s->window_ms;
	}
	return next;
}

/* ---- held and past ------------------------------------------------------------------ */

static struct past *remember(struct rw_events *ev, Ringwatch__V1__Kind kind, uint64_t begun_ms)
{
	struct past *p = &ev->past[0];

	for (size_t i = 0; i < PAST_MAX; i++) {
		if (!ev->past[i].used) {
			p = &ev->past[i];
			break;
		}
		if (ev->past[i].begun_ms < p->begun_ms)
			p = &ev->past[i];
	}
	*p = (struct past){.used = true, .kind = kind, .cpu = RW_CPU_UNKNOWN, .begun_ms = begun_ms};
	return p;
}

/* The n-th slot's event goes. */
static void release(struct rw_events *ev, size_t slot, struct rw_events_time now)
{
	struct held *h = ev->held[slot];
	struct rw_event *e = &h->event;

	ev->held[slot] = NULL;
	if (ev->block.held == h)
		ev->block.held = NULL;
	complete(ev, h, e, now);
	/* warnings are remembered as they come in, by count */
	if (e->kind != WARNING) {
		struct past *p = remember(ev, e->kind, h->begun_ms);
		p->cpu = e->cpu;
		p->pid = e->pid;
		p->key = key_of(e);
		p->bpf = h->bpf;
		p->log = h->log;
	}
	send_or_count(ev, e, now.boot_ms);
	free(h);
}

static struct held *hold(struct rw_events *ev, Ringwatch__V1__Kind kind, uint64_t at_ms,
			 uint64_t deadline_ms, struct rw_events_time now)
{
	size_t slot = 0;

	for (size_t i = 0; i < HELD_MAX; i++) {
		if (ev->held[i] == NULL) {
			slot = i;
			break;
		}
		if (ev->held[i]->begun_ms < ev->held[slot]->begun_ms)
			slot = i;
	}
	if (ev->held[slot] != NULL)
		release(ev, slot, now);
	struct held *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL; /* a kernel in trouble; the next event may find memory again */
	h->begun_ms = at_ms;
	h->deadline_ms = deadline_ms;
	h->event.kind = kind;
	h->event.boot_ms = at_ms;
	h->event.cpu = RW_CPU_UNKNOWN;
	ev->held[slot] = h;
	return h;
}

enum want { WANT_ANY = 0, WANT_NO_BPF = 1, WANT_NO_LOG = 2, WANT_BPF = 4 };

static bool fits(bool bpf, bool log, int want)
{
	return !((want & WANT_NO_BPF) != 0 && bpf) && !((want & WANT_NO_LOG) != 0 && log) &&
	       !((want & WANT_BPF) != 0 && !bpf);
}

static struct held *find_held(struct rw_events *ev, Ringwatch__V1__Kind kind, uint32_t cpu,
			      uint64_t key, struct span when, uint64_t within_ms, int want)
{
	for (size_t i = 0; i < HELD_MAX; i++) {
		struct held *h = ev->held[i];
		if (h != NULL && h->event.kind == kind && same_cpu(h->event.cpu, cpu) &&
		    same_key(key_of(&h->event), key) && distance(h->begun_ms, when) <= within_ms &&
		    fits(h->bpf, h->log, want))
			return h;
	}
	return NULL;
}

static struct past *find_past(struct rw_events *ev, Ringwatch__V1__Kind kind, uint32_t cpu,
			      uint64_t key, struct span when, uint64_t within_ms, int want)
{
	struct past *found = NULL;

	for (size_t i = 0; i < PAST_MAX; i++) {
		struct past *p = &ev->past[i];
		if (p->used && p->kind == kind && same_cpu(p->cpu, cpu) && same_key(p->key, key) &&
		    distance(p->begun_ms, when) <= within_ms &&
		    fits(p->bpf != 0, p->log != 0, want) &&
		    (found == NULL || p->begun_ms > found->begun_ms))
			found = p;
	}
	return found;
}

/*
 * Warnings come by the thousand, so both sources are counted a place: the one
 * that has told more tells something new. True when this one is new.
 */
static bool is_new_warning(struct rw_events *ev, uint32_t cpu, const char *symbol, struct span when,
			   bool from_bpf)
{
	struct past *p = find_past(ev, WARNING, cpu, hash(symbol), when, RW_EVENTS_APART_MS, 0);

	if (p == NULL) {
		p = remember(ev, WARNING, when.to_ms);
		p->cpu = cpu;
		p->key = hash(symbol);
	}
	if (when.to_ms > p->begun_ms)
		p->begun_ms = when.to_ms;
	if (from_bpf)
		return ++p->bpf > p->log;
	return ++p->log > p->bpf;
}

/* ---- BPF records ------------------------------------------------------------------- */

static void take_task(struct rw_event *e, const struct rw_record *r)
{
	e->cpu = r->cpu;
	e->pid = r->pid;
	rw_text_to_utf8(e->comm, sizeof(e->comm), r->comm, strnlen(r->comm, sizeof(r->comm)));
}

static void record_text(const char *text, size_t size, char *out, size_t out_size)
{
	rw_text_to_utf8(out, out_size, text, strnlen(text, size));
}

static void add_frame(struct rw_event *e, const struct rw_symbol *symbol)
{
	if (symbol->symbol[0] != '\0' && e->stack_count < RW_STACK_MAX)
		rw_symbol_format(symbol, e->stack[e->stack_count++], sizeof(e->stack[0]));
}

static void take_symbol(struct rw_event *e, const struct rw_symbol *symbol)
{
	put(e->symbol, sizeof(e->symbol), "%s", symbol->symbol);
	put(e->module, sizeof(e->module), "%s", symbol->module);
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
		take_symbol(e, &names[0]);
		for (uint32_t i = 1; i <= frames; i++)
			add_frame(e, &names[i]);
	}
	free(names);
}

/* A jump through a wild pointer: whoever jumped stands first behind the fault's entry. */
static void blame_caller(struct rw_event *e)
{
	uint32_t caller = 0;
	struct rw_symbol symbol;

	for (uint32_t i = 0; i + 1 < e->stack_count; i++) {
		if (strncmp(e->stack[i], "asm_", 4) == 0)
			caller = i + 1;
	}
	if (e->symbol[0] == '\0' && e->stack_count > 0 &&
	    rw_symbol_parse(e->stack[caller], &symbol))
		take_symbol(e, &symbol);
}

static void take_place(struct rw_events *ev, struct rw_event *e, const struct rw_record *r)
{
	struct rw_symbol symbol;
	char text[RW_RECORD_SYMBOL + 1];

	e->stack_count = 0;
	e->symbol[0] = e->module[0] = '\0';
	if (r->symbol[0] == '\0' && r->stack[0][0] == '\0') {
		if (r->ip != 0 || r->frame_count > 0)
			resolve_names(ev, e, r);
	} else {
		record_text(r->symbol, sizeof(r->symbol), text, sizeof(text));
		if (rw_symbol_parse(text, &symbol))
			take_symbol(e, &symbol);
		for (size_t i = 0; i < RW_RECORD_STACK; i++) {
			record_text(r->stack[i], sizeof(r->stack[i]), text, sizeof(text));
			if (rw_symbol_parse(text, &symbol))
				add_frame(e, &symbol);
		}
	}
	blame_caller(e);
}

/* The oops this record belongs to, making it when there is none; NULL: it has left. */
static struct held *oops_of(struct rw_events *ev, const struct rw_record *r, uint64_t at_ms,
			    struct rw_events_time now)
{
	bool begins = r->type == RW_RECORD_OOPS_BEGIN;
	struct held *h = NULL;
	struct past *p;

	if (!begins) {
		h = find_held(ev, OOPS, r->cpu, 0, moment(at_ms), DETAIL_LATE_MS, WANT_BPF);
		if (h == NULL &&
		    find_past(ev, OOPS, r->cpu, 0, moment(at_ms), DETAIL_LATE_MS, WANT_BPF))
			return NULL;
	}
	if (h == NULL)
		h = find_held(ev, OOPS, r->cpu, 0, moment(at_ms), RW_EVENTS_APART_MS, WANT_NO_BPF);
	if (h == NULL) {
		p = find_past(ev, OOPS, r->cpu, 0, moment(at_ms), RW_EVENTS_APART_MS, WANT_NO_BPF);
		if (p != NULL) {
			p->bpf = 1;
			p->cpu = r->cpu;
			return NULL;
		}
		h = hold(ev, OOPS, at_ms, now.boot_ms + RW_EVENTS_HOLD_MS, now);
	}
	if (h == NULL)
		return NULL;
	h->bpf = true;
	h->event.boot_ms = at_ms < h->event.boot_ms ? at_ms : h->event.boot_ms;
	take_task(&h->event, r);
	return h;
}

static void take_oops(struct rw_events *ev, const struct rw_record *r, uint64_t at_ms,
		      struct rw_events_time now)
{
	struct held *h = oops_of(ev, r, at_ms, now);

	if (h == NULL)
		return;
	if (r->type == RW_RECORD_OOPS_DETAIL) {
		take_place(ev, &h->event, r);
		if (h->event.detail[0] == '\0')
			record_text(r->text, sizeof(r->text), h->event.detail,
				    sizeof(h->event.detail));
		h->ready = true;
	} else if (r->type == RW_RECORD_OOPS_SURVIVED) {
		h->ready = true; /* no detail will follow */
	}
}

static void take_warning(struct rw_events *ev, const struct rw_record *r, uint64_t at_ms,
			 struct rw_events_time now)
{
	struct rw_event e = {.kind = WARNING};
	char file[RW_RECORD_TEXT];

	take_place(ev, &e, r);
	bool fresh = is_new_warning(ev, r->cpu, e.symbol, moment(at_ms), true);
	struct held *h = find_held(ev, WARNING, r->cpu, hash(e.symbol), moment(at_ms),
				   RW_EVENTS_APART_MS, WANT_NO_BPF);
	if (h == NULL && fresh)
		h = hold(ev, WARNING, at_ms, now.boot_ms, now);
	if (h == NULL)
		return;
	h->bpf = true;
	h->ready = true;
	take_task(&h->event, r);
	take_place(ev, &h->event, r);
	record_text(r->text, sizeof(r->text), file, sizeof(file));
	if (file[0] != '\0')
		put(h->event.detail, sizeof(h->event.detail), "WARNING at %s:%llu", file,
		    (unsigned long long)r->value);
	else if (h->event.detail[0] == '\0')
		put(h->event.detail, sizeof(h->event.detail), "WARNING at %s", h->event.symbol);
}

static void take_panic(struct rw_events *ev, const struct rw_record *r, uint64_t at_ms,
		       struct rw_events_time now)
{
	struct held *h = find_held(ev, PANIC, RW_CPU_UNKNOWN, 0, moment(at_ms), ONE_PANIC_MS, 0);

	if (h == NULL) {
		if (find_past(ev, PANIC, RW_CPU_UNKNOWN, 0, moment(at_ms), ONE_PANIC_MS, 0) != NULL)
			return;
		h = hold(ev, PANIC, at_ms, now.boot_ms + PANIC_TEXT_MS, now);
	}
	if (h == NULL)
		return;
	h->bpf = true;
	take_task(&h->event, r);
	take_place(ev, &h->event, r);
	if (h->event.detail[0] == '\0') {
		char text[4 * RW_RECORD_TEXT];
		record_text(r->text, sizeof(r->text), text, sizeof(text));
		put(h->event.detail, sizeof(h->event.detail), "%s", text);
	}
	h->ready = h->event.detail[0] != '\0';
}

/* "rw-bad.ko.xz" and "rw_bad" are one module; only what a module's name holds is kept. */
static void module_name(const char *from, size_t size, char *out, size_t out_size)
{
	size_t used = 0;

	for (size_t i = 0; i < size && from[i] != '\0' && used + 1 < out_size; i++) {
		char c = from[i];
		if (strncmp(from + i, ".ko", size - i < 3 ? size - i : 3) == 0)
			break;
		bool kept =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		out[used++] = kept ? c : '_';
	}
	out[used] = '\0';
}

static void take_module(struct rw_events *ev, const struct rw_record *r, uint64_t at_ms,
			struct rw_events_time now)
{
	static const char *const stages[] = {"", "the file was read", "it was being loaded",
					     "its init ran"};
	char name[RW_RECORD_NAME];

	if (r->error == -EEXIST || r->error == -EBUSY)
		return; /* it is there already */
	module_name(r->name, sizeof(r->name), name, sizeof(name));
	uint64_t key = hash(name);
	struct held *h =
		find_held(ev, MODULE, RW_CPU_UNKNOWN, key, moment(at_ms), ONE_LOAD_MS, WANT_NO_BPF);
	struct past *p = find_past(ev, MODULE, RW_CPU_UNKNOWN, key, moment(at_ms), ONE_LOAD_MS, 0);
	if (h == NULL && p != NULL && (p->bpf == 0 || p->pid == r->pid)) {
		p->bpf = 1;
		p->pid = r->pid;
		return;
	}
	if (h == NULL)
		h = hold(ev, MODULE, at_ms, now.boot_ms, now);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	h->bpf = true;
	h->ready = true;
	take_task(e, r);
	if (name[0] != '\0')
		put(e->module, sizeof(e->module), "%s", name);
	e->error = r->error;
	if (e->detail[0] == '\0') {
		const char *stage =
			r->value < sizeof(stages) / sizeof(stages[0]) ? stages[r->value] : "";
		put(e->detail, sizeof(e->detail), "module %s: %s%s%s",
		    name[0] != '\0' ? name : "unknown", strerror(-r->error),
		    stage[0] != '\0' ? " after " : "", stage);
	}
}

/* From BPF with its record, from the log with the line's sequence. */
static void make_restart(struct rw_events *ev, const char *what, const struct rw_record *r,
			 uint64_t sequence, uint64_t at_ms, struct rw_events_time now)
{
	struct held *h = find_held(ev, RESTART, RW_CPU_UNKNOWN, 0, moment(at_ms), ONE_PANIC_MS, 0);

	if (h == NULL) {
		/* the restart that ends a panic belongs to it */
		if (find_past(ev, RESTART, RW_CPU_UNKNOWN, 0, moment(at_ms), ONE_PANIC_MS, 0) !=
			    NULL ||
		    find_past(ev, PANIC, RW_CPU_UNKNOWN, 0, moment(at_ms), ONE_PANIC_MS, 0) !=
			    NULL ||
		    find_held(ev, PANIC, RW_CPU_UNKNOWN, 0, moment(at_ms), ONE_PANIC_MS, 0) != NULL)
			return;
		h = hold(ev, RESTART, at_ms, now.boot_ms, now);
	}
	if (h == NULL)
		return;
	h->ready = true;
	if (r == NULL) {
		h->log_first = h->log ? h->log_first : sequence;
		h->log = true;
	} else {
		h->bpf = true;
		take_task(&h->event, r);
	}
	put(h->event.signature, sizeof(h->event.signature), "restart:%s", what);
	put(h->event.detail, sizeof(h->event.detail), "%s%s%s", what,
	    h->event.comm[0] != '\0' ? " by " : "", h->event.comm);
}

void rw_events_record(struct rw_events *ev, const struct rw_record *r, struct rw_events_time now)
{
	static const char *const restarts[] = {"", "reboot", "power-off", "kexec", "emergency"};
	uint64_t at_ms = r->boot_ns / 1000000;

	switch (r->type) {
	case RW_RECORD_OOPS_BEGIN:
	case RW_RECORD_OOPS_DETAIL:
	case RW_RECORD_OOPS_SURVIVED:
		take_oops(ev, r, at_ms, now);
		break;
	case RW_RECORD_PANIC:
		take_panic(ev, r, at_ms, now);
		break;
	case RW_RECORD_WARN:
		take_warning(ev, r, at_ms, now);
		break;
	case RW_RECORD_MODULE_FAILED:
		take_module(ev, r, at_ms, now);
		break;
	case RW_RECORD_RESTART:
		if (r->value >= RW_RESTART_REBOOT && r->value <= RW_RESTART_EMERGENCY)
			make_restart(ev, restarts[r->value], r, 0, at_ms, now);
		break;
	default:
		break;
	}
}

/* ---- kernel log lines ---------------------------------------------------------------- */

struct at { /* of the line at hand */
	uint64_t sequence;
	uint64_t ms;
	struct span when;
	bool backlog;
	struct rw_events_time now;
};

static struct held *hold_line(struct rw_events *ev, Ringwatch__V1__Kind kind, uint64_t for_ms,
			      const struct at *at)
{
	struct held *h = hold(ev, kind, at->ms, at->now.boot_ms + for_ms, at->now);

	if (h == NULL)
		return NULL;
	h->log = true;
	h->log_first = at->sequence;
	h->confirmable = !at->backlog && ev->in_bpf[kind];
	return h;
}

static void mark_log(struct held *h, const struct at *at)
{
	if (!h->log)
		h->log_first = at->sequence;
	h->log = true;
}

void rw_events_recall(struct rw_events *ev, const struct rw_event *e)
{
	struct recalled *r = &ev->recalled[ev->recalled_count++ % RECALLED_MAX];

	*r = (struct recalled){.kind = e->kind,
			       .cpu = e->cpu,
			       .key = key_of(e),
			       .boot_ms = e->boot_ms,
			       .owed = e->count};
}

/* Whether an earlier life has spooled what this old line begins to tell. */
static bool was_spooled(struct rw_events *ev, Ringwatch__V1__Kind kind, uint32_t cpu, uint64_t key,
			const struct at *at)
{
	uint64_t slack_ms = at->ms / DRIFT_PARTS + RW_EVENTS_APART_MS;

	for (uint32_t i = 0; at->backlog && i < RECALLED_MAX; i++) {
		struct recalled *r = &ev->recalled[i];
		if (r->owed == 0 || r->kind != kind || !same_cpu(r->cpu, cpu) ||
		    !same_key(r->key, key) || apart(r->boot_ms, at->ms) > slack_ms)
			continue;
		/* one load that failed may be told in several lines */
		if (kind != MODULE)
			r->owed--;
		return true;
	}
	return false;
}

/* The block is over: its event waits no longer, or only for BPF. */
static void close_block(struct rw_events *ev, uint64_t now_ms)
{
	struct held *h = ev->block.held;

	ev->block = (struct block){0};
	if (h == NULL || h->ready)
		return;
	if (!h->confirmable)
		h->ready = true;
	else if (!h->bpf && h->deadline_ms > now_ms + RW_EVENTS_CONFIRM_MS)
		h->deadline_ms = now_ms + RW_EVENTS_CONFIRM_MS;
}

static void open_block(struct rw_events *ev, Ringwatch__V1__Kind kind, struct held *h)
{
	ev->block = (struct block){.open = true, .kind = kind, .held = h};
}

static void begin_oops(struct rw_events *ev, const struct rw_klog_fact *f, const struct at *at)
{
	struct held *h = NULL;

	close_block(ev, at->now.boot_ms);
	if (was_spooled(ev, OOPS, RW_CPU_UNKNOWN, 0, at)) {
		open_block(ev, OOPS, NULL);
		return;
	}
	if (!at->backlog)
		h = find_held(ev, OOPS, RW_CPU_UNKNOWN, 0, at->when, RW_EVENTS_APART_MS,
			      WANT_BPF | WANT_NO_LOG);
	if (h == NULL && !at->backlog) {
		struct past *p = find_past(ev, OOPS, RW_CPU_UNKNOWN, 0, at->when,
					   RW_EVENTS_APART_MS, WANT_BPF | WANT_NO_LOG);
		if (p != NULL) {
			p->log = 1;
			open_block(ev, OOPS, NULL);
			return;
		}
	}
	if (h == NULL)
		h = hold_line(ev, OOPS, RW_EVENTS_HOLD_MS, at);
	else
		mark_log(h, at);
	open_block(ev, OOPS, h);
	if (h != NULL)
		put(h->event.detail, sizeof(h->event.detail), "%s", f->text);
}

static void take_warning_line(struct rw_events *ev, const struct rw_klog_fact *f,
			      const struct at *at)
{
	close_block(ev, at->now.boot_ms);
	if (was_spooled(ev, WARNING, f->cpu, hash(f->symbol), at)) {
		open_block(ev, WARNING, NULL);
		return;
	}
	bool fresh = is_new_warning(ev, f->cpu, f->symbol, at->when, false);
	struct held *h = find_held(ev, WARNING, f->cpu, hash(f->symbol), at->when,
				   RW_EVENTS_APART_MS, WANT_BPF | WANT_NO_LOG);
	if (h != NULL) {
		mark_log(h, at);
	} else if (fresh) {
		h = hold_line(ev, WARNING, RW_EVENTS_HOLD_MS, at);
		if (h != NULL) {
			struct rw_event *e = &h->event;
			e->cpu = f->cpu;
			e->pid = f->pid;
			put(e->symbol, sizeof(e->symbol), "%s", f->symbol);
			put(e->module, sizeof(e->module), "%s", f->module);
			put(e->detail, sizeof(e->detail), "WARNING at %s",
			    f->text[0] != '\0' ? f->text : f->symbol);
		}
	}
	open_block(ev, WARNING, h);
}

static void take_panic_line(struct rw_events *ev, const struct rw_klog_fact *f, const struct at *at)
{
	struct held *h = find_held(ev, PANIC, RW_CPU_UNKNOWN, 0, at->when, ONE_PANIC_MS, 0);

	/* an oops that is being read will have no end now */
	close_block(ev, at->now.boot_ms);
	if (h == NULL && find_past(ev, PANIC, RW_CPU_UNKNOWN, 0, at->when, ONE_PANIC_MS, 0) != NULL)
		return;
	if (h == NULL)
		h = hold_line(ev, PANIC, 0, at);
	if (h == NULL)
		return;
	mark_log(h, at);
	h->ready = true; /* the machine is dying: now or never */
	put(h->event.detail, sizeof(h->event.detail), "%s", f->text);
}

static void take_module_line(struct rw_events *ev, const struct rw_klog_fact *f,
			     const struct at *at)
{
	char name[RW_COMM_MAX + 1];

	module_name(f->module, sizeof(f->module), name, sizeof(name));
	uint64_t key = hash(name);
	if (was_spooled(ev, MODULE, RW_CPU_UNKNOWN, key, at))
		return;
	struct held *h = find_held(ev, MODULE, RW_CPU_UNKNOWN, key, at->when, ONE_LOAD_MS, 0);
	if (h != NULL) {
		mark_log(h, at);
		return;
	}
	struct past *p = find_past(ev, MODULE, RW_CPU_UNKNOWN, key, at->when, ONE_LOAD_MS, 0);
	if (p != NULL) {
		p->log++;
		return;
	}
	bool live = !at->backlog && ev->in_bpf[MODULE];
	h = hold_line(ev, MODULE, live ? RW_EVENTS_MODULE_MS : RW_EVENTS_CONFIRM_MS, at);
	if (h == NULL)
		return;
	put(h->event.module, sizeof(h->event.module), "%s", name);
	h->event.error = f->error;
	put(h->event.detail, sizeof(h->event.detail), "%s", f->text);
}

static void take_lockup_line(struct rw_events *ev, const struct rw_klog_fact *f,
			     const struct at *at)
{
	close_block(ev, at->now.boot_ms);
	if (find_past(ev, LOCKUP, f->cpu, 0, at->when, LOCKUP_MS, 0) != NULL)
		return;
	struct held *h = hold_line(ev, LOCKUP, RW_EVENTS_HOLD_MS, at);
	if (h == NULL)
		return;
	h->event.cpu = f->cpu;
	put(h->event.detail, sizeof(h->event.detail), "hard lockup on CPU %u", f->cpu);
	open_block(ev, LOCKUP, h);
}

/* Two CPUs oops at once: the first log block may have been given to the other's event. */
static void swap_if_wrong_cpu(struct rw_events *ev, const struct rw_klog_fact *f,
			      const struct at *at)
{
	struct held *h = ev->block.held;

	if (ev->block.kind != OOPS || h == NULL || !h->bpf || h->event.cpu == f->cpu)
		return;
	struct held *other = find_held(ev, OOPS, f->cpu, 0, at->when, RW_EVENTS_APART_MS,
				       WANT_BPF | WANT_NO_LOG);
	if (other == NULL)
		return;
	other->log = true;
	other->log_first = h->log_first;
	put(other->event.detail, sizeof(other->event.detail), "%s", h->event.detail);
	h->log = false;
	h->event.detail[0] = '\0';
	ev->block.held = other;
}

/* A line within a block. What BPF has told is not overwritten. */
static void take_block_line(struct rw_events *ev, const struct rw_klog_fact *f, const struct at *at)
{
	struct rw_symbol symbol;

	if (f->type == RW_KLOG_TASK)
		swap_if_wrong_cpu(ev, f, at);
	struct held *h = ev->block.held;
	if (f->type == RW_KLOG_TRACE)
		ev->block.in_trace = true;
	if (h == NULL || h->ready)
		return;
	struct rw_event *e = &h->event;
	bool is_warning = e->kind == WARNING;
	put(symbol.symbol, sizeof(symbol.symbol), "%s", f->symbol);
	put(symbol.module, sizeof(symbol.module), "%s", f->module);

	if (f->type == RW_KLOG_TASK && !h->bpf) {
		e->cpu = f->cpu;
		e->pid = f->pid;
		put(e->comm, sizeof(e->comm), "%s", f->comm);
	} else if (f->type == RW_KLOG_IP && e->symbol[0] == '\0' && !is_warning) {
		take_symbol(e, &symbol);
		add_frame(e, &symbol);
	} else if (f->type == RW_KLOG_FRAME && ev->block.in_trace && !h->bpf) {
		add_frame(e, &symbol);
		if (e->symbol[0] == '\0')
			take_symbol(e, &symbol);
	}
}

void rw_events_line(struct rw_events *ev, const struct rw_klog_fact *f, uint64_t sequence,
		    uint64_t line_boot_ms, bool backlog, struct rw_events_time now)
{
	struct at at = {sequence, line_boot_ms, moment(line_boot_ms), backlog, now};

	if (!backlog && ev->looked_ms < line_boot_ms)
		at.when.from_ms = ev->looked_ms;

	if (ev->block.open && apart(ev->block.last_ms, line_boot_ms) > DETAIL_LATE_MS)
		close_block(ev, now.boot_ms);
	switch (f->type) {
	case RW_KLOG_OOPS:
		begin_oops(ev, f, &at);
		break;
	case RW_KLOG_DIE:
		if (!ev->block.open || ev->block.kind != OOPS || ev->block.die_seen)
			begin_oops(ev, f, &at);
		ev->block.die_seen = true;
		break;
	case RW_KLOG_WARNING:
		take_warning_line(ev, f, &at);
		break;
	case RW_KLOG_PANIC:
		take_panic_line(ev, f, &at);
		break;
	case RW_KLOG_HARD_LOCKUP:
		take_lockup_line(ev, f, &at);
		break;
	case RW_KLOG_MODULE:
		take_module_line(ev, f, &at);
		break;
	case RW_KLOG_RESTART:
		make_restart(ev, f->text, NULL, sequence, line_boot_ms, now);
		break;
	case RW_KLOG_TASK:
	case RW_KLOG_IP:
	case RW_KLOG_TRACE:
	case RW_KLOG_FRAME:
		if (ev->block.open)
			take_block_line(ev, f, &at);
		break;
	case RW_KLOG_END:
		if (ev->block.open)
			close_block(ev, now.boot_ms);
		break;
	case RW_KLOG_OTHER:
		break;
	}
	ev->block.last_ms = line_boot_ms;
	ev->log_last = sequence;
}

/* ---- life ------------------------------------------------------------------------------ */

struct rw_events *rw_events_new(const struct rw_events_config *config)
{
	struct rw_events *ev = calloc(1, sizeof(*ev));

	if (ev == NULL)
		return NULL;
	ev->config = *config;
	ev->log_last = UINT64_MAX;
	ev->looked_ms = UINT64_MAX;
	return ev;
}

void rw_events_set_in_bpf(struct rw_events *ev, Ringwatch__V1__Kind kind)
{
	if (kind > 0 && (size_t)kind < RW_EVENTS_KINDS)
		ev->in_bpf[kind] = true;
}

void rw_events_free(struct rw_events *ev)
{
	if (ev == NULL)
		return;
	for (size_t i = 0; i < HELD_MAX; i++)
		free(ev->held[i]);
	for (size_t i = 0; i < STORMS_MAX; i++)
		free(ev->storms[i].last);
	free(ev);
}

uint64_t rw_events_log_position(const struct rw_events *ev)
{
	uint64_t position = ev->log_last;

	for (size_t i = 0; i < HELD_MAX; i++) {
		const struct held *h = ev->held[i];
		if (h == NULL || !h->log || h->log_first > position)
			continue;
		if (h->log_first == 0)
			return UINT64_MAX;
		position = h->log_first - 1;
	}
	return position;
}

static void forget(struct rw_events *ev, uint64_t now_ms)
{
	for (size_t i = 0; i < PAST_MAX; i++) {
		if (ev->past[i].used && apart(ev->past[i].begun_ms, now_ms) > 2 * ONE_PANIC_MS)
			ev->past[i].used = false;
	}
}

uint64_t rw_events_flush(struct rw_events *ev, struct rw_events_time now)
{
	for (;;) {
		size_t first = HELD_MAX;
		for (size_t i = 0; i < HELD_MAX; i++) {
			struct held *h = ev->held[i];
			if (h != NULL && (h->ready || h->deadline_ms <= now.boot_ms) &&
			    (first == HELD_MAX || h->begun_ms < ev->held[first]->begun_ms))
				first = i;
		}
		if (first == HELD_MAX)
			break;
		release(ev, first, now);
	}
	forget(ev, now.boot_ms);
	ev->looked_ms = now.boot_ms;

	uint64_t next = flush_storms(ev, now.boot_ms);
	for (size_t i = 0; i < HELD_MAX; i++) {
		if (ev->held[i] != NULL && ev->held[i]->deadline_ms < next)
			next = ev->held[i]->deadline_ms;
	}
	return next;
}

void rw_events_flush_all(struct rw_events *ev, struct rw_events_time now)
{
	for (size_t i = 0; i < HELD_MAX; i++) {
		if (ev->held[i] != NULL)
			release(ev, i, now);
	}
	for (size_t i = 0; i < STORMS_MAX; i++)
		end_storm(ev, &ev->storms[i]);
}
