/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that no collector may accept. */
#ifndef RINGWATCH_CTL_FLEET_NONSENSE_H
#define RINGWATCH_CTL_FLEET_NONSENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RW_FLEET_NONSENSE_BYTES = 4096 };

unsigned rw_fleet_nonsense_count(void);
/* "unknown_field", …; turns beyond the count begin anew. */
const char *rw_fleet_nonsense_name(unsigned turn);
/* Whether it takes the place of Hello. */
bool rw_fleet_nonsense_is_greeting(unsigned turn);
/* Writes it, head and all; returns its length. */
size_t rw_fleet_nonsense_make(unsigned turn, uint8_t out[RW_FLEET_NONSENSE_BYTES]);

#endif
