/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams in, proofs and gasps out: who is believed, and who is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "collector/ingest/gasp_watch.h"
#include "collector/ingest/netconsole_line.h"

enum { ALICE = 3, BOB = 4 };

#define PANIC "6,77,1234567,-;Kernel panic - not syncing: Fatal exception\n"

static struct {
	struct rw_gasp_watch *watch;
	struct rw_gasps *gasps;
	struct rw_now now;
	bool has_no_nonces;
	uint8_t made;                          /* nonces so far: each is this byte, repeated */
	uint8_t nonce[2][RW_GASP_NONCE_BYTES]; /* the last that ALICE and BOB were sent */
	uint32_t challenged[2];
	uint32_t proved;
	char proved_host[RW_CORE_NAME_BYTES];
	char proved_source[RW_SOURCE_TEXT_BYTES];
	uint32_t believed;
	rw_host_handle believed_host;
	uint32_t shown; /* heard, and no host's */
} t;

static bool make_nonce(void *context, uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	(void)context;
	memset(nonce, ++t.made, RW_GASP_NONCE_BYTES);
	return !t.has_no_nonces;
}

static void challenge(void *context, rw_host_handle host, const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	(void)context;
	memcpy(t.nonce[host == BOB], nonce, RW_GASP_NONCE_BYTES);
	t.challenged[host == BOB]++;
}

static void host_name(void *context, rw_host_handle host, char out[RW_CORE_NAME_BYTES])
{
	(void)context;
	snprintf(out, RW_CORE_NAME_BYTES, "%s", host == ALICE ? "alice" : "bob");
}

static void proved(void *context, const char *host, const char *source)
{
	(void)context;
	t.proved++;
	snprintf(t.proved_host, sizeof(t.proved_host), "%s", host);
	snprintf(t.proved_source, sizeof(t.proved_source), "%s", source);
}

static bool heard(void *context, rw_host_handle host, const struct rw_gasp_heard *gasp)
{
	(void)context;
	(void)gasp;
	if (host == RW_NO_HOST) {
		t.shown++;
		return false;
	}
	t.believed++;
	t.believed_host = host;
	return true;
}

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.now = (struct rw_now){.boot_ms = 1000000, .wall_ms = 2000000};
	t.gasps = rw_gasps_new();
	struct rw_gasp_watch_config config = {
		.gasps = t.gasps,
		.hash_key = 42,
		.make_nonce = make_nonce,
		.challenge = challenge,
		.host_name = host_name,
		.proved = proved,
		.heard = heard,
	};
	t.watch = rw_gasp_watch_new(&config);
	return t.watch == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	rw_gasp_watch_free(t.watch);
	rw_gasps_free(t.gasps);
	return 0;
}

static struct rw_source source(const char *address, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct rw_source out;

	assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
	assert_true(rw_source_from((const struct sockaddr *)&in, &out));
	return out;
}

static void take(const struct rw_source *from, const char *datagram)
{
	rw_gasp_watch_take(t.watch, from, (const uint8_t *)datagram, strlen(datagram), t.now);
}

static void pass(uint64_t ms)
{
	t.now.boot_ms += ms;
	t.now.wall_ms += ms;
	rw_gasp_watch_tick(t.watch, t.now);
}

static void send_nonce(const struct rw_source *from, const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	char datagram[128];
	int used = snprintf(datagram, sizeof(datagram), "13,9,1000,-;ringwatch: gasp ");

	for (int i = 0; i < RW_GASP_NONCE_BYTES; i++)
		used += snprintf(datagram + used, sizeof(datagram) - (size_t)used, "%02x",
				 nonce[i]);
	snprintf(datagram + used, sizeof(datagram) - (size_t)used, "\n");
	take(from, datagram);
}

static void arm(rw_host_handle host)
{
	struct rw_source peer = source("192.0.2.1", 50000);

	rw_gasp_watch_host_live(t.watch, host, true, &peer, t.now);
	pass(1);
}

