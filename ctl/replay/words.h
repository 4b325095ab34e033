/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of one line of a scenario, and their forms. Each taker below gives
 * one line of complaint when the next word is missing or wrong, and after the
 * first complaint takes nothing more: so a parser may take all it wants and
 * look once.
 */
#ifndef RINGWATCH_CTL_REPLAY_WORDS_H
#define RINGWATCH_CTL_REPLAY_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/replay/scenario.h"

enum { RW_WORDS_MAX = 64 };

struct rw_words {
	const char *path;
	uint32_t line;
	const char *word[RW_WORDS_MAX];
	uint32_t count, at;
	bool failed;
	char *error; /* RW_SCENARIO_ERROR_BYTES */
};

/*
 * Splits `line` in place: words parted by blanks, "…" keeps blanks together, `#`
 * at a word's beginning ends the line. -EINVAL.
 */
int rw_words_split(struct rw_words *words, char *line);

/* Complains, once, and returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int rw_words_complain(struct rw_words *words, const char *fmt,
							    ...);

/* The next word; NULL at the end. */
const char *rw_words_peek(const struct rw_words *words);
/* Takes the next word when it is this one. */
bool rw_words_have(struct rw_words *words, const char *word);

/* The next word; "" and a complaint when there is none. `what`: "a ring", for the complaint. */
const char *rw_words_text(struct rw_words *words, const char *what);
const char *rw_words_name(struct rw_words *words, const char *what);
/* "1h30m" in milliseconds; `never_allowed`: "never" is RW_SCENARIO_NEVER. */
uint64_t rw_words_time(struct rw_words *words, const char *what, bool never_allowed);
uint64_t rw_words_number(struct rw_words *words, const char *what, uint64_t min, uint64_t max);
uint32_t rw_words_ratio(struct rw_words *words, const char *what);
/* The number whose name the next word is: name_of(i) of i < count; names are listed in the
 * complaint. */
uint32_t rw_words_choice(struct rw_words *words, const char *what, uint32_t count,
			 const char *(*name_of)(uint32_t));
/* Names parted by commas, as bits. */
uint32_t rw_words_choices(struct rw_words *words, const char *what, uint32_t count,
			  const char *(*name_of)(uint32_t));
/* Complains of a word that is left over. 0 or -EINVAL: whether all of the line was right. */
int rw_words_end(struct rw_words *words);

#endif
