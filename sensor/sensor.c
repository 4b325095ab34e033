/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sensor's life; see sensor.h.
 *
 * Order at the start: configuration and certificates, state directory and its
 * lock, spool, how the last boot ended, what the kernel log holds already, then
 * BPF, then the uplink. So whatever is seen can be kept, and what was there
 * before BPF is never taken for something that BPF should have seen.
 *
 * A turn of the loop: BPF records, log lines, events out to the spool, uplink.
 */
#include "sensor/sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/exit_codes.h"
#include "lib/file.h"
#include "lib/text.h"
#include "lib/tls.h"
#include "lib/version.h"
#include "sensor/config.h"
#include "sensor/coverage.h"
#include "sensor/events.h"
#include "sensor/klog.h"
#include "sensor/kmsg.h"
#include "sensor/notify.h"
#include "sensor/probes.h"
#include "sensor/shutdown.h"
#include "sensor/spool.h"
#include "sensor/uplink.h"

enum {
	LOST_EVERY_MS = 10000,  /* at most one events_lost event in so long */
	BUSY_FOR_MS = 5000,     /* after an event the log position is saved each tick */
	STOP_CONNECT_MS = 1000, /* at SIGTERM: for a session to come up, */
	STOP_DRAIN_MS = 2500,   /* and for the spool to be acked, */
	STOP_FLUSH_MS = 3500,   /* and for the goodbye to leave; systemctl may take 1.4 s before */
	RECALL_MS = 2000,       /* a slow console delays the log behind BPF */
	LOG_ROUNDS = 64,        /* of RW_KMSG_RECORDS_PER_CALL lines a turn */
};

struct sensor {
	const struct rw_sensor_options *options;
	struct rw_sensor_config config;
	struct rw_identity identity;
	SSL_CTX *tls;
	int lock_fd;
	int signal_fd;
	struct rw_spool *spool;
	struct rw_boot_state state;
	struct rw_events *events;
	struct rw_kmsg *kmsg;
	struct rw_probes *probes;
	struct rw_uplink *uplink;
	bool terminate;
	bool reload;
	uint64_t left_off_ms; /* in this boot, by an earlier life; UINT64_MAX: there was none */
	uint64_t next_alive_ms;
	uint64_t busy_until_ms;
	uint64_t unwritten; /* events that the spool could not take */
	bool spool_failing;
	uint64_t lost_reported;
	uint64_t next_lost_ms;
	uint32_t coverage_count;
	struct rw_uplink_coverage coverage[RW_COVERAGE_MAX];
};

static const char bpf_is_off[] = "BPF is off (--no-bpf)";

static struct rw_events_time now(void)
{
	return (struct rw_events_time){rw_clock_boot_ms(), rw_clock_wall_ms()};
}

/* One line for whoever started it; not the log's form, since nothing runs yet. */
static int fail(int code, const char *line)
{
	char clean[1024];

	rw_text_escape(clean, sizeof(clean), line, strlen(line));
	fprintf(stderr, "ringwatch-sensor: %s\n", clean);
	return code;
}

/* ---- configuration ------------------------------------------------------------------- */

static int load_tls(const struct rw_sensor_config *c, SSL_CTX **tls, struct rw_identity *identity,
		    char error[RW_CONF_ERROR_BYTES])
{
	char reason[RW_TLS_ERROR_BYTES];
	struct rw_tls_files files = {
		.certificate = c->tls.certificate,
		.key = c->tls.key,
		.ca = c->tls.ca,
		.crl = c->tls.crl_given ? c->tls.crl : NULL,
	};
	SSL_CTX *context;
	int err = rw_tls_context(RW_TLS_SENSOR, &files, &context, reason);

	if (err == 0) {
		err = rw_tls_own_identity(context, identity, reason);
		if (err == 0 && identity->role != RW_IDENTITY_HOST) {
			snprintf(reason, sizeof(reason),
				 "%.200s: a collector's certificate, expected a host's",
				 c->tls.certificate);
			err = -EINVAL;
		}
		if (err != 0)
			SSL_CTX_free(context);
	}
	if (err != 0) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%s", reason);
		return err;
	}
	*tls = context;
	return 0;
}

