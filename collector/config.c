/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the collector's and the policy's keys, and the checks that
 * reach across keys and files.
 */
#include "collector/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/core.h"
#include "lib/cleanup.h"
#include "lib/version.h"
#include "proto/wire.h"

enum {
	SECOND_MS = 1000,
	HOUR_MS = 60 * 60 * SECOND_MS,
	CRASH_KINDS_MAX = 32, /* all kinds that there are, and some */
	ORDER_MAX = 1000000,
};

/* The core does not include the wire. */
_Static_assert((int)RW_CORE_KIND_UNEXPECTED_REBOOT ==
			       (int)RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT &&
		       (int)RW_CORE_KIND_MODULE_LOAD_FAILED ==
			       (int)RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED,
	       "the core and the wire number the kinds alike");

/* ---- the collector's file ---------------------------------------------------- */

#define TIMING(field, key, least)                                                                  \
	{                                                                                          \
		.name = (key), .type = RW_CONF_DURATION,                                           \
		.offset = offsetof(struct rw_timing, field), .size = sizeof(uint64_t),             \
		.min = (least), .max = UINT64_MAX                                                  \
	}

#define TLS_FILE(field)                                                                            \
	{                                                                                          \
		.name = #field, .type = RW_CONF_PATH,                                              \
		.offset = offsetof(struct rw_collector_tls, field),                                \
		.size = RW_COLLECTOR_PATH_BYTES                                                    \
	}

#define QUOTA(field, highest)                                                                      \
	{                                                                                          \
		.name = #field, .type = RW_CONF_UINT,                                              \
		.offset = offsetof(struct rw_collector_quotas, field), .size = sizeof(uint64_t),   \
		.min = 1, .max = (highest)                                                         \
	}

static const struct rw_conf_key listen_keys[] = {
	{.name = "sensors",
	 .type = RW_CONF_ADDRESS,
	 .offset = offsetof(struct rw_collector_listen, sensors),
	 .size = RW_COLLECTOR_ADDRESS_BYTES},
	{.name = "http",
	 .type = RW_CONF_ADDRESS,
	 .offset = offsetof(struct rw_collector_listen, http),
	 .size = RW_COLLECTOR_ADDRESS_BYTES},
	{.name = "netconsole",
	 .type = RW_CONF_ADDRESS,
	 .offset = offsetof(struct rw_collector_listen, netconsole),
	 .size = RW_COLLECTOR_ADDRESS_BYTES,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_collector_listen, netconsole_given)},
	{.name = NULL},
};

static const struct rw_conf_key tls_keys[] = {
	TLS_FILE(certificate),
	TLS_FILE(key),
	TLS_FILE(ca),
	{.name = "crl",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_collector_tls, crl),
	 .size = RW_COLLECTOR_PATH_BYTES,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_collector_tls, crl_given)},
	{.name = NULL},
};

static const struct rw_conf_key timing_keys[] = {
	TIMING(heartbeat_every_ms, "heartbeat_every", 100),
	TIMING(suspect_after_ms, "suspect_after", 200),
	TIMING(offline_after_ms, "offline_after", 400),
	TIMING(max_planned_ms, "max_planned", SECOND_MS),
	TIMING(power_off_grace_ms, "power_off_grace", SECOND_MS),
	{.name = "retire_after",
	 .type = RW_CONF_DURATION,
	 .offset = offsetof(struct rw_timing, retire_after_ms),
	 .size = sizeof(uint64_t),
	 .min = SECOND_MS,
	 .max = UINT64_MAX,
	 .none_allowed = true},
	{.name = NULL},
};

static const struct rw_conf_key quota_keys[] = {
	QUOTA(events_burst, 1000000),
	QUOTA(events_per_second, 1000000),
	QUOTA(sessions_max, 1000000),
	QUOTA(hosts_max, RW_CORE_HOSTS_MAX_DEFAULT),
	{.name = NULL},
};

static const struct rw_conf_key witness_key = {
	.name = "", .type = RW_CONF_ADDRESS, .size = RW_COLLECTOR_ADDRESS_BYTES};

#define HTTP_TLS_FILE(field)                                                                       \
	{                                                                                          \
		.name = #field, .type = RW_CONF_PATH,                                              \
		.offset = offsetof(struct rw_collector_http_tls, field),                           \
		.size = RW_COLLECTOR_PATH_BYTES                                                    \
	}

