/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport of a session: bytes, TLS, deadlines, closing. What frames mean
 * is protocol.c's.
 *
 * Happy path: read_some() gets bytes into the loop's buffer, SSL reads them
 * through the scratch, whole frames go to rw_session_frame(); answers are
 * written to the socket at once (uv_try_write), what does not fit is queued.
 *
 * Whatever ends a session only marks it and calls uv_close(); closed() frees.
 * So callers look at the state after each thing that may have ended it.
 */
#include "collector/ingest/session.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/tls.h"

static void read_some(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);
static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer);

/* ---- deadlines ---------------------------------------------------------------- */

static void unlist(struct rw_session *s)
{
	struct rw_ingest *ingest = s->ingest;

	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		ingest->lists[s->list].head = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	else
		ingest->lists[s->list].tail = s->prev;
	s->prev = s->next = NULL;
}

static void enlist(struct rw_session *s, enum rw_session_list list)
{
	struct rw_ingest *ingest = s->ingest;

	s->list = list;
	s->since_ms = ingest->clock_ms;
	s->prev = ingest->lists[list].tail;
	s->next = NULL;
	if (s->prev != NULL)
		s->prev->next = s;
	else
		ingest->lists[list].head = s;
	ingest->lists[list].tail = s;
}

void rw_session_move(struct rw_session *s, enum rw_session_list list)
{
	unlist(s);
	enlist(s, list);
}

void rw_session_expire(struct rw_session *s)
{
	struct rw_hub_stats *stats = rw_hub_counters(s->ingest->hub);

	switch (s->list) {
	case RW_LIST_HANDSHAKE:
		stats->sessions_timed_out++;
		stats->handshakes_failed++;
		rw_session_drop(s, "timeout", "the TLS handshake did not end in time");
		break;
	case RW_LIST_HELLO:
		stats->sessions_timed_out++;
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME,
				  "hello: did not come in time", 0);
		break;
	case RW_LIST_CONTESTING:
		rw_session_win(s);
		break;
	case RW_LIST_FRAME:
		stats->sessions_timed_out++;
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME,
				  "frame: its rest did not come in time", 0);
		break;
	case RW_LIST_LIVE:
		rw_session_drop(s, "idle", "nothing was heard for too long");
		break;
	default:
		rw_session_close(s);
		break;
	}
}

/* ---- ending ----------------------------------------------------------------------- */

static void log_end(struct rw_session *s, const char *reason, const char *detail)
{
	if (!rw_log_limit_take(&s->ingest->refused_log, rw_clock_boot_ms()))
		return;
	rw_warning("event=session_refused peer=%s host=%s ring=%s reason=%s detail=\"%s\"", s->peer,
		   s->name[0] == '\0' ? "-" : s->name, s->ring[0] == '\0' ? "-" : s->ring, reason,
		   detail);
}

static void closed(uv_handle_t *handle)
{
	struct rw_session *s = (struct rw_session *)handle;

	SSL_free(s->ssl);
	rw_frame_reader_release(&s->frames);
	s->ingest->sessions--;
	rw_hub_counters(s->ingest->hub)->closed++;
	free(s);
}

void rw_session_close(struct rw_session *s)
{
	if (s->state == RW_SESSION_CLOSED)
		return;
	rw_session_unlink_host(s);
	unlist(s);
	s->state = RW_SESSION_CLOSED;
	uv_close((uv_handle_t *)&s->tcp, closed);
}

void rw_session_drop(struct rw_session *s, const char *reason, const char *detail)
{
	if (s->state == RW_SESSION_CLOSED)
		return;
	log_end(s, reason, detail);
	rw_session_close(s);
}

/* ---- sending ----------------------------------------------------------------------- */

struct write {
	uv_write_t request; /* first */
	uint8_t bytes[];
};

