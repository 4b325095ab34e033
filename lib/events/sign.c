/* SPDX-License-Identifier: Apache-2.0 */
/* What an event is called; see sign.h. */
#include "lib/events/sign.h"

#include <stdlib.h>
#include <string.h>

#include "lib/events/names.h"
#include "lib/events/symbol.h"

enum { PANIC_SIGNATURE = 80 };

/* Bits of MCi_STATUS on all x86: Intel's manual, volume 3, "IA32_MCi_STATUS". */
#define MCI_STATUS_UNCORRECTED (UINT64_C(1) << 61)
#define MCI_STATUS_CONTEXT_CORRUPT (UINT64_C(1) << 57)
#define MCI_STATUS_CODE UINT64_C(0xefff)

/* PCI Express, "Advanced error reporting capability"; linux/pci_regs.h. */
#define AER_CORRECTABLE_PHYSICAL UINT64_C(0x0001)
#define AER_CORRECTABLE_DATA_LINK UINT64_C(0x11c0)
#define AER_UNCORRECTABLE_DATA_LINK UINT64_C(0x0010)

/* ---- sorts of functions --------------------------------------------------------- */

char *rw_sign_function(const char *symbol, char *out, size_t size)
{
	/* GCC's and LLVM's; a number may follow each */
	static const char *const suffixes[] = {".isra.", ".constprop.", ".part.",     ".cold",
					       ".llvm.", ".lto_priv.",  ".localalias"};
	size_t length = strcspn(symbol, "+");

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const char *at = strstr(symbol, suffixes[i]);
		if (at != NULL && at != symbol && (size_t)(at - symbol) < length)
			length = (size_t)(at - symbol);
	}
	rw_event_print(out, size, "%.*s", (int)length, symbol);
	return out;
}

/* Whether the function is in the list, where "name*" stands for all that begin so. */
static bool is_among(const char *symbol, const char *const *list, size_t count)
{
	char name[RW_SYMBOL_MAX + 1];

	rw_sign_function(symbol, name, sizeof(name));
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(list[i]);
		if (list[i][length - 1] == '*' ? strncmp(name, list[i], length - 1) == 0
					       : strcmp(name, list[i]) == 0)
			return true;
	}
	return false;
}

#define IS_AMONG(symbol, list) is_among(symbol, list, sizeof(list) / sizeof((list)[0]))

bool rw_sign_is_trampoline(const char *symbol)
{
	static const char *const names[] = {
		/* of BPF: kernel/bpf/{trampoline,dispatcher}.c */
		"bpf_trampoline_*",
		"bpf_dispatcher_*",
		"__bpf_prog_enter*",
		"__bpf_prog_exit*",
		"__bpf_tramp_enter*",
		"__bpf_tramp_exit*",
		/* of ftrace and probes */
		"ftrace_trampoline",
		"ftrace_caller",
		"ftrace_call",
		"ftrace_regs_caller",
		"ftrace_regs_call",
		"ftrace_graph_caller",
		"ftrace_ops_list_func",
		"arch_ftrace_ops_list_func",
		"ftrace_ops_assist_func",
		"ftrace_stub*",
		"return_to_handler",
		"kretprobe_trampoline",
		"__kretprobe_trampoline",
		"arch_rethook_trampoline",
		"kprobe_ftrace_handler",
		"optprobe_template_*",
		/* of compiler and mitigations: a call passes through, nothing is done */
		"__x86_indirect_*",
		"__x86_return_thunk",
		"srso_return_thunk",
		"srso_alias_return_thunk",
		"retbleed_return_thunk",
		"its_return_thunk",
		"call_depth_return_thunk",
		"__SCT__*",
	};

	return IS_AMONG(symbol, names);
}

/* "bpf_prog_6deef7357e7b4530_name"; the kernel's own bpf_prog_load is none. */
bool rw_sign_is_bpf_program(const char *symbol)
{
	static const char prefix[] = "bpf_prog_";
	enum { TAG_DIGITS = 16 };

	if (strncmp(symbol, prefix, strlen(prefix)) != 0)
		return false;
	return strspn(symbol + strlen(prefix), "0123456789abcdef") >= TAG_DIGITS;
}

