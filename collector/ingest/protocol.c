/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the frames of a sensor mean.
 *
 * Happy path: Hello → the core enrols or greets the host → Welcome; heartbeats
 * and batches of events go to the core at once and events to the store; the
 * Ack follows the commit (ack.c).
 *
 * One identity, two sessions: with the same boot id the newer is the same host
 * again and the older one is half open; with another boot id the older is
 * asked. If it answers, two machines carry one certificate, and the newer is
 * refused; if not, the host has rebooted, and the newer takes its place.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest/events.h"
#include "collector/ingest/netconsole.h"
#include "collector/ingest/session.h"
#include "lib/version.h"
#include "proto/bootid.h"

const char *rw_session_host_name(const struct rw_session *s)
{
	return s->name;
}

static void bad_frame(struct rw_session *s, const char *detail)
{
	rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME, detail, 0);
}

/* ---- whose session it is ------------------------------------------------------- */

static void free_hello(struct rw_session *s)
{
	if (s->hello == NULL)
		return;
	rw_host_said_free(s->hello->said);
	free(s->hello);
	s->hello = NULL;
}

static void part_rivals(struct rw_session *s)
{
	if (s->rival == NULL)
		return;
	s->rival->rival = NULL;
	s->rival = NULL;
}

void rw_session_unlink_host(struct rw_session *s)
{
	/* A contender whose rival goes is let through by the next tick: this may be
	 * running inside a call of the core, which must not be called again. */
	part_rivals(s);
	free_hello(s);
	if (s->host == RW_NO_HOST)
		return;
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(s->ingest->hub), s->host);
	if (entry != NULL && entry->session == s) {
		entry->session = NULL;
		rw_hub_counters(s->ingest->hub)->sessions--;
		if (rw_hub_gasp_listener(s->ingest->hub) != NULL)
			rw_gasp_listener_host_gone(rw_hub_gasp_listener(s->ingest->hub), s->host);
	}
	s->host = RW_NO_HOST;
}

static struct rw_session *live_session(struct rw_session *s)
{
	rw_host_handle host = rw_core_host_find(rw_hub_core(s->ingest->hub), s->name);
	struct rw_host_entry *entry =
		host == RW_NO_HOST ? NULL : rw_hosts_at(rw_hub_hosts(s->ingest->hub), host);

	return entry == NULL ? NULL : entry->session;
}

/* ---- Hello -------------------------------------------------------------------------- */

static void welcome(struct rw_session *s, uint64_t acked)
{
	Ringwatch__V1__Welcome message = RINGWATCH__V1__WELCOME__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	const struct rw_core *core = rw_hub_core(s->ingest->hub);

	message.schema = RW_WIRE_SCHEMA;
	message.collector = s->ingest->name;
	message.heartbeat_every_ms = (uint32_t)rw_core_heartbeat_every_ms(core, s->host);
	message.backoff_cap_ms = (uint32_t)(rw_core_timing(core)->offline_after_ms / 3);
	message.acked_sequence = acked;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_WELCOME;
	frame.welcome = &message;
	rw_session_send(s, &frame);
}

/* From now on its netconsole may be asked who it is. */
static void tell_gasp_listener(struct rw_session *s, bool armed)
{
	struct rw_gasp_listener *listener = rw_hub_gasp_listener(s->ingest->hub);
	struct sockaddr_storage peer = {0};
	int length = sizeof(peer);

	if (listener == NULL)
		return;
	armed = armed && uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&peer, &length) == 0;
	rw_gasp_listener_host_live(listener, s->host, armed, (struct sockaddr *)&peer);
}

static void refuse_hello(struct rw_session *s, int err)
{
	char detail[160];

	if (err == -ENOENT) {
		snprintf(detail, sizeof(detail), "the policy has no ring '%s'", s->ring);
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_UNKNOWN_RING, detail, 0);
	} else if (err == -ENOSPC) {
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_TOO_MANY_HOSTS,
				  "the collector's hosts_max is reached", 0);
	} else if (err == -EPERM) {
		rw_session_refuse_retired(s);
	} else {
		rw_session_drop(s, "internal", "out of memory");
	}
}

void rw_session_refuse_retired(struct rw_session *s)
{
	rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_RETIRED,
			  "an operator has retired this host, and can enrol it again", 0);
}

