/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host says it runs: a marker counts only when none but its owner can have
 * written it, and a change is seen at the next look.
 */
#include "sensor/versions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"

#define ID "0123456789abcdef0123456789abcdef01234567"

static char root[] = "/tmp/rw-versions-XXXXXX";
static char path[512];

static const char *at(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void write_bytes(const char *name, const void *bytes, size_t length)
{
	FILE *file = fopen(at(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static void write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

static size_t put_note(uint8_t *out, const char *name, uint32_t type, const void *content,
		       uint32_t length)
{
	const uint32_t head[] = {(uint32_t)strlen(name) + 1, length, type};
	size_t used = sizeof(head);

	memset(out, 0, 256);
	memcpy(out, head, sizeof(head));
	memcpy(out + used, name, head[0]);
	used += (head[0] + 3) & ~3u;
	memcpy(out + used, content, length);
	return used + ((length + 3) & ~3u);
}

/* Two notes, of which the second is the build id ID. */
static size_t make_notes(uint8_t *out)
{
	uint8_t id[20];
	size_t used = put_note(out, "Xen", 3, "xyz", 3);

	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (uint8_t)((i * 2 % 16) << 4 | (i * 2 % 16 + 1));
	return used + put_note(out + used, "GNU", 3, id, sizeof(id));
}

static int set_up(void **state)
{
	static const char *const folders[] = {
		"",    "sys",        "sys/kernel", "sys/module", "sys/module/nf_tables",
		"run", "run/markers"};
	uint8_t notes[1024];

	(void)state;
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	if (mkdtemp(root) == NULL)
		return -1;
	for (size_t i = 1; i < sizeof(folders) / sizeof(folders[0]); i++)
		mkdir(at(folders[i]), 0755);
	write_bytes("sys/kernel/notes", notes, make_notes(notes));
	return 0;
}

static int tear_down(void **state)
{
	char command[600];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static struct rw_versions *open_for(uid_t owner, const char *markers_dir)
{
	const struct rw_versions_config config = {.root = root,
						  .markers_dir = markers_dir,
						  .release = "6.1.0-9-amd64",
						  .owner = owner};
	struct rw_versions *v = rw_versions_open(&config, rw_clock_wall_ms());

	assert_non_null(v);
	return v;
}

static struct rw_versions *open_here(void)
{
	return open_for(geteuid(), "/run/markers");
}

static bool look(struct rw_versions *v)
{
	return rw_versions_look(v, rw_clock_wall_ms());
}

/* The value of a subject; NULL: it is not among them. */
static const char *value_of(const struct rw_versions *v, const char *subject)
{
	for (uint32_t i = 0; i < rw_versions_count(v); i++) {
		if (strcmp(rw_versions_at(v, i)->subject, subject) == 0)
			return rw_versions_at(v, i)->value;
	}
	return NULL;
}

static void value_is(const struct rw_versions *v, const char *subject, const char *value)
{
	const char *is = value_of(v, subject);

	if (is == NULL)
		fail_msg("%s is not there", subject);
	assert_string_equal(is, value);
}

/* Looks, and the marker is refused with this reason. */
static void refused(struct rw_versions *v, const char *marker, const char *reason)
{
	char subject[RW_VERSION_SUBJECT_MAX + 1];

	(void)look(v);
	snprintf(subject, sizeof(subject), "marker:%s", marker);
	assert_null(value_of(v, subject));
	assert_string_equal(rw_versions_refusal(v, marker), reason);
}

/* ---- the kernel ------------------------------------------------------------- */

static void the_build_id_is_found_among_notes(void **state)
{
	uint8_t notes[1024];
	char id[RW_BUILD_ID_TEXT_BYTES];
	size_t length = make_notes(notes);

	(void)state;
	assert_true(rw_versions_build_id(notes, length, id));
	assert_string_equal(id, ID);
	/* cut anywhere, it is there whole or not at all */
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *copy = malloc(cut == 0 ? 1 : cut);

		assert_non_null(copy);
		memcpy(copy, notes, cut);
		assert_false(rw_versions_build_id(copy, cut, id));
		free(copy);
	}
}

static void notes_that_are_none_have_no_build_id(void **state)
{
	uint8_t notes[1024];
	uint8_t large[33] = {1};
	char id[RW_BUILD_ID_TEXT_BYTES];
	const uint32_t endless[] = {4, UINT32_MAX, 3, 0x554e47, 7};
	const uint32_t nameless[] = {UINT32_MAX, 4, 3, 0x554e47, 7};

	(void)state;
	assert_false(rw_versions_build_id(notes, put_note(notes, "GNU", 1, "abcd", 4), id));
	assert_false(rw_versions_build_id(notes, put_note(notes, "GNV", 3, "abcd", 4), id));
	assert_false(rw_versions_build_id(notes, put_note(notes, "GNU", 3, "", 0), id));
	assert_false(rw_versions_build_id(notes, put_note(notes, "GNU", 3, large, 33), id));
	assert_true(rw_versions_build_id(notes, put_note(notes, "GNU", 3, large, 32), id));
	assert_false(rw_versions_build_id((const uint8_t *)endless, sizeof(endless), id));
	assert_false(rw_versions_build_id((const uint8_t *)nameless, sizeof(nameless), id));
}

static void the_kernel_is_release_and_build_id(void **state)
{
	(void)state;
	struct rw_versions *v = open_for(geteuid(), NULL);
	assert_int_equal(rw_versions_count(v), 1);
	value_is(v, "kernel", "6.1.0-9-amd64 " ID);
	rw_versions_free(v);

	assert_int_equal(unlink(at("sys/kernel/notes")), 0);
	v = open_for(geteuid(), NULL);
	value_is(v, "kernel", "6.1.0-9-amd64");
	rw_versions_free(v);
}

/* ---- markers ------------------------------------------------------------------ */

static void a_marker_is_its_first_line(void **state)
{
	(void)state;
	write_text("run/markers/driver", " \t2.0 rc1 \r\nand more\n");
	write_text("run/markers/agent", "\xc3\xa4");
	struct rw_versions *v = open_here();
	assert_int_equal(rw_versions_count(v), 3);
	assert_string_equal(rw_versions_at(v, 1)->subject, "marker:agent");
	value_is(v, "marker:agent", "\xc3\xa4");
	value_is(v, "marker:driver", "2.0 rc1");
	rw_versions_free(v);
}

static void a_change_is_seen_at_the_next_look_and_only_once(void **state)
{
	(void)state;
	struct rw_versions *v = open_here();
	uint64_t first = rw_versions_generation(v);
	assert_int_not_equal(first, 0);
	assert_false(look(v));

	write_text("run/markers/driver", "1.0\n");
	assert_true(look(v));
	value_is(v, "marker:driver", "1.0");
	assert_false(look(v));

	write_text("run/markers/driver", "1.1\n"); /* as long, and in the same moment */
	assert_true(look(v));
	value_is(v, "marker:driver", "1.1");

	write_text("run/markers/.new", "2.0\n");
	assert_false(look(v)); /* a tool's, not a marker */
	char to[512];
	snprintf(to, sizeof(to), "%s/run/markers/driver", root);
	assert_int_equal(rename(at("run/markers/.new"), to), 0);
	assert_true(look(v));
	value_is(v, "marker:driver", "2.0");

	assert_int_equal(unlink(at("run/markers/driver")), 0);
	assert_true(look(v));
	assert_null(value_of(v, "marker:driver"));
	assert_int_equal(rw_versions_generation(v), first + 4);
	rw_versions_free(v);
}

/* Stamps that are old are believed; what moves them is seen all the same. */
static void old_markers_are_read_again_when_they_move(void **state)
{
	(void)state;
	write_text("run/markers/driver", "1.0\n");
	struct rw_versions *v = open_here();
	uint64_t later_ms = rw_clock_wall_ms() + 3600000;
	assert_false(rw_versions_look(v, later_ms)); /* the last time that they are read anyhow */
	assert_false(rw_versions_look(v, later_ms));
	write_text("run/markers/driver", "1.11\n"); /* at another size, if in the same moment */
	assert_true(rw_versions_look(v, later_ms));
	value_is(v, "marker:driver", "1.11");
	assert_int_equal(unlink(at("run/markers/driver")), 0);
	assert_true(rw_versions_look(v, later_ms));
	rw_versions_free(v);
}

static void the_folder_may_come_and_go(void **state)
{
	char moved[512];

	(void)state;
	struct rw_versions *v = open_for(geteuid(), "/run/later");
	assert_string_equal(rw_versions_refusal(v, NULL),
			    "cannot be opened: No such file or directory");
	assert_int_equal(mkdir(at("run/later"), 0755), 0);
	write_text("run/later/a", "1");
	assert_true(look(v));
	assert_string_equal(rw_versions_refusal(v, NULL), "");
	value_is(v, "marker:a", "1");
	snprintf(moved, sizeof(moved), "%s/run/away", root);
	assert_int_equal(rename(at("run/later"), moved), 0);
	assert_true(look(v));
	assert_null(value_of(v, "marker:a"));
	rw_versions_free(v);
}

static void a_folder_that_others_can_write_says_nothing(void **state)
{
	(void)state;
	write_text("run/markers/driver", "1.0\n");
	struct rw_versions *v = open_here();
	value_is(v, "marker:driver", "1.0");
	assert_int_equal(chmod(at("run/markers"), 0775), 0);
	assert_true(look(v));
	assert_int_equal(rw_versions_count(v), 1);
	assert_string_equal(rw_versions_refusal(v, NULL), "can be written by group or others");
	assert_int_equal(chmod(at("run/markers"), 0757), 0);
	assert_false(look(v));
	assert_int_equal(chmod(at("run/markers"), 0755), 0);
	assert_true(look(v));
	value_is(v, "marker:driver", "1.0");
	rw_versions_free(v);
}

static void a_folder_behind_a_link_says_nothing(void **state)
{
	(void)state;
	write_text("run/markers/driver", "1.0\n");
	assert_int_equal(symlink("markers", at("run/link")), 0);
	struct rw_versions *v = open_for(geteuid(), "/run/link");
	assert_int_equal(rw_versions_count(v), 1);
	assert_string_not_equal(rw_versions_refusal(v, NULL), "");
	rw_versions_free(v);
}

static void only_its_owner_has_a_say(void **state)
{
	(void)state;
	write_text("run/markers/driver", "1.0\n");
	struct rw_versions *v = open_for(geteuid() + 1, "/run/markers");
	assert_int_equal(rw_versions_count(v), 1);
	assert_string_equal(rw_versions_refusal(v, NULL), "does not belong to its owner");
	rw_versions_free(v);
	if (geteuid() != 0)
		return;
	v = open_here();
	assert_int_equal(chown(at("run/markers/driver"), 1, 0), 0);
	refused(v, "driver", "does not belong to root");
	rw_versions_free(v);
}

static void a_file_that_others_can_write_is_refused(void **state)
{
	(void)state;
	struct rw_versions *v = open_here();
	write_text("run/markers/driver", "1.0\n");
	assert_int_equal(chmod(at("run/markers/driver"), 0664), 0);
	refused(v, "driver", "can be written by group or others");
	assert_int_equal(chmod(at("run/markers/driver"), 0646), 0);
	refused(v, "driver", "can be written by group or others");
	assert_int_equal(chmod(at("run/markers/driver"), 0644), 0);
	assert_true(look(v));
	value_is(v, "marker:driver", "1.0");
	rw_versions_free(v);
}

static void only_regular_files_are_opened(void **state)
{
	(void)state;
	struct rw_versions *v = open_here();
	write_text("run/markers/real", "1.0\n");
	assert_int_equal(symlink("real", at("run/markers/link")), 0);
	assert_int_equal(mkfifo(at("run/markers/fifo"), 0644), 0);
	assert_int_equal(mkdir(at("run/markers/dir"), 0755), 0);
	refused(v, "link", "is no regular file");
	refused(v, "fifo", "is no regular file");
	refused(v, "dir", "is no regular file");
	value_is(v, "marker:real", "1.0");
	rw_versions_free(v);
}

static void only_a_line_of_text_is_a_value(void **state)
{
	char text[2000];

	(void)state;
	struct rw_versions *v = open_here();
	memset(text, 'v', sizeof(text));
	text[RW_VERSION_VALUE_MAX] = '\0';
	write_text("run/markers/m", text);
	assert_true(look(v));
	value_is(v, "marker:m", text);
	text[RW_VERSION_VALUE_MAX] = 'v';
	text[RW_VERSION_VALUE_MAX + 1] = '\0';
	write_text("run/markers/m", text);
	refused(v, "m", "its first line is longer than 255 bytes");
	text[RW_VERSION_VALUE_MAX + 1] = 'v';
	write_bytes("run/markers/m", text, sizeof(text));
	refused(v, "m", "its first line is too long");
	write_text("run/markers/m", "");
	refused(v, "m", "its first line is empty");
	write_text("run/markers/m", " \n1.0\n");
	refused(v, "m", "its first line is empty");
	write_text("run/markers/m", "1.\xc3(\n");
	refused(v, "m", "its first line is not text that can be printed");
	write_text("run/markers/m", "1.\x1b[2J\n");
	refused(v, "m", "its first line is not text that can be printed");
	write_bytes("run/markers/m", "1\0002\n", 4);
	refused(v, "m", "its first line is not text that can be printed");
	rw_versions_free(v);
}

static void names_that_no_deployment_can_match_are_left_out(void **state)
{
	(void)state;
	write_text("run/markers/Driver", "1");
	write_text("run/markers/a b", "1");
	write_text("run/markers/"
		   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		   "1");
	write_text("run/markers/.hidden", "1");
	struct rw_versions *v = open_here();
	assert_int_equal(rw_versions_count(v), 1);
	rw_versions_free(v);
}

static void more_than_fit_leave_out_the_last_by_name(void **state)
{
	char name[64], subject[64];

	(void)state;
	for (int i = RW_MARKERS_MAX + 8; i >= 0; i--) {
		snprintf(name, sizeof(name), "run/markers/m%03d", i);
		write_text(name, "1");
	}
	struct rw_versions *v = open_here();
	assert_int_equal(rw_versions_count(v), 1 + RW_MARKERS_MAX);
	for (uint32_t i = 0; i < RW_MARKERS_MAX; i++) {
		snprintf(subject, sizeof(subject), "marker:m%03u", i);
		assert_string_equal(rw_versions_at(v, 1 + i)->subject, subject);
	}
	rw_versions_free(v);
}

/* ---- modules -------------------------------------------------------------------- */

static void watched_modules_are_told_loaded_or_not(void **state)
{
	char *first[] = {(char *)"nf_tables", (char *)"ext4", (char *)"../kernel", (char *)"ext4"};
	char *second[] = {(char *)"ext4"};

	(void)state;
	write_text("sys/module/nf_tables/srcversion", "2A5D8C1\n");
	struct rw_versions *v = open_for(geteuid(), NULL);
	assert_int_equal(rw_versions_count(v), 1);
	rw_versions_watch(v, first, 4);
	assert_true(look(v));
	assert_int_equal(rw_versions_count(v), 3);
	assert_string_equal(rw_versions_at(v, 1)->subject, "module:ext4");
	value_is(v, "module:ext4", "");
	value_is(v, "module:nf_tables", "2A5D8C1");
	assert_false(look(v));

	write_text("sys/module/nf_tables/srcversion", "3B\n");
	assert_true(look(v));
	value_is(v, "module:nf_tables", "3B");
	assert_int_equal(unlink(at("sys/module/nf_tables/srcversion")), 0);
	assert_true(look(v));
	value_is(v, "module:nf_tables", "");

	rw_versions_watch(v, second, 1);
	assert_true(look(v));
	assert_int_equal(rw_versions_count(v), 2);
	rw_versions_watch(v, NULL, 0);
	assert_true(look(v));
	assert_int_equal(rw_versions_count(v), 1);
	rw_versions_free(v);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_build_id_is_found_among_notes),
		CASE(notes_that_are_none_have_no_build_id),
		CASE(the_kernel_is_release_and_build_id),
		CASE(a_marker_is_its_first_line),
		CASE(a_change_is_seen_at_the_next_look_and_only_once),
		CASE(old_markers_are_read_again_when_they_move),
		CASE(the_folder_may_come_and_go),
		CASE(a_folder_that_others_can_write_says_nothing),
		CASE(a_folder_behind_a_link_says_nothing),
		CASE(only_its_owner_has_a_say),
		CASE(a_file_that_others_can_write_is_refused),
		CASE(only_regular_files_are_opened),
		CASE(only_a_line_of_text_is_a_value),
		CASE(names_that_no_deployment_can_match_are_left_out),
		CASE(more_than_fit_leave_out_the_last_by_name),
		CASE(watched_modules_are_told_loaded_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