/* Configuration, certificates, and that they speak of the same host. An exit code. */
static int load(const char *path, struct rw_sensor_config *c, SSL_CTX **tls,
		struct rw_identity *identity)
{
	char error[RW_CONF_ERROR_BYTES];

	if (rw_sensor_config_load(path, c, error) != 0)
		return fail(RW_EXIT_USAGE, error);
	if (load_tls(c, tls, identity, error) != 0)
		return fail(RW_EXIT_USAGE, error);
	if (c->host_id_given && strcmp(c->host_id, identity->name) != 0) {
		rw_conf_complain(path, "host_id", error, "%s, but the certificate is that of %s",
				 c->host_id, identity->name);
		SSL_CTX_free(*tls);
		*tls = NULL;
		return fail(RW_EXIT_USAGE, error);
	}
	memcpy(c->host_id, identity->name, sizeof(c->host_id));
	return RW_EXIT_OK;
}

int rw_sensor_check_config(const struct rw_sensor_options *options)
{
	struct rw_sensor_config config;
	struct rw_identity identity;
	SSL_CTX *tls = NULL;
	int code = load(options->config, &config, &tls, &identity);

	if (code != RW_EXIT_OK)
		return code;
	SSL_CTX_free(tls);
	printf("%s: ok (host %s, ring %s)\n", options->config, identity.name, identity.ring);
	return RW_EXIT_OK;
}

/* ---- the state directory ---------------------------------------------------------------- */

static int fail_state(const char *folder, const char *what, int err)
{
	char line[RW_SENSOR_PATH_BYTES + 128];

	snprintf(line, sizeof(line), "%s: %s: %s", folder, what, strerror(-err));
	return fail(RW_EXIT_STATE, line);
}

static int lock_state(struct sensor *s)
{
	char path[RW_SENSOR_PATH_BYTES + 16];
	const char *folder = s->config.state_dir;
	int err = rw_file_make_folder(folder, 0700);

	if (err != 0)
		return fail_state(folder, "state directory cannot be made", err);
	snprintf(path, sizeof(path), "%s/lock", folder);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return fail_state(folder, "state directory cannot be written", -errno);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return RW_EXIT_OK;
	if (errno != EWOULDBLOCK)
		return fail_state(folder, "lock", -errno);
	snprintf(path, sizeof(path), "%.900s: another sensor is running on it", folder);
	return fail(RW_EXIT_STATE, path);
}

int rw_sensor_announce(const struct rw_sensor_options *options)
{
	struct rw_sensor_config config;
	char error[RW_CONF_ERROR_BYTES];
	char boot_id[RW_BOOT_ID_LENGTH + 1];

	if (rw_sensor_config_load(options->config, &config, error) != 0)
		return fail(RW_EXIT_USAGE, error);
	int err = rw_boot_current_id(boot_id);
	if (err == 0)
		err = rw_file_make_folder(config.state_dir, 0700);
	if (err == 0)
		err = rw_announcement_write(config.state_dir, &options->announcement, boot_id,
					    rw_clock_boot_ms());
	if (err != 0)
		return fail_state(config.state_dir, "announcement", err);
	return RW_EXIT_OK;
}

/* ---- events to disk ------------------------------------------------------------------------ */

static void save_state(struct sensor *s)
{
	struct rw_events_time t = now();

	s->state.alive_boot_ms = t.boot_ms;
	s->state.alive_wall_ms = t.wall_ms;
	if (s->kmsg != NULL && rw_kmsg_is_device(s->kmsg) &&
	    rw_events_log_position(s->events) != UINT64_MAX)
		s->state.log_sequence = rw_events_log_position(s->events);
	s->next_alive_ms = t.boot_ms + RW_BOOT_ALIVE_EVERY_MS;
	int err = rw_boot_save(s->config.state_dir, &s->state);
	if (err != 0)
		rw_error("event=state_not_saved reason=\"%s\"", strerror(-err));
}

