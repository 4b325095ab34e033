/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: strict, and each refusal names the line and the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "sensor/config.h"

static const char good[] = "schema: 1\n"
			   "host_id: web-1\n"
			   "collectors:\n"
			   "  - 127.0.0.1:8471\n"
			   "  - \"[::1]:8472\"\n"
			   "tls:\n"
			   "  certificate: /etc/s.crt\n"
			   "  key: s.key\n"
			   "  ca: /etc/ca.crt\n"
			   "  crl: none\n"
			   "state_dir: /var/lib/x\n"
			   "spool:\n"
			   "  max_bytes: 1MiB\n"
			   "  max_age: none\n"
			   "markers_dir: none\n"
			   "netconsole: none\n";

static char folder[64];
static char path[128];
static char error[RW_CONF_ERROR_BYTES];

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ringwatch-config-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/sensor.yaml", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

/* Loads the good file with `from` replaced by `to`. */
static int load(const char *from, const char *to, struct rw_sensor_config *config)
{
	char text[2048];
	const char *at = strstr(good, from);

	assert_non_null(at);
	int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to,
			 at + strlen(from));
	assert_int_equal(rw_file_replace(path, text, (size_t)n, 0600), 0);
	error[0] = '\0';
	return rw_sensor_config_load(path, config, error);
}

static void test_good(void **state)
{
	struct rw_sensor_config c;
	char key[160];

	(void)state;
	if (load("schema", "schema", &c) != 0)
		fail_msg("%s", error);
	assert_string_equal(c.host_id, "web-1");
	assert_true(c.host_id_given);
	assert_int_equal(c.collector_count, 2);
	assert_string_equal(c.collectors[1], "[::1]:8472");
	assert_string_equal(c.tls.certificate, "/etc/s.crt");
	snprintf(key, sizeof(key), "%s/s.key", folder);
	assert_string_equal(c.tls.key, key);
	assert_false(c.tls.crl_given);
	assert_int_equal(c.spool.max_bytes, 1024 * 1024);

	assert_int_equal(load("host_id: web-1", "host_id: certificate", &c), 0);
	assert_false(c.host_id_given);
	assert_int_equal(load("crl: none", "crl: /etc/crl.pem", &c), 0);
	assert_true(c.tls.crl_given);
	assert_false(c.spool.max_age_given);
	assert_int_equal(load("max_age: none", "max_age: 7d", &c), 0);
	assert_int_equal(c.spool.max_age_ms, 7ull * 24 * 3600 * 1000);
}

static void test_shipped_file_is_good(void **state)
{
	struct rw_sensor_config c;

	(void)state;
	if (access("deploy/sensor.yaml", R_OK) != 0)
		skip(); /* not run from the top of the tree */
	if (rw_sensor_config_load("deploy/sensor.yaml", &c, error) != 0)
		fail_msg("%s", error);
}

static void expect(const char *from, const char *to, const char *line_and_key)
{
	struct rw_sensor_config c;
	char start[256];

	if (load(from, to, &c) == 0)
		fail_msg("'%s' was accepted", to);
	snprintf(start, sizeof(start), "%s:%s", path, line_and_key);
	if (strncmp(error, start, strlen(start)) != 0)
		fail_msg("'%s': expected it to start with '%s'", error, start);
	assert_null(strchr(error, '\n'));
}

static void test_refusals(void **state)
{
	(void)state;
	expect("schema: 1", "schema: 2", "1: schema: ");
	expect("host_id: web-1", "host_id: Web*", "2: host_id: ");
	expect("  - 127.0.0.1:8471", "  - 127.0.0.1", "4: collectors[0]: ");
	expect("  - 127.0.0.1:8471", "  - 127.0.0.1:0", "3: collectors: ");
	expect("max_bytes: 1MiB", "max_bytes: 1KiB", "13: spool.max_bytes: ");
	expect("max_bytes: 1MiB", "max_bytes: 1048576", "13: spool.max_bytes: ");
	expect("max_age: none", "max_age: 1s", "14: spool.max_age: ");
	expect("markers_dir: none", "markers_dir: [/run/x]", "15: markers_dir: ");
	expect("netconsole: none", "netconsole: eth0", "16: netconsole: ");
	expect("netconsole: none", "netconsole: none\nextra: 1", "17: extra: ");
	expect("state_dir: /var/lib/x", "state_dir: none", "11: state_dir: ");
}

static void test_markers_may_have_a_folder(void **state)
{
	struct rw_sensor_config c;

	(void)state;
	assert_int_equal(load("markers_dir: none", "markers_dir: none", &c), 0);
	assert_false(c.markers_dir_given);
	assert_int_equal(load("markers_dir: none", "markers_dir: /run/x", &c), 0);
	assert_true(c.markers_dir_given);
	assert_string_equal(c.markers_dir, "/run/x");
}

static void test_missing_key_is_named(void **state)
{
	struct rw_sensor_config c;

	(void)state;
	assert_int_equal(load("netconsole: none\n", "", &c), -EINVAL);
	assert_non_null(strstr(error, "netconsole"));
	assert_int_equal(load("  key: s.key\n", "", &c), -EINVAL);
	assert_non_null(strstr(error, "tls.key"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good),
		cmocka_unit_test(test_shipped_file_is_good),
		TEST(test_refusals),
		TEST(test_markers_may_have_a_folder),
		TEST(test_missing_key_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
