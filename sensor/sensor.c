/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sensor's life; see sensor.h. How it begins is start.c.
 *
 * A turn of the loop: BPF records, log lines, counters, events out to the keeper,
 * uplink. It wakes up for what happens, for what is due, and once a second to
 * look at the ring: a wake-up from a crash may never come.
 */
#include "sensor/sensor.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/exit_codes.h"
#include "lib/log.h"
#include "sensor/load.h"
#include "sensor/notify.h"
#include "sensor/running.h"
#include "sensor/trim.h"

enum {
	LOST_EVERY_MS = 10000, /* at most one events_lost event in so long */
	BUSY_FOR_MS = 5000,    /* after an event the log position is saved more often, */
	BUSY_SAVE_MS = 250,    /* at most this often */
	LOOK_EVERY_MS = 60000, /* at where a crash would be kept */
	VERSIONS_EVERY_MS = RW_SENSOR_TICK_MS * 9 / 10, /* with each tick, and no oftener */
	TRIM_AFTER_MS = 2000,   /* a session has come up, and all has settled */
	STOP_CONNECT_MS = 1000, /* at SIGTERM: for a session to come up, */
	STOP_DRAIN_MS = 2500,   /* and for the spool to be acked, */
	STOP_FLUSH_MS = 3000,   /* and for the goodbye to leave; the keeper takes 1.5 s more */
	LOG_ROUNDS = 64,        /* of RW_KMSG_RECORDS_PER_CALL lines a turn */
};

struct rw_events_time rw_sensor_now(void)
{
	return (struct rw_events_time){rw_clock_boot_ms(), rw_clock_wall_ms()};
}

/* ---- events to the keeper ------------------------------------------------------- */

/* What is saved is written by the keeper's thread: nothing here waits for a disk. */
void rw_sensor_save_state(struct rw_sensor *s)
{
	struct rw_events_time t = rw_sensor_now();

	s->state.alive_boot_ms = t.boot_ms;
	s->state.alive_wall_ms = t.wall_ms;
	if (s->kmsg != NULL && rw_kmsg_is_device(s->kmsg) &&
	    rw_events_log_position(s->events) != UINT64_MAX)
		s->state.log_sequence = rw_events_log_position(s->events);
	s->saved_ms = t.boot_ms;
	s->next_alive_ms = t.boot_ms + (t.boot_ms < s->watchful_until_ms ? RW_BOOT_ALIVE_WATCHFUL_MS
									 : RW_BOOT_ALIVE_EVERY_MS);
	if (t.boot_ms >= s->next_look_ms) {
		/* a store or a crash kernel may have come since */
		s->next_look_ms = t.boot_ms + LOOK_EVERY_MS;
		(void)rw_boot_look("", &s->state);
	}
	rw_keeper_save_state(s->keeper, &s->state, t.boot_ms);
}

bool rw_sensor_keep(struct rw_sensor *s, struct rw_event *event, uint64_t log_position)
{
	bool kept = rw_keeper_put(s->keeper, event, log_position, rw_clock_boot_ms());
	char signature[RW_LOG_QUOTED_BYTES];

	rw_info("event=%s kind=%s signature=%s source=%s count=%u sequence=%llu",
		kept ? "seen" : "not_kept", rw_kind_name(event->kind),
		rw_log_quoted(event->signature, signature), rw_source_name(event->source),
		event->count, (unsigned long long)event->sequence);
	return kept;
}

/* Said once all of it is where it stays. */
static void say_kept(struct rw_sensor *s)
{
	uint64_t last = rw_keeper_last_sequence(s->keeper);

	if (last == s->said_sequence || !rw_keeper_is_settled(s->keeper))
		return;
	s->said_sequence = last;
	rw_info("event=spooled sequence=%llu where=%s", (unsigned long long)last,
		rw_spool_state_name(rw_keeper_state(s->keeper)));
}

/* "forced restart by sh (reboot)": what the next boot will tell of this one. */
static void note_last_words(struct rw_sensor *s, const struct rw_event *e)
{
	char *words = s->state.last_words;
	size_t size = sizeof(s->state.last_words);

	if (e->kind == RINGWATCH__V1__KIND__KIND_PANIC)
		snprintf(words, size, "panic: %.120s", e->detail);
	else if (strncmp(words, "panic", 5) != 0)
		snprintf(words, size, "forced restart%s%.64s (%.20s)",
			 e->comm[0] != '\0' ? " by " : "", e->comm,
			 e->signature + strlen("restart:"));
}

