/* SPDX-License-Identifier: Apache-2.0 */
/* Why not getopt_long: words stand between options (`pki issue --dir D host`),
 * and each value's form is checked here, in one place. */
#include "ctl/args.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/match.h"
#include "lib/name.h"
#include "lib/spiffe.h"
#include "lib/text.h"
#include "lib/units.h"

enum form {
	FORM_FLAG,
	FORM_NAME,
	FORM_TEXT, /* 1 … TEXT_MAX bytes on one line */
	FORM_PATH,
	FORM_DURATION,
	FORM_UINT, /* from 1 */
	FORM_TIME, /* RFC 3339, or a duration ago */
	FORM_CHOICE,
	FORM_DOMAIN,
	FORM_MATCH,
	FORM_SPAN, /* whole seconds, 0s to 7d */
};

enum { TEXT_MAX = 255, WORD_SHOWN = 64, SPAN_MAX_MS = 7 * 24 * 60 * 60 * 1000, WORDS_BYTES = 128 };

struct option {
	const char *name;
	enum form form;
	const char *metavar;
	const char *help;
	const char *choices; /* FORM_CHOICE: "a|b|c" */
};

static const struct option options[RW_OPT_COUNT] = {
	[RW_OPT_URL] = {"url", FORM_TEXT, "URL",
			"the collector (else RINGWATCH_URL, else http://127.0.0.1:8470)", NULL},
	[RW_OPT_TOKEN_FILE] = {"token-file", FORM_PATH, "FILE",
			       "file that holds the token (else RINGWATCH_TOKEN holds it)", NULL},
	[RW_OPT_JSON] = {"json", FORM_FLAG, NULL, "print the collector's JSON", NULL},
	[RW_OPT_HELP] = {"help", FORM_FLAG, NULL, "this text", NULL},
	[RW_OPT_DEPLOYMENT] = {"deployment", FORM_NAME, "D", "the deployment", NULL},
	[RW_OPT_RING] = {"ring", FORM_NAME, "R", "the ring", NULL},
	[RW_OPT_HOST] = {"host", FORM_NAME, "H", "the host", NULL},
	[RW_OPT_FOR] = {"for", FORM_CHOICE, "QUESTION",
			"advance: may the rollout go on? enter: may one more host be exposed?",
			"advance|enter"},
	[RW_OPT_WAIT] = {"wait", FORM_FLAG, NULL, "ask until the verdict is proceed or abort",
			 NULL},
	[RW_OPT_TIMEOUT] = {"timeout", FORM_DURATION, "TIME",
			    "with --wait: give up after TIME, such as 48h (default: never)", NULL},
	[RW_OPT_STATE] = {"state", FORM_CHOICE, "STATE", "only hosts in this state",
			  "online|suspect|offline|planned|absent|unknown|retired"},
	[RW_OPT_KIND] = {"kind", FORM_NAME, "KIND", "only events of this kind, such as oops", NULL},
	[RW_OPT_SIGNATURE] = {"signature", FORM_TEXT, "TEXT", "only events with this signature",
			      NULL},
	[RW_OPT_SINCE] = {"since", FORM_TIME, "TIME",
			  "only later ones: 2h (ago) or 2024-07-19T04:09:00Z", NULL},
	[RW_OPT_UNTIL] = {"until", FORM_TIME, "TIME", "only earlier ones", NULL},
	[RW_OPT_LIMIT] = {"limit", FORM_UINT, "N", "at most N rows (default 100)", NULL},
	[RW_OPT_CURSOR] = {"cursor", FORM_TEXT, "CURSOR", "go on where a page ended (next_cursor)",
			   NULL},
	[RW_OPT_COMPONENT] = {"component", FORM_NAME, "C", "what is rolled out", NULL},
	[RW_OPT_VERSION] = {"version", FORM_TEXT, "V", "its version", NULL},
	[RW_OPT_EXPOSURE] = {"exposure", FORM_CHOICE, "MODE",
			     "fixed: every host enrolled in a ring when it starts; reported: as "
			     "hosts report the version",
			     "fixed|reported"},
	[RW_OPT_STEP] = {"step", FORM_UINT, "N", "the ring's step, from 1 (default 1)", NULL},
	[RW_OPT_REASON] = {"reason", FORM_TEXT, "TEXT", "why; it stands in the audit", NULL},
	[RW_OPT_DIR] = {"dir", FORM_PATH, "DIR", "the folder of the CA", NULL},
	[RW_OPT_TRUST_DOMAIN] = {"trust-domain", FORM_DOMAIN, "T",
				 "the SPIFFE trust domain, such as example.net", NULL},
	[RW_OPT_NAME] = {"name", FORM_NAME, "N", "its name", NULL},
	[RW_OPT_OUT] = {"out", FORM_PATH, "PATH", "where to write", NULL},
	[RW_OPT_VALID] = {"valid", FORM_DURATION, "TIME", "how long (default 365d)", NULL},
	[RW_OPT_ROLE] = {"role", FORM_CHOICE, "ROLE",
			 "read: ask; rollout: also create, start, finish; operator: everything",
			 "read|rollout|operator"},
	[RW_OPT_FILE] = {"file", FORM_PATH, "FILE", "the collector's tokens_file", NULL},
	[RW_OPT_WIDE] = {"wide", FORM_FLAG, NULL, "as --output wide", NULL},
	[RW_OPT_POLICY] = {"policy", FORM_PATH, "FILE", "judge by this policy file", NULL},
	[RW_OPT_CONFIG] = {"config", FORM_PATH, "FILE",
			   "a collector's file: judge by its timing, and by its policy without "
			   "--policy",
			   NULL},
	[RW_OPT_MATCH] = {"match", FORM_MATCH, "MATCH",
			  "with --exposure reported, whose version it is: kernel, marker:NAME or "
			  "module:NAME",
			  NULL},
	[RW_OPT_CA] = {"ca", FORM_PATH, "FILE",
		       "of an https:// URL: who signs the collector's certificate (else the "
		       "system's CAs)",
		       NULL},
	[RW_OPT_CERT] = {"cert", FORM_PATH, "FILE", "of an https:// URL: our own certificate",
			 NULL},
	[RW_OPT_KEY] = {"key", FORM_PATH, "FILE", "its key", NULL},
	[RW_OPT_SPAN] = {"for", FORM_SPAN, "TIME", "from now, such as 30m, at most 7d; 0s ends it",
			 NULL},
	[RW_OPT_HOLD] = {"for", FORM_DURATION, "TIME",
			 "how long the verdict is to say abort, 10s to 1h (default 2m)", NULL},
	[RW_OPT_EVERY] = {"every", FORM_DURATION, "TIME", "ask so often, 1s to 1m (default 1s)",
			  NULL},
	[RW_OPT_TIMES] = {"count", FORM_UINT, "N", "end after asking N times (default: never)",
			  NULL},
	[RW_OPT_OUTPUT] = {"output", FORM_CHOICE, "FORM",
			   "wide: further columns, for a wide terminal; json: the collector's JSON",
			   "table|wide|json"},
	[RW_OPT_STORE] =
		{"store", FORM_PATH, "FILE",
		 "the collector's store (default /var/lib/ringwatch-collector/collector.db)", NULL},
	[RW_OPT_VIEWS] = {"views", FORM_FLAG, NULL, "which views there are, with their columns",
			  NULL},
	[RW_OPT_WITHIN] = {"timeout", FORM_DURATION, "TIME",
			   "end a query that takes longer (default 30s)", NULL},
	[RW_OPT_ROWS] = {"limit", FORM_UINT, "N", "at most N rows (default 1000; with --json all)",
			 NULL},
	[RW_OPT_TARGET] = {"target", FORM_NAME, "T", "only of this webhook", NULL},
	[RW_OPT_TOLD_STATE] = {"state", FORM_CHOICE, "STATE", "only deliveries in this state",
			       "pending|delivered|dead|skipped"},
};

