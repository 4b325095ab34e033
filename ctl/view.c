/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

const char *rw_view_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text == NULL ? "" : text;
}

uint64_t rw_view_count(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));
	return value < 0 ? 0 : (uint64_t)value;
}

double rw_view_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

struct rw_view rw_view_safe(const char *text)
{
	struct rw_view view = {""};

	rw_text_escape(view.text, sizeof(view.text), text, strlen(text));
	return view;
}

struct rw_view rw_view_time(const char *rfc3339)
{
	struct rw_view view = rw_view_safe(rfc3339);
	size_t length = strlen(view.text);

	/* 2024-07-19T04:09:00.000Z: people need neither the T nor the milliseconds. */
	if (length != 24 || view.text[10] != 'T' || view.text[19] != '.')
		return view;
	view.text[10] = ' ';
	view.text[19] = 'Z';
	view.text[20] = '\0';
	return view;
}

struct rw_view rw_view_share(double ratio)
{
	struct rw_view view = {""};

	if (ratio > 0 && ratio < 1e-6)
		snprintf(view.text, sizeof(view.text), "<0.0001%%");
	else
		snprintf(view.text, sizeof(view.text), "%.4g%%", ratio * 100);
	return view;
}

struct rw_view rw_view_number(uint64_t number)
{
	struct rw_view view = {""};
	char digits[24];
	int count = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	size_t used = 0;

	for (int i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			view.text[used++] = ',';
		view.text[used++] = digits[i];
	}
	view.text[used] = '\0';
	return view;
}

struct rw_view rw_view_seconds(uint64_t seconds)
{
	struct rw_view view = {""};
	char text[RW_DURATION_TEXT_BYTES];

	snprintf(view.text, sizeof(view.text), "%s",
		 rw_units_format_duration(seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000,
					  text));
	return view;
}

struct rw_view rw_view_words(const json_t *array)
{
	struct rw_view view = {""};
	size_t used = 0;

	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *word = json_string_value(json_array_get(array, i));
		if (word == NULL || used + 3 >= sizeof(view.text))
			continue;
		if (used > 0) {
			memcpy(view.text + used, ", ", 3);
			used += 2;
		}
		used += rw_text_escape(view.text + used, sizeof(view.text) - used, word,
				       strlen(word));
	}
	return view;
}

bool rw_view_print_lines(FILE *to, const char *text, const char *indent)
{
	size_t size = 4 * strlen(text) + 1;
	char *safe = malloc(size);

	if (safe == NULL)
		return false;
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		rw_text_escape(safe, size, text, length);
		fprintf(to, "%s%s\n", indent, safe);
		text += length + (text[length] == '\n');
	}
	free(safe);
	return true;
}
