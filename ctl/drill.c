/* SPDX-License-Identifier: Apache-2.0 */
/* A drill: begun, and waited for until it is proved or has failed. Its end is not waited
 * for: it clears by itself. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/view.h"
#include "lib/clock.h"

enum {
	HOLD_MS = 2 * 60 * 1000,
	HOLD_LEAST_MS = 10 * 1000,
	HOLD_MOST_MS = 3600 * 1000,
	ASK_EVERY_MS = 200,
	GIVE_UP_MS = 40 * 1000, /* the collector does after 30 s */
};

static int begin(struct rw_client *client, const struct rw_args *args, uint64_t hold_ms,
		 struct rw_reply *reply, char error[RW_CLIENT_ERROR_BYTES])
{
	struct rw_path path = rw_path_of("/v1/deployments");
	const char *host = args->value[RW_OPT_HOST];
	json_t *body = json_pack("{s:s, s:I}", "host", host == NULL ? "" : host, "seconds",
				 (json_int_t)(hold_ms / 1000));

	rw_path_part(&path, args->value[RW_OPT_DEPLOYMENT]);
	rw_path_part(&path, "rings");
	rw_path_part(&path, args->value[RW_OPT_RING]);
	rw_path_part(&path, "drill");
	int err = rw_client_ask(client, path.text, body, reply, error);
	json_decref(body);
	return err;
}

static bool is_undecided(const struct rw_reply *reply)
{
	return strcmp(rw_view_text(reply->json, "state"), "asked") == 0;
}

/* `reply` is the drill as it was begun, and then as it is. */
static int follow(struct rw_client *client, struct rw_reply *reply,
		  char error[RW_CLIENT_ERROR_BYTES])
{
	const struct timespec pause = {.tv_nsec = ASK_EVERY_MS * 1000000L};
	struct rw_path path = rw_path_of("/v1/drills");
	uint64_t begun_ms = rw_clock_boot_ms();
	int err = 0;

	rw_path_part(&path, rw_view_text(reply->json, "drill"));
	while (err == 0 && is_undecided(reply) && rw_clock_boot_ms() - begun_ms < GIVE_UP_MS) {
		nanosleep(&pause, NULL);
		rw_reply_release(reply);
		err = rw_client_ask(client, path.text, NULL, reply, error);
	}
	return err;
}

static int say(const struct rw_args *args, const json_t *drill)
{
	const char *state = rw_view_text(drill, "state");
	const char *detail = rw_view_text(drill, "detail");

	if (strcmp(state, "proved") != 0 && strcmp(state, "cleared") != 0)
		return rw_ctl_fail("the drill failed: %s", detail[0] == '\0'
								   ? "the collector does not end it"
								   : rw_view_safe(detail).text);
	printf("proved: %s; then the verdict on %s turned to abort\n", rw_view_safe(detail).text,
	       args->value[RW_OPT_DEPLOYMENT]);
	return RW_CTL_DONE;
}

static int run(struct rw_client *client, const struct rw_args *args, uint64_t hold_ms,
	       struct rw_reply *reply)
{
	char error[RW_CLIENT_ERROR_BYTES];
	bool json = rw_args_wants_json(args);

	if (begin(client, args, hold_ms, reply, error) != 0)
		return rw_ctl_fail("%s", error);
	if (!json) {
		printf("drill %s: %s is to report a failure that is none; every verdict on %s "
		       "says abort then, for %s\n",
		       rw_view_safe(rw_view_text(reply->json, "drill")).text,
		       rw_view_safe(rw_view_text(reply->json, "host")).text,
		       args->value[RW_OPT_DEPLOYMENT], rw_view_seconds(hold_ms / 1000).text);
		fflush(stdout);
	}
	if (follow(client, reply, error) != 0)
		return rw_ctl_fail("%s", error);
	if (!json)
		return say(args, reply->json);
	rw_reply_print(reply);
	return rw_view_text(reply->json, "proved_at")[0] != '\0' ? RW_CTL_DONE : RW_CTL_FAILED;
}

int rw_drill_run(const struct rw_args *args)
{
	char error[RW_CLIENT_ERROR_BYTES];
	uint64_t hold_ms = rw_args_duration_ms(args, RW_OPT_HOLD, HOLD_MS);
	struct rw_client *client;
	struct rw_reply reply = {0};

	if (hold_ms < HOLD_LEAST_MS || hold_ms > HOLD_MOST_MS) {
		rw_ctl_fail("--for: expected 10s to 1h");
		return RW_CTL_USAGE;
	}
	int err = rw_client_new(args, &client, error);
	if (err != 0)
		return rw_ctl_fail_client(err, error);
	int status = run(client, args, hold_ms, &reply);
	rw_reply_release(&reply);
	rw_client_free(client);
	return status;
}