__attribute__((format(printf, 2, 3))) static int refuse(char error[RW_ARGS_ERROR_BYTES],
							const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, RW_ARGS_ERROR_BYTES, fmt, args);
	va_end(args);
	return -EINVAL;
}

struct shown {
	char text[WORD_SHOWN];
};

static struct shown show(const char *text)
{
	struct shown shown = {""};

	rw_text_escape(shown.text, sizeof(shown.text), text, strlen(text));
	return shown;
}

/* ---- forms ----------------------------------------------------------------- */

static bool is_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);

	for (const char *at = choices; at != NULL;) {
		const char *end = strchr(at, '|');
		size_t n = end == NULL ? strlen(at) : (size_t)(end - at);
		if (n == length && memcmp(at, value, n) == 0)
			return true;
		at = end == NULL ? NULL : end + 1;
	}
	return false;
}

static bool is_line(const char *value)
{
	size_t length = strlen(value);

	if (length == 0 || length > TEXT_MAX || !rw_text_is_clean(value, length))
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return false;
	return true;
}

/* NULL when the value is right, else what was expected. */
static const char *expected_instead(const struct option *option, const char *value)
{
	uint64_t number;

	switch (option->form) {
	case FORM_NAME:
		return rw_name_is_valid(value, strlen(value)) ? NULL : RW_NAME_EXPECTED;
	case FORM_TEXT:
		return is_line(value) ? NULL : "one line of 1 to 255 bytes";
	case FORM_PATH:
		return value[0] != '\0' ? NULL : "a path";
	case FORM_DURATION:
		return rw_units_parse_duration(value, &number) == 0 && number > 0
			       ? NULL
			       : RW_DURATION_EXPECTED;
	case FORM_UINT:
		return rw_units_parse_uint(value, &number) == 0 && number > 0 &&
				       number <= UINT32_MAX
			       ? NULL
			       : "a whole number from 1";
	case FORM_TIME:
		return rw_units_parse_duration(value, &number) == 0 ||
				       rw_clock_parse_wall(value, &number) == 0
			       ? NULL
			       : "a time such as 2h (ago) or 2024-07-19T04:09:00Z";
	case FORM_CHOICE:
		return is_choice(option->choices, value) ? NULL : option->choices;
	case FORM_DOMAIN:
		return rw_trust_domain_is_valid(value, strlen(value)) ? NULL
								      : RW_TRUST_DOMAIN_EXPECTED;
	case FORM_MATCH:
		return rw_match_fault(value);
	case FORM_SPAN:
		return rw_units_parse_duration(value, &number) == 0 && number <= SPAN_MAX_MS &&
				       number % 1000 == 0
			       ? NULL
			       : "whole seconds from 0s to 7d, such as 30m";
	case FORM_FLAG:
		break;
	}
	return NULL;
}

