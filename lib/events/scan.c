/* SPDX-License-Identifier: Apache-2.0 */
/* Eating a line from its front; see scan.h. */
#include "lib/events/scan.h"

#include "lib/text.h"

bool rw_scan_take(struct rw_scan *s, const char *text)
{
	size_t length = strlen(text);

	if (rw_scan_left(s) < length || memcmp(s->at, text, length) != 0)
		return false;
	s->at += length;
	return true;
}

bool rw_scan_begins(const struct rw_scan *s, const char *text)
{
	struct rw_scan copy = *s;

	return rw_scan_take(&copy, text);
}

bool rw_scan_take_end(struct rw_scan *s, const char *text)
{
	size_t length = strlen(text);

	if (rw_scan_left(s) < length || memcmp(s->end - length, text, length) != 0)
		return false;
	s->end -= length;
	return true;
}

bool rw_scan_take_past(struct rw_scan *s, const char *text)
{
	struct rw_scan copy = *s;

	for (; copy.at < copy.end; copy.at++) {
		if (rw_scan_take(&copy, text)) {
			*s = copy;
			return true;
		}
	}
	return false;
}

bool rw_scan_take_u64(struct rw_scan *s, uint64_t *out)
{
	const char *p = s->at;
	uint64_t value = 0;

	for (; p < s->end && rw_scan_is_digit(*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (p == s->at)
		return false;
	s->at = p;
	*out = value;
	return true;
}

bool rw_scan_take_u32(struct rw_scan *s, uint32_t *out)
{
	struct rw_scan copy = *s;
	uint64_t value;

	if (!rw_scan_take_u64(&copy, &value) || value > UINT32_MAX)
		return false;
	*s = copy;
	*out = (uint32_t)value;
	return true;
}

bool rw_scan_take_hex(struct rw_scan *s, size_t least, size_t most, uint64_t *out)
{
	const char *p = s->at;
	uint64_t value = 0;

	for (; p < s->end && rw_scan_is_hex(*p); p++)
		value = value << 4 | (uint64_t)(rw_scan_is_digit(*p) ? *p - '0' : *p - 'a' + 10);
	size_t digits = (size_t)(p - s->at);
	if (digits < least || digits > most)
		return false;
	s->at = p;
	*out = value;
	return true;
}

bool rw_scan_take_end_u32(struct rw_scan *s, uint32_t *out)
{
	struct rw_scan digits = {s->end, s->end};

	while (digits.at > s->at && rw_scan_is_digit(digits.at[-1]))
		digits.at--;
	const char *from = digits.at;
	if (!rw_scan_take_u32(&digits, out))
		return false;
	s->end = from;
	return true;
}

bool rw_scan_take_run(struct rw_scan *s, bool (*accept)(char), size_t most, struct rw_scan *out)
{
	const char *p = s->at;

	while (p < s->end && accept(*p))
		p++;
	if (p == s->at || (size_t)(p - s->at) > most)
		return false;
	*out = (struct rw_scan){s->at, p};
	s->at = p;
	return true;
}

void rw_scan_copy(const struct rw_scan *s, char *out, size_t size)
{
	rw_text_to_utf8(out, size, s->at, rw_scan_left(s));
}
