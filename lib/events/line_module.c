/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules that did not load, and modules that taint; see line_parts.h.
 *
 * A module's name stands first and is one word; the kernel's own words follow
 * at once. Where the text of a parameter stands in between, they are taken from
 * the line's right end.
 *
 * Sources of the texts: kernel/module/{main,signing,version}.c (kernel/module.c
 * before 5.19), kernel/params.c.
 */
#include "lib/events/line_parts.h"

#include <errno.h>

#include "lib/events/taint.h"

enum { MODULE_BYTES = 56 /* MODULE_NAME_LEN on 64 bits */, ERRNO_MOST = 4095 };

#define BAD_FORMAT "bad_format"
#define UNKNOWN_SYMBOL "unknown_symbol"
#define SIGNATURE_REFUSED "signature_refused"

static bool is_symbol_byte(char c)
{
	return rw_scan_is_letter(c) || rw_scan_is_digit(c) || c == '_' || c == '.' || c == '$';
}

struct form {
	const char *text;
	int error;
	const char *cause;
};

static bool take_form(struct rw_scan *l, const struct form *forms, size_t count,
		      struct rw_klog_fact *out)
{
	for (size_t i = 0; i < count; i++) {
		if (!rw_scan_take(l, forms[i].text))
			continue;
		out->error = forms[i].error;
		rw_line_put_word(out, forms[i].cause);
		return true;
	}
	return false;
}

/* What the kernel says before it knows a name. */
bool rw_line_parse_unnamed_module(struct rw_scan l, struct rw_klog_fact *out)
{
	static const struct form forms[] = {
		{"Loading of unsigned module is rejected", -EKEYREJECTED, SIGNATURE_REFUSED},
		{"Loading of module with unsupported crypto is rejected", -EKEYREJECTED,
		 SIGNATURE_REFUSED},
		{"Loading of module with unavailable key is rejected", -EKEYREJECTED,
		 SIGNATURE_REFUSED},
		{"Invalid ELF header ", -ENOEXEC, BAD_FORMAT},
		{"Invalid ELF section ", -ENOEXEC, BAD_FORMAT},
		{"Invalid ELF e_sh", -ENOEXEC, BAD_FORMAT},
		{"Invalid ELF sh_link!=", -ENOEXEC, BAD_FORMAT},
		{"Invalid ELF symbol string table type: ", -ENOEXEC, BAD_FORMAT},
		{"Invalid architecture in ELF header: ", -ENOEXEC, BAD_FORMAT},
		{"Invalid module architecture in ELF header: ", -ENOEXEC, BAD_FORMAT},
		{"Module has invalid ELF structures", -ENOEXEC, BAD_FORMAT},
		{"ELF Spec violation: section ", -ENOEXEC, BAD_FORMAT},
	};

	rw_scan_take(&l, "module: ");
	struct rw_scan whole = l;
	out->type = RW_KLOG_MODULE;
	if (!take_form(&l, forms, sizeof(forms) / sizeof(forms[0]), out))
		return false;
	rw_line_put_text(out, &whole);
	return true;
}

/* "Module NAME is blacklisted", by module_blacklist= */
static bool parse_blacklisted(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan name;

	if (!rw_scan_take(&l, "Module ") ||
	    !rw_scan_take_run(&l, rw_scan_is_word, MODULE_BYTES, &name) ||
	    !rw_scan_take(&l, " is blacklisted") || rw_scan_left(&l) > 0)
		return false;
	rw_scan_copy(&name, out->module, sizeof(out->module));
	rw_line_put_word(out, "blacklisted");
	out->error = -EPERM;
	return true;
}

/* "Unknown symbol NAME (err -2)"; -22 when its version or its namespace does not fit. */
static bool take_unknown_symbol(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan symbol;
	uint32_t error = ENOENT;

	if (!rw_scan_take(&l, "Unknown symbol ") ||
	    !rw_scan_take_run(&l, is_symbol_byte, RW_KLOG_TEXT_BYTES, &symbol))
		return false;
	if (rw_scan_take(&l, " (err -") && !rw_scan_take_u32(&l, &error))
		return false;
	out->error = error > 0 && error <= ERRNO_MOST ? -(int32_t)error : -ENOENT;
	rw_line_put_word(out, UNKNOWN_SYMBOL);
	return true;
}