/* ---- parsing --------------------------------------------------------------- */

/* One name may be two commands' option, with another form: `command`'s goes first. */
static int find_option(const struct rw_command *command, const char *name, size_t length)
{
	int found = -1;

	for (int i = 0; i < RW_OPT_COUNT; i++) {
		if (strlen(options[i].name) != length || memcmp(options[i].name, name, length) != 0)
			continue;
		if (command != NULL && (command->allowed & 1ull << i) != 0)
			return i;
		if (found < 0)
			found = i;
	}
	return found;
}

static int take_ring(struct rw_args *out, const char *value, char error[RW_ARGS_ERROR_BYTES])
{
	if (out->ring_count == RW_ARGS_RINGS_MAX)
		return refuse(error, "--ring: more than %d", RW_ARGS_RINGS_MAX);
	for (uint32_t i = 0; i < out->ring_count; i++)
		if (strcmp(out->rings[i], value) == 0)
			return refuse(error, "--ring: %s is given twice", value);
	out->rings[out->ring_count++] = value;
	return 0;
}

/* Takes argv[*at], an option, and its value, which may be the next word. */
static int take_option(int argc, char **argv, int *at, const struct rw_command *command,
		       struct rw_args *out, char error[RW_ARGS_ERROR_BYTES])
{
	const char *word = argv[*at] + 2;
	size_t length = strcspn(word, "=");
	const char *value = word[length] == '=' ? word + length + 1 : NULL;
	int id = strcmp(argv[*at], "-h") == 0 ? RW_OPT_HELP : find_option(command, word, length);

