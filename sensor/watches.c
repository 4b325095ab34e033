/* SPDX-License-Identifier: Apache-2.0 */
/* What is watched; see watches.h. docs/coverage.md tells it to people. */
#include "sensor/watches.h"

/* Generated; of each only the object's bytes are used. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "hardware.skel.h"
#include "hung.skel.h"
#include "module.skel.h"
#include "oom.skel.h"
#include "oops.skel.h"
#include "panic.skel.h"
#include "rcu.skel.h"
#include "report.skel.h"
#include "restart.skel.h"
#include "selftest.skel.h"
#include "taint.skel.h"
#include "warn.skel.h"
#pragma GCC diagnostic pop

#define FIRST RW_PROBES_ALL
#define KPROBE RW_PROBES_KPROBE
#define RAW RW_PROBES_RAW

/* Compared by their addresses: what is refused for such a reason is not tried
 * again in another way. */
static const char no_kfence[] = "no KFENCE in this kernel";
static const char no_kasan[] = "no KASAN in this kernel";
static const char unfit[] = "comes late, or not in NMIs, in this kernel";
static const char no_warnings[] = "does not tell of warnings here";
static const char no_mce[] = "no machine checks in this kernel";

const struct rw_watch rw_watches[] = {
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_OOPS},
		.object = "oops",
		.elf = oops_bpf__elf_bytes,
		.candidates =
			{
				{FIRST,
				 3,
				 "routes",
				 "who jumped to nowhere cannot be read",
				 {"rw_oops_enter", "rw_die_after", "rw_die", "rw_die_addr",
				  "rw_page_fault_oops", "rw_stack_overflow", "rw_task_dead"}},
				/* Nothing but typed pointers: for lockdown=confidentiality. */
				{FIRST,
				 3,
				 "routes",
				 NULL,
				 {"rw_oops_enter_lean", "rw_die_after_lean", "rw_die",
				  "rw_die_addr", "rw_page_fault_oops", "rw_stack_overflow",
				  "rw_task_dead"}},
				{KPROBE,
				 3,
				 "routes",
				 NULL,
				 {"rw_kprobe_oops_enter", "rw_kprobe_die",
				  "rw_kprobe_page_fault_oops", "rw_kprobe_die_addr",
				  "rw_kprobe_stack_overflow", "rw_kprobe_task_dead"}},
				/* That it happened, without where. */
				{FIRST, 1, "routes", NULL, {"rw_oops_enter_lean", "rw_task_dead"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_PANIC},
		.object = "panic",
		.elf = panic_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, unfit, {"rw_console"}},
				{FIRST, 1, NULL, NULL, {"rw_vpanic"}},
				{KPROBE, 1, NULL, NULL, {"rw_kprobe_panic"}},
				/* Has no text at all. */
				{FIRST, 1, NULL, NULL, {"rw_crash_kexec"}},
				{RAW, 1, NULL, unfit, {"rw_raw_console"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_WARNING},
		.object = "warn",
		.elf = warn_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, NULL, {"rw_warn"}},
				{FIRST, 1, NULL, no_warnings, {"rw_report_end"}},
				{KPROBE, 1, NULL, NULL, {"rw_kprobe_warn"}},
				{RAW, 1, NULL, no_warnings, {"rw_raw_report_end"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED},
		.object = "module",
		.elf = module_bpf__elf_bytes,
		.candidates =
			{
				{FIRST,
				 2,
				 "attempts",
				 NULL,
				 {"rw_module_file_ends", "rw_module_read", "rw_module_memory_ends",
				  "rw_module_init", "rw_module_load"}},
				{KPROBE,
				 2,
				 "attempts",
				 NULL,
				 {"rw_kretprobe_module_file_ends", "rw_kprobe_module_read",
				  "rw_kretprobe_module_memory_ends", "rw_kprobe_module_init",
				  "rw_kprobe_module_load"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_RESTART},
		.object = "restart",
		.elf = restart_bpf__elf_bytes,
		.candidates =
			{
				{FIRST,
				 1,
				 NULL,
				 NULL,
				 {"rw_restart", "rw_power_off", "rw_halt", "rw_kexec",
				  "rw_emergency"}},
				{KPROBE,
				 1,
				 NULL,
				 NULL,
				 {"rw_kprobe_restart", "rw_kprobe_power_off", "rw_kprobe_halt",
				  "rw_kprobe_kexec", "rw_kprobe_emergency"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_TAINT, RINGWATCH__V1__KIND__KIND_SOFT_LOCKUP},
		.object = "taint",
		.elf = taint_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, NULL, {"rw_taint"}},
				{KPROBE, 1, NULL, NULL, {"rw_kprobe_taint"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_RCU_STALL},
		.object = "rcu",
		.elf = rcu_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, NULL, {"rw_rcu_stall"}},
				{RAW, 1, NULL, NULL, {"rw_raw_rcu_stall"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_HUNG_TASK},
		.object = "hung",
		.elf = hung_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, "told", NULL, {"rw_hung"}},
				{RAW, 1, "told", NULL, {"rw_raw_hung"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_OOM_KILL},
		.object = "oom",
		.elf = oom_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, "has no more than the pid here", {"rw_victim"}},
				{FIRST, 1, NULL, NULL, {"rw_oom_kill"}},
				{KPROBE, 1, NULL, NULL, {"rw_kprobe_oom_kill"}},
				{RAW, 1, NULL, NULL, {"rw_raw_victim"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_MACHINE_CHECK},
		.object = "hardware",
		.elf = hardware_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, no_mce, {"rw_mce"}},
				{RAW, 1, NULL, no_mce, {"rw_raw_mce"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_MEMORY_ERROR},
		.object = "hardware",
		.elf = hardware_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, NULL, {"rw_edac", "rw_page_lost"}},
				{RAW, 1, NULL, NULL, {"rw_raw_edac", "rw_raw_page_lost"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_PCIE_ERROR},
		.object = "hardware",
		.elf = hardware_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, NULL, {"rw_pcie"}},
				{RAW, 1, NULL, NULL, {"rw_raw_pcie"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_KFENCE},
		.object = "report",
		.elf = report_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, no_kfence, {"rw_kfence"}},
				{RAW, 1, NULL, no_kfence, {"rw_raw_kfence"}},
			},
	},
	{
		.kinds = {RINGWATCH__V1__KIND__KIND_KASAN},
		.object = "report",
		.elf = report_bpf__elf_bytes,
		.candidates =
			{
				{FIRST, 1, NULL, no_kasan, {"rw_kasan"}},
				{RAW, 1, NULL, no_kasan, {"rw_raw_kasan"}},
			},
	},
};

const uint32_t rw_watch_count = sizeof(rw_watches) / sizeof(rw_watches[0]);

const struct rw_watch rw_watch_selftest = {
	.object = "selftest",
	.elf = selftest_bpf__elf_bytes,
	.candidates = {{FIRST, 1, NULL, NULL, {"rw_selftest"}}},
};
