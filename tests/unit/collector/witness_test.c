/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the witnesses, over real sockets of the loopback: one who accepts, one
 * who refuses, one who says nothing, and one to whom there is no way.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/witness.h"

enum { QUICK_MS = 100, LONG_MS = 60000, FILLERS = 8 };

struct fixture {
	uv_loop_t loop;
	struct rw_witnesses_config config;
	struct rw_witnesses *witnesses;
	int sockets[4 + FILLERS];
	size_t socket_count;
	unsigned answers;
	bool reachable;
	bool close_when_answered;
	bool in_ask;
};

static void take_answer(void *context, bool reachable)
{
	struct fixture *f = context;

	assert_false(f->in_ask);
	f->answers++;
	f->reachable = reachable;
	if (f->close_when_answered)
		rw_witnesses_close(f->witnesses);
}

static int setup(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->config.timeout_ms = LONG_MS;
	f->config.answer = take_answer;
	f->config.context = f;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rw_witnesses_close(f->witnesses);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	rw_witnesses_free(f->witnesses);
	for (size_t i = 0; i < f->socket_count; i++)
		close(f->sockets[i]);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	return 0;
}

static void add(struct fixture *f, const struct sockaddr_in *address)
{
	memcpy(&f->config.addresses[f->config.count++], address, sizeof(*address));
}

/* A bound socket of the loopback; its address becomes a witness. */
static int bind_one(struct fixture *f, struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	f->sockets[f->socket_count++] = fd;
	add(f, address);
	return fd;
}

static void add_listener(struct fixture *f)
{
	struct sockaddr_in address;

	assert_int_equal(listen(bind_one(f, &address), 8), 0);
}

/* Bound and not listening: the kernel answers with RST, and nobody else takes the port. */
static void add_refusing(struct fixture *f)
{
	struct sockaddr_in address;

	(void)bind_one(f, &address);
}

/* Its queue is full: the kernel drops what comes, as a network that is gone would. */
static void add_silent(struct fixture *f)
{
	struct sockaddr_in address;

	assert_int_equal(listen(bind_one(f, &address), 0), 0);
	for (int i = 0; i < FILLERS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		assert_true(fd >= 0);
		f->sockets[f->socket_count++] = fd;
		(void)connect(fd, (struct sockaddr *)&address, sizeof(address));
	}
}

/* TCP to everybody at once: there is no way. */
static void add_unroutable(struct fixture *f)
{
	add(f, &(struct sockaddr_in){.sin_family = AF_INET,
				     .sin_port = htons(9),
				     .sin_addr.s_addr = htonl(INADDR_BROADCAST)});
}

static void ask(struct fixture *f)
{
	if (f->witnesses == NULL)
		f->witnesses = rw_witnesses_open(&f->loop, &f->config);
	assert_non_null(f->witnesses);
	f->in_ask = true;
	rw_witnesses_ask(f->witnesses);
	f->in_ask = false;
}

static void expect(struct fixture *f, bool reachable)
{
	unsigned before = f->answers;

	ask(f);
	ask(f); /* one round at a time */
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->answers, before + 1);
	assert_int_equal(f->reachable, reachable);
}

static void a_witness_who_accepts_is_reached(void **state)
{
	struct fixture *f = *state;

	add_listener(f);
	expect(f, true);
	expect(f, true); /* and again, on the same slots */
}

static void a_refusal_proves_the_network_too(void **state)
{
	struct fixture *f = *state;

	add_refusing(f);
	expect(f, true);
}

static void one_of_many_is_enough_and_nobody_waits_for_the_rest(void **state)
{
	struct fixture *f = *state;

	add_silent(f);
	add_unroutable(f);
	add_listener(f);
	expect(f, true);
}

static void silence_is_not_reachable(void **state)
{
	struct fixture *f = *state;

	f->config.timeout_ms = QUICK_MS;
	add_silent(f);
	expect(f, false);
	expect(f, false);
}

static void no_way_at_all_is_told_at_once_and_from_the_loop(void **state)
{
	struct fixture *f = *state;

	add_unroutable(f);
	add_unroutable(f);
	expect(f, false);
}

static void what_is_closed_in_the_midst_of_a_round_answers_no_more(void **state)
{
	struct fixture *f = *state;

	add_listener(f);
	ask(f);
	rw_witnesses_close(f->witnesses);
	ask(f);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->answers, 0);
}

static void it_may_be_closed_by_its_own_answer(void **state)
{
	struct fixture *f = *state;

	f->close_when_answered = true;
	add_listener(f);
	add_silent(f);
	expect(f, true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_witness_who_accepts_is_reached),
		TEST(a_refusal_proves_the_network_too),
		TEST(one_of_many_is_enough_and_nobody_waits_for_the_rest),
		TEST(silence_is_not_reachable),
		TEST(no_way_at_all_is_told_at_once_and_from_the_loop),
		TEST(what_is_closed_in_the_midst_of_a_round_answers_no_more),
		TEST(it_may_be_closed_by_its_own_answer),
	};

	return cmocka_run_group_tests_name("witness", tests, NULL, NULL);
}
