/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an oops, a warning or a report is made of: where it happened, in which
 * task, and by which way; see line_parts.h.
 *
 * Sources of the texts: arch/x86/kernel/dumpstack.c, arch/arm64/kernel/
 * {process,stacktrace}.c, kernel/panic.c, lib/dump_stack.c, mm/kasan/report.c,
 * mm/kfence/report.c.
 */
#include "lib/events/line_parts.h"

enum {
	SYMBOL_BYTES = 512,    /* the kernel's own limit, KSYM_NAME_LEN */
	MODULE_BYTES = 64 - 8, /* MODULE_NAME_LEN on 64 bits */
	COMM_BYTES = 15,       /* TASK_COMM_LEN without its NUL */
	FILE_BYTES = 240,
	BUILD_ID_BYTES = 40,
	TYPE_BYTES = 31,
};

static bool is_symbol_byte(char c)
{
	return rw_scan_is_letter(c) || rw_scan_is_digit(c) || c == '_' || c == '.' || c == '$';
}

static bool is_type_byte(char c)
{
	return (c >= 'a' && c <= 'z') || c == '-' || c == ' ';
}

/* " [module]", or with a build id " [module 0123abcd…]". */
static void take_module(struct rw_scan *l, struct rw_klog_fact *out)
{
	struct rw_scan m = *l;
	struct rw_scan name;
	uint64_t build_id;

	if (!rw_scan_take(&m, " [") || !rw_scan_take_run(&m, rw_scan_is_word, MODULE_BYTES, &name))
		return;
	if (rw_scan_take(&m, " "))
		rw_scan_take_hex(&m, 1, BUILD_ID_BYTES, &build_id);
	if (!rw_scan_take(&m, "]"))
		return;
	rw_scan_copy(&name, out->module, sizeof(out->module));
	*l = m;
}

/* "name+0x12/0x30 [module]": symbol "name+0x12". */
static bool take_symbol(struct rw_scan *l, struct rw_klog_fact *out)
{
	struct rw_scan p = *l;
	struct rw_scan name;
	uint64_t number;

	if (!rw_scan_take_run(&p, is_symbol_byte, SYMBOL_BYTES, &name) ||
	    !rw_scan_take(&p, "+0x") || !rw_scan_take_hex(&p, 1, 16, &number))
		return false;
	struct rw_scan symbol = {name.at, p.at};
	if (!rw_scan_take(&p, "/0x") || !rw_scan_take_hex(&p, 1, 16, &number))
		return false;
	rw_scan_copy(&symbol, out->symbol, sizeof(out->symbol));
	take_module(&p, out);
	*l = p;
	return true;
}

/* An address that no symbol covers: "0x0", "0xffffffffc0a81000". */
static bool take_bare_address(struct rw_scan *l, struct rw_klog_fact *out)
{
	if (!rw_scan_take(l, "0x") || !rw_scan_take_hex(l, 1, 16, &out->address))
		return false;
	out->has_address = true;
	return true;
}

static bool is_not_blank(char c)
{
	return c != ' ';
}

/* "fs/read_write.c:584", which scripts/decode_stacktrace.sh and syzbot put behind. */
static bool take_decoded_place(struct rw_scan *l)
{
	struct rw_scan p = *l;
	struct rw_scan place;
	uint32_t line;

	if (!rw_scan_take(&p, " ") || !rw_scan_take_run(&p, is_not_blank, FILE_BYTES, &place) ||
	    !rw_scan_take_end_u32(&place, &line) || !rw_scan_take_end(&place, ":") ||
	    rw_scan_left(&place) == 0)
		return false;
	*l = p;
	return true;
}

/*
 * Nothing, or a source line, or arm64's hint how a frame was found, " (P)". A
 * task's name that is a symbol is followed by more ("a+0x1/0x2 [4711]: segfault
 * at …").
 */
static bool is_at_end(struct rw_scan l)
{
	take_decoded_place(&l);
	if (rw_scan_take(&l, " (") && rw_scan_take_end(&l, ")")) {
		while (rw_scan_left(&l) > 0 && rw_scan_is_letter(*l.at))
			l.at++;
	}
	return rw_scan_left(&l) == 0;
}

/* " name+0x1/0x2 [m]"; one with a question mark is only a guess of the unwinder. In
 * a log that was copied about, the blanks may be gone. */
bool rw_line_parse_frame(struct rw_scan l, struct rw_klog_fact *out)
{
	while (rw_scan_take(&l, " ") || rw_scan_take(&l, "\t"))
		;
	out->type = RW_KLOG_FRAME;
	return take_symbol(&l, out) && is_at_end(l);
}

bool rw_line_parse_trace(struct rw_scan l, struct rw_klog_fact *out)
{
	uint64_t id;

	if (rw_scan_take(&l, "Call ")) {
		out->type = RW_KLOG_TRACE;
		return (rw_scan_take(&l, "Trace:") || rw_scan_take(&l, "trace:")) &&
		       rw_scan_left(&l) == 0;
	}
	out->type = RW_KLOG_END;
	return rw_scan_take(&l, "---[ end trace ") && rw_scan_take_hex(&l, 1, 16, &id) &&
	       rw_scan_take(&l, " ]---");
}

