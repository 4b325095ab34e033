/* SPDX-License-Identifier: Apache-2.0 */
/* Each value of each enum has the name that the schema promises. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire.h"

static const char *kind_name(int value)
{
	return rw_kind_name((Ringwatch__V1__Kind)value);
}

static const char *severity_name(int value)
{
	return rw_severity_name((Ringwatch__V1__Severity)value);
}

static const char *source_name(int value)
{
	return rw_source_name((Ringwatch__V1__Source)value);
}

static const char *reject_name(int value)
{
	return rw_reject_name((Ringwatch__V1__RejectCode)value);
}

static const char *boot_end_name(int value)
{
	return rw_boot_end_name((Ringwatch__V1__BootEnd)value);
}

static const char *goodbye_name(int value)
{
	return rw_goodbye_name((Ringwatch__V1__GoodbyeKind)value);
}

static const char *spool_state_name(int value)
{
	return rw_spool_state_name((Ringwatch__V1__SpoolState)value);
}

static const char *fact_name(int value)
{
	return rw_fact_name((Ringwatch__V1__FactName)value);
}

static void expect_names(const ProtobufCEnumDescriptor *descriptor, const char *prefix,
			 const char *(*name_of)(int))
{
	for (unsigned i = 0; i < descriptor->n_values; i++) {
		char wanted[64];
		const char *schema = descriptor->values[i].name;

		assert_memory_equal(schema, prefix, strlen(prefix));
		snprintf(wanted, sizeof(wanted), "%s", schema + strlen(prefix));
		for (char *c = wanted; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		const char *name = name_of(descriptor->values[i].value);
		assert_non_null(name);
		assert_string_equal(name, wanted);
	}
	assert_null(name_of(0));
	assert_null(name_of(-1));
	assert_null(name_of(4711));
}

static void names_are_the_schemas_in_lower_case(void **state)
{
	(void)state;
	expect_names(&ringwatch__v1__kind__descriptor, "KIND_", kind_name);
	expect_names(&ringwatch__v1__severity__descriptor, "SEVERITY_", severity_name);
	expect_names(&ringwatch__v1__source__descriptor, "SOURCE_", source_name);
	expect_names(&ringwatch__v1__reject_code__descriptor, "REJECT_", reject_name);
	expect_names(&ringwatch__v1__boot_end__descriptor, "BOOT_END_", boot_end_name);
	expect_names(&ringwatch__v1__goodbye_kind__descriptor, "GOODBYE_", goodbye_name);
	expect_names(&ringwatch__v1__spool_state__descriptor, "SPOOL_", spool_state_name);
	expect_names(&ringwatch__v1__fact_name__descriptor, "FACT_", fact_name);
}

static void a_kinds_name_reads_back(void **state)
{
	(void)state;
	const ProtobufCEnumDescriptor *kinds = &ringwatch__v1__kind__descriptor;

	for (unsigned i = 0; i < kinds->n_values; i++) {
		Ringwatch__V1__Kind kind = (Ringwatch__V1__Kind)0;
		assert_int_equal(rw_kind_parse(kind_name(kinds->values[i].value), &kind), 0);
		assert_int_equal(kind, kinds->values[i].value);
	}
}

static void a_facts_name_reads_back(void **state)
{
	(void)state;
	const ProtobufCEnumDescriptor *facts = &ringwatch__v1__fact_name__descriptor;

	for (unsigned i = 0; i < facts->n_values; i++) {
		Ringwatch__V1__FactName fact = (Ringwatch__V1__FactName)0;
		assert_int_equal(rw_fact_parse(fact_name(facts->values[i].value), &fact), 0);
		assert_int_equal(fact, facts->values[i].value);
	}
}

static void other_names_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "OOPS", "oops ", "KIND_OOPS", "1", "oop", "*"};
	Ringwatch__V1__FactName fact = RINGWATCH__V1__FACT_NAME__FACT_LINE;

	assert_int_equal(rw_fact_parse("FACT_TYPE", &fact), -EINVAL);
	assert_int_equal(rw_fact_parse("oops", &fact), -EINVAL);
	assert_int_equal(fact, RINGWATCH__V1__FACT_NAME__FACT_LINE);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		Ringwatch__V1__Kind kind = RINGWATCH__V1__KIND__KIND_PANIC;
		assert_int_equal(rw_kind_parse(bad[i], &kind), -EINVAL);
		assert_int_equal(kind, RINGWATCH__V1__KIND__KIND_PANIC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_the_schemas_in_lower_case),
		cmocka_unit_test(a_kinds_name_reads_back),
		cmocka_unit_test(a_facts_name_reads_back),
		cmocka_unit_test(other_names_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
