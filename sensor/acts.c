/* SPDX-License-Identifier: Apache-2.0 */
/* What ringwatch-sensor does at once and then ends: --check-config, --coverage,
 * --announce, --leave-safe-start; see sensor.h. */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/exit_codes.h"
#include "lib/file.h"
#include "sensor/config.h"
#include "sensor/counters.h"
#include "sensor/coverage.h"
#include "sensor/kmsg.h"
#include "sensor/load.h"
#include "sensor/pstore.h"
#include "sensor/safestart.h"
#include "sensor/sensor.h"
#include "sensor/shutdown.h"

int rw_sensor_check_config(const struct rw_sensor_options *options)
{
	struct rw_sensor_config config;
	struct rw_identity identity;
	SSL_CTX *tls = NULL;
	int code = rw_sensor_load(options->config, &config, &tls, &identity);

	if (code != RW_EXIT_OK)
		return code;
	SSL_CTX_free(tls);
	printf("%s: ok (host %s, ring %s)\n", options->config, identity.name, identity.ring);
	return RW_EXIT_OK;
}

int rw_sensor_announce(const struct rw_sensor_options *options)
{
	struct rw_announcement announcement = options->announcement;
	struct rw_sensor_config config;
	char error[RW_CONF_ERROR_BYTES];
	char boot_id[RW_BOOT_ID_LENGTH + 1];

	if (rw_sensor_config_load(options->config, &config, error) != 0)
		return rw_sensor_fail(RW_EXIT_USAGE, error);
	if (announcement.armed == RW_ARMED_NONE) {
		announcement.armed = rw_shutdown_ask_systemd();
		if (announcement.armed == RW_ARMED_STOPPED)
			return RW_EXIT_OK; /* the machine stays up: nothing is announced */
	}
	int err = rw_boot_current_id(boot_id);
	if (err == 0)
		err = rw_file_make_folder(config.state_dir, 0700);
	if (err == 0)
		err = rw_announcement_write(config.state_dir, &announcement, boot_id,
					    rw_clock_boot_ms());
	if (err != 0)
		return rw_sensor_fail_state(config.state_dir, "announcement", err);
	return RW_EXIT_OK;
}

int rw_sensor_leave_safe_start(const struct rw_sensor_options *options)
{
	struct rw_sensor_config config;
	char error[RW_CONF_ERROR_BYTES];

	if (rw_sensor_config_load(options->config, &config, error) != 0)
		return rw_sensor_fail(RW_EXIT_USAGE, error);
	int err = rw_safe_start_remove(config.state_dir);
	if (err != 0)
		return rw_sensor_fail_state(config.state_dir, "attach.mark", err);
	return RW_EXIT_OK;
}

/* ---- --coverage ------------------------------------------------------------------- */

static void ignore_record(void *context, const struct rw_record *record)
{
	(void)context;
	(void)record;
}

static void ignore_line(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	(void)context;
	(void)record;
	(void)backlog;
}

int rw_sensor_print_coverage(const struct rw_sensor_options *options)
{
	struct rw_uplink_coverage rows[RW_COVERAGE_MAX];
	struct rw_probes *probes = NULL;
	struct rw_kmsg *kmsg = NULL;
	char backend[32];
	struct rw_counters *counters = rw_counters_open("");

	rw_probes_set_tier_limit(options->tier);
	if (counters == NULL || (options->tier != RW_PROBES_NONE &&
				 rw_probes_open(ignore_record, NULL, &probes) != 0)) {
		rw_counters_free(counters);
		return rw_sensor_fail(RW_EXIT_INTERNAL, "no memory");
	}
	rw_pstore_backend("", backend, sizeof(backend));
	struct rw_coverage_sources sources = {
		.probes = probes,
		.no_probes = "BPF is off (--no-bpf)",
		.kernel_log =
			rw_kmsg_open(options->kmsg, UINT64_MAX, ignore_line, NULL, &kmsg) == 0,
		.counters = rw_counters_names(counters),
		.pstore = backend,
	};
	uint32_t count = rw_coverage_build(&sources, rows);
	rw_coverage_print(stdout, rows, count);
	rw_kmsg_close(kmsg);
	rw_probes_close(probes);
	rw_counters_free(counters);
	return RW_EXIT_OK;
}
