/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts run is kept once for all that run the same; a report is taken whole or not
 * at all; and a change is one against whatever the host ran before in this life.
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

#include "collector/ingest/session.h"
#include "collector/ingest/versions.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- sets ------------------------------------------------------------------- */

static void equal_sets_are_kept_once(void **state)
{
	static const struct rw_named_version one[] = {{"kernel", "6.1"}, {"marker:a", "1"}};
	static const struct rw_named_version two[] = {{"kernel", "6.1"}, {"marker:a", "2"}};
	/* the same bytes, cut elsewhere */
	static const struct rw_named_version odd[] = {{"kernel", ""}, {"6.1", "marker:a"}};
	struct rw_version_table *table = rw_version_table_new();
	struct rw_version_set *sets[100];

	(void)state;
	assert_non_null(table);
	for (size_t i = 0; i < 100; i++)
		sets[i] = rw_version_set_share(table, i % 10 == 0 ? two : one, 2);
	assert_int_equal(rw_version_sets(table), 2);
	assert_ptr_equal(sets[1], sets[99]);
	struct rw_version_set *other = rw_version_set_share(table, odd, 2);
	assert_int_equal(rw_version_sets(table), 3);
	rw_version_set_free(other);
	assert_string_equal(rw_version_set_find(sets[0], "marker:a"), "2");
	assert_null(rw_version_set_find(sets[0], "2"));
	assert_int_equal(rw_version_set_count(sets[0]), 2);
	assert_string_equal(rw_version_set_at(sets[0], 1).subject, "marker:a");
	for (size_t i = 0; i < 100; i += 10)
		rw_version_set_free(sets[i]);
	assert_int_equal(rw_version_sets(table), 1);
	/* What is still held outlives the table. */
	rw_version_table_free(table);
	assert_string_equal(rw_version_set_find(sets[1], "kernel"), "6.1");
	for (size_t i = 0; i < 100; i++) {
		if (i % 10 != 0)
			rw_version_set_free(sets[i]);
	}
}

static void no_set_is_an_empty_one(void **state)
{
	(void)state;
	rw_version_set_free(NULL);
	assert_int_equal(rw_version_set_count(NULL), 0);
	assert_null(rw_version_set_find(NULL, "kernel"));
}

static void the_last_value_that_was_not_empty_is_remembered(void **state)
{
	static const struct rw_named_version first[] = {
		{"kernel", "6.1"}, {"marker:a", "1"}, {"module:m", "X"}};
	static const struct rw_named_version then[] = {{"kernel", "6.2"}, {"module:m", ""}};
	struct rw_version_table *table = rw_version_table_new();
	struct rw_version_set *a = rw_version_set_share(table, first, COUNT(first));
	struct rw_version_set *b = rw_version_set_share(table, then, COUNT(then));
	struct rw_version_set *ran = rw_version_set_remember(table, NULL, a);

	(void)state;
	assert_ptr_equal(ran, a); /* shared, too */
	struct rw_version_set *now = rw_version_set_remember(table, ran, b);
	assert_int_equal(rw_version_set_count(now), 3);
	assert_string_equal(rw_version_set_find(now, "kernel"), "6.2");
	assert_string_equal(rw_version_set_find(now, "marker:a"), "1");
	assert_string_equal(rw_version_set_find(now, "module:m"), "X");
	rw_version_set_free(a);
	rw_version_set_free(b);
	rw_version_set_free(ran);
	rw_version_set_free(now);
	assert_int_equal(rw_version_sets(table), 0);
	rw_version_table_free(table);
}

