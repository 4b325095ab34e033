/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringwatch watch`: asks the collector again and again and shows what it
 * says. On a terminal a screen; else a line for each change, for logs.
 */
#include "ctl/watch.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/screen.h"
#include "lib/clock.h"

enum {
	EVERY_MS = 1000,
	EVERY_MAX_MS = 60000, /* what is older than that is no live view */
	ANSWER_MS = 2000,     /* one answer must be there within it */
	ROUND_MS = 5000,      /* and all of one round within it */
	REDRAW_MS = 1000,     /* for the age of an answer */
	VERDICTS_MAX = 32, /* asked in a round; further rows show what the deployment's list says */
	LIST_ROWS = 20,
	TOLD_BYTES = 1024,
};

/* What one round asks, and until when. */
struct round {
	struct rw_client *client;
	uint64_t end_ms; /* by the boot clock */
	bool refused;    /* the collector answered that it will not; asking again is no use */
	char *error;     /* RW_CLIENT_ERROR_BYTES */
};

/* ---- asking ---------------------------------------------------------------- */

/* One answer into *out; `unless_missing`: a collector that has no such path is no trouble. */
static int ask(struct round *round, const struct rw_path *path, bool unless_missing, json_t **out)
{
	uint64_t now = rw_clock_boot_ms();
	uint64_t left = now < round->end_ms ? round->end_ms - now : 1;
	struct rw_reply reply;

	if (!rw_client_hurry(round->client, left < ANSWER_MS ? left : ANSWER_MS)) {
		snprintf(round->error, RW_CLIENT_ERROR_BYTES, "libcurl cannot be set up");
		return -ENOMEM;
	}
	int err = rw_client_ask(round->client, path->text, NULL, &reply, round->error);
	if (err == 0)
		*out = json_incref(reply.json);
	else if (unless_missing && reply.status == 404)
		err = 0;
	else if (reply.status >= 400 && reply.status < 500 && reply.status != 429)
		round->refused = true;
	rw_reply_release(&reply);
	return err;
}

/* /readyz says 503 while it is not ready: that is an answer, too. */
static int ask_ready(struct round *round, json_t **out)
{
	struct rw_reply reply;

	if (!rw_client_hurry(round->client, ANSWER_MS))
		return -ENOMEM;
	int err = rw_client_request(round->client, "/readyz", NULL, &reply, round->error);
	if (err == 0 && reply.json == NULL) {
		snprintf(round->error, RW_CLIENT_ERROR_BYTES,
			 "the answer to /readyz is no JSON object");
		err = -EPROTO;
	}
	if (err == 0)
		*out = json_incref(reply.json);
	rw_reply_release(&reply);
	return err;
}

/* The list `key` of an answer, or of none that was insisted on. */
static int ask_list(struct round *round, struct rw_path path, const char *key, bool unless_missing,
		    json_t **out)
{
	json_t *answer = NULL;
	char limit[16];

	snprintf(limit, sizeof(limit), "%d", LIST_ROWS);
	rw_path_query(&path, "limit", limit);
	int err = ask(round, &path, unless_missing, &answer);
	if (err == 0)
		*out = json_incref(json_object_get(answer, key));
	json_decref(answer);
	return err;
}

static int ask_verdict(struct round *round, const struct rw_watch_row *row, json_t *verdicts)
{
	struct rw_path path = rw_path_of("/v1/verdict");
	json_t *answer = NULL;

	rw_path_query(&path, "deployment", rw_watch_deployment(row));
	rw_path_query(&path, "ring", rw_watch_ring(row));
	int err = ask(round, &path, false, &answer);
	if (err == 0 && json_array_append_new(verdicts, answer) != 0) {
		snprintf(round->error, RW_CLIENT_ERROR_BYTES, "out of memory");
		err = -ENOMEM;
	}
	return err;
}

/* Of the first rows and the chosen one. */
static int ask_verdicts(struct round *round, const struct rw_watch *watch, json_t *verdicts)
{
	int err = verdicts == NULL ? -ENOMEM : 0;
	int asked = 0;

	for (size_t i = 0; i < watch->row_count && err == 0; i++) {
		if (watch->rows[i].run == NULL || (asked >= VERDICTS_MAX && i != watch->chosen))
			continue;
		err = ask_verdict(round, &watch->rows[i], verdicts);
		asked++;
	}
	return err;
}

/* The hosts of the chosen ring that are not online, worst first. */
static int ask_away(struct round *round, const struct rw_watch *watch, json_t **out)
{
	static const char *const states[] = {"offline", "suspect", "unknown", "absent", "planned"};
	int err = 0;

	*out = json_array();
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]) && err == 0; i++) {
		struct rw_path path = rw_path_of("/v1/hosts");
		json_t *hosts = NULL;
		rw_path_query(&path, "ring", watch->chosen_ring);
		rw_path_query(&path, "state", states[i]);
		err = ask_list(round, path, "hosts", false, &hosts);
		if (err == 0)
			json_array_extend(*out, hosts);
		json_decref(hosts);
	}
	return err;
}

/* A whole round into `next`, a copy of the model without answers; all of it, or an error. */
static int ask_all(struct round *round, struct rw_watch *next)
{
	struct rw_watch_answers *answers = &next->answers;
	struct rw_path rings = rw_path_of("/v1/rings");
	struct rw_path deployments = rw_path_of("/v1/deployments");
	struct rw_path events = rw_path_of("/v1/events");
	struct rw_path signatures = rw_path_of("/v1/signatures");

	rw_path_query(&events, "ring", next->only_ring);
	rw_path_query(&events, "deployment", next->only_deployment);
	rw_path_query(&signatures, "ring", next->only_ring);
	rw_path_query(&signatures, "deployment", next->only_deployment);
	int err = ask_ready(round, &answers->ready);
	if (err == 0)
		err = ask(round, &rings, false, &answers->rings);
	if (err == 0)
		err = ask(round, &deployments, false, &answers->deployments);
	if (err == 0) {
		rw_watch_arrange(next);
		answers->verdicts = json_array();
		err = ask_verdicts(round, next, answers->verdicts);
	}
	if (err == 0)
		err = ask_list(round, events, "events", false, &answers->events);
	if (err == 0)
		err = ask_list(round, signatures, "signatures", true, &answers->signatures);
	if (err == 0 && next->opened && next->row_count > 0)
		err = ask_away(round, next, &answers->away);
	if (err == 0)
		rw_watch_arrange(next);
	return err;
}

/* What was answered before stays to be shown as no longer good when the round fails. */
static int refresh(struct rw_client *client, struct rw_watch *watch)
{
	char error[RW_CLIENT_ERROR_BYTES] = "";
	struct round round = {
		.client = client, .end_ms = rw_clock_boot_ms() + ROUND_MS, .error = error};
	struct rw_watch *next = malloc(sizeof(*next));

	if (next == NULL)
		return -ENOMEM;
	*next = *watch;
	next->answers = (struct rw_watch_answers){0};
	int err = ask_all(&round, next);
	if (err == 0) {
		rw_watch_forget(&watch->answers);
		*watch = *next;
		watch->answered_ms = rw_clock_wall_ms();
		watch->trouble[0] = '\0';
	} else {
		rw_watch_forget(&next->answers);
		snprintf(watch->trouble, sizeof(watch->trouble), "%s",
			 error[0] == '\0' ? "out of memory" : error);
	}
	free(next);
	return round.refused ? -EPERM : err;
}

/* ---- on a terminal --------------------------------------------------------- */

static int draw(const struct rw_watch *watch)
{
	struct rw_lines lines;
	size_t width;
	size_t height;

	rw_screen_size(&width, &height);
	rw_watch_render(watch, rw_clock_wall_ms(), width, height, &lines);
	int err = lines.out_of_memory ? -ENOMEM : rw_screen_draw(&lines);
	rw_lines_free(&lines);
	return err;
}

/* What a key changes; *ask: the collector is to be asked at once. false: quit. */
static bool obey(struct rw_watch *watch, enum rw_key key, bool *ask_now)
{
	switch (key) {
	case RW_KEY_QUIT:
		return false;
	case RW_KEY_REFRESH:
		*ask_now = true;
		break;
	case RW_KEY_UP:
	case RW_KEY_DOWN:
		rw_watch_choose(watch, key == RW_KEY_UP ? -1 : 1);
		/* These were of another ring. */
		json_decref(watch->answers.away);
		watch->answers.away = NULL;
		*ask_now = watch->opened;
		break;
	case RW_KEY_ENTER:
		watch->opened = !watch->opened;
		*ask_now = watch->opened;
		break;
	case RW_KEY_BACK:
		watch->opened = watch->help = false;
		break;
	case RW_KEY_HELP:
		watch->help = !watch->help;
		break;
	case RW_KEY_NONE:
	case RW_KEY_OTHER:
		break;
	}
	return true;
}

/* Until it is to be asked again; false: quit. */
static bool show_until(struct rw_watch *watch, uint64_t next_ms, int *err)
{
	for (;;) {
		uint64_t now = rw_clock_boot_ms();
		bool ask_now = now >= next_ms;
		*err = draw(watch);
		if (*err != 0 || ask_now)
			return *err == 0;
		uint64_t wait = next_ms - now < REDRAW_MS ? next_ms - now : REDRAW_MS;
		bool stays = obey(watch, rw_screen_wait(wait), &ask_now);
		if (!stays || ask_now)
			return stays;
	}
}

static int show_screen(struct rw_client *client, struct rw_watch *watch, uint64_t every_ms,
		       uint64_t count)
{
	int err = 0;

	rw_screen_enter();
	/* Something to see while the first answer is waited for. */
	err = draw(watch);
	for (uint64_t asked = 0; err == 0;) {
		uint64_t begin = rw_clock_boot_ms();
		int answer = refresh(client, watch);
		if (answer == -EPERM && watch->answered_ms == 0)
			err = answer;
		if (err != 0 || (count != 0 && ++asked == count) ||
		    !show_until(watch, begin + every_ms, &err))
			break;
	}
	rw_screen_leave();
	return err;
}

/* ---- elsewhere ------------------------------------------------------------- */

/* What was said last of one row. */
struct told {
	char text[TOLD_BYTES];
};

static void tell(struct told *last, const char *text)
{
	char at[RW_TIME_TEXT_BYTES];

	if (strcmp(last->text, text) == 0)
		return;
	snprintf(last->text, sizeof(last->text), "%s", text);
	printf("%s  %s\n", rw_clock_format_wall(rw_clock_wall_ms(), at), text);
}

static void tell_row(const struct rw_watch *watch, size_t row, struct told *last)
{
	char text[TOLD_BYTES] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");

	if (to == NULL)
		return;
	rw_watch_tell(watch, row, to);
	fclose(to);
	tell(last, text);
}

static void tell_all(const struct rw_watch *watch, struct told *rows, struct told *trouble)
{
	char text[TOLD_BYTES];
	char at[RW_TIME_TEXT_BYTES];

	if (watch->trouble[0] != '\0') {
		snprintf(text, sizeof(text), "no answer since %s: treat as hold (%s)",
			 watch->answered_ms == 0 ? "the beginning"
						 : rw_clock_format_wall(watch->answered_ms, at),
			 watch->trouble);
		tell(trouble, text);
		return;
	}
	/* Answered again: everything is said anew. */
	if (trouble->text[0] != '\0')
		memset(rows, 0, RW_WATCH_ROWS_MAX * sizeof(*rows));
	trouble->text[0] = '\0';
	for (size_t i = 0; i < watch->row_count; i++)
		tell_row(watch, i, &rows[i]);
	if (watch->row_count == 0)
		tell(&rows[0], "there is no such ring or deployment");
}

static void sleep_until(uint64_t when_ms)
{
	uint64_t now = rw_clock_boot_ms();
	uint64_t ms = when_ms > now ? when_ms - now : 0;
	struct timespec pause = {.tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000) * 1000000};

	/* A signal that does not end the program only makes the next question come early. */
	nanosleep(&pause, NULL);
}

static int tell_changes(struct rw_client *client, struct rw_watch *watch, uint64_t every_ms,
			uint64_t count)
{
	struct told *rows = calloc(RW_WATCH_ROWS_MAX, sizeof(*rows));
	struct told trouble = {""};
	uint64_t begin = rw_clock_boot_ms();
	int err = rows == NULL ? -ENOMEM : 0;

	for (uint64_t asked = 0; err == 0;) {
		int answer = refresh(client, watch);
		if (answer == -EPERM && watch->answered_ms == 0) {
			err = answer;
			break;
		}
		tell_all(watch, rows, &trouble);
		if (fflush(stdout) != 0)
			err = -errno;
		if (err != 0 || (count != 0 && ++asked == count))
			break;
		begin += every_ms;
		/* What was slow is not made up for. */
		if (begin < rw_clock_boot_ms())
			begin = rw_clock_boot_ms();
		sleep_until(begin);
	}
	free(rows);
	return err;
}

/* ---- the command ----------------------------------------------------------- */

static int finish(const struct rw_watch *watch, int err)
{
	/* A terminal that is gone can be told nothing. */
	if (err == -EIO || err == -EPIPE)
		return RW_CTL_FAILED;
	if (err == -EPERM || (err == 0 && watch->trouble[0] != '\0'))
		return rw_ctl_fail("%s", watch->trouble);
	return err == 0 ? RW_CTL_DONE : rw_ctl_fail("%s", strerror(-err));
}

int rw_watch_run(const struct rw_args *args)
{
	uint64_t every_ms = rw_args_duration_ms(args, RW_OPT_EVERY, EVERY_MS);
	uint64_t count = rw_args_number(args, RW_OPT_TIMES, 0);
	const char *terminal = getenv("TERM");
	char error[RW_CLIENT_ERROR_BYTES];
	struct rw_client *client;

	if (every_ms < EVERY_MS || every_ms > EVERY_MAX_MS) {
		rw_ctl_fail("--every: from 1s to 1m");
		return RW_CTL_USAGE;
	}
	int err = rw_client_new(args, &client, error);
	if (err != 0)
		return rw_ctl_fail_client(err, error);
	struct rw_watch *watch = calloc(1, sizeof(*watch));
	if (watch == NULL) {
		rw_client_free(client);
		return rw_ctl_fail("out of memory");
	}
	setlocale(LC_CTYPE, "");
	watch->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	watch->colour = rw_style_wanted(stdout);
	watch->url = rw_client_url(client);
	watch->only_deployment = args->value[RW_OPT_DEPLOYMENT];
	watch->only_ring = args->value[RW_OPT_RING];
	bool screen = isatty(STDOUT_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0;
	err = (screen ? show_screen : tell_changes)(client, watch, every_ms, count);
	int status = finish(watch, err);
	rw_watch_forget(&watch->answers);
	free(watch);
	rw_client_free(client);
	return status;
}
