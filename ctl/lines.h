/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for a screen of a given width, put together piece by piece. Foreign
 * text is escaped on its way in; what is wider than the screen is cut, so that
 * no line of a terminal ever wraps by itself.
 */
#ifndef RINGWATCH_CTL_LINES_H
#define RINGWATCH_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/table.h"

struct rw_line {
	char *text;
	size_t used; /* bytes, styles included */
	size_t size;
	size_t columns; /* that a terminal shows */
};

struct rw_lines {
	size_t width;
	bool colour;
	bool utf8; /* else what is not ASCII is shown as `?` */
	struct rw_line *lines;
	size_t count;
	size_t size;
	bool out_of_memory;
};

void rw_lines_free(struct rw_lines *lines);
/* Begins the next line. */
void rw_lines_begin(struct rw_lines *lines);
/* Goes on in the last line; escapes and cuts. */
void rw_lines_put(struct rw_lines *lines, enum rw_style style, const char *text);
__attribute__((format(printf, 3, 4))) void rw_lines_putf(struct rw_lines *lines,
							 enum rw_style style, const char *fmt, ...);
/* `text` to `columns`, cut or filled up with blanks. */
void rw_lines_cell(struct rw_lines *lines, enum rw_style style, const char *text, size_t columns);
/* Goes on in the last line and, when that is full, in further ones behind `indent` blanks;
 * breaks between words where it can. */
void rw_lines_wrap(struct rw_lines *lines, enum rw_style style, const char *text, size_t indent);
/* Takes `count` lines from `from` over, as copies of `source`'s. */
void rw_lines_take(struct rw_lines *lines, const struct rw_lines *source, size_t from,
		   size_t count);
/* A line's text; "" when memory ran out on it. */
const char *rw_lines_text(const struct rw_lines *lines, size_t index);

#endif
