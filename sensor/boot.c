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
#include "sensor/pstore.h"
#include "sensor/statefile.h"

enum { STATE_SCHEMA = 2, STATE_BYTES = 2048 };

static const char state_name[] = "boot.state";
static const char announced_name[] = "announced";

static const char *const armed_names[] = {"none", "reboot", "power_off", "kexec", "stopped", NULL};
static const char *const end_names[] = {"", "none", "orderly", "unexpected", "unknown", NULL};
static const char *const yes_no[] = {"no", "yes", NULL};

/* ---- the text -------------------------------------------------------------------- */

/* One line of clean text, shorter than `size`. */
static bool take_text(const char **at, const char *key, char *out, size_t size)
{
	char value[RW_STATE_LINE_BYTES];

	if (!rw_state_take_line(at, key, value))
		return false;
	size_t length = strlen(value);
	if (length >= size || !rw_text_is_clean(value, length))
		return false;
	memcpy(out, value, length + 1);
	return true;
}

/* A number, or "none" for `none`. */
static bool take_number_or_none(const char **at, const char *key, uint64_t none, uint64_t *out)
{
	char value[RW_STATE_LINE_BYTES];

	if (!rw_state_take_line(at, key, value))
		return false;
	if (strcmp(value, "none") != 0)
		return rw_units_parse_uint(value, out) == 0;
	*out = none;
	return true;
}

/* How the boot before ended, as this boot's first start found it. */
static bool take_previous(const char **at, struct rw_boot_state *s)
{
	int end;

	if (!rw_state_take_boot_id(at, "previous_boot_id", true, s->previous_boot_id) ||
	    !rw_state_take_choice(at, "previous_end", end_names, &end) ||
	    (s->previous_boot_id[0] == '\0') != (end == RINGWATCH__V1__BOOT_END__BOOT_END_NONE))
		return false;
	s->previous_end = (Ringwatch__V1__BootEnd)end;
	return true;
}

/* What this boot would leave behind, and what it found. */
static bool take_traces(const char **at, struct rw_boot_state *s)
{
	int sees;

	if (!take_text(at, "pstore_backend", s->pstore_backend, sizeof(s->pstore_backend)) ||
	    !rw_state_take_choice(at, "sees_restarts", yes_no, &sees) ||
	    !take_number_or_none(at, "reset_status", 0, &s->reset_status))
		return false;
	s->sees_restarts = sees == 1;
	return true;
}

int rw_boot_parse(const char *text, struct rw_boot_state *out, const char **what)
{
	struct rw_boot_state s = {.log_sequence = UINT64_MAX};
	uint64_t schema;
	int armed;

	*what = "schema: expected 2";
	if (!rw_state_take_number(&text, "schema", &schema) || schema != STATE_SCHEMA)
		return -EINVAL;
	*what = "boot_id: expected a boot id";
	if (!rw_state_take_boot_id(&text, "boot_id", false, s.boot_id))
		return -EINVAL;
	*what = "boot_order, release, alive_boot_ms, alive_wall_ms: expected numbers and text";
	if (!rw_state_take_number(&text, "boot_order", &s.boot_order) ||
	    !take_text(&text, "release", s.release, sizeof(s.release)) ||
	    !rw_state_take_number(&text, "alive_boot_ms", &s.alive_boot_ms) ||
	    !rw_state_take_number(&text, "alive_wall_ms", &s.alive_wall_ms))
		return -EINVAL;
	*what = "armed: expected none, reboot, power_off, kexec or stopped";
	if (!rw_state_take_choice(&text, "armed", armed_names, &armed))
		return -EINVAL;
	*what = "previous_boot_id, previous_end: expected a boot id and how it ended";
	if (!take_previous(&text, &s))
		return -EINVAL;
	*what = "log_sequence: expected a number or none";
	if (!take_number_or_none(&text, "log_sequence", UINT64_MAX, &s.log_sequence))
		return -EINVAL;
	*what = "pstore_backend, sees_restarts, reset_status: expected a name, yes or no, a number";
	if (!take_traces(&text, &s))
		return -EINVAL;
	*what = "last_words: expected one line of text, and the end of the file";
	if (!take_text(&text, "last_words", s.last_words, sizeof(s.last_words)) || text[0] != '\0')
		return -EINVAL;
	s.armed = (enum rw_boot_armed)armed;
	*out = s;
	return 0;
}

static const char *number_or_none(uint64_t number, uint64_t none, char out[24])
{
	if (number == none)
		return "none";
	snprintf(out, 24, "%llu", (unsigned long long)number);
	return out;
}

long rw_boot_format(const struct rw_boot_state *s, char *out, size_t size)
{
	char words[RW_BOOT_WORDS_BYTES];
	char release[RW_BOOT_RELEASE_BYTES];
	char backend[RW_BOOT_BACKEND_BYTES];
	char log[24];
	char reset[24];

	rw_text_escape(words, sizeof(words), s->last_words, strlen(s->last_words));
	rw_text_escape(release, sizeof(release), s->release, strlen(s->release));
	rw_text_escape(backend, sizeof(backend), s->pstore_backend, strlen(s->pstore_backend));
	int n = snprintf(out, size,
			 "schema=%d\nboot_id=%s\nboot_order=%llu\nrelease=%s\nalive_boot_ms=%llu\n"
			 "alive_wall_ms=%llu\narmed=%s\nprevious_boot_id=%s\nprevious_end=%s\n"
			 "log_sequence=%s\npstore_backend=%s\nsees_restarts=%s\nreset_status=%s\n"
			 "last_words=%s\n",
			 STATE_SCHEMA, s->boot_id, (unsigned long long)s->boot_order, release,
			 (unsigned long long)s->alive_boot_ms, (unsigned long long)s->alive_wall_ms,
			 armed_names[s->armed], s->previous_boot_id, end_names[s->previous_end],
			 number_or_none(s->log_sequence, UINT64_MAX, log), backend,
			 yes_no[s->sees_restarts ? 1 : 0],
			 number_or_none(s->reset_status, 0, reset), words);
	return n < 0 || (size_t)n >= size ? -EMSGSIZE : n;
}

