/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that sends, beside the loop's and the writer's: every verdict reaches a server
 * of ours while targets are changed and asked about.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/webhook/webhooks.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

enum { VERDICTS = 40, REQUEST_BYTES = 65536 };

struct test {
	char folder[64], path[96];
	char error[RW_STORE_ERROR_BYTES];
	struct rw_store *store;
	struct rw_webhooks *webhooks;
	int listener;
	unsigned port;
	pthread_t server;
	pthread_mutex_t lock;
	unsigned refusals; /* 503 so often, then 200 */
	unsigned taken;
};

/* ---- the server ----------------------------------------------------------------------- */

/* Head and body; whether all of it came. */
static bool read_request(int peer)
{
	static __thread char text[REQUEST_BYTES];
	size_t used = 0;

	while (used < sizeof(text) - 1) {
		ssize_t n = read(peer, text + used, sizeof(text) - 1 - used);
		if (n <= 0)
			return false;
		used += (size_t)n;
		text[used] = '\0';
		const char *body = strstr(text, "\r\n\r\n");
		const char *length = strstr(text, "Content-Length: ");
		if (body != NULL && length != NULL &&
		    used >= (size_t)(body + 4 - text) + strtoul(length + 16, NULL, 10))
			return true;
	}
	return false;
}

static void *serve(void *context)
{
	struct test *t = context;
	int peer;

	while ((peer = accept(t->listener, NULL, NULL)) >= 0) {
		const char *answer = NULL;
		bool whole = read_request(peer);

		pthread_mutex_lock(&t->lock);
		if (whole && t->refusals > 0) {
			t->refusals--;
			answer =
				"HTTP/1.1 503 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		} else if (whole) {
			t->taken++;
			answer =
				"HTTP/1.1 200 ok\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		}
		pthread_mutex_unlock(&t->lock);
		if (answer != NULL)
			assert_int_equal(write(peer, answer, strlen(answer)), strlen(answer));
		close(peer);
	}
	return NULL;
}

static unsigned taken(struct test *t)
{
	pthread_mutex_lock(&t->lock);
	unsigned count = t->taken;
	pthread_mutex_unlock(&t->lock);
	return count;
}

/* ---- the collector's side --------------------------------------------------------------- */

/* The store is opened before there are webhooks. */
static void on_committed(void *context, uint64_t sequence)
{
	struct test *t = context;

	pthread_mutex_lock(&t->lock);
	struct rw_webhooks *webhooks = t->webhooks;
	pthread_mutex_unlock(&t->lock);
	if (webhooks != NULL)
		rw_webhooks_committed(webhooks, sequence);
}

static struct rw_webhook_config *config_of(const struct test *t, uint32_t count)
{
	struct rw_webhook_config *config = calloc(1, sizeof(*config));

	assert_non_null(config);
	config->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct rw_webhook_target *target = &config->targets[i];

		snprintf(target->name, sizeof(target->name), "t%u", (unsigned)i);
		snprintf(target->url, sizeof(target->url), "http://127.0.0.1:%u/%u", t->port,
			 (unsigned)i);
		snprintf(target->signing_key, sizeof(target->signing_key), "key");
		target->on_verdict = true;
	}
	return config;
}

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	const struct rw_store_callbacks callbacks = {.context = t, .committed = on_committed};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	struct rw_webhooks *webhooks;

	assert_non_null(t);
	pthread_mutex_init(&t->lock, NULL);
	t->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(t->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(t->listener, 64), 0);
	assert_int_equal(getsockname(t->listener, (struct sockaddr *)&address, &size), 0);
	t->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&t->server, NULL, serve, t), 0);

	snprintf(t->folder, sizeof(t->folder), "/tmp/rw-sender-XXXXXX");
	assert_non_null(mkdtemp(t->folder));
	snprintf(t->path, sizeof(t->path), "%s/collector.db", t->folder);
	if (rw_store_open(t->path, 0, &callbacks, &t->store, t->error) != 0 ||
	    rw_webhooks_open("c1", t->path, t->store, config_of(t, 1), &webhooks, t->error) != 0)
		fail_msg("%s", t->error);
	pthread_mutex_lock(&t->lock);
	t->webhooks = webhooks;
	pthread_mutex_unlock(&t->lock);
	assert_int_equal(rw_webhooks_start(webhooks), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	rw_webhooks_stop(t->webhooks);
	rw_store_close(t->store);
	rw_webhooks_free(t->webhooks);
	shutdown(t->listener, SHUT_RDWR);
	pthread_join(t->server, NULL);
	close(t->listener);
	DIR *folder = opendir(t->folder);
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	}
	closedir(folder);
	assert_int_equal(rmdir(t->folder), 0);
	pthread_mutex_destroy(&t->lock);
	free(t);
	return 0;
}

static void tell(struct test *t, unsigned number, enum rw_decision decision)
{
	struct rw_verdict v = {.decision = decision, .evaluated_wall_ms = rw_clock_wall_ms()};

	snprintf(v.deployment, sizeof(v.deployment), "d%u", number);
	snprintf(v.ring, sizeof(v.ring), "canary");
	rw_webhooks_verdict(t->webhooks, &v);
}

static struct rw_webhook_stats stats_of(struct test *t, uint32_t index)
{
	rw_autofree struct rw_webhook_status *status = calloc(1, sizeof(*status));

	assert_non_null(status);
	rw_webhooks_status(t->webhooks, status);
	assert_true(index < status->count);
	return status->targets[index];
}

static void each_verdict_arrives_while_all_is_busy(void **state)
{
	struct test *t = *state;
	static struct rw_webhook_stats stats;

	for (unsigned i = 0; i < VERDICTS; i++) {
		tell(t, i, RW_HOLD);
		(void)stats_of(t, 0);
		if (i % 10 == 5)
			assert_int_equal(
				rw_webhooks_set_config(t->webhooks, config_of(t, 1 + i / 10)), 0);
	}
	/* The first target hears of all; the fourth came before the last four. */
	do {
		sched_yield();
		stats = stats_of(t, 0);
	} while (stats.delivered < VERDICTS || stats.pending > 0);
	assert_int_equal(stats.dead, 0);
	assert_true(taken(t) >= VERDICTS);
	assert_string_equal(stats.last_error, "");
	do {
		sched_yield();
		stats = stats_of(t, 3);
	} while (stats.delivered < 4 || stats.pending > 0);
}

static void a_refusal_is_made_up_for_and_counted(void **state)
{
	struct test *t = *state;
	static struct rw_webhook_stats stats;

	pthread_mutex_lock(&t->lock);
	t->refusals = 1;
	pthread_mutex_unlock(&t->lock);
	tell(t, 1, RW_PROCEED);
	do {
		sched_yield();
		stats = stats_of(t, 0);
	} while (stats.delivered == 0);
	assert_int_equal(taken(t), 1);
	assert_int_equal(stats.failed, 1);
	assert_string_equal(stats.last_error, "HTTP 503");
}

static void it_stops_with_work_left(void **state)
{
	struct test *t = *state;

	pthread_mutex_lock(&t->lock);
	t->refusals = UINT32_MAX;
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < VERDICTS; i++)
		tell(t, i, RW_HOLD);
	while (stats_of(t, 0).failed == 0)
		sched_yield();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_verdict_arrives_while_all_is_busy),
		TEST(a_refusal_is_made_up_for_and_counted),
		TEST(it_stops_with_work_left),
	};

	assert_int_equal(rw_webhooks_global_init(), 0);
	return cmocka_run_group_tests_name("webhook_sender", tests, NULL, NULL);
}
