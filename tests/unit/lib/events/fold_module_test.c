/* SPDX-License-Identifier: Apache-2.0 */
/* Why a module did not load, and what tainted the kernel: once each. */
#include "tests/unit/lib/events/fixture.h"

#include "lib/events/taint.h"

/* ---- modules ----------------------------------------------------------------------- */

static struct rw_record failure(const char *name, int error, enum rw_module_stage stage)
{
	struct rw_record r = record(RW_RECORD_MODULE_FAILED, 0, 5);

	memcpy(r.comm, "insmod", 7);
	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.text, sizeof(r.text), "%s.ko.xz", name);
	r.error = error;
	r.value = stage;
	return r;
}

static void test_cause_by_errno_and_stage(void **state)
{
	static const struct {
		int error;
		enum rw_module_stage stage;
		const char *cause;
		const char *said;
	} cases[] = {
		{-ENOEXEC, RW_STAGE_READ, "bad_format", "read"},
		{-ENOEXEC, RW_STAGE_LOAD, "bad_format", "load"},
		{-ENOENT, RW_STAGE_LOAD, "unknown_symbol", "load"},
		{-ENOENT, RW_STAGE_READ, "other", "read"},
		{-ENOENT, RW_STAGE_INIT, "init_failed", "init"},
		{-EKEYREJECTED, RW_STAGE_LOAD, "signature_refused", "load"},
		{-ENOKEY, RW_STAGE_LOAD, "signature_refused", "load"},
		{-ENOMEM, RW_STAGE_LOAD, "no_memory", "load"},
		{-ENOMEM, RW_STAGE_INIT, "init_failed", "init"},
		/* several causes: never a guess */
		{-EINVAL, RW_STAGE_LOAD, "other", "load"},
		{-EPERM, RW_STAGE_LOAD, "other", "load"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		start_anew();
		struct rw_record r = failure("rw_bad", cases[i].error, cases[i].stage);
		feed(&r);
		flush();
		assert_fact(only_event(), FACT_CAUSE, cases[i].cause);
		assert_fact(only_event(), FACT_STAGE, cases[i].said);
		assert_fact(only_event(), FACT_MODULE_FILE, "rw_bad.ko.xz");
		assert_string_equal(only_event()->comm, "insmod");
	}
}

static void test_the_logs_cause_is_better(void **state)
{
	struct rw_record r = failure("rw_bad", -ENOEXEC, RW_STAGE_LOAD);

	(void)state;
	bpf_is_live();
	line("rw_bad: version magic '6.0 ' should be '6.1 '");
	feed(&r);
	flush();
	assert_fact(only_event(), FACT_CAUSE, "version_magic");
	assert_fact(only_event(), FACT_STAGE, "load");
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);

	/* the ring is read before the log */
	start_anew();
	bpf_is_live();
	feed(&r);
	line("rw_bad: version magic '6.0 ' should be '6.1 '");
	flush();
	assert_fact(only_event(), FACT_CAUSE, "version_magic");

	start_anew();
	bpf_is_live();
	r = failure("rw_bad", -EINVAL, RW_STAGE_LOAD);
	line("rw_bad: `x' invalid for parameter `count'");
	feed(&r);
	flush();
	assert_fact(only_event(), FACT_CAUSE, "bad_parameter");
}

static void test_log_alone_knows_the_cause_but_no_stage(void **state)
{
	(void)state;
	line("Loading of unsigned module is rejected");
	pass(RW_EVENTS_CONFIRM_MS);
	assert_fact(only_event(), FACT_CAUSE, "signature_refused");
	assert_fact(only_event(), FACT_STAGE, "");
	assert_string_equal(only_event()->module, "unknown");
}

static void test_absent_hardware_is_no_warning(void **state)
{
	struct rw_record r = failure("rw_nodev", -ENODEV, RW_STAGE_INIT);

	(void)state;
	feed(&r);
	flush();
	assert_int_equal(only_event()->severity, SEVERITY_INFO);
}

static void test_two_modules_at_once_are_two(void **state)
{
	struct rw_record one = failure("rw_one", -ENOENT, RW_STAGE_LOAD);
	struct rw_record two = failure("rw_two", -ENOENT, RW_STAGE_LOAD);

	(void)state;
	bpf_is_live();
	line("rw_one: Unknown symbol nowhere (err -2)");
	line("rw_two: Unknown symbol nowhere (err -2)");
	two.pid = 6;
	feed(&two);
	feed(&one);
	flush();
	assert_int_equal(t.seen_count, 2);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(t.seen[i].source, SOURCE_BPF_AND_LOG);
	assert_int_equal(rw_events_told(t.events, KIND_MODULE), 2);
}

/* ---- taint ---------------------------------------------------------------------------- */