static void prove(rw_host_handle host, const struct rw_source *from)
{
	arm(host);
	send_nonce(from, t.nonce[host == BOB]);
}

static const struct rw_gasp_stats *stats(void)
{
	return rw_gasps_stats(t.gasps);
}

/* ---- proofs ------------------------------------------------------------------ */

static void test_an_armed_host_is_challenged_and_its_source_is_bound(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	arm(ALICE);
	assert_int_equal(t.challenged[0], 1);
	send_nonce(&from, t.nonce[0]);
	assert_int_equal(t.proved, 1);
	assert_string_equal(t.proved_host, "alice");
	assert_string_equal(t.proved_source, "192.0.2.1:6665");
	pass(1);
	assert_int_equal(stats()->hosts_proved, 1);
}

static void test_a_host_that_is_not_armed_is_never_challenged(void **state)
{
	struct rw_source peer = source("192.0.2.1", 50000);

	(void)state;
	rw_gasp_watch_host_live(t.watch, ALICE, false, &peer, t.now);
	pass(RW_CHALLENGE_EVERY_MS);
	assert_int_equal(stats()->challenged, 0);
}

static void test_a_nonce_works_once(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);
	struct rw_source thief = source("192.0.2.66", 6665);

	(void)state;
	prove(ALICE, &from);
	send_nonce(&thief, t.nonce[0]);
	assert_int_equal(t.proved, 1);
	assert_int_equal(stats()->nonces_refused, 1);
	take(&thief, PANIC);
	assert_int_equal(t.believed, 0);
}

static void test_a_nonce_that_nobody_was_sent_binds_nothing(void **state)
{
	struct rw_source thief = source("192.0.2.66", 6665);
	uint8_t guess[RW_GASP_NONCE_BYTES] = {1, 2, 3};

	(void)state;
	arm(ALICE);
	send_nonce(&thief, guess);
	take(&thief, PANIC);
	assert_int_equal(t.proved, 0);
	assert_int_equal(t.believed, 0);
	assert_int_equal(t.shown, 1);
}

static void test_a_nonce_is_void_when_it_comes_too_late(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);
	uint8_t first[RW_GASP_NONCE_BYTES];

	(void)state;
	arm(ALICE);
	memcpy(first, t.nonce[0], sizeof(first));
	pass(RW_CHALLENGE_LIVES_MS + 1);
	send_nonce(&from, first);
	assert_int_equal(t.proved, 0);
	assert_int_equal(stats()->nonces_refused, 1);
}

static void test_a_session_that_comes_and_goes_is_challenged_once_and_when_it_stays(void **state)
{
	(void)state;
	for (uint64_t ms = 0; ms < RW_CHALLENGE_EVERY_LEAST_MS - 1000; ms += 1000) {
		arm(ALICE);
		pass(999);
	}
	assert_int_equal(t.challenged[0], 1);
	pass(RW_CHALLENGE_EVERY_LEAST_MS); /* counted from when it came last */
	assert_int_equal(t.challenged[0], 2);
}

static void test_a_host_that_does_not_answer_is_asked_thrice_and_then_rarely(void **state)
{
	(void)state;
	arm(ALICE);
	for (uint64_t ms = 0; ms < RW_CHALLENGE_EVERY_MS - 10000; ms += 1000)
		pass(1000);
	assert_int_equal(t.challenged[0], RW_CHALLENGE_TRIES);
}

static void test_a_proof_is_void_unless_it_is_renewed(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	pass(RW_BINDING_LIVES_MS + 1);
	take(&from, PANIC);
	assert_int_equal(t.believed, 0);
	assert_int_equal(stats()->unverified, 1);
}

