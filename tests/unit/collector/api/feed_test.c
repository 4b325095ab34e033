/* SPDX-License-Identifier: Apache-2.0 */
/* What listeners are told, turn by turn: a real core and store, no thread and no socket. */
#include "tests/unit/collector/api/fixture.h"

#include <inttypes.h>

#include "collector/api/feed.h"

enum { TEXT_BYTES = 1 << 20 };

struct bench {
	struct ax *ax;
	struct rw_feed *feed;
	uint64_t now_ms;
	unsigned woken;
	unsigned waits;
};

static struct bench bench; /* what `wake` and `wait` count in */

static void on_wake(void *connection)
{
	(void)connection;
	bench.woken++;
}

static void on_wait(void *connection)
{
	(void)connection;
	bench.waits++;
}

static int setup(void **state)
{
	int status = ax_setup(state);
	struct ax *f = *state;
	const struct rw_feed_config config = {.hub = &f->hub,
					      .store_path = f->store,
					      .name = "c1",
					      .wake = on_wake,
					      .by_hand = true};

	bench = (struct bench){.ax = f, .now_ms = 1000000};
	assert_int_equal(rw_feed_start(&config, &bench.feed), 0);
	return status;
}

static int teardown(void **state)
{
	rw_feed_free(bench.feed);
	return ax_teardown(state);
}

/* Some later, all that was changed is on disk, and the feed looks. */
static void turn(uint64_t ms)
{
	ax_settle(bench.ax);
	bench.now_ms += ms;
	rw_feed_turn(bench.feed, bench.now_ms);
}

static struct rw_listener *join(const char *last_id)
{
	struct rw_listener *listener = NULL;

	assert_int_equal(rw_feed_join(bench.feed, "good", last_id, NULL, &listener), 0);
	return listener;
}

/* All that there is for it, in a buffer of the test's; whether that was its end. */
static bool take(struct rw_listener *listener, char out[TEXT_BYTES])
{
	size_t used = 0;
	ssize_t n;

	while ((n = rw_listener_take(listener, out + used, TEXT_BYTES - 1 - used, on_wait)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	return n < 0;
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned count = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		count++;
	return count;
}

/* Of the last message with one. */
static void last_id_of(const char *text, char out[64])
{
	const char *at = NULL, *next = text;

	while ((next = strstr(next, "id: ")) != NULL)
		at = next++;
	assert_non_null(at);
	assert_int_equal(sscanf(at, "id: %63[^\n]", out), 1);
}

static uint64_t push_transition(struct ax *f, const char *host)
{
	struct rw_change change = {.type = RW_CHANGE_HOST, .at_wall_ms = f->hub.now.wall_ms};

	snprintf(change.host.id, sizeof(change.host.id), "%s", host);
	snprintf(change.host.ring, sizeof(change.host.ring), "canary");
	change.host.previous = RW_ONLINE;
	change.host.presence = RW_SUSPECT;
	return rw_store_push_change(f->hub.store, &change);
}

static void push_event(struct ax *f, uint64_t sequence)
{
	static const uint8_t spool_id[16] = {0xab};
	Ringwatch__V1__Event event = RINGWATCH__V1__EVENT__INIT;
	char *empty = (char *)"";

	event.sequence = sequence;
	event.kind = RINGWATCH__V1__KIND__KIND_OOPS;
	event.severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	event.source = RINGWATCH__V1__SOURCE__SOURCE_BPF;
	event.boot_id = event.comm = event.symbol = event.module = empty;
	event.signature = (char *)"oops:x";
	event.detail = (char *)"two\nlines";
	event.count = 1;
	const struct rw_store_event row = {.host = "h0",
					   .ring = "canary",
					   .spool_id = spool_id,
					   .event = &event,
					   .at_wall_ms = f->hub.now.wall_ms,
					   .received_wall_ms = f->hub.now.wall_ms,
					   .signatures_a_day = 1000000};
	assert_true(rw_store_push_event(f->hub.store, &row) > 0);
}

#define CREATE(f, id)                                                                              \
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE(id), 201, NULL);                         \
	ax_expect(f, "POST", "/v1/deployments/" id "/rings/canary/start", "{\"step\":1}", 200, NULL)

/* ---- tests ------------------------------------------------------------------------- */

static void who_comes_is_told_how_things_stand_and_then_what_changes(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];

	CREATE(f, "d1");
	ax_expect(f, "POST", "/v1/deployments", AX_CREATE("gone"), 201, NULL);
	ax_expect(f, "POST", "/v1/deployments/gone/finish", "{}", 200, NULL);
	struct rw_listener *l = join(NULL);
	assert_false(take(l, text));
	assert_string_equal(text, "");
	assert_int_equal(bench.waits, 1);
	turn(250);
	assert_true(bench.woken > 0);
	assert_false(take(l, text));
	assert_ptr_equal(strstr(text, "id: "), text);
	assert_non_null(strstr(text, "event: hello\ndata: {\"name\":\"c1\""));
	assert_int_equal(count_of(text, "event: ring\n"), 2);
	assert_non_null(strstr(text, "\"ring\":\"canary\",\"hosts\":{\"enrolled\":5,"));
	assert_int_equal(count_of(text, "event: verdict\n"), 2); /* d1 in two rings */
	assert_null(strstr(text, "gone"));
	assert_non_null(strstr(text, "\"ring\":\"canary\",\"verdict\":\"hold\",\"reasons\":["));
	assert_int_equal(count_of(text, ": alive\n\n"), 1);

	turn(250);
	assert_false(take(l, text));
	assert_string_equal(text, "");

	ax_expect(f, "POST", "/v1/deployments/d1/withdraw", "{\"reason\":\"bad\"}", 200, NULL);
	turn(250);
	take(l, text);
	assert_int_equal(count_of(text, "event: verdict\n"), 2);
	assert_non_null(strstr(text, "\"reasons\":[\"withdrawn\""));
	rw_listener_leave(l);
}

