/* SPDX-License-Identifier: Apache-2.0 */
/* Targets, words and challenges, over a configfs tree of plain files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "sensor/netconsole.h"

static const char tree[] = "sys/kernel/config/netconsole";
static const char target_folder[] = "sys/kernel/config/netconsole/ringwatch";
static const char armed[] = "armed eth0 10.0.2.15:6665 towards 10.0.2.2:6666";

static char root[64];
static struct rw_netconsole_target target;
static struct rw_route route;

static const char *path_of(const char *folder, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	return path;
}

static void add(const char *folder, const char *name, const char *text)
{
	char parent[256];

	snprintf(parent, sizeof(parent), "%s/%s", root, folder);
	assert_int_equal(rw_file_make_folder(parent, 0755), 0);
	assert_int_equal(rw_file_replace(path_of(folder, name), text, strlen(text), 0644), 0);
}

static void assert_holds(const char *folder, const char *name, const char *text)
{
	char *found = NULL;

	assert_int_equal(rw_file_read(path_of(folder, name), 4096, &found, NULL), 0);
	assert_string_equal(found, text);
	free(found);
}

/* What the kernel puts into a new target's folder. */
static void add_target(const char *enabled)
{
	add(target_folder, "enabled", enabled);
	add(target_folder, "dev_name", "eth0\n");
	add(target_folder, "local_ip", "10.0.2.15\n");
	add(target_folder, "remote_ip", "10.0.2.2\n");
	add(target_folder, "local_port", "6665\n");
	add(target_folder, "remote_port", "6666\n");
	add(target_folder, "remote_mac", "52:55:0a:00:02:02\n");
	add(target_folder, "extended", "1\n");
}

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ringwatch-netconsole-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	add("dev", "kmsg", "");
	add("proc/sys/kernel", "printk", "7\t4\t1\t7\n");
	assert_int_equal(rw_netconsole_parse_target("10.0.2.2:6666", &target), 0);
	route = (struct rw_route){.index = 2,
				  .device = "eth0",
				  .local = {.bytes = {10, 0, 2, 15}},
				  .next_hop = {.bytes = {10, 0, 2, 2}},
				  .mac = {0x52, 0x55, 0x0a, 0x00, 0x02, 0x02}};
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static struct rw_netconsole *arm(bool wanted)
{
	const struct rw_netconsole_config config = {
		.root = root, .target = wanted ? &target : NULL, .route = &route};
	struct rw_netconsole *n = rw_netconsole_arm(&config);

	assert_non_null(n);
	return n;
}

static void assert_words(bool wanted, const char *words)
{
	struct rw_netconsole *n = arm(wanted);

	assert_string_equal(rw_netconsole_words(n), words);
	rw_netconsole_free(n);
}

static void test_targets_are_numeric_addresses_with_a_port(void **state)
{
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
	struct rw_netconsole_target t;

	(void)state;
	assert_int_equal(rw_netconsole_parse_target("192.0.2.7:6666", &t), 0);
	assert_false(t.address.is_v6);
	assert_memory_equal(t.address.bytes, ((uint8_t[]){192, 0, 2, 7}), 4);
	assert_int_equal(t.port, 6666);
	assert_int_equal(rw_netconsole_parse_target("[2001:db8::7]:65535", &t), 0);
	assert_true(t.address.is_v6);
	assert_memory_equal(t.address.bytes, v6, sizeof(v6));
	assert_int_equal(t.port, 65535);
}

static void test_anything_else_is_no_target_and_changes_nothing(void **state)
{
	static const char *const wrong[] = {
		"",
		":",
		":6666",
		"192.0.2.7",
		"192.0.2.7:",
		"192.0.2.7:0",
		"192.0.2.7:65536",
		"192.0.2.7:-1",
		"192.0.2.7:6666 ",
		"192.0.2.7:6666x",
		" 192.0.2.7:6666",
		"192.0.2:6666",
		"[192.0.2.7]:6666",
		"collector.example:6666",
		"2001:db8::7:6666",
		"[2001:db8::7]",
		"[2001:db8::7]6666",
		"[2001:db8::7:6666",
		"[]:6666",
		"[fe80::1%eth0]:6666",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:6666",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct rw_netconsole_target t = {.port = 9};
		assert_int_equal(rw_netconsole_parse_target(wrong[i], &t), -EINVAL);
		assert_int_equal(t.port, 9);
	}
}

static void test_a_new_target_gets_every_value_and_is_enabled(void **state)
{
	(void)state;
	add_target("0\n");
	add(target_folder, "dev_name", "eth9\n");
	add(target_folder, "remote_mac", "ff:ff:ff:ff:ff:ff\n");
	add(target_folder, "extended", "0\n");
	assert_words(true, armed);
	assert_holds(target_folder, "dev_name", "eth0");
	assert_holds(target_folder, "local_ip", "10.0.2.15");
	assert_holds(target_folder, "remote_ip", "10.0.2.2");
	assert_holds(target_folder, "local_port", "6665");
	assert_holds(target_folder, "remote_port", "6666");
	assert_holds(target_folder, "remote_mac", "52:55:0a:00:02:02");
	assert_holds(target_folder, "extended", "1");
	assert_holds(target_folder, "enabled", "1");
}

