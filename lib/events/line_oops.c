/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an oops or a panic is named; see line_parts.h.
 *
 * Sources of the texts: arch/x86/mm/fault.c, arch/x86/kernel/{dumpstack,traps}.c,
 * arch/arm64/{mm/fault.c,kernel/traps.c}, lib/bug.c, kernel/panic.c,
 * kernel/reboot.c.
 */
#include "lib/events/line_parts.h"

enum { STACK_NAME_BYTES = 20 };

#define NULL_DEREFERENCE "null_dereference"
#define PAGE_FAULT "page_fault"
#define INVALID_OPCODE "invalid_opcode"
#define STACK_OVERFLOW "stack_overflow"

/* ---- what begins an oops ------------------------------------------------------ */

static bool is_not_blank(char c)
{
	return c != ' ';
}

/* "kernel BUG at FILE:LINE!", the line's end included. */
static bool is_bug_at(struct rw_scan l)
{
	struct rw_scan place;
	uint32_t number;

	return rw_scan_take(&l, "kernel BUG at ") && rw_scan_take_end(&l, "!") &&
	       rw_scan_take_end_u32(&l, &number) && rw_scan_take_end(&l, ":") &&
	       rw_scan_take_run(&l, is_not_blank, RW_KLOG_TEXT_BYTES, &place) &&
	       rw_scan_left(&l) == 0;
}

/* The same of a kernel that was built without its files' names. */
static bool is_bug_without_file(struct rw_scan l)
{
	return rw_scan_take(&l, "Kernel BUG at ") &&
	       rw_scan_take_end(&l, " [verbose debug info unavailable]") && rw_scan_left(&l) > 0;
}

/* "BUG: TASK stack guard page was hit at "; 5.10 does not name the stack. */
static bool is_guard_page(struct rw_scan l)
{
	struct rw_scan name;

	if (!rw_scan_take(&l, "BUG: "))
		return false;
	if (rw_scan_begins(&l, "stack guard page was hit at "))
		return true;
	return rw_scan_take_run(&l, is_not_blank, STACK_NAME_BYTES, &name) &&
	       rw_scan_begins(&l, " stack guard page was hit at ");
}

/* The first word that is a whole address, after "address: ", "at " or "address ". */
static void find_address(struct rw_scan l, struct rw_klog_fact *out)
{
	while (rw_scan_take_past(&l, " ")) {
		struct rw_scan word = l;
		if (rw_scan_take_hex(&word, 8, 16, &out->address) &&
		    (rw_scan_left(&word) == 0 || rw_scan_begins(&word, " "))) {
			out->has_address = true;
			return;
		}
	}
}

bool rw_line_parse_oops(struct rw_scan l, struct rw_klog_fact *out)
{
	static const struct {
		const char *title;
		const char *type;
	} forms[] = {
		{"BUG: kernel NULL pointer dereference, address: ", NULL_DEREFERENCE},
		{"BUG: unable to handle page fault for address: ", PAGE_FAULT},
		/* up to 5.0, and vendors' kernels since */
		{"BUG: unable to handle kernel NULL pointer dereference ", NULL_DEREFERENCE},
		{"BUG: unable to handle kernel ", PAGE_FAULT},
		/* arm64 */
		{"Unable to handle kernel NULL pointer dereference ", NULL_DEREFERENCE},
		{"Unable to handle kernel ", PAGE_FAULT},
		{"Insufficient stack space to handle exception!", STACK_OVERFLOW},
	};

	out->type = RW_KLOG_OOPS;
	rw_line_put_text(out, &l);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (rw_scan_begins(&l, forms[i].title)) {
			rw_line_put_word(out, forms[i].type);
			find_address(l, out);
			return true;
		}
	}
	if (is_bug_at(l) || is_bug_without_file(l))
		rw_line_put_word(out, INVALID_OPCODE);
	else if (is_guard_page(l))
		rw_line_put_word(out, STACK_OVERFLOW);
	else
		return false;
	return true;
}

/* ---- the line with the count --------------------------------------------------- */

/*
 * "TITLE: 0002 [#1] PREEMPT SMP NOPTI": the code, the count and nothing but
 * words behind it. A task named "Oops: 0000 [#1]" that segfaults gives
 * "Oops: 0000 [#1][12]: segfault at …", which the words rule out.
 */
static bool take_die_tail(struct rw_scan l, uint64_t *code)
{
	while (rw_scan_take_past(&l, ": ")) {
		struct rw_scan tail = l;
		uint32_t count;

		if (!rw_scan_take_hex(&tail, 4, 16, code) || !rw_scan_take(&tail, " [#") ||
		    !rw_scan_take_u32(&tail, &count) || !rw_scan_take(&tail, "]") ||
		    (rw_scan_left(&tail) > 0 && !rw_scan_begins(&tail, " ")))
			continue;
		while (tail.at < tail.end &&
		       (rw_scan_is_letter(*tail.at) || strchr(" _()", *tail.at) != NULL))
			tail.at++;
		if (tail.at == tail.end)
			return true;
	}
	return false;
}

