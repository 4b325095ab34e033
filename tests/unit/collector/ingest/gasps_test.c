/* SPDX-License-Identifier: Apache-2.0 */
/* What was heard of late: likes are counted on one, and no stranger pushes out a host's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/ingest/gasps.h"
#include "lib/text.h"

enum { HALF = RW_GASPS_KEPT / 2 };

struct fixture {
	struct rw_gasps *gasps;
	uint64_t wall_ms;
	struct rw_gasp list[RW_GASPS_KEPT]; /* as last copied */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->gasps = rw_gasps_new();
	assert_non_null(f->gasps);
	f->wall_ms = UINT64_C(1700000000000);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rw_gasps_free(f->gasps);
	free(f);
	return 0;
}

static struct rw_gasp_heard of(const char *host, const char *source)
{
	return (struct rw_gasp_heard){
		.source = source,
		.host = host,
		.kind = "panic",
		.text = "Kernel panic",
		.text_length = strlen("Kernel panic"),
	};
}

static void add(struct fixture *f, struct rw_gasp_heard heard)
{
	rw_gasps_add(f->gasps, &heard, f->wall_ms);
}

static void add_of(struct fixture *f, const char *host, const char *source)
{
	add(f, of(host, source));
}

/* From its own source, of its own. */
static void add_nth(struct fixture *f, const char *host, uint32_t n)
{
	char source[RW_GASP_SOURCE_BYTES];

	snprintf(source, sizeof(source), "192.0.2.%u:%u", n % 250, n);
	add_of(f, host, source);
}

static uint32_t copy(struct fixture *f)
{
	memset(f->list, 0xa5, sizeof(f->list));
	return rw_gasps_copy(f->gasps, f->list);
}

static void test_a_gasp_comes_back_as_it_was_heard(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(copy(f), 0);
	add_of(f, "h1", "192.0.2.1:6665");
	assert_int_equal(copy(f), 1);
	assert_int_equal(f->list[0].received_wall_ms, f->wall_ms);
	assert_int_equal(f->list[0].last_wall_ms, f->wall_ms);
	assert_string_equal(f->list[0].source, "192.0.2.1:6665");
	assert_string_equal(f->list[0].host, "h1");
	assert_true(f->list[0].verified);
	assert_false(f->list[0].forged);
	assert_string_equal(f->list[0].kind, "panic");
	assert_string_equal(f->list[0].text, "Kernel panic");
	assert_int_equal(f->list[0].count, 1);
}

static void test_a_gasp_without_a_host_is_not_verified(void **state)
{
	struct fixture *f = *state;
	struct rw_gasp_heard heard = of("", "192.0.2.1:6665");

	heard.forged = true;
	add(f, heard);
	assert_int_equal(copy(f), 1);
	assert_false(f->list[0].verified);
	assert_true(f->list[0].forged);
	assert_string_equal(f->list[0].host, "");
}

static void test_likes_of_a_source_are_counted_on_the_first(void **state)
{
	struct fixture *f = *state;
	struct rw_gasp_heard other = of("h1", "192.0.2.1:6665");

	other.text = "Kernel panic, again";
	other.text_length = strlen(other.text);
	add_of(f, "h1", "192.0.2.1:6665");
	f->wall_ms += RW_GASP_MERGE_MS - 1;
	add(f, other);
	add(f, other);
	assert_int_equal(copy(f), 1);
	assert_int_equal(f->list[0].count, 3);
	assert_string_equal(f->list[0].text, "Kernel panic"); /* the first one's */
	assert_int_equal(f->list[0].last_wall_ms, f->wall_ms);
	assert_int_equal(f->list[0].received_wall_ms, f->wall_ms - RW_GASP_MERGE_MS + 1);
	/* counted from the first: else one that never ends would stay one for ever */
	f->wall_ms += 1;
	add(f, other);
	assert_int_equal(copy(f), 2);
	assert_int_equal(f->list[0].count, 1);
	assert_int_equal(f->list[1].count, 3);
}

static void test_what_differs_is_kept_apart(void **state)
{
	struct fixture *f = *state;
	struct rw_gasp_heard oops = of("", "192.0.2.1:6665"), forged = oops;

	oops.kind = "oops";
	forged.forged = true;
	add_of(f, "h1", "192.0.2.1:6665");
	add_of(f, "h2", "192.0.2.1:6665");
	add_of(f, "", "192.0.2.1:6665");
	add_of(f, "", "192.0.2.1:6666");
	add_of(f, "", "192.0.2.11:6665");
	add(f, oops);
	add(f, forged);
	assert_int_equal(copy(f), 7);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(f->list[i].count, 1);
	/* and each still has its like */
	add(f, oops);
	add_of(f, "h1", "192.0.2.1:6665");
	assert_int_equal(copy(f), 7);
}

static void test_a_clock_that_is_set_back_loses_nothing(void **state)
{
	struct fixture *f = *state;

	add_of(f, "h1", "192.0.2.1:6665");
	f->wall_ms -= 3600 * 1000;
	add_of(f, "h1", "192.0.2.1:6665");
	add_of(f, "h1", "192.0.2.1:6665");
	assert_int_equal(copy(f), 2);
	assert_int_equal(f->list[0].count + f->list[1].count, 3);
}

static void test_the_newest_come_first_and_the_oldest_go(void **state)
{
	struct fixture *f = *state;

	for (uint32_t n = 0; n < HALF + 10; n++) {
		add_nth(f, "h1", n);
		f->wall_ms += 1;
	}
	assert_int_equal(copy(f), HALF);
	for (uint32_t i = 0; i < HALF; i++)
		assert_int_equal(f->list[i].last_wall_ms, f->wall_ms - 1 - i);
}

