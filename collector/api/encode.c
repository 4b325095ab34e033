/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/api/encode.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { TAG_DIGITS_BYTES = 16, GZIP_WINDOW = 15 + 16, QUALITY_FULL = 1000, BAD = -1 };

/* ---- tags -------------------------------------------------------------------- */

void rw_etag_of(const char *body, size_t length, char out[RW_ETAG_BYTES])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	size_t used = (size_t)snprintf(out, RW_ETAG_BYTES, "W/\"");

	SHA256((const unsigned char *)body, length, digest);
	for (size_t i = 0; i < TAG_DIGITS_BYTES; i++)
		used += (size_t)snprintf(out + used, RW_ETAG_BYTES - used, "%02x", digest[i]);
	snprintf(out + used, RW_ETAG_BYTES - used, "\"");
}

/* Weak comparison: a W/ in front counts for nothing on either side. */
bool rw_etag_matches(const char *header, const char *etag)
{
	const char *opaque = strchr(etag, '"');
	size_t length = strlen(opaque);

	if (header == NULL)
		return false;
	header += strspn(header, " \t");
	if (header[0] == '*' && header[1 + strspn(header + 1, " \t")] == '\0')
		return true;
	while (*header != '\0') {
		header += strspn(header, " \t,");
		if (strncmp(header, "W/", 2) == 0)
			header += 2;
		const char *end = *header == '"' ? strchr(header + 1, '"') : NULL;
		if (end == NULL)
			return false;
		if ((size_t)(end + 1 - header) == length && memcmp(header, opaque, length) == 0)
			return true;
		header = end + 1;
	}
	return false;
}

/* ---- which encodings a client takes ---------------------------------------------- */

/* "1", "0.5", "0.125" … in thousandths; BAD when it is none. *text moves behind it. */
static int parse_quality(const char **text)
{
	const char *at = *text;
	int value = (*at - '0') * QUALITY_FULL;
	int digit = QUALITY_FULL / 10;

	if (*at != '0' && *at != '1')
		return BAD;
	at++;
	if (*at == '.') {
		for (at++; *at >= '0' && *at <= '9' && digit > 0; at++, digit /= 10)
			value += (*at - '0') * digit;
	}
	*text = at;
	return value > QUALITY_FULL ? BAD : value;
}

/* Behind a coding's name: nothing, or ";q=0.5". *text moves to the comma or the end. */
static int take_weight(const char **text)
{
	int quality = QUALITY_FULL;

	*text += strspn(*text, " \t");
	if (**text == ';') {
		*text += 1 + strspn(*text + 1, " \t");
		if ((**text != 'q' && **text != 'Q') || (*text)[1] != '=')
			return BAD;
		*text += 2;
		quality = parse_quality(text);
		*text += strspn(*text, " \t");
	}
	return **text == ',' || **text == '\0' ? quality : BAD;
}

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

bool rw_accepts_gzip(const char *header)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789!#$%&'*+-.^_`|~";
	int gzip = BAD, plain = BAD, others = BAD; /* BAD: not named */

	for (const char *at = header == NULL ? "" : header; *at != '\0';) {
		at += strspn(at, " \t,");
		if (*at == '\0')
			break;
		const char *word = at;
		size_t length = strspn(at, letters);
		at += length;
		int quality = length == 0 ? BAD : take_weight(&at);
		if (quality == BAD)
			return false;
		if (is_word(word, length, "gzip") || is_word(word, length, "x-gzip"))
			gzip = quality;
		else if (is_word(word, length, "identity"))
			plain = quality;
		else if (is_word(word, length, "*"))
			others = quality;
	}
	if (gzip == BAD)
		gzip = others;
	return gzip > 0 && gzip >= plain;
}

/* ---- gzip ------------------------------------------------------------------------ */

char *rw_gzip(const char *body, size_t length, size_t *out_length)
{
	z_stream stream = {0};
	char *out = malloc(length);

	if (out == NULL || length > UINT32_MAX ||
	    deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(out);
		return NULL;
	}
	stream.next_in = (unsigned char *)body;
	stream.avail_in = (unsigned)length;
	stream.next_out = (unsigned char *)out;
	stream.avail_out = (unsigned)length;
	bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
	*out_length = stream.total_out;
	deflateEnd(&stream);
	if (whole)
		return out;
	free(out);
	return NULL;
}
