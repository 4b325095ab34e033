/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot that died; see lastboot.h.
 *
 * Order: the old state, what the spool remembers of that boot, dumps, hardware;
 * the decision; then the events, the archive, the new state, and last of all the
 * store is cleared. A kill in between finds, at the next start, its events in the
 * spool, and what is in the spool is neither told nor decided again.
 */
#include "sensor/lastboot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/text.h"
#include "proto/wire.h"
#include "sensor/crashes.h"
#include "sensor/witness.h"

enum { TOLD_MAX = 64 };

static const char seen_live[] = "seen live";

const char *rw_boot_finish_name(enum rw_boot_finish finish)
{
	static const char *const names[] = {
		[RW_FINISH_UNKNOWN] = "unknown",
		[RW_FINISH_REBOOT] = "reboot",
		[RW_FINISH_POWER_OFF] = "power_off",
		[RW_FINISH_KEXEC] = "kexec",
		[RW_FINISH_PANIC] = "panic",
		[RW_FINISH_OOPS] = "oops",
		[RW_FINISH_FORCED_RESTART] = "forced_restart",
		[RW_FINISH_WATCHDOG] = "watchdog",
		[RW_FINISH_HARDWARE_ERROR] = "hardware_error",
		[RW_FINISH_RESET_OR_POWER_LOSS] = "reset_or_power_loss",
	};

	return names[finish];
}

/* ---- the decision ------------------------------------------------------------------ */

/* Clean, one line, never cut within a character. */
__attribute__((format(printf, 3, 4))) static void put(char *out, size_t size, const char *fmt, ...)
{
	char text[2 * RW_DETAIL_MAX];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	size_t length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			text[i] = ' ';
	}
	rw_text_to_utf8(out, size, text, length);
}

static enum rw_boot_finish finish_armed(enum rw_boot_armed armed)
{
	switch (armed) {
	case RW_ARMED_REBOOT:
		return RW_FINISH_REBOOT;
	case RW_ARMED_POWER_OFF:
		return RW_FINISH_POWER_OFF;
	case RW_ARMED_KEXEC:
		return RW_FINISH_KEXEC;
	case RW_ARMED_NONE:
	case RW_ARMED_STOPPED:
		break;
	}
	return RW_FINISH_UNKNOWN;
}

/* What somebody else than the dying kernel knows of the end. */
static enum rw_boot_finish finish_from_outside(const struct rw_lastboot_evidence *e)
{
	if (e->watchdog[0] != '\0')
		return RW_FINISH_WATCHDOG;
	if (e->bert)
		return RW_FINISH_HARDWARE_ERROR;
	return e->reset_finish;
}

static enum rw_boot_finish finish_of(const struct rw_lastboot_evidence *e)
{
	enum rw_boot_finish finish = finish_armed(e->old->armed);

	if (e->panic.kind != 0)
		return RW_FINISH_PANIC;
	if (finish == RW_FINISH_UNKNOWN)
		finish = finish_armed(e->announced);
	if (finish != RW_FINISH_UNKNOWN)
		return finish;
	if (e->forced_by[0] != '\0')
		return RW_FINISH_FORCED_RESTART;
	/* the rest may be about a boot that no sensor has seen */
	if (e->old->armed == RW_ARMED_STOPPED)
		return RW_FINISH_UNKNOWN;
	finish = finish_from_outside(e);
	if (finish != RW_FINISH_UNKNOWN)
		return finish;
	if (e->oops.kind != 0)
		return RW_FINISH_OOPS;
	return e->pstore_backend[0] != '\0' && e->old->sees_restarts ? RW_FINISH_RESET_OR_POWER_LOSS
								     : RW_FINISH_UNKNOWN;
}

static bool is_planned(enum rw_boot_finish finish)
{
	return finish == RW_FINISH_REBOOT || finish == RW_FINISH_POWER_OFF ||
	       finish == RW_FINISH_KEXEC;
}

/* "crash_write+0x12 [acme]", "" when it is not known. */
static void name_place(const struct rw_event *e, char *out, size_t size)
{
	bool module = e->module[0] != '\0';

	put(out, size, "%s%s%s%s", e->symbol, module ? " [" : "", e->module, module ? "]" : "");
}

