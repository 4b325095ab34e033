/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hardware reports: corrected errors come by the thousand and both
 * sources tell them, so what counts is the count.
 */
#include "tests/unit/lib/events/fixture.h"

#define MCE_CORRECTED UINT64_C(0x8c00004000010091)
#define MCE_UNCORRECTED UINT64_C(0xbd80000000100134)
#define MCE_FATAL UINT64_C(0xb200000000070f0f)

/* ---- machine checks ----------------------------------------------------------------- */

static struct rw_record machine_check(uint32_t cpu, uint32_t bank, uint64_t status)
{
	struct rw_record r = {.type = RW_RECORD_MACHINE_CHECK, .cpu = cpu, .value = status};

	r.boot_ns = t.now.boot_ms * 1000000;
	r.more[0] = 0x123456780;
	r.more[1] = 0x86;
	r.more[2] = bank;
	return r;
}

static struct rw_klog_fact machine_check_line(uint32_t cpu, uint32_t bank, uint64_t status)
{
	struct rw_klog_fact f = {.type = RW_KLOG_MACHINE_CHECK, .cpu = cpu, .uid = UINT32_MAX};

	f.bank = bank;
	f.status = status;
	snprintf(f.text, sizeof(f.text), "CPU %u: Machine Check: 0 Bank %u: %016llx", cpu, bank,
		 (unsigned long long)status);
	return f;
}

static void test_machine_check_facts_and_severity(void **state)
{
	struct rw_record r = machine_check(3, 4, MCE_CORRECTED);

	(void)state;
	feed(&r);
	flush();
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "machine_check:bank4:0x0091:correctable");
	assert_int_equal(e->severity, SEVERITY_INFO);
	assert_int_equal(e->cpu, 3);
	assert_int_equal(e->pid, 0);
	assert_string_equal(e->comm, "");
	assert_fact(e, FACT_BANK, "4");
	assert_fact(e, FACT_STATUS, "0x8c00004000010091");
	assert_fact(e, FACT_MISC, "0x86");
	assert_fact(e, FACT_ADDRESS, "0x123456780");

	r = machine_check(3, 4, MCE_UNCORRECTED);
	feed(&r);
	flush();
	assert_int_equal(t.seen[1].severity, SEVERITY_WARNING);
	r = machine_check(3, 4, MCE_FATAL);
	feed(&r);
	flush();
	assert_int_equal(t.seen[2].severity, SEVERITY_CRITICAL);
	/* neither is valid in this one */
	assert_fact(&t.seen[2], FACT_ADDRESS, "");
	assert_fact(&t.seen[2], FACT_MISC, "");
}

static void test_machine_check_both_in_either_order(void **state)
{
	struct rw_record r = machine_check(3, 4, MCE_CORRECTED);
	struct rw_klog_fact f = machine_check_line(3, 4, MCE_CORRECTED);

	(void)state;
	bpf_is_live();
	feed(&r);
	tell(&f);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);

	start_anew();
	bpf_is_live();
	tell(&f);
	flush();
	assert_int_equal(t.seen_count, 0);
	pass(10);
	feed(&r);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_fact(only_event(), FACT_MISC, "0x86");

	start_anew();
	bpf_is_live();
	feed(&r);
	flush();
	tell(&f);
	pass(5000);
	assert_int_equal(only_event()->source, SOURCE_BPF);
	assert_int_equal(rw_events_told(t.events, KIND_MACHINE_CHECK), 1);
}

/* "Machine check events logged" says only that there was one. */
static void test_announcement_counts_only_alone(void **state)
{
	struct rw_record r = machine_check(3, 4, MCE_CORRECTED);

	(void)state;
	bpf_is_live();
	feed(&r);
	line("mce: [Hardware Error]: Machine check events logged");
	flush();
	assert_string_equal(only_event()->signature, "machine_check:bank4:0x0091:correctable");

	start_anew();
	bpf_is_live();
	line("mce: [Hardware Error]: Machine check events logged");
	flush();
	pass(10);
	feed(&r);
	pass(2000);
	assert_string_equal(only_event()->signature, "machine_check:bank4:0x0091:correctable");

	start_anew();
	line("mce: [Hardware Error]: Machine check events logged");
	flush();
	assert_string_equal(only_event()->signature, "machine_check:unknown");
	assert_int_equal(only_event()->severity, SEVERITY_WARNING);

	/* told without BPF, confirmed late */
	start_anew();
	bpf_is_live();
	line("mce: [Hardware Error]: Machine check events logged");
	pass(RW_EVENTS_CONFIRM_MS);
	only_event();
	r.boot_ns = t.now.boot_ms * 1000000;
	feed(&r);
	pass(2000);
	only_event();
}

