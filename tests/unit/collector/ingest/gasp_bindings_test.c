/* SPDX-License-Identifier: Apache-2.0 */
/* When hosts are challenged, and what a nonce that comes back proves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "collector/ingest/gasp_bindings.h"

enum { LEAST = RW_CHALLENGE_EVERY_LEAST_MS, EVERY = RW_CHALLENGE_EVERY_MS, HOSTS = 1000 };

struct fixture {
	struct rw_bindings *bindings;
	uint64_t now_ms;
	uint32_t nonces; /* made so far; each is its number */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->bindings = rw_bindings_new(UINT64_C(0x1234567890abcdef));
	assert_non_null(f->bindings);
	f->now_ms = 1000; /* the machine has just begun */
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rw_bindings_free(f->bindings);
	free(f);
	return 0;
}

/* The nth machine, on that port. */
static struct rw_source at(uint32_t machine, uint16_t port)
{
	return (struct rw_source){
		.address = {10, (uint8_t)(machine >> 16), (uint8_t)(machine >> 8),
			    (uint8_t)machine},
		.port = port,
	};
}

static void arm(struct fixture *f, rw_host_handle host)
{
	struct rw_source peer = at(host, 40000);

	assert_int_equal(rw_bindings_arm(f->bindings, host, &peer, f->now_ms), 0);
}

static void write_nonce(uint32_t number, uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	memset(nonce, 0, RW_GASP_NONCE_BYTES);
	memcpy(nonce + RW_GASP_NONCE_BYTES - sizeof(number), &number, sizeof(number));
}

/* The next that is due; its nonce has the number f->nonces. */
static rw_host_handle next(struct fixture *f)
{
	uint8_t nonce[RW_GASP_NONCE_BYTES];

	write_nonce(++f->nonces, nonce);
	return rw_bindings_next(f->bindings, f->now_ms, nonce);
}

static void nobody_is_due(struct fixture *f)
{
	assert_int_equal(next(f), RW_NO_HOST);
}

/* Returns the nonce's number. */
static uint32_t is_due(struct fixture *f, rw_host_handle host)
{
	assert_int_equal(next(f), host);
	return f->nonces;
}

/* The host is due at that time from now, and not a moment before. */
static uint32_t is_due_in(struct fixture *f, rw_host_handle host, uint64_t ms)
{
	f->now_ms += ms - 1;
	nobody_is_due(f);
	f->now_ms += 1;
	return is_due(f, host);
}

static rw_host_handle prove(struct fixture *f, uint32_t number, struct rw_source source)
{
	uint8_t nonce[RW_GASP_NONCE_BYTES];

	write_nonce(number, nonce);
	return rw_bindings_prove(f->bindings, &source, nonce, f->now_ms);
}

static rw_host_handle host_at(const struct fixture *f, struct rw_source source)
{
	return rw_bindings_host(f->bindings, &source, f->now_ms);
}

static uint64_t proved(struct fixture *f)
{
	return rw_bindings_proved(f->bindings, f->now_ms);
}

static void prompt(struct fixture *f, struct rw_source source)
{
	rw_bindings_prompt(f->bindings, &source, f->now_ms);
}

/* ---- sources --------------------------------------------------------------------- */

static struct rw_source from_text(int family, const char *text, uint16_t port)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in *in = (void *)&address;
	struct sockaddr_in6 *in6 = (void *)&address;
	struct rw_source source;

	memset(&source, 0xa5, sizeof(source));
	address.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		in->sin_port = htons(port);
		assert_int_equal(inet_pton(family, text, &in->sin_addr), 1);
	} else {
		in6->sin6_port = htons(port);
		assert_int_equal(inet_pton(family, text, &in6->sin6_addr), 1);
	}
	assert_true(rw_source_from((const struct sockaddr *)&address, &source));
	return source;
}

static void prints(struct rw_source source, const char *expected)
{
	char text[RW_SOURCE_TEXT_BYTES];

	assert_ptr_equal(rw_source_print(&source, text), text);
	assert_string_equal(text, expected);
}

