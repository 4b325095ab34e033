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

static void the_same_comes_back(struct fixture *f, const struct rw_change *rows, size_t count)
{
	static struct loaded l;

	for (size_t i = 0; i < count; i++)
		push(f, rows[i]);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(l.rows[i].type, rows[i].type);
		switch (rows[i].type) {
#define SAME(member) assert_memory_equal(&l.rows[i].member, &rows[i].member, sizeof(rows[i].member))
		case RW_CHANGE_HOST:
			SAME(host);
			break;
		case RW_CHANGE_DEPLOYMENT:
			SAME(deployment);
			break;
		case RW_CHANGE_RUN:
			SAME(run);
			break;
		case RW_CHANGE_EXPOSURE:
			SAME(exposure);
			break;
		case RW_CHANGE_TROUBLE:
			SAME(trouble);
			break;
		case RW_CHANGE_SIGNATURE:
			SAME(signature);
			break;
		case RW_CHANGE_SIGHTING:
			SAME(sighting);
			break;
		case RW_CHANGE_LIFE:
			SAME(life);
			break;
		default:
			fail_msg("no such row");
		}
	}
}

static void a_host_comes_back_with_what_it_counts_in(void **state)
{
	struct fixture *f = *state;
	struct rw_change rows[] = {
		host_change("h1", RW_RETIRED, RW_RETIRED),
		host_change("h2", RW_RETIRED, RW_RETIRED),
		host_change("h3", RW_ONLINE, RW_ONLINE),
		host_change("h4", RW_UNKNOWN, RW_UNKNOWN),
	};

	rows[0].host.excluded = true;
	rows[1].host.by_age = true;
	rows[2].host.unregistered = true;
	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, rows, 4);
	/* And what was said later is what is. */
	for (int i = 0; i < 4; i++) {
		rows[i].host.excluded = !rows[i].host.excluded;
		rows[i].host.by_age = !rows[i].host.by_age;
		rows[i].host.unregistered = !rows[i].host.unregistered;
	}
	the_same_comes_back(f, rows, 4);
}

static void a_deployment_comes_back_with_whose_version_it_is(void **state)
{
	struct fixture *f = *state;
	struct rw_change rows[] = {deployment_change(), deployment_change()};

	rows[0].deployment.exposure = RW_EXPOSURE_REPORTED;
	snprintf(rows[0].deployment.match, sizeof(rows[0].deployment.match), "module:a'b");
	snprintf(rows[1].deployment.id, sizeof(rows[1].deployment.id), "d2");
	rows[1].deployment.state = RW_DEPLOYMENT_WITHDRAWN;
	rows[1].deployment.ended_wall_ms = 4000;
	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, rows, 2);
	memset(rows[0].deployment.match, 'm', sizeof(rows[0].deployment.match) - 1);
	the_same_comes_back(f, rows, 2);
}

static void a_run_comes_back_with_all_that_it_has_watched(void **state)
{
	struct fixture *f = *state;
	struct rw_change rows[] = {run_change(true), run_change(false)};
	struct rw_run_row *run = &rows[0].run;

	run->grade = RW_GRADE_EVIDENCE;
	run->proof = RW_PROOF_BOOT_LOOP;
	run->step = RW_CORE_STEPS_MAX;
	run->rule = RW_RULE_EXPOSURE;
	/* A step that was never started, in the midst. */
	for (uint64_t i = 0; i < RW_CORE_STEPS_MAX; i++)
		run->step_targets[i] = i == 7 ? 0 : INT64_MAX - i;
	run->watched_ms = 11;
	run->watched_from_ms = 12;
	run->epoch = UINT32_MAX;
	run->exposed_host_ms = 13;
	run->control_host_ms = 14;
	snprintf(rows[1].run.ring, sizeof(rows[1].run.ring), "ring1");
	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, rows, 2);
	memset(run->step_targets, 0, sizeof(run->step_targets));
	run->step_targets[0] = 1;
	run->proof = RW_PROOF_NONE;
	run->watched_ms = 21;
	run->watched_from_ms = 22;
	run->epoch = 23;
	run->exposed_host_ms = 24;
	run->control_host_ms = 25;
	the_same_comes_back(f, rows, 2);
}