/* The kernel begins to go down while the sensor still runs. Only what was
 * announced, or what follows the sensor's own goodbye, is in good order. */
static void take_restart(struct rw_sensor *s, const struct rw_event *e)
{
	struct rw_announcement announced;
	bool emergency = strcmp(e->signature, "restart:emergency") == 0;

	note_last_words(s, e);
	if (!emergency && s->state.armed == RW_ARMED_STOPPED) {
		const char *kind = e->signature + strlen("restart:");
		if (rw_announcement_parse(kind, &s->state.armed) != 0)
			s->state.armed = RW_ARMED_REBOOT;
	} else if (!emergency && s->state.armed == RW_ARMED_NONE &&
		   rw_announcement_read(s->config.state_dir, s->state.boot_id, rw_clock_boot_ms(),
					&announced)) {
		s->state.armed = announced.armed;
	}
	rw_sensor_save_state(s);
}

void rw_sensor_on_event(void *context, struct rw_event *event, uint64_t log_position,
			uint64_t token)
{
	struct rw_sensor *s = context;
	bool restart = event->kind == RINGWATCH__V1__KIND__KIND_RESTART;
	bool panic = event->kind == RINGWATCH__V1__KIND__KIND_PANIC;
	bool device = s->kmsg != NULL && rw_kmsg_is_device(s->kmsg);

	/* first what the next boot needs: there may be time for no more */
	if (restart)
		take_restart(s, event);
	rw_counters_saw(s->counters, event);
	bool kept = rw_sensor_keep(s, event, device ? log_position : UINT64_MAX);
	s->busy_until_ms = rw_clock_boot_ms() + BUSY_FOR_MS;
	if (kept && token != 0)
		rw_evidence_kept(s->evidence, token, event);
	if (panic || event->kind == RINGWATCH__V1__KIND__KIND_OOPS) {
		if (panic)
			note_last_words(s, event);
		s->watchful_until_ms = rw_clock_boot_ms() + RW_BOOT_WATCHFUL_FOR_MS;
		rw_sensor_save_state(s);
	}
}

/* The kernel log of an event is complete: it follows. */
void rw_sensor_on_log(void *context, uint64_t token, uint64_t first, uint64_t last)
{
	struct rw_sensor *s = context;
	struct rw_event excerpt;

	if (rw_evidence_complete(s->evidence, token, first, last, &excerpt))
		(void)rw_sensor_keep(s, &excerpt, UINT64_MAX);
}

void rw_sensor_own_event(const struct rw_sensor *s, struct rw_event *e, Ringwatch__V1__Kind kind,
			 Ringwatch__V1__Severity severity, const char *signature)
{
	struct rw_events_time t = rw_sensor_now();

	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->severity = severity;
	e->source = RINGWATCH__V1__SOURCE__SOURCE_SENSOR;
	memcpy(e->boot_id, s->state.boot_id, sizeof(e->boot_id));
	e->boot_order = s->state.boot_order;
	e->boot_ms = t.boot_ms;
	e->wall_ms = t.wall_ms;
	e->cpu = RW_CPU_UNKNOWN;
	e->count = 1;
	snprintf(e->signature, sizeof(e->signature), "%s", signature);
}

