/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sensor's start; see running.h.
 *
 * Order: configuration and certificates, state directory and spool, how the last
 * boot ended, counters, what the kernel log holds already, then BPF
 * behind its mark on disk. So whatever is seen can be kept, and what was there
 * before BPF is never taken for something that BPF should have seen. All that
 * needs rights is open by then, and they are shed; only now threads start and
 * the network is spoken to.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/exit_codes.h"
#include "lib/log.h"
#include "lib/version.h"
#include "sensor/load.h"
#include "sensor/privileges.h"
#include "sensor/running.h"
#include "sensor/statefile.h"
#include "sensor/symbols.h"
#include "sensor/trim.h"

enum { RECALL_MS = 2000 /* a slow console delays the log behind BPF */ };

static const char bpf_is_off[] = "BPF is off (--no-bpf)";
static const char bpf_is_unsafe[] =
	"BPF is off: the host died twice soon after it came (safe start)";
static const char bpf_has_no_mark[] = "BPF is off: its mark could not be left on disk";

static int open_signals(struct rw_sensor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return rw_sensor_fail(RW_EXIT_INTERNAL, "signals cannot be blocked");
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? rw_sensor_fail(RW_EXIT_INTERNAL, "no signalfd") : RW_EXIT_OK;
}

/* ---- state --------------------------------------------------------------------------- */

static void keep_of_last_boot(void *context, struct rw_event *event)
{
	(void)rw_sensor_keep(context, event, UINT64_MAX);
}

/* As the last life left it, before this one writes its own; false: nothing is known. */
static bool peek_state(const struct rw_sensor *s, struct rw_boot_state *out)
{
	rw_autofree char *text = NULL;
	const char *what;

	return rw_state_read(s->config.state_dir, "boot.state", &text) == 0 &&
	       rw_boot_parse(text, out, &what) == 0;
}

static int settle_last_boot(struct rw_sensor *s)
{
	char error[RW_BOOT_ERROR_BYTES] = "";
	struct rw_lastboot_config c = {
		.root = "",
		.folder = s->config.state_dir,
		.kmsg = s->options->kmsg,
		.remove_pstore = s->options->remove_pstore,
	};
	struct rw_spool *spool = rw_keeper_spool(s->keeper);
	int err = rw_lastboot_settle(&c, spool, keep_of_last_boot, s, &s->state, &s->left_off_ms,
				     error);

	if (err != 0)
		return rw_sensor_fail(RW_EXIT_STATE, error);
	if (error[0] != '\0')
		rw_warning("event=last_boot reason=\"%s\"", error);
	if (spool == NULL)
		return RW_EXIT_OK;
	const struct rw_spool_log_mark *mark = rw_spool_log_mark(spool);
	if (mark->sequence != UINT64_MAX && strcmp(mark->boot_id, s->state.boot_id) == 0 &&
	    (s->state.log_sequence == UINT64_MAX || mark->sequence > s->state.log_sequence))
		s->state.log_sequence = mark->sequence;
	return RW_EXIT_OK;
}

/* Whether BPF has to stay off, by how the boots that had it ended. */
static bool must_start_safely(struct rw_sensor *s, const struct rw_boot_state *old,
			      const char *release)
{
	struct rw_safe_start_last last = {
		.boot_id = s->state.previous_boot_id,
		.unexpected = s->state.previous_end == RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED,
	};
	bool new_boot = old != NULL && strcmp(old->boot_id, s->state.boot_id) != 0;
	int err = rw_safe_start_load(s->config.state_dir, &s->safe);

	if (err == -EINVAL)
		rw_warning("event=attach_mark_damaged kept=attach.mark.damaged");
	if (new_boot)
		last.alive_boot_ms = old->alive_boot_ms;
	return rw_safe_start_decide(&s->safe, new_boot ? &last : NULL, RW_VERSION, release);
}

