/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people see on a terminal: styled text and tables. Every foreign text is
 * escaped on its way in. Colour only on a terminal, and not with NO_COLOR.
 */
#ifndef RINGWATCH_CTL_TABLE_H
#define RINGWATCH_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum rw_style { RW_PLAIN, RW_BOLD, RW_DIM, RW_GOOD, RW_CAREFUL, RW_BAD };

/* Whether `to` is to be coloured. */
bool rw_style_wanted(FILE *to);
/* What turns a style on and off; "" when colour is not wanted or the style is plain. */
const char *rw_style_on(enum rw_style style, bool colour);
const char *rw_style_off(enum rw_style style, bool colour);

enum { RW_LISTING_COLUMNS_MAX = 64, RW_LISTING_CELL_BYTES = 256 };

struct rw_column {
	const char *title;
	bool right; /* numbers */
};

struct rw_listing;

/* `columns` is kept, not copied. NULL: no memory. */
struct rw_listing *rw_listing_new(const struct rw_column *columns, size_t count);
void rw_listing_free(struct rw_listing *table);

/* Fills the next cell of the current row, or of a new one when it is full. The
 * text is escaped and cut to RW_LISTING_CELL_BYTES; "" is shown as "-". */
void rw_listing_add(struct rw_listing *table, const char *text);
void rw_listing_add_styled(struct rw_listing *table, const char *text, enum rw_style style);
__attribute__((format(printf, 2, 3))) void rw_listing_addf(struct rw_listing *table,
							   const char *fmt, ...);

size_t rw_listing_rows(const struct rw_listing *table);
/* Prints titles and rows, each behind `indent`; `none` instead when there is no
 * row. false when memory ran out on the way: a table with holes is not shown. */
bool rw_listing_print(const struct rw_listing *table, FILE *to, const char *indent,
		      const char *none);

#endif
