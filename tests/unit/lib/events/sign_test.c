/* SPDX-License-Identifier: Apache-2.0 */
/* The same crash on two hosts has one name, two crashes in one module have two. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/events/names.h"
#include "lib/events/sign.h"
#include "lib/events/taint.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct rw_event e;

static void begin(Ringwatch__V1__Kind kind, const char *symbol, const char *module)
{
	memset(&e, 0, sizeof(e));
	e.kind = kind;
	rw_event_print(e.symbol, sizeof(e.symbol), "%s", symbol);
	rw_event_print(e.module, sizeof(e.module), "%s", module);
}

static void put_stack(const char *const *frames, size_t count)
{
	e.stack_count = 0;
	for (size_t i = 0; i < count; i++)
		rw_event_print(e.stack[e.stack_count++], sizeof(e.stack[0]), "%s", frames[i]);
}

static void assert_signed(const char *signature)
{
	rw_sign_blame(&e);
	rw_sign(&e);
	assert_string_equal(e.signature, signature);
}

/* ---- one crash, two hosts ------------------------------------------------------ */

static void test_host_and_task_do_not_matter(void **state)
{
	char first[RW_SIGNATURE_MAX + 1];

	(void)state;
	begin(KIND_OOPS, "crash_write+0x12", "rw_crash");
	e.cpu = 1;
	e.pid = 123;
	rw_event_set_fact(&e, FACT_ADDRESS, "0xffff888100000000");
	rw_event_print(e.comm, sizeof(e.comm), "sh");
	rw_sign(&e);
	memcpy(first, e.signature, sizeof(first));

	begin(KIND_OOPS, "crash_write+0x12", "rw_crash");
	e.cpu = 77;
	e.pid = 99123;
	rw_event_set_fact(&e, FACT_ADDRESS, "0xffff9a0000000000");
	rw_event_print(e.comm, sizeof(e.comm), "nginx");
	rw_sign(&e);
	assert_string_equal(e.signature, first);
	assert_string_equal(first, "oops:crash_write+0x12:rw_crash");
}

static void test_two_places_of_one_module_are_two(void **state)
{
	(void)state;
	begin(KIND_OOPS, "crash_write+0x12", "rw_crash");
	assert_signed("oops:crash_write+0x12:rw_crash");
	begin(KIND_OOPS, "crash_write+0x88", "rw_crash");
	assert_signed("oops:crash_write+0x88:rw_crash");
	begin(KIND_OOPS, "crash_read+0x12", "rw_crash");
	assert_signed("oops:crash_read+0x12:rw_crash");
	begin(KIND_WARNING, "crash_read+0x12", "rw_crash");
	assert_signed("warning:crash_read+0x12:rw_crash");
}

static void test_unknown_is_said(void **state)
{
	(void)state;
	begin(KIND_OOPS, "", "");
	assert_signed("oops:unknown:vmlinux");
}

/* ---- what is no place ----------------------------------------------------------- */

static void test_jump_to_nowhere_is_named_by_its_caller(void **state)
{
	static const char *const frames[] = {
		"do_call+0x20 [rw_crash]",
		"proc_reg_write+0x5a",
		"entry_SYSCALL_64_after_hwframe+0x64",
	};

	(void)state;
	begin(KIND_OOPS, "", "");
	put_stack(frames, COUNT_OF(frames));
	assert_signed("oops:do_call+0x20:rw_crash");
	assert_string_equal(e.symbol, "do_call+0x20");
}

/* The function that a BPF program was attached to is called by the trampoline. */
static void test_trampolines_are_no_frames(void **state)
{
	static const char *const frames[] = {
		"bpf_trampoline_6442536467+0x6f",
		"__bpf_prog_enter_recur+0x9",
		"bpf_prog_6deef7357e7b4530_hook+0x20",
		"ftrace_trampoline+0x5c",
		"__x86_indirect_thunk_rax+0x10",
		"asm_exc_page_fault+0x26",
		"vfs_read+0x9d",
		"ksys_read+0x6b",
	};

	(void)state;
	begin(KIND_OOPS, "", "");
	put_stack(frames, COUNT_OF(frames));
	assert_signed("oops:vfs_read+0x9d:vmlinux");

	/* the trampoline's number differs from boot to boot: it names nothing */
	begin(KIND_OOPS, "bpf_trampoline_6442536467+0x6f", "");
	put_stack(frames, COUNT_OF(frames));
	assert_signed("oops:vfs_read+0x9d:vmlinux");

	/* a call through a pointer that is no address faults in the thunk */
	begin(KIND_OOPS, "__x86_indirect_thunk_rax+0x3", "");
	put_stack(frames + 4, COUNT_OF(frames) - 4);
	assert_signed("oops:vfs_read+0x9d:vmlinux");
}