static void test_firmware_says_how_bad(void **state)
{
	(void)state;
	line("{1}[Hardware Error]: event severity: corrected");
	flush();
	assert_string_equal(only_event()->signature, "machine_check:correctable");
	assert_int_equal(only_event()->severity, SEVERITY_INFO);
	pass(5000);
	line("{2}[Hardware Error]: event severity: fatal");
	flush();
	assert_int_equal(t.seen[1].severity, SEVERITY_CRITICAL);
}

static void test_machine_check_storm_is_counted(void **state)
{
	(void)state;
	bpf_is_live();
	for (int i = 0; i < 100000; i++) {
		struct rw_record r = machine_check(3, 4, MCE_CORRECTED | (uint64_t)i << 38);
		feed(&r);
		if (i % 50 == 0)
			line("mce: [Hardware Error]: Machine check events logged");
		if (i % 10 == 0)
			pass(1);
	}
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(counted(), 100000);
	assert_int_equal(rw_events_told(t.events, KIND_MACHINE_CHECK), 100000);
	assert_true(t.seen_count <= RW_STORM_AT_ONCE + 4);
}

static void test_fatal_machine_check_leads_to_the_panic(void **state)
{
	struct rw_klog_fact f = machine_check_line(1, 4, MCE_FATAL);

	(void)state;
	tell(&f);
	line("Kernel panic - not syncing: Fatal machine check");
	flush();
	assert_int_equal(t.seen_count, 2);
	assert_string_equal(t.seen[1].signature, "panic:Fatal machine check");
	assert_non_null(strstr(t.seen[1].detail, "(after machine_check:bank4:"));
}

/* ---- memory -------------------------------------------------------------------------------- */

static struct rw_record edac(uint64_t severity, uint64_t count)
{
	struct rw_record r = {.type = RW_RECORD_MEMORY_ERROR, .cpu = 5, .value = severity};

	r.boot_ns = t.now.boot_ms * 1000000;
	snprintf(r.text, sizeof(r.text), "memory read error");
	snprintf(r.name, sizeof(r.name), "CPU_SrcID#0_Ha#0_Chan#1_DIMM#0_and_a_long_label");
	r.more[0] = 0x2fae40000;
	r.more[1] = count;
	return r;
}

#define EDAC_LINE                                                                                  \
	"EDAC MC0: 2 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0_and_a_long_label "     \
	"(channel:1 slot:0 page:0x2fae40 offset:0x0 grain:32 syndrome:0x0)"

static void test_memory_error_from_either_or_both(void **state)
{
	struct rw_record r = edac(0, 2);

	(void)state;
	bpf_is_live();
	feed(&r);
	flush();
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "memory_error:corrected");
	assert_int_equal(e->severity, SEVERITY_INFO);
	assert_fact(e, FACT_ERRORS, "2");
	assert_fact(e, FACT_ADDRESS, "0x2fae40000");
	assert_int_equal(e->count, 1);
	assert_int_equal(e->cpu, RW_CPU_UNKNOWN); /* whoever decoded it */
	line(EDAC_LINE);
	pass(5000);
	only_event();

	start_anew();
	line(EDAC_LINE);
	flush();
	assert_string_equal(only_event()->signature, "memory_error:corrected");
	assert_fact(only_event(), FACT_ERRORS, "2");
	char device[RW_FACT_VALUE_MAX + 1];
	snprintf(device, sizeof(device), "%s", rw_event_fact(only_event(), FACT_DEVICE));

	start_anew();
	bpf_is_live();
	line(EDAC_LINE);
	flush();
	feed(&r);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_fact(only_event(), FACT_DEVICE, device);
}

static void test_uncorrected_memory_is_critical(void **state)
{
	struct rw_record r = edac(1, 1);

	(void)state;
	feed(&r);
	flush();
	assert_string_equal(only_event()->signature, "memory_error:uncorrected");
	assert_int_equal(only_event()->severity, SEVERITY_CRITICAL);
	r.more[2] = 1; /* another controller: another error */
	feed(&r);
	flush();
	assert_int_equal(t.seen_count, 2);
}

static void test_page_that_is_given_up(void **state)
{
	struct rw_record r = {.type = RW_RECORD_MEMORY_ERROR, .value = 3};

	(void)state;
	r.boot_ns = t.now.boot_ms * 1000000;
	snprintf(r.name, sizeof(r.name), "page");
	r.more[0] = 0x2fae4;
	bpf_is_live();
	feed(&r);
	line("Memory failure: 0x2fae4: recovery action for dirty LRU page: Recovered");
	flush();
	assert_string_equal(only_event()->signature, "memory_error:page");
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_int_equal(only_event()->severity, SEVERITY_WARNING);

	start_anew();
	r.value = 1;
	feed(&r);
	flush();
	assert_int_equal(only_event()->severity, SEVERITY_CRITICAL);
	assert_string_equal(only_event()->detail,
			    "memory failure: page frame 0x2fae4 given up: failed");

	start_anew();
	line("Memory failure: 0x2fae4: recovery action for dirty LRU page: Failed");
	flush();
	assert_int_equal(only_event()->severity, SEVERITY_CRITICAL);
}

