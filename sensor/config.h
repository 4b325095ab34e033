/* SPDX-License-Identifier: Apache-2.0 */
/* The sensor's configuration file; every key must stand in it, see config.c. */
#ifndef RINGWATCH_SENSOR_CONFIG_H
#define RINGWATCH_SENSOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/name.h"

enum {
	RW_SENSOR_PATH_BYTES = 1024,
	RW_SENSOR_ADDRESS_BYTES = 272,
	RW_SENSOR_COLLECTORS_MAX = 8,
	RW_SENSOR_AGE_LEAST_MS = 60000, /* of spool.max_age */
};

struct rw_sensor_config {
	char host_id[RW_NAME_MAX + 1];
	bool host_id_given; /* false: take it from the certificate */
	uint32_t collector_count;
	char collectors[RW_SENSOR_COLLECTORS_MAX][RW_SENSOR_ADDRESS_BYTES];
	struct {
		char certificate[RW_SENSOR_PATH_BYTES];
		char key[RW_SENSOR_PATH_BYTES];
		char ca[RW_SENSOR_PATH_BYTES];
		char crl[RW_SENSOR_PATH_BYTES];
		bool crl_given;
	} tls;
	char state_dir[RW_SENSOR_PATH_BYTES];
	struct {
		uint64_t max_bytes;
		uint64_t max_age_ms;
		bool max_age_given;
	} spool;
	char markers_dir[RW_SENSOR_PATH_BYTES];
	bool markers_dir_given;
	char netconsole[RW_SENSOR_ADDRESS_BYTES];
	bool netconsole_given;
};

/* 0, or negative errno with one line `FILE:LINE: key: …` in `error`. */
int rw_sensor_config_load(const char *path, struct rw_sensor_config *out,
			  char error[RW_CONF_ERROR_BYTES]);

#endif
