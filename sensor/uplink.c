/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream to a collector; see uplink.h.
 *
 * The happy path: IDLE → LOOKUP → CONNECT → HANDSHAKE → HELLO → READY. Whatever
 * goes wrong leads through give_up() back to IDLE with a reason and a time at
 * which the next address, or the next round, begins.
 *
 * Memory: nothing but this struct while idle; a session owns its SSL, and a
 * queue of bytes and an arena while a frame is at hand.
 */
#include "sensor/uplink.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/text.h"
#include "lib/tls.h"
#include "lib/version.h"
#include "sensor/lookup.h"

enum {
	REASON_BYTES = 320,
	READ_BYTES = 4096,
	BATCH_BYTES =
		48 * 1024, /* of packed events: a frame with its overhead stays below the cap */
	QUEUE_MAX = 512 * 1024,
	SAY_AGAIN_MS = 60000,    /* another reason of the same address is said after so long */
	USER_TIMEOUT_MS = 15000, /* TCP: bytes that nobody acknowledges */
};

enum stage { IDLE, LOOKUP, CONNECT, HANDSHAKE, HELLO, READY };

struct said {
	bool unreachable;
	uint64_t at_ms;
	char reason[REASON_BYTES];
};

struct rw_uplink {
	struct rw_uplink_config config;
	enum stage stage;
	uint64_t next_ms;        /* IDLE: when to try again; else when to give up waiting */
	uint32_t address;        /* index of the collector being tried or used */
	uint32_t rounds;         /* without a Welcome */
	uint64_t round_retry_ms; /* the longest retry_after that a Reject of this round asked for */
	uint32_t backoff_cap_ms;
	struct said said[RW_SENSOR_COLLECTORS_MAX];
	bool was_down; /* something was said that is to be taken back */

	struct rw_lookup *lookup;
	struct addrinfo *answers;
	struct addrinfo *answer; /* being tried */
	int fd;
	SSL *ssl;
	bool want_write;
	struct rw_frame_reader reader;
	uint8_t *queue;
	size_t queue_at;
	size_t queue_used;

	char collector[RW_NAME_MAX + 1];
	uint32_t heartbeat_ms;
	uint64_t next_heartbeat_ms;
	uint64_t throttled_until_ms;
	uint64_t sent_sequence;
	uint32_t batches; /* sent and unacked, oldest first */
	uint64_t batch_ends[RW_UPLINK_BATCHES];
	uint64_t ack_deadline_ms;
	uint64_t lost_events;
	uint64_t told_versions; /* their generation, in this session; 0: none yet */
	uint32_t generation;    /* of the keeper, that Hello told */
	bool goodbye;
	uint32_t end_retry_ms;
	bool end_quiet;
	char end_reason[REASON_BYTES];
};

/* ---- trouble ------------------------------------------------------------------------ */