bool rw_sign_is_entry(const char *symbol)
{
	static const char *const names[] = {
		/* x86: asm/idtentry.h, entry_64.S */
		"asm_exc_*",
		"asm_sysvec_*",
		"asm_common_interrupt",
		"asm_spurious_interrupt",
		"asm_call_*",
		"exc_*",
		"sysvec_*",
		"__sysvec_*",
		"common_interrupt",
		"__common_interrupt",
		"end_repeat_nmi",
		"error_entry",
		"error_return",
		"paranoid_entry",
		"entry_*",
		"ret_from_fork*",
		"do_syscall_64",
		"x64_sys_call",
		/* arm64: kernel/entry.S, entry-common.c */
		"el0_*",
		"el0t_*",
		"el1_*",
		"el1h_*",
		"call_on_irq_stack",
		"do_interrupt_handler",
	};

	return IS_AMONG(symbol, names);
}

bool rw_sign_is_wait(const char *symbol)
{
	static const char *const names[] = {
		/* the scheduler, and sleeping for a time: kernel/sched/, kernel/time/ */
		"__schedule",
		"schedule",
		"schedule_*",
		"__switch_to*",
		"__cond_resched*",
		"preempt_schedule*",
		"io_schedule*",
		"msleep*",
		"usleep_range*",
		"__refrigerator",
		/* waiting for an event: kernel/sched/{completion,wait,wait_bit}.c */
		"wait_for_completion*",
		"wait_for_common*",
		"__wait_for_common*",
		"do_wait_for_common*",
		"wait_woken",
		"do_wait_intr*",
		"bit_wait*",
		"__wait_on_bit*",
		"wait_on_bit*",
		"out_of_line_wait_on_bit*",
		"prepare_to_wait*",
		/* for a page, a buffer, a block request: mm/filemap.c, fs/buffer.c, block/bio.c */
		"wait_on_page_*",
		"folio_wait_*",
		"__folio_lock*",
		"__lock_page*",
		"__wait_on_buffer",
		"__lock_buffer",
		"submit_bio_wait",
		"blk_wait_io",
		"blk_io_schedule",
		/* for all other CPUs, for work handed over: kernel/rcu/, kernel/workqueue.c */
		"wait_rcu_gp*",
		"__wait_rcu_gp",
		"synchronize_*",
		"__synchronize_srcu*",
		"rcu_barrier*",
		"srcu_barrier",
		"flush_work",
		"__flush_work*",
		"flush_workqueue*",
		"flush_delayed_work",
		"drain_workqueue",
		"cancel_work_sync",
		"cancel_delayed_work_sync",
		"__cancel_work_*",
		"kthread_stop*",
		"kthread_flush_work*",
		/* locks: kernel/locking/, net/core/{sock,rtnetlink}.c */
		"mutex_lock*",
		"__mutex_lock*",
		"ww_mutex_lock*",
		"__ww_mutex_lock*",
		"down",
		"down_interruptible",
		"down_killable",
		"down_timeout",
		"down_read*",
		"down_write*",
		"__down*",
		"___down*",
		"rwsem_*",
		"rwbase_*",
		"rt_mutex_*",
		"__rt_mutex_*",
		"rtlock_*",
		"rt_spin_lock*",
		"rt_read_lock*",
		"rt_write_lock*",
		"percpu_down_*",
		"__percpu_down_*",
		"percpu_rwsem_*",
		"lock_sock*",
		"__lock_sock*",
		"rtnl_lock*",
		"call_rwsem_*",
	};

	return IS_AMONG(symbol, names);
}