static void written(uv_write_t *request, int status)
{
	struct rw_session *s = (struct rw_session *)request->handle;

	free(request);
	if (s->state == RW_SESSION_CLOSED)
		return;
	if (status < 0) {
		rw_session_close(s);
		return;
	}
	if (s->input_waits &&
	    uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp) < RW_SESSION_QUEUE_BYTES) {
		s->input_waits = false;
		if (uv_read_start((uv_stream_t *)&s->tcp, give_buffer, read_some) != 0)
			rw_session_close(s);
	}
}

static bool queue_rest(struct rw_session *s, const uint8_t *bytes, size_t length)
{
	size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp);
	struct write *write;

	/* Its input waits from 64 KiB on; four times that is more than we ever answer. */
	if (queued + length > 4 * (size_t)RW_SESSION_QUEUE_BYTES)
		return false;
	write = malloc(sizeof(*write) + length);
	if (write == NULL)
		return false;
	memcpy(write->bytes, bytes, length);
	uv_buf_t buffer = uv_buf_init((char *)write->bytes, (unsigned)length);
	if (uv_write(&write->request, (uv_stream_t *)&s->tcp, &buffer, 1, written) != 0) {
		free(write);
		return false;
	}
	if (queued + length >= RW_SESSION_QUEUE_BYTES && !s->input_waits) {
		s->input_waits = true;
		uv_read_stop((uv_stream_t *)&s->tcp);
	}
	return true;
}

/* Sends what an SSL call left in the scratch. False: the session is closed. */
static bool flush(struct rw_session *s)
{
	struct rw_scratch *scratch = s->ingest->scratch;
	size_t length = scratch->out_used;
	size_t sent = 0;

	scratch->out_used = 0;
	if (length == 0)
		return true;
	if (s->state == RW_SESSION_CLOSED)
		return false;
	uv_buf_t buffer = uv_buf_init((char *)scratch->out, (unsigned)length);
	int n = uv_try_write((uv_stream_t *)&s->tcp, &buffer, 1);
	if (n > 0)
		sent = (size_t)n;
	bool fine = n >= 0 || n == UV_EAGAIN;
	if (fine && sent < length)
		fine = queue_rest(s, scratch->out + sent, length - sent);
	if (!fine)
		rw_session_close(s);
	return fine;
}

bool rw_session_send(struct rw_session *s, const Ringwatch__V1__Frame *frame)
{
	uint8_t bytes[4096]; /* the collector's messages are small; the largest is Watch */

	if (s->state == RW_SESSION_CLOSED || s->state == RW_SESSION_LINGERING)
		return false;
	long length = rw_wire_encode(frame, bytes, sizeof(bytes));
	if (length < 0) {
		rw_session_drop(s, "internal", "a message does not fit");
		return false;
	}
	ERR_clear_error();
	int n = SSL_write(s->ssl, bytes, (int)length);
	if (n != (int)length) {
		char why[RW_TLS_ERROR_BYTES];
		rw_tls_explain(s->ssl, SSL_get_error(s->ssl, n), why);
		s->ingest->scratch->out_used = 0;
		rw_session_drop(s, "tls", why);
		return false;
	}
	return flush(s);
}

static void shutdown_done(uv_shutdown_t *request, int status)
{
	(void)status; /* the linger deadline closes what is left */
	free(request);
}

void rw_session_linger(struct rw_session *s)
{
	if (s->state == RW_SESSION_CLOSED || s->state == RW_SESSION_LINGERING)
		return;
	rw_session_unlink_host(s);
	s->state = RW_SESSION_LINGERING;
	rw_session_move(s, RW_LIST_LINGERING);

	if (SSL_is_init_finished(s->ssl)) {
		ERR_clear_error();
		(void)SSL_shutdown(s->ssl);
	}
	if (!flush(s))
		return;
	/* Its input must be read for its end to be seen. */
	if (s->input_waits) {
		s->input_waits = false;
		if (uv_read_start((uv_stream_t *)&s->tcp, give_buffer, read_some) != 0) {
			rw_session_close(s);
			return;
		}
	}
	uv_shutdown_t *request = malloc(sizeof(*request));
	if (request == NULL || uv_shutdown(request, (uv_stream_t *)&s->tcp, shutdown_done) != 0) {
		free(request);
		rw_session_close(s);
	}
}

