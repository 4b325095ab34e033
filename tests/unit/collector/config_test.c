/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's files: the shipped ones are good and hold the protocol's
 * numbers; each wrong line is refused by its file, line and key.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/config.h"
#include "lib/cleanup.h"
#include "proto/wire.h"

enum { LINES_MAX = 128, LINE_BYTES = 128 };

/* A file as lines, so that a test changes one and knows its number. */
struct text {
	char lines[LINES_MAX][LINE_BYTES];
	size_t count;
};

static const char collector_text[] = "schema: 1\n"
				     "name: c1\n"
				     "listen:\n"
				     "  sensors: 127.0.0.1:0\n"
				     "  http: 127.0.0.1:8470\n"
				     "  netconsole: none\n"
				     "tls:\n"
				     "  certificate: c.pem\n"
				     "  key: /keys/c.key\n"
				     "  ca: ca.pem\n"
				     "  crl: none\n"
				     "store: c.db\n"
				     "tokens_file: tokens\n"
				     "inventory: none\n"
				     "witness: none\n"
				     "timing:\n"
				     "  heartbeat_every: 5s\n"
				     "  suspect_after: 12s\n"
				     "  offline_after: 30s\n"
				     "  max_planned: 10m\n"
				     "  power_off_grace: 24h\n"
				     "  retire_after: none\n"
				     "retention: 7d\n"
				     "quotas:\n"
				     "  events_burst: 100\n"
				     "  events_per_second: 1\n"
				     "  sessions_max: 1000\n"
				     "  hosts_max: 2000\n"
				     "http:\n"
				     "  tls: none\n"
				     "  hosts: []\n"
				     "webhooks: none\n"
				     "policy: policy.yaml\n";

static const char policy_text[] = "schema: 1\n"
				  "rings:\n"
				  "  - name: wide\n"
				  "    order: 2\n"
				  "    bake: 24h\n"
				  "    steps: [10%, 50%, 100%]\n"
				  "    fleet_share: none\n"
				  "    heartbeat_every: none\n"
				  "    limits:\n"
				  "      offline: none\n"
				  "      crashed: 0.1%\n"
				  "      module_failed: 0.5%\n"
				  "      failed: 0%\n"
				  "    least_hosts: 2\n"
				  "    min_coverage: 95%\n"
				  "    min_exposed: 90%\n"
				  "    open_on: evidence\n"
				  "    crash_kinds: [panic, oops]\n"
				  "  - name: canary\n"
				  "    order: 1\n"
				  "    bake: 1m\n"
				  "    steps: none\n"
				  "    fleet_share: 1%\n"
				  "    heartbeat_every: 1s\n"
				  "    limits:\n"
				  "      offline: 0.1%\n"
				  "      crashed: 0.1%\n"
				  "      module_failed: none\n"
				  "      failed: 0.1%\n"
				  "    least_hosts: 1\n"
				  "    min_coverage: 100%\n"
				  "    min_exposed: 0%\n"
				  "    open_on: limit\n"
				  "    crash_kinds: [unexpected_reboot]\n";

struct fixture {
	char folder[64];
	struct text collector, policy;
	struct rw_collector_config config;
	struct rw_policy rings;
	char error[RW_CONF_ERROR_BYTES];
};

static void split(const char *from, struct text *out)
{
	out->count = 0;
	while (*from != '\0') {
		size_t length = strcspn(from, "\n");
		assert_true(out->count < LINES_MAX && length < LINE_BYTES);
		memcpy(out->lines[out->count], from, length);
		out->lines[out->count++][length] = '\0';
		from += length + 1;
	}
}

static void write_text(const char *folder, const char *name, const struct text *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	rw_autofclose FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (size_t i = 0; i < text->count; i++)
		fprintf(file, "%s\n", text->lines[i]);
}

static int load(struct fixture *f)
{
	char path[128];

	write_text(f->folder, "collector.yaml", &f->collector);
	write_text(f->folder, "policy.yaml", &f->policy);
	snprintf(path, sizeof(path), "%s/collector.yaml", f->folder);
	return rw_collector_config_load(path, &f->config, &f->rings, f->error);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/rw-config-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	split(collector_text, &f->collector);
	split(policy_text, &f->policy);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"collector.yaml", "policy.yaml"};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