static void test_a_source_has_one_form_for_each_address(void **state)
{
	struct rw_source v4 = from_text(AF_INET, "192.0.2.7", 6665);
	struct rw_source mapped = from_text(AF_INET6, "::ffff:192.0.2.7", 6665);
	struct rw_source v6 = from_text(AF_INET6, "c000:207::", 6665); /* the same first bytes */
	struct rw_source port = from_text(AF_INET, "192.0.2.7", 6666);
	struct sockaddr local = {.sa_family = AF_UNIX};

	(void)state;
	assert_true(rw_source_is_equal(&v4, &mapped));
	assert_false(mapped.is_v6);
	assert_false(rw_source_is_equal(&v4, &v6));
	assert_false(rw_source_is_equal(&v4, &port));
	assert_false(rw_source_from(&local, &v4));
}

static void test_a_source_hashes_by_what_makes_it_and_by_the_key(void **state)
{
	struct rw_source v4 = from_text(AF_INET, "192.0.2.7", 6665);
	struct rw_source v6 = from_text(AF_INET6, "c000:207::", 6665);
	struct rw_source port = from_text(AF_INET, "192.0.2.7", 6666);

	(void)state;
	assert_true(rw_source_hash(&v4, false, 1) == rw_source_hash(&port, false, 1));
	assert_true(rw_source_hash(&v4, true, 1) != rw_source_hash(&port, true, 1));
	assert_true(rw_source_hash(&v4, true, 1) != rw_source_hash(&v4, true, 2));
	assert_true(rw_source_hash(&v4, true, 1) != rw_source_hash(&v6, true, 1));
}

static void test_a_source_is_printed_as_people_write_it(void **state)
{
	(void)state;
	prints(from_text(AF_INET, "192.0.2.7", 6665), "192.0.2.7:6665");
	prints(from_text(AF_INET6, "::ffff:192.0.2.7", 1), "192.0.2.7:1");
	prints(from_text(AF_INET6, "2001:db8::7", 65535), "[2001:db8::7]:65535");
	prints(from_text(AF_INET6, "2001:db80:1111:2222:3333:4444:5555:6666", 65535),
	       "[2001:db80:1111:2222:3333:4444:5555:6666]:65535");
}

/* ---- challenges -------------------------------------------------------------------- */

static void test_an_armed_host_is_due_at_once_and_once(void **state)
{
	struct fixture *f = *state;

	nobody_is_due(f);
	arm(f, 7);
	assert_int_equal(rw_bindings_armed(f->bindings), 1);
	is_due(f, 7);
	nobody_is_due(f);
}

static void test_who_does_not_answer_is_asked_thrice_in_each_round(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	for (int round = 0; round < 3; round++) {
		if (round == 0)
			is_due(f, 7);
		else
			is_due_in(f, 7, EVERY);
		for (int tries = 1; tries < RW_CHALLENGE_TRIES; tries++)
			is_due_in(f, 7, LEAST);
	}
}

static void test_who_answers_is_asked_again_a_round_later(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	uint32_t nonce = is_due(f, 7);
	for (int round = 0; round < 3; round++) {
		f->now_ms += 5000;
		assert_int_equal(prove(f, nonce, at(7, 6665)), 7);
		nonce = is_due_in(f, 7, EVERY);
	}
	/* and when it falls silent, thrice */
	is_due_in(f, 7, LEAST);
	is_due_in(f, 7, LEAST);
	is_due_in(f, 7, EVERY);
}

static void test_an_answer_makes_all_tries_good_again(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	is_due(f, 7);
	uint32_t nonce = is_due_in(f, 7, LEAST);
	assert_int_equal(prove(f, nonce, at(7, 6665)), 7);
	is_due_in(f, 7, EVERY);
	is_due_in(f, 7, LEAST);
	is_due_in(f, 7, LEAST);
	is_due_in(f, 7, EVERY);
}

static void test_a_new_session_does_not_bring_a_challenge_closer_than_may_be(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	uint32_t nonce = is_due(f, 7);
	assert_int_equal(prove(f, nonce, at(7, 6665)), 7);
	f->now_ms += LEAST - 1;
	rw_bindings_disarm(f->bindings, 7);
	arm(f, 7);
	nobody_is_due(f);
	f->now_ms += LEAST;
	is_due(f, 7);
	f->now_ms += LEAST;
	rw_bindings_disarm(f->bindings, 7);
	arm(f, 7);
	is_due(f, 7); /* long enough ago: at once */
	nobody_is_due(f);
}