void rw_session_reject(struct rw_session *s, Ringwatch__V1__RejectCode code, const char *detail,
		       uint32_t retry_after_ms)
{
	Ringwatch__V1__Reject reject = RINGWATCH__V1__REJECT__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	char text[RW_DETAIL_MAX];

	if (s->state == RW_SESSION_CLOSED || s->state == RW_SESSION_LINGERING)
		return;
	snprintf(text, sizeof(text), "%s", detail);
	reject.code = code;
	reject.detail = text;
	reject.retry_after_ms = retry_after_ms;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_REJECT;
	frame.reject = &reject;
	if (code != RINGWATCH__V1__REJECT_CODE__REJECT_SHUTTING_DOWN)
		log_end(s, rw_reject_name(code), detail);
	rw_hub_counters(s->ingest->hub)->rejects_sent[code]++;
	if (rw_session_send(s, &frame))
		rw_session_linger(s);
}

/* ---- receiving ------------------------------------------------------------------------ */

/* After the handshake: who is it? */
static void identify(struct rw_session *s)
{
	struct rw_identity identity;
	char why[RW_TLS_ERROR_BYTES];
	struct rw_hub_stats *stats = rw_hub_counters(s->ingest->hub);

	stats->handshakes_ok++;
	s->state = RW_SESSION_HELLO;
	rw_session_move(s, RW_LIST_HELLO);
	if (rw_tls_peer_identity(s->ssl, RW_TLS_COLLECTOR, s->ingest->trust_domain, &identity,
				 why) != 0) {
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_IDENTITY, why, 0);
		return;
	}
	/* It began before the certificates were read again, and was checked by the old ones. */
	if (SSL_get_SSL_CTX(s->ssl) != s->ingest->context && !rw_session_still_verifies(s, why)) {
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_IDENTITY, why, 0);
		return;
	}
	_Static_assert(sizeof(s->name) == sizeof(identity.name), "names are equally long");
	memcpy(s->name, identity.name, sizeof(s->name));
	memcpy(s->ring, identity.ring, sizeof(s->ring));
	memcpy(s->certified_ring, identity.ring, sizeof(s->certified_ring));
}

static void shake_hands(struct rw_session *s)
{
	char why[RW_TLS_ERROR_BYTES];

	ERR_clear_error();
	int n = SSL_do_handshake(s->ssl);
	if (n == 1) {
		if (flush(s))
			identify(s);
		return;
	}
	int error = SSL_get_error(s->ssl, n);
	if (error == SSL_ERROR_WANT_READ) {
		flush(s);
		return;
	}
	/* The alert tells the peer; the log tells us. */
	rw_hub_counters(s->ingest->hub)->handshakes_failed++;
	rw_tls_explain(s->ssl, error, why);
	log_end(s, "tls", why);
	if (flush(s))
		rw_session_linger(s);
}

static bool takes_frames(const struct rw_session *s)
{
	return s->state == RW_SESSION_HELLO || s->state == RW_SESSION_LIVE ||
	       s->state == RW_SESSION_CONTESTING;
}

static void feed(struct rw_session *s, const uint8_t *bytes, size_t length)
{
	int result = rw_frame_reader_feed(&s->frames, bytes, length, rw_session_frame, s);

	if (result >= 0 || !takes_frames(s))
		return;
	enum rw_wire_error error = (enum rw_wire_error)(-result);
	rw_hub_counters(s->ingest->hub)->rejected_frames[error]++;
	char detail[RW_WIRE_ERROR_BYTES];
	snprintf(detail, sizeof(detail), "frame: %s, expected a length of 1 to %d",
		 rw_wire_error_name(error), (int)RW_FRAME_MAX);
	rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME, detail, 0);
}

