/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector knows, as tables: status, rings, hosts, events, deployments, audit. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/show.h"
#include "ctl/table.h"
#include "ctl/view.h"
#include "lib/clock.h"

enum { PAGE_MAX = 1000, LIMIT_DEFAULT = 100 };

int rw_show_answer(const struct rw_args *args, const struct rw_path *path, rw_show_fn *print)
{
	char error[RW_CLIENT_ERROR_BYTES];
	struct rw_client *client;
	struct rw_reply reply = {0};

	int err = rw_client_new(args, &client, error);
	if (err != 0)
		return rw_ctl_fail_client(err, error);
	int status = RW_CTL_DONE;
	if (rw_client_ask(client, path->text, NULL, &reply, error) != 0)
		status = rw_ctl_fail("%s", error);
	else if (rw_args_wants_json(args))
		rw_reply_print(&reply);
	else if (!print(reply.json))
		status = rw_ctl_fail("out of memory");
	rw_reply_release(&reply);
	rw_client_free(client);
	return status;
}

/* ---- lists in pages -------------------------------------------------------- */

/* One page more onto `rows`; *cursor becomes the next page's, "" when that was the last. */
static int ask_page(struct rw_client *client, struct rw_path path, const char *key, uint64_t limit,
		    json_t *rows, struct rw_view *cursor, char error[RW_CLIENT_ERROR_BYTES])
{
	char number[24];
	struct rw_reply reply = {0};

	snprintf(number, sizeof(number), "%" PRIu64, limit < PAGE_MAX ? limit : PAGE_MAX);
	rw_path_query(&path, "limit", number);
	rw_path_query(&path, "cursor", cursor->text[0] == '\0' ? NULL : cursor->text);
	int err = rw_client_ask(client, path.text, NULL, &reply, error);
	if (err == 0) {
		json_t *page = json_object_get(reply.json, key);
		size_t before = json_array_size(rows);
		*cursor = rw_view_safe(rw_view_text(reply.json, "next_cursor"));
		if (!json_is_array(page)) {
			snprintf(error, RW_CLIENT_ERROR_BYTES, "the answer has no list of %s", key);
			err = -EPROTO;
		} else if (json_array_extend(rows, page) != 0) {
			snprintf(error, RW_CLIENT_ERROR_BYTES, "out of memory");
			err = -ENOMEM;
		} else if (json_array_size(rows) == before) {
			cursor->text[0] = '\0'; /* an empty page is the last, whatever it says */
		}
	}
	rw_reply_release(&reply);
	return err;
}

static int print_merged(const char *key, json_t *rows, const char *cursor)
{
	json_t *whole = json_pack("{s:O, s:s}", key, rows, "next_cursor", cursor);

	if (whole == NULL ||
	    json_dumpf(whole, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0) {
		json_decref(whole);
		return rw_ctl_fail("out of memory");
	}
	putchar('\n');
	json_decref(whole);
	return RW_CTL_DONE;
}

int rw_show_pages(const struct rw_args *args, const struct rw_path *path, const char *key,
		  rw_show_fn *print_rows)
{
	uint64_t limit = rw_args_number(args, RW_OPT_LIMIT, LIMIT_DEFAULT);
	const char *begin = args->value[RW_OPT_CURSOR];
	struct rw_view cursor = rw_view_safe(begin == NULL ? "" : begin);
	char error[RW_CLIENT_ERROR_BYTES];
	struct rw_client *client;

	int err = rw_client_new(args, &client, error);
	if (err != 0)
		return rw_ctl_fail_client(err, error);
	json_t *rows = json_array();
	if (rows == NULL)
		snprintf(error, sizeof(error), "out of memory");
	err = rows == NULL ? -ENOMEM : 0;
	do {
		if (err == 0)
			err = ask_page(client, *path, key, limit - json_array_size(rows), rows,
				       &cursor, error);
	} while (err == 0 && cursor.text[0] != '\0' && json_array_size(rows) < limit);

	int status = RW_CTL_DONE;
	if (err != 0)
		status = rw_ctl_fail("%s", error);
	else if (rw_args_wants_json(args))
		status = print_merged(key, rows, cursor.text);
	else if (!print_rows(rows))
		status = rw_ctl_fail("out of memory");
	else if (cursor.text[0] != '\0')
		printf("… there are more: --limit N for more rows, or --cursor %s to go on\n",
		       cursor.text);
	json_decref(rows);
	rw_client_free(client);
	return status;
}

/* ---- cells ----------------------------------------------------------------- */

static void add_count(struct rw_listing *table, uint64_t count, enum rw_style when_not_zero)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, count);
	rw_listing_add_styled(table, text, count == 0 ? RW_PLAIN : when_not_zero);
}