/* Which memcpy a CPU uses is its own affair, and that a list is broken is not the list's. */
static void test_helpers_are_named_by_their_caller(void **state)
{
	static const char *const erms[] = {"memcpy_erms+0x6", "copy_it+0x31 [rw_zoo]",
					   "vfs_write+0xc7"};
	static const char *const orig[] = {"memcpy_orig+0x2e", "copy_it+0x31 [rw_zoo]",
					   "vfs_write+0xc7"};
	static const char *const lock[] = {"native_queued_spin_lock_slowpath+0x6e",
					   "_raw_spin_lock_irqsave+0x44", "take_it+0x9 [rw_zoo]"};
	static const char *const list[] = {"__list_del_entry_valid.cold+0x37",
					   "zoo_list+0x6d [rw_zoo]"};
	static const char *const arm64[] = {"__fortify_panic+0x10", "dm_split_args+0x20c"};
	static const char *const kasan[] = {"dump_stack_lvl+0x5d", "kasan_report+0xb9",
					    "_raw_spin_lock+0x2c", "take_it+0x9 [rw_zoo]"};

	(void)state;
	begin(KIND_OOPS, "memcpy_erms+0x6", "");
	put_stack(erms, COUNT_OF(erms));
	assert_signed("oops:copy_it+0x31:rw_zoo");
	begin(KIND_OOPS, "memcpy_orig+0x2e", "");
	put_stack(orig, COUNT_OF(orig));
	assert_signed("oops:copy_it+0x31:rw_zoo");
	begin(KIND_OOPS, "native_queued_spin_lock_slowpath+0x6e", "");
	put_stack(lock, COUNT_OF(lock));
	assert_signed("oops:take_it+0x9:rw_zoo");
	begin(KIND_OOPS, "__list_del_entry_valid.cold+0x37", "");
	put_stack(list, COUNT_OF(list));
	assert_signed("oops:zoo_list+0x6d:rw_zoo");
	begin(KIND_OOPS, "", "");
	put_stack(arm64, COUNT_OF(arm64));
	assert_signed("oops:dm_split_args+0x20c:vmlinux");
	/* of a warning the log's trace begins behind the instruction */
	begin(KIND_WARNING, "refcount_warn_saturate+0xba", "");
	put_stack(list + 1, 1);
	assert_signed("warning:zoo_list+0x6d:rw_zoo");

	/* a report's trace begins with the reporting */
	begin(KIND_KASAN, "_raw_spin_lock+0x2c", "");
	rw_event_set_fact(&e, FACT_TYPE, "slab-use-after-free");
	put_stack(kasan, COUNT_OF(kasan));
	assert_signed("kasan:slab-use-after-free:take_it+0x9:rw_zoo");

	/* when the stack is not known it is better than nothing */
	begin(KIND_OOPS, "memcpy_erms+0x6", "");
	assert_signed("oops:memcpy_erms+0x6:vmlinux");
	begin(KIND_OOPS, "", "");
	put_stack(erms, 1);
	assert_signed("oops:memcpy_erms+0x6:vmlinux");
	/* a driver's own */
	assert_false(rw_sign_is_helper("copy_it+0x1"));
	assert_false(rw_sign_is_helper("strange_write+0x1"));
}

/* Its name holds a hash of its code; where in it depends on the JIT. */
static void test_bpf_program_is_named_where_it_crashes(void **state)
{
	static const char *const frames[] = {
		"bpf_prog_6deef7357e7b4530_hook+0x20 [bpf]",
		"vfs_read+0x9d",
	};

	(void)state;
	begin(KIND_OOPS, "bpf_prog_6deef7357e7b4530_hook+0x20", "bpf");
	put_stack(frames, COUNT_OF(frames));
	assert_signed("oops:bpf_prog_6deef7357e7b4530_hook:bpf");
	assert_false(rw_sign_is_bpf_program("bpf_prog_load+0x12"));
	assert_false(rw_sign_is_bpf_program("bpf_prog_array_free+0x12"));
	assert_true(rw_sign_is_bpf_program("bpf_prog_6deef7357e7b4530+0x1"));
}

static void test_stack_of_trampolines_alone_names_nothing(void **state)
{
	static const char *const frames[] = {"bpf_trampoline_1+0x6f", "ftrace_trampoline+0x5c"};

	(void)state;
	begin(KIND_OOPS, "", "");
	put_stack(frames, COUNT_OF(frames));
	assert_signed("oops:unknown:vmlinux");
}

