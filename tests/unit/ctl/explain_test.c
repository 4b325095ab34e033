/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real crash texts of Linux 5.9 to 6.18, x86-64 and arm64, and what must be read
 * from them: tests/data/oops/NAME.txt and NAME.jsonl, a line an event. What
 * stands there must be so; what does not may be anything.
 *
 * Then: the same text in every form in which logs are kept, cut anywhere, and
 * with what an attacker may write into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/explain.h"

#define FOLDER "tests/data/oops"

enum { TEXT_BYTES = 64 * 1024, EVENTS_MAX = 64 };

struct told {
	size_t count;
	json_t *events[EVENTS_MAX];
};

static void release(struct told *told)
{
	for (size_t i = 0; i < told->count; i++)
		json_decref(told->events[i]);
	*told = (struct told){0};
}

/* Takes the objects that stand one a line. */
static struct told read_lines(FILE *from, const char *name)
{
	struct told told = {0};
	char line[TEXT_BYTES];

	while (fgets(line, sizeof(line), from) != NULL) {
		json_error_t error;
		json_t *event = json_loads(line, 0, &error);
		if (event == NULL)
			fail_msg("%s: %s: %s", name, error.text, line);
		assert_true(told.count < EVENTS_MAX);
		told.events[told.count++] = event;
	}
	return told;
}

static int file_of(const char *text, size_t length)
{
	char name[] = "/tmp/ringwatch-explain-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(write(fd, text, length), (ssize_t)length);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct told explain_fd(int fd, const char *name)
{
	FILE *to = tmpfile();

	assert_non_null(to);
	assert_int_equal(rw_explain_stream(fd, to), 0);
	rewind(to);
	struct told told = read_lines(to, name);
	assert_int_equal(fclose(to), 0);
	return told;
}

static struct told explain(const char *text)
{
	int fd = file_of(text, strlen(text));
	struct told told = explain_fd(fd, "text");

	assert_int_equal(close(fd), 0);
	return told;
}

static const char *text_of(const struct told *told, size_t i, const char *key)
{
	assert_true(i < told->count);
	const char *text = json_string_value(json_object_get(told->events[i], key));
	assert_non_null(text);
	return text;
}

/* ---- the table --------------------------------------------------------------------------- */

static void path_of(char out[PATH_MAX], const char *name, const char *end)
{
	int n = snprintf(out, PATH_MAX, "%s/%s%s", FOLDER, name, end);

	assert_true(n > 0 && n < PATH_MAX);
}

static struct told explain_data(const char *name)
{
	char path[PATH_MAX];

	path_of(path, name, ".txt");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	struct told told = explain_fd(fd, name);
	assert_int_equal(close(fd), 0);
	return told;
}

static size_t compare(const char *name, size_t i, const json_t *expected, json_t *actual)
{
	size_t wrong = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)expected, key, value)
	{
		json_t *found = json_object_get(actual, key);
		if (json_equal(value, found))
			continue;
		char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT);
		print_error("%s: event %zu: %s is %s\n", name, i + 1, key,
			    text != NULL ? text : "missing");
		free(text);
		wrong++;
	}
	return wrong;
}

static size_t check_text(const char *name)
{
	char path[PATH_MAX];
	size_t wrong = 0;

	path_of(path, name, ".jsonl");
	FILE *file = fopen(path, "re");
	if (file == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	struct told expected = read_lines(file, path);
	assert_int_equal(fclose(file), 0);
	struct told actual = explain_data(name);

	for (size_t i = 0; i < expected.count && i < actual.count; i++)
		wrong += compare(name, i, expected.events[i], actual.events[i]);
	if (expected.count != actual.count) {
		print_error("%s: %zu events, expected %zu\n", name, actual.count, expected.count);
		wrong++;
	}
	release(&expected);
	release(&actual);
	return wrong;
}

static void test_every_text_is_understood(void **state)
{
	DIR *folder = opendir(FOLDER);
	size_t texts = 0;
	size_t wrong = 0;

	(void)state;
	if (folder == NULL)
		fail_msg("%s: %s (the tests are run at the root of the tree)", FOLDER,
			 strerror(errno));
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		char name[NAME_MAX + 1];
		size_t length = strlen(entry->d_name);
		if (length <= 4 || strcmp(entry->d_name + length - 4, ".txt") != 0)
			continue;
		memcpy(name, entry->d_name, length - 4);
		name[length - 4] = '\0';
		wrong += check_text(name);
		texts++;
	}
	assert_int_equal(closedir(folder), 0);
	assert_int_equal(wrong, 0);
	assert_true(texts >= 60);
}