static void good_files_fill_every_field(void **state)
{
	struct fixture *f = *state;
	char path[160];

	assert_int_equal(load(f), 0);
	assert_string_equal(f->config.name, "c1");
	assert_string_equal(f->config.listen.sensors, "127.0.0.1:0");
	assert_string_equal(f->config.listen.http, "127.0.0.1:8470");
	snprintf(path, sizeof(path), "%s/c.pem", f->folder);
	assert_string_equal(f->config.tls.certificate, path);
	assert_string_equal(f->config.tls.key, "/keys/c.key");
	assert_false(f->config.tls.crl_given);
	assert_int_equal(f->config.retention_ms, 7 * 24 * 60 * 60 * 1000);
	assert_int_equal(f->config.quotas.events_burst, 100);
	assert_int_equal(f->config.quotas.events_per_second, 1);
	assert_int_equal(f->config.quotas.sessions_max, 1000);
	assert_int_equal(f->config.quotas.hosts_max, 2000);

	assert_int_equal(f->rings.timing.heartbeat_every_ms, 5000);
	assert_int_equal(f->rings.timing.suspect_after_ms, 12000);
	assert_int_equal(f->rings.timing.offline_after_ms, 30000);
	assert_int_equal(f->rings.timing.max_planned_ms, 600000);
	assert_int_equal(f->rings.timing.power_off_grace_ms, 86400000);
	assert_int_equal(f->rings.timing.retire_after_ms, 0);

	assert_false(f->config.inventory_given);
	assert_false(f->config.witness_given);
	assert_false(f->rings.has_witness);
}

static void inventory_witness_and_retirement_are_taken(void **state)
{
	struct fixture *f = *state;
	char path[160];

	snprintf(f->collector.lines[13], LINE_BYTES, "inventory: hosts");
	snprintf(f->collector.lines[14], LINE_BYTES,
		 "witness: [192.0.2.1:53, '[2001:db8::1]:443']");
	snprintf(f->collector.lines[21], LINE_BYTES, "  retire_after: 30d");
	if (load(f) != 0)
		fail_msg("%s", f->error);
	assert_true(f->config.inventory_given);
	snprintf(path, sizeof(path), "%s/hosts", f->folder);
	assert_string_equal(f->config.inventory, path);
	assert_true(f->config.witness_given);
	assert_true(f->rings.has_witness);
	assert_int_equal(f->config.witness_count, 2);
	assert_string_equal(f->config.witness[0], "192.0.2.1:53");
	assert_string_equal(f->config.witness[1], "[2001:db8::1]:443");
	assert_int_equal(f->rings.timing.retire_after_ms, UINT64_C(30) * 86400000);
}

static void https_and_further_names_are_taken(void **state)
{
	struct fixture *f = *state;
	char path[160];

	assert_int_equal(load(f), 0);
	assert_false(f->config.http.tls_given);
	assert_int_equal(f->config.http.host_count, 0);

	snprintf(f->collector.lines[29], LINE_BYTES,
		 "  tls: {certificate: api.pem, key: /k/api.key, client_ca: none}");
	snprintf(f->collector.lines[30], LINE_BYTES, "  hosts: [ringwatch.example.net, rw]");
	if (load(f) != 0)
		fail_msg("%s", f->error);
	assert_true(f->config.http.tls_given);
	snprintf(path, sizeof(path), "%s/api.pem", f->folder);
	assert_string_equal(f->config.http.tls.certificate, path);
	assert_string_equal(f->config.http.tls.key, "/k/api.key");
	assert_false(f->config.http.tls.client_ca_given);
	assert_int_equal(f->config.http.host_count, 2);
	assert_string_equal(f->config.http.hosts[0], "ringwatch.example.net");
	assert_string_equal(f->config.http.hosts[1], "rw");

	snprintf(f->collector.lines[29], LINE_BYTES,
		 "  tls: {certificate: api.pem, key: /k/api.key, client_ca: ca.pem}");
	assert_int_equal(load(f), 0);
	assert_true(f->config.http.tls.client_ca_given);
	snprintf(path, sizeof(path), "%s/ca.pem", f->folder);
	assert_string_equal(f->config.http.tls.client_ca, path);
}

