/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/spiffe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

static void hosts_and_collectors_survive_the_way_there_and_back(void **state)
{
	static const struct rw_identity identities[] = {
		{RW_IDENTITY_HOST, "example.net", "ring1", "web-17"},
		{RW_IDENTITY_COLLECTOR, "a_b-c.d", "", "c1"},
	};
	static const char *const uris[] = {
		"spiffe://example.net/ringwatch/ring/ring1/host/web-17",
		"spiffe://a_b-c.d/ringwatch/collector/c1",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char uri[RW_SPIFFE_MAX];
		struct rw_identity back;
		const char *reason = NULL;
		assert_int_equal(rw_spiffe_format(&identities[i], uri), strlen(uris[i]));
		assert_string_equal(uri, uris[i]);
		assert_int_equal(rw_spiffe_parse(uri, strlen(uri), &back, &reason), 0);
		assert_memory_equal(&back, &identities[i], sizeof(back));
	}
}

static void the_longest_names_fit(void **state)
{
	struct rw_identity identity = {.role = RW_IDENTITY_HOST};
	struct rw_identity back;
	char uri[RW_SPIFFE_MAX];
	const char *reason;

	(void)state;
	memset(identity.trust_domain, 'd', RW_TRUST_DOMAIN_MAX);
	memset(identity.ring, 'r', RW_NAME_MAX);
	memset(identity.name, 'h', RW_NAME_MAX);
	size_t length = rw_spiffe_format(&identity, uri);
	assert_true(length < RW_SPIFFE_MAX);
	assert_int_equal(rw_spiffe_parse(uri, length, &back, &reason), 0);
	assert_memory_equal(&back, &identity, sizeof(back));
}

static void check_refused(const char *uri, size_t length, const char *expected)
{
	struct rw_identity out;
	struct rw_identity untouched;
	const char *reason = "";

	memset(&out, 0x5a, sizeof(out));
	untouched = out;
	assert_int_equal(rw_spiffe_parse(uri, length, &out, &reason), -EINVAL);
	assert_string_equal(reason, expected);
	assert_memory_equal(&out, &untouched, sizeof(out));
}

#define PATH "the SPIFFE ID's path is neither a host's nor a collector's"
#define RING "the SPIFFE ID's ring is not " RW_NAME_EXPECTED
#define LAST "the SPIFFE ID's last part is not " RW_NAME_EXPECTED
#define DOMAIN "the SPIFFE ID's trust domain is not " RW_TRUST_DOMAIN_EXPECTED
#define SCHEME "the URI name does not begin with spiffe://"
#define SLASH "the SPIFFE ID ends with a slash"

static void anything_else_is_refused(void **state)
{
	static const struct {
		const char *uri;
		const char *reason;
	} cases[] = {
		{"", SCHEME},
		{"https://example.net/ringwatch/collector/c1", SCHEME},
		{"SPIFFE://example.net/ringwatch/collector/c1", SCHEME},
		{"spiffe://", DOMAIN},
		{"spiffe:///ringwatch/collector/c1", DOMAIN},
		{"spiffe://Example.net/ringwatch/collector/c1", DOMAIN},
		{"spiffe://user@example.net/ringwatch/collector/c1", DOMAIN},
		{"spiffe://example.net:443/ringwatch/collector/c1", DOMAIN},
		{"spiffe://*/ringwatch/collector/c1", DOMAIN},
		{"spiffe://example.net", PATH},
		{"spiffe://example.net/", SLASH},
		{"spiffe://example.net/ringwatch/collector/c1/", SLASH},
		{"spiffe://example.net/ringwatch/collector", PATH},
		{"spiffe://example.net/ringwatch//collector/c1", PATH},
		{"spiffe://example.net//ringwatch/collector/c1", PATH},
		{"spiffe://example.net/other/collector/c1", PATH},
		{"spiffe://example.net/ringwatch/collectors/c1", PATH},
		{"spiffe://example.net/ringwatch/collector/c1?x=1", LAST},
		{"spiffe://example.net/ringwatch/collector/C1", LAST},
		{"spiffe://example.net/ringwatch/collector/%63", LAST},
		{"spiffe://example.net/ringwatch/collector/*", LAST},
		{"spiffe://example.net/ringwatch/collector/..", LAST},
		{"spiffe://example.net/ringwatch/ring/r/host", PATH},
		{"spiffe://example.net/ringwatch/ring/r/host/h/x", PATH},
		{"spiffe://example.net/ringwatch/ring/r/hosts/h", PATH},
		{"spiffe://example.net/ringwatch/ring/*/host/h", RING},
		{"spiffe://example.net/ringwatch/ring//host/h", RING},
		{"spiffe://example.net/ringwatch/ring/r/host/*", LAST},
		{"spiffe://example.net/ringwatch/ring/r/host/-h", LAST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].uri, strlen(cases[i].uri), cases[i].reason);
}

static void bytes_that_hide_are_refused(void **state)
{
	static const char nul[] = "spiffe://example.net/ringwatch/collector/c1\0.evil";
	char large[RW_SPIFFE_MAX + 1];
	char domain[sizeof("spiffe://") + RW_TRUST_DOMAIN_MAX + 32];
	char name[160];

	(void)state;
	check_refused(nul, sizeof(nul) - 1, LAST);
	memset(large, 'a', sizeof(large));
	check_refused(large, sizeof(large), "the SPIFFE ID is too long");
	int n = snprintf(domain, sizeof(domain), "spiffe://%0256d/ringwatch/collector/c", 0);
	check_refused(domain, (size_t)n, DOMAIN);
	n = snprintf(name, sizeof(name), "spiffe://d/ringwatch/collector/%064d", 0);
	check_refused(name, (size_t)n, LAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_and_collectors_survive_the_way_there_and_back),
		cmocka_unit_test(the_longest_names_fit),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(bytes_that_hide_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