static void an_exposure_comes_back_bit_by_bit(void **state)
{
	struct fixture *f = *state;
	enum { FLAGS = 8 };
	struct rw_change rows[FLAGS];

	for (int i = 0; i < FLAGS; i++) {
		char host[16];
		snprintf(host, sizeof(host), "h%d", i);
		rows[i] = exposure_change(host, UINT64_MAX, 5);
		struct rw_exposure_row *e = &rows[i].exposure;
		bool *const flags[FLAGS] = {&e->alive,         &e->heard,     &e->crashed,
					    &e->module_failed, &e->recovered, &e->acknowledged,
					    &e->left_offline,  &e->left_out};
		for (int flag = 0; flag < FLAGS; flag++)
			*flags[flag] = flag == i;
		e->at_wall_ms = 100 + (uint64_t)i;
		e->watched_ms = 200 + (uint64_t)i;
		e->step = (uint32_t)i;
	}
	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, rows, FLAGS);
	for (int i = 0; i < FLAGS; i++) {
		struct rw_exposure_row *e = &rows[i].exposure;
		e->module_failed = !e->module_failed;
		e->left_offline = !e->left_offline;
		e->at_wall_ms++;
		e->watched_ms++;
		e->step++;
	}
	the_same_comes_back(f, rows, FLAGS);
}

static struct rw_change trouble_change(const char *host)
{
	struct rw_change c = {.type = RW_CHANGE_TROUBLE};

	snprintf(c.trouble.host, sizeof(c.trouble.host), "%s", host);
	return c;
}

static void a_hosts_troubles_come_back(void **state)
{
	struct fixture *f = *state;
	struct rw_change rows[] = {trouble_change("h1"), trouble_change("h2"),
				   trouble_change("h3")};
	struct rw_trouble_row *full = &rows[0].trouble;

	for (uint64_t i = 0; i < RW_CORE_CRASHES_KEPT; i++)
		full->crashes[i] = (struct rw_crash_mark){UINT64_MAX - i, 1 + i, i % 2 == 1};
	for (uint64_t i = 0; i < RW_CORE_MODULE_FAILURES_KEPT; i++)
		full->modules[i] =
			(struct rw_module_mark){UINT64_MAX - i, UINT64_MAX - 100 - i, UINT64_MAX};
	full->maintenance_until_wall_ms = 77;
	full->excused_boot_order = UINT64_MAX;
	full->crash_epoch = UINT32_MAX;
	full->silence_epoch = UINT32_MAX - 1;
	/* Marks of zero between marks. */
	rows[1].trouble.crashes[2] = (struct rw_crash_mark){0, 9, false};
	rows[1].trouble.modules[15].boot_ms = 1;
	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, rows, 3);
	memset(full->crashes, 0, sizeof(full->crashes));
	memset(full->modules, 0, sizeof(full->modules));
	full->maintenance_until_wall_ms = full->crash_epoch = full->silence_epoch = 1;
	the_same_comes_back(f, rows, 3);
}

static struct rw_change signature_change(const char *text, uint64_t seen_ms)
{
	struct rw_change c = {.type = RW_CHANGE_SIGNATURE};

	snprintf(c.signature.text, sizeof(c.signature.text), "%s", text);
	c.signature.before_wall_ms = seen_ms;
	c.signature.since_wall_ms = seen_ms + 1;
	c.signature.last_wall_ms = seen_ms + 2;
	c.signature.control_wall_ms = seen_ms + 3;
	return c;
}

static void the_fleets_signatures_come_back_until_they_are_gone(void **state)
{
	struct fixture *f = *state;
	struct rw_change rows[] = {signature_change("oops:a", 10), signature_change("oops:b", 20),
				   signature_change("x", 0)};
	static struct loaded l;

	memset(rows[2].signature.text, 'x', sizeof(rows[2].signature.text) - 1);
	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, rows, 3);
	rows[1] = signature_change("oops:b", 30);
	the_same_comes_back(f, rows, 3);
	rows[1].type = RW_CHANGE_SIGNATURE_GONE;
	push(f, rows[1]);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.count, 2);
	assert_string_equal(l.rows[0].signature.text, "oops:a");
	assert_string_equal(l.rows[1].signature.text, rows[2].signature.text);
}

static struct rw_change sighting_change(const char *deployment, const char *signature)
{
	struct rw_change c = {.type = RW_CHANGE_SIGHTING};

