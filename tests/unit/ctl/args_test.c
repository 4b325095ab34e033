/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/args.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "ctl/commands.h"
#include "lib/name.h"
#include "lib/units.h"

enum { WORDS_MAX = 48 };

/* Parses a command line given as one text, cut at spaces ('~' stands for a space in a word). */
static int parse(const char *line, struct rw_args *out, char *error)
{
	static char copy[1024];
	char *argv[WORDS_MAX + 1];
	int argc = 0;

	assert_true(strlen(line) < sizeof(copy));
	memcpy(copy, line, strlen(line) + 1);
	argv[argc++] = (char[]){"ringwatch"};
	for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL;) {
		if (*word == '\0')
			continue;
		assert_true(argc < WORDS_MAX);
		for (char *at = word; *at != '\0'; at++)
			*at = *at == '~' ? ' ' : *at;
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return rw_args_parse(argc, argv, rw_commands, out, error);
}

static void check_refused(const char *line, const char *expected)
{
	char error[RW_ARGS_ERROR_BYTES] = "";
	struct rw_args args;

	assert_int_equal(parse(line, &args, error), -EINVAL);
	assert_string_equal(error, expected);
}

static void options_stand_anywhere_around_the_words(void **state)
{
	static const char *const lines[] = {
		"pki issue --dir D host --ring r1 --host web-1",
		"--dir D pki issue host --ring=r1 --host=web-1",
		"pki --ring r1 issue --host web-1 host --dir=D",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char error[RW_ARGS_ERROR_BYTES];
		struct rw_args args;
		assert_int_equal(parse(lines[i], &args, error), 0);
		assert_string_equal(args.command->words, "pki issue host");
		assert_ptr_equal(args.command->run, rw_pki_issue_host_run);
		assert_string_equal(args.value[RW_OPT_DIR], "D");
		assert_string_equal(args.value[RW_OPT_RING], "r1");
		assert_string_equal(args.value[RW_OPT_HOST], "web-1");
		assert_false(rw_args_has(&args, RW_OPT_OUT));
	}
}

static void values_become_numbers_and_durations(void **state)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	assert_int_equal(
		parse("verdict --deployment d --ring r --wait --timeout 48h --json", &args, error),
		0);
	assert_true(rw_args_has(&args, RW_OPT_WAIT));
	assert_true(rw_args_has(&args, RW_OPT_JSON));
	assert_int_equal(rw_args_duration_ms(&args, RW_OPT_TIMEOUT, 1), 48 * 3600000);
	assert_int_equal(rw_args_number(&args, RW_OPT_LIMIT, 100), 100);
	assert_int_equal(parse("events --limit 7 --since 2h", &args, error), 0);
	assert_int_equal(rw_args_number(&args, RW_OPT_LIMIT, 100), 7);
	assert_int_equal(parse("events --since 2024-07-19T04:09:00Z", &args, error), 0);
	assert_int_equal(parse("hosts --state retired", &args, error), 0);
}

static void a_deployment_goes_through_many_rings(void **state)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	assert_int_equal(parse("deploy create --deployment d --component c --version 2.1~beta "
			       "--exposure fixed --ring r1 --ring r0 --ring r2",
			       &args, error),
			 0);
	assert_int_equal(args.ring_count, 3);
	assert_string_equal(args.rings[1], "r0");
	assert_string_equal(args.value[RW_OPT_RING], "r1");
	assert_string_equal(args.value[RW_OPT_VERSION], "2.1 beta");
	check_refused(
		"deploy create --deployment d --component c --version 2 --exposure fixed --ring r "
		"--ring r",
		"--ring: r is given twice");
	check_refused("verdict --deployment d --ring r --ring s", "--ring: given twice");
}

