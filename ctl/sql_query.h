/* SPDX-License-Identifier: Apache-2.0 */
/* A statement that may only read, and the time that it has. Functions return 0 or negative
 * errno with one line in `error`. */
#ifndef RINGWATCH_CTL_SQL_QUERY_H
#define RINGWATCH_CTL_SQL_QUERY_H

#include "ctl/sql.h"
#include "ctl/store_file.h"

struct rw_sql_query {
	const char *store; /* as it was named */
	struct rw_store_file file;
	sqlite3_stmt *statement;
	bool is_denied; /* it would have done what it may not */
	uint64_t timeout_ms, deadline_ms;
};

/* -EPROTO: no store of a collector, or of another schema. To be closed in either case. */
int rw_sql_open(const char *store, uint64_t timeout_ms, struct rw_sql_query *out,
		char error[RW_SQL_ERROR_BYTES]);
void rw_sql_close(struct rw_sql_query *query);

/* One statement; its time begins. -EINVAL when it is wrong or would write. */
int rw_sql_prepare(struct rw_sql_query *query, const char *sql, char error[RW_SQL_ERROR_BYTES]);

/* The next row; `found` false: that was all of them. -ETIMEDOUT when its time is over. */
int rw_sql_step(struct rw_sql_query *query, bool *found, char error[RW_SQL_ERROR_BYTES]);

#endif