static const struct rw_conf_key http_tls_keys[] = {
	HTTP_TLS_FILE(certificate),
	HTTP_TLS_FILE(key),
	{.name = "client_ca",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_collector_http_tls, client_ca),
	 .size = RW_COLLECTOR_PATH_BYTES,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_collector_http_tls, client_ca_given)},
	{.name = NULL},
};

static const struct rw_conf_key http_host_key = {
	.name = "", .type = RW_CONF_STRING, .size = RW_COLLECTOR_HOST_BYTES};

static const struct rw_conf_key http_keys[] = {
	{.name = "tls",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_collector_http, tls),
	 .children = http_tls_keys,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_collector_http, tls_given)},
	{.name = "hosts",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct rw_collector_http, hosts),
	 .size = RW_COLLECTOR_HOST_BYTES,
	 .element = &http_host_key,
	 .count_offset = offsetof(struct rw_collector_http, host_count),
	 .count_max = RW_COLLECTOR_HOSTS_MAX},
	{.name = NULL},
};

static const struct rw_conf_key collector_keys[] = {
	{.name = "name",
	 .type = RW_CONF_NAME,
	 .offset = offsetof(struct rw_collector_config, name),
	 .size = RW_NAME_MAX + 1},
	{.name = "listen",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_collector_config, listen),
	 .children = listen_keys},
	{.name = "tls",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_collector_config, tls),
	 .children = tls_keys},
	{.name = "store",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_collector_config, store),
	 .size = RW_COLLECTOR_PATH_BYTES},
	{.name = "tokens_file",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_collector_config, tokens_file),
	 .size = RW_COLLECTOR_PATH_BYTES},
	{.name = "inventory",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_collector_config, inventory),
	 .size = RW_COLLECTOR_PATH_BYTES,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_collector_config, inventory_given)},
	{.name = "webhooks",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_collector_config, webhooks),
	 .size = RW_COLLECTOR_PATH_BYTES,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_collector_config, webhooks_given)},
	{.name = "witness",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct rw_collector_config, witness),
	 .size = RW_COLLECTOR_ADDRESS_BYTES,
	 .element = &witness_key,
	 .count_offset = offsetof(struct rw_collector_config, witness_count),
	 .count_min = 1,
	 .count_max = RW_COLLECTOR_WITNESSES_MAX,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_collector_config, witness_given)},
	{.name = "timing",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_collector_config, timing),
	 .children = timing_keys},
	{.name = "retention",
	 .type = RW_CONF_DURATION,
	 .offset = offsetof(struct rw_collector_config, retention_ms),
	 .size = sizeof(uint64_t),
	 .min = HOUR_MS,
	 .max = UINT64_MAX,
	 .none_allowed = true},
	{.name = "quotas",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_collector_config, quotas),
	 .children = quota_keys},
	{.name = "http",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_collector_config, http),
	 .children = http_keys},
	{.name = "policy",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_collector_config, policy),
	 .size = RW_COLLECTOR_PATH_BYTES},
	{.name = NULL},
};

/* ---- the policy file --------------------------------------------------------- */

struct raw_limit {
	uint32_t ppm;
	bool given;
};

enum { OPEN_ON_LIMIT, OPEN_ON_EVIDENCE };
static const char *const open_on_choices[] = {"limit", "evidence", NULL};

/* A ring as it stands in the file. */
struct raw_ring {
	char name[RW_NAME_MAX + 1];
	uint64_t order;
	uint64_t bake_ms;
	uint32_t steps[RW_CORE_STEPS_MAX];
	uint32_t step_count;
	bool steps_given;
	uint32_t fleet_share_ppm;
	uint64_t heartbeat_every_ms;
	struct {
		struct raw_limit offline, crashed, module_failed, failed;
	} limits;
	uint64_t least_hosts;
	uint32_t min_coverage_ppm;
	uint32_t min_exposed_ppm;
	uint32_t open_on;
	char crash_kinds[CRASH_KINDS_MAX][RW_NAME_MAX + 1];
	uint32_t crash_kind_count;
};

struct raw_policy {
	uint32_t ring_count;
	struct raw_ring rings[RW_CORE_RINGS_MAX];
};

