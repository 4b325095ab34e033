/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's life; see host.h. Happy path: DOWN → CONNECTING → GREETING → LIVE,
 * with heartbeats, events one batch at a time, and answers. Whatever ends a
 * session leads to DOWN again after a full-jitter back-off; a fate leads to
 * MUTE, REBOOTING or GONE.
 */
#include "ctl/fleet/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ctl/fleet/messages.h"
#include "ctl/fleet/nonsense.h"
#include "ctl/fleet/random.h"
#include "lib/clock.h"
#include "lib/version.h"
#include "proto/bootid.h"

enum {
	BOOTED_BEFORE_MS = 20000, /* a sensor starts some time after its kernel */
	ANSWER_MS = 10000,        /* for a connection, a Welcome, a refusal */
	BACKOFF_FIRST_MS = 500,
	BACKOFF_CAP_MS = 10000, /* until a Welcome says otherwise */
	REBOOT_LEAST_MS = 2000,
	REBOOT_SPREAD_MS = 3000,
	REBOOT_BACK_IN_S = 60,
	STOPPED_BACK_IN_S = 300, /* as a sensor that is stopped says */
	DRIBBLE_EVERY_MS = 200,
	DRIBBLE_EVENTS = 1,
	QUEUE_PAUSE_BYTES = 262144, /* a peer that reads too slowly gets nothing new */
	CERTIFICATE_VALID_MS = 86400000,
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void remember(struct rw_fleet_shared *shared, const char *host, const char *what)
{
	snprintf(shared->last_trouble, sizeof(shared->last_trouble), "%s: %.160s", host, what);
}

/* ---- boots ------------------------------------------------------------------ */

static int new_boot(struct rw_fleet_host *host, uint64_t order, uint64_t now_ms)
{
	uint8_t id[16];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -EIO;
	rw_boot_id_format(id, host->boot.id);
	host->boot.order = order;
	host->boot.began_ms = now_ms - BOOTED_BEFORE_MS;
	return 0;
}

int rw_fleet_host_init(struct rw_fleet_host *host, struct rw_fleet_shared *shared, uint32_t number,
		       uint64_t now_ms, uint64_t wall_ms)
{
	*host = (struct rw_fleet_host){
		.shared = shared,
		.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE,
		.fate_at_ms = RW_FLEET_NEVER,
		.next_heartbeat_ms = RW_FLEET_NEVER,
		.backoff_cap_ms = BACKOFF_CAP_MS,
		.heartbeat_every_ms = 1000,
		.due_ms = now_ms,
	};
	snprintf(host->name, sizeof(host->name), "%s-%05u", shared->options->prefix,
		 (unsigned)number);
	rw_frame_reader_init(&host->reader);
	if (getrandom(host->spool.id, sizeof(host->spool.id), 0) != (ssize_t)sizeof(host->spool.id))
		return -EIO;
	return new_boot(host, wall_ms / 1000, now_ms);
}

void rw_fleet_host_release(struct rw_fleet_host *host)
{
	rw_frame_reader_release(&host->reader);
	rw_fleet_spool_release(&host->spool);
	free(host->dribble);
	host->dribble = NULL;
}

/* ---- sessions ----------------------------------------------------------------- */

/* What belonged to the session that is over. */
static void forget_session(struct rw_fleet_host *host)
{
	rw_frame_reader_release(&host->reader);
	free(host->dribble);
	host->dribble = NULL;
	host->link = NULL;
	host->awaits_refusal = false;
	host->paused_until_ms = 0;
	host->next_heartbeat_ms = RW_FLEET_NEVER;
	host->spool.sent = host->spool.acked;
}

static void retry_later(struct rw_fleet_host *host, uint64_t least_ms, uint64_t now_ms)
{
	uint32_t doublings = host->attempts < 16 ? host->attempts : 16;
	uint64_t most = earlier(host->backoff_cap_ms, (uint64_t)BACKOFF_FIRST_MS << doublings);

	host->attempts++;
	host->phase = RW_FLEET_DOWN;
	host->due_ms = now_ms + least_ms + rw_fleet_random_below(&host->shared->random, most + 1);
}

static void end_session(struct rw_fleet_host *host, enum rw_fleet_close how, uint64_t least_ms,
			uint64_t now_ms)
{
	struct rw_fleet_link *link = host->link;

	forget_session(host);
	if (link != NULL)
		rw_fleet_link_close(link, how);
	retry_later(host, least_ms, now_ms);
}

static bool send_packed(struct rw_fleet_host *host, long length, uint64_t now_ms)
{
	if (length < 0 || host->link == NULL)
		return false;
	if (rw_fleet_link_send(host->link, host->shared->frame, (size_t)length) == 0)
		return true;
	remember(host->shared, host->name, "the collector does not read");
	end_session(host, RW_FLEET_CLOSE_DROP, 0, now_ms);
	return false;
}

static void begin_session(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;
	struct rw_identity identity = {.role = RW_IDENTITY_HOST};
	char error[RW_PKI_ERROR_BYTES];
	X509 *certificate = NULL;

	if (shared->connect_tokens < 1) /* asked again at the next tick */
		return;
	shared->connect_tokens -= 1;
	snprintf(identity.trust_domain, sizeof(identity.trust_domain), "%s",
		 shared->options->trust_domain);
	snprintf(identity.ring, sizeof(identity.ring), "%s", shared->options->ring);
	snprintf(identity.name, sizeof(identity.name), "%s", host->name);
	shared->counters.connects++;
	int err = rw_pki_issue(shared->ca, &identity, shared->key,
			       rw_pki_valid_for(CERTIFICATE_VALID_MS), &certificate, error);
	if (err == 0) {
		err = rw_fleet_link_open(shared->net, certificate, shared->key, host, &host->link);
		snprintf(error, sizeof(error), "cannot connect: %s", strerror(-err));
		X509_free(certificate);
	}
	if (err != 0) {
		shared->counters.connects_failed++;
		remember(shared, host->name, error);
		retry_later(host, 0, now_ms);
		return;
	}
	host->phase = RW_FLEET_CONNECTING;
	host->deadline_ms = now_ms + ANSWER_MS;
	host->due_ms = host->deadline_ms;
}

/* ---- what a live host sends ------------------------------------------------------ */

static bool can_send(const struct rw_fleet_host *host)
{
	return host->phase == RW_FLEET_LIVE && host->dribble == NULL && !host->awaits_refusal &&
	       rw_fleet_link_queued(host->link) < QUEUE_PAUSE_BYTES;
}

static void send_heartbeat(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;

	host->next_heartbeat_ms += host->heartbeat_every_ms;
	if (host->next_heartbeat_ms <= now_ms) /* late: no burst to catch up */
		host->next_heartbeat_ms = now_ms + host->heartbeat_every_ms;
	if (!can_send(host))
		return;
	if (send_packed(host,
			rw_fleet_pack_heartbeat(host, now_ms, shared->frame, sizeof(shared->frame)),
			now_ms))
		shared->counters.heartbeats++;
}

/* What it runs. A host that reports nothing is like a sensor without markers. */
static void send_versions(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;

	if (shared->options->reports.count == 0 && !host->updated)
		return;
	(void)send_packed(host, rw_fleet_pack_versions(host, shared->frame, sizeof(shared->frame)),
			  now_ms);
}

static bool batch_is_due(const struct rw_fleet_host *host, uint64_t now_ms)
{
	return !host->dribbles && host->spool.count > 0 && host->spool.sent == host->spool.acked &&
	       now_ms >= host->paused_until_ms && can_send(host);
}

/* One batch at a time: the next one goes when this one has been acked. */
static void send_batch(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;
	uint64_t last = 0;

	if (!batch_is_due(host, now_ms))
		return;
	if (!send_packed(host,
			 rw_fleet_pack_batch(host, RW_EVENTS_PER_BATCH, now_ms, shared->frame,
					     sizeof(shared->frame), &last),
			 now_ms))
		return;
	host->sent += last - host->spool.acked;
	shared->counters.events_sent += last - host->spool.acked;
	shared->counters.batches++;
	host->spool.sent = last;
	if (host->spool.sent_most < last)
		host->spool.sent_most = last;
}

static int add_event(struct rw_fleet_host *host, const struct rw_fleet_event *event)
{
	int err = rw_fleet_spool_add(&host->spool, event);

	if (err != 0) {
		host->shared->counters.events_dropped++;
		return err;
	}
	host->created++;
	host->shared->counters.events_created++;
	return 0;
}

int rw_fleet_host_report(struct rw_fleet_host *host, Ringwatch__V1__Kind kind, uint64_t now_ms)
{
	struct rw_fleet_event event = {
		.kind = kind,
		.variant = (uint32_t)rw_fleet_random_below(&host->shared->random, 1u << 16),
		.boot_order = host->boot.order,
		.boot_ms = now_ms - host->boot.began_ms,
		.wall_ms = rw_clock_wall_ms(),
	};

	memcpy(event.boot_id, host->boot.id, sizeof(event.boot_id));
	int err = add_event(host, &event);
	if (err == 0 && host->phase == RW_FLEET_LIVE)
		send_batch(host, now_ms);
	return err;
}

/* ---- dribbling ------------------------------------------------------------------ */

static void start_dribble(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;

	if (host->spool.count == 0)
		rw_fleet_host_report(host, RINGWATCH__V1__KIND__KIND_WARNING, now_ms);
	long length = rw_fleet_pack_batch(host, DRIBBLE_EVENTS, now_ms, shared->frame,
					  sizeof(shared->frame), &host->dribble_sequence);
	if (length < 0 || host->spool.count == 0)
		return;
	host->dribble = malloc((size_t)length);
	if (host->dribble == NULL)
		return;
	memcpy(host->dribble, shared->frame, (size_t)length);
	host->dribble_length = (size_t)length;
	host->dribble_at = 0;
	host->next_dribble_ms = now_ms;
}

static void dribble(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;

	if (host->dribble == NULL && host->spool.sent == host->spool.acked)
		start_dribble(host, now_ms);
	host->next_dribble_ms = now_ms + DRIBBLE_EVERY_MS;
	if (host->dribble == NULL)
		return;
	if (rw_fleet_link_send(host->link, host->dribble + host->dribble_at, 1) != 0) {
		end_session(host, RW_FLEET_CLOSE_DROP, 0, now_ms);
		return;
	}
	shared->counters.dribbled_bytes++;
	if (++host->dribble_at < host->dribble_length)
		return;
	free(host->dribble);
	host->dribble = NULL;
	host->spool.sent = host->dribble_sequence;
	if (host->spool.sent_most < host->spool.sent)
		host->spool.sent_most = host->spool.sent;
	host->sent++;
	shared->counters.events_sent++;
	shared->counters.dribbles_ended++;
}

/* ---- fates ------------------------------------------------------------------------ */

static void send_nonsense(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;
	uint8_t bytes[RW_FLEET_NONSENSE_BYTES];
	size_t length = rw_fleet_nonsense_make(host->nonsense_turn, bytes);

	if (rw_fleet_link_send(host->link, bytes, length) != 0) {
		end_session(host, RW_FLEET_CLOSE_DROP, 0, now_ms);
		return;
	}
	shared->counters.nonsense_sent++;
	host->awaits_refusal = true;
	host->deadline_ms = now_ms + ANSWER_MS;
}

static void say_goodbye(struct rw_fleet_host *host, Ringwatch__V1__GoodbyeKind kind,
			uint32_t back_in_s, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;

	if (send_packed(
		    host,
		    rw_fleet_pack_goodbye(kind, back_in_s, shared->frame, sizeof(shared->frame)),
		    now_ms))
		shared->counters.goodbyes++;
}

static void start_reboot(struct rw_fleet_host *host, Ringwatch__V1__BootEnd end, uint64_t now_ms)
{
	host->next_end = end;
	host->boot_ended_ms = now_ms;
	host->phase = RW_FLEET_REBOOTING;
	host->due_ms = now_ms + REBOOT_LEAST_MS +
		       rw_fleet_random_below(&host->shared->random, REBOOT_SPREAD_MS);
}

static void flood(struct rw_fleet_host *host, uint64_t now_ms)
{
	while (host->flood_left > 0 && host->spool.count < RW_FLEET_FLOOD_WINDOW) {
		if (rw_fleet_host_report(host, RINGWATCH__V1__KIND__KIND_WARNING, now_ms) != 0)
			return;
		host->flood_left--;
	}
}

static void meet_fate(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_link *link = host->link;

	host->fate_at_ms = RW_FLEET_NEVER;
	switch (host->fate) {
	case RW_FATE_SILENT:
		host->phase = RW_FLEET_MUTE;
		break;
	case RW_FATE_DROP:
		forget_session(host);
		rw_fleet_link_close(link, RW_FLEET_CLOSE_DROP);
		host->phase = RW_FLEET_GONE;
		break;
	case RW_FATE_GOODBYE:
		say_goodbye(host, RINGWATCH__V1__GOODBYE_KIND__GOODBYE_REBOOT, REBOOT_BACK_IN_S,
			    now_ms);
		if (host->link == NULL)
			break;
		forget_session(host);
		rw_fleet_link_close(link, RW_FLEET_CLOSE_ORDERLY);
		start_reboot(host, RINGWATCH__V1__BOOT_END__BOOT_END_ORDERLY, now_ms);
		break;
	case RW_FATE_OOPS:
		rw_fleet_host_report(host, RINGWATCH__V1__KIND__KIND_OOPS, now_ms);
		break;
	case RW_FATE_PANIC_REBOOT:
		/* A dead kernel closes nothing: the connection stands until the next one answers.
		 */
		start_reboot(host, RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED, now_ms);
		break;
	case RW_FATE_FLOOD:
		host->flood_left = RW_FLEET_FLOOD_EVENTS;
		flood(host, now_ms);
		break;
	case RW_FATE_NONSENSE:
		host->speaks_nonsense = true;
		break;
	case RW_FATE_UPDATE:
		host->updated = true;
		send_versions(host, now_ms);
		break;
	case RW_FATE_DRIBBLE:
		host->dribbles = true;
		host->next_dribble_ms = now_ms;
		break;
	default:
		break;
	}
}

static void come_back(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_link *link = host->link;
	struct rw_fleet_boot old = host->boot;
	struct rw_fleet_event event = {
		.kind = host->next_end == RINGWATCH__V1__BOOT_END__BOOT_END_ORDERLY
				? RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT
				: RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT,
		.boot_order = old.order,
		.boot_ms = host->boot_ended_ms - old.began_ms,
		.wall_ms = rw_clock_wall_ms() - (now_ms - host->boot_ended_ms),
	};

	forget_session(host);
	if (link != NULL)
		rw_fleet_link_close(link, RW_FLEET_CLOSE_RESET);
	uint64_t order = rw_clock_wall_ms() / 1000;
	if (new_boot(host, order > old.order ? order : old.order + 1, now_ms) != 0) {
		host->due_ms = now_ms + 1000;
		return;
	}
	memcpy(host->previous_boot_id, old.id, sizeof(old.id));
	memcpy(event.boot_id, old.id, sizeof(old.id));
	host->previous_end = host->next_end;
	host->shared->counters.boots++;
	add_event(host, &event);
	host->attempts = 0;
	host->phase = RW_FLEET_DOWN;
	host->due_ms = now_ms;
}

/* ---- what the collector says --------------------------------------------------------- */

static void on_welcome(struct rw_fleet_host *host, const Ringwatch__V1__Welcome *welcome,
		       uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;
	const struct rw_fleet_options *options = shared->options;
	size_t before = host->spool.count;

	shared->counters.welcomes++;
	if (welcome->schema != RW_WIRE_SCHEMA ||
	    rw_fleet_spool_ack(&host->spool, welcome->acked_sequence) != 0) {
		shared->counters.bad_acks++;
		remember(shared, host->name,
			 "Welcome has another schema or acks what was never sent");
		end_session(host, RW_FLEET_CLOSE_ORDERLY, 0, now_ms);
		return;
	}
	host->acked += before - host->spool.count;
	shared->counters.events_acked += before - host->spool.count;
	host->spool.sent = host->spool.acked;
	host->attempts = 0;
	host->backoff_cap_ms = welcome->backoff_cap_ms;
	host->heartbeat_every_ms = options->heartbeat_every_ms != 0   ? options->heartbeat_every_ms
				   : welcome->heartbeat_every_ms != 0 ? welcome->heartbeat_every_ms
								      : 1000;
	host->next_heartbeat_ms =
		now_ms + rw_fleet_random_below(&shared->random, host->heartbeat_every_ms);
	if (host->phase == RW_FLEET_GREETING && host->fate != RW_FATE_STEADY &&
	    host->fate_delay_ms != RW_FLEET_NEVER) {
		host->fate_at_ms = now_ms + host->fate_delay_ms;
		host->fate_delay_ms = RW_FLEET_NEVER; /* counts from the first Welcome only */
	}
	host->phase = RW_FLEET_LIVE;
	if (host->speaks_nonsense) {
		send_nonsense(host, now_ms);
		return;
	}
	send_versions(host, now_ms);
	send_batch(host, now_ms);
}

static void on_reject(struct rw_fleet_host *host, const Ringwatch__V1__Reject *reject,
		      uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;
	char what[RW_FLEET_ERROR_BYTES];

	if ((unsigned)reject->code < RW_FLEET_REJECT_CODES)
		shared->counters.rejects[reject->code]++;
	if (host->awaits_refusal) {
		shared->counters.nonsense_refused++;
		host->nonsense_turn++;
	} else {
		snprintf(what, sizeof(what), "rejected: %s: %s", rw_reject_name(reject->code),
			 reject->detail);
		remember(shared, host->name, what);
	}
	end_session(host, RW_FLEET_CLOSE_ORDERLY, reject->retry_after_ms, now_ms);
}

static void on_ack(struct rw_fleet_host *host, const Ringwatch__V1__Ack *ack, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;
	size_t before = host->spool.count;

	shared->counters.acks++;
	if (ack->spool_id.len != sizeof(host->spool.id) ||
	    memcmp(ack->spool_id.data, host->spool.id, sizeof(host->spool.id)) != 0 ||
	    ack->sequence > host->spool.sent_most ||
	    rw_fleet_spool_ack(&host->spool, ack->sequence) != 0) {
		shared->counters.bad_acks++;
		remember(shared, host->name, "an Ack for what was not sent");
		return;
	}
	host->acked += before - host->spool.count;
	shared->counters.events_acked += before - host->spool.count;
	if (host->flood_left > 0)
		flood(host, now_ms);
	send_batch(host, now_ms);
}

static void on_drill(struct rw_fleet_host *host, const Ringwatch__V1__Drill *m, uint64_t now_ms)
{
	for (size_t i = 0; i < RW_DRILL_BYTES; i++)
		snprintf(host->drill + 2 * i, 3, "%02x", m->drill.data[i]);
	rw_fleet_host_report(host, RINGWATCH__V1__KIND__KIND_DRILL, now_ms);
}

static void on_probe(struct rw_fleet_host *host, uint64_t nonce, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;

	if (!can_send(host))
		return;
	if (send_packed(host,
			rw_fleet_pack_probe_reply(nonce, shared->frame, sizeof(shared->frame)),
			now_ms))
		shared->counters.probes++;
}

static void take_frame(struct rw_fleet_host *host, const Ringwatch__V1__Frame *frame,
		       uint64_t now_ms)
{
	if (frame->body_case == RINGWATCH__V1__FRAME__BODY_REJECT) {
		on_reject(host, frame->reject, now_ms);
		return;
	}
	if (host->phase == RW_FLEET_GREETING &&
	    frame->body_case == RINGWATCH__V1__FRAME__BODY_WELCOME && !host->awaits_refusal) {
		on_welcome(host, frame->welcome, now_ms);
		return;
	}
	if (host->phase != RW_FLEET_LIVE) {
		host->shared->counters.bad_frames++;
		remember(host->shared, host->name, "the collector spoke before its Welcome");
		end_session(host, RW_FLEET_CLOSE_ORDERLY, 0, now_ms);
		return;
	}
	switch (frame->body_case) {
	case RINGWATCH__V1__FRAME__BODY_ACK:
		on_ack(host, frame->ack, now_ms);
		break;
	case RINGWATCH__V1__FRAME__BODY_PROBE:
		on_probe(host, frame->probe->nonce, now_ms);
		break;
	case RINGWATCH__V1__FRAME__BODY_THROTTLE:
		host->shared->counters.throttles++;
		host->paused_until_ms = now_ms + frame->throttle->pause_ms;
		/* What is on its way was left alone: it comes again. */
		host->spool.sent = host->spool.acked;
		break;
	case RINGWATCH__V1__FRAME__BODY_DRILL:
		on_drill(host, frame->drill, now_ms);
		break;
	case RINGWATCH__V1__FRAME__BODY_WATCH:
	case RINGWATCH__V1__FRAME__BODY_GASP_CHALLENGE:
		break; /* it has neither modules nor a netconsole */
	default:
		host->shared->counters.bad_frames++;
		remember(host->shared, host->name, "a second Welcome");
		end_session(host, RW_FLEET_CLOSE_ORDERLY, 0, now_ms);
		break;
	}
}

/* When this host is to be looked at again. */
static void schedule(struct rw_fleet_host *host, uint64_t now_ms)
{
	uint64_t due = RW_FLEET_NEVER;

	switch (host->phase) {
	case RW_FLEET_DOWN:
	case RW_FLEET_REBOOTING:
		return; /* set by whoever led here */
	case RW_FLEET_CONNECTING:
	case RW_FLEET_GREETING:
		due = host->deadline_ms;
		break;
	case RW_FLEET_LIVE:
		due = earlier(host->next_heartbeat_ms, host->fate_at_ms);
		if (host->awaits_refusal)
			due = earlier(due, host->deadline_ms);
		if (host->dribbles)
			due = earlier(due, host->next_dribble_ms);
		if (host->spool.count > 0 && host->paused_until_ms > now_ms)
			due = earlier(due, host->paused_until_ms);
		break;
	default:
		break;
	}
	host->due_ms = due;
}

static int on_frame(void *context, const uint8_t *message, size_t length)
{
	struct rw_fleet_host *host = context;
	struct rw_fleet_link *link = host->link;
	char detail[RW_WIRE_ERROR_BYTES];
	Ringwatch__V1__Frame *frame = NULL;
	uint64_t now_ms = rw_clock_boot_ms();

	if (rw_wire_decode(host->shared->arena, message, length, RW_FROM_COLLECTOR, &frame,
			   detail) != RW_WIRE_OK) {
		host->shared->counters.bad_frames++;
		remember(host->shared, host->name, detail);
		return 1;
	}
	take_frame(host, frame, now_ms);
	return host->link == link ? 0 : -EPIPE; /* the session ended meanwhile */
}

/* ---- from the link --------------------------------------------------------------------- */

static void on_ready(void *context)
{
	struct rw_fleet_host *host = context;
	struct rw_fleet_shared *shared = host->shared;
	uint64_t now_ms = rw_clock_boot_ms();

	host->phase = RW_FLEET_GREETING;
	host->deadline_ms = now_ms + ANSWER_MS;
	if (host->speaks_nonsense && rw_fleet_nonsense_is_greeting(host->nonsense_turn))
		send_nonsense(host, now_ms);
	else
		send_packed(host,
			    rw_fleet_pack_hello(host, now_ms, shared->frame, sizeof(shared->frame)),
			    now_ms);
	schedule(host, now_ms);
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length)
{
	struct rw_fleet_host *host = context;
	uint64_t now_ms = rw_clock_boot_ms();
	/* The reader is moved aside: the session, and it, may end within a frame. */
	struct rw_frame_reader reader = host->reader;

	if (host->phase == RW_FLEET_MUTE || host->phase == RW_FLEET_REBOOTING)
		return; /* a dead kernel does not listen */
	rw_frame_reader_init(&host->reader);
	int err = rw_frame_reader_feed(&reader, bytes, length, on_frame, host);
	if (err == 0) {
		host->reader = reader;
	} else {
		rw_frame_reader_release(&reader);
		if (err < 0 && err != -EPIPE) {
			host->shared->counters.bad_frames++;
			remember(host->shared, host->name,
				 rw_wire_error_name((enum rw_wire_error) - err));
		}
		if (err != -EPIPE)
			end_session(host, RW_FLEET_CLOSE_ORDERLY, 0, now_ms);
	}
	schedule(host, now_ms);
}

static void on_closed(void *context, const char *reason)
{
	struct rw_fleet_host *host = context;
	struct rw_fleet_shared *shared = host->shared;
	uint64_t now_ms = rw_clock_boot_ms();
	enum rw_fleet_phase phase = host->phase;

	if (host->awaits_refusal) {
		shared->counters.nonsense_refused++;
		host->nonsense_turn++;
	} else if (phase == RW_FLEET_CONNECTING) {
		shared->counters.connects_failed++;
		remember(shared, host->name, reason);
	} else {
		shared->counters.closed_by_collector++;
		remember(shared, host->name, reason);
	}
	forget_session(host);
	if (phase == RW_FLEET_MUTE)
		host->phase = RW_FLEET_GONE;
	else if (phase != RW_FLEET_REBOOTING)
		retry_later(host, 0, now_ms);
	schedule(host, now_ms);
}

const struct rw_fleet_link_calls rw_fleet_host_calls = {on_ready, on_bytes, on_closed};

/* ---- time -------------------------------------------------------------------------------- */

static void tick_live(struct rw_fleet_host *host, uint64_t now_ms)
{
	if (now_ms >= host->fate_at_ms)
		meet_fate(host, now_ms);
	if (host->phase != RW_FLEET_LIVE)
		return;
	if (host->awaits_refusal) {
		if (now_ms < host->deadline_ms)
			return;
		host->shared->counters.nonsense_tolerated++;
		remember(host->shared, host->name, rw_fleet_nonsense_name(host->nonsense_turn));
		host->nonsense_turn++;
		end_session(host, RW_FLEET_CLOSE_ORDERLY, 0, now_ms);
		return;
	}
	if (host->speaks_nonsense) {
		/* Those that stand in Hello's place need a new session. */
		if (rw_fleet_nonsense_is_greeting(host->nonsense_turn))
			end_session(host, RW_FLEET_CLOSE_ORDERLY, 0, now_ms);
		else
			send_nonsense(host, now_ms);
		return;
	}
	if (now_ms >= host->next_heartbeat_ms)
		send_heartbeat(host, now_ms);
	if (host->phase == RW_FLEET_LIVE && host->dribbles && now_ms >= host->next_dribble_ms)
		dribble(host, now_ms);
	if (host->phase == RW_FLEET_LIVE)
		send_batch(host, now_ms);
}

static void tick_waiting(struct rw_fleet_host *host, uint64_t now_ms)
{
	struct rw_fleet_shared *shared = host->shared;

	if (now_ms < host->deadline_ms)
		return;
	if (host->awaits_refusal) {
		shared->counters.nonsense_tolerated++;
		host->nonsense_turn++;
	} else {
		shared->counters.no_answer++;
		remember(shared, host->name, "no answer from the collector");
	}
	end_session(host, RW_FLEET_CLOSE_DROP, 0, now_ms);
}

void rw_fleet_host_tick(struct rw_fleet_host *host, uint64_t now_ms)
{
	switch (host->phase) {
	case RW_FLEET_DOWN:
		begin_session(host, now_ms);
		break;
	case RW_FLEET_CONNECTING:
	case RW_FLEET_GREETING:
		tick_waiting(host, now_ms);
		break;
	case RW_FLEET_LIVE:
		tick_live(host, now_ms);
		break;
	case RW_FLEET_REBOOTING:
		come_back(host, now_ms);
		break;
	default:
		break;
	}
	schedule(host, now_ms);
}

void rw_fleet_host_stop(struct rw_fleet_host *host, bool vanish, uint64_t now_ms)
{
	if (!vanish && can_send(host))
		say_goodbye(host, RINGWATCH__V1__GOODBYE_KIND__GOODBYE_SENSOR_STOP,
			    STOPPED_BACK_IN_S, now_ms);
	struct rw_fleet_link *link = host->link;
	bool orderly = !vanish && host->phase == RW_FLEET_LIVE;
	forget_session(host);
	host->phase = RW_FLEET_GONE;
	if (link != NULL)
		rw_fleet_link_close(link, orderly ? RW_FLEET_CLOSE_ORDERLY : RW_FLEET_CLOSE_DROP);
}
