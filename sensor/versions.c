/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel, markers, modules; see versions.h. */
#include "sensor/versions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/match.h"
#include "lib/name.h"
#include "lib/text.h"

enum {
	PATH_BYTES = 2048,
	REASON_BYTES = 96,
	MARKER_READ_BYTES = 1024, /* a first line with blanks around it is not longer */
	NOTES_BYTES = 16384,
	YOUNG_MS = 3000, /* a stamp of so short a time ago may still hide a change */
};

/* What moves when a file or folder is changed, replaced or given away. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	mode_t mode;
	uid_t owner;
	struct timespec changed;
};

struct marker {
	char name[RW_NAME_MAX + 1];
	struct stamp stamp;
	char value[RW_VERSION_VALUE_MAX + 1];
	char refusal[REASON_BYTES]; /* "": its value counts */
};

/* The folder as it was found. */
struct markers {
	struct stamp stamp;
	char refusal[REASON_BYTES];
	uint32_t count;
	struct marker all[RW_MARKERS_MAX]; /* by name */
	uint32_t bad_names, too_many;      /* left out */
	bool young;                        /* to be read again, whatever the stamps say */
};

struct rw_versions {
	char *root;
	char *folder; /* NULL: none */
	uid_t owner;
	char kernel[RW_VERSION_VALUE_MAX + 1];
	struct markers *markers; /* NULL before the first look, and without a folder */
	uint32_t module_count;
	char modules[RW_WATCH_MAX][RW_NAME_MAX + 1]; /* by name */
	uint64_t generation;
	uint32_t count;
	struct rw_version all[RW_VERSIONS_MAX];
};

/* ---- files ----------------------------------------------------------------- */

