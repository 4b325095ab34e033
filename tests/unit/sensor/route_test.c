/* SPDX-License-Identifier: Apache-2.0 */
/* What rtnetlink's answers are taken to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sensor/route.h"

static _Alignas(struct nlmsghdr) uint8_t answer[512];
static size_t used;
static struct rw_ip to;
static struct rw_route found;

static void begin(uint16_t type, const void *body, size_t length)
{
	struct nlmsghdr head = {.nlmsg_type = type};

	memset(answer, 0, sizeof(answer));
	memcpy(answer, &head, sizeof(head));
	memcpy(answer + NLMSG_HDRLEN, body, length);
	used = NLMSG_HDRLEN + NLMSG_ALIGN(length);
	((struct nlmsghdr *)answer)->nlmsg_len = (uint32_t)used;
}

static void begin_route(uint8_t type)
{
	struct rtmsg body = {.rtm_family = to.is_v6 ? 10 : 2, .rtm_type = type};

	begin(RTM_NEWROUTE, &body, sizeof(body));
}

static void begin_neighbour(uint16_t state)
{
	struct ndmsg body = {.ndm_family = 2, .ndm_ifindex = 2, .ndm_state = state};

	begin(RTM_NEWNEIGH, &body, sizeof(body));
}

static void put(uint16_t type, const void *value, size_t length)
{
	struct rtattr head = {.rta_type = type, .rta_len = (unsigned short)RTA_LENGTH(length)};

	memcpy(answer + used, &head, sizeof(head));
	memcpy(answer + used + RTA_LENGTH(0), value, length);
	used += RTA_SPACE(length);
	((struct nlmsghdr *)answer)->nlmsg_len = (uint32_t)used;
}

static void put_device(void)
{
	put(RTA_OIF, &(uint32_t){2}, sizeof(uint32_t));
}

static void put_ip(uint16_t type, const char *text)
{
	struct rw_ip ip;

	assert_int_equal(rw_ip_parse(text, &ip), 0);
	put(type, ip.bytes, ip.is_v6 ? 16 : 4);
}

static int take_route(void)
{
	return rw_route_take_route(answer, used, &to, &found);
}

static void assert_ip(const struct rw_ip *ip, const char *expected)
{
	char text[RW_IP_TEXT_BYTES];

	assert_string_equal(rw_ip_print(ip, text), expected);
}

static int set_up(void **state)
{
	(void)state;
	found = (struct rw_route){.index = 77};
	return rw_ip_parse("192.0.2.7", &to);
}

static void test_addresses_are_numeric(void **state)
{
	struct rw_ip ip = {.is_v6 = true};

	(void)state;
	assert_int_equal(rw_ip_parse("", &ip), -EINVAL);
	assert_int_equal(rw_ip_parse("localhost", &ip), -EINVAL);
	assert_int_equal(rw_ip_parse("192.0.2.7 ", &ip), -EINVAL);
	assert_true(ip.is_v6);
	assert_int_equal(rw_ip_parse("2001:0db8:0:0::7", &ip), 0);
	assert_ip(&ip, "2001:db8::7");
}

static void test_a_route_by_a_gateway_and_one_on_the_link(void **state)
{
	(void)state;
	begin_route(RTN_UNICAST);
	put_device();
	put_ip(RTA_PREFSRC, "10.0.2.15");
	assert_int_equal(take_route(), 0);
	assert_int_equal(found.index, 2);
	assert_ip(&found.local, "10.0.2.15");
	assert_ip(&found.next_hop, "192.0.2.7");
	put_ip(RTA_GATEWAY, "10.0.2.2");
	assert_int_equal(take_route(), 0);
	assert_ip(&found.next_hop, "10.0.2.2");
}

static void test_a_route_of_v6(void **state)
{
	(void)state;
	assert_int_equal(rw_ip_parse("2001:db8::7", &to), 0);
	begin_route(RTN_UNICAST);
	put_device();
	put_ip(RTA_PREFSRC, "2001:db8:1::15");
	put_ip(RTA_GATEWAY, "fe80::1");
	assert_int_equal(take_route(), 0);
	assert_ip(&found.local, "2001:db8:1::15");
	assert_ip(&found.next_hop, "fe80::1");
}

static void test_routes_that_lead_nowhere(void **state)
{
	(void)state;
	begin_route(RTN_LOCAL);
	assert_int_equal(take_route(), -ELOOP);
	begin_route(RTN_UNREACHABLE);
	assert_int_equal(take_route(), -ENETUNREACH);
	begin_route(RTN_UNICAST);
	put_device();
	assert_int_equal(take_route(), -EBADMSG); /* no address of its own */
	put_ip(RTA_PREFSRC, "2001:db8::15");
	assert_int_equal(take_route(), -EBADMSG); /* of the other family */
	put(RTA_VIA, "\x0a\x00", 2);
	assert_int_equal(take_route(), -EAFNOSUPPORT);
	struct nlmsgerr refusal = {.error = -ENETUNREACH};
	begin(NLMSG_ERROR, &refusal, sizeof(refusal));
	assert_int_equal(take_route(), -ENETUNREACH);
	assert_int_equal(found.index, 77);
}