static enum rw_style style_of_state(const char *state)
{
	if (strcmp(state, "online") == 0)
		return RW_GOOD;
	if (strcmp(state, "offline") == 0)
		return RW_BAD;
	return strcmp(state, "suspect") == 0 ? RW_CAREFUL : RW_PLAIN;
}

static enum rw_style style_of_verdict(const char *verdict)
{
	if (strcmp(verdict, "proceed") == 0)
		return RW_GOOD;
	return strcmp(verdict, "abort") == 0 ? RW_BAD : RW_CAREFUL;
}

static void add_time(struct rw_listing *table, const json_t *row, const char *key)
{
	rw_listing_add(table, rw_view_time(rw_view_text(row, key)).text);
}

static bool finish(struct rw_listing *table, const char *indent, const char *none)
{
	bool printed = rw_listing_print(table, stdout, indent, none);

	rw_listing_free(table);
	return printed;
}

/* ---- rings ----------------------------------------------------------------- */

/* Hosts whose sensors do less than they could. */
static struct rw_view note_of_ring(const json_t *ring)
{
	uint64_t safe_start = rw_view_count(ring, "safe_start_hosts");
	uint64_t memory = rw_view_count(ring, "memory_spool_hosts");
	struct rw_view note = {""};
	int used = 0;

	if (safe_start > 0)
		used = snprintf(note.text, sizeof(note.text), "%" PRIu64 " in safe start",
				safe_start);
	if (memory > 0)
		snprintf(note.text + used, sizeof(note.text) - (size_t)used,
			 "%s%" PRIu64 " with spool in memory", used > 0 ? ", " : "", memory);
	return note;
}

/* A limit of -1 is not judged. */
static void add_limit(struct rw_listing *table, const json_t *limits, const char *rule)
{
	double limit = rw_view_real(limits, rule);
	rw_listing_add(table, limit < 0 ? "" : rw_view_share(limit).text);
}

static bool print_ring_rows(const json_t *rings, const char *indent)
{
	static const struct rw_column columns[] = {
		{"RING", false},   {"HOSTS", true},   {"ONLINE", true}, {"SUSPECT", true},
		{"OFFLINE", true}, {"PLANNED", true}, {"ABSENT", true}, {"UNKNOWN", true},
		{"BAKE", true},    {"LIMIT", true},   {"STEPS", false}, {"NOTE", false},
	};
	struct rw_listing *table = rw_listing_new(columns, 12);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rings); i++) {
		const json_t *ring = json_array_get(rings, i);
		const json_t *hosts = json_object_get(ring, "hosts");
		const json_t *steps = json_object_get(ring, "steps");
		struct rw_view shares = {""};
		for (size_t k = 0, used = 0; k < json_array_size(steps) && used < 200; k++)
			used += (size_t)snprintf(
				shares.text + used, sizeof(shares.text) - used, "%s%s",
				k == 0 ? "" : " ",
				rw_view_share(json_number_value(json_array_get(steps, k))).text);
		rw_listing_add_styled(table, rw_view_text(ring, "ring"), RW_BOLD);
		add_count(table, rw_view_count(hosts, "enrolled"), RW_PLAIN);
		add_count(table, rw_view_count(hosts, "online"), RW_GOOD);
		add_count(table, rw_view_count(hosts, "suspect"), RW_CAREFUL);
		add_count(table, rw_view_count(hosts, "offline"), RW_BAD);
		add_count(table, rw_view_count(hosts, "planned"), RW_PLAIN);
		add_count(table, rw_view_count(hosts, "absent"), RW_PLAIN);
		add_count(table, rw_view_count(hosts, "unknown"), RW_CAREFUL);
		rw_listing_add(table, rw_view_seconds(rw_view_count(ring, "bake_seconds")).text);
		add_limit(table, json_object_get(ring, "limits"), "failed");
		rw_listing_add(table, shares.text);
		rw_listing_add_styled(table, note_of_ring(ring).text, RW_CAREFUL);
	}
	return finish(table, indent, "the policy has no ring");
}