#define LIMIT(field)                                                                               \
	{                                                                                          \
		.name = #field, .type = RW_CONF_RATIO,                                             \
		.offset = offsetof(struct raw_ring, limits.field.ppm) -                            \
			  offsetof(struct raw_ring, limits),                                       \
		.size = sizeof(uint32_t), .max = RW_PPM, .none_allowed = true,                     \
		.present_offset = offsetof(struct raw_ring, limits.field.given) -                  \
				  offsetof(struct raw_ring, limits)                                \
	}

static const struct rw_conf_key limit_keys[] = {
	LIMIT(offline), LIMIT(crashed), LIMIT(module_failed), LIMIT(failed), {.name = NULL},
};

static const struct rw_conf_key step_key = {
	.name = "", .type = RW_CONF_RATIO, .size = sizeof(uint32_t), .min = 1, .max = RW_PPM};

static const struct rw_conf_key crash_kind_key = {
	.name = "", .type = RW_CONF_NAME, .size = RW_NAME_MAX + 1};

static const struct rw_conf_key ring_keys[] = {
	{.name = "name",
	 .type = RW_CONF_NAME,
	 .offset = offsetof(struct raw_ring, name),
	 .size = RW_NAME_MAX + 1},
	{.name = "order",
	 .type = RW_CONF_UINT,
	 .offset = offsetof(struct raw_ring, order),
	 .size = sizeof(uint64_t),
	 .max = ORDER_MAX},
	{.name = "bake",
	 .type = RW_CONF_DURATION,
	 .offset = offsetof(struct raw_ring, bake_ms),
	 .size = sizeof(uint64_t),
	 .min = 1,
	 .max = UINT64_MAX},
	{.name = "steps",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct raw_ring, steps),
	 .size = sizeof(uint32_t),
	 .element = &step_key,
	 .count_offset = offsetof(struct raw_ring, step_count),
	 .count_min = 1,
	 .count_max = RW_CORE_STEPS_MAX,
	 .none_allowed = true,
	 .present_offset = offsetof(struct raw_ring, steps_given)},
	{.name = "fleet_share",
	 .type = RW_CONF_RATIO,
	 .offset = offsetof(struct raw_ring, fleet_share_ppm),
	 .size = sizeof(uint32_t),
	 .min = 1,
	 .max = RW_PPM,
	 .none_allowed = true},
	{.name = "heartbeat_every",
	 .type = RW_CONF_DURATION,
	 .offset = offsetof(struct raw_ring, heartbeat_every_ms),
	 .size = sizeof(uint64_t),
	 .min = 100,
	 .max = UINT64_MAX,
	 .none_allowed = true},
	{.name = "limits",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct raw_ring, limits),
	 .children = limit_keys},
	{.name = "least_hosts",
	 .type = RW_CONF_UINT,
	 .offset = offsetof(struct raw_ring, least_hosts),
	 .size = sizeof(uint64_t),
	 .min = 1,
	 .max = RW_CORE_HOSTS_MAX_DEFAULT},
	{.name = "min_coverage",
	 .type = RW_CONF_RATIO,
	 .offset = offsetof(struct raw_ring, min_coverage_ppm),
	 .size = sizeof(uint32_t),
	 .max = RW_PPM},
	{.name = "min_exposed",
	 .type = RW_CONF_RATIO,
	 .offset = offsetof(struct raw_ring, min_exposed_ppm),
	 .size = sizeof(uint32_t),
	 .max = RW_PPM},
	{.name = "open_on",
	 .type = RW_CONF_ENUM,
	 .offset = offsetof(struct raw_ring, open_on),
	 .size = sizeof(uint32_t),
	 .choices = open_on_choices},
	{.name = "crash_kinds",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct raw_ring, crash_kinds),
	 .size = RW_NAME_MAX + 1,
	 .element = &crash_kind_key,
	 .count_offset = offsetof(struct raw_ring, crash_kind_count),
	 .count_min = 1,
	 .count_max = CRASH_KINDS_MAX},
	{.name = NULL},
};

static const struct rw_conf_key ring_key = {
	.name = "", .type = RW_CONF_MAP, .size = sizeof(struct raw_ring), .children = ring_keys};

static const struct rw_conf_key policy_keys[] = {
	{.name = "rings",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct raw_policy, rings),
	 .size = sizeof(struct raw_ring),
	 .element = &ring_key,
	 .count_offset = offsetof(struct raw_policy, ring_count),
	 .count_min = 1,
	 .count_max = RW_CORE_RINGS_MAX},
	{.name = NULL},
};

