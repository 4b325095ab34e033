/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of kernel log lines; see strip.h.
 *
 * Sources of the forms: kernel/printk/printk.c, Documentation/ABI/testing/
 * dev-kmsg, drivers/net/netconsole.c, fs/pstore/platform.c, dmesg(1),
 * journalctl(1).
 */
#include "lib/events/strip.h"

#include "lib/events/scan.h"
#include "lib/hex.h"

enum {
	STAMP_BYTES = 48, /* longest of the stamps in brackets */
	WORD_BYTES = 255, /* a host's name; a program's */
	RELEASE_BYTES = 64,
};

/* ---- small parts ------------------------------------------------------------------------- */

static bool is_not_blank(char c)
{
	return c != ' ';
}

static void skip_blanks(struct rw_scan *s)
{
	while (rw_scan_take(s, " "))
		;
}

/* "2024", "05": exactly so many digits. */
static bool take_digits(struct rw_scan *s, size_t count, uint32_t *out)
{
	struct rw_scan digits;

	if (!rw_scan_take_run(s, rw_scan_is_digit, count, &digits) ||
	    rw_scan_left(&digits) != count) {
		return false;
	}
	return rw_scan_take_u32(&digits, out);
}

/* 1 … 12, or 0. */
static uint32_t take_month(struct rw_scan *s)
{
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	for (uint32_t i = 0; i < 12; i++) {
		if (rw_scan_take(s, months[i]))
			return i + 1;
	}
	return 0;
}

/* " 3" or "23" */
static bool take_day(struct rw_scan *s, uint32_t *out)
{
	if (rw_scan_take(s, " "))
		return take_digits(s, 1, out);
	return take_digits(s, 2, out);
}

struct moment {
	uint32_t year, month, day, hour, minute, second, usec;
};

/* Grows with time; nobody asks for more. */
static uint64_t to_usec(const struct moment *m)
{
	static const uint16_t before[] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	uint64_t leap = m->year / 4 - m->year / 100 + m->year / 400;
	bool is_leap = m->year > 0 && (m->year % 4 == 0 && m->year % 100 != 0);

	if ((is_leap || m->year % 400 == 0) && m->month <= 2 && m->year > 0)
		leap--;
	uint64_t days = m->year * UINT64_C(365) + leap + before[m->month] + m->day;
	uint64_t seconds = ((days * 24 + m->hour) * 60 + m->minute) * 60 + m->second;
	return seconds * 1000000 + m->usec;
}

static bool take_clock(struct rw_scan *s, struct moment *m)
{
	return take_digits(s, 2, &m->hour) && rw_scan_take(s, ":") &&
	       take_digits(s, 2, &m->minute) && rw_scan_take(s, ":") &&
	       take_digits(s, 2, &m->second);
}

/* ".123456", or ",123456", or nothing. Digits behind the sixth are left off. */
static bool take_fraction(struct rw_scan *s, const char *point, struct moment *m)
{
	struct rw_scan digits;
	uint32_t value = 0;

	if (!rw_scan_take(s, point))
		return true;
	if (!rw_scan_take_run(s, rw_scan_is_digit, 9, &digits))
		return false;
	for (size_t i = 0; i < 6; i++)
		value = value * 10 +
			(i < rw_scan_left(&digits) ? (uint32_t)(digits.at[i] - '0') : 0);
	m->usec = value;
	return true;
}

static void set_wall(struct rw_log_line *out, const struct moment *m)
{
	out->clock = RW_LOG_CLOCK_WALL;
	out->usec = to_usec(m);
}

/* ---- stamps in brackets ------------------------------------------------------------------ */

/* "   12.345678"; dmesg -d has " <    0.000010>" behind it. */
static bool parse_boot_stamp(struct rw_scan s, struct rw_log_line *out)
{
	uint64_t seconds;
	uint32_t usec;

	skip_blanks(&s);
	if (!rw_scan_take_u64(&s, &seconds) || seconds > UINT32_MAX || !rw_scan_take(&s, ".") ||
	    !take_digits(&s, 6, &usec))
		return false;
	if (rw_scan_take(&s, " <")) {
		if (!rw_scan_take_past(&s, ">"))
			return false;
	}
	if (rw_scan_left(&s) > 0)
		return false;
	out->clock = RW_LOG_CLOCK_BOOT;
	out->usec = seconds * 1000000 + usec;
	return true;
}

