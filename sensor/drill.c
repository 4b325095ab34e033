/* SPDX-License-Identifier: Apache-2.0 */
/* Staged failures; see drill.h. */
#include "sensor/drill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char words[] = "ringwatch: drill ";
/* Facility user, at a level that no console shows by default. */
static const char level[] = "<14>";

struct rw_drill {
	int fd;
	int unwritable; /* errno; 0: it is open */
	bool is_device;
	bool was_asked;
	bool waits;
	bool has_failed;
	uint64_t asked_ms;
	struct rw_drill_news news;
};

struct rw_drill *rw_drill_open(const char *kmsg)
{
	struct rw_drill *d = calloc(1, sizeof(*d));
	struct stat st;

	if (d == NULL)
		return NULL;
	d->fd = -1;
	d->is_device = stat(kmsg, &st) == 0 && S_ISCHR(st.st_mode);
	if (!d->is_device)
		return d;
	d->fd = open(kmsg, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
	d->unwritable = d->fd < 0 ? errno : 0;
	return d;
}

void rw_drill_close(struct rw_drill *d)
{
	if (d == NULL)
		return;
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

static void fail(struct rw_drill *d, const char *what, const char *why)
{
	d->has_failed = true;
	snprintf(d->news.trouble, sizeof(d->news.trouble), "%s%s", what, why);
}

void rw_drill_ask(struct rw_drill *d, const uint8_t name[RW_DRILL_BYTES], uint64_t now_ms)
{
	char line[sizeof(level) + sizeof(words) + sizeof(d->news.name)];

	/* A collector that went mad must not fill the kernel log. */
	if (d->was_asked && now_ms - d->asked_ms < RW_DRILL_EVERY_MS)
		return;
	d->was_asked = true;
	d->news = (struct rw_drill_news){0};
	for (size_t i = 0; i < RW_DRILL_BYTES; i++)
		snprintf(d->news.name + 2 * i, 3, "%02x", name[i]);
	d->asked_ms = now_ms;
	d->waits = true;
	d->has_failed = false;
	if (!d->is_device) {
		fail(d, "what is read as the kernel log is none: it cannot be written", "");
		return;
	}
	if (d->fd < 0) {
		fail(d, "the kernel log cannot be written: ", strerror(d->unwritable));
		return;
	}
	int length = snprintf(line, sizeof(line), "%s%s%s\n", level, words, d->news.name);
	/* one write is one record */
	ssize_t written = write(d->fd, line, (size_t)length);
	if (written != length)
		fail(d, "the kernel log cannot be written: ", strerror(written < 0 ? errno : EIO));
}

static void tell(struct rw_drill *d, uint64_t now_ms, struct rw_drill_news *out)
{
	d->waits = false;
	d->news.took_ms = now_ms - d->asked_ms;
	*out = d->news;
}

bool rw_drill_line(struct rw_drill *d, const char *text, size_t length, uint64_t now_ms,
		   struct rw_drill_news *out)
{
	const size_t head = sizeof(words) - 1;

	if (!d->waits || d->has_failed || length != head + 2 * (size_t)RW_DRILL_BYTES ||
	    memcmp(text, words, head) != 0 || memcmp(text + head, d->news.name, length - head) != 0)
		return false;
	tell(d, now_ms, out);
	return true;
}

bool rw_drill_has_failed(struct rw_drill *d, uint64_t now_ms, struct rw_drill_news *out)
{
	if (!d->waits || (!d->has_failed && now_ms - d->asked_ms < RW_DRILL_WAIT_MS))
		return false;
	if (!d->has_failed)
		fail(d, "the line did not come back out of the kernel log", "");
	tell(d, now_ms, out);
	return true;
}
