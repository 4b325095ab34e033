/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uplink against a small collector in a thread, over real sockets and TLS.
 * What must be true for a user: an event leaves the spool only when a collector
 * has acknowledged it, nobody but a collector of the own trust domain gets any,
 * and the sensor finds the collector that judges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/pki.h"
#include "lib/tls.h"
#include "lib/version.h"
#include "sensor/uplink.h"

enum { CONNECTIONS_MAX = 8, WAIT_MS = 10000 };

enum manner {
	SERVE,        /* welcomes, acks, probes once */
	DROP_BATCH,   /* welcomes, takes a batch, and goes without an ack */
	STANDBY,      /* rejects */
	ACK_TOO_HIGH, /* has more than the spool ever gave */
	NONSENSE,     /* a frame that no collector sends */
	REFUSE_ONCE,  /* answers the first batch with Throttle: it takes none now */
	CHALLENGE,    /* sends a gasp challenge, and serves */
	WATCH,        /* asks for a module, and serves */
};

struct server {
	int fd;
	uint16_t port;
	SSL_CTX *tls;
	enum manner manners[CONNECTIONS_MAX]; /* by connection; the last one stays */
	pthread_t thread;
	pthread_mutex_t lock;
	/* what was seen, under the lock */
	uint32_t connections;
	uint32_t hellos;
	uint8_t spool_id[RW_SPOOL_ID_BYTES];
	uint64_t events;
	uint64_t last_sequence;
	uint32_t heartbeats;
	uint32_t probe_replies;
	uint32_t goodbye_kind;
	uint32_t goodbye_back_in_s;
	uint32_t coverage;
	uint32_t spool_state;
	uint32_t safe_start;
	uint32_t logs;
	uint32_t facts;
	uint32_t reports;              /* of versions */
	uint32_t version_count;        /* in the last of them, */
	struct rw_version versions[4]; /* its first ones */
	char spool_reason[161];
	char netconsole[161];
	char boot_id[RW_BOOT_ID_LENGTH + 1];
};

struct session {
	struct server *server;
	enum manner manner;
	SSL *ssl;
	struct rw_arena *arena;
	bool over;
	bool refused;
};

static char folder[64];
static struct rw_pki_ca ca;
static struct rw_pki_ca foreign_ca;
static struct server servers[2];
static struct rw_keeper *keeper;
static uint32_t gasps;
static struct rw_uplink *uplink;
static struct rw_versions *versions; /* NULL: the uplink has none to tell */
static struct rw_sensor_config config;

/* ---- the collector ----------------------------------------------------------------- */

static void reply(struct session *s, Ringwatch__V1__Frame *frame)
{
	static _Thread_local uint8_t bytes[4096];
	long n = rw_wire_encode(frame, bytes, sizeof(bytes));

	if (n < 0 || SSL_write(s->ssl, bytes, (int)n) != (int)n)
		s->over = true;
}

static void welcome(struct session *s, uint64_t acked)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Welcome m = RINGWATCH__V1__WELCOME__INIT;

	m.schema = RW_WIRE_SCHEMA;
	m.collector = (char *)"test";
	m.heartbeat_every_ms = 100;
	m.backoff_cap_ms = 200;
	m.acked_sequence = acked;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_WELCOME;
	frame.welcome = &m;
	reply(s, &frame);
}

static void reject(struct session *s)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Reject m = RINGWATCH__V1__REJECT__INIT;

	m.code = RINGWATCH__V1__REJECT_CODE__REJECT_STANDBY;
	m.detail = (char *)"another judges";
	frame.body_case = RINGWATCH__V1__FRAME__BODY_REJECT;
	frame.reject = &m;
	reply(s, &frame);
	s->over = true;
}

static void ack(struct session *s, const Ringwatch__V1__EventBatch *batch)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Ack m = RINGWATCH__V1__ACK__INIT;

	m.spool_id = batch->spool_id;
	m.sequence = batch->events[batch->n_events - 1]->sequence;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_ACK;
	frame.ack = &m;
	reply(s, &frame);
}

