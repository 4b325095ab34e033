/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever reads an event finds the kernel's own words behind it, and no one else's. */
#include "sensor/evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/events/excerpt.h"

static void say(struct rw_evidence *e, uint64_t sequence)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "line %llu", (unsigned long long)sequence);
	struct rw_kmsg_record record = {.sequence = sequence,
					.usec = sequence * 1000,
					.text = text,
					.length = (size_t)length};

	rw_evidence_line(e, &record);
}

static bool holds(const struct rw_event *event, const char *text)
{
	static char plain[RW_LOG_PLAIN_MAX + 1];
	long length = rw_excerpt_unpack(event->log->packed, event->log->packed_bytes,
					event->log->plain_bytes, plain);

	assert_true(length > 0);
	plain[length] = '\0';
	return strstr(plain, text) != NULL;
}

static void an_excerpt_names_its_event_and_holds_its_lines(void **state)
{
	struct rw_evidence *e = rw_evidence_new();
	struct rw_event event = {.sequence = 41, .boot_order = 7, .boot_ms = 1234, .boot_id = "b"};
	struct rw_event excerpt;

	(void)state;
	for (uint64_t i = 100; i < 200; i++)
		say(e, i);
	rw_evidence_kept(e, 5, &event);
	assert_true(rw_evidence_complete(e, 5, 150, 160, &excerpt));
	assert_int_equal(excerpt.kind, RINGWATCH__V1__KIND__KIND_LOG_EXCERPT);
	assert_int_equal(excerpt.about, 41);
	assert_int_equal(excerpt.boot_order, 7);
	assert_string_equal(excerpt.boot_id, "b");
	assert_true(holds(&excerpt, "line 150\n"));
	assert_true(holds(&excerpt, "line 160\n"));
	/* a few lines before it, none behind it */
	assert_true(holds(&excerpt, "line 140\n"));
	assert_false(holds(&excerpt, "line 139\n"));
	assert_false(holds(&excerpt, "line 161\n"));
	/* once */
	assert_false(rw_evidence_complete(e, 5, 150, 160, &excerpt));
	rw_evidence_free(e);
}

static void lines_that_are_gone_make_no_excerpt(void **state)
{
	struct rw_evidence *e = rw_evidence_new();
	struct rw_event event = {.sequence = 1};
	struct rw_event excerpt;

	(void)state;
	rw_evidence_kept(e, 1, &event);
	say(e, 10);
	for (uint64_t i = 0; i < RW_EXCERPT_KEPT_BYTES; i++)
		say(e, 1000 + i);
	assert_false(rw_evidence_complete(e, 1, 10, 12, &excerpt));
	assert_false(rw_evidence_complete(e, 99, 1000, 1001, &excerpt));
	rw_evidence_free(e);
}

static void only_the_last_events_wait_for_their_log(void **state)
{
	struct rw_evidence *e = rw_evidence_new();
	struct rw_event excerpt;

	(void)state;
	say(e, 1);
	for (uint64_t i = 1; i <= RW_EVIDENCE_PENDING + 1; i++) {
		struct rw_event event = {.sequence = i};
		rw_evidence_kept(e, i, &event);
	}
	assert_false(rw_evidence_complete(e, 1, 1, 1, &excerpt));
	assert_true(rw_evidence_complete(e, 2, 1, 1, &excerpt));
	rw_evidence_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_excerpt_names_its_event_and_holds_its_lines),
		cmocka_unit_test(lines_that_are_gone_make_no_excerpt),
		cmocka_unit_test(only_the_last_events_wait_for_their_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