/* ---- a new boot ------------------------------------------------------------------ */

void rw_boot_begin(const struct rw_boot_state *old, const char *boot_id, uint64_t boot_ms,
		   uint64_t wall_ms, struct rw_boot_state *fresh)
{
	struct rw_boot_state s = {
		.alive_boot_ms = boot_ms,
		.alive_wall_ms = wall_ms,
		.armed = RW_ARMED_NONE,
		.log_sequence = UINT64_MAX,
		.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE,
	};

	if (old == NULL) {
		/* above whatever a state that was lost may have counted to */
		s.boot_order = wall_ms / 1000 > 0 ? wall_ms / 1000 : 1;
	} else if (strcmp(old->boot_id, boot_id) == 0) {
		s.boot_order = old->boot_order;
		s.log_sequence = old->log_sequence;
		s.reset_status = old->reset_status;
		s.previous_end = old->previous_end;
		memcpy(s.previous_boot_id, old->previous_boot_id, sizeof(s.previous_boot_id));
	} else {
		s.boot_order = old->boot_order + 1;
		s.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN;
		memcpy(s.previous_boot_id, old->boot_id, sizeof(s.previous_boot_id));
	}
	memcpy(s.boot_id, boot_id, RW_BOOT_ID_LENGTH);
	*fresh = s;
}

/* A crash kernel runs before anything is written to persistent storage. */
static bool crash_kernel_is_loaded(const char *root)
{
	char path[PATH_MAX];
	rw_autofree char *text = NULL;
	int n = snprintf(path, sizeof(path), "%s/sys/kernel/kexec_crash_loaded", root);

	return n > 0 && (size_t)n < sizeof(path) && rw_file_read(path, 64, &text, NULL) == 0 &&
	       text[0] == '1';
}

bool rw_boot_look(const char *root, struct rw_boot_state *s)
{
	char backend[RW_BOOT_BACKEND_BYTES] = "";

	if (!crash_kernel_is_loaded(root))
		rw_pstore_backend(root, backend, sizeof(backend));
	if (strcmp(backend, s->pstore_backend) == 0)
		return false;
	memcpy(s->pstore_backend, backend, sizeof(backend));
	return true;
}

/* ---- files ---------------------------------------------------------------------------- */

int rw_boot_load(const char *folder, struct rw_boot_state *out, char error[RW_BOOT_ERROR_BYTES])
{
	const char *what;
	rw_autofree char *text = NULL;
	int err = rw_state_read(folder, state_name, &text);

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
	err = rw_state_set_aside(folder, state_name);
	return err == 0 ? -EINVAL : err;
}

int rw_boot_save(const char *folder, const struct rw_boot_state *state)
{
	char path[PATH_MAX];
	char text[STATE_BYTES];
	int err = rw_state_path(folder, state_name, path);
	long length = rw_boot_format(state, text, sizeof(text));

	if (err != 0)
		return err;
	if (length < 0)
		return (int)length;
	return rw_file_replace(path, text, (size_t)length, 0600);
}

/* ---- announcements ----------------------------------------------------------------------- */

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
	int err = rw_state_path(folder, announced_name, path);

	if (err != 0)
		return err;
	int n = snprintf(text, sizeof(text), "boot_id=%s\nboot_ms=%llu\narmed=%s\nback_in_s=%u\n",
			 boot_id, (unsigned long long)boot_ms, armed_names[announcement->armed],
			 announcement->back_in_s);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EMSGSIZE;
	/* whoever announces is root; the sensor that reads it may have become another user */
	return rw_file_replace(path, text, (size_t)n, 0644);
}

bool rw_announcement_read(const char *folder, const char *boot_id, uint64_t boot_ms,
			  struct rw_announcement *out)
{
	char of_boot[RW_BOOT_ID_LENGTH + 1] = "";
	rw_autofree char *text = NULL;
	uint64_t announced_ms;
	uint64_t back_in_s;
	int armed;

	if (rw_state_read(folder, announced_name, &text) != 0)
		return false;
	const char *at = text;
	if (!rw_state_take_boot_id(&at, "boot_id", false, of_boot) ||
	    !rw_state_take_number(&at, "boot_ms", &announced_ms) ||
	    !rw_state_take_choice(&at, "armed", armed_names, &armed) ||
	    !rw_state_take_number(&at, "back_in_s", &back_in_s) || back_in_s > UINT32_MAX ||
	    *at != '\0')
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

	if (rw_state_path(folder, announced_name, path) == 0)
		unlink(path);
}

int rw_boot_id_below(const char *root, char out[RW_BOOT_ID_LENGTH + 1])
{
	char path[PATH_MAX];
	rw_autofree char *text = NULL;
	int n = snprintf(path, sizeof(path), "%s/proc/sys/kernel/random/boot_id", root);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	int err = rw_file_read(path, 128, &text, NULL);
	if (err != 0)
		return err;
	text[strcspn(text, "\n")] = '\0';
	if (!rw_boot_id_is_valid(text, strlen(text)))
		return -EINVAL;
	memcpy(out, text, RW_BOOT_ID_LENGTH + 1);
	return 0;
}

int rw_boot_current_id(char out[RW_BOOT_ID_LENGTH + 1])
{
	return rw_boot_id_below("", out);
}
