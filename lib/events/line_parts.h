/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The families of kernel log lines that line.c asks one after the other. Each
 * parser gets the whole line, without blanks at its end, and a fact that says
 * nothing yet. True: the fact is filled. False: it may hold anything.
 */
#ifndef RINGWATCH_LIB_EVENTS_LINE_PARTS_H
#define RINGWATCH_LIB_EVENTS_LINE_PARTS_H

#include "lib/events/line.h"
#include "lib/events/scan.h"

/* What an oops, a warning or a report is made of: line_crash.c. */
bool rw_line_parse_frame(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_trace(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_ip(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_task(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_warning(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_report(struct rw_scan l, struct rw_klog_fact *out);

/* How an oops or a panic is named: line_oops.c. */
bool rw_line_parse_oops(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_die(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_address(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_panic(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_restart(struct rw_scan l, struct rw_klog_fact *out);

/* What is stuck, and what was killed: line_stall.c. */
bool rw_line_parse_hard_lockup(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_soft_lockup(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_rcu_stall(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_hung_task(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_oom_kill(struct rw_scan l, struct rw_klog_fact *out);

/* What the hardware says: line_hardware.c. */
bool rw_line_parse_machine_check(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_memory_error(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_pcie_error(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_last_boot(struct rw_scan l, struct rw_klog_fact *out);

/* Modules that did not load, or that taint: line_module.c. */
bool rw_line_parse_unnamed_module(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_named_module(struct rw_scan l, struct rw_klog_fact *out);
bool rw_line_parse_taint(struct rw_scan l, struct rw_klog_fact *out);

/* Sets `word`, one of ours. */
void rw_line_put_word(struct rw_klog_fact *out, const char *word);
/* Sets `text` from the line. */
void rw_line_put_text(struct rw_klog_fact *out, const struct rw_scan *l);

#endif
