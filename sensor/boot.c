/* SPDX-License-Identifier: Apache-2.0 */
/* State of boots; see boot.h. The file is lines of `key=value` in a fixed order. */
#include "sensor/boot.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/text.h"
#include "lib/units.h"
#include "proto/bootid.h"

enum { STATE_SCHEMA = 1, FILE_MAX = 4096, LINE_MAX_BYTES = 256 };

static const char *const armed_names[] = {"none", "reboot", "power_off", "kexec", "stopped", NULL};
static const char *const end_names[] = {"", "none", "orderly", "unexpected", "unknown", NULL};

/* ---- the text -------------------------------------------------------------------- */

/* Takes the line `key=…` off the front; false when another line stands there. */
static bool take_line(const char **at, const char *key, char value[LINE_MAX_BYTES])
{
	size_t length = strlen(key);

	if (strncmp(*at, key, length) != 0 || (*at)[length] != '=')
		return false;
	const char *from = *at + length + 1;
	const char *end = strchr(from, '\n');
	if (end == NULL || end - from >= LINE_MAX_BYTES)
		return false;
	memcpy(value, from, (size_t)(end - from));
	value[end - from] = '\0';
	*at = end + 1;
	return true;
}

static bool take_number(const char **at, const char *key, uint64_t *out)
{
	char value[LINE_MAX_BYTES];

	return take_line(at, key, value) && rw_units_parse_uint(value, out) == 0;
}

