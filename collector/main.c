/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringwatch-collector: configuration in, store opened, sensors and API
 * listened to, until SIGTERM. The main thread runs the one loop; the store's
 * writer and the API have threads of their own.
 *
 * The end: calls are refused, sessions told Reject(shutting_down), the store
 * commits what is queued; all within five seconds.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/api/api.h"
#include "collector/config.h"
#include "collector/hub_private.h"
#include "collector/ingest/ingest.h"
#include "collector/ingest/netconsole.h"
#include "collector/webhook/webhooks.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/exit_codes.h"
#include "lib/log.h"
#include "lib/tls.h"
#include "lib/units.h"
#include "lib/version.h"

static const char program[] = "ringwatch-collector";
#define DEFAULT_CONFIG "/etc/ringwatch/collector.yaml"
#define SET_ASIDE_OPTION "--set-aside-damaged-store"

_Static_assert((int)RW_COLLECTOR_WITNESSES_MAX == (int)RW_WITNESSES_MAX,
	       "as many can be asked as can be written down");

enum {
	DRAIN_MS = 1500, /* for sensors to read Reject and close */
	DRAIN_LOOK_MS = 20,
	OTHER_DESCRIPTORS = 900, /* beside sessions: store, API with its connections, loop */
};

/* A large inventory takes longer to read than the loop may stand. */
struct inventory_reload {
	uv_work_t work;
	bool busy;
	bool again; /* asked for once more meanwhile, with `next` */
	const struct rw_policy *policy;
	struct rw_collector_config now, next; /* of these, what the inventory is */
	struct rw_inventory *loaded;
	int err;
	char error[RW_CONF_ERROR_BYTES];
};

struct collector {
	const char *config_path;
	struct rw_collector_config config;
	struct rw_policy policy;
	struct rw_inventory *inventory; /* until ingest takes it over */
	struct inventory_reload inventory_reload;
	uv_loop_t loop;
	uv_signal_t terminate, interrupt, reload;
	uv_timer_t drain;
	bool handles_open;
	uint64_t drain_until_ms;
	struct rw_hub *hub;
	struct rw_ingest *ingest;
	struct rw_gasp_listener *gasp_listener;
	struct rw_api *api;
	struct rw_webhook_config *webhook_config; /* until the webhooks take it over */
	struct rw_webhooks *webhooks;
	char trust_domain[RW_TRUST_DOMAIN_MAX + 1];
	uint64_t watchdog_every_ms, watchdog_last_ms;
	bool sets_aside;                     /* a damaged store, by an operator's word */
	char set_aside[RW_STORE_PATH_BYTES]; /* where it is now; "" */
};

/* ---- systemd ------------------------------------------------------------------- */

/* The protocol of sd_notify(3): a datagram to the socket named in the environment. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path == NULL ? 0 : strlen(path);

	if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	rw_autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
			      (const struct sockaddr *)&address, size);
	(void)sent; /* a missed one is made up by the next */
}

static void feed_watchdog(void *context)
{
	struct collector *c = context;
	uint64_t now_ms = rw_clock_boot_ms();

	if (c->watchdog_every_ms == 0 || now_ms - c->watchdog_last_ms < c->watchdog_every_ms)
		return;
	c->watchdog_last_ms = now_ms;
	notify("WATCHDOG=1");
}

static uint64_t watchdog_every_ms(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t us;

	if (text == NULL || rw_units_parse_uint(text, &us) != 0 || us == 0)
		return 0;
	return us / 1000 / 3 + 1;
}

/* ---- certificates ------------------------------------------------------------------ */

static int make_context(const struct rw_collector_config *config, SSL_CTX **out,
			struct rw_identity *own, char error[RW_TLS_ERROR_BYTES])
{
	const struct rw_tls_files files = {
		.certificate = config->tls.certificate,
		.key = config->tls.key,
		.ca = config->tls.ca,
		.crl = config->tls.crl_given ? config->tls.crl : NULL,
	};
	int err = rw_tls_context(RW_TLS_COLLECTOR, &files, out, error);

