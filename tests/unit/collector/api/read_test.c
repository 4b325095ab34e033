/* SPDX-License-Identifier: Apache-2.0 */
/* The GETs over a real core and store: what they list, how they page, what they refuse. */
#include "tests/unit/collector/api/fixture.h"

#include "lib/events/excerpt.h"
#include "proto/limits.h"

static void bad(const struct ax *f, const char *path, const char *begins)
{
	struct ax_reply reply = ax_ask(f, "read", "GET", path, NULL);

	if (reply.status != 400 || strcmp(ax_code(&reply), "bad_request") != 0 ||
	    strncmp(ax_message(&reply), begins, strlen(begins)) != 0)
		fail_msg("%s: %s", path, reply.text);
	ax_release(&reply);
}

static const char *text_at(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	assert_non_null(text);
	return text;
}

/* The texts of one field of a list's rows, with blanks between. */
static const char *column(const json_t *rows, const char *name)
{
	static char text[512];
	size_t used = 0;
	size_t i;
	json_t *row;

	text[0] = '\0';
	json_array_foreach(rows, i, row) used += (size_t)snprintf(
		text + used, sizeof(text) - used, "%s%s", i == 0 ? "" : " ", text_at(row, name));
	return text;
}

static void lists(const struct ax *f, const char *path, const char *list, const char *name,
		  const char *expected)
{
	struct ax_reply reply = ax_get(f, path);

	if (strcmp(column(json_object_get(reply.json, list), name), expected) != 0)
		fail_msg("%s: expected %s, got %s", path, expected, reply.body);
	ax_release(&reply);
}

/* ---- hosts ------------------------------------------------------------------------ */

static void test_hosts_are_listed_by_enrolment(void **state)
{
	struct ax *f = *state;

	ax_enrol(f, "w0", "wide");
	lists(f, "/v1/hosts", "hosts", "host", "h0 h1 h2 h3 h4 w0");
	lists(f, "/v1/hosts?ring=wide", "hosts", "host", "w0");
	lists(f, "/v1/hosts?ring=nowhere", "hosts", "host", "");
	lists(f, "/v1/hosts?state=online&ring=canary", "hosts", "host", "h0 h1 h2 h3 h4");
	lists(f, "/v1/hosts?state=offline", "hosts", "host", "");
	lists(f, "/v1/hosts?state=retired", "hosts", "host", "");
}

static void test_hosts_page_without_loss_or_repetition(void **state)
{
	struct ax *f = *state;
	char path[128] = "/v1/hosts?ring=canary&limit=2";
	char seen[128] = "";
	unsigned pages = 0;

	ax_enrol(f, "w0", "wide");
	ax_enrol(f, "h5", "canary");
	for (;; pages++) {
		struct ax_reply reply = ax_get(f, path);
		const char *cursor = text_at(reply.json, "next_cursor");

		assert_true(pages < 5);
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ",
			 column(json_object_get(reply.json, "hosts"), "host"));
		snprintf(path, sizeof(path), "/v1/hosts?ring=canary&limit=2&cursor=%s", cursor);
		bool last = *cursor == '\0';
		ax_release(&reply);
		if (last)
			break;
	}
	assert_string_equal(seen, "h0 h1 h2 h3 h4 h5 ");
	assert_int_equal(pages, 2);
}

static void test_a_long_list_holds_the_loop_in_pieces(void **state)
{
	struct ax *f = *state;

	for (int i = 0; i < 9000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%d", i);
		ax_enrol(f, name, "wide");
	}
	unsigned before = f->hub.calls;
	lists(f, "/v1/hosts?state=planned", "hosts", "host", "");
	assert_true(f->hub.calls - before >= 3);
	lists(f, "/v1/hosts?limit=3&cursor=9003", "hosts", "host", "w8998 w8999");
	lists(f, "/v1/hosts?cursor=9223372036854775807", "hosts", "host", "");
}

