/* SPDX-License-Identifier: Apache-2.0 */
/* Coverage; see coverage.h. */
#include "sensor/coverage.h"

#include <stdarg.h>
#include <string.h>

#include "lib/text.h"
#include "proto/wire.h"

static const char log_hook[] = "kernel log";

static const struct {
	Ringwatch__V1__Kind kind;
	bool in_log;
	const char *alone; /* a source that is neither BPF nor log */
} watched[] = {
	{RINGWATCH__V1__KIND__KIND_OOPS, true, NULL},
	{RINGWATCH__V1__KIND__KIND_PANIC, true, NULL},
	{RINGWATCH__V1__KIND__KIND_WARNING, true, NULL},
	{RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED, true, NULL},
	{RINGWATCH__V1__KIND__KIND_RESTART, true, NULL},
	{RINGWATCH__V1__KIND__KIND_HARD_LOCKUP, true, NULL},
	{RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT, false, "boot state file"},
	{RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT, false, "boot state file"},
};

__attribute__((format(printf, 3, 4))) static void put(char *out, size_t size, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	size_t length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	rw_text_escape(out, size, text, length);
}

/* "A + B + kernel log", leaving off the last of A's hooks that do not fit the wire. */
static void join_hooks(char *out, size_t size, const char *bpf, bool in_log)
{
	char shorter[RW_PROBES_HOOK_BYTES + 1];
	size_t more = in_log ? strlen(" + ") + strlen(log_hook) : 0;

	snprintf(shorter, sizeof(shorter), "%s", bpf);
	while (strlen(shorter) + more >= size) {
		char *cut = NULL;
		for (char *p = strstr(shorter, " + "); p != NULL; p = strstr(p + 1, " + "))
			cut = p;
		if (cut == NULL)
			break;
		*cut = '\0';
	}
	put(out, size, "%s%s%s", shorter, in_log ? " + " : "", in_log ? log_hook : "");
}

static void build_row(const struct rw_probe_coverage *bpf, const char *no_probes, bool in_log,
		      struct rw_uplink_coverage *row)
{
	bool live = bpf != NULL && bpf->in_bpf;

	if (live)
		join_hooks(row->hook, sizeof(row->hook), bpf->hook, in_log);
	else
		put(row->hook, sizeof(row->hook), "%s", in_log ? log_hook : "none");
	if (bpf != NULL)
		put(row->reason, sizeof(row->reason), "%s", bpf->reason);
	else if (row->kind == RINGWATCH__V1__KIND__KIND_HARD_LOCKUP)
		put(row->reason, sizeof(row->reason), "%s",
		    in_log ? "" : "the kernel log cannot be read");
	else
		put(row->reason, sizeof(row->reason), "%s", no_probes);
	if (!in_log && live && row->reason[0] == '\0')
		put(row->reason, sizeof(row->reason), "the kernel log cannot be read");
}

uint32_t rw_coverage_build(const struct rw_probes *probes, const char *no_probes, bool kernel_log,
			   struct rw_uplink_coverage out[RW_COVERAGE_MAX])
{
	struct rw_probe_coverage bpf[RW_PROBES_COVERAGE_MAX];
	uint32_t bpf_count = probes == NULL ? 0 : rw_probes_coverage(probes, bpf);
	uint32_t rows = sizeof(watched) / sizeof(watched[0]);

	for (uint32_t i = 0; i < rows; i++) {
		const struct rw_probe_coverage *found = NULL;
		memset(&out[i], 0, sizeof(out[i]));
		out[i].kind = watched[i].kind;
		if (watched[i].alone != NULL) {
			put(out[i].hook, sizeof(out[i].hook), "%s", watched[i].alone);
			continue;
		}
		for (uint32_t k = 0; k < bpf_count; k++) {
			if (bpf[k].kind == watched[i].kind)
				found = &bpf[k];
		}
		build_row(found, no_probes, kernel_log && watched[i].in_log, &out[i]);
	}
	return rows;
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