	if (err != 0)
		return err;
	err = rw_tls_own_identity(*out, own, error);
	if (err == 0 && own->role != RW_IDENTITY_COLLECTOR) {
		snprintf(error, RW_TLS_ERROR_BYTES,
			 "the certificate is a host's, expected a collector's");
		err = -EINVAL;
	}
	if (err != 0) {
		SSL_CTX_free(*out);
		*out = NULL;
		return -EINVAL;
	}
	if (strcmp(own->name, config->name) != 0)
		rw_warning("event=certificate name=%s configured=%s note=\"the certificate is "
			   "another collector's\"",
			   own->name, config->name);
	return 0;
}

/* ---- signals ------------------------------------------------------------------------- */

static void reload_tokens(struct collector *c)
{
	char error[RW_API_ERROR_BYTES];

	if (rw_api_reload(c->api, error) == 0)
		rw_info("event=reload what=tokens result=done");
	else
		rw_error("event=reload what=tokens result=kept detail=\"%s\"", error);
}

/* Too large for a stack. */
struct loaded {
	struct rw_collector_config config;
	struct rw_policy policy;
};

static void reload_certificates(struct collector *c, const struct rw_collector_config *config)
{
	char error[RW_TLS_ERROR_BYTES];
	struct rw_identity own;
	SSL_CTX *context;

	if (make_context(config, &context, &own, error) != 0) {
		rw_error("event=reload what=certificates result=kept detail=\"%s\"", error);
		return;
	}
	/* Identities are read by it; live sessions were let in by the old one. */
	if (strcmp(own.trust_domain, c->trust_domain) != 0) {
		rw_error("event=reload what=certificates result=kept detail=\"the certificate's "
			 "trust domain is %s, it was %s: that takes a restart\"",
			 own.trust_domain, c->trust_domain);
		SSL_CTX_free(context);
		return;
	}
	rw_ingest_set_context(c->ingest, context);
	rw_info("event=reload what=certificates result=done");
}

static int load_inventory(const struct rw_collector_config *config, const struct rw_policy *policy,
			  struct rw_inventory **out, char error[RW_CONF_ERROR_BYTES])
{
	*out = NULL;
	return config->inventory_given ? rw_inventory_load(config->inventory, policy, out, error)
				       : 0;
}

static void read_inventory(uv_work_t *work)
{
	struct inventory_reload *reload = (struct inventory_reload *)work;

	reload->err = load_inventory(&reload->now, reload->policy, &reload->loaded, reload->error);
}

static void reload_inventory(struct collector *c, const struct rw_collector_config *config);

static void take_inventory(uv_work_t *work, int status)
{
	struct inventory_reload *reload = (struct inventory_reload *)work;
	struct collector *c = work->data;

	(void)status; /* it is never cancelled */
	reload->busy = false;
	if (!c->handles_open) {
		rw_inventory_free(reload->loaded);
	} else if (reload->err != 0) {
		rw_error("event=reload what=inventory result=kept detail=\"%s\"", reload->error);
	} else {
		rw_info("event=reload what=inventory result=done hosts=%u",
			reload->loaded == NULL ? 0 : (unsigned)rw_inventory_count(reload->loaded));
		rw_ingest_set_inventory(c->ingest, reload->loaded);
	}
	if (reload->again && c->handles_open)
		reload_inventory(c, &reload->next);
}

/* In another thread. Held against the policy that is judged by, which is the start's. */
static void reload_inventory(struct collector *c, const struct rw_collector_config *config)
{
	struct inventory_reload *reload = &c->inventory_reload;

	reload->again = reload->busy;
	if (reload->busy) {
		reload->next = *config;
		return;
	}
	reload->busy = true;
	reload->now = *config;
	reload->policy = &c->policy;
	reload->loaded = NULL;
	reload->work.data = c;
	uv_queue_work(&c->loop, &reload->work, read_inventory, take_inventory);
}

