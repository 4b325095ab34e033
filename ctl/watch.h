/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `ringwatch watch` shows, as a value: what the collector answered last,
 * when, and what the reader has chosen. From it rw_watch_render() makes the
 * lines of a screen, and rw_watch_tell() lines for what is no terminal; both
 * read no clock and ask nobody.
 */
#ifndef RINGWATCH_CTL_WATCH_H
#define RINGWATCH_CTL_WATCH_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "ctl/lines.h"
#include "ctl/view.h"

enum {
	RW_WATCH_ROWS_MAX = 256, /* more are counted, not shown */
	RW_WATCH_NAME_BYTES = 64,
	RW_WATCH_TROUBLE_BYTES = 512,
};

/* A ring and one deployment that goes through it; borrowed from the answers. */
struct rw_watch_row {
	const json_t *ring;       /* NULL: the policy has no such ring any more */
	const json_t *deployment; /* NULL: nothing is being rolled out here */
	const json_t *run;        /* the deployment's row of this ring */
	const json_t *verdict;    /* NULL: not asked for */
};

/* The last answers; each NULL when there is none. */
struct rw_watch_answers {
	json_t *ready;
	json_t *rings;
	json_t *deployments;
	json_t *verdicts;   /* array */
	json_t *events;     /* array, newest first */
	json_t *signatures; /* array; NULL also when the collector has no such list */
	json_t *away;       /* array: hosts of the opened ring that are not online */
};

struct rw_watch {
	struct rw_watch_answers answers;
	struct rw_watch_row rows[RW_WATCH_ROWS_MAX];
	size_t row_count;
	size_t left_out;
	uint64_t answered_ms;                 /* wall clock of the last whole answer; 0: none yet */
	char trouble[RW_WATCH_TROUBLE_BYTES]; /* why the last query was not answered; "" it was */
	const char *only_deployment;          /* NULL: all that are active */
	const char *only_ring;                /* NULL: all */
	const char *url;
	size_t chosen; /* < row_count, or 0 */
	/* By what the chosen row is found again after the next answer; "" for none. */
	char chosen_ring[RW_WATCH_NAME_BYTES];
	char chosen_deployment[RW_WATCH_NAME_BYTES];
	bool opened;
	bool help;
	bool colour;
	bool utf8;
};

/* Makes the rows from the answers, in rollout order, and keeps what is chosen. */
void rw_watch_arrange(struct rw_watch *watch);
/* Chooses the next row (`by` 1) or the one before (-1), if there is one. */
void rw_watch_choose(struct rw_watch *watch, int by);
/* Finds the row's verdict among the answers; NULL: it was not asked for. */
const json_t *rw_watch_find_verdict(const struct rw_watch *watch, const char *deployment,
				    const char *ring);
/* The names of a row; the deployment's is "" when there is none. */
const char *rw_watch_ring(const struct rw_watch_row *row);
const char *rw_watch_deployment(const struct rw_watch_row *row);
/* Releases the answers. */
void rw_watch_forget(struct rw_watch_answers *answers);

/*
 * The screen: at most `height` lines of at most `width` columns, into `out`,
 * which is zeroed or freed before. `now_ms` is the wall clock. While a query
 * stands unanswered, no verdict is shown as one that holds.
 */
void rw_watch_render(const struct rw_watch *watch, uint64_t now_ms, size_t width, size_t height,
		     struct rw_lines *out);

/* One row in one line without an end; without figures that change by time alone. */
void rw_watch_tell(const struct rw_watch *watch, size_t row, FILE *to);

#endif
