/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is news to whom: verdicts made by hand in, rows of a real store out. Nothing is sent:
 * the thread is never started.
 */
#include "tests/unit/core/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "collector/webhook/webhooks.h"

enum { SEEN_MAX = 16, SEEN_BYTES = 160 };

struct test {
	struct fixture *core;
	char folder[64], path[96];
	char error[RW_STORE_ERROR_BYTES];
	struct rw_store *store;
	struct rw_webhooks *webhooks;
	uint64_t last_row;               /* what was seen of the rows */
	char seen[SEEN_MAX][SEEN_BYTES]; /* newest first */
	size_t used;
};

static struct rw_webhook_config *config_of(const char *name, enum rw_webhook_body body)
{
	struct rw_webhook_config *config = calloc(1, sizeof(*config));

	assert_non_null(config);
	config->count = 1;
	snprintf(config->targets[0].name, sizeof(config->targets[0].name), "%s", name);
	config->targets[0].body = body;
	config->targets[0].on_verdict = true;
	return config;
}

static void open_all(struct test *t, struct rw_webhook_config *config)
{
	if (rw_store_open(t->path, 0, NULL, &t->store, t->error) != 0 ||
	    rw_webhooks_open("c1", t->path, t->store, config, &t->webhooks, t->error) != 0)
		fail_msg("%s", t->error);
}

static void close_all(struct test *t)
{
	rw_webhooks_free(t->webhooks);
	rw_store_close(t->store);
	t->webhooks = NULL;
	t->store = NULL;
}

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	snprintf(t->folder, sizeof(t->folder), "/tmp/rw-tell-XXXXXX");
	assert_non_null(mkdtemp(t->folder));
	snprintf(t->path, sizeof(t->path), "%s/collector.db", t->folder);
	t->core = fx_new(fx_policy(1));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	close_all(t);
	fx_free(t->core);
	DIR *folder = opendir(t->folder);
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	}
	closedir(folder);
	assert_int_equal(rmdir(t->folder), 0);
	free(t);
	return 0;
}

static struct rw_verdict verdict_of(const char *ring, enum rw_decision decision,
				    enum rw_reason reason)
{
	struct rw_verdict v = {.decision = decision, .evaluated_wall_ms = 1000};

	snprintf(v.deployment, sizeof(v.deployment), "d");
	snprintf(v.ring, sizeof(v.ring), "%s", ring);
	v.breaker_open = decision == RW_ABORT;
	v.reason_count = decision == RW_HOLD;
	v.reasons[0] = reason;
	return v;
}

/* One look at a run; `ring` NULL: at none, because its deployment has ended. */
static void look(struct test *t, const char *ring, enum rw_decision decision)
{
	rw_webhooks_look_begin(t->webhooks, false, false);
	if (ring != NULL) {
		struct rw_verdict v = verdict_of(ring, decision, RW_REASON_BAKE_INCOMPLETE);
		rw_webhooks_verdict(t->webhooks, &v);
	}
	rw_webhooks_look_end(t->webhooks, t->core->core, t->core->now);
}

static int see(void *context, const struct rw_delivery_read *row)
{
	struct test *t = context;

	if (row->row_id <= t->last_row)
		return 1;
	bool is_skipped = row->state == RW_DELIVERY_SKIPPED && strstr(row->error, "people") != NULL;

	assert_true(t->used < SEEN_MAX);
	snprintf(t->seen[t->used], sizeof(t->seen[0]), "%s %s%s", row->target, row->kind,
		 is_skipped ? " skipped" : "");
	t->used++;
	return 0;
}

/* What was pushed since the last time, oldest first. */
static void expect(struct test *t, const char *expected)
{
	const struct rw_delivery_query query = {.limit = 100};
	struct rw_store_reader *reader;
	struct rw_store_stats stats;
	uint64_t newest = t->last_row;

	do {
		sched_yield();
		rw_store_stats(t->store, &stats);
	} while (stats.queued > 0);
	assert_int_equal(rw_store_reader_open(t->path, &reader, t->error), 0);
	char text[SEEN_MAX * SEEN_BYTES] = "";
	size_t length = 0;

	t->used = 0;
	rw_store_reader_deliveries(reader, &query, see, t);
	rw_store_reader_close(reader);
	t->last_row = newest + t->used;
	for (size_t i = t->used; i-- > 0;)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
					   length == 0 ? "" : ", ", t->seen[i]);
	assert_string_equal(text, expected);
}

