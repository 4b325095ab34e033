/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever two sources tell, in whatever order and however broken: each thing
 * that is told leaves exactly once or in a count, each event is whole, and what
 * is told of the log lies within it.
 */
#include "tests/unit/lib/events/fixture.h"

enum { STEPS = 60000, KINDS = RW_EVENTS_KINDS };

static struct {
	uint64_t random;
	uint64_t left[KINDS];
	uint64_t last_token;
	uint64_t told_log;
	uint64_t events;
} s;

static uint64_t roll(uint64_t sides)
{
	s.random ^= s.random << 13;
	s.random ^= s.random >> 7;
	s.random ^= s.random << 17;
	return s.random % sides;
}

static void count_event(void *context, struct rw_event *e, uint64_t position, uint64_t token)
{
	(void)context;
	assert_true(e->kind > 0 && (int)e->kind < KINDS);
	assert_true(e->signature[0] != '\0' && e->detail[0] != '\0');
	assert_true(e->count >= 1 && e->stack_count <= RW_STACK_MAX);
	assert_true(e->fact_count <= RW_FACTS_MAX);
	assert_true(e->severity >= SEVERITY_INFO && e->severity <= SEVERITY_CRITICAL);
	assert_true(position == UINT64_MAX || position < t.sequence);
	for (uint32_t i = 1; i < e->fact_count; i++)
		assert_true(e->facts[i - 1].name < e->facts[i].name);
	assert_true(rw_text_is_clean(e->detail, strlen(e->detail)));
	assert_true(rw_text_is_clean(e->signature, strlen(e->signature)));
	if (token != 0) {
		assert_true(token > s.last_token);
		s.last_token = token;
		assert_int_equal(e->count, 1);
	}
	s.left[e->kind] += e->count;
	s.events++;
}

static void count_log(void *context, uint64_t token, uint64_t first, uint64_t last)
{
	(void)context;
	assert_true(token != 0 && token <= s.last_token);
	assert_true(first <= last && last <= t.sequence);
	s.told_log++;
}

static const char *const names[] = {
	"a+0x1", "b.isra.0+0x2", "__schedule+0x3", "asm_exc_page_fault", "bpf_trampoline_1+0x9",
	""};

static void put_random(char *out, size_t size)
{
	if (roll(20) == 0) {
		for (size_t i = 0; i < size; i++)
			out[i] = (char)roll(256); /* without a NUL, perhaps */
		return;
	}
	snprintf(out, size, "%s", names[roll(COUNT_OF(names))]);
}

static void random_record(void)
{
	static const char *const texts[] = {"Oops", "SelfDetected", "StallDetected",
					    "page", "kfence",       "memory read error"};
	struct rw_record r = {.type = (uint32_t)roll(RW_RECORD_REPORT + 3)};

	r.cpu = (uint32_t)roll(3);
	r.boot_ns = (t.now.boot_ms - roll(1500)) * 1000000;
	r.pid = (uint32_t)roll(5);
	r.ip = roll(2);
	r.value = roll(4) == 0 ? s.random : roll(20);
	for (size_t i = 0; i < COUNT_OF(r.more); i++)
		r.more[i] = roll(5) == 0 ? s.random : roll(4);
	r.error = -(int32_t)roll(40);
	r.frame_count = (uint32_t)roll(40);
	put_random(r.comm, sizeof(r.comm));
	put_random(r.symbol, sizeof(r.symbol));
	for (size_t i = 0; i < roll(RW_RECORD_STACK + 1); i++)
		put_random(r.stack[i], sizeof(r.stack[i]));
	snprintf(r.text, sizeof(r.text), "%s", texts[roll(COUNT_OF(texts))]);
	snprintf(r.name, sizeof(r.name), "%s", texts[roll(COUNT_OF(texts))]);
	if (roll(50) == 0)
		memset(r.text, 'x', sizeof(r.text));
	feed(&r);
}

static void random_line(void)
{
	static const char *const words[] = {"",         "correctable", "fatal",     "global",
					    "detected", "page_fault",  "bad_format"};
	struct rw_klog_fact f = {.type = (enum rw_klog_type)roll(RW_KLOG_TAINTED + 1)};

	f.cpu = roll(4) == 0 ? UINT32_MAX : (uint32_t)roll(3);
	f.pid = (uint32_t)roll(5);
	f.error = -(int32_t)roll(40);
	f.seconds = (uint32_t)roll(3);
	f.has_address = roll(2) == 0;
	f.has_error_code = roll(2) == 0;
	f.status = roll(3);
	f.bank = (uint32_t)roll(3);
	f.flag = (uint32_t)roll(70);
	f.kfence = roll(2) == 0;
	f.uid = UINT32_MAX;
	snprintf(f.word, sizeof(f.word), "%s", words[roll(COUNT_OF(words))]);
	snprintf(f.symbol, sizeof(f.symbol), "%s", names[roll(COUNT_OF(names))]);
	snprintf(f.module, sizeof(f.module), "%s", roll(2) == 0 ? "m" : "");
	snprintf(f.device, sizeof(f.device), "dev%u", (unsigned int)roll(3));
	snprintf(f.text, sizeof(f.text), "%s", roll(2) == 0 ? "f.c:5" : "Fatal exception");
	rw_events_line(t.events, &f, t.sequence++, t.now.boot_ms - roll(3), roll(10) == 0, t.now);
}

static void run(uint64_t seed)
{
	struct rw_events_config config = {
		.resolve = no_symbols, .fn = count_event, .log_fn = count_log};

	memset(&s, 0, sizeof(s));
	s.random = seed;
	t.events = rw_events_new(&config);
	assert_non_null(t.events);
	for (int kind = 1; kind < KINDS; kind++) {
		if (roll(2) == 0)
			rw_events_set_in_bpf(t.events, (Ringwatch__V1__Kind)kind);
	}
	for (int step = 0; step < STEPS; step++) {
		switch (roll(8)) {
		case 0:
		case 1:
		case 2:
			random_record();
			break;
		case 3:
			pass(roll(50) == 0 ? 30000 : roll(200));
			break;
		default:
			random_line();
			break;
		}
	}
	rw_events_flush_all(t.events, t.now);
	for (int kind = 1; kind < KINDS; kind++)
		assert_int_equal(s.left[kind], rw_events_told(t.events, (Ringwatch__V1__Kind)kind));
	assert_true(s.events > 100 && s.told_log > 100);
	/* nothing is left behind */
	uint64_t before = s.events;
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(s.events, before);
	rw_events_free(t.events);
	t.events = NULL;
}

static void test_all_that_is_told_leaves_once(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		memset(&t, 0, sizeof(t));
		t.now = (struct rw_events_time){1000000, 1700000000000};
		t.sequence = 1;
		run(seed * 0x9e3779b97f4a7c15);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_is_told_leaves_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
