/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/units.h"

enum option_name {
	OPTION_CONFIG = 256,
	OPTION_CHECK,
	OPTION_COVERAGE,
	OPTION_ANNOUNCE,
	OPTION_BACK_IN,
	OPTION_NO_BPF,
	OPTION_HOOKS,
	OPTION_KMSG,
	OPTION_USER,
	OPTION_REMOVE_PSTORE,
	OPTION_LEAVE_SAFE_START,
	OPTION_LOG_LEVEL,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"check-config", no_argument, NULL, OPTION_CHECK},
	{"coverage", no_argument, NULL, OPTION_COVERAGE},
	{"announce", required_argument, NULL, OPTION_ANNOUNCE},
	{"back-in", required_argument, NULL, OPTION_BACK_IN},
	{"no-bpf", no_argument, NULL, OPTION_NO_BPF},
	{"hooks", required_argument, NULL, OPTION_HOOKS},
	{"kmsg", required_argument, NULL, OPTION_KMSG},
	{"user", required_argument, NULL, OPTION_USER},
	{"remove-pstore", no_argument, NULL, OPTION_REMOVE_PSTORE},
	{"leave-safe-start", no_argument, NULL, OPTION_LEAVE_SAFE_START},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

void rw_sensor_options_help(void)
{
	fputs("Usage: ringwatch-sensor [OPTION]...\n"
	      "Watches this host's kernel and tells a collector what it does.\n"
	      "\n"
	      "  --config FILE        configuration (default /etc/ringwatch/sensor.yaml)\n"
	      "  --check-config       check configuration and certificates, then exit\n"
	      "  --coverage           print what can be seen here, and through which hook\n"
	      "  --announce KIND      a reboot, power-off or kexec is about to be made; the\n"
	      "                       running sensor says so when it is stopped. auto: if\n"
	      "                       systemd says so\n"
	      "  --back-in DURATION   with --announce: when the host will be back (default 300s)\n"
	      "  --no-bpf             use the kernel log alone\n"
	      "  --hooks KIND         the best kind of BPF hook to use: all (default), kprobe,\n"
	      "                       raw or none\n"
	      "  --kmsg PATH          read kernel log records from PATH instead of /dev/kmsg\n"
	      "  --user NAME          the user to become after the start (default ringwatch, if\n"
	      "                       there is one); none: stay who it is\n"
	      "  --remove-pstore      remove crash records from the persistent store once they\n"
	      "                       are archived and spooled\n"
	      "  --leave-safe-start   let BPF attach again after the host died twice soon after\n"
	      "                       it did, then exit\n"
	      "  --log-level LEVEL    error, warning, info (default) or debug\n"
	      "  --help, --version\n",
	      stdout);
}

static int complain(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "ringwatch-sensor: --%s: '%s': expected %s\n", option, value, expected);
	return -EINVAL;
}

static int parse_back_in(const char *text, uint32_t *out)
{
	uint64_t ms;

	if (rw_units_parse_duration(text, &ms) != 0 || ms > 7ull * 24 * 3600 * 1000)
		return complain("back-in", text, RW_DURATION_EXPECTED ", at most 7d");
	*out = (uint32_t)((ms + 999) / 1000);
	return 0;
}

static int take_option(int option, struct rw_sensor_options *o, bool *back_in)
{
	switch (option) {
	case OPTION_CONFIG:
		o->config = optarg;
		return 0;
	case OPTION_CHECK:
		o->act = RW_ACT_CHECK_CONFIG;
		return 0;
	case OPTION_COVERAGE:
		o->act = RW_ACT_COVERAGE;
		return 0;
	case OPTION_ANNOUNCE:
		o->act = RW_ACT_ANNOUNCE;
		if (strcmp(optarg, "auto") == 0)
			o->announcement.armed = RW_ARMED_NONE;
		else if (rw_announcement_parse(optarg, &o->announcement.armed) != 0)
			return complain("announce", optarg, "reboot, power-off, kexec or auto");
		return 0;
	case OPTION_BACK_IN:
		*back_in = true;
		return parse_back_in(optarg, &o->announcement.back_in_s);
	case OPTION_NO_BPF:
		o->tier = RW_PROBES_NONE;
		return 0;
	case OPTION_HOOKS:
		if (rw_probes_parse_tier(optarg, &o->tier) != 0)
			return complain("hooks", optarg, "all, kprobe, raw or none");
		return 0;
	case OPTION_KMSG:
		o->kmsg = optarg;
		return 0;
	case OPTION_USER:
		o->user = strcmp(optarg, "none") == 0 ? NULL : optarg;
		return 0;
	case OPTION_REMOVE_PSTORE:
		o->remove_pstore = true;
		return 0;
	case OPTION_LEAVE_SAFE_START:
		o->act = RW_ACT_LEAVE_SAFE_START;
		return 0;
	case OPTION_LOG_LEVEL:
		if (rw_log_parse_level(optarg, &o->log_level) != 0)
			return complain("log-level", optarg, "error, warning, info or debug");
		return 0;
	case OPTION_HELP:
		o->act = RW_ACT_HELP;
		return 0;
	case OPTION_VERSION:
		o->act = RW_ACT_VERSION;
		return 0;
	default:
		return -EINVAL; /* getopt has said why */
	}
}

int rw_sensor_options_parse(int argc, char **argv, struct rw_sensor_options *out)
{
	struct rw_sensor_options o = {
		.act = RW_ACT_RUN,
		.config = "/etc/ringwatch/sensor.yaml",
		.kmsg = "/dev/kmsg",
		.user = "ringwatch",
		.tier = RW_PROBES_ALL,
		.log_level = RW_LOG_INFO,
		.announcement.back_in_s = RW_BACK_IN_DEFAULT_S,
	};
	bool back_in = false;

	for (;;) {
		int option = getopt_long(argc, argv, "", long_options, NULL);
		if (option == -1)
			break;
		if (take_option(option, &o, &back_in) != 0)
			return -EINVAL;
	}
	if (optind < argc)
		return complain("help", argv[optind], "no further argument");
	if (back_in && o.act != RW_ACT_ANNOUNCE) {
		fputs("ringwatch-sensor: --back-in: only with --announce\n", stderr);
		return -EINVAL;
	}
	*out = o;
	return 0;
}