static void test_a_host_with_its_facts_and_transitions(void **state)
{
	struct ax *f = *state;
	const char *to, *kind, *hook, *reason, *kernel;
	int known, connected;

	pthread_mutex_lock(&f->hub.lock);
	f->hub.facts = (struct rw_host_facts){
		.marks = {true, true, true, "no space left on device"},
		.netconsole = "none",
		.kernel_release = "6.1.0-23-amd64",
		.pending_events = UINT64_MAX,
		.coverage_count = 1,
		.coverage = {{RINGWATCH__V1__KIND__KIND_OOPS, "fentry/oops_enter", "no fexit"}},
		.version_count = 1,
		.versions = {{"marker:driver", "2.0"}}};
	pthread_mutex_unlock(&f->hub.lock);
	struct ax_reply reply = ax_get(f, "/v1/hosts/h1");
	assert_int_equal(json_unpack(reply.json, "{s:b,s:b,s:s,s:[{s:s,s:s,s:s!}!]}", "known",
				     &known, "connected", &connected, "kernel_release", &kernel,
				     "coverage", "kind", &kind, "hook", &hook, "reason", &reason),
			 0);
	assert_true(known);
	assert_false(connected);
	assert_string_equal(kernel, "6.1.0-23-amd64");
	assert_string_equal(kind, "oops");
	assert_string_equal(hook, "fentry/oops_enter");
	assert_true(json_integer_value(json_object_get(reply.json, "pending_events")) == INT64_MAX);
	const char *spool, *why, *netconsole;
	int safe_start;
	assert_int_equal(json_unpack(reply.json, "{s:{s:s,s:s!},s:b,s:s}", "spool", "state", &spool,
				     "reason", &why, "safe_start", &safe_start, "netconsole",
				     &netconsole),
			 0);
	assert_string_equal(spool, "memory");
	assert_string_equal(why, "no space left on device");
	assert_true(safe_start);
	assert_string_equal(netconsole, "none");
	const char *subject, *value;
	assert_int_equal(json_unpack(reply.json, "{s:[{s:s,s:s!}!]}", "versions", "subject",
				     &subject, "value", &value),
			 0);
	assert_string_equal(subject, "marker:driver");
	assert_string_equal(value, "2.0");
	const json_t *transitions = json_object_get(reply.json, "transitions");
	assert_true(json_array_size(transitions) >= 1);
	to = text_at(json_array_get(transitions, 0), "to");
	assert_string_equal(to, "online");
	/* The list's fields and eleven more. */
	assert_int_equal(json_object_size(reply.json), 13 + 11);
	ax_release(&reply);
	reply = ax_get(f, "/v1/hosts?limit=1");
	const json_t *row = json_array_get(json_object_get(reply.json, "hosts"), 0);
	assert_int_equal(json_object_size(row), 13);
	assert_true(json_is_true(json_object_get(row, "safe_start")));
	assert_string_equal(text_at(json_object_get(row, "spool"), "reason"),
			    "no space left on device");
	ax_release(&reply);
	ax_expect(f, "GET", "/v1/hosts/nobody", NULL, 404, "unknown_host");
}

/* ---- events ----------------------------------------------------------------------- */

static uint64_t push_event(struct ax *f, const char *host, uint64_t sequence,
			   Ringwatch__V1__Kind kind, uint64_t order, uint64_t at_wall_ms)
{
	static const uint8_t spool_id[RW_SPOOL_ID_BYTES] = {0xab};
	Ringwatch__V1__Event event = RINGWATCH__V1__EVENT__INIT;
	char *stack[] = {(char *)"a+0x1", (char *)"b+0x2 [m]"};
	Ringwatch__V1__Fact fact = RINGWATCH__V1__FACT__INIT;
	Ringwatch__V1__Fact *facts[] = {&fact};

	event.sequence = sequence;
	event.kind = kind;
	event.severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	event.source = RINGWATCH__V1__SOURCE__SOURCE_BPF;
	event.boot_id = (char *)"00000000-0000-0000-0000-000000000001";
	event.boot_order = order;
	event.boot_ms = 6000;
	event.comm = (char *)"sh";
	event.signature = (char *)"oops:crash_write+0x12:bad";
	event.symbol = (char *)"crash_write+0x12";
	event.module = (char *)"bad";
	event.detail = (char *)"NULL pointer";
	event.count = 1;
	event.n_stack = 2;
	event.stack = stack;
	fact.name = RINGWATCH__V1__FACT_NAME__FACT_TYPE;
	fact.value = (char *)"page_fault";
	event.n_facts = 1;
	event.facts = facts;
	const struct rw_store_event row = {.host = host,
					   .ring = "canary",
					   .spool_id = spool_id,
					   .event = &event,
					   .at_wall_ms = at_wall_ms,
					   .received_wall_ms = at_wall_ms};
	return rw_store_push_event(f->hub.store, &row);
}