static void test_a_target_that_is_right_is_not_touched(void **state)
{
	(void)state;
	add_target("1\n");
	assert_words(true, armed);
	assert_holds(target_folder, "enabled", "1\n"); /* what we write has no line end */
	assert_holds(target_folder, "remote_ip", "10.0.2.2\n");
}

static void test_an_armed_target_that_points_elsewhere_is_set_anew(void **state)
{
	(void)state;
	add_target("1\n");
	add(target_folder, "remote_ip", "10.0.2.9\n");
	assert_words(true, armed);
	assert_holds(target_folder, "remote_ip", "10.0.2.2");
	assert_holds(target_folder, "enabled", "1");
}

static void test_words_of_v6_have_brackets(void **state)
{
	(void)state;
	add_target("0\n");
	assert_int_equal(rw_netconsole_parse_target("[2001:db8::7]:6666", &target), 0);
	assert_int_equal(rw_ip_parse("2001:db8::15", &route.local), 0);
	assert_words(true, "armed eth0 [2001:db8::15]:6665 towards [2001:db8::7]:6666");
}

static void test_words_say_what_is_missing(void **state)
{
	(void)state;
	assert_words(true, "this kernel's netconsole cannot be set up at run time "
			   "(no NETCONSOLE_DYNAMIC)");
	add(tree, "other", "");
	/* the folder is made, but no kernel fills it */
	assert_words(true, "netconsole refuses dev_name eth0: No such file or directory");
	assert_int_equal(remove(path_of("proc/sys/kernel", "printk")), 0);
	assert_words(true, "/proc/sys/kernel/printk cannot be read: No such file or directory");
	assert_int_equal(remove(path_of("dev", "kmsg")), 0);
	assert_words(true, "/dev/kmsg cannot be written: No such file or directory");
}

static void test_not_wanted_is_none_and_what_was_armed_is_disabled(void **state)
{
	(void)state;
	assert_words(false, "none");
	add_target("1\n");
	/* plain files, unlike configfs's, keep their folder from being removed */
	assert_words(false, "not wanted, but armed: Directory not empty");
	assert_holds(target_folder, "enabled", "0");
}

static void test_a_challenge_is_one_line_at_a_level_that_gets_out(void **state)
{
	static const struct {
		const char *printk, *line;
	} cases[] = {
		{"7\t4\t1\t7\n", "<13>ringwatch: gasp 000102030405060708090a0b0c0d0eff\n"},
		{"15\t4\t1\t7\n", "<13>ringwatch: gasp 000102030405060708090a0b0c0d0eff\n"},
		{"4\t4\t1\t7\n", "<11>ringwatch: gasp 000102030405060708090a0b0c0d0eff\n"},
		{"2\t4\t1\t7\n", "<9>ringwatch: gasp 000102030405060708090a0b0c0d0eff\n"},
	};
	static const uint8_t nonce[RW_GASP_NONCE_BYTES] = {0, 1, 2,  3,  4,  5,  6,  7,
							   8, 9, 10, 11, 12, 13, 14, 255};

	(void)state;
	add_target("1\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		add("dev", "kmsg", "");
		add("proc/sys/kernel", "printk", cases[i].printk);
		struct rw_netconsole *n = arm(true);
		assert_int_equal(rw_netconsole_challenge(n, nonce), 0);
		assert_holds("dev", "kmsg", cases[i].line);
		rw_netconsole_free(n);
	}
}

static void test_no_challenge_is_written_when_it_could_not_get_out(void **state)
{
	static const uint8_t nonce[RW_GASP_NONCE_BYTES] = {1};

	(void)state;
	struct rw_netconsole *n = arm(true);
	assert_int_equal(rw_netconsole_challenge(n, nonce), -ENOTCONN);
	rw_netconsole_free(n);
	n = arm(false);
	assert_int_equal(rw_netconsole_challenge(n, nonce), -ENOTCONN);
	rw_netconsole_free(n);

	add_target("1\n");
	add("proc/sys/kernel", "printk", "1\t4\t1\t7\n");
	n = arm(true);
	assert_string_equal(rw_netconsole_words(n), armed);
	assert_int_equal(rw_netconsole_challenge(n, nonce), -ENOMSG);
	rw_netconsole_free(n);
	add("proc/sys/kernel", "printk", "loud\n");
	n = arm(true);
	assert_int_equal(rw_netconsole_challenge(n, nonce), -EBADMSG);
	rw_netconsole_free(n);
	assert_holds("dev", "kmsg", "");
	rw_netconsole_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_targets_are_numeric_addresses_with_a_port),
		TEST(test_anything_else_is_no_target_and_changes_nothing),
		TEST(test_a_new_target_gets_every_value_and_is_enabled),
		TEST(test_a_target_that_is_right_is_not_touched),
		TEST(test_an_armed_target_that_points_elsewhere_is_set_anew),
		TEST(test_words_of_v6_have_brackets),
		TEST(test_words_say_what_is_missing),
		TEST(test_not_wanted_is_none_and_what_was_armed_is_disabled),
		TEST(test_a_challenge_is_one_line_at_a_level_that_gets_out),
		TEST(test_no_challenge_is_written_when_it_could_not_get_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
