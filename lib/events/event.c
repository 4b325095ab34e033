/* SPDX-License-Identifier: Apache-2.0 */
/* Text and facts of an event; see event.h. */
#include "lib/events/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

enum { PRINTED_MAX = 1024 };

__attribute__((format(printf, 3, 0))) static void print_clean(char *out, size_t size,
							      const char *fmt, va_list args)
{
	char text[PRINTED_MAX];
	int n = vsnprintf(text, sizeof(text), fmt, args);
	size_t length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			text[i] = ' ';
	}
	while (length > 0 && text[length - 1] == ' ')
		length--;
	rw_text_to_utf8(out, size, text, length);
}

void rw_event_print(char *out, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_clean(out, size, fmt, args);
	va_end(args);
}

void rw_event_set_fact(struct rw_event *event, Ringwatch__V1__FactName name, const char *fmt, ...)
{
	char value[RW_FACT_VALUE_MAX + 1];
	uint32_t at = 0;
	va_list args;

	va_start(args, fmt);
	print_clean(value, sizeof(value), fmt, args);
	va_end(args);
	if (value[0] == '\0')
		return;
	while (at < event->fact_count && event->facts[at].name < name)
		at++;
	if (at == event->fact_count || event->facts[at].name != name) {
		if (event->fact_count == RW_FACTS_MAX)
			return;
		memmove(&event->facts[at + 1], &event->facts[at],
			(event->fact_count - at) * sizeof(event->facts[0]));
		event->fact_count++;
	}
	event->facts[at].name = name;
	memcpy(event->facts[at].value, value, sizeof(value));
}

const char *rw_event_fact(const struct rw_event *event, Ringwatch__V1__FactName name)
{
	for (uint32_t i = 0; i < event->fact_count; i++) {
		if (event->facts[i].name == name)
			return event->facts[i].value;
	}
	return "";
}