static void test_memory_storm_counts_what_either_source_tells(void **state)
{
	(void)state;
	bpf_is_live();
	for (int i = 0; i < 1000; i++) {
		struct rw_record r = edac(0, 1);
		/* the log is limited in its rate */
		if (i % 3 == 0)
			line(EDAC_LINE);
		feed(&r);
		pass(2);
	}
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(counted(), 1000);
	assert_int_equal(rw_events_told(t.events, KIND_MEMORY_ERROR), 1000);
}

/* ---- PCI Express ----------------------------------------------------------------------------- */

static struct rw_record aer(uint64_t severity, uint64_t status)
{
	struct rw_record r = {.type = RW_RECORD_PCIE_ERROR, .cpu = 2, .value = status};

	r.boot_ns = t.now.boot_ms * 1000000;
	snprintf(r.name, sizeof(r.name), "0000:01:00.0");
	r.more[0] = severity;
	return r;
}

static const char *const corrected[] = {
	"pcieport 0000:00:1c.0: AER: Corrected error received: 0000:01:00.0",
	"nvme 0000:01:00.0: PCIe Bus Error: severity=Corrected, type=Data Link Layer, "
	"(Transmitter ID)",
	"nvme 0000:01:00.0:   device [144d:a808] error status/mask=00001000/00006000",
	"nvme 0000:01:00.0:    [12] Timeout               ",
};

static void test_pcie_error_is_two_lines_and_one_event(void **state)
{
	struct rw_record r = aer(2, 0x1000);

	(void)state;
	LINES(corrected);
	pass(RW_EVENTS_HOLD_MS);
	const struct rw_event *e = only_event();
	assert_string_equal(e->signature, "pcie_error:data_link:correctable");
	assert_int_equal(e->severity, SEVERITY_INFO);
	assert_fact(e, FACT_DEVICE, "0000:01:00.0");
	assert_fact(e, FACT_TYPE, "correctable");

	start_anew();
	bpf_is_live();
	feed(&r);
	flush();
	assert_string_equal(only_event()->signature, "pcie_error:data_link:correctable");
	assert_fact(only_event(), FACT_STATUS, "0x1000");
	LINES(corrected);
	pass(5000);
	only_event();

	start_anew();
	bpf_is_live();
	LINES(corrected);
	feed(&r);
	flush();
	assert_int_equal(only_event()->source, SOURCE_BPF_AND_LOG);
	assert_fact(only_event(), FACT_STATUS, "0x1000");

	/* the log is read between the two lines */
	start_anew();
	bpf_is_live();
	line(corrected[0]);
	flush();
	line(corrected[1]);
	flush();
	feed(&r);
	pass(5000);
	assert_string_equal(only_event()->signature, "pcie_error:data_link:correctable");
	assert_int_equal(rw_events_told(t.events, KIND_PCIE_ERROR), 1);
}

static void test_port_alone_is_an_event_too(void **state)
{
	(void)state;
	line("pcieport 0000:00:1c.0: AER: Uncorrected (Fatal) error received: 0000:01:00.0");
	pass(RW_EVENTS_HOLD_MS);
	assert_string_equal(only_event()->signature, "pcie_error:unknown:fatal");
	assert_int_equal(only_event()->severity, SEVERITY_CRITICAL);
}

static void test_pcie_storm_is_counted(void **state)
{
	(void)state;
	bpf_is_live();
	for (int i = 0; i < 2000; i++) {
		struct rw_record r = aer(2, 0x1000);
		LINES(corrected);
		feed(&r);
		pass(1);
	}
	rw_events_flush_all(t.events, t.now);
	assert_int_equal(counted(), 2000);
	assert_true(t.seen_count <= RW_STORM_AT_ONCE + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_machine_check_facts_and_severity),
		TEST(test_machine_check_both_in_either_order),
		TEST(test_announcement_counts_only_alone),
		TEST(test_firmware_says_how_bad),
		TEST(test_machine_check_storm_is_counted),
		TEST(test_fatal_machine_check_leads_to_the_panic),
		TEST(test_memory_error_from_either_or_both),
		TEST(test_uncorrected_memory_is_critical),
		TEST(test_page_that_is_given_up),
		TEST(test_memory_storm_counts_what_either_source_tells),
		TEST(test_pcie_error_is_two_lines_and_one_event),
		TEST(test_port_alone_is_an_event_too),
		TEST(test_pcie_storm_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