	if (id < 0)
		/* Not what follows `=`: it might be a secret that somebody thought went here. */
		return refuse(error, "unknown option --%.*s", (int)strcspn(show(word).text, "="),
			      show(word).text);
	const struct option *option = &options[id];
	if (option->form == FORM_FLAG) {
		if (value != NULL)
			return refuse(error, "--%s: takes no value", option->name);
		out->value[id] = "";
		return 0;
	}
	if (value == NULL) {
		/* A value that begins with dashes is far more likely a forgotten one. */
		if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)
			return refuse(error, "--%s: needs a value, %s", option->name,
				      option->metavar);
		value = argv[++*at];
	}
	const char *expected = expected_instead(option, value);
	if (expected != NULL)
		return refuse(error, "--%s: '%s' is wrong, expected %s", option->name,
			      show(value).text, expected);
	if (id == RW_OPT_RING) {
		int err = take_ring(out, value, error);
		if (err != 0)
			return err;
		value = out->rings[0];
	} else if (out->value[id] != NULL) {
		return refuse(error, "--%s: given twice", option->name);
	}
	out->value[id] = value;
	return 0;
}

static const struct rw_command *find_command(const struct rw_command *commands, const char *words)
{
	for (const struct rw_command *c = commands; c->words != NULL; c++)
		if (strcmp(c->words, words) == 0)
			return c;
	return NULL;
}

/* Whether some command begins with these words: then the rest is missing, not wrong. */
static bool is_beginning(const struct rw_command *commands, const char *words)
{
	size_t length = strlen(words);

	for (const struct rw_command *c = commands; c->words != NULL; c++)
		if (strncmp(c->words, words, length) == 0 && c->words[length] == ' ')
			return true;
	return false;
}

static int refuse_command(const struct rw_command *commands, const char *words,
			  char error[RW_ARGS_ERROR_BYTES])
{
	size_t length = strlen(words);
	char which[RW_ARGS_ERROR_BYTES / 2] = "";
	size_t used = 0;

	if (words[0] == '\0')
		return refuse(error, "which command? `ringwatch --help` lists them");
	if (!is_beginning(commands, words))
		return refuse(error, "unknown command '%s'; `ringwatch --help` lists them",
			      show(words).text);
	for (const struct rw_command *c = commands; c->words != NULL && used < sizeof(which); c++)
		if (strncmp(c->words, words, length) == 0 && c->words[length] == ' ')
			used += (size_t)snprintf(which + used, sizeof(which) - used, "%s%s",
						 used == 0 ? "" : ", ", c->words + length + 1);
	return refuse(error, "%s: which one? %s", words, which);
}

