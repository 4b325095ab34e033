/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to lines; see netconsole_line.h. */
#include "collector/ingest/netconsole_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/strip.h"
#include "lib/hex.h"

/* ---- heads -------------------------------------------------------------------------- */

struct cursor {
	const char *at, *end;
};

static bool take_number(struct cursor *c, uint64_t most, uint64_t *out)
{
	const char *begin = c->at;
	uint64_t value = 0;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
		uint64_t digit = (uint64_t)(*c->at - '0');
		if (value > (most - digit) / 10)
			return false;
		value = value * 10 + digit;
		c->at++;
	}
	*out = value;
	return c->at > begin;
}

static bool take_byte(struct cursor *c, char byte)
{
	if (c->at == c->end || *c->at != byte)
		return false;
	c->at++;
	return true;
}

/*
 * "6.12.0,", with no blank in it. A plain line has one behind its stamp: what stands
 * behind a comma of its text may be anybody's, and must not pass for a head.
 */
static bool take_release(struct cursor *c)
{
	while (c->at < c->end && *c->at != ',' && *c->at > ' ')
		c->at++;
	return take_byte(c, ',');
}

/* "6,339,5140900,-" and what follows; c->end is the semicolon. */
static bool take_fields(struct cursor c, struct rw_netconsole_head *out, struct cursor *rest)
{
	uint64_t priority;

	if (!take_number(&c, UINT32_MAX, &priority) || !take_byte(&c, ',') ||
	    !take_number(&c, UINT64_MAX, &out->sequence) || !take_byte(&c, ',') ||
	    !take_number(&c, UINT64_MAX, &out->usec) || !take_byte(&c, ','))
		return false;
	if (c.at == c.end || (*c.at != '-' && *c.at != 'c' && *c.at != '+'))
		return false;
	c.at++;
	if (c.at < c.end && *c.at != ',')
		return false;
	out->facility = (uint32_t)(priority >> 3);
	out->level = (uint32_t)(priority & 7);
	*rest = c;
	return true;
}

/* The last of ",caller=T1,ncfrag=0/1234": netconsole puts its own at the end. */
static int take_fragment(struct cursor c, struct rw_netconsole_head *out)
{
	static const char name[] = "ncfrag=";
	uint64_t offset, total;
	const char *comma = c.at == c.end ? NULL : memrchr(c.at, ',', (size_t)(c.end - c.at));

	if (comma == NULL || (size_t)(c.end - comma - 1) < strlen(name) ||
	    memcmp(comma + 1, name, strlen(name)) != 0)
		return 0;
	c.at = comma + 1 + strlen(name);
	if (!take_number(&c, UINT32_MAX, &offset) || !take_byte(&c, '/') ||
	    !take_number(&c, UINT32_MAX, &total) || c.at != c.end)
		return -EBADMSG;
	out->is_fragment = true;
	out->offset = (uint32_t)offset;
	out->total = (uint32_t)total;
	return 0;
}

int rw_netconsole_parse_head(const uint8_t *bytes, size_t length, struct rw_netconsole_head *out)
{
	const char *text = (const char *)bytes;
	const char *semicolon = memchr(text, ';', length);
	struct cursor c = {text, semicolon}, rest;

	memset(out, 0, sizeof(*out));
	if (semicolon == NULL)
		return 0;
	struct rw_netconsole_head head = {.is_extended = true};
	if (!take_fields(c, &head, &rest) && (!take_release(&c) || !take_fields(c, &head, &rest)))
		return 0;
	if (take_fragment(rest, &head) != 0)
		return -EBADMSG;
	head.body_at = (size_t)(semicolon - text) + 1;
	size_t body = length - head.body_at;
	if (head.is_fragment && (body == 0 || head.total > RW_NETCONSOLE_RECORD_MAX ||
				 head.offset >= head.total || body > head.total - head.offset))
		return -EBADMSG;
	*out = head;
	return 0;
}

/* ---- lines --------------------------------------------------------------------------- */

static void each_plain_line(const struct rw_netconsole_head *head, char *body, size_t length,
			    rw_netconsole_line_fn *fn, void *context)
{
	for (int lines = 0; length > 0 && lines < RW_NETCONSOLE_LINES_MAX; lines++) {
		const char *newline = memchr(body, '\n', length);
		size_t line = newline == NULL ? length : (size_t)(newline - body);
		size_t all = newline == NULL ? line : line + 1;
		struct rw_log_line stripped;

		rw_log_strip(body, line, &stripped);
		if (!stripped.new_boot && stripped.length > 0)
			fn(context, head, stripped.text, stripped.length);
		body += all;
		length -= all;
	}
}

