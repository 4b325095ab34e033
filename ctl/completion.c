/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringwatch completion`: scripts for shells, made from the tables of commands
 * and options, so that they know what this very program takes; and the names
 * that the scripts ask for while somebody types.
 */
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/view.h"
#include "lib/name.h"

enum { NAMES_MS = 300, WORD_BYTES = 64 };

/* ---- the tables ------------------------------------------------------------ */

struct word {
	char text[WORD_BYTES];
};

/* The word of `command` that follows `prefix`; "" when it does not begin with it. */
static struct word word_after(const struct rw_command *command, const char *prefix)
{
	size_t length = strlen(prefix);
	const char *rest = command->words;
	struct word word = {""};

	if (length > 0 && (strncmp(rest, prefix, length) != 0 || rest[length] != ' '))
		return word;
	rest += length > 0 ? length + 1 : 0;
	snprintf(word.text, sizeof(word.text), "%.*s", (int)strcspn(rest, " "), rest);
	return word;
}

/* Whether an earlier command already gave that word behind `prefix`. */
static bool was_before(const struct rw_command *command, const char *prefix)
{
	struct word word = word_after(command, prefix);

	for (const struct rw_command *c = rw_commands; c != command; c++)
		if (strcmp(word_after(c, prefix).text, word.text) == 0)
			return true;
	return false;
}

/* Beginnings of commands, each once, "" first: what words may follow them is asked of words_of().
 */
static bool is_prefix_new(const struct rw_command *command, size_t length)
{
	for (const struct rw_command *c = rw_commands; c != command; c++)
		if (strncmp(c->words, command->words, length) == 0 && c->words[length] == ' ')
			return false;
	return true;
}

typedef void prefix_fn(const char *prefix);

/* The beginnings of commands that are none yet, each once, "" first. */
static void each_prefix(prefix_fn *print)
{
	print("");
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++)
		for (size_t i = 0; c->words[i] != '\0'; i++) {
			char prefix[WORD_BYTES];
			if (c->words[i] != ' ' || !is_prefix_new(c, i))
				continue;
			snprintf(prefix, sizeof(prefix), "%.*s", (int)i, c->words);
			print(prefix);
		}
}

static void print_choices(const char *choices)
{
	for (const char *at = choices; *at != '\0'; at++)
		putchar(*at == '|' ? ' ' : *at);
}

static bool takes(const struct rw_command *command, int option)
{
	return option == RW_OPT_HELP || (command->allowed & 1ull << option) != 0;
}

/* The options that say which collector to ask, and how. */
static void print_client_options(const char *separator, const char *quote, const char *end)
{
	const char *before = "";

	for (int i = 0; i < RW_OPT_COUNT; i++)
		if ((RW_OPT_CLIENT & 1ull << i) != 0) {
			printf("%s%s--%s%s%s", before, quote, rw_args_tell((enum rw_option)i).name,
			       end, quote);
			before = separator;
		}
}

/* Names of options that take a value, "--url|--ring|…": what follows them is no command. */
static void print_value_options(const char *separator)
{
	const char *before = "";

	for (int i = 0; i < RW_OPT_COUNT; i++) {
		struct rw_option_told told = rw_args_tell((enum rw_option)i);
		bool again = false;
		for (int k = 0; k < i; k++)
			again |= strcmp(rw_args_tell((enum rw_option)k).name, told.name) == 0;
		if (told.takes == RW_TAKES_NOTHING || again)
			continue;
		printf("%s--%s", before, told.name);
		before = separator;
	}
}

/* ---- bash and zsh ---------------------------------------------------------- */

/* `'deploy') …=(create start)` */
static void print_words_case(const char *prefix)
{
	printf("\t'%s') reply=(", prefix);
	const char *before = "";
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++) {
		struct word word = word_after(c, prefix);
		if (word.text[0] == '\0' || was_before(c, prefix))
			continue;
		printf("%s%s", before, word.text);
		before = " ";
	}
	fputs(") ;;\n", stdout);
}

static void print_operand_cases(void)
{
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++) {
		if (c->operand == NULL)
			continue;
		printf("\t'%s') ", c->words);
		if (c->operand_choices != NULL) {
			fputs("reply=(", stdout);
			print_choices(c->operand_choices);
			fputs(") ;;\n", stdout);
		} else {
			fputs(strncmp(c->operand, "FILE", 4) == 0 ? "files=1 ;;\n" : ";;\n",
			      stdout);
		}
	}
}

static void print_option_cases(void)
{
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++) {
		const char *before = "";
		printf("\t'%s') reply=(", c->words);
		for (int i = 0; i < RW_OPT_COUNT; i++)
			if (takes(c, i)) {
				printf("%s--%s", before, rw_args_tell((enum rw_option)i).name);
				before = " ";
			}
		fputs(") ;;\n", stdout);
	}
	fputs("\t'') reply=(--help --version) ;;\n", stdout);
}

/* What may stand behind `--name` of a command. */
static void print_value_cases(void)
{
	for (int i = 0; i < RW_OPT_COUNT; i++) {
		struct rw_option_told told = rw_args_tell((enum rw_option)i);
		const char *before = "\t";
		if (told.takes == RW_TAKES_NOTHING || told.takes == RW_TAKES_TEXT)
			continue;
		for (const struct rw_command *c = rw_commands; c->words != NULL; c++) {
			if (!takes(c, i))
				continue;
			printf("%s'%s --%s'", before, c->words, told.name);
			before = "|";
		}
		if (before[0] == '\t')
			continue; /* of no command */
		if (told.takes == RW_TAKES_PATH) {
			fputs(") files=1 ;;\n", stdout);
		} else if (told.takes == RW_TAKES_CHOICE) {
			fputs(") reply=(", stdout);
			print_choices(told.choices);
			fputs(") ;;\n", stdout);
		} else {
			printf(") reply=($(\"$program\" completion %s \"${asks[@]}\" 2>/dev/null)) "
			       ";;\n",
			       told.takes == RW_TAKES_RING ? "rings" : "deployments");
		}
	}
}

/* What both shells do alike: from `given`, the words before the one that is typed, and
 * `current`, to `reply` and `files`. Names are asked of the collector that the line names. */
static void print_finder(void)
{
	fputs("# Finds what may follow the words in `given`, into `reply` (words) and `files`.\n"
	      "_ringwatch_find() {\n"
	      "\tlocal command='' operand='' word expects=''\n"
	      "\tlocal -a asks\n"
	      "\tasks=() reply=() files=''\n"
	      "\tfor word in \"${given[@]}\"; do\n"
	      "\t\tif [[ -n $expects ]]; then\n"
	      "\t\t\tcase $expects in\n"
	      "\t\t\t",
	      stdout);
	print_client_options("|", "", "");
	fputs(") asks+=(\"$expects\" \"${word/#\\~\\//$HOME/}\") ;;\n"
	      "\t\t\tesac\n"
	      "\t\t\texpects=''\n"
	      "\t\t\tcontinue\n"
	      "\t\tfi\n"
	      "\t\tcase $word in\n"
	      "\t\t",
	      stdout);
	print_client_options("|", "", "=*");
	fputs(") asks+=(\"$word\") ;;\n"
	      "\t\t",
	      stdout);
	print_value_options("|");
	fputs(") expects=$word ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*)\n"
	      "\t\t\tif _ringwatch_has_operand \"$command\"; then operand=$word\n"
	      "\t\t\telse command=\"$command${command:+ }$word\"; fi ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tif [[ -n $expects ]]; then\n"
	      "\t\tcase \"$command $expects\" in\n",
	      stdout);
	print_value_cases();
	fputs("\t\tesac\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [[ $current == -* ]]; then\n"
	      "\t\tcase $command in\n",
	      stdout);
	print_option_cases();
	fputs("\t\tesac\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\t[[ -z $operand ]] || return\n"
	      "\tcase $command in\n",
	      stdout);
	each_prefix(print_words_case);
	print_operand_cases();
	fputs("\tesac\n"
	      "}\n"
	      "\n"
	      "_ringwatch_has_operand() {\n"
	      "\tcase $1 in\n"
	      "\t",
	      stdout);
	const char *before = "";
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++)
		if (c->operand != NULL) {
			printf("%s'%s'", before, c->words);
			before = "|";
		}
	fputs(") return 0 ;;\n"
	      "\tesac\n"
	      "\treturn 1\n"
	      "}\n"
	      "\n",
	      stdout);
}

static void print_bash(void)
{
	fputs("# bash completion of ringwatch; made by `ringwatch completion bash`.\n\n", stdout);
	print_finder();
	fputs("_ringwatch() {\n"
	      "\tlocal current=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} files word "
	      "glue=''\n"
	      "\tlocal -a reply given\n"
	      "\tgiven=()\n"
	      "\t# Readline takes --ring=a for three words, and http://host for three, too.\n"
	      "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	      "\t\tif [[ $word == : || -n $glue ]]; then\n"
	      "\t\t\tglue=${word#\"${word%:}\"}\n"
	      "\t\t\tgiven[${#given[@]}-1]+=$word\n"
	      "\t\telif [[ $word != = ]]; then\n"
	      "\t\t\tgiven+=(\"$word\")\n"
	      "\t\tfi\n"
	      "\tdone\n"
	      "\t[[ $current != = ]] || current=''\n"
	      "\t_ringwatch_find\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [[ -n $files ]]; then\n"
	      "\t\tcompopt -o filenames 2>/dev/null\n"
	      "\t\twhile IFS= read -r word; do COMPREPLY+=(\"$word\"); done < "
	      "<(compgen -f -- \"$current\")\n"
	      "\tfi\n"
	      "\tfor word in \"${reply[@]}\"; do\n"
	      "\t\t[[ $word != \"$current\"* ]] || COMPREPLY+=(\"$word\")\n"
	      "\tdone\n"
	      "}\n"
	      "\n"
	      "complete -F _ringwatch ringwatch\n",
	      stdout);
}

static void print_zsh(void)
{
	fputs("#compdef ringwatch\n"
	      "# zsh completion of ringwatch; made by `ringwatch completion zsh`.\n\n",
	      stdout);
	print_finder();
	fputs("_ringwatch() {\n"
	      "\tlocal current=${words[CURRENT]} program=${words[1]} files\n"
	      "\tlocal -a reply given\n"
	      "\tgiven=(\"${(@)words[2,CURRENT-1]}\")\n"
	      "\tif [[ $current == --*=* ]]; then\n"
	      "\t\tgiven+=(\"${current%%=*}\")\n"
	      "\t\tcompset -P '--*='\n"
	      "\t\tcurrent=${current#*=}\n"
	      "\tfi\n"
	      "\t_ringwatch_find\n"
	      "\t[[ -z $files ]] || _files\n"
	      "\tcompadd -- \"${reply[@]}\"\n"
	      "}\n"
	      "\n"
	      "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
	      "\t_ringwatch \"$@\"\n"
	      "else\n"
	      "\tcompdef _ringwatch ringwatch\n"
	      "fi\n",
	      stdout);
}

/* ---- fish ------------------------------------------------------------------ */

/* In single quotes, where fish knows \' and \\ alone. */
static void print_fish_quoted(const char *text)
{
	putchar('\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

static void print_fish_words(const char *prefix)
{
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++) {
		struct word word = word_after(c, prefix);
		size_t length = strlen(prefix) + (prefix[0] == '\0' ? 0 : 1) + strlen(word.text);
		if (word.text[0] == '\0' || was_before(c, prefix))
			continue;
		printf("complete -c ringwatch -f -n '__ringwatch_is \"%s\"' -a %s", prefix,
		       word.text);
		if (c->words[length] == '\0') {
			fputs(" -d ", stdout);
			print_fish_quoted(c->summary);
		}
		putchar('\n');
	}
}

static void print_fish_option(const struct rw_command *command, int option)
{
	struct rw_option_told told = rw_args_tell((enum rw_option)option);

	printf("complete -c ringwatch -n '__ringwatch_is \"%s\"' -l %s -d ", command->words,
	       told.name);
	print_fish_quoted(told.help);
	switch (told.takes) {
	case RW_TAKES_NOTHING:
		fputs(" -f", stdout);
		break;
	case RW_TAKES_TEXT:
		fputs(" -x", stdout);
		break;
	case RW_TAKES_PATH:
		fputs(" -r -F", stdout);
		break;
	case RW_TAKES_CHOICE:
		fputs(" -x -a '", stdout);
		print_choices(told.choices);
		putchar('\'');
		break;
	case RW_TAKES_RING:
	case RW_TAKES_DEPLOYMENT:
		printf(" -x -a '(__ringwatch_names %s)'",
		       told.takes == RW_TAKES_RING ? "rings" : "deployments");
		break;
	}
	putchar('\n');
}

static void print_fish_command(const struct rw_command *command)
{
	for (int i = 0; i < RW_OPT_COUNT; i++)
		if (takes(command, i))
			print_fish_option(command, i);
	if (command->operand == NULL)
		return;
	printf("complete -c ringwatch -n '__ringwatch_is \"%s\" alone'", command->words);
	if (command->operand_choices != NULL) {
		fputs(" -f -a '", stdout);
		print_choices(command->operand_choices);
		puts("'");
	} else {
		puts(strncmp(command->operand, "FILE", 4) == 0 ? " -F" : " -f");
	}
}

static void print_fish(void)
{
	fputs("# fish completion of ringwatch; made by `ringwatch completion fish`.\n"
	      "\n"
	      "# Whether the words before the one that is typed are this command; with `alone`, "
	      "and\n"
	      "# its operand is not among them.\n"
	      "function __ringwatch_is\n"
	      "    set -l words\n"
	      "    set -l operand 0\n"
	      "    set -l expects 0\n"
	      "    for word in (commandline -opc)[2..-1]\n"
	      "        if test $expects = 1\n"
	      "            set expects 0\n"
	      "            continue\n"
	      "        end\n"
	      "        switch $word\n"
	      "            case ",
	      stdout);
	print_value_options(" ");
	fputs("\n"
	      "                set expects 1\n"
	      "            case '-*'\n"
	      "            case '*'\n"
	      "                switch \"$words\"\n"
	      "                    case",
	      stdout);
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++)
		if (c->operand != NULL)
			printf(" '%s'", c->words);
	fputs("\n"
	      "                        set operand 1\n"
	      "                    case '*'\n"
	      "                        set -a words $word\n"
	      "                end\n"
	      "        end\n"
	      "    end\n"
	      "    test \"$words\" = \"$argv[1]\"\n"
	      "    and test \"$argv[2]$operand\" != alone1\n"
	      "end\n"
	      "\n"
	      "# Asks the collector that the line names.\n"
	      "function __ringwatch_names\n"
	      "    set -l words (commandline -opc)\n"
	      "    set -l asks\n"
	      "    for i in (seq (count $words))\n"
	      "        switch $words[$i]\n"
	      "            case ",
	      stdout);
	print_client_options(" ", "'", "=*");
	fputs("\n"
	      "                set -a asks $words[$i]\n"
	      "            case ",
	      stdout);
	print_client_options(" ", "", "");
	fputs("\n"
	      "                set -a asks $words[$i] $words[(math $i + 1)]\n"
	      "        end\n"
	      "    end\n"
	      "    $words[1] completion $argv[1] $asks 2>/dev/null\n"
	      "end\n"
	      "\n"
	      "complete -c ringwatch -f -n '__ringwatch_is \"\"' -l help -d 'this text'\n"
	      "complete -c ringwatch -f -n '__ringwatch_is \"\"' -l version -d 'program and "
	      "schemas'\n",
	      stdout);
	each_prefix(print_fish_words);
	for (const struct rw_command *c = rw_commands; c->words != NULL; c++)
		print_fish_command(c);
}

/* ---- names ----------------------------------------------------------------- */

/* What is no name is left out: a shell would take it for its own language. */
static int print_names(const struct rw_args *args, const char *list, const char *key)
{
	char error[RW_CLIENT_ERROR_BYTES];
	char address[32];
	struct rw_client *client;
	struct rw_reply reply = {0};

	int err = rw_client_new(args, &client, error);
	if (err != 0)
		return rw_ctl_fail_client(err, error);
	snprintf(address, sizeof(address), "/v1/%s", list);
	int status = RW_CTL_DONE;
	if (!rw_client_hurry(client, NAMES_MS) ||
	    rw_client_ask(client, address, NULL, &reply, error) != 0)
		status = rw_ctl_fail("%s", error);
	const json_t *rows = json_object_get(reply.json, list);
	for (size_t i = 0; status == RW_CTL_DONE && i < json_array_size(rows); i++) {
		const char *name = rw_view_text(json_array_get(rows, i), key);
		if (rw_name_is_valid(name, strlen(name)))
			puts(name);
	}
	rw_reply_release(&reply);
	rw_client_free(client);
	return status;
}

int rw_completion_run(const struct rw_args *args)
{
	if (strcmp(args->operand, "rings") == 0)
		return print_names(args, "rings", "ring");
	if (strcmp(args->operand, "deployments") == 0)
		return print_names(args, "deployments", "deployment");
	if (strcmp(args->operand, "bash") == 0)
		print_bash();
	else if (strcmp(args->operand, "zsh") == 0)
		print_zsh();
	else
		print_fish();
	return RW_CTL_DONE;
}
