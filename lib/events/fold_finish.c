/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event lacks when it leaves: severity, signature, a line for people,
 * and of a panic what led to it; see fold_internal.h.
 */
#include <errno.h>
#include <string.h>

#include "lib/events/fold_internal.h"
#include "lib/events/sign.h"

#define INFO RINGWATCH__V1__SEVERITY__SEVERITY_INFO
#define WARNING RINGWATCH__V1__SEVERITY__SEVERITY_WARNING
#define CRITICAL RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL

static bool is_fact(const struct rw_event *e, Ringwatch__V1__FactName name, const char *value)
{
	return strcmp(rw_event_fact(e, name), value) == 0;
}

/* ---- severity ------------------------------------------------------------------------ */

/* Flags that say what sort of module came, and no more: kernel/panic.c, taint_flags. */
static bool is_of_module(const struct rw_event *e)
{
	const char *letter = rw_event_fact(e, FACT_FLAG);

	return letter[0] != '\0' && strchr("PFCOEKXTNJ", letter[0]) != NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static Ringwatch__V1__Severity severity_of_memory(const struct rw_event *e)
{
	if (is_fact(e, FACT_TYPE, "corrected"))
		return INFO;
	/* "… recovery action for dirty LRU page: Recovered" */
	return ends_with(e->detail, "ecovered") ? WARNING : CRITICAL;
}

static Ringwatch__V1__Severity severity_of_hardware(const struct rw_event *e)
{
	if (is_fact(e, FACT_TYPE, WORD_FATAL))
		return CRITICAL;
	return is_fact(e, FACT_TYPE, WORD_CORRECTABLE) ? INFO : WARNING;
}

static Ringwatch__V1__Severity severity_of(const struct rw_event *e)
{
	switch ((int)e->kind) {
	case KIND_OOPS:
	case KIND_PANIC:
	case KIND_SOFT_LOCKUP:
	case KIND_HARD_LOCKUP:
	case KIND_KFENCE:
	case KIND_KASAN:
		return CRITICAL;
	case KIND_RESTART:
		return INFO;
	case KIND_MODULE:
		/* hardware that is not there: many drivers end so on purpose */
		return e->error == -ENODEV ? INFO : WARNING;
	case KIND_OOM_KILL:
		return is_fact(e, FACT_SCOPE, "cgroup") ? INFO : WARNING;
	case KIND_TAINT:
		return is_of_module(e) ? INFO : WARNING;
	case KIND_MACHINE_CHECK:
	case KIND_PCIE_ERROR:
		return severity_of_hardware(e);
	case KIND_MEMORY_ERROR:
		return severity_of_memory(e);
	default:
		return WARNING;
	}
}

/* ---- a line for people ----------------------------------------------------------------- */

static void describe_stuck(struct rw_event *e, const char *what)
{
	const char *seconds = rw_event_fact(e, FACT_SECONDS);
	char cpu[24] = "";
	char lasting[RW_FACT_VALUE_MAX + 32] = "";

	if (e->cpu != RW_CPU_UNKNOWN)
		rw_event_print(cpu, sizeof(cpu), " on CPU %u", e->cpu);
	if (seconds[0] != '\0')
		rw_event_print(lasting, sizeof(lasting), " for %s s", seconds);
	rw_event_print(e->detail, sizeof(e->detail), "%s%s%s%s%s", what, cpu, lasting,
		       e->symbol[0] != '\0' ? " in " : "", e->symbol);
}

static void describe_hung(struct rw_event *e)
{
	const char *seconds = rw_event_fact(e, FACT_SECONDS);

	rw_event_print(e->detail, sizeof(e->detail), "task %s:%u hangs%s%s%s%s%s", e->comm, e->pid,
		       seconds[0] != '\0' ? " for " : "", seconds, seconds[0] != '\0' ? " s" : "",
		       e->symbol[0] != '\0' ? " in " : "", e->symbol);
}

static void describe_victim(struct rw_event *e)
{
	const char *cgroup = rw_event_fact(e, FACT_CGROUP);
	const char *rss = rw_event_fact(e, FACT_RSS_KIB);
	bool global = is_fact(e, FACT_SCOPE, "global");

	rw_event_print(e->detail, sizeof(e->detail), "killed %s:%u for want of memory%s%s%s%s%s%s",
		       e->comm, e->pid, global ? "" : " in its cgroup",
		       cgroup[0] != '\0' ? "; cgroup " : "", cgroup,
		       rss[0] != '\0' ? "; it held " : "", rss, rss[0] != '\0' ? " KiB" : "");
}

static void describe_taint(struct rw_event *e)
{
	rw_event_print(e->detail, sizeof(e->detail), "kernel is tainted now: %s (%s)%s%s",
		       rw_event_fact(e, FACT_FLAG), rw_event_fact(e, FACT_FLAG_NAME),
		       e->comm[0] != '\0' ? " by " : "", e->comm);
}

/* "Oops" is all that the hook was told of it. */
static void describe_oops(struct rw_event *e)
{
	const char *type = rw_event_fact(e, FACT_TYPE);
	const char *address = rw_event_fact(e, FACT_ADDRESS);
	char what[128];

	if (e->detail[0] != '\0' && strcmp(e->detail, "Oops") != 0)
		return;
	rw_event_print(what, sizeof(what), "%s%s%s%s", type[0] != '\0' ? ": " : "", type,
		       address[0] != '\0' ? " at " : "", address);
	rw_event_print(e->detail, sizeof(e->detail), "Oops%s", what);
}

static void describe(struct rw_event *e)
{
	if (e->kind == KIND_OOPS)
		describe_oops(e);
	if (e->detail[0] != '\0')
		return;
	switch ((int)e->kind) {
	case KIND_WARNING:
		rw_event_print(e->detail, sizeof(e->detail), "WARNING at %s",
			       e->symbol[0] != '\0' ? e->symbol : "an unknown place");
		break;
	case KIND_SOFT_LOCKUP:
		describe_stuck(e, "soft lockup");
		break;
	case KIND_HARD_LOCKUP:
		describe_stuck(e, "hard lockup");
		break;
	case KIND_RCU_STALL:
		describe_stuck(e, "RCU stall");
		break;
	case KIND_HUNG_TASK:
		describe_hung(e);
		break;
	case KIND_OOM_KILL:
		describe_victim(e);
		break;
	case KIND_TAINT:
		describe_taint(e);
		break;
	default:
		rw_event_print(e->detail, sizeof(e->detail), "%s", e->signature);
		break;
	}
}

/* ---- what led to a panic ------------------------------------------------------------------ */

static bool may_lead_to_panic(Ringwatch__V1__Kind kind)
{
	switch ((int)kind) {
	case KIND_OOPS:
	case KIND_WARNING:
	case KIND_KASAN:
	case KIND_KFENCE:
	case KIND_SOFT_LOCKUP:
	case KIND_HARD_LOCKUP:
	case KIND_HUNG_TASK:
	case KIND_RCU_STALL:
	case KIND_MACHINE_CHECK:
	case KIND_OOM_KILL:
		return true;
	default:
		return false;
	}
}

/* The last of each kind. */
static void note_cause(struct rw_events *ev, const struct rw_event *e)
{
	struct rw_cause *c = &ev->causes[0];

	if (!may_lead_to_panic(e->kind))
		return;
	for (size_t i = 0; i < RW_FOLD_CAUSES; i++) {
		c = &ev->causes[i];
		if (c->kind == 0 || c->kind == e->kind)
			break;
	}
	c->kind = e->kind;
	c->boot_ms = e->boot_ms;
	memcpy(c->symbol, e->symbol, sizeof(c->symbol));
	memcpy(c->module, e->module, sizeof(c->module));
	memcpy(c->signature, e->signature, sizeof(c->signature));
}

/* Of which kind of event the text speaks; 0: of none. */
static int kind_behind(const char *text)
{
	static const struct {
		const char *text;
		int kind;
	} forms[] = {
		{"Fatal exception", KIND_OOPS},
		{"Attempted to kill init!", KIND_OOPS},
		{"Attempted to kill the idle task!", KIND_OOPS},
		{"Aiee, killing interrupt handler!", KIND_OOPS},
		{"panic_on_warn set", KIND_WARNING},
		{"kernel: panic_on_warn set", KIND_WARNING},
		{"kernel: system warned too often", KIND_WARNING},
		{"KASAN: panic_on_warn set", KIND_KASAN},
		{"KFENCE: panic_on_warn set", KIND_KFENCE},
		{"softlockup: hung tasks", KIND_SOFT_LOCKUP},
		{"Hard LOCKUP", KIND_HARD_LOCKUP},
		{"hung_task: blocked tasks", KIND_HUNG_TASK},
		{"RCU Stall", KIND_RCU_STALL},
		{"Fatal machine check", KIND_MACHINE_CHECK},
		{"Fatal local machine check", KIND_MACHINE_CHECK},
		{"Local fatal machine check", KIND_MACHINE_CHECK},
		{"Out of memory", KIND_OOM_KILL},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strncmp(text, forms[i].text, strlen(forms[i].text)) == 0)
			return forms[i].kind;
	}
	/* arm64: "Oops - BUG: Fatal exception" */
	return strstr(text, ": Fatal exception") != NULL ? KIND_OOPS : 0;
}

