/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of ringwatch-fleet. */
#ifndef RINGWATCH_CTL_FLEET_OPTIONS_H
#define RINGWATCH_CTL_FLEET_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum {
	RW_FLEET_HOSTS_MAX = 50000,
	RW_FLEET_FATES_MAX = 16,  /* entries of --fate */
	RW_FLEET_PREFIX_MAX = 57, /* leaves room for "-00001" in a name */
	RW_FLEET_ERROR_BYTES = 256,
};

/* What befalls a host; see --help. */
enum rw_fleet_fate {
	RW_FATE_STEADY,
	RW_FATE_SILENT,
	RW_FATE_DROP,
	RW_FATE_GOODBYE,
	RW_FATE_OOPS,
	RW_FATE_PANIC_REBOOT,
	RW_FATE_FLOOD,
	RW_FATE_NONSENSE,
	RW_FATE_DRIBBLE,
	RW_FATE_UPDATE,
	RW_FATE_COUNT
};

const char *rw_fleet_fate_name(enum rw_fleet_fate fate); /* "panic-reboot" */

struct rw_fleet_fate_share {
	uint32_t count;
	enum rw_fleet_fate fate;
	uint64_t delay_ms; /* from the host's first Welcome */
};

/* "marker:driver=2.0" */
struct rw_fleet_version {
	char subject[RW_VERSION_SUBJECT_MAX + 1];
	const char *value;
};
struct rw_fleet_versions {
	uint32_t count;
	struct rw_fleet_version all[RW_VERSIONS_MAX]; /* each subject once */
};
/* The version of this subject, or NULL. */
const struct rw_fleet_version *rw_fleet_versions_find(const struct rw_fleet_versions *versions,
						      const char *subject);

struct rw_fleet_options {
	const char *collector; /* HOST:PORT or [V6]:PORT */
	const char *ca_certificate;
	const char *ca_key;
	const char *trust_domain;
	const char *ring;
	const char *prefix;
	const char *state;       /* NULL: none */
	const char *print_hosts; /* NULL: none */
	uint64_t hosts;
	uint64_t connect_rate;       /* new connections a second */
	uint64_t heartbeat_every_ms; /* 0: as Welcome says */
	uint64_t events_rate;        /* a second, over all hosts; 0: none */
	uint64_t duration_ms;        /* 0: until a signal */
	uint64_t seed;
	bool json;
	bool vanish; /* no goodbyes at the end */
	uint32_t fate_count;
	struct rw_fleet_fate_share fates[RW_FLEET_FATES_MAX];
	struct rw_fleet_versions reports; /* what all hosts run, */
	struct rw_fleet_versions updates; /* and in its place those that met that fate */
};

enum rw_fleet_order { RW_FLEET_RUN, RW_FLEET_HELP, RW_FLEET_VERSION };

/* 0 with what to do in *order, or -EINVAL with one line in `error`. The strings
 * are argv's. `out` is filled with defaults first. */
int rw_fleet_options_parse(int argc, char **argv, struct rw_fleet_options *out,
			   enum rw_fleet_order *order, char error[RW_FLEET_ERROR_BYTES]);

void rw_fleet_options_print_help(void);

#endif
