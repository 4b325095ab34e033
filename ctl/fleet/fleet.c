/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop, one timer: each tick fills the buckets of connections and events,
 * looks at each host that is due, and reports once a second. At the end the
 * hosts say goodbye, and the loop runs on until the last connection is closed.
 */
#include "ctl/fleet/fleet.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ctl/fleet/host.h"
#include "ctl/fleet/random.h"
#include "ctl/fleet/report.h"
#include "ctl/fleet/state.h"
#include "lib/clock.h"
#include "lib/exit_codes.h"
#include "lib/tls.h"

enum {
	TICK_MOST_MS = 10,
	OTHER_DESCRIPTORS = 64,
	EVENTS_PENDING_MAX = 1024, /* of one host, before --events-rate passes it over */
	STOP_MS = 10000,           /* how long goodbyes may take */
};

struct fleet {
	const struct rw_fleet_options *options;
	uv_loop_t loop;
	uv_timer_t tick;
	uv_signal_t on_term;
	uv_signal_t on_int;
	struct rw_fleet_net *net;
	struct rw_fleet_shared shared;
	struct rw_pki_ca ca;
	struct rw_fleet_host *hosts;
	uint32_t count;
	uint32_t next_event_host;
	double event_tokens;
	uint64_t began_ms;
	uint64_t last_tick_ms;
	uint64_t stop_by_ms; /* 0: running */
	struct rw_fleet_report report;
};

static int complain(int status, const char *what, const char *why)
{
	fprintf(stderr, "ringwatch-fleet: %s: %s\n", what, why);
	return status;
}

/* ---- setting up ------------------------------------------------------------------ */

static int raise_descriptor_limit(uint32_t hosts)
{
	struct rlimit limit;
	char why[128];

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return complain(RW_EXIT_INTERNAL, "open files", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return complain(RW_EXIT_INTERNAL, "open files", strerror(errno));
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= hosts + OTHER_DESCRIPTORS)
		return 0;
	snprintf(why, sizeof(why), "%u need %u open files, the limit is %llu (ulimit -n)", hosts,
		 hosts + OTHER_DESCRIPTORS, (unsigned long long)limit.rlim_cur);
	return complain(RW_EXIT_USAGE, "--hosts", why);
}

