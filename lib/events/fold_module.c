/* SPDX-License-Identifier: Apache-2.0 */
/* Modules that do not load, and taint, from either source; see fold_internal.h. */
#include <errno.h>
#include <string.h>

#include "lib/events/fold_internal.h"
#include "lib/events/taint.h"

enum { ONE_LOAD_MS = 2000 /* insmod tries twice; the log says several lines */ };

/* ---- module loads that fail -------------------------------------------------------- */

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

static struct rw_like like_of_module(const char *name)
{
	struct rw_like like = rw_fold_like(KIND_MODULE);

	like.key = rw_fold_hash(name);
	return like;
}

/*
 * What an error says by itself; the log, when it has a line, says it better.
 * -EINVAL and -EPERM have several causes, and only the log knows which.
 */
static const char *cause_of(int error, uint64_t stage)
{
	if (stage == RW_STAGE_INIT)
		return "init_failed";
	switch (-error) {
	case ENOEXEC:
		return "bad_format";
	case ENOENT:
		return stage == RW_STAGE_LOAD ? "unknown_symbol" : "other";
	case EKEYREJECTED:
	case ENOKEY:
	case ENOPKG:
		return "signature_refused";
	case ENOMEM:
		return "no_memory";
	default:
		return "other";
	}
}

/* The failure that the record is about; NULL: it has left. */
static struct rw_held *failure_of(struct rw_events *ev, const struct rw_record *r, const char *name,
				  const struct rw_record_at *at)
{
	struct rw_like like = like_of_module(name);
	struct rw_span when = rw_fold_moment(at->ms);
	struct rw_held *h = rw_fold_find_held(ev, like, when, ONE_LOAD_MS, RW_WANT_NO_BPF);

	if (h != NULL)
		return h;
	struct rw_past *p = rw_fold_find_past(ev, like, when, ONE_LOAD_MS, RW_WANT_ANY);
	if (p != NULL && (p->bpf == 0 || p->like.pid == r->pid)) {
		p->bpf = 1;
		p->like.pid = r->pid;
		return NULL;
	}
	return rw_fold_hold(ev, KIND_MODULE, at->ms, at->now.boot_ms, at->now);
}

static void take_load(struct rw_event *e, const struct rw_record *r)
{
	static const char *const stages[] = {"", "read", "load", "init"};
	static const char *const after[] = {"", " after the file was read",
					    " while it was being loaded", " after its init ran"};
	uint64_t stage = r->value < sizeof(stages) / sizeof(stages[0]) ? r->value : 0;
	char file[2 * RW_RECORD_TEXT];

	rw_fold_text(r->text, sizeof(r->text), file, sizeof(file));
	rw_event_set_fact(e, FACT_MODULE_FILE, "%s", file);
	rw_event_set_fact(e, FACT_STAGE, "%s", stages[stage]);
	if (rw_event_fact(e, FACT_CAUSE)[0] == '\0')
		rw_event_set_fact(e, FACT_CAUSE, "%s", cause_of(r->error, stage));
	if (e->detail[0] == '\0')
		rw_event_print(e->detail, sizeof(e->detail), "module %s: %s%s",
			       e->module[0] != '\0' ? e->module : "unknown", strerror(-r->error),
			       after[stage]);
}

void rw_fold_module_record(struct rw_events *ev, const struct rw_record *r,
			   const struct rw_record_at *at)
{
	char name[RW_RECORD_NAME];

	if (r->error == -EEXIST || r->error == -EBUSY)
		return; /* it is there already */
	module_name(r->name, sizeof(r->name), name, sizeof(name));
	struct rw_held *h = failure_of(ev, r, name, at);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	h->bpf = true;
	h->ready = true;
	rw_fold_take_task(e, r);
	if (name[0] != '\0')
		rw_event_print(e->module, sizeof(e->module), "%s", name);
	e->error = r->error;
	take_load(e, r);
}

