/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus' text format 0.0.4: sound, bounded, and true to the collector. */
#include "tests/unit/collector/api/fixture.h"

static struct ax_reply scrape(const struct ax *f)
{
	struct ax_reply reply = ax_ask(f, "", "GET", "/metrics", NULL);

	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.text,
			       "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	return reply;
}

/* The line stands in the answer, whole. */
static void has_line(const struct ax_reply *reply, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (strstr(reply->body, whole) == NULL)
		fail_msg("no line '%s' in:\n%s", line, reply->body);
}

static void deploy(const struct ax *f, const char *id)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"deployment\":\"%s\",\"component\":\"c\",\"version\":\"1\",\"exposure\":"
		 "\"fixed\","
		 "\"match\":\"none\",\"rings\":[\"canary\"]}",
		 id);
	ax_expect(f, "POST", "/v1/deployments", text, 201, NULL);
	snprintf(text, sizeof(text), "/v1/deployments/%s/rings/canary/start", id);
	ax_expect(f, "POST", text, "{\"step\":1}", 200, NULL);
}

static void test_each_series_is_announced_once_and_stands_together(void **state)
{
	const struct ax *f = *state;
	char announced[96][64];
	size_t count = 0;
	struct ax_reply reply = scrape(f);

	for (char *rest = reply.body, *line; (line = strsep(&rest, "\n")) != NULL;) {
		char name[64] = "";
		char type[16] = "";

		if (*line == '\0')
			continue;
		if (sscanf(line, "# TYPE %63s %15s", name, type) == 2) {
			assert_true(strcmp(type, "gauge") == 0 || strcmp(type, "counter") == 0);
			for (size_t i = 0; i < count; i++)
				assert_string_not_equal(announced[i], name);
			assert_true(count < 96);
			/* A counter says so by its name, and nothing else does. */
			size_t length = strlen(name);
			bool total = length > 6 && strcmp(name + length - 6, "_total") == 0;
			assert_int_equal(total, strcmp(type, "counter") == 0);
			memcpy(announced[count++], name, sizeof(name));
		} else if (strncmp(line, "# HELP ", 7) != 0) {
			/* A sample belongs to the series announced last. */
			size_t length = strcspn(line, "{ ");
			assert_true(count > 0);
			assert_int_equal(strlen(announced[count - 1]), length);
			assert_memory_equal(announced[count - 1], line, length);
			char *end;
			strtod(strrchr(line, ' ') + 1, &end);
			assert_int_equal(*end, '\0');
		}
	}
	assert_true(count > 20);
	ax_release(&reply);
}

static void test_figures_of_the_collector(void **state)
{
	struct ax *f = *state;
	struct rw_hub_stats *s = &f->hub.stats;

	pthread_mutex_lock(&f->hub.lock);
	s->sessions = 3;
	s->heartbeats = UINT64_MAX; /* a counter is never rounded */
	s->rejected_frames[RW_WIRE_TRUNCATED] = 5;
	s->rejects_sent[RINGWATCH__V1__REJECT_CODE__REJECT_UNKNOWN_RING] = 2;
	s->loop_lag_us_max = 1500;
	s->store.last_commit_us = 250000;
	s->started_wall_ms = UINT64_C(1700000000500);
	struct rw_gasp_stats *gasps = rw_gasps_stats(f->hub.gasps);
	gasps->listening = true;
	gasps->limited_source = 11;
	gasps->forged = 12;
	gasps->acted = 13;
	gasps->proved = 14;
	gasps->hosts_armed = 15;
	s->excerpts_received = 9;
	s->store.excerpts_kept = 6;
	s->store.excerpts_unmatched = 1;
	s->store.excerpts_over_quota = 2;
	s->store.signatures_over_quota = 4;
	pthread_mutex_unlock(&f->hub.lock);
	struct ax_reply reply = scrape(f);
	has_line(&reply, "ringwatch_sessions 3");
	has_line(&reply, "ringwatch_heartbeats_total 18446744073709551615");
	has_line(&reply, "ringwatch_frames_rejected_total{reason=\"truncated\"} 5");
	has_line(&reply, "ringwatch_frames_rejected_total{reason=\"unknown_field\"} 0");
	has_line(&reply, "ringwatch_rejects_sent_total{code=\"unknown_ring\"} 2");
	has_line(&reply, "ringwatch_loop_lag_seconds 0.0015");
	has_line(&reply, "ringwatch_store_last_commit_seconds 0.25");
	has_line(&reply, "ringwatch_start_time_seconds 1700000000.5");
	has_line(&reply, "ringwatch_netconsole_listening 1");
	has_line(&reply, "ringwatch_netconsole_datagrams_total{result=\"limited_source\"} 11");
	has_line(&reply, "ringwatch_gasps_total{result=\"forged\"} 12");
	has_line(&reply, "ringwatch_gasps_acted_total 13");
	has_line(&reply, "ringwatch_netconsole_challenges_total{result=\"proved\"} 14");
	has_line(&reply, "ringwatch_netconsole_hosts_armed 15");
	has_line(&reply, "ringwatch_excerpts_received_total 9");
	has_line(&reply, "ringwatch_excerpts_total{result=\"kept\"} 6");
	has_line(&reply, "ringwatch_excerpts_total{result=\"no_event\"} 1");
	has_line(&reply, "ringwatch_excerpts_total{result=\"over_quota\"} 2");
	has_line(&reply, "ringwatch_signatures_over_quota_total 4");
	has_line(&reply, "ringwatch_ready 1");
	has_line(&reply, "ringwatch_blind 0");
	ax_release(&reply);
}