static void what_is_missing_or_unknown_is_named(void **state)
{
	(void)state;
	check_refused("", "which command? `ringwatch --help` lists them");
	check_refused("verdit", "unknown command 'verdit'; `ringwatch --help` lists them");
	check_refused("deploy", "deploy: which one? create, start, finish, withdraw, reset");
	check_refused("pki issue --dir D", "pki issue: which one? host, collector");
	check_refused("status now", "unknown command 'status now'; `ringwatch --help` lists them");
	check_refused("verdict --ring r",
		      "--deployment D is missing; see `ringwatch verdict --help`");
	check_refused("deploy withdraw --deployment d",
		      "--reason TEXT is missing; see `ringwatch deploy withdraw --help`");
	check_refused("rings --deployment d", "`ringwatch rings` takes no --deployment");
	check_refused("rings --colour", "unknown option --colour");
	check_refused("rings -x", "unknown command 'rings -x'; `ringwatch --help` lists them");
	check_refused("\033[2J", "unknown command '\\x1b[2J'; `ringwatch --help` lists them");
}

static void a_token_is_no_option_and_is_not_repeated(void **state)
{
	(void)state;
	check_refused("rings --token=5ec2e7", "unknown option --token");
	check_refused("rings --token 5ec2e7", "unknown option --token");
}

static void wrong_values_say_what_is_expected(void **state)
{
	(void)state;
	check_refused("rings --ring R*", "--ring: 'R*' is wrong, expected " RW_NAME_EXPECTED);
	check_refused("rings --ring=", "--ring: '' is wrong, expected " RW_NAME_EXPECTED);
	check_refused("rings --ring", "--ring: needs a value, R");
	check_refused("rings --ring --json", "--ring: needs a value, R");
	check_refused("rings --json=yes", "--json: takes no value");
	check_refused("events --kind oops --kind panic", "--kind: given twice");
	check_refused("events --limit 0", "--limit: '0' is wrong, expected a whole number from 1");
	check_refused("events --limit 010",
		      "--limit: '010' is wrong, expected a whole number from 1");
	check_refused("events --since yesterday",
		      "--since: 'yesterday' is wrong, expected a time such "
		      "as 2h (ago) or 2024-07-19T04:09:00Z");
	check_refused("verdict --deployment d --ring r --for luck",
		      "--for: 'luck' is wrong, expected advance|enter");
	check_refused("verdict --deployment d --ring r --for advanc",
		      "--for: 'advanc' is wrong, expected advance|enter");
	check_refused("verdict --deployment d --ring r --wait --timeout 48",
		      "--timeout: '48' is wrong, expected a duration such as 30s, 10m or 48h");
	check_refused("verdict --deployment d --ring r --wait --timeout 0s",
		      "--timeout: '0s' is wrong, expected a duration such as 30s, 10m or 48h");
	check_refused("deploy withdraw --deployment d --reason a\nb",
		      "--reason: 'a\\x0ab' is wrong, expected one line of 1 to 255 bytes");
	check_refused("pki init --dir D --trust-domain Example.net",
		      "--trust-domain: 'Example.net' is wrong, expected 1 to 255 of a-z 0-9 . - _");
	check_refused("token add --name n --role root --file f",
		      "--role: 'root' is wrong, expected read|rollout|operator");
}

static void help_needs_nothing_else(void **state)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	assert_int_equal(parse("verdict --help", &args, error), 0);
	assert_string_equal(args.command->words, "verdict");
	assert_int_equal(parse("--help", &args, error), 0);
	assert_null(args.command);
	assert_int_equal(parse("-h", &args, error), 0);
	assert_true(rw_args_has(&args, RW_OPT_HELP));
}

static void a_command_takes_its_one_word_behind_it(void **state)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	assert_int_equal(parse("event --json web-1/aa/7 --url http://c", &args, error), 0);
	assert_string_equal(args.command->words, "event");
	assert_string_equal(args.operand, "web-1/aa/7");
	assert_int_equal(parse("events --wide", &args, error), 0);
	assert_null(args.operand);
	check_refused("event", "EVENT is missing; see `ringwatch event --help`");
	check_refused("event a b", "unknown command 'event b'; `ringwatch --help` lists them");
	check_refused("event a --wide", "`ringwatch event` takes no --wide");
}