/* "`TEXT' invalid for parameter `NAME'": the text is whoever loads the module's. */
static bool take_bad_parameter(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan name = {l.end, l.end};

	if (!rw_scan_take(&l, "`") || !rw_scan_take_end(&l, "'"))
		return false;
	name.at = name.end = l.end;
	while (name.at > l.at && (is_symbol_byte(name.at[-1]) || name.at[-1] == '-'))
		name.at--;
	l.end = name.at;
	if (rw_scan_left(&name) == 0)
		return false;
	if (rw_scan_take_end(&l, "' invalid for parameter `"))
		out->error = -EINVAL;
	else if (rw_scan_take_end(&l, "' too large for parameter `"))
		out->error = -ENOSPC;
	else
		return false;
	rw_line_put_word(out, "bad_parameter");
	return true;
}

/* "Could not allocate 4096 bytes percpu data" */
static bool take_no_memory(struct rw_scan l, struct rw_klog_fact *out)
{
	uint64_t bytes;

	if (!rw_scan_take(&l, "Could not allocate ") || !rw_scan_take_u64(&l, &bytes) ||
	    !rw_scan_take(&l, " bytes percpu data"))
		return false;
	out->error = -ENOMEM;
	rw_line_put_word(out, "no_memory");
	return true;
}

static bool take_name(struct rw_scan *l, struct rw_klog_fact *out)
{
	struct rw_scan p = *l;
	struct rw_scan name;

	if (!rw_scan_take_run(&p, rw_scan_is_word, MODULE_BYTES, &name) || !rw_scan_take(&p, ": "))
		return false;
	rw_scan_copy(&name, out->module, sizeof(out->module));
	*l = p;
	return true;
}

/* What the kernel says behind the name. */
static bool take_words(struct rw_scan l, struct rw_klog_fact *out)
{
	static const struct form forms[] = {
		{"version magic '", -ENOEXEC, "version_magic"},
		{"disagrees about version of symbol module_layout", -ENOEXEC, "symbol_version"},
		{"disagrees about version of symbol ", -EINVAL, "symbol_version"},
		{"exports duplicate symbol ", -ENOEXEC, "other"},
		{"exports protected symbol ", -EACCES, "other"},
		{"module is marked as livepatch module, but livepatch support is disabled",
		 -ENOEXEC, "other"},
		{".gnu.linkonce.this_module section size ", -ENOEXEC, BAD_FORMAT},
		{"module has no symbols (stripped?)", -ENOEXEC, BAD_FORMAT},
		{"No module found in object", -ENOEXEC, BAD_FORMAT},
		{"overflow in relocation type ", -ENOEXEC, BAD_FORMAT},
		{"Invalid relocation target", -ENOEXEC, BAD_FORMAT},
		{"Unknown rela relocation: ", -ENOEXEC, BAD_FORMAT},
	};

	return take_form(&l, forms, sizeof(forms) / sizeof(forms[0]), out) ||
	       take_unknown_symbol(l, out) || take_bad_parameter(l, out) || take_no_memory(l, out);
}

/* "NAME: …" */
bool rw_line_parse_named_module(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan whole = l;

	out->type = RW_KLOG_MODULE;
	rw_scan_take(&l, "module ");
	if (!parse_blacklisted(whole, out) && !(take_name(&l, out) && take_words(l, out)))
		return false;
	rw_line_put_text(out, &whole);
	return true;
}

/* "NAME: loading out-of-tree module taints kernel." */
bool rw_line_parse_taint(struct rw_scan l, struct rw_klog_fact *out)
{
	static const struct {
		const char *begin;
		const char *end; /* a licence's text stands in between */
		uint32_t flag;
	} forms[] = {
		{"loading out-of-tree module taints kernel.", "", RW_TAINT_OUT_OF_TREE},
		{"loading test module taints kernel.", "", RW_TAINT_TEST},
		{"module license taints kernel.", "", RW_TAINT_PROPRIETARY_MODULE},
		{"module license '", "' taints kernel.", RW_TAINT_PROPRIETARY_MODULE},
		{"module verification failed: signature and/or required key missing - tainting "
		 "kernel",
		 "", RW_TAINT_UNSIGNED_MODULE},
		{"module is from the staging directory, the quality is unknown, ", "",
		 RW_TAINT_STAGING},
		{"tainting kernel with TAINT_LIVEPATCH", "", RW_TAINT_LIVEPATCH},
	};

	struct rw_scan whole = l;

	if (!take_name(&l, out))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct rw_scan rest = l;
		if (!rw_scan_take(&rest, forms[i].begin) || !rw_scan_take_end(&rest, forms[i].end))
			continue;
		out->type = RW_KLOG_TAINTED;
		out->flag = forms[i].flag;
		rw_line_put_word(out, rw_taint_name(out->flag));
		rw_line_put_text(out, &whole);
		return true;
	}
	return false;
}