static void fill_events(struct ax *f)
{
	const uint64_t base = f->hub.now.wall_ms;

	push_event(f, "h0", 1, RINGWATCH__V1__KIND__KIND_OOPS, 7, base);
	push_event(f, "h0", 2, RINGWATCH__V1__KIND__KIND_WARNING, 7, base + 1000);
	push_event(f, "h1", 1, RINGWATCH__V1__KIND__KIND_OOPS, 8, base + 2000);
	uint64_t last = push_event(f, "w9", 1, RINGWATCH__V1__KIND__KIND_OOPS, 8, base + 3000);
	assert_int_equal(rw_hub_wait_committed(&f->hub, last), 0);
}

/* An excerpt of kernel log, packed; or any other bytes that a host claims to be one. */
static void push_log(struct ax *f, const char *host, uint64_t sequence, uint64_t about,
		     const void *log, size_t size, uint32_t log_bytes)
{
	static const uint8_t spool_id[RW_SPOOL_ID_BYTES] = {0xab};
	Ringwatch__V1__Event event = RINGWATCH__V1__EVENT__INIT;
	char *empty = (char *)"";

	event.sequence = sequence;
	event.about = about;
	event.kind = RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;
	event.severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	event.source = RINGWATCH__V1__SOURCE__SOURCE_LOG;
	event.boot_id = event.comm = event.signature = event.symbol = event.module = empty;
	event.detail = empty;
	event.count = 1;
	event.log.data = (uint8_t *)(uintptr_t)log;
	event.log.len = size;
	event.log_bytes = log_bytes;
	const struct rw_store_event row = {
		.host = host, .ring = "canary", .spool_id = spool_id, .event = &event};
	assert_true(rw_store_push_event(f->hub.store, &row) > 0);
}

#define ONE_EVENT "/ab000000000000000000000000000000/"

static void one_event_is(struct ax *f, const char *path, bool has_log, const char *log,
			 const char *log_state)
{
	struct ax_reply reply = ax_get(f, path);

	assert_int_equal(json_object_size(reply.json), 25 + 2); /* the list's fields, and the log */
	assert_int_equal(json_is_true(json_object_get(reply.json, "has_log")), has_log);
	assert_string_equal(text_at(reply.json, "log"), log);
	assert_string_equal(text_at(reply.json, "log_state"), log_state);
	assert_string_equal(text_at(json_object_get(reply.json, "facts"), "type"), "page_fault");
	ax_release(&reply);
}

static void test_one_event_is_shown_with_its_log(void **state)
{
	struct ax *f = *state;
	static struct rw_log_excerpt packed, big;
	static char zeros[RW_LOG_PLAIN_MAX];
	static const char text[] = "[    1.000000] BUG: \xff\x1b[31m\n[    1.000001] RIP: f+0x1\n";

	assert_int_equal(rw_excerpt_pack(text, strlen(text), &packed), 0);
	assert_int_equal(rw_excerpt_pack(zeros, sizeof(zeros), &big), 0);
	push_event(f, "h0", 1, RINGWATCH__V1__KIND__KIND_OOPS, 7, 1000);
	push_event(f, "h0", 2, RINGWATCH__V1__KIND__KIND_OOPS, 7, 1000);
	push_event(f, "h0", 3, RINGWATCH__V1__KIND__KIND_OOPS, 7, 1000);
	push_log(f, "h0", 4, 2, packed.packed, packed.packed_bytes, packed.plain_bytes);
	push_log(f, "h0", 5, 3, big.packed, big.packed_bytes, big.plain_bytes - 1);
	uint64_t last = push_event(f, "h0", 6, RINGWATCH__V1__KIND__KIND_OOPS, 7, 1000);
	assert_int_equal(rw_hub_wait_committed(&f->hub, last), 0);

	one_event_is(f, "/v1/events/h0" ONE_EVENT "1", false, "", "none");
	one_event_is(f, "/v1/events/h0" ONE_EVENT "2", true,
		     "[    1.000000] BUG: \\xff\x1b[31m\n[    1.000001] RIP: f+0x1\n", "whole");
	/* What unpacks to more than it says is not shown, and the rest of the event is. */
	one_event_is(f, "/v1/events/h0" ONE_EVENT "3", true, "", "damaged");
	lists(f, "/v1/events", "events", "kind", "oops oops oops oops");
	ax_expect(f, "GET", "/v1/events/h0" ONE_EVENT "4", NULL, 404, "unknown_event");
	ax_expect(f, "GET", "/v1/events/h1" ONE_EVENT "1", NULL, 404, "unknown_event");
}