static void expect_signatures(const char *one, const char *other, bool same)
{
	struct told a = explain_data(one);
	struct told b = explain_data(other);

	if ((strcmp(text_of(&a, 0, "signature"), text_of(&b, 0, "signature")) == 0) != same)
		fail_msg("%s and %s: %s, %s", one, other, text_of(&a, 0, "signature"),
			 text_of(&b, 0, "signature"));
	release(&a);
	release(&b);
}

static void test_a_signature_names_the_place_and_nothing_else(void **state)
{
	(void)state;
	/* two boots: other addresses, other task, other CPU */
	expect_signatures("x86_64-6.1-null", "x86_64-6.1-null-again", true);
	expect_signatures("x86_64-6.12-null", "x86_64-6.12-null-again", true);
	expect_signatures("x86_64-6.12-null", "x86_64-6.12-panic-oops", true);
	expect_signatures("x86_64-6.12-null", "x86_64-6.12-panic-interrupt", true);
	/* one module, two places */
	expect_signatures("x86_64-6.1-null", "x86_64-6.1-read-null", false);
	expect_signatures("x86_64-6.12-null", "x86_64-6.12-read-null", false);
	expect_signatures("x86_64-6.12-bug", "x86_64-6.12-ud2", false);
}

/* ---- forms ------------------------------------------------------------------------------- */

#define B "BUG: kernel NULL pointer dereference, address: 0000000000000008"
#define P "#PF: error_code(0x0002) - not-present page"
#define O "Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI"
#define C "CPU: 1 UID: 0 PID: 174 Comm: sh Not tainted 6.12.117 #1"
#define R "RIP: 0010:zoo_null+0x5/0x20 [rw_zoo]"
#define T "Call Trace:"
#define F " zoo_write+0x26/0x50 [rw_zoo]"
#define E "---[ end trace 0000000000000000 ]---"
#define N "note: sh[174] exited with irqs disabled"

/* One oops as its lines stand in a log with `head` before each. */
static void put_oops(char *out, size_t size, const char *head)
{
	static const char *const lines[] = {B, P, O, C, R, T, F, E, N};
	size_t used = 0;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int n = snprintf(out + used, size - used, "%s%s\n", head, lines[i]);
		assert_true(n > 0 && (size_t)n < size - used);
		used += (size_t)n;
	}
}

static void test_all_forms_of_a_log_tell_the_same(void **state)
{
	static const struct {
		const char *head;
		const char *at;
	} forms[] = {
		{"", ""},
		{"[   12.345678] ", "12.345"},
		{"[   12.345678][  T174] ", "12.345"},
		{"<4>[   12.345678] ", "12.345"},
		{"<0>", ""},
		{"kern  :warn  : [   12.345678] ", "12.345"},
		{"[Sat Nov 23 05:12:01 2024] ", ""},
		{"2024-11-23T05:12:01,123456+00:00 ", ""},
		{"Nov 23 05:12:01 web-17 kernel: ", ""},
		{"Nov 23 05:12:01.123456 web-17 kernel: ", ""},
		{"Nov 23 05:12:01 web-17 kernel: [   12.345678] ", "12.345"},
		{"[   12.345678] web-17 kernel: ", "12.345"},
		{"2024-11-23T05:12:01+0000 web-17 kernel: ", ""},
		{"4,1234,12345678,-;", "12.345"},
		{"4,1234,12345678,-,caller=T174;", "12.345"},
		{"6.12.117,4,1234,12345678,-;", "12.345"},
		{"kernel: ", ""},
		{"    [   12.345678] ", "12.345"},
	};
	char text[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		put_oops(text, sizeof(text), forms[i].head);
		struct told told = explain(text);
		if (told.count != 1 || strcmp(text_of(&told, 0, "at"), forms[i].at) != 0 ||
		    strcmp(text_of(&told, 0, "signature"), "oops:zoo_null+0x5:rw_zoo") != 0)
			fail_msg("'%s': %zu events, %s at '%s'", forms[i].head, told.count,
				 told.count > 0 ? text_of(&told, 0, "signature") : "none",
				 told.count > 0 ? text_of(&told, 0, "at") : "");
		json_t *event = told.events[0];
		assert_string_equal(text_of(&told, 0, "kind"), "oops");
		assert_string_equal(text_of(&told, 0, "severity"), "critical");
		assert_int_equal(json_integer_value(json_object_get(event, "cpu")), 1);
		assert_int_equal(json_integer_value(json_object_get(event, "pid")), 174);
		assert_string_equal(text_of(&told, 0, "comm"), "sh");
		json_t *facts = json_object_get(event, "facts");
		assert_string_equal(json_string_value(json_object_get(facts, "address")), "0x8");
		json_t *stack = json_object_get(event, "stack");
		assert_int_equal(json_array_size(stack), 2);
		assert_string_equal(json_string_value(json_array_get(stack, 1)),
				    "zoo_write+0x26 [rw_zoo]");
		release(&told);
	}
}