/* What all the kernel calls, and what an error of its caller shows in. */
bool rw_sign_is_helper(const char *symbol)
{
	static const char *const names[] = {
		/* copying and clearing: arch/x86/lib/, arch/arm64/lib/, lib/string.c */
		"memcpy*",
		"__memcpy*",
		"__pi_mem*",
		"__pi_str*",
		"memset*",
		"__memset*",
		"memmove*",
		"__memmove*",
		"memcmp*",
		"memchr*",
		"rep_movs_alternative",
		"rep_stos_alternative",
		"copy_user_*",
		"__arch_copy_from_user",
		"__arch_copy_to_user",
		"clear_page_*",
		"clear_user_*",
		"copy_page*",
		"strlen",
		"strnlen",
		"strcmp",
		"strncmp",
		"strcpy",
		"strncpy",
		"strscpy*",
		"strlcpy",
		"strchr*",
		"strstr",
		/* locks: a wild pointer is mostly first seen when its lock is taken */
		"_raw_spin_*",
		"_raw_read_*",
		"_raw_write_*",
		"native_queued_*",
		"__pv_queued_*",
		"queued_spin_lock_slowpath",
		"queued_read_lock_slowpath",
		"queued_write_lock_slowpath",
		"lock_acquire",
		"__lock_acquire",
		"do_raw_spin_*",
		/* checks, that report what their caller did: lib/{list_debug,refcount,debugobjects,
		   ubsan}.c, mm/usercopy.c, lib/string_helpers.c */
		"__list_add_valid*",
		"__list_del_entry_valid*",
		"refcount_warn_saturate",
		"fortify_panic",
		"__fortify_panic",
		"__fortify_report",
		"usercopy_abort",
		"__check_object_size",
		"__copy_overflow",
		"copy_overflow",
		"debug_print_object",
		"__ubsan_handle_*",
		"ubsan_epilogue",
		"__stack_chk_fail",
	};

	return IS_AMONG(symbol, names);
}

/* ---- the place -------------------------------------------------------------------- */

static bool is_named(const char *frame)
{
	return !rw_sign_is_trampoline(frame) && !rw_sign_is_bpf_program(frame) &&
	       !rw_sign_is_entry(frame);
}

/* The n-th frame becomes the event's place. */
static void take_frame(struct rw_event *e, uint32_t n)
{
	struct rw_symbol symbol;

	if (!rw_symbol_parse(e->stack[n], &symbol))
		return;
	rw_event_print(e->symbol, sizeof(e->symbol), "%s", symbol.symbol);
	rw_event_print(e->module, sizeof(e->module), "%s", symbol.module);
}

static void blame_first_from(struct rw_event *e, uint32_t from)
{
	for (uint32_t i = from; i < e->stack_count; i++) {
		if (is_named(e->stack[i])) {
			take_frame(e, i);
			return;
		}
	}
}

/* Where the frames begin that called what is named: a report's own stand above it. */
static uint32_t below_symbol(const struct rw_event *e)
{
	size_t length = strlen(e->symbol);

	for (uint32_t i = 0; length > 0 && i < e->stack_count; i++) {
		if (strncmp(e->stack[i], e->symbol, length) == 0)
			return i + 1;
	}
	return 0;
}

static void blame_caller(struct rw_event *e)
{
	for (uint32_t i = below_symbol(e); i < e->stack_count; i++) {
		if (is_named(e->stack[i]) && !rw_sign_is_helper(e->stack[i])) {
			take_frame(e, i);
			return;
		}
	}
	/* nothing else is known */
	if (e->symbol[0] == '\0')
		blame_first_from(e, 0);
}

/* What was interrupted stands behind the innermost entry; without one, it is the whole stack. */
static void blame_interrupted(struct rw_event *e)
{
	uint32_t from = 0;

	while (from < e->stack_count && !rw_sign_is_entry(e->stack[from]))
		from++;
	while (from < e->stack_count && rw_sign_is_entry(e->stack[from]))
		from++;
	blame_first_from(e, from < e->stack_count ? from : 0);
}

static void blame_waiting(struct rw_event *e)
{
	for (uint32_t i = 0; i < e->stack_count; i++) {
		if (is_named(e->stack[i]) && !rw_sign_is_wait(e->stack[i])) {
			take_frame(e, i);
			return;
		}
	}
	if (e->symbol[0] == '\0')
		blame_first_from(e, 0);
}

/* Whoever called panic(); what lies above it only prints. */
static void blame_panicking(struct rw_event *e)
{
	static const char *const names[] = {"panic", "vpanic", "nmi_panic"};
	uint32_t from = e->stack_count;

	for (uint32_t i = 0; i < e->stack_count; i++) {
		if (IS_AMONG(e->stack[i], names))
			from = i + 1;
	}
	blame_first_from(e, from);
}