static void test_order_is_by_the_last_time_of_both_kinds(void **state)
{
	struct fixture *f = *state;

	add_of(f, "", "192.0.2.1:1");
	f->wall_ms += 1;
	add_of(f, "h2", "192.0.2.2:1");
	f->wall_ms += 1;
	add_of(f, "", "192.0.2.3:1");
	add_of(f, "h4", "192.0.2.4:1"); /* at the same time the verified one is first */
	f->wall_ms += 1;
	add_of(f, "", "192.0.2.1:1");
	assert_int_equal(copy(f), 4);
	assert_string_equal(f->list[0].source, "192.0.2.1:1");
	assert_string_equal(f->list[1].host, "h4");
	assert_string_equal(f->list[2].source, "192.0.2.3:1");
	assert_string_equal(f->list[3].host, "h2");
}

static void test_strangers_cannot_push_out_what_hosts_have_said(void **state)
{
	struct fixture *f = *state;
	uint32_t verified = 0;

	for (uint32_t n = 0; n < HALF; n++)
		add_nth(f, "h1", n);
	for (uint32_t n = 0; n < 20 * RW_GASPS_KEPT; n++) {
		f->wall_ms += 1;
		add_nth(f, "", n);
	}
	assert_int_equal(copy(f), RW_GASPS_KEPT);
	for (uint32_t i = 0; i < RW_GASPS_KEPT; i++)
		verified += f->list[i].verified;
	assert_int_equal(verified, HALF);
	/* nor keep a host's likes from being counted on one */
	add_nth(f, "h1", HALF - 1);
	assert_int_equal(copy(f), RW_GASPS_KEPT);
	assert_string_equal(f->list[0].host, "h1");
	assert_int_equal(f->list[0].count, 2);
}

static void test_a_text_is_made_clean_and_cut(void **state)
{
	static const char dirty[] = "a\xff\0b"; /* no UTF-8, and a NUL */
	struct fixture *f = *state;
	struct rw_gasp_heard heard = of("h1", "192.0.2.1:6665");
	char longest[2 * RW_GASP_TEXT_BYTES];

	heard.text = dirty;
	heard.text_length = sizeof(dirty) - 1;
	add(f, heard);
	assert_int_equal(copy(f), 1);
	size_t length = strnlen(f->list[0].text, RW_GASP_TEXT_BYTES);
	assert_true(length < RW_GASP_TEXT_BYTES);
	assert_true(rw_text_is_clean(f->list[0].text, length));
	assert_int_equal(f->list[0].text[0], 'a');
	assert_int_equal(f->list[0].text[length - 1], 'b');
	/* two bytes a letter, so that the cut falls into one */
	for (size_t i = 0; i < sizeof(longest); i += 2)
		memcpy(longest + i, "\xc3\xa9", 2);
	heard.source = "192.0.2.2:6665";
	heard.text = longest;
	heard.text_length = sizeof(longest);
	f->wall_ms += 1;
	add(f, heard);
	assert_int_equal(copy(f), 2);
	length = strnlen(f->list[0].text, RW_GASP_TEXT_BYTES);
	assert_in_range(length, RW_GASP_TEXT_BYTES - 8, RW_GASP_TEXT_BYTES - 1);
	assert_int_equal(length % 2, 0);
	assert_memory_equal(f->list[0].text, longest, length);
}

/* Read with a length, and of memory that ends there. */
static void test_a_text_needs_no_end(void **state)
{
	struct fixture *f = *state;
	struct rw_gasp_heard heard = of("h1", "192.0.2.1:6665");
	char *text = malloc(5);

	assert_non_null(text);
	memcpy(text, "Oops:", 5);
	heard.text = text;
	heard.text_length = 5;
	add(f, heard);
	free(text);
	heard.source = "192.0.2.2:6665";
	heard.text = "";
	heard.text_length = 0;
	f->wall_ms += 1;
	add(f, heard);
	assert_int_equal(copy(f), 2);
	assert_string_equal(f->list[0].text, "");
	assert_string_equal(f->list[1].text, "Oops:");
}

static void test_counts_begin_at_nothing_and_stay_where_they_are_put(void **state)
{
	struct fixture *f = *state;
	const struct rw_gasp_stats nothing = {0};

	assert_memory_equal(rw_gasps_stats(f->gasps), &nothing, sizeof(nothing));
	rw_gasps_stats(f->gasps)->accepted = 7;
	add_of(f, "h1", "192.0.2.1:6665");
	assert_int_equal(rw_gasps_stats(f->gasps)->accepted, 7);
}

#define GASPS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GASPS_TEST(test_a_gasp_comes_back_as_it_was_heard),
		GASPS_TEST(test_a_gasp_without_a_host_is_not_verified),
		GASPS_TEST(test_likes_of_a_source_are_counted_on_the_first),
		GASPS_TEST(test_what_differs_is_kept_apart),
		GASPS_TEST(test_a_clock_that_is_set_back_loses_nothing),
		GASPS_TEST(test_the_newest_come_first_and_the_oldest_go),
		GASPS_TEST(test_order_is_by_the_last_time_of_both_kinds),
		GASPS_TEST(test_strangers_cannot_push_out_what_hosts_have_said),
		GASPS_TEST(test_a_text_is_made_clean_and_cut),
		GASPS_TEST(test_a_text_needs_no_end),
		GASPS_TEST(test_counts_begin_at_nothing_and_stay_where_they_are_put),
	};

	return cmocka_run_group_tests_name("gasps", tests, NULL, NULL);
}
