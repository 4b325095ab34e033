/* SPDX-License-Identifier: Apache-2.0 */
/* Giving back what only the start, or a handshake, needed. */
#ifndef RINGWATCH_SENSOR_TRIM_H
#define RINGWATCH_SENSOR_TRIM_H

/*
 * Free heap goes back to the kernel, and so does every page of code and
 * constants of the program and its libraries: they are unmapped, stay in the page
 * cache, and those that are still called come back one by one. For moments at
 * which much has run that will not run again soon. Needs no right.
 */
void rw_trim(void);

#endif
