/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's configuration and the policy file that it names. Every key
 * must stand in them; see config.c for the tables and docs/man/ringwatch.yaml.5
 * for what each means.
 */
#ifndef RINGWATCH_COLLECTOR_CONFIG_H
#define RINGWATCH_COLLECTOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/core/policy.h"
#include "lib/conf.h"
#include "lib/name.h"

enum {
	RW_COLLECTOR_PATH_BYTES = 1024,
	RW_COLLECTOR_ADDRESS_BYTES = 272,
	RW_COLLECTOR_WITNESSES_MAX = 8,
	RW_COLLECTOR_HOSTS_MAX = 16,
	RW_COLLECTOR_HOST_BYTES = 254, /* a DNS name */
};

struct rw_collector_config {
	char name[RW_NAME_MAX + 1];
	struct rw_collector_listen {
		char sensors[RW_COLLECTOR_ADDRESS_BYTES];
		char http[RW_COLLECTOR_ADDRESS_BYTES];
		char netconsole[RW_COLLECTOR_ADDRESS_BYTES];
		bool netconsole_given;
	} listen;
	struct rw_collector_tls {
		char certificate[RW_COLLECTOR_PATH_BYTES];
		char key[RW_COLLECTOR_PATH_BYTES];
		char ca[RW_COLLECTOR_PATH_BYTES];
		char crl[RW_COLLECTOR_PATH_BYTES];
		bool crl_given;
	} tls;
	char store[RW_COLLECTOR_PATH_BYTES];
	char tokens_file[RW_COLLECTOR_PATH_BYTES];
	char inventory[RW_COLLECTOR_PATH_BYTES];
	bool inventory_given;
	char webhooks[RW_COLLECTOR_PATH_BYTES];
	bool webhooks_given;
	char witness[RW_COLLECTOR_WITNESSES_MAX][RW_COLLECTOR_ADDRESS_BYTES];
	uint32_t witness_count;
	bool witness_given;
	struct rw_timing timing;
	uint64_t retention_ms; /* 0: events are kept */
	struct rw_collector_quotas {
		uint64_t events_burst;
		uint64_t events_per_second;
		uint64_t sessions_max;
		uint64_t hosts_max;
	} quotas;
	struct rw_collector_http {
		struct rw_collector_http_tls {
			char certificate[RW_COLLECTOR_PATH_BYTES];
			char key[RW_COLLECTOR_PATH_BYTES];
			char client_ca[RW_COLLECTOR_PATH_BYTES];
			bool client_ca_given;
		} tls;
		bool tls_given;
		/* names that the Host header may give, beside those that are known anyhow */
		char hosts[RW_COLLECTOR_HOSTS_MAX][RW_COLLECTOR_HOST_BYTES];
		uint32_t host_count;
	} http;
	char policy[RW_COLLECTOR_PATH_BYTES];
};

/*
 * Loads both files. 0, or negative errno with one line `FILE:LINE: key: …` in
 * `error`; both outputs are untouched then. The policy's rings come sorted by
 * order and with the timing of the collector's file.
 */
int rw_collector_config_load(const char *path, struct rw_collector_config *out,
			     struct rw_policy *policy, char error[RW_CONF_ERROR_BYTES]);

/* The policy file alone, judged with this timing. Errors as above. */
int rw_policy_load(const char *path, const struct rw_timing *timing, struct rw_policy *out,
		   char error[RW_CONF_ERROR_BYTES]);

#endif