	snprintf(c.sighting.deployment, sizeof(c.sighting.deployment), "%s", deployment);
	snprintf(c.sighting.signature, sizeof(c.sighting.signature), "%s", signature);
	snprintf(c.sighting.host, sizeof(c.sighting.host), "h1");
	return c;
}

static void sightings_come_back_in_their_order_also_after_a_reset(void **state)
{
	struct fixture *f = *state;
	struct rw_change rows[] = {sighting_change("d1", "oops:z"), sighting_change("d2", "oops:z"),
				   sighting_change("d1", "oops:a")};
	struct rw_change cleared = run_change(false);
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, rows, 3);
	rows[0].sighting.shared = true;
	snprintf(rows[2].sighting.host, sizeof(rows[2].sighting.host), "h2");
	the_same_comes_back(f, rows, 3);
	cleared.type = RW_CHANGE_EVIDENCE_CLEARED;
	push(f, cleared);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.count, 3);
	assert_string_equal(l.rows[1].sighting.deployment, "d2");
}

static void there_is_one_life_and_the_last_is_told(void **state)
{
	struct fixture *f = *state;
	struct rw_change row = {.type = RW_CHANGE_LIFE,
				.life = {1, 2, UINT32_MAX, true, 4, 5, INT64_MAX}};

	assert_int_equal(open_store(f), 0);
	the_same_comes_back(f, &row, 1);
	row.life = (struct rw_life_row){11, 12, 13, false, 14, 15, 16};
	the_same_comes_back(f, &row, 1);
}

/* What docs/sql.md says of the views, each by one row of it; a drill's event is in the
 * timeline alone. */
static void the_views_say_in_words_what_the_tables_hold(void **state)
{
	struct fixture *f = *state;
	static const char *const rows[] = {
		"SELECT count(*) FROM ring_health WHERE ring='ring0' AND enrolled=2 AND online=1"
		" AND offline=1 AND retired=1 AND active_deployments=1 AND open_breakers=1",
		"SELECT count(*) FROM host_timeline WHERE host='h1' AND what='presence'"
		" AND is_now='offline' AND at='1970-01-01T00:00:05.000Z'",
		"SELECT count(*)=2 FROM host_timeline WHERE host='h1' AND what='event'"
		" AND is_now='oops'",
		"SELECT count(*) FROM crash_signatures WHERE signature='oops:f+0x1:m' AND hosts=1"
		" AND events=1 AND first_at='1970-01-01T00:00:01.000Z' AND new_in_deployments=1",
		"SELECT count(*) FROM bake_history WHERE deployment='d1' AND ring='ring0'"
		" AND state='active' AND ended_at='' AND breaker='open' AND exposed=1"
		" AND crashed=1 AND opened_at='1970-01-01T00:00:03.000Z'",
	};

	assert_int_equal(open_store(f), 0);
	push(f, host_change("h1", RW_ONLINE, RW_OFFLINE));
	push(f, host_change("h2", RW_ONLINE, RW_ONLINE));
	push(f, host_change("h3", RW_OFFLINE, RW_RETIRED));
	push(f, deployment_change());
	push(f, run_change(true));
	push(f, exposure_change("h1", 1, 1));
	push(f, sighting_change("d1", "oops:f+0x1:m"));
	push_event(f, "h1", spool_a, 1, false);
	push_event(f, "h1", spool_a, 2, false);
	close_store(f);
	run_sql(f->path, "UPDATE events SET drill='x' WHERE sequence=2");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (number_of(f, rows[i]) != 1)
			fail_msg("not so: %s", rows[i]);
	}
}

/* Rows that name it go with it; another's stay, and so does the host. */
static void a_forgotten_deployment_takes_its_rows_along(void **state)
{
	struct fixture *f = *state;
	static struct loaded l;
	struct rw_change gone = deployment_change(), other = deployment_change();

	gone.type = RW_CHANGE_DEPLOYMENT_GONE;
	snprintf(other.deployment.id, sizeof(other.deployment.id), "other");
	assert_int_equal(open_store(f), 0);
	push(f, host_change("h1", RW_ONLINE, RW_ONLINE));
	push(f, deployment_change());
	push(f, run_change(false));
	push(f, exposure_change("h1", 1, 1));
	push(f, evidence_change("h1", ""));
	push(f, sighting_change(gone.deployment.id, "s"));
	push(f, other);
	push(f, gone);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.count, 2);
	assert_int_equal(l.rows[0].type, RW_CHANGE_DEPLOYMENT);
	assert_string_equal(l.rows[0].deployment.id, "other");
	assert_int_equal(l.rows[1].type, RW_CHANGE_HOST);
}