/* What the sources could not hand over, and nobody could keep. */
static void report_lost(struct rw_sensor *s, uint64_t now_ms)
{
	struct rw_event e;
	struct rw_probes_losses bpf = {0};
	struct rw_keeper_losses kept = rw_keeper_losses(s->keeper);
	uint64_t in_log = s->kmsg == NULL ? 0 : rw_kmsg_lost(s->kmsg);

	if (s->probes != NULL)
		rw_probes_losses(s->probes, &bpf);
	uint64_t lost = in_log + bpf.reserve_failed + bpf.missed + kept.unwritten;
	rw_uplink_set_lost(s->uplink, lost + kept.evicted);
	if (lost <= s->lost_reported || now_ms < s->next_lost_ms)
		return;
	s->next_lost_ms = now_ms + LOST_EVERY_MS;
	rw_sensor_own_event(s, &e, RINGWATCH__V1__KIND__KIND_EVENTS_LOST,
			    RINGWATCH__V1__SEVERITY__SEVERITY_WARNING, "events_lost:sources");
	uint64_t count = lost - s->lost_reported;
	e.count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
	const struct {
		Ringwatch__V1__FactName name;
		uint64_t count;
	} facts[] = {
		{RINGWATCH__V1__FACT_NAME__FACT_LOG_LOST, in_log},
		{RINGWATCH__V1__FACT_NAME__FACT_RING_LOST, bpf.reserve_failed},
		{RINGWATCH__V1__FACT_NAME__FACT_MISSED, bpf.missed},
		{RINGWATCH__V1__FACT_NAME__FACT_UNWRITTEN, kept.unwritten},
	};
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		rw_event_set_fact(&e, facts[i].name, "%llu", (unsigned long long)facts[i].count);
	snprintf(e.detail, sizeof(e.detail),
		 "since the sensor's start: %llu kernel log lines, %llu BPF records that found the "
		 "ring full, %llu runs of BPF programs that were skipped, %llu events that could "
		 "not be kept",
		 (unsigned long long)in_log, (unsigned long long)bpf.reserve_failed,
		 (unsigned long long)bpf.missed, (unsigned long long)kept.unwritten);
	rw_warning("event=events_lost log=%llu ring=%llu missed=%llu unwritten=%llu",
		   (unsigned long long)in_log, (unsigned long long)bpf.reserve_failed,
		   (unsigned long long)bpf.missed, (unsigned long long)kept.unwritten);
	if (rw_sensor_keep(s, &e, UINT64_MAX))
		s->lost_reported = lost;
}

/* A counter that no event explains: kind, signature, facts and detail are filled. */
static void on_unexplained(void *context, struct rw_event *event)
{
	struct rw_sensor *s = context;
	struct rw_event own;

	rw_sensor_own_event(s, &own, event->kind, event->severity, event->signature);
	own.source = RINGWATCH__V1__SOURCE__SOURCE_COUNTER;
	own.count = event->count;
	memcpy(own.detail, event->detail, sizeof(own.detail));
	own.fact_count = event->fact_count;
	memcpy(own.facts, event->facts, sizeof(own.facts));
	(void)rw_sensor_keep(s, &own, UINT64_MAX);
}

/* ---- sources ------------------------------------------------------------------- */

void rw_sensor_on_record(void *context, const struct rw_record *record)
{
	struct rw_sensor *s = context;
	rw_events_record(s->events, record, rw_sensor_now());
}

void rw_sensor_on_line(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	struct rw_sensor *s = context;
	struct rw_events_time t = rw_sensor_now();
	struct rw_klog_fact fact;
	uint64_t at_ms = t.boot_ms;

	/* the log's clock starts with the boot; for what is old it is good enough */
	if (backlog && record->usec / 1000 < at_ms)
		at_ms = record->usec / 1000;
	rw_evidence_line(s->evidence, record);
	rw_klog_parse(record->text, record->length, &fact);
	rw_events_line(s->events, &fact, record->sequence, at_ms, backlog, t);
}

static void keep_drill(struct rw_sensor *s, const struct rw_drill_news *news)
{
	struct rw_event e;
	bool told = news->trouble[0] == '\0';

	rw_sensor_own_event(s, &e, RINGWATCH__V1__KIND__KIND_DRILL,
			    RINGWATCH__V1__SEVERITY__SEVERITY_INFO, "drill");
	if (told) {
		e.source = RINGWATCH__V1__SOURCE__SOURCE_LOG;
		snprintf(e.detail, sizeof(e.detail),
			 "staged: its line came out of the kernel log after %llu ms",
			 (unsigned long long)news->took_ms);
	} else {
		rw_warning("event=drill_failed reason=\"%s\"", news->trouble);
		snprintf(e.detail, sizeof(e.detail), "%s", news->trouble);
	}
	rw_event_set_fact(&e, RINGWATCH__V1__FACT_NAME__FACT_DRILL, "%s", news->name);
	(void)rw_sensor_keep(s, &e, UINT64_MAX);
}

void rw_sensor_on_user_line(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	struct rw_sensor *s = context;
	struct rw_drill_news news;

	(void)backlog;
	if (rw_drill_line(s->drill, record->text, record->length, rw_clock_boot_ms(), &news))
		keep_drill(s, &news);
}

static bool can_read_log(const struct rw_sensor *s)
{
	return s->kmsg != NULL && rw_keeper_has_room(s->keeper);
}