void rw_sign_blame(struct rw_event *e)
{
	bool nobody = e->symbol[0] == '\0' || rw_sign_is_trampoline(e->symbol);

	switch ((int)e->kind) {
	case KIND_OOPS:
	case KIND_WARNING:
	case KIND_KFENCE:
		if (nobody || rw_sign_is_helper(e->symbol))
			blame_caller(e);
		break;
	case KIND_KASAN: /* its trace begins with its own frames, which are nobody's fault */
		if (rw_sign_is_helper(e->symbol) && below_symbol(e) > 0)
			blame_caller(e);
		break;
	case KIND_SOFT_LOCKUP:
	case KIND_HARD_LOCKUP:
	case KIND_RCU_STALL:
		if (nobody || rw_sign_is_entry(e->symbol))
			blame_interrupted(e);
		break;
	case KIND_HUNG_TASK:
		blame_waiting(e);
		break;
	case KIND_PANIC:
		if (e->symbol[0] == '\0')
			blame_panicking(e);
		break;
	default:
		break;
	}
}

/* ---- the signature ------------------------------------------------------------------ */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
	       c == '.' || c == ':' || c == '(' || c == ')' || c == '/' || c == '!' || c == ' ';
}

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A panic's text with all that differs from one to the next as '#', so that
 * the format string that one hook sees and the text of another agree. */
static void normalise(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; text[i] != '\0' && used + 1 < size;) {
		if (text[i] == '%' || (text[i] >= '0' && text[i] <= '9')) {
			if (text[i] == '0' && text[i + 1] == 'x') {
				i += 2;
				if (text[i] == '%')
					i++;
			} else {
				i++;
			}
			while (is_hex_digit(text[i]) || text[i] == 'l' || text[i] == 'p' ||
			       text[i] == 'x' || text[i] == 'u' || text[i] == 'd' || text[i] == 's')
				i++;
			out[used++] = '#';
			continue;
		}
		if (text[i] != '\n')
			out[used++] = is_plain(text[i]) ? text[i] : '_';
		i++;
	}
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
}

/* A fact as one word; `otherwise` when it does not stand. */
static const char *word_of(const struct rw_event *e, Ringwatch__V1__FactName name,
			   const char *otherwise, char out[RW_FACT_VALUE_MAX + 1])
{
	const char *value = rw_event_fact(e, name);
	size_t used = 0;

	for (size_t i = 0; value[i] != '\0'; i++)
		out[used++] = value[i] == ' ' || !is_plain(value[i]) ? '_' : value[i];
	out[used] = '\0';
	return used > 0 ? out : otherwise;
}

static uint64_t number_of(const struct rw_event *e, Ringwatch__V1__FactName name)
{
	return strtoull(rw_event_fact(e, name), NULL, 0);
}

const char *rw_sign_machine_check_severity(uint64_t status)
{
	if ((status & MCI_STATUS_CONTEXT_CORRUPT) != 0)
		return WORD_FATAL;
	return (status & MCI_STATUS_UNCORRECTED) != 0 ? WORD_NONFATAL : WORD_CORRECTABLE;
}

/* From the log's words, that know the whole status, else from what is not masked of it. */
static const char *layer_of(const struct rw_event *e)
{
	uint64_t status = number_of(e, FACT_STATUS);
	bool correctable = strcmp(rw_event_fact(e, FACT_TYPE), WORD_CORRECTABLE) == 0;
	uint64_t data_link = correctable ? AER_CORRECTABLE_DATA_LINK : AER_UNCORRECTABLE_DATA_LINK;

	if (strstr(e->detail, ", type=Physical Layer") != NULL)
		return "physical";
	if (strstr(e->detail, ", type=Data Link Layer") != NULL)
		return "data_link";
	if (strstr(e->detail, ", type=Transaction Layer") != NULL)
		return "transaction";
	if (status == 0)
		return "unknown";
	if (correctable && (status & AER_CORRECTABLE_PHYSICAL) != 0)
		return "physical";
	return (status & data_link) != 0 ? "data_link" : "transaction";
}

