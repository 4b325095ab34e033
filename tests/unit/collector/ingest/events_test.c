/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Ack covers all events before it, so no event that was refused may ever
 * stand behind a taken one; and what is refused has not been judged.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/ingest/events.h"
#include "collector/ingest/session.h"

static const char boot[] = "00000000-0000-4000-8000-000000000001";
static uint8_t spool[16] = {7};

struct fixture {
	char folder[64], path[96];
	uv_loop_t loop;
	struct rw_policy policy;
	struct rw_hub *hub;
	struct rw_ingest ingest;
	struct rw_session session; /* lingering, so that nothing is sent */
};

static void begin_session(struct fixture *f)
{
	struct rw_boot life = {.id = {1}, .order = 1, .boot_ms = 1000};
	rw_host_handle host;

	struct rw_now now = rw_hub_turn_begin(f->hub);
	assert_int_equal(
		rw_core_hello(rw_hub_core(f->hub), "h1", "canary", &life, RW_END_NONE, now, &host),
		0);
	rw_hub_turn_end(f->hub);
	f->session.ingest = &f->ingest;
	f->session.state = RW_SESSION_LINGERING;
	f->session.host = host;
	snprintf(f->session.name, sizeof(f->session.name), "h1");
	snprintf(f->session.ring, sizeof(f->session.ring), "canary");
	rw_spool_marks_begin_session(rw_hosts_at(rw_hub_hosts(f->hub), host));
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[RW_HUB_ERROR_BYTES];

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/ringwatch-ingest-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/store.db", f->folder);
	f->policy.timing = rw_timing_defaults();
	f->policy.ring_count = 1;
	struct rw_ring_policy *ring = &f->policy.rings[0];
	snprintf(ring->name, sizeof(ring->name), "canary");
	ring->order = 1;
	ring->least_hosts = 1;
	ring->bake_ms = 1000;
	ring->step_count = 1;
	ring->step_ppm[0] = RW_PPM;
	ring->min_coverage_ppm = ring->min_exposed_ppm = RW_PPM;
	ring->limits[RW_RULE_CRASHED].judged = true;
	ring->crash_kinds = UINT32_MAX; /* whatever happens is a crash */
	assert_int_equal(uv_loop_init(&f->loop), 0);
	const struct rw_hub_config config = {
		.policy = &f->policy, .hosts_max = 10, .store_path = f->path};
	if (rw_hub_open(&f->loop, &config, &f->hub, error) != 0)
		fail_msg("%s", error);
	f->ingest.hub = f->hub;
	f->ingest.config.events_burst = 1000000;
	f->ingest.config.events_per_second = 1;
	rw_hub_set_ingest(f->hub, NULL);
	begin_session(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
	char path[128];

	rw_hub_close(f->hub);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	rw_hub_free(f->hub);
	uv_loop_close(&f->loop);
	free(f->ingest.pending);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
		(void)unlink(path);
	}
	(void)rmdir(f->folder);
	free(f);
	return 0;
}

static void push_kind(struct fixture *f, uint64_t first, uint64_t last, Ringwatch__V1__Kind kind)
{
	static uint8_t log[] = "a log";
	bool is_excerpt = kind == RINGWATCH__V1__KIND__KIND_LOG_EXCERPT;
	Ringwatch__V1__Event events[RW_EVENTS_PER_BATCH];
	Ringwatch__V1__Event *list[RW_EVENTS_PER_BATCH];
	Ringwatch__V1__EventBatch batch = RINGWATCH__V1__EVENT_BATCH__INIT;

	for (uint64_t n = first; n <= last; n++) {
		Ringwatch__V1__Event *e = &events[n - first];
		ringwatch__v1__event__init(e);
		e->sequence = n;
		e->kind = kind;
		e->about = is_excerpt ? 1 : 0;
		e->log.data = log;
		e->log.len = e->log_bytes = is_excerpt ? sizeof(log) : 0;
		e->severity = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
		e->source = RINGWATCH__V1__SOURCE__SOURCE_LOG;
		e->boot_id = (char *)(uintptr_t)boot;
		e->boot_order = 1;
		e->boot_ms = 5000; /* after whatever the test did before */
		e->comm = e->symbol = e->module = e->detail = (char *)(uintptr_t) "";
		e->signature = (char *)(uintptr_t) "warning:f+0x1";
		e->count = 1;
		list[n - first] = e;
	}
	batch.spool_id.data = spool;
	batch.spool_id.len = sizeof(spool);
	batch.boot_id = (char *)(uintptr_t)boot;
	batch.n_events = (size_t)(last - first + 1);
	batch.events = list;
	rw_hub_turn_begin(f->hub);
	rw_events_take(&f->session, &batch);
	rw_hub_turn_end(f->hub);
}

static void push(struct fixture *f, uint64_t first, uint64_t last)
{
	push_kind(f, first, last, RINGWATCH__V1__KIND__KIND_WARNING);
}

static uint64_t received(struct fixture *f)
{
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(f->hub), f->session.host);
	struct rw_spool_mark *mark = rw_spool_mark_find(entry, spool);

	return mark == NULL ? 0 : mark->received;
}

