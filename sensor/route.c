/* SPDX-License-Identifier: Apache-2.0 */
/* Route and next hop by rtnetlink; see route.h. */
#include "sensor/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

enum {
	ANSWER_BYTES = 8192,
	LOOK_EVERY_MS = 50,
	ANSWER_WAIT_MS = 1000,
	NEIGHBOUR_IS_KNOWN =
		NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY,
};

/* ---- addresses -------------------------------------------------------------------- */

int rw_ip_parse(const char *text, struct rw_ip *out)
{
	struct rw_ip ip = {.is_v6 = strchr(text, ':') != NULL};

	if (inet_pton(ip.is_v6 ? AF_INET6 : AF_INET, text, ip.bytes) != 1)
		return -EINVAL;
	*out = ip;
	return 0;
}

char *rw_ip_print(const struct rw_ip *ip, char out[RW_IP_TEXT_BYTES])
{
	if (inet_ntop(ip->is_v6 ? AF_INET6 : AF_INET, ip->bytes, out, RW_IP_TEXT_BYTES) == NULL)
		out[0] = '\0';
	return out;
}

static size_t ip_bytes(const struct rw_ip *ip)
{
	return ip->is_v6 ? 16 : 4;
}

/* ---- answers ------------------------------------------------------------------------ */

/* The first message, whose body is `body_bytes` long before its attributes begin; NULL
 * with *error when it is none of that type. */
static const void *open_answer(const void *answer, size_t length, uint16_t type, size_t body_bytes,
			       const uint8_t **at, const uint8_t **end, int *error)
{
	struct nlmsghdr head;
	struct nlmsgerr refusal;
	const uint8_t *bytes = answer;

	*error = -EBADMSG;
	if (length < sizeof(head))
		return NULL;
	memcpy(&head, bytes, sizeof(head));
	if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > length)
		return NULL;
	if (head.nlmsg_type == NLMSG_ERROR && head.nlmsg_len >= sizeof(head) + sizeof(refusal)) {
		memcpy(&refusal, bytes + NLMSG_HDRLEN, sizeof(refusal));
		*error = refusal.error < 0 ? refusal.error : -EBADMSG;
		return NULL;
	}
	if (head.nlmsg_type != type || head.nlmsg_len < NLMSG_HDRLEN + body_bytes)
		return NULL;
	*at = bytes + NLMSG_HDRLEN + NLMSG_ALIGN(body_bytes);
	*end = bytes + head.nlmsg_len;
	*error = 0;
	return bytes + NLMSG_HDRLEN;
}

/* The next attribute; false at the end. */
static bool next_attribute(const uint8_t **at, const uint8_t *end, unsigned *type,
			   const uint8_t **value, size_t *length)
{
	struct rtattr head;

	if (*at > end || (size_t)(end - *at) < sizeof(head))
		return false;
	memcpy(&head, *at, sizeof(head));
	if (head.rta_len < sizeof(head) || head.rta_len > (size_t)(end - *at))
		return false;
	*type = head.rta_type;
	*value = *at + RTA_LENGTH(0);
	*length = head.rta_len - RTA_LENGTH(0);
	size_t step = RTA_ALIGN(head.rta_len);
	*at = step < (size_t)(end - *at) ? *at + step : end;
	return true;
}

static void put_ip(struct rw_ip *ip, const struct rw_ip *like, const uint8_t *value)
{
	*ip = (struct rw_ip){.is_v6 = like->is_v6};
	memcpy(ip->bytes, value, ip_bytes(like));
}

int rw_route_take_route(const void *answer, size_t length, const struct rw_ip *to,
			struct rw_route *out)
{
	struct rtmsg route;
	const uint8_t *at, *end, *value;
	struct rw_route found = {.next_hop = *to};
	bool has_local = false;
	unsigned type;
	size_t bytes;
	int error;
	const void *body =
		open_answer(answer, length, RTM_NEWROUTE, sizeof(route), &at, &end, &error);

	if (body == NULL)
		return error;
	memcpy(&route, body, sizeof(route));
	if (route.rtm_type == RTN_LOCAL)
		return -ELOOP;
	if (route.rtm_type != RTN_UNICAST)
		return -ENETUNREACH;
	while (next_attribute(&at, end, &type, &value, &bytes)) {
		if (type == RTA_OIF && bytes == sizeof(found.index)) {
			memcpy(&found.index, value, sizeof(found.index));
		} else if (type == RTA_PREFSRC && bytes == ip_bytes(to)) {
			put_ip(&found.local, to, value);
			has_local = true;
		} else if (type == RTA_GATEWAY && bytes == ip_bytes(to)) {
			put_ip(&found.next_hop, to, value);
		} else if (type == RTA_VIA) {
			return -EAFNOSUPPORT; /* the next hop has an address of the other family */
		}
	}
	if (found.index == 0 || !has_local)
		return -EBADMSG;
	*out = found;
	return 0;
}

int rw_route_take_neighbour(const void *answer, size_t length, struct rw_route *out)
{
	struct ndmsg neighbour;
	const uint8_t *at, *end, *value;
	unsigned type;
	size_t bytes;
	int error;
	const void *body =
		open_answer(answer, length, RTM_NEWNEIGH, sizeof(neighbour), &at, &end, &error);

	if (body == NULL)
		return error == -ENOENT ? -EAGAIN : error;
	memcpy(&neighbour, body, sizeof(neighbour));
	if ((neighbour.ndm_state & NEIGHBOUR_IS_KNOWN) == 0)
		return -EAGAIN;
	while (next_attribute(&at, end, &type, &value, &bytes)) {
		if (type != NDA_LLADDR)
			continue;
		if (bytes != RW_MAC_BYTES)
			return -EPROTOTYPE;
		memcpy(out->mac, value, RW_MAC_BYTES);
		return 0;
	}
	return -EPROTOTYPE;
}