/* ---- across keys ---------------------------------------------------------------- */

static int complain_of_ring(const char *path, uint32_t index, const char *key,
			    const char *complaint, char error[RW_CONF_ERROR_BYTES])
{
	char name[96];

	if (key[0] == '\0')
		snprintf(name, sizeof(name), "rings[%u]", (unsigned)index);
	else
		snprintf(name, sizeof(name), "rings[%u].%s", (unsigned)index, key);
	return rw_conf_complain(path, name, error, "%s", complaint);
}

static int take_crash_kinds(const char *path, uint32_t index, const struct raw_ring *raw,
			    struct rw_ring_policy *ring, char error[RW_CONF_ERROR_BYTES])
{
	for (uint32_t i = 0; i < raw->crash_kind_count; i++) {
		Ringwatch__V1__Kind kind;
		char key[32], complaint[192];

		/* a log excerpt is no happening */
		if (rw_kind_parse(raw->crash_kinds[i], &kind) == 0 &&
		    kind != RINGWATCH__V1__KIND__KIND_LOG_EXCERPT) {
			uint32_t bit = 1u << (unsigned)kind;
			if ((ring->crash_kinds & bit) == 0) {
				ring->crash_kinds |= bit;
				continue;
			}
			snprintf(complaint, sizeof(complaint), "'%s' stands twice, expected once",
				 raw->crash_kinds[i]);
		} else {
			snprintf(complaint, sizeof(complaint),
				 "'%s' is no kind of event that happens to a host, expected one "
				 "such as oops, panic, hard_lockup or unexpected_reboot",
				 raw->crash_kinds[i]);
		}
		snprintf(key, sizeof(key), "crash_kinds[%u]", (unsigned)i);
		return complain_of_ring(path, index, key, complaint, error);
	}
	return 0;
}

static struct rw_limit take_limit(const struct raw_limit *raw)
{
	return (struct rw_limit){.judged = raw->given, .ppm = raw->given ? raw->ppm : 0};
}

static int take_ring(const char *path, uint32_t index, const struct raw_ring *raw,
		     struct rw_ring_policy *ring, char error[RW_CONF_ERROR_BYTES])
{
	_Static_assert(sizeof(ring->name) == sizeof(raw->name), "names are equally long");
	memcpy(ring->name, raw->name, sizeof(ring->name));
	ring->order = (uint32_t)raw->order;
	ring->bake_ms = raw->bake_ms;
	ring->step_count = raw->steps_given ? raw->step_count : 1;
	ring->step_ppm[0] = RW_PPM;
	for (uint32_t i = 0; raw->steps_given && i < raw->step_count; i++)
		ring->step_ppm[i] = raw->steps[i];
	ring->fleet_share_ppm = raw->fleet_share_ppm;
	ring->heartbeat_every_ms = raw->heartbeat_every_ms;
	ring->limits[RW_RULE_OFFLINE] = take_limit(&raw->limits.offline);
	ring->limits[RW_RULE_CRASHED] = take_limit(&raw->limits.crashed);
	ring->limits[RW_RULE_MODULE_FAILED] = take_limit(&raw->limits.module_failed);
	ring->limits[RW_RULE_FAILED] = take_limit(&raw->limits.failed);
	ring->least_hosts = (uint32_t)raw->least_hosts;
	ring->min_coverage_ppm = raw->min_coverage_ppm;
	ring->min_exposed_ppm = raw->min_exposed_ppm;
	ring->open_on_evidence = raw->open_on == OPEN_ON_EVIDENCE;
	return take_crash_kinds(path, index, raw, ring, error);
}

/* Sorts by order; `place` says where in the file each ring stood. */
static void sort_rings(struct rw_policy *policy, uint32_t place[RW_CORE_RINGS_MAX])
{
	for (uint32_t i = 0; i < policy->ring_count; i++) {
		struct rw_ring_policy ring = policy->rings[i];
		uint32_t j = i;

		for (; j > 0 && policy->rings[j - 1].order > ring.order; j--) {
			policy->rings[j] = policy->rings[j - 1];
			place[j] = place[j - 1];
		}
		policy->rings[j] = ring;
		place[j] = i;
	}
}