static void test_what_names_no_event_is_404(void **state)
{
	static const char *const paths[] = {
		"/v1/events/h0/ab/1",
		"/v1/events/h0" ONE_EVENT "0x1",
		"/v1/events/h0" ONE_EVENT "-1",
		"/v1/events/h0" ONE_EVENT "9223372036854775808",
		"/v1/events/h0/AB000000000000000000000000000000/1",
		"/v1/events/h0/ab00000000000000000000000000000g/1",
		"/v1/events/nobody/ab000000000000000000000000000000/1",
	};
	const struct ax *f = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		ax_expect(f, "GET", paths[i], NULL, 404, NULL);
}

static void test_events_are_newest_first_and_filtered(void **state)
{
	struct ax *f = *state;

	fill_events(f);
	lists(f, "/v1/events", "events", "host", "w9 h1 h0 h0");
	lists(f, "/v1/events?host=h0", "events", "kind", "warning oops");
	lists(f, "/v1/events?kind=oops&ring=canary", "events", "host", "w9 h1 h0");
	lists(f, "/v1/events?signature=oops%3Acrash_write%2B0x12%3Abad&limit=1", "events", "host",
	      "w9");
	lists(f, "/v1/events?signature=oops%3Anone", "events", "host", "");
	/* The fixture's clock stands 35 s after 22:13:20. */
	lists(f, "/v1/events?since=2023-11-14T22:13:57Z", "events", "host", "w9 h1");
	lists(f, "/v1/events?until=2023-11-14T22:13:55.500Z", "events", "host", "h0");
	lists(f, "/v1/events?deployment=none", "events", "host", "");
}

static void test_events_of_a_deployment_are_those_since_its_exposure(void **state)
{
	struct ax *f = *state;

	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments/d/rings/canary/start", "{\"step\":1}", 200, NULL);
	fill_events(f);
	/* h1's is of a later boot; h0's are of the boot before; w9 is not exposed. */
	lists(f, "/v1/events?deployment=d", "events", "host", "h1");
}

static void test_events_page(void **state)
{
	struct ax *f = *state;
	char path[96];

	fill_events(f);
	struct ax_reply reply = ax_get(f, "/v1/events?limit=3");
	assert_string_equal(column(json_object_get(reply.json, "events"), "host"), "w9 h1 h0");
	snprintf(path, sizeof(path), "/v1/events?limit=3&cursor=%s",
		 text_at(reply.json, "next_cursor"));
	ax_release(&reply);
	reply = ax_get(f, path);
	assert_string_equal(column(json_object_get(reply.json, "events"), "host"), "h0");
	assert_string_equal(text_at(reply.json, "next_cursor"), "");
	ax_release(&reply);
	/* A page that is exactly full is the last one too. */
	reply = ax_get(f, "/v1/events?limit=4");
	assert_string_equal(text_at(reply.json, "next_cursor"), "");
	ax_release(&reply);
}