/* "general protection fault, probably for non-canonical address 0xdead…: " */
static void find_protected_address(struct rw_scan l, struct rw_klog_fact *out)
{
	if (rw_scan_take_past(&l, " 0x") && rw_scan_take_hex(&l, 1, 16, &out->address) &&
	    rw_scan_begins(&l, ":"))
		out->has_address = true;
}

bool rw_line_parse_die(struct rw_scan l, struct rw_klog_fact *out)
{
	/* A plain "Oops" is a page fault, and leaves it to the line before to say of
	 * which sort. */
	static const struct {
		const char *title;
		const char *type;
		bool has_code;
	} forms[] = {
		{"Internal error: Oops - BUG", INVALID_OPCODE, true},
		{"Internal error: Oops - Undefined instruction", INVALID_OPCODE, true},
		{"Internal error: Oops - undefined instruction", INVALID_OPCODE, true},
		{"Internal error: Oops:", PAGE_FAULT, true},
		{"Internal error: ", "other", true},
		{"Oops:", PAGE_FAULT, true},
		{"general protection fault", "general_protection", true},
		{"segment-related general protection fault", "general_protection", true},
		{"invalid opcode", INVALID_OPCODE, false},
		{"divide error", "divide_error", false},
		{"stack guard page", STACK_OVERFLOW, false},
		{"kernel stack overflow", STACK_OVERFLOW, false},
		{"stack segment", "other", true},
		{"double fault", "other", true},
		{"alignment check", "other", true},
		{"control protection fault", "other", true},
		{"int3", "other", false},
		{"bounds", "other", false},
		{"overflow", "other", false},
		{"invalid TSS", "other", true},
		{"segment not present", "other", true},
		{"simd exception", "other", false},
		{"fpu exception", "other", false},
		{"Bad pagetable", PAGE_FAULT, true},
		{"iret exception", "other", false},
		{"coprocessor segment overrun", "other", false},
		{"unexpected #", "other", false},
		{"VE fault", "other", false},
		{"Split lock detected", "other", false},
	};
	struct rw_scan title = l;
	uint64_t code;

	/* 6.10 puts "Oops: " before all titles, its own included */
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct rw_scan behind = l;
		if (rw_scan_take(&behind, "Oops: ") && rw_scan_begins(&behind, forms[i].title))
			title = behind;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!rw_scan_begins(&title, forms[i].title))
			continue;
		if (!take_die_tail(title, &code))
			return false;
		out->type = RW_KLOG_DIE;
		out->has_error_code = forms[i].has_code;
		out->error_code = forms[i].has_code ? code : 0;
		if (strcmp(forms[i].type, "general_protection") == 0)
			find_protected_address(title, out);
		rw_line_put_word(out, forms[i].type);
		rw_line_put_text(out, &l);
		return true;
	}
	return false;
}

/* ---- what belongs to an oops ---------------------------------------------------- */

/* x86: "#PF: error_code(0x0002) - not-present page". arm64: "  ESR = 0x…", and
 * when the stack is full "ESR: 0x… -- DABT (current EL)" and "FAR: 0x…". */
bool rw_line_parse_address(struct rw_scan l, struct rw_klog_fact *out)
{
	out->type = RW_KLOG_ADDRESS;
	if (rw_scan_take(&l, "#PF: error_code(0x")) {
		out->has_error_code = true;
		return rw_scan_take_hex(&l, 1, 16, &out->error_code) && rw_scan_take(&l, ")");
	}
	struct rw_scan indented = l;
	while (rw_scan_take(&indented, " "))
		;
	if (rw_scan_take(&indented, "ESR = 0x")) {
		out->has_error_code = true;
		return rw_scan_take_hex(&indented, 1, 16, &out->error_code) &&
		       rw_scan_left(&indented) == 0;
	}
	if (rw_scan_take(&l, "ESR: 0x")) {
		out->has_error_code = true;
		return rw_scan_take_hex(&l, 1, 16, &out->error_code) && rw_scan_take(&l, " -- ");
	}
	out->has_address = true;
	return rw_scan_take(&l, "FAR: 0x") && rw_scan_take_hex(&l, 1, 16, &out->address) &&
	       rw_scan_left(&l) == 0;
}

/* ---- the end ---------------------------------------------------------------------- */

bool rw_line_parse_panic(struct rw_scan l, struct rw_klog_fact *out)
{
	if (!rw_scan_take(&l, "Kernel panic - not syncing: "))
		return false;
	out->type = RW_KLOG_PANIC;
	rw_line_put_text(out, &l);
	return true;
}

bool rw_line_parse_restart(struct rw_scan l, struct rw_klog_fact *out)
{
	static const struct {
		const char *text;
		const char *what;
	} forms[] = {
		{"reboot: Restarting system", "reboot"},
		{"reboot: Power down", "power-off"},
		{"reboot: System halted", "power-off"},
		{"kexec_core: Starting new kernel", "kexec"},
		{"kexec: Starting new kernel", "kexec"},
		{"sysrq: Resetting", "emergency"},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!rw_scan_begins(&l, forms[i].text))
			continue;
		struct rw_scan what = {forms[i].what, strchr(forms[i].what, '\0')};
		out->type = RW_KLOG_RESTART;
		rw_line_put_text(out, &what);
		return true;
	}
	return false;
}
