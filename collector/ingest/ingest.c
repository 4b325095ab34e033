/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener, the deadlines of all sessions, and the end.
 *
 * libuv accepts the whole backlog in one callback, so a storm of reconnects is
 * slowed by not calling uv_accept(): a token bucket keeps handshakes below
 * what one loop can do beside its heartbeats, and the number of sessions stays
 * below sessions_max; who waits, waits in the backlog.
 *
 * Deadlines are not timers: sessions stand in a list for each length of time,
 * in the order of their begin, and a tick looks at the heads. Their clock
 * leaves out the time in which this process did not run, so that a suspended
 * machine does not end all its sessions when it wakes.
 */
#include "collector/ingest/ingest.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest/session.h"
#include "lib/clock.h"
#include "lib/tls.h"

enum { BACKLOG = 1024, ACCEPT_RETRY_MS = 20 };

/* ---- accepting ----------------------------------------------------------------- */

static bool take_token(struct rw_ingest *ingest)
{
	uint64_t now_ms = rw_clock_boot_ms();
	uint64_t full = (uint64_t)RW_ACCEPTS_BURST * 1000;
	uint64_t passed_ms = now_ms - ingest->accept_filled_ms;

	if (passed_ms > 1000)
		ingest->accept_milli = full;
	else
		ingest->accept_milli += passed_ms * RW_ACCEPTS_PER_SECOND;
	if (ingest->accept_milli > full)
		ingest->accept_milli = full;
	ingest->accept_filled_ms = now_ms;
	if (ingest->accept_milli < 1000) {
		ingest->bucket_empty = true;
		return false;
	}
	ingest->accept_milli -= 1000;
	return true;
}

static void name_address(const struct sockaddr_storage *address, char out[RW_PEER_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;
		uv_ip6_name(in6, host, sizeof(host));
		snprintf(out, RW_PEER_TEXT_BYTES, "[%s]:%u", host, (unsigned)ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const void *)address;
		uv_ip4_name(in, host, sizeof(host));
		snprintf(out, RW_PEER_TEXT_BYTES, "%s:%u", host, (unsigned)ntohs(in->sin_port));
	}
}

static void free_unused(uv_handle_t *handle)
{
	free(handle);
}

/* Takes the waiting connection, if there may be one more. */
static void accept_one(struct rw_ingest *ingest)
{
	struct sockaddr_storage address = {0};
	int length = sizeof(address);

	ingest->accept_waits =
		ingest->sessions >= ingest->config.sessions_max || !take_token(ingest);
	if (ingest->accept_waits)
		return;
	struct rw_session *s = calloc(1, sizeof(*s));
	if (s == NULL || uv_tcp_init(rw_hub_loop(ingest->hub), &s->tcp) != 0) {
		free(s);
		ingest->accept_waits = true;
		return;
	}
	if (uv_accept((uv_stream_t *)&ingest->listener, (uv_stream_t *)&s->tcp) != 0) {
		uv_close((uv_handle_t *)&s->tcp, free_unused);
		return;
	}
	s->ingest = ingest;
	ingest->sessions++;
	rw_hub_counters(ingest->hub)->accepted++;
	if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&address, &length) == 0)
		name_address(&address, s->peer);
	else
		snprintf(s->peer, sizeof(s->peer), "?");
	rw_session_begin(s);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct rw_ingest *ingest = listener->data;

	if (status < 0 || ingest->draining)
		return;
	accept_one(ingest);
}

/* One connection was left waiting; accepting it lets libuv go on with the rest. */
static void retry_accept(uv_timer_t *timer)
{
	struct rw_ingest *ingest = timer->data;

	if (ingest->accept_waits && !ingest->draining)
		accept_one(ingest);
}

/* ---- opening ---------------------------------------------------------------------- */