static int load_webhooks(const struct rw_collector_config *config, const struct rw_policy *policy,
			 struct rw_webhook_config **out, char error[RW_CONF_ERROR_BYTES])
{
	return rw_webhook_config_load(config->webhooks_given ? config->webhooks : NULL, policy, out,
				      error);
}

static void reload_webhooks(struct collector *c, const struct rw_collector_config *config)
{
	struct rw_webhook_config *loaded = NULL;
	char error[RW_CONF_ERROR_BYTES];

	int err = load_webhooks(config, &c->policy, &loaded, error);
	unsigned targets = err == 0 ? loaded->count : 0;
	if (err == 0 && rw_webhooks_set_config(c->webhooks, loaded) != 0) {
		snprintf(error, sizeof(error), "out of memory");
		err = -ENOMEM;
	}
	if (err != 0)
		rw_error("event=reload what=webhooks result=kept detail=\"%s\"", error);
	else
		rw_info("event=reload what=webhooks result=done targets=%u", targets);
}

/* The files in `out`; NULL when the API is plain. */
static const struct rw_api_tls_files *api_tls_files(const struct rw_collector_config *config,
						    struct rw_api_tls_files *out)
{
	const struct rw_collector_http_tls *tls = &config->http.tls;

	*out = (struct rw_api_tls_files){
		.certificate = tls->certificate,
		.key = tls->key,
		.client_ca = tls->client_ca_given ? tls->client_ca : NULL,
	};
	return config->http.tls_given ? out : NULL;
}

static void reload_api_tls(struct collector *c, const struct rw_collector_config *config)
{
	char error[RW_API_ERROR_BYTES];
	struct rw_api_tls_files files;

	if (rw_api_reload_tls(c->api, api_tls_files(config, &files), error) != 0)
		rw_error("event=reload what=http_tls result=kept detail=\"%s\"", error);
	else if (config->http.tls_given)
		rw_info("event=reload what=http_tls result=done");
}

static void reload_files(struct collector *c)
{
	rw_autofree struct loaded *loaded = calloc(1, sizeof(*loaded));
	char error[RW_CONF_ERROR_BYTES] = "out of memory";

	if (loaded == NULL || rw_collector_config_load(c->config_path, &loaded->config,
						       &loaded->policy, error) != 0) {
		rw_error("event=reload what=config result=kept detail=\"%s\"", error);
		return;
	}
	reload_certificates(c, &loaded->config);
	reload_api_tls(c, &loaded->config);
	reload_inventory(c, &loaded->config);
	reload_webhooks(c, &loaded->config);
	rw_info("event=reload what=policy result=kept detail=\"the policy is read at the start "
		"only\"");
}

static void on_reload(uv_signal_t *handle, int number)
{
	struct collector *c = handle->data;

	(void)number;
	reload_files(c);
	reload_tokens(c);
}

static void close_handles(struct collector *c)
{
	if (!c->handles_open)
		return;
	c->handles_open = false;
	uv_close((uv_handle_t *)&c->terminate, NULL);
	uv_close((uv_handle_t *)&c->interrupt, NULL);
	uv_close((uv_handle_t *)&c->reload, NULL);
	uv_close((uv_handle_t *)&c->drain, NULL);
	if (c->ingest != NULL)
		rw_ingest_close(c->ingest);
	rw_gasp_listener_close(c->gasp_listener);
	rw_webhooks_stop(c->webhooks);
	/* Commits what is queued. */
	rw_hub_close(c->hub);
}

static void look_at_drain(uv_timer_t *timer)
{
	struct collector *c = timer->data;

	if (rw_ingest_is_empty(c->ingest) || rw_clock_boot_ms() >= c->drain_until_ms)
		close_handles(c);
}