void rw_sensor_read_log(struct rw_sensor *s)
{
	int more = 1;

	/* lines that would become more than the disk takes are safe where they are */
	for (int i = 0; i < LOG_ROUNDS && more == 1 && can_read_log(s); i++)
		more = rw_kmsg_read(s->kmsg);
	if (more >= 0)
		return;
	rw_error("event=kernel_log_gone reason=\"%s\"", strerror(-more));
	rw_kmsg_close(s->kmsg);
	s->kmsg = NULL;
}

static void read_sources(struct rw_sensor *s)
{
	if (s->probes != NULL) {
		int err = rw_probes_consume(s->probes);
		if (err < 0)
			rw_debug("event=probes_consume reason=\"%s\"", strerror(-err));
	}
	rw_sensor_read_log(s);
}

/* ---- the loop -------------------------------------------------------------------- */

static void take_signals(struct rw_sensor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			s->reload = true;
		else
			s->terminate = true;
	}
}

/* Certificates only: what else stands in the file needs a restart. */
static void reload(struct rw_sensor *s)
{
	char error[RW_CONF_ERROR_BYTES];
	struct rw_identity identity;
	SSL_CTX *tls;
	int err = rw_sensor_load_tls(&s->config, &tls, &identity, error);

	s->reload = false;
	if (err == 0 && strcmp(identity.name, s->identity.name) != 0) {
		snprintf(error, sizeof(error), "the certificate is now that of host %s",
			 identity.name);
		SSL_CTX_free(tls);
		err = -EINVAL;
	}
	if (err != 0) {
		rw_error("event=reload_refused reason=\"%s\" kept=\"the certificates in use\"",
			 error);
		return;
	}
	rw_uplink_set_tls(s->uplink, tls, identity.trust_domain);
	SSL_CTX_free(s->tls);
	s->tls = tls;
	s->identity = identity;
	rw_info("event=certificates_reloaded host=%s ring=%s", identity.name, identity.ring);
}

static void wait_for_something(struct rw_sensor *s, uint64_t until_ms)
{
	struct pollfd fds[4 + RW_UPLINK_POLLFDS];
	uint32_t count = 0;
	uint64_t now_ms = rw_clock_boot_ms();
	uint64_t wait_ms = until_ms <= now_ms ? 0 : until_ms - now_ms;

	fds[count++] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
	fds[count++] = (struct pollfd){.fd = rw_keeper_descriptor(s->keeper), .events = POLLIN};
	if (can_read_log(s) && rw_kmsg_descriptor(s->kmsg) >= 0)
		fds[count++] = (struct pollfd){.fd = rw_kmsg_descriptor(s->kmsg), .events = POLLIN};
	if (s->probes != NULL && rw_probes_descriptor(s->probes) >= 0)
		fds[count++] =
			(struct pollfd){.fd = rw_probes_descriptor(s->probes), .events = POLLIN};
	count += rw_uplink_poll(s->uplink, fds + count);
	if (wait_ms > RW_SENSOR_TICK_MS)
		wait_ms = RW_SENSOR_TICK_MS;
	/* an error here is EINTR at worst: the next turn looks at everything anyhow */
	(void)poll(fds, count, (int)wait_ms);
}

