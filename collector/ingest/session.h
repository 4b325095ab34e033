/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a sensor, from accept to close, and what all of them
 * share. For the files of ingest/ only.
 *
 *   HANDSHAKE ─ TLS done, identity good ─▶ HELLO ─ Hello good ─▶ LIVE
 *       │                                    │                    ▲
 *       │                                    └ another boot of    │ the older one
 *       │                                      this host lives ─▶ CONTESTING
 *       │                                                         │ is silent
 *       └───────────── refused, done, too slow ─▶ LINGERING ─▶ CLOSED
 *
 * A session is freed only in the callback of its close, never in the midst of
 * its own input.
 */
#ifndef RINGWATCH_INGEST_SESSION_H
#define RINGWATCH_INGEST_SESSION_H

#include "collector/ingest/ingest.h"
#include "collector/ingest/scratch.h"
#include "lib/name.h"
#include "lib/spiffe.h"
#include "lib/tls.h"
#include "proto/wire.h"

enum rw_session_state {
	RW_SESSION_HANDSHAKE,
	RW_SESSION_HELLO,
	RW_SESSION_CONTESTING, /* waits for what the older session of its host says */
	RW_SESSION_LIVE,
	RW_SESSION_LINGERING, /* nothing is read from it any more but the end */
	RW_SESSION_CLOSED,    /* uv_close() is under way */
};

/* Deadlines: one list for each length of time, in the order of their begin. */
enum rw_session_list {
	RW_LIST_HANDSHAKE,
	RW_LIST_HELLO,
	RW_LIST_CONTESTING,
	RW_LIST_FRAME, /* live, with part of a frame pending */
	RW_LIST_LIVE,  /* in the order of last hearing */
	RW_LIST_LINGERING,
	RW_LIST_COUNT,
};

enum { RW_PEER_TEXT_BYTES = 64 };

/* A good Hello that cannot be acted on yet. */
struct rw_hello_kept {
	struct rw_boot boot;
	enum rw_boot_end previous_end;
	uint8_t spool_id[16];
	bool netconsole_armed;
	struct rw_host_said *said;
};

struct rw_session {
	uv_tcp_t tcp; /* first, so that a handle is its session */
	struct rw_ingest *ingest;
	SSL *ssl;
	struct rw_frame_reader frames;
	struct rw_session *prev, *next; /* in lists[list] */
	uint64_t since_ms;              /* ingest's clock */
	enum rw_session_list list;
	enum rw_session_state state;
	bool input_waits; /* not read: too much is unsent */
	bool was_heard;   /* in this read: authenticated bytes */
	bool frame_ended; /* in this read: at least one whole frame */
	uint32_t preauth_bytes;
	rw_host_handle host;         /* LIVE */
	struct rw_session *rival;    /* CONTESTING: the older one; LIVE: the newer one, or NULL */
	struct rw_hello_kept *hello; /* CONTESTING */
	uint64_t probe_nonce;        /* 0: none is open */
	uint64_t throttled_ms;
	uint64_t ack_sequence; /* to send; see ack_due */
	uint8_t ack_spool[16];
	bool ack_due;
	struct rw_session *next_due;
	uint8_t boot_id[16];        /* LIVE, CONTESTING */
	char ring[RW_NAME_MAX + 1]; /* from the inventory, or else the certificate */
	char certified_ring[RW_NAME_MAX + 1];
	char name[RW_NAME_MAX + 1];
	char peer[RW_PEER_TEXT_BYTES];
};

/* A batch of events on its way to the disk. */
struct rw_pending_ack {
	uint64_t store_sequence;
	uint64_t event_sequence;
	rw_host_handle host;
	uint8_t spool_id[16];
};

