/* SPDX-License-Identifier: Apache-2.0 */
/* Coverage; see coverage.h. */
#include "sensor/coverage.h"

#include <string.h>

#include "lib/text.h"
#include "proto/wire.h"

static const char log_hook[] = "kernel log";
static const char no_log[] = "the kernel log cannot be read";
static const char between_hooks[] = " + ";
static const char between_reasons[] = "; ";

static const struct row {
	Ringwatch__V1__Kind kind;
	bool in_log;
	const char *counter;  /* of the kernel's own, that would show what the others missed */
	const char *unhooked; /* why BPF is not asked at all */
} watched[] = {
	{RINGWATCH__V1__KIND__KIND_OOPS, true, "oops_count", NULL},
	{RINGWATCH__V1__KIND__KIND_PANIC, true, NULL, NULL},
	{RINGWATCH__V1__KIND__KIND_WARNING, true, "warn_count", NULL},
	{RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED, true, NULL, NULL},
	{RINGWATCH__V1__KIND__KIND_RESTART, true, NULL, NULL},
	{RINGWATCH__V1__KIND__KIND_SOFT_LOCKUP, true, "softlockup_count", NULL},
	{RINGWATCH__V1__KIND__KIND_HARD_LOCKUP, true, "hardlockup_count",
	 "found in an NMI, where no BPF program of ours runs"},
	{RINGWATCH__V1__KIND__KIND_RCU_STALL, true, "rcu_stall_count", NULL},
	{RINGWATCH__V1__KIND__KIND_HUNG_TASK, true, "hung_task_detect_count", NULL},
	{RINGWATCH__V1__KIND__KIND_OOM_KILL, true, "oom_kill", NULL},
	{RINGWATCH__V1__KIND__KIND_TAINT, true, "tainted", NULL},
	{RINGWATCH__V1__KIND__KIND_MACHINE_CHECK, true, NULL, NULL},
	{RINGWATCH__V1__KIND__KIND_MEMORY_ERROR, true, NULL, NULL},
	{RINGWATCH__V1__KIND__KIND_PCIE_ERROR, true, NULL, NULL},
	{RINGWATCH__V1__KIND__KIND_KFENCE, true, NULL, NULL},
	{RINGWATCH__V1__KIND__KIND_KASAN, true, NULL, NULL},
};

enum { WATCHED = sizeof(watched) / sizeof(watched[0]), OTHERS = 3 };
_Static_assert((int)WATCHED + (int)OTHERS <= (int)RW_COVERAGE_MAX, "one row a kind");

/* Adds `text` behind what stands there, whole or not at all. */
static void add(char *out, size_t size, const char *between, const char *text)
{
	char clean[256];
	size_t used = strlen(out);

	rw_text_escape(clean, sizeof(clean), text, strlen(text));
	if (used == 0)
		between = "";
	if (clean[0] == '\0' || used + strlen(between) + strlen(clean) >= size)
		return;
	snprintf(out + used, size - used, "%s%s", between, clean);
}

/* "a + b + c" without its last hook; false when there is but one. */
static bool drop_last_hook(char *hooks)
{
	char *cut = NULL;

	for (char *p = strstr(hooks, between_hooks); p != NULL; p = strstr(p + 1, between_hooks))
		cut = p;
	if (cut != NULL)
		*cut = '\0';
	return cut != NULL;
}

static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = list; p != NULL && (p = strstr(p, name)) != NULL; p += length) {
		bool begins = p == list || p[-1] == ' ';
		if (begins && (p[length] == '\0' || p[length] == ','))
			return true;
	}
	return false;
}

static bool is_armed(const char *netconsole)
{
	return netconsole != NULL && strncmp(netconsole, "armed", strlen("armed")) == 0;
}

/* BPF's hooks give way to the other sources' names. */
static void join_hooks(const struct row *w, const struct rw_coverage_sources *s, const char *bpf,
		       struct rw_uplink_coverage *row)
{
	char others[sizeof(row->hook)] = "";
	char hooks[RW_PROBES_HOOK_BYTES];

	if (w->in_log && s->kernel_log)
		add(others, sizeof(others), between_hooks, log_hook);
	if (w->counter != NULL && is_listed(s->counters, w->counter))
		add(others, sizeof(others), between_hooks, w->counter);
	if (w->kind == RINGWATCH__V1__KIND__KIND_PANIC && is_armed(s->netconsole))
		add(others, sizeof(others), between_hooks, "netconsole");