/* What each row rests on is there before it. */
static void rows_come_in_the_order_of_a_restore(void **state)
{
	struct fixture *f = *state;
	static const enum rw_change_type wanted[] = {
		RW_CHANGE_LIFE,     RW_CHANGE_DEPLOYMENT, RW_CHANGE_HOST,
		RW_CHANGE_RUN,      RW_CHANGE_EXPOSURE,   RW_CHANGE_SIGHTING,
		RW_CHANGE_EVIDENCE, RW_CHANGE_TROUBLE,    RW_CHANGE_SIGNATURE,
	};
	struct rw_change life = {.type = RW_CHANGE_LIFE};
	static struct loaded l;

	assert_int_equal(open_store(f), 0);
	push(f, signature_change("s", 1));
	push(f, trouble_change("h1"));
	push(f, evidence_change("h1", ""));
	push(f, sighting_change("d1", "s"));
	push(f, exposure_change("h1", 1, 1));
	push(f, run_change(false));
	push(f, host_change("h1", RW_ONLINE, RW_ONLINE));
	push(f, deployment_change());
	push(f, life);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.count, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < l.count; i++)
		assert_int_equal(l.rows[i].type, wanted[i]);
}

struct order {
	size_t count;
	uint64_t sequences[16];
};

static int keep_order(void *context, const char *host, const uint8_t spool_id[16],
		      uint64_t sequence)
{
	struct order *order = context;

	(void)spool_id;
	if (strcmp(host, "h1") == 0) {
		assert_true(order->count < 16);
		order->sequences[order->count++] = sequence;
	}
	return 0;
}

static void a_hosts_spools_come_in_the_order_of_their_use(void **state)
{
	struct fixture *f = *state;
	static const uint64_t used[] = {5000, 1000, 8000, 3000, 7000, 2000, 6000, 4000};
	struct order order = {0};
	const struct rw_store_loader loader = {&order, NULL, keep_order, NULL};

	assert_int_equal(open_store(f), 0);
	tell(f, (struct told){.host = "h0", .sequence = 1});
	for (uint8_t i = 0; i < 8; i++) {
		const uint8_t spool[16] = {i};
		tell(f, (struct told){.spool = spool, .sequence = used[i], .received_ms = used[i]});
	}
	tell(f, (struct told){.host = "h2", .sequence = 1});
	close_store(f);
	/* One more than there ever are: the oldest is left out. */
	run_sql(f->path, "INSERT INTO spools VALUES ('h1', zeroblob(16), 9, 9),"
			 " ('h1', x'ffffffffffffffffffffffffffffffff', 4500, 4500)"
			 " ON CONFLICT DO NOTHING");
	assert_int_equal(open_store(f), 0);
	assert_int_equal(rw_store_load(f->store, &loader, f->error), 0);
	assert_int_equal(order.count, 8);
	assert_int_equal(order.sequences[0], 2000);
	for (size_t i = 1; i < 8; i++)
		assert_true(order.sequences[i] > order.sequences[i - 1]);
	assert_int_equal(order.sequences[7], 8000);
}