static void bpf_taint(uint64_t flag)
{
	struct rw_record r = record(RW_RECORD_TAINT, 0, 5);

	memcpy(r.comm, "insmod", 7);
	r.value = flag;
	feed(&r);
}

static void test_each_flag_is_told_once(void **state)
{
	(void)state;
	bpf_taint(RW_TAINT_DIED);
	bpf_taint(RW_TAINT_DIED);
	bpf_taint(RW_TAINT_OUT_OF_TREE);
	pass(5000);
	bpf_taint(RW_TAINT_DIED);
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[0].signature, "taint:D");
	assert_int_equal(t.seen[0].severity, SEVERITY_WARNING);
	assert_fact(&t.seen[0], FACT_FLAG, "D");
	assert_fact(&t.seen[0], FACT_FLAG_NAME, "died");
	assert_string_equal(t.seen[1].signature, "taint:O");
	assert_int_equal(t.seen[1].severity, SEVERITY_INFO);
	assert_string_equal(t.seen[1].comm, "insmod");
}

static void test_module_flags_are_info_and_others_warn(void **state)
{
	static const char info[] = "PFCOEKXTNJ";

	(void)state;
	for (uint32_t flag = 0; flag < RW_TAINT_COUNT; flag++) {
		start_anew();
		bpf_taint(flag);
		flush();
		for (uint32_t i = 0; i < t.seen_count; i++) {
			if (t.seen[i].kind != KIND_TAINT)
				continue;
			bool module = strchr(info, rw_taint_letter(flag)) != NULL;
			assert_int_equal(t.seen[i].severity,
					 module ? SEVERITY_INFO : SEVERITY_WARNING);
		}
	}
}

static void test_flags_of_the_start_are_no_news(void **state)
{
	(void)state;
	rw_events_set_taint(t.events, 1u << RW_TAINT_OUT_OF_TREE | 1u << RW_TAINT_UNSIGNED_MODULE);
	bpf_taint(RW_TAINT_OUT_OF_TREE);
	line("rw_crash: loading out-of-tree module taints kernel.");
	line("rw_crash: module verification failed: signature and/or required key missing - "
	     "tainting kernel");
	pass(5000);
	assert_int_equal(t.seen_count, 0);
	bpf_taint(RW_TAINT_WARNING);
	flush();
	assert_string_equal(only_event()->signature, "taint:W");
}

static void test_taint_from_both_is_one_and_names_the_module(void **state)
{
	(void)state;
	bpf_is_live();
	bpf_taint(RW_TAINT_OUT_OF_TREE); /* the ring is read first */
	line("rw_crash: loading out-of-tree module taints kernel.");
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_string_equal(only_event()->module, "rw_crash");
	assert_string_equal(only_event()->detail,
			    "rw_crash: loading out-of-tree module taints kernel.");

	start_anew();
	bpf_is_live();
	line("rw_crash: loading out-of-tree module taints kernel.");
	flush();
	assert_int_equal(t.seen_count, 0);
	bpf_taint(RW_TAINT_OUT_OF_TREE);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_string_equal(only_event()->module, "rw_crash");

	start_anew();
	line("rw_crash: loading out-of-tree module taints kernel.");
	flush();
	assert_int_equal(only_event()->source, SOURCE_LOG);
	assert_int_equal(rw_events_told(t.events, KIND_TAINT), 1);
}

/* Of a staging driver the kernel says so each time. */
static void test_line_of_a_known_flag_is_no_event(void **state)
{
	static const char text[] =
		"r8188eu: module is from the staging directory, the quality is unknown, you have "
		"been warned.";

	(void)state;
	line(text);
	flush();
	only_event();
	pass(60000);
	line(text);
	pass(5000);
	only_event();
}

static void test_flag_newer_than_the_table(void **state)
{
	(void)state;
	bpf_taint(33);
	bpf_taint(33);
	flush();
	assert_string_equal(only_event()->signature, "taint:flag_33");
	assert_int_equal(only_event()->severity, SEVERITY_WARNING);
	bpf_taint(UINT64_MAX);
	flush();
	assert_int_equal(t.seen_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cause_by_errno_and_stage),
		TEST(test_the_logs_cause_is_better),
		TEST(test_log_alone_knows_the_cause_but_no_stage),
		TEST(test_absent_hardware_is_no_warning),
		TEST(test_two_modules_at_once_are_two),
		TEST(test_each_flag_is_told_once),
		TEST(test_module_flags_are_info_and_others_warn),
		TEST(test_flags_of_the_start_are_no_news),
		TEST(test_taint_from_both_is_one_and_names_the_module),
		TEST(test_line_of_a_known_flag_is_no_event),
		TEST(test_flag_newer_than_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