static void on_terminate(uv_signal_t *handle, int number)
{
	struct collector *c = handle->data;

	if (c->drain_until_ms != 0)
		return;
	rw_info("event=stopping signal=%d", number);
	notify("STOPPING=1");
	c->drain_until_ms = rw_clock_boot_ms() + DRAIN_MS;
	rw_hub_shut(c->hub);
	rw_ingest_drain(c->ingest);
	uv_timer_start(&c->drain, look_at_drain, 0, DRAIN_LOOK_MS);
}

static void open_handles(struct collector *c)
{
	uv_signal_init(&c->loop, &c->terminate);
	uv_signal_init(&c->loop, &c->interrupt);
	uv_signal_init(&c->loop, &c->reload);
	uv_timer_init(&c->loop, &c->drain);
	c->terminate.data = c->interrupt.data = c->reload.data = c->drain.data = c;
	c->handles_open = true;
}

/* ---- starting ----------------------------------------------------------------------------- */

/* One line, and what the program ends with. */
static int fail(enum rw_exit code, const char *what, const char *error)
{
	rw_error("event=start_failed what=%s detail=\"%s\"", what, error);
	return code;
}

static void raise_descriptors(struct collector *c)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	uint64_t room = limit.rlim_cur > 2 * (rlim_t)OTHER_DESCRIPTORS
				? limit.rlim_cur - OTHER_DESCRIPTORS
				: limit.rlim_cur / 2;
	if (c->config.quotas.sessions_max <= room)
		return;
	rw_warning(
		"event=limit what=sessions_max configured=%llu used=%llu note=\"the limit of open "
		"files is %llu\"",
		(unsigned long long)c->config.quotas.sessions_max, (unsigned long long)room,
		(unsigned long long)limit.rlim_cur);
	c->config.quotas.sessions_max = room;
}

/* Names are looked up here and not when it matters: then there may be no name service. */
static int find_witnesses(struct collector *c, struct sockaddr_storage out[RW_WITNESSES_MAX])
{
	char error[RW_HUB_ERROR_BYTES];

	for (uint32_t i = 0; i < c->config.witness_count; i++) {
		if (rw_ingest_resolve(c->config.witness[i], SOCK_STREAM, &out[i], error) != 0)
			return fail(RW_EXIT_UNAVAILABLE, "witness", error);
	}
	return RW_EXIT_OK;
}

/* What opening a store has failed with. */
static int fail_store(const struct collector *c, int err, const char *error)
{
	char line[RW_HUB_ERROR_BYTES + sizeof(c->config.store) + 128];

	if (err == -EUCLEAN) {
		snprintf(line, sizeof(line),
			 "%s; it is left as it is: restore a copy, or let this set it aside and "
			 "start "
			 "empty: "
			 "%s --config %s " SET_ASIDE_OPTION,
			 error, program, c->config_path);
		error = line;
	}
	return fail(err == -EINVAL   ? RW_EXIT_USAGE
		    : err == -ENOMEM ? RW_EXIT_INTERNAL
				     : RW_EXIT_STATE,
		    "store", error);
}

static int set_damaged_aside(struct collector *c)
{
	char error[RW_STORE_ERROR_BYTES], quoted[RW_LOG_QUOTED_BYTES];
	int err = rw_store_set_aside_damaged(c->config.store, c->set_aside, error);

	if (err != 0)
		return fail_store(c, err, error);
	if (c->set_aside[0] != '\0')
		rw_warning("event=store_set_aside path=%s moved_to=%s detail=%s "
			   "note=\"the collector starts empty\"",
			   c->config.store, c->set_aside, rw_log_quoted(error, quoted));
	else
		rw_info("event=store_set_aside path=%s result=kept note=\"it is not damaged\"",
			c->config.store);
	return RW_EXIT_OK;
}

/* So that the trail tells why it begins here. */
static void audit_set_aside(struct collector *c)
{
	struct rw_audit_row row = {
		.at_wall_ms = rw_clock_wall_ms(),
		.actor = "collector",
		.action = "store_set_aside",
		.subject = c->set_aside,
		.detail = "the store was damaged",
	};

	if (c->set_aside[0] != '\0')
		rw_hub_audit(c->hub, &row);
}

