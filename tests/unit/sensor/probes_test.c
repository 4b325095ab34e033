/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel allows differs from machine to machine; that the coverage is
 * whole, truthful and never an error may not. Real events are caused in the
 * virtual machines.
 */
#include "sensor/probes.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A machine that runs tests may have its own small disasters meanwhile. */
static void a_record_is_of_a_known_type(void *context, const struct rw_record *record)
{
	(void)context;
	assert_in_range(record->type, RW_RECORD_OOPS_BEGIN, RW_RECORD_REPORT);
	assert_int_not_equal(record->type, RW_RECORD_SELFTEST);
}

static struct rw_probes *open_with(enum rw_probes_tier tier)
{
	struct rw_probes *probes = NULL;

	rw_probes_set_tier_limit(tier);
	assert_int_equal(rw_probes_open(a_record_is_of_a_known_type, NULL, &probes), 0);
	assert_non_null(probes);
	return probes;
}

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void assert_every_kind_has_one_row(const struct rw_probe_coverage *rows, uint32_t count)
{
	static const Ringwatch__V1__Kind kinds[] = {
		RINGWATCH__V1__KIND__KIND_OOPS,
		RINGWATCH__V1__KIND__KIND_PANIC,
		RINGWATCH__V1__KIND__KIND_WARNING,
		RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED,
		RINGWATCH__V1__KIND__KIND_RESTART,
		RINGWATCH__V1__KIND__KIND_TAINT,
		RINGWATCH__V1__KIND__KIND_SOFT_LOCKUP,
		RINGWATCH__V1__KIND__KIND_RCU_STALL,
		RINGWATCH__V1__KIND__KIND_HUNG_TASK,
		RINGWATCH__V1__KIND__KIND_OOM_KILL,
		RINGWATCH__V1__KIND__KIND_MACHINE_CHECK,
		RINGWATCH__V1__KIND__KIND_MEMORY_ERROR,
		RINGWATCH__V1__KIND__KIND_PCIE_ERROR,
		RINGWATCH__V1__KIND__KIND_KFENCE,
		RINGWATCH__V1__KIND__KIND_KASAN,
	};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		uint32_t found = 0;
		for (uint32_t i = 0; i < count; i++)
			found += rows[i].kind == kinds[k];
		assert_int_equal(found, 1);
	}
}

static void assert_row_is_truthful(const struct rw_probe_coverage *row)
{
	assert_int_equal(row->in_bpf, strcmp(row->hook, "none") != 0);
	assert_true(strlen(row->hook) > 0);
	assert_true(strlen(row->hook) < RW_PROBES_HOOK_BYTES);
	assert_true(strlen(row->reason) < RW_PROBES_REASON_BYTES);
	if (row->in_bpf)
		assert_non_null(strchr(row->hook, '/'));
}

static void assert_nothing_is_lost(const struct rw_probes *probes)
{
	struct rw_probes_losses losses = {1, 1};

	rw_probes_losses(probes, &losses);
	assert_int_equal(losses.reserve_failed, 0);
	assert_int_equal(losses.missed, 0);
	assert_int_equal(rw_probes_lost(probes), 0);
}

static void a_tier_is_known_by_its_name(void **state)
{
	enum rw_probes_tier tier = RW_PROBES_ALL;

	(void)state;
	assert_int_equal(rw_probes_parse_tier("none", &tier), 0);
	assert_int_equal(tier, RW_PROBES_NONE);
	assert_int_equal(rw_probes_parse_tier("raw", &tier), 0);
	assert_int_equal(tier, RW_PROBES_RAW);
	assert_int_equal(rw_probes_parse_tier("kprobe", &tier), 0);
	assert_int_equal(tier, RW_PROBES_KPROBE);
	assert_int_equal(rw_probes_parse_tier("all", &tier), 0);
	assert_int_equal(tier, RW_PROBES_ALL);
	tier = RW_PROBES_RAW;
	assert_int_equal(rw_probes_parse_tier("fentry", &tier), -EINVAL);
	assert_int_equal(rw_probes_parse_tier("", &tier), -EINVAL);
	assert_int_equal(tier, RW_PROBES_RAW);
}

static void without_bpf_every_kind_says_so(void **state)
{
	struct rw_probe_coverage rows[RW_PROBES_COVERAGE_MAX];
	struct rw_probes *probes = open_with(RW_PROBES_NONE);
	uint32_t count = rw_probes_coverage(probes, rows);

	(void)state;
	assert_every_kind_has_one_row(rows, count);
	for (uint32_t i = 0; i < count; i++) {
		assert_false(rows[i].in_bpf);
		assert_string_equal(rows[i].hook, "none");
		assert_string_equal(rows[i].reason, "BPF is switched off");
	}
	assert_int_equal(rw_probes_descriptor(probes), -1);
	assert_int_equal(rw_probes_consume(probes), 0);
	assert_int_equal(rw_probes_lost(probes), 0);
	assert_int_equal(rw_probes_map_bytes(probes), 0);
	rw_probes_close(probes);
}