static uint64_t random_below(uint64_t limit)
{
	uint64_t value = 0;

	if (limit == 0 || getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		return limit / 2;
	return value % limit;
}

static void drop_session(struct rw_uplink *u)
{
	rw_lookup_free(u->lookup);
	u->lookup = NULL;
	if (u->answers != NULL)
		freeaddrinfo(u->answers);
	u->answers = u->answer = NULL;
	SSL_free(u->ssl);
	u->ssl = NULL;
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	u->want_write = false;
	rw_frame_reader_release(&u->reader);
	rw_frame_reader_init(&u->reader);
	free(u->queue);
	u->queue = NULL;
	u->queue_at = u->queue_used = 0;
	u->batches = 0;
	u->stage = IDLE;
}

static const char *address_of(const struct rw_uplink *u)
{
	return u->config.sensor->collectors[u->address];
}

/* Once for an address and reason; another reason after a minute at the earliest. */
static void say_unreachable(struct rw_uplink *u, const char *reason, uint64_t now_ms)
{
	struct said *said = &u->said[u->address];

	if (said->unreachable &&
	    (strcmp(said->reason, reason) == 0 || now_ms - said->at_ms < SAY_AGAIN_MS))
		return;
	said->unreachable = true;
	said->at_ms = now_ms;
	snprintf(said->reason, sizeof(said->reason), "%s", reason);
	u->was_down = true;
	rw_warning("event=unreachable address=%s reason=\"%s\" spooled=%u", address_of(u), reason,
		   rw_keeper_pending(u->config.keeper));
}

/* The next address at once, the next round after a random wait. */
static void schedule(struct rw_uplink *u, uint64_t now_ms, uint64_t retry_after_ms)
{
	if (retry_after_ms > u->round_retry_ms)
		u->round_retry_ms = retry_after_ms;
	u->address++;
	if (u->address < u->config.sensor->collector_count) {
		u->next_ms = now_ms;
		return;
	}
	u->address = 0;
	uint64_t limit = RW_UPLINK_BACKOFF_FIRST_MS;
	for (uint32_t i = 0; i < u->rounds && limit < u->backoff_cap_ms; i++)
		limit *= 2;
	if (limit > u->backoff_cap_ms)
		limit = u->backoff_cap_ms;
	u->rounds++;
	u->next_ms = now_ms + u->round_retry_ms + random_below(limit + 1);
	u->round_retry_ms = 0;
}

__attribute__((format(printf, 4, 5))) static void
give_up(struct rw_uplink *u, uint64_t now_ms, uint64_t retry_after_ms, const char *fmt, ...)
{
	char reason[REASON_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	if (retry_after_ms > RW_UPLINK_RETRY_AFTER_MOST_MS)
		retry_after_ms = RW_UPLINK_RETRY_AFTER_MOST_MS;
	bool was_ready = u->stage == READY;
	drop_session(u);
	if (u->goodbye) {
		u->next_ms = UINT64_MAX;
		return;
	}
	/* a stand-by is nothing to speak of while another may be the judge */
	if (!u->end_quiet || u->address + 1 == u->config.sensor->collector_count)
		say_unreachable(u, reason, now_ms);
	u->end_quiet = false;
	if (was_ready) {
		/* a session that stood: begin with the first address again, but not in
		 * step with all the other hosts that lost it in the same moment */
		u->address = 0;
		u->rounds = 1;
		u->next_ms = now_ms + retry_after_ms + random_below(RW_UPLINK_BACKOFF_FIRST_MS + 1);
		return;
	}
	schedule(u, now_ms, retry_after_ms);
}

static void give_up_tls(struct rw_uplink *u, uint64_t now_ms, int result)
{
	char reason[RW_TLS_ERROR_BYTES];
	int ssl_error = SSL_get_error(u->ssl, result);

	if (ssl_error == SSL_ERROR_ZERO_RETURN)
		snprintf(reason, sizeof(reason), "the collector closed the connection");
	else
		rw_tls_explain(u->ssl, ssl_error, reason);
	give_up(u, now_ms, 0, "%s", reason);
}

/* ---- sending ------------------------------------------------------------------------ */

static size_t queued(const struct rw_uplink *u)
{
	return u->queue_used - u->queue_at;
}

/* Packs a frame behind what is queued. */
static int enqueue(struct rw_uplink *u, const Ringwatch__V1__Frame *frame)
{
	size_t need = ringwatch__v1__frame__get_packed_size(frame) + RW_FRAME_HEAD;

	if (need > RW_FRAME_MAX + RW_FRAME_HEAD || queued(u) + need > QUEUE_MAX)
		return -EMSGSIZE;
	if (u->queue_at > 0) {
		memmove(u->queue, u->queue + u->queue_at, queued(u));
		u->queue_used -= u->queue_at;
		u->queue_at = 0;
	}
	uint8_t *larger = realloc(u->queue, u->queue_used + need);
	if (larger == NULL)
		return -ENOMEM;
	u->queue = larger;
	long n = rw_wire_encode(frame, u->queue + u->queue_used, need);
	if (n < 0)
		return (int)n;
	u->queue_used += (size_t)n;
	return 0;
}

/* Writes what the socket takes. False when the session ended. */
static bool flush(struct rw_uplink *u, uint64_t now_ms)
{
	while (queued(u) > 0) {
		ERR_clear_error();
		int n = SSL_write(u->ssl, u->queue + u->queue_at, (int)queued(u));
		if (n > 0) {
			u->queue_at += (size_t)n;
			continue;
		}
		int ssl_error = SSL_get_error(u->ssl, n);
		if (ssl_error == SSL_ERROR_WANT_WRITE || ssl_error == SSL_ERROR_WANT_READ) {
			u->want_write = ssl_error == SSL_ERROR_WANT_WRITE;
			return true;
		}
		give_up_tls(u, now_ms, n);
		return false;
	}
	free(u->queue);
	u->queue = NULL;
	u->queue_at = u->queue_used = 0;
	u->want_write = false;
	return true;
}

static int send_hello(struct rw_uplink *u)
{
	struct rw_uplink_config *c = &u->config;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Hello hello = RINGWATCH__V1__HELLO__INIT;
	Ringwatch__V1__Coverage coverage[RW_COVERAGE_MAX];
	Ringwatch__V1__Coverage *pointers[RW_COVERAGE_MAX];

	for (uint32_t i = 0; i < c->coverage_count; i++) {
		ringwatch__v1__coverage__init(&coverage[i]);
		coverage[i].kind = c->coverage[i].kind;
		coverage[i].hook = c->coverage[i].hook;
		coverage[i].reason = c->coverage[i].reason;
		pointers[i] = &coverage[i];
	}
	hello.schema = RW_WIRE_SCHEMA;
	hello.program = (char *)"ringwatch-sensor " RW_VERSION;
	hello.boot_id = c->boot_id;
	hello.boot_order = c->boot_order;
	hello.boot_ms = rw_clock_boot_ms();
	hello.wall_ms = rw_clock_wall_ms();
	hello.previous_boot_id = c->previous_boot_id;
	hello.previous_end = c->previous_end;
	hello.spool_id.data = (uint8_t *)rw_keeper_spool_id(c->keeper);
	hello.spool_id.len = RW_SPOOL_ID_BYTES;
	hello.kernel_release = c->kernel_release;
	hello.architecture = c->architecture;
	hello.n_coverage = c->coverage_count;
	hello.coverage = pointers;
	hello.spool_state = rw_keeper_state(c->keeper);
	hello.spool_reason = (char *)rw_keeper_reason(c->keeper);
	hello.safe_start = c->safe_start;
	hello.netconsole = c->netconsole[0] == '\0' ? (char *)"none" : c->netconsole;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_HELLO;
	frame.hello = &hello;
	u->generation = rw_keeper_generation(c->keeper);
	return enqueue(u, &frame);
}

static void send_heartbeat(struct rw_uplink *u, uint64_t now_ms)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Heartbeat heartbeat = RINGWATCH__V1__HEARTBEAT__INIT;

	heartbeat.boot_ms = now_ms;
	heartbeat.pending_events = rw_keeper_pending(u->config.keeper);
	heartbeat.lost_events = u->lost_events;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_HEARTBEAT;
	frame.heartbeat = &heartbeat;
	/* a full queue says that nothing leaves: the next one tries again */
	(void)enqueue(u, &frame);
	u->next_heartbeat_ms = now_ms + u->heartbeat_ms;
}

/* All of them, when they are not what this session was told last. */
static void send_versions(struct rw_uplink *u)
{
	const struct rw_versions *versions = u->config.versions;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Versions m = RINGWATCH__V1__VERSIONS__INIT;
	Ringwatch__V1__Version rows[RW_VERSIONS_MAX];
	Ringwatch__V1__Version *pointers[RW_VERSIONS_MAX];

	if (versions == NULL || u->told_versions == rw_versions_generation(versions))
		return;
	for (uint32_t i = 0; i < rw_versions_count(versions); i++) {
		const struct rw_version *version = rw_versions_at(versions, i);

		ringwatch__v1__version__init(&rows[i]);
		rows[i].subject = (char *)version->subject;
		rows[i].value = (char *)version->value;
		pointers[i] = &rows[i];
	}
	m.n_versions = rw_versions_count(versions);
	m.versions = pointers;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_VERSIONS;
	frame.versions = &m;
	/* a full queue says that nothing leaves: the next turn tries again */
	if (enqueue(u, &frame) == 0)
		u->told_versions = rw_versions_generation(versions);
}

struct batch {
	size_t count;
	size_t bytes;
	uint64_t last;
	Ringwatch__V1__Event *events[RW_EVENTS_PER_BATCH];
};

static bool is_full(const struct batch *batch, size_t length)
{
	return batch->count == RW_EVENTS_PER_BATCH ||
	       (batch->count > 0 && batch->bytes + length > BATCH_BYTES);
}

/* What there is behind `after`, as much as one frame takes. 0, also when there is
 * nothing now, or negative errno. */
static int fill_batch(struct rw_uplink *u, struct batch *batch, uint64_t after)
{
	const uint8_t *packed;
	uint64_t sequence;
	size_t length;

	for (;;) {
		int err = rw_keeper_next(u->config.keeper, after, &sequence, &packed, &length);
		if (err == -EAGAIN || err == -ENOENT)
			return 0;
		if (err != 0 || is_full(batch, length))
			return err;
		Ringwatch__V1__Event *event = ringwatch__v1__event__unpack(NULL, length, packed);
		if (event == NULL)
			return -EIO;
		event->sequence = sequence; /* what it is kept under decides */
		batch->events[batch->count++] = event;
		batch->bytes += length;
		after = batch->last = sequence;
	}
}

static int enqueue_batch(struct rw_uplink *u, struct batch *batch, uint64_t now_ms)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__EventBatch m = RINGWATCH__V1__EVENT_BATCH__INIT;

	m.spool_id.data = (uint8_t *)rw_keeper_spool_id(u->config.keeper);
	m.spool_id.len = RW_SPOOL_ID_BYTES;
	m.boot_id = u->config.boot_id;
	m.boot_ms = now_ms;
	m.wall_ms = rw_clock_wall_ms();
	m.n_events = batch->count;
	m.events = batch->events;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_EVENT_BATCH;
	frame.event_batch = &m;
	return enqueue(u, &frame);
}