static void read_tls(struct rw_session *s)
{
	struct rw_scratch *scratch = s->ingest->scratch;

	while (takes_frames(s)) {
		ERR_clear_error();
		int n = SSL_read(s->ssl, scratch->plain, sizeof(scratch->plain));
		int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);
		if (!flush(s))
			return;
		if (n > 0) {
			if (s->state == RW_SESSION_LIVE)
				rw_core_heard(rw_hub_core(s->ingest->hub), s->host,
					      rw_hub_now(s->ingest->hub));
			s->was_heard = true;
			feed(s, scratch->plain, (size_t)n);
			continue;
		}
		if (error == SSL_ERROR_WANT_READ)
			return;
		if (error == SSL_ERROR_ZERO_RETURN) {
			rw_session_linger(s);
			return;
		}
		char why[RW_TLS_ERROR_BYTES];
		rw_tls_explain(s->ssl, error, why);
		rw_session_drop(s, "tls", why);
		return;
	}
}

/* Where a live session stands after a read: heard just now, perhaps in the midst of a frame. */
static void relist(struct rw_session *s)
{
	if (s->state != RW_SESSION_LIVE || !s->was_heard)
		return;
	bool pending = rw_frame_reader_is_pending(&s->frames);
	/* A frame that has begun keeps its deadline, however its bytes dribble. */
	if (pending && s->list == RW_LIST_FRAME && !s->frame_ended)
		return;
	rw_session_move(s, pending ? RW_LIST_FRAME : RW_LIST_LIVE);
}

static void receive(struct rw_session *s, const uint8_t *bytes, size_t length)
{
	struct rw_hub *hub = s->ingest->hub;

	if (s->state == RW_SESSION_LINGERING)
		return;
	if (s->state == RW_SESSION_HANDSHAKE || s->state == RW_SESSION_HELLO) {
		s->preauth_bytes += (uint32_t)length;
		if (s->preauth_bytes > RW_SESSION_PREAUTH_BYTES) {
			rw_session_drop(s, "preauth_bytes", "too many bytes before a Hello");
			return;
		}
	}
	s->was_heard = s->frame_ended = false;
	rw_hub_turn_begin(hub);
	rw_scratch_give(s->ingest->scratch, s->ssl, bytes, length);
	if (s->state == RW_SESSION_HANDSHAKE)
		shake_hands(s);
	read_tls(s);
	/* What a session that ended left unread is nobody's. */
	rw_scratch_give(s->ingest->scratch, s->ssl, NULL, 0);
	relist(s);
	rw_hub_turn_end(hub);
}

static void read_some(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
	struct rw_session *s = (struct rw_session *)stream;

	if (s->state == RW_SESSION_CLOSED || length == 0)
		return;
	if (length > 0) {
		receive(s, (const uint8_t *)buffer->base, (size_t)length);
		return;
	}
	if (s->state == RW_SESSION_HANDSHAKE) {
		rw_hub_counters(s->ingest->hub)->handshakes_failed++;
		rw_session_drop(s, "tls", "the peer closed the connection in the handshake");
		return;
	}
	if (s->state == RW_SESSION_LIVE)
		rw_debug("event=session_ended peer=%s host=%s reason=%s", s->peer, s->name,
			 length == UV_EOF ? "closed" : uv_err_name((int)length));
	rw_session_close(s);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct rw_session *s = (struct rw_session *)handle;

	(void)suggested;
	*buffer = uv_buf_init((char *)s->ingest->scratch->in, RW_SCRATCH_IN_BYTES);
}

/* ---- beginning --------------------------------------------------------------------------- */

void rw_session_begin(struct rw_session *s)
{
	struct rw_ingest *ingest = s->ingest;

	s->host = RW_NO_HOST;
	rw_frame_reader_init(&s->frames);
	enlist(s, RW_LIST_HANDSHAKE);
	s->state = RW_SESSION_HANDSHAKE;
	s->ssl = rw_scratch_ssl(ingest->scratch, ingest->context);
	if (s->ssl == NULL) {
		rw_session_drop(s, "internal", "out of memory");
		return;
	}
	uv_tcp_nodelay(&s->tcp, 1);
	uv_tcp_keepalive(&s->tcp, 1, 60);
	if (uv_read_start((uv_stream_t *)&s->tcp, give_buffer, read_some) != 0)
		rw_session_close(s);
}
