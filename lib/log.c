/* SPDX-License-Identifier: Apache-2.0 */
/* One line an event on stderr; see log.h. A line longer than the buffer is cut. */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/text.h"

static enum rw_log_level max_level = RW_LOG_INFO;

static const struct {
	enum rw_log_level level;
	const char *name;
} levels[] = {
	{RW_LOG_ERROR, "error"},
	{RW_LOG_WARNING, "warning"},
	{RW_LOG_INFO, "info"},
	{RW_LOG_DEBUG, "debug"},
};

void rw_log_set_level(enum rw_log_level level)
{
	max_level = level;
}

int rw_log_parse_level(const char *name, enum rw_log_level *out)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, name) == 0) {
			*out = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *level_name(enum rw_log_level level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (levels[i].level == level)
			return levels[i].name;
	}
	return "info";
}

char *rw_log_quoted(const char *text, char out[RW_LOG_QUOTED_BYTES])
{
	size_t used = 0;

	out[used++] = '"';
	for (; *text != '\0' && used + 6 <= RW_LOG_QUOTED_BYTES; text++) {
		const char *escaped = *text == '"' ? "\\x22" : *text == '\\' ? "\\x5c" : NULL;

		if (escaped == NULL) {
			out[used++] = *text;
			continue;
		}
		memcpy(out + used, escaped, 4);
		used += 4;
	}
	out[used++] = '"';
	out[used] = '\0';
	return out;
}

void rw_log(enum rw_log_level level, const char *fmt, ...)
{
	char text[1024];
	char line[4 * sizeof(text) + 32];
	va_list args;

	if (level > max_level)
		return;

	va_start(args, fmt);
	int length = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (length < 0)
		return;

	int head = isatty(STDERR_FILENO)
			   ? snprintf(line, sizeof(line), "level=%s ", level_name(level))
			   : snprintf(line, sizeof(line), "<%d>level=%s ", (int)level,
				      level_name(level));
	size_t used = (size_t)head;
	used += rw_text_escape(line + used, sizeof(line) - used - 1, text, strlen(text));
	line[used++] = '\n';

	ssize_t written = write(STDERR_FILENO, line, used);
	(void)written; /* nowhere to say that stderr is gone */
}
