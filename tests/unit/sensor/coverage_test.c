/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a host's senses. The hooks themselves are probes_test's matter. */
#include "sensor/coverage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire.h"

static const char all_counters[] = "oops_count, warn_count, softlockup_count, hardlockup_count, "
				   "rcu_stall_count, hung_task_detect_count, oom_kill, tainted";

static struct rw_uplink_coverage rows[RW_COVERAGE_MAX];

static const struct rw_uplink_coverage *row_of(uint32_t count, Ringwatch__V1__Kind kind)
{
	const struct rw_uplink_coverage *found = NULL;

	for (uint32_t i = 0; i < count; i++) {
		if (rows[i].kind != kind)
			continue;
		assert_null(found);
		found = &rows[i];
	}
	assert_non_null(found);
	return found;
}

static void assert_hook(uint32_t count, Ringwatch__V1__Kind kind, const char *hook,
			const char *reason)
{
	const struct rw_uplink_coverage *row = row_of(count, kind);

	assert_string_equal(row->hook, hook);
	assert_string_equal(row->reason, reason);
}

/* Each kind but those that are no happenings of the kernel. */
static void every_happening_has_one_row(void **state)
{
	struct rw_coverage_sources sources = {.no_probes = "BPF is off", .kernel_log = true};
	uint32_t count = rw_coverage_build(&sources, rows);

	(void)state;
	for (int kind = RINGWATCH__V1__KIND__KIND_OOPS;
	     kind <= RINGWATCH__V1__KIND__KIND_SAFE_START; kind++) {
		if (kind == RINGWATCH__V1__KIND__KIND_EVENTS_LOST ||
		    kind == RINGWATCH__V1__KIND__KIND_LOG_EXCERPT ||
		    kind == RINGWATCH__V1__KIND__KIND_SAFE_START)
			continue;
		const struct rw_uplink_coverage *row = row_of(count, (Ringwatch__V1__Kind)kind);
		assert_in_range(strlen(row->hook), 1, 160);
		assert_in_range(strlen(row->reason), 0, 160);
	}
	assert_int_equal(count, 19);
}

static void without_bpf_the_log_and_the_counters_are_left(void **state)
{
	struct rw_coverage_sources sources = {
		.no_probes = "BPF is off", .kernel_log = true, .counters = "oops_count, tainted"};
	uint32_t count = rw_coverage_build(&sources, rows);

	(void)state;
	assert_hook(count, RINGWATCH__V1__KIND__KIND_OOPS, "kernel log + oops_count", "BPF is off");
	assert_hook(count, RINGWATCH__V1__KIND__KIND_WARNING, "kernel log", "BPF is off");
	assert_hook(count, RINGWATCH__V1__KIND__KIND_TAINT, "kernel log + tainted", "BPF is off");
	assert_hook(count, RINGWATCH__V1__KIND__KIND_UNEXPLAINED, "oops_count, tainted", "");
}

static void a_counter_counts_only_by_its_whole_name(void **state)
{
	struct rw_coverage_sources sources = {
		.no_probes = "", .kernel_log = true, .counters = "my_oops_count, warn_counter"};
	uint32_t count = rw_coverage_build(&sources, rows);

	(void)state;
	assert_hook(count, RINGWATCH__V1__KIND__KIND_OOPS, "kernel log", "");
	assert_hook(count, RINGWATCH__V1__KIND__KIND_WARNING, "kernel log", "");
}

static void nothing_at_all_is_said_as_such(void **state)
{
	struct rw_coverage_sources sources = {.no_probes = "no memory for BPF"};
	uint32_t count = rw_coverage_build(&sources, rows);

	(void)state;
	assert_hook(count, RINGWATCH__V1__KIND__KIND_PANIC, "none",
		    "no memory for BPF; the kernel log cannot be read");
	assert_hook(count, RINGWATCH__V1__KIND__KIND_UNEXPLAINED, "none",
		    "none of the kernel's counters can be read");
	assert_hook(count, RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT, "boot state file", "");
}

static void a_hard_lockup_says_why_bpf_is_not_asked(void **state)
{
	struct rw_coverage_sources sources = {
		.no_probes = "BPF is off", .kernel_log = true, .counters = all_counters};
	uint32_t count = rw_coverage_build(&sources, rows);

	(void)state;
	assert_hook(count, RINGWATCH__V1__KIND__KIND_HARD_LOCKUP, "kernel log + hardlockup_count",
		    "found in an NMI, where no BPF program of ours runs");
}