static int open_state(struct rw_sensor *s)
{
	char notice[RW_SPOOL_ERROR_BYTES];
	struct rw_keeper_config c = {
		.folder = s->config.state_dir,
		.max_bytes = s->config.spool.max_bytes,
		.max_age_ms = s->config.spool.max_age_given ? s->config.spool.max_age_ms : 0,
	};

	if (rw_keeper_open(&c, &s->keeper, notice) != 0)
		return rw_sensor_fail(RW_EXIT_STATE, notice);
	if (notice[0] != '\0')
		rw_warning("event=state reason=\"%s\"", notice);
	int code = settle_last_boot(s);
	if (code == RW_EXIT_OK && rw_keeper_was_set_aside(s->keeper)) {
		struct rw_event e;
		rw_sensor_own_event(s, &e, RINGWATCH__V1__KIND__KIND_EVENTS_LOST,
				    RINGWATCH__V1__SEVERITY__SEVERITY_WARNING,
				    "events_lost:spool_damaged");
		snprintf(e.detail, sizeof(e.detail), "%.400s", notice);
		(void)rw_sensor_keep(s, &e, UINT64_MAX);
	}
	return code;
}

/* ---- sources ------------------------------------------------------------------------------ */

/* Whether anything at all can be watched: it is said, kind by kind. */
static int settle_coverage(struct rw_sensor *s, const char *no_probes, const char *no_log)
{
	struct rw_probe_coverage bpf[RW_PROBES_COVERAGE_MAX];
	uint32_t count = s->probes == NULL ? 0 : rw_probes_coverage(s->probes, bpf);
	bool any = s->kmsg != NULL;
	char backend[32];
	char line[512];

	for (uint32_t i = 0; i < count; i++) {
		if (!bpf[i].in_bpf)
			continue;
		any = true;
		rw_events_set_in_bpf(s->events, bpf[i].kind);
		if (bpf[i].kind == RINGWATCH__V1__KIND__KIND_RESTART)
			s->state.sees_restarts = true;
	}
	rw_pstore_backend("", backend, sizeof(backend));
	struct rw_coverage_sources sources = {
		.probes = s->probes,
		.no_probes = no_probes,
		.kernel_log = s->kmsg != NULL,
		.counters = rw_counters_names(s->counters),
		.pstore = backend,
		.netconsole = rw_netconsole_words(s->netconsole),
	};
	s->coverage_count = rw_coverage_build(&sources, s->coverage);
	for (uint32_t i = 0; i < s->coverage_count; i++)
		rw_info("event=coverage kind=%s hook=\"%s\" reason=\"%s\"",
			rw_kind_name(s->coverage[i].kind), s->coverage[i].hook,
			s->coverage[i].reason);
	if (any)
		return RW_EXIT_OK;
	snprintf(line, sizeof(line), "nothing can be watched: %s: %s; BPF: %s", s->options->kmsg,
		 no_log, count > 0 ? bpf[0].reason : no_probes);
	return rw_sensor_fail(RW_EXIT_PERMISSION, line);
}

/* What BPF told just before the sensor was killed, the log may not have told yet. */
static void recall(void *context, const struct rw_event *e)
{
	struct rw_sensor *s = context;

	if (e->source == RINGWATCH__V1__SOURCE__SOURCE_BPF &&
	    strcmp(e->boot_id, s->state.boot_id) == 0 && e->boot_ms + RECALL_MS >= s->left_off_ms)
		rw_events_recall(s->events, e);
}

static int open_events(struct rw_sensor *s)
{
	struct rw_events_config c = {
		.resolve = rw_symbols_resolve,
		.fn = rw_sensor_on_event,
		.log_fn = rw_sensor_on_log,
		.context = s,
	};

	memcpy(c.boot_id, s->state.boot_id, sizeof(c.boot_id));
	c.boot_order = s->state.boot_order;
	s->events = rw_events_new(&c);
	s->evidence = rw_evidence_new();
	s->counters = rw_counters_open("");
	if (s->events == NULL || s->evidence == NULL || s->counters == NULL)
		return rw_sensor_fail(RW_EXIT_INTERNAL, "no memory");
	rw_events_set_taint(s->events, rw_counters_taint(s->counters));
	return RW_EXIT_OK;
}

/* Why BPF may not be tried; NULL: it may, and its mark is on disk. */
static const char *keep_bpf_off(struct rw_sensor *s, bool safely)
{
	if (s->options->tier == RW_PROBES_NONE)
		return bpf_is_off;
	if (!safely)
		rw_safe_start_mark(&s->safe, s->state.boot_id, rw_clock_boot_ms());
	int err = rw_safe_start_save(s->config.state_dir, &s->safe);
	if (safely)
		return bpf_is_unsafe;
	if (err == 0)
		return NULL;
	rw_warning("event=attach_mark_not_saved reason=\"%s\"", strerror(-err));
	return bpf_has_no_mark;
}