static int check_options(const struct rw_args *args, char error[RW_ARGS_ERROR_BYTES])
{
	const struct rw_command *command = args->command;

	for (int i = 0; i < RW_OPT_COUNT; i++) {
		bool given = args->value[i] != NULL;
		if (given && i != RW_OPT_HELP && (command->allowed & 1ull << i) == 0)
			return refuse(error, "`ringwatch %s` takes no --%s", command->words,
				      options[i].name);
		if (!given && (command->required & 1ull << i) != 0 &&
		    args->value[RW_OPT_HELP] == NULL)
			return refuse(error, "--%s %s is missing; see `ringwatch %s --help`",
				      options[i].name, options[i].metavar, command->words);
	}
	if (rw_args_has(args, RW_OPT_JSON) + rw_args_has(args, RW_OPT_WIDE) +
		    rw_args_has(args, RW_OPT_OUTPUT) >
	    1)
		return refuse(error, "one of --json, --wide and --output is enough");
	if (args->ring_count > 1 && !command->many_rings)
		return refuse(error, "--ring: given twice");
	if (command->operand != NULL && !command->operand_is_optional && args->operand == NULL &&
	    args->value[RW_OPT_HELP] == NULL)
		return refuse(error, "%s is missing; see `ringwatch %s --help`", command->operand,
			      command->words);
	if (command->operand_choices != NULL && args->operand != NULL &&
	    !is_choice(command->operand_choices, args->operand))
		return refuse(error, "%s: '%s' is wrong, expected %s", command->operand,
			      show(args->operand).text, command->operand_choices);
	return 0;
}

static bool is_option(const char *word)
{
	return strncmp(word, "--", 2) == 0 || strcmp(word, "-h") == 0;
}

/* How many words an option takes up, itself included. */
static int option_words(int argc, char **argv, int at)
{
	size_t length = strcspn(argv[at], "=");
	int id = length < 2 ? -1 : find_option(NULL, argv[at] + 2, length - 2);
	bool alone = id < 0 || options[id].form == FORM_FLAG || argv[at][length] == '=' ||
		     at + 1 >= argc || strncmp(argv[at + 1], "--", 2) == 0;

	return alone ? 1 : 2;
}

/* The words that are no options, the operand, and the command that they name, if any. */
static int take_words(int argc, char **argv, const struct rw_command *commands, struct rw_args *out,
		      char words[WORDS_BYTES], char error[RW_ARGS_ERROR_BYTES])
{
	size_t used = 0;

	words[0] = '\0';
	for (int i = 1; i < argc;) {
		if (is_option(argv[i])) {
			i += option_words(argc, argv, i);
			continue;
		}
		const char *word = argv[i++];
		const struct rw_command *found = find_command(commands, words);
		if (found != NULL && found->operand != NULL && out->operand == NULL) {
			out->operand = word;
			continue;
		}
		int n = snprintf(words + used, WORDS_BYTES - used, "%s%s", used == 0 ? "" : " ",
				 word);
		if (n < 0 || (size_t)n >= WORDS_BYTES - used)
			return refuse(error, "unknown command '%s…'", show(words).text);
		used += (size_t)n;
	}
	out->command = find_command(commands, words);
	return 0;
}

int rw_args_parse(int argc, char **argv, const struct rw_command *commands, struct rw_args *out,
		  char error[RW_ARGS_ERROR_BYTES])
{
	struct rw_args args = {0};
	char words[WORDS_BYTES];
	int err = take_words(argc, argv, commands, &args, words, error);

	for (int i = 1; err == 0 && i < argc; i++) {
		if (is_option(argv[i]))
			err = take_option(argc, argv, &i, args.command, &args, error);
	}
	if (err != 0)
		return err;
	if (args.command == NULL && args.value[RW_OPT_HELP] == NULL)
		return refuse_command(commands, words, error);
	if (args.command != NULL)
		err = check_options(&args, error);
	if (err == 0)
		*out = args;
	return err;
}

static bool has_output(const struct rw_args *args, const char *form)
{
	return rw_args_has(args, RW_OPT_OUTPUT) && strcmp(args->value[RW_OPT_OUTPUT], form) == 0;
}

bool rw_args_wants_json(const struct rw_args *args)
{
	return rw_args_has(args, RW_OPT_JSON) || has_output(args, "json");
}

