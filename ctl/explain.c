/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringwatch explain`; see explain.h. A kernel log is written by attackers too:
 * what is printed is ASCII, and everything else stands as \u in its string.
 */
#include "ctl/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "lib/events/replay.h"
#include "lib/text.h"
#include "proto/wire.h"

enum { READ_BYTES = 64 * 1024, SHOWN_BYTES = 256 };

struct printer {
	FILE *to;
	int error;
};

static json_t *facts_of(const struct rw_event *event)
{
	json_t *facts = json_object();

	for (uint32_t i = 0; i < event->fact_count; i++) {
		const char *name = rw_fact_name(event->facts[i].name);
		if (name != NULL)
			json_object_set_new(facts, name, json_string(event->facts[i].value));
	}
	return facts;
}

static json_t *stack_of(const struct rw_event *event)
{
	json_t *stack = json_array();

	for (uint32_t i = 0; i < event->stack_count; i++)
		json_array_append_new(stack, json_string(event->stack[i]));
	return stack;
}

/* Seconds since boot, "" when the log does not tell. */
static json_t *time_of(const struct rw_event *event, bool has_time)
{
	if (!has_time)
		return json_string("");
	return json_sprintf("%" PRIu64 ".%03u", event->boot_ms / 1000,
			    (unsigned int)(event->boot_ms % 1000));
}

static void print_event(void *context, const struct rw_event *e, bool has_time)
{
	struct printer *printer = context;
	const char *kind = rw_kind_name(e->kind);
	const char *severity = rw_severity_name(e->severity);
	json_t *cpu = e->cpu == RW_CPU_UNKNOWN ? json_null() : json_integer((json_int_t)e->cpu);
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:o, s:I, s:s, s:s, s:s, s:i, s:s, s:o, s:o, s:o, s:I}", "kind",
		kind != NULL ? kind : "", "severity", severity != NULL ? severity : "", "signature",
		e->signature, "cpu", cpu, "pid", (json_int_t)e->pid, "comm", e->comm, "symbol",
		e->symbol, "module", e->module, "error", (int)e->error, "detail", e->detail,
		"stack", stack_of(e), "facts", facts_of(e), "at", time_of(e, has_time), "count",
		(json_int_t)e->count);

	if (object == NULL ||
	    json_dumpf(object, printer->to, JSON_COMPACT | JSON_ENSURE_ASCII) != 0)
		printer->error = -ENOMEM;
	json_decref(object);
	fputc('\n', printer->to);
}

int rw_explain_stream(int from, FILE *to)
{
	struct printer printer = {.to = to};
	struct rw_replay *replay = rw_replay_new(print_event, &printer);
	char bytes[READ_BYTES];
	int err = replay == NULL ? -ENOMEM : 0;

	while (err == 0) {
		ssize_t n = read(from, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		err = rw_replay_feed(replay, bytes, (size_t)n);
		/* nobody reads on: there is no use in going on either */
		if (err == 0 && fflush(to) != 0)
			break;
	}
	if (err == 0)
		err = rw_replay_end(replay);
	rw_replay_free(replay);
	return err != 0 ? err : printer.error;
}

int rw_explain_run(const struct rw_args *args)
{
	bool is_input = strcmp(args->operand, "-") == 0;
	char shown[SHOWN_BYTES];
	int from = is_input ? STDIN_FILENO : open(args->operand, O_RDONLY | O_CLOEXEC);
	int err = from < 0 ? -errno : rw_explain_stream(from, stdout);

	if (from >= 0 && !is_input)
		close(from);
	if (err == 0)
		return RW_CTL_DONE;
	rw_text_escape(shown, sizeof(shown), args->operand, strlen(args->operand));
	return rw_ctl_fail("%s: %s", is_input ? "standard input" : shown, strerror(-err));
}