static void go_live(struct rw_session *s)
{
	struct rw_hub *hub = s->ingest->hub;
	struct rw_hello_kept *hello = s->hello;
	rw_host_handle host;
	int err = rw_core_hello(rw_hub_core(hub), s->name, s->ring, &hello->boot,
				hello->previous_end, rw_hub_now(hub), &host);
	struct rw_host_entry *entry = err == 0 ? rw_hosts_at(rw_hub_hosts(hub), host) : NULL;

	if (entry == NULL) {
		refuse_hello(s, err == 0 ? -ENOMEM : err);
		return;
	}
	struct rw_spool_mark *mark = rw_spool_mark_find(entry, hello->spool_id);
	rw_spool_marks_begin_session(entry);
	rw_host_said_free(entry->said);
	entry->said = hello->said;
	hello->said = NULL;
	int ring = rw_core_ring_find(rw_hub_core(hub), s->ring);
	if (ring >= 0)
		rw_host_said_count(entry->said, (uint32_t)ring);
	rw_core_set_blind_kinds(rw_hub_core(hub), host, rw_host_said_blind_kinds(entry->said));
	bool armed = hello->netconsole_armed;
	free_hello(s);
	entry->session = s;
	s->host = host;
	s->state = RW_SESSION_LIVE;
	rw_session_move(s, RW_LIST_LIVE);
	rw_hub_counters(hub)->sessions++;
	if (rw_log_limit_take(&s->ingest->live_log, rw_hub_now(hub).boot_ms))
		rw_info("event=session_live peer=%s host=%s ring=%s", s->peer, s->name, s->ring);
	tell_gasp_listener(s, armed);
	welcome(s, mark == NULL ? 0 : mark->committed);
	if (s->ingest->watched_count > 0)
		rw_session_watch(s);
}

static void replace(struct rw_session *older, const char *why)
{
	if (rw_log_limit_take(&older->ingest->live_log, rw_hub_now(older->ingest->hub).boot_ms))
		rw_info("event=session_replaced peer=%s host=%s detail=\"%s\"", older->peer,
			older->name, why);
	rw_session_close(older);
}

static void contest(struct rw_session *s, struct rw_session *older)
{
	if (older->rival != NULL)
		rw_session_drop(older->rival, "replaced",
				"a third session of this host asks for its place");
	s->state = RW_SESSION_CONTESTING;
	rw_session_move(s, RW_LIST_CONTESTING);
	s->rival = older;
	older->rival = s;
	rw_session_probe(older);
}

/* Takes the host's place, or asks whoever has it. */
static void claim(struct rw_session *s)
{
	struct rw_session *older = live_session(s);

	if (older != NULL && memcmp(older->boot_id, s->boot_id, sizeof(s->boot_id)) != 0) {
		contest(s, older);
		return;
	}
	if (older != NULL)
		replace(older, "its host has connected again");
	go_live(s);
}

void rw_session_win(struct rw_session *s)
{
	struct rw_session *older = s->rival;

	if (s->state != RW_SESSION_CONTESTING)
		return;
	rw_hub_turn_begin(s->ingest->hub);
	part_rivals(s);
	if (older != NULL)
		replace(older, "it did not answer, and its host has booted again");
	/* When the one that was asked went by itself, another may have come meanwhile. */
	claim(s);
	rw_hub_turn_end(s->ingest->hub);
}

static bool keep_hello(struct rw_session *s, const Ringwatch__V1__Hello *hello)
{
	static const char armed_begins[] = "armed";
	static const enum rw_boot_end ends[] = {
		[RINGWATCH__V1__BOOT_END__BOOT_END_NONE] = RW_END_NONE,
		[RINGWATCH__V1__BOOT_END__BOOT_END_ORDERLY] = RW_END_ORDERLY,
		[RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED] = RW_END_UNEXPECTED,
		[RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN] = RW_END_UNKNOWN,
	};

	s->hello = calloc(1, sizeof(*s->hello));
	if (s->hello == NULL)
		return false;
	s->hello->said = rw_host_said_new(rw_hosts_said(rw_hub_hosts(s->ingest->hub)), hello);
	if (s->hello->said == NULL || rw_boot_id_parse(hello->boot_id, s->hello->boot.id) != 0 ||
	    hello->spool_id.len != sizeof(s->hello->spool_id))
		return false;
	s->hello->boot.order = hello->boot_order;
	s->hello->boot.boot_ms = hello->boot_ms;
	s->hello->previous_end = ends[hello->previous_end];
	s->hello->netconsole_armed =
		strncmp(hello->netconsole, armed_begins, sizeof(armed_begins) - 1) == 0;
	memcpy(s->hello->spool_id, hello->spool_id.data, sizeof(s->hello->spool_id));
	memcpy(s->boot_id, s->hello->boot.id, sizeof(s->boot_id));
	return true;
}