static void test_a_host_that_is_armed_twice_is_one(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	arm(f, 7);
	assert_int_equal(rw_bindings_armed(f->bindings), 1);
	is_due(f, 7);
	nobody_is_due(f);
	rw_bindings_disarm(f->bindings, 7);
	rw_bindings_disarm(f->bindings, 7);
	assert_int_equal(rw_bindings_armed(f->bindings), 0);
}

static void test_a_host_without_a_session_is_not_challenged(void **state)
{
	struct fixture *f = *state;

	rw_bindings_disarm(f->bindings, 7); /* never heard of */
	arm(f, 7);
	rw_bindings_disarm(f->bindings, 7);
	assert_int_equal(rw_bindings_armed(f->bindings), 0);
	nobody_is_due(f);
	arm(f, 7);
	uint32_t nonce = is_due(f, 7);
	rw_bindings_disarm(f->bindings, 7);
	/* its answer was on the way; that makes it due no more */
	assert_int_equal(prove(f, nonce, at(7, 6665)), 7);
	f->now_ms += 2 * EVERY;
	nobody_is_due(f);
	prompt(f, at(7, 6666));
	nobody_is_due(f);
}

static void test_each_of_many_is_challenged_once_a_round_and_told_apart(void **state)
{
	static uint32_t nonce_of[HOSTS];
	struct fixture *f = *state;

	for (rw_host_handle host = 0; host < HOSTS; host++)
		arm(f, host * 3);
	assert_int_equal(rw_bindings_armed(f->bindings), HOSTS);
	for (uint32_t i = 0; i < HOSTS; i++) {
		rw_host_handle host = next(f);
		assert_true(host % 3 == 0 && host / 3 < HOSTS);
		assert_int_equal(nonce_of[host / 3], 0);
		nonce_of[host / 3] = f->nonces;
	}
	nobody_is_due(f);
	for (rw_host_handle host = 0; host < HOSTS; host++)
		assert_int_equal(prove(f, nonce_of[host], at(host * 3, 6665)), host * 3);
	assert_int_equal(proved(f), HOSTS);
	/* half go, and come again among more than there were */
	for (rw_host_handle host = 0; host < HOSTS; host += 2)
		rw_bindings_disarm(f->bindings, host * 3);
	assert_int_equal(rw_bindings_armed(f->bindings), HOSTS / 2);
	for (rw_host_handle host = 0; host < 3 * HOSTS; host++)
		arm(f, host);
	assert_int_equal(rw_bindings_armed(f->bindings), 3 * HOSTS);
	for (uint32_t host = 0; host < 3 * HOSTS; host++)
		assert_int_equal(host_at(f, at(host, 6665)), host % 3 == 0 ? host : RW_NO_HOST);
	f->now_ms += EVERY;
	uint32_t due = 0;
	while (next(f) != RW_NO_HOST)
		due++;
	assert_int_equal(due, 3 * HOSTS);
}

/* ---- strangers that speak ------------------------------------------------------------- */

static void test_a_stranger_at_a_hosts_address_makes_it_due_again(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	arm(f, 8);
	assert_int_equal(prove(f, is_due(f, 7), at(7, 6665)), 7);
	assert_int_equal(prove(f, is_due(f, 8), at(8, 6665)), 8);
	f->now_ms += LEAST;
	prompt(f, at(9, 6665)); /* nobody's */
	nobody_is_due(f);
	prompt(f, at(7, 1));
	prompt(f, at(7, 1));
	is_due(f, 7);
	nobody_is_due(f);
}

static void test_a_stranger_cannot_bring_a_challenge_closer_or_put_it_off(void **state)
{
	struct fixture *f = *state;
	uint64_t last_ms = 0;
	uint32_t challenges = 0;

	arm(f, 7);
	uint64_t end_ms = f->now_ms + EVERY;
	for (; f->now_ms < end_ms; f->now_ms += 1000) {
		if (next(f) == 7) {
			assert_true(challenges == 0 || f->now_ms - last_ms >= LEAST);
			last_ms = f->now_ms;
			challenges++;
			if (challenges == 1)
				assert_int_equal(prove(f, f->nonces, at(7, 6665)), 7);
		}
		prompt(f, at(7, 1));
	}
	assert_true(challenges >= EVERY / LEAST - 1);
}