static void say_crash(const struct rw_lastboot_evidence *e, struct rw_lastboot_verdict *v)
{
	char place[RW_SYMBOL_MAX + RW_COMM_MAX + 8] = "";

	name_place(&e->oops, place, sizeof(place));
	/* the fold may have said so already */
	bool after_oops = place[0] != '\0' && strstr(e->panic.detail, e->oops.symbol) == NULL;
	if (v->finish == RW_FINISH_PANIC) {
		put(v->because, sizeof(v->because), "kernel panic: %s%s%s", e->panic.detail,
		    after_oops ? ", after an oops in " : "", after_oops ? place : "");
		put(v->evidence, sizeof(v->evidence), "%s", e->panic_source);
	} else {
		put(v->because, sizeof(v->because), "an oops in %s was the last that is known",
		    place[0] != '\0' ? place : "an unknown place");
		put(v->evidence, sizeof(v->evidence), "%s", e->oops_source);
	}
}

static void say_hardware(const struct rw_lastboot_evidence *e, struct rw_lastboot_verdict *v)
{
	if (v->finish == RW_FINISH_WATCHDOG && e->watchdog[0] != '\0') {
		put(v->because, sizeof(v->because), "a watchdog has reset the machine: %s",
		    e->watchdog);
		put(v->evidence, sizeof(v->evidence), "watchdog bootstatus");
	} else if (v->finish == RW_FINISH_HARDWARE_ERROR && e->bert) {
		put(v->because, sizeof(v->because),
		    "the firmware has kept a fatal hardware error of that boot");
		put(v->evidence, sizeof(v->evidence), "BERT");
	} else if (e->reset_finish == v->finish) {
		put(v->because, sizeof(v->because), "the reset's reason: %s", e->reset_reason);
		put(v->evidence, sizeof(v->evidence), "reset reason %.80s", e->reset_reason);
	} else {
		put(v->because, sizeof(v->because),
		    "no record of a panic, though %s stood ready: a reset, a loss of power, or a "
		    "hang that was ended from outside",
		    e->pstore_backend);
		put(v->evidence, sizeof(v->evidence), "no record in pstore %s", e->pstore_backend);
	}
}

static void say_unknown(const struct rw_lastboot_evidence *e, struct rw_lastboot_verdict *v)
{
	put(v->because, sizeof(v->because), "%s",
	    e->old->armed == RW_ARMED_STOPPED
		    ? "the sensor had been stopped: how the boot ended is not known"
		    : "cause unknown");
	put(v->evidence, sizeof(v->evidence), "boot state file");
}

static void say_plan(const struct rw_lastboot_evidence *e, struct rw_lastboot_verdict *v)
{
	bool begun = finish_armed(e->old->armed) != RW_FINISH_UNKNOWN;

	put(v->because, sizeof(v->because), "%s: %s",
	    begun ? "the boot ended in good order" : "the end of the boot had been announced",
	    rw_boot_finish_name(v->finish));
	put(v->evidence, sizeof(v->evidence), "%s", begun ? "boot state file" : "announcement");
}

/* What is said of every end: what the register has beside it, and since when. */
static void say_rest(const struct rw_lastboot_evidence *e, struct rw_lastboot_verdict *v)
{
	char said[sizeof(v->because)];
	bool other = e->reset_reason[0] != '\0' && strstr(v->because, e->reset_reason) == NULL;
	const struct rw_boot_state *old = e->old;

	memcpy(said, v->because, sizeof(said));
	put(v->because, sizeof(v->because),
	    "%.250s%s%s; the boot%s%.64s was last known alive %llu s after its start", said,
	    other ? "; the reset's reason: " : "", other ? e->reset_reason : "",
	    old->release[0] != '\0' ? " of Linux " : "", old->release,
	    (unsigned long long)(old->alive_boot_ms / 1000));
}

