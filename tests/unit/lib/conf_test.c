/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/name.h"

struct ring {
	char name[RW_NAME_MAX + 1];
	uint64_t order;
	struct {
		uint32_t offline_ppm;
		bool offline_given;
	} limits;
};

struct example {
	char name[RW_NAME_MAX + 1];
	char text[16];
	char path[64];
	char address[32];
	uint64_t number;
	bool truth;
	uint64_t wait_ms;
	bool wait_given;
	uint64_t size_bytes;
	uint32_t share_ppm;
	uint32_t mode;
	uint32_t ring_count;
	struct ring rings[2];
	uint32_t host_count;
	char hosts[3][32];
};

static const char *const modes[] = {"limit", "evidence", NULL};

static const struct rw_conf_key limit_keys[] = {
	{.name = "offline",
	 .type = RW_CONF_RATIO,
	 .offset = 0,
	 .none_allowed = true,
	 .present_offset =
		 offsetof(struct ring, limits.offline_given) - offsetof(struct ring, limits)},
	{.name = NULL},
};

static const struct rw_conf_key ring_keys[] = {
	{.name = "name",
	 .type = RW_CONF_NAME,
	 .offset = offsetof(struct ring, name),
	 .size = RW_NAME_MAX + 1},
	{.name = "order", .type = RW_CONF_UINT, .offset = offsetof(struct ring, order), .max = 99},
	{.name = "limits",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct ring, limits),
	 .children = limit_keys},
	{.name = NULL},
};

static const struct rw_conf_key ring_element = {
	.name = "", .type = RW_CONF_MAP, .children = ring_keys};
static const struct rw_conf_key host_element = {.name = "", .type = RW_CONF_ADDRESS, .size = 32};

#define AT(field) .offset = offsetof(struct example, field)

static const struct rw_conf_key keys[] = {
	{.name = "name", .type = RW_CONF_NAME, AT(name), .size = RW_NAME_MAX + 1},
	{.name = "text", .type = RW_CONF_STRING, AT(text), .size = 16, .none_allowed = true},
	{.name = "path", .type = RW_CONF_PATH, AT(path), .size = 64},
	{.name = "address", .type = RW_CONF_ADDRESS, AT(address), .size = 32},
	{.name = "number", .type = RW_CONF_UINT, AT(number), .min = 1, .max = 10},
	{.name = "truth", .type = RW_CONF_BOOL, AT(truth)},
	{.name = "wait",
	 .type = RW_CONF_DURATION,
	 AT(wait_ms),
	 .none_allowed = true,
	 .present_offset = offsetof(struct example, wait_given),
	 .min = 1000,
	 .max = 600000},
	{.name = "size", .type = RW_CONF_BYTES, AT(size_bytes), .min = 65536, .max = 1u << 30},
	{.name = "share", .type = RW_CONF_RATIO, AT(share_ppm), .max = 500000},
	{.name = "mode", .type = RW_CONF_ENUM, AT(mode), .choices = modes},
	{.name = "rings",
	 .type = RW_CONF_LIST,
	 AT(rings),
	 .size = sizeof(struct ring),
	 .element = &ring_element,
	 .count_offset = offsetof(struct example, ring_count),
	 .count_min = 1,
	 .count_max = 2},
	{.name = "hosts",
	 .type = RW_CONF_LIST,
	 AT(hosts),
	 .size = 32,
	 .element = &host_element,
	 .count_offset = offsetof(struct example, host_count),
	 .count_min = 0,
	 .count_max = 3},
	{.name = NULL},
};

/* The good file, a line an entry, so that a case can change one. */
static const char *const good[] = {
	/*  1 */ "schema: 1",
	/*  2 */ "name: web-1",
	/*  3 */ "text: hello there",
	/*  4 */ "path: keys/a.pem",
	/*  5 */ "address: 127.0.0.1:8471",
	/*  6 */ "number: 7",
	/*  7 */ "truth: true",
	/*  8 */ "wait: 30s",
	/*  9 */ "size: 16MiB",
	/* 10 */ "share: 0.1%",
	/* 11 */ "mode: evidence",
	/* 12 */ "rings:",
	/* 13 */ "  - name: ring0",
	/* 14 */ "    order: 0",
	/* 15 */ "    limits: {offline: 0.1%}",
	/* 16 */ "  - {name: ring1, order: 1, limits: {offline: none}}",
	/* 17 */ "hosts: [a:1, '[::1]:2']",
};
enum { GOOD_LINES = sizeof(good) / sizeof(good[0]) };

struct fixture {
	char folder[32];
	char path[48];
};