/* A host whose subjects are always new ones costs no more than this. */
static void memory_of_a_host_has_an_end(void **state)
{
	struct rw_version_table *table = rw_version_table_new();
	struct rw_version_set *ran = NULL;
	char names[RW_VERSIONS_MAX][32];

	(void)state;
	for (uint32_t report = 0; report < 10; report++) {
		struct rw_named_version all[RW_VERSIONS_MAX];

		for (uint32_t i = 0; i < RW_VERSIONS_MAX; i++) {
			snprintf(names[i], sizeof(names[i]), "marker:m%u-%u", report, i);
			all[i] = (struct rw_named_version){names[i], "1"};
		}
		struct rw_version_set *now = rw_version_set_share(table, all, RW_VERSIONS_MAX);
		struct rw_version_set *next = rw_version_set_remember(table, ran, now);
		rw_version_set_free(ran);
		rw_version_set_free(now);
		ran = next;
		assert_true(rw_version_set_count(ran) <= RW_VERSIONS_KEPT);
	}
	assert_int_equal(rw_version_set_count(ran), RW_VERSIONS_KEPT);
	assert_non_null(rw_version_set_find(ran, "marker:m9-63"));
	assert_null(rw_version_set_find(ran, "marker:m0-0"));
	rw_version_set_free(ran);
	rw_version_table_free(table);
}

/* ---- reports ------------------------------------------------------------------ */

struct fixture {
	char folder[64], path[96];
	uv_loop_t loop;
	struct rw_policy policy;
	struct rw_hub *hub;
	struct rw_ingest ingest;
	struct rw_session session; /* lingering, so that nothing is sent */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct rw_boot life = {.id = {1}, .order = 1, .boot_ms = 1000};
	char error[RW_HUB_ERROR_BYTES];

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/ringwatch-versions-XXXXXX");
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
	assert_int_equal(uv_loop_init(&f->loop), 0);
	const struct rw_hub_config config = {
		.policy = &f->policy, .hosts_max = 10, .store_path = f->path};
	if (rw_hub_open(&f->loop, &config, &f->hub, error) != 0)
		fail_msg("%s", error);
	f->ingest.hub = f->hub;
	struct rw_now now = rw_hub_turn_begin(f->hub);
	assert_int_equal(rw_core_hello(rw_hub_core(f->hub), "h1", "canary", &life, RW_END_NONE, now,
				       &f->session.host),
			 0);
	rw_hub_turn_end(f->hub);
	f->session.ingest = &f->ingest;
	f->session.state = RW_SESSION_LINGERING;
	snprintf(f->session.name, sizeof(f->session.name), "h1");
	snprintf(f->session.ring, sizeof(f->session.ring), "canary");
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
	for (size_t i = 0; i < COUNT(endings); i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
		(void)unlink(path);
	}
	(void)rmdir(f->folder);
	free(f);
	return 0;
}

static void report(struct fixture *f, const struct rw_named_version *versions, size_t count)
{
	Ringwatch__V1__Version rows[RW_VERSIONS_MAX];
	Ringwatch__V1__Version *pointers[RW_VERSIONS_MAX];
	Ringwatch__V1__Versions m = RINGWATCH__V1__VERSIONS__INIT;

	for (size_t i = 0; i < count; i++) {
		ringwatch__v1__version__init(&rows[i]);
		rows[i].subject = (char *)(uintptr_t)versions[i].subject;
		rows[i].value = (char *)(uintptr_t)versions[i].value;
		pointers[i] = &rows[i];
	}
	m.n_versions = count;
	m.versions = pointers;
	rw_hub_turn_begin(f->hub);
	rw_versions_take(&f->session, &m);
	rw_hub_turn_end(f->hub);
}

static void report_marker(struct fixture *f, const char *value)
{
	const struct rw_named_version one[] = {{"marker:a", value}};

	report(f, one, 1);
}

static void marker_is(struct fixture *f, const char *value)
{
	struct rw_host_facts facts;

	rw_hub_host_facts(f->hub, f->session.host, &facts);
	assert_int_equal(facts.version_count, 1);
	assert_string_equal(facts.versions[0].subject, "marker:a");
	assert_string_equal(facts.versions[0].value, value);
}

static bool is_unregistered(struct fixture *f)
{
	struct rw_host_row row;

	assert_true(rw_core_host_at(rw_hub_core(f->hub), f->session.host, &row));
	return row.unregistered;
}

