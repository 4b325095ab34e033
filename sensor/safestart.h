/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sensor can be what kills a host. Before BPF attaches, a mark on disk says
 * that it is about to, in which boot; when the host died within
 * RW_SAFE_START_MINUTES of an attach in each of the last two boots that
 * attached, the next start leaves BPF off and reads the kernel log alone, and
 * says so: KIND_SAFE_START, critical, in Hello and in coverage.
 *
 * It stays so until an operator removes the mark with `ringwatch-sensor
 * --leave-safe-start`, or the sensor is another version (an upgrade may be the
 * cure), or the kernel is another release. An orderly end, however soon, is no
 * death; nor is a boot of which nobody knows how it ended because the sensor had
 * been stopped.
 *
 * The file `attach.mark` holds the deaths so far and the last attach. What is
 * decided is pure.
 */
#ifndef RINGWATCH_SENSOR_SAFESTART_H
#define RINGWATCH_SENSOR_SAFESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"

enum {
	RW_SAFE_START_MINUTES = 10,
	RW_SAFE_START_DEATHS = 2,
	RW_SAFE_START_TEXT_BYTES = 160,
};

struct rw_safe_start {
	char boot_id[RW_BOOT_ID_LENGTH + 1]; /* of the last attach; "" never */
	uint64_t attached_boot_ms;           /* when, by that boot's clock */
	uint32_t deaths;                     /* in a row */
	bool engaged;
	char version[65]; /* of the sensor and the kernel they belong to */
	char release[129];
};

struct rw_safe_start_last {
	const char *boot_id;    /* of the boot that ended */
	bool unexpected;        /* it did not end in good order */
	uint64_t alive_boot_ms; /* last known alive, by its own clock */
};

/*
 * Takes note of how the last boot ended (NULL: this is the same boot, or nothing
 * is known). Returns whether BPF has to stay off.
 */
bool rw_safe_start_decide(struct rw_safe_start *state, const struct rw_safe_start_last *last,
			  const char *version, const char *release);
/* BPF is about to attach in this boot. To be saved before it does. */
void rw_safe_start_mark(struct rw_safe_start *state, const char *boot_id, uint64_t boot_ms);

/* 0; -ENOENT (then `out` is empty and right); -EINVAL (damaged: renamed, `out` empty). */
int rw_safe_start_load(const char *folder, struct rw_safe_start *out);
int rw_safe_start_save(const char *folder, const struct rw_safe_start *state); /* durable */
int rw_safe_start_remove(const char *folder); /* 0 also when there was none */

#endif
