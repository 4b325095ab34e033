/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question in SQL to a collector's store, which is only read: the connection cannot
 * write, the statement may only read, and it ends when its time is over, since a reader
 * that stays keeps the collector's log of changes from being cut.
 */
#ifndef RINGWATCH_CTL_SQL_H
#define RINGWATCH_CTL_SQL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	RW_SQL_ERROR_BYTES = 512,
	RW_SQL_QUERY_MAX_BYTES = 1024 * 1024,
	/* Of one text, blob or row. */
	RW_SQL_VALUE_MAX_BYTES = 16 * 1024 * 1024,
};

struct rw_sql_question {
	const char *store; /* path */
	const char *query; /* NULL: which views are there? */
	bool json;         /* an object a row, a line each; else a table */
	uint64_t timeout_ms;
	uint64_t limit; /* rows; 0: all */
};

struct rw_sql_view {
	const char *name;
	const char *row; /* what a row is */
};
/* Those that docs/sql.md describes; ends with name == NULL. */
extern const struct rw_sql_view rw_sql_views[];

/*
 * Prints the answer to `to`; `has_more`: there were more rows than the limit. 0; -EINVAL
 * when the question is wrong (no SQL, would write); else negative errno: the store cannot
 * be read, or the time was over. Then one line in `error`, and of JSON the rows before it
 * are printed.
 */
int rw_sql_answer(const struct rw_sql_question *question, FILE *to, bool *has_more,
		  char error[RW_SQL_ERROR_BYTES]);

#endif