/* HOST:PORT or [V6]:PORT; a name is looked up, blocking: the loop does not run yet. */
int rw_ingest_resolve(const char *text, int type, struct sockaddr_storage *out,
		      char error[RW_HUB_ERROR_BYTES])
{
	char host[256];
	const char *colon = strrchr(text, ':');
	size_t length = colon == NULL ? 0 : (size_t)(colon - text);
	struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_PASSIVE};
	struct addrinfo *found;

	if (length == 0 || length >= sizeof(host)) {
		snprintf(error, RW_HUB_ERROR_BYTES, "%s: is no address", text);
		return -EINVAL;
	}
	if (text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	memcpy(host, text, length);
	host[length] = '\0';
	int code = getaddrinfo(host, colon + 1, &hints, &found);
	if (code != 0) {
		snprintf(error, RW_HUB_ERROR_BYTES, "%s: %s", host, gai_strerror(code));
		return -EADDRNOTAVAIL;
	}
	memcpy(out, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

static int start_listening(struct rw_ingest *ingest, const char *text,
			   char error[RW_HUB_ERROR_BYTES])
{
	struct sockaddr_storage address = {0};
	int length = sizeof(address);
	int err = rw_ingest_resolve(text, SOCK_STREAM, &address, error);

	if (err != 0)
		return err;
	err = uv_tcp_bind(&ingest->listener, (struct sockaddr *)&address, 0);
	if (err == 0)
		err = uv_listen((uv_stream_t *)&ingest->listener, BACKLOG, on_connection);
	if (err == 0)
		err = uv_tcp_getsockname(&ingest->listener, (struct sockaddr *)&address, &length);
	if (err != 0) {
		snprintf(error, RW_HUB_ERROR_BYTES, "%s: %s", text, uv_strerror(err));
		return err; /* on Unix, libuv's codes are negative errno */
	}
	name_address(&address, ingest->address);
	return 0;
}

static void init_handles(struct rw_ingest *ingest)
{
	uv_tcp_init(rw_hub_loop(ingest->hub), &ingest->listener);
	uv_timer_init(rw_hub_loop(ingest->hub), &ingest->accept_timer);
	ingest->listener.data = ingest->accept_timer.data = ingest;
	ingest->listening = true;
}

int rw_ingest_open(struct rw_hub *hub, const struct rw_ingest_config *config,
		   struct rw_ingest **out, char error[RW_HUB_ERROR_BYTES])
{
	struct rw_ingest *ingest = calloc(1, sizeof(*ingest));

	if (ingest == NULL) {
		snprintf(error, RW_HUB_ERROR_BYTES, "out of memory");
		return -ENOMEM;
	}
	ingest->hub = hub;
	ingest->config = *config;
	snprintf(ingest->name, sizeof(ingest->name), "%s", config->name);
	snprintf(ingest->trust_domain, sizeof(ingest->trust_domain), "%s", config->trust_domain);
	ingest->refused_log.what = "session_refused";
	ingest->live_log.what = "session_live";
	ingest->version_log.what = "unregistered_change";
	rw_ingest_watch(ingest);
	ingest->last_tick_ms = rw_clock_boot_ms();
	ingest->idle_ms = 4 * rw_core_timing(rw_hub_core(hub))->offline_after_ms;
	if (ingest->idle_ms < RW_SESSION_IDLE_LEAST_MS)
		ingest->idle_ms = RW_SESSION_IDLE_LEAST_MS;
	ingest->scratch = rw_scratch_new();
	ingest->arena = rw_arena_new(RW_ARENA_BYTES);
	init_handles(ingest);

	int err = -ENOMEM;
	if (ingest->scratch == NULL || ingest->arena == NULL)
		snprintf(error, RW_HUB_ERROR_BYTES, "out of memory");
	else
		err = start_listening(ingest, config->listen, error);
	if (err == 0) {
		uv_timer_start(&ingest->accept_timer, retry_accept, ACCEPT_RETRY_MS,
			       ACCEPT_RETRY_MS);
		ingest->context = config->context;
		ingest->inventory = config->inventory;
	}
	*out = ingest; /* also on failure: its handles must be closed by the loop */
	return err;
}

const char *rw_ingest_address(const struct rw_ingest *ingest)
{
	return ingest->address;
}

/* ---- new certificates ------------------------------------------------------------------ */

bool rw_session_still_verifies(const struct rw_session *s, char why[RW_TLS_ERROR_BYTES])
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	bool good = false;

	snprintf(why, RW_TLS_ERROR_BYTES, "the certificate cannot be checked again");
	if (check != NULL &&
	    X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(s->ingest->context),
				SSL_get0_peer_certificate(s->ssl),
				SSL_get_peer_cert_chain(s->ssl)) &&
	    X509_STORE_CTX_set_default(check, "ssl_client")) {
		good = X509_verify_cert(check) == 1;
		snprintf(why, RW_TLS_ERROR_BYTES, "certificate refused: %s",
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)));
	}
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return good;
}

