/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest mutual-TLS client that OpenSSL allows: what the sensor's memory
 * is measured against. Connects, says nothing, prints "connected" and waits
 * for its standard input to close.
 *
 * Usage: tls_client HOST:PORT CERTIFICATE KEY CA
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "tls_client: %s: %s\n", what,
		ERR_reason_error_string(ERR_peek_error())
			? ERR_reason_error_string(ERR_peek_error())
			: "failed");
	return 1;
}

int main(int argc, char **argv)
{
	static const unsigned char protocol[] = "\x0bringwatch/1";
	char byte;

	if (argc != 5) {
		fprintf(stderr, "usage: tls_client HOST:PORT CERTIFICATE KEY CA\n");
		return 2;
	}
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (context == NULL)
		return fail("context");
	SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(context, argv[4], NULL) != 1 ||
	    SSL_CTX_set_alpn_protos(context, protocol, sizeof(protocol) - 1) != 0)
		return fail("keys");

	BIO *connection = BIO_new_ssl_connect(context);
	if (connection == NULL)
		return fail("connection");
	BIO_set_conn_hostname(connection, argv[1]);
	if (BIO_do_connect(connection) != 1 || BIO_do_handshake(connection) != 1)
		return fail(argv[1]);
	puts("connected");
	fflush(stdout);

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	BIO_free_all(connection);
	SSL_CTX_free(context);
	return 0;
}
