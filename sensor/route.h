/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a packet of this host gets to an address: device, own address, and the
 * hardware address of the next hop. netconsole cannot find these itself: it
 * sends when nothing else works any more. Asked of the kernel by rtnetlink,
 * without rights.
 */
#ifndef RINGWATCH_SENSOR_ROUTE_H
#define RINGWATCH_SENSOR_ROUTE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RW_MAC_BYTES = 6,
	RW_IP_TEXT_BYTES = 46,
	RW_ROUTE_WHY_BYTES = 128,
	RW_ROUTE_WAIT_MS = 2000, /* for the next hop to say its hardware address */
};

struct rw_ip {
	bool is_v6;
	uint8_t bytes[16]; /* IPv4: the first four */
};
/* -EINVAL: no numeric address. */
int rw_ip_parse(const char *text, struct rw_ip *out);
char *rw_ip_print(const struct rw_ip *ip, char out[RW_IP_TEXT_BYTES]);

struct rw_route {
	uint32_t index; /* of the device */
	char device[IF_NAMESIZE];
	struct rw_ip local;
	struct rw_ip next_hop; /* the address itself when it is on the link */
	uint8_t mac[RW_MAC_BYTES];
};

/*
 * Finds it, and if the next hop is not known yet sends an empty datagram to
 * (to, port), so that the kernel asks for it. 0, or negative errno with one
 * clause in `why`: -ENETUNREACH, -EHOSTUNREACH (the next hop does not answer),
 * -ELOOP (the address is this host's), -EPROTOTYPE (the link is no Ethernet), ….
 */
int rw_route_find(const struct rw_ip *to, uint16_t port, struct rw_route *out,
		  char why[RW_ROUTE_WHY_BYTES]);

/* ---- answers of rtnetlink; pure, for rw_route_find and tests --------------------- */

/* Of RTM_GETROUTE for `to`: fills index, local and next_hop. As above, or -EBADMSG. */
int rw_route_take_route(const void *answer, size_t length, const struct rw_ip *to,
			struct rw_route *out);
/* Of RTM_GETNEIGH: fills mac. -EAGAIN: it is not known yet. */
int rw_route_take_neighbour(const void *answer, size_t length, struct rw_route *out);

#endif