/* False when it could not be kept; said once until it works again. */
static bool spool(struct sensor *s, struct rw_event *event, uint64_t log_position)
{
	uint64_t evicted = rw_spool_evicted(s->spool);
	int err = rw_spool_append(s->spool, event, log_position);

	if (err != 0) {
		/* what a full spool refuses, it counts; events_lost stands for others,
		 * that are counted and will be told of again */
		if (rw_spool_evicted(s->spool) == evicted &&
		    event->kind != RINGWATCH__V1__KIND__KIND_EVENTS_LOST)
			s->unwritten += event->count;
		if (!s->spool_failing)
			rw_error("event=spool_failed what=append reason=\"%s\"", strerror(-err));
		s->spool_failing = true;
		return false;
	}
	if (s->spool_failing)
		rw_info("event=spool_works_again lost=%llu", (unsigned long long)s->unwritten);
	s->spool_failing = false;
	return true;
}

/* "forced restart by sh (reboot)": what the next boot will tell of this one. */
static void note_last_words(struct sensor *s, const struct rw_event *e)
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
static void take_restart(struct sensor *s, const struct rw_event *e)
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
	save_state(s);
}

static void on_event(void *context, struct rw_event *event, uint64_t log_position)
{
	struct sensor *s = context;
	bool restart = event->kind == RINGWATCH__V1__KIND__KIND_RESTART;
	bool panic = event->kind == RINGWATCH__V1__KIND__KIND_PANIC;

	/* first what the next boot needs: there may be time for no more */
	if (restart)
		take_restart(s, event);
	bool kept =
		spool(s, event,
		      s->kmsg != NULL && rw_kmsg_is_device(s->kmsg) ? log_position : UINT64_MAX);
	s->busy_until_ms = rw_clock_boot_ms() + BUSY_FOR_MS;
	if (panic || event->kind == RINGWATCH__V1__KIND__KIND_OOPS) {
		/* From the spool the next boot knows; so the wire comes before the state. */
		if (s->uplink != NULL)
			rw_uplink_run(s->uplink, rw_clock_boot_ms());
		if (panic)
			note_last_words(s, event);
		save_state(s);
	}
	if (!kept)
		return;
	char signature[RW_LOG_QUOTED_BYTES];
	rw_info("event=spooled kind=%s signature=%s source=%s count=%u sequence=%llu",
		rw_kind_name(event->kind), rw_log_quoted(event->signature, signature),
		rw_source_name(event->source), event->count, (unsigned long long)event->sequence);
}

static void fill_own_event(const struct sensor *s, struct rw_event *e, const char *signature)
{
	struct rw_events_time t = now();

	memset(e, 0, sizeof(*e));
	e->kind = RINGWATCH__V1__KIND__KIND_EVENTS_LOST;
	e->severity = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	e->source = RINGWATCH__V1__SOURCE__SOURCE_SENSOR;
	memcpy(e->boot_id, s->state.boot_id, sizeof(e->boot_id));
	e->boot_order = s->state.boot_order;
	e->boot_ms = t.boot_ms;
	e->wall_ms = t.wall_ms;
	e->cpu = RW_CPU_UNKNOWN;
	e->count = 1;
	snprintf(e->signature, sizeof(e->signature), "%s", signature);
}

/* What the sources could not hand over, and the spool not take. */
static void report_lost(struct sensor *s, uint64_t now_ms)
{
	struct rw_event e;
	uint64_t in_log = s->kmsg == NULL ? 0 : rw_kmsg_lost(s->kmsg);
	uint64_t in_bpf = s->probes == NULL ? 0 : rw_probes_lost(s->probes);
	uint64_t lost = in_log + in_bpf + s->unwritten;

	rw_uplink_set_lost(s->uplink, lost + rw_spool_evicted(s->spool));
	if (lost <= s->lost_reported || now_ms < s->next_lost_ms)
		return;
	s->next_lost_ms = now_ms + LOST_EVERY_MS;
	fill_own_event(s, &e, "events_lost:sources");
	uint64_t count = lost - s->lost_reported;
	e.count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
	snprintf(
		e.detail, sizeof(e.detail),
		"since the sensor's start: %llu kernel log lines, %llu BPF records and %llu events "
		"that could not be written",
		(unsigned long long)in_log, (unsigned long long)in_bpf,
		(unsigned long long)s->unwritten);
	rw_warning("event=events_lost log=%llu bpf=%llu unwritten=%llu", (unsigned long long)in_log,
		   (unsigned long long)in_bpf, (unsigned long long)s->unwritten);
	if (spool(s, &e, UINT64_MAX))
		s->lost_reported = lost;
}

