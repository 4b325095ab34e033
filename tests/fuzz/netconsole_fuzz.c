/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams of netconsole to lines, as the listener takes them: anyone can send
 * one. Whatever they hold, a head lies within its datagram, a fragment within
 * its record, lines within their body, and what a line says is clean text.
 *
 * The input is datagrams: a byte that says who sends it (bits 0-4: more sources
 * than records are kept of) and how long after the one before (bits 5-7), its
 * length in two bytes, and its own bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest/netconsole_line.h"
#include "lib/events/line.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PREFIX_BYTES = 3, STEP_MS = 1500, PORT = 6665 };

/* One body on its way to lines. */
struct passage {
	const char *body;
	size_t length;
	int lines;
};

static void check_head(const struct rw_netconsole_head *head, size_t length)
{
	must(head->level <= 7 && head->body_at <= length);
	if (!head->is_extended)
		must(head->body_at == 0 && !head->is_fragment && head->facility == 0);
	else
		must(head->body_at > 0);
	if (head->is_fragment)
		must(head->total <= RW_NETCONSOLE_RECORD_MAX && head->offset < head->total &&
		     length - head->body_at > 0 &&
		     length - head->body_at <= head->total - head->offset);
}

/* A nonce is written in one way alone. */
static void check_nonce(const char *text, size_t length)
{
	uint8_t nonce[RW_GASP_NONCE_BYTES];
	char again[128] = "ringwatch: gasp ";
	size_t used = strlen(again);

	if (!rw_netconsole_parse_nonce(text, length, nonce))
		return;
	for (size_t i = 0; i < RW_GASP_NONCE_BYTES; i++)
		used += (size_t)snprintf(again + used, sizeof(again) - used, "%02x", nonce[i]);
	must(length == used && memcmp(text, again, used) == 0);
}

static void take_line(void *context, const struct rw_netconsole_head *head, const char *text,
		      size_t length)
{
	struct passage *p = context;
	struct rw_klog_fact fact;

	p->lines++;
	must(length > 0 && text >= p->body && text + length <= p->body + p->length);
	must(p->lines <= (head->is_extended ? 1 : RW_NETCONSOLE_LINES_MAX));
	memset(&fact, 0xa5, sizeof(fact));
	rw_klog_parse(text, length, &fact);
	check_text(fact.symbol, sizeof(fact.symbol));
	check_text(fact.module, sizeof(fact.module));
	check_text(fact.text, sizeof(fact.text));
	check_nonce(text, length);
}

/* In memory of just this size, so that nothing behind it is read unseen. */
static void take_body(const struct rw_netconsole_head *head, const char *bytes, size_t length)
{
	char *body = malloc(length + (length == 0));

	must(body != NULL);
	memcpy(body, bytes, length);
	struct passage p = {.body = body, .length = length};
	rw_netconsole_each_line(head, body, length, take_line, &p);
	free(body);
}

static void take_datagram(struct rw_netconsole_pieces *pieces, const struct rw_source *source,
			  const uint8_t *bytes, size_t length, uint64_t now_ms)
{
	struct rw_netconsole_head head;
	char *body = NULL;
	size_t body_length = 0;

	memset(&head, 0xa5, sizeof(head));
	if (length == 0 || length > RW_NETCONSOLE_DATAGRAM_MAX ||
	    rw_netconsole_parse_head(bytes, length, &head) != 0)
		return;
	check_head(&head, length);
	bytes += head.body_at;
	length -= head.body_at;
	check_nonce((const char *)bytes, length);
	if (!head.is_fragment) {
		take_body(&head, (const char *)bytes, length);
		return;
	}
	int whole = rw_netconsole_pieces_add(pieces, source, &head, bytes, length, now_ms, &body,
					     &body_length);
	if (whole != 1)
		return;
	must(body_length == head.total && head.offset + length == body_length);
	must(memcmp(body + head.offset, bytes, length) == 0);
	take_body(&head, body, body_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rw_netconsole_pieces *pieces = rw_netconsole_pieces_new();
	uint64_t now_ms = 1000;

	must(pieces != NULL);
	while (size >= PREFIX_BYTES) {
		struct rw_source source = {.address = {192, 0, 2, data[0] & 0x1f}, .port = PORT};
		size_t length = (size_t)data[1] << 8 | data[2];

		now_ms += (uint64_t)(data[0] >> 5) * STEP_MS;
		data += PREFIX_BYTES;
		size -= PREFIX_BYTES;
		if (length > size)
			length = size;
		uint8_t *datagram = malloc(length + (length == 0));
		must(datagram != NULL);
		memcpy(datagram, data, length);
		take_datagram(pieces, &source, datagram, length, now_ms);
		free(datagram);
		data += length;
		size -= length;
	}
	rw_netconsole_pieces_free(pieces);
	return 0;
}