static void test_one_datagram_makes_few_hosts_due(void **state)
{
	struct fixture *f = *state;
	struct rw_source peer = at(1, 40000);
	uint32_t due = 0;

	for (rw_host_handle host = 0; host < HOSTS; host++)
		assert_int_equal(rw_bindings_arm(f->bindings, host, &peer, f->now_ms), 0);
	for (uint32_t i = 0; i < HOSTS; i++) {
		rw_host_handle host = next(f);
		assert_int_equal(prove(f, f->nonces, at(1, (uint16_t)(host + 1))), host);
	}
	f->now_ms += LEAST;
	nobody_is_due(f);
	prompt(f, at(1, 60000));
	while (next(f) != RW_NO_HOST)
		due++;
	assert_in_range(due, 1, 8);
}

/* ---- proofs ---------------------------------------------------------------------------- */

static void test_a_nonce_binds_the_source_from_which_it_comes(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	uint32_t nonce = is_due(f, 7);
	assert_int_equal(host_at(f, at(7, 6665)), RW_NO_HOST);
	assert_int_equal(prove(f, nonce, at(99, 1234)), 7); /* not where its session is from */
	assert_int_equal(host_at(f, at(99, 1234)), 7);
	assert_int_equal(host_at(f, at(99, 1235)), RW_NO_HOST);
	assert_int_equal(host_at(f, at(7, 1234)), RW_NO_HOST);
	assert_int_equal(proved(f), 1);
}

static void test_a_nonce_works_once(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	uint32_t nonce = is_due(f, 7);
	assert_int_equal(prove(f, nonce, at(7, 6665)), 7);
	assert_int_equal(prove(f, nonce, at(66, 6665)), RW_NO_HOST);
	assert_int_equal(prove(f, nonce, at(7, 6665)), RW_NO_HOST);
	assert_int_equal(host_at(f, at(7, 6665)), 7);
	assert_int_equal(host_at(f, at(66, 6665)), RW_NO_HOST);
}

static void test_a_nonce_that_was_not_sent_binds_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(prove(f, 1, at(66, 6665)), RW_NO_HOST); /* no host at all */
	arm(f, 7);
	uint32_t nonce = is_due(f, 7);
	nobody_is_due(f); /* what was made for nobody is nobody's */
	assert_int_equal(prove(f, f->nonces, at(66, 6665)), RW_NO_HOST);
	assert_int_equal(prove(f, nonce ^ 1u << 31, at(66, 6665)), RW_NO_HOST);
	assert_int_equal(proved(f), 0);
	assert_int_equal(prove(f, nonce, at(7, 6665)), 7);
}

static void test_a_nonce_lives_only_so_long(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	arm(f, 8);
	uint32_t first = is_due(f, 7), second = is_due(f, 8);
	f->now_ms += RW_CHALLENGE_LIVES_MS - 1;
	assert_int_equal(prove(f, first, at(7, 6665)), 7);
	f->now_ms += 1;
	assert_int_equal(prove(f, second, at(8, 6665)), RW_NO_HOST);
	assert_int_equal(host_at(f, at(8, 6665)), RW_NO_HOST);
	assert_int_equal(proved(f), 1);
}

static void test_a_new_challenge_makes_the_one_before_void(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	uint32_t first = is_due(f, 7);
	uint32_t second = is_due_in(f, 7, LEAST);
	assert_int_equal(prove(f, first, at(66, 6665)), RW_NO_HOST);
	assert_int_equal(prove(f, second, at(7, 6665)), 7);
}

static void test_a_host_has_one_source_the_newest(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	assert_int_equal(prove(f, is_due(f, 7), at(7, 6665)), 7);
	uint32_t nonce = is_due_in(f, 7, EVERY);
	assert_int_equal(host_at(f, at(7, 6665)), 7); /* until the new proof is here */
	assert_int_equal(prove(f, nonce, at(7, 50001)), 7);
	assert_int_equal(host_at(f, at(7, 6665)), RW_NO_HOST);
	assert_int_equal(host_at(f, at(7, 50001)), 7);
	assert_int_equal(proved(f), 1);
}