/* ---- sources ----------------------------------------------------------------------------------
 */

static void on_record(void *context, const struct rw_record *record)
{
	struct sensor *s = context;
	rw_events_record(s->events, record, now());
}

static void on_line(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	struct sensor *s = context;
	struct rw_events_time t = now();
	struct rw_klog_fact fact;
	uint64_t at_ms = t.boot_ms;

	/* the log's clock starts with the boot; for what is old it is good enough */
	if (backlog && record->usec / 1000 < at_ms)
		at_ms = record->usec / 1000;
	rw_klog_parse(record->text, record->length, &fact);
	rw_events_line(s->events, &fact, record->sequence, at_ms, backlog, t);
}

static void read_log(struct sensor *s)
{
	int more = 1;

	for (int i = 0; i < LOG_ROUNDS && more == 1 && s->kmsg != NULL; i++)
		more = rw_kmsg_read(s->kmsg);
	if (more >= 0)
		return;
	rw_error("event=kernel_log_gone reason=\"%s\"", strerror(-more));
	rw_kmsg_close(s->kmsg);
	s->kmsg = NULL;
}

static void read_sources(struct sensor *s)
{
	if (s->probes != NULL) {
		int err = rw_probes_consume(s->probes);
		if (err < 0)
			rw_debug("event=probes_consume reason=\"%s\"", strerror(-err));
	}
	read_log(s);
}

/* ---- start
 * --------------------------------------------------------------------------------------- */

/* A boot that ended soon after a panic or an oops: the spool has its last words. */
static void take_last_words(void *context, const struct rw_event *e)
{
	struct rw_boot_state *old = context;
	char *words = old->last_words;
	size_t size = sizeof(old->last_words);
	bool at_the_end = e->boot_ms + RW_BOOT_ALIVE_EVERY_MS >= old->alive_boot_ms;

	if (strcmp(e->boot_id, old->boot_id) != 0 || !at_the_end)
		return;
	if (e->kind == RINGWATCH__V1__KIND__KIND_PANIC)
		snprintf(words, size, "panic: %.120s", e->detail);
	else if (e->kind == RINGWATCH__V1__KIND__KIND_OOPS && words[0] == '\0')
		snprintf(words, size, "oops: %.120s", e->signature + strlen("oops:"));
}

/* How the last boot ended is spooled before the state moves on; a crash in
 * between finds the event in the spool. */
static int settle_last_boot(struct sensor *s)
{
	struct rw_boot_state old;
	struct rw_event event;
	char error[RW_BOOT_ERROR_BYTES];
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	struct rw_events_time t = now();
	int err = rw_boot_current_id(boot_id);

	if (err != 0)
		return fail(RW_EXIT_INTERNAL, "/proc/sys/kernel/random/boot_id cannot be read");
	err = rw_boot_load(s->config.state_dir, &old, error);
	if (err != 0 && err != -ENOENT && err != -EINVAL)
		return fail_state(s->config.state_dir, "boot.state", err);
	if (err == -EINVAL)
		rw_warning("event=state_damaged reason=\"%s\"", error);
	if (err == 0 && strcmp(old.boot_id, boot_id) == 0)
		s->left_off_ms = old.alive_boot_ms;
	else if (err == 0)
		(void)rw_spool_review(s->spool, take_last_words, &old);
	bool report = rw_boot_decide(err == 0 ? &old : NULL, boot_id, t.boot_ms, t.wall_ms,
				     &s->state, &event);
	if (report && !rw_spool_holds(s->spool, event.kind, event.boot_id)) {
		err = rw_spool_append(s->spool, &event, UINT64_MAX);
		if (err != 0)
			return fail_state(s->config.state_dir, "spool", err);
		char signature[RW_LOG_QUOTED_BYTES];
		char detail[RW_LOG_QUOTED_BYTES];
		rw_info("event=spooled kind=%s signature=%s detail=%s", rw_kind_name(event.kind),
			rw_log_quoted(event.signature, signature),
			rw_log_quoted(event.detail, detail));
	}
	const struct rw_spool_log_mark *mark = rw_spool_log_mark(s->spool);
	if (mark->sequence != UINT64_MAX && strcmp(mark->boot_id, boot_id) == 0 &&
	    (s->state.log_sequence == UINT64_MAX || mark->sequence > s->state.log_sequence))
		s->state.log_sequence = mark->sequence;
	err = rw_boot_save(s->config.state_dir, &s->state);
	if (err != 0)
		return fail_state(s->config.state_dir, "boot.state", err);
	return RW_EXIT_OK;
}