static void rings_are_told_once_a_second_and_life_every_five(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	struct rw_listener *l = join(NULL);

	turn(250);
	take(l, text);
	ax_enrol(f, "w1", "wide");
	turn(250);
	take(l, text);
	assert_null(strstr(text, "event: ring"));
	turn(1000);
	take(l, text);
	assert_int_equal(count_of(text, "event: ring\n"), 1);
	assert_non_null(strstr(text, "\"ring\":\"wide\",\"hosts\":{\"enrolled\":1,"));
	turn(2000);
	take(l, text);
	assert_null(strstr(text, "alive"));
	turn(1750);
	take(l, text);
	assert_int_equal(count_of(text, ": alive\n\n"), 1);
	rw_listener_leave(l);
}

static void rows_are_told_once_and_again_to_who_has_missed_them(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	char id[64], old[64];

	struct rw_listener *l = join(NULL);
	turn(250);
	take(l, text);
	last_id_of(text, old);
	push_event(f, 1);
	push_transition(f, "h1");
	turn(250);
	take(l, text);
	assert_int_equal(count_of(text, "event: event\n"), 1);
	assert_int_equal(count_of(text, "event: transition\n"), 1);
	assert_non_null(strstr(text, "\"from\":\"online\",\"to\":\"suspect\""));
	assert_non_null(strstr(text, "two\\nlines"));
	last_id_of(text, id);
	rw_listener_leave(l);

	push_event(f, 2);
	push_event(f, 3);
	l = join(id);
	struct rw_listener *longer = join(old);
	turn(250);
	take(l, text);
	assert_non_null(strstr(text, "\"resumed\":true,\"reason\":\"\""));
	assert_int_equal(count_of(text, "event: event\n"), 2);
	assert_int_equal(count_of(text, "event: transition\n"), 0);
	take(longer, text);
	assert_int_equal(count_of(text, "event: event\n"), 3);
	assert_int_equal(count_of(text, "event: transition\n"), 1);
	turn(250);
	take(l, text);
	assert_string_equal(text, "");
	rw_listener_leave(longer);
	rw_listener_leave(l);
}

