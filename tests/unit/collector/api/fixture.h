/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the API share: the real server over a real core and a real
 * store, asked over real sockets. Only the hub is the test's own: it runs
 * functions under a lock instead of on a loop, its clock is moved by hand, and
 * it can be told to stall or to lose its store.
 */
#ifndef RINGWATCH_TESTS_API_FIXTURE_H
#define RINGWATCH_TESTS_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "collector/api/api.h"
#include "collector/hub.h"
#include "collector/ingest/gasps.h"

#define AX_UNUSED __attribute__((unused))

enum { AX_HOSTS = 5, AX_REPLY_MAX = 1 << 20, AX_PATH_BYTES = 128 };

struct rw_hub {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct rw_core *core;
	struct rw_store *store;
	struct rw_now now;
	uint64_t committed, on_disk;
	bool stalled;     /* calls time out */
	bool store_fails; /* what reaches the disk is not told */
	unsigned calls;   /* that ran */
	struct rw_hub_stats stats;
	struct rw_host_facts facts;
	struct rw_ring_coverage coverage;
	struct rw_gasps *gasps;
	struct rw_drills *drills;
	uint64_t drill_sequence;
	bool no_sessions;                 /* no sensor can be asked */
	unsigned changes;                 /* of deployments that were told */
	char created[RW_CORE_NAME_BYTES]; /* by the last of them; "" */
};

struct ax {
	char dir[AX_PATH_BYTES / 2];
	char store[AX_PATH_BYTES];
	char tokens[AX_PATH_BYTES];
	struct rw_hub hub;
	struct rw_api *api;
	const struct rw_api_tls_files *tls; /* of the next ax_start; NULL: plain */
	const struct rw_rates *rates;       /* likewise; NULL: the defaults */
};

/* ---- the hub ------------------------------------------------------------------ */

int rw_hub_call(struct rw_hub *hub, rw_hub_fn *fn, void *context)
{
	int err = 0;

	pthread_mutex_lock(&hub->lock);
	if (hub->stalled) {
		err = -ETIMEDOUT;
	} else {
		rw_core_committed(hub->core, hub->committed);
		rw_store_group_begin(hub->store);
		fn(hub->core, hub->now, context);
		rw_store_group_end(hub->store);
		hub->calls++;
	}
	pthread_mutex_unlock(&hub->lock);
	return err;
}

int rw_hub_wait_committed(struct rw_hub *hub, uint64_t sequence)
{
	int err = 0;

	pthread_mutex_lock(&hub->lock);
	while (err == 0 && hub->committed < sequence) {
		if (hub->store_fails)
			err = -EIO;
		else
			pthread_cond_wait(&hub->changed, &hub->lock);
	}
	pthread_mutex_unlock(&hub->lock);
	return err;
}

uint64_t rw_hub_audit(struct rw_hub *hub, const struct rw_audit_row *row)
{
	return rw_store_push_audit(hub->store, row);
}

uint64_t rw_hub_slot(struct rw_hub *hub, const struct rw_slot_row *row)
{
	return rw_store_push_slot(hub->store, row);
}

static bool ax_ask_for_drill(void *context, rw_host_handle host, const uint8_t name[RW_DRILL_BYTES])
{
	const struct rw_hub *hub = context;

	(void)host;
	(void)name;
	return !hub->no_sessions;
}

static void ax_tell_drill(void *context, const char *step, const struct rw_drill_row *row)
{
	struct rw_hub *hub = context;

	(void)step;
	hub->drill_sequence = rw_store_push_drill(hub->store, row);
}

int rw_hub_drill(struct rw_hub *hub, const struct rw_drill_ask *ask, struct rw_drill_answer *out,
		 uint64_t *sequence)
{
	int err = rw_drills_start(hub->drills, hub->core, ask, hub->now, out);

	*sequence = err == 0 ? hub->drill_sequence : 0;
	return err;
}

void rw_hub_deployments_changed(struct rw_hub *hub, const char *created)
{
	hub->changes++;
	snprintf(hub->created, sizeof(hub->created), "%s", created == NULL ? "" : created);
}

void rw_hub_host_facts(struct rw_hub *hub, rw_host_handle host, struct rw_host_facts *out)
{
	(void)host;
	*out = hub->facts;
}

void rw_hub_host_marks(struct rw_hub *hub, rw_host_handle host, struct rw_host_marks *out)
{
	(void)host;
	*out = hub->facts.marks;
}