/* dmesg -d without the time, and dmesg -e: "<    0.000010>", "  +0.000010" */
static bool is_delta_stamp(struct rw_scan s)
{
	uint64_t seconds;
	uint32_t usec;
	bool angled = rw_scan_take(&s, "<");

	skip_blanks(&s);
	if (!angled && !rw_scan_take(&s, "+"))
		return false;
	return rw_scan_take_u64(&s, &seconds) && rw_scan_take(&s, ".") &&
	       take_digits(&s, 6, &usec) && (!angled || rw_scan_take(&s, ">")) &&
	       rw_scan_left(&s) == 0;
}

/* "Sat Nov 23 05:12:01 2024", and of dmesg -e "Nov23 05:12" */
static bool parse_wall_stamp(struct rw_scan s, struct rw_log_line *out)
{
	struct moment m = {0};
	struct rw_scan day_name;
	struct rw_scan whole = s;

	if (rw_scan_take_run(&s, rw_scan_is_letter, 3, &day_name) && rw_scan_take(&s, " ") &&
	    (m.month = take_month(&s)) > 0 && rw_scan_take(&s, " ") && take_day(&s, &m.day) &&
	    rw_scan_take(&s, " ") && take_clock(&s, &m) && rw_scan_take(&s, " ") &&
	    take_digits(&s, 4, &m.year) && rw_scan_left(&s) == 0) {
		set_wall(out, &m);
		return true;
	}
	s = whole;
	m = (struct moment){.month = take_month(&s)};
	if (m.month == 0 || !take_day(&s, &m.day) || !rw_scan_take(&s, " ") ||
	    !take_digits(&s, 2, &m.hour) || !rw_scan_take(&s, ":") ||
	    !take_digits(&s, 2, &m.minute) || rw_scan_left(&s) > 0)
		return false;
	set_wall(out, &m);
	return true;
}

/* "[    T7] " or "[   C0] ", of kernels that say who spoke. */
static void take_caller(struct rw_scan *s)
{
	struct rw_scan p = *s;
	uint32_t number;

	rw_scan_take(&p, " ");
	if (!rw_scan_take(&p, "["))
		return;
	skip_blanks(&p);
	if ((rw_scan_take(&p, "T") || rw_scan_take(&p, "C")) && rw_scan_take_u32(&p, &number) &&
	    rw_scan_take(&p, "]"))
		*s = p;
}

static bool take_stamp(struct rw_scan *s, struct rw_log_line *out)
{
	struct rw_scan p = *s;

	if (!rw_scan_take(&p, "["))
		return false;
	struct rw_scan stamp = {p.at, p.at};
	while (stamp.end < p.end && *stamp.end != ']' && rw_scan_left(&stamp) < STAMP_BYTES)
		stamp.end++;
	p.at = stamp.end;
	if (!rw_scan_take(&p, "]"))
		return false;
	if (!parse_boot_stamp(stamp, out) && !is_delta_stamp(stamp) &&
	    !parse_wall_stamp(stamp, out))
		return false;
	take_caller(&p);
	rw_scan_take(&p, " "); /* some vendors' consoles have none */
	*s = p;
	return true;
}

/* ---- priorities --------------------------------------------------------------------------- */

/* "<4>": a facility above 0 is user space. */
static bool take_priority(struct rw_scan *s, struct rw_log_line *out)
{
	struct rw_scan p = *s;
	uint32_t priority;

	if (!rw_scan_take(&p, "<") || !rw_scan_take_u32(&p, &priority) || priority > 191 ||
	    !rw_scan_take(&p, ">"))
		return false;
	out->is_kernel = priority >> 3 == 0;
	*s = p;
	return true;
}

/* dmesg -x: "kern  :warn  : " */
static bool take_decoded_priority(struct rw_scan *s, struct rw_log_line *out)
{
	static const char *const facilities[] = {
		"kern",   "user",   "mail",   "daemon",   "auth",   "syslog", "lpr",
		"news",   "uucp",   "cron",   "ftp",      "local0", "local1", "local2",
		"local3", "local4", "local5", "authpriv", "local6", "local7"};
	static const char *const levels[] = {"emerg", "alert",  "crit", "err",
					     "warn",  "notice", "info", "debug"};
	size_t count = sizeof(facilities) / sizeof(facilities[0]);
	struct rw_scan p = *s;
	size_t facility = 0;
	bool level = false;

	while (facility < count && !rw_scan_take(&p, facilities[facility]))
		facility++;
	skip_blanks(&p);
	if (facility == count || !rw_scan_take(&p, ":"))
		return false;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]) && !level; i++)
		level = rw_scan_take(&p, levels[i]);
	skip_blanks(&p);
	if (!level || !rw_scan_take(&p, ": "))
		return false;
	out->is_kernel = facility == 0;
	*s = p;
	return true;
}