static void what_a_dead_boot_leaves_depends_on_pstore(void **state)
{
	struct rw_coverage_sources sources = {
		.no_probes = "", .kernel_log = true, .pstore = "erst"};
	uint32_t count = rw_coverage_build(&sources, rows);

	(void)state;
	assert_hook(count, RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT,
		    "boot state file + pstore erst", "");
	sources.pstore = "";
	count = rw_coverage_build(&sources, rows);
	assert_hook(count, RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT, "boot state file",
		    "no pstore backend: a panic leaves no text behind");
}

static void netconsole_is_a_hook_of_panics_when_it_is_armed(void **state)
{
	struct rw_coverage_sources sources = {
		.no_probes = "", .kernel_log = true, .netconsole = "armed towards 192.0.2.7:6666"};
	uint32_t count = rw_coverage_build(&sources, rows);

	(void)state;
	assert_hook(count, RINGWATCH__V1__KIND__KIND_PANIC, "kernel log + netconsole", "");
	sources.netconsole = "no such module";
	count = rw_coverage_build(&sources, rows);
	assert_hook(count, RINGWATCH__V1__KIND__KIND_PANIC, "kernel log",
		    "netconsole: no such module");
	sources.netconsole = "none";
	count = rw_coverage_build(&sources, rows);
	assert_hook(count, RINGWATCH__V1__KIND__KIND_PANIC, "kernel log", "");
}

static void text_from_outside_stays_on_one_line_and_within_the_wire(void **state)
{
	char long_text[400];
	struct rw_coverage_sources sources = {
		.no_probes = "a\nb", .kernel_log = true, .netconsole = long_text};

	(void)state;
	memset(long_text, 'n', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	uint32_t count = rw_coverage_build(&sources, rows);
	for (uint32_t i = 0; i < count; i++) {
		assert_null(strchr(rows[i].reason, '\n'));
		assert_in_range(strlen(rows[i].reason), 0, 160);
	}
}

static void live_hooks_stand_first_and_all_fits(void **state)
{
	struct rw_probes *probes = NULL;
	struct rw_probe_coverage bpf[RW_PROBES_COVERAGE_MAX];
	struct rw_coverage_sources sources = {.kernel_log = true,
					      .counters = all_counters,
					      .pstore = "efi_pstore",
					      .netconsole = "armed"};

	(void)state;
	assert_int_equal(rw_probes_open(NULL, NULL, &probes), 0);
	sources.probes = probes;
	uint32_t live = rw_probes_coverage(probes, bpf);
	uint32_t count = rw_coverage_build(&sources, rows);
	for (uint32_t i = 0; i < live; i++) {
		const struct rw_uplink_coverage *row = row_of(count, bpf[i].kind);
		char first[RW_PROBES_HOOK_BYTES];
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(bpf[i].hook, " "), bpf[i].hook);
		assert_non_null(strstr(row->hook, "kernel log"));
		assert_int_equal(bpf[i].in_bpf, strncmp(row->hook, first, strlen(first)) == 0);
		assert_in_range(strlen(row->hook), 1, 160);
		assert_string_equal(row->reason, bpf[i].reason);
	}
	rw_probes_close(probes);
}

static void the_table_has_a_line_for_each_row(void **state)
{
	struct rw_coverage_sources sources = {.no_probes = "BPF is off", .kernel_log = true};
	uint32_t count = rw_coverage_build(&sources, rows);
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	uint32_t lines = 0;

	(void)state;
	assert_non_null(file);
	rw_coverage_print(file, rows, count);
	fclose(file);
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, count + 1);
	assert_non_null(strstr(text, "hung_task "));
	assert_non_null(strstr(text, "kfence "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_happening_has_one_row),
		cmocka_unit_test(without_bpf_the_log_and_the_counters_are_left),
		cmocka_unit_test(a_counter_counts_only_by_its_whole_name),
		cmocka_unit_test(nothing_at_all_is_said_as_such),
		cmocka_unit_test(a_hard_lockup_says_why_bpf_is_not_asked),
		cmocka_unit_test(what_a_dead_boot_leaves_depends_on_pstore),
		cmocka_unit_test(netconsole_is_a_hook_of_panics_when_it_is_armed),
		cmocka_unit_test(text_from_outside_stays_on_one_line_and_within_the_wire),
		cmocka_unit_test(live_hooks_stand_first_and_all_fits),
		cmocka_unit_test(the_table_has_a_line_for_each_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
