/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock_ns(clockid_t id)
{
	struct timespec ts = {0};
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t rw_clock_boot_ms(void)
{
	return read_clock_ns(CLOCK_BOOTTIME) / 1000000u;
}

uint64_t rw_clock_boot_ns(void)
{
	return read_clock_ns(CLOCK_BOOTTIME);
}

uint64_t rw_clock_wall_ms(void)
{
	return read_clock_ns(CLOCK_REALTIME) / 1000000u;
}

struct timespec rw_clock_monotonic_in(uint64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

char *rw_clock_format_wall(uint64_t wall_ms, char out[RW_TIME_TEXT_BYTES])
{
	struct tm tm;
	time_t seconds = (time_t)(wall_ms / 1000);

	out[0] = '\0';
	if (wall_ms == 0 || gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 9999 - 1900)
		return out;
	size_t used = strftime(out, RW_TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + used, RW_TIME_TEXT_BYTES - used, ".%03uZ", (unsigned)(wall_ms % 1000));
	return out;
}

/* Exactly `count` digits; strptime() would also take spaces and fewer of them. */
static int parse_part(const char **at, unsigned count, char behind, int *out)
{
	int value = 0;

	for (unsigned i = 0; i < count; i++) {
		char c = (*at)[i];
		if (c < '0' || c > '9')
			return -EINVAL;
		value = value * 10 + (c - '0');
	}
	*at += count;
	if (behind != '\0') {
		if (**at != behind)
			return -EINVAL;
		(*at)++;
	}
	*out = value;
	return 0;
}

int rw_clock_parse_wall(const char *text, uint64_t *wall_ms)
{
	struct tm tm = {0};
	struct tm normal;
	int milliseconds = 0;

	if (parse_part(&text, 4, '-', &tm.tm_year) != 0 ||
	    parse_part(&text, 2, '-', &tm.tm_mon) != 0 ||
	    parse_part(&text, 2, 'T', &tm.tm_mday) != 0 ||
	    parse_part(&text, 2, ':', &tm.tm_hour) != 0 ||
	    parse_part(&text, 2, ':', &tm.tm_min) != 0 ||
	    parse_part(&text, 2, '\0', &tm.tm_sec) != 0)
		return -EINVAL;
	if (*text == '.') {
		text++;
		if (parse_part(&text, 3, '\0', &milliseconds) != 0)
			return -EINVAL;
	}
	if (strcmp(text, "Z") != 0)
		return -EINVAL;

	/* timegm() makes 1 March of 30 February; a date that it changes is none. */
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	normal = tm;
	time_t seconds = timegm(&normal);
	if (seconds < 0 || normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday ||
	    normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min ||
	    normal.tm_sec != tm.tm_sec)
		return -EINVAL;
	*wall_ms = (uint64_t)seconds * 1000 + (uint64_t)milliseconds;
	return 0;
}
