/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After the start the sensor keeps only the rights that it needs.
 *
 * While it has all of them it opens what needs them: /dev/kmsg, BPF, counters,
 * pstore, netconsole. Then: user and group `ringwatch` when it was started as
 * root and that user exists (else it stays who it is), no capability but those
 * that rw_privileges_shed is told to keep, no_new_privs, and an allow-list of
 * system calls; any other fails with EPERM and is logged by the kernel's audit.
 * State directory and what it holds go to the user beforehand.
 *
 * What cannot be shed is said in one warning each and is no reason to stop.
 */
#ifndef RINGWATCH_SENSOR_PRIVILEGES_H
#define RINGWATCH_SENSOR_PRIVILEGES_H

#include <stdbool.h>

enum { RW_PRIVILEGES_TEXT_BYTES = 256 };

struct rw_privileges {
	const char *user;      /* to become; NULL: stay who we are */
	const char *state_dir; /* goes to that user with all that is in it */
	bool keep_syslog;      /* CAP_SYSLOG: addresses of kallsyms */
};

/* Before threads are started. Fills `what` with what is left, "uid=998
 * capabilities=none no_new_privs=yes seccomp=yes", for the log and for tests. */
void rw_privileges_shed(const struct rw_privileges *wanted, char what[RW_PRIVILEGES_TEXT_BYTES]);

#endif
