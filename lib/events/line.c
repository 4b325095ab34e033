/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the kernel log, shown to each family of patterns; see line.h and
 * line_parts.h. What no pattern knows is RW_KLOG_OTHER.
 */
#include "lib/events/line.h"

#include "lib/events/line_parts.h"
#include "lib/text.h"

struct family {
	bool (*parse)(struct rw_scan l, struct rw_klog_fact *out);
	const char *first; /* the bytes that its lines may begin with; NULL: any */
};

void rw_line_put_word(struct rw_klog_fact *out, const char *word)
{
	rw_text_to_utf8(out->word, sizeof(out->word), word, strlen(word));
}

void rw_line_put_text(struct rw_klog_fact *out, const struct rw_scan *l)
{
	rw_scan_copy(l, out->text, sizeof(out->text));
}

static const struct rw_klog_fact nothing = {
	.type = RW_KLOG_OTHER, .cpu = UINT32_MAX, .uid = UINT32_MAX};

/* The frequent ones first; no line fits two. */
static const struct family families[] = {
	{rw_line_parse_frame, NULL},
	{rw_line_parse_trace, "C-"},
	{rw_line_parse_task, "C"},
	{rw_line_parse_ip, "Rp"},
	{rw_line_parse_warning, "W"},
	{rw_line_parse_oops, "BUIkK"},
	{rw_line_parse_die, "IOBSVabcdfgiksuo"},
	{rw_line_parse_address, "#EF "},
	{rw_line_parse_panic, "K"},
	{rw_line_parse_restart, "rks"},
	{rw_line_parse_report, "B"},
	{rw_line_parse_hard_lockup, "NwCW"},
	{rw_line_parse_soft_lockup, "w"},
	{rw_line_parse_rcu_stall, "rI"},
	{rw_line_parse_hung_task, "I"},
	{rw_line_parse_oom_kill, "OM"},
	{rw_line_parse_machine_check, "m[{"},
	{rw_line_parse_memory_error, "EM"},
	{rw_line_parse_pcie_error, NULL},
	{rw_line_parse_last_boot, "Bx"},
	{rw_line_parse_unnamed_module, "LIMEm"},
	{rw_line_parse_named_module, NULL},
	{rw_line_parse_taint, NULL},
};

static bool may_be(const struct family *family, char first)
{
	return family->first == NULL || (first != '\0' && strchr(family->first, first) != NULL);
}

void rw_klog_parse(const char *text, size_t length, struct rw_klog_fact *out)
{
	struct rw_scan l = {text, text + length};

	while (rw_scan_left(&l) > 0 && (l.end[-1] == '\n' || l.end[-1] == ' '))
		l.end--;
	*out = nothing;
	if (rw_scan_left(&l) == 0)
		return;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (!may_be(&families[i], *l.at))
			continue;
		if (families[i].parse(l, out))
			return;
		*out = nothing;
	}
}