static bool print_rings(const json_t *answer)
{
	return print_ring_rows(json_object_get(answer, "rings"), "");
}

/* How many hosts see each kind of event, and by what. */
static bool print_ring_coverage(const json_t *coverage)
{
	static const struct rw_column columns[] = {
		{"KIND", false}, {"BPF", true}, {"LOG ONLY", true}, {"BLIND", true}};
	struct rw_listing *table = rw_listing_new(columns, 4);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(coverage); i++) {
		const json_t *row = json_array_get(coverage, i);
		rw_listing_add(table, rw_view_text(row, "kind"));
		add_count(table, rw_view_count(row, "hosts_bpf"), RW_PLAIN);
		add_count(table, rw_view_count(row, "hosts_log"), RW_PLAIN);
		add_count(table, rw_view_count(row, "hosts_blind"), RW_BAD);
	}
	return finish(table, "  ", "no host was heard since the collector started");
}

static bool print_one_ring(const json_t *ring)
{
	json_t *rings = json_pack("[O]", ring);
	bool printed = rings != NULL && print_ring_rows(rings, "");

	json_decref(rings);
	if (!printed)
		return false;
	printf("\nCoverage, of the %" PRIu64 " hosts heard since the collector started\n",
	       rw_view_count(ring, "heard_hosts"));
	return print_ring_coverage(json_object_get(ring, "coverage"));
}

int rw_rings_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/rings");

	if (!rw_args_has(args, RW_OPT_RING))
		return rw_show_answer(args, &path, print_rings);
	rw_path_part(&path, args->value[RW_OPT_RING]);
	return rw_show_answer(args, &path, print_one_ring);
}

/* ---- hosts ----------------------------------------------------------------- */

/* What is not as usual with it, as a list. */
static struct rw_view note_of_host(const json_t *host)
{
	const json_t *spool = json_object_get(host, "spool");
	bool memory = strcmp(rw_view_text(spool, "state"), "memory") == 0;
	const struct {
		bool applies;
		const char *words;
	} notes[] = {
		{json_is_true(json_object_get(host, "excluded")), "excluded"},
		{json_is_true(json_object_get(host, "unregistered")), "unregistered version"},
		{json_is_true(json_object_get(host, "safe_start")), "safe start"},
		{memory, "spool in memory: "},
	};
	struct rw_view note = {""};
	size_t used = 0;

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		if (notes[i].applies)
			used += (size_t)snprintf(note.text + used, sizeof(note.text) - used, "%s%s",
						 used == 0 ? "" : ", ", notes[i].words);
	}
	if (memory)
		snprintf(note.text + used, sizeof(note.text) - used, "%s",
			 rw_view_text(spool, "reason"));
	return note;
}

static bool print_hosts(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"HOST", false},       {"RING", false},    {"STATE", false}, {"SINCE", false},
		{"LAST HEARD", false}, {"BACK BY", false}, {"NOTE", false}};
	struct rw_listing *table = rw_listing_new(columns, 7);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = rw_view_text(row, "state");
		rw_listing_add_styled(table, rw_view_text(row, "host"), RW_BOLD);
		rw_listing_add(table, rw_view_text(row, "ring"));
		rw_listing_add_styled(table, state, style_of_state(state));
		add_time(table, row, "since");
		add_time(table, row, "last_heard");
		add_time(table, row, "back_by");
		rw_listing_add_styled(table, note_of_host(row).text, RW_CAREFUL);
	}
	return finish(table, "", "no host");
}

