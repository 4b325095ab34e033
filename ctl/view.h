/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the API's JSON for people. What is missing or of another type reads
 * as empty or 0: only what a decision rests on is insisted on, where it is
 * decided (verdict.c).
 */
#ifndef RINGWATCH_CTL_VIEW_H
#define RINGWATCH_CTL_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/units.h"

const char *rw_view_text(const json_t *object, const char *key);
uint64_t rw_view_count(const json_t *object, const char *key);
double rw_view_real(const json_t *object, const char *key);

enum { RW_VIEW_BYTES = 512 };
struct rw_view {
	char text[RW_VIEW_BYTES];
};

/* "2024-07-19 04:09:00Z" of the API's RFC 3339; "" stays "". Not escaped. */
struct rw_view rw_view_time(const char *rfc3339);
/* 0.001 → "0.1%", in four digits at most. */
struct rw_view rw_view_share(double ratio);
/* 19000 → "19,000" */
struct rw_view rw_view_number(uint64_t number);
/* "47h 12m" */
struct rw_view rw_view_seconds(uint64_t seconds);
/* The strings of an array, "a, b"; escaped. */
struct rw_view rw_view_words(const json_t *array);
/* One foreign text, escaped for a terminal. */
struct rw_view rw_view_safe(const char *text);
/* A foreign text of many lines, each escaped and behind `indent`. false: no memory. */
bool rw_view_print_lines(FILE *to, const char *text, const char *indent);

#endif