static void test_a_cut_answer_is_no_route(void **state)
{
	(void)state;
	begin_route(RTN_UNICAST);
	put_device();
	put_ip(RTA_PREFSRC, "10.0.2.15");
	size_t whole = used;
	for (used = 0; used < whole; used++)
		assert_int_equal(take_route(), -EBADMSG);
	/* an attribute that claims more than there is */
	used = whole;
	((struct rtattr *)(answer + used - RTA_SPACE(4)))->rta_len = 64;
	assert_int_equal(take_route(), -EBADMSG);
	assert_int_equal(found.index, 77);
}

static void test_a_next_hop_is_known_or_not_yet(void **state)
{
	static const uint8_t mac[RW_MAC_BYTES] = {0x52, 0x55, 0x0a, 0, 2, 2};
	struct nlmsgerr refusal = {.error = -ENOENT};

	(void)state;
	begin(NLMSG_ERROR, &refusal, sizeof(refusal));
	assert_int_equal(rw_route_take_neighbour(answer, used, &found), -EAGAIN);
	begin_neighbour(NUD_INCOMPLETE);
	assert_int_equal(rw_route_take_neighbour(answer, used, &found), -EAGAIN);
	begin_neighbour(NUD_STALE);
	put(NDA_LLADDR, mac, sizeof(mac));
	assert_int_equal(rw_route_take_neighbour(answer, used, &found), 0);
	assert_memory_equal(found.mac, mac, sizeof(mac));
}

static void test_a_link_without_such_addresses_is_no_ethernet(void **state)
{
	static const uint8_t wide[20] = {1};

	(void)state;
	begin_neighbour(NUD_NOARP);
	assert_int_equal(rw_route_take_neighbour(answer, used, &found), -EPROTOTYPE);
	put(NDA_LLADDR, wide, sizeof(wide));
	assert_int_equal(rw_route_take_neighbour(answer, used, &found), -EPROTOTYPE);
}

static void test_the_kernel_says_that_an_address_is_our_own(void **state)
{
	char why[RW_ROUTE_WHY_BYTES] = "";

	(void)state;
	assert_int_equal(rw_ip_parse("127.0.0.1", &to), 0);
	assert_int_equal(rw_route_find(&to, 6666, &found, why), -ELOOP);
	assert_string_equal(why, "the address is this host's own");
	assert_int_equal(found.index, 77);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_addresses_are_numeric),
		TEST(test_a_route_by_a_gateway_and_one_on_the_link),
		TEST(test_a_route_of_v6),
		TEST(test_routes_that_lead_nowhere),
		TEST(test_a_cut_answer_is_no_route),
		TEST(test_a_next_hop_is_known_or_not_yet),
		TEST(test_a_link_without_such_addresses_is_no_ethernet),
		TEST(test_the_kernel_says_that_an_address_is_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
