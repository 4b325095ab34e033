/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All JSON here is made of numbers, names, ids and fate names, none of which
 * needs escaping. Texts from a collector only go to people, through
 * rw_text_escape().
 */
#include "ctl/fleet/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/text.h"

struct census {
	uint64_t live, waiting, down, mute, rebooting, gone;
	uint64_t pending; /* events not acked */
};

static struct census count_hosts(const struct rw_fleet_host *hosts, uint32_t count)
{
	struct census census = {0};

	for (uint32_t i = 0; i < count; i++) {
		switch (hosts[i].phase) {
		case RW_FLEET_LIVE:
			census.live++;
			break;
		case RW_FLEET_CONNECTING:
		case RW_FLEET_GREETING:
			census.waiting++;
			break;
		case RW_FLEET_DOWN:
			census.down++;
			break;
		case RW_FLEET_MUTE:
			census.mute++;
			break;
		case RW_FLEET_REBOOTING:
			census.rebooting++;
			break;
		case RW_FLEET_GONE:
			census.gone++;
			break;
		}
		census.pending += hosts[i].spool.count;
	}
	return census;
}

static uint64_t sum_rejects(const struct rw_fleet_counters *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < RW_FLEET_REJECT_CODES; i++)
		sum += c->rejects[i];
	return sum;
}

static double per_second(uint64_t now, uint64_t before, uint64_t ms)
{
	return ms == 0 ? 0 : (double)(now - before) * 1000.0 / (double)ms;
}

static void print_counters(const struct rw_fleet_counters *c)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"connects", c->connects},
		{"connects_failed", c->connects_failed},
		{"welcomes", c->welcomes},
		{"rejects", sum_rejects(c)},
		{"closed_by_collector", c->closed_by_collector},
		{"no_answer", c->no_answer},
		{"heartbeats", c->heartbeats},
		{"probes_answered", c->probes},
		{"throttles", c->throttles},
		{"goodbyes", c->goodbyes},
		{"boots", c->boots},
		{"batches", c->batches},
		{"acks", c->acks},
		{"bad_acks", c->bad_acks},
		{"bad_frames", c->bad_frames},
		{"events_created", c->events_created},
		{"events_sent", c->events_sent},
		{"events_acked", c->events_acked},
		{"events_dropped", c->events_dropped},
		{"nonsense_sent", c->nonsense_sent},
		{"nonsense_refused", c->nonsense_refused},
		{"nonsense_tolerated", c->nonsense_tolerated},
		{"dribbled_bytes", c->dribbled_bytes},
		{"dribbles_ended", c->dribbles_ended},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf(",\"%s\":%" PRIu64, rows[i].name, rows[i].value);
	printf(",\"rejects_by_code\":{");
	const char *comma = "";
	for (int i = 0; i < RW_FLEET_REJECT_CODES; i++) {
		const char *name = rw_reject_name((Ringwatch__V1__RejectCode)i);
		if (name == NULL || c->rejects[i] == 0)
			continue;
		printf("%s\"%s\":%" PRIu64, comma, name, c->rejects[i]);
		comma = ",";
	}
	printf("}");
}

static void print_census(const struct census *census, uint32_t count)
{
	printf("\"hosts\":%" PRIu32 ",\"live\":%" PRIu64 ",\"connecting\":%" PRIu64
	       ",\"down\":%" PRIu64 ",\"mute\":%" PRIu64 ",\"rebooting\":%" PRIu64
	       ",\"gone\":%" PRIu64 ",\"events_pending\":%" PRIu64,
	       count, census->live, census->waiting, census->down, census->mute, census->rebooting,
	       census->gone, census->pending);
}

/* What went wrong last, safe for a terminal; "" when nothing did. */
static const char *trouble_of(const struct rw_fleet_shared *shared)
{
	static char text[4 * RW_FLEET_ERROR_BYTES + 1];

	rw_text_escape(text, sizeof(text), shared->last_trouble, strlen(shared->last_trouble));
	return text;
}

void rw_fleet_report_second(struct rw_fleet_report *report, const struct rw_fleet_shared *shared,
			    const struct rw_fleet_host *hosts, uint32_t count, uint64_t now_ms)
{
	const struct rw_fleet_counters *c = &shared->counters;
	uint64_t ms = now_ms - report->last_ms;
	struct census census = count_hosts(hosts, count);
	double heartbeats = per_second(c->heartbeats, report->last.heartbeats, ms);
	double acked = per_second(c->events_acked, report->last.events_acked, ms);

	if (report->json) {
		printf("{\"at_ms\":%" PRIu64 ",", now_ms - report->began_ms);
		print_census(&census, count);
		printf(",\"heartbeats_per_s\":%.1f,\"events_acked_per_s\":%.1f", heartbeats, acked);
		print_counters(c);
		printf("}\n");
		fflush(stdout);
	} else {
		fprintf(stderr,
			"%4" PRIu64 " s  live %" PRIu64 "/%" PRIu32
			"  heartbeats %.0f/s  events %" PRIu64 " (acked %" PRIu64
			", %.0f/s)  rejects %" PRIu64 "  %s\n",
			(now_ms - report->began_ms) / 1000, census.live, count, heartbeats,
			c->events_created, c->events_acked, acked, sum_rejects(c),
			trouble_of(shared));
	}
	report->last = *c;
	report->last_ms = now_ms;
}