/* ---- what compilers append --------------------------------------------------------- */

static void test_suffixes_stay_with_an_offset_and_go_without(void **state)
{
	(void)state;
	begin(KIND_OOPS, "scan.cold+0x12", "m");
	assert_signed("oops:scan.cold+0x12:m");
	begin(KIND_OOPS, "scan+0x12", "m");
	assert_signed("oops:scan+0x12:m");

	begin(KIND_SOFT_LOCKUP, "scan.isra.0+0x12", "m");
	assert_signed("soft_lockup:scan:m");
	begin(KIND_SOFT_LOCKUP, "scan.constprop.0.isra.1.cold+0x99", "m");
	assert_signed("soft_lockup:scan:m");
	begin(KIND_SOFT_LOCKUP, "scan.llvm.8123456789+0x1", "m");
	assert_signed("soft_lockup:scan:m");
	begin(KIND_HARD_LOCKUP, "scan.part.0+0x12", "m");
	assert_signed("hard_lockup:scan:m");
}

/* ---- lockups and stalls ------------------------------------------------------------- */

static void test_interrupted_function_is_named(void **state)
{
	static const char *const frames[] = {
		"watchdog_timer_fn+0x1a2",          "__hrtimer_run_queues+0x10f",
		"sysvec_apic_timer_interrupt+0x6d", "asm_sysvec_apic_timer_interrupt+0x16",
		"spin_forever+0x1f [rw_trigger]",   "kthread+0xd1",
	};

	(void)state;
	begin(KIND_SOFT_LOCKUP, "", "");
	put_stack(frames, COUNT_OF(frames));
	assert_signed("soft_lockup:spin_forever:rw_trigger");
	assert_string_equal(e.symbol, "spin_forever+0x1f");

	/* the instruction is known: the stack has no say */
	begin(KIND_SOFT_LOCKUP, "native_queued_spin_lock_slowpath+0x6e", "");
	put_stack(frames, COUNT_OF(frames));
	assert_signed("soft_lockup:native_queued_spin_lock_slowpath:vmlinux");
}

static void test_stall_is_named_by_type_when_no_function_is_known(void **state)
{
	(void)state;
	begin(KIND_RCU_STALL, "", "");
	rw_event_set_fact(&e, FACT_TYPE, "detected");
	assert_signed("rcu_stall:detected");
	begin(KIND_RCU_STALL, "spin_forever+0x1f", "rw_trigger");
	rw_event_set_fact(&e, FACT_TYPE, "detected");
	assert_signed("rcu_stall:spin_forever:rw_trigger");
}

struct hung {
	const char *frames[10];
	const char *signature;
};

