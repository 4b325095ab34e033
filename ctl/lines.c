/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "lib/text.h"

enum { PIECE_BYTES = 2048 };

void rw_lines_free(struct rw_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->lines[i].text);
	free(lines->lines);
	lines->lines = NULL;
	lines->count = lines->size = 0;
}

void rw_lines_begin(struct rw_lines *lines)
{
	if (lines->count == lines->size) {
		size_t size = lines->size == 0 ? 32 : lines->size * 2;
		struct rw_line *larger = realloc(lines->lines, size * sizeof(*larger));
		if (larger == NULL) {
			lines->out_of_memory = true;
			return;
		}
		lines->lines = larger;
		lines->size = size;
	}
	lines->lines[lines->count++] = (struct rw_line){0};
}

static void append(struct rw_lines *lines, const char *bytes, size_t length)
{
	struct rw_line *line = &lines->lines[lines->count - 1];

	if (length >= line->size - line->used) {
		size_t size = 2 * (line->used + length) + 64;
		char *larger = realloc(line->text, size);
		if (larger == NULL) {
			lines->out_of_memory = true;
			return;
		}
		line->text = larger;
		line->size = size;
	}
	memcpy(line->text + line->used, bytes, length);
	line->used += length;
	line->text[line->used] = '\0';
}

static wchar_t decode(const char *text, size_t length)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	wchar_t code = (unsigned char)text[0] & masks[length];

	for (size_t i = 1; i < length; i++)
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	return code;
}

/* Columns of the character, and its bytes. What a terminal may show in an unknown width is a
 * question mark. */
static size_t measure(const struct rw_lines *lines, const char **text, size_t *length)
{
	*length = rw_utf8_length(*text, strlen(*text));
	if (*length == 1)
		return 1;
	int columns = *length == 0 || !lines->utf8 ? -1 : wcwidth(decode(*text, *length));
	if (columns >= 0)
		return (size_t)columns;
	*length = *length == 0 ? 1 : *length;
	*text = NULL;
	return 1;
}

/* Puts what is clean already. Returns how many bytes found room within `limit` columns. */
static size_t put_clean(struct rw_lines *lines, enum rw_style style, const char *text, size_t limit)
{
	if (lines->count == 0)
		rw_lines_begin(lines);
	if (lines->count == 0)
		return strlen(text);
	struct rw_line *line = &lines->lines[lines->count - 1];
	size_t done = 0;
	if (text[0] == '\0')
		return 0;
	const char *on = rw_style_on(style, lines->colour);

	append(lines, on, strlen(on));
	while (text[done] != '\0') {
		const char *at = text + done;
		size_t length;
		size_t columns = measure(lines, &at, &length);
		if (line->columns + columns > limit)
			break;
		append(lines, at == NULL ? "?" : at, at == NULL ? 1 : length);
		line->columns += columns;
		done += length;
	}
	const char *off = rw_style_off(style, lines->colour);
	append(lines, off, strlen(off));
	return done;
}

void rw_lines_put(struct rw_lines *lines, enum rw_style style, const char *text)
{
	char safe[PIECE_BYTES];

	rw_text_escape(safe, sizeof(safe), text, strlen(text));
	put_clean(lines, style, safe, lines->width);
}

void rw_lines_putf(struct rw_lines *lines, enum rw_style style, const char *fmt, ...)
{
	char text[PIECE_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	rw_lines_put(lines, style, text);
}

static size_t column_of(const struct rw_lines *lines)
{
	return lines->count == 0 ? 0 : lines->lines[lines->count - 1].columns;
}

void rw_lines_cell(struct rw_lines *lines, enum rw_style style, const char *text, size_t columns)
{
	char safe[PIECE_BYTES];
	size_t end = column_of(lines) + columns;

	rw_text_escape(safe, sizeof(safe), text, strlen(text));
	put_clean(lines, style, safe, end < lines->width ? end : lines->width);
	while (column_of(lines) < end && column_of(lines) < lines->width && !lines->out_of_memory)
		put_clean(lines, RW_PLAIN, " ", lines->width);
}

/* Bytes of as many words, with the blanks before each, as have room in `columns` (taken as one a
 * byte); 0: not one has. */
static size_t words_within(const char *text, size_t columns)
{
	size_t fit = 0;

	for (size_t end = 0; text[end] != '\0';) {
		end += strspn(text + end, " ");
		end += strcspn(text + end, " ");
		if (end > columns)
			break;
		fit = end;
	}
	return fit;
}

static void indented_line(struct rw_lines *lines, size_t indent)
{
	rw_lines_begin(lines);
	rw_lines_cell(lines, RW_PLAIN, "", indent);
}

void rw_lines_wrap(struct rw_lines *lines, enum rw_style style, const char *text, size_t indent)
{
	char safe[PIECE_BYTES];
	char piece[PIECE_BYTES];

	if (indent * 2 > lines->width)
		indent = 0;
	rw_text_escape(safe, sizeof(safe), text, strlen(text));
	for (const char *at = safe; *at != '\0' && lines->width > 0 && !lines->out_of_memory;) {
		size_t length = words_within(at, lines->width - column_of(lines));
		if (length == 0 && column_of(lines) > indent) {
			indented_line(lines, indent);
			at += strspn(at, " ");
			continue;
		}
		/* At the beginning of a line a word that fits in none is broken. */
		if (length == 0)
			length = strspn(at, " ") + strcspn(at + strspn(at, " "), " ");
		memcpy(piece, at, length);
		piece[length] = '\0';
		size_t done = put_clean(lines, style, piece, lines->width);
		at += done == 0 ? length : done;
	}
}

void rw_lines_take(struct rw_lines *lines, const struct rw_lines *source, size_t from, size_t count)
{
	for (size_t i = from; i < source->count && i - from < count; i++) {
		rw_lines_begin(lines);
		if (lines->out_of_memory)
			return;
		append(lines, rw_lines_text(source, i), source->lines[i].used);
		lines->lines[lines->count - 1].columns = source->lines[i].columns;
	}
}

const char *rw_lines_text(const struct rw_lines *lines, size_t index)
{
	const char *text = index < lines->count ? lines->lines[index].text : NULL;

	return text == NULL ? "" : text;
}