static void sign_place(struct rw_event *e, const char *kind, const char *type, bool with_offset)
{
	const char *module = e->module[0] != '\0' ? e->module : "vmlinux";
	char name[RW_SYMBOL_MAX + 1] = "unknown";

	if (e->symbol[0] != '\0' && with_offset && !rw_sign_is_bpf_program(e->symbol))
		memcpy(name, e->symbol, sizeof(name));
	else if (e->symbol[0] != '\0')
		rw_sign_function(e->symbol, name, sizeof(name));
	rw_event_print(e->signature, sizeof(e->signature), "%s:%s%s%s:%s", kind, type,
		       type[0] != '\0' ? ":" : "", name, module);
}

static void sign_panic(struct rw_event *e)
{
	char text[PANIC_SIGNATURE + 1];

	normalise(e->detail, text, sizeof(text));
	if (text[0] != '\0')
		rw_event_print(e->signature, sizeof(e->signature), "panic:%s", text);
	else
		sign_place(e, "panic", "", true);
}

static void sign_machine_check(struct rw_event *e)
{
	char type[RW_FACT_VALUE_MAX + 1];
	const char *bank = rw_event_fact(e, FACT_BANK);
	uint64_t status = number_of(e, FACT_STATUS);

	if (bank[0] != '\0')
		rw_event_print(e->signature, sizeof(e->signature),
			       "machine_check:bank%s:0x%04llx:%s", bank,
			       (unsigned long long)(status & MCI_STATUS_CODE),
			       rw_sign_machine_check_severity(status));
	else
		rw_event_print(e->signature, sizeof(e->signature), "machine_check:%s",
			       word_of(e, FACT_TYPE, "unknown", type));
}

static void sign_simply(struct rw_event *e, const char *kind, Ringwatch__V1__FactName name)
{
	char word[RW_FACT_VALUE_MAX + 1];

	rw_event_print(e->signature, sizeof(e->signature), "%s:%s", kind,
		       word_of(e, name, "unknown", word));
}

/* The letter; a flag that has none yet, by its number, which stands for its name. */
static void sign_taint(struct rw_event *e)
{
	const char *letter = rw_event_fact(e, FACT_FLAG);

	rw_event_print(e->signature, sizeof(e->signature), "taint:%s",
		       letter[0] != '?' ? letter : rw_event_fact(e, FACT_FLAG_NAME));
}

void rw_sign(struct rw_event *e)
{
	char type[RW_FACT_VALUE_MAX + 1];

	switch ((int)e->kind) {
	case KIND_OOPS:
		sign_place(e, "oops", "", true);
		break;
	case KIND_WARNING:
		sign_place(e, "warning", "", true);
		break;
	case KIND_KFENCE:
		sign_place(e, "kfence", word_of(e, FACT_TYPE, "unknown", type), true);
		break;
	case KIND_KASAN:
		sign_place(e, "kasan", word_of(e, FACT_TYPE, "unknown", type), true);
		break;
	case KIND_SOFT_LOCKUP:
		sign_place(e, "soft_lockup", "", false);
		break;
	case KIND_HARD_LOCKUP:
		sign_place(e, "hard_lockup", "", false);
		break;
	case KIND_HUNG_TASK:
		sign_place(e, "hung_task", "", false);
		break;
	case KIND_RCU_STALL:
		if (e->symbol[0] != '\0')
			sign_place(e, "rcu_stall", "", false);
		else
			sign_simply(e, "rcu_stall", FACT_TYPE);
		break;
	case KIND_PANIC:
		sign_panic(e);
		break;
	case KIND_MODULE:
		rw_event_print(e->signature, sizeof(e->signature), "module_load_failed:%s:%d",
			       e->module[0] != '\0' ? e->module : "unknown", (int)e->error);
		break;
	case KIND_OOM_KILL:
		sign_simply(e, "oom_kill", FACT_SCOPE);
		break;
	case KIND_TAINT:
		sign_taint(e);
		break;
	case KIND_MACHINE_CHECK:
		sign_machine_check(e);
		break;
	case KIND_MEMORY_ERROR:
		sign_simply(e, "memory_error", FACT_TYPE);
		break;
	case KIND_PCIE_ERROR:
		rw_event_print(e->signature, sizeof(e->signature), "pcie_error:%s:%s", layer_of(e),
			       word_of(e, FACT_TYPE, "unknown", type));
		break;
	default:
		break;
	}
}