static int open_hub(struct collector *c)
{
	struct sockaddr_storage witnesses[RW_WITNESSES_MAX] = {0};
	int code = find_witnesses(c, witnesses);
	const struct rw_hub_config config = {
		.policy = &c->policy,
		.hosts_max = (uint32_t)c->config.quotas.hosts_max,
		.store_path = c->config.store,
		.retention_ms = c->config.retention_ms,
		.witnesses = witnesses,
		.witness_count = c->config.witness_count,
	};
	char error[RW_HUB_ERROR_BYTES] = "";

	if (code != RW_EXIT_OK)
		return code;
	int err = rw_hub_open(&c->loop, &config, &c->hub, error);

	if (err != 0)
		return fail_store(c, err, error);
	audit_set_aside(c);
	return RW_EXIT_OK;
}

static int open_webhooks(struct collector *c)
{
	char error[RW_STORE_ERROR_BYTES];
	struct rw_webhook_config *config = c->webhook_config;

	c->webhook_config = NULL;
	if (rw_webhooks_open(c->config.name, c->config.store, rw_hub_store(c->hub), config,
			     &c->webhooks, error) != 0)
		return fail(RW_EXIT_INTERNAL, "webhooks", error);
	rw_hub_set_webhooks(c->hub, c->webhooks);
	if (rw_webhooks_start(c->webhooks) != 0)
		return fail(RW_EXIT_INTERNAL, "webhooks", "no thread can be made");
	return RW_EXIT_OK;
}

static int open_ingest(struct collector *c)
{
	char error[RW_HUB_ERROR_BYTES];
	struct rw_identity own;
	SSL_CTX *context;
	int err = make_context(&c->config, &context, &own, error);

	if (err != 0)
		return fail(err == -EACCES ? RW_EXIT_PERMISSION : RW_EXIT_USAGE, "tls", error);
	snprintf(c->trust_domain, sizeof(c->trust_domain), "%s", own.trust_domain);
	const struct rw_ingest_config config = {
		.name = c->config.name,
		.listen = c->config.listen.sensors,
		.trust_domain = own.trust_domain,
		.context = context,
		.inventory = c->inventory,
		.events_burst = c->config.quotas.events_burst,
		.events_per_second = c->config.quotas.events_per_second,
		.sessions_max = c->config.quotas.sessions_max,
	};
	err = rw_ingest_open(c->hub, &config, &c->ingest, error);
	if (err == 0) {
		c->inventory = NULL;
		rw_hub_set_ingest(c->hub, c->ingest);
		rw_info("event=listening what=sensors addr=%s", rw_ingest_address(c->ingest));
		return RW_EXIT_OK;
	}
	SSL_CTX_free(context);
	return fail(err == -EACCES   ? RW_EXIT_PERMISSION
		    : err == -ENOMEM ? RW_EXIT_INTERNAL
				     : RW_EXIT_UNAVAILABLE,
		    "sensors", error);
}

static int open_gasp_listener(struct collector *c)
{
	char error[RW_HUB_ERROR_BYTES];

	if (!c->config.listen.netconsole_given)
		return RW_EXIT_OK;
	int err = rw_gasp_listener_open(c->hub, c->config.listen.netconsole, &c->gasp_listener,
					error);
	if (err == 0) {
		rw_hub_set_gasp_listener(c->hub, c->gasp_listener);
		rw_info("event=listening what=netconsole addr=%s",
			rw_gasp_listener_address(c->gasp_listener));
		return RW_EXIT_OK;
	}
	return fail(err == -EACCES   ? RW_EXIT_PERMISSION
		    : err == -ENOMEM ? RW_EXIT_INTERNAL
				     : RW_EXIT_UNAVAILABLE,
		    "netconsole", error);
}