/* ---- asking ----------------------------------------------------------------------------- */

/* A request with one attribute: an address. */
struct request {
	struct nlmsghdr head;
	union {
		struct rtmsg route;
		struct ndmsg neighbour;
	} body;
	struct rtattr attribute;
	uint8_t address[16];
};
_Static_assert(sizeof(struct rtmsg) == sizeof(struct ndmsg), "the attribute follows both");

static ssize_t ask(int fd, struct request *request, const struct rw_ip *address, void *answer)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	size_t bytes = ip_bytes(address);

	request->attribute.rta_len = (unsigned short)RTA_LENGTH(bytes);
	memcpy(request->address, address->bytes, bytes);
	request->head.nlmsg_len =
		(uint32_t)(offsetof(struct request, address) + NLMSG_ALIGN(bytes));
	request->head.nlmsg_flags = NLM_F_REQUEST;
	if (sendto(fd, request, request->head.nlmsg_len, 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return -errno;
	ssize_t n = recv(fd, answer, ANSWER_BYTES, 0);
	return n < 0 ? -errno : n;
}

static int ask_route(int fd, const struct rw_ip *to, void *answer, struct rw_route *out)
{
	struct request request = {
		.head.nlmsg_type = RTM_GETROUTE,
		.body.route = {.rtm_family = to->is_v6 ? AF_INET6 : AF_INET,
			       .rtm_dst_len = (uint8_t)(8 * ip_bytes(to))},
		.attribute.rta_type = RTA_DST,
	};
	ssize_t n = ask(fd, &request, to, answer);

	return n < 0 ? (int)n : rw_route_take_route(answer, (size_t)n, to, out);
}

static int ask_neighbour(int fd, void *answer, struct rw_route *route)
{
	struct request request = {
		.head.nlmsg_type = RTM_GETNEIGH,
		.body.neighbour = {.ndm_family = route->next_hop.is_v6 ? AF_INET6 : AF_INET,
				   .ndm_ifindex = (int)route->index},
		.attribute.rta_type = NDA_DST,
	};
	ssize_t n = ask(fd, &request, &route->next_hop, answer);

	return n < 0 ? (int)n : rw_route_take_neighbour(answer, (size_t)n, route);
}

/* Whoever listens there ignores it; the way to it is looked for all the same. */
static void send_empty(const struct rw_ip *to, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	rw_autoclose int fd = socket(to->is_v6 ? AF_INET6 : AF_INET,
				     SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	memcpy(&in.sin_addr, to->bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, to->bytes, sizeof(in6.sin6_addr));
	ssize_t sent = to->is_v6 ? sendto(fd, "", 0, 0, (struct sockaddr *)&in6, sizeof(in6))
				 : sendto(fd, "", 0, 0, (struct sockaddr *)&in, sizeof(in));
	(void)sent; /* what comes of it is looked at */
}

static int find_neighbour(int fd, const struct rw_ip *to, uint16_t port, void *answer,
			  struct rw_route *route)
{
	const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
	int err = ask_neighbour(fd, answer, route);

	if (err == -EAGAIN)
		send_empty(to, port);
	for (int waited_ms = 0; err == -EAGAIN && waited_ms < RW_ROUTE_WAIT_MS;
	     waited_ms += LOOK_EVERY_MS) {
		nanosleep(&pause, NULL);
		err = ask_neighbour(fd, answer, route);
	}
	return err == -EAGAIN ? -EHOSTUNREACH : err;
}

static void explain(int err, const char *what, const struct rw_route *route,
		    char why[RW_ROUTE_WHY_BYTES])
{
	char hop[RW_IP_TEXT_BYTES];

	if (err == -ELOOP)
		snprintf(why, RW_ROUTE_WHY_BYTES, "the address is this host's own");
	else if (err == -EHOSTUNREACH && route->index != 0)
		snprintf(why, RW_ROUTE_WHY_BYTES, "the next hop, %s on %s, does not answer",
			 rw_ip_print(&route->next_hop, hop), route->device);
	else if (err == -EPROTOTYPE)
		snprintf(why, RW_ROUTE_WHY_BYTES, "%s is no Ethernet", route->device);
	else
		snprintf(why, RW_ROUTE_WHY_BYTES, "%s: %s", what, strerror(-err));
}

int rw_route_find(const struct rw_ip *to, uint16_t port, struct rw_route *out,
		  char why[RW_ROUTE_WHY_BYTES])
{
	_Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
	const struct timeval limit = {.tv_sec = ANSWER_WAIT_MS / 1000};
	struct rw_route route = {.index = 0};
	rw_autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const char *what = "netlink";
	int err = fd < 0 ? -errno : 0;

	if (err == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		err = -errno;
	if (err == 0) {
		what = "route";
		err = ask_route(fd, to, answer, &route);
	}
	if (err == 0 && if_indextoname(route.index, route.device) == NULL)
		err = -errno;
	if (err == 0) {
		what = "next hop";
		err = find_neighbour(fd, to, port, answer, &route);
	}
	if (err != 0) {
		explain(err, what, &route, why);
		return err;
	}
	*out = route;
	return 0;
}