static void say_safe_start(struct rw_sensor *s)
{
	struct rw_event e;

	rw_sensor_own_event(s, &e, RINGWATCH__V1__KIND__KIND_SAFE_START,
			    RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL, "safe_start");
	snprintf(e.detail, sizeof(e.detail),
		 "this host died within %d minutes of BPF attaching in the last %u boots that had "
		 "it: BPF stays off, the kernel log alone is read; ringwatch-sensor "
		 "--leave-safe-start ends this",
		 RW_SAFE_START_MINUTES, s->safe.deaths);
	rw_error("event=safe_start detail=\"%s\"", e.detail);
	(void)rw_sensor_keep(s, &e, UINT64_MAX);
}

static int open_drill(struct rw_sensor *s)
{
	s->drill = rw_drill_open(s->options->kmsg);
	return s->drill == NULL ? rw_sensor_fail(RW_EXIT_INTERNAL, "no memory") : RW_EXIT_OK;
}

static int open_netconsole(struct rw_sensor *s)
{
	struct rw_netconsole_target target;
	struct rw_netconsole_config c = {.root = ""};

	if (s->config.netconsole_given &&
	    rw_netconsole_parse_target(s->config.netconsole, &target) == 0)
		c.target = &target;
	s->netconsole = rw_netconsole_arm(&c);
	if (s->netconsole == NULL)
		return rw_sensor_fail(RW_EXIT_INTERNAL, "no memory");
	rw_info("event=netconsole state=\"%s\"", rw_netconsole_words(s->netconsole));
	return RW_EXIT_OK;
}

/* What the log holds already, then BPF. */
static int open_sources(struct rw_sensor *s, bool safely)
{
	char no_log[128] = "";
	int err = rw_kmsg_open(s->options->kmsg, s->state.log_sequence, rw_sensor_on_line, s,
			       &s->kmsg);

	if (err != 0) {
		snprintf(no_log, sizeof(no_log), "%s", strerror(-err));
		rw_warning("event=kernel_log_unreadable path=%s reason=\"%s\"", s->options->kmsg,
			   no_log);
	}
	if (s->kmsg != NULL)
		rw_kmsg_set_user_fn(s->kmsg, rw_sensor_on_user_line);
	struct rw_spool *spool = rw_keeper_spool(s->keeper);
	if (s->left_off_ms != UINT64_MAX && spool != NULL)
		(void)rw_spool_review(spool, recall, s);
	rw_sensor_read_log(s);
	rw_events_flush(s->events, rw_sensor_now());

	const char *no_probes = keep_bpf_off(s, safely);
	if (no_probes == bpf_is_unsafe)
		say_safe_start(s);
	if (no_probes == NULL) {
		rw_probes_set_tier_limit(s->options->tier);
		err = rw_probes_open(rw_sensor_on_record, s, &s->probes);
		if (err != 0)
			rw_warning("event=bpf_unusable reason=\"%s\"", strerror(-err));
		no_probes = "no memory for BPF";
	}
	return settle_coverage(s, no_probes, no_log);
}

/* ---- rights, threads, the network --------------------------------------------------------- */

/* Kernels whose BPF cannot name addresses (before 5.13) need kallsyms, which hides
 * them from whoever has not this right. */
static bool names_come_from_kallsyms(const struct rw_sensor *s)
{
	return s->probes != NULL &&
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_snprintf, NULL) != 1;
}

static void shed_rights(struct rw_sensor *s)
{
	char what[RW_PRIVILEGES_TEXT_BYTES];
	struct rw_privileges wanted = {
		.user = s->options->user,
		.state_dir = s->config.state_dir,
		.keep_syslog = names_come_from_kallsyms(s),
	};

	rw_privileges_shed(&wanted, what);
	rw_info("event=privileges %s", what);
	if (access(s->config.tls.key, R_OK) != 0)
		rw_warning("event=privileges what=\"the key cannot be read again: SIGHUP will not "
			   "renew the certificate\" path=%s reason=\"%s\"",
			   s->config.tls.key, strerror(errno));
}

static void on_gasp(void *context, const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	struct rw_sensor *s = context;
	int err = rw_netconsole_challenge(s->netconsole, nonce);

	if (err != 0)
		rw_warning("event=netconsole_challenge reason=\"%s\"", strerror(-err));
}

static void on_drill(void *context, const uint8_t name[RW_DRILL_BYTES])
{
	struct rw_sensor *s = context;

	rw_drill_ask(s->drill, name, rw_clock_boot_ms());
}