static void a_query_may_be_left_out_for_the_views(void **state)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	assert_int_equal(
		parse("sql --store s.db --timeout 5s SELECT~1 --limit 7 --json", &args, error), 0);
	assert_string_equal(args.command->words, "sql");
	assert_string_equal(args.operand, "SELECT 1");
	assert_int_equal(rw_args_duration_ms(&args, RW_OPT_WITHIN, 1), 5000);
	assert_false(rw_args_has(&args, RW_OPT_TIMEOUT));
	assert_int_equal(rw_args_number(&args, RW_OPT_ROWS, 1), 7);
	assert_false(rw_args_has(&args, RW_OPT_LIMIT));
	assert_int_equal(parse("sql --views", &args, error), 0);
	assert_null(args.operand);
	check_refused("sql SELECT 1", "unknown command 'sql 1'; `ringwatch --help` lists them");
	check_refused("sql --timeout 0s x",
		      "--timeout: '0s' is wrong, expected " RW_DURATION_EXPECTED);
	check_refused("sql --url http://c x", "`ringwatch sql` takes no --url");
}

static void one_form_of_output_is_enough(void **state)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	assert_int_equal(parse("events --output wide", &args, error), 0);
	assert_true(rw_args_wants_wide(&args));
	assert_false(rw_args_wants_json(&args));
	assert_int_equal(parse("events --wide", &args, error), 0);
	assert_true(rw_args_wants_wide(&args));
	assert_int_equal(parse("rings --output json", &args, error), 0);
	assert_true(rw_args_wants_json(&args));
	assert_int_equal(parse("rings --output table", &args, error), 0);
	assert_false(rw_args_wants_json(&args) || rw_args_wants_wide(&args));
	check_refused("rings --output yaml", "--output: 'yaml' is wrong, expected table|wide|json");
	check_refused("rings --json --output json", "one of --json, --wide and --output is enough");
	check_refused("events --json --wide", "one of --json, --wide and --output is enough");
	check_refused("verdict --deployment d --ring r --output json",
		      "`ringwatch verdict` takes no --output");
}

static void an_operand_may_be_one_of_a_few(void **state)
{
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	assert_int_equal(parse("completion bash", &args, error), 0);
	assert_string_equal(args.operand, "bash");
	check_refused("completion csh",
		      "WHAT: 'csh' is wrong, expected bash|zsh|fish|rings|deployments");
	check_refused("completion", "WHAT is missing; see `ringwatch completion --help`");
}

static void one_name_may_be_an_option_of_two_commands(void **state)
{
	static const char *const lines[] = {
		"host maintenance web-1 --for 30m --reason dimm",
		"--for 30m --reason dimm host maintenance web-1",
		"host --for=30m maintenance --reason=dimm web-1",
	};
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(lines[i], &args, error), 0);
		assert_string_equal(args.command->words, "host maintenance");
		assert_string_equal(args.operand, "web-1");
		assert_int_equal(rw_args_duration_ms(&args, RW_OPT_SPAN, 1), 30 * 60000);
		assert_false(rw_args_has(&args, RW_OPT_FOR));
	}
	assert_int_equal(parse("--for enter verdict --deployment d --ring r", &args, error), 0);
	assert_string_equal(args.value[RW_OPT_FOR], "enter");
	assert_int_equal(parse("host maintenance h --for 0s --reason x", &args, error), 0);
	assert_int_equal(rw_args_duration_ms(&args, RW_OPT_SPAN, 1), 0);
	check_refused("host maintenance h --for advance --reason x",
		      "--for: 'advance' is wrong, expected whole seconds from 0s to 7d, such as "
		      "30m");
	check_refused("host maintenance h --for 8d --reason x",
		      "--for: '8d' is wrong, expected whole seconds from 0s to 7d, such as 30m");
	check_refused("host maintenance h --for 500ms --reason x",
		      "--for: '500ms' is wrong, expected whole seconds from 0s to 7d, such as 30m");
	check_refused("host maintenance h --reason x",
		      "--for TIME is missing; see `ringwatch host maintenance --help`");
	check_refused("verdict --deployment d --ring r --for 30m",
		      "--for: '30m' is wrong, expected advance|enter");
	check_refused("rings --for 30m", "--for: '30m' is wrong, expected advance|enter");
	check_refused("rings --for enter", "`ringwatch rings` takes no --for");
}