static void rings_come_in_rollout_order(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f), 0);
	assert_int_equal(f->rings.ring_count, 2);
	const struct rw_ring_policy *canary = &f->rings.rings[0], *wide = &f->rings.rings[1];
	assert_string_equal(canary->name, "canary");
	assert_int_equal(canary->order, 1);
	assert_int_equal(canary->bake_ms, 60000);
	assert_int_equal(canary->step_count, 1);
	assert_int_equal(canary->step_ppm[0], RW_PPM);
	assert_int_equal(canary->fleet_share_ppm, 10000);
	assert_int_equal(canary->heartbeat_every_ms, 1000);
	assert_true(canary->limits[RW_RULE_OFFLINE].judged);
	assert_int_equal(canary->limits[RW_RULE_OFFLINE].ppm, 1000);
	assert_false(canary->limits[RW_RULE_MODULE_FAILED].judged);
	assert_false(canary->open_on_evidence);
	assert_int_equal(canary->min_coverage_ppm, RW_PPM);
	assert_int_equal(canary->crash_kinds, 1u << RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT);

	assert_string_equal(wide->name, "wide");
	assert_int_equal(wide->step_count, 3);
	assert_int_equal(wide->step_ppm[1], RW_PPM / 2);
	assert_int_equal(wide->heartbeat_every_ms, 0);
	assert_false(wide->limits[RW_RULE_OFFLINE].judged);
	assert_true(wide->limits[RW_RULE_FAILED].judged); /* 0% is a limit: the first one opens */
	assert_int_equal(wide->limits[RW_RULE_FAILED].ppm, 0);
	assert_true(wide->limits[RW_RULE_MODULE_FAILED].judged);
	assert_int_equal(wide->limits[RW_RULE_MODULE_FAILED].ppm, 5000);
	assert_true(wide->open_on_evidence);
	assert_int_equal(wide->least_hosts, 2);
	assert_int_equal(wide->crash_kinds, 1u << RINGWATCH__V1__KIND__KIND_PANIC |
						    1u << RINGWATCH__V1__KIND__KIND_OOPS);
}

/* One line is wrong, and that line is blamed. */
struct wrong {
	bool in_policy;
	size_t line; /* from 1 */
	const char *text;
	const char *key;
	const char *says; /* part of the message */
	size_t blamed;    /* 0: the same line */
};

