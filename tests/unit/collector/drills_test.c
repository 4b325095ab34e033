/* SPDX-License-Identifier: Apache-2.0 */
/* How a drill gets on, over a real core and a clock moved by hand. */
#include "tests/unit/core/fixture.h"

#include "collector/drills.h"

enum { HOLD_MS = 20000, TOLD_MAX = 8 };

static struct {
	rw_host_handle asked; /* RW_NO_HOST: nobody */
	rw_host_handle without_session;
	uint32_t count;
	struct {
		const char *step;
		struct rw_drill_row row;
	} told[TOLD_MAX];
} said;

static bool take_ask(void *context, rw_host_handle host, const uint8_t name[RW_DRILL_BYTES])
{
	(void)context;
	(void)name;
	if (host == said.without_session)
		return false;
	said.asked = host;
	return true;
}

static void take_step(void *context, const char *step, const struct rw_drill_row *row)
{
	(void)context;
	assert_true(said.count < TOLD_MAX);
	said.told[said.count].step = step;
	said.told[said.count++].row = *row;
}

static struct rw_drills *new_drills(void)
{
	const struct rw_drills_sink sink = {NULL, take_ask, take_step};

	memset(&said, 0, sizeof(said));
	said.asked = said.without_session = RW_NO_HOST;
	return rw_drills_new(&sink);
}

static struct rw_drill_answer answer;

static int start(struct rw_drills *drills, struct fixture *f, const char *host, uint8_t chance)
{
	const struct rw_drill_ask ask = {
		.name = {chance, 0, 0, 0, 0xab},
		.deployment = "d",
		.ring = "r0",
		.host = host,
		.actor = "sre",
		.hold_ms = HOLD_MS,
	};

	return rw_drills_start(drills, f->core, &ask, f->now, &answer);
}

static void report(struct rw_drills *drills, struct fixture *f, const char *host, const char *name,
		   bool from_log)
{
	rw_drills_event(drills, f->core, host, name, from_log, "its words", f->now);
}

static void go_on(struct rw_drills *drills, struct fixture *f, uint64_t ms)
{
	fx_run(f, ms);
	rw_drills_tick(drills, f->core, f->now);
}

static void the_whole_way(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_drills *drills = new_drills();

	assert_int_equal(start(drills, f, "", 1), 0);
	assert_int_equal(said.asked, 1); /* where chance pointed */
	assert_string_equal(answer.row.drill, "01000000ab0000000000000000000000");
	assert_string_equal(said.told[0].step, "drill_started");
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_HOLD);

	report(drills, f, answer.row.host, answer.row.drill, true);
	assert_string_equal(said.told[1].step, "drill_proved");
	assert_string_equal(said.told[1].row.detail, "its words");
	assert_string_equal(said.told[1].row.actor, "sre");
	assert_int_equal(said.told[1].row.proved_wall_ms, f->now.wall_ms);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_ABORT);
	assert_int_equal(fx_verdict(f, "d", "r0")->proved_wall_ms, f->now.wall_ms);

	go_on(drills, f, HOLD_MS - 1000);
	assert_int_equal(said.count, 2);
	go_on(drills, f, 1000);
	assert_string_equal(said.told[2].step, "drill_cleared");
	assert_int_equal(said.told[2].row.ended_wall_ms, f->now.wall_ms);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_HOLD);
	assert_int_equal(start(drills, f, "", 2), 0); /* and another may begin */
	rw_drills_free(drills);
	fx_free(f);
}

static void what_does_not_come_out_of_a_kernel_log_in_time_proves_nothing(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_drills *drills = new_drills();

	assert_int_equal(start(drills, f, "", 0), 0);
	go_on(drills, f, RW_DRILL_ANSWER_MS - 1000);
	assert_int_equal(said.count, 1);
	go_on(drills, f, 1000);
	assert_string_equal(said.told[1].step, "drill_failed");
	assert_string_equal(said.told[1].row.detail, "the host reported nothing in time");
	report(drills, f, answer.row.host, answer.row.drill, true); /* too late */
	assert_int_equal(said.count, 2);

	assert_int_equal(start(drills, f, "", 3), 0);
	report(drills, f, answer.row.host, answer.row.drill, false);
	assert_string_equal(said.told[3].step, "drill_failed");
	assert_string_equal(said.told[3].row.detail, "its words");
	assert_int_equal(said.told[3].row.proved_wall_ms, 0);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_HOLD);
	assert_int_equal(fx_verdict(f, "d", "r0")->proved_wall_ms, 0);
	rw_drills_free(drills);
	fx_free(f);
}

static void a_hosts_words_are_cut_between_characters(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_drills *drills = new_drills();
	char words[2 * RW_CORE_TEXT_BYTES + 1] = "";

	for (size_t i = 0; i + 2 < sizeof(words); i += 2)
		memcpy(words + i, "\xc3\xa9", 3);
	assert_int_equal(start(drills, f, "", 0), 0);
	rw_drills_event(drills, f->core, answer.row.host, answer.row.drill, false, words, f->now);
	const char *kept = said.told[1].row.detail;
	assert_int_equal(strlen(kept) % 2, 0); /* no half of an é at the end */
	assert_memory_equal(kept, words, strlen(kept));
	assert_true(strlen(kept) > RW_CORE_TEXT_BYTES / 2);
	rw_drills_free(drills);
	fx_free(f);
}