void rw_hub_ring_coverage(struct rw_hub *hub, uint32_t ring, struct rw_ring_coverage *out)
{
	(void)ring;
	*out = hub->coverage;
}

struct rw_webhooks *rw_hub_webhooks(struct rw_hub *hub)
{
	(void)hub;
	return NULL;
}

struct rw_gasps *rw_hub_gasps(struct rw_hub *hub)
{
	return hub->gasps;
}

void rw_hub_stats(struct rw_hub *hub, struct rw_hub_stats *out)
{
	*out = hub->stats;
}

AX_UNUSED static void ax_on_committed(void *context, uint64_t sequence)
{
	struct rw_hub *hub = context;

	pthread_mutex_lock(&hub->lock);
	hub->on_disk = sequence;
	if (!hub->store_fails)
		hub->committed = sequence;
	pthread_cond_broadcast(&hub->changed);
	pthread_mutex_unlock(&hub->lock);
}

AX_UNUSED static void ax_on_failed(void *context, const char *reason)
{
	(void)context;
	(void)reason;
}

AX_UNUSED static void ax_on_recovered(void *context)
{
	(void)context;
}

AX_UNUSED static uint64_t ax_take_change(void *context, const struct rw_change *change)
{
	struct rw_hub *hub = context;

	return rw_store_push_change(hub->store, change);
}

AX_UNUSED static void ax_set(struct ax *f, bool *flag, bool value)
{
	pthread_mutex_lock(&f->hub.lock);
	*flag = value;
	if (!f->hub.store_fails)
		f->hub.committed = f->hub.on_disk;
	pthread_mutex_unlock(&f->hub.lock);
}

/* The clock moves, and all hosts are heard each second. */
AX_UNUSED static void ax_run(struct ax *f, uint64_t ms)
{
	struct rw_hub *hub = &f->hub;

	pthread_mutex_lock(&hub->lock);
	for (uint64_t at = 0; at < ms; at += RW_CORE_TICK_MS) {
		hub->now.boot_ms += RW_CORE_TICK_MS;
		hub->now.wall_ms += RW_CORE_TICK_MS;
		for (rw_host_handle h = 0; at % 1000 == 0 && h < rw_core_host_count(hub->core); h++)
			rw_core_heartbeat(hub->core, h, hub->now.boot_ms, hub->now);
		rw_core_tick(hub->core, hub->now);
		rw_drills_tick(hub->drills, hub->core, hub->now);
	}
	pthread_mutex_unlock(&hub->lock);
}

/* ---- tokens ------------------------------------------------------------------------ */

AX_UNUSED static void ax_write(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

AX_UNUSED static void ax_hash(const char *token, char out[2 * SHA256_DIGEST_LENGTH + 1])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)token, strlen(token), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* The token "NAME-token" for each role, named as the role. */
AX_UNUSED static void ax_write_tokens(const char *path)
{
	static const char *const roles[] = {"read", "rollout", "operator"};
	char text[512];
	size_t used = 0;

	for (size_t i = 0; i < 3; i++) {
		char token[32];
		char hash[2 * SHA256_DIGEST_LENGTH + 1];

		snprintf(token, sizeof(token), "%s-token", roles[i]);
		ax_hash(token, hash);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s %s\n", roles[i],
					 roles[i], hash);
	}
	ax_write(path, text, 0600);
}

/* ---- life ----------------------------------------------------------------------------- */

AX_UNUSED static struct rw_ring_policy ax_ring(const char *name, uint32_t order)
{
	struct rw_ring_policy ring = {
		.order = order,
		.bake_ms = 3600 * 1000,
		.step_count = 1,
		.step_ppm = {RW_PPM},
		.limits = {[RW_RULE_OFFLINE] = {true, 1000},
			   [RW_RULE_CRASHED] = {true, 1000},
			   [RW_RULE_FAILED] = {true, 1000}},
		.least_hosts = 1,
		.min_coverage_ppm = 950000,
		.min_exposed_ppm = 900000,
		.crash_kinds = 1u << RINGWATCH__V1__KIND__KIND_OOPS,
	};

	snprintf(ring.name, sizeof(ring.name), "%s", name);
	return ring;
}