static int make_folder(void **state)
{
	static struct fixture fixture;

	snprintf(fixture.folder, sizeof(fixture.folder), "/tmp/rw-conf-XXXXXX");
	if (mkdtemp(fixture.folder) == NULL)
		return -1;
	snprintf(fixture.path, sizeof(fixture.path), "%s/c.yaml", fixture.folder);
	*state = &fixture;
	return 0;
}

static int remove_folder(void **state)
{
	const struct fixture *fixture = *state;

	unlink(fixture->path);
	return rmdir(fixture->folder);
}

static int load_bytes(const struct fixture *fixture, const char *bytes, size_t length,
		      struct example *out, char *error)
{
	assert_int_equal(rw_file_replace(fixture->path, bytes, length, 0600), 0);
	return rw_conf_load(fixture->path, 1, keys, out, sizeof(*out), error);
}

/* The good file with line `line` (from 1) replaced by `text`; NULL leaves it out. */
static int load_changed(const struct fixture *fixture, size_t line, const char *text,
			struct example *out, char *error)
{
	char bytes[4096];
	size_t used = 0;

	for (size_t i = 0; i < GOOD_LINES; i++) {
		const char *now = i + 1 == line ? text : good[i];
		if (now != NULL)
			used += (size_t)snprintf(bytes + used, sizeof(bytes) - used, "%s\n", now);
	}
	return load_bytes(fixture, bytes, used, out, error);
}

/* A case of wrong input: the file is refused with exactly this behind `FILE:`. */
static void check_refused(const struct fixture *fixture, size_t line, const char *text,
			  const char *expected)
{
	struct example out;
	struct example untouched;
	char error[RW_CONF_ERROR_BYTES] = "";
	char whole[RW_CONF_ERROR_BYTES + 64];

	memset(&out, 0x5a, sizeof(out));
	untouched = out;
	assert_int_equal(load_changed(fixture, line, text, &out, error), -EINVAL);
	snprintf(whole, sizeof(whole), "%s:%s", fixture->path, expected);
	assert_string_equal(error, whole);
	assert_memory_equal(&out, &untouched, sizeof(out));
}

static void reads_each_type(void **state)
{
	const struct fixture *fixture = *state;
	struct example out;
	char error[RW_CONF_ERROR_BYTES];
	char path[64];

	assert_int_equal(load_changed(fixture, 0, NULL, &out, error), 0);
	assert_string_equal(out.name, "web-1");
	assert_string_equal(out.text, "hello there");
	snprintf(path, sizeof(path), "%s/keys/a.pem", fixture->folder);
	assert_string_equal(out.path, path);
	assert_string_equal(out.address, "127.0.0.1:8471");
	assert_int_equal(out.number, 7);
	assert_true(out.truth);
	assert_int_equal(out.wait_ms, 30000);
	assert_true(out.wait_given);
	assert_int_equal(out.size_bytes, 16 << 20);
	assert_int_equal(out.share_ppm, 1000);
	assert_int_equal(out.mode, 1);
	assert_int_equal(out.ring_count, 2);
	assert_string_equal(out.rings[0].name, "ring0");
	assert_int_equal(out.rings[0].limits.offline_ppm, 1000);
	assert_true(out.rings[0].limits.offline_given);
	assert_string_equal(out.rings[1].name, "ring1");
	assert_int_equal(out.rings[1].order, 1);
	assert_false(out.rings[1].limits.offline_given);
	assert_int_equal(out.host_count, 2);
	assert_string_equal(out.hosts[1], "[::1]:2");
}

static void none_is_an_absent_value_and_quotes_make_it_a_text(void **state)
{
	struct example out;
	char error[RW_CONF_ERROR_BYTES];

	assert_int_equal(load_changed(*state, 8, "wait: none", &out, error), 0);
	assert_false(out.wait_given);
	assert_int_equal(out.wait_ms, 0);
	assert_int_equal(load_changed(*state, 3, "text: none", &out, error), 0);
	assert_string_equal(out.text, "");
	assert_int_equal(load_changed(*state, 3, "text: 'none'", &out, error), 0);
	assert_string_equal(out.text, "none");
	check_refused(*state, 6, "number: none",
		      "6: number: none is not allowed here, expected a whole number from 1 to 10");
	check_refused(*state, 2, "name: none",
		      "2: name: none is not allowed here, expected a name: " RW_NAME_EXPECTED);
	check_refused(*state, 17, "hosts: [none]",
		      "17: hosts[0]: none is not allowed here, expected an address such as "
		      "127.0.0.1:8471 or [::1]:8471");
	check_refused(*state, 8,
		      "wait:", "8: wait: is empty, expected a duration from 1s to 10m, or none");
	check_refused(*state, 8, "wait: ~",
		      "8: wait: is '~', expected a duration from 1s to 10m, or none");
}

