/* SPDX-License-Identifier: Apache-2.0 */
/* What operators do to hosts: retire, enrol, exclude, maintenance. */
#include <string.h>

#include "ctl/act.h"
#include "ctl/commands.h"
#include "ctl/view.h"
#include "lib/name.h"

/* POST /v1/hosts/H/VERB; takes `body` over. */
static int act_on_host(const struct rw_args *args, const char *verb, json_t *body, rw_say_fn *say)
{
	struct rw_path path = rw_path_of("/v1/hosts");

	if (!rw_name_is_valid(args->operand, strlen(args->operand))) {
		json_decref(body);
		rw_ctl_fail("HOST: '%s' is wrong, expected %s", rw_view_safe(args->operand).text,
			    RW_NAME_EXPECTED);
		return RW_CTL_USAGE;
	}
	rw_path_part(&path, args->operand);
	rw_path_part(&path, verb);
	return rw_act(args, &path, body, say);
}

static json_t *reason_of(const struct rw_args *args)
{
	return json_pack("{s:s}", "reason", args->value[RW_OPT_REASON]);
}

static void say_retired(const struct rw_args *args, const struct rw_reply *reply)
{
	(void)reply;
	printf("%s is retired: it is enrolled no more, and refused until it is enrolled again\n",
	       args->operand);
}

static void say_enrolled(const struct rw_args *args, const struct rw_reply *reply)
{
	printf("%s is enrolled in %s\n", args->operand,
	       rw_view_safe(rw_view_text(reply->json, "ring")).text);
}

static void say_excluded(const struct rw_args *args, const struct rw_reply *reply)
{
	(void)reply;
	printf("%s is excluded: it counts in nothing until it is enrolled again\n", args->operand);
}

static void say_maintained(const struct rw_args *args, const struct rw_reply *reply)
{
	uint64_t seconds = rw_args_duration_ms(args, RW_OPT_SPAN, 0) / 1000;

	(void)reply;
	if (seconds == 0)
		printf("%s is in maintenance no more\n", args->operand);
	else
		printf("%s is in maintenance for %s: its silence and reboots are planned, an oops "
		       "or a panic counts\n",
		       args->operand, rw_view_seconds(seconds).text);
}

int rw_host_retire_run(const struct rw_args *args)
{
	return act_on_host(args, "retire", reason_of(args), say_retired);
}

int rw_host_enrol_run(const struct rw_args *args)
{
	return act_on_host(args, "enrol", reason_of(args), say_enrolled);
}

int rw_host_exclude_run(const struct rw_args *args)
{
	return act_on_host(args, "exclude", reason_of(args), say_excluded);
}

int rw_host_maintenance_run(const struct rw_args *args)
{
	uint64_t seconds = rw_args_duration_ms(args, RW_OPT_SPAN, 0) / 1000;

	return act_on_host(args, "maintenance",
			   json_pack("{s:I, s:s}", "seconds", (json_int_t)seconds, "reason",
				     args->value[RW_OPT_REASON]),
			   say_maintained);
}