static int open_api(struct collector *c)
{
	const char *hosts[RW_COLLECTOR_HOSTS_MAX];
	struct rw_api_tls_files files;
	const struct rw_api_config config = {
		.listen = c->config.listen.http,
		.name = c->config.name,
		.store_path = c->config.store,
		.tokens_file = c->config.tokens_file,
		.hosts = hosts,
		.host_count = c->config.http.host_count,
		.tls = api_tls_files(&c->config, &files),
	};

	for (uint32_t i = 0; i < config.host_count; i++)
		hosts[i] = c->config.http.hosts[i];
	char error[RW_API_ERROR_BYTES] = "";
	int err = rw_api_start(&config, c->hub, &c->api, error);

	if (err == 0) {
		const char *colon = strrchr(c->config.listen.http, ':');
		rw_info("event=listening what=http addr=%.*s:%u",
			(int)(colon - c->config.listen.http), c->config.listen.http,
			(unsigned)rw_api_port(c->api));
		return RW_EXIT_OK;
	}
	switch (err) {
	case -EADDRINUSE:
	case -EADDRNOTAVAIL:
		return fail(RW_EXIT_UNAVAILABLE, "http", error);
	case -EACCES:
	case -EPERM:
		return fail(RW_EXIT_PERMISSION, "http", error);
	case -EINVAL:
	case -ENOENT:
		return fail(RW_EXIT_USAGE, "http", error);
	default:
		return fail(RW_EXIT_INTERNAL, "http", error);
	}
}

static int start(struct collector *c)
{
	int code = c->sets_aside ? set_damaged_aside(c) : RW_EXIT_OK;

	if (code == RW_EXIT_OK)
		code = open_hub(c);
	if (code == RW_EXIT_OK)
		code = open_webhooks(c);
	if (code == RW_EXIT_OK)
		code = open_ingest(c);
	if (code == RW_EXIT_OK)
		code = open_gasp_listener(c);
	if (code == RW_EXIT_OK)
		code = open_api(c);
	if (code != RW_EXIT_OK)
		return code;
	uv_signal_start(&c->terminate, on_terminate, SIGTERM);
	uv_signal_start(&c->interrupt, on_terminate, SIGINT);
	uv_signal_start(&c->reload, on_reload, SIGHUP);
	c->watchdog_every_ms = watchdog_every_ms();
	rw_hub_on_tick(c->hub, feed_watchdog, c);
	rw_info("event=ready name=%s rings=%u hosts=%u deployments=%u", c->config.name,
		(unsigned)c->policy.ring_count, (unsigned)rw_core_host_count(rw_hub_core(c->hub)),
		(unsigned)rw_core_deployment_count(rw_hub_core(c->hub)));
	notify("READY=1");
	return RW_EXIT_OK;
}

static int run(struct collector *c)
{
	raise_descriptors(c);
	signal(SIGPIPE, SIG_IGN);
	if (rw_webhooks_global_init() != 0)
		return fail(RW_EXIT_INTERNAL, "webhooks", "libcurl cannot be set up");
	if (uv_loop_init(&c->loop) != 0)
		return fail(RW_EXIT_INTERNAL, "loop", "it cannot be made");
	open_handles(c);
	int code = start(c);
	if (code == RW_EXIT_OK)
		uv_run(&c->loop, UV_RUN_DEFAULT);
	else
		close_handles(c);
	if (c->api != NULL)
		rw_api_stop(c->api);
	uv_run(&c->loop, UV_RUN_DEFAULT); /* the rest of the closes */
	rw_ingest_free(c->ingest);
	rw_gasp_listener_free(c->gasp_listener);
	rw_hub_free(c->hub);
	rw_webhooks_free(c->webhooks);
	uv_loop_close(&c->loop);
	rw_inventory_free(c->inventory);
	rw_webhook_config_free(c->webhook_config);
	if (code == RW_EXIT_OK)
		rw_info("event=stopped");
	return code;
}