static void what_cannot_be_resumed_is_said(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	static const char *const bad[] = {"",    "1",    "-1",   "1-",   "1-2-3",
					  "a-b", "1 -2", "+1-2", "1-2 ", "9999999999999999999-1"};
	struct rw_listener *l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (rw_feed_join(bench.feed, "good", bad[i], NULL, &l) != -EINVAL)
			fail_msg("'%s' is an id", bad[i]);
	}
	l = join("99-0");
	turn(250);
	take(l, text);
	assert_non_null(strstr(text, "\"resumed\":false,\"reason\":\"the store has no such row\""));
	rw_listener_leave(l);

	for (int i = 0; i <= RW_FEED_BACKLOG; i++)
		push_transition(f, "h1");
	turn(250); /* nobody listens */
	l = join("0-0");
	turn(250);
	take(l, text);
	assert_non_null(strstr(text, "\"resumed\":false,\"reason\":\"more was missed"));
	assert_int_equal(count_of(text, "event: transition\n"), 0);
	rw_listener_leave(l);
}

static void who_is_too_slow_is_told_so_and_no_other_suffers(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	struct rw_listener *slow = join(NULL), *quick = join(NULL);
	unsigned told = 0;

	turn(250);
	take(quick, text);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 500; i++)
			push_transition(f, "h1");
		turn(250);
		assert_false(take(quick, text));
		told += count_of(text, "event: transition\n");
	}
	assert_int_equal(told, 2500);
	assert_true(take(slow, text));
	assert_true(strlen(text) <= RW_FEED_QUEUE_BYTES + 256);
	assert_int_equal(count_of(text, "event: overflow\n"), 1);
	assert_string_equal(
		strstr(text, "event: overflow\n"),
		"event: overflow\ndata: {\"reason\":\"too slow: what happened meanwhile "
		"is in the lists\"}\n\n");
	assert_true(take(slow, text));
	assert_string_equal(text, "");
	struct rw_feed_stats stats;
	rw_feed_read(bench.feed, &stats);
	assert_int_equal(stats.listeners, 2);
	rw_listener_leave(slow);
	rw_listener_leave(quick);
	rw_feed_read(bench.feed, &stats);
	assert_int_equal(stats.listeners, 0);
	assert_int_equal(stats.ended[RW_FEED_SLOW], 1);
	assert_int_equal(stats.ended[RW_FEED_LEFT], 1);
}

static void a_loop_that_stands_still_is_silent(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	struct rw_listener *l = join(NULL);

	turn(250);
	take(l, text);
	ax_set(f, &f->hub.stalled, true);
	bench.now_ms += 60000;
	rw_feed_turn(bench.feed, bench.now_ms);
	assert_false(take(l, text));
	assert_string_equal(text, "");
	ax_set(f, &f->hub.stalled, false);
	turn(250);
	take(l, text);
	assert_non_null(strstr(text, ": alive"));
	rw_listener_leave(l);
}

/* ---- more than a queue holds -------------------------------------------------------- */

enum { MANY = RW_CORE_DEPLOYMENTS_MAX, RUNS = MANY * RW_CORE_RINGS_MAX };

/* A core with as many rings and deployments as there can be, in place of the fixture's. */
static void fill_core(struct ax *f)
{
	static struct rw_policy policy;
	static struct rw_deployment_row row;
	const struct rw_core_sink sink = {&f->hub, ax_take_change, NULL, NULL};

	policy =
		(struct rw_policy){.timing = rw_timing_defaults(), .ring_count = RW_CORE_RINGS_MAX};
	row = (struct rw_deployment_row){.component = "c",
					 .version = "1",
					 .exposure = RW_EXPOSURE_FIXED,
					 .ring_count = RW_CORE_RINGS_MAX};
	for (uint32_t i = 0; i < RW_CORE_RINGS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "r%02u", (unsigned)i);
		policy.rings[i] = ax_ring(name, i + 1);
		snprintf(row.rings[i], sizeof(row.rings[i]), "%s", name);
	}
	pthread_mutex_lock(&f->hub.lock);
	rw_core_free(f->hub.core);
	assert_int_equal(rw_core_new(&policy, &sink, 100, f->hub.now, &f->hub.core), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(row.id, sizeof(row.id), "d%03d", i);
		assert_int_equal(rw_core_deploy_create(f->hub.core, &row, f->hub.now).status, 0);
	}
	pthread_mutex_unlock(&f->hub.lock);
}