/* Once a session stands and all has settled, what it took to get there goes back. */
static void mind_memory(struct rw_sensor *s, uint64_t now_ms)
{
	bool settled = rw_uplink_is_ready(s->uplink) && rw_uplink_is_drained(s->uplink);

	if (!rw_uplink_is_ready(s->uplink))
		s->trim_ms = 0; /* the next session brings it all back */
	else if (s->trim_ms == 0)
		s->trim_ms = now_ms + TRIM_AFTER_MS;
	else if (now_ms >= s->trim_ms && settled) {
		rw_trim();
		s->trim_ms = UINT64_MAX;
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One turn; when the next one is due. */
static uint64_t turn(struct rw_sensor *s)
{
	read_sources(s);
	struct rw_events_time t = rw_sensor_now();
	uint64_t next = rw_events_flush(s->events, t);
	if (t.boot_ms >= s->next_counters_ms) {
		s->next_counters_ms =
			rw_counters_run(s->counters, s->events, t.boot_ms, on_unexplained, s);
		report_lost(s, t.boot_ms); /* asks the kernel about each program */
		rw_sensor_notify("WATCHDOG=1");
	}
	if (t.boot_ms >= s->next_versions_ms) {
		s->next_versions_ms = t.boot_ms + VERSIONS_EVERY_MS;
		(void)rw_versions_look(s->versions, t.wall_ms);
	}
	struct rw_drill_news failed;
	if (rw_drill_has_failed(s->drill, t.boot_ms, &failed))
		keep_drill(s, &failed);
	bool moved = s->kmsg != NULL && rw_kmsg_is_device(s->kmsg) &&
		     t.boot_ms < s->busy_until_ms &&
		     s->state.log_sequence != rw_events_log_position(s->events);
	if (t.boot_ms >= s->next_alive_ms || (moved && t.boot_ms >= s->saved_ms + BUSY_SAVE_MS))
		rw_sensor_save_state(s);
	next = earlier(next, rw_keeper_run(s->keeper, rw_clock_boot_ms()));
	say_kept(s);
	next = earlier(next, rw_uplink_run(s->uplink, rw_clock_boot_ms()));
	mind_memory(s, t.boot_ms);
	return next;
}

/* ---- the end ---------------------------------------------------------------------- */

static Ringwatch__V1__GoodbyeKind goodbye_of(enum rw_boot_armed armed)
{
	switch (armed) {
	case RW_ARMED_REBOOT:
		return RINGWATCH__V1__GOODBYE_KIND__GOODBYE_REBOOT;
	case RW_ARMED_POWER_OFF:
		return RINGWATCH__V1__GOODBYE_KIND__GOODBYE_POWER_OFF;
	case RW_ARMED_KEXEC:
		return RINGWATCH__V1__GOODBYE_KIND__GOODBYE_KEXEC;
	case RW_ARMED_NONE:
	case RW_ARMED_STOPPED:
		break;
	}
	return RINGWATCH__V1__GOODBYE_KIND__GOODBYE_SENSOR_STOP;
}

static void run_until(struct rw_sensor *s, uint64_t deadline_ms,
		      bool (*done)(const struct rw_uplink *))
{
	while (!done(s->uplink) && rw_clock_boot_ms() < deadline_ms) {
		uint64_t next_ms = turn(s);
		if (done(s->uplink))
			break;
		wait_for_something(s, next_ms < deadline_ms ? next_ms : deadline_ms);
		take_signals(s);
	}
}

static void stop(struct rw_sensor *s)
{
	struct rw_announcement a = {RW_ARMED_STOPPED, RW_BACK_IN_DEFAULT_S};
	uint64_t begun_ms = rw_clock_boot_ms();

	rw_sensor_notify("STOPPING=1");
	(void)rw_announcement_read(s->config.state_dir, s->state.boot_id, begun_ms, &a);
	rw_announcement_remove(s->config.state_dir);
	s->state.armed = a.armed;
	turn(s);
	rw_events_flush_all(s->events, rw_sensor_now());
	rw_sensor_save_state(s);

	run_until(s, begun_ms + STOP_CONNECT_MS, rw_uplink_is_ready);
	if (rw_uplink_is_ready(s->uplink)) {
		run_until(s, begun_ms + STOP_DRAIN_MS, rw_uplink_is_drained);
		rw_uplink_goodbye(s->uplink, goodbye_of(a.armed), a.back_in_s);
		run_until(s, begun_ms + STOP_FLUSH_MS, rw_uplink_is_flushed);
	}
	/* what came meanwhile waits in the spool */
	rw_events_flush_all(s->events, rw_sensor_now());
	rw_sensor_save_state(s);
	rw_info("event=stopped goodbye=%s spooled=%u", rw_goodbye_name(goodbye_of(a.armed)),
		rw_keeper_pending(s->keeper));
}

int rw_sensor_run(const struct rw_sensor_options *options)
{
	struct rw_sensor *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return rw_sensor_fail(RW_EXIT_INTERNAL, "no memory");
	mallopt(M_ARENA_MAX, 1); /* other threads need no heap of their own */
	s->options = options;
	s->signal_fd = -1;
	s->left_off_ms = UINT64_MAX;
	int code = rw_sensor_start(s);
	if (code == RW_EXIT_OK) {
		rw_sensor_notify("READY=1");
		while (!s->terminate) {
			wait_for_something(s, turn(s));
			take_signals(s);
			if (s->reload)
				reload(s);
		}
		stop(s);
	}
	rw_sensor_release(s);
	return code;
}
