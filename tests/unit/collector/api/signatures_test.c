/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/signatures: counted by hosts, newest first, new since whom, and paged while more come. */
#include "tests/unit/collector/api/fixture.h"

#include "collector/api/internal.h"

static uint64_t next_sequence = 1;
static uint64_t boot_order = 9; /* of the events; the hosts were exposed in their boot 7 */

static void push(struct ax *f, const char *host, const char *ring, const char *signature,
		 uint64_t at_wall_ms)
{
	static const uint8_t spool_id[RW_SPOOL_ID_BYTES] = {0xcd};
	Ringwatch__V1__Event event = RINGWATCH__V1__EVENT__INIT;
	char *empty = (char *)"";
	bool warns = strncmp(signature, "warning:", 8) == 0;

	event.sequence = next_sequence++;
	event.kind = warns ? RINGWATCH__V1__KIND__KIND_WARNING : RINGWATCH__V1__KIND__KIND_OOPS;
	event.severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	event.source = RINGWATCH__V1__SOURCE__SOURCE_BPF;
	event.boot_id = (char *)"00000000-0000-0000-0000-000000000001";
	event.boot_order = boot_order;
	event.boot_ms = 6000;
	event.comm = event.symbol = event.module = empty;
	event.signature = (char *)(uintptr_t)signature;
	event.detail = (char *)(uintptr_t)host;
	event.count = 2;
	const struct rw_store_event row = {.host = host,
					   .ring = ring,
					   .spool_id = spool_id,
					   .event = &event,
					   .at_wall_ms = at_wall_ms,
					   .received_wall_ms = at_wall_ms,
					   .over_quota = *signature == '\0'};
	uint64_t pushed = rw_store_push_event(f->hub.store, &row);
	assert_int_equal(rw_hub_wait_committed(&f->hub, pushed), 0);
}

/* "SIGNATURE HOSTS EVENTS RINGS NEW_SINCE|…" of a page; its cursor in `cursor` when not NULL. */
static void page_is(const struct ax *f, const char *query, const char *expected, char cursor[96])
{
	char path[256], got[1024] = "";
	size_t at;
	json_t *row;

	snprintf(path, sizeof(path), "/v1/signatures%s", query);
	struct ax_reply reply = ax_get(f, path);
	json_array_foreach(json_object_get(reply.json, "signatures"), at, row)
	{
		const char *signature;
		int hosts, events;
		json_t *rings, *since;

		assert_int_equal(json_unpack(row, "{s:s, s:i, s:i, s:o, s:o}", "signature",
					     &signature, "hosts", &hosts, "events", &events,
					     "rings", &rings, "new_since", &since),
				 0);
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s %d %d",
			 at > 0 ? "|" : "", signature, hosts, events);
		for (size_t i = 0; i < json_array_size(rings); i++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), " %s",
				 json_string_value(json_array_get(rings, i)));
		for (size_t i = 0; i < json_array_size(since); i++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), " since:%s",
				 json_string_value(json_array_get(since, i)));
	}
	if (strcmp(got, expected) != 0)
		fail_msg("%s:\n  expected %s\n  got      %s", path, expected, got);
	if (cursor != NULL)
		snprintf(cursor, 96, "%s",
			 json_string_value(json_object_get(reply.json, "next_cursor")));
	ax_release(&reply);
}

static void test_each_signature_is_a_row(void **state)
{
	struct ax *f = *state;
	const uint64_t base = f->hub.now.wall_ms;

	page_is(f, "", "", NULL);
	push(f, "h0", "canary", "oops:old", base);
	push(f, "h1", "canary", "warning:w", base + 1000);
	push(f, "w0", "wide", "oops:old", base + 2000);
	push(f, "h0", "canary", "oops:old", base + 500); /* comes late */
	push(f, "h2", "canary", "", base + 3000);        /* beyond a quota: no signature */
	page_is(f, "", "oops:old 2 6 canary wide|warning:w 1 2 canary", NULL);
	page_is(f, "?ring=canary", "warning:w 1 2 canary|oops:old 1 4 canary", NULL);
	/* The fixture's clock stands 35 s after 22:13:20. */
	page_is(f, "?since=2023-11-14T22:13:56Z", "oops:old 1 2 wide|warning:w 1 2 canary", NULL);
	page_is(f, "?ring=nowhere", "", NULL);

	/* What stands beside it is of the newest; the first time is that of the whole store. */
	struct ax_reply reply = ax_get(f, "/v1/signatures?since=2023-11-14T22:13:56Z&limit=1");
	const json_t *row = json_array_get(json_object_get(reply.json, "signatures"), 0);
	assert_int_equal(json_object_size(row), 11);
	assert_string_equal(json_string_value(json_object_get(row, "kind")), "oops");
	assert_string_equal(json_string_value(json_object_get(row, "first_at")),
			    "2023-11-14T22:13:55.000Z");
	assert_string_equal(json_string_value(json_object_get(row, "last_at")),
			    "2023-11-14T22:13:57.000Z");
	ax_release(&reply);
}

