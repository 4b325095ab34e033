/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses without waiting. A number is answered at once; a name is
 * asked for by a thread of its own, that ends with the answer, since the C
 * library's resolver may block for many seconds and the sensor must not.
 */
#ifndef RINGWATCH_SENSOR_LOOKUP_H
#define RINGWATCH_SENSOR_LOOKUP_H

#include <netdb.h>

struct rw_lookup;

/*
 * Begins to look up "HOST:PORT" or "[V6]:PORT". 0 or negative errno. Read
 * rw_lookup_descriptor for readiness, then take the answer.
 */
int rw_lookup_begin(const char *address, struct rw_lookup **out);
int rw_lookup_descriptor(const struct rw_lookup *lookup);

/*
 * Takes the answer: 0 with *out (freeaddrinfo), -EAGAIN while it is not there,
 * or -EHOSTUNREACH with *reason a sentence.
 */
int rw_lookup_take(struct rw_lookup *lookup, struct addrinfo **out, const char **reason);

/* Gives it up; a thread still at it is left to end by itself. NULL is fine. */
void rw_lookup_free(struct rw_lookup *lookup);

#endif
