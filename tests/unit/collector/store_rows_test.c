/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's rows come back as they were told, in the order of a restore; one that
 * cannot have been told is named.
 */
#include "tests/unit/collector/store_fixture.h"

static void all_that_was_pushed_comes_back_in_the_order_of_a_restore(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	struct rw_change exposure = exposure_change("h1", 10, 500);
	struct rw_change deployment = deployment_change();
	struct rw_change host = host_change("h1", RW_UNKNOWN, RW_PLANNED);
	push(f, deployment);
	push(f, host_change("h1", RW_UNKNOWN, RW_ONLINE));
	push(f, host_change("a-later-one", RW_UNKNOWN, RW_ONLINE));
	push(f, host);
	push(f, run_change(false));
	push(f, exposure);
	push(f, evidence_change("h1", ""));
	push(f, evidence_change("h1", "h1/aa/1"));
	push(f, run_change(true));
	reopen(f);
	load(f, &l);

	assert_int_equal(l.count, 6);
	assert_int_equal(l.rows[0].type, RW_CHANGE_DEPLOYMENT);
	assert_memory_equal(&l.rows[0].deployment, &deployment.deployment,
			    sizeof(deployment.deployment));
	assert_int_equal(l.rows[1].type, RW_CHANGE_HOST);
	host.host.previous = host.host.presence;
	assert_memory_equal(&l.rows[1].host, &host.host, sizeof(host.host));
	assert_string_equal(l.rows[2].host.id, "a-later-one");
	assert_int_equal(l.rows[3].type, RW_CHANGE_RUN);
	struct rw_run_row run = run_change(true).run;
	assert_memory_equal(&l.rows[3].run, &run, sizeof(run));
	assert_int_equal(l.rows[4].type, RW_CHANGE_EXPOSURE);
	assert_memory_equal(&l.rows[4].exposure, &exposure.exposure, sizeof(exposure.exposure));
	assert_int_equal(l.rows[5].type, RW_CHANGE_EVIDENCE);
	/* One line a host and kind: that with the event took the place of that without. */
	assert_string_equal(l.rows[5].evidence.event, "h1/aa/1");
}

static void a_reset_clears_the_evidence_of_its_run_only(void **state)
{
	struct fixture *f = *state;
	struct rw_change other = evidence_change("h2", "");
	struct rw_change cleared = run_change(false);
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	snprintf(other.evidence.ring, sizeof(other.evidence.ring), "ring1");
	cleared.type = RW_CHANGE_EVIDENCE_CLEARED;
	push(f, evidence_change("h1", ""));
	push(f, other);
	push(f, cleared);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.rows[0].evidence.host, "h2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_that_was_pushed_comes_back_in_the_order_of_a_restore),
		TEST(a_reset_clears_the_evidence_of_its_run_only),
	};

	return cmocka_run_group_tests_name("store_rows", tests, NULL, NULL);
}