/* ---- the journal and syslog --------------------------------------------------------------- */

/* "Nov 23 05:12:01", "2024-11-23T05:12:01.123456+01:00" */
static bool take_journal_time(struct rw_scan *s, struct rw_log_line *out)
{
	struct moment m = {.month = take_month(s)};
	struct rw_scan zone;

	if (m.month > 0) {
		if (!rw_scan_take(s, " ") || !take_day(s, &m.day) || !rw_scan_take(s, " ") ||
		    !take_clock(s, &m) || !take_fraction(s, ".", &m))
			return false;
		set_wall(out, &m);
		return true;
	}
	if (!take_digits(s, 4, &m.year) || !rw_scan_take(s, "-") || !take_digits(s, 2, &m.month) ||
	    m.month < 1 || m.month > 12 || !rw_scan_take(s, "-") || !take_digits(s, 2, &m.day) ||
	    !(rw_scan_take(s, "T") || rw_scan_take(s, " ")) || !take_clock(s, &m) ||
	    !take_fraction(s, ".", &m))
		return false;
	if (!rw_scan_begins(s, " ") && !rw_scan_take_run(s, is_not_blank, 6, &zone))
		return false;
	set_wall(out, &m);
	return true;
}

/* "HOST kernel: ", or "HOST program[7]: ", which is none of ours. */
static bool take_speaker(struct rw_scan *s, struct rw_log_line *out)
{
	struct rw_scan p = *s;
	struct rw_scan word;

	if (!rw_scan_take_run(&p, is_not_blank, WORD_BYTES, &word) || word.end[-1] == ':' ||
	    !rw_scan_take(&p, " ") || !rw_scan_take_run(&p, is_not_blank, WORD_BYTES, &word) ||
	    word.end[-1] != ':')
		return false;
	out->is_kernel =
		rw_scan_left(&word) == strlen("kernel:") && rw_scan_begins(&word, "kernel:");
	rw_scan_take(&p, " ");
	*s = p;
	return true;
}

static bool take_journal(struct rw_scan *s, struct rw_log_line *out)
{
	struct rw_log_line found = *out;
	struct rw_scan p = *s;

	if (!take_journal_time(&p, &found) || !rw_scan_take(&p, " ") || !take_speaker(&p, &found))
		return false;
	*s = p;
	*out = found;
	return true;
}

/* dmesg --time-format iso: "2024-11-23T05:12:01,123456+00:00 TEXT" */
static bool take_iso_stamp(struct rw_scan *s, struct rw_log_line *out)
{
	struct rw_scan p = *s;
	struct rw_scan zone;
	struct moment m = {0};

	if (!take_digits(&p, 4, &m.year) || !rw_scan_take(&p, "-") ||
	    !take_digits(&p, 2, &m.month) || m.month < 1 || m.month > 12 ||
	    !rw_scan_take(&p, "-") || !take_digits(&p, 2, &m.day) || !rw_scan_take(&p, "T") ||
	    !take_clock(&p, &m) || !rw_scan_begins(&p, ",") || !take_fraction(&p, ",", &m) ||
	    !rw_scan_take_run(&p, is_not_blank, 6, &zone))
		return false;
	if (rw_scan_left(&p) > 0 && !rw_scan_take(&p, " "))
		return false;
	set_wall(out, &m);
	*s = p;
	return true;
}

/* ---- records of /dev/kmsg and netconsole -------------------------------------------------- */

static bool is_escape(const char *text, size_t length)
{
	return length >= 4 && text[0] == '\\' && text[1] == 'x' && rw_hex_value(text[2]) >= 0 &&
	       rw_hex_value(text[3]) >= 0;
}

size_t rw_log_undo_escapes(char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		char byte = text[i];
		if (is_escape(text + i, length - i)) {
			byte = (char)(rw_hex_value(text[i + 2]) << 4 | rw_hex_value(text[i + 3]));
			i += 3;
		}
		text[used++] = byte;
	}
	return used;
}

static bool is_field_byte(char c)
{
	return c != ',' && c != ';' && c != ' ';
}

/* ",-,caller=T7,ncfrag=0/1200;": of the fields only the last is of use. */
static bool take_fields(struct rw_scan *s, struct rw_log_line *out)
{
	struct rw_scan field;

	while (rw_scan_take(s, ",")) {
		if (!rw_scan_take_run(s, is_field_byte, RELEASE_BYTES, &field))
			return false;
		if (rw_scan_take(&field, "ncfrag=") &&
		    (!rw_scan_take_u32(&field, &out->fragment_at) || !rw_scan_take(&field, "/") ||
		     !rw_scan_take_u32(&field, &out->fragment_of)))
			return false;
	}
	return rw_scan_take(s, ";");
}

