/* SPDX-License-Identifier: Apache-2.0 */
/* The commands; each returns the exit status. Tables and JSON go to stdout, one-line errors to
 * stderr as `ringwatch: …`. */
#ifndef RINGWATCH_CTL_COMMANDS_H
#define RINGWATCH_CTL_COMMANDS_H

#include "ctl/args.h"

enum rw_ctl_exit {
	RW_CTL_DONE = 0,
	RW_CTL_FAILED = 1,
	RW_CTL_USAGE = 2,
	RW_CTL_HOLD = 10,  /* `verdict` */
	RW_CTL_ABORT = 20, /* `verdict` */
};

extern const struct rw_command rw_commands[];

/* Parses, runs, and makes sure that what was printed arrived. */
int rw_ctl_main(int argc, char **argv);

/* Prints `ringwatch: ` and the line; returns RW_CTL_FAILED. */
__attribute__((format(printf, 1, 2))) int rw_ctl_fail(const char *fmt, ...);
/* The same with RW_CTL_USAGE for -EINVAL: a client that could not be made. */
int rw_ctl_fail_client(int err, const char *error);

int rw_verdict_run(const struct rw_args *args);
int rw_watch_run(const struct rw_args *args);
int rw_status_run(const struct rw_args *args);
int rw_rings_run(const struct rw_args *args);
int rw_hosts_run(const struct rw_args *args);
int rw_events_run(const struct rw_args *args);
int rw_signatures_run(const struct rw_args *args);
int rw_event_show_run(const struct rw_args *args);
int rw_deployments_run(const struct rw_args *args);
int rw_audit_run(const struct rw_args *args);
int rw_drill_run(const struct rw_args *args);
int rw_drills_run(const struct rw_args *args);
int rw_webhooks_run(const struct rw_args *args);
int rw_deliveries_run(const struct rw_args *args);
int rw_webhook_retry_run(const struct rw_args *args);
int rw_deploy_create_run(const struct rw_args *args);
int rw_deploy_start_run(const struct rw_args *args);
int rw_deploy_finish_run(const struct rw_args *args);
int rw_deploy_withdraw_run(const struct rw_args *args);
int rw_deploy_reset_run(const struct rw_args *args);
int rw_host_retire_run(const struct rw_args *args);
int rw_host_enrol_run(const struct rw_args *args);
int rw_host_exclude_run(const struct rw_args *args);
int rw_host_maintenance_run(const struct rw_args *args);
int rw_pki_init_run(const struct rw_args *args);
int rw_pki_issue_host_run(const struct rw_args *args);
int rw_pki_issue_collector_run(const struct rw_args *args);
int rw_token_add_run(const struct rw_args *args);
int rw_explain_run(const struct rw_args *args);
int rw_replay_run(const struct rw_args *args);
int rw_completion_run(const struct rw_args *args);
int rw_sql_run(const struct rw_args *args);

#endif
