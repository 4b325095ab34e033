/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of the kernel log; see klog.h. Each take_* function eats what it
 * names from the front of the line or leaves the line as it was.
 *
 * Sources of the texts: arch/x86/mm/fault.c, arch/x86/kernel/{dumpstack,traps}.c,
 * arch/arm64/{mm/fault.c,kernel/traps.c}, kernel/panic.c, kernel/reboot.c,
 * kernel/watchdog.c, kernel/module/.
 */
#include "sensor/klog.h"

#include <errno.h>
#include <string.h>

#include "lib/text.h"

struct line {
	const char *at;
	const char *end;
};

static size_t left(const struct line *l)
{
	return (size_t)(l->end - l->at);
}

static bool take_text(struct line *l, const char *text)
{
	size_t length = strlen(text);

	if (left(l) < length || memcmp(l->at, text, length) != 0)
		return false;
	l->at += length;
	return true;
}

static bool begins(const struct line *l, const char *text)
{
	struct line copy = *l;
	return take_text(&copy, text);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_number(struct line *l, uint32_t *out)
{
	const char *p = l->at;
	uint64_t value = 0;

	while (p < l->end && is_digit(*p) && value <= UINT32_MAX) {
		value = value * 10 + (uint64_t)(*p - '0');
		p++;
	}
	if (p == l->at || value > UINT32_MAX)
		return false;
	l->at = p;
	*out = (uint32_t)value;
	return true;
}

/* `least` … `most` lower-case hex digits. */
static bool take_hex(struct line *l, size_t least, size_t most, uint64_t *out)
{
	const char *p = l->at;
	uint64_t value = 0;

	while (p < l->end && is_hex(*p)) {
		value = value << 4 | (uint64_t)(is_digit(*p) ? *p - '0' : *p - 'a' + 10);
		p++;
	}
	size_t digits = (size_t)(p - l->at);
	if (digits < least || digits > most)
		return false;
	l->at = p;
	*out = value;
	return true;
}

static void put_text(char *out, size_t size, const char *from, const char *to)
{
	rw_text_to_utf8(out, size, from, (size_t)(to - from));
}

static bool is_symbol_character(char c)
{
	return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '$';
}

static bool is_module_character(char c)
{
	return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

/* "name+0x12/0x30 [module]": symbol "name+0x12". */
static bool take_symbol(struct line *l, struct rw_klog_fact *out)
{
	struct line p = *l;
	uint64_t number;

	while (p.at < p.end && is_symbol_character(*p.at))
		p.at++;
	if (p.at == l->at || !take_text(&p, "+0x") || !take_hex(&p, 1, 16, &number))
		return false;
	const char *symbol_end = p.at;
	if (!take_text(&p, "/0x") || !take_hex(&p, 1, 16, &number))
		return false;
	put_text(out->symbol, sizeof(out->symbol), l->at, symbol_end);

	struct line m = p;
	if (take_text(&m, " [")) {
		const char *from = m.at;
		while (m.at < m.end && is_module_character(*m.at))
			m.at++;
		/* with build ids: "[module 0123abcd…]" */
		if (m.at > from && m.at < m.end && (*m.at == ']' || *m.at == ' ')) {
			put_text(out->module, sizeof(out->module), from, m.at);
			p = m;
		}
	}
	*l = p;
	return true;
}

/* ---- oops ------------------------------------------------------------------ */

/*
 * "TITLE: 0002 [#1] PREEMPT SMP NOPTI": the code, the count and nothing but
 * words behind it. A task named "Oops: 0000 [#1]" that segfaults gives
 * "Oops: 0000 [#1][12]: segfault at …", which the words rule out.
 */
static bool has_die_tail(const struct line *l)
{
	for (const char *p = l->at; p + 2 < l->end; p++) {
		struct line tail = {p, l->end};
		uint64_t code;
		uint32_t count;

		if (!take_text(&tail, ": ") || !take_hex(&tail, 4, 16, &code) ||
		    !take_text(&tail, " [#") || !take_number(&tail, &count) ||
		    !take_text(&tail, "]"))
			continue;
		if (tail.at < tail.end && *tail.at != ' ')
			continue;
		while (tail.at < tail.end &&
		       (is_letter(*tail.at) || strchr(" _()", *tail.at) != NULL))
			tail.at++;
		if (tail.at == tail.end)
			return true;
	}
	return false;
}

static bool parse_die(struct line l, struct rw_klog_fact *out)
{
	static const char *const titles[] = {
		"Oops",
		"Internal error: ",
		"general protection fault",
		"invalid opcode",
		"divide error",
		"stack segment",
		"double fault",
		"alignment check",
		"int3",
		"bounds",
		"overflow",
		"invalid TSS",
		"segment not present",
		"simd exception",
		"fpu exception",
		"control protection fault",
		"Bad pagetable",
		"iret exception",
		"coprocessor segment overrun",
		"unexpected #PF",
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (!begins(&l, titles[i]))
			continue;
		if (!has_die_tail(&l))
			return false;
		out->type = RW_KLOG_DIE;
		put_text(out->text, sizeof(out->text), l.at, l.end);
		return true;
	}
	return false;
}

/* "kernel BUG at FILE:LINE!", the line's end included. */
static bool is_bug_at(struct line l)
{
	uint32_t number;

	if (!take_text(&l, "kernel BUG at ") || left(&l) == 0)
		return false;
	const char *colon = NULL;
	for (const char *p = l.at; p < l.end; p++) {
		if (*p == ' ')
			return false;
		if (*p == ':')
			colon = p;
	}
	if (colon == NULL)
		return false;
	l.at = colon + 1;
	return take_number(&l, &number) && take_text(&l, "!") && left(&l) == 0;
}

static bool parse_oops(struct line l, struct rw_klog_fact *out)
{
	static const char *const titles[] = {
		"BUG: kernel NULL pointer dereference",
		"BUG: unable to handle page fault for address",
		"BUG: unable to handle kernel ", /* up to 5.0, and vendors' kernels since */
		"Unable to handle kernel ",      /* arm64 */
		"BUG: stack guard page was hit at ",
		"BUG: TASK stack guard page was hit at ",
		"BUG: IRQ stack guard page was hit at ",
	};
	bool found = is_bug_at(l);

	for (size_t i = 0; !found && i < sizeof(titles) / sizeof(titles[0]); i++)
		found = begins(&l, titles[i]);
	if (!found)
		return false;
	out->type = RW_KLOG_OOPS;
	put_text(out->text, sizeof(out->text), l.at, l.end);
	return true;
}

/* "RIP: 0010:name+0x1/0x2 [m]" of the kernel (the selector's low bits are the
 * ring: 0033 is user space); "pc : name+0x1/0x2" on arm64. */
static bool parse_ip(struct line l, struct rw_klog_fact *out)
{
	uint64_t selector;

	if (take_text(&l, "RIP: ")) {
		if (!take_hex(&l, 4, 4, &selector) || !take_text(&l, ":") || (selector & 3) != 0)
			return false;
	} else if (!take_text(&l, "pc : ")) {
		return false;
	}
	/* a jump through a wild pointer has no symbol: the caller's frame stands in */
	if (!take_symbol(&l, out) && !begins(&l, "0x"))
		return false;
	out->type = RW_KLOG_IP;
	return true;
}

/* "CPU: 1 PID: 7 Comm: sh …"; 6.12 puts "UID: 0 " in between. */
static bool parse_task(struct line l, struct rw_klog_fact *out)
{
	static const char *const ends[] = {" Tainted: ", " Not tainted "};
	uint32_t cpu;
	uint32_t pid;
	uint32_t uid;

	if (!take_text(&l, "CPU: ") || !take_number(&l, &cpu) || !take_text(&l, " "))
		return false;
	if (take_text(&l, "UID: ") && (!take_number(&l, &uid) || !take_text(&l, " ")))
		return false;
	if (!take_text(&l, "PID: ") || !take_number(&l, &pid) || !take_text(&l, " Comm: "))
		return false;

	/* a task's name is at most 15 bytes; only its own look depends on this cut */
	enum { COMM_MOST = 15 };
	const char *end = left(&l) > COMM_MOST ? l.at + COMM_MOST : l.end;
	for (const char *p = l.at; p < end; p++) {
		struct line rest = {p, l.end};
		if (begins(&rest, ends[0]) || begins(&rest, ends[1])) {
			end = p;
			break;
		}
	}
	out->type = RW_KLOG_TASK;
	out->cpu = cpu;
	out->pid = pid;
	put_text(out->comm, sizeof(out->comm), l.at, end);
	return true;
}

/* " name+0x1/0x2 [m]"; one with a question mark is only a guess of the unwinder. */
static bool parse_frame(struct line l, struct rw_klog_fact *out)
{
	if (!take_text(&l, " "))
		return false;
	while (take_text(&l, " "))
		;
	if (!take_symbol(&l, out))
		return false;
	out->type = RW_KLOG_FRAME;
	return true;
}

/* ---- warning, panic, lock-up, restart ---------------------------------------- */

/* " at FILE:LINE " up to the symbol; FILE is the compiler's and has no space. */
static bool take_place(struct line *l, struct rw_klog_fact *out)
{
	const char *from = l->at;
	const char *p = from;

	while (p < l->end && *p != ' ')
		p++;
	if (p == from || p == l->end)
		return false;
	put_text(out->text, sizeof(out->text), from, p);
	l->at = p;
	return true;
}

static bool parse_warning(struct line l, struct rw_klog_fact *out)
{
	if (!take_text(&l, "WARNING: "))
		return false;
	if (take_text(&l, "CPU: ")) {
		/* "WARNING: CPU: 0 PID: 1 at FILE:LINE name+0x1/0x2 [m]" */
		if (!take_number(&l, &out->cpu) || !take_text(&l, " PID: ") ||
		    !take_number(&l, &out->pid) || !take_text(&l, " at "))
			return false;
		struct line symbol_only = l;
		if (!take_symbol(&symbol_only, out) &&
		    !(take_place(&l, out) && take_text(&l, " ") && take_symbol(&l, out)))
			return false;
	} else {
		/* 6.19: "WARNING: FILE:LINE at name+0x1/0x2 [m], CPU#0: comm/1", or no FILE:LINE */
		if (!take_text(&l, "at ") && !(take_place(&l, out) && take_text(&l, " at ")))
			return false;
		if (!take_symbol(&l, out))
			return false;
		take_text(&l, "]");
		if (!take_text(&l, ", CPU#") || !take_number(&l, &out->cpu) || !take_text(&l, ": "))
			return false;
	}
	out->type = RW_KLOG_WARNING;
	return true;
}

static bool parse_panic(struct line l, struct rw_klog_fact *out)
{
	if (!take_text(&l, "Kernel panic - not syncing: "))
		return false;
	out->type = RW_KLOG_PANIC;
	put_text(out->text, sizeof(out->text), l.at, l.end);
	return true;
}

static bool parse_hard_lockup(struct line l, struct rw_klog_fact *out)
{
	uint32_t cpu;

	if (!take_text(&l, "NMI watchdog: "))
		take_text(&l, "watchdog: ");
	struct line copy = l;
	if (take_text(&copy, "CPU") && take_number(&copy, &cpu) && take_text(&copy, ": "))
		l = copy;
	if (!take_text(&l, "Watchdog detected hard LOCKUP on cpu ") || !take_number(&l, &cpu))
		return false;
	out->type = RW_KLOG_HARD_LOCKUP;
	out->cpu = cpu;
	put_text(out->text, sizeof(out->text), l.at, l.at);
	return true;
}

static bool parse_restart(struct line l, struct rw_klog_fact *out)
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
		if (!begins(&l, forms[i].text))
			continue;
		out->type = RW_KLOG_RESTART;
		put_text(out->text, sizeof(out->text), forms[i].what, strchr(forms[i].what, '\0'));
		return true;
	}
	return false;
}