static void test_a_new_port_behind_nat_replaces_the_old(void **state)
{
	struct rw_source old = source("192.0.2.1", 6665);
	struct rw_source new = source("192.0.2.1", 40001);

	(void)state;
	prove(ALICE, &old);
	pass(RW_CHALLENGE_EVERY_MS);
	assert_int_equal(t.challenged[0], 2);
	send_nonce(&new, t.nonce[0]);
	take(&old, PANIC);
	assert_int_equal(t.believed, 0);
	take(&new, PANIC);
	assert_int_equal(t.believed, 1);
}

static void test_hosts_behind_one_address_are_told_apart_by_their_ports(void **state)
{
	struct rw_source alice = source("192.0.2.1", 40001);
	struct rw_source bob = source("192.0.2.1", 40002);

	(void)state;
	prove(ALICE, &alice);
	prove(BOB, &bob);
	take(&bob, PANIC);
	assert_int_equal(t.believed, 1);
	assert_int_equal(t.believed_host, BOB);
}

static void test_a_binding_outlives_the_session(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	rw_gasp_watch_host_gone(t.watch, ALICE);
	assert_int_equal(stats()->hosts_armed, 0);
	take(&from, PANIC);
	assert_int_equal(t.believed_host, ALICE);
}

static void test_a_new_port_at_a_hosts_address_brings_its_challenge_forward(void **state)
{
	struct rw_source old = source("192.0.2.1", 6665);
	struct rw_source new = source("192.0.2.1", 40001);
	struct rw_source elsewhere = source("192.0.2.2", 40001);

	(void)state;
	prove(ALICE, &old);
	pass(RW_CHALLENGE_EVERY_LEAST_MS);
	take(&old, "6,77,1,-;all is well\n");
	take(&elsewhere, "6,77,1,-;all is well\n");
	pass(1);
	assert_int_equal(t.challenged[0], 1);
	take(&new, "6,77,1,-;all is well\n");
	pass(1);
	assert_int_equal(t.challenged[0], 2);
	send_nonce(&new, t.nonce[0]);
	take(&new, PANIC);
	assert_int_equal(t.believed_host, ALICE);
}

static void test_without_randomness_nobody_is_challenged_until_there_is_some(void **state)
{
	(void)state;
	t.has_no_nonces = true;
	arm(ALICE);
	pass(1000);
	assert_int_equal(stats()->challenged, 0);
	t.has_no_nonces = false;
	pass(1000);
	assert_int_equal(t.challenged[0], 1);
}

/* There it is not known who spoke, and no gasp would be believed. */
static void test_a_nonce_in_the_plain_form_binds_nothing(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);
	char datagram[128];

	(void)state;
	arm(ALICE);
	int used = snprintf(datagram, sizeof(datagram), "[   12.345678] ringwatch: gasp ");
	for (int i = 0; i < RW_GASP_NONCE_BYTES; i++)
		used += snprintf(datagram + used, sizeof(datagram) - (size_t)used, "%02x",
				 t.nonce[0][i]);
	take(&from, datagram);
	take(&from, datagram + strlen("[   12.345678] "));
	assert_int_equal(t.proved, 0);
	assert_int_equal(stats()->nonces_refused, 0);
	send_nonce(&from, t.nonce[0]); /* nor is it used up */
	assert_int_equal(t.proved, 1);
}

/* ---- gasps -------------------------------------------------------------------- */

static void test_each_kind_of_gasp_of_a_proved_source_is_believed(void **state)
{
	static const struct {
		const char *datagram, *kind;
	} rows[] = {
		{PANIC, "panic"},
		{"1,78,1,-;BUG: kernel NULL pointer dereference, address: 0000000000000008\n",
		 "oops"},
		{"6.12.0,4,79,1,-;Oops: 0002 [#1] PREEMPT SMP NOPTI\n", "oops"},
		{"0,80,1,-;watchdog: Watchdog detected hard LOCKUP on cpu 3\n", "hard_lockup"},
	};
	struct rw_source from = source("192.0.2.1", 6665);
	struct rw_gasp list[RW_GASPS_KEPT];

	(void)state;
	prove(ALICE, &from);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pass(1000);
		take(&from, rows[i].datagram);
		assert_int_equal(t.believed, i + 1);
		assert_true(rw_gasps_copy(t.gasps, list) > 0);
		assert_string_equal(list[0].kind, rows[i].kind);
		assert_string_equal(list[0].host, "alice");
		assert_true(list[0].verified);
	}
}