static void create(struct ax *f, unsigned number)
{
	char body[256];

	snprintf(body, sizeof(body),
		 "{\"deployment\":\"n%u\",\"component\":\"c\",\"version\":\"1\","
		 "\"exposure\":\"fixed\",\"match\":\"none\",\"rings\":[\"canary\"]}",
		 number);
	ax_expect(f, "POST", "/v1/deployments", body, 201, NULL);
}

/* The 257th deployment takes the place of one that was told already: no other is passed over. */
static void test_pages_hold_while_a_deployment_is_forgotten(void **state)
{
	struct ax *f = *state;
	char path[128];

	for (unsigned i = 0; i < RW_CORE_DEPLOYMENTS_MAX; i++)
		create(f, i);
	ax_expect(f, "POST", "/v1/deployments/n1/finish", "{}", 200, NULL);
	struct ax_reply page = ax_get(f, "/v1/deployments?limit=3");
	assert_string_equal(column(json_object_get(page.json, "deployments"), "deployment"),
			    "n0 n1 n2");
	create(f, RW_CORE_DEPLOYMENTS_MAX);
	ax_expect(f, "GET", "/v1/deployments/n1", NULL, 404, "unknown_deployment");
	snprintf(path, sizeof(path), "/v1/deployments?limit=3&cursor=%s",
		 text_at(page.json, "next_cursor"));
	lists(f, path, "deployments", "deployment", "n3 n4 n5");
	ax_release(&page);
}

/* Rows that come between two pages belong to neither; none is lost or told twice. */
static void test_pages_hold_while_more_comes(void **state)
{
	struct ax *f = *state;
	char path[128];

	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d1"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d2"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d3"), 201, NULL);
	fill_events(f);

	struct ax_reply events = ax_get(f, "/v1/events?limit=2");
	struct ax_reply audit = ax_get(f, "/v1/audit?limit=2");
	struct ax_reply deployments = ax_get(f, "/v1/deployments?limit=2");
	struct ax_reply hosts = ax_get(f, "/v1/hosts?limit=3");
	assert_string_equal(column(json_object_get(deployments.json, "deployments"), "deployment"),
			    "d1 d2");

	uint64_t last = push_event(f, "late", 9, RINGWATCH__V1__KIND__KIND_OOPS, 9,
				   f->hub.now.wall_ms + 9000);
	assert_int_equal(rw_hub_wait_committed(&f->hub, last), 0);
	ax_expect(f, "POST", "/v1/deployments/d1/finish", "{}", 200, NULL);
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d4"), 201, NULL);
	ax_expect(f, "POST", "/v1/hosts/h1/retire", "{\"reason\":\"r\"}", 200, NULL);
	ax_enrol(f, "h9", "canary");

	snprintf(path, sizeof(path), "/v1/events?cursor=%s", text_at(events.json, "next_cursor"));
	lists(f, path, "events", "host", "h0 h0");
	snprintf(path, sizeof(path), "/v1/audit?cursor=%s", text_at(audit.json, "next_cursor"));
	lists(f, path, "audit", "subject", "deployment=d1");
	snprintf(path, sizeof(path), "/v1/deployments?cursor=%s",
		 text_at(deployments.json, "next_cursor"));
	lists(f, path, "deployments", "deployment", "d3 d4");
	snprintf(path, sizeof(path), "/v1/hosts?cursor=%s", text_at(hosts.json, "next_cursor"));
	lists(f, path, "hosts", "host", "h3 h4 h9");
	lists(f, "/v1/deployments", "deployments", "deployment", "d1 d2 d3 d4");
	lists(f, "/v1/deployments?limit=4", "deployments", "deployment", "d1 d2 d3 d4");
	ax_release(&events);
	ax_release(&audit);
	ax_release(&deployments);
	ax_release(&hosts);
}

static void test_an_event_is_named_as_evidence_names_it(void **state)
{
	struct ax *f = *state;

	fill_events(f);
	lists(f, "/v1/events?host=h1", "events", "event", "h1/ab000000000000000000000000000000/1");
}

/* ---- last gasps ----------------------------------------------------------------------- */

