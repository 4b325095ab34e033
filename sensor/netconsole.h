/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last gasp: the kernel's own log lines, sent by the dying kernel itself as
 * UDP datagrams to the collector, when no program runs any more.
 *
 * Arming makes a target of its own, `ringwatch`, in netconsole's configfs tree,
 * and leaves others alone. It needs root and is tried once at each start, before
 * rights are shed. What was armed stays armed when the sensor ends: that is the
 * purpose. A target that already has the right values is not touched.
 *
 * What netconsole sends proves nothing about who sent it. So the collector sends
 * a nonce over TLS, the sensor writes it into the kernel log, and the collector
 * sees from which address and port it comes out: docs/last-gasp.md.
 *
 * The nonce's level: a console gets only lines below the console log level
 * (/proc/sys/kernel/printk). The nonce is written one below it, but never above
 * `notice` (5), so that it is no noise, nor as an emergency (0), which would be
 * shown on every terminal. On a host that boots with `quiet` (4) that is `err`.
 * The lines of an oops or a panic need no such care: both make the console
 * verbose before they print.
 */
#ifndef RINGWATCH_SENSOR_NETCONSOLE_H
#define RINGWATCH_SENSOR_NETCONSOLE_H

#include "proto/limits.h"
#include "sensor/route.h"

enum {
	RW_NETCONSOLE_LOCAL_PORT = 6665,
	RW_NETCONSOLE_WORDS_BYTES = 161, /* Hello.netconsole, with its NUL */
};

struct rw_netconsole_target {
	struct rw_ip address;
	uint16_t port;
};
/* "192.0.2.7:6666", "[2001:db8::7]:6666". -EINVAL: anything else; names are none: a
 * kernel looks nothing up. */
int rw_netconsole_parse_target(const char *text, struct rw_netconsole_target *out);

struct rw_netconsole_config {
	const char *root;                          /* "" but in tests */
	const struct rw_netconsole_target *target; /* NULL: what an earlier start has armed is
						      disarmed */
	const struct rw_route *route;              /* NULL: the kernel is asked */
};

struct rw_netconsole;

/* Arms, or says why not: see rw_netconsole_words. NULL: no memory. May take some
 * seconds, when the kernel's module must be loaded or the next hop be asked. */
struct rw_netconsole *rw_netconsole_arm(const struct rw_netconsole_config *config);
void rw_netconsole_free(struct rw_netconsole *netconsole);

/* "none" (not wanted), "armed eth0 10.0.2.15:6665 towards 10.0.2.2:6666", or why it could
 * not be armed. As Hello says it. */
const char *rw_netconsole_words(const struct rw_netconsole *netconsole);

/* Writes the nonce into the kernel log. Works without rights. 0, -ENOTCONN (not armed),
 * -ENOMSG (the console log level lets nothing out), or what write(2) says. */
int rw_netconsole_challenge(struct rw_netconsole *netconsole,
			    const uint8_t nonce[RW_GASP_NONCE_BYTES]);

#endif