/* What it said of itself last. */
static bool print_wide_hosts(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"HOST", false},  {"RING", false},       {"STATE", false},   {"SINCE", false},
		{"SPOOL", false}, {"LAST HEARD", false}, {"BACK BY", false}, {"GOODBYE", false},
		{"BOOTS", true},  {"BOOT", false},       {"NOTE", false}};
	struct rw_listing *table = rw_listing_new(columns, 11);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = rw_view_text(row, "state");
		rw_listing_add_styled(table, rw_view_text(row, "host"), RW_BOLD);
		rw_listing_add(table, rw_view_text(row, "ring"));
		rw_listing_add_styled(table, state, style_of_state(state));
		add_time(table, row, "since");
		rw_listing_add(table, rw_view_text(json_object_get(row, "spool"), "state"));
		add_time(table, row, "last_heard");
		add_time(table, row, "back_by");
		rw_listing_add(table, rw_view_text(row, "goodbye"));
		add_count(table, rw_view_count(row, "boot_order"), RW_PLAIN);
		rw_listing_add(table, rw_view_text(row, "boot_id"));
		rw_listing_add_styled(table, note_of_host(row).text, RW_CAREFUL);
	}
	return finish(table, "", "no host");
}

static void print_facts(const json_t *host)
{
	static const char *const keys[][2] = {
		{"program", "sensor"},
		{"kernel_release", "kernel"},
		{"architecture", "architecture"},
		{"boot_id", "boot"},
		{"netconsole", "netconsole"},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = rw_view_text(host, keys[i][0]);
		if (value[0] != '\0')
			printf("  %-12s  %s\n", keys[i][1], rw_view_safe(value).text);
	}
	if (json_is_true(json_object_get(host, "known")))
		printf("  %-12s  %s, %" PRIu64 " events waiting, %" PRIu64 " lost\n", "session",
		       json_is_true(json_object_get(host, "connected")) ? "connected"
									: "not connected",
		       rw_view_count(host, "pending_events"), rw_view_count(host, "lost_events"));
	if (json_is_true(json_object_get(host, "safe_start")))
		printf("  %-12s  BPF is off: the host died twice soon after it was attached\n",
		       "safe start");
}

static bool print_coverage(const json_t *coverage)
{
	static const struct rw_column columns[] = {
		{"KIND", false}, {"SEEN THROUGH", false}, {"WHY NO BETTER", false}};
	struct rw_listing *table = rw_listing_new(columns, 3);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(coverage); i++) {
		const json_t *row = json_array_get(coverage, i);
		const char *hook = rw_view_text(row, "hook");
		rw_listing_add(table, rw_view_text(row, "kind"));
		rw_listing_add_styled(table, hook, strcmp(hook, "none") == 0 ? RW_BAD : RW_PLAIN);
		rw_listing_add(table, rw_view_text(row, "reason"));
	}
	return finish(table, "  ", "not heard since the collector started");
}

static bool print_versions(const json_t *versions)
{
	static const struct rw_column columns[] = {{"SUBJECT", false}, {"VERSION", false}};
	struct rw_listing *table = rw_listing_new(columns, 2);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(versions); i++) {
		const json_t *row = json_array_get(versions, i);
		const char *value = rw_view_text(row, "value");
		rw_listing_add(table, rw_view_text(row, "subject"));
		rw_listing_add(table, value[0] == '\0' ? "not loaded" : value);
	}
	return finish(table, "  ", "none reported since the collector started");
}