static void test_what_is_no_gasp_is_not_heard(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, "6,77,1,-;usb 1-1: new high-speed USB device number 2\n");
	take(&from, "4,78,1,-;WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n");
	take(&from, "");
	assert_int_equal(t.believed + t.shown, 0);
}

static void test_what_user_space_wrote_is_forged_and_not_believed(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);
	struct rw_gasp list[RW_GASPS_KEPT];

	(void)state;
	prove(ALICE, &from);
	take(&from, "8,77,1,-;Kernel panic - not syncing: forged\n");
	assert_int_equal(t.believed, 0);
	assert_int_equal(stats()->forged, 1);
	assert_int_equal(rw_gasps_copy(t.gasps, list), 1);
	assert_true(list[0].forged);
	assert_false(list[0].verified);
	assert_string_equal(list[0].host, "");
}

static void test_the_plain_form_does_not_tell_who_spoke(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, "[   12.345678] Kernel panic - not syncing: plain\n");
	assert_int_equal(t.believed, 0);
	assert_int_equal(stats()->unverified, 1);
}

static void test_a_plain_line_that_holds_a_head_is_not_believed(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, "[   12.345678] usb 1-1: Product: x,0,1,2,-;Kernel panic - not syncing: y\n");
	assert_int_equal(t.believed + t.shown, 0);
}

static void test_each_datagram_and_each_gasp_is_counted_once(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);
	struct rw_source stranger = source("192.0.2.66", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, PANIC);
	take(&from, "8,77,1,-;Kernel panic - not syncing: forged\n");
	take(&stranger, PANIC);
	take(&stranger, "6,78,1,-;all is well\n");
	take(&stranger, "");
	assert_int_equal(stats()->accepted, 5); /* with the nonce */
	assert_int_equal(stats()->verified, 1);
	assert_int_equal(stats()->acted, 1);
	assert_int_equal(stats()->forged, 1);
	assert_int_equal(stats()->unverified, 1);
	assert_int_equal(stats()->limited_source + stats()->limited_all + stats()->unparsable, 0);
	pass(1);
	assert_int_equal(stats()->sources, 1);
	assert_int_equal(stats()->hosts_armed, 1);
}

static void test_a_line_end_inside_a_record_begins_no_line(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, "6,77,1,-;task x\\x0aKernel panic - not syncing: a name\n");
	take(&from, "6,78,1,-;task x\nKernel panic - not syncing: a name\n");
	assert_int_equal(t.believed + t.shown, 0);
}

static void test_a_record_in_pieces_is_one_line(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, "0,77,1,-,ncfrag=0/40;Kernel panic - not s");
	assert_int_equal(t.believed, 0);
	take(&from, "0,77,1,-,ncfrag=20/40;yncing: Fatal except");
	assert_int_equal(t.believed, 1);
}

static void test_a_piece_that_does_not_fit_is_dropped_with_its_record(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, "0,77,1,-,ncfrag=0/60;Kernel panic - not s");
	take(&from, "0,77,1,-,ncfrag=40/60;yncing: Fatal except");
	take(&from, "0,77,1,-,ncfrag=20/60;yncing: Fatal except");
	take(&from, "0,77,1,-,ncfrag=50/40;Kernel panic");
	assert_int_equal(t.believed, 0);
	assert_true(stats()->unparsable >= 2);
}

/* ---- floods --------------------------------------------------------------------- */