static bool take_choice(const char **at, const char *key, const char *const *names, int *out)
{
	char value[LINE_MAX_BYTES];

	if (!take_line(at, key, value))
		return false;
	for (int i = 0; names[i] != NULL; i++) {
		if (names[i][0] != '\0' && strcmp(names[i], value) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool take_boot_id(const char **at, const char *key, bool may_be_empty,
			 char out[RW_BOOT_ID_LENGTH + 1])
{
	char value[LINE_MAX_BYTES];

	if (!take_line(at, key, value))
		return false;
	size_t length = strlen(value);
	if (!(may_be_empty && length == 0) && !rw_boot_id_is_valid(value, length))
		return false;
	memcpy(out, value, length + 1);
	return true;
}

int rw_boot_parse(const char *text, struct rw_boot_state *out, const char **what)
{
	struct rw_boot_state s = {.log_sequence = UINT64_MAX};
	char value[LINE_MAX_BYTES];
	uint64_t schema;
	int armed;
	int end;

	*what = "schema: expected 1";
	if (!take_number(&text, "schema", &schema) || schema != STATE_SCHEMA)
		return -EINVAL;
	*what = "boot_id: expected a boot id";
	if (!take_boot_id(&text, "boot_id", false, s.boot_id))
		return -EINVAL;
	*what = "boot_order, alive_boot_ms, alive_wall_ms: expected numbers";
	if (!take_number(&text, "boot_order", &s.boot_order) ||
	    !take_number(&text, "alive_boot_ms", &s.alive_boot_ms) ||
	    !take_number(&text, "alive_wall_ms", &s.alive_wall_ms))
		return -EINVAL;
	*what = "armed: expected none, reboot, power_off, kexec or stopped";
	if (!take_choice(&text, "armed", armed_names, &armed))
		return -EINVAL;
	*what = "previous_boot_id, previous_end: expected a boot id and how it ended";
	if (!take_boot_id(&text, "previous_boot_id", true, s.previous_boot_id) ||
	    !take_choice(&text, "previous_end", end_names, &end) ||
	    (s.previous_boot_id[0] == '\0') != (end == RINGWATCH__V1__BOOT_END__BOOT_END_NONE))
		return -EINVAL;
	*what = "log_sequence: expected a number or none";
	if (!take_line(&text, "log_sequence", value) ||
	    (strcmp(value, "none") != 0 && rw_units_parse_uint(value, &s.log_sequence) != 0))
		return -EINVAL;
	*what = "last_words: expected one line of text, and the end of the file";
	if (!take_line(&text, "last_words", value) || strlen(value) >= sizeof(s.last_words) ||
	    !rw_text_is_clean(value, strlen(value)) || text[0] != '\0')
		return -EINVAL;
	memcpy(s.last_words, value, strlen(value) + 1);
	s.armed = (enum rw_boot_armed)armed;
	s.previous_end = (Ringwatch__V1__BootEnd)end;
	*out = s;
	return 0;
}

long rw_boot_format(const struct rw_boot_state *s, char *out, size_t size)
{
	char words[RW_BOOT_WORDS_BYTES];
	char log[24] = "none";

	rw_text_escape(words, sizeof(words), s->last_words, strlen(s->last_words));
	if (s->log_sequence != UINT64_MAX)
		snprintf(log, sizeof(log), "%llu", (unsigned long long)s->log_sequence);
	int n = snprintf(out, size,
			 "schema=%d\nboot_id=%s\nboot_order=%llu\nalive_boot_ms=%llu\n"
			 "alive_wall_ms=%llu\narmed=%s\nprevious_boot_id=%s\nprevious_end=%s\n"
			 "log_sequence=%s\nlast_words=%s\n",
			 STATE_SCHEMA, s->boot_id, (unsigned long long)s->boot_order,
			 (unsigned long long)s->alive_boot_ms, (unsigned long long)s->alive_wall_ms,
			 armed_names[s->armed], s->previous_boot_id, end_names[s->previous_end],
			 log, words);
	return n < 0 || (size_t)n >= size ? -EMSGSIZE : n;
}

/* ---- the decision ------------------------------------------------------------------ */

/* "panic: …", "oops: …" and "forced …" are what the dying boot could still write down. */
static void describe_end(const struct rw_boot_state *old, struct rw_event *e)
{
	const char *cause = "unknown";

	if (strncmp(old->last_words, "panic", 5) == 0)
		cause = "panic";
	else if (strncmp(old->last_words, "forced", 6) == 0)
		cause = "forced_restart";
	else if (strncmp(old->last_words, "oops", 4) == 0)
		cause = "oops";
	snprintf(e->signature, sizeof(e->signature), "unexpected_reboot:%s", cause);
	snprintf(e->detail, sizeof(e->detail),
		 "%s; the boot was last known alive %llu s after its start",
		 old->last_words[0] != '\0' ? old->last_words : "cause unknown",
		 (unsigned long long)(old->alive_boot_ms / 1000));
}

static void fill_event(const struct rw_boot_state *old, bool planned, struct rw_event *e)
{
	memset(e, 0, sizeof(*e));
	e->source = RINGWATCH__V1__SOURCE__SOURCE_BOOT_STATE;
	memcpy(e->boot_id, old->boot_id, sizeof(e->boot_id));
	e->boot_order = old->boot_order;
	e->boot_ms = old->alive_boot_ms;
	e->wall_ms = old->alive_wall_ms;
	e->cpu = RW_CPU_UNKNOWN;
	e->count = 1;
	if (!planned) {
		e->kind = RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT;
		e->severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
		describe_end(old, e);
		return;
	}
	e->kind = RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT;
	e->severity = RINGWATCH__V1__SEVERITY__SEVERITY_INFO;
	snprintf(e->signature, sizeof(e->signature), "planned_reboot:%s", armed_names[old->armed]);
	snprintf(e->detail, sizeof(e->detail), "the boot ended in good order: %s",
		 armed_names[old->armed]);
}

bool rw_boot_decide(const struct rw_boot_state *old, const char *boot_id, uint64_t boot_ms,
		    uint64_t wall_ms, struct rw_boot_state *fresh, struct rw_event *event)
{
	struct rw_boot_state s = {
		.alive_boot_ms = boot_ms,
		.alive_wall_ms = wall_ms,
		.armed = RW_ARMED_NONE,
		.log_sequence = UINT64_MAX,
		.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE,
	};
	bool report = false;

	memcpy(s.boot_id, boot_id, RW_BOOT_ID_LENGTH);
	if (old == NULL) {
		/* above whatever a state that was lost may have counted to */
		s.boot_order = wall_ms / 1000 > 0 ? wall_ms / 1000 : 1;
	} else if (strcmp(old->boot_id, boot_id) == 0) {
		s.boot_order = old->boot_order;
		s.log_sequence = old->log_sequence;
		s.previous_end = old->previous_end;
		memcpy(s.previous_boot_id, old->previous_boot_id, sizeof(s.previous_boot_id));
	} else {
		s.boot_order = old->boot_order + 1;
		memcpy(s.previous_boot_id, old->boot_id, sizeof(s.previous_boot_id));
		if (old->armed == RW_ARMED_STOPPED) {
			s.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN;
		} else {
			bool planned = old->armed != RW_ARMED_NONE;
			s.previous_end = planned ? RINGWATCH__V1__BOOT_END__BOOT_END_ORDERLY
						 : RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED;
			fill_event(old, planned, event);
			report = true;
		}
	}
	*fresh = s;
	return report;
}

/* ---- files ---------------------------------------------------------------------------- */

static int path_of(const char *folder, const char *name, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int rw_boot_load(const char *folder, struct rw_boot_state *out, char error[RW_BOOT_ERROR_BYTES])
{
	char path[PATH_MAX];
	char aside[PATH_MAX];
	const char *what;
	rw_autofree char *text = NULL;
	int err = path_of(folder, "boot.state", path);

	if (err == 0)
		err = path_of(folder, "boot.state.damaged", aside);
	if (err == 0)
		err = rw_file_read(path, FILE_MAX, &text, NULL);
	if (err != 0 && err != -EFBIG) {
		snprintf(error, RW_BOOT_ERROR_BYTES, "boot.state: %s", strerror(-err));
		return err;
	}
	what = "too large";
	if (err == 0 && rw_boot_parse(text, out, &what) == 0)
		return 0;
	snprintf(error, RW_BOOT_ERROR_BYTES,
		 "boot.state: %s; set aside as boot.state.damaged, how the last boot ended is not "
		 "known",
		 what);
	return rename(path, aside) == 0 ? -EINVAL : -errno;
}

int rw_boot_save(const char *folder, const struct rw_boot_state *state)
{
	char path[PATH_MAX];
	char text[2048];
	int err = path_of(folder, "boot.state", path);
	long length = rw_boot_format(state, text, sizeof(text));

	if (err != 0)
		return err;
	if (length < 0)
		return (int)length;
	return rw_file_replace(path, text, (size_t)length, 0600);
}

int rw_announcement_parse(const char *text, enum rw_boot_armed *out)
{
	static const struct {
		const char *name;
		enum rw_boot_armed armed;
	} kinds[] = {
		{"reboot", RW_ARMED_REBOOT},
		{"power-off", RW_ARMED_POWER_OFF},
		{"kexec", RW_ARMED_KEXEC},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, text) == 0) {
			*out = kinds[i].armed;
			return 0;
		}
	}
	return -EINVAL;
}

int rw_announcement_write(const char *folder, const struct rw_announcement *announcement,
			  const char *boot_id, uint64_t boot_ms)
{
	char path[PATH_MAX];
	char text[256];
	int err = path_of(folder, "announced", path);

	if (err != 0)
		return err;
	int n = snprintf(text, sizeof(text), "boot_id=%s\nboot_ms=%llu\narmed=%s\nback_in_s=%u\n",
			 boot_id, (unsigned long long)boot_ms, armed_names[announcement->armed],
			 announcement->back_in_s);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EMSGSIZE;
	return rw_file_replace(path, text, (size_t)n, 0600);
}

bool rw_announcement_read(const char *folder, const char *boot_id, uint64_t boot_ms,
			  struct rw_announcement *out)
{
	char path[PATH_MAX];
	char of_boot[RW_BOOT_ID_LENGTH + 1] = "";
	rw_autofree char *text = NULL;
	uint64_t announced_ms;
	uint64_t back_in_s;
	int armed;

	if (path_of(folder, "announced", path) != 0 ||
	    rw_file_read(path, FILE_MAX, &text, NULL) != 0)
		return false;
	const char *at = text;
	if (!take_boot_id(&at, "boot_id", false, of_boot) ||
	    !take_number(&at, "boot_ms", &announced_ms) ||
	    !take_choice(&at, "armed", armed_names, &armed) ||
	    !take_number(&at, "back_in_s", &back_in_s) || back_in_s > UINT32_MAX || *at != '\0')
		return false;
	if (armed < RW_ARMED_REBOOT || armed > RW_ARMED_KEXEC || strcmp(of_boot, boot_id) != 0 ||
	    announced_ms > boot_ms || boot_ms - announced_ms > RW_BOOT_ANNOUNCED_FOR_MS)
		return false;
	*out = (struct rw_announcement){(enum rw_boot_armed)armed, (uint32_t)back_in_s};
	return true;
}

void rw_announcement_remove(const char *folder)
{
	char path[PATH_MAX];

	if (path_of(folder, "announced", path) == 0)
		unlink(path);
}

int rw_boot_current_id(char out[RW_BOOT_ID_LENGTH + 1])
{
	rw_autofree char *text = NULL;
	int err = rw_file_read("/proc/sys/kernel/random/boot_id", 128, &text, NULL);

	if (err != 0)
		return err;
	text[strcspn(text, "\n")] = '\0';
	if (!rw_boot_id_is_valid(text, strlen(text)))
		return -EINVAL;
	memcpy(out, text, RW_BOOT_ID_LENGTH + 1);
	return 0;
}