static void test_parts_of_a_pstore_dump_stand_in_any_order(void **state)
{
	static const char *const texts[] = {
		"Panic#1 Part1\n<4>[   12.4] x\n<4>[   12.400000] " R "\n<4>[   12.500000] " E
		"\n<0>[   12.600000] Kernel panic - not syncing: Fatal exception\n"
		"Panic#1 Part2\n<1>[   12.345678] " B "\n<1>[   12.345679] " P
		"\n<4>[   12.345680] " O "\n<4>[   12.345681] " C "\n",
		"Panic#1 Part2\n<1>[   12.345678] " B "\n<1>[   12.345679] " P
		"\n<4>[   12.345680] " O "\n<4>[   12.345681] " C "\n"
		"Panic#1 Part1\n<4>[   12.400000] " R "\n<4>[   12.500000] " E
		"\n<0>[   12.600000] Kernel panic - not syncing: Fatal exception\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct told told = explain(texts[i]);
		assert_int_equal(told.count, 2);
		assert_string_equal(text_of(&told, 0, "signature"), "oops:zoo_null+0x5:rw_zoo");
		assert_string_equal(text_of(&told, 0, "at"), "12.345");
		assert_string_equal(text_of(&told, 1, "signature"), "panic:Fatal exception");
		assert_string_equal(text_of(&told, 1, "symbol"), "zoo_null+0x5");
		release(&told);
	}
}

static void test_two_boots_in_one_log_are_two(void **state)
{
	static const char panic[] = "Kernel panic - not syncing: sysrq triggered crash\n";
	static const char *const between[] = {
		"[    0.000000] Linux version 6.12.117\n[    5.000000] ",
		"[    5.000000] ", /* the clock went back */
		"-- Boot 0123456789abcdef0123456789abcdef --\n[   12.400000] ",
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
		snprintf(text, sizeof(text), "[   12.345678] %s%s%s", panic, between[i], panic);
		struct told told = explain(text);
		assert_int_equal(told.count, 2);
		release(&told);
	}
	/* CPUs whose clocks differ a little are one boot */
	snprintf(text, sizeof(text), "[   12.345678] %s[   12.345600] %s", panic, panic);
	struct told told = explain(text);
	assert_int_equal(told.count, 1);
	release(&told);
}

static void test_nothing_to_tell_is_no_error(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"\n\n\n",
		"hello",
		"[    1.000000] Linux version 6.12\n",
		"Panic#1 Part1",
		"Panic#1 Part1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct told told = explain(texts[i]);
		assert_int_equal(told.count, 0);
	}
}

static void test_a_text_cut_anywhere_breaks_nothing(void **state)
{
	char text[4096];

	(void)state;
	put_oops(text, sizeof(text), "[   12.345678] ");
	size_t length = strlen(text);
	for (size_t from = 0; from < length; from += 7) {
		for (size_t to = from; to <= length; to += 13) {
			int fd = file_of(text + from, to - from);
			struct told told = explain_fd(fd, "cut");
			assert_true(told.count <= 1);
			release(&told);
			assert_int_equal(close(fd), 0);
		}
	}
}

static void test_long_lines_and_many_of_them(void **state)
{
	enum { MANY = 3 * 1024 * 1024 };
	char *text = test_malloc(MANY);
	char oops[4096];

	(void)state;
	/* one line without an end, then an oops; and a dump larger than is kept back */
	put_oops(oops, sizeof(oops), "[   12.345678] ");
	memset(text, 'x', MANY);
	memcpy(text, "Panic#1 Part3\n", 14);
	for (size_t i = 14 + 100; i < MANY; i += 100)
		text[i] = i > MANY / 2 ? '\n' : 'x';
	text[MANY / 4] = '\n';
	memcpy(text + MANY - strlen(oops), oops, strlen(oops));
	text[MANY - strlen(oops) - 1] = '\n';
	int fd = file_of(text, MANY);
	struct told told = explain_fd(fd, "many");
	assert_int_equal(told.count, 1);
	assert_string_equal(text_of(&told, 0, "signature"), "oops:zoo_null+0x5:rw_zoo");
	release(&told);
	assert_int_equal(close(fd), 0);
	test_free(text);
}

/* ---- attackers ------------------------------------------------------------------------------ */