void rw_lastboot_decide(const struct rw_lastboot_evidence *e, struct rw_lastboot_verdict *out)
{
	struct rw_lastboot_verdict v = {.finish = finish_of(e)};

	v.unexpected = !is_planned(v.finish) &&
		       (v.finish != RW_FINISH_UNKNOWN || e->old->armed != RW_ARMED_STOPPED);
	switch (v.finish) {
	case RW_FINISH_REBOOT:
	case RW_FINISH_POWER_OFF:
	case RW_FINISH_KEXEC:
		say_plan(e, &v);
		break;
	case RW_FINISH_PANIC:
	case RW_FINISH_OOPS:
		say_crash(e, &v);
		break;
	case RW_FINISH_FORCED_RESTART:
		put(v.because, sizeof(v.because), "%s", e->forced_by);
		put(v.evidence, sizeof(v.evidence), "%s", e->forced_source);
		break;
	case RW_FINISH_WATCHDOG:
	case RW_FINISH_HARDWARE_ERROR:
	case RW_FINISH_RESET_OR_POWER_LOSS:
		say_hardware(e, &v);
		break;
	case RW_FINISH_UNKNOWN:
		say_unknown(e, &v);
		break;
	}
	say_rest(e, &v);
	*out = v;
}

/* ---- what the spool remembers ---------------------------------------------------------- */

struct settling {
	const struct rw_lastboot_config *config;
	struct rw_spool *spool;
	rw_lastboot_fn *fn;
	void *context;
	char *error;
	struct rw_boot_state old;
	struct rw_lastboot_evidence evidence;
	struct rw_lastboot_verdict verdict;
	struct rw_witness witness;
	struct rw_dumps dumps;
	bool of_boot[RW_PSTORE_DUMPS_MAX]; /* new, and of the old boot */
	bool keep[RW_PSTORE_DUMPS_MAX];    /* worth the archive */
	struct rw_crashes crashes;         /* of the dump at hand */
	struct rw_log_excerpt log;
	uint32_t told_count;
	uint64_t told[TOLD_MAX]; /* of the old boot: what the spool holds; hashes */
	uint32_t events;         /* of dumps, that went out */
	bool panic_in_dump;      /* the evidence is from a dump, of the best kind there is */
	bool end_told;           /* how it ended, too: this is another try */
	bool end_unexpected;
};

