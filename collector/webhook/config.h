/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that `webhooks` of the collector's configuration names: who is told what. It and
 * the secrets that it names must be closed to others, for its URLs are secrets,
 * too. docs/man/ringwatch.yaml.5 describes the keys.
 */
#ifndef RINGWATCH_WEBHOOK_CONFIG_H
#define RINGWATCH_WEBHOOK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/core/policy.h"
#include "lib/conf.h"
#include "lib/name.h"

enum {
	RW_WEBHOOK_TARGETS_MAX = 16,
	RW_WEBHOOK_URL_BYTES = 1024,
	RW_WEBHOOK_SECRET_BYTES = 513,
	RW_WEBHOOK_HOST_BYTES = 272,
	RW_WEBHOOK_PATH_BYTES = 1024,
};

enum rw_webhook_body {
	RW_WEBHOOK_GENERIC,
	RW_WEBHOOK_SLACK,
	RW_WEBHOOK_PAGERDUTY,
	RW_WEBHOOK_HAWKBIT
};
const char *rw_webhook_body_name(enum rw_webhook_body body);

struct rw_webhook_target {
	char name[RW_NAME_MAX + 1];
	char url[RW_WEBHOOK_URL_BYTES];   /* with the placeholders, of hawkbit */
	char host[RW_WEBHOOK_HOST_BYTES]; /* of the URL, with its port: what may be shown */
	enum rw_webhook_body body;
	/* "" without */
	char signing_key[RW_WEBHOOK_SECRET_BYTES];
	char routing_key[RW_WEBHOOK_SECRET_BYTES];
	char authorization[RW_WEBHOOK_SECRET_BYTES]; /* the header's value */
	char ca[RW_WEBHOOK_PATH_BYTES];
	uint32_t ring_count; /* 0: of all rings */
	char rings[RW_CORE_RINGS_MAX][RW_NAME_MAX + 1];
	bool on_verdict, on_breaker;
};

struct rw_webhook_config {
	uint32_t count;
	struct rw_webhook_target targets[RW_WEBHOOK_TARGETS_MAX];
};

/*
 * 0 and a new *out, or negative errno with one line `FILE:LINE: key: …` in `error` (`FILE: …`
 * when no line is to blame). `path` NULL gives one without targets.
 */
int rw_webhook_config_load(const char *path, const struct rw_policy *policy,
			   struct rw_webhook_config **out, char error[RW_CONF_ERROR_BYTES]);
/* Wipes the secrets. NULL is fine. */
void rw_webhook_config_free(struct rw_webhook_config *config);

bool rw_webhook_target_wants_ring(const struct rw_webhook_target *target, const char *ring);

/*
 * Where to send what is told of this deployment: the target's URL, and of hawkbit with
 * `{deployment}` and `{number}` (the digits at the name's end) put in. False: the name ends
 * in no number, or the URL gets too long.
 */
bool rw_webhook_url(const struct rw_webhook_target *target, const char *deployment,
		    char out[RW_WEBHOOK_URL_BYTES]);

#endif
