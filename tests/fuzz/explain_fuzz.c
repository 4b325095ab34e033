/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole kept logs to events, in whatever form: what comes out is clean and
 * bounded, and the same however the bytes were cut on their way.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/replay.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t count;
	uint64_t hash;
};

static void add(struct sum *sum, const char *text)
{
	for (; *text != '\0'; text++)
		sum->hash = (sum->hash ^ (uint8_t)*text) * 0x100000001b3;
}

static void check(void *context, const struct rw_event *e, bool has_time)
{
	struct sum *sum = context;

	check_text(e->comm, sizeof(e->comm));
	check_text(e->signature, sizeof(e->signature));
	check_text(e->symbol, sizeof(e->symbol));
	check_text(e->module, sizeof(e->module));
	check_text(e->detail, sizeof(e->detail));
	must(e->signature[0] != '\0' && e->detail[0] != '\0');
	must(e->stack_count <= RW_STACK_MAX && e->fact_count <= RW_FACTS_MAX && e->count > 0);
	for (uint32_t i = 0; i < e->stack_count; i++)
		check_text(e->stack[i], sizeof(e->stack[i]));
	for (uint32_t i = 0; i < e->fact_count; i++) {
		check_text(e->facts[i].value, sizeof(e->facts[i].value));
		must(e->facts[i].value[0] != '\0');
		must(i == 0 || e->facts[i - 1].name < e->facts[i].name);
	}
	sum->count++;
	add(sum, e->signature);
	add(sum, e->detail);
	add(sum, has_time ? "t" : "n");
}

static struct sum replay(const uint8_t *data, size_t size, size_t piece)
{
	struct sum sum = {0};
	struct rw_replay *r = rw_replay_new(check, &sum);

	must(r != NULL);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		must(rw_replay_feed(r, (const char *)data + at, n) == 0);
	}
	must(rw_replay_end(r) == 0);
	rw_replay_free(r);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole = replay(data, size, size > 0 ? size : 1);
	struct sum pieces = replay(data, size, 7);

	must(whole.count == pieces.count && whole.hash == pieces.hash);
	return 0;
}