static void withdraw(struct ax *f, int number)
{
	char id[16];

	snprintf(id, sizeof(id), "d%03d", number);
	pthread_mutex_lock(&f->hub.lock);
	assert_int_equal(rw_core_deploy_withdraw(f->hub.core, id, "bad", f->hub.now).status, 0);
	pthread_mutex_unlock(&f->hub.lock);
}

static void how_much_stands_is_told_in_portions(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	unsigned runs = 0, rings = 0, hellos = 0, first = 0, last = 0, portions = 0;

	fill_core(f);
	struct rw_listener *l = join(NULL);
	for (size_t length = 1; length > 0; portions++) {
		turn(250);
		assert_false(take(l, text));
		length = strlen(text);
		assert_true(length <= RW_FEED_QUEUE_BYTES);
		runs += count_of(text, "event: verdict\n");
		rings += count_of(text, "event: ring\n");
		hellos += count_of(text, "event: hello\n");
		first += count_of(text, "\"deployment\":\"d000\"");
		last += count_of(text, "\"deployment\":\"d255\"");
		if (portions == 0) { /* one that was told of, and one that was not yet */
			withdraw(f, 0);
			withdraw(f, MANY - 1);
		}
	}
	assert_true(portions > 10);
	assert_int_equal(hellos, 1);
	assert_int_equal(rings, RW_CORE_RINGS_MAX);
	assert_int_equal(first, 2 * RW_CORE_RINGS_MAX);
	assert_int_equal(last, 0);
	assert_int_equal(runs, RUNS);
	rw_listener_leave(l);
}

static void when_all_changes_at_once_the_newest_is_told_in_portions(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	static bool told[MANY][RW_CORE_RINGS_MAX];
	unsigned count = 0;

	fill_core(f);
	struct rw_listener *l = join(NULL);
	do {
		turn(250);
		assert_false(take(l, text));
	} while (strlen(text) > 0);
	for (int i = 0; i < MANY; i++)
		withdraw(f, i);
	memset(told, 0, sizeof(told));
	do {
		turn(250);
		assert_false(take(l, text));
		for (char *at = text; (at = strstr(at, "\"deployment\":\"d")) != NULL; at++) {
			unsigned d, r;

			assert_int_equal(
				sscanf(at, "\"deployment\":\"d%u\",\"ring\":\"r%u\"", &d, &r), 2);
			assert_true(d < MANY && r < RW_CORE_RINGS_MAX);
			assert_non_null(strstr(at, "\"reasons\":[\"withdrawn\""));
			count += !told[d][r];
			told[d][r] = true;
		}
	} while (strlen(text) > 0);
	assert_int_equal(count, RUNS);
	rw_listener_leave(l);
}

static void what_was_missed_is_told_in_portions_and_in_order(void **state)
{
	enum { EVENTS = 1000, TRANSITIONS = 900 };
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	uint64_t event = 0, transition = 0;
	unsigned events = 0, transitions = 0, portions = 0;

	for (uint64_t i = 1; i <= EVENTS; i++)
		push_event(f, i);
	for (int i = 0; i < TRANSITIONS; i++)
		push_transition(f, "h1");
	struct rw_listener *l = join("0-0");
	for (size_t length = 1; length > 0; portions++) {
		turn(250);
		assert_false(take(l, text));
		length = strlen(text);
		assert_true(length <= RW_FEED_QUEUE_BYTES);
		events += count_of(text, "event: event\n");
		transitions += count_of(text, "event: transition\n");
		for (const char *at = text; (at = strstr(at, "id: ")) != NULL; at++) {
			uint64_t e = 0, t = 0;

			if (sscanf(at, "id: %" SCNu64 "-%" SCNu64, &e, &t) != 2)
				continue;
			assert_true(e >= event && t >= transition);
			event = e;
			transition = t;
		}
		if (portions == 0)
			push_event(f, EVENTS + 1);
	}
	assert_true(portions > 2);
	assert_int_equal(events, EVENTS + 1);
	assert_int_equal(transitions, TRANSITIONS + AX_HOSTS); /* who came */
	rw_listener_leave(l);
}