AX_UNUSED static void ax_enrol(struct ax *f, const char *host, const char *ring)
{
	struct rw_boot boot = {.id = {1}, .order = 7, .boot_ms = 5000};
	rw_host_handle handle;

	pthread_mutex_lock(&f->hub.lock);
	assert_int_equal(
		rw_core_hello(f->hub.core, host, ring, &boot, RW_END_ORDERLY, f->hub.now, &handle),
		0);
	pthread_mutex_unlock(&f->hub.lock);
}

AX_UNUSED static void ax_new_hub(struct ax *f)
{
	static struct rw_policy policy;
	struct rw_hub *hub = &f->hub;
	char error[RW_STORE_ERROR_BYTES];
	const struct rw_store_callbacks callbacks = {hub, ax_on_committed, ax_on_failed,
						     ax_on_recovered};
	const struct rw_core_sink sink = {hub, ax_take_change, NULL, NULL};
	const struct rw_drills_sink drills = {hub, ax_ask_for_drill, ax_tell_drill};

	policy = (struct rw_policy){.timing = rw_timing_defaults(), .ring_count = 2};
	policy.rings[0] = ax_ring("canary", 1);
	policy.rings[1] = ax_ring("wide", 2);
	assert_int_equal(pthread_mutex_init(&hub->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&hub->changed, NULL), 0);
	hub->now = (struct rw_now){1000 * 1000, UINT64_C(1700000000000)};
	hub->stats.ready = true;
	hub->gasps = rw_gasps_new();
	assert_non_null(hub->gasps);
	hub->drills = rw_drills_new(&drills);
	assert_non_null(hub->drills);
	assert_int_equal(rw_store_open(f->store, 0, &callbacks, &hub->store, error), 0);
	assert_int_equal(rw_core_new(&policy, &sink, 10000, hub->now, &hub->core), 0);
}

AX_UNUSED static int ax_start(struct ax *f, const char *listen_at, char error[RW_API_ERROR_BYTES])
{
	const struct rw_api_config config = {.listen = listen_at,
					     .name = "c1",
					     .store_path = f->store,
					     .tokens_file = f->tokens,
					     .tls = f->tls,
					     .rates = f->rates};

	error[0] = '\0';
	return rw_api_start(&config, &f->hub, &f->api, error);
}

/* Until all that the core and the acts have changed is on disk, where lists read it. */
AX_UNUSED static void ax_settle(struct ax *f)
{
	struct rw_store_stats stats;

	rw_store_stats(f->hub.store, &stats);
	assert_int_equal(rw_hub_wait_committed(&f->hub, stats.pushed), 0);
}

/* A server on a free port; AX_HOSTS hosts in canary, heard for long enough to be judged. */
AX_UNUSED static int ax_setup(void **state)
{
	struct ax *f = calloc(1, sizeof(*f));
	char error[RW_API_ERROR_BYTES];

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/ringwatch-api-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->store, sizeof(f->store), "%s/collector.db", f->dir);
	snprintf(f->tokens, sizeof(f->tokens), "%s/tokens", f->dir);
	ax_write_tokens(f->tokens);
	ax_new_hub(f);
	for (int i = 0; i < AX_HOSTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "h%d", i);
		ax_enrol(f, name, "canary");
	}
	ax_run(f, 35 * 1000);
	ax_settle(f);
	if (ax_start(f, "127.0.0.1:0", error) != 0)
		fail_msg("%s", error);
	*state = f;
	return 0;
}

