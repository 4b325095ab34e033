/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept and sent is the event, whole: facts, log and all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"
#include "sensor/pack.h"
#include "sensor/spool.h"

static struct rw_log_excerpt log_in;
static struct rw_log_excerpt log_out;
static struct rw_event in;
static struct rw_event out;
static uint8_t bytes[RW_SPOOL_PAYLOAD_MAX];

static void fill(char *text, size_t size)
{
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
}

/* Every field as long as it may be, every number as large. */
static void fill_event(void)
{
	memset(&in, 0, sizeof(in));
	in.sequence = UINT64_MAX;
	in.kind = RINGWATCH__V1__KIND__KIND_SAFE_START;
	in.severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	in.source = RINGWATCH__V1__SOURCE__SOURCE_COUNTER;
	memcpy(in.boot_id, "11111111-2222-4333-8444-555555555555", sizeof(in.boot_id));
	in.boot_order = in.boot_ms = in.wall_ms = in.about = UINT64_MAX;
	in.cpu = in.pid = in.count = UINT32_MAX;
	in.error = INT32_MIN;
	fill(in.comm, sizeof(in.comm));
	fill(in.signature, sizeof(in.signature));
	fill(in.symbol, sizeof(in.symbol));
	fill(in.module, sizeof(in.module));
	fill(in.detail, sizeof(in.detail));
	in.stack_count = RW_STACK_MAX;
	for (int i = 0; i < RW_STACK_MAX; i++)
		fill(in.stack[i], sizeof(in.stack[i]));
	for (int i = 0; i < RW_FACTS_MAX; i++) {
		in.facts[i].name = RINGWATCH__V1__FACT_NAME__FACT_EVICTED - RW_FACTS_MAX + 1 + i;
		fill(in.facts[i].value, sizeof(in.facts[i].value));
	}
	in.fact_count = RW_FACTS_MAX;
	memset(log_in.packed, 0x5a, sizeof(log_in.packed));
	log_in.packed_bytes = RW_LOG_PACKED_MAX;
	log_in.plain_bytes = RW_LOG_PLAIN_MAX;
	in.log = &log_in;
}

static void test_the_largest_event_fits_a_record(void **state)
{
	(void)state;
	fill_event();
	long length = rw_event_pack(&in, bytes, sizeof(bytes));
	assert_in_range(length, 8 * 1024, 12 * 1024);
	assert_int_equal(rw_event_pack(&in, bytes, (size_t)length - 1), -EMSGSIZE);
}

static void test_nothing_is_lost_on_the_way(void **state)
{
	(void)state;
	fill_event();
	long length = rw_event_pack(&in, bytes, sizeof(bytes));
	memset(&out, 0xa5, sizeof(out));
	memset(&log_out, 0xa5, sizeof(log_out));
	assert_int_equal(rw_event_unpack(bytes, (size_t)length, &out, &log_out), 0);
	assert_ptr_equal(out.log, &log_out);
	assert_memory_equal(&log_out, &log_in, sizeof(log_in));
	assert_int_equal(out.about, UINT64_MAX);
	for (int i = 0; i < RW_FACTS_MAX; i++) {
		assert_int_equal(out.facts[i].name, in.facts[i].name);
		assert_string_equal(out.facts[i].value, in.facts[i].value);
	}
	/* packed again it is the same */
	uint8_t *again = test_malloc(sizeof(bytes));
	assert_int_equal(rw_event_pack(&out, again, sizeof(bytes)), length);
	assert_memory_equal(again, bytes, (size_t)length);
	test_free(again);
}

static void test_a_log_may_be_left_off(void **state)
{
	(void)state;
	fill_event();
	long length = rw_event_pack(&in, bytes, sizeof(bytes));
	assert_int_equal(rw_event_unpack(bytes, (size_t)length, &out, NULL), 0);
	assert_null(out.log);
	in.log = NULL;
	length = rw_event_pack(&in, bytes, sizeof(bytes));
	assert_int_equal(rw_event_unpack(bytes, (size_t)length, &out, &log_out), 0);
	assert_null(out.log);
	assert_int_equal(log_out.packed_bytes, 0);
}

/* What the spool keeps, the wire takes: the collector's own check says so. */
static void test_a_batch_of_them_is_a_valid_frame(void **state)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__EventBatch batch = RINGWATCH__V1__EVENT_BATCH__INIT;
	static const uint8_t id[RW_SPOOL_ID_BYTES] = {1};
	char detail[RW_WIRE_ERROR_BYTES];

	(void)state;
	fill_event();
	in.sequence = 7;
	in.about = 0;
	long length = rw_event_pack(&in, bytes, sizeof(bytes));
	Ringwatch__V1__Event *event = ringwatch__v1__event__unpack(NULL, (size_t)length, bytes);
	assert_non_null(event);
	batch.spool_id.data = (uint8_t *)id;
	batch.spool_id.len = sizeof(id);
	batch.boot_id = in.boot_id;
	batch.n_events = 1;
	batch.events = &event;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_EVENT_BATCH;
	frame.event_batch = &batch;
	uint8_t *packed = test_malloc(RW_FRAME_MAX + RW_FRAME_HEAD);
	length = rw_wire_encode(&frame, packed, RW_FRAME_MAX + RW_FRAME_HEAD);
	assert_true(length > 0);
	if (rw_wire_validate(packed + RW_FRAME_HEAD, (size_t)length - RW_FRAME_HEAD, RW_FROM_SENSOR,
			     detail) != RW_WIRE_OK)
		fail_msg("%s", detail);
	test_free(packed);
	ringwatch__v1__event__free_unpacked(event, NULL);
}

static void test_nonsense_is_refused(void **state)
{
	(void)state;
	fill_event();
	long length = rw_event_pack(&in, bytes, sizeof(bytes));
	for (long cut = 0; cut < length; cut += 7)
		assert_int_equal(rw_event_unpack(bytes, (size_t)cut, &out, &log_out), -EBADMSG);
	memset(bytes, 0xff, 100);
	assert_int_equal(rw_event_unpack(bytes, 100, &out, &log_out), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_largest_event_fits_a_record),
		cmocka_unit_test(test_nothing_is_lost_on_the_way),
		cmocka_unit_test(test_a_log_may_be_left_off),
		cmocka_unit_test(test_a_batch_of_them_is_a_valid_frame),
		cmocka_unit_test(test_nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