static void a_change_is_told_once(void **state)
{
	struct test *t = *state;

	open_all(t, config_of("p", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_HOLD);
	look(t, "r0", RW_HOLD);
	expect(t, "p hold");
	look(t, "r0", RW_PROCEED);
	look(t, "r0", RW_ABORT);
	look(t, "r0", RW_ABORT);
	expect(t, "p proceed, p abort");
	look(t, NULL, RW_HOLD);
	expect(t, "");
}

static void a_restart_repeats_nothing_and_loses_nothing(void **state)
{
	struct test *t = *state;

	open_all(t, config_of("p", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_PROCEED);
	expect(t, "p proceed");
	close_all(t);
	open_all(t, config_of("p", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_PROCEED);
	expect(t, "");
	close_all(t);
	open_all(t, config_of("p", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_ABORT); /* it changed while nobody looked */
	expect(t, "p abort");
}

static void a_hold_that_passes_by_itself_is_not_told(void **state)
{
	struct test *t = *state;
	struct rw_verdict v = verdict_of("r0", RW_HOLD, RW_REASON_STORE_FAILED);

	open_all(t, config_of("p", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_PROCEED);
	expect(t, "p proceed");
	rw_webhooks_verdict(t->webhooks, &v); /* a commit is under way */
	expect(t, "");
	rw_webhooks_look_begin(t->webhooks, false, true); /* the disk is broken */
	rw_webhooks_verdict(t->webhooks, &v);
	expect(t, "p hold");
	look(t, "r0", RW_PROCEED);
	expect(t, "p proceed");
	v = verdict_of("r0", RW_HOLD, RW_REASON_BLIND);
	rw_webhooks_look_begin(t->webhooks, true, false); /* it has just begun to listen */
	rw_webhooks_verdict(t->webhooks, &v);
	expect(t, "");
	v = verdict_of("r0", RW_ABORT, RW_REASON_BLIND);
	rw_webhooks_verdict(t->webhooks, &v);
	expect(t, "p abort");
}

static void a_pager_hears_of_aborts_and_their_ends_alone(void **state)
{
	struct test *t = *state;

	open_all(t, config_of("p", RW_WEBHOOK_PAGERDUTY));
	look(t, "r0", RW_HOLD);
	look(t, "r0", RW_PROCEED);
	expect(t, "");
	look(t, "r0", RW_ABORT);
	look(t, "r0", RW_HOLD);
	look(t, "r0", RW_PROCEED);
	expect(t, "p abort, p hold");
	look(t, "r0", RW_ABORT);
	close_all(t);
	open_all(t, config_of("p", RW_WEBHOOK_PAGERDUTY));
	look(t, NULL, RW_HOLD); /* it ended while nobody looked */
	look(t, NULL, RW_HOLD);
	expect(t, "p abort, p ended");
}

static void hawkbit_is_paused_again_after_an_abort_that_ended(void **state)
{
	struct test *t = *state;

	open_all(t, config_of("h", RW_WEBHOOK_HAWKBIT));
	look(t, "r0", RW_HOLD);
	look(t, "r0", RW_ABORT);
	look(t, "r0", RW_HOLD);
	expect(t, "h abort, h hold skipped");
	close_all(t);
	open_all(t, config_of("h", RW_WEBHOOK_HAWKBIT));
	look(t, "r0", RW_ABORT);
	expect(t, "h abort");
	look(t, NULL, RW_HOLD);
	expect(t, "");
}

static void who_is_new_learns_where_things_stand(void **state)
{
	struct test *t = *state;
	struct rw_webhook_config *two = config_of("p", RW_WEBHOOK_GENERIC);

	open_all(t, config_of("p", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_HOLD);
	expect(t, "p hold");
	two->count = 2;
	two->targets[1] = two->targets[0];
	snprintf(two->targets[1].name, sizeof(two->targets[1].name), "q");
	two->targets[1].ring_count = 1;
	snprintf(two->targets[1].rings[0], sizeof(two->targets[1].rings[0]), "r0");
	rw_webhooks_set_config(t->webhooks, two);
	look(t, "r0", RW_HOLD);
	expect(t, "q hold");
	look(t, "r1", RW_PROCEED); /* not for it */
	expect(t, "p proceed");
	/* One that goes and comes back has missed nothing that still is so. */
	rw_webhooks_set_config(t->webhooks, config_of("q", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_ABORT);
	expect(t, "q abort");
	rw_webhooks_set_config(t->webhooks, config_of("p", RW_WEBHOOK_GENERIC));
	look(t, "r0", RW_ABORT);
	expect(t, "p abort");
}

static void a_breaker_is_told_after_its_verdict(void **state)
{
	struct test *t = *state;
	struct rw_webhook_config *config = config_of("p", RW_WEBHOOK_GENERIC);
	struct rw_verdict v = verdict_of("r0", RW_ABORT, RW_REASON_BLIND);

	config->targets[0].on_breaker = true;
	open_all(t, config);
	rw_webhooks_breaker(t->webhooks, &v);
	look(t, "r0", RW_ABORT);
	expect(t, "p abort, p breaker");
	/* The next one, of another try of the same ring. */
	rw_webhooks_breaker(t->webhooks, &v);
	expect(t, "p breaker");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_change_is_told_once),
		TEST(a_restart_repeats_nothing_and_loses_nothing),
		TEST(a_hold_that_passes_by_itself_is_not_told),
		TEST(a_pager_hears_of_aborts_and_their_ends_alone),
		TEST(hawkbit_is_paused_again_after_an_abort_that_ended),
		TEST(who_is_new_learns_where_things_stand),
		TEST(a_breaker_is_told_after_its_verdict),
	};

	return cmocka_run_group_tests_name("webhook_tell", tests, NULL, NULL);
}