static bool print_transitions(const json_t *transitions)
{
	static const struct rw_column columns[] = {
		{"AT", false}, {"FROM", false}, {"TO", false}, {"RING", false}};
	struct rw_listing *table = rw_listing_new(columns, 4);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(transitions); i++) {
		const json_t *row = json_array_get(transitions, i);
		const char *to = rw_view_text(row, "to");
		add_time(table, row, "at");
		rw_listing_add(table, rw_view_text(row, "from"));
		rw_listing_add_styled(table, to, style_of_state(to));
		rw_listing_add(table, rw_view_text(row, "ring"));
	}
	return finish(table, "  ", "none");
}

static bool print_one_host(const json_t *host)
{
	json_t *rows = json_pack("[O]", host);
	bool printed = rows != NULL && print_hosts(rows);

	json_decref(rows);
	if (!printed)
		return false;
	print_facts(host);
	puts("\nVersions");
	if (!print_versions(json_object_get(host, "versions")))
		return false;
	puts("\nCoverage");
	if (!print_coverage(json_object_get(host, "coverage")))
		return false;
	puts("\nHistory");
	return print_transitions(json_object_get(host, "transitions"));
}

int rw_hosts_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/hosts");

	if (rw_args_has(args, RW_OPT_HOST)) {
		rw_path_part(&path, args->value[RW_OPT_HOST]);
		return rw_show_answer(args, &path, print_one_host);
	}
	rw_path_query(&path, "ring", args->value[RW_OPT_RING]);
	rw_path_query(&path, "state", args->value[RW_OPT_STATE]);
	return rw_show_pages(args, &path, "hosts",
			     rw_args_wants_wide(args) ? print_wide_hosts : print_hosts);
}

/* ---- events ---------------------------------------------------------------- */

/* "type=page_fault address=0x8" */
static struct rw_view facts_of(const json_t *event)
{
	struct rw_view facts = {""};
	size_t used = 0;
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(event, "facts"), key, value)
	{
		const char *text = json_string_value(value);
		if (text != NULL && used < sizeof(facts.text))
			used += (size_t)snprintf(facts.text + used, sizeof(facts.text) - used,
						 "%s%s=%s", used == 0 ? "" : " ", key, text);
	}
	return facts;
}

/* What `event` takes, and what else is known. */
static bool print_wide_events(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"AT", false},        {"KIND", false},  {"COUNT", true}, {"TASK", false},
		{"SIGNATURE", false}, {"FACTS", false}, {"LOG", false},  {"EVENT", false}};
	struct rw_listing *table = rw_listing_new(columns, 8);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		bool has_log = json_is_true(json_object_get(row, "has_log"));
		add_time(table, row, "at");
		rw_listing_add(table, rw_view_text(row, "kind"));
		add_count(table, rw_view_count(row, "count"), RW_PLAIN);
		rw_listing_add(table, rw_view_text(row, "comm"));
		rw_listing_add(table, rw_view_text(row, "signature"));
		rw_listing_add(table, facts_of(row).text);
		rw_listing_add(table, has_log ? "yes" : "");
		rw_listing_add_styled(table, rw_view_text(row, "event"), RW_BOLD);
	}
	return finish(table, "", "no event");
}

static bool print_events(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"AT", false},       {"HOST", false}, {"RING", false},      {"KIND", false},
		{"SEVERITY", false}, {"COUNT", true}, {"SIGNATURE", false}, {"DETAIL", false}};
	struct rw_listing *table = rw_listing_new(columns, 8);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *severity = rw_view_text(row, "severity");
		add_time(table, row, "at");
		rw_listing_add_styled(table, rw_view_text(row, "host"), RW_BOLD);
		rw_listing_add(table, rw_view_text(row, "ring"));
		rw_listing_add(table, rw_view_text(row, "kind"));
		rw_listing_add_styled(table, severity,
				      strcmp(severity, "critical") == 0  ? RW_BAD
				      : strcmp(severity, "warning") == 0 ? RW_CAREFUL
									 : RW_PLAIN);
		add_count(table, rw_view_count(row, "count"), RW_PLAIN);
		rw_listing_add(table, rw_view_text(row, "signature"));
		rw_listing_add(table, rw_view_text(row, "detail"));
	}
	return finish(table, "", "no event");
}

