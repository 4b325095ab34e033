/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/act.h"

#include "ctl/commands.h"

int rw_act(const struct rw_args *args, const struct rw_path *path, json_t *body, rw_say_fn *say)
{
	char error[RW_CLIENT_ERROR_BYTES];
	struct rw_client *client;
	struct rw_reply reply = {0};

	if (body == NULL)
		return rw_ctl_fail("out of memory");
	int err = rw_client_new(args, &client, error);
	if (err != 0) {
		json_decref(body);
		return rw_ctl_fail_client(err, error);
	}
	int status = RW_CTL_DONE;
	if (rw_client_ask(client, path->text, body, &reply, error) != 0)
		status = rw_ctl_fail("%s", error);
	else if (rw_args_wants_json(args))
		rw_reply_print(&reply);
	else
		say(args, &reply);
	rw_reply_release(&reply);
	rw_client_free(client);
	json_decref(body);
	return status;
}