const char *rw_session_ring_of(const struct rw_session *s)
{
	const struct rw_inventory *inventory = s->ingest->inventory;

	return inventory == NULL ? s->certified_ring : rw_inventory_find(inventory, s->name);
}

void rw_session_refuse_not_listed(struct rw_session *s)
{
	rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_NOT_IN_INVENTORY,
			  "the collector's inventory has no such host", 0);
}

static void take_hello(struct rw_session *s, const Ringwatch__V1__Hello *hello)
{
	const char *ring = rw_session_ring_of(s);

	if (hello->schema != RW_WIRE_SCHEMA) {
		char detail[96];
		snprintf(detail, sizeof(detail), "hello.schema: is %u, this collector speaks %u",
			 (unsigned)hello->schema, (unsigned)RW_WIRE_SCHEMA);
		rw_session_reject(s, RINGWATCH__V1__REJECT_CODE__REJECT_SCHEMA_MISMATCH, detail, 0);
		return;
	}
	if (ring == NULL) {
		rw_session_refuse_not_listed(s);
		return;
	}
	snprintf(s->ring, sizeof(s->ring), "%s", ring);
	if (!keep_hello(s, hello)) {
		rw_session_drop(s, "internal", "out of memory");
		return;
	}
	claim(s);
}

/* ---- probes ---------------------------------------------------------------------------- */

void rw_session_probe(struct rw_session *s)
{
	Ringwatch__V1__Probe message = RINGWATCH__V1__PROBE__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;

	/* One that is open is asked again: its answer may be on its way. */
	while (s->probe_nonce == 0) {
		if (RAND_bytes((unsigned char *)&s->probe_nonce, sizeof(s->probe_nonce)) != 1)
			s->probe_nonce = rw_hub_now(s->ingest->hub).boot_ms | 1;
	}
	message.nonce = s->probe_nonce;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_PROBE;
	frame.probe = &message;
	rw_session_send(s, &frame);
}

void rw_session_challenge(struct rw_session *s, const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	Ringwatch__V1__GaspChallenge message = RINGWATCH__V1__GASP_CHALLENGE__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	uint8_t copy[RW_GASP_NONCE_BYTES];

	memcpy(copy, nonce, sizeof(copy)); /* the message's pointer is not const */
	message.nonce.data = copy;
	message.nonce.len = sizeof(copy);
	frame.body_case = RINGWATCH__V1__FRAME__BODY_GASP_CHALLENGE;
	frame.gasp_challenge = &message;
	rw_session_send(s, &frame);
}

void rw_session_drill(struct rw_session *s, const uint8_t name[RW_DRILL_BYTES])
{
	Ringwatch__V1__Drill message = RINGWATCH__V1__DRILL__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	uint8_t copy[RW_DRILL_BYTES];

	memcpy(copy, name, sizeof(copy)); /* the message's pointer is not const */
	message.drill.data = copy;
	message.drill.len = sizeof(copy);
	frame.body_case = RINGWATCH__V1__FRAME__BODY_DRILL;
	frame.drill = &message;
	rw_session_send(s, &frame);
}

void rw_session_watch(struct rw_session *s)
{
	Ringwatch__V1__Watch message = RINGWATCH__V1__WATCH__INIT;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	char *modules[RW_WATCH_MAX];

	for (uint32_t i = 0; i < s->ingest->watched_count; i++)
		modules[i] = s->ingest->watched[i];
	message.n_modules = s->ingest->watched_count;
	message.modules = modules;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_WATCH;
	frame.watch = &message;
	rw_session_send(s, &frame);
}

