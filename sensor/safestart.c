/* SPDX-License-Identifier: Apache-2.0 */
/* The mark before BPF attaches; see safestart.h. */
#include "sensor/safestart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "sensor/statefile.h"

enum { MARK_SCHEMA = 1 };

static const char file_name[] = "attach.mark";
static const char *const engaged_names[] = {"no", "yes", NULL};

/* ---- the decision ------------------------------------------------------------------ */

bool rw_safe_start_decide(struct rw_safe_start *s, const struct rw_safe_start_last *last,
			  const char *version, const char *release)
{
	const uint64_t soon_ms = (uint64_t)RW_SAFE_START_MINUTES * 60 * 1000;

	if (strcmp(s->version, version) != 0 || strcmp(s->release, release) != 0) {
		/* another sensor or another kernel: what killed the host may be gone */
		*s = (struct rw_safe_start){0};
		snprintf(s->version, sizeof(s->version), "%s", version);
		snprintf(s->release, sizeof(s->release), "%s", release);
	} else if (last != NULL && s->boot_id[0] != '\0' &&
		   strcmp(last->boot_id, s->boot_id) == 0) {
		bool soon = last->alive_boot_ms < s->attached_boot_ms + soon_ms;
		s->deaths = last->unexpected && soon ? s->deaths + 1 : 0;
		s->boot_id[0] = '\0'; /* each attach is answered for once */
	}
	if (s->deaths >= RW_SAFE_START_DEATHS)
		s->engaged = true;
	return s->engaged;
}

void rw_safe_start_mark(struct rw_safe_start *s, const char *boot_id, uint64_t boot_ms)
{
	snprintf(s->boot_id, sizeof(s->boot_id), "%s", boot_id);
	s->attached_boot_ms = boot_ms;
}

/* ---- the file ---------------------------------------------------------------------- */

static bool parse(const char *text, struct rw_safe_start *out)
{
	struct rw_safe_start s = {0};
	char version[RW_STATE_LINE_BYTES];
	char release[RW_STATE_LINE_BYTES];
	uint64_t schema;
	uint64_t deaths;
	int engaged;

	if (!rw_state_take_number(&text, "schema", &schema) || schema != MARK_SCHEMA ||
	    !rw_state_take_line(&text, "version", version) ||
	    strlen(version) >= sizeof(s.version) ||
	    !rw_state_take_line(&text, "release", release) ||
	    strlen(release) >= sizeof(s.release) ||
	    !rw_state_take_number(&text, "deaths", &deaths) || deaths > UINT32_MAX ||
	    !rw_state_take_choice(&text, "engaged", engaged_names, &engaged) ||
	    !rw_state_take_boot_id(&text, "boot_id", true, s.boot_id) ||
	    !rw_state_take_number(&text, "attached_boot_ms", &s.attached_boot_ms) ||
	    text[0] != '\0')
		return false;
	memcpy(s.version, version, strlen(version) + 1);
	memcpy(s.release, release, strlen(release) + 1);
	s.deaths = (uint32_t)deaths;
	s.engaged = engaged == 1;
	*out = s;
	return true;
}

int rw_safe_start_load(const char *folder, struct rw_safe_start *out)
{
	rw_autofree char *text = NULL;
	int err = rw_state_read(folder, file_name, &text);

	memset(out, 0, sizeof(*out));
	if (err == 0 && parse(text, out))
		return 0;
	if (err != 0 && err != -EFBIG)
		return err;
	err = rw_state_set_aside(folder, file_name);
	return err != 0 ? err : -EINVAL;
}

int rw_safe_start_save(const char *folder, const struct rw_safe_start *s)
{
	char path[PATH_MAX];
	char text[1024];
	int err = rw_state_path(folder, file_name, path);
	int n = snprintf(text, sizeof(text),
			 "schema=%d\nversion=%s\nrelease=%s\ndeaths=%u\nengaged=%s\nboot_id=%s\n"
			 "attached_boot_ms=%llu\n",
			 MARK_SCHEMA, s->version, s->release, s->deaths, engaged_names[s->engaged],
			 s->boot_id, (unsigned long long)s->attached_boot_ms);

	if (err != 0)
		return err;
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EMSGSIZE;
	return rw_file_replace(path, text, (size_t)n, 0600);
}

int rw_safe_start_remove(const char *folder)
{
	char path[PATH_MAX];
	int err = rw_state_path(folder, file_name, path);

	if (err == 0 && unlink(path) != 0 && errno != ENOENT)
		err = -errno;
	return err;
}
