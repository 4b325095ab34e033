/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and the way from a command line to an exit status. */
#include "ctl/commands.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "lib/version.h"

#define SHOW (RW_OPT_CLIENT | RW_OPT(JSON) | RW_OPT(OUTPUT))
#define LIST (SHOW | RW_OPT(LIMIT) | RW_OPT(CURSOR))
#define ACT (RW_OPT_CLIENT | RW_OPT(JSON))
#define DEPLOYMENT_RING (RW_OPT(DEPLOYMENT) | RW_OPT(RING))

const struct rw_command rw_commands[] = {
	{.words = "verdict",
	 .summary = "Asks whether a rollout may go on: exit 0 proceed, 10 hold, 20 abort",
	 .more = "Exit 1: could not ask. With --wait it asks until the verdict is proceed or "
		 "abort;\n"
		 "after --timeout it ends with 10 if the last answer was hold, else with 1. What "
		 "is\n"
		 "finished or withdrawn is not waited for: 10.",
	 .allowed = RW_OPT_CLIENT | DEPLOYMENT_RING | RW_OPT(FOR) | RW_OPT(WAIT) | RW_OPT(TIMEOUT) |
		    RW_OPT(JSON),
	 .required = DEPLOYMENT_RING,
	 .run = rw_verdict_run},
	{.words = "watch",
	 .summary = "Shows rings, verdicts, events and signatures live",
	 .more = "On a terminal a screen: q quits, ? tells the other keys. Elsewhere a line for "
		 "each\n"
		 "change. What is not answered is shown as hold. Exit 1: the last question was "
		 "not\n"
		 "answered.",
	 .allowed = RW_OPT_CLIENT | DEPLOYMENT_RING | RW_OPT(EVERY) | RW_OPT(TIMES),
	 .run = rw_watch_run},
	{.words = "status",
	 .summary = "Shows the collector, the rings and what is being rolled out",
	 .allowed = SHOW,
	 .run = rw_status_run},
	{.words = "rings",
	 .summary =
		 "Lists the rings of the policy with their hosts; with --ring, what they can see",
	 .allowed = SHOW | RW_OPT(RING),
	 .run = rw_rings_run},
	{.words = "hosts",
	 .summary = "Lists hosts; with --host, one with its coverage and history",
	 .allowed = LIST | RW_OPT(RING) | RW_OPT(STATE) | RW_OPT(HOST) | RW_OPT(WIDE),
	 .run = rw_hosts_run},
	{.words = "events",
	 .summary = "Lists what kernels did, newest first",
	 .allowed = LIST | RW_OPT(HOST) | RW_OPT(RING) | RW_OPT(KIND) | RW_OPT(SIGNATURE) |
		    RW_OPT(DEPLOYMENT) | RW_OPT(SINCE) | RW_OPT(UNTIL) | RW_OPT(WIDE),
	 .run = rw_events_run},
	{.words = "event",
	 .operand = "EVENT",
	 .summary = "Shows one event with its facts, its stack and the kernel log around it",
	 .more = "EVENT is HOST/SPOOL/SEQUENCE, as `events --wide` and a verdict's evidence name "
		 "it.",
	 .allowed = RW_OPT_CLIENT | RW_OPT(JSON),
	 .run = rw_event_show_run},
	{.words = "signatures",
	 .summary = "Lists what kernels died or complained of, one row a signature",
	 .more = "NEW SINCE names the active deployments that began before it was first seen.",
	 .allowed = LIST | RW_OPT(RING) | RW_OPT(DEPLOYMENT) | RW_OPT(SINCE),
	 .run = rw_signatures_run},
	{.words = "deployments",
	 .summary = "Lists deployments with the verdict of each of their rings",
	 .allowed = SHOW | RW_OPT(DEPLOYMENT),
	 .run = rw_deployments_run},
	{.words = "audit",
	 .summary = "Lists who did what, newest first",
	 .allowed = LIST,
	 .run = rw_audit_run},
	{.words = "drill",
	 .summary = "Stages a failure, to prove that a real one would stop the rollout",
	 .more = "A host's sensor reports it as it would a crash, and every verdict on the "
		 "deployment\n"
		 "says abort for a while. It counts in nothing and clears by itself; controllers "
		 "that\n"
		 "obey the verdict do stop. Exit 0: proved; 1: not.",
	 .allowed = ACT | DEPLOYMENT_RING | RW_OPT(HOST) | RW_OPT(HOLD),
	 .required = DEPLOYMENT_RING,
	 .run = rw_drill_run},
	{.words = "drills",
	 .summary = "Lists drills and what they proved, newest first",
	 .allowed = LIST | RW_OPT(RING),
	 .run = rw_drills_run},
	{.words = "webhooks",
	 .summary = "Lists who is told of verdicts and breakers, and how that goes",
	 .allowed = SHOW,
	 .run = rw_webhooks_run},
	{.words = "deliveries",
	 .summary = "Lists what webhooks were told, newest first; --state dead: what was given up",
	 .allowed = LIST | RW_OPT(TOLD_STATE) | RW_OPT(TARGET),
	 .run = rw_deliveries_run},
	{.words = "deploy create",
	 .summary = "Registers a version of a component that will go through rings",
	 .more = "The same again changes nothing; another content under the same name is refused.",
	 .allowed = ACT | DEPLOYMENT_RING | RW_OPT(COMPONENT) | RW_OPT(VERSION) | RW_OPT(EXPOSURE) |
		    RW_OPT(MATCH),
	 .required = DEPLOYMENT_RING | RW_OPT(COMPONENT) | RW_OPT(VERSION) | RW_OPT(EXPOSURE),
	 .many_rings = true,
	 .run = rw_deploy_create_run},
	{.words = "deploy start",
	 .summary = "Exposes a ring's hosts and starts its bake",
	 .allowed = ACT | DEPLOYMENT_RING | RW_OPT(STEP),
	 .required = DEPLOYMENT_RING,
	 .run = rw_deploy_start_run},
	{.words = "deploy finish",
	 .summary = "Ends a deployment that has gone all its way",
	 .allowed = ACT | RW_OPT(DEPLOYMENT),
	 .required = RW_OPT(DEPLOYMENT),
	 .run = rw_deploy_finish_run},
	{.words = "deploy withdraw",
	 .summary = "Ends a deployment that is taken back; final",
	 .allowed = ACT | RW_OPT(DEPLOYMENT) | RW_OPT(REASON),
	 .required = RW_OPT(DEPLOYMENT) | RW_OPT(REASON),
	 .run = rw_deploy_withdraw_run},
	{.words = "deploy reset",
	 .summary = "Acknowledges the failed hosts, closes the breaker, bakes again from 0",
	 .allowed = ACT | DEPLOYMENT_RING | RW_OPT(REASON),
	 .required = DEPLOYMENT_RING | RW_OPT(REASON),
	 .run = rw_deploy_reset_run},
	{.words = "host retire",
	 .operand = "HOST",
	 .summary = "Takes a host out: enrolled no more, and refused when it comes",
	 .more = "What it was exposed to keeps it as it is: it still counts there.",
	 .allowed = ACT | RW_OPT(REASON),
	 .required = RW_OPT(REASON),
	 .run = rw_host_retire_run},
	{.words = "host enrol",
	 .operand = "HOST",
	 .summary = "Takes back a retirement or an exclusion",
	 .allowed = ACT | RW_OPT(REASON),
	 .required = RW_OPT(REASON),
	 .run = rw_host_enrol_run},
	{.words = "host exclude",
	 .operand = "HOST",
	 .summary = "Takes a host that does not tell the truth out of every count",
	 .allowed = ACT | RW_OPT(REASON),
	 .required = RW_OPT(REASON),
	 .run = rw_host_exclude_run},
	{.words = "host maintenance",
	 .operand = "HOST",
	 .summary = "Announces work on a host: its silence and reboots are planned",
	 .more = "An oops or a panic counts all the same. --for 0s ends it.",
	 .allowed = ACT | RW_OPT(SPAN) | RW_OPT(REASON),
	 .required = RW_OPT(SPAN) | RW_OPT(REASON),
	 .run = rw_host_maintenance_run},
	{.words = "webhook retry",
	 .operand = "DELIVERY",
	 .summary = "Tries a dead letter again",
	 .more = "DELIVERY is its name in `deliveries`. Refused when a later verdict of the same\n"
		 "deployment and ring was told since.",
	 .allowed = ACT,
	 .run = rw_webhook_retry_run},
	{.words = "pki init",
	 .summary = "Makes a certificate authority: DIR/ca.pem and DIR/ca.key",
	 .allowed = RW_OPT(DIR) | RW_OPT(TRUST_DOMAIN),
	 .required = RW_OPT(DIR) | RW_OPT(TRUST_DOMAIN),
	 .run = rw_pki_init_run},
	{.words = "pki issue host",
	 .summary = "Makes a host's certificate and key: host-H.pem, host-H.key",
	 .more = "Written to the folder --out, else beside the CA. Issuing again replaces them.",
	 .allowed = RW_OPT(DIR) | RW_OPT(RING) | RW_OPT(HOST) | RW_OPT(OUT) | RW_OPT(VALID),
	 .required = RW_OPT(DIR) | RW_OPT(RING) | RW_OPT(HOST),
	 .run = rw_pki_issue_host_run},
	{.words = "pki issue collector",
	 .summary = "Makes a collector's certificate and key: collector-N.pem, collector-N.key",
	 .more = "Written to the folder --out, else beside the CA. Issuing again replaces them.",
	 .allowed = RW_OPT(DIR) | RW_OPT(NAME) | RW_OPT(OUT) | RW_OPT(VALID),
	 .required = RW_OPT(DIR) | RW_OPT(NAME),
	 .run = rw_pki_issue_collector_run},
	{.words = "token add",
	 .summary = "Makes an API token; the collector's file keeps only its hash",
	 .more = "The token is printed once, or written to the file --out (mode 0600).\n"
		 "Send the collector SIGHUP afterwards.",
	 .allowed = RW_OPT(NAME) | RW_OPT(ROLE) | RW_OPT(FILE) | RW_OPT(OUT),
	 .required = RW_OPT(NAME) | RW_OPT(ROLE) | RW_OPT(FILE),
	 .run = rw_token_add_run},
	{.words = "explain",
	 .operand = "FILE|-",
	 .summary = "Prints the events that a kernel log tells of, as JSON, one a line",
	 .more = "Reads console, dmesg, journal, /dev/kmsg, pstore and netconsole text; needs no\n"
		 "collector. A log is text: whoever could write to it could write anything.",
	 .run = rw_explain_run},
	{.words = "replay",
	 .operand = "FILE",
	 .summary = "Plays a scenario, or a store again, and says each verdict",
	 .more = "FILE is a scenario (docs/replay.md), or a collector's store, which is only "
		 "read.\n"
		 "Needs no collector. Exit 0: all was as expected; 1: not all, a line for each;\n"
		 "2: FILE or the policy is wrong.",
	 .allowed = RW_OPT(JSON) | RW_OPT(POLICY) | RW_OPT(CONFIG),
	 .run = rw_replay_run},
	{.words = "completion",
	 .operand = "WHAT",
	 .operand_choices = "bash|zsh|fish|rings|deployments",
	 .summary = "Prints what makes a shell complete commands, options and names",
	 .more = "bash, zsh or fish: the script for it. rings or deployments: their names, one a "
		 "line,\n"
		 "as the scripts ask for them; none when the collector does not answer in 300 ms.",
	 .allowed = RW_OPT_CLIENT,
	 .run = rw_completion_run},
	{.words = "sql",
	 .operand = "QUERY",
	 .operand_is_optional = true,
	 .summary = "Asks a collector's store in SQL; only reads it, also while it is in use",
	 .more = "Prints a table, with --json an object a row, one a line. --views lists what "
		 "there "
		 "is to\n"
		 "ask (docs/sql.md). Needs no collector, but the right to read its file.",
	 .allowed = RW_OPT(JSON) | RW_OPT(STORE) | RW_OPT(VIEWS) | RW_OPT(WITHIN) | RW_OPT(ROWS),
	 .run = rw_sql_run},
	{.words = NULL},
};

int rw_ctl_fail(const char *fmt, ...)
{
	va_list args;

	fputs("ringwatch: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return RW_CTL_FAILED;
}

int rw_ctl_fail_client(int err, const char *error)
{
	rw_ctl_fail("%s", error);
	return err == -EINVAL ? RW_CTL_USAGE : RW_CTL_FAILED;
}

static int run(int argc, char **argv)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	/* Only alone: `deploy create` has a --version of its own. */
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		rw_version_print("ringwatch");
		return RW_CTL_DONE;
	}
	if (rw_args_parse(argc, argv, rw_commands, &args, error) != 0) {
		rw_ctl_fail("%s", error);
		return RW_CTL_USAGE;
	}
	if (!rw_args_has(&args, RW_OPT_HELP))
		return args.command->run(&args);
	if (args.command == NULL)
		rw_args_print_commands(stdout, rw_commands);
	else
		rw_args_print_help(stdout, args.command);
	return RW_CTL_DONE;
}

int rw_ctl_main(int argc, char **argv)
{
	int status = run(argc, argv);

	/* A verdict that could not be printed must not pass for one that was read. */
	if (fflush(stdout) != 0 || ferror(stdout))
		return rw_ctl_fail("standard output: %s", strerror(errno));
	return status;
}
