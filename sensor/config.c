/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the sensor's keys. */
#include "sensor/config.h"

#include <stddef.h>
#include <string.h>

#include "lib/version.h"
#include "sensor/netconsole.h"
#include "sensor/spool.h"

static const struct rw_conf_key address_key = {
	.name = "", .type = RW_CONF_ADDRESS, .size = RW_SENSOR_ADDRESS_BYTES};

#define TLS_PATH(field)                                                                            \
	.name = #field, .type = RW_CONF_PATH,                                                      \
	.offset = offsetof(struct rw_sensor_config, tls.field) -                                   \
		  offsetof(struct rw_sensor_config, tls),                                          \
	.size = RW_SENSOR_PATH_BYTES

static const struct rw_conf_key tls_keys[] = {
	{TLS_PATH(certificate)},
	{TLS_PATH(key)},
	{TLS_PATH(ca)},
	{TLS_PATH(crl), .none_allowed = true,
	 .present_offset = offsetof(struct rw_sensor_config, tls.crl_given) -
			   offsetof(struct rw_sensor_config, tls)},
	{.name = NULL},
};

static const struct rw_conf_key spool_keys[] = {
	{.name = "max_bytes",
	 .type = RW_CONF_BYTES,
	 .offset = 0,
	 .size = sizeof(uint64_t),
	 .min = RW_SPOOL_BYTES_MIN,
	 .max = RW_SPOOL_BYTES_MAX},
	{.name = "max_age",
	 .type = RW_CONF_DURATION,
	 .offset = offsetof(struct rw_sensor_config, spool.max_age_ms) -
		   offsetof(struct rw_sensor_config, spool),
	 .size = sizeof(uint64_t),
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_sensor_config, spool.max_age_given) -
			   offsetof(struct rw_sensor_config, spool),
	 .min = RW_SENSOR_AGE_LEAST_MS,
	 .max = UINT64_MAX},
	{.name = NULL},
};

static const struct rw_conf_key keys[] = {
	{.name = "host_id",
	 .type = RW_CONF_NAME,
	 .offset = offsetof(struct rw_sensor_config, host_id),
	 .size = RW_NAME_MAX + 1},
	{.name = "collectors",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct rw_sensor_config, collectors),
	 .size = RW_SENSOR_ADDRESS_BYTES,
	 .element = &address_key,
	 .count_offset = offsetof(struct rw_sensor_config, collector_count),
	 .count_min = 1,
	 .count_max = RW_SENSOR_COLLECTORS_MAX},
	{.name = "tls",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_sensor_config, tls),
	 .children = tls_keys},
	{.name = "state_dir",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_sensor_config, state_dir),
	 .size = RW_SENSOR_PATH_BYTES},
	{.name = "spool",
	 .type = RW_CONF_MAP,
	 .offset = offsetof(struct rw_sensor_config, spool),
	 .children = spool_keys},
	{.name = "markers_dir",
	 .type = RW_CONF_PATH,
	 .offset = offsetof(struct rw_sensor_config, markers_dir),
	 .size = RW_SENSOR_PATH_BYTES,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_sensor_config, markers_dir_given)},
	{.name = "netconsole",
	 .type = RW_CONF_STRING,
	 .offset = offsetof(struct rw_sensor_config, netconsole),
	 .size = RW_SENSOR_ADDRESS_BYTES,
	 .none_allowed = true,
	 .present_offset = offsetof(struct rw_sensor_config, netconsole_given)},
	{.name = NULL},
};

static bool has_no_port(const char *address)
{
	return strcmp(strrchr(address, ':'), ":0") == 0;
}

int rw_sensor_config_load(const char *path, struct rw_sensor_config *out,
			  char error[RW_CONF_ERROR_BYTES])
{
	static const char no_port[] = "port 0 cannot be connected to, expected 1 to 65535";
	struct rw_sensor_config config;
	int err = rw_conf_load(path, RW_CONFIG_SCHEMA, keys, &config, sizeof(config), error);

	if (err != 0)
		return err;
	struct rw_netconsole_target target;
	if (config.netconsole_given && rw_netconsole_parse_target(config.netconsole, &target) != 0)
		return rw_conf_complain(path, "netconsole", error,
					"is no numeric ADDRESS:PORT, expected one such as "
					"192.0.2.7:6666, or none");
	for (uint32_t i = 0; i < config.collector_count; i++) {
		if (has_no_port(config.collectors[i]))
			return rw_conf_complain(path, "collectors", error, no_port);
	}
	config.host_id_given = strcmp(config.host_id, "certificate") != 0;
	*out = config;
	return 0;
}
