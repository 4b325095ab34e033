/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS over libuv; see link.h. Happy path: connect → handshake → ready → bytes
 * both ways → close. Every way out ends in start_close(), which runs once;
 * the memory goes in libuv's close callback.
 *
 * The scratch BIOs may be shared because each TLS call is fed all it has and
 * drained of all it made before another session has its turn.
 */
#include "ctl/fleet/link.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/tls.h"

struct rw_fleet_link {
	uv_tcp_t tcp; /* its data points back here */
	uv_connect_t connect;
	uv_shutdown_t shutdown;
	struct rw_fleet_net *net;
	SSL *ssl;
	void *context;
	size_t queued;
	bool is_ready;
	bool is_told; /* the owner knows of the end, or asked for it */
	bool is_closing;
	uint64_t linger_until_ms;
	struct rw_fleet_link *next; /* in net->lingering */
};

struct pending_write {
	uv_write_t request;
	struct rw_fleet_link *link;
	size_t length;
	uint8_t bytes[];
};

int rw_fleet_net_init(struct rw_fleet_net *net)
{
	net->in = BIO_new(BIO_s_mem());
	net->out = BIO_new(BIO_s_mem());
	if (net->in == NULL || net->out == NULL) {
		rw_fleet_net_release(net);
		return -ENOMEM;
	}
	BIO_set_mem_eof_return(net->in, -1);
	BIO_set_mem_eof_return(net->out, -1);
	return 0;
}

void rw_fleet_net_release(struct rw_fleet_net *net)
{
	BIO_free(net->in);
	BIO_free(net->out);
	net->in = NULL;
	net->out = NULL;
}

static void unlinger(struct rw_fleet_link *link)
{
	struct rw_fleet_link **at = &link->net->lingering;

	while (*at != NULL && *at != link)
		at = &(*at)->next;
	if (*at == link)
		*at = link->next;
}

static void on_closed(uv_handle_t *handle)
{
	struct rw_fleet_link *link = handle->data;

	link->net->open_links--;
	SSL_free(link->ssl);
	free(link);
}

static void start_close(struct rw_fleet_link *link, bool reset)
{
	if (link->is_closing)
		return;
	link->is_closing = true;
	unlinger(link);
	if (reset && uv_tcp_close_reset(&link->tcp, on_closed) == 0)
		return;
	uv_close((uv_handle_t *)&link->tcp, on_closed);
}

/* The link's own end: tells the owner, unless it knows. */
static void fail(struct rw_fleet_link *link, const char *reason)
{
	bool tell = !link->is_told && !link->is_closing;

	link->is_told = true;
	start_close(link, false);
	if (tell)
		link->net->calls.closed(link->context, reason);
}

/* ---- writing -------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
	struct pending_write *pending = (struct pending_write *)request;
	struct rw_fleet_link *link = pending->link;

	link->queued -= pending->length;
	free(pending);
	if (status < 0 && status != UV_ECANCELED)
		fail(link, uv_strerror(status));
}

static int queue_write(struct rw_fleet_link *link, const uint8_t *bytes, size_t length)
{
	if (link->queued + length > RW_FLEET_QUEUE_MAX)
		return -EPIPE;
	struct pending_write *pending = malloc(sizeof(*pending) + length);
	if (pending == NULL)
		return -EPIPE;
	pending->link = link;
	pending->length = length;
	memcpy(pending->bytes, bytes, length);
	uv_buf_t buffer = uv_buf_init((char *)pending->bytes, (unsigned)length);
	if (uv_write(&pending->request, (uv_stream_t *)&link->tcp, &buffer, 1, on_written) != 0) {
		free(pending);
		return -EPIPE;
	}
	link->queued += length;
	return 0;
}

/* Hands what TLS has made to the socket. */
static int flush(struct rw_fleet_link *link)
{
	char *bytes;
	long left = BIO_get_mem_data(link->net->out, &bytes);
	int err = 0;

	if (left > 0 && link->queued == 0) {
		uv_buf_t buffer = uv_buf_init(bytes, (unsigned)left);
		int n = uv_try_write((uv_stream_t *)&link->tcp, &buffer, 1);
		if (n > 0) {
			bytes += n;
			left -= n;
		} else if (n < 0 && n != UV_EAGAIN) {
			left = 0;
			err = -EPIPE;
		}
	}
	if (left > 0)
		err = queue_write(link, (const uint8_t *)bytes, (size_t)left);
	(void)BIO_reset(link->net->out);
	return err;
}

int rw_fleet_link_send(struct rw_fleet_link *link, const uint8_t *bytes, size_t length)
{
	if (link->is_closing || !link->is_ready)
		return -EPIPE;
	(void)BIO_reset(link->net->out);
	while (length > 0) {
		ERR_clear_error();
		int n = SSL_write(link->ssl, bytes, (int)length);
		if (n <= 0) {
			ERR_clear_error();
			return -EPIPE;
		}
		bytes += n;
		length -= (size_t)n;
	}
	return flush(link);
}

size_t rw_fleet_link_queued(const struct rw_fleet_link *link)
{
	return link->queued;
}

/* ---- reading -------------------------------------------------------------- */

/* 1 done, 0 not yet, -1 failed (and the link is closed). */
static int shake_hands(struct rw_fleet_link *link)
{
	char reason[RW_TLS_ERROR_BYTES];
	struct rw_identity peer;

	ERR_clear_error();
	int n = SSL_do_handshake(link->ssl);
	int error = n == 1 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, n);
	if (error == SSL_ERROR_NONE &&
	    rw_tls_peer_identity(link->ssl, RW_TLS_SENSOR, link->net->trust_domain, &peer,
				 reason) != 0) {
		flush(link);
		fail(link, reason);
		return -1;
	}
	if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) {
		rw_tls_explain(link->ssl, error, reason);
		flush(link); /* the alert that says why */
		fail(link, reason);
		return -1;
	}
	if (flush(link) != 0) {
		fail(link, "the connection broke during the handshake");
		return -1;
	}
	return error == SSL_ERROR_NONE;
}