	snprintf(hooks, sizeof(hooks), "%s", bpf);
	while (strlen(hooks) + strlen(between_hooks) + strlen(others) >= sizeof(row->hook)) {
		if (!drop_last_hook(hooks))
			break;
	}
	add(row->hook, sizeof(row->hook), between_hooks, hooks);
	add(row->hook, sizeof(row->hook), between_hooks, others);
	if (row->hook[0] == '\0')
		add(row->hook, sizeof(row->hook), between_hooks, "none");
}

static void build_row(const struct row *w, const struct rw_coverage_sources *s,
		      const struct rw_probe_coverage *bpf, struct rw_uplink_coverage *row)
{
	const char *why = s->no_probes == NULL ? "" : s->no_probes;

	if (w->unhooked != NULL)
		why = w->unhooked;
	else if (bpf != NULL)
		why = bpf->reason;
	join_hooks(w, s, bpf != NULL && bpf->in_bpf ? bpf->hook : "", row);
	add(row->reason, sizeof(row->reason), between_reasons, why);
	if (w->in_log && !s->kernel_log)
		add(row->reason, sizeof(row->reason), between_reasons, no_log);
}

/* What only the next boot, or the kernel's own count, can tell. */
static uint32_t build_others(const struct rw_coverage_sources *s, struct rw_uplink_coverage *out)
{
	const char *pstore = s->pstore == NULL ? "" : s->pstore;
	const char *counters = s->counters == NULL ? "" : s->counters;

	out[0].kind = RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT;
	add(out[0].hook, sizeof(out[0].hook), between_hooks, "boot state file");
	if (pstore[0] != '\0') {
		add(out[0].hook, sizeof(out[0].hook), between_hooks, "pstore");
		add(out[0].hook, sizeof(out[0].hook), " ", pstore);
	} else {
		add(out[0].reason, sizeof(out[0].reason), between_reasons,
		    "no pstore backend: a panic leaves no text behind");
	}

	out[1].kind = RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT;
	add(out[1].hook, sizeof(out[1].hook), between_hooks, "boot state file");

	out[2].kind = RINGWATCH__V1__KIND__KIND_UNEXPLAINED;
	add(out[2].hook, sizeof(out[2].hook), between_hooks,
	    counters[0] == '\0' ? "none" : counters);
	if (counters[0] == '\0')
		add(out[2].reason, sizeof(out[2].reason), between_reasons,
		    "none of the kernel's counters can be read");
	return OTHERS;
}

uint32_t rw_coverage_build(const struct rw_coverage_sources *sources,
			   struct rw_uplink_coverage out[RW_COVERAGE_MAX])
{
	struct rw_probe_coverage bpf[RW_PROBES_COVERAGE_MAX];
	uint32_t bpf_count = sources->probes == NULL ? 0 : rw_probes_coverage(sources->probes, bpf);

	memset(out, 0, RW_COVERAGE_MAX * sizeof(*out));
	for (uint32_t i = 0; i < WATCHED; i++) {
		const struct rw_probe_coverage *found = NULL;
		out[i].kind = watched[i].kind;
		for (uint32_t k = 0; k < bpf_count; k++) {
			if (bpf[k].kind == watched[i].kind)
				found = &bpf[k];
		}
		build_row(&watched[i], sources, found, &out[i]);
		if (out[i].kind == RINGWATCH__V1__KIND__KIND_PANIC && sources->netconsole != NULL &&
		    strcmp(sources->netconsole, "none") != 0 && !is_armed(sources->netconsole)) {
			add(out[i].reason, sizeof(out[i].reason), between_reasons, "netconsole");
			add(out[i].reason, sizeof(out[i].reason), ": ", sources->netconsole);
		}
	}
	return WATCHED + build_others(sources, &out[WATCHED]);
}

void rw_coverage_print(FILE *file, const struct rw_uplink_coverage *rows, uint32_t count)
{
	size_t hook_width = strlen("HOOK");

	for (uint32_t i = 0; i < count; i++) {
		if (strlen(rows[i].hook) > hook_width)
			hook_width = strlen(rows[i].hook);
	}
	fprintf(file, "%-18s  %-*s  %s\n", "EVENT", (int)hook_width, "HOOK", "WHY NOT BETTER");
	for (uint32_t i = 0; i < count; i++)
		fprintf(file, "%-18s  %-*s  %s\n", rw_kind_name(rows[i].kind), (int)hook_width,
			rows[i].hook, rows[i].reason[0] != '\0' ? rows[i].reason : "-");
}