static void probe(struct session *s)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Probe m = RINGWATCH__V1__PROBE__INIT;

	m.nonce = 4711;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_PROBE;
	frame.probe = &m;
	reply(s, &frame);
}

static void throttle(struct session *s)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Throttle m = RINGWATCH__V1__THROTTLE__INIT;

	m.pause_ms = 20;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_THROTTLE;
	frame.throttle = &m;
	s->refused = true;
	reply(s, &frame);
}

static const uint8_t nonce[RW_GASP_NONCE_BYTES] = "0123456789abcdef";

static void challenge(struct session *s)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__GaspChallenge m = RINGWATCH__V1__GASP_CHALLENGE__INIT;

	m.nonce.data = (uint8_t *)nonce;
	m.nonce.len = sizeof(nonce);
	frame.body_case = RINGWATCH__V1__FRAME__BODY_GASP_CHALLENGE;
	frame.gasp_challenge = &m;
	reply(s, &frame);
}

static void watch(struct session *s)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Watch m = RINGWATCH__V1__WATCH__INIT;
	char *modules[] = {(char *)"no_such_module"};

	m.n_modules = 1;
	m.modules = modules;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_WATCH;
	frame.watch = &m;
	reply(s, &frame);
}

static void take_versions(struct server *v, const Ringwatch__V1__Versions *m)
{
	v->reports++;
	v->version_count = (uint32_t)m->n_versions;
	for (size_t i = 0; i < m->n_versions && i < 4; i++) {
		snprintf(v->versions[i].subject, sizeof(v->versions[i].subject), "%s",
			 m->versions[i]->subject);
		snprintf(v->versions[i].value, sizeof(v->versions[i].value), "%s",
			 m->versions[i]->value);
	}
}

static void take_events(struct server *v, const Ringwatch__V1__EventBatch *m)
{
	v->events += m->n_events;
	v->last_sequence = m->events[m->n_events - 1]->sequence;
	for (size_t i = 0; i < m->n_events; i++) {
		v->logs += m->events[i]->log.len == RW_LOG_PACKED_MAX;
		v->facts += (uint32_t)m->events[i]->n_facts;
	}
}

static void take_hello(struct session *s, const Ringwatch__V1__Hello *m)
{
	struct server *v = s->server;

	v->hellos++;
	v->coverage = (uint32_t)m->n_coverage;
	v->spool_state = m->spool_state;
	v->safe_start = m->safe_start != 0;
	snprintf(v->spool_reason, sizeof(v->spool_reason), "%s", m->spool_reason);
	snprintf(v->netconsole, sizeof(v->netconsole), "%s", m->netconsole);
	snprintf(v->boot_id, sizeof(v->boot_id), "%s", m->boot_id);
	bool same_spool = memcmp(v->spool_id, m->spool_id.data, RW_SPOOL_ID_BYTES) == 0;
	memcpy(v->spool_id, m->spool_id.data, RW_SPOOL_ID_BYTES);
	if (s->manner == STANDBY) {
		reject(s);
	} else if (s->manner == NONSENSE) {
		static const uint8_t nonsense[] = {0, 0, 0, 2, 0xff, 0xff};
		if (SSL_write(s->ssl, nonsense, sizeof(nonsense)) <= 0)
			s->over = true;
	} else {
		welcome(s, s->manner == ACK_TOO_HIGH && !same_spool ? 1000000 : 0);
		if (s->manner == SERVE)
			probe(s);
		if (s->manner == CHALLENGE)
			challenge(s);
		if (s->manner == WATCH)
			watch(s);
	}
}

