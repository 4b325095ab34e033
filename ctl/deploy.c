/* SPDX-License-Identifier: Apache-2.0 */
/* Acts on deployments: create, start, finish, withdraw, reset. Each is answered after
 * it is on the collector's disk; repeating one changes nothing. */
#include <string.h>

#include "ctl/act.h"
#include "ctl/commands.h"
#include "ctl/view.h"

static struct rw_path path_of(const struct rw_args *args, bool with_ring, const char *verb)
{
	struct rw_path path = rw_path_of("/v1/deployments");

	rw_path_part(&path, args->value[RW_OPT_DEPLOYMENT]);
	if (with_ring) {
		rw_path_part(&path, "rings");
		rw_path_part(&path, args->value[RW_OPT_RING]);
	}
	rw_path_part(&path, verb);
	return path;
}

/* ---- create ---------------------------------------------------------------- */

static void say_created(const struct rw_args *args, const struct rw_reply *reply)
{
	const json_t *rings = json_object_get(reply->json, "rings");
	const char *match = args->value[RW_OPT_MATCH];

	printf("%s deployment %s: %s %s%s%s, through",
	       reply->status == 201 ? "created" : "unchanged", args->value[RW_OPT_DEPLOYMENT],
	       args->value[RW_OPT_COMPONENT], rw_view_safe(args->value[RW_OPT_VERSION]).text,
	       match == NULL ? "" : " as reported by ", match == NULL ? "" : match);
	for (size_t i = 0; i < json_array_size(rings); i++)
		printf("%s %s", i == 0 ? "" : ",",
		       rw_view_safe(rw_view_text(json_array_get(rings, i), "ring")).text);
	putchar('\n');
}

int rw_deploy_create_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/deployments");
	bool reported = strcmp(args->value[RW_OPT_EXPOSURE], "reported") == 0;

	if (reported != rw_args_has(args, RW_OPT_MATCH)) {
		rw_ctl_fail(reported ? "--match MATCH is missing: whose reported version exposes a "
				       "host?"
				     : "--match: only with --exposure reported");
		return RW_CTL_USAGE;
	}
	json_t *rings = json_array();

	for (uint32_t i = 0; i < args->ring_count; i++) {
		if (json_array_append_new(rings, json_string(args->rings[i])) != 0) {
			json_decref(rings);
			return rw_ctl_fail("out of memory");
		}
	}
	json_t *body = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:o}", "deployment", args->value[RW_OPT_DEPLOYMENT],
		"component", args->value[RW_OPT_COMPONENT], "version", args->value[RW_OPT_VERSION],
		"exposure", args->value[RW_OPT_EXPOSURE], "match",
		reported ? args->value[RW_OPT_MATCH] : "none", "rings", rings);
	return rw_act(args, &path, body, say_created);
}

/* ---- start ----------------------------------------------------------------- */

static void say_started(const struct rw_args *args, const struct rw_reply *reply)
{
	const json_t *rings = json_object_get(reply->json, "rings");

	for (size_t i = 0; i < json_array_size(rings); i++) {
		const json_t *run = json_array_get(rings, i);
		if (strcmp(rw_view_text(run, "ring"), args->value[RW_OPT_RING]) != 0)
			continue;
		printf("%s is started on %s: step %llu of %llu, %llu hosts exposed, bakes for %s\n",
		       args->value[RW_OPT_DEPLOYMENT], args->value[RW_OPT_RING],
		       (unsigned long long)rw_view_count(run, "step"),
		       (unsigned long long)rw_view_count(run, "steps"),
		       (unsigned long long)rw_view_count(run, "exposed"),
		       rw_view_seconds(rw_view_count(run, "required_seconds")).text);
	}
}

int rw_deploy_start_run(const struct rw_args *args)
{
	struct rw_path path = path_of(args, true, "start");
	uint64_t step = rw_args_number(args, RW_OPT_STEP, 1);

	return rw_act(args, &path, json_pack("{s:I}", "step", (json_int_t)step), say_started);
}

/* ---- finish, withdraw, reset ----------------------------------------------- */

static void say_state(const struct rw_args *args, const struct rw_reply *reply)
{
	printf("%s is %s\n", args->value[RW_OPT_DEPLOYMENT],
	       rw_view_safe(rw_view_text(reply->json, "state")).text);
}

static void say_reset(const struct rw_args *args, const struct rw_reply *reply)
{
	(void)reply;
	printf("%s on %s is reset: its failed hosts are acknowledged, the bake starts again\n",
	       args->value[RW_OPT_DEPLOYMENT], args->value[RW_OPT_RING]);
}

int rw_deploy_finish_run(const struct rw_args *args)
{
	struct rw_path path = path_of(args, false, "finish");

	return rw_act(args, &path, json_object(), say_state);
}

int rw_deploy_withdraw_run(const struct rw_args *args)
{
	struct rw_path path = path_of(args, false, "withdraw");

	return rw_act(args, &path, json_pack("{s:s}", "reason", args->value[RW_OPT_REASON]),
		      say_state);
}

int rw_deploy_reset_run(const struct rw_args *args)
{
	struct rw_path path = path_of(args, true, "reset");

	return rw_act(args, &path, json_pack("{s:s}", "reason", args->value[RW_OPT_REASON]),
		      say_reset);
}