/* Batches up to the window. 0, or negative errno when what is kept cannot be read. */
static int send_batches(struct rw_uplink *u, uint64_t now_ms)
{
	int err = 0;

	while (err == 0 && u->batches < RW_UPLINK_BATCHES && now_ms >= u->throttled_until_ms) {
		struct batch batch = {0};
		int read_err = fill_batch(u, &batch, u->sent_sequence);
		if (batch.count == 0)
			return read_err;
		err = enqueue_batch(u, &batch, now_ms);
		for (size_t i = 0; i < batch.count; i++)
			ringwatch__v1__event__free_unpacked(batch.events[i], NULL);
		if (err != 0)
			break;
		if (u->batches == 0)
			u->ack_deadline_ms = now_ms + RW_UPLINK_ACK_MS;
		u->batch_ends[u->batches++] = batch.last;
		u->sent_sequence = batch.last;
	}
	return err == -EMSGSIZE ? 0 : err;
}

/* ---- receiving -------------------------------------------------------------------------- */

enum { GO_ON = 0, SESSION_OVER = 1, ARENA_BYTES = 16 * 1024 };

struct taking {
	struct rw_uplink *uplink;
	struct rw_arena *arena;
	uint64_t now_ms;
};

/* The reader is in the midst of its work: the session ends when it is back. */
__attribute__((format(printf, 3, 4))) static int
end_session(struct rw_uplink *u, uint32_t retry_after_ms, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(u->end_reason, sizeof(u->end_reason), fmt, args);
	va_end(args);
	u->end_retry_ms = retry_after_ms;
	return SESSION_OVER;
}