static int take_frame(void *context, const uint8_t *message, size_t length)
{
	struct session *s = context;
	struct server *v = s->server;
	char detail[RW_WIRE_ERROR_BYTES];
	Ringwatch__V1__Frame *frame;

	if (rw_wire_decode(s->arena, message, length, RW_FROM_SENSOR, &frame, detail) !=
	    RW_WIRE_OK) {
		fprintf(stderr, "bad frame from the sensor: %s\n", detail);
		abort();
	}
	pthread_mutex_lock(&v->lock);
	switch ((int)frame->body_case) {
	case RINGWATCH__V1__FRAME__BODY_HELLO:
		take_hello(s, frame->hello);
		break;
	case RINGWATCH__V1__FRAME__BODY_HEARTBEAT:
		v->heartbeats++;
		break;
	case RINGWATCH__V1__FRAME__BODY_EVENT_BATCH:
		take_events(v, frame->event_batch);
		if (s->manner == DROP_BATCH)
			s->over = true;
		else if (s->manner == REFUSE_ONCE && !s->refused)
			throttle(s);
		else
			ack(s, frame->event_batch);
		break;
	case RINGWATCH__V1__FRAME__BODY_PROBE_REPLY:
		v->probe_replies += frame->probe_reply->nonce == 4711;
		break;
	case RINGWATCH__V1__FRAME__BODY_VERSIONS:
		take_versions(v, frame->versions);
		break;
	case RINGWATCH__V1__FRAME__BODY_GOODBYE:
		v->goodbye_kind = frame->goodbye->kind;
		v->goodbye_back_in_s = frame->goodbye->back_in_s;
		break;
	default:
		break;
	}
	pthread_mutex_unlock(&v->lock);
	return s->over ? 1 : 0;
}

static void serve_one(struct server *v, int fd, enum manner manner)
{
	struct session s = {.server = v, .manner = manner, .ssl = SSL_new(v->tls)};
	struct rw_frame_reader reader;
	uint8_t bytes[4096];

	s.arena = rw_arena_new(RW_ARENA_BYTES);
	rw_frame_reader_init(&reader);
	SSL_set_fd(s.ssl, fd);
	if (SSL_accept(s.ssl) == 1) {
		while (!s.over) {
			int n = SSL_read(s.ssl, bytes, sizeof(bytes));
			if (n <= 0 ||
			    rw_frame_reader_feed(&reader, bytes, (size_t)n, take_frame, &s) != 0)
				break;
		}
	}
	rw_frame_reader_release(&reader);
	rw_arena_free(s.arena);
	SSL_free(s.ssl);
	close(fd);
}

