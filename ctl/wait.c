/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/wait.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/lines.h"
#include "ctl/table.h"

enum { STILL_MS = 10 * 60 * 1000, COLUMNS = 80 };

struct rw_view rw_wait_words(const json_t *answer)
{
	const json_t *bake = json_object_get(answer, "bake");
	const json_t *failed = json_object_get(answer, "failed");
	uint64_t observed = rw_view_count(bake, "observed_seconds");
	uint64_t required = rw_view_count(bake, "required_seconds");
	struct rw_view words = rw_view_words(json_object_get(answer, "reasons"));
	size_t used = strlen(words.text);

	/* Of what is not there, or not started, there are no figures. */
	if (required == 0 || strcmp(rw_view_text(bake, "state"), "not_started") == 0)
		return words;
	snprintf(words.text + used, sizeof(words.text) - used,
		 "; baked %.24s of %.24s, %.24s left; %.30s of %.30s failed",
		 rw_view_seconds(observed).text, rw_view_seconds(required).text,
		 rw_view_seconds(observed < required ? required - observed : 0).text,
		 rw_view_number(rw_view_count(failed, "count")).text,
		 rw_view_number(rw_view_count(failed, "hosts")).text);
	return words;
}

bool rw_wait_is_final(const json_t *answer)
{
	const json_t *reasons = json_object_get(answer, "reasons");

	for (size_t i = 0; i < json_array_size(reasons); i++) {
		const char *reason = json_string_value(json_array_get(reasons, i));
		if (reason != NULL &&
		    (strcmp(reason, "withdrawn") == 0 || strcmp(reason, "finished") == 0))
			return true;
	}
	return false;
}

struct rw_wait rw_wait_begin(uint64_t now_ms)
{
	const char *terminal = getenv("TERM");

	return (struct rw_wait){
		.on_terminal =
			isatty(STDERR_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0,
		.said_ms = now_ms,
	};
}

static size_t columns_of_terminal(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
									       : COLUMNS;
}

/* In place of the line before; cut, so that it never wraps. */
static void say_in_place(struct rw_wait *wait, const char *text)
{
	struct rw_lines line = {.width = columns_of_terminal() - 1};

	rw_lines_put(&line, RW_PLAIN, "ringwatch: waiting: ");
	rw_lines_put(&line, RW_PLAIN, text);
	fprintf(stderr, "\r%s\033[K", rw_lines_text(&line, 0));
	fflush(stderr);
	rw_lines_free(&line);
	wait->said = true;
}

/* `what`: as long as that stays the same, `text` is no news. */
static void say(struct rw_wait *wait, const char *what, const char *text, uint64_t now_ms)
{
	bool changed = !wait->said || strcmp(wait->last.text, what) != 0;

	if (wait->on_terminal) {
		say_in_place(wait, text);
		return;
	}
	if (!changed && now_ms - wait->said_ms < STILL_MS)
		return;
	snprintf(wait->last.text, sizeof(wait->last.text), "%s", what);
	wait->said = true;
	wait->said_ms = now_ms;
	fprintf(stderr, "ringwatch: waiting: %s\n", text);
}

void rw_wait_hold(struct rw_wait *wait, const json_t *answer, uint64_t now_ms)
{
	say(wait, rw_view_words(json_object_get(answer, "reasons")).text,
	    rw_wait_words(answer).text, now_ms);
}

void rw_wait_trouble(struct rw_wait *wait, const char *error, uint64_t now_ms)
{
	say(wait, error, error, now_ms);
}

void rw_wait_end(struct rw_wait *wait)
{
	if (wait->on_terminal && wait->said)
		fputs("\r\033[K", stderr);
}
