/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a line of a scenario apart. */
#include "ctl/replay/words.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/name.h"
#include "lib/text.h"
#include "lib/units.h"

enum { SHOWN_BYTES = 96, LIST_BYTES = 320 };

int rw_words_complain(struct rw_words *words, const char *fmt, ...)
{
	char complaint[RW_SCENARIO_ERROR_BYTES];
	va_list args;

	if (words->failed)
		return -EINVAL;
	words->failed = true;
	va_start(args, fmt);
	vsnprintf(complaint, sizeof(complaint), fmt, args);
	va_end(args);
	int n = snprintf(words->error, RW_SCENARIO_ERROR_BYTES, "%.200s:%u: ", words->path,
			 words->line);
	if (n > 0 && n < RW_SCENARIO_ERROR_BYTES)
		rw_text_escape(words->error + n, RW_SCENARIO_ERROR_BYTES - (size_t)n, complaint,
			       strlen(complaint));
	return -EINVAL;
}

int rw_words_split(struct rw_words *words, char *line)
{
	char *at = line;

	words->count = 0;
	words->at = 0;
	for (;;) {
		at += strspn(at, " \t\r");
		if (*at == '\0' || *at == '#')
			return 0;
		if (words->count == RW_WORDS_MAX)
			return rw_words_complain(words, "more than %d words", RW_WORDS_MAX);
		bool quoted = *at == '"';
		at += quoted;
		words->word[words->count++] = at;
		at += strcspn(at, quoted ? "\"" : " \t\r");
		if (quoted && *at == '\0')
			return rw_words_complain(words, "a quote is not closed, expected another "
							"\"");
		if (*at != '\0')
			*at++ = '\0';
	}
}

const char *rw_words_peek(const struct rw_words *words)
{
	return words->failed || words->at == words->count ? NULL : words->word[words->at];
}

bool rw_words_have(struct rw_words *words, const char *word)
{
	const char *next = rw_words_peek(words);

	if (next == NULL || strcmp(next, word) != 0)
		return false;
	words->at++;
	return true;
}

const char *rw_words_text(struct rw_words *words, const char *what)
{
	const char *next = rw_words_peek(words);

	if (next == NULL) {
		rw_words_complain(words, "the line ends, expected %s", what);
		return "";
	}
	words->at++;
	return next;
}

const char *rw_words_name(struct rw_words *words, const char *what)
{
	const char *word = rw_words_text(words, what);

	if (!words->failed && !rw_name_is_valid(word, strlen(word)))
		rw_words_complain(words, "'%s' is no name, expected %s of " RW_NAME_EXPECTED, word,
				  what);
	return word;
}

/* "1h30m": durations one after the other. */
static bool parse_time(const char *word, uint64_t *out_ms)
{
	uint64_t sum = 0;

	while (*word != '\0') {
		char piece[SHOWN_BYTES];
		size_t digits = strspn(word, "0123456789");
		size_t length = digits + strcspn(word + digits, "0123456789");
		uint64_t ms;

		if (length >= sizeof(piece))
			return false;
		memcpy(piece, word, length);
		piece[length] = '\0';
		/* a leading zero is no slip here: 1h05m */
		if (piece[0] == '0' && isdigit((unsigned char)piece[1]) && sum > 0)
			memmove(piece, piece + 1, length);
		if (rw_units_parse_duration(piece, &ms) != 0)
			return false;
		sum += ms;
		word += length;
	}
	*out_ms = sum;
	return true;
}

uint64_t rw_words_time(struct rw_words *words, const char *what, bool never_allowed)
{
	const char *word = rw_words_text(words, what);
	uint64_t ms = 0;

	if (words->failed)
		return 0;
	if (never_allowed && strcmp(word, "never") == 0)
		return RW_SCENARIO_NEVER;
	if (word[0] == '\0' || !parse_time(word, &ms))
		rw_words_complain(words, "'%s' is no time, expected %s such as 90s or 1h30m%s",
				  word, what, never_allowed ? ", or never" : "");
	return ms;
}

uint64_t rw_words_number(struct rw_words *words, const char *what, uint64_t min, uint64_t max)
{
	const char *word = rw_words_text(words, what);
	uint64_t number = 0;

	if (words->failed)
		return min;
	if (rw_units_parse_uint(word, &number) != 0 || number < min || number > max)
		rw_words_complain(words, "'%s' is wrong, expected %s from %llu to %llu", word, what,
				  (unsigned long long)min, (unsigned long long)max);
	return number;
}

uint32_t rw_words_ratio(struct rw_words *words, const char *what)
{
	const char *word = rw_words_text(words, what);
	uint32_t ppm = 0;

	if (!words->failed && rw_units_parse_ratio(word, &ppm) != 0)
		rw_words_complain(words, "'%s' is wrong, expected %s, %s", word, what,
				  RW_RATIO_EXPECTED);
	return ppm;
}

static void list_names(char out[LIST_BYTES], uint32_t count, const char *(*name_of)(uint32_t))
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		const char *name = name_of(i);
		if (name == NULL || used + strlen(name) + 3 > LIST_BYTES)
			continue;
		used += (size_t)snprintf(out + used, LIST_BYTES - used, "%s%s",
					 used == 0 ? "" : ", ", name);
	}
}

static uint32_t find_choice(struct rw_words *words, const char *word, size_t length,
			    const char *what, uint32_t count, const char *(*name_of)(uint32_t))
{
	char list[LIST_BYTES];

	for (uint32_t i = 0; i < count; i++) {
		const char *name = name_of(i);
		if (name != NULL && strlen(name) == length && memcmp(name, word, length) == 0)
			return i;
	}
	list_names(list, count, name_of);
	rw_words_complain(words, "'%.*s' is no %s, expected one of %s", (int)length, word, what,
			  list);
	return 0;
}

uint32_t rw_words_choice(struct rw_words *words, const char *what, uint32_t count,
			 const char *(*name_of)(uint32_t))
{
	const char *word = rw_words_text(words, what);

	return words->failed ? 0 : find_choice(words, word, strlen(word), what, count, name_of);
}

uint32_t rw_words_choices(struct rw_words *words, const char *what, uint32_t count,
			  const char *(*name_of)(uint32_t))
{
	const char *word = rw_words_text(words, what);
	uint32_t bits = 0;

	while (!words->failed) {
		size_t length = strcspn(word, ",");
		bits |= 1u << find_choice(words, word, length, what, count, name_of);
		if (word[length] == '\0')
			break;
		word += length + 1;
	}
	return bits;
}

int rw_words_end(struct rw_words *words)
{
	const char *next = rw_words_peek(words);

	if (next != NULL)
		rw_words_complain(words, "'%s' is one word too many, expected the end of the line",
				  next);
	return words->failed ? -EINVAL : 0;
}