static uint32_t clamp(uint32_t value, uint32_t least, uint32_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* The spool was put back to an earlier day: what it will number now, the
 * collector has seen already under this id. A new id makes it new again. */
static int renew_spool(struct rw_uplink *u, uint64_t acked)
{
	rw_warning("event=spool_renewed acked=%llu given=%llu reason=\"the collector has more than "
		   "this spool ever held\"",
		   (unsigned long long)acked,
		   (unsigned long long)rw_keeper_last_sequence(u->config.keeper));
	int err = rw_keeper_renew(u->config.keeper);
	return end_session(u, 0, "the spool begins anew under another id%s%s", err != 0 ? ": " : "",
			   err != 0 ? strerror(-err) : "");
}

static int take_ack(struct rw_uplink *u, uint64_t now_ms, uint64_t sequence)
{
	uint32_t done = 0;

	if (rw_keeper_ack(u->config.keeper, sequence) == -ERANGE)
		return renew_spool(u, sequence);
	while (done < u->batches && u->batch_ends[done] <= sequence)
		done++;
	u->batches -= done;
	memmove(u->batch_ends, u->batch_ends + done, u->batches * sizeof(u->batch_ends[0]));
	/* Behind a Throttle: it had taken more than it seemed. */
	if (u->sent_sequence < rw_keeper_acked(u->config.keeper))
		u->sent_sequence = rw_keeper_acked(u->config.keeper);
	u->ack_deadline_ms = now_ms + RW_UPLINK_ACK_MS;
	return GO_ON;
}

static int take_welcome(struct rw_uplink *u, uint64_t now_ms, const Ringwatch__V1__Welcome *m)
{
	if (m->schema != RW_WIRE_SCHEMA) {
		return end_session(u, 0, "the collector speaks wire schema %u, this sensor %d",
				   m->schema, RW_WIRE_SCHEMA);
	}
	if (m->acked_sequence > rw_keeper_last_sequence(u->config.keeper))
		return renew_spool(u, m->acked_sequence);
	u->heartbeat_ms = clamp(m->heartbeat_every_ms, RW_UPLINK_HEARTBEAT_LEAST_MS,
				RW_UPLINK_HEARTBEAT_MOST_MS);
	u->backoff_cap_ms = clamp(m->backoff_cap_ms, RW_UPLINK_BACKOFF_CAP_LEAST_MS,
				  RW_UPLINK_BACKOFF_CAP_MOST_MS);
	snprintf(u->collector, sizeof(u->collector), "%s", m->collector);
	u->stage = READY;
	u->rounds = 0;
	u->round_retry_ms = 0;
	u->throttled_until_ms = 0;
	u->batches = 0;
	int result = take_ack(u, now_ms, m->acked_sequence);
	u->sent_sequence = rw_keeper_acked(u->config.keeper);
	rw_info("event=connected%s address=%s collector=%s heartbeat_ms=%u spooled=%u",
		u->was_down ? " again=yes" : "", address_of(u), u->collector, u->heartbeat_ms,
		rw_keeper_pending(u->config.keeper));
	memset(u->said, 0, sizeof(u->said));
	u->was_down = false;
	if (u->config.versions != NULL) { /* a session begins with no modules */
		rw_versions_watch(u->config.versions, NULL, 0);
		(void)rw_versions_look(u->config.versions, rw_clock_wall_ms());
	}
	u->told_versions = 0;
	send_heartbeat(u, now_ms);
	return result;
}

static int take_reject(struct rw_uplink *u, const Ringwatch__V1__Reject *m)
{
	char detail[REASON_BYTES / 2];
	const char *name = rw_reject_name(m->code);
	bool standby = m->code == RINGWATCH__V1__REJECT_CODE__REJECT_STANDBY;

	rw_text_escape(detail, sizeof(detail), m->detail, strlen(m->detail));
	u->end_quiet = standby;
	if (standby && u->stage == READY) {
		/* it has stopped judging: the one that does stands further down the list */
		u->stage = HELLO;
	}
	return end_session(u, standby ? 0 : m->retry_after_ms, "rejected: %s%s%s",
			   name == NULL ? "unknown" : name, detail[0] != '\0' ? ": " : "", detail);
}

static int answer_probe(struct rw_uplink *u, uint64_t nonce)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__ProbeReply reply = RINGWATCH__V1__PROBE_REPLY__INIT;

	reply.nonce = nonce;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_PROBE_REPLY;
	frame.probe_reply = &reply;
	(void)enqueue(u, &frame); /* a full queue: bytes are on their way anyhow */
	return GO_ON;
}