static int open_state(struct sensor *s)
{
	char notice[RW_SPOOL_ERROR_BYTES];
	bool set_aside;
	int code = lock_state(s);

	if (code != RW_EXIT_OK)
		return code;
	if (rw_spool_open(s->config.state_dir, s->config.spool.max_bytes, &s->spool, &set_aside,
			  notice) != 0)
		return fail(RW_EXIT_STATE, notice);
	if (notice[0] != '\0')
		rw_warning("event=spool_repaired reason=\"%s\"", notice);
	code = settle_last_boot(s);
	if (code == RW_EXIT_OK && set_aside) {
		struct rw_event e;
		fill_own_event(s, &e, "events_lost:spool_damaged");
		snprintf(e.detail, sizeof(e.detail), "%.400s", notice);
		(void)spool(s, &e, UINT64_MAX);
	}
	return code;
}

/* Whether anything at all can be watched: it is said, kind by kind. */
static int settle_coverage(struct sensor *s, const char *no_log)
{
	struct rw_probe_coverage bpf[RW_PROBES_COVERAGE_MAX];
	uint32_t count = s->probes == NULL ? 0 : rw_probes_coverage(s->probes, bpf);
	const char *no_probes =
		s->options->tier == RW_PROBES_NONE ? bpf_is_off : "no memory for BPF";
	bool any = s->kmsg != NULL;
	char line[512];

	for (uint32_t i = 0; i < count; i++) {
		if (bpf[i].in_bpf)
			rw_events_set_in_bpf(s->events, bpf[i].kind);
		any = any || bpf[i].in_bpf;
	}
	s->coverage_count = rw_coverage_build(s->probes, no_probes, s->kmsg != NULL, s->coverage);
	for (uint32_t i = 0; i < s->coverage_count; i++)
		rw_info("event=coverage kind=%s hook=\"%s\" reason=\"%s\"",
			rw_kind_name(s->coverage[i].kind), s->coverage[i].hook,
			s->coverage[i].reason);
	if (any)
		return RW_EXIT_OK;
	snprintf(line, sizeof(line), "nothing can be watched: %s: %s; BPF: %s", s->options->kmsg,
		 no_log, count > 0 ? bpf[0].reason : no_probes);
	return fail(RW_EXIT_PERMISSION, line);
}

/* What BPF told just before the sensor was killed, the log may not have told yet. */
static void recall(void *context, const struct rw_event *e)
{
	struct sensor *s = context;

	if (e->source == RINGWATCH__V1__SOURCE__SOURCE_BPF &&
	    strcmp(e->boot_id, s->state.boot_id) == 0 && e->boot_ms + RECALL_MS >= s->left_off_ms)
		rw_events_recall(s->events, e);
}

/* What the log holds already, then BPF. */
static int open_sources(struct sensor *s)
{
	char no_log[128] = "";
	int err = rw_kmsg_open(s->options->kmsg, s->state.log_sequence, on_line, s, &s->kmsg);

	if (err != 0) {
		snprintf(no_log, sizeof(no_log), "%s", strerror(-err));
		rw_warning("event=kernel_log_unreadable path=%s reason=\"%s\"", s->options->kmsg,
			   no_log);
	}
	if (s->left_off_ms != UINT64_MAX)
		(void)rw_spool_review(s->spool, recall, s);
	read_log(s);
	rw_events_flush(s->events, now());
	if (s->options->tier != RW_PROBES_NONE) {
		rw_probes_set_tier_limit(s->options->tier);
		err = rw_probes_open(on_record, s, &s->probes);
		if (err != 0)
			rw_warning("event=bpf_unusable reason=\"%s\"", strerror(-err));
	}
	return settle_coverage(s, no_log);
}

