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

int rw_clock_parse_wall(const char *text, uint64_t *wall_ms)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned milliseconds = 0;

	if (rest == NULL)
		return -EINVAL;
	if (*rest == '.') {
		for (int i = 1; i <= 3; i++) {
			if (rest[i] < '0' || rest[i] > '9')
				return -EINVAL;
			milliseconds = milliseconds * 10 + (unsigned)(rest[i] - '0');
		}
		rest += 4;
	}
	if (strcmp(rest, "Z") != 0)
		return -EINVAL;

	time_t seconds = timegm(&tm);
	if (seconds < 0)
		return -EINVAL;
	*wall_ms = (uint64_t)seconds * 1000 + milliseconds;
	return 0;
}