static void test_a_stranger_is_heard_within_its_limit_only(void **state)
{
	struct rw_source stranger = source("198.51.100.1", 1);

	(void)state;
	for (int i = 0; i < RW_GASP_STRANGER_BURST + 50; i++)
		take(&stranger, PANIC);
	assert_int_equal(t.shown, RW_GASP_STRANGER_BURST);
	assert_int_equal(stats()->limited_source, 50);
	pass(1000);
	for (int i = 0; i < RW_GASP_STRANGER_PER_SECOND * 2; i++)
		take(&stranger, PANIC);
	assert_int_equal(t.shown, RW_GASP_STRANGER_BURST + RW_GASP_STRANGER_PER_SECOND);
}

static void test_no_flood_of_strangers_keeps_a_host_from_proving_or_dying(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	arm(ALICE);
	for (unsigned i = 0; i < 3 * RW_GASP_STRANGERS_BURST; i++) {
		char address[32];
		snprintf(address, sizeof(address), "198.51.%u.%u", i / 250, i % 250);
		struct rw_source stranger = source(address, 1);
		take(&stranger, PANIC);
	}
	assert_true(stats()->limited_all > 0);
	assert_int_equal(t.shown, RW_GASP_STRANGERS_BURST);
	send_nonce(&from, t.nonce[0]);
	assert_int_equal(t.proved, 1);
	take(&from, PANIC);
	assert_int_equal(t.believed, 1);
}

static void test_a_flood_in_a_hosts_name_does_not_keep_its_nonce_out(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	arm(ALICE);
	for (int i = 0; i < 10 * RW_GASP_STRANGER_BURST; i++)
		take(&from, "6,77,1,-;noise\n");
	assert_true(stats()->limited_source > 0);
	send_nonce(&from, t.nonce[0]);
	assert_int_equal(t.proved, 1);
	take(&from, PANIC); /* what it may say as a host is not used up */
	assert_int_equal(t.believed, 1);
	pass(RW_CHALLENGE_EVERY_MS);
	for (int i = 0; i < 2 * RW_GASP_HOST_BURST; i++)
		take(&from, "6,77,1,-;noise\n");
	assert_int_equal(t.challenged[0], 2);
	send_nonce(&from, t.nonce[0]);
	assert_int_equal(t.proved, 2);
}

static void test_hosts_are_limited_each_and_all_together(void **state)
{
	enum { HOSTS = RW_GASP_HOSTS_BURST / RW_GASP_HOST_BURST + 1 };

	(void)state;
	for (uint16_t i = 0; i < HOSTS; i++) {
		struct rw_source from = source("192.0.2.1", (uint16_t)(7000 + i));
		prove(100u + i, &from);
	}
	assert_int_equal(t.proved, HOSTS);
	for (uint16_t i = 0; i < HOSTS; i++) {
		struct rw_source from = source("192.0.2.1", (uint16_t)(7000 + i));
		for (int sent = 0; sent < RW_GASP_HOST_BURST + 1; sent++)
			take(&from, "6,77,1,-;noise\n");
	}
	assert_int_equal(stats()->limited_source, HOSTS);
	assert_int_equal(stats()->limited_all, HOSTS * RW_GASP_HOST_BURST - RW_GASP_HOSTS_BURST);
	assert_int_equal(stats()->accepted, HOSTS + RW_GASP_HOSTS_BURST);
}

static void test_strangers_cannot_push_out_a_piece_of_a_hosts_record(void **state)
{
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	prove(ALICE, &from);
	take(&from, "0,77,1,-,ncfrag=0/40;Kernel panic - not s");
	t.now.boot_ms++;
	for (uint16_t port = 1; port <= 2 * RW_NETCONSOLE_PIECES; port++) {
		struct rw_source stranger = source("198.51.100.1", port);
		take(&stranger, "0,77,1,-,ncfrag=0/40;Kernel panic - not s");
	}
	take(&from, "0,77,1,-,ncfrag=20/40;yncing: Fatal except");
	assert_int_equal(t.believed, 1);
}

