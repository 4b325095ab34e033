/* SPDX-License-Identifier: Apache-2.0 */
/* A UDP socket in front of gasp_watch.c; see netconsole.h. */
#include "collector/ingest/netconsole.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest/gasp_watch.h"
#include "collector/ingest/ingest.h"
#include "lib/text.h"

enum {
	/* libuv gives each datagram of one recvmmsg() so much; only what arrives is touched. */
	SLOT_BYTES = 64 * 1024,
	SLOTS = 16,
	SOCKET_BUFFER_BYTES = 1 << 20, /* many hosts may die at a time */
};

struct rw_gasp_listener {
	struct rw_hub *hub;
	struct rw_gasp_watch *watch;
	uv_udp_t socket;
	bool is_open;
	char *buffer;
	char address[RW_SOURCE_TEXT_BYTES];
	struct rw_log_limit gasp_log, stranger_log, proof_log;
};

/* ---- the watch's calls ------------------------------------------------------------------ */

static bool make_nonce(void *context, uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	(void)context;
	return RAND_bytes(nonce, RW_GASP_NONCE_BYTES) == 1;
}

static void challenge(void *context, rw_host_handle host, const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	struct rw_gasp_listener *l = context;

	rw_ingest_challenge(rw_hub_ingest(l->hub), host, nonce);
}

static void host_name(void *context, rw_host_handle host, char out[RW_CORE_NAME_BYTES])
{
	const struct rw_gasp_listener *l = context;
	struct rw_host_row row;

	out[0] = '\0';
	if (rw_core_host_at(rw_hub_core(l->hub), host, &row))
		snprintf(out, RW_CORE_NAME_BYTES, "%s", row.id);
}

static void proved(void *context, const char *host, const char *source)
{
	struct rw_gasp_listener *l = context;

	if (rw_log_limit_take(&l->proof_log, rw_hub_now(l->hub).boot_ms))
		rw_info("event=netconsole_proved host=%s source=%s", host, source);
}

static bool heard(void *context, rw_host_handle host, const struct rw_gasp_heard *gasp)
{
	struct rw_gasp_listener *l = context;
	struct rw_now now = rw_hub_now(l->hub);
	char text[RW_GASP_TEXT_BYTES], quoted[RW_LOG_QUOTED_BYTES];

	rw_text_to_utf8(text, sizeof(text), gasp->text, gasp->text_length);
	rw_log_quoted(text, quoted);
	if (host == RW_NO_HOST) {
		if (rw_log_limit_take(&l->stranger_log, now.boot_ms))
			rw_info("event=last_gasp verified=no forged=%s source=%s kind=%s text=%s",
				gasp->forged ? "yes" : "no", gasp->source, gasp->kind, quoted);
		return false;
	}
	bool acted = rw_core_gasp(rw_hub_core(l->hub), host, now);
	if (rw_log_limit_take(&l->gasp_log, now.boot_ms))
		rw_warning("event=last_gasp verified=yes host=%s source=%s kind=%s acted=%s "
			   "text=%s",
			   gasp->host, gasp->source, gasp->kind, acted ? "yes" : "no", quoted);
	return acted;
}

/* ---- datagrams ------------------------------------------------------------------------------ */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct rw_gasp_listener *l = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(l->buffer, SLOTS * SLOT_BYTES);
}

static void receive(uv_udp_t *handle, ssize_t length, const uv_buf_t *buffer,
		    const struct sockaddr *from, unsigned flags)
{
	struct rw_gasp_listener *l = handle->data;
	struct rw_source source;

	/* An error is a passing one of the network (an ICMP answer), or the end of a batch.
	 * What was cut was longer than any that the kernel sends. */
	if (length < 0 || from == NULL || (flags & UV_UDP_PARTIAL) != 0 ||
	    !rw_source_from(from, &source))
		return;
	struct rw_now now = rw_hub_turn_begin(l->hub);
	rw_gasp_watch_take(l->watch, &source, (const uint8_t *)buffer->base, (size_t)length, now);
	rw_hub_turn_end(l->hub);
}

/* ---- for ingest and the hub ------------------------------------------------------ */