static void take_probe_reply(struct rw_session *s, const Ringwatch__V1__ProbeReply *reply)
{
	struct rw_session *newer = s->rival;
	char subject[160], detail[256];

	if (s->probe_nonce == 0 || reply->nonce != s->probe_nonce)
		return; /* an older one's; that it was heard has been counted */
	s->probe_nonce = 0;
	if (newer == NULL)
		return;
	part_rivals(s);
	rw_core_duplicate(rw_hub_core(s->ingest->hub), s->host, rw_hub_now(s->ingest->hub));
	snprintf(subject, sizeof(subject), "host=%s ring=%s", s->name, s->ring);
	snprintf(detail, sizeof(detail), "%s is alive, %s was refused", s->peer, newer->peer);
	struct rw_audit_row audit = {
		.at_wall_ms = rw_hub_now(s->ingest->hub).wall_ms,
		.actor = "collector",
		.action = "duplicate_identity",
		.subject = subject,
		.detail = detail,
	};
	(void)rw_hub_audit(s->ingest->hub, &audit);
	snprintf(detail, sizeof(detail), "a host with this identity is alive at %s", s->peer);
	rw_session_reject(newer, RINGWATCH__V1__REJECT_CODE__REJECT_DUPLICATE_IDENTITY, detail,
			  (uint32_t)rw_core_timing(rw_hub_core(s->ingest->hub))->offline_after_ms);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void take_heartbeat(struct rw_session *s, const Ringwatch__V1__Heartbeat *heartbeat)
{
	struct rw_hub *hub = s->ingest->hub;
	struct rw_host_entry *entry = rw_hosts_at(rw_hub_hosts(hub), s->host);

	rw_hub_counters(hub)->heartbeats++;
	if (entry != NULL && entry->said != NULL)
		rw_host_said_heartbeat(entry->said, heartbeat);
	rw_core_heartbeat(rw_hub_core(hub), s->host, heartbeat->boot_ms, rw_hub_now(hub));
}

static void take_goodbye(struct rw_session *s, const Ringwatch__V1__Goodbye *goodbye)
{
	static const enum rw_goodbye kinds[] = {
		[RINGWATCH__V1__GOODBYE_KIND__GOODBYE_REBOOT] = RW_BYE_REBOOT,
		[RINGWATCH__V1__GOODBYE_KIND__GOODBYE_POWER_OFF] = RW_BYE_POWER_OFF,
		[RINGWATCH__V1__GOODBYE_KIND__GOODBYE_KEXEC] = RW_BYE_KEXEC,
		[RINGWATCH__V1__GOODBYE_KIND__GOODBYE_SENSOR_STOP] = RW_BYE_SENSOR_STOP,
	};
	struct rw_core *core = rw_hub_core(s->ingest->hub);
	uint64_t back_in_ms = (uint64_t)goodbye->back_in_s * 1000;
	uint64_t max_ms = rw_core_timing(core)->max_planned_ms;

	if (back_in_ms > max_ms)
		back_in_ms = max_ms;
	if (rw_log_limit_take(&s->ingest->live_log, rw_hub_now(s->ingest->hub).boot_ms))
		rw_info("event=goodbye host=%s ring=%s kind=%s back_in_ms=%llu", s->name, s->ring,
			rw_goodbye_name(goodbye->kind), (unsigned long long)back_in_ms);
	rw_core_goodbye(core, s->host, kinds[goodbye->kind], back_in_ms,
			rw_hub_now(s->ingest->hub));
	rw_session_linger(s);
}

static void take_live_frame(struct rw_session *s, const Ringwatch__V1__Frame *frame)
{
	switch (frame->body_case) {
	case RINGWATCH__V1__FRAME__BODY_HEARTBEAT:
		take_heartbeat(s, frame->heartbeat);
		break;
	case RINGWATCH__V1__FRAME__BODY_EVENT_BATCH:
		rw_events_take(s, frame->event_batch);
		break;
	case RINGWATCH__V1__FRAME__BODY_PROBE_REPLY:
		take_probe_reply(s, frame->probe_reply);
		break;
	case RINGWATCH__V1__FRAME__BODY_GOODBYE:
		take_goodbye(s, frame->goodbye);
		break;
	case RINGWATCH__V1__FRAME__BODY_VERSIONS:
		rw_versions_take(s, frame->versions);
		break;
	default:
		bad_frame(s, "hello: stands twice in a session");
		break;
	}
}

int rw_session_frame(void *context, const uint8_t *message, size_t length)
{
	struct rw_session *s = context;
	struct rw_hub_stats *stats = rw_hub_counters(s->ingest->hub);
	char detail[RW_WIRE_ERROR_BYTES];
	Ringwatch__V1__Frame *frame;

	stats->frames++;
	s->frame_ended = true;
	enum rw_wire_error error =
		rw_wire_decode(s->ingest->arena, message, length, RW_FROM_SENSOR, &frame, detail);
	if (error != RW_WIRE_OK) {
		stats->rejected_frames[error]++;
		bad_frame(s, detail);
	} else if (s->state == RW_SESSION_LIVE) {
		take_live_frame(s, frame);
	} else if (s->state == RW_SESSION_CONTESTING) {
		bad_frame(s, "frame: came before Welcome");
	} else if (frame->body_case != RINGWATCH__V1__FRAME__BODY_HELLO) {
		bad_frame(s, "frame: came before Hello");
	} else {
		take_hello(s, frame->hello);
	}
	return s->state == RW_SESSION_LIVE || s->state == RW_SESSION_CONTESTING ? 0 : 1;
}
