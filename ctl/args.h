/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of `ringwatch`: words that name a command, and long options
 * in any order around them (`--name VALUE` or `--name=VALUE`). Every option is
 * known by one table, with the form of its value, so that a wrong one is
 * refused before anything is asked or made.
 */
#ifndef RINGWATCH_CTL_ARGS_H
#define RINGWATCH_CTL_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum rw_option {
	RW_OPT_URL,
	RW_OPT_TOKEN_FILE,
	RW_OPT_JSON,
	RW_OPT_HELP,
	RW_OPT_DEPLOYMENT,
	RW_OPT_RING,
	RW_OPT_HOST,
	RW_OPT_FOR,
	RW_OPT_WAIT,
	RW_OPT_TIMEOUT,
	RW_OPT_STATE,
	RW_OPT_KIND,
	RW_OPT_SIGNATURE,
	RW_OPT_SINCE,
	RW_OPT_UNTIL,
	RW_OPT_LIMIT,
	RW_OPT_CURSOR,
	RW_OPT_COMPONENT,
	RW_OPT_VERSION,
	RW_OPT_EXPOSURE,
	RW_OPT_STEP,
	RW_OPT_REASON,
	RW_OPT_DIR,
	RW_OPT_TRUST_DOMAIN,
	RW_OPT_NAME,
	RW_OPT_OUT,
	RW_OPT_VALID,
	RW_OPT_ROLE,
	RW_OPT_FILE,
	RW_OPT_WIDE,
	RW_OPT_POLICY,
	RW_OPT_CONFIG,
	RW_OPT_MATCH,
	RW_OPT_SPAN, /* --for of `host maintenance`; RW_OPT_FOR is that of `verdict` */
	RW_OPT_HOLD, /* --for of `drill` */
	RW_OPT_EVERY,
	RW_OPT_TIMES, /* --count */
	RW_OPT_OUTPUT,
	RW_OPT_STORE,
	RW_OPT_VIEWS,
	RW_OPT_WITHIN, /* --timeout of `sql` */
	RW_OPT_ROWS,   /* --limit of `sql` */
	RW_OPT_CA,
	RW_OPT_CERT,
	RW_OPT_KEY,
	RW_OPT_TARGET,
	RW_OPT_TOLD_STATE, /* --state of `deliveries` */
	RW_OPT_COUNT
};
#define RW_OPT(name) (1ull << RW_OPT_##name)
/* Of every command that asks the collector. */
#define RW_OPT_CLIENT (RW_OPT(URL) | RW_OPT(TOKEN_FILE) | RW_OPT(CA) | RW_OPT(CERT) | RW_OPT(KEY))

enum { RW_ARGS_RINGS_MAX = 32, RW_ARGS_WORDS_MAX = 3, RW_ARGS_ERROR_BYTES = 256 };

struct rw_args;

struct rw_command {
	const char *words;   /* "deploy create" */
	const char *summary; /* one line */
	const char *more;    /* paragraphs for --help, or NULL */
	uint64_t allowed;    /* RW_OPT() bits; --help always is */
	uint64_t required;
	const char *operand;         /* "FILE": the one word that must follow; or NULL */
	const char *operand_choices; /* "a|b|c" when it is one of these; else NULL */
	bool operand_is_optional;
	bool many_rings;                        /* --ring may be given more than once */
	int (*run)(const struct rw_args *args); /* returns the exit status */
};

struct rw_args {
	const struct rw_command *command;
	const char *operand;             /* NULL: not given */
	const char *value[RW_OPT_COUNT]; /* NULL: not given; a flag's is "" */
	uint32_t ring_count;             /* every --ring; value[RW_OPT_RING] is the first */
	const char *rings[RW_ARGS_RINGS_MAX];
};

/*
 * Fills `out`, which points into argv. `commands` ends with words == NULL. 0,
 * or -EINVAL with one line in `error`. With --help what is missing is no error.
 */
int rw_args_parse(int argc, char **argv, const struct rw_command *commands, struct rw_args *out,
		  char error[RW_ARGS_ERROR_BYTES]);

static inline bool rw_args_has(const struct rw_args *args, enum rw_option option)
{
	return args->value[option] != NULL;
}

/* --json or --output json; --wide or --output wide. Parsing let through one of them at most. */
bool rw_args_wants_json(const struct rw_args *args);
bool rw_args_wants_wide(const struct rw_args *args);

/* What parse() has checked already, as a number. */
uint64_t rw_args_number(const struct rw_args *args, enum rw_option option, uint64_t otherwise);
uint64_t rw_args_duration_ms(const struct rw_args *args, enum rw_option option, uint64_t otherwise);

/* What may be said of an option from outside: for completion. */
enum rw_option_takes {
	RW_TAKES_NOTHING,
	RW_TAKES_TEXT,
	RW_TAKES_PATH,
	RW_TAKES_CHOICE,
	RW_TAKES_RING,
	RW_TAKES_DEPLOYMENT,
};
struct rw_option_told {
	const char *name; /* without dashes */
	const char *help;
	const char *choices; /* RW_TAKES_CHOICE: "a|b|c" */
	enum rw_option_takes takes;
};
struct rw_option_told rw_args_tell(enum rw_option option);

/* `ringwatch --help`, and `ringwatch COMMAND --help`. */
void rw_args_print_commands(FILE *to, const struct rw_command *commands);
void rw_args_print_help(FILE *to, const struct rw_command *command);

#endif