static void create(struct fixture *f, const char *id, const char *version)
{
	struct rw_deployment_row spec = {.exposure = RW_EXPOSURE_REPORTED, .ring_count = 1};

	snprintf(spec.id, sizeof(spec.id), "%s", id);
	snprintf(spec.component, sizeof(spec.component), "driver");
	snprintf(spec.version, sizeof(spec.version), "%s", version);
	snprintf(spec.match, sizeof(spec.match), "marker:a");
	snprintf(spec.rings[0], sizeof(spec.rings[0]), "canary");
	struct rw_now now = rw_hub_turn_begin(f->hub);
	assert_int_equal(rw_core_deploy_create(rw_hub_core(f->hub), &spec, now).status, 0);
	rw_hub_deployments_changed(f->hub, id);
	rw_hub_turn_end(f->hub);
}

static uint64_t exposed_to(struct fixture *f, const char *deployment)
{
	struct rw_verdict verdict;

	rw_core_verdict(rw_hub_core(f->hub), deployment, "canary", RW_FOR_ADVANCE,
			rw_hub_now(f->hub), &verdict);
	return verdict.exposed;
}

static void a_change_is_one_against_the_last_value_that_stood(void **state)
{
	struct fixture *f = *state;

	report_marker(f, "1");
	assert_false(is_unregistered(f)); /* the first word is no change */
	report_marker(f, "1");
	assert_false(is_unregistered(f));
	report_marker(f, "");
	assert_false(is_unregistered(f)); /* nor is to go */
	report(f, NULL, 0);
	report_marker(f, "1");
	assert_false(is_unregistered(f));
	report(f, NULL, 0);
	report_marker(f, "2");
	assert_true(is_unregistered(f));
	marker_is(f, "2");
}

static void a_change_that_a_deployment_names_is_none(void **state)
{
	struct fixture *f = *state;

	create(f, "d", "2");
	report_marker(f, "1");
	assert_int_equal(exposed_to(f, "d"), 0);
	report_marker(f, "2");
	assert_false(is_unregistered(f));
	assert_int_equal(exposed_to(f, "d"), 1);
}

static void a_deployment_finds_what_was_reported_before(void **state)
{
	struct fixture *f = *state;

	report_marker(f, "2");
	create(f, "other", "3");
	assert_int_equal(exposed_to(f, "other"), 0);
	create(f, "d", "2");
	assert_int_equal(exposed_to(f, "d"), 1);
	/* What has gone meanwhile is not found. */
	report(f, NULL, 0);
	create(f, "late", "2");
	assert_int_equal(exposed_to(f, "late"), 0);
}

static void a_report_that_says_something_twice_is_not_taken(void **state)
{
	static const struct rw_named_version twice[] = {
		{"marker:a", "5"}, {"kernel", "6.1"}, {"marker:a", "6"}};
	struct fixture *f = *state;

	report_marker(f, "1");
	report(f, twice, COUNT(twice));
	marker_is(f, "1");
	assert_false(is_unregistered(f));
}

/* Nor can one host keep the disk busy: its report is put off, and the old one stands. */
static void who_changes_all_the_time_is_put_off(void **state)
{
	struct fixture *f = *state;
	char value[16];

	/* Each costs its change and its audit row; the clock gives back next to nothing. */
	for (int i = 0; i < 4 * RW_VERSIONS_BURST; i++) {
		snprintf(value, sizeof(value), "%d", i);
		report_marker(f, value);
	}
	struct rw_host_facts facts;
	rw_hub_host_facts(f->hub, f->session.host, &facts);
	assert_string_not_equal(facts.versions[0].value, value);
	report_marker(f, facts.versions[0].value); /* what is no change is taken */
	marker_is(f, facts.versions[0].value);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_sets_are_kept_once),
		cmocka_unit_test(no_set_is_an_empty_one),
		cmocka_unit_test(the_last_value_that_was_not_empty_is_remembered),
		cmocka_unit_test(memory_of_a_host_has_an_end),
		CASE(a_change_is_one_against_the_last_value_that_stood),
		CASE(a_change_that_a_deployment_names_is_none),
		CASE(a_deployment_finds_what_was_reported_before),
		CASE(a_report_that_says_something_twice_is_not_taken),
		CASE(who_changes_all_the_time_is_put_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
