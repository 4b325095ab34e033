/* SPDX-License-Identifier: Apache-2.0 */
/* A signature must name the same place whichever way its address got its name. */
#include "lib/events/symbol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_text_loses_its_size_and_keeps_its_offset),
		cmocka_unit_test(what_is_no_symbol_is_refused),
		cmocka_unit_test(text_cut_short_still_names_the_function),
		cmocka_unit_test(a_long_name_is_cut_to_the_limit),
		cmocka_unit_test(format_is_the_kernels_without_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