/* "2h" is that long ago; a point in time stays as it is. */
static const char *point_in_time(const char *text, char out[RW_TIME_TEXT_BYTES])
{
	uint64_t ago_ms;
	uint64_t now_ms = rw_clock_wall_ms();

	if (text == NULL || rw_units_parse_duration(text, &ago_ms) != 0)
		return text;
	return rw_clock_format_wall(ago_ms < now_ms ? now_ms - ago_ms : 1, out);
}

int rw_events_run(const struct rw_args *args)
{
	static const struct {
		enum rw_option option;
		const char *key;
	} filters[] = {
		{RW_OPT_HOST, "host"},
		{RW_OPT_RING, "ring"},
		{RW_OPT_KIND, "kind"},
		{RW_OPT_SIGNATURE, "signature"},
		{RW_OPT_DEPLOYMENT, "deployment"},
	};
	struct rw_path path = rw_path_of("/v1/events");
	char since[RW_TIME_TEXT_BYTES];
	char until[RW_TIME_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		rw_path_query(&path, filters[i].key, args->value[filters[i].option]);
	rw_path_query(&path, "since", point_in_time(args->value[RW_OPT_SINCE], since));
	rw_path_query(&path, "until", point_in_time(args->value[RW_OPT_UNTIL], until));
	return rw_show_pages(args, &path, "events",
			     rw_args_wants_wide(args) ? print_wide_events : print_events);
}

/* ---- signatures ------------------------------------------------------------ */

static bool print_signatures(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"LAST", false},  {"FIRST", false}, {"HOSTS", true},      {"EVENTS", true},
		{"RINGS", false}, {"KIND", false},  {"SIGNATURE", false}, {"NEW SINCE", false}};
	struct rw_listing *table = rw_listing_new(columns, 8);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const json_t *since = json_object_get(row, "new_since");

		add_time(table, row, "last_at");
		add_time(table, row, "first_at");
		add_count(table, rw_view_count(row, "hosts"), RW_PLAIN);
		add_count(table, rw_view_count(row, "events"), RW_PLAIN);
		rw_listing_add(table, rw_view_words(json_object_get(row, "rings")).text);
		rw_listing_add(table, rw_view_text(row, "kind"));
		rw_listing_add_styled(table, rw_view_text(row, "signature"), RW_BOLD);
		rw_listing_add_styled(table, rw_view_words(since).text, RW_BAD);
	}
	return finish(table, "", "no signature");
}

int rw_signatures_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/signatures");
	char since[RW_TIME_TEXT_BYTES];

	rw_path_query(&path, "ring", args->value[RW_OPT_RING]);
	rw_path_query(&path, "deployment", args->value[RW_OPT_DEPLOYMENT]);
	rw_path_query(&path, "since", point_in_time(args->value[RW_OPT_SINCE], since));
	return rw_show_pages(args, &path, "signatures", print_signatures);
}

/* ---- deployments ----------------------------------------------------------- */

static void add_run(struct rw_listing *table, const json_t *deployment, const json_t *run)
{
	const char *verdict = rw_view_text(run, "verdict");
	const char *breaker = rw_view_text(run, "breaker");
	bool open = strcmp(breaker, "open") == 0;
	uint64_t failed = rw_view_count(run, "failed");
	char text[RW_LISTING_CELL_BYTES];

	rw_listing_add_styled(table, rw_view_text(deployment, "deployment"), RW_BOLD);
	rw_listing_add(table, rw_view_text(deployment, "component"));
	rw_listing_add(table, rw_view_text(deployment, "version"));
	rw_listing_add(table, rw_view_text(deployment, "state"));
	rw_listing_add(table, rw_view_text(run, "ring"));
	rw_listing_add_styled(table, verdict, style_of_verdict(verdict));
	snprintf(text, sizeof(text), "%s%s%s", breaker, open ? ": " : "",
		 open ? rw_view_text(run, "rule") : "");
	rw_listing_add_styled(table, text, open ? RW_BAD : RW_PLAIN);
	rw_listing_addf(table, "%s of %s",
			rw_view_seconds(rw_view_count(run, "observed_seconds")).text,
			rw_view_seconds(rw_view_count(run, "required_seconds")).text);
	snprintf(text, sizeof(text), "%" PRIu64 " of %" PRIu64, failed,
		 rw_view_count(run, "at_risk"));
	rw_listing_add_styled(table, text, failed > 0 ? RW_BAD : RW_PLAIN);
	const json_t *reasons = json_object_get(run, "reasons");
	if (strcmp(verdict, "abort") == 0 && !open && json_array_size(reasons) == 0)
		rw_listing_add(table, "the breaker of another ring is open");
	else
		rw_listing_add(table, rw_view_words(reasons).text);
}