/* Reads from the beginning, at most `size`; the bytes, or negative errno. */
static ssize_t read_some(int fd, void *out, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, (char *)out + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static ssize_t read_path(const char *root, const char *path, void *out, size_t size)
{
	char whole[PATH_BYTES];
	int n = snprintf(whole, sizeof(whole), "%s%s", root, path);

	if (n < 0 || (size_t)n >= sizeof(whole))
		return -ENAMETOOLONG;
	int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ssize_t length = read_some(fd, out, size);
	close(fd);
	return length;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The first line without blanks around it, as a value. NULL: taken; else why not. */
static const char *take_line(const char *text, size_t length, bool is_whole, char *out)
{
	char shown[4 * RW_VERSION_VALUE_MAX + 1];
	const char *end = memchr(text, '\n', length);

	if (end == NULL && !is_whole)
		return "its first line is too long";
	length = end == NULL ? length : (size_t)(end - text);
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	while (length > 0 && is_blank(text[0])) {
		text++;
		length--;
	}
	if (length == 0)
		return "its first line is empty";
	if (length > RW_VERSION_VALUE_MAX)
		return "its first line is longer than 255 bytes";
	if (rw_text_escape(shown, sizeof(shown), text, length) != length ||
	    memcmp(shown, text, length) != 0)
		return "its first line is not text that can be printed";
	memcpy(out, text, length);
	out[length] = '\0';
	return NULL;
}

/* ---- the kernel ------------------------------------------------------------- */

static bool take_note(const uint8_t *name, size_t name_length, const uint8_t *id, size_t length,
		      char out[RW_BUILD_ID_TEXT_BYTES])
{
	if (name_length != 4 || memcmp(name, "GNU", 4) != 0 || length < 1 ||
	    length > (RW_BUILD_ID_TEXT_BYTES - 1) / 2)
		return false;
	for (size_t i = 0; i < length; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
	return true;
}

bool rw_versions_build_id(const uint8_t *notes, size_t length, char out[RW_BUILD_ID_TEXT_BYTES])
{
	const uint32_t build_id = 3; /* NT_GNU_BUILD_ID */
	size_t at = 0;

	while (length - at >= 12) {
		uint32_t head[3]; /* lengths of name and content, type */

		memcpy(head, notes + at, sizeof(head));
		at += sizeof(head);
		size_t name_room = ((size_t)head[0] + 3) & ~(size_t)3;
		size_t room = ((size_t)head[1] + 3) & ~(size_t)3;
		if (name_room > length - at || head[1] > length - at - name_room)
			return false;
		if (head[2] == build_id &&
		    take_note(notes + at, head[0], notes + at + name_room, head[1], out))
			return true;
		at += name_room;
		at += room < length - at ? room : length - at;
	}
	return false;
}

static void read_kernel(struct rw_versions *v, const char *release)
{
	char id[RW_BUILD_ID_TEXT_BYTES];
	uint8_t *notes = malloc(NOTES_BYTES);
	ssize_t length = notes == NULL
				 ? -ENOMEM
				 : read_path(v->root, "/sys/kernel/notes", notes, NOTES_BYTES);

	if (length > 0 && rw_versions_build_id(notes, (size_t)length, id))
		snprintf(v->kernel, sizeof(v->kernel), "%.128s %s", release, id);
	else
		snprintf(v->kernel, sizeof(v->kernel), "%.128s", release);
	free(notes);
}

/* ---- markers ------------------------------------------------------------------ */

static struct stamp stamp_of(const struct stat *s)
{
	struct stamp stamp;

	memset(&stamp, 0, sizeof(stamp)); /* they are compared as bytes */
	stamp.device = s->st_dev;
	stamp.inode = s->st_ino;
	stamp.size = s->st_size;
	stamp.mode = s->st_mode;
	stamp.owner = s->st_uid;
	stamp.changed.tv_sec = s->st_ctim.tv_sec;
	stamp.changed.tv_nsec = s->st_ctim.tv_nsec;
	return stamp;
}

static bool has_stamp(const char *path, const struct stamp *stamp)
{
	struct stat s;
	struct stamp now;

	memset(&now, 0, sizeof(now)); /* of what is not there */
	if (lstat(path, &s) == 0)
		now = stamp_of(&s);
	return memcmp(&now, stamp, sizeof(now)) == 0;
}

static bool is_young(const struct stamp *stamp, uint64_t wall_ms)
{
	uint64_t changed_ms = (uint64_t)stamp->changed.tv_sec * 1000;

	return changed_ms + YOUNG_MS >= wall_ms && changed_ms <= wall_ms + YOUNG_MS;
}

/* Why this is nobody's word but another's; NULL: it is the owner's. */
static const char *distrust(const struct stat *s, uid_t owner)
{
	if (s->st_uid != owner)
		return owner == 0 ? "does not belong to root" : "does not belong to its owner";
	if ((s->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "can be written by group or others";
	return NULL;
}

/* `err` is an errno; 0: none. */
static void refuse(char reason[REASON_BYTES], const char *what, int err)
{
	snprintf(reason, REASON_BYTES, "%s%s%s", what, err == 0 ? "" : ": ",
		 err == 0 ? "" : strerror(err));
}

static void read_open_marker(int fd, struct marker *m, uid_t owner)
{
	char text[MARKER_READ_BYTES];
	struct stat s;

	if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
		refuse(m->refusal, "is no regular file", 0);
		return;
	}
	m->stamp = stamp_of(&s);
	const char *fault = distrust(&s, owner);
	if (fault == NULL) {
		ssize_t length = read_some(fd, text, sizeof(text));
		if (length < 0)
			fault = "cannot be read";
		else
			fault = take_line(text, (size_t)length, (size_t)length < sizeof(text),
					  m->value);
	}
	if (fault != NULL)
		refuse(m->refusal, fault, 0);
}

/* False: it has vanished. */
static bool read_marker(int folder, const char *name, uid_t owner, struct marker *m)
{
	struct stat s;

	memset(m, 0, sizeof(*m));
	memcpy(m->name, name, strlen(name) + 1);
	if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	m->stamp = stamp_of(&s);
	if (!S_ISREG(s.st_mode)) { /* opening a device may already do something */
		refuse(m->refusal, "is no regular file", 0);
		return true;
	}
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0) {
		refuse(m->refusal, "cannot be opened", errno);
		return true;
	}
	read_open_marker(fd, m, owner);
	close(fd);
	return true;
}

/* Keeps the first names of the alphabet, so that each scan leaves out the same ones. */
static void add_name(struct markers *found, const char *name)
{
	uint32_t at = found->count;

	if (name[0] == '.')
		return;
	if (!rw_name_is_valid(name, strlen(name))) {
		found->bad_names++;
		return;
	}
	while (at > 0 && strcmp(found->all[at - 1].name, name) > 0)
		at--;
	if (found->count == RW_MARKERS_MAX) {
		found->too_many++;
		if (at == RW_MARKERS_MAX)
			return;
		found->count--;
	}
	memmove(&found->all[at + 1], &found->all[at], (found->count - at) * sizeof(found->all[0]));
	memcpy(found->all[at].name, name, strlen(name) + 1);
	found->count++;
}

static void read_names(int folder, struct markers *found)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);

	if (dir == NULL) {
		refuse(found->refusal, "cannot be read", errno);
		if (again >= 0)
			close(again);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		add_name(found, entry->d_name);
	closedir(dir);
}

static void read_folder(int folder, uid_t owner, uint64_t wall_ms, struct markers *found)
{
	struct stat s;

	if (fstat(folder, &s) != 0) {
		refuse(found->refusal, "cannot be looked at", errno);
		return;
	}
	found->stamp = stamp_of(&s);
	found->young = is_young(&found->stamp, wall_ms);
	const char *fault = distrust(&s, owner);
	if (fault != NULL) {
		refuse(found->refusal, fault, 0);
		return;
	}
	read_names(folder, found);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < found->count; i++) {
		struct marker m;

		if (!read_marker(folder, found->all[i].name, owner, &m))
			continue;
		found->young = found->young || is_young(&m.stamp, wall_ms);
		found->all[kept++] = m;
	}
	found->count = kept;
}

static struct markers *scan(const struct rw_versions *v, uint64_t wall_ms)
{
	struct markers *found = calloc(1, sizeof(*found));

	if (found == NULL)
		return NULL;
	int folder = open(v->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0) {
		struct stat s;

		refuse(found->refusal, "cannot be opened", errno);
		if (lstat(v->folder, &s) == 0)
			found->stamp = stamp_of(&s);
		return found;
	}
	read_folder(folder, v->owner, wall_ms, found);
	close(folder);
	return found;
}

static bool has_moved(const struct rw_versions *v)
{
	char path[PATH_BYTES];

	if (v->markers == NULL || v->markers->young || !has_stamp(v->folder, &v->markers->stamp))
		return true;
	for (uint32_t i = 0; i < v->markers->count; i++) {
		const struct marker *m = &v->markers->all[i];

		snprintf(path, sizeof(path), "%s/%s", v->folder, m->name);
		if (!has_stamp(path, &m->stamp))
			return true;
	}
	return false;
}

static const struct marker *find_marker(const struct markers *markers, const char *name)
{
	for (uint32_t i = 0; markers != NULL && i < markers->count; i++) {
		if (strcmp(markers->all[i].name, name) == 0)
			return &markers->all[i];
	}
	return NULL;
}

/* What is refused now and was not, or for another reason; and the end of that. */
static void say_news(const struct rw_versions *v, const struct markers *now)
{
	static const struct markers none;
	const struct markers *before = v->markers == NULL ? &none : v->markers;
	char folder[RW_LOG_QUOTED_BYTES];

	rw_log_quoted(v->folder, folder);
	if (strcmp(before->refusal, now->refusal) != 0 && now->refusal[0] != '\0')
		rw_warning("event=markers_refused path=%s reason=\"%s\"", folder, now->refusal);
	else if (strcmp(before->refusal, now->refusal) != 0)
		rw_info("event=markers_taken path=%s", folder);
	if (now->bad_names != before->bad_names && now->bad_names > 0)
		rw_warning("event=markers_left_out path=%s count=%u reason=\"names must be "
			   "%s\"",
			   folder, now->bad_names, RW_NAME_EXPECTED);
	if (now->too_many != before->too_many && now->too_many > 0)
		rw_warning("event=markers_left_out path=%s count=%u reason=\"only the first %d "
			   "by name are taken\"",
			   folder, now->too_many, RW_MARKERS_MAX);
	for (uint32_t i = 0; i < now->count; i++) {
		const struct marker *m = &now->all[i];
		const struct marker *old = find_marker(before, m->name);

		if (strcmp(old == NULL ? "" : old->refusal, m->refusal) == 0)
			continue;
		if (m->refusal[0] != '\0')
			rw_warning("event=marker_refused marker=%s reason=\"%s\"", m->name,
				   m->refusal);
		else
			rw_info("event=marker_taken marker=%s", m->name);
	}
}

static void look_at_markers(struct rw_versions *v, uint64_t wall_ms)
{
	if (v->folder == NULL || !has_moved(v))
		return;
	struct markers *now = scan(v, wall_ms);
	if (now == NULL)
		return; /* the next look tries again */
	say_news(v, now);
	free(v->markers);
	v->markers = now;
}

/* ---- modules -------------------------------------------------------------------- */

static void read_module(const struct rw_versions *v, const char *name,
			char out[RW_VERSION_VALUE_MAX + 1])
{
	char path[PATH_BYTES];
	char text[MARKER_READ_BYTES];

	snprintf(path, sizeof(path), "/sys/module/%s/srcversion", name);
	ssize_t length = read_path(v->root, path, text, sizeof(text));
	if (length <= 0 ||
	    take_line(text, (size_t)length, (size_t)length < sizeof(text), out) != NULL)
		out[0] = '\0';
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

void rw_versions_watch(struct rw_versions *v, char *const *modules, size_t count)
{
	v->module_count = 0;
	for (size_t i = 0; i < count && v->module_count < RW_WATCH_MAX; i++) {
		bool known = false;

		for (uint32_t k = 0; k < v->module_count; k++)
			known = known || strcmp(v->modules[k], modules[i]) == 0;
		if (known || !rw_match_is_module(modules[i]))
			continue;
		snprintf(v->modules[v->module_count++], sizeof(v->modules[0]), "%s", modules[i]);
	}
	qsort(v->modules, v->module_count, sizeof(v->modules[0]), by_name);
}

/* ---- all of it -------------------------------------------------------------------- */

/* Puts one down as the next; whether that changes what stood there. */
static bool put(struct rw_versions *v, uint32_t at, const char *kind, const char *name,
		const char *value)
{
	struct rw_version now;

	memset(&now, 0, sizeof(now));
	snprintf(now.subject, sizeof(now.subject), "%s%s", kind, name);
	snprintf(now.value, sizeof(now.value), "%s", value);
	bool same = strcmp(v->all[at].subject, now.subject) == 0 &&
		    strcmp(v->all[at].value, now.value) == 0;
	if (!same)
		v->all[at] = now;
	return !same;
}

bool rw_versions_look(struct rw_versions *v, uint64_t wall_ms)
{
	char value[RW_VERSION_VALUE_MAX + 1];
	uint32_t count = 0;

	look_at_markers(v, wall_ms);
	bool changed = put(v, count++, "kernel", "", v->kernel);
	for (uint32_t i = 0; v->markers != NULL && i < v->markers->count; i++) {
		const struct marker *m = &v->markers->all[i];

		if (m->refusal[0] == '\0')
			changed = put(v, count++, "marker:", m->name, m->value) || changed;
	}
	for (uint32_t i = 0; i < v->module_count; i++) {
		read_module(v, v->modules[i], value);
		changed = put(v, count++, "module:", v->modules[i], value) || changed;
	}
	changed = changed || count != v->count;
	v->count = count;
	v->generation += changed ? 1 : 0;
	return changed;
}

struct rw_versions *rw_versions_open(const struct rw_versions_config *config, uint64_t wall_ms)
{
	struct rw_versions *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->root = strdup(config->root);
	v->owner = config->owner;
	if (v->root == NULL ||
	    (config->markers_dir != NULL &&
	     asprintf(&v->folder, "%s%s", config->root, config->markers_dir) < 0)) {
		free(v->root);
		free(v);
		return NULL;
	}
	read_kernel(v, config->release);
	(void)rw_versions_look(v, wall_ms);
	return v;
}

void rw_versions_free(struct rw_versions *v)
{
	if (v == NULL)
		return;
	free(v->markers);
	free(v->folder);
	free(v->root);
	free(v);
}

uint64_t rw_versions_generation(const struct rw_versions *v)
{
	return v->generation;
}

uint32_t rw_versions_count(const struct rw_versions *v)
{
	return v->count;
}

const struct rw_version *rw_versions_at(const struct rw_versions *v, uint32_t index)
{
	return &v->all[index];
}

const char *rw_versions_refusal(const struct rw_versions *v, const char *marker)
{
	if (v->markers == NULL)
		return "";
	if (marker == NULL)
		return v->markers->refusal;
	const struct marker *m = find_marker(v->markers, marker);
	return m == NULL ? "" : m->refusal;
}
