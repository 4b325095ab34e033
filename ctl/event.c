/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event with all that is known of it. Its texts come from a kernel log, in
 * which anybody may have written: none reaches the terminal unescaped.
 */
#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/show.h"
#include "ctl/view.h"

static void print_line(const char *title, const char *value)
{
	if (value[0] != '\0')
		printf("  %-12s  %s\n", title, rw_view_safe(value).text);
}

static void print_what(const json_t *event)
{
	static const char *const keys[][2] = {{"kind", "kind"},           {"severity", "severity"},
					      {"signature", "signature"}, {"symbol", "symbol"},
					      {"module", "module"},       {"detail", "detail"},
					      {"source", "seen by"}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		print_line(keys[i][1], rw_view_text(event, keys[i][0]));
	json_int_t error = json_integer_value(json_object_get(event, "error"));
	if (error != 0)
		printf("  %-12s  %" JSON_INTEGER_FORMAT "\n", "error", error);
	if (rw_view_count(event, "count") > 1)
		printf("  %-12s  %" PRIu64 " like it\n", "count", rw_view_count(event, "count"));
}

static void print_where(const json_t *event)
{
	json_int_t cpu = json_integer_value(json_object_get(event, "cpu"));

	printf("  %-12s  %s, ring %s\n", "host", rw_view_safe(rw_view_text(event, "host")).text,
	       rw_view_safe(rw_view_text(event, "ring")).text);
	print_line("at", rw_view_time(rw_view_text(event, "at")).text);
	printf("  %-12s  %.3f s into boot %s\n", "boot clock", rw_view_real(event, "boot_seconds"),
	       rw_view_safe(rw_view_text(event, "boot_id")).text);
	if (cpu >= 0)
		printf("  %-12s  %" JSON_INTEGER_FORMAT "\n", "cpu", cpu);
	if (rw_view_text(event, "comm")[0] != '\0')
		printf("  %-12s  %s, pid %" PRIu64 "\n", "task",
		       rw_view_safe(rw_view_text(event, "comm")).text, rw_view_count(event, "pid"));
}

static void print_facts(const json_t *event)
{
	const char *key;
	json_t *value;
	json_t *facts = json_object_get(event, "facts");

	if (json_object_size(facts) == 0)
		return;
	puts("\nFacts");
	json_object_foreach(facts, key, value) if (json_is_string(value))
		printf("  %-12s  %s\n", rw_view_safe(key).text,
		       rw_view_safe(json_string_value(value)).text);
}

static void print_stack(const json_t *event)
{
	const json_t *stack = json_object_get(event, "stack");

	if (json_array_size(stack) == 0)
		return;
	puts("\nStack");
	for (size_t i = 0; i < json_array_size(stack); i++) {
		const char *frame = json_string_value(json_array_get(stack, i));
		if (frame != NULL)
			printf("  %s\n", rw_view_safe(frame).text);
	}
}

static bool print_event(const json_t *event)
{
	const char *log = rw_view_text(event, "log");

	printf("%s\n", rw_view_safe(rw_view_text(event, "event")).text);
	print_where(event);
	print_what(event);
	print_facts(event);
	print_stack(event);
	if (strcmp(rw_view_text(event, "log_state"), "damaged") == 0)
		puts("\nKernel log\n  what the host has sent is damaged");
	if (log[0] == '\0')
		return true;
	puts("\nKernel log");
	return rw_view_print_lines(stdout, log, "  ");
}

/* "HOST/SPOOL/SEQUENCE", as /v1/events and evidence name an event. */
static bool add_event_id(struct rw_path *path, const char *id)
{
	char part[RW_VIEW_BYTES];

	for (int i = 0; i < 3; i++) {
		size_t length = strcspn(id, "/");
		if (length == 0 || length >= sizeof(part) || (id[length] == '/') != (i < 2))
			return false;
		memcpy(part, id, length);
		part[length] = '\0';
		rw_path_part(path, part);
		id += length + (i < 2);
	}
	return true;
}

int rw_event_show_run(const struct rw_args *args)
{
	struct rw_path path = rw_path_of("/v1/events");

	if (!add_event_id(&path, args->operand)) {
		rw_ctl_fail("'%s' is no event, expected HOST/SPOOL/SEQUENCE as `events --wide` "
			    "lists it",
			    rw_view_safe(args->operand).text);
		return RW_CTL_USAGE;
	}
	return rw_show_answer(args, &path, print_event);
}