/* One row a deployment and ring. */
static bool print_deployment_rows(const json_t *deployments, bool only_active, const char *indent)
{
	static const struct rw_column columns[] = {
		{"DEPLOYMENT", false}, {"COMPONENT", false}, {"VERSION", false}, {"STATE", false},
		{"RING", false},       {"VERDICT", false},   {"BREAKER", false}, {"BAKED", true},
		{"FAILED", true},      {"WHY", false},
	};
	struct rw_listing *table = rw_listing_new(columns, 10);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(deployments); i++) {
		const json_t *deployment = json_array_get(deployments, i);
		const json_t *runs = json_object_get(deployment, "rings");
		if (only_active && strcmp(rw_view_text(deployment, "state"), "active") != 0)
			continue;
		for (size_t k = 0; k < json_array_size(runs); k++)
			add_run(table, deployment, json_array_get(runs, k));
	}
	return finish(table, indent, only_active ? "nothing is being rolled out" : "no deployment");
}

static bool print_deployments(const json_t *answer)
{
	return print_deployment_rows(json_object_get(answer, "deployments"), false, "");
}

static bool print_one_deployment(const json_t *deployment)
{
	json_t *rows = json_pack("[O]", deployment);
	bool printed = rows != NULL && print_deployment_rows(rows, false, "");
	const char *reason = rw_view_text(deployment, "reason");

	json_decref(rows);
	if (printed && strcmp(rw_view_text(deployment, "exposure"), "reported") == 0)
		printf("exposes hosts as they report the version by %s\n",
		       rw_view_safe(rw_view_text(deployment, "match")).text);
	if (printed && reason[0] != '\0')
		printf("%s %s: %s\n", rw_view_safe(rw_view_text(deployment, "state")).text,
		       rw_view_time(rw_view_text(deployment, "ended_at")).text,
		       rw_view_safe(reason).text);
	return printed;
}

int rw_deployments_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/deployments");

	if (!rw_args_has(args, RW_OPT_DEPLOYMENT))
		return rw_show_answer(args, &path, print_deployments);
	rw_path_part(&path, args->value[RW_OPT_DEPLOYMENT]);
	return rw_show_answer(args, &path, print_one_deployment);
}

/* ---- drills ---------------------------------------------------------------- */

static bool print_drills(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"STARTED", false}, {"DEPLOYMENT", false}, {"RING", false}, {"HOST", false},
		{"STATE", false},   {"PROVED", false},     {"WHO", false},  {"WHAT CAME", false}};
	struct rw_listing *table = rw_listing_new(columns, 8);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = rw_view_text(row, "state");
		add_time(table, row, "started_at");
		rw_listing_add(table, rw_view_text(row, "deployment"));
		rw_listing_add(table, rw_view_text(row, "ring"));
		rw_listing_add(table, rw_view_text(row, "host"));
		rw_listing_add_styled(table, state,
				      strcmp(state, "failed") == 0 ? RW_BAD : RW_PLAIN);
		add_time(table, row, "proved_at");
		rw_listing_add(table, rw_view_text(row, "actor"));
		rw_listing_add(table, rw_view_text(row, "detail"));
	}
	return finish(table, "", "there was no drill yet");
}