void rw_ingest_set_context(struct rw_ingest *ingest, SSL_CTX *context)
{
	static const enum rw_session_list lists[] = {RW_LIST_HELLO, RW_LIST_CONTESTING,
						     RW_LIST_FRAME, RW_LIST_LIVE};
	char why[RW_TLS_ERROR_BYTES];

	SSL_CTX_free(ingest->context);
	ingest->context = context;
	rw_hub_turn_begin(ingest->hub);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct rw_session *s = ingest->lists[lists[i]].head;
		while (s != NULL) {
			struct rw_session *next = s->next;
			if (!rw_session_still_verifies(s, why))
				rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_IDENTITY,
						  why, 0);
			s = next;
		}
	}
	rw_hub_turn_end(ingest->hub);
}

/* ---- a new inventory --------------------------------------------------------------------- */

static void hold_against_inventory(struct rw_session *s)
{
	const char *ring = rw_session_ring_of(s);

	if (ring == NULL) {
		rw_session_refuse_not_listed(s);
	} else if (strcmp(ring, s->ring) != 0) {
		if (rw_log_limit_take(&s->ingest->live_log, rw_hub_now(s->ingest->hub).boot_ms))
			rw_info("event=session_moved peer=%s host=%s ring=%s to=%s", s->peer,
				s->name, s->ring, ring);
		rw_session_linger(s); /* its next Hello moves the host */
	}
}

void rw_ingest_set_inventory(struct rw_ingest *ingest, struct rw_inventory *inventory)
{
	/* Whose Hello has not come yet is looked up when it comes. */
	static const enum rw_session_list lists[] = {RW_LIST_CONTESTING, RW_LIST_FRAME,
						     RW_LIST_LIVE};

	rw_inventory_free(ingest->inventory);
	ingest->inventory = inventory;
	rw_hub_turn_begin(ingest->hub);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct rw_session *s = ingest->lists[lists[i]].head;
		while (s != NULL) {
			struct rw_session *next = s->next;
			hold_against_inventory(s);
			s = next;
		}
	}
	rw_hub_turn_end(ingest->hub);
}

/* ---- the hub's calls ---------------------------------------------------------------------- */

void rw_ingest_probe(struct rw_ingest *ingest, rw_host_handle host)
{
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(ingest->hub), host);

	if (entry != NULL && entry->session != NULL)
		rw_session_probe(entry->session);
}

void rw_ingest_retired(struct rw_ingest *ingest, rw_host_handle host)
{
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(ingest->hub), host);

	if (entry != NULL && entry->session != NULL)
		rw_session_refuse_retired(entry->session);
}

void rw_ingest_challenge(struct rw_ingest *ingest, rw_host_handle host,
			 const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(ingest->hub), host);

	if (entry != NULL && entry->session != NULL)
		rw_session_challenge(entry->session, nonce);
}

bool rw_ingest_drill(struct rw_ingest *ingest, rw_host_handle host,
		     const uint8_t name[RW_DRILL_BYTES])
{
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(ingest->hub), host);

	if (entry == NULL || entry->session == NULL)
		return false;
	rw_session_drill(entry->session, name);
	return true;
}

/* ---- watched modules ----------------------------------------------------------------------- */

static void add_watched(struct rw_ingest *ingest, const char *module)
{
	for (uint32_t i = 0; i < ingest->watched_count; i++) {
		if (strcmp(ingest->watched[i], module) == 0)
			return;
	}
	if (ingest->watched_count == RW_WATCH_MAX) {
		rw_warning("event=module_not_watched module=%s reason=\"active deployments match "
			   "more than %d modules\"",
			   module, RW_WATCH_MAX);
		return;
	}
	snprintf(ingest->watched[ingest->watched_count++], sizeof(ingest->watched[0]), "%.63s",
		 module);
}

/* Those that active deployments match, oldest first. */
static void find_watched(struct rw_ingest *ingest)
{
	static const char module[] = "module:";
	const struct rw_core *core = rw_hub_core(ingest->hub);
	struct rw_deployment_row row;

	ingest->watched_count = 0;
	memset(ingest->watched, 0, sizeof(ingest->watched));
	for (uint32_t i = 0; rw_core_deployment_at(core, i, &row); i++) {
		if (row.state == RW_DEPLOYMENT_ACTIVE &&
		    strncmp(row.match, module, sizeof(module) - 1) == 0)
			add_watched(ingest, row.match + sizeof(module) - 1);
	}
}

void rw_ingest_watch(struct rw_ingest *ingest)
{
	static const enum rw_session_list lists[] = {RW_LIST_FRAME, RW_LIST_LIVE};
	char before[RW_WATCH_MAX][RW_NAME_MAX + 1];

	memcpy(before, ingest->watched, sizeof(before));
	find_watched(ingest);
	if (memcmp(before, ingest->watched, sizeof(before)) == 0)
		return;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct rw_session *s = ingest->lists[lists[i]].head;
		while (s != NULL) {
			struct rw_session *next = s->next;
			rw_session_watch(s);
			s = next;
		}
	}
}