static void test_gasps_are_listed_newest_first(void **state)
{
	struct ax *f = *state;

	static const char text[] = "Kernel panic - \xff\x1b[31m";
	const struct rw_gasp_heard last = {.source = "192.0.2.7:6665",
					   .host = "h1",
					   .kind = "panic",
					   .text = text,
					   .text_length = sizeof(text) - 1};
	const struct rw_gasp_heard other = {.source = "[2001:db8::7]:6665",
					    .host = "",
					    .forged = true,
					    .kind = "oops",
					    .text = "Oops",
					    .text_length = 4};

	lists(f, "/v1/gasps", "gasps", "host", "");
	pthread_mutex_lock(&f->hub.lock);
	rw_gasps_add(f->hub.gasps, &last, UINT64_C(1721362140000));
	rw_gasps_add(f->hub.gasps, &other, UINT64_C(1721362141000));
	rw_gasps_stats(f->hub.gasps)->listening = true;
	rw_gasps_stats(f->hub.gasps)->hosts_armed = 3;
	pthread_mutex_unlock(&f->hub.lock);

	struct ax_reply reply = ax_get(f, "/v1/gasps");
	const json_t *list = json_object_get(reply.json, "gasps");
	assert_int_equal(json_object_size(reply.json), 4);
	assert_true(json_is_true(json_object_get(reply.json, "listening")));
	assert_int_equal(json_integer_value(json_object_get(reply.json, "hosts_armed")), 3);
	assert_int_equal(json_integer_value(json_object_get(reply.json, "hosts_proved")), 0);
	assert_int_equal(json_array_size(list), 2);
	const json_t *newest = json_array_get(list, 0);
	const json_t *oldest = json_array_get(list, 1);
	assert_int_equal(json_object_size(newest), 9);
	assert_true(json_is_true(json_object_get(newest, "forged")));
	assert_true(json_is_false(json_object_get(oldest, "forged")));
	assert_string_equal(text_at(newest, "source"), "[2001:db8::7]:6665");
	assert_string_equal(text_at(newest, "host"), "");
	assert_true(json_is_false(json_object_get(newest, "verified")));
	assert_string_equal(text_at(oldest, "host"), "h1");
	assert_true(json_is_true(json_object_get(oldest, "verified")));
	assert_string_equal(text_at(oldest, "kind"), "panic");
	assert_string_equal(text_at(oldest, "text"), "Kernel panic - \\xff\x1b[31m");
	assert_string_equal(text_at(oldest, "at"), "2024-07-19T04:09:00.000Z");
	assert_string_equal(text_at(oldest, "last_at"), "2024-07-19T04:09:00.000Z");
	assert_int_equal(json_integer_value(json_object_get(oldest, "count")), 1);
	ax_release(&reply);
}

/* ---- rings and deployments ------------------------------------------------------------- */

