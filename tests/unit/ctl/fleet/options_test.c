/* SPDX-License-Identifier: Apache-2.0 */
/* The command line does what it says, or is refused with the option's name. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/fleet/options.h"

#define NEEDED                                                                                     \
	"ringwatch-fleet", "--collector", "127.0.0.1:8471", "--ca-certificate", "ca.pem",          \
		"--ca-key", "ca.key", "--trust-domain", "dev", "--ring", "canary", "--hosts", "20"

static struct rw_fleet_options options;
static enum rw_fleet_order order;
static char error[RW_FLEET_ERROR_BYTES];

static int parse(const char **argv)
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	error[0] = '\0';
	return rw_fleet_options_parse(argc, (char **)argv, &options, &order, error);
}

static void has_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse((const char *[]){NEEDED, NULL}), 0);
	assert_int_equal(order, RW_FLEET_RUN);
	assert_string_equal(options.prefix, "host");
	assert_int_equal(options.hosts, 20);
	assert_int_equal(options.connect_rate, 500);
	assert_int_equal(options.heartbeat_every_ms, 0);
	assert_int_equal(options.duration_ms, 0);
	assert_int_equal(options.fate_count, 0);
	assert_false(options.json);
}

static void reads_fates(void **state)
{
	(void)state;
	assert_int_equal(parse((const char *[]){NEEDED, "--fate",
						"3:silent@5s,1:panic-reboot,2:oops@250ms", NULL}),
			 0);
	assert_int_equal(options.fate_count, 3);
	assert_int_equal(options.fates[0].count, 3);
	assert_int_equal(options.fates[0].fate, RW_FATE_SILENT);
	assert_int_equal(options.fates[0].delay_ms, 5000);
	assert_int_equal(options.fates[1].fate, RW_FATE_PANIC_REBOOT);
	assert_int_equal(options.fates[1].delay_ms, 0);
	assert_int_equal(options.fates[2].delay_ms, 250);
}

static void each_fate_has_a_name_that_reads_back(void **state)
{
	(void)state;
	for (int i = RW_FATE_SILENT; i < RW_FATE_COUNT; i++) {
		char text[64] = "1:";
		const char *name = rw_fleet_fate_name((enum rw_fleet_fate)i);
		assert_true(strlen(name) < 32);
		memcpy(text + 2, name, strlen(name) + 1);
		assert_int_equal(parse((const char *[]){NEEDED, "--fate", text, NULL}), 0);
		assert_int_equal(options.fates[0].fate, i);
	}
}

static void reads_versions(void **state)
{
	(void)state;
	assert_int_equal(
		parse((const char *[]){NEEDED, "--report", "kernel=6.1.0 ab", "--report",
				       "marker:driver=1=2", "--update", "marker:driver=", NULL}),
		0);
	assert_int_equal(options.reports.count, 2);
	assert_string_equal(rw_fleet_versions_find(&options.reports, "kernel")->value, "6.1.0 ab");
	assert_string_equal(rw_fleet_versions_find(&options.reports, "marker:driver")->value,
			    "1=2");
	assert_null(rw_fleet_versions_find(&options.updates, "kernel"));
	assert_string_equal(rw_fleet_versions_find(&options.updates, "marker:driver")->value, "");
}

static void refuses_bad_versions(void **state)
{
	static const char *const bad[] = {"kernel", "=1", "kernels=1", "marker:A=1", "kernel=\xff"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse((const char *[]){NEEDED, "--report", bad[i], NULL}),
				 -EINVAL);
		assert_non_null(strstr(error, "--report"));
	}
	assert_int_equal(parse((const char *[]){NEEDED, "--update", "kernel=1", "--update",
						"kernel=2", NULL}),
			 -EINVAL);
	assert_non_null(strstr(error, "twice"));
}

static void refuses_bad_fates(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",          "silent",      "3",         "3:",         ":silent",
		"0:silent",  "3:nap",       "3:silent@", "3:silent@5", "3:silent,",
		"-1:silent", "3@5s:silent", "03:silent", "1:steady"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse((const char *[]){NEEDED, "--fate", bad[i], NULL}), -EINVAL);
		assert_non_null(strstr(error, "--fate"));
	}
	assert_int_equal(parse((const char *[]){NEEDED, "--fate", "15:oops,6:drop", NULL}),
			 -EINVAL);
	assert_non_null(strstr(error, "21"));
}

static void names_what_is_missing_or_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *option;
		const char *value;
	} bad[] = {
		{"--hosts", "0"},          {"--hosts", "50001"},    {"--hosts", "x"},
		{"--ring", "Canary"},      {"--ring", "*"},         {"--prefix", ""},
		{"--trust-domain", "a/b"}, {"--duration", "10"},    {"--heartbeat-every", "0s"},
		{"--connect-rate", "0"},   {"--events-rate", "-1"}, {"--seed", "1.5"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse((const char *[]){NEEDED, bad[i].option, bad[i].value, NULL}),
				 -EINVAL);
		assert_non_null(strstr(error, bad[i].option));
	}
	assert_int_equal(parse((const char *[]){"ringwatch-fleet", NULL}), -EINVAL);
	assert_non_null(strstr(error, "--collector"));
	assert_int_equal(parse((const char *[]){NEEDED, "--state", NULL}), -EINVAL);
	assert_non_null(strstr(error, "--state"));
	assert_int_equal(parse((const char *[]){NEEDED, "--storm", NULL}), -EINVAL);
	assert_non_null(strstr(error, "--storm"));
	assert_int_equal(parse((const char *[]){NEEDED, "more", NULL}), -EINVAL);
	assert_non_null(strstr(error, "more"));
}

static void asks_for_help_without_the_rest(void **state)
{
	(void)state;
	assert_int_equal(parse((const char *[]){"ringwatch-fleet", "--help", NULL}), 0);
	assert_int_equal(order, RW_FLEET_HELP);
	assert_int_equal(parse((const char *[]){"ringwatch-fleet", "--version", NULL}), 0);
	assert_int_equal(order, RW_FLEET_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(reads_fates),
		cmocka_unit_test(reads_versions),
		cmocka_unit_test(refuses_bad_versions),
		cmocka_unit_test(each_fate_has_a_name_that_reads_back),
		cmocka_unit_test(refuses_bad_fates),
		cmocka_unit_test(names_what_is_missing_or_wrong),
		cmocka_unit_test(asks_for_help_without_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
