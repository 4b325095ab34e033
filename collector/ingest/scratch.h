/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS without I/O of its own: one pair of buffers for all sessions of a loop,
 * so that an idle session owns none.
 *
 * Each SSL has a BIO that reads what rw_scratch_give() laid there for it and
 * appends what it writes to the common output. The rule: `out` is sent and emptied
 * after every SSL call, before anything else is done with
 * another session.
 */
#ifndef RINGWATCH_INGEST_SCRATCH_H
#define RINGWATCH_INGEST_SCRATCH_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RW_SCRATCH_IN_BYTES = 64 << 10,
	RW_SCRATCH_PLAIN_BYTES = 16 << 10, /* one TLS record */
	RW_SCRATCH_OUT_MAX = 1 << 20,
};

struct rw_scratch {
	BIO_METHOD *method;
	const BIO *reader; /* whose input `in` is */
	const uint8_t *in_at;
	size_t in_left;
	uint8_t *out;
	size_t out_used, out_size;
	uint8_t in[RW_SCRATCH_IN_BYTES];       /* where sockets are read to */
	uint8_t plain[RW_SCRATCH_PLAIN_BYTES]; /* where SSL_read() goes to */
};

struct rw_scratch *rw_scratch_new(void);
void rw_scratch_free(struct rw_scratch *scratch);

/* A server's SSL over this scratch; NULL: no memory. SSL_free() releases it. */
SSL *rw_scratch_ssl(struct rw_scratch *scratch, SSL_CTX *context);
/* `bytes` are what this SSL reads next, and no other. */
void rw_scratch_give(struct rw_scratch *scratch, const SSL *ssl, const uint8_t *bytes,
		     size_t length);

#endif