static void test_what_came_after_a_start_is_new_since_then(void **state)
{
	struct ax *f = *state;

	boot_order = 6;
	push(f, "h0", "canary", "oops:before", f->hub.now.wall_ms);
	boot_order = 9;
	ax_run(f, 60 * 1000);
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("waits"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments/d/rings/canary/start", "{\"step\":1}", 200, NULL);
	ax_run(f, 60 * 1000);
	push(f, "w9", "wide", "oops:before", f->hub.now.wall_ms);
	push(f, "h1", "canary", "oops:after", f->hub.now.wall_ms + 1);
	page_is(f, "", "oops:after 1 2 canary since:d|oops:before 2 4 canary wide", NULL);
	page_is(f, "?deployment=d", "oops:after 1 2 canary since:d", NULL);
	ax_expect(f, "POST", "/v1/deployments/d/finish", "{}", 200, NULL);
	page_is(f, "", "oops:after 1 2 canary|oops:before 2 4 canary wide", NULL);
}

/* A signature that is seen again between pages would move to the front, and be missed. */
static void test_pages_stay_as_they_were_begun(void **state)
{
	struct ax *f = *state;
	const uint64_t base = f->hub.now.wall_ms;
	char cursor[96], query[128];

	for (int i = 0; i < 5; i++) {
		char signature[32];

		snprintf(signature, sizeof(signature), "oops:%d", i);
		/* 1 and 2 are of the same moment */
		push(f, "h0", "canary", signature, base + (uint64_t)(i == 2 ? 1 : i));
	}
	page_is(f, "?limit=2", "oops:4 1 2 canary|oops:3 1 2 canary", cursor);
	push(f, "h1", "wide", "oops:0", base + 9000);
	push(f, "h1", "wide", "oops:5", base + 9001);
	snprintf(query, sizeof(query), "?limit=1&cursor=%s", cursor);
	page_is(f, query, "oops:2 1 2 canary", cursor);
	snprintf(query, sizeof(query), "?limit=2&cursor=%s", cursor);
	page_is(f, query, "oops:1 1 2 canary|oops:0 1 2 canary", cursor);
	assert_string_equal(cursor, "");
	page_is(f, "?limit=2", "oops:5 1 2 wide|oops:0 2 4 canary wide", cursor);
}

static void test_what_is_no_cursor_is_400(void **state)
{
	static const char *const wrong[] = {"1",
					    "1.2",
					    "1.2.3.4",
					    "1.2.x",
					    "0.1.1",
					    ".1.1",
					    "1..1",
					    "1.1.",
					    "-1.1.1",
					    "1.1.1.",
					    "9223372036854775808.1.1",
					    "1.0x1.1",
					    "abc",
					    "1.2.%2B3"};
	const struct ax *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "/v1/signatures?cursor=%s", wrong[i]);
		ax_expect(f, "GET", path, NULL, 400, "bad_request");
	}
	ax_expect(f, "GET", "/v1/signatures?since=yesterday", NULL, 400, "bad_request");
	ax_expect(f, "GET", "/v1/signatures?kind=oops", NULL, 400, "bad_request");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, ax_setup, ax_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_each_signature_is_a_row),
		TEST(test_what_came_after_a_start_is_new_since_then),
		TEST(test_pages_stay_as_they_were_begun),
		TEST(test_what_is_no_cursor_is_400),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