static void schema_is_first_and_exact_and_there_once(void **state)
{
	check_refused(*state, 1, "schema: 2", "1: schema: is '2', expected 1");
	check_refused(*state, 1, "schema: '1'", "1: schema: is \"1\", expected 1");
	check_refused(*state, 1, NULL, "1: schema: not the first key, expected `schema: 1` here");
	check_refused(*state, 2, "schema: 1", "2: schema: given twice, first on line 1");
	check_refused(*state, 1, "schema: one", "1: schema: is 'one', expected 1");
	check_refused(*state, 1, "schema: 01", "1: schema: is '01', expected 1");
}

static void numbers_are_decimal(void **state)
{
#define WANT "expected a whole number from 1 to 10"
	check_refused(*state, 6, "number: 010", "6: number: is '010', " WANT);
	check_refused(*state, 6, "number: 0x1f", "6: number: is '0x1f', " WANT);
	check_refused(*state, 6, "number: 0o7", "6: number: is '0o7', " WANT);
	check_refused(*state, 6, "number: 1e1", "6: number: is '1e1', " WANT);
	check_refused(*state, 6, "number: -1", "6: number: is '-1', " WANT);
	check_refused(*state, 6, "number: +1", "6: number: is '+1', " WANT);
	check_refused(*state, 6, "number: 1_0", "6: number: is '1_0', " WANT);
	check_refused(*state, 6, "number: 1.0", "6: number: is '1.0', " WANT);
	check_refused(*state, 6, "number: 0", "6: number: is '0', " WANT);
	check_refused(*state, 6, "number: 11", "6: number: is '11', " WANT);
	check_refused(*state, 6, "number: 99999999999999999999",
		      "6: number: is '99999999999999999999', " WANT);
	check_refused(*state, 6, "number: yes", "6: number: is 'yes', " WANT);
	check_refused(*state, 6, "number: [1]", "6: number: is a list, " WANT);
	check_refused(*state, 6, "number: {a: 1}", "6: number: is a map of keys, " WANT);
#undef WANT
}

static void booleans_are_true_and_false(void **state)
{
	check_refused(*state, 7, "truth: yes", "7: truth: is 'yes', expected true or false");
	check_refused(*state, 7, "truth: maybe", "7: truth: is 'maybe', expected true or false");
	check_refused(*state, 7, "truth: on", "7: truth: is 'on', expected true or false");
	check_refused(*state, 7, "truth: True", "7: truth: is 'True', expected true or false");
	check_refused(*state, 7, "truth: 1", "7: truth: is '1', expected true or false");
}

static void quantities_carry_units_and_ranges(void **state)
{
#define WAIT "expected a duration from 1s to 10m, or none"
	check_refused(*state, 8, "wait: 30", "8: wait: is '30', " WAIT);
	check_refused(*state, 8, "wait: 1 m", "8: wait: is '1 m', " WAIT);
	check_refused(*state, 8, "wait: 999ms", "8: wait: is '999ms', " WAIT);
	check_refused(*state, 8, "wait: 11m", "8: wait: is '11m', " WAIT);
#undef WAIT
	check_refused(*state, 9, "size: 16MB",
		      "9: size: is '16MB', expected a size from 64KiB to 1GiB");
	check_refused(*state, 10, "share: 0.001",
		      "10: share: is '0.001', expected a share from 0% to 50%");
	check_refused(*state, 10, "share: 51%",
		      "10: share: is '51%', expected a share from 0% to 50%");
	check_refused(*state, 11, "mode: Limit",
		      "11: mode: is 'Limit', expected one of limit, evidence");
}

static void texts_are_bounded_and_on_one_line(void **state)
{
	check_refused(*state, 2, "name: '*'",
		      "2: name: is \"*\", expected a name: " RW_NAME_EXPECTED);
	check_refused(*state, 2, "name: Web",
		      "2: name: is 'Web', expected a name: " RW_NAME_EXPECTED);
	check_refused(*state, 3, "text: 0123456789abcdef",
		      "3: text: is '0123456789abcdef', expected one line of text of at most 15 "
		      "bytes, or none");
	check_refused(*state, 3, "text: ''",
		      "3: text: is empty, expected one line of text of at most 15 bytes, or none");
	check_refused(
		*state, 3, "text: \"a\\nb\"",
		"3: text: is \"a\\x0ab\", expected one line of text of at most 15 bytes, or none");
	check_refused(
		*state, 3, "text: \"a\\0b\"",
		"3: text: is \"a\\x00b\", expected one line of text of at most 15 bytes, or none");
	check_refused(*state, 6, "number: \"7\\0\"",
		      "6: number: is \"7\\x00\", expected a whole number from 1 to 10");
	check_refused(
		*state, 4,
		"path: /a/path/that/is/much/too/long/for/the/sixty-four/bytes/it/has/x/y",
		"4: path: is '/a/path/that/is/much/too/long/for/the/sixty-four/bytes/it/has/x/y', "
		"expected a path of at most 63 bytes");
}