static void test_a_tick_sends_so_many_challenges_and_the_next_goes_on(void **state)
{
	struct rw_source peer = source("192.0.2.1", 50000);

	(void)state;
	for (rw_host_handle host = 10; host < 10 + RW_CHALLENGES_PER_TICK + 5; host++)
		rw_gasp_watch_host_live(t.watch, host, true, &peer, t.now);
	pass(1);
	assert_int_equal(stats()->challenged, RW_CHALLENGES_PER_TICK);
	pass(1);
	assert_int_equal(stats()->challenged, RW_CHALLENGES_PER_TICK + 5);
}

static void test_datagrams_that_are_too_long_are_counted(void **state)
{
	static uint8_t bytes[RW_NETCONSOLE_DATAGRAM_MAX + 1];
	struct rw_source from = source("192.0.2.1", 6665);

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	rw_gasp_watch_take(t.watch, &from, bytes, sizeof(bytes), t.now);
	assert_int_equal(stats()->unparsable, 1);
}

#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCH_TEST(test_an_armed_host_is_challenged_and_its_source_is_bound),
		WATCH_TEST(test_a_host_that_is_not_armed_is_never_challenged),
		WATCH_TEST(test_a_nonce_works_once),
		WATCH_TEST(test_a_nonce_that_nobody_was_sent_binds_nothing),
		WATCH_TEST(test_a_nonce_is_void_when_it_comes_too_late),
		WATCH_TEST(test_a_session_that_comes_and_goes_is_challenged_once_and_when_it_stays),
		WATCH_TEST(test_a_host_that_does_not_answer_is_asked_thrice_and_then_rarely),
		WATCH_TEST(test_a_proof_is_void_unless_it_is_renewed),
		WATCH_TEST(test_a_new_port_behind_nat_replaces_the_old),
		WATCH_TEST(test_hosts_behind_one_address_are_told_apart_by_their_ports),
		WATCH_TEST(test_a_binding_outlives_the_session),
		WATCH_TEST(test_a_new_port_at_a_hosts_address_brings_its_challenge_forward),
		WATCH_TEST(test_without_randomness_nobody_is_challenged_until_there_is_some),
		WATCH_TEST(test_a_nonce_in_the_plain_form_binds_nothing),
		WATCH_TEST(test_each_kind_of_gasp_of_a_proved_source_is_believed),
		WATCH_TEST(test_what_is_no_gasp_is_not_heard),
		WATCH_TEST(test_what_user_space_wrote_is_forged_and_not_believed),
		WATCH_TEST(test_the_plain_form_does_not_tell_who_spoke),
		WATCH_TEST(test_a_plain_line_that_holds_a_head_is_not_believed),
		WATCH_TEST(test_each_datagram_and_each_gasp_is_counted_once),
		WATCH_TEST(test_a_line_end_inside_a_record_begins_no_line),
		WATCH_TEST(test_a_record_in_pieces_is_one_line),
		WATCH_TEST(test_a_piece_that_does_not_fit_is_dropped_with_its_record),
		WATCH_TEST(test_a_stranger_is_heard_within_its_limit_only),
		WATCH_TEST(test_no_flood_of_strangers_keeps_a_host_from_proving_or_dying),
		WATCH_TEST(test_a_flood_in_a_hosts_name_does_not_keep_its_nonce_out),
		WATCH_TEST(test_hosts_are_limited_each_and_all_together),
		WATCH_TEST(test_strangers_cannot_push_out_a_piece_of_a_hosts_record),
		WATCH_TEST(test_a_tick_sends_so_many_challenges_and_the_next_goes_on),
		WATCH_TEST(test_datagrams_that_are_too_long_are_counted),
	};

	return cmocka_run_group_tests_name("gasp_watch", tests, NULL, NULL);
}