/* What --check-config reads beside the configuration; a start reads it where it is used. */
static int check_api_tls(const struct rw_collector_config *config, char error[RW_CONF_ERROR_BYTES])
{
	struct rw_api_tls_files files;
	struct rw_api_tls *tls = NULL;

	if (!config->http.tls_given)
		return 0;
	int err = rw_api_tls_load(api_tls_files(config, &files), &tls, error);
	rw_api_tls_release(tls);
	return err;
}

/* ---- the command line ------------------------------------------------------------------------ */

static void print_help(void)
{
	printf("usage: %s [--config FILE] [--log-level LEVEL] [--check-config]\n"
	       "       [" SET_ASIDE_OPTION "]\n"
	       "\n"
	       "Folds the hosts of each rollout ring into one verdict: proceed, hold or abort.\n"
	       "\n"
	       "  --config FILE      default %s\n"
	       "  --check-config     read configuration, policy, inventory, webhooks and the\n"
	       "                     API's keys, say what is wrong, end\n"
	       "  " SET_ASIDE_OPTION "\n"
	       "                     look through the store first; a damaged one is renamed, and\n"
	       "                     the collector starts with an empty one\n"
	       "  --log-level LEVEL  error, warning, info (default) or debug\n"
	       "  --version          program, schemas, revision\n"
	       "  --help             this\n"
	       "\n"
	       "SIGHUP reads certificates, inventory, webhooks and tokens again; SIGTERM ends in\n"
	       "good order.\n"
	       "Exit codes: 0 ended as asked, 2 configuration or usage, 69 port in use,\n"
	       "70 internal, 73 store cannot be opened, 77 permission.\n",
	       program, DEFAULT_CONFIG);
}

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "%s: %s%s%s; --help says how\n", program, what, value == NULL ? "" : ": ",
		value == NULL ? "" : value);
	return RW_EXIT_USAGE;
}

static void print_checked(const struct collector *c)
{
	printf("%s: good; %u rings in %s", c->config_path, (unsigned)c->policy.ring_count,
	       c->config.policy);
	if (c->inventory != NULL)
		printf(", %u hosts in %s", (unsigned)rw_inventory_count(c->inventory),
		       c->config.inventory);
	if (c->webhook_config != NULL && c->webhook_config->count > 0)
		printf(", %u webhooks in %s", (unsigned)c->webhook_config->count,
		       c->config.webhooks);
	putchar('\n');
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"check-config", no_argument, NULL, 'k'},
						{"log-level", required_argument, NULL, 'l'},
						{&SET_ASIDE_OPTION[2], no_argument, NULL, 's'},
						{"version", no_argument, NULL, 'v'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static struct collector collector = {.config_path = DEFAULT_CONFIG};
	char error[RW_CONF_ERROR_BYTES];
	enum rw_log_level level;
	bool check = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			collector.config_path = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'l':
			if (rw_log_parse_level(optarg, &level) != 0)
				return usage("--log-level is error, warning, info or debug, not",
					     optarg);
			rw_log_set_level(level);
			break;
		case 's':
			collector.sets_aside = true;
			break;
		case 'v':
			rw_version_print(program);
			return RW_EXIT_OK;
		case 'h':
			print_help();
			return RW_EXIT_OK;
		default:
			return RW_EXIT_USAGE; /* getopt has said what is wrong */
		}
	}
	if (optind < argc)
		return usage("unexpected argument", argv[optind]);
	if (rw_collector_config_load(collector.config_path, &collector.config, &collector.policy,
				     error) != 0 ||
	    load_inventory(&collector.config, &collector.policy, &collector.inventory, error) !=
		    0 ||
	    load_webhooks(&collector.config, &collector.policy, &collector.webhook_config, error) !=
		    0 ||
	    (check && check_api_tls(&collector.config, error) != 0)) {
		fprintf(stderr, "%s\n", error);
		return RW_EXIT_USAGE;
	}
	if (check) {
		print_checked(&collector);
		rw_inventory_free(collector.inventory);
		rw_webhook_config_free(collector.webhook_config);
		return RW_EXIT_OK;
	}
	return run(&collector);
}
