/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a boot leaves to the next one: a small fsynced file `boot.state` in the
 * state directory says which boot the sensor was last alive in, whether its end
 * had been announced or has begun, and what that boot would have left behind had
 * it died. It is written at the start, every few seconds, and at each step of
 * going down. What the next boot makes of it is lastboot.h's.
 */
#ifndef RINGWATCH_SENSOR_BOOT_H
#define RINGWATCH_SENSOR_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/events/event.h"

enum {
	RW_BOOT_ALIVE_EVERY_MS = 60000,
	RW_BOOT_ALIVE_WATCHFUL_MS = 5000, /* for a while after a panic or an oops: then the end
					     of the boot may be near, and how near is asked */
	RW_BOOT_WATCHFUL_FOR_MS = 60000,
	RW_BOOT_ANNOUNCED_FOR_MS = 600000,
	RW_BOOT_WORDS_BYTES = 160,
	RW_BOOT_RELEASE_BYTES = 129,
	RW_BOOT_BACKEND_BYTES = 32,
	RW_BOOT_ERROR_BYTES = 256,
};

enum rw_boot_armed {
	RW_ARMED_NONE = 0, /* alive: an end now is unexpected */
	RW_ARMED_REBOOT,
	RW_ARMED_POWER_OFF,
	RW_ARMED_KEXEC,
	RW_ARMED_STOPPED, /* only the sensor was stopped; nobody knows what came after */
};

struct rw_boot_state {
	char boot_id[RW_BOOT_ID_LENGTH + 1];
	uint64_t boot_order;
	char release[RW_BOOT_RELEASE_BYTES]; /* of the kernel; "" unknown */
	uint64_t alive_boot_ms;
	uint64_t alive_wall_ms;
	enum rw_boot_armed armed;
	char previous_boot_id[RW_BOOT_ID_LENGTH + 1]; /* "" when previous_end is NONE */
	Ringwatch__V1__BootEnd previous_end;
	uint64_t log_sequence; /* of the kernel log, dealt with; UINT64_MAX none */
	/* A panic of this boot would leave a record there: "erst", "ramoops",
	 * "efi_pstore". "": nowhere, or a crash kernel would come first. */
	char pstore_backend[RW_BOOT_BACKEND_BYTES];
	/* A hook is live that sees a restart which nobody announced. The sensor sets it. */
	bool sees_restarts;
	uint64_t reset_status; /* of the reset before this boot, as its kernel printed it; 0 none */
	char last_words[RW_BOOT_WORDS_BYTES]; /* "panic: …", "oops: …", "forced reboot by sh"; "" */
};

/* The text of the file. 0, or -EINVAL with *what a constant sentence. */
int rw_boot_parse(const char *text, struct rw_boot_state *out, const char **what);
/* Bytes written, or -EMSGSIZE. */
long rw_boot_format(const struct rw_boot_state *state, char *out, size_t size);

/*
 * The state of this boot from that of the last (`old`, NULL when there is none).
 * The same boot again (the sensor was restarted) keeps order, log position and
 * previous end, and takes back whatever was armed. After another boot,
 * previous_end is UNKNOWN: lastboot.h decides it.
 */
void rw_boot_begin(const struct rw_boot_state *old, const char *boot_id, uint64_t boot_ms,
		   uint64_t wall_ms, struct rw_boot_state *fresh);

/*
 * Looks again what a panic would leave behind: a backend may be registered, and a
 * crash kernel loaded, long after the sensor has come. True when it changed.
 * `root` is put before /sys: "" but for tests. Needs no rights.
 */
bool rw_boot_look(const char *root, struct rw_boot_state *state);

/* 0; -ENOENT; -EINVAL (damaged: it was renamed, `error` says so); other errno. */
int rw_boot_load(const char *folder, struct rw_boot_state *out, char error[RW_BOOT_ERROR_BYTES]);
/* Durable when it returns 0. */
int rw_boot_save(const char *folder, const struct rw_boot_state *state);

/* ---- announcements ------------------------------------------------------------ */

/* What `ringwatch-sensor --announce` left for the running sensor's SIGTERM. */
struct rw_announcement {
	enum rw_boot_armed armed; /* reboot, power-off or kexec */
	uint32_t back_in_s;
};

/* "reboot", "power-off", "kexec"; -EINVAL. */
int rw_announcement_parse(const char *text, enum rw_boot_armed *out);
int rw_announcement_write(const char *folder, const struct rw_announcement *announcement,
			  const char *boot_id, uint64_t boot_ms);
/* False when there is none, or it is of another boot or older than ten minutes. */
bool rw_announcement_read(const char *folder, const char *boot_id, uint64_t boot_ms,
			  struct rw_announcement *out);
void rw_announcement_remove(const char *folder);

/* The running kernel's own id. 0 or negative errno. */
int rw_boot_current_id(char out[RW_BOOT_ID_LENGTH + 1]);
/* The same, of a kernel whose /proc lies below `root`. */
int rw_boot_id_below(const char *root, char out[RW_BOOT_ID_LENGTH + 1]);

#endif