static int open_uplink(struct sensor *s)
{
	rw_autofree struct rw_uplink_config *c = calloc(1, sizeof(*c));
	struct utsname system;

	if (c == NULL || uname(&system) != 0)
		return fail(RW_EXIT_INTERNAL, "no memory");
	c->sensor = &s->config;
	c->spool = s->spool;
	c->tls = s->tls;
	memcpy(c->trust_domain, s->identity.trust_domain, sizeof(c->trust_domain));
	memcpy(c->boot_id, s->state.boot_id, sizeof(c->boot_id));
	c->boot_order = s->state.boot_order;
	memcpy(c->previous_boot_id, s->state.previous_boot_id, sizeof(c->previous_boot_id));
	c->previous_end = s->state.previous_end;
	snprintf(c->kernel_release, sizeof(c->kernel_release), "%s", system.release);
	snprintf(c->architecture, sizeof(c->architecture), "%.32s", system.machine);
	c->coverage_count = s->coverage_count;
	memcpy(c->coverage, s->coverage, sizeof(c->coverage));
	s->uplink = rw_uplink_new(c);
	return s->uplink == NULL ? fail(RW_EXIT_INTERNAL, "no memory") : RW_EXIT_OK;
}

static int open_signals(struct sensor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return fail(RW_EXIT_INTERNAL, "signals cannot be blocked");
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? fail(RW_EXIT_INTERNAL, "no signalfd") : RW_EXIT_OK;
}

static int start(struct sensor *s)
{
	struct rw_events_config events = {
		.resolve = rw_symbols_resolve, .fn = on_event, .context = s};
	int code = load(s->options->config, &s->config, &s->tls, &s->identity);

	if (code == RW_EXIT_OK)
		code = open_signals(s);
	if (code == RW_EXIT_OK)
		code = open_state(s);
	if (code != RW_EXIT_OK)
		return code;
	memcpy(events.boot_id, s->state.boot_id, sizeof(events.boot_id));
	events.boot_order = s->state.boot_order;
	s->events = rw_events_new(&events);
	if (s->events == NULL)
		return fail(RW_EXIT_INTERNAL, "no memory");
	code = open_sources(s);
	if (code == RW_EXIT_OK)
		code = open_uplink(s);
	if (code != RW_EXIT_OK)
		return code;
	save_state(s);
	rw_info("event=started version=%s host=%s ring=%s boot=%s boot_order=%llu spooled=%u",
		RW_VERSION, s->identity.name, s->identity.ring, s->state.boot_id,
		(unsigned long long)s->state.boot_order, rw_spool_pending(s->spool));
	/* certificates, BTF and configuration have left holes in the heap */
	malloc_trim(0);
	return RW_EXIT_OK;
}

/* ---- the loop
 * ---------------------------------------------------------------------------------------- */