static int take_gasp_challenge(struct rw_uplink *u, const Ringwatch__V1__GaspChallenge *m)
{
	if (u->config.on_gasp != NULL)
		u->config.on_gasp(u->config.context, m->nonce.data);
	return GO_ON;
}

static int take_drill(struct rw_uplink *u, const Ringwatch__V1__Drill *m)
{
	if (u->config.on_drill != NULL)
		u->config.on_drill(u->config.context, m->drill.data);
	return GO_ON;
}

static int take_watch(struct rw_uplink *u, const Ringwatch__V1__Watch *m)
{
	if (u->config.versions == NULL)
		return GO_ON;
	rw_versions_watch(u->config.versions, m->modules, m->n_modules);
	(void)rw_versions_look(u->config.versions, rw_clock_wall_ms());
	return GO_ON;
}

static int take_ready(struct rw_uplink *u, uint64_t now_ms, const Ringwatch__V1__Frame *frame)
{
	switch ((int)frame->body_case) {
	case RINGWATCH__V1__FRAME__BODY_ACK:
		if (memcmp(frame->ack->spool_id.data, rw_keeper_spool_id(u->config.keeper),
			   RW_SPOOL_ID_BYTES) != 0)
			return GO_ON; /* of a spool that is no more */
		return take_ack(u, now_ms, frame->ack->sequence);
	case RINGWATCH__V1__FRAME__BODY_PROBE:
		return answer_probe(u, frame->probe->nonce);
	case RINGWATCH__V1__FRAME__BODY_GASP_CHALLENGE:
		return take_gasp_challenge(u, frame->gasp_challenge);
	case RINGWATCH__V1__FRAME__BODY_DRILL:
		return take_drill(u, frame->drill);
	case RINGWATCH__V1__FRAME__BODY_WATCH:
		return take_watch(u, frame->watch);
	case RINGWATCH__V1__FRAME__BODY_THROTTLE:
		u->throttled_until_ms =
			now_ms + clamp(frame->throttle->pause_ms, 0, RW_UPLINK_RETRY_AFTER_MOST_MS);
		/* It has left alone what is on its way: all that is not acked comes again. */
		u->sent_sequence = rw_keeper_acked(u->config.keeper);
		u->batches = 0;
		return GO_ON;
	default:
		return end_session(u, 0, "the collector sent a frame out of turn");
	}
}

