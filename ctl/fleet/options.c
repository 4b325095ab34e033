/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the command line; see options.h. */
#include "ctl/fleet/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/match.h"
#include "lib/name.h"
#include "lib/spiffe.h"
#include "lib/text.h"
#include "lib/units.h"

static const char *const fate_names[RW_FATE_COUNT] = {
	[RW_FATE_STEADY] = "steady",   [RW_FATE_SILENT] = "silent",
	[RW_FATE_DROP] = "drop",       [RW_FATE_GOODBYE] = "goodbye",
	[RW_FATE_OOPS] = "oops",       [RW_FATE_PANIC_REBOOT] = "panic-reboot",
	[RW_FATE_FLOOD] = "flood",     [RW_FATE_NONSENSE] = "nonsense",
	[RW_FATE_DRIBBLE] = "dribble", [RW_FATE_UPDATE] = "update",
};

const char *rw_fleet_fate_name(enum rw_fleet_fate fate)
{
	return fate_names[fate];
}

void rw_fleet_options_print_help(void)
{
	fputs("Usage: ringwatch-fleet --collector HOST:PORT --ca-certificate FILE --ca-key FILE\n"
	      "                       --trust-domain NAME --ring NAME --hosts N [options]\n"
	      "\n"
	      "Simulates N hosts that speak the sensor's real protocol to a collector, from one\n"
	      "process: one TLS session each, for drills and load. Each host has a certificate of\n"
	      "its own, made on the fly by the given CA; all of them share one EC P-256 key, so "
	      "use\n"
	      "a CA for drills only. Nothing about this machine is sent.\n"
	      "\n"
	      "  --collector HOST:PORT    where to connect to\n"
	      "  --ca-certificate FILE    PEM; signs the hosts, and must have signed the "
	      "collector\n"
	      "  --ca-key FILE            PEM\n"
	      "  --trust-domain NAME      of the CA\n"
	      "  --ring NAME              that the hosts' certificates carry\n"
	      "  --hosts N                1 to 50000; they are PREFIX-00001 ...\n"
	      "  --prefix NAME            default host\n"
	      "  --connect-rate N         new connections a second; default 500\n"
	      "  --heartbeat-every TIME   default: what the collector's Welcome says\n"
	      "  --events-rate N          warnings a second, over all hosts; default 0\n"
	      "  --fate LIST              COUNT:FATE[@DELAY][,...]; DELAY counts from the host's\n"
	      "                           first Welcome, default 0s. Hosts are taken in order.\n"
	      "  --report SUBJECT=VALUE   which version all hosts say they run: kernel, "
	      "marker:NAME "
	      "or\n"
	      "                           module:NAME; may be given for several subjects\n"
	      "  --update SUBJECT=VALUE   likewise, of hosts that met the fate update\n"
	      "  --duration TIME          default: until SIGTERM or SIGINT\n"
	      "  --vanish                 at the end close without a goodbye\n"
	      "  --seed N                 of delays and jitter; default 1. Ids are always fresh.\n"
	      "  --state FILE             goes on as the same hosts: spools, boots and events "
	      "that\n"
	      "                           were not acked are read at the start, written at the "
	      "end\n"
	      "  --print-hosts FILE       one JSON line a host, written at the start and the end\n"
	      "  --json                   one JSON line of counters a second, on stdout\n"
	      "  --help, --version\n"
	      "\n"
	      "Fates:\n"
	      "  silent        sends nothing more and keeps the connection open\n"
	      "  drop          closes the connection and never comes back\n"
	      "  goodbye       announces a reboot, comes back with a new boot\n"
	      "  oops          reports a kernel oops and goes on\n"
	      "  panic-reboot  falls silent, comes back with a new boot after an unexpected end\n"
	      "  flood         reports 5000 events as fast as the acks allow\n"
	      "  nonsense      sends a malformed frame a session, each time another one\n"
	      "  dribble       sends its frames one byte at a time\n"
	      "  update        from now on reports what --update says\n"
	      "\n"
	      "Exit status: 0 at the end, 2 usage, 69 the collector's address is unknown,\n"
	      "70 internal, 73 a file cannot be written.\n",
	      stdout);
}

enum option_id {
	OPT_COLLECTOR = 1,
	OPT_CA_CERTIFICATE,
	OPT_CA_KEY,
	OPT_TRUST_DOMAIN,
	OPT_RING,
	OPT_HOSTS,
	OPT_PREFIX,
	OPT_CONNECT_RATE,
	OPT_HEARTBEAT_EVERY,
	OPT_EVENTS_RATE,
	OPT_FATE,
	OPT_REPORT,
	OPT_UPDATE,
	OPT_DURATION,
	OPT_VANISH,
	OPT_SEED,
	OPT_STATE,
	OPT_PRINT_HOSTS,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"collector", required_argument, NULL, OPT_COLLECTOR},
	{"ca-certificate", required_argument, NULL, OPT_CA_CERTIFICATE},
	{"ca-key", required_argument, NULL, OPT_CA_KEY},
	{"trust-domain", required_argument, NULL, OPT_TRUST_DOMAIN},
	{"ring", required_argument, NULL, OPT_RING},
	{"hosts", required_argument, NULL, OPT_HOSTS},
	{"prefix", required_argument, NULL, OPT_PREFIX},
	{"connect-rate", required_argument, NULL, OPT_CONNECT_RATE},
	{"heartbeat-every", required_argument, NULL, OPT_HEARTBEAT_EVERY},
	{"events-rate", required_argument, NULL, OPT_EVENTS_RATE},
	{"fate", required_argument, NULL, OPT_FATE},
	{"report", required_argument, NULL, OPT_REPORT},
	{"update", required_argument, NULL, OPT_UPDATE},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"vanish", no_argument, NULL, OPT_VANISH},
	{"seed", required_argument, NULL, OPT_SEED},
	{"state", required_argument, NULL, OPT_STATE},
	{"print-hosts", required_argument, NULL, OPT_PRINT_HOSTS},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