void rw_netconsole_each_line(const struct rw_netconsole_head *head, char *body, size_t length,
			     rw_netconsole_line_fn *fn, void *context)
{
	if (!head->is_extended) {
		each_plain_line(head, body, length, fn, context);
		return;
	}
	const char *newline = memchr(body, '\n', length);
	length = rw_log_undo_escapes(body, newline == NULL ? length : (size_t)(newline - body));
	if (length > 0)
		fn(context, head, body, length);
}

/* ---- pieces ----------------------------------------------------------------------------- */

struct piece {
	bool used;
	struct rw_source source;
	uint64_t sequence, usec;
	uint64_t since_ms;
	uint32_t total, have;
	char body[RW_NETCONSOLE_RECORD_MAX];
};

struct rw_netconsole_pieces {
	struct piece pieces[RW_NETCONSOLE_PIECES];
};

struct rw_netconsole_pieces *rw_netconsole_pieces_new(void)
{
	return calloc(1, sizeof(struct rw_netconsole_pieces));
}

void rw_netconsole_pieces_free(struct rw_netconsole_pieces *pieces)
{
	free(pieces);
}

static struct piece *find_piece(struct rw_netconsole_pieces *p, const struct rw_source *source)
{
	for (size_t i = 0; i < RW_NETCONSOLE_PIECES; i++) {
		if (p->pieces[i].used && rw_source_is_equal(&p->pieces[i].source, source))
			return &p->pieces[i];
	}
	return NULL;
}

/* The source's own, a free one, or the oldest. */
static struct piece *begin_piece(struct rw_netconsole_pieces *p, const struct rw_source *source)
{
	struct piece *own = find_piece(p, source);
	struct piece *oldest = &p->pieces[0];

	if (own != NULL)
		return own;
	for (size_t i = 0; i < RW_NETCONSOLE_PIECES; i++) {
		if (!p->pieces[i].used)
			return &p->pieces[i];
		if (p->pieces[i].since_ms < oldest->since_ms)
			oldest = &p->pieces[i];
	}
	return oldest;
}

static bool goes_on(const struct piece *piece, const struct rw_netconsole_head *head,
		    uint64_t now_ms)
{
	return piece->sequence == head->sequence && piece->usec == head->usec &&
	       piece->total == head->total && piece->have == head->offset &&
	       now_ms - piece->since_ms < RW_NETCONSOLE_PIECES_MS;
}

int rw_netconsole_pieces_add(struct rw_netconsole_pieces *p, const struct rw_source *source,
			     const struct rw_netconsole_head *head, const uint8_t *bytes,
			     size_t length, uint64_t now_ms, char **body, size_t *body_length)
{
	struct piece *piece = head->offset == 0 ? begin_piece(p, source) : find_piece(p, source);

	if (piece == NULL)
		return -EBADMSG;
	if (head->offset == 0) {
		piece->used = true;
		piece->source = *source;
		piece->sequence = head->sequence;
		piece->usec = head->usec;
		piece->since_ms = now_ms;
		piece->total = head->total;
		piece->have = 0;
	}
	if (!goes_on(piece, head, now_ms) || piece->total > sizeof(piece->body) ||
	    length > piece->total - piece->have) {
		piece->used = false;
		return -EBADMSG;
	}
	memcpy(piece->body + piece->have, bytes, length);
	piece->have += (uint32_t)length;
	if (piece->have < piece->total)
		return 0;
	piece->used = false;
	*body = piece->body;
	*body_length = piece->total;
	return 1;
}

/* ---- nonces --------------------------------------------------------------------------------- */

bool rw_netconsole_parse_nonce(const char *text, size_t length, uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	static const char prefix[] = "ringwatch: gasp ";
	const size_t head = sizeof(prefix) - 1;

	if (length != head + 2 * (size_t)RW_GASP_NONCE_BYTES || memcmp(text, prefix, head) != 0)
		return false;
	for (size_t i = 0; i < RW_GASP_NONCE_BYTES; i++) {
		int high = rw_hex_value(text[head + 2 * i]);
		int low = rw_hex_value(text[head + 2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		nonce[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