static const struct wrong wrongs[] = {
	{false, 1, "schema: 2", "schema", "1", 0},
	{false, 2, "name: C1", "name", "", 0},
	{false, 2, "title: c1", "title", "unknown", 0},
	{false, 4, "  sensors: 127.0.0.1", "listen.sensors", "", 0},
	{false, 5, "  http: none", "listen.http", "none", 0},
	{false, 6, "  netconsole: 127.0.0.1", "listen.netconsole", "or none", 0},
	{false, 14, "inventory: [hosts]", "inventory", "expected", 0},
	{false, 15, "witness: 127.0.0.1:80", "witness", "expected a list", 0},
	{false, 15, "witness: []", "witness", "", 0},
	{false, 15, "witness: [\"192.0.2.1:80\", 192.0.2.1]", "witness[1]", "an address", 0},
	{false, 15, "witness: [\"192.0.2.1:80\", \"192.0.2.1:0\"]", "witness[1]", "port 0", 0},
	{false, 15, "witness: [\"a:1\", \"b:1\", \"a:1\"]", "witness[2]", "twice", 0},
	{false, 15,
	 "witness: [\"a:1\",\"a:2\",\"a:3\",\"a:4\",\"a:5\",\"a:6\",\"a:7\",\"a:8\",\"a:9\"]",
	 "witness", "8", 0},
	{false, 17, "  heartbeat_every: 5", "timing.heartbeat_every", "expected a duration", 0},
	{false, 18, "  suspect_after: 4s", "timing", "suspect_after", 16},
	{false, 19, "  offline_after: 20s", "timing", "offline_after", 16},
	{false, 22, "  retire_after: 30", "timing.retire_after", "or none", 0},
	{false, 22, "  retire_after: 0s", "timing.retire_after", "or none", 0},
	{false, 23, "retention: 1m", "retention", "", 0},
	{false, 25, "  events_burst: 0", "quotas.events_burst", "", 0},
	{false, 26, "  events_per_second: 010", "quotas.events_per_second", "", 0},
	{false, 27, "  sessions_max: many", "quotas.sessions_max", "", 0},
	{false, 28, "  hosts_max: 1000001", "quotas.hosts_max", "", 0},
	{false, 30, "  tls: off", "http.tls", "or none", 0},
	{false, 30, "  tls: {certificate: c.pem, key: c.key}", "http.tls.client_ca", "missing", 0},
	{false, 30, "  tls: {certificate: none, key: c.key, client_ca: none}",
	 "http.tls.certificate", "none", 0},
	{false, 31, "  hosts: none", "http.hosts", "a list", 0},
	{false, 31, "  hosts: [\"a.example:8470\"]", "http.hosts[0]", "without a port", 0},
	{false, 31, "  hosts: [a.example, .b]", "http.hosts[1]", "no name", 0},
	{true, 3, "  - name: Wide", "rings[0].name", "", 0},
	{true, 5, "    bake: 24", "rings[0].bake", "", 0},
	{true, 6, "    steps: [50%, 10%, 100%]", "rings[0]", "grow", 3},
	{true, 6, "    steps: [10%, 50%]", "rings[0]", "100%", 3},
	{true, 6, "    steps: [10, 50%, 100%]", "rings[0].steps[0]", "", 0},
	{true, 7, "    fleet_share: 0.1", "rings[0].fleet_share", "", 0},
	{true, 8, "    heartbeat_every: 13s", "timing", "heartbeat", 16},
	{true, 10, "      offline: 101%", "rings[0].limits.offline", "", 0},
	{true, 12, "      module_failed: 1", "rings[0].limits.module_failed", "expected", 0},
	{true, 14, "    least_hosts: 0", "rings[0].least_hosts", "", 0},
	{true, 15, "    min_coverage: none", "rings[0].min_coverage", "", 0},
	{true, 17, "    open_on: whim", "rings[0].open_on", "evidence", 0},
	{true, 18, "    crash_kinds: [panic, sneeze]", "rings[0].crash_kinds[1]", "sneeze", 0},
	{true, 18, "    crash_kinds: [log_excerpt]", "rings[0].crash_kinds[0]", "log_excerpt", 0},
	{true, 18, "    crash_kinds: [oops, oops]", "rings[0].crash_kinds[1]", "twice", 0},
	{true, 18, "    crash_kinds: []", "rings[0].crash_kinds", "", 0},
	{true, 19, "  - name: wide", "rings[0]", "same name", 3},
	{true, 20, "    order: 2", "rings[1]", "order", 19},
};

static void each_wrong_line_is_blamed(void **state)
{
	struct fixture *f = *state;
	struct rw_collector_config untouched = f->config;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct wrong *w = &wrongs[i];
		char expected[160];

		split(collector_text, &f->collector);
		split(policy_text, &f->policy);
		struct text *text = w->in_policy ? &f->policy : &f->collector;
		snprintf(text->lines[w->line - 1], LINE_BYTES, "%s", w->text);
		/* A check across both files blames the collector's timing. */
		bool policy_blamed = w->in_policy && strcmp(w->key, "timing") != 0;
		snprintf(expected, sizeof(expected), "%s/%s.yaml:%zu: %s: ", f->folder,
			 policy_blamed ? "policy" : "collector",
			 w->blamed == 0 ? w->line : w->blamed, w->key);

		int err = load(f);
		if (err != -EINVAL || strncmp(f->error, expected, strlen(expected)) != 0 ||
		    strstr(f->error, w->says) == NULL)
			fail_msg("'%s' gave %d and\n  %s\nexpected\n  %s… %s", w->text, err,
				 f->error, expected, w->says);
		assert_memory_equal(&f->config, &untouched, sizeof(untouched));
	}
}