static int take_message(void *context, const uint8_t *message, size_t length)
{
	struct taking *t = context;
	struct rw_uplink *u = t->uplink;
	char detail[RW_WIRE_ERROR_BYTES];
	Ringwatch__V1__Frame *frame;

	enum rw_wire_error error =
		rw_wire_decode(t->arena, message, length, RW_FROM_COLLECTOR, &frame, detail);
	if (error != RW_WIRE_OK) {
		return end_session(u, 0, "the collector sent a bad frame: %s: %s",
				   rw_wire_error_name(error), detail);
	}
	if (frame->body_case == RINGWATCH__V1__FRAME__BODY_REJECT)
		return take_reject(u, frame->reject);
	if (u->stage == READY)
		return take_ready(u, t->now_ms, frame);
	if (frame->body_case == RINGWATCH__V1__FRAME__BODY_WELCOME)
		return take_welcome(u, t->now_ms, frame->welcome);
	return end_session(u, 0, "the collector's first frame is neither welcome nor reject");
}

/* Reads what has come. False when the session ended. */
static bool receive(struct rw_uplink *u, uint64_t now_ms)
{
	uint8_t bytes[READ_BYTES];
	struct taking taking = {.uplink = u, .now_ms = now_ms};
	bool alive = true;

	while (alive) {
		ERR_clear_error();
		int n = SSL_read(u->ssl, bytes, sizeof(bytes));
		if (n <= 0) {
			int ssl_error = SSL_get_error(u->ssl, n);
			if (ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE)
				break;
			give_up_tls(u, now_ms, n);
			alive = false;
			break;
		}
		if (taking.arena == NULL)
			taking.arena = rw_arena_new(ARENA_BYTES);
		int result = taking.arena == NULL
				     ? end_session(u, 0, "no memory")
				     : rw_frame_reader_feed(&u->reader, bytes, (size_t)n,
							    take_message, &taking);
		if (result < 0)
			give_up(u, now_ms, 0, "the collector sent a bad frame: %s",
				rw_wire_error_name((enum rw_wire_error) - result));
		else if (result == SESSION_OVER)
			give_up(u, now_ms, u->end_retry_ms, "%s", u->end_reason);
		alive = result == GO_ON;
	}
	rw_arena_free(taking.arena);
	return alive;
}

/* ---- connecting --------------------------------------------------------------------------- */

static void try_next_answer(struct rw_uplink *u, uint64_t now_ms);

static void begin_address(struct rw_uplink *u, uint64_t now_ms)
{
	int err = rw_lookup_begin(address_of(u), &u->lookup);

	if (err != 0) {
		give_up(u, now_ms, 0, "look-up: %s", strerror(-err));
		return;
	}
	u->stage = LOOKUP;
	u->next_ms = now_ms + RW_UPLINK_CONNECT_MS;
}

static void run_lookup(struct rw_uplink *u, uint64_t now_ms)
{
	const char *reason = "";
	int err = rw_lookup_take(u->lookup, &u->answers, &reason);

	if (err == -EAGAIN)
		return;
	rw_lookup_free(u->lookup);
	u->lookup = NULL;
	if (err != 0) {
		give_up(u, now_ms, 0, "look-up: %s", reason);
		return;
	}
	u->answer = u->answers;
	try_next_answer(u, now_ms);
}