/* "4,1234,12345678,-;TEXT"; netconsole may put the kernel's release before it. */
static bool take_record(struct rw_scan *s, struct rw_log_line *out)
{
	struct rw_log_line found = *out;
	struct rw_scan p = *s;
	struct rw_scan release = p;
	struct rw_scan name;
	uint32_t priority;

	if (rw_scan_take_run(&release, is_field_byte, RELEASE_BYTES, &name) &&
	    memchr(name.at, '.', rw_scan_left(&name)) != NULL && rw_scan_take(&release, ","))
		p = release;
	if (!rw_scan_take_u32(&p, &priority) || !rw_scan_take(&p, ",") ||
	    !rw_scan_take_u64(&p, &found.sequence) || !rw_scan_take(&p, ",") ||
	    !rw_scan_take_u64(&p, &found.usec) || !rw_scan_begins(&p, ",") ||
	    !take_fields(&p, &found))
		return false;
	found.is_kernel = priority >> 3 == 0;
	found.has_sequence = true;
	found.clock = RW_LOG_CLOCK_BOOT;
	*s = p;
	*out = found;
	return true;
}

/* ---- marks -------------------------------------------------------------------------------- */

/* "Panic#1 Part2" */
static bool take_part_head(struct rw_scan s, struct rw_log_line *out)
{
	static const char *const reasons[] = {"Panic",   "Oops", "Emergency", "Shutdown",
					      "Restart", "Halt", "Poweroff",  "Unknown"};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct rw_scan p = s;
		struct rw_scan reason = {reasons[i], strchr(reasons[i], '\0')};
		if (!rw_scan_take(&p, reasons[i]) || !rw_scan_take(&p, "#") ||
		    !rw_scan_take_u32(&p, &out->dump) || !rw_scan_take(&p, " Part") ||
		    !rw_scan_take_u32(&p, &out->part) || rw_scan_left(&p) > 0 || out->part == 0)
			continue;
		rw_scan_copy(&reason, out->reason, sizeof(out->reason));
		return true;
	}
	out->part = 0;
	out->dump = 0;
	return false;
}

static bool is_boot_mark(struct rw_scan s)
{
	return rw_scan_take_end(&s, " --") &&
	       (rw_scan_begins(&s, "-- Boot ") || rw_scan_begins(&s, "-- Reboot"));
}

/* ---- all together ------------------------------------------------------------------------- */

static void take_head(struct rw_scan *s, struct rw_log_line *out)
{
	/* a text that was indented as a whole; blanks before no head are the kernel's */
	struct rw_scan indented = *s;
	struct rw_log_line ignored = *out;
	while (rw_scan_take(&indented, " ") || rw_scan_take(&indented, "\t"))
		;
	struct rw_scan head = indented;
	if (take_stamp(&head, &ignored))
		*s = indented;

	if (take_record(s, out) || take_iso_stamp(s, out))
		return;
	if (take_journal(s, out)) {
		/* rsyslog leaves the kernel's own stamp in the text */
		take_stamp(s, out);
		return;
	}
	bool has_priority = take_priority(s, out) || take_decoded_priority(s, out);
	if (!take_stamp(s, out)) {
		if (!has_priority)
			rw_scan_take(s, "kernel: ");
		return;
	}
	/* journalctl -o short-monotonic; who but the kernel speaks is left to the text */
	struct rw_log_line found = *out;
	struct rw_scan p = *s;
	if (!has_priority && take_speaker(&p, &found) && found.is_kernel)
		*s = p;
}

void rw_log_strip(char *line, size_t length, struct rw_log_line *out)
{
	struct rw_scan s = {line, line + length};

	*out = (struct rw_log_line){.is_kernel = true};
	while (rw_scan_left(&s) > 0 && (s.end[-1] == '\r' || s.end[-1] == '\n'))
		s.end--;
	while (rw_scan_left(&s) > 0 && (*s.at == '\r' || *s.at == '\0'))
		s.at++;
	if (take_part_head(s, out) || is_boot_mark(s)) {
		out->new_boot = out->part == 0;
		out->text = s.end;
		return;
	}
	take_head(&s, out);
	char *text = line + (s.at - line);
	out->text = text;
	out->length = rw_scan_left(&s);
	if (out->has_sequence)
		out->length = rw_log_undo_escapes(text, out->length);
}
