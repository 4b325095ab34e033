/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Reads digits from the start of `text`; *end is the first character behind them. */
static int parse_digits(const char *text, const char **end, uint64_t *out)
{
	uint64_t value = 0;
	const char *s = text;

	if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9'))
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -ERANGE;
	}
	*end = s;
	*out = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_with_unit(const char *text, const struct unit *units, size_t count, uint64_t limit,
			   uint64_t *out)
{
	const char *unit;
	uint64_t value;
	int err = parse_digits(text, &unit, &value);

	if (err != 0)
		return err;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value) || value > limit)
			return -ERANGE;
		*out = value;
		return 0;
	}
	return -EINVAL;
}

int rw_units_parse_duration(const char *text, uint64_t *out_ms)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
	};
	return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), 3653ull * 86400000,
			       out_ms);
}

int rw_units_parse_bytes(const char *text, uint64_t *out_bytes)
{
	static const struct unit units[] = {
		{"B", 1},
		{"KiB", 1u << 10},
		{"MiB", 1u << 20},
		{"GiB", 1u << 30},
	};
	return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), UINT64_MAX,
			       out_bytes);
}

int rw_units_parse_ratio(const char *text, uint32_t *out_ppm)
{
	const char *rest;
	uint64_t whole;
	uint64_t ppm;

	if (parse_digits(text, &rest, &whole) != 0 || whole > 100)
		return -EINVAL;
	ppm = whole * 10000;
	if (*rest == '.') {
		uint64_t weight = 1000;
		rest++;
		if (*rest < '0' || *rest > '9')
			return -EINVAL;
		for (; *rest >= '0' && *rest <= '9'; rest++) {
			if (weight == 0)
				return -EINVAL;
			ppm += (uint64_t)(*rest - '0') * weight;
			weight /= 10;
		}
	}
	if (strcmp(rest, "%") != 0 || ppm > 1000000)
		return -EINVAL;
	*out_ppm = (uint32_t)ppm;
	return 0;
}

int rw_units_parse_uint(const char *text, uint64_t *out)
{
	const char *rest;
	uint64_t value;
	int err = parse_digits(text, &rest, &value);

	if (err != 0)
		return err;
	if (*rest != '\0')
		return -EINVAL;
	*out = value;
	return 0;
}

char *rw_units_format_duration(uint64_t ms, char out[RW_DURATION_TEXT_BYTES])
{
	uint64_t seconds = ms / 1000;

	if (seconds >= 3600)
		snprintf(out, RW_DURATION_TEXT_BYTES, "%lluh %02um",
			 (unsigned long long)(seconds / 3600), (unsigned)(seconds / 60 % 60));
	else if (seconds >= 60)
		snprintf(out, RW_DURATION_TEXT_BYTES, "%um %02us", (unsigned)(seconds / 60),
			 (unsigned)(seconds % 60));
	else
		snprintf(out, RW_DURATION_TEXT_BYTES, "%us", (unsigned)seconds);
	return out;
}