static void test_rings_name_their_deployments(void **state)
{
	struct ax *f = *state;

	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("gone"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments/gone/finish", "{}", 200, NULL);
	lists(f, "/v1/rings", "rings", "ring", "canary wide");
	lists(f, "/v1/rings/wide", "deployments", "deployment", "d");
	lists(f, "/v1/deployments", "deployments", "deployment", "d gone");
	lists(f, "/v1/deployments", "deployments", "state", "active finished");
	ax_expect(f, "GET", "/v1/rings/nowhere", NULL, 404, "unknown_ring");
	ax_expect(f, "GET", "/v1/deployments/none", NULL, 404, "unknown_deployment");
}

static void test_many_deployments_hold_the_loop_in_pieces(void **state)
{
	struct ax *f = *state;

	for (int i = 0; i < 40; i++) {
		char body[256];

		snprintf(body, sizeof(body),
			 "{\"deployment\":\"d%d\",\"component\":\"c\",\"version\":\"1\","
			 "\"exposure\":\"fixed\",\"match\":\"none\",\"rings\":[\"canary\",\"wide\"]"
			 "}",
			 i);
		ax_expect(f, "POST", "/v1/deployments", body, 201, NULL);
	}
	unsigned before = f->hub.calls;
	struct ax_reply reply = ax_get(f, "/v1/deployments");
	assert_int_equal(json_array_size(json_object_get(reply.json, "deployments")), 40);
	assert_true(f->hub.calls - before >= 3);
	ax_release(&reply);
}

/* A breaker opens for one ring; the deployment's verdict in the others is abort, but the
 * breaker that stands open is shown where it is. */
static void test_an_open_breaker_is_shown_in_its_own_ring(void **state)
{
	struct ax *f = *state;
	const char *first, *second, *verdict;

	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("d"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments/d/rings/canary/start", "{\"step\":1}", 200, NULL);
	ax_run(f, 5000);
	pthread_mutex_lock(&f->hub.lock);
	const struct rw_core_event event = {.kind = RINGWATCH__V1__KIND__KIND_OOPS,
					    .kind_name = "oops",
					    .id = "h1/s/1",
					    .signature = "oops:x:y",
					    .boot_id = {1},
					    .boot_order = 7,
					    .boot_ms = f->hub.now.boot_ms};
	rw_core_event(f->hub.core, 1, &event, f->hub.now);
	pthread_mutex_unlock(&f->hub.lock);

	struct ax_reply reply = ax_get(f, "/v1/verdict?deployment=d&ring=canary");
	assert_string_equal(text_at(reply.json, "verdict"), "abort");
	const json_t *breaker = json_object_get(reply.json, "breaker");
	assert_string_equal(text_at(breaker, "state"), "open");
	assert_string_equal(column(json_object_get(breaker, "evidence"), "event"), "h1/s/1");
	ax_release(&reply);

	reply = ax_get(f, "/v1/deployments/d");
	assert_int_equal(json_unpack(reply.json, "{s:[{s:s},{s:s,s:s}]}", "rings", "breaker",
				     &first, "breaker", &second, "verdict", &verdict),
			 0);
	assert_string_equal(first, "open");
	assert_string_equal(second, "closed");
	assert_string_equal(verdict, "abort");
	ax_release(&reply);
}

/* ---- the verdict -------------------------------------------------------------------------- */

static void test_a_verdict_is_200_whatever_it_says(void **state)
{
	struct ax *f = *state;
	struct ax_reply reply = ax_get(f, "/v1/verdict?deployment=none&ring=nowhere&for=enter");

	assert_string_equal(text_at(reply.json, "verdict"), "hold");
	assert_string_equal(text_at(reply.json, "for"), "enter");
	const json_t *reasons = json_object_get(reply.json, "reasons");
	assert_string_equal(json_string_value(json_array_get(reasons, 0)), "unknown_deployment");
	assert_string_equal(json_string_value(json_array_get(reasons, 1)), "unknown_ring");
	assert_string_equal(text_at(reply.json, "evaluated_at"), "2023-11-14T22:13:55.000Z");
	ax_release(&reply);
}

static void test_parameters_are_refused_by_name(void **state)
{
	static const struct {
		const char *path, *begins;
	} cases[] = {
		{"/v1/verdict", "deployment: missing"},
		{"/v1/verdict?deployment=d", "ring: missing"},
		{"/v1/verdict?ring=r", "deployment: missing"},
		{"/v1/verdict?deployment=*&ring=r", "deployment: expected"},
		{"/v1/verdict?deployment=d&ring=R", "ring: expected"},
		{"/v1/verdict?deployment=d&ring=r&for=fun", "for: expected"},
		{"/v1/verdict?deployment=d&ring=r&ring=s", "ring: stands more than once"},
		{"/v1/hosts?state=dead", "state: expected"},
		{"/v1/hosts?state=Retired", "state: expected online"},
		{"/v1/hosts?ring=*", "ring: expected"},
		{"/v1/hosts?limit=0", "limit: expected"},
		{"/v1/hosts?limit=1001", "limit: expected"},
		{"/v1/hosts?limit=-1", "limit: expected"},
		{"/v1/hosts?limit=+1", "limit: expected"},
		{"/v1/hosts?limit=1e2", "limit: expected"},
		{"/v1/hosts?limit=01", "limit: expected"},
		{"/v1/hosts?cursor=0", "cursor: expected"},
		{"/v1/hosts?cursor=x", "cursor: expected"},
		{"/v1/deployments?cursor=d1", "cursor: expected"},
		{"/v1/deployments?limit=0", "limit: expected"},
		{"/v1/audit?cursor=-1", "cursor: expected"},
		{"/v1/events?cursor=1.5", "cursor: expected"},
		{"/v1/hosts?cursor=99999999999999999999", "cursor: expected"},
		{"/v1/events?kind=sneeze", "kind: "},
		{"/v1/events?host=*", "host: expected"},
		{"/v1/events?deployment=D", "deployment: expected"},
		{"/v1/events?since=yesterday", "since: expected"},
		{"/v1/events?until=2023-11-14", "until: expected"},
		{"/v1/events?since=2023-02-30T00:00:00Z", "since: expected"},
		{"/v1/audit?limit=5000", "limit: expected"},
	};
	const struct ax *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		bad(f, cases[i].path, cases[i].begins);
}

static void test_a_store_that_cannot_be_read_is_503(void **state)
{
	struct ax *f = *state;
	struct rw_api *first = f->api;
	char error[RW_API_ERROR_BYTES];
	char kept[AX_PATH_BYTES];

	memcpy(kept, f->store, sizeof(kept));
	snprintf(f->store, sizeof(f->store), "%s/none.db", f->dir);
	assert_int_equal(symlink(kept, f->store), 0); /* it is there at the start */
	assert_int_equal(ax_start(f, "127.0.0.1:0", error), 0);
	assert_int_equal(unlink(f->store), 0);
	ax_expect(f, "GET", "/v1/events", NULL, 503, "unavailable");
	ax_expect(f, "GET", "/v1/audit", NULL, 503, "unavailable");
	ax_expect(f, "GET", "/v1/hosts/h1", NULL, 503, "unavailable");
	rw_api_stop(f->api);
	f->api = first;
	memcpy(f->store, kept, sizeof(kept));
}

static void test_the_root_says_what_this_is(void **state)
{
	struct ax *f = *state;
	struct ax_reply reply = ax_ask(f, "", "GET", "/", NULL);

	assert_int_equal(reply.status, 200);
	assert_string_equal(text_at(reply.json, "collector"), "c1");
	ax_release(&reply);
}

/* Many at once, over all threads of the pool: each gets its own answer. */
static void *ask_many(void *context)
{
	const struct ax *f = context;

	for (int i = 0; i < 25; i++) {
		struct ax_reply reply = ax_ask(
			f, "read", "GET", i % 2 == 0 ? "/v1/events?limit=1" : "/v1/hosts/h1", NULL);
		bool right = reply.status == 200 &&
			     (json_object_get(reply.json, "events") != NULL) == (i % 2 == 0);
		ax_release(&reply);
		if (!right)
			return context;
	}
	return NULL;
}

static void test_many_ask_at_once(void **state)
{
	struct ax *f = *state;
	pthread_t threads[6];

	fill_events(f);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many, f), 0);
	for (size_t i = 0; i < 6; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, ax_setup, ax_teardown)
		CASE(test_hosts_are_listed_by_enrolment),
		CASE(test_hosts_page_without_loss_or_repetition),
		CASE(test_a_long_list_holds_the_loop_in_pieces),
		CASE(test_a_host_with_its_facts_and_transitions),
		CASE(test_one_event_is_shown_with_its_log),
		CASE(test_what_names_no_event_is_404),
		CASE(test_events_are_newest_first_and_filtered),
		CASE(test_events_of_a_deployment_are_those_since_its_exposure),
		CASE(test_events_page),
		CASE(test_pages_hold_while_a_deployment_is_forgotten),
		CASE(test_pages_hold_while_more_comes),
		CASE(test_an_event_is_named_as_evidence_names_it),
		CASE(test_gasps_are_listed_newest_first),
		CASE(test_rings_name_their_deployments),
		CASE(test_many_deployments_hold_the_loop_in_pieces),
		CASE(test_an_open_breaker_is_shown_in_its_own_ring),
		CASE(test_a_verdict_is_200_whatever_it_says),
		CASE(test_parameters_are_refused_by_name),
		CASE(test_a_store_that_cannot_be_read_is_503),
		CASE(test_the_root_says_what_this_is),
		CASE(test_many_ask_at_once),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
