/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last gasps that were heard of late, for the API, and what the netconsole
 * listener counted. In memory alone: a gasp is a hint, never proof, and what it
 * led to (a host gone silent) is in the journal by itself.
 *
 * Verified gasps and the others are kept apart, so that whoever can send a
 * datagram can never push out what a host has said. A gasp like the last one of
 * its source, within RW_GASP_MERGE_MS, is counted on that.
 *
 * Owner: the loop's thread. Other threads come through rw_hub_call() and copy:
 *
 *   static void ask(struct rw_core *core, struct rw_now now, void *context)
 *   {
 *           struct gasps_ask *a = context;
 *           a->gasp_count = rw_gasps_copy(rw_hub_gasps(a->hub), a->gasps);
 *           a->stats = *rw_gasps_stats(rw_hub_gasps(a->hub));
 *   }
 */
#ifndef RINGWATCH_INGEST_GASPS_H
#define RINGWATCH_INGEST_GASPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/core/core.h"

enum {
	RW_GASPS_KEPT = 256, /* half of them verified, half not */
	RW_GASP_SOURCE_BYTES = 64,
	RW_GASP_KIND_BYTES = 16,
	RW_GASP_TEXT_BYTES = 256,
	RW_GASP_MERGE_MS = 60000,
};

struct rw_gasp {
	uint64_t received_wall_ms;         /* of the first */
	uint64_t last_wall_ms;             /* of the last that is counted here */
	char source[RW_GASP_SOURCE_BYTES]; /* "192.0.2.7:6665", "[2001:db8::7]:6665" */
	char host[RW_CORE_NAME_BYTES];     /* "" unless verified */
	bool verified;                     /* the source had proved to be that host's */
	bool forged;                       /* user space wrote it: it is no gasp */
	char kind[RW_GASP_KIND_BYTES];     /* "panic", "oops" or "hard_lockup" */
	char text[RW_GASP_TEXT_BYTES]; /* the first one's line; UTF-8 without NULs, not escaped */
	uint32_t count;                /* lines of this kind; >= 1 */
};

struct rw_gasp_stats {
	bool listening;
	/* Datagrams, each counted in one of these. */
	uint64_t accepted;
	uint64_t limited_source; /* over the limit of its source */
	uint64_t limited_all;    /* over the limit of all unproven sources together */
	uint64_t unparsable;     /* too long, or fragments that make no record */
	/* Lines of those accepted; most are none of these. */
	uint64_t verified;   /* gasps of a source that had proved to be a host's */
	uint64_t unverified; /* gasps of others, and those that do not tell who spoke */
	uint64_t forged;     /* would be gasps, but user space wrote them */
	uint64_t acted;      /* verified gasps on which presence acted */
	/* Challenges. */
	uint64_t challenged;
	uint64_t proved;         /* a challenge came back: its source is that host's */
	uint64_t nonces_refused; /* unknown, used or too late */
	/* Now. */
	uint64_t hosts_armed;  /* with a live session, that say netconsole is armed */
	uint64_t hosts_proved; /* of all hosts: with a source that stands proved */
	uint64_t sources;      /* unproven ones that are remembered */
};

struct rw_gasps;

struct rw_gasps *rw_gasps_new(void); /* NULL: no memory */
void rw_gasps_free(struct rw_gasps *gasps);

/* What was heard; `text` is not NUL-terminated. */
struct rw_gasp_heard {
	const char *source;
	const char *host; /* "" unless verified */
	bool forged;
	const char *kind;
	const char *text;
	size_t text_length;
};
/* Adds one; its text is made clean and cut. */
void rw_gasps_add(struct rw_gasps *gasps, const struct rw_gasp_heard *heard, uint64_t wall_ms);
/* Copies all, the newest (by last_wall_ms) first; returns how many. */
uint32_t rw_gasps_copy(const struct rw_gasps *gasps, struct rw_gasp out[RW_GASPS_KEPT]);
/* To read, and for the listener to count in. */
struct rw_gasp_stats *rw_gasps_stats(struct rw_gasps *gasps);

#endif
