/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a query; see promql.h. Works in place on a copy: what an escape stands for is
 * never longer than the escape.
 */
#include "collector/api/promql.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/series.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS "0123456789"

struct reader {
	struct rw_promql *out;
	char *at;
	char *error;
};

static int refuse(const struct reader *in, const char *expected)
{
	snprintf(in->error, RW_PROMQL_ERROR_BYTES, "parse error at char %zu: expected %s",
		 (size_t)(in->at - in->out->text) + 1, expected);
	return -EINVAL;
}

static void skip_blanks(struct reader *in)
{
	in->at += strspn(in->at, " \t\r\n");
}

static bool take(struct reader *in, char c)
{
	skip_blanks(in);
	if (*in->at != c)
		return false;
	in->at++;
	return true;
}

/* A name of letters, digits and `others`; its length, or 0. Not ended with a NUL yet. */
static size_t name_length(const char *text, const char *others)
{
	char all[sizeof(LETTERS DIGITS) + 4];

	snprintf(all, sizeof(all), LETTERS DIGITS "%s", others);
	return strchr(DIGITS, *text) != NULL ? 0 : strspn(text, all);
}

/* ---- strings ------------------------------------------------------------------------ */

/* What follows a backslash; 0: none that we know. */
static char unescaped(char c)
{
	switch (c) {
	case '\\':
	case '"':
	case '\'':
		return c;
	case 'n':
		return '\n';
	case 't':
		return '\t';
	default:
		return '\0';
	}
}

static int take_string(struct reader *in, const char **value)
{
	skip_blanks(in);

	char quote = *in->at;
	char *to = in->at + 1;

	if (quote != '"' && quote != '\'' && quote != '`')
		return refuse(in, "a string in quotes");
	*value = to;
	for (in->at++; *in->at != quote; in->at++) {
		if (*in->at == '\0')
			return refuse(in, "the end of the string");
		if (*in->at == '\\' && quote != '`') {
			char c = unescaped(in->at[1]);

			if (c == '\0')
				return refuse(in, "one of the escapes \\\\ \\\" \\' \\n \\t");
			in->at++;
			*to++ = c;
		} else {
			*to++ = *in->at;
		}
	}
	in->at++;
	*to = '\0'; /* at the closing quote or before */
	return 0;
}

/* ---- a selector ---------------------------------------------------------------------- */

/* NAME="VALUE"; `__name__` names the series. */
static int take_matcher(struct reader *in)
{
	struct rw_promql *out = in->out;

	skip_blanks(in);
	char *name = in->at;
	size_t length = name_length(name, "");
	if (length == 0)
		return refuse(in, "a label's name");
	in->at += length;
	if (!take(in, '='))
		return refuse(in, "=, the only comparison of labels here");
	if (*in->at == '~')
		return refuse(in, "a string: labels are compared by = alone");
	const char *value = NULL;
	int err = take_string(in, &value);
	if (err != 0)
		return err;
	name[length] = '\0'; /* where a blank or the = stood */
	if (strcmp(name, "__name__") == 0) {
		if (out->series != NULL)
			return refuse(in, "one name of the series");
		out->series = value;
		return 0;
	}
	if (out->matcher_count == RW_PROMQL_MATCHERS_MAX)
		return refuse(in, "fewer labels");
	out->matchers[out->matcher_count++] = (struct rw_promql_matcher){name, value};
	return 0;
}

static int take_matchers(struct reader *in)
{
	while (!take(in, '}')) {
		int err = take_matcher(in);

		if (err != 0)
			return err;
		skip_blanks(in);
		if (!take(in, ',') && *in->at != '}')
			return refuse(in, ", or }");
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------- */

static int take_number(struct reader *in)
{
	char *end;

	if (!take(in, '('))
		return refuse(in, "(");
	skip_blanks(in);
	if (*in->at == '\0' || strchr(DIGITS "+-.", *in->at) == NULL)
		return refuse(in, "a number");
	in->out->number = strtod(in->at, &end);
	if (end == in->at || !isfinite(in->out->number))
		return refuse(in, "a number");
	in->at = end;
	return take(in, ')') ? 0 : refuse(in, ")");
}

static int take_selector(struct reader *in, char *name, size_t length)
{
	int err = 0;

	in->out->series = length == 0 ? NULL : name;
	bool labelled = take(in, '{');
	if (labelled)
		err = take_matchers(in);
	else if (length == 0)
		return refuse(in, "the name of a series, or vector(1)");
	if (err == 0 && in->out->series == NULL)
		return refuse(in, "the name of a series");
	return err;
}

int rw_promql_parse(const char *text, struct rw_promql *out, char error[RW_PROMQL_ERROR_BYTES])
{
	struct reader in = {.out = out, .at = out->text, .error = error};
	size_t size = strnlen(text, RW_PROMQL_TEXT_MAX + 1);

	out->is_vector = false;
	out->series = NULL;
	out->matcher_count = 0;
	if (size > RW_PROMQL_TEXT_MAX) {
		snprintf(error, RW_PROMQL_ERROR_BYTES, "the query is longer than %d bytes",
			 RW_PROMQL_TEXT_MAX);
		return -EINVAL;
	}
	memcpy(out->text, text, size + 1);
	skip_blanks(&in);
	char *name = in.at;
	size_t length = name_length(name, ":");
	in.at += length;
	out->is_vector = length == 6 && memcmp(name, "vector", 6) == 0;
	int err = out->is_vector ? take_number(&in) : take_selector(&in, name, length);
	skip_blanks(&in);
	if (err == 0 && *in.at != '\0')
		err = refuse(&in, "the end: there are no operators, ranges or functions here");
	if (err == 0 && length > 0)
		name[length] = '\0';
	return err;
}

static const char *value_of(const struct rw_label *labels, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(labels[i].name, name) == 0)
			return labels[i].value;
	}
	return "";
}

bool rw_promql_matches(const struct rw_promql *query, const struct rw_label *labels, size_t count)
{
	for (size_t i = 0; i < query->matcher_count; i++) {
		const struct rw_promql_matcher *matcher = &query->matchers[i];

		if (strcmp(value_of(labels, count, matcher->name), matcher->value) != 0)
			return false;
	}
	return true;
}
