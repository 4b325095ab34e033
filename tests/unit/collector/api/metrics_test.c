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

/* A sample of the family, or of the histogram that is called so. */
static bool is_of(const char *line, const char *family)
{
	static const char *const endings[] = {"", "_bucket", "_sum", "_count"};
	size_t length = strcspn(line, "{ ");
	char name[96];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", family, endings[i]);
		if (strlen(name) == length && strncmp(name, line, length) == 0)
			return true;
	}
	return false;
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
			assert_true(strcmp(type, "gauge") == 0 || strcmp(type, "counter") == 0 ||
				    strcmp(type, "histogram") == 0);
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
			assert_true(count > 0);
			assert_true(is_of(line, announced[count - 1]));
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
	s->store.commit_us = 1250000;
	s->store.commits_within[1] = 2;
	s->store.commits_within[RW_STORE_LATENCY_BUCKETS - 1] = 1;
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
	has_line(&reply, "ringwatch_store_commit_seconds_bucket{le=\"0.001\"} 0");
	has_line(&reply, "ringwatch_store_commit_seconds_bucket{le=\"0.005\"} 2");
	has_line(&reply, "ringwatch_store_commit_seconds_bucket{le=\"5\"} 2");
	has_line(&reply, "ringwatch_store_commit_seconds_bucket{le=\"+Inf\"} 3");
	has_line(&reply, "ringwatch_store_commit_seconds_sum 1.25");
	has_line(&reply, "ringwatch_store_commit_seconds_count 3");
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

/* The value of the sample that begins so. */
static uint64_t figure(const struct ax *f, const char *sample)
{
	struct ax_reply reply = scrape(f);
	char line[160];

	snprintf(line, sizeof(line), "\n%s ", sample);
	const char *at = strstr(reply.body, line);
	if (at == NULL)
		fail_msg("no sample '%s' in:\n%s", sample, reply.body);
	uint64_t value = strtoull(at + strlen(line), NULL, 10);
	ax_release(&reply);
	return value;
}

static void one_more(const struct ax *f, const char *path, const char *token, int status,
		     const char *sample)
{
	uint64_t before = figure(f, sample);
	struct ax_reply reply = ax_ask(f, token, "GET", path, NULL);

	assert_int_equal(reply.status, status);
	ax_release(&reply);
	if (figure(f, sample) != before + 1)
		fail_msg("%s: %s was %u", path, sample, (unsigned)before);
}

static void test_http_counts_itself(void **state)
{
	const struct ax *f = *state;

#define REQUESTS(route, status)                                                                    \
	"ringwatch_http_requests_total{route=\"" route "\",status=\"" status "\"}"
#define REFUSED(reason) "ringwatch_http_requests_refused_total{reason=\"" reason "\"}"
	one_more(f, "/v1/rings", "read", 200, REQUESTS("list", "2xx"));
	one_more(f, "/v1/hosts/h1", "read", 200,
		 "ringwatch_http_request_seconds_bucket{route=\"list\",le=\"+Inf\"}");
	one_more(f, "/v1/hosts/h1", "read", 200,
		 "ringwatch_http_request_seconds_count{route=\"list\"}");
	one_more(f, "/healthz", "", 200, REQUESTS("health", "2xx"));
	one_more(f, "/", "", 200, REQUESTS("page", "2xx"));
	one_more(f, "/v1/verdict?deployment=none&ring=canary", "read", 200,
		 REQUESTS("verdict", "2xx"));
	one_more(f, "/v1/rings", "", 401, REQUESTS("list", "4xx"));
	one_more(f, "/v1/rings", "", 401, REFUSED("unauthorized"));
	one_more(f, "/v1/flagger/gate", "read", 405, REFUSED("method_not_allowed"));
	one_more(f, "/v1/hosts/nobody", "read", 404, REFUSED("not_found"));
	one_more(f, "/some/where", "read", 404, REQUESTS("none", "4xx"));
	one_more(f, "/api/v1/query?query=no", "", 400, REQUESTS("query", "4xx"));
	/* The scrape's own answer is not queued yet when it counts. */
	uint64_t before = figure(f, REQUESTS("metrics", "2xx"));
	assert_int_equal(figure(f, REQUESTS("metrics", "2xx")), before + 1);
	/* What a client sends is no label. */
	struct ax_reply reply = scrape(f);
	assert_null(strstr(reply.body, "where"));
	ax_release(&reply);
}

static void wait_for(const struct ax *f, const char *sample, uint64_t value)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	for (int i = 0; i < 1000 && figure(f, sample) != value; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(figure(f, sample), value);
}

static void test_http_counts_connections_and_streams(void **state)
{
	static const char ask[] = "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n"
				  "Authorization: Bearer read-token\r\n\r\n";
	static const char left[] = "ringwatch_http_streams_ended_total{reason=\"left\"}";
	const struct ax *f = *state;
	uint64_t gone = figure(f, left);

	wait_for(f, "ringwatch_http_connections", 1); /* the scrape's own */
	int fd = ax_connect(f);
	wait_for(f, "ringwatch_http_connections", 2);
	ax_send(fd, ask, sizeof(ask) - 1);
	wait_for(f, "ringwatch_http_streams", 1);
	close(fd);
	/* It is heard of when something is told. */
	ax_run(*state, 6000);
	wait_for(f, "ringwatch_http_streams", 0);
	assert_int_equal(figure(f, left), gone + 1);
	assert_int_equal(figure(f, "ringwatch_http_connections_cut_total{reason=\"made_room\"}"),
			 0);
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
		cmocka_unit_test(test_http_counts_itself),
		cmocka_unit_test(test_http_counts_connections_and_streams),
		cmocka_unit_test(test_no_series_is_a_host_s),
		cmocka_unit_test(test_what_has_ended_leaves),
	};

	return cmocka_run_group_tests(tests, ax_setup, ax_teardown);
}
