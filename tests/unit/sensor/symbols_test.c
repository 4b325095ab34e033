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
		cmocka_unit_test(nearest_symbol_below_wins),
		cmocka_unit_test(an_address_of_nobody_has_no_name),
		cmocka_unit_test(hidden_addresses_are_an_error_and_not_a_name),
		cmocka_unit_test(too_many_addresses_are_refused),
		cmocka_unit_test(a_line_of_any_length_is_survived),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