static void *run_server(void *context)
{
	struct server *v = context;

	for (;;) {
		int fd = accept(v->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		pthread_mutex_lock(&v->lock);
		uint32_t index = v->connections++;
		pthread_mutex_unlock(&v->lock);
		serve_one(v, fd, v->manners[index < CONNECTIONS_MAX ? index : CONNECTIONS_MAX - 1]);
	}
}

static SSL_CTX *make_context(enum rw_tls_side side, const struct rw_pki_ca *issuer,
			     const struct rw_identity *identity, const char *name)
{
	char error[RW_TLS_ERROR_BYTES];
	char certificate[128];
	char key_path[128];
	char ca_path[128];
	EVP_PKEY *key = NULL;
	X509 *leaf = NULL;
	SSL_CTX *context = NULL;

	snprintf(certificate, sizeof(certificate), "%s/%s.crt", folder, name);
	snprintf(key_path, sizeof(key_path), "%s/%s.key", folder, name);
	snprintf(ca_path, sizeof(ca_path), "%s/ca.crt", folder);
	assert_int_equal(rw_pki_new_key(&key, error), 0);
	assert_int_equal(
		rw_pki_issue(issuer, identity, key, rw_pki_valid_for(3600000), &leaf, error), 0);
	assert_int_equal(rw_pki_write_certificate(certificate, leaf, error), 0);
	assert_int_equal(rw_pki_write_key(key_path, key, error), 0);
	assert_int_equal(rw_pki_write_certificate(ca_path, ca.certificate, error), 0);
	struct rw_tls_files files = {certificate, key_path, ca_path, NULL};
	if (rw_tls_context(side, &files, &context, error) != 0)
		fail_msg("%s", error);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return context;
}

static void listen_on(struct server *v)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(v->fd >= 0);
	assert_int_equal(bind(v->fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(v->fd, 16), 0);
	assert_int_equal(getsockname(v->fd, (struct sockaddr *)&address, &size), 0);
	v->port = ntohs(address.sin_port);
}

/* `issuer` and `identity` of its certificate. */
static void start_server(struct server *v, const struct rw_pki_ca *issuer,
			 const struct rw_identity *identity, enum manner first, enum manner then)
{
	memset(v, 0, sizeof(*v));
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		v->manners[i] = i == 0 ? first : then;
	pthread_mutex_init(&v->lock, NULL);
	v->tls = make_context(RW_TLS_COLLECTOR, issuer, identity, "collector");
	listen_on(v);
	assert_int_equal(pthread_create(&v->thread, NULL, run_server, v), 0);
}

static void stop_server(struct server *v)
{
	if (v->tls == NULL)
		return;
	shutdown(v->fd, SHUT_RDWR);
	pthread_join(v->thread, NULL);
	close(v->fd);
	SSL_CTX_free(v->tls);
	memset(v, 0, sizeof(*v));
}

/* ---- the sensor's side ---------------------------------------------------------------- */

static const struct rw_identity collector_identity = {
	.role = RW_IDENTITY_COLLECTOR, .trust_domain = "test.example", .name = "c1"};
static const struct rw_identity host_identity = {
	.role = RW_IDENTITY_HOST, .trust_domain = "test.example", .ring = "r0", .name = "h1"};

static void on_gasp(void *context, const uint8_t seen[RW_GASP_NONCE_BYTES])
{
	assert_ptr_equal(context, &gasps);
	assert_memory_equal(seen, nonce, sizeof(nonce));
	gasps++;
}

static void start_uplink(void)
{
	struct rw_uplink_config c = {
		.sensor = &config,
		.keeper = keeper,
		.versions = versions,
		.trust_domain = "test.example",
		.boot_id = "11111111-2222-4333-8444-555555555555",
		.boot_order = 9,
		.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE,
		.kernel_release = "6.1.0",
		.architecture = "x86_64",
		.coverage_count = 1,
		.coverage = {{RINGWATCH__V1__KIND__KIND_OOPS, "kernel log", ""}},
		.safe_start = true,
		.netconsole = "armed",
		.on_gasp = on_gasp,
		.context = &gasps,
	};

	config.collector_count = 0;
	for (int i = 0; i < 2; i++) {
		if (servers[i].tls != NULL)
			snprintf(config.collectors[config.collector_count++],
				 sizeof(config.collectors[0]), "127.0.0.1:%u", servers[i].port);
	}
	c.tls = make_context(RW_TLS_SENSOR, &ca, &host_identity, "host");
	uplink = rw_uplink_new(&c);
	assert_non_null(uplink);
	SSL_CTX_free(c.tls);
}

static void wait_for_disk(void)
{
	struct pollfd p = {.fd = rw_keeper_descriptor(keeper), .events = POLLIN};

	poll(&p, 1, WAIT_MS);
	rw_keeper_run(keeper, rw_clock_boot_ms());
}

static struct rw_log_excerpt excerpt;

/* Of the largest size that there is, or without a log. */
static void add_events(unsigned count, bool with_log)
{
	excerpt.plain_bytes = RW_LOG_PLAIN_MAX;
	excerpt.packed_bytes = RW_LOG_PACKED_MAX;
	for (unsigned i = 0; i < count; i++) {
		struct rw_event e = {
			.kind = RINGWATCH__V1__KIND__KIND_WARNING,
			.severity = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING,
			.source = RINGWATCH__V1__SOURCE__SOURCE_LOG,
			.boot_id = "11111111-2222-4333-8444-555555555555",
			.boot_order = 9,
			.count = 1,
			.signature = "warning:x+0x1:y",
			.stack_count = RW_STACK_MAX,
		};
		for (int k = 0; k < RW_STACK_MAX; k++)
			memset(e.stack[k], 'a', RW_SYMBOL_MAX);
		memset(e.detail, 'd', RW_DETAIL_MAX);
		for (int k = 0; k < RW_FACTS_MAX; k++)
			rw_event_set_fact(&e, RINGWATCH__V1__FACT_NAME__FACT_TYPE + k, "%096d", k);
		e.log = with_log ? &excerpt : NULL;
		while (!rw_keeper_has_room(keeper))
			wait_for_disk();
		assert_true(rw_keeper_put(keeper, &e, UINT64_MAX, rw_clock_boot_ms()));
	}
	while (!rw_keeper_is_settled(keeper))
		wait_for_disk();
}

/* A turn of the sensor's loop: when it wants the next one. */
static uint64_t turn(uint64_t now_ms)
{
	uint64_t keeper_ms = rw_keeper_run(keeper, now_ms);
	uint64_t uplink_ms = rw_uplink_run(uplink, now_ms);

	return keeper_ms < uplink_ms ? keeper_ms : uplink_ms;
}

static void wait_ms(uint64_t ms)
{
	struct pollfd fds[RW_UPLINK_POLLFDS + 1];
	uint32_t count = rw_uplink_poll(uplink, fds);

	fds[count++] = (struct pollfd){.fd = rw_keeper_descriptor(keeper), .events = POLLIN};
	poll(fds, count, (int)ms);
}

/* Turns the uplink until *seen reaches `want`, or fails. */
static void run_until_count(struct server *v, const uint32_t *seen, uint32_t want)
{
	uint64_t deadline_ms = rw_clock_boot_ms() + WAIT_MS;

	for (;;) {
		uint64_t now_ms = rw_clock_boot_ms();
		uint64_t next_ms = turn(now_ms);
		pthread_mutex_lock(&v->lock);
		uint32_t value = *seen;
		pthread_mutex_unlock(&v->lock);
		if (value >= want)
			return;
		if (now_ms > deadline_ms)
			fail_msg("waited in vain: %u of %u", value, want);
		uint64_t left_ms = next_ms > now_ms ? next_ms - now_ms : 0;
		wait_ms(left_ms > 20 ? 20 : left_ms);
	}
}

static uint32_t seen(struct server *v, const uint32_t *field)
{
	pthread_mutex_lock(&v->lock);
	uint32_t value = *field;
	pthread_mutex_unlock(&v->lock);
	return value;
}

static void run_until_drained(void)
{
	uint64_t deadline_ms = rw_clock_boot_ms() + WAIT_MS;

	while (!rw_uplink_is_drained(uplink)) {
		turn(rw_clock_boot_ms());
		wait_ms(20);
		assert_true(rw_clock_boot_ms() < deadline_ms);
	}
}

/* ---- a disk that can be filled ----------------------------------------------------------- */

static struct {
	atomic_int error; /* of writing */
} disk;

static ssize_t disk_read(void *context, int fd, void *out, size_t length, off_t offset)
{
	(void)context;
	return pread(fd, out, length, offset);
}

static ssize_t disk_write(void *context, int fd, const void *bytes, size_t length, off_t offset)
{
	(void)context;
	if (atomic_load(&disk.error) == 0)
		return pwrite(fd, bytes, length, offset);
	errno = atomic_load(&disk.error);
	return -1;
}

static int disk_sync(void *context, int fd)
{
	(void)context;
	return fdatasync(fd);
}

static const struct rw_spool_disk sick_disk = {NULL, disk_read, disk_write, disk_sync};

static int set_up(void **state)
{
	char error[RW_PKI_ERROR_BYTES];
	char notice[RW_SPOOL_ERROR_BYTES];
	struct rw_keeper_config keeping = {.folder = folder, .max_bytes = 8 * 1024 * 1024};

	(void)state;
	memset(&disk, 0, sizeof(disk));
	keeping.disk = &sick_disk;
	gasps = 0;
	memset(servers, 0, sizeof(servers));
	uplink = NULL;
	snprintf(folder, sizeof(folder), "/tmp/ringwatch-uplink-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	if (rw_pki_new_ca("test.example", rw_pki_valid_for(7200000), &ca, error) != 0 ||
	    rw_pki_new_ca("test.example", rw_pki_valid_for(7200000), &foreign_ca, error) != 0)
		return -1;
	if (rw_keeper_open(&keeping, &keeper, notice) != 0)
		return -1;
	return rw_keeper_start(keeper);
}

static int tear_down(void **state)
{
	static const char *const names[] = {"spool",         "lock",          "collector.crt",
					    "collector.key", "host.crt",      "host.key",
					    "ca.crt",        "markers/driver"};
	char path[128];

	(void)state;
	rw_uplink_free(uplink);
	rw_versions_free(versions);
	versions = NULL;
	stop_server(&servers[0]);
	stop_server(&servers[1]);
	rw_keeper_close(keeper);
	rw_pki_ca_release(&ca);
	rw_pki_ca_release(&foreign_ca);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/markers", folder);
	(void)rmdir(path); /* where there is one */
	return rmdir(folder);
}

/* ---- tests ---------------------------------------------------------------------------- */

static void test_events_leave_with_their_ack(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	start_server(v, &ca, &collector_identity, SERVE, SERVE);
	start_uplink();
	add_events(300, false);
	run_until_drained();
	assert_int_equal(v->events, 300);
	assert_int_equal(v->last_sequence, 300);
	assert_int_equal(v->hellos, 1);
	assert_int_equal(v->coverage, 1);
	assert_string_equal(v->boot_id, "11111111-2222-4333-8444-555555555555");
	assert_int_equal(v->spool_state, RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK);
	assert_string_equal(v->spool_reason, "");
	assert_string_equal(v->netconsole, "armed");
	assert_int_equal(v->safe_start, 1);
	assert_int_equal(v->facts, 300 * RW_FACTS_MAX);
	assert_memory_equal(v->spool_id, rw_keeper_spool_id(keeper), RW_SPOOL_ID_BYTES);
	run_until_count(v, &v->heartbeats, 3);
	run_until_count(v, &v->probe_replies, 1);

	rw_uplink_goodbye(uplink, RINGWATCH__V1__GOODBYE_KIND__GOODBYE_POWER_OFF, 77);
	run_until_count(v, &v->goodbye_kind, RINGWATCH__V1__GOODBYE_KIND__GOODBYE_POWER_OFF);
	assert_int_equal(v->goodbye_back_in_s, 77);
	assert_true(rw_uplink_is_flushed(uplink));
}

static void test_unacked_is_sent_again(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	start_server(v, &ca, &collector_identity, DROP_BATCH, SERVE);
	start_uplink();
	add_events(3, false);
	run_until_drained();
	assert_int_equal(v->hellos, 2);
	assert_int_equal(v->events, 6);
}

/* The batch was left alone: it comes again after the pause, in the same session. */
static void test_refused_is_sent_again(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	start_server(v, &ca, &collector_identity, REFUSE_ONCE, REFUSE_ONCE);
	start_uplink();
	add_events(3, false);
	run_until_drained();
	assert_int_equal(v->hellos, 1);
	assert_int_equal(v->events, 6);
}

static void test_standby_sends_to_the_next(void **state)
{
	(void)state;
	start_server(&servers[0], &ca, &collector_identity, STANDBY, STANDBY);
	start_server(&servers[1], &ca, &collector_identity, SERVE, SERVE);
	start_uplink();
	add_events(1, false);
	run_until_drained();
	assert_int_equal(servers[0].hellos, 1);
	assert_int_equal(servers[0].events, 0);
	assert_int_equal(servers[1].events, 1);
}

static void test_spool_put_back_is_renewed(void **state)
{
	struct server *v = &servers[0];
	uint8_t old_id[RW_SPOOL_ID_BYTES];

	(void)state;
	memcpy(old_id, rw_keeper_spool_id(keeper), sizeof(old_id));
	/* the manner of the first connection: has a million events of this id */
	start_server(v, &ca, &collector_identity, ACK_TOO_HIGH, SERVE);
	start_uplink();
	add_events(2, false);
	run_until_drained();
	assert_memory_not_equal(rw_keeper_spool_id(keeper), old_id, sizeof(old_id));
	assert_int_equal(v->events, 2);
}

/* A batch is bounded by bytes too: 64 events with logs are more than a frame. */
static void test_logs_fit_into_frames(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	start_server(v, &ca, &collector_identity, SERVE, SERVE);
	start_uplink();
	add_events(70, true);
	run_until_drained();
	assert_int_equal(v->events, 70);
	assert_int_equal(v->logs, 70);
}

static void test_gasp_challenge_is_handed_on(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	start_server(v, &ca, &collector_identity, CHALLENGE, CHALLENGE);
	start_uplink();
	run_until_count(v, &gasps, 1);
	assert_int_equal(v->hellos, 1);
	assert_true(rw_uplink_is_ready(uplink));
}

static void open_versions(const char *marker)
{
	char path[128];
	const struct rw_versions_config c = {
		.root = folder, .markers_dir = "/markers", .release = "6.1.0", .owner = geteuid()};

	snprintf(path, sizeof(path), "%s/markers", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/markers/driver", folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(marker, file);
	fclose(file);
	assert_int_equal(chmod(path, 0644), 0);
	versions = rw_versions_open(&c, rw_clock_wall_ms());
	assert_non_null(versions);
}

/* After Welcome, and again when they change; not because time passes. */
static void test_versions_are_told_and_told_again_when_they_change(void **state)
{
	struct server *v = &servers[0];
	char path[128];

	(void)state;
	open_versions("1.0");
	start_server(v, &ca, &collector_identity, SERVE, SERVE);
	start_uplink();
	run_until_count(v, &v->reports, 1);
	assert_int_equal(seen(v, &v->version_count), 2);
	assert_string_equal(v->versions[0].subject, "kernel");
	assert_string_equal(v->versions[0].value, "6.1.0");
	assert_string_equal(v->versions[1].subject, "marker:driver");
	assert_string_equal(v->versions[1].value, "1.0");
	run_until_count(v, &v->heartbeats, seen(v, &v->heartbeats) + 2);
	assert_int_equal(seen(v, &v->reports), 1);

	snprintf(path, sizeof(path), "%s/markers/driver", folder);
	assert_int_equal(unlink(path), 0);
	assert_true(rw_versions_look(versions, rw_clock_wall_ms()));
	run_until_count(v, &v->reports, 2);
	assert_int_equal(seen(v, &v->version_count), 1);
}

/* A new session is told all, and begins without the modules of the last. */
static void test_modules_are_told_when_a_collector_watches_them(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	open_versions("1.0");
	start_server(v, &ca, &collector_identity, WATCH, SERVE);
	start_uplink();
	while (seen(v, &v->version_count) != 3)
		run_until_count(v, &v->reports, seen(v, &v->reports) + 1);
	assert_string_equal(v->versions[2].subject, "module:no_such_module");
	assert_string_equal(v->versions[2].value, "");

	uint32_t reports = seen(v, &v->reports);
	SSL_CTX *tls = make_context(RW_TLS_SENSOR, &ca, &host_identity, "host");
	rw_uplink_set_tls(uplink, tls, "test.example"); /* gives the session up */
	SSL_CTX_free(tls);
	run_until_count(v, &v->reports, reports + 1);
	assert_int_equal(seen(v, &v->version_count), 2);
}

/* The disk fills up: the next Hello comes at once and says so, and what cannot be
 * written is told all the same; and back. */
static void test_full_disk_is_said_in_hello(void **state)
{
	struct server *v = &servers[0];
	uint8_t disk_id[RW_SPOOL_ID_BYTES];

	(void)state;
	start_server(v, &ca, &collector_identity, SERVE, SERVE);
	start_uplink();
	add_events(2, false);
	run_until_drained();
	memcpy(disk_id, v->spool_id, sizeof(disk_id));

	atomic_store(&disk.error, ENOSPC);
	uint64_t begun_ms = rw_clock_boot_ms();
	add_events(3, false);
	run_until_drained();
	assert_true(rw_clock_boot_ms() - begun_ms < 2000);
	assert_int_equal(v->events, 5);
	assert_int_equal(v->hellos, 2);
	assert_int_equal(v->spool_state, RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY);
	assert_non_null(strstr(v->spool_reason, "full"));
	assert_memory_not_equal(v->spool_id, disk_id, sizeof(disk_id));

	atomic_store(&disk.error, 0);
	/* the clock is moved to the time of the next try */
	uint64_t later_ms = rw_clock_boot_ms() + RW_KEEPER_RETRY_MS;
	while (rw_keeper_state(keeper) != RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK) {
		rw_keeper_run(keeper, later_ms);
		wait_ms(20);
	}
	add_events(1, false);
	run_until_drained();
	assert_int_equal(v->events, 6);
	assert_int_equal(v->hellos, 3);
	assert_int_equal(v->spool_state, RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK);
	assert_memory_equal(v->spool_id, disk_id, sizeof(disk_id));
}

static void expect_refused(const struct rw_pki_ca *issuer, const struct rw_identity *identity)
{
	struct server *v = &servers[0];

	start_server(v, issuer, identity, SERVE, SERVE);
	start_uplink();
	add_events(1, false);
	run_until_count(v, &v->connections, 3);
	assert_int_equal(v->hellos, 0);
	assert_int_equal(v->events, 0);
	assert_int_equal(rw_keeper_pending(keeper), 1);
	assert_false(rw_uplink_is_ready(uplink));
}

static void test_foreign_ca_gets_nothing(void **state)
{
	(void)state;
	expect_refused(&foreign_ca, &collector_identity);
}

static void test_nonsense_ends_the_session(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	start_server(v, &ca, &collector_identity, NONSENSE, SERVE);
	start_uplink();
	add_events(1, false);
	run_until_drained();
	assert_int_equal(v->hellos, 2);
}

/* Nobody listens: it keeps trying, ever more slowly, and never blocks. */
static void test_nobody_there(void **state)
{
	struct server *v = &servers[0];

	(void)state;
	memset(v, 0, sizeof(*v));
	pthread_mutex_init(&v->lock, NULL);
	listen_on(v);
	uint16_t port = v->port;
	close(v->fd);
	start_uplink();
	config.collector_count = 1;
	snprintf(config.collectors[0], sizeof(config.collectors[0]), "127.0.0.1:%u", port);
	uint64_t now_ms = 1000000;
	uint64_t longest = 0;
	for (int i = 0; i < 60; i++) {
		struct pollfd fds[RW_UPLINK_POLLFDS];
		uint64_t next_ms = rw_uplink_run(uplink, now_ms);
		uint32_t count = rw_uplink_poll(uplink, fds);
		if (count > 0) {
			poll(fds, count, 1000);
			next_ms = rw_uplink_run(uplink, now_ms);
		}
		assert_true(next_ms <= now_ms + RW_UPLINK_BACKOFF_CAP_MS + RW_UPLINK_CONNECT_MS);
		if (next_ms > now_ms && next_ms - now_ms > longest)
			longest = next_ms - now_ms;
		now_ms = next_ms > now_ms ? next_ms : now_ms + 1;
	}
	assert_true(longest > 2000);
	assert_true(longest <= RW_UPLINK_BACKOFF_CAP_MS + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_events_leave_with_their_ack),
		TEST(test_unacked_is_sent_again),
		TEST(test_refused_is_sent_again),
		TEST(test_standby_sends_to_the_next),
		TEST(test_spool_put_back_is_renewed),
		TEST(test_logs_fit_into_frames),
		TEST(test_gasp_challenge_is_handed_on),
		TEST(test_versions_are_told_and_told_again_when_they_change),
		TEST(test_modules_are_told_when_a_collector_watches_them),
		TEST(test_full_disk_is_said_in_hello),
		TEST(test_foreign_ca_gets_nothing),
		TEST(test_nonsense_ends_the_session),
		TEST(test_nobody_there),
	};

	signal(SIGPIPE, SIG_IGN);
	rw_log_set_level(RW_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