/* "RIP: 0010:name+0x1/0x2 [m]" of the kernel (the selector's low bits are the
 * ring: 0033 is user space); "pc : name+0x1/0x2" on arm64. */
bool rw_line_parse_ip(struct rw_scan l, struct rw_klog_fact *out)
{
	uint64_t selector;

	if (rw_scan_take(&l, "RIP: ")) {
		if (!rw_scan_take_hex(&l, 4, 4, &selector) || !rw_scan_take(&l, ":") ||
		    (selector & 3) != 0)
			return false;
	} else if (!rw_scan_take(&l, "pc : ")) {
		return false;
	}
	out->type = RW_KLOG_IP;
	if (take_symbol(&l, out))
		return is_at_end(l);
	/* a jump through a wild pointer: its caller's frame stands in */
	out->type = RW_KLOG_NO_SYMBOL;
	return take_bare_address(&l, out) && is_at_end(l);
}

/* Up to what the kernel puts behind it, or as long as a name can be. Only how
 * the name looks depends on this cut. */
static struct rw_scan comm_of(const struct rw_scan *l)
{
	struct rw_scan comm = {l->at, rw_scan_left(l) > COMM_BYTES ? l->at + COMM_BYTES : l->end};

	for (const char *p = comm.at; p < comm.end; p++) {
		struct rw_scan rest = {p, l->end};
		if (rw_scan_begins(&rest, " Tainted: ") || rw_scan_begins(&rest, " Not tainted ") ||
		    rw_scan_begins(&rest, " Kdump: "))
			comm.end = p;
	}
	return comm;
}

/* "CPU: 1 PID: 7 Comm: sh …"; 6.12 puts "UID: 0 " in between. */
bool rw_line_parse_task(struct rw_scan l, struct rw_klog_fact *out)
{
	uint32_t uid;

	if (!rw_scan_take(&l, "CPU: ") || !rw_scan_take_u32(&l, &out->cpu) ||
	    !rw_scan_take(&l, " "))
		return false;
	if (rw_scan_take(&l, "UID: ") && (!rw_scan_take_u32(&l, &uid) || !rw_scan_take(&l, " ")))
		return false;
	if (!rw_scan_take(&l, "PID: ") || !rw_scan_take_u32(&l, &out->pid) ||
	    !rw_scan_take(&l, " Comm: "))
		return false;
	struct rw_scan comm = comm_of(&l);
	rw_scan_copy(&comm, out->comm, sizeof(out->comm));
	out->type = RW_KLOG_TASK;
	return true;
}

/* "FILE:LINE"; FILE is the compiler's and has no blank. */
static bool take_place(struct rw_scan *l, struct rw_klog_fact *out)
{
	struct rw_scan place;

	if (!rw_scan_take_run(l, is_not_blank, FILE_BYTES, &place) || rw_scan_left(l) == 0)
		return false;
	rw_line_put_text(out, &place);
	return true;
}

/* "CPU: 0 PID: 1 at FILE:LINE name+0x1/0x2 [m]", or without the place. */
static bool take_warning(struct rw_scan *l, struct rw_klog_fact *out)
{
	if (!rw_scan_take_u32(l, &out->cpu) || !rw_scan_take(l, " PID: ") ||
	    !rw_scan_take_u32(l, &out->pid) || !rw_scan_take(l, " at "))
		return false;
	if (take_symbol(l, out))
		return true;
	return take_place(l, out) && rw_scan_take(l, " ") && take_symbol(l, out);
}

/* 6.19: "FILE:LINE at name+0x1/0x2 [m], CPU#0: comm/1", or without the place. */
static bool take_new_warning(struct rw_scan *l, struct rw_klog_fact *out)
{
	if (!rw_scan_take(l, "at ") && !(take_place(l, out) && rw_scan_take(l, " at ")))
		return false;
	if (!take_symbol(l, out))
		return false;
	return rw_scan_take(l, ", CPU#") && rw_scan_take_u32(l, &out->cpu) && rw_scan_take(l, ": ");
}

bool rw_line_parse_warning(struct rw_scan l, struct rw_klog_fact *out)
{
	out->type = RW_KLOG_WARNING;
	if (!rw_scan_take(&l, "WARNING: "))
		return false;
	return rw_scan_take(&l, "CPU: ") ? take_warning(&l, out) : take_new_warning(&l, out);
}

/* "BUG: KFENCE: out-of-bounds read in name+0x1/0x2 [m]" */
bool rw_line_parse_report(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan type;

	if (rw_scan_take(&l, "BUG: KFENCE: "))
		out->kfence = true;
	else if (!rw_scan_take(&l, "BUG: KASAN: "))
		return false;
	struct rw_scan rest = l;
	if (!rw_scan_take_past(&rest, " in "))
		return false;
	type = (struct rw_scan){l.at, rest.at - strlen(" in ")};
	if (rw_scan_left(&type) == 0 || rw_scan_left(&type) > TYPE_BYTES)
		return false;
	for (const char *p = type.at; p < type.end; p++) {
		if (!is_type_byte(*p))
			return false;
	}
	if ((!take_symbol(&rest, out) && !take_bare_address(&rest, out)) || !is_at_end(rest))
		return false;
	rw_scan_copy(&type, out->word, sizeof(out->word));
	rw_line_put_text(out, &l);
	out->type = RW_KLOG_REPORT;
	return true;
}
