/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemons end with; the numbers beyond 2 are those of sysexits.h. */
#ifndef RINGWATCH_LIB_EXIT_CODES_H
#define RINGWATCH_LIB_EXIT_CODES_H

enum rw_exit {
	RW_EXIT_OK = 0,
	RW_EXIT_USAGE = 2,        /* configuration or command line */
	RW_EXIT_UNAVAILABLE = 69, /* a port is in use */
	RW_EXIT_INTERNAL = 70,
	RW_EXIT_STATE = 73, /* the state directory cannot be created or written */
	RW_EXIT_PERMISSION = 77,
};

#endif