static void test_a_source_is_one_hosts_the_newest(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	arm(f, 8);
	uint32_t first = is_due(f, 7), second = is_due(f, 8);
	assert_int_equal(prove(f, first, at(7, 6665)), 7);
	assert_int_equal(prove(f, second, at(7, 6665)), 8);
	assert_int_equal(host_at(f, at(7, 6665)), 8);
	assert_int_equal(proved(f), 1);
	/* they change places */
	f->now_ms += EVERY;
	first = is_due(f, 7);
	second = is_due(f, 8);
	assert_int_equal(prove(f, first, at(7, 6665)), 7);
	assert_int_equal(prove(f, second, at(7, 6666)), 8);
	assert_int_equal(host_at(f, at(7, 6665)), 7);
	assert_int_equal(host_at(f, at(7, 6666)), 8);
	assert_int_equal(proved(f), 2);
}

static void test_a_binding_that_is_not_proved_again_is_void(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	arm(f, 8);
	uint32_t first = is_due(f, 7), second = is_due(f, 8);
	assert_int_equal(prove(f, first, at(7, 6665)), 7);
	rw_bindings_disarm(f->bindings, 7);
	assert_int_equal(prove(f, second, at(8, 6665)), 8);
	f->now_ms += RW_BINDING_LIVES_MS - LEAST;
	assert_int_equal(prove(f, is_due(f, 8), at(8, 6665)), 8);
	f->now_ms += LEAST - 1;
	assert_int_equal(host_at(f, at(7, 6665)), 7);
	assert_int_equal(proved(f), 2);
	f->now_ms += 1;
	assert_int_equal(host_at(f, at(7, 6665)), RW_NO_HOST); /* before it is dropped */
	assert_int_equal(proved(f), 1);
	assert_int_equal(host_at(f, at(8, 6665)), 8);
	/* what was dropped may be bound anew */
	arm(f, 7);
	assert_int_equal(prove(f, is_due(f, 7), at(7, 6665)), 7);
	assert_int_equal(proved(f), 2);
}

static void test_what_is_proved_outlives_the_session(void **state)
{
	struct fixture *f = *state;

	arm(f, 7);
	assert_int_equal(prove(f, is_due(f, 7), at(7, 6665)), 7);
	rw_bindings_disarm(f->bindings, 7);
	assert_int_equal(rw_bindings_armed(f->bindings), 0);
	assert_int_equal(host_at(f, at(7, 6665)), 7);
	assert_int_equal(proved(f), 1);
}

#define BINDINGS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_source_has_one_form_for_each_address),
		cmocka_unit_test(test_a_source_hashes_by_what_makes_it_and_by_the_key),
		cmocka_unit_test(test_a_source_is_printed_as_people_write_it),
		BINDINGS_TEST(test_an_armed_host_is_due_at_once_and_once),
		BINDINGS_TEST(test_who_does_not_answer_is_asked_thrice_in_each_round),
		BINDINGS_TEST(test_who_answers_is_asked_again_a_round_later),
		BINDINGS_TEST(test_an_answer_makes_all_tries_good_again),
		BINDINGS_TEST(test_a_new_session_does_not_bring_a_challenge_closer_than_may_be),
		BINDINGS_TEST(test_a_host_that_is_armed_twice_is_one),
		BINDINGS_TEST(test_a_host_without_a_session_is_not_challenged),
		BINDINGS_TEST(test_each_of_many_is_challenged_once_a_round_and_told_apart),
		BINDINGS_TEST(test_a_stranger_at_a_hosts_address_makes_it_due_again),
		BINDINGS_TEST(test_a_stranger_cannot_bring_a_challenge_closer_or_put_it_off),
		BINDINGS_TEST(test_one_datagram_makes_few_hosts_due),
		BINDINGS_TEST(test_a_nonce_binds_the_source_from_which_it_comes),
		BINDINGS_TEST(test_a_nonce_works_once),
		BINDINGS_TEST(test_a_nonce_that_was_not_sent_binds_nothing),
		BINDINGS_TEST(test_a_nonce_lives_only_so_long),
		BINDINGS_TEST(test_a_new_challenge_makes_the_one_before_void),
		BINDINGS_TEST(test_a_host_has_one_source_the_newest),
		BINDINGS_TEST(test_a_source_is_one_hosts_the_newest),
		BINDINGS_TEST(test_a_binding_that_is_not_proved_again_is_void),
		BINDINGS_TEST(test_what_is_proved_outlives_the_session),
	};

	return cmocka_run_group_tests_name("gasp_bindings", tests, NULL, NULL);
}