/* ---- modules ------------------------------------------------------------------ */

/* "NAME: …" where the kernel names the module; its own words follow at once. */
static bool parse_named_module(struct line l, struct rw_klog_fact *out)
{
	static const struct {
		const char *text;
		int error;
	} forms[] = {
		{": version magic '", -ENOEXEC},
		{": disagrees about version of symbol module_layout", -ENOEXEC},
		{": disagrees about version of symbol ", -EINVAL},
		{": exports duplicate symbol ", -ENOEXEC},
		{": exports protected symbol ", -EACCES},
		{": .gnu.linkonce.this_module section size ", -ENOEXEC},
		{": module has no symbols (stripped?)", -ENOEXEC},
		{": overflow in relocation type ", -ENOEXEC},
		{": Invalid relocation target", -ENOEXEC},
		{": Unknown rela relocation: ", -ENOEXEC},
	};
	struct line whole = l;

	take_text(&l, "module ");
	const char *from = l.at;
	while (l.at < l.end && is_module_character(*l.at))
		l.at++;
	const char *to = l.at;
	if (to == from || (size_t)(to - from) > RW_COMM_MAX - 1)
		return false;

	int error = 0;
	for (size_t i = 0; error == 0 && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (begins(&l, forms[i].text))
			error = forms[i].error;
	}
	if (error == 0 && take_text(&l, ": Unknown symbol ")) {
		uint32_t number = ENOENT;
		while (l.at < l.end && is_symbol_character(*l.at))
			l.at++;
		if (take_text(&l, " (err -") && !take_number(&l, &number))
			return false;
		error = number > 0 && number < 4096 ? -(int)number : -ENOENT;
	}
	if (error == 0)
		return false;
	out->type = RW_KLOG_MODULE;
	out->error = error;
	put_text(out->module, sizeof(out->module), from, to);
	put_text(out->text, sizeof(out->text), whole.at, whole.end);
	return true;
}