static void test_figures_of_rings_and_deployments(void **state)
{
	struct ax *f = *state;

	deploy(f, "d1");
	ax_run(f, 5000);
	struct ax_reply reply = scrape(f);
	has_line(&reply, "ringwatch_ring_hosts{ring=\"canary\",state=\"online\"} 5");
	has_line(&reply, "ringwatch_ring_hosts{ring=\"wide\",state=\"online\"} 0");
	has_line(&reply, "ringwatch_verdict{deployment=\"d1\",ring=\"canary\"} 0");
	has_line(&reply, "ringwatch_exposed_hosts{deployment=\"d1\",ring=\"canary\"} 5");
	has_line(&reply, "ringwatch_at_risk_hosts{deployment=\"d1\",ring=\"canary\"} 5");
	has_line(&reply, "ringwatch_module_failed_hosts{deployment=\"d1\",ring=\"canary\"} 0");
	has_line(&reply, "ringwatch_looping_hosts{deployment=\"d1\",ring=\"canary\"} 0");
	has_line(&reply, "ringwatch_control_failed_hosts{deployment=\"d1\",ring=\"canary\"} 0");
	has_line(&reply, "ringwatch_certified{deployment=\"d1\",ring=\"canary\"} 0");
	has_line(&reply, "ringwatch_ring_hosts{ring=\"canary\",state=\"retired\"} 0");
	has_line(&reply, "ringwatch_breaker_open{deployment=\"d1\",ring=\"canary\"} 0");
	has_line(&reply, "ringwatch_bake_required_seconds{deployment=\"d1\",ring=\"canary\"} 3600");
	ax_release(&reply);
}

static void test_what_hosts_of_a_ring_can_see(void **state)
{
	struct ax *f = *state;

	pthread_mutex_lock(&f->hub.lock);
	f->hub.coverage = (struct rw_ring_coverage){.hosts = 9, .safe_start = 2, .memory_spool = 1};
	f->hub.coverage.kinds[RINGWATCH__V1__KIND__KIND_OOPS] = (struct rw_kind_coverage){7, 1, 1};
	pthread_mutex_unlock(&f->hub.lock);
	struct ax_reply reply = scrape(f);
	has_line(&reply,
		 "ringwatch_ring_hosts_covered{ring=\"canary\",kind=\"oops\",by=\"bpf\"} 7");
	has_line(&reply,
		 "ringwatch_ring_hosts_covered{ring=\"canary\",kind=\"oops\",by=\"log\"} 1");
	has_line(&reply, "ringwatch_ring_hosts_covered{ring=\"wide\",kind=\"oops\",by=\"none\"} 1");
	has_line(&reply, "ringwatch_ring_hosts_in_safe_start{ring=\"canary\"} 2");
	has_line(&reply, "ringwatch_ring_hosts_with_memory_spool{ring=\"wide\"} 1");
	/* Of what nobody spoke there is no series. */
	assert_null(strstr(reply.body, "kind=\"panic\""));
	ax_release(&reply);
}

static void test_no_series_is_a_host_s(void **state)
{
	const struct ax *f = *state;
	struct ax_reply reply = scrape(f);

	assert_null(strstr(reply.body, "host="));
	assert_null(strstr(reply.body, "\"h1\""));
	ax_release(&reply);
}

static void test_what_has_ended_leaves(void **state)
{
	const struct ax *f = *state;

	deploy(f, "d2");
	struct ax_reply reply = scrape(f);
	assert_non_null(strstr(reply.body, "deployment=\"d2\""));
	ax_release(&reply);
	ax_expect(f, "POST", "/v1/deployments/d2/finish", "{}", 200, NULL);
	reply = scrape(f);
	assert_null(strstr(reply.body, "deployment=\"d2\""));
	ax_release(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_series_is_announced_once_and_stands_together),
		cmocka_unit_test(test_figures_of_the_collector),
		cmocka_unit_test(test_figures_of_rings_and_deployments),
		cmocka_unit_test(test_what_hosts_of_a_ring_can_see),
		cmocka_unit_test(test_no_series_is_a_host_s),
		cmocka_unit_test(test_what_has_ended_leaves),
	};

	return cmocka_run_group_tests(tests, ax_setup, ax_teardown);
}