__attribute__((format(printf, 2, 3))) static int complain(char error[RW_FLEET_ERROR_BYTES],
							  const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, RW_FLEET_ERROR_BYTES, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int parse_count(const char *name, const char *text, uint64_t min, uint64_t max,
		       uint64_t *out, char error[RW_FLEET_ERROR_BYTES])
{
	uint64_t value;

	if (rw_units_parse_uint(text, &value) != 0 || value < min || value > max)
		return complain(error, "--%s: expected a number from %llu to %llu", name,
				(unsigned long long)min, (unsigned long long)max);
	*out = value;
	return 0;
}

static int parse_time(const char *name, const char *text, uint64_t min_ms, uint64_t *out,
		      char error[RW_FLEET_ERROR_BYTES])
{
	uint64_t ms;

	if (rw_units_parse_duration(text, &ms) != 0 || ms < min_ms)
		return complain(error, "--%s: expected %s, at least %llums", name,
				RW_DURATION_EXPECTED, (unsigned long long)min_ms);
	*out = ms;
	return 0;
}

/* "3:silent@5s" */
static int parse_fate(const char *text, struct rw_fleet_fate_share *out)
{
	char count[24];
	char fate[24];
	const char *colon = strchr(text, ':');
	const char *at = strchr(text, '@');
	uint64_t hosts;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(count) || (at != NULL && at < colon))
		return -EINVAL;
	memcpy(count, text, (size_t)(colon - text));
	count[colon - text] = '\0';
	size_t length = at == NULL ? strlen(colon + 1) : (size_t)(at - colon - 1);
	if (length >= sizeof(fate))
		return -EINVAL;
	memcpy(fate, colon + 1, length);
	fate[length] = '\0';

	*out = (struct rw_fleet_fate_share){.fate = RW_FATE_COUNT};
	if (rw_units_parse_uint(count, &hosts) != 0 || hosts == 0 || hosts > RW_FLEET_HOSTS_MAX)
		return -EINVAL;
	if (at != NULL && rw_units_parse_duration(at + 1, &out->delay_ms) != 0)
		return -EINVAL;
	out->count = (uint32_t)hosts;
	for (int i = RW_FATE_SILENT; i < RW_FATE_COUNT; i++) {
		if (strcmp(fate, fate_names[i]) == 0)
			out->fate = (enum rw_fleet_fate)i;
	}
	return out->fate == RW_FATE_COUNT ? -EINVAL : 0;
}

static int parse_fates(const char *text, struct rw_fleet_options *out,
		       char error[RW_FLEET_ERROR_BYTES])
{
	for (const char *at = text; at != NULL;) {
		char one[64];
		const char *comma = strchr(at, ',');
		size_t length = comma == NULL ? strlen(at) : (size_t)(comma - at);

		if (out->fate_count == RW_FLEET_FATES_MAX)
			return complain(error, "--fate: more than %d entries", RW_FLEET_FATES_MAX);
		if (length >= sizeof(one))
			return complain(error, "--fate: an entry is too long");
		memcpy(one, at, length);
		one[length] = '\0';
		if (parse_fate(one, &out->fates[out->fate_count]) != 0)
			return complain(error, "--fate: expected COUNT:FATE[@DELAY], see --help");
		out->fate_count++;
		at = comma == NULL ? NULL : comma + 1;
	}
	return 0;
}

const struct rw_fleet_version *rw_fleet_versions_find(const struct rw_fleet_versions *versions,
						      const char *subject)
{
	for (uint32_t i = 0; i < versions->count; i++) {
		if (strcmp(versions->all[i].subject, subject) == 0)
			return &versions->all[i];
	}
	return NULL;
}