int rw_drills_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/drills");

	rw_path_query(&path, "ring", args->value[RW_OPT_RING]);
	return rw_show_pages(args, &path, "drills", print_drills);
}

/* ---- audit ----------------------------------------------------------------- */

static bool print_audit(const json_t *rows)
{
	static const struct rw_column columns[] = {
		{"AT", false}, {"WHO", false}, {"DID", false}, {"TO", false}, {"WHY", false}};
	struct rw_listing *table = rw_listing_new(columns, 5);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		add_time(table, row, "at");
		rw_listing_add_styled(table, rw_view_text(row, "actor"), RW_BOLD);
		rw_listing_add(table, rw_view_text(row, "action"));
		rw_listing_add(table, rw_view_text(row, "subject"));
		rw_listing_add(table, rw_view_text(row, "detail"));
	}
	return finish(table, "", "nothing was done yet");
}

int rw_audit_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/audit");

	return rw_show_pages(args, &path, "audit", print_audit);
}

/* ---- status ---------------------------------------------------------------- */

struct status {
	struct rw_reply ready; /* any status: 503 while not ready */
	struct rw_reply rings;
	struct rw_reply deployments;
};

static int ask_status(struct rw_client *client, struct status *status,
		      char error[RW_CLIENT_ERROR_BYTES])
{
	int err = rw_client_request(client, "/readyz", NULL, &status->ready, error);

	if (err == 0 && status->ready.json == NULL) {
		snprintf(error, RW_CLIENT_ERROR_BYTES, "the answer to /readyz is no JSON object");
		err = -EPROTO;
	}
	if (err == 0)
		err = rw_client_ask(client, "/v1/rings", NULL, &status->rings, error);
	if (err == 0)
		err = rw_client_ask(client, "/v1/deployments", NULL, &status->deployments, error);
	return err;
}

static bool print_status(const struct status *status)
{
	bool colour = rw_style_wanted(stdout);
	bool ready = status->ready.status == 200;
	enum rw_style style = ready ? RW_GOOD : RW_CAREFUL;
	const char *reason = rw_view_text(status->ready.json, "reason");

	printf("Collector   %s%s%s%s%s\n", rw_style_on(style, colour),
	       ready ? "ready" : "not ready", rw_style_off(style, colour),
	       reason[0] == '\0' ? "" : ": ", rw_view_safe(reason).text);
	puts("\nRings");
	if (!print_ring_rows(json_object_get(status->rings.json, "rings"), "  "))
		return false;
	puts("\nBeing rolled out");
	return print_deployment_rows(json_object_get(status->deployments.json, "deployments"), true,
				     "  ");
}

/* The three answers in one object; each as it came. */
static bool print_status_json(const struct status *status)
{
	json_t *whole = json_pack("{s:O, s:O, s:O}", "ready", status->ready.json, "rings",
				  json_object_get(status->rings.json, "rings"), "deployments",
				  json_object_get(status->deployments.json, "deployments"));
	bool printed = whole != NULL &&
		       json_dumpf(whole, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0;

	json_decref(whole);
	if (printed)
		putchar('\n');
	return printed;
}

int rw_status_run(const struct rw_args *args)
{
	char error[RW_CLIENT_ERROR_BYTES];
	struct rw_client *client;
	struct status status = {0};

	int err = rw_client_new(args, &client, error);
	if (err != 0)
		return rw_ctl_fail_client(err, error);
	int result = RW_CTL_DONE;
	if (ask_status(client, &status, error) != 0)
		result = rw_ctl_fail("%s", error);
	else if (rw_args_wants_json(args) ? !print_status_json(&status) : !print_status(&status))
		result = rw_ctl_fail("the answers cannot be shown");
	rw_reply_release(&status.ready);
	rw_reply_release(&status.rings);
	rw_reply_release(&status.deployments);
	rw_client_free(client);
	return result;
}