struct rw_ingest {
	struct rw_hub *hub;
	struct rw_ingest_config config; /* its texts are copied below */
	char name[RW_NAME_MAX + 1];
	char trust_domain[RW_TRUST_DOMAIN_MAX + 1];
	char address[RW_PEER_TEXT_BYTES];
	SSL_CTX *context;
	struct rw_inventory *inventory; /* NULL: there is none */
	struct rw_scratch *scratch;
	struct rw_arena *arena;

	uv_tcp_t listener;
	uv_timer_t accept_timer; /* when the bucket was empty, or there was no room */
	bool listening, accept_waits;
	uint64_t accept_milli; /* thousandths of a token */
	bool bucket_empty;     /* since the last tick a connection had to wait for a token */
	uint32_t busy_ticks;   /* so many ticks in a row it was */
	uint64_t accept_filled_ms;

	struct {
		struct rw_session *head, *tail;
	} lists[RW_LIST_COUNT];
	uint64_t clock_ms; /* of deadlines: stands still while this process does */
	uint64_t last_tick_ms;
	uint64_t sessions; /* not yet freed */
	uint64_t idle_ms;  /* a live session that nothing is heard of for so long is closed */
	bool draining;

	struct rw_pending_ack *pending; /* a ring of 2^n */
	size_t pending_first, pending_count, pending_size;
	struct rw_session *due; /* Acks to send after this commit */

	uint32_t watched_count; /* modules that sensors are to report, as they were told */
	char watched[RW_WATCH_MAX][RW_NAME_MAX + 1];

	struct rw_log_limit refused_log, live_log, version_log;
};

/* ---- session.c ---- */

/* A connection that was just accepted; takes the session over. */
void rw_session_begin(struct rw_session *session);
void rw_session_move(struct rw_session *session, enum rw_session_list list);
/* Sends one message; false when the session has ended of it. */
bool rw_session_send(struct rw_session *session, const Ringwatch__V1__Frame *frame);
void rw_session_ack(struct rw_session *session, const uint8_t spool_id[16], uint64_t sequence);
void rw_session_probe(struct rw_session *session);
/* Says why to the peer and to the log, and ends the session in good order. */
void rw_session_reject(struct rw_session *session, Ringwatch__V1__RejectCode code,
		       const char *detail, uint32_t retry_after_ms);
/* Ends it with a log line, without a word to the peer. */
void rw_session_drop(struct rw_session *session, const char *reason, const char *detail);
/* Sends what is unsent, then FIN; the peer closes, or RW_SESSION_LINGER_MS pass. */
void rw_session_linger(struct rw_session *session);
void rw_session_close(struct rw_session *session);
/* A deadline of the list that it is in has passed. */
void rw_session_expire(struct rw_session *session);

/* ---- ingest.c ---- */

/* Whether the present certificates and revocation list still let the peer in. */
bool rw_session_still_verifies(const struct rw_session *session, char why[RW_TLS_ERROR_BYTES]);

/* ---- protocol.c ---- */

/* The ring that the inventory, or else its certificate, gives the session's host; NULL: the
 * host is not in the inventory. */
const char *rw_session_ring_of(const struct rw_session *session);
void rw_session_refuse_not_listed(struct rw_session *session);
void rw_session_refuse_retired(struct rw_session *session);

/* One whole frame; a value other than 0 when the session takes no more. */
int rw_session_frame(void *context, const uint8_t *message, size_t length);
/* The older session of the host was silent, or is gone: the newer one goes on. */
void rw_session_win(struct rw_session *session);
/* Its host is to write this nonce into its kernel log. */
void rw_session_challenge(struct rw_session *session, const uint8_t nonce[RW_GASP_NONCE_BYTES]);
void rw_session_drill(struct rw_session *session, const uint8_t name[RW_DRILL_BYTES]);
/* Its sensor is to report the modules that ingest watches. */
void rw_session_watch(struct rw_session *session);
/* Its place in the host's entry, and as a rival. */
void rw_session_unlink_host(struct rw_session *session);
const char *rw_session_host_name(const struct rw_session *session);

#endif