static void acts_on_hosts_name_the_host_and_why(void **state)
{
	static const char *const verbs[] = {"retire", "enrol", "exclude"};
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "host %s web-1 --reason scrapped", verbs[i]);
		assert_int_equal(parse(line, &args, error), 0);
		assert_string_equal(args.operand, "web-1");
		assert_string_equal(args.value[RW_OPT_REASON], "scrapped");
	}
	check_refused("host", "host: which one? retire, enrol, exclude, maintenance");
	check_refused("host retire --reason x",
		      "HOST is missing; see `ringwatch host retire --help`");
	check_refused("host retire web-1",
		      "--reason TEXT is missing; see `ringwatch host retire --help`");
	check_refused("host retire web-1 web-2 --reason x",
		      "unknown command 'host retire web-2'; `ringwatch --help` lists them");
}

static void a_match_has_one_of_three_forms(void **state)
{
#define CREATE "deploy create --deployment d --component c --version 1 --ring r "
	static const char *const good[] = {"kernel", "marker:acme-storage", "module:acme_storage"};
	char error[RW_ARGS_ERROR_BYTES];
	struct rw_args args;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char line[160];

		snprintf(line, sizeof(line), CREATE "--exposure reported --match %s", good[i]);
		assert_int_equal(parse(line, &args, error), 0);
		assert_string_equal(args.value[RW_OPT_MATCH], good[i]);
	}
	check_refused(CREATE "--exposure reported --match marker:*",
		      "--match: 'marker:*' is wrong, expected behind marker: " RW_NAME_EXPECTED);
	check_refused(CREATE "--exposure reported --match module:a-b",
		      "--match: 'module:a-b' is wrong, expected behind module: 1 to 63 of A-Z a-z "
		      "0-9 _, as lsmod writes it");
	check_refused(CREATE "--exposure reported --match none",
		      "--match: 'none' is wrong, expected kernel, marker:NAME or module:NAME");
	check_refused(CREATE "--exposure some",
		      "--exposure: 'some' is wrong, expected fixed|reported");
#undef CREATE
}

static void every_command_can_be_reached_and_explained(void **state)
{
	(void)state;
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++) {
		char error[RW_ARGS_ERROR_BYTES];
		char line[128];
		struct rw_args args;
		FILE *nowhere = fopen("/dev/null", "w");
		snprintf(line, sizeof(line), "%s --help", c->words);
		assert_int_equal(parse(line, &args, error), 0);
		assert_ptr_equal(args.command, c);
		assert_non_null(c->run);
		assert_non_null(c->summary);
		assert_int_equal(c->required & ~c->allowed, 0);
		assert_non_null(nowhere);
		rw_args_print_help(nowhere, c);
		fclose(nowhere);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere_around_the_words),
		cmocka_unit_test(values_become_numbers_and_durations),
		cmocka_unit_test(a_deployment_goes_through_many_rings),
		cmocka_unit_test(what_is_missing_or_unknown_is_named),
		cmocka_unit_test(a_token_is_no_option_and_is_not_repeated),
		cmocka_unit_test(wrong_values_say_what_is_expected),
		cmocka_unit_test(help_needs_nothing_else),
		cmocka_unit_test(a_command_takes_its_one_word_behind_it),
		cmocka_unit_test(a_query_may_be_left_out_for_the_views),
		cmocka_unit_test(one_form_of_output_is_enough),
		cmocka_unit_test(an_operand_may_be_one_of_a_few),
		cmocka_unit_test(one_name_may_be_an_option_of_two_commands),
		cmocka_unit_test(acts_on_hosts_name_the_host_and_why),
		cmocka_unit_test(a_match_has_one_of_three_forms),
		cmocka_unit_test(every_command_can_be_reached_and_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