bool rw_args_wants_wide(const struct rw_args *args)
{
	return rw_args_has(args, RW_OPT_WIDE) || has_output(args, "wide");
}

uint64_t rw_args_number(const struct rw_args *args, enum rw_option option, uint64_t otherwise)
{
	uint64_t number;

	if (args->value[option] == NULL || rw_units_parse_uint(args->value[option], &number) != 0)
		return otherwise;
	return number;
}

uint64_t rw_args_duration_ms(const struct rw_args *args, enum rw_option option, uint64_t otherwise)
{
	uint64_t ms;

	if (args->value[option] == NULL || rw_units_parse_duration(args->value[option], &ms) != 0)
		return otherwise;
	return ms;
}

struct rw_option_told rw_args_tell(enum rw_option option)
{
	const struct option *of = &options[option];
	struct rw_option_told told = {
		.name = of->name,
		.help = of->help,
		.choices = of->choices,
		.takes = RW_TAKES_TEXT,
	};

	if (of->form == FORM_FLAG)
		told.takes = RW_TAKES_NOTHING;
	else if (of->form == FORM_PATH)
		told.takes = RW_TAKES_PATH;
	else if (of->form == FORM_CHOICE)
		told.takes = RW_TAKES_CHOICE;
	else if (option == RW_OPT_RING)
		told.takes = RW_TAKES_RING;
	else if (option == RW_OPT_DEPLOYMENT)
		told.takes = RW_TAKES_DEPLOYMENT;
	return told;
}

/* ---- help ------------------------------------------------------------------ */

void rw_args_print_commands(FILE *to, const struct rw_command *commands)
{
	fputs("Usage: ringwatch COMMAND [OPTION …]\n"
	      "\n"
	      "Asks a collector whether a rollout may go on, and says what it knows of rings,\n"
	      "hosts and deployments; makes keys and tokens; reads kernel logs.\n"
	      "\n",
	      to);
	for (const struct rw_command *c = commands; c->words != NULL; c++)
		fprintf(to, "  %-20s %s\n", c->words, c->summary);
	fputs("\n"
	      "`ringwatch COMMAND --help` lists a command's options; `ringwatch --version` tells\n"
	      "program and schemas. Exit status: 0 done, 1 could not be done, 2 usage; `verdict`:\n"
	      "0 proceed, 10 hold, 20 abort.\n",
	      to);
}

static void print_option(FILE *to, const struct option *option)
{
	char left[48];

	snprintf(left, sizeof(left), "--%s%s%s", option->name, option->metavar == NULL ? "" : " ",
		 option->metavar == NULL ? "" : option->metavar);
	fprintf(to, "  %-20s %s", left, option->help);
	if (option->choices != NULL)
		fprintf(to, " [%s]", option->choices);
	fputc('\n', to);
}

void rw_args_print_help(FILE *to, const struct rw_command *command)
{
	fprintf(to, "Usage: ringwatch %s", command->words);
	for (int i = 0; i < RW_OPT_COUNT; i++)
		if ((command->required & 1ull << i) != 0)
			fprintf(to, " --%s %s", options[i].name, options[i].metavar);
	if (command->operand != NULL)
		fprintf(to, command->operand_is_optional ? " [%s]" : " %s", command->operand);
	if (command->many_rings)
		fputs(" [--ring R …]", to);
	if ((command->allowed & ~command->required) != 0)
		fputs(" [OPTION …]", to);
	fprintf(to, "\n\n%s.\n", command->summary);
	if (command->more != NULL)
		fprintf(to, "%s\n", command->more);
	if (command->operand_choices != NULL)
		fprintf(to, "%s is one of %s.\n", command->operand, command->operand_choices);
	fputc('\n', to);
	for (int i = 0; i < RW_OPT_COUNT; i++)
		if ((command->allowed & 1ull << i) != 0)
			print_option(to, &options[i]);
	print_option(to, &options[RW_OPT_HELP]);
}