static int connect_to(const struct addrinfo *a, int *out)
{
	int one = 1;
	unsigned timeout_ms = USER_TIMEOUT_MS;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* neither is vital: small frames would only be slower, a dead peer noticed later */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
		int err = -errno;
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

/* Each address that the name stands for, in the resolver's order. */
static void try_next_answer(struct rw_uplink *u, uint64_t now_ms)
{
	int err = -EHOSTUNREACH;

	while (u->answer != NULL) {
		err = connect_to(u->answer, &u->fd);
		u->answer = u->answer->ai_next;
		if (err == 0) {
			u->stage = CONNECT;
			return;
		}
	}
	give_up(u, now_ms, 0, "connect: %s", strerror(-err));
}

static void run_connect(struct rw_uplink *u, uint64_t now_ms)
{
	struct pollfd p = {.fd = u->fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	if (poll(&p, 1, 0) <= 0)
		return;
	if (getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error != 0) {
		close(u->fd);
		u->fd = -1;
		if (u->answer != NULL)
			try_next_answer(u, now_ms);
		else
			give_up(u, now_ms, 0, "connect: %s", strerror(error));
		return;
	}
	freeaddrinfo(u->answers);
	u->answers = u->answer = NULL;
	u->ssl = SSL_new(u->config.tls);
	if (u->ssl == NULL || SSL_set_fd(u->ssl, u->fd) != 1) {
		ERR_clear_error();
		give_up(u, now_ms, 0, "TLS: no memory");
		return;
	}
	SSL_set_connect_state(u->ssl);
	u->stage = HANDSHAKE;
}

static void run_handshake(struct rw_uplink *u, uint64_t now_ms)
{
	char reason[RW_TLS_ERROR_BYTES];
	struct rw_identity peer;

	ERR_clear_error();
	int n = SSL_do_handshake(u->ssl);
	if (n != 1) {
		int ssl_error = SSL_get_error(u->ssl, n);
		u->want_write = ssl_error == SSL_ERROR_WANT_WRITE;
		if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE)
			give_up_tls(u, now_ms, n);
		return;
	}
	if (rw_tls_peer_identity(u->ssl, RW_TLS_SENSOR, u->config.trust_domain, &peer, reason) !=
	    0) {
		give_up(u, now_ms, 0, "refused the collector: %s", reason);
		return;
	}
	int err = send_hello(u);
	if (err != 0) {
		give_up(u, now_ms, 0, "hello: %s", strerror(-err));
		return;
	}
	u->stage = HELLO;
}

/* What Hello said of the spool no longer holds: a new Hello, to the same collector,
 * without anything being wrong. */
static void greet_anew(struct rw_uplink *u, uint64_t now_ms)
{
	rw_info("event=greeting_anew address=%s spool=%s", address_of(u),
		rw_keeper_state(u->config.keeper) == RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK
			? "disk"
			: "memory");
	ERR_clear_error();
	(void)SSL_shutdown(u->ssl); /* the collector sees an end, not a failure */
	ERR_clear_error();
	drop_session(u);
	u->next_ms = now_ms;
}

static void run_session(struct rw_uplink *u, uint64_t now_ms)
{
	if (!receive(u, now_ms))
		return;
	if (u->stage == READY && !u->goodbye) {
		if (now_ms >= u->next_heartbeat_ms)
			send_heartbeat(u, now_ms);
		send_versions(u);
		int err = send_batches(u, now_ms);
		if (err != 0) {
			rw_error("event=spool_failed what=read reason=\"%s\"", strerror(-err));
			give_up(u, now_ms, RW_UPLINK_BACKOFF_CAP_MS, "the spool cannot be read");
			return;
		}
		if (u->batches > 0 && now_ms >= u->ack_deadline_ms) {
			give_up(u, now_ms, 0, "the collector acknowledged nothing for %d s",
				RW_UPLINK_ACK_MS / 1000);
			return;
		}
	}
	(void)flush(u, now_ms);
}

/* ---- for the loop ---------------------------------------------------------------------------- */

static void step(struct rw_uplink *u, uint64_t now_ms)
{
	if ((u->stage == HELLO || u->stage == READY) && !u->goodbye &&
	    u->generation != rw_keeper_generation(u->config.keeper))
		greet_anew(u, now_ms);
	if (u->stage == IDLE && now_ms >= u->next_ms)
		begin_address(u, now_ms);
	if (u->stage == LOOKUP)
		run_lookup(u, now_ms);
	if (u->stage == CONNECT)
		run_connect(u, now_ms);
	if (u->stage == HANDSHAKE)
		run_handshake(u, now_ms);
	if (u->stage == HELLO || u->stage == READY)
		run_session(u, now_ms);
	if (u->stage == CONNECT && now_ms >= u->next_ms && u->answer != NULL) {
		/* a name may stand for an address that nothing answers from, and a good one */
		close(u->fd);
		u->fd = -1;
		u->next_ms = now_ms + RW_UPLINK_CONNECT_MS;
		try_next_answer(u, now_ms);
	}
	if (u->stage != IDLE && u->stage != READY && now_ms >= u->next_ms) {
		static const char *const stages[] = {"", "look-up", "connect", "TLS handshake",
						     "welcome"};
		give_up(u, now_ms, 0, "no answer within %d s: %s", RW_UPLINK_CONNECT_MS / 1000,
			stages[u->stage]);
	}
}

uint64_t rw_uplink_run(struct rw_uplink *u, uint64_t now_ms)
{
	step(u, now_ms);
	if (u->stage != READY)
		return u->next_ms;
	uint64_t next = u->next_heartbeat_ms;
	if (u->batches > 0 && u->ack_deadline_ms < next)
		next = u->ack_deadline_ms;
	if (u->throttled_until_ms > now_ms && u->throttled_until_ms < next)
		next = u->throttled_until_ms;
	return next;
}

uint32_t rw_uplink_poll(const struct rw_uplink *u, struct pollfd out[RW_UPLINK_POLLFDS])
{
	if (u->stage == LOOKUP) {
		out[0] = (struct pollfd){.fd = rw_lookup_descriptor(u->lookup), .events = POLLIN};
		return 1;
	}
	if (u->fd < 0)
		return 0;
	short events = u->stage == CONNECT ? POLLOUT : POLLIN;
	if (u->want_write)
		events |= POLLOUT;
	out[0] = (struct pollfd){.fd = u->fd, .events = events};
	return 1;
}

struct rw_uplink *rw_uplink_new(const struct rw_uplink_config *config)
{
	struct rw_uplink *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->config = *config;
	u->fd = -1;
	u->backoff_cap_ms = RW_UPLINK_BACKOFF_CAP_MS;
	rw_frame_reader_init(&u->reader);
	SSL_CTX_up_ref(u->config.tls);
	return u;
}

void rw_uplink_free(struct rw_uplink *u)
{
	if (u == NULL)
		return;
	if (u->ssl != NULL && u->stage == READY)
		(void)SSL_shutdown(u->ssl); /* a courtesy; nobody waits for the answer */
	drop_session(u);
	ERR_clear_error();
	SSL_CTX_free(u->config.tls);
	free(u);
}

void rw_uplink_set_lost(struct rw_uplink *u, uint64_t lost_events)
{
	u->lost_events = lost_events;
}

void rw_uplink_set_tls(struct rw_uplink *u, SSL_CTX *tls, const char *trust_domain)
{
	SSL_CTX_up_ref(tls);
	SSL_CTX_free(u->config.tls);
	u->config.tls = tls;
	snprintf(u->config.trust_domain, sizeof(u->config.trust_domain), "%s", trust_domain);
	drop_session(u);
	u->address = 0;
	u->next_ms = 0;
}

bool rw_uplink_is_ready(const struct rw_uplink *u)
{
	return u->stage == READY;
}

bool rw_uplink_is_drained(const struct rw_uplink *u)
{
	return rw_keeper_is_drained(u->config.keeper);
}

void rw_uplink_goodbye(struct rw_uplink *u, Ringwatch__V1__GoodbyeKind kind, uint32_t back_in_s)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Goodbye goodbye = RINGWATCH__V1__GOODBYE__INIT;

	u->goodbye = true;
	if (u->stage != READY)
		return;
	goodbye.kind = kind;
	goodbye.back_in_s = back_in_s;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_GOODBYE;
	frame.goodbye = &goodbye;
	if (enqueue(u, &frame) == 0)
		(void)flush(u, rw_clock_boot_ms());
}

bool rw_uplink_is_flushed(const struct rw_uplink *u)
{
	return u->stage != READY || queued(u) == 0;
}