static int open_uplink(struct rw_sensor *s, const struct utsname *system)
{
	rw_autofree struct rw_uplink_config *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return rw_sensor_fail(RW_EXIT_INTERNAL, "no memory");
	c->sensor = &s->config;
	c->keeper = s->keeper;
	c->versions = s->versions;
	c->tls = s->tls;
	memcpy(c->trust_domain, s->identity.trust_domain, sizeof(c->trust_domain));
	memcpy(c->boot_id, s->state.boot_id, sizeof(c->boot_id));
	c->boot_order = s->state.boot_order;
	memcpy(c->previous_boot_id, s->state.previous_boot_id, sizeof(c->previous_boot_id));
	c->previous_end = s->state.previous_end;
	snprintf(c->kernel_release, sizeof(c->kernel_release), "%s", system->release);
	snprintf(c->architecture, sizeof(c->architecture), "%.32s", system->machine);
	c->coverage_count = s->coverage_count;
	memcpy(c->coverage, s->coverage, sizeof(c->coverage));
	c->safe_start = s->safe.engaged;
	snprintf(c->netconsole, sizeof(c->netconsole), "%s", rw_netconsole_words(s->netconsole));
	c->on_gasp = on_gasp;
	c->on_drill = on_drill;
	c->context = s;
	s->uplink = rw_uplink_new(c);
	return s->uplink == NULL ? rw_sensor_fail(RW_EXIT_INTERNAL, "no memory") : RW_EXIT_OK;
}

static int open_versions(struct rw_sensor *s, const char *release)
{
	const struct rw_versions_config c = {
		.root = "",
		.markers_dir = s->config.markers_dir_given ? s->config.markers_dir : NULL,
		.release = release,
		.owner = 0,
	};

	s->versions = rw_versions_open(&c, rw_clock_wall_ms());
	return s->versions == NULL ? rw_sensor_fail(RW_EXIT_INTERNAL, "no memory") : RW_EXIT_OK;
}

static int open_watch(struct rw_sensor *s, const char *release)
{
	struct rw_boot_state old;
	bool known = peek_state(s, &old);
	int code = open_state(s);

	if (code != RW_EXIT_OK)
		return code;
	bool safely = must_start_safely(s, known ? &old : NULL, release);
	code = open_events(s);
	if (code == RW_EXIT_OK)
		code = open_netconsole(s);
	if (code == RW_EXIT_OK)
		code = open_drill(s);
	if (code == RW_EXIT_OK)
		code = open_sources(s, safely);
	return code;
}

int rw_sensor_start(struct rw_sensor *s)
{
	struct utsname system;
	int code = rw_sensor_load(s->options->config, &s->config, &s->tls, &s->identity);

	if (code == RW_EXIT_OK && uname(&system) != 0)
		code = rw_sensor_fail(RW_EXIT_INTERNAL, "uname");
	if (code == RW_EXIT_OK)
		code = open_signals(s);
	if (code == RW_EXIT_OK)
		code = open_watch(s, system.release);
	if (code != RW_EXIT_OK)
		return code;
	shed_rights(s);
	int err = rw_keeper_start(s->keeper);
	if (err != 0)
		return rw_sensor_fail(RW_EXIT_INTERNAL,
				      "the state directory's thread cannot start");
	/* With the rights that it will have: what it cannot read is said now. */
	code = open_versions(s, system.release);
	if (code == RW_EXIT_OK)
		code = open_uplink(s, &system);
	if (code != RW_EXIT_OK)
		return code;
	rw_sensor_save_state(s);
	rw_info("event=started version=%s host=%s ring=%s boot=%s boot_order=%llu spooled=%u",
		RW_VERSION, s->identity.name, s->identity.ring, s->state.boot_id,
		(unsigned long long)s->state.boot_order, rw_keeper_pending(s->keeper));
	rw_trim();
	return RW_EXIT_OK;
}

void rw_sensor_release(struct rw_sensor *s)
{
	rw_uplink_free(s->uplink);
	rw_versions_free(s->versions);
	rw_keeper_close(s->keeper);
	rw_probes_close(s->probes);
	rw_kmsg_close(s->kmsg);
	rw_netconsole_free(s->netconsole);
	rw_drill_close(s->drill);
	rw_events_free(s->events);
	rw_evidence_free(s->evidence);
	rw_counters_free(s->counters);
	SSL_CTX_free(s->tls);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	free(s);
}