static void remove_line(struct text *text, size_t line)
{
	memmove(text->lines[line - 1], text->lines[line], (text->count - line) * LINE_BYTES);
	text->count--;
}

static void each_key_must_stand(void **state)
{
	struct fixture *f = *state;

	/* Lines without children, in each file. */
	for (size_t line = 1; line <= f->collector.count; line++) {
		split(collector_text, &f->collector);
		size_t length = strlen(f->collector.lines[line - 1]);
		if (f->collector.lines[line - 1][length - 1] == ':')
			continue;
		remove_line(&f->collector, line);
		if (load(f) != -EINVAL)
			fail_msg("collector line %zu may be left out", line);
	}
	split(collector_text, &f->collector);
	for (size_t line = 4; line <= 18; line++) {
		split(policy_text, &f->policy);
		if (line == 9)
			continue;
		remove_line(&f->policy, line);
		if (load(f) != -EINVAL)
			fail_msg("policy line %zu may be left out", line);
	}
}

static void a_policy_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;

	snprintf(f->collector.lines[f->collector.count - 1], LINE_BYTES, "policy: other.yaml");
	assert_int_equal(load(f), -ENOENT);
	assert_non_null(strstr(f->error, "other.yaml"));
}

static void the_shipped_files_are_good_and_hold_the_protocol(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		rw_collector_config_load("deploy/collector.yaml", &f->config, &f->rings, f->error),
		0);
	assert_false(f->config.inventory_given);
	assert_false(f->rings.has_witness);
	assert_int_equal(f->rings.ring_count, 3);
	const struct rw_ring_policy *ring = f->rings.rings;
	assert_string_equal(ring[0].name, "ring0");
	assert_int_equal(ring[0].bake_ms, 24 * 3600 * 1000);
	assert_int_equal(ring[0].step_count, 1);
	assert_int_equal(ring[0].fleet_share_ppm, 0);
	assert_string_equal(ring[1].name, "ring1");
	assert_int_equal(ring[1].bake_ms, 48 * 3600 * 1000);
	assert_int_equal(ring[1].step_count, 1);
	assert_int_equal(ring[1].fleet_share_ppm, RW_PPM / 100);
	assert_string_equal(ring[2].name, "ring2");
	assert_int_equal(ring[2].bake_ms, 24 * 3600 * 1000);
	assert_int_equal(ring[2].step_count, 4);
	static const uint32_t shares[] = {100000, 250000, 500000, 1000000};
	assert_memory_equal(ring[2].step_ppm, shares, sizeof(shares));
	for (size_t i = 0; i < 3; i++) {
		static const enum rw_rule judged[] = {RW_RULE_OFFLINE, RW_RULE_CRASHED,
						      RW_RULE_FAILED};

		for (size_t k = 0; k < sizeof(judged) / sizeof(judged[0]); k++) {
			assert_true(ring[i].limits[judged[k]].judged);
			assert_int_equal(ring[i].limits[judged[k]].ppm, RW_PPM / 1000);
		}
		assert_false(ring[i].limits[RW_RULE_MODULE_FAILED].judged);
		assert_false(ring[i].open_on_evidence);
		assert_int_equal(ring[i].least_hosts, 1);
		assert_int_equal(ring[i].crash_kinds,
				 1u << RINGWATCH__V1__KIND__KIND_PANIC |
					 1u << RINGWATCH__V1__KIND__KIND_OOPS |
					 1u << RINGWATCH__V1__KIND__KIND_HARD_LOCKUP |
					 1u << RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT);
	}
	struct rw_timing defaults = rw_timing_defaults();
	assert_memory_equal(&f->rings.timing, &defaults, sizeof(defaults));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(good_files_fill_every_field),
		TEST(inventory_witness_and_retirement_are_taken),
		TEST(https_and_further_names_are_taken),
		TEST(rings_come_in_rollout_order),
		TEST(each_wrong_line_is_blamed),
		TEST(each_key_must_stand),
		TEST(a_policy_that_is_not_there_is_named),
		TEST(the_shipped_files_are_good_and_hold_the_protocol),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