static void a_row_that_cannot_be_is_named_by_table_key_and_column(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *sql, *said;
	} cases[] = {
		{"UPDATE hosts SET presence=7",
		 "table hosts, row h1: column presence cannot hold '7'"},
		{"UPDATE hosts SET goodbye=-1", "table hosts, row h1: column goodbye"},
		{"UPDATE hosts SET boot_id=x'00'", "table hosts, row h1: column boot_id"},
		{"UPDATE hosts SET excluded=2", "table hosts, row h1: column excluded"},
		{"UPDATE hosts SET by_age=-1", "column by_age"},
		{"UPDATE hosts SET unregistered=9", "column unregistered"},
		{"UPDATE hosts SET since_wall_ms=-5", "column since_wall_ms cannot hold '-5'"},
		{"UPDATE hosts SET ring=printf('%64c','r')", "column ring"},
		{"UPDATE hosts SET host='h'||char(0)||'1'", "column host"},
		{"UPDATE hosts SET host='a\"b\n', excluded=2", "row a?b?: column excluded"},
		{"UPDATE deployments SET exposure=3", "table deployments, row d1: column exposure"},
		{"UPDATE deployments SET state=0", "column state cannot hold '0'"},
		{"UPDATE deployments SET rings='a  b'", "column rings cannot hold 'a  b'"},
		{"UPDATE deployments SET match=printf('%256c','m')", "column match"},
		{"UPDATE runs SET step=17",
		 "table runs, row d1 ring0: column step cannot hold '17'"},
		{"UPDATE runs SET rule=6", "column rule"},
		{"UPDATE runs SET grade=3", "column grade"},
		{"UPDATE runs SET proof=4", "column proof"},
		{"UPDATE runs SET epoch=4294967296", "column epoch"},
		{"UPDATE runs SET step_targets='1 x'", "column step_targets cannot hold '1 x'"},
		{"UPDATE runs SET step_targets='1  2'", "column step_targets"},
		{"UPDATE runs SET step_targets=' 1'", "column step_targets"},
		{"UPDATE runs SET step_targets='1 '", "column step_targets"},
		{"UPDATE runs SET step_targets='-1'", "column step_targets"},
		{"UPDATE runs SET step_targets='18446744073709551616'", "column step_targets"},
		{"UPDATE runs SET step_targets='1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1'",
		 "column step_targets"},
		{"UPDATE exposures SET step=17", "table exposures, row d1 h1 ring0: column step"},
		{"UPDATE exposures SET module_failed=2", "column module_failed"},
		{"UPDATE exposures SET left_offline=2", "column left_offline"},
		{"UPDATE exposures SET left_out=2", "column left_out"},
		{"UPDATE exposures SET watched_ms=-1", "column watched_ms"},
		{"UPDATE sightings SET shared=2",
		 "table sightings, row d1 s: column shared cannot hold '2'"},
		{"UPDATE evidence SET at_wall_ms=-1",
		 "table evidence, row d1 ring0 h1 oops: column at_wall_ms"},
		{"UPDATE troubles SET crashes='1 2 3'", "table troubles, row h1: column crashes"},
		{"UPDATE troubles SET crashes='1 9223372036854775808'", "column crashes"},
		{"UPDATE troubles SET crashes='1 1 1 1 1 1 1 1 1 1 1 1 1'", "column crashes"},
		{"UPDATE troubles SET modules='a'", "column modules"},
		{"UPDATE troubles SET silence_epoch=-1", "column silence_epoch"},
		{"UPDATE fleet_signatures SET control_wall_ms=-1",
		 "table fleet_signatures, row s: column control_wall_ms"},
		{"UPDATE life SET blackout=2", "table life, row 1: column blackout"},
		{"UPDATE spools SET spool_id=x'01'", "table spools, row h1: column spool_id"},
	};
	struct rw_change life = {.type = RW_CHANGE_LIFE};
	const struct rw_store_loader nobody = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(open_store(f), 0);
		push(f, deployment_change());
		push(f, host_change("h1", RW_ONLINE, RW_ONLINE));
		push(f, run_change(false));
		push(f, exposure_change("h1", 1, 1));
		push(f, evidence_change("h1", ""));
		push(f, sighting_change("d1", "s"));
		push(f, trouble_change("h1"));
		push(f, signature_change("s", 1));
		push(f, life);
		push_event(f, "h1", spool_a, 1, false);
		reopen(f);
		assert_int_equal(rw_store_load(f->store, &nobody, f->error), 0);
		close_store(f);
		run_sql(f->path, cases[i].sql);
		assert_int_equal(open_store(f), 0);
		assert_int_equal(rw_store_load(f->store, &nobody, f->error), -EUCLEAN);
		if (strstr(f->error, cases[i].said) == NULL ||
		    strstr(f->error, f->path) != f->error || strchr(f->error, '\n') != NULL)
			fail_msg("%s: %s", cases[i].sql, f->error);
		close_store(f);
		unlink(f->path);
	}
}

static struct rw_drill_row drills[8];
static uint64_t drill_ids[8];
static size_t drill_count;

static int keep_drill(void *context, const struct rw_drill_row *row)
{
	(void)context;
	drills[drill_count++] = *row;
	return 0;
}

static int read_drill(void *context, uint64_t row_id, const struct rw_drill_row *row)
{
	drill_ids[drill_count] = row_id;
	return keep_drill(context, row);
}

