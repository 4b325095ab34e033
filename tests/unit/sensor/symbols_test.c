/* SPDX-License-Identifier: Apache-2.0 */
/* A signature must name the same place whichever way its address got its name. */
#include "sensor/symbols.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_parses(const char *text, const char *symbol, const char *module)
{
	struct rw_symbol parsed;

	assert_true(rw_symbol_parse(text, &parsed));
	assert_string_equal(parsed.symbol, symbol);
	assert_string_equal(parsed.module, module);
}

static void assert_refused(const char *text)
{
	struct rw_symbol parsed;

	memset(&parsed, 'x', sizeof(parsed));
	assert_false(rw_symbol_parse(text, &parsed));
	assert_string_equal(parsed.symbol, "");
	assert_string_equal(parsed.module, "");
}

static void kernel_text_loses_its_size_and_keeps_its_offset(void **state)
{
	(void)state;
	assert_parses("crash_write+0x12/0x20 [crash]", "crash_write+0x12", "crash");
	assert_parses("do_init_module+0x4a/0x200", "do_init_module+0x4a", "");
	assert_parses("do_sys.constprop.0+0x0/0x9c", "do_sys.constprop.0+0x0", "");
	assert_parses("__x64_sys_finit_module+0xa1/0x100\n", "__x64_sys_finit_module+0xa1", "");
	assert_parses("crash_write+0x12/0x20 [crash 0123456789abcdef]", "crash_write+0x12",
		      "crash");
	assert_parses("bpf_prog_8b59a5da0159f408_rw_console+0x313/0x64e",
		      "bpf_prog_8b59a5da0159f408_rw_console+0x313", "");
	assert_parses("_stext", "_stext", "");
	assert_parses("crash_write+0x12", "crash_write+0x12", "");
	assert_parses("crash_write+0x12/0x20 (E)", "crash_write+0x12", "");
}

static void what_is_no_symbol_is_refused(void **state)
{
	(void)state;
	assert_refused("");
	assert_refused("0x0");
	assert_refused("0xffffffffc0201000");
	assert_refused(" crash_write+0x12/0x20");
	assert_refused("crash\x1b[31mwrite+0x12/0x20");
	assert_refused("name;rm+0x1/0x2");
}

static void text_cut_short_still_names_the_function(void **state)
{
	(void)state;
	assert_parses("crash_write+", "crash_write", "");
	assert_parses("crash_write+0x", "crash_write", "");
	assert_parses("crash_write+0x12/", "crash_write+0x12", "");
	assert_parses("crash_write+0x12/0x", "crash_write+0x12", "");
	assert_parses("crash_write+0x12/0x20 [cra", "crash_write+0x12", "");
}

static void a_long_name_is_cut_to_the_limit(void **state)
{
	char text[400];
	struct rw_symbol parsed;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(rw_symbol_parse(text, &parsed));
	assert_int_equal(strlen(parsed.symbol), RW_SYMBOL_MAX);
}

static void format_is_the_kernels_without_size(void **state)
{
	struct rw_symbol in_module = {.symbol = "crash_write+0x12", .module = "crash"};
	struct rw_symbol in_kernel = {.symbol = "panic+0x1"};
	char out[64];
	char small[8];

	(void)state;
	assert_string_equal(rw_symbol_format(&in_module, out, sizeof(out)),
			    "crash_write+0x12 [crash]");
	assert_string_equal(rw_symbol_format(&in_kernel, out, sizeof(out)), "panic+0x1");
	assert_string_equal(rw_symbol_format(&in_module, small, sizeof(small)), "crash_w");
}

/* ---- kallsyms ------------------------------------------------------------- */

static const char table[] = "0000000000000000 A fixed_percpu_data\n"
			    "ffffffff81000000 T _stext\n"
			    "ffffffff81000000 T _text\n"
			    "ffffffff81000100 t first\n"
			    "ffffffff81000180 D not_text\n"
			    "ffffffff81000200 W second\n"
			    "not a line\n"
			    "ffffffff82000000 T _etext\n"
			    "ffffffffc0201000 t crash_write\t[crash]\n"
			    "ffffffffc0201080 t crash_init\t[crash]\n";

static char path[] = "/tmp/rw-symbols-XXXXXX";

static void write_table(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

static void nearest_symbol_below_wins(void **state)
{
	const uint64_t addresses[] = {
		0xffffffff81000190, 0xffffffff81000200, 0xffffffffc0201012,
		0xffffffffc0201080, 0xffffffff81000004,
	};
	struct rw_symbol out[5];

	(void)state;
	write_table(table);
	assert_int_equal(rw_symbols_resolve_from(path, addresses, 5, out), 5);
	assert_string_equal(out[0].symbol, "first+0x90");
	assert_string_equal(out[0].module, "");
	assert_string_equal(out[1].symbol, "second+0x0");
	assert_string_equal(out[2].symbol, "crash_write+0x12");
	assert_string_equal(out[2].module, "crash");
	assert_string_equal(out[3].symbol, "crash_init+0x0");
	assert_string_equal(out[4].symbol, "_stext+0x4");
}

static void an_address_of_nobody_has_no_name(void **state)
{
	const uint64_t addresses[] = {0, 0xdeadbeef, 0xffffffffb0000000, 0xffffffffffffffff};
	struct rw_symbol out[4];

	(void)state;
	write_table(table);
	assert_int_equal(rw_symbols_resolve_from(path, addresses, 4, out), 0);
	for (int i = 0; i < 4; i++)
		assert_string_equal(out[i].symbol, "");
}

static void hidden_addresses_are_an_error_and_not_a_name(void **state)
{
	const uint64_t address = 0x10;
	struct rw_symbol out;

	(void)state;
	write_table("0000000000000000 T _stext\n0000000000000000 t crash_write\t[crash]\n");
	assert_int_equal(rw_symbols_resolve_from(path, &address, 1, &out), -EACCES);
	assert_int_equal(rw_symbols_resolve_from("/nonexistent/kallsyms", &address, 1, &out),
			 -ENOENT);
}

static void too_many_addresses_are_refused(void **state)
{
	static const uint64_t addresses[RW_SYMBOLS_RESOLVE_MAX + 1];
	static struct rw_symbol out[RW_SYMBOLS_RESOLVE_MAX + 1];

	(void)state;
	write_table(table);
	assert_int_equal(rw_symbols_resolve_from(path, addresses, RW_SYMBOLS_RESOLVE_MAX + 1, out),
			 -EINVAL);
}

static void a_line_of_any_length_is_survived(void **state)
{
	const uint64_t address = 0xffffffff81000010;
	struct rw_symbol out;
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	fputs("ffffffff81000000 T ", file);
	for (int i = 0; i < 5000; i++)
		fputc('n', file);
	fputs("\nffffffff81000008 T short_one\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rw_symbols_resolve_from(path, &address, 1, &out), 1);
	assert_string_equal(out.symbol, "short_one+0x8");
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_text_loses_its_size_and_keeps_its_offset),
		cmocka_unit_test(what_is_no_symbol_is_refused),
		cmocka_unit_test(text_cut_short_still_names_the_function),
		cmocka_unit_test(a_long_name_is_cut_to_the_limit),
		cmocka_unit_test(format_is_the_kernels_without_size),
		cmocka_unit_test(nearest_symbol_below_wins),
		cmocka_unit_test(an_address_of_nobody_has_no_name),
		cmocka_unit_test(hidden_addresses_are_an_error_and_not_a_name),
		cmocka_unit_test(too_many_addresses_are_refused),
		cmocka_unit_test(a_line_of_any_length_is_survived),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