static void take_signals(struct sensor *s)
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
static void reload(struct sensor *s)
{
	char error[RW_CONF_ERROR_BYTES];
	struct rw_identity identity;
	SSL_CTX *tls;
	int err = load_tls(&s->config, &tls, &identity, error);

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

static void wait_for_something(struct sensor *s, uint64_t until_ms)
{
	struct pollfd fds[3 + RW_UPLINK_POLLFDS];
	uint32_t count = 0;
	uint64_t now_ms = rw_clock_boot_ms();
	uint64_t wait_ms = until_ms <= now_ms ? 0 : until_ms - now_ms;

	fds[count++] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
	if (s->kmsg != NULL && rw_kmsg_descriptor(s->kmsg) >= 0)
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

/* One turn; when the next one is due. */
static uint64_t turn(struct sensor *s)
{
	read_sources(s);
	struct rw_events_time t = now();
	uint64_t next = rw_events_flush(s->events, t);
	report_lost(s, t.boot_ms);
	bool moved = s->kmsg != NULL && rw_kmsg_is_device(s->kmsg) &&
		     t.boot_ms < s->busy_until_ms &&
		     s->state.log_sequence != rw_events_log_position(s->events);
	uint64_t saved_ms = s->next_alive_ms - RW_BOOT_ALIVE_EVERY_MS;
	if (t.boot_ms >= s->next_alive_ms || (moved && t.boot_ms >= saved_ms + RW_SENSOR_TICK_MS)) {
		save_state(s);
		rw_sensor_notify("WATCHDOG=1");
	}
	uint64_t uplink_ms = rw_uplink_run(s->uplink, rw_clock_boot_ms());
	return uplink_ms < next ? uplink_ms : next;
}

/* ---- the end
 * ------------------------------------------------------------------------------------------ */

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

static void run_until(struct sensor *s, uint64_t deadline_ms,
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

static void stop(struct sensor *s)
{
	struct rw_announcement a = {RW_ARMED_STOPPED, RW_BACK_IN_DEFAULT_S};
	uint64_t begun_ms = rw_clock_boot_ms();

	rw_sensor_notify("STOPPING=1");
	if (!rw_announcement_read(s->config.state_dir, s->state.boot_id, begun_ms, &a))
		a.armed = rw_shutdown_ask_systemd();
	rw_announcement_remove(s->config.state_dir);
	begun_ms = rw_clock_boot_ms();
	s->state.armed = a.armed;
	turn(s);
	rw_events_flush_all(s->events, now());
	save_state(s);

	run_until(s, begun_ms + STOP_CONNECT_MS, rw_uplink_is_ready);
	if (rw_uplink_is_ready(s->uplink)) {
		run_until(s, begun_ms + STOP_DRAIN_MS, rw_uplink_is_drained);
		rw_uplink_goodbye(s->uplink, goodbye_of(a.armed), a.back_in_s);
		run_until(s, begun_ms + STOP_FLUSH_MS, rw_uplink_is_flushed);
	}
	/* what came meanwhile waits in the spool */
	rw_events_flush_all(s->events, now());
	save_state(s);
	rw_info("event=stopped goodbye=%s spooled=%u", rw_goodbye_name(goodbye_of(a.armed)),
		rw_spool_pending(s->spool));
}

static void release(struct sensor *s)
{
	rw_uplink_free(s->uplink);
	rw_probes_close(s->probes);
	rw_kmsg_close(s->kmsg);
	rw_events_free(s->events);
	rw_spool_close(s->spool);
	SSL_CTX_free(s->tls);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}

int rw_sensor_run(const struct rw_sensor_options *options)
{
	struct sensor *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return fail(RW_EXIT_INTERNAL, "no memory");
	mallopt(M_ARENA_MAX, 1); /* look-up threads need no heap of their own */
	s->options = options;
	s->lock_fd = s->signal_fd = -1;
	s->left_off_ms = UINT64_MAX;
	int code = start(s);
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
	release(s);
	return code;
}

/* ---- --coverage
 * ------------------------------------------------------------------------------------------ */

static void ignore_record(void *context, const struct rw_record *record)
{
	(void)context;
	(void)record;
}

static void ignore_line(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	(void)context;
	(void)record;
	(void)backlog;
}

int rw_sensor_print_coverage(const struct rw_sensor_options *options)
{
	struct rw_uplink_coverage rows[RW_COVERAGE_MAX];
	struct rw_probes *probes = NULL;
	struct rw_kmsg *kmsg = NULL;

	rw_probes_set_tier_limit(options->tier);
	if (options->tier != RW_PROBES_NONE && rw_probes_open(ignore_record, NULL, &probes) != 0)
		return fail(RW_EXIT_INTERNAL, "no memory");
	bool log = rw_kmsg_open(options->kmsg, UINT64_MAX, ignore_line, NULL, &kmsg) == 0;
	uint32_t count = rw_coverage_build(probes, bpf_is_off, log, rows);
	rw_coverage_print(stdout, rows, count);
	rw_kmsg_close(kmsg);
	rw_probes_close(probes);
	return RW_EXIT_OK;
}