static bool has_room(struct fixture *f)
{
	return rw_store_has_room(rw_hub_store(f->hub), RW_EVENTS_PER_BATCH);
}

/* Fills the store's queue, in a turn that stays open so that nothing leaves it. */
static uint64_t fill(struct fixture *f)
{
	uint64_t last = 0;

	rw_hub_turn_begin(f->hub);
	while (has_room(f)) {
		push(f, last + 1, last + RW_EVENTS_PER_BATCH);
		last += RW_EVENTS_PER_BATCH;
		assert_int_equal(received(f), last);
	}
	return last;
}

static void drain(struct fixture *f)
{
	struct rw_store_stats stats;

	rw_hub_turn_end(f->hub);
	assert_int_equal(rw_hub_wait_committed(f->hub, 1), 0);
	do {
		usleep(1000);
		rw_store_stats(rw_hub_store(f->hub), &stats);
	} while (stats.queued > 0);
	assert_true(has_room(f));
}

static void test_nothing_is_taken_behind_a_refused_batch(void **state)
{
	struct fixture *f = *state;
	uint64_t last = fill(f);
	size_t pending = f->ingest.pending_count;

	push(f, last + 1, last + 64);
	assert_int_equal(received(f), last);
	drain(f);
	/* There is room again when the batches arrive that were on their way. */
	push(f, last + 65, last + 128);
	push(f, last + 129, last + 192);
	assert_int_equal(received(f), last);
	assert_int_equal(f->ingest.pending_count, pending);

	/* It comes again, and then the rest is taken too. */
	push(f, last + 1, last + 64);
	assert_int_equal(received(f), last + 64);
	push(f, last + 65, last + 128);
	assert_int_equal(received(f), last + 128);
}

static void test_a_new_session_may_begin_behind_it(void **state)
{
	struct fixture *f = *state;
	uint64_t last = fill(f);

	push(f, last + 1, last + 64);
	drain(f);
	/* The spool was full and has dropped its oldest: that gap is the host's own. */
	begin_session(f);
	push(f, last + 65, last + 128);
	assert_int_equal(received(f), last + 128);
}

static void expose(struct fixture *f)
{
	struct rw_deployment_row row = {.ring_count = 1};

	snprintf(row.id, sizeof(row.id), "d");
	snprintf(row.component, sizeof(row.component), "c");
	snprintf(row.version, sizeof(row.version), "1");
	snprintf(row.rings[0], sizeof(row.rings[0]), "canary");
	row.exposure = RW_EXPOSURE_FIXED;
	struct rw_now now = rw_hub_turn_begin(f->hub);
	assert_int_equal(rw_core_deploy_create(rw_hub_core(f->hub), &row, now).status, 0);
	assert_int_equal(rw_core_deploy_start(rw_hub_core(f->hub), "d", "canary", 1, now).status,
			 0);
	rw_hub_turn_end(f->hub);
}

static uint64_t crashed(struct fixture *f)
{
	static struct rw_verdict verdict;

	struct rw_now now = rw_hub_turn_begin(f->hub);
	rw_core_verdict(rw_hub_core(f->hub), "d", "canary", RW_FOR_ADVANCE, now, &verdict);
	rw_hub_turn_end(f->hub);
	return verdict.crashed;
}

static void test_a_log_excerpt_is_no_happening(void **state)
{
	struct fixture *f = *state;

	push(f, 1, 1);
	expose(f);
	push_kind(f, 2, 3, RINGWATCH__V1__KIND__KIND_LOG_EXCERPT);
	assert_int_equal(received(f), 3); /* it is acknowledged like any */
	assert_int_equal(f->ingest.pending_count, 2);
	assert_int_equal(crashed(f), 0);
	assert_int_equal(rw_hub_counters(f->hub)->events_received, 1);
	assert_int_equal(rw_hub_counters(f->hub)->excerpts_received, 2);
	push(f, 4, 4);
	assert_int_equal(crashed(f), 1);
}

static void test_log_excerpts_leave_events_their_quota(void **state)
{
	struct fixture *f = *state;
	struct rw_store_stats stats;

	f->ingest.config.events_burst = 8;
	push(f, 1, 1);
	push_kind(f, 2, 21, RINGWATCH__V1__KIND__KIND_LOG_EXCERPT);
	push(f, 22, 25);
	assert_int_equal(received(f), 25);
	assert_int_equal(rw_hub_counters(f->hub)->events_over_quota, 0);
	assert_int_equal(rw_hub_wait_committed(f->hub, 25), 0);
	rw_store_stats(rw_hub_store(f->hub), &stats);
	assert_int_equal(stats.excerpts_kept, 1);
	assert_int_equal(stats.excerpts_unmatched, 2); /* it has its log */
	assert_int_equal(stats.excerpts_over_quota, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_taken_behind_a_refused_batch,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_new_session_may_begin_behind_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_log_excerpt_is_no_happening, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_log_excerpts_leave_events_their_quota, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
