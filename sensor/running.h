/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running sensor's parts, as start.c sets them up and sensor.c runs them;
 * for these two alone. One thread owns all of it; the keeper has one of its own
 * for the disk.
 */
#ifndef RINGWATCH_SENSOR_RUNNING_H
#define RINGWATCH_SENSOR_RUNNING_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/events/fold.h"
#include "lib/spiffe.h"
#include "sensor/config.h"
#include "sensor/counters.h"
#include "sensor/coverage.h"
#include "sensor/drill.h"
#include "sensor/evidence.h"
#include "sensor/keeper.h"
#include "sensor/kmsg.h"
#include "sensor/lastboot.h"
#include "sensor/netconsole.h"
#include "sensor/options.h"
#include "sensor/probes.h"
#include "sensor/safestart.h"
#include "sensor/uplink.h"
#include "sensor/versions.h"

struct rw_sensor {
	const struct rw_sensor_options *options;
	struct rw_sensor_config config;
	struct rw_identity identity;
	SSL_CTX *tls;
	int signal_fd;
	struct rw_keeper *keeper;
	struct rw_boot_state state;
	struct rw_safe_start safe;
	struct rw_counters *counters;
	struct rw_events *events;
	struct rw_evidence *evidence;
	struct rw_kmsg *kmsg;
	struct rw_netconsole *netconsole;
	struct rw_drill *drill;
	struct rw_probes *probes;
	struct rw_versions *versions;
	struct rw_uplink *uplink;
	bool terminate;
	bool reload;
	uint64_t left_off_ms; /* in this boot, by an earlier life; UINT64_MAX: there was none */
	uint64_t saved_ms;    /* when the state was */
	uint64_t next_alive_ms;
	uint64_t watchful_until_ms;
	uint64_t next_counters_ms;
	uint64_t next_versions_ms;
	uint64_t next_look_ms;
	uint64_t busy_until_ms;
	uint64_t trim_ms;       /* when to give memory back; UINT64_MAX: not soon */
	uint64_t said_sequence; /* up to here it was said that events are kept */
	uint64_t lost_reported;
	uint64_t next_lost_ms;
	uint32_t coverage_count;
	struct rw_uplink_coverage coverage[RW_COVERAGE_MAX];
};

struct rw_events_time rw_sensor_now(void);

/* Sets all up. An exit code, after one line on stderr when it is not 0; what was
 * begun is released by rw_sensor_release. */
int rw_sensor_start(struct rw_sensor *sensor);
void rw_sensor_release(struct rw_sensor *sensor);

/* ---- sensor.c, for start.c: where the sources and the fold lead ---------------- */

void rw_sensor_on_record(void *context, const struct rw_record *record);
void rw_sensor_on_line(void *context, const struct rw_kmsg_record *record, bool backlog);
void rw_sensor_on_user_line(void *context, const struct rw_kmsg_record *record, bool backlog);
void rw_sensor_on_event(void *context, struct rw_event *event, uint64_t log_position,
			uint64_t token);
void rw_sensor_on_log(void *context, uint64_t token, uint64_t first, uint64_t last);

void rw_sensor_read_log(struct rw_sensor *sensor);
void rw_sensor_save_state(struct rw_sensor *sensor);
/* False when it could not be kept. */
bool rw_sensor_keep(struct rw_sensor *sensor, struct rw_event *event, uint64_t log_position);
/* An event of the sensor's own about this boot: EVENTS_LOST, SAFE_START or DRILL. */
void rw_sensor_own_event(const struct rw_sensor *sensor, struct rw_event *event,
			 Ringwatch__V1__Kind kind, Ringwatch__V1__Severity severity,
			 const char *signature);

#endif