void rw_gasp_listener_host_live(struct rw_gasp_listener *l, rw_host_handle host, bool armed,
				const struct sockaddr *peer)
{
	struct rw_source source;

	rw_gasp_watch_host_live(l->watch, host, armed && rw_source_from(peer, &source), &source,
				rw_hub_now(l->hub));
}

void rw_gasp_listener_host_gone(struct rw_gasp_listener *l, rw_host_handle host)
{
	rw_gasp_watch_host_gone(l->watch, host);
}

void rw_gasp_listener_tick(struct rw_gasp_listener *l, struct rw_now now)
{
	rw_gasp_watch_tick(l->watch, now);
	rw_log_limit_flush(&l->gasp_log, now.boot_ms);
	rw_log_limit_flush(&l->stranger_log, now.boot_ms);
	rw_log_limit_flush(&l->proof_log, now.boot_ms);
}

/* ---- opening and closing --------------------------------------------------------- */

static int bind_socket(struct rw_gasp_listener *l, const char *text, char error[RW_HUB_ERROR_BYTES])
{
	struct sockaddr_storage address = {0};
	struct rw_source own;
	int length = sizeof(address);
	int receive_bytes = SOCKET_BUFFER_BYTES;
	int err = rw_ingest_resolve(text, SOCK_DGRAM, &address, error);

	if (err != 0)
		return err;
	err = uv_udp_bind(&l->socket, (struct sockaddr *)&address, 0);
	if (err == 0)
		err = uv_udp_recv_start(&l->socket, give_buffer, receive);
	if (err == 0)
		err = uv_udp_getsockname(&l->socket, (struct sockaddr *)&address, &length);
	if (err == 0 && !rw_source_from((struct sockaddr *)&address, &own))
		err = -EAFNOSUPPORT;
	if (err != 0) {
		snprintf(error, RW_HUB_ERROR_BYTES, "%s: %s", text, uv_strerror(err));
		return err; /* on Unix, libuv's codes are negative errno */
	}
	/* the system's limit may be lower: then it is that */
	(void)uv_recv_buffer_size((uv_handle_t *)&l->socket, &receive_bytes);
	rw_source_print(&own, l->address);
	return 0;
}

int rw_gasp_listener_open(struct rw_hub *hub, const char *listen, struct rw_gasp_listener **out,
			  char error[RW_HUB_ERROR_BYTES])
{
	struct rw_gasp_watch_config config = {
		.gasps = rw_hub_gasps(hub),
		.make_nonce = make_nonce,
		.challenge = challenge,
		.host_name = host_name,
		.proved = proved,
		.heard = heard,
	};
	struct rw_gasp_listener *l = calloc(1, sizeof(*l));

	*out = l;
	snprintf(error, RW_HUB_ERROR_BYTES, "out of memory");
	if (l == NULL)
		return -ENOMEM;
	l->hub = hub;
	l->gasp_log.what = "last_gasp";
	l->stranger_log.what = "last_gasp_unverified";
	l->proof_log.what = "netconsole_proved";
	l->buffer = malloc(SLOTS * SLOT_BYTES);
	config.context = l;
	if (l->buffer == NULL ||
	    RAND_bytes((unsigned char *)&config.hash_key, sizeof(config.hash_key)) != 1)
		return -ENOMEM;
	l->watch = rw_gasp_watch_new(&config);
	if (l->watch == NULL ||
	    uv_udp_init_ex(rw_hub_loop(hub), &l->socket, AF_UNSPEC | UV_UDP_RECVMMSG) != 0)
		return -ENOMEM;
	l->socket.data = l;
	l->is_open = true;
	int err = bind_socket(l, listen, error);
	rw_gasps_stats(config.gasps)->listening = err == 0;
	return err;
}

const char *rw_gasp_listener_address(const struct rw_gasp_listener *l)
{
	return l->address;
}

void rw_gasp_listener_close(struct rw_gasp_listener *l)
{
	if (l == NULL || !l->is_open)
		return;
	l->is_open = false;
	rw_hub_set_gasp_listener(l->hub, NULL);
	uv_close((uv_handle_t *)&l->socket, NULL);
}

void rw_gasp_listener_free(struct rw_gasp_listener *l)
{
	if (l == NULL)
		return;
	rw_gasp_watch_free(l->watch);
	free(l->buffer);
	free(l);
}