/* What the kernel says before it knows a name. */
static bool parse_unnamed_module(struct line l, struct rw_klog_fact *out)
{
	static const struct {
		const char *text;
		int error;
	} forms[] = {
		{"Loading of unsigned module is rejected", -EKEYREJECTED},
		{"Loading of module with unsupported crypto is rejected", -EKEYREJECTED},
		{"Loading of module with unavailable key is rejected", -EKEYREJECTED},
		{"Invalid ELF header ", -ENOEXEC},
		{"Invalid ELF section ", -ENOEXEC},
		{"Invalid ELF e_sh", -ENOEXEC},
		{"Module has invalid ELF structures", -ENOEXEC},
	};

	take_text(&l, "module: ");
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!begins(&l, forms[i].text))
			continue;
		out->type = RW_KLOG_MODULE;
		out->error = forms[i].error;
		put_text(out->text, sizeof(out->text), l.at, l.end);
		return true;
	}
	return false;
}

void rw_klog_parse(const char *text, size_t length, struct rw_klog_fact *out)
{
	struct line l = {text, text + length};

	while (left(&l) > 0 && (l.end[-1] == '\n' || l.end[-1] == ' '))
		l.end--;
	*out = (struct rw_klog_fact){.type = RW_KLOG_OTHER, .cpu = UINT32_MAX};
	if (left(&l) == 0)
		return;
	if (parse_frame(l, out) || parse_ip(l, out) || parse_task(l, out) || parse_oops(l, out) ||
	    parse_die(l, out) || parse_panic(l, out) || parse_hard_lockup(l, out) ||
	    parse_restart(l, out) || parse_unnamed_module(l, out))
		return;
	if (begins(&l, "Call Trace:") || begins(&l, "Call trace:")) {
		out->type = RW_KLOG_TRACE;
		return;
	}
	if (begins(&l, "---[ end trace ")) {
		out->type = RW_KLOG_END;
		return;
	}
	/* a pattern may have filled fields before it failed */
	*out = (struct rw_klog_fact){.type = RW_KLOG_OTHER, .cpu = UINT32_MAX};
	if (parse_warning(l, out))
		return;
	*out = (struct rw_klog_fact){.type = RW_KLOG_OTHER, .cpu = UINT32_MAX};
	parse_named_module(l, out);
}