static void test_user_space_is_not_believed_where_the_form_tells(void **state)
{
	static const char *const heads[] = {
		"<12>[   12.345678] ",
		"12,1234,12345678,-;",
		"user  :crit  : [   12.345678] ",
		"Nov 23 05:12:01 web-17 logger[77]: ",
	};
	char text[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		put_oops(text, sizeof(text), heads[i]);
		struct told told = explain(text);
		assert_int_equal(told.count, 0);
	}
}

static void test_names_make_no_events(void **state)
{
	struct told told = explain(
		"[    1.000000] Oops: 0000 [#1][4711]: segfault at 0 ip 0000 sp 0000 error 14\n"
		"[    1.000001] BUG: kernel NUL[4711]: segfault at 0 ip 0000 sp 0000 error 14\n"
		"[    1.000002] process 'Kernel panic - not syncing: x' started with executable "
		"stack\n"
		"[    1.000003] Memory cgroup stats for /Kernel panic - not syncing: x:\n"
		"[    1.000004] audit: type=1400 comm=\"Kernel panic - not syncing: x\"\n"
		"[    1.000005] usb 1-1: Product: Kernel panic - not syncing: x\n"
		"[    1.000006] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/BUG: kernel NULL "
		"pointer dereference,task=a,pid=7,uid=0\n");
	assert_int_equal(told.count, 0);

	(void)state;
	told = explain(
		"[    1.000000] Memory cgroup out of memory: Killed process 7 (Kernel panic -"
		") total-vm:1kB, anon-rss:2kB, file-rss:1kB, shmem-rss:0kB, UID:5 "
		"pgtables:1kB oom_score_adj:0\n");
	assert_int_equal(told.count, 1);
	assert_string_equal(text_of(&told, 0, "signature"), "oom_kill:cgroup");
	release(&told);
}

/* What is printed is ASCII; bytes that are no text are shown, and read back as they were. */
static void test_what_is_printed_is_one_line_of_ascii(void **state)
{
	static const char text[] =
		"[    1.000000] Kernel panic - not syncing: a\x1b[31m\xe2\x80\xae\"\\\xff\x01 z\n";
	int fd = file_of(text, sizeof(text) - 1);
	FILE *to = tmpfile();
	char out[4096] = "";

	(void)state;
	assert_non_null(to);
	assert_int_equal(rw_explain_stream(fd, to), 0);
	rewind(to);
	size_t length = fread(out, 1, sizeof(out) - 1, to);
	assert_int_equal(out[length - 1], '\n');
	for (size_t i = 0; i + 1 < length; i++)
		assert_true(out[i] >= ' ' && out[i] < 0x7f);
	json_t *event = json_loads(out, 0, NULL);
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "detail")),
			    "a\x1b[31m\xe2\x80\xae\"\\\\xff\x01 z");
	json_decref(event);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(close(fd), 0);
}

/* ---- the command ----------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	return rw_ctl_main(argc, argv);
}

static void test_exit_status(void **state)
{
	char program[] = "ringwatch";
	char command[] = "explain";
	char text[] = FOLDER "/x86_64-6.12-mod-lost.txt";
	char missing[] = "/there/is/no/such/file";
	char folder[] = "/";
	char help[] = "--help";
	char json[] = "--json";

	(void)state;
	assert_int_equal(run(3, (char *[]){program, command, text, NULL}), RW_CTL_DONE);
	assert_int_equal(run(3, (char *[]){program, command, help, NULL}), RW_CTL_DONE);
	assert_int_equal(run(3, (char *[]){program, command, missing, NULL}), RW_CTL_FAILED);
	assert_int_equal(run(3, (char *[]){program, command, folder, NULL}), RW_CTL_FAILED);
	assert_int_equal(run(2, (char *[]){program, command, NULL}), RW_CTL_USAGE);
	assert_int_equal(run(4, (char *[]){program, command, text, text, NULL}), RW_CTL_USAGE);
	assert_int_equal(run(4, (char *[]){program, command, json, text, NULL}), RW_CTL_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_text_is_understood),
		cmocka_unit_test(test_a_signature_names_the_place_and_nothing_else),
		cmocka_unit_test(test_all_forms_of_a_log_tell_the_same),
		cmocka_unit_test(test_parts_of_a_pstore_dump_stand_in_any_order),
		cmocka_unit_test(test_two_boots_in_one_log_are_two),
		cmocka_unit_test(test_nothing_to_tell_is_no_error),
		cmocka_unit_test(test_a_text_cut_anywhere_breaks_nothing),
		cmocka_unit_test(test_long_lines_and_many_of_them),
		cmocka_unit_test(test_user_space_is_not_believed_where_the_form_tells),
		cmocka_unit_test(test_names_make_no_events),
		cmocka_unit_test(test_what_is_printed_is_one_line_of_ascii),
		cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