static void addresses_have_a_host_and_a_port(void **state)
{
#define WANT "expected an address such as 127.0.0.1:8471 or [::1]:8471"
	check_refused(*state, 5, "address: 127.0.0.1", "5: address: is '127.0.0.1', " WANT);
	check_refused(*state, 5, "address: ':80'", "5: address: is \":80\", " WANT);
	check_refused(*state, 5, "address: a:65536", "5: address: is 'a:65536', " WANT);
	check_refused(*state, 5, "address: a:080", "5: address: is 'a:080', " WANT);
	check_refused(*state, 5, "address: ::1:80", "5: address: is '::1:80', " WANT);
	check_refused(*state, 5, "address: '*:80'", "5: address: is \"*:80\", " WANT);
	check_refused(*state, 5, "address: '[::1:80'", "5: address: is \"[::1:80\", " WANT);
#undef WANT
}

static void keys_are_known_and_there_once(void **state)
{
	check_refused(*state, 6, NULL, "1: number: missing, expected a whole number from 1 to 10");
	check_refused(
		*state, 15, "    limits: {}",
		"15: rings[0].limits.offline: missing, expected a share such as 0.1%, or none");
	check_refused(*state, 6, "name: b", "6: name: given twice, first on line 2");
	check_refused(*state, 15, "    limits: {offline: 1%, offlin: 2%}",
		      "15: rings[0].limits.offlin: unknown key, expected one of offline");
	check_refused(*state, 14, "    nmae: x",
		      "14: rings[0].nmae: unknown key, expected one of name, order, limits");
	check_refused(*state, 16, "  - {name: x, order: 100, limits: {offline: none}}",
		      "16: rings[1].order: is '100', expected a whole number from 0 to 99");
	check_refused(
		*state, 17, "'\\e[31m': 1\nhosts: []",
		"17: \\e[31m: unknown key, expected one of name, text, path, address, number, "
		"truth, wait, size, share, mode, rings, hosts");
	check_refused(
		*state, 17, "\"\\e[31m\": 1\nhosts: []",
		"17: \\x1b[31m: unknown key, expected one of name, text, path, address, number, "
		"truth, wait, size, share, mode, rings, hosts");
	check_refused(*state, 17, "? [a]\n: 1", "17: yaml: a key is a list, expected a word");
}

static void lists_are_bounded(void **state)
{
	check_refused(*state, 17, "hosts: [a:1, b:1, c:1, d:1]",
		      "17: hosts: holds 4, expected a list of 0 to 3");
	check_refused(*state, 17, "hosts: a:1", "17: hosts: is 'a:1', expected a list of 0 to 3");
	check_refused(*state, 17, "hosts:\n  - a:1\n  - b",
		      "19: hosts[1]: is 'b', expected an address such as 127.0.0.1:8471 or "
		      "[::1]:8471");
	check_refused(*state, 16, "  - x", "16: rings[1]: is 'x', expected a map of keys");
}

static void yaml_tricks_are_refused(void **state)
{
	check_refused(*state, 2, "name: &a web", "2: yaml: anchors (&…) are not allowed");
	check_refused(*state, 17, "hosts: &a []", "17: yaml: anchors (&…) are not allowed");
	check_refused(*state, 15, "    limits: &a {offline: 1%}",
		      "15: yaml: anchors (&…) are not allowed");
	check_refused(*state, 3, "text: *a", "3: yaml: aliases (*…) are not allowed");
	check_refused(*state, 6, "number: !!int 7", "6: yaml: tags (!…) are not allowed");
	check_refused(*state, 3, "text: !!str a", "3: yaml: tags (!…) are not allowed");
	check_refused(*state, 3, "text: ! a", "3: yaml: tags (!…) are not allowed");
	check_refused(*state, 17, "hosts: !!seq []", "17: yaml: tags (!…) are not allowed");
	check_refused(*state, 17, "hosts: []\n---\nname: b",
		      "18: yaml: a second document is not allowed");
	check_refused(*state, 1, "%YAML 1.1\n---\nschema: 1",
		      "1: yaml: directives (%…) are not allowed");
	check_refused(*state, 17, "hosts: [[[[[[[[[[1]]]]]]]]]]", "17: yaml: nested too deeply");
	check_refused(*state, 3, "text: \"a",
		      "18: yaml: found unexpected end of stream, while "
		      "scanning a quoted scalar");
}