/* Too large for a stack. */
struct policy_work {
	struct raw_policy raw;
	struct rw_policy policy;
};

static int load_policy(const char *config_path, const struct rw_collector_config *config,
		       struct rw_policy *out, char error[RW_CONF_ERROR_BYTES])
{
	rw_autofree struct policy_work *work = calloc(1, sizeof(*work));
	uint32_t place[RW_CORE_RINGS_MAX] = {0};
	int guilty;

	if (work == NULL) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%.256s: out of memory", config->policy);
		return -ENOMEM;
	}
	struct raw_policy *raw = &work->raw;
	struct rw_policy *policy = &work->policy;
	int err = rw_conf_load(config->policy, RW_CONFIG_SCHEMA, policy_keys, raw, sizeof(*raw),
			       error);
	for (uint32_t i = 0; err == 0 && i < raw->ring_count; i++)
		err = take_ring(config->policy, i, &raw->rings[i], &policy->rings[i], error);
	if (err != 0)
		return err;
	policy->ring_count = raw->ring_count;
	policy->timing = config->timing;
	policy->has_witness = config->witness_given;
	sort_rings(policy, place);

	const char *fault = rw_policy_fault(policy, &guilty);
	if (fault == NULL) {
		*out = *policy;
		return 0;
	}
	if (guilty < 0)
		return rw_conf_complain(config_path, "timing", error, "%s", fault);
	return complain_of_ring(config->policy, place[guilty], "", fault, error);
}

int rw_policy_load(const char *path, const struct rw_timing *timing, struct rw_policy *out,
		   char error[RW_CONF_ERROR_BYTES])
{
	rw_autofree struct rw_collector_config *config = calloc(1, sizeof(*config));

	if (config == NULL || strlen(path) >= sizeof(config->policy)) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%.256s: %s", path,
			 config == NULL ? "out of memory" : "the path is too long");
		return config == NULL ? -ENOMEM : -ENAMETOOLONG;
	}
	memcpy(config->policy, path, strlen(path) + 1);
	config->timing = *timing;
	return load_policy(path, config, out, error);
}

/* Port 0 is for those who listen; one address asked twice is one witness less than it seems. */
static int check_witnesses(const char *path, const struct rw_collector_config *config,
			   char error[RW_CONF_ERROR_BYTES])
{
	char key[32];

	for (uint32_t i = 0; i < config->witness_count; i++) {
		const char *address = config->witness[i];

		snprintf(key, sizeof(key), "witness[%u]", (unsigned)i);
		if (strcmp(strrchr(address, ':'), ":0") == 0)
			return rw_conf_complain(path, key, error,
						"'%s' has port 0, expected 1 to 65535", address);
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(config->witness[j], address) == 0)
				return rw_conf_complain(path, key, error,
							"'%s' stands twice, expected once",
							address);
		}
	}
	return 0;
}

/* As a Host header has it, without a port. An address needs no name here. */
static bool is_host_name(const char *text)
{
	return text[0] != '.' && text[0] != '-' &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-")] == '\0';
}

static int check_hosts(const char *path, const struct rw_collector_http *http,
		       char error[RW_CONF_ERROR_BYTES])
{
	char key[32];

	for (uint32_t i = 0; i < http->host_count; i++) {
		if (is_host_name(http->hosts[i]))
			continue;
		snprintf(key, sizeof(key), "http.hosts[%u]", (unsigned)i);
		return rw_conf_complain(path, key, error,
					"'%s' is no name, expected one such as "
					"ringwatch.example.net, without a port",
					http->hosts[i]);
	}
	return 0;
}

int rw_collector_config_load(const char *path, struct rw_collector_config *out,
			     struct rw_policy *policy, char error[RW_CONF_ERROR_BYTES])
{
	rw_autofree struct rw_collector_config *config = calloc(1, sizeof(*config));

	if (config == NULL) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%s: out of memory", path);
		return -ENOMEM;
	}
	int err = rw_conf_load(path, RW_CONFIG_SCHEMA, collector_keys, config, sizeof(*config),
			       error);
	if (err == 0)
		err = check_witnesses(path, config, error);
	if (err == 0)
		err = check_hosts(path, &config->http, error);
	if (err == 0)
		err = load_policy(path, config, policy, error);
	if (err == 0)
		*out = *config;
	return err;
}