AX_UNUSED static int ax_teardown(void **state)
{
	struct ax *f = *state;
	static const char *const files[] = {"collector.db",      "collector.db-wal",
					    "collector.db-shm",  "collector.db-lock",
					    "collector.db.lock", "tokens"};

	rw_api_stop(f->api);
	rw_store_close(f->hub.store);
	rw_core_free(f->hub.core);
	rw_gasps_free(f->hub.gasps);
	rw_drills_free(f->hub.drills);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[AX_PATH_BYTES];

		snprintf(path, sizeof(path), "%s/%s", f->dir, files[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->dir), 0);
	pthread_cond_destroy(&f->hub.changed);
	pthread_mutex_destroy(&f->hub.lock);
	free(f);
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------ */

struct ax_reply {
	int status; /* 0: the connection ended without an answer */
	char *text; /* head and body */
	char *body;
	json_t *json; /* NULL when the body is none */
};

AX_UNUSED static void ax_release(struct ax_reply *reply)
{
	json_decref(reply->json);
	free(reply->text);
}

AX_UNUSED static int ax_connect(const struct ax *f)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(rw_api_port(f->api)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Bytes as they are; what the server closes early is no failure of the test's. */
AX_UNUSED static void ax_send(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		length -= (size_t)n;
	}
}

/* All that comes until the server closes. */
AX_UNUSED static struct ax_reply ax_receive(int fd)
{
	struct ax_reply reply = {.text = calloc(1, AX_REPLY_MAX)};
	size_t used = 0;
	ssize_t n;

	assert_non_null(reply.text);
	while ((n = recv(fd, reply.text + used, AX_REPLY_MAX - 1 - used, 0)) > 0)
		used += (size_t)n;
	close(fd);
	if (sscanf(reply.text, "HTTP/1.%*d %d", &reply.status) != 1)
		reply.status = 0;
	reply.body = strstr(reply.text, "\r\n\r\n");
	reply.body = reply.body == NULL ? reply.text + used : reply.body + 4;
	reply.json = json_loads(reply.body, 0, NULL);
	return reply;
}

AX_UNUSED static struct ax_reply ax_raw(const struct ax *f, const char *bytes, size_t length)
{
	int fd = ax_connect(f);

	ax_send(fd, bytes, length);
	return ax_receive(fd);
}

/* `headers` are whole lines with their ends, or "". */
AX_UNUSED static struct ax_reply ax_ask_with(const struct ax *f, const char *method,
					     const char *path, const char *headers,
					     const char *body)
{
	size_t length = body == NULL ? 0 : strlen(body);
	size_t size = length + strlen(headers) + strlen(path) + 512;
	char *text = malloc(size);

	assert_non_null(text);
	int used = snprintf(text, size, "%s %s HTTP/1.1\r\nConnection: close\r\n%s", method, path,
			    headers);
	if (body != NULL)
		used += snprintf(text + used, size - (size_t)used, "Content-Length: %zu\r\n",
				 length);
	used += snprintf(text + used, size - (size_t)used, "\r\n%s", body == NULL ? "" : body);
	struct ax_reply reply = ax_raw(f, text, (size_t)used);
	free(text);
	return reply;
}

/* As `role` ("" for nobody), with a JSON body or NULL. */
AX_UNUSED static struct ax_reply ax_ask(const struct ax *f, const char *role, const char *method,
					const char *path, const char *body)
{
	char headers[256];

	snprintf(headers, sizeof(headers), "Host: localhost\r\n%s%s%s%s",
		 body == NULL ? "" : "Content-Type: application/json\r\n",
		 *role == '\0' ? "" : "Authorization: Bearer ", role,
		 *role == '\0' ? "" : "-token\r\n");
	return ax_ask_with(f, method, path, headers, body);
}

/* The error's code; "" when the body is not an error of the documented shape. */
AX_UNUSED static const char *ax_code(const struct ax_reply *reply)
{
	const char *code = "";
	const char *message = "";
	json_t *reasons = NULL;

	if (json_unpack(reply->json, "{s:{s:s, s:s, s?o}!}", "error", "code", &code, "message",
			&message, "reasons", &reasons) != 0 ||
	    *message == '\0')
		return "";
	return code;
}

AX_UNUSED static const char *ax_message(const struct ax_reply *reply)
{
	const char *message = "";

	(void)json_unpack(reply->json, "{s:{s:s}}", "error", "message", &message);
	return message;
}

/* Asks as an operator and insists on status and code. */
AX_UNUSED static void ax_expect(const struct ax *f, const char *method, const char *path,
				const char *body, int status, const char *code)
{
	struct ax_reply reply = ax_ask(f, "operator", method, path, body);

	if (reply.status != status || (code != NULL && strcmp(ax_code(&reply), code) != 0))
		fail_msg("%s %s: expected %d %s, got: %s", method, path, status,
			 code == NULL ? "" : code, reply.text);
	ax_release(&reply);
}

/* A GET by a reader that must succeed. */
AX_UNUSED static struct ax_reply ax_get(const struct ax *f, const char *path)
{
	struct ax_reply reply = ax_ask(f, "read", "GET", path, NULL);

	if (reply.status != 200 || reply.json == NULL)
		fail_msg("GET %s: %s", path, reply.text);
	return reply;
}

#define AX_CREATE(id)                                                                              \
	"{\"deployment\":\"" id "\",\"component\":\"driver\",\"version\":\"1.0\","                 \
	"\"exposure\":\"fixed\",\"match\":\"none\",\"rings\":[\"canary\",\"wide\"]}"

#endif