/* HOST:PORT or [V6]:PORT */
static int resolve(const char *text, struct sockaddr_storage *out)
{
	char host[256];
	const char *colon = strrchr(text, ':');
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	if (colon == NULL || colon == text || colon[1] == '\0' ||
	    (size_t)(colon - text) >= sizeof(host))
		return complain(RW_EXIT_USAGE, "--collector", "expected HOST:PORT or [V6]:PORT");
	size_t length = (size_t)(colon - text);
	const char *start = text;
	if (text[0] == '[' && colon[-1] == ']') {
		start++;
		length -= 2;
	}
	memcpy(host, start, length);
	host[length] = '\0';
	int err = getaddrinfo(host, colon + 1, &hints, &found);
	if (err != 0)
		return complain(RW_EXIT_UNAVAILABLE, text, gai_strerror(err));
	memcpy(out, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

static int set_up_identities(struct fleet *fleet)
{
	const struct rw_fleet_options *o = fleet->options;
	char error[RW_PKI_ERROR_BYTES];
	char tls_error[RW_TLS_ERROR_BYTES];

	if (rw_pki_load_ca(o->ca_certificate, o->ca_key, &fleet->ca, error) != 0)
		return complain(RW_EXIT_USAGE, "CA", error);
	if (strcmp(fleet->ca.trust_domain, o->trust_domain) != 0) {
		snprintf(error, sizeof(error), "the CA's is %.200s", fleet->ca.trust_domain);
		return complain(RW_EXIT_USAGE, "--trust-domain", error);
	}
	if (rw_pki_new_key(&fleet->shared.key, error) != 0)
		return complain(RW_EXIT_INTERNAL, "key", error);
	if (rw_tls_context_of(RW_TLS_SENSOR, NULL, NULL, fleet->ca.certificate, NULL,
			      &fleet->net->tls, tls_error) != 0)
		return complain(RW_EXIT_INTERNAL, "TLS", tls_error);
	return 0;
}

static void give_fates(struct fleet *fleet)
{
	const struct rw_fleet_options *o = fleet->options;
	uint32_t next = 0;

	for (uint32_t i = 0; i < o->fate_count; i++) {
		for (uint32_t k = 0; k < o->fates[i].count; k++, next++) {
			fleet->hosts[next].fate = o->fates[i].fate;
			fleet->hosts[next].fate_delay_ms = o->fates[i].delay_ms;
		}
	}
}

static int set_up_hosts(struct fleet *fleet)
{
	const struct rw_fleet_options *o = fleet->options;
	char error[RW_FLEET_ERROR_BYTES];
	uint64_t now_ms = rw_clock_boot_ms();
	uint64_t wall_ms = rw_clock_wall_ms();

	fleet->count = (uint32_t)o->hosts;
	fleet->hosts = calloc(fleet->count, sizeof(*fleet->hosts));
	if (fleet->hosts == NULL)
		return complain(RW_EXIT_INTERNAL, "hosts", strerror(ENOMEM));
	for (uint32_t i = 0; i < fleet->count; i++) {
		if (rw_fleet_host_init(&fleet->hosts[i], &fleet->shared, i + 1, now_ms, wall_ms) !=
		    0)
			return complain(RW_EXIT_INTERNAL, "hosts", "no random numbers");
	}
	give_fates(fleet);
	if (o->state != NULL &&
	    rw_fleet_state_load(o->state, fleet->hosts, fleet->count, now_ms, wall_ms, error) != 0)
		return complain(RW_EXIT_USAGE, "--state", error);
	return 0;
}

static int write_hosts(const struct fleet *fleet)
{
	const char *path = fleet->options->print_hosts;
	int err = path == NULL ? 0 : rw_fleet_report_hosts(path, fleet->hosts, fleet->count);

	return err == 0 ? 0 : complain(RW_EXIT_STATE, path, strerror(-err));
}

static int set_up(struct fleet *fleet)
{
	const struct rw_fleet_options *o = fleet->options;
	int status = raise_descriptor_limit((uint32_t)o->hosts);

	if (status != 0)
		return status;
	fleet->net = calloc(1, sizeof(*fleet->net));
	fleet->shared.arena = rw_arena_new(RW_ARENA_BYTES);
	if (fleet->net == NULL || fleet->shared.arena == NULL || rw_fleet_net_init(fleet->net) != 0)
		return complain(RW_EXIT_INTERNAL, "start", strerror(ENOMEM));
	fleet->net->loop = &fleet->loop;
	fleet->net->trust_domain = o->trust_domain;
	fleet->net->calls = rw_fleet_host_calls;
	fleet->shared.options = o;
	fleet->shared.net = fleet->net;
	fleet->shared.ca = &fleet->ca;
	fleet->shared.random = o->seed;
	status = resolve(o->collector, &fleet->net->address);
	if (status == 0)
		status = set_up_identities(fleet);
	if (status == 0)
		status = set_up_hosts(fleet);
	return status == 0 ? write_hosts(fleet) : status;
}

static void tear_down(struct fleet *fleet)
{
	for (uint32_t i = 0; fleet->hosts != NULL && i < fleet->count; i++)
		rw_fleet_host_release(&fleet->hosts[i]);
	free(fleet->hosts);
	if (fleet->net != NULL) {
		SSL_CTX_free(fleet->net->tls);
		rw_fleet_net_release(fleet->net);
	}
	free(fleet->net);
	EVP_PKEY_free(fleet->shared.key);
	rw_pki_ca_release(&fleet->ca);
	rw_arena_free(fleet->shared.arena);
}

/* ---- running ----------------------------------------------------------------------- */

/* Warnings, over live hosts in turn; a host that is not acked is passed over. */
static void make_events(struct fleet *fleet, uint64_t now_ms, uint64_t passed_ms)
{
	uint32_t passed_over = 0;

	fleet->event_tokens += (double)(fleet->options->events_rate * passed_ms) / 1000.0;
	while (fleet->event_tokens >= 1 && passed_over < fleet->count) {
		struct rw_fleet_host *host = &fleet->hosts[fleet->next_event_host];

		fleet->next_event_host = (fleet->next_event_host + 1) % fleet->count;
		if (host->phase != RW_FLEET_LIVE || host->speaks_nonsense ||
		    host->spool.count >= EVENTS_PENDING_MAX ||
		    rw_fleet_host_report(host, RINGWATCH__V1__KIND__KIND_WARNING, now_ms) != 0) {
			passed_over++;
			continue;
		}
		passed_over = 0;
		fleet->event_tokens -= 1;
	}
	if (fleet->event_tokens >
	    (double)fleet->options->events_rate) /* a second's worth at most */
		fleet->event_tokens = (double)fleet->options->events_rate;
}

static void stop(struct fleet *fleet)
{
	uint64_t now_ms = rw_clock_boot_ms();

	if (fleet->stop_by_ms != 0)
		return;
	fleet->stop_by_ms = now_ms + STOP_MS;
	for (uint32_t i = 0; i < fleet->count; i++)
		rw_fleet_host_stop(&fleet->hosts[i], fleet->options->vanish, now_ms);
}

static void close_handles(struct fleet *fleet)
{
	uv_close((uv_handle_t *)&fleet->tick, NULL);
	uv_close((uv_handle_t *)&fleet->on_term, NULL);
	uv_close((uv_handle_t *)&fleet->on_int, NULL);
}

static void tick_stopping(struct fleet *fleet, uint64_t now_ms)
{
	rw_fleet_net_tick(fleet->net, now_ms >= fleet->stop_by_ms ? 0 : now_ms);
	if (fleet->net->open_links == 0)
		close_handles(fleet);
}

static void on_tick(uv_timer_t *timer)
{
	struct fleet *fleet = timer->data;
	const struct rw_fleet_options *o = fleet->options;
	uint64_t now_ms = rw_clock_boot_ms();
	uint64_t passed_ms = now_ms - fleet->last_tick_ms;
	double most = (double)o->connect_rate / 10 + 1;

	fleet->last_tick_ms = now_ms;
	if (fleet->stop_by_ms != 0) {
		tick_stopping(fleet, now_ms);
		return;
	}
	fleet->shared.connect_tokens += (double)(o->connect_rate * passed_ms) / 1000.0;
	if (fleet->shared.connect_tokens > most)
		fleet->shared.connect_tokens = most;
	/* From a random place, so that no host always comes last to the connection bucket. */
	uint32_t first = (uint32_t)rw_fleet_random_below(&fleet->shared.random, fleet->count);
	for (uint32_t i = 0; i < fleet->count; i++) {
		struct rw_fleet_host *host = &fleet->hosts[(first + i) % fleet->count];
		if (host->due_ms <= now_ms)
			rw_fleet_host_tick(host, now_ms);
	}
	make_events(fleet, now_ms, passed_ms);
	rw_fleet_net_tick(fleet->net, now_ms);
	if (now_ms - fleet->report.last_ms >= 1000)
		rw_fleet_report_second(&fleet->report, &fleet->shared, fleet->hosts, fleet->count,
				       now_ms);
	if (o->duration_ms != 0 && now_ms - fleet->began_ms >= o->duration_ms)
		stop(fleet);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	stop(handle->data);
}

static int start_handles(struct fleet *fleet)
{
	uint64_t every_ms = fleet->options->heartbeat_every_ms / 4;
	int err = uv_timer_init(&fleet->loop, &fleet->tick);

	if (every_ms > TICK_MOST_MS || fleet->options->heartbeat_every_ms == 0)
		every_ms = TICK_MOST_MS;
	if (every_ms == 0)
		every_ms = 1;
	fleet->tick.data = fleet;
	fleet->on_term.data = fleet;
	fleet->on_int.data = fleet;
	if (err == 0)
		err = uv_signal_init(&fleet->loop, &fleet->on_term);
	if (err == 0)
		err = uv_signal_init(&fleet->loop, &fleet->on_int);
	if (err == 0)
		err = uv_timer_start(&fleet->tick, on_tick, 0, every_ms);
	if (err == 0)
		err = uv_signal_start(&fleet->on_term, on_signal, SIGTERM);
	if (err == 0)
		err = uv_signal_start(&fleet->on_int, on_signal, SIGINT);
	return err;
}

static int run_loop(struct fleet *fleet)
{
	int err = start_handles(fleet);

	if (err != 0)
		return complain(RW_EXIT_INTERNAL, "loop", uv_strerror(err));
	fleet->began_ms = rw_clock_boot_ms();
	fleet->last_tick_ms = fleet->began_ms;
	fleet->report = (struct rw_fleet_report){.json = fleet->options->json,
						 .began_ms = fleet->began_ms,
						 .last_ms = fleet->began_ms};
	uv_run(&fleet->loop, UV_RUN_DEFAULT);
	return 0;
}

/* Files and the summary; a file that cannot be written is the exit status. */
static int finish(struct fleet *fleet)
{
	const struct rw_fleet_options *o = fleet->options;
	uint64_t now_ms = rw_clock_boot_ms();
	int status = write_hosts(fleet);

	if (o->state != NULL) {
		int err = rw_fleet_state_save(o->state, fleet->hosts, fleet->count, now_ms,
					      rw_clock_wall_ms());
		if (err != 0)
			status = complain(RW_EXIT_STATE, o->state, strerror(-err));
	}
	rw_fleet_report_end(&fleet->report, &fleet->shared, fleet->hosts, fleet->count, now_ms);
	return status;
}

int rw_fleet_run(const struct rw_fleet_options *options)
{
	static struct fleet fleet;

	fleet.options = options;
	signal(SIGPIPE, SIG_IGN);
	int err = uv_loop_init(&fleet.loop);
	if (err != 0)
		return complain(RW_EXIT_INTERNAL, "loop", uv_strerror(err));
	int status = set_up(&fleet);
	if (status == 0)
		status = run_loop(&fleet);
	if (status == 0)
		status = finish(&fleet);
	tear_down(&fleet);
	uv_loop_close(&fleet.loop);
	return status;
}
