/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/text.h"

bool rw_style_wanted(FILE *to)
{
	const char *no_color = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(fileno(to)) && (no_color == NULL || no_color[0] == '\0') &&
	       terminal != NULL && strcmp(terminal, "dumb") != 0;
}

const char *rw_style_on(enum rw_style style, bool colour)
{
	static const char *const codes[] = {
		[RW_PLAIN] = "",          [RW_BOLD] = "\033[1m",       [RW_DIM] = "\033[2m",
		[RW_GOOD] = "\033[1;32m", [RW_CAREFUL] = "\033[1;33m", [RW_BAD] = "\033[1;31m",
	};
	return colour ? codes[style] : "";
}

const char *rw_style_off(enum rw_style style, bool colour)
{
	return colour && style != RW_PLAIN ? "\033[0m" : "";
}

struct cell {
	char *text;
	size_t width; /* in characters */
	enum rw_style style;
};

struct rw_listing {
	const struct rw_column *columns;
	size_t column_count;
	struct cell *cells;
	size_t used;
	size_t size;
	bool out_of_memory;
};

struct rw_listing *rw_listing_new(const struct rw_column *columns, size_t count)
{
	assert(count > 0 && count <= RW_LISTING_COLUMNS_MAX);
	struct rw_listing *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->columns = columns;
	table->column_count = count;
	return table;
}

void rw_listing_free(struct rw_listing *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->used; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

/* Characters, taken as one column each: names and signatures are ASCII. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void rw_listing_add_styled(struct rw_listing *table, const char *text, enum rw_style style)
{
	char safe[RW_LISTING_CELL_BYTES];

	if (table->used == table->size) {
		size_t size = table->size == 0 ? 64 : table->size * 2;
		struct cell *larger = realloc(table->cells, size * sizeof(*larger));
		if (larger == NULL) {
			table->out_of_memory = true;
			return;
		}
		table->cells = larger;
		table->size = size;
	}
	rw_text_escape(safe, sizeof(safe), text, strlen(text));
	const char *shown = safe[0] == '\0' ? "-" : safe;
	char *copy = strdup(shown);
	if (copy == NULL) {
		table->out_of_memory = true;
		return;
	}
	table->cells[table->used++] = (struct cell){copy, width_of(copy), style};
}

void rw_listing_add(struct rw_listing *table, const char *text)
{
	rw_listing_add_styled(table, text, RW_PLAIN);
}

void rw_listing_addf(struct rw_listing *table, const char *fmt, ...)
{
	char text[RW_LISTING_CELL_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	rw_listing_add(table, text);
}

size_t rw_listing_rows(const struct rw_listing *table)
{
	return table->used / table->column_count;
}

static void print_cell(FILE *to, const char *text, size_t width, size_t of, bool right, bool last,
		       enum rw_style style, bool colour)
{
	int padding = (int)(of - width);

	fprintf(to, "%*s%s%s%s%*s%s", right ? padding : 0, "", rw_style_on(style, colour), text,
		rw_style_off(style, colour), right || last ? 0 : padding, "", last ? "\n" : "  ");
}

bool rw_listing_print(const struct rw_listing *table, FILE *to, const char *indent,
		      const char *none)
{
	size_t widths[RW_LISTING_COLUMNS_MAX];
	const size_t columns = table->column_count;
	bool colour = rw_style_wanted(to);

	assert(columns > 0);
	if (table->out_of_memory)
		return false;
	if (table->used == 0) {
		fprintf(to, "%s%s\n", indent, none);
		return true;
	}
	for (size_t c = 0; c < columns; c++)
		widths[c] = width_of(table->columns[c].title);
	for (size_t i = 0; i < table->used; i++)
		if (table->cells[i].width > widths[i % columns])
			widths[i % columns] = table->cells[i].width;

	fputs(indent, to);
	for (size_t c = 0; c < columns; c++)
		print_cell(to, table->columns[c].title, width_of(table->columns[c].title),
			   widths[c], table->columns[c].right, c + 1 == columns, RW_DIM, colour);
	for (size_t i = 0; i < table->used; i++) {
		const struct cell *cell = &table->cells[i];
		size_t c = i % columns;
		if (c == 0)
			fputs(indent, to);
		print_cell(to, cell->text, cell->width, widths[c], table->columns[c].right,
			   c + 1 == columns, cell->style, colour);
	}
	return true;
}