static void test_hung_task_is_named_by_what_it_waits_in(void **state)
{
	static const struct hung cases[] = {
		/* 5.12, a driver that takes a lock which its caller holds */
		{{"__schedule+0x2de", "schedule+0x4f", "schedule_preempt_disabled+0xe",
		  "__mutex_lock.isra.0+0x190", "__mutex_lock_slowpath+0x13", "mutex_lock+0x32",
		  "rtnl_lock+0x15", "igb_resume+0xee [igb]", "igb_runtime_resume+0xe [igb]"},
		 "hung_task:igb_resume:igb"},
		/* 6.12, arm64 */
		{{"__switch_to+0xf4", "__schedule+0x27c", "schedule+0x3c", "io_schedule+0x44",
		  "folio_wait_bit_common+0x174", "folio_wait_bit+0x20", "folio_wait_writeback+0x54",
		  "truncate_inode_partial_folio+0x70", "truncate_inode_pages_range+0x1b0"},
		 "hung_task:truncate_inode_partial_folio:vmlinux"},
		/* arm64, a test of a driver */
		{{"__switch_to+0x98", "__schedule+0x6c4", "schedule+0xd8", "schedule_timeout+0x474",
		  "wait_for_common+0x368", "wait_for_completion+0x20", "test_aead_vec_cfg+0xab4"},
		 "hung_task:test_aead_vec_cfg:vmlinux"},
		{{"__schedule+0x1", "schedule+0x1", "rwsem_down_write_slowpath+0x2",
		  "down_write+0x3", "do_vmi_munmap+0x7"},
		 "hung_task:do_vmi_munmap:vmlinux"},
		{{"__schedule+0x1", "schedule+0x1", "synchronize_rcu+0x4",
		  "rw_wait_write+0x3 [rw]"},
		 "hung_task:rw_wait_write:rw"},
		/* a user's download_firmware is no down() */
		{{"__schedule+0x1", "schedule+0x1", "download_firmware+0x4 [fw]"},
		 "hung_task:download_firmware:fw"},
		/* nothing but waiting: its innermost */
		{{"__schedule+0x1", "schedule+0x1"}, "hung_task:__schedule:vmlinux"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t count = 0;
		while (count < COUNT_OF(cases[i].frames) && cases[i].frames[count] != NULL)
			count++;
		begin(KIND_HUNG_TASK, "__schedule+0x1", "");
		put_stack(cases[i].frames, count);
		assert_signed(cases[i].signature);
	}
}

/* ---- panics ---------------------------------------------------------------------------- */

static void test_panic_is_its_text_without_what_differs(void **state)
{
	static const struct {
		const char *text;
		const char *signature;
	} cases[] = {
		{"Attempted to kill init! exitcode=0x0000000b",
		 "panic:Attempted to kill init! exitcode_#"},
		{"Attempted to kill init! exitcode=0x%08x\n",
		 "panic:Attempted to kill init! exitcode_#"},
		{"VFS: Unable to mount root fs on unknown-block(0,0)",
		 "panic:VFS: Unable to mount root fs on unknown-block(#_#)"},
		{"VFS: Unable to mount root fs on unknown-block(8,1)",
		 "panic:VFS: Unable to mount root fs on unknown-block(#_#)"},
		{"softlockup: hung tasks", "panic:softlockup: hung tasks"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		begin(KIND_PANIC, "who_called+0x1", "");
		snprintf(e.detail, sizeof(e.detail), "%s", cases[i].text);
		assert_signed(cases[i].signature);
	}
	begin(KIND_PANIC, "who_called+0x1", "m");
	assert_signed("panic:who_called+0x1:m");
}

static void test_panic_without_oops_is_blamed_on_its_caller(void **state)
{
	static const char *const frames[] = {"dump_stack_lvl+0x48", "panic+0x118",
					     "mount_block_root+0x2a2", "mount_root+0x9e"};

	(void)state;
	begin(KIND_PANIC, "", "");
	put_stack(frames, COUNT_OF(frames));
	snprintf(e.detail, sizeof(e.detail), "VFS: Unable to mount root fs");
	rw_sign_blame(&e);
	assert_string_equal(e.symbol, "mount_block_root+0x2a2");

	/* no panic() on the stack: nobody is blamed */
	begin(KIND_PANIC, "", "");
	put_stack(frames + 2, 2);
	rw_sign_blame(&e);
	assert_string_equal(e.symbol, "");
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void assert_machine_check(uint64_t status, const char *signature)
{
	begin(KIND_MACHINE_CHECK, "", "");
	rw_event_set_fact(&e, FACT_BANK, "4");
	rw_event_set_fact(&e, FACT_STATUS, "0x%llx", (unsigned long long)status);
	assert_signed(signature);
}

static void test_machine_check_is_bank_code_and_severity(void **state)
{
	(void)state;
	/* count of corrected errors, model's code, address valid, filter bit: no difference */
	assert_machine_check(0x8c00004000010091, "machine_check:bank4:0x0091:correctable");
	assert_machine_check(0xcc00ff8000ff1091, "machine_check:bank4:0x0091:correctable");
	assert_machine_check(0xbd80000000100134, "machine_check:bank4:0x0134:nonfatal");
	assert_machine_check(0xb200000000070f0f, "machine_check:bank4:0x0f0f:fatal");

	begin(KIND_MACHINE_CHECK, "", "");
	assert_signed("machine_check:unknown");
	begin(KIND_MACHINE_CHECK, "", "");
	rw_event_set_fact(&e, FACT_TYPE, "correctable");
	assert_signed("machine_check:correctable");
}

static void assert_pcie(const char *type, uint64_t status, const char *detail,
			const char *signature)
{
	begin(KIND_PCIE_ERROR, "", "");
	rw_event_set_fact(&e, FACT_TYPE, "%s", type);
	if (status != 0)
		rw_event_set_fact(&e, FACT_STATUS, "0x%llx", (unsigned long long)status);
	snprintf(e.detail, sizeof(e.detail), "%s", detail);
	assert_signed(signature);
}

static void test_pcie_error_is_layer_and_severity(void **state)
{
	(void)state;
	assert_pcie("correctable", 0x1, "", "pcie_error:physical:correctable");
	assert_pcie("correctable", 0x40, "", "pcie_error:data_link:correctable");
	assert_pcie("correctable", 0x1000, "", "pcie_error:data_link:correctable");
	assert_pcie("correctable", 0x2000, "", "pcie_error:transaction:correctable");
	assert_pcie("nonfatal", 0x4000, "", "pcie_error:transaction:nonfatal");
	assert_pcie("fatal", 0x10, "", "pcie_error:data_link:fatal");
	assert_pcie("correctable", 0, "", "pcie_error:unknown:correctable");
	assert_pcie("correctable", 0,
		    "0000:01:00.0: PCIe Bus Error: severity=Corrected, type=Data Link Layer, "
		    "(Receiver ID)",
		    "pcie_error:data_link:correctable");
}

static void test_other_kinds(void **state)
{
	(void)state;
	begin(KIND_OOM_KILL, "", "");
	rw_event_set_fact(&e, FACT_SCOPE, "cgroup");
	rw_event_print(e.comm, sizeof(e.comm), "nginx");
	assert_signed("oom_kill:cgroup");
	begin(KIND_OOM_KILL, "", "");
	assert_signed("oom_kill:unknown");

	begin(KIND_TAINT, "", "");
	rw_event_set_fact(&e, FACT_FLAG, "O");
	rw_event_set_fact(&e, FACT_FLAG_NAME, "out_of_tree_module");
	assert_signed("taint:O");
	begin(KIND_TAINT, "", "");
	rw_event_set_fact(&e, FACT_FLAG, "?");
	rw_event_set_fact(&e, FACT_FLAG_NAME, "flag_33");
	assert_signed("taint:flag_33");

	begin(KIND_MEMORY_ERROR, "", "");
	rw_event_set_fact(&e, FACT_TYPE, "corrected");
	rw_event_set_fact(&e, FACT_DEVICE, "MC0 CPU_SrcID#0_Chan#0_DIMM#0");
	assert_signed("memory_error:corrected");

	begin(KIND_MODULE, "", "rw_bad");
	e.error = -ENOENT;
	assert_signed("module_load_failed:rw_bad:-2");

	begin(KIND_KFENCE, "test_read+0xa6", "rw");
	rw_event_set_fact(&e, FACT_TYPE, "out-of-bounds read");
	assert_signed("kfence:out-of-bounds_read:test_read+0xa6:rw");
	begin(KIND_KASAN, "test_write+0xa6", "");
	rw_event_set_fact(&e, FACT_TYPE, "slab-use-after-free");
	assert_signed("kasan:slab-use-after-free:test_write+0xa6:vmlinux");

	/* a restart brings its own */
	begin(KIND_RESTART, "", "");
	snprintf(e.signature, sizeof(e.signature), "restart:reboot");
	assert_signed("restart:reboot");
}

static void test_names_that_fill_their_room_are_bounded(void **state)
{
	char symbol[RW_SYMBOL_MAX + 1];

	(void)state;
	memset(symbol, 'f', sizeof(symbol) - 1);
	symbol[sizeof(symbol) - 1] = '\0';
	begin(KIND_OOPS, symbol, symbol);
	rw_sign(&e);
	assert_true(strlen(e.signature) <= RW_SIGNATURE_MAX);
	begin(KIND_HUNG_TASK, symbol, symbol);
	rw_sign(&e);
	assert_true(strlen(e.signature) <= RW_SIGNATURE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_and_task_do_not_matter),
		cmocka_unit_test(test_two_places_of_one_module_are_two),
		cmocka_unit_test(test_unknown_is_said),
		cmocka_unit_test(test_jump_to_nowhere_is_named_by_its_caller),
		cmocka_unit_test(test_trampolines_are_no_frames),
		cmocka_unit_test(test_helpers_are_named_by_their_caller),
		cmocka_unit_test(test_bpf_program_is_named_where_it_crashes),
		cmocka_unit_test(test_stack_of_trampolines_alone_names_nothing),
		cmocka_unit_test(test_suffixes_stay_with_an_offset_and_go_without),
		cmocka_unit_test(test_interrupted_function_is_named),
		cmocka_unit_test(test_stall_is_named_by_type_when_no_function_is_known),
		cmocka_unit_test(test_hung_task_is_named_by_what_it_waits_in),
		cmocka_unit_test(test_panic_is_its_text_without_what_differs),
		cmocka_unit_test(test_panic_without_oops_is_blamed_on_its_caller),
		cmocka_unit_test(test_machine_check_is_bank_code_and_severity),
		cmocka_unit_test(test_pcie_error_is_layer_and_severity),
		cmocka_unit_test(test_other_kinds),
		cmocka_unit_test(test_names_that_fill_their_room_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