static void push_drill(struct fixture *f, const char *name, const char *ring, uint64_t started,
		       uint64_t proved, uint64_t ended)
{
	struct rw_drill_row row = {
		.started_wall_ms = started, .proved_wall_ms = proved, .ended_wall_ms = ended};

	snprintf(row.drill, sizeof(row.drill), "%s", name);
	snprintf(row.ring, sizeof(row.ring), "%s", ring);
	snprintf(row.deployment, sizeof(row.deployment), "d");
	snprintf(row.host, sizeof(row.host), "h1");
	snprintf(row.actor, sizeof(row.actor), "sre");
	snprintf(row.detail, sizeof(row.detail), "words of %s", name);
	assert_int_not_equal(rw_store_push_drill(f->store, &row), 0);
}

static void drills_come_back_that_are_on_or_proved_a_ring_last(void **state)
{
	struct fixture *f = *state;
	const struct rw_store_loader loader = {NULL, NULL, NULL, keep_drill};

	assert_int_equal(open_store(f), 0);
	push_drill(f, "a", "r0", 100, 0, 0);
	push_drill(f, "a", "r0", 100, 110, 0);
	push_drill(f, "a", "r0", 100, 110, 120); /* the same row, further on */
	push_drill(f, "b", "r0", 200, 210, 220);
	push_drill(f, "c", "r0", 300, 0, 330); /* failed */
	push_drill(f, "e", "r1", 400, 410, 0); /* is on */
	reopen(f);
	drill_count = 0;
	assert_int_equal(rw_store_load(f->store, &loader, f->error), 0);
	assert_int_equal(drill_count, 2);
	assert_string_equal(drills[0].drill, "b");
	assert_int_equal(drills[0].proved_wall_ms, 210);
	assert_string_equal(drills[1].drill, "e");
	assert_string_equal(drills[1].detail, "words of e");

	struct rw_store_reader *reader;
	assert_int_equal(rw_store_reader_open(f->path, &reader, f->error), 0);
	struct rw_drill_query query = {.ring = "r0", .limit = 2};
	drill_count = 0;
	assert_int_equal(rw_store_reader_drills(reader, &query, read_drill, NULL), 0);
	assert_int_equal(drill_count, 2);
	assert_string_equal(drills[0].drill, "c");
	assert_string_equal(drills[1].drill, "b");
	query.cursor = drill_ids[1];
	drill_count = 0;
	assert_int_equal(rw_store_reader_drills(reader, &query, read_drill, NULL), 0);
	assert_int_equal(drill_count, 1);
	assert_string_equal(drills[0].drill, "a");
	assert_int_equal(drills[0].ended_wall_ms, 120);
	rw_store_reader_close(reader);

	/* What says when a ring was last proved outlives its retention. */
	uint64_t cursor = 0;
	struct rw_journal *journal;
	close_store(f);
	assert_int_equal(rw_journal_open(f->path, &journal, f->error), 0);
	assert_int_equal(rw_journal_sweep(journal, 2000, 1000, &cursor), 0);
	rw_journal_close(journal);
	assert_int_equal(number_of(f, "SELECT count(*) FROM drills"), 2);
	assert_int_equal(number_of(f, "SELECT count(*) FROM drills WHERE drill IN ('b','e')"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_that_was_pushed_comes_back_in_the_order_of_a_restore),
		TEST(a_reset_clears_the_evidence_of_its_run_only),
		TEST(a_host_comes_back_with_what_it_counts_in),
		TEST(a_deployment_comes_back_with_whose_version_it_is),
		TEST(a_run_comes_back_with_all_that_it_has_watched),
		TEST(an_exposure_comes_back_bit_by_bit),
		TEST(a_hosts_troubles_come_back),
		TEST(the_fleets_signatures_come_back_until_they_are_gone),
		TEST(sightings_come_back_in_their_order_also_after_a_reset),
		TEST(there_is_one_life_and_the_last_is_told),
		TEST(the_views_say_in_words_what_the_tables_hold),
		TEST(a_forgotten_deployment_takes_its_rows_along),
		TEST(rows_come_in_the_order_of_a_restore),
		TEST(a_hosts_spools_come_in_the_order_of_their_use),
		TEST(drills_come_back_that_are_on_or_proved_a_ring_last),
		TEST(a_row_that_cannot_be_is_named_by_table_key_and_column),
	};

	return cmocka_run_group_tests_name("store_rows", tests, NULL, NULL);
}