static void merge_keys_are_unknown_keys(void **state)
{
	check_refused(*state, 15, "    limits: {<<: {offline: 1%}}",
		      "15: rings[0].limits.<<: unknown key, expected one of offline");
}

static void check_bytes(const struct fixture *fixture, const char *bytes, size_t length, int err,
			const char *expected)
{
	struct example out;
	char error[RW_CONF_ERROR_BYTES] = "";
	char whole[RW_CONF_ERROR_BYTES + 64];

	assert_int_equal(load_bytes(fixture, bytes, length, &out, error), err);
	snprintf(whole, sizeof(whole), "%s:%s", fixture->path, expected);
	assert_string_equal(error, whole);
}

static void files_that_are_no_configuration(void **state)
{
	static char large[(1 << 20) + 1];
	struct example out;
	char error[RW_CONF_ERROR_BYTES];

	check_bytes(*state, "", 0, -EINVAL, "1: schema: missing, expected 1 as the first key");
	check_bytes(*state, "# nothing\n", 10, -EINVAL,
		    "1: schema: missing, expected 1 as the first key");
	check_bytes(*state, "\n- a\n", 5, -EINVAL,
		    "2: schema: missing, expected 1 as the first key");
	check_bytes(*state, "schema: 1\nname: \x01\n", 18, -EINVAL,
		    "2: yaml: control characters are not allowed, expected UTF-8 text");
	check_bytes(*state, "schema: 1\n\nname: \xff\n", 19, -EINVAL,
		    "3: yaml: invalid leading UTF-8 octet, expected UTF-8 text");
	check_bytes(*state, "\xff\xfes\0c\0", 6, -EINVAL,
		    "1: yaml: invalid leading UTF-8 octet, expected UTF-8 text");
	memset(large, ' ', sizeof(large));
	check_bytes(*state, large, sizeof(large), -EFBIG, " larger than 1 MiB");

	assert_int_equal(rw_conf_load("/nowhere/c.yaml", 1, keys, &out, sizeof(out), error),
			 -ENOENT);
	assert_string_equal(error, "/nowhere/c.yaml: cannot be read: No such file or directory");
}

static void check_complaint(const struct fixture *fixture, const char *key, const char *expected)
{
	char error[RW_CONF_ERROR_BYTES];
	char whole[RW_CONF_ERROR_BYTES];

	assert_int_equal(rw_conf_complain(fixture->path, key, error, "not %d", 5), -EINVAL);
	snprintf(whole, sizeof(whole), "%s:%s", fixture->path, expected);
	assert_string_equal(error, whole);
}

static void a_later_complaint_names_the_line(void **state)
{
	struct example out;
	char error[RW_CONF_ERROR_BYTES];

	assert_int_equal(load_changed(*state, 0, NULL, &out, error), 0);
	check_complaint(*state, "wait", "8: wait: not 5");
	check_complaint(*state, "rings[0].limits.offline", "15: rings[0].limits.offline: not 5");
	check_complaint(*state, "rings[1].order", "16: rings[1].order: not 5");
	check_complaint(*state, "rings[1]", "16: rings[1]: not 5");
	check_complaint(*state, "rings[2].order", " rings[2].order: not 5");
	check_complaint(*state, "rings[", " rings[: not 5");
	check_complaint(*state, "nothing", " nothing: not 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_type),
		cmocka_unit_test(none_is_an_absent_value_and_quotes_make_it_a_text),
		cmocka_unit_test(schema_is_first_and_exact_and_there_once),
		cmocka_unit_test(numbers_are_decimal),
		cmocka_unit_test(booleans_are_true_and_false),
		cmocka_unit_test(quantities_carry_units_and_ranges),
		cmocka_unit_test(texts_are_bounded_and_on_one_line),
		cmocka_unit_test(addresses_have_a_host_and_a_port),
		cmocka_unit_test(keys_are_known_and_there_once),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(yaml_tricks_are_refused),
		cmocka_unit_test(merge_keys_are_unknown_keys),
		cmocka_unit_test(files_that_are_no_configuration),
		cmocka_unit_test(a_later_complaint_names_the_line),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
