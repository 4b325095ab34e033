/* SPDX-License-Identifier: Apache-2.0 */
/* The BIO behind scratch.h. After uSockets and H2O, which keep per-loop buffers alike. */
#include "collector/ingest/scratch.h"

#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>

static int read_in(BIO *bio, char *out, int size)
{
	struct rw_scratch *scratch = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (scratch->reader != bio || scratch->in_left == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t length = size < 0 ? 0 : (size_t)size;
	if (length > scratch->in_left)
		length = scratch->in_left;
	memcpy(out, scratch->in_at, length);
	scratch->in_at += length;
	scratch->in_left -= length;
	return (int)length;
}

static int write_out(BIO *bio, const char *bytes, int size)
{
	struct rw_scratch *scratch = BIO_get_data(bio);
	size_t length = size < 0 ? 0 : (size_t)size;

	BIO_clear_retry_flags(bio);
	if (length > RW_SCRATCH_OUT_MAX - scratch->out_used)
		return -1;
	if (scratch->out_used + length > scratch->out_size) {
		size_t grown_size = scratch->out_used + length + RW_SCRATCH_PLAIN_BYTES;
		uint8_t *grown = realloc(scratch->out, grown_size);
		if (grown == NULL)
			return -1;
		scratch->out = grown;
		scratch->out_size = grown_size;
	}
	memcpy(scratch->out + scratch->out_used, bytes, length);
	scratch->out_used += length;
	return (int)length;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

struct rw_scratch *rw_scratch_new(void)
{
	struct rw_scratch *scratch = malloc(sizeof(*scratch));

	if (scratch == NULL)
		return NULL;
	memset(scratch, 0, offsetof(struct rw_scratch, in));
	scratch->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "scratch");
	if (scratch->method == NULL || !BIO_meth_set_read(scratch->method, read_in) ||
	    !BIO_meth_set_write(scratch->method, write_out) ||
	    !BIO_meth_set_ctrl(scratch->method, control)) {
		rw_scratch_free(scratch);
		return NULL;
	}
	return scratch;
}

void rw_scratch_free(struct rw_scratch *scratch)
{
	if (scratch == NULL)
		return;
	BIO_meth_free(scratch->method);
	free(scratch->out);
	free(scratch);
}

SSL *rw_scratch_ssl(struct rw_scratch *scratch, SSL_CTX *context)
{
	SSL *ssl = SSL_new(context);
	BIO *bio = ssl == NULL ? NULL : BIO_new(scratch->method);

	if (bio == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_data(bio, scratch);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	return ssl;
}

void rw_scratch_give(struct rw_scratch *scratch, const SSL *ssl, const uint8_t *bytes,
		     size_t length)
{
	scratch->reader = SSL_get_rbio(ssl);
	scratch->in_at = bytes;
	scratch->in_left = length;
}