struct fate_sum {
	uint64_t hosts, created, sent, acked, pending;
};

static void sum_fates(const struct rw_fleet_host *hosts, uint32_t count,
		      struct fate_sum sums[RW_FATE_COUNT])
{
	memset(sums, 0, RW_FATE_COUNT * sizeof(*sums));
	for (uint32_t i = 0; i < count; i++) {
		struct fate_sum *sum = &sums[hosts[i].fate];
		sum->hosts++;
		sum->created += hosts[i].created;
		sum->sent += hosts[i].sent;
		sum->acked += hosts[i].acked;
		sum->pending += hosts[i].spool.count;
	}
}

void rw_fleet_report_end(const struct rw_fleet_report *report, const struct rw_fleet_shared *shared,
			 const struct rw_fleet_host *hosts, uint32_t count, uint64_t now_ms)
{
	const struct rw_fleet_counters *c = &shared->counters;
	uint64_t ms = now_ms - report->began_ms;
	struct census census = count_hosts(hosts, count);
	struct fate_sum sums[RW_FATE_COUNT];
	const char *comma = "";

	sum_fates(hosts, count, sums);
	if (!report->json) {
		fprintf(stderr,
			"%" PRIu64 " sessions, %" PRIu64 " heartbeats (%.0f/s), %" PRIu64
			" events acked (%.0f/s) in %.1f s\n",
			c->welcomes, c->heartbeats, per_second(c->heartbeats, 0, ms),
			c->events_acked, per_second(c->events_acked, 0, ms), (double)ms / 1000.0);
		fprintf(stderr, "%-14s %8s %10s %10s %10s %10s\n", "fate", "hosts", "created",
			"sent", "acked", "pending");
	} else {
		printf("{\"summary\":true,\"at_ms\":%" PRIu64 ",", ms);
		print_census(&census, count);
		printf(",\"heartbeats_per_s\":%.1f,\"events_acked_per_s\":%.1f",
		       per_second(c->heartbeats, 0, ms), per_second(c->events_acked, 0, ms));
		print_counters(c);
		printf(",\"fates\":{");
	}
	for (int i = 0; i < RW_FATE_COUNT; i++) {
		const char *name = rw_fleet_fate_name((enum rw_fleet_fate)i);
		if (sums[i].hosts == 0)
			continue;
		if (report->json)
			printf("%s\"%s\":{\"hosts\":%" PRIu64 ",\"created\":%" PRIu64
			       ",\"sent\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"pending\":%" PRIu64
			       "}",
			       comma, name, sums[i].hosts, sums[i].created, sums[i].sent,
			       sums[i].acked, sums[i].pending);
		else
			fprintf(stderr,
				"%-14s %8" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
				" %10" PRIu64 "\n",
				name, sums[i].hosts, sums[i].created, sums[i].sent, sums[i].acked,
				sums[i].pending);
		comma = ",";
	}
	if (report->json)
		printf("}}\n");
	fflush(stdout);
}

int rw_fleet_report_hosts(const char *path, const struct rw_fleet_host *hosts, uint32_t count)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL)
		return -errno;
	for (uint32_t i = 0; i < count; i++) {
		const struct rw_fleet_host *h = &hosts[i];
		char spool[2 * RW_SPOOL_ID_BYTES + 1];

		for (size_t k = 0; k < RW_SPOOL_ID_BYTES; k++)
			snprintf(spool + 2 * k, 3, "%02x", h->spool.id[k]);
		fprintf(out,
			"{\"host\":\"%s\",\"fate\":\"%s\",\"boot_id\":\"%s\",\"boot_order\":"
			"%" PRIu64 ",\"spool\":\"%s\",\"created\":%" PRIu64 ",\"sent\":%" PRIu64
			",\"acked\":%" PRIu64 ",\"last_sequence\":%" PRIu64
			",\"acked_sequence\":%" PRIu64 "}\n",
			h->name, rw_fleet_fate_name(h->fate), h->boot.id, h->boot.order, spool,
			h->created, h->sent, h->acked, h->spool.last, h->spool.acked);
	}
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	int err = rw_file_replace(path, text, length, 0644);
	free(text);
	return err;
}