/* A kind and a signature in one number. */
static uint64_t mark_of(const struct rw_event *e)
{
	uint64_t h = 0xcbf29ce484222325 ^ (uint64_t)e->kind; /* FNV-1a */

	for (const char *c = e->signature; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3;
	return h;
}

static bool was_told(const struct settling *s, const struct rw_event *e)
{
	for (uint32_t i = 0; i < s->told_count && i < TOLD_MAX; i++) {
		if (s->told[i] == mark_of(e))
			return true;
	}
	return false;
}

static bool is_at_the_end(const struct settling *s, const struct rw_event *e)
{
	return e->boot_ms + RW_BOOT_ALIVE_WATCHFUL_MS >= s->old.alive_boot_ms;
}

/* Crashes only: others are no evidence, and would push these out. */
static void recall(void *context, const struct rw_event *e)
{
	struct settling *s = context;

	if (strcmp(e->boot_id, s->old.boot_id) != 0)
		return;
	if (e->kind == RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT ||
	    e->kind == RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT) {
		s->end_told = true;
		s->end_unexpected = e->kind == RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT;
		return;
	}
	if (e->severity != RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL)
		return;
	s->told[s->told_count++ % TOLD_MAX] = mark_of(e);
	if (!is_at_the_end(s, e))
		return;
	struct rw_event *kept = e->kind == RINGWATCH__V1__KIND__KIND_PANIC  ? &s->evidence.panic
				: e->kind == RINGWATCH__V1__KIND__KIND_OOPS ? &s->evidence.oops
									    : NULL;
	if (kept == NULL)
		return;
	*kept = *e;
	kept->log = NULL;
	put(e->kind == RINGWATCH__V1__KIND__KIND_PANIC ? s->evidence.panic_source
						       : s->evidence.oops_source,
	    sizeof(s->evidence.panic_source), "%s",
	    e->source == RINGWATCH__V1__SOURCE__SOURCE_PSTORE ? "pstore" : seen_live);
}

/* What the dying boot could still write down, where the spool has nothing. */
static void take_last_words(struct settling *s)
{
	static const char panic[] = "panic: ";
	const char *words = s->old.last_words;
	struct rw_lastboot_evidence *e = &s->evidence;

	if (strncmp(words, panic, strlen(panic)) == 0 && e->panic.kind == 0) {
		e->panic.kind = RINGWATCH__V1__KIND__KIND_PANIC;
		put(e->panic.detail, sizeof(e->panic.detail), "%s", words + strlen(panic));
		put(e->panic_source, sizeof(e->panic_source), "%s", seen_live);
	} else if (strncmp(words, "forced", strlen("forced")) == 0) {
		put(e->forced_by, sizeof(e->forced_by), "%s", words);
		put(e->forced_source, sizeof(e->forced_source), "%s", seen_live);
	}
}

/* ---- telling ----------------------------------------------------------------------------- */

static int tell(struct settling *s, struct rw_event *e)
{
	char signature[RW_LOG_QUOTED_BYTES];
	char detail[RW_LOG_QUOTED_BYTES];

	if (s->spool == NULL) {
		s->fn(s->context, e);
		return 0;
	}
	int err = rw_spool_append(s->spool, e, UINT64_MAX);
	if (err != 0) {
		snprintf(s->error, RW_BOOT_ERROR_BYTES,
			 "spool: how the last boot ended cannot be kept: %s", strerror(-err));
		return err;
	}
	rw_info("event=spooled kind=%s signature=%s source=%s sequence=%llu detail=%s",
		rw_kind_name(e->kind), rw_log_quoted(e->signature, signature),
		rw_source_name(e->source), (unsigned long long)e->sequence,
		rw_log_quoted(e->detail, detail));
	return 0;
}

/* A crash that a dump tells, once. */
static int tell_crash(struct settling *s, const struct rw_dump *dump, uint32_t which)
{
	struct rw_event *e = &s->crashes.events[which];

	/* the last two places are those of the panic and of the end */
	bool panic = e->kind == RINGWATCH__V1__KIND__KIND_PANIC;
	if (was_told(s, e) || s->events + (panic ? 1 : 2) >= RW_LASTBOOT_EVENTS)
		return 0;
	if (rw_crashes_pack(dump, &s->crashes, which, &s->log) == 0)
		e->log = &s->log;
	int err = tell(s, e);
	e->log = NULL;
	if (err == 0) {
		s->told[s->told_count++ % TOLD_MAX] = mark_of(e);
		s->events++;
	}
	return err;
}

/* ---- dumps --------------------------------------------------------------------------------- */

static void take_crash(struct settling *s, const struct rw_dump *dump, const struct rw_event *e)
{
	struct rw_lastboot_evidence *v = &s->evidence;

	if (e->kind == RINGWATCH__V1__KIND__KIND_PANIC && !s->panic_in_dump) {
		s->panic_in_dump = true;
		v->panic = *e;
		put(v->panic_source, sizeof(v->panic_source), "%s", dump->source);
	} else if (e->kind == RINGWATCH__V1__KIND__KIND_OOPS && is_at_the_end(s, e)) {
		v->oops = *e;
		put(v->oops_source, sizeof(v->oops_source), "%s", dump->source);
	}
}

/* A dump of this reason is itself what says how the boot ended, whatever its text. */
static void take_reason(struct settling *s, const struct rw_dump *dump)
{
	struct rw_lastboot_evidence *v = &s->evidence;

	if (dump->reason == RW_DUMP_PANIC && v->panic.kind == 0) {
		v->panic.kind = RINGWATCH__V1__KIND__KIND_PANIC;
		put(v->panic.detail, sizeof(v->panic.detail), "its text is lost");
		put(v->panic_source, sizeof(v->panic_source), "%s", dump->source);
	}
	if ((dump->reason == RW_DUMP_EMERGENCY || dump->reason == RW_DUMP_SHUTDOWN) &&
	    v->forced_by[0] == '\0') {
		put(v->forced_by, sizeof(v->forced_by), "%s",
		    dump->reason == RW_DUMP_EMERGENCY ? "an emergency restart"
						      : "a restart that nobody had announced");
		put(v->forced_source, sizeof(v->forced_source), "%s", dump->source);
	}
}

static int take_dump(struct settling *s, uint32_t n)
{
	const struct rw_dump *dump = &s->dumps.dumps[n];
	int err = rw_crashes_find(dump, &s->old, &s->crashes);

	if (err != 0)
		return err;
	/* a console's text is no dump: it counts when there is a crash in it */
	s->keep[n] = dump->reason != RW_DUMP_CONSOLE || s->crashes.count > 0;
	for (uint32_t i = 0; i < s->crashes.count && err == 0; i++) {
		take_crash(s, dump, &s->crashes.events[i]);
		err = tell_crash(s, dump, i);
	}
	take_reason(s, dump);
	return err;
}

/* Without an old state nothing can be of it; but what is there is known from now on. */
static int keep_for_later(struct settling *s, uint32_t n)
{
	const struct rw_dump *dump = &s->dumps.dumps[n];
	int err = 0;

	s->keep[n] = true;
	if (dump->reason == RW_DUMP_CONSOLE) {
		err = rw_crashes_find(dump, NULL, &s->crashes);
		s->keep[n] = err == 0 && s->crashes.count > 0;
	}
	return err;
}

/* Oopses first, so that a panic's own text, which repeats them, tells the rest; what a
 * console or a crash kernel adds comes last. */
static int rank_of(const struct rw_dump *dump)
{
	if (dump->reason == RW_DUMP_CONSOLE)
		return 3;
	if (dump->place == RW_DUMP_IN_CRASH)
		return 2;
	return dump->reason == RW_DUMP_OOPS ? 0 : 1;
}

static int take_dumps(struct settling *s, bool has_old)
{
	int err = 0;

	rw_pstore_read(s->config->root, &s->dumps);
	for (int rank = 0; rank <= 3; rank++) {
		for (uint32_t n = 0; n < s->dumps.count && err == 0; n++) {
			const struct rw_dump *dump = &s->dumps.dumps[n];
			if (rank_of(dump) != rank)
				continue;
			bool known = rw_pstore_is_known(s->config->folder, dump);
			s->of_boot[n] = has_old && !known && rw_crashes_are_of(dump, &s->old);
			if (s->of_boot[n])
				err = take_dump(s, n);
			else
				err = keep_for_later(s, n);
		}
	}
	return err;
}

/* ---- the rest of the evidence ------------------------------------------------------------- */

static void take_announcement(struct settling *s)
{
	struct rw_announcement a;

	if (s->old.armed == RW_ARMED_NONE &&
	    rw_announcement_read(s->config->folder, s->old.boot_id, s->old.alive_boot_ms, &a))
		s->evidence.announced = a.armed;
}

/*
 * A register that says what it said a boot ago may not have been written since:
 * kernels before 6.18 leave it as it is.
 */
static void take_witness(struct settling *s)
{
	struct rw_lastboot_evidence *e = &s->evidence;
	const struct rw_witness *w = &s->witness;
	bool stale = w->reset_status != 0 && w->reset_status == s->old.reset_status;

	put(e->watchdog, sizeof(e->watchdog), "%s", w->watchdog);
	put(e->reset_reason, sizeof(e->reset_reason), "%.110s%s", w->reset_reason,
	    stale ? " (as a boot before: it may be old)" : "");
	e->reset_finish = stale ? RW_FINISH_UNKNOWN : rw_witness_reset_means(w->reset_status);
	e->bert = w->bert;
}

/* What is listed in the store now; of ramoops it also says that the memory was not lost. */
static bool store_holds_something(const struct settling *s)
{
	bool any = s->dumps.in_store > 0;

	for (uint32_t n = 0; n < s->dumps.count && !any; n++)
		any = s->dumps.dumps[n].place == RW_DUMP_IN_STORE;
	return any;
}

/*
 * That nothing is there says something only of a store that stood ready, is the
 * same one now, and can be read. A full one takes no more records. ramoops is the
 * other way round: it overwrites its oldest, but it is memory, and an empty one
 * may have lost its power after a panic.
 */
static void take_silence(struct settling *s)
{
	struct rw_lastboot_evidence *e = &s->evidence;
	char backend[RW_BOOT_BACKEND_BYTES];

	rw_pstore_backend(s->config->root, backend, sizeof(backend));
	if (s->old.pstore_backend[0] == '\0' || strcmp(backend, s->old.pstore_backend) != 0 ||
	    !s->dumps.store_read)
		return;
	for (uint32_t n = 0; n < s->dumps.count; n++) {
		enum rw_dump_reason reason = s->dumps.dumps[n].reason;
		if (s->of_boot[n] && reason != RW_DUMP_OOPS && reason != RW_DUMP_CONSOLE)
			return;
	}
	if (store_holds_something(s) == (strcmp(backend, "ramoops") == 0))
		put(e->pstore_backend, sizeof(e->pstore_backend), "%s", backend);
}

/* ---- the event --------------------------------------------------------------------------- */

static void fill_end(const struct settling *s, struct rw_event *e)
{
	const struct rw_lastboot_verdict *v = &s->verdict;
	const struct rw_event *crash =
		s->evidence.panic.symbol[0] != '\0' ? &s->evidence.panic : &s->evidence.oops;
	const char *word = rw_boot_finish_name(v->finish);

	*e = (struct rw_event){
		.kind = v->unexpected ? RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT
				      : RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT,
		.severity = v->unexpected ? RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL
					  : RINGWATCH__V1__SEVERITY__SEVERITY_INFO,
		.source = RINGWATCH__V1__SOURCE__SOURCE_BOOT_STATE,
		.boot_order = s->old.boot_order,
		.boot_ms = s->old.alive_boot_ms,
		.wall_ms = s->old.alive_wall_ms,
		.cpu = RW_CPU_UNKNOWN,
		.count = 1,
	};
	memcpy(e->boot_id, s->old.boot_id, sizeof(e->boot_id));
	put(e->signature, sizeof(e->signature), "%s:%s",
	    v->unexpected ? "unexpected_reboot" : "planned_reboot", word);
	put(e->detail, sizeof(e->detail), "%s", v->because);
	rw_event_set_fact(e, RINGWATCH__V1__FACT_NAME__FACT_END, "%s", word);
	rw_event_set_fact(e, RINGWATCH__V1__FACT_NAME__FACT_EVIDENCE, "%s", v->evidence);
	if (v->finish == RW_FINISH_PANIC || v->finish == RW_FINISH_OOPS) {
		memcpy(e->symbol, crash->symbol, sizeof(e->symbol));
		memcpy(e->module, crash->module, sizeof(e->module));
	}
}

static int tell_end(struct settling *s, struct rw_boot_state *fresh)
{
	struct rw_event e;

	rw_lastboot_decide(&s->evidence, &s->verdict);
	bool unexpected = s->end_told ? s->end_unexpected : s->verdict.unexpected;
	if (unexpected)
		fresh->previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED;
	else if (s->end_told || is_planned(s->verdict.finish))
		fresh->previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_ORDERLY;
	else
		fresh->previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN;
	if (s->end_told || fresh->previous_end == RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN)
		return 0;
	fill_end(s, &e);
	return tell(s, &e);
}

static int gather_and_tell(struct settling *s, struct rw_boot_state *fresh)
{
	s->evidence.old = &s->old;
	if (s->spool != NULL)
		(void)rw_spool_review(s->spool, recall, s);
	take_last_words(s);
	int err = take_dumps(s, true);
	if (err != 0)
		return err;
	take_announcement(s);
	take_witness(s);
	take_silence(s);
	return tell_end(s, fresh);
}

/* ---- afterwards ---------------------------------------------------------------------------- */

/* What fails here is tried at the next start; nothing is lost meanwhile. */
static void keep_dumps(struct settling *s)
{
	for (uint32_t n = 0; n < s->dumps.count; n++) {
		int err = s->keep[n] ? rw_pstore_archive(s->config->folder, &s->dumps.dumps[n]) : 0;
		if (err == 0)
			continue;
		s->keep[n] = false;
		snprintf(s->error, RW_BOOT_ERROR_BYTES, "archive: a crash dump cannot be kept: %s",
			 strerror(-err));
	}
}

static void clear_store(struct settling *s)
{
	for (uint32_t n = 0; n < s->dumps.count && s->config->remove_pstore; n++) {
		int err = s->keep[n] ? rw_pstore_remove(&s->dumps.dumps[n]) : 0;
		if (err != 0)
			snprintf(s->error, RW_BOOT_ERROR_BYTES,
				 "pstore: a record that is archived cannot be removed: %s",
				 strerror(-err));
	}
}

static int save(struct settling *s, const struct rw_boot_state *fresh)
{
	int err = s->spool == NULL ? 0 : rw_boot_save(s->config->folder, fresh);

	if (err != 0)
		snprintf(s->error, RW_BOOT_ERROR_BYTES, "boot.state: %s", strerror(-err));
	return err;
}

static void log_findings(const struct settling *s, bool has_old)
{
	char because[RW_LOG_QUOTED_BYTES];
	char evidence[RW_LOG_QUOTED_BYTES];

	if (s->dumps.count > 0 || s->dumps.ignored > 0)
		rw_info("event=crash_dumps count=%u ignored=%u", s->dumps.count, s->dumps.ignored);
	if (has_old)
		rw_info("event=last_boot boot=%s end=%s evidence=%s because=%s", s->old.boot_id,
			rw_boot_finish_name(s->verdict.finish),
			rw_log_quoted(s->verdict.evidence, evidence),
			rw_log_quoted(s->verdict.because, because));
}

/* This is another boot than the state's, or the first that is known. */
static int settle_other(struct settling *s, bool has_old, struct rw_boot_state *fresh)
{
	int err;

	rw_witness_hear(s->config->root, s->config->kmsg, &s->witness);
	fresh->reset_status = s->witness.reset_status;
	err = has_old ? gather_and_tell(s, fresh) : take_dumps(s, false);
	if (err != 0) {
		if (s->error[0] == '\0')
			snprintf(s->error, RW_BOOT_ERROR_BYTES, "the last boot: %s",
				 strerror(-err));
		return err;
	}
	log_findings(s, has_old);
	if (s->spool != NULL)
		keep_dumps(s);
	err = save(s, fresh);
	if (err == 0 && s->spool != NULL)
		clear_store(s);
	return err;
}

static int begin(struct settling *s, struct rw_boot_state *fresh, uint64_t *left_off_ms)
{
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	struct utsname system;
	int err = rw_boot_id_below(s->config->root, boot_id);

	if (err != 0) {
		snprintf(s->error, RW_BOOT_ERROR_BYTES, "the boot's id cannot be read: %s",
			 strerror(-err));
		return err;
	}
	int loaded = rw_boot_load(s->config->folder, &s->old, s->error);
	if (loaded == -ENOENT)
		s->error[0] = '\0';
	else if (loaded != 0 && loaded != -EINVAL && s->spool != NULL)
		return loaded;
	bool has_old = loaded == 0;
	rw_boot_begin(has_old ? &s->old : NULL, boot_id, rw_clock_boot_ms(), rw_clock_wall_ms(),
		      fresh);
	if (uname(&system) == 0)
		rw_text_to_utf8(fresh->release, sizeof(fresh->release), system.release,
				strlen(system.release));
	(void)rw_boot_look(s->config->root, fresh);
	*left_off_ms = UINT64_MAX;
	if (has_old && strcmp(s->old.boot_id, boot_id) == 0) {
		*left_off_ms = s->old.alive_boot_ms;
		return save(s, fresh);
	}
	return settle_other(s, has_old, fresh);
}

int rw_lastboot_settle(const struct rw_lastboot_config *config, struct rw_spool *spool,
		       rw_lastboot_fn *fn, void *context, struct rw_boot_state *fresh,
		       uint64_t *left_off_ms, char error[RW_BOOT_ERROR_BYTES])
{
	struct settling *s = calloc(1, sizeof(*s));

	error[0] = '\0';
	if (s == NULL) {
		snprintf(error, RW_BOOT_ERROR_BYTES, "no memory");
		return -ENOMEM;
	}
	s->config = config;
	s->spool = spool;
	s->fn = fn;
	s->context = context;
	s->error = error;
	int err = begin(s, fresh, left_off_ms);
	rw_dumps_release(&s->dumps);
	free(s);
	return err;
}