static int parse_version(const char *name, const char *text, struct rw_fleet_versions *out,
			 char error[RW_FLEET_ERROR_BYTES])
{
	const char *equals = strchr(text, '=');
	struct rw_fleet_version version = {.value = equals == NULL ? NULL : equals + 1};
	size_t length = equals == NULL ? 0 : (size_t)(equals - text);

	/* Both lists together are one report at most. */
	if (out->count == RW_VERSIONS_MAX / 2)
		return complain(error, "--%s: more than %d", name, RW_VERSIONS_MAX / 2);
	if (length == 0 || length >= sizeof(version.subject) ||
	    strlen(version.value) > RW_VERSION_VALUE_MAX ||
	    !rw_text_is_clean(version.value, strlen(version.value)))
		return complain(error, "--%s: expected SUBJECT=VALUE, a value of at most %d bytes",
				name, RW_VERSION_VALUE_MAX);
	memcpy(version.subject, text, length);
	const char *fault = rw_match_fault(version.subject);
	if (fault != NULL)
		return complain(error, "--%s: expected %s", name, fault);
	if (rw_fleet_versions_find(out, version.subject) != NULL)
		return complain(error, "--%s: %s stands twice", name, version.subject);
	out->all[out->count++] = version;
	return 0;
}

static int take_option(int option, const char *value, struct rw_fleet_options *out,
		       char error[RW_FLEET_ERROR_BYTES])
{
	switch (option) {
	case OPT_COLLECTOR:
		out->collector = value;
		return 0;
	case OPT_CA_CERTIFICATE:
		out->ca_certificate = value;
		return 0;
	case OPT_CA_KEY:
		out->ca_key = value;
		return 0;
	case OPT_TRUST_DOMAIN:
		out->trust_domain = value;
		return 0;
	case OPT_RING:
		out->ring = value;
		return 0;
	case OPT_PREFIX:
		out->prefix = value;
		return 0;
	case OPT_STATE:
		out->state = value;
		return 0;
	case OPT_PRINT_HOSTS:
		out->print_hosts = value;
		return 0;
	case OPT_JSON:
		out->json = true;
		return 0;
	case OPT_VANISH:
		out->vanish = true;
		return 0;
	case OPT_HOSTS:
		return parse_count("hosts", value, 1, RW_FLEET_HOSTS_MAX, &out->hosts, error);
	case OPT_CONNECT_RATE:
		return parse_count("connect-rate", value, 1, 100000, &out->connect_rate, error);
	case OPT_EVENTS_RATE:
		return parse_count("events-rate", value, 0, 10000000, &out->events_rate, error);
	case OPT_SEED:
		return parse_count("seed", value, 0, UINT64_MAX, &out->seed, error);
	case OPT_HEARTBEAT_EVERY:
		return parse_time("heartbeat-every", value, 1, &out->heartbeat_every_ms, error);
	case OPT_DURATION:
		return parse_time("duration", value, 1, &out->duration_ms, error);
	case OPT_FATE:
		return parse_fates(value, out, error);
	case OPT_REPORT:
		return parse_version("report", value, &out->reports, error);
	case OPT_UPDATE:
		return parse_version("update", value, &out->updates, error);
	default:
		return complain(error, "internal: option %d", option);
	}
}

static int check(const struct rw_fleet_options *o, char error[RW_FLEET_ERROR_BYTES])
{
	uint64_t fated = 0;
	const struct {
		const char *name;
		const char *value;
	} needed[] = {
		{"collector", o->collector}, {"ca-certificate", o->ca_certificate},
		{"ca-key", o->ca_key},       {"trust-domain", o->trust_domain},
		{"ring", o->ring},
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (needed[i].value == NULL)
			return complain(error, "--%s is missing, see --help", needed[i].name);
	}
	if (o->hosts == 0)
		return complain(error, "--hosts is missing, see --help");
	if (!rw_name_is_valid(o->ring, strlen(o->ring)))
		return complain(error, "--ring: expected %s", RW_NAME_EXPECTED);
	if (!rw_name_is_valid(o->prefix, strlen(o->prefix)) ||
	    strlen(o->prefix) > RW_FLEET_PREFIX_MAX)
		return complain(error, "--prefix: expected %s, and at most %d of them",
				RW_NAME_EXPECTED, RW_FLEET_PREFIX_MAX);
	if (!rw_trust_domain_is_valid(o->trust_domain, strlen(o->trust_domain)))
		return complain(error, "--trust-domain: expected %s", RW_TRUST_DOMAIN_EXPECTED);
	for (uint32_t i = 0; i < o->fate_count; i++)
		fated += o->fates[i].count;
	if (fated > o->hosts)
		return complain(error, "--fate: gives fates to %llu hosts, there are %llu",
				(unsigned long long)fated, (unsigned long long)o->hosts);
	return 0;
}

int rw_fleet_options_parse(int argc, char **argv, struct rw_fleet_options *out,
			   enum rw_fleet_order *order, char error[RW_FLEET_ERROR_BYTES])
{
	int option;

	*out = (struct rw_fleet_options){.prefix = "host", .connect_rate = 500, .seed = 1};
	*order = RW_FLEET_RUN;
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == OPT_HELP || option == OPT_VERSION) {
			*order = option == OPT_HELP ? RW_FLEET_HELP : RW_FLEET_VERSION;
			return 0;
		}
		if (option == ':')
			return complain(error, "%s needs a value, see --help", argv[optind - 1]);
		if (option == '?')
			return complain(error, "%s: unknown option, see --help", argv[optind - 1]);
		int err = take_option(option, optarg, out, error);
		if (err != 0)
			return err;
	}
	if (optind < argc)
		return complain(error, "%s: unexpected argument, see --help", argv[optind]);
	return check(out, error);
}