static void whatever_the_kernel_allows_the_coverage_is_whole(void **state)
{
	static const enum rw_probes_tier tiers[] = {RW_PROBES_ALL, RW_PROBES_KPROBE, RW_PROBES_RAW};

	(void)state;
	for (size_t t = 0; t < sizeof(tiers) / sizeof(tiers[0]); t++) {
		struct rw_probe_coverage rows[RW_PROBES_COVERAGE_MAX];
		struct rw_probes *probes = open_with(tiers[t]);
		uint32_t count = rw_probes_coverage(probes, rows);

		assert_every_kind_has_one_row(rows, count);
		for (uint32_t i = 0; i < count; i++) {
			assert_row_is_truthful(&rows[i]);
			if (!rows[i].in_bpf)
				assert_true(strlen(rows[i].reason) > 0);
		}
		assert_true(rw_probes_consume(probes) >= 0);
		assert_nothing_is_lost(probes);
		rw_probes_close(probes);
	}
}

static void a_limit_keeps_better_hooks_away(void **state)
{
	struct rw_probe_coverage rows[RW_PROBES_COVERAGE_MAX];
	struct rw_probes *probes = open_with(RW_PROBES_RAW);
	uint32_t count = rw_probes_coverage(probes, rows);

	(void)state;
	for (uint32_t i = 0; i < count; i++)
		assert_true(!rows[i].in_bpf || begins_with(rows[i].hook, "raw_tp/"));
	rw_probes_close(probes);

	probes = open_with(RW_PROBES_KPROBE);
	count = rw_probes_coverage(probes, rows);
	for (uint32_t i = 0; i < count; i++) {
		assert_false(begins_with(rows[i].hook, "f"));
		assert_false(begins_with(rows[i].hook, "tp_btf/"));
	}
	rw_probes_close(probes);
}

/* Descriptors that end in `text`, as "anon_inode:bpf-map". */
static uint32_t count_descriptors(const char *text)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint32_t count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		char target[128] = "";
		if (readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1) > 0 &&
		    strcmp(target, text) == 0)
			count++;
	}
	closedir(folder);
	return count;
}

static void all_maps_together_are_small(void **state)
{
	struct rw_probes *probes = open_with(RW_PROBES_ALL);

	(void)state;
	if (rw_probes_descriptor(probes) >= 0)
		assert_in_range(rw_probes_map_bytes(probes), RW_RINGBUF_BYTES,
				RW_PROBES_MAPS_MAX_BYTES);
	else
		assert_int_equal(rw_probes_map_bytes(probes), 0);
	rw_probes_close(probes);
}

/* The ring, the counters, the constants: what is left out would be found here. */
static void what_is_open_is_closed_again(void **state)
{
	uint32_t maps = count_descriptors("anon_inode:bpf-map");
	uint32_t programs = count_descriptors("anon_inode:bpf-prog");
	struct rw_probes *probes = open_with(RW_PROBES_ALL);

	(void)state;
	assert_true(count_descriptors("anon_inode:bpf-map") <= maps + 3);
	rw_probes_close(probes);
	assert_int_equal(count_descriptors("anon_inode:bpf-map"), maps);
	assert_int_equal(count_descriptors("anon_inode:bpf-prog"), programs);
}

/* The sensor reads on when it has given its rights away. */
static void reading_needs_no_right(void **state)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0}};
	struct rw_probes *probes = open_with(RW_PROBES_ALL);
	int status = -1;

	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rw_probes_losses losses = {1, 1};
		if (syscall(SYS_capset, &head, none) != 0)
			_exit(2);
		rw_probes_losses(probes, &losses);
		bool reads = rw_probes_consume(probes) >= 0 && losses.reserve_failed == 0;
		_exit(reads ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	rw_probes_close(probes);
}

static void closing_nothing_is_allowed(void **state)
{
	(void)state;
	rw_probes_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tier_is_known_by_its_name),
		cmocka_unit_test(without_bpf_every_kind_says_so),
		cmocka_unit_test(whatever_the_kernel_allows_the_coverage_is_whole),
		cmocka_unit_test(a_limit_keeps_better_hooks_away),
		cmocka_unit_test(all_maps_together_are_small),
		cmocka_unit_test(what_is_open_is_closed_again),
		cmocka_unit_test(reading_needs_no_right),
		cmocka_unit_test(closing_nothing_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