void rw_fold_module_line(struct rw_events *ev, const struct rw_klog_fact *f,
			 const struct rw_line_at *at)
{
	char name[RW_COMM_MAX + 1];

	module_name(f->module, sizeof(f->module), name, sizeof(name));
	struct rw_like like = like_of_module(name);
	if (rw_fold_was_spooled(ev, like, at))
		return;
	struct rw_held *h = rw_fold_find_held(ev, like, at->when, ONE_LOAD_MS, RW_WANT_ANY);
	if (h != NULL) {
		bool first = !h->log;
		rw_fold_mark_log(h, at);
		rw_fold_one_line(ev, like, h, at);
		if (first && f->word[0] != '\0')
			rw_event_set_fact(&h->event, FACT_CAUSE, "%s", f->word);
		return;
	}
	struct rw_past *p = rw_fold_find_past(ev, like, at->when, ONE_LOAD_MS, RW_WANT_ANY);
	if (p != NULL) {
		p->log++;
		rw_fold_one_line(ev, like, NULL, at);
		return;
	}
	bool live = !at->backlog && ev->in_bpf[KIND_MODULE];
	h = rw_fold_hold_line(ev, KIND_MODULE, live ? RW_EVENTS_MODULE_MS : RW_EVENTS_CONFIRM_MS,
			      at);
	if (h == NULL)
		return;
	rw_fold_one_line(ev, like, h, at);
	rw_event_print(h->event.module, sizeof(h->event.module), "%s", name);
	h->event.error = f->error;
	rw_event_set_fact(&h->event, FACT_CAUSE, "%s", f->word);
	rw_event_print(h->event.detail, sizeof(h->event.detail), "%s", f->text);
}

/* ---- taint ---------------------------------------------------------------------------- */

static bool is_news(struct rw_events *ev, uint32_t flag)
{
	if (flag >= 64)
		return true; /* there is none yet; should one come, a storm counts it */
	bool news = (ev->tainted >> flag & 1) == 0;
	ev->tainted |= UINT64_C(1) << flag;
	return news;
}

static void name_flag(struct rw_event *e, uint32_t flag)
{
	rw_event_set_fact(e, FACT_FLAG, "%c", rw_taint_letter(flag));
	if (flag < RW_TAINT_COUNT)
		rw_event_set_fact(e, FACT_FLAG_NAME, "%s", rw_taint_name(flag));
	else
		rw_event_set_fact(e, FACT_FLAG_NAME, "flag_%u", flag);
}

static struct rw_like like_of_flag(uint32_t flag)
{
	struct rw_event named = {.kind = KIND_TAINT};

	name_flag(&named, flag);
	return rw_fold_like_of(&named);
}

void rw_fold_taint_record(struct rw_events *ev, const struct rw_record *r,
			  const struct rw_record_at *at)
{
	uint32_t flag = r->value < UINT32_MAX ? (uint32_t)r->value : UINT32_MAX;

	if (flag == RW_TAINT_SOFT_LOCKUP)
		rw_fold_soft_lockup_record(ev, r, at);
	struct rw_held *h = rw_fold_find_held(ev, like_of_flag(flag), rw_fold_moment(at->ms),
					      RW_EVENTS_APART_MS, RW_WANT_NO_BPF);
	if (is_news(ev, flag) && h == NULL)
		h = rw_fold_hold(ev, KIND_TAINT, at->ms, at->now.boot_ms, at->now);
	if (h == NULL)
		return;
	h->bpf = true;
	h->ready = true;
	rw_fold_take_task(&h->event, r);
	name_flag(&h->event, flag);
}

/* A module's line, told before the flag is set, and of some flags each time. */
void rw_fold_tainted_line(struct rw_events *ev, const struct rw_klog_fact *f,
			  const struct rw_line_at *at)
{
	struct rw_like like = like_of_flag(f->flag);
	struct rw_held *h = rw_fold_find_held(ev, like, at->when, RW_EVENTS_APART_MS,
					      RW_WANT_BPF | RW_WANT_NO_LOG);
	if (h != NULL)
		rw_fold_mark_log(h, at);
	else if (!rw_fold_was_spooled(ev, like, at) && is_news(ev, f->flag))
		h = rw_fold_hold_line(ev, KIND_TAINT, RW_EVENTS_CONFIRM_MS, at);
	rw_fold_one_line(ev, like, h, at);
	if (h == NULL)
		return;
	name_flag(&h->event, f->flag);
	rw_event_print(h->event.module, sizeof(h->event.module), "%s", f->module);
	rw_event_print(h->event.detail, sizeof(h->event.detail), "%s", f->text);
	if (h->bpf || !h->confirmable)
		h->ready = true;
}