static void read_plain(struct rw_fleet_link *link)
{
	struct rw_fleet_net *net = link->net;

	while (!link->is_closing) {
		char reason[RW_TLS_ERROR_BYTES];

		ERR_clear_error();
		int n = SSL_read(link->ssl, net->plain, sizeof(net->plain));
		if (n > 0) {
			if (!link->is_told)
				net->calls.bytes(link->context, net->plain, (size_t)n);
			continue;
		}
		int error = SSL_get_error(link->ssl, n);
		if (error == SSL_ERROR_WANT_READ)
			break;
		if (error == SSL_ERROR_ZERO_RETURN) {
			fail(link, "the collector closed the session");
			return;
		}
		rw_tls_explain(link->ssl, error, reason);
		fail(link, reason);
		return;
	}
	if (!link->is_closing && flush(link) != 0)
		fail(link, "the connection broke");
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
	struct rw_fleet_link *link = stream->data;
	struct rw_fleet_net *net = link->net;

	if (length < 0) {
		fail(link, length == UV_EOF ? "the collector closed the connection"
					    : uv_strerror((int)length));
		return;
	}
	if (length == 0 || link->is_closing)
		return;
	(void)BIO_reset(net->in);
	(void)BIO_reset(net->out);
	if (BIO_write(net->in, buffer->base, (int)length) != length) {
		fail(link, "out of memory");
		return;
	}
	if (!link->is_ready) {
		if (shake_hands(link) != 1)
			return;
		link->is_ready = true;
		net->calls.ready(link->context);
	}
	read_plain(link);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct rw_fleet_link *link = handle->data;

	(void)suggested;
	*buffer = uv_buf_init((char *)link->net->read_buffer, sizeof(link->net->read_buffer));
}

/* ---- opening and closing ---------------------------------------------------- */

static void on_connected(uv_connect_t *request, int status)
{
	struct rw_fleet_link *link = request->data;

	if (link->is_closing)
		return;
	if (status != 0) {
		fail(link, uv_strerror(status));
		return;
	}
	uv_tcp_nodelay(&link->tcp, 1);
	int err = uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read);
	if (err != 0) {
		fail(link, uv_strerror(err));
		return;
	}
	(void)BIO_reset(link->net->in);
	(void)BIO_reset(link->net->out);
	shake_hands(link);
}

static SSL *new_session(struct rw_fleet_net *net, X509 *certificate, EVP_PKEY *key)
{
	SSL *ssl = SSL_new(net->tls);

	if (ssl == NULL)
		return NULL;
	if (SSL_use_certificate(ssl, certificate) != 1 || SSL_use_PrivateKey(ssl, key) != 1 ||
	    BIO_up_ref(net->in) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set0_rbio(ssl, net->in);
	if (BIO_up_ref(net->out) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set0_wbio(ssl, net->out);
	SSL_set_connect_state(ssl);
	return ssl;
}

int rw_fleet_link_open(struct rw_fleet_net *net, X509 *certificate, EVP_PKEY *key, void *context,
		       struct rw_fleet_link **out)
{
	struct rw_fleet_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return -ENOMEM;
	link->net = net;
	link->context = context;
	ERR_clear_error();
	link->ssl = new_session(net, certificate, key);
	if (link->ssl == NULL) {
		ERR_clear_error();
		free(link);
		return -ENOMEM;
	}
	int err = uv_tcp_init(net->loop, &link->tcp);
	if (err != 0) {
		SSL_free(link->ssl);
		free(link);
		return err;
	}
	link->tcp.data = link;
	link->connect.data = link;
	net->open_links++;
	err = uv_tcp_connect(&link->connect, &link->tcp, (const struct sockaddr *)&net->address,
			     on_connected);
	if (err != 0) {
		link->is_told = true;
		start_close(link, false);
		return err;
	}
	*out = link;
	return 0;
}

static void on_shut_down(uv_shutdown_t *request, int status)
{
	struct rw_fleet_link *link = request->data;

	if (status != 0 && status != UV_ECANCELED)
		start_close(link, false);
}

void rw_fleet_link_close(struct rw_fleet_link *link, enum rw_fleet_close how)
{
	link->is_told = true;
	if (link->is_closing)
		return;
	if (how != RW_FLEET_CLOSE_ORDERLY || !link->is_ready) {
		start_close(link, how == RW_FLEET_CLOSE_RESET);
		return;
	}
	(void)BIO_reset(link->net->out);
	ERR_clear_error();
	(void)SSL_shutdown(link->ssl);
	ERR_clear_error();
	link->shutdown.data = link;
	if (flush(link) != 0 ||
	    uv_shutdown(&link->shutdown, (uv_stream_t *)&link->tcp, on_shut_down) != 0) {
		start_close(link, false);
		return;
	}
	/* Closing with bytes unread would reset the connection under the goodbye. */
	link->linger_until_ms = rw_clock_boot_ms() + RW_FLEET_LINGER_MS;
	link->next = link->net->lingering;
	link->net->lingering = link;
}

void rw_fleet_net_tick(struct rw_fleet_net *net, uint64_t now_ms)
{
	struct rw_fleet_link *next;

	for (struct rw_fleet_link *link = net->lingering; link != NULL; link = next) {
		next = link->next;
		if (now_ms == 0 || link->linger_until_ms <= now_ms)
			start_close(link, false);
	}
}