static void only_the_host_that_was_asked_and_by_this_name(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_drills *drills = new_drills();

	report(drills, f, "h0", "01000000ab0000000000000000000000", true); /* nobody asked */
	assert_int_equal(start(drills, f, "", 1), 0);
	struct rw_host_row other;
	assert_true(rw_core_host_at(f->core, 2, &other));
	report(drills, f, other.id, answer.row.drill, true);
	report(drills, f, answer.row.host, "02000000ab0000000000000000000000", true);
	report(drills, f, answer.row.host, NULL, true);
	assert_int_equal(said.count, 1);
	assert_int_equal(fx_verdict(f, "d", "r0")->decision, RW_HOLD);
	rw_drills_free(drills);
	fx_free(f);
}

static void what_could_prove_nothing_does_not_begin(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_drills *drills = new_drills();
	struct rw_drill_ask ask = {.deployment = "x", .ring = "r0", .host = "", .actor = ""};
	struct rw_host_row host;

	assert_int_equal(rw_drills_start(drills, f->core, &ask, f->now, &answer), -ENOENT);
	assert_string_equal(answer.message, "no deployment x");
	ask.deployment = "d";
	ask.ring = "r7";
	assert_int_equal(rw_drills_start(drills, f->core, &ask, f->now, &answer), -ENOENT);
	assert_string_equal(answer.message, "the deployment does not go through ring r7");
	assert_int_equal(start(drills, f, "nobody", 0), -ENOENT);
	assert_string_equal(answer.message, "the ring has no host nobody");

	/* One without a session is passed over, and refused when it was meant. */
	assert_true(rw_core_host_at(f->core, 1, &host));
	said.without_session = 1;
	assert_int_equal(start(drills, f, host.id, 0), -EHOSTUNREACH);
	assert_int_equal(start(drills, f, "", 1), 0);
	assert_int_equal(said.asked, 2);
	assert_int_equal(start(drills, f, "", 1), -EBUSY);
	go_on(drills, f, RW_DRILL_ANSWER_MS);

	fx_oops(f, 0);
	assert_int_equal(start(drills, f, "", 0), -EPERM);
	assert_string_equal(answer.message, "a breaker is open: it aborts without a drill");
	assert_int_equal(rw_core_deploy_withdraw(f->core, "d", "bad", f->now).status, 0);
	assert_int_equal(start(drills, f, "", 0), -EPERM);
	assert_string_equal(answer.message, "the deployment is withdrawn");
	rw_drills_free(drills);
	fx_free(f);
}

static void a_breaker_that_opens_meanwhile_is_no_proof(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_drills *drills = new_drills();

	assert_int_equal(start(drills, f, "", 0), 0);
	fx_oops(f, 1);
	report(drills, f, answer.row.host, answer.row.drill, true);
	assert_string_equal(said.told[1].step, "drill_failed");
	assert_string_equal(said.told[1].row.detail, "a breaker opened meanwhile");
	rw_drills_free(drills);
	fx_free(f);
}

static void a_restart_ends_what_was_on_and_keeps_what_was_proved(void **state)
{
	(void)state;
	struct fixture *f = fx_started(fx_policy(1), 3);
	struct rw_drills *drills = new_drills();
	struct rw_drill_row row = {.drill = "aa", .deployment = "d", .ring = "r0", .host = "h0"};

	row.started_wall_ms = 100;
	rw_drills_restore(drills, f->core, &row);
	report(drills, f, "h0", "aa", true); /* of another life */
	assert_int_equal(said.count, 0);
	rw_drills_tick(drills, f->core, f->now);
	assert_string_equal(said.told[0].step, "drill_failed");
	assert_string_equal(said.told[0].row.detail, "the collector was started again");

	row.proved_wall_ms = 200;
	rw_drills_restore(drills, f->core, &row);
	assert_int_equal(fx_verdict(f, "d", "r0")->proved_wall_ms, 200);
	rw_drills_tick(drills, f->core, f->now);
	assert_string_equal(said.told[1].step, "drill_cleared");
	assert_int_equal(said.told[1].row.ended_wall_ms, f->now.wall_ms);
	rw_drills_free(drills);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_way),
		cmocka_unit_test(what_does_not_come_out_of_a_kernel_log_in_time_proves_nothing),
		cmocka_unit_test(a_hosts_words_are_cut_between_characters),
		cmocka_unit_test(only_the_host_that_was_asked_and_by_this_name),
		cmocka_unit_test(what_could_prove_nothing_does_not_begin),
		cmocka_unit_test(a_breaker_that_opens_meanwhile_is_no_proof),
		cmocka_unit_test(a_restart_ends_what_was_on_and_keeps_what_was_proved),
	};

	return cmocka_run_group_tests_name("drills", tests, NULL, NULL);
}