static uint64_t limit_of(const struct rw_ingest *ingest, enum rw_session_list list)
{
	switch (list) {
	case RW_LIST_HANDSHAKE:
		return RW_SESSION_HANDSHAKE_MS;
	case RW_LIST_HELLO:
		return RW_SESSION_HELLO_MS;
	case RW_LIST_CONTESTING:
		return RW_SESSION_CONTEST_MS;
	case RW_LIST_FRAME:
		return RW_SESSION_FRAME_MS;
	case RW_LIST_LIVE:
		return ingest->idle_ms;
	default:
		return RW_SESSION_LINGER_MS;
	}
}

/* Contenders whose rival has gone by itself. */
static void let_through(struct rw_ingest *ingest)
{
	struct rw_session *s = ingest->lists[RW_LIST_CONTESTING].head;

	while (s != NULL) {
		struct rw_session *next = s->next;
		if (s->rival == NULL)
			rw_session_win(s);
		s = next;
	}
}

/* Hosts that wait for a place cannot be heard: their silence is ours. */
static void note_saturation(struct rw_ingest *ingest, struct rw_now now)
{
	ingest->busy_ticks = ingest->bucket_empty ? ingest->busy_ticks + 1 : 0;
	ingest->bucket_empty = false;
	rw_core_set_sick(
		rw_hub_core(ingest->hub),
		ingest->busy_ticks >= RW_SATURATED_MS / RW_CORE_TICK_MS ? "saturated" : NULL, now);
}

void rw_ingest_tick(struct rw_ingest *ingest, struct rw_now now)
{
	const uint64_t gap_ms = 2 * (uint64_t)RW_CORE_TICK_MS;
	uint64_t passed_ms = now.boot_ms - ingest->last_tick_ms;

	ingest->last_tick_ms = now.boot_ms;
	ingest->clock_ms += passed_ms < gap_ms ? passed_ms : gap_ms;
	note_saturation(ingest, now);
	let_through(ingest);
	for (int list = 0; list < RW_LIST_COUNT; list++) {
		uint64_t limit_ms = limit_of(ingest, (enum rw_session_list)list);
		struct rw_session *s = ingest->lists[list].head;
		while (s != NULL && ingest->clock_ms - s->since_ms >= limit_ms) {
			rw_session_expire(s); /* leaves this list */
			s = ingest->lists[list].head;
		}
	}
	rw_log_limit_flush(&ingest->refused_log, now.boot_ms);
	rw_log_limit_flush(&ingest->live_log, now.boot_ms);
	rw_log_limit_flush(&ingest->version_log, now.boot_ms);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void stop_listening(struct rw_ingest *ingest)
{
	if (!ingest->listening)
		return;
	ingest->listening = false;
	uv_close((uv_handle_t *)&ingest->listener, NULL);
	uv_close((uv_handle_t *)&ingest->accept_timer, NULL);
}

void rw_ingest_drain(struct rw_ingest *ingest)
{
	ingest->draining = true;
	stop_listening(ingest);
	for (int list = 0; list < RW_LIST_LINGERING; list++) {
		struct rw_session *s;
		while ((s = ingest->lists[list].head) != NULL) {
			if (s->state == RW_SESSION_HANDSHAKE)
				rw_session_close(s);
			else
				rw_session_reject(
					s, RINGWATCH__V1__REJECT_CODE__REJECT_SHUTTING_DOWN,
					"the collector is being stopped", RW_SHUTDOWN_RETRY_MS);
		}
	}
}

bool rw_ingest_is_empty(const struct rw_ingest *ingest)
{
	return ingest->sessions == 0;
}

void rw_ingest_close(struct rw_ingest *ingest)
{
	ingest->draining = true;
	stop_listening(ingest);
	for (int list = 0; list < RW_LIST_COUNT; list++) {
		while (ingest->lists[list].head != NULL)
			rw_session_close(ingest->lists[list].head);
	}
}

void rw_ingest_free(struct rw_ingest *ingest)
{
	if (ingest == NULL)
		return;
	rw_scratch_free(ingest->scratch);
	rw_arena_free(ingest->arena);
	SSL_CTX_free(ingest->context);
	rw_inventory_free(ingest->inventory);
	free(ingest->pending);
	free(ingest);
}