static const struct rw_cause *find_cause(const struct rw_events *ev, int kind, uint64_t boot_ms)
{
	for (size_t i = 0; i < RW_FOLD_CAUSES; i++) {
		const struct rw_cause *c = &ev->causes[i];
		if ((int)c->kind == kind && c->boot_ms + RW_FOLD_ONE_PANIC_MS >= boot_ms &&
		    c->boot_ms <= boot_ms + RW_EVENTS_APART_MS)
			return c;
	}
	return NULL;
}

/* The place that brought the machine down is that of the oops, not of who called panic(). */
static void blame_cause(const struct rw_events *ev, struct rw_event *e)
{
	int kind = kind_behind(e->detail);
	const struct rw_cause *c = kind != 0 ? find_cause(ev, kind, e->boot_ms) : NULL;

	if (c != NULL) {
		memcpy(e->symbol, c->symbol, sizeof(e->symbol));
		memcpy(e->module, c->module, sizeof(e->module));
		rw_event_print(e->detail, sizeof(e->detail), "%s (after %s)", e->detail,
			       c->signature);
		return;
	}
	/* the log's begin is lost, as in what a dying kernel could save of it */
	if (kind == KIND_OOPS && ev->last_ip.symbol[0] != '\0' &&
	    ev->last_ip_ms + RW_FOLD_ONE_PANIC_MS >= e->boot_ms) {
		rw_event_print(e->symbol, sizeof(e->symbol), "%s", ev->last_ip.symbol);
		rw_event_print(e->module, sizeof(e->module), "%s", ev->last_ip.module);
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

void rw_fold_finish(struct rw_events *ev, const struct rw_held *h, struct rw_event *e,
		    struct rw_events_time now)
{
	memcpy(e->boot_id, ev->config.boot_id, sizeof(e->boot_id));
	e->boot_order = ev->config.boot_order;
	uint64_t age = now.boot_ms > e->boot_ms ? now.boot_ms - e->boot_ms : 0;
	e->wall_ms = now.wall_ms > age ? now.wall_ms - age : 0;
	e->source = h->bpf && h->log ? RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG
		    : h->bpf         ? RINGWATCH__V1__SOURCE__SOURCE_BPF
				     : RINGWATCH__V1__SOURCE__SOURCE_LOG;
	e->count = 1;
	if (e->kind == KIND_MODULE && e->module[0] == '\0')
		rw_event_print(e->module, sizeof(e->module), "unknown");
	rw_sign(e);
	if (e->kind == KIND_PANIC)
		blame_cause(ev, e);
	e->severity = severity_of(e);
	describe(e);
	note_cause(ev, e);
}
