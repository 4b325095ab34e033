/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which versions this host runs: its kernel, what markers say of everything else,
 * and the modules that the collector watches.
 *
 *   kernel       "RELEASE BUILD_ID"; the release alone when /sys/kernel/notes cannot tell
 *   marker:NAME  the first line of the file NAME in the markers' folder
 *   module:NAME  /sys/module/NAME/srcversion; "" when it is not loaded
 *
 * A marker exposes a host to a deployment, so only its owner (root) may have a say:
 * the folder and each file in it belong to the owner, neither can be written by group
 * or others, and a file is a regular one, with one line of text that can be printed.
 * Whatever else lies there is refused, with one line in the log when that changes. A
 * name that begins with a dot is passed over: a tool writes there and renames.
 *
 * A look costs one stat of the folder and of each marker, and a read of each watched
 * module; files are read again only when a stamp has moved. A stamp that is younger
 * than the clock's grain may hide a second write, so what is young is read again.
 *
 * Owner: one thread. Works with no right but to read.
 */
#ifndef RINGWATCH_SENSOR_VERSIONS_H
#define RINGWATCH_SENSOR_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/limits.h"

enum {
	RW_MARKERS_MAX = 31, /* with the kernel and all watched modules they fill one message */
	RW_BUILD_ID_TEXT_BYTES = 65,
};
_Static_assert(1 + RW_MARKERS_MAX + RW_WATCH_MAX <= RW_VERSIONS_MAX, "all fit one message");

struct rw_version {
	char subject[RW_VERSION_SUBJECT_MAX + 1];
	char value[RW_VERSION_VALUE_MAX + 1];
};

struct rw_versions_config {
	const char *root;        /* put before each path: "" but for tests */
	const char *markers_dir; /* NULL: there are none */
	const char *release;     /* the kernel's */
	uid_t owner;             /* whose markers are believed: 0 but for tests */
};

struct rw_versions;

/* Copies the texts, and looks once. `wall_ms` is the clock that stamps files. NULL: no
 * memory. */
struct rw_versions *rw_versions_open(const struct rw_versions_config *config, uint64_t wall_ms);
void rw_versions_free(struct rw_versions *versions); /* NULL is fine */

/* Looks again; whether anything has changed since the last look. */
bool rw_versions_look(struct rw_versions *versions, uint64_t wall_ms);
/* The modules to look at from the next look on, in place of those before. Names that
 * cannot be a module's are left out. */
void rw_versions_watch(struct rw_versions *versions, char *const *modules, size_t count);

/* Grows with each look that found a change; never 0. */
uint64_t rw_versions_generation(const struct rw_versions *versions);
uint32_t rw_versions_count(const struct rw_versions *versions);
/* The kernel, then markers and modules in the order of their names. */
const struct rw_version *rw_versions_at(const struct rw_versions *versions, uint32_t index);

/* Why a marker, or with NULL the folder, is refused now; "" when it is not, or not known. */
const char *rw_versions_refusal(const struct rw_versions *versions, const char *marker);

/* The GNU build id among ELF notes, in hex. False: there is none of 1 to 32 bytes. Pure. */
bool rw_versions_build_id(const uint8_t *notes, size_t length, char out[RW_BUILD_ID_TEXT_BYTES]);

#endif