static void a_thread_of_its_own_goes_on_as_portions_are_taken(void **state)
{
	struct ax *f = *state;
	static char text[TEXT_BYTES];
	const struct timespec pause = {.tv_nsec = 1000 * 1000};
	const struct rw_feed_config config = {
		.hub = &f->hub, .store_path = f->store, .name = "c1", .wake = on_wake};
	struct rw_feed *feed;
	struct rw_listener *l;
	unsigned runs = 0;

	fill_core(f);
	assert_int_equal(rw_feed_start(&config, &feed), 0);
	assert_int_equal(rw_feed_join(feed, "good", NULL, NULL, &l), 0);
	while (runs < RUNS) {
		size_t used = 0;

		/* Of a message that is cut in two, the end comes with the next piece. */
		while (used < TEXT_BYTES - 1 &&
		       (used == 0 || text[used - 1] != '\n' || text[used - 2] != '\n')) {
			ssize_t n =
				rw_listener_take(l, text + used, TEXT_BYTES - 1 - used, on_wait);

			assert_true(n >= 0);
			used += (size_t)n;
			if (n == 0)
				nanosleep(&pause, NULL);
		}
		text[used] = '\0';
		runs += count_of(text, "event: verdict\n");
	}
	assert_int_equal(runs, RUNS);
	rw_feed_stop(feed);
	rw_listener_leave(l);
	rw_feed_free(feed);
}

static bool is_good(void *context, const char *token)
{
	return strcmp(token, context) == 0;
}

static void listeners_are_counted_and_end_with_their_token_or_the_feed(void **state)
{
	static char text[TEXT_BYTES];
	struct rw_listener *all[RW_FEED_LISTENERS], *more;

	(void)state;
	for (int i = 0; i < RW_FEED_LISTENERS; i++)
		all[i] = join(NULL);
	assert_int_equal(rw_feed_join(bench.feed, "good", NULL, NULL, &more), -EBUSY);
	rw_listener_leave(all[0]);
	assert_int_equal(rw_feed_join(bench.feed, "bad", NULL, NULL, &all[0]), 0);
	turn(250);
	rw_feed_check_tokens(bench.feed, is_good, (void *)"good");
	assert_true(take(all[0], text));
	assert_non_null(
		strstr(text, "event: overflow\ndata: {\"reason\":\"the token is good no more"));
	assert_false(take(all[1], text)); /* and waits */
	bench.woken = 0;
	rw_feed_stop(bench.feed);
	assert_int_equal(bench.woken, 1);
	assert_true(take(all[1], text));
	assert_int_equal(rw_feed_join(bench.feed, "good", NULL, NULL, &more), -ESHUTDOWN);
	for (int i = 0; i < RW_FEED_LISTENERS; i++)
		rw_listener_leave(all[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_comes_is_told_how_things_stand_and_then_what_changes),
		TEST(rings_are_told_once_a_second_and_life_every_five),
		TEST(rows_are_told_once_and_again_to_who_has_missed_them),
		TEST(what_cannot_be_resumed_is_said),
		TEST(who_is_too_slow_is_told_so_and_no_other_suffers),
		TEST(a_loop_that_stands_still_is_silent),
		TEST(how_much_stands_is_told_in_portions),
		TEST(when_all_changes_at_once_the_newest_is_told_in_portions),
		TEST(what_was_missed_is_told_in_portions_and_in_order),
		TEST(a_thread_of_its_own_goes_on_as_portions_are_taken),
		TEST(listeners_are_counted_and_end_with_their_token_or_the_feed),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
