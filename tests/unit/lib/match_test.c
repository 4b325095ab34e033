/* SPDX-License-Identifier: Apache-2.0 */
/* Whose version exposes a host: three forms and no other. */
#include "lib/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#define LONGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 */

static void three_forms_are_taken(void **state)
{
	static const char *const good[] = {"kernel",           "marker:acme-2.x", "marker:" LONGEST,
					   "module:nvme_core", "module:8021q",    "module:BusLogic",
					   "module:" LONGEST};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (rw_match_fault(good[i]) != NULL)
			fail_msg("%s: %s", good[i], rw_match_fault(good[i]));
	}
}

static void each_wrong_one_hears_what_was_expected(void **state)
{
	static const struct {
		const char *text, *says;
	} wrongs[] = {
		{"", "kernel, marker:NAME"},           {"none", "kernel, marker:NAME"},
		{"kernel ", "kernel, marker:NAME"},    {"kernel:6.1", "kernel, marker:NAME"},
		{"Marker:a", "kernel, marker:NAME"},   {"marker", "kernel, marker:NAME"},
		{"marker:", "behind marker"},          {"marker:A", "behind marker"},
		{"marker:a/b", "behind marker"},       {"marker:*", "behind marker"},
		{"marker:a" LONGEST, "behind marker"}, {"module:", "behind module"},
		{"module:a-b", "as lsmod writes it"},  {"module:a.ko", "behind module"},
		{"module:a b", "behind module"},       {"module:a" LONGEST, "behind module"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const char *fault = rw_match_fault(wrongs[i].text);

		if (fault == NULL || strstr(fault, wrongs[i].says) == NULL)
			fail_msg("'%s': %s", wrongs[i].text, fault == NULL ? "taken" : fault);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_forms_are_taken),
		cmocka_unit_test(each_wrong_one_hears_what_was_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
